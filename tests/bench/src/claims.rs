//! Many buyers of one pool at once, through a proxy that turns away what meets a transaction in flight, as `DynamoDB` does.

use futures_util::future::join_all;
use serde_json::{Value, json};
use simdock_domain::{Order, OrderNum, Plan, short_hash};
use simdock_local::{Handler, http_handler};
use simdock_payments::{Secret, sign_stripe};
use simdock_runtime::Context;
use simdock_store::ADMINISTRATOR;
use simdock_tests::{Faults, PARTNER, Proxy, World, config, draft, plan, pool};
use std::sync::Arc;
use std::time::Duration;

/// What signs the webhooks.
const SECRET: &str = "whsec_of-nobody";
/// Where they go.
const PATH: &str = "/v1/webhooks/payments/stripe";

/// How often a payment is told of at most.
const TELLS: u32 = 20;

/// What became of a crowd.
#[derive(Clone, Copy, Debug)]
pub struct Crowd {
    /// How many bought.
    pub buyers: u32,
    /// How many cards there were.
    pub units: u32,
    /// How many were sold.
    pub sold: usize,
    /// Draws of tickets.
    pub attempts: u64,
    /// Writes of any kind.
    pub writes: u64,
    /// Writes that came to nothing: refused because of a condition or of a transaction in flight.
    pub wasted: u64,
    /// Those that were refused because of a condition.
    pub refused: u64,
}

/// Has so many orders of a card each paid at once, with so many cards in stock.
pub async fn crowd(buyers: u32, units: u32) -> Crowd {
    let world = World::with_cards(units).await;
    let everything = plan();
    let profiles = everything.profiles.iter().filter(|profile| profile.imsi_profile == pool().imsi_profile).cloned().collect();
    let plan = Plan { plan_id: "one-pool".to_owned(), profiles, ..everything };
    world.store.put_plan(&plan, ADMINISTRATOR).await.expect("the plan is written").expect("the plan is new");
    let mut orders = Vec::new();
    for number in 0..buyers {
        let num = OrderNum::derive(PARTNER, "POST /v1/orders", &number.to_string());
        let order = Order::place(num, PARTNER, draft(1), &plan, short_hash(&[&number.to_string()]), world.now());
        let order = order.expect("an order");
        world.store.create_order(&order).await.expect("the order is written");
        orders.push(order);
    }

    let proxy = Proxy::start(&world.engine, 1, Faults::default()).await;
    let config = config(proxy.url(), &world.engine, world.clock()).with("STRIPE_WEBHOOK_SECRETS", SECRET);
    let app = Arc::new(simdock_payment_webhook::App::new(&config).await.expect("the function"));
    let handler = http_handler(move |request| {
        let app = Arc::clone(&app);
        async move { app.handle(request).await }
    });
    let secret = Secret::stripe(SECRET).expect("a secret");
    let all_at_once = async |orders: &[Order]| {
        let buyers = orders.iter().map(|order| tokio::spawn(buy(Arc::clone(&handler), webhook(order, &secret, &world))));
        for bought in join_all(buyers.collect::<Vec<_>>()).await {
            bought.expect("a buyer");
        }
    };
    // Functions open their connections before the first buyer comes: this crowd pays for orders that do not exist.
    let nothing =
        orders.iter().map(|order| Order { num: OrderNum::derive(PARTNER, "nothing", order.num.as_str()), ..order.clone() });
    all_at_once(&nothing.collect::<Vec<_>>()).await;
    let before = proxy.stats();
    all_at_once(&orders).await;

    let after = proxy.stats();
    let asked = |operation: &str| {
        let count = |stats: &simdock_tests::Stats| stats.operations.get(operation).copied().unwrap_or_default();
        count(&after) - count(&before)
    };
    let sims = world.engine.scan("SimsTable").await;
    Crowd {
        buyers,
        units,
        sold: sims.iter().filter(|sim| sim["state"]["S"] == "sold").count(),
        attempts: asked("UpdateItem"),
        writes: ["PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"].into_iter().map(asked).sum(),
        wasted: after.refused + after.conflicts - before.refused - before.conflicts,
        refused: after.refused - before.refused,
    }
}

/// Tells of a payment, and again while the tables are busy, as Stripe does.
async fn buy(handler: Handler, event: Value) {
    for _ in 0..TELLS {
        let answer = handler(event.clone(), Context::default()).await.expect("an answer");
        if answer["statusCode"] == 200 {
            return;
        }
        assert_eq!(answer["statusCode"], 503, "{answer}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("the tables stay busy");
}

/// What API Gateway makes of Stripe's event that tells of an order's payment.
fn webhook(order: &Order, secret: &Secret, world: &World) -> Value {
    let price = order.price();
    let body = json!({
        "id": format!("evt_{}", order.num), "object": "event", "type": "payment_intent.succeeded",
        "data": { "object": {
            "id": format!("pi_{}", order.num), "object": "payment_intent", "status": "succeeded", "amount_received": price.amount,
            "currency": price.currency.to_string().to_lowercase(), "metadata": { "orderNum": order.num.as_str() },
        } },
    })
    .to_string();
    let route = "POST /v1/webhooks/payments/{provider}";
    json!({
        "version": "2.0", "routeKey": route, "rawPath": PATH, "rawQueryString": "",
        "headers": {
            "content-type": "application/json",
            "stripe-signature": sign_stripe(world.now(), body.as_bytes(), secret),
        },
        "pathParameters": { "provider": "stripe" },
        "requestContext": {
            "accountId": "0", "apiId": "local", "domainName": "x", "domainPrefix": "x", "requestId": "r",
            "http": { "method": "POST", "path": PATH, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "bench" },
            "routeKey": route, "stage": "$default", "time": "", "timeEpoch": 0,
        },
        "body": body, "isBase64Encoded": false,
    })
}

impl Crowd {
    /// Draws for each buyer.
    pub fn mean_attempts(&self) -> f64 {
        ratio(self.attempts, self.buyers.into())
    }

    /// The share of writes that came to nothing.
    pub fn wasted_share(&self) -> f64 {
        ratio(self.wasted, self.writes)
    }

    /// Refused writes for each buyer who got nothing.
    pub fn refused_per_loser(&self) -> f64 {
        ratio(self.refused, self.buyers.saturating_sub(self.units).into())
    }
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}
