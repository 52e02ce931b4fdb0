//! Why something was not done, in terms of what was asked: what a domain's refusal is called in an answer.

use crate::Problem;
use simdock_domain::{
    AddOnError, Closed, Command, LineState, MAX_COUNT, MAX_DATA_ADD_ONS, MailKind, Order, PlaceError, RefundPolicy, RefundState,
    Refundable, Rejected, ServiceAsker, Subscription, Timestamp, Used, decide, decide_by,
};
use simdock_store::{Kept, Store};

/// Why a draft did not become an order.
pub fn misfit(error: PlaceError, plan_id: &str) -> Problem {
    match error {
        PlaceError::Count => Problem::invalid_field("count", format!("must be a whole number from 1 to {MAX_COUNT}")),
        PlaceError::FormFactor => Problem::invalid_field("formFactor", format!("is not one that plan “{plan_id}” is sold on")),
        PlaceError::NoAddress => Problem::missing_field("postalAddress"),
        PlaceError::Wanted => Problem::invalid_field("iccids", "must name as many different cards as are ordered"),
        PlaceError::NotRenewable => Problem::not_renewable(plan_id),
        PlaceError::Profile { card } => Problem::profile_mismatch(plan_id, &card),
        PlaceError::Closed(closed) => Problem::subscription_closed(closed),
        PlaceError::Nothing => Problem::missing_field("planId"),
        PlaceError::AddOns(AddOnError::Unknown(id)) => Problem::add_on_not_found(&id),
        PlaceError::AddOns(AddOnError::TooMuchData) => {
            Problem::invalid_field("addOnIds", format!("may bring {MAX_DATA_ADD_ONS} data add-ons to a plan at most"))
        }
        PlaceError::AddOns(AddOnError::VoiceTwice(voice)) => {
            Problem::invalid_field("addOnIds", format!("may bring one voice add-on of type {voice} to a plan"))
        }
        PlaceError::Price => Problem::invalid_field("count", "makes a price that is too large"),
    }
}

/// Why a manager's command did nothing.
pub fn refused(rejected: Rejected, command: &Command, order: &Order) -> Problem {
    match rejected {
        Rejected::Shipped => {
            Problem::not_possible("shipped", "The cards were sent. What was said of the parcel is changed with `corrects`.")
        }
        Rejected::OtherParcel => Problem::shipment_conflict(),
        Rejected::BeforeOrder => Problem::invalid_field("shippedAt", "must not be before the order was made"),
        Rejected::NotDue => Problem::not_possible(
            "in_progress",
            match command {
                Command::SendAgain { .. } => "The mail is being sent to another address. Try again in a moment.",
                Command::CorrectShipment { .. } => "The mail with the number is being sent. Try again in a moment.",
                _ => "Some cards are not ready, or are being cancelled. Wait until that is settled.",
            },
        ),
        Rejected::Closed(closed) => Problem::subscription_closed(closed),
        Rejected::NotRefundable(why) => Problem::not_refundable(why),
        Rejected::OtherDevice => Problem::other_device("The card is bound to another phone: swap the SIM."),
        Rejected::Done | Rejected::NotAllowed => match command {
            Command::Ship { .. } => {
                Problem::not_possible("nothing_to_ship", "There are no physical cards to be sent on this order.")
            }
            Command::CorrectShipment { .. } => Problem::not_possible("not_shipped", "Nothing of this order was sent by post."),
            Command::EditRecipient(recipient) => Problem::not_possible(
                "not_shipped",
                if recipient.address.is_some() {
                    "Nothing of this order goes by post any more, so that it has no postal address."
                } else {
                    "The order is void: nobody gets mails about it."
                },
            ),
            Command::SendAgain { kind: MailKind::Qr, .. } if !order.kind.takes_cards() => {
                let main = order.subject.as_ref().map_or(&order.num, |subject| &subject.main_order);
                let detail = format!(
                    "This order brought no card. The QR code goes with the order that did: {main}, or a swap since then."
                );
                Problem::not_possible("no_such_email", &detail)
            }
            Command::SendAgain { kind, .. } => Problem::not_possible(
                "no_such_email",
                match kind {
                    MailKind::Qr => "No eSIM of this order works, so that there is no QR code to mail.",
                    MailKind::Shipment => "Nothing of this order was sent by post.",
                    MailKind::Confirmation | MailKind::Manager => {
                        "The order is not paid, or is a cancellation: there is nothing to confirm."
                    }
                },
            ),
            Command::RefundedByHand { refund_id, .. } => {
                let index = (0..order.refunds.len()).find(|index| order.refund_id(*index) == *refund_id);
                let detail = match index.map(|index| &order.refunds[index]).map(|refund| (refund.state, &refund.provider_id)) {
                    None => "There is no such refund that the payment provider refused.".to_owned(),
                    Some((RefundState::Succeeded, Some(known))) => format!("It has been given back already, as {known}."),
                    Some((RefundState::Due(_) | RefundState::Requested(_), _)) => {
                        "The payment provider may still give it back, so that it is not given by hand.".to_owned()
                    }
                    Some((RefundState::Succeeded | RefundState::Failed | RefundState::Withdrawn, _)) => {
                        "Nothing is owed under this refund any more.".to_owned()
                    }
                };
                Problem::not_possible("nothing_to_settle", &detail)
            }
            _ => Problem::not_possible(
                "nothing_to_retry",
                "Nothing was given up or put off. A card whose money is on its way back is ordered anew.",
            ),
        },
    }
}

/// Why a card was neither archived nor brought back.
pub fn kept(kept: Kept) -> Problem {
    let (reason, detail) = kept.explain();
    Problem::not_possible(reason, detail)
}

/// Wants the card of a subscription out of the network, if there is an operator who can keep it out, or in again. `None` if that is
/// so already, or wanted.
pub async fn want_service(
    store: &Store,
    subscription: &Subscription,
    on: bool,
    asker: ServiceAsker,
) -> Result<Option<Subscription>, Problem> {
    let next = match subscription.want_service(on, asker, store.clock().now()) {
        Ok(next) => next,
        Err(Rejected::Done) => return Ok(None),
        Err(rejected) => return Err(service_refused(rejected)),
    };
    if !on && store.is_preloaded(&subscription.pool.operator).await? {
        return Err(Problem::preloaded());
    }
    Ok(Some(next))
}

/// Why a card is neither kept out of the network nor let in again.
fn service_refused(rejected: Rejected) -> Problem {
    match rejected {
        Rejected::Closed(closed) => Problem::subscription_closed(closed),
        _ => Problem::not_possible(
            "in_progress",
            "The carrier has not answered the request before this one. Try again in a moment.",
        ),
    }
}

/// Refuses to mail a code that another phone could not use: a card once installed is bound to its phone.
pub async fn not_installed(store: &Store, order: &Order) -> Result<(), Problem> {
    for (_, sim) in store.current_sims(order).await? {
        if sim.profile.installed_at.is_some() {
            return Err(Problem::other_device(&format!(
                "Card {} was installed and can be installed again on the same phone only. Say that it is for that one; for another \
                 phone swap the SIM.",
                sim.iccid,
            )));
        }
    }
    Ok(())
}

/// The subscription of an order's line, to be renewed or changed otherwise: the one that the order changes, or the one that the line
/// began. Refused where it cannot have begun one yet, or never will.
pub fn subscription_of_line(order: &Order, line: usize, now: Timestamp) -> Result<String, Problem> {
    if order.subject.is_some() {
        return Ok(order.subscription_of(line));
    }
    let (reason, detail) = match order.lines[line].state {
        LineState::Pending if order.is_void(now) => ("not_paid", "The order is void: no cards were sold with it."),
        LineState::Pending if !order.is_paid() => ("not_paid", "The order is not paid, so that it has no cards yet."),
        LineState::Pending => ("in_progress", "The card is not provisioned yet. Wait until it is."),
        LineState::Failed => return Err(not_delivered()),
        LineState::Live | LineState::Cancelling | LineState::Cancelled | LineState::Ended => {
            return Ok(order.subscription_of(line));
        }
    };
    Err(Problem::not_possible(reason, detail))
}

/// Why nothing can be done with what a line was to begin, and did not before it failed or was cancelled.
pub fn not_delivered() -> Problem {
    Problem::not_possible("not_delivered", "The card was never delivered. Order it anew.")
}

/// What a request to cancel lines of an order and give their money back goes by.
#[derive(Debug)]
pub struct Cancellation {
    policy: RefundPolicy,
    lines: Vec<(Used, Option<Closed>)>,
}

impl Cancellation {
    /// Reads it.
    pub async fn of(store: &Store, order: &Order) -> Result<Self, Problem> {
        let policy = store.plan_version(&order.plan_id, order.plan_version).await?.refund_policy;
        Ok(Self { policy, lines: store.used_lines(order).await? })
    }

    /// Refuses lines whose subscription another change keeps closed: those named, or all.
    pub fn open(&self, named: Option<&[usize]>) -> Result<(), Problem> {
        let closed = |line: usize| self.lines.get(line).and_then(|(_, closed)| *closed);
        let first = match named {
            Some(named) => named.iter().find_map(|line| closed(*line)),
            None => (0..self.lines.len()).find_map(closed),
        };
        first.map_or(Ok(()), |closed| Err(Problem::subscription_closed(closed)))
    }

    /// Cancels the lines named, or what can be given back of the whole order, for the partner or a manager. The note says why.
    pub fn decide(
        &self,
        order: &Order,
        named: Option<&[usize]>,
        manager: Option<&str>,
        note: &str,
        now: Timestamp,
    ) -> Result<Order, Rejected> {
        let all: Vec<(usize, Used)> = self.lines.iter().enumerate().map(|(line, (used, _))| (line, *used)).collect();
        let lines = match named {
            Some(named) => named.iter().map(|line| all[*line]).collect(),
            None => order.cancellable(&all, self.policy, now),
        };
        let command = Command::Cancel { lines, policy: self.policy, note: note.to_owned() };
        match manager {
            None => decide(order, command, now),
            Some(manager) => decide_by(manager, order, command, now),
        }
    }

    /// Whether anything of the order could be cancelled now.
    pub(crate) fn check(&self, order: &Order, now: Timestamp) -> Result<(), Problem> {
        self.open(None)?;
        match self.decide(order, None, None, "", now) {
            Ok(_) => Ok(()),
            Err(Rejected::NotRefundable(why)) => Err(Problem::not_refundable(why)),
            // All is cancelled, or being cancelled; the first line says which.
            Err(_) => match order.refundable(0, self.policy, Used::default(), now) {
                Refundable::No(why) => Err(Problem::not_refundable(why)),
                Refundable::Yes(_) => Err(Problem::internal("a line that can be cancelled and was")),
            },
        }
    }
}
