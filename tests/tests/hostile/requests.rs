//! Requests as API Gateway hands them to the functions: the events in `events/` with hostile headers, parameters and bodies. Whatever
//! comes, the answer is one that the contract has, and never an error of ours.

use crate::api::By::{Manager, Partner};
use crate::api::{Site, draft, num};
use crate::corpus::{config, mutant, mutant_text};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};
use simdock_domain::Timestamp;
use simdock_payments::{ParseError, parse_standard, parse_stripe, sign_standard, sign_stripe};
use std::fs;
use std::path::Path;
use tokio::runtime::Runtime;

/// What the events name, and what stands where a key or a signature belongs.
const ORDER: &str = "EP5R8K2M9QW3TX7YB1";
const CARD: &str = "8934501234567890125";
const SUBSCRIPTION: &str = "SU3TX7YB15R8K2M9QW";
const REPLACED: &str = "REPLACED-BY-TEST";

const NAMES: [&str; 14] = [
    "authorization",
    "content-type",
    "idempotency-key",
    "stripe-signature",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "content-length",
    "x-forwarded-for",
    "host",
    "x-amzn-trace-id",
    "accept",
    "cookie",
    "transfer-encoding",
];
const PARAMETERS: [&str; 18] = [
    "limit",
    "cursor",
    "from",
    "to",
    "otherOrderId",
    "otherItemId",
    "email",
    "iccid",
    "status",
    "type",
    "needsAttention",
    "partnerId",
    "poolId",
    "skipInvalid",
    "operator",
    "imsiProfile",
    "formFactor",
    "orderNum",
];
const FIELDS: [&str; 27] = [
    "planId",
    "count",
    "payment",
    "subscriber",
    "email",
    "name",
    "language",
    "postalAddress",
    "lines",
    "country",
    "iccids",
    "iccid",
    "addOnIds",
    "formFactor",
    "reason",
    "type",
    "at",
    "eid",
    "usedMb",
    "inSession",
    "via",
    "kind",
    "samePhone",
    "shippedAt",
    "corrects",
    "number",
    "note",
];
const VALUES: [&str; 30] = [
    "",
    " ",
    "0",
    "-1",
    "1",
    "true",
    "null",
    "2026-11-22T10:00:00Z",
    "0000-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59Z",
    ORDER,
    CARD,
    SUBSCRIPTION,
    "demo-travel",
    "other-travel",
    "eu-5gb-30d",
    "sandbox-1gb-7d",
    "meridian.7.esim",
    "esim",
    "card",
    "balance",
    "complimentary",
    "ana@example.com",
    "MjAyNi0xMS0yMlQxMDowMDowMFo",
    "application/json",
    "text/csv",
    "Bearer x",
    "installed",
    "es",
    "../../etc/passwd",
];

/// Something done to a request.
#[derive(Clone, Debug)]
enum Wreck {
    Header(&'static str, Option<String>),
    Query(&'static str, String),
    Path(String, bool),
    RawQuery(String),
    Body(Vec<u8>, bool),
    Field(&'static str, Value),
}

fn wreck() -> impl Strategy<Value = Wreck> {
    let text = || prop_oneof![4 => mutant_text(&VALUES), 1 => (mutant_text(&VALUES), 100..4000_usize).prop_map(|(text, times)| text.repeat(times / (text.len() + 1)))];
    let cursor = mutant_text(&[
        "2026-11-22T10:00:00Z#EP5R8K2M9QW3TX7YB1",
        "other-travel#2026-11-22T10:00:00Z#EP5R8K2M9QW3TX7YB1",
        "2026-11-22T00:00:00Z",
        CARD,
    ]);
    let weird = prop_oneof![
        text().prop_map(Value::from),
        select(vec![
            json!(null),
            json!([]),
            json!({}),
            json!(-1),
            json!(1.5),
            json!(u64::MAX),
            json!(true),
            json!([["x"]]),
            json!({"a": {"b": []}}),
            json!([null])
        ]),
        vec(text(), 0..70).prop_map(|texts| json!(texts)),
    ];
    let bodies: Vec<Vec<u8>> =
        ["{}", "[]", "{\"a\": 1, \"a\": 2}", "iccid\n8934501234567890125\n", "\u{feff}{}", ""].map(Into::into).to_vec();
    prop_oneof![
        (select(&NAMES[..]), proptest::option::of(text())).prop_map(|(name, value)| Wreck::Header(name, value)),
        (select(&PARAMETERS[..]), text()).prop_map(|(name, value)| Wreck::Query(name, value)),
        cursor.prop_map(|place| Wreck::Query("cursor", URL_SAFE_NO_PAD.encode(place))),
        (text(), any::<bool>()).prop_map(|(value, encoded)| Wreck::Path(value, encoded)),
        mutant_text(&["a=\"", "limit=<1>", "a=|^`{}\\", "é=ü", "&&=&=", "%", "%zz", "#", "limit=1&limit=2", "a=a b"])
            .prop_map(Wreck::RawQuery),
        (mutant(bodies), any::<bool>()).prop_map(|(body, encoded)| Wreck::Body(body, encoded)),
        (select(&FIELDS[..]), weird).prop_map(|(name, value)| Wreck::Field(name, value)),
    ]
}

/// Puts a value where a field is, at the top of a body or in one of its objects.
fn put(body: &mut Value, name: &str, value: &Value) {
    let Some(fields) = body.as_object_mut() else { return };
    match fields.values_mut().find(|inner| inner.get(name).is_some()) {
        Some(inner) => inner[name] = value.clone(),
        None => drop(fields.insert(name.to_owned(), value.clone())),
    }
}

/// What a client can send, as a gateway hands it on: header values have no control characters, whatever is no UTF-8 was replaced.
fn apply(event: &mut Value, wreck: &Wreck) {
    match wreck {
        Wreck::Header(name, None) => drop(event["headers"].as_object_mut().unwrap().remove(*name)),
        Wreck::Header(name, Some(value)) => {
            let value: String = value.chars().filter(|character| !character.is_control()).collect();
            event["headers"][name] = value.trim().into();
        }
        Wreck::Query(name, value) => {
            let query = event["queryStringParameters"].take();
            let mut query = query.as_object().cloned().unwrap_or_else(Map::new);
            query.insert((*name).to_owned(), value.clone().into());
            let pairs = query.iter().map(|(name, value)| format!("{name}={}", percent(value.as_str().unwrap())));
            event["rawQueryString"] = pairs.collect::<Vec<_>>().join("&").into();
            event["queryStringParameters"] = query.into();
        }
        Wreck::RawQuery(query) => event["rawQueryString"] = query.clone().into(),
        Wreck::Path(value, encoded) => {
            let path = event["routeKey"].as_str().unwrap().split_once(' ').unwrap().1.to_owned();
            let parameters = event["pathParameters"].as_object_mut();
            let Some((name, parameter)) = parameters.and_then(|parameters| parameters.iter_mut().next()) else { return };
            // The gateway matches a whole part of the path, and none that is empty.
            if !value.is_empty() {
                *parameter = value.clone().into();
                let value = if *encoded { percent(value) } else { value.clone() };
                let path = path.replace(&format!("{{{name}}}"), &value);
                event["rawPath"] = path.into();
            }
        }
        Wreck::Body(body, encoded) => match std::str::from_utf8(body) {
            Ok(text) if !encoded => (event["body"], event["isBase64Encoded"]) = (text.into(), false.into()),
            _ => (event["body"], event["isBase64Encoded"]) = (STANDARD.encode(body).into(), true.into()),
        },
        Wreck::Field(name, value) => {
            let Ok(mut body) = serde_json::from_slice::<Value>(&body(event)) else { return };
            put(&mut body, name, value);
            (event["body"], event["isBase64Encoded"]) = (body.to_string().into(), false.into());
        }
    }
}

fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |done, byte| {
        if byte.is_ascii_alphanumeric() { format!("{done}{}", char::from(byte)) } else { format!("{done}%{byte:02X}") }
    })
}

fn body(event: &Value) -> Vec<u8> {
    let text = event["body"].as_str().unwrap_or_default();
    if event["isBase64Encoded"] == true { STANDARD.decode(text).unwrap() } else { text.as_bytes().to_vec() }
}

/// A stack with an order, whose card and subscription stand where the events name theirs.
struct Target {
    site: Site,
    events: Vec<Value>,
}

impl Target {
    async fn new() -> Self {
        let site = Site::still().await;
        let order = site.paid(&draft("sandbox-1gb-7d")).await;
        let job = json!({"messageId": "1", "body": json!({"orderNum": num(&order), "job": "provision"}).to_string()});
        site.stack.invoke("provision", json!({"Records": [job]})).await.unwrap();
        let card = &site.read(&order).await["cards"][0];
        let ours = [
            (ORDER, num(&order)),
            (CARD, card["iccid"].as_str().unwrap()),
            (SUBSCRIPTION, card["subscriptionId"].as_str().unwrap()),
        ];
        let mut events = Vec::new();
        for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../events")).unwrap() {
            let text = fs::read_to_string(entry.unwrap().path()).unwrap();
            let text = ours.iter().fold(text, |text, (theirs, ours)| text.replace(theirs, ours));
            let event: Value = serde_json::from_str(&text).unwrap();
            if !event["routeKey"].is_null() {
                events.push(event);
            }
        }
        events.sort_by_key(ToString::to_string);
        Self { site, events }
    }

    /// Keys and signatures that are good, where the event still has room for them.
    fn sign(&self, event: &mut Value, manager: bool) {
        let keys = self.site.stack.keys();
        let body = body(event);
        let headers = &mut event["headers"];
        if headers["authorization"] == format!("Bearer {REPLACED}") {
            headers["authorization"] = format!("Bearer {}", if manager { &keys.manager_key } else { &keys.partner_key }).into();
        }
        let now = self.site.stack.clock().now();
        if headers["stripe-signature"].as_str().is_some_and(|header| header.ends_with(REPLACED)) {
            headers["stripe-signature"] = sign_stripe(now, &body, &self.site.stripe_secret()).into();
        }
        if headers["webhook-signature"] == format!("v1,{REPLACED}") {
            let carrier = event["routeKey"] == "POST /v1/sims/{iccid}/events";
            let secret = if carrier { self.site.carrier_secret() } else { self.site.standard_secret() };
            let time = Timestamp::from_unix(
                event["headers"]["webhook-timestamp"].as_str().and_then(|time| time.parse().ok()).unwrap_or_default(),
            );
            let id = event["headers"]["webhook-id"].as_str().unwrap_or_default().to_owned();
            event["headers"]["webhook-signature"] = sign_standard(&id, time, &body, &secret).into();
        }
    }

    /// Sends a request; what came back was held to the contract.
    async fn send(&self, event: Value) {
        let (route, sent) = (event["routeKey"].clone(), body(&event));
        // Money that came in and cannot be booked is the one body that has to come again until somebody looked.
        let unbookable = |parsed: Result<_, ParseError>| matches!(parsed, Err(ParseError::Amount | ParseError::Currency));
        let excused = route == "POST /v1/webhooks/payments/{provider}"
            && (unbookable(parse_stripe(&sent)) || unbookable(parse_standard("msg_1", &sent)));
        let shown = event.to_string();
        let answer = self.site.gateway_event(event).await;
        let known = route == "POST /v1/webhooks/payments/{provider}" && answer.status == 503;
        assert!(answer.status < 500 || (excused && answer.status == 500) || known, "{}: {shown}", answer.status);
        assert_eq!(
            answer.header("content-type"),
            Some(if answer.status < 400 { "application/json" } else { "application/problem+json" })
        );
        assert!(!answer.text().contains(REPLACED), "an answer repeats a secret");
    }
}

#[test]
fn requests_that_mean_harm() {
    let runtime = Runtime::new().unwrap();
    let target = runtime.block_on(Target::new());
    let wrecks = (any::<Index>(), any::<bool>(), vec(wreck(), 1..4));
    let hunted = TestRunner::new(config(file!(), 4)).run(&wrecks, |(index, manager, wrecks)| {
        let mut event = index.get(&target.events).clone();
        for wreck in &wrecks {
            apply(&mut event, wreck);
        }
        target.sign(&mut event, manager);
        runtime.block_on(target.send(event));
        Ok(())
    });
    hunted.unwrap_or_else(|error| panic!("{error}"));
    runtime.block_on(target.site.stop());
}

/// What was found before: each of these was an error of ours once.
#[tokio::test]
async fn what_is_no_key_of_a_table_names_nothing() {
    let site = Site::still().await;
    let (long, many) = ("a".repeat(3000), "a".repeat(65));
    let cursor = |place: &str| URL_SAFE_NO_PAD.encode(place);
    for path in [format!("/v1/subscriptions/{long}"), "/v1/subscriptions/%20".to_owned(), "/v1/subscriptions/%00".to_owned()] {
        site.get(path).by(Partner).send().await.problem(404, "not_found", None);
    }
    site.get(format!("/v1/inventory/imports/{long}")).by(Manager).send().await.problem(404, "not_found", None);
    for action in ["cancellation", "suspension", "resumption", "sim-swap", "top-ups"] {
        let body = json!({"payment": "balance", "planId": "eu-5gb-30d"});
        let body = match action {
            "cancellation" | "suspension" | "resumption" => json!({}),
            "sim-swap" => json!({"formFactor": "esim"}),
            _ => body,
        };
        site.changing(&long, action, &body).send().await.problem(404, "not_found", None);
    }
    for (name, by) in [("otherOrderId", Partner), ("partnerId", Manager)] {
        for value in [&many, &long, ""] {
            site.get(format!("/v1/orders?{name}={value}")).by(by).send().await.problem(400, "invalid_field", Some(name));
        }
    }
    let place = cursor(&format!("{long}#2026-11-22T10:00:00Z#{ORDER}"));
    site.get(format!("/v1/orders?cursor={place}")).by(Partner).send().await.problem(400, "invalid_cursor", Some("cursor"));
    site.stop().await;
}
