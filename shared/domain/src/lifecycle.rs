//! The whole life of an order: what each command makes of it, what it still needs, and when somebody should look.
//!
//! Deciding is pure: the same order, command and time give the same answer, so it does not matter who asks, how often, or
//! after which crash. A command that was carried out before is [`Rejected::Done`].

mod cards;
mod command;
mod desk;
mod jobs;
mod leaving;
mod mails;
mod payment;
mod refunds;
mod swap;
mod uncalled;

pub use command::{Cards, Command, Intake, Rejected};
pub use desk::{Recipient, SeenShipment};
pub use jobs::{Job, Outstanding, backoff, due, mails_due, next_attention, outstanding};
pub use uncalled::{Uncalled, uncalled};

use crate::Timestamp;
use crate::order::{Entry, Event, Order};

/// How long somebody who claimed a mail may take to send it, in seconds.
pub const MAIL_LEASE: i64 = 120;
/// How long after its payment an order's mails wait for cards that are being provisioned, in seconds.
pub const MAIL_PATIENCE: i64 = 900;
/// How long after a job fell due the sweep looks whether it was done, in seconds.
pub const QUIET: i64 = 120;
/// How long somebody who asks a provider for a refund may take, in seconds.
pub const REFUND_LEASE: i64 = 120;
/// How long a provider that took a refund on may be silent before it is asked how it went, in seconds.
pub const REFUND_PATIENCE: i64 = 6 * 3600;
/// After how many failed attempts a card or a mail is given up. With [`backoff`] that is after a good seven hours.
pub const MAX_ATTEMPTS: u32 = 15;

/// How many characters an entry of the history holds.
const LONGEST_NOTE: usize = 200;

/// Carries out a command on an order.
pub fn decide(order: &Order, command: Command, now: Timestamp) -> Result<Order, Rejected> {
    let mut next = order.clone();
    match command {
        Command::Receive { provider, payment_id, received, cards } => {
            payment::receive(order, &mut next, provider, payment_id, received, cards, now)?;
        }
        Command::Expire => payment::expire(order, &mut next, now)?,
        Command::GiveUp(reason) => payment::give_up(order, &mut next, reason, now)?,
        Command::Provisioned(lines) => cards::provisioned(&mut next, lines, now)?,
        Command::ProvisioningDelayed { reason, retry_after } => {
            cards::provisioning_delayed(order, &mut next, reason, retry_after, now)?;
        }
        Command::ProvisioningFailed { line, reason } => cards::provisioning_failed(order, &mut next, line, &reason, now)?,
        Command::Cancel { lines, policy, note } => leaving::cancel(&mut next, lines, policy, &note, now)?,
        Command::Revoked { line } => leaving::revoked(order, &mut next, line, now)?,
        Command::RevocationRefused { line, provisioned, overtaken, reason } => {
            let event = if overtaken { Event::CancellationOvertaken } else { Event::CancellationRefused };
            leaving::not_revoked(order, &mut next, line, provisioned, Entry::new(now, event, Some(reason)))?;
        }
        Command::RevocationDelayed { retry_after } => leaving::revocation_delayed(order, &mut next, retry_after, now)?,
        Command::Abandon => swap::abandon(order, &mut next, now)?,
        Command::Swapped => swap::swapped(order, &mut next, now)?,
        Command::Retired => swap::retired(order, &mut next, now)?,
        Command::RetirementDelayed { retry_after } => swap::retirement_delayed(&mut next, retry_after, now)?,
        Command::PlanOver { line, why } => leaving::plan_over(order, &mut next, line, why, now)?,
        Command::SubscriptionOver { line, policy, used } => {
            leaving::subscription_over(order, &mut next, line, policy, used, now)?;
        }
        Command::Ship { carrier, number, at } => next.ship(carrier, number, at, now)?,
        Command::CorrectShipment { seen, carrier, number, at } => {
            next.correct_shipment(&seen, carrier, number, at, now)?;
        }
        Command::EditRecipient(recipient) => next.edit_recipient(recipient, now)?,
        Command::SendAgain { kind, to, asked } => next.send_again(kind, to, asked, now)?,
        Command::Retry => next.retry(now)?,
        Command::CallAgain => next.call_again(now)?,
        Command::Note(text) => next.write_note(text, now)?,
        Command::AskRefund { refund } => refunds::ask(order, &mut next, refund, now)?,
        Command::RefundTaken { refund, provider_id } => refunds::taken(&mut next, refund, provider_id, now)?,
        Command::RefundSucceeded { refund, provider_id } => refunds::succeeded(&mut next, refund, provider_id, now)?,
        Command::RefundDelayed { refund } => refunds::delayed(&mut next, refund, now)?,
        Command::RefundRefused { refund, provider_id, reason } => refunds::refused(&mut next, refund, provider_id, &reason, now)?,
        Command::RefundedElsewhere { payment_id, provider_id, amount } => {
            refunds::given_back_elsewhere(order, &mut next, &payment_id, provider_id, amount, now)?;
        }
        Command::RefundedByHand { refund_id, reference } => refunds::given_back_by_hand(&mut next, &refund_id, reference, now)?,
        Command::Disputed { payment_id, reason } => refunds::disputed(order, &mut next, &payment_id, &reason, now)?,
        Command::ClaimMail(kind) => mails::claim(order, &mut next, kind, now)?,
        Command::MailSent(kind) => next.mail_is_out(kind, kind.name().to_owned(), now)?,
        Command::MailNotNeeded { kind, reason } => {
            next.mail_is_out(kind, format!("{}: not needed: {reason}", kind.name()), now)?;
        }
        Command::MailDelayed(kind) => mails::delayed(&mut next, kind, now)?,
        Command::MailRefused { kind, reason } => mails::refused(&mut next, kind, &reason, now)?,
        Command::MailReported { kind, report } => mails::reported(order, &mut next, kind, report, now)?,
    }
    next.version += 1;
    next.news = next.is_news_after(order);
    Ok(next)
}

/// Carries out a manager's command: what it enters into the history bears their name.
pub fn decide_by(manager: &str, order: &Order, command: Command, now: Timestamp) -> Result<Order, Rejected> {
    let next = decide(order, command, now)?;
    Ok(next.by_manager(manager, order.history.len()))
}

/// Carries out several commands as one change, leaving out those that are rejected; if all are, so is the whole.
pub fn decide_all(order: &Order, commands: Vec<Command>, now: Timestamp) -> Result<Order, Rejected> {
    let mut next = order.clone();
    let mut outcome = Err(Rejected::Done);
    for command in commands {
        match decide(&next, command, now) {
            Ok(changed) => {
                next = changed;
                outcome = Ok(());
            }
            Err(rejected) => outcome = outcome.map_err(|_| rejected),
        }
    }
    next.version = order.version + 1;
    next.news = next.is_news_after(order);
    outcome.map(|()| next)
}

impl Order {
    /// Whether more was done to it than that somebody began what it needs: what happens is in its history, and money has its own.
    fn is_news_after(&self, before: &Order) -> bool {
        self.history.len() != before.history.len()
            || self.refunds != before.refunds
            || outstanding(self).iter().any(|outstanding| !outstanding.under_way)
    }

    /// The same, where a manager did what stands in the history from this place on.
    #[must_use]
    pub fn by_manager(mut self, manager: &str, from: usize) -> Self {
        for entry in self.history.iter_mut().skip(from) {
            entry.manager = Some(manager.to_owned());
        }
        self
    }

    /// What others wrote is cut, since the order has to stay small.
    fn note(&mut self, at: Timestamp, event: Event, note: Option<String>) {
        self.history.push(Entry::new(at, event, note.map(|text| cut(&text))));
    }
}

fn cut(note: &str) -> String {
    note.chars().take(LONGEST_NOTE).collect()
}
