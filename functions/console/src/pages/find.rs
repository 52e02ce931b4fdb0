//! The box at the top: an order's number, a card's, or a mail address.

use crate::Desk;
use crate::frame::order_path;
use crate::http::{encoded, redirect};
use lambda_http::{Body, Response};

/// Goes where the text leads.
pub fn find(desk: &Desk<'_>) -> Response<Body> {
    let text = desk.visit.query.text("q");
    let digits: String = text.chars().filter(|character| !character.is_whitespace()).collect();
    let to = if text.is_empty() {
        "/console/orders".to_owned()
    } else if text.contains('@') {
        format!("/console/subscribers?email={}", encoded(text))
    } else if (18..=20).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        format!("/console/orders?iccid={digits}&q={digits}")
    } else if text.len() == 18 && text.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("EP")) {
        order_path(&text.to_ascii_uppercase())
    } else if text.len() == 18 && text.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("SU")) {
        format!("/console/lines/{}", encoded(&text.to_ascii_uppercase()))
    } else {
        format!("/console/orders?otherOrderId={}&q={}", encoded(text), encoded(text))
    };
    redirect(&to)
}
