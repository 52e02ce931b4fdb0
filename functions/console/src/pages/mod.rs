//! The pages, and which request goes to which.

mod columns;
mod find;
mod import;
mod inventory;
mod lines;
mod new_order;
mod order;
mod order_acts;
mod order_cards;
mod orders;
mod settings;
pub mod sign_in;
mod sim;
mod sims;
mod subscribers;

use self::settings::{audit, keys, partners, plans};
use crate::Desk;
use crate::api::Refusal;
use crate::http::redirect;
use lambda_http::http::Method;
use lambda_http::{Body, Response};

/// Answers a request of somebody who is signed in.
pub async fn answer(desk: &Desk<'_>, path: &[&str]) -> Result<Response<Body>, Refusal> {
    match desk.visit.method {
        Method::GET => match path {
            [] => Ok(redirect("/console/orders")),
            ["badge"] => Ok(desk.badge().await),
            ["find"] => find::find(desk),
            ["orders"] => orders::list(desk).await,
            ["orders.csv"] => orders::export(desk).await,
            ["orders", "new"] => new_order::show(desk, None).await,
            ["orders", num] => order::show(desk, num, None).await,
            ["sims"] => sims::list(desk).await,
            ["sims.csv"] => sims::export(desk).await,
            ["sims", iccid] => sim::show(desk, iccid, None).await,
            ["inventory"] => inventory::list(desk).await,
            ["inventory", "import"] => import::show(desk, None).await,
            ["inventory", pool] => inventory::pool(desk, pool, None).await,
            ["subscribers"] => subscribers::show(desk).await,
            ["subscribers", "line"] => subscribers::show_add_line(desk, None).await,
            ["lines", id] => lines::show(desk, id, None).await,
            ["settings"] => Ok(redirect("/console/settings/plans")),
            ["settings", "plans"] => plans::list(desk).await,
            ["settings", "plans", "new"] => plans::show_new(desk, None).await,
            ["settings", "plans", id] => plans::show(desk, id, None).await,
            ["settings", "partners"] => partners::list(desk, None).await,
            ["settings", "partners", id] => partners::show(desk, id, None).await,
            ["settings", "keys"] => keys::list(desk, None).await,
            ["settings", "audit"] => audit::list(desk).await,
            _ => Err(Refusal::not_found()),
        },
        Method::POST => match path {
            ["columns", table] => columns::keep(desk, table),
            ["orders"] => new_order::create(desk).await,
            ["orders", num, "code"] => order::show_codes(desk, num).await,
            ["orders", num, action] => order_acts::act(desk, num, action).await,
            ["sims", iccid, action] => sim::act(desk, iccid, action).await,
            ["inventory", "import"] => import::take(desk).await,
            ["inventory", pool, "alarm"] => inventory::set_alarm(desk, pool).await,
            ["subscribers", "line"] => subscribers::add(desk).await,
            ["lines", id, action] => lines::act(desk, id, action).await,
            ["settings", "plans"] => plans::put(desk, None).await,
            ["settings", "plans", id] => plans::put(desk, Some(id)).await,
            ["settings", "partners"] => partners::create(desk).await,
            ["settings", "partners", id, action] => partners::act(desk, id, action).await,
            ["settings", "keys"] => keys::make(desk).await,
            ["settings", "keys", id, "end"] => keys::end(desk, id).await,
            _ => Err(Refusal::not_found()),
        },
        _ => Err(Refusal::not_found()),
    }
}
