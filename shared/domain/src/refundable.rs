use crate::{LineState, Money, Order, OrderType, RefundPolicy, Timestamp};

/// Whether a card's money can be given back now, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refundable {
    /// It can: this much.
    Yes(Money),
    /// It cannot.
    No(NotRefundable),
}

/// Why a card's money cannot be given back (order seed, "Cancellation and unsubscribe").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotRefundable {
    /// Nobody paid for it.
    NotPaid,
    /// Such an order is not taken back.
    Kind,
    /// The card is installed on a phone.
    Installed,
    /// The plan has begun.
    Activated,
    /// The card was sent.
    Shipped,
    /// The plan is never refunded.
    Policy,
    /// The plan's days for it are over.
    PeriodOver,
    /// It is being cancelled.
    Cancelling,
    /// It is cancelled.
    Cancelled,
    /// What it brought is over: used up, expired, or ended with its subscription.
    Ended,
    /// It was never delivered; its money is owed back anyway.
    Failed,
}

impl NotRefundable {
    /// A stable word, and a sentence for a person.
    pub fn explain(self) -> (&'static str, &'static str) {
        match self {
            Self::NotPaid => ("not_paid", "The order is not paid."),
            Self::Kind => ("not_cancellable", "A cancellation cannot be taken back."),
            Self::Installed => ("installed", "The card is installed on a phone."),
            Self::Activated => ("activated", "The plan has begun."),
            Self::Shipped => ("shipped", "The card was sent."),
            Self::Policy => ("plan_policy", "The plan is not refundable."),
            Self::PeriodOver => ("period_over", "The time within which the plan is refundable is over."),
            Self::Cancelling => ("cancelling", "The card is being cancelled."),
            Self::Cancelled => ("cancelled", "The card is cancelled."),
            Self::Ended => ("ended", "What was bought is over: used up, expired, or ended with its subscription."),
            Self::Failed => ("not_delivered", "It could not be delivered; what was paid for it is given back without a request."),
        }
    }
}

/// What became of what a line brought, as far as its card and its subscription tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// The card was installed on a phone.
    pub installed: bool,
    /// The plan has begun.
    pub activated: bool,
}

impl Order {
    /// Whether the money of a line can be given back now: by what became of it, by its state and by the policy of the plan's
    /// version (order seed, "Cancellation and unsubscribe" and "SIM-card orders").
    pub fn refundable(&self, line: usize, policy: RefundPolicy, used: Used, now: Timestamp) -> Refundable {
        let (Some(line), Some(payment)) = (self.lines.get(line), self.paid_by()) else {
            return Refundable::No(NotRefundable::NotPaid);
        };
        let why_not = match line.state {
            LineState::Cancelling => Some(NotRefundable::Cancelling),
            LineState::Cancelled => Some(NotRefundable::Cancelled),
            LineState::Ended => Some(NotRefundable::Ended),
            LineState::Failed => Some(NotRefundable::Failed),
            LineState::Pending | LineState::Live if self.kind == OrderType::CancelSubscription => Some(NotRefundable::Kind),
            LineState::Pending | LineState::Live if self.shipment.is_some() => Some(NotRefundable::Shipped),
            LineState::Pending | LineState::Live if used.activated => Some(NotRefundable::Activated),
            // A swap is over when its card was installed.
            LineState::Pending | LineState::Live if used.installed || self.has_swapped() => Some(NotRefundable::Installed),
            // What a swap costs has nothing to do with the plan.
            LineState::Pending | LineState::Live if self.kind == OrderType::SwapSim => None,
            LineState::Pending | LineState::Live => match policy {
                RefundPolicy::UntilActivation => None,
                RefundPolicy::WithinDays { days } => {
                    let end = self.created_at.plus_seconds(i64::from(days) * 86_400);
                    (now >= end).then_some(NotRefundable::PeriodOver)
                }
                RefundPolicy::None => Some(NotRefundable::Policy),
            },
        };
        let amount = line.amount.min(self.left_of(payment));
        why_not.map_or(Refundable::Yes(Money { amount, currency: self.currency }), Refundable::No)
    }

    /// The lines that a request to cancel the whole order is about, of `lines`, which tells of each what became of it: those whose
    /// money can be given back. When there are none, those that were or are being cancelled, so that asking again is asking once; and
    /// else all, so that the refusal has its reason.
    pub fn cancellable(&self, lines: &[(usize, Used)], policy: RefundPolicy, now: Timestamp) -> Vec<(usize, Used)> {
        let told = |line: &(usize, Used)| self.refundable(line.0, policy, line.1, now);
        let fits: [fn(Refundable) -> bool; 3] = [
            |refundable| matches!(refundable, Refundable::Yes(_)),
            |refundable| matches!(refundable, Refundable::No(NotRefundable::Cancelling | NotRefundable::Cancelled)),
            |_| true,
        ];
        let those = |fits: fn(Refundable) -> bool| lines.iter().copied().filter(|line| fits(told(line))).collect::<Vec<_>>();
        fits.into_iter().map(those).find(|lines| !lines.is_empty()).unwrap_or_default()
    }
}
