//! A local stack and a client that holds every answer to the contract.

#![allow(dead_code, reason = "each target uses its part of this module")]

pub mod openapi;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use openapi::Contract;
use serde_json::{Value, json};
use simdock_domain::{Iccid, Timestamp};
use simdock_local::{Options, Stack};
use simdock_payments::{Secret, sign_standard, sign_stripe};
use simdock_store::Store;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The partner that most tests order as.
pub const PARTNER: &str = "demo-travel";
/// An eUICC, the one of SGP.22's own examples.
pub const EID: &str = "89049032123451234512345678901235";
/// Everything that a stack does without being asked over HTTP.
pub const SOURCES: [&str; 6] = ["relay", "provision", "settle-refund", "send-email", "mail-events", "sweep"];
/// How long a test waits for what other functions do.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running stack with a client.
pub struct Site {
    pub stack: Stack,
    pub contract: Arc<Contract>,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// Whose API key a request carries.
#[derive(Clone, Copy, Debug)]
pub enum By<'a> {
    Partner,
    OtherPartner,
    Manager,
    Nobody,
    Key(&'a str),
}

/// A request to be sent.
pub struct Call<'a> {
    site: &'a Site,
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Bytes,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// The time that all tests begin at.
pub fn begin() -> Timestamp {
    "2026-11-22T10:00:00Z".parse().expect("a time")
}

/// A number that no other call in this process got.
pub fn unique() -> usize {
    static LAST: AtomicUsize = AtomicUsize::new(1);
    LAST.fetch_add(1, Ordering::Relaxed)
}

/// What most orders look like: one card of a plan, paid by card.
pub fn draft(plan_id: &str) -> Value {
    json!({
        "planId": plan_id, "count": 1, "payment": "card", "channel": "web",
        "subscriber": {"email": "ana@example.com", "name": "Ana", "language": "en"},
    })
}

/// An event of Stripe's that tells of a payment of an order's price.
pub fn stripe_event(order: &Value) -> Value {
    let number = unique();
    json!({
        "id": format!("evt_{number}"), "object": "event", "type": "payment_intent.succeeded",
        "data": {"object": {
            "id": format!("pi_{number}"), "object": "payment_intent", "status": "succeeded",
            "amount_received": order["price"]["amount"],
            "currency": order["price"]["currency"].as_str().expect("a currency").to_lowercase(),
            "metadata": {"orderNum": order["orderNum"]},
        }},
    })
}

/// A file of cards, each with its code, numbered from `first`.
pub fn csv(first: usize, count: usize) -> String {
    let mut file = "iccid,code\n".to_owned();
    for number in first..first + count {
        let iccid = Iccid::with_check_digit(&format!("894911{number:012}")).expect("a card's number");
        writeln!(file, "{iccid},LPA:1$rsp.example.com$MATCH-{number:06}").expect("a string takes all");
    }
    file
}

/// Waits until something is there.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "{what} does not come");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl Site {
    pub async fn start() -> Self {
        Self::with(Options::default()).await
    }

    /// A stack where nothing happens but what the test does.
    pub async fn still() -> Self {
        Self::with(Options { paused: SOURCES.map(str::to_owned).to_vec(), ..Options::default() }).await
    }

    pub async fn with(options: Options) -> Self {
        let options = Options {
            clock: options.clock.or_else(|| Some(begin())),
            dynamodb_proxy: options.dynamodb_proxy.or_else(|| Some(simdock_tests::role_guard())),
            ..options
        };
        let stack = Stack::start(options).await.expect("the stack starts");
        Self { stack, contract: Arc::new(Contract::load()), client: Client::builder(TokioExecutor::new()).build_http() }
    }

    pub fn call(&self, method: Method, path: impl Into<String>) -> Call<'_> {
        Call { site: self, method, path: path.into(), headers: Vec::new(), body: Bytes::new() }
    }

    pub fn get(&self, path: impl Into<String>) -> Call<'_> {
        self.call(Method::GET, path)
    }

    pub fn post(&self, path: impl Into<String>) -> Call<'_> {
        self.call(Method::POST, path)
    }

    /// Holds what a function answered to the contract.
    pub fn check(&self, method: &str, path: &str, answer: &Answer) {
        let path = path.split('?').next().unwrap_or_default();
        let Some(operation) = self.contract.operation(method, path) else { return };
        let complaints = self.contract.complaints(&operation, answer);
        assert!(complaints.is_empty(), "{method} {path}: {complaints:#?}\n{}", answer.text());
    }

    /// Asks to create an order, with a key of its own.
    pub fn ordering(&self, draft: &Value) -> Call<'_> {
        self.asking("/v1/orders", draft)
    }

    /// Creates an order.
    pub async fn order(&self, draft: &Value) -> Value {
        self.ordering(draft).send().await.expect(201)
    }

    /// Creates an order and pays it.
    pub async fn paid(&self, draft: &Value) -> Value {
        let order = self.order(draft).await;
        assert_eq!(self.pay(&order).await, "paid");
        order
    }

    /// Tells of the payment of an order's price.
    pub async fn pay(&self, order: &Value) -> String {
        self.stripe(&stripe_event(order)).await
    }

    /// Tells of an event, well signed; what became of it.
    pub async fn stripe(&self, event: &Value) -> String {
        let answer = self.stripe_call(event.to_string()).send().await.expect(200);
        answer["result"].as_str().expect("a result").to_owned()
    }

    /// A webhook of Stripe's, well signed.
    pub fn stripe_call(&self, body: String) -> Call<'_> {
        let signature = sign_stripe(self.stack.clock().now(), body.as_bytes(), &self.stripe_secret());
        let call = self.post("/v1/webhooks/payments/stripe").header("Stripe-Signature", signature);
        call.body("application/json", body)
    }

    pub fn stripe_secret(&self) -> Secret {
        Secret::stripe(&self.stack.keys().stripe_secret).expect("a secret")
    }

    pub fn standard_secret(&self) -> Secret {
        Secret::standard(&self.stack.keys().standard_secret).expect("a secret")
    }

    pub fn carrier_secret(&self) -> Secret {
        Secret::standard(&self.stack.keys().carrier_secret).expect("a secret")
    }

    /// Asks to cancel cards of an order, as its partner: those named, or all.
    pub fn refunding(&self, order: &Value, iccids: Option<&[&str]>) -> Call<'_> {
        let mut body = json!({"reason": "changed plans"});
        if let Some(iccids) = iccids {
            body["iccids"] = json!(iccids);
        }
        self.post(format!("/v1/orders/{}/refund", num(order))).by(By::Partner).json(&body)
    }

    /// Asks for something that spends, as the partner and with a key of its own.
    pub fn asking(&self, path: impl Into<String>, body: &Value) -> Call<'_> {
        self.post(path).by(By::Partner).header("Idempotency-Key", format!("key-{}", unique())).json(body)
    }

    /// Asks for the renewal of an order.
    pub fn renewing(&self, order: &Value, body: &Value) -> Call<'_> {
        self.asking(format!("/v1/orders/{}/renewal", num(order)), body)
    }

    /// Asks for a change of a subscription.
    pub fn changing(&self, subscription: &str, action: &str, body: &Value) -> Call<'_> {
        self.asking(format!("/v1/subscriptions/{subscription}/{action}"), body)
    }

    /// Reads a subscription, as its manager.
    pub async fn subscription(&self, id: &str) -> Value {
        self.get(format!("/v1/subscriptions/{id}")).by(By::Manager).send().await.expect(200)
    }

    /// What the sandbox operator tells about a card, well signed. Unless the event says otherwise, it happened just now.
    pub fn reporting(&self, iccid: &str, mut event: Value) -> Call<'_> {
        let now = self.stack.clock().now();
        event["iccid"] = iccid.into();
        if event["at"].is_null() {
            event["at"] = now.to_string().into();
        }
        let (id, body) = (format!("evt_{}", unique()), event.to_string());
        self.post(format!("/v1/sims/{iccid}/events"))
            .header("webhook-timestamp", now.unix().to_string())
            .header("webhook-signature", sign_standard(&id, now, body.as_bytes(), &self.carrier_secret()))
            .header("webhook-id", id)
            .body("application/json", body)
    }

    /// Reads an order, as its manager.
    pub async fn read(&self, order: &Value) -> Value {
        self.get(format!("/v1/orders/{}", num(order))).by(By::Manager).send().await.expect(200)
    }

    /// Reads an order until something holds of it.
    pub async fn until(&self, order: &Value, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let order = self.read(order).await;
            if holds(&order) {
                return order;
            }
            assert!(begun.elapsed() < PATIENCE, "not {what}: {order:#}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Reads an order until all that it needed was done.
    pub async fn settled(&self, order: &Value) -> Value {
        self.until(order, "settled", |order| {
            order["fulfilment"] != "fulfilling"
                && list(order, "emails").iter().all(|mail| mail["status"] == "sent")
                && !list(order, "emails").is_empty()
        })
        .await
    }

    /// How many cards of a pool can be sold.
    pub async fn available(&self, pool: &str) -> i64 {
        let levels = self.get("/v1/inventory").by(By::Manager).send().await.expect(200);
        let level = list(&levels, "items").iter().find(|level| level["poolId"] == pool).expect("the pool").clone();
        level["available"].as_i64().expect("a number")
    }

    /// Sells all cards of a pool, which must be the first one that a plan takes cards from.
    pub async fn sell_out(&self, plan_id: &str, pool: &str) {
        loop {
            let left = self.available(pool).await;
            if left == 0 {
                return;
            }
            let mut draft = draft(plan_id);
            (draft["count"], draft["sendEmail"]) = (left.min(50).into(), false.into());
            self.paid(&draft).await;
        }
    }

    /// Puts more cards into a pool of Meridian's eSIMs.
    pub async fn stock(&self, imsi_profile: &str, file: String) {
        let path = format!("/v1/inventory/imports?operator=meridian&imsiProfile={imsi_profile}");
        self.post(path).by(By::Manager).csv(file).send().await.expect(201);
    }

    /// Asks the stack itself for something.
    pub async fn local(&self, path: &str, body: Value) -> Value {
        self.post(format!("/_local/{path}")).json(&body).send().await.expect(200)
    }

    /// Has the sweep do what there is to do, and stops it: what is written from then on is nobody's but the test's.
    pub async fn swept(&self) {
        self.local("pause", json!({"source": "sweep", "paused": true})).await;
        self.local("sweep", json!({})).await;
    }

    /// Moves the clock, and returns when the sweep has run.
    pub async fn advance(&self, by: &str) {
        self.local("clock", json!({ "advance": by })).await;
    }

    /// Calls the function that an API Gateway event's route belongs to, past the gateway, and holds its answer to the contract.
    pub async fn gateway_event(&self, event: Value) -> Answer {
        let route = event["routeKey"].as_str().expect("a route").to_owned();
        let mut routes = self.stack.routes();
        let (method, path, function) =
            routes.find(|(method, path, _)| format!("{method} {path}") == route).unwrap_or_else(|| panic!("no route {route}"));
        let result = self.stack.invoke(function, event).await.expect("an answer");
        let mut headers = HeaderMap::new();
        for (name, value) in result["headers"].as_object().expect("headers") {
            let value = HeaderValue::from_str(value.as_str().expect("text")).expect("a header's value");
            headers.insert(HeaderName::from_bytes(name.as_bytes()).expect("a header's name"), value);
        }
        let status = u16::try_from(result["statusCode"].as_u64().expect("a status")).expect("a status");
        let answer = Answer { status, headers, body: Bytes::from(result["body"].as_str().expect("text").to_owned()) };
        self.check(method, path, &answer);
        answer
    }

    /// Waits until a queue holds a job back for later: moving the clock before would leave it behind.
    pub async fn held_back(&self, queue: &str) {
        let name = format!("simdock-local-{queue}");
        let held = async || self.stack.queues().depths().into_iter().find(|depth| depth.name == name && depth.delayed > 0);
        eventually("a job for later", held).await;
    }

    /// The mails about an order, by kind, as `/mailbox.json` lists them.
    pub async fn mails(&self, order: &Value, kind: &str) -> Vec<Value> {
        let mails = self.get("/mailbox.json").send().await.expect(200);
        let ours = |mail: &&Value| mail["orderNum"] == order["orderNum"] && mail["mail"] == kind;
        mails.as_array().expect("a list").iter().filter(ours).cloned().collect()
    }

    /// What a person reads in the one mail of a kind about an order, as HTML of the mailbox.
    pub async fn mail(&self, order: &Value, kind: &str) -> String {
        let mails = self.mails(order, kind).await;
        assert_eq!(mails.len(), 1, "{kind} mails of {}", num(order));
        self.get(format!("/mailbox/{}", mails[0]["id"].as_str().expect("an id"))).send().await.text()
    }

    /// Every item of the product's tables, by table.
    pub async fn tables(&self) -> BTreeMap<&'static str, Vec<String>> {
        let mut tables = BTreeMap::new();
        for variable in ["ORDERS_TABLE", "SIMS_TABLE", "POOLS_TABLE", "SUBSCRIPTIONS_TABLE", "PARTNERS_TABLE", "PLANS_TABLE"] {
            let name = self.stack.config().var(variable).expect("a table").to_owned();
            let mut items: Vec<String> = self.scan(&name).await.iter().map(ToString::to_string).collect();
            items.sort();
            tables.insert(variable, items);
        }
        tables
    }

    /// Every item of a table, as stored.
    pub async fn scan(&self, table: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut scan = json!({ "TableName": table, "ConsistentRead": true });
        loop {
            let request = Request::post(self.stack.engine_url())
                .header("content-type", "application/x-amz-json-1.0")
                .header("x-amz-target", "DynamoDB_20120810.Scan")
                .header("x-amz-date", "20261122T100000Z")
                // Engines look at the form of a signature, not at the signature.
                .header(
                    "authorization",
                    "AWS4-HMAC-SHA256 Credential=t/20261122/local/dynamodb/aws4_request, SignedHeaders=host, Signature=0",
                )
                .body(Full::from(scan.to_string()))
                .expect("a request");
            let answer = self.sent(request).await;
            let mut page = answer.expect(200);
            items.append(page["Items"].as_array_mut().expect("items"));
            match page["LastEvaluatedKey"].take() {
                Value::Null => return items,
                key => scan["ExclusiveStartKey"] = key,
            }
        }
    }

    /// The store on the stack's tables.
    pub async fn store(&self) -> Store {
        Store::new(&self.stack.config()).await.expect("the store")
    }

    async fn sent(&self, request: Request<Full<Bytes>>) -> Answer {
        let response = self.client.request(request).await.expect("an answer");
        let (head, body) = response.into_parts();
        let body = body.collect().await.expect("the whole answer").to_bytes();
        Answer { status: head.status.as_u16(), headers: head.headers, body }
    }

    pub async fn stop(self) {
        drop(self.client);
        self.stack.stop().await;
    }
}

impl Call<'_> {
    pub fn by(self, who: By<'_>) -> Self {
        let keys = self.site.stack.keys();
        let key = match who {
            By::Partner => &keys.partner_key,
            By::OtherPartner => &keys.other_partner_key,
            By::Manager => &keys.manager_key,
            By::Nobody => return self,
            By::Key(key) => key,
        };
        let value = format!("Bearer {key}");
        self.header("Authorization", value)
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self = self.without(name);
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    pub fn csv(self, body: impl Into<Bytes>) -> Self {
        self.body("text/csv; charset=utf-8", body)
    }

    pub fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.header("Content-Type", content_type)
    }

    pub async fn send(self) -> Answer {
        let mut request =
            Request::builder().method(self.method.clone()).uri(format!("{}{}", self.site.stack.base_url(), self.path));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let answer = self.site.sent(request.body(Full::from(self.body)).expect("a request")).await;
        self.site.check(self.method.as_str(), &self.path, &answer);
        answer
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body, which must come with this status.
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// The problem, which must have this status, code and field.
    pub fn problem(&self, status: u16, code: &str, field: Option<&str>) -> Value {
        let problem = self.expect(status);
        assert_eq!((problem["code"].as_str(), problem["field"].as_str()), (Some(code), field), "{problem}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        // The order desk shows it to people, who know no routes.
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.contains("/v1/")), "{problem}");
        problem
    }
}

/// An order's number.
pub fn num(order: &Value) -> &str {
    order["orderNum"].as_str().expect("an order number")
}

/// A list in an answer.
pub fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map(Vec::as_slice).unwrap_or_default()
}
