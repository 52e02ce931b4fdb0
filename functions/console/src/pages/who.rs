//! Whose orders and cards: a partner by its id, which the page helps to find.

use crate::Desk;
use crate::api::Refusal;
use crate::forms::Fields;
use crate::http::page;
use crate::model::{Page, Partner};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Response};
use maud::{Markup, html};

/// Partners that are offered while somebody types.
const MOST: &str = "100";
/// The field's name in forms and queries.
pub const NAME: &str = "partnerId";
/// The list of partners on a page.
const LIST: &str = "partners";

/// A field for a partner's id. Who there is is read once somebody goes to it, so that no page waits for it; without a script it is
/// typed.
pub fn field(fields: &Fields<'_>, label: &str, value: &str, required: bool) -> Markup {
    let field = fields.text(NAME, label).value(value).list(LIST);
    let wanted = format!("focusin from:#{} once", field.id());
    html! {
        (if required { field.required().hint("its id") } else { field })
        datalist #(LIST) hx-get="/console/partners" hx-trigger=(wanted) {}
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
    let id = desk.visit.query.text(NAME);
    if id.is_empty() || !found.items.is_empty() || found.next_cursor.is_some() {
        return Ok(found);
    }
    match desk.api.call("GET /v1/partners/{partnerId}").path(NAME, id).send::<Partner>().await {
        Err(refusal) if refusal.status == StatusCode::NOT_FOUND => {
            Err(Refusal::about(NAME, format!("There is no partner {id:?}.")))
        }
        Err(refusal) => Err(refusal),
        Ok(_) => Ok(found),
    }
}
