//! What happened to an order.

use super::MailKind;
use crate::Timestamp;
use serde::{Deserialize, Serialize};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    #[serde(rename = "t")]
    pub at: Timestamp,
    /// What.
    #[serde(rename = "e")]
    pub event: Event,
    /// Details for a person.
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The manager who did it; `None` where it was anybody or anything else.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<String>,
    /// The request that made it, where that came with a key.
    #[serde(rename = "q", default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
    /// Whether it was a manager whose name was not kept, in entries of an earlier version.
    #[serde(rename = "m", default, skip_serializing_if = "std::ops::Not::not")]
    pub unnamed_manager: bool,
}

/// A request that came with a key of its client's, by which it is known when it comes again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// A hash of who asked and of the key.
    #[serde(rename = "k")]
    pub key: String,
    /// A hash of what was asked for.
    #[serde(rename = "f")]
    pub fingerprint: String,
}

/// How an entry ends that tells of money which went back although nobody was owed it any more.
pub(crate) const TOO_MUCH: &str = ", although it had been given back";

impl Entry {
    /// Something that nobody of the managers did.
    pub fn new(at: Timestamp, event: Event, note: Option<String>) -> Self {
        Self { at, event, note, manager: None, asked: None, unnamed_manager: false }
    }

    /// Whether it says that a mail of a kind went out, or was found to be needed no more, which stands behind the kind.
    pub fn tells_of(&self, kind: MailKind) -> bool {
        let rest = self.note.as_deref().and_then(|note| note.strip_prefix(kind.name()));
        self.event == Event::MailSent && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
    }

    /// Whether it says that more went back than was owed, which stands behind the sum.
    pub fn tells_of_too_much(&self) -> bool {
        self.event == Event::Refunded && self.note.as_ref().is_some_and(|note| note.ends_with(TOO_MUCH))
    }

    /// Whether a manager did it, also where the partner could have.
    pub fn is_by_manager(&self) -> bool {
        self.manager.is_some() || self.unnamed_manager
    }
}

/// The kinds of thing that happen to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// It was created.
    #[serde(rename = "cr")]
    Created,
    /// A payment paid for it and cards were allocated.
    #[serde(rename = "pd")]
    Paid,
    /// A payment came in that could not pay for it.
    #[serde(rename = "rt")]
    PaymentReturned,
    /// It turned void.
    #[serde(rename = "vo")]
    Voided,
    /// Cards were provisioned.
    #[serde(rename = "pr")]
    Provisioned,
    /// Provisioning was put off for the first time.
    #[serde(rename = "dl")]
    ProvisioningDelayed,
    /// A card could not be provisioned.
    #[serde(rename = "pf")]
    ProvisioningFailed,
    /// Cards are to be cancelled.
    #[serde(rename = "cq")]
    CancellationRequested,
    /// A card was cancelled; its price is owed back.
    #[serde(rename = "cx")]
    Cancelled,
    /// The carrier did not let a card be cancelled.
    #[serde(rename = "cn")]
    CancellationRefused,
    /// A card was not cancelled, since something else came first: another change of its line, or its installation.
    #[serde(rename = "co")]
    CancellationOvertaken,
    /// Money was given back.
    #[serde(rename = "rs")]
    Refunded,
    /// The payment provider will not give money back.
    #[serde(rename = "rx")]
    RefundFailed,
    /// A payment is disputed.
    #[serde(rename = "dp")]
    Disputed,
    /// Its plans or add-ons are used up or expired.
    #[serde(rename = "en")]
    Ended,
    /// The new card of a swap took over.
    #[serde(rename = "sw")]
    Swapped,
    /// The card that was swapped was stopped.
    #[serde(rename = "re")]
    Retired,
    /// A renewal was paid.
    #[serde(rename = "rn")]
    Renewed,
    /// The cards were sent.
    #[serde(rename = "sh")]
    Shipped,
    /// It was corrected how the cards were sent.
    #[serde(rename = "sc")]
    ShipmentCorrected,
    /// The recipient's name or an address was changed.
    #[serde(rename = "rc")]
    RecipientChanged,
    /// A mail is to be sent again.
    #[serde(rename = "rm")]
    MailRequested,
    /// What was given up is to be tried again.
    #[serde(rename = "ry")]
    Retried,
    /// A manager wrote a note.
    #[serde(rename = "nt")]
    Noted,
    /// A mail was accepted by the mail system.
    #[serde(rename = "ms")]
    MailSent,
    /// A mail was given up.
    #[serde(rename = "mf")]
    MailFailed,
    /// The mail system reported trouble with a mail.
    #[serde(rename = "mr")]
    MailReported,
}

wire_names!(Event {
    Created => "created",
    Paid => "paid",
    PaymentReturned => "payment_returned",
    Voided => "voided",
    Provisioned => "provisioned",
    ProvisioningDelayed => "provisioning_delayed",
    ProvisioningFailed => "provisioning_failed",
    CancellationRequested => "cancellation_requested",
    Cancelled => "cancelled",
    CancellationRefused => "cancellation_refused",
    CancellationOvertaken => "cancellation_overtaken",
    Refunded => "refunded",
    RefundFailed => "refund_failed",
    Disputed => "disputed",
    Ended => "ended",
    Swapped => "swapped",
    Retired => "retired",
    Renewed => "renewed",
    Shipped => "shipped",
    ShipmentCorrected => "shipment_corrected",
    RecipientChanged => "recipient_changed",
    MailRequested => "mail_requested",
    Retried => "retried",
    Noted => "noted",
    MailSent => "mail_sent",
    MailFailed => "mail_failed",
    MailReported => "mail_reported",
});
