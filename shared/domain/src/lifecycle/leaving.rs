//! How lines come to an end: cancelled on request, or over with their plan or subscription.

use super::Rejected;
use crate::order::{Attempts, Entry, Event, LineState, Order, ReturnReason};
use crate::{Money, NotRefundable, OverReason, RefundPolicy, Refundable, Timestamp, Used};

pub(super) fn cancel(
    next: &mut Order,
    lines: Vec<(usize, Used)>,
    policy: RefundPolicy,
    note: &str,
    now: Timestamp,
) -> Result<(), Rejected> {
    let mut cancelling = 0;
    for (index, used) in lines {
        match next.refundable(index, policy, used, now) {
            Refundable::Yes(_) => {
                next.lines[index].state = LineState::Cancelling;
                cancelling += 1;
            }
            Refundable::No(NotRefundable::Cancelling | NotRefundable::Cancelled) => {}
            Refundable::No(why) => return Err(Rejected::NotRefundable(why)),
        }
    }
    if cancelling == 0 {
        return Err(Rejected::Done);
    }
    next.revoking = Some(Attempts { failed: 0, next_at: now });
    let note = format!("{cancelling} of {} cards: {note}", next.lines.len());
    next.note(now, Event::CancellationRequested, Some(note));
    Ok(())
}

pub(super) fn revoked(order: &Order, next: &mut Order, line: usize, now: Timestamp) -> Result<(), Rejected> {
    order.expect_cancelling(line)?;
    next.lines[line].state = LineState::Cancelled;
    let amount = Money { amount: order.lines[line].amount, currency: order.currency };
    if let Some(payment) = order.paid_by() {
        next.owe(payment, amount, ReturnReason::Cancelled, Some(line), now);
    }
    next.note(now, Event::Cancelled, order.card_of(line));
    next.qr_mail_falls_due(now);
    next.drop_qr_mail_without_cards();
    Ok(())
}

pub(super) fn not_revoked(order: &Order, next: &mut Order, line: usize, provisioned: bool, why: Entry) -> Result<(), Rejected> {
    order.expect_cancelling(line)?;
    next.lines[line].state = if provisioned { LineState::Live } else { LineState::Pending };
    let Entry { at, event, note, .. } = why;
    next.note(at, event, note);
    next.qr_mail_falls_due(at);
    Ok(())
}

pub(super) fn revocation_delayed(
    order: &Order,
    next: &mut Order,
    retry_after: Option<u32>,
    now: Timestamp,
) -> Result<(), Rejected> {
    let attempts = next.revoking.as_mut().ok_or(Rejected::NotAllowed)?;
    if !order.lines.iter().any(|line| line.state == LineState::Cancelling) {
        return Err(Rejected::Done);
    }
    // It is tried for as long as it takes: the line can neither be used nor paid back until the carrier has answered.
    if attempts.put_off(retry_after, now)? {
        next.call_manager(now);
    }
    Ok(())
}

pub(super) fn plan_over(order: &Order, next: &mut Order, line: usize, why: OverReason, now: Timestamp) -> Result<(), Rejected> {
    match order.lines.get(line).map(|line| line.state) {
        Some(LineState::Pending | LineState::Live) if order.is_paid() => {
            next.lines[line].state = LineState::Ended;
            next.note(now, Event::Ended, Some(why.name().to_owned()));
        }
        Some(LineState::Ended | LineState::Cancelled) => return Err(Rejected::Done),
        Some(LineState::Pending | LineState::Live | LineState::Cancelling | LineState::Failed) | None => {
            return Err(Rejected::NotAllowed);
        }
    }
    Ok(())
}

pub(super) fn subscription_over(
    order: &Order,
    next: &mut Order,
    line: usize,
    policy: RefundPolicy,
    used: Used,
    now: Timestamp,
) -> Result<(), Rejected> {
    match order.lines.get(line).map(|line| line.state) {
        Some(LineState::Pending | LineState::Live) if order.is_paid() => {
            if let Refundable::Yes(amount) = order.refundable(line, policy, used, now) {
                next.lines[line].state = LineState::Cancelled;
                if let Some(payment) = order.paid_by() {
                    next.owe(payment, amount, ReturnReason::Cancelled, Some(line), now);
                }
                next.note(now, Event::Cancelled, Some("with its subscription".to_owned()));
            } else {
                next.lines[line].state = LineState::Ended;
                next.note(now, Event::Ended, Some("with its subscription".to_owned()));
            }
        }
        Some(LineState::Cancelled | LineState::Ended | LineState::Failed) => return Err(Rejected::Done),
        // Whoever cancels it settles it.
        Some(LineState::Pending | LineState::Live | LineState::Cancelling) | None => return Err(Rejected::NotAllowed),
    }
    Ok(())
}

impl Order {
    fn expect_cancelling(&self, line: usize) -> Result<(), Rejected> {
        match self.lines.get(line).map(|line| line.state) {
            Some(LineState::Cancelling) => Ok(()),
            Some(LineState::Cancelled) => Err(Rejected::Done),
            Some(LineState::Pending | LineState::Live | LineState::Ended | LineState::Failed) | None => Err(Rejected::NotAllowed),
        }
    }
}
