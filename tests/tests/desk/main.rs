//! The console in a real browser, on a local stack: what managers do with it, and what it refuses.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "../api/mod.rs"]
mod api;
mod browser;
mod orders;
mod shop;
