//! What a partner, a manager and a payment provider see of a running stack: its HTTP API.

use crate::data::Keys;
use crate::error::{Context, StackError};
use crate::stack::Stack;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// Whose API key a request carries.
#[derive(Clone, Copy)]
pub enum By {
    Partner,
    OtherPartner,
    Manager,
    Nobody,
}

/// A request.
#[derive(Clone)]
pub struct Ask {
    by: By,
    method: Method,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: String,
}

/// A client of a stack's API.
pub struct Api<'s> {
    base_url: &'s str,
    keys: &'s Keys,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Ask {
    /// Reads, as the partner.
    pub fn get(path: impl Into<String>) -> Self {
        Self { by: By::Partner, method: Method::GET, path: path.into(), headers: Vec::new(), body: String::new() }
    }

    /// Posts JSON, as the partner.
    pub fn post(path: impl Into<String>, body: &Value) -> Self {
        Self { method: Method::POST, ..Self::get(path) }.body("application/json", body.to_string())
    }

    /// Patches with JSON, as the partner.
    pub fn patch(path: impl Into<String>, body: &Value) -> Self {
        Self { method: Method::PATCH, ..Self::post(path, body) }
    }

    /// The same, by somebody else.
    pub fn by(self, by: By) -> Self {
        Self { by, ..self }
    }

    /// The same, with a header more.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The same, with another body.
    pub fn body(mut self, content_type: &str, body: impl Into<String>) -> Self {
        self.headers.retain(|(name, _)| *name != "Content-Type");
        Self { body: body.into(), ..self }.header("Content-Type", content_type)
    }
}

impl<'s> Api<'s> {
    /// A client with the stack's own keys.
    pub fn new(stack: &'s Stack) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { base_url: stack.base_url(), keys: stack.keys(), client }
    }

    /// What a request is answered, which must come with one of these status codes.
    pub async fn send(&self, ask: Ask, expected: &[u16]) -> Result<Value, StackError> {
        let what = format!("{} {}", ask.method, ask.path);
        let mut request = Request::builder().method(ask.method).uri(format!("{}{}", self.base_url, ask.path));
        let key = match ask.by {
            By::Partner => Some(&self.keys.partner_key),
            By::OtherPartner => Some(&self.keys.other_partner_key),
            By::Manager => Some(&self.keys.manager_key),
            By::Nobody => None,
        };
        if let Some(key) = key {
            request = request.header("Authorization", format!("Bearer {key}"));
        }
        for (name, value) in ask.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::from(ask.body)).context(&what)?;
        let response = self.client.request(request).await.context(&what)?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.context(&what)?.to_bytes();
        let answer: Value = serde_json::from_slice(&body).context(&what)?;
        let otherwise = || format!("{what} answered {status} instead of {expected:?}: {answer}");
        if expected.contains(&status) { Ok(answer) } else { Err(StackError::new(otherwise())) }
    }
}
