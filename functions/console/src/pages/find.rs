//! The box at the top: an order's number, a card's or a line's, a mail address, or a partner's own order id.

use crate::Desk;
use crate::api::Refusal;
use crate::frame::{Section, order_path};
use crate::http::{encoded, redirect};
use crate::model::{Line, Order, Sim};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Response};
use maud::html;

/// What can be typed into it.
pub const TAKES: &str = "The box at the top takes an order’s number (EP…), a line’s (SU…), a card’s ICCID, a mail address, or a partner’s own order id.";

/// Goes where the text leads, or says that it leads nowhere. A card that nobody ordered yet has a page of its own only.
pub async fn find(desk: &Desk<'_>) -> Result<Response<Body>, Refusal> {
    let text = desk.visit.query.text("q");
    let digits: String = text.chars().filter(|character| !character.is_whitespace()).collect();
    let is_number = |start: &str| text.len() == 18 && text.get(..2).is_some_and(|begins| begins.eq_ignore_ascii_case(start));
    let number = text.to_ascii_uppercase();
    let (what, found) = if text.is_empty() {
        return Ok(redirect("/console/orders"));
    } else if text.contains('@') {
        return Ok(redirect(&format!("/console/subscribers?email={0}&q={0}", encoded(text))));
    } else if (18..=20).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let sim = desk.api.call("GET /v1/sims/{iccid}").path("iccid", &digits).send::<Sim>().await;
        let to = |sim: Sim| match sim.order_num {
            None => format!("/console/sims/{digits}"),
            Some(_) => format!("/console/orders?iccid={digits}&q={digits}"),
        };
        ("card with the ICCID", sim.map(to))
    } else if is_number("EP") {
        let order = desk.api.call("GET /v1/orders/{orderNum}").path("orderNum", &number).query("codes", "false");
        ("order with the number", order.send::<Order>().await.map(|order| order_path(&order.order_num)))
    } else if is_number("SU") {
        let line = desk.api.call("GET /v1/subscriptions/{subscriptionId}").path("subscriptionId", &number);
        let to = |line: Line| format!("/console/lines/{}", encoded(&line.subscription_id));
        ("line with the number", line.send::<Line>().await.map(to))
    } else {
        return Ok(redirect(&format!("/console/orders?otherOrderId={0}&q={0}", encoded(text))));
    };
    match found {
        Ok(to) => Ok(redirect(&to)),
        Err(refusal) if refusal.status == StatusCode::NOT_FOUND => Ok(nothing(desk, what, text).await),
        Err(refusal) => Err(refusal),
    }
}

async fn nothing(desk: &Desk<'_>, what: &str, text: &str) -> Response<Body> {
    let content = html! {
        div.blank {
            h1 { "Nothing was found" }
            p { "There is no " (what) " “" (text) "”." }
            p.hint { (TAKES) }
            p { a.button href="/console/orders" { "To the orders" } }
        }
    };
    desk.page_with(StatusCode::NOT_FOUND, Section::Orders, "Nothing was found", content).await
}
