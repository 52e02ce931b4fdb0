//! Reads what changed on orders, queues the jobs that the change made due, and counts what happened.

mod measure;

use lambda_runtime::{Error, LambdaEvent};
use measure::measure;
use simdock_domain::{Order, OrderNum, Timestamp, outstanding};
use simdock_jobs::{JobMessage, LONGEST_DELAY, Queued, Queues};
use simdock_runtime::{BatchResponse, Clock, Config, ConfigError, Measured, Metrics, StreamChange, StreamEvent};
use simdock_store::{StoreError, order_in_image};
use tracing::Instrument;

/// The function and what it holds on to between batches.
#[derive(Debug)]
pub struct App {
    queues: Queues,
    clock: Clock,
    metrics: Metrics,
}

/// What a change of an order means.
struct Changed {
    order_num: OrderNum,
    jobs: Vec<Queued>,
    measured: Vec<Measured>,
}

impl App {
    /// Builds the function.
    #[expect(clippy::unused_async, reason = "all functions are built alike")]
    pub async fn new(config: &Config) -> Result<Self, ConfigError> {
        Ok(Self { queues: Queues::new(config)?, clock: config.clock().clone(), metrics: Metrics::new(config) })
    }

    /// Works a batch of changes. If the queues do not take the jobs, the batch comes back whole: queuing twice does no harm.
    pub async fn handle(&self, event: LambdaEvent<StreamEvent<serde_json::Value>>) -> Result<BatchResponse, Error> {
        let id = event.context.request_id;
        let span = tracing::info_span!("batch", function = "relay", requestId = id);
        async {
            let mut response = BatchResponse::default();
            let Some(first) = event.payload.records.first().map(|record| record.change.sequence_number.clone()) else {
                return Ok(response);
            };
            let now = self.clock.now();
            let mut all: Vec<Changed> = Vec::new();
            for record in event.payload.records {
                let sequence_number = record.change.sequence_number.clone();
                match changed(record.change, now) {
                    Ok(changed) => all.extend(changed),
                    // It would be as unreadable the next time; the sweep reads the order itself.
                    Err(error) => tracing::error!(sequenceNumber = sequence_number, %error, "change cannot be read"),
                }
            }
            let jobs: Vec<Queued> = all.iter().flat_map(|changed| changed.jobs.iter().cloned()).collect();
            let ids = match self.queues.send(&jobs).await {
                Ok(ids) => ids,
                Err(error) => {
                    tracing::warn!(%error, "batch comes back");
                    response.deliver_again(first);
                    return Ok(response);
                }
            };
            for (Queued { message, .. }, message_id) in jobs.iter().zip(ids) {
                let num = message.order_num.as_str();
                let span = tracing::info_span!("change", function = "relay", requestId = id, orderNum = num);
                span.in_scope(|| tracing::info!(job = message.job.name(), messageId = message_id, "queued"));
            }
            for Changed { order_num, measured, .. } in &all {
                self.metrics.put(Some(order_num.as_str()), measured);
            }
            Ok(response)
        }
        .instrument(span)
        .await
    }
}

/// What a change means; nothing where an order is gone.
fn changed(change: StreamChange<serde_json::Value>, now: Timestamp) -> Result<Option<Changed>, StoreError> {
    let Some(new) = change.new_image else { return Ok(None) };
    let new = order_in_image(new)?;
    let old = change.old_image.map(order_in_image).transpose()?;
    let (jobs, measured) = (new_jobs(old.as_ref(), &new, now), measure(old.as_ref(), &new, now));
    Ok(Some(Changed { order_num: new.num, jobs, measured }))
}

/// The jobs that were not outstanding before the change, or not at that time. What a queue cannot hold back long enough, and
/// what is under way, is left to the sweep.
fn new_jobs(old: Option<&Order>, new: &Order, now: Timestamp) -> Vec<Queued> {
    let before = old.map(outstanding).unwrap_or_default();
    let queued = |job, delay| Queued { message: JobMessage { order_num: new.num.clone(), job }, delay };
    outstanding(new)
        .into_iter()
        .filter(|job| !job.under_way && !before.contains(job))
        .map(|job| queued(job.job, job.at.seconds_since(now).max(0)))
        .filter(|queued| queued.delay <= LONGEST_DELAY)
        .collect()
}
