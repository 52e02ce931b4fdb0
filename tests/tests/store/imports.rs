use crate::{available, within};
use futures_util::future::{join, join_all};
use simdock_store::{ADMINISTRATOR, Import, ImportError, ImportLine, ImportStatus, NewCard, Store, StoreError};
use simdock_tests::{Cost, Fault, Faults, Meter, Proxy, World, audit, card, cards, iccid, pool, second_pool, stock};
use std::time::{Duration, Instant};

fn lines(cards: Vec<NewCard>) -> Vec<ImportLine> {
    (2..).zip(cards).map(|(line, card)| ImportLine { line, card }).collect()
}

fn soon() -> Instant {
    Instant::now() + Duration::from_mins(1)
}

pub async fn begin(world: &World, id: &str, cards: Vec<NewCard>) {
    let lines = lines(cards);
    world.store.begin_import(id, lines.len(), lines, &[], ADMINISTRATOR).await.expect("the import is written down");
}

pub async fn run(store: &Store, id: &str) -> Import {
    store.run_import(id, soon()).await.expect("the import runs").expect("the import exists")
}

pub fn standing(import: &Import) -> (ImportStatus, usize, usize) {
    (import.status, import.accepted, import.added)
}

#[tokio::test]
async fn an_import_puts_good_lines_into_stock_and_reports_bad_ones() {
    let world = World::new().await;
    let mut good = cards(&pool(), 0..60);
    good.extend(cards(&second_pool(), 60..65));
    good[1].activation_code = None;
    (good[2].msisdn, good[2].activate_before) = (None, None);
    let bad = |line: usize| ImportError {
        line,
        iccid: line.is_multiple_of(2).then(|| "8934501".to_owned()),
        code: "length".to_owned(),
        reason: "an ICCID has 19 or 20 digits".to_owned(),
    };
    let errors: Vec<_> = (1000..2500).map(bad).collect();
    let now = world.now();
    world.store.begin_import("IM1", 1565, lines(good.clone()), &errors, ADMINISTRATOR).await.unwrap();
    let before = world.store.import("IM1").await.unwrap().unwrap();
    assert_eq!(standing(&before), (ImportStatus::Running, 65, 0));
    assert_eq!(world.store.running_imports().await.unwrap(), ["IM1"]);
    let after = run(&world.store, "IM1").await;
    assert_eq!(after.errors, errors);
    let whole = Import { status: ImportStatus::Done, added: 65, ..before };
    assert_eq!(after, whole);
    assert_eq!(after.lines, 1565);
    assert!((now..=world.now()).contains(&after.created_at), "{}", after.created_at);
    assert!(world.store.running_imports().await.unwrap().is_empty());
    assert_eq!(available(&world).await, 60);
    let sims = world.store.sims(&[iccid(0), iccid(1), iccid(2), iccid(64)]).await.unwrap();
    assert_eq!(sims[0].activation_code, good[0].activation_code);
    assert_eq!(sims[1].activation_code, None);
    assert_eq!((&sims[2].msisdn, sims[2].activate_before), (&None, None));
    assert_eq!(sims[3].pool, second_pool());
    audit(&world.engine).await.nothing_missing();
}

#[tokio::test]
async fn an_import_that_is_not_there_is_not_found() {
    let world = World::new().await;
    assert_eq!(world.store.import("IM0").await.unwrap(), None);
    assert_eq!(world.store.run_import("IM0", soon()).await.unwrap(), None);
    begin(&world, "IM-empty", Vec::new()).await;
    assert_eq!(standing(&run(&world.store, "IM-empty").await), (ImportStatus::Done, 0, 0));
}

#[tokio::test]
async fn the_same_import_again_changes_nothing() {
    let world = World::new().await;
    begin(&world, "IM1", cards(&pool(), 0..10)).await;
    run(&world.store, "IM1").await;
    world.paid_order("key", 2).await;
    let items = world.engine.scan("PoolsTable").await.len();
    begin(&world, "IM1", cards(&pool(), 0..10)).await;
    assert_eq!(standing(&run(&world.store, "IM1").await), (ImportStatus::Done, 10, 10));
    assert_eq!(available(&world).await, 8);
    // Nothing of the second attempt is left lying about: its parts hold activation codes.
    assert_eq!(world.engine.scan("PoolsTable").await.len(), items);
    audit(&world.engine).await;
}

#[tokio::test]
async fn the_same_import_twice_at_once_is_one() {
    let world = World::new().await;
    let proxy = Proxy::start(&world.engine, 1, Faults::default()).await;
    let stores = join_all((0..3).map(|_| world.store_through(&proxy))).await;
    let whole = async |store: &Store| {
        let lines = lines(cards(&pool(), 0..200));
        store.begin_import("IM1", 200, lines, &[], ADMINISTRATOR).await.unwrap();
        run(store, "IM1").await
    };
    let imports = within(60, join_all(stores.iter().map(whole))).await;
    assert!(imports.iter().all(|import| standing(import) == (ImportStatus::Done, 200, 200)), "{imports:?}");
    assert_eq!(available(&world).await, 200);
    let left = world.engine.scan("PoolsTable").await;
    assert!(!left.iter().any(|item| item["sk"]["S"].as_str().is_some_and(|sk| sk.starts_with("chunk#"))));
    audit(&world.engine).await.nothing_missing();
}

#[tokio::test]
async fn overlapping_imports_at_once_bring_each_card_in_once() {
    let world = World::new().await;
    let proxy = Proxy::start(&world.engine, 1, Faults::default()).await;
    let stores = join_all((0..3).map(|_| world.store_through(&proxy))).await;
    // Judged while none of the cards was in stock.
    let spans = [0..100, 50..150, 25..75];
    for (number, span) in spans.iter().enumerate() {
        begin(&world, &format!("IM{number}"), cards(&pool(), span.clone())).await;
    }
    let imports =
        within(60, join_all(stores.iter().enumerate().map(async |(number, store)| run(store, &format!("IM{number}")).await)))
            .await;
    for (import, span) in imports.iter().zip(spans) {
        assert_eq!(import.status, ImportStatus::Done);
        assert_eq!(import.added, import.accepted);
        assert_eq!(import.accepted + import.errors.len(), span.len());
        for error in &import.errors {
            assert_eq!(error.code, "already_in_stock_since");
            let serial = span.start + u32::try_from(error.line).unwrap() - 2;
            assert_eq!(error.iccid.as_deref(), Some(iccid(serial).as_str()));
        }
    }
    assert_eq!(imports.iter().map(|import| import.added).sum::<usize>(), 150);
    assert_eq!(available(&world).await, 150);
    assert_eq!(audit(&world.engine).await.nothing_missing().stocked[&pool().to_string()], 150);
}

#[tokio::test]
async fn what_others_bring_in_bit_by_bit_is_reported_in_full() {
    let world = World::new().await;
    begin(&world, "IM1", cards(&pool(), 0..10)).await;
    let proxy = Proxy::start(&world.engine, 1, Faults::default()).await;
    let store = world.store_through(&proxy).await;
    stock(&world.store, vec![card(&pool(), 3)]).await;
    // The chunk is rewritten without card 3, and before it can go in card 5 comes in as well.
    let (mut first, mut rewrite) = (proxy.hold("TransactWriteItems"), proxy.hold("TransactWriteItems"));
    let mut second = proxy.hold("TransactWriteItems");
    let between = async {
        first.arrived().await;
        first.release();
        rewrite.arrived().await;
        rewrite.release();
        second.arrived().await;
        stock(&world.store, vec![card(&pool(), 5)]).await;
        second.release();
    };
    let (import, ()) = within(30, join(run(&store, "IM1"), between)).await;
    assert_eq!(standing(&import), (ImportStatus::Done, 8, 8));
    assert_eq!(import.errors.iter().map(|error| error.line).collect::<Vec<_>>(), [5, 7]);
    assert_eq!(available(&world).await, 10);
    audit(&world.engine).await.nothing_missing();
}

#[tokio::test]
async fn a_runner_that_fell_behind_neither_loses_nor_repeats_a_line() {
    let world = World::new().await;
    begin(&world, "IM1", cards(&pool(), 0..10)).await;
    let proxy = Proxy::start(&world.engine, 1, Faults::default()).await;
    let slow = world.store_through(&proxy).await;
    stock(&world.store, vec![card(&pool(), 3)]).await;
    // The slow one has seen card 3 and is about to say so, when card 5 comes in and the quick one finishes the import.
    let (mut refused, mut rewrite) = (proxy.hold("TransactWriteItems"), proxy.hold("TransactWriteItems"));
    let quick = async {
        refused.arrived().await;
        refused.release();
        rewrite.arrived().await;
        stock(&world.store, vec![card(&pool(), 5)]).await;
        let done = run(&world.store, "IM1").await;
        rewrite.release();
        done
    };
    let (slow, quick) = within(30, join(run(&slow, "IM1"), quick)).await;
    assert_eq!(standing(&quick), (ImportStatus::Done, 8, 8));
    assert_eq!(slow, quick);
    assert_eq!(available(&world).await, 10);
    audit(&world.engine).await.nothing_missing();
}

#[tokio::test]
async fn an_interrupted_import_is_carried_on() {
    let world = World::new().await;
    begin(&world, "IM1", cards(&pool(), 0..500)).await;
    let over = world.store.run_import("IM1", Instant::now()).await.unwrap().unwrap();
    assert_eq!(standing(&over), (ImportStatus::Running, 500, 0));

    let proxy = Proxy::start(&world.engine, 1, Faults::default()).await;
    let store = world.store_through(&proxy).await;
    // Cut off for good in its third chunk.
    let (mut first, mut second) = (proxy.hold("TransactWriteItems"), proxy.hold("TransactWriteItems"));
    let cut = async {
        first.arrived().await;
        first.release();
        second.arrived().await;
        second.release();
        proxy.hold("TransactWriteItems").arrived().await;
        proxy.next("TransactWriteItems", [Fault::Lose; 14]);
    };
    let (stopped, ()) = within(30, join(store.run_import("IM1", soon()), cut)).await;
    assert!(matches!(stopped, Err(StoreError::Busy(_))));
    let part = world.store.import("IM1").await.unwrap().unwrap();
    assert_eq!(standing(&part), (ImportStatus::Running, 500, 64));

    let another = world.another_store().await;
    for id in another.running_imports().await.unwrap() {
        assert_eq!(standing(&run(&another, &id).await), (ImportStatus::Done, 500, 500));
    }
    world.sweep_twice().await;
    assert_eq!(available(&world).await, 500);
    audit(&world.engine).await.nothing_missing();
}

#[tokio::test]
async fn ten_thousand_lines_go_in() {
    let world = World::new().await;
    let cards = cards(&pool(), 0..10_000);
    let iccids: Vec<_> = cards.iter().map(|card| card.iccid.clone()).collect();
    let started = Instant::now();
    assert!(world.store.known_cards(&iccids).await.unwrap().is_empty());
    let judged = started.elapsed();
    begin(&world, "IM1", cards).await;
    let begun = started.elapsed();
    let import = within(60, run(&world.store, "IM1")).await;
    println!("10,000 lines: looked up {judged:?}, written down {begun:?}, in stock {:?}", started.elapsed());
    assert_eq!(standing(&import), (ImportStatus::Done, 10_000, 10_000));
    assert_eq!(available(&world).await, 10_000);
    assert_eq!(world.store.known_cards(&iccids[..5_000]).await.unwrap().len(), 5_000);
    let order = world.paid_order("key", 50).await;
    assert_eq!(order.lines[49].iccid, Some(iccid(49)));
}

/// A card costs the writes of its card, its slot and its code's marker, each twice as parts of a transaction; what goes with a chunk
/// is shared by its cards.
#[tokio::test]
async fn what_a_card_costs() {
    const CARDS: u32 = 960;
    let world = World::new().await;
    if !world.engine.is_embedded() {
        return;
    }
    let meter = Meter::start(Duration::ZERO);
    let through = simdock_tests::store(&meter.in_front_of(world.engine.url()), &world.engine, world.clock()).await;
    let judged = cards(&pool(), 0..CARDS);
    world.store.begin_import("IM1", judged.len(), lines(judged), &[], ADMINISTRATOR).await.unwrap();
    meter.take();
    run(&through, "IM1").await;
    let cost: Cost = meter.take().iter().sum();
    let each = cost.writes / f64::from(CARDS);
    println!("{CARDS} cards: {each:.2} write units each");
    assert!((6.0..6.5).contains(&each), "{each}");
}
