//! The stack played on, for people to watch: one order from its creation to its mail, or everything that can happen to orders.

mod api;
mod cancelling;
mod desk;
mod giving;
mod one;
mod paying;
mod play;
mod refunding;
mod renewing;
mod reporting;
mod samples;
mod suspending;
mod swapping;
mod topping_up;

pub use one::demo;
pub use samples::{samples, samples_once};

use crate::error::StackError;
use crate::stack::Stack;
use play::Play;
use serde_json::{Value, json};
use std::fmt::{Debug, Display};
use std::time::Duration;

/// How long a step may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Plays every action on a running stack that nobody else uses, and prints the path of every order. Ends at the first surprise.
pub async fn demo_all(stack: &Stack) -> Result<(), StackError> {
    let mut play = Play::begin(stack).await?;
    paying::play(&mut play).await?;
    refunding::play(&mut play).await?;
    reporting::play(&mut play).await?;
    renewing::play(&mut play).await?;
    topping_up::play(&mut play).await?;
    suspending::play(&mut play).await?;
    cancelling::play(&mut play).await?;
    swapping::play(&mut play).await?;
    desk::play(&mut play).await?;
    giving::play(&mut play).await?;
    play.end().await
}

/// Stripe's event of a payment that succeeded, of `amount` minor units.
fn stripe_event(payment_id: &str, order: &str, amount: i64, currency: &str) -> Value {
    json!({
        "id": format!("evt_{payment_id}"), "object": "event", "type": "payment_intent.succeeded",
        "data": {"object": {
            "id": payment_id, "object": "payment_intent", "status": "succeeded",
            "amount_received": amount, "currency": currency.to_lowercase(), "metadata": {"orderNum": order},
        }},
    })
}

fn text<'v>(value: &'v Value, name: &str) -> Result<&'v str, StackError> {
    value[name].as_str().ok_or_else(|| StackError::new(format!("the answer has no {name}: {value}")))
}

fn expect(holds: bool, otherwise: impl Display) -> Result<(), StackError> {
    if holds { Ok(()) } else { Err(StackError::new(otherwise.to_string())) }
}

fn same<A: PartialEq<B> + Debug + ?Sized, B: Debug>(what: &str, found: &A, expected: B) -> Result<(), StackError> {
    expect(*found == expected, format!("{what}: expected {expected:?}, found {found:?}"))
}
