//! The mails of Simdock as finished messages: QR codes, MIME and the words in every language.
//!
//! [`qr_mail()`], [`confirmation_mail`], [`shipment_mail`] and [`manager_mail`] each return one whole message (RFC 5322), as `SendEmail` of
//! SES takes it raw. The same values always make the same bytes.
//!
//! Names, plans and whatever else comes from outside are untrusted here. In a header a control character is refused; in
//! a body it becomes a space, so a value never starts a line of its own; in HTML a value is escaped by the only writer
//! that there is. A mail holds no remote content and follows the reader's light or dark mode.

mod confirmation;
mod content;
mod date;
mod envelope;
mod error;
mod html;
mod language;
mod line;
mod manager;
mod mime;
mod modules;
mod qr;
mod qr_mail;
mod shipment;

use std::borrow::Cow;

pub use crate::confirmation::{ConfirmationMail, Confirmed, confirmation_mail};
pub use crate::envelope::{Envelope, Sender};
pub use crate::error::MailError;
pub use crate::language::Language;
pub use crate::line::{Addressee, KnownLine};
pub use crate::manager::{ManagerMail, manager_mail};
pub use crate::qr::{qr_png, qr_svg};
pub use crate::qr_mail::{QrCard, QrMail, qr_mail};
pub use crate::shipment::{ShipmentMail, shipment_mail};

/// The value on one line: runs of control characters and line separators become one space. Characters that turn the
/// direction of text around, by which a value could rearrange what stands next to it, are left out.
fn one_line(value: &str) -> Cow<'_, str> {
    let is_kept =
        |character: char| !character.is_control() && !matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if value.chars().all(is_kept) {
        return Cow::Borrowed(value);
    }
    let mut line = String::with_capacity(value.len());
    for character in value.chars() {
        match character {
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            kept if is_kept(kept) => line.push(kept),
            _ if line.ends_with(' ') => {}
            _ => line.push(' '),
        }
    }
    Cow::Owned(line)
}
