//! The code of one card, on demand: read where the order's page reads it, so that a card has one here if and only if it has one there,
//! and counts as disclosed in the same way.

use super::order_cards::code;
use super::sim;
use crate::Desk;
use crate::api::Refusal;
use crate::http::{encoded, page};
use crate::model::{Order, Sim};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Response};
use maud::{Markup, html};

/// Where the code of a card is asked for; nothing for one that was not sold, is being changed, or is not used any more.
pub fn ask(desk: &Desk<'_>, sim: &Sim) -> Markup {
    let in_use = matches!(sim.status.as_str(), "activation_ready" | "active" | "suspended");
    let path = format!("/console/sims/{}/code", encoded(&sim.iccid));
    html! {
        @if sim.form_factor == "esim" && sim.order_num.is_some() && in_use {
            details.qr {
                summary { "QR code" span.hidden { " of card " (sim.iccid) } }
                form method="post" action=(path) hx-post=(path) hx-swap="outerHTML" {
                    input type="hidden" name="token" value=(desk.signed_in.token);
                    p.hint { "A card whose code was shown does not go back into stock." }
                    button.plain type="submit" { "Show code" }
                }
            }
        }
    }
}

/// The code in the place where it was asked for, or on the card's page.
pub async fn show(desk: &Desk<'_>, iccid: &str) -> Result<Response<Body>, Refusal> {
    let sim: Sim = desk.api.call("GET /v1/sims/{iccid}").path("iccid", iccid).send().await?;
    let shown = read(desk, &sim).await?;
    if desk.visit.partial {
        return Ok(page(StatusCode::OK, shown));
    }
    sim::whole(desk, &sim, None, Some(&shown)).await
}

async fn read(desk: &Desk<'_>, sim: &Sim) -> Result<Markup, Refusal> {
    let Some(num) = &sim.order_num else {
        return Ok(html! { p.error role="status" { "No code is shown of a card that was not sold." } });
    };
    let order = desk.api.call("GET /v1/orders/{orderNum}").path("orderNum", num).query("codeOf", &sim.iccid);
    let order: Order = order.send().await?;
    let card = order.cards.iter().find(|card| card.iccid == sim.iccid && card.code.is_some());
    Ok(html! {
        @match card {
            Some(card) => (code(card, true)),
            None => p.error role="status" { "Its order shows no code of this card: it is not ready, was cancelled or was replaced." },
        }
    })
}
