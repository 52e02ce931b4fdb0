//! An order as a value: what was ordered, what was paid, what became of each line, and what follows from that.
//!
//! The serde names are short because they are what is stored: an order of one card has to stay within the kilobyte that
//! DynamoDB counts as one write unit. What partners read is put together elsewhere.

mod history;
mod mail;
mod money;
mod status;

pub(crate) use history::TOO_MUCH;
pub use history::{Asked, Entry, Event};
pub use mail::{Mail, MailKind, MailReport, MailState};
pub use money::{Payment, Provider, Refund, RefundState, ReturnReason};
pub use status::{Attention, Fulfilment, LineCounts, Status};

use crate::{Currency, EmailAddress, FormFactor, Iccid, OrderNum, Timestamp, short_hash};
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
    /// Whether its last change calls for something or is counted, so that those who follow the orders have to look at it. Not so
    /// where somebody only began what there was to do.
    #[serde(rename = "nw", default, skip_serializing_if = "std::ops::Not::not")]
    pub news: bool,
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
    /// The card that carries it: when the order was made, and once it is paid, when that was.
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

wire_names!(OrderType {
    ActivateSubscription => "activate_subscription",
    TopUpSubscription => "top_up_subscription",
    Renewal => "renewal",
    CancelSubscription => "cancel_subscription",
    SwapSim => "swap_sim",
});

wire_names!(PaymentMethod { Card => "card", Balance => "balance", Complimentary => "complimentary", });

wire_names!(Channel { Web => "web", MobileApp => "mobile_app", Partner => "partner", Admin => "admin", Other => "other", });

wire_names!(VoidReason {
    NotPaidInTime => "not_paid_in_time",
    SoldOut => "sold_out",
    InsufficientBalance => "insufficient_balance",
    SubscriptionClosed => "subscription_closed",
    NothingToGive => "nothing_to_give",
});

impl OrderType {
    /// Whether it takes cards out of stock, one per line.
    pub fn takes_cards(self) -> bool {
        match self {
            Self::ActivateSubscription | Self::SwapSim => true,
            Self::TopUpSubscription | Self::Renewal | Self::CancelSubscription => false,
        }
    }
}

impl Order {
    /// Whether it puts a plan on its subscription.
    pub fn brings_plan(&self) -> bool {
        match self.kind {
            OrderType::ActivateSubscription | OrderType::Renewal => true,
            OrderType::TopUpSubscription => !self.only_add_ons,
            OrderType::CancelSubscription | OrderType::SwapSim => false,
        }
    }

    /// The same again, in a version of its own.
    #[must_use]
    pub fn touched(&self) -> Self {
        Self { version: self.version + 1, ..self.clone() }
    }

    /// The subscription of a line: the one that the order changes, or the one that the line begins.
    pub fn subscription_of(&self, line: usize) -> String {
        self.subject.as_ref().map_or_else(|| self.subscription_id(line), |subject| subject.subscription.clone())
    }

    /// The id of the subscription that a line begins: `SU` and 16 characters, the same at every attempt.
    pub fn subscription_id(&self, line: usize) -> String {
        format!("SU{}", short_hash(&["subscription", self.num.as_str(), &line.to_string()]))
    }

    /// Whether the card of a subscription that the order began is being given back: its refund was asked for, and may not have come
    /// as far as the subscription.
    pub fn takes_back(&self, subscription: &str) -> bool {
        let mut lines = self.lines.iter().enumerate();
        lines.any(|(line, of)| of.state == LineState::Cancelling && self.subscription_id(line) == subscription)
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
