//! `simdock doctor`: goes through the tables of a running system and says what is wrong in them, and with what it is mended.
//!
//! The tables are read a page at a time, each item together with those that it names, while others go on writing. What looks wrong
//! is looked at twice, so that what merely happened in between is not told.

mod patient;

pub use patient::{Patient, doctor};

use crate::error::{Context, StackError};
use lambda_http::Error;
use simdock_audit::{Books, Finding, Rule, Totals};
use simdock_domain::{Command, Order, OrderNum, PoolId, Timestamp, decide};
use simdock_runtime::Config;
use simdock_store::{Change, Inspected, Place, Record, Store, Table};
use simdock_sweep::App as Sweep;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

/// How long the second look comes after the first: a buyer between ticket and sale is through by then.
const SECOND_LOOK: Duration = Duration::from_secs(2);
/// How many slots are read at once.
const SLOTS: u64 = 1000;

/// What there is and what is wrong with it.
#[derive(Debug, Default)]
pub struct Report {
    looked_at: BTreeMap<Table, usize>,
    found: Vec<Finding>,
    /// Refunds that are under way or given up, and since when the oldest is owed.
    owed: (usize, Option<Timestamp>),
}

impl Report {
    /// What is wrong, in no particular order.
    pub fn found(&self) -> &[Finding] {
        &self.found
    }
}

/// Examines all tables.
pub async fn examine(store: &Store) -> Result<Report, StackError> {
    let mut examination = Examination { store, pools: BTreeMap::new(), report: Report::default() };
    let mut totals = Totals::default();
    for table in [Table::Pools, Table::Orders, Table::Sims, Table::Subscriptions, Table::Plans] {
        examination.each_page(table, true, &mut totals).await?;
    }
    examination.pools_and_partners(true, &mut totals).await?;
    let suspects = totals.check();
    if !suspects.is_empty() {
        tokio::time::sleep(SECOND_LOOK).await;
        let mut again = Totals::default();
        examination.pools_and_partners(false, &mut again).await?;
        if suspects.iter().any(|finding| finding.rule == Rule::Code) {
            examination.each_page(Table::Sims, false, &mut again).await?;
        }
        let again = again.check();
        examination.report.found.extend(suspects.into_iter().filter(|finding| again.contains(finding)));
    }
    Ok(examination.report)
}

struct Examination<'a> {
    store: &'a Store,
    /// Every pool that anything names, whether it is in the registry or not.
    pools: BTreeMap<String, PoolId>,
    report: Report,
}

impl Examination<'_> {
    /// Sums up pools, and what partners have; checks each item of partners the first time.
    async fn pools_and_partners(&mut self, first: bool, totals: &mut Totals) -> Result<(), StackError> {
        for pool in self.pools.values() {
            self.pool(pool, totals).await?;
        }
        let mut after = None;
        loop {
            let (items, next) = self.store.inspect(Table::Partners, after).await.context("the table partners")?;
            let places: Vec<Place> = items.iter().map(|item| item.place.clone()).collect();
            let books = self.with_neighbours(items).await?;
            for (_, record) in books.records().filter(|(place, _)| places.contains(place)) {
                totals.add(record, &books);
            }
            if first {
                self.page(&books, &places).await?;
            }
            after = next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Counters first and slots right after them, so that they fit together while others buy.
    async fn pool(&self, pool: &PoolId, totals: &mut Totals) -> Result<(), StackError> {
        totals.expect(pool);
        let parts = BTreeSet::from([Place::pool(pool), Place::counter(pool), Place::tail(pool), Place::marks(pool)]);
        let (mut from, mut end) = (0, 0);
        for item in self.store.look_up(&parts).await.context(pool)? {
            let Ok(record) = item.record else { continue };
            if let Record::Marks { low, .. } = &record {
                from = *low;
            } else if let Record::Tail { tail, .. } = &record {
                end = *tail;
            }
            totals.add(&record, &Books::default());
        }
        while from < end {
            let slots = self.store.inspect_slots(pool, from, end.min(from + SLOTS)).await.context(pool)?;
            for record in slots.iter().filter_map(|slot| slot.record.as_ref().ok()) {
                totals.add(record, &Books::default());
            }
            from += SLOTS;
        }
        Ok(())
    }

    /// Goes through a table; checks each item the first time.
    async fn each_page(&mut self, table: Table, first: bool, totals: &mut Totals) -> Result<(), StackError> {
        let mut after = None;
        loop {
            let (items, next) = self.store.inspect(table, after).await.context(format!("the table {}", table.name()))?;
            let places: Vec<Place> = items.iter().map(|item| item.place.clone()).collect();
            let books = self.with_neighbours(items).await?;
            for (_, record) in books.records().filter(|(place, _)| places.contains(place)) {
                // What else is summed up is read in an order of its own, or with its table.
                if let Record::Sim(_) = record {
                    totals.add(record, &books);
                }
                if let Record::Order(order) = record
                    && first
                {
                    self.owed(&order.record);
                }
                if let Some(pool) = pool_of(record) {
                    self.pools.entry(pool.to_string()).or_insert_with(|| pool.clone());
                }
            }
            if first {
                self.page(&books, &places).await?;
            }
            after = next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    fn owed(&mut self, order: &Order) {
        let (count, oldest) = &mut self.report.owed;
        for refund in order.refunds.iter().filter(|refund| order.is_owed(refund)) {
            *count += 1;
            *oldest = Some(oldest.map_or(refund.at, |known| known.min(refund.at)));
        }
    }

    /// Items with those that they are checked against.
    async fn with_neighbours(&self, items: Vec<Inspected>) -> Result<Books, StackError> {
        let places: Vec<Place> = items.iter().map(|item| item.place.clone()).collect();
        let mut books = Books::default();
        books.add(items);
        let mut known: BTreeSet<Place> = places.iter().cloned().collect();
        loop {
            let wanted = places.iter().flat_map(|place| books.neighbours(place)).filter(|place| !known.contains(place));
            let wanted: BTreeSet<Place> = wanted.collect();
            if wanted.is_empty() {
                return Ok(books);
            }
            books.add(self.store.look_up(&wanted).await.context("the items that others name")?);
            known.extend(wanted);
        }
    }

    /// Checks the items at these places; what is wrong with one has to be wrong twice.
    async fn page(&mut self, books: &Books, places: &[Place]) -> Result<(), StackError> {
        if let Some(place) = places.first() {
            *self.report.looked_at.entry(place.table()).or_default() += places.len();
        }
        let suspects: Vec<Finding> = places.iter().flat_map(|place| books.check(place, self.store.clock().now())).collect();
        if suspects.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(SECOND_LOOK).await;
        let places: BTreeSet<Place> = suspects.iter().map(|finding| finding.place.clone()).collect();
        let items = self.store.look_up(&places).await.context("a second look")?;
        let books = self.with_neighbours(items).await?;
        let again = places.iter().flat_map(|place| books.check(place, self.store.clock().now()));
        let before =
            |finding: &Finding| suspects.iter().any(|known| (known.rule, &known.place) == (finding.rule, &finding.place));
        self.report.found.extend(again.filter(before));
        Ok(())
    }
}

/// The pool that an item is of.
fn pool_of(record: &Record) -> Option<&PoolId> {
    match record {
        Record::Sim(sim) => Some(&sim.pool),
        Record::Pool { pool }
        | Record::Counter { pool, .. }
        | Record::Tail { pool, .. }
        | Record::Marks { pool, .. }
        | Record::Slot { pool, .. } => Some(pool),
        Record::Order(_)
        | Record::Subscription(_)
        | Record::Returned { .. }
        | Record::Code { .. }
        | Record::RunningImport { .. }
        | Record::Import { .. }
        | Record::Chunk { .. }
        | Record::RegisteredPartner { .. }
        | Record::Partner { .. }
        | Record::RegisteredKey { .. }
        | Record::Key { .. }
        | Record::Managers { .. }
        | Record::Balance { .. }
        | Record::Entry { .. }
        | Record::Gift { .. }
        | Record::Payment { .. }
        | Record::Plan { .. }
        | Record::PlanVersion(_)
        | Record::Operator { .. }
        | Record::Other => None,
    }
}

/// Mends what follows from the rest, the way others do: calls for what is needed and called for by nobody, queues what is due, writes
/// items anew for the attributes of their indexes, puts the cards of leaked tickets back on sale, lists pools, partners and keys in their
/// registries, and puts codes that no card has claimed on record. Says what it did. `config` names the queues too.
pub async fn repair(config: &Config, report: &Report) -> Result<Vec<String>, StackError> {
    let store = Store::new(config).await.context("the environment")?;
    let sweep = Sweep::new(config).await.context("the environment")?;
    let mut done = Vec::new();
    // What is called for again is queued then, and what is written anew is looked after first.
    let (mut due, mut astray, mut leaking) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
    let mut registered = false;
    let kept: BTreeSet<&Place> =
        report.found.iter().filter(|finding| finding.rule.is_for_a_person()).map(|finding| &finding.place).collect();
    if !kept.is_empty() {
        done.push(format!("nothing of {} items, which a person has to look at first", kept.len()));
    }
    for Finding { rule, place, .. } in report.found.iter().filter(|finding| !kept.contains(&finding.place)) {
        match rule {
            Rule::Code => done.extend(claim_code(&store, place).await?),
            Rule::Overdue | Rule::DueAt => {
                due.insert(place);
            }
            Rule::Attributes => {
                astray.insert(place);
            }
            Rule::Work => {
                done.extend(call_again(&store, place).await?);
                due.insert(place);
            }
            Rule::Leaked => {
                for item in store.look_up(&BTreeSet::from([place.clone()])).await.context(place)? {
                    if let Ok(Record::Sim(sim)) = item.record {
                        leaking.insert(sim.pool.to_string(), sim.pool);
                    }
                }
            }
            Rule::Registered if place.table() == Table::Pools => done.extend(register_pool(&store, place).await?),
            Rule::Registered if !registered => {
                let (partners, keys) = store.register_all().await.context("the registries")?;
                done.push(format!("{partners} partners and {keys} keys are in their registries"));
                registered = true;
            }
            Rule::Registered
            | Rule::Readable
            | Rule::Catalogue
            | Rule::PaidOnce
            | Rule::OwedBack
            | Rule::RefundStalled
            | Rule::Claimed
            | Rule::Booked
            | Rule::Ledger
            | Rule::Balance
            | Rule::Gift
            | Rule::Renewal
            | Rule::Owner
            | Rule::Slot
            | Rule::Disclosed
            | Rule::CodeHolder
            | Rule::Mailed
            | Rule::Returning
            | Rule::Carrier
            | Rule::Plans
            | Rule::Change
            | Rule::Stock => {}
        }
    }
    for place in due {
        let failed = |error: Error| StackError::new(format!("{place}: {error}"));
        let looked_after = match (place.table(), place.key().parse::<OrderNum>()) {
            (Table::Orders, Ok(num)) => (sweep.look_after(&num).await.map_err(failed)?, "jobs queued"),
            (Table::Subscriptions, _) => (sweep.look_after_subscription(place.key()).await.map_err(failed)?, "plans are over"),
            (Table::Orders | Table::Sims | Table::Pools | Table::Partners | Table::Plans, _) => continue,
        };
        match looked_after {
            (0, _) => {
                astray.insert(place);
            }
            (some, what) => done.push(format!("{place}: {some} {what}")),
        }
    }
    for place in astray {
        let written = store.write_anew(place).await.context(place)?;
        let outcome =
            if written { "nothing is due now, and it has its place in the indexes" } else { "it was changed meanwhile" };
        done.push(format!("{place}: {outcome}"));
    }
    for pool in leaking.values() {
        // The first sweep marks what was drawn by now, the second puts back what nobody bought since.
        let mut leaked = store.recover_stock(pool, store.clock().now()).await.context(pool)?.leaked;
        tokio::time::sleep(SECOND_LOOK).await;
        leaked += store.recover_stock(pool, store.clock().now()).await.context(pool)?.leaked;
        done.push(format!("pool {pool}: {leaked} cards put back on sale"));
    }
    Ok(done)
}

/// Has what an order needs called for again, where nobody is called for it.
async fn call_again(store: &Store, place: &Place) -> Result<Option<String>, StackError> {
    let Ok(num) = place.key().parse::<OrderNum>() else { return Ok(None) };
    let decide = |order: &Order| decide(order, Command::CallAgain, store.clock().now());
    Ok(match store.change_order(&num, decide).await.context(place)? {
        Change::Made(_) => Some(format!("{place}: what it needs is called for again")),
        // Several things were found, and one write called for all; or somebody else did.
        Change::Refused(..) | Change::NoOrder => None,
    })
}

/// Puts a card's code on record. Of two cards with one code, a person has to find out whose it is.
async fn claim_code(store: &Store, place: &Place) -> Result<Option<String>, StackError> {
    for item in store.look_up(&BTreeSet::from([place.clone()])).await.context(place)? {
        if let Ok(Record::Sim(sim)) = item.record
            && store.claim_code(&sim).await.context(place)?.is_none()
        {
            return Ok(Some(format!("{place}: its code is on record")));
        }
    }
    Ok(None)
}

/// Puts a pool back into the registry, if it is whole otherwise.
async fn register_pool(store: &Store, place: &Place) -> Result<Option<String>, StackError> {
    let Some(pool) = place.registered_pool() else { return Ok(None) };
    let others = BTreeSet::from([Place::counter(&pool), Place::tail(&pool), Place::marks(&pool)]);
    if store.look_up(&others).await.context(place)?.len() < others.len() {
        return Ok(None);
    }
    store.create_pool(&pool).await.context(place)?;
    Ok(Some(format!("{place}: the pool is in the registry")))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.found {
            writeln!(f, "{finding}. To mend it: {}.", finding.rule.mend())?;
        }
        let items = self.looked_at.iter().map(|(table, count)| format!("{count} of {}", table.name()));
        write!(f, "Looked at {}", items.collect::<Vec<_>>().join(", "))?;
        match self.owed {
            (count, Some(oldest)) => write!(f, "; {count} refunds are owed, the oldest since {oldest}")?,
            (_, None) => write!(f, "; no refund is owed")?,
        }
        match self.found.len() {
            0 => write!(f, ". Nothing is wrong."),
            some => write!(f, ". Wrong: {some}."),
        }
    }
}
