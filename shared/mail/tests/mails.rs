//! Every mail in every language, read back by an independent parser.

#![allow(clippy::unwrap_used, reason = "a test ends where a helper fails")]

use std::collections::HashSet;

use mail_parser::{HeaderValue, Message, MessageParser, MimeHeaders};
use simdock_domain::{ActivationCode, EmailAddress, Iccid, Msisdn, OrderNum, Timestamp};
use simdock_mail::{
    ConfirmationMail, Envelope, Language, MailError, ManagerMail, QrCard, QrMail, Sender, confirmation_mail, manager_mail,
    qr_mail, qr_png,
};

const ORDER: &str = "EP0123456789ABCDEF";
const HOSTILE: &str = "<script>alert(1)</script>\" onload='x' &amp;\r\nBcc: eve@example.com\r\n\r\n\u{2028}\u{202e}--=_related_EP0123456789ABCDEF--";

struct Fixture {
    from: Sender,
    to: EmailAddress,
    order_num: OrderNum,
    date: Timestamp,
    iccids: Vec<Iccid>,
    codes: Vec<ActivationCode>,
    number: Msisdn,
}

impl Fixture {
    fn new() -> Self {
        Self {
            from: "Simdock Bestellungen für Österreich <orders@simdock.example>".parse().unwrap(),
            to: "ana@example.com".parse().unwrap(),
            order_num: ORDER.parse().unwrap(),
            date: "2026-11-22T10:30:00Z".parse().unwrap(),
            iccids: (0..50).map(|n| Iccid::with_check_digit(&format!("894450001234567{n:03}")).unwrap()).collect(),
            codes: (0..50)
                .map(|n| ActivationCode::new("rsp.example.com", &format!("04386-AGYFT-A74Y8-3F8{n:02}"), None, n == 1).unwrap())
                .collect(),
            number: "+447700900123".parse().unwrap(),
        }
    }

    fn envelope(&self) -> Envelope<'_> {
        Envelope { from: &self.from, to: &self.to, order_num: &self.order_num, date: self.date }
    }

    fn cards(&self, count: usize) -> Vec<QrCard<'_>> {
        (0..count)
            .map(|n| QrCard {
                iccid: &self.iccids[n],
                code: &self.codes[n],
                activate_before: Some("2027-05-21T23:59:59Z".parse().unwrap()),
                mobile_number: Some(&self.number),
                line_name: Some("Spain"),
            })
            .collect()
    }

    fn qr<'a>(&'a self, language: Language, cards: &'a [QrCard<'a>]) -> QrMail<'a> {
        let envelope = self.envelope();
        QrMail {
            envelope,
            language,
            subscriber_name: Some("Ana"),
            plan: "Europa 5 GB, 30 días",
            apn: "data.operator.example",
            cards,
        }
    }

    fn confirmation(&self, language: Language) -> ConfirmationMail<'_> {
        ConfirmationMail {
            envelope: self.envelope(),
            language,
            subscriber_name: Some("Ana"),
            plan: "Europa 5 GB, 30 días",
            count: 2,
            add_ons: &[],
            price: "14.50 EUR",
            ordered_at: self.date,
        }
    }

    /// Every mail that there is, with its kind and language.
    fn all(&self) -> Vec<(&'static str, Language, Vec<u8>)> {
        let reasons = ["The mailbox does not exist.".to_owned()];
        let manager = manager_mail(&ManagerMail { envelope: self.envelope(), reasons: &reasons }).unwrap();
        let mut mails = vec![("manager", Language::En, manager)];
        for language in Language::ALL {
            for count in [1, 2, 50] {
                mails.push(("qr", language, qr_mail(&self.qr(language, &self.cards(count))).unwrap()));
            }
            mails.push(("confirmation", language, confirmation_mail(&self.confirmation(language)).unwrap()));
        }
        mails
    }
}

fn parse(mail: &[u8]) -> Message<'_> {
    MessageParser::default().parse(mail).unwrap()
}

fn text(message: &Message) -> String {
    assert_eq!(message.text_body_count(), 1);
    message.body_text(0).unwrap().replace("\r\n", "\n")
}

fn html(message: &Message) -> String {
    assert_eq!(message.html_body_count(), 1);
    message.body_html(0).unwrap().replace("\r\n", "\n")
}

#[test]
fn every_mail_has_its_headers() {
    let fixture = Fixture::new();
    for (kind, language, mail) in fixture.all() {
        let message = parse(&mail);
        let from = message.from().unwrap().first().unwrap();
        assert_eq!(from.name(), Some("Simdock Bestellungen für Österreich"));
        assert_eq!(from.address(), Some("orders@simdock.example"));
        assert_eq!(message.to().unwrap().first().unwrap().address(), Some("ana@example.com"));
        assert_eq!(message.date().unwrap().to_timestamp(), fixture.date.unix());
        assert_eq!(message.message_id(), Some(format!("{ORDER}.{kind}@simdock.example").as_str()));
        assert_eq!(message.header_raw("Auto-Submitted").map(str::trim), Some("auto-generated"));
        assert_eq!(message.header_raw("Content-Language").map(str::trim), Some(language.tag()));
        assert!(matches!(message.header("MIME-Version"), Some(HeaderValue::Text(version)) if version == "1.0"));
        assert!(message.bcc().is_none() && message.cc().is_none());
        let subject = message.subject().unwrap();
        assert!(subject.contains(if kind == "qr" { "Europa 5 GB, 30 días" } else { ORDER }), "{subject}");
        let top = if kind == "qr" { "related" } else { "alternative" };
        assert_eq!(message.content_type().unwrap().subtype(), Some(top));
    }
}

#[test]
fn every_mail_keeps_to_the_wire_format() {
    for (kind, language, mail) in Fixture::new().all() {
        let mail = String::from_utf8(mail).unwrap();
        assert!(mail.is_ascii() && mail.ends_with("\r\n"));
        assert_eq!(mail.matches('\n').count(), mail.matches("\r\n").count(), "{kind} {language:?}");
        assert_eq!(mail.matches('\r').count(), mail.matches("\r\n").count(), "{kind} {language:?}");
        for line in mail.split("\r\n") {
            assert!(line.len() <= 76, "{line}");
        }
    }
}

#[test]
fn every_page_names_its_language_and_loads_nothing() {
    for (_, language, mail) in Fixture::new().all() {
        let html = html(&parse(&mail));
        assert!(html.starts_with(&format!("<!DOCTYPE html>\n<html lang=\"{}\">", language.tag())));
        for (index, _) in html.match_indices("://") {
            let link = &html[index - "<a class=\"go\" href=\"https".len()..];
            assert!(
                link.starts_with("<a class=\"go\" href=\"https://esimsetup.apple.com/")
                    || link.starts_with("<a class=\"go\" href=\"https://esimsetup.android.com/"),
                "{}",
                &link[..80]
            );
        }
        for image in html.match_indices("src=\"") {
            assert!(html[image.0..].starts_with("src=\"cid:"));
        }
        assert!(!html.contains("url(") && !html.contains("@import") && !html.contains("<link"));
    }
}

#[test]
fn a_mail_is_the_same_every_time() {
    assert_eq!(Fixture::new().all(), Fixture::new().all());
}

#[test]
fn the_qr_mail_brings_everything_of_every_card() {
    let fixture = Fixture::new();
    for language in Language::ALL {
        for count in [1, 2, 50] {
            let cards = fixture.cards(count);
            let mail = qr_mail(&fixture.qr(language, &cards)).unwrap();
            let message = parse(&mail);
            let (text, html) = (text(&message), html(&message));
            assert_eq!(message.attachment_count(), count);
            let mut content_ids = HashSet::new();
            for (card, image) in cards.iter().zip(message.attachments()) {
                let code = card.code.to_string();
                assert_eq!(image.contents(), qr_png(&code).unwrap());
                assert_eq!(image.content_type().unwrap().subtype(), Some("png"));
                assert!(image.content_disposition().unwrap().is_inline());
                let content_id = image.content_id().unwrap();
                assert!(content_ids.insert(content_id), "{content_id} twice");
                assert_eq!(html.matches(&format!("src=\"cid:{content_id}\"")).count(), 1);

                let (_, image_tag) = html.split_once(&format!("src=\"cid:{content_id}\"")).unwrap();
                let alt = image_tag.split_once("alt=\"").unwrap().1.split_once('"').unwrap().0;
                assert!(alt.contains(card.iccid.as_str()) && alt.contains("QR"), "{alt}");
                for form in [&text, &html] {
                    for expected in [
                        code.as_str(),
                        card.code.sm_dp_address(),
                        card.code.matching_id(),
                        &card.code.ios_install_url(),
                        &card.code.android_install_url(),
                        card.iccid.as_str(),
                    ] {
                        assert!(form.contains(expected), "{expected}");
                    }
                }
            }
            for form in [&text, &html] {
                for expected in ["Ana", "Europa 5 GB, 30 días", ORDER, "17.4", "UTC"] {
                    assert!(form.contains(expected), "{language:?} {count}: {expected}");
                }
                for expected in ["data.operator.example", "+447700900123", "Spain", "23:59"] {
                    assert_eq!(form.matches(expected).count(), count, "{language:?} {count}: {expected}");
                }
            }
        }
    }
}

#[test]
fn the_qr_mail_leaves_out_what_a_card_has_not() {
    let fixture = Fixture::new();
    let code: ActivationCode = "LPA:1$rsp.example.com$$1.3.6.1.4.1.31746".parse().unwrap();
    let cards = [QrCard { iccid: &fixture.iccids[0], code: &code, activate_before: None, mobile_number: None, line_name: None }];
    let mail = qr_mail(&QrMail { apn: "", subscriber_name: None, ..fixture.qr(Language::En, &cards) }).unwrap();
    let message = parse(&mail);
    let text = text(&message);
    assert!(text.starts_with("Your eSIM is ready\n\nHello,\n"));
    assert!(text.contains("--- Your eSIM ---"));
    for form in [text, html(&message)] {
        for absent in ["Activation code:", "Activation code<", "APN", "Mobile number", "Activate before", "Confirmation code"] {
            assert!(!form.contains(absent), "{absent}");
        }
    }
}

#[test]
fn only_a_code_that_needs_one_speaks_of_a_confirmation_code() {
    let fixture = Fixture::new();
    let cards = fixture.cards(2);
    for (language, label) in
        Language::ALL.into_iter().zip(["Confirmation code", "Bestätigungscode", "Código de confirmación", "確認コード"])
    {
        for (cards, expected) in [(&cards[..1], false), (&cards[1..], true)] {
            let mail = qr_mail(&fixture.qr(language, cards)).unwrap();
            let message = parse(&mail);
            assert_eq!(text(&message).contains(label), expected);
            assert_eq!(html(&message).contains(label), expected);
        }
    }
}

#[test]
fn the_qr_mail_stays_small() {
    let fixture = Fixture::new();
    let mut cards = fixture.cards(50);
    cards[0].mobile_number = None;
    for language in Language::ALL {
        let one = qr_mail(&fixture.qr(language, &cards[..1])).unwrap();
        assert!(one.len() <= 10 * 1024, "{language:?}: {}", one.len());
        // Gmail cuts a page off at 102 KB.
        let fifty = qr_mail(&fixture.qr(language, &cards)).unwrap();
        let page = html(&parse(&fifty)).len();
        assert!(page <= 100_000, "{language:?}: {page}");
    }
}

#[test]
fn the_confirmation_holds_the_order_and_no_code() {
    let fixture = Fixture::new();
    for language in Language::ALL {
        let add_ons = ["1 GB extra".to_owned(), "100 min".to_owned()];
        let mail = confirmation_mail(&ConfirmationMail { add_ons: &add_ons, ..fixture.confirmation(language) }).unwrap();
        let message = parse(&mail);
        for form in [text(&message), html(&message)] {
            for expected in [ORDER, "Ana", "Europa 5 GB, 30 días", "14.50 EUR", "1 GB extra, 100 min", "10:30", "UTC"] {
                assert!(form.contains(expected), "{language:?}: {expected}");
            }
            assert!(!form.contains("LPA:") && !form.contains("esimsetup") && !form.contains("rsp.example.com"));
        }
    }
}

#[test]
fn the_managers_mail_lists_its_reasons_without_links() {
    let fixture = Fixture::new();
    let reasons = ["The operator refused line 2.".to_owned(), "The mailbox does not exist.".to_owned()];
    let mail = manager_mail(&ManagerMail { envelope: fixture.envelope(), reasons: &reasons }).unwrap();
    let message = parse(&mail);
    assert_eq!(message.subject(), Some("Order EP0123456789ABCDEF needs attention"));
    for reason in &reasons {
        assert!(text(&message).contains(&format!("- {reason}")));
        assert!(html(&message).contains(&format!("<li>{reason}</li>")));
    }
    assert!(!html(&message).contains("href"));
}

#[test]
fn no_value_becomes_markup_a_header_or_a_line() {
    let fixture = Fixture::new();
    for language in Language::ALL {
        let mut cards = fixture.cards(2);
        let qr = |name, apn, cards: &[QrCard]| {
            qr_mail(&QrMail { subscriber_name: Some(name), apn, ..fixture.qr(language, cards) }).unwrap()
        };
        let confirmation = |value: &str| {
            confirmation_mail(&ConfirmationMail {
                subscriber_name: Some(value),
                plan: value,
                price: value,
                add_ons: &[value.to_owned()],
                ..fixture.confirmation(language)
            })
            .unwrap()
        };
        let manager =
            |value: &str| manager_mail(&ManagerMail { envelope: fixture.envelope(), reasons: &[value.to_owned()] }).unwrap();
        let harmless = [qr("x", "x", &cards), confirmation("x"), manager("x")];
        for card in &mut cards {
            card.line_name = Some(HOSTILE);
        }
        let hostile = [qr(HOSTILE, HOSTILE, &cards), confirmation(HOSTILE), manager(HOSTILE)];

        for (harmless, hostile) in harmless.iter().zip(&hostile) {
            let (harmless, hostile) = (parse(harmless), parse(hostile));
            let names = |message: &Message| message.headers().iter().map(|header| header.name().to_owned()).collect::<Vec<_>>();
            assert_eq!(names(&hostile), names(&harmless));
            assert_eq!(hostile.parts.len(), harmless.parts.len());
            assert_eq!(text(&hostile).lines().count(), text(&harmless).lines().count());
            let (hostile, harmless) = (html(&hostile), html(&harmless));
            assert_eq!(hostile.lines().count(), harmless.lines().count());
            for markup in ['<', '>', '"', '\''] {
                assert_eq!(hostile.matches(markup).count(), harmless.matches(markup).count(), "{markup}");
            }
            assert!(hostile.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot; onload=&#39;x&#39; &amp;amp; Bcc:"));
            assert!(!hostile.contains('\u{202e}') && !hostile.contains('\u{2028}'));
        }
    }
}

#[test]
fn a_subject_takes_any_plan_but_no_control_character() {
    let fixture = Fixture::new();
    let cards = fixture.cards(1);
    for plan in ["<script>", "=?UTF-8?B?eA==?=", &"ヨーロッパ周遊プラン".repeat(12), "A very long plan name ".repeat(9).trim()]
    {
        let mail = qr_mail(&QrMail { plan, ..fixture.qr(Language::En, &cards) }).unwrap();
        assert_eq!(parse(&mail).subject(), Some(format!("Your eSIM is ready: {plan}").as_str()));
    }
    for plan in ["a\r\nBcc: eve@example.com", "a\nb", "a\0b", "a\u{85}b"] {
        let mail = qr_mail(&QrMail { plan, ..fixture.qr(Language::En, &cards) });
        assert_eq!(mail, Err(MailError::Header("Subject")));
    }
}

#[test]
fn a_boundary_appears_only_where_it_delimits() {
    for (kind, language, mail) in Fixture::new().all() {
        let mail = String::from_utf8(mail).unwrap();
        let images = mail.matches("Content-Type: image/png\r\n").count();
        let alternative = format!("--=_alternative_{ORDER}");
        let related = format!("--=_related_{ORDER}");
        assert_eq!(mail.matches(&format!("{alternative}\r\n")).count(), 2);
        assert_eq!(mail.matches(&format!("{alternative}--\r\n")).count(), 1);
        assert_eq!(mail.matches(&alternative).count(), 3);
        let related_count = if kind == "qr" { images + 2 } else { 0 };
        assert_eq!(mail.matches(&related).count(), related_count, "{language:?}");
        // Each boundary is announced once; nothing else in the mail looks like one.
        assert_eq!(mail.matches("=_").count(), 3 + related_count + if kind == "qr" { 2 } else { 1 });
    }
}

#[test]
fn a_mail_that_tells_nothing_is_refused() {
    let fixture = Fixture::new();
    assert_eq!(qr_mail(&fixture.qr(Language::En, &[])), Err(MailError::Empty));
    let manager = ManagerMail { envelope: fixture.envelope(), reasons: &[] };
    assert_eq!(manager_mail(&manager), Err(MailError::Empty));
}
