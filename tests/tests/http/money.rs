//! Orders and the money for them: paid from the balance, free, sold out, late.

use crate::api::{PARTNER, Site, csv, draft, list};
use serde_json::{Value, json};

fn by_balance(plan: &str, count: u32) -> Value {
    let mut draft = draft(plan);
    (draft["payment"], draft["count"], draft["sendEmail"]) = (json!("balance"), count.into(), json!(false));
    draft
}

async fn balance(site: &Site) -> i64 {
    site.store().await.balance(PARTNER, "EUR".parse().unwrap()).await.unwrap().amount
}

/// Lets what is owed be given back; the provider then made refunds of just these amounts, each of a payment of its own.
async fn given_back(site: &Site, order: &Value, amounts: &[i64]) {
    site.local("pause", json!({"source": "settle-refund", "paused": false})).await;
    let order = site.until(order, "given back", |order| order["owed"] == json!([])).await;
    let report = site.get("/_local/stripe").send().await.expect(200);
    let made = list(&report, "refunds").iter().filter(|refund| refund["metadata"]["orderNum"] == order["orderNum"]);
    let mut made: Vec<_> = made.map(|refund| (refund["amount"].as_i64().unwrap(), refund["paymentIntent"].clone())).collect();
    let mut returned: Vec<_> = list(&order, "payments").iter().filter(|payment| payment["outcome"] == "returned").collect();
    assert_eq!((made.len(), returned.len()), (amounts.len(), amounts.len()));
    made.sort_by_key(|(amount, _)| *amount);
    assert_eq!(made.iter().map(|(amount, _)| *amount).collect::<Vec<_>>(), amounts);
    returned.retain(|payment| made.iter().all(|(_, intent)| *intent != payment["paymentId"]));
    assert_eq!(returned, [] as [&Value; 0], "payments that were not given back");
}

fn iccids(order: &Value) -> Vec<String> {
    list(order, "cards").iter().map(|card| card["iccid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_order_by_balance_is_paid_at_once_or_void() {
    let site = Site::start().await;
    site.stock("7", csv(0, 150)).await;
    let (money, stock) = (balance(&site).await, site.available("meridian.7.esim").await);
    let key = "fifty";
    let send = async || site.ordering(&by_balance("eu-5gb-30d", 50)).header("Idempotency-Key", key).send().await;
    let fifty = send().await.expect(201);
    assert_eq!((&fifty["status"], &fifty["price"]["amount"]), (&json!(0), &json!(50 * 1450)));
    assert_eq!((&fifty["payments"][0]["provider"], &fifty["payments"][0]["outcome"]), (&json!("balance"), &json!("applied")));
    let mut cards = iccids(&fifty);
    cards.sort();
    cards.dedup();
    assert_eq!(cards.len(), 50);
    assert_eq!(balance(&site).await, money - 50 * 1450);
    assert_eq!(send().await.expect(200)["payments"], fifty["payments"]);
    assert_eq!(balance(&site).await, money - 50 * 1450, "a replay costs nothing");
    let fifty = site.until(&fifty, "completed", |order| order["fulfilment"] == "completed").await;
    assert!(list(&fifty, "cards").iter().all(|card| card["status"] == "ready" && card["code"].is_string()));
    assert_eq!(fifty["emails"], json!([]), "none were asked for");

    // There is no balance in yen, which is what this plan costs.
    let void = site.order(&by_balance("japan-1gb-8d", 1)).await;
    assert_eq!((&void["status"], &void["voidReason"]), (&json!(3), &json!("insufficient_balance")));
    assert_eq!((&void["payments"], &void["owed"], &void["cards"]), (&json!([]), &json!([]), &json!([])));
    // 50 x 134.50 EUR can be paid once.
    let mut dear = by_balance("eu-5gb-30d", 50);
    dear["addOnIds"] = json!(vec!["data-3gb"; 15]);
    assert_eq!(site.order(&dear).await["status"], 0);
    assert_eq!(site.order(&dear).await["voidReason"], "insufficient_balance");
    // More cards than there are.
    for pool in ["meridian.10.esim", "meridian.2.esim"] {
        site.sell_out("asia-3gb-30d", pool).await;
    }
    let sold_out = site.order(&by_balance("asia-3gb-30d", 1)).await;
    assert_eq!((&sold_out["voidReason"], &sold_out["owed"]), (&json!("sold_out"), &json!([])));
    assert_eq!(balance(&site).await, money - 50 * 1450 - 50 * 13_450);
    site.advance("PT2M").await;
    site.advance("PT2M").await;
    assert_eq!(site.available("meridian.7.esim").await, stock - 100, "void orders keep nothing");
    site.stop().await;
}

#[tokio::test]
async fn what_is_free_is_paid_at_creation() {
    let site = Site::start().await;
    for payment in ["card", "balance"] {
        let mut free = draft("eu-trial-100mb-1d");
        free["payment"] = payment.into();
        let order = site.order(&free).await;
        assert_eq!((&order["status"], &order["payments"][0]["provider"]), (&json!(0), &json!("free")));
        assert_eq!(order["payments"][0]["received"], json!({"amount": 0, "currency": "EUR"}));
        let order = site.settled(&order).await;
        assert_eq!((list(&order, "cards").len(), order["owed"].clone()), (1, json!([])));
    }
    site.stop().await;
}

#[tokio::test]
async fn money_for_cards_that_are_sold_out_is_owed_back() {
    let site = Site::start().await;
    let late = site.order(&draft("japan-1gb-8d")).await;
    site.local("pause", json!({"source": "settle-refund", "paused": true})).await;
    site.sell_out("japan-1gb-8d", "meridian.10.esim").await;
    assert_eq!(site.pay(&late).await, "owed_back");
    let late = site.read(&late).await;
    assert_eq!((&late["status"], &late["voidReason"], &late["fulfilment"]), (&json!(3), &json!("sold_out"), &json!("failed")));
    assert_eq!(late["owed"], json!([{"amount": 1200, "currency": "JPY"}]));
    assert_eq!((&late["payments"][0]["outcome"], &late["payments"][0]["reason"]), (&json!("returned"), &json!("sold_out")));
    let refund = &late["refunds"][0];
    assert_eq!((&refund["status"], &refund["paymentId"]), (&json!("due"), &late["payments"][0]["paymentId"]));
    assert_eq!(late["needsAttention"][0]["code"], "money_owed");

    // Cards that come in later do not change that; they are for new orders.
    site.stock("10", csv(0, 1)).await;
    assert_eq!(site.pay(&late).await, "owed_back");
    assert_eq!(site.read(&late).await["owed"], json!([{"amount": 2400, "currency": "JPY"}]));
    given_back(&site, &late, &[1200, 1200]).await;
    let fresh = site.paid(&draft("japan-1gb-8d")).await;
    site.settled(&fresh).await;
    site.stop().await;
}

#[tokio::test]
async fn money_that_does_not_fit_is_owed_back_as_it_came() {
    let site = Site::start().await;
    site.local("pause", json!({"source": "settle-refund", "paused": true})).await;
    let order = site.order(&draft("eu-5gb-30d")).await;
    let event = |amount: i64, currency: &str| {
        let mut event = crate::api::stripe_event(&order);
        event["data"]["object"]["amount_received"] = amount.into();
        event["data"]["object"]["currency"] = currency.into();
        event
    };
    for (amount, currency) in [(1, "eur"), (1449, "eur"), (1451, "eur"), (1450, "usd"), (1450, "jpy"), (150, "kwd")] {
        assert_eq!(site.stripe(&event(amount, currency)).await, "owed_back", "{amount} {currency}");
    }
    assert_eq!(site.read(&order).await["status"], -1, "it still waits for its price");
    assert_eq!(site.pay(&order).await, "paid");
    assert_eq!(site.pay(&order).await, "owed_back", "paid twice");
    let order = site.settled(&order).await;
    let owed: Vec<_> =
        list(&order, "owed").iter().map(|sum| (sum["currency"].as_str().unwrap(), sum["amount"].as_i64().unwrap())).collect();
    assert_eq!(owed, [("EUR", 1 + 1449 + 1451 + 1450), ("USD", 1450), ("JPY", 1450), ("KWD", 150)]);
    assert_eq!((list(&order, "payments").len(), list(&order, "refunds").len(), list(&order, "cards").len()), (8, 7, 1));
    given_back(&site, &order, &[1, 150, 1449, 1450, 1450, 1450, 1451]).await;
    assert_eq!(site.read(&order).await["status"], 0, "what paid for it stays");
    site.stop().await;
}

#[tokio::test]
async fn an_order_that_nobody_paid_in_time_is_void() {
    let site = Site::start().await;
    let order = site.order(&draft("eu-5gb-30d")).await;
    let stock = site.available("meridian.7.esim").await;
    site.local("pause", json!({"source": "settle-refund", "paused": true})).await;
    site.advance("PT29M").await;
    assert_eq!(site.read(&order).await["status"], -1);
    site.advance("PT1M").await;
    // The sweep has run.
    let void = site.read(&order).await;
    assert_eq!((&void["status"], &void["voidReason"]), (&json!(3), &json!("not_paid_in_time")));
    assert_eq!(list(&void, "history").last().unwrap()["event"], "voided");
    assert_eq!(site.pay(&order).await, "owed_back");
    let void = site.read(&order).await;
    assert_eq!((&void["status"], &void["owed"]), (&json!(3), &json!([{"amount": 1450, "currency": "EUR"}])));
    assert_eq!((&void["payments"][0]["reason"], &void["cards"]), (&json!("after_void"), &json!([])));
    assert_eq!(site.available("meridian.7.esim").await, stock);
    given_back(&site, &order, &[1450]).await;
    assert_eq!(site.read(&order).await["status"], 3);
    site.stop().await;
}
