//! Who did what: managers read each other's names and notes, partners do not.

use crate::acts::{
    PLAN, by_balance, card, changing, delivered, managing, operator, paid_back, pause, renewing, subscription_of, tell, until,
    used,
};
use crate::api::{By, PARTNER, Site, list, num, unique};
use hyper::Method;
use serde_json::{Value, json};

/// The manager of the tests' key.
const MANAGER: &str = "local-manager";
/// What managers write for each other.
const NOTE: &str = "a difficult customer";

/// That the last entry of a kind in a history is a manager's.
fn is_mine(of: &Value, list_name: &str, event: &str) {
    let entry = list(of, list_name).iter().rfind(|entry| entry["event"] == event);
    let entry = entry.unwrap_or_else(|| panic!("no {event}: {of:#}"));
    assert_eq!((&entry["by"], &entry["manager"]), (&json!("manager"), &json!(MANAGER)), "{event}");
}

#[tokio::test]
async fn the_name_of_a_manager_stands_with_all_that_they_do_and_partners_do_not_see_it() {
    let site = Site::start().await;
    let mut orders = Vec::new();
    let renewable = || by_balance("sandbox-5gb-30d");

    let order = delivered(&site, &renewable()).await;
    let id = subscription_of(&order);
    for (action, body, event) in [
        ("recipient", json!({"name": "Anna"}), "recipient_changed"),
        ("emails", json!({"kind": "confirmation"}), "mail_requested"),
        ("notes", json!({"note": NOTE}), "noted"),
    ] {
        let method = if action == "recipient" { Method::PATCH } else { Method::POST };
        let call = site.call(method, format!("/v1/orders/{}/{action}", num(&order))).by(By::Manager).json(&body);
        is_mine(&call.send().await.expect(200), "history", event);
    }
    let on_balance = json!({"payment": "balance"});
    let made = [
        renewing(&site, &order, &on_balance),
        changing(&site, &id, "top-ups", &json!({"addOnIds": ["data-1gb"], "payment": "balance"})),
        changing(&site, &id, "sim-swap", &on_balance),
        changing(&site, &subscription_of(&delivered(&site, &renewable()).await), "cancellation", &json!({})),
    ];
    for call in made {
        let change = call.by(By::Manager).send().await.expect(201);
        is_mine(&change, "history", "created");
        orders.push(change);
    }
    orders.push(order);

    let order = delivered(&site, &by_balance(PLAN)).await;
    let refunded = site.refunding(&order, None).by(By::Manager).send().await.expect(202);
    is_mine(&refunded, "history", "cancellation_requested");
    orders.push(paid_back(&site, &refunded).await);
    pause(&site, "settle-refund", true).await;
    operator(&site, "refuse", 1).await;
    let failed = site.order(&by_balance(PLAN)).await;
    site.until(&failed, "failed", |order| order["fulfilment"] == "failed").await;
    is_mine(&managing(&site, &failed, "retry", &json!({})).send().await.expect(200), "history", "retried");
    orders.push(failed);
    let mut by_post = renewable();
    by_post["formFactor"] = "physical".into();
    by_post["subscriber"]["postalAddress"] = json!({"lines": ["Calle Mayor 1"], "city": "Madrid", "country": "ES"});
    let parcel = site.order(&by_post).await;
    site.until(&parcel, "ready", |order| order["cards"][0]["status"] == "ready").await;
    let sent = managing(&site, &parcel, "shipment", &json!({"carrier": "Correos", "number": "PX1"})).send().await.expect(200);
    is_mine(&sent, "history", "shipped");
    orders.push(sent);

    // What partners read of all that says that it was a manager, and nothing else.
    for order in &orders {
        let read = site.get(format!("/v1/orders/{}", num(order))).by(By::Partner).send().await;
        assert!(!read.text().contains(MANAGER) && !read.text().contains(NOTE), "{}", read.text());
        let read = read.expect(200);
        assert!(list(&read, "history").iter().all(|entry| entry["event"] != "noted"));
        let theirs = site.read(order).await;
        assert!(list(&read, "history").len() <= list(&theirs, "history").len());
    }
    let shown = site.get("/v1/orders?email=ana@example.com&limit=100").by(By::Partner).send().await;
    assert!(shown.text().contains("manager") && !shown.text().contains(MANAGER) && !shown.text().contains(NOTE));
    assert!(site.get("/v1/orders?limit=100").by(By::Manager).send().await.text().contains(NOTE));
    site.stop().await;
}

#[tokio::test]
async fn a_line_says_who_had_it_suspended() {
    let site = Site::start().await;
    let order = delivered(&site, &by_balance(PLAN)).await;
    let id = subscription_of(&order);
    for (by, wish, status) in [
        (By::Manager, "suspension", "suspended"),
        (By::Partner, "resumption", "active"),
        (By::Manager, "suspension", "suspended"),
        (By::Manager, "resumption", "active"),
    ] {
        changing(&site, &id, wish, &json!({})).by(by).send().await.expect(202);
        until(&site, &id, status, |line| line["status"] == status).await;
    }
    operator(&site, "refuse", 1).await;
    let asked = changing(&site, &id, "suspension", &json!({})).by(By::Manager).send().await.expect(202);
    is_mine(&asked, "serviceHistory", "suspension_requested");
    let line = until(&site, &id, "refused", |line| list(line, "serviceHistory").last().unwrap()["event"] == "refused").await;
    assert_eq!(line["status"], "active");
    let told: Vec<(&str, &str)> = list(&line, "serviceHistory")
        .iter()
        .map(|entry| (entry["event"].as_str().unwrap(), entry["manager"].as_str().unwrap_or(entry["by"].as_str().unwrap())))
        .collect();
    assert_eq!(
        told,
        [
            ("suspension_requested", MANAGER),
            ("suspended", "carrier"),
            ("resumption_requested", "partner"),
            ("resumed", "carrier"),
            ("suspension_requested", MANAGER),
            ("suspended", "carrier"),
            ("resumption_requested", MANAGER),
            ("resumed", "carrier"),
            ("suspension_requested", MANAGER),
            ("refused", "carrier"),
        ]
    );
    // A rule is nobody's doing; and of many entries the last stay.
    let rule = site.call(Method::PATCH, format!("/v1/sims/{}", card(&order))).by(By::Manager);
    rule.json(&json!({"rules": {"suspendAtMonthMb": 1}, "note": NOTE})).send().await.expect(200);
    used(&site, card(&order)).await;
    assert_eq!(tell(&site, card(&order), json!({"type": "usage", "usedMb": 2, "country": "ES"})).await, "recorded");
    until(&site, &id, "suspended", |line| line["status"] == "suspended").await;
    changing(&site, &id, "resumption", &json!({})).by(By::Partner).send().await.expect(202);
    let line = until(&site, &id, "active", |line| line["status"] == "active").await;
    let history = list(&line, "serviceHistory");
    assert_eq!((history.len(), &history[8]["by"], &history[0]["event"]), (12, &json!("rule"), &json!("resumption_requested")));

    for path in [
        format!("/v1/subscriptions/{id}"),
        "/v1/subscriptions?email=ana@example.com".to_owned(),
        format!("/v1/sims/{}", card(&order)),
    ] {
        let told = site.get(&path).by(By::Partner).send().await;
        assert!(told.status == 200 && !told.text().contains(MANAGER) && !told.text().contains(NOTE), "{path}: {}", told.text());
    }
    site.stop().await;
}

#[tokio::test]
async fn a_ledger_tells_partners_what_for_and_managers_who_as_well() {
    let site = Site::still().await;
    let body = json!({"amount": {"amount": 500, "currency": "EUR"}, "note": "Transfer of 21 November"});
    let path = format!("/v1/partners/{PARTNER}");
    let credit = site.post(format!("{path}/credits")).by(By::Manager).header("Idempotency-Key", format!("credit-{}", unique()));
    credit.json(&body).send().await.expect(201);
    for (by, name) in [(By::Partner, Value::Null), (By::Manager, json!(MANAGER))] {
        let ledger = site.get(format!("{path}/ledger")).by(by).send().await.expect(200);
        let entry = list(&ledger, "items").iter().find(|entry| entry["note"] == body["note"]).unwrap();
        assert_eq!(entry["by"], name);
    }
    site.stop().await;
}
