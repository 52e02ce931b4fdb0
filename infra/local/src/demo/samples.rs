//! Sample orders for the console of a new stack: one in each status, and cards in most of theirs.

use super::api::{Api, Ask, By};
use super::{PATIENCE, text};
use crate::error::StackError;
use crate::stack::Stack;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Puts the samples in, unless there are orders.
pub async fn samples_once(stack: &Stack) -> Result<(), StackError> {
    let known = Api::new(stack).send(Ask::get("/v1/orders?limit=1").by(By::Manager), &[200]).await?;
    let any = known["items"].as_array().is_some_and(|items| !items.is_empty());
    if any { Ok(()) } else { samples(stack).await }
}

/// Puts the samples in.
pub async fn samples(stack: &Stack) -> Result<(), StackError> {
    let desk = Desk { stack, api: Api::new(stack) };
    let ana = ("Ana Torres", "ana@example.com");
    let ben = ("Ben Okafor", "ben@example.com");
    let chiyo = ("Chiyo Sato", "chiyo@example.com");

    // Unpaid, void for want of money, normal, to be sent.
    desk.order(ana, "eu-5gb-30d", 1, "card").await?;
    desk.order(chiyo, "japan-1gb-8d", 1, "balance").await?;
    let renewed = desk.delivered(ben, "eu-5gb-30d", 1).await?;
    let renewal = format!("/v1/orders/{}/renewal", text(&renewed, "orderNum")?);
    desk.api.send(Desk::spending(&renewal, &json!({"payment": "balance"})), &[201]).await?;
    desk.parcel(ana).await?;

    // In use, suspended, used up.
    let used = desk.delivered(ana, "sandbox-5gb-30d", 1).await?;
    desk.report(&used, json!({"type": "installed", "via": "qr", "eid": "89049032007108882600137544319616"})).await?;
    desk.report(&used, json!({"type": "first_attach", "country": "ES"})).await?;
    desk.report(&used, json!({"type": "usage", "usedMb": 1310})).await?;
    desk.report(&used, json!({"type": "session", "inSession": true, "country": "ES"})).await?;
    let note = json!({"note": "Asked about roaming in Andorra", "labels": ["vip"]});
    let card = text(&used["cards"][0], "iccid")?;
    desk.api.send(Ask::patch(format!("/v1/sims/{card}"), &note).by(By::Manager), &[200]).await?;
    let still = desk.delivered(ben, "sandbox-5gb-30d", 1).await?;
    let suspension = format!("/v1/subscriptions/{}/suspension", text(&still["cards"][0], "subscriptionId")?);
    desk.api.send(Ask::post(suspension, &json!({})), &[200, 202]).await?;
    let over = desk.delivered(chiyo, "sandbox-1gb-7d", 1).await?;
    desk.report(&over, json!({"type": "first_attach", "country": "ES"})).await?;
    desk.report(&over, json!({"type": "used_up"})).await?;

    // Given back, whole and in part.
    let whole = desk.delivered(chiyo, "eu-5gb-30d", 1).await?;
    desk.give_back(&whole, None).await?;
    let part = desk.delivered(ben, "eu-5gb-30d", 2).await?;
    desk.give_back(&part, Some(text(&part["cards"][0], "iccid")?)).await?;

    // Being given back: the operator fails once for each, and is asked again.
    let whole = desk.delivered(ana, "sandbox-1gb-7d", 1).await?;
    let part = desk.delivered(ana, "sandbox-5gb-30d", 2).await?;
    desk.api.send(Ask::post("/_local/operator", &json!({"mode": "fail", "times": 2})).by(By::Nobody), &[200]).await?;
    desk.give_back(&whole, None).await?;
    desk.give_back(&part, Some(text(&part["cards"][0], "iccid")?)).await
}

struct Desk<'s> {
    stack: &'s Stack,
    api: Api<'s>,
}

impl Desk<'_> {
    fn spending(path: &str, body: &Value) -> Ask {
        Ask::post(path, body).header("Idempotency-Key", format!("sample-{}", crate::ids::uuid()))
    }

    async fn order(&self, (name, email): (&str, &str), plan: &str, count: u32, payment: &str) -> Result<Value, StackError> {
        let draft = json!({
            "planId": plan, "count": count, "payment": payment, "channel": "web",
            "subscriber": {"email": email, "name": name, "language": "en"},
        });
        self.api.send(Self::spending("/v1/orders", &draft), &[201]).await
    }

    async fn parcel(&self, (name, email): (&str, &str)) -> Result<Value, StackError> {
        let address = json!({"lines": ["Calle Mayor 1"], "city": "Madrid", "postalCode": "28013", "country": "ES"});
        let draft = json!({
            "planId": "world-2gb-30d", "count": 1, "payment": "balance", "formFactor": "physical", "channel": "mobile_app",
            "subscriber": {"email": email, "name": name, "language": "es", "postalAddress": address}, "otherOrderId": "shop-1007",
        });
        self.api.send(Self::spending("/v1/orders", &draft), &[201]).await
    }

    /// An order whose cards are there.
    async fn delivered(&self, whom: (&str, &str), plan: &str, count: u32) -> Result<Value, StackError> {
        let order = self.order(whom, plan, count, "balance").await?;
        let path = format!("/v1/orders/{}?codes=false", text(&order, "orderNum")?);
        let begun = Instant::now();
        loop {
            let order = self.api.send(Ask::get(&path), &[200]).await?;
            if order["fulfilment"] == "completed" {
                return Ok(order);
            }
            if begun.elapsed() > PATIENCE {
                return Err(StackError::new(format!("{path} is not delivered")));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What the sandbox operator tells of an order's first card.
    async fn report(&self, order: &Value, mut event: Value) -> Result<(), StackError> {
        event["iccid"] = order["cards"][0]["iccid"].clone();
        event["at"] = self.stack.clock().now().to_string().into();
        self.api.send(Ask::post("/_local/operator/events", &event).by(By::Nobody), &[200]).await.map(|_| ())
    }

    async fn give_back(&self, order: &Value, card: Option<&str>) -> Result<(), StackError> {
        let mut body = json!({"reason": "The journey was called off"});
        if let Some(card) = card {
            body["iccids"] = json!([card]);
        }
        let path = format!("/v1/orders/{}/refund", text(order, "orderNum")?);
        self.api.send(Ask::post(path, &body), &[202]).await.map(|_| ())
    }
}
