use crate::{Finding, Rule};
use simdock_domain::{Currency, Money, Order, OrderNum, PoolId};
use simdock_store::{Place, Record};
use std::collections::BTreeMap;

/// What only many items together tell: sums over ledgers, gifts and slots. Its size goes with the number of pools, partners and
/// currencies.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    moved: BTreeMap<(String, Currency), i64>,
    balances: BTreeMap<(String, Currency), i64>,
    given: BTreeMap<String, u64>,
    counted: BTreeMap<String, u64>,
    pools: BTreeMap<String, Pool>,
}

/// What is known of a pool.
#[derive(Clone, Debug)]
struct Pool {
    id: PoolId,
    available: u64,
    head: u64,
    published: u64,
    tail: u64,
    low: u64,
    seen: u64,
    dead: u64,
    /// How many slots there are that the sweep is not done with.
    slots: u64,
}

impl Totals {
    /// Counts a record in: a pool's counter and marks before its slots. `order` finds the orders that gifts name.
    pub fn add<'a>(&mut self, record: &Record, order: impl FnOnce(&OrderNum) -> Option<&'a Order>) {
        match record {
            Record::Entry { partner_id, amount, .. } => {
                *self.moved.entry((partner_id.clone(), amount.currency)).or_default() += amount.amount;
            }
            Record::Balance { partner_id, balance } => {
                self.balances.insert((partner_id.clone(), balance.currency), balance.amount);
            }
            Record::Partner { partner_id, gifts } => {
                self.counted.insert(partner_id.clone(), *gifts);
            }
            Record::Gift { partner_id, order_num, .. } => {
                let by_partner = order(order_num).and_then(|order| order.gift.as_ref()).is_some_and(|gift| !gift.by_manager);
                *self.given.entry(partner_id.clone()).or_default() += u64::from(by_partner);
            }
            Record::Counter { pool, available, head, published } => {
                let pool = self.pool(pool);
                (pool.available, pool.head, pool.published) = (*available, *head, *published);
            }
            Record::Tail { pool, tail } => self.pool(pool).tail = *tail,
            Record::Marks { pool, low, seen, dead } => {
                let pool = self.pool(pool);
                (pool.low, pool.seen, pool.dead) = (*low, *seen, *dead);
            }
            Record::Slot { pool, slot, .. } => {
                let pool = self.pool(pool);
                pool.slots += u64::from(*slot >= pool.low);
            }
            Record::Order(_)
            | Record::Sim(_)
            | Record::Subscription(_)
            | Record::Returned { .. }
            | Record::Code { .. }
            | Record::Payment { .. }
            | Record::Other => {}
        }
    }

    fn pool(&mut self, id: &PoolId) -> &mut Pool {
        let new = || Pool { id: id.clone(), available: 0, head: 0, published: 0, tail: 0, low: 0, seen: 0, dead: 0, slots: 0 };
        self.pools.entry(id.to_string()).or_insert_with(new)
    }

    /// Checks the sums, once everything is counted in.
    pub fn check(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        let mut hold = |holds: bool, rule: Rule, place: Place, what: String| {
            if !holds {
                found.push(Finding { rule, place, what });
            }
        };
        for key in self.moved.keys().chain(self.balances.keys().filter(|key| !self.moved.contains_key(*key))) {
            let [balance, sum] = [&self.balances, &self.moved].map(|all| all.get(key).copied().unwrap_or(0));
            let (partner, currency) = (&key.0, key.1);
            let more = Money { amount: balance - sum, currency };
            hold(
                more.amount == 0,
                Rule::Balance,
                Place::balance(partner, currency),
                format!("it is {more} more than its ledger adds up to"),
            );
        }
        for (partner, counted) in &self.counted {
            let given = self.given.get(partner).copied().unwrap_or(0);
            hold(
                *counted == given,
                Rule::Gift,
                Place::partner(partner),
                format!("{} more gifts are counted than given", counted.cast_signed() - given.cast_signed()),
            );
        }
        for Pool { id, available, head, published, tail, low, seen, dead, slots } in self.pools.values() {
            // Differences, so that what is wrong reads the same while others buy.
            let between = |more: &u64, less: &u64| more.cast_signed() - less.cast_signed();
            let gap = between(available, published) + head.cast_signed();
            hold(
                gap == 0,
                Rule::Stock,
                Place::counter(id),
                format!("{gap} more are available than were published and not drawn"),
            );
            let in_order = low <= seen && seen <= head && head <= published && published <= tail;
            hold(in_order, Rule::Stock, Place::counter(id), "low, seen, head, published and tail are out of order".to_owned());
            let gap = between(tail, low) - between(slots, &0) - between(dead, &0);
            hold(gap == 0, Rule::Stock, Place::counter(id), format!("{gap} slots are missing from those not swept to the tail"));
        }
        found
    }
}
