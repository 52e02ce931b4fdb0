//! Order numbers, and the short hashes behind them and other derived ids.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The digits of Crockford's base32 in order of value; no `I`, `L`, `O` or `U`.
const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

const PREFIX: &str = "EP";

/// 80 bits in base32.
const DIGITS: usize = 16;

/// The number of an order: `EP` and 16 characters of Crockford's base32 in upper case, such as `EP0123456789ABCDEF`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct OrderNum(String);

impl OrderNum {
    /// The number that a request gives its order: the same partner, route and `Idempotency-Key` always make the same
    /// number, so a repeated request meets the order that the first one made.
    pub fn derive(partner_id: &str, route: &str, idempotency_key: &str) -> Self {
        Self(format!("{PREFIX}{}", short_hash(&[partner_id, route, idempotency_key])))
    }

    /// The number made of 80 random bits, for an order without an `Idempotency-Key`.
    pub fn from_random(bits: [u8; 10]) -> Self {
        Self(format!("{PREFIX}{}", crockford(bits)))
    }

    /// The number as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OrderNum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for OrderNum {
    type Error = OrderNumError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.strip_prefix(PREFIX) {
            Some(digits) if digits.len() == DIGITS && digits.bytes().all(|digit| CROCKFORD.contains(&digit)) => Ok(Self(text)),
            _ => Err(OrderNumError),
        }
    }
}

impl FromStr for OrderNum {
    type Err = OrderNumError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.to_owned().try_into()
    }
}

/// The text is not an order number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderNumError;

impl fmt::Display for OrderNumError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be EP and 16 characters of Crockford base32 in upper case")
    }
}

impl std::error::Error for OrderNumError {}

/// The first 80 bits of SHA-256 over the parts, as 16 characters of Crockford's base32.
///
/// Each part goes in behind its length in bytes (64 bits, big-endian), so moving text from one part to the next changes
/// the hash.
pub fn short_hash(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let mut bits = [0; 10];
    bits.copy_from_slice(&hasher.finalize()[..10]);
    crockford(bits)
}

fn crockford(bits: [u8; 10]) -> String {
    let value = bits.iter().fold(0_u128, |value, &byte| (value << 8) | u128::from(byte));
    (0..DIGITS).rev().map(|digit| char::from(CROCKFORD[(value >> (5 * digit)) as usize & 31])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_the_ends_and_each_digit() {
        assert_eq!(OrderNum::from_random([0; 10]).as_str(), "EP0000000000000000");
        assert_eq!(OrderNum::from_random([0xFF; 10]).as_str(), "EPZZZZZZZZZZZZZZZZ");
        // The values 0 to 15, then 16 to 31, five bits each.
        let low = [0x00, 0x44, 0x32, 0x14, 0xC7, 0x42, 0x54, 0xB6, 0x35, 0xCF];
        let high = [0x84, 0x65, 0x3A, 0x56, 0xD7, 0xC6, 0x75, 0xBE, 0x77, 0xDF];
        assert_eq!(OrderNum::from_random(low).as_str(), "EP0123456789ABCDEF");
        assert_eq!(OrderNum::from_random(high).as_str(), "EPGHJKMNPQRSTVWXYZ");
    }

    #[test]
    fn the_same_request_has_the_same_number() {
        let num = OrderNum::derive("acme", "POST /v1/orders", "key-1");
        assert_eq!(num, OrderNum::derive("acme", "POST /v1/orders", "key-1"));
        assert_eq!(num.as_str().parse(), Ok(num.clone()));
        for other in [
            OrderNum::derive("acm", "ePOST /v1/orders", "key-1"),
            OrderNum::derive("acme", "POST /v1/orders", "key-2"),
            OrderNum::derive("acme", "POST /v1/orderskey-1", ""),
            OrderNum::derive("", "acmePOST /v1/orders", "key-1"),
        ] {
            assert_ne!(num, other);
        }
    }

    #[test]
    fn hashes_length_prefixed_parts() {
        // SHA-256 of nothing starts e3b0c44298fc1c149afb.
        assert_eq!(short_hash(&[]), crockford([0xE3, 0xB0, 0xC4, 0x42, 0x98, 0xFC, 0x1C, 0x14, 0x9A, 0xFB]));
        // SHA-256 of 0000000000000003 616263 0000000000000000, computed elsewhere.
        assert_eq!(short_hash(&["abc", ""]), "YPMK9DDBJRAQPHMG");
        assert_ne!(short_hash(&["", "abc"]), short_hash(&["abc", ""]));
    }

    #[test]
    fn refuses_what_is_not_an_order_number() {
        for text in [
            "",
            "EP",
            "EP0123456789ABCDE",
            "EP0123456789ABCDEFG",
            "ep0123456789ABCDEF",
            "EP0123456789abcdef",
            "EP0123456789ABCDEI",
            "EP0123456789ABCDEL",
            "EP0123456789ABCDEO",
            "EP0123456789ABCDEU",
            "EP0123456789ABCD-F",
            "EP0123456789ABCDÄ",
            "XX0123456789ABCDEF",
            " EP0123456789ABCDEF",
            "EP20240124000013",
        ] {
            assert_eq!(text.parse::<OrderNum>(), Err(OrderNumError), "{text}");
        }
    }

    #[test]
    fn is_stored_as_text() {
        let num: OrderNum = "EP0123456789ABCDEF".parse().unwrap();
        assert_eq!(serde_json::to_string(&num).unwrap(), r#""EP0123456789ABCDEF""#);
        assert_eq!(serde_json::from_str::<OrderNum>(r#""EP0123456789ABCDEF""#).unwrap(), num);
        assert!(serde_json::from_str::<OrderNum>(r#""EP0123456789ABCDEU""#).is_err());
    }
}
