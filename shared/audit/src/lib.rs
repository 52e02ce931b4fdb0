//! What has to be true of the tables at any time, in one place: `simdock doctor` holds a running system to it, the tests what they
//! did to one.
//!
//! An item is checked together with the few that it names, so that a table of any size can be gone through page by page
//! ([`Books`]). What only all items together tell is summed up on the way ([`Totals`]).

mod cards;
mod money;
mod orders;
mod registries;
mod rule;
mod subscriptions;
mod totals;

pub use rule::{Finding, Rule, Unjudged};
pub use totals::Totals;

use simdock_domain::{Iccid, Order, OrderNum, Plan, Subscription, Timestamp};
use simdock_store::{Inspected, Place, Record, Sim, Stored};
use std::collections::{BTreeMap, BTreeSet};

/// Some items of the tables, or all of them.
#[derive(Clone, Debug, Default)]
pub struct Books {
    items: BTreeMap<Place, Result<Record, String>>,
}

/// What was found wrong with one item.
struct Check<'a> {
    books: &'a Books,
    place: Place,
    now: Timestamp,
    checked: Checked,
}

/// What a check comes to.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// What does not hold.
    pub found: Vec<Finding>,
    /// What could not be told, since it goes by an item that is there and cannot be read.
    pub unjudged: Vec<Unjudged>,
}

impl Books {
    /// Takes items in; one that is there already is replaced.
    pub fn add(&mut self, items: impl IntoIterator<Item = Inspected>) {
        self.items.extend(items.into_iter().map(|item| (item.place, item.record)));
    }

    /// What could be read of the items.
    pub fn records(&self) -> impl Iterator<Item = (&Place, &Record)> {
        self.items.iter().filter_map(|(place, record)| Some((place, record.as_ref().ok()?)))
    }

    /// The items that one is checked against. They have to be in the books as far as they exist; with these there, it may name more.
    pub fn neighbours(&self, place: &Place) -> BTreeSet<Place> {
        let Some(record) = self.record(place) else { return BTreeSet::new() };
        match record {
            Record::Order(order) => orders::neighbours(&order.record),
            Record::Sim(sim) => cards::neighbours(sim),
            Record::Subscription(subscription) => subscriptions::neighbours(&subscription.record, self),
            Record::Returned { iccid } => BTreeSet::from([Place::sim(iccid)]),
            Record::Entry { reference, .. } => money::order_of(reference).iter().map(Place::order).collect(),
            Record::Gift { order_num, .. } | Record::Payment { order_num, .. } => BTreeSet::from([Place::order(order_num)]),
            Record::Slot { pool, iccid, .. } => BTreeSet::from([Place::sim(iccid), Place::counter(pool), Place::tail(pool)]),
            Record::RunningImport { import } | Record::Chunk { import, .. } => BTreeSet::from([Place::import(import)]),
            Record::Import { import, .. } => BTreeSet::from([Place::running_import(import)]),
            Record::RegisteredPartner { partner_id } => BTreeSet::from([Place::partner(partner_id)]),
            Record::Partner { partner_id, .. } => BTreeSet::from([Place::registered_partner(partner_id)]),
            Record::RegisteredKey { key, .. } => BTreeSet::from([Place::key_in(key)]),
            Record::Key { id, partner_id, .. } => {
                partner_id.iter().map(|id| Place::partner(id)).chain([Place::registered_key(id)]).collect()
            }
            Record::Plan { plan_id, version } => BTreeSet::from([Place::plan_version(plan_id, *version)]),
            Record::PlanVersion(plan) => registries::neighbours(plan),
            Record::Pool { pool } => BTreeSet::from([Place::operator(&pool.operator), Place::counter(pool)]),
            Record::Code { iccid, .. } => cards::neighbours_of_code(iccid, self),
            Record::Counter { .. }
            | Record::Tail { .. }
            | Record::Marks { .. }
            | Record::Balance { .. }
            | Record::Managers { .. }
            | Record::KeyMade { .. }
            | Record::Operator { .. }
            | Record::Other => BTreeSet::new(),
        }
    }

    /// Checks an item against those that it names.
    pub fn check(&self, place: &Place, now: Timestamp) -> Checked {
        let mut check = Check { books: self, place: place.clone(), now, checked: Checked::default() };
        let Some(item) = self.items.get(place) else { return Checked::default() };
        match item {
            Err(why) => check.say(Rule::Readable, why.clone()),
            Ok(Record::Order(order)) => check.order(order),
            Ok(Record::Sim(sim)) => check.sim(sim),
            Ok(Record::Subscription(subscription)) => check.subscription(subscription),
            Ok(Record::Returned { iccid }) => check.returned(iccid),
            Ok(Record::Entry { partner_id, reference, amount }) => check.entry(partner_id, reference, *amount),
            Ok(Record::Gift { partner_id, subscription, order_num }) => check.gift(partner_id, subscription, order_num),
            Ok(Record::Payment { provider, payment_id, order_num }) => check.payment(provider, payment_id, order_num),
            Ok(Record::Slot { pool, slot, iccid, .. }) => check.slot(pool, *slot, iccid),
            Ok(Record::RunningImport { import }) => check.running_import(import),
            Ok(Record::Import { import, is_running, .. }) => check.import(import, *is_running),
            Ok(Record::Chunk { import, parts }) => check.chunk(import, parts),
            Ok(Record::RegisteredPartner { partner_id }) => check.registered(&Place::partner(partner_id)),
            Ok(Record::Partner { partner_id, .. }) => check.in_registry(&Place::registered_partner(partner_id)),
            Ok(Record::RegisteredKey { id, key }) => check.registered_key(id, key),
            Ok(Record::Key { id, partner_id, .. }) => check.key(id, partner_id.as_deref()),
            Ok(Record::Plan { plan_id, version }) => check.plan(plan_id, *version),
            Ok(Record::PlanVersion(plan)) => check.plan_version(plan),
            Ok(Record::Balance { balance, .. }) => check.balance(*balance),
            Ok(Record::Pool { pool }) => check.pool(pool),
            Ok(Record::Code { profile, iccid }) => check.holder(profile, iccid),
            Ok(
                Record::Counter { .. }
                | Record::Tail { .. }
                | Record::Marks { .. }
                | Record::Managers { .. }
                | Record::KeyMade { .. }
                | Record::Operator { .. }
                | Record::Other,
            ) => {}
        }
        check.checked
    }

    /// Whether there is an item, readable or not.
    fn is_there(&self, place: &Place) -> bool {
        self.items.contains_key(place)
    }

    fn is_unread(&self, place: &Place) -> bool {
        self.items.get(place).is_some_and(Result::is_err)
    }

    /// Checks all items, and what they tell together: for books that hold whole tables.
    pub fn check_all(&self, now: Timestamp) -> Checked {
        let mut totals = Totals::default();
        for (_, record) in self.records() {
            totals.add(record, self);
        }
        self.items.keys().filter(|place| self.is_unread(place)).for_each(|place| totals.unread(place));
        let mut all = totals.check();
        for checked in self.items.keys().map(|place| self.check(place, now)) {
            all.found.extend(checked.found);
            all.unjudged.extend(checked.unjudged);
        }
        all
    }

    fn record(&self, place: &Place) -> Option<&Record> {
        self.items.get(place)?.as_ref().ok()
    }

    /// An order, if it is in the books.
    pub fn order(&self, num: &OrderNum) -> Option<&Order> {
        let Record::Order(order) = self.record(&Place::order(num))? else { return None };
        Some(&order.record)
    }

    fn sim(&self, iccid: &Iccid) -> Option<&Sim> {
        let Record::Sim(sim) = self.record(&Place::sim(iccid))? else { return None };
        Some(sim)
    }

    /// The card that claimed the code of a profile, if its claim is in the books.
    fn holder(&self, profile: &str) -> Option<&Iccid> {
        let Record::Code { iccid, .. } = self.record(&Place::code(profile))? else { return None };
        Some(iccid)
    }

    fn plan(&self, order: &Order) -> Option<&Plan> {
        let place = Place::plan_version(&order.plan_id, order.plan_version);
        let Record::PlanVersion(plan) = self.record(&place)? else { return None };
        Some(plan)
    }

    fn subscription(&self, id: &str) -> Option<&Subscription> {
        let Record::Subscription(subscription) = self.record(&Place::subscription(id))? else { return None };
        Some(&subscription.record)
    }
}

impl Check<'_> {
    fn say(&mut self, rule: Rule, what: impl Into<String>) {
        self.checked.found.push(Finding { rule, place: self.place.clone(), what: what.into() });
    }

    /// Whether a rule can be judged by another item: not while that is there and cannot be read, which is told of itself.
    fn can_tell(&mut self, rule: Rule, by: &Place) -> bool {
        let unread = self.books.is_unread(by);
        if unread {
            self.checked.unjudged.push(Unjudged { rule, place: self.place.clone(), unread: by.clone() });
        }
        !unread
    }

    fn hold(&mut self, rule: Rule, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.say(rule, otherwise());
        }
    }

    /// How an item stands in its indexes; `attention` is when somebody should look at it, as follows from the record.
    fn indexed<T>(&mut self, stored: &Stored<T>, attention: Option<Timestamp>) {
        self.hold(Rule::Attributes, stored.astray.is_empty(), || {
            format!("not what follows from the rest: {}", stored.astray.join(", "))
        });
        self.hold(Rule::Altered, stored.otherwise.is_empty(), || {
            format!("it says one thing itself, and its indexes another: {}", stored.otherwise.join(", "))
        });
        match (attention, stored.due_at) {
            (None, None) => {}
            (None, Some(due)) => self.say(Rule::DueAt, format!("to be looked at {due}, and nothing is left to do")),
            (Some(at), None) => self.say(Rule::DueAt, format!("to be looked at {at}, and in no index")),
            (Some(at), Some(due)) => {
                self.hold(Rule::DueAt, due >= at, || format!("to be looked at {at}, and the index says {due}"));
                // The sweep puts off what it has looked after, from its own now.
                let latest = at.max(self.now.plus_seconds(simdock_domain::QUIET + SKEW));
                self.hold(Rule::Overdue, due <= latest, || format!("put off from {at} until {due}"));
                self.hold(Rule::Overdue, self.now < due.plus_seconds(PATIENCE), || format!("nobody has looked since {due}"));
            }
        }
    }
}

/// How long what is due may wait for somebody before that is a finding, in seconds. Lost jobs take the sweep two minutes to find.
pub const PATIENCE: i64 = 600;
/// How long money may be owed before somebody has to look, in seconds.
pub const STALLED: i64 = 86_400;
/// By how much the clocks of those who write may differ, in seconds.
const SKEW: i64 = 60;
