//! Lists of orders: pages, filters, bounds.

use crate::acts::{PLAN, by_balance, delivered, managing};
use crate::api::{By, Site, draft, list, num};
use hyper::Method;
use serde_json::{Value, json};
use std::time::Duration;

async fn page(site: &Site, query: &str) -> Value {
    site.get(format!("/v1/orders?{query}")).by(By::Partner).send().await.expect(200)
}

/// The numbers on all pages, and how long each page was.
async fn all(site: &Site, query: &str) -> (Vec<String>, Vec<usize>) {
    let (mut nums, mut lengths, mut cursor) = (Vec::new(), Vec::new(), String::new());
    loop {
        let page = page(site, &format!("{query}{cursor}")).await;
        let items = list(&page, "items");
        lengths.push(items.len());
        nums.extend(items.iter().map(|order| num(order).to_owned()));
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return (nums, lengths),
        }
    }
}

#[tokio::test]
async fn pages_hold_every_order_once_and_the_newest_first() {
    let site = Site::still().await;
    let mut orders = Vec::new();
    for number in 0..25 {
        let mut draft = draft("eu-5gb-30d");
        draft["otherOrderId"] = format!("shop-{}", number % 2).into();
        draft["otherItemId"] = format!("{}", number % 3).into();
        if number % 5 == 0 {
            site.stack.clock().advance(Duration::from_mins(1));
        }
        orders.push(site.order(&draft).await);
    }
    let (nums, lengths) = all(&site, "limit=10").await;
    assert_eq!(lengths, [10, 10, 5]);
    // Within a second, the sequence is any, but fixed.
    let mut expected = orders.clone();
    expected.sort_by_key(|order| std::cmp::Reverse((order["createdAt"].to_string(), num(order).to_owned())));
    let expected: Vec<String> = expected.iter().map(|order| num(order).to_owned()).collect();
    assert_eq!(nums, expected);
    assert_eq!(all(&site, "limit=100").await.0, expected);
    assert_eq!(list(&page(&site, "").await, "items").len(), 20);
    let oldest: Vec<String> = expected.iter().rev().cloned().collect();
    assert_eq!(all(&site, "sort=newest&limit=7").await.0, expected);
    assert_eq!(all(&site, "sort=oldest&limit=7").await.0, oldest);
    assert_eq!(all(&site, "limit=1").await.0, expected);
    assert_eq!(all(&site, "limit=25").await.0, expected);
    assert_eq!(list(&page(&site, "limit=3").await, "items")[0]["cards"], Value::Null);

    // By the partner's own numbers.
    let own = |holds: &dyn Fn(&Value) -> bool| -> Vec<String> {
        let ours = |number: &&String| orders.iter().any(|order| num(order) == number.as_str() && holds(order));
        expected.iter().filter(ours).cloned().collect()
    };
    let (nums, lengths) = all(&site, "otherOrderId=shop-1&limit=5").await;
    assert_eq!(nums, own(&|order| order["otherOrderId"] == "shop-1"));
    assert_eq!(lengths.iter().sum::<usize>(), 12);
    let nums = all(&site, "otherOrderId=shop-1&otherItemId=2&limit=2").await.0;
    assert_eq!(nums, own(&|order| order["otherOrderId"] == "shop-1" && order["otherItemId"] == "2"));
    let nums = all(&site, "otherItemId=2&limit=3").await.0;
    assert_eq!(nums, own(&|order| order["otherItemId"] == "2"), "alone, too");
    let managers = site.get("/v1/orders?otherItemId=2&limit=100").by(By::Manager).send().await.expect(200);
    assert_eq!(list(&managers, "items").iter().map(num).collect::<Vec<_>>(), nums);
    assert_eq!(all(&site, "otherOrderId=shop-2").await.0, Vec::<String>::new());
    assert_eq!(all(&site, "otherOrderId=shop").await.0, Vec::<String>::new());

    // By time: the first bound is in, the second is not.
    let times: Vec<&str> = orders.iter().map(|order| order["createdAt"].as_str().unwrap()).collect();
    let between = |from: &str, to: &str| own(&|order| (from..to).contains(&order["createdAt"].as_str().unwrap()));
    let (from, to) = (times[5], times[15]);
    assert!(from < to);
    assert_eq!(all(&site, &format!("from={from}&to={to}&limit=4")).await.0, between(from, to));
    assert_eq!(all(&site, &format!("from={from}")).await.0, between(from, "3"));
    assert_eq!(all(&site, &format!("to={to}")).await.0, between("0", to));
    assert_eq!(all(&site, &format!("from={from}&to={from}")).await.0, Vec::<String>::new());
    assert_eq!(all(&site, &format!("from={to}&to={from}")).await.0, Vec::<String>::new());
    let tagged = all(&site, &format!("from={from}&to={to}&otherOrderId=shop-0&limit=2")).await.0;
    assert_eq!(
        tagged,
        own(&|order| order["otherOrderId"] == "shop-0" && (from..to).contains(&order["createdAt"].as_str().unwrap()))
    );

    for (query, code, field) in [
        ("limit=0", "invalid_field", "limit"),
        ("limit=101", "invalid_field", "limit"),
        ("limit=ten", "invalid_field", "limit"),
        ("limit=5&limit=6", "invalid_field", "limit"),
        ("from=yesterday", "invalid_field", "from"),
        ("to=2026-11-22", "invalid_field", "to"),
        ("cursor=", "invalid_cursor", "cursor"),
        ("cursor=%20", "invalid_cursor", "cursor"),
        ("cursor=bm9uc2Vuc2U", "invalid_cursor", "cursor"),
        ("otherItemId=", "invalid_field", "otherItemId"),
        ("page=2", "unknown_field", "page"),
    ] {
        site.get(format!("/v1/orders?{query}")).by(By::Partner).send().await.problem(400, code, Some(field));
    }
    // Numbers as partners may have them.
    let mut odd = draft("eu-5gb-30d");
    odd["otherOrderId"] = "a,b & c+d=é#/?%".into();
    let odd = site.order(&odd).await;
    assert_eq!(all(&site, "otherOrderId=a%2Cb%20%26+c%2Bd%3D%C3%A9%23/%3F%25").await.0, [num(&odd)]);

    // A cursor leads only through the list of whoever asks.
    let next = page(&site, "limit=10").await["nextCursor"].as_str().unwrap().to_owned();
    let theirs = site.get(format!("/v1/orders?cursor={next}")).by(By::OtherPartner).send().await.expect(200);
    assert_eq!(theirs, json!({"items": [], "nextCursor": null}));
    site.stop().await;
}

#[tokio::test]
async fn what_waits_for_a_manager_is_found_however_old_it_is() {
    let site = Site::start().await;
    let mut by_post = by_balance("sandbox-5gb-30d");
    by_post["formFactor"] = "physical".into();
    by_post["subscriber"]["postalAddress"] =
        json!({"lines": ["Calle Mayor 1"], "city": "Madrid", "postalCode": "28013", "country": "ES"});
    let order = site.order(&by_post).await;
    let order = site.until(&order, "ready", |order| order["cards"][0]["status"] == "ready").await;
    let waiting = async || site.get("/v1/attention").by(By::Manager).send().await.expect(200);
    let expected = json!({"total": 1, "more": false, "oldestAt": order["createdAt"], "codes": {"to_ship": 1}});
    assert_eq!(waiting().await, expected);

    // An order that needs nobody, and is newer.
    site.stack.clock().advance(Duration::from_hours(100 * 24));
    delivered(&site, &by_balance(PLAN)).await;
    assert_eq!(waiting().await, expected);
    let found = async |query: &str| {
        let page = site.get(format!("/v1/orders?{query}")).by(By::Manager).send().await.expect(200);
        assert_eq!(page["nextCursor"], Value::Null);
        list(&page, "items").iter().map(|order| num(order).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found("needsAttention=true").await, [num(&order)]);
    assert_eq!(found("needsAttention=true&sort=oldest&limit=1&status=0").await, [num(&order)]);
    assert_eq!(found("needsAttention=true&type=renewal").await, [""; 0]);
    let created = order["createdAt"].as_str().unwrap();
    assert_eq!(found(&format!("needsAttention=true&from={created}")).await, [num(&order)]);
    assert_eq!(found(&format!("needsAttention=true&to={created}")).await, [""; 0]);

    managing(&site, &order, "shipment", &json!({"carrier": "Correos", "number": "PX1"})).send().await.expect(200);
    assert_eq!(waiting().await, json!({"total": 0, "more": false, "oldestAt": null, "codes": {}}));
    assert_eq!(found("needsAttention=true").await, [""; 0]);
    site.stop().await;
}

/// A plan like those of the sandbox operator, with some fields changed.
pub fn plan_like(changes: &Value) -> Value {
    let mut plan = json!({
        "basedOn": 0, "display": "Like", "price": {"amount": 700, "currency": "EUR"}, "dataMb": 1024, "days": 7, "flowType": 0,
        "refundPolicy": {"kind": "until_activation"}, "formFactors": ["esim"], "apn": "internet", "countries": ["ES"],
        "profiles": [{"operator": "sandbox", "imsiProfile": "1", "cost": 120}],
    });
    plan.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    plan
}

#[tokio::test]
async fn plans_are_listed_that_can_be_sold_paid_for_and_added() {
    let site = Site::start().await;
    for (id, changes) in [
        ("not-theirs", json!({"partners": ["other-travel"]})),
        ("withdrawn", json!({"withdrawn": true})),
        ("in-dollars", json!({"price": {"amount": 700, "currency": "USD"}})),
        ("for-nothing", json!({"price": {"amount": 0, "currency": "USD"}})),
        // The same number of a profile, of another operator.
        ("other-operator", json!({"profiles": [{"operator": "meridian", "imsiProfile": "1", "cost": 120}]})),
    ] {
        let put = site.call(Method::PUT, format!("/v1/plans/{id}")).by(By::Manager).json(&plan_like(&changes));
        put.send().await.expect(201);
    }
    let order = site.settled(&site.paid(&draft("sandbox-1gb-7d")).await).await;
    let line = order["cards"][0]["subscriptionId"].as_str().unwrap();
    let listed = async |query: &str, by: By<'_>| {
        let plans = site.get(format!("/v1/plans?{query}")).by(by).send().await.expect(200);
        list(&plans, "items").iter().map(|plan| plan["planId"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let all = ["withdrawn", "not-theirs", "in-dollars", "for-nothing", "other-operator", "sandbox-5gb-30d", "eu-5gb-30d"];
    let has = async |query: &str, by: By<'_>, expected: &[&str]| {
        let listed = listed(query, by).await;
        let found: Vec<&str> = all.into_iter().filter(|plan| listed.iter().any(|found| found == plan)).collect();
        let mut expected = expected.to_vec();
        expected.sort_by_key(|plan| all.iter().position(|known| known == plan));
        assert_eq!(found, expected, "{query} {by:?}");
    };
    let (theirs, mine) = (&all[1..], &all[2..]);
    has("", By::Manager, &all).await;
    has("", By::Partner, mine).await;
    has("partnerId=demo-travel", By::Manager, mine).await;
    has("partnerId=other-travel", By::Manager, theirs).await;
    let paid = ["for-nothing", "other-operator", "sandbox-5gb-30d", "eu-5gb-30d"];
    has("partnerId=demo-travel&payment=balance", By::Manager, &paid).await;
    has("payment=balance", By::Partner, &paid).await;
    for by in [By::Manager, By::Partner] {
        has(&format!("subscriptionId={line}"), by, &["in-dollars", "for-nothing", "sandbox-5gb-30d"]).await;
        has(&format!("subscriptionId={line}&payment=balance"), by, &["for-nothing", "sandbox-5gb-30d"]).await;
    }
    // What is listed can be asked for, and what is not is refused.
    for plan in all {
        let asked = site.changing(line, "top-ups", &json!({"planId": plan, "payment": "card"})).send().await;
        let fits = listed(&format!("subscriptionId={line}"), By::Partner).await.iter().any(|fits| fits == plan);
        assert_eq!(asked.status == 201, fits, "{plan}: {}", asked.text());
    }
    // A line that takes nothing is offered nothing.
    let swap = site.changing(line, "sim-swap", &json!({"payment": "balance"})).send().await.expect(201);
    has(&format!("subscriptionId={line}"), By::Manager, &[]).await;
    site.settled(&swap).await;
    site.get(format!("/v1/plans?subscriptionId={line}")).by(By::OtherPartner).send().await.problem(404, "not_found", None);
    site.get("/v1/plans?subscriptionId=SU0").by(By::Manager).send().await.problem(404, "not_found", None);
    site.get("/v1/plans?partnerId=demo-travel").by(By::Partner).send().await.problem(403, "forbidden", None);
    for (query, field) in [("partnerId=nobody", "partnerId"), ("payment=balance", "payment"), ("payment=card", "payment")] {
        site.get(format!("/v1/plans?{query}")).by(By::Manager).send().await.problem(400, "invalid_field", Some(field));
    }
    site.stop().await;
}
