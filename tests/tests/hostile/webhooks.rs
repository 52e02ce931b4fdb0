//! Payment providers' signatures and events.

use crate::corpus::{config, hunt};
use proptest::prelude::*;
use serde_json::Value;
use simdock_domain::{Currency, Money, Timestamp};
use simdock_payments::{
    Notice, ParseError, RefundProgress, Secret, from_stripe_amount, parse_standard, parse_stripe, sign_standard, sign_stripe,
    to_stripe_amount, verify_standard, verify_stripe,
};

const NOW: Timestamp = Timestamp::from_unix(1_795_343_400);
const BODY: &[u8] = br#"{"id":"evt_1","type":"payment_intent.succeeded"}"#;
/// How many signatures of a request are tried, and how long a header may be.
const TRIED: usize = 16;
const LONGEST: usize = 4096;

fn stripe() -> Secret {
    Secret::stripe("whsec_test_secret_one").unwrap()
}

fn standard() -> Secret {
    Secret::standard("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap()
}

/// The headers of the corpus are for this time, body and secret: an edit of one that is still accepted has the very same signature.
#[test]
fn headers_of_stripe() {
    let signed = sign_stripe(NOW, BODY, &stripe());
    let (time, signature) = signed.split_once(",v1=").unwrap();
    let signature = signature.to_owned();
    hunt(file!(), "stripe-signature", 16, |bytes| {
        let Ok(header) = std::str::from_utf8(bytes) else { return false };
        let accepted = verify_stripe(Some(header), BODY, &[stripe()], NOW).is_ok();
        let elements: Vec<&str> = header.trim().split(',').map(str::trim).collect();
        let hex = |value: &&str| value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
        let mut tried = elements.iter().filter_map(|element| element.strip_prefix("v1=")).filter(hex).take(TRIED);
        let expected = header.trim().len() <= LONGEST
            && elements.iter().all(|element| element.contains('='))
            && elements.iter().filter(|element| element.starts_with("t=")).eq(&[time])
            && tried.any(|value| value.eq_ignore_ascii_case(&signature));
        assert_eq!(accepted, expected, "{header:?}");
        accepted
    });
}

/// The same for Standard Webhooks: an input has the three headers' values, each on a line.
#[test]
fn headers_of_standard_webhooks() {
    let (id, time) = ("msg_1", NOW.unix().to_string());
    let signature = sign_standard(id, NOW, BODY, &standard());
    hunt(file!(), "standard-signature", 16, |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else { return false };
        let mut lines = text.splitn(3, '\n');
        let [told_id, told_time, signatures] = [lines.next(), lines.next(), lines.next()];
        let accepted = verify_standard(told_id, told_time, signatures, BODY, &[standard()], NOW).is_ok();
        let trimmed = |told: Option<&str>, known: &str| told.is_some_and(|told| told.trim() == known);
        let expected = trimmed(told_id, id) && trimmed(told_time, &time) && {
            let signatures = signatures.unwrap_or_default().trim();
            let entries: Vec<&str> = signatures.split_ascii_whitespace().collect();
            // 43 digits and the padding are 32 bytes.
            let whole = |entry: &&&str| entry.len() == signature.len() && decodes(entry);
            signatures.len() <= LONGEST
                && entries.iter().all(|entry| entry.contains(','))
                && entries.iter().filter(whole).take(TRIED).any(|entry| **entry == signature)
        };
        assert_eq!(accepted, expected, "{text:?}");
        accepted
    });
}

/// Whether an entry is 32 bytes in padded base64, the two spare bits of the last digit being 0.
fn decodes(entry: &str) -> bool {
    entry.strip_prefix("v1,").and_then(|digits| digits.strip_suffix('=')).is_some_and(|digits| {
        let plain = digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/');
        digits.len() == 43 && plain && digits.ends_with(|last: char| "AEIMQUYcgkosw048".contains(last))
    })
}

/// What every notice keeps to, whatever a provider wrote.
fn holds(notice: &Notice) {
    let identifier = |id: &str| (1..=255).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    let line = |text: &str| text.chars().count() <= 200 && !text.chars().any(char::is_control) && !text.contains('@');
    let good = match notice {
        Notice::Paid(paid) => identifier(&paid.event_id) && identifier(&paid.payment_id) && paid.received.amount > 0,
        Notice::Refund(refund) => {
            let ids = [&refund.event_id, &refund.payment_id, &refund.provider_id];
            let progress = match &refund.progress {
                RefundProgress::Pending | RefundProgress::Succeeded => true,
                RefundProgress::Failed(reason) => line(reason),
            };
            ids.into_iter().chain(&refund.refund_id).all(|id| identifier(id)) && refund.amount.amount > 0 && progress
        }
        Notice::Dispute(dispute) => identifier(&dispute.event_id) && identifier(&dispute.payment_id) && line(&dispute.reason),
        Notice::Other { event_id, kind } => identifier(event_id) && identifier(kind),
    };
    assert!(good, "{notice:?}");
}

/// Reads a body twice, as it came and as another program would write the same JSON: both say the same.
fn read(bytes: &[u8], parse: impl Fn(&[u8]) -> Result<Notice, ParseError>) -> Option<(Notice, Value)> {
    let outcome = parse(bytes);
    let json: Option<Value> = serde_json::from_slice(bytes).ok();
    if let (Ok(notice), Some(json)) = (&outcome, &json) {
        holds(notice);
        for rewritten in [serde_json::to_vec(json), serde_json::to_vec_pretty(json)] {
            assert_eq!(parse(&rewritten.unwrap()).as_ref(), Ok(notice));
        }
    }
    Some((outcome.ok()?, json?))
}

#[test]
fn events_of_stripe() {
    hunt(file!(), "stripe-event", 8, |bytes| {
        let Some((notice, json)) = read(bytes, parse_stripe) else { return false };
        let object = &json["data"]["object"];
        if let Notice::Paid(paid) = &notice {
            let intent = &object["payment_intent"];
            let (id, amount) = if json["type"] == "payment_intent.succeeded" {
                (&object["id"], &object["amount_received"])
            } else {
                (if intent.is_object() { &intent["id"] } else { intent }, &object["amount_total"])
            };
            assert_eq!((Some(paid.payment_id.as_str()), to_stripe_amount(paid.received).ok()), (id.as_str(), amount.as_i64()));
            let currency = object["currency"].as_str().unwrap();
            assert!(currency.eq_ignore_ascii_case(paid.received.currency.as_str()));
        }
        true
    });
}

#[test]
fn events_of_standard_webhooks() {
    hunt(file!(), "standard-event", 8, |bytes| {
        let Some((notice, json)) = read(bytes, |body| parse_standard("msg_1", body)) else { return false };
        if let Notice::Paid(paid) = &notice {
            let told = (json["data"]["paymentId"].as_str(), json["data"]["amount"].as_i64(), json["data"]["currency"].as_str());
            let money = paid.received;
            assert_eq!(told, (Some(paid.payment_id.as_str()), Some(money.amount), Some(money.currency.as_str())));
            let named = json["data"]["orderNum"].as_str().and_then(|text| text.parse().ok());
            assert_eq!(paid.order_num, named);
        }
        true
    });
}

proptest! {
    #![proptest_config(config(file!(), 8))]

    /// A signature is good for the bytes that it was made for, and for no others.
    #[test]
    fn a_signature_covers_every_byte(body in any::<Vec<u8>>(), other in any::<Vec<u8>>(), offset in -600_i64..600) {
        let at = NOW.plus_seconds(offset);
        let fresh = offset.abs() <= 300;
        let header = sign_stripe(at, &body, &stripe());
        prop_assert_eq!(verify_stripe(Some(&header), &body, &[stripe()], NOW).is_ok(), fresh);
        prop_assert_eq!(verify_stripe(Some(&header), &other, &[stripe()], NOW).is_ok(), fresh && other == body);
        let (time, signature) = (at.unix().to_string(), sign_standard("msg_1", at, &body, &standard()));
        let verify = |body: &[u8]| verify_standard(Some("msg_1"), Some(&time), Some(&signature), body, &[standard()], NOW).is_ok();
        prop_assert_eq!(verify(&body), fresh);
        prop_assert_eq!(verify(&other), fresh && other == body);
    }

    /// Money named to Stripe comes back as the same money, or cannot be named at all.
    #[test]
    fn amounts_survive_stripes_units(amount in any::<i64>(), code in "EUR|USD|JPY|ISK|UGX|MGA|KWD|TND|HUF|TWD") {
        let money = Money { amount, currency: code.parse::<Currency>().unwrap() };
        if let Ok(named) = to_stripe_amount(money) {
            prop_assert_eq!(from_stripe_amount(named, money.currency), Ok(money));
        }
        if let Ok(told) = from_stripe_amount(amount, money.currency) {
            prop_assert!(to_stripe_amount(told).is_err() || to_stripe_amount(told) == Ok(amount));
        }
    }
}
