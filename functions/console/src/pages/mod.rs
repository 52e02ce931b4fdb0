//! The pages, and which request goes to which.

mod columns;
mod days;
mod find;
mod import;
mod inventory;
mod lines;
mod new_order;
mod offer;
mod order;
mod order_acts;
mod order_cards;
mod order_refund;
mod orders;
mod settings;
pub mod sign_in;
mod sim;
mod sim_code;
mod sims;
mod subscribers;
pub mod who;

use self::settings::{audit, keys, partners, plans};
use crate::Desk;
use crate::api::Refusal;
use crate::forms::Attempt;
use crate::http::{self, Form, Visit, redirect};
use lambda_http::http::Method;
use lambda_http::{Body, Response};
use std::pin::Pin;

/// A page under way, on the heap: as one of fifty it would make the state of all as large as their sum, where nothing is optimized.
type Answer<'a> = Pin<Box<dyn Future<Output = Result<Response<Body>, Refusal>> + Send + 'a>>;

/// Answers a request of somebody who is signed in.
pub async fn answer(desk: &Desk<'_>, path: &[&str]) -> Result<Response<Body>, Refusal> {
    match desk.visit.method {
        Method::GET => match get(desk, path) {
            Some(page) => page.await,
            None if post(desk, path).is_some() => Ok(redirect(&of_form(desk.visit))),
            None => Err(Refusal::not_found()),
        },
        Method::POST => post(desk, path).ok_or_else(Refusal::not_found)?.await,
        _ => Err(Refusal::not_found()),
    }
}

/// The address of the page on which the form stands that was sent.
pub fn of_form(visit: &Visit) -> String {
    let path: Vec<&str> = visit.path.iter().map(String::as_str).collect();
    let form = &visit.form;
    let path = path.as_slice();
    let page = match path {
        ["orders"] | ["settings", "plans"] => [path, &["new"]].concat(),
        ["settings", "keys", ..] => return keys::home(form.text("partnerId")),
        ["columns", table] => vec![*table],
        ["inventory", "import"] | ["subscribers", "line"] | ["settings", "partners"] | ["settings", "plans", _] => path.to_vec(),
        [page @ .., _] => page.to_vec(),
        [] => Vec::new(),
    };
    http::path(&page.iter().map(ToString::to_string).collect::<Vec<_>>(), &Form::default())
}

/// Answers a form that was not read, since it is too large: the one that takes files says so itself. Nothing is done.
pub async fn too_large(desk: &Desk<'_>, path: &[&str]) -> Result<Response<Body>, Refusal> {
    let refusal = Refusal::too_large();
    match path {
        ["inventory", "import"] => {
            import::show(desk, Some(Attempt { form: "import", values: desk.form(), refusal: Some(&refusal) })).await
        }
        _ => Ok(desk.failure(&refusal).await),
    }
}

fn get<'a>(desk: &'a Desk<'_>, path: &'a [&'a str]) -> Option<Answer<'a>> {
    Some(match path {
        [] => Box::pin(async { Ok(redirect("/console/orders")) }),
        ["badge"] => Box::pin(async { Ok(desk.badge().await) }),
        ["find"] => Box::pin(find::find(desk)),
        ["partners"] => Box::pin(who::names(desk)),
        ["orders"] => Box::pin(orders::list(desk)),
        ["orders.csv"] => Box::pin(orders::export(desk)),
        ["orders", "new"] => Box::pin(new_order::show(desk, None)),
        ["orders", num] => Box::pin(order::show(desk, num, None)),
        ["sims"] => Box::pin(sims::list(desk)),
        ["sims.csv"] => Box::pin(sims::export(desk)),
        ["sims", iccid] => Box::pin(sim::show(desk, iccid, None)),
        ["inventory"] => Box::pin(inventory::list(desk)),
        ["inventory", "import"] => Box::pin(import::show(desk, None)),
        ["inventory", pool] => Box::pin(inventory::pool(desk, pool, None)),
        ["subscribers"] => Box::pin(subscribers::show(desk)),
        ["subscribers", "line"] => Box::pin(subscribers::show_add_line(desk, None)),
        ["lines", id] => Box::pin(lines::show(desk, id, None)),
        ["settings"] => Box::pin(async { Ok(redirect("/console/settings/plans")) }),
        ["settings", "plans"] => Box::pin(plans::list(desk)),
        ["settings", "plans", "new"] => Box::pin(plans::show_new(desk, None)),
        ["settings", "plans", id] => Box::pin(plans::show(desk, id, None)),
        ["settings", "partners"] => Box::pin(partners::list(desk, None)),
        ["settings", "partners", id] => Box::pin(partners::show(desk, id, None)),
        ["settings", "keys"] => Box::pin(keys::list(desk, None)),
        ["settings", "audit"] => Box::pin(audit::list(desk)),
        _ => return None,
    })
}

fn post<'a>(desk: &'a Desk<'_>, path: &'a [&'a str]) -> Option<Answer<'a>> {
    Some(match path {
        ["columns", table] => Box::pin(async { columns::keep(desk, table) }),
        ["orders"] => Box::pin(new_order::create(desk)),
        ["orders", num, "code"] => Box::pin(order::show_codes(desk, num)),
        ["orders", num, action] => Box::pin(order_acts::act(desk, num, action)),
        ["sims", iccid, "code"] => Box::pin(sim_code::show(desk, iccid)),
        ["sims", iccid, action] => Box::pin(sim::act(desk, iccid, action)),
        ["inventory", "import"] => Box::pin(import::take(desk)),
        ["inventory", pool, "alarm"] => Box::pin(inventory::set_alarm(desk, pool)),
        ["subscribers", "line"] => Box::pin(subscribers::add(desk)),
        ["lines", id, action] => Box::pin(lines::act(desk, id, action)),
        ["settings", "plans"] => Box::pin(plans::put(desk, None)),
        ["settings", "plans", id] => Box::pin(plans::put(desk, Some(id))),
        ["settings", "partners"] => Box::pin(partners::create(desk)),
        ["settings", "partners", id, action] => Box::pin(partners::act(desk, id, action)),
        ["settings", "keys"] => Box::pin(keys::make(desk)),
        ["settings", "keys", id, "end"] => Box::pin(keys::end(desk, id)),
        _ => return None,
    })
}
