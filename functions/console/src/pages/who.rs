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
/// typed. It says what is wrong with who was asked for, if that was not sent yet.
pub fn field(fields: &Fields<'_>, label: &str, value: &str, required: bool, wrong: Option<&Refusal>) -> Markup {
    let wrong = wrong.and_then(|refusal| refusal.said_of(NAME, label));
    let field = fields.text(NAME, label).value(value).list(LIST).wrong(wrong, required);
    let wanted = format!("focusin from:#{} once", field.id());
    html! {
        (if required { field.required().hint(HINT) } else { field.hint("id or name") })
        datalist #(LIST) hx-get="/console/partners" hx-trigger=(wanted) {}
    }
}

/// The id of the partner that somebody means who typed its id or its name. What could be an id is one; a name that several have is
/// refused, since nobody could tell whom it means.
pub async fn meant(desk: &Desk<'_>, typed: &str) -> Result<String, Refusal> {
    if is_id(typed) {
        return Ok(typed.to_owned());
    }
    match &*named(desk, typed).await? {
        [] => Err(nobody(typed)),
        [partner] => Ok(partner.partner_id.clone()),
        several => Err(Refusal::about(NAME, format!("{} Give the id.", called(several)))),
    }
}

/// Whether a text could be an id.
pub fn is_id(typed: &str) -> bool {
    typed.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_'))
}

fn nobody(typed: &str) -> Refusal {
    Refusal::about(NAME, format!("There is no partner with the id or the name “{typed}”."))
}

/// That several partners have one name, with the id of each.
fn called(partners: &[Partner]) -> String {
    let number = if partners.len() == 2 { "Two".to_owned() } else { partners.len().to_string() };
    let name = partners.first().map_or("", |partner| &partner.display);
    let ids: Vec<&str> = partners.iter().map(|partner| &*partner.partner_id).collect();
    format!("{number} partners are called {name}: {}.", ids.join(", "))
}

/// What to say beside a partner that was made or renamed, if others have its name too.
pub async fn namesakes(desk: &Desk<'_>, name: &str) -> Result<Option<String>, Refusal> {
    let several = named(desk, name).await?;
    Ok((several.len() > 1).then(|| format!("{} Where a partner is asked for, only the id tells them apart.", called(&several))))
}

/// The partners with a name, whichever letters of it are capital. All have to be looked through to know that nobody else has it.
async fn named(desk: &Desk<'_>, name: &str) -> Result<Vec<Partner>, Refusal> {
    let name = name.trim().to_lowercase();
    let (mut found, mut cursor) = (Vec::new(), String::new());
    for _ in 0..PAGES {
        let call = desk.api.call("GET /v1/partners").query("limit", MOST).query("balances", "false");
        let page: Page<Partner> = call.query("cursor", &cursor).send().await?;
        found.extend(page.items.into_iter().filter(|partner| partner.display.trim().to_lowercase() == name));
        match page.next_cursor {
            Some(next) => cursor = next,
            None => return Ok(found),
        }
    }
    Err(Refusal::about(NAME, "There are too many partners to look for one by its name. Give the id."))
}

/// Why nobody has an id that was typed.
async fn unknown(desk: &Desk<'_>, id: &str) -> Result<Refusal, Refusal> {
    Ok(match &*named(desk, id).await? {
        [] => nobody(id),
        [Partner { partner_id, display, .. }] => {
            Refusal::about(NAME, format!("There is no partner “{id}”. The id of {display} is {partner_id}."))
        }
        several => Refusal::about(NAME, format!("There is no partner “{id}”. {}", called(several))),
    })
}

/// The id of a partner that there is, as it is meant by what was typed.
pub async fn known(desk: &Desk<'_>, typed: &str) -> Result<String, Refusal> {
    let id = meant(desk, typed).await?;
    match desk.api.call("GET /v1/partners/{partnerId}").path(NAME, &id).send::<Partner>().await {
        Err(refusal) if refusal.status == StatusCode::NOT_FOUND => Err(unknown(desk, &id).await?),
        Err(refusal) => Err(refusal),
        Ok(_) => Ok(id),
    }
}

/// The partners to choose from.
pub async fn names(desk: &Desk<'_>) -> Result<Response<Body>, Refusal> {
    let call = desk.api.call("GET /v1/partners").query("limit", MOST).query("balances", "false");
    let partners = call.send::<Page<Partner>>().await?.items;
    Ok(page(StatusCode::OK, html! { @for partner in &partners { option value=(partner.partner_id) { (partner.display) } } }))
}

/// Refuses a list that is empty because there is no such partner.
pub async fn check<T>(desk: &Desk<'_>, found: Page<T>) -> Result<Page<T>, Refusal> {
    let typed = desk.visit.query.text(NAME);
    if !typed.is_empty() && found.items.is_empty() && found.next_cursor.is_none() {
        known(desk, typed).await?;
    }
    Ok(found)
}
