//! What bad input gets: a problem, and nothing written.

use crate::api::{By, Site, csv, draft, num, unique};
use serde_json::{Value, json};
use simdock_store::{ADMINISTRATOR, Principal};

/// A good order with something done to it.
fn but(change: impl FnOnce(&mut Value)) -> Value {
    let mut draft = draft("eu-5gb-30d");
    change(&mut draft);
    draft
}

fn with(name: &str, value: Value) -> Value {
    but(|draft| draft[name] = value)
}

fn with_subscriber(name: &str, value: Value) -> Value {
    but(|draft| draft["subscriber"][name] = value)
}

fn without(name: &str) -> Value {
    but(|draft| {
        draft.as_object_mut().unwrap().remove(name);
    })
}

#[tokio::test]
async fn fields_that_are_wrong_are_named() {
    let site = Site::still().await;
    let operation = site.contract.operation("POST", "/v1/orders").unwrap();
    let before = site.tables().await;
    let long = |length: usize| json!("x".repeat(length));
    for (body, code, field) in [
        (with("count", json!(0)), "invalid_field", "count"),
        (with("count", json!(51)), "invalid_field", "count"),
        (with("count", json!(-1)), "invalid_field", "count"),
        (with("count", json!(1.5)), "invalid_field", "count"),
        (with("count", json!("1")), "invalid_field", "count"),
        (with("count", json!(4_294_967_297_u64)), "invalid_field", "count"),
        (without("count"), "missing_field", "count"),
        (without("planId"), "missing_field", "planId"),
        (with("planId", json!("")), "invalid_field", "planId"),
        (with("planId", long(65)), "invalid_field", "planId"),
        (with("planId", json!(7)), "invalid_field", "planId"),
        (without("payment"), "missing_field", "payment"),
        (with("payment", json!("cash")), "invalid_field", "payment"),
        (with("payment", json!("Card")), "invalid_field", "payment"),
        (with("channel", json!("fax")), "invalid_field", "channel"),
        (with("addOnIds", json!("data-1gb")), "invalid_field", "addOnIds"),
        (with("addOnIds", json!([1])), "invalid_field", "addOnIds"),
        (with("addOnIds", json!(vec!["data-1gb"; 66])), "invalid_field", "addOnIds"),
        (without("subscriber"), "missing_field", "subscriber"),
        (with("subscriber", json!("ana@example.com")), "invalid_field", "subscriber"),
        (with("subscriber", json!({})), "missing_field", "subscriber.email"),
        (with_subscriber("email", json!("ana")), "invalid_field", "subscriber.email"),
        (with_subscriber("email", json!("ana@example.com\r\nBcc: eve@example.net")), "invalid_field", "subscriber.email"),
        (with_subscriber("email", json!(format!("{}@example.com", "a".repeat(255)))), "invalid_field", "subscriber.email"),
        (with_subscriber("name", json!("")), "invalid_field", "subscriber.name"),
        (with_subscriber("name", json!("  ")), "invalid_field", "subscriber.name"),
        (with_subscriber("name", json!("Ana\nBcc: eve@example.net")), "invalid_field", "subscriber.name"),
        (with_subscriber("name", json!("Ana\r")), "invalid_field", "subscriber.name"),
        (with_subscriber("name", json!("Ana\u{0}")), "invalid_field", "subscriber.name"),
        (with_subscriber("name", json!("Ana\u{85}")), "invalid_field", "subscriber.name"),
        (with_subscriber("name", json!("Ana\u{2028}")), "invalid_field", "subscriber.name"),
        (with_subscriber("name", long(101)), "invalid_field", "subscriber.name"),
        (with_subscriber("language", json!("english please")), "invalid_field", "subscriber.language"),
        (with_subscriber("language", json!("e")), "invalid_field", "subscriber.language"),
        (with_subscriber("colour", json!("red")), "unknown_field", "subscriber.colour"),
        (with("lineName", json!("a\tb")), "invalid_field", "lineName"),
        (with("lineName", long(65)), "invalid_field", "lineName"),
        (with("otherOrderId", long(65)), "invalid_field", "otherOrderId"),
        (with("otherItemId", json!("")), "invalid_field", "otherItemId"),
        (with("sendEmail", json!("yes")), "invalid_field", "sendEmail"),
        (with("colour", json!("red")), "unknown_field", "colour"),
        (with("price", json!({"amount": 1, "currency": "EUR"})), "unknown_field", "price"),
        (with("orderNum", json!("EPZYXWVTSRQPNMKJHG")), "unknown_field", "orderNum"),
    ] {
        site.ordering(&body).send().await.problem(400, code, Some(field));
        assert!(!site.contract.request_complaints(&operation, &body).is_empty(), "the contract allows {body}");
    }

    // What the contract cannot say in a schema.
    let data = json!(vec!["data-1gb"; 16]);
    site.ordering(&with("addOnIds", data)).send().await.problem(400, "invalid_field", Some("addOnIds"));
    let voice = json!(["voice-eu-60", "voice-eu-60"]);
    site.ordering(&with("addOnIds", voice)).send().await.problem(400, "invalid_field", Some("addOnIds"));
    site.ordering(&with("addOnIds", json!(["data-9gb"]))).send().await.problem(404, "add_on_not_found", Some("addOnIds"));
    for plan in ["no-such-plan", "nordic-2gb-14d", "EU-5GB-30D", "../plans"] {
        site.ordering(&with("planId", json!(plan))).send().await.problem(404, "plan_not_found", Some("planId"));
    }
    assert!(site.tables().await == before, "something was written");

    // As much as there may be.
    let most = but(|draft| {
        draft["addOnIds"] = json!([vec!["data-1gb"; 15], vec!["voice-eu-60", "voice-world-30"]].concat());
        draft["subscriber"]["name"] = "ñ".repeat(100).into();
        (draft["lineName"], draft["otherOrderId"], draft["otherItemId"]) = (long(64), long(64), long(64));
        draft["subscriber"]["language"] = "zh-Hant-TW".into();
    });
    assert_eq!(site.contract.request_complaints(&operation, &most), Vec::<String>::new());
    let order = site.order(&most).await;
    assert_eq!(order["price"], json!({"amount": 1450 + 15 * 300 + 500 + 700, "currency": "EUR"}));
    assert_eq!(order["addOns"].as_array().unwrap().len(), 17);
    site.stop().await;
}

#[tokio::test]
async fn bodies_that_are_wrong_are_refused() {
    let site = Site::still().await;
    let before = site.tables().await;
    let body = |content_type: &str, body: &str| site.ordering(&json!({})).body(content_type, body.to_owned());
    let good = draft("eu-5gb-30d").to_string();
    for text in ["", "{", "nonsense", "[]", "null", "\"text\"", "{\"count\": 1} x", "{'count': 1}", "\u{feff}{}"] {
        body("application/json", text).send().await.problem(400, "malformed_json", None);
    }
    site.ordering(&json!({})).body("application/json", b"{\"planId\": \"\xff\"}".to_vec()).send().await.problem(
        400,
        "malformed_json",
        None,
    );
    // Deeper than anybody writes.
    body("application/json", &"[".repeat(10_000)).send().await.problem(400, "malformed_json", None);
    for content_type in ["text/plain", "text/csv", "application/x-www-form-urlencoded", "application/jsonp", ""] {
        body(content_type, &good).send().await.problem(415, "unsupported_media_type", Some("Content-Type"));
    }
    let padded = |length: usize| format!("{good}{}", " ".repeat(length - good.len()));
    body("application/json", &padded(256 * 1024 + 1)).send().await.problem(413, "body_too_large", None);
    // What the gateway does not even hand on.
    let gateways = body("application/json", &padded(10 * 1024 * 1024 + 1)).send().await;
    assert_eq!(gateways.expect(413), json!({"message": "Request Entity Too Large"}));
    assert!(site.tables().await == before, "something was written");

    body("application/json", &padded(256 * 1024)).send().await.expect(201);
    body("Application/JSON; charset=utf-8", &good).send().await.expect(201);
    site.stop().await;
}

#[tokio::test]
async fn nobody_gets_in_without_a_key() {
    let site = Site::still().await;
    let store = site.store().await;
    let revoked = format!("revoked-{}", unique());
    let partner = Principal::Partner { partner_id: crate::api::PARTNER.to_owned() };
    let ended = store.put_key(&revoked, &partner, None, ADMINISTRATOR).await.unwrap();
    store.end_key(&ended.id, crate::api::begin(), ADMINISTRATOR).await.unwrap();
    let before = site.tables().await;
    let good = site.stack.keys().partner_key.clone();
    let values = [
        String::new(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        "Bearer no-such-key".to_owned(),
        format!("Bearer {revoked}"),
        format!("Basic {good}"),
        good.clone(),
        format!("Bearer {good}x"),
        format!("Bearer {}", good.to_uppercase()),
        format!("Bearer {}", "k".repeat(5_000)),
    ];
    for value in values {
        for call in [
            site.ordering(&draft("eu-5gb-30d")),
            site.post("/v1/inventory/imports").csv(csv(0, 1)),
            site.get("/v1/orders"),
            site.get("/v1/orders/EPZYXWVTSRQPNMKJHG"),
            site.get("/v1/plans"),
            site.get("/v1/inventory"),
            site.get("/v1/inventory/imports/IM0"),
        ] {
            call.header("Authorization", value.clone()).send().await.problem(401, "unauthenticated", None);
        }
    }
    assert!(site.tables().await == before, "something was written");
    site.get("/v1/plans").header("Authorization", format!("bearer   {good}")).send().await.expect(200);
    site.stop().await;
}

#[tokio::test]
async fn a_request_that_spends_needs_its_key() {
    let site = Site::still().await;
    let before = site.tables().await;
    let good = draft("eu-5gb-30d");
    let field = Some("Idempotency-Key");
    for value in ["", "\"\"", "   "] {
        site.ordering(&good).header("Idempotency-Key", value).send().await.problem(400, "idempotency_key_missing", field);
    }
    for value in ["x".repeat(256), "schlüssel".to_owned()] {
        site.ordering(&good).header("Idempotency-Key", value).send().await.problem(400, "invalid_field", field);
    }
    assert!(site.tables().await == before, "something was written");

    let send = async |key: &str, body: &Value| site.ordering(body).header("Idempotency-Key", key).send().await;
    let first = send("k-1", &good).await;
    assert_eq!(first.header("idempotency-replayed"), None);
    let first = first.expect(201);
    let written = site.tables().await;
    // The same in other words: quoted, and with the members in another order.
    let mut members: Vec<_> = good.as_object().unwrap().iter().collect();
    members.reverse();
    let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\" : {value}")).collect();
    let other_words = format!("{{ {} }}", members.join(" ,\n"));
    let again = site.ordering(&good).header("Idempotency-Key", "\"k-1\"").body("application/json", other_words).send().await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.expect(200), first);
    send("k-1", &with("count", json!(2))).await.problem(422, "idempotency_key_reused", field);
    send("\"k-1\"", &with("lineName", json!("Spain"))).await.problem(422, "idempotency_key_reused", field);
    assert!(site.tables().await == written, "a replay wrote something");

    // A replay shows the order as it stands by now, and belongs to whoever sent the first.
    assert_eq!(site.pay(&first).await, "paid");
    assert_eq!(send("k-1", &good).await.expect(200)["status"], 0);
    let theirs = site.ordering(&good).by(By::OtherPartner).header("Idempotency-Key", "k-1").send().await.expect(201);
    assert_ne!(num(&theirs), num(&first));
    assert_ne!(num(&send("k-2", &good).await.expect(201)), num(&first));
    assert_ne!(num(&send("K-1", &good).await.expect(201)), num(&first));

    // Twenty at once are one order.
    let at_once = (0..20).map(|_| send("k-3", &good));
    let answers = futures_util::future::join_all(at_once).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    assert!(answers.iter().all(|answer| answer.status == 201 || answer.status == 200));
    site.stop().await;
}

#[tokio::test]
async fn partners_do_not_see_each_other() {
    let site = Site::still().await;
    let order = site.paid(&draft("eu-5gb-30d")).await;
    let path = format!("/v1/orders/{}", num(&order));
    site.get(&path).by(By::Partner).send().await.expect(200);
    site.get(&path).by(By::Manager).send().await.expect(200);

    // Another's order looks exactly like none.
    let mut theirs = site.get(&path).by(By::OtherPartner).send().await.problem(404, "not_found", None);
    let mut none = site.get("/v1/orders/EPZYXWVTSRQPNMKJHG").by(By::OtherPartner).send().await.problem(404, "not_found", None);
    for problem in [&mut theirs, &mut none] {
        assert!(problem["instance"].take().is_string());
    }
    assert_eq!(theirs, none);
    for path in ["/v1/orders/1007", "/v1/orders/epzyxwvtsrqpnmkjhg", "/v1/orders/EP%2f..%2f"] {
        site.get(path).by(By::OtherPartner).send().await.problem(404, "not_found", None);
    }

    let own = site.ordering(&draft("nordic-2gb-14d")).by(By::OtherPartner).send().await.expect(201);
    let listed = async |by: By<'_>, query: &str| {
        let page = site.get(format!("/v1/orders{query}")).by(by).send().await.expect(200);
        crate::api::list(&page, "items").iter().map(|order| num(order).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed(By::Partner, "").await, [num(&order)]);
    assert_eq!(listed(By::OtherPartner, "").await, [num(&own)]);
    assert_eq!(listed(By::Manager, "?partnerId=other-travel").await, [num(&own)]);
    let naming = site.get("/v1/orders?partnerId=demo-travel").by(By::Partner).send().await;
    naming.problem(403, "forbidden", None);

    let plans = async |by: By<'_>| {
        let plans = site.get("/v1/plans").by(by).send().await.expect(200);
        crate::api::list(&plans, "items").iter().any(|plan| plan["planId"] == "nordic-2gb-14d")
    };
    assert!(!plans(By::Partner).await && plans(By::OtherPartner).await && plans(By::Manager).await);

    // Managers' own business, and partners' own.
    let import = site.post("/v1/inventory/imports?operator=meridian&imsiProfile=7").by(By::Manager).csv(csv(0, 1));
    let import = import.send().await.expect(201);
    let verdict = format!("/v1/inventory/imports/{}", import["importId"].as_str().unwrap());
    for path in ["/v1/inventory", &verdict] {
        site.get(path).by(By::Manager).send().await.expect(200);
        site.get(path).by(By::Partner).send().await.problem(403, "forbidden", None);
    }
    let import = site.post("/v1/inventory/imports?operator=meridian&imsiProfile=7").by(By::Partner).csv(csv(5, 1));
    import.send().await.problem(403, "forbidden", None);
    // Managers say whose order it is, and only they may.
    let mut named = draft("eu-5gb-30d");
    site.ordering(&named).by(By::Manager).send().await.problem(400, "missing_field", Some("partnerId"));
    named["partnerId"] = "demo-travel".into();
    site.ordering(&named).by(By::Partner).send().await.problem(403, "forbidden", None);
    site.stop().await;
}
