//! Another card takes over a subscription.

use super::Rejected;
use crate::Timestamp;
use crate::order::{Attempts, Event, LineState, Order, OrderType};

pub(super) fn abandon(order: &Order, next: &mut Order, now: Timestamp) -> Result<(), Rejected> {
    if order.kind != OrderType::SwapSim || !order.is_paid() || order.has_swapped() {
        return Err(Rejected::NotAllowed);
    }
    match order.lines.first().map(|line| line.state) {
        Some(LineState::Pending | LineState::Live) => next.lines[0].state = LineState::Cancelling,
        Some(LineState::Cancelling | LineState::Cancelled | LineState::Ended | LineState::Failed) | None => {
            return Err(Rejected::Done);
        }
    }
    next.revoking = Some(Attempts { failed: 0, next_at: now });
    next.note(now, Event::CancellationRequested, Some("nobody installed the new SIM in time".to_owned()));
    Ok(())
}

pub(super) fn swapped(order: &Order, next: &mut Order, now: Timestamp) -> Result<(), Rejected> {
    if order.kind != OrderType::SwapSim || !order.is_paid() {
        return Err(Rejected::NotAllowed);
    }
    if order.has_swapped() {
        return Err(Rejected::Done);
    }
    match order.lines.first().map(|line| line.state) {
        // An install settles it, even one that was reported before the carrier's own answer, or in spite of a cancellation.
        Some(LineState::Pending | LineState::Live | LineState::Cancelling) => next.lines[0].state = LineState::Live,
        Some(LineState::Cancelled | LineState::Ended | LineState::Failed) | None => return Err(Rejected::NotAllowed),
    }
    next.retiring = Some(Attempts { failed: 0, next_at: now });
    next.note(now, Event::Swapped, order.card_of(0));
    Ok(())
}

pub(super) fn retired(order: &Order, next: &mut Order, now: Timestamp) -> Result<(), Rejected> {
    if order.retiring.is_none() {
        return Err(Rejected::Done);
    }
    next.retiring = None;
    next.note(now, Event::Retired, order.subject.as_ref().map(|subject| subject.iccid.to_string()));
    Ok(())
}

pub(super) fn retirement_delayed(next: &mut Order, retry_after: Option<u32>, now: Timestamp) -> Result<(), Rejected> {
    let attempts = next.retiring.as_mut().ok_or(Rejected::Done)?;
    if attempts.put_off(retry_after, now)? {
        next.call_manager(now);
    }
    Ok(())
}

impl Order {
    /// Whether the new card of a swap has taken over.
    pub fn has_swapped(&self) -> bool {
        self.history.iter().any(|entry| entry.event == Event::Swapped)
    }
}
