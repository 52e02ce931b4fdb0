//! Subscribers: found by mail, with their lines and orders; and the form that gives them one line more.

use super::find::TAKES;
use super::lines::{actions, eligible};
use super::new_order::wanted;
use super::offer::{self, Offer, whose};
use super::order_acts::made;
use super::who;
use crate::Desk;
use crate::api::Refusal;
use crate::forms::{Attempt, Fields};
use crate::frame::{Section, goes_on, line_link, order_link, pager, sim_link};
use crate::http::encoded;
use crate::model::{Line, Order, Page};
use crate::words::{Time, count, none, state, text, words};
use futures_util::future::{join_all, try_join};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Response};
use maud::{Markup, html};

/// Lines of a page: each is asked whether it entitles to a gift.
const LINES: &str = "5";
/// Orders of a page. The rest stands in the Orders Table.
const ORDERS: &str = "10";

/// The page.
pub async fn show(desk: &Desk<'_>) -> Result<Response<Body>, Refusal> {
    let query = &desk.visit.query;
    let email = query.text("email");
    let found = if email.is_empty() { None } else { Some(subscriber(desk, email).await) };
    let refusal = match &found {
        Some(Err(refusal)) if !refusal.is_about_input() => return Err(refusal.clone()),
        Some(Err(refusal)) => Some(refusal),
        Some(Ok(_)) | None => None,
    };
    let fields = Fields::new("search", refusal.map(|refusal| Attempt { form: "search", values: query, refusal: Some(refusal) }));
    let content = html! {
        div.head {
            h1 { @if email.is_empty() { "Subscribers" } @else { (email) } }
            @if let Some(Ok((_, _, orders))) = &found {
                a.button href=(add_line(email, orders.items.first())) { "Add line" }
            }
        }
        form.filters method="get" action="/console/subscribers" {
            div.fields { (fields.input("search", "email", "Mail").value(email).required()) }
            div.buttons { button type="submit" { "Find" } }
        }
        @match &found {
            None => div.blank { p { "Whom are you looking for? Enter the address that the orders were made with." } },
            Some(Err(_)) => (fields.not_shown()),
            Some(Ok((lines, None, orders))) if lines.is_empty() && orders.items.is_empty() && query.given("cursor").is_none() => {
                div.blank {
                    p { "Nothing was found for “" (email) "”: no line and no order was made with exactly this address." }
                    @if query.given("q").is_some() { p.hint { (TAKES) } }
                }
            },
            Some(Ok((lines, next, orders))) => {
                section aria-labelledby="lines" { h2 #lines { "Lines" } (table(lines)) (pager(desk.visit, "/console/subscribers", next.as_ref())) }
                section aria-labelledby="orders" { h2 #orders { "Orders" } (latest(email, orders)) }
            }
        }
    };
    let status = if refusal.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    Ok(desk.page_with(status, Section::Subscribers, "Subscribers", content).await)
}

/// A line with what it entitles to.
type WithGift = (Line, Markup);

async fn subscriber(desk: &Desk<'_>, email: &str) -> Result<(Vec<WithGift>, Option<String>, Page<Order>), Refusal> {
    let orders = desk.api.call("GET /v1/orders").query("email", email).query("limit", ORDERS).send::<Page<Order>>();
    let ((lines, next), orders) = try_join(lines(desk, email), orders).await?;
    Ok((lines, next, orders))
}

async fn lines(desk: &Desk<'_>, email: &str) -> Result<(Vec<WithGift>, Option<String>), Refusal> {
    let call = desk.api.call("GET /v1/subscriptions").query("email", email).query("limit", LINES);
    let page: Page<Line> = call.query("cursor", desk.visit.query.text("cursor")).send().await?;
    let gifts = page.items.iter().map(async |line: &Line| match line.status.as_str() {
        "ended" => Ok(none()),
        _ => actions(desk, &line.subscription_id).await.map(|actions| eligible(&actions)),
    });
    let gifts = join_all(gifts).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok((page.items.into_iter().zip(gifts).collect(), page.next_cursor))
}

fn add_line(email: &str, like: Option<&Order>) -> String {
    let (name, partner) = like.map_or(("", ""), |order| (order.subscriber.name.as_str(), order.partner_id.as_str()));
    format!("/console/subscribers/line?email={}&name={}&partnerId={}", encoded(email), encoded(name), encoded(partner))
}

fn table(lines: &[WithGift]) -> Markup {
    html! {
        @if lines.is_empty() {
            div.blank { p { "No lines. What was ordered is not paid, was cancelled, or there is nothing under this address." } }
        } @else {
            div.scroll role="group" aria-labelledby="lines" tabindex="0" {
                table {
                    thead { tr { th scope="col" { "Line" } th scope="col" { "Status" } th scope="col" { "Plan" } th scope="col" { "Card" }
                        th scope="col" { "Profile" } th scope="col" { "Partner" } th scope="col" { "Since" } th scope="col" { "Complimentary" } } }
                    tbody {
                        @for (line, gift) in lines {
                            tr {
                                th scope="row" {
                                    @if let Some(name) = &line.line_name { (name) }
                                    span.sub { (line_link(&line.subscription_id)) }
                                }
                                td { (state(&line.status)) }
                                td { (text(line.display.as_deref())) span.sub { (count(line.plans.len(), "plan", "plans")) } }
                                td { (sim_link(&line.iccid)) span.sub { (words(&line.form_factor)) } }
                                td { (line.operator) " " (line.imsi_profile) }
                                td { (line.partner_id) }
                                td { (Time(&line.created_at)) }
                                td { (gift) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn latest(email: &str, orders: &Page<Order>) -> Markup {
    html! {
        @if orders.items.is_empty() { p.hint { "None." } } @else {
            @if orders.next_cursor.is_some() {
                @let found = orders.items.len();
                p.hint { (count(found, "order", "orders")) (goes_on(found, ORDERS)) " in the list of orders; partner by partner" }
            }
            div.scroll role="group" aria-labelledby="orders" tabindex="0" {
                table {
                    thead { tr { th scope="col" { "Order" } th scope="col" { "Status" } th scope="col" { "What" } th.n scope="col" { "Price" } th scope="col" { "Ordered" } } }
                    tbody {
                        @for order in &orders.items {
                            tr {
                                th scope="row" { (order_link(&order.order_num)) }
                                td { (state(&order.status_name)) }
                                td { (order.display) span.sub { (words(&order.kind)) } }
                                td.n { (order.price) }
                                td { (Time(&order.created_at)) }
                            }
                        }
                    }
                }
            }
            p { a href={ "/console/orders?email=" (encoded(email)) } { "All orders of this address" } }
        }
    }
}

/// The form for one line more.
pub async fn show_add_line(desk: &Desk<'_>, attempt: Option<Attempt<'_>>) -> Result<Response<Body>, Refusal> {
    let fields = Fields::new("add-line", attempt);
    let query = &desk.visit.query;
    let partner = fields.typed("partnerId").unwrap_or(query.text("partnerId"));
    let payment = fields.typed("payment").unwrap_or(query.text("payment"));
    let offer = Offer::of(desk, attempt.map_or(query, |attempt| attempt.values), partner, payment).await?.on("esim");
    let methods = ["balance", "card", "complimentary"].map(|name| (name.to_owned(), words(name)));
    let given = query.text("eligibleSubscriptionId");
    let page = format!("/console/subscribers/line?{}&", query.with(&[("partnerId", ""), ("payment", ""), ("planId", "")]));
    let content = html! {
        fieldset {
            legend { "The line" }
            (offer.choice(&fields, "Destination plan", fields.typed("planId").unwrap_or(query.text("planId")), &page))
            div.fields {
                (fields.text("lineName", "Name").required().hint("the country, or the plan for several"))
            }
            p.hint { "The system picks a card in stock on the cheapest profile that carries the plan, and says which." }
        }
        fieldset {
            legend { "Whose" }
            div.fields {
                (fields.input("email", "subscriber.email", "Mail").value(query.text("email")).required())
                (fields.text("subscriber.name", "Subscriber’s name").value(query.text("name")).required())
                (fields.text("subscriber.language", "Language").value("en").width("short"))
            }
            (whose("/console/subscribers/line", "add-line", &html! {
                (who::field(&fields, "Partner", partner, true, offer.wrong.as_ref()))
                (fields.choice("payment", "Payment", methods).value(payment))
            }))
            div.fields {
                (fields.text("eligibleSubscriptionId", "Entitled by line").value(given).hint("if it is complimentary"))
            }
        }
        p.hint { "The subscriber gets two mails: the QR code, and the confirmation." }
    };
    let email = fields.typed("subscriber.email").unwrap_or(query.text("email"));
    let content = html! {
        div.head { p.crumb { a href={ "/console/subscribers?email=" (encoded(email)) } { "Subscribers" } } h1 { "Add line" } }
        (fields.form(desk, "/console/subscribers/line", &content, "Add line"))
    };
    Ok(desk.page_of(attempt, Section::Subscribers, "Add line", content).await)
}

/// Orders the line, and says which card the system picked for it.
pub async fn add(desk: &Desk<'_>) -> Result<Response<Body>, Refusal> {
    if offer::is_asked_for(desk.form()) {
        return show_add_line(desk, Some(Attempt { form: "add-line", values: desk.form(), refusal: None })).await;
    }
    desk.act("add-line", ask(desk), async |attempt| show_add_line(desk, Some(attempt)).await).await
}

async fn ask(desk: &Desk<'_>) -> Result<Response<Body>, Refusal> {
    let form = desk.form();
    form.filled("lineName")?;
    let mut body = wanted(desk).await?;
    body.insert("count".to_owned(), 1.into());
    body.insert("channel".to_owned(), "admin".into());
    let ordered: Order = desk.api.call("POST /v1/orders").key(form).json(body).send().await?;
    Ok(made(desk, "line", &ordered, &picked(&ordered)))
}

/// Which card the system picked for a new line, or will.
fn picked(order: &Order) -> String {
    match (order.cards.first(), order.profiles.first()) {
        (Some(card), _) => {
            format!("The system picked card {}: {}, IMSI profile {}.", card.iccid, card.operator, card.imsi_profile)
        }
        (None, Some(profile)) if order.status == -1 => {
            let others = if order.profiles.len() > 1 { ", or of the next profile if it is sold out" } else { "" };
            format!(
                "Once it is paid, the system picks a card of {}, IMSI profile {}{others}.",
                profile.operator, profile.imsi_profile
            )
        }
        (None, _) => String::new(),
    }
}
