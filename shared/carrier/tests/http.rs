//! Operators on the loopback interface, well and badly behaved, over real connections.

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
use simdock_carrier::CarrierError::{Final, Retryable};
use simdock_carrier::{
    CarrierError, Carriers, Change, ChangeRequest, Changed, ConfigError, ProvisionRequest, Provisioned, RevokeRequest,
    VerifyError,
};
use simdock_domain::Timestamp;
use simdock_payments::{Secret, SecretError, SignatureError, sign_standard, verify_standard};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const NOW: Timestamp = Timestamp::from_unix(1_795_343_400);
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OLD_SECRET: &str = "whsec_b2xkb2xkb2xkb2xkb2xkb2xkb2xkb2xk";
const CODE: &str = "LPA:1$smdp.example.com$04386-AGYFT-A74Y8-3F815";
const ORDER: &str = "EP0123456789ABCDEF";
const ICCID: &str = "8949100012345678902";
const KEY: &str = "EP0123456789ABCDEF-8949100012345678902";

type Received = Arc<Mutex<Vec<(Parts, Bytes)>>>;

fn request() -> ProvisionRequest {
    ProvisionRequest {
        order_num: ORDER.parse().expect("an order number"),
        subscription_id: "sub-1".into(),
        iccid: ICCID.parse().expect("an ICCID"),
        plan_id: "eu-5gb-30d".into(),
        add_on_ids: Vec::new(),
        imsi_profile: "eu-1".into(),
        requested_at: NOW.plus_seconds(-60),
    }
}

fn revocation() -> RevokeRequest {
    let ProvisionRequest { order_num, iccid, requested_at, .. } = request();
    RevokeRequest { order_num, iccid, force: false, requested_at }
}

/// Every change, with the last part of its path, the status of its success, and what is in its body beside the rest.
fn changes() -> [(ChangeRequest, &'static str, &'static str, Value); 5] {
    let (plan_id, add_on_ids) = (Some("eu-5gb-30d".to_owned()), vec!["data-1gb".to_owned()]);
    let plan = json!({ "planId": "eu-5gb-30d", "addOnIds": ["data-1gb"] });
    let added = Change::AddPlan { plan_id: plan_id.clone(), add_on_ids: add_on_ids.clone() };
    let add_ons = Change::AddPlan { plan_id: None, add_on_ids: add_on_ids.clone() };
    [
        (change(added), "plans", "added", plan.clone()),
        (change(add_ons), "plans", "added", json!({ "addOnIds": ["data-1gb"] })),
        (change(Change::RemovePlan { plan_id, add_on_ids }), "plan-removal", "removed", plan),
        (change(Change::Suspend), "suspension", "suspended", json!({})),
        (change(Change::Resume), "resumption", "resumed", json!({})),
    ]
}

fn change(change: Change) -> ChangeRequest {
    let ProvisionRequest { subscription_id, iccid, requested_at, .. } = request();
    ChangeRequest { reference: ORDER.into(), subscription_id, iccid, change, requested_at }
}

fn at(scheme: &str, listener: &TcpListener) -> Carriers {
    let address = listener.local_addr().expect("an address");
    carriers(&format!("{scheme}://{address}/api/"))
}

/// An operator whose secret follows another one.
fn carriers(url: &str) -> Carriers {
    let json = json!({ "acme": { "url": url, "secret": format!("{SECRET}, {OLD_SECRET}") } }).to_string();
    Carriers::from_json(&json).expect("carriers").with_timeout(Duration::from_secs(2))
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("a free port")
}

/// An operator that always answers the same, and what it received.
async fn operator(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> (Carriers, Received) {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    let response = response.body(Full::new(body.into())).expect("a response");
    let listener = listener().await;
    let carriers = at("http", &listener);
    let received = Received::default();
    let seen = Arc::clone(&received);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            let (seen, response) = (Arc::clone(&seen), response.clone());
            let service = service_fn(move |request: Request<Incoming>| {
                let (seen, response) = (Arc::clone(&seen), response.clone());
                async move {
                    let (head, body) = request.into_parts();
                    let body = body.collect().await?.to_bytes();
                    seen.lock().unwrap_or_else(PoisonError::into_inner).push((head, body));
                    Ok::<_, hyper::Error>(response)
                }
            });
            // The client may hang up in the middle of an answer that it does not want.
            tokio::spawn(async move { http1::Builder::new().serve_connection(TokioIo::new(stream), service).await });
        }
    });
    (carriers, received)
}

/// An operator that reads a request, writes these bytes, and then holds or closes the connection.
async fn raw_operator(answer: &'static [u8], hold: bool) -> Carriers {
    let listener = listener().await;
    let carriers = at("http", &listener);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            tokio::spawn(answer_raw(stream, answer, hold));
        }
    });
    carriers
}

async fn answer_raw(mut stream: TcpStream, answer: &'static [u8], hold: bool) {
    let mut buffer = [0; 4096];
    if stream.read(&mut buffer).await.is_ok() && stream.write_all(answer).await.is_ok() && hold {
        tokio::time::sleep(Duration::from_mins(1)).await;
    }
}

async fn ask(carriers: &Carriers) -> Result<Provisioned, CarrierError> {
    carriers.provision("acme", &request(), NOW).await
}

async fn answered(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Result<Provisioned, CarrierError> {
    ask(&operator(status, headers, body).await.0).await
}

async fn revoke(carriers: &Carriers) -> Result<Changed, CarrierError> {
    carriers.revoke("acme", &revocation(), NOW).await
}

async fn revocation_answered(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Result<Changed, CarrierError> {
    revoke(&operator(status, headers, body).await.0).await
}

async fn change_answered(request: &ChangeRequest, status: u16, body: impl Into<Bytes>) -> Result<Changed, CarrierError> {
    operator(status, &[], body).await.0.change("acme", request, NOW).await
}

fn retryable<T>(result: Result<T, CarrierError>) -> (String, Option<u32>) {
    match result {
        Err(Retryable { reason, retry_after }) => (reason, retry_after),
        Err(Final { reason }) => panic!("final: {reason}"),
        Ok(_) => panic!("done"),
    }
}

fn preloaded() -> Provisioned {
    Provisioned { activation_code: None, msisdn: None }
}

#[tokio::test]
async fn preloaded_operators_are_not_called() {
    for json in ["", " ", "{}"] {
        assert_eq!(ask(&Carriers::from_json(json).expect("no carriers")).await, Ok(preloaded()));
    }
    let (carriers, received) = operator(500, &[], "").await;
    assert_eq!(carriers.provision("other", &request(), NOW).await, Ok(preloaded()));
    assert_eq!(carriers.revoke("other", &revocation(), NOW).await, Ok(Changed::NotAsked));
    for (request, ..) in changes() {
        assert_eq!(carriers.change("other", &request, NOW).await, Ok(Changed::NotAsked));
    }
    assert!(received.lock().expect("what was received").is_empty());
}

#[tokio::test]
async fn an_active_card_comes_with_what_the_operator_added() {
    let full = json!({ "status": "active", "activationCode": CODE, "msisdn": "+4915112345678", "more": 1 }).to_string();
    let provisioned =
        Provisioned { activation_code: Some(CODE.parse().unwrap()), msisdn: Some("+4915112345678".parse().unwrap()) };
    for status in [200, 201, 409] {
        assert_eq!(answered(status, &[], full.clone()).await, Ok(provisioned.clone()), "{status}");
    }
    assert_eq!(answered(200, &[], r#"{"status":"active"}"#).await, Ok(preloaded()));
    let nulls = r#"{"status":"active","activationCode":null,"msisdn":null}"#;
    assert_eq!(answered(201, &[], nulls).await, Ok(preloaded()));
}

#[tokio::test]
async fn the_request_is_signed_and_names_the_card() {
    let (carriers, received) = operator(200, &[], r#"{"status":"active"}"#).await;
    ask(&carriers).await.unwrap();

    let received = received.lock().unwrap();
    let (head, body) = &received[0];
    assert_eq!((head.method.as_str(), head.uri.path()), ("POST", &*format!("/api/v1/profiles/{ICCID}/activation")));
    assert_signed(head, body, KEY);
    assert_eq!(
        serde_json::from_slice::<Value>(body).unwrap(),
        json!({
            "orderNum": ORDER, "subscriptionId": "sub-1", "iccid": ICCID, "planId": "eu-5gb-30d", "imsiProfile": "eu-1",
            "requestedAt": "2026-11-22T10:29:00Z"
        })
    );
}

fn assert_signed(head: &Parts, body: &[u8], key: &str) {
    let header = |name: &str| head.headers.get(name).map(|value| value.to_str().expect("text"));
    assert_eq!(header("content-type"), Some("application/json"));
    assert_eq!(header("idempotency-key"), Some(&*format!("\"{key}\"")));
    assert_eq!(header("webhook-id"), Some(key));
    assert_eq!(header("webhook-timestamp"), Some("1795343400"));
    let signed = [header("webhook-id"), header("webhook-timestamp"), header("webhook-signature")];
    let verify = |body: &[u8], secret: &str| {
        verify_standard(signed[0], signed[1], signed[2], body, &[Secret::standard(secret).expect("a secret")], NOW)
    };
    assert_eq!([verify(body, SECRET), verify(body, OLD_SECRET)], [Ok(()), Ok(())]);
    assert!(verify(b"{}", SECRET).is_err());
    assert!(verify(body, "whsec_bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmV3").is_err());
}

#[tokio::test]
async fn a_repetition_has_the_same_key_and_body() {
    let (carriers, received) = operator(200, &[], r#"{"status":"active"}"#).await;
    ask(&carriers).await.unwrap();
    carriers.provision("acme", &request(), NOW.plus_seconds(600)).await.unwrap();

    let received = received.lock().unwrap();
    let [(first, first_body), (second, second_body)] = &received[..] else { panic!("{}", received.len()) };
    assert_eq!(first_body, second_body);
    for name in ["idempotency-key", "webhook-id"] {
        assert_eq!(first.headers[name], second.headers[name]);
    }
    assert_ne!(first.headers["webhook-signature"], second.headers["webhook-signature"]);
    assert_eq!(second.headers["webhook-timestamp"], "1795344000");
}

#[tokio::test]
async fn pending_is_retryable() {
    for status in [200, 201, 202, 409] {
        let result = answered(status, &[("retry-after", "30")], r#"{"status":"pending"}"#).await;
        assert_eq!(retryable(result), ("the operator is still working on it".into(), Some(30)), "{status}");
    }
}

#[tokio::test]
async fn failures_that_say_nothing_about_the_card_are_retryable() {
    for status in [401, 408, 425, 429, 500, 502, 503, 504, 599] {
        let (reason, retry_after) = retryable(answered(status, &[], "busy").await);
        assert_eq!((reason, retry_after), (format!("the operator answered {status}"), None));
    }
    let (_, retry_after) = retryable(answered(503, &[("retry-after", "120")], "").await);
    assert_eq!(retry_after, Some(120));
    let (_, retry_after) = retryable(answered(429, &[("retry-after", "86400")], "").await);
    assert_eq!(retry_after, Some(3600));
    let (_, retry_after) = retryable(answered(503, &[("retry-after", "Sun, 22 Nov 2026 10:31:00 GMT")], "").await);
    assert_eq!(retry_after, Some(60));
    let (_, retry_after) = retryable(answered(503, &[("retry-after", "later")], "").await);
    assert_eq!(retry_after, None);
}

#[tokio::test]
async fn a_4xx_with_retry_after_asks_for_another_try() {
    let (_, retry_after) = retryable(answered(409, &[("retry-after", "5")], "").await);
    assert_eq!(retry_after, Some(5));
}

#[tokio::test]
async fn refusals_are_final_with_the_operators_reason() {
    for status in [400, 403, 404, 409, 410, 422] {
        let reason = format!("the operator answered {status}");
        assert_eq!(answered(status, &[], "no").await, Err(Final { reason }));
    }
    let problem = json!({ "type": "about:blank", "title": "Unknown profile", "detail": "Not\r\nours", "status": 422 });
    let result = answered(422, &[("content-type", "application/problem+json")], problem.to_string()).await;
    assert_eq!(result, Err(Final { reason: "the operator answered 422: Unknown profile: Not ours".into() }));
    assert_eq!(result.unwrap_err().to_string(), "the operator answered 422: Unknown profile: Not ours");
}

#[tokio::test]
async fn reasons_are_bounded_and_hold_no_secrets() {
    let problem = json!({ "title": format!("{CODE} {SECRET}@ana@example.com"), "detail": "x".repeat(1000) }).to_string();
    let Err(Final { reason }) = answered(422, &[], problem).await else { panic!("not final") };
    assert_eq!(reason.chars().count(), 200);
    assert!(!reason.contains("AGYFT") && !reason.contains("ana"), "{reason}");
    let shown = format!("{:?}", operator(200, &[], "").await.0);
    assert!(!shown.contains("MfKQ"), "{shown}");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (elsewhere, received) = operator(200, &[], r#"{"status":"active"}"#).await;
    ask(&elsewhere).await.unwrap();
    let target = {
        let seen = received.lock().unwrap();
        format!("http://{}/", seen[0].0.headers["host"].to_str().unwrap())
    };
    for status in [301, 302, 303, 307, 308] {
        let (reason, _) = retryable(answered(status, &[("location", &target)], "").await);
        assert_eq!(reason, format!("the operator answered {status}"));
    }
    assert_eq!(received.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_2xx_that_is_not_understood_is_retryable() {
    for (status, body) in [
        (200, ""),
        (200, "<html>"),
        (200, "{}"),
        (200, r#"{"status":"done"}"#),
        (200, r#"{"status":"active","activationCode":"1234"}"#),
        (200, r#"{"status":"active","msisdn":"none"}"#),
        (202, ""),
        (204, ""),
        (206, r#"{"status":"active"}"#),
    ] {
        let (reason, _) = retryable(answered(status, &[], body).await);
        assert!(reason.contains("not understood"), "{body}: {reason}");
    }
}

#[tokio::test]
async fn a_huge_answer_is_not_read() {
    let mut huge = br#"{"status":"active","more":""#.to_vec();
    huge.resize(64 * 1024 * 1024, b'x');
    retryable(answered(200, &[], huge.clone()).await);
    assert_eq!(answered(404, &[], huge).await, Err(Final { reason: "the operator answered 404".into() }));
}

#[tokio::test]
async fn an_answer_of_just_the_limit_is_read() {
    let mut padded = br#"{"status":"active"}"#.to_vec();
    padded.resize(64 * 1024, b' ');
    assert_eq!(answered(200, &[], padded.clone()).await, Ok(preloaded()));
    padded.push(b' ');
    retryable(answered(200, &[], padded).await);
}

#[tokio::test]
async fn a_stalling_operator_is_left() {
    for answer in [
        b"".as_slice(),
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"status\":",
        b"HTTP/1.1 404 Not Found\r\ncontent-length: 100\r\n\r\n{\"title\":",
    ] {
        let carriers = raw_operator(answer, true).await.with_timeout(Duration::from_millis(100));
        let started = Instant::now();
        let (reason, retry_after) = retryable(ask(&carriers).await);
        assert_eq!((&*reason, retry_after), ("the operator did not answer within 100 ms", None));
        assert!(started.elapsed() < Duration::from_secs(2));
    }
}

#[tokio::test]
async fn a_cut_or_garbled_answer_is_retryable() {
    for answer in [
        b"".as_slice(),
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"status\":\"active\"}",
        b"SSH-2.0-OpenSSH_9.9\r\n",
    ] {
        retryable(ask(&raw_operator(answer, false).await).await);
    }
}

#[tokio::test]
async fn no_connection_is_retryable() {
    let free = listener().await;
    let carriers = at("http", &free);
    drop(free);
    let (reason, _) = retryable(ask(&carriers).await);
    assert!(reason.starts_with("the operator cannot be connected to: "), "{reason}");
}

#[tokio::test]
async fn https_to_what_speaks_no_tls_is_retryable() {
    let listener = listener().await;
    let carriers = at("https", &listener);
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        answer_raw(stream, b"HTTP/1.1 400 Bad Request\r\n\r\n", false).await;
    });
    let (reason, _) = retryable(ask(&carriers).await);
    assert!(reason.starts_with("the operator cannot be connected to: "), "{reason}");
}

#[tokio::test]
async fn a_revocation_is_signed_has_its_own_key_and_repeats_its_body() {
    let (carriers, received) = operator(200, &[], r#"{"status":"revoked"}"#).await;
    assert_eq!(revoke(&carriers).await, Ok(Changed::Done));
    assert_eq!(carriers.revoke("acme", &revocation(), NOW.plus_seconds(600)).await, Ok(Changed::Done));

    let received = received.lock().unwrap();
    let [(first, body), (second, second_body)] = &received[..] else { panic!("{}", received.len()) };
    assert_eq!((first.method.as_str(), first.uri.path()), ("POST", &*format!("/api/v1/profiles/{ICCID}/revocation")));
    assert_signed(first, body, &format!("{KEY}-revocation"));
    assert_eq!(
        serde_json::from_slice::<Value>(body).unwrap(),
        json!({ "orderNum": ORDER, "iccid": ICCID, "requestedAt": "2026-11-22T10:29:00Z" })
    );
    assert_eq!(body, second_body);
    assert_eq!(first.headers["idempotency-key"], second.headers["idempotency-key"]);
    assert_ne!(first.headers["webhook-signature"], second.headers["webhook-signature"]);
}

#[tokio::test]
async fn a_forced_revocation_is_another_request_than_one_that_may_be_refused() {
    let (carriers, received) = operator(200, &[], r#"{"status":"revoked"}"#).await;
    let forced = RevokeRequest { force: true, ..revocation() };
    assert_eq!(carriers.revoke("acme", &forced, NOW).await, Ok(Changed::Done));

    let received = received.lock().unwrap();
    let (head, body) = &received[0];
    assert_eq!(head.uri.path(), format!("/api/v1/profiles/{ICCID}/revocation"));
    assert_signed(head, body, &format!("{KEY}-forced-revocation"));
    assert_eq!(
        serde_json::from_slice::<Value>(body).unwrap(),
        json!({ "orderNum": ORDER, "iccid": ICCID, "force": true, "requestedAt": "2026-11-22T10:29:00Z" })
    );
}

#[tokio::test]
async fn a_card_is_revoked_when_the_operator_says_so_or_never_activated_it() {
    for status in [200, 201, 202, 409] {
        let revoked = r#"{"status":"revoked","more":1}"#;
        assert_eq!(revocation_answered(status, &[], revoked).await, Ok(Changed::Done), "{status}");
        let pending = revocation_answered(status, &[("retry-after", "30")], r#"{"status":"pending"}"#).await;
        assert_eq!(retryable(pending), ("the operator is still working on it".into(), Some(30)), "{status}");
    }
    assert_eq!(revocation_answered(404, &[], r#"{"status":"unknown"}"#).await, Ok(Changed::Done));
}

#[tokio::test]
async fn a_revocation_that_is_refused_is_final() {
    for (status, body) in [
        (400, ""),
        (403, "no"),
        (404, ""),
        (404, "<html>"),
        (404, r#"{"status":404}"#),
        (404, r#"{"status":"revoked"}"#),
        (409, ""),
        (409, r#"{"status":"active"}"#),
        (409, r#"{"status":"unknown"}"#),
        (410, r#"{"status":"unknown"}"#),
        (422, r#"{"status":"revoked"}"#),
    ] {
        let reason = format!("the operator answered {status}");
        assert_eq!(revocation_answered(status, &[], body).await, Err(Final { reason }), "{body}");
    }
    let problem = json!({ "title": "Installed", "detail": "the profile is installed on a device", "status": 409 });
    let reason = "the operator answered 409: Installed: the profile is installed on a device".into();
    assert_eq!(revocation_answered(409, &[], problem.to_string()).await, Err(Final { reason }));
}

#[tokio::test]
async fn a_revocation_whose_end_is_not_known_is_retryable() {
    for (status, body) in [
        (200, ""),
        (200, r#"{"status":"active"}"#),
        (200, r#"{"status":"unknown"}"#),
        (204, ""),
        (302, r#"{"status":"revoked"}"#),
        (401, ""),
        (408, ""),
        (425, ""),
        (429, ""),
        (500, r#"{"status":"revoked"}"#),
        (503, ""),
    ] {
        assert_eq!(retryable(revocation_answered(status, &[], body).await).1, None, "{status} {body}");
    }
    let (_, retry_after) = retryable(revocation_answered(404, &[("retry-after", "5")], "").await);
    assert_eq!(retry_after, Some(5));

    let stalling = raw_operator(b"HTTP/1.1 200 OK\r\n", true).await.with_timeout(Duration::from_millis(100));
    assert_eq!(retryable(revoke(&stalling).await).0, "the operator did not answer within 100 ms");
    let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"status\":\"revoked\"}";
    retryable(revoke(&raw_operator(cut, false).await).await);
}

#[tokio::test]
async fn a_change_is_signed_has_its_own_key_and_repeats_its_body() {
    for (request, action, done, more) in changes() {
        let (carriers, received) = operator(200, &[], json!({ "status": done }).to_string()).await;
        for now in [NOW, NOW.plus_seconds(600)] {
            assert_eq!(carriers.change("acme", &request, now).await, Ok(Changed::Done), "{action}");
        }

        let received = received.lock().unwrap();
        let [(first, body), (second, second_body)] = &received[..] else { panic!("{}", received.len()) };
        assert_eq!((first.method.as_str(), first.uri.path()), ("POST", &*format!("/api/v1/profiles/{ICCID}/{action}")));
        assert_signed(first, body, &format!("{KEY}-{action}"));
        let mut expected = json!({
            "reference": ORDER, "subscriptionId": "sub-1", "iccid": ICCID, "requestedAt": "2026-11-22T10:29:00Z"
        });
        expected.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert_eq!(serde_json::from_slice::<Value>(body).unwrap(), expected);
        assert_eq!(body, second_body);
        assert_eq!(first.headers["idempotency-key"], second.headers["idempotency-key"]);
        assert_ne!(first.headers["webhook-signature"], second.headers["webhook-signature"]);
    }
}

#[tokio::test]
async fn a_change_is_done_when_the_operator_says_just_that() {
    let said = |status: &str| json!({ "status": status, "more": 1 }).to_string();
    for (request, action, done, _) in changes() {
        for status in [200, 201, 202, 409] {
            assert_eq!(change_answered(&request, status, said(done)).await, Ok(Changed::Done), "{action} {status}");
            let pending = change_answered(&request, status, said("pending")).await;
            assert_eq!(retryable(pending).0, "the operator is still working on it", "{action} {status}");
        }
        for other in ["active", "revoked", "added", "removed", "suspended", "resumed", "unknown"] {
            if other != done {
                retryable(change_answered(&request, 200, said(other)).await);
                let reason = "the operator answered 409".into();
                assert_eq!(change_answered(&request, 409, said(other)).await, Err(Final { reason }), "{action} {other}");
            }
        }
        let refused = Err(Final { reason: "the operator answered 404".into() });
        let unknown = if action == "plan-removal" { Ok(Changed::Done) } else { refused.clone() };
        assert_eq!(change_answered(&request, 404, said("unknown")).await, unknown, "{action}");
        assert_eq!(change_answered(&request, 404, said(done)).await, refused, "{action}");
        retryable(change_answered(&request, 503, said(done)).await);
    }
}

#[test]
fn an_event_is_believed_when_its_operator_signed_it() {
    let carriers = carriers("https://sim.example.com");
    let secret = Secret::standard(SECRET).unwrap();
    let (body, time) = (b"{}".as_slice(), NOW.unix().to_string());
    let signature = sign_standard("evt-1", NOW, body, &secret);
    let verify = |operator: &str, id: Option<&str>, body: &[u8], now| {
        carriers.verify(operator, id, Some(&time), Some(&signature), body, now)
    };
    let old = sign_standard("evt-1", NOW, body, &Secret::standard(OLD_SECRET).unwrap());
    assert_eq!(carriers.verify("acme", Some("evt-1"), Some(&time), Some(&old), body, NOW), Ok(()));
    assert_eq!(verify("acme", Some("evt-1"), body, NOW.plus_seconds(300)), Ok(()));
    for (refused, why) in [
        (verify("acme", Some("evt-2"), body, NOW), SignatureError::Mismatch),
        (verify("acme", Some("evt-1"), b"[]", NOW), SignatureError::Mismatch),
        (verify("acme", Some("evt-1"), body, NOW.plus_seconds(301)), SignatureError::Stale),
        (verify("acme", None, body, NOW), SignatureError::Missing),
    ] {
        assert_eq!(refused, Err(VerifyError::Signature(why)));
    }
    assert_eq!(verify("other", Some("evt-1"), body, NOW), Err(VerifyError::NoSecret));
}

#[tokio::test]
async fn many_cards_at_once() {
    let (carriers, received) = operator(200, &[], r#"{"status":"active"}"#).await;
    let carriers = Arc::new(carriers);
    let asked: Vec<_> = (0..50)
        .map(|_| {
            let carriers = Arc::clone(&carriers);
            tokio::spawn(async move { ask(&carriers).await })
        })
        .collect();
    for card in asked {
        assert_eq!(card.await.unwrap(), Ok(preloaded()));
    }
    assert_eq!(received.lock().unwrap().len(), 50);
}

#[test]
fn what_is_configured_is_checked_without_being_shown() {
    let error = |json: &str| Carriers::from_json(json).expect_err("refused");
    let entry = |url: &str, secret: &str| json!({ "acme": { "url": url, "secret": secret } }).to_string();
    let operator = || "acme".to_owned();

    for json in ["[]", "null", "{", r#"{"acme":"whsec_hidden"}"#, r#"{"acme":{"url":"https://example.com"}}"#] {
        assert!(matches!(error(json), ConfigError::Json { .. }), "{json}");
    }
    let unknown = r#"{"acme":{"url":"https://example.com","secret":"whsec_hidden","key":"hidden"}}"#;
    assert!(matches!(error(unknown), ConfigError::Json { .. }));
    assert_eq!(error(&entry("http://sim.example.com", SECRET)), ConfigError::Url { operator: operator() });
    let form = ConfigError::Secret { operator: operator(), error: SecretError::Form };
    for secrets in ["hidden", "", " ", &format!("{SECRET},"), &format!("{SECRET},hidden")] {
        assert_eq!(error(&entry("https://sim.example.com", secrets)), form, "{secrets}");
    }
    let key = ConfigError::Secret { operator: operator(), error: SecretError::Key };
    assert_eq!(error(&entry("https://sim.example.com", "whsec_hidden")), key);

    for json in [unknown, r#"{"acme":"whsec_hidden"}"#, &entry("https://hidden@example.com", SECRET)] {
        let error = error(json);
        assert!(!format!("{error} {error:?}").contains("hidden"), "{error}");
    }
}
