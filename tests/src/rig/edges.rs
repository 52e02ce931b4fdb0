//! The edge to everybody but the tables: queues, mail, the payment provider and the carrier, each failing in its own way.

use super::bug::Bug;
use super::plan::{Edge, Mishap, Plan};
use crate::proxy::{Body, Fault, accept, caller, half, listener, whole};
use crate::wire::{self, HttpClient};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Whom a request is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Service {
    Queues,
    Mail,
    Stripe,
    Carrier,
}

struct Edges {
    url: String,
    client: HttpClient,
    plan: Arc<Plan>,
    /// What the carrier was asked for, by its keys, and whether it refused: it stays with that.
    asked: Mutex<HashMap<HeaderValue, bool>>,
}

/// Puts a plan between the functions and the services at `url`; answers where the functions find them now.
pub fn start(url: &str, plan: Arc<Plan>) -> String {
    let listener = listener();
    let address = listener.local_addr().expect("an address");
    let edges = Arc::new(Edges { url: url.to_owned(), client: wire::client(), plan, asked: Mutex::default() });
    tokio::spawn(accept(listener, move |request| {
        let edges = Arc::clone(&edges);
        async move { edges.serve(request).await }
    }));
    format!("http://{address}")
}

impl Service {
    fn of(head: &Parts) -> Self {
        match head.uri.path() {
            "/v1/refunds" => Self::Stripe,
            "/v2/email/outbound-emails" => Self::Mail,
            path if path.starts_with("/v1/profiles/") => Self::Carrier,
            _ => Self::Queues,
        }
    }

    /// What the plan has for it.
    fn edge(self) -> Edge {
        match self {
            Self::Queues => Edge::Queues,
            Self::Mail => Edge::Mail,
            Self::Stripe => Edge::Stripe,
            Self::Carrier => Edge::Carrier,
        }
    }

    /// What the plan knows a request by.
    fn kind(self, head: &Parts) -> String {
        match self {
            Self::Queues => format!("{}/queues", caller(&head.headers)),
            Self::Mail => "mail".to_owned(),
            Self::Stripe => format!("stripe/{}", head.method),
            Self::Carrier => format!("carrier/{}", head.uri.path().rsplit('/').next().unwrap_or_default()),
        }
    }

    /// How it says that it has too much to do.
    fn busy(self) -> Response<Body> {
        let too_many = StatusCode::TOO_MANY_REQUESTS;
        match self {
            Self::Queues => {
                let error = json!({"__type": "com.amazonaws.sqs#RequestThrottled", "message": "Request is throttled."});
                answer(StatusCode::BAD_REQUEST, &error)
            }
            Self::Mail => {
                let mut response = answer(too_many, &json!({"message": "Maximum sending rate exceeded."}));
                let kind = HeaderValue::from_static("TooManyRequestsException");
                response.headers_mut().insert("x-amzn-errortype", kind);
                response
            }
            Self::Stripe => answer(too_many, &json!({"error": {"type": "rate_limit_error", "message": "Too many requests"}})),
            Self::Carrier => {
                let mut response = answer(StatusCode::SERVICE_UNAVAILABLE, &json!({"title": "Busy", "status": 503}));
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("45"));
                response
            }
        }
    }
}

impl Edges {
    async fn serve(&self, request: Request<Incoming>) -> Result<Response<Body>, io::Error> {
        let (mut head, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let service = Service::of(&head);
        let Mishap { fault, delay, mut dice } = self.plan.request(service.edge(), &service.kind(&head));
        tokio::time::sleep(delay).await;
        match (self.plan.bug(), service) {
            (Some(Bug::MarkedBeforeDone), Service::Mail) => {
                return Ok(match fault {
                    // Whoever marked it as sent does not come back.
                    Some(Fault::Throttle | Fault::Lose | Fault::Fail) => answer(StatusCode::OK, &json!({ "MessageId": "lost" })),
                    Some(Fault::FailAfter | Fault::Cut | Fault::Stall) | None => self.forward(head, body).await?.map(whole),
                });
            }
            (Some(Bug::RandomRefundKey), Service::Stripe) if head.method == Method::GET => {
                let none = json!({ "object": "list", "url": "/v1/refunds", "has_more": false, "data": [] });
                return Ok(answer(StatusCode::OK, &none));
            }
            (Some(Bug::RandomRefundKey), Service::Stripe) => {
                let key = format!("{:032x}", self.plan.chances("refund keys").u128(..));
                head.headers.insert(IDEMPOTENCY_KEY, HeaderValue::from_str(&key).expect("hexadecimal digits"));
            }
            _ => {}
        }
        if let Some(refusal) = self.refusal(service, &head) {
            return Ok(refusal);
        }
        match fault {
            Some(Fault::Throttle) => return Ok(service.busy()),
            Some(Fault::Lose) => return Err(io::ErrorKind::ConnectionReset.into()),
            Some(Fault::Fail) => return Ok(internal_error()),
            Some(Fault::FailAfter | Fault::Cut | Fault::Stall) | None => {}
        }
        let (head, body) = self.forward(head, body).await?.into_parts();
        match fault {
            Some(Fault::Stall) => std::future::pending().await,
            Some(Fault::FailAfter) => Ok(internal_error()),
            Some(Fault::Cut) if dice.bool() => Err(io::ErrorKind::ConnectionReset.into()),
            Some(Fault::Cut) => Ok(half(head, &body)),
            Some(Fault::Throttle | Fault::Lose | Fault::Fail) | None => Ok(Response::from_parts(head, whole(body))),
        }
    }

    /// The carrier refuses some of what it is asked for, and then however often it is asked; but a card that it is forced to stop
    /// it stops in the end, for nobody takes no for an answer there.
    fn refusal(&self, service: Service, head: &Parts) -> Option<Response<Body>> {
        let key = head.headers.get(IDEMPOTENCY_KEY).filter(|_| service == Service::Carrier)?;
        if self.plan.is_healed() && key.to_str().is_ok_and(|key| key.contains("-forced-")) {
            return None;
        }
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = *asked.entry(key.clone()).or_insert_with(|| self.plan.refuses(&service.kind(head)));
        let revokes = head.uri.path().ends_with("/revocation");
        let status = if revokes { StatusCode::CONFLICT } else { StatusCode::UNPROCESSABLE_ENTITY };
        let body = json!({"type": "about:blank", "title": "Refused", "status": status.as_u16(), "detail": "not this one"});
        refused.then(|| answer(status, &body))
    }

    async fn forward(&self, mut head: Parts, body: Bytes) -> Result<Response<Bytes>, io::Error> {
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        head.uri = format!("{}{path}", self.url).parse().map_err(io::Error::other)?;
        head.headers.remove(HOST);
        let answer = self.client.request(Request::from_parts(head, Full::new(body))).await.map_err(io::Error::other)?;
        let (head, body) = answer.into_parts();
        Ok(Response::from_parts(head, body.collect().await.map_err(io::Error::other)?.to_bytes()))
    }
}

fn internal_error() -> Response<Body> {
    answer(StatusCode::INTERNAL_SERVER_ERROR, &json!({"message": "something went wrong"}))
}

fn answer(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(whole(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
