//! The API over HTTP, on a local stack: what it takes and refuses, and what comes of it. Every answer is held to the contract.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "../api/mod.rs"]
mod api;
mod bad_input;
#[path = "../cargo/mod.rs"]
mod cargo;
mod carrier;
mod imports;
mod lists;
mod logs;
mod mails;
mod money;
mod refunds;
mod webhooks;
