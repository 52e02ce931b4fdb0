//! What the samples are made with.

use crate::demo::api::{Api, Ask, By};
use crate::demo::{PATIENCE, stripe_event, text};
use crate::error::{Context, StackError};
use crate::stack::Stack;
use serde_json::{Value, json};
use simdock_payments::{Secret, sign_stripe};
use std::time::{Duration, Instant};

/// A subscriber: name, mail and language.
pub type Whom = (&'static str, &'static str, &'static str);

pub const ANA: Whom = ("Ana Torres", "ana@example.com", "es");
pub const BEN: Whom = ("Ben Okafor", "ben@example.com", "en");
pub const CHIYO: Whom = ("Chiyo Sato", "chiyo@example.com", "ja");
pub const DILEK: Whom = ("Dilek Aydın", "dilek@example.com", "de");

/// One eSIM of a plan, from the partner's balance.
pub fn draft((name, email, language): Whom, plan: &str) -> Value {
    json!({
        "planId": plan, "count": 1, "payment": "balance", "channel": "web",
        "subscriber": {"email": email, "name": name, "language": language},
    })
}

/// The same with other fields, or more of them.
pub fn with(mut draft: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().into_iter().flatten() {
        draft[name] = value.clone();
    }
    draft
}

/// The number of an order's card.
pub fn iccid(order: &Value, card: usize) -> Result<&str, StackError> {
    text(&order["cards"][card], "iccid")
}

/// A path to something that the subscription of an order's first card takes.
pub fn line(order: &Value, what: &str) -> Result<String, StackError> {
    Ok(format!("/v1/subscriptions/{}/{what}", text(&order["cards"][0], "subscriptionId")?))
}

/// Whether a manager should look at an order for this reason.
pub fn needs(order: &Value, code: &str) -> bool {
    order["needsAttention"].as_array().into_iter().flatten().any(|needs| needs["code"] == code)
}

/// A client of the stack.
pub struct Desk<'s> {
    pub stack: &'s Stack,
    api: Api<'s>,
}

impl<'s> Desk<'s> {
    pub fn new(stack: &'s Stack) -> Self {
        Self { stack, api: Api::new(stack) }
    }

    /// Asks for something that spends, or makes something once.
    pub async fn make(&self, by: By, path: impl Into<String>, body: &Value) -> Result<Value, StackError> {
        let key = format!("sample-{}", crate::ids::uuid());
        self.api.send(Ask::post(path, body).by(by).header("Idempotency-Key", key), &[201]).await
    }

    /// Asks for something else.
    pub async fn ask(&self, ask: Ask) -> Result<Value, StackError> {
        self.api.send(ask, &[200, 201, 202]).await
    }

    /// Asks the stack itself for something.
    pub async fn local(&self, what: &str, body: &Value) -> Result<Value, StackError> {
        self.ask(Ask::post(format!("/_local/{what}"), body).by(By::Nobody)).await
    }

    /// Tells a sandbox how to answer once.
    pub async fn told(&self, sandbox: &str, mode: &str) -> Result<(), StackError> {
        self.local(sandbox, &json!({"mode": mode, "times": 1})).await.map(|_| ())
    }

    /// Has the sandbox operator say of a card, to whatever it is asked, that it is still working on it.
    pub async fn held_up(&self, iccid: &str) -> Result<(), StackError> {
        self.local("operator/cards", &json!({"iccid": iccid, "mode": "pending"})).await.map(|_| ())
    }

    /// Reads an order until something holds of it.
    pub async fn until(&self, order: &Value, what: &str, holds: impl Fn(&Value) -> bool) -> Result<Value, StackError> {
        let path = format!("/v1/orders/{}?codes=false", text(order, "orderNum")?);
        let begun = Instant::now();
        loop {
            let order = self.api.send(Ask::get(&path).by(By::Manager), &[200]).await?;
            if holds(&order) {
                return Ok(order);
            }
            if begun.elapsed() > PATIENCE {
                return Err(StackError::new(format!("{path} is not {what}: {order}")));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Makes an order, and waits for what it brings.
    pub async fn delivered(&self, path: impl Into<String>, body: &Value) -> Result<Value, StackError> {
        let order = self.make(By::Partner, path, body).await?;
        self.until(&order, "delivered", |order| order["fulfilment"] == "completed").await
    }

    /// Orders a plan, and waits for the card.
    pub async fn sold(&self, whom: Whom, plan: &str) -> Result<Value, StackError> {
        self.delivered("/v1/orders", &draft(whom, plan)).await
    }

    /// Has Stripe tell that an order was paid; the payment's id.
    pub async fn pay(&self, order: &Value) -> Result<String, StackError> {
        let (amount, currency) = (order["price"]["amount"].as_i64().unwrap_or_default(), text(&order["price"], "currency")?);
        let payment = format!("pi_{}", crate::ids::uuid());
        self.stripe(&stripe_event(&payment, text(order, "orderNum")?, amount, currency)).await?;
        Ok(payment)
    }

    /// Has Stripe tell of something.
    pub async fn stripe(&self, event: &Value) -> Result<(), StackError> {
        let secret = Secret::stripe(&self.stack.keys().stripe_secret).context("Stripe secret")?;
        let signature = sign_stripe(self.stack.clock().now(), event.to_string().as_bytes(), &secret);
        let webhook = Ask::post("/v1/webhooks/payments/stripe", event).by(By::Nobody);
        self.ask(webhook.header("Stripe-Signature", signature)).await.map(|_| ())
    }

    /// What the sandbox operator tells of a card.
    pub async fn report(&self, iccid: &str, mut event: Value) -> Result<(), StackError> {
        event["iccid"] = iccid.into();
        self.local("operator/events", &event).await.map(|_| ())
    }

    /// Asks for the money of an order, or of one of its cards.
    pub async fn give_back(&self, order: &Value, card: Option<&str>) -> Result<(), StackError> {
        let mut body = json!({"reason": "The journey was called off"});
        if let Some(card) = card {
            body["iccids"] = json!([card]);
        }
        self.ask(Ask::post(format!("/v1/orders/{}/refund", text(order, "orderNum")?), &body)).await.map(|_| ())
    }
}
