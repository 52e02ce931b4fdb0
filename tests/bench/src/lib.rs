//! Measures what Simdock costs and how fast it is, and holds it to what it could be.

#![allow(clippy::missing_panics_doc, reason = "what cannot be measured ends the measurement")]

pub mod actions;
pub mod binaries;
pub mod claims;
pub mod cost;
pub mod growth;
pub mod limits;
pub mod local;
pub mod pure;
pub mod report;
pub mod shop;
pub mod site;

/// The middle value.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
