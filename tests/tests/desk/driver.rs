//! As much of the W3C's `WebDriver` as the tests need, over the HTTP client that they have. A crate for it would change how `serde_json`
//! orders objects in every test of the workspace.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// The name under which the standard has an element's id.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// How the driver's error begins when an element is no more on the page.
const STALE: &str = "\"stale element reference\"";

/// What the driver says went wrong.
pub type Answer<T> = Result<T, String>;

/// A session with a browser.
#[derive(Clone)]
pub struct Driver(Arc<Session>);

struct Session {
    client: Client<HttpConnector, Full<Bytes>>,
    url: String,
}

/// An element of the page, by where it stands.
pub struct Element {
    driver: Driver,
    /// The selector that found it, as the standard has one.
    wanted: Value,
    id: Mutex<String>,
}

/// How an element is looked for.
pub enum By<'a> {
    Css(&'a str),
    XPath(&'a str),
}

async fn ask(client: &Client<HttpConnector, Full<Bytes>>, method: Method, url: &str, body: &Value) -> Answer<Value> {
    let text = if method == Method::POST { body.to_string() } else { String::new() };
    let request = Request::builder().method(method).uri(url).header("content-type", "application/json").body(Full::from(text));
    let response = client.request(request.unwrap()).await.map_err(|error| error.to_string())?;
    let status = response.status();
    let body = response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
    let mut answer: Value = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
    let value = answer["value"].take();
    if status.is_success() { Ok(value) } else { Err(format!("{}: {}", value["error"], value["message"])) }
}

impl Driver {
    /// Begins a session with the driver at an address.
    pub async fn begin(address: &str, options: &Value) -> Answer<Self> {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let wanted = json!({"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}});
        let begun = ask(&client, Method::POST, &format!("{address}/session"), &wanted).await?;
        let id = begun["sessionId"].as_str().ok_or("no session")?;
        Ok(Self(Arc::new(Session { url: format!("{address}/session/{id}"), client })))
    }

    async fn post(&self, path: &str, body: &Value) -> Answer<Value> {
        ask(&self.0.client, Method::POST, &format!("{}/{path}", self.0.url), body).await
    }

    async fn get(&self, path: &str) -> Answer<Value> {
        ask(&self.0.client, Method::GET, &format!("{}/{path}", self.0.url), &Value::Null).await
    }

    /// Ends the browser.
    pub async fn quit(&self) -> Answer<Value> {
        ask(&self.0.client, Method::DELETE, &self.0.url, &Value::Null).await
    }

    pub async fn goto(&self, url: &str) -> Answer<Value> {
        self.post("url", &json!({ "url": url })).await
    }

    pub async fn url(&self) -> Answer<String> {
        Ok(string(self.get("url").await?))
    }

    pub async fn find(&self, by: By<'_>) -> Answer<Element> {
        let (using, value) = match by {
            By::Css(value) => ("css selector", value),
            By::XPath(value) => ("xpath", value),
        };
        let wanted = json!({"using": using, "value": value});
        let id = self.look_for(&wanted).await?;
        Ok(Element { driver: self.clone(), wanted, id: Mutex::new(id) })
    }

    async fn look_for(&self, wanted: &Value) -> Answer<String> {
        let found = self.post("element", wanted).await?;
        Ok(string(found[ELEMENT].clone()))
    }

    /// Runs a script in the page, past its policy.
    pub async fn execute(&self, script: &str) -> Answer<Value> {
        self.post("execute/sync", &json!({"script": script, "args": []})).await
    }

    /// Runs a script that calls its last argument with what comes of it.
    pub async fn execute_async(&self, script: &str) -> Answer<Value> {
        self.post("execute/async", &json!({"script": script, "args": []})).await
    }

    /// A cookie of the page.
    pub async fn cookie(&self, name: &str) -> Answer<Value> {
        self.get(&format!("cookie/{name}")).await
    }

    /// A command of Chromium's own.
    pub async fn devtools(&self, command: &str, parameters: &Value) -> Answer<Value> {
        self.post("goog/cdp/execute", &json!({"cmd": command, "params": parameters})).await
    }
}

impl Element {
    /// Asks for something at the element. Live parts of a page are replaced at any moment: then at what stands there now.
    async fn ask(&self, method: Method, what: &str, body: &Value) -> Answer<Value> {
        loop {
            let id = self.id.lock().unwrap().clone();
            let url = format!("{}/element/{id}/{what}", self.driver.0.url);
            match ask(&self.driver.0.client, method.clone(), &url, body).await {
                Err(error) if error.starts_with(STALE) => {
                    let next = self.driver.look_for(&self.wanted).await?;
                    *self.id.lock().unwrap() = next;
                }
                answer => return answer,
            }
        }
    }

    async fn post(&self, what: &str, body: &Value) -> Answer<Value> {
        self.ask(Method::POST, what, body).await
    }

    async fn get(&self, what: &str) -> Answer<Value> {
        self.ask(Method::GET, what, &Value::Null).await
    }

    /// Whether the page has it no more, even if another stands in its place.
    pub async fn gone(&self) -> bool {
        let id = self.id.lock().unwrap().clone();
        self.driver.get(&format!("element/{id}/name")).await.is_err()
    }

    pub async fn click(&self) -> Answer<Value> {
        self.post("click", &json!({})).await
    }

    pub async fn clear(&self) -> Answer<Value> {
        self.post("clear", &json!({})).await
    }

    pub async fn type_in(&self, text: &str) -> Answer<Value> {
        self.post("value", &json!({ "text": text })).await
    }

    pub async fn text(&self) -> Answer<String> {
        Ok(string(self.get("text").await?))
    }

    pub async fn name(&self) -> Answer<String> {
        Ok(string(self.get("name").await?))
    }

    /// An attribute of the HTML; empty without one.
    pub async fn attribute(&self, name: &str) -> Answer<String> {
        Ok(string(self.get(&format!("attribute/{name}")).await?))
    }

    /// What it looks like, as a PNG in base64.
    pub async fn picture(&self) -> Answer<String> {
        Ok(string(self.get("screenshot").await?))
    }

    /// What a field holds.
    pub async fn value(&self) -> Answer<String> {
        Ok(string(self.get("property/value").await?))
    }
}

fn string(value: Value) -> String {
    match value {
        Value::String(text) => text,
        _ => String::new(),
    }
}
