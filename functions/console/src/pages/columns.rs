//! Which columns of a table somebody wants to see.

use crate::Desk;
use crate::api::Refusal;
use crate::frame::keep as keep_cookie;
use crate::http::{Visit, redirect};
use lambda_http::{Body, Response};
use maud::{Markup, html};

/// How long a choice is kept, in seconds.
const YEAR: i64 = 365 * 24 * 60 * 60;

/// A column: its name in cookies, its heading, whether it is shown to who has chosen nothing, and the columns that a file has for it.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub id: &'static str,
    pub heading: &'static str,
    pub at_first: bool,
    pub fields: &'static [&'static str],
}

/// A column that is shown at first.
pub const fn shown(id: &'static str, heading: &'static str, fields: &'static [&'static str]) -> Column {
    Column { id, heading, at_first: true, fields }
}

/// A column that has to be asked for.
pub const fn hidden(id: &'static str, heading: &'static str, fields: &'static [&'static str]) -> Column {
    Column { id, heading, at_first: false, fields }
}

/// The columns that a visitor asked for; none if nobody chose, which is not the same as wanting none.
fn asked_for<'a>(visit: &Visit, table: &str, all: &'a [Column]) -> Vec<&'a Column> {
    let kept = visit.cookie(&format!("columns-{table}")).unwrap_or_default();
    all.iter().filter(|column| kept.split('.').any(|id| id == column.id)).collect()
}

/// The columns that a visitor sees of a table.
pub fn chosen<'a>(visit: &Visit, table: &str, all: &'a [Column]) -> Vec<&'a Column> {
    let asked_for = asked_for(visit, table, all);
    if asked_for.is_empty() { all.iter().filter(|column| column.at_first).collect() } else { asked_for }
}

/// The columns of the table's file: those that the visitor asked for, or else all.
pub fn in_file(visit: &Visit, table: &str, all: &[Column]) -> Vec<&'static str> {
    let asked_for = asked_for(visit, table, all);
    let columns = if asked_for.is_empty() { all.iter().collect() } else { asked_for };
    columns.into_iter().flat_map(|column| column.fields).copied().collect()
}

/// What a phone shows of a row at first; all else unfolds.
const BRIEF: [&str; 8] = ["status", "plan", "price", "subscriber", "created", "user", "left", "days"];

impl Column {
    /// Whether a phone unfolds it only on demand.
    pub fn unfolds(&self) -> bool {
        !BRIEF.contains(&self.id)
    }
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
                div.buttons {
                    button type="submit" { "Show these" }
                    span.hint { "None: those shown at first." }
                }
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
    let lasts = if ids.is_empty() { 0 } else { YEAR };
    keep_cookie(&mut response, desk.visit.set_cookie(&format!("columns-{table}"), &ids.join("."), lasts));
    Ok(response)
}
