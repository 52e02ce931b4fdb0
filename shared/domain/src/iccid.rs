//! SIM card numbers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The number of a SIM or eSIM profile (ICCID, ITU-T E.118): 19 or 20 digits that start with 89, the last one a Luhn
/// check digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Iccid(String);

impl Iccid {
    /// The number that `first_digits` (18 or 19 of them) make together with their check digit.
    pub fn with_check_digit(first_digits: &str) -> Result<Self, IccidError> {
        if first_digits.is_empty() {
            return Err(IccidError::Empty);
        }
        if !all_digits(first_digits) {
            return Err(IccidError::NotDigits);
        }
        let missing = (10 - luhn_sum(&format!("{first_digits}0")) % 10) % 10;
        format!("{first_digits}{missing}").parse()
    }

    /// The digits, without padding.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Iccid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads the digits. One `F` behind them is dropped: a card holds 20 half bytes and fills a number of 19 digits up
/// with it, and suppliers' lists often keep it.
impl FromStr for Iccid {
    type Err = IccidError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(IccidError::Empty);
        }
        let digits = text.strip_suffix(['F', 'f']).unwrap_or(text);
        if !all_digits(digits) {
            Err(IccidError::NotDigits)
        } else if !(19..=20).contains(&digits.len()) {
            Err(IccidError::Length)
        } else if !digits.starts_with("89") {
            Err(IccidError::Prefix)
        } else if !luhn_sum(digits).is_multiple_of(10) {
            Err(IccidError::Luhn)
        } else {
            Ok(Self(digits.to_owned()))
        }
    }
}

impl TryFrom<String> for Iccid {
    type Error = IccidError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// Why a text is not an ICCID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IccidError {
    /// There is no text.
    Empty,
    /// It holds something else than digits and one closing `F`.
    NotDigits,
    /// It has neither 19 nor 20 digits.
    Length,
    /// It does not start with 89, the industry identifier of telecommunications.
    Prefix,
    /// Its last digit is not the Luhn check digit of the others.
    Luhn,
}

impl fmt::Display for IccidError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the ICCID is empty",
            Self::NotDigits => "an ICCID has only digits, with at most one F behind them",
            Self::Length => "an ICCID has 19 or 20 digits",
            Self::Prefix => "an ICCID starts with 89",
            Self::Luhn => "the last digit of the ICCID is not its Luhn check digit",
        })
    }
}

impl std::error::Error for IccidError {}

pub(crate) fn all_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The Luhn sum (ISO/IEC 7812-1 annex B) of a text of digits that ends with its check digit.
fn luhn_sum(digits: &str) -> u32 {
    digits
        .bytes()
        .rev()
        .map(|byte| u32::from(byte - b'0'))
        .enumerate()
        .map(|(place, digit)| match place % 2 {
            0 => digit,
            _ => digit * 2 / 10 + digit * 2 % 10,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Iccid, IccidError> {
        text.parse()
    }

    #[test]
    fn luhn_sum_of_known_numbers() {
        assert_eq!(luhn_sum("79927398713"), 70);
        assert_eq!(luhn_sum("79927398710"), 67);
    }

    #[test]
    fn accepts_19_and_20_digits() {
        for text in ["8934501234567890125", "89445001234567890129"] {
            assert_eq!(parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn drops_one_pad() {
        assert_eq!(parse("8934501234567890125F").unwrap().as_str(), "8934501234567890125");
        assert_eq!(parse("8934501234567890125f").unwrap().as_str(), "8934501234567890125");
        assert_eq!(parse("8934501234567890125FF"), Err(IccidError::NotDigits));
        assert_eq!(parse("F8934501234567890125"), Err(IccidError::NotDigits));
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, error) in [
            ("", IccidError::Empty),
            ("F", IccidError::Length),
            (" 8934501234567890125", IccidError::NotDigits),
            ("8934501234567890125\n", IccidError::NotDigits),
            ("8944-1000-0000-0000-000", IccidError::NotDigits),
            ("894450000000000000\u{664}", IccidError::NotDigits),
            ("9000024041590216", IccidError::Length),
            ("934801019851134300", IccidError::Length),
            ("890000000000000000000", IccidError::Length),
            ("0000000000000000000", IccidError::Prefix),
            ("8997250230000292199", IccidError::Luhn),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn one_wrong_digit_is_noticed() {
        let valid = "8934501234567890125";
        for place in 2..valid.len() {
            for digit in '0'..='9' {
                let mut text = valid.to_owned();
                text.replace_range(place..=place, &digit.to_string());
                assert_eq!(parse(&text).is_ok(), text == valid, "{text}");
            }
        }
    }

    #[test]
    fn completes_a_check_digit() {
        assert_eq!(Iccid::with_check_digit(&"8934501234567890125"[..18]), parse("8934501234567890125"));
        assert_eq!(Iccid::with_check_digit(&"89445001234567890129"[..19]), parse("89445001234567890129"));
        for number in 0..100 {
            assert!(Iccid::with_check_digit(&format!("89990100000000{number:04}")).is_ok());
        }
        assert_eq!(Iccid::with_check_digit(""), Err(IccidError::Empty));
        assert_eq!(Iccid::with_check_digit("89x"), Err(IccidError::NotDigits));
        assert_eq!(Iccid::with_check_digit("89990100000000000F"), Err(IccidError::NotDigits));
        assert_eq!(Iccid::with_check_digit("89990100000000000"), Err(IccidError::Length));
        assert_eq!(Iccid::with_check_digit("89990100000000000000"), Err(IccidError::Length));
        assert_eq!(Iccid::with_check_digit("999901000000000000"), Err(IccidError::Prefix));
    }

    #[test]
    fn is_stored_as_text() {
        let iccid = parse("8934501234567890125").unwrap();
        assert_eq!(serde_json::to_string(&iccid).unwrap(), r#""8934501234567890125""#);
        assert_eq!(serde_json::from_str::<Iccid>(r#""8934501234567890125""#).unwrap(), iccid);
        assert!(serde_json::from_str::<Iccid>(r#""8997250230000292199""#).is_err());
    }
}
