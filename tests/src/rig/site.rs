//! The stack of a run, with the plan at its edges, and a client that goes on until it is answered.

use super::plan::Plan;
use super::{calls, edges};
use crate::audit::{Books, Outside};
use crate::engine::local_keys;
use crate::proxy::Proxy;
use crate::wire::{self, HttpClient};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request};
use serde_json::{Value, json};
use simdock_domain::Money;
use simdock_local::{Options, Stack};
use simdock_payments::{Secret, sign_standard, sign_stripe};
use simdock_store::{ADMINISTRATOR, Credit, Partner, Principal, Store};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// How often a request is sent until it counts as never answered.
const SENDS: u32 = 80;
/// How long a client waits for one answer.
const PATIENCE: Duration = Duration::from_secs(35);
/// What a partner of the rig can spend at first, in minor units: some run out of it.
const BALANCE: i64 = 60_000;

/// A running stack and who uses it.
pub struct Site {
    /// The stack.
    pub stack: Stack,
    /// What goes wrong.
    pub plan: Arc<Plan>,
    http: HttpClient,
    last: AtomicU64,
    surprises: Mutex<Vec<String>>,
    /// Cards that were in stock before anybody did anything.
    pub stocked: BTreeSet<String>,
    /// API keys that are no good any more.
    ended: Mutex<Vec<String>>,
    tables: Arc<OnceLock<Proxy>>,
}

/// Who sends a request.
#[derive(Clone, Copy)]
pub enum As<'a> {
    /// Whoever has this API key.
    Key(&'a str),
    /// A manager.
    Manager,
    /// Stripe, which signs.
    Stripe,
    /// Another payment provider, which signs as Standard Webhooks has it.
    Standard(&'a str),
    /// Nobody in particular.
    Nobody,
}

/// What came back.
pub struct Answer {
    /// The status; 0 if there was never an answer that was not an error of the server.
    pub status: u16,
    /// The body, if it was JSON.
    pub body: Value,
}

impl Answer {
    /// Whether it was done, or had been before.
    pub fn is_done(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl Site {
    /// Starts a stack under a plan, with so many partners, and their API keys.
    pub async fn start(plan: &Arc<Plan>, partners: u64) -> (Arc<Self>, Vec<String>) {
        let tables = Arc::new(OnceLock::new());
        let (kept, planned) = (Arc::clone(&tables), Arc::clone(plan));
        let edged = Arc::clone(plan);
        let stack = Stack::start(Options {
            clock: Some("2026-11-22T10:00:00Z".parse().expect("a time")),
            dynamodb_proxy: Some(Arc::new(move |url| {
                let proxy = kept.get_or_init(|| Proxy::planned(url, local_keys(), Arc::clone(&planned)));
                proxy.url().to_owned()
            })),
            services_proxy: Some(Arc::new(move |url| edges::start(url, Arc::clone(&edged)))),
            loader: Some(calls::loader(Arc::clone(plan))),
            ..Options::default()
        })
        .await
        .expect("the stack starts");
        let store = Store::new(&stack.config()).await.expect("a store");
        let mut keys = Vec::new();
        for number in 0..partners {
            let (partner_id, key) =
                (partner_id(number), format!("sdk_partner_rig_{number}_{:016x}", plan.dice(&format!("key {number}")).u64(..)));
            let partner = Partner { partner_id: partner_id.clone(), display: partner_id.clone(), gift_quota: 2, gifts: 0 };
            store.put_partner(&partner, ADMINISTRATOR).await.expect("a partner");
            store
                .put_key(&key, &Principal::Partner { partner_id: partner_id.clone() }, None, ADMINISTRATOR)
                .await
                .expect("a key");
            let credit = Money { amount: BALANCE, currency: "EUR".parse().expect("a currency") };
            store.credit(&Credit::new(&partner_id, credit, "credit#opening")).await.expect("a balance");
            keys.push(key);
        }
        let http = wire::client();
        let sims = wire::scan(&http, stack.engine_url(), stack.config().var("SIMS_TABLE").expect("a table")).await;
        let stocked = sims.iter().filter_map(|sim| sim["iccid"]["S"].as_str().map(str::to_owned)).collect();
        let site = Self {
            stack,
            plan: Arc::clone(plan),
            http,
            stocked,
            last: AtomicU64::new(0),
            surprises: Mutex::default(),
            ended: Mutex::default(),
            tables,
        };
        (Arc::new(site), keys)
    }

    /// A number that nobody else got.
    pub fn unique(&self) -> u64 {
        self.last.fetch_add(1, Ordering::Relaxed)
    }

    /// Notes something that must not happen.
    pub fn surprise(&self, what: String) {
        self.surprises.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }

    /// What must not happen and did.
    pub fn surprises(&self) -> Vec<String> {
        self.surprises.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A partner's next API key; all that it had are ended, also those whose making was never answered.
    pub async fn rotate(&self, number: u64, before: &str) -> String {
        let partner = partner_id(number);
        let wanted = json!({"role": "partner", "partnerId": partner}).to_string();
        let made = self.send(Method::POST, "/v1/keys", As::Manager, &wanted).await.body;
        let Some(key) = made["key"].as_str() else { return before.to_owned() };
        let known = self.send(Method::GET, &format!("/v1/keys?partnerId={partner}"), As::Manager, "").await.body;
        for other in known["items"].as_array().into_iter().flatten() {
            if other["status"] == "good" && other["keyId"] != made["keyId"] {
                let path = format!("/v1/keys/{}/revocation", other["keyId"].as_str().unwrap_or_default());
                self.send(Method::POST, &path, As::Manager, "{}").await;
            }
        }
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).push(before.to_owned());
        key.to_owned()
    }

    /// API keys that were ended and are good all the same; to be asked when that was long ago.
    pub async fn good_after_their_end(&self) -> Vec<String> {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut good = Vec::new();
        for key in ended {
            let request = self.request(&Method::GET, "/v1/plans", As::Key(&key), "", None);
            if self.answer(request).await.is_none_or(|answer| answer.status != 401) {
                good.push(key);
            }
        }
        good
    }

    /// Sends a request until it is answered, as a client does that cannot know what became of it.
    pub async fn send(&self, method: Method, path: &str, who: As<'_>, body: &str) -> Answer {
        self.send_once_only(method, path, who, body, None).await
    }

    /// The same with an `Idempotency-Key`.
    pub async fn send_once_only(&self, method: Method, path: &str, who: As<'_>, body: &str, key: Option<&str>) -> Answer {
        for sends in 1..=SENDS {
            let request = self.request(&method, path, who, body, key);
            if let Ok(Some(answer)) = tokio::time::timeout(PATIENCE, self.answer(request)).await {
                // The clock may jump between a signature and its check.
                let stale = answer.body["code"] == "signature_stale";
                if answer.status < 500 && !stale {
                    self.judge(&method, path, &answer);
                    return answer;
                }
            }
            tokio::time::sleep(Duration::from_millis(u64::from(10 * sends.min(20)))).await;
        }
        self.surprise(format!("{method} {path} was never answered"));
        Answer { status: 0, body: Value::Null }
    }

    fn request(&self, method: &Method, path: &str, who: As<'_>, body: &str, key: Option<&str>) -> Request<Full<Bytes>> {
        let (keys, now) = (self.stack.keys(), self.stack.clock().now());
        let mut request = Request::builder().method(method.clone()).uri(format!("{}{path}", self.stack.base_url()));
        let bearer = |key: &str| format!("Bearer {key}");
        request = match who {
            As::Key(key) => request.header("authorization", bearer(key)),
            As::Manager => request.header("authorization", bearer(&keys.manager_key)),
            As::Stripe => {
                let secret = Secret::stripe(&keys.stripe_secret).expect("a secret");
                request.header("stripe-signature", sign_stripe(now, body.as_bytes(), &secret))
            }
            As::Standard(id) => {
                let secret = Secret::standard(&keys.standard_secret).expect("a secret");
                request
                    .header("webhook-id", id)
                    .header("webhook-timestamp", now.unix())
                    .header("webhook-signature", sign_standard(id, now, body.as_bytes(), &secret))
            }
            As::Nobody => request,
        };
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let kind = if path.starts_with("/v1/inventory/imports") { "text/csv" } else { "application/json" };
        request.header("content-type", kind).body(Full::from(body.to_owned())).expect("a request")
    }

    async fn answer(&self, request: Request<Full<Bytes>>) -> Option<Answer> {
        let response = self.http.request(request).await.ok()?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.ok()?.to_bytes();
        Some(Answer { status, body: serde_json::from_slice(&body).unwrap_or(Value::Null) })
    }

    /// The rig sends nothing that cannot be understood: what is possible is done, and what is not is in conflict with what is there.
    fn judge(&self, method: &Method, path: &str, answer: &Answer) {
        if !answer.is_done() && answer.status != 409 {
            self.surprise(format!("{method} {path}: {} {}", answer.status, answer.body));
        }
    }

    /// Asks the stack itself for something.
    pub async fn local(&self, path: &str, body: &Value) -> Value {
        self.send(Method::POST, &format!("/_local/{path}"), As::Nobody, &body.to_string()).await.body
    }

    /// Reads what the stack itself tells.
    pub async fn look(&self, path: &str) -> Value {
        self.send(Method::GET, path, As::Nobody, "").await.body
    }

    /// All tables, as they are between two requests to them: whatever comes meanwhile waits.
    pub async fn books(&self) -> Books {
        let config = self.stack.config();
        let _still = self.tables.get().expect("the stack has used its tables").still().await;
        let scan = async |variable| wire::scan(&self.http, self.stack.engine_url(), config.var(variable).expect("a table")).await;
        Books {
            orders: scan("ORDERS_TABLE").await,
            sims: scan("SIMS_TABLE").await,
            pools: scan("POOLS_TABLE").await,
            partners: scan("PARTNERS_TABLE").await,
            subscriptions: scan("SUBSCRIPTIONS_TABLE").await,
            plans: scan("PLANS_TABLE").await,
        }
    }

    /// All tables, and all that others did.
    pub async fn everything(&self) -> (Books, Outside) {
        let books = self.books().await;
        let several = |value: Value| value.as_array().cloned().unwrap_or_default();
        let outside = Outside {
            now: self.stack.clock().now(),
            refunds: several(self.look("/_local/stripe").await["refunds"].take()),
            mails: several(self.look("/mailbox.json").await),
            operator: self.look("/_local/operator").await,
        };
        (books, outside)
    }

    /// Waits until no function runs and no queue has anything to hand out, or gives up after a while; answers which.
    pub async fn quiet(&self) -> bool {
        let mut still = 0;
        for _ in 0..500 {
            let busy = self.stack.queues().depths().iter().any(|depth| depth.visible > 0 && !is_graveyard(&depth.name));
            still = if busy || self.plan.running() > 0 { 0 } else { still + 1 };
            if still == 8 {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    }

    /// Messages that were given up although the plan did not spoil their delivery.
    pub async fn given_up(&self) -> Vec<String> {
        let mut given_up = Vec::new();
        for depth in self.stack.queues().depths().into_iter().filter(|depth| is_graveyard(&depth.name)) {
            let messages = self.look(&format!("/_local/queues/{}", depth.name)).await["messages"].take();
            for message in messages.as_array().into_iter().flatten() {
                let event: Value = serde_json::from_str(message["body"].as_str().unwrap_or_default()).unwrap_or_default();
                let mut ids = [&message["id"], &event["id"]].into_iter().filter_map(Value::as_str);
                if !ids.any(|id| self.plan.is_spoilt(id)) {
                    given_up.push(format!("{}: {}", depth.name, message["body"]));
                }
            }
        }
        given_up
    }

    /// Moves the clock, and returns when the sweep that this made due has run.
    pub async fn advance(&self, by: &str) {
        self.local("clock", &json!({ "advance": by })).await;
    }
}

fn partner_id(number: u64) -> String {
    format!("rig-{number}")
}

/// Whether a queue holds what was given up.
fn is_graveyard(queue: &str) -> bool {
    queue.ends_with("-dead") || queue.ends_with("-failures")
}
