//! Reads what changed on orders and queues the jobs that the change made due.

use lambda_runtime::{Error, LambdaEvent};
use simdock_domain::{Order, Timestamp, outstanding};
use simdock_jobs::{JobMessage, LONGEST_DELAY, Queued, Queues};
use simdock_runtime::{BatchResponse, Clock, Config, ConfigError, StreamChange, StreamEvent};
use simdock_store::{StoreError, order_in_image};
use tracing::Instrument;

/// The function and what it holds on to between batches.
#[derive(Debug)]
pub struct App {
    queues: Queues,
    clock: Clock,
}

impl App {
    /// Builds the function.
    #[expect(clippy::unused_async, reason = "all functions are built alike")]
    pub async fn new(config: &Config) -> Result<Self, ConfigError> {
        Ok(Self { queues: Queues::new(config)?, clock: config.clock().clone() })
    }

    /// Works a batch of changes. If the queues do not take the jobs, the batch comes back whole: queuing twice does no harm.
    pub async fn handle(&self, event: LambdaEvent<StreamEvent<serde_json::Value>>) -> Result<BatchResponse, Error> {
        let span = tracing::info_span!("batch", function = "relay", requestId = event.context.request_id);
        async {
            let mut response = BatchResponse::default();
            let Some(first) = event.payload.records.first().map(|record| record.change.sequence_number.clone()) else {
                return Ok(response);
            };
            let now = self.clock.now();
            let mut jobs = Vec::new();
            for record in event.payload.records {
                let sequence_number = record.change.sequence_number.clone();
                match new_jobs(record.change, now) {
                    Ok(new) => jobs.extend(new),
                    // It would be as unreadable the next time; the sweep reads the order itself.
                    Err(error) => tracing::error!(sequenceNumber = sequence_number, %error, "change cannot be read"),
                }
            }
            if let Err(error) = self.queues.send(&jobs).await {
                tracing::warn!(%error, "batch comes back");
                response.deliver_again(first);
            } else if !jobs.is_empty() {
                tracing::info!(jobs = jobs.len(), "queued");
            }
            Ok(response)
        }
        .instrument(span)
        .await
    }
}

/// The jobs that were not outstanding before the change, or not at that time. What a queue cannot hold back long enough, and
/// what somebody has begun, is left to the sweep.
fn new_jobs(change: StreamChange<serde_json::Value>, now: Timestamp) -> Result<Vec<Queued>, StoreError> {
    let Some(new) = change.new_image else { return Ok(Vec::new()) };
    let new = order_in_image(new)?;
    let before = match change.old_image {
        None => Vec::new(),
        Some(old) => outstanding(&order_in_image(old)?),
    };
    let queued = |order: &Order, job, delay| Queued { message: JobMessage { order_num: order.num.clone(), job }, delay };
    Ok(outstanding(&new)
        .into_iter()
        .filter(|job| !job.claimed && !before.contains(job))
        .map(|job| queued(&new, job.job, job.at.seconds_since(now).max(0)))
        .filter(|queued| queued.delay <= LONGEST_DELAY)
        .collect())
}
