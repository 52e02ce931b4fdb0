//! `POST /v1/webhooks/payments/{provider}`: takes a payment provider's word that money came in, once its signature is checked.

use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use serde_json::json;
use simdock_api::{MAX_BODY, Problem, handle, header, json as answer, path_parameter};
use simdock_domain::Provider;
use simdock_payments::{
    Notice, PaidNotice, ParseError, Secret, SignatureError, parse_standard, parse_stripe, verify_standard, verify_stripe,
};
use simdock_runtime::{Config, ConfigError};
use simdock_store::{Paid, Receipt, Store};

/// The function and what it holds on to between requests.
#[derive(Debug)]
pub struct App {
    store: Store,
    stripe: Vec<Secret>,
    standard: Vec<Secret>,
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
        let (provider, notice) = self.read(request)?;
        let result = match notice {
            Notice::Other { event_id, kind } => {
                tracing::info!(eventId = event_id, kind, "event of no concern");
                "ignored"
            }
            Notice::Paid(paid) => self.paid(provider, paid).await?,
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
                tracing::error!(eventId = paid.event_id, payment_id, %received, "payment for an order that does not exist");
                "unknown_order"
            }
            Paid::Elsewhere(other) => {
                let payment_id = receipt.payment_id;
                tracing::error!(eventId = paid.event_id, payment_id, other, "payment that belongs to another order");
                "other_order"
            }
        })
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
        ParseError::Currency | ParseError::Amount => Problem::internal(format!("a signed payment cannot be read: {error}")),
    }
}
