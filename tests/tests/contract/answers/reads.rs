//! The answers to who looks for orders and cards.

use super::{attention, happened, hold, iccid, site};
use crate::api::openapi::Contract;
use crate::api::{By, EID, PARTNER, Site, draft, eventually, list, num};
use serde_json::{Value, json};
use std::sync::Arc;

/// All of them.
pub async fn reads(contract: &Arc<Contract>) {
    let site = site(contract, simdock_local::Options::default()).await;
    what_can_be_asked(&site).await;
    orders_are_found(&site).await;
    what_can_be_done(&site).await;
    where_cards_stand(&site).await;
    site.stop().await;
}

async fn what_can_be_asked(site: &Site) {
    for (path, by) in [("/v1/sims", By::Manager), ("/v1/sims/8934501234567890125", By::Partner)] {
        site.get(path).send().await.problem(401, "unauthenticated", None);
        site.get(format!("{path}?page=2")).by(by).send().await.problem(400, "unknown_field", Some("page"));
    }
    site.get("/v1/sims").by(By::Partner).send().await.problem(403, "forbidden", None);
    site.get("/v1/attention").send().await.problem(401, "unauthenticated", None);
    site.get("/v1/attention").by(By::Partner).send().await.problem(403, "forbidden", None);
    site.get("/v1/attention?page=2").by(By::Manager).send().await.problem(400, "unknown_field", Some("page"));
    assert_eq!(attention(site).await, json!({"total": 0, "more": false, "oldestAt": null, "codes": {}}));
    for unknown in ["8934501234567890125", "8934"] {
        site.get(format!("/v1/sims/{unknown}")).by(By::Manager).send().await.problem(404, "not_found", None);
    }
    for (query, code, field) in [
        ("limit=0", "invalid_field", "limit"),
        ("status=asleep", "invalid_field", "status"),
        ("poolId=meridian", "invalid_field", "poolId"),
        ("cursor=x", "invalid_cursor", "cursor"),
        ("cursor=MjAyNi0xMS0yMlQxMDowMDowMFo", "invalid_cursor", "cursor"),
    ] {
        site.get(format!("/v1/sims?{query}")).by(By::Manager).send().await.problem(400, code, Some(field));
    }
    for (query, field) in [
        ("status=1", "status"),
        ("status=normal", "status"),
        ("type=refund", "type"),
        ("email=nobody", "email"),
        ("iccid=8949", "iccid"),
        ("needsAttention=false", "needsAttention"),
        ("sort=price", "sort"),
    ] {
        site.get(format!("/v1/orders?{query}")).by(By::Partner).send().await.problem(400, "invalid_field", Some(field));
    }
}

/// The numbers of the orders that are found.
async fn found(site: &Site, query: &str, by: By<'_>) -> Vec<String> {
    let page = site.get(format!("/v1/orders?{query}")).by(by).send().await.expect(200);
    list(&page, "items").iter().map(|order| num(order).to_owned()).collect()
}

async fn orders_are_found(site: &Site) {
    let order = site.settled(&site.paid(&draft("sandbox-1gb-7d")).await).await;
    let path = format!("/v1/orders/{}?codes", num(&order));
    site.get(format!("{path}=no")).by(By::Partner).send().await.problem(400, "invalid_field", Some("codes"));
    let hidden = site.get(format!("{path}=false")).by(By::Partner).send().await.expect(200);
    assert_eq!((&hidden["cards"][0]["code"], &hidden["iccids"]), (&json!(null), &json!([iccid(&order, 0)])));
    site.stack.clock().advance(std::time::Duration::from_secs(1));
    let mut ben = draft("eu-5gb-30d");
    ben["subscriber"]["email"] = "ben@example.com".into();
    let ben = site.order(&ben).await;
    site.stack.clock().advance(std::time::Duration::from_secs(1));
    let theirs = site.ordering(&draft("eu-5gb-30d")).by(By::OtherPartner).send().await.expect(201);
    let card = iccid(&order, 0);
    let (ours, ben, theirs) = (num(&order), num(&ben), num(&theirs));
    for (query, partners, managers) in [
        ("", vec![ben, ours], vec![theirs, ben, ours]),
        ("limit=1", vec![ben], vec![theirs]),
        ("status=0", vec![ours], vec![ours]),
        ("status=-1", vec![ben], vec![theirs, ben]),
        ("type=activate_subscription&status=0", vec![ours], vec![ours]),
        ("type=renewal", vec![], vec![]),
        ("email=BEN@example.com", vec![ben], vec![ben]),
        ("email=ana@example.com", vec![ours], vec![theirs, ours]),
        (&format!("iccid={card}"), vec![ours], vec![ours]),
        ("needsAttention=true", vec![], vec![]),
    ] {
        assert_eq!(found(site, query, By::Partner).await, partners, "{query}");
        assert_eq!(found(site, query, By::Manager).await, managers, "{query}");
        let one = format!("{query}&partnerId={PARTNER}");
        assert_eq!(found(site, one.trim_start_matches('&'), By::Manager).await, partners, "{one}");
    }
    assert_eq!(found(site, &format!("iccid={card}"), By::OtherPartner).await, Vec::<String>::new());

    // What changes a subscription leads back to the order that began it.
    let id = order["cards"][0]["subscriptionId"].as_str().expect("a subscription");
    let renewal = site.renewing(&order, &json!({"payment": "balance"})).send().await.expect(201);
    let mut chain = found(site, &format!("iccid={card}&type=renewal"), By::Partner).await;
    assert_eq!(chain, [num(&renewal)]);
    let main = site.read(&json!({"orderNum": renewal["mainOrderNum"]})).await;
    assert_eq!((num(&main), &main["renewOrderNum"]), (ours, &json!([renewal["orderNum"]])));
    chain.push(ours.to_owned());
    assert_eq!(site.subscription(id).await["orderNums"].as_array().expect("orders").len(), chain.len());
    assert_eq!(found(site, &format!("iccid={card}"), By::Manager).await.len(), chain.len());
}

async fn what_can_be_done(site: &Site) {
    let order = site.settled(&site.paid(&draft("sandbox-1gb-7d")).await).await;
    let id = order["cards"][0]["subscriptionId"].as_str().expect("a subscription");
    for path in [format!("/v1/orders/{}/actions", num(&order)), format!("/v1/subscriptions/{id}/actions")] {
        site.get(&path).send().await.problem(401, "unauthenticated", None);
        site.get(&path).by(By::OtherPartner).send().await.problem(404, "not_found", None);
        site.get(format!("{path}?page=2")).by(By::Partner).send().await.problem(400, "unknown_field", Some("page"));
        site.get(&path).by(By::Manager).send().await.expect(200);
    }
}

/// Where a card stands, as its partner sees it.
async fn stands(site: &Site, iccid: &str) -> Value {
    site.get(format!("/v1/sims/{iccid}")).by(By::Partner).send().await.expect(200)
}

async fn until(site: &Site, iccid: &str, status: &str) -> Value {
    eventually(status, async || Some(stands(site, iccid).await).filter(|card| card["status"] == status)).await
}

async fn where_cards_stand(site: &Site) {
    let page = site.get("/v1/sims?poolId=sandbox.1.physical&limit=1").by(By::Manager).send().await.expect(200);
    assert_eq!(page["items"][0]["status"], "blank");
    let card = page["items"][0]["iccid"].as_str().expect("a card");
    site.get(format!("/v1/sims/{card}")).by(By::Partner).send().await.problem(404, "not_found", None);
    let mut one = site.get(format!("/v1/sims/{card}")).by(By::Manager).send().await.expect(200);
    assert_eq!(one.as_object_mut().expect("a card").remove("actions").expect("what can be done")[1]["code"], "not_archived");
    assert_eq!(one, page["items"][0]);

    hold(site, "provision", true).await;
    let order = site.paid(&draft("sandbox-1gb-7d")).await;
    let order = site.read(&order).await;
    let card = iccid(&order, 0);
    assert_eq!(
        (&stands(site, card).await["status"], &stands(site, card).await["orderNum"]),
        (&json!("pending"), &order["orderNum"])
    );
    site.get(format!("/v1/sims/{card}")).by(By::OtherPartner).send().await.problem(404, "not_found", None);
    hold(site, "provision", false).await;
    let order = site.settled(&order).await;
    let ready = stands(site, card).await;
    assert_eq!(
        (&ready["status"], &ready["inSession"], &ready["profile"]["state"]),
        (&json!("activation_ready"), &json!("n/a"), &json!(null))
    );
    assert!(ready["code"].is_null() && ready["activationCode"].is_null());

    let at = |after: i64| site.stack.clock().now().plus_seconds(after).to_string();
    let told = async |card: &str, mut event: Value, after: i64| {
        event["at"] = at(after).into();
        assert_eq!(site.reporting(card, event).send().await.expect(200)["result"], "recorded");
        stands(site, card).await
    };
    let installed = told(card, json!({"type": "installed", "eid": EID, "via": "qr"}), 0).await;
    assert_eq!((&installed["status"], &installed["eid"]), (&json!("active"), &json!(EID)));
    assert_eq!((&installed["profile"]["state"], &installed["profile"]["via"]), (&json!("installed"), &json!("qr")));
    for (online, shown) in [(true, "yes"), (false, "no")] {
        let event = json!({"type": "session", "inSession": online, "country": "ES"});
        assert_eq!(told(card, event, 10 + i64::from(!online)).await["inSession"], shown);
    }
    for (place, state) in (20..).zip(["disabled", "deleted"]) {
        assert_eq!(told(card, json!({"type": state}), place).await["profile"]["state"], state);
    }
    for via in ["ios_api", "android_api"] {
        let other = site.settled(&site.paid(&draft("sandbox-1gb-7d")).await).await;
        assert_eq!(told(iccid(&other, 0), json!({"type": "installed", "via": via}), 0).await["profile"]["via"], via);
    }

    let id = ready["subscriptionId"].as_str().expect("a subscription");
    site.post(format!("/v1/subscriptions/{id}/suspension")).by(By::Partner).send().await.expect(202);
    until(site, card, "suspended").await;
    site.post(format!("/v1/subscriptions/{id}/resumption")).by(By::Partner).send().await.expect(202);
    until(site, card, "active").await;
    site.changing(id, "cancellation", &json!({})).send().await.expect(201);
    until(site, card, "archived").await;
    assert!(happened(&site.read(&order).await, "ended"));

    site.local("operator", json!({"mode": "refuse", "times": 1})).await;
    let refused = site.paid(&draft("sandbox-1gb-7d")).await;
    let refused = site.until(&refused, "refused", |order| order["fulfilment"] == "failed").await;
    assert_eq!(stands(site, iccid(&refused, 0)).await["status"], "invalid");
    let invalid = site.get("/v1/sims?status=invalid").by(By::Manager).send().await.expect(200);
    assert_eq!((list(&invalid, "items").len(), &invalid["nextCursor"]), (1, &json!(null)));
    let page = site.get("/v1/sims?limit=2").by(By::Manager).send().await.expect(200);
    let next = page["nextCursor"].as_str().expect("a cursor");
    let page = site.get(format!("/v1/sims?limit=2&cursor={next}")).by(By::Manager).send().await.expect(200);
    assert_eq!(list(&page, "items").len(), 2);
}
