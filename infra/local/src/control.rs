//! What only a local stack can do: `/_local/…`.

use crate::clock::parse_duration;
use crate::http::{Request, Response, json, read_body, refusal};
use crate::operator::Behaviour;
use crate::stack::Shared;
use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use simdock_domain::Timestamp;

/// Largest body of a control request, in bytes.
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

/// Why a control request did nothing.
struct Refusal(StatusCode, String);

impl Refusal {
    fn bad(problem: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, problem.into())
    }
}

impl From<crate::StackError> for Refusal {
    fn from(error: crate::StackError) -> Self {
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
            let behaviour: Behaviour = read(&body)?;
            stack.operator.behave(behaviour);
            Ok(json!(behaviour))
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
    json!(
        stack.pauses.iter().map(|(source, paused)| (source.clone(), json!(*paused.borrow()))).collect::<serde_json::Map<_, _>>()
    )
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
