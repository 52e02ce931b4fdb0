//! A partner with its payment provider: it orders, and tells of payments, over HTTP.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use simdock_payments::{Secret, sign_stripe};
use simdock_runtime::Clock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What is ordered: its cards come with their codes, so no operator has to be asked for them.
pub const PLAN: &str = "eu-5gb-30d";
/// A plan whose operator has to be asked for each card.
pub const ASKED: &str = "sandbox-1gb-7d";

/// A client of a running stack.
#[derive(Clone, Debug)]
pub struct Shop {
    base_url: String,
    /// As the stack writes them into its ready file.
    keys: Value,
    clock: Clock,
    http: Client<HttpConnector, Full<Bytes>>,
}

/// A number that nothing else in this process got.
pub fn unique() -> usize {
    static LAST: AtomicUsize = AtomicUsize::new(1);
    LAST.fetch_add(1, Ordering::Relaxed)
}

/// The number of an order.
pub fn num(order: &Value) -> &str {
    order["orderNum"].as_str().expect("an order number")
}

/// An event of Stripe's that tells of a payment of an order's price.
pub fn payment(order: &Value) -> String {
    let number = unique();
    json!({
        "id": format!("evt_3PxA{number:020}"), "object": "event", "type": "payment_intent.succeeded",
        "data": { "object": {
            "id": format!("pi_3PxA{number:020}"), "object": "payment_intent", "status": "succeeded",
            "amount_received": order["price"]["amount"],
            "currency": order["price"]["currency"].as_str().expect("a currency").to_lowercase(),
            "metadata": { "orderNum": num(order) },
        } },
    })
    .to_string()
}

impl Shop {
    /// A client of the stack at this address; `keys` is what its ready file holds, `clock` what it goes by.
    pub fn new(base_url: &str, keys: Value, clock: Clock) -> Self {
        Self { base_url: base_url.to_owned(), keys, clock, http: Client::builder(TokioExecutor::new()).build_http() }
    }

    /// Sends a request, with the partner's key or the manager's, and panics unless it succeeds.
    async fn send(&self, method: Method, path: &str, headers: &[(&str, String)], body: String) -> Value {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base_url));
        request = request.header("Content-Type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(Full::from(body)).expect("a request");
        let response = self.http.request(request).await.expect("an answer");
        let status = response.status();
        let body = response.into_body().collect().await.expect("a whole answer").to_bytes();
        let answer: Value = serde_json::from_slice(&body).expect("JSON");
        assert!(matches!(status, StatusCode::OK | StatusCode::CREATED | StatusCode::ACCEPTED), "{path}: {status} {answer}");
        answer
    }

    fn key(&self, name: &str) -> (&'static str, String) {
        ("Authorization", format!("Bearer {}", self.keys[name].as_str().expect("a key")))
    }

    /// Asks for something as the partner, once.
    pub async fn post(&self, path: &str, body: &Value) -> Value {
        let headers = [self.key("partnerKey"), ("Idempotency-Key", format!("bench-{}", unique()))];
        self.send(Method::POST, path, &headers, body.to_string()).await
    }

    /// Reads as the manager, to whom no code is shown for the first time.
    pub async fn get(&self, path: &str) -> Value {
        self.send(Method::GET, path, &[self.key("managerKey")], String::new()).await
    }

    /// Asks the stack itself for something.
    pub async fn local(&self, path: &str, body: &Value) -> Value {
        self.send(Method::POST, &format!("/_local/{path}"), &[], body.to_string()).await
    }

    /// Creates an order of so many cards, with everything that orders commonly come with.
    pub async fn order(&self, count: usize) -> Value {
        self.order_of(PLAN, count).await
    }

    /// As [`Self::order`], of a plan.
    pub async fn order_of(&self, plan: &str, count: usize) -> Value {
        let draft = json!({
            "planId": plan, "count": count, "payment": "card", "channel": "web", "lineName": "Spain",
            "subscriber": { "email": "ana.garcia@example.com", "name": "Ana García", "language": "es" },
            "otherOrderId": format!("shop-{}", unique()), "otherItemId": "1",
        });
        self.post("/v1/orders", &draft).await
    }

    /// Tells of an event, well signed; what became of it.
    pub async fn webhook(&self, event: &str) -> String {
        let secret = Secret::stripe(self.keys["stripeSecret"].as_str().expect("a secret")).expect("a secret");
        let signature = sign_stripe(self.clock.now(), event.as_bytes(), &secret);
        let headers = [("Stripe-Signature", signature)];
        let answer = self.send(Method::POST, "/v1/webhooks/payments/stripe", &headers, event.to_owned()).await;
        answer["result"].as_str().expect("a result").to_owned()
    }

    /// Pays an order's price.
    pub async fn pay(&self, order: &Value) {
        assert_eq!(self.webhook(&payment(order)).await, "paid");
    }

    /// The order as it is.
    pub async fn read(&self, order: &Value) -> Value {
        self.get(&format!("/v1/orders/{}", num(order))).await
    }
}
