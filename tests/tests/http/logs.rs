//! What the functions log, which is looked at from outside: on the standard error of a `simdock` of its own.

use crate::api::{draft, unique};
use crate::cargo::cargo;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use simdock_payments::{Secret, sign_stripe};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A process that ends with this value.
struct Running(Child);

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

async fn call(method: Method, url: String, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let mut request = Request::builder().method(method).uri(url).header("Content-Type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = client.request(request.body(Full::new(Bytes::from(body.to_owned()))).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

async fn ready(file: &Path) -> Value {
    crate::api::eventually("the ready file", async || serde_json::from_slice(&std::fs::read(file).ok()?).ok()).await
}

#[tokio::test]
async fn logs_are_json_that_names_the_order_and_no_secret() {
    let folder = std::env::temp_dir().join(format!("simdock-logs-{}-{}", std::process::id(), unique()));
    std::fs::create_dir_all(&folder).unwrap();
    let (ready_file, log) = (folder.join("ready.json"), folder.join("log"));
    let running = Command::new(simdock())
        .args(["--memory", "--port", "0", "--ready-file"])
        .arg(&ready_file)
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn();
    let running = Running(running.unwrap());
    let ready = ready(&ready_file).await;
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
