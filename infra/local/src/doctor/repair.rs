//! What `simdock doctor --repair` mends by itself, and what it leaves to a person.

use super::{Examination, Report, SECOND_LOOK, pool_of};
use crate::error::{Context, StackError, visible};
use lambda_http::Error;
use simdock_audit::{Finding, Rule, Totals};
use simdock_domain::{Command, Order, OrderNum, PoolId, decide};
use simdock_runtime::Config;
use simdock_store::{Change, Place, Record, Store, Table};
use simdock_sweep::App as Sweep;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What was mended, and what was not.
#[derive(Debug, Default)]
pub struct Repaired {
    done: Vec<String>,
    left: Vec<String>,
}

/// What a person has to look at before anything that follows from it is mended.
#[derive(Default)]
struct Kept {
    places: BTreeSet<Place>,
    /// Pools of whose cards, slots or counters that is so: a sweep would move on what may be wrong.
    pools: BTreeSet<PoolId>,
}

/// Mends what follows from the rest, the way others do: calls for what is needed and called for by nobody, queues what is due, writes
/// items anew for the attributes of their indexes, puts the cards of leaked tickets back on sale, lists pools, partners and keys in their
/// registries, puts codes that no card has claimed on record, and counts slots anew that were taken away. Says what it did, and what it left. `config` names the queues too.
pub async fn repair(config: &Config, report: &Report) -> Result<Repaired, StackError> {
    let store = Store::new(config).await.context("the environment")?;
    let sweep = Sweep::new(config).await.context("the environment")?;
    let Repaired { mut done, mut left } = Repaired::default();
    // What is called for again is queued then, and what is written anew is looked after first.
    let (mut due, mut astray, mut leaking) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut unregistered = BTreeSet::new();
    let kept = Kept::of(&store, report).await?;
    left.extend(kept.tell(report));
    for Finding { rule, place, what } in report.found.iter().filter(|finding| !kept.places.contains(&finding.place)) {
        match rule {
            Rule::Code => match claim_code(&store, place).await? {
                Some(claimed) => done.push(claimed),
                None => left.push(format!("{place}: {what}. Which card is to be archived, a person has to say")),
            },
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
                        leaking.insert(sim.pool);
                    }
                }
            }
            Rule::Dead => match recount(&store, &kept, place).await? {
                Some(recounted) => done.push(recounted),
                None => left.push(format!("{place}: {what}. They are counted anew once nothing else is wrong with the pool")),
            },
            Rule::Registered if place.table() == Table::Pools => match register_pool(&store, place).await? {
                Some(registered) => done.push(registered),
                None => left.push(format!("{place}: {what}. What is missing with it, nothing else tells")),
            },
            Rule::Registered => {
                unregistered.insert(place);
            }
            Rule::RefundStalled => {
                left.push(format!("{place}: {what}. What mends it: {}", rule.mend()));
            }
            Rule::Booked => left.push(format!("{place}: {what}. Its provider has to send the payment's event again")),
            // These are for a person.
            Rule::Readable
            | Rule::Altered
            | Rule::Catalogue
            | Rule::PaidOnce
            | Rule::OwedBack
            | Rule::Claimed
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
    // Whoever registers takes in all that there are.
    let planted = report.found.iter().any(|finding| finding.rule == Rule::Altered && finding.place.table() == Table::Partners);
    if planted {
        left.extend(unregistered.iter().map(|place| {
            format!("{place}: not registered, as there is a key that nobody knows the maker of. The runbook says what a person does about it")
        }));
    } else if !unregistered.is_empty() {
        store.register_all().await.context("the registries")?;
        let still = unregistered_still(&store).await?;
        for place in unregistered {
            match still.get(place) {
                None => done.push(format!("{place}: it is in its registry")),
                Some(what) => left.push(format!("{place}: {what}. The runbook says what a person does about it")),
            }
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
    for pool in &leaking {
        if kept.pools.contains(pool) {
            left.push(format!(
                "pool {pool}: the cards of its leaked tickets are not put back on sale before a person has mended what else is wrong \
                 with its cards"
            ));
            continue;
        }
        // The first sweep marks what was drawn by now, the second puts back what nobody bought since.
        let first = store.recover_stock(pool, store.clock().now()).await.context(pool)?;
        tokio::time::sleep(SECOND_LOOK).await;
        let second = store.recover_stock(pool, store.clock().now()).await.context(pool)?;
        let (leaked, aside) = (first.leaked + second.leaked, first.stale + second.stale);
        let aside = if aside == 0 { String::new() } else { format!(", {aside} set aside: they cannot be sold any more") };
        done.push(format!("pool {pool}: {leaked} cards put back on sale{aside}"));
    }
    Ok(Repaired { done, left })
}

impl Kept {
    async fn of(store: &Store, report: &Report) -> Result<Self, StackError> {
        let for_a_person = report.found.iter().filter(|finding| finding.rule.is_for_a_person());
        let mut places: BTreeSet<Place> = for_a_person.map(|finding| finding.place.clone()).collect();
        // What is wrong with an order or a subscription may be wrong with its cards.
        let items = store.look_up(&places).await.context("what a person has to look at")?;
        let books = Examination::new(store).with_neighbours(items).await?;
        let mut pools: BTreeSet<PoolId> = places.iter().filter_map(Place::of_pool).collect();
        for (place, record) in books.records() {
            pools.extend(pool_of(record).cloned());
            if let Record::Code { iccid, .. } = record
                && places.contains(place)
            {
                places.insert(Place::sim(iccid));
            }
        }
        Ok(Self { places, pools })
    }

    /// Of each item, what a person has to mend of it, and what waits for that.
    fn tell(&self, report: &Report) -> Vec<String> {
        let tell = |place: &Place| {
            let of_it = report.found.iter().filter(|finding| finding.place == *place).map(|finding| finding.rule);
            let (for_a_person, later): (BTreeSet<Rule>, BTreeSet<Rule>) = of_it.partition(|rule| rule.is_for_a_person());
            let names = |rules: &BTreeSet<Rule>| rules.iter().map(|rule| rule.name()).collect::<Vec<_>>().join(", ");
            Some(match (for_a_person.is_empty(), later.is_empty()) {
                (true, true) => return None,
                (false, true) => format!("{place}: a person has to mend it ({})", names(&for_a_person)),
                (false, false) => {
                    let (first, rest) = (names(&for_a_person), names(&later));
                    format!("{place}: a person has to mend it first ({first}), then --repair does the rest ({rest})")
                }
                // A card of which somebody wrote that it has another's code.
                (true, false) => format!(
                    "{place}: a person has to mend first what is on record of its code, then --repair does the rest ({})",
                    names(&later)
                ),
            })
        };
        self.places.iter().filter_map(tell).collect()
    }
}

/// What is still wrong with registries of partners and keys: where, and in which way.
async fn unregistered_still(store: &Store) -> Result<BTreeMap<Place, String>, StackError> {
    let (mut examination, mut totals) = (Examination::new(store), Totals::default());
    examination.pools_and_partners(true, &mut totals).await?;
    let still = examination.report.found.into_iter().chain(totals.check().found);
    let still = still.filter(|finding| finding.rule == Rule::Registered);
    Ok(still.map(|finding| (finding.place, finding.what)).collect())
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
            && sim.activation_code.is_some()
            && store.claim_code(&sim).await.context(place)?.is_none()
        {
            return Ok(Some(format!("{place}: its code is on record")));
        }
    }
    Ok(None)
}

/// Counts anew which of a pool's slots were taken away.
async fn recount(store: &Store, kept: &Kept, marks: &Place) -> Result<Option<String>, StackError> {
    let Some(pool) = marks.of_pool().filter(|pool| !kept.pools.contains(pool)) else { return Ok(None) };
    let less = store.recount_dead(&pool).await.context(marks)?;
    Ok(less.map(|less| format!("{marks}: {less} fewer slots count as taken away")))
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

impl fmt::Display for Repaired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for done in &self.done {
            writeln!(f, "Repaired: {}.", visible(done))?;
        }
        for left in &self.left {
            writeln!(f, "Left: {}.", visible(left))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use simdock_audit::Unjudged;

    #[test]
    fn no_item_says_anything_for_the_doctor() {
        let place = Place::gift("plän\u{1b}[31m", "s\nNothing is wrong.\u{85}\u{202e}");
        let what = "there is no \u{7}\r\nRepaired".to_owned();
        let mut report = Report {
            found: vec![Finding { rule: Rule::Readable, place: place.clone(), what: what.clone() }],
            ..Report::default()
        };
        report.cannot_tell(vec![Unjudged { rule: Rule::Gift, place: place.clone(), unread: place.clone() }]);
        let repaired = Repaired { done: vec![place.to_string()], left: vec![what] };
        let told = format!("{report}\n{repaired}{}\n", StackError::new(place.to_string()));
        assert_eq!(told.lines().count(), 6, "{told}");
        assert!(told.contains(r"plän\u{1b}[31m") && told.contains(r"there is no \u{7}\r\nRepaired"), "{told}");
        let plain = |character: char| character == '\n' || !(character.is_control() || character == '\u{202e}');
        assert!(told.chars().all(plain), "{told:?}");
    }
}
