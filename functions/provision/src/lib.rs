//! Works the carrier's jobs: has it activate the pending cards of an order, or revoke those being cancelled, and records what came
//! of it.

mod revoke;

use futures_util::future::join_all;
use lambda_runtime::{Error, LambdaEvent};
use simdock_carrier::{CarrierError, Carriers, ProvisionRequest, Provisioned};
use simdock_domain::{Command, Iccid, Job, Order, Rejected, Timestamp, decide_all, due};
use simdock_jobs::JobMessage;
use simdock_runtime::{BatchResponse, Config, ConfigError, JobFailed, SqsEvent, each_message};
use simdock_store::{Activation, Provisioning, Sim, Store};
use tracing::Instrument;

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
        let id = event.context.request_id.clone();
        Ok(each_message(&event.payload, |body| {
            let span = tracing::info_span!("job", function = "provision", requestId = id, orderNum = tracing::field::Empty);
            self.work(body).instrument(span)
        })
        .await)
    }

    async fn work(&self, body: &str) -> Result<(), JobFailed> {
        let message: JobMessage = serde_json::from_str(body)?;
        tracing::Span::current().record("orderNum", message.order_num.as_str());
        // What one transaction can record is asked for, recorded, and then the order is read again for the rest.
        loop {
            let Some(order) = self.store.order(&message.order_num).await? else {
                return Err(JobFailed("there is no such order".to_owned()));
            };
            if !due(&order, self.store.clock().now()).contains(&message.job) {
                return Ok(());
            }
            match message.job {
                Job::Provision => {
                    let answers = self.ask(&order).await?;
                    self.record(order, &answers).await?;
                }
                Job::Revoke => self.revoke(order).await?,
                Job::Mail { .. } | Job::Refund => return Err(JobFailed("not a job for the carrier".to_owned())),
            }
        }
    }

    async fn ask(&self, order: &Order) -> Result<Vec<Answer>, JobFailed> {
        let pending: Vec<(usize, Iccid)> =
            order.pending().take(Activation::MOST).map(|(line, iccid)| (line, iccid.clone())).collect();
        let iccids: Vec<Iccid> = pending.iter().map(|(_, iccid)| iccid.clone()).collect();
        let sims = self.store.sims(&iccids).await?;
        let mut answers = Vec::with_capacity(pending.len());
        for some in pending.chunks(AT_ONCE) {
            let asked = some.iter().map(async |(line, iccid)| {
                let outcome = match sims.iter().find(|sim| sim.iccid == *iccid) {
                    Some(sim) => self.activate(order, *line, sim).await?,
                    None => Err(CarrierError::Final { reason: "the card is not in the inventory".to_owned() }),
                };
                Ok::<_, JobFailed>(Answer { line: *line, outcome })
            });
            for answer in join_all(asked).await {
                answers.push(answer?);
            }
        }
        Ok(answers)
    }

    async fn activate(&self, order: &Order, line: usize, sim: &Sim) -> Result<Result<Provisioned, CarrierError>, JobFailed> {
        let operator = &sim.pool.operator;
        if let Some(reason) = self.unreachable(operator).await? {
            return Ok(Err(CarrierError::Retryable { reason, retry_after: None }));
        }
        let paid_at = order.paid_by().map_or(order.created_at, |payment| order.payments[payment].at);
        let request = ProvisionRequest {
            order_num: order.num.clone(),
            subscription_id: order.subscription_id(line),
            iccid: sim.iccid.clone(),
            plan_id: order.plan_id.clone(),
            imsi_profile: sim.pool.imsi_profile.clone(),
            // The same at every attempt, so that the operator sees the same request.
            requested_at: paid_at,
        };
        Ok(self.carriers.provision(operator, &request, self.store.clock().now()).await)
    }

    /// Why an operator that has to be asked cannot be. Cards that only it can make work, or stop, must not pass for preloaded.
    async fn unreachable(&self, operator: &str) -> Result<Option<String>, JobFailed> {
        let provisioning = self.store.operator(operator).await?.map(|operator| operator.provisioning);
        let missing = provisioning == Some(Provisioning::Http) && !self.carriers.speaks_to(operator);
        Ok(missing.then(|| format!("operator {operator} has no endpoint in CARRIERS")))
    }

    /// Records the answers in one transaction; where the order changed meanwhile, decides again.
    async fn record(&self, mut order: Order, answers: &[Answer]) -> Result<(), JobFailed> {
        for _ in 0..DECISIONS {
            let now = self.store.clock().now();
            let next = match decide_all(&order, commands(&order, answers), now) {
                Ok(next) => next,
                Err(Rejected::Done | Rejected::NotDue | Rejected::NotAllowed | Rejected::NotRefundable(_)) => return Ok(()),
            };
            if self.write(&order, &next, answers, now).await? {
                return Ok(());
            }
            let Some(fresh) = self.store.order(&order.num).await? else { return Ok(()) };
            order = fresh;
        }
        Err(JobFailed("the order kept changing".to_owned()))
    }

    async fn write(&self, order: &Order, next: &Order, answers: &[Answer], now: Timestamp) -> Result<bool, JobFailed> {
        use simdock_domain::LineState::{Failed, Live, Pending};
        let became = |line: usize, state| order.lines[line].state == Pending && next.lines[line].state == state;
        let activations: Vec<Activation> = answers
            .iter()
            .filter(|answer| became(answer.line, Live))
            .filter_map(|answer| {
                let provisioned = answer.outcome.as_ref().ok()?;
                Some(Activation {
                    line: answer.line,
                    activation_code: provisioned.activation_code.clone(),
                    msisdn: provisioned.msisdn.clone(),
                })
            })
            .collect();
        let failed: Vec<usize> = (0..next.lines.len()).filter(|line| became(*line, Failed)).collect();
        for line in &failed {
            tracing::error!(iccid = next.lines[*line].iccid.as_ref().map(Iccid::as_str), "card failed and is set aside");
        }
        let written = self.store.provisioned(next, &activations, &failed, now).await?.is_ok();
        if written {
            tracing::info!(activated = activations.len(), failed = failed.len(), "provisioned");
        }
        Ok(written)
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
        tracing::warn!(reason, "provisioning is put off");
        commands.push(Command::ProvisioningDelayed { reason, retry_after });
    }
    commands
}
