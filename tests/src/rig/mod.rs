//! The fault rig: the whole stack in one process under a seeded plan of faults. Shops, a warehouse and the sandboxes play; then
//! everything heals, the clock moves on until nothing is left to do, and what is there must be what was promised.

mod bug;
mod calls;
mod drain;
mod edges;
mod plan;
mod shop;
mod site;
mod warehouse;
mod weather;

pub use bug::{Bug, ByEvent, Meddled, function};
pub use plan::{Edge, Mishap, Plan, kinds_of_faults};

pub use crate::audit::{Promise, Violation};

use shop::{Shop, Told};
use site::Site;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;
use warehouse::Warehouse;

/// How large a run is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Partners, each with a shop of its own.
    pub shops: u64,
    /// Customers of each shop, one after the other.
    pub customers: u32,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// Its size.
    pub size: Size,
    /// Orders of all kinds, those paid, and payments that providers told of.
    pub orders: [usize; 3],
    /// Refunds at the payment provider, and mails.
    pub outside: [usize; 2],
    /// What went wrong, by kind.
    pub faults: BTreeMap<String, u64>,
    /// What was done, by kind.
    pub acts: BTreeMap<&'static str, u64>,
    /// Promises that were broken.
    pub violations: Vec<Violation>,
    /// How long it took: with faults, and to the end.
    pub took: [Duration; 2],
}

impl Default for Size {
    fn default() -> Self {
        Self { shops: 200, customers: 2 }
    }
}

/// One run. The same seed and size make the same plan.
pub async fn run(seed: u64, size: Size, bug: Option<Bug>) -> Report {
    let begun = Instant::now();
    let plan = Arc::new(Plan::new(seed, bug));
    let (world, keys) = Site::start(&plan, size.shops).await;
    let (closing, open) = watch::channel(true);
    let mut weather = JoinSet::new();
    weather.spawn(weather::clock(Arc::clone(&world), open.clone()));
    weather.spawn(weather::sweeps(Arc::clone(&world), open.clone()));
    let warehouse = tokio::spawn(Warehouse::new(Arc::clone(&world), size.shops).open(open.clone()));
    weather.spawn(weather::moods(Arc::clone(&world), open.clone()));
    let auditor = tokio::spawn(weather::audits(Arc::clone(&world), open));
    let shops = (0..).zip(keys).map(|(number, key)| Shop::new(Arc::clone(&world), key, number).open(size));
    let mut told = Told::default();
    for one in shops.collect::<JoinSet<_>>().join_all().await {
        told.add(one);
    }
    closing.send_replace(false);
    weather.join_all().await;
    let brought = warehouse.await.expect("a warehouse");
    let midway = auditor.await.expect("an auditor");
    plan.heal();
    let load = begun.elapsed();
    let (audit, outside, mut violations) = drain::drain(&world, &told, &brought).await;
    violations.extend(midway.into_iter().map(|one| Violation { found: format!("midway: {}", one.found), ..one }));
    let (faults, acts) = (plan.faults(), plan.acts());
    let world = Arc::into_inner(world).expect("whoever used it is done");
    world.stack.stop().await;
    Report {
        seed,
        size,
        orders: [told.orders.len(), audit.paid, told.payments.len()],
        outside: [outside.refunds.len(), outside.mails.len()],
        faults,
        acts,
        violations,
        took: [load, begun.elapsed()],
    }
}

/// Everything that shops, managers, the warehouse and the schedule do, as counted.
pub fn kinds_of_acts() -> BTreeSet<&'static str> {
    shop::ACTS.into_iter().chain(warehouse::ACTS).chain(weather::ACTS).collect()
}

impl Report {
    /// The command that plays the same plan again, in the profile that this one was built in.
    pub fn again(&self, bug: Option<Bug>) -> String {
        let release = if cfg!(debug_assertions) { "" } else { " --release" };
        let (seed, Size { shops, customers }) = (self.seed, self.size);
        let bug = bug.map_or_else(String::new, |bug| format!(" --bug {bug}"));
        format!("cargo run{release} -p simdock-tests --bin soak -- --seed {seed} --shops {shops} --customers {customers}{bug}")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [orders, paid, payments] = self.orders;
        let [refunds, mails] = self.outside;
        let (faults, acts) = (self.faults.values().sum::<u64>(), self.acts.values().sum::<u64>());
        let Size { shops, customers } = self.size;
        write!(
            f,
            "seed {}, {shops} shops of {customers}: {orders} orders, {paid} paid, {payments} payments, {refunds} refunds, {mails} mails; \
             {acts} acts of {} kinds, {faults} faults of {} kinds; {} violations; {:.1} s and {:.1} s",
            self.seed,
            self.acts.len(),
            self.faults.len(),
            self.violations.len(),
            self.took[0].as_secs_f64(),
            self.took[1].saturating_sub(self.took[0]).as_secs_f64(),
        )
    }
}
