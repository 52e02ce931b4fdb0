//! The mail that tells that SIM cards were sent.

use simdock_domain::Timestamp;

use crate::MailError;
use crate::content::{Block, Content, Fact};
use crate::envelope::Envelope;
use crate::language::Language;
use crate::line::Addressee;

/// The mail that tells the subscriber that their SIM cards were sent by post.
#[derive(Clone, Copy, Debug)]
pub struct ShipmentMail<'a> {
    /// From whom, to whom, when, about which order.
    pub envelope: Envelope<'a>,
    /// The language it is written in.
    pub language: Language,
    /// How the subscriber is addressed.
    pub subscriber_name: Option<&'a str>,
    /// The plan as it was sold.
    pub plan: &'a str,
    /// How many cards were sent.
    pub count: usize,
    /// Whom they were sent to.
    pub to: Addressee<'a>,
    /// Who carries the parcel.
    pub carrier: &'a str,
    /// The carrier's number of it.
    pub number: &'a str,
    /// When it left.
    pub shipped_at: Timestamp,
    /// Whether the card replaces a SIM, which works until then.
    pub is_swap: bool,
}

/// Writes the shipment mail: text and HTML.
///
/// # Errors
/// [`MailError::Header`] as every mail, though nothing that these types let through causes it here.
pub fn shipment_mail(mail: &ShipmentMail) -> Result<Vec<u8>, MailError> {
    let all = mail.language.words();
    let words = &all.shipment;
    let order_num = mail.envelope.order_num.to_string();
    let mut blocks = vec![
        Block::Paragraph((all.greeting)(mail.subscriber_name)),
        Block::Paragraph(words.intro.to_owned()),
        Block::Facts(vec![
            Fact::new(words.carrier, mail.carrier),
            Fact::code(words.number, mail.number),
            Fact::new(words.date, all.date(mail.shipped_at)),
            mail.to.fact(all.delivery_address),
            Fact::new(all.plan, mail.plan),
            Fact::new(all.count, mail.count.to_string()),
            Fact::new(all.order_number, &*order_num),
        ]),
        Block::Paragraph((words.insert)(mail.count).to_owned()),
    ];
    if mail.is_swap {
        blocks.push(Block::Paragraph(all.confirmation.old_works.to_owned()));
    }
    let content = Content { language: mail.language, title: (words.title)(mail.count).to_owned(), blocks, footer: all.automatic };
    mail.envelope.seal("shipment", &(words.subject)(mail.count, &order_num), &content, Vec::new())
}
