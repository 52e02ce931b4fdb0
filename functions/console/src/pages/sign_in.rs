//! Signing in with a manager's key.

use crate::App;
use crate::api::{Api, Refusal};
use crate::frame::bare;
use crate::http::{self, Form, Visit, page, redirect};
use crate::model::Waiting;
use crate::session::{COOKIE, LIFETIME, Signer};
use lambda_http::http::StatusCode;
use lambda_http::http::header::SET_COOKIE;
use lambda_http::{Body, Response};
use maud::html;
use simdock_api::Session;

/// The longest key that is looked up, in bytes.
const MAX_KEY: usize = 256;

/// The form; with what was wrong, if it comes back.
pub fn show(visit: &Visit, wrong: Option<&str>) -> Response<Body> {
    let back = back(if wrong.is_some() { &visit.form } else { &visit.query });
    let content = html! {
        h1 { "Simdock" }
        p { "The order desk. Sign in with a manager’s key." }
        form method="post" action="/console/sign-in" {
            @if visit.query.text("ended") == "true" {
                div.refused role="alert" {
                    strong { "Nothing was done. " }
                    "Your session had ended when you sent the form. Sign in to come back to its page, and fill it in again."
                }
            }
            @if let Some(wrong) = wrong { p.refused #wrong role="alert" { (wrong) } }
            input type="hidden" name="back" value=(back);
            div.field {
                label for="key" { "Key" }
                input #key type="password" name="key" required autofocus autocomplete="current-password" spellcheck="false"
                    aria-describedby=[wrong.map(|_| "wrong")] aria-invalid=[wrong.map(|_| "true")];
            }
            div.buttons { button type="submit" { "Sign in" } }
        }
        p.hint { "You stay signed in for " (LIFETIME / 3600) " hours. The key itself is not kept." }
    };
    page(if wrong.is_some() { StatusCode::FORBIDDEN } else { StatusCode::OK }, bare("Sign in", &content))
}

/// What is said where no secret was set that sessions could be signed with.
pub fn closed() -> Response<Body> {
    let content = html! {
        h1 { "Simdock" }
        p { "Nobody can sign in here yet: this stage was deployed without a ConsoleSecret. Set the parameter and deploy again." }
    };
    page(StatusCode::SERVICE_UNAVAILABLE, bare("Closed", &content))
}

/// Begins a session, if the key is a manager's.
pub async fn begin(app: &App, visit: &Visit, signer: &Signer) -> Result<Response<Body>, Refusal> {
    let key = visit.form.text("key");
    // One text for every key that is not good: which ones exist is nobody's business.
    let unknown = "This key is not good. Keys begin with sdk_ and are made by another manager, in the settings.";
    if key.is_empty() || key.len() > MAX_KEY {
        return Ok(show(visit, Some(unknown)));
    }
    let session = Session::of_key(key);
    let api = Api::new(&app.functions, session.clone(), visit.context.clone());
    match api.call("GET /v1/attention").send::<Waiting>().await {
        Ok(_) => {
            let mut response = redirect(&back(&visit.form));
            let cookie = signer.begin(&session, app.clock.now());
            response.headers_mut().append(SET_COOKIE, visit.set_cookie(COOKIE, &cookie, LIFETIME));
            Ok(response)
        }
        Err(refusal) => match refusal.status {
            401 => Ok(show(visit, Some(unknown))),
            403 => Ok(show(visit, Some("This is a partner’s key. The order desk is for managers; partners use the API."))),
            _ => Err(refusal),
        },
    }
}

/// The page to go to: put together anew from the parts of what was asked for, so that it is none but one of the console's.
fn back(form: &Form) -> String {
    let asked = form.text("back");
    let (path, query) = asked.split_once('?').unwrap_or((asked, ""));
    let parts = http::parts(path).filter(|parts| parts.first().is_some_and(|first| !first.starts_with("sign-")));
    parts.map_or_else(|| "/console/orders".to_owned(), |parts| http::path(&parts, &Form::urlencoded(query)))
}
