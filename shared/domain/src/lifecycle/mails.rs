//! Mails and what becomes of them.

use super::{MAIL_LEASE, MAX_ATTEMPTS, Rejected, backoff};
use crate::Timestamp;
use crate::order::{Event, Line, LineState, Mail, MailKind, MailReport, MailState, Order};

pub(super) fn claim(order: &Order, next: &mut Order, kind: MailKind, now: Timestamp) -> Result<(), Rejected> {
    let mail = next.mail_mut(kind)?;
    match mail.state {
        MailState::Pending(_) | MailState::Sending(_) => {}
        MailState::Sent(_) | MailState::Failed(_) => return Err(Rejected::Done),
    }
    if order.turn_of(mail).is_none_or(|(at, _)| at > now) {
        return Err(Rejected::NotDue);
    }
    mail.state = MailState::Sending(now.plus_seconds(MAIL_LEASE));
    mail.attempts += 1;
    mail.again = false;
    if mail.attempts > MAX_ATTEMPTS {
        next.fail_mail(kind, &format!("given up after {MAX_ATTEMPTS} attempts"), now)?;
    }
    Ok(())
}

pub(super) fn delayed(next: &mut Order, kind: MailKind, now: Timestamp) -> Result<(), Rejected> {
    let mail = next.mail_mut(kind)?;
    match mail.state {
        MailState::Sending(_) => mail.state = MailState::Pending(now.plus_seconds(backoff(mail.attempts))),
        MailState::Pending(_) | MailState::Sent(_) | MailState::Failed(_) => return Err(Rejected::Done),
    }
    Ok(())
}

pub(super) fn refused(next: &mut Order, kind: MailKind, reason: &str, now: Timestamp) -> Result<(), Rejected> {
    let mail = next.mail_mut(kind)?;
    match mail.state {
        MailState::Pending(_) if mail.attempts == 0 => return Err(Rejected::Done),
        MailState::Pending(_) | MailState::Sending(_) => next.fail_mail(kind, reason, now)?,
        MailState::Sent(_) | MailState::Failed(_) => return Err(Rejected::Done),
    }
    Ok(())
}

pub(super) fn reported(
    _order: &Order,
    next: &mut Order,
    kind: MailKind,
    report: MailReport,
    now: Timestamp,
) -> Result<(), Rejected> {
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
    Ok(())
}

fn severity(report: MailReport) -> u8 {
    match report {
        MailReport::Delayed => 0,
        MailReport::Bounced | MailReport::Suppressed | MailReport::Rejected => 1,
        MailReport::Complained => 2,
    }
}

impl Order {
    /// The QR codes go out in one mail, once it is known of every card what became of it.
    pub(super) fn qr_mail_falls_due(&mut self, now: Timestamp) {
        let waiting = self.lines.iter().any(|line| line.state == LineState::Pending);
        let live = self.lines.iter().any(|line| line.state == LineState::Live);
        if self.mails_codes() && live && !waiting && self.mail(MailKind::Qr).is_none() {
            self.mails.push(Mail::pending(MailKind::Qr, now));
        }
    }

    /// Whether there is something to write in a mail: codes of cards that are being cancelled do not go out.
    pub(super) fn has_news_for(&self, kind: MailKind) -> bool {
        match kind {
            MailKind::Confirmation | MailKind::Shipment | MailKind::Manager => true,
            MailKind::Qr => self.lines.iter().any(|line| line.state == LineState::Live),
        }
    }

    /// A QR mail that nobody has begun is not called for any more once no card can be live.
    pub(super) fn drop_qr_mail_without_cards(&mut self) {
        let may_live = |line: &Line| matches!(line.state, LineState::Pending | LineState::Live | LineState::Cancelling);
        if !self.lines.iter().any(may_live) {
            self.mails.retain(|mail| mail.kind != MailKind::Qr || !matches!(mail.state, MailState::Pending(_)));
        }
    }

    pub(super) fn mail_is_out(&mut self, kind: MailKind, note: String, now: Timestamp) -> Result<(), Rejected> {
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

    pub(super) fn fail_mail(&mut self, kind: MailKind, reason: &str, now: Timestamp) -> Result<(), Rejected> {
        self.mail_mut(kind)?.state = MailState::Failed(now);
        self.note(now, Event::MailFailed, Some(format!("{}: {reason}", kind.name())));
        if kind != MailKind::Manager {
            self.call_manager(now);
        }
        Ok(())
    }

    /// One mail to the managers is enough until somebody writes it; the next trouble calls for another.
    pub(super) fn call_manager(&mut self, now: Timestamp) {
        match self.mail_mut(MailKind::Manager) {
            Ok(mail) => match mail.state {
                MailState::Sent(_) | MailState::Failed(_) => *mail = Mail::pending(MailKind::Manager, now),
                MailState::Sending(_) => mail.again = true,
                MailState::Pending(_) => {}
            },
            Err(_) => self.mails.push(Mail::pending(MailKind::Manager, now)),
        }
    }

    pub(super) fn mail_mut(&mut self, kind: MailKind) -> Result<&mut Mail, Rejected> {
        self.mails.iter_mut().find(|mail| mail.kind == kind).ok_or(Rejected::NotAllowed)
    }
}

impl Mail {
    pub(super) fn pending(kind: MailKind, at: Timestamp) -> Self {
        Self { kind, state: MailState::Pending(at), attempts: 0, again: false, report: None, to: None }
    }
}
