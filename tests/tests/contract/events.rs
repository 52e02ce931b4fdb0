//! Every event in `events/`: what each function makes of it, called with it as AWS would.
//!
//! The events name an order, an import and keys that exist nowhere; the tests put in ones that do, and sign anew.

mod cards;
mod desk;
mod reads;
mod settings;
mod subscriptions;

use crate::api::openapi::Contract;
use crate::api::{Answer, By, Site, draft, list, num};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use simdock_domain::{Iccid, LineState, MailKind, MailReport, OrderNum, Timestamp};
use simdock_payments::{sign_standard, sign_stripe};
use simdock_store::SimState;
use std::collections::BTreeSet;
use std::path::Path;

/// The order that the events name.
const ORDER: &str = "EP5R8K2M9QW3TX7YB1";
/// The import that an event names.
const IMPORT: &str = "IMYPMK9DDBJRAQPHMG";
/// A card of that order, where an event names one.
const CARD: &str = "8934501234567890125";
/// A refund of that order, where an event names one.
const REFUND: &str = "RF7W2K9M4QX3TY8ZC1";
/// Stands where a key or signature belongs.
const REPLACED: &str = "REPLACED-BY-TEST";

/// What a request is answered: the status, and the problem's code and field.
type Outcome = (u16, &'static str, &'static str);

/// Requests for orders that are refused.
const REFUSED_ORDERS: &[(&str, Outcome)] = &[
    ("create-order-bad-email", (400, "invalid_field", "subscriber.email")),
    ("create-order-control-character-in-line-name", (400, "invalid_field", "lineName")),
    ("create-order-count-0", (400, "invalid_field", "count")),
    ("create-order-count-51", (400, "invalid_field", "count")),
    ("create-order-count-not-whole", (400, "invalid_field", "count")),
    ("create-order-line-break-in-name", (400, "invalid_field", "subscriber.name")),
    ("create-order-malformed-json", (400, "malformed_json", "")),
    ("create-order-missing-field", (400, "missing_field", "planId")),
    ("create-order-missing-nested-field", (400, "missing_field", "subscriber.email")),
    ("create-order-no-api-key", (401, "unauthenticated", "")),
    ("create-order-no-body", (400, "malformed_json", "")),
    ("create-order-no-content-type", (415, "unsupported_media_type", "Content-Type")),
    ("create-order-no-idempotency-key", (400, "idempotency_key_missing", "Idempotency-Key")),
    ("create-order-over-long-name", (400, "invalid_field", "subscriber.name")),
    ("create-order-over-long-other-order-id", (400, "invalid_field", "otherOrderId")),
    ("create-order-unknown-add-on", (404, "add_on_not_found", "addOnIds")),
    ("create-order-unknown-api-key", (401, "unauthenticated", "")),
    ("create-order-unknown-field", (400, "unknown_field", "colour")),
    ("create-order-unknown-nested-field", (400, "unknown_field", "subscriber.phone")),
    ("create-order-unknown-plan", (404, "plan_not_found", "planId")),
    ("create-order-wrong-content-type", (415, "unsupported_media_type", "Content-Type")),
    ("create-order-wrong-type", (400, "invalid_field", "sendEmail")),
];

/// Requests for orders that create one.
const ORDERS: &[&str] = &["create-order", "create-order-balance", "create-order-base64", "create-order-minimal"];

/// Requests to cancel cards that are refused.
const REFUSED_REFUNDS: &[(&str, Outcome)] = &[
    ("refund-order-empty-list", (400, "invalid_field", "iccids")),
    ("refund-order-malformed-json", (400, "malformed_json", "")),
    ("refund-order-missing-reason", (400, "missing_field", "reason")),
    ("refund-order-no-api-key", (401, "unauthenticated", "")),
    ("refund-order-not-found", (404, "not_found", "")),
    ("refund-order-over-long-reason", (400, "invalid_field", "reason")),
    ("refund-order-unknown-field", (400, "unknown_field", "amount")),
    ("refund-order-unknown-iccid", (400, "invalid_field", "iccids")),
    ("refund-order-wrong-content-type", (415, "unsupported_media_type", "Content-Type")),
];

/// Requests to cancel cards that are carried out: the status that the order has then.
const REFUNDS: &[(&str, i8)] = &[("refund-order-partial", 7), ("refund-order", 6)];

/// Webhooks that are refused.
const REFUSED_WEBHOOKS: &[(&str, Outcome)] = &[
    ("payment-webhook-standard-bad-signature", (400, "bad_signature", "")),
    ("payment-webhook-standard-no-signature", (400, "bad_signature", "")),
    ("payment-webhook-standard-stale-signature", (400, "signature_stale", "")),
    ("payment-webhook-stripe-bad-signature", (400, "bad_signature", "")),
    ("payment-webhook-stripe-malformed-json", (400, "malformed_json", "")),
    ("payment-webhook-stripe-no-signature", (400, "bad_signature", "")),
    ("payment-webhook-stripe-stale-signature", (400, "signature_stale", "")),
    ("payment-webhook-unknown-provider", (404, "not_found", "")),
];

/// Webhooks that are taken: the result, and whether it changes the order, with the reason for which money goes back.
const WEBHOOKS: &[(&str, &str, Option<&str>)] = &[
    ("payment-webhook-standard", "paid", Some("")),
    ("payment-webhook-standard-other-event", "ignored", None),
    ("payment-webhook-stripe", "paid", Some("")),
    ("payment-webhook-stripe-base64", "paid", Some("")),
    ("payment-webhook-stripe-checkout", "paid", Some("")),
    ("payment-webhook-stripe-checkout-async", "paid", Some("")),
    ("payment-webhook-stripe-checkout-unpaid", "ignored", None),
    ("payment-webhook-stripe-other-event", "ignored", None),
    ("payment-webhook-stripe-without-order", "no_order_number", None),
    ("payment-webhook-stripe-wrong-amount", "owed_back", Some("wrong_amount")),
    ("payment-webhook-stripe-wrong-currency", "owed_back", Some("wrong_currency")),
];

/// What became of a refund: its place in the order, its status, and the provider's id of it.
type Settled = (usize, &'static str, &'static str);

/// Webhooks about money that goes back, and what they come to: the result, a refund, and what the history has of it.
const MONEY_BACK: &[(&str, &str, Option<Settled>, &str)] = &[
    ("payment-webhook-stripe-charge-refunded", "recorded", Some((1, "succeeded", THEIRS)), "refunded"),
    ("payment-webhook-stripe-dispute-created", "recorded", None, "disputed"),
    ("payment-webhook-stripe-refund-created", "recorded", Some((0, "requested", OURS)), ""),
    ("payment-webhook-stripe-refund-failed", "recorded", Some((0, "failed", OURS)), "refund_failed"),
    ("payment-webhook-stripe-refund-in-dashboard", "recorded", Some((1, "succeeded", THEIRS)), "refunded"),
    ("payment-webhook-stripe-refund-updated", "recorded", Some((0, "succeeded", OURS)), "refunded"),
];
/// The provider's id of a refund that was asked for here.
const OURS: &str = "re_3SWkT2LkdIwHu7ix0Kd0wq9x";
/// The provider's id of a refund that was made in its dashboard.
const THEIRS: &str = "re_3SWkT2LkdIwHu7ix0Hs5jT3v";

/// Imports that are refused.
const REFUSED_IMPORTS: &[(&str, Outcome)] = &[
    ("import-inventory-bad-form-factor", (400, "invalid_field", "formFactor")),
    ("import-inventory-bad-lines", (422, "invalid_csv", "")),
    ("import-inventory-empty", (422, "invalid_csv", "")),
    ("import-inventory-known-code", (422, "invalid_csv", "")),
    ("import-inventory-no-api-key", (401, "unauthenticated", "")),
    ("import-inventory-no-header", (422, "invalid_csv", "")),
    ("import-inventory-not-csv", (422, "invalid_csv", "")),
    ("import-inventory-wrong-content-type", (415, "unsupported_media_type", "Content-Type")),
];

/// Imports that put cards into stock.
const IMPORTS: &[&str] = &["import-inventory", "import-inventory-bad-lines-skipped", "import-inventory-base64"];

/// Reads that are refused.
const REFUSED_READS: &[(&str, Outcome)] = &[
    ("read-order-no-api-key", (401, "unauthenticated", "")),
    ("read-order-not-an-order-number", (404, "not_found", "")),
    ("read-order-not-found", (404, "not_found", "")),
    ("read-orders-invalid-cursor", (400, "invalid_cursor", "cursor")),
    ("read-orders-limit-101", (400, "invalid_field", "limit")),
    ("read-orders-unknown-parameter", (400, "unknown_field", "page")),
];

/// Reads that are answered.
const READS: &[&str] = &[
    "read-import",
    "read-inventory",
    "read-order",
    "read-orders",
    "read-orders-as-manager",
    "read-orders-filtered",
    "read-plans",
];

/// Reports on a mail, and what they come to.
const REPORTS: &[(&str, Option<MailReport>)] = &[
    ("mail-events-bounce", Some(MailReport::Bounced)),
    ("mail-events-bounce-transient", Some(MailReport::Bounced)),
    ("mail-events-complaint", Some(MailReport::Complained)),
    ("mail-events-delivery-delay", Some(MailReport::Delayed)),
    ("mail-events-reject", Some(MailReport::Rejected)),
    ("mail-events-rendering-failure", Some(MailReport::Rejected)),
    ("mail-events-suppressed", Some(MailReport::Suppressed)),
    ("mail-events-unknown-order", None),
    ("mail-events-without-order", None),
];

/// Changes of orders.
const CHANGES: &[&str] = &["relay-insert", "relay-malformed", "relay-modify"];
/// Jobs.
const JOBS: &[&str] = &["provision", "provision-malformed", "provision-revoke", "send-email", "send-email-malformed"];
/// Jobs that give back what an order owes.
const SETTLEMENTS: &[&str] = &["settle-refund", "settle-refund-malformed"];
/// What comes by the clock.
const SCHEDULED: &[&str] = &["sweep"];

#[test]
fn every_event_is_used() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events");
    let files: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let refused = [REFUSED_ORDERS, REFUSED_REFUNDS, REFUSED_WEBHOOKS, REFUSED_IMPORTS, REFUSED_READS];
    let used: BTreeSet<String> = refused
        .iter()
        .flat_map(|group| group.iter().map(|(name, _)| *name))
        .chain(REFUNDS.iter().map(|(name, _)| *name))
        .chain(WEBHOOKS.iter().map(|(name, ..)| *name))
        .chain(MONEY_BACK.iter().map(|(name, ..)| *name))
        .chain(REPORTS.iter().map(|(name, _)| *name))
        .chain([ORDERS, IMPORTS, READS, CHANGES, JOBS, SETTLEMENTS, SCHEDULED].into_iter().flatten().copied())
        .chain(subscriptions::names())
        .chain(cards::names())
        .chain(desk::names())
        .chain(reads::names())
        .chain(settings::names())
        .map(str::to_owned)
        .collect();
    assert_eq!(files, used);
}

/// The text of an event.
fn text(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../events").join(format!("{name}.json"))).unwrap()
}

/// Whether the body of a request's event keeps to the contract; `None` if it is no JSON, or there is none.
fn fits(contract: &Contract, name: &str) -> Option<bool> {
    let event = about(name, ORDER);
    let (method, path) = (event["requestContext"]["http"]["method"].as_str()?, event["rawPath"].as_str()?);
    let body = serde_json::from_str(event["body"].as_str()?).ok()?;
    let operation = contract.operation(method, path).expect("a route of the contract");
    Some(contract.request_complaints(&operation, &body).is_empty())
}

/// An event about an order of ours.
fn about(name: &str, num: &str) -> Value {
    with(name, &[(ORDER, num)])
}

/// An event with names of ours instead of its own.
fn with(name: &str, ours: &[(&str, &str)]) -> Value {
    let named = |text: String| ours.iter().fold(text, |text, (theirs, ours)| text.replace(theirs, ours));
    let mut event: Value = serde_json::from_str(&named(text(name))).unwrap();
    if event["isBase64Encoded"] == true {
        let body = String::from_utf8(STANDARD.decode(event["body"].as_str().unwrap()).unwrap()).unwrap();
        event["body"] = STANDARD.encode(named(body)).into();
    }
    event
}

impl Site {
    /// Calls the function that an API Gateway event is for, about an order of ours.
    async fn request(&self, name: &str, num: &str, by: By<'_>) -> Answer {
        self.signed(about(name, num), by).await
    }

    /// Calls the function that an API Gateway event is for, with keys and signatures that are good where the event leaves room for
    /// them.
    async fn signed(&self, mut event: Value, by: By<'_>) -> Answer {
        if event["headers"]["authorization"] == format!("Bearer {REPLACED}") {
            let keys = self.stack.keys();
            let key = if matches!(by, By::Manager) { &keys.manager_key } else { &keys.partner_key };
            event["headers"]["authorization"] = format!("Bearer {key}").into();
        }
        self.sign(&mut event);
        self.gateway_event(event).await
    }

    fn sign(&self, event: &mut Value) {
        let body = event["body"].as_str().unwrap_or_default();
        let body = if event["isBase64Encoded"] == true { STANDARD.decode(body).unwrap() } else { body.as_bytes().to_vec() };
        let from_carrier = event["routeKey"] == "POST /v1/sims/{iccid}/events";
        let headers = &mut event["headers"];
        let at = |seconds: &str| Timestamp::from_unix(seconds.parse().unwrap());
        let stripe = headers["stripe-signature"].as_str().and_then(|header| header.strip_suffix(&format!(",v1={REPLACED}")));
        if let Some(time) = stripe.and_then(|header| header.strip_prefix("t=")) {
            headers["stripe-signature"] = sign_stripe(at(time), &body, &self.stripe_secret()).into();
        }
        if headers["webhook-signature"] == format!("v1,{REPLACED}") {
            let (id, time) = (headers["webhook-id"].as_str().unwrap(), headers["webhook-timestamp"].as_str().unwrap());
            let secret = if from_carrier { self.carrier_secret() } else { self.standard_secret() };
            headers["webhook-signature"] = sign_standard(id, at(time), &body, &secret).into();
        }
    }

    /// Sends requests that must be refused, each with its own problem, and without anything being written.
    async fn refuses(&self, requests: &[(&str, Outcome)], num: &str, by: By<'_>) {
        self.refuses_about(requests, &[(ORDER, num)], by).await;
    }

    /// As [`Self::refuses`], with names of ours for all that the events name.
    async fn refuses_about(&self, requests: &[(&str, Outcome)], ours: &[(&str, &str)], by: By<'_>) {
        let before = self.tables().await;
        for (name, (status, code, field)) in requests {
            let answer = self.signed(with(name, ours), by).await;
            answer.problem(*status, code, Some(*field).filter(|field| !field.is_empty()));
            assert!(self.tables().await == before, "{name} wrote something");
        }
    }

    /// How many messages wait in a queue, and what they say.
    async fn waiting(&self, queue: &str) -> Vec<Value> {
        let queue = self.get(format!("/_local/queues/simdock-local-{queue}")).send().await.expect(200);
        let body = |message: &Value| serde_json::from_str(message["body"].as_str().unwrap()).unwrap();
        list(&queue, "messages").iter().map(body).collect()
    }
}

#[tokio::test]
async fn requests_for_orders() {
    let site = Site::still().await;
    site.refuses(REFUSED_ORDERS, ORDER, By::Partner).await;
    let mut nums = Vec::new();
    for name in ORDERS {
        let answer = site.request(name, ORDER, By::Partner).await;
        let replayed = answer.header("idempotency-replayed");
        match *name {
            "create-order" => {
                let order = answer.expect(201);
                assert_eq!((&order["status"], &order["count"]), (&json!(-1), &json!(1)));
                assert_eq!((&order["otherOrderId"], &order["lineName"]), (&json!("shop-1007"), &json!("Spain")));
                nums.push(num(&order).to_owned());
            }
            "create-order-balance" => {
                let order = answer.expect(201);
                assert_eq!((&order["status"], list(&order, "cards").len()), (&json!(0), 50));
            }
            "create-order-base64" => {
                assert_eq!(replayed, Some("true"));
                assert_eq!(num(&answer.expect(200)), nums[0], "the same key and body as in create-order");
            }
            "create-order-minimal" => {
                let order = answer.expect(201);
                assert_eq!((&order["sendEmail"], &order["channel"]), (&json!(true), &json!("partner")));
                assert_eq!(order["subscriber"]["language"], "en");
            }
            other => panic!("{other}"),
        }
    }
    site.stop().await;
}

#[tokio::test]
async fn requests_for_refunds() {
    let site = Site::still().await;
    let mut two = draft("eu-5gb-30d");
    two["count"] = 2.into();
    let order = site.paid(&two).await;
    site.stack.invoke("provision", about("provision", num(&order))).await.unwrap();
    site.refuses(REFUSED_REFUNDS, num(&order), By::Partner).await;

    let iccid = site.read(&order).await["cards"][0]["iccid"].as_str().unwrap().to_owned();
    for (name, status) in REFUNDS {
        let request = async || site.signed(with(name, &[(ORDER, num(&order)), (CARD, &iccid)]), By::Partner).await;
        let cancelling = request().await.expect(202);
        assert_eq!((&cancelling["status"], &cancelling["cards"][0]["status"]), (&json!(status), &json!("cancelling")), "{name}");
        assert_eq!(list(&cancelling, "history").last().unwrap()["event"], "cancellation_requested");
        assert_eq!(request().await.expect(200), cancelling, "{name}: asking twice is asking once");
    }
    let unpaid = site.order(&two).await;
    let problem = site.request("refund-order", num(&unpaid), By::Partner).await.problem(409, "not_refundable", None);
    assert_eq!(problem["reason"], "not_paid");
    site.stop().await;
}

#[tokio::test]
async fn payment_webhooks() {
    let site = Site::still().await;
    site.refuses(REFUSED_WEBHOOKS, ORDER, By::Nobody).await;
    site.stop().await;
    for (name, result, change) in WEBHOOKS {
        // Many of the events tell of one payment, which pays one order only.
        let site = Site::still().await;
        let order = site.order(&draft("eu-5gb-30d")).await;
        let before = site.tables().await;
        let answer = site.request(name, num(&order), By::Nobody).await.expect(200);
        assert_eq!(answer, json!({"received": true, "result": result}), "{name}");
        let Some(reason) = change else {
            assert!(site.tables().await == before, "{name} wrote something");
            site.stop().await;
            continue;
        };
        let paid = site.read(&order).await;
        let payment = &paid["payments"][0];
        assert_eq!(list(&paid, "payments").len(), 1, "{name}");
        if reason.is_empty() {
            let id = if name.contains("standard") { "pay_7Q2M" } else { "pi_3SWkT2LkdIwHu7ix0qJ5dZ1a" };
            assert_eq!((&payment["outcome"], &payment["paymentId"]), (&json!("applied"), &json!(id)), "{name}");
            assert_eq!((&paid["status"], list(&paid, "cards").len()), (&json!(0), 1), "{name}");
        } else {
            assert_eq!((&payment["outcome"], payment["reason"].as_str()), (&json!("returned"), Some(*reason)), "{name}");
            assert_eq!(paid["owed"], json!([payment["received"]]), "{name}");
        }
        let again = site.request(name, num(&order), By::Nobody).await.expect(200);
        assert_eq!(again["result"], "known", "{name}");
        assert_eq!(site.read(&order).await, paid, "{name} changed the order twice");
        site.stop().await;
    }
}

#[tokio::test]
async fn webhooks_about_money_that_goes_back() {
    for (name, result, refund, event) in MONEY_BACK {
        let site = Site::still().await;
        let order = site.order(&draft("eu-5gb-30d")).await;
        assert_eq!(site.request("payment-webhook-stripe", num(&order), By::Nobody).await.expect(200)["result"], "paid");
        site.stack.invoke("provision", about("provision", num(&order))).await.unwrap();
        site.refunding(&order, None).send().await.expect(202);
        site.stack.invoke("provision", about("provision-revoke", num(&order))).await.unwrap();
        let before = site.read(&order).await;
        assert_eq!((&before["status"], &before["refunds"][0]["status"]), (&json!(2), &json!("due")));

        let ours = [(ORDER, num(&order)), (REFUND, before["refunds"][0]["refundId"].as_str().unwrap())];
        let told = async || site.signed(with(name, &ours), By::Nobody).await.expect(200)["result"].clone();
        assert_eq!(told().await, *result, "{name}");
        let after = site.read(&order).await;
        if let Some((place, status, provider_id)) = refund {
            let refund = &after["refunds"][*place];
            assert_eq!((&refund["status"], &refund["providerRefundId"]), (&json!(status), &json!(provider_id)), "{name}");
        }
        let events: Vec<_> =
            list(&after, "history")[list(&before, "history").len()..].iter().map(|entry| &entry["event"]).collect();
        assert_eq!(events, Some(*event).filter(|event| !event.is_empty()).as_slice(), "{name}");
        assert_eq!(told().await, "known", "{name}");
        assert_eq!(site.read(&order).await, after, "{name} changed the order twice");
        site.stop().await;
    }
}

#[tokio::test]
async fn imports() {
    let site = Site::still().await;
    site.refuses(REFUSED_IMPORTS, ORDER, By::Manager).await;
    let bad = site.request("import-inventory-bad-lines", ORDER, By::Manager).await.expect(422);
    let complaints: Vec<_> = list(&bad, "errors").iter().map(|error| (error["line"].clone(), error["code"].clone())).collect();
    let expected = [(3, "iccid_luhn"), (4, "duplicate"), (5, "iccid_length"), (6, "code")];
    assert_eq!(complaints, expected.map(|(line, code)| (json!(line), json!(code))));

    let known = site.request("import-inventory-known-code", ORDER, By::Manager).await.expect(422);
    assert_eq!(known["errors"][0]["code"], "duplicate_code", "a code of the demo's stock");

    let store = site.store().await;
    let cards: Vec<Iccid> = ["8934501234567890125", "8934501234567890133"].iter().map(|text| text.parse().unwrap()).collect();
    for name in IMPORTS {
        match *name {
            "import-inventory" => {
                let done = site.request(name, ORDER, By::Manager).await.expect(201);
                assert_eq!((&done["status"], &done["added"], list(&done, "errors").len()), (&json!("done"), &json!(2), 0));
                assert_eq!(store.known_cards(&cards).await.unwrap().len(), 2, "the F behind a number is no part of it");
                assert_eq!(site.available("meridian.eu1.esim").await, 2);
            }
            "import-inventory-base64" => {
                // Cards that are in stock already, since it holds the same ones.
                let again = site.request(name, ORDER, By::Manager).await;
                assert_eq!(again.expect(201)["added"], 2, "the same file is the same import");
                assert_eq!(site.available("meridian.eu1.esim").await, 2);
            }
            "import-inventory-bad-lines-skipped" => {
                let site = Site::still().await;
                let done = site.request(name, ORDER, By::Manager).await.expect(201);
                let told = (&done["lines"], &done["accepted"], &done["rejected"], &done["added"]);
                assert_eq!(told, (&json!(5), &json!(1), &json!(4), &json!(1)));
                assert_eq!(done["errors"], bad["errors"]);
                assert_eq!(site.available("meridian.eu1.esim").await, 1);
                site.stop().await;
            }
            other => panic!("{other}"),
        }
    }
    site.stop().await;
}

#[tokio::test]
async fn reads() {
    let site = Site::still().await;
    site.refuses(REFUSED_READS, ORDER, By::Partner).await;
    let order = site.request("create-order", ORDER, By::Partner).await.expect(201);
    let import = site.request("import-inventory", ORDER, By::Manager).await.expect(201);
    for name in READS {
        let by = match *name {
            "read-import" | "read-inventory" | "read-orders-as-manager" => By::Manager,
            _ => By::Partner,
        };
        let listed =
            |answer: &Answer| list(&answer.expect(200), "items").iter().map(|order| num(order).to_owned()).collect::<Vec<_>>();
        match *name {
            "read-import" => {
                let mut event: Value =
                    serde_json::from_str(&text(name).replace(IMPORT, import["importId"].as_str().unwrap())).unwrap();
                event["headers"]["authorization"] = format!("Bearer {}", site.stack.keys().manager_key).into();
                assert_eq!(site.gateway_event(event).await.expect(200), import);
            }
            "read-inventory" => {
                let levels = site.request(name, ORDER, by).await.expect(200);
                assert!(
                    list(&levels, "items").iter().any(|level| level["poolId"] == "meridian.eu1.esim" && level["available"] == 2)
                );
            }
            "read-order" => assert_eq!(num(&site.request(name, num(&order), by).await.expect(200)), num(&order)),
            "read-orders" | "read-orders-filtered" => assert_eq!(listed(&site.request(name, ORDER, by).await), [num(&order)]),
            "read-orders-as-manager" => {
                let mut event: Value = serde_json::from_str(&text(name).replace("acme", crate::api::PARTNER)).unwrap();
                event["headers"]["authorization"] = format!("Bearer {}", site.stack.keys().manager_key).into();
                assert_eq!(listed(&site.gateway_event(event).await), [num(&order)]);
                assert_eq!(listed(&site.request(name, ORDER, by).await), Vec::<String>::new(), "there is no partner acme");
            }
            "read-plans" => {
                let plans = site.request(name, ORDER, by).await.expect(200);
                assert!(list(&plans, "items").iter().any(|plan| plan["planId"] == "eu-5gb-30d"));
            }
            other => panic!("{other}"),
        }
    }
    site.stop().await;
}

/// The names and types in an item, without its values: a list by its first entry.
fn shape(item: &Value) -> Value {
    match item {
        Value::Object(members) => members.iter().map(|(name, member)| (name.clone(), shape(member))).collect(),
        Value::Array(items) => items.first().map(shape).into_iter().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Value::Null,
    }
}

#[tokio::test]
async fn changes_of_orders() {
    let site = Site::still().await;
    let order = site.request("create-order", ORDER, By::Partner).await.expect(201);
    let table = site.stack.config().var("ORDERS_TABLE").unwrap().to_owned();
    let queued = async || (site.waiting("provision").await, site.waiting("mail").await);
    let provision = json!({"orderNum": num(&order), "job": "provision"});
    let done = json!({"batchItemFailures": []});
    for name in ["relay-insert", "relay-modify", "relay-malformed"] {
        assert!(CHANGES.contains(&name));
        let event = about(name, num(&order));
        if name == "relay-modify" {
            let paid = site.request("payment-webhook-stripe", num(&order), By::Nobody).await.expect(200);
            assert_eq!(paid["result"], "paid");
        }
        if name != "relay-malformed" {
            let stored = site.scan(&table).await;
            let image = &event["Records"][0]["dynamodb"]["NewImage"];
            assert_eq!(shape(image), shape(&stored[0]), "{name} is not what the table holds");
            simdock_store::order_in_image(image.clone()).unwrap();
        }
        let answer = site.stack.invoke("relay", event).await.unwrap();
        assert_eq!(answer, done, "{name}");
        let expected = match name {
            "relay-insert" => (vec![], vec![]),
            "relay-modify" => (vec![provision.clone()], vec![]),
            // The change before the one that nobody can read is worked; that one is left to the sweep.
            "relay-malformed" => (vec![provision.clone(), provision.clone()], vec![]),
            other => panic!("{other}"),
        };
        assert_eq!(queued().await, expected, "{name}");
    }
    site.stop().await;
}

#[tokio::test]
async fn jobs() {
    let site = Site::still().await;
    let store = site.store().await;
    let last = |name: &str| serde_json::from_str::<Value>(&text(name)).unwrap()["Records"][1]["messageId"].clone();
    let nothing = json!({"batchItemFailures": []});
    let read = async |order: &Value| store.order(&num(order).parse::<OrderNum>().unwrap()).await.unwrap().unwrap();
    let mut draft = draft("sandbox-1gb-7d");
    draft["count"] = 2.into();
    for name in JOBS {
        let order = site.paid(&draft).await;
        match *name {
            "provision" | "provision-malformed" => {
                let comes_back = match *name {
                    "provision" => nothing.clone(),
                    _ => json!({"batchItemFailures": [{"itemIdentifier": last(name)}]}),
                };
                for _ in 0..2 {
                    assert_eq!(site.stack.invoke("provision", about(name, num(&order))).await.unwrap(), comes_back, "{name}");
                }
                let order = read(&order).await;
                let iccids: Vec<Iccid> = order.lines.iter().filter_map(|line| line.iccid.clone()).collect();
                assert!(order.lines.iter().all(|line| line.state == LineState::Live), "{name}");
                let sims = store.sims(&iccids).await.unwrap();
                assert!(sims.len() == 2 && sims.iter().all(|sim| sim.state == SimState::Active), "{name}");
            }
            "provision-revoke" => {
                site.stack.invoke("provision", about("provision", num(&order))).await.unwrap();
                site.refunding(&order, None).send().await.expect(202);
                for _ in 0..2 {
                    assert_eq!(site.stack.invoke("provision", about(name, num(&order))).await.unwrap(), nothing, "{name}");
                }
                let order = read(&order).await;
                assert!(order.lines.iter().all(|line| line.state == LineState::Cancelled), "{name}");
                assert_eq!(order.refunds.len(), 2, "{name}");
                let asked = site.get("/_local/operator").send().await.expect(200);
                let asked: Vec<_> = list(&asked, "revoked").iter().map(|card| (&card["orderNum"], &card["requests"])).collect();
                assert_eq!(asked, [(&json!(order.num.as_str()), &json!(1)); 2], "{name}: each card is asked about once");
            }
            "send-email" | "send-email-malformed" => {
                // One card is refused, so that there is something to tell a manager.
                site.local("operator", json!({"mode": "refuse", "times": 1})).await;
                site.stack.invoke("provision", about("provision", num(&order))).await.unwrap();
                let comes_back = match *name {
                    "send-email" => nothing.clone(),
                    _ => json!({"batchItemFailures": [{"itemIdentifier": last(name)}]}),
                };
                let sent = [MailKind::Confirmation, MailKind::Qr, MailKind::Manager];
                for _ in 0..2 {
                    assert_eq!(site.stack.invoke("send-email", about(name, num(&order))).await.unwrap(), comes_back, "{name}");
                }
                for kind in MailKind::ALL {
                    let mails = site.mails(&order, kind.name()).await;
                    assert_eq!(mails.len(), usize::from(sent.contains(kind)), "{name}: {}", kind.name());
                }
            }
            other => panic!("{other}"),
        }
    }
    site.stop().await;
}

#[tokio::test]
async fn settlements() {
    let site = Site::still().await;
    let store = site.store().await;
    let balance = async || store.balance(crate::api::PARTNER, "EUR".parse().unwrap()).await.unwrap();
    let mut by_balance = draft("eu-5gb-30d");
    by_balance["payment"] = "balance".into();
    for name in SETTLEMENTS {
        let before = balance().await;
        let orders = [site.paid(&draft("eu-5gb-30d")).await, site.order(&by_balance).await];
        for order in &orders {
            let num = num(order);
            site.stack.invoke("provision", about("provision", num)).await.unwrap();
            site.refunding(order, None).send().await.expect(202);
            site.stack.invoke("provision", about("provision-revoke", num)).await.unwrap();
            let mut failures = Vec::new();
            if *name == "settle-refund-malformed" {
                failures.push(json!({"itemIdentifier": about(name, num)["Records"][1]["messageId"]}));
            }
            for _ in 0..2 {
                let answer = site.stack.invoke("settle-refund", about(name, num)).await.unwrap();
                assert_eq!(answer, json!({ "batchItemFailures": failures }), "{name}");
            }
            let order = site.read(order).await;
            assert_eq!((&order["refunds"][0]["status"], &order["owed"]), (&json!("succeeded"), &json!([])), "{name}");
        }
        assert_eq!(balance().await, before, "{name}: what was spent is back, once");
        let stripe = site.get("/_local/stripe").send().await.expect(200);
        let payment = &site.read(&orders[0]).await["payments"][0]["paymentId"];
        let asked: Vec<_> = list(&stripe, "refunds").iter().filter(|refund| refund["paymentIntent"] == *payment).collect();
        assert_eq!((asked.len(), &asked[0]["requests"]), (1, &json!(1)), "{name}: {stripe}");
    }
    site.stop().await;
}

#[tokio::test]
async fn reports_on_mails() {
    let site = Site::still().await;
    let store = site.store().await;
    for (name, report) in REPORTS {
        let order = site.paid(&draft("eu-5gb-30d")).await;
        site.stack.invoke("provision", about("provision", num(&order))).await.unwrap();
        site.stack.invoke("send-email", about("send-email", num(&order))).await.unwrap();
        let before = site.tables().await;
        for _ in 0..2 {
            site.stack.invoke("mail-events", about(name, num(&order))).await.unwrap();
        }
        match report {
            None => assert!(site.tables().await == before, "{name} wrote something"),
            Some(report) => {
                let order = store.order(&num(&order).parse::<OrderNum>().unwrap()).await.unwrap().unwrap();
                assert_eq!(order.mail(MailKind::Qr).unwrap().report.unwrap().0, *report, "{name}");
                assert_eq!(order.mail(MailKind::Confirmation).unwrap().report, None, "{name}");
                let manager = order.mail(MailKind::Manager).is_some();
                assert_eq!(manager, *report != MailReport::Delayed, "{name}: a manager has to know");
            }
        }
    }
    site.stop().await;
}

#[tokio::test]
async fn the_sweep() {
    let site = Site::still().await;
    let unpaid = site.order(&draft("eu-5gb-30d")).await;
    let paid = site.paid(&draft("sandbox-1gb-7d")).await;
    site.stack.clock().advance(std::time::Duration::from_mins(31));
    for (name, voided, requeued) in [("sweep", 1, 2), ("sweep", 0, 0)] {
        assert!(SCHEDULED.contains(&name));
        let swept = site.stack.invoke("sweep", about(name, ORDER)).await.unwrap();
        assert_eq!(
            (&swept["voided"], &swept["requeued"], &swept["failed"]),
            (&json!(voided), &json!(requeued), &json!(0)),
            "{swept}"
        );
    }
    assert_eq!(site.read(&unpaid).await["voidReason"], "not_paid_in_time");
    assert_eq!(site.waiting("provision").await, [json!({"orderNum": num(&paid), "job": "provision"})]);
    site.stop().await;
}
