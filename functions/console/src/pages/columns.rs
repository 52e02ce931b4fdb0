//! Which columns of a table somebody wants to see.

use crate::Desk;
use crate::api::Refusal;
use crate::frame::keep as keep_cookie;
use crate::http::{Visit, redirect};
use lambda_http::{Body, Response};
use maud::{Markup, html};

/// How long a choice is kept, in seconds.
const YEAR: i64 = 365 * 24 * 60 * 60;

/// A column: its name in cookies, its heading, whether it is shown to who has chosen nothing.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub id: &'static str,
    pub heading: &'static str,
    pub at_first: bool,
}

/// A column that is shown at first.
pub const fn shown(id: &'static str, heading: &'static str) -> Column {
    Column { id, heading, at_first: true }
}

/// A column that has to be asked for.
pub const fn hidden(id: &'static str, heading: &'static str) -> Column {
    Column { id, heading, at_first: false }
}

/// The columns that a visitor sees of a table.
pub fn chosen<'a>(visit: &Visit, table: &str, all: &'a [Column]) -> Vec<&'a Column> {
    let kept = visit.cookie(&format!("columns-{table}"));
    let wanted = |column: &&Column| match kept {
        Some(kept) => kept.split('.').any(|id| id == column.id),
        None => column.at_first,
    };
    all.iter().filter(wanted).collect()
}

/// The form that chooses.
pub fn chooser(desk: &Desk<'_>, table: &str, all: &[Column]) -> Markup {
    let chosen = chosen(desk.visit, table, all);
    html! {
        details.chooser {
            summary { "Columns" }
            form method="post" action={ "/console/columns/" (table) } {
                input type="hidden" name="token" value=(desk.signed_in.token);
                input type="hidden" name="back" value=(desk.visit.query.with(&[]));
                @for column in all {
                    label.tick {
                        input type="checkbox" name="column" value=(column.id) checked[chosen.iter().any(|known| known.id == column.id)];
                        span { (column.heading) }
                    }
                }
                div.buttons { button type="submit" { "Show these" } }
            }
        }
    }
}

/// Keeps a choice in a cookie, and goes back to the table.
pub fn keep(desk: &Desk<'_>, table: &str) -> Result<Response<Body>, Refusal> {
    if !["orders", "sims"].contains(&table) {
        return Err(Refusal::not_found());
    }
    let known = |id: &&str| id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let ids: Vec<&str> = desk.form().all("column").filter(known).collect();
    let query = crate::http::Form::urlencoded(desk.form().text("back")).with(&[]);
    let mut response = redirect(&format!("/console/{table}?{query}"));
    keep_cookie(&mut response, desk.visit.set_cookie(&format!("columns-{table}"), &ids.join("."), YEAR));
    Ok(response)
}
