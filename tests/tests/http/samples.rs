//! What the console of a new stack has to show.

use crate::api::{By, Site, list};
use serde_json::Value;
use simdock_domain::{Attention, OrderType, SimType, Status};
use simdock_store::{InSession, SimStatus};
use std::collections::BTreeSet;
use std::time::Duration;

/// Which names, of those that there are, nothing is shown of.
async fn missing(site: &Site) -> BTreeSet<String> {
    let mut missing = BTreeSet::new();
    let orders = Status::ALL.iter().map(|status| ("orders?status", status.code().to_string()));
    let types = OrderType::ALL.iter().map(|kind| ("orders?type", kind.name().to_owned()));
    let cards = SimStatus::ALL.iter().map(|status| ("sims?status", status.name().to_owned()));
    let card_types = SimType::ALL.iter().map(|kind| ("sims?simType", kind.name().to_owned()));
    let sessions = InSession::ALL.iter().map(|session| ("sims?inSession", session.name().to_owned()));
    for (query, name) in orders.chain(types).chain(cards).chain(card_types).chain(sessions) {
        let mut path = format!("/v1/{query}={name}&limit=100");
        loop {
            let page = site.get(&path).by(By::Manager).send().await.expect(200);
            match page["nextCursor"].as_str() {
                _ if !list(&page, "items").is_empty() => break,
                Some(cursor) => path = format!("/v1/{query}={name}&limit=100&cursor={cursor}"),
                None => {
                    missing.insert(format!("{query}={name}"));
                    break;
                }
            }
        }
    }
    let waiting = site.get("/v1/attention").by(By::Manager).send().await.expect(200);
    for code in Attention::ALL.iter().map(|code| code.name()).filter(|code| waiting["codes"][code].is_null()) {
        missing.insert(format!("attention {code}"));
    }
    missing
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_stack_shows_everything_that_there_is_and_keeps_showing_it() {
    let site = Site::start().await;
    let seeded = site.get("/v1/orders?limit=1").by(By::Manager).send().await.expect(200);
    assert_eq!(list(&seeded, "items"), [] as [Value; 0], "a stack for a test has none");
    simdock_local::demo::samples(&site.stack).await.expect("the samples");
    assert_eq!(missing(&site).await, BTreeSet::new());

    for partner in ["demo-travel", "other-travel"] {
        let ledger = site.get(format!("/v1/partners/{partner}/ledger?limit=100")).by(By::Manager).send().await.expect(200);
        let kinds: BTreeSet<&str> = list(&ledger, "items").iter().filter_map(|entry| entry["kind"].as_str()).collect();
        assert_eq!(kinds, BTreeSet::from(["credit", "payment", "refund"]), "{partner}");
    }
    let listed = async |query: &str| {
        let page = site.get(format!("/v1/orders?{query}&limit=100")).by(By::Manager).send().await.expect(200);
        list(&page, "items").to_vec()
    };
    let renewed = listed("type=activate_subscription").await;
    assert!(renewed.iter().any(|order| list(order, "renewOrderNum").len() == 2), "a renewal chain");
    assert!(renewed.iter().any(|order| order["payment"] == "complimentary"), "a gift");
    assert!(renewed.iter().any(|order| order["shipment"].is_object()), "a parcel that left");
    let lines = site.get("/v1/subscriptions?email=ana@example.com&limit=100").by(By::Manager).send().await.expect(200);
    assert!(list(&lines, "items").iter().any(|line| list(line, "plans").len() == 2), "a line with two plans");

    // An order that nobody pays is void in half an hour. All else lasts, however often the operator is asked again.
    for (by, gone) in [("PT25M", vec![]), ("PT1H", vec!["orders?status=-1"]), ("PT2H", vec!["orders?status=-1"])] {
        site.advance(by).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(missing(&site).await, gone.into_iter().map(str::to_owned).collect(), "after {by}");
    }
    site.stop().await;
}
