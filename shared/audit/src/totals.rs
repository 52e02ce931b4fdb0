use crate::cards::twice;
use crate::{Books, Checked, Finding, Rule, Unjudged};
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
    /// What cannot be summed up, and an item that is there and cannot be read, for which that is so.
    unread: BTreeMap<Sum, Place>,
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
}

/// What is summed up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sum {
    /// The counters and slots of a pool, by its name.
    Pool(String),
    /// The ledger of a partner.
    Ledger(String),
    /// What a partner gave.
    Gifts(String),
    /// Managers' keys without an end.
    Managers,
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
                let order = Place::order(order_num);
                if books.is_unread(&order) {
                    self.unread.insert(Sum::Gifts(partner_id.clone()), order);
                }
            }
            // One that is registered twice is told where it is.
            Record::RegisteredKey { id, key } if self.registered.insert(id.clone()) => {
                if books.is_unread(&Place::key_in(key)) {
                    self.unread.insert(Sum::Managers, Place::key_in(key));
                }
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

    /// Takes note of an item that cannot be read: it is there, and what it would count is not missing.
    pub fn unread(&mut self, place: &Place) {
        let sum = if let Some(pool) = place.of_pool() {
            let parts = [Place::pool(&pool), Place::counter(&pool), Place::tail(&pool), Place::marks(&pool)];
            for (part, there) in parts.iter().zip(&mut self.pool(&pool).parts) {
                *there |= part == place;
            }
            Sum::Pool(pool.to_string())
        } else if let Some(partner) = place.of_ledger() {
            Sum::Ledger(partner.to_owned())
        } else if let Some(partner) = place.of_gifts() {
            Sum::Gifts(partner.to_owned())
        } else if *place == Place::managers() {
            Sum::Managers
        } else {
            return;
        };
        self.unread.insert(sum, place.clone());
    }

    /// Has a pool checked that something names, whatever there is of it.
    pub fn expect(&mut self, pool: &PoolId) {
        self.pool(pool);
    }

    fn pool(&mut self, id: &PoolId) -> &mut Pool {
        let (available, head, published, tail, low, seen, dead, slots) = (0, 0, 0, 0, 0, 0, 0, 0);
        let new = || Pool { id: id.clone(), parts: [false; 4], available, head, published, tail, low, seen, dead, slots };
        self.pools.entry(id.to_string()).or_insert_with(new)
    }

    /// Checks the sums, once everything is counted in.
    pub fn check(&self) -> Checked {
        let Checked { mut found, mut unjudged } = Checked::default();
        let mut hold = |holds: bool, rule: Rule, place: Place, what: String| {
            if !holds {
                found.push(Finding { rule, place, what });
            }
        };
        let mut can_tell = |sum: Sum, rule: Rule, place: &Place| {
            let unread = self.unread.get(&sum);
            unjudged.extend(unread.map(|unread| Unjudged { rule, place: place.clone(), unread: unread.clone() }));
            unread.is_none()
        };
        for key in self.moved.keys().chain(self.balances.keys().filter(|key| !self.moved.contains_key(*key))) {
            let [balance, sum] = [&self.balances, &self.moved].map(|all| all.get(key).copied().unwrap_or(0));
            let (partner, currency) = (&key.0, key.1);
            let (more, place) = (Money { amount: balance - sum, currency }, Place::balance(partner, currency));
            if can_tell(Sum::Ledger(partner.clone()), Rule::Balance, &place) {
                hold(more.amount == 0, Rule::Balance, place, format!("it is {more} more than its ledger adds up to"));
            }
        }
        for (partner, counted) in &self.counted {
            let (given, place) = (self.given.get(partner).copied().unwrap_or(0), Place::partner(partner));
            let more = counted.cast_signed() - given.cast_signed();
            if can_tell(Sum::Gifts(partner.clone()), Rule::Gift, &place) {
                hold(more == 0, Rule::Gift, place, format!("{more} more gifts are counted than given"));
            }
        }
        for cards in self.unclaimed.values() {
            let mut cards = cards.clone();
            cards.sort_by(|one, other| one.as_str().cmp(other.as_str()));
            for other in cards.iter().skip(1) {
                hold(false, Rule::Code, Place::sim(other), twice(&cards[0]));
            }
        }
        for (id, holders) in &self.holders {
            let place = Place::registered_key(id);
            match holders {
                [Some(is), Some(was)] => {
                    hold(is == was, Rule::Registered, place, format!("its key speaks for {is}, and was made for {was}"));
                }
                [Some(is), None] => {
                    let what =
                        format!("its key, which speaks for {is}, is not in the registry, and nobody wrote down who made it");
                    hold(self.registered.contains(id), Rule::Altered, place, what);
                }
                [None, _] => {}
            }
        }
        let gap = self.managers.0.cast_signed() - self.managers.1.cast_signed();
        if can_tell(Sum::Managers, Rule::Registered, &Place::managers()) {
            hold(
                gap == 0,
                Rule::Registered,
                Place::managers(),
                format!("{gap} more managers' keys without an end are counted than there are"),
            );
        }
        for (name, Pool { id, parts, available, head, published, tail, low, seen, dead, slots }) in &self.pools {
            let [registered, others @ ..] = *parts;
            hold(registered, Rule::Registered, Place::pool(id), "the pool is in no registry: nobody sweeps it".to_owned());
            for (there, place) in others.into_iter().zip([Place::counter(id), Place::tail(id), Place::marks(id)]) {
                hold(there, Rule::Stock, place, "it does not exist".to_owned());
            }
            let known = [(Rule::Stock, Place::counter(id)), (Rule::Dead, Place::marks(id))]
                .map(|(rule, place)| can_tell(Sum::Pool(name.clone()), rule, &place));
            if others != [true; 3] || known.contains(&false) {
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
        Checked { found, unjudged }
    }
}
