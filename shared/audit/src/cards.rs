//! Cards, where they stand and whose they are.

use crate::{Books, Check, Rule};
use simdock_domain::{FormFactor, Iccid, LineState, Order, PoolId, Profile, Subscription};
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
                self.on_subscription(sim, "it is active, and no subscription is on it", |subscription| {
                    let next = subscription.open_change.as_ref().and_then(|change| change.new_iccid.as_ref());
                    subscription.ended.is_none() && (subscription.iccid == sim.iccid || next == Some(&sim.iccid))
                });
            }
            SimState::Retired => {
                self.named(sim);
                self.on_subscription(sim, "it is retired, and no subscription has been on it", |subscription| {
                    let past = subscription.past_cards.iter().any(|past| past.iccid == sim.iccid);
                    past || (subscription.iccid == sim.iccid && subscription.ended.is_some())
                });
            }
            // One that turns out on a phone is kept back when its turn comes.
            SimState::Returning => {
                let marked = self.books.is_there(&Place::returned(&sim.pool, &sim.iccid));
                self.hold(Rule::Returning, marked, || "it is to go back on sale, and nobody knows".to_owned());
                self.named(sim);
            }
            SimState::SetAside => self.named(sim),
        }
    }

    /// The subscription that it names is on it, or was, as `is_on` says.
    fn on_subscription(&mut self, sim: &Sim, otherwise: &str, is_on: impl Fn(&Subscription) -> bool) {
        let place = sim.subscription.as_ref().map(|id| Place::subscription(id));
        if place.is_none_or(|place| self.can_tell(Rule::Carrier, &place)) {
            let subscription = sim.subscription.as_ref().and_then(|id| self.books.subscription(id));
            self.hold(Rule::Carrier, subscription.is_some_and(is_on), || otherwise.to_owned());
        }
    }

    /// No other card has its code, as far as the claim tells; [`Totals`](crate::Totals) sees to codes that nobody has claimed.
    fn code(&mut self, sim: &Sim, profile: &str) {
        if !self.can_tell(Rule::Code, &Place::code(profile)) {
            return;
        }
        if let Some(holder) = self.books.holder(profile) {
            return self.hold(Rule::Code, *holder == sim.iccid, || twice(holder));
        }
        let given = sim.state != SimState::Stocked && self.gives_codes(Rule::Code, sim);
        self.hold(Rule::Code, given, || "its code is not on record, and could come in with another card".to_owned());
    }

    /// Whether a card's operator may give it a code when it activates it, which is claimed when the card goes back on sale. Not known
    /// of one that is not there, which the pool tells, nor of one that cannot be read.
    fn gives_codes(&mut self, rule: Rule, sim: &Sim) -> bool {
        let place = Place::operator(&sim.pool.operator);
        self.can_tell(rule, &place);
        !matches!(self.books.record(&place), Some(Record::Operator { takes_requests: false }))
    }

    /// A code on record is that of its card. One that was activated may have been given another, which is on record as well where its
    /// operator does not give codes any more.
    pub(crate) fn holder(&mut self, profile: &str, iccid: &Iccid) {
        if !self.can_tell(Rule::CodeHolder, &Place::sim(iccid)) {
            return;
        }
        let Some(sim) = self.books.sim(iccid) else {
            return self.say(Rule::CodeHolder, format!("its card {iccid} does not exist"));
        };
        let own = sim.profile_id();
        if own.as_deref() == Some(profile) {
            return;
        }
        let was_activated = sim.subscription.is_some() || !sim.past_orders.is_empty();
        let on_record = own
            .as_ref()
            .is_some_and(|own| self.books.holder(own) == Some(iccid) || !self.can_tell(Rule::CodeHolder, &Place::code(own)));
        let given = was_activated && sim.activation_code.is_some() && (on_record || self.gives_codes(Rule::CodeHolder, sim));
        self.hold(Rule::CodeHolder, given, || format!("its card {iccid} has another code, which nobody gave it"));
    }

    fn for_sale(&mut self, sim: &Sim) {
        let (books, pool) = (self.books, &sim.pool);
        let Some(slot) = sim.slot else { return self.say(Rule::Slot, "it is for sale, and in no slot") };
        self.hold(Rule::Slot, sim.archived_at.is_none(), || "it is for sale, and archived".to_owned());
        let mute = sim.activation_code.is_none() && pool.form_factor == FormFactor::Esim && !self.gives_codes(Rule::Code, sim);
        self.hold(Rule::Code, !mute, || "it is for sale, and has no code, nor does its operator give one".to_owned());
        let place = Place::slot(pool, slot);
        match books.record(&place) {
            Some(Record::Slot { iccid, until, .. }) if *iccid == sim.iccid => {
                let [own, said] = [sim.activate_before, *until].map(|day| day.map_or("none".to_owned(), |day| day.to_string()));
                self.hold(Rule::Slot, own == said, || {
                    format!("its last day to install is {own}, and its slot {slot} says {said}")
                });
            }
            _ if !self.can_tell(Rule::Slot, &place) => {}
            _ => self.say(Rule::Slot, format!("it is not in the slot {slot} that it names")),
        }
        if self.can_tell(Rule::Slot, &Place::tail(pool)) {
            let behind = matches!(books.record(&Place::tail(pool)), Some(Record::Tail { tail, .. }) if slot < *tail);
            self.hold(Rule::Slot, behind, || format!("its slot {slot} is behind the tail"));
        }
        if self.can_tell(Rule::Leaked, &Place::counter(pool)) {
            self.hold(Rule::Leaked, !self.is_drawn(pool, slot), || format!("its ticket {slot} is drawn, and nobody bought it"));
        }
        self.hold(Rule::Disclosed, sim.disclosed_at.is_none(), || "it is for sale, and its code was shown".to_owned());
        self.hold(Rule::Disclosed, sim.profile == Profile::default(), || "it is for sale, and was on a phone".to_owned());
    }

    /// A slot that can still be drawn holds a card that stands there.
    pub(crate) fn slot(&mut self, pool: &PoolId, slot: u64, iccid: &Iccid) {
        if let Some(Record::Tail { tail, .. }) = self.books.record(&Place::tail(pool)) {
            self.hold(Rule::Slot, slot < *tail, || format!("it is behind the tail, {tail}, where nothing is filled"));
        }
        if !self.can_tell(Rule::Slot, &Place::sim(iccid)) {
            return;
        }
        let Some(sim) = self.books.sim(iccid) else {
            return self.say(Rule::Slot, format!("its card {iccid} does not exist"));
        };
        let there = sim.state == SimState::Stocked && sim.slot == Some(slot) && sim.pool == *pool;
        // One that was asked for by its number leaves its slot behind, and may be back in another one.
        let by_number = sim.order_num.is_some() || !sim.past_orders.is_empty();
        let well = there || by_number || !self.can_tell(Rule::Slot, &Place::counter(pool)) || self.is_drawn(pool, slot);
        self.hold(Rule::Slot, well, || {
            let (state, stands) = (sim.state, sim.slot.map_or_else(|| "none".to_owned(), |slot| slot.to_string()));
            format!("it can be drawn, and its card {iccid} is {state:?}, in slot {stands}")
        });
    }

    /// Whether a slot's ticket is drawn, as far as is known.
    fn is_drawn(&self, pool: &PoolId, slot: u64) -> bool {
        matches!(self.books.record(&Place::counter(pool)), Some(Record::Counter { head, .. }) if slot < *head)
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
        if sim.order_num.as_ref().is_some_and(|num| !self.can_tell(Rule::Owner, &Place::order(num))) {
            return;
        }
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
        if !self.can_tell(Rule::Returning, &Place::sim(iccid)) {
            return;
        }
        let returning = self.books.sim(iccid).is_some_and(|sim| sim.state == SimState::Returning);
        self.hold(Rule::Returning, returning, || "it is marked as to go back on sale, and is not".to_owned());
    }
}

/// What is said of a card whose code another has.
pub fn twice(holder: &Iccid) -> String {
    format!("its code is that of card {holder}: one profile stands twice")
}
