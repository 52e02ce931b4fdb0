//! Keys that sign and verify.

use std::fmt;
use std::ops::RangeInclusive;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

const PREFIX: &str = "whsec_";

/// Key length in bytes that Standard Webhooks 1.0.0 allows for symmetric signatures.
const STANDARD_KEY_LENGTH: RangeInclusive<usize> = 24..=64;

/// A signing secret: the bytes of an HMAC-SHA256 key. Its `Debug` form shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

/// Why a configured secret cannot be used. Never repeats the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretError {
    /// The value is not `whsec_` followed by printable ASCII without spaces.
    Form,
    /// What follows `whsec_` is not padded base64 of 24 to 64 bytes, which Standard Webhooks asks for.
    Key,
}

impl Secret {
    /// A Stripe endpoint secret, `whsec_…`. Stripe keys its HMAC with the whole string, prefix included.
    pub fn stripe(secret: &str) -> Result<Self, SecretError> {
        encoded_part(secret)?;
        Ok(Self(secret.as_bytes().to_vec()))
    }

    /// A Standard Webhooks 1.0.0 symmetric secret: `whsec_` and the base64 of 24 to 64 bytes, which are the key.
    pub fn standard(secret: &str) -> Result<Self, SecretError> {
        let key = STANDARD.decode(encoded_part(secret)?).map_err(|_| SecretError::Key)?;
        if STANDARD_KEY_LENGTH.contains(&key.len()) { Ok(Self(key)) } else { Err(SecretError::Key) }
    }

    /// Stripe secrets from a comma-separated list, newest first. A blank list is no secret, with which nothing verifies.
    pub fn stripe_list(list: &str) -> Result<Vec<Self>, SecretError> {
        parse_list(list, Self::stripe)
    }

    /// Standard Webhooks secrets from a comma-separated list, newest first. A blank list is no secret, with which
    /// nothing verifies.
    pub fn standard_list(list: &str) -> Result<Vec<Self>, SecretError> {
        parse_list(list, Self::standard)
    }

    /// HMAC-SHA256 over `prefix` and `body`, ready to be finished or compared.
    pub(crate) fn mac(&self, prefix: &str, body: &[u8]) -> Hmac<Sha256> {
        Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length").chain_update(prefix).chain_update(body)
    }
}

fn encoded_part(secret: &str) -> Result<&str, SecretError> {
    secret
        .strip_prefix(PREFIX)
        .filter(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic()))
        .ok_or(SecretError::Form)
}

fn parse_list(list: &str, parse: fn(&str) -> Result<Secret, SecretError>) -> Result<Vec<Secret>, SecretError> {
    if list.trim().is_empty() {
        return Ok(Vec::new());
    }
    list.split(',').map(|secret| parse(secret.trim())).collect()
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "a webhook secret is `whsec_` followed by printable characters",
            Self::Key => "a Standard Webhooks secret is `whsec_` followed by the base64 of 24 to 64 bytes",
        })
    }
}

impl std::error::Error for SecretError {}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY_OF_24: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn debug_shows_nothing() {
        let shown = format!("{:?}", Secret::standard_list(KEY_OF_24).unwrap());
        assert_eq!(shown, "[Secret(…)]");
    }

    #[test]
    fn stripe_keeps_the_prefix_and_standard_decodes() {
        assert_eq!(Secret::stripe(KEY_OF_24).unwrap().0, KEY_OF_24.as_bytes());
        assert_eq!(Secret::standard(KEY_OF_24).unwrap().0.len(), 24);
    }

    #[test]
    fn standard_key_length_is_bounded() {
        let of_length = |length: usize| format!("whsec_{}", STANDARD.encode(vec![7; length]));
        for (length, allowed) in [(0, false), (23, false), (24, true), (64, true), (65, false)] {
            assert_eq!(Secret::standard(&of_length(length)).is_ok(), allowed, "{length} bytes");
        }
    }

    #[test]
    fn other_kinds_of_key_are_refused() {
        for value in ["", "whsec_", "sk_live_abc", "whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_a b", "whsec_ä"] {
            assert_eq!(Secret::stripe(value), Err(SecretError::Form), "{value:?}");
            assert_eq!(Secret::standard(value), Err(SecretError::Form), "{value:?}");
        }
        assert_eq!(Secret::standard("whsec_not*base64"), Err(SecretError::Key));
    }

    #[test]
    fn lists_keep_their_order_and_refuse_gaps() {
        assert_eq!(Secret::stripe_list(" "), Ok(vec![]));
        assert_eq!(
            Secret::stripe_list("whsec_new, whsec_old"),
            Ok(vec![Secret::stripe("whsec_new").unwrap(), Secret::stripe("whsec_old").unwrap()])
        );
        assert_eq!(Secret::stripe_list("whsec_new,,whsec_old"), Err(SecretError::Form));
        assert_eq!(Secret::standard_list(&format!("{KEY_OF_24},")), Err(SecretError::Form));
    }
}
