//! What the functions log, which is looked at from outside: on the standard error of a `simdock` of its own.

use crate::api::{draft, unique};
use crate::cargo::cargo;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::http::response::Parts;
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use simdock_payments::{Secret, sign_stripe};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A process that ends with this value.
pub struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The program, built if it has to be.
fn simdock() -> PathBuf {
    cargo(&["build", "--quiet", "--locked", "--package", "simdock-local"]);
    std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("debug/simdock")
}

pub async fn call(method: Method, url: String, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
    let (head, body) = ask(method, url, headers, body).await;
    (head.status.as_u16(), body)
}

/// Sends a request; the head of the answer, and its body as JSON.
pub async fn ask(method: Method, url: String, headers: &[(&str, &str)], body: &str) -> (Parts, Value) {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let mut request = Request::builder().method(method).uri(url).header("Content-Type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = client.request(request.body(Full::new(Bytes::from(body.to_owned()))).unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head, serde_json::from_slice(&body).unwrap())
}

async fn ready(file: &Path) -> Value {
    crate::api::eventually("the ready file", async || serde_json::from_slice(&std::fs::read(file).ok()?).ok()).await
}

/// Starts the program with nothing but memory in a folder of its own; what it logs goes into the file `log` there.
pub async fn start() -> (Running, PathBuf, Value) {
    let folder = std::env::temp_dir().join(format!("simdock-logs-{}-{}", std::process::id(), unique()));
    std::fs::create_dir_all(&folder).unwrap();
    let ready_file = folder.join("ready.json");
    let running = Command::new(simdock())
        .args(["--memory", "--port", "0", "--ready-file"])
        .arg(&ready_file)
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(folder.join("log")).unwrap())
        .spawn();
    let running = Running(running.unwrap());
    let ready = ready(&ready_file).await;
    (running, folder, ready)
}

#[tokio::test]
async fn logs_are_json_that_names_the_order_and_no_secret() {
    let (running, folder, ready) = start().await;
    let log = folder.join("log");
    // What comes before is how the stack was filled, without any request.
    let filled = std::fs::read(&log).unwrap().len();
    let text = |name: &str| ready[name].as_str().unwrap().to_owned();
    let (base, partner) = (text("baseUrl"), format!("Bearer {}", text("partnerKey")));

    // One order that goes well, one whose operator fails and whose mail bounces, and requests that are refused.
    let (mut codes, mut signatures, mut nums) = (Vec::new(), Vec::new(), Vec::new());
    for (plan, email) in [("eu-5gb-30d", "ana.secret@example.com"), ("sandbox-1gb-7d", "bounce+secret@simulator.test")] {
        if plan == "sandbox-1gb-7d" {
            // The money of its first card is owed, and Stripe does not accept the key.
            call(Method::POST, format!("{base}/_local/stripe"), &[], "{\"mode\": \"deny\", \"times\": 1}").await;
            call(Method::POST, format!("{base}/_local/operator"), &[], "{\"mode\": \"refuse\", \"times\": 1}").await;
        }
        let mut draft = draft(plan);
        (draft["count"], draft["subscriber"]["email"]) = (json!(2), email.into());
        draft["subscriber"]["name"] = "Ana Secretname".into();
        let headers = [("Authorization", partner.as_str()), ("Idempotency-Key", plan)];
        let (status, order) = call(Method::POST, format!("{base}/v1/orders"), &headers, &draft.to_string()).await;
        assert_eq!(status, 201);
        let event = crate::api::stripe_event(&order).to_string();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let now = simdock_domain::Timestamp::from_unix(i64::try_from(now).unwrap());
        let signature = sign_stripe(now, event.as_bytes(), &Secret::stripe(&text("stripeSecret")).unwrap());
        let hook = format!("{base}/v1/webhooks/payments/stripe");
        call(Method::POST, hook.clone(), &[("Stripe-Signature", &signature)], &format!("{event} ")).await;
        call(Method::POST, hook, &[("Stripe-Signature", &signature)], &event).await;
        signatures.push(signature.split_once("v1=").unwrap().1.to_owned());
        let num = order["orderNum"].as_str().unwrap().to_owned();
        let path = format!("{base}/v1/orders/{num}");
        let order = crate::api::eventually("the end of the order", async || {
            let (_, order) = call(Method::GET, path.clone(), &[("Authorization", partner.as_str())], "").await;
            let mails = crate::api::list(&order, "emails").iter().filter(|mail| mail["status"] == "sent").count();
            (order["fulfilment"] == "completed" && mails == if plan == "eu-5gb-30d" { 2 } else { 3 }).then_some(order)
        })
        .await;
        for card in crate::api::list(&order, "cards") {
            codes.extend(["code", "activationCode"].iter().filter_map(|name| card[name].as_str()).map(str::to_owned));
        }
        nums.push(num);
    }
    let refund = format!("{base}/v1/orders/{}/refund", nums[0]);
    call(Method::POST, refund, &[("Authorization", partner.as_str())], "{\"reason\": \"changed plans\"}").await;
    call(Method::GET, format!("{base}/v1/plans"), &[("Authorization", "Bearer sdk_partner_guessed-key")], "").await;
    call(Method::POST, format!("{base}/_local/sweep"), &[], "{}").await;
    crate::api::eventually("the report of the bounce, and the refund", async || {
        let log = std::fs::read_to_string(&log).unwrap();
        (log.contains("\"function\":\"mail-events\"") && log.contains("given back by the provider")).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(running);

    let log = std::fs::read_to_string(log).unwrap().split_off(filled);
    let lines: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect();
    assert!(lines.len() > 15, "{log}");
    let mut functions = std::collections::BTreeSet::new();
    for line in &lines {
        let (function, id) = (&line["span"]["function"], &line["span"]["requestId"]);
        // What comes from outside of a function is the stack's own.
        if line["span"].is_null() {
            continue;
        }
        assert!(function.is_string() && id.as_str().is_some_and(|id| !id.is_empty()), "{line}");
        functions.insert(function.as_str().unwrap().to_owned());
    }
    let http = ["create-order", "payment-webhook", "read", "refund-order"];
    for function in ["mail-events", "provision", "relay", "send-email", "settle-refund", "sweep"].iter().chain(&http) {
        assert!(functions.contains(*function), "{function} logged nothing: {functions:?}");
    }
    for num in &nums {
        for function in ["create-order", "payment-webhook", "provision", "send-email", "read"] {
            let ours = |line: &&Value| line["span"]["function"] == function && line["span"]["orderNum"] == num.as_str();
            assert!(lines.iter().any(|line| ours(&line)), "{function} does not name {num}");
        }
    }
    let denied =
        |line: &&Value| line["level"] == "ERROR" && line["message"].as_str().unwrap_or_default().contains("STRIPE_SECRET_KEY");
    let denied: Vec<_> = lines.iter().filter(denied).collect();
    assert_eq!(denied.len(), 1, "{log}");
    assert_eq!((&denied[0]["span"]["function"], &denied[0]["span"]["orderNum"]), (&json!("settle-refund"), &json!(nums[1])));
    let keys = ["partnerKey", "otherPartnerKey", "managerKey", "stripeSecret", "standardSecret", "carrierSecret"].map(text);
    let addresses = ["ana.secret@example.com", "bounce+secret@simulator.test", "Secretname", "guessed-key", "LPA:1$", "sk_test_"]
        .map(str::to_owned);
    for secret in keys.iter().chain(&addresses).chain(&codes).chain(&signatures) {
        assert!(secret.len() > 4 && !log.contains(secret.as_str()), "{secret} stands in the log");
    }
    assert_eq!(codes.len(), 6);
    std::fs::remove_dir_all(folder).unwrap();
}

/// What the sweep finds that is no failure stands in its log under the field that the alarms go by, and under no other value.
#[tokio::test]
async fn levels_that_are_low_and_money_owed_for_too_long_raise_their_alarms() {
    let (running, folder, ready) = start().await;
    let text = |name: &str| ready[name].as_str().unwrap().to_owned();
    let (base, partner) = (text("baseUrl"), format!("Bearer {}", text("partnerKey")));
    let place = async |draft: &Value| {
        let headers = [("Authorization", partner.as_str()), ("Idempotency-Key", &*unique().to_string())];
        let (status, order) = call(Method::POST, format!("{base}/v1/orders"), &headers, &draft.to_string()).await;
        assert_eq!(status, 201, "{order}");
        order
    };
    // 1450 EUR, and all but four of the physical cards of a pool.
    let mut many = draft("eu-5gb-30d");
    (many["count"], many["payment"], many["sendEmail"]) = (json!(50), "balance".into(), false.into());
    let mut physical = draft("sandbox-5gb-30d");
    (physical["count"], physical["payment"], physical["formFactor"]) = (json!(6), "balance".into(), "physical".into());
    physical["subscriber"]["postalAddress"] = json!({"lines": ["Calle Mayor 1"], "city": "Madrid", "country": "ES"});
    for draft in [&many, &many, &physical] {
        assert_ne!(place(draft).await["status"], -1);
    }
    // Paid twice, and the provider gives nothing back.
    call(Method::POST, format!("{base}/_local/stripe"), &[], "{\"mode\": \"deny\"}").await;
    let order = place(&draft("eu-5gb-30d")).await;
    let num = order["orderNum"].as_str().unwrap();
    for result in ["paid", "owed_back"] {
        let event = crate::api::stripe_event(&order).to_string();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let now = simdock_domain::Timestamp::from_unix(i64::try_from(now).unwrap());
        let signature = sign_stripe(now, event.as_bytes(), &Secret::stripe(&text("stripeSecret")).unwrap());
        let hook = format!("{base}/v1/webhooks/payments/stripe");
        assert_eq!(call(Method::POST, hook, &[("Stripe-Signature", &signature)], &event).await.1["result"], result);
    }
    let alarms = || {
        let log = std::fs::read_to_string(folder.join("log")).unwrap();
        let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["alarm"].is_string()).collect::<Vec<_>>()
    };
    let about = |lines: &[Value], name: &str| lines.iter().rfind(|line| line["alarm"] == name).cloned().unwrap_or_default();
    let clock = format!("{base}/_local/clock");
    call(Method::POST, clock.clone(), &[], "{\"advance\": \"PT23H\"}").await;
    let found = alarms();
    let low = about(&found, "pool_low");
    assert_eq!((&low["pool"], &low["available"], &low["alarmLevel"]), (&json!("sandbox.1.physical"), &json!(4), &json!(5)));
    let low = about(&found, "balance_low");
    assert_eq!(
        (&low["partnerId"], &low["balance"], &low["alarmLevel"]),
        (&json!("demo-travel"), &json!("8460.00 EUR"), &json!("9000.00 EUR"))
    );
    assert_eq!(about(&found, "refund_stalled"), Value::Null);
    call(Method::POST, clock, &[], "{\"advance\": \"PT2H\"}").await;
    let found = alarms();
    let stalled = about(&found, "refund_stalled");
    assert_eq!((&stalled["orderNum"], &stalled["level"]), (&json!(num), &json!("ERROR")));
    drop(running);

    let template = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/template.yaml")).unwrap();
    for line in &found {
        assert_eq!(line["span"]["function"], "sweep");
        let name = line["alarm"].as_str().unwrap();
        assert!(template.contains(&format!("$.alarm = \"{name}\"")), "{name} is not counted");
        assert!(template.contains(&format!("Dimensions: [{{Name: alarm, Value: {name}}}]")), "{name} has no alarm");
    }
    std::fs::remove_dir_all(folder).unwrap();
}
