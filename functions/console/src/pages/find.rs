//! The box at the top: an order's number, a card's, or a mail address.

use crate::Desk;
use crate::api::Refusal;
use crate::frame::order_path;
use crate::http::{encoded, redirect};
use crate::model::Sim;
use lambda_http::{Body, Response};

/// Goes where the text leads. A card that nobody ordered yet has a page of its own only.
pub async fn find(desk: &Desk<'_>) -> Result<Response<Body>, Refusal> {
    let text = desk.visit.query.text("q");
    let digits: String = text.chars().filter(|character| !character.is_whitespace()).collect();
    let to = if text.is_empty() {
        "/console/orders".to_owned()
    } else if text.contains('@') {
        format!("/console/subscribers?email={}", encoded(text))
    } else if (18..=20).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        match desk.api.call("GET /v1/sims/{iccid}").path("iccid", &digits).send::<Sim>().await {
            Ok(Sim { order_num: None, iccid, .. }) => format!("/console/sims/{iccid}"),
            Ok(_) | Err(_) => format!("/console/orders?iccid={digits}&q={digits}"),
        }
    } else if text.len() == 18 && text.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("EP")) {
        order_path(&text.to_ascii_uppercase())
    } else if text.len() == 18 && text.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("SU")) {
        format!("/console/lines/{}", encoded(&text.to_ascii_uppercase()))
    } else {
        format!("/console/orders?otherOrderId={}&q={}", encoded(text), encoded(text))
    };
    Ok(redirect(&to))
}
