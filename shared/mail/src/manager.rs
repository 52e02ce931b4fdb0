//! The mail that asks a manager to look at an order.

use crate::MailError;
use crate::content::{Block, Content};
use crate::envelope::Envelope;
use crate::language::Language;

/// The mail that asks a manager to look at an order; in English, without links.
#[derive(Clone, Copy, Debug)]
pub struct ManagerMail<'a> {
    /// From whom, to whom, when, about which order.
    pub envelope: Envelope<'a>,
    /// What happened, one sentence each: at least one. Nothing secret belongs here.
    pub reasons: &'a [String],
}

/// Writes the mail to the manager: text and HTML.
///
/// # Errors
/// [`MailError::Empty`] without reasons.
pub fn manager_mail(mail: &ManagerMail) -> Result<Vec<u8>, MailError> {
    if mail.reasons.is_empty() {
        return Err(MailError::Empty);
    }
    let subject = format!("Order {} needs attention", mail.envelope.order_num);
    let content = Content {
        language: Language::En,
        title: subject.clone(),
        blocks: vec![Block::Bullets { heading: "What happened", items: mail.reasons.to_vec() }],
        footer: Language::En.words().automatic,
    };
    mail.envelope.seal("manager", &subject, &content, Vec::new())
}
