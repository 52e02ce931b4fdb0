//! The events about what managers look after: physical cards, gifts, and what they do about orders.

use super::subscriptions::SUBSCRIPTION;
use super::{CARD, ORDER, Outcome, about, fits, with};
use crate::api::openapi::Contract;
use crate::api::{By, EID, PARTNER, Site, draft, list, num};
use serde_json::{Value, json};

/// A second card that an event names.
const SECOND_CARD: &str = "8934501234567890133";
/// The partner that events name.
const ACME: &str = "acme";

/// Requests for physical cards, chosen cards and gifts that are refused.
const REFUSED_ORDERS: &[(&str, Outcome)] = &[
    ("create-order-bad-country", (400, "invalid_field", "subscriber.postalAddress.country")),
    ("create-order-bad-form-factor", (400, "invalid_field", "formFactor")),
    ("create-order-fewer-cards-than-count", (400, "invalid_field", "iccids")),
    ("create-order-gift-not-eligible", (409, "not_eligible", "")),
    ("create-order-gift-of-two", (400, "invalid_field", "count")),
    ("create-order-gift-without-subscription", (400, "missing_field", "eligibleSubscriptionId")),
    ("create-order-names-partner", (403, "forbidden", "")),
    ("create-order-no-postal-address", (400, "missing_field", "subscriber.postalAddress")),
    ("create-order-not-a-card-number", (400, "invalid_field", "iccids")),
    ("create-order-unknown-address-field", (400, "unknown_field", "subscriber.postalAddress.phone")),
];

/// Requests for them that create an order: its status.
const ORDERS: &[(&str, i8)] = &[
    ("create-order-chosen-cards", 0),
    ("create-order-complimentary", 0),
    ("create-order-complimentary-by-manager", 0),
    ("create-order-physical", -1),
];

/// What managers ask that is refused.
const REFUSED: &[(&str, Outcome)] = &[
    ("manage-order-email-unknown-kind", (400, "invalid_field", "kind")),
    ("manage-order-malformed-json", (400, "malformed_json", "")),
    ("manage-order-no-api-key", (401, "unauthenticated", "")),
    ("manage-order-note-too-long", (400, "invalid_field", "note")),
    ("manage-order-recipient-bad-email", (400, "invalid_field", "email")),
    ("manage-order-recipient-empty", (400, "missing_field", "name, email or postalAddress")),
    ("manage-order-recipient-unknown-field", (400, "unknown_field", "phone")),
    ("manage-order-refund-not-refused", (409, "not_possible", "")),
    ("manage-order-retry-unknown-field", (400, "unknown_field", "iccid")),
    ("manage-order-shipment-ahead-of-time", (400, "invalid_field", "shippedAt")),
    ("manage-order-shipment-missing-number", (400, "missing_field", "number")),
    ("manage-order-shipment-of-esim", (409, "not_possible", "")),
    ("manage-order-wrong-content-type", (415, "unsupported_media_type", "Content-Type")),
];
/// What nobody but managers may ask.
const BY_PARTNER: &str = "manage-order-by-partner";
/// What is asked about an order that does not exist.
const NOT_FOUND: &str = "manage-order-not-found";

/// What managers ask that is done, and what the history has of it.
const DONE: &[(&str, &str)] = &[
    ("manage-order-email-confirmation", "mail_requested"),
    ("manage-order-email-qr", "mail_requested"),
    ("manage-order-email-qr-same-phone", "mail_requested"),
    ("manage-order-note", "noted"),
    ("manage-order-recipient", "recipient_changed"),
    ("manage-order-recipient-address", "recipient_changed"),
    ("manage-order-retry", "retried"),
    ("manage-order-shipment", "shipped"),
    ("manage-order-shipment-corrected", "shipment_corrected"),
];

/// What is refused although its form is good.
const BEYOND_THE_SCHEMAS: &[&str] = &[
    "create-order-fewer-cards-than-count",
    "create-order-gift-of-two",
    "create-order-gift-without-subscription",
    "create-order-no-postal-address",
    "create-order-not-a-card-number",
    "manage-order-recipient-empty",
    "manage-order-shipment-ahead-of-time",
];

/// Every event that is used here.
pub fn names() -> impl Iterator<Item = &'static str> {
    let refused = REFUSED_ORDERS.iter().chain(REFUSED).map(|(name, _)| *name);
    let done = DONE.iter().map(|(name, _)| *name).chain(ORDERS.iter().map(|(name, _)| *name));
    refused.chain(done).chain([BY_PARTNER, NOT_FOUND])
}

#[test]
fn bodies_keep_to_the_contract_if_and_only_if_they_are_good() {
    let contract = Contract::load();
    let fits = |name: &str| fits(&contract, name);
    for (name, (_, code, _)) in REFUSED_ORDERS.iter().chain(REFUSED) {
        if ["unknown_field", "missing_field", "invalid_field"].contains(code) {
            assert_eq!(fits(name), Some(BEYOND_THE_SCHEMAS.contains(name)), "{name}");
        }
    }
    for name in DONE.iter().map(|(name, _)| *name).chain(ORDERS.iter().map(|(name, _)| *name)) {
        assert_eq!(fits(name), Some(true), "{name}");
    }
}

/// A paid order of a plan, provisioned.
pub async fn provisioned(site: &Site, plan: &str, change: impl Fn(&mut Value)) -> Value {
    let mut draft = draft(plan);
    draft["payment"] = "balance".into();
    change(&mut draft);
    let order = site.order(&draft).await;
    site.stack.invoke("provision", about("provision", num(&order))).await.unwrap();
    site.read(&order).await
}

#[tokio::test]
async fn requests_for_physical_cards_and_gifts() {
    let site = Site::still().await;
    let other = provisioned(&site, "eu-5gb-30d", |_| {}).await;
    let id = other["cards"][0]["subscriptionId"].as_str().unwrap();
    site.refuses_about(REFUSED_ORDERS, &[(SUBSCRIPTION, id)], By::Partner).await;

    let stock = site.get("/v1/sims?poolId=meridian.7.esim&status=blank&limit=2").by(By::Manager).send().await.expect(200);
    let chosen: Vec<&str> = list(&stock, "items").iter().map(|card| card["iccid"].as_str().unwrap()).collect();
    for (name, status) in ORDERS {
        let by = if name.ends_with("by-manager") { By::Manager } else { By::Partner };
        let eligible = provisioned(&site, "sandbox-1gb-7d", |_| {}).await;
        let id = eligible["cards"][0]["subscriptionId"].as_str().unwrap();
        let ours = [(SUBSCRIPTION, id), (CARD, chosen[0]), (SECOND_CARD, chosen[1]), (ACME, PARTNER)];
        let request = async || site.signed(with(name, &ours), by).await;
        let order = request().await.expect(201);
        assert_eq!((&order["status"], &order["partnerId"]), (&json!(status), &json!(PARTNER)), "{name}");
        match *name {
            "create-order-chosen-cards" => {
                let cards: Vec<_> = list(&order, "cards").iter().map(|card| card["iccid"].as_str().unwrap()).collect();
                assert_eq!(cards, chosen);
            }
            "create-order-physical" => {
                assert_eq!(
                    (&order["formFactor"], &order["subscriber"]["postalAddress"]["city"]),
                    (&json!("physical"), &json!("Madrid"))
                );
            }
            _ => assert_eq!((&order["payment"], &order["price"]["amount"]), (&json!("complimentary"), &json!(0)), "{name}"),
        }
        let again = request().await;
        assert_eq!((again.header("idempotency-replayed"), again.expect(200)), (Some("true"), order), "{name}");
    }
    site.stop().await;
}

#[tokio::test]
async fn requests_of_managers() {
    let site = Site::still().await;
    let esim = provisioned(&site, "sandbox-1gb-7d", |_| {}).await;
    site.refuses(REFUSED, num(&esim), By::Manager).await;
    site.request(BY_PARTNER, num(&esim), By::Partner).await.problem(403, "forbidden", None);
    site.request(NOT_FOUND, ORDER, By::Manager).await.problem(404, "not_found", None);

    let physical = provisioned(&site, "sandbox-5gb-30d", |draft| {
        draft["formFactor"] = "physical".into();
        draft["subscriber"]["postalAddress"] = json!({"lines": ["Calle Mayor 5"], "city": "Madrid", "country": "ES"});
    })
    .await;
    for (name, event) in DONE {
        let mut order = if name.contains("shipment") || name.contains("address") { physical.clone() } else { esim.clone() };
        match *name {
            "manage-order-email-qr-same-phone" => {
                let card = order["cards"][0]["iccid"].as_str().unwrap();
                site.reporting(card, json!({"type": "installed", "eid": EID})).send().await.expect(200);
                site.request("manage-order-email-qr", num(&order), By::Manager).await.problem(409, "other_device", None);
            }
            "manage-order-retry" => {
                site.local("operator", json!({"mode": "refuse", "times": 1})).await;
                order = provisioned(&site, "sandbox-1gb-7d", |_| {}).await;
                assert_eq!(order["fulfilment"], "failed");
            }
            _ => {}
        }
        // A mail that has not been sent need not be asked for again.
        site.stack.invoke("send-email", about("send-email", num(&order))).await.unwrap();
        let changed = site.request(name, num(&order), By::Manager).await.expect(200);
        let last = list(&changed, "history").last().unwrap();
        assert_eq!((&last["event"], &last["by"]), (&json!(event), &json!("manager")), "{name}");
        match *name {
            "manage-order-note" => assert_eq!(changed["note"], "Called back, will install tomorrow"),
            "manage-order-recipient" => assert_eq!(changed["subscriber"]["email"], "ana.garcia@example.com"),
            "manage-order-recipient-address" => {
                assert_eq!(changed["subscriber"]["postalAddress"]["lines"], json!(["Gran Vía 1"]));
            }
            "manage-order-retry" => assert_eq!(changed["cards"][0]["status"], "provisioning"),
            "manage-order-shipment" => assert_eq!(changed["shipment"]["number"], "RR123456785ES"),
            _ => assert!(list(&changed, "emails").iter().any(|mail| mail["status"] == "pending"), "{name}"),
        }
        // Asking again finds it done, or nothing left to do.
        let again = site.request(name, num(&order), By::Manager).await;
        if *name == "manage-order-retry" {
            again.problem(409, "not_possible", None);
        } else {
            assert_eq!(again.expect(200)["version"], changed["version"], "{name}");
        }
    }
    site.stop().await;
}
