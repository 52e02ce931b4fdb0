//! What the suites stand on: an engine for the tables, a proxy that misbehaves as `DynamoDB` may, and orders and cards to try.

#![allow(clippy::missing_panics_doc, reason = "a panic in here is a failing test")]

mod audit;
mod engine;
mod fixtures;
mod proxy;
mod size;
mod wire;

pub use audit::{Audit, audit};
pub use engine::{Engine, Table};
pub use fixtures::{
    PARTNER, World, card, cards, draft, eur, eventually, iccid, order, plan, pool, receipt, second_pool, stock, store,
};
pub use proxy::{Fault, Faults, Hold, Proxy, Stats};
pub use size::{item_size, value_size};
