//! What those see who run it: an order's path through the logs, metrics in the embedded format, and an alarm, a graph and a page for
//! each of them.

use crate::api::{draft, eventually, list, stripe_event, unique};
use crate::logs::{ask, call, start};
use hyper::Method;
use regex_lite::Regex;
use serde_json::{Value, json};
use simdock_payments::{Secret, sign_stripe};
use simdock_runtime::Metric;
use std::collections::BTreeSet;
use std::path::PathBuf;

const TEMPLATE: &str = include_str!("../../../infra/template.yaml");
const RUNBOOK: &str = include_str!("../../../infra/RUNBOOK.md");

/// A program of its own, its log, and what it says about itself.
struct Shop {
    folder: PathBuf,
    ready: Value,
}

impl Shop {
    fn text(&self, name: &str) -> &str {
        self.ready[name].as_str().unwrap()
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.text("baseUrl"))
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.text("partnerKey"))
    }

    fn log(&self) -> Vec<Value> {
        let log = std::fs::read_to_string(self.folder.join("log")).unwrap();
        log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Places an order; the request's id, and the order.
    async fn place(&self, draft: &Value) -> (String, Value) {
        let headers = [("Authorization", &*self.bearer()), ("Idempotency-Key", &*unique().to_string())];
        let (head, order) = ask(Method::POST, self.url("/v1/orders"), &headers, &draft.to_string()).await;
        assert_eq!(head.status, 201, "{order}");
        (head.headers["x-request-id"].to_str().unwrap().to_owned(), order)
    }

    /// Tells of a payment as Stripe does; what was answered.
    async fn pay(&self, order: &Value) -> Value {
        let event = stripe_event(order).to_string();
        let clock = call(Method::GET, self.url("/_local/clock"), &[], "").await.1;
        let now = clock["now"].as_str().unwrap().parse().unwrap();
        let signature = sign_stripe(now, event.as_bytes(), &Secret::stripe(self.text("stripeSecret")).unwrap());
        call(Method::POST, self.url("/v1/webhooks/payments/stripe"), &[("Stripe-Signature", &signature)], &event).await.1
    }

    /// An order once it is delivered and so many mails of it are sent.
    async fn delivered(&self, order: &Value, mails: usize) -> Value {
        let path = self.url(&format!("/v1/orders/{}", order["orderNum"].as_str().unwrap()));
        eventually("the end of the order", async || {
            let (_, order) = call(Method::GET, path.clone(), &[("Authorization", &self.bearer())], "").await;
            let sent = list(&order, "emails").iter().filter(|mail| mail["status"] == "sent").count();
            (order["fulfilment"] == "completed" && sent == mails).then_some(order)
        })
        .await
    }

    async fn control(&self, path: &str, body: Value) {
        let (status, answer) = call(Method::POST, self.url(&format!("/_local/{path}")), &[], &body.to_string()).await;
        assert_eq!(status, 200, "{answer}");
    }
}

#[tokio::test]
async fn an_order_is_followed_from_its_request_to_its_mail() {
    let (running, folder, ready) = start().await;
    let shop = Shop { folder, ready };
    let (request, order) = shop.place(&draft("sandbox-1gb-7d")).await;
    assert_eq!(shop.pay(&order).await["result"], "paid");
    shop.delivered(&order, 2).await;
    let log = eventually("the last line and the last metric", async || {
        let log = shop.log();
        let sent = log.iter().filter(|line| line["span"]["function"] == "send-email" && line["message"] == "sent").count();
        let timed = log.iter().any(|line| line["PaymentToMail"].is_number() && line["orderNum"] == order["orderNum"]);
        (sent == 2 && timed).then_some(log)
    })
    .await;
    let (_, mails) = call(Method::GET, shop.url("/mailbox.json"), &[], "").await;
    drop(running);

    // The answer's id leads to the order, and the order to everything else.
    let of_request = |line: &&Value| line["span"]["requestId"] == *request;
    let num = log.iter().filter(of_request).find_map(|line| line["span"]["orderNum"].as_str()).unwrap();
    assert_eq!(num, order["orderNum"]);
    let path: Vec<(&str, &str)> = log
        .iter()
        .filter(|line| line["span"]["orderNum"] == num)
        .map(|line| (line["span"]["function"].as_str().unwrap(), line["message"].as_str().unwrap()))
        .filter(|(function, _)| *function != "read")
        .collect();
    for step in [
        ("create-order", "answered"),
        ("payment-webhook", "answered"),
        ("relay", "queued"),
        ("provision", "provisioned"),
        ("send-email", "sent"),
    ] {
        assert!(path.contains(&step), "{step:?} is not in {path:?}");
    }
    // Each job is one message from whoever queued it to whoever worked it, and each mail has the id that SES gave it.
    let of = |function: &'static str, message: &'static str| {
        log.iter().filter(move |line| line["span"]["function"] == function && line["message"] == message)
    };
    for (job, worker, end) in [("provision", "provision", "provisioned"), ("mail", "send-email", "sent")] {
        let queued: BTreeSet<&str> =
            of("relay", "queued").filter(|line| line["job"] == job).map(|line| line["messageId"].as_str().unwrap()).collect();
        let worked: BTreeSet<&str> = of(worker, end).map(|line| line["span"]["messageId"].as_str().unwrap()).collect();
        assert!(!worked.is_empty() && worked.is_subset(&queued), "{job}: {worked:?} of {queued:?}");
    }
    let ids = |mails: &[Value], name: &str| -> BTreeSet<String> {
        mails.iter().map(|mail| mail[name].as_str().unwrap().to_owned()).collect()
    };
    let sent: Vec<Value> = of("send-email", "sent").cloned().collect();
    assert_eq!(ids(&sent, "sesMessageId"), ids(mails.as_array().unwrap(), "id"));
    // There is one order: whoever worked on it says so in every line.
    for line in log.iter().filter(|line| !line["span"].is_null()) {
        let function = line["span"]["function"].as_str().unwrap();
        if ["create-order", "payment-webhook", "relay", "provision", "send-email"].contains(&function) {
            assert_eq!(line["span"]["orderNum"], num, "{line}");
        }
    }
    let measured = log.iter().filter(|line| line["_aws"].is_object() && line["orderNum"] == num).count();
    assert_eq!(measured, 3, "unpaid, normal, and the time until the mail");
    std::fs::remove_dir_all(shop.folder).unwrap();
}

/// Holds a line to the embedded metric format; the names of its metrics.
fn metrics_of(line: &Value) -> Vec<String> {
    let directives = line["_aws"]["CloudWatchMetrics"].as_array().unwrap();
    assert!(line["_aws"]["Timestamp"].as_i64().is_some_and(|time| time > 1_500_000_000_000), "{line}");
    assert!(!directives.is_empty() && line.to_string().len() < 256 * 1024, "{line}");
    let mut names = Vec::new();
    for directive in directives {
        assert_eq!(directive["Namespace"], "simdock-local", "{line}");
        for set in directive["Dimensions"].as_array().unwrap() {
            let set = set.as_array().unwrap();
            assert!(set.len() <= 30, "{line}");
            for name in set {
                let value = line[name.as_str().unwrap()].as_str().unwrap();
                assert!((1..=1024).contains(&value.len()) && value.is_ascii(), "{line}");
                assert!(!value.starts_with("EP"), "an order is no dimension: {line}");
            }
        }
        for metric in directive["Metrics"].as_array().unwrap() {
            let name = metric["Name"].as_str().unwrap();
            assert!(["Seconds", "Count"].contains(&metric["Unit"].as_str().unwrap()), "{line}");
            assert!(line[name].is_number(), "{line}");
            names.push(name.to_owned());
        }
    }
    names
}

#[tokio::test]
async fn what_happens_is_measured() {
    let (running, folder, ready) = start().await;
    let shop = Shop { folder, ready };
    // Of two cards one fails, and its money is owed; the mail comes back.
    shop.control("operator", json!({"mode": "refuse", "times": 1})).await;
    let mut two = draft("sandbox-1gb-7d");
    (two["count"], two["subscriber"]["email"]) = (json!(2), "bounce@simulator.test".into());
    let (_, order) = shop.place(&two).await;
    assert_eq!(shop.pay(&order).await["result"], "paid");
    shop.delivered(&order, 3).await;
    // Paid twice; a payment of no order; a webhook that nobody signed.
    assert_eq!(shop.pay(&order).await["result"], "owed_back");
    let stray = json!({"orderNum": "EP0000000000000000", "price": order["price"]});
    assert_eq!(shop.pay(&stray).await["result"], "unknown_order");
    let hook = shop.url("/v1/webhooks/payments/stripe");
    assert_eq!(call(Method::POST, hook, &[("Stripe-Signature", "t=1,v1=00")], "{}").await.0, 400);
    // A job that gets lost, and the sweep that finds it.
    shop.control("pause", json!({"source": "relay", "paused": true})).await;
    let (_, lost) = shop.place(&draft("eu-5gb-30d")).await;
    assert_eq!(shop.pay(&lost).await["result"], "paid");
    shop.control("clock", json!({"advance": "PT10M"})).await;
    shop.control("sweep", json!({})).await;
    shop.control("pause", json!({"source": "relay", "paused": false})).await;
    shop.delivered(&lost, 2).await;

    let measured = || -> Vec<(String, Value)> {
        let lines = shop.log().into_iter().filter(|line| line["_aws"].is_object());
        lines.flat_map(|line| metrics_of(&line).into_iter().map(move |name| (name, line.clone()))).collect()
    };
    // What needs fifteen attempts, or a buyer who dies between two writes, is left out.
    let rare = [Metric::MailsGivenUp, Metric::TicketsReturned];
    let wanted: BTreeSet<&str> = Metric::ALL.into_iter().filter(|metric| !rare.contains(metric)).map(Metric::name).collect();
    let measured = eventually("a value of each metric", async || {
        let measured = measured();
        let has = |name: &str, of: &Value| measured.iter().any(|(known, line)| known == name && line["orderNum"] == *of);
        let timed = has(Metric::PaymentToMail.name(), &lost["orderNum"]);
        let gone =
            measured.iter().any(|(_, line)| line["orderNum"] == order["orderNum"] && line["Status"] == "partial_unsubscribed");
        let opened = measured.iter().filter(|(name, _)| name == Metric::RefundsOpened.name()).count() == 2;
        let each = wanted.iter().all(|name| measured.iter().any(|(known, _)| known == name));
        (timed && gone && opened && each).then_some(measured)
    })
    .await;
    drop(running);
    let of = |metric: Metric| -> Vec<&Value> {
        measured.iter().filter(|(name, _)| name == metric.name()).map(|(_, line)| line).collect()
    };
    let known: BTreeSet<&str> = Metric::ALL.into_iter().map(Metric::name).collect();
    assert!(measured.iter().all(|(name, _)| known.contains(name.as_str())));
    let statuses = |num: &Value| -> Vec<String> {
        let ours = of(Metric::OrdersBecame).into_iter().filter(|line| line["orderNum"] == *num);
        ours.map(|line| line["Status"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(statuses(&lost["orderNum"]), ["unpaid", "normal"]);
    assert_eq!(statuses(&order["orderNum"]), ["unpaid", "normal", "partial_unsubscribing", "partial_unsubscribed"]);
    let late = of(Metric::PaymentToMail).into_iter().find(|line| line["orderNum"] == lost["orderNum"]).unwrap();
    assert!(late["PaymentToMail"].as_i64().unwrap() >= 600, "{late}");
    assert_eq!(of(Metric::PaymentsReturned)[0]["Reason"], "paid_twice");
    assert_eq!(of(Metric::PaymentsUnbooked)[0]["Reason"], "unknown_order");
    assert_eq!(of(Metric::WebhooksRefused)[0]["Reason"], "signature_stale");
    assert_eq!(of(Metric::MailsReported)[0]["Report"], "bounced");
    assert_eq!(of(Metric::RefundsOpened).len(), 2);
    let level = of(Metric::PoolAvailable).into_iter().rfind(|line| line["Pool"] == "sandbox.1.esim").unwrap();
    assert_eq!(level["PoolAvailable"], 28);
    std::fs::remove_dir_all(shop.folder).unwrap();
}

/// The names of the alarms, without the stage.
fn alarms() -> BTreeSet<&'static str> {
    let name = Regex::new(r"AlarmName: !Sub simdock-\$\{Stage\}-([a-z0-9-]+)").unwrap();
    name.captures_iter(TEMPLATE).map(|found| found.get(1).unwrap().as_str()).collect()
}

/// The dashboard's widgets, with `x` for what is put in when it is deployed.
fn widgets() -> Vec<Value> {
    let body = TEMPLATE.split_once("DashboardBody: !Sub |-\n").unwrap().1;
    let body: String = body.lines().take_while(|line| line.starts_with("        ")).collect();
    let body = Regex::new(r"\$\{[A-Za-z:.]+\}").unwrap().replace_all(&body, "x");
    let mut board: Value = serde_json::from_str(&body).unwrap();
    match board["widgets"].take() {
        Value::Array(widgets) => widgets,
        other => panic!("{other}"),
    }
}

#[test]
fn every_metric_has_an_alarm_and_a_graph() {
    // Of single metrics, and of those that an expression goes by.
    let ours = Regex::new(r"[ ]Namespace: !Sub simdock-\$\{Stage\}\n +MetricName: (\w+)\n").unwrap();
    let alarmed: BTreeSet<&str> = ours.captures_iter(TEMPLATE).map(|found| found.get(1).unwrap().as_str()).collect();
    let graphs: String = widgets().iter().map(|widget| widget["properties"]["metrics"].to_string()).collect();
    for metric in Metric::ALL {
        let shown = graphs.contains(&format!("[\"simdock-x\",\"{}\"", metric.name()))
            || graphs.contains(&format!("MetricName=\\\"{}\\\"", metric.name()));
        assert!(shown, "{} has no graph", metric.name());
        // What is too few cards is each pool's own: the sweep compares, and its word is counted.
        let told = metric == Metric::PoolAvailable && alarms().contains("pool-low");
        assert!(told || alarmed.contains(metric.name()), "{} has no alarm", metric.name());
    }
    let unknown: Vec<_> = alarmed.iter().filter(|name| Metric::ALL.iter().all(|metric| metric.name() != **name)).collect();
    assert_eq!(unknown, [&"Alarms"], "nobody measures them");
    let mut places = BTreeSet::new();
    for widget in widgets() {
        let place = (widget["x"].as_u64().unwrap(), widget["y"].as_u64().unwrap());
        assert!(places.insert(place) && place.0 % 8 == 0 && place.1 % 6 == 0, "{place:?}");
    }
}

#[test]
fn the_runbook_explains_every_alarm_and_every_rule_and_no_other() {
    let section = |heading: &str| RUNBOOK.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
    let explained = |heading: &str| -> BTreeSet<&str> {
        let rows = section(heading).lines().filter(|line| line.starts_with("| `"));
        rows.flat_map(|row| row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2)).collect()
    };
    assert_eq!(explained("Alarms"), alarms());
    let rules: BTreeSet<&str> = simdock_audit::Rule::ALL.iter().map(|rule| rule.name()).collect();
    assert_eq!(explained("What the doctor says"), rules);
}
