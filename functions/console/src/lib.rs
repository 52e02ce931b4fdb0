//! The order desk in a browser: pages for the people who look after orders, cards, stock and partners.
//!
//! The console is a client of the API and nothing else. It holds the other functions' handlers in its own process and sends them the
//! requests that anybody's client would send over HTTP, in the name of the manager whose key began the session; what it shows it reads
//! from their JSON. It knows no table and decides nothing. Pages are whole HTML and all that they do works without a script.

mod api;
mod assets;
mod csv;
mod forms;
mod frame;
mod functions;
mod http;
mod model;
mod pages;
mod session;
mod words;

use crate::api::{Api, Refusal};
use crate::functions::Functions;
use crate::http::{Form, Visit, redirect};
use crate::model::Waiting;
use crate::session::{SignedIn, Signer};
use futures_util::future::join;
use lambda_http::http::header::{HeaderValue, SET_COOKIE, STRICT_TRANSPORT_SECURITY};
use lambda_http::http::{Method, StatusCode};
use lambda_http::request::RequestContext;
use lambda_http::{Body, Request, RequestExt, Response};
use simdock_domain::Timestamp;
use simdock_runtime::{Clock, Config, ConfigError};
use tokio::sync::OnceCell;
use tracing::Instrument;

/// For a year, browsers reach this host by TLS alone, whatever a link says.
const ONLY_TLS: &str = "max-age=31536000";

/// The function and what it holds on to between requests.
#[derive(Debug)]
pub struct App {
    functions: Functions,
    signer: Option<Signer>,
    clock: Clock,
}

/// A page under way: who asks for what.
#[derive(Debug)]
struct Desk<'a> {
    visit: &'a Visit,
    signed_in: &'a SignedIn,
    api: Api<'a>,
    now: Timestamp,
    /// What waits for a manager, once that is known.
    waiting: OnceCell<Option<Waiting>>,
}

impl App {
    /// Builds the function. The functions that it calls are built once they are called.
    #[expect(clippy::unused_async, reason = "as all functions are built")]
    pub async fn new(config: &Config) -> Result<Self, ConfigError> {
        Ok(Self {
            signer: config.optional("CONSOLE_SECRET").map(Signer::new),
            clock: config.clock().clone(),
            functions: Functions::new(config.clone()),
        })
    }

    /// Answers a request. Its log line says no more of it than its method: paths name people's orders, and queries people.
    pub async fn handle(&self, request: Request) -> Response<Body> {
        let id = request_id(&request);
        let span = tracing::info_span!("request", function = "console", requestId = id);
        let mut response = async {
            let response = self.visit(&request).await;
            tracing::info!(method = %request.method(), status = response.status().as_u16(), "answered");
            response
        }
        .instrument(span)
        .await;
        if let Ok(id) = HeaderValue::from_str(&id) {
            response.headers_mut().insert("x-request-id", id);
        }
        response
    }

    async fn visit(&self, request: &Request) -> Response<Body> {
        let Some(visit) = Visit::new(request).await else { return frame::failure(None, &Refusal::not_found()) };
        let mut response = self.respond(&visit, request.body().len()).await;
        if !visit.loopback {
            response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(ONLY_TLS));
        }
        response
    }

    async fn respond(&self, visit: &Visit, length: usize) -> Response<Body> {
        let path: Vec<&str> = visit.path.iter().map(String::as_str).collect();
        if let (&Method::GET, ["assets", name]) = (&visit.method, path.as_slice()) {
            return assets::serve(name).unwrap_or_else(|refusal| frame::failure(None, &refusal));
        }
        let signed_in = self.signed_in(visit);
        match self.answer(visit, &path, signed_in.as_ref(), length).await {
            Ok(response) => response,
            // The key was ended, or the session is over.
            Err(refusal) if refusal.status == StatusCode::UNAUTHORIZED => self.to_sign_in(visit),
            Err(refusal) => frame::failure(signed_in.as_ref().map(|signed_in| (visit, signed_in, None)), &refusal),
        }
    }

    fn signed_in(&self, visit: &Visit) -> Option<SignedIn> {
        self.signer.as_ref()?.read(visit.cookie(session::COOKIE)?, self.clock.now())
    }

    async fn answer(
        &self,
        visit: &Visit,
        path: &[&str],
        signed_in: Option<&SignedIn>,
        length: usize,
    ) -> Result<Response<Body>, Refusal> {
        let posted = visit.method == Method::POST;
        if posted && !visit.is_from_here() {
            return Err(Refusal::elsewhere());
        }
        if path == ["sign-in"] {
            let Some(signer) = &self.signer else { return Ok(pages::sign_in::closed()) };
            return if posted { pages::sign_in::begin(self, visit, signer).await } else { Ok(pages::sign_in::show(visit, None)) };
        }
        let (Some(signed_in), Some(signer)) = (signed_in, &self.signer) else { return Ok(self.to_sign_in(visit)) };
        let api = Api::new(&self.functions, signed_in.session.clone(), visit.context.clone());
        let desk = Desk { visit, signed_in, api, now: self.clock.now(), waiting: OnceCell::new() };
        if length > http::MAX_FORM {
            return pages::too_large(&desk, path).await;
        }
        if posted && !signer.is_token(signed_in, visit.form.text("token")) {
            return Err(Refusal::elsewhere());
        }
        if posted && path == ["sign-out"] {
            let mut response = redirect("/console/sign-in");
            for cookie in [session::COOKIE, frame::FLASH] {
                response.headers_mut().append(SET_COOKIE, visit.set_cookie(cookie, "", 0));
            }
            return Ok(response);
        }
        let answer = pages::answer(&desk, path);
        // What each whole page shows is read beside what it is about.
        let answer = if posted || visit.partial { answer.await } else { join(answer, desk.waiting()).await.0 };
        match answer {
            Err(refusal) if refusal.status != StatusCode::UNAUTHORIZED => Ok(desk.failure(&refusal).await),
            answer => answer,
        }
    }

    /// Asks who it is, and comes back to the page that was asked for.
    fn to_sign_in(&self, visit: &Visit) -> Response<Body> {
        let nothing = || http::answer(StatusCode::NO_CONTENT, "text/plain; charset=utf-8", "");
        // Nobody is taken away from a page that only keeps itself fresh.
        if visit.partial && visit.asked_on.is_none() {
            return nothing();
        }
        if self.signer.is_none() {
            return pages::sign_in::closed();
        }
        // A form leads back to its page, and says that nothing came of it.
        let (back, ended) = match (&visit.asked_on, &visit.method) {
            (Some(page), _) => (page.clone(), "&ended=true"),
            (None, &Method::POST) if visit.path != ["sign-out"] => (pages::of_form(visit), "&ended=true"),
            (None, &Method::GET) => (http::path(&visit.path, &visit.query), ""),
            _ => ("/console/orders".to_owned(), ""),
        };
        let to = format!("/console/sign-in?back={}{ended}", http::encoded(&back));
        let mut response = if visit.partial { nothing() } else { redirect(&to) };
        if visit.partial
            && let Ok(to) = HeaderValue::from_str(&to)
        {
            // A redirect would bring the form into the place of what was asked for.
            response.headers_mut().insert("hx-redirect", to);
        }
        if visit.cookie(session::COOKIE).is_some() {
            response.headers_mut().append(SET_COOKIE, visit.set_cookie(session::COOKIE, "", 0));
        }
        response
    }
}

/// The id that API Gateway gave the request.
fn request_id(request: &Request) -> String {
    match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.request_id.clone().unwrap_or_default(),
        _ => String::new(),
    }
}

impl Desk<'_> {
    /// What the form holds that was sent.
    fn form(&self) -> &Form {
        &self.visit.form
    }
}
