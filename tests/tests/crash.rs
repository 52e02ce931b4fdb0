//! Ends the local stack at random moments while many clients are at it, and looks afterwards whether anything that it had
//! promised was lost or happened twice. `SIMDOCK_CRASH_SEED` repeats what the clients did and when the stack was ended.

mod cargo;

use bytes::Bytes;
use cargo::cargo;
use fastrand::Rng;
use futures_util::future::join_all;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use simdock_domain::{Iccid, LineState, MailKind, MailState, Order, Provider, RefundState};
use simdock_local::{Options, Stack};
use simdock_payments::{Secret, sign_stripe};
use simdock_store::{Store, order_in_image};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs::{File, OpenOptions};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

const ROUNDS: usize = 20;
const SHOPS: u64 = 6;
/// The partner whose key the stack gives away.
const PARTNER: &str = "demo-travel";
/// How long anything may take that does not depend on chance.
const PATIENCE: Duration = Duration::from_secs(30);

/// A `simdock` of its own process, which ends with this value if nobody ended it before.
struct Running {
    process: Child,
    ready: Value,
}

impl Running {
    fn spawn(folder: &Path, arguments: &[&str]) -> Self {
        let program = std::env::current_exe().expect("this test's path");
        let program = program.ancestors().nth(3).expect("the target folder").join("debug/simdock");
        let ready_file = folder.join("ready.json");
        let _ = std::fs::remove_file(&ready_file);
        let log = |options: &mut OpenOptions| options.create(true).append(true).open(folder.join("log")).expect("the log");
        let process = Command::new(program)
            .args(["--port", "0"])
            .args(arguments)
            .args([Path::new("--data"), &folder.join("data"), Path::new("--ready-file"), &ready_file])
            .args([Path::new("--inventory"), &folder.join("inventory.csv")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log(&mut File::options()))
            .spawn()
            .expect("simdock starts");
        Self { process, ready: Value::Null }
    }

    async fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut running = Self::spawn(folder, arguments);
        let ready_file = folder.join("ready.json");
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Ok(ready) = std::fs::read(&ready_file) {
                running.ready = serde_json::from_slice(&ready).expect("the ready file");
                return running;
            }
            if let Some(status) = running.process.try_wait().expect("the process") {
                panic!("simdock ended with {status}; its log is {}", folder.join("log").display());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("simdock is not ready; its log is {}", folder.join("log").display());
    }
}

impl Drop for Running {
    /// SIGKILL: the process gets no say.
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What every client knows: the keys, where the stack is at the moment, and whether there is still something to buy.
#[derive(Clone)]
struct Api {
    http: Client<HttpConnector, Full<Bytes>>,
    base_url: watch::Receiver<String>,
    open: watch::Receiver<bool>,
    keys: Arc<Value>,
}

/// How a request identifies itself.
#[derive(Clone, Copy)]
enum Auth<'a> {
    Partner,
    Manager,
    /// Signed as Stripe signs.
    Stripe,
    /// A partner's, with this `Idempotency-Key`.
    Once(&'a str),
}

impl Api {
    fn key(&self, name: &str) -> &str {
        self.keys[name].as_str().expect("a key")
    }

    /// Sends a request until it is answered, as a client does that cannot know what became of it: over breaks of the connection,
    /// over restarts, and over answers that ask to try again. Also tells how often it was sent.
    async fn send(&self, method: Method, path: &str, auth: Auth<'_>, body: &str) -> (StatusCode, Value, u32) {
        for sends in 1.. {
            let mut request = Request::builder().method(method.clone()).uri(format!("{}{path}", *self.base_url.borrow()));
            let bearer = |key| format!("Bearer {}", self.key(key));
            request = match auth {
                Auth::Partner => request.header("Authorization", bearer("partnerKey")),
                Auth::Manager => request.header("Authorization", bearer("managerKey")),
                Auth::Once(key) => request.header("Authorization", bearer("partnerKey")).header("Idempotency-Key", key),
                Auth::Stripe => {
                    let secret = Secret::stripe(self.key("stripeSecret")).expect("a secret");
                    let now = simdock_runtime::Clock::system().now();
                    request.header("Stripe-Signature", sign_stripe(now, body.as_bytes(), &secret))
                }
            };
            let is_csv = path.starts_with("/v1/inventory/imports");
            request = request.header("Content-Type", if is_csv { "text/csv" } else { "application/json" });
            let request = request.body(Full::from(body.to_owned())).expect("a request");
            let answered = async {
                let response = self.http.request(request).await.ok()?;
                let status = response.status();
                let body = response.into_body().collect().await.ok()?.to_bytes();
                Some((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
            };
            match tokio::time::timeout(PATIENCE, answered).await {
                Ok(Some((status, answer))) if !status.is_server_error() => return (status, answer, sends),
                Ok(Some((status, answer))) => println!("{method} {path}: {status} {answer}"),
                Ok(None) | Err(_) => {}
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        unreachable!("it goes on until there is an answer")
    }

    async fn get(&self, path: &str, auth: Auth<'_>) -> Value {
        let (status, answer, _) = self.send(Method::GET, path, auth, "").await;
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        answer
    }

    async fn control(&self, path: &str, body: &Value) {
        let (status, answer, _) = self.send(Method::POST, &format!("/_local/{path}"), Auth::Manager, &body.to_string()).await;
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
    }
}

/// What the stack acknowledged to a client.
#[derive(Debug, Default)]
struct Acknowledged {
    /// Orders.
    orders: BTreeSet<String>,
    /// Payments: the order, and what was received in which currency, by the provider's id.
    payments: BTreeMap<String, (String, i64, String)>,
    /// Cancellations: of one card of an order, or of all.
    cancelled: BTreeMap<String, Option<String>>,
    /// Cards in stock.
    cards: BTreeSet<String>,
    /// Requests that had to be sent again.
    retries: u32,
}

/// A shop: orders, pays in all the ways that payments come in, now and then wants its money back, and begins anew.
async fn shop(api: Api, number: u64, seed: u64) -> Acknowledged {
    let mut rng = Rng::with_seed(seed + number);
    let mut done = Acknowledged::default();
    for round in 0.. {
        if !*api.open.borrow() {
            break;
        }
        let key = format!("shop-{number}-{round}");
        let plan = ["eu-5gb-30d", "eu-5gb-30d", "asia-3gb-30d", "sandbox-1gb-7d", "eu-trial-100mb-1d"][rng.usize(..5)];
        let payment = if rng.u8(..4) == 0 { "balance" } else { "card" };
        let order = json!({
            "planId": plan, "count": rng.u8(1..=3), "payment": payment, "otherOrderId": key, "sendEmail": rng.u8(..4) > 0,
            "subscriber": {"email": "ana@example.com", "name": "Ana", "language": "en"},
        });
        let (status, order, sends) = api.send(Method::POST, "/v1/orders", Auth::Once(&key), &order.to_string()).await;
        assert!(status == StatusCode::CREATED || (sends > 1 && status == StatusCode::OK), "{key}: {status} {order}");
        done.retries += sends - 1;
        let num = order["orderNum"].as_str().expect("an order number").to_owned();
        assert!(done.orders.insert(num.clone()), "{key} is another's order {num}");
        if payment == "card" && order["status"] == -1 {
            let price = order["price"]["amount"].as_i64().expect("an amount");
            let currency = order["price"]["currency"].as_str().expect("a currency");
            let amounts = match rng.u8(..10) {
                0 => vec![],
                1 => vec![price - 1, price],
                2 => vec![price, price],
                _ => vec![price],
            };
            let ids = (0..).map(|nth| format!("pi_{number}_{round}_{nth}"));
            let payments: Vec<(String, i64)> = ids.zip(amounts).collect();
            // Whatever tells of a payment comes once, again, or twice at the same time, and so do the payments.
            let mut told = Vec::new();
            for (id, amount) in &payments {
                for _ in 0..rng.u8(1..=3) {
                    told.push(event(&mut rng, &num, id, *amount, currency));
                }
            }
            let path = "/v1/webhooks/payments/stripe";
            let answers = join_all(told.iter().map(|event| api.send(Method::POST, path, Auth::Stripe, event))).await;
            for (status, answer, sends) in answers {
                assert_eq!(status, StatusCode::OK, "{num}: {answer}");
                assert!(["paid", "owed_back", "known"].iter().any(|result| answer["result"] == *result), "{num}: {answer}");
                done.retries += sends - 1;
            }
            done.payments.extend(payments.into_iter().map(|(id, amount)| (id, (num.clone(), amount, currency.to_owned()))));
        }
        if rng.u8(..3) == 0 {
            cancel(&api, &mut rng, &num, &mut done).await;
        }
    }
    done
}

/// Cancels an order or one card of it, now and then several times at once.
async fn cancel(api: &Api, rng: &mut Rng, num: &str, done: &mut Acknowledged) {
    let path = format!("/v1/orders/{num}");
    let mut request = json!({"reason": "changed plans"});
    let mut card = None;
    if rng.bool() {
        // Whoever reads the order sees its codes: such a card is never sold again.
        let order = api.get(&path, Auth::Partner).await;
        let Some(iccid) = order["cards"][0]["iccid"].as_str() else { return };
        request["iccids"] = json!([iccid]);
        card = Some(iccid.to_owned());
    }
    let (path, request) = (format!("{path}/refund"), request.to_string());
    let times = rng.u8(1..=3);
    let answers = join_all((0..times).map(|_| api.send(Method::POST, &path, Auth::Partner, &request))).await;
    for (status, answer, sends) in answers {
        done.retries += sends - 1;
        match status {
            StatusCode::OK | StatusCode::ACCEPTED => drop(done.cancelled.insert(num.to_owned(), card.clone())),
            _ => assert_eq!((status, &answer["code"]), (StatusCode::CONFLICT, &json!("not_refundable")), "{num}: {answer}"),
        }
    }
}

/// One of the events by which Stripe tells of a payment.
fn event(rng: &mut Rng, num: &str, payment: &str, amount: i64, currency: &str) -> String {
    let currency = currency.to_lowercase();
    let (kind, object) = if rng.bool() {
        let intent = json!({"id": payment, "amount_received": amount, "currency": currency, "metadata": {"orderNum": num}});
        ("payment_intent.succeeded", intent)
    } else {
        let session = json!({
            "id": format!("cs_{payment}"), "mode": "payment", "payment_status": "paid", "payment_intent": payment,
            "amount_total": amount, "currency": currency, "client_reference_id": num,
        });
        ("checkout.session.completed", session)
    };
    json!({"id": format!("evt_{payment}_{}", rng.u32(..)), "type": kind, "data": {"object": object}}).to_string()
}

/// Files of new cards; every card once.
struct Supplier(u64);

impl Supplier {
    /// A file of so many cards of one IMSI profile, and their numbers.
    fn file(&mut self, operator: &str, profile: &str, cards: usize) -> (String, Vec<String>) {
        let mut file = "iccid;lpa;operator;profile\n".to_owned();
        let mut iccids = Vec::new();
        for _ in 0..cards {
            self.0 += 1;
            let iccid = Iccid::with_check_digit(&format!("898821{:012}", self.0)).expect("a card number");
            let _ = writeln!(file, "{iccid};LPA:1$smdp.example.com$CRASH-{};{operator};{profile}", self.0);
            iccids.push(iccid.to_string());
        }
        (file, iccids)
    }
}

/// A manager: brings cards in, now and then the same file twice at once.
async fn warehouse(api: Api, mut supplier: Supplier, seed: u64) -> Acknowledged {
    let mut rng = Rng::with_seed(seed);
    let mut done = Acknowledged::default();
    let path = "/v1/inventory/imports";
    while *api.open.borrow() {
        let (operator, profile) = [("meridian", "7"), ("meridian", "10"), ("sandbox", "1")][rng.usize(..3)];
        let (file, cards) = supplier.file(operator, profile, rng.usize(1..=60));
        let times = if rng.u8(..4) == 0 { 2 } else { 1 };
        let answers = join_all((0..times).map(|_| api.send(Method::POST, path, Auth::Manager, &file))).await;
        for (status, answer, sends) in answers {
            assert!([StatusCode::CREATED, StatusCode::ACCEPTED].contains(&status), "import: {status} {answer}");
            done.retries += sends - 1;
        }
        done.cards.extend(cards);
        tokio::time::sleep(Duration::from_millis(rng.u64(..1200))).await;
    }
    done
}

/// Sweeps far more often than the schedule does, so that sweeps and slow buyers meet. Not while sweeping is paused.
async fn janitor(api: Api, seed: u64) -> Acknowledged {
    let mut rng = Rng::with_seed(seed);
    while *api.open.borrow() {
        if api.get("/_local/pause", Auth::Manager).await["sweep"] == false {
            api.control("sweep", &json!({})).await;
        }
        tokio::time::sleep(Duration::from_millis(rng.u64(..200))).await;
    }
    Acknowledged::default()
}

/// Moves the clock and sweeps until no order needs anything any more.
async fn settle(api: &Api) {
    for _ in 0..30 {
        api.control("clock", &json!({ "advance": "PT10M" })).await;
        api.control("sweep", &json!({})).await;
        let begun = Instant::now();
        while !queues_are_empty(api).await {
            assert!(begun.elapsed() < PATIENCE, "the queues do not empty");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let orders = orders(api).await;
        let at_rest = |order: &Value| {
            let mails = order["emails"].as_array().expect("mails");
            [0, 2, 3, 4].iter().any(|status| order["status"] == *status)
                && order["fulfilment"] != "fulfilling"
                && order["owed"] == json!([])
                && mails.iter().all(|mail| mail["status"] == "sent" || (mail["status"] == "sending" && order["status"] == 2))
        };
        if orders.values().all(at_rest) {
            // What leaked last is found by the second sweep that sees it.
            for _ in 0..3 {
                api.control("sweep", &json!({})).await;
            }
            return;
        }
    }
    panic!("some orders do not come to rest");
}

async fn queues_are_empty(api: &Api) -> bool {
    let queues = api.get("/_local/queues", Auth::Manager).await;
    let work = queues["queues"].as_array().expect("queues").iter();
    let mut work = work.filter(|queue| ["provision", "mail", "refund"].iter().any(|name| ends_with(queue, name)));
    work.all(|queue| queue["visible"] == 0 && queue["inFlight"] == 0)
}

fn ends_with(queue: &Value, name: &str) -> bool {
    queue["name"].as_str().expect("a name").ends_with(&format!("-{name}"))
}

/// Every order as the partner sees it in the list, by number.
async fn orders(api: &Api) -> BTreeMap<String, Value> {
    let mut orders = BTreeMap::new();
    let mut cursor = String::new();
    loop {
        let page = api.get(&format!("/v1/orders?limit=100{cursor}"), Auth::Partner).await;
        for order in page["items"].as_array().expect("orders") {
            orders.insert(order["orderNum"].as_str().expect("a number").to_owned(), order.clone());
        }
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return orders,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stack_that_is_killed_loses_nothing_and_does_nothing_twice() {
    cargo(&["build", "--quiet", "--locked", "-p", "simdock-local"]);
    let begun = Instant::now();
    let seed =
        std::env::var("SIMDOCK_CRASH_SEED").map_or_else(|_| fastrand::u64(..1 << 32), |seed| seed.parse().expect("a number"));
    let folder = std::env::temp_dir().join(format!("simdock-crash-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    println!("SIMDOCK_CRASH_SEED={seed}, data in {}", folder.display());
    let mut rng = Rng::with_seed(seed);

    // So few that orders compete for them, and that some go away empty-handed.
    let (inventory, _) = Supplier(0).file("meridian", "7", 60);
    std::fs::write(folder.join("inventory.csv"), inventory).expect("the inventory");
    let (address, base_url) = watch::channel(String::new());
    let (closing, open) = watch::channel(true);
    let mut clients = tokio::task::JoinSet::new();
    let mut api: Option<Api> = None;
    for _ in 0..3 {
        // It does not get through putting its first stock in.
        let _running = Running::spawn(&folder, &[]);
        tokio::time::sleep(Duration::from_millis(rng.u64(50..400))).await;
    }
    for round in 0..ROUNDS {
        let running = Running::start(&folder, [&[][..], &["--pause", "relay"], &["--pause", "sweep"]][round % 3]).await;
        address.send_replace(running.ready["baseUrl"].as_str().expect("an address").to_owned());
        if api.is_none() {
            let http = Client::builder(TokioExecutor::new()).build_http();
            let keys = Arc::new(running.ready.clone());
            let new = Api { http, base_url: base_url.clone(), open: open.clone(), keys };
            for number in 1..=SHOPS {
                clients.spawn(shop(new.clone(), number, seed));
            }
            clients.spawn(warehouse(new.clone(), Supplier(1_000), seed));
            clients.spawn(janitor(new.clone(), seed));
            api = Some(new);
        }
        tokio::time::sleep(Duration::from_millis(rng.u64(200..1500))).await;
    }
    let api = api.expect("a round");
    closing.send_replace(false);
    let running = Running::start(&folder, &["--pause", "relay", "--pause", "sweep"]).await;
    address.send_replace(running.ready["baseUrl"].as_str().expect("an address").to_owned());
    for source in ["relay", "sweep"] {
        api.control("pause", &json!({ "source": source, "paused": false })).await;
    }
    let mut done = Acknowledged::default();
    for mut part in clients.join_all().await {
        done.orders.append(&mut part.orders);
        done.payments.append(&mut part.payments);
        done.cancelled.append(&mut part.cancelled);
        done.cards.append(&mut part.cards);
        done.retries += part.retries;
    }
    let after_load = begun.elapsed();
    settle(&api).await;

    let shown = orders(&api).await;
    let mailbox = api.get("/mailbox.json", Auth::Manager).await;
    let queues = api.get("/_local/queues", Auth::Manager).await;
    let inventory = api.get("/v1/inventory", Auth::Manager).await;
    let made = api.get("/_local/stripe", Auth::Manager).await;
    check_the_api(&api, &done, &shown, &mailbox).await;
    for queue in queues["queues"].as_array().expect("queues") {
        assert_eq!((&queue["visible"], &queue["inFlight"]), (&json!(0), &json!(0)), "{queue}");
    }
    drop(running);
    let summary = check_the_tables(&folder, &done, &inventory, &made).await;
    let log = std::fs::read_to_string(folder.join("log")).expect("the log");
    let swept = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let leaked: u64 = swept.filter_map(|line| line["leaked"].as_u64()).sum();
    println!(
        "{} orders, {} payments, {} cancellations, {} cards brought in, {} requests sent again; {} mails; {leaked} leaked tickets recovered; {summary}; {after_load:?} + {:?}",
        done.orders.len(),
        done.payments.len(),
        done.cancelled.len(),
        done.cards.len(),
        done.retries,
        mailbox.as_array().map_or(0, Vec::len),
        begun.elapsed().saturating_sub(after_load),
    );
    let errors: Vec<&str> = log.lines().filter(|line| line.contains(r#""level":"ERROR""#) || line.contains("panicked")).collect();
    assert!(errors.is_empty(), "{} errors in {}, such as {:?}", errors.len(), folder.join("log").display(), errors.first());
    std::fs::remove_dir_all(&folder).expect("the folder goes");
}

/// What partners were promised, as they see it.
async fn check_the_api(api: &Api, done: &Acknowledged, shown: &BTreeMap<String, Value>, mailbox: &Value) {
    for num in &done.orders {
        assert!(shown.contains_key(num), "{num} was acknowledged and is gone");
    }
    assert_eq!(shown.len(), done.orders.len(), "orders that nobody asked for");
    let mut mails: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for mail in mailbox.as_array().expect("mails") {
        let key = (mail["orderNum"].as_str().expect("an order"), mail["mail"].as_str().expect("a kind"));
        *mails.entry(key).or_default() += 1;
    }
    let mut holders: BTreeMap<String, &str> = BTreeMap::new();
    for (num, listed) in shown {
        let order = api.get(&format!("/v1/orders/{num}"), Auth::Partner).await;
        assert_eq!(order["status"], listed["status"], "{num}");
        let cards = order["cards"].as_array().expect("cards");
        if order["status"] == 3 {
            assert_eq!(cards.len(), 0, "{order}");
            assert!(!mails.contains_key(&(num.as_str(), "qr")), "{num} is void and got cards by mail");
            continue;
        }
        assert_eq!(order["fulfilment"], "completed", "{order}");
        assert_eq!(json!(cards.len()), order["count"], "{order}");
        let mut ready = 0;
        for card in cards {
            let iccid = card["iccid"].as_str().expect("a card number").to_owned();
            let cancelled = done.cancelled.get(num).is_some_and(|only| only.as_ref().is_none_or(|only| *only == iccid));
            assert_eq!(card["status"], if cancelled { "cancelled" } else { "ready" }, "{order}");
            assert_eq!(card["code"].as_str().is_some_and(|code| code.starts_with("LPA:1$")), !cancelled, "{order}");
            if !cancelled {
                ready += 1;
                assert_eq!(holders.insert(iccid, num), None, "{order} has another's card");
            }
        }
        let status = if ready == cards.len() { 0 } else { [2, 4][usize::from(ready > 0)] };
        assert_eq!(order["status"], status, "{order}");
        let mailed = |kind| mails.contains_key(&(num.as_str(), kind));
        assert_eq!(mailed("confirmation"), order["sendEmail"] == true, "{order}");
        assert!(mailed("qr") || ready == 0 || order["sendEmail"] == false, "{num} has cards and got no QR codes");
    }
    for (id, (num, amount, currency)) in &done.payments {
        let payments = shown[num]["payments"].as_array().expect("payments").iter();
        let known: Vec<&Value> = payments.filter(|payment| payment["paymentId"] == id.as_str()).collect();
        assert_eq!(known.len(), 1, "payment {id} of {num}: {known:?}");
        assert_eq!(known[0]["received"], json!({ "amount": amount, "currency": currency }), "payment {id} of {num}");
    }
}

/// What has to be true of the tables, whatever happened.
async fn check_the_tables(folder: &Path, done: &Acknowledged, inventory: &Value, made: &Value) -> String {
    let paused = ["relay", "provision", "settle-refund", "send-email", "mail-events", "sweep"].map(str::to_owned).to_vec();
    let options =
        Options { data: Some(folder.join("data")), inventory: Some(folder.join("inventory.csv")), paused, ..Options::default() };
    let stack = Stack::start(options).await.expect("a stack");
    let store = Store::new(&stack.config()).await.expect("the tables");
    let now = store.clock().now();
    for shard in 0..Store::DUE_SHARDS {
        assert_eq!(store.overdue(shard, now, None).await.expect("the index").items, [], "overdue orders");
    }
    assert_eq!(store.running_imports().await.expect("imports"), [] as [String; 0], "unfinished imports");

    let orders: Vec<Order> =
        scan(&stack, "ORDERS_TABLE").await.into_iter().map(|item| order_in_image(item).expect("an order")).collect();
    let at_provider = made["refunds"].as_array().map_or(0, Vec::len);
    let (mut paid, mut twice, mut spent, mut given_back) = (0, 0, 0, 0);
    let mut made: BTreeMap<&str, &Value> = made["refunds"]
        .as_array()
        .expect("refunds")
        .iter()
        .map(|refund| (refund["metadata"]["refundId"].as_str().expect("a refund of ours"), refund))
        .collect();
    let mut sold: BTreeMap<Iccid, &Order> = BTreeMap::new();
    for order in &orders {
        let num = &order.num;
        let applied: Vec<_> = order.payments.iter().filter(|payment| payment.returned.is_none()).collect();
        assert!(applied.len() <= 1, "{num} is paid {} times", applied.len());
        for (place, payment) in order.payments.iter().enumerate() {
            let owed: Vec<_> = order.refunds.iter().filter(|refund| refund.payment == place).collect();
            match payment.returned {
                None => {
                    assert_eq!(payment.received, order.price(), "{num}");
                    for line in
                        order.lines.iter().enumerate().filter(|(_, line)| line.state == LineState::Cancelled && line.amount > 0)
                    {
                        let of_line: Vec<_> = owed.iter().filter(|refund| refund.line == Some(line.0)).collect();
                        assert_eq!((of_line.len(), of_line[0].amount.amount), (1, line.1.amount), "{num}");
                    }
                }
                Some(reason) => {
                    assert_eq!(owed.len(), 1, "{num}: {reason:?}");
                    assert_eq!(owed[0].amount, payment.received, "{num}: {reason:?}");
                }
            }
            for (index, refund) in order.refunds.iter().enumerate().filter(|(_, refund)| refund.payment == place) {
                assert_eq!(refund.state, RefundState::Succeeded, "{num}");
                if payment.provider == Provider::Balance {
                    given_back += refund.amount.amount;
                } else {
                    let there = made.remove(order.refund_id(index).as_str()).expect("a refund at the provider");
                    let expected = (json!(payment.id), json!(refund.amount.amount));
                    assert_eq!((there["paymentIntent"].clone(), there["amount"].clone()), expected, "{num}");
                }
            }
            let by_provider = payment.provider == Provider::Stripe;
            assert_eq!(by_provider, done.payments.contains_key(&payment.id), "{num}: payment {} is nobody's", payment.id);
            spent += if payment.provider == Provider::Balance { payment.received.amount } else { 0 };
        }
        paid += applied.len();
        for line in &order.lines {
            let expected = match (applied.is_empty(), line.state) {
                (true, _) => LineState::Pending,
                (false, LineState::Cancelled) => LineState::Cancelled,
                (false, _) => LineState::Live,
            };
            assert_eq!((line.state, line.iccid.is_some()), (expected, applied.len() == 1), "{num}");
            if line.state == LineState::Live
                && let Some(iccid) = &line.iccid
            {
                let other = sold.insert(iccid.clone(), order);
                assert!(other.is_none(), "{iccid} is sold to {num} and to another");
            }
        }
        for kind in [MailKind::Confirmation, MailKind::Qr] {
            let mail = order.mail(kind);
            assert!(mail.is_none() || (order.send_email && applied.len() == 1), "{num}: {kind:?}");
            let Some(mail) = mail else { continue };
            // Whoever vanished while sending codes is not followed by another when their cards are cancelled.
            let left = kind == MailKind::Qr && order.lines.iter().all(|line| line.state == LineState::Cancelled);
            let done = matches!(mail.state, MailState::Sent(_)) || (left && matches!(mail.state, MailState::Sending(_)));
            assert!(done, "{num}: {kind:?}");
            twice += usize::from(mail.attempts > 1);
        }
    }

    let mut stocked: BTreeMap<String, u64> = BTreeMap::new();
    let mut known = BTreeSet::new();
    for sim in scan(&stack, "SIMS_TABLE").await {
        let text = |name: &str| sim[name]["S"].as_str().unwrap_or_default().to_owned();
        let iccid: Iccid = text("iccid").parse().expect("a card number");
        match text("state").as_str() {
            "stocked" => *stocked.entry(text("pool")).or_default() += 1,
            "active" => assert_eq!(sold.get(&iccid).map(|order| order.num.to_string()), Some(text("order")), "{iccid}"),
            "set_aside" => assert!(!sim["disclosed"].is_null(), "{iccid} could be sold again"),
            other => panic!("{iccid} is {other}"),
        }
        assert_eq!(text("state") == "active", sold.contains_key(&iccid), "{iccid}");
        known.insert(iccid.to_string());
    }
    assert!(done.cards.is_subset(&known), "acknowledged cards are missing: {:?}", done.cards.difference(&known));
    assert_eq!(made, BTreeMap::new(), "refunds at the provider that no order knows of");
    let mut subscriptions = scan(&stack, "SUBSCRIPTIONS_TABLE").await;
    subscriptions.retain(|item| item["en"].is_null());
    let subscribed: BTreeSet<&str> = subscriptions.iter().filter_map(|item| item["ic"]["S"].as_str()).collect();
    assert_eq!((subscriptions.len(), subscribed.len()), (sold.len(), sold.len()), "one subscription for each card");

    for level in store.levels().await.expect("levels") {
        let pool = level.pool.to_string();
        assert_eq!(level.available, stocked.remove(&pool).unwrap_or(0), "{level:?}");
        let shown = inventory["items"].as_array().expect("levels").iter().find(|shown| shown["poolId"] == pool.as_str());
        assert_eq!(shown.expect("the pool")["available"], json!(level.available), "{pool}");
    }
    assert!(stocked.is_empty(), "cards outside of any pool: {stocked:?}");

    let balance = store.balance(PARTNER, "EUR".parse().expect("a currency")).await.expect("a balance");
    let ledger = store.ledger(PARTNER).await.expect("a ledger");
    assert_eq!(ledger.iter().map(|entry| entry.amount.amount).sum::<i64>(), balance.amount, "the balance and its ledger");
    let debits: i64 = ledger.iter().map(|entry| entry.amount.amount.min(0)).sum();
    assert_eq!(-debits, spent, "the ledger and the orders that it paid");
    let credits = ledger.iter().filter(|entry| entry.reference.contains("#RF")).map(|entry| entry.amount.amount);
    assert_eq!(credits.sum::<i64>(), given_back, "the ledger and the refunds that went back to it");
    stack.stop().await;
    let available: u64 =
        inventory["items"].as_array().expect("levels").iter().filter_map(|level| level["available"].as_u64()).sum();
    format!(
        "{paid} orders paid, {} cards sold, {available} left, {at_provider} refunds at the provider, {twice} mails begun twice",
        sold.len()
    )
}

/// Every item of a table, in `DynamoDB`'s JSON, by the variable that names the table.
async fn scan(stack: &Stack, variable: &str) -> Vec<Value> {
    let http = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let mut items = Vec::new();
    let mut scan = json!({ "TableName": stack.config().var(variable).expect("a table"), "ConsistentRead": true });
    loop {
        let request = Request::post(stack.engine_url())
            .header("Content-Type", "application/x-amz-json-1.0")
            .header("X-Amz-Target", "DynamoDB_20120810.Scan")
            .header("X-Amz-Date", "20261122T000000Z")
            .header(
                "Authorization",
                "AWS4-HMAC-SHA256 Credential=local/20261122/local/dynamodb/aws4_request, SignedHeaders=host, Signature=0",
            )
            .body(Full::from(scan.to_string()));
        let response = http.request(request.expect("a request")).await.expect("the engine answers");
        let page = response.into_body().collect().await.expect("a page").to_bytes();
        let mut page: Value = serde_json::from_slice(&page).expect("JSON");
        match page["Items"].take() {
            Value::Array(found) => items.extend(found),
            _ => panic!("{page}"),
        }
        match page["LastEvaluatedKey"].take() {
            Value::Null => return items,
            key => scan["ExclusiveStartKey"] = key,
        }
    }
}
