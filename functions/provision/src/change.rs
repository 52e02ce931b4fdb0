//! Has the carrier do what an order changes on a subscription that is there, and records what it said.

use crate::{App, DECISIONS};
use simdock_carrier::{CarrierError, Change, RevokeRequest};
use simdock_domain::{Command, Iccid, Job, Order, Subject, Subscription, decide_all};
use simdock_runtime::JobFailed;
use simdock_store::Facts;

impl App {
    /// Puts what a renewal or top-up brought on the card.
    pub(crate) async fn add(&self, order: Order) -> Result<(), JobFailed> {
        let (plan_id, add_on_ids) = brought(&order);
        let subscription = self.subscription(&order).await?;
        let change = Change::AddPlan { plan_id, add_on_ids };
        let outcome = self.change(&subscription, change, order.num.to_string(), order.paid_at()).await?;
        self.conclude(order, Job::Provision, outcome).await
    }

    /// Takes what a renewal or top-up brought off the card again.
    pub(crate) async fn take_off(&self, order: Order) -> Result<(), JobFailed> {
        let (plan_id, add_on_ids) = brought(&order);
        let subscription = self.subscription(&order).await?;
        let outcome = if subscription.ended.is_some() && !subscription.has_begun(&order.num) {
            // Whatever was on it was stopped with its card.
            Ok(())
        } else {
            let change = Change::RemovePlan { plan_id, add_on_ids };
            self.change(&subscription, change, order.num.to_string(), order.paid_at()).await?
        };
        self.conclude(order, Job::Revoke, outcome).await
    }

    /// Stops the card of a subscription that is cancelled, installed or not.
    pub(crate) async fn stop(&self, order: Order) -> Result<(), JobFailed> {
        let iccid = self.subscription(&order).await?.iccid;
        let outcome = self.stop_card(&order, &iccid).await?;
        self.conclude(order, Job::Provision, outcome).await
    }

    /// Stops the card that was swapped.
    pub(crate) async fn retire(&self, order: Order) -> Result<(), JobFailed> {
        let outcome = self.stop_card(&order, &subject(&order)?.iccid).await?;
        self.conclude(order, Job::Retire, outcome).await
    }

    async fn stop_card(&self, order: &Order, iccid: &Iccid) -> Result<Result<(), CarrierError>, JobFailed> {
        let sim = self.store.sim(iccid).await?;
        let sim = sim.ok_or_else(|| JobFailed("the subscription's card is in no table".to_owned()))?;
        if let Err(error) = self.reach(&sim.pool.operator).await? {
            return Ok(Err(error));
        }
        // The operator knows a card by the order that it was sold by, which is not this one.
        let order_num = sim.order_num.ok_or_else(|| JobFailed("the subscription's card was never sold".to_owned()))?;
        let request = RevokeRequest { order_num, iccid: sim.iccid, force: true, requested_at: order.paid_at() };
        Ok(self.carriers.revoke(&sim.pool.operator, &request, self.store.clock().now()).await.map(|_| ()))
    }

    /// The subscription that an order changes.
    async fn subscription(&self, order: &Order) -> Result<Subscription, JobFailed> {
        let subscription = self.store.subscription(&subject(order)?.subscription).await?;
        subscription.ok_or_else(|| JobFailed("there is no such subscription".to_owned()))
    }

    /// Records how it went, with what that means for the subscription; where something changed meanwhile, decides again.
    async fn conclude(&self, mut order: Order, job: Job, outcome: Result<(), CarrierError>) -> Result<(), JobFailed> {
        if let Err(error) = &outcome {
            tracing::warn!(reason = %error, "the carrier did not do it");
        }
        for _ in 0..DECISIONS {
            let now = self.store.clock().now();
            let mut commands = vec![command(job, &outcome)];
            if matches!((job, &outcome), (Job::Revoke, Err(CarrierError::Final { .. }))) {
                commands.extend(self.over_meanwhile(&order, 0).await?);
            }
            let Ok(next) = decide_all(&order, commands, now) else { return Ok(()) };
            if self.store.write_in_step(&order, &next, Facts::default(), now).await?.is_ok() {
                tracing::info!(done = outcome.is_ok(), "change recorded");
                return Ok(());
            }
            let Some(fresh) = self.store.order(&order.num).await? else { return Ok(()) };
            order = fresh;
        }
        Err(JobFailed("the order or its subscription kept changing".to_owned()))
    }
}

fn subject(order: &Order) -> Result<&Subject, JobFailed> {
    order.subject.as_ref().ok_or_else(|| JobFailed("the order changes no subscription".to_owned()))
}

/// The plan and the add-ons that an order brings.
fn brought(order: &Order) -> (Option<String>, Vec<String>) {
    (order.brings_plan().then(|| order.plan_id.clone()), order.add_on_ids.clone())
}

fn command(job: Job, outcome: &Result<(), CarrierError>) -> Command {
    match (job, outcome) {
        (Job::Revoke, Ok(())) => Command::Revoked { line: 0 },
        (Job::Revoke, Err(CarrierError::Final { reason })) => {
            Command::RevocationRefused { line: 0, provisioned: true, overtaken: false, reason: reason.clone() }
        }
        (Job::Revoke, Err(CarrierError::Retryable { retry_after, .. })) => {
            Command::RevocationDelayed { retry_after: *retry_after }
        }
        (Job::Retire, Ok(())) => Command::Retired,
        // A card that was replaced has to be stopped, whatever its carrier says: it is asked until it does, and a manager is told.
        (Job::Retire, Err(CarrierError::Final { .. })) => Command::RetirementDelayed { retry_after: None },
        (Job::Retire, Err(CarrierError::Retryable { retry_after, .. })) => {
            Command::RetirementDelayed { retry_after: *retry_after }
        }
        (Job::Provision | Job::Refund | Job::Mail, Ok(())) => Command::Provisioned(vec![0]),
        (Job::Provision | Job::Refund | Job::Mail, Err(CarrierError::Final { reason })) => {
            Command::ProvisioningFailed { line: 0, reason: reason.clone() }
        }
        (Job::Provision | Job::Refund | Job::Mail, Err(CarrierError::Retryable { reason, retry_after })) => {
            Command::ProvisioningDelayed { reason: reason.clone(), retry_after: *retry_after }
        }
    }
}
