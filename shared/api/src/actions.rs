//! What can be done with an order or a subscription now, and if not, why. Decided as the actions' own routes decide, with a request
//! that nobody makes; nothing is written.

use crate::gifts::gifts_of;
use crate::refused::{Cancellation, not_installed, refused, subscription_to_renew, want_service};
use crate::{ChangeRequest, Problem, visible_to};
use serde::Serialize;
use simdock_domain::{
    Command, FormFactor, MailKind, Order, Recipient, Rejected, ServiceAsker, Shipment, Subscription, SubscriptionChange,
    Timestamp, decide,
};
use simdock_store::{Principal, Store};

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
}

/// What whoever asks may do with an order, and whether it can be done now.
pub async fn order_actions(store: &Store, principal: &Principal, order: &Order) -> Result<Vec<ActionView>, Problem> {
    let now = store.clock().now();
    let refund = view("refund", Cancellation::of(store, order).await?.check(order, now))?;
    let renew = view("renew", renew(store, principal, order).await)?;
    if let Principal::Partner { .. } = principal {
        return Ok(vec![refund, renew]);
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
        command("ship", Command::Ship(Shipment { at: now, carrier: String::new(), number: String::new() }))?,
        command("correct_shipment", correction(order))?,
        command("edit_recipient", Command::EditRecipient(Recipient { name: Some(String::new()), ..Recipient::default() }))?,
        qr,
        mail("resend_confirmation", MailKind::Confirmation)?,
        mail("resend_shipment", MailKind::Shipment)?,
        command("retry", Command::Retry)?,
        renew,
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
    let main = visible_to(principal, store.order(&subscription.main_order).await?)?;
    let email = main.subscriber.email.clone();
    let change = ChangeRequest::supposed(principal, subscription, main);
    let plan = change.current_plan(store).await?;
    let changing = |action, what| view(action, change.check(what, &plan, now));
    let service = async |action, on| {
        let wanted = want_service(store, subscription, on, ServiceAsker::Partner).await;
        view(action, wanted.and_then(|next| next.map(|_| ()).ok_or_else(done)))
    };
    let (gift, plan_ids) = match gifts_of(store, principal, subscription, &email).await {
        Ok(plan_ids) => (Ok(()), plan_ids),
        Err(problem) => (Err(problem), Vec::new()),
    };
    Ok(vec![
        changing("top_up", SubscriptionChange::Plan { add_on_ids: Vec::new() })?,
        changing("swap_sim", SubscriptionChange::Swap { form_factor: FormFactor::Esim, address: None })?,
        changing("cancel", SubscriptionChange::Cancellation)?,
        service("suspend", false).await?,
        service("resume", true).await?,
        ActionView { plan_ids: Some(plan_ids), ..view("complimentary", gift)? },
    ])
}

/// Whether one of an order's lines could be renewed; if not, why the first cannot.
async fn renew(store: &Store, principal: &Principal, order: &Order) -> Result<(), Problem> {
    let ids: Vec<Result<String, Problem>> = (0..order.lines.len()).map(|line| subscription_to_renew(order, line)).collect();
    let known: Vec<String> = ids.iter().flatten().cloned().collect();
    let subscriptions = store.subscriptions(&known).await?;
    let main = match &order.subject {
        None => order.clone(),
        Some(subject) => visible_to(principal, store.order(&subject.main_order).await?)?,
    };
    let mut first = None;
    for id in ids {
        let subscription = id.and_then(|id| {
            subscriptions.iter().find(|subscription| subscription.id == id).ok_or_else(|| Problem::not_found("subscription"))
        });
        let outcome = match subscription {
            Err(problem) => Err(problem),
            Ok(subscription) => {
                let change = ChangeRequest::supposed(principal, subscription, main.clone());
                let what = SubscriptionChange::Renewal { add_on_ids: Vec::new() };
                change.plan(store, &main.plan_id).await.and_then(|plan| change.check(what, &plan, store.clock().now()))
            }
        };
        match outcome {
            Ok(()) => return Ok(()),
            Err(problem) => first = first.or(Some(problem)),
        }
    }
    first.map_or(Ok(()), Err)
}

/// A correction of what was said of an order's parcel, whatever that is.
fn correction(order: &Order) -> Command {
    let corrects = order.shipment.as_ref().map(|shipment| shipment.number.clone()).unwrap_or_default();
    Command::CorrectShipment { corrects, carrier: String::new(), number: String::new(), at: None }
}

fn carried_out(order: &Order, command: &Command, now: Timestamp) -> Result<(), Problem> {
    match decide(order, command.clone(), now) {
        Ok(_) => Ok(()),
        Err(Rejected::Done) => Err(done()),
        Err(rejected) => Err(refused(rejected, command)),
    }
}

/// What the action's route would answer as if it had been done, without doing anything.
fn done() -> Problem {
    Problem::not_possible("done", "It is done already, or under way.")
}

fn view(action: &'static str, outcome: Result<(), Problem>) -> Result<ActionView, Problem> {
    match outcome {
        Ok(()) => Ok(ActionView { action, allowed: true, code: None, reason: None, plan_ids: None }),
        Err(problem) if problem.status().is_server_error() => Err(problem),
        Err(problem) => {
            let (code, reason) = (Some(problem.reason().to_owned()), Some(problem.detail().to_owned()));
            Ok(ActionView { action, allowed: false, code, reason, plan_ids: None })
        }
    }
}
