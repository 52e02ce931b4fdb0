//! What both signature schemes share.

use std::fmt;

use hmac::Mac;
use simdock_domain::Timestamp;

use crate::Secret;

/// How far a signature's time may lie from now, in seconds and in both directions: Stripe's default and the
/// recommendation of Standard Webhooks.
pub const TOLERANCE_SECONDS: u64 = 300;

/// Length in bytes up to which a signature header is looked at.
const MAX_HEADER_LENGTH: usize = 4096;

/// Signatures of one request that are tried. A rotation sends two.
const MAX_SIGNATURES: usize = 16;

/// Why a webhook is not believed. Tells operators what to look at and shows no signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureError {
    /// A signature header is not there, or empty.
    Missing,
    /// A signature header does not have the form that the scheme prescribes, or is too long.
    Malformed,
    /// The signature was made too long ago or lies in the future; see [`TOLERANCE_SECONDS`].
    Stale,
    /// No signature was made with one of the configured secrets over exactly these bytes.
    Mismatch,
}

impl fmt::Display for SignatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "the webhook carries no signature",
            Self::Malformed => "the webhook's signature headers are malformed",
            Self::Stale => "the webhook was signed more than 300 s away from now: an old delivery, a replay, or a wrong clock",
            Self::Mismatch => "no signature matches: another secret signed it, or the body was changed on its way",
        })
    }
}

impl std::error::Error for SignatureError {}

/// A header's value, present and of a length worth reading.
pub(crate) fn header(value: Option<&str>) -> Result<&str, SignatureError> {
    let value = value.map(str::trim).filter(|value| !value.is_empty()).ok_or(SignatureError::Missing)?;
    if value.len() <= MAX_HEADER_LENGTH { Ok(value) } else { Err(SignatureError::Malformed) }
}

/// Checks a time in Unix seconds, written in plain digits, against now.
pub(crate) fn check_fresh(seconds: &str, now: Timestamp) -> Result<(), SignatureError> {
    if !seconds.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(SignatureError::Malformed);
    }
    let signed_at: i64 = seconds.parse().map_err(|_| SignatureError::Malformed)?;
    if signed_at.abs_diff(now.unix()) <= TOLERANCE_SECONDS { Ok(()) } else { Err(SignatureError::Stale) }
}

/// Whether any of the signatures is that of `prefix` and `body` under any of the secrets, each compared in constant time.
pub(crate) fn check_any<const N: usize>(
    signatures: impl Iterator<Item = [u8; N]>,
    prefix: &str,
    body: &[u8],
    secrets: &[Secret],
) -> Result<(), SignatureError> {
    let signatures: Vec<_> = signatures.take(MAX_SIGNATURES).collect();
    let matched = secrets.iter().any(|secret| {
        let mac = secret.mac(prefix, body);
        signatures.iter().any(|signature| mac.clone().verify_slice(signature).is_ok())
    });
    if matched { Ok(()) } else { Err(SignatureError::Mismatch) }
}
