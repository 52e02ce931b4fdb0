//! What becomes of cards at the carrier.

use super::{MAX_ATTEMPTS, Rejected, backoff};
use crate::order::{Attempts, Event, Line, LineState, Order, OrderType, ReturnReason};
use crate::{FormFactor, Iccid, Money, Timestamp};

pub(super) fn provisioned(next: &mut Order, lines: Vec<usize>, now: Timestamp) -> Result<(), Rejected> {
    let mut done = 0;
    for index in lines {
        let line = next.lines.get_mut(index).ok_or(Rejected::NotAllowed)?;
        if line.state == LineState::Pending && line.iccid.is_some() {
            line.state = LineState::Live;
            done += 1;
        }
    }
    if done == 0 {
        return Err(Rejected::Done);
    }
    let note = (done > 1 || next.lines.len() > 1).then(|| format!("{done} of {} cards", next.lines.len()));
    next.note(now, Event::Provisioned, note);
    next.qr_mail_falls_due(now);
    Ok(())
}

pub(super) fn provisioning_delayed(
    order: &Order,
    next: &mut Order,
    reason: String,
    retry_after: Option<u32>,
    now: Timestamp,
) -> Result<(), Rejected> {
    let attempts = next.provisioning.as_mut().ok_or(Rejected::NotAllowed)?;
    if !order.lines.iter().any(|line| line.state == LineState::Pending) {
        return Err(Rejected::Done);
    }
    if attempts.next_at > now {
        return Err(Rejected::NotDue);
    }
    attempts.failed += 1;
    if attempts.failed == MAX_ATTEMPTS {
        for line in 0..next.lines.len() {
            if next.lines[line].state == LineState::Pending {
                next.give_up_line(line, &format!("given up after {MAX_ATTEMPTS} attempts: {reason}"), now);
            }
        }
    } else {
        let wait = backoff(attempts.failed).max(retry_after.map_or(0, i64::from));
        attempts.next_at = now.plus_seconds(wait);
        if attempts.failed == 1 {
            next.note(now, Event::ProvisioningDelayed, Some(reason));
        }
    }
    Ok(())
}

pub(super) fn provisioning_failed(
    order: &Order,
    next: &mut Order,
    line: usize,
    reason: &str,
    now: Timestamp,
) -> Result<(), Rejected> {
    match order.lines.get(line).map(|line| line.state) {
        Some(LineState::Pending) if order.is_paid() => next.fail_line(line, reason, now),
        Some(LineState::Failed) => return Err(Rejected::Done),
        Some(LineState::Pending | LineState::Live | LineState::Cancelling | LineState::Cancelled | LineState::Ended) | None => {
            return Err(Rejected::NotAllowed);
        }
    }
    Ok(())
}

impl Order {
    /// The lines whose cards wait to be provisioned, with their cards.
    pub fn pending(&self) -> impl Iterator<Item = (usize, &Iccid)> {
        let waits = |(index, line): (usize, &'_ Line)| match line.state {
            LineState::Pending => Some(index),
            LineState::Live | LineState::Cancelling | LineState::Cancelled | LineState::Ended | LineState::Failed => None,
        };
        let lines = self.lines.iter().enumerate();
        lines.filter_map(move |(index, line)| Some((waits((index, line))?, line.iccid.as_ref()?)))
    }

    /// Nobody knows whether the carrier did what it was asked for. A card whose code never left is of no use to anybody; what was added to
    /// one that works could be used, and is taken off first, before its money goes back.
    fn give_up_line(&mut self, index: usize, reason: &str, now: Timestamp) {
        match self.kind {
            OrderType::TopUpSubscription | OrderType::Renewal => {
                self.lines[index].state = LineState::Cancelling;
                self.revoking = Some(Attempts { failed: 0, next_at: now });
                let card = self.card_of(index).unwrap_or_default();
                self.note(now, Event::ProvisioningFailed, Some(format!("{card}: {reason}")));
                self.call_manager(now);
            }
            OrderType::ActivateSubscription | OrderType::SwapSim | OrderType::CancelSubscription => {
                self.fail_line(index, reason, now);
            }
        }
    }

    pub(super) fn fail_line(&mut self, index: usize, reason: &str, now: Timestamp) {
        let line = &mut self.lines[index];
        line.state = LineState::Failed;
        let amount = Money { amount: line.amount, currency: self.currency };
        let card = line.iccid.as_ref().map_or("no card", Iccid::as_str).to_owned();
        if let Some(payment) = self.paid_by() {
            self.owe(payment, amount, ReturnReason::ProvisioningFailed, Some(index), now);
        }
        self.note(now, Event::ProvisioningFailed, Some(format!("{card}: {reason}")));
        self.call_manager(now);
        self.qr_mail_falls_due(now);
    }

    /// Whether a mail carries the codes of its cards.
    pub fn mails_codes(&self) -> bool {
        self.send_email && self.has_codes()
    }

    /// Whether its cards come with codes.
    pub fn has_codes(&self) -> bool {
        self.kind.takes_cards() && self.form_factor == FormFactor::Esim
    }

    pub(super) fn card_of(&self, line: usize) -> Option<String> {
        self.lines.get(line)?.iccid.as_ref().map(ToString::to_string)
    }
}

impl Attempts {
    /// Counts an attempt that failed, and says when the next is due; answers whether so many have failed that somebody has to know.
    pub(super) fn put_off(&mut self, retry_after: Option<u32>, now: Timestamp) -> Result<bool, Rejected> {
        if self.next_at > now {
            return Err(Rejected::NotDue);
        }
        self.failed += 1;
        self.next_at = now.plus_seconds(backoff(self.failed).max(retry_after.map_or(0, i64::from)));
        Ok(self.failed == MAX_ATTEMPTS)
    }
}
