//! The API over HTTP, on a local stack: what it takes and refuses, and what comes of it. Every answer is held to the contract.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

mod actions;
mod acts;
#[path = "../api/mod.rs"]
mod api;
mod bad_input;
mod cards;
#[path = "../cargo/mod.rs"]
mod cargo;
mod carrier;
mod desk;
mod events;
mod gifts;
mod imports;
mod lists;
mod logs;
mod mails;
mod money;
mod physical;
mod races;
mod refunds;
mod samples;
mod settings;
mod subscriptions;
mod watching;
mod webhooks;
mod who;
