//! `simdock doctor`: goes through the tables of a running system and says what is wrong in them, and with what it is mended.
//!
//! The tables are read a page at a time, each item together with those that it names, while others go on writing. What looks wrong
//! is looked at twice, so that what merely happened in between is not told.

mod patient;
mod repair;

pub use patient::{Patient, doctor};
pub use repair::{Repaired, repair};

use crate::error::{Context, StackError, visible};
use simdock_audit::{Books, Finding, Rule, Totals, Unjudged};
use simdock_domain::{Order, PoolId, Timestamp};
use simdock_store::{Inspected, Place, Record, Store, Table};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

/// How long the second look comes after the first: a buyer between ticket and sale is through by then.
const SECOND_LOOK: Duration = Duration::from_secs(2);
/// How many slots are read at once.
const SLOTS: u64 = 1000;
/// How many items are named of which a rule cannot be told; of more, how many they are.
const NAMED: usize = 3;

/// What there is and what is wrong with it.
#[derive(Debug, Default)]
pub struct Report {
    looked_at: BTreeMap<Table, usize>,
    found: Vec<Finding>,
    /// What cannot be told as long as an item cannot be read, by that item and the rule: the first few items that it is about, and how
    /// many they are.
    unjudged: BTreeMap<(Place, Rule), (Vec<Place>, usize)>,
    /// Refunds that are under way or given up, and since when the oldest is owed.
    owed: (usize, Option<Timestamp>),
}

impl Report {
    /// What is wrong, in no particular order.
    pub fn found(&self) -> &[Finding] {
        &self.found
    }

    /// The rules that cannot be told for an item that cannot be read, with that item.
    pub fn unjudged(&self) -> impl Iterator<Item = (Rule, &Place)> {
        self.unjudged.keys().map(|(unread, rule)| (*rule, unread))
    }

    fn cannot_tell(&mut self, unjudged: Vec<Unjudged>) {
        for Unjudged { rule, place, unread } in unjudged {
            let (named, count) = self.unjudged.entry((unread, rule)).or_default();
            if !named.contains(&place) {
                *count += 1;
                if named.len() < NAMED {
                    named.push(place);
                }
            }
        }
    }
}

/// Examines all tables.
pub async fn examine(store: &Store) -> Result<Report, StackError> {
    let mut examination = Examination::new(store);
    let mut totals = Totals::default();
    for table in [Table::Pools, Table::Orders, Table::Sims, Table::Subscriptions, Table::Plans] {
        examination.each_page(table, true, &mut totals).await?;
    }
    examination.pools_and_partners(true, &mut totals).await?;
    let checked = totals.check();
    examination.report.cannot_tell(checked.unjudged);
    let suspects = checked.found;
    if !suspects.is_empty() {
        tokio::time::sleep(SECOND_LOOK).await;
        let mut again = Totals::default();
        examination.pools_and_partners(false, &mut again).await?;
        if suspects.iter().any(|finding| finding.rule == Rule::Code) {
            examination.each_page(Table::Sims, false, &mut again).await?;
        }
        let again = again.check().found;
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

impl<'a> Examination<'a> {
    fn new(store: &'a Store) -> Self {
        Self { store, pools: BTreeMap::new(), report: Report::default() }
    }

    /// Sums up pools, and what partners have; checks each item of partners the first time.
    async fn pools_and_partners(&mut self, first: bool, totals: &mut Totals) -> Result<(), StackError> {
        for pool in self.pools.values() {
            self.pool(pool, totals).await?;
        }
        let mut after = None;
        loop {
            let (items, next) = self.store.inspect(Table::Partners, after).await.context("the table partners")?;
            let places: Vec<Place> = items.iter().map(|item| item.place.clone()).collect();
            items.iter().filter(|item| item.record.is_err()).for_each(|item| totals.unread(&item.place));
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
            let Ok(record) = item.record else {
                totals.unread(&item.place);
                continue;
            };
            if let Record::Marks { low, .. } = &record {
                from = *low;
            } else if let Record::Tail { tail, .. } = &record {
                end = *tail;
            }
            totals.add(&record, &Books::default());
        }
        while from < end {
            let slots = self.store.inspect_slots(pool, from, end.min(from + SLOTS)).await.context(pool)?;
            for slot in &slots {
                match &slot.record {
                    Ok(record) => totals.add(record, &Books::default()),
                    Err(_) => totals.unread(&slot.place),
                }
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
        let mut suspects: Vec<Finding> = Vec::new();
        for checked in places.iter().map(|place| books.check(place, self.store.clock().now())) {
            suspects.extend(checked.found);
            self.report.cannot_tell(checked.unjudged);
        }
        if suspects.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(SECOND_LOOK).await;
        let places: BTreeSet<Place> = suspects.iter().map(|finding| finding.place.clone()).collect();
        let items = self.store.look_up(&places).await.context("a second look")?;
        let books = self.with_neighbours(items).await?;
        let again = places.iter().flat_map(|place| books.check(place, self.store.clock().now()).found);
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
        | Record::KeyMade { .. }
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

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.found {
            writeln!(f, "{}. To mend it: {}.", visible(&finding.to_string()), finding.rule.mend())?;
        }
        for ((unread, rule), (named, count)) in &self.unjudged {
            let named: Vec<String> = named.iter().map(ToString::to_string).collect();
            let more = if *count > NAMED { format!(" and {} more", count - NAMED) } else { String::new() };
            let unknown = format!("{unread} cannot be read: {} of {}", rule.name(), named.join(", "));
            writeln!(f, "Not known while {}{more}.", visible(&unknown))?;
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
