//! What can be done to an order.

use super::{Recipient, SeenShipment};
use crate::order::{Asked, MailKind, MailReport, Provider, ReturnReason, VoidReason};
use crate::{Closed, EmailAddress, Iccid, Money, NotRefundable, OverReason, RefundPolicy, Timestamp, Used};

/// Something that wants to change an order.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// A payment succeeded; see [`Order::intake`] for whether cards have to be drawn for it first.
    Receive {
        /// Who took the money.
        provider: Provider,
        /// The provider's id of the payment.
        payment_id: String,
        /// What was really received.
        received: Money,
        /// What the pools gave.
        cards: Cards,
    },
    /// The time to pay is over.
    Expire,
    /// An order that is paid at once could not be.
    GiveUp(VoidReason),
    /// The carrier activated the cards of these lines.
    Provisioned(Vec<usize>),
    /// The carrier could not be asked, or has not decided: try again, after this many seconds if it said so.
    ProvisioningDelayed {
        /// Why, for a person.
        reason: String,
        /// Seconds.
        retry_after: Option<u32>,
    },
    /// The carrier will not activate the card of this line.
    ProvisioningFailed {
        /// The line's place in the order.
        line: usize,
        /// Why, for a person.
        reason: String,
    },
    /// Somebody wants the money of these lines back.
    Cancel {
        /// The lines' places in the order, and what became of their cards.
        lines: Vec<(usize, Used)>,
        /// What the plan's version says about giving money back.
        policy: RefundPolicy,
        /// Why, for a person.
        note: String,
    },
    /// The carrier revoked the card of this line: nobody can use it any more.
    Revoked {
        /// The line's place in the order.
        line: usize,
    },
    /// The card of this line is not revoked: the carrier will not, or was not asked.
    RevocationRefused {
        /// The line's place in the order.
        line: usize,
        /// Whether the card had been activated before; else it still has to be.
        provisioned: bool,
        /// Whether something else came first, so that the carrier was not asked.
        overtaken: bool,
        /// Why, for a person.
        reason: String,
    },
    /// The carrier could not be asked: try again, after this many seconds if it said so.
    RevocationDelayed {
        /// Seconds.
        retry_after: Option<u32>,
    },
    /// Nobody installed the new card of a swap in time.
    Abandon,
    /// The new card of a swap took over; the old one is to be stopped.
    Swapped,
    /// The old card of a swap was stopped.
    Retired,
    /// The carrier could not be asked to stop the old card: try again, after this many seconds if it said so.
    RetirementDelayed {
        /// Seconds.
        retry_after: Option<u32>,
    },
    /// What this line brought to its subscription is over.
    PlanOver {
        /// The line's place in the order.
        line: usize,
        /// Why.
        why: OverReason,
    },
    /// The subscription of this line ended, and what the line brought with it. The line's money follows the plan's rules.
    SubscriptionOver {
        /// The line's place in the order.
        line: usize,
        /// What the plan's version says about giving money back.
        policy: RefundPolicy,
        /// What became of the card or the plan.
        used: Used,
    },
    /// The cards were sent.
    Ship {
        /// Who carries them.
        carrier: String,
        /// The carrier's number of the parcel.
        number: String,
        /// When they left, if not just now.
        at: Option<Timestamp>,
    },
    /// What was said of the parcel is to be corrected.
    CorrectShipment {
        /// What is to be corrected: whoever speaks of another parcel speaks of what is over.
        seen: SeenShipment,
        /// Who carries it.
        carrier: String,
        /// The carrier's number of it.
        number: String,
        /// When it left, unless that is right.
        at: Option<Timestamp>,
    },
    /// The recipient is to be corrected.
    EditRecipient(Recipient),
    /// A mail is to be sent again, to another address for this once if one is given.
    SendAgain {
        /// Which.
        kind: MailKind,
        /// Where to, if not to the subscriber.
        to: Option<EmailAddress>,
        /// The request for it, if it can be told from others: sent once more, it is done.
        asked: Option<Asked>,
    },
    /// What was given up or put off is to be tried again now.
    Retry,
    /// What its lines and mails need is to be called for, where nobody is; see [`super::uncalled`].
    CallAgain,
    /// A manager writes something down.
    Note(String),
    /// The provider is about to be asked for a refund; from here on it may have acted.
    AskRefund {
        /// The refund's place in the order.
        refund: usize,
    },
    /// The provider took a refund on and will say how it ends.
    RefundTaken {
        /// The refund's place in the order.
        refund: usize,
        /// The provider's own id of it.
        provider_id: String,
    },
    /// The money was given back.
    RefundSucceeded {
        /// The refund's place in the order.
        refund: usize,
        /// The provider's own id of it, if it has one.
        provider_id: Option<String>,
    },
    /// The provider could not be asked, or did not answer.
    RefundDelayed {
        /// The refund's place in the order.
        refund: usize,
    },
    /// The provider will not give the money back, or could not.
    RefundRefused {
        /// The refund's place in the order.
        refund: usize,
        /// The provider's own id of the refund that failed; none if it did not take one on.
        provider_id: Option<String>,
        /// Why, for a person.
        reason: String,
    },
    /// Money was given back at the provider, without this system.
    RefundedElsewhere {
        /// The provider's id of the payment.
        payment_id: String,
        /// The provider's own id of the refund.
        provider_id: String,
        /// How much.
        amount: Money,
    },
    /// A manager gave back by other means what the provider had refused to.
    RefundedByHand {
        /// The refund, by its id.
        refund_id: String,
        /// By what it can be found again, such as a bank transfer's number.
        reference: String,
    },
    /// The payer disputes a payment.
    Disputed {
        /// The provider's id of the payment.
        payment_id: String,
        /// Why, for a person.
        reason: String,
    },
    /// Somebody begins to send a mail; see [`super::mails_due`].
    ClaimMail(MailKind),
    /// The mail system took the mail.
    MailSent(MailKind),
    /// The mail would tell nothing that its reader needs: it counts as sent, and does not go out.
    MailNotNeeded {
        /// Which.
        kind: MailKind,
        /// Why, for a person.
        reason: String,
    },
    /// The mail system did not take the mail now.
    MailDelayed(MailKind),
    /// The mail system will never take the mail.
    MailRefused {
        /// Which.
        kind: MailKind,
        /// Why, for a person.
        reason: String,
    },
    /// The mail system reported on a mail that it had taken.
    MailReported {
        /// Which.
        kind: MailKind,
        /// What it reported.
        report: MailReport,
    },
}

/// What the pools gave for a payment.
#[derive(Clone, Debug, PartialEq)]
pub enum Cards {
    /// The payment cannot pay for the order, so nothing was drawn.
    NotDrawn,
    /// One card per line, in their order.
    Drawn(Vec<Iccid>),
    /// No pool had enough.
    SoldOut,
    /// The subscription that the order is for takes nothing any more.
    Closed,
}

/// What a payment means to an order, before anything is drawn from stock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intake {
    /// It is on record.
    Known,
    /// It pays for the order, if this many cards can be had.
    Pays(usize),
    /// It has to go back.
    Returns(ReturnReason),
}

/// Why a command changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// It was carried out before.
    Done,
    /// Its time has not come, or somebody else is at it.
    NotDue,
    /// The order is not where this command could change it.
    NotAllowed,
    /// A card's money cannot be given back.
    NotRefundable(NotRefundable),
    /// The subscription takes no change now.
    Closed(Closed),
    /// The cards were sent.
    Shipped,
    /// The parcel is another than the one that is to be corrected.
    OtherParcel,
    /// The parcel would have left before there was an order for it.
    BeforeOrder,
    /// The card is bound to another phone.
    OtherDevice,
}
