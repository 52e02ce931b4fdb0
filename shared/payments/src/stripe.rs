//! Stripe: its signature scheme, its events, its units, and the refunds asked of it.

mod client;
mod refund;

use std::fmt;

use hex::FromHex;
use hmac::Mac;
use serde::Deserialize;
use simdock_domain::{Currency, Money, Timestamp};

use crate::Secret;
use crate::http::printable;
use crate::notice::{self, DisputeNotice, Notice, PaidNotice, ParseError, RefundNotice};
use crate::signature::{self, SignatureError, check_any};

pub use client::{RefundAnswer, RefundError, RefundRequest, StripeClient, StripeClientError};
use refund::Refund;

/// Verifies a Stripe webhook on its raw body by the header `Stripe-Signature`: `t=<Unix seconds>,v1=<hex>[,v1=<hex>]…`.
///
/// Any `v1` under any secret will do, since Stripe signs with the old and the new secret while one is rotated; every
/// comparison takes constant time. Other schemes in the header are skipped (`v0` is a test-mode decoy). Two times are
/// refused: it would be unclear which one was signed.
pub fn verify_stripe(header: Option<&str>, body: &[u8], secrets: &[Secret], now: Timestamp) -> Result<(), SignatureError> {
    let mut timestamp = None;
    let mut signatures = Vec::new();
    for element in signature::header(header)?.split(',') {
        let (scheme, value) = element.trim().split_once('=').ok_or(SignatureError::Malformed)?;
        match scheme {
            "t" if timestamp.is_some() => return Err(SignatureError::Malformed),
            "t" => timestamp = Some(value),
            "v1" => signatures.push(value),
            _ => {}
        }
    }
    let timestamp = timestamp.ok_or(SignatureError::Malformed)?;
    if signatures.is_empty() {
        return Err(SignatureError::Malformed);
    }
    signature::check_fresh(timestamp, now)?;
    check_any(signatures.into_iter().filter_map(|hex| <[u8; 32]>::from_hex(hex).ok()), &format!("{timestamp}."), body, secrets)
}

/// The value of `Stripe-Signature` that Stripe would send with this body: for the local stack and for tests.
pub fn sign_stripe(timestamp: Timestamp, body: &[u8], secret: &Secret) -> String {
    let seconds = timestamp.unix();
    let signature = secret.mac(&format!("{seconds}."), body).finalize().into_bytes();
    format!("t={seconds},v1={}", hex::encode(signature))
}

#[derive(Deserialize)]
struct Envelope {
    id: String,
    r#type: String,
}

#[derive(Deserialize)]
struct Event<T> {
    data: Data<T>,
}

#[derive(Deserialize)]
struct Data<T> {
    object: T,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(rename = "orderNum")]
    order_num: Option<String>,
    #[serde(rename = "refundId")]
    refund_id: Option<String>,
}

#[derive(Deserialize)]
struct PaymentIntent {
    id: String,
    amount_received: i64,
    currency: String,
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct CheckoutSession {
    mode: Option<String>,
    payment_status: Option<String>,
    payment_intent: Option<Expandable>,
    amount_total: Option<i64>,
    currency: Option<String>,
    client_reference_id: Option<String>,
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Charge {
    payment_intent: Option<Expandable>,
    metadata: Option<Metadata>,
    refunds: Option<Listed>,
}

/// The refunds of a charge, newest first.
#[derive(Deserialize)]
struct Listed {
    data: Vec<Refund>,
}

#[derive(Deserialize)]
struct Dispute {
    payment_intent: Option<Expandable>,
    reason: String,
    metadata: Option<Metadata>,
}

/// An object that Stripe gives by its id, or whole where the endpoint asked for it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Expandable {
    Id(String),
    Object { id: String },
}

impl Expandable {
    fn into_id(self) -> String {
        let (Self::Id(id) | Self::Object { id }) = self;
        id
    }
}

impl Metadata {
    fn order_num(metadata: Option<&Self>) -> Option<&str> {
        metadata?.order_num.as_deref()
    }
}

/// Reads a verified Stripe event.
///
/// Three kinds tell of a payment, often of the same one: `payment_intent.succeeded`, `checkout.session.completed` when its
/// `payment_status` is `paid`, and `checkout.session.async_payment_succeeded`. The order is named by `metadata.orderNum` or,
/// on a session, by `client_reference_id`; what cannot be an order's number counts as absent. Sessions that set up
/// or subscribe make no payment of ours.
///
/// Four kinds tell how far a refund is: `refund.created`, `refund.updated`, `refund.failed` and `charge.refund.updated`, which
/// hold the refund itself. `charge.refunded` tells of one only in API versions before 2022-11-15, which list a charge's refunds:
/// its newest, the one that the event is about. A refund that was made at Stripe, without Simdock, names no order; only a
/// charge does, to which Stripe copies the metadata of its `PaymentIntent`. `charge.dispute.created` tells of a dispute.
/// Refunds and disputes of charges without a `PaymentIntent` are of no payment of ours.
pub fn parse_stripe(body: &[u8]) -> Result<Notice, ParseError> {
    let Envelope { id, r#type: kind } = notice::json(body)?;
    let event_id = notice::identifier("id", id)?;
    let kind = notice::identifier("type", kind)?;
    match kind.as_str() {
        "payment_intent.succeeded" => {
            let intent: PaymentIntent = object(body)?;
            let metadata = Metadata::order_num(intent.metadata.as_ref());
            Ok(Notice::Paid(PaidNotice {
                event_id,
                order_num: notice::order_num([metadata]),
                payment_id: notice::identifier("data.object.id", intent.id)?,
                received: received(intent.amount_received, &intent.currency)?,
            }))
        }
        "checkout.session.completed" | "checkout.session.async_payment_succeeded" => {
            let session: CheckoutSession = object(body)?;
            let paid = kind == "checkout.session.async_payment_succeeded" || session.payment_status.as_deref() == Some("paid");
            if !paid || session.mode.is_some_and(|mode| mode != "payment") {
                return Ok(Notice::Other { event_id, kind });
            }
            let payment_id = session.payment_intent.ok_or(ParseError::Field("data.object.payment_intent"))?.into_id();
            let metadata = Metadata::order_num(session.metadata.as_ref());
            let amount = session.amount_total.ok_or(ParseError::Field("data.object.amount_total"))?;
            let currency = session.currency.ok_or(ParseError::Field("data.object.currency"))?;
            Ok(Notice::Paid(PaidNotice {
                event_id,
                order_num: notice::order_num([metadata, session.client_reference_id.as_deref()]),
                payment_id: notice::identifier("data.object.payment_intent", payment_id)?,
                received: received(amount, &currency)?,
            }))
        }
        "refund.created" | "refund.updated" | "refund.failed" | "charge.refund.updated" => {
            let mut refund: Refund = object(body)?;
            match refund.payment_intent.take() {
                Some(payment) => refunded(event_id, payment, None, refund),
                None => Ok(Notice::Other { event_id, kind }),
            }
        }
        "charge.refunded" => {
            let charge: Charge = object(body)?;
            let newest = charge.refunds.and_then(|refunds| refunds.data.into_iter().next());
            match (charge.payment_intent, newest) {
                (Some(payment), Some(refund)) => refunded(event_id, payment, charge.metadata.as_ref(), refund),
                (None, _) | (_, None) => Ok(Notice::Other { event_id, kind }),
            }
        }
        "charge.dispute.created" => {
            let dispute: Dispute = object(body)?;
            let Some(payment) = dispute.payment_intent else { return Ok(Notice::Other { event_id, kind }) };
            Ok(Notice::Dispute(DisputeNotice {
                event_id,
                order_num: notice::order_num([Metadata::order_num(dispute.metadata.as_ref())]),
                payment_id: notice::identifier("data.object.payment_intent", payment.into_id())?,
                reason: printable(&dispute.reason),
            }))
        }
        _ => Ok(Notice::Other { event_id, kind }),
    }
}

fn refunded(event_id: String, payment: Expandable, of_charge: Option<&Metadata>, refund: Refund) -> Result<Notice, ParseError> {
    Ok(Notice::Refund(RefundNotice {
        event_id,
        order_num: notice::order_num([Metadata::order_num(refund.metadata.as_ref()), Metadata::order_num(of_charge)]),
        payment_id: notice::identifier("data.object.payment_intent", payment.into_id())?,
        refund_id: refund.refund_id().and_then(|id| notice::identifier("refundId", id.to_owned()).ok()),
        amount: received(refund.amount, &refund.currency)?,
        progress: refund.progress(),
        provider_id: notice::identifier("data.object.id", refund.id)?,
    }))
}

fn object<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, ParseError> {
    Ok(notice::json::<Event<T>>(body)?.data.object)
}

fn received(amount: i64, lower_case: &str) -> Result<Money, ParseError> {
    let currency = notice::currency(&lower_case.to_ascii_uppercase())?;
    let money = from_stripe_amount(amount, currency).map_err(|AmountError| ParseError::Amount)?;
    notice::received(money.amount, money.currency)
}

/// An amount that cannot be said exactly in the other side's units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AmountError;

impl fmt::Display for AmountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the amount is not a whole number of the other side's units")
    }
}

impl std::error::Error for AmountError {}

/// How Stripe counts a currency, compared with the minor units of ISO 4217.
enum Unit {
    /// As ISO 4217 does: all two-decimal currencies and Stripe's zero-decimal ones but those below.
    Iso,
    /// In hundredths although ISO 4217 has no minor unit: kept so by Stripe for old integrations.
    Hundredths,
    /// In whole units although ISO 4217 counts hundredths.
    Whole,
    /// As ISO 4217 does, in thousandths, of which Stripe takes only whole tens.
    Thousandths,
}

/// By Stripe's table of currencies: "zero-decimal", "special cases" and "three-decimal". Its other special cases, the
/// forint and the New Taiwan dollar, are about payouts.
fn unit(currency: Currency) -> Unit {
    match currency.as_str() {
        "ISK" | "UGX" => Unit::Hundredths,
        "MGA" => Unit::Whole,
        "BHD" | "JOD" | "KWD" | "OMR" | "TND" => Unit::Thousandths,
        _ => Unit::Iso,
    }
}

/// The amount to name to Stripe for `money`, in Stripe's units of its currency.
///
/// Fails where Stripe cannot take that amount: a fraction of an ariary (MGA), thousandths that are no whole ten
/// (BHD, JOD, KWD, OMR, TND), or beyond what 64 bits hold.
pub fn to_stripe_amount(money: Money) -> Result<i64, AmountError> {
    match unit(money.currency) {
        Unit::Iso => Ok(money.amount),
        Unit::Hundredths => money.amount.checked_mul(100).ok_or(AmountError),
        Unit::Whole => exact_quotient(money.amount, 100),
        Unit::Thousandths => exact_quotient(money.amount, 10).map(|_| money.amount),
    }
}

/// What an amount in Stripe's units of `currency` is in minor units of ISO 4217.
///
/// Fails where that would be a fraction (ISK, UGX) or beyond what 64 bits hold (MGA).
pub fn from_stripe_amount(amount: i64, currency: Currency) -> Result<Money, AmountError> {
    let amount = match unit(currency) {
        Unit::Iso | Unit::Thousandths => amount,
        Unit::Hundredths => exact_quotient(amount, 100)?,
        Unit::Whole => amount.checked_mul(100).ok_or(AmountError)?,
    };
    Ok(Money { amount, currency })
}

fn exact_quotient(amount: i64, divisor: i64) -> Result<i64, AmountError> {
    if amount % divisor == 0 { Ok(amount / divisor) } else { Err(AmountError) }
}
