//! What partners' ledgers, gifts and payments say of orders.

use crate::orders::moved;
use crate::{Check, Rule};
use simdock_domain::{Money, OrderNum};
use simdock_store::Place;

/// The order that an entry of a ledger names; credits by people name none.
pub fn order_of(reference: &str) -> Option<OrderNum> {
    reference.split_once('#')?.0.parse().ok()
}

impl Check<'_> {
    pub(crate) fn entry(&mut self, partner_id: &str, reference: &str, amount: Money) {
        let Some(num) = order_of(reference) else { return };
        if !self.can_tell(Rule::Ledger, &Place::order(&num)) {
            return;
        }
        // What another partner's order moved is nothing of this ledger's.
        let order = self.books.order(&num).filter(|order| order.partner_id == partner_id);
        let moved = order.map(moved).unwrap_or_default();
        let moved = moved.iter().find(|(known, _)| known == reference).map(|(_, amount)| *amount);
        self.hold(Rule::Ledger, moved == Some(amount.amount), || format!("{amount} moved, and the order has {moved:?}"));
    }

    pub(crate) fn balance(&mut self, balance: Money) {
        self.hold(Rule::Balance, balance.amount >= 0, || format!("it is {balance}, which is below zero"));
    }

    pub(crate) fn gift(&mut self, partner_id: &str, subscription: &str, num: &OrderNum) {
        if !self.can_tell(Rule::Gift, &Place::order(num)) {
            return;
        }
        let given = self.books.order(num).is_some_and(|order| {
            let for_it = order.gift.as_ref().is_some_and(|gift| gift.subscription == subscription);
            for_it && order.partner_id == partner_id && order.is_paid()
        });
        self.hold(Rule::Gift, given, || format!("{num} was not given for it"));
    }

    pub(crate) fn payment(&mut self, provider: &str, payment_id: &str, num: &OrderNum) {
        let booked = self.books.order(num).map(|order| order.payments.iter().filter(|payment| payment.id == payment_id));
        let providers: Vec<&str> = booked.into_iter().flatten().map(|payment| payment.provider.name()).collect();
        let place = Place::order(num);
        let (booked, claimed) = (self.can_tell(Rule::Booked, &place), self.can_tell(Rule::Claimed, &place));
        self.hold(Rule::Booked, !booked || !providers.is_empty(), || format!("it is claimed for {num}, which does not have it"));
        self.hold(Rule::Claimed, !claimed || providers.is_empty() || providers.contains(&provider), || {
            format!("it is claimed for {num}, which has it of {}", providers.join(" and "))
        });
    }
}
