//! Looks at every item of every table, and holds the promises that must be true of them at any time.

use crate::engine::Engine;
use serde_json::{Value, json};
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

/// Audits an engine's tables:
/// every card in an order belongs to that order alone, and says so itself; every payment that did not pay is owed back in
/// full, no more goes back than came in, and the ledger has what went back to a balance; every card for sale stands in the slot that it names; the counters add up; the balances are the sums of their ledgers.
pub async fn audit(engine: &Engine) -> Audit {
    let mut audit = Audit::default();
    let orders = engine.scan("OrdersTable").await;
    let sims = engine.scan("SimsTable").await;
    let pools = engine.scan("PoolsTable").await;
    let partners = engine.scan("PartnersTable").await;

    let mut owner: BTreeMap<&str, &str> = BTreeMap::new();
    for order in &orders {
        let num = text(order, "orderNum");
        let payments: Vec<&Value> = list(order, "pa").collect();
        let paid = payments.iter().filter(|payment| text(payment, "x").is_empty()).count();
        assert!(paid <= 1, "{num} is paid {paid} times");
        audit.paid += paid;
        for (place, payment) in payments.iter().enumerate() {
            let whole = list(order, "rf").find(|refund| number(refund, "p") == i64::try_from(place).unwrap_or(-1));
            match (text(payment, "x"), whole) {
                ("", _) => {}
                (reason, Some(refund)) => assert_eq!(refund["m"], payment["r"], "{num}: {reason}, but not all is owed back"),
                (reason, None) => panic!("{num}: {reason}, but nothing is owed back"),
            }
        }
        let back =
            |place: usize| list(order, "rf").filter(move |refund| number(refund, "p") == i64::try_from(place).unwrap_or(-1));
        for (place, payment) in payments.iter().enumerate() {
            let out: i64 = back(place).map(|refund| number(&refund["m"]["M"], "amount")).sum();
            assert!(out <= number(&payment["r"]["M"], "amount"), "{num}: more goes back than came in");
            if text(payment, "p") == "b" {
                let succeeded = back(place).filter(|refund| text(refund, "s") == "s");
                let succeeded: i64 = succeeded.map(|refund| number(&refund["m"]["M"], "amount")).sum();
                let credited = partners.iter().filter(|entry| text(entry, "sk").starts_with(&format!("{num}#RF")));
                assert_eq!(credited.map(|entry| number(entry, "amount")).sum::<i64>(), succeeded, "{num}: the ledger's credits");
            }
        }
        for line in list(order, "li") {
            let iccid = text(line, "i");
            assert_eq!(!iccid.is_empty(), paid == 1, "{num}: cards and payment go together");
            // The card of a cancelled line may be somebody else's by now.
            if !iccid.is_empty() && text(line, "s") != "x" {
                audit.allocated += 1;
                let other = owner.insert(iccid, num);
                assert_eq!(other, None, "{iccid} is sold to {num} as well");
            }
        }
    }

    let slots: BTreeMap<(&str, i64), &str> = pools
        .iter()
        .filter_map(|item| {
            let (pool, _) = text(item, "pk").strip_prefix("slot#")?.split_once('#')?;
            Some(((pool, text(item, "sk").parse().expect("a slot")), text(item, "iccid")))
        })
        .collect();
    let counter = |pool: &str, name: &str, attribute: &str| {
        let key = format!("pool#{pool}");
        let item = pools.iter().find(|item| text(item, "pk") == key && text(item, "sk") == name);
        number(item.unwrap_or(&Value::Null), attribute)
    };
    for sim in &sims {
        let (iccid, pool, state) = (text(sim, "iccid"), text(sim, "pool"), text(sim, "state"));
        match state {
            "stocked" => {
                let slot = number(sim, "slot");
                assert_eq!(slots.get(&(pool, slot)), Some(&iccid), "{iccid} names slot {slot}");
                assert!(slot < counter(pool, "tail", "tail"), "{iccid} stands behind the tail");
                assert_eq!(owner.get(iccid), None, "{iccid} is for sale and sold");
                *audit.stocked.entry(pool.to_owned()).or_default() += 1;
                audit.drawn += usize::from(slot < counter(pool, "counter", "head"));
            }
            "sold" | "active" => {
                assert_eq!(owner.get(iccid).copied(), Some(text(sim, "order")), "{iccid} is {state}");
                assert!(sim["slot"].is_null(), "{iccid} is {state} and in a slot");
            }
            "returning" | "set_aside" => {}
            other => panic!("{iccid} is {other}"),
        }
    }
    for (iccid, num) in owner {
        let sim = sims.iter().find(|sim| text(sim, "iccid") == iccid);
        let sim = sim.unwrap_or_else(|| panic!("{num} has {iccid}, which does not exist"));
        assert_eq!(text(sim, "order"), num, "{iccid} stands in an order");
    }

    let names: BTreeSet<&str> = pools.iter().filter_map(|item| text(item, "pk").strip_prefix("pool#")).collect();
    for pool in names {
        let [available, head, published] = ["available", "head", "published"].map(|name| counter(pool, "counter", name));
        assert_eq!(available, published - head, "the counter of {pool}");
        assert!(published <= counter(pool, "tail", "tail"), "{pool} published more than it has");
    }

    let mut moved: BTreeMap<(String, String), i64> = BTreeMap::new();
    for item in &partners {
        if let Some(partner) = text(item, "pk").strip_prefix("ledger#") {
            *moved.entry((partner.to_owned(), text(item, "currency").to_owned())).or_default() += number(item, "amount");
        }
    }
    for ((partner, currency), sum) in moved {
        let key = json!({ "pk": { "S": format!("partner#{partner}") }, "sk": { "S": format!("balance#{currency}") } });
        assert_eq!(number(&engine.item("PartnersTable", key).await, "balance"), sum, "the balance of {partner} in {currency}");
    }
    audit
}

impl Audit {
    /// Holds that nothing is missing from sale: call it after two sweeps.
    pub fn nothing_missing(&self) -> &Self {
        assert_eq!(self.drawn, 0, "cards for sale that nobody can draw");
        self
    }
}
