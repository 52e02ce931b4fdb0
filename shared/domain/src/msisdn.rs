//! Telephone numbers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::iccid::all_digits;

/// A telephone number in international form (ITU-T E.164): `+` and 7 to 15 digits, the first of them not 0.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Msisdn(String);

impl Msisdn {
    /// The number with its `+`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Msisdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads the digits with or without the `+`.
impl FromStr for Msisdn {
    type Err = MsisdnError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix('+').unwrap_or(text);
        if digits.is_empty() {
            Err(MsisdnError::Empty)
        } else if !all_digits(digits) {
            Err(MsisdnError::NotDigits)
        } else if digits.starts_with('0') {
            Err(MsisdnError::LeadingZero)
        } else if !(7..=15).contains(&digits.len()) {
            Err(MsisdnError::Length)
        } else {
            Ok(Self(format!("+{digits}")))
        }
    }
}

impl TryFrom<String> for Msisdn {
    type Error = MsisdnError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// Why a text is not a telephone number in international form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MsisdnError {
    /// There is no digit.
    Empty,
    /// It holds something else than digits behind at most one `+`.
    NotDigits,
    /// It starts with 0, as national and `00` forms do; no country code does.
    LeadingZero,
    /// It does not have 7 to 15 digits.
    Length,
}

impl fmt::Display for MsisdnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the telephone number is empty",
            Self::NotDigits => "a telephone number has only digits, with at most one + before them",
            Self::LeadingZero => "a telephone number starts with its country code, not with 0",
            Self::Length => "a telephone number has 7 to 15 digits",
        })
    }
}

impl std::error::Error for MsisdnError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plus_is_optional_and_shown() {
        for text in ["34600123456", "+34600123456"] {
            assert_eq!(text.parse::<Msisdn>().unwrap().to_string(), "+34600123456");
        }
        assert_eq!("1234567".parse::<Msisdn>().unwrap().as_str(), "+1234567");
        assert_eq!("+123456789012345".parse::<Msisdn>().unwrap().as_str(), "+123456789012345");
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, error) in [
            ("", MsisdnError::Empty),
            ("+", MsisdnError::Empty),
            ("++34600123456", MsisdnError::NotDigits),
            ("34 600 123 456", MsisdnError::NotDigits),
            ("34600123456+", MsisdnError::NotDigits),
            ("0034600123456", MsisdnError::LeadingZero),
            ("+0123456789", MsisdnError::LeadingZero),
            ("123456", MsisdnError::Length),
            ("1234567890123456", MsisdnError::Length),
        ] {
            assert_eq!(text.parse::<Msisdn>(), Err(error), "{text}");
        }
    }

    #[test]
    fn is_stored_as_text() {
        let msisdn: Msisdn = serde_json::from_str(r#""34600123456""#).unwrap();
        assert_eq!(serde_json::to_string(&msisdn).unwrap(), r#""+34600123456""#);
        assert!(serde_json::from_str::<Msisdn>(r#""0600123456""#).is_err());
    }
}
