//! Complimentary orders: for whoever has an eligible plan, once for each, by a partner with a grant or by a manager.

use crate::acts::{PLAN, audit, books, by_balance, card, changing, delivered, drained, subscription_of, tell, used};
use crate::api::{By, PARTNER, Site, draft, list, num, unique};
use futures_util::future::join_all;
use serde_json::{Value, json};

const GIFT: &str = "sandbox-gift-1gb-7d";

/// A gift for the subscriber of a subscription.
fn gift(subscription: &str) -> Value {
    let mut draft = draft(GIFT);
    (draft["payment"], draft["eligibleSubscriptionId"]) = (json!("complimentary"), json!(subscription));
    draft
}

/// A line with a plan that entitles to a gift.
async fn eligible(site: &Site) -> String {
    subscription_of(&delivered(site, &by_balance(PLAN)).await)
}

/// How many gifts the partner has made.
async fn given(site: &Site) -> u32 {
    site.store().await.partner(PARTNER).await.unwrap().unwrap().gifts
}

#[tokio::test]
async fn a_gift_is_delivered_like_any_order_and_costs_nothing() {
    let site = Site::start().await;
    let subscription = eligible(&site).await;
    let asked = site.order(&gift(&subscription)).await;
    assert_eq!((&asked["status"], &asked["payment"], &asked["price"]["amount"]), (&json!(0), &json!("complimentary"), &json!(0)));
    assert_eq!((&asked["payments"][0]["provider"], &asked["payments"][0]["outcome"]), (&json!("free"), &json!("applied")));
    let order = site.settled(&asked).await;
    assert!(site.mail(&order, "qr").await.contains(order["cards"][0]["code"].as_str().unwrap()));
    assert_eq!((given(&site).await, &order["owed"]), (1, &json!([])));
    // It is a line of its own, and nothing of it is given back.
    assert_ne!(subscription_of(&order), subscription);
    assert_eq!(order["cards"][0]["refundable"]["code"], "plan_policy");
    used(&site, card(&order)).await;
    assert_eq!(tell(&site, card(&order), json!({"type": "used_up"})).await, "recorded");
    assert_eq!(site.read(&order).await["status"], 5);

    // Add-ons come with it for nothing as well, and it takes as many mails as any order.
    let plain = site.ordering(&{
        let mut paid = draft(GIFT);
        paid["payment"] = "balance".into();
        paid
    });
    assert_eq!(plain.send().await.expect(201)["price"]["amount"], 500, "whoever pays for it may have it");
    audit(&site).await;
    site.stop().await;
}

#[tokio::test]
async fn who_gives_a_card_back_keeps_no_gift_for_it() {
    let site = Site::start().await;
    let order = delivered(&site, &by_balance(PLAN)).await;
    let subscription = subscription_of(&order);
    site.local("pause", json!({"source": "provision", "paused": true})).await;
    site.refunding(&order, None).send().await.expect(202);
    let late = site.ordering(&gift(&subscription)).send().await;
    assert_eq!(late.problem(409, "not_eligible", None)["reason"], "no_eligible_plan");
    site.local("pause", json!({"source": "provision", "paused": false})).await;
    audit(&site).await;
    site.stop().await;
}

#[tokio::test]
async fn an_eligible_plan_entitles_once() {
    let site = Site::start().await;
    let (first, second) = (eligible(&site).await, eligible(&site).await);
    let key = format!("gift-{}", unique());
    let once = || site.ordering(&gift(&first)).header("Idempotency-Key", &key);
    let order = once().send().await.expect(201);
    let again = once().send().await;
    assert_eq!((again.header("idempotency-replayed"), &again.expect(200)["orderNum"]), (Some("true"), &order["orderNum"]));
    for _ in 0..2 {
        let void = site.order(&gift(&first)).await;
        assert_eq!((&void["status"], &void["voidReason"], &void["cards"]), (&json!(3), &json!("nothing_to_give"), &json!([])));
    }
    assert_eq!(site.order(&gift(&second)).await["status"], 0, "another plan entitles to another one");
    assert_eq!(given(&site).await, 2);
    // What was made stands, also where the plan that entitled to it has ended since.
    let asked = changing(&site, &first, "cancellation", &json!({})).send().await.expect(201);
    site.until(&asked, "completed", |order| order["fulfilment"] == "completed").await;
    assert_eq!(once().send().await.expect(200)["orderNum"], order["orderNum"]);
    let mut other = gift(&first);
    other["lineName"] = "another".into();
    let other = site.ordering(&other).header("Idempotency-Key", &key).send().await;
    other.problem(422, "idempotency_key_reused", Some("Idempotency-Key"));

    // Many at once for one plan: one is given, and no ticket is lost.
    let third = eligible(&site).await;
    let stock = site.available(crate::acts::POOL).await;
    let drafts: Vec<Value> = (0..8).map(|_| gift(&third)).collect();
    let answers = join_all(drafts.iter().map(async |draft| site.ordering(draft).send().await.expect(201))).await;
    let statuses: Vec<i64> = answers.iter().map(|order| order["status"].as_i64().unwrap()).collect();
    assert_eq!(
        (statuses.iter().filter(|status| **status == 0).count(), statuses.iter().filter(|status| **status == 3).count()),
        (1, 7)
    );
    assert_eq!(given(&site).await, 3);
    drained(&site).await;
    assert_eq!(site.available(crate::acts::POOL).await, stock - 1);
    audit(&site).await.nothing_missing();
    site.stop().await;
}

#[tokio::test]
async fn a_partner_gives_no_more_than_its_quota_and_a_manager_gives_beyond_it() {
    let site = Site::start().await;
    let mut lines = Vec::new();
    for _ in 0..5 {
        lines.push(eligible(&site).await);
    }
    for line in &lines[..3] {
        assert_eq!(site.order(&gift(line)).await["status"], 0);
    }
    let refused = site.ordering(&gift(&lines[3])).send().await.problem(409, "not_eligible", None);
    assert_eq!(refused["reason"], "quota_used_up");
    assert_eq!(given(&site).await, 3);

    // The plan still entitles: it was not used up by the attempt.
    let mut by_manager = gift(&lines[3]);
    by_manager["partnerId"] = PARTNER.into();
    let given_by = async |draft: &Value| site.ordering(draft).by(By::Manager).send().await;
    let order = given_by(&by_manager).await.expect(201);
    assert_eq!((&order["status"], &order["partnerId"]), (&json!(0), &json!(PARTNER)));
    assert_eq!(given(&site).await, 3, "the quota is the partner's");
    assert_eq!(given_by(&by_manager).await.expect(201)["voidReason"], "nothing_to_give");
    site.get(format!("/v1/orders/{}", num(&order))).by(By::Partner).send().await.expect(200);

    // A manager names a partner that there is, and may sell to it as well.
    given_by(&gift(&lines[4])).await.problem(400, "missing_field", Some("partnerId"));
    let mut sold = by_balance(PLAN);
    sold["partnerId"] = "nobody".into();
    given_by(&sold).await.problem(400, "invalid_field", Some("partnerId"));
    sold["partnerId"] = PARTNER.into();
    let order = given_by(&sold).await.expect(201);
    assert_eq!((&order["status"], &order["partnerId"]), (&json!(0), &json!(PARTNER)));
    assert_eq!(order["history"][0]["by"], "manager");
    site.ordering(&by_manager).send().await.problem(403, "forbidden", None);
    let mut others = gift(&lines[4]);
    others["partnerId"] = "other-travel".into();
    assert_eq!(given_by(&others).await.problem(409, "not_eligible", None)["reason"], "no_subscription");
    assert_eq!(books(&site).await.partners.iter().filter(|item| item["pk"]["S"] == "gift#other-travel").count(), 0);
    audit(&site).await;
    site.stop().await;
}

#[tokio::test]
async fn who_is_not_entitled_is_told_why() {
    let site = Site::start().await;
    let subscription = eligible(&site).await;
    let not_eligible = delivered(&site, &by_balance("sandbox-3gb-15d")).await;
    let refused = async |draft: Value, reason: &str| {
        let problem = site.ordering(&draft).send().await.problem(409, "not_eligible", None);
        assert_eq!(problem["reason"], reason, "{problem}");
    };
    let changed = |name: &str, value: Value| {
        let mut draft = gift(&subscription);
        draft[name] = value;
        draft
    };
    refused(changed("planId", json!("eu-5gb-30d")), "plan").await;
    refused(changed("eligibleSubscriptionId", json!("SU0000000000000000")), "no_subscription").await;
    refused(gift(&subscription_of(&not_eligible)), "no_eligible_plan").await;
    let mut stranger = gift(&subscription);
    stranger["subscriber"]["email"] = "bob@example.com".into();
    refused(stranger, "other_subscriber").await;
    let theirs = site.ordering(&gift(&subscription)).by(By::OtherPartner).send().await.problem(409, "not_eligible", None);
    assert_eq!(theirs["reason"], "no_grant");
    for (draft, code, field) in [
        (changed("eligibleSubscriptionId", Value::Null), "missing_field", "eligibleSubscriptionId"),
        (changed("count", json!(2)), "invalid_field", "count"),
        (changed("payment", json!("card")), "invalid_field", "eligibleSubscriptionId"),
    ] {
        site.ordering(&draft).send().await.problem(400, code, Some(field));
    }
    // A plan that is over entitles no more, nor does a subscription that has ended.
    let order = delivered(&site, &by_balance(PLAN)).await;
    used(&site, card(&order)).await;
    assert_eq!(tell(&site, card(&order), json!({"type": "used_up"})).await, "recorded");
    refused(gift(&subscription_of(&order)), "no_eligible_plan").await;
    let asked = changing(&site, &subscription, "cancellation", &json!({})).send().await.expect(201);
    site.until(&asked, "completed", |order| order["fulfilment"] == "completed").await;
    refused(gift(&subscription), "no_eligible_plan").await;
    assert_eq!(given(&site).await, 0);
    assert!(
        list(&site.get("/v1/orders").by(By::Partner).send().await.expect(200), "items")
            .iter()
            .all(|order| order["payment"] != "complimentary")
    );
    audit(&site).await;
    site.stop().await;
}
