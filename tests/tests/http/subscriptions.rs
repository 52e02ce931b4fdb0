//! Subscriptions that live: renewed, topped up, swapped, suspended, cancelled.

use crate::acts::{
    EID, OTHER_EID, PLAN, POOL, asking, at_operator, audit, by_balance, card, changing, delivered, done, drained, events,
    mail_kinds, next_version, note, operator, paid_back, pause, plan_statuses, read, renewing, sim, sim_is, subscription_of,
    tell, told, until, used,
};
use crate::api::{By, PARTNER, Site, draft, eventually, list, num, unique};
use hyper::Method;
use serde_json::{Value, json};
use simdock_domain::Timestamp;
use simdock_store::SimState;

/// What a subscriber's address looks like.
fn address() -> Value {
    json!({"lines": ["Calle Mayor 1", "2º B"], "city": "Madrid", "postalCode": "28013", "country": "ES"})
}

/// Pays an order that was answered, and waits until the carrier did what it asks for.
async fn completed(site: &Site, order: &Value) -> Value {
    if order["status"] == -1 {
        assert_eq!(site.pay(order).await, "paid");
    }
    site.until(order, "completed", |order| order["fulfilment"] == "completed").await
}

/// A delivered order of a plan, its subscription and its card.
async fn line(site: &Site, plan: &str) -> (Value, String, String) {
    let order = delivered(site, &by_balance(plan)).await;
    let (subscription, card) = (subscription_of(&order), card(&order).to_owned());
    (order, subscription, card)
}

fn seconds(from: &Value, until: &Value) -> i64 {
    let time = |value: &Value| value.as_str().unwrap().parse::<Timestamp>().unwrap();
    time(until).seconds_since(time(from))
}

async fn balance(site: &Site) -> i64 {
    site.store().await.balance(PARTNER, "EUR".parse().unwrap()).await.unwrap().amount
}

// ------------------------------------------------------------------------------------------------------------------ renewals

#[tokio::test]
async fn a_renewal_is_appended_to_the_plan_that_runs() {
    let site = Site::start().await;
    let (order, subscription, iccid) = line(&site, PLAN).await;
    used(&site, &iccid).await;

    let asked = renewing(&site, &order, &json!({"payment": "card", "otherOrderId": "shop-2"})).send().await.expect(201);
    assert_eq!((&asked["type"], &asked["renewal"], &asked["renew"]), (&json!("renewal"), &json!(true), &json!(1)));
    assert_eq!((&asked["mainOrderNum"], &asked["subscriptionId"]), (&order["orderNum"], &json!(subscription)));
    assert_eq!((&asked["status"], &asked["price"]), (&json!(-1), &json!({"amount": 500, "currency": "EUR"})));
    assert_eq!((&asked["subscriber"], &asked["otherOrderId"]), (&order["subscriber"], &json!("shop-2")));
    assert_eq!(site.read(&order).await["renewOrderNum"], json!([]), "nobody paid for it yet");
    let renewal = site.settled(&completed(&site, &asked).await).await;
    assert_eq!((&renewal["status"], &renewal["cards"][0]["iccid"]), (&json!(0), &json!(iccid)));
    assert_eq!(renewal["cards"][0]["code"], Value::Null, "its code went with the order that brought it");
    assert_eq!(mail_kinds(&renewal), ["confirmation"]);
    assert_eq!(site.mails(&renewal, "qr").await.len(), 0);
    let main = site.read(&order).await;
    assert_eq!((&main["renewOrderNum"], &main["renewal"], &main["renew"]), (&json!([num(&renewal)]), &json!(false), &json!(0)));
    assert_eq!(note(&main, "renewed"), num(&renewal));
    assert_eq!(at_operator(&site, &iccid).await.0, [num(&order), num(&renewal)]);

    // It waits for the end of the first, and begins at that very second.
    let before = read(&site, &subscription).await;
    assert_eq!(plan_statuses(&before), ["running", "waiting"]);
    assert_eq!(before["orderNums"], json!([num(&order), num(&renewal)]));
    assert_eq!(seconds(&before["plans"][0]["startDate"], &before["plans"][0]["endDate"]), 7 * 86_400);
    site.advance("P7D").await;
    let after = until(&site, &subscription, "renewed", |subscription| plan_statuses(subscription) == ["over", "running"]).await;
    assert_eq!(after["plans"][0]["reason"], "expired");
    assert_eq!(after["plans"][1]["startDate"], before["plans"][0]["endDate"]);
    assert_eq!(seconds(&after["plans"][1]["startDate"], &after["plans"][1]["endDate"]), 7 * 86_400);
    let [main, renewal] = [site.read(&order).await, site.read(&renewal).await];
    assert_eq!(
        (&main["status"], &main["statusName"], &main["cards"][0]["status"]),
        (&json!(5), &json!("ended"), &json!("ended"))
    );
    assert_eq!((&renewal["status"], &renewal["cards"][0]["status"]), (&json!(0), &json!("active")));
    audit(&site).await;
    site.stop().await;
}

#[tokio::test]
async fn a_renewal_of_a_renewal_hangs_on_the_main_order_and_may_be_another_plan() {
    let site = Site::start().await;
    let (order, subscription, iccid) = line(&site, PLAN).await;
    let first = completed(&site, &renewing(&site, &order, &json!({"payment": "balance"})).send().await.expect(201)).await;
    let other = json!({"payment": "balance", "planId": "sandbox-5gb-30d", "addOnIds": ["data-1gb"], "sendEmail": false});
    let second = completed(&site, &renewing(&site, &first, &other).send().await.expect(201)).await;
    assert_eq!((&second["mainOrderNum"], &second["planId"]), (&order["orderNum"], &json!("sandbox-5gb-30d")));
    assert_eq!((&second["price"]["amount"], &second["emails"]), (&json!(1700), &json!([])));
    let main = site.read(&order).await;
    assert_eq!(main["renewOrderNum"], json!([num(&first), num(&second)]));
    assert_eq!(site.read(&first).await["renewOrderNum"], json!([]));
    let plans = read(&site, &subscription).await["plans"].take();
    assert_eq!((&plans[2]["planId"], &plans[2]["dataMb"]), (&json!("sandbox-5gb-30d"), &json!(6144)));
    assert_eq!(at_operator(&site, &iccid).await.0.len(), 3);

    // Whichever order of the chain is named, it is the main order's plan that is renewed.
    let third = renewing(&site, &second, &json!({"payment": "balance"})).send().await.expect(201);
    assert_eq!((&third["planId"], &third["mainOrderNum"]), (&json!(PLAN), &order["orderNum"]));
    completed(&site, &third).await;

    // Even once all of them are over: the time begins anew.
    used(&site, &iccid).await;
    site.advance("P60D").await;
    until(&site, &subscription, "over", |subscription| plan_statuses(subscription) == ["over"; 4]).await;
    for order in [&order, &first, &second, &third] {
        site.until(order, "ended", |order| order["status"] == 5).await;
    }
    let late = renewing(&site, &order, &json!({"payment": "balance"})).send().await.expect(201);
    let late = completed(&site, &late).await;
    let after = read(&site, &subscription).await;
    assert_eq!(plan_statuses(&after), ["over", "over", "over", "over", "running"]);
    assert_eq!(after["plans"][4]["startDate"], late["payments"][0]["receivedAt"]);
    assert_eq!((&late["status"], list(&site.read(&order).await, "renewOrderNum").len()), (&json!(0), 4));
    audit(&site).await;
    site.stop().await;
}

#[tokio::test]
async fn a_withdrawn_plan_is_sold_to_nobody_and_what_was_sold_goes_on() {
    const OLD: &str = "sandbox-5gb-30d";
    const GIFT: &str = "sandbox-gift-1gb-7d";
    let site = Site::start().await;
    let (order, subscription, _) = line(&site, OLD).await;
    let unpaid = site.order(&draft(OLD)).await;
    let put = async |plan: &str, withdrawn: bool| {
        let mut body = next_version(&site, plan).await;
        body["withdrawn"] = withdrawn.into();
        let shown = site.call(Method::PUT, format!("/v1/plans/{plan}")).by(By::Manager).json(&body).send().await.expect(201);
        assert_eq!(shown["withdrawn"], withdrawn);
        let log = site.get("/v1/audit").by(By::Manager).send().await.expect(200);
        assert_eq!(log["items"][0]["details"].as_str().unwrap().ends_with(", withdrawn"), withdrawn, "{log}");
        // What partners order goes by what a function has read within the last minute.
        site.advance("PT1M").await;
    };
    put(OLD, true).await;
    put(GIFT, true).await;

    let plan = json!({"planId": OLD, "payment": "card"});
    let gift = json!({"planId": GIFT, "payment": "complimentary", "eligibleSubscriptionId": subscription});
    let by_manager = |changes: &Value| {
        let mut body = draft(OLD);
        body["partnerId"] = PARTNER.into();
        body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        body
    };
    let mut by_partner = by_manager(&gift);
    by_partner.as_object_mut().unwrap().remove("partnerId");
    for (sold, who) in [
        (site.ordering(&draft(OLD)), "you"),
        (site.ordering(&by_partner), "you"),
        (site.ordering(&by_manager(&plan)).by(By::Manager), "this partner"),
        (site.ordering(&by_manager(&gift)).by(By::Manager), "this partner"),
        (renewing(&site, &order, &json!({"payment": "card"})), "you"),
        (changing(&site, &subscription, "top-ups", &plan), "you"),
        (changing(&site, &subscription, "top-ups", &plan).by(By::Manager), "this partner"),
    ] {
        let refused = sold.send().await.problem(404, "plan_not_found", Some("planId"));
        assert!(refused["detail"].as_str().unwrap().ends_with(&format!("that {who} can sell.")), "{refused}");
    }

    assert_eq!(site.pay(&unpaid).await, "paid", "it was ordered before");
    let more = json!({"addOnIds": ["data-1gb"], "payment": "balance"});
    completed(&site, &changing(&site, &subscription, "top-ups", &more).send().await.expect(201)).await;
    let other = json!({"payment": "balance", "planId": PLAN});
    completed(&site, &renewing(&site, &order, &other).send().await.expect(201)).await;
    let swap = changing(&site, &subscription, "sim-swap", &json!({"payment": "balance"})).send().await.expect(201);
    site.settled(&swap).await;

    put(OLD, false).await;
    site.ordering(&draft(OLD)).send().await.expect(201);
    audit(&site).await;
    site.stop().await;
}

#[tokio::test]
async fn what_cannot_be_renewed_is_refused_with_its_reason() {
    let site = Site::start().await;
    let by_card = json!({"payment": "card"});
    pause(&site, "provision", true).await;
    let early = site.paid(&draft(PLAN)).await;
    let problem = renewing(&site, &early, &by_card).send().await.problem(409, "not_possible", None);
    assert_eq!(problem["reason"], "in_progress");
    pause(&site, "provision", false).await;
    let with_plan = |plan: &str| json!({"payment": "card", "planId": plan});
    let (eu, _, _) = line(&site, "eu-5gb-30d").await;
    let (asia, _, _) = line(&site, "asia-3gb-30d").await;
    let (other, _, _) = line(&site, PLAN).await;

    // Sold once (flowType 1): as the plan that is there, as the plan that follows, or both.
    for (order, body) in [(&asia, &by_card), (&eu, &with_plan("asia-3gb-30d")), (&asia, &with_plan("eu-5gb-30d"))] {
        renewing(&site, order, body).send().await.problem(409, "not_renewable", Some("planId"));
    }
    let problem = renewing(&site, &eu, &with_plan("world-2gb-30d")).send().await.problem(409, "profile_mismatch", Some("planId"));
    assert!(problem["detail"].as_str().unwrap().contains("Order a new line"), "{problem}");
    for plan in ["nordic-2gb-14d", "no-such-plan"] {
        renewing(&site, &eu, &with_plan(plan)).send().await.problem(404, "plan_not_found", Some("planId"));
    }
    renewing(&site, &eu, &json!({})).send().await.problem(400, "missing_field", Some("payment"));
    renewing(&site, &eu, &json!({"payment": "complimentary"})).send().await.problem(400, "invalid_field", Some("payment"));
    renewing(&site, &eu, &by_card).by(By::OtherPartner).send().await.problem(404, "not_found", None);
    renewing(&site, &eu, &by_card).by(By::Nobody).header("Authorization", "").send().await.problem(401, "unauthenticated", None);
    let missing = site.post(format!("/v1/orders/{}/renewal", num(&eu))).by(By::Partner).json(&by_card);
    missing.send().await.problem(400, "idempotency_key_missing", Some("Idempotency-Key"));
    let unpaid = site.order(&draft(PLAN)).await;
    renewing(&site, &unpaid, &by_card).send().await.problem(409, "not_possible", None);

    // One key is one renewal.
    let key = format!("once-{}", unique());
    let once = |order: &Value, body: &Value| renewing(&site, order, body).header("Idempotency-Key", &key);
    let first = once(&eu, &by_card).send().await.expect(201);
    let again = once(&eu, &by_card).send().await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.expect(200), first);
    once(&eu, &json!({"payment": "balance"})).send().await.problem(422, "idempotency_key_reused", Some("Idempotency-Key"));
    once(&other, &by_card).send().await.problem(422, "idempotency_key_reused", Some("Idempotency-Key"));

    // Of several cards, one has to be named.
    let mut two = by_balance(PLAN);
    two["count"] = 2.into();
    let two = delivered(&site, &two).await;
    renewing(&site, &two, &by_card).send().await.problem(400, "missing_field", Some("iccid"));
    let stranger = json!({"payment": "card", "iccid": card(&eu)});
    renewing(&site, &two, &stranger).send().await.problem(400, "invalid_field", Some("iccid"));
    let second = json!({"payment": "balance", "iccid": two["cards"][1]["iccid"]});
    let renewal = renewing(&site, &two, &second).send().await.expect(201);
    assert_eq!(renewal["subscriptionId"], two["cards"][1]["subscriptionId"]);
    audit(&site).await;
    site.stop().await;
}

// ------------------------------------------------------------------------------------------------------------------- top-ups

#[tokio::test]
async fn a_top_up_brings_a_plan_with_add_ons_or_add_ons_to_the_plan_that_is_there() {
    let site = Site::start().await;
    let (order, subscription, iccid) = line(&site, "sandbox-5gb-30d").await;
    used(&site, &iccid).await;
    let both = json!({"planId": "sandbox-5gb-30d", "addOnIds": ["data-1gb", "data-1gb", "voice-eu-60"], "payment": "card"});
    let asked = changing(&site, &subscription, "top-ups", &both).send().await.expect(201);
    assert_eq!((&asked["type"], &asked["renewal"], &asked["renew"]), (&json!("top_up_subscription"), &json!(false), &json!(0)));
    assert_eq!((&asked["price"]["amount"], &asked["subscriptionId"]), (&json!(1500 + 400 + 350), &json!(subscription)));
    assert_eq!(asked["mainOrderNum"], Value::Null);
    let top_up = site.settled(&completed(&site, &asked).await).await;
    assert_eq!((&top_up["status"], mail_kinds(&top_up)), (&json!(0), vec!["confirmation"]));
    let confirmation = site.mail(&top_up, "confirmation").await;
    assert!(confirmation.contains("22.50") && confirmation.contains("60 minutes within Europe"), "{confirmation}");
    assert!(!confirmation.contains("LPA:1$"));

    let only = json!({"addOnIds": ["data-1gb"], "payment": "balance"});
    let data = completed(&site, &changing(&site, &subscription, "top-ups", &only).send().await.expect(201)).await;
    assert_eq!((&data["price"]["amount"], &data["type"]), (&json!(200), &json!("top_up_subscription")));
    let stands = read(&site, &subscription).await;
    assert_eq!(plan_statuses(&stands), ["running", "waiting"]);
    assert_eq!((&stands["plans"][0]["dataMb"], &stands["plans"][1]["dataMb"]), (&json!(6144), &json!(7168)));
    assert_eq!(stands["plans"][0]["addOnIds"], json!(["data-1gb"]));
    let mut later = [num(&data), num(&top_up)];
    later.sort_unstable();
    let mut listed: Vec<&str> = list(&stands, "orderNums").iter().map(|num| num.as_str().unwrap()).collect();
    listed[1..].sort_unstable();
    assert_eq!(listed, [num(&order), later[0], later[1]], "the main order first, the others as they came");
    assert_eq!(site.read(&order).await["renewOrderNum"], json!([]), "a top-up is no renewal");
    assert_eq!(at_operator(&site, &iccid).await.0, [num(&order), num(&top_up), num(&data)]);

    // What was used up with the plan is over with it; the next one begins.
    assert_eq!(tell(&site, &iccid, json!({"type": "usage", "usedMb": 6144, "country": "ES"})).await, "recorded");
    let after = read(&site, &subscription).await;
    assert_eq!((plan_statuses(&after), &after["plans"][0]["reason"]), (vec!["over", "running"], &json!("used_up")));
    for (order, status) in [(&order, 5), (&data, 5), (&top_up, 0)] {
        assert_eq!(site.read(order).await["status"], status, "{}", num(order));
    }
    audit(&site).await;
    site.stop().await;
}

#[tokio::test]
async fn add_ons_keep_to_the_limits_over_the_plan_that_they_go_with() {
    let site = Site::start().await;
    let mut rich = by_balance("eu-5gb-30d");
    rich["addOnIds"] = json!([vec!["data-1gb"; 13], vec!["voice-eu-60"]].concat());
    let order = delivered(&site, &rich).await;
    let subscription = subscription_of(&order);
    let add_ons = |ids: Value| json!({"addOnIds": ids, "payment": "balance"});
    let refused = async |body: Value, status: u16, code: &str, field: &str| {
        changing(&site, &subscription, "top-ups", &body).send().await.problem(status, code, Some(field))
    };
    refused(add_ons(json!(["data-1gb", "data-1gb", "data-3gb"])), 400, "invalid_field", "addOnIds").await;
    refused(add_ons(json!(["voice-eu-60"])), 400, "invalid_field", "addOnIds").await;
    refused(add_ons(json!(["voice-mars"])), 404, "add_on_not_found", "addOnIds").await;
    refused(add_ons(json!([])), 400, "missing_field", "planId").await;
    refused(json!({"payment": "balance"}), 400, "missing_field", "planId").await;
    for ids in [json!(["data-1gb", "data-3gb"]), json!(["voice-world-30"])] {
        completed(&site, &changing(&site, &subscription, "top-ups", &add_ons(ids)).send().await.expect(201)).await;
    }
    refused(add_ons(json!(["data-1gb"])), 400, "invalid_field", "addOnIds").await;
    refused(add_ons(json!(["voice-world-30"])), 400, "invalid_field", "addOnIds").await;
    assert_eq!(read(&site, &subscription).await["plans"][0]["dataMb"], 5120 + 14 * 1024 + 3072);

    // A plan of its own brings its own limits.
    let with_plan = |ids: Vec<&str>| json!({"planId": "eu-5gb-30d", "addOnIds": ids, "payment": "balance"});
    refused(with_plan(vec!["data-1gb"; 16]), 400, "invalid_field", "addOnIds").await;
    refused(with_plan(vec!["voice-eu-60"; 2]), 400, "invalid_field", "addOnIds").await;
    let full = with_plan([vec!["data-1gb"; 15], vec!["voice-eu-60", "voice-world-30"]].concat());
    completed(&site, &changing(&site, &subscription, "top-ups", &full).send().await.expect(201)).await;
    assert_eq!(list(&read(&site, &subscription).await, "plans").len(), 2);
    audit(&site).await;
    site.stop().await;
}

#[tokio::test]
async fn a_subscription_takes_what_it_can_hold_and_add_ons_only_to_a_plan() {
    let site = Site::start().await;
    let (_, subscription, iccid) = line(&site, "eu-5gb-30d").await;
    let plan = json!({"planId": "eu-trial-100mb-1d", "payment": "balance", "sendEmail": false});
    let add_ons = json!({"addOnIds": ["data-1gb"], "payment": "balance", "sendEmail": false});
    for _ in 0..14 {
        completed(&site, &changing(&site, &subscription, "top-ups", &plan).send().await.expect(201)).await;
    }
    let problem = changing(&site, &subscription, "top-ups", &plan).send().await.problem(409, "subscription_closed", None);
    assert_eq!(problem["reason"], "full");
    let more = completed(&site, &changing(&site, &subscription, "top-ups", &add_ons).send().await.expect(201)).await;
    assert_eq!(more["price"]["amount"], 300);
    assert_eq!(list(&read(&site, &subscription).await, "plans").len(), 15);
    assert_eq!(sim(&site, &iccid).await.state, SimState::Active);

    let (_, subscription, iccid) = line(&site, "sandbox-5gb-30d").await;
    used(&site, &iccid).await;
    let early = changing(&site, &subscription, "top-ups", &json!({"addOnIds": ["data-1gb"], "payment": "card"})).send().await;
    assert_eq!(tell(&site, &iccid, json!({"type": "used_up"})).await, "recorded");
    let problem = changing(&site, &subscription, "top-ups", &add_ons).send().await.problem(409, "subscription_closed", None);
    assert_eq!(problem["reason"], "no_plan");
    // Paid for while there was one, and too late by now.
    let early = early.expect(201);
    assert_eq!(site.pay(&early).await, "owed_back");
    assert_eq!(paid_back(&site, &early).await["voidReason"], "subscription_closed");
    audit(&site).await;
    site.stop().await;
}

#[tokio::test]
async fn a_plan_that_the_card_does_not_carry_is_refused_with_the_way_out() {
    let site = Site::start().await;
    let (_, subscription, _) = line(&site, "eu-5gb-30d").await;
    let japan = json!({"planId": "japan-1gb-8d", "payment": "card"});
    let problem = changing(&site, &subscription, "top-ups", &japan).send().await.problem(409, "profile_mismatch", Some("planId"));
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("meridian 7") && detail.contains("Order a new line"), "{detail}");
    for plan in ["nordic-2gb-14d", "no-such-plan"] {
        let body = json!({"planId": plan, "payment": "card"});
        changing(&site, &subscription, "top-ups", &body).send().await.problem(404, "plan_not_found", Some("planId"));
    }
    let fits = json!({"planId": "eu-trial-100mb-1d", "payment": "balance"});
    changing(&site, &subscription, "top-ups", &fits).by(By::OtherPartner).send().await.problem(404, "not_found", None);
    changing(&site, "SU0000000000000000", "top-ups", &fits).send().await.problem(404, "not_found", None);
    // Another plan of the same profile fits; it costs nothing, so it is there at once.
    let asked = changing(&site, &subscription, "top-ups", &fits).send().await.expect(201);
    assert_eq!((&asked["status"], &asked["payments"][0]["provider"]), (&json!(0), &json!("free")));
    assert_eq!(asked["fulfilment"], "completed", "nobody has to be asked about a preloaded card");
    site.stop().await;
}

#[tokio::test]
async fn one_off_plans_stack() {
    let site = Site::start().await;
    let (order, subscription, iccid) = line(&site, "sandbox-3gb-15d").await;
    let same = json!({"planId": "sandbox-3gb-15d", "payment": "balance"});
    let second = completed(&site, &changing(&site, &subscription, "top-ups", &same).send().await.expect(201)).await;
    used(&site, &iccid).await;
    // The second one is there when the first is over, and starts with the first use after that.
    assert_eq!(plan_statuses(&read(&site, &subscription).await), ["running", "waiting"]);
    assert_eq!(tell(&site, &iccid, json!({"type": "used_up"})).await, "recorded");
    assert_eq!(plan_statuses(&read(&site, &subscription).await), ["over", "waiting"]);
    site.advance("P2D").await;
    assert_eq!(tell(&site, &iccid, json!({"type": "session", "inSession": true, "country": "ES"})).await, "recorded");
    let after = read(&site, &subscription).await;
    assert_eq!((plan_statuses(&after), &after["inSession"]), (vec!["over", "running"], &json!("yes")));
    assert!(seconds(&after["plans"][0]["endDate"], &after["plans"][1]["startDate"]) >= 2 * 86_400);
    assert_eq!(seconds(&after["plans"][1]["startDate"], &after["plans"][1]["endDate"]), 15 * 86_400);
    assert_eq!([site.read(&order).await["status"].take(), site.read(&second).await["status"].take()], [5, 0]);
    audit(&site).await;
    site.stop().await;
}

#[tokio::test]
async fn money_for_a_subscription_that_has_ended_meanwhile_goes_back() {
    let site = Site::start().await;
    let (order, subscription, iccid) = line(&site, PLAN).await;
    let top_up = json!({"planId": PLAN, "payment": "card"});
    let late = [
        changing(&site, &subscription, "top-ups", &top_up).send().await.expect(201),
        renewing(&site, &order, &json!({"payment": "card"})).send().await.expect(201),
    ];
    completed(&site, &changing(&site, &subscription, "cancellation", &json!({})).send().await.expect(201)).await;
    for order in &late {
        assert_eq!(site.pay(order).await, "owed_back");
        let back = paid_back(&site, order).await;
        assert_eq!((&back["status"], &back["voidReason"]), (&json!(3), &json!("subscription_closed")));
        assert_eq!((&back["payments"][0]["reason"], &back["owed"]), (&json!("subscription_closed"), &json!([])));
        let report = site.get("/_local/stripe").send().await.expect(200);
        let made = list(&report, "refunds").iter().filter(|refund| refund["metadata"]["orderNum"] == order["orderNum"]);
        assert_eq!(made.map(|refund| refund["amount"].clone()).collect::<Vec<_>>(), [500]);
    }
    assert_eq!(site.read(&order).await["renewOrderNum"], json!([]));
    // From now on it is refused before anybody pays.
    let problem = changing(&site, &subscription, "top-ups", &top_up).send().await.problem(409, "subscription_closed", None);
    assert_eq!(problem["reason"], "ended");
    let problem = renewing(&site, &order, &json!({"payment": "card"})).send().await.problem(409, "subscription_closed", None);
    assert_eq!(problem["reason"], "ended");
    assert_eq!(done(&site, "changed", &iccid).await, [] as [Value; 0]);
    audit(&site).await;
    site.stop().await;
}

#[tokio::test]
async fn what_the_carrier_will_not_add_is_paid_back_and_taken_off() {
    let site = Site::start().await;
    let (_, subscription, iccid) = line(&site, PLAN).await;
    let top_up = json!({"planId": PLAN, "payment": "balance"});
    operator(&site, "fail", 1).await;
    let late = changing(&site, &subscription, "top-ups", &top_up).send().await.expect(201);
    site.until(&late, "put off", |order| events(order).contains(&"provisioning_delayed")).await;
    site.held_back("provision").await;
    site.advance("PT35S").await;
    completed(&site, &late).await;

    let before = balance(&site).await;
    operator(&site, "refuse", 1).await;
    let refused = changing(&site, &subscription, "top-ups", &top_up).send().await.expect(201);
    let refused = paid_back(&site, &refused).await;
    assert_eq!((&refused["status"], &refused["fulfilment"]), (&json!(2), &json!("failed")));
    assert_eq!((&refused["refunds"][0]["reason"], balance(&site).await), (&json!("provisioning_failed"), before));
    let stands = read(&site, &subscription).await;
    assert_eq!(plan_statuses(&stands), ["waiting", "waiting", "over"]);
    assert_eq!(stands["plans"][2]["reason"], "cancelled");
    assert_eq!(at_operator(&site, &iccid).await.0.len(), 2);
    audit(&site).await;
    site.stop().await;
}

#[tokio::test]
async fn a_top_up_that_has_not_begun_can_be_given_back() {
    let site = Site::start().await;
    let (order, subscription, iccid) = line(&site, PLAN).await;
    used(&site, &iccid).await;
    let top_up = json!({"planId": PLAN, "payment": "balance"});
    let first = completed(&site, &changing(&site, &subscription, "top-ups", &top_up).send().await.expect(201)).await;
    assert_eq!(first["cards"][0]["refundable"]["eligible"], "yes");
    site.refunding(&first, None).send().await.expect(202);
    let back = paid_back(&site, &first).await;
    assert_eq!((&back["status"], &back["cards"][0]["status"]), (&json!(2), &json!("cancelled")));
    assert_eq!(at_operator(&site, &iccid).await.0, [num(&order)]);
    let stands = read(&site, &subscription).await;
    assert_eq!((plan_statuses(&stands), &stands["status"]), (vec!["running", "over"], &json!("active")));
    assert_eq!(sim(&site, &iccid).await.state, SimState::Active, "only what it brought is gone");

    // Once it runs, it is too late.
    let second = completed(&site, &changing(&site, &subscription, "top-ups", &top_up).send().await.expect(201)).await;
    assert_eq!(tell(&site, &iccid, json!({"type": "used_up"})).await, "recorded");
    assert_eq!(plan_statuses(&read(&site, &subscription).await), ["over", "over", "running"]);
    let problem = site.refunding(&second, None).send().await.problem(409, "not_refundable", None);
    assert_eq!(problem["reason"], "activated");
    audit(&site).await;
    site.stop().await;
}

// ------------------------------------------------------------------------------------------------------------- cancellations

#[tokio::test]
async fn a_cancellation_stops_the_card_and_ends_everything_on_it() {
    let site = Site::start().await;
    let (order, subscription, iccid) = line(&site, "sandbox-5gb-30d").await;
    used(&site, &iccid).await;
    let top_up = json!({"planId": "sandbox-5gb-30d", "payment": "balance"});
    let waiting = completed(&site, &changing(&site, &subscription, "top-ups", &top_up).send().await.expect(201)).await;
    let data = json!({"addOnIds": ["data-1gb"], "payment": "card"});
    let data = completed(&site, &changing(&site, &subscription, "top-ups", &data).send().await.expect(201)).await;
    let before = balance(&site).await;

    for body in [json!({"planId": PLAN}), json!({"addOnIds": ["data-1gb"]})] {
        let field = body.as_object().unwrap().keys().next().unwrap().clone();
        changing(&site, &subscription, "cancellation", &body).send().await.problem(400, "unknown_field", Some(&field));
    }
    pause(&site, "provision", true).await;
    let key = format!("end-{}", unique());
    let cancelling = || changing(&site, &subscription, "cancellation", &json!({})).header("Idempotency-Key", &key);
    let asked = cancelling().send().await.expect(201);
    assert_eq!((&asked["type"], &asked["status"]), (&json!("cancel_subscription"), &json!(0)));
    assert_eq!((&asked["price"]["amount"], &asked["fulfilment"]), (&json!(0), &json!("fulfilling")));
    let under_way = read(&site, &subscription).await;
    assert_eq!(under_way["openChange"], json!({"kind": "cancellation", "orderNum": asked["orderNum"], "newIccid": null}));
    // Until the carrier has answered, nothing else can be done with it.
    let swapping = json!({"payment": "balance"});
    for (action, body) in
        [("top-ups", &top_up), ("cancellation", &json!({})), ("sim-swap", &swapping), ("suspension", &json!({}))]
    {
        let problem = changing(&site, &subscription, action, body).send().await.problem(409, "subscription_closed", None);
        assert_eq!(problem["reason"], "cancellation", "{action}");
    }
    let problem = site.refunding(&order, None).send().await.problem(409, "subscription_closed", None);
    assert_eq!(problem["reason"], "cancellation");
    pause(&site, "provision", false).await;

    let cancelled = completed(&site, &asked).await;
    assert_eq!((&cancelled["status"], &cancelled["emails"]), (&json!(0), &json!([])));
    assert_eq!(cancelled["cards"][0]["refundable"]["code"], "not_cancellable");
    let after = read(&site, &subscription).await;
    assert_eq!(
        (&after["status"], &after["endReason"], &after["openChange"]),
        (&json!("ended"), &json!("cancelled"), &Value::Null)
    );
    assert!(after["endedAt"].is_string());
    assert!(list(&after, "plans").iter().all(|plan| plan["status"] == "over" && plan["reason"] == "cancelled"));
    // An installed profile is stopped by force only.
    assert_eq!(done(&site, "revoked", &iccid).await.len(), 1);
    assert_eq!(sim(&site, &iccid).await.state, SimState::Retired);
    // What had begun is over; what had not is paid back.
    let ended = site.read(&order).await;
    assert_eq!((&ended["status"], &ended["owed"], &ended["refunds"]), (&json!(5), &json!([]), &json!([])));
    let ended = site.read(&data).await;
    assert_eq!((&ended["status"], &ended["refunds"]), (&json!(5), &json!([])));
    let back = paid_back(&site, &waiting).await;
    assert_eq!((&back["status"], balance(&site).await), (&json!(2), before + 1500));

    let again = cancelling().send().await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.expect(200)["orderNum"], asked["orderNum"]);
    for (action, body) in
        [("top-ups", &top_up), ("cancellation", &json!({})), ("sim-swap", &swapping), ("suspension", &json!({}))]
    {
        let problem = changing(&site, &subscription, action, body).send().await.problem(409, "subscription_closed", None);
        assert_eq!(problem["reason"], "ended", "{action}");
    }
    drained(&site).await;
    // Everything that ever happened to it is found by its card.
    let all = [&order, &waiting, &data, &cancelled].map(|order| order["orderNum"].clone());
    let listed = site.get(format!("/v1/orders?iccid={iccid}")).by(By::Partner).send().await.expect(200);
    let mut listed: Vec<Value> = list(&listed, "items").iter().map(|order| order["orderNum"].clone()).collect();
    listed.sort_by_key(Value::to_string);
    let mut expected = all.to_vec();
    expected.sort_by_key(Value::to_string);
    assert_eq!(listed, expected);
    assert_eq!(read(&site, &subscription).await["orderNums"].as_array().map(Vec::len), Some(4));
    let counted = audit(&site).await;
    assert_eq!((counted.open, counted.changing), (0, 0));
    site.stop().await;
}

#[tokio::test]
async fn what_a_cancellation_gives_back_follows_the_plans_rules() {
    let site = Site::start().await;
    let before = balance(&site).await;
    // Plan, whether it was installed before, and the status and money that its order ends with.
    let mut kept = 0;
    for (plan, price, installed, days, status, back) in [
        ("sandbox-1gb-7d", 500, false, 0, 2, 500),
        ("sandbox-1gb-7d", 500, true, 0, 5, 0),
        ("eu-5gb-30d", 1450, false, 100, 2, 1450),
        ("asia-3gb-30d", 1690, false, 1, 2, 1690),
        ("asia-3gb-30d", 1690, false, 15, 5, 0),
    ] {
        let (order, subscription, iccid) = line(&site, plan).await;
        if installed {
            assert_eq!(tell(&site, &iccid, json!({"type": "installed", "eid": EID})).await, "recorded");
        }
        if days > 0 {
            site.advance(&format!("P{days}D")).await;
        }
        completed(&site, &changing(&site, &subscription, "cancellation", &json!({})).send().await.expect(201)).await;
        if back > 0 {
            paid_back(&site, &order).await;
        }
        let order = site.read(&order).await;
        assert_eq!((&order["status"], &order["owed"]), (&json!(status), &json!([])), "{plan} {installed} {days}");
        assert_eq!(list(&order, "refunds").len(), usize::from(back > 0), "{plan} {installed} {days}");
        assert_eq!(sim(&site, &iccid).await.state, SimState::Retired);
        kept += price - back;
        let problem = site.refunding(&order, None).send().await;
        if back > 0 {
            assert_eq!(problem.expect(200)["status"], 2, "it was given back already");
        } else {
            assert_eq!(problem.problem(409, "not_refundable", None)["reason"], "ended");
        }
    }
    assert_eq!(balance(&site).await, before - kept);
    audit(&site).await;
    site.stop().await;
}

#[tokio::test]
async fn a_carrier_that_cannot_end_a_subscription_is_asked_again_and_one_that_will_not_leaves_it() {
    let site = Site::start().await;
    let (order, subscription, iccid) = line(&site, PLAN).await;
    operator(&site, "refuse", 1).await;
    let asked = changing(&site, &subscription, "cancellation", &json!({})).send().await.expect(201);
    let failed = site.until(&asked, "failed", |order| order["fulfilment"] == "failed").await;
    assert_eq!((&failed["status"], &failed["owed"]), (&json!(2), &json!([])));
    assert!(note(&failed, "provisioning_failed").contains("refuse"));
    let free = read(&site, &subscription).await;
    assert_eq!((&free["status"], &free["openChange"], plan_statuses(&free)), (&json!("active"), &Value::Null, vec!["waiting"]));
    assert_eq!(site.read(&order).await["status"], 0);
    audit(&site).await;

    operator(&site, "fail", 1).await;
    let asked = changing(&site, &subscription, "cancellation", &json!({})).send().await.expect(201);
    site.until(&asked, "put off", |order| events(order).contains(&"provisioning_delayed")).await;
    assert_eq!(read(&site, &subscription).await["openChange"]["kind"], "cancellation");
    site.held_back("provision").await;
    site.advance("PT35S").await;
    completed(&site, &asked).await;
    assert_eq!(read(&site, &subscription).await["status"], "ended");
    assert_eq!(done(&site, "revoked", &iccid).await.len(), 1);
    paid_back(&site, &order).await;
    audit(&site).await;
    site.stop().await;
}

// --------------------------------------------------------------------------------------------------------------------- swaps

#[tokio::test]
async fn a_swap_keeps_everything_but_the_card() {
    let site = Site::start().await;
    let (order, subscription, old) = line(&site, PLAN).await;
    used(&site, &old).await;
    assert_eq!(tell(&site, &old, json!({"type": "usage", "usedMb": 300, "country": "ES"})).await, "recorded");
    let top_up = json!({"planId": PLAN, "payment": "balance"});
    let waiting = completed(&site, &changing(&site, &subscription, "top-ups", &top_up).send().await.expect(201)).await;
    let unpaid = changing(&site, &subscription, "top-ups", &json!({"planId": PLAN, "payment": "card"})).send().await.expect(201);
    let before = read(&site, &subscription).await;
    let stock = site.available(POOL).await;

    let asked = changing(&site, &subscription, "sim-swap", &json!({})).send().await.expect(201);
    assert_eq!((&asked["type"], &asked["price"]["amount"]), (&json!("swap_sim"), &json!(0)));
    let swap = site.settled(&asked).await;
    assert_eq!((&swap["status"], mail_kinds(&swap)), (&json!(0), vec!["qr"]));
    let new = card(&swap).to_owned();
    assert_ne!(new, old);
    assert_eq!((site.available(POOL).await, &swap["cards"][0]["status"]), (stock - 1, &json!("ready")));
    assert!(site.mail(&swap, "qr").await.contains(swap["cards"][0]["code"].as_str().unwrap()));
    // Until the new one is installed, the old one is the one that works.
    let waits = read(&site, &subscription).await;
    assert_eq!(waits["openChange"], json!({"kind": "swap", "orderNum": swap["orderNum"], "newIccid": new}));
    assert_eq!((&waits["iccid"], &waits["plans"]), (&json!(old), &before["plans"]));
    assert_eq!((sim(&site, &old).await.state, sim(&site, &new).await.state), (SimState::Active, SimState::Active));
    assert_eq!(tell(&site, &old, json!({"type": "usage", "usedMb": 400, "country": "ES"})).await, "recorded");
    assert_eq!(tell(&site, &new, json!({"type": "usage", "usedMb": 1, "country": "ES"})).await, "replaced");
    assert_eq!(site.pay(&unpaid).await, "paid", "a swap moves along what was bought before it");
    let paid = site.until(&unpaid, "completed", |order| order["fulfilment"] == "completed").await;
    for (action, body) in
        [("top-ups", &top_up), ("sim-swap", &json!({})), ("cancellation", &json!({})), ("suspension", &json!({}))]
    {
        let problem = changing(&site, &subscription, action, body).send().await.problem(409, "subscription_closed", None);
        assert_eq!(problem["reason"], "swap", "{action}");
    }
    assert_eq!(site.refunding(&order, None).send().await.problem(409, "subscription_closed", None)["reason"], "swap");
    audit(&site).await;

    assert_eq!(tell(&site, &new, json!({"type": "installed", "eid": OTHER_EID})).await, "recorded");
    let retired = site.until(&swap, "retired", |order| events(order).contains(&"retired")).await;
    assert_eq!((note(&retired, "swapped"), note(&retired, "retired")), (new.as_str(), old.as_str()));
    let after = read(&site, &subscription).await;
    assert_eq!((&after["iccid"], &after["openChange"], &after["eid"]), (&json!(new), &Value::Null, &json!(OTHER_EID)));
    assert_eq!(after["pastCards"][0]["iccid"], old);
    assert_eq!(after["pastCards"][0]["orderNum"], swap["orderNum"]);
    assert_eq!(after["mobileNumber"], before["mobileNumber"], "the number moves along");
    assert_eq!(after["plans"][0]["usedMb"], 400);
    assert_eq!(after["plans"][0]["endDate"], before["plans"][0]["endDate"]);
    assert_eq!(plan_statuses(&after), ["running", "waiting", "waiting"]);
    assert_eq!((sim(&site, &old).await.state, sim(&site, &new).await.state), (SimState::Retired, SimState::Active));
    assert_eq!((done(&site, "revoked", &old).await.len(), done(&site, "revoked", &new).await.len()), (1, 0));
    assert_eq!(at_operator(&site, &new).await.0, [num(&order), num(&waiting), num(&paid)]);

    // From now on the new one counts, and the old one's reports come too late.
    assert_eq!(tell(&site, &old, json!({"type": "usage", "usedMb": 900, "country": "ES"})).await, "replaced");
    assert_eq!(tell(&site, &new, json!({"type": "usage", "usedMb": 500, "country": "ES"})).await, "recorded");
    assert_eq!(read(&site, &subscription).await["plans"][0]["usedMb"], 500);
    let main = site.read(&order).await;
    assert_eq!((&main["cards"][0]["iccid"], &main["cards"][0]["usedMb"]), (&json!(new), &json!(500)));
    assert_eq!(main["cards"][0]["refundable"]["eligible"], "no");
    let problem = site.refunding(&swap, None).send().await.problem(409, "not_refundable", None);
    assert_eq!(problem["reason"], "installed");
    // And it can be swapped again.
    let again = site.settled(&changing(&site, &subscription, "sim-swap", &json!({})).send().await.expect(201)).await;
    assert_eq!(tell(&site, card(&again), json!({"type": "installed", "eid": EID})).await, "recorded");
    site.until(&again, "retired", |order| events(order).contains(&"retired")).await;
    assert_eq!(list(&read(&site, &subscription).await, "pastCards").len(), 2);
    assert_eq!(at_operator(&site, card(&again)).await.0.len(), 3);
    drained(&site).await;
    assert_eq!(audit(&site).await.changing, 0);
    site.stop().await;
}

#[tokio::test]
async fn a_swap_that_nobody_finishes_is_abandoned_and_its_card_set_aside() {
    let site = Site::start().await;
    let (order, subscription, old) = line(&site, PLAN).await;
    let stock = site.available(POOL).await;
    let swap = site.settled(&changing(&site, &subscription, "sim-swap", &json!({})).send().await.expect(201)).await;
    let new = card(&swap).to_owned();
    site.advance("P29D").await;
    assert_eq!(read(&site, &subscription).await["openChange"]["kind"], "swap");
    site.advance("P1DT1M").await;
    let given_up = site.until(&swap, "given up", |order| order["status"] == 2).await;
    assert_eq!((note(&given_up, "cancellation_requested").contains("nobody installed"), &given_up["owed"]), (true, &json!([])));
    sim_is(&site, &new, SimState::SetAside).await;
    let free = read(&site, &subscription).await;
    assert_eq!((&free["iccid"], &free["openChange"], &free["pastCards"]), (&json!(old), &Value::Null, &json!([])));
    assert_eq!((done(&site, "revoked", &new).await.len(), done(&site, "revoked", &old).await.len()), (1, 0));
    for _ in 0..2 {
        site.advance("PT2M").await;
    }
    assert_eq!(site.available(POOL).await, stock - 1, "its code was mailed");

    let orders = read(&site, &subscription).await["orderNums"].clone();
    assert_eq!(orders, json!([order["orderNum"], swap["orderNum"]]), "a swap that came to nothing is on record");
    // Whoever installs it after all has a card that does not work; the old one goes on.
    assert_eq!(tell(&site, &new, json!({"type": "installed", "eid": OTHER_EID})).await, "recorded");
    assert_eq!(read(&site, &subscription).await["iccid"], json!(old));
    used(&site, &old).await;
    assert_eq!(plan_statuses(&read(&site, &subscription).await), ["running"]);
    let again = site.settled(&changing(&site, &subscription, "sim-swap", &json!({})).send().await.expect(201)).await;
    assert_eq!(tell(&site, card(&again), json!({"type": "installed", "eid": OTHER_EID})).await, "recorded");
    assert_eq!(read(&site, &subscription).await["iccid"], json!(card(&again)));
    assert_eq!(site.read(&order).await["status"], 0);
    drained(&site).await;
    audit(&site).await.nothing_missing();
    site.stop().await;
}

#[tokio::test]
async fn a_swap_that_has_a_price_is_paid_first_and_paid_back_when_it_comes_to_nothing() {
    let site = Site::start().await;
    let (_, subscription, old) = line(&site, "sandbox-5gb-30d").await;
    changing(&site, &subscription, "sim-swap", &json!({})).send().await.problem(400, "missing_field", Some("payment"));
    let stock = site.available(POOL).await;
    let by_card = json!({"payment": "card"});
    let asked = changing(&site, &subscription, "sim-swap", &by_card).send().await.expect(201);
    assert_eq!((&asked["status"], &asked["price"]["amount"], &asked["cards"]), (&json!(-1), &json!(250), &json!([])));
    assert_eq!((site.available(POOL).await, read(&site, &subscription).await["openChange"].take()), (stock, Value::Null));
    assert_eq!(site.pay(&asked).await, "paid");
    let swap = site.settled(&asked).await;
    assert_eq!(read(&site, &subscription).await["openChange"]["newIccid"], json!(card(&swap)));

    // Another one that was asked for before is paid too late: its ticket and its money go back.
    let (_, other, _) = line(&site, "sandbox-5gb-30d").await;
    let two = [
        changing(&site, &other, "sim-swap", &by_card).send().await.expect(201),
        changing(&site, &other, "sim-swap", &by_card).send().await.expect(201),
    ];
    let stock = site.available(POOL).await;
    assert_eq!((site.pay(&two[0]).await, site.pay(&two[1]).await), ("paid".to_owned(), "owed_back".to_owned()));
    let lost = paid_back(&site, &two[1]).await;
    assert_eq!((&lost["status"], &lost["voidReason"]), (&json!(3), &json!("subscription_closed")));
    assert_eq!(site.available(POOL).await, stock - 1);

    // Nobody is asked for the price of a swap that is given back before the new card is installed.
    assert_eq!(swap["cards"][0]["refundable"]["amount"]["amount"], 250);
    site.refunding(&swap, None).send().await.expect(202);
    let back = paid_back(&site, &swap).await;
    assert_eq!((&back["status"], &back["refunds"][0]["amount"]["amount"]), (&json!(2), &json!(250)));
    let free = read(&site, &subscription).await;
    assert_eq!((&free["openChange"], &free["iccid"]), (&Value::Null, &json!(old)));
    assert_eq!(sim(&site, card(&swap)).await.state, SimState::SetAside);
    // Nor when nobody finishes it.
    site.advance("P30DT1M").await;
    let back = paid_back(&site, &two[0]).await;
    assert_eq!((&back["status"], &back["refunds"][0]["amount"]["amount"]), (&json!(2), &json!(250)));
    drained(&site).await;
    let counted = audit(&site).await;
    assert_eq!((counted.changing, counted.nothing_missing().open), (0, 2));
    site.stop().await;
}

#[tokio::test]
async fn a_swap_that_was_free_when_it_was_asked_for_stays_so() {
    let site = Site::start().await;
    let (_, subscription, first) = line(&site, PLAN).await;
    used(&site, &first).await;
    let next = json!({"planId": "sandbox-5gb-30d", "payment": "balance"});
    let more = changing(&site, &subscription, "top-ups", &next).send().await.expect(201);
    site.settled(&more).await;
    let ask = |key: &'static str| changing(&site, &subscription, "sim-swap", &json!({})).header("Idempotency-Key", key);
    let swap = ask("free").send().await.expect(201);
    // The plan that runs by now has a price for swaps.
    assert_eq!(tell(&site, &first, json!({"type": "used_up"})).await, "recorded");
    let again = ask("free").send().await;
    assert_eq!((again.header("idempotency-replayed"), &again.expect(200)["orderNum"]), (Some("true"), &swap["orderNum"]));
    ask("another").send().await.problem(400, "missing_field", Some("payment"));
    site.stop().await;
}

#[tokio::test]
async fn a_swap_that_is_paid_after_another_one_stops_the_card_that_is_there_then() {
    let site = Site::start().await;
    let (_, subscription, first) = line(&site, "sandbox-5gb-30d").await;
    let asking = || changing(&site, &subscription, "sim-swap", &json!({"payment": "card"}));
    let two = [asking().send().await.expect(201), asking().send().await.expect(201)];
    let mut before = first;
    for asked in two {
        assert_eq!(site.pay(&asked).await, "paid");
        let swap = site.settled(&asked).await;
        assert!(site.mail(&swap, "qr").await.contains(&before), "the mail names the card that is replaced");
        assert_eq!(tell(&site, card(&swap), json!({"type": "installed", "eid": OTHER_EID})).await, "recorded");
        sim_is(&site, &before, SimState::Retired).await;
        let stopped = |order: &Value| list(order, "history").iter().any(|entry| entry["event"] == "retired");
        let swap = site.until(&swap, "retired", stopped).await;
        assert_eq!((note(&swap, "retired"), done(&site, "revoked", &before).await.len()), (before.as_str(), 1));
        before = card(&swap).to_owned();
    }
    assert_eq!(read(&site, &subscription).await["iccid"], json!(before));
    drained(&site).await;
    audit(&site).await.nothing_missing();
    site.stop().await;
}

#[tokio::test]
async fn a_swap_to_a_card_in_the_post_needs_an_address_and_a_manager() {
    let site = Site::start().await;
    let (_, subscription, old) = line(&site, PLAN).await;
    let physical = json!({"formFactor": "physical"});
    changing(&site, &subscription, "sim-swap", &physical).send().await.problem(400, "missing_field", Some("postalAddress"));
    let with_address = json!({"formFactor": "physical", "postalAddress": address()});
    let asked = changing(&site, &subscription, "sim-swap", &with_address).send().await.expect(201);
    let swap = site
        .until(&asked, "told", |order| {
            mail_kinds(order) == ["confirmation", "manager"] && list(order, "emails").iter().all(|mail| mail["status"] == "sent")
        })
        .await;
    assert_eq!((&swap["formFactor"], &swap["subscriber"]["postalAddress"]), (&json!("physical"), &address()));
    let manager = site.mail(&swap, "manager").await;
    assert!(manager.contains(num(&swap)) && manager.contains("Calle Mayor 1"), "{manager}");
    let new = card(&swap).to_owned();
    sim_is(&site, &new, SimState::Active).await;
    let shipped = json!({"carrier": "Correos", "number": "PX1"});
    let path = format!("/v1/orders/{}/shipment", num(&swap));
    let shipped = site.post(path).by(By::Manager).json(&shipped).send().await.expect(200);
    assert_eq!((&shipped["fulfilment"], &shipped["shipment"]["carrier"]), (&json!("completed"), &json!("Correos")));
    assert_eq!(read(&site, &subscription).await["iccid"], json!(old));
    // A card in a phone is in use once the network sees it.
    assert_eq!(tell(&site, &new, json!({"type": "first_attach", "country": "ES"})).await, "recorded");
    let after = read(&site, &subscription).await;
    assert_eq!(
        (&after["iccid"], &after["formFactor"], plan_statuses(&after)),
        (&json!(new), &json!("physical"), vec!["running"])
    );
    sim_is(&site, &old, SimState::Retired).await;
    drained(&site).await;
    assert_eq!(audit(&site).await.changing, 0);
    site.stop().await;
}

#[tokio::test]
async fn a_card_that_the_carrier_will_not_swap_to_leaves_everything_as_it_was() {
    let site = Site::start().await;
    let (order, subscription, old) = line(&site, PLAN).await;
    operator(&site, "refuse", 1).await;
    let asked = changing(&site, &subscription, "sim-swap", &json!({})).send().await.expect(201);
    let failed = site.until(&asked, "failed", |order| order["fulfilment"] == "failed").await;
    assert_eq!((&failed["status"], &failed["owed"]), (&json!(2), &json!([])));
    let free = read(&site, &subscription).await;
    assert_eq!((&free["iccid"], &free["openChange"]), (&json!(old), &Value::Null));
    sim_is(&site, card(&failed), SimState::SetAside).await;

    // A carrier that will not stop the old card is asked for as long as it takes.
    let swap = site.settled(&changing(&site, &subscription, "sim-swap", &json!({})).send().await.expect(201)).await;
    operator(&site, "refuse", 2).await;
    assert_eq!(tell(&site, card(&swap), json!({"type": "installed", "eid": EID})).await, "recorded");
    eventually("the old card", async || {
        site.advance("PT2M").await;
        (!done(&site, "revoked", &old).await.is_empty()).then_some(())
    })
    .await;
    let swap = site.until(&swap, "retired", |order| events(order).contains(&"retired")).await;
    assert_eq!((&swap["status"], &swap["fulfilment"]), (&json!(0), &json!("completed")));
    assert_eq!(site.read(&order).await["status"], 0);
    audit(&site).await;
    site.stop().await;
}

#[tokio::test]
async fn a_swap_without_stock_is_given_up_and_leaves_the_subscription_alone() {
    let site = Site::start().await;
    let (_, subscription, old) = line(&site, PLAN).await;
    site.sell_out(PLAN, POOL).await;
    let void = changing(&site, &subscription, "sim-swap", &json!({})).send().await.expect(201);
    assert_eq!((&void["status"], &void["voidReason"]), (&json!(3), &json!("sold_out")));
    let stands = read(&site, &subscription).await;
    assert_eq!((&stands["iccid"], &stands["openChange"]), (&json!(old), &Value::Null));
    site.stop().await;
}

#[tokio::test]
async fn a_card_that_was_installed_before_the_carrier_answered_takes_over() {
    let site = Site::start().await;
    let (_, subscription, old) = line(&site, PLAN).await;
    operator(&site, "late", 1).await;
    let swap = changing(&site, &subscription, "sim-swap", &json!({})).send().await.expect(201);
    let new = card(&swap).to_owned();
    eventually("the activation", async || (!done(&site, "activated", &new).await.is_empty()).then_some(())).await;
    assert_eq!(tell(&site, &new, json!({"type": "installed", "eid": EID})).await, "recorded");
    let after = read(&site, &subscription).await;
    assert_eq!((&after["iccid"], &after["openChange"]), (&json!(new), &Value::Null));
    drained(&site).await;
    let swap = site.read(&swap).await;
    assert_eq!(
        (&swap["status"], &swap["fulfilment"], events(&swap).contains(&"retired")),
        (&json!(0), &json!("completed"), true)
    );
    assert_eq!((sim(&site, &old).await.state, sim(&site, &new).await.state), (SimState::Retired, SimState::Active));
    audit(&site).await;
    site.stop().await;
}

// --------------------------------------------------------------------------------------------------- suspension, resumption

#[tokio::test]
async fn nobody_can_be_asked_to_suspend_a_preloaded_card() {
    let site = Site::start().await;
    let (_, subscription, _) = line(&site, "eu-5gb-30d").await;
    let before = read(&site, &subscription).await;
    for by in [By::Partner, By::Manager] {
        let refused =
            changing(&site, &subscription, "suspension", &json!({})).by(by).send().await.problem(409, "not_possible", None);
        let told = site.get(format!("/v1/subscriptions/{subscription}/actions")).by(by).send().await.expect(200);
        let action = list(&told, "items").iter().find(|entry| entry["action"] == "suspend").unwrap();
        assert_eq!(
            (&action["allowed"], &action["code"], &refused["reason"]),
            (&json!(false), &json!("preloaded"), &json!("preloaded"))
        );
        assert_eq!(action["reason"], refused["detail"]);
    }
    changing(&site, &subscription, "resumption", &json!({})).send().await.expect(200);
    assert_eq!(read(&site, &subscription).await, before, "nothing is on record");
    site.stop().await;
}

#[tokio::test]
async fn a_card_is_kept_out_of_the_network_and_let_in_again() {
    let site = Site::start().await;
    for (plan, days, pauses) in [(PLAN, 7, false), ("sandbox-3gb-15d", 15, true)] {
        let (_, subscription, iccid) = line(&site, plan).await;
        used(&site, &iccid).await;
        let before = read(&site, &subscription).await["plans"][0].take();
        assert_eq!(seconds(&before["startDate"], &before["endDate"]), days * 86_400);
        pause(&site, "provision", true).await;
        let asked = changing(&site, &subscription, "suspension", &json!({})).send().await.expect(202);
        assert_eq!(asked["status"], "suspending");
        let again = changing(&site, &subscription, "suspension", &json!({})).send().await.expect(200);
        assert_eq!(again["status"], "suspending");
        let problem = changing(&site, &subscription, "resumption", &json!({})).send().await.problem(409, "not_possible", None);
        assert_eq!(problem["reason"], "in_progress");
        pause(&site, "provision", false).await;
        until(&site, &subscription, "suspended", |subscription| subscription["status"] == "suspended").await;
        assert!(at_operator(&site, &iccid).await.1);
        assert_eq!(changing(&site, &subscription, "suspension", &json!({})).send().await.expect(200)["status"], "suspended");

        site.advance("P2D").await;
        assert_eq!(changing(&site, &subscription, "resumption", &json!({})).send().await.expect(202)["status"], "resuming");
        let after = until(&site, &subscription, "active", |subscription| subscription["status"] == "active").await;
        assert!(!at_operator(&site, &iccid).await.1);
        assert_eq!(changing(&site, &subscription, "resumption", &json!({})).send().await.expect(200)["status"], "active");
        let longer = seconds(&before["endDate"], &after["plans"][0]["endDate"]);
        let expected = if pauses { 2 * 86_400..2 * 86_400 + 60 } else { 0..1 };
        assert!(expected.contains(&longer), "{plan}: {longer} s longer");
        changing(&site, &subscription, "suspension", &json!({})).by(By::OtherPartner).send().await.problem(
            404,
            "not_found",
            None,
        );
    }
    audit(&site).await;
    site.stop().await;
}

#[tokio::test]
async fn time_that_stands_still_does_not_run_out() {
    let site = Site::start().await;
    let (order, subscription, iccid) = line(&site, "sandbox-3gb-15d").await;
    used(&site, &iccid).await;
    changing(&site, &subscription, "suspension", &json!({})).send().await.expect(202);
    until(&site, &subscription, "suspended", |subscription| subscription["status"] == "suspended").await;
    site.advance("P20D").await;
    assert_eq!(plan_statuses(&read(&site, &subscription).await), ["running"]);
    changing(&site, &subscription, "resumption", &json!({})).send().await.expect(202);
    until(&site, &subscription, "active", |subscription| subscription["status"] == "active").await;
    site.advance("P14D").await;
    assert_eq!(
        (plan_statuses(&read(&site, &subscription).await), site.read(&order).await["status"].take()),
        (vec!["running"], json!(0))
    );
    site.advance("P1DT1M").await;
    assert_eq!(plan_statuses(&read(&site, &subscription).await), ["over"]);
    assert_eq!(site.read(&order).await["status"], 5);
    audit(&site).await;
    site.stop().await;
}

#[tokio::test]
async fn a_carrier_that_refuses_to_suspend_leaves_it_on_and_one_that_fails_is_asked_again() {
    let site = Site::start().await;
    let (_, subscription, iccid) = line(&site, PLAN).await;
    let status = |wanted: &'static str| move |subscription: &Value| subscription["status"] == wanted;
    operator(&site, "refuse", 1).await;
    changing(&site, &subscription, "suspension", &json!({})).send().await.expect(202);
    until(&site, &subscription, "as it was", status("active")).await;
    assert!(!at_operator(&site, &iccid).await.1);

    operator(&site, "fail", 2).await;
    changing(&site, &subscription, "suspension", &json!({})).send().await.expect(202);
    let mode = async || (site.get("/_local/operator").send().await.expect(200)["times"] == json!(1)).then_some(());
    eventually("the first failure", mode).await;
    assert_eq!(read(&site, &subscription).await["status"], "suspending");
    eventually("the suspension", async || {
        site.advance("PT2M").await;
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        (read(&site, &subscription).await["status"] == "suspended").then_some(())
    })
    .await;
    assert!(at_operator(&site, &iccid).await.1);
    let changed = done(&site, "changed", &iccid).await;
    assert_eq!((changed.len(), &changed[0]["action"]), (1, &json!("suspension")));

    operator(&site, "refuse", 1).await;
    changing(&site, &subscription, "resumption", &json!({})).send().await.expect(202);
    until(&site, &subscription, "as it was", status("suspended")).await;
    changing(&site, &subscription, "resumption", &json!({})).send().await.expect(202);
    until(&site, &subscription, "resumed", status("active")).await;
    assert!(!at_operator(&site, &iccid).await.1);

    // A message that gets lost is made up for by the sweep.
    pause(&site, "provision", true).await;
    changing(&site, &subscription, "suspension", &json!({})).send().await.expect(202);
    changing(&site, &subscription, "cancellation", &json!({})).send().await.expect(201);
    pause(&site, "provision", false).await;
    until(&site, &subscription, "ended", status("ended")).await;
    drained(&site).await;
    audit(&site).await;
    site.stop().await;
}

// ------------------------------------------------------------------------------------------------- reading, and who may ask

#[tokio::test]
async fn a_subscription_is_shown_to_its_partner_and_to_managers() {
    let site = Site::start().await;
    let (order, subscription, iccid) = line(&site, PLAN).await;
    let path = format!("/v1/subscriptions/{subscription}");
    let shown = site.get(&path).by(By::Partner).send().await.expect(200);
    assert_eq!(shown, read(&site, &subscription).await);
    assert_eq!((&shown["orderNum"], &shown["iccid"], &shown["status"]), (&order["orderNum"], &json!(iccid), &json!("active")));
    assert_eq!(
        (&shown["operator"], &shown["imsiProfile"], &shown["formFactor"]),
        (&json!("sandbox"), &json!("1"), &json!("esim"))
    );
    assert_eq!((&shown["inSession"], &shown["mobileNumber"]), (&json!("n/a"), &order["cards"][0]["mobileNumber"]));
    assert_eq!(shown["plans"][0]["planId"], PLAN);
    site.get(&path).by(By::OtherPartner).send().await.problem(404, "not_found", None);
    site.get(&path).by(By::Nobody).send().await.problem(401, "unauthenticated", None);
    site.get("/v1/subscriptions/SU0000000000000000").by(By::Manager).send().await.problem(404, "not_found", None);
    for action in ["top-ups", "cancellation", "sim-swap"] {
        let path = format!("/v1/subscriptions/{subscription}/{action}");
        site.post(&path).by(By::Partner).json(&json!({})).send().await.problem(
            400,
            "idempotency_key_missing",
            Some("Idempotency-Key"),
        );
        asking(&site, &path, &json!({})).by(By::OtherPartner).send().await.problem(404, "not_found", None);
        site.post(&path).json(&json!({})).send().await.problem(401, "unauthenticated", None);
        asking(&site, &path, &json!({"unknown": 1, "payment": "balance"})).send().await.problem(
            400,
            "unknown_field",
            Some("unknown"),
        );
    }
    // Managers may do for a partner what the partner may do.
    let asked = changing(&site, &subscription, "cancellation", &json!({})).by(By::Manager).send().await.expect(201);
    assert_eq!(asked["partnerId"], PARTNER);
    completed(&site, &asked).await;
    assert_eq!(read(&site, &subscription).await["status"], "ended");
    assert_eq!(told(&site, &iccid, json!({"type": "session", "inSession": true})).await.0, 200);
    audit(&site).await;
    site.stop().await;
}
