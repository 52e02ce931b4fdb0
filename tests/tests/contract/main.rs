//! Holds together what is deployed (`infra/template.yaml`), what is promised (`infra/openapi.yaml`), what is answered, and the
//! events in `events/`.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

mod answers;
#[path = "../api/mod.rs"]
mod api;
mod between;
mod events;

use api::openapi::Contract;
use api::{Answer, Site};
use bytes::Bytes;
use hyper::HeaderMap;
use serde_json::json;
use std::collections::BTreeSet;

/// Which function does which operation.
const FUNCTIONS: &[(&str, &str)] = &[
    ("createOrder", "create-order"),
    ("listOrders", "read"),
    ("getOrder", "read"),
    ("getOrderActions", "read"),
    ("countAttention", "read"),
    ("refundOrder", "refund-order"),
    ("renewOrder", "renew-order"),
    ("listSubscriptions", "read"),
    ("getSubscription", "read"),
    ("getSubscriptionActions", "read"),
    ("topUpSubscription", "top-up-subscription"),
    ("cancelSubscription", "cancel-subscription"),
    ("swapSim", "swap-sim"),
    ("suspendSubscription", "suspend-subscription"),
    ("resumeSubscription", "suspend-subscription"),
    ("reportSimEvent", "sim-events"),
    ("shipOrder", "manage-order"),
    ("editRecipient", "manage-order"),
    ("sendEmail", "manage-order"),
    ("retryOrder", "manage-order"),
    ("settleRefund", "manage-order"),
    ("noteOrder", "manage-order"),
    ("editSim", "manage-sim"),
    ("archiveSim", "manage-sim"),
    ("restoreSim", "manage-sim"),
    ("listSims", "read"),
    ("getSim", "read"),
    ("listPlans", "read"),
    ("listInventory", "read"),
    ("importInventory", "import-inventory"),
    ("getImport", "read"),
    ("receivePaymentWebhook", "payment-webhook"),
    ("getPlan", "read"),
    ("putPlan", "manage-plans"),
    ("getInventory", "read"),
    ("changeInventory", "manage-inventory"),
    ("listImports", "read"),
    ("listPartners", "read"),
    ("createPartner", "manage-partners"),
    ("getPartner", "read"),
    ("changePartner", "manage-partners"),
    ("getLedger", "read"),
    ("creditPartner", "manage-partners"),
    ("listKeys", "read"),
    ("createKey", "manage-partners"),
    ("endKey", "manage-partners"),
    ("getAuditLog", "read"),
];

/// The console is for people: its pages are in no contract.
fn is_api((_, _, function): &(&str, &str, &str)) -> bool {
    *function != "console"
}

#[tokio::test]
async fn the_routes_of_the_template_are_the_operations_of_the_contract() {
    let site = Site::still().await;
    let deployed: BTreeSet<String> =
        site.stack.routes().filter(is_api).map(|(method, path, function)| format!("{method} {path} -> {function}")).collect();
    let promised: BTreeSet<String> = site
        .contract
        .operations()
        .into_iter()
        .map(|operation| {
            let function = FUNCTIONS.iter().find(|(id, _)| *id == operation.id).unwrap_or_else(|| panic!("{}", operation.id)).1;
            format!("{} {} -> {function}", operation.method, operation.path)
        })
        .collect();
    assert_eq!(deployed, promised);
    site.stop().await;
}

#[test]
fn the_examples_of_the_contract_keep_to_it() {
    assert_eq!(Contract::load().example_complaints(), Vec::<String>::new());
}

/// The check itself notices what it is there for.
#[test]
fn what_is_not_documented_is_noticed() {
    let contract = Contract::load();
    let operation = contract.operation("GET", "/v1/inventory").unwrap();
    let answer = |status: u16, header: (&'static str, &'static str), body: &serde_json::Value| {
        let mut headers = HeaderMap::new();
        headers
            .insert("content-type", if status < 400 { "application/json" } else { "application/problem+json" }.parse().unwrap());
        headers.insert(header.0, header.1.parse().unwrap());
        contract.complaints(&operation, &Answer { status, headers, body: Bytes::from(body.to_string()) })
    };
    let level = json!({"poolId": "a.b.esim", "operator": "a", "imsiProfile": "b", "formFactor": "esim", "available": 1, "added": 2, "drawn": 1, "alarmLevel": 0, "low": false});
    let with = |name: &str, value: serde_json::Value| {
        let mut level = level.clone();
        level[name] = value;
        json!({ "items": [level] })
    };
    let plain = ("date", "now");
    assert_eq!(answer(200, plain, &with("drawn", json!(0))), Vec::<String>::new());
    let mut missing = with("drawn", json!(0));
    missing["items"][0].as_object_mut().unwrap().remove("drawn");
    let problem = |code: &str, title: &str| json!({"type": format!("urn:simdock:problem:{code}"), "title": title, "status": 401, "detail": "x", "code": code, "instance": "x"});
    for (what, complaints) in [
        ("a status", answer(204, plain, &json!({}))),
        ("a header", answer(200, ("x-powered-by", "rust"), &with("drawn", json!(0)))),
        ("a content type", answer(200, ("content-type", "text/html"), &with("drawn", json!(0)))),
        ("a field", answer(200, plain, &with("colour", json!("red")))),
        ("a missing field", answer(200, plain, &missing)),
        ("a type", answer(200, plain, &with("added", json!("2")))),
        ("a null", answer(200, plain, &with("added", json!(null)))),
        ("a fraction", answer(200, plain, &with("added", json!(1.5)))),
        ("a minimum", answer(200, plain, &with("added", json!(-1)))),
        ("a pattern", answer(200, plain, &with("operator", json!("A B")))),
        ("an enumeration", answer(200, plain, &with("formFactor", json!("nano")))),
        ("a missing header", answer(401, plain, &problem("unauthenticated", "Not authenticated"))),
        ("another code", answer(401, ("www-authenticate", "Bearer"), &problem("forbidden", "Forbidden"))),
        ("another title", answer(401, ("www-authenticate", "Bearer"), &problem("unauthenticated", "Who?"))),
    ] {
        assert!(!complaints.is_empty(), "{what} went by unnoticed");
    }
    assert_eq!(
        answer(401, ("www-authenticate", "Bearer"), &problem("unauthenticated", "Not authenticated")),
        Vec::<String>::new()
    );
}
