//! What must be true once everything is done that anybody asked for: the tables against what others were really told to do.

use super::{Audit, Books, Broken, Held, Promise, Violation, list, number, text};
use serde_json::Value;
use simdock_domain::{
    Entry, Event, LineState, MAX_ATTEMPTS, Mail, MailKind, MailState, Order, OrderType, Provider, RefundState, ReturnReason,
    Timestamp, next_attention, outstanding,
};
use simdock_store::order_in_image;
use std::collections::BTreeMap;

/// What others did because they were asked to.
#[derive(Clone, Debug)]
pub struct Outside {
    /// The time of the tables.
    pub now: Timestamp,
    /// Every refund that the payment provider made, as the sandbox Stripe reports it.
    pub refunds: Vec<Value>,
    /// Every mail that went out, as `/mailbox.json` lists it.
    pub mails: Vec<Value>,
    /// What the sandbox operator reports.
    pub operator: Value,
}

impl Outside {
    /// How many mails of a kind went out about an order.
    fn mails(&self, order: &Order, kind: MailKind) -> usize {
        let ours = |mail: &&Value| mail["orderNum"] == order.num.as_str() && mail["mail"] == kind.name();
        self.mails.iter().filter(ours).count()
    }
}

impl Books {
    /// Holds what [`Self::audit`] holds, and what must be true of tables at rest:
    ///
    /// - nothing is due, no subscription waits for its operator, and no ticket is missing;
    /// - what is owed was given back at the provider, all of it and once, and nothing else was;
    /// - every mail that is owed went out, and no oftener than somebody began to send it;
    /// - a card that can be sold again was never disclosed; one that works, works at its operator.
    pub fn at_rest(&self, outside: &Outside) -> (Audit, Vec<Violation>) {
        let (audit, found) = self.inspect();
        let mut broken = Broken(found);
        let mut made: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
        let mut by_hand: BTreeMap<&str, &Value> = BTreeMap::new();
        let mut given_back: BTreeMap<&str, i64> = BTreeMap::new();
        for refund in &outside.refunds {
            match refund["metadata"]["refundId"].as_str() {
                Some(id) => made.entry(id).or_default().push(refund),
                None => drop(by_hand.insert(refund["id"].as_str().unwrap_or_default(), refund)),
            }
            if refund["status"] == "succeeded" {
                *given_back.entry(refund["paymentIntent"].as_str().unwrap_or_default()).or_default() +=
                    refund["amount"].as_i64().unwrap_or_default();
            }
        }
        let mut events: BTreeMap<String, String> = BTreeMap::new();
        for item in &self.orders {
            let order = order_in_image(item.clone()).expect("an order");
            events.insert(order.num.to_string(), told(&order));
            broken.note(Promise::Rest, idle(&order));
            for index in 0..order.refunds.len() {
                let there = made.remove(order.refund_id(index).as_str()).unwrap_or_default();
                // What was given back by hand is on record by itself, or settles what was due.
                let given = order.refunds[index].provider_id.as_deref().and_then(|id| by_hand.remove(id));
                let settles = given.filter(|_| order.refunds[index].reason != ReturnReason::Elsewhere);
                let there = settles.map_or(there, |given| vec![given]);
                let held = refunded(&order, index, &there);
                broken.note(Promise::Refunds, held.map_err(|why| format!("{why} ({:?}; {})", order.refunds, told(&order))));
            }
            broken.note(Promise::Refunds, no_more_than_came(&order, &given_back));
            broken.note(Promise::Mails, mailed(&order, outside));
        }
        for (id, refund) in by_hand {
            broken.note(Promise::Refunds, Err(format!("{id} was given back by hand, and no order knows of it: {refund}")));
        }
        for (id, refunds) in made {
            broken.note(Promise::Refunds, Err(format!("{id} was given back, and no order knows of it: {refunds:?}")));
        }
        for sim in &self.sims {
            broken.note(Promise::Codes, sellable(sim));
            broken.note(Promise::Carrier, works(sim, &outside.operator, &events));
        }
        for subscription in &self.subscriptions {
            broken.note(Promise::Rest, quiet(subscription, outside.now));
        }
        let missing = if audit.drawn == 0 { Ok(()) } else { Err(format!("{} cards for sale cannot be drawn", audit.drawn)) };
        broken.note(Promise::Stock, missing);
        (audit, broken.0)
    }
}

fn idle(order: &Order) -> Held {
    hold!(next_attention(order).is_none(), "{} still waits: {:?} ({})", order.num, outstanding(order), told(order));
    Ok(())
}

/// A refund was made where it had to be.
fn refunded(order: &Order, index: usize, there: &[&Value]) -> Held {
    let (id, refund) = (order.refund_id(index), &order.refunds[index]);
    let payment = &order.payments[refund.payment];
    let made: Vec<&&Value> = there.iter().filter(|refund| refund["status"] == "succeeded").collect();
    hold!(made.len() <= 1, "{id} of {} was made {} times", order.num, made.len());
    match (payment.provider, refund.state) {
        (Provider::Stripe, RefundState::Succeeded) if refund.reason != ReturnReason::Elsewhere => {
            let made = made.first().ok_or_else(|| format!("{id} of {} was never made", order.num))?;
            let there = (made["paymentIntent"].as_str(), made["amount"].as_i64());
            same!(there, (Some(payment.id.as_str()), Some(refund.amount.amount)), "{id} of {}", order.num);
        }
        (Provider::Stripe | Provider::Balance, RefundState::Succeeded) | (_, RefundState::Withdrawn) => {
            same!(made.len(), 0, "{id} of {} was made", order.num);
        }
        // Somebody has given it back by hand.
        (Provider::Standard, RefundState::Succeeded) => same!(made.len(), 0, "{id} of {} was made", order.num),
        (_, state) => return Err(format!("{id} of {} is {state:?}", order.num)),
    }
    Ok(())
}

/// Whoever gave it back, of a payment no more went than had come.
fn no_more_than_came(order: &Order, given_back: &BTreeMap<&str, i64>) -> Held {
    for payment in order.payments.iter().filter(|payment| payment.provider == Provider::Stripe) {
        let (went, came) = (given_back.get(payment.id.as_str()).copied().unwrap_or(0), payment.received.amount);
        hold!(went <= came, "of {} of {} {went} went back, and {came} had come", payment.id, order.num);
    }
    Ok(())
}

/// The mails that an order calls for went out.
fn mailed(order: &Order, outside: &Outside) -> Held {
    let num = &order.num;
    let confirmed = match order.kind {
        OrderType::ActivateSubscription | OrderType::TopUpSubscription | OrderType::Renewal => true,
        OrderType::CancelSubscription | OrderType::SwapSim => false,
    };
    if order.send_email && order.is_paid() && confirmed {
        hold!(order.mail(MailKind::Confirmation).is_some(), "{num} is paid and not confirmed");
    }
    let live = order.lines.iter().any(|line| line.state == LineState::Live);
    // Whoever installed the new card of a swap had its code.
    if order.send_email && order.has_codes() && live && !order.has_swapped() {
        hold!(order.mail(MailKind::Qr).is_some(), "{num} works, and nobody was sent its codes");
    }
    for mail in &order.mails {
        let (kind, out) = (mail.kind.name(), outside.mails(order, mail.kind));
        let of_kind = |event, begins: &str| {
            let ours = |note: &str| note.starts_with(begins);
            order.history.iter().filter(|entry| entry.event == event && entry.note.as_deref().is_some_and(ours)).count()
        };
        match mail.state {
            MailState::Sent(_) => {
                let needless = of_kind(Event::MailSent, &format!("{kind}: not needed")) > 0;
                hold!(out > 0 || needless, "the {kind} mail of {num} counts as sent and never went out");
            }
            // Codes of cards that nobody may use any more do not go out.
            MailState::Pending(_) | MailState::Sending(_) if mail.kind == MailKind::Qr && !live => {}
            MailState::Pending(_) | MailState::Sending(_) | MailState::Failed(_) => {
                return Err(format!("the {kind} mail of {num} is {:?}", mail.state));
            }
        }
        hold!(out <= begun(order, mail), "the {kind} mail of {num} went out {out} times and was begun {} times", mail.attempts);
    }
    Ok(())
}

/// How often somebody may have sent a mail: as often as it was begun, which is counted from naught whenever it is called for anew.
fn begun(order: &Order, mail: &Mail) -> usize {
    let anew = |entry: &&Entry| mail.kind == MailKind::Manager || matches!(entry.event, Event::MailRequested | Event::Retried);
    let before = order.history.iter().filter(anew).count() * most(MAX_ATTEMPTS);
    before + most(mail.attempts)
}

fn most(attempts: u32) -> usize {
    usize::try_from(attempts).unwrap_or(usize::MAX)
}

fn sellable(sim: &Value) -> Held {
    let (iccid, state) = (text(sim, "iccid"), text(sim, "state"));
    hold!(!matches!(state, "stocked" | "returning") || sim["disclosed"].is_null(), "{iccid} was disclosed and is {state}");
    Ok(())
}

/// What happened to an order, for a person.
fn told(order: &Order) -> String {
    let entry = |entry: &Entry| format!("{} {:?} {}", entry.at, entry.event, entry.note.as_deref().unwrap_or_default());
    let history: Vec<String> = order.history.iter().map(entry).collect();
    format!("{:?}: {}", order.kind, history.join("; "))
}

/// A card that is active here is active at the sandbox operator, for the same order; one that was stopped here, was stopped there.
fn works(sim: &Value, operator: &Value, events: &BTreeMap<String, String>) -> Held {
    let (iccid, order, state) = (text(sim, "iccid"), text(sim, "order"), text(sim, "state"));
    if !text(sim, "pool").starts_with("sandbox.") || !["active", "retired"].contains(&state) {
        return Ok(());
    }
    let ours = |list: &str| {
        let entries = operator[list].as_array().into_iter().flatten();
        entries.filter(|entry| entry["iccid"] == iccid && entry["orderNum"] == order).count()
    };
    let there = (ours("activated"), ours("revoked"));
    let history = || events.get(order).map(String::as_str).unwrap_or_default();
    let stopped = usize::from(state == "retired");
    same!(there, (1, stopped), "how often {iccid}, {state}, was activated and revoked for {order} ({})", history());
    Ok(())
}

/// A subscription waits for nobody but its subscriber.
fn quiet(subscription: &Value, now: Timestamp) -> Held {
    let id = text(subscription, "subscriptionId");
    let due = number(subscription, "dueAt");
    hold!(subscription["dueAt"].is_null() || due > now.unix(), "{id} was due at {due}");
    let service = subscription["sv"]["M"].as_object().into_iter().flatten().next().map(|(name, _)| name.as_str());
    hold!(matches!(service, None | Some("x")), "{id} waits for its operator: {service:?}");
    hold!(!matches!(text(&subscription["oc"]["M"], "k"), "c" | "r"), "a change of {id} is still open");
    hold!(list(subscription, "pl").count() > 0, "{id} has no plan");
    Ok(())
}
