//! Mail addresses.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A mail address that a mail can be sent to: RFC 5321 without quoted local parts, address literals and characters
/// outside ASCII.
///
/// Kept as it was written; two spellings of one mailbox are two values. It is personal data, so it has no `Display` and
/// its `Debug` is masked: [`as_str`](Self::as_str) is for sending and storing, [`masked`](Self::masked) for logs.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct EmailAddress(String);

impl EmailAddress {
    /// The address in clear.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address with all but the first character of its local part hidden: `a***@example.com`.
    pub fn masked(&self) -> String {
        let domain = self.0.split_once('@').map_or("", |(_, domain)| domain);
        format!("{}***@{domain}", &self.0[..1])
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EmailAddress({})", self.masked())
    }
}

impl TryFrom<String> for EmailAddress {
    type Error = EmailAddressError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.is_empty() {
            return Err(EmailAddressError::Empty);
        }
        if !text.is_ascii() {
            return Err(EmailAddressError::NotAscii);
        }
        // RFC 5321 section 4.5.3.1.3: a path has 256 octets, two of them are its angle brackets.
        if text.len() > 254 {
            return Err(EmailAddressError::TooLong);
        }
        let Some((local, domain)) = text.split_once('@').filter(|(_, domain)| !domain.contains('@')) else {
            return Err(EmailAddressError::AtSign);
        };
        if !is_dot_string(local) {
            return Err(EmailAddressError::LocalPart);
        }
        if !is_host_name(domain) {
            return Err(EmailAddressError::Domain);
        }
        Ok(Self(text))
    }
}

impl FromStr for EmailAddress {
    type Err = EmailAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.to_owned().try_into()
    }
}

/// Why a text is not a mail address that mail can be sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmailAddressError {
    /// There is no text.
    Empty,
    /// It holds a character outside ASCII.
    NotAscii,
    /// It has more than 254 characters.
    TooLong,
    /// It does not have exactly one `@`.
    AtSign,
    /// What stands before the `@` is not a dot-string of 1 to 64 characters.
    LocalPart,
    /// What stands behind the `@` is not a host name.
    Domain,
}

impl fmt::Display for EmailAddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the mail address is empty",
            Self::NotAscii => "a mail address has only ASCII characters here",
            Self::TooLong => "a mail address has at most 254 characters",
            Self::AtSign => "a mail address has exactly one @",
            Self::LocalPart => {
                "what stands before the @ has 1 to 64 letters, digits and !#$%&'*+-/=?^_`{|}~, or single dots between them"
            }
            Self::Domain => "what stands behind the @ must be a domain name such as example.com",
        })
    }
}

impl std::error::Error for EmailAddressError {}

/// Whether a text is a dot-string of RFC 5321 (atoms with single dots between them) of a legal length.
fn is_dot_string(text: &str) -> bool {
    let is_atext = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
    text.len() <= 64 && text.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atext))
}

/// Whether a text is a fully qualified host name: at least two labels of letters, digits and inner hyphens (RFC 1123
/// section 2.1), of 1 to 63 characters each and 253 in all. The last label has a letter or hyphen, so no IPv4 address
/// is one.
pub(crate) fn is_host_name(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text.len() <= 253
        && text.split('.').all(is_label)
        && text.rsplit_once('.').is_some_and(|(_, top)| !top.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<EmailAddress, EmailAddressError> {
        text.parse()
    }

    #[test]
    fn accepts_common_forms_unchanged() {
        for text in [
            "ana@example.com",
            "a@b.co",
            "Ana.Maria+esim@mail.example.co.uk",
            "o'brien_%!#$&*/=?^`{|}~-@example.com",
            "x@xn--mnchen-3ya.example",
            "123@4chan.org",
        ] {
            assert_eq!(parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, error) in [
            ("", EmailAddressError::Empty),
            ("josé@example.com", EmailAddressError::NotAscii),
            ("ana@exämple.com", EmailAddressError::NotAscii),
            ("ana", EmailAddressError::AtSign),
            ("ana@example.com@example.com", EmailAddressError::AtSign),
            ("\"a@b\"@example.com", EmailAddressError::AtSign),
            ("@example.com", EmailAddressError::LocalPart),
            (".ana@example.com", EmailAddressError::LocalPart),
            ("ana.@example.com", EmailAddressError::LocalPart),
            ("ana..maria@example.com", EmailAddressError::LocalPart),
            ("\"ana\"@example.com", EmailAddressError::LocalPart),
            ("ana maria@example.com", EmailAddressError::LocalPart),
            (" ana@example.com", EmailAddressError::LocalPart),
            ("Ana <ana@example.com>", EmailAddressError::LocalPart),
            ("ana,bob@example.com", EmailAddressError::LocalPart),
            ("ana\r\nBcc:bob@example.com", EmailAddressError::LocalPart),
            ("ana@", EmailAddressError::Domain),
            ("ana@localhost", EmailAddressError::Domain),
            ("ana@example.com.", EmailAddressError::Domain),
            ("ana@.example.com", EmailAddressError::Domain),
            ("ana@example..com", EmailAddressError::Domain),
            ("ana@-example.com", EmailAddressError::Domain),
            ("ana@example-.com", EmailAddressError::Domain),
            ("ana@exa_mple.com", EmailAddressError::Domain),
            ("ana@192.0.2.1", EmailAddressError::Domain),
            ("ana@[192.0.2.1]", EmailAddressError::Domain),
            ("ana@example.com ", EmailAddressError::Domain),
            ("ana@example.com\n", EmailAddressError::Domain),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn lengths_at_their_limits() {
        let local = "l".repeat(64);
        assert!(parse(&format!("{local}@example.com")).is_ok());
        assert_eq!(parse(&format!("l{local}@example.com")), Err(EmailAddressError::LocalPart));

        let label = "d".repeat(63);
        assert!(parse(&format!("a@{label}.com")).is_ok());
        assert_eq!(parse(&format!("a@d{label}.com")), Err(EmailAddressError::Domain));

        let domain = format!("{label}.{label}.{label}.{}", "d".repeat(60));
        assert_eq!(domain.len(), 252);
        assert!(parse(&format!("a@{domain}")).is_ok());
        assert_eq!(parse(&format!("aa@{domain}")), Err(EmailAddressError::TooLong));
    }

    #[test]
    fn host_names_at_their_limits() {
        let label = "d".repeat(63);
        assert!(is_host_name(&format!("{label}.{label}.{label}.{}", "d".repeat(61))));
        assert!(!is_host_name(&format!("{label}.{label}.{label}.{}", "d".repeat(62))));
        assert!(!is_host_name(""));
        assert!(!is_host_name("."));
    }

    #[test]
    fn hides_the_mailbox() {
        let address = parse("ana.maria@example.com").unwrap();
        assert_eq!(address.masked(), "a***@example.com");
        assert_eq!(format!("{address:?}"), "EmailAddress(a***@example.com)");
        assert_eq!(parse("a@example.com").unwrap().masked(), "a***@example.com");
    }

    #[test]
    fn is_stored_as_text_and_errors_do_not_repeat_it() {
        let address: EmailAddress = serde_json::from_str(r#""ana@example.com""#).unwrap();
        assert_eq!(serde_json::to_string(&address).unwrap(), r#""ana@example.com""#);
        let error = serde_json::from_str::<EmailAddress>(r#""secret@localhost""#).unwrap_err();
        assert!(!error.to_string().contains("secret"));
    }
}
