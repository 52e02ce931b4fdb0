//! What carriers and apps report about cards: who may, and that it comes to the same whenever and however often it comes.

use crate::acts::{
    EID, OTHER_EID, PLAN, POOL, audit, by_balance, card, changing, delivered, drained, managing, plan_statuses, read, sim,
    sim_is, subscription_of, tell, told, used,
};
use crate::api::{Answer, By, Site, begin, eventually, list, num, unique};
use futures_util::future::join_all;
use serde_json::{Value, json};
use simdock_domain::{Iccid, Timestamp, Via};
use simdock_payments::{Secret, sign_standard};
use simdock_store::SimState;
use std::time::Duration;

fn carrier_secret(site: &Site) -> Secret {
    Secret::standard(&site.stack.keys().carrier_secret).unwrap()
}

/// Sends what a carrier signed with a secret at a time.
async fn signed(site: &Site, iccid: &str, event: &Value, secret: &Secret, at: Timestamp) -> Answer {
    let mut event = event.clone();
    event["iccid"] = iccid.into();
    let (body, id) = (event.to_string(), format!("evt_{}", unique()));
    let signature = sign_standard(&id, at, body.as_bytes(), secret);
    let call = site.post(format!("/v1/sims/{iccid}/events")).header("webhook-id", id);
    let call = call.header("webhook-timestamp", at.unix().to_string()).header("webhook-signature", signature);
    call.body("application/json", body).send().await
}

/// Sends what somebody reports with an API key.
async fn reported(site: &Site, by: By<'_>, iccid: &str, event: &Value) -> Answer {
    site.post(format!("/v1/sims/{iccid}/events")).by(by).json(event).send().await
}

fn at(time: Timestamp) -> String {
    time.to_string()
}

async fn sandbox_line(site: &Site, plan: &str) -> (Value, String, String) {
    let order = delivered(site, &by_balance(plan)).await;
    let (subscription, card) = (subscription_of(&order), card(&order).to_owned());
    (order, subscription, card)
}

#[tokio::test]
async fn only_a_cards_own_carrier_is_believed() {
    let site = Site::start().await;
    let (_, subscription, iccid) = sandbox_line(&site, PLAN).await;
    let meridian = delivered(&site, &by_balance("eu-5gb-30d")).await;
    let now = site.stack.clock().now();
    let event = json!({"type": "first_attach", "at": at(now), "country": "ES"});
    site.swept().await;
    let (before, secret) = (site.tables().await, carrier_secret(&site));
    let stranger = Secret::standard("whsec_c29tZWJvZHkgZWxzZSdzIHNlY3JldCwgMzIgYnl0ZXM=").unwrap();
    signed(&site, &iccid, &event, &stranger, now).await.problem(400, "bad_signature", None);
    // Another carrier's card, and one that nobody has: whoever signs does not learn which of the two it is.
    let other = signed(&site, card(&meridian), &event, &secret, now).await.problem(400, "bad_signature", None);
    let nobodys = Iccid::with_check_digit("894999999999999999").unwrap();
    let unknown = signed(&site, nobodys.as_str(), &event, &secret, now).await.problem(400, "bad_signature", None);
    assert_eq!(other["detail"], unknown["detail"]);
    signed(&site, &iccid, &event, &secret, now.plus_seconds(-330)).await.problem(400, "signature_stale", None);
    signed(&site, &iccid, &event, &secret, now.plus_seconds(330)).await.problem(400, "signature_stale", None);
    let (body, id) = (event.to_string(), "evt_1");
    let signature = sign_standard(id, now, body.as_bytes(), &secret);
    let call = site.post(format!("/v1/sims/{iccid}/events")).header("webhook-id", id).header("webhook-signature", signature);
    let call = call.header("webhook-timestamp", now.unix().to_string());
    call.body("application/json", format!("{body} ")).send().await.problem(400, "bad_signature", None);
    // A partner's key does not make up for a signature.
    let call = site.post(format!("/v1/sims/{iccid}/events")).by(By::Partner).header("webhook-signature", "v1,nonsense");
    call.json(&event).send().await.problem(400, "bad_signature", None);
    assert!(site.tables().await == before, "something was written");

    let answer = signed(&site, &iccid, &event, &secret, now).await.expect(200);
    assert_eq!(answer, json!({"received": true, "result": "recorded"}));
    assert_eq!(plan_statuses(&read(&site, &subscription).await), ["running"]);
    site.stop().await;
}

#[tokio::test]
async fn a_partner_reports_what_its_app_sees_of_its_own_cards() {
    let site = Site::start().await;
    let (_, _, iccid) = sandbox_line(&site, PLAN).await;
    let meridian = delivered(&site, &by_balance("eu-5gb-30d")).await;
    let now = at(site.stack.clock().now());
    let installed = json!({"type": "installed", "at": now, "eid": EID, "via": "ios_api"});
    site.swept().await;
    let before = site.tables().await;
    for event in [
        json!({"type": "first_attach", "at": now, "country": "ES"}),
        json!({"type": "usage", "at": now, "usedMb": 1}),
        json!({"type": "session", "at": now, "inSession": true}),
        json!({"type": "used_up", "at": now}),
        json!({"type": "expired", "at": now}),
    ] {
        for by in [By::Partner, By::Manager] {
            reported(&site, by, &iccid, &event).await.problem(403, "forbidden", None);
        }
    }
    reported(&site, By::OtherPartner, &iccid, &installed).await.problem(404, "not_found", None);
    reported(&site, By::Nobody, &iccid, &installed).await.problem(401, "unauthenticated", None);
    reported(&site, By::Partner, "8949999999999999999", &installed).await.problem(404, "not_found", None);
    reported(&site, By::Partner, "nonsense", &installed).await.problem(404, "not_found", None);
    assert!(site.tables().await == before, "something was written");

    for (number, (card, by)) in [(iccid.as_str(), By::Partner), (card(&meridian), By::Manager)].into_iter().enumerate() {
        assert_eq!(reported(&site, by, card, &installed).await.expect(200)["result"], "recorded");
        let profile = sim(&site, card).await.profile;
        assert_eq!((profile.via, profile.eid.map(|eid| eid.to_string())), (Some(Via::IosApi), Some(EID.to_owned())), "{number}");
    }
    site.stop().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_by_name() {
    let site = Site::start().await;
    let (_, _, iccid) = sandbox_line(&site, PLAN).await;
    let other = delivered(&site, &by_balance(PLAN)).await;
    let now = site.stack.clock().now();
    let (time, ahead) = (at(now), at(now.plus_seconds(3600)));
    site.swept().await;
    let before = site.tables().await;
    for (event, code, field) in [
        (json!({"at": time}), "missing_field", "type"),
        (json!({"type": "exploded", "at": time}), "invalid_field", "type"),
        (json!({"type": "installed"}), "missing_field", "at"),
        (json!({"type": "installed", "at": "yesterday"}), "invalid_field", "at"),
        (json!({"type": "installed", "at": ahead}), "invalid_field", "at"),
        (json!({"type": "installed", "at": time, "eid": "8904903200710888260013754431961"}), "invalid_field", "eid"),
        (json!({"type": "installed", "at": time, "via": "carrier_pigeon"}), "invalid_field", "via"),
        (json!({"type": "installed", "at": time, "usedMb": 1}), "unknown_field", "usedMb"),
        (json!({"type": "usage", "at": time}), "missing_field", "usedMb"),
        (json!({"type": "usage", "at": time, "usedMb": -1}), "invalid_field", "usedMb"),
        (json!({"type": "usage", "at": time, "usedMb": 1.5}), "invalid_field", "usedMb"),
        (json!({"type": "usage", "at": time, "usedMb": 1, "orderNum": "nonsense"}), "invalid_field", "orderNum"),
        (json!({"type": "usage", "at": time, "usedMb": 1, "orderNum": num(&other)}), "invalid_field", "orderNum"),
        (json!({"type": "session", "at": time}), "missing_field", "inSession"),
        (json!({"type": "session", "at": time, "inSession": "yes"}), "invalid_field", "inSession"),
        (json!({"type": "used_up", "at": time, "country": "Spain"}), "invalid_field", "country"),
    ] {
        let answer = signed(&site, &iccid, &event, &carrier_secret(&site), now).await;
        answer.problem(400, code, Some(field));
    }
    assert!(site.tables().await == before, "something was written");
    site.stop().await;
}

#[tokio::test]
async fn an_installed_card_is_bound_to_its_phone_and_not_given_back() {
    let site = Site::start().await;
    let (order, subscription, iccid) = sandbox_line(&site, PLAN).await;
    assert_eq!(order["cards"][0]["refundable"], json!({"eligible": "yes", "amount": {"amount": 500, "currency": "EUR"}}));
    assert_eq!(tell(&site, &iccid, json!({"type": "installed", "eid": EID, "via": "android_api"})).await, "recorded");
    let installed = site.read(&order).await;
    let card = &installed["cards"][0];
    assert_eq!(
        (&card["status"], &card["eid"], &card["refundable"]["code"]),
        (&json!("installed"), &json!(EID), &json!("installed"))
    );
    assert_eq!(read(&site, &subscription).await["eid"], EID);
    let problem = site.refunding(&order, None).send().await.problem(409, "not_refundable", None);
    assert_eq!(problem["reason"], "installed");

    site.swept().await;
    let before = site.tables().await;
    for kind in ["installed", "enabled", "disabled", "deleted"] {
        let (status, problem) = told(&site, &iccid, json!({"type": kind, "eid": OTHER_EID})).await;
        assert_eq!((status, &problem["code"]), (409, &json!("other_device")), "{kind}");
    }
    assert!(site.tables().await == before, "something was written");
    // The same phone may delete and install it again; it was installed all the same.
    for (seconds, (kind, result)) in (1..).zip([("disabled", "recorded"), ("deleted", "recorded"), ("installed", "recorded")]) {
        site.stack.clock().advance(Duration::from_secs(60 * seconds));
        assert_eq!(tell(&site, &iccid, json!({"type": kind, "eid": EID})).await, result, "{kind}");
        assert_eq!(site.read(&order).await["cards"][0]["refundable"]["code"], "installed");
    }

    assert_eq!(tell(&site, &iccid, json!({"type": "first_attach", "country": "ES"})).await, "recorded");
    let active = site.read(&order).await;
    let card = &active["cards"][0];
    assert_eq!((&card["status"], &card["refundable"]["code"]), (&json!("active"), &json!("activated")));
    assert!(card["startDate"].is_string() && card["endDate"].is_string());
    assert_eq!(site.refunding(&order, None).send().await.problem(409, "not_refundable", None)["reason"], "activated");
    site.stop().await;
}

#[tokio::test]
async fn a_plan_begins_at_its_first_attach_where_it_works() {
    let site = Site::start().await;
    let (_, subscription, iccid) = sandbox_line(&site, "sandbox-3gb-15d").await;
    let top_up = json!({"planId": "sandbox-5gb-30d", "payment": "balance"});
    let top_up = changing(&site, &subscription, "top-ups", &top_up).send().await.expect(201);
    site.until(&top_up, "completed", |order| order["fulfilment"] == "completed").await;
    // The first plan works in Spain, the second in Portugal as well; neither in Japan.
    assert_eq!(tell(&site, &iccid, json!({"type": "first_attach", "country": "JP"})).await, "recorded");
    assert_eq!(plan_statuses(&read(&site, &subscription).await), ["waiting", "waiting"]);
    assert_eq!(tell(&site, &iccid, json!({"type": "first_attach", "country": "PT"})).await, "recorded");
    assert_eq!(plan_statuses(&read(&site, &subscription).await), ["waiting", "running"]);
    assert_eq!(tell(&site, &iccid, json!({"type": "session", "inSession": true, "country": "PT"})).await, "recorded");
    assert_eq!(plan_statuses(&read(&site, &subscription).await), ["waiting", "running"]);
    // One that runs and works there is enough.
    assert_eq!(tell(&site, &iccid, json!({"type": "first_attach", "country": "ES"})).await, "known");
    assert_eq!(tell(&site, &iccid, json!({"type": "usage", "usedMb": 7, "country": "PT"})).await, "recorded");
    assert_eq!(tell(&site, &iccid, json!({"type": "used_up", "orderNum": num(&top_up)})).await, "recorded");
    site.advance("PT2H").await;
    let time = at(site.stack.clock().now());
    assert_eq!(tell(&site, &iccid, json!({"type": "first_attach", "country": "PT"})).await, "known");
    assert_eq!(tell(&site, &iccid, json!({"type": "first_attach", "country": "ES", "at": time})).await, "recorded");
    let both = read(&site, &subscription).await;
    assert_eq!(plan_statuses(&both), ["running", "over"]);
    assert_eq!((&both["plans"][0]["startDate"], &both["inSession"]), (&json!(time), &json!("yes")));
    let by_name = json!({"type": "usage", "usedMb": 9, "orderNum": both["orderNum"]});
    assert_eq!(tell(&site, &iccid, by_name).await, "recorded");
    let used: Vec<Value> = list(&read(&site, &subscription).await, "plans").iter().map(|plan| plan["usedMb"].clone()).collect();
    assert_eq!(used, [9, 7]);
    assert_eq!(tell(&site, &iccid, json!({"type": "session", "inSession": false})).await, "recorded");
    assert_eq!(read(&site, &subscription).await["inSession"], "no");
    audit(&site).await;
    site.stop().await;
}

/// What can be seen of a line that does not differ from one to the other.
async fn picture(site: &Site, order: &Value, subscription: &str) -> Value {
    let line = read(site, subscription).await;
    let plans: Vec<Value> = list(&line, "plans")
        .iter()
        .map(|plan| {
            let mut plan = plan.clone();
            plan.as_object_mut().unwrap().remove("orderNum");
            plan
        })
        .collect();
    let nums: Vec<&str> = list(&line, "orderNums").iter().map(|num| num.as_str().unwrap()).collect();
    let statuses = join_all(nums.iter().map(async |num| site.read(&json!({"orderNum": num})).await["status"].take())).await;
    let card = sim(site, line["iccid"].as_str().unwrap()).await;
    json!({
        "plans": plans, "inSession": line["inSession"], "eid": line["eid"], "statuses": statuses, "status": line["status"],
        "profile": card.profile, "usedMb": site.read(order).await["cards"][0]["usedMb"],
    })
}

#[tokio::test]
async fn events_come_to_the_same_in_any_sequence_and_however_often() {
    let site = Site::start().await;
    let mut lines = Vec::new();
    for _ in 0..7 {
        let (order, subscription, iccid) = sandbox_line(&site, "sandbox-5gb-30d").await;
        let body = json!({"planId": "sandbox-5gb-30d", "payment": "balance", "sendEmail": false});
        let top_up = changing(&site, &subscription, "top-ups", &body).send().await.expect(201);
        site.until(&top_up, "completed", |order| order["fulfilment"] == "completed").await;
        lines.push((order, top_up, subscription, iccid));
    }
    let begin = site.stack.clock().now();
    site.advance("P12D").await;
    let day = |days: i64| at(begin.plus_seconds(days * 86_400));
    let happened = |main: &Value, top_up: &Value| {
        vec![
            json!({"type": "installed", "at": day(1), "eid": EID, "via": "qr"}),
            json!({"type": "first_attach", "at": day(2), "country": "ES"}),
            json!({"type": "session", "at": day(2), "inSession": true, "country": "ES"}),
            json!({"type": "usage", "at": day(3), "usedMb": 1000, "orderNum": num(main)}),
            json!({"type": "session", "at": day(3), "inSession": false}),
            json!({"type": "disabled", "at": day(4), "eid": EID}),
            json!({"type": "enabled", "at": day(5), "eid": EID}),
            json!({"type": "session", "at": day(5), "inSession": true, "country": "PT"}),
            json!({"type": "usage", "at": day(6), "usedMb": 5000, "orderNum": num(main)}),
            json!({"type": "used_up", "at": day(7), "orderNum": num(main)}),
            json!({"type": "usage", "at": day(9), "usedMb": 700, "orderNum": num(top_up)}),
            json!({"type": "deleted", "at": day(10), "eid": EID}),
            json!({"type": "session", "at": day(10), "inSession": false}),
        ]
    };
    let mut pictures = Vec::new();
    for (round, (order, top_up, subscription, iccid)) in lines.iter().enumerate() {
        let mut events = happened(order, top_up);
        if round > 0 {
            let again: Vec<Value> = events.iter().filter(|_| fastrand::bool()).cloned().collect();
            events.extend(again);
            // That the card was seen at all comes first: what ends before it began is another story.
            fastrand::Rng::with_seed(round as u64).shuffle(&mut events[2..]);
        }
        for event in &events {
            assert!(["recorded", "known"].contains(&tell(&site, iccid, event.clone()).await.as_str()), "{event}");
        }
        // Once more: it is all known.
        for event in &events {
            assert_eq!(tell(&site, iccid, event.clone()).await, "known", "{event}");
        }
        let kinds: Vec<&Value> = events.iter().map(|event| &event["type"]).collect();
        pictures.push((kinds.iter().map(ToString::to_string).collect::<Vec<_>>(), picture(&site, order, subscription).await));
    }
    let (_, expected) = &pictures[0];
    assert_eq!((&expected["plans"][0]["reason"], &expected["plans"][0]["usedMb"]), (&json!("used_up"), &json!(5000)));
    assert_eq!((&expected["plans"][0]["startDate"], &expected["plans"][0]["endDate"]), (&json!(day(2)), &json!(day(7))));
    assert_eq!((&expected["plans"][1]["startDate"], &expected["plans"][1]["usedMb"]), (&json!(day(7)), &json!(700)));
    assert_eq!((&expected["statuses"], &expected["inSession"]), (&json!([5, 0]), &json!("no")));
    for (kinds, picture) in &pictures[1..] {
        assert_eq!(picture, expected, "{kinds:?}");
    }
    drained(&site).await;
    audit(&site).await;
    site.stop().await;
}

#[tokio::test]
async fn the_same_event_many_times_at_once_is_recorded_once() {
    let site = Site::start().await;
    let (_, subscription, iccid) = sandbox_line(&site, PLAN).await;
    let now = site.stack.clock().now();
    let secret = carrier_secret(&site);
    for event in [
        json!({"type": "installed", "at": at(now), "eid": EID}),
        json!({"type": "first_attach", "at": at(now), "country": "ES"}),
        json!({"type": "usage", "at": at(now), "usedMb": 100, "country": "ES"}),
    ] {
        let sent = join_all((0..10).map(|_| signed(&site, &iccid, &event, &secret, now))).await;
        let results: Vec<Value> = sent.iter().map(|answer| answer.expect(200)["result"].take()).collect();
        assert_eq!(results.iter().filter(|result| **result == "recorded").count(), 1, "{event}: {results:?}");
        assert_eq!(results.iter().filter(|result| **result == "known").count(), 9, "{event}: {results:?}");
    }
    // Reports that race are all taken in: the highest counter stays.
    let reports = (1..=10).map(|step| json!({"type": "usage", "at": at(now), "usedMb": 100 + 50 * step, "country": "ES"}));
    let reports: Vec<Value> = reports.collect();
    for answer in join_all(reports.iter().map(|event| signed(&site, &iccid, event, &secret, now))).await {
        answer.expect(200);
    }
    assert_eq!(read(&site, &subscription).await["plans"][0]["usedMb"], 600);
    site.stop().await;
}

#[tokio::test]
async fn an_order_is_over_once_all_that_it_brought_is() {
    let site = Site::start().await;
    let mut two = by_balance(PLAN);
    two["count"] = 2.into();
    let order = delivered(&site, &two).await;
    let card = |number: usize| order["cards"][number]["iccid"].as_str().unwrap();
    used(&site, card(0)).await;
    assert_eq!(tell(&site, card(0), json!({"type": "used_up"})).await, "recorded");
    let half = site.read(&order).await;
    assert_eq!(
        (&half["status"], &half["cards"][0]["status"], &half["cards"][1]["status"]),
        (&json!(0), &json!("ended"), &json!("ready"))
    );
    // The other one can still be given back.
    assert_eq!(half["cards"][1]["refundable"]["eligible"], "yes");
    assert_eq!(site.refunding(&order, Some(&[card(0)])).send().await.problem(409, "not_refundable", None)["reason"], "ended");
    used(&site, card(1)).await;
    assert_eq!(tell(&site, card(1), json!({"type": "expired"})).await, "recorded");
    let over = site.read(&order).await;
    assert_eq!((&over["status"], &over["statusName"], &over["owed"]), (&json!(5), &json!("ended"), &json!([])));
    let reasons: Vec<&Value> =
        list(&over, "history").iter().filter(|entry| entry["event"] == "ended").map(|entry| &entry["note"]).collect();
    assert_eq!(reasons, ["used_up", "expired"]);

    // What comes late changes nothing any more.
    site.swept().await;
    let before = site.tables().await;
    for event in [json!({"type": "used_up"}), json!({"type": "expired"}), json!({"type": "usage", "usedMb": 0})] {
        let mut late = event.clone();
        late["orderNum"] = order["orderNum"].clone();
        assert_eq!(tell(&site, card(0), late).await, "known", "{event}");
    }
    assert!(site.tables().await == before, "something was written");

    // An unlimited number of plans later it is the same: a plan that is used up by its counter is over too.
    let subscription = order["cards"][0]["subscriptionId"].as_str().unwrap();
    let body = json!({"planId": PLAN, "payment": "balance"});
    let more = changing(&site, subscription, "top-ups", &body).send().await.expect(201);
    site.until(&more, "completed", |order| order["fulfilment"] == "completed").await;
    assert_eq!(plan_statuses(&read(&site, subscription).await), ["over", "running"]);
    let all = json!({"type": "usage", "usedMb": 1024, "orderNum": more["orderNum"]});
    assert_eq!(tell(&site, card(0), all).await, "recorded");
    let more = site.read(&more).await;
    assert_eq!((&more["status"], &more["cards"][0]["usedMb"]), (&json!(5), &json!(1024)));
    drained(&site).await;
    audit(&site).await;
    site.stop().await;
}

#[tokio::test]
async fn a_card_that_nobody_installs_in_time_is_over() {
    let site = Site::start().await;
    let deadline = site.stack.clock().now().plus_seconds(60 * 86_400).to_string();
    let file = format!(
        "iccid,operator,imsiProfile,activateBefore\n{},sandbox,1,{}\n{},sandbox,1,{}\n",
        Iccid::with_check_digit("894911000000000001").unwrap(),
        &deadline[..10],
        Iccid::with_check_digit("894911000000000002").unwrap(),
        &deadline[..10],
    );
    site.post("/v1/inventory/imports").by(By::Manager).csv(file.clone()).send().await.expect(201);
    let wanted = |line: usize| {
        let mut draft = by_balance(PLAN);
        draft["iccids"] = json!([file.lines().nth(line).unwrap().split(',').next().unwrap()]);
        draft
    };
    let (idle, live) = (delivered(&site, &wanted(1)).await, delivered(&site, &wanted(2)).await);
    assert_eq!(&idle["cards"][0]["activateBefore"].as_str().unwrap()[..10], &deadline[..10]);
    assert_eq!(tell(&site, card(&live), json!({"type": "installed", "eid": EID})).await, "recorded");
    site.advance("P62D").await;
    let over = site.until(&idle, "over", |order| order["status"] == 5).await;
    assert_eq!(list(&over, "history").iter().rfind(|entry| entry["event"] == "ended").unwrap()["note"], "never_activated");
    let plan = read(&site, &subscription_of(&idle)).await["plans"][0].take();
    assert_eq!((&plan["status"], &plan["reason"], &plan["startDate"]), (&json!("over"), &json!("never_activated"), &Value::Null));
    assert_eq!(site.refunding(&idle, None).send().await.problem(409, "not_refundable", None)["reason"], "ended");
    assert_eq!(site.read(&live).await["status"], 0, "it was installed");
    assert_eq!(plan_statuses(&read(&site, &subscription_of(&live)).await), ["waiting"]);
    drained(&site).await;
    audit(&site).await;
    site.stop().await;
}

#[tokio::test]
async fn reports_about_cards_that_carry_nothing_are_harmless() {
    let site = Site::start().await;
    // In stock, and sold but not activated yet.
    site.local("pause", json!({"source": "provision", "paused": true})).await;
    let order = site.order(&by_balance(PLAN)).await;
    let sold = card(&order).to_owned();
    let stocked = Iccid::with_check_digit("894911000000000009").unwrap();
    let file = format!("iccid,operator,imsiProfile\n{stocked},sandbox,1\n");
    site.post("/v1/inventory/imports").by(By::Manager).csv(file).send().await.expect(201);
    for iccid in [sold.as_str(), stocked.as_str()] {
        for event in
            [json!({"type": "first_attach", "country": "ES"}), json!({"type": "used_up"}), json!({"type": "usage", "usedMb": 1})]
        {
            assert_eq!(tell(&site, iccid, event).await, "no_subscription");
        }
    }
    // A partner sees nothing of what is not sold.
    let installed = json!({"type": "installed", "at": at(site.stack.clock().now()), "eid": EID});
    reported(&site, By::Partner, stocked.as_str(), &installed).await.problem(404, "not_found", None);
    site.local("pause", json!({"source": "provision", "paused": false})).await;
    let order = site.settled(&order).await;
    assert_eq!(order["cards"][0]["status"], "ready");

    // After the end of it all.
    let asked = changing(&site, &subscription_of(&order), "cancellation", &json!({})).send().await.expect(201);
    site.until(&asked, "completed", |order| order["fulfilment"] == "completed").await;
    let before = read(&site, &subscription_of(&order)).await;
    for event in
        [json!({"type": "first_attach", "country": "ES"}), json!({"type": "expired"}), json!({"type": "usage", "usedMb": 5})]
    {
        assert_eq!(tell(&site, &sold, event).await, "known");
    }
    assert_eq!(read(&site, &subscription_of(&order)).await, before);
    managing(&site, &order, "notes", &json!({"note": "called the carrier"})).send().await.expect(200);
    drained(&site).await;
    audit(&site).await;
    site.stop().await;
}

#[tokio::test]
async fn a_card_that_is_for_sale_again_and_turns_up_on_a_phone_goes_off_sale() {
    let site = Site::start().await;
    let stock = site.available(POOL).await;
    let mut quiet = by_balance(PLAN);
    quiet["sendEmail"] = false.into();
    let order = site.order(&quiet).await;
    // Without codes, which nobody is shown.
    let quietly = async |what: &str, holds: fn(&Value) -> bool| {
        eventually(what, async || {
            let path = format!("/v1/orders/{}?codes=false", num(&order));
            Some(site.get(path).by(By::Manager).send().await.expect(200)).filter(holds)
        })
        .await
    };
    let iccid = card(&quietly("delivered", |order| order["fulfilment"] == "completed").await).to_owned();
    site.refunding(&order, None).send().await.expect(202);
    quietly("cancelled", |order| order["status"] == 2).await;
    sim_is(&site, &iccid, SimState::Returning).await;
    drained(&site).await;
    sim_is(&site, &iccid, SimState::Stocked).await;
    assert_eq!(site.available(POOL).await, stock);

    // Somebody had its code from elsewhere.
    for result in ["recorded", "known"] {
        let event = json!({"type": "installed", "eid": EID, "at": at(begin())});
        assert_eq!(site.reporting(&iccid, event).send().await.expect(200)["result"], result);
    }
    let aside = sim(&site, &iccid).await;
    assert_eq!((aside.state, aside.slot, aside.disclosed_at.is_some()), (SimState::SetAside, None, true));
    assert_eq!(site.available(POOL).await, stock - 1);
    let mut wanted = by_balance(PLAN);
    wanted["iccids"] = json!([iccid]);
    let wanted = site.order(&wanted).await;
    assert_eq!((&wanted["status"], &wanted["voidReason"]), (&json!(3), &json!("sold_out")));
    drained(&site).await;
    assert_eq!((sim(&site, &iccid).await.state, site.available(POOL).await), (SimState::SetAside, stock - 1));
    let found = simdock_local::examine(&site.store().await).await.unwrap();
    assert_eq!(found.found().iter().map(ToString::to_string).collect::<Vec<_>>(), [] as [String; 0]);
    audit(&site).await;
    site.stop().await;
}
