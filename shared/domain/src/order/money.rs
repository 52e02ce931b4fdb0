//! What was paid for an order, what is owed back of it and what was given back.

use super::{Order, is_zero};
use crate::{Money, Timestamp, short_hash};
use serde::{Deserialize, Serialize};

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
    /// How often the provider was asked for it without an answer that settles it, since a person last had it tried again.
    #[serde(rename = "n", default, skip_serializing_if = "is_zero")]
    pub attempts: u32,
    /// When the provider was first asked; from then on it may have acted.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<Timestamp>,
    /// The provider's own id of it.
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
    /// The provider's ids of it that failed there. Whatever it tells of them late, they stay failed.
    #[serde(rename = "x", default, skip_serializing_if = "Vec::is_empty")]
    pub failed_ids: Vec<String>,
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

    pub(super) fn owes_line(&self, index: usize) -> bool {
        self.refunds.iter().any(|refund| refund.line == Some(index) && self.is_owed(refund))
    }

    /// What is owed back, one sum per currency; never more of a payment than came in.
    pub fn owed(&self) -> Vec<Money> {
        let owed = |(index, payment): (usize, &Payment)| {
            let amount = self.owed_of(index).min(self.not_given_back(index));
            Money { amount, ..payment.received }
        };
        let mut sums = Money::sums(self.payments.iter().enumerate().map(owed));
        sums.retain(|sum| sum.amount > 0);
        sums
    }

    /// Whether a refund takes from what its payment brought. What somebody gave back at the provider in another currency does not: by
    /// which rate is for a person to say.
    pub fn counts(&self, refund: &Refund) -> bool {
        self.payments.get(refund.payment).is_some_and(|payment| payment.received.currency == refund.amount.currency)
    }

    /// What was received with a payment and neither was given back nor is owed back, in minor units of its currency.
    pub fn left_of(&self, payment: usize) -> i64 {
        (self.not_given_back(payment) - self.owed_of(payment)).max(0)
    }

    pub(crate) fn not_given_back(&self, payment: usize) -> i64 {
        let received = self.payments.get(payment).map_or(0, |payment| payment.received.amount);
        let succeeded =
            |refund: &&Refund| refund.payment == payment && refund.state == RefundState::Succeeded && self.counts(refund);
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
}
