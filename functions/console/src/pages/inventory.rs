//! How much is in stock, and what came in.

use super::order::fact;
use crate::Desk;
use crate::api::Refusal;
use crate::forms::{Attempt, Fields, before};
use crate::frame::{Section, pager};
use crate::http::encoded;
use crate::model::{DayLevel, Import, Level, Page};
use crate::words::{none, state, text, time, words};
use futures_util::future::try_join;
use lambda_http::{Body, Response};
use maud::{Markup, html};
use serde_json::{Map, Value};
use std::fmt::Write;

/// The page.
pub async fn list(desk: &Desk<'_>) -> Result<Response<Body>, Refusal> {
    let levels = desk.api.call("GET /v1/inventory").send::<Page<Level>>();
    let batches =
        desk.api.call("GET /v1/inventory/imports").query("limit", "10").query("cursor", desk.visit.query.text("cursor"));
    let (levels, batches) = try_join(levels, batches.send::<Page<Import>>()).await?;
    let content = html! {
        div.head { h1 { "Inventory" } a.button href="/console/inventory/import" { "Import cards" } }
        (under_way(&batches.items))
        (unwatched(&levels.items))
        section aria-labelledby="pools" {
            h2 #pools { "Pools" }
            @if levels.items.is_empty() { div.blank { p { "No cards came in yet." } } } @else {
                div.scroll role="group" aria-labelledby="pools" tabindex="0" {
                    table {
                        thead { tr { th scope="col" { "Pool" } th scope="col" { "Operator" } th scope="col" { "IMSI profile" } th scope="col" { "Form factor" }
                            th.n scope="col" { "Came in" } th.n scope="col" { "Went out" } th.n scope="col" { "Set aside" } th.n scope="col" { "Available" }
                            th.n scope="col" { "Alarm level" } } }
                        tbody {
                            @for level in &levels.items {
                                tr {
                                    th scope="row" { a href=(path(&level.pool_id)) { (level.pool_id) } @if level.low { " " (state("low")) } }
                                    td { (level.operator) }
                                    td { (level.imsi_profile) }
                                    td { (words(&level.form_factor)) }
                                    td.n { (level.added) }
                                    td.n { (level.drawn) }
                                    td.n { (level.set_aside()) }
                                    td.n { (level.available) }
                                    td.n { @if level.alarm_level == 0 { (none()) } @else { (level.alarm_level) } }
                                }
                            }
                        }
                    }
                }
                (sums())
            }
        }
        section aria-labelledby="batches" {
            h2 #batches { "Batches" }
            (table(&batches.items))
            (pager(desk.visit, "/console/inventory", batches.next_cursor.as_ref()))
        }
    };
    Ok(desk.page(Section::Inventory, "Inventory", content).await)
}

/// Where to see how far an import is that goes on by itself.
fn under_way(batches: &[Import]) -> Markup {
    html! {
        @if batches.iter().any(|batch| batch.status == "running") {
            p.hint { "Cards are still coming in; how far they are stands under " a href="#batches" { "Batches" } "." }
        }
    }
}

/// What is to be done for pools whose end nobody would be told of.
fn unwatched(levels: &[Level]) -> Markup {
    let mut without = levels.iter().filter(|level| level.alarm_level == 0).peekable();
    html! {
        @if without.peek().is_some() {
            ul.alerts aria-label="To do" {
                li {
                    "No alarm level is set, so nobody is told when these run out:"
                    @for level in without { " " a href={ (path(&level.pool_id)) "#alarm" } { (level.pool_id) } }
                }
            }
        }
    }
}

/// How the numbers of a pool add up.
fn sums() -> Markup {
    html! {
        p.hint {
            "Came in − went out − set aside = available. A card that comes back counts as coming in once more. One that was set aside, or is too near its last day, is counted there until its place in the queue has passed; from then on under “went out”."
        }
    }
}

fn path(pool: &str) -> String {
    format!("/console/inventory/{}", encoded(pool))
}

fn table(batches: &[Import]) -> Markup {
    html! {
        @if batches.is_empty() { p.hint { "None." } } @else {
            div.scroll role="group" aria-labelledby="batches" tabindex="0" {
                table {
                    thead { tr { th scope="col" { "Batch" } th scope="col" { "Status" } th.n scope="col" { "Lines" } th.n scope="col" { "Accepted" }
                        th.n scope="col" { "Rejected" } th.n scope="col" { "In stock" } th scope="col" { "By" } th scope="col" { "When" } } }
                    tbody {
                        @for batch in batches {
                            tr {
                                th.num scope="row" { (text(batch.import_id.as_deref())) }
                                td { (state(&batch.status)) }
                                td.n { (batch.lines) }
                                td.n { (batch.accepted) }
                                td.n { (batch.rejected) }
                                td.n { (batch.added) }
                                td { (text(batch.by.as_deref())) }
                                td { (time(batch.created_at.as_ref())) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A pool.
pub async fn pool(desk: &Desk<'_>, id: &str, attempt: Option<Attempt<'_>>) -> Result<Response<Body>, Refusal> {
    let level: Level = desk.api.call("GET /v1/inventory/{poolId}").path("poolId", id).send().await?;
    let fields = Fields::merging("alarm", attempt);
    let content = html! {
        div.head {
            p.crumb { a href="/console/inventory" { "Inventory" } }
            h1 { (level.pool_id) }
            @if level.low { (state("low")) }
        }
        (unwatched(std::slice::from_ref(&level)))
        div.columns {
            div {
                section aria-labelledby="facts" {
                    h2 #facts { "The pool" }
                    dl.facts {
                        (fact("Came in", html! { (level.added) }))
                        (fact("Went out", html! { (level.drawn) }))
                        (fact("Set aside", html! { (level.set_aside()) }))
                        (fact("Available", html! { (level.available) }))
                        (fact("Operator", html! { (level.operator) }))
                        (fact("IMSI profile", html! { (level.imsi_profile) }))
                        (fact("Form factor", html! { (words(&level.form_factor)) }))
                    }
                    (sums())
                }
                section aria-labelledby="history" {
                    h2 #history { "Available by day" }
                    @if level.history.len() > 1 { (chart(&level.history, level.alarm_level)) }
                    @if level.history.is_empty() { p.hint { "The first day is not over." } } @else { (days(&level.history)) }
                }
            }
            section aria-labelledby="acts" {
                h2 #acts { "Actions" }
                div.acts {
                    details.act open {
                        summary { @if level.alarm_level == 0 { "Set an alarm level" } @else { "Alarm level" } }
                        (fields.form(desk, &format!("{}/alarm", path(id)), &html! {
                            (fields.input("number", "alarmLevel", "Alarm level").value(&level.alarm_level.to_string()).required()) p.hint { "Below it somebody is told. At 0 nobody is." }
                        }, "Save"))
                    }
                    div.act { a href={ "/console/sims?poolId=" (encoded(id)) } { "Cards of this pool" } p.hint { "A card’s page sets it aside, and restores it." } }
                    div.act { a href={ "/console/inventory/import?operator=" (encoded(&level.operator)) "&imsiProfile=" (encoded(&level.imsi_profile)) "&formFactor=" (encoded(&level.form_factor)) } { "Import cards" } }
                }
            }
        }
    };
    Ok(desk.page_of(attempt, Section::Inventory, &level.pool_id, content).await)
}

/// The days as a line, the newest at the right, with the alarm level across.
fn chart(history: &[DayLevel], alarm: u64) -> Markup {
    let most = history.iter().map(|day| day.available).chain([alarm, 1]).max().unwrap_or(1);
    let (width, height) = (600_u64, 120_u64);
    let gaps = u64::try_from(history.len().saturating_sub(1).max(1)).unwrap_or(1);
    let y = |value: u64| 10 + height - value * height / most;
    let mut points = String::new();
    for (index, day) in (0_u64..).zip(history.iter().rev()) {
        let _ = write!(points, "{},{} ", 40 + index * width / gaps, y(day.available));
    }
    let (first, last) = (history.last().map_or("", |day| &day.day), history.first().map_or("", |day| &day.day));
    html! {
        svg.chart viewBox="0 0 660 155" role="img" aria-label={ "From " (first) " to " (last) "; the table below has the numbers" } {
            polyline points=(points) {}
            @if alarm > 0 { line.alarm x1="40" x2="640" y1=(y(alarm)) y2=(y(alarm)) {} }
            text x="0" y="16" { (most) }
            text x="0" y=(height + 12) { "0" }
            text x="40" y="150" { (first) }
            text x="640" y="150" text-anchor="end" { (last) }
        }
    }
}

fn days(history: &[DayLevel]) -> Markup {
    html! {
        div.scroll role="group" aria-labelledby="history" tabindex="0" {
            table {
                thead { tr { th scope="col" { "Day" } th.n scope="col" { "Came in" } th.n scope="col" { "Went out" } th.n scope="col" { "Set aside" } th.n scope="col" { "Available then" } } }
                tbody {
                    @for (index, day) in history.iter().enumerate() {
                        tr {
                            th scope="row" { (day.day) }
                            td.n { (day.added) }
                            td.n { (day.drawn) }
                            td.n { @match day.set_aside(history.get(index + 1)) { Some(more) => (more), None => (none()) } }
                            td.n { (day.available) }
                        }
                    }
                }
            }
        }
        p.hint {
            "Of each day, in UTC, on which something changed: available the day before + came in − went out − set aside = available then. Below zero, places of cards that were set aside before have passed. It is noted once a minute, so that today’s line may be a minute behind."
        }
    }
}

/// Sets a pool's alarm level.
pub async fn set_alarm(desk: &Desk<'_>, id: &str) -> Result<Response<Body>, Refusal> {
    desk.act("alarm", ask_alarm(desk, id), async |attempt| pool(desk, id, Some(attempt)).await).await
}

async fn ask_alarm(desk: &Desk<'_>, id: &str) -> Result<Response<Body>, Refusal> {
    let mut body = Map::new();
    let form = desk.form();
    if form.is_as_before() {
        return Ok(desk.unchanged(&path(id)));
    }
    form.put_number(&mut body, "alarmLevel");
    form.put_number(&mut body, &before("alarmLevel"));
    let _: Value = desk.api.call("PATCH /v1/inventory/{poolId}").path("poolId", id).json(body).send().await?;
    Ok(desk.done(&path(id), "Saved."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_import_under_way_leads_to_its_batch() {
        for (statuses, leads) in [(&["done", "running"][..], true), (&["done"], false), (&[], false)] {
            let batch = |status| serde_json::from_value(json!({"status": status, "lines": 2, "accepted": 2, "rejected": 0}));
            let batches: Vec<Import> = statuses.iter().map(batch).collect::<Result<_, _>>().unwrap();
            assert_eq!(under_way(&batches).0.contains("href=\"#batches\""), leads, "{statuses:?}");
        }
    }
}
