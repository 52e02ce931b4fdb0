//! Money that goes back.

use super::{MAX_ATTEMPTS, REFUND_LEASE, REFUND_PATIENCE, Rejected, backoff, cut};
use crate::order::{Event, Order, Refund, RefundState, ReturnReason, TOO_MUCH};
use crate::{Money, Timestamp};

pub(super) fn ask(order: &Order, next: &mut Order, refund: usize, now: Timestamp) -> Result<(), Rejected> {
    if !order.refunds.get(refund).is_some_and(|refund| order.is_owed(refund)) {
        return Err(Rejected::Done);
    }
    let open = next.left_to_ask_for(refund);
    let ours = next.refund_mut(refund)?;
    match ours.state {
        RefundState::Due(at) if at <= now => {
            // Somebody may have given a part back at the provider. Once it was asked for a sum, its name stands for that.
            if ours.asked_at.is_none() {
                if open <= 0 {
                    return Err(Rejected::NotDue);
                }
                ours.amount.amount = ours.amount.amount.min(open);
            }
            ours.attempts += 1;
            ours.asked_at.get_or_insert(now);
            ours.state = RefundState::Due(now.plus_seconds(REFUND_LEASE));
        }
        RefundState::Due(_) => return Err(Rejected::NotDue),
        RefundState::Requested(_) | RefundState::Succeeded | RefundState::Failed | RefundState::Withdrawn => {
            return Err(Rejected::Done);
        }
    }
    Ok(())
}

pub(super) fn taken(next: &mut Order, refund: usize, provider_id: String, now: Timestamp) -> Result<(), Rejected> {
    let ours = next.refund_mut(refund)?;
    match ours.state {
        RefundState::Due(_) if ours.has_failed_as(&provider_id) => return Err(Rejected::Done),
        RefundState::Due(_) => ours.provider_id = Some(provider_id),
        // It was asked how it went, and does not know yet.
        RefundState::Requested(at) if at.plus_seconds(REFUND_PATIENCE) <= now => {}
        RefundState::Requested(_) | RefundState::Succeeded | RefundState::Failed | RefundState::Withdrawn => {
            return Err(Rejected::Done);
        }
    }
    ours.state = RefundState::Requested(now);
    Ok(())
}

pub(super) fn succeeded(next: &mut Order, refund: usize, provider_id: Option<String>, now: Timestamp) -> Result<(), Rejected> {
    let ours = next.refund_mut(refund)?;
    if provider_id.as_ref().is_some_and(|id| ours.has_failed_as(id)) {
        return Err(Rejected::Done);
    }
    match ours.state {
        RefundState::Due(_) | RefundState::Requested(_) | RefundState::Failed => {}
        // It counted as refused and was asked for anew; what comes out of the same payment is not owed twice.
        RefundState::Withdrawn if ours.asked_at.is_some() => {}
        RefundState::Succeeded if provider_id.is_some() && provider_id != ours.provider_id => {
            return next.given_back_twice(refund, provider_id, now);
        }
        RefundState::Succeeded | RefundState::Withdrawn => return Err(Rejected::Done),
    }
    ours.state = RefundState::Succeeded;
    ours.provider_id = provider_id.or(ours.provider_id.take());
    let amount = ours.amount.to_string();
    next.note(now, Event::Refunded, Some(amount));
    Ok(())
}

pub(super) fn delayed(next: &mut Order, refund: usize, now: Timestamp) -> Result<(), Rejected> {
    let ours = next.refund_mut(refund)?;
    match ours.state {
        RefundState::Due(at) if at == now.plus_seconds(backoff(ours.attempts)) => return Err(Rejected::Done),
        RefundState::Due(_) => ours.state = RefundState::Due(now.plus_seconds(backoff(ours.attempts))),
        RefundState::Requested(_) | RefundState::Succeeded | RefundState::Failed | RefundState::Withdrawn => {
            return Err(Rejected::Done);
        }
    }
    if next.refunds[refund].attempts == MAX_ATTEMPTS {
        next.call_manager(now);
    }
    Ok(())
}

pub(super) fn refused(
    next: &mut Order,
    refund: usize,
    provider_id: Option<String>,
    reason: &str,
    now: Timestamp,
) -> Result<(), Rejected> {
    let ours = next.refund_mut(refund)?;
    if provider_id.as_ref().is_some_and(|id| ours.has_failed_as(id)) {
        return Err(Rejected::Done);
    }
    match ours.state {
        RefundState::Due(_) => ours.provider_id = provider_id,
        // The bank may send money back that the provider had given.
        RefundState::Requested(_) | RefundState::Succeeded if provider_id.is_some() && ours.provider_id == provider_id => {}
        RefundState::Requested(_) | RefundState::Succeeded | RefundState::Failed | RefundState::Withdrawn => {
            return Err(Rejected::Done);
        }
    }
    ours.state = RefundState::Failed;
    ours.failed_ids.extend(ours.provider_id.clone());
    let note = format!("{}: {reason}", ours.amount);
    next.note(now, Event::RefundFailed, Some(note));
    next.call_manager(now);
    Ok(())
}

pub(super) fn given_back_elsewhere(
    order: &Order,
    next: &mut Order,
    payment_id: &str,
    provider_id: String,
    amount: Money,
    now: Timestamp,
) -> Result<(), Rejected> {
    let payment = order.payments.iter().position(|payment| payment.id == payment_id).ok_or(Rejected::NotAllowed)?;
    if order.refunds.iter().any(|refund| refund.is_known_as(&provider_id)) {
        return Err(Rejected::Done);
    }
    // Somebody gave back by hand what the provider had refused here, or had not given yet. Should it give that as well after all,
    // it says so under the refund's own name.
    let settles = |refund: &Refund| {
        let open = match refund.state {
            RefundState::Due(_) => true,
            RefundState::Failed => refund.reason != ReturnReason::Elsewhere,
            RefundState::Requested(_) | RefundState::Succeeded | RefundState::Withdrawn => false,
        };
        open && refund.payment == payment && refund.amount == amount
    };
    let index = order.refunds.iter().position(settles).unwrap_or(order.refunds.len());
    if index == order.refunds.len() {
        next.refunds.push(Refund::due(payment, amount, ReturnReason::Elsewhere, None, now));
    }
    let left = next.not_given_back(payment);
    next.refunds[index].state = RefundState::Succeeded;
    next.refunds[index].provider_id = Some(provider_id);
    let counts = next.counts(&next.refunds[index]);
    let settles = match counts {
        true if amount.amount > left => TOO_MUCH,
        true => "",
        false => "; not what was paid in, so that it settles nothing",
    };
    next.note(now, Event::Refunded, Some(format!("{amount}, at the provider{settles}")));
    next.call_manager(now);
    Ok(())
}

pub(super) fn given_back_by_hand(next: &mut Order, refund_id: &str, reference: String, now: Timestamp) -> Result<(), Rejected> {
    let index = (0..next.refunds.len()).find(|index| next.refund_id(*index) == refund_id).ok_or(Rejected::NotAllowed)?;
    let refund = &next.refunds[index];
    match refund.state {
        RefundState::Failed if next.is_owed(refund) => {}
        RefundState::Succeeded if refund.provider_id.as_ref() == Some(&reference) => return Err(Rejected::Done),
        // What the provider may still give back, or has given, is not given once more.
        RefundState::Due(_)
        | RefundState::Requested(_)
        | RefundState::Succeeded
        | RefundState::Failed
        | RefundState::Withdrawn => return Err(Rejected::NotAllowed),
    }
    // Somebody may have given a part back at the provider, or it is doing so.
    let left = next.left_to_ask_for(index);
    if left <= 0 {
        return Err(Rejected::NotAllowed);
    }
    let refund = &mut next.refunds[index];
    refund.amount.amount = refund.amount.amount.min(left);
    let note = format!("{}, by hand: {reference}", refund.amount);
    (refund.state, refund.provider_id) = (RefundState::Succeeded, Some(reference));
    next.note(now, Event::Refunded, Some(note));
    Ok(())
}

pub(super) fn disputed(order: &Order, next: &mut Order, payment_id: &str, reason: &str, now: Timestamp) -> Result<(), Rejected> {
    if !order.payments.iter().any(|payment| payment.id == payment_id) {
        return Err(Rejected::NotAllowed);
    }
    let note = cut(&format!("{payment_id}: {reason}"));
    if order.history.iter().any(|entry| entry.event == Event::Disputed && entry.note.as_ref() == Some(&note)) {
        return Err(Rejected::Done);
    }
    next.note(now, Event::Disputed, Some(note));
    next.call_manager(now);
    Ok(())
}

impl Order {
    pub(super) fn refund_mut(&mut self, index: usize) -> Result<&mut Refund, Rejected> {
        self.refunds.get_mut(index).ok_or(Rejected::NotAllowed)
    }

    /// What is left of a refund's payment for it, in minor units: what was neither given back nor is being given back by another.
    pub(super) fn left_to_ask_for(&self, index: usize) -> i64 {
        let Some(ours) = self.refunds.get(index) else { return 0 };
        let under_way = |refund: &Refund| match refund.state {
            RefundState::Due(_) => refund.asked_at.is_some(),
            RefundState::Requested(_) => true,
            RefundState::Succeeded | RefundState::Failed | RefundState::Withdrawn => false,
        };
        let others = self.refunds.iter().enumerate().filter(|(other, refund)| *other != index && refund.payment == ours.payment);
        let others: i64 = others.filter(|(_, refund)| under_way(refund)).map(|(_, refund)| refund.amount.amount).sum();
        self.not_given_back(ours.payment) - others
    }

    /// The provider gave back what somebody had settled by hand meanwhile: nobody is owed it, and a manager hears of it.
    fn given_back_twice(&mut self, index: usize, provider_id: Option<String>, now: Timestamp) -> Result<(), Rejected> {
        if provider_id.as_ref().is_some_and(|id| self.refunds.iter().any(|refund| refund.is_known_as(id))) {
            return Err(Rejected::Done);
        }
        let (payment, amount) = (self.refunds[index].payment, self.refunds[index].amount);
        let mut again = Refund::due(payment, amount, ReturnReason::Elsewhere, None, now);
        (again.state, again.provider_id) = (RefundState::Succeeded, provider_id);
        self.refunds.push(again);
        self.note(now, Event::Refunded, Some(format!("{amount}{TOO_MUCH}")));
        self.call_manager(now);
        Ok(())
    }

    /// No more of a payment is owed than is left of it: some may have been given back at the provider.
    pub(super) fn owe(&mut self, payment: usize, amount: Money, reason: ReturnReason, line: Option<usize>, now: Timestamp) {
        let amount = Money { amount: amount.amount.min(self.left_of(payment)), ..amount };
        if amount.amount > 0 {
            self.refunds.push(Refund::due(payment, amount, reason, line, now));
        }
    }
}

impl Refund {
    /// Whether it is being asked for now, and never was before.
    pub fn is_asked_for_first(&self) -> bool {
        matches!((self.state, self.asked_at), (RefundState::Due(until), Some(first)) if first.plus_seconds(REFUND_LEASE) == until)
    }

    /// Whether the provider's id is one of its, also one that failed.
    pub fn is_known_as(&self, provider_id: &str) -> bool {
        self.provider_id.as_deref() == Some(provider_id) || self.has_failed_as(provider_id)
    }

    fn has_failed_as(&self, provider_id: &str) -> bool {
        self.failed_ids.iter().any(|failed| failed == provider_id)
    }

    pub(super) fn due(payment: usize, amount: Money, reason: ReturnReason, line: Option<usize>, now: Timestamp) -> Self {
        let state = RefundState::Due(now);
        Self {
            payment,
            amount,
            reason,
            line,
            state,
            at: now,
            attempts: 0,
            asked_at: None,
            provider_id: None,
            failed_ids: Vec::new(),
        }
    }
}
