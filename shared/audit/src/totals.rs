use crate::cards::twice;
use crate::{Books, Finding, Rule};
use simdock_domain::{Currency, Iccid, Money, PoolId};
use simdock_store::{Place, Record};
use std::collections::{BTreeMap, BTreeSet};

/// What only many items together tell: sums over ledgers, gifts and slots, and the codes that nobody has claimed. Its size goes with
/// the number of pools, partners, keys and currencies, and of cards that their operators gave a code; of a code it keeps a hash.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    moved: BTreeMap<(String, Currency), i64>,
    balances: BTreeMap<(String, Currency), i64>,
    given: BTreeMap<String, u64>,
    counted: BTreeMap<String, u64>,
    /// Partners with gifts of which nobody knows who made them, since their orders cannot be read.
    counted_unread: BTreeSet<String>,
    /// Managers' keys without an end: how many are counted, and how many there are.
    managers: (u64, u64),
    /// Keys in the registry, by id.
    registered: BTreeSet<String>,
    /// Whom keys speak for, and whom they spoke for when they were made, by id.
    holders: BTreeMap<String, [Option<String>; 2]>,
    pools: BTreeMap<String, Pool>,
    /// Cards by the profile that their code downloads, see [`simdock_domain::ActivationCode::profile_id`].
    unclaimed: BTreeMap<String, Vec<Iccid>>,
}

/// What is known of a pool.
#[derive(Clone, Debug)]
struct Pool {
    id: PoolId,
    /// Which of registry entry, counter, tail and marks there are.
    parts: [bool; 4],
    available: u64,
    head: u64,
    published: u64,
    tail: u64,
    low: u64,
    seen: u64,
    dead: u64,
    /// How many slots there are that the sweep is not done with.
    slots: u64,
    /// Whether there is an item of it that cannot be read, so that nothing can be summed up.
    unread: bool,
}

impl Totals {
    /// Counts a record in: a pool's counter and marks before its slots. The books have its neighbours, and the keys that the registry
    /// names.
    pub fn add(&mut self, record: &Record, books: &Books) {
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
                let by_partner =
                    books.order(order_num).and_then(|order| order.gift.as_ref()).is_some_and(|gift| !gift.by_manager);
                *self.given.entry(partner_id.clone()).or_default() += u64::from(by_partner);
                if books.is_unread(&Place::order(order_num)) {
                    self.counted_unread.insert(partner_id.clone());
                }
            }
            // One that is registered twice is told where it is.
            Record::RegisteredKey { id, key } if self.registered.insert(id.clone()) => {
                let lasts = matches!(books.record(&Place::key_in(key)), Some(Record::Key { is_lasting: true, .. }));
                self.managers.1 += u64::from(lasts);
            }
            Record::Key { id, holder, .. } => self.holders.entry(id.clone()).or_default()[0] = Some(holder.clone()),
            Record::KeyMade { id, holder } => self.holders.entry(id.clone()).or_default()[1] = Some(holder.clone()),
            Record::Managers { lasting } => self.managers.0 = *lasting,
            Record::Pool { pool } => self.pool(pool).parts[0] = true,
            Record::Counter { pool, available, head, published } => {
                let pool = self.pool(pool);
                pool.parts[1] = true;
                (pool.available, pool.head, pool.published) = (*available, *head, *published);
            }
            Record::Tail { pool, tail } => {
                let pool = self.pool(pool);
                pool.parts[2] = true;
                pool.tail = *tail;
            }
            Record::Marks { pool, low, seen, dead } => {
                let pool = self.pool(pool);
                pool.parts[3] = true;
                (pool.low, pool.seen, pool.dead) = (*low, *seen, *dead);
            }
            Record::Slot { pool, slot, .. } => {
                let pool = self.pool(pool);
                pool.slots += u64::from(*slot >= pool.low);
            }
            Record::Sim(sim) => {
                self.expect(&sim.pool);
                if let Some(profile) = sim.profile_id().filter(|profile| books.holder(profile).is_none()) {
                    self.unclaimed.entry(profile).or_default().push(sim.iccid.clone());
                }
            }
            Record::Order(_)
            | Record::Subscription(_)
            | Record::Returned { .. }
            | Record::Code { .. }
            | Record::Payment { .. }
            | Record::RunningImport { .. }
            | Record::Import { .. }
            | Record::Chunk { .. }
            | Record::RegisteredPartner { .. }
            | Record::RegisteredKey { .. }
            | Record::Plan { .. }
            | Record::PlanVersion(_)
            | Record::Operator { .. }
            | Record::Other => {}
        }
    }

    /// Takes note of an item that cannot be read: what it would count is not missing.
    pub fn unread(&mut self, place: &Place) {
        if let Some(pool) = place.of_pool() {
            self.pool(&pool).unread = true;
        }
    }

    /// Has a pool checked that something names, whatever there is of it.
    pub fn expect(&mut self, pool: &PoolId) {
        self.pool(pool);
    }

    fn pool(&mut self, id: &PoolId) -> &mut Pool {
        let (available, head, published, tail, low, seen, dead, slots) = (0, 0, 0, 0, 0, 0, 0, 0);
        let new = || Pool {
            id: id.clone(),
            parts: [false; 4],
            available,
            head,
            published,
            tail,
            low,
            seen,
            dead,
            slots,
            unread: false,
        };
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
        for (partner, counted) in self.counted.iter().filter(|(partner, _)| !self.counted_unread.contains(*partner)) {
            let given = self.given.get(partner).copied().unwrap_or(0);
            hold(
                *counted == given,
                Rule::Gift,
                Place::partner(partner),
                format!("{} more gifts are counted than given", counted.cast_signed() - given.cast_signed()),
            );
        }
        for cards in self.unclaimed.values() {
            let mut cards = cards.clone();
            cards.sort_by(|one, other| one.as_str().cmp(other.as_str()));
            for other in cards.iter().skip(1) {
                hold(false, Rule::Code, Place::sim(other), twice(&cards[0]));
            }
        }
        for (id, holders) in &self.holders {
            if let [Some(is), Some(was)] = holders {
                hold(
                    is == was,
                    Rule::Registered,
                    Place::registered_key(id),
                    format!("its key speaks for {is}, and was made for {was}"),
                );
            }
        }
        let gap = self.managers.0.cast_signed() - self.managers.1.cast_signed();
        hold(
            gap == 0,
            Rule::Registered,
            Place::managers(),
            format!("{gap} more managers' keys without an end are counted than there are"),
        );
        for Pool { id, parts, available, head, published, tail, low, seen, dead, slots, .. } in
            self.pools.values().filter(|pool| !pool.unread)
        {
            let [registered, others @ ..] = *parts;
            hold(registered, Rule::Registered, Place::pool(id), "the pool is in no registry: nobody sweeps it".to_owned());
            for (there, place) in others.into_iter().zip([Place::counter(id), Place::tail(id), Place::marks(id)]) {
                hold(there, Rule::Stock, place, "it does not exist".to_owned());
            }
            if others != [true; 3] {
                continue;
            }
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
            hold(gap <= 0, Rule::Stock, Place::counter(id), format!("{gap} slots are missing from those not swept to the tail"));
            hold(gap >= 0, Rule::Dead, Place::marks(id), format!("{} more slots count as taken away than are missing", -gap));
        }
        found
    }
}
