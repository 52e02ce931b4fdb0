//! Whose orders and cards: a partner by its id, which the page helps to find.

use crate::Desk;
use crate::api::Refusal;
use crate::forms::Fields;
use crate::http::page;
use crate::model::{Page, Partner};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Response};
use maud::{Markup, html};

/// Partners that are offered while somebody types, and that one page of the API has.
const MOST: &str = "100";
/// Pages on which a partner's name is looked for.
const PAGES: usize = 20;
/// The field's name in forms and queries.
pub const NAME: &str = "partnerId";
/// What it takes: only the first are offered.
const HINT: &str = "id or name; the first 100 are offered";
/// The list of partners on a page.
const LIST: &str = "partners";

/// A field for a partner's id. Who there is is read once somebody goes to it, so that no page waits for it; without a script it is
/// typed.
pub fn field(fields: &Fields<'_>, label: &str, value: &str, required: bool) -> Markup {
    let field = fields.text(NAME, label).value(value).list(LIST);
    let wanted = format!("focusin from:#{} once", field.id());
    html! {
        (if required { field.required().hint(HINT) } else { field.hint("id or name") })
        datalist #(LIST) hx-get="/console/partners" hx-trigger=(wanted) {}
    }
}

/// The id of the partner that somebody means who typed its id or its name. What could be an id is one.
pub async fn meant(desk: &Desk<'_>, typed: &str) -> Result<String, Refusal> {
    if typed.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_')) {
        return Ok(typed.to_owned());
    }
    Ok(named(desk, typed).await?.ok_or_else(|| nobody(typed))?.partner_id)
}

fn nobody(typed: &str) -> Refusal {
    Refusal::about(NAME, format!("There is no partner with the id or the name {typed:?}."))
}

/// The partner with a name, whichever letters of it are capital.
async fn named(desk: &Desk<'_>, name: &str) -> Result<Option<Partner>, Refusal> {
    let name = name.to_lowercase();
    let mut cursor = String::new();
    for _ in 0..PAGES {
        let call = desk.api.call("GET /v1/partners").query("limit", MOST).query("balances", "false");
        let page: Page<Partner> = call.query("cursor", &cursor).send().await?;
        if let Some(partner) = page.items.into_iter().find(|partner| partner.display.trim().to_lowercase() == name) {
            return Ok(Some(partner));
        }
        match page.next_cursor {
            Some(next) => cursor = next,
            None => break,
        }
    }
    Ok(None)
}

/// The partners to choose from.
pub async fn names(desk: &Desk<'_>) -> Result<Response<Body>, Refusal> {
    let call = desk.api.call("GET /v1/partners").query("limit", MOST).query("balances", "false");
    let partners = call.send::<Page<Partner>>().await?.items;
    Ok(page(StatusCode::OK, html! { @for partner in &partners { option value=(partner.partner_id) { (partner.display) } } }))
}

/// Refuses a list that is empty because there is no such partner.
pub async fn check<T>(desk: &Desk<'_>, found: Page<T>) -> Result<Page<T>, Refusal> {
    let id = &meant(desk, desk.visit.query.text(NAME)).await?;
    if id.is_empty() || !found.items.is_empty() || found.next_cursor.is_some() {
        return Ok(found);
    }
    match desk.api.call("GET /v1/partners/{partnerId}").path(NAME, id).send::<Partner>().await {
        Err(refusal) if refusal.status == StatusCode::NOT_FOUND => Err(match named(desk, id).await? {
            None => nobody(id),
            Some(Partner { partner_id, display, .. }) => {
                Refusal::about(NAME, format!("There is no partner {id:?}. The id of {display} is {partner_id}."))
            }
        }),
        Err(refusal) => Err(refusal),
        Ok(_) => Ok(found),
    }
}
