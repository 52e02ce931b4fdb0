//! Mails about orders whose names, plans and senders are hostile, read back by another program's parser.

use crate::corpus::{config, hunt, mutant_text};
use mail_parser::{Message, MessageParser};
use proptest::prelude::*;
use simdock_domain::{ActivationCode, EmailAddress, Iccid, OrderNum, PostalAddress, Timestamp};
use simdock_mail::{
    Addressee, ConfirmationMail, Confirmed, Envelope, Language, MailError, QrCard, QrMail, Sender, ShipmentMail,
    confirmation_mail, qr_mail, shipment_mail,
};

const ORDER: &str = "EP0123456789ABCDEF";
const HOSTILE: [&str; 8] = [
    "Ana",
    "Europa 5 GB, 30 días",
    "<script>alert(1)</script>\" onload='x' &amp;",
    "a\r\nBcc: eve@example.net\r\n\r\nbody",
    "=?UTF-8?Q?=0D=0ABcc=3A_eve=40example.net?=",
    "--=_related_EP0123456789ABCDEF--",
    "ヨーロッパ周遊 \u{202e}\u{2028}👩‍👩‍👧‍👦",
    "https://phish.example/?a=b&c",
];

/// The values of one mail.
#[derive(Debug)]
struct Values {
    name: String,
    plan: String,
    line: String,
}

fn values() -> impl Strategy<Value = Values> {
    // The API takes no blank ones; something to see is in each.
    let text = || prop_oneof![mutant_text(&HOSTILE), any::<String>()].prop_map(|text| format!("x{text}"));
    (text(), text(), text()).prop_map(|(name, plan, line)| Values { name, plan, line })
}

/// The QR mail, the confirmation and the shipment of an order.
fn written(values: &Values, from: &Sender) -> [Result<Vec<u8>, MailError>; 3] {
    let to: EmailAddress = "ana@example.com".parse().unwrap();
    let (order_num, iccid): (OrderNum, Iccid) = (ORDER.parse().unwrap(), "8934501234567890125".parse().unwrap());
    let date: Timestamp = "2026-11-22T10:30:00Z".parse().unwrap();
    let code: ActivationCode = "LPA:1$rsp.example.com$04386-AGYFT".parse().unwrap();
    let envelope = Envelope { from, to: &to, order_num: &order_num, date };
    let Values { name, plan, line } = values;
    let card = QrCard { iccid: &iccid, code: &code, activate_before: None, mobile_number: None, line_name: Some(line) };
    let home = PostalAddress {
        lines: vec![line.clone()],
        city: name.clone(),
        region: None,
        postal_code: Some(line.clone()),
        country: "ES".into(),
    };
    let addressee = Addressee { name, address: &home };
    let qr =
        QrMail { envelope, language: Language::En, subscriber_name: Some(name), plan, apn: line, cards: &[card], replaces: None };
    let confirmation = ConfirmationMail {
        envelope,
        language: Language::Ja,
        subscriber_name: Some(name),
        plan,
        add_ons: std::slice::from_ref(line),
        price: "14.50 EUR",
        ordered_at: date,
        confirmed: Confirmed::Cards { count: 1, to: addressee, announced: true },
    };
    let shipment = ShipmentMail {
        envelope,
        language: Language::De,
        subscriber_name: Some(name),
        plan,
        count: 1,
        to: addressee,
        carrier: line,
        number: name,
        shipped_at: date,
        is_swap: false,
    };
    [qr_mail(&qr), confirmation_mail(&confirmation), shipment_mail(&shipment)]
}

fn parse(mail: &[u8]) -> Message<'_> {
    MessageParser::default().parse(mail).unwrap()
}

/// The names of a message's headers, and the types of its parts: what no value may change.
fn shape(message: &Message) -> (Vec<String>, Vec<String>) {
    let names = |headers: &[mail_parser::Header]| headers.iter().map(|header| header.name().to_owned()).collect::<Vec<_>>();
    (names(message.headers()), message.parts.iter().map(|part| names(&part.headers).join(",")).collect())
}

/// How many elements, attributes and lines the text and the page have.
fn markup(message: &Message) -> Vec<usize> {
    let (text, html) = (message.body_text(0).unwrap(), message.body_html(0).unwrap());
    let count = |what: char| html.matches(what).count();
    vec![text.lines().count(), html.lines().count(), count('<'), count('>'), count('"'), count('\'')]
}

proptest! {
    #![proptest_config(config(file!(), 2))]

    #[test]
    fn no_value_is_more_than_a_value(values in values()) {
        let from: Sender = "Simdock <orders@simdock.example>".parse().unwrap();
        let plain = Values { name: "x".into(), plan: "x".into(), line: "x".into() };
        let harmless = written(&plain, &from);
        for (place, (mail, harmless)) in written(&values, &from).iter().zip(&harmless).enumerate() {
            // Of the values only the plan stands in a header, and only in that of the QR mail.
            let refused = place == 0 && values.plan.chars().any(char::is_control);
            prop_assert_eq!(mail.as_ref().err(), refused.then_some(&MailError::Header("Subject")));
            let Ok(mail) = mail else { continue };
            let wire = std::str::from_utf8(mail).unwrap();
            prop_assert!(wire.is_ascii() && wire.ends_with("\r\n"));
            prop_assert!(wire.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n', '\0'])));
            let (message, harmless) = (parse(mail), parse(harmless.as_ref().unwrap()));
            prop_assert_eq!(shape(&message), shape(&harmless));
            prop_assert_eq!(markup(&message), markup(&harmless));
            let to: Vec<_> = message.to().unwrap().iter().map(|to| to.address()).collect();
            prop_assert_eq!(to, [Some("ana@example.com")]);
            prop_assert!(message.bcc().is_none() && message.cc().is_none());
        }
    }
}

/// A sender is one address, with a name that reads back.
#[test]
fn senders() {
    hunt(file!(), "sender", 16, |bytes| {
        let Some(sender) = std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<Sender>().ok()) else { return false };
        let plain = Values { name: "x".into(), plan: "x".into(), line: "x".into() };
        let [_, mail, _] = written(&plain, &sender);
        let mail = mail.unwrap();
        let message = parse(&mail);
        let from: Vec<_> = message.from().unwrap().iter().collect();
        assert_eq!(from.len(), 1, "{}", String::from_utf8_lossy(&mail));
        assert!(from[0].address().is_some_and(|address| address.parse::<EmailAddress>().is_ok()));
        assert_eq!(message.headers().iter().filter(|header| header.name() == "From").count(), 1);
        true
    });
}
