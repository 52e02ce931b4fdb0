//! Money that goes back: asked of the payment provider or credited to the balance, and only once.

use crate::acts::drained;
use crate::api::{By, PARTNER, Site, draft, eventually, list, num, unique};
use crate::webhooks;
use futures_util::future::join_all;
use serde_json::{Value, json};
use simdock_domain::Iccid;
use simdock_store::SimState;
use std::time::Duration;

fn cards(plan: &str, count: u32) -> Value {
    let mut draft = draft(plan);
    draft["count"] = count.into();
    draft
}

fn iccid(order: &Value, card: usize) -> &str {
    order["cards"][card]["iccid"].as_str().unwrap()
}

/// Tells the sandbox Stripe how to answer so many refunds.
async fn stripe(site: &Site, mode: &str, times: u32) {
    site.local("stripe", json!({"mode": mode, "times": times})).await;
}

/// The refunds that the sandbox Stripe really made for an order.
async fn made(site: &Site, order: &Value) -> Vec<Value> {
    let report = site.get("/_local/stripe").send().await.expect(200);
    list(&report, "refunds").iter().filter(|refund| refund["metadata"]["orderNum"] == order["orderNum"]).cloned().collect()
}

/// Has the sandbox Stripe tell how its one refund of an order ended; what became of that.
async fn ends(site: &Site, order: &Value, status: &str) -> Value {
    let refund = made(site, order).await.remove(0);
    site.local("stripe/events", json!({"refund": refund["id"], "status": status})).await["body"]["result"].take()
}

fn statuses(order: &Value) -> Vec<&str> {
    list(order, "refunds").iter().map(|refund| refund["status"].as_str().unwrap()).collect()
}

fn events(order: &Value) -> Vec<&str> {
    list(order, "history").iter().map(|entry| entry["event"].as_str().unwrap()).collect()
}

fn note<'a>(order: &'a Value, event: &str) -> &'a str {
    let entry = list(order, "history").iter().rfind(|entry| entry["event"] == event).unwrap();
    entry["note"].as_str().unwrap()
}

fn attention(order: &Value) -> Vec<&str> {
    list(order, "needsAttention").iter().map(|attention| attention["code"].as_str().unwrap()).collect()
}

/// An order of one card whose money is asked back.
async fn refunded(site: &Site) -> Value {
    let order = site.settled(&site.paid(&draft("eu-5gb-30d")).await).await;
    site.refunding(&order, None).send().await.expect(202);
    order
}

/// Waits until an order's refunds stand so.
async fn until(site: &Site, order: &Value, wanted: &[&str]) -> Value {
    site.until(order, "given back so far", |order| statuses(order) == wanted).await
}

/// The same, sweep by sweep: what was put off waits for one.
async fn in_time(site: &Site, order: &Value, wanted: &[&str]) -> Value {
    eventually("the refund", async || {
        site.advance("PT2M").await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        Some(site.read(order).await).filter(|order| statuses(order) == wanted)
    })
    .await
}

/// Waits until the managers were told of something about an order.
async fn managers_know(site: &Site, order: &Value, what: &str) {
    eventually(&format!("a mail to the managers about {what}"), async || {
        for mail in site.mails(order, "manager").await {
            let mail = site.get(format!("/mailbox/{}", mail["id"].as_str()?)).send().await.text();
            if mail.contains(num(order)) && mail.contains(what) {
                return Some(());
            }
        }
        None
    })
    .await;
}

/// An event about money that went back at the provider, without anybody here having asked.
fn by_hand(kind: &str, refund: &str, payment: &Value, amount: i64) -> Value {
    let refund = json!({
        "id": refund, "object": "refund", "amount": amount, "currency": "eur", "metadata": {}, "payment_intent": payment,
        "status": "succeeded",
    });
    let object = match kind {
        "charge.refunded" => {
            json!({"id": "ch_1", "object": "charge", "payment_intent": payment, "refunds": {"object": "list", "data": [refund]}})
        }
        _ => refund,
    };
    json!({"id": format!("evt_{}", unique()), "object": "event", "type": kind, "data": {"object": object}})
}

#[tokio::test]
async fn a_card_payment_goes_back_card_by_card() {
    let site = Site::start().await;
    let order = site.settled(&site.paid(&cards("eu-5gb-30d", 3)).await).await;
    for (cards, under_way, done) in [(&[0][..], 7, 4), (&[1, 2], 6, 2)] {
        let named: Vec<&str> = cards.iter().map(|card| iccid(&order, *card)).collect();
        site.local("pause", json!({"source": "provision", "paused": true})).await;
        let asked = site.refunding(&order, Some(&named)).send().await.expect(202);
        assert_eq!((&asked["status"], &asked["owed"]), (&json!(under_way), &json!([])));
        site.local("pause", json!({"source": "provision", "paused": false})).await;
        let back = until(&site, &order, &vec!["succeeded"; cards[cards.len() - 1] + 1]).await;
        assert_eq!((&back["status"], &back["owed"]), (&json!(done), &json!([])));
        assert_eq!(attention(&back), [] as [&str; 0]);
    }
    let order = site.read(&order).await;
    assert_eq!(list(&order, "refunds").len(), 3);
    let made = made(&site, &order).await;
    assert_eq!(made.len(), 3);
    for refund in list(&order, "refunds") {
        let there = made.iter().find(|made| made["id"] == refund["providerRefundId"]).unwrap();
        assert_eq!((&there["metadata"]["refundId"], &there["requests"]), (&refund["refundId"], &json!(1)));
        assert_eq!((&there["paymentIntent"], &there["amount"]), (&order["payments"][0]["paymentId"], &json!(1450)));
        assert_eq!((&refund["reason"], &refund["amount"]["amount"]), (&json!("cancelled"), &json!(1450)));
    }
    let count = |event: &str| events(&order).iter().filter(|name| **name == event).count();
    assert_eq!(["cancellation_requested", "cancelled", "refunded"].map(count), [2, 3, 3]);
    site.stop().await;
}

#[tokio::test]
async fn what_was_paid_from_the_balance_goes_back_there() {
    let site = Site::start().await;
    let store = site.store().await;
    let balance = async || store.balance(PARTNER, "EUR".parse().unwrap()).await.unwrap().amount;
    let before = balance().await;
    let mut two = cards("eu-5gb-30d", 2);
    two["payment"] = "balance".into();
    let order = site.settled(&site.order(&two).await).await;
    assert_eq!(balance().await, before - 2900);
    for (card, done, left) in [(1, 4, 1450), (0, 2, 0)] {
        let asked = join_all((0..5).map(|_| site.refunding(&order, Some(&[iccid(&order, card)])).send())).await;
        assert!(asked.iter().all(|answer| [200, 202].contains(&answer.status)));
        let back = until(&site, &order, &vec!["succeeded"; if left == 0 { 2 } else { 1 }]).await;
        assert_eq!((&back["status"], &back["owed"], balance().await), (&json!(done), &json!([]), before - left));
    }
    let order = site.read(&order).await;
    let ledger = store.ledger(PARTNER).await.unwrap();
    for refund in list(&order, "refunds") {
        let reference = format!("{}#{}", num(&order), refund["refundId"].as_str().unwrap());
        let entry = ledger.iter().find(|entry| entry.reference == reference).unwrap();
        assert_eq!(entry.amount.amount, 1450);
    }
    assert_eq!(ledger.iter().map(|entry| entry.amount.amount).sum::<i64>(), balance().await);
    assert_eq!(made(&site, &order).await, [] as [Value; 0]);
    site.stop().await;
}

#[tokio::test]
async fn a_carrier_that_refuses_keeps_the_card_and_the_money() {
    let site = Site::start().await;
    let order = site.settled(&site.paid(&cards("sandbox-1gb-7d", 2)).await).await;
    let refused = async |card: usize, status: i64| {
        let entries = list(&site.read(&order).await, "history").len();
        site.local("operator", json!({"mode": "refuse", "times": 1})).await;
        site.refunding(&order, Some(&[iccid(&order, card)])).send().await.expect(202);
        let refused = |order: &Value| events(order)[entries..].contains(&"cancellation_refused");
        let order = site.until(&order, "refused", refused).await;
        assert_eq!((&order["status"], &order["cards"][card]["status"]), (&json!(status), &json!("ready")));
        assert!(note(&order, "cancellation_refused").contains("installed"), "{order:#}");
    };
    refused(0, 0).await;
    assert_eq!(made(&site, &order).await.len(), 0);
    site.refunding(&order, Some(&[iccid(&order, 0)])).send().await.expect(202);
    assert_eq!(until(&site, &order, &["succeeded"]).await["status"], 4);
    refused(1, 4).await;
    assert_eq!((made(&site, &order).await.len(), &site.read(&order).await["owed"]), (1, &json!([])));
    site.stop().await;
}

#[tokio::test]
async fn twenty_requests_at_once_make_one_refund() {
    let site = Site::start().await;
    let order = site.settled(&site.paid(&draft("eu-5gb-30d")).await).await;
    let answers = join_all((0..20).map(|_| site.refunding(&order, None).send())).await;
    let accepted = answers.iter().filter(|answer| answer.status == 202).count();
    assert_eq!((accepted, answers.iter().filter(|answer| answer.status == 200).count()), (1, 19));
    let order = until(&site, &order, &["succeeded"]).await;
    for _ in 0..3 {
        site.advance("PT10M").await;
    }
    let made = made(&site, &order).await;
    assert_eq!((made.len(), &made[0]["requests"]), (1, &json!(1)));
    assert_eq!(events(&order).iter().filter(|event| **event == "refunded").count(), 1);
    site.stop().await;
}

#[tokio::test]
async fn an_answer_that_is_cut_off_leaves_one_refund() {
    let site = Site::start().await;
    stripe(&site, "cut", 1).await;
    let order = refunded(&site).await;
    eventually("the refund at the provider", async || (!made(&site, &order).await.is_empty()).then_some(())).await;
    assert_eq!(statuses(&site.read(&order).await), ["due"]);
    let order = in_time(&site, &order, &["succeeded"]).await;
    let made = made(&site, &order).await;
    assert_eq!((made.len(), &made[0]["requests"]), (1, &json!(1)), "it was looked for, not asked for again");
    assert_eq!(order["refunds"][0]["providerRefundId"], made[0]["id"]);
    site.stop().await;
}

#[tokio::test]
async fn a_provider_that_cannot_now_is_asked_again() {
    let site = Site::start().await;
    for mode in ["fail", "busy", "deny"] {
        stripe(&site, mode, 2).await;
        let order = refunded(&site).await;
        let order = in_time(&site, &order, &["succeeded"]).await;
        let made = made(&site, &order).await;
        assert_eq!((made.len(), &made[0]["requests"], &order["owed"]), (1, &json!(1), &json!([])), "{mode}");
        assert!(!events(&order).contains(&"refund_failed"), "{mode}");
    }
    site.stop().await;
}

#[tokio::test]
async fn a_provider_that_is_down_for_long_calls_a_manager_and_forgets_nothing() {
    let site = Site::start().await;
    stripe(&site, "fail", 1000).await;
    let order = refunded(&site).await;
    let mail = eventually("the managers' mail", async || {
        site.advance("PT30M").await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        site.mails(&order, "manager").await.first().cloned()
    });
    mail.await;
    assert_eq!(statuses(&site.read(&order).await), ["due"]);
    stripe(&site, "ok", 1).await;
    let order = eventually("the refund", async || {
        site.advance("PT30M").await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        Some(site.read(&order).await).filter(|order| statuses(order) == ["succeeded"])
    })
    .await;
    assert_eq!((made(&site, &order).await.len(), &order["owed"]), (1, &json!([])));
    site.stop().await;
}

#[tokio::test]
async fn a_refund_is_done_when_the_provider_says_so_and_undone_when_the_bank_returns_it() {
    let site = Site::start().await;
    stripe(&site, "pending", 1).await;
    let order = refunded(&site).await;
    let taken = until(&site, &order, &["requested"]).await;
    assert_eq!((&taken["status"], &taken["owed"][0]["amount"]), (&json!(2), &json!(1450)));
    assert_eq!(ends(&site, &order, "succeeded").await, "recorded");
    assert_eq!(ends(&site, &order, "succeeded").await, "known");
    let done = site.read(&order).await;
    assert_eq!((statuses(&done), &done["owed"]), (vec!["succeeded"], &json!([])));

    assert_eq!(ends(&site, &order, "failed").await, "recorded");
    for late in ["failed", "succeeded"] {
        assert_eq!(ends(&site, &order, late).await, "known", "what failed stays failed");
    }
    let failed = site.read(&order).await;
    assert_eq!((&failed["status"], &failed["owed"][0]["amount"]), (&json!(2), &json!(1450)));
    assert_eq!(attention(&failed), ["money_owed", "refund_failed"]);
    assert!(note(&failed, "refund_failed").contains("expired_or_canceled_card"));
    managers_know(&site, &order, "expired_or_canceled_card").await;

    // Somebody sees to it at the provider.
    let payment = &order["payments"][0]["paymentId"];
    assert_eq!(site.stripe(&by_hand("refund.created", "re_by_hand", payment, 1450)).await, "recorded");
    let settled = site.read(&order).await;
    assert_eq!((statuses(&settled), attention(&settled)), (vec!["succeeded"], vec![]));
    assert_eq!(settled["refunds"][0]["providerRefundId"], "re_by_hand");
    assert_eq!(made(&site, &order).await.len(), 1);
    site.stop().await;
}

#[tokio::test]
async fn a_provider_that_is_silent_is_asked_how_it_went() {
    let site = Site::start().await;
    stripe(&site, "pending", 1).await;
    let order = refunded(&site).await;
    let taken = until(&site, &order, &["requested"]).await;
    site.advance("PT6H").await;
    let pending = site.until(&order, "asked", |order| order["version"] != taken["version"]).await;
    assert_eq!(statuses(&pending), ["requested"]);
    site.advance("PT5H").await;
    let refund = made(&site, &order).await.remove(0);
    site.local("stripe/events", json!({"refund": refund["id"], "status": "succeeded", "lost": true})).await;
    assert_eq!(site.read(&order).await["version"], pending["version"], "it is not asked at every sweep");
    site.advance("PT1H").await;
    until(&site, &order, &["succeeded"]).await;
    assert_eq!(made(&site, &order).await[0]["requests"], 1);
    site.stop().await;
}

#[tokio::test]
async fn a_provider_that_refuses_leaves_the_money_owed() {
    let site = Site::start().await;
    stripe(&site, "refuse", 1).await;
    let order = refunded(&site).await;
    let failed = until(&site, &order, &["failed"]).await;
    assert_eq!((&failed["status"], &failed["owed"][0]["amount"]), (&json!(2), &json!(1450)));
    assert_eq!(attention(&failed), ["money_owed", "refund_failed"]);
    assert!(note(&failed, "refund_failed").contains("charge_disputed"));
    managers_know(&site, &order, "charge_disputed").await;
    site.advance("P1D").await;
    assert_eq!(made(&site, &order).await.len(), 0, "it is not asked again");

    // Nor can every provider be asked at all.
    let order = site.order(&draft("eu-5gb-30d")).await;
    assert_eq!(webhooks::standard(&site, &webhooks::standard_event(&order)).await, "paid");
    let order = site.settled(&order).await;
    site.refunding(&order, None).send().await.expect(202);
    let failed = until(&site, &order, &["failed"]).await;
    managers_know(&site, &order, "somebody has to make it there").await;
    let path = format!("/v1/orders/{}/refunds", num(&order));
    let by_hand = |reference: &str| json!({"refundId": failed["refunds"][0]["refundId"], "reference": reference});
    for _ in 0..2 {
        let given = site.post(&path).by(By::Manager).json(&by_hand(" SEPA 4711 ")).send().await.expect(200);
        assert_eq!((&given["refunds"][0]["status"], &given["owed"]), (&json!("succeeded"), &json!([])));
        assert_eq!((&given["refunds"][0]["providerRefundId"], attention(&given)), (&json!("SEPA 4711"), vec![]));
        assert_eq!(note(&given, "refunded"), "14.50 EUR, by hand: SEPA 4711");
    }
    let other = site.post(&path).by(By::Manager).json(&by_hand("SEPA 4712")).send().await;
    let told = other.problem(409, "not_possible", None);
    assert_eq!(
        (&told["reason"], &told["detail"]),
        (&json!("nothing_to_settle"), &json!("It has been given back already, as SEPA 4711."))
    );
    let partners = site.read(&failed).await;
    let who: Vec<&Value> =
        list(&partners, "history").iter().filter(|entry| entry["event"] == "refunded").map(|it| &it["by"]).collect();
    assert_eq!(who, ["manager"], "partners see no names");
    drained(&site).await;
    site.stop().await;
}

#[tokio::test]
async fn what_a_provider_gives_back_after_somebody_did_is_for_a_person() {
    let site = Site::start().await;
    stripe(&site, "refuse", 1).await;
    let order = refunded(&site).await;
    let failed = until(&site, &order, &["failed"]).await;
    let path = format!("/v1/orders/{}/refunds", num(&order));
    let by_transfer = json!({"refundId": failed["refunds"][0]["refundId"], "reference": "SEPA 4711"});
    site.post(&path).by(By::Manager).json(&by_transfer).send().await.expect(200);
    let event = by_hand("refund.updated", "re_dashboard", &order["payments"][0]["paymentId"], 1450);
    assert_eq!(site.stripe(&event).await, "recorded");
    let twice = site.read(&order).await;
    assert_eq!((attention(&twice), statuses(&twice)), (vec!["paid_back_twice"], vec!["succeeded", "succeeded"]));
    assert_eq!(list(&twice, "history").last().unwrap()["note"], "14.50 EUR, at the provider, although it had been given back");
    managers_know(&site, &order, "ask the payer for it").await;
    // It is on record, so that it is no damage, and somebody has seen it once there is a note.
    drained(&site).await;
    crate::acts::audit(&site).await;
    let noted = site.post(format!("/v1/orders/{}/notes", num(&order))).by(By::Manager).json(&json!({"note": "they keep it"}));
    assert_eq!(attention(&noted.send().await.expect(200)), Vec::<&str>::new());
    site.stop().await;
}

#[tokio::test]
async fn a_card_that_was_installed_while_its_refund_waited_stays() {
    for plan in ["world-2gb-30d", "sandbox-5gb-30d"] {
        let site = Site::start().await;
        let order = site.settled(&site.paid(&draft(plan)).await).await;
        let null = json!({"reason": "Changed plans", "iccids": null});
        let path = format!("/v1/orders/{}/refund", num(&order));
        site.post(&path).by(By::Partner).json(&null).send().await.problem(400, "invalid_field", Some("iccids"));
        crate::acts::pause(&site, "provision", true).await;
        site.refunding(&order, None).send().await.expect(202);
        let installed = json!({"type": "installed", "at": order["createdAt"], "via": "ios_api"});
        let path = format!("/v1/sims/{}/events", order["cards"][0]["iccid"].as_str().unwrap());
        assert_eq!(site.post(path).by(By::Partner).json(&installed).send().await.expect(200)["result"], "recorded");
        crate::acts::pause(&site, "provision", false).await;
        let stays = site.until(&order, "back where it was", |order| order["status"] == 0).await;
        assert_eq!((&stays["cards"][0]["status"], &stays["refunds"]), (&json!("installed"), &json!([])));
        assert!(note(&stays, "cancellation_overtaken").contains("installed"), "{stays:#}");
        assert_eq!(list(&stays, "history").last().unwrap()["by"], "system", "no carrier was asked");
        site.stop().await;
    }
}

#[tokio::test]
async fn a_refund_that_a_swap_was_before_says_so_and_so_does_the_card() {
    let site = Site::start().await;
    for plan in ["world-2gb-30d", "sandbox-5gb-30d"] {
        let order = site.settled(&site.paid(&draft(plan)).await).await;
        let subscription = order["cards"][0]["subscriptionId"].as_str().unwrap();
        crate::acts::pause(&site, "provision", true).await;
        // Ordered before the refund was asked for, and paid after it.
        let swap = site.changing(subscription, "sim-swap", &json!({"payment": "card"})).send().await.expect(201);
        site.refunding(&order, None).send().await.expect(202);
        let late = site.changing(subscription, "sim-swap", &json!({"payment": "balance"})).send().await;
        assert_eq!(late.problem(409, "subscription_closed", None)["reason"], "refund");
        assert_eq!(site.pay(&swap).await, "paid");
        crate::acts::pause(&site, "provision", false).await;
        let stays = site.until(&order, "back where it was", |order| order["status"] == 0).await;
        let entry = list(&stays, "history").iter().rfind(|entry| entry["event"] == "cancellation_overtaken").unwrap();
        assert_eq!(entry["by"], "system");
        assert!(entry["note"].as_str().unwrap().contains("is being swapped"), "{entry}");
        assert!(attention(&stays).contains(&"cancellation_refused"), "a person has to know");
        // What the card says and what a refund answers is the same, while the swap is under way and when it is over.
        let agree = async |code: &str, reason: &str| {
            let shown = site.read(&order).await["cards"][0]["refundable"].clone();
            let answer = site.refunding(&order, None).send().await.problem(409, code, None);
            assert_eq!((&shown["eligible"], &shown["code"]), (&json!("no"), &json!(reason)));
            assert_eq!((&shown["code"], &shown["reason"]), (&answer["reason"], &answer["detail"]));
        };
        agree("subscription_closed", "swap").await;
        let swap = site.settled(&swap).await;
        let installed = json!({"type": "installed", "at": order["createdAt"], "via": "ios_api"});
        let path = format!("/v1/sims/{}/events", iccid(&swap, 0));
        assert_eq!(site.post(path).by(By::Partner).json(&installed).send().await.expect(200)["result"], "recorded");
        site.until(&swap, "swapped", |swap| events(swap).contains(&"swapped")).await;
        agree("not_refundable", "installed").await;
    }
    site.stop().await;
}

#[tokio::test]
async fn the_history_says_whose_money_moved() {
    let site = Site::start().await;
    let by = |order: &Value, event: &str| {
        list(order, "history").iter().rfind(|entry| entry["event"] == event).unwrap()["by"].as_str().unwrap().to_owned()
    };
    let mut own = draft("eu-5gb-30d");
    own["payment"] = "balance".into();
    for (order, whose) in [(site.order(&own).await, "balance"), (site.paid(&draft("eu-5gb-30d")).await, "payment_provider")] {
        let order = site.settled(&order).await;
        site.refunding(&order, None).send().await.expect(202);
        let back = until(&site, &order, &["succeeded"]).await;
        assert_eq!((by(&back, "paid").as_str(), by(&back, "refunded").as_str()), (whose, whose));
        // A second payment of it through the provider goes back there.
        assert_eq!(site.pay(&order).await, "owed_back");
        let twice = until(&site, &order, &["succeeded", "succeeded"]).await;
        let refunded: Vec<&Value> =
            list(&twice, "history").iter().filter(|entry| entry["event"] == "refunded").map(|entry| &entry["by"]).collect();
        assert_eq!((refunded.len(), by(&twice, "payment_returned").as_str()), (2, "payment_provider"));
    }
    site.stop().await;
}

#[tokio::test]
async fn what_waits_for_the_provider_is_settled_by_hand_and_asked_for_at_once() {
    let site = Site::start().await;
    let order = site.settled(&site.paid(&cards("eu-5gb-30d", 2)).await).await;
    let denied = async |card: usize| {
        site.local("stripe", json!({"mode": "deny", "times": 1})).await;
        let card = order["cards"][card]["iccid"].as_str().unwrap();
        site.refunding(&order, Some(&[card])).send().await.expect(202);
        let asked = async || (site.get("/_local/stripe").send().await.expect(200)["mode"] == "ok").then_some(());
        eventually("the provider was asked", asked).await;
        let idle = || site.stack.queues().depths().iter().all(|depth| depth.visible + depth.in_flight == 0);
        eventually("its answer was noted", async || idle().then_some(())).await;
    };
    denied(0).await;
    let by_hand = by_hand("refund.created", "re_by_hand", &order["payments"][0]["paymentId"], 1450);
    assert_eq!(site.stripe(&by_hand).await, "recorded");
    site.advance("PT2H").await;
    let settled = site.until(&order, "settled", |order| order["owed"] == json!([])).await;
    assert_eq!((statuses(&settled), made(&site, &order).await.len()), (vec!["succeeded"], 0));
    // What else is owed is asked for once the key is there, and a manager says so.
    denied(1).await;
    crate::acts::managing(&site, &order, "retry", &json!({})).send().await.expect(200);
    let settled = site.until(&order, "asked for at once", |order| order["owed"] == json!([])).await;
    assert_eq!((statuses(&settled), made(&site, &order).await.len()), (vec!["succeeded", "succeeded"], 1));
    site.stop().await;
}

#[tokio::test]
async fn what_is_done_at_the_provider_is_recorded_once() {
    let site = Site::start().await;
    let order = site.settled(&site.paid(&cards("eu-5gb-30d", 2)).await).await;
    let payment = &order["payments"][0]["paymentId"];
    // Several events tell of one refund, each several times and all at once; none names the order.
    let kinds = ["refund.created", "charge.refunded", "refund.updated", "charge.refund.updated"];
    let told: Vec<Value> = kinds.repeat(5).into_iter().map(|kind| by_hand(kind, "re_by_hand", payment, 500)).collect();
    let results = join_all(told.iter().map(|event| site.stripe(event))).await;
    assert_eq!(results.iter().filter(|result| *result == "recorded").count(), 1, "{results:?}");
    assert_eq!(results.iter().filter(|result| *result == "known").count(), 19, "{results:?}");
    let dispute = json!({"id": "evt_dispute", "object": "event", "type": "charge.dispute.created", "data": {"object": {
        "id": "dp_1", "object": "dispute", "amount": 2900, "currency": "eur", "payment_intent": payment, "reason": "fraudulent",
        "metadata": {},
    }}});
    assert_eq!([site.stripe(&dispute).await, site.stripe(&dispute).await], ["recorded", "known"]);
    let told = site.read(&order).await;
    assert_eq!((&told["status"], &told["owed"], statuses(&told)), (&json!(0), &json!([]), vec!["succeeded"]));
    assert_eq!((&told["refunds"][0]["reason"], &told["refunds"][0]["amount"]["amount"]), (&json!("elsewhere"), &json!(500)));
    assert!(note(&told, "refunded").starts_with("5.00 EUR") && note(&told, "disputed").contains("fraudulent"), "{told:#}");
    managers_know(&site, &order, "5.00 EUR was given back at the provider").await;
    managers_know(&site, &order, "fraudulent").await;
    // A note says that somebody has seen to it.
    let codes = |order: &Value| list(order, "needsAttention").iter().map(|one| one["code"].clone()).collect::<Vec<_>>();
    assert_eq!(codes(&told), ["disputed"]);
    let noted = crate::acts::managing(&site, &order, "notes", &json!({"note": "Sent the papers"})).send().await.expect(200);
    assert_eq!(codes(&noted), Vec::<Value>::new());

    // What is asked for afterwards is no more than is left.
    site.refunding(&order, None).send().await.expect(202);
    let back = until(&site, &order, &["succeeded"; 3]).await;
    assert_eq!((&back["status"], &back["owed"]), (&json!(2), &json!([])));
    let mut amounts: Vec<i64> = made(&site, &order).await.iter().map(|refund| refund["amount"].as_i64().unwrap()).collect();
    amounts.sort_unstable();
    assert_eq!(amounts, [950, 1450]);
    site.stop().await;
}

#[tokio::test]
async fn what_goes_back_in_another_currency_settles_nothing_and_comes_up_for_a_manager() {
    let site = Site::start().await;
    let order = site.settled(&site.paid(&draft("eu-5gb-30d")).await).await;
    let payment = &order["payments"][0]["paymentId"];
    let in_dollars = |mut event: Value| {
        event["data"]["object"]["currency"] = "usd".into();
        event
    };
    let told = in_dollars(by_hand("refund.created", "re_dollars", payment, 500));
    assert_eq!([site.stripe(&told).await, site.stripe(&told).await], ["recorded", "known"]);
    managers_know(&site, &order, "5.00 USD was given back at the provider").await;
    // All that came in is still there to be given back.
    site.refunding(&order, None).send().await.expect(202);
    let back = until(&site, &order, &["succeeded"; 2]).await;
    let made = made(&site, &order).await;
    assert_eq!((&back["owed"], &made[0]["amount"]), (&json!([]), &json!(1450)));
    // The same of one that was asked for here.
    let told = in_dollars(by_hand("refund.updated", made[0]["id"].as_str().unwrap(), payment, 1450));
    assert_eq!([site.stripe(&told).await, site.stripe(&told).await], ["recorded", "known"]);
    let back = site.read(&order).await;
    assert_eq!(statuses(&back), ["succeeded", "failed"]);
    assert_eq!(attention(&back), ["money_owed", "refund_failed"]);
    assert!(note(&back, "refund_failed").contains("14.50 USD was given back"), "{back:#}");
    site.stop().await;
}

#[tokio::test]
async fn events_about_payments_that_no_order_has_change_nothing() {
    let site = Site::still().await;
    let order = site.order(&draft("eu-5gb-30d")).await;
    let before = site.tables().await;
    let stranger = json!("pi_stranger");
    assert_eq!(site.stripe(&by_hand("refund.created", "re_1", &stranger, 500)).await, "no_order_number");
    // The refund of a payment whose own event is still under way: it is to be told again.
    let mut early = by_hand("charge.refunded", "re_2", &json!("pi_early"), 500);
    early["data"]["object"]["metadata"] = json!({"orderNum": num(&order)});
    site.stripe_call(early.to_string()).send().await.problem(503, "unavailable", None);
    assert!(site.tables().await == before, "something was written");
    let mut paid = crate::api::stripe_event(&order);
    paid["data"]["object"]["id"] = "pi_early".into();
    assert_eq!(site.stripe(&paid).await, "paid");
    assert_eq!(site.stripe(&early).await, "recorded");
    // What somebody typed in at the provider counts for less than whose payment it is.
    let other = site.order(&draft("eu-5gb-30d")).await;
    let mut mistyped = by_hand("refund.created", "re_3", &json!("pi_early"), 1);
    mistyped["data"]["object"]["metadata"] = json!({"orderNum": num(&other)});
    assert_eq!(site.stripe(&mistyped).await, "recorded");
    assert_eq!((list(&site.read(&order).await, "refunds").len(), list(&site.read(&other).await, "refunds").len()), (2, 0));
    site.stop().await;
}

#[tokio::test]
async fn only_a_card_whose_code_was_never_shown_is_sold_again() {
    let site = Site::start().await;
    let pool = "meridian.7.esim";
    let stock = site.available(pool).await;
    let mut quiet = draft("eu-5gb-30d");
    quiet["sendEmail"] = false.into();
    // A list shows no codes; reading the order does.
    for (shown, available, state) in [(false, stock, SimState::Stocked), (true, stock - 1, SimState::SetAside)] {
        let order = site.paid(&quiet).await;
        eventually("the card", async || {
            let listed = site.get("/v1/orders?limit=1").by(By::Partner).send().await.expect(200);
            (listed["items"][0]["fulfilment"] == "completed").then_some(())
        })
        .await;
        if shown {
            site.read(&order).await;
        }
        let asked = site.refunding(&order, None).send().await.expect(202);
        let order = until(&site, &order, &["succeeded"]).await;
        site.advance("PT2M").await;
        assert_eq!(site.available(pool).await, available);
        let sim = site.store().await.sims(&[iccid(&asked, 0).parse::<Iccid>().unwrap()]).await.unwrap().remove(0);
        assert_eq!((sim.state, sim.disclosed_at.is_some()), (state, shown));
        assert_eq!((&order["cards"][0]["status"], &order["cards"][0]["code"]), (&json!("cancelled"), &Value::Null));
        for _ in 0..3 {
            site.advance("PT2M").await;
        }
        assert_eq!(site.available(pool).await, available);
    }
    site.stop().await;
}
