//! Works refund jobs: gives back what an order owes, at the payment provider or to the partner's balance, and records it.

use lambda_runtime::{Error, LambdaEvent};
use simdock_domain::{Command, Job, Order, Provider, REFUND_PATIENCE, Refund, RefundState, Timestamp, decide, due};
use simdock_jobs::JobMessage;
use simdock_payments::{RefundAnswer, RefundError, RefundProgress, RefundRequest, StripeClient, StripeClientError};
use simdock_runtime::{BatchResponse, Config, ConfigError, JobFailed, SqsEvent, each_message};
use simdock_store::{Change, Store};

/// Stripe's own address.
const STRIPE: &str = "https://api.stripe.com";
/// How often a credit is decided anew because the order changed meanwhile.
const DECISIONS: u32 = 20;

/// The function and what it holds on to between batches.
#[derive(Debug)]
pub struct App {
    store: Store,
    stripe: Option<StripeClient>,
}

impl App {
    /// Builds the function. Without Stripe's key, refunds of its payments wait.
    pub async fn new(config: &Config) -> Result<Self, ConfigError> {
        let url = config.optional("STRIPE_URL").unwrap_or(STRIPE);
        let stripe = config.optional("STRIPE_SECRET_KEY").map(|key| StripeClient::new(url, key)).transpose();
        let stripe = stripe.map_err(|error| {
            let variable = match error {
                StripeClientError::Key => "STRIPE_SECRET_KEY",
                StripeClientError::Url | StripeClientError::Tls(_) => "STRIPE_URL",
            };
            ConfigError::new(variable, format!("cannot be used: {error}"))
        })?;
        Ok(Self { stripe, store: Store::new(config).await? })
    }

    /// Works a batch of jobs.
    pub async fn handle(&self, event: LambdaEvent<SqsEvent>) -> Result<BatchResponse, Error> {
        Ok(each_message("settle-refund", &event, |body| self.work(body)).await)
    }

    async fn work(&self, body: &str) -> Result<(), JobFailed> {
        let message: JobMessage = serde_json::from_str(body)?;
        let num = &message.order_num;
        tracing::Span::current().record("orderNum", num.as_str());
        let Some(order) = self.store.order(num).await? else {
            return Err(JobFailed("there is no such order".to_owned()));
        };
        for index in waiting(&order, self.store.clock().now()) {
            let refund = &order.refunds[index];
            match (order.payments[refund.payment].provider, refund.state) {
                (Provider::Balance, _) => self.to_balance(&order, index).await?,
                (Provider::Stripe, RefundState::Due(_)) => {
                    // The others would fare no better now; the sweep comes back to them.
                    if !self.ask(&order, index).await? {
                        break;
                    }
                }
                (Provider::Stripe, RefundState::Requested(_)) => self.look_into(&order, index).await?,
                (Provider::Stripe, RefundState::Succeeded | RefundState::Failed | RefundState::Withdrawn) => {}
                (Provider::Standard | Provider::Free, _) => {
                    let reason = "this provider takes no refunds from here: somebody has to make it there".to_owned();
                    self.note(&order, Command::RefundRefused { refund: index, provider_id: None, reason }).await?;
                }
            }
        }
        Ok(())
    }

    /// The balance, its ledger and the order change together, so nothing has to be asked for first.
    async fn to_balance(&self, order: &Order, index: usize) -> Result<(), JobFailed> {
        let mut order = order.clone();
        for _ in 0..DECISIONS {
            let now = self.store.clock().now();
            let command = Command::RefundSucceeded { refund: index, provider_id: None };
            let Ok(next) = decide(&order, command, now) else { return Ok(()) };
            let amount = next.refunds[index].amount;
            if self.store.refund_to_balance(&next, &next.refund_id(index), amount).await?.is_ok() {
                tracing::info!(%amount, "given back to the balance");
                return Ok(());
            }
            let Some(fresh) = self.store.order(&order.num).await? else { return Ok(()) };
            order = fresh;
        }
        Err(JobFailed("the order kept changing".to_owned()))
    }

    /// The order notes that Stripe is about to be asked, then it is asked, then its answer is noted. Whoever comes after somebody
    /// who vanished in between looks first whether Stripe has the refund already; its own key protects against the rest.
    /// Answers whether Stripe could be asked.
    async fn ask(&self, order: &Order, index: usize) -> Result<bool, JobFailed> {
        let Some(order) = self.note(order, Command::AskRefund { refund: index }).await? else { return Ok(true) };
        let refund = &order.refunds[index];
        let request = RefundRequest {
            refund_id: order.refund_id(index),
            order_num: order.num.clone(),
            payment_id: order.payments[refund.payment].id.clone(),
            amount: refund.amount,
        };
        let found = if refund.is_asked_for_first() { Ok(None) } else { self.find(&request.payment_id, &request.refund_id).await };
        let answer = match found {
            Ok(Some(found)) => Ok(found),
            Ok(None) => match &self.stripe {
                Some(stripe) => stripe.refund(&request).await,
                None => Err(no_key()),
            },
            Err(error) => Err(error),
        };
        let command = match answer {
            Ok(answer) => told(index, answer),
            Err(RefundError::Final { reason }) => {
                tracing::error!(reason, "the provider will not give money back");
                Command::RefundRefused { refund: index, provider_id: None, reason }
            }
            Err(error @ (RefundError::Retryable { .. } | RefundError::Unauthorized { .. })) => {
                complain(&error);
                Command::RefundDelayed { refund: index }
            }
        };
        let asked = !matches!(command, Command::RefundDelayed { .. });
        self.note(&order, command).await?;
        Ok(asked)
    }

    /// Asks how a refund goes that Stripe took on and was silent about since. It is never asked for again.
    async fn look_into(&self, order: &Order, index: usize) -> Result<(), JobFailed> {
        let refund = &order.refunds[index];
        let answer = match self.find(&order.payments[refund.payment].id, &order.refund_id(index)).await {
            Ok(Some(answer)) => Some(answer),
            Ok(None) => {
                tracing::error!("the provider does not know a refund that it took on");
                None
            }
            Err(error) => {
                complain(&error);
                None
            }
        };
        let command = match (answer, &refund.provider_id) {
            (Some(answer), _) => told(index, answer),
            (None, Some(known)) => Command::RefundTaken { refund: index, provider_id: known.clone() },
            (None, None) => return Ok(()),
        };
        self.note(order, command).await?;
        Ok(())
    }

    async fn find(&self, payment_id: &str, refund_id: &str) -> Result<Option<RefundAnswer>, RefundError> {
        self.stripe.as_ref().ok_or_else(no_key)?.find_refund(payment_id, refund_id).await
    }

    /// Carries out a command; the order as it stands then, or nothing if it changed nothing.
    async fn note(&self, order: &Order, command: Command) -> Result<Option<Order>, JobFailed> {
        let now = self.store.clock().now();
        match self.store.change_order(&order.num, |order| decide(order, command.clone(), now)).await? {
            Change::Made(order) => Ok(Some(*order)),
            Change::Refused(..) | Change::NoOrder => Ok(None),
        }
    }
}

/// What an answer about a refund means to the order.
fn told(refund: usize, answer: RefundAnswer) -> Command {
    let RefundAnswer { provider_id, state } = answer;
    match state {
        RefundProgress::Succeeded => {
            tracing::info!(providerRefundId = provider_id, "given back by the provider");
            Command::RefundSucceeded { refund, provider_id: Some(provider_id) }
        }
        RefundProgress::Pending => Command::RefundTaken { refund, provider_id },
        RefundProgress::Failed(reason) => {
            tracing::error!(providerRefundId = provider_id, reason, "the provider could not give money back");
            Command::RefundRefused { refund, provider_id: Some(provider_id), reason }
        }
    }
}

/// Logs why Stripe did not say how far a refund is.
fn complain(error: &RefundError) {
    match error {
        RefundError::Unauthorized { reason } => tracing::error!(reason, "refunds wait for a good STRIPE_SECRET_KEY"),
        RefundError::Retryable { reason, .. } | RefundError::Final { reason } => tracing::warn!(reason, "refund is put off"),
    }
}

fn no_key() -> RefundError {
    RefundError::Unauthorized { reason: "no key is set".to_owned() }
}

/// The refunds that something can be done about now.
fn waiting(order: &Order, now: Timestamp) -> Vec<usize> {
    if !due(order, now).contains(&Job::Refund) {
        return Vec::new();
    }
    let waits = |refund: &Refund| match refund.state {
        RefundState::Due(at) => at <= now,
        RefundState::Requested(at) => at.plus_seconds(REFUND_PATIENCE) <= now,
        RefundState::Succeeded | RefundState::Failed | RefundState::Withdrawn => false,
    };
    let owed = |index: &usize| order.is_owed(&order.refunds[*index]) && waits(&order.refunds[*index]);
    (0..order.refunds.len()).filter(owed).collect()
}
