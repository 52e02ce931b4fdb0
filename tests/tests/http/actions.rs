//! What can be done now, as the API tells it beforehand: the same that the actions' own routes answer.

use crate::acts::{EID, PLAN, by_balance, card, changing, delivered, managing, operator, pause, renewing, subscription_of, tell};
use crate::api::{Answer, By, Call, Site, draft, list, num};
use hyper::Method;
use serde_json::{Value, json};

const BY_POST: &str = "sandbox-5gb-30d";

async fn actions(site: &Site, path: String, by: By<'_>) -> Vec<Value> {
    let page = site.get(format!("{path}/actions")).by(by).send().await.expect(200);
    list(&page, "items").to_vec()
}

async fn of_order(site: &Site, order: &Value, by: By<'_>) -> Vec<Value> {
    actions(site, format!("/v1/orders/{}", num(order)), by).await
}

async fn of_subscription(site: &Site, id: &str, by: By<'_>) -> Vec<Value> {
    actions(site, format!("/v1/subscriptions/{id}"), by).await
}

/// The request that asks for an action of an order, as a manager.
fn asked<'s>(site: &'s Site, order: &Value, action: &str) -> Call<'s> {
    let mail = |kind: &str| managing(site, order, "emails", &json!({ "kind": kind }));
    match action {
        "refund" => managing(site, order, "refund", &json!({"reason": "changed plans"})),
        "ship" => managing(site, order, "shipment", &json!({"carrier": "Correos", "number": "PX1"})),
        "correct_shipment" => {
            managing(site, order, "shipment", &json!({"carrier": "Correos", "number": "PX2", "corrects": {"number": "PX1"}}))
        }
        "edit_recipient" => site
            .call(Method::PATCH, format!("/v1/orders/{}/recipient", num(order)))
            .by(By::Manager)
            .json(&json!({"name": "Anna"})),
        "resend_qr" => mail("qr"),
        "resend_confirmation" => mail("confirmation"),
        "resend_shipment" => mail("shipment"),
        "retry" => managing(site, order, "retry", &json!({})),
        "settle_refund" => {
            let failed = list(order, "refunds").iter().find(|refund| refund["status"] == "failed");
            let id = failed.map_or(json!("RF0"), |refund| refund["refundId"].clone());
            managing(site, order, "refunds", &json!({"refundId": id, "reference": "SEPA 1"}))
        }
        "renew" => renewing(site, order, &json!({"payment": "balance"})),
        "note" => managing(site, order, "notes", &json!({"note": "hello"})),
        other => panic!("what is {other}?"),
    }
}

/// Whether an action of an order is asked for with a subscription of one of its lines.
fn is_of_lines(action: &str) -> bool {
    matches!(action, "top_up" | "swap_sim")
}

/// The request that asks for an action of a subscription.
fn asked_of<'s>(site: &'s Site, id: &str, action: &str) -> Call<'s> {
    match action {
        "top_up" => changing(site, id, "top-ups", &json!({"planId": PLAN, "payment": "balance"})),
        "swap_sim" => changing(site, id, "sim-swap", &json!({"payment": "balance"})),
        "cancel" => changing(site, id, "cancellation", &json!({})),
        "suspend" => changing(site, id, "suspension", &json!({})),
        "resume" => changing(site, id, "resumption", &json!({})),
        other => panic!("what is {other}?"),
    }
}

/// A refusal that was foretold is the one that is answered; the codes of all of them, by action, `""` for what is allowed.
async fn foretold(actions: &[Value], answer: impl AsyncFn(&str) -> Answer) -> Vec<(String, String)> {
    let mut codes = Vec::new();
    for entry in actions {
        let (action, code) = (entry["action"].as_str().unwrap(), entry["code"].as_str().unwrap_or_default());
        let refused = entry["allowed"] == false;
        assert!(!refused || !code.is_empty(), "{entry}");
        if refused && action != "complimentary" {
            let told = answer(action).await;
            if code == "done" || matches!(code, "cancelling" | "cancelled") {
                told.expect(200);
            } else {
                assert!((400..500).contains(&told.status), "{entry}: {}", told.text());
                let problem: Value = serde_json::from_slice(&told.body).unwrap();
                let reason = problem.get("reason").unwrap_or(&problem["code"]);
                assert_eq!((reason, &problem["detail"]), (&entry["code"], &entry["reason"]), "{action}");
            }
        }
        codes.push((action.to_owned(), if refused { code.to_owned() } else { String::new() }));
    }
    codes
}

/// What managers are told of an order, held to what is answered.
async fn order_codes(site: &Site, order: &Value) -> Vec<(String, String)> {
    let told = of_order(site, order, By::Manager).await;
    let order = site.get(format!("/v1/orders/{}?codes=false", num(order))).by(By::Manager).send().await.expect(200);
    for entry in &told {
        // With whichever line an action can be done, that line's own list says so; where with none, why not.
        let Some(open) = entry["subscriptionIds"].as_array() else { continue };
        assert_eq!(entry["allowed"], json!(!open.is_empty()), "{entry}");
        for card in list(&order, "cards").iter().filter(|card| !card["subscriptionId"].is_null() && entry["action"] != "renew") {
            let id = card["subscriptionId"].as_str().unwrap();
            let of_line = of_subscription(site, id, By::Manager).await;
            let of_line = of_line.iter().find(|other| other["action"] == entry["action"]).unwrap();
            assert_eq!(of_line["allowed"], json!(open.contains(&card["subscriptionId"])), "{entry} {of_line}");
            if open.is_empty() {
                assert_eq!((&of_line["code"], &of_line["reason"]), (&entry["code"], &entry["reason"]));
            }
        }
    }
    let routed: Vec<Value> = told.iter().filter(|entry| !is_of_lines(entry["action"].as_str().unwrap())).cloned().collect();
    let mut codes = foretold(&routed, async |action| asked(site, &order, action).send().await).await;
    let of_lines = told.iter().filter(|entry| is_of_lines(entry["action"].as_str().unwrap()));
    let told_of_lines = of_lines.map(|entry| {
        let refused = entry["allowed"] == false;
        let code = if refused { entry["code"].as_str().unwrap() } else { "" };
        (entry["action"].as_str().unwrap().to_owned(), code.to_owned())
    });
    let at = codes.iter().position(|(action, _)| action == "note").unwrap();
    codes.splice(at..at, told_of_lines);
    codes
}

async fn subscription_codes(site: &Site, id: &str) -> Vec<(String, String)> {
    let told = of_subscription(site, id, By::Partner).await;
    foretold(&told, async |action| asked_of(site, id, action).send().await).await
}

fn code<'c>(codes: &'c [(String, String)], action: &str) -> &'c str {
    &codes.iter().find(|(name, _)| name == action).unwrap_or_else(|| panic!("no {action}")).1
}

#[tokio::test]
async fn what_cannot_be_done_with_an_order_is_told_as_its_routes_tell_it() {
    let site = Site::start().await;
    let unpaid = site.order(&draft(PLAN)).await;
    let told = order_codes(&site, &unpaid).await;
    assert_eq!(
        told.iter().map(|(action, code)| (action.as_str(), code.as_str())).collect::<Vec<_>>(),
        [
            ("refund", "not_paid"),
            ("ship", "nothing_to_ship"),
            ("correct_shipment", "not_shipped"),
            ("edit_recipient", ""),
            ("resend_qr", "no_such_email"),
            ("resend_confirmation", "no_such_email"),
            ("resend_shipment", "no_such_email"),
            ("retry", "nothing_to_retry"),
            ("settle_refund", "nothing_to_settle"),
            ("renew", "not_paid"),
            ("top_up", "not_paid"),
            ("swap_sim", "not_paid"),
            ("note", ""),
        ]
    );
    let own: Vec<Value> = of_order(&site, &unpaid, By::Partner).await;
    assert_eq!(
        own.iter().map(|entry| entry["action"].as_str().unwrap()).collect::<Vec<_>>(),
        ["refund", "renew", "top_up", "swap_sim"]
    );
    site.get(format!("/v1/orders/{}/actions", num(&unpaid))).by(By::OtherPartner).send().await.problem(404, "not_found", None);

    // One that works, then on a phone, then given back.
    let order = delivered(&site, &by_balance(PLAN)).await;
    let told = order_codes(&site, &order).await;
    let refused: Vec<&str> = told.iter().filter(|(_, code)| !code.is_empty()).map(|(action, _)| action.as_str()).collect();
    assert_eq!(refused, ["ship", "correct_shipment", "resend_shipment", "retry", "settle_refund"]);
    assert_eq!(tell(&site, card(&order), json!({"type": "installed", "eid": EID, "via": "qr"})).await, "recorded");
    assert_eq!(code(&order_codes(&site, &order).await, "refund"), "installed");
    let told = of_order(&site, &order, By::Manager).await;
    let qr = told.iter().find(|entry| entry["action"] == "resend_qr").unwrap();
    assert_eq!((&qr["allowed"], &qr["code"]), (&json!(true), &json!("other_device")));
    let answered = asked(&site, &order, "resend_qr").send().await.problem(409, "other_device", None);
    assert_eq!(answered["detail"], qr["reason"]);

    let order = delivered(&site, &by_balance(PLAN)).await;
    pause(&site, "provision", true).await;
    asked(&site, &order, "refund").send().await.expect(202);
    let told = order_codes(&site, &order).await;
    assert_eq!((code(&told, "refund"), code(&told, "resend_qr")), ("cancelling", "no_such_email"));
    // Paid, but not provisioned.
    let waiting = site.order(&by_balance(PLAN)).await;
    let told = order_codes(&site, &waiting).await;
    assert_eq!((code(&told, "refund"), code(&told, "renew")), ("", "in_progress"));
    assert_eq!((code(&told, "top_up"), code(&told, "swap_sim")), ("in_progress", "in_progress"));
    pause(&site, "provision", false).await;
    let order = site.until(&order, "cancelled", |order| order["status"] == 2).await;
    let told = order_codes(&site, &order).await;
    assert_eq!((code(&told, "refund"), code(&told, "renew")), ("cancelled", "ended"));
    assert_eq!((code(&told, "top_up"), code(&told, "swap_sim")), ("ended", "ended"));

    // A mail that is on its way.
    let order = site.settled(&waiting).await;
    pause(&site, "send-email", true).await;
    asked(&site, &order, "resend_confirmation").send().await.expect(200);
    assert_eq!(code(&order_codes(&site, &order).await, "resend_confirmation"), "done");
    pause(&site, "send-email", false).await;

    // A card that the operator refused.
    operator(&site, "refuse", 1).await;
    let failed = site.order(&by_balance(PLAN)).await;
    let failed = site.until(&failed, "failed", |order| order["fulfilment"] == "failed").await;
    let told = order_codes(&site, &failed).await;
    assert_eq!((code(&told, "refund"), code(&told, "renew")), ("not_delivered", "not_delivered"));
    assert_eq!((code(&told, "top_up"), code(&told, "swap_sim")), ("not_delivered", "not_delivered"));

    // One that was cancelled before its card was provisioned.
    pause(&site, "provision", true).await;
    let never = site.order(&by_balance(PLAN)).await;
    asked(&site, &never, "refund").send().await.expect(202);
    pause(&site, "provision", false).await;
    let never = site.until(&never, "cancelled", |order| order["status"] == 2).await;
    let told = order_codes(&site, &never).await;
    assert_eq!((code(&told, "renew"), code(&told, "top_up")), ("not_delivered", "not_delivered"));

    // Nobody paid for it in time.
    site.advance("PT31M").await;
    let told = of_order(&site, &unpaid, By::Manager).await;
    let swap = told.iter().find(|entry| entry["action"] == "swap_sim").unwrap();
    assert_eq!(
        swap,
        &json!({"action": "swap_sim", "allowed": false, "code": "not_paid", "subscriptionIds": [],
            "reason": "The order is void: no cards were sold with it."})
    );
    assert_eq!(code(&order_codes(&site, &unpaid).await, "renew"), "not_paid");
    site.stop().await;
}

#[tokio::test]
async fn an_order_of_several_cards_names_those_with_which_something_can_be_done() {
    let site = Site::start().await;
    let mut two = by_balance(PLAN);
    two["count"] = 2.into();
    let order = delivered(&site, &two).await;
    let [first, second] = [0, 1].map(|card| order["cards"][card]["subscriptionId"].clone());
    changing(&site, first.as_str().unwrap(), "sim-swap", &json!({})).send().await.expect(201);
    let told = of_order(&site, &order, By::Partner).await;
    for action in ["renew", "top_up", "swap_sim"] {
        let entry = told.iter().find(|entry| entry["action"] == action).unwrap();
        assert_eq!((&entry["allowed"], &entry["subscriptionIds"]), (&json!(true), &json!([second])), "{entry}");
    }
    site.stop().await;
}

#[tokio::test]
async fn an_order_tells_of_the_data_package_and_the_profile_of_its_cards() {
    let site = Site::start().await;
    let mut draft = draft("eu-5gb-30d");
    draft["addOnIds"] = json!(["data-1gb"]);
    let order = site.order(&draft).await;
    site.pay(&order).await;
    let order = site.settled(&order).await;
    let card = &order["cards"][0];
    assert_eq!(card["package"]["dataMb"], 5120 + 1024);
    assert_eq!((&card["package"]["days"], &card["package"]["addOns"][0]["addOnId"]), (&json!(30), &json!("data-1gb")));
    assert_eq!((&card["operator"], &card["imsiProfile"]), (&json!("meridian"), &json!("7")));
    // What is bought later counts as well, on either order.
    let more = json!({"addOnIds": ["data-1gb"], "payment": "balance"});
    let more = changing(&site, card["subscriptionId"].as_str().unwrap(), "top-ups", &more).send().await.expect(201);
    for order in [site.settled(&order).await, site.settled(&more).await] {
        let package = &order["cards"][0]["package"];
        assert_eq!((&package["dataMb"], list(package, "addOns").len()), (&json!(5120 + 2048), 2), "{package}");
    }
    assert_eq!(more["profiles"], json!([]));
    let swap = changing(&site, card["subscriptionId"].as_str().unwrap(), "sim-swap", &json!({})).send().await.expect(201);
    assert_eq!(swap["cards"][0]["package"], Value::Null, "a swap brings no plan");
    // The one that costs least stands first.
    let profiles: Vec<&str> = list(&order, "profiles").iter().map(|profile| profile["imsiProfile"].as_str().unwrap()).collect();
    assert_eq!(profiles, ["7", "2"]);
    site.stop().await;
}

#[tokio::test]
async fn asking_writes_nothing() {
    let site = Site::still().await;
    let order = site.order(&by_balance(PLAN)).await;
    let job = json!({"messageId": "1", "body": json!({"orderNum": num(&order), "job": "provision"}).to_string()});
    site.stack.invoke("provision", json!({"Records": [job]})).await.unwrap();
    let order = site.get(format!("/v1/orders/{}?codes=false", num(&order))).by(By::Partner).send().await.expect(200);
    let before = site.tables().await;
    for by in [By::Partner, By::Manager] {
        of_order(&site, &order, by).await;
        of_subscription(&site, &subscription_of(&order), by).await;
    }
    assert!(site.tables().await == before, "something was written");
    site.stop().await;
}

#[tokio::test]
async fn a_parcel_can_be_sent_once() {
    let site = Site::start().await;
    let mut by_post = by_balance(BY_POST);
    by_post["formFactor"] = "physical".into();
    by_post["subscriber"]["postalAddress"] =
        json!({"lines": ["Calle Mayor 1"], "city": "Madrid", "postalCode": "28013", "country": "ES"});
    pause(&site, "provision", true).await;
    let order = site.order(&by_post).await;
    assert_eq!(code(&order_codes(&site, &order).await, "ship"), "in_progress");
    pause(&site, "provision", false).await;
    let order = site.until(&order, "ready", |order| order["cards"][0]["status"] == "ready").await;
    assert_eq!(code(&order_codes(&site, &order).await, "ship"), "");
    asked(&site, &order, "ship").send().await.expect(200);
    let told = of_order(&site, &order, By::Manager).await;
    let ship = told.iter().find(|entry| entry["action"] == "ship").unwrap();
    assert_eq!((&ship["allowed"], &ship["code"]), (&json!(false), &json!("shipped")));
    let another = managing(&site, &order, "shipment", &json!({"carrier": "Correos", "number": "PX2"}));
    assert_eq!(another.send().await.problem(409, "not_possible", None)["detail"], ship["reason"]);
    // Once its mail is out.
    site.settled(&order).await;
    let told = of_order(&site, &order, By::Manager).await;
    assert_eq!(told.iter().find(|entry| entry["action"] == "correct_shipment").unwrap()["allowed"], true);
    site.stop().await;
}

#[tokio::test]
async fn what_cannot_be_done_with_a_subscription_is_told_as_its_routes_tell_it() {
    let site = Site::start().await;
    let order = delivered(&site, &by_balance(PLAN)).await;
    let id = subscription_of(&order);
    let told = subscription_codes(&site, &id).await;
    assert_eq!(
        told.iter().map(|(action, code)| (action.as_str(), code.as_str())).collect::<Vec<_>>(),
        [("top_up", ""), ("swap_sim", ""), ("cancel", ""), ("suspend", ""), ("resume", "done"), ("complimentary", "")]
    );
    let gifts = |told: &[Value]| told.iter().find(|entry| entry["action"] == "complimentary").unwrap().clone();
    let told = gifts(&of_subscription(&site, &id, By::Partner).await);
    assert_eq!(told["planIds"], json!(["sandbox-gift-1gb-7d"]));
    let mut gift = draft("sandbox-gift-1gb-7d");
    (gift["payment"], gift["eligibleSubscriptionId"]) = (json!("complimentary"), json!(id));
    assert_eq!(site.order(&gift).await["status"], 0);
    let told = gifts(&of_subscription(&site, &id, By::Manager).await);
    assert_eq!((&told["allowed"], &told["code"], &told["planIds"]), (&json!(false), &json!("nothing_to_give"), &json!([])));
    assert_eq!(site.order(&gift).await["voidReason"], "nothing_to_give");

    // While the carrier has not answered, and once it has.
    pause(&site, "provision", true).await;
    changing(&site, &id, "suspension", &json!({})).send().await.expect(202);
    let told = subscription_codes(&site, &id).await;
    assert_eq!((code(&told, "suspend"), code(&told, "resume")), ("done", "in_progress"));
    pause(&site, "provision", false).await;
    crate::acts::until(&site, &id, "suspended", |subscription| subscription["status"] == "suspended").await;
    assert_eq!(code(&subscription_codes(&site, &id).await, "resume"), "");

    // While it is being swapped, and once it has ended.
    let swapping = subscription_of(&delivered(&site, &by_balance(PLAN)).await);
    changing(&site, &swapping, "sim-swap", &json!({})).send().await.expect(201);
    let told = subscription_codes(&site, &swapping).await;
    assert!(told.iter().take(5).all(|(_, code)| code == "swap"), "{told:?}");
    let ended = changing(&site, &id, "cancellation", &json!({})).send().await.expect(201);
    site.until(&ended, "completed", |order| order["fulfilment"] == "completed").await;
    let told = subscription_codes(&site, &id).await;
    assert!(told.iter().take(5).all(|(_, code)| code == "ended"), "{told:?}");
    assert_eq!(code(&told, "complimentary"), "no_eligible_plan");
    site.stop().await;
}
