//! What the tests of cards and subscriptions that live share.

use crate::api::{By, Call, Site, draft, eventually, list, num, unique};
use futures_util::future::join_all;
use serde_json::{Value, json};
use simdock_domain::Iccid;
use simdock_store::{Sim, SimState};
use simdock_tests::{Audit, Books};
use std::time::{Duration, Instant};

/// A plan of the sandbox operator that can be renewed, and whose cards are swapped for nothing.
pub const PLAN: &str = "sandbox-1gb-7d";
/// Its pool.
pub const POOL: &str = "sandbox.1.esim";
/// An eUICC.
pub const EID: &str = "89049032007108882600137544319616";
/// Another one.
pub const OTHER_EID: &str = "89001012012341234012345678901224";

/// The body of a plan's next version in which nothing is changed.
pub async fn next_version(site: &Site, plan: &str) -> Value {
    let mut body = site.get(format!("/v1/plans/{plan}")).by(By::Manager).send().await.expect(200);
    body["basedOn"] = body["version"].take();
    for derived in ["planId", "version", "versions", "imsiProfiles"] {
        body.as_object_mut().expect("a plan").remove(derived);
    }
    body
}

/// Asks for something that spends, as the partner and with a key of its own.
pub fn asking<'a>(site: &'a Site, path: &str, body: &Value) -> Call<'a> {
    site.post(path).by(By::Partner).header("Idempotency-Key", format!("key-{}", unique())).json(body)
}

/// Asks for a change of a subscription.
pub fn changing<'a>(site: &'a Site, subscription: &str, action: &str, body: &Value) -> Call<'a> {
    asking(site, &format!("/v1/subscriptions/{subscription}/{action}"), body)
}

/// Asks for the renewal of an order.
pub fn renewing<'a>(site: &'a Site, order: &Value, body: &Value) -> Call<'a> {
    asking(site, &format!("/v1/orders/{}/renewal", num(order)), body)
}

/// Asks a manager's thing of an order.
pub fn managing<'a>(site: &'a Site, order: &Value, action: &str, body: &Value) -> Call<'a> {
    site.post(format!("/v1/orders/{}/{action}", num(order))).by(By::Manager).json(body)
}

/// An order that is to be paid from the balance.
pub fn by_balance(plan: &str) -> Value {
    let mut draft = draft(plan);
    draft["payment"] = "balance".into();
    draft
}

/// An order of one card that is paid and delivered.
pub async fn delivered(site: &Site, draft: &Value) -> Value {
    let order = site.order(draft).await;
    if order["status"] == -1 {
        assert_eq!(site.pay(&order).await, "paid");
    }
    site.settled(&order).await
}

/// An order's only card.
pub fn card(order: &Value) -> &str {
    order["cards"][0]["iccid"].as_str().expect("a card")
}

/// The subscription of an order's only card.
pub fn subscription_of(order: &Value) -> String {
    order["cards"][0]["subscriptionId"].as_str().expect("a subscription").to_owned()
}

/// Reads a subscription, as its manager.
pub async fn read(site: &Site, subscription: &str) -> Value {
    site.get(format!("/v1/subscriptions/{subscription}")).by(By::Manager).send().await.expect(200)
}

/// Reads a subscription until something holds of it.
pub async fn until(site: &Site, subscription: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    for _ in 0..1000 {
        last = read(site, subscription).await;
        if holds(&last) {
            return last;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not {what}: {last:#}");
}

/// Has the sandbox operator tell something about a card; the answer's status and body.
pub async fn told(site: &Site, iccid: &str, event: Value) -> (u64, Value) {
    let mut event = event;
    event["iccid"] = iccid.into();
    let mut answer = site.local("operator/events", event).await;
    (answer["status"].as_u64().expect("a status"), answer["body"].take())
}

/// Has the sandbox operator tell something about a card, which is taken in; what became of it.
pub async fn tell(site: &Site, iccid: &str, event: Value) -> String {
    let (status, body) = told(site, iccid, event.clone()).await;
    assert_eq!((status, &body["received"]), (200, &json!(true)), "{event}: {body}");
    body["result"].as_str().expect("a result").to_owned()
}

/// Has a card installed on the first phone, and its plan begin.
pub async fn used(site: &Site, iccid: &str) {
    assert_eq!(tell(site, iccid, json!({"type": "installed", "eid": EID, "via": "qr"})).await, "recorded");
    assert_eq!(tell(site, iccid, json!({"type": "first_attach", "country": "ES"})).await, "recorded");
}

/// Stops a source, or lets it go on.
pub async fn pause(site: &Site, source: &str, paused: bool) {
    site.local("pause", json!({"source": source, "paused": paused})).await;
}

/// Tells the sandbox operator how to answer so often.
pub async fn operator(site: &Site, mode: &str, times: u32) {
    site.local("operator", json!({"mode": mode, "times": times})).await;
}

/// What the sandbox operator did of a kind (`activated`, `revoked`, `changed`) to a card.
pub async fn done(site: &Site, kind: &str, iccid: &str) -> Vec<Value> {
    let report = site.get("/_local/operator").send().await.expect(200);
    list(&report, kind).iter().filter(|entry| entry["iccid"] == iccid).cloned().collect()
}

/// The references of the plans that a card has at the sandbox operator, and whether it is suspended there.
pub async fn at_operator(site: &Site, iccid: &str) -> (Vec<String>, bool) {
    let profile = done(site, "activated", iccid).await.remove(0);
    let references = list(&profile, "plans").iter().map(|plan| plan["reference"].as_str().expect("a reference").to_owned());
    (references.collect(), profile["suspended"].as_bool().expect("a flag"))
}

/// The events of an order's history.
pub fn events(order: &Value) -> Vec<&str> {
    list(order, "history").iter().map(|entry| entry["event"].as_str().expect("an event")).collect()
}

/// The note of the last entry of a kind in an order's history.
pub fn note<'a>(order: &'a Value, event: &str) -> &'a str {
    let entry = list(order, "history").iter().rfind(|entry| entry["event"] == event);
    entry.unwrap_or_else(|| panic!("no {event}: {order:#}"))["note"].as_str().unwrap_or_default()
}

/// The mails that an order calls for.
pub fn mail_kinds(order: &Value) -> Vec<&str> {
    list(order, "emails").iter().map(|mail| mail["kind"].as_str().expect("a kind")).collect()
}

/// What a manager should look at.
pub fn attention(order: &Value) -> Vec<&str> {
    list(order, "needsAttention").iter().map(|attention| attention["code"].as_str().expect("a code")).collect()
}

/// The plans of a subscription by their statuses.
pub fn plan_statuses(subscription: &Value) -> Vec<&str> {
    list(subscription, "plans").iter().map(|plan| plan["status"].as_str().expect("a status")).collect()
}

/// The card itself, as stored.
pub async fn sim(site: &Site, iccid: &str) -> Sim {
    let iccid: Iccid = iccid.parse().expect("a card's number");
    site.store().await.sims(&[iccid]).await.expect("the tables answer").remove(0)
}

/// Waits until a card stands somewhere.
pub async fn sim_is(site: &Site, iccid: &str, state: SimState) {
    eventually(&format!("{iccid} as {state:?}"), async || (sim(site, iccid).await.state == state).then_some(())).await;
}

/// Waits until an order owes nothing.
pub async fn paid_back(site: &Site, order: &Value) -> Value {
    let holds = |order: &Value| {
        let refunds = list(order, "refunds");
        !refunds.is_empty() && refunds.iter().all(|refund| refund["status"] == "succeeded")
    };
    site.until(order, "paid back", holds).await
}

/// Waits until nothing is queued or under way, moving the clock past what was put off.
pub async fn drained(site: &Site) {
    let idle = || {
        let depths = site.stack.queues().depths();
        depths.iter().all(|depth| depth.name.contains("dead") || depth.visible + depth.delayed + depth.in_flight == 0)
    };
    for _ in 0..40 {
        site.advance("PT2M").await;
        // What fails stays under way until the clock has moved on.
        let (begun, mut quiet) = (Instant::now(), 0);
        while quiet < 10 && begun.elapsed() < Duration::from_secs(8) {
            tokio::time::sleep(Duration::from_millis(20)).await;
            quiet = if idle() { quiet + 1 } else { 0 };
        }
        let depths = site.stack.queues().depths();
        let dead = depths.iter().filter(|depth| depth.name.contains("dead") && depth.visible > 0);
        assert_eq!(dead.count(), 0, "messages that nobody could work: {depths:?}");
        if quiet == 10 && nothing_due(site).await {
            return;
        }
    }
    panic!("the stack does not come to rest: {:?}", site.stack.queues().depths());
}

/// Whether no order and no subscription has work left that is due within the hour.
async fn nothing_due(site: &Site) -> bool {
    let soon = site.stack.clock().now().plus_seconds(3600).unix();
    let books = books(site).await;
    let due = |item: &Value| {
        let at = item["dueAt"]["N"].as_str().map(|digits| digits.parse::<i64>().expect("a time"));
        at.is_some_and(|at| at < soon)
    };
    !books.orders.iter().chain(&books.subscriptions).any(due)
}

/// Every item of the tables that an audit looks at.
pub async fn books(site: &Site) -> Books {
    let config = site.stack.config();
    let table = async |variable: &str| {
        let mut items = site.scan(config.var(variable).expect("a table")).await;
        items.sort_by_cached_key(ToString::to_string);
        items
    };
    Books {
        orders: table("ORDERS_TABLE").await,
        sims: table("SIMS_TABLE").await,
        pools: table("POOLS_TABLE").await,
        partners: table("PARTNERS_TABLE").await,
        subscriptions: table("SUBSCRIPTIONS_TABLE").await,
        plans: table("PLANS_TABLE").await,
    }
}

/// Audits the stack's tables as they are while nobody writes: a table is read after the other, and some work may be under way.
pub async fn audit(site: &Site) -> Audit {
    let mut before = books(site).await;
    for _ in 0..100 {
        let after = books(site).await;
        if after == before {
            return after.audit();
        }
        before = after;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("somebody is always writing");
}

/// Sends requests at once, the one at this place with a head start over the others; what was answered, in their order.
pub async fn at_once(calls: Vec<Call<'_>>, first: usize) -> Vec<crate::api::Answer> {
    let sent = calls.into_iter().enumerate().map(async |(place, call)| {
        let late = if place == first { 0 } else { fastrand::u64(5..40) };
        tokio::time::sleep(Duration::from_millis(late)).await;
        call.send().await
    });
    join_all(sent).await
}
