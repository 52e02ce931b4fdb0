//! The functions' own handlers, called as a plan has it: they die in the middle, are called twice, late, or again.

use super::bug::{Bug, ByEvent};
use super::plan::{Going, Plan};
use futures_util::future::{BoxFuture, join};
use serde_json::Value;
use simdock_local::{Handler, Loader};
use simdock_runtime::{Clock, Config, Context};
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::Poll;
use std::time::Instant;

/// What is fed by a queue, a stream, an event bus or a schedule, all of which deliver at least once.
const FED: [&str; 6] = ["relay", "provision", "settle-refund", "send-email", "mail-events", "sweep"];
/// A message that was received so often is let through: the next receives may be the last before the dead letters.
const OFTEN: u64 = 3;
/// Seconds by which the clock must have been moved while a message was worked on for that to count as a jump.
const JUMP: i64 = 60;

/// A function and what it takes to call it.
struct Planned {
    package: String,
    handler: Handler,
    config: Config,
    /// The right time.
    clock: Clock,
    /// By how many seconds its own clock is wrong.
    error: Arc<AtomicI64>,
    plan: Arc<Plan>,
}

/// Messages that are being worked on. Unless they come to a good end the plan has spoilt this delivery.
struct Delivery<'a> {
    planned: &'a Planned,
    messages: Vec<String>,
    since: (Instant, i64),
    done: bool,
}

/// Loads the product's functions, to be called as the plan has it.
pub fn loader(plan: Arc<Plan>) -> Loader {
    Arc::new(move |package, config| {
        let plan = Arc::clone(&plan);
        Box::pin(async move {
            let (clock, error) = (config.clock().clone(), Arc::<AtomicI64>::default());
            let config = config.with_clock(clock.wrong_by(Arc::clone(&error)));
            let handler = simdock_local::load(&package, &config).await?;
            let planned = Arc::new(Planned { package, handler, config, clock, error, plan });
            let handler: Handler = Arc::new(move |event, context| {
                let planned = Arc::clone(&planned);
                Box::pin(async move { call(&planned, event, context).await })
            });
            Ok(handler)
        })
    })
}

async fn call(planned: &Arc<Planned>, event: Value, context: Context) -> Result<Value, String> {
    let _running = planned.plan.begin();
    let mut delivery = Delivery::begin(planned, &event);
    let going = planned.plan.call(&planned.package, FED.contains(&planned.package.as_str()));
    let going = match going {
        Going::Dies(_) | Going::Unheard if received(&event) > OFTEN => Going::Well,
        other => other,
    };
    planned.set_clock();
    let handler = planned.handler(&event).await?;
    let work = |event| handler(event, context.clone());
    let outcome = match going {
        Going::Well => work(event).await,
        Going::Dies(polls) => {
            let outcome = dies_after(polls, work(event)).await;
            outcome.unwrap_or_else(|| {
                planned.plan.count("dies");
                Err("its process died".to_owned())
            })
        }
        Going::Unheard => {
            let _ = work(event).await;
            Err("its process died before it could answer".to_owned())
        }
        Going::Twice => join(work(event.clone()), work(event)).await.0,
        Going::Again(later) => {
            let (again, plan) = (work(event.clone()), Arc::clone(&planned.plan));
            tokio::spawn(async move {
                let _running = plan.begin();
                tokio::time::sleep(later).await;
                let _ = again.await;
            });
            work(event).await
        }
        Going::Late(later) => {
            tokio::time::sleep(later).await;
            work(event).await
        }
    };
    delivery.done = outcome.as_ref().is_ok_and(|answer| answer["batchItemFailures"].as_array().is_none_or(Vec::is_empty));
    outcome
}

impl Planned {
    /// Its machine's clock may be set anew at any time.
    fn set_clock(&self) {
        let error = self.plan.clock(&self.package, self.error.load(Ordering::Relaxed));
        self.error.store(error, Ordering::Relaxed);
    }

    /// What is called with an event. A bug may need to know the requests of one call from those of others, by whom they come from.
    async fn handler(&self, event: &Value) -> Result<Handler, String> {
        let by_event = self.plan.bug() == Some(Bug::PaymentByEvent) && self.package == "payment-webhook";
        let Some(name) = by_event.then(|| ByEvent::name(&self.package, event)).flatten() else {
            return Ok(Arc::clone(&self.handler));
        };
        let config = self.config.clone().with("AWS_ACCESS_KEY_ID", name);
        simdock_local::load(&self.package, &config).await.map_err(|error| error.to_string())
    }
}

/// Polls a future so often, unless it is done before, and drops it.
async fn dies_after<T>(polls: u32, mut future: BoxFuture<'static, T>) -> Option<T> {
    let mut left = polls;
    poll_fn(move |context| {
        left = left.saturating_sub(1);
        match future.as_mut().poll(context) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// How often one of the messages was received, at most.
fn received(event: &Value) -> u64 {
    let records = event["Records"].as_array().into_iter().flatten();
    let counts = records.filter_map(|record| record["attributes"]["ApproximateReceiveCount"].as_str()?.parse().ok());
    counts.max().unwrap_or(0)
}

impl<'a> Delivery<'a> {
    fn begin(planned: &'a Planned, event: &Value) -> Self {
        let records = event["Records"].as_array().into_iter().flatten().map(|record| &record["messageId"]);
        // An event of a bus is known by its own id.
        let messages = records.chain([&event["id"]]).filter_map(Value::as_str).map(str::to_owned).collect();
        Self { planned, messages, since: (Instant::now(), planned.clock.now().unix()), done: false }
    }
}

impl Drop for Delivery<'_> {
    fn drop(&mut self) {
        let (begun, at) = self.since;
        let took = i64::try_from(begun.elapsed().as_secs()).unwrap_or(i64::MAX);
        let jumped = self.planned.clock.now().unix() - at > took + JUMP;
        if (!self.done || jumped) && !self.planned.plan.is_healed() {
            self.planned.plan.spoil(std::mem::take(&mut self.messages));
        }
    }
}
