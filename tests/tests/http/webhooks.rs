//! Payment providers' webhooks.

use crate::api::{Site, draft, list, num, stripe_event, unique};
use futures_util::future::join_all;
use serde_json::{Value, json};
use simdock_payments::{Secret, sign_standard, sign_stripe};
use simdock_runtime::Config;
use std::collections::BTreeMap;
use std::sync::Arc;

const STRIPE: &str = "/v1/webhooks/payments/stripe";
const STANDARD: &str = "/v1/webhooks/payments/standard";

/// A secret that no stack has.
fn stranger() -> Secret {
    Secret::stripe("whsec_c29tZWJvZHkgZWxzZSdzIHNlY3JldCwgMzIgYnl0ZXM=").unwrap()
}

/// An event of Standard Webhooks that tells of a payment of an order's price.
pub fn standard_event(order: &Value) -> Value {
    json!({
        "type": "payment.succeeded", "timestamp": "2026-11-22T10:00:00Z",
        "data": {
            "paymentId": format!("pay_{}", unique()), "orderNum": order["orderNum"],
            "amount": order["price"]["amount"], "currency": order["price"]["currency"],
        },
    })
}

/// Tells of an event of Standard Webhooks, well signed; what became of it.
pub async fn standard(site: &Site, event: &Value) -> Value {
    let (now, body, id) = (site.stack.clock().now(), event.to_string(), format!("msg_{}", unique()));
    let signature = sign_standard(&id, now, body.as_bytes(), &site.standard_secret());
    let call = site.post(STANDARD).header("webhook-id", id).header("webhook-timestamp", now.unix().to_string());
    let answer = call.header("webhook-signature", signature).body("application/json", body).send().await;
    answer.expect(200)["result"].take()
}

#[tokio::test]
async fn a_signed_payment_pays_and_no_other_does() {
    let site = Site::still().await;
    let order = site.order(&draft("eu-5gb-30d")).await;
    let before = site.tables().await;
    let (now, secret) = (site.stack.clock().now(), site.stripe_secret());
    let body = stripe_event(&order).to_string();
    let send = async |signature: &str, body: &str| {
        let call =
            site.post(STRIPE).header("Stripe-Signature", signature).body("application/json; charset=utf-8", body.to_owned());
        call.send().await
    };
    let good = sign_stripe(now, body.as_bytes(), &secret);
    let unsigned = site.post(STRIPE).body("application/json", body.clone());
    unsigned.send().await.problem(400, "bad_signature", None);
    // The same JSON in other bytes.
    let encoded = serde_json::to_string_pretty(&serde_json::from_str::<Value>(&body).unwrap()).unwrap();
    send(&good, &encoded).await.problem(400, "bad_signature", None);
    send(&good, &format!("{body} ")).await.problem(400, "bad_signature", None);
    let forged = sign_stripe(now, body.as_bytes(), &stranger());
    for signature in ["", "nonsense", "t=,v1=", &forged, &good.replace("v1=", "v0="), &good.to_uppercase()] {
        send(signature, &body).await.problem(400, "bad_signature", None);
    }
    // Moving the time breaks the signature, and an old one is old.
    let moved = good.replace(&now.unix().to_string(), &now.plus_seconds(10).unix().to_string());
    send(&moved, &body).await.problem(400, "bad_signature", None);
    for seconds in [-310, 310] {
        let stale = sign_stripe(now.plus_seconds(seconds), body.as_bytes(), &secret);
        send(&stale, &body).await.problem(400, "signature_stale", None);
    }
    // The header of another provider's scheme says nothing here.
    site.post(STANDARD).header("Stripe-Signature", good.clone()).body("application/json", body.clone()).send().await.problem(
        400,
        "bad_signature",
        None,
    );
    assert!(site.tables().await == before, "something was written");

    // While the provider rotates its secret, it signs with both.
    let both = format!("{forged},{}", good.split_once(',').unwrap().1);
    assert_eq!(send(&both, &body).await.expect(200)["result"], "paid");
    assert_eq!(send(&good, &body).await.expect(200)["result"], "known");
    assert_eq!(site.read(&order).await["status"], 0);
    site.stop().await;
}

#[tokio::test]
async fn standard_webhooks_pay() {
    let site = Site::still().await;
    let order = site.order(&draft("eu-5gb-30d")).await;
    let before = site.tables().await;
    let (now, secret) = (site.stack.clock().now(), site.standard_secret());
    let body = standard_event(&order).to_string();
    let send = async |id: &str, time: i64, signature: &str, body: &str| {
        let call = site.post(STANDARD).header("webhook-id", id).header("webhook-timestamp", time.to_string());
        call.header("webhook-signature", signature).body("application/json", body.to_owned()).send().await
    };
    let good = sign_standard("msg_1", now, body.as_bytes(), &secret);
    let other = Secret::standard("whsec_c29tZWJvZHkgZWxzZSdzIHNlY3JldCwgMzIgYnl0ZXM=").unwrap();
    let forged = sign_standard("msg_1", now, body.as_bytes(), &other);
    send("msg_2", now.unix(), &good, &body).await.problem(400, "bad_signature", None);
    send("msg_1", now.unix() + 1, &good, &body).await.problem(400, "bad_signature", None);
    send("msg_1", now.unix(), &good, &format!("{body}\n")).await.problem(400, "bad_signature", None);
    send("msg_1", now.unix(), &forged, &body).await.problem(400, "bad_signature", None);
    send("msg_1", now.unix(), &good.replace("v1,", "v1a,"), &body).await.problem(400, "bad_signature", None);
    let old = now.plus_seconds(-310);
    let stale = sign_standard("msg_1", old, body.as_bytes(), &secret);
    send("msg_1", old.unix(), &stale, &body).await.problem(400, "signature_stale", None);
    assert!(site.tables().await == before, "something was written");

    let paid = send("msg_1", now.unix(), &format!("{forged} {good}"), &body).await.expect(200);
    assert_eq!(paid, json!({"received": true, "result": "paid"}));
    // The same payment, told of in another message.
    let again = sign_standard("msg_9", now, body.as_bytes(), &secret);
    assert_eq!(send("msg_9", now.unix(), &again, &body).await.expect(200)["result"], "known");
    site.stop().await;
}

#[tokio::test]
async fn a_webhook_that_comes_twenty_times_at_once_changes_the_order_once() {
    let site = Site::start().await;
    let order = site.order(&draft("eu-5gb-30d")).await;
    let before = site.available("meridian.7.esim").await;
    let event = stripe_event(&order).to_string();
    let answers = join_all((0..20).map(|_| site.stripe_call(event.clone()).send())).await;
    let results: Vec<Value> = answers.iter().map(|answer| answer.expect(200)["result"].clone()).collect();
    assert_eq!(results.iter().filter(|result| **result == "paid").count(), 1, "{results:?}");
    assert_eq!(results.iter().filter(|result| **result == "known").count(), 19, "{results:?}");
    let order = site.settled(&order).await;
    assert_eq!((list(&order, "payments").len(), list(&order, "cards").len()), (1, 1));
    assert_eq!(order["owed"], json!([]));
    assert_eq!((site.mails(&order, "qr").await.len(), site.mails(&order, "confirmation").await.len()), (1, 1));
    // What the nineteen others drew is back on sale.
    site.advance("PT2M").await;
    site.advance("PT2M").await;
    assert_eq!(site.available("meridian.7.esim").await, before - 1);
    site.stop().await;
}

/// Several events of Stripe's tell of one payment, in any sequence.
#[tokio::test]
async fn one_payment_told_of_in_several_ways_is_one_payment() {
    let site = Site::still().await;
    let order = site.order(&draft("eu-5gb-30d")).await;
    let session = |kind: &str, status: &str| {
        json!({
            "id": format!("evt_{}", unique()), "object": "event", "type": kind,
            "data": {"object": {
                "id": "cs_1", "object": "checkout.session", "payment_status": status, "payment_intent": "pi_shared",
                "amount_total": 1450, "currency": "eur", "client_reference_id": num(&order), "metadata": {},
            }},
        })
    };
    let mut intent = stripe_event(&order);
    intent["data"]["object"]["id"] = "pi_shared".into();
    for (event, result) in [
        (session("checkout.session.completed", "unpaid"), "ignored"),
        (session("checkout.session.async_payment_succeeded", "paid"), "paid"),
        (intent, "known"),
        (session("checkout.session.completed", "paid"), "known"),
        (session("checkout.session.expired", "unpaid"), "ignored"),
    ] {
        assert_eq!(site.stripe(&event).await, result, "{}", event["type"]);
    }
    assert_eq!(list(&site.read(&order).await, "payments").len(), 1);
    site.stop().await;
}

/// Two secrets are configured while one replaces the other: both are good, and a third is not.
#[tokio::test]
async fn secrets_can_be_rotated() {
    let site = Site::still().await;
    let mut variables: BTreeMap<String, String> = site.stack.environment("payment-webhook").unwrap().clone();
    let (old, new) = (site.stack.keys().stripe_secret.clone(), "whsec_the-next-one");
    variables.insert("STRIPE_WEBHOOK_SECRETS".to_owned(), format!("{new},{old}"));
    let config = Config::new(variables, site.stack.config().clock().clone());
    let app = Arc::new(simdock_payment_webhook::App::new(&config).await.unwrap());
    let handler = simdock_local::http_handler(move |request| {
        let app = Arc::clone(&app);
        async move { app.handle(request).await }
    });
    let now = site.stack.clock().now();
    for (secret, status) in [(new, 200), (&old, 200), ("whsec_another", 400)] {
        let order = site.order(&draft("eu-5gb-30d")).await;
        let body = stripe_event(&order).to_string();
        let signature = sign_stripe(now, body.as_bytes(), &Secret::stripe(secret).unwrap());
        let event = json!({
            "version": "2.0", "routeKey": "POST /v1/webhooks/payments/{provider}", "rawPath": STRIPE, "rawQueryString": "",
            "headers": {"content-type": "application/json", "stripe-signature": signature},
            "pathParameters": {"provider": "stripe"},
            "requestContext": {
                "accountId": "0", "apiId": "local", "domainName": "x", "domainPrefix": "x", "requestId": "r",
                "http": {"method": "POST", "path": STRIPE, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "test"},
                "routeKey": "POST /v1/webhooks/payments/{provider}", "stage": "$default", "time": "", "timeEpoch": 0,
            },
            "body": body, "isBase64Encoded": false,
        });
        let answer = handler(event, simdock_runtime::Context::default()).await.unwrap();
        assert_eq!(answer["statusCode"], status, "{answer}");
        assert_eq!(site.read(&order).await["status"] == 0, status == 200);
    }
    site.stop().await;
}
