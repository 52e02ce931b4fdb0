//! The mail that confirms an order.

use simdock_domain::Timestamp;

use crate::MailError;
use crate::content::{Block, Content, Fact};
use crate::envelope::Envelope;
use crate::language::{ConfirmationWords, Language, Opening};
use crate::line::{Addressee, KnownLine};

/// The mail that confirms an order. It holds no code, so it may be kept and forwarded.
#[derive(Clone, Copy, Debug)]
pub struct ConfirmationMail<'a> {
    /// From whom, to whom, when, about which order.
    pub envelope: Envelope<'a>,
    /// The language it is written in.
    pub language: Language,
    /// How the subscriber is addressed.
    pub subscriber_name: Option<&'a str>,
    /// The plan as it was sold.
    pub plan: &'a str,
    /// The names of the add-ons as they were sold.
    pub add_ons: &'a [String],
    /// The price of everything with its currency, ready to be read: `14.50 EUR`.
    pub price: &'a str,
    /// When the order was placed.
    pub ordered_at: Timestamp,
    /// What is confirmed.
    pub confirmed: Confirmed<'a>,
}

/// What an order was for, as far as its confirmation tells something else for it.
#[derive(Clone, Copy, Debug)]
pub enum Confirmed<'a> {
    /// New eSIMs with a plan.
    Esims {
        /// How many.
        count: usize,
        /// Whether the mail with their QR codes comes as well.
        mailed: bool,
    },
    /// New SIM cards with a plan.
    Cards {
        /// How many.
        count: usize,
        /// Whom they are sent to.
        to: Addressee<'a>,
        /// Whether a mail will tell that they were sent.
        announced: bool,
    },
    /// A plan, with its add-ons, for a line that is there.
    Plan(KnownLine<'a>),
    /// Add-ons for the plan that a line has.
    AddOns(KnownLine<'a>),
    /// Another period of a line's plan.
    Renewal(KnownLine<'a>),
    /// An eSIM in place of a line's SIM.
    EsimSwap {
        /// The line with the SIM that is replaced.
        old: KnownLine<'a>,
        /// Whether the mail with its QR code comes as well.
        mailed: bool,
    },
    /// A SIM card in place of a line's SIM.
    CardSwap {
        /// The line with the SIM that is replaced.
        old: KnownLine<'a>,
        /// Whom the card is sent to.
        to: Addressee<'a>,
        /// Whether a mail will tell that it was sent.
        announced: bool,
    },
    /// The end of a line.
    Cancellation(KnownLine<'a>),
}

/// Writes the order confirmation: text and HTML.
///
/// # Errors
/// [`MailError::Header`] as every mail, though nothing that these types let through causes it here.
pub fn confirmation_mail(mail: &ConfirmationMail) -> Result<Vec<u8>, MailError> {
    let words = &mail.language.words().confirmation;
    let order_num = mail.envelope.order_num.to_string();
    let opening = opening(words, mail.confirmed);
    let mut blocks = vec![
        Block::Paragraph((mail.language.words().greeting)(mail.subscriber_name)),
        Block::Paragraph(opening.intro.to_owned()),
        Block::Facts(facts(mail, &order_num)),
    ];
    blocks.extend(what_follows(words, mail.confirmed).into_iter().map(|sentence| Block::Paragraph(sentence.to_owned())));
    let content =
        Content { language: mail.language, title: opening.title.to_owned(), blocks, footer: mail.language.words().automatic };
    mail.envelope.seal("confirmation", &(opening.subject)(&order_num), &content, Vec::new())
}

fn opening(words: &'static ConfirmationWords, confirmed: Confirmed) -> &'static Opening {
    match confirmed {
        Confirmed::Esims { .. } | Confirmed::Cards { .. } => &words.order,
        Confirmed::Plan(_) | Confirmed::AddOns(_) => &words.top_up,
        Confirmed::Renewal(_) => &words.renewal,
        Confirmed::EsimSwap { .. } | Confirmed::CardSwap { .. } => &words.swap,
        Confirmed::Cancellation(_) => &words.cancellation,
    }
}

fn facts(mail: &ConfirmationMail, order_num: &str) -> Vec<Fact> {
    let all = mail.language.words();
    let words = &all.confirmation;
    let plan = || Fact::new(all.plan, mail.plan);
    let add_ons = || (!mail.add_ons.is_empty()).then(|| Fact::new(words.add_ons, mail.add_ons.join(", ")));
    let price = || Fact::new(words.price, mail.price);
    let mut facts = vec![Fact::new(all.order_number, order_num), Fact::new(words.date, all.date(mail.ordered_at))];
    match mail.confirmed {
        Confirmed::Esims { count, .. } | Confirmed::Cards { count, .. } => {
            facts.extend([plan(), Fact::new(all.count, count.to_string())].into_iter().chain(add_ons()).chain([price()]));
        }
        Confirmed::Plan(_) | Confirmed::Renewal(_) => facts.extend([plan()].into_iter().chain(add_ons()).chain([price()])),
        Confirmed::AddOns(_) => facts.extend(add_ons().into_iter().chain([Fact::new(words.for_plan, mail.plan), price()])),
        Confirmed::EsimSwap { .. } | Confirmed::CardSwap { .. } => facts.extend([plan(), price()]),
        Confirmed::Cancellation(_) => facts.push(plan()),
    }
    match mail.confirmed {
        Confirmed::Esims { .. } => {}
        Confirmed::Cards { to, .. } => facts.push(to.fact(all.delivery_address)),
        Confirmed::Plan(line) | Confirmed::AddOns(line) | Confirmed::Renewal(line) | Confirmed::Cancellation(line) => {
            facts.extend(line.facts(all, all.iccid));
        }
        Confirmed::EsimSwap { old, .. } => facts.extend(old.facts(all, words.old_sim)),
        Confirmed::CardSwap { old, to, .. } => {
            facts.extend(old.facts(all, words.old_sim));
            facts.push(to.fact(all.delivery_address));
        }
    }
    facts
}

/// What the subscriber can expect, a sentence or two each.
fn what_follows(words: &ConfirmationWords, confirmed: Confirmed) -> Vec<&'static str> {
    let when = |follows: bool, sentence: &'static str| follows.then_some(sentence);
    match confirmed {
        Confirmed::Esims { count, mailed } => when(mailed, (words.qr_follows)(count)).into_iter().collect(),
        Confirmed::Cards { count, announced, .. } => {
            std::iter::once((words.by_post)(count)).chain(when(announced, words.parcel_follows)).collect()
        }
        Confirmed::Plan(_) | Confirmed::AddOns(_) => vec![words.nothing_to_install],
        Confirmed::Renewal(_) => vec![words.after_the_running_plan, words.nothing_to_install],
        Confirmed::EsimSwap { mailed, .. } => {
            std::iter::once(words.old_works).chain(when(mailed, (words.qr_follows)(1))).collect()
        }
        Confirmed::CardSwap { announced, .. } => {
            [(words.by_post)(1), words.old_works].into_iter().chain(when(announced, words.parcel_follows)).collect()
        }
        Confirmed::Cancellation(_) => Vec::new(),
    }
}
