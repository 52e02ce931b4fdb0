//! API keys: made, shown once, ended now or after an overlap.

use super::tabs;
use crate::Desk;
use crate::api::Refusal;
use crate::forms::{Attempt, Fields, refused};
use crate::frame::Section;
use crate::http::encoded;
use crate::model::{Key, Page};
use crate::words::{Time, state, text, time};
use lambda_http::{Body, Response};
use maud::{Markup, html};
use serde_json::{Map, Value};

/// How long a key that is followed by another may still be used.
const OVERLAPS: [(&str, &str); 4] = [("0", "now"), ("1", "in a day"), ("7", "in 7 days"), ("30", "in 30 days")];
const DAY: i64 = 24 * 60 * 60;
/// The name of the form that makes one, and of those that end one.
const NEW: &str = "new-key";
const END: &str = "end-key";
/// How many keys one page shows, and what says in its address where it begins.
const LIMIT: &str = "20";
const PLACE: &str = "keys";
/// How many days a key may go on beside the one that follows it.
const LONGEST_OVERLAP: i64 = 30;

/// The managers' keys.
pub async fn list(desk: &Desk<'_>, attempt: Option<Attempt<'_>>) -> Result<Response<Body>, Refusal> {
    let keys = read(desk, "").await?;
    let content = html! {
        div.head { h1 { "Settings" } }
        (tabs("keys"))
        p.hint { "A manager’s key opens this desk and all of the API. The name stands in the history of what was done with it." }
        (section(desk, &keys, "", attempt))
    };
    Ok(desk.page_of(attempt, Section::Settings, "Managers’ keys", content).await)
}

/// The keys of a partner, or of the managers, so many as one page shows.
pub async fn read(desk: &Desk<'_>, partner: &str) -> Result<Page<Key>, Refusal> {
    let call = desk.api.call("GET /v1/keys").query("partnerId", partner).query("limit", LIMIT);
    call.query("cursor", desk.visit.query.text(PLACE)).send().await
}

/// Where the other keys are, if they are not all on this page.
fn others(desk: &Desk<'_>, keys: &Page<Key>, partner: &str) -> Markup {
    let query = &desk.visit.query;
    let at = |place: &str| format!("{}?{}#keys", home(partner), query.with(&[(PLACE, place)]));
    let later = query.given(PLACE).is_some();
    html! {
        @if later || keys.next_cursor.is_some() {
            nav.pager aria-label="Pages of keys" {
                @if later { a.button href=(at("")) { "First keys" } }
                @if let Some(next) = &keys.next_cursor { a.button href=(at(next)) { "More keys" } }
            }
        }
    }
}

/// The keys of a partner, or of the managers, and the form that makes one.
pub fn section(desk: &Desk<'_>, page: &Page<Key>, partner: &str, attempt: Option<Attempt<'_>>) -> Markup {
    let fields = Fields::new(NEW, attempt);
    let keys = &page.items;
    let own = desk.signed_in.session.key_id();
    let not_ended = attempt.filter(|attempt| attempt.form == END).and_then(|attempt| attempt.refusal);
    html! {
        section aria-labelledby="keys" {
            h2 #keys { "Keys" }
            @if let Some(refusal) = not_ended { (refused(&refusal.said())) }
            @if keys.is_empty() { p.hint { "None yet." } } @else {
                div.scroll role="group" aria-labelledby="keys" tabindex="0" {
                    table {
                        thead { tr { th scope="col" { "Key" } th scope="col" { "Name" } th scope="col" { "State" } th scope="col" { "Made" } th scope="col" { "Ends" } th scope="col" { "End it" } } }
                        tbody {
                            @for key in keys {
                                tr {
                                    th scope="row" { span.num { (key.key_id) } @if key.key_id == own { span.sub { "this session’s" } } }
                                    td { (text(key.name.as_deref())) }
                                    td { (state(&key.status)) }
                                    td { (Time(&key.created_at)) @if let Some(by) = &key.created_by { span.sub { "by " (by) } } }
                                    td { (time(key.ends_at.as_ref())) }
                                    td { @if key.status != "ended" { (ending(desk, key, partner)) } }
                                }
                            }
                        }
                    }
                }
            }
            (others(desk, page, partner))
            details.panel open[keys.is_empty() || fields.was_refused()] {
                summary { "New key" }
                (fields.form(desk, "/console/settings/keys", &html! {
                    input type="hidden" name="partnerId" value=(partner);
                    div.fields { (fields.text("name", if partner.is_empty() { "Who has it" } else { "What it is for" }).value("")) }
                    p.hint { "It is shown once. To rotate a key make its successor first, then end it when its user has moved." }
                }, "Make key"))
            }
        }
    }
}

fn ending(desk: &Desk<'_>, key: &Key, partner: &str) -> Markup {
    html! {
        form.row method="post" action=(path_of(&key.key_id)) {
            input type="hidden" name="token" value=(desk.signed_in.token);
            input type="hidden" name="partnerId" value=(partner);
            input type="hidden" name="name" value=[key.name.as_ref()];
            select name="days" aria-label={ "When " (key.key_id) " ends" } {
                @for (days, label) in OVERLAPS { option value=(days) { (label) } }
            }
            button.plain type="submit" { "End" span.hidden { " key " (key.key_id) } }
        }
    }
}

/// Makes a key, and shows it this once: it is in no address, no cookie and no log.
pub async fn make(desk: &Desk<'_>) -> Result<Response<Body>, Refusal> {
    desk.act(NEW, ask_new(desk), async |attempt| back(desk, attempt).await).await
}

async fn ask_new(desk: &Desk<'_>) -> Result<Response<Body>, Refusal> {
    let form = desk.form();
    let partner = form.text("partnerId");
    let mut body = Map::new();
    body.insert("role".to_owned(), if partner.is_empty() { "manager" } else { "partner" }.into());
    for name in ["partnerId", "name"] {
        form.put(&mut body, name);
    }
    let made: Key = desk.api.call("POST /v1/keys").key(form).json(body).send().await?;
    let known = html! { span.num { (made.key_id) } };
    let content = html! {
        @match &made.key {
            Some(key) => {
                div.head { h1 { "The new key" } }
                p { "Copy it now and hand it over on a safe way. It is not kept, and cannot be shown again." }
                p { code.secret #secret { (key) } }
                p.hint { "It is known as " (known) " from now on." }
                p { a.button href=(home(partner)) { "I have it" } }
            }
            None => {
                div.head { h1 { "The key was made already" } }
                p { "This form was sent twice. It made one key, " (known) ", which was shown when it was first sent and cannot be shown again." }
                p { "If nobody has copied it, end it and make another." }
                p { a.button href=(home(partner)) { "To the keys" } }
            }
        }
    };
    Ok(desk.page(Section::Settings, "The new key", content).await)
}

/// Ends a key, now or after an overlap.
pub async fn end(desk: &Desk<'_>, key_id: &str) -> Result<Response<Body>, Refusal> {
    desk.act(END, ask_end(desk, key_id), async |attempt| back(desk, attempt).await).await
}

async fn ask_end(desk: &Desk<'_>, key_id: &str) -> Result<Response<Body>, Refusal> {
    let form = desk.form();
    let partner = form.text("partnerId");
    let Some(days) = form.text("days").parse::<i64>().ok().filter(|days| (0..=LONGEST_OVERLAP).contains(days)) else {
        return Err(Refusal::about("days", format!("The overlap is 0 to {LONGEST_OVERLAP} days. The key is as it was.")));
    };
    if days == 0 && form.text("step") != END {
        return Ok(confirm(desk, key_id).await);
    }
    let mut body = Map::new();
    if days > 0 {
        body.insert("endsAt".to_owned(), desk.now.plus_seconds(days * DAY).to_string().into());
    }
    let _: Value = desk.api.call("POST /v1/keys/{keyId}/revocation").path("keyId", key_id).json(body).send().await?;
    let said = if days > 0 {
        "The key ends after the overlap."
    } else {
        "The key has ended. Functions that know it go by it for up to a minute more."
    };
    Ok(desk.done(&home(partner), said))
}

/// Asks once more before a key ends at once, which nothing takes back.
async fn confirm(desk: &Desk<'_>, key_id: &str) -> Response<Body> {
    let form = desk.form();
    let partner = form.text("partnerId");
    let content = html! {
        div.head { h1 { "End a key" } }
        (Fields::new(END, None).form_with(desk, &path_of(key_id), &html! {
            @for (name, value) in [("partnerId", partner), ("days", "0"), ("step", END)] { input type="hidden" name=(name) value=(value); }
            div.beside role="note" tabindex="-1" {
                p {
                    strong { "Nothing was done yet. " } "Key " span.num { (key_id) }
                    @if let Some(name) = form.given("name") { ", “" (name) "”," }
                    " ends at once, and never works again. Whoever still uses it is refused."
                }
                @if key_id == desk.signed_in.session.key_id() {
                    p { strong { "You are signed in with it." } " This session ends with it." }
                }
                p { "To let its user move, end it after an overlap." }
            }
        }, &html! {
            button type="submit" { "End it now" }
            a.button.plain href=(home(partner)) { "Do nothing" }
        }))
    };
    desk.page(Section::Settings, "End a key", content).await
}

fn path_of(key_id: &str) -> String {
    format!("/console/settings/keys/{}/end", encoded(key_id))
}

async fn back(desk: &Desk<'_>, attempt: Attempt<'_>) -> Result<Response<Body>, Refusal> {
    match desk.form().text("partnerId") {
        "" => list(desk, Some(attempt)).await,
        partner => super::partners::show(desk, partner, Some(attempt)).await,
    }
}

/// Where the keys of a partner are, or of the managers.
pub fn home(partner: &str) -> String {
    if partner.is_empty() {
        "/console/settings/keys".to_owned()
    } else {
        format!("/console/settings/partners/{}", encoded(partner))
    }
}
