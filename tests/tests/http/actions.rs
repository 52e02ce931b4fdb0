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
            managing(site, order, "shipment", &json!({"carrier": "Correos", "number": "PX2", "corrects": "PX1"}))
        }
        "edit_recipient" => site
            .call(Method::PATCH, format!("/v1/orders/{}/recipient", num(order)))
            .by(By::Manager)
            .json(&json!({"name": "Anna"})),
        "resend_qr" => mail("qr"),
        "resend_confirmation" => mail("confirmation"),
        "resend_shipment" => mail("shipment"),
        "retry" => managing(site, order, "retry", &json!({})),
        "renew" => renewing(site, order, &json!({"payment": "balance"})),
        "note" => managing(site, order, "notes", &json!({"note": "hello"})),
        other => panic!("what is {other}?"),
    }
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
    foretold(&told, async |action| asked(site, order, action).send().await).await
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
            ("renew", "in_progress"),
            ("note", ""),
        ]
    );
    let own: Vec<Value> = of_order(&site, &unpaid, By::Partner).await;
    assert_eq!(own.iter().map(|entry| entry["action"].as_str().unwrap()).collect::<Vec<_>>(), ["refund", "renew"]);
    site.get(format!("/v1/orders/{}/actions", num(&unpaid))).by(By::OtherPartner).send().await.problem(404, "not_found", None);

    // One that works, then on a phone, then given back.
    let order = delivered(&site, &by_balance(PLAN)).await;
    let told = order_codes(&site, &order).await;
    let refused: Vec<&str> = told.iter().filter(|(_, code)| !code.is_empty()).map(|(action, _)| action.as_str()).collect();
    assert_eq!(refused, ["ship", "correct_shipment", "resend_shipment", "retry"]);
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
    pause(&site, "provision", false).await;
    let order = site.until(&order, "cancelled", |order| order["status"] == 2).await;
    let told = order_codes(&site, &order).await;
    assert_eq!((code(&told, "refund"), code(&told, "renew")), ("cancelled", "ended"));

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
    assert_eq!((code(&told, "refund"), code(&told, "renew")), ("not_delivered", "not_found"));
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
