//! Provokes every answer that the contract documents.

mod cards;
mod desk;
mod reads;
mod settings;
mod subscriptions;

use crate::api::openapi::Contract;
use crate::api::{Answer, By, Site, csv, draft, eventually, list, num, stripe_event, unique};
use crate::between::{Between, Way};
use futures_util::FutureExt;
use futures_util::future::{LocalBoxFuture, join_all};
use serde_json::{Value, json};
use simdock_payments::{sign_standard, sign_stripe};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// What the contract promises and this test cannot see, by name and why. What the gateway answers by itself is left out as well;
/// see [`Contract::gateways`].
const NOT_SEEN: &[(&str, &[&str])] = &[];

/// What lasts for a moment only, so that it may be seen or not.
const FLEETING: &[&str] = &["Email.status = sending"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_documented_answer_is_given_and_no_other() {
    let contract = Arc::new(Contract::load());
    // Boxed, since all of them together are more than a thread's stack likes to hold.
    let all: [LocalBoxFuture<'_, ()>; 11] = [
        requests(&contract).boxed_local(),
        orders(&contract).boxed_local(),
        refunds(&contract).boxed_local(),
        subscriptions::subscriptions(&contract).boxed_local(),
        cards::cards(&contract).boxed_local(),
        desk::desk(&contract).boxed_local(),
        reads::reads(&contract).boxed_local(),
        settings::settings(&contract).boxed_local(),
        time(&contract).boxed_local(),
        trouble(&contract).boxed_local(),
        slow_import(&contract).boxed_local(),
    ];
    join_all(all).await;

    let seen = contract.seen();
    let excused: BTreeSet<String> = NOT_SEEN.iter().flat_map(|(_, names)| names.iter()).map(|name| (*name).to_owned()).collect();
    let gateways: BTreeSet<String> = contract
        .operations()
        .iter()
        .flat_map(|operation| contract.gateways(operation))
        .chain(["GatewayMessage.message".to_owned()])
        .collect();
    let promised = contract.promised();
    let may_miss = |name: &String| excused.contains(name) || gateways.contains(name) || FLEETING.contains(&name.as_str());
    let missing: Vec<_> = promised.difference(&seen).filter(|name| !may_miss(name)).collect();
    assert!(missing.is_empty(), "documented, but never seen: {missing:#?}");
    let stale: Vec<_> = excused.iter().filter(|name| seen.contains(*name) || !promised.contains(*name)).collect();
    assert!(stale.is_empty(), "excused without need: {stale:#?}");
}

async fn site(contract: &Arc<Contract>, options: simdock_local::Options) -> Site {
    let mut site = Site::with(options).await;
    site.contract = Arc::clone(contract);
    site
}

/// What waits for a manager.
async fn attention(site: &Site) -> Value {
    site.get("/v1/attention").by(By::Manager).send().await.expect(200)
}

/// What is answered to requests by themselves.
async fn requests(contract: &Arc<Contract>) {
    let site = site(contract, simdock_local::Options::default()).await;
    let unknown_order = "/v1/orders/EPZYXWVTSRQPNMKJHG";
    for path in ["/v1/orders", unknown_order, "/v1/plans", "/v1/inventory", "/v1/inventory/imports/IM0"] {
        site.get(path).send().await.problem(401, "unauthenticated", None);
        let unknown = site.get(format!("{path}?page=2")).by(By::Manager).send().await;
        unknown.problem(400, "unknown_field", Some("page"));
    }
    for path in ["/v1/inventory", "/v1/inventory/imports/IM0"] {
        site.get(path).by(By::Partner).send().await.problem(403, "forbidden", None);
    }
    for path in [unknown_order, "/v1/inventory/imports/IM0"] {
        site.get(path).by(By::Manager).send().await.problem(404, "not_found", None);
    }
    site.get("/v1/plans").by(By::Manager).send().await.expect(200);

    // Lists.
    site.get("/v1/orders?partnerId=x").by(By::Partner).send().await.problem(403, "forbidden", None);
    site.get("/v1/orders?limit=0").by(By::Partner).send().await.problem(400, "invalid_field", Some("limit"));
    site.get("/v1/orders?cursor=x").by(By::Partner).send().await.problem(400, "invalid_cursor", Some("cursor"));

    // Orders.
    let good = draft("eu-5gb-30d");
    let with = |name: &str, value: Value| {
        let mut draft = good.clone();
        draft[name] = value;
        draft
    };
    site.ordering(&good).header("Authorization", "Bearer nobody").send().await.problem(401, "unauthenticated", None);
    site.ordering(&good).by(By::Manager).send().await.problem(400, "missing_field", Some("partnerId"));
    site.ordering(&with("count", json!(0))).send().await.problem(400, "invalid_field", Some("count"));
    site.ordering(&with("count", json!(null))).send().await.problem(400, "missing_field", Some("count"));
    site.ordering(&with("colour", json!(1))).send().await.problem(400, "unknown_field", Some("colour"));
    site.ordering(&good).body("application/json", "{").send().await.problem(400, "malformed_json", None);
    let without_key = site.post("/v1/orders").by(By::Partner).json(&good);
    without_key.send().await.problem(400, "idempotency_key_missing", Some("Idempotency-Key"));
    site.ordering(&with("planId", json!("none"))).send().await.problem(404, "plan_not_found", Some("planId"));
    site.ordering(&with("addOnIds", json!(["none"]))).send().await.problem(404, "add_on_not_found", Some("addOnIds"));
    site.ordering(&good).body("text/plain", "{}").send().await.problem(415, "unsupported_media_type", Some("Content-Type"));
    let large = "x".repeat(256 * 1024 + 1);
    site.ordering(&good).body("application/json", large.clone()).send().await.problem(413, "body_too_large", None);
    site.ordering(&good).header("Idempotency-Key", "once").send().await.expect(201);
    let replay = site.ordering(&good).header("Idempotency-Key", "once").send().await;
    replay.expect(200);
    let other = site.ordering(&with("count", json!(2))).header("Idempotency-Key", "once").send().await;
    other.problem(422, "idempotency_key_reused", Some("Idempotency-Key"));

    // Refunds.
    let order = site.order(&good).await;
    let refund = |body: &Value| site.refunding(&order, None).json(body);
    site.refunding(&order, None).header("Authorization", "Bearer nobody").send().await.problem(401, "unauthenticated", None);
    site.refunding(&order, None).by(By::OtherPartner).send().await.problem(404, "not_found", None);
    refund(&json!({})).send().await.problem(400, "missing_field", Some("reason"));
    refund(&json!({"reason": "x", "colour": 1})).send().await.problem(400, "unknown_field", Some("colour"));
    refund(&json!({"reason": "x", "iccids": ["8949"]})).send().await.problem(400, "invalid_field", Some("iccids"));
    let malformed = site.refunding(&order, None).body("application/json", "{");
    malformed.send().await.problem(400, "malformed_json", None);
    let plain = site.refunding(&order, None).body("text/plain", "{}");
    plain.send().await.problem(415, "unsupported_media_type", Some("Content-Type"));
    site.refunding(&order, None).body("application/json", large.clone()).send().await.problem(413, "body_too_large", None);
    let unpaid = site.refunding(&order, None).send().await.problem(409, "not_refundable", None);
    assert_eq!(unpaid["reason"], "not_paid");

    // Imports.
    let imports = "/v1/inventory/imports?operator=meridian&imsiProfile=7";
    let import = |query: &str, file: String| site.post(format!("{imports}{query}")).by(By::Manager).csv(file);
    site.post(imports).csv("iccid\n").send().await.problem(401, "unauthenticated", None);
    import("", String::new()).by(By::Partner).send().await.problem(403, "forbidden", None);
    import("&formFactor=nano", csv(0, 1)).send().await.problem(400, "invalid_field", Some("formFactor"));
    import("&page=2", csv(0, 1)).send().await.problem(400, "unknown_field", Some("page"));
    import("", "x".repeat(5 * 1024 * 1024 + 1)).send().await.problem(413, "body_too_large", None);
    let json_file = import("", String::new()).body("application/json", "{}");
    json_file.send().await.problem(415, "unsupported_media_type", Some("Content-Type"));
    import("", String::new()).send().await.problem(422, "invalid_csv", None);
    let bad = import("", format!("{}8949,\n", csv(0, 1))).send().await.problem(422, "invalid_csv", None);
    assert_eq!((&bad["lines"], &bad["rejected"]), (&json!(2), &json!(1)));
    let some = import("&skipInvalid=true", format!("{}8949,\n", csv(0, 1))).send().await.expect(201);
    let path = format!("/v1/inventory/imports/{}", some["importId"].as_str().unwrap());
    site.get(path).by(By::Manager).send().await.expect(200);
    import("&formFactor=physical", csv(10, 1)).send().await.expect(201);
    site.get("/v1/inventory").by(By::Manager).send().await.expect(200);

    // Webhooks.
    let path = "/v1/webhooks/payments/stripe";
    site.post("/v1/webhooks/payments/none").json(&json!({})).send().await.problem(404, "not_found", None);
    site.post(path).json(&json!({})).send().await.problem(400, "bad_signature", None);
    let long_ago = sign_stripe(site.stack.clock().now().plus_seconds(-301), b"{}", &site.stripe_secret());
    let stale = site.post(path).header("Stripe-Signature", long_ago).json(&json!({})).send().await;
    stale.problem(400, "signature_stale", None);
    site.stripe_call("{".to_owned()).send().await.problem(400, "malformed_json", None);
    site.stripe_call(large).send().await.problem(413, "body_too_large", None);
    let event = |change: &dyn Fn(&mut Value)| {
        let mut event = stripe_event(&json!({"orderNum": "EPZYXWVTSRQPNMKJHG", "price": {"amount": 1, "currency": "EUR"}}));
        change(&mut event);
        event
    };
    assert_eq!(site.stripe(&event(&|_| {})).await, "unknown_order");
    assert_eq!(site.stripe(&event(&|event| event["data"]["object"]["metadata"] = json!({}))).await, "no_order_number");
    assert_eq!(site.stripe(&event(&|event| event["type"] = "payment_intent.created".into())).await, "ignored");
    let nameless = event(&|event| event["data"]["object"]["id"] = "".into());
    site.stripe_call(nameless.to_string()).send().await.problem(400, "invalid_field", Some("data.object.id"));
    let money = event(&|event| event["data"]["object"]["currency"] = "xxq".into());
    site.stripe_call(money.to_string()).send().await.problem(500, "unbookable", None);
    site.stop().await;
}

/// What orders look like in all the states that they can reach without time going by, while nobody gives back what they owe.
async fn orders(contract: &Arc<Contract>) {
    let site = site(contract, simdock_local::Options::default()).await;
    hold(&site, "settle-refund", true).await;
    let europe = draft("eu-5gb-30d");

    // Everything that can be asked for; the reasons for which a payment goes back.
    for channel in ["web", "mobile_app", "partner", "admin", "other"] {
        let mut rich = europe.clone();
        rich["channel"] = channel.into();
        rich["addOnIds"] = json!(["data-1gb", "voice-eu-60"]);
        (rich["lineName"], rich["otherOrderId"], rich["otherItemId"]) = (json!("Spain"), json!("shop-1"), json!("1"));
        site.order(&rich).await;
    }
    site.get("/v1/orders?limit=2").by(By::Partner).send().await.expect(200);
    let order = site.order(&europe).await;
    let event = |change: &dyn Fn(&mut Value)| {
        let mut event = stripe_event(&order);
        change(&mut event["data"]["object"]);
        event
    };
    assert_eq!(site.stripe(&event(&|payment| payment["amount_received"] = 1.into())).await, "owed_back");
    assert_eq!(site.stripe(&event(&|payment| payment["currency"] = "usd".into())).await, "owed_back");
    let good = event(&|_| {});
    assert_eq!(site.stripe(&good).await, "paid");
    assert_eq!(site.stripe(&good).await, "known");
    let mut again = good.clone();
    again["data"]["object"]["metadata"]["orderNum"] = site.order(&europe).await["orderNum"].clone();
    assert_eq!(site.stripe(&again).await, "other_order", "one payment pays once");
    assert_eq!(site.pay(&order).await, "owed_back");
    let order = site.settled(&order).await;
    assert_eq!(order["statusName"], "normal");

    // The other ways to pay.
    let mut balance = europe.clone();
    balance["payment"] = "balance".into();
    site.settled(&site.order(&balance).await).await;
    let mut japan = draft("japan-1gb-8d");
    japan["payment"] = "balance".into();
    assert_eq!(site.order(&japan).await["voidReason"], "insufficient_balance");
    site.order(&draft("eu-trial-100mb-1d")).await;
    let order = site.order(&europe).await;
    assert_eq!(standard(&site, &order).await.expect(200)["result"], "paid");
    assert_eq!(site.read(&order).await["payments"][0]["provider"], "standard");

    japan["payment"] = "card".into();
    site.sell_out("japan-1gb-8d", "meridian.10.esim").await;
    let levels = site.get("/v1/inventory").by(By::Manager).send().await.expect(200);
    let low = |pool: &str| list(&levels, "items").iter().find(|level| level["poolId"] == pool).map(|level| &level["low"]);
    assert_eq!((low("meridian.10.esim"), low("meridian.7.esim")), (Some(&json!(true)), Some(&json!(false))));
    let late = site.order(&japan).await;
    assert_eq!(site.pay(&late).await, "owed_back");
    assert_eq!(site.read(&late).await["voidReason"], "sold_out");

    // An operator that refuses, for one card of two and for the only one.
    let mut sandbox = draft("sandbox-1gb-7d");
    for (count, status) in [(2, 7), (1, 6)] {
        sandbox["count"] = count.into();
        site.local("operator", json!({"mode": "refuse", "times": 1})).await;
        let order = site.paid(&sandbox).await;
        let order = site.until(&order, "refused", |order| order["fulfilment"] != "fulfilling").await;
        assert_eq!(order["status"], status);
    }
    // One that is out of order for now.
    site.local("operator", json!({"mode": "fail", "times": 1})).await;
    let order = site.paid(&sandbox).await;
    site.until(&order, "put off", |order| happened(order, "provisioning_delayed")).await;

    // What becomes of mails.
    for who in ["bounce", "suppressed", "complaint", "delay", "reject"] {
        let mut draft = europe.clone();
        draft["subscriber"]["email"] = format!("{who}@simulator.test").into();
        let order = site.paid(&draft).await;
        let reported = |order: &Value| {
            let mails = list(order, "emails").iter().filter(|mail| mail["kind"] != "manager");
            mails.clone().count() == 2 && mails.into_iter().all(|mail| !mail["event"].is_null())
        };
        site.until(&order, "reported", reported).await;
    }
    attention(&site).await;
    site.stop().await;
}

/// Pauses a source, or lets it go on.
async fn hold(site: &Site, source: &str, paused: bool) {
    site.local("pause", json!({"source": source, "paused": paused})).await;
}

fn iccid(order: &Value, card: usize) -> &str {
    order["cards"][card]["iccid"].as_str().expect("a card's number")
}

fn happened(order: &Value, event: &str) -> bool {
    list(order, "history").iter().any(|entry| entry["event"] == event)
}

/// What becomes of cards that are given back, and of their money.
async fn refunds(contract: &Arc<Contract>) {
    let site = site(contract, simdock_local::Options::default()).await;
    one_card_and_then_the_other(&site).await;
    a_carrier_that_refuses(&site).await;
    cards_that_never_worked(&site).await;
    what_the_provider_says(&site).await;
    attention(&site).await;
    site.stop().await;
}

async fn one_card_and_then_the_other(site: &Site) {
    let mut two = draft("eu-5gb-30d");
    (two["count"], two["payment"]) = (2.into(), "balance".into());
    let order = site.settled(&site.order(&two).await).await;
    for (card, by, name, under_way, done) in [(0, By::Partner, "partner", 7, 4), (1, By::Manager, "manager", 6, 2)] {
        hold(site, "provision", true).await;
        let asked = async || site.refunding(&order, Some(&[iccid(&order, card)])).by(by).send().await;
        let cancelling = asked().await.expect(202);
        assert_eq!((&cancelling["status"], &cancelling["cards"][card]["status"]), (&json!(under_way), &json!("cancelling")));
        assert_eq!(cancelling["cards"][card]["code"], json!(null), "its code is shown no more");
        let entry = list(&cancelling, "history").last().unwrap();
        assert_eq!((&entry["event"], &entry["by"]), (&json!("cancellation_requested"), &json!(name)));
        assert_eq!(list(&cancelling, "refunds").len(), card, "the money follows");
        assert_eq!(asked().await.expect(200), cancelling, "asking twice is asking once");
        assert_eq!(site.read(&order).await, cancelling);
        hold(site, "provision", false).await;
        let given_back = site.until(&order, "given back", |order| order["refunds"][card]["status"] == "succeeded").await;
        assert_eq!((&given_back["status"], &given_back["cards"][card]["status"]), (&json!(done), &json!("cancelled")));
        assert_eq!((&given_back["refunds"][card]["iccid"], &given_back["owed"]), (&json!(iccid(&order, card)), &json!([])));
        assert_eq!(asked().await.expect(200), given_back, "and asking once more is too");
    }
}

async fn a_carrier_that_refuses(site: &Site) {
    let mut sandbox = draft("sandbox-1gb-7d");
    sandbox["count"] = 2.into();
    let order = site.settled(&site.paid(&sandbox).await).await;
    for (card, refuses, comes_to, status) in [
        (0, true, "cancellation_refused", 0),
        (0, false, "cancelled", 4),
        (1, true, "cancellation_refused", 4),
        (1, false, "cancelled", 2),
    ] {
        site.local("operator", json!({"mode": if refuses { "refuse" } else { "ok" }, "times": 1})).await;
        let asked = site.refunding(&order, Some(&[iccid(&order, card)])).send().await.expect(202);
        let entries = list(&asked, "history").len();
        let comes = |order: &Value| list(order, "history")[entries..].iter().any(|entry| entry["event"] == comes_to);
        assert_eq!(site.until(&order, comes_to, comes).await["status"], status, "{comes_to}");
    }
}

async fn cards_that_never_worked(site: &Site) {
    // The whole order is what can be given back of it.
    let mut sandbox = draft("sandbox-1gb-7d");
    sandbox["sendEmail"] = false.into();
    for (count, refused) in [(2, 1), (1, 1)] {
        sandbox["count"] = count.into();
        site.local("operator", json!({"mode": "refuse", "times": refused})).await;
        let order = site.paid(&sandbox).await;
        let order = site.until(&order, "refused", |order| order["fulfilment"] != "fulfilling").await;
        let asked = site.refunding(&order, None).send().await;
        if count == refused {
            assert_eq!(asked.problem(409, "not_refundable", None)["reason"], "not_delivered");
        } else {
            let cancelling = asked.expect(202);
            let count = |status: &str| list(&cancelling, "cards").iter().filter(|card| card["status"] == status).count();
            assert_eq!((count("failed"), count("cancelling"), count("ready")), (1, 1, 0));
            site.refunding(&order, None).send().await.expect(200);
            site.until(&order, "cancelled", |order| happened(order, "cancelled")).await;
        }
    }

    // One that was given back before it was ever activated is on sale again, and what it is to its next buyer is not told.
    hold(site, "provision", true).await;
    let order = site.paid(&sandbox).await;
    let cancelling = site.refunding(&order, None).send().await.expect(202);
    assert!(cancelling["cards"][0]["mobileNumber"].is_string());
    let before = site.available("sandbox.1.esim").await;
    hold(site, "provision", false).await;
    site.until(&order, "cancelled", |order| order["status"] == 2).await;
    site.local("sweep", json!({})).await;
    assert_eq!(site.available("sandbox.1.esim").await, before + 1);
    let card = &site.read(&order).await["cards"][0];
    assert_eq!((&card["mobileNumber"], &card["activateBefore"]), (&json!(null), &json!(null)));

    let trial = site.settled(&site.order(&draft("eu-trial-100mb-1d")).await).await;
    let problem = site.refunding(&trial, None).send().await.problem(409, "not_refundable", None);
    assert_eq!(problem["reason"], "plan_policy");
}

async fn what_the_provider_says(site: &Site) {
    hold(site, "settle-refund", true).await;
    let paid = site.order(&draft("eu-5gb-30d")).await;
    let payment = stripe_event(&paid);
    assert_eq!(site.stripe(&payment).await, "paid");
    let order = site.settled(&paid).await;
    site.refunding(&order, None).send().await.expect(202);
    let order = site.until(&order, "cancelled", |order| order["status"] == 2).await;
    assert_eq!(order["refunds"][0]["status"], "due");

    let told = async |kind: &str, object: Value| {
        let mut event = json!({"id": format!("evt_{}", unique()), "object": "event", "type": kind, "data": {"object": object}});
        event["data"]["object"]["payment_intent"] = payment["data"]["object"]["id"].clone();
        assert_eq!(site.stripe(&event).await, "recorded", "{kind}");
        site.read(&order).await
    };
    let refund = |id: &str, amount: i64, status: &str, metadata: Value| json!({"id": id, "object": "refund", "amount": amount, "currency": "eur", "status": status, "metadata": metadata});
    let ours = |status: &str| {
        let metadata = json!({"orderNum": order["orderNum"], "refundId": order["refunds"][0]["refundId"]});
        refund("re_1", 1450, status, metadata)
    };
    let requested = told("refund.updated", ours("pending")).await;
    assert_eq!((&requested["refunds"][0]["status"], &requested["owed"][0]["amount"]), (&json!("requested"), &json!(1450)));
    let failed = told("refund.failed", ours("failed")).await;
    assert_eq!((&failed["refunds"][0]["status"], &failed["owed"][0]["amount"]), (&json!("failed"), &json!(1450)));
    assert!(list(&failed, "needsAttention").iter().any(|attention| attention["code"] == "refund_failed"));
    // Somebody does it by hand, in part; neither that nor a dispute names the order.
    let elsewhere = told("refund.created", refund("re_2", 500, "succeeded", json!({}))).await;
    assert_eq!(elsewhere["refunds"][1]["reason"], "elsewhere");
    assert!(happened(&elsewhere, "refunded"));
    eventually("counted", async || (attention(site).await["codes"]["refund_failed"] == 1).then_some(())).await;
    let by_hand = json!({"refundId": failed["refunds"][0]["refundId"], "reference": "SEPA 4711"});
    let path = format!("/v1/orders/{}/refunds", num(&order));
    let settled = site.post(path).by(By::Manager).json(&by_hand).send().await.expect(200);
    assert_eq!((&settled["refunds"][0]["amount"]["amount"], &settled["owed"]), (&json!(950), &json!([])));
    let twice = told("refund.created", refund("re_3", 100, "succeeded", json!({}))).await;
    assert!(list(&twice, "needsAttention").iter().any(|attention| attention["code"] == "paid_back_twice"));
    eventually("counted", async || (attention(site).await["codes"]["paid_back_twice"] == 1).then_some(())).await;
    let disputed = json!({"id": "dp_1", "object": "dispute", "reason": "fraudulent", "metadata": {}});
    assert!(happened(&told("charge.dispute.created", disputed).await, "disputed"));
    hold(site, "settle-refund", false).await;
}

/// A payment through a provider that speaks Standard Webhooks.
async fn standard(site: &Site, order: &Value) -> Answer {
    let event = json!({
        "type": "payment.succeeded", "timestamp": "2026-11-22T10:00:00Z",
        "data": {
            "paymentId": format!("pay_{}", unique()), "orderNum": order["orderNum"],
            "amount": order["price"]["amount"], "currency": order["price"]["currency"],
        },
    });
    let (id, now, secret) = (format!("msg_{}", unique()), site.stack.clock().now(), site.standard_secret());
    let body = event.to_string();
    site.post("/v1/webhooks/payments/standard")
        .header("webhook-timestamp", now.unix().to_string())
        .header("webhook-signature", sign_standard(&id, now, body.as_bytes(), &secret))
        .header("webhook-id", id)
        .body("application/json", body)
        .send()
        .await
}

/// What orders come to when time goes by.
async fn time(contract: &Arc<Contract>) {
    let site = site(contract, simdock_local::Options::default()).await;
    let unpaid = site.order(&draft("eu-5gb-30d")).await;
    let asia = site.paid(&draft("asia-3gb-30d")).await;
    let trial = site.order(&draft("eu-trial-100mb-1d")).await;
    let mut throttled = draft("eu-5gb-30d");
    throttled["subscriber"]["email"] = "throttle@simulator.test".into();
    let throttled = site.paid(&throttled).await;
    site.settled(&asia).await;
    site.settled(&trial).await;

    // Each of two mails is tried fifteen times, with up to an hour between.
    let mut hours = 0;
    while list(&site.read(&throttled).await, "emails").iter().filter(|mail| mail["status"] == "failed").count() < 2 {
        assert!(hours < 100, "the mails are never given up");
        hours += 1;
        site.advance("PT1H").await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(site.pay(&unpaid).await, "owed_back");
    assert_eq!(site.read(&unpaid).await["voidReason"], "not_paid_in_time");
    site.advance("P14D").await;
    assert_eq!(site.read(&asia).await["cards"][0]["refundable"]["code"], "period_over");
    let late = site.refunding(&asia, None).send().await.problem(409, "not_refundable", None);
    assert_eq!(late["reason"], "period_over");

    hold(&site, "provision", true).await;
    let paused = site.paid(&draft("sandbox-1gb-7d")).await;
    assert_eq!(site.read(&paused).await["cards"][0]["status"], "provisioning");
    hold(&site, "send-email", true).await;
    let mut unsent = draft("eu-5gb-30d");
    unsent["subscriber"]["language"] = "es".into();
    assert_eq!(site.read(&site.paid(&unsent).await).await["emails"][0]["status"], "pending");
    attention(&site).await;
    site.stop().await;
}

/// What is answered when the tables are in trouble: to every operation.
async fn trouble(contract: &Arc<Contract>) {
    let between = Between::start().await;
    let site = site(contract, between.options()).await;
    for (way, status, code) in [(Way::Refused, 500, "internal"), (Way::Throttled, 503, "unavailable")] {
        between.set(way);
        let asked = contract.operations().into_iter().map(async |operation| {
            let path = operation.path.replace("{orderNum}", "EPZYXWVTSRQPNMKJHG").replace("{importId}", "IM0");
            let path = path.replace("{subscriptionId}", "SUZYXWVTSRQPNMKJHG").replace("{iccid}", "8934501234567890125");
            let path = path.replace("{partnerId}", "acme").replace("{keyId}", "KY0123456789ABCDEF");
            let path = path.replace("{planId}", "eu-5gb-30d").replace("{poolId}", "meridian.7.esim");
            let call = match operation.id.as_str() {
                "createOrder" => site.ordering(&draft("eu-5gb-30d")),
                "importInventory" => site.post(path).by(By::Manager).csv(csv(0, 1)),
                "receivePaymentWebhook" => {
                    let order = json!({"orderNum": "EPZYXWVTSRQPNMKJHG", "price": {"amount": 1, "currency": "EUR"}});
                    site.stripe_call(stripe_event(&order).to_string())
                }
                // Who asks is looked up before anything else.
                _ => site.call(operation.method.parse().unwrap(), path).by(By::Manager),
            };
            call.send().await.problem(status, code, None);
        });
        join_all(asked).await;
    }
    site.stop().await;
}

/// An import that outlasts its request, because the tables take their time; the sweep finishes it.
async fn slow_import(contract: &Arc<Contract>) {
    let between = Between::start().await;
    let site = site(contract, between.options()).await;
    let before = site.available("meridian.7.esim").await;
    between.set(Way::After(Duration::from_millis(900)));
    let file = csv(1_000, 600);
    let import = site.post("/v1/inventory/imports?operator=meridian&imsiProfile=7").by(By::Manager).csv(file.clone());
    let running = import.send().await.expect(202);
    assert_eq!((&running["status"], &running["accepted"]), (&json!("running"), &json!(600)));
    assert!(running["added"].as_u64().unwrap() < 600, "{running}");
    between.set(Way::After(Duration::ZERO));
    let path = format!("/v1/inventory/imports/{}", running["importId"].as_str().unwrap());
    assert_eq!(site.get(&path).by(By::Manager).send().await.expect(200)["status"], "running");
    let imports = site.get("/v1/inventory/imports").by(By::Manager).send().await.expect(200);
    assert_eq!((&imports["items"][0]["status"], &imports["items"][0]["lines"]), (&json!("running"), &json!(600)));
    site.local("sweep", json!({})).await;
    let done = site.get(&path).by(By::Manager).send().await.expect(200);
    assert_eq!((&done["status"], &done["added"]), (&json!("done"), &json!(600)));
    assert_eq!(site.available("meridian.7.esim").await, before + 600);
    site.stop().await;
}
