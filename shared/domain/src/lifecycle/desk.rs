//! What a manager does to an order: send its cards, correct its recipient, send mails again, try again, write a note.

use super::Rejected;
use crate::order::{
    Asked, Attempts, Entry, Event, LineState, Mail, MailKind, MailState, Order, OrderType, PostalAddress, Refund, RefundState,
    ReturnReason, Shipment,
};
use crate::{EmailAddress, FormFactor, Timestamp};

/// What is to be changed about the recipient; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recipient {
    /// How the mails address them.
    pub name: Option<String>,
    /// Where the mails go.
    pub email: Option<EmailAddress>,
    /// Where the cards go.
    pub address: Option<PostalAddress>,
}

impl Recipient {
    /// Whether a subscriber is as this says, in all that it says. Space around what a form sends is none of it.
    pub fn is_of(&self, subscriber: &crate::Subscriber) -> bool {
        let trimmed = |to: &PostalAddress| {
            let part = |part: &Option<String>| part.as_deref().map(str::trim).unwrap_or_default().to_owned();
            let lines: Vec<String> = to.lines.iter().map(|line| line.trim().to_owned()).collect();
            (lines, to.city.trim().to_owned(), part(&to.region), part(&to.postal_code), to.country.clone())
        };
        self.name.as_ref().is_none_or(|name| name.trim() == subscriber.name.trim())
            && self.email.as_ref().is_none_or(|email| *email == subscriber.email)
            && self.address.as_ref().is_none_or(|to| subscriber.address.as_ref().map(trimmed) == Some(trimmed(to)))
    }
}

/// What whoever corrects a shipment saw of it; what is absent is not compared.
#[derive(Clone, Debug, PartialEq)]
pub struct SeenShipment {
    /// The carrier's number of the parcel.
    pub number: String,
    /// Who carries it.
    pub carrier: Option<String>,
    /// When it left.
    pub at: Option<Timestamp>,
}

impl SeenShipment {
    /// Whether a shipment is as this says. Space around what a form sends is none of it.
    fn is_of(&self, shipment: &Shipment) -> bool {
        self.number.trim() == shipment.number.trim()
            && self.carrier.as_ref().is_none_or(|carrier| carrier.trim() == shipment.carrier.trim())
            && self.at.is_none_or(|at| at == shipment.at)
    }
}

impl Order {
    /// Cards are sent once, when all of them work, and then there is no way back (order seed, "SIM-card orders").
    pub(super) fn ship(
        &mut self,
        carrier: String,
        number: String,
        at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), Rejected> {
        match &self.shipment {
            // The same parcel, whenever it is said to have left.
            Some(there) if (&there.carrier, &there.number) == (&carrier, &number) => {
                return Err(Rejected::Done);
            }
            Some(_) => return Err(Rejected::Shipped),
            None => {}
        }
        if !self.is_to_ship() {
            return Err(Rejected::NotAllowed);
        }
        if self.lines.iter().any(|line| matches!(line.state, LineState::Pending | LineState::Cancelling)) {
            return Err(Rejected::NotDue);
        }
        // What leaves now leaves after it was ordered, also where the clock is behind that of whoever took the order.
        let at = at.unwrap_or_else(|| now.max(self.created_at));
        if at < self.created_at {
            return Err(Rejected::BeforeOrder);
        }
        self.note(now, Event::Shipped, Some(format!("{carrier} {number}")));
        self.shipment = Some(Shipment { at, carrier, number });
        if self.send_email {
            self.mails.push(Mail::pending(MailKind::Shipment, now));
        }
        Ok(())
    }

    /// Corrects what was said of the parcel. The subscriber, who may have a wrong number, is told the right one.
    pub(super) fn correct_shipment(
        &mut self,
        seen: &SeenShipment,
        carrier: String,
        number: String,
        at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), Rejected> {
        let Some(there) = self.shipment.clone() else { return Err(Rejected::NotAllowed) };
        let right = Shipment { at: at.unwrap_or(there.at), carrier, number };
        if right == there {
            return Err(Rejected::Done);
        }
        if !seen.is_of(&there) {
            return Err(Rejected::OtherParcel);
        }
        if right.at < self.created_at {
            return Err(Rejected::BeforeOrder);
        }
        let mut was = format!("{} {}, was {} {}", right.carrier, right.number, there.carrier, there.number);
        if right.at != there.at {
            was = format!("{was}; sent at {}, was {}", right.at, there.at);
        }
        if (&right.carrier, &right.number) != (&there.carrier, &there.number) {
            match self.mails.iter_mut().find(|mail| mail.kind == MailKind::Shipment) {
                // Nobody knows which number is in it; it has to be out before another one can follow.
                Some(Mail { state: MailState::Sending(_), .. }) => return Err(Rejected::NotDue),
                // It is written when it is sent.
                Some(Mail { state: MailState::Pending(_), .. }) => {}
                Some(mail) => *mail = Mail::pending(MailKind::Shipment, now),
                None if self.send_email => self.mails.push(Mail::pending(MailKind::Shipment, now)),
                None => {}
            }
        }
        self.note(now, Event::ShipmentCorrected, Some(was));
        self.shipment = Some(right);
        Ok(())
    }

    pub(super) fn edit_recipient(&mut self, to: Recipient, now: Timestamp) -> Result<(), Rejected> {
        if self.is_void(now) {
            return Err(Rejected::NotAllowed);
        }
        if to.address.is_some() {
            if self.form_factor != FormFactor::Physical || !self.kind.takes_cards() {
                return Err(Rejected::NotAllowed);
            }
            if self.shipment.is_some() {
                return Err(Rejected::Shipped);
            }
        }
        let before = self.subscriber.clone();
        let mut changed = Vec::new();
        if let Some(name) = to.name.filter(|name| *name != before.name) {
            changed.push(format!("name was {}", before.name));
            self.subscriber.name = name;
        }
        if let Some(email) = to.email.filter(|email| *email != before.email) {
            changed.push(format!("email was {}", before.email.as_str()));
            self.subscriber.email = email;
        }
        if let Some(address) = to.address.filter(|address| before.address.as_ref() != Some(address)) {
            let old = before.address.map_or_else(|| "none".to_owned(), |old| old.to_string());
            changed.push(format!("address was {old}"));
            self.subscriber.address = Some(address);
        }
        if changed.is_empty() {
            return Err(Rejected::Done);
        }
        self.note(now, Event::RecipientChanged, Some(changed.join("; ")));
        Ok(())
    }

    /// A mail is sent again, to the subscriber or to an address given for this once. A request that can be told from others asks for one
    /// mail, however often it comes: where that is the one that is being sent anyway, the history remembers the request all the same.
    pub(super) fn send_again(
        &mut self,
        kind: MailKind,
        to: Option<EmailAddress>,
        asked: Option<Asked>,
        now: Timestamp,
    ) -> Result<(), Rejected> {
        if asked.as_ref().is_some_and(|asked| self.asked(&asked.key).is_some()) {
            return Err(Rejected::Done);
        }
        let live = self.lines.iter().any(|line| line.state == LineState::Live);
        let makes_sense = match kind {
            // What ends is no order to confirm.
            MailKind::Confirmation => self.is_paid() && self.kind != OrderType::CancelSubscription,
            MailKind::Qr => live && self.has_codes(),
            MailKind::Shipment => self.shipment.is_some(),
            MailKind::Manager => false,
        };
        if !makes_sense {
            return Err(Rejected::NotAllowed);
        }
        match self.mails.iter_mut().find(|mail| mail.kind == kind) {
            Some(Mail { state: MailState::Pending(_) | MailState::Sending(_), to: known, .. })
                if to.is_none() || to == *known =>
            {
                if asked.is_none() {
                    return Err(Rejected::Done);
                }
            }
            // Whoever is sending it has another address; until they are done nobody else may begin.
            Some(Mail { state: MailState::Sending(_), .. }) => return Err(Rejected::NotDue),
            Some(mail) => *mail = Mail { to, ..Mail::pending(kind, now) },
            None => self.mails.push(Mail { to, ..Mail::pending(kind, now) }),
        }
        let requested = Entry::new(now, Event::MailRequested, Some(kind.name().to_owned()));
        self.history.push(Entry { asked, ..requested });
        Ok(())
    }

    /// Tries again what was given up or waits: cards whose money is not on its way back, mails, refunds; and what is put off is
    /// tried at once.
    pub(super) fn retry(&mut self, now: Timestamp) -> Result<(), Rejected> {
        let mut again = Vec::new();
        for index in 0..self.lines.len() {
            if self.lines[index].state == LineState::Failed
                && self.kind == OrderType::ActivateSubscription
                && self.take_back_debt(index)
            {
                self.lines[index].state = LineState::Pending;
                self.provisioning = Some(Attempts { failed: 0, next_at: now });
                // The codes go out again, once this card is settled too.
                self.mails.retain(|mail| mail.kind != MailKind::Qr);
                again.push("card");
            }
        }
        for attempts in [&mut self.provisioning, &mut self.revoking, &mut self.retiring] {
            // One that nothing waits for any more is not outstanding, whatever its time.
            if let Some(attempts) = attempts.as_mut().filter(|attempts| attempts.failed > 0 && attempts.next_at > now) {
                attempts.next_at = now;
                again.push("request");
            }
        }
        for mail in self.mails.iter_mut().filter(|mail| matches!(mail.state, MailState::Failed(_))) {
            *mail = Mail { to: mail.to.take(), ..Mail::pending(mail.kind, now) };
            again.push("mail");
        }
        for index in 0..self.refunds.len() {
            let refund = &mut self.refunds[index];
            match refund.state {
                // Should somebody be asking right now, the provider knows both requests by one name.
                RefundState::Due(at) if at > now && refund.attempts > 0 => {
                    (refund.state, refund.attempts) = (RefundState::Due(now), 0);
                }
                // What failed stays failed at the provider under its name: the money is asked for anew, under another.
                RefundState::Failed if refund.reason != ReturnReason::Elsewhere => {
                    refund.state = RefundState::Withdrawn;
                    refund.asked_at.get_or_insert(now);
                    let (payment, amount, reason, line) = (refund.payment, refund.amount, refund.reason, refund.line);
                    self.owe(payment, amount, reason, line, now);
                }
                RefundState::Due(_)
                | RefundState::Requested(_)
                | RefundState::Succeeded
                | RefundState::Failed
                | RefundState::Withdrawn => continue,
            }
            again.push("refund");
        }
        if again.is_empty() {
            return Err(Rejected::NotAllowed);
        }
        self.note(now, Event::Retried, Some(again.join(", ")));
        Ok(())
    }

    /// Whether a failed line's money never set off, so that the line can be tried again; if so, it is not owed any more.
    fn take_back_debt(&mut self, line: usize) -> bool {
        let Some(payment) = self.paid_by() else { return false };
        // Where some was given back by hand, nobody but a person knows for which line.
        let all_there = self.owed_of(payment) <= self.not_given_back(payment);
        let set_off = self.refunds.iter().any(|refund| refund.line == Some(line) && refund.asked_at.is_some());
        let debt = |refund: &&mut Refund| refund.line == Some(line) && refund.state != RefundState::Withdrawn;
        let debts: Vec<&mut Refund> = self.refunds.iter_mut().filter(debt).collect();
        let never_set_off = debts.iter().all(|debt| matches!(debt.state, RefundState::Due(_))) && !set_off;
        let taken_back: i64 = debts.iter().map(|debt| debt.amount.amount).sum();
        if !never_set_off || !all_there || taken_back < self.lines[line].amount {
            return false;
        }
        for debt in debts {
            debt.state = RefundState::Withdrawn;
        }
        true
    }

    pub(super) fn write_note(&mut self, text: String, now: Timestamp) -> Result<(), Rejected> {
        // Sent twice, it is one note; once something has happened since, it is about that.
        let said = self.history.last().is_some_and(|entry| entry.event == Event::Noted);
        if said && self.note.as_ref() == Some(&text) {
            return Err(Rejected::Done);
        }
        self.note(now, Event::Noted, Some(text.clone()));
        self.note = Some(text);
        Ok(())
    }
}
