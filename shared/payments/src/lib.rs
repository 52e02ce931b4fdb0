//! What payment providers send, and the refunds asked of them.
//!
//! Webhooks are verified on the raw bytes before anything is parsed, then read into a [`Notice`].
//!
//! Two schemes are spoken. Stripe's own: [`verify_stripe`], [`parse_stripe`]. And Standard Webhooks 1.0.0, for every
//! other provider and for Simdock's own signed requests: [`verify_standard`], [`parse_standard`], [`sign_standard`].
//! Both take several secrets at once, so that a secret can be rotated without a gap.
//!
//! Refunds go out through [`StripeClient`], over the HTTP client in [`http`] that every adapter of the workspace shares.

pub mod http;
mod notice;
mod secret;
mod signature;
mod standard;
mod stripe;

pub use notice::{DisputeNotice, Notice, PaidNotice, ParseError, RefundNotice, RefundProgress};
pub use secret::{Secret, SecretError};
pub use signature::{SignatureError, TOLERANCE_SECONDS};
pub use standard::{parse_standard, sign_standard, verify_standard};
pub use stripe::{
    AmountError, RefundAnswer, RefundError, RefundRequest, StripeClient, StripeClientError, from_stripe_amount, parse_stripe,
    sign_stripe, to_stripe_amount, verify_stripe,
};
