//! Orders in each status and of each type.

use super::desk::{ANA, BEN, CHIYO, DILEK, Desk, draft, iccid, line, with};
use crate::demo::api::{Ask, By};
use crate::demo::text;
use crate::error::StackError;
use serde_json::{Value, json};

/// Puts them in.
pub async fn put(desk: &Desk<'_>) -> Result<(), StackError> {
    // Unpaid, and void for want of money.
    desk.make(By::Partner, "/v1/orders", &with(draft(ANA, "eu-5gb-30d"), &json!({"payment": "card"}))).await?;
    desk.make(By::Partner, "/v1/orders", &draft(CHIYO, "japan-1gb-8d")).await?;
    renewed(desk).await?;
    by_post(desk).await?;
    given(desk).await?;
    called_off(desk).await
}

/// A line that was renewed, and renewed again.
async fn renewed(desk: &Desk<'_>) -> Result<(), StackError> {
    let mut order = desk.sold(BEN, "eu-5gb-30d").await?;
    let note = json!({"note": "Renews each month; called to say thanks"});
    desk.ask(Ask::post(format!("/v1/orders/{}/notes", text(&order, "orderNum")?), &note).by(By::Manager)).await?;
    for _ in 0..2 {
        let path = format!("/v1/orders/{}/renewal", text(&order, "orderNum")?);
        order = desk.delivered(path, &json!({"payment": "balance"})).await?;
    }
    Ok(())
}

/// A card that is to be sent, and one that was.
async fn by_post(desk: &Desk<'_>) -> Result<(), StackError> {
    let address = json!({"lines": ["Calle Mayor 1"], "city": "Madrid", "postalCode": "28013", "country": "ES"});
    for (whom, own_number) in [(ANA, "shop-1007"), (DILEK, "shop-1008")] {
        let mut parcel = with(
            draft(whom, "world-2gb-30d"),
            &json!({"formFactor": "physical", "channel": "mobile_app", "otherOrderId": own_number}),
        );
        parcel["subscriber"]["postalAddress"] = address.clone();
        let order = desk.make(By::Partner, "/v1/orders", &parcel).await?;
        if whom == DILEK {
            let ready = |order: &Value| order["cards"][0]["status"] == "ready";
            let order = desk.until(&order, "ready to be sent", ready).await?;
            let shipment = json!({"carrier": "DHL", "number": "00340434161094042557"});
            let path = format!("/v1/orders/{}/shipment", text(&order, "orderNum")?);
            desk.ask(Ask::post(path, &shipment).by(By::Manager)).await?;
        }
    }
    Ok(())
}

/// A gift to whom a plan entitles to it.
async fn given(desk: &Desk<'_>) -> Result<(), StackError> {
    let week = desk.sold(DILEK, "sandbox-1gb-7d").await?;
    let entitled = json!({"payment": "complimentary", "eligibleSubscriptionId": week["cards"][0]["subscriptionId"]});
    desk.delivered("/v1/orders", &with(draft(DILEK, "sandbox-gift-1gb-7d"), &entitled)).await.map(|_| ())
}

/// Used up; given back, whole and in part; cancelled; and being given back, for as long as the operator takes for it.
async fn called_off(desk: &Desk<'_>) -> Result<(), StackError> {
    let over = desk.sold(CHIYO, "sandbox-1gb-7d").await?;
    desk.report(iccid(&over, 0)?, json!({"type": "first_attach", "country": "ES"})).await?;
    desk.report(iccid(&over, 0)?, json!({"type": "used_up"})).await?;

    let two = |plan| with(draft(BEN, plan), &json!({"count": 2}));
    let whole = desk.sold(CHIYO, "eu-5gb-30d").await?;
    desk.give_back(&whole, None).await?;
    let part = desk.delivered("/v1/orders", &two("eu-5gb-30d")).await?;
    desk.give_back(&part, Some(iccid(&part, 0)?)).await?;
    let ended = desk.sold(ANA, "asia-3gb-30d").await?;
    desk.make(By::Partner, line(&ended, "cancellation")?, &json!({})).await?;
    for order in [&whole, &part, &ended] {
        desk.until(order, "given back", |order| order["refunds"][0]["status"] == "succeeded").await?;
    }

    let whole = desk.sold(ANA, "sandbox-1gb-7d").await?;
    let part = desk.delivered("/v1/orders", &two("sandbox-5gb-30d")).await?;
    for (order, card) in [(&whole, None), (&part, Some(iccid(&part, 0)?))] {
        desk.held_up(iccid(order, 0)?).await?;
        desk.give_back(order, card).await?;
    }
    Ok(())
}
