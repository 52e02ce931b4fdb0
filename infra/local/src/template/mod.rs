//! What `template.yaml` declares, as far as it can run here: tables, queues, functions and what starts them.
//!
//! What cannot run here and changes how the product behaves is refused by name. What only matters on AWS (roles, logs, alarms,
//! dashboards, encryption, backups) is passed over.

mod model;
mod resolve;
mod yaml;

pub use model::{FunctionSpec, QueueSource, QueueSpec, Redrive, Route, Segment, StreamSource, TableSpec, Template};
pub use resolve::{ACCOUNT, REGION};

/// The template that is deployed.
pub const TEMPLATE: &str = include_str!("../../../template.yaml");

#[cfg(test)]
pub use model::tests;
