//! What managers set and look after: keys, partners, credits, stock, and the log of who did.

use futures_util::future::join_all;
use serde_json::json;
use simdock_domain::{Money, Timestamp};
use simdock_store::{
    ADMINISTRATOR, AuditQuery, Credit, Credited, EndKey, ImportError, ImportLine, ImportStatus, ImportSummary, LedgerEntry,
    LedgerKind, LedgerQuery, Partner, PartnerChange, PartnerChanged, Principal,
};
use simdock_tests::{PARTNER, World, card, cards, eur, pool, stock};
use std::time::{Duration, Instant};

fn acme() -> Partner {
    Partner { partner_id: PARTNER.to_owned(), display: "Acme".to_owned(), gift_quota: 2, gifts: 0 }
}

fn manager(name: &str) -> Principal {
    Principal::Manager { name: name.to_owned() }
}

async fn log(world: &World) -> Vec<(String, String, String)> {
    let query = AuditQuery { from: None, until: None, limit: 100, after: None };
    let page = world.store.audit_log(&query).await.expect("the log");
    assert!(page.next.is_none());
    page.items.into_iter().map(|entry| (entry.by, entry.action, entry.target)).collect()
}

#[tokio::test]
async fn a_key_ends_when_it_is_told_to_and_no_cache_outlives_it() {
    let world = World::new().await;
    let partner = Principal::Partner { partner_id: PARTNER.to_owned() };
    let key = world.store.put_key("old", &partner, Some("shop".to_owned()), "Mia").await.unwrap();
    assert_eq!((key.key.created_by.as_deref(), key.key.label.as_deref()), (Some("Mia"), Some("shop")));
    assert_eq!(world.store.principal("old").await.unwrap(), Some(partner.clone()));
    let end = world.now().plus_seconds(30);
    for at in [end.plus_seconds(900), end] {
        let ended = world.store.end_key(&key.id, at, "Mia").await.unwrap();
        assert!(matches!(ended, EndKey::Ends(ended) if ended.key.ends_at == Some(at)));
    }
    let elsewhere = world.another_store().await;
    assert_eq!(elsewhere.principal("old").await.unwrap(), Some(partner));
    world.wait(31);
    // Long within the minute that a check counts for.
    assert_eq!(elsewhere.principal("old").await.unwrap(), None);
    // What has ended stays so.
    let again = world.store.end_key(&key.id, end.plus_seconds(900), "Mia").await.unwrap();
    assert!(matches!(again, EndKey::Ends(ended) if ended.key.ends_at == Some(end)));
    assert_eq!(world.store.keys_of(Some(PARTNER)).await.unwrap().len(), 1);
    assert_eq!(world.store.keys_of(None).await.unwrap(), []);
}

#[tokio::test]
async fn a_managers_key_without_an_end_remains_however_many_end_theirs_at_once() {
    let world = World::new().await;
    let keys = join_all((0..5).map(async |number| {
        let key = format!("manager {number}");
        simdock_tests::eventually(async || world.store.put_key(&key, &manager("Mia"), None, ADMINISTRATOR).await).await
    }));
    let keys = keys.await;
    let now = world.now();
    let ended =
        join_all(keys.iter().map(|key| simdock_tests::eventually(async || world.store.end_key(&key.id, now, "Mia").await)));
    let refused = ended.await.into_iter().filter(|ended| *ended == EndKey::LastManager).count();
    assert_eq!(refused, 1);
    let left: Vec<_> = world.store.keys_of(None).await.unwrap().into_iter().filter(|key| key.key.is_good(now)).collect();
    assert_eq!(left.len(), 1);
    // One that will end does not last either.
    assert_eq!(world.store.end_key(&left[0].id, now.plus_seconds(900), "Mia").await.unwrap(), EndKey::LastManager);
    world.store.put_key("another", &manager("Ben"), None, "Mia").await.unwrap();
    assert!(matches!(world.store.end_key(&left[0].id, now.plus_seconds(900), "Mia").await.unwrap(), EndKey::Ends(_)));
}

#[tokio::test]
async fn what_an_earlier_version_stored_is_found() {
    let world = World::new().await;
    let hash = world.store.put_key("probe", &manager("x"), None, ADMINISTRATOR).await.unwrap();
    for (pk, revoked) in [("key#aa", None), ("key#bb", Some("1795341600"))] {
        let mut item = json!({
            "pk": {"S": pk}, "sk": {"S": "key"}, "role": {"S": "manager"}, "name": {"S": "Old"}, "createdAt": {"N": "1795341600"},
        });
        if let Some(at) = revoked {
            item["revokedAt"] = json!({ "N": at });
        }
        world.engine.put("PartnersTable", item).await;
    }
    let partner = json!({"pk": {"S": "partner#old"}, "sk": {"S": "partner"}, "partnerId": {"S": "old"}, "display": {"S": "Old"}});
    world.engine.put("PartnersTable", partner).await;
    let entry = json!({
        "pk": {"S": "ledger#old"}, "sk": {"S": "credit#opening"}, "at": {"N": "1795341600"}, "amount": {"N": "5"}, "currency": {"S": "EUR"},
    });
    world.engine.put("PartnersTable", entry).await;

    // One lasts, so that the other may go, once both are known.
    assert_eq!(world.store.end_key(&hash.id, world.now(), "Mia").await.unwrap(), EndKey::LastManager);
    for _ in 0..2 {
        assert_eq!(world.store.register_all().await.unwrap(), (1, 3));
    }
    let keys = world.store.keys_of(None).await.unwrap();
    assert_eq!(keys.len(), 3);
    assert_eq!(keys.iter().filter(|key| key.key.ends_at == Some(Timestamp::from_unix(1_795_341_600))).count(), 1);
    assert!(matches!(world.store.end_key(&hash.id, world.now(), "Mia").await.unwrap(), EndKey::Ends(_)));
    assert_eq!(world.store.accounts(10, None).await.unwrap().items[0].partner.partner_id, "old");
    let query = LedgerQuery { partner_id: "old".to_owned(), currency: None, limit: 10, after: None };
    let ledger = world.store.ledger_page(&query).await.unwrap().items;
    assert_eq!(ledger, [LedgerEntry::new("credit#opening", Timestamp::from_unix(1_795_341_600), eur(5))]);
}

#[tokio::test]
async fn partners_are_changed_where_something_is_different_and_the_log_says_by_whom() {
    let world = World::new().await;
    assert!(world.store.put_partner(&acme(), "Mia").await.unwrap());
    assert!(!world.store.put_partner(&Partner { display: "Other".to_owned(), ..acme() }, "Mia").await.unwrap());
    let change = PartnerChange {
        display: Some("Acme Ltd".to_owned()),
        gift_quota: Some(5),
        alarm_levels: vec![eur(500)],
        ..PartnerChange::default()
    };
    for _ in 0..2 {
        assert_eq!(world.store.change_partner(PARTNER, &change, "Ben").await.unwrap(), PartnerChanged::Now);
    }
    assert_eq!(world.store.change_partner("nobody", &change, "Ben").await.unwrap(), PartnerChanged::NoPartner);
    let credit = Credit::new(PARTNER, eur(499), "credit#1").by("Kim", "invoice 7");
    assert_eq!(world.store.credit(&credit).await.unwrap(), Credited::Now);
    let account = world.store.account(PARTNER).await.unwrap().unwrap();
    assert_eq!((account.partner.display.as_str(), account.partner.gift_quota), ("Acme Ltd", 5));
    let [balance] = account.balances[..] else { panic!("{account:?}") };
    assert_eq!((balance.amount, balance.alarm_level, balance.is_low()), (eur(499), 500, true));
    let by: Vec<_> = log(&world).await.into_iter().filter(|(by, ..)| by != ADMINISTRATOR).collect();
    let found: Vec<(&str, &str)> = by.iter().map(|(by, action, _)| (by.as_str(), action.as_str())).collect();
    assert_eq!(found, [("Kim", "balance_credited"), ("Ben", "partner_changed"), ("Mia", "partner_created")]);
}

#[tokio::test]
async fn a_correction_takes_what_there_is_and_no_more() {
    let world = World::new().await;
    let put =
        async |amount: i64, reference: &str| world.store.credit(&Credit::new(PARTNER, eur(amount), reference)).await.unwrap();
    assert_eq!(put(-1, "credit#0").await, Credited::TooLow);
    assert_eq!(put(100, "credit#1").await, Credited::Now);
    assert_eq!(put(-101, "credit#2").await, Credited::TooLow);
    assert_eq!(put(-100, "credit#2").await, Credited::Now);
    assert!(matches!(put(-100, "credit#2").await, Credited::Before(before) if before.amount == eur(-100)));
    assert_eq!(world.store.balance(PARTNER, eur(0).currency).await.unwrap(), eur(0));
    assert_eq!(world.store.ledger(PARTNER).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_ledger_is_paged_by_time_and_by_currency() {
    let world = World::new().await;
    let yen = |amount| Money { amount, currency: "JPY".parse().unwrap() };
    // Two of them within one second, whose references say the opposite.
    for number in 0..7 {
        let amount = if number % 3 == 0 { yen(number + 1) } else { eur(number + 1) };
        let reference = format!("credit#{}", 9 - number);
        world.store.credit(&Credit::new(PARTNER, amount, &reference)).await.unwrap();
        if number != 4 {
            world.wait(60);
        }
    }
    let read = async |currency: Option<&str>, limit| {
        let currency = currency.map(|code| code.parse().unwrap());
        let mut query = LedgerQuery { partner_id: PARTNER.to_owned(), currency, limit, after: None };
        let mut amounts = Vec::new();
        loop {
            let page = world.store.ledger_page(&query).await.unwrap();
            assert!(page.items.len() <= limit && page.items.iter().all(|entry| entry.kind() == LedgerKind::Credit));
            amounts.extend(page.items.iter().map(|entry| entry.amount.amount));
            let Some(next) = page.next else { return amounts };
            query.after = Some(next.to_string().parse().unwrap());
        }
    };
    for limit in [1, 2, 7, 100] {
        assert_eq!(read(None, limit).await, [7, 6, 5, 4, 3, 2, 1], "{limit}");
        assert_eq!(read(Some("JPY"), limit).await, [7, 4, 1], "{limit}");
        assert_eq!(read(Some("USD"), limit).await, [] as [i64; 0], "{limit}");
    }
}

#[tokio::test]
async fn the_log_is_paged_over_months() {
    let world = World::new().await;
    let begun = world.now();
    for number in 0..5 {
        world.wait(20 * 86_400);
        world.store.credit(&Credit::new(PARTNER, eur(number), &format!("credit#{number}")).by("Mia", "x")).await.unwrap();
    }
    let read = async |from: Option<Timestamp>, until: Option<Timestamp>, limit| {
        let mut query = AuditQuery { from, until, limit, after: None };
        let mut details = Vec::new();
        loop {
            let page = world.store.audit_log(&query).await.unwrap();
            assert!(page.items.len() <= limit);
            details.extend(page.items.into_iter().filter(|entry| entry.by == "Mia").filter_map(|entry| entry.details));
            let Some(next) = page.next else { return details };
            query.after = Some(next.to_string().parse().unwrap());
        }
    };
    let all = ["0.04 EUR: x", "0.03 EUR: x", "0.02 EUR: x", "0.01 EUR: x", "0.00 EUR: x"];
    for limit in [1, 2, 5, 100] {
        assert_eq!(read(None, None, limit).await, all, "{limit}");
        let from = begun.plus_seconds(39 * 86_400);
        assert_eq!(read(Some(from), Some(from.plus_seconds(42 * 86_400)), limit).await, all[1..4], "{limit}");
    }
    assert_eq!(read(Some(Timestamp::from_unix(0)), None, 3).await, all);
    assert_eq!(read(None, Some(Timestamp::from_unix(-86_400)), 3).await, [] as [&str; 0]);
}

#[tokio::test]
async fn the_log_is_in_sequence_within_a_second() {
    let world = World::new().await;
    // As an earlier version wrote it: where in its second it stands, nobody knows.
    let now = world.now().plus_seconds(-1);
    let key = format!("audit#{}", &now.to_string()[..7]);
    world
        .engine
        .put(
            "PartnersTable",
            json!({
                "pk": {"S": key}, "sk": {"S": format!("{now}#00c0ffee")},
                "by": {"S": "Mia"}, "action": {"S": "key_ended"}, "target": {"S": "KY1"},
            }),
        )
        .await;
    for number in 0..40 {
        world.store.credit(&Credit::new(PARTNER, eur(number + 1), &format!("credit#{number}")).by("Mia", "x")).await.unwrap();
    }
    for limit in [1, 7, 100] {
        let mut query = AuditQuery { from: None, until: None, limit, after: None };
        let mut told = Vec::new();
        loop {
            let page = world.store.audit_log(&query).await.unwrap();
            let hers = page.items.into_iter().filter(|entry| entry.by == "Mia");
            told.extend(hers.map(|entry| entry.details.unwrap_or_default()));
            let Some(next) = page.next else { break };
            query.after = Some(next.to_string().parse().unwrap());
        }
        let expected: Vec<String> = (0..40).rev().map(|number| format!("{}: x", eur(number + 1))).collect();
        assert_eq!((&told[..40], told.len(), told[40].as_str()), (&expected[..], 41, ""));
    }
}

#[tokio::test]
async fn a_history_has_the_days_on_which_something_changed() {
    let world = World::new().await;
    let days = async || world.store.level_history(&pool()).await.unwrap();
    let note = async || world.store.note_levels(world.now()).await.unwrap();
    stock(&world.store, cards(&pool(), 0..5)).await;
    // Two sweeps at once, and one later, write what happened once.
    tokio::join!(note(), note());
    note().await;
    let first = days().await;
    let [day] = &first[..] else { panic!("{first:?}") };
    assert_eq!((day.available, day.added, day.drawn), (5, 5, 0));
    world.paid_order("one", 2).await;
    note().await;
    let first = days().await;
    assert_eq!((first.len(), first[0].available, first[0].added, first[0].drawn), (1, 3, 5, 2));

    world.wait(2 * 86_400);
    let quiet = world.engine.scan("PoolsTable").await;
    note().await;
    assert_eq!(world.engine.scan("PoolsTable").await, quiet, "a quiet pool was written");
    world.paid_order("two", 1).await;
    note().await;
    let both = days().await;
    assert_eq!((both.len(), both[0].available, both[0].added, both[0].drawn), (2, 2, 0, 1));
    assert!(both[0].day > both[1].day && both[1] == first[0], "{both:?}");
}

#[tokio::test]
async fn a_pool_of_an_earlier_version_begins_its_history_with_what_it_has() {
    let world = World::with_cards(3).await;
    let key = json!({"pk": {"S": format!("pool#{}", pool())}, "sk": {"S": "marks"}});
    world.engine.update("PoolsTable", key, "REMOVE noted", json!({}), json!({})).await;
    world.store.note_levels(world.now()).await.unwrap();
    let days = world.store.level_history(&pool()).await.unwrap();
    assert_eq!((days[0].available, days[0].added, days[0].drawn), (3, 0, 0));
}

#[tokio::test]
async fn imports_are_listed_with_what_they_came_to() {
    let world = World::new().await;
    stock(&world.store, cards(&pool(), 0..3)).await;
    world.wait(1);
    let line = |line, card| ImportLine { line, card };
    let bad = ImportError { line: 4, iccid: None, code: "columns".to_owned(), reason: "x".to_owned() };
    let lines = vec![line(2, card(&pool(), 2)), line(3, card(&pool(), 3))];
    world.store.begin_import("IM1", 3, lines, &[bad], "Mia").await.unwrap();
    let newest = async || world.store.imports(1, None).await.unwrap();
    let came_to = |import: &ImportSummary| (import.status, import.accepted, import.rejected, import.added);
    assert_eq!(came_to(&newest().await.items[0]), (ImportStatus::Running, 2, 1, 0));
    world.store.run_import("IM1", Instant::now() + Duration::from_secs(30)).await.unwrap();
    // A card came in by another import since.
    let page = newest().await;
    assert_eq!((came_to(&page.items[0]), page.items[0].by.as_deref()), ((ImportStatus::Done, 1, 2, 1), Some("Mia")));
    // What was brought before there was a record of by whom, and of what it came to.
    let rest = world.store.imports(5, page.next.as_ref()).await.unwrap();
    let key = json!({"pk": {"S": format!("import#{}", rest.items[0].id)}, "sk": {"S": "verdict"}});
    world.engine.update("PoolsTable", key, "REMOVE #by, added", json!({"#by": "by"}), json!({})).await;
    let rest = world.store.imports(5, page.next.as_ref()).await.unwrap();
    assert_eq!((rest.items.len(), came_to(&rest.items[0])), (1, (ImportStatus::Done, 3, 0, 3)));
    assert_eq!((rest.items[0].by.clone(), rest.next), (None, None));
}
