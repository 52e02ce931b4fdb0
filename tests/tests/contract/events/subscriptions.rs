//! The events about subscriptions: requests that change them, what is reported about their cards, and the carrier's jobs.

use super::{CARD, ORDER, Outcome, about, fits, with};
use crate::api::openapi::Contract;
use crate::api::{By, EID, Site, draft, list, num};
use serde_json::{Value, json};

/// The subscription that the events name.
pub const SUBSCRIPTION: &str = "SU3TX7YB15R8K2M9QW";

/// Requests to change, or to read, a subscription that are refused.
const REFUSED_CHANGES: &[(&str, Outcome)] = &[
    ("cancel-subscription-bad-channel", (400, "invalid_field", "channel")),
    ("cancel-subscription-malformed-json", (400, "malformed_json", "")),
    ("cancel-subscription-no-api-key", (401, "unauthenticated", "")),
    ("cancel-subscription-no-idempotency-key", (400, "idempotency_key_missing", "Idempotency-Key")),
    ("cancel-subscription-not-found", (404, "not_found", "")),
    ("cancel-subscription-unknown-field", (400, "unknown_field", "reason")),
    ("cancel-subscription-wrong-content-type", (415, "unsupported_media_type", "Content-Type")),
    ("read-subscription-no-api-key", (401, "unauthenticated", "")),
    ("read-subscription-not-found", (404, "not_found", "")),
    ("read-subscription-unknown-parameter", (400, "unknown_field", "page")),
    ("renew-order-malformed-json", (400, "malformed_json", "")),
    ("renew-order-missing-payment", (400, "missing_field", "payment")),
    ("renew-order-no-api-key", (401, "unauthenticated", "")),
    ("renew-order-no-idempotency-key", (400, "idempotency_key_missing", "Idempotency-Key")),
    ("renew-order-not-found", (404, "not_found", "")),
    ("renew-order-one-off-plan", (409, "not_renewable", "planId")),
    ("renew-order-other-profile", (409, "profile_mismatch", "planId")),
    ("renew-order-unknown-add-on", (404, "add_on_not_found", "addOnIds")),
    ("renew-order-unknown-field", (400, "unknown_field", "count")),
    ("renew-order-unknown-iccid", (400, "invalid_field", "iccid")),
    ("renew-order-unknown-plan", (404, "plan_not_found", "planId")),
    ("renew-order-wrong-content-type", (415, "unsupported_media_type", "Content-Type")),
    ("renew-order-wrong-type", (400, "invalid_field", "sendEmail")),
    ("suspend-subscription-no-api-key", (401, "unauthenticated", "")),
    ("suspend-subscription-not-found", (404, "not_found", "")),
    ("swap-sim-bad-country", (400, "invalid_field", "postalAddress.country")),
    ("swap-sim-bad-form-factor", (400, "invalid_field", "formFactor")),
    ("swap-sim-malformed-json", (400, "malformed_json", "")),
    ("swap-sim-no-api-key", (401, "unauthenticated", "")),
    ("swap-sim-no-idempotency-key", (400, "idempotency_key_missing", "Idempotency-Key")),
    ("swap-sim-no-postal-address", (400, "missing_field", "postalAddress")),
    ("swap-sim-not-found", (404, "not_found", "")),
    ("swap-sim-unknown-field", (400, "unknown_field", "planId")),
    ("swap-sim-unknown-nested-field", (400, "unknown_field", "postalAddress.phone")),
    ("swap-sim-wrong-content-type", (415, "unsupported_media_type", "Content-Type")),
    ("top-up-subscription-malformed-json", (400, "malformed_json", "")),
    ("top-up-subscription-missing-payment", (400, "missing_field", "payment")),
    ("top-up-subscription-no-api-key", (401, "unauthenticated", "")),
    ("top-up-subscription-no-idempotency-key", (400, "idempotency_key_missing", "Idempotency-Key")),
    ("top-up-subscription-no-plan-no-add-ons", (400, "missing_field", "planId")),
    ("top-up-subscription-not-found", (404, "not_found", "")),
    ("top-up-subscription-other-profile", (409, "profile_mismatch", "planId")),
    ("top-up-subscription-too-much-data", (400, "invalid_field", "addOnIds")),
    ("top-up-subscription-unknown-add-on", (404, "add_on_not_found", "addOnIds")),
    ("top-up-subscription-unknown-field", (400, "unknown_field", "iccid")),
    ("top-up-subscription-unknown-plan", (404, "plan_not_found", "planId")),
    ("top-up-subscription-voice-twice", (400, "invalid_field", "addOnIds")),
    ("top-up-subscription-wrong-content-type", (415, "unsupported_media_type", "Content-Type")),
    ("top-up-subscription-wrong-type", (400, "invalid_field", "addOnIds")),
];

/// Requests that add something to a subscription: the type of the order, its status and its price.
const ADDITIONS: &[(&str, &str, i8, i64)] = &[
    ("renew-order", "renewal", 0, 1450),
    ("renew-order-card", "renewal", -1, 1750),
    ("top-up-subscription", "top_up_subscription", 0, 800),
    ("top-up-subscription-plan", "top_up_subscription", -1, 2250),
];

/// Other requests about a subscription, in the sequence in which they are sent.
const CHANGES: &[&str] = &[
    "read-subscription",
    "suspend-subscription",
    "suspend-subscription-resumption",
    "swap-sim",
    "swap-sim-physical",
    "cancel-subscription",
];

/// Reports on a card that are refused.
const REFUSED_REPORTS: &[(&str, Outcome)] = &[
    ("sim-events-ahead-of-time", (400, "invalid_field", "at")),
    ("sim-events-bad-country", (400, "invalid_field", "country")),
    ("sim-events-bad-eid", (400, "invalid_field", "eid")),
    ("sim-events-bad-signature", (400, "bad_signature", "")),
    ("sim-events-malformed-json", (400, "malformed_json", "")),
    ("sim-events-missing-in-session", (400, "missing_field", "inSession")),
    ("sim-events-missing-used-mb", (400, "missing_field", "usedMb")),
    ("sim-events-negative-usage", (400, "invalid_field", "usedMb")),
    ("sim-events-no-api-key", (401, "unauthenticated", "")),
    ("sim-events-not-a-card-number", (404, "not_found", "")),
    ("sim-events-other-order", (400, "invalid_field", "orderNum")),
    ("sim-events-signed-for-unknown-card", (400, "bad_signature", "")),
    ("sim-events-stale-signature", (400, "signature_stale", "")),
    ("sim-events-unknown-card", (404, "not_found", "")),
    ("sim-events-unknown-field", (400, "unknown_field", "voiceMinutes")),
    ("sim-events-unknown-type", (400, "invalid_field", "type")),
    ("sim-events-usage-by-partner", (403, "forbidden", "")),
    ("sim-events-wrong-content-type", (415, "unsupported_media_type", "Content-Type")),
];

/// The report that is refused only once the card was installed.
const OTHER_DEVICE: &str = "sim-events-other-device";

/// Reports on a card, and what its order shows then: the status of the order and of the card.
const REPORTS: &[(&str, i8, &str)] = &[
    ("sim-events-deleted", 0, "ready"),
    ("sim-events-disabled", 0, "ready"),
    ("sim-events-enabled", 0, "installed"),
    ("sim-events-expired", 5, "ended"),
    ("sim-events-first-attach", 0, "active"),
    ("sim-events-installed", 0, "installed"),
    ("sim-events-installed-by-app", 0, "installed"),
    ("sim-events-session", 0, "active"),
    ("sim-events-usage", 0, "active"),
    ("sim-events-used-up", 5, "ended"),
];

/// The carrier's jobs, in the sequence in which they are worked.
const JOBS: &[&str] = &["provision-top-up", "provision-service", "provision-swap", "provision-retire", "provision-cancellation"];

/// Requests whose bodies are as the contract says, and that are refused for what else is known.
const BEYOND_THE_SCHEMAS: &[&str] = &[
    "renew-order-unknown-iccid",
    "sim-events-ahead-of-time",
    "sim-events-bad-eid",
    "sim-events-other-order",
    "swap-sim-no-postal-address",
    "top-up-subscription-no-plan-no-add-ons",
    "top-up-subscription-too-much-data",
    "top-up-subscription-voice-twice",
];

/// Every event that is used here.
pub fn names() -> impl Iterator<Item = &'static str> {
    let refused = REFUSED_CHANGES.iter().chain(REFUSED_REPORTS).map(|(name, _)| *name);
    let others = CHANGES.iter().chain(JOBS).copied().chain([OTHER_DEVICE]);
    let additions = ADDITIONS.iter().map(|(name, ..)| *name);
    refused.chain(others).chain(additions).chain(REPORTS.iter().map(|(name, ..)| *name))
}

/// An order of one card that is paid and provisioned, with its subscription and card.
async fn subscribed(site: &Site, plan: &str) -> (Value, String, String) {
    let mut draft = draft(plan);
    draft["payment"] = "balance".into();
    let order = site.order(&draft).await;
    work(site, "provision", &order).await;
    let order = site.read(&order).await;
    let text = |name: &str| order["cards"][0][name].as_str().unwrap().to_owned();
    let (subscription, iccid) = (text("subscriptionId"), text("iccid"));
    (order, subscription, iccid)
}

/// Has a job of an order worked, twice.
async fn work(site: &Site, name: &str, order: &Value) {
    for _ in 0..2 {
        let answer = site.stack.invoke("provision", about(name, num(order))).await.unwrap();
        assert_eq!(answer, json!({"batchItemFailures": []}), "{name}");
    }
}

fn happened(order: &Value, event: &str) -> bool {
    list(order, "history").iter().any(|entry| entry["event"] == event)
}

#[test]
fn bodies_keep_to_the_contract_if_and_only_if_they_are_good() {
    let contract = Contract::load();
    let fits = |name: &str| fits(&contract, name);
    for (name, (_, code, _)) in REFUSED_CHANGES.iter().chain(REFUSED_REPORTS) {
        if ["unknown_field", "missing_field", "invalid_field"].contains(code)
            && let Some(fits) = fits(name)
        {
            assert_eq!(fits, BEYOND_THE_SCHEMAS.contains(name), "{name}");
        }
    }
    let reports = REPORTS.iter().map(|(name, ..)| *name);
    for name in ADDITIONS.iter().map(|(name, ..)| *name).chain(CHANGES.iter().copied()).chain(reports).chain([OTHER_DEVICE]) {
        assert_ne!(fits(name), Some(false), "{name}");
    }
}

#[tokio::test]
async fn requests_for_changes() {
    let site = Site::still().await;
    let (order, subscription, iccid) = subscribed(&site, "eu-5gb-30d").await;
    let ours = [(ORDER, num(&order)), (SUBSCRIPTION, &subscription), (CARD, &iccid)];
    site.refuses_about(REFUSED_CHANGES, &ours, By::Partner).await;
    let request = async |name: &str| site.signed(with(name, &ours), By::Partner).await;

    for (name, kind, status, price) in ADDITIONS {
        let made = request(name).await.expect(201);
        let told = (&made["type"], &made["status"], &made["price"]["amount"], &made["subscriptionId"]);
        assert_eq!(told, (&json!(kind), &json!(status), &json!(price), &json!(subscription)), "{name}");
        let again = request(name).await;
        assert_eq!((again.header("idempotency-replayed"), again.expect(200)), (Some("true"), made.clone()), "{name}");
        let main = (made["mainOrderNum"].as_str(), made["renew"].as_i64());
        let expected = if *kind == "renewal" { (Some(num(&order)), Some(1)) } else { (None, Some(0)) };
        assert_eq!(main, expected, "{name}");
    }
    assert_eq!(list(&site.read(&order).await, "renewOrderNum").len(), 1, "the paid one");

    let suspendable = subscribed(&site, "sandbox-1gb-7d").await;
    for name in CHANGES {
        match *name {
            "read-subscription" => {
                let read = request(name).await.expect(200);
                assert_eq!((&read["iccid"], list(&read, "plans").len()), (&json!(iccid), 2));
                assert_eq!(read["plans"][0]["addOnIds"], json!(["data-1gb", "voice-eu-60"]));
            }
            "suspend-subscription" | "suspend-subscription-resumption" => {
                // Of the cards that work as they come nobody can suspend one.
                let ours = [(SUBSCRIPTION, suspendable.1.as_str()), (CARD, suspendable.2.as_str())];
                let subscription = &suspendable.1;
                let request = async |name: &str| site.signed(with(name, &ours), By::Partner).await;
                let wanted = request(name).await.expect(202);
                assert_eq!(request(name).await.expect(200), wanted, "{name}: asking twice is asking once");
                let job = with("provision-service", &ours);
                assert_eq!(site.stack.invoke("provision", job).await.unwrap(), json!({"batchItemFailures": []}), "{name}");
                let statuses = (wanted["status"].clone(), site.subscription(subscription).await["status"].take());
                let expected = if *name == "suspend-subscription" { ("suspending", "suspended") } else { ("resuming", "active") };
                assert_eq!(statuses, (json!(expected.0), json!(expected.1)), "{name}");
            }
            "swap-sim" => {
                let swap = request(name).await.expect(201);
                assert_eq!(
                    (&swap["type"], &swap["formFactor"], &swap["status"]),
                    (&json!("swap_sim"), &json!("esim"), &json!(0))
                );
                assert_eq!(swap["cards"][0]["code"].as_str().map(|code| code.starts_with("LPA:1$")), Some(true));
                for refused in ["cancel-subscription", "suspend-subscription"] {
                    let problem = request(refused).await.problem(409, "subscription_closed", None);
                    assert_eq!(problem["reason"], "swap", "{refused}");
                }
                // An app installs it, and reports through its partner.
                work(&site, "provision-swap", &swap).await;
                let new = swap["cards"][0]["iccid"].as_str().unwrap();
                let installed = site.signed(with("sim-events-installed-by-app", &[(CARD, new)]), By::Partner).await;
                assert_eq!(installed.expect(200)["result"], "recorded");
                work(&site, "provision-retire", &swap).await;
                assert_eq!(site.subscription(&subscription).await["iccid"], new);
                assert!(happened(&site.read(&swap).await, "retired"));
            }
            "swap-sim-physical" => {
                let (_, subscription, _) = subscribed(&site, "world-2gb-30d").await;
                let swap = site.signed(with(name, &[(SUBSCRIPTION, &subscription)]), By::Partner).await.expect(201);
                assert_eq!((&swap["formFactor"], &swap["price"]["amount"]), (&json!("physical"), &json!(400)));
                assert_eq!(swap["needsAttention"][0]["code"], "to_ship");
            }
            "cancel-subscription" => {
                let end = request(name).await.expect(201);
                assert_eq!((&end["type"], &end["channel"]), (&json!("cancel_subscription"), &json!("admin")));
                let problem = request("suspend-subscription").await.problem(409, "subscription_closed", None);
                assert_eq!(problem["reason"], "cancellation");
                work(&site, "provision-cancellation", &end).await;
                assert_eq!(site.subscription(&subscription).await["endReason"], "cancelled");
                assert_eq!(num(&request(name).await.expect(200)), num(&end), "a replay stands although it has ended");
                assert_eq!(num(&request("swap-sim").await.expect(200)).len(), 18, "so does that of the swap before");
                let problem = request("suspend-subscription").await.problem(409, "subscription_closed", None);
                assert_eq!(problem["reason"], "ended");
            }
            other => panic!("{other}"),
        }
    }
    site.stop().await;
}

#[tokio::test]
async fn reports_on_cards() {
    let site = Site::still().await;
    let (order, _, iccid) = subscribed(&site, "sandbox-5gb-30d").await;
    site.refuses_about(REFUSED_REPORTS, &[(ORDER, num(&order)), (CARD, &iccid)], By::Partner).await;

    for (name, status, card) in REPORTS {
        let (order, subscription, iccid) = subscribed(&site, "sandbox-5gb-30d").await;
        let ours = [(ORDER, num(&order)), (CARD, &*iccid)];
        let report = async |name: &str| site.signed(with(name, &ours), By::Partner).await;
        assert_eq!(report(name).await.expect(200), json!({"received": true, "result": "recorded"}), "{name}");
        let shown = site.read(&order).await;
        assert_eq!((&shown["status"], &shown["cards"][0]["status"]), (&json!(status), &json!(card)), "{name}");
        let told = site.subscription(&subscription).await;
        let plan = &told["plans"][0];
        let expected = match *name {
            "sim-events-installed" | "sim-events-installed-by-app" => (json!(EID), json!("n/a"), json!(0), json!(null)),
            "sim-events-session" => (json!(null), json!("yes"), json!(0), json!(null)),
            "sim-events-usage" => (json!(null), json!("n/a"), json!(512), json!(null)),
            "sim-events-used-up" => (json!(null), json!("n/a"), json!(0), json!("used_up")),
            "sim-events-expired" => (json!(null), json!("n/a"), json!(0), json!("expired")),
            _ => (json!(null), json!("n/a"), json!(0), json!(null)),
        };
        let found = (told["eid"].clone(), told["inSession"].clone(), plan["usedMb"].clone(), plan["reason"].clone());
        assert_eq!(found, expected, "{name}");
        let before = site.tables().await;
        assert_eq!(report(name).await.expect(200)["result"], "known", "{name}");
        assert!(site.tables().await == before, "{name} wrote something twice");
        if *name == "sim-events-installed" {
            report(OTHER_DEVICE).await.problem(409, "other_device", None);
            assert!(site.tables().await == before, "{OTHER_DEVICE} wrote something");
        }
    }
    site.stop().await;
}

#[tokio::test]
async fn jobs_of_changes() {
    let site = Site::still().await;
    let (_, subscription, iccid) = subscribed(&site, "sandbox-1gb-7d").await;
    let ours = [(SUBSCRIPTION, &*subscription)];
    let request = async |name: &str| site.signed(with(name, &ours), By::Partner).await;
    let mut swap = Value::Null;
    // What the operator did of a kind for an order or a subscription: the card and how often it was asked.
    let done = async |kind: &str, holder: &str, name: &str| {
        let report = site.get("/_local/operator").send().await.expect(200);
        let ours = list(&report, kind).iter().filter(|entry| entry[holder].as_str().is_some_and(|text| text.starts_with(name)));
        ours.map(|entry| (entry["iccid"].clone(), entry["requests"].clone())).collect::<Vec<_>>()
    };
    for name in JOBS {
        match *name {
            "provision-top-up" => {
                let plan = json!({"planId": "sandbox-5gb-30d", "addOnIds": ["data-1gb"], "payment": "balance"});
                let added = site.changing(&subscription, "top-ups", &plan).send().await.expect(201);
                assert_eq!(added["fulfilment"], "fulfilling");
                work(&site, name, &added).await;
                assert_eq!(site.read(&added).await["fulfilment"], "completed");
                assert_eq!(done("changed", "reference", num(&added)).await, [(json!(iccid), json!(1))]);
            }
            "provision-service" => {
                let unknown = with(name, &[]);
                let comes_back = json!({"batchItemFailures": [{"itemIdentifier": unknown["Records"][0]["messageId"]}]});
                assert_eq!(site.stack.invoke("provision", unknown).await.unwrap(), comes_back);
                request("suspend-subscription").await.expect(202);
                for _ in 0..2 {
                    site.stack.invoke("provision", with(name, &ours)).await.unwrap();
                }
                assert_eq!(site.subscription(&subscription).await["status"], "suspended");
                assert_eq!(done("changed", "reference", &subscription).await, [(json!(iccid), json!(1))]);
            }
            "provision-swap" => {
                swap = request("swap-sim").await.expect(201);
                work(&site, name, &swap).await;
                let card = site.read(&swap).await["cards"][0].take();
                assert_eq!(card["status"], "ready");
                assert_eq!(done("activated", "orderNum", num(&swap)).await, [(card["iccid"].clone(), json!(1))]);
            }
            "provision-retire" => {
                let card = site.read(&swap).await["cards"][0]["iccid"].take();
                let installed = site.reporting(card.as_str().unwrap(), json!({"type": "installed"}));
                assert_eq!(installed.send().await.expect(200)["result"], "recorded");
                work(&site, name, &swap).await;
                assert!(happened(&site.read(&swap).await, "retired"));
                assert_eq!(done("revoked", "iccid", &iccid).await, [(json!(iccid), json!(1))]);
            }
            "provision-cancellation" => {
                let end = request("cancel-subscription").await.expect(201);
                work(&site, name, &end).await;
                assert_eq!(site.read(&end).await["fulfilment"], "completed");
                let ended = site.subscription(&subscription).await;
                assert_eq!((&ended["status"], &ended["endReason"]), (&json!("ended"), &json!("cancelled")));
                assert_eq!(
                    done("revoked", "iccid", ended["iccid"].as_str().unwrap()).await,
                    [(ended["iccid"].clone(), json!(1))]
                );
            }
            other => panic!("{other}"),
        }
    }
    site.stop().await;
}
