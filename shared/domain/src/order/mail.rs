//! The mails that an order calls for.

use super::{Asked, Entry, Event, Order, is_zero};
use crate::{EmailAddress, Timestamp};
use serde::{Deserialize, Serialize};

/// A mail that the order calls for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mail {
    /// Which mail.
    #[serde(rename = "k")]
    pub kind: MailKind,
    /// How far it is.
    #[serde(rename = "s")]
    pub state: MailState,
    /// How often sending was begun.
    #[serde(rename = "n", default, skip_serializing_if = "is_zero")]
    pub attempts: u32,
    /// Whether it has to go out once more, since there is news that came up while it was being sent.
    #[serde(rename = "a", default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
    /// What the mail system reported afterwards.
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    pub report: Option<(MailReport, Timestamp)>,
    /// Where it goes this time, if not to the subscriber's address.
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub to: Option<EmailAddress>,
}

/// The mails of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MailKind {
    /// What was ordered and paid.
    #[serde(rename = "c")]
    Confirmation,
    /// The QR codes, to the subscriber.
    #[serde(rename = "q")]
    Qr,
    /// That the cards were sent by post, to the subscriber.
    #[serde(rename = "s")]
    Shipment,
    /// To the managers: something needs a person.
    #[serde(rename = "m")]
    Manager,
}

/// How far a mail is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MailState {
    /// Waits for this time, and for what it tells of.
    #[serde(rename = "p")]
    Pending(Timestamp),
    /// Being sent by someone, who has until this time.
    #[serde(rename = "c")]
    Sending(Timestamp),
    /// Accepted by the mail system at this time, or found to be needed no more.
    #[serde(rename = "s")]
    Sent(Timestamp),
    /// Given up at this time.
    #[serde(rename = "f")]
    Failed(Timestamp),
}

/// What the mail system reports after it accepted a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MailReport {
    /// Delivery is late; the mail system tries on.
    #[serde(rename = "d")]
    Delayed,
    /// The mailbox does not take it.
    #[serde(rename = "b")]
    Bounced,
    /// The address is on a suppression list.
    #[serde(rename = "s")]
    Suppressed,
    /// The mail system refused to send it.
    #[serde(rename = "r")]
    Rejected,
    /// The recipient called it spam.
    #[serde(rename = "c")]
    Complained,
}

wire_names!(MailKind { Confirmation => "confirmation", Qr => "qr", Shipment => "shipment", Manager => "manager", });

wire_names!(MailReport {
    Delayed => "delayed",
    Bounced => "bounced",
    Suppressed => "suppressed",
    Rejected => "rejected",
    Complained => "complained",
});

impl Order {
    /// The mail of a kind, if the order calls for it.
    pub fn mail(&self, kind: MailKind) -> Option<&Mail> {
        self.mails.iter().find(|mail| mail.kind == kind)
    }

    /// The request with this key that a mail was sent again for, if there was one.
    pub fn asked(&self, key: &str) -> Option<&Asked> {
        self.history.iter().filter_map(|entry| entry.asked.as_ref()).find(|asked| asked.key == key)
    }

    /// Whether a mail of a kind went out, or was found to be needed no more.
    pub fn has_sent(&self, kind: MailKind) -> bool {
        self.history.iter().any(|entry| entry.tells_of(kind))
    }

    /// Whether a manager once had this mail sent again, whatever it still tells.
    pub fn was_requested(&self, kind: MailKind) -> bool {
        let requested = |entry: &Entry| entry.event == Event::MailRequested && entry.note.as_deref() == Some(kind.name());
        self.history.iter().any(requested)
    }
}
