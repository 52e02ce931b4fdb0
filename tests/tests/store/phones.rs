//! A card that is on a phone is nobody else's: whoever reports that, and wherever the card stands.

use crate::{available, within};
use futures_util::future::join;
use serde_json::json;
use simdock_domain::{Command, Draft, OrderNum, Profile, ProfileState, RefundPolicy, Status, Used, VoidReason, decide};
use simdock_store::{Conflict, Facts, Recovered, Sim, SimState};
use simdock_tests::{Faults, Proxy, World, audit, draft, iccid, order, pool, receipt, sims_of};

async fn sim(world: &World, serial: u32) -> Sim {
    world.store.sim(&iccid(serial)).await.expect("the tables answer").expect("the card")
}

/// What is known of a card once it is reported to be somewhere, now.
fn reported(world: &World, sim: &Sim, state: ProfileState) -> Profile {
    sim.profile.reported(state, None, None, world.now()).expect("a report")
}

async fn installed(world: &World, sim: &Sim) -> Result<(), Conflict> {
    world.store.write_profile(sim, &reported(world, sim, ProfileState::Installed)).await.expect("an answer")
}

async fn sweep(world: &World) -> Recovered {
    world.store.recover_stock(&pool(), world.now()).await.expect("a sweep")
}

/// The doctor finds nothing, and no ticket is missing.
async fn well(world: &World) {
    let report = simdock_local::examine(&world.store).await.expect("a report");
    assert_eq!(report.found().iter().map(ToString::to_string).collect::<Vec<_>>(), [] as [String; 0]);
    audit(&world.engine).await.nothing_missing();
}

/// Cancels an order of one card that works and was never shown; the card waits to go back on sale.
async fn given_back(world: &World, num: &OrderNum) {
    for command in [
        Command::Cancel { lines: vec![(0, Used::default())], policy: RefundPolicy::UntilActivation, note: String::new() },
        Command::Revoked { line: 0 },
    ] {
        let before = world.read(num).await;
        let next = decide(&before, command, world.now()).expect("a decision");
        let sims = sims_of(&world.store, &before, &[0]).await.expect("the card");
        let facts = Facts { activations: &[], sims: &sims };
        world.store.write_in_step(&before, &next, facts, world.now()).await.expect("an answer").expect("nobody else writes");
    }
}

/// An order of one card that works and whose code nobody was shown.
async fn quiet(world: &World, key: &str) -> OrderNum {
    let order = order(key, Draft { send_email: false, ..draft(1) }, world.now());
    world.store.create_order(&order).await.expect("the order is written");
    world.store.receive_payment(&order.num, &receipt(&order)).await.expect("the payment");
    world.activate(&world.read(&order.num).await, &[0]).await;
    order.num
}

#[tokio::test]
async fn the_first_report_counts_as_the_code_having_left() {
    for first in [ProfileState::Installed, ProfileState::Disabled, ProfileState::Deleted] {
        let world = World::with_cards(1).await;
        quiet(&world, "key").await;
        let working = sim(&world, 0).await;
        assert_eq!((working.state, working.disclosed_at), (SimState::Active, None));
        let then = world.now();
        world.store.write_profile(&working, &reported(&world, &working, first)).await.unwrap().unwrap();
        let left = sim(&world, 0).await.disclosed_at.unwrap();
        assert!((then..=world.now()).contains(&left));
        // What comes later does not change when.
        world.wait(60);
        let known = sim(&world, 0).await;
        let then = known.profile.reported(ProfileState::Deleted, None, None, world.now()).unwrap();
        world.store.write_profile(&known, &then).await.unwrap().unwrap();
        assert_eq!(sim(&world, 0).await, Sim { profile: then, ..known });
        assert_eq!(sim(&world, 0).await.disclosed_at, Some(left));
        well(&world).await;
    }
}

#[tokio::test]
async fn a_card_on_sale_goes_off_sale_and_is_sold_to_nobody() {
    let world = World::with_cards(4).await;
    // One that was cancelled before anybody saw its code, and is for sale again.
    let first = quiet(&world, "first").await;
    given_back(&world, &first).await;
    assert_eq!(sweep(&world).await.returned, 1);
    assert_eq!((sim(&world, 0).await.state, available(&world).await), (SimState::Stocked, 4));

    let for_sale = sim(&world, 0).await;
    let another = for_sale.profile.reported(ProfileState::Installed, None, None, world.now().plus_seconds(-60)).unwrap();
    let (one, other) = within(20, join(installed(&world, &for_sale), world.store.write_profile(&for_sale, &another))).await;
    assert!(one.is_ok() != other.unwrap().is_ok(), "both wrote");
    let aside = sim(&world, 0).await;
    assert_eq!((aside.state, aside.slot, aside.disclosed_at.is_some()), (SimState::SetAside, None, true));
    assert_eq!(available(&world).await, 3);
    well(&world).await;

    let others = world.paid_order("others", 3).await;
    assert!(others.lines.iter().all(|line| line.iccid != Some(iccid(0))));
    world.sweep_twice().await;
    assert_eq!((available(&world).await, sim(&world, 0).await.state), (0, SimState::SetAside));
    well(&world).await;
}

#[tokio::test]
async fn a_report_meets_the_card_where_it_was_read() {
    let world = World::with_cards(2).await;
    // Sold between the look and the write.
    let for_sale = sim(&world, 0).await;
    let num = quiet(&world, "key").await;
    assert_eq!(installed(&world, &for_sale).await, Err(Conflict));
    assert_eq!(sim(&world, 0).await.profile, Profile::default());
    // Back on sale between the look and the write.
    given_back(&world, &num).await;
    let waiting = sim(&world, 0).await;
    assert_eq!((waiting.state, sweep(&world).await.returned), (SimState::Returning, 1));
    assert_eq!(installed(&world, &waiting).await, Err(Conflict));
    assert_eq!((sim(&world, 0).await.disclosed_at, available(&world).await), (None, 2));
    well(&world).await;
}

#[tokio::test]
async fn a_report_between_the_draw_and_the_sale_leaves_the_buyer_another_card() {
    let world = World::with_cards(2).await;
    let proxy = Proxy::start(&world.engine, 1, Faults::default()).await;
    let store = world.store_through(&proxy).await;
    let order = world.order("slow", 1).await;
    let mut sale = proxy.hold("TransactWriteItems");
    let report = async {
        sale.arrived().await;
        let written = installed(&world, &sim(&world, 0).await).await;
        sale.release();
        written
    };
    let receipt = receipt(&order);
    let (paid, written) = within(30, join(store.receive_payment(&order.num, &receipt), report)).await;
    assert!(paid.is_ok() && written.is_ok());
    assert_eq!(world.read(&order.num).await.lines[0].iccid, Some(iccid(1)));
    world.sweep_twice().await;
    assert_eq!((available(&world).await, sim(&world, 0).await.state), (0, SimState::SetAside));
    well(&world).await;
}

#[tokio::test]
async fn a_disclosed_card_that_stands_in_stock_all_the_same_is_not_sold() {
    let world = World::with_cards(3).await;
    let key = json!({ "iccid": { "S": iccid(0).as_str() } });
    world.engine.update("SimsTable", key, "SET disclosed = :t", json!({}), json!({ ":t": { "N": "1" } })).await;
    let wanted = order("wanted", Draft { wanted: vec![iccid(0)], ..draft(1) }, world.now());
    world.store.create_order(&wanted).await.unwrap();
    world.store.receive_payment(&wanted.num, &receipt(&wanted)).await.unwrap();
    let wanted = world.read(&wanted.num).await;
    assert_eq!((wanted.status(world.now()), wanted.void), (Status::Void, Some(VoidReason::SoldOut)));

    assert_eq!(world.paid_order("key", 1).await.lines[0].iccid, Some(iccid(1)));
    world.sweep_twice().await;
    assert_eq!((available(&world).await, sim(&world, 0).await.state), (1, SimState::SetAside));
    well(&world).await;
}

#[tokio::test]
async fn a_returned_card_that_is_on_a_phone_is_set_aside() {
    let world = World::with_cards(3).await;
    for (key, serial) in [("one", 0), ("two", 1)] {
        let num = quiet(&world, key).await;
        given_back(&world, &num).await;
        assert_eq!(sim(&world, serial).await.state, SimState::Returning);
    }
    installed(&world, &sim(&world, 0).await).await.unwrap();
    let another = world.another_store().await;
    let pool = pool();
    let sweeps = join(world.store.recover_stock(&pool, world.now()), another.recover_stock(&pool, world.now()));
    let (one, other) = within(30, sweeps).await;
    let (one, other, third) = (one.unwrap(), other.unwrap(), sweep(&world).await);
    assert_eq!(one.stale + other.stale + third.stale, 1);
    assert_eq!(one.returned + other.returned + third.returned, 1);
    assert_eq!((sim(&world, 0).await.state, sim(&world, 1).await.state), (SimState::SetAside, SimState::Stocked));
    assert_eq!(available(&world).await, 2);
    well(&world).await;
}
