//! Every mail in every language, read back by an independent parser.

#![allow(clippy::unwrap_used, reason = "a test ends where a helper fails")]

mod orders;

use std::collections::HashSet;

use mail_parser::{HeaderValue, Message, MessageParser, MimeHeaders};
use simdock_domain::{
    ActivationCode, Command, EmailAddress, FormFactor, Iccid, MAX_ATTEMPTS, MailKind, MailReport, Money, Msisdn, Order, OrderNum,
    OrderType, PostalAddress, RefundPolicy, Subject, Timestamp, Used,
};
use simdock_mail::{
    Addressee, ConfirmationMail, Confirmed, Envelope, KnownLine, Language, MailError, ManagerMail, QrCard, QrMail, Sender,
    ShipmentMail, confirmation_mail, manager_mail, qr_mail, qr_png, shipment_mail,
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
    home: PostalAddress,
}

impl Fixture {
    fn new() -> Self {
        Self {
            from: "Simdock Bestellungen für Österreich <orders@simdock.example>".parse().unwrap(),
            to: "ana@example.com".parse().unwrap(),
            order_num: ORDER.parse().unwrap(),
            date: "2026-11-22T10:30:00Z".parse().unwrap(),
            iccids: (0..50).map(orders::iccid).collect(),
            codes: (0..50)
                .map(|n| ActivationCode::new("rsp.example.com", &format!("04386-AGYFT-A74Y8-3F8{n:02}"), None, n == 1).unwrap())
                .collect(),
            number: "+447700900123".parse().unwrap(),
            home: orders::home(),
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
            replaces: None,
        }
    }

    fn line(&self) -> KnownLine<'_> {
        KnownLine { name: Some("Spain"), mobile_number: Some(&self.number), iccid: &self.iccids[0] }
    }

    fn to(&self) -> Addressee<'_> {
        Addressee { name: "Ana Sousa", address: &self.home }
    }

    /// One of everything that can be confirmed.
    fn confirmed(&self) -> [Confirmed<'_>; 10] {
        let (line, to) = (self.line(), self.to());
        [
            Confirmed::Esims { count: 1, mailed: true },
            Confirmed::Esims { count: 2, mailed: true },
            Confirmed::Cards { count: 1, to, announced: true },
            Confirmed::Cards { count: 2, to, announced: true },
            Confirmed::Plan(line),
            Confirmed::AddOns(line),
            Confirmed::Renewal(line),
            Confirmed::EsimSwap { old: line, mailed: true },
            Confirmed::CardSwap { old: line, to, announced: true },
            Confirmed::Cancellation(line),
        ]
    }

    fn confirmation<'a>(&'a self, language: Language, confirmed: Confirmed<'a>) -> ConfirmationMail<'a> {
        ConfirmationMail {
            envelope: self.envelope(),
            language,
            subscriber_name: Some("Ana"),
            plan: "Europa 5 GB, 30 días",
            add_ons: &[],
            price: "14.50 EUR",
            ordered_at: self.date,
            confirmed,
        }
    }

    fn shipment(&self, language: Language, count: usize) -> ShipmentMail<'_> {
        ShipmentMail {
            envelope: self.envelope(),
            language,
            subscriber_name: Some("Ana"),
            plan: "Europa 5 GB, 30 días",
            count,
            to: self.to(),
            carrier: "CTT Correios",
            number: "RR123456785PT",
            shipped_at: "2026-11-24T16:00:00Z".parse().unwrap(),
            is_swap: false,
        }
    }

    fn manager(&self, order: &Order) -> Vec<u8> {
        manager_mail(&ManagerMail { envelope: self.envelope(), order }).unwrap()
    }

    /// An order of a card that the carrier refused.
    fn refused(&self) -> Order {
        let failed = Command::ProvisioningFailed { line: 0, reason: "unknown profile".into() };
        orders::after(&orders::paid(&self.order_num, FormFactor::Esim, 1), [failed])
    }

    /// Every mail that there is, with its kind and language.
    fn all(&self) -> Vec<(&'static str, Language, Vec<u8>)> {
        let parcel = orders::paid(&self.order_num, FormFactor::Physical, 2);
        let mut mails =
            vec![("manager", Language::En, self.manager(&self.refused())), ("manager", Language::En, self.manager(&parcel))];
        for language in Language::ALL {
            for count in [1, 2, 50] {
                mails.push(("qr", language, qr_mail(&self.qr(language, &self.cards(count))).unwrap()));
            }
            let cards = self.cards(1);
            let swap = QrMail { replaces: Some(&self.iccids[9]), ..self.qr(language, &cards) };
            mails.push(("qr", language, qr_mail(&swap).unwrap()));
            for confirmed in self.confirmed() {
                mails.push(("confirmation", language, confirmation_mail(&self.confirmation(language, confirmed)).unwrap()));
            }
            for count in [1, 2] {
                mails.push(("shipment", language, shipment_mail(&self.shipment(language, count)).unwrap()));
            }
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
fn the_qr_mail_of_a_swap_is_about_the_line_that_is_there() {
    let fixture = Fixture::new();
    let cards = fixture.cards(1);
    let old = &fixture.iccids[9];
    for (language, subject, old_works) in [
        (Language::En, "Your new eSIM is ready: ", "Your current SIM keeps working until the new eSIM is installed."),
        (
            Language::De,
            "Ihre neue eSIM ist bereit: ",
            "Ihre bisherige SIM funktioniert weiter, bis die neue eSIM installiert ist.",
        ),
        (Language::Es, "Su nueva eSIM está lista: ", "Su SIM actual seguirá funcionando hasta que la nueva eSIM esté instalada."),
        (
            Language::Ja,
            "新しいeSIMのご用意ができました:",
            "新しいeSIMをインストールするまでは、現在のSIMをそのままお使いいただけます。",
        ),
    ] {
        let order = qr_mail(&fixture.qr(language, &cards)).unwrap();
        let swap = qr_mail(&QrMail { replaces: Some(old), ..fixture.qr(language, &cards) }).unwrap();
        let (order, swap) = (parse(&order), parse(&swap));
        assert_eq!(swap.subject(), Some(format!("{subject}Europa 5 GB, 30 días").as_str()));
        assert_ne!(order.subject(), swap.subject());
        for (order, swap) in [(text(&order), text(&swap)), (html(&order), html(&swap))] {
            assert_eq!(swap.matches(old_works).count(), 1, "{language:?}: {swap}");
            assert!(!order.contains(old_works) && !order.contains(old.as_str()));
            // The old profile is removed once, last of all, and only when the new one works.
            assert_eq!(swap.matches(old.as_str()).count(), 1);
            assert!(swap.find(cards[0].iccid.as_str()) < swap.find(old.as_str()));
        }
        assert!(text(&swap).contains("6. "), "one step more than {language:?} has for an order");
        assert!(!text(&order).contains("6. "));
    }
}

#[test]
fn the_confirmation_holds_the_order_and_no_code() {
    let fixture = Fixture::new();
    for language in Language::ALL {
        for confirmed in fixture.confirmed() {
            let mail = fixture.confirmation(language, confirmed);
            let add_ons = match confirmed {
                Confirmed::EsimSwap { .. } | Confirmed::CardSwap { .. } | Confirmed::Cancellation(_) => Vec::new(),
                _ => vec!["1 GB extra".to_owned(), "100 min".to_owned()],
            };
            let mail = confirmation_mail(&ConfirmationMail { add_ons: &add_ons, ..mail }).unwrap();
            let message = parse(&mail);
            for form in [text(&message), html(&message)] {
                for expected in [ORDER, "Ana", "Europa 5 GB, 30 días", "10:30", "UTC", &add_ons.join(", ")] {
                    assert!(form.contains(expected), "{language:?} {confirmed:?}: {expected}");
                }
                let costs = !matches!(confirmed, Confirmed::Cancellation(_));
                assert_eq!(form.contains("14.50 EUR"), costs, "{language:?} {confirmed:?}");
                assert!(!form.contains("LPA:") && !form.contains("esimsetup") && !form.contains("rsp.example.com"));
            }
        }
    }
}

#[test]
fn each_confirmation_says_what_it_is_for() {
    let fixture = Fixture::new();
    for language in Language::ALL {
        let parts = |confirmed| {
            let mail = confirmation_mail(&fixture.confirmation(language, confirmed)).unwrap();
            let message = parse(&mail);
            let text = text(&message);
            (message.subject().unwrap().to_owned(), text.lines().next().unwrap().to_owned(), text)
        };
        let [esim, esims, card, cards, plan, add_ons, renewal, esim_swap, card_swap, cancellation] =
            fixture.confirmed().map(parts);
        // Activation, top-up, renewal, swap and cancellation each have a subject and a title of their own.
        let kinds = [&esim, &plan, &renewal, &esim_swap, &cancellation];
        assert_eq!(kinds.iter().map(|mail| &mail.0).collect::<HashSet<_>>().len(), 5, "{language:?}");
        assert_eq!(kinds.iter().map(|mail| &mail.1).collect::<HashSet<_>>().len(), 5, "{language:?}");
        for (one, other) in [(&esim, &cards), (&esims, &card), (&plan, &add_ons), (&esim_swap, &card_swap)] {
            assert_eq!((&one.0, &one.1), (&other.0, &other.1), "{language:?}");
        }
        // Only where an eSIM comes does a QR code.
        for (mail, code) in
            [(&esim, true), (&esims, true), (&esim_swap, true), (&card, false), (&cards, false), (&card_swap, false)]
        {
            assert_eq!(mail.2.contains("QR"), code, "{language:?}: {}", mail.2);
        }
        for mail in [&plan, &add_ons, &renewal, &cancellation] {
            assert!(!mail.2.contains("QR"), "{language:?}: {}", mail.2);
        }
        // What changes a line says which.
        for mail in [&plan, &add_ons, &renewal, &esim_swap, &card_swap, &cancellation] {
            for expected in ["Spain", "+447700900123", fixture.iccids[0].as_str()] {
                assert!(mail.2.contains(expected), "{language:?} {expected}: {}", mail.2);
            }
        }
        for mail in [&esim, &cards] {
            assert!(!mail.2.contains("Spain") && !mail.2.contains(fixture.iccids[0].as_str()), "{language:?}");
        }
        for mail in [&card, &cards, &card_swap] {
            assert!(
                mail.2.contains(":\n  Ana Sousa\n  12 Rua Augusta\n  3.º esq.\n  Lisboa, 1100-053\n  PT\n"),
                "{language:?}: {}",
                mail.2
            );
        }
    }
}

#[test]
fn a_confirmation_promises_no_mail_that_does_not_come() {
    let fixture = Fixture::new();
    for language in Language::ALL {
        let body = |confirmed| text(&parse(&confirmation_mail(&fixture.confirmation(language, confirmed)).unwrap()));
        let (old, to) = (fixture.line(), fixture.to());
        for follows in [
            |follows, _, _| Confirmed::Esims { count: 1, mailed: follows },
            |follows, _, to| Confirmed::Cards { count: 1, to, announced: follows },
            |follows, old, _| Confirmed::EsimSwap { old, mailed: follows },
            |follows, old, to| Confirmed::CardSwap { old, to, announced: follows },
        ] as [for<'a> fn(bool, KnownLine<'a>, Addressee<'a>) -> Confirmed<'a>; 4]
        {
            let (with, without) = (body(follows(true, old, to)), body(follows(false, old, to)));
            let gone: Vec<_> = with.lines().filter(|line| !without.contains(line)).collect();
            assert_eq!(gone.len(), 1, "{language:?}: {with}");
        }
    }
}

#[test]
fn a_renewal_says_when_its_time_begins_and_nothing_has_to_be_installed() {
    let fixture = Fixture::new();
    let line = fixture.line();
    for (language, when, nothing) in [
        (Language::En, "it starts when that ends", "There is nothing to install"),
        (Language::De, "Er beginnt, sobald dieser endet", "Sie müssen nichts installieren"),
        (Language::Es, "empieza cuando este termina", "No hace falta instalar nada"),
        (Language::Ja, "ご利用中の期間が終わり次第", "インストールは不要です"),
    ] {
        let body = |confirmed| text(&parse(&confirmation_mail(&fixture.confirmation(language, confirmed)).unwrap()));
        assert!(body(Confirmed::Renewal(line)).contains(when) && body(Confirmed::Renewal(line)).contains(nothing));
        for top_up in [Confirmed::Plan(line), Confirmed::AddOns(line)] {
            assert!(body(top_up).contains(nothing) && !body(top_up).contains(when));
        }
    }
}

#[test]
fn the_shipment_mail_holds_the_parcel() {
    let fixture = Fixture::new();
    for language in Language::ALL {
        let swap = ShipmentMail { is_swap: true, ..fixture.shipment(language, 1) };
        let mails =
            [fixture.shipment(language, 1), fixture.shipment(language, 2), swap].map(|mail| shipment_mail(&mail).unwrap());
        let [one, two, swap] = mails.each_ref().map(|mail| parse(mail));
        for message in [&one, &two, &swap] {
            assert!(message.subject().unwrap().contains(ORDER));
            for form in [text(message), html(message)] {
                for expected in [
                    ORDER,
                    "Ana Sousa",
                    "12 Rua Augusta",
                    "Lisboa, 1100-053",
                    "CTT Correios",
                    "RR123456785PT",
                    "24",
                    "16:00",
                    "Europa 5 GB, 30 días",
                ] {
                    assert!(form.contains(expected), "{language:?}: {expected}");
                }
                assert!(!form.contains("QR"));
            }
        }
        assert_ne!(text(&one).lines().count(), text(&swap).lines().count(), "{language:?}: the old SIM works until then");
    }
}

#[test]
fn the_managers_mail_says_first_what_to_do_then_what_happened() {
    let fixture = Fixture::new();
    let order = fixture.refused();
    let mail = fixture.manager(&order);
    let message = parse(&mail);
    assert_eq!(message.subject(), Some("Order EP0123456789ABCDEF needs attention"));
    let iccid = orders::iccid(0);
    let to_do = format!("Card {iccid} could not be activated: retry the order, or let its money go back, then write a note.");
    let happened = format!("22 November 2026, 10:30 UTC: provisioning failed: {iccid}: unknown profile");
    assert_eq!(
        text(&message),
        format!(
            "An order needs attention\n\nOrder number: EP0123456789ABCDEF\n\nWhat to do\n- {to_do}\n\n\
             What happened\n- {happened}\n- Still to be given back: 14.50 EUR\n\n\
             This message was sent automatically.\n"
        )
    );
    for item in [&to_do, &happened] {
        assert!(html(&message).contains(&format!("<li>{item}</li>")));
    }
    assert!(!html(&message).contains("href"));
}

#[test]
fn the_managers_mail_brings_the_address_and_the_cards_to_send() {
    let fixture = Fixture::new();
    for (count, sentence) in [
        (1, "Send the SIM card below by post, then record the shipment on the order."),
        (3, "Send the 3 SIM cards below by post, then record the shipment on the order."),
    ] {
        let order = orders::paid(&fixture.order_num, FormFactor::Physical, count);
        let mail = fixture.manager(&order);
        let message = parse(&mail);
        assert_eq!(message.subject(), Some("Order EP0123456789ABCDEF: SIM cards to send"));
        let text = text(&message);
        assert!(text.contains(sentence), "{text}");
        assert!(text.contains("Send to:\n  Ana Sousa\n  12 Rua Augusta\n  3.º esq.\n  Lisboa, 1100-053\n  PT\n"), "{text}");
        for card in 0..count as usize {
            assert!(text.contains(orders::iccid(card).as_str()), "{text}");
        }
        assert!(!text.contains("What happened") && !text.contains("LPA:"), "{text}");
    }
    // What is cancelled or could not be activated does not go into the parcel.
    let failed = Command::ProvisioningFailed { line: 1, reason: "unknown profile".into() };
    let order = orders::after(&orders::paid(&fixture.order_num, FormFactor::Physical, 2), [failed]);
    let text = text(&parse(&fixture.manager(&order)));
    let (_, parcel) = text.split_once("Send to:").unwrap();
    let (parcel, _) = parcel.split_once("What happened").unwrap();
    assert!(parcel.contains(orders::iccid(0).as_str()) && !parcel.contains(orders::iccid(1).as_str()), "{text}");
    assert!(text.contains("Send the SIM card below") && text.contains("could not be activated"), "{text}");
}

#[test]
fn the_managers_mail_names_all_that_needs_a_person() {
    let fixture = Fixture::new();
    let paid = orders::paid(&fixture.order_num, FormFactor::Esim, 1);
    let live = orders::after(&paid, [Command::Provisioned(vec![0])]);
    let refused = fixture.refused();
    let ask = |order: &Order| orders::after(order, [Command::AskRefund { refund: 0 }]);
    let amount = Money { amount: 500, ..paid.price() };
    let qr = MailKind::Qr;
    let used = Used::default();
    let lines = vec![(0, used)];
    let cancel = Command::Cancel { lines, policy: RefundPolicy::UntilActivation, note: "no".into() };
    let mut revoking = orders::after(&live, [cancel]);
    revoking.revoking.as_mut().unwrap().failed = MAX_ATTEMPTS;
    let swapped_card = orders::iccid(7).to_string();
    let subject = Subject { subscription: "SU0".into(), iccid: orders::iccid(7), main_order: fixture.order_num.clone() };
    let mut swapped =
        orders::after(&Order { kind: OrderType::SwapSim, subject: Some(subject), ..live.clone() }, [Command::Swapped]);
    swapped.retiring.as_mut().unwrap().failed = MAX_ATTEMPTS;
    let mut stalled = ask(&refused);
    stalled.refunds[0].attempts = MAX_ATTEMPTS;
    let top_up = |kind| Order { kind, ..refused.clone() };
    for (order, expected) in [
        (
            orders::after(
                &ask(&refused),
                [Command::RefundRefused { refund: 0, provider_id: None, reason: "closed account".into() }],
            ),
            vec!["- 14.50 EUR of payment pi_1 could not be given back", "refund failed: 14.50 EUR: closed account"],
        ),
        (stalled, vec!["- The refund of 14.50 EUR is not settled after 15 attempts"]),
        (
            orders::after(&live, [Command::Disputed { payment_id: "pi_1".into(), reason: "fraudulent".into() }]),
            vec![
                "- Answer the dispute at the provider, then write a note on the order: pi_1: fraudulent.",
                "disputed: pi_1: fraudulent",
            ],
        ),
        (
            orders::after(&live, [Command::RefundedElsewhere { payment_id: "pi_1".into(), provider_id: "re_1".into(), amount }]),
            vec!["- 5.00 EUR was given back at the provider", "refunded: 5.00 EUR, at the provider"],
        ),
        (
            orders::after(&live, [Command::ClaimMail(qr), Command::MailRefused { kind: qr, reason: "MessageRejected".into() }]),
            vec!["- The qr mail was given up", "mail failed: qr: MessageRejected"],
        ),
        (
            orders::after(&live, [Command::MailReported { kind: qr, report: MailReport::Bounced }]),
            vec!["- The qr mail did not arrive", "mail reported: qr: bounced"],
        ),
        (
            orders::after(&live, [Command::MailReported { kind: qr, report: MailReport::Complained }]),
            vec!["- The recipient reported a mail as spam"],
        ),
        (revoking, vec!["is not revoked yet: ask the operator."]),
        (swapped, vec!["which was swapped, is not stopped yet: ask the operator.", &swapped_card]),
        (top_up(OrderType::Renewal), vec!["- The operator refused what was ordered for card"]),
        (top_up(OrderType::SwapSim), vec!["so the old one stays"]),
    ] {
        let text = text(&parse(&fixture.manager(&order)));
        let (to_do, _) = text.split_once("What happened").unwrap_or((&text, ""));
        assert!(to_do.contains(expected[0]), "{text}");
        assert!(expected.iter().all(|expected| text.contains(expected)), "{text}");
    }
}

#[test]
fn an_order_that_needs_nothing_any_more_is_no_mail_to_the_manager() {
    let fixture = Fixture::new();
    let order = orders::after(&orders::paid(&fixture.order_num, FormFactor::Physical, 1), [Command::Provisioned(vec![0])]);
    fixture.manager(&order);
    let sent = orders::after(&order, [Command::Ship { carrier: "CTT".into(), number: "RR1".into(), at: None }]);
    let mail = manager_mail(&ManagerMail { envelope: fixture.envelope(), order: &sent });
    assert_eq!(mail, Err(MailError::Empty));
}

#[test]
fn no_value_becomes_markup_a_header_or_a_line() {
    let fixture = Fixture::new();
    for language in Language::ALL {
        let mut cards = fixture.cards(2);
        let qr = |value: &str, cards: &[QrCard]| {
            qr_mail(&QrMail { subscriber_name: Some(value), apn: value, ..fixture.qr(language, cards) }).unwrap()
        };
        let home = |value: &str| PostalAddress {
            lines: vec![value.into()],
            city: value.into(),
            region: Some(value.into()),
            postal_code: Some(value.into()),
            country: value.into(),
        };
        let confirmation = |value: &str| {
            let (add_ons, home) = ([value.to_owned()], home(value));
            let to = Addressee { name: value, address: &home };
            let confirmed = [
                Confirmed::Cards { count: 1, to, announced: true },
                Confirmed::AddOns(KnownLine { name: Some(value), ..fixture.line() }),
            ];
            confirmed.map(|confirmed| {
                confirmation_mail(&ConfirmationMail {
                    subscriber_name: Some(value),
                    plan: value,
                    price: value,
                    add_ons: &add_ons,
                    ..fixture.confirmation(language, confirmed)
                })
                .unwrap()
            })
        };
        let shipment = |value: &str| {
            let home = home(value);
            let to = Addressee { name: value, address: &home };
            let mail = fixture.shipment(language, 1);
            shipment_mail(&ShipmentMail { subscriber_name: Some(value), plan: value, to, carrier: value, number: value, ..mail })
                .unwrap()
        };
        let manager = |value: &str| {
            let mut order = orders::paid(&fixture.order_num, FormFactor::Physical, 1);
            (order.subscriber.name, order.subscriber.address) = (value.into(), Some(home(value)));
            let disputed = Command::Disputed { payment_id: "pi_1".into(), reason: value.into() };
            fixture.manager(&orders::after(&order, [disputed]))
        };
        let all = |value: &str, cards: &[QrCard]| {
            let [parcel, add_ons] = confirmation(value);
            [qr(value, cards), parcel, add_ons, shipment(value), manager(value)]
        };
        let harmless = all("x", &cards);
        for card in &mut cards {
            card.line_name = Some(HOSTILE);
        }
        let hostile = all(HOSTILE, &cards);

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
    let order = orders::paid(&fixture.order_num, FormFactor::Esim, 1);
    assert_eq!(manager_mail(&ManagerMail { envelope: fixture.envelope(), order: &order }), Err(MailError::Empty));
}
