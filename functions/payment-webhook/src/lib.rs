//! `POST /v1/webhooks/payments/{provider}`: takes a payment provider's word that money came in, once its signature is checked.

use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use serde_json::json;
use simdock_api::{MAX_BODY, Problem, handle, header, json as answer, path_parameter};
use simdock_domain::{Command, Order, OrderNum, Provider, Rejected, decide};
use simdock_payments::{
    DisputeNotice, Notice, PaidNotice, ParseError, RefundNotice, RefundProgress, Secret, SignatureError, parse_standard,
    parse_stripe, verify_standard, verify_stripe,
};
use simdock_runtime::{Config, ConfigError, Measured, Metric, Metrics};
use simdock_store::{Change, Paid, Receipt, Store};

/// The function and what it holds on to between requests.
#[derive(Debug)]
pub struct App {
    store: Store,
    stripe: Vec<Secret>,
    standard: Vec<Secret>,
    metrics: Metrics,
}

impl App {
    /// Builds the function. A provider without a secret is not listened to.
    pub async fn new(config: &Config) -> Result<Self, ConfigError> {
        let secrets = |name: &str, read: fn(&str) -> Result<Vec<Secret>, simdock_payments::SecretError>| {
            read(config.optional(name).unwrap_or_default()).map_err(|error| ConfigError::new(name, error.to_string()))
        };
        Ok(Self {
            stripe: secrets("STRIPE_WEBHOOK_SECRETS", Secret::stripe_list)?,
            standard: secrets("STANDARD_WEBHOOK_SECRETS", Secret::standard_list)?,
            metrics: Metrics::new(config),
            store: Store::new(config).await?,
        })
    }

    /// Answers a request.
    pub async fn handle(&self, request: Request) -> Response<Body> {
        handle("payment-webhook", &request, self.receive(&request)).await
    }

    async fn receive(&self, request: &Request) -> Result<Response<Body>, Problem> {
        if request.body().len() > MAX_BODY {
            return Err(Problem::body_too_large(MAX_BODY));
        }
        let (provider, notice) = self.read(request).inspect_err(|problem| {
            self.metrics.put(None, &[Measured::of(Metric::WebhooksRefused, 1, problem.code())]);
        })?;
        let result = match notice {
            Notice::Other { event_id, kind } => {
                tracing::info!(eventId = event_id, kind, "event of no concern");
                "ignored"
            }
            Notice::Paid(paid) => self.paid(provider, paid).await?,
            Notice::Refund(refund) => self.refund(provider, refund).await?,
            Notice::Dispute(dispute) => self.dispute(provider, dispute).await?,
        };
        Ok(answer(StatusCode::OK, &json!({"received": true, "result": result})))
    }

    /// Checks the signature over the body's bytes, and only then reads them.
    fn read(&self, request: &Request) -> Result<(Provider, Notice), Problem> {
        let body: &[u8] = request.body();
        let now = self.store.clock().now();
        match path_parameter(request, "provider").as_str() {
            "stripe" => {
                verify_stripe(header(request, "Stripe-Signature"), body, &self.stripe, now).map_err(unsigned)?;
                Ok((Provider::Stripe, parse_stripe(body).map_err(unreadable)?))
            }
            "standard" => {
                let id = header(request, "webhook-id");
                let (time, signatures) = (header(request, "webhook-timestamp"), header(request, "webhook-signature"));
                verify_standard(id, time, signatures, body, &self.standard, now).map_err(unsigned)?;
                Ok((Provider::Standard, parse_standard(id.unwrap_or_default(), body).map_err(unreadable)?))
            }
            _ => Err(Problem::not_found("payment provider")),
        }
    }

    async fn paid(&self, provider: Provider, paid: PaidNotice) -> Result<&'static str, Problem> {
        let Some(num) = paid.order_num else {
            let (payment_id, received) = (paid.payment_id, paid.received);
            self.unbooked("no_order_number", None);
            tracing::error!(eventId = paid.event_id, payment_id, %received, "payment without an order number");
            return Ok("no_order_number");
        };
        tracing::Span::current().record("orderNum", num.as_str());
        let receipt = Receipt { provider, payment_id: paid.payment_id, received: paid.received };
        Ok(match self.store.receive_payment(&num, &receipt).await? {
            Paid::Recorded(order) | Paid::GivenUp(order, _) => {
                let ours = order.payments.iter().find(|payment| payment.id == receipt.payment_id);
                match ours.and_then(|payment| payment.returned) {
                    None => "paid",
                    Some(reason) => {
                        tracing::warn!(reason = reason.name(), received = %receipt.received, "payment is owed back");
                        "owed_back"
                    }
                }
            }
            Paid::Known(_) => "known",
            Paid::NoOrder => {
                let Receipt { payment_id, received, .. } = receipt;
                self.unbooked("unknown_order", Some(&num));
                tracing::error!(eventId = paid.event_id, payment_id, %received, "payment for an order that does not exist");
                "unknown_order"
            }
            Paid::Elsewhere(other) => {
                let payment_id = receipt.payment_id;
                self.unbooked("other_order", Some(&num));
                tracing::error!(eventId = paid.event_id, payment_id, other, "payment that belongs to another order");
                "other_order"
            }
        })
    }
}

impl App {
    /// Money came in that stands in no order: a person has to find out whose it is.
    fn unbooked(&self, reason: &str, named: Option<&OrderNum>) {
        self.metrics.put(named.map(OrderNum::as_str), &[Measured::of(Metric::PaymentsUnbooked, 1, reason)]);
    }

    /// What the provider says about a refund: one that was asked for here, or one made at the provider.
    async fn refund(&self, provider: Provider, notice: RefundNotice) -> Result<&'static str, Problem> {
        let RefundNotice { event_id, order_num, payment_id, provider_id, refund_id, amount, progress } = notice;
        let command = |order: &Order| {
            let ours = |index: &usize| {
                let refund = &order.refunds[*index];
                refund_id.as_ref() == Some(&order.refund_id(*index)) || refund.is_known_as(&provider_id)
            };
            let provider_id = provider_id.clone();
            match ((0..order.refunds.len()).find(ours), &progress) {
                // What came out of it is not what is owed: it counts as not given, and a manager settles it with the provider.
                (Some(refund), RefundProgress::Succeeded) if order.refunds[refund].amount.currency != amount.currency => {
                    let reason = format!("{amount} was given back, which is another currency than was paid");
                    Some(Command::RefundRefused { refund, provider_id: Some(provider_id), reason })
                }
                (Some(refund), RefundProgress::Succeeded) => {
                    Some(Command::RefundSucceeded { refund, provider_id: Some(provider_id) })
                }
                (Some(refund), RefundProgress::Pending) => Some(Command::RefundTaken { refund, provider_id }),
                (Some(refund), RefundProgress::Failed(reason)) => {
                    Some(Command::RefundRefused { refund, provider_id: Some(provider_id), reason: reason.clone() })
                }
                (None, RefundProgress::Succeeded) => {
                    Some(Command::RefundedElsewhere { payment_id: payment_id.clone(), provider_id, amount })
                }
                (None, RefundProgress::Pending | RefundProgress::Failed(_)) => None,
            }
        };
        self.note(provider, &event_id, &payment_id, order_num, command).await
    }

    async fn dispute(&self, provider: Provider, notice: DisputeNotice) -> Result<&'static str, Problem> {
        let DisputeNotice { event_id, order_num, payment_id, reason } = notice;
        tracing::error!(eventId = event_id, paymentId = payment_id, reason, "payment is disputed");
        let command = |_: &Order| Some(Command::Disputed { payment_id: payment_id.clone(), reason: reason.clone() });
        self.note(provider, &event_id, &payment_id, order_num, command).await
    }

    /// Carries out what an event says about an order's payment. The order is the one that has claimed the payment; what the event
    /// itself names counts only without that, since a person may have typed it in at the provider.
    async fn note(
        &self,
        provider: Provider,
        event_id: &str,
        payment_id: &str,
        named: Option<OrderNum>,
        command: impl Fn(&Order) -> Option<Command>,
    ) -> Result<&'static str, Problem> {
        let Some(num) = self.store.order_of_payment(provider, payment_id).await?.or(named) else {
            tracing::error!(eventId = event_id, paymentId = payment_id, "refund or dispute of a payment that no order has");
            return Ok("no_order_number");
        };
        tracing::Span::current().record("orderNum", num.as_str());
        let now = self.store.clock().now();
        let decided = |order: &Order| decide(order, command(order).ok_or(Rejected::Done)?, now);
        match self.store.change_order(&num, decided).await? {
            Change::Made(_) => Ok("recorded"),
            Change::Refused(_, Rejected::Done) => Ok("known"),
            // Its event may still be under way: the provider is to tell of this again.
            Change::Refused(..) => Err(Problem::unavailable("the order does not know of the payment yet")),
            Change::NoOrder => {
                tracing::error!(eventId = event_id, paymentId = payment_id, "refund or dispute for an order that does not exist");
                Ok("unknown_order")
            }
        }
    }
}

fn unsigned(error: SignatureError) -> Problem {
    match error {
        SignatureError::Stale => Problem::signature_stale(),
        SignatureError::Missing | SignatureError::Malformed | SignatureError::Mismatch => {
            Problem::bad_signature(format!("The request is not signed as it should be: {error}."))
        }
    }
}

fn unreadable(error: ParseError) -> Problem {
    match error {
        ParseError::Json { line, column } => {
            Problem::malformed_json(format!("The body is not the provider's JSON: line {line}, column {column}."))
        }
        ParseError::Field(field) => Problem::invalid_field(field, "is missing or not what the provider's events have there"),
        // Money came in that cannot be booked: the provider is to try again until somebody has looked.
        ParseError::Currency | ParseError::Amount => {
            Problem::unbookable(format!("The payment is signed, but cannot be booked: {error}. Send it again once we can."))
        }
    }
}
