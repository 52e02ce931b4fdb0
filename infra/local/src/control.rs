//! What only a local stack can do: `/_local/…`.

use crate::clock::parse_duration;
use crate::error::{Context, StackError};
use crate::http::{Request, Response, json, read_body, refusal};
use crate::operator::Mode;
use crate::stack::Shared;
use crate::stripe::Ending;
use bytes::Bytes;
use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use simdock_domain::Timestamp;
use simdock_payments::http::{Client, client, send};
use std::num::NonZeroU8;

/// Largest body of a control request, and of an answer to an event, in bytes.
const LARGEST_BODY: usize = 64 * 1024;
/// Messages of a queue that are shown.
const MESSAGES_SHOWN: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetClock {
    advance: Option<String>,
    now: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pause {
    source: String,
    paused: bool,
}

/// How the sandbox operator is to answer about one card.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfCard {
    iccid: String,
    mode: Mode,
}

#[derive(Deserialize)]
struct OperatorEvent {
    iccid: String,
    /// How often it is sent.
    repeat: Option<NonZeroU8>,
    /// Sent as it is.
    #[serde(flatten)]
    event: Map<String, Value>,
}

/// Why a control request did nothing.
struct Refusal(StatusCode, String);

impl Refusal {
    fn bad(problem: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, problem.into())
    }
}

impl From<StackError> for Refusal {
    fn from(error: StackError) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

/// Answers a request below `/_local/`.
pub async fn handle(stack: &Shared, request: Request) -> Response {
    match carry_out(stack, request).await {
        Ok(body) => json(StatusCode::OK, &body),
        Err(Refusal(status, problem)) => refusal(status, &problem),
    }
}

async fn carry_out(stack: &Shared, request: Request) -> Result<Value, Refusal> {
    let method = request.method().clone();
    let path = request.uri().path().trim_start_matches("/_local/").to_owned();
    let body =
        read_body(request.into_body(), LARGEST_BODY).await.map_err(|_| Refusal::bad("the body is too large or incomplete"))?;
    match (&method, path.as_str()) {
        (&Method::GET, "clock") => Ok(clock(stack)),
        (&Method::POST, "clock") => {
            set_clock(stack, &read(&body)?).await?;
            Ok(clock(stack))
        }
        (&Method::POST, "sweep") => {
            let mut runs = Vec::new();
            for schedule in &stack.schedules {
                runs.push(json!({"function": schedule.package(), "succeeded": schedule.run().await}));
            }
            Ok(json!({ "ran": runs }))
        }
        (&Method::GET, "pause") => Ok(pauses(stack)),
        (&Method::POST, "pause") => {
            let Pause { source, paused } = read(&body)?;
            let known = || stack.pauses.keys().cloned().collect::<Vec<_>>().join(", ");
            let pause = stack
                .pauses
                .get(&source)
                .ok_or_else(|| Refusal::bad(format!("there is no source {source}; there are {}", known())))?;
            pause.send_replace(paused);
            Ok(pauses(stack))
        }
        (&Method::GET, "queues") => Ok(json!({ "queues": stack.queues.depths() })),
        (&Method::GET, "operator") => Ok(stack.operator.report().await?),
        (&Method::POST, "operator") => {
            let behaviour = read(&body)?;
            stack.operator.behave(behaviour);
            Ok(json!(behaviour))
        }
        (&Method::POST, "operator/cards") => {
            let OfCard { iccid, mode } = read(&body)?;
            stack.operator.behave_about(&iccid, mode).await?;
            Ok(stack.operator.report().await?["cards"].take())
        }
        (&Method::POST, "operator/events") => send_event(stack, read(&body)?).await,
        (&Method::GET, "stripe") => Ok(stack.stripe.report().await?),
        (&Method::POST, "stripe") => {
            let behaviour = read(&body)?;
            stack.stripe.behave(behaviour);
            Ok(json!(behaviour))
        }
        (&Method::POST, "stripe/payments") => {
            stack.stripe.received(read(&body)?).await?;
            Ok(json!({}))
        }
        (&Method::POST, "stripe/refunds") => {
            let made = stack.stripe.refund_by_hand(read(&body)?).await?;
            made.ok_or_else(|| Refusal(StatusCode::CONFLICT, "there is less left of the payment than that".to_owned()))
        }
        (&Method::POST, "stripe/events") => {
            let ending: Ending = read(&body)?;
            let lost = ending.lost;
            let event = stack.stripe.event(&stack.base_url, ending).await.map_err(|error| Refusal::bad(error.to_string()))?;
            if lost {
                return Ok(json!({}));
            }
            Ok(deliver(&client(false).context("Stripe's client")?, event).await?)
        }
        (&Method::GET, path) => match path.strip_prefix("queues/") {
            Some(queue) if stack.queues.has(queue) => Ok(json!({ "messages": stack.queues.peek(queue, MESSAGES_SHOWN)? })),
            _ => Err(Refusal(StatusCode::NOT_FOUND, "there is no such control".to_owned())),
        },
        _ => Err(Refusal(StatusCode::NOT_FOUND, "there is no such control".to_owned())),
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::bad(error.to_string()))
}

fn clock(stack: &Shared) -> Value {
    json!({ "now": stack.clock.now().to_string(), "offsetSeconds": stack.clock.offset() })
}

fn pauses(stack: &Shared) -> Value {
    json!(stack.pauses.iter().map(|(source, paused)| (source.clone(), json!(*paused.borrow()))).collect::<Map<_, _>>())
}

/// Has the sandbox operator send an event about a card to the API, and returns the last answer.
async fn send_event(stack: &Shared, request: OperatorEvent) -> Result<Value, Refusal> {
    let OperatorEvent { iccid, repeat, event } = request;
    let client = client(false).context("the operator's client")?;
    let request = stack.operator.event(&stack.base_url, &iccid, event).await.map_err(|error| Refusal::bad(error.to_string()))?;
    for _ in 1..repeat.map_or(1, NonZeroU8::get) {
        deliver(&client, request.clone()).await?;
    }
    Ok(deliver(&client, request).await?)
}

/// Sends an event to the API; its status and body.
async fn deliver(client: &Client, event: hyper::Request<Bytes>) -> Result<Value, StackError> {
    let answer = send(client, "the API", event, LARGEST_BODY).await.map_err(StackError::new)?;
    let body = String::from_utf8_lossy(answer.body());
    let body = serde_json::from_str(&body).unwrap_or_else(|_not_json| json!(body));
    Ok(json!({ "status": answer.status().as_u16(), "body": body }))
}

/// Moves the clock and returns once the schedules that this made due have run.
async fn set_clock(stack: &Shared, request: &SetClock) -> Result<(), Refusal> {
    match (&request.advance, &request.now) {
        (Some(advance), None) => {
            let by = parse_duration(advance).ok_or_else(|| {
                Refusal::bad("advance must be an ISO 8601 duration of days, hours, minutes and seconds, such as PT20M")
            })?;
            stack.clock.advance(by);
        }
        (None, Some(now)) => {
            let to: Timestamp = now.parse().map_err(|error| Refusal::bad(format!("now {error}")))?;
            stack.clock.set(to).map_err(|error| Refusal::bad(error.to_string()))?;
        }
        _ => return Err(Refusal::bad("give either advance or now")),
    }
    stack.keep_clock().await?;
    for schedule in &stack.schedules {
        if !stack.is_paused(schedule.package()) {
            schedule.run_if_due().await;
        }
    }
    Ok(())
}
