//! Bytes from outside that mean harm, or were only mangled on their way: every parser of them, with a corpus in `tests/corpus` and
//! what chance makes of it. `PROPTEST_CASES` makes the hunt longer.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "../api/mod.rs"]
mod api;
mod carrier;
mod corpus;
mod events;
mod imports;
mod mails;
mod numbers;
mod requests;
mod signatures;
mod tenants;
mod webhooks;
