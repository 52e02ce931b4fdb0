//! What an order needs from others and asks nobody for. No command leaves an order so; who writes into the tables by hand does.

use super::{Job, Rejected};
use crate::order::{Attempts, Event, LineState, Mail, MailKind, Order, OrderType};
use crate::{FormFactor, Timestamp};

/// Something that an order needs and that nobody is called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uncalled {
    /// What a carrier has to do about its cards.
    Job(Job),
    /// A mail.
    Mail(MailKind),
}

impl Uncalled {
    /// A stable word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Job(job) => job.name(),
            Self::Mail(kind) => kind.name(),
        }
    }
}

/// What an order needs and asks nobody for; money that is owed and mails to managers aside.
pub fn uncalled(order: &Order) -> Vec<Uncalled> {
    let any = |state| order.lines.iter().any(|line| line.state == state);
    let paid = order.is_paid();
    let happened = |event| order.history.iter().any(|entry| entry.event == event);
    let needed = [
        (Uncalled::Job(Job::Provision), paid && any(LineState::Pending) && order.provisioning.is_none()),
        (Uncalled::Job(Job::Revoke), any(LineState::Cancelling) && order.revoking.is_none()),
        (Uncalled::Job(Job::Retire), order.has_swapped() && !happened(Event::Retired) && order.retiring.is_none()),
    ];
    let settled = !any(LineState::Pending) && !any(LineState::Cancelling);
    // Whoever installed the new card of a swap had its code.
    let to_install = order.has_codes() && !order.has_swapped() && settled && any(LineState::Live);
    let mails = [
        (MailKind::Confirmation, paid && order.is_confirmed()),
        (MailKind::Qr, to_install),
        (MailKind::Shipment, order.shipment.is_some()),
    ];
    let mails = mails.map(|(kind, needed)| (Uncalled::Mail(kind), needed && order.send_email && order.mail(kind).is_none()));
    needed.into_iter().chain(mails).filter_map(|(what, lost)| lost.then_some(what)).collect()
}

impl Order {
    /// Whether its subscriber gets a confirmation once it is paid: the QR code of a swap says it all, and what ends is no order to
    /// confirm.
    pub(super) fn is_confirmed(&self) -> bool {
        match self.kind {
            OrderType::ActivateSubscription | OrderType::TopUpSubscription | OrderType::Renewal => true,
            OrderType::SwapSim => self.form_factor == FormFactor::Physical,
            OrderType::CancelSubscription => false,
        }
    }

    /// Calls for what it needs and asks nobody for; a mail that went out is not sent once more for that.
    pub(super) fn call_again(&mut self, now: Timestamp) -> Result<(), Rejected> {
        let mut lost = uncalled(self);
        lost.retain(|what| !matches!(what, Uncalled::Mail(kind) if self.has_sent(*kind)));
        for what in &lost {
            let again = Some(Attempts { failed: 0, next_at: now });
            match what {
                Uncalled::Job(Job::Provision) => self.provisioning = again,
                Uncalled::Job(Job::Revoke) => self.revoking = again,
                Uncalled::Job(Job::Retire) => self.retiring = again,
                // These have no mark: they follow from the refunds and mails themselves.
                Uncalled::Job(Job::Refund | Job::Mail) => {}
                Uncalled::Mail(kind) => self.mails.push(Mail::pending(*kind, now)),
            }
        }
        if lost.is_empty() {
            return Err(Rejected::Done);
        }
        let names: Vec<&str> = lost.into_iter().map(Uncalled::name).collect();
        self.note(now, Event::Retried, Some(names.join(", ")));
        Ok(())
    }
}
