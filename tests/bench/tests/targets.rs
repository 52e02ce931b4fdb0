//! The figures that come out the same on every machine are held to their targets in every run of the tests.

use simdock_bench::report::{self, Part};
use simdock_bench::shop::{ASKED, PLAN};
use simdock_bench::{actions, claims, cost};
use std::time::Duration;

/// How many buy at once. The bench has more of them, but a debug build would let them wait for longer than the SDK does.
const BUYERS: u32 = 200;
/// How many cards there are where there are too few.
const SCARCE: u32 = 100;
/// How long measuring may take, by far.
const PATIENCE: Duration = Duration::from_mins(2);

async fn hold(part: impl Future<Output = Part>) {
    let parts = [tokio::time::timeout(PATIENCE, part).await.expect("an end")];
    let table = report::table(&parts);
    println!("{table}");
    for row in parts.iter().flat_map(|part| &part.rows) {
        assert!(row.holds(), "{row}\n\n{table}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn actions_cost_what_they_may() {
    hold(async { report::actions(&actions::measure().await) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crowds_waste_nothing() {
    hold(async { report::claims(&claims::crowd(BUYERS, 2 * BUYERS).await, &claims::crowd(BUYERS, SCARCE).await) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_costs_what_it_may() {
    hold(async { report::cost(&cost::measure(ASKED).await, &cost::measure(PLAN).await) }).await;
}
