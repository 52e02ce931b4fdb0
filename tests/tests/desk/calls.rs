//! How many requests to the tables a page waits for, one after the other. Elsewhere than on this machine, each is a way there and back.

use crate::api::{Site, draft};
use crate::door::session;
use crate::shop::apart;
use serde_json::json;
use simdock_local::Options;
use simdock_tests::{Meter, in_sequence};
use std::sync::Arc;
use std::time::Duration;

/// How long each request takes: those that are sent at once overlap for certain.
const DELAY: Duration = Duration::from_millis(40);
/// Lines of the subscriber whose page is measured, each of a plan that entitles to a complimentary one: as many as a page has.
const LINES: usize = 5;

#[test]
fn no_page_waits_for_more_requests_than_it_has_to() {
    apart(async || {
        let meter = Meter::start(DELAY);
        let front = meter.clone();
        let options = Options { dynamodb_proxy: Some(Arc::new(move |engine| front.in_front_of(engine))), ..Options::default() };
        let site = Site::with(options).await;
        let mut order = draft("sandbox-5gb-30d");
        (order["payment"], order["sendEmail"]) = ("balance".into(), false.into());
        order["subscriber"]["email"] = "calls@example.com".into();
        let mut last = json!(null);
        for _ in 0..LINES {
            let ordered = site.order(&order).await;
            last = site.until(&ordered, "done", |order| order["fulfilment"] == "completed").await;
        }
        let num = last["orderNum"].as_str().unwrap();
        let line = last["cards"][0]["subscriptionId"].as_str().unwrap();
        let iccid = last["cards"][0]["iccid"].as_str().unwrap();
        let (cookie, _) = session(&site).await;
        let mut complaints = Vec::new();
        for (path, most) in [
            ("orders".to_owned(), 5),
            ("orders?status=-1".to_owned(), 5),
            ("orders?partnerId=demo-travel".to_owned(), 3),
            (format!("orders/{num}"), 6),
            ("orders/new".to_owned(), 2),
            ("sims".to_owned(), 3),
            ("sims?status=active".to_owned(), 4),
            (format!("sims/{iccid}"), 6),
            ("inventory".to_owned(), 3),
            ("inventory/meridian.7.esim".to_owned(), 3),
            ("subscribers?email=calls%40example.com".to_owned(), 7),
            ("subscribers/line?email=calls%40example.com".to_owned(), 2),
            (format!("lines/{line}"), 7),
            ("settings/plans".to_owned(), 2),
            ("settings/plans/eu-5gb-30d".to_owned(), 3),
            ("settings/partners".to_owned(), 3),
            ("settings/partners/demo-travel".to_owned(), 3),
            ("settings/audit".to_owned(), 4),
            ("orders.csv".to_owned(), 5),
            ("sims.csv".to_owned(), 7),
        ] {
            // The first time fills what is kept for a while: the session's key, and the plans. On a machine that is busy elsewhere, what is
            // sent at once may be further apart than a request takes, and then counts as one after the other: not each time.
            let mut waits = usize::MAX;
            for visit in 0..4 {
                meter.take();
                let page = site.get(format!("/console/{path}")).header("cookie", &cookie).send().await;
                assert_eq!(page.status, 200, "{path}: {}", page.text());
                if visit == 0 {
                    continue;
                }
                let calls: Vec<_> = meter.take().into_iter().filter(|call| call.by == "console").collect();
                let operations: Vec<_> = calls.iter().filter_map(|call| call.operation()).collect();
                waits = in_sequence(&calls);
                println!("{path}: {waits} in sequence of {}: {operations:?}", calls.len());
                if waits <= most {
                    break;
                }
            }
            if waits > most {
                complaints.push(format!("{path} waits for {waits}, not {most}"));
            }
        }
        assert_eq!(complaints, [] as [&str; 0]);
        site.stop().await;
    });
}
