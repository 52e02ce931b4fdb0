//! The fault rig: the whole stack in one process under a seeded plan of faults. Shops, a warehouse and the sandboxes play; then
//! everything heals, the clock moves on until nothing is left to do, and what is there must be what was promised.

mod bug;
mod calls;
mod drain;
mod edges;
mod plan;
mod shop;
mod site;
mod weather;

pub use bug::{Bug, Meddled};
pub use plan::Plan;

pub use crate::audit::{Promise, Violation};

use shop::{Shop, Told};
use site::Site;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;

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
    pub faults: BTreeMap<&'static str, u64>,
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
    weather.spawn(weather::warehouse(Arc::clone(&world), open.clone()));
    weather.spawn(weather::moods(Arc::clone(&world), open));
    let shops = (0..).zip(keys).map(|(number, key)| Shop::new(Arc::clone(&world), key, number).open(size.customers));
    let mut told = Told::default();
    for one in shops.collect::<JoinSet<_>>().join_all().await {
        told.add(one);
    }
    closing.send_replace(false);
    weather.join_all().await;
    plan.heal();
    let load = begun.elapsed();
    let (audit, outside, violations) = drain::drain(&world, &told).await;
    let faults = plan.faults();
    let world = Arc::into_inner(world).expect("whoever used it is done");
    world.stack.stop().await;
    Report {
        seed,
        size,
        orders: [told.orders.len(), audit.paid, told.payments.len()],
        outside: [outside.refunds.len(), outside.mails.len()],
        faults,
        violations,
        took: [load, begun.elapsed()],
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [orders, paid, payments] = self.orders;
        let [refunds, mails] = self.outside;
        let faults: u64 = self.faults.values().sum();
        write!(
            f,
            "seed {}: {orders} orders, {paid} paid, {payments} payments, {refunds} refunds, {mails} mails; {faults} faults {:?}; {} violations; {:.1} s and {:.1} s",
            self.seed,
            self.faults,
            self.violations.len(),
            self.took[0].as_secs_f64(),
            self.took[1].saturating_sub(self.took[0]).as_secs_f64(),
        )
    }
}
