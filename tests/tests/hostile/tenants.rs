//! Every operation of the contract as those whom it is not for: nobody, the wrong role, another partner. What each gets follows from
//! the contract's `x-roles` and path, so an operation without them, or with a parameter that nothing is known of, fails the walk.

use crate::api::openapi::Operation;
use crate::api::{Answer, By, Site, csv, num, unique};
use hyper::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What belongs to the partner that is walked upon.
struct Victim {
    /// What can stand in a path: the victim's own, and one that nobody has.
    parameters: BTreeMap<&'static str, (String, &'static str)>,
    /// What no other partner may read.
    secrets: Vec<String>,
}

impl Victim {
    async fn new(site: &Site) -> Self {
        let draft = json!({
            "planId": "sandbox-1gb-7d", "count": 1, "payment": "balance", "lineName": "Victims line", "otherOrderId": "victim-1007",
            "subscriber": {"email": "victim@example.com", "name": "Viktoria Victim"},
        });
        let order = site.order(&draft).await;
        let job = json!({"messageId": "1", "body": json!({"orderNum": num(&order), "job": "provision"}).to_string()});
        site.stack.invoke("provision", json!({"Records": [job]})).await.unwrap();
        let order = site.get(format!("/v1/orders/{}", num(&order))).by(By::Partner).send().await.expect(200);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let card = &order["cards"][0];
        let import = site.post("/v1/inventory/imports?operator=meridian&imsiProfile=7").by(By::Manager).csv(csv(0, 1));
        let import = import.send().await.expect(201);
        let mut parameters = BTreeMap::from([
            ("orderNum", (num(&order).to_owned(), "EPZYXWVTSRQPNMKJHG")),
            ("subscriptionId", (text(&card["subscriptionId"]), "SUZYXWVTSRQPNMKJHG")),
            ("iccid", (text(&card["iccid"]), "8934501234567890125")),
            ("partnerId", ("demo-travel".to_owned(), "nobodys-travel")),
            ("importId", (text(&import["importId"]), "IMZYXWVTSRQPNMKJHG")),
        ]);
        let mut secrets: Vec<String> = parameters.values().map(|(own, _)| own.clone()).collect();
        // Everybody's, or nobody's.
        parameters.extend([
            ("planId", ("eu-5gb-30d".to_owned(), "none")),
            ("poolId", ("meridian.7.esim".to_owned(), "meridian.99.esim")),
            ("keyId", ("KY0123456789ABCDEF".to_owned(), "KYZYXWVTSRQPNMKJHG")),
        ]);
        secrets.extend([text(&card["code"]), text(&card["activationCode"])]);
        secrets.extend(["victim@example.com", "Viktoria", "Victims line", "victim-1007", "demo-travel"].map(str::to_owned));
        Self { parameters, secrets }
    }

    /// The operation's path, about the victim's own things or about what nobody has; and whether it is about any.
    fn path(&self, operation: &Operation, own: bool) -> (String, bool) {
        let mut about = false;
        let part = |part: &str| {
            let Some(name) = part.strip_prefix('{').and_then(|name| name.strip_suffix('}')) else { return part.to_owned() };
            about = true;
            let (victims, nobodys) = self.parameters.get(name).unwrap_or_else(|| panic!("whose is {name} of {}?", operation.id));
            if own { victims.clone() } else { (*nobodys).to_owned() }
        };
        let path = operation.path.split('/').map(part).collect::<Vec<_>>().join("/");
        // What a list cannot do without.
        let query = if operation.id == "listSubscriptions" { "?email=victim@example.com" } else { "" };
        (format!("{path}{query}"), about)
    }
}

/// Sends an operation's own example.
async fn send(site: &Site, operation: &Operation, path: &str, by: By<'_>) -> Answer {
    let method = Method::from_bytes(operation.method.as_bytes()).unwrap();
    let call = site.call(method, path).header("Idempotency-Key", format!("walk-{}", unique())).by(by);
    match site.contract.request_example(operation) {
        None => call,
        Some((media_type, Value::String(text))) => call.body(&media_type, text),
        Some((media_type, example)) => call.body(&media_type, example.to_string()),
    }
    .send()
    .await
}

/// A problem without the id of its request.
fn told(answer: &Answer) -> Value {
    let mut problem: Value = serde_json::from_slice(&answer.body).unwrap();
    problem["instance"].take();
    problem
}

#[tokio::test]
async fn nobody_reaches_what_is_not_theirs() {
    let site = Site::still().await;
    let victim = Victim::new(&site).await;
    let before = site.tables().await;
    let mut walked = 0;
    for operation in site.contract.operations() {
        let roles = site.contract.roles(&operation);
        let name = &operation.id;
        assert!(!roles.is_empty(), "{name} does not say whom it is for");
        walked += 1;
        if roles == ["provider"] {
            // No key opens it: who may call it is in the tables of signatures.
            for by in [By::Nobody, By::OtherPartner, By::Manager] {
                for provider in ["stripe", "standard"] {
                    let path = operation.path.replace("{provider}", provider);
                    let bare = site.post(path).by(by).json(&json!({})).send().await;
                    bare.problem(400, "bad_signature", None);
                }
            }
            continue;
        }
        let (path, about) = victim.path(&operation, true);
        for by in [By::Nobody, By::Key("sdk_partner_nobodys"), By::Key("victim-1007")] {
            send(&site, &operation, &path, by).await.problem(401, "unauthenticated", None);
        }
        let answer = send(&site, &operation, &path, By::OtherPartner).await;
        let known: Vec<&String> = victim.secrets.iter().filter(|secret| answer.text().contains(*secret)).collect();
        assert!(known.is_empty(), "{name} tells another partner {known:?}");
        if !roles.iter().any(|role| role == "partner") {
            answer.problem(403, "forbidden", None);
        } else if about {
            answer.problem(404, "not_found", None);
            let none = send(&site, &operation, &victim.path(&operation, false).0, By::OtherPartner).await;
            assert_eq!((answer.status, told(&answer)), (none.status, told(&none)), "{name} tells whether it is there");
            assert_eq!(answer.headers.keys().collect::<Vec<_>>(), none.headers.keys().collect::<Vec<_>>(), "{name}");
        } else {
            // The partner's own, which is none of the victim's.
            assert!(matches!(answer.status, 200 | 201 | 404), "{name}: {} {}", answer.status, answer.text());
        }
    }
    let pages: Vec<String> =
        site.stack.routes().filter(|(_, _, function)| *function == "console").map(|(_, path, _)| path.to_owned()).collect();
    assert_eq!(walked + pages.len(), site.stack.routes().count());
    // No key of the API opens the console's pages: they want a session, which only a manager's key begins.
    for path in pages.iter().map(|path| path.replace("{proxy+}", "orders")) {
        for by in [By::Nobody, By::OtherPartner, By::Partner, By::Manager] {
            let answer = site.get(&path).by(by).send().await;
            assert_eq!(answer.status, 303, "{path} {by:?}");
            assert!(answer.header("location").is_some_and(|to| to.starts_with("/console/sign-in")), "{path} {by:?}");
        }
    }

    // The walker may have bought something for itself; what names the victim or its things is as it was, its ledger too.
    let after = site.tables().await;
    for (table, items) in &before {
        let of_victim = |items: &[String]| -> Vec<String> {
            items.iter().filter(|item| victim.secrets.iter().any(|secret| item.contains(secret))).cloned().collect()
        };
        assert_eq!(of_victim(items), of_victim(&after[table]), "{table}");
    }
    assert!(
        after["PARTNERS_TABLE"].iter().any(|item| item.contains("demo-travel") && item.contains("balance")),
        "no ledger was held"
    );
    site.stop().await;
}

/// What names another's things in a body or a query instead of the path.
#[tokio::test]
async fn naming_it_elsewhere_does_not_help() {
    let site = Site::still().await;
    let victim = Victim::new(&site).await;
    let of = |name: &str| victim.parameters[name].0.clone();
    let own = json!({"planId": "sandbox-1gb-7d", "count": 1, "payment": "balance", "subscriber": {"email": "eve@example.net", "name": "Eve"}});
    let own = site.ordering(&own).by(By::OtherPartner).send().await.expect(201);
    let before = site.tables().await;

    // The subscription that entitles, and the card that is asked for.
    let gift = json!({"planId": "sandbox-gift-1gb-7d", "count": 1, "payment": "complimentary", "eligibleSubscriptionId": of("subscriptionId"),
        "subscriber": {"email": "victim@example.com", "name": "Eve"}});
    site.ordering(&gift).by(By::OtherPartner).send().await.problem(409, "not_eligible", None);
    let path = format!("/v1/orders/{}", num(&own));
    for (action, body) in [
        ("refund", json!({"iccids": [of("iccid")], "reason": "mine"})),
        ("renewal", json!({"payment": "balance", "iccid": of("iccid")})),
    ] {
        let answer = site.asking(format!("{path}/{action}"), &body).by(By::OtherPartner).send().await;
        assert!(matches!(answer.status, 400 | 404 | 409), "{action}: {}", answer.text());
    }
    for query in [
        format!("iccid={}", of("iccid")),
        "email=victim@example.com".to_owned(),
        "otherOrderId=victim-1007".to_owned(),
        "email=VICTIM@EXAMPLE.COM&status=0".to_owned(),
        "needsAttention=true&sort=oldest".to_owned(),
    ] {
        let page = site.get(format!("/v1/orders?{query}")).by(By::OtherPartner).send().await.expect(200);
        assert_eq!(page, json!({"items": [], "nextCursor": null}), "{query}");
    }
    // A place in the victim's list is none in this one.
    let cursor =
        site.get("/v1/orders?limit=1&email=victim@example.com").by(By::Manager).send().await.expect(200)["nextCursor"].clone();
    if let Some(cursor) = cursor.as_str() {
        let page = site.get(format!("/v1/orders?cursor={cursor}")).by(By::OtherPartner).send().await;
        assert!(victim.secrets.iter().all(|secret| !page.text().contains(secret)), "{}", page.text());
    }
    assert!(site.tables().await == before, "something was written");
    site.stop().await;
}
