//! The answers about subscriptions: what changes them, and what their cards report.

use super::{happened, hold, iccid, site};
use crate::api::openapi::Contract;
use crate::api::{Answer, By, Call, EID, Site, draft, eventually, list, num};
use serde_json::{Value, json};
use simdock_payments::sign_standard;
use std::sync::Arc;

/// A plan of the sandbox operator that can be renewed and takes add-ons.
const PLAN: &str = "sandbox-5gb-30d";
const OTHER_EID: &str = "89033023425120000000001234567812";

/// All of them.
pub async fn subscriptions(contract: &Arc<Contract>) {
    let site = site(contract, simdock_local::Options::default()).await;
    what_changes_take(&site).await;
    what_reports_take(&site).await;
    a_life(&site).await;
    a_swap(&site).await;
    a_card_in_the_post(&site).await;
    an_end(&site).await;
    a_suspension(&site).await;
    // The clock moves from here on.
    a_refund(&site).await;
    a_swap_before_a_refund(&site).await;
    a_card_that_nobody_installs(&site).await;
    site.stop().await;
}

/// An order of one card that is paid and delivered, and its subscription.
async fn delivered(site: &Site, plan: &str) -> (Value, String) {
    let mut draft = draft(plan);
    draft["payment"] = "balance".into();
    let order = site.settled(&site.order(&draft).await).await;
    let subscription = order["cards"][0]["subscriptionId"].as_str().expect("a subscription").to_owned();
    (order, subscription)
}

/// Reads a subscription until something holds of it.
async fn until(site: &Site, id: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    eventually(what, async || Some(site.subscription(id).await).filter(&holds)).await
}

/// What becomes of what the card's operator tells, which happened so many seconds after now.
async fn told(site: &Site, iccid: &str, after: i64, mut event: Value) -> Value {
    event["at"] = site.stack.clock().now().plus_seconds(after).to_string().into();
    site.reporting(iccid, event).send().await.expect(200)["result"].take()
}

/// The problem of a subscription that takes no change, which gives this reason.
fn closed(answer: &Answer, reason: &str) {
    assert_eq!(answer.problem(409, "subscription_closed", None)["reason"], reason);
}

/// Every way to change a subscription, each with a good body.
fn changes() -> [(&'static str, Value); 4] {
    let paid = json!({"payment": "balance"});
    let top_up = json!({"addOnIds": ["data-1gb"], "payment": "balance"});
    [("renewal", paid.clone()), ("top-ups", top_up), ("cancellation", json!({})), ("sim-swap", paid)]
}

/// Asks for a change of an order's subscription.
fn asking<'a>(site: &'a Site, order: &Value, action: &str, body: &Value) -> Call<'a> {
    match (action, order["cards"][0]["subscriptionId"].as_str().expect("a subscription")) {
        ("renewal", _) => site.renewing(order, body),
        (action, id) => site.changing(id, action, body),
    }
}

/// Every change is refused, and so is keeping the card out of the network or letting it in.
async fn takes_nothing(site: &Site, order: &Value, id: &str, reason: &str) {
    for (action, body) in changes() {
        closed(&asking(site, order, action, &body).send().await, reason);
    }
    for action in ["suspension", "resumption"] {
        closed(&service(site, id, action).send().await, reason);
    }
}

fn service<'a>(site: &'a Site, id: &str, action: &str) -> Call<'a> {
    site.post(format!("/v1/subscriptions/{id}/{action}")).by(By::Partner)
}

async fn what_changes_take(site: &Site) {
    for (action, good) in changes() {
        let (order, id) = delivered(site, PLAN).await;
        let call = || asking(site, &order, action, &good);
        let refused = async |body: Value, status: u16, code: &str, field: &str| {
            asking(site, &order, action, &body).send().await.problem(status, code, Some(field));
        };
        let with = |name: &str, value: &str| {
            let mut body = good.clone();
            body[name] = value.into();
            body
        };
        call().header("Authorization", "Bearer nobody").send().await.problem(401, "unauthenticated", None);
        call().by(By::OtherPartner).send().await.problem(404, "not_found", None);
        call().body("application/json", "{").send().await.problem(400, "malformed_json", None);
        call().body("text/plain", "{}").send().await.problem(415, "unsupported_media_type", Some("Content-Type"));
        let large = "x".repeat(256 * 1024 + 1);
        call().body("application/json", large).send().await.problem(413, "body_too_large", None);
        let nameless = call().without("Idempotency-Key").send().await;
        nameless.problem(400, "idempotency_key_missing", Some("Idempotency-Key"));
        refused(with("colour", "red"), 400, "unknown_field", "colour").await;
        refused(with("channel", "fax"), 400, "invalid_field", "channel").await;
        match action {
            "renewal" => {
                refused(json!({}), 400, "missing_field", "payment").await;
                refused(with("planId", "sandbox-3gb-15d"), 409, "not_renewable", "planId").await;
                let unpaid = site.order(&draft(PLAN)).await;
                site.renewing(&unpaid, &good).send().await.problem(409, "not_possible", None);
            }
            "top-ups" => refused(json!({"payment": "balance"}), 400, "missing_field", "planId").await,
            "sim-swap" => refused(with("formFactor", "physical"), 400, "missing_field", "postalAddress").await,
            _ => {}
        }
        if ["renewal", "top-ups"].contains(&action) {
            refused(with("planId", "none"), 404, "plan_not_found", "planId").await;
            refused(with("planId", "world-2gb-30d"), 409, "profile_mismatch", "planId").await;
            refused(json!({"addOnIds": ["none"], "payment": "balance"}), 404, "add_on_not_found", "addOnIds").await;
        }

        let once = || call().header("Idempotency-Key", format!("once-{action}"));
        let made = once().send().await.expect(201);
        assert_eq!((&made["subscriptionId"], &made["status"]), (&json!(id), &json!(0)));
        let again = once().send().await;
        assert_eq!((again.header("idempotency-replayed"), num(&again.expect(200))), (Some("true"), num(&made)));
        let other = once().json(&with("otherOrderId", "shop-1")).send().await;
        other.problem(422, "idempotency_key_reused", Some("Idempotency-Key"));
    }

    let (_, id) = delivered(site, PLAN).await;
    let path = format!("/v1/subscriptions/{id}");
    site.get(&path).send().await.problem(401, "unauthenticated", None);
    site.get(&path).by(By::OtherPartner).send().await.problem(404, "not_found", None);
    site.get(format!("{path}?page=2")).by(By::Partner).send().await.problem(400, "unknown_field", Some("page"));
    for action in ["suspension", "resumption"] {
        site.post(format!("{path}/{action}")).send().await.problem(401, "unauthenticated", None);
        service(site, &id, action).by(By::OtherPartner).send().await.problem(404, "not_found", None);
    }
    full(site).await;
}

/// Fifteen plans wait or run.
async fn full(site: &Site) {
    let (_, id) = delivered(site, "eu-5gb-30d").await;
    let trial = json!({"planId": "eu-trial-100mb-1d", "payment": "balance", "sendEmail": false});
    for _ in 0..14 {
        site.changing(&id, "top-ups", &trial).send().await.expect(201);
    }
    closed(&site.changing(&id, "top-ups", &trial).send().await, "full");
    let plans = site.subscription(&id).await["plans"].take();
    assert_eq!((plans.as_array().map(Vec::len), &plans[0]["flowType"], &plans[14]["flowType"]), (Some(15), &json!(0), &json!(1)));
}

async fn what_reports_take(site: &Site) {
    let (order, _) = delivered(site, PLAN).await;
    let card = iccid(&order, 0);
    let path = format!("/v1/sims/{card}/events");
    let installed = json!({"type": "installed", "at": "2026-11-22T10:00:00Z"});
    let by = |who| site.post(&path).by(who).json(&installed);
    by(By::Nobody).send().await.problem(401, "unauthenticated", None);
    by(By::OtherPartner).send().await.problem(404, "not_found", None);
    let usage = json!({"type": "usage", "at": "2026-11-22T10:00:00Z", "usedMb": 1});
    site.post(&path).by(By::Partner).json(&usage).send().await.problem(403, "forbidden", None);
    by(By::Partner).body("application/json", "{").send().await.problem(400, "malformed_json", None);
    let plain = by(By::Partner).body("text/plain", "{}");
    plain.send().await.problem(415, "unsupported_media_type", Some("Content-Type"));
    let large = "x".repeat(256 * 1024 + 1);
    by(By::Partner).body("application/json", large).send().await.problem(413, "body_too_large", None);
    let report = |event: Value| site.reporting(card, event);
    report(json!({"type": "usage"})).send().await.problem(400, "missing_field", Some("usedMb"));
    report(json!({"type": "roaming"})).send().await.problem(400, "invalid_field", Some("type"));
    report(json!({"type": "installed", "usedMb": 1})).send().await.problem(400, "unknown_field", Some("usedMb"));
    let forged =
        report(json!({"type": "installed"})).header("webhook-signature", "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=");
    forged.send().await.problem(400, "bad_signature", None);
    let (id, then, body) = ("evt_0", site.stack.clock().now().plus_seconds(-301), installed.to_string());
    let signature = sign_standard(id, then, body.as_bytes(), &site.carrier_secret());
    let late = by(By::Nobody).header("webhook-id", id).header("webhook-timestamp", then.unix().to_string());
    late.header("webhook-signature", signature).body("application/json", body).send().await.problem(400, "signature_stale", None);

    let now = site.stack.clock().now().to_string();
    let on = |eid: &str| report(json!({"type": "installed", "at": now, "eid": eid, "via": "ios_api"}));
    assert_eq!(on(EID).send().await.expect(200)["result"], "recorded");
    assert_eq!(on(EID).send().await.expect(200)["result"], "known");
    on(OTHER_EID).send().await.problem(409, "other_device", None);
    let mobile = by(By::Partner).json(&json!({"type": "disabled", "at": site.stack.clock().now().plus_seconds(2).to_string()}));
    assert_eq!(mobile.send().await.expect(200)["result"], "recorded", "an app reports through its partner");
}

/// From the install to the end of every plan.
async fn a_life(site: &Site) {
    let (order, id) = delivered(site, PLAN).await;
    let card = iccid(&order, 0);
    assert_eq!((&order["cards"][0]["status"], &site.subscription(&id).await["inSession"]), (&json!("ready"), &json!("n/a")));
    let refused = async |reason: &str| {
        let shown = &site.read(&order).await["cards"][0]["refundable"];
        assert_eq!(shown["code"], reason);
        let problem = site.refunding(&order, None).send().await.problem(409, "not_refundable", None);
        assert_eq!(problem["reason"], reason);
    };
    told(site, card, 0, json!({"type": "installed", "eid": EID, "via": "qr"})).await;
    assert_eq!(site.read(&order).await["cards"][0]["status"], "installed");
    refused("installed").await;

    told(site, card, 1, json!({"type": "session", "inSession": true, "country": "ES"})).await;
    assert_eq!(site.read(&order).await["cards"][0]["status"], "active");
    refused("activated").await;
    let subscription = site.subscription(&id).await;
    assert_eq!((&subscription["inSession"], &subscription["plans"][0]["status"]), (&json!("yes"), &json!("running")));
    told(site, card, 2, json!({"type": "session", "inSession": false})).await;
    assert_eq!(site.subscription(&id).await["inSession"], "no");

    // A renewal of the renewal hangs on the main order.
    let other = json!({"payment": "balance", "planId": "sandbox-1gb-7d"});
    let renewal = site.renewing(&order, &other).send().await.expect(201);
    assert_eq!((&renewal["renew"], &renewal["mainOrderNum"]), (&json!(1), &order["orderNum"]));
    let renewal = site.settled(&renewal).await;
    let second = site.renewing(&renewal, &json!({"payment": "card"})).send().await.expect(201);
    assert_eq!(site.pay(&second).await, "paid");
    let main = site.read(&order).await;
    assert_eq!(main["renewOrderNum"], json!([renewal["orderNum"], second["orderNum"]]));
    assert!(happened(&main, "renewed"));
    let more = json!({"addOnIds": ["data-1gb"], "payment": "balance"});
    let added = site.changing(&id, "top-ups", &more).by(By::Manager).send().await.expect(201);
    assert_eq!((&added["partnerId"], &added["history"][0]["by"]), (&order["partnerId"], &json!("manager")));
    site.settled(&added).await;

    told(site, card, 10, json!({"type": "usage", "usedMb": 6144, "country": "ES"})).await;
    let main = site.read(&order).await;
    assert_eq!((&main["status"], &main["cards"][0]["status"]), (&json!(5), &json!("ended")));
    assert!(happened(&main, "ended"));
    assert_eq!(site.read(&added).await["status"], 5, "what was added to the plan is over with it");
    refused("ended").await;
    told(site, card, 20, json!({"type": "expired", "orderNum": renewal["orderNum"]})).await;
    told(site, card, 30, json!({"type": "used_up", "orderNum": second["orderNum"]})).await;
    let plans = site.subscription(&id).await["plans"].take();
    let reasons: Vec<_> = plans.as_array().expect("plans").iter().map(|plan| &plan["reason"]).collect();
    assert_eq!(reasons, ["used_up", "expired", "used_up"]);
    closed(&site.changing(&id, "top-ups", &more).send().await, "no_plan");
}

async fn a_swap(site: &Site) {
    let (order, id) = delivered(site, "sandbox-1gb-7d").await;
    let old = iccid(&order, 0).to_owned();
    told(site, &old, 0, json!({"type": "installed", "eid": EID})).await;
    told(site, &old, 1, json!({"type": "first_attach", "country": "ES"})).await;
    let swap = site.changing(&id, "sim-swap", &json!({"formFactor": "esim"})).send().await.expect(201);
    assert_eq!((&swap["type"], &swap["price"]["amount"]), (&json!("swap_sim"), &json!(0)));
    let swap = site.settled(&swap).await;
    let new = iccid(&swap, 0).to_owned();
    let subscription = site.subscription(&id).await;
    assert_eq!((&subscription["iccid"], &subscription["openChange"]["newIccid"]), (&json!(old), &json!(new)));
    takes_nothing(site, &order, &id, "swap").await;
    closed(&site.refunding(&order, None).send().await, "swap");
    assert_eq!(told(site, &new, 2, json!({"type": "usage", "usedMb": 9})).await, "replaced", "it carries nothing yet");

    assert_eq!(told(site, &new, 3, json!({"type": "installed", "eid": OTHER_EID})).await, "recorded");
    let swap = site.until(&swap, "retired", |swap| happened(swap, "retired")).await;
    assert!(happened(&swap, "swapped"));
    assert_eq!(swap["cards"][0]["refundable"]["code"], "installed");
    let subscription = site.subscription(&id).await;
    assert_eq!((&subscription["iccid"], &subscription["openChange"]), (&json!(new), &json!(null)));
    assert_eq!(subscription["pastCards"][0]["iccid"], json!(old));
    assert_eq!(told(site, &old, 4, json!({"type": "usage", "usedMb": 9})).await, "replaced");
    assert_eq!(iccid(&site.read(&order).await, 0), new, "the main order shows the card that carries it now");
    let named = json!({"iccid": new, "payment": "balance"});
    site.renewing(&order, &named).send().await.expect(201);
}

/// A refund is asked for, and a swap that was ordered before is paid first.
async fn a_swap_before_a_refund(site: &Site) {
    let (order, id) = delivered(site, PLAN).await;
    hold(site, "provision", true).await;
    let swap = site.changing(&id, "sim-swap", &json!({"payment": "card"})).send().await.expect(201);
    site.refunding(&order, None).send().await.expect(202);
    closed(&site.changing(&id, "sim-swap", &json!({"payment": "balance"})).send().await, "refund");
    assert_eq!(site.pay(&swap).await, "paid");
    hold(site, "provision", false).await;
    let stays = site.until(&order, "overtaken", |order| happened(order, "cancellation_overtaken")).await;
    assert_eq!(stays["cards"][0]["refundable"]["code"], "swap");
}

/// A physical SIM for an eSIM, for a price.
async fn a_card_in_the_post(site: &Site) {
    let (_, id) = delivered(site, PLAN).await;
    let mut physical = json!({"formFactor": "physical", "postalAddress": {
        "lines": ["Calle Mayor 5", "2º B"], "city": "Madrid", "region": "Madrid", "postalCode": "28013", "country": "ES",
    }});
    let unpaid = site.changing(&id, "sim-swap", &physical).send().await;
    unpaid.problem(400, "missing_field", Some("payment"));
    physical["payment"] = "card".into();
    let swap = site.changing(&id, "sim-swap", &physical).send().await.expect(201);
    assert_eq!((&swap["status"], &swap["price"]["amount"], &swap["formFactor"]), (&json!(-1), &json!(250), &json!("physical")));
    assert_eq!(site.pay(&swap).await, "paid");
    let swap = site.until(&swap, "provisioned", |swap| happened(swap, "provisioned")).await;
    assert_eq!(swap["needsAttention"][0]["code"], "to_ship");
    let parcel = json!({"carrier": "Correos", "number": "PQ4F2M0012345678Y"});
    site.post(format!("/v1/orders/{}/shipment", num(&swap))).by(By::Manager).json(&parcel).send().await.expect(200);
    assert_eq!(site.read(&swap).await["cards"][0]["refundable"]["code"], "shipped");
    let problem = site.refunding(&swap, None).send().await.problem(409, "not_refundable", None);
    assert_eq!(problem["reason"], "shipped");
}

/// A cancellation, and a renewal that is paid after it.
async fn an_end(site: &Site) {
    let (order, id) = delivered(site, PLAN).await;
    let late = site.renewing(&order, &json!({"payment": "card"})).send().await.expect(201);
    hold(site, "provision", true).await;
    let end = site.changing(&id, "cancellation", &json!({})).send().await.expect(201);
    assert_eq!((&end["type"], &end["fulfilment"]), (&json!("cancel_subscription"), &json!("fulfilling")));
    assert_eq!(site.subscription(&id).await["openChange"]["kind"], "cancellation");
    takes_nothing(site, &order, &id, "cancellation").await;
    assert_eq!(site.read(&order).await["cards"][0]["refundable"]["code"], "cancellation");
    assert_eq!(end["cards"][0]["refundable"]["code"], "not_cancellable");
    let problem = site.refunding(&end, None).send().await.problem(409, "not_refundable", None);
    assert_eq!(problem["reason"], "not_cancellable");
    hold(site, "provision", false).await;

    let ended = until(site, &id, "ended", |subscription| subscription["status"] == "ended").await;
    assert_eq!((&ended["endReason"], &ended["plans"][0]["reason"]), (&json!("cancelled"), &json!("cancelled")));
    assert_eq!(site.read(&order).await["refunds"][0]["reason"], "cancelled", "nothing of it was used");
    takes_nothing(site, &order, &id, "ended").await;
    assert_eq!(site.pay(&late).await, "owed_back");
    let late = site.read(&late).await;
    assert_eq!(
        (&late["voidReason"], &late["payments"][0]["reason"]),
        (&json!("subscription_closed"), &json!("subscription_closed"))
    );
    assert_eq!(told(site, iccid(&order, 0), 1, json!({"type": "usage", "usedMb": 9})).await, "known");
}

async fn a_suspension(site: &Site) {
    let (_, id) = delivered(site, PLAN).await;
    let opposites = [("suspension", "suspending", "suspended"), ("resumption", "resuming", "active")];
    for (index, (action, under_way, done)) in opposites.into_iter().enumerate() {
        hold(site, "provision", true).await;
        let wanted = service(site, &id, action).send().await.expect(202);
        assert_eq!(wanted["status"], under_way);
        assert_eq!(service(site, &id, action).send().await.expect(200), wanted, "asking twice is asking once");
        let opposite = service(site, &id, opposites[1 - index].0).send().await.problem(409, "not_possible", None);
        assert_eq!(opposite["reason"], "in_progress");
        hold(site, "provision", false).await;
        until(site, &id, done, |subscription| subscription["status"] == done).await;
        service(site, &id, action).send().await.expect(200);
    }
    // Nobody can be asked about cards that work as they come.
    let (_, preloaded) = delivered(site, "eu-5gb-30d").await;
    let refused = service(site, &preloaded, "suspension").send().await.problem(409, "not_possible", None);
    assert_eq!(refused["reason"], "preloaded");
    // A manager's wish, which the carrier refuses, and a rule's.
    site.local("operator", json!({"mode": "refuse", "times": 1})).await;
    service(site, &id, "suspension").by(By::Manager).send().await.expect(202);
    let last = |line: &Value| list(line, "serviceHistory").last().map(|entry| (entry["event"].clone(), entry["by"].clone()));
    let line = until(site, &id, "refused", |line| last(line) == Some((json!("refused"), json!("carrier")))).await;
    assert_eq!((&line["status"], list(&line, "serviceHistory").len()), (&json!("active"), 6));
    let iccid = line["iccid"].as_str().expect("a card");
    let rule = site.call(hyper::Method::PATCH, format!("/v1/sims/{iccid}")).by(By::Manager);
    rule.json(&json!({"rules": {"suspendAtMonthMb": 1}})).send().await.expect(200);
    assert_eq!(told(site, iccid, 0, json!({"type": "first_attach"})).await, "recorded");
    assert_eq!(told(site, iccid, 0, json!({"type": "usage", "usedMb": 2})).await, "recorded");
    let line = until(site, &id, "suspended", |line| line["status"] == "suspended").await;
    assert!(list(&line, "serviceHistory").iter().any(|entry| entry["by"] == "rule"), "{line}");
}

/// The main order is paid back, which takes the carrier two attempts.
async fn a_refund(site: &Site) {
    let (order, id) = delivered(site, PLAN).await;
    let renewal = site.renewing(&order, &json!({"payment": "balance"})).send().await.expect(201);
    let renewal = site.settled(&renewal).await;
    site.local("operator", json!({"mode": "fail", "times": 1})).await;
    site.refunding(&order, None).send().await.expect(202);
    site.held_back("provision").await;
    assert_eq!(site.subscription(&id).await["openChange"]["kind"], "refund");
    takes_nothing(site, &order, &id, "refund").await;
    assert_eq!(site.read(&renewal).await["cards"][0]["refundable"]["code"], "refund");
    site.advance("PT35S").await;
    let ended = until(site, &id, "ended", |subscription| subscription["status"] == "ended").await;
    assert_eq!(ended["endReason"], "refunded");
}

/// A card that has to be installed within a hundred days, and one that no order has.
async fn a_card_that_nobody_installs(site: &Site) {
    let cards = ["89014103211118510720", "89014103211118510738"];
    let file = format!(
        "iccid,operator,imsiProfile,activateBefore\n{},sandbox,1,2027-03-02\n{},sandbox,1,2027-03-02\n",
        cards[0], cards[1]
    );
    site.post("/v1/inventory/imports").by(By::Manager).csv(file).send().await.expect(201);
    let mut draft = draft(PLAN);
    (draft["payment"], draft["iccids"]) = ("balance".into(), json!([cards[0]]));
    let order = site.settled(&site.order(&draft).await).await;
    let id = order["cards"][0]["subscriptionId"].as_str().expect("a subscription");
    assert_eq!(told(site, cards[1], 0, json!({"type": "first_attach"})).await, "no_subscription");
    site.advance("P101D").await;
    let over = until(site, id, "over", |subscription| subscription["plans"][0]["status"] == "over").await;
    assert_eq!((&over["plans"][0]["reason"], &over["status"]), (&json!("never_activated"), &json!("active")));
    assert_eq!(site.read(&order).await["status"], 5);
    assert!(list(&over, "orderNums").contains(&order["orderNum"]));
}
