//! Numbers, addresses and codes: each is accepted exactly where a second statement of its rule says so, and has one canonical form.

use crate::corpus::{config, hunt};
use proptest::prelude::*;
use regex_lite::Regex;
use serde_json::{Value, from_value, to_value};
use simdock_domain::{ActivationCode, Eid, EmailAddress, Iccid, Msisdn, OrderNum, PoolId, Timestamp};
use simdock_store::Position;
use std::str::FromStr;

/// The text, if bytes are one: a parser of text never sees anything else.
fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

fn matches(pattern: &str, text: &str) -> bool {
    Regex::new(pattern).unwrap().is_match(text)
}

/// Parses, and holds what was accepted to its canonical form: it reads back as the same, and so does what is stored.
fn canonical<T>(text: &str, shown: impl Fn(&T) -> String) -> Option<String>
where
    T: FromStr + PartialEq + std::fmt::Debug + serde::Serialize + serde::de::DeserializeOwned,
{
    let stored = from_value::<T>(Value::from(text)).ok();
    let parsed = text.parse::<T>().ok();
    assert_eq!(parsed, stored, "{text:?} is one thing as text and another in JSON");
    let parsed = parsed?;
    let canonical = shown(&parsed);
    assert_eq!(canonical.parse::<T>().ok().as_ref(), Some(&parsed));
    assert_eq!(to_value(&parsed).unwrap(), Value::from(canonical.clone()));
    assert!(canonical.bytes().all(|byte| byte.is_ascii_graphic()), "{canonical:?}");
    Some(canonical)
}

/// By the table of doubled digits, from the left: a different way to the same sum than the parser's.
fn passes_luhn(digits: &str) -> bool {
    const DOUBLED: [u32; 10] = [0, 2, 4, 6, 8, 1, 3, 5, 7, 9];
    let plain = digits.len() % 2;
    let digits = digits.chars().map(|digit| digit.to_digit(10).unwrap() as usize).enumerate();
    let sum: u32 =
        digits.map(|(place, digit)| if place % 2 == plain { DOUBLED[digit] } else { u32::try_from(digit).unwrap() }).sum();
    sum.is_multiple_of(10)
}

#[test]
fn card_numbers() {
    hunt(file!(), "iccid", 32, |bytes| {
        let Some(text) = text(bytes) else { return false };
        let accepted = canonical::<Iccid>(text, |iccid| iccid.as_str().to_owned());
        let digits = text.strip_suffix(['F', 'f']).unwrap_or(text);
        let expected = matches(r"\A89[0-9]{17,18}\z", digits) && passes_luhn(digits);
        assert_eq!(accepted.as_deref(), expected.then_some(digits));
        expected
    });
}

#[test]
fn activation_codes() {
    // SGP.22 section 4.1, with RFC 1123's host names.
    const LABEL: &str = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
    let host = format!(r"\A(?:{LABEL}\.)+{LABEL}\z");
    let shape = Regex::new(r"\A1\$([^$]*)\$[A-Z0-9-]*(?:\$[0-9]+(?:\.[0-9]+)+(?:\$1)?|\$\$1)?\z").unwrap();
    let host = Regex::new(&host).unwrap();
    hunt(file!(), "activation-code", 16, |bytes| {
        let Some(text) = text(bytes) else { return false };
        let accepted = canonical::<ActivationCode>(text, ToString::to_string);
        let fields = if text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("lpa:")) { &text[4..] } else { text };
        let expected = shape.captures(fields).is_some_and(|found| {
            let address = &found[1];
            let top = address.rsplit('.').next().unwrap_or_default();
            let named = host.is_match(address) && address.len() <= 253 && !top.bytes().all(|byte| byte.is_ascii_digit());
            named && fields.len() <= 255
        });
        assert_eq!(accepted, expected.then(|| format!("LPA:{fields}")), "{text:?}");
        if let Some(code) = accepted.map(|code| code.parse::<ActivationCode>().unwrap()) {
            let hidden = code.matching_id();
            assert!(hidden.len() < 4 || !format!("{code:?}").contains(hidden), "{code:?} shows the matching id");
            for url in [code.ios_install_url(), code.android_install_url()] {
                let (_, data) = url.split_once("carddata=").unwrap();
                assert!(matches(r"\A(?:[A-Za-z0-9._~-]|%[0-9A-F]{2})+\z", data), "{url}");
            }
        }
        expected
    });
}

#[test]
fn mail_addresses() {
    hunt(file!(), "email", 16, |bytes| {
        let Some(text) = text(bytes) else { return false };
        let accepted = canonical::<EmailAddress>(text, |address| address.as_str().to_owned());
        let atom = r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+";
        let label = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
        let shape = format!(r"\A{atom}(?:\.{atom})*@(?:{label}\.)+{label}\z");
        let expected = matches(&shape, text) && text.len() <= 254 && {
            let (local, domain) = text.split_once('@').unwrap();
            local.len() <= 64 && domain.len() <= 253 && !matches(r"\.[0-9]+\z", domain)
        };
        assert_eq!(accepted.as_deref(), expected.then_some(text));
        if let Ok(address) = text.parse::<EmailAddress>() {
            let (local, _) = text.split_once('@').unwrap();
            assert!(local.len() < 2 || !format!("{address:?}").contains(local), "{address:?} shows who it is");
        }
        expected
    });
}

#[test]
fn device_numbers() {
    hunt(file!(), "eid", 32, |bytes| {
        let Some(text) = text(bytes) else { return false };
        let accepted = canonical::<Eid>(text, |eid| eid.as_str().to_owned());
        let expected = matches(r"\A[0-9]{32}\z", text) && text.parse::<u128>().unwrap() % 97 == 1;
        assert_eq!(accepted.as_deref(), expected.then_some(text));
        expected
    });
}

#[test]
fn telephone_numbers() {
    hunt(file!(), "msisdn", 32, |bytes| {
        let Some(text) = text(bytes) else { return false };
        let accepted = canonical::<Msisdn>(text, |number| number.as_str().to_owned());
        let expected = matches(r"\A\+?[1-9][0-9]{6,14}\z", text);
        assert_eq!(accepted, expected.then(|| format!("+{}", text.trim_start_matches('+'))));
        expected
    });
}

#[test]
fn order_numbers() {
    hunt(file!(), "order-num", 32, |bytes| {
        let Some(text) = text(bytes) else { return false };
        let accepted = canonical::<OrderNum>(text, |num| num.as_str().to_owned());
        let expected = matches(r"\AEP[0-9A-HJKMNP-TV-Z]{16}\z", text);
        assert_eq!(accepted.as_deref(), expected.then_some(text));
        expected
    });
}

#[test]
fn pools() {
    hunt(file!(), "pool", 32, |bytes| {
        let Some(text) = text(bytes) else { return false };
        let accepted = PoolId::try_from(text.to_owned()).ok();
        let expected = matches(r"\A[a-z0-9_-]{1,32}\.[a-z0-9_-]{1,32}\.(esim|physical)\z", text);
        assert_eq!(accepted.map(|pool| pool.to_string()).as_deref(), expected.then_some(text));
        expected
    });
}

#[test]
fn times() {
    hunt(file!(), "time", 32, |bytes| {
        let Some(text) = text(bytes) else { return false };
        let Ok(time) = text.parse::<Timestamp>() else { return false };
        let shape = r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})\z";
        assert!(matches(shape, text), "{text:?}");
        // An offset can lead out of the years that the form has; what is in them reads back.
        let shown = time.to_string();
        assert!(shown.starts_with("unix:") || shown.parse() == Ok(time), "{shown}");
        true
    });
}

#[test]
fn places_in_a_list() {
    hunt(file!(), "position", 32, |bytes| {
        let Some(text) = text(bytes) else { return false };
        let accepted = text.parse::<Position>();
        if let Ok(place) = &accepted {
            assert_eq!(place.to_string(), text, "a place is handed back as it came");
        }
        accepted.is_ok()
    });
}

proptest! {
    #![proptest_config(config(file!(), 8))]

    /// Every number that can be made can be read, and one wrong digit or two swapped ones cannot.
    #[test]
    fn check_digits_notice_a_slip(digits in "89[0-9]{16,17}", place in 2..17_usize, other in 0..10_u32) {
        let good = Iccid::with_check_digit(&digits).unwrap();
        prop_assert_eq!(good.as_str().parse::<Iccid>().ok(), Some(good.clone()));
        let mut slip: Vec<char> = good.as_str().chars().collect();
        let was = std::mem::replace(&mut slip[place], char::from_digit(other, 10).unwrap());
        let slip: String = slip.into_iter().collect();
        prop_assert_eq!(slip.parse::<Iccid>().is_ok(), was.to_digit(10) == Some(other));
    }

    #[test]
    fn codes_read_back_as_they_were_made(
        host in "[a-z0-9]{1,20}(\\.[a-z0-9]{1,10}){0,3}\\.[a-z]{2,10}",
        matching_id in "[A-Z0-9-]{0,60}",
        oid in proptest::option::of("[0-9]{1,4}(\\.[0-9]{1,4}){1,6}"),
        flag in any::<bool>(),
    ) {
        let code = ActivationCode::new(&host, &matching_id, oid.as_deref(), flag).unwrap();
        let read: ActivationCode = code.to_string().parse().unwrap();
        prop_assert_eq!(&read, &code);
        let parts = (read.sm_dp_address(), read.matching_id(), read.oid(), read.confirmation_code_required());
        prop_assert_eq!(parts, (host.as_str(), matching_id.as_str(), oid.as_deref(), flag));
    }
}
