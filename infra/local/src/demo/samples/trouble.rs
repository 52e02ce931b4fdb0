//! Orders that wait for a manager, one of each kind; what is to be sent stands with the orders.

use super::desk::{ANA, BEN, CHIYO, DILEK, Desk, Whom, draft, needs, with};
use crate::demo::api::{Ask, By};
use crate::demo::text;
use crate::error::StackError;
use serde_json::{Value, json};

/// Puts them in.
pub async fn put(desk: &Desk<'_>) -> Result<(), StackError> {
    provisioning_failed(desk).await?;
    money_owed(desk).await?;
    paid_back_twice(desk).await?;
    cancellation_refused(desk).await?;
    disputed(desk).await?;
    mails(desk).await
}

/// An order by card.
async fn by_card(desk: &Desk<'_>, whom: Whom, plan: &str) -> Result<Value, StackError> {
    desk.make(By::Partner, "/v1/orders", &with(draft(whom, plan), &json!({"payment": "card"}))).await
}

fn refund_is(order: &Value, status: &str) -> bool {
    order["refunds"][0]["status"] == status
}

/// Cards that the operator refuses: one whose money is back on the balance, one whose money Stripe does not give back.
async fn provisioning_failed(desk: &Desk<'_>) -> Result<(), StackError> {
    desk.told("operator", "refuse").await?;
    let order = desk.make(By::Partner, "/v1/orders", &draft(BEN, "sandbox-1gb-7d")).await?;
    desk.until(&order, "refused", |order| refund_is(order, "succeeded")).await?;

    desk.told("operator", "refuse").await?;
    desk.told("stripe", "refuse").await?;
    let order = by_card(desk, DILEK, "sandbox-1gb-7d").await?;
    desk.pay(&order).await?;
    desk.until(&order, "refused twice", |order| refund_is(order, "failed")).await.map(|_| ())
}

/// A card that was given back, and whose money Stripe has not given yet.
async fn money_owed(desk: &Desk<'_>) -> Result<(), StackError> {
    let order = by_card(desk, ANA, "eu-5gb-30d").await?;
    desk.pay(&order).await?;
    desk.told("stripe", "pending").await?;
    desk.give_back(&order, None).await?;
    desk.until(&order, "taken on", |order| refund_is(order, "requested")).await.map(|_| ())
}

/// Money that Stripe refused to give back, that was transferred, and that somebody gave back at Stripe as well.
async fn paid_back_twice(desk: &Desk<'_>) -> Result<(), StackError> {
    let order = by_card(desk, CHIYO, "eu-5gb-30d").await?;
    let payment = desk.pay(&order).await?;
    desk.told("stripe", "refuse").await?;
    desk.give_back(&order, None).await?;
    let failed = desk.until(&order, "refused", |order| refund_is(order, "failed")).await?;
    let transfer = json!({"refundId": failed["refunds"][0]["refundId"], "reference": "SEPA 4711"});
    desk.ask(Ask::post(format!("/v1/orders/{}/refunds", text(&order, "orderNum")?), &transfer).by(By::Manager)).await?;
    let refund = json!({
        "id": format!("re_{}", crate::ids::uuid()), "object": "refund", "amount": order["price"]["amount"],
        "currency": text(&order["price"], "currency")?.to_lowercase(), "payment_intent": payment, "status": "succeeded", "metadata": {},
    });
    let id = format!("evt_{}", crate::ids::uuid());
    desk.stripe(&json!({"id": id, "object": "event", "type": "refund.updated", "data": {"object": refund}})).await?;
    desk.until(&order, "given back twice", |order| needs(order, "paid_back_twice")).await.map(|_| ())
}

/// A card that the operator does not take back.
async fn cancellation_refused(desk: &Desk<'_>) -> Result<(), StackError> {
    let order = desk.sold(BEN, "sandbox-1gb-7d").await?;
    desk.told("operator", "refuse").await?;
    desk.give_back(&order, None).await?;
    desk.until(&order, "refused", |order| needs(order, "cancellation_refused")).await.map(|_| ())
}

/// A payment that the card's holder does not know of.
async fn disputed(desk: &Desk<'_>) -> Result<(), StackError> {
    let order = by_card(desk, CHIYO, "eu-5gb-30d").await?;
    let payment = desk.pay(&order).await?;
    let dispute = json!({
        "id": format!("dp_{}", crate::ids::uuid()), "object": "dispute", "amount": order["price"]["amount"],
        "currency": text(&order["price"], "currency")?.to_lowercase(), "payment_intent": payment, "reason": "fraudulent", "metadata": {},
    });
    let id = format!("evt_{}", crate::ids::uuid());
    desk.stripe(&json!({"id": id, "object": "event", "type": "charge.dispute.created", "data": {"object": dispute}})).await?;
    desk.until(&order, "disputed", |order| needs(order, "disputed")).await.map(|_| ())
}

/// Mails that are not taken, that come back, and that somebody takes for spam.
async fn mails(desk: &Desk<'_>) -> Result<(), StackError> {
    let mut all = Vec::new();
    for (name, email, code) in [
        ("Emil Refused", "refused@simulator.test", "mail_failed"),
        ("Fay Bounced", "bounce@simulator.test", "mail_undelivered"),
        ("Gus Complained", "complaint@simulator.test", "mail_complaint"),
    ] {
        let order = desk.make(By::Partner, "/v1/orders", &draft((name, email, "en"), "eu-5gb-30d")).await?;
        all.push((order, code));
    }
    for (order, code) in all {
        desk.until(&order, code, |order| needs(order, code)).await?;
    }
    Ok(())
}
