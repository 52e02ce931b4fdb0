//! Cards as managers look after them: notes and labels, rules that are carried out, archiving, and how they are found.

use crate::acts::{
    EID, OTHER_EID, PLAN, POOL, at_operator, audit, by_balance, card, changing, delivered, drained, pause, read, sim, sim_is,
    subscription_of, tell, until, used,
};
use crate::api::{By, Call, PARTNER, Site, list, num};
use hyper::Method;
use serde_json::{Value, json};
use simdock_store::SimState;
use std::time::Duration;

fn editing<'s>(site: &'s Site, iccid: &str, edit: &Value) -> Call<'s> {
    site.call(Method::PATCH, format!("/v1/sims/{iccid}")).by(By::Manager).json(edit)
}

fn asking<'s>(site: &'s Site, iccid: &str, action: &str) -> Call<'s> {
    site.post(format!("/v1/sims/{iccid}/{action}")).by(By::Manager)
}

async fn stands(site: &Site, iccid: &str) -> Value {
    site.get(format!("/v1/sims/{iccid}")).by(By::Manager).send().await.expect(200)
}

/// The cards that a list has, whatever its pages are.
async fn found(site: &Site, query: &str) -> Vec<String> {
    let (mut iccids, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = site.get(format!("/v1/sims?{query}{cursor}")).by(By::Manager).send().await.expect(200);
        iccids.extend(list(&page, "items").iter().map(|card| card["iccid"].as_str().unwrap().to_owned()));
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    iccids.sort();
    iccids
}

#[tokio::test]
async fn what_is_noted_stays_with_the_card_and_changes_nothing_else() {
    let site = Site::start().await;
    let order = delivered(&site, &by_balance(PLAN)).await;
    let iccid = card(&order);
    let before = stands(&site, iccid).await;
    let edited =
        editing(&site, iccid, &json!({"note": "Ana's second phone", "labels": ["vip", "a", "vip"]})).send().await.expect(200);
    let mut expected = before.clone();
    (expected["note"], expected["labels"], expected["edition"]) = (json!("Ana's second phone"), json!(["a", "vip"]), json!(1));
    assert_eq!(edited, expected);
    // Two at once change each what they name.
    let calls = [json!({"note": "moved"}), json!({"rules": {"suspendAtMonthMb": 500}}), json!({"labels": []})];
    for answer in crate::acts::at_once(calls.iter().map(|edit| editing(&site, iccid, edit)).collect(), 0).await {
        answer.expect(200);
    }
    (expected["note"], expected["labels"], expected["rules"]) = (json!("moved"), json!([]), json!({"suspendAtMonthMb": 500}));
    expected["edition"] = json!(4);
    assert_eq!(stands(&site, iccid).await, expected);
    editing(&site, iccid, &json!({"note": null, "rules": {"suspendAtMonthMb": null}})).send().await.expect(200);
    let mut gone = before.clone();
    gone["edition"] = json!(5);
    assert_eq!(stands(&site, iccid).await, gone);
    let stored = sim(&site, iccid).await;
    assert_eq!((stored.note, stored.labels.len(), stored.rules.suspend_at_month_mb), (None, 0, None));
    audit(&site).await;
    site.stop().await;
}

#[tokio::test]
async fn of_two_who_change_the_same_edition_one_is_told_and_nothing_is_overwritten() {
    let site = Site::start().await;
    let order = delivered(&site, &by_balance(PLAN)).await;
    let iccid = card(&order);
    let read = stands(&site, iccid).await;
    let listed = site.get(format!("/v1/sims?iccid={iccid}")).by(By::Manager).send().await.expect(200);
    assert_eq!((&read["edition"], &listed["items"][0]["edition"]), (&json!(0), &json!(0)));
    for edition in 0..3 {
        let edits = ["mine", "yours", "theirs"].map(|note| json!({"basedOn": edition, "note": note}));
        let calls = edits.iter().map(|edit| editing(&site, iccid, edit)).collect();
        let answers = crate::acts::at_once(calls, edition).await;
        let (kept, told): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
        assert_eq!((kept.len(), told.len()), (1, 2));
        for answer in told {
            answer.problem(409, "version_conflict", Some("basedOn"));
        }
        let kept = kept[0].expect(200);
        assert_eq!((&kept["edition"], &kept), (&json!(edition + 1), &stands(&site, iccid).await));
    }
    editing(&site, iccid, &json!({"basedOn": 2, "labels": ["late"]})).send().await.problem(
        409,
        "version_conflict",
        Some("basedOn"),
    );
    // An edition that is yet to come is none that anybody read.
    editing(&site, iccid, &json!({"basedOn": 4, "note": null})).send().await.problem(409, "version_conflict", Some("basedOn"));
    // Whoever names none changes what is there, and what is sold or used does not count.
    editing(&site, iccid, &json!({"labels": ["late"]})).send().await.expect(200);
    used(&site, iccid).await;
    editing(&site, iccid, &json!({"basedOn": 4, "note": null})).send().await.expect(200);
    let partners = site.get(format!("/v1/sims/{iccid}")).by(By::Partner).send().await.expect(200);
    assert_eq!((&partners["edition"], &partners["labels"]), (&json!(0), &json!([])));
    audit(&site).await;
    site.stop().await;
}

#[tokio::test]
async fn a_rule_that_could_not_be_carried_out_is_refused() {
    let site = Site::start().await;
    let rule = json!({"rules": {"suspendAtMonthMb": 500}, "note": "not this either"});
    let preloaded = site.get("/v1/sims?poolId=meridian.7.esim&limit=1").by(By::Manager).send().await.expect(200);
    let iccid = preloaded["items"][0]["iccid"].as_str().unwrap();
    let before = stands(&site, iccid).await;
    assert_eq!((&before["suspendable"], &preloaded["items"][0]["suspendable"]), (&json!(false), &json!(false)));
    let problem = editing(&site, iccid, &rule).send().await.problem(409, "not_possible", None);
    assert_eq!((&problem["reason"], &stands(&site, iccid).await), (&json!("preloaded"), &before));
    // There is nothing to say against taking one away, or against all else.
    editing(&site, iccid, &json!({"rules": null, "note": "fine"})).send().await.expect(200);
    editing(&site, iccid, &json!({"rules": {"suspendAtMonthMb": null}})).send().await.expect(200);
    let order = delivered(&site, &by_balance(PLAN)).await;
    assert_eq!(stands(&site, card(&order)).await["suspendable"], true);
    editing(&site, card(&order), &rule).send().await.expect(200);
    site.stop().await;
}

#[tokio::test]
async fn a_line_that_uses_more_than_its_card_may_in_a_month_is_suspended() {
    let site = Site::start().await;
    let order = delivered(&site, &by_balance("sandbox-5gb-30d")).await;
    let (iccid, subscription) = (card(&order), subscription_of(&order));
    editing(&site, iccid, &json!({"rules": {"suspendAtMonthMb": 1000}})).send().await.expect(200);
    used(&site, iccid).await;
    let report = async |used_mb: u32| tell(&site, iccid, json!({"type": "usage", "usedMb": used_mb, "country": "ES"})).await;
    assert_eq!(report(1000).await, "recorded");
    let shown = stands(&site, iccid).await;
    assert_eq!((&shown["status"], &shown["monthMb"], &shown["dataLeftMb"]), (&json!("active"), &json!(1000), &json!(4120)));
    assert_eq!(shown["daysLeft"], 30);

    assert_eq!(report(1001).await, "recorded");
    until(&site, &subscription, "suspended", |subscription| subscription["status"] == "suspended").await;
    assert_eq!((at_operator(&site, iccid).await.1, &stands(&site, iccid).await["status"]), (true, &json!("suspended")));
    // A person lets it in again; what is still on its way of what was used keeps to the rule until that is lifted.
    let resumed = async || {
        changing(&site, &subscription, "resumption", &json!({})).send().await.expect(202);
        until(&site, &subscription, "active", |subscription| subscription["status"] == "active").await;
    };
    resumed().await;
    assert_eq!(report(1002).await, "recorded");
    until(&site, &subscription, "suspended", |subscription| subscription["status"] == "suspended").await;
    editing(&site, iccid, &json!({"rules": null})).send().await.expect(200);
    resumed().await;
    assert_eq!(report(1100).await, "recorded");
    assert_eq!(read(&site, &subscription).await["status"], "active");

    // In another month it begins at nothing.
    editing(&site, iccid, &json!({"rules": {"suspendAtMonthMb": 1000}})).send().await.expect(200);
    site.stack.clock().advance(Duration::from_hours(10 * 24));
    assert_eq!(stands(&site, iccid).await["monthMb"], 0);
    assert_eq!(report(2100).await, "recorded");
    assert_eq!((&stands(&site, iccid).await["monthMb"], &stands(&site, iccid).await["status"]), (&json!(1000), &json!("active")));

    // A message that nobody sent is sent by the sweep: what is wanted stands on the subscription.
    pause(&site, "provision", true).await;
    assert_eq!(report(2101).await, "recorded");
    assert_eq!(read(&site, &subscription).await["status"], "suspending");
    pause(&site, "provision", false).await;
    drained(&site).await;
    assert_eq!(read(&site, &subscription).await["status"], "suspended");
    audit(&site).await;
    site.stop().await;
}

#[tokio::test]
async fn a_swap_hands_the_rule_on() {
    let site = Site::start().await;
    let order = delivered(&site, &by_balance(PLAN)).await;
    let subscription = subscription_of(&order);
    editing(&site, card(&order), &json!({"rules": {"suspendAtMonthMb": 100}})).send().await.expect(200);
    used(&site, card(&order)).await;
    let swap = changing(&site, &subscription, "sim-swap", &json!({})).send().await.expect(201);
    let swap = site.until(&swap, "ready", |swap| swap["cards"][0]["status"] == "ready").await;
    assert_eq!(tell(&site, card(&swap), json!({"type": "installed", "eid": OTHER_EID, "via": "qr"})).await, "recorded");
    let new = stands(&site, card(&swap)).await;
    assert_eq!((&new["rules"], &new["edition"]), (&json!({"suspendAtMonthMb": 100}), &json!(1)), "nobody overwrites it unread");
    assert_eq!(tell(&site, card(&swap), json!({"type": "usage", "usedMb": 101, "country": "ES"})).await, "recorded");
    until(&site, &subscription, "suspended", |subscription| subscription["status"] == "suspended").await;
    // The old card carries nothing any more.
    let old = stands(&site, card(&order)).await;
    assert_eq!((&old["status"], &old["plan"], &old["monthMb"]), (&json!("archived"), &Value::Null, &json!(0)));
    assert_eq!((&old["partnerId"], &old["endUser"]), (&json!(PARTNER), &json!("ana@example.com")));
    audit(&site).await;
    site.stop().await;
}

/// Why a card cannot be archived and restored now, as it is told to managers; `""` for what can be done.
async fn why_not(site: &Site, iccid: &str) -> [String; 2] {
    let card = site.get(format!("/v1/sims/{iccid}")).by(By::Manager).send().await.expect(200);
    [("archive", 0), ("restore", 1)].map(|(action, at)| {
        let told = &card["actions"][at];
        assert_eq!((&told["action"], &told["allowed"]), (&json!(action), &json!(told["code"].is_null())), "{told}");
        told["code"].as_str().unwrap_or_default().to_owned()
    })
}

#[tokio::test]
async fn a_card_from_stock_leaves_it_and_comes_back() {
    let site = Site::start().await;
    let before = site.available(POOL).await;
    let blank = found(&site, &format!("poolId={POOL}&status=blank")).await;
    // The one that would be sold next, by its slot.
    let mut slots = Vec::new();
    for iccid in &blank {
        slots.push((sim(&site, iccid).await.slot.unwrap(), iccid));
    }
    let next = slots.iter().min().unwrap().1.as_str();
    assert_eq!(why_not(&site, next).await, ["", "not_archived"]);
    for _ in 0..2 {
        let archived = asking(&site, next, "archive").send().await.expect(200);
        assert_eq!((&archived["status"], &archived["orderNum"]), (&json!("archived"), &Value::Null));
    }
    assert_eq!(why_not(&site, next).await, ["done", ""]);
    let own = site.get(format!("/v1/sims/{next}")).by(By::Partner).send().await;
    own.problem(404, "not_found", None);
    assert_eq!(site.available(POOL).await, before - 1);
    let order = delivered(&site, &by_balance(PLAN)).await;
    assert_ne!(card(&order), next, "it is not sold");
    assert_eq!(why_not(&site, card(&order)).await, ["in_use", "not_archived"]);
    let own = site.get(format!("/v1/sims/{}", card(&order))).by(By::Partner).send().await.expect(200);
    assert!(own.get("actions").is_none(), "what managers may do is no partner's concern");
    // Its slot was drawn and was dead, which counts until the sweep after the next has passed it.
    for _ in 0..2 {
        drained(&site).await;
    }
    assert_eq!(site.available(POOL).await, before - 2);

    pause(&site, "sweep", true).await;
    assert_eq!(asking(&site, next, "restore").send().await.expect(200)["status"], "pending");
    let again = asking(&site, next, "restore").send().await.problem(409, "not_possible", None);
    assert_eq!(again["reason"], "not_archived");
    assert_eq!(asking(&site, next, "archive").send().await.problem(409, "not_possible", None)["reason"], "in_progress");
    assert_eq!(why_not(&site, next).await, ["in_progress", "not_archived"]);
    pause(&site, "sweep", false).await;
    drained(&site).await;
    assert_eq!(stands(&site, next).await["status"], "blank");
    assert_eq!(site.available(POOL).await, before - 1);

    // What is left can all be sold, and nothing else.
    site.sell_out(PLAN, POOL).await;
    assert_eq!(site.order(&by_balance(PLAN)).await["voidReason"], "sold_out");
    audit(&site).await;
    site.stop().await;
}

#[tokio::test]
async fn of_a_buyer_and_a_manager_at_once_one_has_the_card() {
    let site = Site::start().await;
    for first in [0, 1, 0, 1] {
        let blank = found(&site, &format!("poolId={POOL}&status=blank")).await;
        let mut wanted = by_balance(PLAN);
        wanted["iccids"] = json!([blank[0]]);
        let calls = vec![site.ordering(&wanted), asking(&site, &blank[0], "archive")];
        let answers = crate::acts::at_once(calls, first).await;
        let order = answers[0].expect(201);
        if order["status"] == 0 {
            let refused = answers[1].problem(409, "not_possible", None);
            assert!(matches!(refused["reason"].as_str().unwrap(), "in_progress" | "in_use"), "{refused}");
        } else {
            assert_eq!((&order["voidReason"], &answers[1].expect(200)["status"]), (&json!("sold_out"), &json!("archived")));
        }
    }
    drained(&site).await;
    audit(&site).await;
    site.stop().await;
}

#[tokio::test]
async fn a_card_that_is_done_with_is_archived_until_a_plan_is_added() {
    let site = Site::start().await;
    let order = delivered(&site, &by_balance(PLAN)).await;
    let (iccid, subscription) = (card(&order), subscription_of(&order));
    let in_use = asking(&site, iccid, "archive").send().await.problem(409, "not_possible", None);
    assert_eq!(in_use["reason"], "in_use");
    used(&site, iccid).await;
    assert_eq!(tell(&site, iccid, json!({"type": "used_up"})).await, "recorded");
    assert_eq!(stands(&site, iccid).await["status"], "suspended");
    assert_eq!(asking(&site, iccid, "archive").send().await.expect(200)["status"], "archived");
    assert_eq!(asking(&site, iccid, "restore").send().await.expect(200)["status"], "suspended");
    asking(&site, iccid, "archive").send().await.expect(200);
    // It still is what it was to its subscription.
    let added =
        changing(&site, &subscription, "top-ups", &json!({"planId": PLAN, "payment": "balance"})).send().await.expect(201);
    site.settled(&added).await;
    assert_eq!(stands(&site, iccid).await["status"], "active");
    assert_eq!(asking(&site, iccid, "archive").send().await.problem(409, "not_possible", None)["reason"], "in_use");

    // One that the operator refused, and that is tried again.
    crate::acts::operator(&site, "refuse", 1).await;
    let failed = site.order(&by_balance(PLAN)).await;
    let failed = site.until(&failed, "failed", |order| order["fulfilment"] == "failed").await;
    let refused = failed["iccids"][0].as_str().unwrap();
    sim_is(&site, refused, SimState::SetAside).await;
    assert_eq!(stands(&site, refused).await["status"], "invalid");
    assert_eq!(asking(&site, refused, "archive").send().await.expect(200)["status"], "archived");
    audit(&site).await;
    site.stop().await;
}

#[tokio::test]
async fn cards_are_found_by_what_is_known_of_them() {
    let site = Site::start().await;
    let order = delivered(&site, &by_balance(PLAN)).await;
    let mut ben = by_balance("sandbox-5gb-30d");
    ben["subscriber"]["email"] = "ben@example.com".into();
    let bens = delivered(&site, &ben).await;
    let theirs = site.ordering(&crate::api::draft("nordic-2gb-14d")).by(By::OtherPartner).send().await.expect(201);
    site.pay(&theirs).await;
    let theirs = site.settled(&theirs).await;
    let (ours, bens, theirs) = (card(&order).to_owned(), card(&bens).to_owned(), card(&theirs).to_owned());
    assert_eq!(tell(&site, &ours, json!({"type": "installed", "eid": EID, "via": "qr"})).await, "recorded");
    assert_eq!(tell(&site, &ours, json!({"type": "session", "inSession": true, "country": "ES"})).await, "recorded");
    let edit = json!({"labels": ["vip", "two words"], "note": "Größe geprüft", "rules": {"suspendAtMonthMb": 500}});
    editing(&site, &bens, &edit).send().await.expect(200);
    used(&site, &bens).await;
    assert_eq!(tell(&site, &bens, json!({"type": "usage", "usedMb": 120, "country": "ES"})).await, "recorded");
    let sorted = |cards: &[&String]| {
        let mut cards: Vec<String> = cards.iter().map(|card| (*card).clone()).collect();
        cards.sort();
        cards
    };
    for (query, expected) in [
        (format!("iccid={ours}"), sorted(&[&ours])),
        (format!("iccid={ours}&status=blank"), vec![]),
        ("email=BEN@example.com".to_owned(), sorted(&[&bens])),
        ("email=ana@example.com".to_owned(), sorted(&[&ours, &theirs])),
        ("email=ana@example.com&partnerId=other-travel".to_owned(), sorted(&[&theirs])),
        (format!("partnerId={PARTNER}"), sorted(&[&ours, &bens])),
        (format!("planId={PLAN}"), sorted(&[&ours])),
        ("simType=prepaid".to_owned(), sorted(&[&ours, &bens, &theirs])),
        ("simType=paygo".to_owned(), vec![]),
        ("inSession=yes".to_owned(), sorted(&[&ours])),
        ("inSession=no".to_owned(), vec![]),
        ("label=vip".to_owned(), sorted(&[&bens])),
        ("label=two%20words&operator=sandbox".to_owned(), sorted(&[&bens])),
        ("label=VIP&operator=Sandbox".to_owned(), sorted(&[&bens])),
        ("note=GR%C3%96SSE".to_owned(), vec![]),
        ("note=gr%C3%B6%C3%9Fe%20GE".to_owned(), sorted(&[&bens])),
        ("hasRules=true".to_owned(), sorted(&[&bens])),
        (format!("hasRules=false&partnerId={PARTNER}"), sorted(&[&ours])),
        ("minDataLeftMb=5000&planId=sandbox-5gb-30d".to_owned(), sorted(&[&bens])),
        ("minDataLeftMb=5001&maxDataLeftMb=5120&email=ben@example.com".to_owned(), vec![]),
        ("maxDataLeftMb=5000".to_owned(), sorted(&[&ours, &bens, &theirs])),
        ("minDataLeftMb=5120".to_owned(), vec![]),
        ("minDaysLeft=30&maxDaysLeft=30&operator=sandbox".to_owned(), sorted(&[&bens])),
        ("minDaysLeft=31&operator=sandbox".to_owned(), vec![]),
        ("minMonthMb=120".to_owned(), sorted(&[&bens])),
        ("maxMonthMb=119&email=ben@example.com".to_owned(), vec![]),
        (format!("maxMonthMb=0&partnerId={PARTNER}"), sorted(&[&ours])),
        ("label=vip&operator=meridian".to_owned(), vec![]),
        ("operator=meridian&status=activation_ready".to_owned(), sorted(&[&theirs])),
        ("imsiProfile=7&partnerId=other-travel&formFactor=esim".to_owned(), sorted(&[&theirs])),
        ("formFactor=physical&inSession=yes".to_owned(), vec![]),
    ] {
        assert_eq!(found(&site, &query).await, expected, "{query}");
    }
    // A card stands with the order that its line began with, also after a swap, and is listed once whatever the pages are.
    let mut three = by_balance(PLAN);
    three["count"] = 3.into();
    let more = delivered(&site, &three).await;
    let swap = changing(&site, &subscription_of(&order), "sim-swap", &json!({})).send().await.expect(201);
    let swap = site.until(&swap, "ready", |swap| swap["cards"][0]["status"] == "ready").await;
    let next = card(&swap).to_owned();
    for swapped in [false, true] {
        if swapped {
            assert_eq!(tell(&site, &next, json!({"type": "installed", "eid": OTHER_EID, "via": "qr"})).await, "recorded");
        }
        let mut all: Vec<String> = list(&more, "cards").iter().map(|card| card["iccid"].as_str().unwrap().to_owned()).collect();
        all.extend([ours.clone(), bens.clone(), next.clone()]);
        all.sort();
        for limit in [1, 2, 4, 100] {
            assert_eq!(found(&site, &format!("partnerId={PARTNER}&limit={limit}")).await, all, "{limit}");
            all.retain(|iccid| *iccid != bens);
            assert_eq!(found(&site, &format!("email=Ana@example.com&partnerId={PARTNER}&limit={limit}")).await, all, "{limit}");
            all.push(bens.clone());
            all.sort();
        }
    }
    // The orders lead to the same cards as the whole table does.
    let (mut theirs, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = site.get(format!("/v1/sims?limit=100{cursor}")).by(By::Manager).send().await.expect(200);
        let cards = list(&page, "items").iter().filter(|card| card["partnerId"] == PARTNER);
        theirs.extend(cards.map(|card| card["iccid"].as_str().unwrap().to_owned()));
        let Some(next) = page["nextCursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    theirs.sort();
    assert_eq!(found(&site, &format!("partnerId={PARTNER}")).await, theirs);
    let page = site.get(format!("/v1/sims?partnerId={PARTNER}&limit=1")).by(By::Manager).send().await.expect(200);
    let cursor = page["nextCursor"].as_str().unwrap();
    site.get(format!("/v1/sims?cursor={cursor}")).by(By::Manager).send().await.problem(400, "invalid_cursor", Some("cursor"));

    let unlimited = delivered(&site, &by_balance("sandbox-monthly")).await;
    let told = stands(&site, card(&unlimited)).await;
    assert_eq!((&told["dataLeftMb"], &told["unlimitedData"]), (&json!(null), &json!(true)));
    assert_eq!(stands(&site, &ours).await["unlimitedData"], false);
    assert_eq!(found(&site, "minDataLeftMb=1000000").await, [card(&unlimited)]);
    assert_eq!(found(&site, "simType=subscription&maxDataLeftMb=18446744073709551614").await, [] as [&str; 0]);

    let blank = found(&site, "formFactor=physical&operator=sandbox&status=blank&limit=3").await;
    assert_eq!(blank.len(), 10);
    assert_eq!(num(&order), stands(&site, &ours).await["orderNum"]);
    site.stop().await;
}

#[tokio::test]
async fn the_code_of_one_card_discloses_no_other() {
    let site = Site::start().await;
    // Works as it comes, so that its code can be shown at once.
    let mut two = crate::api::draft("eu-5gb-30d");
    // A mail would show the codes as well.
    (two["count"], two["sendEmail"]) = (2.into(), false.into());
    let order = site.order(&two).await;
    site.pay(&order).await;
    let path = format!("/v1/orders/{}", num(&order));
    let read = async |query: &str| site.get(format!("{path}?{query}")).by(By::Partner).send().await.expect(200);
    let iccids = read("codes=false").await["iccids"].clone();
    let [first, second] = [0, 1].map(|index| iccids[index].as_str().unwrap().to_owned());
    let shown = read(&format!("codeOf={first}")).await;
    for card in list(&shown, "cards") {
        let is_first = card["iccid"] == first.as_str();
        for field in ["code", "smDpAddress", "activationCode", "installUrls"] {
            assert_eq!(card[field].is_null(), !is_first, "{field}");
        }
    }
    assert!(sim(&site, &first).await.disclosed_at.is_some() && sim(&site, &second).await.disclosed_at.is_none());
    // One that is not of the order has none.
    let none = read("codeOf=8934501234567890125").await;
    assert!(list(&none, "cards").iter().all(|card| card["code"].is_null()));
    assert!(sim(&site, &second).await.disclosed_at.is_none());
    for query in ["codeOf=8934".to_owned(), format!("codeOf={first}&codes=false")] {
        site.get(format!("{path}?{query}")).by(By::Partner).send().await.problem(400, "invalid_field", Some("codeOf"));
    }
    read(&format!("codes=true&codeOf={second}")).await;
    assert!(sim(&site, &second).await.disclosed_at.is_some());
    site.stop().await;
}
