//! The answers to managers who look after partners, keys, plans and stock.

use super::{iccid, site};
use crate::api::openapi::Contract;
use crate::api::{By, PARTNER, Site, csv, draft, eventually, list};
use hyper::Method;
use serde_json::{Value, json};
use std::sync::Arc;

/// All of them.
pub async fn settings(contract: &Arc<Contract>) {
    let site = site(contract, simdock_local::Options::default()).await;
    what_is_refused(&site).await;
    partners_and_money(&site).await;
    keys(&site).await;
    plans(&site).await;
    stock(&site).await;
    log(&site).await;
    site.stop().await;
}

/// A plan that can be sold.
fn plan(based_on: u32) -> Value {
    json!({
        "basedOn": based_on, "display": "Iberia 1 GB", "price": {"amount": 700, "currency": "EUR"}, "dataMb": 1024, "days": 7,
        "flowType": 0, "refundPolicy": {"kind": "within_days", "days": 14}, "formFactors": ["esim"],
        "profiles": [{"operator": "meridian", "imsiProfile": "7", "cost": 120}], "apn": "internet", "countries": ["ES", "PT"],
        "addOns": [{"addOnId": "data-1gb", "display": "1 GB more", "kind": "data", "price": {"amount": 300, "currency": "EUR"}, "amount": 1024}],
        "swapPrice": {"amount": 250, "currency": "EUR"}, "complimentaryWith": ["eu-5gb-30d"], "partners": [PARTNER],
    })
}

fn asking<'a>(site: &'a Site, method: &str, path: &str, body: &Value) -> crate::api::Call<'a> {
    let call = site.call(Method::from_bytes(method.as_bytes()).expect("a method"), path).by(By::Manager);
    call.header("Idempotency-Key", format!("key-{}", crate::api::unique())).json(body)
}

async fn what_is_refused(site: &Site) {
    let pages = ["/v1/partners", "/v1/audit", "/v1/inventory/imports", "/v1/partners/demo-travel/ledger"];
    for path in pages {
        site.get(format!("{path}?limit=0")).by(By::Manager).send().await.problem(400, "invalid_field", Some("limit"));
        site.get(format!("{path}?cursor=x")).by(By::Manager).send().await.problem(400, "invalid_cursor", Some("cursor"));
    }
    let one = ["/v1/partners/demo-travel", "/v1/keys", "/v1/plans/eu-5gb-30d", "/v1/inventory/meridian.7.esim"];
    for path in pages.into_iter().chain(one) {
        site.get(path).send().await.problem(401, "unauthenticated", None);
        site.get(format!("{path}?page=2")).by(By::Manager).send().await.problem(400, "unknown_field", Some("page"));
        if !path.starts_with("/v1/partners/") {
            site.get(path).by(By::Partner).send().await.problem(403, "forbidden", None);
        }
    }
    for path in [
        "/v1/partners/nobody",
        "/v1/partners/nobody/ledger",
        "/v1/plans/none",
        "/v1/plans/eu-5gb-30d?version=99",
        "/v1/inventory/meridian.99.esim",
        "/v1/inventory/x",
    ] {
        site.get(path).by(By::Manager).send().await.problem(404, "not_found", None);
    }
    for path in ["/v1/partners/demo-travel", "/v1/partners/demo-travel/ledger"] {
        site.get(path).by(By::OtherPartner).send().await.problem(404, "not_found", None);
    }
    for (path, field) in [
        ("/v1/keys?partnerId=", "partnerId"),
        ("/v1/plans/eu-5gb-30d?version=0", "version"),
        ("/v1/partners/demo-travel/ledger?currency=eur", "currency"),
        ("/v1/audit?from=yesterday", "from"),
    ] {
        site.get(path).by(By::Manager).send().await.problem(400, "invalid_field", Some(field));
    }

    let large = format!("\"{}\"", "x".repeat(256 * 1024));
    for (method, path, good, missing, invalid) in [
        ("POST", "/v1/partners", json!({"partnerId": "x", "display": "X"}), Some("display"), ("partnerId", json!("X Y"))),
        ("PATCH", "/v1/partners/demo-travel", json!({"giftQuota": 5}), Some("giftQuota"), ("giftQuota", json!(-1))),
        (
            "POST",
            "/v1/partners/demo-travel/credits",
            json!({"amount": {"amount": 1, "currency": "EUR"}, "note": "x"}),
            Some("note"),
            ("amount", json!({"amount": 0, "currency": "EUR"})),
        ),
        ("POST", "/v1/keys", json!({"role": "manager", "name": "x"}), Some("name"), ("role", json!("root"))),
        ("POST", "/v1/keys/KY0123456789ABCDEF/revocation", json!({}), None, ("endsAt", json!("2026-11-22T09:00:00Z"))),
        (
            "PUT",
            "/v1/plans/iberia",
            plan(0),
            Some("display"),
            ("profiles", json!([{"operator": "nobody", "imsiProfile": "7", "cost": 1}])),
        ),
        ("PATCH", "/v1/inventory/meridian.7.esim", json!({"alarmLevel": 1}), Some("alarmLevel"), ("alarmLevel", json!("1"))),
    ] {
        let ask = |body: &Value| asking(site, method, path, body);
        ask(&good).without("Authorization").send().await.problem(401, "unauthenticated", None);
        ask(&good).by(By::Partner).send().await.problem(403, "forbidden", None);
        ask(&good).body("application/json", "{").send().await.problem(400, "malformed_json", None);
        ask(&good).body("text/plain", "{}").send().await.problem(415, "unsupported_media_type", Some("Content-Type"));
        ask(&good).body("application/json", large.clone()).send().await.problem(413, "body_too_large", None);
        let mut body = good.clone();
        body["colour"] = json!("red");
        ask(&body).send().await.problem(400, "unknown_field", Some("colour"));
        let mut body = good.clone();
        body[invalid.0] = invalid.1;
        let problem = ask(&body).send().await.expect(400);
        assert_eq!(problem["code"], "invalid_field", "{problem}");
        assert!(problem["field"].as_str().expect("a field").starts_with(invalid.0), "{problem}");
        if let Some(missing) = missing {
            let mut body = good.clone();
            body.as_object_mut().expect("an object").remove(missing);
            assert_eq!(ask(&body).send().await.expect(400)["code"], "missing_field");
        }
    }
}

async fn partners_and_money(site: &Site) {
    let made = asking(site, "POST", "/v1/partners", &json!({"partnerId": "acme", "display": "Acme", "giftQuota": 2}));
    let made = made.send().await.expect(201);
    assert_eq!(made, json!({"partnerId": "acme", "display": "Acme", "giftQuota": 2, "gifts": 0, "balances": []}));
    let again = asking(site, "POST", "/v1/partners", &json!({"partnerId": "acme", "display": "Another"})).send().await;
    assert_eq!(again.problem(409, "not_possible", None)["reason"], "partner_exists");
    let once = async |display: &str| {
        let body = json!({"partnerId": "zeta", "display": display});
        asking(site, "POST", "/v1/partners", &body).header("Idempotency-Key", "one partner").send().await
    };
    let first = once("Zeta").await.expect(201);
    let again = once("Zeta").await;
    assert_eq!((again.header("idempotency-replayed"), again.expect(200)), (Some("true"), first));
    once("Omega").await.problem(422, "idempotency_key_reused", Some("Idempotency-Key"));
    let watch =
        json!({"display": "Acme Travel", "alarmLevels": [{"amount": 500, "currency": "EUR"}, {"amount": 9, "currency": "JPY"}]});
    let changed = asking(site, "PATCH", "/v1/partners/acme", &watch).send().await.expect(200);
    assert_eq!((&changed["display"], &changed["balances"][0]["low"]), (&json!("Acme Travel"), &json!(true)));
    let renamed = json!({"display": "Acme Ltd", "corrects": {"display": "Nobody's", "giftQuota": 3}});
    asking(site, "PATCH", "/v1/partners/acme", &renamed).send().await.problem(409, "version_conflict", Some("corrects"));
    let late = json!({"alarmLevels": [{"amount": 501, "currency": "EUR"}], "corrects": {"alarmLevels": [{"amount": 499, "currency": "EUR"}]}});
    asking(site, "PATCH", "/v1/partners/acme", &late).send().await.problem(409, "version_conflict", Some("corrects"));
    asking(site, "PATCH", "/v1/partners/nobody", &watch).send().await.problem(404, "not_found", None);
    let twice = json!({"alarmLevels": [{"amount": 500, "currency": "EUR"}, {"amount": 9, "currency": "EUR"}]});
    let twice = asking(site, "PATCH", "/v1/partners/acme", &twice).send().await;
    twice.problem(400, "invalid_field", Some("alarmLevels[1].currency"));

    let credits = "/v1/partners/acme/credits";
    let credit = |amount: i64| json!({"amount": {"amount": amount, "currency": "EUR"}, "note": "a transfer"});
    let once = async |amount: i64| asking(site, "POST", credits, &credit(amount)).header("Idempotency-Key", "once").send().await;
    let first = once(600).await.expect(201);
    assert_eq!((once(600).await.expect(200), &first["balance"]["amount"]), (first.clone(), &json!(600)));
    once(601).await.problem(422, "idempotency_key_reused", Some("Idempotency-Key"));
    let low = asking(site, "POST", credits, &credit(-601)).send().await;
    assert_eq!(low.problem(409, "not_possible", None)["reason"], "balance_too_low");
    assert_eq!(asking(site, "POST", credits, &credit(-150)).send().await.expect(201)["balance"]["amount"], 450);
    let no_key = asking(site, "POST", credits, &credit(1)).without("Idempotency-Key").send().await;
    no_key.problem(400, "idempotency_key_missing", Some("Idempotency-Key"));
    asking(site, "POST", "/v1/partners/nobody/credits", &credit(1)).send().await.problem(404, "not_found", None);

    let page = site.get("/v1/partners?limit=1").by(By::Manager).send().await.expect(200);
    assert_eq!(page["items"][0], site.get("/v1/partners/acme").by(By::Manager).send().await.expect(200));
    let next = page["nextCursor"].as_str().expect("a cursor");
    let names = site.get(format!("/v1/partners?cursor={next}&balances=false&limit=1")).by(By::Manager).send().await.expect(200);
    assert_eq!((&names["items"][0]["partnerId"], &names["items"][0]["balances"]), (&json!(PARTNER), &Value::Null));
    assert!(names["nextCursor"].is_string(), "{names}");
    let bad = site.get("/v1/partners?balances=no").by(By::Manager).send().await;
    bad.problem(400, "invalid_field", Some("balances"));
    let page = site.get(format!("/v1/partners?cursor={next}")).by(By::Manager).send().await.expect(200);
    assert_eq!(
        list(&page, "items").iter().filter_map(|partner| partner["partnerId"].as_str()).collect::<Vec<_>>(),
        [PARTNER, "other-travel", "zeta"]
    );

    // What orders move, as their partner reads it.
    let mut order = draft("eu-5gb-30d");
    order["payment"] = "balance".into();
    let order = site.settled(&site.order(&order).await).await;
    site.stack.clock().advance(std::time::Duration::from_secs(1));
    site.refunding(&order, Some(&[iccid(&order, 0)])).send().await.expect(202);
    site.until(&order, "given back", |order| order["refunds"][0]["status"] == "succeeded").await;
    let path = format!("/v1/partners/{PARTNER}/ledger?limit=2&currency=EUR");
    let page = site.get(&path).by(By::Partner).send().await.expect(200);
    let told = |entry: &Value| (entry["kind"].clone(), entry["amount"]["amount"].clone(), entry["orderNum"].clone());
    assert_eq!(told(&page["items"][0]), (json!("refund"), json!(1450), order["orderNum"].clone()));
    assert_eq!(told(&page["items"][1]), (json!("payment"), json!(-1450), order["orderNum"].clone()));
    let next = page["nextCursor"].as_str().expect("a cursor");
    let page = site.get(format!("{path}&cursor={next}")).by(By::Partner).send().await.expect(200);
    assert_eq!((told(&page["items"][0]), &page["nextCursor"]), ((json!("credit"), json!(1_000_000), json!(null)), &json!(null)));
}

async fn keys(site: &Site) {
    let make = async |body: Value| asking(site, "POST", "/v1/keys", &body).send().await;
    let listed = async |query: &str| {
        let page = site.get(format!("/v1/keys{query}")).by(By::Manager).send().await.expect(200);
        list(&page, "items").to_vec()
    };
    let end = async |key: &Value, body: Value| {
        let path = format!("/v1/keys/{}/revocation", key["keyId"].as_str().expect("an id"));
        asking(site, "POST", &path, &body).send().await
    };
    make(json!({"role": "partner", "partnerId": "nobody"})).await.problem(400, "invalid_field", Some("partnerId"));
    make(json!({"role": "manager", "name": "Administrator"})).await.problem(400, "invalid_field", Some("name"));
    make(json!({"role": "partner"})).await.problem(400, "missing_field", Some("partnerId"));
    make(json!({"role": "manager", "name": "x", "partnerId": "acme"})).await.problem(400, "invalid_field", Some("partnerId"));
    let mut shop = make(json!({"role": "partner", "partnerId": "acme", "name": "shop"})).await.expect(201);
    let secret = shop["key"].as_str().expect("the key").to_owned();
    site.get("/v1/partners/acme").by(By::Key(&secret)).send().await.expect(200);
    shop.as_object_mut().expect("a key").remove("key");
    assert_eq!(listed("?partnerId=acme").await, [shop.clone()]);

    let once = async |name: &str| {
        let body = json!({"role": "partner", "partnerId": "acme", "name": name});
        asking(site, "POST", "/v1/keys", &body).header("Idempotency-Key", "one key").send().await
    };
    let mut till = once("till").await.expect(201);
    let again = once("till").await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    till.as_object_mut().expect("a key").remove("key");
    assert_eq!(
        (again.expect(200), end(&till, json!({})).await.expect(200)["keyId"].clone()),
        (till.clone(), till["keyId"].clone())
    );
    once("shop").await.problem(422, "idempotency_key_reused", Some("Idempotency-Key"));
    asking(site, "POST", "/v1/keys", &json!({"role": "manager", "name": "x"}))
        .header("Idempotency-Key", "a,b")
        .send()
        .await
        .problem(400, "invalid_field", Some("Idempotency-Key"));
    let without = json!({"role": "partner", "partnerId": "acme", "name": "till"});
    let other = asking(site, "POST", "/v1/keys", &without).without("Idempotency-Key").send().await.expect(201);
    assert_ne!(end(&other, json!({})).await.expect(200)["keyId"], till["keyId"]);

    let week = site.stack.clock().now().plus_seconds(7 * 86_400).to_string();
    let ending = end(&shop, json!({"endsAt": week})).await.expect(200);
    assert_eq!((&ending["status"], &ending["endsAt"]), (&json!("ending"), &json!(week)));
    site.get("/v1/partners/acme").by(By::Key(&secret)).send().await.expect(200);
    assert_eq!(end(&shop, json!({})).await.expect(200)["status"], "ended");
    let all = listed("?partnerId=acme").await;
    assert!(all.len() == 3 && all.iter().all(|key| key["status"] == "ended"), "{all:?}");
    let unknown = end(&json!({"keyId": "KY0123456789ABCDEF"}), json!({})).await;
    unknown.problem(404, "not_found", None);

    site.get("/v1/keys?limit=0").by(By::Manager).send().await.problem(400, "invalid_field", Some("limit"));
    site.get("/v1/keys?cursor=x").by(By::Manager).send().await.problem(400, "invalid_cursor", Some("cursor"));
    let page = site.get("/v1/keys?partnerId=acme&limit=2").by(By::Manager).send().await.expect(200);
    let next = page["nextCursor"].as_str().expect("a cursor");
    let page = site.get(format!("/v1/keys?partnerId=acme&limit=2&cursor={next}")).by(By::Manager).send().await.expect(200);
    assert_eq!((list(&page, "items").len(), &page["nextCursor"]), (1, &json!(null)));

    let [own] = &listed("").await[..] else { panic!("one manager's key") };
    assert_eq!(end(own, json!({})).await.problem(409, "not_possible", None)["reason"], "last_manager_key");
    let other = make(json!({"role": "manager", "name": "Mia"})).await.expect(201);
    assert_eq!((&other["status"], &other["createdBy"]), (&json!("good"), &own["name"]));
    assert_eq!(end(&other, json!({})).await.expect(200)["status"], "ended");
}

async fn plans(site: &Site) {
    let put = async |body: &Value| asking(site, "PUT", "/v1/plans/iberia", body).send().await;
    let first = put(&plan(0)).await.expect(201);
    assert_eq!((&first["version"], &first["versions"], put(&plan(0)).await.expect(201)), (&json!(1), &json!([1]), first.clone()));
    let mut dearer = plan(0);
    dearer["price"]["amount"] = 900.into();
    assert_eq!(put(&dearer).await.problem(409, "not_possible", None)["reason"], "plan_exists");
    dearer["basedOn"] = 1.into();
    let second = put(&dearer).await.expect(201);
    dearer["price"]["amount"] = 1000.into();
    put(&dearer).await.problem(409, "version_conflict", Some("basedOn"));
    assert_eq!(site.get("/v1/plans/iberia").by(By::Manager).send().await.expect(200), second);
    let before = site.get("/v1/plans/iberia?version=1").by(By::Manager).send().await.expect(200);
    assert_eq!((&before["price"]["amount"], &before["versions"]), (&json!(700), &json!([1, 2])));
    let mut bad = dearer.clone();
    bad["swapPrice"]["currency"] = "USD".into();
    put(&bad).await.problem(400, "invalid_field", Some("swapPrice.currency"));
    bad["swapPrice"] = Value::Null;
    bad["addOns"][0]["kind"] = "voice".into();
    put(&bad).await.problem(400, "invalid_field", Some("addOns[0].kind"));
    asking(site, "PUT", "/v1/plans/IBERIA", &plan(0)).send().await.problem(400, "invalid_field", Some("planId"));
    let named = site.get("/v1/plans?partnerId=demo-travel&payment=balance").by(By::Manager).send().await.expect(200);
    assert!(list(&named, "items").iter().any(|plan| plan["planId"] == "iberia"));
    site.get("/v1/plans?partnerId=demo-travel").by(By::Partner).send().await.problem(403, "forbidden", None);
    site.get("/v1/plans?partnerId=nobody").by(By::Manager).send().await.problem(400, "invalid_field", Some("partnerId"));
    site.get("/v1/plans?subscriptionId=SU0").by(By::Manager).send().await.problem(404, "not_found", None);
    // Whoever may sell it does, by its new version.
    eventually("the plan on sale", async || {
        let plans = site.get("/v1/plans").by(By::Partner).send().await.expect(200);
        list(&plans, "items").iter().find(|plan| plan["planId"] == "iberia" && plan["version"] == 2).cloned()
    })
    .await;
    assert_eq!(site.order(&draft("iberia")).await["price"]["amount"], 900);
}

async fn stock(site: &Site) {
    let path = "/v1/inventory/imports?operator=meridian&imsiProfile=7";
    let before = site.tables().await;
    let file = format!("{}8949,\n", csv(7_000, 2));
    let judged = site.post(format!("{path}&dryRun=true")).by(By::Manager).csv(file.clone()).send().await.expect(200);
    assert_eq!(
        (&judged["status"], &judged["accepted"], &judged["rejected"], &judged["importId"]),
        (&json!("checked"), &json!(2), &json!(1), &json!(null))
    );
    site.post(format!("{path}&dryRun=yes")).by(By::Manager).csv(file.clone()).send().await.problem(
        400,
        "invalid_field",
        Some("dryRun"),
    );
    site.post(format!("{path}&dryRun=true")).by(By::Manager).csv("iccid\n").send().await.problem(422, "invalid_csv", None);
    assert!(before["POOLS_TABLE"] == site.tables().await["POOLS_TABLE"], "a dry run wrote something");
    let done = site.post(format!("{path}&skipInvalid=true")).by(By::Manager).csv(file).send().await.expect(201);
    let imports = site.get("/v1/inventory/imports?limit=1").by(By::Manager).send().await.expect(200);
    let newest = imports["items"][0].clone();
    assert_eq!(
        (&newest["importId"], &newest["added"], &newest["rejected"], &newest["by"]),
        (&done["importId"], &json!(2), &json!(1), &json!("local-manager"))
    );
    let next = imports["nextCursor"].as_str().expect("a cursor");
    let rest = site.get(format!("/v1/inventory/imports?cursor={next}")).by(By::Manager).send().await.expect(200);
    assert_eq!((list(&rest, "items").len(), &rest["nextCursor"]), (1, &json!(null)));

    let level = async || site.get("/v1/inventory/meridian.7.esim").by(By::Manager).send().await.expect(200);
    site.local("sweep", json!({})).await;
    let shown = level().await;
    assert_eq!((&shown["history"][0]["day"], &shown["history"][0]["available"]), (&json!("2026-11-22"), &shown["available"]));
    assert_eq!((&shown["history"][0]["added"], &shown["history"][0]["drawn"]), (&shown["added"], &shown["drawn"]));
    let changed =
        asking(site, "PATCH", "/v1/inventory/meridian.7.esim", &json!({"alarmLevel": 100_000})).send().await.expect(200);
    assert_eq!((&changed["alarmLevel"], &changed["low"], changed.get("history")), (&json!(100_000), &json!(true), None));
    let late = json!({"alarmLevel": 5, "corrects": {"alarmLevel": 99_999}});
    let late = asking(site, "PATCH", "/v1/inventory/meridian.7.esim", &late).send().await;
    late.problem(409, "version_conflict", Some("corrects"));
    asking(site, "PATCH", "/v1/inventory/meridian.99.esim", &json!({"alarmLevel": 1})).send().await.problem(
        404,
        "not_found",
        None,
    );
}

async fn log(site: &Site) {
    let mut path = "/v1/audit?limit=7&from=2026-11-01T00:00:00Z".to_owned();
    let mut actions: Vec<Value> = Vec::new();
    loop {
        let page = site.get(&path).by(By::Manager).send().await.expect(200);
        actions.extend(list(&page, "items").iter().map(|entry| entry["action"].clone()));
        let Some(next) = page["nextCursor"].as_str() else { break };
        path = format!("/v1/audit?limit=7&from=2026-11-01T00:00:00Z&cursor={next}");
    }
    let count = |action: &str| actions.iter().filter(|found| **found == action).count();
    assert_eq!((count("balance_credited"), count("key_ended"), count("import_begun")), (3, 5, 2), "{actions:?}");
    let empty = site.get("/v1/audit?to=2026-11-01T00:00:00Z").by(By::Manager).send().await.expect(200);
    assert_eq!(empty, json!({"items": [], "nextCursor": null}));
}
