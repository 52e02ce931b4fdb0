//! How creating, paying and sweeping cost when there is ten and a hundred times as much of everything.

use crate::shop::{num, payment};
use crate::site::{SOURCES, Site};
use serde_json::{Value, json};
use simdock_domain::{OrderNum, short_hash};
use simdock_local::Options;
use simdock_store::Store;
use simdock_tests::{Call, Cost, Meter, cards, pool, stock, wire};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How many orders and cards there are before it grows.
const BASE: u32 = 1_000;
/// How often it grows.
const FACTORS: [u32; 3] = [1, 10, 100];
/// How many orders are created, paid and swept each time.
const SAMPLES: u32 = 50;
/// How often they are, at each size; the middle times count.
const ROUNDS: u32 = 3;
/// How many cards one import brings.
const IMPORT: u32 = 5_000;
/// How many items one request writes.
const BATCH: u32 = 25;

/// A figure at one, ten and a hundred times the size.
pub type Grown = [f64; 3];

/// Measures, by figure: milliseconds, requests to `DynamoDB` and write units, of tables and indexes, for an order.
pub async fn measure(progress: impl Fn(&str)) -> BTreeMap<&'static str, Grown> {
    let mut sites = Vec::new();
    for factor in FACTORS {
        let wanted = BASE * factor;
        progress(&format!("growing to {wanted} orders and cards"));
        let options = Options { paused: SOURCES.map(str::to_owned).to_vec(), ..Options::default() };
        let site = Site::start(Meter::start(Duration::ZERO), options).await;
        fill(&site, wanted).await;
        sites.push((site, Samples::default()));
    }
    // In turns, so that whatever else the machine does falls on all of them.
    for _ in 0..ROUNDS {
        for (site, samples) in &mut sites {
            sample(site, samples).await;
        }
    }
    let mut grown: BTreeMap<&'static str, Grown> = BTreeMap::new();
    for (place, (site, samples)) in sites.into_iter().enumerate() {
        for (name, figure) in samples.figures() {
            grown.entry(name).or_default()[place] = figure;
        }
        site.stack.stop().await;
    }
    grown
}

/// Puts so many orders and cards in.
async fn fill(site: &Site, count: u32) {
    let store = Store::new(&site.stack.config()).await.expect("a store");
    let mut first = 0;
    while first < count {
        let end = count.min(first + IMPORT);
        stock(&store, cards(&pool(), first..end)).await;
        first = end;
    }
    let order = site.shop.order(1).await;
    site.shop.pay(&order).await;
    site.work("send-email", &order, json!({ "job": "mail" })).await;
    let table = site.stack.config().var("ORDERS_TABLE").expect("a table").to_owned();
    let client = wire::client();
    let ask = async |operation: &str, body: Value| {
        let (status, answer) = wire::call(&client, site.stack.engine_url(), operation, &body).await;
        assert!(status.is_success(), "{operation}: {answer}");
        answer
    };
    let item = ask("GetItem", json!({ "TableName": table, "Key": { "orderNum": { "S": num(&order) } } })).await["Item"].take();
    assert_eq!(item["dueAt"], Value::Null, "an order that is done is due");
    for first in (0..count).step_by(BATCH as usize) {
        let puts = (first..count.min(first + BATCH)).map(|number| {
            let copied = OrderNum::derive("bench", "copy", &number.to_string());
            let mut item = item.clone();
            for (name, value) in [
                ("orderNum", copied.to_string()),
                ("listKey", format!("2026-11-22T10:00:00Z#{copied}")),
                ("mailKey", format!("demo-travel#2026-11-22T10:00:00Z#{copied}")),
                ("tag", format!("demo-travel#shop-{number}")),
                ("mail", short_hash(&["mail", &number.to_string()])),
            ] {
                item[name] = json!({ "S": value });
            }
            json!({ "PutRequest": { "Item": item } })
        });
        ask("BatchWriteItem", json!({ "RequestItems": { table.as_str(): puts.collect::<Vec<_>>() } })).await;
    }
}

async fn sample(site: &Site, samples: &mut Samples) {
    let shop = &site.shop;
    // What lies about goes first, caches are filled, and neither is part of it.
    for _ in 0..3 {
        sweep(site).await;
    }
    let first = shop.order(1).await;
    shop.pay(&first).await;
    let mut orders = Vec::new();
    for _ in 0..SAMPLES {
        let begun = Instant::now();
        let (order, calls) = site.metered(&["create-order"], shop.order(1)).await;
        samples.created.add(begun, &calls);
        orders.push(order);
    }
    for order in &orders {
        let event = payment(order);
        let begun = Instant::now();
        let (result, calls) = site.metered(&["payment-webhook"], shop.webhook(&event)).await;
        samples.paid.add(begun, &calls);
        assert_eq!(result, "paid");
    }
    orders.push(first);
    for order in &orders {
        site.work("send-email", order, json!({ "job": "mail" })).await;
    }
    for _ in 0..SAMPLES {
        shop.order(1).await;
    }
    shop.local("clock", &json!({ "advance": "PT31M" })).await;
    let begun = Instant::now();
    let calls = sweep(site).await;
    samples.swept.add(begun, &calls);
}

async fn sweep(site: &Site) -> Vec<Call> {
    let (swept, calls) = site.metered(&["sweep"], site.stack.invoke("sweep", json!({}))).await;
    swept.expect("a sweep");
    calls
}

/// What was measured at one size; of the sweep, each time for all of its orders together.
#[derive(Default)]
struct Samples {
    created: Sample,
    paid: Sample,
    swept: Sample,
}

impl Samples {
    /// The figures for an order.
    fn figures(mut self) -> [(&'static str, f64); 9] {
        let orders = f64::from(ROUNDS * SAMPLES);
        [
            ("createMs", self.created.ms()),
            ("createCalls", self.created.calls / orders),
            ("createWcu", self.created.writes / orders),
            ("payMs", self.paid.ms()),
            ("payCalls", self.paid.calls / orders),
            ("payWcu", self.paid.writes / orders),
            ("sweepMs", self.swept.ms() / f64::from(SAMPLES)),
            ("sweepCalls", self.swept.calls / orders),
            ("sweepWcu", self.swept.writes / orders),
        ]
    }
}

#[derive(Default)]
struct Sample {
    times: Vec<f64>,
    calls: f64,
    writes: f64,
}

impl Sample {
    fn add(&mut self, begun: Instant, calls: &[Call]) {
        self.times.push(begun.elapsed().as_secs_f64() * 1e3);
        let cost: Cost = calls.iter().sum();
        self.writes += cost.writes + cost.index_writes;
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let count = calls.len() as f64;
        self.calls += count;
    }

    fn ms(&mut self) -> f64 {
        crate::median(&mut self.times)
    }
}
