//! What the suites stand on: an engine for the tables, a proxy that misbehaves as `DynamoDB` may, and orders and cards to try.

#![allow(clippy::missing_panics_doc, reason = "a panic in here is a failing test")]

mod audit;
mod engine;
mod fixtures;
mod meter;
mod proxy;
pub mod rig;
mod roles;
mod size;
pub mod wire;

pub use audit::{Audit, Books, Outside, Promise, Violation, audit};
pub use engine::{Engine, Table};
pub use fixtures::{
    PARTNER, World, activations, card, cards, change_order, config, draft, eur, eventually, iccid, order, plan, pool, receipt,
    second_pool, sims_of, stock, store,
};
pub use meter::{Call, Cost, Meter, in_sequence};
pub use proxy::{Fault, Faults, Hold, Proxy, Stats};
pub use roles::role_guard;
pub use size::{item_size, value_size};
