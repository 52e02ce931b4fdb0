//! What can be done with an order or a subscription now, and if not, why. Decided as the actions' own routes decide, with a request
//! that nobody makes; nothing is written.

use crate::gifts::Gifts;
use crate::refused::{Cancellation, kept, not_delivered, not_installed, refused, subscription_of_line, want_service};
use crate::{ChangeRequest, Problem, visible_to};
use futures_util::future::try_join;
use serde::Serialize;
use simdock_domain::{
    Command, FormFactor, MailKind, Order, Recipient, RefundState, Rejected, SeenShipment, ServiceAsker, Subscription,
    SubscriptionChange, Timestamp, decide,
};
use simdock_store::{Archiving, Principal, SimReport, Store};

/// An action, and whether it can be asked for now.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ActionView {
    action: &'static str,
    allowed: bool,
    /// The `reason` of the problem that the action's route would answer with, or its `code` where it has none.
    code: Option<String>,
    /// Its `detail`. An action that is allowed on a condition has both.
    reason: Option<String>,
    /// The plans that can be given, where the action is to give one.
    #[serde(skip_serializing_if = "Option::is_none")]
    plan_ids: Option<Vec<String>>,
    /// The subscriptions with which it can be done, where an order's action is about any of its lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    subscription_ids: Option<Vec<String>>,
}

/// What whoever asks may do with an order, and whether it can be done now.
pub async fn order_actions(store: &Store, principal: &Principal, order: &Order) -> Result<Vec<ActionView>, Problem> {
    let now = store.clock().now();
    let refund = view("refund", Cancellation::of(store, order).await?.check(order, now))?;
    let [renew, top_up, swap_sim] = of_lines(store, principal, order).await?;
    if let Principal::Partner { .. } = principal {
        return Ok(vec![refund, renew, top_up, swap_sim]);
    }
    let command = |action, command: Command| view(action, carried_out(order, &command, now));
    let mail = |action, kind| command(action, Command::SendAgain { kind, to: None, asked: None });
    let mut qr = mail("resend_qr", MailKind::Qr)?;
    if qr.allowed
        && let Err(problem) = not_installed(store, order).await
    {
        qr = ActionView { allowed: true, ..view("resend_qr", Err(problem))? };
    }
    Ok(vec![
        refund,
        command("ship", Command::Ship { carrier: String::new(), number: String::new(), at: None })?,
        command("correct_shipment", correction(order))?,
        command("edit_recipient", Command::EditRecipient(Recipient { name: Some(String::new()), ..Recipient::default() }))?,
        qr,
        mail("resend_confirmation", MailKind::Confirmation)?,
        mail("resend_shipment", MailKind::Shipment)?,
        command("retry", Command::Retry)?,
        command("settle_refund", settlement(order))?,
        renew,
        top_up,
        swap_sim,
        command("note", Command::Note(String::new()))?,
    ])
}

/// What whoever asks may do with a subscription, and whether it can be done now.
pub async fn subscription_actions(
    store: &Store,
    principal: &Principal,
    subscription: &Subscription,
) -> Result<Vec<ActionView>, Problem> {
    let now = store.clock().now();
    let main = async { visible_to(principal, store.order(&subscription.main_order).await?) };
    // On the heap, since each holds several requests under way.
    let (main, gifts) = try_join(Box::pin(main), Box::pin(Gifts::of(store, subscription))).await?;
    let gifts = gifts.left(principal, subscription, &main);
    let change = ChangeRequest::supposed(principal, subscription, main);
    let plan = change.current_plan(store).await?;
    let changing = |action, what| view(action, change.check(what, &plan, now));
    let service = async |action, on| {
        let wanted = want_service(store, subscription, on, ServiceAsker::Partner).await;
        view(
            action,
            wanted.and_then(|next| {
                next.map(|_| ()).ok_or_else(|| if on && subscription.service.is_on() { not_suspended() } else { done() })
            }),
        )
    };
    let (gift, plan_ids) = match gifts {
        Ok(plan_ids) => (Ok(()), plan_ids),
        Err(problem) => (Err(problem), Vec::new()),
    };
    Ok(vec![
        changing("top_up", top_up())?,
        changing("swap_sim", swap_sim())?,
        changing("cancel", SubscriptionChange::Cancellation)?,
        service("suspend", false).await?,
        service("resume", true).await?,
        ActionView { plan_ids: Some(plan_ids), ..view("complimentary", gift)? },
    ])
}

/// What a manager may do with a card by hand, and whether it can be done now.
pub fn sim_actions(report: &SimReport, now: Timestamp) -> Result<Vec<ActionView>, Problem> {
    let archiving = match report.sim.archiving(report.subscription.as_ref()) {
        Ok(Archiving::Done) => Err(done()),
        Ok(Archiving::OffSale(_) | Archiving::Hidden) => Ok(()),
        Err(why) => Err(kept(why)),
    };
    Ok(vec![view("archive", archiving)?, view("restore", report.sim.restoring(now).map(|_| ()).map_err(kept))?])
}

/// A plan more, whichever fits.
fn top_up() -> SubscriptionChange {
    SubscriptionChange::Plan { add_on_ids: Vec::new() }
}

/// Another SIM, for nobody's address.
fn swap_sim() -> SubscriptionChange {
    SubscriptionChange::Swap { form_factor: FormFactor::Esim, address: None }
}

/// Whether what one of an order's lines began, or what the order changed, could be renewed, topped up and swapped.
async fn of_lines(store: &Store, principal: &Principal, order: &Order) -> Result<[ActionView; 3], Problem> {
    let now = store.clock().now();
    let ids: Vec<Result<String, Problem>> = (0..order.lines.len()).map(|line| subscription_of_line(order, line, now)).collect();
    let known: Vec<String> = ids.iter().flatten().cloned().collect();
    let main = async {
        match &order.subject {
            None => Ok(order.clone()),
            Some(subject) => visible_to(principal, store.order(&subject.main_order).await?),
        }
    };
    let (subscriptions, main) = try_join(async { Ok(store.subscriptions(&known).await?) }, main).await?;
    let mut renew = AnyLine::new("renew");
    let mut top = AnyLine::new("top_up");
    let mut swap = AnyLine::new("swap_sim");
    for id in ids {
        let subscription = id.and_then(|id| subscriptions.iter().find(|known| known.id == id).ok_or_else(not_delivered));
        let subscription = match subscription {
            Ok(subscription) => subscription,
            Err(problem) => {
                for action in [&mut renew, &mut top, &mut swap] {
                    action.refused(problem.reason(), problem.detail());
                }
                continue;
            }
        };
        let change = ChangeRequest::supposed(principal, subscription, main.clone());
        let current = change.current_plan(store).await?;
        let renewal = SubscriptionChange::Renewal { add_on_ids: Vec::new() };
        let renewed = change.plan(store, &main.plan_id).await;
        renew.take(subscription, renewed.and_then(|plan| change.check(renewal, &plan, now)))?;
        top.take(subscription, change.check(top_up(), &current, now))?;
        swap.take(subscription, change.check(swap_sim(), &current, now))?;
    }
    Ok([renew, top, swap].map(AnyLine::view))
}

/// An action that is about any of an order's lines: with which it can be done, or why not with the first.
struct AnyLine {
    action: &'static str,
    open: Vec<String>,
    why_not: Option<(String, String)>,
}

impl AnyLine {
    fn new(action: &'static str) -> Self {
        Self { action, open: Vec::new(), why_not: None }
    }

    fn take(&mut self, subscription: &Subscription, outcome: Result<(), Problem>) -> Result<(), Problem> {
        match outcome {
            Ok(()) if self.open.contains(&subscription.id) => {}
            Ok(()) => self.open.push(subscription.id.clone()),
            Err(problem) if problem.status().is_server_error() => return Err(problem),
            Err(problem) => self.refused(problem.reason(), problem.detail()),
        }
        Ok(())
    }

    fn refused(&mut self, code: &str, reason: &str) {
        self.why_not.get_or_insert_with(|| (code.to_owned(), reason.to_owned()));
    }

    fn view(self) -> ActionView {
        let Self { action, open, why_not } = self;
        let allowed = !open.is_empty();
        let (code, reason) = why_not.filter(|_| !allowed).unzip();
        ActionView { action, allowed, code, reason, plan_ids: None, subscription_ids: Some(open) }
    }
}

/// A correction of what was said of an order's parcel, whatever that is.
fn correction(order: &Order) -> Command {
    let number = order.shipment.as_ref().map(|shipment| shipment.number.clone()).unwrap_or_default();
    let seen = SeenShipment { number, carrier: None, at: None };
    Command::CorrectShipment { seen, carrier: String::new(), number: String::new(), at: None }
}

/// A note that the first refund that was refused was given back by hand.
fn settlement(order: &Order) -> Command {
    let failed = order.refunds.iter().position(|refund| refund.state == RefundState::Failed && order.is_owed(refund));
    Command::RefundedByHand {
        refund_id: failed.map_or_else(String::new, |index| order.refund_id(index)),
        reference: String::new(),
    }
}

fn carried_out(order: &Order, command: &Command, now: Timestamp) -> Result<(), Problem> {
    match decide(order, command.clone(), now) {
        Ok(_) => Ok(()),
        Err(Rejected::Done) => Err(done()),
        Err(rejected) => Err(refused(rejected, command, order)),
    }
}

/// What the action's route would answer as if it had been done, without doing anything.
fn done() -> Problem {
    Problem::not_possible("done", "It is done already, or under way.")
}

/// There is nothing to let in again.
fn not_suspended() -> Problem {
    Problem::not_possible("done", "It is not suspended.")
}

fn view(action: &'static str, outcome: Result<(), Problem>) -> Result<ActionView, Problem> {
    match outcome {
        Ok(()) => Ok(ActionView { action, allowed: true, code: None, reason: None, plan_ids: None, subscription_ids: None }),
        Err(problem) if problem.status().is_server_error() => Err(problem),
        Err(problem) => {
            let (code, reason) = (Some(problem.reason().to_owned()), Some(problem.detail().to_owned()));
            Ok(ActionView { action, allowed: false, code, reason, plan_ids: None, subscription_ids: None })
        }
    }
}
