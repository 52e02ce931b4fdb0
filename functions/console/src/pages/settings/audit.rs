//! Who changed what.

use super::tabs;
use crate::Desk;
use crate::api::Refusal;
use crate::forms::{Attempt, Fields};
use crate::frame::{Section, pager};
use crate::model::{Audit, Page};
use crate::pages::days;
use crate::words::{Time, none, with_times, words};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Response};
use maud::{Markup, html};

/// What stands before the complimentary orders that a partner may give.
const QUOTA: &str = "giftQuota ";

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
    let content = html! {
        div.head { h1 { "Settings" } }
        (tabs("audit"))
        form.filters method="get" action="/console/settings/audit" {
            div.fields { (days::fields(&fields, query)) }
            div.buttons {
                button type="submit" { "Filter" }
                @if days::are_asked_for(query) { a.button.plain href="/console/settings/audit" { "Clear" } }
            }
        }
        @match &found {
            Ok(page) => { (table(page)) (pager(desk.visit, "/console/settings/audit", page.next_cursor.as_ref())) }
            Err(_) => (fields.not_shown()),
        }
    };
    let status = if refusal.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    Ok(desk.page_with(status, Section::Settings, "Audit log", content).await)
}

async fn read(desk: &Desk<'_>) -> Result<Page<Audit>, Refusal> {
    let query = &desk.visit.query;
    let mut call = desk.api.call("GET /v1/audit").query("limit", "50").query("cursor", query.text("cursor"));
    for (name, time) in days::asked_for(query)? {
        call = call.query(name, &time);
    }
    call.send().await
}

/// What was done. Money that was credited and is taken back goes by the same name at the API, with a minus before it; so does a plan that
/// was put on sale and is withdrawn, with that word at the end.
fn what(entry: &Audit) -> String {
    match (&*entry.action, &entry.details) {
        ("balance_credited", Some(details)) if details.starts_with('-') => "Balance taken back".to_owned(),
        ("plan_put", Some(details)) if details.ends_with("withdrawn") => "Plan withdrawn".to_owned(),
        (action, _) => words(action),
    }
}

/// What more the log says, in which the fields of a partner go by the API's names: its name stands first, and may hold anything.
fn in_words(action: &str, details: &str) -> String {
    if action != "partner_changed" {
        return details.to_owned();
    }
    let number = |rest: &str| rest.starts_with(|first: char| first.is_ascii_digit());
    let details = match details.rsplit_once(QUOTA) {
        Some((before, quota)) if number(quota) => format!("{before}complimentary orders {quota}"),
        _ => details.to_owned(),
    };
    details.strip_prefix("display ").map_or_else(|| details.clone(), |name| format!("name {name}"))
}

fn table(page: &Page<Audit>) -> Markup {
    html! {
        @if page.items.is_empty() {
            div.blank { p { @if page.next_cursor.is_some() { "Nothing on these days; there are more to look through." } @else { "Nothing was changed." } } }
        } @else {
            div.scroll role="region" aria-label="Audit log" tabindex="0" {
                table {
                    thead { tr { th scope="col" { "When" } th scope="col" { "Who" } th scope="col" { "What" } th scope="col" { "Of" } th scope="col" { "Details" } } }
                    tbody {
                        @for entry in &page.items {
                            tr {
                                td { (Time(&entry.at)) }
                                td { (entry.by) }
                                td { (what(entry)) }
                                td { (entry.target) }
                                td { @match &entry.details { Some(details) => (with_times(&in_words(&entry.action, details))), None => (none()) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_a_partner_go_by_their_labels() {
        for (action, details, shown) in [
            ("partner_changed", "giftQuota 10 to 11", "complimentary orders 10 to 11"),
            ("partner_changed", "display Both, alarm level 5.00 EUR", "name Both, alarm level 5.00 EUR"),
            (
                "partner_changed",
                "display giftQuota x, giftQuota 0 to 7, alarm level 5.00 EUR",
                "name giftQuota x, complimentary orders 0 to 7, alarm level 5.00 EUR",
            ),
            ("partner_changed", "display giftQuota x", "name giftQuota x"),
            ("balance_credited", "5.00 EUR: display stand", "5.00 EUR: display stand"),
        ] {
            assert_eq!(in_words(action, details), shown);
        }
    }
}
