//! Money that comes in for an order, or does not.

use super::{Cards, Intake, Rejected};
use crate::order::{Attempts, Event, Mail, MailKind, Order, Payment, Provider, ReturnReason, VoidReason};
use crate::{Iccid, Money, Timestamp};

pub(super) fn receive(
    order: &Order,
    next: &mut Order,
    provider: Provider,
    payment_id: String,
    received: Money,
    cards: Cards,
    now: Timestamp,
) -> Result<(), Rejected> {
    let returned = match (order.intake(&payment_id, received, now), cards) {
        (Intake::Known, _) => return Err(Rejected::Done),
        (Intake::Returns(reason), _) => Some(reason),
        (Intake::Pays(_), Cards::SoldOut) => Some(ReturnReason::SoldOut),
        (Intake::Pays(_), Cards::Closed) if order.subject.is_some() => Some(ReturnReason::SubscriptionClosed),
        (Intake::Pays(count), Cards::Drawn(iccids)) if iccids.len() == count => {
            next.allocate(iccids, now);
            None
        }
        (Intake::Pays(_), Cards::Drawn(_) | Cards::NotDrawn | Cards::Closed) => return Err(Rejected::NotAllowed),
    };
    next.payments.push(Payment { id: payment_id, provider, received, at: now, returned });
    if let Some(reason) = returned {
        next.owe(next.payments.len() - 1, received, reason, None, now);
        next.note(now, Event::PaymentReturned, Some(format!("{received}: {}", reason.name())));
        match reason {
            ReturnReason::SoldOut => next.turn_void(VoidReason::SoldOut, now),
            ReturnReason::SubscriptionClosed => next.turn_void(VoidReason::SubscriptionClosed, now),
            ReturnReason::WrongAmount
            | ReturnReason::WrongCurrency
            | ReturnReason::AfterVoid
            | ReturnReason::PaidTwice
            | ReturnReason::ProvisioningFailed
            | ReturnReason::Cancelled
            | ReturnReason::Elsewhere => {}
        }
    } else {
        next.note(now, Event::Paid, None);
        if next.is_to_ship() {
            next.call_manager(now);
        }
    }
    Ok(())
}

pub(super) fn expire(order: &Order, next: &mut Order, now: Timestamp) -> Result<(), Rejected> {
    if order.is_paid() || order.void.is_some() {
        return Err(Rejected::Done);
    }
    if !order.is_void(now) {
        return Err(Rejected::NotDue);
    }
    next.turn_void(VoidReason::NotPaidInTime, now);
    Ok(())
}

pub(super) fn give_up(order: &Order, next: &mut Order, reason: VoidReason, now: Timestamp) -> Result<(), Rejected> {
    if order.is_paid() || order.void.is_some() {
        return Err(Rejected::Done);
    }
    next.turn_void(reason, now);
    Ok(())
}

impl Order {
    /// What a payment would mean to the order now.
    pub fn intake(&self, payment_id: &str, received: Money, now: Timestamp) -> Intake {
        let price = self.price();
        if self.payments.iter().any(|payment| payment.id == payment_id) {
            Intake::Known
        } else if self.is_paid() {
            Intake::Returns(ReturnReason::PaidTwice)
        } else if self.is_void(now) {
            Intake::Returns(ReturnReason::AfterVoid)
        } else if received.currency != price.currency {
            Intake::Returns(ReturnReason::WrongCurrency)
        } else if received.amount != price.amount {
            Intake::Returns(ReturnReason::WrongAmount)
        } else {
            Intake::Pays(if self.kind.takes_cards() { self.lines.len() } else { 0 })
        }
    }

    pub(super) fn allocate(&mut self, iccids: Vec<Iccid>, now: Timestamp) {
        match &self.subject {
            Some(subject) if !self.kind.takes_cards() => self.lines[0].iccid = Some(subject.iccid.clone()),
            Some(_) | None => {
                for (line, iccid) in self.lines.iter_mut().zip(iccids) {
                    line.iccid = Some(iccid);
                }
            }
        }
        self.wanted.clear();
        self.provisioning = Some(Attempts { failed: 0, next_at: now });
        if self.send_email && self.is_confirmed() {
            self.mails.push(Mail::pending(MailKind::Confirmation, now));
        }
    }

    pub(super) fn turn_void(&mut self, reason: VoidReason, now: Timestamp) {
        self.void = Some(reason);
        self.note(now, Event::Voided, Some(reason.name().to_owned()));
    }
}
