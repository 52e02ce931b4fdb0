//! `simdock doctor`: goes through the tables of a running system and says what is wrong in them, and with what it is mended.
//!
//! The tables are read a page at a time, each item together with those that it names, while others go on writing. What looks wrong
//! is looked at twice, so that what merely happened in between is not told.

mod patient;

pub use patient::{Patient, doctor};

use crate::error::{Context, StackError};
use lambda_http::Error;
use simdock_audit::{Books, Finding, Rule, Totals};
use simdock_domain::{Order, OrderNum, PoolId, Subscription, Timestamp};
use simdock_runtime::Config;
use simdock_store::{Inspected, Place, Record, Store, StoreError, Table};
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
    let mut examination = Examination { store, report: Report::default() };
    let mut totals = examination.pools_and_partners(true).await?;
    for table in [Table::Orders, Table::Sims, Table::Subscriptions] {
        examination.each_page(table, true, &mut totals).await?;
    }
    let suspects = totals.check();
    if !suspects.is_empty() {
        tokio::time::sleep(SECOND_LOOK).await;
        let mut again = examination.pools_and_partners(false).await?;
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
    report: Report,
}

impl Examination<'_> {
    /// Goes through pools, and through what partners have; checks each item the first time.
    async fn pools_and_partners(&mut self, first: bool) -> Result<Totals, StackError> {
        let mut totals = Totals::default();
        for pool in self.store.pools().await.context("the pools")? {
            self.pool(&pool, first, &mut totals).await?;
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
                return Ok(totals);
            }
        }
    }

    async fn pool(&mut self, pool: &PoolId, first: bool, totals: &mut Totals) -> Result<(), StackError> {
        let counters = BTreeSet::from([Place::counter(pool), Place::tail(pool), Place::marks(pool)]);
        let (mut from, mut end) = (0, 0);
        for item in self.store.look_up(&counters).await.context(pool)? {
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
            if first {
                *self.report.looked_at.entry(Table::Pools).or_default() += slots.len();
            }
            from += SLOTS;
        }
        if first {
            let returns = self.store.inspect_returns(pool).await.context(pool)?;
            let places: Vec<Place> = returns.iter().map(|item| item.place.clone()).collect();
            let books = self.with_neighbours(returns).await?;
            self.page(&books, &places).await?;
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
                totals.add(record, &books);
                if let Record::Order(order) = record
                    && first
                {
                    self.owed(&order.record);
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
        let wanted: BTreeSet<Place> = places.iter().flat_map(|place| books.neighbours(place)).collect();
        let wanted = wanted.into_iter().filter(|place| !places.contains(place)).collect();
        books.add(self.store.look_up(&wanted).await.context("the items that others name")?);
        Ok(books)
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

/// Mends what the sweep would, the way it does: queues what is due, and puts the cards of leaked tickets back on sale. What is to be
/// looked at later gets back its place in the index that the sweep goes by, and a code that nobody has claimed becomes its card's. Says what it did. `config` names the queues too.
pub async fn repair(config: &Config, report: &Report) -> Result<Vec<String>, StackError> {
    let store = Store::new(config).await.context("the environment")?;
    let sweep = Sweep::new(config).await.context("the environment")?;
    let mut done = Vec::new();
    let mut pools: BTreeSet<String> = BTreeSet::new();
    let mut places: BTreeSet<&Place> = BTreeSet::new();
    let mut cards: BTreeSet<&Place> = BTreeSet::new();
    for finding in &report.found {
        match finding.rule {
            Rule::Code => {
                cards.insert(&finding.place);
            }
            Rule::Overdue | Rule::DueAt => {
                places.insert(&finding.place);
            }
            Rule::Leaked => {
                let wanted = BTreeSet::from([finding.place.clone()]);
                for item in store.look_up(&wanted).await.context(&finding.place)? {
                    if let Ok(Record::Sim(sim)) = item.record {
                        pools.insert(sim.pool.to_string());
                    }
                }
            }
            Rule::Readable
            | Rule::Attributes
            | Rule::Work
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
            | Rule::Returning
            | Rule::Carrier
            | Rule::Plans
            | Rule::Change
            | Rule::Stock => {}
        }
    }
    for place in places {
        let failed = |error: Error| StackError::new(format!("{place}: {error}"));
        done.push(match (place.table(), place.key().parse::<OrderNum>()) {
            (Table::Orders, Ok(num)) => match sweep.look_after(&num).await.map_err(failed)? {
                0 => indexed(place, write_order_anew(&store, &num).await.context(place)?),
                jobs => format!("{place}: {jobs} jobs queued"),
            },
            (Table::Subscriptions, _) => match sweep.look_after_subscription(place.key()).await.map_err(failed)? {
                0 => indexed(place, write_subscription_anew(&store, place.key()).await.context(place)?),
                over => format!("{place}: {over} plans are over"),
            },
            (Table::Orders | Table::Sims | Table::Pools | Table::Partners, _) => continue,
        });
    }
    for place in cards {
        for item in store.look_up(&BTreeSet::from([place.clone()])).await.context(place)? {
            // Of two cards with one code, a person has to find out whose it is.
            if let Ok(Record::Sim(sim)) = item.record
                && store.claim_code(&sim).await.context(place)?.is_none()
            {
                done.push(format!("{place}: its code is on record"));
            }
        }
    }
    for pool in pools {
        let pool = PoolId::try_from(pool).map_err(StackError::new)?;
        // The first sweep marks what was drawn by now, the second puts back what nobody bought since.
        let mut leaked = store.recover_stock(&pool, store.clock().now()).await.context(&pool)?.leaked;
        tokio::time::sleep(SECOND_LOOK).await;
        leaked += store.recover_stock(&pool, store.clock().now()).await.context(&pool)?.leaked;
        done.push(format!("pool {pool}: {leaked} cards put back on sale"));
    }
    Ok(done)
}

fn indexed(place: &Place, written: bool) -> String {
    let outcome = if written { "nothing is due now, and it has its place in the index" } else { "it was changed meanwhile" };
    format!("{place}: {outcome}")
}

/// Writes an order as it stands, and with it the attributes that follow; false if somebody else changed it first.
async fn write_order_anew(store: &Store, num: &OrderNum) -> Result<bool, StoreError> {
    let Some(order) = store.order(num).await? else { return Ok(false) };
    let next = Order { version: order.version + 1, ..order };
    Ok(store.replace_order(&next).await?.is_ok())
}

/// The same of a subscription.
async fn write_subscription_anew(store: &Store, id: &str) -> Result<bool, StoreError> {
    let Some(subscription) = store.subscription(id).await? else { return Ok(false) };
    let next = Subscription { version: subscription.version + 1, ..subscription };
    Ok(store.replace_subscription(&next).await?.is_ok())
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
