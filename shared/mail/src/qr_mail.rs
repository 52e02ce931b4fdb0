//! The mail that brings the eSIMs of an order.

use simdock_domain::{ActivationCode, Iccid, Msisdn, Timestamp};

use crate::MailError;
use crate::content::{Block, Card, Content, Fact, Link};
use crate::envelope::Envelope;
use crate::language::{Language, Words};
use crate::mime::Part;
use crate::qr::draw;

/// The mail that brings the eSIMs of an order: each one's QR code, and everything to install it without.
#[derive(Clone, Copy, Debug)]
pub struct QrMail<'a> {
    /// From whom, to whom, when, about which order.
    pub envelope: Envelope<'a>,
    /// The language it is written in.
    pub language: Language,
    /// How the subscriber is addressed.
    pub subscriber_name: Option<&'a str>,
    /// The plan as it was sold.
    pub plan: &'a str,
    /// The access point name of the plan; empty when phones find it by themselves.
    pub apn: &'a str,
    /// The eSIMs: at least one.
    pub cards: &'a [QrCard<'a>],
    /// The SIM that the one eSIM replaces, in a swap. It works until the new one is installed.
    pub replaces: Option<&'a Iccid>,
}

/// An eSIM in a [`QrMail`].
#[derive(Clone, Copy, Debug)]
pub struct QrCard<'a> {
    /// The number of the profile.
    pub iccid: &'a Iccid,
    /// What the phone downloads it by.
    pub code: &'a ActivationCode,
    /// When the code stops working.
    pub activate_before: Option<Timestamp>,
    /// The telephone number, for plans that have one.
    pub mobile_number: Option<&'a Msisdn>,
    /// What the subscriber calls the line.
    pub line_name: Option<&'a str>,
}

/// Writes the QR mail: text, HTML and one inline PNG for each card.
///
/// # Errors
/// [`MailError::Empty`] without cards; [`MailError::Header`] when the plan, which stands in the subject, holds a
/// control character; [`MailError::QrCode`] when a code cannot be drawn.
pub fn qr_mail(mail: &QrMail) -> Result<Vec<u8>, MailError> {
    let words = mail.language.words();
    let count = mail.cards.len();
    if count == 0 {
        return Err(MailError::Empty);
    }
    let qr = &words.qr;
    let swap = mail.replaces.map(|old| (&qr.swap, old));
    let first = swap.map_or(qr.before_travel, |(swap, _)| swap.old_works);
    let mut blocks = vec![
        Block::Paragraph((words.greeting)(mail.subscriber_name)),
        Block::Paragraph(swap.map_or(qr.intro, |(swap, _)| swap.intro).to_owned()),
        Block::Bullets { heading: qr.before_heading, items: [first].into_iter().chain(qr.before).map(str::to_owned).collect() },
    ];
    let mut images = Vec::with_capacity(count);
    for (number, card) in (1..).zip(mail.cards) {
        let image = draw(&card.code.to_string())?;
        let content_id = mail.envelope.id(&format!("qr{number}"));
        images.push(Part::inline_png(&content_id, &format!("esim-{number}.png"), &image.png));
        let position = (qr.card)(number, count);
        blocks.push(Block::Card(Card {
            heading: match card.line_name {
                Some(name) => format!("{position} – {name}"),
                None => position,
            },
            content_id,
            pixels: image.pixels,
            alt: (qr.alt)(card.iccid.as_str()),
            caption: qr.caption,
            links: vec![
                Link { label: qr.install_ios, url: card.code.ios_install_url() },
                Link { label: qr.install_android, url: card.code.android_install_url() },
            ],
            facts: card_facts(words, card, mail.apn),
        }));
    }
    let apn_step = (!mail.apn.is_empty()).then_some(qr.apn_step);
    let swap_step = swap.map(|(swap, old)| (swap.remove_old)(old.as_str()));
    blocks.push(Block::Steps {
        heading: qr.steps_heading,
        items: qr.steps.into_iter().chain(apn_step).map(str::to_owned).chain(swap_step).collect(),
    });
    blocks.push(Block::Facts(vec![
        Fact::new(words.plan, mail.plan),
        Fact::new(words.order_number, mail.envelope.order_num.to_string()),
    ]));
    let (title, subject) = match swap {
        Some((swap, _)) => (swap.title.to_owned(), (swap.subject)(mail.plan)),
        None => ((qr.title)(count), (qr.subject)(count, mail.plan)),
    };
    let content = Content { language: mail.language, title, blocks, footer: words.automatic };
    mail.envelope.seal("qr", &subject, &content, images)
}

fn card_facts(words: &Words, card: &QrCard, apn: &str) -> Vec<Fact> {
    let mut facts = Vec::new();
    if let Some(deadline) = card.activate_before {
        facts.push(Fact::new(words.qr.activate_before, words.date(deadline)));
    }
    facts.push(Fact::code(words.qr.sm_dp_address, card.code.sm_dp_address()));
    if !card.code.matching_id().is_empty() {
        facts.push(Fact::code(words.qr.activation_code, card.code.matching_id()));
    }
    if card.code.confirmation_code_required() {
        facts.push(Fact::new(words.qr.confirmation_code, words.qr.confirmation_code_hint));
    }
    facts.push(Fact::code(words.qr.lpa_code, card.code.to_string()));
    if !apn.is_empty() {
        facts.push(Fact::code(words.qr.apn, apn));
    }
    if let Some(number) = card.mobile_number {
        facts.push(Fact::new(words.mobile_number, number.as_str()));
    }
    facts.push(Fact::code(words.iccid, card.iccid.as_str()));
    facts
}
