//! An order: all that is known of it, and what can be done with it.

use super::order_refund::Outcome;
use super::settings::plans;
use super::{order_acts, order_cards};
use crate::Desk;
use crate::api::Refusal;
use crate::forms::Attempt;
use crate::frame::{Section, line_link, order_link, order_path, sim_link, subscriber_link};
use crate::http::page;
use crate::model::{Action, Address, Entry, Order, Page, Plan, ProfileName};
use crate::words::{Time, none, state, text, time, void, words};
use futures_util::future::try_join;
use lambda_http::http::StatusCode;
use lambda_http::{Body, Response};
use maud::{Markup, Render, html};
use simdock_domain::Money;

/// Reads an order. Its cards' codes are given away to nobody by it.
pub async fn read(desk: &Desk<'_>, num: &str) -> Result<Order, Refusal> {
    desk.api.call("GET /v1/orders/{orderNum}").path("orderNum", num).query("codes", "false").send().await
}

/// The page.
pub async fn show(desk: &Desk<'_>, num: &str, attempt: Option<Attempt<'_>>) -> Result<Response<Body>, Refusal> {
    let ((order, plan), actions) = try_join(with_plan(desk, num), actions(desk, num)).await?;
    whole(desk, &order, &plan, &actions, attempt, None).await
}

/// The page with what would come of a refund, to be confirmed.
pub async fn show_refund(desk: &Desk<'_>, num: &str, outcome: &Outcome) -> Result<Response<Body>, Refusal> {
    let ((order, plan), actions) = try_join(with_plan(desk, num), actions(desk, num)).await?;
    whole(desk, &order, &plan, &actions, None, Some(outcome)).await
}

/// What can be done with it now.
async fn actions(desk: &Desk<'_>, num: &str) -> Result<Vec<Action>, Refusal> {
    let call = desk.api.call("GET /v1/orders/{orderNum}/actions").path("orderNum", num);
    Ok(call.send::<Page<Action>>().await?.items)
}

/// An order with the plan that a renewal of it brings: that of the main order, as it is sold now.
async fn with_plan(desk: &Desk<'_>, num: &str) -> Result<(Order, Plan), Refusal> {
    let order = read(desk, num).await?;
    let plan = renewed(desk, &order).await?;
    Ok((order, plan))
}

async fn renewed(desk: &Desk<'_>, order: &Order) -> Result<Plan, Refusal> {
    match &order.main_order_num {
        Some(main) => plans::read(desk, &read(desk, main).await?.plan_id, "").await,
        None => plans::read(desk, &order.plan_id, "").await,
    }
}

/// The page with the codes of the cards: from now on somebody knows them, and the API notes it.
pub async fn show_codes(desk: &Desk<'_>, num: &str) -> Result<Response<Body>, Refusal> {
    let order: Order = desk.api.call("GET /v1/orders/{orderNum}").path("orderNum", num).send().await?;
    if desk.visit.partial {
        return Ok(page(StatusCode::OK, order_cards::show(desk, &order)));
    }
    let (plan, actions) = try_join(renewed(desk, &order), actions(desk, num)).await?;
    whole(desk, &order, &plan, &actions, None, None).await
}

async fn whole(
    desk: &Desk<'_>,
    order: &Order,
    plan: &Plan,
    actions: &[Action],
    attempt: Option<Attempt<'_>>,
    refund: Option<&Outcome>,
) -> Result<Response<Body>, Refusal> {
    let codes = order.cards.iter().any(|card| card.code.is_some());
    let under_way = !codes && (order.fulfilment == "fulfilling" || matches!(order.status, 6 | 7) || awaits_mail(order));
    let path = order_path(&order.order_num);
    let content = html! {
        div.head {
            p.crumb { a href="/console/orders" { "Orders" } }
            h1 { span.num { (order.order_num) } }
            a.jump href="#acts" { "To the actions" }
        }
        div.columns {
            div #now hx-get=[under_way.then_some(&path)] hx-trigger=[under_way.then_some("every 3s")]
                hx-select=[under_way.then_some("#now")] hx-swap=[under_way.then_some("outerHTML")] {
                (attention(order))
                (facts(order))
                (order_cards::show(desk, order))
                (money(order))
                (mails(order))
            }
            div {
                section aria-labelledby="acts" {
                    h2 #acts { "Actions" }
                    (order_acts::show(desk, order, actions, attempt, refund, plan))
                }
                (history("History", &order.history))
            }
        }
    };
    Ok(desk.page_of(attempt, Section::Orders, &order.order_num, content).await)
}

fn awaits_mail(order: &Order) -> bool {
    order.emails.iter().any(|mail| matches!(mail.status.as_str(), "pending" | "sending"))
}

fn attention(order: &Order) -> Markup {
    html! {
        @if !order.needs_attention.is_empty() {
            ul.alerts aria-label="Needs attention" {
                @for attention in &order.needs_attention { li { (state(&attention.code)) " " (attention.detail) } }
            }
        }
    }
}

fn facts(order: &Order) -> Markup {
    html! {
        section aria-labelledby="facts" {
            h2 #facts { "The order" }
            dl.facts {
                (fact("Status", html! {
                    (state(&order.status_name)) " " span.sub { "code " (order.status) }
                    @if let Some(reason) = &order.void_reason { span.sub { (void(reason)) } }
                }))
                (fact("Fulfilment", state(&order.fulfilment)))
                (fact("Type", html! {
                    (words(&order.kind)) @if let Some(main) = &order.main_order_num { span.sub { "of order " (order_link(main)) } }
                }))
                (fact("Plan", html! {
                    (order.display) span.sub { (order.plan_id) " version " (order.plan_version) }
                    @for add_on in &order.add_ons { span.sub { "+ " (add_on.display) } }
                }))
                (fact("Cards", html! { (order.count) " " (words(&order.form_factor)) @if order.count > 1 { "s" } }))
                @if order.status == -1 && !order.profiles.is_empty() { (fact("IMSI profile", profile_to_be(&order.profiles))) }
                (fact("Price", html! { (order.price) span.sub { "by " (words(&order.payment).to_lowercase()) } }))
                (fact("Subscriber", html! {
                    (order.subscriber.name) span.sub { (subscriber_link(&order.subscriber.email)) " · " (order.subscriber.language) }
                }))
                @if let Some(to) = &order.subscriber.postal_address { (fact("Postal address", address(to))) }
                (fact("Partner", html! { a href={ "/console/settings/partners/" (crate::http::encoded(&order.partner_id)) } { (order.partner_id) } }))
                (fact("Channel", html! { (words(&order.channel)) }))
                @if order.line_name.is_some() { (fact("Line name", text(order.line_name.as_deref()))) }
                @if order.other_order_id.is_some() {
                    (fact("Own ids", html! { (text(order.other_order_id.as_deref())) @if let Some(item) = &order.other_item_id { " / " (item) } }))
                }
                (fact("Ordered", html! { (Time(&order.created_at)) }))
                @if order.status == -1 { (fact("Pay until", html! { (Time(&order.pay_until)) })) }
                @if let Some(shipment) = &order.shipment {
                    (fact("Shipment", html! { (shipment.carrier) " " span.num { (shipment.number) } span.sub { (Time(&shipment.shipped_at)) } }))
                }
                @if let Some(id) = &order.subscription_id { (fact("Line", line_link(id))) }
                @if !order.renew_order_num.is_empty() {
                    (fact("Renewed by", html! { @for num in &order.renew_order_num { (order_link(num)) " " } }))
                }
                @if order.note.is_some() { (fact("Note", text(order.note.as_deref()))) }
            }
        }
    }
}

/// Which profile the cards of an order will have that is not paid.
fn profile_to_be(profiles: &[ProfileName]) -> Markup {
    html! {
        @for (index, profile) in profiles.iter().enumerate() {
            @let name = html! { (profile.operator) " " (profile.imsi_profile) };
            @if index == 0 { (name) span.sub { "picked once it is paid" } } @else { span.sub { "if sold out, " (name) } }
        }
    }
}

/// A name and what it stands for.
pub fn fact(name: &str, value: impl Render) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

/// A postal address, as it stands on a parcel.
pub fn address(to: &Address) -> Markup {
    html! {
        @for line in &to.lines { (line) br; }
        (text(to.postal_code.as_deref())) " " (to.city) br;
        @if let Some(region) = &to.region { (region) br; }
        (to.country)
    }
}

fn money(order: &Order) -> Markup {
    html! {
        @if !order.payments.is_empty() || !order.refunds.is_empty() {
            section aria-labelledby="money" {
                h2 #money { "Money" }
                @if !order.owed.is_empty() { p { (state("money_owed")) " " (sum(&order.owed)) } }
                div.scroll role="group" aria-labelledby="money" tabindex="0" {
                    table {
                        thead { tr { th scope="col" { "What" } th.n scope="col" { "Amount" } th scope="col" { "State" } th scope="col" { "When" } th scope="col" { "Reference" } } }
                        tbody {
                            @for payment in &order.payments {
                                tr {
                                    th scope="row" { "Payment" span.sub { (words(&payment.provider)) } }
                                    td.price { (payment.received) }
                                    td { (state(&payment.outcome)) @if let Some(reason) = &payment.reason { span.sub { (words(reason)) } } }
                                    td { (Time(&payment.received_at)) }
                                    td.num { (payment.payment_id) }
                                }
                            }
                            @for refund in &order.refunds {
                                tr {
                                    th scope="row" { "Refund" span.sub { (words(&refund.reason)) @if let Some(iccid) = &refund.iccid { " " (sim_link(iccid)) } } }
                                    td.price { (refund.amount) }
                                    td { (state(&refund.status)) }
                                    td { (Time(&refund.created_at)) }
                                    td.num { (text(refund.provider_refund_id.as_deref())) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn sum(amounts: &[Money]) -> String {
    amounts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn mails(order: &Order) -> Markup {
    html! {
        @if !order.emails.is_empty() {
            section aria-labelledby="mails" {
                h2 #mails { "Mails" }
                div.scroll role="group" aria-labelledby="mails" tabindex="0" {
                    table {
                        thead { tr { th scope="col" { "Mail" } th scope="col" { "State" } th scope="col" { "Sent" } th scope="col" { "What came of it" } } }
                        tbody {
                            @for mail in &order.emails {
                                tr {
                                    th scope="row" { (words(&mail.kind)) }
                                    td { (state(&mail.status)) @if mail.attempts > 1 { " " span.sub { (mail.attempts) " attempts" } } }
                                    td { (time(mail.sent_at.as_ref())) }
                                    td { @match &mail.event { Some(event) => { (state(event)) " " (time(mail.event_at.as_ref())) }, None => (none()) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What an entry says more: people's words as they are, and names of the API's, which stand at the beginning, as words.
fn in_words(event: &str, note: &str) -> String {
    let (name, rest) = note.split_at(note.find(':').unwrap_or(note.len()));
    match event {
        "voided" | "mail_requested" | "mail_sent" | "mail_failed" | "mail_reported" => format!("{}{rest}", words(name)),
        _ => note.to_owned(),
    }
}

/// What happened, the newest first.
pub fn history(title: &str, entries: &[Entry]) -> Markup {
    html! {
        section aria-labelledby="history" {
            h2 #history { (title) }
            ol.timeline {
                @for entry in entries.iter().rev() {
                    li {
                        strong { (words(&entry.event)) }
                        span.sub {
                            (Time(&entry.at)) " · " (words(&entry.by).to_lowercase())
                            @if let Some(name) = &entry.manager { " " (name) }
                        }
                        @if let Some(note) = &entry.note { p { (in_words(&entry.event, note)) } }
                    }
                }
            }
        }
    }
}
