//! Both signature schemes, by known vectors and by what attackers, proxies, clocks and rotations do to a request.

use simdock_domain::Timestamp;
use simdock_payments::SignatureError::{Malformed, Mismatch, Missing, Stale};
use simdock_payments::{Secret, SignatureError, sign_standard, sign_stripe, verify_standard, verify_stripe};

const NOW: Timestamp = Timestamp::from_unix(1_795_343_400);
const BODY: &[u8] = br#"{"id":"evt_1","type":"payment_intent.succeeded"}"#;

/// HMAC-SHA256 with the key `whsec_test_secret_one` over `1795343400.` and [`BODY`], computed with Python's `hmac`.
const STRIPE_VECTOR: &str = "d9fe9fa90009155d3660b9d1e2b861152bf933bff8a16ebff213d17b5e96d2e8";
const NO_SIGNATURE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

fn stripe(secret: &str) -> Secret {
    Secret::stripe(secret).expect("a Stripe secret")
}

fn standard(secret: &str) -> Secret {
    Secret::standard(secret).expect("a Standard Webhooks secret")
}

fn one() -> [Secret; 1] {
    [stripe("whsec_test_secret_one")]
}

fn verify_header(header: &str) -> Result<(), SignatureError> {
    verify_stripe(Some(header), BODY, &one(), NOW)
}

#[test]
fn stripe_known_vector() {
    let header = format!("t=1795343400,v1={STRIPE_VECTOR}");
    assert_eq!(sign_stripe(NOW, BODY, &one()[0]), header);
    assert_eq!(verify_header(&header), Ok(()));
    assert_eq!(verify_header(&header.to_uppercase().replace("T=", "t=").replace("V1=", "v1=")), Ok(()));
}

#[test]
fn stripe_tolerates_300_seconds_in_both_directions() {
    for (offset, expected) in [(-301, Err(Stale)), (-300, Ok(())), (0, Ok(())), (300, Ok(())), (301, Err(Stale))] {
        let header = sign_stripe(NOW.plus_seconds(offset), BODY, &one()[0]);
        assert_eq!(verify_header(&header), expected, "{offset} s");
    }
}

#[test]
fn stripe_rotation_takes_any_signature_under_any_secret() {
    let [old, new, other] = ["whsec_old", "whsec_new", "whsec_other"].map(stripe);
    let by_old = sign_stripe(NOW, BODY, &old);
    let by_new = sign_stripe(NOW, BODY, &new);
    let by_both = format!("{by_old},{}", by_new.split_once(',').expect("a signature").1);

    let both = [new.clone(), old.clone()];
    for header in [&by_old, &by_new, &by_both] {
        assert_eq!(verify_stripe(Some(header), BODY, &both, NOW), Ok(()));
    }
    assert_eq!(verify_stripe(Some(&by_both), BODY, &[old], NOW), Ok(()));
    assert_eq!(verify_stripe(Some(&by_both), BODY, &[other], NOW), Err(Mismatch));
    assert_eq!(verify_stripe(Some(&by_old), BODY, &[new], NOW), Err(Mismatch));
    assert_eq!(verify_stripe(Some(&by_both), BODY, &[], NOW), Err(Mismatch));
}

#[test]
fn stripe_signs_the_raw_bytes() {
    let header = sign_stripe(NOW, BODY, &one()[0]);
    let re_encoded = br#"{"id": "evt_1", "type": "payment_intent.succeeded"}"#;
    assert_eq!(verify_stripe(Some(&header), re_encoded, &one(), NOW), Err(Mismatch));
    assert_eq!(verify_stripe(Some(&header), b"", &one(), NOW), Err(Mismatch));
    let not_even_text = b"\xff\x00\xfe";
    let header = sign_stripe(NOW, not_even_text, &one()[0]);
    assert_eq!(verify_stripe(Some(&header), not_even_text, &one(), NOW), Ok(()));
}

#[test]
fn stripe_signature_covers_its_time() {
    let header = format!("t=1795343401,v1={STRIPE_VECTOR}");
    assert_eq!(verify_header(&header), Err(Mismatch));
    let header = format!("t=01795343400,v1={STRIPE_VECTOR}");
    assert_eq!(verify_header(&header), Err(Mismatch));
}

#[test]
fn stripe_header_forms() {
    for (header, expected) in [
        (String::new(), Err(Missing)),
        (" ".into(), Err(Missing)),
        ("nonsense".into(), Err(Malformed)),
        ("t=1795343400".into(), Err(Malformed)),
        (format!("v1={STRIPE_VECTOR}"), Err(Malformed)),
        (format!("t=1795343400,v0={STRIPE_VECTOR}"), Err(Malformed)),
        (format!("t=1795343400,t=1795343400,v1={STRIPE_VECTOR}"), Err(Malformed)),
        (format!("t=,v1={STRIPE_VECTOR}"), Err(Malformed)),
        (format!("t=+1795343400,v1={STRIPE_VECTOR}"), Err(Malformed)),
        (format!("t=-1,v1={STRIPE_VECTOR}"), Err(Malformed)),
        (format!("t=1795343400.0,v1={STRIPE_VECTOR}"), Err(Malformed)),
        (format!("t=99999999999999999999,v1={STRIPE_VECTOR}"), Err(Malformed)),
        (format!("t=9223372036854775807,v1={STRIPE_VECTOR}"), Err(Stale)),
        ("t=1795343400,v1=".into(), Err(Mismatch)),
        (format!("t=1795343400,v1={}", &STRIPE_VECTOR[..62]), Err(Mismatch)),
        (format!("t=1795343400,v1={STRIPE_VECTOR}00"), Err(Mismatch)),
        (format!("t=1795343400,v1={}", "é".repeat(32)), Err(Mismatch)),
        (format!("t=1795343400,v1={}", "+f".repeat(32)), Err(Mismatch)),
        (format!("t=1795343400,v1=zz,v1={STRIPE_VECTOR}"), Ok(())),
        (format!("v1={STRIPE_VECTOR},t=1795343400"), Ok(())),
        (format!("t=1795343400, v1={STRIPE_VECTOR}, v0={NO_SIGNATURE}, v9=new"), Ok(())),
    ] {
        assert_eq!(verify_header(&header), expected, "{header}");
    }
    assert_eq!(verify_stripe(None, BODY, &one(), NOW), Err(Missing));
}

#[test]
fn stripe_header_is_bounded() {
    let repeated = |wrong: usize| format!("t=1795343400,{}v1={STRIPE_VECTOR}", format!("v1={NO_SIGNATURE},").repeat(wrong));
    assert_eq!(verify_header(&repeated(15)), Ok(()));
    assert_eq!(verify_header(&repeated(16)), Err(Mismatch));
    assert_eq!(verify_header(&repeated(1000)), Err(Malformed));
}

/// The example of the Standard Webhooks specification's own libraries.
mod example {
    pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    pub const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    pub const TIMESTAMP: i64 = 1_614_265_330;
    pub const BODY: &[u8] = br#"{"test": 2432232314}"#;
    pub const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
}

fn verify_example(id: &str, timestamp: &str, signatures: &str) -> Result<(), SignatureError> {
    verify_standard(
        Some(id),
        Some(timestamp),
        Some(signatures),
        example::BODY,
        &[standard(example::SECRET)],
        Timestamp::from_unix(example::TIMESTAMP),
    )
}

#[test]
fn standard_known_vector() {
    let signed = sign_standard(example::ID, Timestamp::from_unix(example::TIMESTAMP), example::BODY, &standard(example::SECRET));
    assert_eq!(signed, example::SIGNATURE);
    assert_eq!(verify_example(example::ID, "1614265330", example::SIGNATURE), Ok(()));
}

#[test]
fn standard_tolerates_300_seconds_in_both_directions() {
    let secret = [standard(example::SECRET)];
    for (offset, expected) in [(-301, Err(Stale)), (-300, Ok(())), (0, Ok(())), (300, Ok(())), (301, Err(Stale))] {
        let at = NOW.plus_seconds(offset);
        let signatures = sign_standard("msg_1", at, BODY, &secret[0]);
        let timestamp = at.unix().to_string();
        let verified = verify_standard(Some("msg_1"), Some(&timestamp), Some(&signatures), BODY, &secret, NOW);
        assert_eq!(verified, expected, "{offset} s");
    }
}

#[test]
fn standard_rotation_takes_any_signature_under_any_secret() {
    let old = standard(example::SECRET);
    let new = standard("whsec_bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmV3");
    let by_old = sign_standard("msg_1", NOW, BODY, &old);
    let by_new = sign_standard("msg_1", NOW, BODY, &new);
    let by_both = format!("{by_new} {by_old}");
    let verify = |signatures: &str, secrets: &[Secret]| {
        verify_standard(Some("msg_1"), Some("1795343400"), Some(signatures), BODY, secrets, NOW)
    };
    assert_eq!(verify(&by_old, &[new.clone(), old.clone()]), Ok(()));
    assert_eq!(verify(&by_both, std::slice::from_ref(&old)), Ok(()));
    assert_eq!(verify(&by_new, &[old]), Err(Mismatch));
    assert_eq!(verify(&by_both, &[]), Err(Mismatch));
}

#[test]
fn standard_signature_covers_every_part() {
    assert_eq!(verify_example("msg_other", "1614265330", example::SIGNATURE), Err(Mismatch));
    assert_eq!(verify_example(example::ID, "1614265331", example::SIGNATURE), Err(Mismatch));
    let re_encoded = br#"{"test":2432232314}"#;
    let verified = verify_standard(
        Some(example::ID),
        Some("1614265330"),
        Some(example::SIGNATURE),
        re_encoded,
        &[standard(example::SECRET)],
        Timestamp::from_unix(example::TIMESTAMP),
    );
    assert_eq!(verified, Err(Mismatch));
}

#[test]
fn standard_header_forms() {
    let raw = example::SIGNATURE.trim_start_matches("v1,");
    for (signatures, expected) in [
        (String::new(), Err(Missing)),
        ("  ".into(), Err(Missing)),
        (raw.to_owned(), Err(Malformed)),
        (format!("{} nonsense", example::SIGNATURE), Err(Malformed)),
        (format!("v1a,{raw}"), Err(Mismatch)),
        (format!("v2,{raw}"), Err(Mismatch)),
        ("v1,".into(), Err(Mismatch)),
        ("v1,!!".into(), Err(Mismatch)),
        ("v1,c2hvcnQ=".into(), Err(Mismatch)),
        (format!("v1a,{raw} v1,AAAA {}", example::SIGNATURE), Ok(())),
        (format!("{}{}", format!("v1,{} ", "A".repeat(43) + "=").repeat(15), example::SIGNATURE), Ok(())),
        (format!("{}{}", format!("v1,{} ", "A".repeat(43) + "=").repeat(16), example::SIGNATURE), Err(Mismatch)),
        (format!("{} ", example::SIGNATURE).repeat(1000), Err(Malformed)),
    ] {
        assert_eq!(verify_example(example::ID, "1614265330", &signatures), expected, "{signatures}");
    }
    for (id, timestamp, expected) in [
        ("", "1614265330", Err(Missing)),
        (example::ID, "", Err(Missing)),
        ("msg.1", "1614265330", Err(Malformed)),
        ("msg 1", "1614265330", Err(Malformed)),
        (example::ID, "2021-02-25T15:02:10Z", Err(Malformed)),
        (example::ID, "1614265330.0", Err(Malformed)),
        (example::ID, "-1614265330", Err(Malformed)),
    ] {
        assert_eq!(verify_example(id, timestamp, example::SIGNATURE), expected, "{id} {timestamp}");
    }
    let secrets = [standard(example::SECRET)];
    for absent in 0..3 {
        let part = |index: usize, value: &'static str| (index != absent).then_some(value);
        let verified = verify_standard(
            part(0, example::ID),
            part(1, "1614265330"),
            part(2, example::SIGNATURE),
            example::BODY,
            &secrets,
            Timestamp::from_unix(example::TIMESTAMP),
        );
        assert_eq!(verified, Err(Missing));
    }
}

#[test]
fn standard_refuses_to_move_the_cut_between_the_signed_parts() {
    let secret = [standard(example::SECRET)];
    let signed = sign_standard("msg_1", NOW, b"1795343400.{}", &secret[0]);
    let verified = verify_standard(Some("msg_1.1795343400"), Some("1795343400"), Some(&signed), b"{}", &secret, NOW);
    assert_eq!(verified, Err(Malformed));
}

#[test]
fn errors_show_no_signature() {
    for error in [Missing, Malformed, Stale, Mismatch] {
        assert!(!error.to_string().contains("v1"), "{error}");
    }
}
