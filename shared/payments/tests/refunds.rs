//! Refunds asked of a Stripe on the loopback interface, well and badly behaved, over real connections.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use simdock_domain::Money;
use simdock_payments::RefundError::{Final, Retryable, Unauthorized};
use simdock_payments::{RefundAnswer, RefundError, RefundProgress, RefundRequest, StripeClient, StripeClientError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const KEY: &str = "rk_test_51Hx0123456789";
const ORDER: &str = "EP0123456789ABCDEF";
const REFUND: &str = "RF0123456789ABCDEF";
const PI: &str = "pi_3SWkT2LkdIwHu7ix0qJ5dZ1a";

type Received = Arc<Mutex<Vec<(Parts, Bytes)>>>;
type Answer = Response<Full<Bytes>>;

fn request(amount: i64, currency: &str) -> RefundRequest {
    RefundRequest {
        refund_id: REFUND.into(),
        order_num: ORDER.parse().expect("an order number"),
        payment_id: PI.into(),
        amount: Money { amount, currency: currency.parse().expect("a currency") },
    }
}

fn refund(id: &str, status: &str, refund_id: &str) -> Value {
    json!({
        "id": id, "object": "refund", "amount": 1450, "balance_transaction": null, "charge": "ch_3SWkT2LkdIwHu7ix0",
        "created": 1_795_343_400, "currency": "eur", "metadata": { "refundId": refund_id, "orderNum": ORDER },
        "payment_intent": PI, "reason": null, "status": status
    })
}

fn response(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
    let response = Response::builder().status(status);
    let response = headers.iter().fold(response, |response, (name, value)| response.header(*name, *value));
    response.body(Full::new(body.into())).expect("a response")
}

fn ok(body: &Value) -> Answer {
    response(200, &[("content-type", "application/json")], body.to_string())
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("a free port")
}

fn at(scheme: &str, listener: &TcpListener) -> StripeClient {
    let address = listener.local_addr().expect("an address");
    let client = StripeClient::new(&format!("{scheme}://{address}/"), KEY).expect("a client");
    client.with_timeout(Duration::from_secs(2))
}

/// A Stripe that gives these answers in turn, the last one again and again, and what it received.
async fn stripe(answers: Vec<Answer>) -> (StripeClient, Received) {
    let listener = listener().await;
    let client = at("http", &listener);
    let received = Received::default();
    let (seen, answers) = (Arc::clone(&received), Arc::new(answers));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            let (seen, answers) = (Arc::clone(&seen), Arc::clone(&answers));
            let service = service_fn(move |request: Request<Incoming>| {
                let (seen, answers) = (Arc::clone(&seen), Arc::clone(&answers));
                async move {
                    let (head, body) = request.into_parts();
                    let body = body.collect().await?.to_bytes();
                    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                    seen.push((head, body));
                    Ok::<_, hyper::Error>(answers[answers.len().min(seen.len()) - 1].clone())
                }
            });
            // The client may hang up in the middle of an answer that it does not want.
            tokio::spawn(async move { http1::Builder::new().serve_connection(TokioIo::new(stream), service).await });
        }
    });
    (client, received)
}

/// A Stripe that reads a request, writes these bytes, and then holds or closes the connection.
async fn raw_stripe(answer: &'static [u8], hold: bool) -> StripeClient {
    let listener = listener().await;
    let client = at("http", &listener);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                if stream.read(&mut buffer).await.is_ok() && stream.write_all(answer).await.is_ok() && hold {
                    tokio::time::sleep(Duration::from_mins(1)).await;
                }
            });
        }
    });
    client
}

async fn answered(answer: Answer) -> Result<RefundAnswer, RefundError> {
    stripe(vec![answer]).await.0.refund(&request(1450, "EUR")).await
}

fn retryable<T>(result: Result<T, RefundError>) -> (String, bool) {
    match result {
        Err(Retryable { reason, replayed }) => (reason, replayed),
        Err(Final { reason } | Unauthorized { reason }) => panic!("not retryable: {reason}"),
        Ok(_) => panic!("answered"),
    }
}

fn is(provider_id: &str, state: RefundProgress) -> RefundAnswer {
    RefundAnswer { provider_id: provider_id.into(), state }
}

#[tokio::test]
async fn the_request_is_the_refund() {
    let (client, received) = stripe(vec![ok(&refund("re_1", "succeeded", REFUND))]).await;
    assert_eq!(client.refund(&request(1450, "EUR")).await, Ok(is("re_1", RefundProgress::Succeeded)));
    client.refund(&request(1450, "EUR")).await.unwrap();

    let received = received.lock().unwrap();
    let [(head, body), (_, again)] = &received[..] else { panic!("{}", received.len()) };
    assert_eq!((head.method.as_str(), head.uri.to_string().as_str()), ("POST", "/v1/refunds"));
    let form = format!("payment_intent={PI}&amount=1450&metadata%5BrefundId%5D={REFUND}&metadata%5BorderNum%5D={ORDER}");
    assert_eq!((&body[..], &again[..]), (form.as_bytes(), form.as_bytes()));
    for (name, value) in [
        ("authorization", format!("Bearer {KEY}")),
        ("content-type", "application/x-www-form-urlencoded".into()),
        ("idempotency-key", REFUND.into()),
        ("stripe-version", "2026-10-28.endive".into()),
    ] {
        assert_eq!(head.headers[name], value, "{name}");
    }
}

#[tokio::test]
async fn what_is_sent_is_encoded() {
    let (client, received) = stripe(vec![ok(&json!({ "data": [], "has_more": false }))]).await;
    assert_eq!(client.find_refund("pi_&limit=1 é+%", REFUND).await, Ok(None));
    let query = received.lock().unwrap()[0].0.uri.to_string();
    assert_eq!(query, "/v1/refunds?payment_intent=pi_%26limit%3D1%20%C3%A9%2B%25&limit=100");

    let unsendable = RefundRequest { refund_id: "RF\n1".into(), ..request(1450, "EUR") };
    assert!(matches!(client.refund(&unsendable).await, Err(Final { .. })));
    assert_eq!(received.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn amounts_are_in_stripes_units() {
    let (client, received) = stripe(vec![ok(&refund("re_1", "succeeded", REFUND))]).await;
    let in_stripes_units =
        [("EUR", 1450, "1450"), ("ISK", 5, "500"), ("JPY", 500, "500"), ("KWD", 5120, "5120"), ("MGA", 500, "5")];
    for (currency, amount, told) in in_stripes_units {
        client.refund(&request(amount, currency)).await.unwrap();
        let (_, body) = received.lock().unwrap().pop().unwrap();
        let form = String::from_utf8(body.to_vec()).unwrap();
        assert!(form.contains(&format!("&amount={told}&")), "{currency}: {form}");
    }
    for (currency, amount) in [("KWD", 5124), ("MGA", 120)] {
        let result = client.refund(&request(amount, currency)).await;
        assert!(matches!(result, Err(Final { .. })), "{result:?}");
    }
    assert!(received.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_status_says_how_far_it_is() {
    for (status, state) in [
        ("pending", RefundProgress::Pending),
        ("requires_action", RefundProgress::Pending),
        ("succeeded", RefundProgress::Succeeded),
        ("failed", RefundProgress::Failed("failed".into())),
        ("canceled", RefundProgress::Failed("canceled".into())),
    ] {
        assert_eq!(answered(ok(&refund("re_1", status, REFUND))).await, Ok(is("re_1", state)));
    }
    let mut failed = refund("re_1", "failed", REFUND);
    failed["failure_reason"] = json!("expired_or_canceled_card");
    assert_eq!(answered(ok(&failed)).await, Ok(is("re_1", RefundProgress::Failed("expired_or_canceled_card".into()))));
}

#[tokio::test]
async fn failures_that_settle_nothing_are_retryable() {
    for status in [301, 302, 307, 408, 409, 429, 500, 502, 503, 504, 599] {
        let (reason, replayed) = retryable(answered(response(status, &[("location", "/")], "busy")).await);
        assert_eq!((reason, replayed), (format!("Stripe answered {status}"), false));
    }
    let error = json!({ "error": { "type": "invalid_request_error", "code": "lock_timeout", "message": "Try\nagain." } });
    let (reason, _) = retryable(answered(response(429, &[], error.to_string())).await);
    assert_eq!(reason, "lock_timeout: Try again.");
}

#[tokio::test]
async fn a_replayed_error_is_told() {
    let error = json!({ "error": { "type": "api_error", "message": "An unknown error occurred." } }).to_string();
    for (status, value, told) in [(500, "true", true), (409, "true", true), (500, "false", false), (200, "true", true)] {
        let result = answered(response(status, &[("Idempotent-Replayed", value)], error.clone())).await;
        assert_eq!(retryable(result).1, told, "{status} {value}");
    }
    let replayed = response(200, &[("Idempotent-Replayed", "true")], refund("re_1", "pending", REFUND).to_string());
    assert_eq!(answered(replayed).await, Ok(is("re_1", RefundProgress::Pending)));
}

#[tokio::test]
async fn refusals_are_final_with_stripes_code() {
    let message = "Charge ch_3SWkT2LkdIwHu7ix0 has already been refunded.";
    let error = json!({ "error": { "code": "charge_already_refunded", "message": message, "type": "invalid_request_error" } });
    let result = answered(response(400, &[], error.to_string())).await;
    assert_eq!(result, Err(Final { reason: format!("charge_already_refunded: {message}") }));
    assert_eq!(result.unwrap_err().to_string(), format!("charge_already_refunded: {message}"));

    let no_code = json!({ "error": { "message": "Amount is greater than unrefunded.", "type": "invalid_request_error" } });
    let result = answered(response(402, &[("Idempotent-Replayed", "true")], no_code.to_string())).await;
    assert_eq!(result, Err(Final { reason: "invalid_request_error: Amount is greater than unrefunded.".into() }));
    for status in [400, 402, 404, 410, 422] {
        assert_eq!(answered(response(status, &[], "no")).await, Err(Final { reason: format!("Stripe answered {status}") }));
    }
}

#[tokio::test]
async fn a_key_that_is_not_accepted_refuses_no_refund() {
    for status in [401, 403] {
        let reason = format!("Stripe answered {status}");
        assert_eq!(answered(response(status, &[], "no")).await, Err(Unauthorized { reason: reason.clone() }));
        let (client, _) = stripe(vec![response(status, &[], "no")]).await;
        assert_eq!(client.find_refund(PI, REFUND).await, Err(Unauthorized { reason }));
    }
}

#[tokio::test]
async fn reasons_are_bounded_and_hold_no_secrets() {
    let message = format!("Invalid API Key provided: {KEY} of ana@example.com \u{202e}{}", "x".repeat(1000));
    let error = json!({ "error": { "type": "invalid_request_error", "message": message } });
    let Err(Unauthorized { reason }) = answered(response(401, &[], error.to_string())).await else { panic!("accepted") };
    assert_eq!(reason.chars().count(), 200);
    assert!(reason.starts_with("invalid_request_error: Invalid API Key provided: *** of *** ?x"), "{reason}");
    let (client, _) = stripe(vec![ok(&json!({}))]).await;
    assert!(!format!("{client:?}").contains("51Hx"), "{client:?}");
}

#[tokio::test]
async fn a_2xx_that_is_not_understood_is_retryable() {
    let mut no_id = refund("re_1", "succeeded", REFUND);
    no_id["id"] = json!("");
    let mut huge = refund("re_1", "succeeded", REFUND).to_string();
    huge.push_str(&" ".repeat(256 * 1024));
    for body in ["", "<html>", "{}", &refund("re_1", "something_new", REFUND).to_string(), &no_id.to_string(), huge.as_str()] {
        retryable(answered(response(200, &[], body.to_owned())).await);
    }
}

#[tokio::test]
async fn silence_and_broken_connections_are_retryable() {
    let cut_off = b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{\"id\":\"re_1\",\"status\":\"succeeded\"".as_slice();
    for answer in [b"".as_slice(), b"HTTP/1.1 200 OK\r\n", cut_off] {
        retryable(raw_stripe(answer, false).await.refund(&request(1450, "EUR")).await);

        let client = raw_stripe(answer, true).await.with_timeout(Duration::from_millis(100));
        let started = Instant::now();
        let (reason, replayed) = retryable(client.refund(&request(1450, "EUR")).await);
        assert_eq!((&*reason, replayed), ("Stripe did not answer within 100 ms", false));
        assert!(started.elapsed() < Duration::from_secs(2));
    }

    let free = listener().await;
    let clients = [at("http", &free), at("https", &free)];
    drop(free);
    for client in clients {
        let (reason, _) = retryable(client.refund(&request(1450, "EUR")).await);
        assert!(reason.starts_with("Stripe cannot be connected to: "), "{reason}");
    }
}

#[tokio::test]
async fn a_refund_cut_off_after_acting_is_found() {
    let replayed = response(500, &[("Idempotent-Replayed", "true")], "");
    let list = ok(&json!({ "object": "list", "has_more": false, "data": [refund("re_1", "pending", REFUND)] }));
    let (client, received) = stripe(vec![replayed, list]).await;
    assert!(retryable(client.refund(&request(1450, "EUR")).await).1);
    assert_eq!(client.find_refund(PI, REFUND).await, Ok(Some(is("re_1", RefundProgress::Pending))));
    assert!(received.lock().unwrap()[1].0.headers.get("idempotency-key").is_none());
}

#[tokio::test]
async fn all_pages_are_looked_through() {
    let page = |ids: [&str; 2], has_more: bool| {
        let mut elsewhere = refund(ids[0], "succeeded", "");
        elsewhere["metadata"] = json!({});
        let data = [elsewhere, refund(ids[1], "succeeded", ids[1])];
        ok(&json!({ "object": "list", "url": "/v1/refunds", "has_more": has_more, "data": data }))
    };
    let (client, received) = stripe(vec![page(["re_1", "re_2"], true), page(["re_3", "re_4"], false)]).await;
    assert_eq!(client.find_refund(PI, "re_4").await, Ok(Some(is("re_4", RefundProgress::Succeeded))));
    {
        let mut received = received.lock().unwrap();
        let asked: Vec<_> = received.iter().map(|(head, _)| format!("{} {}", head.method, head.uri)).collect();
        let first = format!("GET /v1/refunds?payment_intent={PI}&limit=100");
        assert_eq!(asked, [first.clone(), format!("{first}&starting_after=re_2")]);
        assert!(received.iter().all(|(head, body)| head.headers["authorization"] == *format!("Bearer {KEY}") && body.is_empty()));
        received.clear();
    }
    assert_eq!(client.find_refund(PI, REFUND).await, Ok(None));

    let (endless, received) = stripe(vec![page(["re_1", "re_2"], true)]).await;
    let (reason, _) = retryable(endless.find_refund(PI, REFUND).await);
    assert_eq!(reason, "the payment has more refunds than are looked through");
    assert_eq!(received.lock().unwrap().len(), 10);

    let (client, _) = stripe(vec![ok(&json!({ "data": [], "has_more": true }))]).await;
    assert_eq!(client.find_refund(PI, REFUND).await, Ok(None));
    let (client, _) = stripe(vec![page(["re_1", "re_2"], true), response(500, &[], "")]).await;
    retryable(client.find_refund(PI, REFUND).await);
}

#[test]
fn what_is_configured_is_checked_without_being_shown() {
    let error = |url: &str, key: &str| StripeClient::new(url, key).expect_err("refused");
    let local = "http://127.0.0.1:1";
    for url in ["http://api.stripe.com", "https://hidden@api.stripe.com", "api.stripe.com", ""] {
        assert_eq!(error(url, KEY), StripeClientError::Url, "{url}");
    }
    for key in ["", "sk_", "pk_live_hidden", "whsec_hidden", "sk_live hidden", "sk_live_hidden\n", &format!("sk_{:0300}", 1)] {
        let error = error(local, key);
        assert_eq!(error, StripeClientError::Key, "{key}");
        assert!(!format!("{error} {error:?}").contains("hidden"), "{error}");
    }
}
