//! The SIMs page: every card, whatever became of it.

use super::columns::{Column, chooser, chosen, hidden, in_file, shown};
use super::orders::partners;
use crate::Desk;
use crate::api::{Call, Refusal};
use crate::csv;
use crate::forms::{Attempt, Fields, refused};
use crate::frame::{Section, line_link, order_link, pager, sim_link, subscriber_link};
use crate::http::Form;
use crate::model::{Page, Partner, Sim};
use crate::words::{Time, count, none, state, text, words};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Response};
use maud::{Markup, html};

const COLUMNS: &[Column] = &[
    shown("status", "Status", &["status"]),
    shown("form", "Form factor", &["formFactor"]),
    shown("type", "SIM type", &["simType"]),
    shown("session", "In session", &["inSession"]),
    shown("operator", "Operator", &["operator"]),
    shown("profile", "IMSI profile", &["imsiProfile"]),
    shown("plan", "Plan", &["plan"]),
    shown("company", "Company", &["company"]),
    shown("user", "End user", &["endUser"]),
    shown("left", "Data left MB", &["dataLeftMb"]),
    shown("days", "Days left", &["daysLeft"]),
    shown("month", "This month MB", &["monthMb"]),
    shown("note", "Note", &["note"]),
    hidden("rules", "Rules", &["suspendAtMonthMb"]),
    shown("labels", "Labels", &["labels"]),
    hidden("number", "Number", &["mobileNumber"]),
    hidden("line", "Line", &["subscriptionId"]),
    hidden("order", "Order", &["orderNum"]),
    hidden("before", "Activate before", &["activateBefore"]),
];
const LIMIT: &str = "25";
const FILTERS: [&str; 12] = [
    "status",
    "operator",
    "imsiProfile",
    "formFactor",
    "simType",
    "inSession",
    "partnerId",
    "email",
    "planId",
    "label",
    "iccid",
    "poolId",
];
const STATUSES: [&str; 8] =
    ["not_available", "pending", "blank", "activation_ready", "active", "suspended", "invalid", "archived"];

fn request<'a>(desk: &'a Desk<'_>, cursor: &str, limit: &str) -> Call<'a> {
    let call = desk.api.call("GET /v1/sims").query("limit", limit).query("cursor", cursor);
    FILTERS.iter().fold(call, |call, name| call.query(name, desk.visit.query.text(name)))
}

/// The page.
pub async fn list(desk: &Desk<'_>) -> Result<Response<Body>, Refusal> {
    let query = &desk.visit.query;
    let found = request(desk, query.text("cursor"), LIMIT).send::<Page<Sim>>().await;
    let refusal = match &found {
        Err(refusal) if !refusal.is_about_input() => return Err(refusal.clone()),
        Err(refusal) => Some(refusal),
        Ok(_) => None,
    };
    let columns = chosen(desk.visit, "sims", COLUMNS);
    let content = html! {
        div.head {
            h1 { "SIMs" }
            a.button href="/console/inventory/import" { "Import cards" }
        }
        (filters(query, refusal, &partners(desk).await))
        @match &found {
            Ok(page) => {
                div.tools {
                    p.hint { (count(page.items.len(), "card", "cards")) @if page.next_cursor.is_some() { " on this page, and more" } }
                    (chooser(desk, "sims", COLUMNS))
                    (csv::link(&format!("/console/sims.csv?{}", query.with(&[("cursor", "")]))))
                }
                @if page.items.is_empty() {
                    div.blank {
                        @if page.next_cursor.is_some() {
                            p { "None among the cards that were looked through so far. There are more to look through." }
                        } @else if FILTERS.iter().any(|name| !query.text(name).is_empty()) {
                            p { "No card is like that." }
                        } @else {
                            p { "There are no cards yet." }
                            p { a.button href="/console/inventory/import" { "Import the first" } }
                        }
                    }
                } @else { (table(&columns, &page.items)) }
                (pager(desk.visit, "/console/sims", page.next_cursor.as_ref()))
                (csv::hint("cards"))
            }
            Err(refusal) => (refused(refusal)),
        }
    };
    let status = if refusal.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    Ok(desk.page_with(status, Section::Sims, "SIMs", content).await)
}

fn filters(query: &Form, refusal: Option<&Refusal>, partners: &[Partner]) -> Markup {
    let fields = Fields::new("filter", refusal.map(|refusal| Attempt { form: "filter", values: query, refusal }));
    let options = |names: &[&str]| {
        let named = names.iter().map(|name| ((*name).to_owned(), words(name)));
        std::iter::once((String::new(), "Any".to_owned())).chain(named).collect::<Vec<_>>()
    };
    let partners = partners.iter().map(|partner| (partner.partner_id.clone(), partner.display.clone()));
    let partners: Vec<_> = std::iter::once((String::new(), "Any".to_owned())).chain(partners).collect();
    let more = FILTERS[6..].iter().any(|name| !query.text(name).is_empty());
    let text = |name: &'static str, label: &'static str| fields.text(name, label).value(query.text(name));
    html! {
        form.filters method="get" action="/console/sims" aria-label="Filter" {
            div.fields {
                (fields.choice("status", "Status", options(&STATUSES)).value(query.text("status")))
                (fields.choice("formFactor", "Form factor", options(&["esim", "physical"])).value(query.text("formFactor")))
                (fields.choice("simType", "SIM type", options(&["prepaid", "subscription", "paygo"])).value(query.text("simType")))
                (fields.choice("inSession", "In session", options(&["yes", "no", "n/a"])).value(query.text("inSession")))
                (text("operator", "Operator"))
                (text("imsiProfile", "IMSI profile").width("short"))
            }
            details open[more] {
                summary { "More filters" }
                div.fields {
                    (text("iccid", "ICCID"))
                    (fields.choice("partnerId", "Company", partners).value(query.text("partnerId")))
                    (fields.input("search", "email", "End user").value(query.text("email")))
                    (text("planId", "Plan"))
                    (text("label", "Label"))
                    (text("poolId", "Pool"))
                }
            }
            div.buttons {
                button type="submit" { "Filter" }
                (csv::hint("cards"))
                @if FILTERS.iter().any(|name| !query.text(name).is_empty()) { a.button.plain href="/console/sims" { "Clear" } }
            }
        }
    }
}

fn table(columns: &[&Column], sims: &[Sim]) -> Markup {
    html! {
        div.scroll role="region" aria-label="SIMs" tabindex="0" {
            table {
                thead { tr {
                    th scope="col" { "ICCID" }
                    @for column in columns { th scope="col" class=[is_number(column.id).then_some("n")] { (column.heading) } }
                } }
                tbody {
                    @for sim in sims {
                        tr {
                            th scope="row" { (sim_link(&sim.iccid)) }
                            @for column in columns { td class=(if is_number(column.id) { "n" } else { column.id }) { (cell(column.id, sim)) } }
                        }
                    }
                }
            }
        }
    }
}

fn is_number(column: &str) -> bool {
    matches!(column, "left" | "days" | "month")
}

fn cell(column: &str, sim: &Sim) -> Markup {
    html! {
        @match column {
            "status" => (state(&sim.status)),
            "form" => (words(&sim.form_factor)),
            "type" => { @match &sim.sim_type { Some(kind) => (words(kind)), None => (none()) } }
            "session" => (state(&sim.in_session)),
            "operator" => (sim.operator),
            "profile" => (sim.imsi_profile),
            "plan" => (text(sim.plan.as_deref())),
            "company" => (text(sim.partner_id.as_deref())),
            "user" => { @match &sim.end_user { Some(email) => (subscriber_link(email)), None => (none()) } }
            "left" => { @match sim.data_left_mb { Some(mb) => (mb), None if sim.days_left.is_some() => "unlimited", None => (none()) } }
            "days" => { @match sim.days_left { Some(days) => (days), None => (none()) } }
            "month" => (sim.month_mb),
            "note" => (text(sim.note.as_deref())),
            "rules" => { @match sim.rules.suspend_at_month_mb { Some(mb) => { "suspend at " (mb) " MB a month" }, None => (none()) } }
            "labels" => (labels(&sim.labels)),
            "number" => (text(sim.mobile_number.as_deref())),
            "line" => { @match &sim.subscription_id { Some(id) => (line_link(id)), None => (none()) } }
            "order" => { @match &sim.order_num { Some(num) => (order_link(num)), None => (none()) } }
            "before" => { @match &sim.activate_before { Some(at) => (Time(at)), None => (none()) } }
            _ => {}
        }
    }
}

/// Labels of a card.
pub fn labels(labels: &[String]) -> Markup {
    html! { @for label in labels { span.state.calm { (label) } " " } @if labels.is_empty() { (none()) } }
}

/// The same cards as a file.
pub async fn export(desk: &Desk<'_>) -> Result<Response<Body>, Refusal> {
    // The card itself stands first, whatever was chosen.
    let columns = [vec!["iccid"], in_file(desk.visit, "sims", COLUMNS)].concat();
    csv::export("sims", &columns, |cursor| request(desk, cursor, "100"), in_column).await
}

fn in_column(column: &str, sim: &Sim) -> String {
    let some = |text: &Option<String>| text.clone().unwrap_or_default();
    let number = |number: Option<i64>| number.map(|number| number.to_string()).unwrap_or_default();
    match column {
        "iccid" => sim.iccid.clone(),
        "formFactor" => sim.form_factor.clone(),
        "status" => sim.status.clone(),
        "simType" => some(&sim.sim_type),
        "inSession" => sim.in_session.clone(),
        "operator" => sim.operator.clone(),
        "imsiProfile" => sim.imsi_profile.clone(),
        "plan" => some(&sim.plan),
        "company" => some(&sim.partner_id),
        "endUser" => some(&sim.end_user),
        "dataLeftMb" => number(sim.data_left_mb),
        "daysLeft" => number(sim.days_left),
        "monthMb" => sim.month_mb.to_string(),
        "note" => some(&sim.note),
        "suspendAtMonthMb" => sim.rules.suspend_at_month_mb.map(|mb| mb.to_string()).unwrap_or_default(),
        "labels" => sim.labels.join(", "),
        "mobileNumber" => some(&sim.mobile_number),
        "subscriptionId" => some(&sim.subscription_id),
        "orderNum" => some(&sim.order_num),
        "activateBefore" => some(&sim.activate_before),
        _ => String::new(),
    }
}
