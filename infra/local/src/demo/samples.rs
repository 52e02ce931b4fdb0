//! What the console of a new stack has to show: orders in each status, cards in each of theirs and of each type, something of each kind
//! that waits for a manager, and partners with their money.

mod cards;
mod desk;
mod orders;
mod shop;
mod trouble;

use super::api::{Api, Ask, By};
use crate::error::StackError;
use crate::stack::Stack;
use desk::Desk;

/// Puts the samples in, unless there are orders.
pub async fn samples_once(stack: &Stack) -> Result<(), StackError> {
    let known = Api::new(stack).send(Ask::get("/v1/orders?limit=1").by(By::Manager), &[200]).await?;
    let any = known["items"].as_array().is_some_and(|items| !items.is_empty());
    if any { Ok(()) } else { samples(stack).await }
}

/// Puts the samples in, one after the other: the sandboxes are told how to answer next, which nobody else may use up.
pub async fn samples(stack: &Stack) -> Result<(), StackError> {
    let desk = Desk::new(stack);
    orders::put(&desk).await?;
    cards::put(&desk).await?;
    trouble::put(&desk).await?;
    shop::put(&desk).await
}
