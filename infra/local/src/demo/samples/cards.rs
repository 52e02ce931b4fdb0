//! Cards of each type, and in each status that no order's status says.

use super::desk::{ANA, BEN, CHIYO, DILEK, Desk, draft, iccid, line, with};
use crate::demo::api::{Ask, By};
use crate::demo::text;
use crate::error::StackError;
use serde_json::{Value, json};

/// Puts them in.
pub async fn put(desk: &Desk<'_>) -> Result<(), StackError> {
    in_use(desk).await?;
    // By bill, and by the megabyte.
    desk.sold(BEN, "sandbox-monthly").await?;
    let paygo = desk.sold(DILEK, "sandbox-paygo").await?;
    for event in [json!({"type": "first_attach", "country": "FR"}), json!({"type": "session", "inSession": false})] {
        desk.report(iccid(&paygo, 0)?, event).await?;
    }
    kept_out(desk).await?;
    swapped(desk).await
}

/// A line with two plans that is online, with what managers wrote about its card.
async fn in_use(desk: &Desk<'_>) -> Result<(), StackError> {
    let draft = with(draft(ANA, "sandbox-5gb-30d"), &json!({"lineName": "Spain", "addOnIds": ["data-1gb"]}));
    let used = desk.delivered("/v1/orders", &draft).await?;
    let more = json!({"planId": "sandbox-3gb-15d", "payment": "balance"});
    desk.delivered(line(&used, "top-ups")?, &more).await?;
    let card = iccid(&used, 0)?;
    for event in [
        json!({"type": "installed", "via": "qr", "eid": "89049032007108882600137544319616"}),
        json!({"type": "first_attach", "country": "ES"}),
        json!({"type": "usage", "usedMb": 1310}),
        json!({"type": "session", "inSession": true, "country": "ES"}),
    ] {
        desk.report(card, event).await?;
    }
    let written = json!({
        "note": "Asked about roaming in Andorra", "labels": ["vip", "spain"], "rules": {"suspendAtMonthMb": 4000},
    });
    desk.ask(Ask::patch(format!("/v1/sims/{card}"), &written).by(By::Manager)).await.map(|_| ())
}

/// Suspended, and about to be for as long as the operator takes for it.
async fn kept_out(desk: &Desk<'_>) -> Result<(), StackError> {
    for (whom, held_up) in [(BEN, false), (CHIYO, true)] {
        let still = desk.sold(whom, "sandbox-5gb-30d").await?;
        if held_up {
            desk.held_up(iccid(&still, 0)?).await?;
        }
        desk.ask(Ask::post(line(&still, "suspension")?, &json!({}))).await?;
    }
    Ok(())
}

/// On another phone, and on the way to one.
async fn swapped(desk: &Desk<'_>) -> Result<(), StackError> {
    for (whom, installed) in [(CHIYO, true), (DILEK, false)] {
        let main = desk.sold(whom, "sandbox-5gb-30d").await?;
        desk.report(iccid(&main, 0)?, json!({"type": "installed", "via": "ios_api"})).await?;
        let swap = desk.delivered(line(&main, "sim-swap")?, &json!({"formFactor": "esim", "payment": "balance"})).await?;
        if installed {
            desk.report(iccid(&swap, 0)?, json!({"type": "installed", "via": "qr"})).await?;
            let retired = |order: &Value| {
                let events = order["history"].as_array().into_iter().flatten();
                events.filter_map(|entry| text(entry, "event").ok()).any(|event| event == "retired")
            };
            desk.until(&swap, "done with the old card", retired).await?;
        }
    }
    Ok(())
}
