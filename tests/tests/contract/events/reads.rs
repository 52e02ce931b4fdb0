//! The events that look for orders and cards.

use super::{CARD, Outcome, about, with};
use crate::api::{By, Site, draft, list, num};
use serde_json::json;

/// Reads that are refused.
const REFUSED: &[(&str, Outcome)] = &[
    ("read-orders-bad-email", (400, "invalid_field", "email")),
    ("read-orders-bad-status", (400, "invalid_field", "status")),
    ("read-orders-bad-type", (400, "invalid_field", "type")),
    ("read-orders-not-a-card-number", (400, "invalid_field", "iccid")),
    ("read-sim-not-a-card-number", (404, "not_found", "")),
    ("read-sim-not-found", (404, "not_found", "")),
    ("read-sims-by-partner", (403, "forbidden", "")),
];
/// One that is refused to a manager.
const REFUSED_TO_MANAGER: (&str, Outcome) = ("read-sims-bad-pool", (400, "invalid_field", "poolId"));

/// Reads of orders that are answered.
const ORDERS: &[&str] = &[
    "read-orders-by-email",
    "read-orders-by-iccid",
    "read-orders-by-status",
    "read-orders-needing-attention",
    "read-orders-of-all-partners",
];

/// Reads of cards that are answered.
const CARDS: &[&str] = &["read-sim", "read-sims", "read-sims-filtered"];

/// Every event that is used here.
pub fn names() -> impl Iterator<Item = &'static str> {
    let refused = REFUSED.iter().chain([&REFUSED_TO_MANAGER]).map(|(name, _)| *name);
    refused.chain(ORDERS.iter().chain(CARDS).copied())
}

#[tokio::test]
async fn looking_for_orders_and_cards() {
    let site = Site::still().await;
    site.refuses_about(REFUSED, &[], By::Partner).await;
    site.refuses_about(&[REFUSED_TO_MANAGER], &[], By::Manager).await;

    let mut ben = draft("eu-5gb-30d");
    ben["subscriber"]["email"] = "ben@example.com".into();
    let unpaid = site.order(&ben).await;
    let theirs = site.ordering(&draft("eu-5gb-30d")).by(By::OtherPartner).send().await.expect(201);
    let paid = site.paid(&draft("sandbox-1gb-7d")).await;
    site.local("operator", json!({"mode": "refuse", "times": 1})).await;
    site.stack.invoke("provision", about("provision", num(&paid))).await.unwrap();
    let order = site.read(&paid).await;
    let card = order["cards"][0]["iccid"].as_str().unwrap();
    let (unpaid, theirs, failed) = (num(&unpaid), num(&theirs), num(&order));
    let request = async |name: &str, by| site.signed(with(name, &[(CARD, card)]), by).await.expect(200);

    for name in ORDERS {
        let (by, mut expected) = match *name {
            "read-orders-by-email" | "read-orders-by-iccid" | "read-orders-needing-attention" => (By::Partner, vec![failed]),
            "read-orders-by-status" => (By::Partner, vec![unpaid]),
            "read-orders-of-all-partners" => (By::Manager, vec![unpaid, theirs, failed]),
            other => panic!("{other}"),
        };
        let page = request(name, by).await;
        let mut found: Vec<&str> = list(&page, "items").iter().map(num).collect();
        // They may be of one second.
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!((found, &page["nextCursor"]), (expected, &json!(null)), "{name}");
    }
    for name in CARDS {
        match *name {
            "read-sim" => {
                let shown = request(name, By::Partner).await;
                assert_eq!(
                    (&shown["iccid"], &shown["status"], &shown["orderNum"]),
                    (&json!(card), &json!("invalid"), &json!(failed))
                );
            }
            "read-sims" => {
                let page = request(name, By::Manager).await;
                assert!(list(&page, "items").len() == 1 && page["nextCursor"].is_string(), "{page}");
            }
            "read-sims-filtered" => {
                let page = request(name, By::Manager).await;
                let fits = |card: &serde_json::Value| card["poolId"] == "meridian.20.physical" && card["status"] == "blank";
                assert!(!list(&page, "items").is_empty() && list(&page, "items").iter().all(fits), "{page}");
            }
            other => panic!("{other}"),
        }
    }
    site.stop().await;
}
