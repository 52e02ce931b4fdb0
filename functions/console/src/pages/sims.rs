//! The SIMs page: every card, whatever became of it.

use super::columns::{Column, chooser, chosen, hidden, in_file, shown};
use super::{sim_code, who};
use crate::Desk;
use crate::api::{Call, Refusal};
use crate::csv;
use crate::forms::{Attempt, Fields};
use crate::frame::{Section, goes_on, line_link, order_link, pager, sim_link, subscriber_link};
use crate::http::Form;
use crate::model::{Level, Page, Plan, Sim};
use crate::words::{Time, count, none, state, text, words};
use futures_util::future::join;
use lambda_http::http::StatusCode;
use lambda_http::{Body, Response};
use maud::{Markup, html};
use std::collections::BTreeSet;

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
    shown("rules", "Rules", &["suspendAtMonthMb"]),
    shown("labels", "Labels", &["labels"]),
    hidden("number", "Number", &["mobileNumber"]),
    hidden("line", "Line", &["subscriptionId"]),
    hidden("order", "Order", &["orderNum"]),
    hidden("before", "Activate before", &["activateBefore"]),
];
const LIMIT: &str = "25";
/// The filters that everybody sees, and those that are unfolded.
const FILTERS: [&str; 6] = ["status", "formFactor", "simType", "inSession", "operator", "imsiProfile"];
const MORE_FILTERS: [&str; 14] = [
    "iccid",
    "partnerId",
    "email",
    "planId",
    "label",
    "note",
    "hasRules",
    "poolId",
    "minDataLeftMb",
    "maxDataLeftMb",
    "minDaysLeft",
    "maxDaysLeft",
    "minMonthMb",
    "maxMonthMb",
];
const STATUSES: [&str; 8] =
    ["not_available", "pending", "blank", "activation_ready", "active", "suspended", "invalid", "archived"];

/// What filters let choose from, each with its name for people; nothing where it cannot be told now.
struct Known {
    plans: Vec<(String, String)>,
    pools: Vec<Level>,
}

impl Known {
    async fn read(desk: &Desk<'_>) -> Self {
        let plans = desk.api.call("GET /v1/plans").send::<Page<Plan>>();
        let pools = desk.api.call("GET /v1/inventory").send::<Page<Level>>();
        let (plans, pools) = join(plans, pools).await;
        Self {
            plans: plans
                .map(|page| page.items.into_iter().map(|plan| (plan.plan_id, plan.display)).collect())
                .unwrap_or_default(),
            pools: pools.map(|page| page.items).unwrap_or_default(),
        }
    }

    /// What the pools have, each once.
    fn of_pools(&self, part: fn(&Level) -> &String) -> Vec<(String, String)> {
        let parts: BTreeSet<&String> = self.pools.iter().map(part).collect();
        parts.into_iter().map(|part| (part.clone(), part.clone())).collect()
    }
}

fn request<'a>(desk: &'a Desk<'_>, partner: &str, cursor: &str, limit: &str) -> Call<'a> {
    let call = desk.api.call("GET /v1/sims").query("limit", limit).query("cursor", cursor);
    let asked_for = |name: &str| if name == who::NAME { partner } else { desk.visit.query.text(name) };
    FILTERS.iter().chain(&MORE_FILTERS).fold(call, |call, name| call.query(name, asked_for(name)))
}

async fn read(desk: &Desk<'_>) -> Result<Page<Sim>, Refusal> {
    let partner = who::meant(desk, desk.visit.query.text(who::NAME)).await?;
    let found = request(desk, &partner, desk.visit.query.text("cursor"), LIMIT).send().await?;
    who::check(desk, found).await
}

fn is_filtered(query: &Form) -> bool {
    FILTERS.iter().chain(&MORE_FILTERS).any(|name| !query.text(name).is_empty())
}

/// The page.
pub async fn list(desk: &Desk<'_>) -> Result<Response<Body>, Refusal> {
    let query = &desk.visit.query;
    let (found, known) = join(read(desk), Known::read(desk)).await;
    let refusal = match &found {
        Err(refusal) if !refusal.is_about_input() => return Err(refusal.clone()),
        Err(refusal) => Some(refusal),
        Ok(_) => None,
    };
    let fields = Fields::new("filter", refusal.map(|refusal| Attempt { form: "filter", values: query, refusal: Some(refusal) }));
    let columns = chosen(desk.visit, "sims", COLUMNS);
    let content = html! {
        div.head {
            h1 { "SIMs" }
            a.button href="/console/inventory/import" { "Import cards" }
        }
        (filters(&fields, query, &known))
        @match &found {
            Ok(page) => {
                div.tools {
                    p.hint { (count(page.items.len(), "card", "cards")) @if page.next_cursor.is_some() { (goes_on(page.items.len(), LIMIT)) } }
                    (chooser(desk, "sims", COLUMNS))
                    (csv::link(&format!("/console/sims.csv?{}", query.with(&[("cursor", "")]))))
                }
                @if page.items.is_empty() {
                    div.blank {
                        @if page.next_cursor.is_some() {
                            p { "None among the cards that were looked through so far. There are more to look through." }
                        } @else if is_filtered(query) {
                            p { @if query.given("cursor").is_some() { "No more cards are like that." } @else { "No card is like that." } }
                        } @else {
                            p { "There are no cards yet." }
                            p { a.button href="/console/inventory/import" { "Import the first" } }
                        }
                    }
                } @else { (table(desk, &columns, &page.items)) }
                (pager(desk.visit, "/console/sims", page.next_cursor.as_ref()))
                (csv::hint("cards"))
            }
            Err(_) => (fields.not_shown()),
        }
    };
    let status = if refusal.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    Ok(desk.page_with(status, Section::Sims, "SIMs", content).await)
}

fn filters(fields: &Fields<'_>, query: &Form, known: &Known) -> Markup {
    let named = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), words(name))).collect::<Vec<_>>();
    let rules = [("true", "With rules"), ("false", "Without rules")].map(|(value, label)| (value.to_owned(), label.to_owned()));
    // Where none is known, it is typed.
    let any_of = |name: &'static str, label: &'static str, known: Vec<(String, String)>| {
        let value = query.text(name);
        if known.is_empty() {
            return fields.text(name, label).value(value);
        }
        let options = std::iter::once((String::new(), "Any".to_owned())).chain(known);
        fields.choice(name, label, options).value(value)
    };
    let text = |name: &'static str, label: &'static str| fields.text(name, label).value(query.text(name));
    let number = |name: &'static str, label: &'static str| fields.input("number", name, label).value(query.text(name));
    let more = MORE_FILTERS.iter().any(|name| !query.text(name).is_empty());
    html! {
        form.filters method="get" action="/console/sims" aria-label="Filter" {
            div.fields {
                (any_of("status", "Status", named(&STATUSES)))
                (any_of("formFactor", "Form factor", named(&["esim", "physical"])))
                (any_of("simType", "SIM type", named(&["prepaid", "subscription", "paygo"])))
                (any_of("inSession", "In session", named(&["yes", "no", "n/a"])))
                (any_of("operator", "Operator", known.of_pools(|pool| &pool.operator)))
                (any_of("imsiProfile", "IMSI profile", known.of_pools(|pool| &pool.imsi_profile)))
            }
            details open[more] {
                summary { "More filters" }
                div.fields {
                    (text("iccid", "ICCID"))
                    (who::field(fields, "Company", query.text("partnerId"), false, None))
                    (fields.input("search", "email", "End user").value(query.text("email")))
                    (any_of("planId", "Plan", known.plans.clone()))
                    (text("label", "Label"))
                    (text("note", "Note contains"))
                    (any_of("hasRules", "Rules", rules.to_vec()))
                    (any_of("poolId", "Pool", known.of_pools(|pool| &pool.pool_id)))
                }
                div.fields {
                    (number("minDataLeftMb", "Data left, MB at least"))
                    (number("maxDataLeftMb", "Data left, MB at most"))
                    (number("minDaysLeft", "Days left, at least"))
                    (number("maxDaysLeft", "Days left, at most"))
                    (number("minMonthMb", "Month’s MB, at least"))
                    (number("maxMonthMb", "Month’s MB, at most"))
                }
            }
            div.buttons {
                button type="submit" { "Filter" }
                @if is_filtered(query) { a.button.plain href="/console/sims" { "Clear" } }
            }
        }
    }
}

fn table(desk: &Desk<'_>, columns: &[&Column], sims: &[Sim]) -> Markup {
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
                            th scope="row" { (sim_link(&sim.iccid)) (sim_code::ask(desk, sim)) }
                            @for column in columns { td class=(if is_number(column.id) { "n" } else { column.id }) data-more[column.unfolds()] { (cell(column.id, sim)) } }
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
            "left" => (data_left(sim, "")),
            "days" => (days_left(sim)),
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

/// The data in MB that the plans which run or wait have left.
pub fn data_left(sim: &Sim, unit: &str) -> Markup {
    html! { @match sim.data_left_mb { Some(mb) => { (mb) (unit) }, None if sim.unlimited_data => "unlimited", None => (none()) } }
}

/// The days that the running plan has left, or as long as none runs, that are left to install the card.
pub fn days_left(sim: &Sim) -> Markup {
    html! {
        @match sim.days_left {
            Some(days) => { (days) @if sim.status == "activation_ready" { span.sub { "to install it" } } }
            None => (none()),
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
    csv::export(desk, "sims", &columns, |partner, cursor| Ok(request(desk, partner, cursor, "100")), in_column).await
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
