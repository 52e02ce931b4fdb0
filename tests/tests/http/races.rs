//! Swap, refund, top-up and cancellation of one subscription sent at once: one wins, the others are refused or get their money back.

use crate::acts::{
    PLAN, POOL, at_once, audit, by_balance, card, changing, delivered, drained, events, operator, paid_back, pause,
    plan_statuses, read, renewing, sim, subscription_of, tell,
};
use crate::api::{Answer, PARTNER, Site, list, num};
use futures_util::future::join;
use serde_json::{Value, json};
use simdock_local::Options;
use simdock_store::SimState;
use simdock_tests::Proxy;
use std::sync::{Arc, OnceLock};

async fn balance(site: &Site) -> i64 {
    site.store().await.balance(PARTNER, "EUR".parse().unwrap()).await.unwrap().amount
}

/// What was paid for an order and has not gone back.
fn kept(order: &Value) -> i64 {
    let received: i64 = list(order, "payments").iter().map(|payment| payment["received"]["amount"].as_i64().unwrap()).sum();
    let back = list(order, "refunds").iter().filter(|refund| refund["status"] == "succeeded");
    received - back.map(|refund| refund["amount"]["amount"].as_i64().unwrap()).sum::<i64>()
}

/// Either taken, or refused for another change that is under way or done.
fn taken_or_refused(answer: &Answer, taken: &[u16]) -> bool {
    if taken.contains(&answer.status) {
        return true;
    }
    let problem: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer.status, 409, "{problem}");
    assert!(["subscription_closed", "not_refundable"].contains(&problem["code"].as_str().unwrap()), "{problem}");
    false
}

#[tokio::test]
async fn of_a_swap_a_refund_a_top_up_and_a_cancellation_at_once_one_wins() {
    let site = Site::start().await;
    let mut won = std::collections::BTreeMap::<&str, usize>::new();
    // Six calls take turns at being first; who wins is the machine's business, but not always the same.
    for round in 0.. {
        if round >= 12 && won.len() > 1 {
            break;
        }
        assert!(round < 60, "it is always the same that wins: {won:?}");
        let money = balance(&site).await;
        let order = delivered(&site, &by_balance(PLAN)).await;
        let (subscription, old) = (subscription_of(&order), card(&order).to_owned());
        let stock = site.available(POOL).await;
        let by_card = json!({"planId": PLAN, "payment": "card"});
        let early = changing(&site, &subscription, "top-ups", &by_card).send().await.expect(201);
        let calls = vec![
            changing(&site, &subscription, "sim-swap", &json!({})),
            changing(&site, &subscription, "cancellation", &json!({})),
            site.refunding(&order, None),
            changing(&site, &subscription, "top-ups", &json!({"planId": PLAN, "payment": "balance"})),
            renewing(&site, &order, &json!({"payment": "balance"})),
            site.stripe_call(crate::api::stripe_event(&early).to_string()),
        ];
        let answers = at_once(calls, round % 6).await;
        let [swap, cancellation, refund, top_up, renewal, webhook] = &answers[..] else { panic!("six answers") };
        assert_eq!(webhook.status, 200, "{}", webhook.text());
        let orders: Vec<Value> = [swap, cancellation, top_up, renewal]
            .into_iter()
            .filter(|answer| taken_or_refused(answer, &[201]))
            .map(|answer| answer.expect(201))
            .collect();
        // It may also find that the cancellation has given the money back already.
        taken_or_refused(refund, &[200, 202]);
        drained(&site).await;
        let counted = audit(&site).await;

        let stands = read(&site, &subscription).await;
        let ended = stands["status"] == "ended";
        let main = site.read(&order).await;
        let mut all = Vec::new();
        for order in orders.iter().chain([&early]) {
            all.push(site.read(order).await);
        }
        let of = |kind: &str| all.iter().find(|order| order["type"] == kind && order["status"] != 3);
        let winner = match (of("swap_sim"), of("cancel_subscription"), stands["endReason"].as_str()) {
            (Some(_), None, None) => "swap",
            (None, Some(_), Some("cancelled")) => "cancellation",
            (None, None, Some("refunded")) => "refund",
            (None, None, None) => "nobody",
            other => panic!("round {round}: {other:?} {stands:#}"),
        };
        *won.entry(winner).or_default() += 1;
        assert_eq!((stands["openChange"].is_null(), counted.changing), (winner != "swap", usize::from(winner == "swap")));
        // Everything that was paid for is on the line, or paid back.
        for order in &all {
            assert_eq!(order["owed"], json!([]), "{order:#}");
            match order["type"].as_str().unwrap() {
                "top_up_subscription" | "renewal" => {
                    let on_it = list(&stands, "plans")
                        .iter()
                        .any(|plan| plan["orderNum"] == order["orderNum"] && plan["status"] != "over");
                    assert_eq!(kept(order), if on_it { 500 } else { 0 }, "{order:#}");
                    assert!(!(on_it && ended));
                }
                _ => assert_eq!(kept(order), 0),
            }
        }
        let stands_for = if ended { (0, json!(2)) } else { (500, json!(0)) };
        assert_eq!((kept(&main), main["status"].clone()), stands_for, "{winner}: {main:#}");
        let spent: i64 = all.iter().filter(|other| other["orderNum"] != early["orderNum"]).map(kept).sum();
        assert_eq!(balance(&site).await, money - spent - kept(&main));

        if winner == "swap" {
            let new = of("swap_sim").unwrap()["cards"][0]["iccid"].as_str().unwrap().to_owned();
            assert_eq!(tell(&site, &new, json!({"type": "installed"})).await, "recorded");
            drained(&site).await;
            assert_eq!(
                (read(&site, &subscription).await["iccid"].take(), sim(&site, &old).await.state),
                (json!(new), SimState::Retired)
            );
        }
        let counted = audit(&site).await;
        assert_eq!((counted.changing, counted.nothing_missing().drawn), (0, 0), "round {round}");
        assert_eq!(site.available(POOL).await, stock - i64::from(winner == "swap"));
        let refused = changing(&site, &subscription, "top-ups", &by_card).send().await;
        assert_eq!(refused.status, if ended { 409 } else { 201 });
    }
    println!("{won:?}");
    site.stop().await;
}

#[tokio::test]
async fn a_refund_that_was_asked_for_before_a_cancellation_is_paid_whichever_the_carrier_gets_first() {
    let site = Site::start().await;
    for refund_first in [true, false] {
        let before = balance(&site).await;
        let order = delivered(&site, &by_balance(PLAN)).await;
        let subscription = subscription_of(&order);
        // The refund is on record, and nobody has worked on it.
        for source in ["relay", "provision"] {
            pause(&site, source, true).await;
        }
        site.refunding(&order, None).send().await.expect(202);
        let asked = changing(&site, &subscription, "cancellation", &json!({})).send().await.expect(201);
        let job =
            |order: &Value, job: &str| json!({"messageId": job, "body": json!({"orderNum": num(order), "job": job}).to_string()});
        let mut records = vec![job(&order, "revoke"), job(&asked, "provision")];
        if !refund_first {
            records.reverse();
        }
        for record in records {
            let event = json!({"Records": [record]});
            site.stack.invoke("provision", event).await.unwrap();
        }
        for source in ["relay", "provision"] {
            pause(&site, source, false).await;
        }
        let back = paid_back(&site, &order).await;
        assert_eq!((&back["status"], &back["owed"], balance(&site).await), (&json!(2), &json!([]), before), "{refund_first}");
        let over = read(&site, &subscription).await;
        assert_eq!((&over["status"], plan_statuses(&over)), (&json!("ended"), vec!["over"]));
        drained(&site).await;
        let counted = audit(&site).await;
        assert_eq!(counted.changing, 0);
    }
    site.stop().await;
}

#[tokio::test]
async fn a_refusal_that_comes_twice_leaves_the_line_as_the_first_did() {
    let proxy = Arc::new(OnceLock::new());
    let kept = Arc::clone(&proxy);
    let front = move |engine: &str| kept.get_or_init(|| Proxy::in_front_of(engine)).url().to_owned();
    let site = Site::with(Options { dynamodb_proxy: Some(Arc::new(front)), ..Options::default() }).await;
    let proxy = proxy.get().unwrap();
    let order = delivered(&site, &by_balance(PLAN)).await;
    let subscription = subscription_of(&order);
    let refused_twice = async |order: &Value| {
        drained(&site).await;
        for source in ["relay", "provision"] {
            pause(&site, source, true).await;
        }
        site.refunding(order, None).send().await.expect(202);
        operator(&site, "refuse", 2).await;
        let body = json!({"orderNum": num(order), "job": "revoke"}).to_string();
        let deliver = || site.stack.invoke("provision", json!({"Records": [{"messageId": "one", "body": body}]}));
        // The first is about to write when the second comes to the end.
        let mut writing = proxy.hold("PutItem");
        let second = async {
            writing.arrived().await;
            deliver().await.unwrap();
            assert!(events(&site.read(order).await).contains(&"cancellation_refused"));
            writing.release();
        };
        let (first, ()) = join(deliver(), second).await;
        assert_eq!(first.unwrap()["batchItemFailures"], json!([]));
        operator(&site, "ok", 1).await;
        for source in ["relay", "provision"] {
            pause(&site, source, false).await;
        }
        audit(&site).await;
        read(&site, &subscription).await
    };
    let line = refused_twice(&order).await;
    assert_eq!((&line["openChange"], &line["status"]), (&Value::Null, &json!("active")), "{line:#}");

    let swap = changing(&site, &subscription, "sim-swap", &json!({})).send().await.expect(201);
    let swap = site.settled(&swap).await;
    let line = refused_twice(&swap).await;
    assert_eq!(line["openChange"]["orderNum"], swap["orderNum"], "the new card can still be installed: {line:#}");
    assert_eq!(tell(&site, card(&swap), json!({"type": "installed"})).await, "recorded");
    drained(&site).await;
    assert_eq!((&read(&site, &subscription).await["iccid"], audit(&site).await.changing), (&json!(card(&swap)), 0));
    site.stop().await;
}

#[tokio::test]
async fn a_whole_order_with_many_top_ups_is_given_back() {
    let site = Site::start().await;
    let mut sixteen = by_balance(PLAN);
    sixteen["count"] = 16.into();
    let order = delivered(&site, &sixteen).await;
    let before = balance(&site).await;
    for card in list(&order, "cards") {
        let subscription = card["subscriptionId"].as_str().unwrap();
        for _ in 0..6 {
            let body = json!({"planId": PLAN, "payment": "balance", "sendEmail": false});
            changing(&site, subscription, "top-ups", &body).send().await.expect(201);
        }
    }
    drained(&site).await;
    assert_eq!(balance(&site).await, before - 16 * 6 * 500);
    site.refunding(&order, None).send().await.expect(202);
    drained(&site).await;
    let back = site.read(&order).await;
    assert_eq!((&back["status"], &back["owed"]), (&json!(2), &json!([])));
    assert_eq!(balance(&site).await, before + 16 * 500);
    let counted = audit(&site).await;
    assert_eq!((counted.open, counted.changing), (0, 0));
    site.stop().await;
}
