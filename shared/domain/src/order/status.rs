//! Where an order stands, which is derived and never stored: its status, how far its delivery is, what a manager should look at.

use super::{Entry, Event, LineState, MailReport, MailState, Order, OrderType, RefundState};
use crate::{FormFactor, Timestamp};

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
    /// More went back than was owed, and nobody has written a note since.
    PaidBackTwice,
    /// The carrier did not let cards be cancelled, and nobody has written a note since.
    CancellationRefused,
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
    CancellationRefused => "cancellation_refused",
    Disputed => "disputed",
    MailFailed => "mail_failed",
    MailUndelivered => "mail_undelivered",
    MailComplaint => "mail_complaint",
    PaidBackTwice => "paid_back_twice",
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

    /// Whether cards wait to be sent.
    pub fn is_to_ship(&self) -> bool {
        let open = self.lines.iter().any(|line| matches!(line.state, LineState::Pending | LineState::Live));
        self.kind.takes_cards() && self.form_factor == FormFactor::Physical && self.is_paid() && open && self.shipment.is_none()
    }

    /// What happened of a kind that no manager has written a note since.
    pub fn unanswered(&self, event: Event) -> impl Iterator<Item = &Entry> {
        let noted = self.history.iter().rposition(|entry| entry.event == Event::Noted).map_or(0, |index| index + 1);
        self.history[noted..].iter().filter(move |entry| entry.event == event)
    }

    /// What a manager should look at, derived.
    pub fn attention(&self) -> Vec<Attention> {
        let mut all = Vec::new();
        if self.is_to_ship() {
            all.push(Attention::ToShip);
        }
        // Only what was to be activated is tried again.
        let failed =
            self.kind != OrderType::ActivateSubscription || self.lines.iter().any(|line| line.state == LineState::Failed);
        if failed && self.unanswered(Event::ProvisioningFailed).next().is_some() {
            all.push(Attention::ProvisioningFailed);
        }
        if self.refunds.iter().any(|refund| self.is_owed(refund)) {
            all.push(Attention::MoneyOwed);
        }
        if self.refunds.iter().any(|refund| refund.state == RefundState::Failed && self.is_owed(refund)) {
            all.push(Attention::RefundFailed);
        }
        if self.unanswered(Event::Refunded).any(Entry::tells_of_too_much) {
            all.push(Attention::PaidBackTwice);
        }
        let kept = [Event::CancellationRefused, Event::CancellationOvertaken];
        if kept.into_iter().any(|event| self.unanswered(event).next().is_some()) {
            all.push(Attention::CancellationRefused);
        }
        if self.unanswered(Event::Disputed).next().is_some() {
            all.push(Attention::Disputed);
        }
        if self.mails.iter().any(|mail| matches!(mail.state, MailState::Failed(_))) {
            all.push(Attention::MailFailed);
        }
        let complaints_seen = self.unanswered(Event::MailReported).next().is_none();
        for mail in &self.mails {
            let found = match mail.report {
                None | Some((MailReport::Delayed, _)) => continue,
                Some((MailReport::Bounced | MailReport::Suppressed | MailReport::Rejected, _)) => Attention::MailUndelivered,
                Some((MailReport::Complained, _)) if complaints_seen => continue,
                Some((MailReport::Complained, _)) => Attention::MailComplaint,
            };
            if !all.contains(&found) {
                all.push(found);
            }
        }
        all
    }
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
