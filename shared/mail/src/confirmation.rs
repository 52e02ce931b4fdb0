//! The mail that confirms an order.

use simdock_domain::Timestamp;

use crate::MailError;
use crate::content::{Block, Content, Fact};
use crate::envelope::Envelope;
use crate::language::Language;

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
    /// The number of cards.
    pub count: u32,
    /// The names of the add-ons as they were sold.
    pub add_ons: &'a [String],
    /// The price of everything with its currency, ready to be read: `14.50 EUR`.
    pub price: &'a str,
    /// When the order was placed.
    pub ordered_at: Timestamp,
}

/// Writes the order confirmation: text and HTML.
///
/// # Errors
/// [`MailError::Header`] as every mail, though nothing that these types let through causes it here.
pub fn confirmation_mail(mail: &ConfirmationMail) -> Result<Vec<u8>, MailError> {
    let words = mail.language.words();
    let order_num = mail.envelope.order_num.to_string();
    let mut facts = vec![
        Fact::new(words.order_number, &*order_num),
        Fact::new(words.confirmation.date, words.date(mail.ordered_at)),
        Fact::new(words.plan, mail.plan),
        Fact::new(words.confirmation.count, mail.count.to_string()),
    ];
    if !mail.add_ons.is_empty() {
        facts.push(Fact::new(words.confirmation.add_ons, mail.add_ons.join(", ")));
    }
    facts.push(Fact::new(words.confirmation.price, mail.price));
    let content = Content {
        language: mail.language,
        title: words.confirmation.title.to_owned(),
        blocks: vec![
            Block::Paragraph((words.greeting)(mail.subscriber_name)),
            Block::Paragraph(words.confirmation.intro.to_owned()),
            Block::Facts(facts),
            Block::Paragraph(words.confirmation.qr_follows.to_owned()),
        ],
        footer: words.automatic,
    };
    mail.envelope.seal("confirmation", &(words.confirmation.subject)(&order_num), &content, Vec::new())
}
