//! An order as a value: what was ordered, what was paid, what became of each line, and what follows from that.
//!
//! The serde names are short because they are what is stored: an order of one card has to stay within the kilobyte that
//! DynamoDB counts as one write unit. What partners read is put together elsewhere.

use crate::{Currency, EmailAddress, FormFactor, Iccid, Money, OrderNum, Timestamp, short_hash};
use serde::{Deserialize, Serialize};

/// The most cards that one order takes; with them, paying stays within a transaction of 100 items.
pub const MAX_COUNT: u32 = 50;

/// An order and everything that happened to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// The order's name.
    #[serde(rename = "orderNum")]
    pub num: OrderNum,
    /// Who ordered.
    #[serde(rename = "partnerId")]
    pub partner_id: String,
    /// What kind of order it is.
    #[serde(rename = "ty")]
    pub kind: OrderType,
    /// When it was created.
    #[serde(rename = "cr")]
    pub created_at: Timestamp,
    /// When an unpaid order turns void.
    #[serde(rename = "pu")]
    pub pay_until: Timestamp,
    /// The plan that was sold.
    #[serde(rename = "pl")]
    pub plan_id: String,
    /// The version of the plan that was sold; it never changes.
    #[serde(rename = "pv")]
    pub plan_version: u32,
    /// The plan's name when it was sold.
    #[serde(rename = "di")]
    pub display: String,
    /// The add-ons on every line, by their ids in the plan's version.
    #[serde(rename = "ao", default, skip_serializing_if = "Vec::is_empty")]
    pub add_on_ids: Vec<String>,
    /// Whether it brings its add-ons to a plan that is there, and no plan of its own.
    #[serde(rename = "oa", default, skip_serializing_if = "std::ops::Not::not")]
    pub only_add_ons: bool,
    /// What the cards are, where it brings cards.
    #[serde(rename = "ff", default, skip_serializing_if = "is_esim")]
    pub form_factor: FormFactor,
    /// The cards that were asked for by number, until it is paid; empty if any will do.
    #[serde(rename = "wa", default, skip_serializing_if = "Vec::is_empty")]
    pub wanted: Vec<Iccid>,
    /// The subscription that it changes, unless it begins new ones.
    #[serde(rename = "sb", default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    /// The renewals that hang on it, in the order in which they were paid.
    #[serde(rename = "rn", default, skip_serializing_if = "Vec::is_empty")]
    pub renewals: Vec<OrderNum>,
    /// What all is priced in.
    #[serde(rename = "cu")]
    pub currency: Currency,
    /// How it is to be paid.
    #[serde(rename = "pm")]
    pub payment_method: PaymentMethod,
    /// Where it came from.
    #[serde(rename = "ch")]
    pub channel: Channel,
    /// Who will use the cards.
    #[serde(rename = "su")]
    pub subscriber: Subscriber,
    /// What the subscriber calls the line.
    #[serde(rename = "ln", default, skip_serializing_if = "Option::is_none")]
    pub line_name: Option<String>,
    /// Whether mails go to the subscriber.
    #[serde(rename = "se")]
    pub send_email: bool,
    /// The partner's own order number.
    #[serde(rename = "oo", default, skip_serializing_if = "Option::is_none")]
    pub other_order_id: Option<String>,
    /// The partner's own item number.
    #[serde(rename = "oi", default, skip_serializing_if = "Option::is_none")]
    pub other_item_id: Option<String>,
    /// What the request that created it was, to tell a replay from another request under the same key.
    #[serde(rename = "fp")]
    pub fingerprint: String,
    /// One line per card.
    #[serde(rename = "li")]
    pub lines: Vec<Line>,
    /// Every payment that succeeded.
    #[serde(rename = "pa", default, skip_serializing_if = "Vec::is_empty")]
    pub payments: Vec<Payment>,
    /// Everything that is owed back or was given back.
    #[serde(rename = "rf", default, skip_serializing_if = "Vec::is_empty")]
    pub refunds: Vec<Refund>,
    /// The mails that the order calls for; empty until it is paid.
    #[serde(rename = "ml", default, skip_serializing_if = "Vec::is_empty")]
    pub mails: Vec<Mail>,
    /// How provisioning goes; absent until the order is paid.
    #[serde(rename = "pr", default, skip_serializing_if = "Option::is_none")]
    pub provisioning: Option<Attempts>,
    /// How revoking cancelled cards goes; absent until one is being cancelled.
    #[serde(rename = "rv", default, skip_serializing_if = "Option::is_none")]
    pub revoking: Option<Attempts>,
    /// How stopping the card that was swapped goes; present from the time that the new one was installed until it is done.
    #[serde(rename = "rt", default, skip_serializing_if = "Option::is_none")]
    pub retiring: Option<Attempts>,
    /// How the cards were sent.
    #[serde(rename = "sh", default, skip_serializing_if = "Option::is_none")]
    pub shipment: Option<Shipment>,
    /// Why it is given away, if it is complimentary.
    #[serde(rename = "gi", default, skip_serializing_if = "Option::is_none")]
    pub gift: Option<Gift>,
    /// What a manager wrote about it.
    #[serde(rename = "no", default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Why the order turned void before its time was over.
    #[serde(rename = "vo", default, skip_serializing_if = "Option::is_none")]
    pub void: Option<VoidReason>,
    /// What happened, in order.
    #[serde(rename = "hi")]
    pub history: Vec<Entry>,
    /// Counts the writes; every write is conditioned on the one before.
    #[serde(rename = "version")]
    pub version: u64,
}

/// The kinds of order; all go through one lifecycle (order seed, "Types of Orders").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OrderType {
    /// New cards with a plan.
    #[serde(rename = "as")]
    ActivateSubscription,
    /// A plan, add-ons or both for a subscription.
    #[serde(rename = "ts")]
    TopUpSubscription,
    /// Another period of a renewable plan.
    #[serde(rename = "rn")]
    Renewal,
    /// The end of a subscription.
    #[serde(rename = "cs")]
    CancelSubscription,
    /// Another SIM for a subscription.
    #[serde(rename = "sw")]
    SwapSim,
}

/// How an order is to be paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PaymentMethod {
    /// Through a payment provider, whose webhook tells.
    #[serde(rename = "c")]
    Card,
    /// From the partner's prepaid balance, at once.
    #[serde(rename = "b")]
    Balance,
    /// Not at all: a gift to a subscriber who has an eligible plan.
    #[serde(rename = "f")]
    Complimentary,
}

/// Where an order came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Channel {
    /// A web site.
    #[serde(rename = "w")]
    Web,
    /// A phone's app.
    #[serde(rename = "m")]
    MobileApp,
    /// A partner's own system.
    #[serde(rename = "p")]
    Partner,
    /// An order manager.
    #[serde(rename = "a")]
    Admin,
    /// Anything else.
    #[serde(rename = "o")]
    Other,
}

/// Who will use the cards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subscriber {
    /// Where the mails go.
    #[serde(rename = "e")]
    pub email: EmailAddress,
    /// How the mails address them.
    #[serde(rename = "n")]
    pub name: String,
    /// A BCP 47 language tag.
    #[serde(rename = "l")]
    pub language: String,
    /// Where cards are sent to.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub address: Option<PostalAddress>,
}

/// Where a parcel goes (UPU S42 elements).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PostalAddress {
    /// Street, house, floor: one to three lines.
    pub lines: Vec<String>,
    /// Town.
    pub city: String,
    /// State or province, where the country's addresses have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Postal code, where the country has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    /// ISO 3166-1 alpha-2.
    pub country: String,
}

impl std::fmt::Display for PostalAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = self.lines.iter().chain([&self.city]).chain(&self.region).chain(&self.postal_code).chain([&self.country]);
        f.write_str(&parts.map(String::as_str).collect::<Vec<_>>().join(", "))
    }
}

/// What an order changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    /// The subscription.
    #[serde(rename = "s")]
    pub subscription: String,
    /// The card that carried it when the order was made.
    #[serde(rename = "i")]
    pub iccid: Iccid,
    /// The order that began the subscription.
    #[serde(rename = "m")]
    pub main_order: OrderNum,
}

/// What entitles a subscriber to a complimentary order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gift {
    /// Their subscription with an eligible plan; it entitles once.
    #[serde(rename = "s")]
    pub subscription: String,
    /// Whether a manager gives it, so that the partner's quota is left alone.
    #[serde(rename = "m", default, skip_serializing_if = "std::ops::Not::not")]
    pub by_manager: bool,
}

/// A parcel with cards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shipment {
    /// When it left.
    #[serde(rename = "t")]
    pub at: Timestamp,
    /// Who carries it.
    #[serde(rename = "c")]
    pub carrier: String,
    /// The carrier's number of it.
    #[serde(rename = "n")]
    pub number: String,
}

/// One card of an order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Where it stands.
    #[serde(rename = "s")]
    pub state: LineState,
    /// Its part of the price, in minor units.
    #[serde(rename = "a")]
    pub amount: i64,
    /// The card; absent until the order is paid.
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    pub iccid: Option<Iccid>,
}

/// Where a line stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LineState {
    /// Not yet provisioned.
    #[serde(rename = "p")]
    Pending,
    /// Provisioned.
    #[serde(rename = "l")]
    Live,
    /// To be cancelled; the carrier has not confirmed yet.
    #[serde(rename = "c")]
    Cancelling,
    /// Cancelled.
    #[serde(rename = "x")]
    Cancelled,
    /// Used up or expired.
    #[serde(rename = "e")]
    Ended,
    /// Could not be provisioned.
    #[serde(rename = "f")]
    Failed,
}

/// A payment that succeeded, whatever became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Payment {
    /// The provider's own id of the payment (not of an event that tells of it).
    #[serde(rename = "i")]
    pub id: String,
    /// Who took the money.
    #[serde(rename = "p")]
    pub provider: Provider,
    /// What was really received.
    #[serde(rename = "r")]
    pub received: Money,
    /// When this system learned of it.
    #[serde(rename = "t")]
    pub at: Timestamp,
    /// Why it could not pay for the order; absent on the payment that did.
    #[serde(rename = "x", default, skip_serializing_if = "Option::is_none")]
    pub returned: Option<ReturnReason>,
}

/// Who takes money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Provider {
    /// Stripe.
    #[serde(rename = "s")]
    Stripe,
    /// Any provider that speaks Standard Webhooks.
    #[serde(rename = "w")]
    Standard,
    /// The partner's prepaid balance.
    #[serde(rename = "b")]
    Balance,
    /// Nobody: the price is zero, or it is a gift.
    #[serde(rename = "f")]
    Free,
}

/// Why money that came in could not pay for its order, or a line did not get what was paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReturnReason {
    /// Not the order's price.
    #[serde(rename = "wa")]
    WrongAmount,
    /// Not the order's currency.
    #[serde(rename = "wc")]
    WrongCurrency,
    /// The order was void by then.
    #[serde(rename = "la")]
    AfterVoid,
    /// The order was paid by another payment.
    #[serde(rename = "se")]
    PaidTwice,
    /// No pool had enough cards.
    #[serde(rename = "so")]
    SoldOut,
    /// A line could not be provisioned.
    #[serde(rename = "pf")]
    ProvisioningFailed,
    /// The subscription that it was for takes nothing any more.
    #[serde(rename = "sc")]
    SubscriptionClosed,
    /// A line was cancelled on request.
    #[serde(rename = "ca")]
    Cancelled,
    /// Somebody gave it back at the provider, without this system.
    #[serde(rename = "el")]
    Elsewhere,
}

/// Money that is owed back or was given back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refund {
    /// Which of the order's payments it comes out of.
    #[serde(rename = "p")]
    pub payment: usize,
    /// How much, in the currency that was received.
    #[serde(rename = "m")]
    pub amount: Money,
    /// Why.
    #[serde(rename = "r")]
    pub reason: ReturnReason,
    /// The line it settles, if it is for one.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// How far it is.
    #[serde(rename = "s")]
    pub state: RefundState,
    /// When it became due.
    #[serde(rename = "t")]
    pub at: Timestamp,
    /// How often the provider was asked for it without an answer that settles it.
    #[serde(rename = "n", default, skip_serializing_if = "is_zero")]
    pub attempts: u32,
    /// When the provider was first asked; from then on it may have acted.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<Timestamp>,
    /// The provider's own id of it.
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
}

/// How far a refund is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RefundState {
    /// Owed; the provider is to be asked for it at this time or later.
    #[serde(rename = "d")]
    Due(Timestamp),
    /// The provider took it on at this time and has not said how it ended.
    #[serde(rename = "r")]
    Requested(Timestamp),
    /// Given back.
    #[serde(rename = "s")]
    Succeeded,
    /// The provider will not give it back; a person has to.
    #[serde(rename = "x")]
    Failed,
    /// It is not owed under this name any more: what it was for is tried again, or the money is asked for anew.
    #[serde(rename = "w")]
    Withdrawn,
}

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

/// How often something was tried, and when it is due again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempts {
    /// Attempts that did not succeed.
    #[serde(rename = "n", default, skip_serializing_if = "is_zero")]
    pub failed: u32,
    /// Not before this time.
    #[serde(rename = "t")]
    pub next_at: Timestamp,
}

/// Why an order turned void.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VoidReason {
    /// Nobody paid in time.
    #[serde(rename = "ex")]
    NotPaidInTime,
    /// No pool had enough cards.
    #[serde(rename = "so")]
    SoldOut,
    /// The partner's balance was too low.
    #[serde(rename = "ba")]
    InsufficientBalance,
    /// The subscription that it was for takes nothing any more.
    #[serde(rename = "sc")]
    SubscriptionClosed,
    /// The subscriber's gift for this eligible plan was given before, or the partner has none left to give.
    #[serde(rename = "ng")]
    NothingToGive,
}

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
    /// Whether a manager did what the partner could have done too.
    #[serde(rename = "m", default, skip_serializing_if = "std::ops::Not::not")]
    pub by_manager: bool,
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

/// The status codes of the order seed ("Order lifecycle").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// -1: created, payment not yet confirmed.
    Unpaid,
    /// 0: paid and active.
    Normal,
    /// 2: every card is cancelled.
    Cancelled,
    /// 3: void, no longer valid.
    Void,
    /// 4: some cards are cancelled, others remain.
    PartialUnsubscribed,
    /// 5: everything expired or was used up.
    Ended,
    /// 6: the cancellation of all is under way.
    Unsubscribing,
    /// 7: the cancellation of some is under way.
    PartialUnsubscribing,
}

/// How far the delivery of an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fulfilment {
    /// Waits for its payment.
    Accepted,
    /// Cards are being provisioned.
    Fulfilling,
    /// Everything that could be delivered was.
    Completed,
    /// Nothing was delivered, or ever will be.
    Failed,
}

/// What a manager should look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attention {
    /// Cards could not be provisioned.
    ProvisioningFailed,
    /// Money is owed back.
    MoneyOwed,
    /// Money is owed back that the provider will not give back.
    RefundFailed,
    /// A payment is disputed, and nobody has written a note since.
    Disputed,
    /// A mail was given up.
    MailFailed,
    /// A mail did not arrive.
    MailUndelivered,
    /// The recipient complained.
    MailComplaint,
    /// Cards wait to be sent.
    ToShip,
}

/// How many lines stand where, counted as the status table counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineCounts {
    /// Pending or live.
    pub open: usize,
    /// Cancelling, or failed with money still owed (C).
    pub leaving: usize,
    /// Cancelled, or failed and settled (X).
    pub gone: usize,
    /// Ended (E).
    pub ended: usize,
}

wire_names!(OrderType {
    ActivateSubscription => "activate_subscription",
    TopUpSubscription => "top_up_subscription",
    Renewal => "renewal",
    CancelSubscription => "cancel_subscription",
    SwapSim => "swap_sim",
});
wire_names!(PaymentMethod { Card => "card", Balance => "balance", Complimentary => "complimentary", });
wire_names!(Channel { Web => "web", MobileApp => "mobile_app", Partner => "partner", Admin => "admin", Other => "other", });
wire_names!(Provider { Stripe => "stripe", Standard => "standard", Balance => "balance", Free => "free", });
wire_names!(ReturnReason {
    WrongAmount => "wrong_amount",
    WrongCurrency => "wrong_currency",
    AfterVoid => "after_void",
    PaidTwice => "paid_twice",
    SoldOut => "sold_out",
    ProvisioningFailed => "provisioning_failed",
    SubscriptionClosed => "subscription_closed",
    Cancelled => "cancelled",
    Elsewhere => "elsewhere",
});
wire_names!(MailKind { Confirmation => "confirmation", Qr => "qr", Shipment => "shipment", Manager => "manager", });
wire_names!(MailReport {
    Delayed => "delayed",
    Bounced => "bounced",
    Suppressed => "suppressed",
    Rejected => "rejected",
    Complained => "complained",
});
wire_names!(VoidReason {
    NotPaidInTime => "not_paid_in_time",
    SoldOut => "sold_out",
    InsufficientBalance => "insufficient_balance",
    SubscriptionClosed => "subscription_closed",
    NothingToGive => "nothing_to_give",
});
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
    Refunded => "refunded",
    RefundFailed => "refund_failed",
    Disputed => "disputed",
    Ended => "ended",
    Swapped => "swapped",
    Retired => "retired",
    Renewed => "renewed",
    Shipped => "shipped",
    RecipientChanged => "recipient_changed",
    MailRequested => "mail_requested",
    Retried => "retried",
    Noted => "noted",
    MailSent => "mail_sent",
    MailFailed => "mail_failed",
    MailReported => "mail_reported",
});
wire_names!(Status {
    Unpaid => "unpaid",
    Normal => "normal",
    Cancelled => "cancelled",
    Void => "void",
    PartialUnsubscribed => "partial_unsubscribed",
    Ended => "ended",
    Unsubscribing => "unsubscribing",
    PartialUnsubscribing => "partial_unsubscribing",
});
wire_names!(Fulfilment {
    Accepted => "accepted",
    Fulfilling => "fulfilling",
    Completed => "completed",
    Failed => "failed",
});
wire_names!(Attention {
    ProvisioningFailed => "provisioning_failed",
    MoneyOwed => "money_owed",
    RefundFailed => "refund_failed",
    Disputed => "disputed",
    MailFailed => "mail_failed",
    MailUndelivered => "mail_undelivered",
    MailComplaint => "mail_complaint",
    ToShip => "to_ship",
});

impl Status {
    /// The integer code of the seed; 1 is not used there.
    pub fn code(self) -> i8 {
        match self {
            Self::Unpaid => -1,
            Self::Normal => 0,
            Self::Cancelled => 2,
            Self::Void => 3,
            Self::PartialUnsubscribed => 4,
            Self::Ended => 5,
            Self::Unsubscribing => 6,
            Self::PartialUnsubscribing => 7,
        }
    }

    /// The status of a paid order, by its lines. Total over all counts; an order without any line is normal.
    pub fn of_paid(lines: LineCounts) -> Self {
        if lines.leaving > 0 {
            return if lines.open == 0 && lines.ended == 0 { Self::Unsubscribing } else { Self::PartialUnsubscribing };
        }
        match (lines.open > 0, lines.gone > 0, lines.ended > 0) {
            (true, false, _) | (false, false, false) => Self::Normal,
            (true, true, _) => Self::PartialUnsubscribed,
            (false, true, false) => Self::Cancelled,
            (false, _, true) => Self::Ended,
        }
    }
}

impl Order {
    /// Whether a payment was accepted for it.
    pub fn is_paid(&self) -> bool {
        self.paid_by().is_some()
    }

    /// The payment that paid for it, by its place among the payments.
    pub fn paid_by(&self) -> Option<usize> {
        self.payments.iter().position(|payment| payment.returned.is_none())
    }

    /// When it was paid; when it was created, until then. The same at every attempt at anything, so that others see the same request.
    pub fn paid_at(&self) -> Timestamp {
        self.paid_by().map_or(self.created_at, |payment| self.payments[payment].at)
    }

    /// Whether it is void: given up, or not paid by [`Order::pay_until`].
    pub fn is_void(&self, now: Timestamp) -> bool {
        !self.is_paid() && (self.void.is_some() || now >= self.pay_until)
    }

    /// The status, derived; see [`Status::of_paid`] for a paid order.
    pub fn status(&self, now: Timestamp) -> Status {
        if self.is_paid() {
            Status::of_paid(self.line_counts())
        } else if self.is_void(now) {
            Status::Void
        } else {
            Status::Unpaid
        }
    }

    /// Whether cards wait to be sent.
    pub fn is_to_ship(&self) -> bool {
        let open = self.lines.iter().any(|line| matches!(line.state, LineState::Pending | LineState::Live));
        self.kind.takes_cards() && self.form_factor == FormFactor::Physical && self.is_paid() && open && self.shipment.is_none()
    }

    /// Whether it puts a plan on its subscription.
    pub fn brings_plan(&self) -> bool {
        match self.kind {
            OrderType::ActivateSubscription | OrderType::Renewal => true,
            OrderType::TopUpSubscription => !self.only_add_ons,
            OrderType::CancelSubscription | OrderType::SwapSim => false,
        }
    }

    /// The subscription of a line: the one that the order changes, or the one that the line begins.
    pub fn subscription_of(&self, line: usize) -> String {
        self.subject.as_ref().map_or_else(|| self.subscription_id(line), |subject| subject.subscription.clone())
    }

    /// How far the delivery is, derived.
    pub fn fulfilment(&self, now: Timestamp) -> Fulfilment {
        let all_failed = self.lines.iter().all(|line| line.state == LineState::Failed);
        if self.is_void(now) || (self.is_paid() && all_failed) {
            Fulfilment::Failed
        } else if !self.is_paid() {
            Fulfilment::Accepted
        } else if self.lines.iter().any(|line| line.state == LineState::Pending) || self.is_to_ship() {
            Fulfilment::Fulfilling
        } else {
            Fulfilment::Completed
        }
    }

    /// The lines as the status table counts them.
    pub fn line_counts(&self) -> LineCounts {
        let mut counts = LineCounts::default();
        for (index, line) in self.lines.iter().enumerate() {
            match line.state {
                LineState::Pending | LineState::Live => counts.open += 1,
                LineState::Cancelling => counts.leaving += 1,
                LineState::Failed if self.owes_line(index) => counts.leaving += 1,
                LineState::Cancelled | LineState::Failed => counts.gone += 1,
                LineState::Ended => counts.ended += 1,
            }
        }
        counts
    }

    fn owes_line(&self, index: usize) -> bool {
        self.refunds.iter().any(|refund| refund.line == Some(index) && self.is_owed(refund))
    }

    /// What the whole order costs: the sum of its lines.
    pub fn price(&self) -> Money {
        Money { amount: self.lines.iter().map(|line| line.amount).sum(), currency: self.currency }
    }

    /// Whether the money of a refund has still to be given back. Not when somebody has given all of its payment back at the provider,
    /// and what somebody failed to give there never was owed.
    pub fn is_owed(&self, refund: &Refund) -> bool {
        let open = match refund.state {
            RefundState::Due(_) | RefundState::Requested(_) => true,
            RefundState::Failed => refund.reason != ReturnReason::Elsewhere,
            RefundState::Succeeded | RefundState::Withdrawn => false,
        };
        open && self.not_given_back(refund.payment) > 0
    }

    /// What is owed back, one sum per currency; never more of a payment than came in.
    pub fn owed(&self) -> Vec<Money> {
        let mut sums: Vec<Money> = Vec::new();
        for (index, payment) in self.payments.iter().enumerate() {
            let owed = Money { amount: self.owed_of(index).min(self.not_given_back(index)), ..payment.received };
            match sums.iter_mut().find(|sum| sum.currency == owed.currency) {
                Some(sum) => sum.amount = sum.amount.saturating_add(owed.amount),
                None => sums.push(owed),
            }
        }
        sums.retain(|sum| sum.amount > 0);
        sums
    }

    /// What was received with a payment and neither was given back nor is owed back, in minor units of its currency.
    pub fn left_of(&self, payment: usize) -> i64 {
        (self.not_given_back(payment) - self.owed_of(payment)).max(0)
    }

    pub(crate) fn not_given_back(&self, payment: usize) -> i64 {
        let received = self.payments.get(payment).map_or(0, |payment| payment.received.amount);
        let succeeded = |refund: &&Refund| refund.payment == payment && refund.state == RefundState::Succeeded;
        (received - self.refunds.iter().filter(succeeded).map(|refund| refund.amount.amount).sum::<i64>()).max(0)
    }

    pub(crate) fn owed_of(&self, payment: usize) -> i64 {
        let owed = |refund: &&Refund| refund.payment == payment && self.is_owed(refund);
        self.refunds.iter().filter(owed).map(|refund| refund.amount.amount).sum()
    }

    /// The refund's own id, which a provider will know it by: `RF` and 16 characters.
    pub fn refund_id(&self, index: usize) -> String {
        format!("RF{}", short_hash(&["refund", self.num.as_str(), &index.to_string()]))
    }

    /// The id of the subscription that a line begins: `SU` and 16 characters, the same at every attempt.
    pub fn subscription_id(&self, line: usize) -> String {
        format!("SU{}", short_hash(&["subscription", self.num.as_str(), &line.to_string()]))
    }

    /// The mail of a kind, if the order calls for it.
    pub fn mail(&self, kind: MailKind) -> Option<&Mail> {
        self.mails.iter().find(|mail| mail.kind == kind)
    }

    /// Whether a manager once had this mail sent again, whatever it still tells.
    pub fn was_requested(&self, kind: MailKind) -> bool {
        let requested = |entry: &Entry| entry.event == Event::MailRequested && entry.note.as_deref() == Some(kind.name());
        self.history.iter().any(requested)
    }

    /// The disputes that no manager has written a note since.
    pub fn open_disputes(&self) -> impl Iterator<Item = &Entry> {
        let noted = self.history.iter().rposition(|entry| entry.event == Event::Noted).map_or(0, |index| index + 1);
        self.history[noted..].iter().filter(|entry| entry.event == Event::Disputed)
    }

    /// What a manager should look at, derived.
    pub fn attention(&self) -> Vec<Attention> {
        let mut all = Vec::new();
        if self.is_to_ship() {
            all.push(Attention::ToShip);
        }
        if self.lines.iter().any(|line| line.state == LineState::Failed) {
            all.push(Attention::ProvisioningFailed);
        }
        if self.refunds.iter().any(|refund| self.is_owed(refund)) {
            all.push(Attention::MoneyOwed);
        }
        if self.refunds.iter().any(|refund| refund.state == RefundState::Failed && self.is_owed(refund)) {
            all.push(Attention::RefundFailed);
        }
        if self.open_disputes().next().is_some() {
            all.push(Attention::Disputed);
        }
        if self.mails.iter().any(|mail| matches!(mail.state, MailState::Failed(_))) {
            all.push(Attention::MailFailed);
        }
        for mail in &self.mails {
            let found = match mail.report {
                None | Some((MailReport::Delayed, _)) => continue,
                Some((MailReport::Bounced | MailReport::Suppressed | MailReport::Rejected, _)) => Attention::MailUndelivered,
                Some((MailReport::Complained, _)) => Attention::MailComplaint,
            };
            if !all.contains(&found) {
                all.push(found);
            }
        }
        all
    }
}

impl RefundState {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Due(_) => "due",
            Self::Requested(_) => "requested",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Withdrawn => "withdrawn",
        }
    }
}

impl OrderType {
    /// Whether it takes cards out of stock, one per line.
    pub fn takes_cards(self) -> bool {
        match self {
            Self::ActivateSubscription | Self::SwapSim => true,
            Self::TopUpSubscription | Self::Renewal | Self::CancelSubscription => false,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
pub(crate) fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_esim(form_factor: &FormFactor) -> bool {
    *form_factor == FormFactor::Esim
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The design's table, row by row, over every small combination of counts.
    #[test]
    fn the_status_table_is_total_and_says_what_the_design_says() {
        for open in 0..3 {
            for leaving in 0..3 {
                for gone in 0..3 {
                    for ended in 0..3 {
                        let status = Status::of_paid(LineCounts { open, leaving, gone, ended });
                        let expected = if leaving > 0 && open == 0 && ended == 0 {
                            6
                        } else if leaving > 0 {
                            7
                        } else if gone > 0 && open == 0 && ended == 0 {
                            2
                        } else if gone > 0 && open > 0 {
                            4
                        } else if open == 0 && ended > 0 {
                            5
                        } else {
                            0
                        };
                        assert_eq!(status.code(), expected, "open {open} leaving {leaving} gone {gone} ended {ended}");
                    }
                }
            }
        }
    }
}
