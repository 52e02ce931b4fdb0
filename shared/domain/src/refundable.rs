use crate::{LineState, Money, Order, RefundPolicy, Timestamp};

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
    /// The plan is never refunded.
    Policy,
    /// The plan's days for it are over.
    PeriodOver,
    /// It is being cancelled.
    Cancelling,
    /// It is cancelled.
    Cancelled,
    /// Its plan is used up or expired.
    Ended,
    /// It was never delivered; its money is owed back anyway.
    Failed,
}

impl NotRefundable {
    /// A stable word, and a sentence for a person.
    pub fn explain(self) -> (&'static str, &'static str) {
        match self {
            Self::NotPaid => ("not_paid", "The order is not paid."),
            Self::Policy => ("plan_policy", "The plan is not refundable."),
            Self::PeriodOver => ("period_over", "The time within which the plan is refundable is over."),
            Self::Cancelling => ("cancelling", "The card is being cancelled."),
            Self::Cancelled => ("cancelled", "The card is cancelled."),
            Self::Ended => ("ended", "The plan is used up or has expired."),
            Self::Failed => ("not_delivered", "The card could not be delivered; its price is given back without a request."),
        }
    }
}

impl Order {
    /// Whether the money of a line can be given back now, by its state and the policy of the plan's
    /// version.
    pub fn refundable(&self, line: usize, policy: RefundPolicy, now: Timestamp) -> Refundable {
        let Some(line) = self.lines.get(line).filter(|_| self.is_paid()) else { return Refundable::No(NotRefundable::NotPaid) };
        let why_not = match line.state {
            LineState::Cancelling => Some(NotRefundable::Cancelling),
            LineState::Cancelled => Some(NotRefundable::Cancelled),
            LineState::Ended => Some(NotRefundable::Ended),
            LineState::Failed => Some(NotRefundable::Failed),
            LineState::Pending | LineState::Live => match policy {
                RefundPolicy::UntilActivation => None,
                RefundPolicy::WithinDays { days } => {
                    let end = self.created_at.plus_seconds(i64::from(days) * 86_400);
                    (now >= end).then_some(NotRefundable::PeriodOver)
                }
                RefundPolicy::None => Some(NotRefundable::Policy),
            },
        };
        let left = self.paid_by().map_or(0, |payment| self.left_of(payment));
        why_not.map_or(Refundable::Yes(Money { amount: line.amount.min(left), currency: self.currency }), Refundable::No)
    }

    /// The lines that a request to cancel the whole order is about: those whose money can be given back. When there are none, those
    /// that were or are being cancelled, so that asking again is asking once; and else all, so that the refusal has its reason.
    pub fn cancellable(&self, policy: RefundPolicy, now: Timestamp) -> Vec<usize> {
        let told: Vec<Refundable> = (0..self.lines.len()).map(|line| self.refundable(line, policy, now)).collect();
        let fits: [fn(&Refundable) -> bool; 3] = [
            |refundable| matches!(refundable, Refundable::Yes(_)),
            |refundable| matches!(refundable, Refundable::No(NotRefundable::Cancelling | NotRefundable::Cancelled)),
            |_| true,
        ];
        let lines = |fits: fn(&Refundable) -> bool| (0..told.len()).filter(|line| fits(&told[*line])).collect::<Vec<_>>();
        fits.into_iter().map(lines).find(|lines| !lines.is_empty()).unwrap_or_default()
    }
}
