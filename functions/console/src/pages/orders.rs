//! The Orders Table.

use super::columns::{Column, chooser, chosen, hidden, in_file, shown};
use crate::Desk;
use crate::api::{Call, Refusal};
use crate::csv;
use crate::forms::{Attempt, Fields, refused};
use crate::frame::{Section, order_link, pager, sim_link, subscriber_link};
use crate::http::Form;
use crate::model::{Order, Page, Partner, Shipment};
use crate::words::{Time, count, none, state, text, words};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Response};
use maud::{Markup, html};
use simdock_domain::Timestamp;

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
/// Partners to choose from; where there are more, their ids are typed.
const MOST_PARTNERS: &str = "50";
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

fn request<'a>(desk: &'a Desk<'_>, cursor: &str, limit: &str) -> Call<'a> {
    let query = &desk.visit.query;
    let mut call = desk.api.call("GET /v1/orders").query("limit", limit).query("cursor", cursor);
    for name in FILTERS {
        call = call.query(name, query.text(name));
    }
    if query.text("sort") == "oldest" {
        call = call.query("sort", "oldest");
    }
    for (name, days) in [("from", 0), ("to", 1)] {
        call = call.query(name, &midnight(query, name, days));
    }
    call
}

/// How many minutes the viewer is ahead of UTC on a day that was asked for, as the browser's script says. Without it days are those of UTC.
fn ahead(query: &Form, name: &str) -> i64 {
    query.text(&format!("{name}Ahead")).parse::<i64>().unwrap_or(0).clamp(-24 * 60, 24 * 60)
}

/// The midnight with which a day begins that was asked for, or one that comes so many days later. What is no day goes as it is, for
/// the API to refuse.
fn midnight(query: &Form, name: &str, days: i64) -> String {
    let day = query.text(name);
    match format!("{day}T00:00:00Z").parse::<Timestamp>() {
        Ok(midnight) => midnight.plus_seconds(days * 24 * 60 * 60 - ahead(query, name) * 60).to_string(),
        Err(_) => day.to_owned(),
    }
}

/// The page.
pub async fn list(desk: &Desk<'_>) -> Result<Response<Body>, Refusal> {
    let query = &desk.visit.query;
    let found = request(desk, query.text("cursor"), LIMIT).send::<Page<Order>>().await;
    let refusal = match &found {
        Err(refusal) if !refusal.is_about_input() => return Err(refusal.clone()),
        Err(refusal) => Some(refusal),
        Ok(_) => None,
    };
    let columns = chosen(desk.visit, "orders", COLUMNS);
    let content = html! {
        div.head {
            h1 { "Orders" }
            a.button.first href="/console/orders/new" { "Create order" }
        }
        (filters(query, refusal, &partners(desk).await))
        @match &found {
            Ok(page) => {
                div.tools {
                    p.hint { (summary(query, page)) }
                    (chooser(desk, "orders", COLUMNS))
                    (csv::link(&format!("/console/orders.csv?{}", query.with(&[("cursor", "")]))))
                }
                @if page.items.is_empty() { (empty(query, page)) } @else { (table(&columns, &page.items)) }
                (pager(desk.visit, "/console/orders", page.next_cursor.as_ref()))
                (csv::hint("orders"))
            }
            Err(refusal) => (refused(refusal)),
        }
    };
    let status = if refusal.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    Ok(desk.page_with(status, Section::Orders, "Orders", content).await)
}

/// The partners to choose from; none where they cannot be told, or are too many to choose from.
pub async fn partners(desk: &Desk<'_>) -> Vec<Partner> {
    let page = desk.api.call("GET /v1/partners").query("limit", MOST_PARTNERS).send::<Page<Partner>>().await;
    page.ok().filter(|page| page.next_cursor.is_none()).map(|page| page.items).unwrap_or_default()
}

fn filters(query: &Form, refusal: Option<&Refusal>, partners: &[Partner]) -> Markup {
    let attempt = refusal.map(|refusal| Attempt { form: "filter", values: query, refusal });
    let fields = Fields::new("filter", attempt);
    let options = |names: &[&str]| {
        let named = names.iter().map(|name| ((*name).to_owned(), words(name)));
        std::iter::once((String::new(), "Any".to_owned())).chain(named).collect::<Vec<_>>()
    };
    let statuses = STATUSES.map(|(value, label)| (value.to_owned(), label.to_owned()));
    let partners = partners.iter().map(|partner| (partner.partner_id.clone(), partner.display.clone()));
    let partners: Vec<_> = std::iter::once((String::new(), "Any".to_owned())).chain(partners).collect();
    let sorts = [("", "Newest first"), ("oldest", "Oldest first")].map(|(value, label)| (value.to_owned(), label.to_owned()));
    let more = ["from", "to", "iccid", "otherOrderId", "otherItemId"].iter().any(|name| !query.text(name).is_empty());
    html! {
        form.filters method="get" action="/console/orders" aria-label="Filter" {
            div.fields {
                (fields.choice("status", "Status", statuses).value(query.text("status")))
                (fields.choice("type", "Type", options(&TYPES)).value(query.text("type")))
                @if partners.len() > 1 {
                    (fields.choice("partnerId", "Partner", partners).value(query.text("partnerId")))
                } @else {
                    (fields.text("partnerId", "Partner").value(query.text("partnerId")))
                }
                (fields.input("search", "email", "Mail").value(query.text("email")))
                (fields.choice("sort", "Order by", sorts).value(query.text("sort")))
                label.tick for="filter-attention" {
                    input #filter-attention type="checkbox" name="needsAttention" value="true" checked[query.has("needsAttention")];
                    span { "Needs attention" }
                }
            }
            details open[more] {
                summary { "More filters" }
                div.fields {
                    @for (name, label) in [("from", "From"), ("to", "To")] {
                        @let ahead = format!("{name}Ahead");
                        @let hint = format!("days in UTC{}", sign_of(query, name));
                        div data-day=(name) {
                            (fields.input("date", name, label).value(query.text(name)).hint(&hint))
                            input type="hidden" name=(ahead) value=(query.text(&ahead));
                        }
                    }
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

/// How the viewer's time stands to UTC on a day that was asked for: `+13:45`, or nothing.
fn sign_of(query: &Form, name: &str) -> String {
    match ahead(query, name) {
        0 => String::new(),
        ahead => {
            let (sign, minutes) = (if ahead < 0 { '−' } else { '+' }, ahead.abs());
            format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
        }
    }
}

fn is_filtered(query: &Form) -> bool {
    FILTERS.iter().chain(&["from", "to"]).any(|name| !query.text(name).is_empty())
}

/// Whether no index leads to the orders but that of days, of which the API's list goes back 31 unless some are named.
fn goes_by_days(query: &Form) -> bool {
    ["partnerId", "email", "iccid", "needsAttention", "from", "to"].iter().all(|name| query.text(name).is_empty())
}

fn summary(query: &Form, page: &Page<Order>) -> String {
    let orders = count(page.items.len(), "order", "orders");
    let orders = if goes_by_days(query) { format!("{orders} of the last 31 days") } else { orders };
    match (page.next_cursor.is_some(), query.text("cursor").is_empty()) {
        (false, true) => orders,
        (false, false) => format!("{orders}, the last ones"),
        (true, _) => format!("{orders} on this page, and more"),
    }
}

fn empty(query: &Form, page: &Page<Order>) -> Markup {
    html! {
        div.blank {
            @if page.next_cursor.is_some() {
                p { "None among the orders that were looked through so far. There are more to look through." }
            } @else if query.text("needsAttention") == "true" {
                p { "Nothing waits for you." }
            } @else if is_filtered(query) {
                p { "No order is like that." }
                @if goes_by_days(query) {
                    p.hint { "Without a partner, a mail or a card, the last 31 days are looked through; name days to go further back." }
                }
            } @else {
                p { "No orders in the last 31 days." }
                p { a.button href="/console/orders/new" { "Create the first" } }
            }
        }
    }
}

fn table(columns: &[&Column], orders: &[Order]) -> Markup {
    html! {
        div.scroll role="region" aria-label="Orders" tabindex="0" {
            table {
                thead { tr {
                    th scope="col" { "Order" }
                    @for column in columns { th scope="col" class=[matches!(column.id, "count" | "price").then_some("n")] { (column.heading) } }
                } }
                tbody {
                    @for order in orders {
                        tr {
                            th scope="row" {
                                (order_link(&order.order_num))
                                @for attention in &order.needs_attention { " " (state(&attention.code)) }
                            }
                            @for column in columns { td class=(column.id) { (cell(column.id, order)) } }
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
    csv::export("orders", &columns, |cursor| request(desk, cursor, "100"), in_column).await
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_the_viewers_where_the_browser_tells() {
        for (query, from, until, sign) in [
            ("from=2026-11-22&to=2026-11-22", "2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z", ""),
            // The night on which the clocks are set back in Madrid.
            ("from=2026-10-25&to=2026-10-25&fromAhead=120&toAhead=60", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", "+02:00"),
            (
                "from=2026-11-22&to=2026-11-22&fromAhead=-210&toAhead=-210",
                "2026-11-22T03:30:00Z",
                "2026-11-23T03:30:00Z",
                "−03:30",
            ),
            ("from=2026-11-22&to=2026-11-22&fromAhead=x&toAhead=", "2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z", ""),
            ("from=yesterday&to=", "yesterday", "", ""),
        ] {
            let query = Form::urlencoded(query);
            assert_eq!((midnight(&query, "from", 0).as_str(), midnight(&query, "to", 1).as_str()), (from, until));
            assert_eq!(sign_of(&query, "from"), sign);
        }
    }
}
