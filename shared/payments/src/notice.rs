//! What a verified webhook says, the same for every provider.

use std::fmt;
use std::str::FromStr;

use serde::de::DeserializeOwned;
use simdock_domain::{Currency, Money, OrderNum};

/// Longest identifier of a provider that is accepted, in bytes.
const MAX_ID_LENGTH: usize = 255;

/// What a webhook tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A payment succeeded.
    Paid(PaidNotice),
    /// A refund was made, or went on.
    Refund(RefundNotice),
    /// The payer disputes a payment.
    Dispute(DisputeNotice),
    /// Something that changes no order.
    Other {
        /// The provider's identifier of the event.
        event_id: String,
        /// The provider's name for what happened.
        kind: String,
    },
}

/// A payment that succeeded. Several events may tell of the same payment: `payment_id` is what they share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaidNotice {
    /// The provider's identifier of the event.
    pub event_id: String,
    /// The order that was paid, where the event names one that could be an order's number.
    pub order_num: Option<OrderNum>,
    /// The provider's identifier of the payment, 1 to 255 printable ASCII characters; Stripe's is the `PaymentIntent`.
    pub payment_id: String,
    /// What was really received, in minor units of ISO 4217; positive.
    pub received: Money,
}

/// How far a refund is. Several events tell of the same refund, in any order: `provider_id` is what they share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundNotice {
    /// The provider's identifier of the event.
    pub event_id: String,
    /// The order, where the event names one that could be an order's number. A refund made at the provider names none.
    pub order_num: Option<OrderNum>,
    /// The provider's identifier of the payment that the money comes out of, as in [`PaidNotice`].
    pub payment_id: String,
    /// The provider's identifier of the refund, 1 to 255 printable ASCII characters.
    pub provider_id: String,
    /// The id that Simdock gave the refund; a refund made at the provider has none.
    pub refund_id: Option<String>,
    /// How much, in minor units of ISO 4217; positive.
    pub amount: Money,
    /// How far it is.
    pub progress: RefundProgress,
}

/// How far a provider is with a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundProgress {
    /// Taken on; the money has not gone back, and may not.
    Pending,
    /// The money went back. A bank may still refuse it, which turns it to failed.
    Succeeded,
    /// The money did not go back, and will not: why, in one line of at most 200 characters without secrets.
    Failed(String),
}

/// A payment that its payer disputes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisputeNotice {
    /// The provider's identifier of the event.
    pub event_id: String,
    /// The order, where the event names one that could be an order's number; Stripe's usually names none.
    pub order_num: Option<OrderNum>,
    /// The provider's identifier of the payment, as in [`PaidNotice`].
    pub payment_id: String,
    /// The provider's word for why, such as `fraudulent`: one line of at most 200 characters.
    pub reason: String,
}

/// Why a verified webhook cannot be read. Shows nothing of the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParseError {
    /// Not JSON, or a field is missing, doubled or of another type than the provider documents.
    Json {
        /// Line of the body, from 1.
        line: usize,
        /// Column in that line, from 1; 0 at a line's start.
        column: usize,
    },
    /// A field's value is outside what is accepted: too long, empty, or with characters that an identifier never has.
    Field(&'static str),
    /// The currency is not an ISO 4217 code that is known here.
    Currency,
    /// The amount is not positive, or is no whole number of the currency's ISO 4217 minor units.
    Amount,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json { line, column } => write!(f, "the event is not as documented at line {line} column {column}"),
            Self::Field(name) => write!(f, "the event's `{name}` is not acceptable"),
            Self::Currency => f.write_str("the currency is unknown"),
            Self::Amount => f.write_str("the amount is not a positive whole number of minor units"),
        }
    }
}

impl std::error::Error for ParseError {}

pub(crate) fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, ParseError> {
    serde_json::from_slice(body).map_err(|error| ParseError::Json { line: error.line(), column: error.column() })
}

/// A provider's identifier: 1 to 255 printable ASCII characters, so that it can be stored, logged and sent back as it is.
pub(crate) fn identifier(name: &'static str, value: String) -> Result<String, ParseError> {
    let printable = value.bytes().all(|byte| byte.is_ascii_graphic());
    if printable && (1..=MAX_ID_LENGTH).contains(&value.len()) { Ok(value) } else { Err(ParseError::Field(name)) }
}

/// The first of the candidates that could be an order's number.
pub(crate) fn order_num<const N: usize>(candidates: [Option<&str>; N]) -> Option<OrderNum> {
    candidates.into_iter().flatten().find_map(|candidate| candidate.parse().ok())
}

pub(crate) fn currency(code: &str) -> Result<Currency, ParseError> {
    Currency::from_str(code).map_err(|_| ParseError::Currency)
}

pub(crate) fn received(amount: i64, currency: Currency) -> Result<Money, ParseError> {
    if amount > 0 { Ok(Money { amount, currency }) } else { Err(ParseError::Amount) }
}
