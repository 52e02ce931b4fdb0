//! Who changed what.

use super::tabs;
use crate::Desk;
use crate::api::Refusal;
use crate::frame::{Section, pager};
use crate::model::{Audit, Page};
use crate::words::{Time, text, words};
use lambda_http::{Body, Response};
use maud::html;

/// The page.
pub async fn list(desk: &Desk<'_>) -> Result<Response<Body>, Refusal> {
    let query = &desk.visit.query;
    let mut call = desk.api.call("GET /v1/audit").query("limit", "50").query("cursor", query.text("cursor"));
    for (name, end) in [("from", "T00:00:00Z"), ("to", "T23:59:59Z")] {
        if !query.text(name).is_empty() {
            call = call.query(name, &format!("{}{end}", query.text(name)));
        }
    }
    let page: Page<Audit> = call.send().await?;
    let fields = crate::forms::Fields::new("filter", None);
    let content = html! {
        div.head { h1 { "Settings" } }
        (tabs("audit"))
        form.filters method="get" action="/console/settings/audit" {
            div.fields {
                (fields.input("date", "from", "From").value(query.text("from")))
                (fields.input("date", "to", "To").value(query.text("to")))
            }
            div.buttons { button type="submit" { "Filter" } }
        }
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
                                td { (words(&entry.action)) }
                                td { (entry.target) }
                                td { (text(entry.details.as_deref())) }
                            }
                        }
                    }
                }
            }
        }
        (pager(desk.visit, "/console/settings/audit", page.next_cursor.as_ref()))
    };
    Ok(desk.page(Section::Settings, "Audit log", content).await)
}
