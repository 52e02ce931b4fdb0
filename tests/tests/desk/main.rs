//! The console in a real browser, on a local stack: what managers do with it, and what it refuses.
//!
//! It takes Debian's chromium and chromium-driver; without them, the tests that need a browser say so and do nothing, except where `CI`
//! is set. Pictures of the pages go to `target/screens`.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "../api/mod.rs"]
mod api;
mod browser;
mod calls;
mod door;
mod driver;
mod lines;
mod markup;
mod meanwhile;
mod nonsense;
mod orders;
mod pictures;
mod sent;
mod settings;
mod shop;
mod sims;
mod stock;
mod table;
mod ways;
