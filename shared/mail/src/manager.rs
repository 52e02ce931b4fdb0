//! The mail that asks a manager to look at an order.

use simdock_domain::{
    Attention, Entry, Event, LineState, MAX_ATTEMPTS, MailReport, MailState, Order, OrderType, Refund, RefundState, ReturnReason,
};

use crate::MailError;
use crate::content::{Block, Content, Fact};
use crate::envelope::Envelope;
use crate::language::{Language, Words};
use crate::line::Addressee;

/// The mail that asks a manager to look at an order; in English, without links. It holds no code.
#[derive(Clone, Copy, Debug)]
pub struct ManagerMail<'a> {
    /// From whom, to whom, when, about which order.
    pub envelope: Envelope<'a>,
    /// The order as it stands.
    pub order: &'a Order,
}

/// Writes the mail to the manager, text and HTML: what is to be done, and what happened.
///
/// # Errors
/// [`MailError::Empty`] when nothing is to be done about the order any more, and nothing happened that a manager should know.
pub fn manager_mail(mail: &ManagerMail) -> Result<Vec<u8>, MailError> {
    let words = Language::En.words();
    let order = mail.order;
    let to_do = to_do(order);
    let happened = happened(order, words);
    if to_do.is_empty() && happened.is_empty() {
        return Err(MailError::Empty);
    }
    let is_parcel = order.is_to_ship();
    let (title, subject) = match to_do.len() {
        1 if is_parcel => ("SIM cards to send", format!("Order {}: SIM cards to send", order.num)),
        _ => ("An order needs attention", format!("Order {} needs attention", order.num)),
    };
    let mut blocks = vec![Block::Paragraph(format!("{}: {}", words.order_number, order.num))];
    if !to_do.is_empty() {
        blocks.push(Block::Bullets { heading: "What to do", items: to_do });
    }
    if is_parcel {
        blocks.push(Block::Facts(parcel(order)));
    }
    if !happened.is_empty() {
        blocks.push(Block::Bullets { heading: "What happened", items: happened });
    }
    let content = Content { language: Language::En, title: title.to_owned(), blocks, footer: words.automatic };
    mail.envelope.seal("manager", &subject, &content, Vec::new())
}

/// To whom, and which cards.
fn parcel(order: &Order) -> Vec<Fact> {
    let to = order.subscriber.address.as_ref().map(|address| Addressee { name: &order.subscriber.name, address });
    let cards = Fact { is_code: true, ..Fact::list("ICCID", cards(order, is_open)) };
    to.map(|to| to.fact("Send to")).into_iter().chain([cards]).collect()
}

fn is_open(state: LineState) -> bool {
    match state {
        LineState::Pending | LineState::Live => true,
        LineState::Cancelling | LineState::Cancelled | LineState::Ended | LineState::Failed => false,
    }
}

fn cards(order: &Order, which: impl Fn(LineState) -> bool) -> Vec<String> {
    let lines = order.lines.iter().filter(|line| which(line.state));
    lines.filter_map(|line| line.iccid.as_ref()).map(ToString::to_string).collect()
}

/// What is left for a person to do, one sentence each, the most pressing first.
fn to_do(order: &Order) -> Vec<String> {
    let mut to_do = Vec::new();
    for attention in order.attention() {
        match attention {
            Attention::ToShip => to_do.push(match order.lines.iter().filter(|line| is_open(line.state)).count() {
                1 => "Send the SIM card below by post, then record the shipment on the order.".to_owned(),
                count => format!("Send the {count} SIM cards below by post, then record the shipment on the order."),
            }),
            Attention::ProvisioningFailed => {
                let failed = cards(order, |state| state == LineState::Failed);
                to_do.extend(failed.iter().map(|iccid| match order.kind {
                    OrderType::ActivateSubscription => {
                        format!("Card {iccid} could not be activated: retry the order, or let its money go back, then write a note.")
                    }
                    OrderType::SwapSim => {
                        format!("Card {iccid} could not be activated, so the old one stays: order the swap anew, or let its money go back, then write a note.")
                    }
                    OrderType::TopUpSubscription | OrderType::Renewal | OrderType::CancelSubscription => {
                        format!("The operator refused what was ordered for card {iccid}: order it anew, or let its money go back, then write a note.")
                    }
                }));
                // Where it never said whether it had done it.
                let leaving = |state| matches!(state, LineState::Cancelling | LineState::Cancelled);
                let given_up = if order.kind == OrderType::ActivateSubscription { Vec::new() } else { cards(order, leaving) };
                to_do.extend(given_up.iter().map(|iccid| {
                    format!("The operator never said whether card {iccid} has what was ordered: it is taken off again, then its money goes back. Order it anew, then write a note.")
                }));
            }
            Attention::MoneyOwed => {
                let stalled = order.refunds.iter().filter(|refund| is_stalled(order, refund));
                to_do.extend(stalled.map(|refund| {
                    format!(
                        "The refund of {} is not settled after {} attempts: look it up at the provider.",
                        refund.amount, refund.attempts
                    )
                }));
            }
            Attention::RefundFailed => {
                let failed = order.refunds.iter().filter(|refund| refund.state == RefundState::Failed && order.is_owed(refund));
                to_do.extend(failed.map(|refund| {
                    let payment = order.payments.get(refund.payment).map_or("a payment", |payment| payment.id.as_str());
                    format!(
                        "{} of payment {payment} could not be given back: retry the order, or give it back by other means and note that on the order.",
                        refund.amount
                    )
                }));
            }
            Attention::CancellationRefused => {
                let kept = [
                    (Event::CancellationRefused, "The operator did not take a card back"),
                    (Event::CancellationOvertaken, "Something came before a card could be taken back"),
                ];
                to_do.extend(
                    kept.into_iter().flat_map(|(event, what)| order.unanswered(event).map(move |entry| (what, entry))).map(
                        |(what, entry)| {
                            let why = entry.note.as_deref().unwrap_or("no reason given");
                            format!("{what} ({why}): ask again or tell the subscriber, then write a note on the order.")
                        },
                    ),
                );
            }
            Attention::Disputed => to_do.extend(order.unanswered(Event::Disputed).map(|entry| {
                let what = entry.note.as_deref().unwrap_or("payment");
                format!("Answer the dispute at the provider, then write a note on the order: {what}.")
            })),
            Attention::MailFailed => {
                let failed = order.mails.iter().filter(|mail| matches!(mail.state, MailState::Failed(_)));
                to_do.extend(
                    failed.map(|mail| {
                        format!("The {} mail was given up: check the address, then retry the order.", mail.kind.name())
                    }),
                );
            }
            Attention::MailUndelivered => to_do.extend(order.mails.iter().filter_map(|mail| match mail.report {
                Some((MailReport::Bounced | MailReport::Suppressed | MailReport::Rejected, _)) => Some(format!(
                    "The {} mail did not arrive: find out another address, correct the recipient and send the mail again.",
                    mail.kind.name()
                )),
                Some((MailReport::Delayed | MailReport::Complained, _)) | None => None,
            })),
            Attention::PaidBackTwice => {
                let too_much = order.unanswered(Event::Refunded).filter(|entry| entry.tells_of_too_much());
                to_do.extend(too_much.filter_map(|entry| entry.note.as_ref()).map(|note| {
                    format!("Money went back twice ({note}): ask the payer for it, or let it be, then write a note.")
                }));
            }
            Attention::MailComplaint => {
                to_do.push("The recipient reported a mail as spam: agree on another way to reach them.".to_owned());
            }
        }
    }
    let elsewhere = order.refunds.iter().filter(|refund| refund.reason == ReturnReason::Elsewhere);
    let ends = !order.attention().contains(&Attention::PaidBackTwice);
    to_do.extend(elsewhere.filter(|refund| ends && refund.state == RefundState::Succeeded).map(|refund| {
        format!("{} was given back at the provider: cancel what it was paid for, if that is to end.", refund.amount)
    }));
    if order.revoking.is_some_and(|attempts| attempts.failed >= MAX_ATTEMPTS) {
        let waiting = cards(order, |state| state == LineState::Cancelling);
        to_do.extend(waiting.iter().map(|iccid| format!("Card {iccid} is not revoked yet: ask the operator.")));
    }
    if let Some(subject) =
        order.subject.as_ref().filter(|_| order.retiring.is_some_and(|attempts| attempts.failed >= MAX_ATTEMPTS))
    {
        to_do.push(format!("Card {}, which was swapped, is not stopped yet: ask the operator.", subject.iccid));
    }
    to_do
}

/// Whether a refund was asked for so often that it is not going to settle by itself.
fn is_stalled(order: &Order, refund: &Refund) -> bool {
    match refund.state {
        RefundState::Due(_) | RefundState::Requested(_) => order.is_owed(refund) && refund.attempts >= MAX_ATTEMPTS,
        RefundState::Succeeded | RefundState::Failed | RefundState::Withdrawn => false,
    }
}

/// The trouble on record, the latest last, and how the money stands.
fn happened(order: &Order, words: &Words) -> Vec<String> {
    let mut happened: Vec<String> =
        order.history.iter().filter(|entry| is_trouble(entry)).map(|entry| told(entry, words)).collect();
    happened.extend(order.owed().iter().map(|owed| format!("Still to be given back: {owed}")));
    happened
}

fn told(entry: &Entry, words: &Words) -> String {
    let what = entry.event.name().replace('_', " ");
    let at = words.date(entry.at);
    entry.note.as_ref().map_or_else(|| format!("{at}: {what}"), |note| format!("{at}: {what}: {note}"))
}

fn is_trouble(entry: &Entry) -> bool {
    match entry.event {
        Event::ProvisioningFailed
        | Event::CancellationRefused
        | Event::CancellationOvertaken
        | Event::Refunded
        | Event::RefundFailed
        | Event::Disputed
        | Event::MailFailed
        | Event::MailReported => true,
        Event::Created
        | Event::Paid
        | Event::PaymentReturned
        | Event::Voided
        | Event::Provisioned
        | Event::ProvisioningDelayed
        | Event::CancellationRequested
        | Event::Cancelled
        | Event::Ended
        | Event::Swapped
        | Event::Retired
        | Event::Renewed
        | Event::Shipped
        | Event::ShipmentCorrected
        | Event::RecipientChanged
        | Event::MailRequested
        | Event::Retried
        | Event::Noted
        | Event::MailSent => false,
    }
}
