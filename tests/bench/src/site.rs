//! A local stack whose functions reach the tables and queues through a meter, and whose invocations are counted.

use crate::shop::Shop;
use serde_json::{Value, json};
use simdock_local::{Loader, Options, Stack, load};
use simdock_runtime::Config;
use simdock_tests::{Call, Meter};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Everything that a stack does without being asked over HTTP.
pub const SOURCES: [&str; 6] = ["relay", "provision", "settle-refund", "send-email", "mail-events", "sweep"];

/// How long the meter holds a request back, so that requests sent at once overlap.
const DELAY: Duration = Duration::from_millis(5);

/// A metered stack, in memory.
pub struct Site {
    /// The stack.
    pub stack: Stack,
    /// What its functions' requests pass.
    pub meter: Meter,
    /// Who orders.
    pub shop: Shop,
    invocations: Invocations,
}

/// What came by function: messages, changes or requests that a function was called with, each of which may be a call of its own.
pub type Invocations = Arc<Mutex<BTreeMap<String, usize>>>;

impl Site {
    /// A stack where nothing happens by itself.
    pub async fn still() -> Self {
        Self::start(Meter::start(DELAY), Options { paused: SOURCES.map(str::to_owned).to_vec(), ..Options::default() }).await
    }

    /// A stack with these options and a meter.
    pub async fn start(meter: Meter, options: Options) -> Self {
        let invocations = Invocations::default();
        let options = Options { loader: Some(loader(meter.clone(), Arc::clone(&invocations))), ..options };
        let stack = Stack::start(options).await.expect("a stack");
        let shop = Shop::new(stack.base_url(), stack.ready(), stack.clock().for_functions());
        Self { stack, meter, shop, invocations }
    }

    /// What these functions ask `DynamoDB` for while something is done.
    pub async fn metered<T>(&self, functions: &[&str], action: impl Future<Output = T>) -> (T, Vec<Call>) {
        self.meter.take();
        let done = action.await;
        let mut calls = self.meter.take();
        calls.retain(|call| call.operation().is_some() && functions.contains(&call.by.as_str()));
        (done, calls)
    }

    /// Lets a second go by: what is next due has another time then, and so another place in its index. Within one second it would stay,
    /// or not, as it happens.
    pub async fn a_second_later(&self) {
        self.shop.local("clock", &json!({ "advance": "PT1S" })).await;
    }

    /// Hands a job of an order to its function, as its queue would, a second later.
    pub async fn work(&self, function: &str, order: &Value, job: Value) {
        self.a_second_later().await;
        let mut body = job;
        body["orderNum"] = order["orderNum"].clone();
        let event = json!({ "Records": [{ "messageId": "1", "body": body.to_string() }] });
        let answer = self.stack.invoke(function, event).await.expect("an answer");
        assert_eq!(answer, json!({ "batchItemFailures": [] }), "{function} {body}");
    }

    /// How often each function was called so far, had everything come one by one.
    pub fn invocations(&self) -> BTreeMap<String, usize> {
        self.invocations.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Has the product's own handlers talk to AWS's stand-ins through the meter.
fn loader(meter: Meter, invocations: Invocations) -> Loader {
    Arc::new(move |package, config| {
        let (meter, invocations) = (meter.clone(), Arc::clone(&invocations));
        Box::pin(async move {
            let services = ["AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_SQS"];
            let through = |config: Config, variable: &str| {
                let url = meter.in_front_of(config.var(variable).expect("an address"));
                config.with(variable, url)
            };
            let handler = load(&package, &services.into_iter().fold(config, through)).await?;
            let counted: simdock_local::Handler = Arc::new(move |event, context| {
                let records = event["Records"].as_array().map_or(1, Vec::len);
                *invocations.lock().unwrap_or_else(PoisonError::into_inner).entry(package.clone()).or_default() += records;
                handler(event, context)
            });
            Ok(counted)
        })
    })
}
