//! Has the carrier suspend or resume a subscription's card, and records what it said.

use crate::{App, DECISIONS};
use simdock_carrier::{CarrierError, Change};
use simdock_domain::{Service, Subscription, Timestamp};
use simdock_runtime::JobFailed;

impl App {
    /// Does what is wanted of a subscription's service, if it is due.
    pub(crate) async fn service(&self, id: &str) -> Result<(), JobFailed> {
        let Some(subscription) = self.store.subscription(id).await? else {
            return Err(JobFailed("there is no such subscription".to_owned()));
        };
        let now = self.store.clock().now();
        let (change, since, next_at) = match subscription.service {
            Service::On | Service::Suspended { .. } => return Ok(()),
            Service::Suspending { since, next_at, .. } => (Change::Suspend, since, next_at),
            Service::Resuming { since, next_at, .. } => (Change::Resume, since, next_at),
        };
        if next_at > now {
            return Ok(());
        }
        let outcome = self.change(&subscription, change, format!("{id}-{}", since.unix()), since).await?;
        self.record_service(subscription, since, &outcome).await
    }

    async fn record_service(
        &self,
        mut subscription: Subscription,
        since: Timestamp,
        outcome: &Result<(), CarrierError>,
    ) -> Result<(), JobFailed> {
        for _ in 0..DECISIONS {
            let wanted = match subscription.service {
                Service::Suspending { since, .. } | Service::Resuming { since, .. } => Some(since),
                Service::On | Service::Suspended { .. } => None,
            };
            // Somebody else recorded it, and something else is wanted by now.
            if wanted != Some(since) {
                return Ok(());
            }
            let now = self.store.clock().now();
            let next = match outcome {
                Ok(()) => subscription.service_changed(now),
                Err(CarrierError::Final { reason }) => {
                    tracing::error!(subscription = subscription.id, reason, "the carrier refuses to suspend or resume");
                    subscription.service_refused(now)
                }
                Err(CarrierError::Retryable { reason, retry_after }) => {
                    tracing::warn!(subscription = subscription.id, reason, "suspension or resumption is put off");
                    subscription.service_delayed(*retry_after, now)
                }
            };
            let Ok(next) = next else { return Ok(()) };
            if self.store.replace_subscription(&next).await?.is_ok() {
                tracing::info!(subscription = next.id, service = next.service.name(), "service recorded");
                return Ok(());
            }
            let Some(fresh) = self.store.subscription(&subscription.id).await? else { return Ok(()) };
            subscription = fresh;
        }
        Err(JobFailed("the subscription kept changing".to_owned()))
    }
}
