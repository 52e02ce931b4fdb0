//! The whole life of an order: what each command makes of it, what it still needs, and when somebody should look.
//!
//! Deciding is pure: the same order, command and time give the same answer, so it does not matter who asks, how often, or
//! after which crash. A command that was carried out before is [`Rejected::Done`].

mod desk;

pub use desk::Recipient;

use crate::order::{
    Attempts, Entry, Event, Line, LineState, Mail, MailKind, MailReport, MailState, Order, OrderType, Payment, Provider, Refund,
    RefundState, ReturnReason, Shipment, VoidReason,
};
use crate::{
    Closed, EmailAddress, FormFactor, Iccid, Money, NotRefundable, OverReason, RefundPolicy, Refundable, Timestamp, Used,
};
use serde::{Deserialize, Serialize};

/// How long somebody who claimed a mail may take to send it, in seconds.
pub const MAIL_LEASE: i64 = 120;
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

/// Something that wants to change an order.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// A payment succeeded; see [`Order::intake`] for whether cards have to be drawn for it first.
    Receive {
        /// Who took the money.
        provider: Provider,
        /// The provider's id of the payment.
        payment_id: String,
        /// What was really received.
        received: Money,
        /// What the pools gave.
        cards: Cards,
    },
    /// The time to pay is over.
    Expire,
    /// An order that is paid at once could not be.
    GiveUp(VoidReason),
    /// The carrier activated the cards of these lines.
    Provisioned(Vec<usize>),
    /// The carrier could not be asked, or has not decided: try again, after this many seconds if it said so.
    ProvisioningDelayed {
        /// Why, for a person.
        reason: String,
        /// Seconds.
        retry_after: Option<u32>,
    },
    /// The carrier will not activate the card of this line.
    ProvisioningFailed {
        /// The line's place in the order.
        line: usize,
        /// Why, for a person.
        reason: String,
    },
    /// Somebody wants the money of these lines back.
    Cancel {
        /// The lines' places in the order, and what became of their cards.
        lines: Vec<(usize, Used)>,
        /// What the plan's version says about giving money back.
        policy: RefundPolicy,
        /// Whether it is a manager, and not the partner.
        by_manager: bool,
        /// Who, and why, for a person.
        note: String,
    },
    /// The carrier revoked the card of this line: nobody can use it any more.
    Revoked {
        /// The line's place in the order.
        line: usize,
    },
    /// The carrier will not revoke the card of this line.
    RevocationRefused {
        /// The line's place in the order.
        line: usize,
        /// Whether the card had been activated before; else it still has to be.
        provisioned: bool,
        /// Why, for a person.
        reason: String,
    },
    /// The carrier could not be asked: try again, after this many seconds if it said so.
    RevocationDelayed {
        /// Seconds.
        retry_after: Option<u32>,
    },
    /// Nobody installed the new card of a swap in time.
    Abandon,
    /// The new card of a swap took over; the old one is to be stopped.
    Swapped,
    /// The old card of a swap was stopped.
    Retired,
    /// The carrier could not be asked to stop the old card: try again, after this many seconds if it said so.
    RetirementDelayed {
        /// Seconds.
        retry_after: Option<u32>,
    },
    /// What this line brought to its subscription is over.
    PlanOver {
        /// The line's place in the order.
        line: usize,
        /// Why.
        why: OverReason,
    },
    /// The subscription of this line ended, and what the line brought with it. The line's money follows the plan's rules.
    SubscriptionOver {
        /// The line's place in the order.
        line: usize,
        /// What the plan's version says about giving money back.
        policy: RefundPolicy,
        /// What became of the card or the plan.
        used: Used,
    },
    /// The cards were sent.
    Ship(Shipment),
    /// The recipient is to be corrected.
    EditRecipient(Recipient),
    /// A mail is to be sent again, to another address for this once if one is given.
    SendAgain {
        /// Which.
        kind: MailKind,
        /// Where to, if not to the subscriber.
        to: Option<EmailAddress>,
    },
    /// What was given up or put off is to be tried again now.
    Retry,
    /// A manager writes something down.
    Note(String),
    /// The provider is about to be asked for a refund; from here on it may have acted.
    AskRefund {
        /// The refund's place in the order.
        refund: usize,
    },
    /// The provider took a refund on and will say how it ends.
    RefundTaken {
        /// The refund's place in the order.
        refund: usize,
        /// The provider's own id of it.
        provider_id: String,
    },
    /// The money was given back.
    RefundSucceeded {
        /// The refund's place in the order.
        refund: usize,
        /// The provider's own id of it, if it has one.
        provider_id: Option<String>,
    },
    /// The provider could not be asked, or did not answer.
    RefundDelayed {
        /// The refund's place in the order.
        refund: usize,
    },
    /// The provider will not give the money back, or could not.
    RefundRefused {
        /// The refund's place in the order.
        refund: usize,
        /// The provider's own id of the refund that failed; none if it did not take one on.
        provider_id: Option<String>,
        /// Why, for a person.
        reason: String,
    },
    /// Money was given back at the provider, without this system.
    RefundedElsewhere {
        /// The provider's id of the payment.
        payment_id: String,
        /// The provider's own id of the refund.
        provider_id: String,
        /// How much.
        amount: Money,
    },
    /// The payer disputes a payment.
    Disputed {
        /// The provider's id of the payment.
        payment_id: String,
        /// Why, for a person.
        reason: String,
    },
    /// Somebody begins to send a mail.
    ClaimMail(MailKind),
    /// The mail system took the mail.
    MailSent(MailKind),
    /// The mail would tell nothing that its reader needs: it counts as sent, and does not go out.
    MailNotNeeded {
        /// Which.
        kind: MailKind,
        /// Why, for a person.
        reason: String,
    },
    /// The mail system did not take the mail now.
    MailDelayed(MailKind),
    /// The mail system will never take the mail.
    MailRefused {
        /// Which.
        kind: MailKind,
        /// Why, for a person.
        reason: String,
    },
    /// The mail system reported on a mail that it had taken.
    MailReported {
        /// Which.
        kind: MailKind,
        /// What it reported.
        report: MailReport,
    },
}

/// What the pools gave for a payment.
#[derive(Clone, Debug, PartialEq)]
pub enum Cards {
    /// The payment cannot pay for the order, so nothing was drawn.
    NotDrawn,
    /// One card per line, in their order.
    Drawn(Vec<Iccid>),
    /// No pool had enough.
    SoldOut,
    /// The subscription that the order is for takes nothing any more.
    Closed,
}

/// What a payment means to an order, before anything is drawn from stock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intake {
    /// It is on record.
    Known,
    /// It pays for the order, if this many cards can be had.
    Pays(usize),
    /// It has to go back.
    Returns(ReturnReason),
}

/// Why a command changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// It was carried out before.
    Done,
    /// Its time has not come, or somebody else is at it.
    NotDue,
    /// The order is not where this command could change it.
    NotAllowed,
    /// A card's money cannot be given back.
    NotRefundable(NotRefundable),
    /// The subscription takes no change now.
    Closed(Closed),
    /// The cards were sent.
    Shipped,
    /// The card is bound to another phone.
    OtherDevice,
}

/// Work that an order needs from somebody outside of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "job", rename_all = "snake_case")]
pub enum Job {
    /// Have the pending lines' cards activated.
    Provision,
    /// Have the cancelling lines' cards revoked.
    Revoke,
    /// Have the card that was swapped stopped.
    Retire,
    /// Give back what is owed.
    Refund,
    /// Send a mail.
    Mail {
        /// Which.
        #[serde(with = "mail_kind_name")]
        mail: MailKind,
    },
}

/// A job and when it can be begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outstanding {
    /// What is to be done.
    pub job: Job,
    /// Not before.
    pub at: Timestamp,
    /// Whether somebody has begun and only the end of their time makes it due again.
    pub claimed: bool,
}

/// Seconds to wait after the n-th failed attempt: 30, 60, 120 … up to an hour.
pub fn backoff(failed: u32) -> i64 {
    (30_i64 << failed.saturating_sub(1).min(10)).min(3600)
}

/// Carries out a command on an order.
pub fn decide(order: &Order, command: Command, now: Timestamp) -> Result<Order, Rejected> {
    let mut next = order.clone();
    match command {
        Command::Receive { provider, payment_id, received, cards } => {
            let returned = match (order.intake(&payment_id, received, now), cards) {
                (Intake::Known, _) => return Err(Rejected::Done),
                (Intake::Returns(reason), _) => Some(reason),
                (Intake::Pays(_), Cards::SoldOut) => Some(ReturnReason::SoldOut),
                (Intake::Pays(_), Cards::Closed) if order.subject.is_some() => Some(ReturnReason::SubscriptionClosed),
                (Intake::Pays(count), Cards::Drawn(iccids)) if iccids.len() == count => {
                    next.allocate(iccids, now);
                    None
                }
                (Intake::Pays(_), Cards::Drawn(_) | Cards::NotDrawn | Cards::Closed) => return Err(Rejected::NotAllowed),
            };
            next.payments.push(Payment { id: payment_id, provider, received, at: now, returned });
            if let Some(reason) = returned {
                next.owe(next.payments.len() - 1, received, reason, None, now);
                next.note(now, Event::PaymentReturned, Some(format!("{received}: {}", reason.name())));
                match reason {
                    ReturnReason::SoldOut => next.turn_void(VoidReason::SoldOut, now),
                    ReturnReason::SubscriptionClosed => next.turn_void(VoidReason::SubscriptionClosed, now),
                    ReturnReason::WrongAmount
                    | ReturnReason::WrongCurrency
                    | ReturnReason::AfterVoid
                    | ReturnReason::PaidTwice
                    | ReturnReason::ProvisioningFailed
                    | ReturnReason::Cancelled
                    | ReturnReason::Elsewhere => {}
                }
            } else {
                next.note(now, Event::Paid, None);
                if next.is_to_ship() {
                    next.call_manager(now);
                }
            }
        }
        Command::Expire => {
            if order.is_paid() || order.void.is_some() {
                return Err(Rejected::Done);
            }
            if !order.is_void(now) {
                return Err(Rejected::NotDue);
            }
            next.turn_void(VoidReason::NotPaidInTime, now);
        }
        Command::GiveUp(reason) => {
            if order.is_paid() || order.void.is_some() {
                return Err(Rejected::Done);
            }
            next.turn_void(reason, now);
        }
        Command::Provisioned(lines) => {
            let mut done = 0;
            for index in lines {
                let line = next.lines.get_mut(index).ok_or(Rejected::NotAllowed)?;
                if line.state == LineState::Pending && line.iccid.is_some() {
                    line.state = LineState::Live;
                    done += 1;
                }
            }
            if done == 0 {
                return Err(Rejected::Done);
            }
            let note = (done > 1 || next.lines.len() > 1).then(|| format!("{done} of {} cards", next.lines.len()));
            next.note(now, Event::Provisioned, note);
            next.qr_mail_falls_due(now);
        }
        Command::ProvisioningDelayed { reason, retry_after } => {
            let attempts = next.provisioning.as_mut().ok_or(Rejected::NotAllowed)?;
            if !order.lines.iter().any(|line| line.state == LineState::Pending) {
                return Err(Rejected::Done);
            }
            if attempts.next_at > now {
                return Err(Rejected::NotDue);
            }
            attempts.failed += 1;
            if attempts.failed == MAX_ATTEMPTS {
                for line in 0..next.lines.len() {
                    if next.lines[line].state == LineState::Pending {
                        next.fail_line(line, &format!("given up after {MAX_ATTEMPTS} attempts: {reason}"), now);
                    }
                }
            } else {
                let wait = backoff(attempts.failed).max(retry_after.map_or(0, i64::from));
                attempts.next_at = now.plus_seconds(wait);
                if attempts.failed == 1 {
                    next.note(now, Event::ProvisioningDelayed, Some(reason));
                }
            }
        }
        Command::ProvisioningFailed { line, reason } => match order.lines.get(line).map(|line| line.state) {
            Some(LineState::Pending) if order.is_paid() => next.fail_line(line, &reason, now),
            Some(LineState::Failed) => return Err(Rejected::Done),
            Some(LineState::Pending | LineState::Live | LineState::Cancelling | LineState::Cancelled | LineState::Ended)
            | None => return Err(Rejected::NotAllowed),
        },
        Command::Cancel { lines, policy, by_manager, note } => {
            let mut cancelling = 0;
            for (index, used) in lines {
                match next.refundable(index, policy, used, now) {
                    Refundable::Yes(_) => {
                        next.lines[index].state = LineState::Cancelling;
                        cancelling += 1;
                    }
                    Refundable::No(NotRefundable::Cancelling | NotRefundable::Cancelled) => {}
                    Refundable::No(why) => return Err(Rejected::NotRefundable(why)),
                }
            }
            if cancelling == 0 {
                return Err(Rejected::Done);
            }
            next.revoking = Some(Attempts { failed: 0, next_at: now });
            let note = format!("{cancelling} of {} cards: {note}", next.lines.len());
            next.note_by(by_manager, now, Event::CancellationRequested, Some(note));
        }
        Command::Revoked { line } => {
            order.expect_cancelling(line)?;
            next.lines[line].state = LineState::Cancelled;
            let amount = Money { amount: order.lines[line].amount, currency: order.currency };
            if let Some(payment) = order.paid_by() {
                next.owe(payment, amount, ReturnReason::Cancelled, Some(line), now);
            }
            next.note(now, Event::Cancelled, order.card_of(line));
            next.qr_mail_falls_due(now);
            next.drop_qr_mail_without_cards();
        }
        Command::RevocationRefused { line, provisioned, reason } => {
            order.expect_cancelling(line)?;
            next.lines[line].state = if provisioned { LineState::Live } else { LineState::Pending };
            next.note(now, Event::CancellationRefused, Some(reason));
            next.qr_mail_falls_due(now);
        }
        Command::RevocationDelayed { retry_after } => {
            let attempts = next.revoking.as_mut().ok_or(Rejected::NotAllowed)?;
            if !order.lines.iter().any(|line| line.state == LineState::Cancelling) {
                return Err(Rejected::Done);
            }
            if attempts.next_at > now {
                return Err(Rejected::NotDue);
            }
            attempts.put_off(retry_after, now);
            // It is tried for as long as it takes: the line can neither be used nor paid back until the carrier has answered.
            if attempts.failed == MAX_ATTEMPTS {
                next.call_manager(now);
            }
        }
        Command::Abandon => {
            if order.kind != OrderType::SwapSim || !order.is_paid() || order.has_swapped() {
                return Err(Rejected::NotAllowed);
            }
            match order.lines.first().map(|line| line.state) {
                Some(LineState::Pending | LineState::Live) => next.lines[0].state = LineState::Cancelling,
                Some(LineState::Cancelling | LineState::Cancelled | LineState::Ended | LineState::Failed) | None => {
                    return Err(Rejected::Done);
                }
            }
            next.revoking = Some(Attempts { failed: 0, next_at: now });
            next.note(now, Event::CancellationRequested, Some("nobody installed the new SIM in time".to_owned()));
        }
        Command::Swapped => {
            if order.kind != OrderType::SwapSim || !order.is_paid() {
                return Err(Rejected::NotAllowed);
            }
            if order.has_swapped() {
                return Err(Rejected::Done);
            }
            match order.lines.first().map(|line| line.state) {
                // An install settles it, even one that was reported before the carrier's own answer, or in spite of a cancellation.
                Some(LineState::Pending | LineState::Live | LineState::Cancelling) => next.lines[0].state = LineState::Live,
                Some(LineState::Cancelled | LineState::Ended | LineState::Failed) | None => return Err(Rejected::NotAllowed),
            }
            next.retiring = Some(Attempts { failed: 0, next_at: now });
            next.note(now, Event::Swapped, order.card_of(0));
        }
        Command::Retired => {
            if order.retiring.is_none() {
                return Err(Rejected::Done);
            }
            next.retiring = None;
            next.note(now, Event::Retired, order.subject.as_ref().map(|subject| subject.iccid.to_string()));
        }
        Command::RetirementDelayed { retry_after } => {
            let attempts = next.retiring.as_mut().ok_or(Rejected::Done)?;
            if attempts.next_at > now {
                return Err(Rejected::NotDue);
            }
            attempts.put_off(retry_after, now);
            if attempts.failed == MAX_ATTEMPTS {
                next.call_manager(now);
            }
        }
        Command::PlanOver { line, why } => match order.lines.get(line).map(|line| line.state) {
            Some(LineState::Pending | LineState::Live) if order.is_paid() => {
                next.lines[line].state = LineState::Ended;
                next.note(now, Event::Ended, Some(why.name().to_owned()));
            }
            Some(LineState::Ended | LineState::Cancelled) => return Err(Rejected::Done),
            Some(LineState::Pending | LineState::Live | LineState::Cancelling | LineState::Failed) | None => {
                return Err(Rejected::NotAllowed);
            }
        },
        Command::SubscriptionOver { line, policy, used } => match order.lines.get(line).map(|line| line.state) {
            Some(LineState::Pending | LineState::Live) if order.is_paid() => {
                if let Refundable::Yes(amount) = order.refundable(line, policy, used, now) {
                    next.lines[line].state = LineState::Cancelled;
                    if let Some(payment) = order.paid_by() {
                        next.owe(payment, amount, ReturnReason::Cancelled, Some(line), now);
                    }
                    next.note(now, Event::Cancelled, Some("with its subscription".to_owned()));
                } else {
                    next.lines[line].state = LineState::Ended;
                    next.note(now, Event::Ended, Some("with its subscription".to_owned()));
                }
            }
            Some(LineState::Cancelled | LineState::Ended | LineState::Failed) => return Err(Rejected::Done),
            // Whoever cancels it settles it.
            Some(LineState::Pending | LineState::Live | LineState::Cancelling) | None => return Err(Rejected::NotAllowed),
        },
        Command::Ship(shipment) => next.ship(shipment, now)?,
        Command::EditRecipient(recipient) => next.edit_recipient(recipient, now)?,
        Command::SendAgain { kind, to } => next.send_again(kind, to, now)?,
        Command::Retry => next.retry(now)?,
        Command::Note(text) => next.write_note(text, now)?,
        Command::AskRefund { refund } => {
            if !order.refunds.get(refund).is_some_and(|refund| order.is_owed(refund)) {
                return Err(Rejected::Done);
            }
            let ours = next.refund_mut(refund)?;
            match ours.state {
                RefundState::Due(at) if at <= now => {
                    ours.attempts += 1;
                    ours.asked_at.get_or_insert(now);
                    ours.state = RefundState::Due(now.plus_seconds(REFUND_LEASE));
                }
                RefundState::Due(_) => return Err(Rejected::NotDue),
                RefundState::Requested(_) | RefundState::Succeeded | RefundState::Failed | RefundState::Withdrawn => {
                    return Err(Rejected::Done);
                }
            }
        }
        Command::RefundTaken { refund, provider_id } => {
            let ours = next.refund_mut(refund)?;
            match ours.state {
                // That one failed, and it is tried again since.
                RefundState::Due(_) if ours.provider_id.as_ref() == Some(&provider_id) => return Err(Rejected::Done),
                RefundState::Due(_) => ours.provider_id = Some(provider_id),
                // It was asked how it went, and does not know yet.
                RefundState::Requested(at) if at.plus_seconds(REFUND_PATIENCE) <= now => {}
                RefundState::Requested(_) | RefundState::Succeeded | RefundState::Failed | RefundState::Withdrawn => {
                    return Err(Rejected::Done);
                }
            }
            ours.state = RefundState::Requested(now);
        }
        Command::RefundSucceeded { refund, provider_id } => {
            let ours = next.refund_mut(refund)?;
            match ours.state {
                // What failed at the provider stays failed there, whatever is told late; only another one can succeed.
                RefundState::Due(_) | RefundState::Failed if provider_id.is_some() && ours.provider_id == provider_id => {
                    return Err(Rejected::Done);
                }
                RefundState::Due(_) | RefundState::Requested(_) | RefundState::Failed => {}
                RefundState::Succeeded | RefundState::Withdrawn => return Err(Rejected::Done),
            }
            ours.state = RefundState::Succeeded;
            ours.provider_id = provider_id.or(ours.provider_id.take());
            let amount = ours.amount.to_string();
            next.note(now, Event::Refunded, Some(amount));
        }
        Command::RefundDelayed { refund } => {
            let ours = next.refund_mut(refund)?;
            match ours.state {
                RefundState::Due(at) if at == now.plus_seconds(backoff(ours.attempts)) => return Err(Rejected::Done),
                RefundState::Due(_) => ours.state = RefundState::Due(now.plus_seconds(backoff(ours.attempts))),
                RefundState::Requested(_) | RefundState::Succeeded | RefundState::Failed | RefundState::Withdrawn => {
                    return Err(Rejected::Done);
                }
            }
            if next.refunds[refund].attempts == MAX_ATTEMPTS {
                next.call_manager(now);
            }
        }
        Command::RefundRefused { refund, provider_id, reason } => {
            let ours = next.refund_mut(refund)?;
            match ours.state {
                RefundState::Due(_) => ours.provider_id = provider_id,
                // The bank may send money back that the provider had given.
                RefundState::Requested(_) | RefundState::Succeeded
                    if provider_id.is_some() && ours.provider_id == provider_id => {}
                RefundState::Requested(_) | RefundState::Succeeded | RefundState::Failed | RefundState::Withdrawn => {
                    return Err(Rejected::Done);
                }
            }
            ours.state = RefundState::Failed;
            let note = format!("{}: {reason}", ours.amount);
            next.note(now, Event::RefundFailed, Some(note));
            next.call_manager(now);
        }
        Command::RefundedElsewhere { payment_id, provider_id, amount } => {
            let payment = order.payments.iter().position(|payment| payment.id == payment_id).ok_or(Rejected::NotAllowed)?;
            if order.refunds.iter().any(|refund| refund.provider_id.as_ref() == Some(&provider_id)) {
                return Err(Rejected::Done);
            }
            // Somebody gave back by hand what the provider had refused here, or had not been asked for yet.
            let settles = |refund: &Refund| {
                let open = match refund.state {
                    RefundState::Due(_) => refund.asked_at.is_none(),
                    RefundState::Failed => refund.reason != ReturnReason::Elsewhere,
                    RefundState::Requested(_) | RefundState::Succeeded | RefundState::Withdrawn => false,
                };
                open && refund.payment == payment && refund.amount == amount
            };
            let index = order.refunds.iter().position(settles).unwrap_or(order.refunds.len());
            if index == order.refunds.len() {
                next.refunds.push(Refund::due(payment, amount, ReturnReason::Elsewhere, None, now));
            }
            next.refunds[index].state = RefundState::Succeeded;
            next.refunds[index].provider_id = Some(provider_id);
            next.note(now, Event::Refunded, Some(format!("{amount}, at the provider")));
            next.call_manager(now);
        }
        Command::Disputed { payment_id, reason } => {
            if !order.payments.iter().any(|payment| payment.id == payment_id) {
                return Err(Rejected::NotAllowed);
            }
            let note = cut(&format!("{payment_id}: {reason}"));
            if order.history.iter().any(|entry| entry.event == Event::Disputed && entry.note.as_ref() == Some(&note)) {
                return Err(Rejected::Done);
            }
            next.note(now, Event::Disputed, Some(note));
            next.call_manager(now);
        }
        Command::ClaimMail(kind) => {
            if !order.has_news_for(kind) {
                return Err(Rejected::NotDue);
            }
            let mail = next.mail_mut(kind)?;
            match mail.state {
                MailState::Pending(at) | MailState::Sending(at) if at <= now => {
                    mail.state = MailState::Sending(now.plus_seconds(MAIL_LEASE));
                    mail.attempts += 1;
                    mail.again = false;
                }
                MailState::Pending(_) | MailState::Sending(_) => return Err(Rejected::NotDue),
                MailState::Sent(_) | MailState::Failed(_) => return Err(Rejected::Done),
            }
            if mail.attempts > MAX_ATTEMPTS {
                next.fail_mail(kind, &format!("given up after {MAX_ATTEMPTS} attempts"), now)?;
            }
        }
        Command::MailSent(kind) => next.mail_is_out(kind, kind.name().to_owned(), now)?,
        Command::MailNotNeeded { kind, reason } => {
            next.mail_is_out(kind, format!("{}: not needed: {reason}", kind.name()), now)?;
        }
        Command::MailDelayed(kind) => {
            let mail = next.mail_mut(kind)?;
            match mail.state {
                MailState::Sending(_) => mail.state = MailState::Pending(now.plus_seconds(backoff(mail.attempts))),
                MailState::Pending(_) | MailState::Sent(_) | MailState::Failed(_) => return Err(Rejected::Done),
            }
        }
        Command::MailRefused { kind, reason } => {
            let mail = next.mail_mut(kind)?;
            match mail.state {
                MailState::Pending(_) if mail.attempts == 0 => return Err(Rejected::Done),
                MailState::Pending(_) | MailState::Sending(_) => next.fail_mail(kind, &reason, now)?,
                MailState::Sent(_) | MailState::Failed(_) => return Err(Rejected::Done),
            }
        }
        Command::MailReported { kind, report } => {
            let mail = next.mail_mut(kind)?;
            // Reports come in any order; a worse one is not undone by a milder one that is late.
            if mail.report.is_some_and(|(known, _)| severity(known) >= severity(report)) {
                return Err(Rejected::Done);
            }
            mail.report = Some((report, now));
            next.note(now, Event::MailReported, Some(format!("{}: {}", kind.name(), report.name())));
            match report {
                MailReport::Delayed => {}
                // Another mail to the managers would come back as well.
                MailReport::Bounced | MailReport::Suppressed | MailReport::Rejected | MailReport::Complained
                    if kind == MailKind::Manager => {}
                MailReport::Bounced | MailReport::Suppressed | MailReport::Rejected | MailReport::Complained => {
                    next.call_manager(now);
                }
            }
        }
    }
    next.version += 1;
    Ok(next)
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
    outcome.map(|()| next)
}

/// Everything that an order still needs from somebody, with the time from which it can be done.
pub fn outstanding(order: &Order) -> Vec<Outstanding> {
    let mut all = Vec::new();
    if let Some(attempts) = order.provisioning
        && order.lines.iter().any(|line| line.state == LineState::Pending)
    {
        all.push(Outstanding { job: Job::Provision, at: attempts.next_at, claimed: false });
    }
    if let Some(attempts) = order.revoking
        && order.lines.iter().any(|line| line.state == LineState::Cancelling)
    {
        all.push(Outstanding { job: Job::Revoke, at: attempts.next_at, claimed: false });
    }
    if let Some(attempts) = order.retiring {
        all.push(Outstanding { job: Job::Retire, at: attempts.next_at, claimed: false });
    }
    // One job gives back all that an order owes.
    let refund_at = |refund: &Refund| match refund.state {
        RefundState::Due(at) => Some((at, refund.asked_at.is_some())),
        RefundState::Requested(at) => Some((at.plus_seconds(REFUND_PATIENCE), true)),
        RefundState::Succeeded | RefundState::Failed | RefundState::Withdrawn => None,
    };
    if let Some((at, claimed)) = order.refunds.iter().filter(|refund| order.is_owed(refund)).filter_map(refund_at).min() {
        all.push(Outstanding { job: Job::Refund, at, claimed });
    }
    for mail in order.mails.iter().filter(|mail| order.has_news_for(mail.kind)) {
        let (at, claimed) = match mail.state {
            MailState::Pending(at) => (at, false),
            MailState::Sending(until) => (until, true),
            MailState::Sent(_) | MailState::Failed(_) => continue,
        };
        all.push(Outstanding { job: Job::Mail { mail: mail.kind }, at, claimed });
    }
    all
}

/// The jobs that can be done now.
pub fn due(order: &Order, now: Timestamp) -> Vec<Job> {
    outstanding(order).into_iter().filter(|outstanding| outstanding.at <= now).map(|outstanding| outstanding.job).collect()
}

/// When somebody should look at the order although nobody was told to; `None` if nothing is left to do.
pub fn next_attention(order: &Order) -> Option<Timestamp> {
    // The end of somebody's time is late enough by itself.
    let look = |outstanding: &Outstanding| if outstanding.claimed { outstanding.at } else { outstanding.at.plus_seconds(QUIET) };
    let unpaid = (!order.is_paid() && order.void.is_none()).then_some(order.pay_until);
    outstanding(order).iter().map(look).chain(unpaid).min()
}

fn severity(report: MailReport) -> u8 {
    match report {
        MailReport::Delayed => 0,
        MailReport::Bounced | MailReport::Suppressed | MailReport::Rejected => 1,
        MailReport::Complained => 2,
    }
}

impl Order {
    /// What a payment would mean to the order now.
    pub fn intake(&self, payment_id: &str, received: Money, now: Timestamp) -> Intake {
        let price = self.price();
        if self.payments.iter().any(|payment| payment.id == payment_id) {
            Intake::Known
        } else if self.is_paid() {
            Intake::Returns(ReturnReason::PaidTwice)
        } else if self.is_void(now) {
            Intake::Returns(ReturnReason::AfterVoid)
        } else if received.currency != price.currency {
            Intake::Returns(ReturnReason::WrongCurrency)
        } else if received.amount != price.amount {
            Intake::Returns(ReturnReason::WrongAmount)
        } else {
            Intake::Pays(if self.kind.takes_cards() { self.lines.len() } else { 0 })
        }
    }

    /// The lines whose cards wait to be provisioned, with their cards.
    pub fn pending(&self) -> impl Iterator<Item = (usize, &Iccid)> {
        let waits = |(index, line): (usize, &'_ Line)| match line.state {
            LineState::Pending => Some(index),
            LineState::Live | LineState::Cancelling | LineState::Cancelled | LineState::Ended | LineState::Failed => None,
        };
        let lines = self.lines.iter().enumerate();
        lines.filter_map(move |(index, line)| Some((waits((index, line))?, line.iccid.as_ref()?)))
    }

    fn allocate(&mut self, iccids: Vec<Iccid>, now: Timestamp) {
        match &self.subject {
            Some(subject) if !self.kind.takes_cards() => self.lines[0].iccid = Some(subject.iccid.clone()),
            Some(_) | None => {
                for (line, iccid) in self.lines.iter_mut().zip(iccids) {
                    line.iccid = Some(iccid);
                }
            }
        }
        self.wanted.clear();
        self.provisioning = Some(Attempts { failed: 0, next_at: now });
        let confirmed = match self.kind {
            OrderType::ActivateSubscription | OrderType::TopUpSubscription | OrderType::Renewal => true,
            // The QR code says it all; and what ends is no order to confirm.
            OrderType::SwapSim => self.form_factor == FormFactor::Physical,
            OrderType::CancelSubscription => false,
        };
        if self.send_email && confirmed {
            self.mails.push(Mail::pending(MailKind::Confirmation, now));
        }
    }

    /// The QR codes go out in one mail, once it is known of every card what became of it.
    fn qr_mail_falls_due(&mut self, now: Timestamp) {
        let waiting = self.lines.iter().any(|line| line.state == LineState::Pending);
        let live = self.lines.iter().any(|line| line.state == LineState::Live);
        if self.send_email && self.has_codes() && live && !waiting && self.mail(MailKind::Qr).is_none() {
            self.mails.push(Mail::pending(MailKind::Qr, now));
        }
    }

    /// Whether there is something to write in a mail: codes of cards that are being cancelled do not go out.
    fn has_news_for(&self, kind: MailKind) -> bool {
        match kind {
            MailKind::Confirmation | MailKind::Shipment | MailKind::Manager => true,
            MailKind::Qr => self.lines.iter().any(|line| line.state == LineState::Live),
        }
    }

    /// A QR mail that nobody has begun is not called for any more once no card can be live.
    fn drop_qr_mail_without_cards(&mut self) {
        let may_live = |line: &Line| matches!(line.state, LineState::Pending | LineState::Live | LineState::Cancelling);
        if !self.lines.iter().any(may_live) {
            self.mails.retain(|mail| mail.kind != MailKind::Qr || !matches!(mail.state, MailState::Pending(_)));
        }
    }

    fn fail_line(&mut self, index: usize, reason: &str, now: Timestamp) {
        let line = &mut self.lines[index];
        line.state = LineState::Failed;
        let amount = Money { amount: line.amount, currency: self.currency };
        let card = line.iccid.as_ref().map_or("no card", Iccid::as_str).to_owned();
        if let Some(payment) = self.paid_by() {
            self.owe(payment, amount, ReturnReason::ProvisioningFailed, Some(index), now);
        }
        self.note(now, Event::ProvisioningFailed, Some(format!("{card}: {reason}")));
        self.call_manager(now);
        self.qr_mail_falls_due(now);
    }

    /// Whether its cards come with codes.
    pub fn has_codes(&self) -> bool {
        self.kind.takes_cards() && self.form_factor == FormFactor::Esim
    }

    /// Whether the new card of a swap has taken over.
    pub fn has_swapped(&self) -> bool {
        self.history.iter().any(|entry| entry.event == Event::Swapped)
    }

    fn expect_cancelling(&self, line: usize) -> Result<(), Rejected> {
        match self.lines.get(line).map(|line| line.state) {
            Some(LineState::Cancelling) => Ok(()),
            Some(LineState::Cancelled) => Err(Rejected::Done),
            Some(LineState::Pending | LineState::Live | LineState::Ended | LineState::Failed) | None => Err(Rejected::NotAllowed),
        }
    }

    fn card_of(&self, line: usize) -> Option<String> {
        self.lines.get(line)?.iccid.as_ref().map(ToString::to_string)
    }

    fn refund_mut(&mut self, index: usize) -> Result<&mut Refund, Rejected> {
        self.refunds.get_mut(index).ok_or(Rejected::NotAllowed)
    }

    /// No more of a payment is owed than is left of it: some may have been given back at the provider.
    fn owe(&mut self, payment: usize, amount: Money, reason: ReturnReason, line: Option<usize>, now: Timestamp) {
        let amount = Money { amount: amount.amount.min(self.left_of(payment)), ..amount };
        if amount.amount > 0 {
            self.refunds.push(Refund::due(payment, amount, reason, line, now));
        }
    }

    fn turn_void(&mut self, reason: VoidReason, now: Timestamp) {
        self.void = Some(reason);
        self.note(now, Event::Voided, Some(reason.name().to_owned()));
    }

    fn mail_is_out(&mut self, kind: MailKind, note: String, now: Timestamp) -> Result<(), Rejected> {
        let mail = self.mail_mut(kind)?;
        match mail.state {
            // Nobody has begun to send this one: it is the one before it that was sent.
            MailState::Pending(_) if mail.attempts == 0 => return Err(Rejected::Done),
            MailState::Pending(_) | MailState::Sending(_) | MailState::Failed(_) if mail.again => {
                *mail = Mail::pending(kind, now);
            }
            MailState::Pending(_) | MailState::Sending(_) | MailState::Failed(_) => mail.state = MailState::Sent(now),
            MailState::Sent(_) => return Err(Rejected::Done),
        }
        self.note(now, Event::MailSent, Some(note));
        Ok(())
    }

    fn fail_mail(&mut self, kind: MailKind, reason: &str, now: Timestamp) -> Result<(), Rejected> {
        self.mail_mut(kind)?.state = MailState::Failed(now);
        self.note(now, Event::MailFailed, Some(format!("{}: {reason}", kind.name())));
        if kind != MailKind::Manager {
            self.call_manager(now);
        }
        Ok(())
    }

    /// One mail to the managers is enough until somebody writes it; the next trouble calls for another.
    fn call_manager(&mut self, now: Timestamp) {
        match self.mail_mut(MailKind::Manager) {
            Ok(mail) => match mail.state {
                MailState::Sent(_) | MailState::Failed(_) => *mail = Mail::pending(MailKind::Manager, now),
                MailState::Sending(_) => mail.again = true,
                MailState::Pending(_) => {}
            },
            Err(_) => self.mails.push(Mail::pending(MailKind::Manager, now)),
        }
    }

    fn mail_mut(&mut self, kind: MailKind) -> Result<&mut Mail, Rejected> {
        self.mails.iter_mut().find(|mail| mail.kind == kind).ok_or(Rejected::NotAllowed)
    }

    fn note(&mut self, at: Timestamp, event: Event, note: Option<String>) {
        self.note_by(false, at, event, note);
    }

    /// What others wrote is cut, since the order has to stay small.
    fn note_by(&mut self, by_manager: bool, at: Timestamp, event: Event, note: Option<String>) {
        let note = note.map(|text| cut(&text));
        self.history.push(Entry { at, event, note, by_manager });
    }
}

impl Refund {
    fn due(payment: usize, amount: Money, reason: ReturnReason, line: Option<usize>, now: Timestamp) -> Self {
        let state = RefundState::Due(now);
        Self { payment, amount, reason, line, state, at: now, attempts: 0, asked_at: None, provider_id: None }
    }
}

fn cut(note: &str) -> String {
    note.chars().take(LONGEST_NOTE).collect()
}

impl Mail {
    fn pending(kind: MailKind, at: Timestamp) -> Self {
        Self { kind, state: MailState::Pending(at), attempts: 0, again: false, report: None, to: None }
    }
}

impl Attempts {
    fn put_off(&mut self, retry_after: Option<u32>, now: Timestamp) {
        self.failed += 1;
        self.next_at = now.plus_seconds(backoff(self.failed).max(retry_after.map_or(0, i64::from)));
    }
}

mod mail_kind_name {
    use crate::order::MailKind;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};
    use std::borrow::Cow;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
    pub fn serialize<S: Serializer>(kind: &MailKind, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(kind.name())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<MailKind, D::Error> {
        let name = Cow::<str>::deserialize(deserializer)?;
        MailKind::from_name(&name).ok_or_else(|| D::Error::custom("unknown mail"))
    }
}
