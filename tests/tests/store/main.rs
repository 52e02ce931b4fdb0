//! The store against a real engine: dynoxide in memory, or whatever `SIMDOCK_TEST_DYNAMODB` names. The same tests run on both.

mod backlog;
mod balance;
mod codes;
mod desk;
mod doctor;
mod faults;
mod imports;
mod lists;
mod orders;
mod partners;
mod pay;
mod phones;
mod plans;
mod provisioning;
mod refunds;
mod sizes;
mod subscriptions;
mod tickets;

use simdock_tests::World;
use std::time::Duration;

/// Bounds a test in time: what hangs, fails.
async fn within<T>(seconds: u64, test: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(seconds), test).await.expect("the test ends in time")
}

/// How many cards of the cheaper pool can be bought.
async fn available(world: &World) -> u64 {
    let levels = world.store.levels().await.expect("the levels");
    levels.iter().find(|level| level.pool == simdock_tests::pool()).map_or(0, |level| level.available)
}
