//! The Orders Table.

use super::columns::{Column, chooser, chosen, hidden, in_file, shown};
use super::find::TAKES;
use super::{days, who};
use crate::Desk;
use crate::api::{Call, Refusal};
use crate::csv;
use crate::forms::{Attempt, Fields};
use crate::frame::{Section, goes_on, order_link, pager, sim_link, subscriber_link};
use crate::http::Form;
use crate::model::{Order, Page, Shipment};
use crate::words::{Time, count, none, state, text, words};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Response};
use maud::{Markup, html};

const COLUMNS: &[Column] = &[
    shown("status", "Status", &["status", "statusName"]),
    shown("plan", "Plan", &["planId", "display"]),
    shown("count", "Cards", &["count", "formFactor"]),
    shown("price", "Price", &["price", "currency"]),
    shown("subscriber", "Subscriber", &["email", "name"]),
    shown("created", "Ordered", &["createdAt"]),
    shown("partner", "Partner", &["partnerId"]),
    shown("iccids", "ICCIDs", &["iccids"]),
    shown("payment", "Payment", &["payment"]),
    shown("channel", "Channel", &["channel"]),
    hidden("fulfilment", "Fulfilment", &["fulfilment"]),
    hidden("type", "Type", &["type"]),
    hidden("shipment", "Shipment", &["shippedAt", "carrier", "trackingNumber"]),
    hidden("ids", "Own ids", &["otherOrderId", "otherItemId"]),
    hidden("renewals", "Renewals", &["mainOrderNum", "renewOrderNum"]),
    hidden("due", "Pay until", &["payUntil"]),
];
/// Orders on a page.
const LIMIT: &str = "25";
/// The parameters of the API's list, but for times, which are days here.
const FILTERS: [&str; 8] = ["status", "type", "partnerId", "email", "iccid", "otherOrderId", "otherItemId", "needsAttention"];

const STATUSES: [(&str, &str); 9] = [
    ("", "Any"),
    ("-1", "−1 Unpaid"),
    ("0", "0 Normal"),
    ("2", "2 Cancelled"),
    ("3", "3 Void"),
    ("4", "4 Partial unsubscribed"),
    ("5", "5 Ended"),
    ("6", "6 Unsubscribing"),
    ("7", "7 Partial unsubscribing"),
];
const TYPES: [&str; 5] = ["activate_subscription", "renewal", "top_up_subscription", "swap_sim", "cancel_subscription"];

fn request<'a>(desk: &'a Desk<'_>, partner: &str, cursor: &str, limit: &str) -> Result<Call<'a>, Refusal> {
    let query = &desk.visit.query;
    let mut call = desk.api.call("GET /v1/orders").query("limit", limit).query("cursor", cursor);
    for name in FILTERS.iter().chain(&["sort"]) {
        call = call.query(name, if *name == who::NAME { partner } else { query.text(name) });
    }
    for (name, time) in days::asked_for(query)? {
        call = call.query(name, &time);
    }
    Ok(call)
}

async fn read(desk: &Desk<'_>) -> Result<Page<Order>, Refusal> {
    let partner = who::meant(desk, desk.visit.query.text(who::NAME)).await?;
    let found = request(desk, &partner, desk.visit.query.text("cursor"), LIMIT)?.send().await?;
    who::check(desk, found).await
}

/// The page.
pub async fn list(desk: &Desk<'_>) -> Result<Response<Body>, Refusal> {
    let query = &desk.visit.query;
    let found = read(desk).await;
    let refusal = match &found {
        Err(refusal) if !refusal.is_about_input() => return Err(refusal.clone()),
        Err(refusal) => Some(refusal),
        Ok(_) => None,
    };
    let fields = Fields::new("filter", refusal.map(|refusal| Attempt { form: "filter", values: query, refusal: Some(refusal) }));
    let columns = chosen(desk.visit, "orders", COLUMNS);
    let content = html! {
        div.head {
            h1 { "Orders" }
            a.button.first href="/console/orders/new" { "Create order" }
        }
        (filters(&fields, query))
        @match &found {
            Ok(page) => {
                div.tools {
                    p.hint { (summary(query, page)) }
                    (chooser(desk, "orders", COLUMNS))
                    (csv::link(&format!("/console/orders.csv?{}", query.with(&[("cursor", "")]))))
                }
                @if page.items.is_empty() { (empty(query, page)) } @else { (table(query, &columns, &page.items)) }
                (pager(desk.visit, "/console/orders", page.next_cursor.as_ref()))
                (csv::hint("orders"))
            }
            Err(_) => (fields.not_shown()),
        }
    };
    let status = if refusal.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    Ok(desk.page_with(status, Section::Orders, "Orders", content).await)
}

fn filters(fields: &Fields<'_>, query: &Form) -> Markup {
    let options = |names: &[&str]| {
        let named = names.iter().map(|name| ((*name).to_owned(), words(name)));
        std::iter::once((String::new(), "Any".to_owned())).chain(named).collect::<Vec<_>>()
    };
    let statuses = STATUSES.map(|(value, label)| (value.to_owned(), label.to_owned()));
    let sorts = [("", "Newest first"), ("oldest", "Oldest first")].map(|(value, label)| (value.to_owned(), label.to_owned()));
    let more =
        days::are_asked_for(query) || ["iccid", "otherOrderId", "otherItemId"].iter().any(|name| !query.text(name).is_empty());
    html! {
        form.filters method="get" action="/console/orders" aria-label="Filter" {
            div.fields {
                (fields.choice("status", "Status", statuses).value(query.text("status")))
                (fields.choice("type", "Type", options(&TYPES)).value(query.text("type")))
                (who::field(fields, "Partner", query.text("partnerId"), false, None))
                (fields.input("search", "email", "Mail").value(query.text("email")))
                (fields.choice("sort", "Sort", sorts).value(query.text("sort")))
                label.tick for="filter-attention" {
                    input #filter-attention type="checkbox" name="needsAttention" value="true" checked[query.text("needsAttention") == "true"];
                    span { "Needs attention" }
                }
            }
            details open[more] {
                summary { "More filters" }
                div.fields {
                    (days::fields(fields, query))
                    (fields.text("iccid", "ICCID").value(query.text("iccid")))
                    (fields.text("otherOrderId", "Own order id").value(query.text("otherOrderId")).hint("of the last 31 days, unless a partner is chosen"))
                    (fields.text("otherItemId", "Own item id").value(query.text("otherItemId")).hint("found at once together with a partner and an own order id; else looked for, page by page"))
                }
            }
            div.buttons {
                button type="submit" { "Filter" }
                @if is_filtered(query) { a.button.plain href="/console/orders" { "Clear" } }
            }
        }
    }
}

fn is_filtered(query: &Form) -> bool {
    days::are_asked_for(query) || FILTERS.iter().any(|name| !query.text(name).is_empty())
}

/// The days that are looked through where no index leads to the orders but that of days, and no first one is named.
fn days_by_default(query: &Form) -> Option<&'static str> {
    let led = ["from", "partnerId", "email", "iccid", "needsAttention"].iter().any(|name| !query.text(name).is_empty());
    match (led, query.given("to")) {
        (true, _) => None,
        (false, None) => Some("the last 31 days"),
        (false, Some(_)) => Some("the 31 days up to then"),
    }
}

/// Whether the index that leads to the orders sorts them by partner before their time.
fn is_by_partner(query: &Form) -> bool {
    !query.text("email").is_empty() && query.text("partnerId").is_empty() && query.text("iccid").is_empty()
}

/// The heading of the only column that an index sorts by, which turns the list round.
fn by_time(query: &Form, heading: &str) -> Markup {
    let oldest = query.text("sort") == "oldest";
    let (sorted, arrow, other, then) =
        if oldest { ("ascending", "↑", "", "newest first") } else { ("descending", "↓", "oldest", "oldest first") };
    let href = format!("/console/orders?{}", query.with(&[("sort", other), ("cursor", "")]));
    html! {
        th scope="col" aria-sort=(sorted) {
            a href=(href) { (heading) " " span aria-hidden="true" { (arrow) } span.hidden { ", show the " (then) } }
        }
    }
}

fn summary(query: &Form, page: &Page<Order>) -> String {
    let orders = count(page.items.len(), "order", "orders");
    let orders = match days_by_default(query) {
        Some(days) => format!("{orders} of {days}"),
        None => orders,
    };
    let place = match (page.next_cursor.is_some(), query.text("cursor").is_empty()) {
        (false, true) => "",
        (false, false) => ", the last ones",
        (true, _) => goes_on(page.items.len(), LIMIT),
    };
    let sorted = if is_by_partner(query) && page.items.len() > 1 { "; partner by partner" } else { "" };
    format!("{orders}{place}{sorted}")
}

fn empty(query: &Form, page: &Page<Order>) -> Markup {
    html! {
        div.blank {
            @if page.next_cursor.is_some() {
                p { "None among the orders that were looked through so far. There are more to look through." }
            } @else if query.text("needsAttention") == "true" {
                p { "Nothing waits for you." }
            } @else if is_filtered(query) {
                @match (query.given("q"), query.given("otherOrderId")) {
                    (Some(_), Some(id)) => { p { "No order has the own order id “" (id) "”." } p.hint { (TAKES) } },
                    _ if query.given("cursor").is_some() => p { "No more orders are like that." },
                    _ => p { "No order is like that." },
                }
                @if let Some(days) = days_by_default(query) {
                    p.hint { "Without a partner, a mail or a card, " (days) " are looked through; name the first day to go further back." }
                }
            } @else {
                p { "No orders in the last 31 days." }
                p { a.button href="/console/orders/new" { "Create the first" } }
            }
        }
    }
}

fn table(query: &Form, columns: &[&Column], orders: &[Order]) -> Markup {
    html! {
        div.scroll role="region" aria-label="Orders" tabindex="0" {
            table {
                thead { tr {
                    th scope="col" { "Order" }
                    @for column in columns {
                        @if column.id == "created" && !is_by_partner(query) { (by_time(query, column.heading)) }
                        @else { th scope="col" class=[matches!(column.id, "count" | "price").then_some("n")] { (column.heading) } }
                    }
                } }
                tbody {
                    @for order in orders {
                        tr {
                            th scope="row" {
                                (order_link(&order.order_num))
                                @for attention in &order.needs_attention { " " (state(&attention.code)) }
                            }
                            @for column in columns { td class=(column.id) data-more[column.unfolds()] { (cell(column.id, order)) } }
                        }
                    }
                }
            }
        }
    }
}

fn cell(column: &str, order: &Order) -> Markup {
    html! {
        @match column {
            "status" => { (state(&order.status_name)) @if order.fulfilment == "failed" { " " (state("failed")) } }
            "fulfilment" => (state(&order.fulfilment)),
            "type" => (words(&order.kind)),
            "plan" => { (order.display) @if order.kind != "activate_subscription" { span.sub { (words(&order.kind)) } } }
            "count" => { (order.count) @if order.form_factor == "physical" { " " span.sub { (words("physical")) } } }
            "price" => (order.price),
            "subscriber" => { (subscriber_link(&order.subscriber.email)) span.sub { (order.subscriber.name) } }
            "created" => (Time(&order.created_at)),
            "partner" => (order.partner_id),
            "channel" => (words(&order.channel)),
            "payment" => (words(&order.payment)),
            "iccids" => (iccids(order)),
            "shipment" => {
                @match &order.shipment {
                    Some(shipment) => { (shipment.carrier) " " (shipment.number) span.sub { (Time(&shipment.shipped_at)) } }
                    None => (none()),
                }
            }
            "ids" => {
                (text(order.other_order_id.as_deref()))
                @if let Some(item) = &order.other_item_id { span.sub { (item) } }
            }
            "renewals" => {
                @if let Some(main) = &order.main_order_num { "of " (order_link(main)) }
                @else if order.renew_order_num.is_empty() { (none()) }
                @else { (order.renew_order_num.len()) }
            }
            "due" => { @if order.status == -1 { (Time(&order.pay_until)) } @else { (none()) } }
            _ => {}
        }
    }
}

fn iccids(order: &Order) -> Markup {
    html! {
        @for iccid in order.iccids.iter().take(2) { (sim_link(iccid)) " " }
        @if order.iccids.len() > 2 { span.sub { "and " (order.iccids.len() - 2) " more" } }
        @if order.iccids.is_empty() { (none()) }
    }
}

/// The same orders as a file.
pub async fn export(desk: &Desk<'_>) -> Result<Response<Body>, Refusal> {
    // The order itself stands first, whatever was chosen.
    let columns = [vec!["orderNum", "needsAttention"], in_file(desk.visit, "orders", COLUMNS)].concat();
    csv::export(desk, "orders", &columns, |partner, cursor| request(desk, partner, cursor, "100"), in_column).await
}

fn in_column(column: &str, order: &Order) -> String {
    let some = |text: &Option<String>| text.clone().unwrap_or_default();
    let shipped = |part: fn(&Shipment) -> &String| order.shipment.as_ref().map(part).cloned().unwrap_or_default();
    match column {
        "orderNum" => order.order_num.clone(),
        "needsAttention" => order.needs_attention.iter().map(|attention| attention.code.as_str()).collect::<Vec<_>>().join(" "),
        "type" => order.kind.clone(),
        "status" => order.status.to_string(),
        "statusName" => order.status_name.clone(),
        "fulfilment" => order.fulfilment.clone(),
        "planId" => order.plan_id.clone(),
        "display" => order.display.clone(),
        "count" => order.count.to_string(),
        "price" => order.price.in_major_units(),
        "currency" => order.price.currency.to_string(),
        "formFactor" => order.form_factor.clone(),
        "email" => order.subscriber.email.clone(),
        "name" => order.subscriber.name.clone(),
        "partnerId" => order.partner_id.clone(),
        "channel" => order.channel.clone(),
        "payment" => order.payment.clone(),
        "iccids" => order.iccids.join(" "),
        "shippedAt" => shipped(|shipment| &shipment.shipped_at),
        "carrier" => shipped(|shipment| &shipment.carrier),
        "trackingNumber" => shipped(|shipment| &shipment.number),
        "otherOrderId" => some(&order.other_order_id),
        "otherItemId" => some(&order.other_item_id),
        "mainOrderNum" => some(&order.main_order_num),
        "renewOrderNum" => order.renew_order_num.join(" "),
        "payUntil" => order.pay_until.clone(),
        "createdAt" => order.created_at.clone(),
        _ => String::new(),
    }
}
