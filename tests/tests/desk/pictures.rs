//! What the pages look like, whether everybody can use them, and how large and how fast they are.

use crate::api::{By, list, num};
use crate::shop::{Desk, at_the_desk, by_post};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Deque's checker of accessibility, as its package has it.
const AXE: &str = include_str!("../../vendor/axe-core/axe.min.js");
/// The largest page, in bytes.
const LARGEST: usize = 100_000;
/// The longest time to the first byte, in milliseconds, of a build that is not optimized, on processors that others use as well; it is
/// held to the middle of several.
const SLOWEST: u128 = if cfg!(debug_assertions) { 150 } else { 50 };

impl Desk {
    /// The sample orders of a new stack, and one with a long name; an order with much to it, a line, and a card.
    async fn furnish(&self) -> (String, String, String) {
        simdock_local::demo::samples(&self.site.stack).await.unwrap();
        let listed = self.site.get("/v1/orders?limit=100").by(By::Manager).send().await.expect(200);
        let seen: BTreeSet<i64> = list(&listed, "items").iter().map(|order| order["status"].as_i64().unwrap()).collect();
        assert_eq!(seen, BTreeSet::from([-1, 0, 2, 3, 4, 5, 6, 7]), "an order in each status");
        let mut two = by_post();
        (two["planId"], two["formFactor"], two["count"]) = ("eu-5gb-30d".into(), "esim".into(), 2.into());
        two["subscriber"] = json!({"email": "ines@example.com", "name": "Inés Álvarez de la Fuente-Hernández", "language": "es"});
        let two = self.site.settled(&self.site.order(&two).await).await;
        let first = two["cards"][0]["iccid"].as_str().unwrap();
        self.site.refunding(&two, Some(&[first])).send().await.expect(202);
        self.site.until(&two, "refunded", |order| order["status"] == 4).await;
        let (order, line) = self.line("ines@example.com").await;
        let iccid = order["cards"][0]["iccid"].as_str().unwrap().to_owned();
        self.site.reporting(&iccid, json!({"type": "installed", "via": "qr", "eid": crate::api::EID})).send().await.expect(200);
        // Who did what stands on the order and on the line.
        let note = self.site.post(format!("/v1/orders/{}/notes", num(&two))).by(By::Manager);
        note.json(&json!({"note": "Called back, one of them stays"})).send().await.expect(200);
        self.site.post(format!("/v1/subscriptions/{line}/suspension")).by(By::Manager).send().await.expect(202);
        let suspended = async || (self.site.subscription(&line).await["status"] == "suspended").then_some(());
        crate::api::eventually("the suspension", suspended).await;
        (num(&two).to_owned(), line, iccid)
    }

    /// What axe finds on the page that is open, but for what it calls minor.
    async fn findings(&self) -> Vec<String> {
        let web = &self.browser.web;
        web.execute(AXE).await.unwrap();
        let run = "const done = arguments[arguments.length - 1]; axe.run(document, {resultTypes: ['violations']}).then(done, error => done({error: String(error)}));";
        let found: Value = web.execute_async(run).await.unwrap();
        assert!(found["error"].is_null(), "{found}");
        let minor = |finding: &&Value| finding["impact"] == "minor";
        let violations = found["violations"].as_array().expect("violations").iter().filter(|finding| !minor(finding));
        violations.map(|finding| format!("{}: {} {}", finding["id"], finding["help"], finding["nodes"][0]["html"])).collect()
    }
}

#[test]
fn every_page_is_seen_and_can_be_used_by_all() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        let (order, line, iccid) = desk.furnish().await;
        let pages = [
            ("orders", "/console/orders".to_owned()),
            ("orders-attention", "/console/orders?needsAttention=true".to_owned()),
            ("orders-none", "/console/orders?email=nobody%40example.com".to_owned()),
            ("order", format!("/console/orders/{order}")),
            ("order-new", "/console/orders/new".to_owned()),
            ("sims", "/console/sims".to_owned()),
            ("sim", format!("/console/sims/{iccid}")),
            ("inventory", "/console/inventory".to_owned()),
            ("pool", "/console/inventory/meridian.7.esim".to_owned()),
            ("import", "/console/inventory/import".to_owned()),
            ("subscribers", "/console/subscribers".to_owned()),
            ("subscriber", "/console/subscribers?email=ines%40example.com".to_owned()),
            ("line", format!("/console/lines/{line}")),
            ("line-new", "/console/subscribers/line?email=ines%40example.com".to_owned()),
            ("plans", "/console/settings/plans".to_owned()),
            ("plan", "/console/settings/plans/eu-5gb-30d".to_owned()),
            ("partners", "/console/settings/partners".to_owned()),
            ("partner", "/console/settings/partners/demo-travel".to_owned()),
            ("keys", "/console/settings/keys".to_owned()),
            ("audit", "/console/settings/audit".to_owned()),
            ("nothing", "/console/nothing".to_owned()),
        ];
        let mut complaints = Vec::new();
        for (name, path) in &pages {
            browser.width(1280).await;
            desk.open(path).await;
            browser.picture(&format!("{name}-1280")).await;
            for found in desk.findings().await {
                complaints.push(format!("{name}: {found}"));
            }
            browser.width(390).await;
            browser.picture(&format!("{name}-390")).await;
            let wider = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
            let wider = browser.web.execute(wider).await.unwrap().as_i64().unwrap();
            if wider > 0 {
                complaints.push(format!("{name}: is {wider} pixels wider than a phone"));
            }
        }
        browser.dark(true).await;
        for (name, path) in [&pages[0], &pages[3]] {
            browser.width(1280).await;
            desk.open(path).await;
            browser.picture(&format!("{name}-dark-1280")).await;
            for found in desk.findings().await {
                complaints.push(format!("{name} in the dark: {found}"));
            }
        }
        browser.dark(false).await;
        assert_eq!(complaints, [] as [&str; 0], "{complaints:#?}");
    });
}

#[test]
fn what_is_long_or_many_fits_its_page() {
    at_the_desk(async |desk| {
        let (browser, site) = (&desk.browser, &desk.site);
        // The longest mail address that there may be, on each page that has one in its head.
        let long = format!("{}@{}.{}.example.com", "x".repeat(64), "y".repeat(63), "z".repeat(63));
        let mut draft = by_post();
        (draft["planId"], draft["formFactor"]) = ("eu-5gb-30d".into(), "esim".into());
        (draft["subscriber"]["email"], draft["subscriber"]["name"]) = (long.clone().into(), "w".repeat(100).into());
        (draft["lineName"], draft["sendEmail"]) = ("v".repeat(64).into(), false.into());
        let order = site.order(&draft).await;
        let order = site.until(&order, "done", |order| order["fulfilment"] == "completed").await;
        let line = order["cards"][0]["subscriptionId"].as_str().unwrap();
        for (name, path) in [
            ("long-order", format!("/console/orders/{}", num(&order))),
            ("long-subscriber", format!("/console/subscribers?email={long}")),
            ("long-line", format!("/console/lines/{line}")),
            ("long-orders", format!("/console/orders?email={long}")),
            ("long-line-new", format!("/console/subscribers/line?email={long}")),
        ] {
            for width in [1280, 390] {
                browser.width(width).await;
                desk.open(&path).await;
                let wider = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
                assert_eq!(browser.web.execute(wider).await.unwrap(), 0, "{name} at {width}");
                browser.picture(&format!("{name}-{width}")).await;
            }
        }
        browser.width(1280).await;
        // As many cards as an order can have, with all their codes.
        let file = crate::api::csv(900, 50);
        let import = site.post("/v1/inventory/imports?operator=meridian&imsiProfile=7").by(By::Manager).csv(file);
        import.send().await.expect(201);
        draft["count"] = 50.into();
        let order = site.order(&draft).await;
        site.until(&order, "done", |order| order["fulfilment"] == "completed").await;
        let page = desk.post(&format!("/console/orders/{}/code", num(&order)), "").await;
        let text = page.text();
        assert!(page.status == 200 && page.body.len() < LARGEST, "{} bytes", page.body.len());
        assert_eq!((text.matches("alt=\"QR code").count(), text.matches(">LPA:1$").count()), (6, 50));
    });
}

#[test]
fn the_head_of_each_page_fits_the_smallest_phones() {
    at_the_desk(async |desk| {
        let browser = &desk.browser;
        desk.site.order(&by_post()).await;
        let fits = "const end = Math.max(...[...document.querySelectorAll('.bar nav li')].map(entry => entry.getBoundingClientRect().right));
            const find = document.querySelector('#find'), style = getComputedStyle(find), text = document.createElement('canvas').getContext('2d');
            text.font = style.font;
            const room = find.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
            return [innerWidth - end, room - text.measureText(find.placeholder).width];";
        for width in [320, 360, 390] {
            browser.width(width).await;
            for path in ["orders", "settings/plans"] {
                desk.open(&format!("/console/{path}")).await;
                browser.find("a.badge").await;
                let left: Vec<f64> = serde_json::from_value(browser.web.execute(fits).await.unwrap()).unwrap();
                assert!(left.iter().all(|left| *left >= 0.0), "{path} at {width}: {left:?}");
                browser.picture(&format!("head-{}-{width}", path.replace('/', "-"))).await;
            }
        }
        browser.width(1280).await;
    });
}

#[test]
fn pages_are_small_and_quick() {
    at_the_desk(async |desk| {
        let cookie = desk.browser.web.cookie("simdock-session").await.unwrap();
        let cookie = format!("simdock-session={}", cookie["value"].as_str().unwrap());
        let mut complaints = Vec::new();
        for path in [
            "/console/orders",
            "/console/orders/new",
            "/console/sims",
            "/console/inventory",
            "/console/subscribers?email=ana%40example.com",
            "/console/settings/plans",
            "/console/settings/partners/demo-travel",
        ] {
            let mut times = Vec::new();
            for _ in 0..9 {
                let begun = Instant::now();
                let page = desk.site.get(path).header("cookie", cookie.clone()).send().await;
                times.push(begun.elapsed());
                assert_eq!(page.status, 200, "{path}");
                if page.body.len() > LARGEST {
                    complaints.push(format!("{path} has {} bytes", page.body.len()));
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            times.sort();
            println!("{path}: {:?}", times[times.len() / 2]);
            if times[times.len() / 2].as_millis() > SLOWEST {
                complaints.push(format!("{path} takes {:?}", times[times.len() / 2]));
            }
        }
        assert_eq!(complaints, [] as [&str; 0]);
    });
}
