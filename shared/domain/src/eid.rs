//! eUICC numbers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::iccid::all_digits;

/// The number of an eUICC, hence of the device that it sits in (EID, GSMA SGP.29): 32 digits, the last two of them check
/// digits after ISO/IEC 7064 MOD 97-10.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Eid(String);

impl Eid {
    /// The 32 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Eid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Eid {
    type Error = EidError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.is_empty() {
            return Err(EidError::Empty);
        }
        if !all_digits(&text) {
            return Err(EidError::NotDigits);
        }
        if text.len() != 32 {
            return Err(EidError::Length);
        }
        let remainder = text.bytes().fold(0, |rest, byte| (rest * 10 + u32::from(byte - b'0')) % 97);
        if remainder == 1 { Ok(Self(text)) } else { Err(EidError::CheckDigits) }
    }
}

impl FromStr for Eid {
    type Err = EidError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.to_owned().try_into()
    }
}

/// Why a text is not an EID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EidError {
    /// There is no text.
    Empty,
    /// It holds something else than digits.
    NotDigits,
    /// It does not have 32 digits.
    Length,
    /// Its last two digits are not the check digits of the others.
    CheckDigits,
}

impl fmt::Display for EidError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the EID is empty",
            Self::NotDigits => "an EID has only digits",
            Self::Length => "an EID has 32 digits",
            Self::CheckDigits => "the last two digits of the EID are not its check digits",
        })
    }
}

impl std::error::Error for EidError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_known_numbers() {
        for text in ["89049032007108882600137544319616", "89001012012341234012345678901224", "89049032004008882600019002596605"] {
            assert_eq!(text.parse::<Eid>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, error) in [
            ("", EidError::Empty),
            ("8900101201234123401234567890122", EidError::Length),
            ("890010120123412340123456789012240", EidError::Length),
            ("+9001012012341234012345678901224", EidError::NotDigits),
            ("8900101201234123401234567890122F", EidError::NotDigits),
            (" 89001012012341234012345678901224", EidError::NotDigits),
            ("89049032004008882600019002596666", EidError::CheckDigits),
            ("89049032007108882600137544319661", EidError::CheckDigits),
            ("00000000000000000000000000000000", EidError::CheckDigits),
        ] {
            assert_eq!(text.parse::<Eid>(), Err(error), "{text}");
        }
    }

    #[test]
    fn is_stored_as_text() {
        let json = r#""89001012012341234012345678901224""#;
        let eid: Eid = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&eid).unwrap(), json);
        assert!(serde_json::from_str::<Eid>(r#""89049032004008882600019002596666""#).is_err());
    }
}
