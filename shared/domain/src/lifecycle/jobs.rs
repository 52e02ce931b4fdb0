//! What an order needs from others, and when.

use super::{MAIL_PATIENCE, QUIET, REFUND_PATIENCE};
use crate::Timestamp;
use crate::order::{LineState, Mail, MailKind, MailState, Order, Refund, RefundState};
use serde::{Deserialize, Serialize};

/// Work that an order needs from somebody outside of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "job", rename_all = "snake_case")]
pub enum Job {
    /// Have the pending lines' cards activated.
    Provision,
    /// Have the cancelling lines' cards revoked.
    Revoke,
    /// Have the card that was swapped stopped.
    Retire,
    /// Give back what is owed.
    Refund,
    /// Send the mails that are due.
    Mail,
}

wire_names!(Job {
    Provision => "provision",
    Revoke => "revoke",
    Retire => "retire",
    Refund => "refund",
    Mail => "mail",
});

/// A job and when it can be begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outstanding {
    /// What is to be done.
    pub job: Job,
    /// Not before.
    pub at: Timestamp,
    /// Whether somebody is at it, or at what has to come first, and only the end of their time makes it due.
    pub under_way: bool,
}

/// Seconds to wait after the n-th failed attempt: 30, 60, 120 … up to an hour.
pub fn backoff(failed: u32) -> i64 {
    (30_i64 << failed.saturating_sub(1).min(10)).min(3600)
}

/// Everything that an order still needs from somebody, with the time from which it can be done.
pub fn outstanding(order: &Order) -> Vec<Outstanding> {
    let mut all = Vec::new();
    if let Some(attempts) = order.provisioning
        && order.lines.iter().any(|line| line.state == LineState::Pending)
    {
        all.push(Outstanding { job: Job::Provision, at: attempts.next_at, under_way: false });
    }
    if let Some(attempts) = order.revoking
        && order.lines.iter().any(|line| line.state == LineState::Cancelling)
    {
        all.push(Outstanding { job: Job::Revoke, at: attempts.next_at, under_way: false });
    }
    if let Some(attempts) = order.retiring {
        all.push(Outstanding { job: Job::Retire, at: attempts.next_at, under_way: false });
    }
    // One job gives back all that an order owes. What others that are under way leave nothing for waits for them.
    let refund_at = |(index, refund): (usize, &Refund)| match refund.state {
        RefundState::Due(_) if refund.asked_at.is_none() && order.left_to_ask_for(index) <= 0 => None,
        RefundState::Due(at) => Some((at, refund.attempts > 0)),
        RefundState::Requested(at) => Some((at.plus_seconds(REFUND_PATIENCE), true)),
        RefundState::Succeeded | RefundState::Failed | RefundState::Withdrawn => None,
    };
    let owed = order.refunds.iter().enumerate().filter(|(_, refund)| order.is_owed(refund));
    if let Some((at, under_way)) = owed.filter_map(refund_at).min() {
        all.push(Outstanding { job: Job::Refund, at, under_way });
    }
    // One job sends all that can be sent.
    if let Some((at, under_way)) = order.mails.iter().filter_map(|mail| order.turn_of(mail)).min() {
        all.push(Outstanding { job: Job::Mail, at, under_way });
    }
    all
}

/// The jobs that can be done now.
pub fn due(order: &Order, now: Timestamp) -> Vec<Job> {
    outstanding(order).into_iter().filter(|outstanding| outstanding.at <= now).map(|outstanding| outstanding.job).collect()
}

/// The mails that whoever begins to send now should claim. One whose sender vanished goes alone: should it be what ended them, no
/// other mail is sent over and over with it.
pub fn mails_due(order: &Order, now: Timestamp) -> Vec<MailKind> {
    let is_due = |mail: &&Mail| order.turn_of(mail).is_some_and(|(at, _)| at <= now);
    let mut mails: Vec<&Mail> = order.mails.iter().filter(is_due).collect();
    if let Some(lapsed) = mails.iter().position(|mail| matches!(mail.state, MailState::Sending(_))) {
        mails = vec![mails[lapsed]];
    }
    mails.into_iter().map(|mail| mail.kind).collect()
}

/// When somebody should look at the order although nobody was told to; `None` if nothing is left to do.
pub fn next_attention(order: &Order) -> Option<Timestamp> {
    // The end of somebody's time is late enough by itself.
    let look =
        |outstanding: &Outstanding| if outstanding.under_way { outstanding.at } else { outstanding.at.plus_seconds(QUIET) };
    let unpaid = (!order.is_paid() && order.void.is_none()).then_some(order.pay_until);
    outstanding(order).iter().map(look).chain(unpaid).min()
}

impl Order {
    /// When a mail can be begun, and whether only the end of somebody's time makes it due; `None` where nobody has to.
    ///
    /// While a card waits to be provisioned the mails wait for it, so that all go out at once and nobody writes the order while its
    /// carrier's answer is recorded; but whoever paid hears of it after [`MAIL_PATIENCE`], whatever the carrier does.
    pub(super) fn turn_of(&self, mail: &Mail) -> Option<(Timestamp, bool)> {
        if !self.has_news_for(mail.kind) {
            return None;
        }
        match mail.state {
            MailState::Pending(at) => {
                let patience = self.paid_at().plus_seconds(MAIL_PATIENCE);
                let cards = self.provisioning.is_some() && self.lines.iter().any(|line| line.state == LineState::Pending);
                Some(if cards && at < patience { (patience, true) } else { (at, false) })
            }
            MailState::Sending(until) => Some((until, true)),
            MailState::Sent(_) | MailState::Failed(_) => None,
        }
    }
}
