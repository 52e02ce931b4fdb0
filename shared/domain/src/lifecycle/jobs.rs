//! What an order needs from others, and when.

use super::{QUIET, REFUND_PATIENCE};
use crate::Timestamp;
use crate::order::{LineState, MailKind, MailState, Order, Refund, RefundState};
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
    /// Send a mail.
    Mail {
        /// Which.
        #[serde(with = "mail_kind_name")]
        mail: MailKind,
    },
}

/// A job and when it can be begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outstanding {
    /// What is to be done.
    pub job: Job,
    /// Not before.
    pub at: Timestamp,
    /// Whether somebody has begun and only the end of their time makes it due again.
    pub claimed: bool,
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
        all.push(Outstanding { job: Job::Provision, at: attempts.next_at, claimed: false });
    }
    if let Some(attempts) = order.revoking
        && order.lines.iter().any(|line| line.state == LineState::Cancelling)
    {
        all.push(Outstanding { job: Job::Revoke, at: attempts.next_at, claimed: false });
    }
    if let Some(attempts) = order.retiring {
        all.push(Outstanding { job: Job::Retire, at: attempts.next_at, claimed: false });
    }
    // One job gives back all that an order owes. What others that are under way leave nothing for waits for them.
    let refund_at = |(index, refund): (usize, &Refund)| match refund.state {
        RefundState::Due(_) if refund.asked_at.is_none() && order.left_to_ask_for(index) <= 0 => None,
        RefundState::Due(at) => Some((at, refund.attempts > 0)),
        RefundState::Requested(at) => Some((at.plus_seconds(REFUND_PATIENCE), true)),
        RefundState::Succeeded | RefundState::Failed | RefundState::Withdrawn => None,
    };
    let owed = order.refunds.iter().enumerate().filter(|(_, refund)| order.is_owed(refund));
    if let Some((at, claimed)) = owed.filter_map(refund_at).min() {
        all.push(Outstanding { job: Job::Refund, at, claimed });
    }
    for mail in order.mails.iter().filter(|mail| order.has_news_for(mail.kind)) {
        let (at, claimed) = match mail.state {
            MailState::Pending(at) => (at, false),
            MailState::Sending(until) => (until, true),
            MailState::Sent(_) | MailState::Failed(_) => continue,
        };
        all.push(Outstanding { job: Job::Mail { mail: mail.kind }, at, claimed });
    }
    all
}

/// The jobs that can be done now.
pub fn due(order: &Order, now: Timestamp) -> Vec<Job> {
    outstanding(order).into_iter().filter(|outstanding| outstanding.at <= now).map(|outstanding| outstanding.job).collect()
}

/// When somebody should look at the order although nobody was told to; `None` if nothing is left to do.
pub fn next_attention(order: &Order) -> Option<Timestamp> {
    // The end of somebody's time is late enough by itself.
    let look = |outstanding: &Outstanding| if outstanding.claimed { outstanding.at } else { outstanding.at.plus_seconds(QUIET) };
    let unpaid = (!order.is_paid() && order.void.is_none()).then_some(order.pay_until);
    outstanding(order).iter().map(look).chain(unpaid).min()
}

mod mail_kind_name {
    use crate::order::MailKind;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};
    use std::borrow::Cow;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
    pub fn serialize<S: Serializer>(kind: &MailKind, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(kind.name())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<MailKind, D::Error> {
        let name = Cow::<str>::deserialize(deserializer)?;
        MailKind::from_name(&name).ok_or_else(|| D::Error::custom("unknown mail"))
    }
}
