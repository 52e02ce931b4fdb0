//! Managers at once, and keys over time.

use crate::acts::next_version;
use crate::api::{By, PARTNER, Site, draft, list, num, unique};
use futures_util::future::join_all;
use hyper::Method;
use serde_json::{Value, json};

fn asking<'a>(site: &'a Site, method: Method, path: &str, body: &Value) -> crate::api::Call<'a> {
    site.call(method, path).by(By::Manager).header("Idempotency-Key", format!("key-{}", unique())).json(body)
}

#[tokio::test]
async fn a_key_is_replaced_while_both_are_good() {
    let site = Site::still().await;
    let make = async || {
        let body = json!({"role": "partner", "partnerId": PARTNER, "name": "shop"});
        asking(&site, Method::POST, "/v1/keys", &body).send().await.expect(201)
    };
    let (old, new) = (make().await, make().await);
    let key = |made: &Value| made["key"].as_str().unwrap().to_owned();
    let works = async |made: &Value| site.get("/v1/plans").by(By::Key(&key(made))).send().await.status;
    let revocation = format!("/v1/keys/{}/revocation", old["keyId"].as_str().unwrap());
    let ends_at = site.stack.clock().now().plus_seconds(3600).to_string();
    asking(&site, Method::POST, &revocation, &json!({"endsAt": ends_at})).send().await.expect(200);
    assert_eq!((works(&old).await, works(&new).await), (200, 200));
    site.advance("PT1H").await;
    // Its answer of a moment ago is not remembered past its end.
    assert_eq!((works(&old).await, works(&new).await), (401, 200));
    let again =
        asking(&site, Method::POST, &revocation, &json!({"endsAt": site.stack.clock().now().plus_seconds(60).to_string()}));
    assert_eq!(again.send().await.expect(200)["endsAt"], ends_at, "what has ended stays so");
    let tables = format!("{:?}", site.tables().await);
    assert!(!tables.contains(&key(&new)) && tables.contains(new["keyId"].as_str().unwrap()));
    site.stop().await;
}

#[tokio::test]
async fn keys_come_in_pages_and_those_that_ended_last() {
    let site = Site::still().await;
    let mut made = Vec::new();
    for number in 0..7 {
        let body = json!({"role": "partner", "partnerId": "other-travel", "name": format!("till {number}")});
        let key = asking(&site, Method::POST, "/v1/keys", &body).send().await.expect(201);
        made.push(key["keyId"].as_str().unwrap().to_owned());
        if number % 2 == 0 {
            let revocation = format!("/v1/keys/{}/revocation", made[number]);
            asking(&site, Method::POST, &revocation, &json!({})).send().await.expect(200);
        }
        site.stack.clock().advance(std::time::Duration::from_secs(1));
    }
    let read = async |query: &str| {
        let (mut keys, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let page =
                site.get(format!("/v1/keys?partnerId=other-travel&{query}{cursor}")).by(By::Manager).send().await.expect(200);
            keys.extend(list(&page, "items").to_vec());
            pages += 1;
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return (keys, pages),
            }
        }
    };
    let (keys, pages) = read("limit=3").await;
    assert_eq!((keys.len(), pages), (8, 3), "one came with the partner");
    assert_eq!((&keys, 1), (&read("limit=100").await.0, read("").await.1));
    let found: Vec<&str> =
        keys.iter().map(|key| key["keyId"].as_str().unwrap()).filter(|id| made.iter().any(|made| made == id)).collect();
    assert_eq!(found, [5, 3, 1, 6, 4, 2, 0].map(|number| made[number].as_str()));
    let ended: Vec<bool> = keys.iter().map(|key| key["status"] == "ended").collect();
    assert!(ended.is_sorted(), "{ended:?}");
    for cursor in ["x", "Z29vZCMyMDI2", ""] {
        let refused = site.get(format!("/v1/keys?cursor={cursor}")).by(By::Manager).send().await;
        refused.problem(400, "invalid_cursor", Some("cursor"));
    }
    site.stop().await;
}

#[tokio::test]
async fn a_request_for_a_key_makes_one_however_often_it_is_sent_at_once() {
    let site = Site::still().await;
    let body = json!({"role": "partner", "partnerId": PARTNER, "name": "shop"});
    let before = site.get(format!("/v1/keys?partnerId={PARTNER}")).by(By::Manager).send().await.expect(200);
    let ask = || asking(&site, Method::POST, "/v1/keys", &body).header("Idempotency-Key", "once").send();
    let sent = join_all((0..10).map(|_| ask())).await;
    let made: Vec<Value> = sent.iter().filter(|answer| answer.status == 201).map(|answer| answer.expect(201)).collect();
    let [made] = made.as_slice() else { panic!("one key: {made:?}") };
    for again in sent.iter().filter(|answer| answer.status != 201) {
        let again = again.expect(200);
        assert_eq!((&again["keyId"], again.get("key")), (&made["keyId"], None));
    }
    let after = site.get(format!("/v1/keys?partnerId={PARTNER}")).by(By::Manager).send().await.expect(200);
    assert_eq!(list(&after, "items").len(), list(&before, "items").len() + 1);
    site.get("/v1/plans").by(By::Key(made["key"].as_str().unwrap())).send().await.expect(200);
    site.stop().await;
}

#[tokio::test]
async fn a_request_for_a_partner_makes_one_however_often_it_is_sent_at_once() {
    let site = Site::still().await;
    let ask = |key: &str, body: &Value| asking(&site, Method::POST, "/v1/partners", body).header("Idempotency-Key", key);
    let body = json!({"partnerId": "acme", "display": "Acme", "giftQuota": 2});
    let sent = join_all((0..10).map(|_| ask("once", &body).send())).await;
    let made: Vec<Value> = sent.iter().filter(|answer| answer.status == 201).map(|answer| answer.expect(201)).collect();
    assert_eq!((made.len(), made[0]["partnerId"].as_str()), (1, Some("acme")));
    for again in sent.iter().filter(|answer| answer.status != 201) {
        assert_eq!((again.expect(200), again.header("idempotency-replayed")), (made[0].clone(), Some("true")));
    }
    // Much later it is shown as it is then; another request for the same id is another.
    let change = asking(&site, Method::PATCH, "/v1/partners/acme", &json!({"display": "Acme Travel"}));
    let changed = change.send().await.expect(200);
    assert_eq!(ask("once", &body).send().await.expect(200), changed);
    let taken = ask("twice", &body).send().await;
    assert_eq!(taken.problem(409, "not_possible", None)["reason"], "partner_exists");
    let taken = ask("", &body).without("Idempotency-Key").send().await;
    assert_eq!(taken.problem(409, "not_possible", None)["reason"], "partner_exists");
    let other = json!({"partnerId": "beta", "display": "Beta"});
    ask("once", &other).send().await.problem(422, "idempotency_key_reused", Some("Idempotency-Key"));
    site.get("/v1/partners/beta").by(By::Manager).send().await.problem(404, "not_found", None);
    let log = site.get("/v1/audit").by(By::Manager).send().await.expect(200);
    assert_eq!(
        list(&log, "items").iter().filter(|entry| entry["action"] == "partner_created" && entry["target"] == "acme").count(),
        1
    );
    site.stop().await;
}

#[tokio::test]
async fn a_session_at_the_desk_ends_with_its_key_and_after_eight_hours() {
    let site = Site::still().await;
    let body = json!({"role": "manager", "name": "Mia"});
    let made = asking(&site, Method::POST, "/v1/keys", &body).send().await.expect(201);
    let ends_at = json!({"endsAt": site.stack.clock().now().plus_seconds(3600).to_string()});
    let revocation = format!("/v1/keys/{}/revocation", made["keyId"].as_str().unwrap());
    asking(&site, Method::POST, &revocation, &ends_at).send().await.expect(200);
    let mut cookies = Vec::new();
    for key in [made["key"].as_str().unwrap(), &site.stack.keys().manager_key] {
        let door = site.post("/console/sign-in").header("origin", site.stack.base_url());
        let signed_in = door.body("application/x-www-form-urlencoded", format!("key={key}")).send().await;
        cookies.push(signed_in.header("set-cookie").unwrap().split(';').next().unwrap().to_owned());
    }
    let opens = async || {
        let mut answers = Vec::new();
        for cookie in &cookies {
            answers.push(site.get("/console/orders").header("cookie", cookie).send().await.status);
        }
        answers
    };
    for (by, status) in [("PT59M", [200, 200]), ("PT1M", [303, 200]), ("PT6H59M", [303, 200]), ("PT1M", [303, 303])] {
        site.advance(by).await;
        assert_eq!(opens().await, status, "{by} later");
    }
    site.stop().await;
}

#[tokio::test]
async fn of_two_managers_who_change_one_plan_one_is_told() {
    let site = Site::still().await;
    let body = next_version(&site, "eu-5gb-30d").await;
    let order = site.order(&draft("eu-5gb-30d")).await;
    let put = async |price: i64| {
        let mut body = body.clone();
        body["price"]["amount"] = price.into();
        asking(&site, Method::PUT, "/v1/plans/eu-5gb-30d", &body).send().await.status
    };
    let mut answers = join_all([1500, 1600, 1700].map(put)).await;
    answers.sort_unstable();
    assert_eq!(answers, [201, 409, 409]);
    assert_eq!(site.read(&order).await["price"], order["price"], "an order keeps the version that it was sold with");
    // A manager has seen the new price, and orders at it; partners may get the one before for another minute.
    let now = site.get("/v1/plans/eu-5gb-30d").by(By::Manager).send().await.expect(200);
    let mut by_manager = draft("eu-5gb-30d");
    by_manager["partnerId"] = PARTNER.into();
    let made = site.ordering(&by_manager).by(By::Manager).send().await.expect(201);
    assert_eq!((&made["price"], &made["planVersion"]), (&now["price"], &now["version"]));
    assert_eq!(site.order(&draft("eu-5gb-30d")).await["price"], order["price"]);
    site.advance("PT1M").await;
    assert_eq!(site.order(&draft("eu-5gb-30d")).await["price"], now["price"]);
    site.stop().await;
}

#[tokio::test]
async fn a_request_finds_its_order_though_the_plan_is_not_sold_to_it_any_more() {
    let site = Site::still().await;
    let mut body = next_version(&site, "eu-5gb-30d").await;
    let asked = draft("eu-5gb-30d");
    let ask = |key: &str| site.ordering(&asked).header("Idempotency-Key", key).send();
    let order = ask("before").await.expect(201);
    for (name, value, status, code, field) in [
        ("formFactors", json!(["physical"]), 400, "invalid_field", Some("formFactor")),
        ("partners", json!(["other-travel"]), 404, "plan_not_found", Some("planId")),
    ] {
        body[name] = value;
        let next = asking(&site, Method::PUT, "/v1/plans/eu-5gb-30d", &body).send().await.expect(201);
        body["basedOn"] = next["version"].clone();
        site.advance("PT2M").await;
        let again = ask("before").await;
        assert_eq!((again.header("idempotency-replayed"), num(&again.expect(200))), (Some("true"), num(&order)), "{name}");
        assert_eq!(ask("after").await.problem(status, code, field)["status"], status);
        let other = site.ordering(&draft("world-2gb-30d")).header("Idempotency-Key", "before").send().await;
        other.problem(422, "idempotency_key_reused", Some("Idempotency-Key"));
    }
    site.stop().await;
}

#[tokio::test]
async fn a_credit_counts_once_however_often_it_is_sent_at_once() {
    let site = Site::still().await;
    let body = json!({"amount": {"amount": 500, "currency": "USD"}, "note": "a transfer"});
    let path = format!("/v1/partners/{PARTNER}/credits");
    let sent =
        join_all((0..10).map(|_| asking(&site, Method::POST, &path, &body).header("Idempotency-Key", "once").send())).await;
    let made: Vec<u16> = sent.iter().map(|answer| answer.status).filter(|status| *status != 200).collect();
    assert!(made.len() <= 1 && sent.iter().all(|answer| matches!(answer.status, 200 | 201)), "{made:?}");
    let partner = site.get(format!("/v1/partners/{PARTNER}")).by(By::Partner).send().await.expect(200);
    let dollars = list(&partner, "balances").iter().find(|balance| balance["currency"] == "USD").unwrap();
    assert_eq!(dollars["amount"], 500);
    site.stop().await;
}
