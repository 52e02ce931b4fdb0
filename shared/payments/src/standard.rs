//! Standard Webhooks 1.0.0, and the payment contract that providers without an adapter of their own follow.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::Mac;
use serde::Deserialize;
use simdock_domain::Timestamp;

use crate::Secret;
use crate::notice::{self, Notice, PaidNotice, ParseError};
use crate::signature::{self, SignatureError, check_any};

const PAYMENT_SUCCEEDED: &str = "payment.succeeded";

/// Verifies a request signed by Standard Webhooks 1.0.0 on its raw body: the headers `webhook-id`, `webhook-timestamp`
/// (Unix seconds) and `webhook-signature` (a list `v1,<base64>`, separated by spaces; other versions are skipped).
///
/// Any signature under any secret will do; every comparison takes constant time. A `webhook-id` with a full stop is
/// refused: the full stop separates the signed parts, so such an id could be cut elsewhere.
pub fn verify_standard(
    id: Option<&str>,
    timestamp: Option<&str>,
    signatures: Option<&str>,
    body: &[u8],
    secrets: &[Secret],
    now: Timestamp,
) -> Result<(), SignatureError> {
    let id = signature::header(id)?;
    let timestamp = signature::header(timestamp)?;
    let signatures = signature::header(signatures)?;
    if !id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'.') {
        return Err(SignatureError::Malformed);
    }
    signature::check_fresh(timestamp, now)?;

    if !signatures.split_ascii_whitespace().all(|entry| entry.contains(',')) {
        return Err(SignatureError::Malformed);
    }
    let signatures = signatures
        .split_ascii_whitespace()
        .filter_map(|entry| entry.strip_prefix("v1,"))
        .filter_map(|encoded| STANDARD.decode(encoded).ok()?.try_into().ok());
    check_any::<32>(signatures, &format!("{id}.{timestamp}."), body, secrets)
}

/// The value of `webhook-signature` for a request with this `webhook-id` and `webhook-timestamp`, by Standard Webhooks 1.0.0.
/// The id must be printable ASCII without a full stop.
pub fn sign_standard(id: &str, timestamp: Timestamp, body: &[u8], secret: &Secret) -> String {
    let mac = secret.mac(&format!("{id}.{}.", timestamp.unix()), body).finalize();
    format!("v1,{}", STANDARD.encode(mac.into_bytes()))
}

#[derive(Deserialize)]
struct Kind {
    r#type: String,
}

#[derive(Deserialize)]
struct Event {
    data: Payment,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payment {
    #[serde(rename = "paymentId")]
    id: String,
    order_num: Option<String>,
    amount: i64,
    currency: String,
}

/// Reads a verified event of Simdock's own payment contract. Its identifier is the `webhook-id`. Of interest is
/// `{"type": "payment.succeeded", "timestamp": RFC 3339, "data": {"paymentId", "orderNum", "amount", "currency"}}`, with the
/// amount in minor units of ISO 4217 and the currency in capitals. An `orderNum` that cannot be one counts as absent.
pub fn parse_standard(webhook_id: &str, body: &[u8]) -> Result<Notice, ParseError> {
    let event_id = notice::identifier("webhook-id", webhook_id.to_owned())?;
    let kind = notice::identifier("type", notice::json::<Kind>(body)?.r#type)?;
    if kind != PAYMENT_SUCCEEDED {
        return Ok(Notice::Other { event_id, kind });
    }
    let payment = notice::json::<Event>(body)?.data;
    Ok(Notice::Paid(PaidNotice {
        event_id,
        order_num: notice::order_num([payment.order_num.as_deref()]),
        payment_id: notice::identifier("data.paymentId", payment.id)?,
        received: notice::received(payment.amount, notice::currency(&payment.currency)?)?,
    }))
}
