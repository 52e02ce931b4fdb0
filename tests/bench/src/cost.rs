//! What a thousand orders of one card cost at AWS, from what one of them really asks for.

use crate::shop::{PLAN, num};
use crate::site::Site;
use simdock_local::Options;
use simdock_tests::{Call, Cost, Meter};
use std::path::Path;
use std::time::{Duration, Instant};

/// Prices in us-east-1 as AWS published them in November 2026, in dollars.
mod price {
    /// `DynamoDB` on demand, per write unit.
    pub const WRITE: f64 = 0.625e-6;
    /// Per read unit.
    pub const READ: f64 = 0.125e-6;
    /// HTTP API, per request.
    pub const API: f64 = 1.0e-6;
    /// SQS, per request.
    pub const SQS: f64 = 0.40e-6;
    /// Lambda on arm64, per invocation.
    pub const INVOCATION: f64 = 0.20e-6;
    /// Per second of a gigabyte.
    pub const GIGABYTE_SECOND: f64 = 13.33e-6;
}

/// What an invocation is taken to last, in seconds: paper, since nothing here runs on AWS. Most of it is waiting for `DynamoDB`.
const DURATION: f64 = 0.020;
/// The functions' memory in the template, in gigabytes.
const MEMORY: f64 = 0.125;
/// How many orders are metered, one after the other, so that nothing comes in batches.
const ORDERS: u32 = 20;
/// How many have gone before, so that caches are warm.
const BEFORE: u32 = 2;
/// The functions that an order of one card goes through.
const FUNCTIONS: [&str; 5] = ["create-order", "payment-webhook", "relay", "provision", "send-email"];
/// After this long, the relay has heard of the last mail as well.
const SETTLED: Duration = Duration::from_millis(500);
/// How long an order may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What an order of one card asks of AWS on average, from its creation to its mails, nothing coming in batches.
#[derive(Clone, Copy, Debug)]
pub struct Bill {
    /// `DynamoDB`.
    pub tables: Cost,
    /// Write units among them that went to writes which somebody else's change refused.
    pub refused: f64,
    /// Requests to the HTTP API: the order and its payment.
    pub api: f64,
    /// Requests to SQS: those that functions make, and for each message one that fetches it and one that deletes it.
    pub sqs: f64,
    /// Invocations of functions.
    pub invocations: f64,
}

impl Bill {
    /// What a thousand orders cost, in dollars, without SES.
    pub fn per_1000(&self, with_indexes: bool) -> f64 {
        let writes = self.tables.writes + if with_indexes { self.tables.index_writes } else { 0.0 };
        let lambda = self.invocations * (price::INVOCATION + MEMORY * DURATION * price::GIGABYTE_SECOND);
        let tables = writes * price::WRITE + self.tables.reads * price::READ;
        1_000.0 * (tables + self.api * price::API + self.sqs * price::SQS + lambda)
    }
}

/// Takes orders of a plan through a running stack, one after the other, and adds up what they asked for.
pub async fn measure(plan: &str) -> Bill {
    let site = running(Options::default()).await;
    for _ in 0..BEFORE {
        one(&site, plan).await;
    }
    tokio::time::sleep(SETTLED).await;
    site.meter.take();
    let before = invocations(&site);
    for _ in 0..ORDERS {
        one(&site, plan).await;
    }
    tokio::time::sleep(SETTLED).await;
    let calls = site.meter.take();
    let after = invocations(&site);
    site.stack.stop().await;

    let orders = f64::from(ORDERS);
    let sum: Cost = calls.iter().filter(|call| asked(call)).sum();
    let tables = Cost { writes: sum.writes / orders, index_writes: sum.index_writes / orders, reads: sum.reads / orders };
    let refused: Cost = calls.iter().filter(|call| asked(call) && call.refused).sum();
    let sent = calls.iter().filter(|call| call.target.starts_with("AmazonSQS.")).count();
    let called = |function: usize| after[function] - before[function];
    let messages = called(3) + called(4);
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let each = |count: usize| count as f64 / orders;
    Bill {
        tables,
        refused: refused.writes / orders,
        api: each(called(0) + called(1)),
        sqs: each(sent + 2 * messages),
        invocations: each((0..FUNCTIONS.len()).map(called).sum()),
    }
}

/// A stack where orders go their way, and nobody sweeps.
async fn running(options: Options) -> Site {
    let options = Options { paused: vec!["sweep".to_owned()], ..options };
    Site::start(Meter::start(Duration::ZERO), options).await
}

/// The requests to the engine of each of so many orders, taken one after the other with this stock.
pub async fn record(stock: &Path, orders: usize) -> Vec<Vec<Call>> {
    let site = running(Options { inventory: Some(stock.to_owned()), ..Options::default() }).await;
    for _ in 0..BEFORE {
        one(&site, PLAN).await;
    }
    site.meter.take();
    let mut recorded = Vec::with_capacity(orders);
    for _ in 0..orders {
        one(&site, PLAN).await;
        let mut calls = site.meter.take();
        calls.retain(asked);
        recorded.push(calls);
    }
    site.stack.stop().await;
    recorded
}

/// Whether an order's own function asked the engine for something.
fn asked(call: &Call) -> bool {
    call.operation().is_some() && FUNCTIONS.contains(&call.by.as_str())
}

fn invocations(site: &Site) -> [usize; FUNCTIONS.len()] {
    let counts = site.invocations();
    FUNCTIONS.map(|function| counts.get(function).copied().unwrap_or_default())
}

/// An order of one card, until both of its mails are sent.
async fn one(site: &Site, plan: &str) {
    let order = site.shop.order_of(plan, 1).await;
    site.shop.pay(&order).await;
    let begun = Instant::now();
    loop {
        let now = site.shop.read(&order).await;
        let emails = now["emails"].as_array().map_or(&[][..], Vec::as_slice);
        if emails.len() == 2 && emails.iter().all(|mail| mail["status"] == "sent") {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{} is not mailed: {now:#}", num(&order));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
