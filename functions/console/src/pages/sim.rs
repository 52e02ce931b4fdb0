//! A card.

use super::lines;
use super::order::fact;
use super::sim_code;
use super::sims::{data_left, days_left, labels};
use crate::Desk;
use crate::api::Refusal;
use crate::forms::{Attempt, Fields, before};
use crate::frame::{Section, line_link, order_link, sim_link, subscriber_link};
use crate::http::encoded;
use crate::model::Sim;
use crate::words::{Time, none, state, text, time, words};
use lambda_http::{Body, Response};
use maud::{Markup, html};
use serde_json::{Map, Value, json};

/// The most characters of a label.
const MOST_LABEL: usize = 32;

/// The page.
pub async fn show(desk: &Desk<'_>, iccid: &str, attempt: Option<Attempt<'_>>) -> Result<Response<Body>, Refusal> {
    let sim: Sim = desk.api.call("GET /v1/sims/{iccid}").path("iccid", iccid).send().await?;
    whole(desk, &sim, attempt, None).await
}

/// The page, with the card's code where that was asked for.
pub async fn whole(
    desk: &Desk<'_>,
    sim: &Sim,
    attempt: Option<Attempt<'_>>,
    code: Option<&Markup>,
) -> Result<Response<Body>, Refusal> {
    // One that was swapped carries its line no more: what is done with the line is about another card.
    let service = match &sim.subscription_id {
        _ if sim.status == "archived" => Vec::new(),
        Some(id) => lines::actions(desk, id).await.unwrap_or_default(),
        None => Vec::new(),
    };
    let path = format!("/console/sims/{}", encoded(&sim.iccid));
    let edited = edited(desk, sim, &path, attempt);
    let content = html! {
        div.head {
            p.crumb { a href="/console/sims" { "SIMs" } }
            h1 { span.num { (sim.iccid) } }
            (state(&sim.status))
        }
        div.columns {
            div {
                (facts(desk, sim, code.is_none()))
                @if let Some(code) = code { section.card #code aria-label="Code" { (code) } }
            }
            section aria-labelledby="acts" {
                h2 #acts { "Actions" }
                div.acts {
                    details.act open { summary { "Note, labels and rules" } (edited) }
                    @for (name, title) in [("suspend", "Suspend"), ("resume", "Resume")] {
                        @if let Some(action) = service.iter().find(|action| action.action == name) && let Some(id) = &sim.subscription_id {
                            @if action.allowed {
                                details.act {
                                    summary { (title) }
                                    (Fields::new(name, None).form(desk, &format!("/console/lines/{id}/{name}"), &html! {
                                        input type="hidden" name="sim" value=(sim.iccid);
                                    }, title))
                                }
                            } @else {
                                div.act.off { span aria-disabled="true" { (title) } p.hint { (action.reason.as_deref().unwrap_or_default()) } }
                            }
                        }
                    }
                    @for (name, title, hint) in [
                        ("archive", "Set aside or archive", "A card in stock is taken off sale; one on which nothing runs any more is put out of sight."),
                        ("restore", "Restore", "A card that was taken off sale, and whose code nobody saw, goes back on sale. Any other comes back into sight."),
                    ] {
                        @let fields = Fields::new(name, attempt);
                        @let action = sim.actions.iter().find(|action| action.action == name);
                        @if let Some(action) = action.filter(|action| !action.allowed && !fields.was_refused()) {
                            div.act.off { span aria-disabled="true" { (title) } p.hint { (action.reason.as_deref().unwrap_or("Not possible now.")) } }
                        } @else {
                            details.act open[fields.was_refused()] {
                                summary { (title) }
                                (fields.form(desk, &format!("{path}/{name}"), &html! { p.hint { (hint) } }, title))
                            }
                        }
                    }
                }
            }
        }
    };
    Ok(desk.page_of(attempt, Section::Sims, &sim.iccid, content).await)
}

/// What managers note about the card.
fn edited(desk: &Desk<'_>, sim: &Sim, path: &str, attempt: Option<Attempt<'_>>) -> Markup {
    let fields = Fields::merging("edit", attempt);
    let limit = sim.rules.suspend_at_month_mb.map(|mb| mb.to_string()).unwrap_or_default();
    let content = html! {
        input type="hidden" name="basedOn" value=(sim.edition);
        (fields.text("note", "Note").value(sim.note.as_deref().unwrap_or_default()).width("long"))
        (fields.text("labels", "Labels").value(&sim.labels.join(", ")).hint("up to ten, with commas between"))
        @if sim.suspendable {
            (fields.input("number", "rules.suspendAtMonthMb", "Suspend at MB a month").value(&limit))
        } @else {
            div.act.off {
                span aria-disabled="true" { "Suspend at MB a month" }
                p.hint {
                    "The operator of this card takes no requests about it, so that nobody can suspend it."
                    @if sim.rules.suspend_at_month_mb.is_some() {
                        " Saving takes away the rule that it has."
                        // So saving changes something, even if nothing is typed.
                        input type="hidden" name=(before("rules.suspendAtMonthMb")) value=(limit);
                    }
                }
            }
        }
    };
    fields.form(desk, &format!("{path}/edit"), &content, "Save")
}

fn rules(sim: &Sim) -> Markup {
    html! { @match sim.rules.suspend_at_month_mb { Some(mb) => { "suspend at " (mb) " MB a month" }, None => (none()) } }
}

fn facts(desk: &Desk<'_>, sim: &Sim, with_code: bool) -> Markup {
    html! {
        section aria-labelledby="facts" {
            h2 #facts { "The card" }
            dl.facts {
                (fact("ICCID", sim_link(&sim.iccid)))
                (fact("Form factor", html! { (words(&sim.form_factor)) }))
                (fact("SIM type", html! { @match &sim.sim_type { Some(kind) => (words(kind)), None => (none()) } }))
                (fact("In session", state(&sim.in_session)))
                (fact("Operator", html! { (sim.operator) }))
                (fact("IMSI profile", html! { (sim.imsi_profile) span.sub { "pool " (sim.pool_id) } }))
                (fact("Plan", text(sim.plan.as_deref())))
                (fact("Company", text(sim.partner_id.as_deref())))
                (fact("End user", html! { @match &sim.end_user { Some(email) => (subscriber_link(email)), None => (none()) } }))
                (fact("Data left", data_left(sim, " MB")))
                (fact("Days left", days_left(sim)))
                (fact("This month", html! { (sim.month_mb) " MB" }))
                (fact("Number", text(sim.mobile_number.as_deref())))
                (fact("Phone (EID)", text(sim.eid.as_deref())))
                (fact("Profile", html! { @match &sim.profile.state {
                    Some(name) => { (words(name)) span.sub { (time(sim.profile.since.as_ref())) } }
                    None => (none()),
                } }))
                (fact("Installed", html! {
                    (time(sim.profile.installed_at.as_ref()))
                    @if let Some(via) = &sim.profile.via { span.sub { "by " (words(via)) } }
                }))
                @if let Some(before) = &sim.activate_before { (fact("Activate before", html! { (Time(before)) })) }
                (fact("Line", html! { @match &sim.subscription_id { Some(id) => (line_link(id)), None => (none()) } }))
                (fact("Order", html! { @match &sim.order_num {
                    Some(num) => { (order_link(num)) @if with_code { (sim_code::ask(desk, sim)) } }
                    None => (none()),
                } }))
                (fact("Note", text(sim.note.as_deref())))
                (fact("Labels", labels(&sim.labels)))
                (fact("Rules", rules(sim)))
            }
        }
    }
}

/// Changes what people write about it, or whether it is in stock.
pub async fn act(desk: &Desk<'_>, iccid: &str, action: &str) -> Result<Response<Body>, Refusal> {
    desk.act(action, ask(desk, iccid, action), async |attempt| show(desk, iccid, Some(attempt)).await).await
}

async fn ask(desk: &Desk<'_>, iccid: &str, action: &str) -> Result<Response<Body>, Refusal> {
    let form = desk.form();
    let mut body = Map::new();
    let (route, said) = match action {
        "edit" => {
            if form.is_as_before() {
                return Ok(desk.unchanged(&format!("/console/sims/{}", encoded(iccid))));
            }
            form.put_number(&mut body, "basedOn");
            let note = form.text("note");
            body.insert("note".to_owned(), if note.is_empty() { Value::Null } else { note.into() });
            let labels: Vec<&str> = form.text("labels").split(',').map(str::trim).filter(|label| !label.is_empty()).collect();
            if let Some(long) = labels.iter().find(|label| label.chars().count() > MOST_LABEL) {
                return Err(Refusal::about(
                    "labels",
                    format!("“{long}” is too long: a label has {MOST_LABEL} characters at most."),
                ));
            }
            // One of before there was this rule may have a comma in it, and stays whole as long as nobody changes the labels.
            if form.is_changed("labels") {
                body.insert("labels".to_owned(), labels.into());
            }
            let limit = form.text("rules.suspendAtMonthMb");
            let limit =
                limit.parse::<u64>().map_or_else(|_| if limit.is_empty() { Value::Null } else { limit.into() }, Value::from);
            body.insert("rules".to_owned(), json!({ "suspendAtMonthMb": limit }));
            ("PATCH /v1/sims/{iccid}", "Saved.")
        }
        "archive" => ("POST /v1/sims/{iccid}/archive", "The card was set aside."),
        "restore" => ("POST /v1/sims/{iccid}/restore", ""),
        _ => return Err(Refusal::not_found()),
    };
    let card: Value = desk.api.call(route).path("iccid", iccid).json(body).send().await?;
    let said = match (action, card["status"].as_str()) {
        ("restore", Some("blank" | "pending")) => "The card was restored: it goes back on sale.",
        ("restore", _) => "The card was restored: it is in sight again.",
        _ => said,
    };
    Ok(desk.done(&format!("/console/sims/{}", encoded(iccid)), said))
}
