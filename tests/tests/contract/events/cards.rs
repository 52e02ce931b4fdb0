//! The events about cards that managers look after, and about what can be asked beforehand.

use super::desk::provisioned;
use super::subscriptions::SUBSCRIPTION;
use super::{CARD, ORDER, Outcome, fits, with};
use crate::api::openapi::Contract;
use crate::api::{By, Site, list, num};
use serde_json::{Value, json};

/// Requests of managers that are refused.
const REFUSED: &[(&str, Outcome)] = &[
    ("manage-sim-archive-not-found", (404, "not_found", "")),
    ("manage-sim-edit-bad-rule", (400, "invalid_field", "rules.suspendAtMonthMb")),
    ("manage-sim-edit-malformed-json", (400, "malformed_json", "")),
    ("manage-sim-edit-nothing", (400, "missing_field", "note, labels or rules")),
    ("manage-sim-edit-over-long-label", (400, "invalid_field", "labels")),
    ("manage-sim-edit-unknown-field", (400, "unknown_field", "label")),
    ("manage-sim-edit-wrong-content-type", (415, "unsupported_media_type", "Content-Type")),
    ("manage-sim-no-api-key", (401, "unauthenticated", "")),
];
/// What is refused although its form is good.
const BEYOND_THE_SCHEMAS: &str = "manage-sim-edit-nothing";
/// What is refused to partners.
const REFUSED_TO_PARTNER: &[(&str, Outcome)] =
    &[("manage-sim-by-partner", (403, "forbidden", "")), ("read-subscriptions-without-email", (400, "missing_field", "email"))];
/// What is carried out, in this sequence: where the card stands then.
const DONE: &[(&str, &str)] =
    &[("manage-sim-edit", "blank"), ("manage-sim-archive", "archived"), ("manage-sim-restore", "pending")];
/// What is answered.
const READ: &[&str] =
    &["read-attention", "read-order-actions", "read-order-without-codes", "read-subscription-actions", "read-subscriptions"];

/// Every event that is used here.
pub fn names() -> impl Iterator<Item = &'static str> {
    let refused = REFUSED.iter().chain(REFUSED_TO_PARTNER).map(|(name, _)| *name);
    refused.chain(DONE.iter().map(|(name, _)| *name)).chain(READ.iter().copied())
}

#[test]
fn bodies_keep_to_the_contract_if_and_only_if_they_are_good() {
    let contract = Contract::load();
    for (name, (_, code, _)) in REFUSED {
        if ["unknown_field", "missing_field", "invalid_field"].contains(code) {
            assert_eq!(fits(&contract, name), Some(*name == BEYOND_THE_SCHEMAS), "{name}");
        }
    }
    assert_eq!(fits(&contract, "manage-sim-edit"), Some(true));
}

#[tokio::test]
async fn requests_about_cards() {
    let site = Site::still().await;
    let stock = site.get("/v1/sims?poolId=sandbox.1.esim&limit=1").by(By::Manager).send().await.expect(200);
    let card = stock["items"][0]["iccid"].as_str().unwrap();
    site.refuses_about(REFUSED, &[(CARD, card)], By::Manager).await;
    site.refuses_about(REFUSED_TO_PARTNER, &[(CARD, card)], By::Partner).await;
    for (name, status) in DONE {
        let shown = site.signed(with(name, &[(CARD, card)]), By::Manager).await.expect(200);
        assert_eq!((&shown["iccid"], &shown["status"]), (&json!(card), &json!(status)), "{name}");
        assert_eq!(
            (&shown["note"], &shown["labels"], &shown["rules"]),
            (&json!("Ana's second phone"), &json!(["travel", "vip"]), &json!({"suspendAtMonthMb": 4000})),
            "{name}"
        );
    }
    site.stop().await;
}

#[tokio::test]
async fn what_is_read_before_something_is_asked_for() {
    let site = Site::still().await;
    let order = provisioned(&site, "sandbox-1gb-7d", |_| {}).await;
    let id = order["cards"][0]["subscriptionId"].as_str().unwrap();
    for name in READ {
        let by = if *name == "read-attention" { By::Manager } else { By::Partner };
        let shown = site.signed(with(name, &[(ORDER, num(&order)), (SUBSCRIPTION, id)]), by).await.expect(200);
        let actions = || list(&shown, "items").iter().map(|entry| entry["action"].as_str().unwrap()).collect::<Vec<_>>();
        match *name {
            "read-attention" => assert_eq!(shown["total"], 0),
            "read-order-actions" => assert_eq!(actions(), ["refund", "renew", "top_up", "swap_sim"]),
            "read-order-without-codes" => {
                assert_eq!((&shown["cards"][0]["code"], &shown["cards"][0]["iccid"]), (&Value::Null, &shown["iccids"][0]));
            }
            "read-subscription-actions" => {
                assert_eq!(actions(), ["top_up", "swap_sim", "cancel", "suspend", "resume", "complimentary"]);
            }
            "read-subscriptions" => assert_eq!(
                (&shown["items"][0]["subscriptionId"], &shown["items"][0]["display"]),
                (&json!(id), &json!("Sandbox 1 GB, 7 days"))
            ),
            other => panic!("{other}"),
        }
    }
    site.stop().await;
}
