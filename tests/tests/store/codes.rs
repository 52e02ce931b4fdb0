//! An activation code comes into stock once, whatever card it comes with.

use crate::imports::{begin, run, standing};
use crate::{available, within};
use futures_util::future::{join, join_all};
use serde_json::{Value, json};
use simdock_audit::Rule;
use simdock_store::{Codes, ImportError, ImportStatus, NewCard, SimState, Taken};
use simdock_tests::{Fault, Faults, Proxy, World, audit, card, cards, iccid, pool, stock};
use std::collections::BTreeMap;

/// The n-th card with the code of another.
fn with_code_of(serial: u32, other: u32) -> NewCard {
    NewCard { activation_code: card(&pool(), other).activation_code, ..card(&pool(), serial) }
}

fn since(error: &ImportError) -> (usize, &str, &str) {
    (error.line, error.code.as_str(), error.iccid.as_deref().unwrap_or_default())
}

/// Takes the claim of a card's code away, as of a card that came in before there were claims.
async fn forget(world: &World, card: &NewCard) {
    let pk = format!("code#{}", card.profile_id().expect("a code"));
    let key = json!({ "pk": { "S": pk }, "sk": { "S": "code" } });
    world.engine.call("DeleteItem", &json!({ "TableName": world.engine.table("PoolsTable"), "Key": key })).await;
}

async fn claims(world: &World) -> Vec<Value> {
    let mut items = world.engine.scan("PoolsTable").await;
    items.retain(|item| item["sk"]["S"] == "code");
    items
}

#[tokio::test]
async fn a_code_that_came_in_is_known_whatever_became_of_its_card() {
    let world = World::with_cards(3).await;
    world.paid_order("key", 1).await;
    let upper = {
        let code = card(&pool(), 1).activation_code.unwrap();
        format!("1${}${}$1.3.6$1", code.sm_dp_address().to_uppercase(), code.matching_id()).parse().unwrap()
    };
    let new = [
        with_code_of(10, 0),
        NewCard { activation_code: Some(upper), ..card(&pool(), 11) },
        card(&pool(), 12),
        with_code_of(2, 1),
        NewCard { activation_code: None, ..card(&pool(), 13) },
    ];
    let taken = async |cards: &[NewCard]| world.store.taken(&cards.iter().collect::<Vec<_>>()).await.unwrap();
    let code = |of: u32| Taken::Code(iccid(of));
    let expected = [(iccid(10), code(0)), (iccid(11), code(1)), (iccid(2), Taken::Card)];
    assert_eq!(taken(&new).await, BTreeMap::from(expected));
    assert_eq!(taken(&[]).await, BTreeMap::new());
    // No key says what the code is.
    let kept = claims(&world).await;
    assert_eq!(kept.len(), 3);
    let id = card(&pool(), 1).activation_code.unwrap().matching_id().to_owned();
    assert!(kept.iter().all(|claim| !claim.to_string().contains(&id)));
}

#[tokio::test]
async fn codes_that_leave_it_to_the_phone_are_shared() {
    let world = World::new().await;
    let shared = |serial: u32| NewCard { activation_code: "1$smdp.example.com$".parse().ok(), ..card(&pool(), serial) };
    stock(&world.store, (0..40).map(shared).collect()).await;
    assert_eq!(world.store.taken(&[&shared(50)]).await.unwrap(), BTreeMap::new());
    stock(&world.store, (50..53).map(shared).collect()).await;
    assert_eq!(available(&world).await, 43);
    assert!(claims(&world).await.is_empty());
    audit(&world.engine).await.nothing_missing();
}

#[tokio::test]
async fn of_imports_at_once_with_the_same_codes_one_brings_each_in() {
    let world = World::new().await;
    let proxy = Proxy::start(&world.engine, 1, Faults::default()).await;
    let stores = join_all((0..3).map(|_| world.store_through(&proxy))).await;
    // Judged while none of the codes was in stock: a hundred codes, each under three cards.
    for number in 0..3 {
        let cards = (0..100).map(|code| with_code_of(1000 * number + code, code)).collect();
        begin(&world, &format!("IM{number}"), cards).await;
    }
    let runs = stores.iter().enumerate().map(async |(number, store)| run(store, &format!("IM{number}")).await);
    let imports = within(60, join_all(runs)).await;
    for (import, number) in imports.iter().zip(0..) {
        assert_eq!((import.status, import.lines), (ImportStatus::Done, 100));
        assert_eq!((import.accepted, import.accepted + import.errors.len()), (import.added, 100));
        for error in &import.errors {
            let code = u32::try_from(error.line).unwrap() - 2;
            assert_eq!(since(error), (error.line, "duplicate_code_since", iccid(1000 * number + code).as_str()));
            let holders = (0..3).filter(|other| *other != number).map(|other| iccid(1000 * other + code));
            assert!(holders.into_iter().any(|holder| error.reason.contains(holder.as_str())), "{error:?}");
        }
    }
    assert_eq!(imports.iter().map(|import| import.added).sum::<usize>(), 100);
    assert_eq!(available(&world).await, 100);
    assert_eq!(audit(&world.engine).await.nothing_missing().stocked[&pool().to_string()], 100);
}

#[tokio::test]
async fn a_line_is_told_whether_its_card_or_its_code_came_in() {
    let world = World::new().await;
    begin(&world, "IM1", cards(&pool(), 0..10)).await;
    stock(&world.store, vec![card(&pool(), 2), with_code_of(20, 5), with_code_of(7, 21)]).await;
    let import = run(&world.store, "IM1").await;
    assert_eq!(standing(&import), (ImportStatus::Done, 7, 7));
    let told: Vec<_> = import.errors.iter().map(since).collect();
    let (two, five, seven) = (iccid(2), iccid(5), iccid(7));
    assert_eq!(
        told,
        [
            (4, "already_in_stock_since", two.as_str()),
            (7, "duplicate_code_since", five.as_str()),
            (9, "already_in_stock_since", seven.as_str())
        ]
    );
    assert_eq!(import.errors[1].reason, format!("another import brought this code in first, with card {}", iccid(20)));
    // What the list shows is the same.
    let listed = world.store.imports(10, None).await.unwrap().items;
    let listed = listed.iter().find(|listed| listed.id == "IM1").unwrap();
    assert_eq!((listed.lines, listed.accepted, listed.rejected, listed.added), (10, 7, 3, 7));
    assert_eq!(available(&world).await, 10);
    audit(&world.engine).await.nothing_missing();
}

/// Puts the chunks of an import together into one, as an earlier version wrote them.
async fn as_one_chunk(world: &World) {
    let items = world.engine.scan("PoolsTable").await;
    let mut chunks: Vec<Value> =
        items.into_iter().filter(|item| item["sk"]["S"].as_str().is_some_and(|sk| sk.starts_with("chunk#"))).collect();
    chunks.sort_by_key(|chunk| chunk["sk"]["S"].to_string());
    let mut cards = Vec::new();
    for chunk in &chunks {
        cards.extend(chunk["cards"]["L"].as_array().expect("cards").iter().cloned());
        let key = json!({ "pk": chunk["pk"], "sk": chunk["sk"] });
        world.engine.call("DeleteItem", &json!({ "TableName": world.engine.table("PoolsTable"), "Key": key })).await;
    }
    let mut whole = chunks[0].clone();
    whole["cards"]["L"] = cards.into();
    world.engine.put("PoolsTable", whole).await;
}

#[tokio::test]
async fn a_chunk_of_an_earlier_version_goes_in_bit_by_bit() {
    for forget_tokens in [false, true] {
        let world = World::new().await;
        // A file that was judged before codes were looked at: one code stands twice.
        let mut old = cards(&pool(), 0..49);
        old[40] = with_code_of(40, 3);
        begin(&world, "IM1", old).await;
        as_one_chunk(&world).await;
        stock(&world.store, vec![with_code_of(60, 45)]).await;
        let proxy = Proxy::start(&world.engine, 1, Faults { forget_tokens, ..Faults::default() }).await;
        // The first 32 go in, and nobody is told.
        proxy.next("TransactWriteItems", [Fault::Cut]);
        let stores = [world.store_through(&proxy).await, world.store_through(&proxy).await];
        let (import, other) = within(30, join(run(&stores[0], "IM1"), run(&stores[1], "IM1"))).await;
        assert_eq!(standing(&import), (ImportStatus::Done, 47, 47));
        assert_eq!(import, other);
        let told: Vec<_> = import.errors.iter().map(|error| (error.line, error.code.as_str())).collect();
        assert_eq!(told, [(42, "duplicate_code_since"), (47, "duplicate_code_since")]);
        assert_eq!(available(&world).await, 48);
        audit(&world.engine).await.nothing_missing();
    }
}

/// Has the operator give a sold card a code of its own, and marks the card as on its way back.
async fn came_back(world: &World, serial: u32, code_of: u32) {
    let code = card(&pool(), code_of).activation_code.expect("a code").to_string();
    let key = json!({ "iccid": { "S": iccid(serial).as_str() } });
    let values = json!({ ":s": { "S": "returning" }, ":c": { "S": code } });
    world.engine.update("SimsTable", key, "SET #s = :s, code = :c REMOVE slot", json!({ "#s": "state" }), values).await;
    let mark = json!({ "pk": { "S": format!("return#{}", pool()) }, "sk": { "S": iccid(serial).as_str() } });
    world.engine.put("PoolsTable", mark).await;
}

#[tokio::test]
async fn a_card_that_comes_back_claims_the_code_that_its_operator_gave_it() {
    let world = World::with_cards(30).await;
    for serial in 0..26 {
        came_back(&world, serial, 100 + serial).await;
    }
    // Its operator gave it the code of a card that is for sale: neither may be sold to two.
    came_back(&world, 26, 27).await;
    world.sweep_twice().await;
    let sims = world.store.sims(&(0..27).map(iccid).collect::<Vec<_>>()).await.unwrap();
    assert!(sims[..26].iter().all(|sim| sim.state == SimState::Stocked));
    assert_eq!(sims[26].state, SimState::Returning);
    let taken = world.store.taken(&[&with_code_of(50, 100), &with_code_of(51, 0)]).await.unwrap();
    assert_eq!(taken, BTreeMap::from([(iccid(50), Taken::Code(iccid(0))), (iccid(51), Taken::Code(iccid(0)))]));
}

#[tokio::test]
async fn of_cards_that_come_back_with_one_code_one_goes_on_sale_and_none_holds_up_the_others() {
    let world = World::with_cards(4).await;
    for (serial, code_of) in [(0, 100), (1, 101), (2, 100), (3, 103)] {
        came_back(&world, serial, code_of).await;
    }
    world.sweep_twice().await;
    let sims = world.store.sims(&(0..4).map(iccid).collect::<Vec<_>>()).await.unwrap();
    let states: Vec<SimState> = sims.iter().map(|sim| sim.state).collect();
    assert_eq!(states, [SimState::Stocked, SimState::Stocked, SimState::Returning, SimState::Stocked]);
    // A person has to look at the other one.
    let report = simdock_local::examine(&world.store).await.unwrap();
    let found: Vec<_> = report.found().iter().map(|finding| (finding.rule, finding.place.to_string())).collect();
    assert!(found.contains(&(Rule::Code, format!("sims {}", iccid(2)))), "{found:?}");
}

#[tokio::test]
async fn cards_that_came_in_before_claim_their_codes() {
    let world = World::with_cards(300).await;
    world.paid_order("key", 2).await;
    for serial in 0..300 {
        forget(&world, &card(&pool(), serial)).await;
    }
    // Meanwhile one of the codes came in again.
    stock(&world.store, vec![with_code_of(400, 7), NewCard { activation_code: None, ..card(&pool(), 401) }]).await;
    for _ in 0..2 {
        let codes = Codes { claimed: 300, twice: vec![(iccid(7), iccid(400))] };
        assert_eq!(world.store.claim_all_codes().await.unwrap(), codes);
    }
    assert_eq!(claims(&world).await.len(), 300);
    assert_eq!(world.store.taken(&[&with_code_of(500, 0)]).await.unwrap()[&iccid(500)], Taken::Code(iccid(0)));
    // One by one.
    let sim = async |serial: u32| world.store.sim(&iccid(serial)).await.unwrap().unwrap();
    forget(&world, &card(&pool(), 8)).await;
    let claimed = join_all([8, 8, 7, 401].map(async |serial| world.store.claim_code(&sim(serial).await).await.unwrap())).await;
    assert_eq!(claimed, [None, None, Some(iccid(400)), None]);
}
