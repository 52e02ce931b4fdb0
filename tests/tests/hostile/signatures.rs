//! Signed requests and what may become of them between who signs and who checks: one table for each scheme, sent to the function that
//! checks it. What is refused is refused with the contract's own problem, and nothing is written.

use crate::api::{SOURCES, Site, begin, draft, num, stripe_event};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use simdock_domain::Timestamp;
use simdock_local::Options;
use simdock_payments::{Secret, sign_standard, sign_stripe};
use std::sync::Arc;

/// A secret that is about to go, in a list behind the one that came for it.
const OLD_STRIPE: &str = "whsec_going_soon";
const OLD_STANDARD: &str = "whsec_b2xkb2xkb2xkb2xkb2xkb2xkb2xkb2xk";
/// Keys that nobody here has.
const OTHER_STRIPE: &str = "whsec_somebody_elses";
const OTHER_STANDARD: &str = "whsec_bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmV3";

/// What a delivery comes to: taken, or refused with a status and a code.
type Outcome = Result<(), (u16, &'static str)>;

const TAKEN: Outcome = Ok(());
const BAD: Outcome = Err((400, "bad_signature"));
const STALE: Outcome = Err((400, "signature_stale"));

/// A request on its way.
#[derive(Clone)]
struct Delivery {
    headers: Map<String, Value>,
    body: Vec<u8>,
    encoded: bool,
}

impl Delivery {
    fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.insert(name.to_owned(), value.into().into());
        self
    }

    fn header(&self, name: &str) -> &str {
        self.headers[name].as_str().unwrap()
    }

    /// The same with something done to a header's value.
    fn edit(self, name: &str, edit: impl FnOnce(&str) -> String) -> Self {
        let value = edit(self.header(name));
        self.set(name, value)
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    fn encoded(mut self) -> Self {
        self.encoded = true;
        self
    }

    async fn send(self, site: &Site, route: &str, parameters: Value) -> Outcome {
        let mut headers = self.headers;
        headers.insert("content-type".into(), "application/json".into());
        let body = if self.encoded || std::str::from_utf8(&self.body).is_err() {
            (STANDARD.encode(&self.body), true)
        } else {
            (String::from_utf8(self.body).unwrap(), false)
        };
        let (method, path) = route.split_once(' ').unwrap();
        let answer = site
            .gateway_event(json!({
                "version": "2.0", "routeKey": route, "rawPath": path, "rawQueryString": "", "headers": headers,
                "pathParameters": parameters, "body": body.0, "isBase64Encoded": body.1,
                "requestContext": {
                    "accountId": "1", "apiId": "a", "domainName": "d", "domainPrefix": "d", "requestId": "r", "routeKey": route,
                    "stage": "$default", "time": "22/Nov/2026:10:00:00 +0000", "timeEpoch": 0,
                    "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "x"},
                },
            }))
            .await;
        if answer.status == 200 {
            return Ok(());
        }
        let problem: Value = serde_json::from_slice(&answer.body).unwrap();
        let known = ["bad_signature", "signature_stale", "malformed_json", "unauthenticated", "missing_field", "invalid_field"];
        let code = known.into_iter().find(|code| problem["code"] == *code).unwrap_or_else(|| panic!("{problem}"));
        Err((answer.status, code))
    }
}

/// A stack on which both payment secrets are being changed, and one order that a webhook can tell of.
async fn rotating() -> (Site, Value) {
    let loader: simdock_local::Loader = Arc::new(|package, config| {
        Box::pin(async move {
            let mut config = config;
            for (name, old) in [("STRIPE_WEBHOOK_SECRETS", OLD_STRIPE), ("STANDARD_WEBHOOK_SECRETS", OLD_STANDARD)] {
                if let Some(newest) = config.optional(name).map(str::to_owned) {
                    config = config.with(name, format!("{newest},{old}"));
                }
            }
            simdock_local::load(&package, &config).await
        })
    });
    let site =
        Site::with(Options { paused: SOURCES.map(str::to_owned).to_vec(), loader: Some(loader), ..Options::default() }).await;
    let order = site.order(&draft("sandbox-1gb-7d")).await;
    (site, order)
}

/// Sends what a table has, in its order; only what is taken may write. To the second where freshness ends, the schemes' own tests go.
async fn deliver(site: &Site, route: &str, parameters: &Value, table: Vec<(&str, Delivery, Outcome)>) {
    let mut written = site.tables().await;
    let mut refused = Vec::new();
    for (name, delivery, expected) in table {
        if expected.is_ok() {
            assert!(site.tables().await == written, "something was written by one of {refused:?}");
            refused.clear();
        } else {
            refused.push(name);
        }
        let outcome = delivery.send(site, route, parameters.clone()).await;
        assert_eq!(outcome, expected, "{name}");
        if expected.is_ok() {
            written = site.tables().await;
        }
    }
    assert!(site.tables().await == written, "something was written by one of {refused:?}");
}

/// The same JSON in other bytes.
fn re_encoded(body: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let text = std::str::from_utf8(body).unwrap();
    let json: Value = serde_json::from_str(text).unwrap();
    let mut members: Vec<_> = json.as_object().unwrap().iter().collect();
    members.reverse();
    let reversed: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    vec![
        ("other white space", serde_json::to_vec_pretty(&json).unwrap()),
        ("a line break at the end", [body, b"\n"].concat()),
        ("other key order", format!("{{{}}}", reversed.join(",")).into_bytes()),
        ("another charset", text.chars().map(|character| u8::try_from(u32::from(character)).unwrap()).collect()),
        ("characters escaped", text.replace('é', "\\u00e9").into_bytes()),
        ("a byte order mark", [b"\xef\xbb\xbf", body].concat()),
        ("line ends of Windows", text.replace('\n', "\r\n").into_bytes()),
        ("its base64", STANDARD.encode(body).into_bytes()),
        ("nothing", Vec::new()),
    ]
}

/// A body with everything that re-encoding can change.
fn spaced(mut json: Value) -> Vec<u8> {
    json["note"] = "café".into();
    format!("{} \n", json.to_string().replace("\":", "\": ")).into_bytes()
}

#[tokio::test]
async fn stripes_scheme() {
    let (site, order) = rotating().await;
    let body = spaced(stripe_event(&order));
    let name = "stripe-signature";
    let by = |secret: &Secret, at: Timestamp, body: &[u8]| {
        let headers = Map::from_iter([(name.to_owned(), sign_stripe(at, body, secret).into())]);
        Delivery { headers, body: body.to_vec(), encoded: false }
    };
    let (newest, old, other) = (site.stripe_secret(), Secret::stripe(OLD_STRIPE).unwrap(), Secret::stripe(OTHER_STRIPE).unwrap());
    let signed = || by(&newest, begin(), &body);
    let after = |seconds: i64| by(&newest, begin().plus_seconds(seconds), &body);
    let timed = |time: &str| signed().edit(name, |header| format!("t={time},{}", header.split_once(',').unwrap().1));
    let wrong = format!("v1={}", "0".repeat(64));
    let behind = |count: usize| {
        signed().edit(name, |header| header.replace(",v1=", &format!(",{}v1=", format!("{wrong},").repeat(count))))
    };
    let now = begin().unix();
    let mut table = vec![
        ("as it was signed", signed(), TAKEN),
        ("in base64", signed().encoded(), TAKEN),
        ("by the secret that goes", by(&old, begin(), &body), TAKEN),
        (
            "by both, as in a rotation",
            signed().edit(name, |header| format!("{header},{}", sign_stripe(begin(), &body, &old).split_once(',').unwrap().1)),
            TAKEN,
        ),
        ("by another secret", by(&other, begin(), &body), BAD),
        ("by the other scheme's", signed().set(name, sign_standard("msg_1", begin(), &body, &site.standard_secret())), BAD),
        ("four minutes old", after(-240), TAKEN),
        ("six minutes old", after(-360), STALE),
        ("a year old", after(-31_536_000), STALE),
        ("four minutes ahead", after(240), TAKEN),
        ("six minutes ahead", after(360), STALE),
        ("with another time", timed(&(now + 1).to_string()), BAD),
        ("with its time twice", signed().edit(name, |header| format!("t={now},{header}")), BAD),
        ("with a leading zero", timed(&format!("0{now}")), BAD),
        ("with a sign", timed(&format!("+{now}")), BAD),
        ("with a negative time", timed(&format!("-{now}")), BAD),
        ("with a fraction", timed(&format!("{now}.0")), BAD),
        ("with hexadecimal", timed(&format!("{now:#x}")), BAD),
        ("with a time beyond 64 bits", timed("99999999999999999999"), BAD),
        ("with the last time there is", timed("9223372036854775807"), STALE),
        ("with an empty time", timed(""), BAD),
        ("with no time", signed().edit(name, |header| header.split_once(',').unwrap().1.to_owned()), BAD),
        ("with no signature", signed().set(name, format!("t={now}")), BAD),
        ("with the decoy only", signed().edit(name, |header| header.replace("v1=", "v0=")), BAD),
        ("with a scheme to come, too", signed().edit(name, |header| format!("{header},v2=abc")), TAKEN),
        ("in capitals", signed().edit(name, |header| header.to_uppercase().replace("T=", "t=").replace("V1=", "v1=")), TAKEN),
        ("cut short", signed().edit(name, |header| header[..header.len() - 2].to_owned()), BAD),
        ("behind 15 others", behind(15), TAKEN),
        ("behind 16 others", behind(16), BAD),
        ("behind 100 others", behind(100), BAD),
        (
            "a hundred times over",
            signed().edit(name, |header| format!("{header}{}", format!(",{}", header.split_once(',').unwrap().1).repeat(99))),
            BAD,
        ),
        ("in a header of 64 KB", signed().edit(name, |header| format!("{header},v9={}", "a".repeat(64 * 1024))), BAD),
        ("in two headers, joined", signed().edit(name, |header| format!("{header},{header}")), BAD),
        ("beyond ASCII", signed().edit(name, |header| format!("{header},é=é")), BAD),
        ("with an empty header", signed().set(name, ""), BAD),
        ("without its header", signed().without(name), BAD),
        ("nothing, well signed", by(&newest, begin(), b""), Err((400, "malformed_json"))),
    ];
    table.extend(re_encoded(&body).into_iter().map(|(name, bytes)| (name, signed().body(bytes), BAD)));
    deliver(&site, "POST /v1/webhooks/payments/{provider}", &json!({"provider": "stripe"}), table).await;
    assert_eq!(site.read(&order).await["payments"].as_array().unwrap().len(), 1);
    site.stop().await;
}

/// The rows that every user of Standard Webhooks shares. What has no signature at all comes to `unsigned`.
fn standard_rows<'a>(secret: &Secret, body: &[u8], unsigned: Outcome) -> Vec<(&'a str, Delivery, Outcome)> {
    let [id, time, signature] = ["webhook-id", "webhook-timestamp", "webhook-signature"];
    let by = |secret: &Secret, at: Timestamp, body: &[u8]| {
        let values =
            [(id, "msg_1".to_owned()), (time, at.unix().to_string()), (signature, sign_standard("msg_1", at, body, secret))];
        let headers = values.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        Delivery { headers, body: body.to_vec(), encoded: false }
    };
    let signed = || by(secret, begin(), body);
    let after = |seconds: i64| by(secret, begin().plus_seconds(seconds), body);
    let now = begin().unix();
    let wrong = format!("v1,{}=", "A".repeat(43));
    let behind = |count: usize| signed().edit(signature, |header| format!("{}{header}", format!("{wrong} ").repeat(count)));
    let mut table = vec![
        ("as it was signed", signed(), TAKEN),
        ("in base64", signed().encoded(), TAKEN),
        ("by another secret", by(&Secret::standard(OTHER_STANDARD).unwrap(), begin(), body), BAD),
        ("by the other scheme's", signed().set(signature, sign_stripe(begin(), body, secret)), BAD),
        ("four minutes old", after(-240), TAKEN),
        ("six minutes old", after(-360), STALE),
        ("a year old", after(-31_536_000), STALE),
        ("four minutes ahead", after(240), TAKEN),
        ("six minutes ahead", after(360), STALE),
        ("with another time", signed().set(time, (now + 1).to_string()), BAD),
        ("with its time twice, joined", signed().set(time, format!("{now},{now}")), BAD),
        ("with a leading zero", signed().set(time, format!("0{now}")), BAD),
        ("with a sign", signed().set(time, format!("+{now}")), BAD),
        ("with a negative time", signed().set(time, format!("-{now}")), BAD),
        ("with a fraction", signed().set(time, format!("{now}.0")), BAD),
        ("with RFC 3339", signed().set(time, begin().to_string()), BAD),
        ("with a time beyond 64 bits", signed().set(time, "99999999999999999999"), BAD),
        ("with the last time there is", signed().set(time, "9223372036854775807"), STALE),
        ("with an empty time", signed().set(time, ""), BAD),
        ("without a time", signed().without(time), BAD),
        ("with another id", signed().set(id, "msg_2"), BAD),
        ("with a full stop in its id", signed().set(id, format!("msg_1.{now}")), BAD),
        ("with its id twice, joined", signed().set(id, "msg_1,msg_1"), BAD),
        ("with an id beyond ASCII", signed().set(id, "msg_é"), BAD),
        ("with an id of 64 KB", signed().set(id, "a".repeat(64 * 1024)), BAD),
        ("with an empty id", signed().set(id, ""), BAD),
        ("without an id", signed().without(id), BAD),
        ("with another version only", signed().edit(signature, |header| header.replace("v1,", "v1a,")), BAD),
        ("with another version, too", signed().edit(signature, |header| format!("v1a,AAAA {header}")), TAKEN),
        ("without a version", signed().edit(signature, |header| header.replace("v1,", "")), BAD),
        ("without padding", signed().edit(signature, |header| header.trim_end_matches('=').to_owned()), BAD),
        (
            "in hexadecimal",
            signed().edit(signature, |header| {
                let bytes = STANDARD.decode(&header[3..]).unwrap();
                bytes.iter().fold("v1,".to_owned(), |hex, byte| format!("{hex}{byte:02x}"))
            }),
            BAD,
        ),
        ("behind 15 others", behind(15), TAKEN),
        ("behind 16 others", behind(16), BAD),
        ("behind 100 others", behind(100), BAD),
        ("a hundred times over", signed().edit(signature, |header| format!("{header} ").repeat(100)), BAD),
        ("in a header of 64 KB", signed().edit(signature, |header| format!("{header} v9,{}", "a".repeat(64 * 1024))), BAD),
        ("in two headers, joined", signed().edit(signature, |header| format!("{header},{header}")), BAD),
        ("with an empty header", signed().set(signature, ""), BAD),
        ("beyond ASCII", signed().edit(signature, |header| format!("{header} é,é")), unsigned),
        ("without its header", signed().without(signature), unsigned),
        ("nothing, well signed", by(secret, begin(), b""), Err((400, "malformed_json"))),
    ];
    table.extend(re_encoded(body).into_iter().map(|(name, bytes)| (name, signed().body(bytes), BAD)));
    table
}

#[tokio::test]
async fn standard_webhooks_of_payments() {
    let (site, order) = rotating().await;
    let data = json!({"paymentId": "pay_1", "orderNum": num(&order), "amount": order["price"]["amount"], "currency": "EUR"});
    let body = spaced(json!({"type": "payment.succeeded", "timestamp": begin().to_string(), "data": data}));
    let newest = site.standard_secret();
    let mut table = standard_rows(&newest, &body, BAD);
    let old = Secret::standard(OLD_STANDARD).unwrap();
    let by_old = sign_standard("msg_1", begin(), &body, &old);
    let signed = table[0].1.clone();
    table.push(("by the secret that goes", signed.clone().set("webhook-signature", &*by_old), TAKEN));
    table.push(("by both, as in a rotation", signed.edit("webhook-signature", |header| format!("{header} {by_old}")), TAKEN));
    deliver(&site, "POST /v1/webhooks/payments/{provider}", &json!({"provider": "standard"}), table).await;
    assert_eq!(site.read(&order).await["payments"].as_array().unwrap().len(), 1);
    site.stop().await;
}

#[tokio::test]
async fn standard_webhooks_of_carriers() {
    let (site, order) = rotating().await;
    assert_eq!(site.pay(&order).await, "paid");
    let iccid = site.read(&order).await["cards"][0]["iccid"].clone();
    // No field of its own may be in a report: what a byte changes is in the event's number.
    let event = json!({"eventId": "café", "iccid": iccid, "type": "installed", "at": begin().to_string()});
    let spaced = |event: &Value| format!("{} \n", event.to_string().replace("\":", "\": ")).into_bytes();
    let body = spaced(&event);
    let secret = site.carrier_secret();
    let mut table = standard_rows(&secret, &body, Err((401, "unauthenticated")));
    for (name, card, code) in
        [("for another card", json!("8934501234567890125"), "invalid_field"), ("for no card", Value::Null, "missing_field")]
    {
        let body = spaced(&json!({"eventId": "café", "iccid": card, "type": "installed", "at": begin().to_string()}));
        let signature = sign_standard("msg_1", begin(), &body, &secret);
        let delivery = table[0].1.clone().set("webhook-signature", signature).body(body);
        table.push((name, delivery, Err((400, code))));
    }
    deliver(&site, "POST /v1/sims/{iccid}/events", &json!({ "iccid": iccid }), table).await;
    site.stop().await;
}
