//! Cards, where they stand and whose they are.

use crate::{Books, Check, Rule};
use simdock_domain::{FormFactor, Iccid, LineState, Order, PoolId, Profile};
use simdock_store::{Place, Record, Sim, SimState};
use std::collections::BTreeSet;

pub fn neighbours(sim: &Sim) -> BTreeSet<Place> {
    let mut places = BTreeSet::from([Place::counter(&sim.pool), Place::tail(&sim.pool), Place::returned(&sim.pool, &sim.iccid)]);
    places.extend(sim.order_num.iter().map(Place::order));
    places.extend(sim.subscription.iter().map(|id| Place::subscription(id)));
    places.extend(sim.slot.map(|slot| Place::slot(&sim.pool, slot)));
    places.extend(sim.profile_id().map(|profile| Place::code(&profile)));
    places.insert(Place::operator(&sim.pool.operator));
    places
}

/// Those of the claim of a code: its card, then what tells whether that has another code by right.
pub fn neighbours_of_code(iccid: &Iccid, books: &Books) -> BTreeSet<Place> {
    let mut places = BTreeSet::from([Place::sim(iccid)]);
    if let Some(sim) = books.sim(iccid) {
        places.insert(Place::operator(&sim.pool.operator));
        places.extend(sim.profile_id().map(|profile| Place::code(&profile)));
    }
    places
}

impl Check<'_> {
    pub(crate) fn sim(&mut self, sim: &Sim) {
        if let Some(profile) = sim.profile_id() {
            self.code(sim, &profile);
        }
        let subscription = sim.subscription.as_ref().and_then(|id| self.books.subscription(id));
        if sim.state != SimState::Stocked {
            self.hold(Rule::Slot, sim.slot.is_none(), || format!("it is {:?}, and names a slot", sim.state));
        }
        match sim.state {
            SimState::Stocked => {
                self.hold(Rule::Owner, sim.order_num.is_none(), || "it is for sale, and sold".to_owned());
                self.hold(Rule::Owner, sim.subscription.is_none(), || "it is for sale, and names a subscription".to_owned());
                self.for_sale(sim);
            }
            SimState::Sold => self.owned(sim),
            SimState::Active => {
                self.owned(sim);
                let carries = subscription.is_some_and(|subscription| {
                    let next = subscription.open_change.as_ref().and_then(|change| change.new_iccid.as_ref());
                    subscription.ended.is_none() && (subscription.iccid == sim.iccid || next == Some(&sim.iccid))
                });
                self.hold(Rule::Carrier, carries, || "it is active, and no subscription is on it".to_owned());
            }
            SimState::Retired => {
                self.named(sim);
                let carried = subscription.is_some_and(|subscription| {
                    let past = subscription.past_cards.iter().any(|past| past.iccid == sim.iccid);
                    past || (subscription.iccid == sim.iccid && subscription.ended.is_some())
                });
                self.hold(Rule::Carrier, carried, || "it is retired, and no subscription has been on it".to_owned());
            }
            SimState::Returning => {
                let marked = self.books.record(&Place::returned(&sim.pool, &sim.iccid)).is_some();
                self.hold(Rule::Returning, marked, || "it is to go back on sale, and nobody knows".to_owned());
                self.never_shown(sim);
                self.named(sim);
            }
            SimState::SetAside => self.named(sim),
        }
    }

    /// No other card has its code, as far as the claim tells; [`Totals`](crate::Totals) sees to codes that nobody has claimed.
    fn code(&mut self, sim: &Sim, profile: &str) {
        if let Some(holder) = self.books.holder(profile) {
            return self.hold(Rule::Code, *holder == sim.iccid, || twice(holder));
        }
        self.hold(Rule::Code, self.gives_codes(sim) && sim.state != SimState::Stocked, || {
            "its code is not on record, and could come in with another card".to_owned()
        });
    }

    /// Whether a card's operator may give it a code when it activates it, which is claimed when the card goes back on sale. Not known
    /// of one that is not there, which the pool tells.
    fn gives_codes(&self, sim: &Sim) -> bool {
        let operator = self.books.record(&Place::operator(&sim.pool.operator));
        !matches!(operator, Some(Record::Operator { takes_requests: false }))
    }

    /// A code on record is that of its card. One that was activated may have been given another, which is on record as well where its
    /// operator does not give codes any more.
    pub(crate) fn holder(&mut self, profile: &str, iccid: &Iccid) {
        let Some(sim) = self.books.sim(iccid) else {
            return self.say(Rule::CodeHolder, format!("its card {iccid} does not exist"));
        };
        let own = sim.profile_id();
        let on_record = own.as_ref().is_some_and(|own| self.books.holder(own) == Some(iccid));
        let was_activated = sim.subscription.is_some() || !sim.past_orders.is_empty();
        let given = was_activated && sim.activation_code.is_some() && (on_record || self.gives_codes(sim));
        self.hold(Rule::CodeHolder, given || own.as_deref() == Some(profile), || {
            format!("its card {iccid} has another code, which nobody gave it")
        });
    }

    fn for_sale(&mut self, sim: &Sim) {
        let (books, pool) = (self.books, &sim.pool);
        let Some(slot) = sim.slot else { return self.say(Rule::Slot, "it is for sale, and in no slot") };
        self.hold(Rule::Slot, sim.archived_at.is_none(), || "it is for sale, and archived".to_owned());
        let mute = sim.activation_code.is_none() && pool.form_factor == FormFactor::Esim && !self.gives_codes(sim);
        self.hold(Rule::Code, !mute, || "it is for sale, and has no code, nor does its operator give one".to_owned());
        match books.record(&Place::slot(pool, slot)) {
            Some(Record::Slot { iccid, until, .. }) if *iccid == sim.iccid => {
                let [own, said] = [sim.activate_before, *until].map(|day| day.map_or("none".to_owned(), |day| day.to_string()));
                self.hold(Rule::Slot, own == said, || {
                    format!("its last day to install is {own}, and its slot {slot} says {said}")
                });
            }
            _ => self.say(Rule::Slot, format!("it is not in the slot {slot} that it names")),
        }
        let behind = matches!(books.record(&Place::tail(pool)), Some(Record::Tail { tail, .. }) if slot < *tail);
        self.hold(Rule::Slot, behind, || format!("its slot {slot} is behind the tail"));
        let drawn = matches!(books.record(&Place::counter(pool)), Some(Record::Counter { head, .. }) if slot < *head);
        self.hold(Rule::Leaked, !drawn, || format!("its ticket {slot} is drawn, and nobody bought it"));
        self.never_shown(sim);
    }

    fn never_shown(&mut self, sim: &Sim) {
        self.hold(Rule::Disclosed, sim.disclosed_at.is_none(), || format!("it is {:?}, and its code was shown", sim.state));
        self.hold(Rule::Disclosed, sim.profile == Profile::default(), || format!("it is {:?}, and was on a phone", sim.state));
    }

    /// A slot that can still be drawn holds a card that stands there.
    pub(crate) fn slot(&mut self, pool: &PoolId, slot: u64, iccid: &Iccid) {
        let Some(sim) = self.books.sim(iccid) else {
            return self.say(Rule::Slot, format!("its card {iccid} does not exist"));
        };
        let drawn = matches!(self.books.record(&Place::counter(pool)), Some(Record::Counter { head, .. }) if slot < *head);
        let there = sim.state == SimState::Stocked && sim.slot == Some(slot) && sim.pool == *pool;
        // One that was asked for by its number leaves its slot behind, and may be back in another one.
        let by_number = sim.order_num.is_some() || !sim.past_orders.is_empty();
        self.hold(Rule::Slot, drawn || there || by_number, || {
            let (state, stands) = (sim.state, sim.slot.map_or_else(|| "none".to_owned(), |slot| slot.to_string()));
            format!("it can be drawn, and its card {iccid} is {state:?}, in slot {stands}")
        });
    }

    /// A sold card stands in a line of the order that it names, one that was not cancelled.
    fn owned(&mut self, sim: &Sim) {
        match &sim.order_num {
            Some(_) => self.in_line(sim, |state| state != LineState::Cancelled),
            None => self.say(Rule::Owner, format!("it is {:?}, and names no order", sim.state)),
        }
    }

    /// A card that was sold stands in a line of its order, whatever became of that.
    fn named(&mut self, sim: &Sim) {
        if sim.order_num.is_some() {
            self.in_line(sim, |_| true);
        }
    }

    fn in_line(&mut self, sim: &Sim, may_be: impl Fn(LineState) -> bool) {
        let order = sim.order_num.as_ref().and_then(|num| self.books.order(num));
        let ours = |order: &Order| {
            let mut lines = order.lines.iter().filter(|line| line.iccid.as_ref() == Some(&sim.iccid));
            order.kind.takes_cards() && lines.any(|line| may_be(line.state))
        };
        self.hold(Rule::Owner, order.is_some_and(ours), || {
            let num = sim.order_num.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("it is {:?}, and not in order {num}, which it names", sim.state)
        });
    }

    pub(crate) fn returned(&mut self, iccid: &Iccid) {
        let returning = self.books.sim(iccid).is_some_and(|sim| sim.state == SimState::Returning);
        self.hold(Rule::Returning, returning, || "it is marked as to go back on sale, and is not".to_owned());
    }
}

/// What is said of a card whose code another has.
pub fn twice(holder: &Iccid) -> String {
    format!("its code is that of card {holder}: one profile stands twice")
}
