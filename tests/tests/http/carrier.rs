//! Cards that an operator has to activate, and an operator that does not do as it should.

use crate::acts::{PLAN, at_operator, audit, by_balance, card, changing, delivered, drained};
use crate::api::{By, Site, draft, list, num};
use serde_json::{Value, json};
use simdock_domain::Iccid;
use simdock_store::SimState;
use std::time::Duration;

async fn operator(site: &Site, mode: &str, times: u32) {
    site.local("operator", json!({"mode": mode, "times": times})).await;
}

fn history(order: &Value) -> Vec<&str> {
    list(order, "history").iter().map(|entry| entry["event"].as_str().unwrap()).collect()
}

/// What the operator activated for an order.
async fn activated(site: &Site, order: &Value) -> Vec<Value> {
    let report = site.get("/_local/operator").send().await.expect(200);
    list(&report, "activated").iter().filter(|activation| activation["orderNum"] == order["orderNum"]).cloned().collect()
}

#[tokio::test]
async fn the_operators_code_and_number_reach_the_order_and_the_mail() {
    let site = Site::start().await;
    let order = site.order(&draft("sandbox-1gb-7d")).await;
    site.local("pause", json!({"source": "provision", "paused": true})).await;
    assert_eq!(site.pay(&order).await, "paid");
    let waiting = site.read(&order).await;
    assert_eq!((&waiting["fulfilment"], &waiting["cards"][0]["status"]), (&json!("fulfilling"), &json!("provisioning")));
    assert_eq!(waiting["cards"][0]["code"], Value::Null, "nobody has a code yet");
    site.local("pause", json!({"source": "provision", "paused": false})).await;
    let order = site.settled(&order).await;
    let activation = &activated(&site, &order).await[0];
    let card = &order["cards"][0];
    assert_eq!((&card["code"], &card["mobileNumber"]), (&activation["activationCode"], &activation["msisdn"]));
    assert_eq!((&card["iccid"], &card["status"]), (&activation["iccid"], &json!("ready")));
    assert!(site.mail(&order, "qr").await.contains(card["code"].as_str().unwrap()));
    site.stop().await;
}

#[tokio::test]
async fn an_operator_that_fails_is_asked_again() {
    let site = Site::start().await;
    operator(&site, "fail", 2).await;
    let order = site.paid(&draft("sandbox-1gb-7d")).await;
    let delayed = site.until(&order, "put off", |order| history(order).contains(&"provisioning_delayed")).await;
    assert_eq!((&delayed["status"], &delayed["fulfilment"]), (&json!(0), &json!("fulfilling")));
    assert_eq!(list(&delayed, "needsAttention"), [] as [Value; 0]);
    site.held_back("provision").await;
    site.advance("PT35S").await;
    // The second failure costs a minute.
    let asked_twice = async || (site.get("/_local/operator").send().await.expect(200)["mode"] == "ok").then_some(());
    crate::api::eventually("the second attempt", asked_twice).await;
    site.held_back("provision").await;
    assert_eq!(site.read(&order).await["fulfilment"], "fulfilling");
    site.advance("PT65S").await;
    let order = site.settled(&order).await;
    assert_eq!((&order["fulfilment"], &order["owed"]), (&json!("completed"), &json!([])));
    assert_eq!(activated(&site, &order).await.len(), 1);
    site.stop().await;
}

#[tokio::test]
async fn an_operator_that_does_not_answer_is_asked_again() {
    let site = Site::start().await;
    operator(&site, "stall", 1).await;
    let order = site.paid(&draft("sandbox-1gb-7d")).await;
    site.until(&order, "put off", |order| history(order).contains(&"provisioning_delayed")).await;
    assert_eq!(activated(&site, &order).await.len(), 0);
    site.held_back("provision").await;
    site.advance("PT35S").await;
    let order = site.settled(&order).await;
    assert_eq!(activated(&site, &order).await.len(), 1);
    site.stop().await;
}

#[tokio::test]
async fn an_operator_that_answers_late_activates_once() {
    let site = Site::start().await;
    operator(&site, "late", 1).await;
    let order = site.paid(&draft("sandbox-1gb-7d")).await;
    site.until(&order, "put off", |order| history(order).contains(&"provisioning_delayed")).await;
    let before = activated(&site, &order).await;
    assert_eq!((before.len(), &before[0]["requests"]), (1, &json!(1)));
    site.held_back("provision").await;
    site.advance("PT35S").await;
    let order = site.settled(&order).await;
    let after = activated(&site, &order).await;
    assert_eq!((after.len(), &after[0]["requests"]), (1, &json!(2)));
    assert_eq!(order["cards"][0]["code"], before[0]["activationCode"], "the code of the first time");
    assert_eq!(site.mails(&order, "qr").await.len(), 1);
    site.stop().await;
}

#[tokio::test]
async fn a_card_that_the_operator_refuses_is_owed_back_and_set_aside() {
    let site = Site::start().await;
    let stock = site.available("sandbox.1.esim").await;
    site.local("pause", json!({"source": "settle-refund", "paused": true})).await;
    operator(&site, "refuse", 1).await;
    let mut two = draft("sandbox-1gb-7d");
    two["count"] = 2.into();
    let order = site.paid(&two).await;
    let order = site
        .until(&order, "told", |order| list(order, "emails").iter().filter(|mail| mail["status"] == "sent").count() == 3)
        .await;
    assert_eq!((&order["status"], &order["statusName"]), (&json!(7), &json!("partial_unsubscribing")));
    assert_eq!((&order["fulfilment"], &order["owed"]), (&json!("completed"), &json!([{"amount": 500, "currency": "EUR"}])));
    let refund = &order["refunds"][0];
    assert_eq!((&refund["reason"], &refund["status"]), (&json!("provisioning_failed"), &json!("due")));
    let needs: Vec<_> = list(&order, "needsAttention").iter().map(|attention| attention["code"].as_str().unwrap()).collect();
    assert_eq!(needs, ["provisioning_failed", "money_owed"]);

    let (failed, ready): (Vec<_>, Vec<_>) = list(&order, "cards").iter().partition(|card| card["status"] == "failed");
    assert_eq!((failed.len(), ready.len(), &ready[0]["status"]), (1, 1, &json!("ready")));
    assert_eq!((&failed[0]["code"], &failed[0]["refundable"]["code"]), (&Value::Null, &json!("not_delivered")));
    let iccid: Iccid = failed[0]["iccid"].as_str().unwrap().parse().unwrap();
    let sim = site.store().await.sims(&[iccid]).await.unwrap().remove(0);
    assert_eq!(sim.state, SimState::SetAside);
    let mail = site.mail(&order, "qr").await;
    assert!(mail.contains(ready[0]["code"].as_str().unwrap()));
    assert!(!mail.contains(failed[0]["iccid"].as_str().unwrap()));
    let manager = site.mail(&order, "manager").await;
    assert!(manager.contains(num(&order)) && manager.contains(failed[0]["iccid"].as_str().unwrap()), "{manager}");

    // The only card of an order.
    operator(&site, "refuse", 1).await;
    let only = site.paid(&draft("sandbox-1gb-7d")).await;
    let only = site.until(&only, "failed", |order| order["fulfilment"] == "failed").await;
    assert_eq!((&only["status"], &only["owed"]), (&json!(6), &json!([{"amount": 500, "currency": "EUR"}])));
    // Their money goes back without anybody asking for it.
    site.local("pause", json!({"source": "settle-refund", "paused": false})).await;
    for (order, status) in [(&order, 4), (&only, 2)] {
        let settled = site.until(order, "given back", |order| order["owed"] == json!([])).await;
        assert_eq!((&settled["status"], &settled["refunds"][0]["status"]), (&json!(status), &json!("succeeded")));
        assert_eq!(settled["needsAttention"][0]["code"], "provisioning_failed");
    }
    site.advance("P1D").await;
    assert_eq!(site.mails(&only, "qr").await.len(), 0, "there is nothing to send");
    // Neither is ever sold again.
    site.advance("PT2M").await;
    assert_eq!(site.available("sandbox.1.esim").await, stock - 3);
    let listed = site.get("/v1/orders?limit=1").by(By::Partner).send().await.expect(200);
    assert_eq!(listed["items"][0]["needsAttention"][0]["code"], "provisioning_failed");
    site.stop().await;
}

#[tokio::test]
async fn what_was_given_up_is_taken_off_the_card_before_its_money_goes_back() {
    let site = Site::start().await;
    let main = delivered(&site, &by_balance(PLAN)).await;
    let (subscription, iccid) = (main["cards"][0]["subscriptionId"].as_str().unwrap(), card(&main));
    // The operator does it, and its answer is lost; then it is down for longer than anybody asks.
    operator(&site, "late", 1).await;
    let more = json!({"planId": PLAN, "payment": "balance"});
    let top_up = changing(&site, subscription, "top-ups", &more).send().await.expect(201);
    site.until(&top_up, "put off", |order| history(order).contains(&"provisioning_delayed")).await;
    operator(&site, "fail", 1000).await;
    let until = async |what: &str, holds: &dyn Fn(&Value) -> bool| {
        for _ in 0..200 {
            site.advance("PT30M").await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            let order = site.read(&top_up).await;
            if holds(&order) {
                return order;
            }
        }
        panic!("never {what}: {:#}", site.read(&top_up).await);
    };
    let given_up = until("given up", &|order| history(order).contains(&"provisioning_failed")).await;
    assert!(crate::acts::note(&given_up, "provisioning_failed").contains("given up after 15 attempts"), "{given_up:#}");
    assert_eq!((&given_up["status"], list(&given_up, "refunds").len()), (&json!(6), 0), "first the operator, then the money");
    let both = at_operator(&site, iccid).await.0;
    assert!(both.contains(&num(&top_up).to_owned()), "it could be used: {both:?}");
    operator(&site, "ok", 1).await;
    let back = until("paid back", &|order| order["refunds"][0]["status"] == "succeeded").await;
    assert_eq!((&back["status"], &back["needsAttention"][0]["code"]), (&json!(2), &json!("provisioning_failed")), "{back:#}");
    assert!(!at_operator(&site, iccid).await.0.contains(&num(&top_up).to_owned()));
    drained(&site).await;
    audit(&site).await.nothing_missing();
    site.stop().await;
}
