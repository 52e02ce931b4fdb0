//! The pages, and which request goes to which.

mod columns;
mod find;
mod new_order;
mod order;
mod order_acts;
mod order_cards;
mod orders;
pub mod sign_in;

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
            _ => Err(Refusal::not_found()),
        },
        Method::POST => match path {
            ["columns", table] => columns::keep(desk, table),
            ["orders"] => new_order::create(desk).await,
            ["orders", num, "code"] => order::show_codes(desk, num).await,
            ["orders", num, action] => order_acts::act(desk, num, action).await,
            _ => Err(Refusal::not_found()),
        },
        _ => Err(Refusal::not_found()),
    }
}
