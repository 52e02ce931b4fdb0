//! The cards of an order.

use super::order::fact;
use crate::Desk;
use crate::frame::{line_link, order_path, sim_link};
use crate::model::{Card, Order, Package};
use crate::words::{Time, count, data, state, text};
use maud::{Markup, html};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use simdock_mail::qr_svg;

/// Cards whose QR codes and links fit on one page; of the others it has the codes alone, and each card's own page has the rest.
const MOST_CODES: usize = 6;
/// What of a drawing has no place in a URI that holds it.
const NOT_IN_DATA: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'<').add(b'>');

/// The cards, with their codes where these were asked for.
pub fn show(desk: &Desk<'_>, order: &Order) -> Markup {
    let known = order.cards.iter().any(|card| card.code.is_some());
    let has_codes = order.form_factor == "esim" && order.kind != "cancel_subscription";
    let working = |card: &Card| matches!(card.status.as_str(), "ready" | "installed" | "active" | "ended");
    html! {
        section #cards aria-labelledby="cards-title" {
            h2 #cards-title { "Cards" }
            @if order.cards.is_empty() {
                p.hint {
                    @match order.status { -1 => "They are allocated when the order is paid.", _ => "It has none." }
                }
            }
            @if has_codes && !known && order.cards.iter().any(working) {
                form method="post" action={ (order_path(&order.order_num)) "/code" }
                    hx-post={ (order_path(&order.order_num)) "/code" } hx-target="#cards" hx-swap="outerHTML" {
                    input type="hidden" name="token" value=(desk.signed_in.token);
                    div.buttons {
                        button.plain type="submit" { "Show code" }
                        span.hint { "A card whose code was shown does not go back into stock." }
                    }
                }
            }
            @for (index, card) in order.cards.iter().enumerate() { (one(card, index < MOST_CODES)) }
        }
    }
}

/// What installs a card, if that is known.
pub fn code(card: &Card, with_picture: bool) -> Markup {
    let picture = card.code.as_ref().filter(|_| with_picture).and_then(|code| qr_svg(code).ok());
    html! {
        @if let Some(code) = &card.code {
            div.code {
                @if let Some(svg) = picture {
                    img src={ "data:image/svg+xml," (utf8_percent_encode(&svg, NOT_IN_DATA)) } width="200" height="200" alt={ "QR code of card " (card.iccid) };
                }
                dl.facts {
                    (fact("LPA code", html! { code.lpa { (code) } }))
                    @if with_picture {
                    (fact("SM-DP+ address", html! { code { (text(card.sm_dp_address.as_deref())) } }))
                    (fact("Activation code", html! { code { (text(card.activation_code.as_deref())) } }))
                    @if let Some(urls) = &card.install_urls {
                        (fact("Install", html! { a href=(urls.ios) rel="noreferrer" { "iOS" } " · " a href=(urls.android) rel="noreferrer" { "Android" } }))
                    }
                    }
                }
            }
        }
    }
}

/// What is valid for a card: its data, how long, and what was added.
fn package_of(package: &Package) -> Markup {
    html! {
        (package.data_mb.map_or_else(|| "Unlimited".to_owned(), data)) ", " (count(package.days as usize, "day", "days"))
        @for add_on in &package.add_ons { span.sub { "+ " (add_on.display) } }
    }
}

fn one(card: &Card, with_picture: bool) -> Markup {
    html! {
        article.card {
            div.title { (sim_link(&card.iccid)) " " (state(&card.status)) }
            (code(card, with_picture))
            dl.facts {
                @if let Some(id) = &card.subscription_id { (fact("Line", line_link(id))) }
                @if card.mobile_number.is_some() { (fact("Number", text(card.mobile_number.as_deref()))) }
                @if let Some(package) = &card.package { (fact("Data package", package_of(package))) }
                (fact("Used", html! {
                    (data(card.used_mb))
                    @if let Some(mb) = card.package.as_ref().and_then(|package| package.data_mb) { " of " (data(mb)) }
                }))
                (fact("IMSI profile", html! { (card.operator) " " (card.imsi_profile) }))
                @if let Some(from) = &card.start_date { (fact("Started", html! { (Time(from)) })) }
                @if let Some(until) = &card.end_date { (fact("Ends", html! { (Time(until)) })) }
                @if card.start_date.is_none() && let Some(before) = &card.activate_before { (fact("Activate before", html! { (Time(before)) })) }
                (fact("APN", html! { (card.apn) }))
                @if card.eid.is_some() { (fact("Phone (EID)", text(card.eid.as_deref()))) }
                (fact("Refundable", html! {
                    @match (&card.refundable.amount, &card.refundable.reason) {
                        (Some(amount), _) => (amount),
                        (None, Some(reason)) => (reason),
                        (None, None) => (crate::words::words(&card.refundable.eligible)),
                    }
                }))
            }
        }
    }
}
