//! Looks at every item of every table, and holds the promises that must be true of them at any time.

use crate::engine::Engine;
use serde_json::Value;
use simdock_domain::short_hash;
use std::collections::{BTreeMap, BTreeSet};

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

fn texts<'a>(item: &'a Value, name: &str) -> impl Iterator<Item = &'a str> {
    item[name]["L"].as_array().into_iter().flatten().filter_map(|element| element["S"].as_str())
}

fn place(index: usize) -> i64 {
    i64::try_from(index).expect("a small number")
}

/// The payment that paid for an order.
fn paid_by(order: &Value) -> Option<usize> {
    list(order, "pa").position(|payment| text(payment, "x").is_empty())
}

/// The subscription that a line of an order is about.
fn subscription_of(order: &Value, line: usize) -> String {
    match text(&order["sb"]["M"], "s") {
        "" => format!("SU{}", short_hash(&["subscription", text(order, "orderNum"), &line.to_string()])),
        subject => subject.to_owned(),
    }
}

/// Whether a plan of a subscription waits or runs.
fn is_open(plan: &Value) -> bool {
    plan["s"]["S"] == "w" || plan["s"]["M"]["r"].is_object()
}

/// What a plan of a subscription was brought by: the orders and their lines.
fn brought_by(plan: &Value) -> impl Iterator<Item = (&str, i64)> {
    std::iter::once((text(plan, "o"), number(plan, "l"))).chain(list(plan, "x").map(|extra| (text(extra, "o"), 0)))
}

/// Audits an engine's tables, see [`Books::audit`].
pub async fn audit(engine: &Engine) -> Audit {
    let books = Books {
        orders: engine.scan("OrdersTable").await,
        sims: engine.scan("SimsTable").await,
        pools: engine.scan("PoolsTable").await,
        partners: engine.scan("PartnersTable").await,
        subscriptions: engine.scan("SubscriptionsTable").await,
    };
    books.audit()
}

impl Books {
    /// Holds what must be true of the tables at any time:
    ///
    /// - Money: an order is paid once; a payment that did not pay is owed back in full; a line that was cancelled or failed is owed
    ///   back what it cost, and no other line anything; no more goes back than came in; the ledger has what went back to a balance,
    ///   and the balances are the sums of their ledgers.
    /// - Cards: one that stands in an order belongs to that order alone, and says so itself; one for sale stands in the slot that it
    ///   names; the counters add up; an active one carries a subscription that has not ended, or is about to; one that waits to go
    ///   back on sale is marked.
    /// - Subscriptions: a plan is open for as long as what brought it is, and the other way round; one that ended has nothing that is
    ///   open; a change is open only while its order is under way, and the other way round.
    /// - A paid renewal is listed on its main order, once; a gift was given once and is counted.
    pub fn audit(&self) -> Audit {
        let mut audit = Audit::default();
        for order in &self.orders {
            audit.paid += usize::from(paid_by(order).is_some());
            self.money(order);
            self.lines(order);
            self.renewals(order);
        }
        let owners = self.owners();
        audit.allocated = owners.len();
        self.cards(&owners, &mut audit);
        for subscription in &self.subscriptions {
            self.subscription(subscription);
            audit.open += usize::from(subscription["en"].is_null());
            audit.changing += usize::from(!subscription["oc"].is_null());
        }
        self.pools();
        self.balances();
        self.gifts();
        audit
    }

    fn order(&self, num: &str) -> &Value {
        self.orders.iter().find(|order| text(order, "orderNum") == num).unwrap_or_else(|| panic!("no order {num}"))
    }

    fn sim(&self, iccid: &str) -> &Value {
        self.sims.iter().find(|sim| text(sim, "iccid") == iccid).unwrap_or_else(|| panic!("no card {iccid}"))
    }

    fn money(&self, order: &Value) {
        let num = text(order, "orderNum");
        let payments: Vec<&Value> = list(order, "pa").collect();
        let paid = payments.iter().filter(|payment| text(payment, "x").is_empty()).count();
        assert!(paid <= 1, "{num} is paid {paid} times");
        // What was withdrawn is neither owed nor given.
        let refunds: Vec<&Value> = list(order, "rf").filter(|refund| text(refund, "s") != "w").collect();
        let amount = |refund: &&Value| number(&refund["m"]["M"], "amount");
        for (index, payment) in payments.iter().enumerate() {
            let back: Vec<&Value> = refunds.iter().copied().filter(|refund| number(refund, "p") == place(index)).collect();
            match (text(payment, "x"), back.first()) {
                ("", _) => {}
                (reason, Some(refund)) => assert_eq!(refund["m"], payment["r"], "{num}: {reason}, but not all is owed back"),
                (reason, None) => panic!("{num}: {reason}, but nothing is owed back"),
            }
            let out: i64 = back.iter().map(amount).sum();
            assert!(out <= number(&payment["r"]["M"], "amount"), "{num}: more goes back than came in");
            if text(payment, "p") == "b" {
                let succeeded: i64 = back.iter().filter(|refund| text(refund, "s") == "s").map(amount).sum();
                let credited = self.partners.iter().filter(|entry| text(entry, "sk").starts_with(&format!("{num}#RF")));
                assert_eq!(credited.map(|entry| number(entry, "amount")).sum::<i64>(), succeeded, "{num}: the ledger's credits");
            }
        }
        // What somebody gave back at the provider counts for lines as well as it can.
        if refunds.iter().all(|refund| text(refund, "r") != "el") {
            for (line, item) in list(order, "li").enumerate() {
                let back = refunds.iter().filter(|refund| !refund["l"].is_null() && number(refund, "l") == place(line));
                let settled = matches!(text(item, "s"), "x" | "f");
                let owed = if settled { number(item, "a") } else { 0 };
                assert_eq!(back.map(amount).sum::<i64>(), owed, "{num}: line {line} is {}", text(item, "s"));
            }
        }
    }

    /// What an order's lines brought is open on their subscriptions for as long as they are.
    fn lines(&self, order: &Value) {
        let (num, kind) = (text(order, "orderNum"), text(order, "ty"));
        let paid = paid_by(order).is_some();
        for (line, item) in list(order, "li").enumerate() {
            assert_eq!(!text(item, "i").is_empty(), paid, "{num}: cards and payment go together");
            let state = text(item, "s");
            let id = subscription_of(order, line);
            let subscription = self.subscriptions.iter().find(|subscription| text(subscription, "subscriptionId") == id);
            let brings = match kind {
                "as" => state == "l",
                "ts" | "rn" => paid && matches!(state, "p" | "l"),
                "cs" | "sw" => false,
                other => panic!("{num} is a {other}"),
            };
            if brings {
                let subscription = subscription.unwrap_or_else(|| panic!("{num}: line {line} has no subscription"));
                let open = list(subscription, "pl").filter(|plan| is_open(plan)).flat_map(brought_by);
                let open = open.filter(|brought| *brought == (num, place(line))).count();
                assert_eq!(open, 1, "{num}: line {line} is {state}, and so much of it is open on {id}");
            }
            let changes = paid
                && match kind {
                    "cs" => state == "p",
                    "sw" => matches!(state, "p" | "l" | "c") && list(order, "hi").all(|entry| text(entry, "e") != "sw"),
                    _ => false,
                };
            if changes {
                let change = &subscription.unwrap_or_else(|| panic!("{num} changes nothing"))["oc"]["M"];
                assert_eq!(text(change, "o"), num, "{num} is {state}, and {id} is not claimed for it");
            }
        }
    }

    fn renewals(&self, order: &Value) {
        let num = text(order, "orderNum");
        let main = text(&order["sb"]["M"], "m");
        if text(order, "ty") == "rn" && paid_by(order).is_some() {
            let listed = texts(self.order(main), "rn").filter(|renewal| *renewal == num).count();
            assert_eq!(listed, 1, "{num} on its main order {main}");
        }
        for renewal in texts(order, "rn") {
            let renewal = self.order(renewal);
            assert_eq!((text(renewal, "ty"), text(&renewal["sb"]["M"], "m")), ("rn", num), "what {num} lists");
            assert!(paid_by(renewal).is_some(), "{num} lists a renewal that nobody paid");
        }
    }

    /// The order that each card belongs to.
    fn owners(&self) -> BTreeMap<&str, &str> {
        let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
        // What others brought is on the card of whoever brought the card.
        for order in self.orders.iter().filter(|order| matches!(text(order, "ty"), "as" | "sw")) {
            let num = text(order, "orderNum");
            for line in list(order, "li") {
                let iccid = text(line, "i");
                // The card of a cancelled line may be somebody else's by now.
                if !iccid.is_empty() && text(line, "s") != "x" {
                    let other = owners.insert(iccid, num);
                    assert_eq!(other, None, "{iccid} is sold to {num} as well");
                    assert_eq!(text(self.sim(iccid), "order"), num, "{iccid} stands in an order");
                }
            }
        }
        owners
    }

    fn cards(&self, owners: &BTreeMap<&str, &str>, audit: &mut Audit) {
        let slot = |item: &Value| {
            let (pool, _) = text(item, "pk").strip_prefix("slot#")?.split_once('#')?;
            Some(((pool.to_owned(), text(item, "sk").parse::<i64>().expect("a slot")), text(item, "iccid").to_owned()))
        };
        let slots: BTreeMap<(String, i64), String> = self.pools.iter().filter_map(slot).collect();
        for sim in &self.sims {
            let (iccid, pool, state) = (text(sim, "iccid"), text(sim, "pool"), text(sim, "state"));
            let carries = self.subscriptions.iter().find(|one| text(one, "subscriptionId") == text(sim, "subscription"));
            if state != "stocked" {
                assert!(
                    sim["slot"].is_null() || !matches!(state, "sold" | "active" | "retired"),
                    "{iccid} is {state} and in a slot"
                );
            }
            match state {
                "stocked" => {
                    let slot = number(sim, "slot");
                    let there = slots.get(&(pool.to_owned(), slot)).map(String::as_str);
                    assert_eq!(there, Some(iccid), "{iccid} names slot {slot}");
                    assert!(slot < self.counter(pool, "tail", "tail"), "{iccid} stands behind the tail");
                    assert_eq!(owners.get(iccid), None, "{iccid} is for sale and sold");
                    *audit.stocked.entry(pool.to_owned()).or_default() += 1;
                    audit.drawn += usize::from(slot < self.counter(pool, "counter", "head"));
                }
                "sold" => assert_eq!(owners.get(iccid).copied(), Some(text(sim, "order")), "{iccid} is sold"),
                "active" => {
                    assert_eq!(owners.get(iccid).copied(), Some(text(sim, "order")), "{iccid} is active");
                    let subscription = carries.unwrap_or_else(|| panic!("{iccid} is active and carries nothing"));
                    assert!(subscription["en"].is_null(), "{iccid} is active and its subscription has ended");
                    let [now, next] = [text(subscription, "ic"), text(&subscription["oc"]["M"], "i")];
                    assert!([now, next].contains(&iccid), "{iccid} is active, and its subscription is on {now}");
                }
                "retired" => {
                    let subscription = carries.unwrap_or_else(|| panic!("{iccid} is retired and carried nothing"));
                    let past = list(subscription, "pc").any(|past| text(past, "i") == iccid);
                    let last = text(subscription, "ic") == iccid && !subscription["en"].is_null();
                    assert!(past || last, "{iccid} is retired and carries a subscription");
                }
                "returning" => {
                    let marked = |item: &&Value| text(item, "pk") == format!("return#{pool}") && text(item, "sk") == iccid;
                    assert_eq!(self.pools.iter().filter(marked).count(), 1, "{iccid} waits to go back on sale");
                }
                "set_aside" => {}
                other => panic!("{iccid} is {other}"),
            }
        }
    }

    fn subscription(&self, subscription: &Value) {
        let id = text(subscription, "subscriptionId");
        let main = self.order(text(subscription, "mo"));
        let ended = !subscription["en"].is_null();
        for plan in list(subscription, "pl").filter(|plan| is_open(plan)) {
            assert!(!ended, "{id} has ended, and a plan of it is open");
            for (num, line) in brought_by(plan) {
                let order = self.order(num);
                let line = usize::try_from(line).expect("a line");
                let state = list(order, "li").nth(line).map(|line| text(line, "s"));
                assert!(paid_by(order).is_some(), "{id} has what {num} brought, which nobody paid");
                assert!(matches!(state, Some("p" | "l" | "c")), "{id} has what line {line} of {num} brought, which is {state:?}");
                assert_eq!(subscription_of(order, line), id, "what {num} brought");
            }
        }
        let sim = self.sim(text(subscription, "ic"));
        if ended {
            assert!(subscription["sv"].is_null(), "{id} has ended, and is suspended");
        } else {
            assert_eq!((text(sim, "state"), text(sim, "subscription")), ("active", id), "the card of {id}");
            assert_eq!(text(sim, "pool"), text(subscription, "po"), "the pool of {id}");
        }
        for past in list(subscription, "pc") {
            assert_eq!(text(self.sim(text(past, "i")), "state"), "retired", "a card that {id} had");
        }
        let change = &subscription["oc"]["M"];
        if change.is_null() {
            return;
        }
        assert!(!ended, "{id} has ended, and a change of it is open");
        let order = self.order(text(change, "o"));
        let num = text(order, "orderNum");
        let line = (0..list(order, "li").count()).find(|line| subscription_of(order, *line) == id);
        let line = list(order, "li").nth(line.unwrap_or_else(|| panic!("{num} does not change {id}"))).expect("the line");
        let state = text(line, "s");
        match text(change, "k") {
            "s" => {
                assert_eq!(text(order, "ty"), "sw", "{num} swaps the card of {id}");
                assert_eq!(text(line, "i"), text(change, "i"), "the new card of {id}");
                assert!(matches!(state, "p" | "l" | "c"), "{num} is {state}, and {id} is claimed for it");
                assert!(list(order, "hi").all(|entry| text(entry, "e") != "sw"), "{num} is over, and {id} is claimed for it");
            }
            "c" => assert_eq!((text(order, "ty"), state), ("cs", "p"), "{id} is claimed for {num}"),
            "r" => assert_eq!((num, state), (text(main, "orderNum"), "c"), "{id} is claimed for {num}"),
            other => panic!("a change of {id} is {other}"),
        }
    }

    fn counter(&self, pool: &str, name: &str, attribute: &str) -> i64 {
        let key = format!("pool#{pool}");
        let item = self.pools.iter().find(|item| text(item, "pk") == key && text(item, "sk") == name);
        number(item.unwrap_or(&Value::Null), attribute)
    }

    fn pools(&self) {
        let names: BTreeSet<&str> = self.pools.iter().filter_map(|item| text(item, "pk").strip_prefix("pool#")).collect();
        for pool in names {
            let [available, head, published] = ["available", "head", "published"].map(|name| self.counter(pool, "counter", name));
            assert_eq!(available, published - head, "the counter of {pool}");
            assert!(published <= self.counter(pool, "tail", "tail"), "{pool} published more than it has");
        }
    }

    fn balances(&self) {
        let mut moved: BTreeMap<(&str, &str), i64> = BTreeMap::new();
        for item in &self.partners {
            if let Some(partner) = text(item, "pk").strip_prefix("ledger#") {
                *moved.entry((partner, text(item, "currency"))).or_default() += number(item, "amount");
            }
        }
        for ((partner, currency), sum) in moved {
            let key = (format!("partner#{partner}"), format!("balance#{currency}"));
            let balance = self.partners.iter().find(|item| text(item, "pk") == key.0 && text(item, "sk") == key.1);
            let balance = number(balance.unwrap_or(&Value::Null), "balance");
            assert_eq!(balance, sum, "the balance of {partner} in {currency}");
        }
    }

    fn gifts(&self) {
        let mut given: BTreeMap<&str, i64> = BTreeMap::new();
        let mut entitled: BTreeSet<(&str, &str)> = BTreeSet::new();
        for order in self.orders.iter().filter(|order| !order["gi"].is_null() && paid_by(order).is_some()) {
            let (partner, gift) = (text(order, "partnerId"), &order["gi"]["M"]);
            assert!(entitled.insert((partner, text(gift, "s"))), "{} was given twice for one plan", text(order, "orderNum"));
            *given.entry(partner).or_default() += i64::from(gift["m"].is_null());
        }
        let record = |item: &&Value| text(item, "pk").starts_with("gift#");
        for item in self.partners.iter().filter(record) {
            let partner = text(item, "pk").trim_start_matches("gift#");
            assert!(entitled.remove(&(partner, text(item, "sk"))), "a gift of {partner} that no order has");
        }
        assert!(entitled.is_empty(), "gifts that are not on record: {entitled:?}");
        for item in self.partners.iter().filter(|item| text(item, "sk") == "partner") {
            let partner = text(item, "partnerId");
            assert_eq!(number(item, "gifts"), given.get(partner).copied().unwrap_or(0), "the gifts of {partner}");
        }
    }
}

impl Audit {
    /// Holds that nothing is missing from sale: call it after two sweeps.
    pub fn nothing_missing(&self) -> &Self {
        assert_eq!(self.drawn, 0, "cards for sale that nobody can draw");
        self
    }
}
