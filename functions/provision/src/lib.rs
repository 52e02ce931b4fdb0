//! Works the carrier's jobs: has it activate the cards of an order, change or end what a subscription has, or revoke cards, and
//! records what came of it.

mod change;
mod revoke;
mod service;

use futures_util::future::join_all;
use lambda_runtime::{Error, LambdaEvent};
use simdock_carrier::{CarrierError, Carriers, Change, ChangeRequest, ProvisionRequest, Provisioned};
use simdock_domain::{Command, Iccid, Job, Order, OrderType, Subscription, Timestamp, decide_all, due};
use simdock_jobs::CarrierMessage;
use simdock_runtime::{BatchResponse, Config, ConfigError, JobFailed, SqsEvent, each_message};
use simdock_store::{Activation, Facts, Provisioning, Sim, Store};

/// How often the outcome is decided anew because the order changed meanwhile.
const DECISIONS: u32 = 20;
/// How many cards the carrier is asked about at once.
const AT_ONCE: usize = 10;

/// The function and what it holds on to between batches.
#[derive(Debug)]
pub struct App {
    store: Store,
    carriers: Carriers,
}

/// What the carrier said about a card.
struct Answer {
    line: usize,
    outcome: Result<Provisioned, CarrierError>,
}

impl App {
    /// Builds the function.
    pub async fn new(config: &Config) -> Result<Self, ConfigError> {
        let carriers = Carriers::from_json(config.optional("CARRIERS").unwrap_or_default())
            .map_err(|error| ConfigError::new("CARRIERS", error.to_string()))?;
        Ok(Self { carriers, store: Store::new(config).await? })
    }

    /// Works a batch of jobs.
    pub async fn handle(&self, event: LambdaEvent<SqsEvent>) -> Result<BatchResponse, Error> {
        Ok(each_message("provision", &event, |body| self.work(body)).await)
    }

    async fn work(&self, body: &str) -> Result<(), JobFailed> {
        let message = match serde_json::from_str(body)? {
            CarrierMessage::Order(message) => message,
            CarrierMessage::Service(message) => return self.service(&message.subscription_id).await,
        };
        tracing::Span::current().record("orderNum", message.order_num.as_str());
        // What one transaction can record is asked for, recorded, and then the order is read again for the rest.
        loop {
            let Some(order) = self.store.order(&message.order_num).await? else {
                return Err(JobFailed("there is no such order".to_owned()));
            };
            if !due(&order, self.store.clock().now()).contains(&message.job) {
                return Ok(());
            }
            match (message.job, order.kind) {
                (Job::Provision, OrderType::ActivateSubscription | OrderType::SwapSim) => {
                    let all = order.pending().count() <= Activation::MOST;
                    self.activate(order).await?;
                    if all {
                        return Ok(());
                    }
                }
                (Job::Provision, OrderType::TopUpSubscription | OrderType::Renewal) => self.add(order).await?,
                (Job::Provision, OrderType::CancelSubscription) => self.stop(order).await?,
                (Job::Revoke, OrderType::ActivateSubscription | OrderType::SwapSim) => self.revoke(order).await?,
                (Job::Revoke, OrderType::TopUpSubscription | OrderType::Renewal | OrderType::CancelSubscription) => {
                    self.take_off(order).await?;
                }
                (Job::Retire, _) => self.retire(order).await?,
                (Job::Mail | Job::Refund, _) => return Err(JobFailed("not a job for the carrier".to_owned())),
            }
        }
    }

    /// Has the pending lines' cards activated.
    async fn activate(&self, order: Order) -> Result<(), JobFailed> {
        let pending: Vec<(usize, Iccid)> =
            order.pending().take(Activation::MOST).map(|(line, iccid)| (line, iccid.clone())).collect();
        let iccids: Vec<Iccid> = pending.iter().map(|(_, iccid)| iccid.clone()).collect();
        let sims = self.store.sims(&iccids).await?;
        let mut answers = Vec::with_capacity(pending.len());
        for some in pending.chunks(AT_ONCE) {
            let asked = some.iter().map(async |(line, iccid)| {
                let outcome = match sims.iter().find(|sim| sim.iccid == *iccid) {
                    Some(sim) => self.ask(&order, *line, sim).await?,
                    None => Err(CarrierError::Final { reason: "the card is not in the inventory".to_owned() }),
                };
                Ok::<_, JobFailed>(Answer { line: *line, outcome })
            });
            for answer in join_all(asked).await {
                answers.push(answer?);
            }
        }
        self.record(order, &answers, &sims).await
    }

    async fn ask(&self, order: &Order, line: usize, sim: &Sim) -> Result<Result<Provisioned, CarrierError>, JobFailed> {
        let operator = &sim.pool.operator;
        if let Err(error) = self.reach(operator).await? {
            return Ok(Err(error));
        }
        let request = ProvisionRequest {
            order_num: order.num.clone(),
            subscription_id: order.subscription_of(line),
            iccid: sim.iccid.clone(),
            plan_id: order.plan_id.clone(),
            add_on_ids: order.add_on_ids.clone(),
            imsi_profile: sim.pool.imsi_profile.clone(),
            requested_at: order.paid_at(),
        };
        Ok(self.carriers.provision(operator, &request, self.store.clock().now()).await)
    }

    /// Refuses for now where an operator that has to be asked cannot be. Cards that only it can make work, or stop, must not pass for
    /// preloaded.
    async fn reach(&self, operator: &str) -> Result<Result<(), CarrierError>, JobFailed> {
        let provisioning = self.store.operator(operator).await?.map(|operator| operator.provisioning);
        if provisioning == Some(Provisioning::Http) && !self.carriers.speaks_to(operator) {
            let reason = format!("operator {operator} has no endpoint in CARRIERS");
            return Ok(Err(CarrierError::Retryable { reason, retry_after: None }));
        }
        Ok(Ok(()))
    }

    /// Has the operator change what a subscription's card may do.
    async fn change(
        &self,
        subscription: &Subscription,
        change: Change,
        reference: String,
        requested_at: Timestamp,
    ) -> Result<Result<(), CarrierError>, JobFailed> {
        let operator = &subscription.pool.operator;
        if let Err(error) = self.reach(operator).await? {
            return Ok(Err(error));
        }
        let (subscription_id, iccid) = (subscription.id.clone(), subscription.iccid.clone());
        let request = ChangeRequest { reference, subscription_id, iccid, change, requested_at };
        Ok(self.carriers.change(operator, &request, self.store.clock().now()).await.map(|_| ()))
    }

    /// Records the answers in one transaction; where the order changed meanwhile, decides again.
    async fn record(&self, mut order: Order, answers: &[Answer], sims: &[Sim]) -> Result<(), JobFailed> {
        let activation = |answer: &Answer| {
            let Provisioned { activation_code, msisdn } = answer.outcome.clone().ok()?;
            Some(Activation { line: answer.line, activation_code, msisdn })
        };
        let activations: Vec<Activation> = answers.iter().filter_map(activation).collect();
        for _ in 0..DECISIONS {
            let now = self.store.clock().now();
            let Ok(next) = decide_all(&order, commands(&order, answers), now) else { return Ok(()) };
            let facts = Facts { activations: &activations, sims };
            if self.store.write_in_step(&order, &next, facts, now).await?.is_ok() {
                let failed = answers.iter().filter(|answer| matches!(answer.outcome, Err(CarrierError::Final { .. }))).count();
                if failed > 0 {
                    tracing::error!(failed, "cards failed and are set aside");
                }
                tracing::info!(activated = activations.len(), failed, "provisioned");
                return Ok(());
            }
            let Some(fresh) = self.store.order(&order.num).await? else { return Ok(()) };
            order = fresh;
        }
        Err(JobFailed("the order kept changing".to_owned()))
    }
}

fn commands(order: &Order, answers: &[Answer]) -> Vec<Command> {
    let mut activated = Vec::new();
    let mut commands = Vec::new();
    let mut delayed: Option<(String, Option<u32>)> = None;
    for answer in answers.iter().filter(|answer| order.pending().any(|(line, _)| line == answer.line)) {
        match &answer.outcome {
            Ok(_) => activated.push(answer.line),
            Err(CarrierError::Final { reason }) => {
                commands.push(Command::ProvisioningFailed { line: answer.line, reason: reason.clone() });
            }
            Err(CarrierError::Retryable { reason, retry_after }) => {
                let longest = delayed.map_or(*retry_after, |(_, known)| known.max(*retry_after));
                delayed = Some((reason.clone(), longest));
            }
        }
    }
    if !activated.is_empty() {
        commands.insert(0, Command::Provisioned(activated));
    }
    if let Some((reason, retry_after)) = delayed {
        commands.push(Command::ProvisioningDelayed { reason, retry_after });
    }
    commands
}
