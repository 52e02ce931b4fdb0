//! The answers about cards that managers look after, and about a subscriber's lines.

use super::{iccid, site};
use crate::api::openapi::Contract;
use crate::api::{By, Call, Site, csv, draft, list, num};
use hyper::Method;
use serde_json::{Value, json};
use std::sync::Arc;

/// All of them.
pub async fn cards(contract: &Arc<Contract>) {
    let site = site(contract, simdock_local::Options::default()).await;
    what_managers_may_ask(&site).await;
    cards_are_archived(&site).await;
    cards_have_plans(&site).await;
    lines_are_listed(&site).await;
    site.stop().await;
}

fn asking<'s>(site: &'s Site, card: &str, action: &str) -> Call<'s> {
    site.post(format!("/v1/sims/{card}/{action}"))
}

fn editing<'s>(site: &'s Site, card: &str, edit: &Value) -> Call<'s> {
    site.call(Method::PATCH, format!("/v1/sims/{card}")).by(By::Manager).json(edit)
}

async fn first(site: &Site, query: &str) -> Value {
    let page = site.get(format!("/v1/sims?limit=1&{query}")).by(By::Manager).send().await.expect(200);
    list(&page, "items")[0].clone()
}

async fn what_managers_may_ask(site: &Site) {
    let (nobodys, note) = ("8934501234567890125", json!({"note": "x"}));
    for action in ["archive", "restore"] {
        asking(site, nobodys, action).send().await.problem(401, "unauthenticated", None);
        asking(site, nobodys, action).by(By::Partner).send().await.problem(403, "forbidden", None);
        asking(site, nobodys, action).by(By::Manager).send().await.problem(404, "not_found", None);
    }
    editing(site, nobodys, &note).header("Authorization", "Bearer nobody").send().await.problem(401, "unauthenticated", None);
    editing(site, nobodys, &note).by(By::Partner).send().await.problem(403, "forbidden", None);
    editing(site, nobodys, &note).send().await.problem(404, "not_found", None);
    for (edit, code, field) in [
        (json!({}), "missing_field", "note, labels or rules"),
        (json!({"label": "x"}), "unknown_field", "label"),
        (json!({"labels": vec!["x"; 11]}), "invalid_field", "labels"),
        (json!({"labels": ["vip", "a,b"]}), "invalid_field", "labels"),
        (json!({"note": ""}), "invalid_field", "note"),
        (json!({"rules": {"suspendAtMonthMb": 0}}), "invalid_field", "rules.suspendAtMonthMb"),
    ] {
        editing(site, nobodys, &edit).send().await.problem(400, code, Some(field));
    }
    let edit = || site.call(Method::PATCH, format!("/v1/sims/{nobodys}")).by(By::Manager);
    edit().body("application/json", "{").send().await.problem(400, "malformed_json", None);
    edit().body("text/plain", "{}").send().await.problem(415, "unsupported_media_type", Some("Content-Type"));
    edit().body("application/json", "x".repeat(256 * 1024 + 1)).send().await.problem(413, "body_too_large", None);

    for (query, field) in [
        ("iccid=8934", "iccid"),
        ("formFactor=nano", "formFactor"),
        ("simType=free", "simType"),
        ("inSession=maybe", "inSession"),
        ("email=nobody", "email"),
        ("label=", "label"),
        ("note=", "note"),
        ("hasRules=maybe", "hasRules"),
        ("minDataLeftMb=-1", "minDataLeftMb"),
        ("maxDataLeftMb=1.5", "maxDataLeftMb"),
        ("minDaysLeft=x", "minDaysLeft"),
        ("minDaysLeft=2&maxDaysLeft=1", "maxDaysLeft"),
        ("maxMonthMb=18446744073709551616", "maxMonthMb"),
    ] {
        site.get(format!("/v1/sims?{query}")).by(By::Manager).send().await.problem(400, "invalid_field", Some(field));
    }
}

async fn cards_are_archived(site: &Site) {
    let preloaded = first(site, "poolId=meridian.7.esim&status=blank").await;
    let rule = json!({"rules": {"suspendAtMonthMb": 4000}});
    let rule = editing(site, preloaded["iccid"].as_str().expect("a card"), &rule).send().await;
    assert_eq!(rule.problem(409, "not_possible", None)["reason"], "preloaded");
    let card = first(site, "poolId=sandbox.1.esim&status=blank").await;
    let card = card["iccid"].as_str().expect("a card");
    let edit = json!({"note": "Reserved", "labels": ["vip"], "rules": {"suspendAtMonthMb": 4000}});
    let mut edited = editing(site, card, &edit).send().await.expect(200);
    assert_eq!((&edited["note"], &edited["labels"], &edited["rules"]), (&edit["note"], &edit["labels"], &edit["rules"]));
    edited.as_object_mut().expect("a card").remove("actions").expect("what can be done with it, which no list says");
    assert_eq!(first(site, "label=vip").await, edited);
    let late = editing(site, card, &json!({"note": "Free again", "basedOn": 0})).send().await;
    late.problem(409, "version_conflict", Some("basedOn"));
    for _ in 0..2 {
        assert_eq!(asking(site, card, "archive").by(By::Manager).send().await.expect(200)["status"], "archived");
    }
    assert_eq!(asking(site, card, "restore").by(By::Manager).send().await.expect(200)["status"], "pending");
    let gone = editing(site, card, &json!({"note": null, "labels": null, "rules": null})).send().await.expect(200);
    assert_eq!((&gone["note"], &gone["labels"], &gone["rules"]["suspendAtMonthMb"]), (&json!(null), &json!([]), &json!(null)));

    // Who did it is in the log, the newest first, once for each time that something was done.
    let log = site.get("/v1/audit").by(By::Manager).send().await.expect(200);
    let about: Vec<&Value> = log["items"].as_array().expect("entries").iter().filter(|entry| entry["target"] == card).collect();
    let acts: Vec<_> = about.iter().map(|entry| entry["action"].as_str().expect("an action")).collect();
    assert_eq!(acts, ["sim_edited", "sim_restored", "sim_archived", "sim_edited"]);
    assert!(about.iter().any(|entry| entry["details"] == "note; labels vip; suspended at 4000 MB in a month"), "{about:?}");

    let refused = async |card: &str, action: &str, reason: &str| {
        let problem = asking(site, card, action).by(By::Manager).send().await.problem(409, "not_possible", None);
        assert_eq!(problem["reason"], reason);
    };
    let blank = first(site, "poolId=meridian.7.esim&status=blank").await;
    refused(blank["iccid"].as_str().expect("a card"), "restore", "not_archived").await;
    let order = site.settled(&site.paid(&draft("sandbox-1gb-7d")).await).await;
    refused(iccid(&order, 0), "archive", "in_use").await;

    // One that has to be installed soon is not sold any more.
    let deadline = site.stack.clock().now().plus_seconds(10 * 86_400);
    let line = csv(900, 1).lines().nth(1).expect("a card").to_owned();
    site.stock("2", format!("iccid,code,activateBefore\n{line},{deadline}\n")).await;
    let card = line.split(',').next().expect("a card");
    asking(site, card, "archive").by(By::Manager).send().await.expect(200);
    site.advance("P4D").await;
    refused(card, "restore", "deadline").await;
}

/// An order that is paid at once, whatever it costs.
async fn paid_by_balance(site: &Site, plan: &str) -> Value {
    let mut draft = draft(plan);
    draft["payment"] = "balance".into();
    site.order(&draft).await
}

async fn cards_have_plans(site: &Site) {
    for (plan, sim_type) in [("sandbox-1gb-7d", "prepaid"), ("sandbox-monthly", "subscription"), ("sandbox-paygo", "paygo")] {
        let order = site.settled(&paid_by_balance(site, plan).await).await;
        let card = first(site, &format!("iccid={}", iccid(&order, 0))).await;
        assert_eq!((&card["simType"], &card["planId"], &card["plan"]), (&json!(sim_type), &json!(plan), &order["display"]));
        assert_eq!((&card["partnerId"], &card["endUser"]), (&order["partnerId"], &order["subscriber"]["email"]));
        assert_eq!(first(site, &format!("simType={sim_type}&planId={plan}")).await["planId"], plan);
    }
    site.get("/v1/plans").by(By::Partner).send().await.expect(200);

    // A card whose operator left the catalogue, or never was in it.
    let store = site.store().await;
    let pool: simdock_domain::PoolId = "elsewhere.1.esim".to_owned().try_into().expect("a pool");
    simdock_tests::stock(&store, vec![simdock_tests::card(&pool, 7)]).await;
    assert_eq!(first(site, "status=not_available").await["operator"], "elsewhere");
}

async fn lines_are_listed(site: &Site) {
    let path = "/v1/subscriptions";
    site.get(format!("{path}?email=ana@example.com")).send().await.problem(401, "unauthenticated", None);
    let not_theirs = site.get(format!("{path}?email=ana@example.com&partnerId=x"));
    not_theirs.by(By::Partner).send().await.problem(403, "forbidden", None);
    for (query, code, field) in [
        ("", "missing_field", "email"),
        ("email=nobody", "invalid_field", "email"),
        ("email=ana@example.com&page=2", "unknown_field", "page"),
        ("email=ana@example.com&cursor=x", "invalid_cursor", "cursor"),
    ] {
        site.get(format!("{path}?{query}")).by(By::Partner).send().await.problem(400, code, Some(field));
    }
    let mut two = draft("sandbox-1gb-7d");
    (two["count"], two["lineName"]) = (2.into(), "Spain".into());
    two["subscriber"]["email"] = "lina@example.com".into();
    let order = site.settled(&site.paid(&two).await).await;
    for by in [By::Partner, By::Manager] {
        let page = site.get(format!("{path}?email=LINA@example.com&limit=1")).by(by).send().await.expect(200);
        let first = &page["items"][0];
        assert_eq!((&first["lineName"], first["orderNum"].as_str()), (&json!("Spain"), Some(num(&order))));
        let cursor = page["nextCursor"].as_str().expect("a cursor");
        let rest = site.get(format!("{path}?email=lina@example.com&limit=5&cursor={cursor}")).by(by).send().await.expect(200);
        assert_eq!((list(&rest, "items").len(), &rest["nextCursor"]), (1, &json!(null)));
        assert_ne!(rest["items"][0]["iccid"], first["iccid"]);
    }
    let theirs = site.get(format!("{path}?email=lina@example.com")).by(By::OtherPartner).send().await.expect(200);
    assert_eq!(theirs, json!({"items": [], "nextCursor": null}));
}
