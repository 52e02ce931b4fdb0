//! Activation codes of eSIM profiles.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::email::is_host_name;
use crate::iccid::all_digits;
use crate::short_hash;

/// What a phone needs to download an eSIM profile (GSMA SGP.22 section 4.1), such as
/// `LPA:1$smdp.example.com$04386-AGYFT-A74Y8-3F815`.
///
/// Who knows the code can install the profile, so `Debug` hides its matching id; `Display` is the code in clear, in the
/// canonical form: with `LPA:`, without delimiters behind the last field that is present.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ActivationCode {
    sm_dp_address: String,
    matching_id: String,
    oid: Option<String>,
    confirmation_code_required: bool,
}

/// The only activation code format that SGP.22 defines.
const FORMAT: &str = "1";

/// The value of a confirmation code required flag; a code that needs none has no flag.
const CONFIRMATION_CODE_REQUIRED: &str = "1";

/// The most characters that SGP.22 allows in a code, `LPA:` not counted.
const MAX_LENGTH: usize = 255;

impl ActivationCode {
    /// The code made of its fields.
    ///
    /// `sm_dp_address` is the host name of the SM-DP+, `matching_id` upper case letters, digits and `-` or empty, `oid`
    /// the dotted object identifier that the SM-DP+ must prove.
    pub fn new(
        sm_dp_address: &str,
        matching_id: &str,
        oid: Option<&str>,
        confirmation_code_required: bool,
    ) -> Result<Self, ActivationCodeError> {
        if !is_host_name(sm_dp_address) {
            return Err(ActivationCodeError::SmDpAddress);
        }
        if !matching_id.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-') {
            return Err(ActivationCodeError::MatchingId);
        }
        if !oid.is_none_or(is_oid) {
            return Err(ActivationCodeError::Oid);
        }
        let code = Self {
            sm_dp_address: sm_dp_address.to_owned(),
            matching_id: matching_id.to_owned(),
            oid: oid.map(str::to_owned),
            confirmation_code_required,
        };
        if code.fields(&code.matching_id).len() > MAX_LENGTH {
            return Err(ActivationCodeError::TooLong);
        }
        Ok(code)
    }

    /// The host name of the SM-DP+ that holds the profile.
    pub fn sm_dp_address(&self) -> &str {
        &self.sm_dp_address
    }

    /// The token by which the SM-DP+ finds the profile; empty when it finds it by the EID. A secret of the buyer.
    pub fn matching_id(&self) -> &str {
        &self.matching_id
    }

    /// What the code downloads: the same for all codes that lead to one profile, whatever else they hold. A hash, so that it may stand
    /// where codes must not. The SM-DP+'s name does not heed case; the rest of the code does not tell profiles apart (SGP.22
    /// section 4.1). `None` where the matching id is empty: the SM-DP+ then goes by the phone, and many cards share one code.
    pub fn profile_id(&self) -> Option<String> {
        let address = self.sm_dp_address.to_ascii_lowercase();
        (!self.matching_id.is_empty()).then(|| short_hash(&["profile", &address, &self.matching_id]))
    }

    /// The object identifier that the SM-DP+ must prove, if the code names one.
    pub fn oid(&self) -> Option<&str> {
        self.oid.as_deref()
    }

    /// Whether the phone asks for a confirmation code, which travels apart from this one.
    pub fn confirmation_code_required(&self) -> bool {
        self.confirmation_code_required
    }

    /// The address that starts the installation on an iPhone with iOS 17.4 or later. Holds the code in clear.
    pub fn ios_install_url(&self) -> String {
        self.install_url("esimsetup.apple.com")
    }

    /// The address that starts the installation on an Android phone that knows it. Holds the code in clear.
    pub fn android_install_url(&self) -> String {
        self.install_url("esimsetup.android.com")
    }

    fn install_url(&self, host: &str) -> String {
        format!("https://{host}/esim_qrcode_provisioning?carddata={}", percent_encode(&self.to_string()))
    }

    /// The fields behind `LPA:`, with `matching_id` in the place of the code's own.
    fn fields(&self, matching_id: &str) -> String {
        let required = format!("{FORMAT}${}${matching_id}", self.sm_dp_address);
        match (&self.oid, self.confirmation_code_required) {
            (None, false) => required,
            (Some(oid), false) => format!("{required}${oid}"),
            (oid, true) => format!("{required}${}${CONFIRMATION_CODE_REQUIRED}", oid.as_deref().unwrap_or_default()),
        }
    }
}

impl fmt::Display for ActivationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LPA:{}", self.fields(&self.matching_id))
    }
}

impl fmt::Debug for ActivationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LPA:{}", self.fields("***"))
    }
}

/// Reads the fields with or without `LPA:` in any case, which only QR codes must carry.
impl FromStr for ActivationCode {
    type Err = ActivationCodeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fields = match text.split_at_checked(4) {
            Some((prefix, fields)) if prefix.eq_ignore_ascii_case("LPA:") => fields,
            _ => text,
        };
        let fields: Vec<&str> = fields.split('$').collect();
        if fields.first() != Some(&FORMAT) {
            return Err(ActivationCodeError::Format);
        }
        match fields[1..] {
            [] | [_] => Err(ActivationCodeError::Incomplete),
            [address, matching_id] => Self::new(address, matching_id, None, false),
            [_, _, .., ""] if fields.len() <= 5 => Err(ActivationCodeError::TrailingDelimiter),
            [address, matching_id, oid] => Self::new(address, matching_id, Some(oid), false),
            [address, matching_id, oid, CONFIRMATION_CODE_REQUIRED] => {
                Self::new(address, matching_id, Some(oid).filter(|oid| !oid.is_empty()), true)
            }
            [_, _, _, _] => Err(ActivationCodeError::ConfirmationCodeFlag),
            [_, _, _, _, _, ..] => Err(ActivationCodeError::ExtraFields),
        }
    }
}

impl TryFrom<String> for ActivationCode {
    type Error = ActivationCodeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ActivationCode> for String {
    fn from(code: ActivationCode) -> Self {
        code.to_string()
    }
}

/// Why a text is not an activation code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActivationCodeError {
    /// Its first field is not the format 1.
    Format,
    /// The field for the SM-DP+ address or that for the matching id is missing.
    Incomplete,
    /// The SM-DP+ address is not a host name.
    SmDpAddress,
    /// The matching id has another character than upper case letters, digits and `-`.
    MatchingId,
    /// The object identifier of the SM-DP+ is not digits with dots between them.
    Oid,
    /// The confirmation code required flag is not 1.
    ConfirmationCodeFlag,
    /// An optional field is announced by its delimiter but left empty at the end.
    TrailingDelimiter,
    /// There are fields behind the fifth, as SGP.22 version 3 adds them.
    ExtraFields,
    /// It has more than 255 characters.
    TooLong,
}

impl fmt::Display for ActivationCodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Format => "an activation code starts with LPA:1$ or 1$",
            Self::Incomplete => "an activation code names at least an SM-DP+ address and a matching id: 1$address$id",
            Self::SmDpAddress => "the SM-DP+ address of the activation code must be a host name such as smdp.example.com",
            Self::MatchingId => "the matching id of the activation code has only upper case letters, digits and -",
            Self::Oid => "the fourth field of an activation code is an object identifier: digits with dots between them",
            Self::ConfirmationCodeFlag => "the fifth field of an activation code must be 1 or absent",
            Self::TrailingDelimiter => "an activation code does not end with the $ of a field that is not there",
            Self::ExtraFields => "an activation code with more than five fields is not supported",
            Self::TooLong => "an activation code has at most 255 characters",
        })
    }
}

impl std::error::Error for ActivationCodeError {}

fn is_oid(text: &str) -> bool {
    text.contains('.') && text.split('.').all(|arc| !arc.is_empty() && all_digits(arc))
}

/// Escapes everything but the unreserved characters of RFC 3986.
fn percent_encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "smdp.example.com";
    const ID: &str = "04386-AGYFT-A74Y8-3F815";
    const OID: &str = "1.3.6.1.4.1.31746";

    fn parse(text: &str) -> Result<ActivationCode, ActivationCodeError> {
        text.parse()
    }

    #[test]
    fn reads_the_examples_of_sgp_22() {
        for (text, id, oid, flag) in [
            ("1$smdp.example.com$04386-AGYFT-A74Y8-3F815", ID, None, false),
            ("1$smdp.example.com$04386-AGYFT-A74Y8-3F815$$1", ID, None, true),
            ("1$smdp.example.com$04386-AGYFT-A74Y8-3F815$1.3.6.1.4.1.31746$1", ID, Some(OID), true),
            ("1$smdp.example.com$04386-AGYFT-A74Y8-3F815$1.3.6.1.4.1.31746", ID, Some(OID), false),
            ("1$smdp.example.com$$1.3.6.1.4.1.31746", "", Some(OID), false),
        ] {
            let code = parse(text).unwrap();
            assert_eq!(
                (code.sm_dp_address(), code.matching_id(), code.oid(), code.confirmation_code_required()),
                (HOST, id, oid, flag)
            );
            assert_eq!(ActivationCode::new(HOST, id, oid, flag), Ok(code.clone()));
            for prefix in ["LPA:", "lpa:", "Lpa:"] {
                assert_eq!(parse(&format!("{prefix}{text}")), Ok(code.clone()));
            }
            assert_eq!(code.to_string(), format!("LPA:{text}"));
        }
    }

    #[test]
    fn an_empty_matching_id_keeps_its_place() {
        let code = ActivationCode::new(HOST, "", None, false).unwrap();
        assert_eq!(code.to_string(), "LPA:1$smdp.example.com$");
        assert_eq!(parse(&code.to_string()), Ok(code));
        let code = ActivationCode::new(HOST, "", None, true).unwrap();
        assert_eq!(code.to_string(), "LPA:1$smdp.example.com$$$1");
        assert_eq!(parse(&code.to_string()), Ok(code));
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, error) in [
            ("", ActivationCodeError::Format),
            ("LPA:", ActivationCodeError::Format),
            ("LPA:2$smdp.example.com$ID", ActivationCodeError::Format),
            ("LPA:LPA:1$smdp.example.com$ID", ActivationCodeError::Format),
            (" LPA:1$smdp.example.com$ID", ActivationCodeError::Format),
            ("smdp.example.com$ID", ActivationCodeError::Format),
            ("ÄÖÜ1$smdp.example.com$ID", ActivationCodeError::Format),
            ("LPA:1", ActivationCodeError::Incomplete),
            ("LPA:1$", ActivationCodeError::Incomplete),
            ("LPA:1$smdp.example.com", ActivationCodeError::Incomplete),
            ("LPA:1$$ID", ActivationCodeError::SmDpAddress),
            ("LPA:1$localhost$ID", ActivationCodeError::SmDpAddress),
            ("LPA:1$smdp.example.com:443$ID", ActivationCodeError::SmDpAddress),
            ("LPA:1$https://smdp.example.com$ID", ActivationCodeError::SmDpAddress),
            ("LPA:1$192.0.2.1$ID", ActivationCodeError::SmDpAddress),
            ("LPA:1$smdp.exämple.com$ID", ActivationCodeError::SmDpAddress),
            ("LPA:1$smdp.example.com$id", ActivationCodeError::MatchingId),
            ("LPA:1$smdp.example.com$I D", ActivationCodeError::MatchingId),
            ("LPA:1$smdp.example.com$ID\n", ActivationCodeError::MatchingId),
            ("LPA:1$smdp.example.com$ID$1234", ActivationCodeError::Oid),
            ("LPA:1$smdp.example.com$ID$1.", ActivationCodeError::Oid),
            ("LPA:1$smdp.example.com$ID$.1", ActivationCodeError::Oid),
            ("LPA:1$smdp.example.com$ID$1..3", ActivationCodeError::Oid),
            ("LPA:1$smdp.example.com$ID$1.x$1", ActivationCodeError::Oid),
            ("LPA:1$smdp.example.com$ID$$0", ActivationCodeError::ConfirmationCodeFlag),
            ("LPA:1$smdp.example.com$ID$1.3$true", ActivationCodeError::ConfirmationCodeFlag),
            ("LPA:1$smdp.example.com$ID$", ActivationCodeError::TrailingDelimiter),
            ("LPA:1$smdp.example.com$$", ActivationCodeError::TrailingDelimiter),
            ("LPA:1$smdp.example.com$ID$$", ActivationCodeError::TrailingDelimiter),
            ("LPA:1$smdp.example.com$ID$1.3$", ActivationCodeError::TrailingDelimiter),
            ("LPA:1$smdp.example.com$ID$$1$", ActivationCodeError::ExtraFields),
            ("LPA:1$smdp.example.com$ID$$1$KEY", ActivationCodeError::ExtraFields),
            ("LPA:1$smdp.example.com$ID$$$KEY", ActivationCodeError::ExtraFields),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
        assert_eq!(ActivationCode::new(HOST, ID, Some(""), false), Err(ActivationCodeError::Oid));
    }

    #[test]
    fn has_at_most_255_characters() {
        let room = MAX_LENGTH - "1$smdp.example.com$".len();
        assert!(ActivationCode::new(HOST, &"A".repeat(room), None, false).is_ok());
        assert_eq!(ActivationCode::new(HOST, &"A".repeat(room + 1), None, false), Err(ActivationCodeError::TooLong));
        assert_eq!(ActivationCode::new(HOST, &"A".repeat(room - 2), None, true), Err(ActivationCodeError::TooLong));
    }

    #[test]
    fn install_urls_carry_the_code_percent_encoded() {
        let code = ActivationCode::new(HOST, ID, None, true).unwrap();
        let query = "carddata=LPA%3A1%24smdp.example.com%2404386-AGYFT-A74Y8-3F815%24%241";
        assert_eq!(code.ios_install_url(), format!("https://esimsetup.apple.com/esim_qrcode_provisioning?{query}"));
        assert_eq!(code.android_install_url(), format!("https://esimsetup.android.com/esim_qrcode_provisioning?{query}"));
    }

    #[test]
    fn debug_hides_the_matching_id() {
        let code = ActivationCode::new(HOST, ID, None, false).unwrap();
        assert_eq!(format!("{code:?}"), "LPA:1$smdp.example.com$***");
        let code = ActivationCode::new(HOST, ID, Some(OID), true).unwrap();
        assert_eq!(format!("{code:?}"), "LPA:1$smdp.example.com$***$1.3.6.1.4.1.31746$1");
    }

    #[test]
    fn codes_of_one_profile_have_one_id_that_does_not_tell_them() {
        let id = |text: &str| parse(text).unwrap().profile_id();
        let profile = id("1$smdp.example.com$K-1").unwrap();
        for same in ["LPA:1$SMDP.Example.com$K-1", "1$smdp.example.com$K-1$1.3.6$1", "1$smdp.example.com$K-1$$1"] {
            assert_eq!(id(same).as_ref(), Some(&profile), "{same}");
        }
        for other in ["1$smdp.example.com$K-2", "1$rsp.example.com$K-1", "1$smdp.example.comk$-1", "1$smdp.example.com$K1"] {
            assert_ne!(id(other), Some(profile.clone()), "{other}");
        }
        assert_eq!(profile.len(), 16);
        assert!(!profile.contains("K-1"));
        // The phone tells which: many cards may share such a code.
        assert_eq!(id("1$smdp.example.com$"), None);
        assert_eq!(id("1$smdp.example.com$$1.3.6"), None);
    }

    #[test]
    fn is_stored_as_canonical_text_and_errors_do_not_repeat_it() {
        let code: ActivationCode = serde_json::from_str(r#""1$smdp.example.com$ID""#).unwrap();
        assert_eq!(serde_json::to_string(&code).unwrap(), r#""LPA:1$smdp.example.com$ID""#);
        let error = serde_json::from_str::<ActivationCode>(r#""1$smdp.example.com$secret""#).unwrap_err();
        assert!(!error.to_string().contains("secret"));
    }
}
