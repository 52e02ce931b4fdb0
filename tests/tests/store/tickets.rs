use crate::{available, within};
use futures_util::future::{join, join_all};
use serde_json::{Value, json};
use simdock_audit::Rule;
use simdock_domain::{FormFactor, Iccid, PoolId};
use simdock_store::{ADMINISTRATOR, Archiving, Level, Paid, PoolChanged, Recovered, SimState, StoreError};
use simdock_tests::{Fault, Faults, Proxy, World, audit, card, cards, iccid, pool, receipt, second_pool, stock};

/// A buyer who vanishes between ticket and sale: all that is left is the counter's step.
async fn leak(world: &World, tickets: u32) {
    let key = json!({ "pk": { "S": format!("pool#{}", pool()) }, "sk": { "S": "counter" } });
    let values = json!({ ":n": { "N": tickets.to_string() } });
    world.engine.update("PoolsTable", key, "SET available = available - :n, head = head + :n", json!({}), values).await;
}

async fn sweep(world: &World) -> Recovered {
    world.store.recover_stock(&pool(), world.now()).await.expect("a sweep")
}

/// The numbers of the slots that exist.
async fn slots(world: &World) -> Vec<u64> {
    let prefix = format!("slot#{}#", pool());
    let items = world.engine.scan("PoolsTable").await.into_iter();
    let slots = items.filter(|item| item["pk"]["S"].as_str().is_some_and(|pk| pk.starts_with(&prefix)));
    let mut slots: Vec<u64> =
        slots.map(|item| item["sk"]["S"].as_str().and_then(|sk| sk.parse().ok()).expect("a slot")).collect();
    slots.sort_unstable();
    slots
}

#[tokio::test]
async fn levels_tell_what_is_for_sale_what_came_and_what_went() {
    let world = World::with_cards(5).await;
    stock(&world.store, cards(&second_pool(), 100..103)).await;
    world.paid_order("key", 2).await;
    let set = async |pool: &PoolId, was: Option<u64>, level: u64| {
        world.store.set_pool_alarm(pool, was, level, ADMINISTRATOR).await.unwrap()
    };
    assert_eq!(set(&pool(), Some(1), 4).await, PoolChanged::Other, "there was none");
    assert_eq!(set(&pool(), Some(0), 4).await, PoolChanged::Now);
    assert_eq!(set(&pool(), Some(0), 5).await, PoolChanged::Other);
    assert_eq!(set(&second_pool(), None, 2).await, PoolChanged::Now);
    assert_eq!(set(&second_pool(), Some(2), 3).await, PoolChanged::Now);
    let nowhere = PoolId::new("meridian", "99", FormFactor::Esim).unwrap();
    assert_eq!(set(&nowhere, None, 4).await, PoolChanged::NoPool);
    let mut levels = world.store.levels().await.unwrap();
    levels.sort_by_key(|level| level.added);
    assert_eq!(
        levels,
        [
            Level { pool: second_pool(), available: 3, added: 3, drawn: 0, alarm_level: 3 },
            Level { pool: pool(), available: 3, added: 5, drawn: 2, alarm_level: 4 },
        ]
    );
    assert_eq!(levels.iter().map(Level::is_low).collect::<Vec<_>>(), [false, true]);
    // More of it comes in, and the level stays.
    stock(&world.store, cards(&pool(), 5..6)).await;
    let levels = world.store.levels().await.unwrap();
    assert!(levels.iter().all(|level| level.alarm_level > 0 && !level.is_low()), "{levels:?}");
}

#[tokio::test]
async fn a_leaked_ticket_is_put_back_by_the_second_sweep() {
    let world = World::with_cards(4).await;
    leak(&world, 2).await;
    assert_eq!(audit(&world.engine).await.drawn, 2);
    assert_eq!(sweep(&world).await, Recovered::default());
    assert_eq!(available(&world).await, 2);
    assert_eq!(sweep(&world).await, Recovered { leaked: 2, consumed: 2, ..Recovered::default() });
    assert_eq!(available(&world).await, 4);
    audit(&world.engine).await.nothing_missing();
    assert_eq!(sweep(&world).await, Recovered::default());
    assert_eq!(world.paid_order("key", 4).await.lines[3].iccid, Some(iccid(1)));
}

#[tokio::test]
async fn consumed_slots_are_deleted() {
    let world = World::with_cards(60).await;
    world.paid_order("fifty", 50).await;
    world.paid_order("two", 2).await;
    sweep(&world).await;
    assert_eq!(slots(&world).await.len(), 60);
    assert_eq!(sweep(&world).await, Recovered { consumed: 52, ..Recovered::default() });
    assert_eq!(slots(&world).await, (52..60).collect::<Vec<_>>());
    audit(&world.engine).await.nothing_missing();
}

#[tokio::test]
async fn a_leaked_card_near_its_deadline_is_set_aside() {
    let world = World::new().await;
    let mut stocked = cards(&pool(), 0..3);
    stocked[0].activate_before = Some(world.now().plus_seconds(6 * 86_400));
    stock(&world.store, stocked).await;
    leak(&world, 2).await;
    sweep(&world).await;
    assert_eq!(sweep(&world).await, Recovered { leaked: 1, stale: 1, consumed: 2, ..Recovered::default() });
    assert_eq!(world.store.sims(&[iccid(0)]).await.unwrap()[0].state, SimState::SetAside);
    assert_eq!(available(&world).await, 2);
    audit(&world.engine).await.nothing_missing();
}

#[tokio::test]
async fn cards_on_sale_whose_deadline_comes_near_are_set_aside_and_not_counted() {
    let world = World::new().await;
    let mut stocked = cards(&pool(), 0..6);
    for near in [1, 3, 4] {
        stocked[near].activate_before = Some(world.now().plus_seconds(8 * 86_400));
    }
    stock(&world.store, stocked).await;
    assert_eq!((sweep(&world).await, available(&world).await), (Recovered::default(), 6));
    world.wait(2 * 86_400);
    let sweeps = join(world.store.recover_stock(&pool(), world.now()), world.store.recover_stock(&pool(), world.now())).await;
    assert_eq!(sweeps.0.unwrap().stale + sweeps.1.unwrap().stale, 3, "each is set aside once");
    assert_eq!((sweep(&world).await, available(&world).await), (Recovered::default(), 3));
    let near = world.store.sims(&[iccid(1), iccid(3), iccid(4)]).await.unwrap();
    assert!(near.iter().all(|sim| sim.state == SimState::SetAside && sim.slot.is_none()));
    audit(&world.engine).await.nothing_missing();

    // Whoever comes upon their places draws again, and once these are behind, nothing is left of them.
    let sold = world.paid_order("three", 3).await;
    assert_eq!(sold.lines.iter().map(|line| line.iccid.clone()).collect::<Vec<_>>(), [0, 2, 5].map(|n| Some(iccid(n))));
    world.sweep_twice().await;
    assert_eq!(available(&world).await, 0);
    stock(&world.store, cards(&pool(), 6..8)).await;
    assert_eq!(available(&world).await, 2);
    audit(&world.engine).await.nothing_missing();
}

#[tokio::test]
async fn a_card_that_is_taken_off_sale_while_its_slot_is_swept_is_counted_once() {
    let world = World::with_cards(4).await;
    leak(&world, 2).await;
    sweep(&world).await;
    let proxy = Proxy::start(&world.engine, 1, Faults::default()).await;
    let store = world.store_through(&proxy).await;
    // The slots are read by then, and their cards are about to be.
    let mut cards = proxy.hold("BatchGetItem");
    let archives = async {
        cards.arrived().await;
        let sim = world.store.sim(&iccid(0)).await.unwrap().unwrap();
        assert!(world.store.archive_sim(&sim, Archiving::OffSale(0), "kim").await.unwrap().is_ok());
        cards.release();
    };
    let (recovered, ()) = within(30, join(store.recover_stock(&pool(), world.now()), archives)).await;
    assert_eq!(recovered.unwrap(), Recovered { leaked: 1, ..Recovered::default() }, "its count does not hold any more");
    assert_eq!(audit(&world.engine).await.drawn, 0, "what was put back is on sale");
    world.sweep_twice().await;
    assert_eq!(available(&world).await, 3);
    audit(&world.engine).await.nothing_missing();
}

#[tokio::test]
async fn the_sale_of_a_slow_buyer_fails_and_draws_again() {
    let world = World::with_cards(2).await;
    let proxy = Proxy::start(&world.engine, 1, Faults::default()).await;
    let store = world.store_through(&proxy).await;
    let order = world.order("slow", 2).await;
    let mut sale = proxy.hold("TransactWriteItems");
    let sweeps = async {
        sale.arrived().await;
        sweep(&world).await;
        let recovered = sweep(&world).await;
        sale.release();
        recovered
    };
    let receipt = receipt(&order);
    let (paid, recovered) = within(30, join(store.receive_payment(&order.num, &receipt), sweeps)).await;
    assert_eq!(recovered.leaked, 2);
    assert!(matches!(paid, Ok(Paid::Recorded(order)) if order.is_paid()));
    assert_eq!(proxy.stats().refused, 1);
    assert_eq!(available(&world).await, 0);
    world.sweep_twice().await;
    assert_eq!(audit(&world.engine).await.nothing_missing().allocated, 2);
}

#[tokio::test]
async fn a_sweep_that_comes_too_late_leaves_what_was_sold_alone() {
    let world = World::with_cards(2).await;
    let proxy = Proxy::start(&world.engine, 1, Faults::default()).await;
    let sweeper = world.store_through(&proxy).await;
    leak(&world, 1).await;
    sweep(&world).await;
    // A buyer still has the leaked ticket, and the sweep has just read that its card is for sale.
    let mut put_back = proxy.hold("TransactWriteItems");
    let buyer = async {
        put_back.arrived().await;
        let key = json!({ "iccid": { "S": iccid(0).as_str() } });
        let (names, values) = (json!({ "#s": "state" }), json!({ ":aside": { "S": "set_aside" } }));
        world.engine.update("SimsTable", key, "SET #s = :aside REMOVE slot", names, values).await;
        put_back.release();
    };
    let pool = pool();
    let (recovered, ()) = within(30, join(sweeper.recover_stock(&pool, world.now()), buyer)).await;
    assert_eq!(recovered.unwrap(), Recovered { consumed: 1, ..Recovered::default() });
    assert_eq!(available(&world).await, 1);
    audit(&world.engine).await.nothing_missing();
}

#[tokio::test]
async fn sweeps_at_once_do_no_harm() {
    let world = World::with_cards(120).await;
    let proxy = Proxy::start(&world.engine, 5, Faults::default()).await;
    let stores = join_all((0..4).map(|_| world.store_through(&proxy))).await;
    world.paid_order("key", 10).await;
    leak(&world, 100).await;
    let pool = pool();
    within(60, async {
        for _ in 0..3 {
            let sweeps = join_all(
                stores
                    .iter()
                    .map(async |store| simdock_tests::eventually(async || store.recover_stock(&pool, world.now()).await).await),
            );
            sweeps.await;
        }
    })
    .await;
    world.sweep_twice().await;
    audit(&world.engine).await.nothing_missing();
    assert_eq!(available(&world).await, 110);
    assert_eq!(world.store.levels().await.unwrap()[0].added, 220);
}

#[tokio::test]
async fn a_sweep_that_was_cut_short_is_carried_on() {
    let world = World::with_cards(30).await;
    let proxy = Proxy::start(&world.engine, 5, Faults::default()).await;
    let store = world.store_through(&proxy).await;
    leak(&world, 20).await;
    sweep(&world).await;
    // Fourteen tries each; the twenty deletes go out at once.
    for (operation, tries) in [("TransactWriteItems", 14), ("DeleteItem", 14 * 20), ("UpdateItem", 14)] {
        proxy.next(operation, vec![Fault::Lose; tries]);
        let cut = within(30, store.recover_stock(&pool(), world.now())).await;
        assert!(matches!(cut, Err(StoreError::Busy(_))), "{operation}: {cut:?}");
    }
    world.sweep_twice().await;
    audit(&world.engine).await.nothing_missing();
    assert_eq!(available(&world).await, 30);
}

#[tokio::test]
async fn a_buyer_who_fails_leaves_a_ticket_and_no_debt() {
    let world = World::with_cards(3).await;
    let proxy = Proxy::start(&world.engine, 5, Faults::default()).await;
    let store = world.store_through(&proxy).await;
    let order = world.order("key", 1).await;
    proxy.next("TransactWriteItems", [Fault::Lose; 14]);
    let failed = within(30, store.receive_payment(&order.num, &receipt(&order))).await;
    assert!(matches!(failed, Err(StoreError::Busy(_))));
    assert_eq!(available(&world).await, 2);
    // The provider tries again, and the sweep finds the ticket.
    let paid = store.receive_payment(&order.num, &receipt(&order)).await;
    assert!(matches!(paid, Ok(Paid::Recorded(order)) if order.is_paid()));
    world.sweep_twice().await;
    assert_eq!(audit(&world.engine).await.nothing_missing().allocated, 1);
    assert_eq!(available(&world).await, 2);
}

/// Marks a sold card as on its way back, as its cancellation does.
async fn give_back(world: &World, iccid: &Iccid, state: &str) {
    let key = json!({ "iccid": { "S": iccid.as_str() } });
    let values = json!({ ":s": { "S": state } });
    world.engine.update("SimsTable", key, "SET #s = :s REMOVE slot", json!({ "#s": "state" }), values).await;
    let mark = json!({ "pk": { "S": format!("return#{}", pool()) }, "sk": { "S": iccid.as_str() } });
    world.engine.put("PoolsTable", mark).await;
}

#[tokio::test]
async fn returned_cards_go_back_on_sale() {
    let world = World::with_cards(80).await;
    // Each was drawn and sold before.
    leak(&world, 72).await;
    for serial in 0..70 {
        give_back(&world, &iccid(serial), "returning").await;
    }
    // One that somebody else has put elsewhere, and one whose code has left: neither may hold up the others.
    give_back(&world, &iccid(70), "set_aside").await;
    give_back(&world, &iccid(71), "returning").await;
    let key = json!({ "iccid": { "S": iccid(71).as_str() } });
    world.engine.update("SimsTable", key, "SET disclosed = :t", json!({}), json!({ ":t": { "N": "1" } })).await;

    let pool = pool();
    let another = world.another_store().await;
    let sweeps = join(world.store.recover_stock(&pool, world.now()), another.recover_stock(&pool, world.now()));
    let (one, other) = within(30, sweeps).await;
    let sweeps = [one.unwrap(), other.unwrap(), sweep(&world).await];
    let count = |of: fn(&Recovered) -> usize| sweeps.iter().map(of).sum::<usize>();
    assert_eq!((count(|swept| swept.returned), count(|swept| swept.stale)), (70, 1));
    let sims = world.store.sims(&(0..70).map(iccid).collect::<Vec<_>>()).await.unwrap();
    assert!(sims.iter().all(|sim| sim.state == SimState::Stocked && sim.slot >= Some(80)));
    let sims = world.store.sims(&[iccid(70), iccid(71)]).await.unwrap();
    assert_eq!([sims[0].state, sims[1].state], [SimState::SetAside, SimState::SetAside]);
    assert_eq!(world.store.levels().await.unwrap()[0].added, 150);
    // What the sweep leaves to a person is found.
    let report = simdock_local::examine(&world.store).await.unwrap();
    let mut found: Vec<(Rule, String)> = report.found().iter().map(|finding| (finding.rule, finding.place.to_string())).collect();
    found.sort();
    assert_eq!(found, [(Rule::Returning, format!("pools return#{pool} / {}", iccid(70)))]);
}

#[tokio::test]
async fn slots_go_on_across_the_ends_of_their_blocks() {
    let world = World::with_cards(40).await;
    // Pretend that nearly a thousand cards have come and gone.
    for (sk, attributes) in [
        ("counter", vec![("available", 0), ("head", 980), ("published", 980)]),
        ("tail", vec![("tail", 980)]),
        ("marks", vec![("low", 980), ("seen", 980)]),
    ] {
        let mut item = json!({ "pk": { "S": format!("pool#{}", pool()) }, "sk": { "S": sk } });
        for (name, value) in attributes {
            item[name] = json!({ "N": value.to_string() });
        }
        world.engine.put("PoolsTable", item).await;
    }
    for serial in 0..40 {
        give_back(&world, &iccid(serial), "set_aside").await;
        let key = json!({ "pk": { "S": format!("return#{}", pool()) }, "sk": { "S": iccid(serial).as_str() } });
        world.engine.call("DeleteItem", &json!({ "TableName": world.engine.table("PoolsTable"), "Key": key })).await;
    }
    stock(&world.store, (100..150).map(|serial| card(&pool(), serial)).collect()).await;
    let order = world.paid_order("key", 50).await;
    assert_eq!(order.lines[49].iccid, Some(iccid(149)));
    sweep(&world).await;
    assert_eq!(sweep(&world).await.consumed, 50);
    let there: Vec<Value> = world.engine.scan("PoolsTable").await;
    assert!(!there.iter().any(|item| item["sk"]["S"] == "000000001001"));
}
