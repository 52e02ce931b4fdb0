//! Money that comes in and goes back.

use super::{Outcome, Play, list};
use crate::demo::api::{Ask, By};
use crate::demo::{same, stripe_event, text};
use crate::error::{Context, StackError};
use crate::seed::PARTNER;
use serde_json::{Value, json};
use simdock_payments::{Secret, sign_standard, sign_stripe};

impl Play<'_> {
    /// Pays an order by card, as it should be.
    pub async fn pay(&mut self, order: &str) -> Outcome {
        let price = self.read(order).await?["price"].take();
        let (amount, currency) = (price["amount"].as_i64().unwrap_or_default(), text(&price, "currency")?);
        let event = self.payment(order, amount, currency);
        self.webhook(order, "pay", &event, "paid").await
    }

    /// Stripe's event of a new payment.
    pub fn payment(&mut self, order: &str, amount: i64, currency: &str) -> Value {
        stripe_event(&self.name("pi_play"), order, amount, currency)
    }

    /// Has Stripe tell of something; the answer has to have this result.
    pub async fn webhook(&mut self, order: &str, action: &str, event: &Value, result: &str) -> Outcome {
        let secret = Secret::stripe(&self.stack.keys().stripe_secret).context("Stripe secret")?;
        let answer = self.api.send(self.stripe_webhook(event, &secret), &[200]).await?;
        self.did(order, action);
        same(action, &answer["result"], result)
    }

    /// A webhook of Stripe's, signed with a secret.
    pub fn stripe_webhook(&self, event: &Value, secret: &Secret) -> Ask {
        let signature = sign_stripe(self.stack.clock().now(), event.to_string().as_bytes(), secret);
        Ask::post("/v1/webhooks/payments/stripe", event).by(By::Nobody).header("Stripe-Signature", signature)
    }

    /// Pays an order through a provider that speaks Standard Webhooks.
    pub async fn pay_by_standard(&mut self, order: &str) -> Outcome {
        let price = self.read(order).await?["price"].take();
        let (id, now) = (self.name("payment"), self.stack.clock().now());
        let event = json!({
            "type": "payment.succeeded", "timestamp": now.to_string(),
            "data": {"paymentId": id, "orderNum": order, "amount": price["amount"], "currency": price["currency"]},
        });
        let secret = Secret::standard(&self.stack.keys().standard_secret).context("secret")?;
        let ask = Ask::post("/v1/webhooks/payments/standard", &event)
            .by(By::Nobody)
            .header("webhook-timestamp", now.unix().to_string())
            .header("webhook-signature", sign_standard(&id, now, event.to_string().as_bytes(), &secret))
            .header("webhook-id", id);
        let answer = self.api.send(ask, &[200]).await?;
        self.did(order, "pay by Standard Webhooks");
        same("the payment", &answer["result"], "paid")
    }

    /// Asks for the money of so many cards that it can be had for, or of the whole order; the order has this status at once.
    pub async fn refund(&mut self, order: &str, cards: Option<usize>, status: i64) -> Outcome {
        let mut body = json!({"reason": "The journey was called off"});
        if let Some(cards) = cards {
            let read = self.read(order).await?;
            let refundable = list(&read, "cards").iter().filter(|card| card["refundable"]["eligible"] == "yes");
            body["iccids"] = refundable.take(cards).map(|card| card["iccid"].clone()).collect();
        }
        let asked = self.api.send(Ask::post(format!("/v1/orders/{order}/refund"), &body), &[202]).await?;
        let action = match cards {
            None => "refund".to_owned(),
            Some(1) => "refund 1 card".to_owned(),
            Some(cards) => format!("refund {cards} cards"),
        };
        self.did(order, &action);
        same(&format!("{order}, {action}"), &asked["status"], status)?;
        self.stands(order, status);
        Ok(())
    }

    /// Holds what an order moved on the partner's balance, in minor units and the least first, to what it should have.
    pub async fn moved(&self, order: &str, amounts: &[i64]) -> Outcome {
        let entries = self.store.ledger(PARTNER).await.context("the ledger")?;
        let ours = entries.iter().filter(|entry| entry.reference.starts_with(order));
        let mut moved: Vec<i64> = ours.map(|entry| entry.amount.amount).collect();
        moved.sort_unstable();
        same(&format!("what {order} moved on the balance"), &moved, amounts)
    }

    /// The partner's balance in euro cents.
    pub async fn balance(&self) -> Result<i64, StackError> {
        let euro = "EUR".parse().context("currency")?;
        Ok(self.store.balance(PARTNER, euro).await.context("the balance")?.amount)
    }

    /// What the sandbox Stripe made for an order, as it tells of it.
    pub async fn at_stripe(&self, order: &str) -> Result<Vec<Value>, StackError> {
        let report = self.api.send(Ask::get("/_local/stripe").by(By::Nobody), &[200]).await?;
        Ok(list(&report, "refunds").iter().filter(|refund| refund["metadata"]["orderNum"] == order).cloned().collect())
    }

    /// Holds the amounts that the sandbox Stripe gave back for an order to what they should be.
    pub async fn given_back(&self, order: &str, amounts: &[i64]) -> Outcome {
        let made = self.at_stripe(order).await?;
        let good = made.iter().filter(|refund| refund["status"] == "succeeded");
        let mut given: Vec<i64> = good.filter_map(|refund| refund["amount"].as_i64()).collect();
        given.sort_unstable();
        same(&format!("what Stripe gave back of {order}"), &given, amounts)
    }
}
