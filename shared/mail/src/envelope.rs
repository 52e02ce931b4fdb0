//! What every mail has: who sends it to whom, when and about which order.

use std::str::FromStr;

use simdock_domain::{EmailAddress, OrderNum, Timestamp};

use crate::content::Content;
use crate::mime::{Headers, Part};
use crate::{MailError, date};

/// Who a mail comes from: `address` or `Name <address>`, the name quoted or not. It is text, not RFC 5322: any name
/// without control characters and angle brackets will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    name: Option<String>,
    address: EmailAddress,
}

impl FromStr for Sender {
    type Err = MailError;

    /// # Errors
    /// [`MailError::Sender`] when the text is neither form.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let (name, address) = match text.strip_suffix('>') {
            Some(text) => text.split_once('<').ok_or(MailError::Sender)?,
            None => ("", text),
        };
        let name = name.trim();
        let name = match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
            Some(quoted) => quoted.replace("\\\"", "\"").replace("\\\\", "\\"),
            None => name.to_owned(),
        };
        if name.contains(|character: char| character.is_control() || "<>".contains(character)) {
            return Err(MailError::Sender);
        }
        Ok(Self { name: Some(name).filter(|name| !name.is_empty()), address: address.parse().map_err(|_| MailError::Sender)? })
    }
}

impl Sender {
    fn domain(&self) -> &str {
        self.address.as_str().split_once('@').map_or("", |(_, domain)| domain)
    }
}

/// What every mail has.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// Who sends it.
    pub from: &'a Sender,
    /// Who receives it.
    pub to: &'a EmailAddress,
    /// The order it is about. The Message-ID is made of it, the kind of mail and the sender's domain, so the same mail
    /// of an order is recognised when it arrives twice.
    pub order_num: &'a OrderNum,
    /// When it is written.
    pub date: Timestamp,
}

impl Envelope<'_> {
    /// A name, unique to this order and `kind` of mail, with the form of a Message-ID or Content-ID.
    pub(crate) fn id(&self, kind: &str) -> String {
        format!("{}.{kind}@{}", self.order_num, self.from.domain())
    }

    /// The whole message: text and HTML as alternatives, with the images that the HTML shows.
    pub(crate) fn seal(&self, kind: &str, subject: &str, content: &Content, images: Vec<Part>) -> Result<Vec<u8>, MailError> {
        let mut headers = Headers::default();
        headers
            .mailbox("From", self.from.name.as_deref(), self.from.address.as_str())?
            .mailbox("To", None, self.to.as_str())?
            .text("Subject", subject)?
            .token("Date", &date::rfc5322(self.date))?
            .token("Message-ID", &format!("<{}>", self.id(kind)))?
            .token("Auto-Submitted", "auto-generated")?
            .token("Content-Language", content.language.tag())?
            .token("MIME-Version", "1.0")?;

        let alternatives = [Part::text("plain", &content.to_text()), Part::text("html", &content.to_html())];
        let alternative = Part::multipart("alternative", &format!("alternative_{}", self.order_num), &alternatives);
        if images.is_empty() {
            return Ok(alternative.into_message(headers));
        }
        let mut parts = vec![alternative];
        parts.extend(images);
        let related = Part::multipart("related; type=\"multipart/alternative\"", &format!("related_{}", self.order_num), &parts);
        Ok(related.into_message(headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_forms_of_a_sender() {
        for (text, name) in [
            ("orders@example.com", None),
            ("<orders@example.com>", None),
            ("Simdock <orders@example.com>", Some("Simdock")),
            ("\"Simdock, Inc.\" <orders@example.com>", Some("Simdock, Inc.")),
            ("\"The \\\"best\\\" SIM\" <orders@example.com>", Some("The \"best\" SIM")),
            (" 旅のSIM <orders@example.com> ", Some("旅のSIM")),
        ] {
            let sender: Sender = text.parse().unwrap();
            assert_eq!(sender.name.as_deref(), name, "{text}");
            assert_eq!(sender.address.as_str(), "orders@example.com");
            assert_eq!(sender.domain(), "example.com");
        }
    }

    #[test]
    fn refuses_what_is_no_sender() {
        for text in [
            "",
            "Simdock",
            "Simdock <>",
            "Simdock <orders>",
            "Simdock <orders@example.com> x",
            "Simdock orders@example.com>",
            "a@example.com, b@example.com",
            "A <a@example.com>, B <b@example.com>",
            "Sim\r\nBcc: eve@example.com\r\n <orders@example.com>",
            "Sim\0dock <orders@example.com>",
            "Simdock <orders@example.com\r\nBcc: eve@example.com>",
        ] {
            assert_eq!(text.parse::<Sender>(), Err(MailError::Sender), "{text:?}");
        }
    }
}
