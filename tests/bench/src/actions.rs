//! What each action costs at `DynamoDB`, from what it says it consumed.

use crate::limits;
use crate::shop::{ASKED, num, payment};
use crate::site::Site;
use serde_json::{Value, json};
use simdock_tests::{Call, Cost, in_sequence};

/// How long an order can be paid, and a little more.
const UNPAID: &str = "PT31M";
/// Swept orders are measured several at a time, so that what a sweep costs anyway counts less than one of them.
const SWEPT: usize = 20;

/// An action, with all its steps.
#[derive(Clone, Debug)]
pub struct Action {
    /// Its name.
    pub name: &'static str,
    /// What it costs.
    pub cost: Cost,
    /// The most of its requests that had to wait for each other.
    pub calls: usize,
}

impl Action {
    fn of(name: &'static str, calls: &[Call]) -> Self {
        Self { name, cost: calls.iter().sum(), calls: in_sequence(calls) }
    }
}

/// Plays every action on a stack of its own and meters it. What functions keep for a minute (API keys, plans, operators) they have
/// seen before: everything is played twice, and counts the second time.
pub async fn measure() -> Vec<Action> {
    let site = Site::still().await;
    play(&site).await;
    let mut actions = play(&site).await;
    actions.push(sweep(&site).await);
    site.stack.stop().await;
    actions.sort_by_key(|action| limits::ACTIONS.iter().position(|limit| limit.name == action.name));
    actions
}

async fn play(site: &Site) -> Vec<Action> {
    let (shop, mut actions) = (&site.shop, Vec::new());
    let mut add = |name, calls: &[Call]| actions.push(Action::of(name, calls));

    let (sold, calls) = site.metered(&["create-order"], shop.order(1)).await;
    add("create", &calls);
    site.a_second_later().await;
    add("sell1", &site.metered(&["payment-webhook"], shop.pay(&sold)).await.1);
    let order = shop.order_of(ASKED, 1).await;
    let event = payment(&order);
    site.a_second_later().await;
    let (result, calls) = site.metered(&["payment-webhook"], shop.webhook(&event)).await;
    assert_eq!(result, "paid");
    add("pay1", &calls);
    let (result, calls) = site.metered(&["payment-webhook"], shop.webhook(&event)).await;
    assert_eq!(result, "known");
    add("duplicate", &calls);
    let ((), calls) = site.metered(&["provision"], site.work("provision", &order, json!({ "job": "provision" }))).await;
    add("provision1", &calls);
    let sending = site.work("send-email", &order, json!({ "job": "mail" }));
    add("mailed", &site.metered(&["send-email"], sending).await.1);
    let after = shop.read(&order).await;
    assert_eq!((&after["fulfilment"], &after["emails"][1]["status"]), (&json!("completed"), &json!("sent")), "{after:#}");

    let ten = shop.order_of(ASKED, 10).await;
    site.a_second_later().await;
    add("pay10", &site.metered(&["payment-webhook"], shop.pay(&ten)).await.1);

    add("refund", &refund(site, &order).await);
    let functions = ["renew-order", "payment-webhook", "provision"];
    let renewal = change(site, format!("/v1/orders/{}/renewal", num(&sold)), json!({ "payment": "card" }));
    add("renew", &site.metered(&functions, renewal).await.1);
    let subscription = shop.read(&sold).await["cards"][0]["subscriptionId"].as_str().expect("a subscription").to_owned();
    let functions = ["top-up-subscription", "payment-webhook", "provision"];
    let body = json!({ "addOnIds": ["data-1gb"], "payment": "card" });
    let top_up = change(site, format!("/v1/subscriptions/{subscription}/top-ups"), body);
    add("topUp", &site.metered(&functions, top_up).await.1);
    add("swap", &swap(site, &subscription).await);
    actions
}

/// Asked for by the partner, revoked by the carrier, given back by Stripe.
async fn refund(site: &Site, order: &Value) -> Vec<Call> {
    let steps = async {
        let path = format!("/v1/orders/{}/refund", num(order));
        site.a_second_later().await;
        site.shop.post(&path, &json!({ "reason": "The journey was called off" })).await;
        site.work("provision", order, json!({ "job": "revoke" })).await;
        site.work("settle-refund", order, json!({ "job": "refund" })).await;
    };
    let ((), calls) = site.metered(&["refund-order", "provision", "settle-refund"], steps).await;
    let after = site.shop.read(order).await;
    assert_eq!((&after["status"], &after["refunds"][0]["status"]), (&json!(2), &json!("succeeded")), "{after:#}");
    calls
}

/// An order that changes a subscription, created and paid by card. It works at once, since its operator has not to be asked.
async fn change(site: &Site, path: String, body: Value) {
    site.a_second_later().await;
    let order = site.shop.post(&path, &body).await;
    site.a_second_later().await;
    site.shop.pay(&order).await;
    let after = site.shop.read(&order).await;
    assert_eq!(after["fulfilment"], "completed", "{after:#}");
}

/// Ordered, and so set up; installed by the subscriber; then the old card is stopped.
async fn swap(site: &Site, subscription: &str) -> Vec<Call> {
    let shop = &site.shop;
    let steps = async {
        site.a_second_later().await;
        let order = shop.post(&format!("/v1/subscriptions/{subscription}/sim-swap"), &json!({ "formFactor": "esim" })).await;
        let iccid = shop.read(&order).await["cards"][0]["iccid"].as_str().expect("a card").to_owned();
        site.a_second_later().await;
        let installed = json!({ "type": "installed", "at": site.stack.clock().now().to_string(), "via": "ios_api" });
        let result = shop.post(&format!("/v1/sims/{iccid}/events"), &installed).await;
        assert_eq!(result["result"], "recorded");
        site.work("provision", &order, json!({ "job": "retire" })).await;
        order
    };
    let (order, calls) = site.metered(&["swap-sim", "provision", "sim-events"], steps).await;
    let after = shop.get(&format!("/v1/subscriptions/{subscription}")).await;
    assert_eq!(after["openChange"], Value::Null, "{after:#}");
    assert_ne!(after["pastCards"], json!([]), "{} took nothing over", num(&order));
    calls
}

/// An order that nobody paid: what a sweep of some costs more than a sweep of none, for each. Its requests in sequence are those that
/// have to do with one of the orders.
async fn sweep(site: &Site) -> Action {
    let sweep = || async { site.metered(&["sweep"], site.stack.invoke("sweep", json!({}))).await };
    site.shop.local("clock", &json!({ "advance": UNPAID })).await;
    // What is left over from the other actions goes first; of leaked tickets a sweep is sure the second time.
    for _ in 0..3 {
        sweep().await.0.expect("a sweep");
    }
    // Jobs that nobody works here are queued again each time.
    site.shop.local("clock", &json!({ "advance": UNPAID })).await;
    let (_, none) = sweep().await;
    let mut orders = Vec::new();
    for _ in 0..SWEPT {
        orders.push(site.shop.order(1).await);
    }
    site.shop.local("clock", &json!({ "advance": UNPAID })).await;
    let (swept, some) = sweep().await;
    assert_eq!(swept.expect("a sweep")["voided"], SWEPT);
    let (none, some_cost): (Cost, Cost) = (none.iter().sum(), some.iter().sum());
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let each = |some: f64, none: f64| (some - none) / SWEPT as f64;
    let cost = Cost {
        writes: each(some_cost.writes, none.writes),
        index_writes: each(some_cost.index_writes, none.index_writes),
        reads: each(some_cost.reads, none.reads),
    };
    let first = num(&orders[0]);
    Action { name: "sweptOrder", cost, calls: in_sequence(some.iter().filter(|call| call.mentions(first))) }
}
