//! The console as a client of the API: the requests that a partner's own client would send over HTTP, handed to the functions'
//! handlers in this process.

use crate::functions::Functions;
use crate::http::Form;
use crate::words::{of_lines, words};
use lambda_http::http::header::CONTENT_TYPE;
use lambda_http::http::{HeaderValue, Request as HttpRequest, StatusCode};
use lambda_http::request::RequestContext;
use lambda_http::{Body, RequestExt};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use simdock_api::Session;
use std::collections::HashMap;

/// The code of a page that is not there.
const NO_PAGE: &str = "no_page";
/// The code of a form that no page of the session sent.
const ELSEWHERE: &str = "elsewhere";

/// A client that asks in the name of a session.
#[derive(Debug)]
pub struct Api<'a> {
    functions: &'a Functions,
    session: Session,
    /// The gateway's request that all of this is done for: its id stands in the log of each function.
    context: RequestContext,
}

/// A request that is not sent yet.
#[derive(Debug)]
pub struct Call<'a> {
    api: &'a Api<'a>,
    route: &'static str,
    path: HashMap<String, Vec<String>>,
    query: HashMap<String, Vec<String>>,
    key: Option<String>,
    body: Option<(&'static str, String)>,
}

/// What the API refused, as its problem+json says it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// What programs go by.
    #[serde(default)]
    pub code: String,
    /// For people.
    #[serde(default)]
    pub detail: String,
    /// The field that it is about, by its path in the body.
    pub field: Option<String>,
    /// Of an import: how many lines the file has.
    #[serde(default)]
    pub lines: usize,
    /// Of an import: how many of them cannot go in.
    #[serde(default)]
    pub rejected: usize,
    /// Of an import: why.
    #[serde(default)]
    pub errors: Vec<crate::model::LineError>,
}

/// Why something is not possible now, by its stable word.
#[derive(Debug, Default, Deserialize)]
struct Reason {
    #[serde(default)]
    reason: String,
}

impl<'a> Api<'a> {
    /// A client for one request to the console.
    pub fn new(functions: &'a Functions, session: Session, context: RequestContext) -> Self {
        Self { functions, session, context }
    }

    /// Begins a request to a route of the API, named as `openapi.yaml` does: `GET /v1/orders/{orderNum}`.
    pub fn call(&'a self, route: &'static str) -> Call<'a> {
        Call { api: self, route, path: HashMap::new(), query: HashMap::new(), key: None, body: None }
    }
}

impl Call<'_> {
    /// A parameter of the path.
    pub fn path(mut self, name: &str, value: &str) -> Self {
        self.path.insert(name.to_owned(), vec![value.to_owned()]);
        self
    }

    /// A parameter of the query; an empty one is left out.
    pub fn query(mut self, name: &str, value: &str) -> Self {
        if !value.is_empty() {
            self.query.insert(name.to_owned(), vec![value.to_owned()]);
        }
        self
    }

    /// The idempotency key that came with a form.
    pub fn key(mut self, form: &Form) -> Self {
        self.key = Some(form.text("key").to_owned());
        self
    }

    /// A JSON body.
    pub fn json(mut self, body: Map<String, Value>) -> Self {
        self.body = Some(("application/json", Value::Object(body).to_string()));
        self
    }

    /// A CSV body.
    pub fn csv(mut self, file: &str) -> Self {
        self.body = Some(("text/csv", file.to_owned()));
        self
    }

    /// Sends it, and reads what comes back.
    pub async fn send<T: DeserializeOwned>(self) -> Result<T, Refusal> {
        let route = self.route;
        let answer = self.answer().await?;
        serde_json::from_slice(&answer).map_err(|error| unreadable(route, &error))
    }

    /// What comes back, whatever it is of: there is one of this in the binary, and not one for everything that can be asked for.
    async fn answer(self) -> Result<Body, Refusal> {
        let Self { api, route, path, query, key, body } = self;
        let (method, at) = route.split_once(' ').unwrap_or_default();
        let mut request = HttpRequest::builder().method(method).uri(at.replace(['{', '}'], ""));
        let mut text = String::new();
        if let Some((content_type, body)) = body {
            request = request.header(CONTENT_TYPE, content_type);
            text = body;
        }
        let mut request = request.body(Body::Text(text)).map_err(|error| Refusal::ours(error.to_string()))?;
        if let Some(key) = key {
            let key = HeaderValue::from_str(&key).map_err(|_| Refusal::elsewhere())?;
            request.headers_mut().insert("Idempotency-Key", key);
        }
        let mut context = api.context.clone();
        if let RequestContext::ApiGatewayV2(context) = &mut context {
            context.route_key = Some(route.to_owned());
        }
        request.extensions_mut().insert(context);
        request.extensions_mut().insert(api.session.clone());
        let request = request.with_path_parameters(path).with_query_string_parameters(query);
        let response = Box::pin(api.functions.answer(route, request)).await;
        let status = response.status();
        if status.is_success() {
            return Ok(response.into_body());
        }
        let refusal = serde_json::from_slice::<Refusal>(response.body());
        let refusal = refusal.unwrap_or_else(|error| Refusal { status: status.as_u16(), ..Refusal::ours(error.to_string()) });
        let Reason { reason } = serde_json::from_slice(response.body()).unwrap_or_default();
        // What the API calls a subscription is a line here.
        let refusal = match refusal.code.as_str() {
            "invalid_field" => refusal,
            _ => Refusal { detail: of_lines(&refusal.detail), ..refusal },
        };
        Err(match refusal.code.as_str() {
            // What is in the way of a gift stands at its field, and so does an id that is taken.
            "not_eligible" => {
                let field = match &*reason {
                    "plan" => "planId",
                    "no_subscription" | "other_subscriber" | "no_eligible_plan" => "eligibleSubscriptionId",
                    _ => "partnerId",
                };
                Refusal { field: Some(field.to_owned()), ..refusal }
            }
            "not_possible" if reason == "partner_exists" => Refusal { field: Some("partnerId".to_owned()), ..refusal },
            "not_possible" if reason == "plan_exists" => Refusal { field: Some("planId".to_owned()), ..refusal },
            // The key is the form's own.
            "idempotency_key_reused" => Refusal {
                detail: "This form was sent before, with something else in it. Open the page again and fill it in anew."
                    .to_owned(),
                ..refusal
            },
            "invalid_cursor" => Refusal {
                detail: "This place in the list is not there. Begin again with its first page.".to_owned(),
                field: None,
                ..refusal
            },
            "version_conflict" => Refusal {
                detail: "Somebody else saved a change since you opened this page, so yours is not saved yet. Look at both, then save again."
                    .to_owned(),
                ..refusal
            },
            _ => refusal,
        })
    }
}

fn unreadable(route: &str, error: &serde_json::Error) -> Refusal {
    tracing::error!(route, %error, "the answer of the API cannot be read");
    Refusal::ours(error.to_string())
}

impl Refusal {
    fn ours(detail: String) -> Self {
        let status = StatusCode::INTERNAL_SERVER_ERROR.as_u16();
        Self { status, code: "internal".to_owned(), detail, ..Self::default() }
    }

    /// There is no such page, or nothing of that name.
    pub fn not_found() -> Self {
        let detail = "There is no such page.".to_owned();
        Self { status: StatusCode::NOT_FOUND.as_u16(), code: NO_PAGE.to_owned(), detail, ..Self::default() }
    }

    /// A form that no page of this session sent.
    pub fn elsewhere() -> Self {
        let detail = "This form did not come from a page of your session, so nothing was done. Open the page again and send it from there.";
        Self { status: StatusCode::FORBIDDEN.as_u16(), code: ELSEWHERE.to_owned(), detail: detail.to_owned(), ..Self::default() }
    }

    /// A form that is larger than what a browser may send here.
    pub fn too_large() -> Self {
        let detail =
            "That is too much for one form: a file may have 4 MB. Cut it in two, or send it to the API, which takes 5 MB.";
        Self {
            status: StatusCode::PAYLOAD_TOO_LARGE.as_u16(),
            code: "body_too_large".to_owned(),
            detail: detail.to_owned(),
            field: Some("file".to_owned()),
            ..Self::default()
        }
    }

    /// Something about a field that the console itself refuses.
    pub fn about(field: &str, detail: impl Into<String>) -> Self {
        let status = StatusCode::BAD_REQUEST.as_u16();
        Self { status, code: "invalid_field".to_owned(), detail: detail.into(), field: Some(field.to_owned()), ..Self::default() }
    }

    /// A day that is none.
    pub fn no_day(field: &str, text: &str) -> Self {
        Self::about(field, format!("“{text}” is no day. Write it as 2026-11-22."))
    }

    /// What is wrong with the field of this name, by the label that it has in its form; none if something else was refused. What the
    /// API says of a field begins with its path in the body.
    pub fn said_of(&self, name: &str, label: &str) -> Option<String> {
        let field = self.field.as_deref()?;
        let part = field.strip_prefix(name).filter(|part| part.is_empty() || part.starts_with(['.', '[']))?;
        let why = self.detail.strip_prefix(field).filter(|why| why.starts_with([' ', ':']));
        Some(why.map_or_else(|| self.detail.clone(), |why| format!("“{label}{}”{why}", part_of(part))))
    }

    /// For a person who sees no field of that name: it is called by its name in words.
    pub fn said(&self) -> String {
        let field = self.field.as_deref().unwrap_or_default();
        let name = field.split(['.', '[']).next().unwrap_or_default();
        self.said_of(name, &words(name)).filter(|_| !name.is_empty()).unwrap_or_else(|| self.detail.clone())
    }

    /// Whether it is about what was typed, so that the form is shown again.
    pub fn is_about_input(&self) -> bool {
        let of_the_page = [NO_PAGE, ELSEWHERE].contains(&self.code.as_str());
        !of_the_page && matches!(self.status, 400 | 403 | 404 | 409 | 413 | 422)
    }
}

/// A part of a field in words, behind its label: `[1].price` is `, entry 2, Price`. The amount of a price is the price itself.
fn part_of(path: &str) -> String {
    let parts = path.split(['.', '[']).filter(|part| !part.is_empty() && *part != "amount");
    parts.fold(String::new(), |text, part| match part.strip_suffix(']').and_then(|place| place.parse::<usize>().ok()) {
        Some(place) => format!("{text}, entry {}", place + 1),
        None => format!("{text}, {}", words(part)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_called_by_its_label() {
        let said = |field: &str, detail: &str, name: &str| Refusal::about(field, detail).said_of(name, "Label");
        for (field, detail, name, expected) in [
            ("subscriber.email", "subscriber.email is required.", "subscriber.email", Some("“Label” is required.")),
            ("amount.amount", "amount.amount must not be 0.", "amount", Some("“Label” must not be 0.")),
            ("iccids[1]", "iccids[1] is none.", "iccids", Some("“Label, entry 2” is none.")),
            ("addOns[0].voiceType", "addOns[0].voiceType is none.", "addOns", Some("“Label, entry 1, Voice type” is none.")),
            ("planId", "There is no plan.", "planId", Some("There is no plan.")),
            ("planIds", "planIds is required.", "planId", None),
            ("", "It is done already.", "planId", None),
        ] {
            assert_eq!(said(field, detail, name).as_deref(), expected, "{detail}");
        }
        assert_eq!(Refusal::about("basedOn", "basedOn is required.").said(), "“Based on” is required.");
        let several = "name, email or postalAddress";
        assert_eq!(
            Refusal::about(several, format!("{several} is required.")).said(),
            "“Name, email or postal address” is required."
        );
    }
}
