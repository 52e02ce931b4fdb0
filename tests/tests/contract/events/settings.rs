//! The events about partners, keys, plans and stock.

use super::{Outcome, fits, with};
use crate::api::openapi::Contract;
use crate::api::{By, PARTNER, Site, list};
use serde_json::{Value, json};

/// The key that events name.
const KEY: &str = "KY5R8K2M9QW3TX7YB1";

/// What managers ask that is refused.
const REFUSED: &[(&str, Outcome)] = &[
    ("manage-inventory-below-zero", (400, "invalid_field", "alarmLevel")),
    ("manage-inventory-not-found", (404, "not_found", "")),
    ("manage-partners-bad-id", (400, "invalid_field", "partnerId")),
    ("manage-partners-credit-bad-currency", (400, "invalid_field", "amount.currency")),
    ("manage-partners-credit-no-idempotency-key", (400, "idempotency_key_missing", "Idempotency-Key")),
    ("manage-partners-end-key-too-late", (400, "invalid_field", "endsAt")),
    ("manage-partners-key-not-found", (404, "not_found", "")),
    ("manage-partners-malformed-json", (400, "malformed_json", "")),
    ("manage-partners-no-api-key", (401, "unauthenticated", "")),
    ("manage-partners-unknown-field", (400, "unknown_field", "gifts")),
    ("manage-partners-wrong-content-type", (415, "unsupported_media_type", "Content-Type")),
    ("manage-plans-missing-currency", (400, "missing_field", "price.currency")),
    ("manage-plans-unknown-operator", (400, "invalid_field", "profiles[0].operator")),
    ("manage-plans-version-conflict", (409, "version_conflict", "basedOn")),
    ("read-audit-bad-time", (400, "invalid_field", "from")),
];

/// What partners ask that is not for them.
const REFUSED_TO_PARTNERS: &[(&str, Outcome)] =
    &[("manage-partners-by-partner", (403, "forbidden", "")), ("read-ledger-of-another", (404, "not_found", ""))];

/// What managers ask that is done, in this sequence.
const DONE: &[&str] = &[
    "manage-partners-create",
    "manage-partners-change",
    "manage-partners-credit",
    "manage-partners-create-key",
    "manage-partners-end-key",
    "manage-plans",
    "manage-inventory",
    "import-inventory-dry-run",
];

/// What is read then.
const READS: &[&str] =
    &["read-audit", "read-imports", "read-keys", "read-ledger", "read-partner", "read-partners", "read-plan", "read-pool"];

/// What is refused although its form is good.
const BEYOND_THE_SCHEMAS: &[&str] = &["manage-partners-end-key-too-late", "manage-plans-unknown-operator"];

/// Every event that is used here.
pub fn names() -> impl Iterator<Item = &'static str> {
    REFUSED.iter().chain(REFUSED_TO_PARTNERS).map(|(name, _)| *name).chain(DONE.iter().chain(READS).copied())
}

#[test]
fn bodies_keep_to_the_contract_if_and_only_if_they_are_good() {
    let contract = Contract::load();
    for (name, (_, code, _)) in REFUSED.iter().filter(|(name, _)| !name.starts_with("read-")) {
        if ["unknown_field", "missing_field", "invalid_field"].contains(code) {
            assert_eq!(fits(&contract, name), Some(BEYOND_THE_SCHEMAS.contains(name)), "{name}");
        }
    }
    for name in DONE.iter().filter(|name| !name.starts_with("import-")) {
        assert_eq!(fits(&contract, name), Some(true), "{name}");
    }
}

#[tokio::test]
async fn requests_about_partners_plans_and_stock() {
    let site = Site::still().await;
    site.refuses_about(REFUSED, &[], By::Manager).await;
    site.refuses_about(REFUSED_TO_PARTNERS, &[], By::Partner).await;

    let mut key = KEY.to_owned();
    for name in DONE {
        let before = site.tables().await;
        let answer = site.signed(with(name, &[(KEY, &key)]), By::Manager).await;
        match *name {
            "manage-partners-create" => assert_eq!(answer.expect(201)["giftQuota"], 5),
            "manage-partners-change" => assert_eq!(answer.expect(200)["balances"][0]["low"], true),
            "manage-partners-credit" => assert_eq!(answer.expect(201)["balance"]["amount"], 100_000),
            "manage-partners-create-key" => {
                let made = answer.expect(201);
                made["keyId"].as_str().unwrap().clone_into(&mut key);
                assert_eq!((&made["partnerId"], &made["status"]), (&json!("acme"), &json!("good")));
            }
            "manage-partners-end-key" => assert_eq!(answer.expect(200)["status"], "ending"),
            "manage-plans" => assert_eq!(answer.expect(201)["versions"], json!([1])),
            "manage-inventory" => assert_eq!(answer.expect(200)["alarmLevel"], 100),
            "import-inventory-dry-run" => {
                let judged = answer.expect(200);
                assert_eq!((&judged["status"], &judged["rejected"]), (&json!("checked"), &json!(4)));
                assert!(site.tables().await == before, "it was imported");
            }
            other => panic!("{other}"),
        }
        let logged = site.tables().await["PARTNERS_TABLE"].iter().filter(|item| item.contains("audit#")).count();
        let before = before["PARTNERS_TABLE"].iter().filter(|item| item.contains("audit#")).count();
        assert_eq!(logged - before, usize::from(*name != "import-inventory-dry-run"), "{name} in the log");
    }
    for name in READS {
        let read = site.signed(with(name, &[]), By::Manager).await.expect(200);
        let items = |of: &str| list(&read, "items").iter().map(|item| item[of].clone()).collect::<Vec<Value>>();
        match *name {
            "read-audit" => assert!(items("action").contains(&json!("plan_put"))),
            "read-imports" => assert_eq!(items("status"), [json!("done")]),
            "read-keys" => assert_eq!((items("keyId"), items("status")), (vec![json!(key)], vec![json!("ending")])),
            "read-ledger" => assert_eq!(items("note"), [json!("Transfer of 21 November")]),
            "read-partner" => assert_eq!(read["balances"][0]["amount"], 100_000),
            "read-partners" => assert_eq!(items("partnerId"), ["acme", PARTNER, "other-travel"].map(Value::from)),
            "read-plan" => assert_eq!(read["profiles"][0]["cost"], 120),
            "read-pool" => assert_eq!(read["alarmLevel"], 100),
            other => panic!("{other}"),
        }
    }
    site.stop().await;
}
