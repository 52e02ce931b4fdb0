//! The answers to managers, and about what they look after: physical cards, mails, what failed, and gifts.

use super::{attention, happened, hold, iccid, site};
use crate::api::openapi::Contract;
use crate::api::{By, Call, EID, Site, draft, eventually, list, num};
use hyper::Method;
use serde_json::{Value, json};
use std::sync::Arc;

/// A plan of the sandbox operator that is given to those who have another of its plans.
const GIFT: &str = "sandbox-gift-1gb-7d";

/// All of them.
pub async fn desk(contract: &Arc<Contract>) {
    let site = site(contract, simdock_local::Options::default()).await;
    // What is owed stays owed.
    hold(&site, "settle-refund", true).await;
    what_managers_may_ask(&site).await;
    a_parcel(&site).await;
    a_mail_again(&site).await;
    a_card_that_failed(&site).await;
    gifts(&site).await;
    attention(&site).await;
    site.stop().await;
}

/// Asks for something about an order, as a manager.
fn managing<'a>(site: &'a Site, order: &Value, action: &str, body: &Value) -> Call<'a> {
    let method = if action == "recipient" { Method::PATCH } else { Method::POST };
    site.call(method, format!("/v1/orders/{}/{action}", num(order))).by(By::Manager).json(body)
}

async fn not_possible(call: Call<'_>, reason: &str) {
    assert_eq!(call.send().await.problem(409, "not_possible", None)["reason"], reason);
}

async fn what_managers_may_ask(site: &Site) {
    let order = site.order(&draft("eu-5gb-30d")).await;
    let (large, long) = ("x".repeat(256 * 1024 + 1), "x".repeat(151));
    let parcel = |more: (&str, Value)| {
        let mut parcel = json!({"carrier": "Correos"});
        parcel[more.0] = more.1;
        parcel
    };
    let late = json!({"carrier": "Correos", "number": "RR123456785ES", "shippedAt": "2126-11-22T10:00:00Z"});
    for (action, body, missing, invalid) in [
        (
            "shipment",
            parcel(("number", json!("RR123456785ES"))),
            Some((json!({"carrier": "Correos"}), "number")),
            Some((late, "shippedAt")),
        ),
        (
            "recipient",
            json!({"name": "Ana García"}),
            Some((json!({}), "name, email or postalAddress")),
            Some((json!({"email": "nobody"}), "email")),
        ),
        ("emails", json!({"kind": "confirmation"}), Some((json!({}), "kind")), Some((json!({"kind": "manager"}), "kind"))),
        ("retry", json!({}), None, None),
        (
            "refunds",
            json!({"refundId": "RF7W2K9M4QX3TY8ZC1", "reference": "SEPA 4711"}),
            Some((json!({"refundId": "RF7W2K9M4QX3TY8ZC1"}), "reference")),
            Some((json!({"refundId": "R".repeat(33), "reference": "SEPA 4711"}), "refundId")),
        ),
        ("notes", json!({"note": "Called back"}), Some((json!({}), "note")), Some((json!({"note": long}), "note"))),
    ] {
        let call = || managing(site, &order, action, &body);
        call().without("Authorization").send().await.problem(401, "unauthenticated", None);
        call().by(By::Partner).send().await.problem(403, "forbidden", None);
        let unknown = json!({"orderNum": "EPZYXWVTSRQPNMKJHG"});
        managing(site, &unknown, action, &body).send().await.problem(404, "not_found", None);
        call().body("application/json", "{").send().await.problem(400, "malformed_json", None);
        call().body("application/json", large.clone()).send().await.problem(413, "body_too_large", None);
        call().body("text/plain", "{}").send().await.problem(415, "unsupported_media_type", Some("Content-Type"));
        let mut colourful = body.clone();
        colourful["colour"] = 1.into();
        call().json(&colourful).send().await.problem(400, "unknown_field", Some("colour"));
        if let Some((body, field)) = missing {
            call().json(&body).send().await.problem(400, "missing_field", Some(field));
        }
        if let Some((body, field)) = invalid {
            call().json(&body).send().await.problem(400, "invalid_field", Some(field));
        }
    }
    let noted = managing(site, &order, "notes", &json!({"note": "Called back"})).send().await.expect(200);
    assert!(noted["note"] == "Called back" && happened(&noted, "noted"), "{noted}");
    assert_eq!(managing(site, &order, "notes", &json!({"note": "Called back"})).send().await.expect(200), noted);
    not_possible(managing(site, &order, "shipment", &parcel(("number", json!("1")))), "nothing_to_ship").await;
    not_possible(managing(site, &order, "emails", &json!({"kind": "qr"})), "no_such_email").await;
    not_possible(managing(site, &order, "retry", &json!({})), "nothing_to_retry").await;
    let by_hand = json!({"refundId": "RF7W2K9M4QX3TY8ZC1", "reference": "SEPA 4711"});
    not_possible(managing(site, &order, "refunds", &by_hand), "nothing_to_settle").await;
    let address = json!({"postalAddress": {"lines": ["Calle Mayor 5"], "city": "Madrid", "country": "ES"}});
    not_possible(managing(site, &order, "recipient", &address), "not_shipped").await;
}

/// Physical cards, chosen by their numbers and sent.
async fn a_parcel(site: &Site) {
    let stock = site.get("/v1/sims?poolId=sandbox.1.physical&status=blank&limit=2").by(By::Manager).send().await.expect(200);
    let chosen: Vec<&Value> = list(&stock, "items").iter().map(|card| &card["iccid"]).collect();
    let mut two = draft("sandbox-5gb-30d");
    (two["count"], two["formFactor"], two["payment"], two["iccids"]) =
        (2.into(), "physical".into(), "balance".into(), json!(chosen));
    site.ordering(&two).send().await.problem(400, "missing_field", Some("subscriber.postalAddress"));
    two["subscriber"]["postalAddress"] =
        json!({"lines": ["Calle Mayor 5", "2º B"], "city": "Madrid", "region": "Madrid", "postalCode": "28013", "country": "ES"});
    let refused = async |change: &dyn Fn(&mut Value), field: &str| {
        let mut draft = two.clone();
        change(&mut draft);
        site.ordering(&draft).send().await.problem(400, "invalid_field", Some(field));
    };
    refused(&|draft| draft["planId"] = "eu-5gb-30d".into(), "formFactor").await;
    refused(&|draft| draft["count"] = 1.into(), "iccids").await;
    refused(&|draft| draft["iccids"] = json!(["8949"]), "iccids").await;
    refused(&|draft| draft["subscriber"]["postalAddress"]["country"] = "Spain".into(), "subscriber.postalAddress.country").await;

    hold(site, "provision", true).await;
    let order = site.order(&two).await;
    assert_eq!((&order["cards"][0]["iccid"], &order["cards"][1]["iccid"]), (chosen[0], chosen[1]));
    assert_eq!((&order["fulfilment"], &order["needsAttention"][0]["code"]), (&json!("fulfilling"), &json!("to_ship")));
    assert_eq!(attention(site).await["codes"]["to_ship"], 1);
    assert_eq!(site.order(&two).await["voidReason"], "sold_out", "these cards are sold");
    let parcel = json!({"carrier": "Correos", "number": "RR123456785ES"});
    not_possible(managing(site, &order, "shipment", &parcel), "in_progress").await;
    hold(site, "provision", false).await;
    let mailed = |order: &Value| list(order, "emails").iter().all(|mail| mail["status"] == "sent");
    let order = site.until(&order, "provisioned", |order| happened(order, "provisioned") && mailed(order)).await;

    let address = json!({"lines": ["Gran Vía 1"], "city": "Madrid", "country": "ES"});
    let correct = json!({"name": "Ana García", "email": "ana.garcia@example.com", "postalAddress": address});
    let mut late = correct.clone();
    late["corrects"] = json!({"name": "Nobody", "email": "nobody@example.com"});
    managing(site, &order, "recipient", &late).send().await.problem(409, "version_conflict", Some("corrects"));
    let corrected = managing(site, &order, "recipient", &correct).send().await.expect(200);
    assert_eq!((&corrected["subscriber"]["name"], &corrected["subscriber"]["postalAddress"]), (&correct["name"], &address));
    assert!(happened(&corrected, "recipient_changed"));
    let again = managing(site, &order, "recipient", &correct).send().await.expect(200);
    assert_eq!(again["version"], corrected["version"], "saying it again changes nothing");

    let sent = managing(site, &order, "shipment", &parcel).send().await.expect(200);
    assert_eq!((&sent["shipment"]["carrier"], &sent["fulfilment"]), (&parcel["carrier"], &json!("completed")));
    assert!(happened(&sent, "shipped") && !list(&sent, "needsAttention").iter().any(|attention| attention["code"] == "to_ship"));
    let again = managing(site, &order, "shipment", &parcel).send().await.expect(200);
    assert_eq!(again["shipment"], sent["shipment"], "saying it again changes nothing");
    let another = json!({"carrier": "Correos", "number": "RR123456799ES"});
    not_possible(managing(site, &order, "shipment", &another), "shipped").await;
    let mut other = another.clone();
    other["corrects"] = json!({"number": "RR000000000ES"});
    managing(site, &order, "shipment", &other).send().await.problem(409, "version_conflict", Some("corrects"));
    // Nothing of it is corrected while its mail is on the way.
    site.until(&order, "told of", mailed).await;
    let mut right = another;
    right["corrects"] = sent["shipment"].clone();
    let right = managing(site, &order, "shipment", &right).send().await.expect(200);
    assert!(happened(&right, "shipment_corrected") && right["shipment"]["number"] == "RR123456799ES", "{right}");
    let moved = json!({"postalAddress": {"lines": ["Calle Mayor 5"], "city": "Madrid", "country": "ES"}});
    not_possible(managing(site, &order, "recipient", &moved), "shipped").await;
}

/// The QR code once more, for the same phone or another.
async fn a_mail_again(site: &Site) {
    let order = site.settled(&site.paid(&draft("sandbox-1gb-7d")).await).await;
    let asked = managing(site, &order, "emails", &json!({"kind": "qr", "to": "ana@example.org"})).send().await.expect(200);
    assert!(happened(&asked, "mail_requested"));
    site.settled(&order).await;
    eventually("the mail", async || (site.mails(&order, "qr").await.len() == 2).then_some(())).await;
    site.settled(&order).await;
    let once = |to: &str| managing(site, &order, "emails", &json!({"kind": "qr", "to": to})).header("Idempotency-Key", "once");
    once("ana@example.org").send().await.expect(200);
    assert_eq!(once("ana@example.org").send().await.header("idempotency-replayed"), Some("true"));
    once("eva@example.org").send().await.problem(422, "idempotency_key_reused", Some("Idempotency-Key"));
    eventually("the mail", async || (site.mails(&order, "qr").await.len() == 3).then_some(())).await;
    site.reporting(iccid(&order, 0), json!({"type": "installed", "eid": EID, "via": "qr"})).send().await.expect(200);
    managing(site, &order, "emails", &json!({"kind": "qr"})).send().await.problem(409, "other_device", None);
    managing(site, &order, "emails", &json!({"kind": "qr", "samePhone": true})).send().await.expect(200);
    managing(site, &order, "emails", &json!({"kind": "confirmation"})).send().await.expect(200);
}

/// A card that its operator refused and then takes after all.
async fn a_card_that_failed(site: &Site) {
    site.local("operator", json!({"mode": "refuse", "times": 1})).await;
    let order = site.paid(&draft("sandbox-1gb-7d")).await;
    let order = site.until(&order, "refused", |order| order["fulfilment"] == "failed").await;
    let card = site.get(format!("/v1/sims/{}", iccid(&order, 0))).by(By::Partner).send().await.expect(200);
    assert_eq!(card["status"], "invalid");
    let retried = managing(site, &order, "retry", &json!({})).send().await.expect(200);
    assert_eq!((&retried["refunds"][0]["status"], &retried["owed"]), (&json!("withdrawn"), &json!([])));
    assert!(happened(&retried, "retried"));
    assert_eq!(site.settled(&order).await["status"], 0);
}

async fn gifts(site: &Site) {
    let subscription = async |plan: &str| {
        let order = site.settled(&site.paid(&draft(plan)).await).await;
        order["cards"][0]["subscriptionId"].as_str().expect("a subscription").to_owned()
    };
    let eligible = subscription("sandbox-1gb-7d").await;
    let gift = |plan: &str, subscription: &str| {
        let mut gift = draft(plan);
        (gift["payment"], gift["eligibleSubscriptionId"]) = ("complimentary".into(), subscription.into());
        gift
    };
    let mut ben = gift(GIFT, &eligible);
    ben["subscriber"]["email"] = "ben@example.com".into();
    for (draft, by, reason) in [
        (gift("sandbox-1gb-7d", &eligible), By::Partner, "plan"),
        (gift(GIFT, &eligible), By::OtherPartner, "no_grant"),
        (gift(GIFT, "SUZYXWVTSRQPNMKJHG"), By::Partner, "no_subscription"),
        (ben, By::Partner, "other_subscriber"),
        (gift(GIFT, &subscription("eu-5gb-30d").await), By::Partner, "no_eligible_plan"),
    ] {
        let problem = site.ordering(&draft).by(by).send().await.problem(409, "not_eligible", None);
        assert_eq!(problem["reason"], reason);
    }
    let mut without = gift(GIFT, &eligible);
    without.as_object_mut().expect("an order").remove("eligibleSubscriptionId");
    site.ordering(&without).send().await.problem(400, "missing_field", Some("eligibleSubscriptionId"));
    let mut bought = gift("sandbox-1gb-7d", &eligible);
    bought["payment"] = "balance".into();
    site.ordering(&bought).send().await.problem(400, "invalid_field", Some("eligibleSubscriptionId"));
    let mut two = gift(GIFT, &eligible);
    two["count"] = 2.into();
    site.ordering(&two).send().await.problem(400, "invalid_field", Some("count"));

    let given = site.order(&gift(GIFT, &eligible)).await;
    assert_eq!((&given["payment"], &given["price"]["amount"], &given["status"]), (&json!("complimentary"), &json!(0), &json!(0)));
    assert_eq!(given["payments"][0]["provider"], "free");
    assert_eq!(site.order(&gift(GIFT, &eligible)).await["voidReason"], "nothing_to_give", "a subscription entitles once");
    for _ in 0..2 {
        site.order(&gift(GIFT, &subscription("sandbox-1gb-7d").await)).await;
    }
    let more = site.ordering(&gift(GIFT, &subscription("sandbox-1gb-7d").await)).send().await;
    assert_eq!(more.problem(409, "not_eligible", None)["reason"], "quota_used_up");

    let another = subscription("sandbox-1gb-7d").await;
    let by_manager = gift(GIFT, &another);
    site.ordering(&by_manager).by(By::Manager).send().await.problem(400, "missing_field", Some("partnerId"));
    let mut named = by_manager.clone();
    named["partnerId"] = crate::api::PARTNER.into();
    site.ordering(&named).send().await.problem(403, "forbidden", None);
    let given = site.ordering(&named).by(By::Manager).send().await.expect(201);
    assert_eq!((&given["partnerId"], &given["history"][0]["by"]), (&json!(crate::api::PARTNER), &json!("manager")));
}
