//! Looks at every item of every table, and holds the promises that must be true of them at any time.

use crate::engine::Engine;
use serde_json::Value;
use simdock_audit::{Finding, Rule};
use simdock_domain::{LineState, Timestamp};
use simdock_store::{Inspected, Record, SimState, Table};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Fails a check unless something is true.
macro_rules! hold {
    ($holds:expr, $($what:tt)+) => {
        if !$holds {
            return Err(format!($($what)+));
        }
    };
}

/// Fails a check unless two things are the same.
macro_rules! same {
    ($found:expr, $expected:expr, $($what:tt)+) => {{
        let (found, expected) = (&$found, &$expected);
        if found != expected {
            return Err(format!("{}: {found:?} and not {expected:?}", format!($($what)+)));
        }
    }};
}

mod rest;

pub use rest::Outside;

/// What became of a check: if it failed, why.
type Held = Result<(), String>;

/// What is promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// A payment is on record once, pays once, or is owed back.
    Money,
    /// What is owed goes back at the provider, all of it, and once.
    Refunds,
    /// A card belongs to one order.
    Cards,
    /// No code that somebody has seen is sold to somebody else, and no two cards have one.
    Codes,
    /// Stock adds up, and nothing is missing from sale.
    Stock,
    /// Orders and subscriptions are in step.
    Subscriptions,
    /// Balances are the sums of their ledgers.
    Ledger,
    /// A gift is given once.
    Gifts,
    /// Every mail that is owed was sent.
    Mails,
    /// A carrier was asked for what the orders say.
    Carrier,
    /// Once all is done, nothing is due.
    Rest,
    /// What was acknowledged is there, and nothing that nobody asked for.
    Answers,
}

/// A promise that does not hold, and what shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub promise: Promise,
    /// What was found, for a person.
    pub found: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.promise, self.found)
    }
}

/// What does not hold.
#[derive(Default)]
struct Broken(Vec<Violation>);

impl Broken {
    fn note(&mut self, promise: Promise, held: Held) {
        self.0.extend(held.err().map(|found| Violation { promise, found }));
    }
}

/// What an audit counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Orders that a payment paid for.
    pub paid: usize,
    /// Cards that stand in an order's line.
    pub allocated: usize,
    /// Cards for sale, by pool.
    pub stocked: BTreeMap<String, usize>,
    /// Cards for sale that nobody can draw: their tickets are with somebody, or leaked.
    pub drawn: usize,
    /// Subscriptions that have not ended.
    pub open: usize,
    /// Subscriptions that a change keeps others away from.
    pub changing: usize,
}

/// Every item of the tables that an audit looks at, as stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// Orders.
    pub orders: Vec<Value>,
    /// Cards.
    pub sims: Vec<Value>,
    /// Pools, their slots and what waits to go back.
    pub pools: Vec<Value>,
    /// Partners, their balances, ledgers and gifts.
    pub partners: Vec<Value>,
    /// Subscriptions.
    pub subscriptions: Vec<Value>,
    /// Plans and their versions.
    pub plans: Vec<Value>,
}

fn text<'a>(item: &'a Value, name: &str) -> &'a str {
    item[name]["S"].as_str().unwrap_or_default()
}

fn number(item: &Value, name: &str) -> i64 {
    item[name]["N"].as_str().map_or(0, |digits| digits.parse().expect("a whole number"))
}

fn list<'a>(item: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    item[name]["L"].as_array().into_iter().flatten().map(|element| &element["M"])
}

/// Audits an engine's tables, see [`Books::audit`].
pub async fn audit(engine: &Engine) -> Audit {
    let books = Books {
        orders: engine.scan("OrdersTable").await,
        sims: engine.scan("SimsTable").await,
        pools: engine.scan("PoolsTable").await,
        partners: engine.scan("PartnersTable").await,
        subscriptions: engine.scan("SubscriptionsTable").await,
        plans: engine.scan("PlansTable").await,
    };
    books.audit()
}

impl Books {
    /// Holds what must be true of the tables at any time, which `simdock_audit` knows. Panics with all that does not hold.
    pub fn audit(&self) -> Audit {
        let (audit, broken) = self.inspect();
        assert!(broken.is_empty(), "{}", broken.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
        audit
    }

    /// As [`Self::audit`], with all that does not hold.
    pub fn inspect(&self) -> (Audit, Vec<Violation>) {
        let mut books = simdock_audit::Books::default();
        for (table, items) in [
            (Table::Orders, &self.orders),
            (Table::Sims, &self.sims),
            (Table::Pools, &self.pools),
            (Table::Partners, &self.partners),
            (Table::Subscriptions, &self.subscriptions),
            (Table::Plans, &self.plans),
        ] {
            books.add(items.iter().map(|item| Inspected::from_json(table, item.clone()).expect("an item")));
        }
        // What may not hold for a while is the only thing that goes by the time.
        let found = books.check_all(Timestamp::from_unix(0)).found;
        let audit = Audit { drawn: found.iter().filter(|finding| finding.rule == Rule::Leaked).count(), ..count(&books) };
        let mut broken = Broken(found.into_iter().filter(|finding| !finding.rule.takes_time()).map(Violation::from).collect());
        broken.note(Promise::Codes, one_card_each(&self.sims));
        (audit, broken.0)
    }
}

/// No two cards have one code, whatever the tables keep of codes besides: those with a matching id, which is the third field.
fn one_card_each(sims: &[Value]) -> Held {
    let mut cards: BTreeMap<(String, &str), &str> = BTreeMap::new();
    for sim in sims {
        let mut fields = text(sim, "code").split('$').skip(1);
        let (Some(address), Some(id)) = (fields.next(), fields.next().filter(|id| !id.is_empty())) else { continue };
        if let Some(other) = cards.insert((address.to_lowercase(), id), text(sim, "iccid")) {
            return Err(format!("cards {other} and {} have one code", text(sim, "iccid")));
        }
    }
    Ok(())
}

fn count(books: &simdock_audit::Books) -> Audit {
    let mut audit = Audit::default();
    let mut allocated = BTreeSet::new();
    for (_, record) in books.records() {
        if let Record::Order(order) = record {
            let order = &order.record;
            audit.paid += usize::from(order.is_paid());
            // What others brought is on the card of whoever brought the card.
            let lines = order.lines.iter().filter(|line| order.kind.takes_cards() && line.state != LineState::Cancelled);
            allocated.extend(lines.filter_map(|line| line.iccid.as_ref()));
        } else if let Record::Sim(sim) = record
            && sim.state == SimState::Stocked
        {
            *audit.stocked.entry(sim.pool.to_string()).or_default() += 1;
        } else if let Record::Subscription(subscription) = record {
            audit.open += usize::from(subscription.record.ended.is_none());
            audit.changing += usize::from(subscription.record.open_change.is_some());
        }
    }
    audit.allocated = allocated.len();
    audit
}

impl From<Finding> for Violation {
    fn from(finding: Finding) -> Self {
        let promise = match finding.rule {
            Rule::PaidOnce | Rule::Claimed | Rule::Booked => Promise::Money,
            Rule::OwedBack | Rule::RefundStalled => Promise::Refunds,
            Rule::Owner | Rule::Returning | Rule::Readable => Promise::Cards,
            Rule::Disclosed | Rule::Code | Rule::CodeHolder => Promise::Codes,
            Rule::Mailed => Promise::Mails,
            Rule::Slot | Rule::Leaked | Rule::Stock | Rule::Dead | Rule::Registered => Promise::Stock,
            Rule::Catalogue | Rule::Carrier | Rule::Plans | Rule::Change | Rule::Renewal => Promise::Subscriptions,
            Rule::Ledger | Rule::Balance => Promise::Ledger,
            Rule::Gift => Promise::Gifts,
            Rule::Work | Rule::Overdue | Rule::DueAt | Rule::Attributes | Rule::Altered => Promise::Rest,
        };
        Self { promise, found: finding.to_string() }
    }
}

impl Audit {
    /// Holds that nothing is missing from sale: call it after two sweeps.
    pub fn nothing_missing(&self) -> &Self {
        assert_eq!(self.drawn, 0, "cards for sale that nobody can draw");
        self
    }
}
