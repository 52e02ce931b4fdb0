//! What partners and managers read.

use crate::actions::ActionView;
use lambda_http::http::{StatusCode, header};
use lambda_http::{Body, Response};
use serde::Serialize;
use simdock_domain::{
    Attention, FormFactor, LineState, MailState, Money, Order, OrderNum, OrderType, Plan, PlanRun, PoolId, Provider, Refundable,
    ReturnReason, RunState, ServiceAsker, ServiceEntry, Subscription, Timestamp, Used, Via, VoidReason,
};
use simdock_store::{Import, ImportError, ImportStatus, InSession, Level, Principal, Sim, SimReport, Waiting, used};
use std::collections::BTreeMap;

/// What waits for a manager as the API shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitingView {
    total: usize,
    more: bool,
    oldest_at: Option<String>,
    codes: BTreeMap<&'static str, usize>,
}

impl From<Waiting> for WaitingView {
    fn from(waiting: Waiting) -> Self {
        Self {
            total: waiting.total,
            more: waiting.more,
            oldest_at: waiting.oldest_at.map(|at| at.to_string()),
            codes: waiting.reasons.into_iter().map(|(attention, count)| (attention.name(), count)).collect(),
        }
    }
}

/// An answer with a JSON body.
pub fn json(status: StatusCode, body: &impl Serialize) -> Response<Body> {
    let text = serde_json::to_string(body).unwrap_or_else(|_| "{}".to_owned());
    let mut response = Response::new(Body::Text(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}

/// A page of a list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListView<T> {
    /// Its entries.
    pub items: Vec<T>,
    /// What to ask for the next page with; `None` at the end, absent where there are no pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<Option<String>>,
}

/// An order as the API shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderView {
    order_num: String,
    #[serde(rename = "type")]
    kind: &'static str,
    status: i8,
    status_name: &'static str,
    fulfilment: &'static str,
    partner_id: String,
    plan_id: String,
    plan_version: u32,
    display: String,
    add_ons: Vec<AddOnView>,
    count: usize,
    iccids: Vec<String>,
    price: Money,
    payment: &'static str,
    channel: &'static str,
    subscriber: SubscriberView,
    #[serde(skip_serializing_if = "Option::is_none")]
    line_name: Option<String>,
    send_email: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    other_order_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    other_item_id: Option<String>,
    form_factor: FormFactor,
    profiles: Vec<ProfileName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subscription_id: Option<String>,
    renewal: bool,
    renew: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    main_order_num: Option<String>,
    renew_order_num: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shipment: Option<ShipmentView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    created_at: String,
    pay_until: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    void_reason: Option<&'static str>,
    payments: Vec<PaymentView>,
    refunds: Vec<RefundView>,
    owed: Vec<Money>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cards: Option<Vec<CardView>>,
    emails: Vec<EmailView>,
    needs_attention: Vec<AttentionView>,
    history: Vec<EntryView>,
    version: u64,
}

/// An operator's IMSI profile.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ProfileName {
    operator: String,
    imsi_profile: String,
}

/// The data package of a card.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PackageView {
    data_mb: Option<u64>,
    days: u32,
    add_ons: Vec<AddOnView>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AddOnView {
    add_on_id: String,
    display: String,
    kind: String,
    amount: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SubscriberView {
    email: String,
    name: String,
    language: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    postal_address: Option<simdock_domain::PostalAddress>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ShipmentView {
    shipped_at: String,
    carrier: String,
    number: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PaymentView {
    payment_id: String,
    provider: &'static str,
    received: Money,
    received_at: String,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RefundView {
    refund_id: String,
    payment_id: String,
    amount: Money,
    reason: &'static str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    iccid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_refund_id: Option<String>,
    created_at: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct EmailView {
    kind: &'static str,
    status: &'static str,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_at: Option<String>,
}

#[derive(Debug, Serialize)]
struct AttentionView {
    code: &'static str,
    detail: &'static str,
}

#[derive(Debug, Serialize)]
struct EntryView {
    at: String,
    event: &'static str,
    by: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    manager: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// A card of an order.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CardView {
    iccid: String,
    subscription_id: Option<String>,
    mobile_number: Option<String>,
    sm_dp_address: Option<String>,
    activation_code: Option<String>,
    code: Option<String>,
    install_urls: Option<InstallUrls>,
    activate_before: Option<String>,
    operator: String,
    imsi_profile: String,
    package: Option<PackageView>,
    used_mb: u32,
    start_date: Option<String>,
    end_date: Option<String>,
    apn: String,
    eid: Option<String>,
    status: &'static str,
    refundable: RefundableView,
}

#[derive(Debug, Serialize)]
struct InstallUrls {
    ios: String,
    android: String,
}

#[derive(Debug, Serialize)]
struct RefundableView {
    eligible: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<Money>,
}

/// A plan as the API shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanView {
    plan_id: String,
    version: u32,
    display: String,
    price: Money,
    data_mb: Option<u64>,
    days: u32,
    flow_type: u8,
    sim_type: &'static str,
    refund_policy: simdock_domain::RefundPolicy,
    form_factors: Vec<FormFactor>,
    imsi_profiles: Vec<String>,
    apn: String,
    countries: Vec<String>,
    add_ons: Vec<simdock_domain::AddOn>,
    withdrawn: bool,
}

/// The level of a pool as the API shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InventoryView {
    pool_id: String,
    operator: String,
    imsi_profile: String,
    form_factor: FormFactor,
    available: u64,
    added: u64,
    drawn: u64,
    alarm_level: u64,
    low: bool,
}

/// An import's verdict as the API shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportView {
    import_id: Option<String>,
    status: &'static str,
    lines: usize,
    accepted: usize,
    rejected: usize,
    added: usize,
    errors: Vec<ErrorView>,
    created_at: Option<String>,
}

/// How many bad lines of an import are shown: an answer of Lambda has 6 MB at most.
pub const MAX_ERRORS: usize = 1000;

/// A bad line of an import as the API shows it.
#[derive(Debug, Serialize)]
pub struct ErrorView {
    line: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    iccid: Option<String>,
    code: String,
    reason: String,
}

impl OrderView {
    /// An order as it stands now; `plan` is the version that it was sold with. Lists leave the cards out. What managers write for
    /// each other, and their names, are for managers.
    pub fn new(order: &Order, plan: &Plan, cards: Option<Vec<CardView>>, reader: &Principal, now: Timestamp) -> Self {
        let for_manager = reader.is_manager();
        let status = order.status(now);
        let void_reason = order.void.or_else(|| order.is_void(now).then_some(VoidReason::NotPaidInTime));
        Self {
            order_num: order.num.to_string(),
            kind: order.kind.name(),
            status: status.code(),
            status_name: status.name(),
            fulfilment: order.fulfilment(now).name(),
            partner_id: order.partner_id.clone(),
            plan_id: order.plan_id.clone(),
            plan_version: order.plan_version,
            display: order.display.clone(),
            add_ons: add_ons(&order.add_on_ids, plan),
            count: order.lines.len(),
            iccids: order.lines.iter().filter_map(|line| line.iccid.as_ref()).map(ToString::to_string).collect(),
            price: order.price(),
            payment: order.payment_method.name(),
            channel: order.channel.name(),
            subscriber: SubscriberView {
                email: order.subscriber.email.as_str().to_owned(),
                name: order.subscriber.name.clone(),
                language: order.subscriber.language.clone(),
                postal_address: order.subscriber.address.clone(),
            },
            line_name: order.line_name.clone(),
            send_email: order.send_email,
            other_order_id: order.other_order_id.clone(),
            other_item_id: order.other_item_id.clone(),
            form_factor: order.form_factor,
            profiles: profiles(order, plan),
            subscription_id: order.subject.as_ref().map(|subject| subject.subscription.clone()),
            renewal: order.kind == OrderType::Renewal,
            renew: u8::from(order.kind == OrderType::Renewal),
            main_order_num: order
                .subject
                .as_ref()
                .filter(|_| order.kind == OrderType::Renewal)
                .map(|subject| subject.main_order.to_string()),
            renew_order_num: order.renewals.iter().map(ToString::to_string).collect(),
            shipment: order.shipment.as_ref().map(|shipment| ShipmentView {
                shipped_at: shipment.at.to_string(),
                carrier: shipment.carrier.clone(),
                number: shipment.number.clone(),
            }),
            note: order.note.clone().filter(|_| for_manager),
            created_at: order.created_at.to_string(),
            pay_until: order.pay_until.to_string(),
            void_reason: void_reason.map(VoidReason::name),
            payments: payments(order),
            refunds: refunds(order),
            owed: order.owed(),
            cards,
            emails: emails(order),
            needs_attention: order.attention().into_iter().map(attention).collect(),
            history: history(order, for_manager),
            version: order.version,
        }
    }
}

/// Where the cards of new lines come from.
fn profiles(order: &Order, plan: &Plan) -> Vec<ProfileName> {
    match order.kind {
        OrderType::ActivateSubscription => {
            let name = |pool: PoolId| ProfileName { operator: pool.operator, imsi_profile: pool.imsi_profile };
            plan.pools(order.form_factor).into_iter().map(name).collect()
        }
        OrderType::TopUpSubscription | OrderType::Renewal | OrderType::CancelSubscription | OrderType::SwapSim => Vec::new(),
    }
}

fn add_ons<'a>(ids: impl IntoIterator<Item = &'a String>, plan: &Plan) -> Vec<AddOnView> {
    let add_on = |id: &String| {
        let add_on = plan.add_ons.iter().find(|add_on| add_on.add_on_id == *id)?;
        Some(AddOnView {
            add_on_id: id.clone(),
            display: add_on.display.clone(),
            kind: add_on.kind.clone().into(),
            amount: add_on.amount,
        })
    };
    ids.into_iter().filter_map(add_on).collect()
}

/// What is valid for a card: what runs or waits there because of the order, or what will. `plan` is that of the order.
fn package(order: &Order, run: Option<&PlanRun>, plan: &Plan) -> Option<PackageView> {
    match run {
        Some(run) => Some(PackageView {
            data_mb: run.allowance(),
            days: run.days,
            add_ons: add_ons(run.add_on_ids.iter().chain(run.extras.iter().flat_map(|extra| &extra.add_on_ids)), plan),
        }),
        None if order.brings_plan() => Some(PackageView {
            data_mb: plan.data_with(&order.add_on_ids),
            days: plan.days,
            add_ons: add_ons(&order.add_on_ids, plan),
        }),
        None => None,
    }
}

fn payments(order: &Order) -> Vec<PaymentView> {
    let view = |payment: &simdock_domain::Payment| PaymentView {
        payment_id: payment.id.clone(),
        provider: payment.provider.name(),
        received: payment.received,
        received_at: payment.at.to_string(),
        outcome: if payment.returned.is_none() { "applied" } else { "returned" },
        reason: payment.returned.map(ReturnReason::name),
    };
    order.payments.iter().map(view).collect()
}

fn refunds(order: &Order) -> Vec<RefundView> {
    let view = |(index, refund): (usize, &simdock_domain::Refund)| RefundView {
        refund_id: order.refund_id(index),
        payment_id: order.payments.get(refund.payment).map(|payment| payment.id.clone()).unwrap_or_default(),
        amount: refund.amount,
        reason: refund.reason.name(),
        status: refund.state.name(),
        iccid: refund.line.and_then(|line| order.lines.get(line)?.iccid.as_ref()).map(ToString::to_string),
        provider_refund_id: refund.provider_id.clone(),
        created_at: refund.at.to_string(),
    };
    order.refunds.iter().enumerate().map(view).collect()
}

fn emails(order: &Order) -> Vec<EmailView> {
    let view = |mail: &simdock_domain::Mail| {
        let (status, sent_at) = match mail.state {
            MailState::Pending(_) => ("pending", None),
            MailState::Sending(_) => ("sending", None),
            MailState::Sent(at) => ("sent", Some(at.to_string())),
            MailState::Failed(_) => ("failed", None),
        };
        EmailView {
            kind: mail.kind.name(),
            status,
            attempts: mail.attempts,
            sent_at,
            event: mail.report.map(|(report, _)| report.name()),
            event_at: mail.report.map(|(_, at)| at.to_string()),
        }
    };
    order.mails.iter().map(view).collect()
}

fn history(order: &Order, for_manager: bool) -> Vec<EntryView> {
    use simdock_domain::Event;
    let view = |entry: &simdock_domain::Entry| EntryView {
        at: entry.at.to_string(),
        event: entry.event.name(),
        by: match entry.event {
            Event::Created | Event::CancellationRequested | Event::Refunded if entry.is_by_manager() => "manager",
            Event::Created | Event::CancellationRequested => "partner",
            Event::Paid => order.paid_by().map_or("payment_provider", |payment| paid_through(order.payments[payment].provider)),
            Event::Refunded | Event::RefundFailed => gave_back(order, entry.note.as_deref().unwrap_or_default()),
            Event::PaymentReturned | Event::Disputed => "payment_provider",
            Event::Voided | Event::Renewed | Event::CancellationOvertaken => "system",
            Event::Shipped
            | Event::ShipmentCorrected
            | Event::RecipientChanged
            | Event::MailRequested
            | Event::Retried
            | Event::Noted => "manager",
            Event::Provisioned
            | Event::ProvisioningDelayed
            | Event::ProvisioningFailed
            | Event::Cancelled
            | Event::CancellationRefused
            | Event::Ended
            | Event::Swapped
            | Event::Retired => "carrier",
            Event::MailSent | Event::MailFailed | Event::MailReported => "mail_system",
        },
        manager: entry.manager.clone().filter(|_| for_manager),
        // Where the manager's name is nowhere else, an earlier version wrote it into the note.
        note: entry.note.clone().filter(|_| for_manager || !entry.unnamed_manager),
    };
    order.history.iter().filter(|entry| for_manager || entry.event != Event::Noted).map(view).collect()
}

fn paid_through(provider: Provider) -> &'static str {
    match provider {
        Provider::Stripe | Provider::Standard => "payment_provider",
        Provider::Balance => "balance",
        Provider::Free => "system",
    }
}

/// Who gave money back, or did not, of what stands first in the note: the balance, if all refunds of so much are of what came from it.
fn gave_back(order: &Order, note: &str) -> &'static str {
    let mut through =
        order.refunds.iter().filter(|refund| note.starts_with(&refund.amount.to_string())).map(|refund| {
            order.payments.get(refund.payment).map_or("payment_provider", |payment| paid_through(payment.provider))
        });
    match through.next() {
        Some("balance") if through.all(|by| by == "balance") => "balance",
        Some(_) | None => "payment_provider",
    }
}

fn attention(attention: Attention) -> AttentionView {
    let detail = match attention {
        Attention::ProvisioningFailed => {
            "What was ordered could not be provisioned: retry it while its money is here, else order it anew, then write a note."
        }
        Attention::MoneyOwed => "Money is owed back.",
        Attention::RefundFailed => {
            "The payment provider will not give money back: retry it, or give it back by other means and note that."
        }
        Attention::PaidBackTwice => {
            "More was given back than was owed, as the history says: ask for it back, or let it be, then write a note."
        }
        Attention::CancellationRefused => {
            "A card was not taken back, as the history says: ask again or tell the subscriber, then write a note."
        }
        Attention::Disputed => "The payer disputes a payment. Answer it at the provider, then write a note.",
        Attention::MailFailed => "A mail could not be sent: correct the address, or retry it.",
        Attention::MailUndelivered => "A mail did not reach its recipient: correct the address, then send it again.",
        Attention::ToShip => "Cards wait to be sent.",
        Attention::MailComplaint => "The recipient complained about a mail: find out what is wrong, then write a note.",
    };
    AttentionView { code: attention.name(), detail }
}

/// A line's card. Its code is shown once it can be used: when the line is live, or at once if `preloaded`, and only with the order that
/// brought it. Of a cancelled card that is back on sale, or somebody else's, nothing is shown but its ICCID.
pub fn card_view(
    order: &Order,
    line: usize,
    sim: &Sim,
    subscription: Option<&Subscription>,
    plan: &Plan,
    preloaded: bool,
    now: Timestamp,
) -> CardView {
    let run = subscription.and_then(|subscription| Some(&subscription.plans[subscription.brought_by(&order.num)?]));
    let dates = run.map_or((None, None), |run| match run.state {
        RunState::Waiting => (None, None),
        RunState::Running { from, until } => (Some(from), Some(until)),
        RunState::Over { from, at, .. } => (from, Some(at)),
    });
    let (status, usable) = match order.lines[line].state {
        LineState::Pending => ("provisioning", preloaded),
        // What a cancellation did.
        LineState::Live if order.kind == OrderType::CancelSubscription => ("ended", false),
        LineState::Live if run.is_some_and(|run| matches!(run.state, RunState::Running { .. })) => ("active", true),
        LineState::Live if sim.profile.installed_at.is_some() => ("installed", true),
        LineState::Live => ("ready", true),
        LineState::Cancelling => ("cancelling", false),
        LineState::Cancelled => ("cancelled", false),
        LineState::Ended => ("ended", true),
        LineState::Failed => ("failed", false),
    };
    // A card that came back is somebody else's by now, whatever the subscription that it had says.
    let carries = subscription.is_some_and(|known| known.iccid == sim.iccid && sim.subscription.as_ref() == Some(&known.id));
    let ours = Some(sim).filter(|sim| sim.order_num.as_ref() == Some(&order.num) || carries);
    // What an operator calls the code of a card that is shipped is none that anybody could download a profile with.
    let downloads = order.kind.takes_cards() && sim.pool.form_factor == FormFactor::Esim;
    let code = ours.and_then(|sim| sim.activation_code.as_ref()).filter(|_| usable && downloads);
    let used = subscription.map_or_else(Used::default, |subscription| used(order, subscription, sim));
    let closed = subscription.and_then(|subscription| subscription.closed_by_others(&order.num));
    let not_eligible = |(code, reason)| RefundableView { eligible: "no", code: Some(code), reason: Some(reason), amount: None };
    let refundable = match (order.refundable(line, plan.refund_policy, used, now), closed) {
        (Refundable::Yes(amount), None) => RefundableView { eligible: "yes", code: None, reason: None, amount: Some(amount) },
        (Refundable::Yes(_), Some(closed)) => not_eligible(closed.explain()),
        (Refundable::No(why), _) => not_eligible(why.explain()),
    };
    CardView {
        iccid: sim.iccid.to_string(),
        subscription_id: subscription.map(|subscription| subscription.id.clone()),
        mobile_number: ours.and_then(|sim| sim.msisdn.as_ref()).map(ToString::to_string),
        sm_dp_address: code.map(|code| code.sm_dp_address().to_owned()),
        activation_code: code.map(|code| code.matching_id().to_owned()),
        code: code.map(ToString::to_string),
        install_urls: code.map(|code| InstallUrls { ios: code.ios_install_url(), android: code.android_install_url() }),
        activate_before: ours.and_then(|sim| sim.activate_before).map(|until| until.to_string()),
        operator: sim.pool.operator.clone(),
        imsi_profile: sim.pool.imsi_profile.clone(),
        package: package(order, run, plan),
        used_mb: run.map_or(0, |run| run.used_mb),
        start_date: dates.0.map(|from| from.to_string()),
        end_date: dates.1.map(|until| until.to_string()),
        apn: plan.apn.clone(),
        eid: ours.and_then(|sim| sim.profile.eid.as_ref()).map(ToString::to_string),
        status,
        refundable,
    }
}

/// A subscription as the API shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SubscriptionView {
    subscription_id: String,
    partner_id: String,
    order_num: String,
    iccid: String,
    mobile_number: Option<String>,
    eid: Option<String>,
    operator: String,
    imsi_profile: String,
    form_factor: FormFactor,
    status: &'static str,
    in_session: &'static str,
    plans: Vec<PlanRunView>,
    past_cards: Vec<PastCardView>,
    open_change: Option<OpenChangeView>,
    order_nums: Vec<String>,
    created_at: String,
    ended_at: Option<String>,
    end_reason: Option<&'static str>,
    line_name: Option<String>,
    display: String,
    service_history: Vec<ServiceEntryView>,
}

#[derive(Debug, Serialize)]
struct ServiceEntryView {
    at: String,
    event: &'static str,
    by: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    manager: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PlanRunView {
    order_num: String,
    plan_id: String,
    plan_version: u32,
    flow_type: u8,
    status: &'static str,
    reason: Option<&'static str>,
    start_date: Option<String>,
    end_date: Option<String>,
    data_mb: Option<u64>,
    used_mb: u32,
    add_on_ids: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PastCardView {
    iccid: String,
    until: String,
    order_num: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OpenChangeView {
    kind: &'static str,
    order_num: String,
    new_iccid: Option<String>,
}

impl SubscriptionView {
    /// A subscription; `sim` is the card that carries it, `main` the order that began it, and `orders` all that have to do with it.
    /// Managers' names are for managers.
    pub fn new(
        subscription: &Subscription,
        sim: Option<&Sim>,
        main: Option<&Order>,
        orders: &[OrderNum],
        reader: &Principal,
    ) -> Self {
        let for_manager = reader.is_manager();
        let sim = sim.filter(|sim| sim.subscription.as_ref() == Some(&subscription.id));
        let plan = |run: &PlanRun| {
            let (status, reason, from, until) = match run.state {
                RunState::Waiting => ("waiting", None, None, None),
                RunState::Running { from, until } => ("running", None, Some(from), Some(until)),
                RunState::Over { from, at, why } => ("over", Some(why.name()), from, Some(at)),
            };
            PlanRunView {
                order_num: run.order.to_string(),
                plan_id: run.plan_id.clone(),
                plan_version: run.plan_version,
                flow_type: run.flow_type.into(),
                status,
                reason,
                start_date: from.map(|at| at.to_string()),
                end_date: until.map(|at| at.to_string()),
                data_mb: run.allowance(),
                used_mb: run.used_mb,
                add_on_ids: run.add_on_ids.iter().chain(run.extras.iter().flat_map(|extra| &extra.add_on_ids)).cloned().collect(),
            }
        };
        Self {
            subscription_id: subscription.id.clone(),
            partner_id: subscription.partner_id.clone(),
            order_num: subscription.main_order.to_string(),
            iccid: subscription.iccid.to_string(),
            mobile_number: sim.and_then(|sim| sim.msisdn.as_ref()).map(ToString::to_string),
            eid: sim.and_then(|sim| sim.profile.eid.as_ref()).map(ToString::to_string),
            operator: subscription.pool.operator.clone(),
            imsi_profile: subscription.pool.imsi_profile.clone(),
            form_factor: subscription.pool.form_factor,
            status: if subscription.ended.is_some() { "ended" } else { subscription.service.name() },
            in_session: InSession::of(subscription.session).name(),
            plans: subscription.plans.iter().map(plan).collect(),
            past_cards: subscription
                .past_cards
                .iter()
                .map(|past| PastCardView {
                    iccid: past.iccid.to_string(),
                    until: past.until.to_string(),
                    order_num: past.order.to_string(),
                })
                .collect(),
            open_change: subscription.open_change.as_ref().map(|change| OpenChangeView {
                kind: change.kind.name(),
                order_num: change.order.to_string(),
                new_iccid: change.new_iccid.as_ref().map(ToString::to_string),
            }),
            order_nums: orders.iter().map(ToString::to_string).collect(),
            created_at: subscription.created_at.to_string(),
            ended_at: subscription.ended.map(|(at, _)| at.to_string()),
            end_reason: subscription.ended.map(|(_, why)| why.name()),
            line_name: main.and_then(|main| main.line_name.clone()),
            display: main.map(|main| main.display.clone()).unwrap_or_default(),
            service_history: subscription.service_history.iter().map(|entry| service_entry(entry, for_manager)).collect(),
        }
    }
}

fn service_entry(entry: &ServiceEntry, for_manager: bool) -> ServiceEntryView {
    let (by, manager) = match &entry.asker {
        None => ("carrier", None),
        Some(ServiceAsker::Partner) => ("partner", None),
        Some(ServiceAsker::Manager(name)) => ("manager", Some(name.clone()).filter(|_| for_manager)),
        Some(ServiceAsker::Rule) => ("rule", None),
    };
    ServiceEntryView { at: entry.at.to_string(), event: entry.event.name(), by, manager }
}

/// A card as the API shows it, whatever order has it. Its code is shown with its order only.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SimView {
    iccid: String,
    status: &'static str,
    pool_id: String,
    operator: String,
    imsi_profile: String,
    form_factor: FormFactor,
    mobile_number: Option<String>,
    eid: Option<String>,
    profile: ProfileView,
    in_session: &'static str,
    order_num: Option<String>,
    subscription_id: Option<String>,
    activate_before: Option<String>,
    sim_type: Option<&'static str>,
    plan_id: Option<String>,
    plan: Option<String>,
    partner_id: Option<String>,
    end_user: Option<String>,
    data_left_mb: Option<u64>,
    unlimited_data: bool,
    days_left: Option<i64>,
    month_mb: u32,
    note: Option<String>,
    labels: Vec<String>,
    rules: RulesView,
    #[serde(skip_serializing_if = "Option::is_none")]
    actions: Option<Vec<ActionView>>,
    edition: u32,
    suspendable: bool,
}

impl SimView {
    /// What partners see of it: what managers wrote about a card, and may do with it, is for managers.
    #[must_use]
    pub fn for_partner(self) -> Self {
        Self { note: None, labels: Vec::new(), rules: RulesView { suspend_at_month_mb: None }, actions: None, edition: 0, ..self }
    }

    /// The same with what can be done with it.
    #[must_use]
    pub fn with_actions(self, actions: Vec<ActionView>) -> Self {
        Self { actions: Some(actions), ..self }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RulesView {
    suspend_at_month_mb: Option<u32>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ProfileView {
    state: Option<&'static str>,
    since: Option<String>,
    installed_at: Option<String>,
    via: Option<&'static str>,
}

impl SimView {
    /// A card as it stands now.
    pub fn new(report: SimReport, now: Timestamp) -> Self {
        let carried = report.carried();
        let (in_session, plan, order) = (report.in_session().name(), report.plan.as_deref(), report.order.as_ref());
        let (data_left_mb, days_left) = (carried.and_then(Subscription::data_left), carried.and_then(|line| line.days_left(now)));
        let unlimited_data = carried.is_some_and(Subscription::has_unlimited_data);
        let month_mb = carried.map_or(0, |line| line.month_mb(now));
        let (sim_type, plan_id) = (plan.map(|plan| plan.sim_type.name()), plan.map(|plan| plan.plan_id.clone()));
        let (partner_id, end_user) =
            (order.map(|order| order.partner_id.clone()), order.map(|order| order.subscriber.email.as_str().to_owned()));
        let plan = plan.map(|plan| plan.display.clone());
        let SimReport { sim, status, suspendable, .. } = report;
        Self {
            iccid: sim.iccid.to_string(),
            status: status.name(),
            pool_id: sim.pool.to_string(),
            operator: sim.pool.operator,
            imsi_profile: sim.pool.imsi_profile,
            form_factor: sim.pool.form_factor,
            mobile_number: sim.msisdn.map(|msisdn| msisdn.to_string()),
            eid: sim.profile.eid.map(|eid| eid.to_string()),
            profile: ProfileView {
                state: sim.profile.state.map(|(state, _)| state.name()),
                since: sim.profile.state.map(|(_, since)| since.to_string()),
                installed_at: sim.profile.installed_at.map(|at| at.to_string()),
                via: sim.profile.via.map(Via::name),
            },
            in_session,
            order_num: sim.order_num.map(|num| num.to_string()),
            subscription_id: sim.subscription,
            activate_before: sim.activate_before.map(|until| until.to_string()),
            sim_type,
            plan_id,
            plan,
            partner_id,
            end_user,
            data_left_mb,
            unlimited_data,
            days_left,
            month_mb,
            note: sim.note,
            labels: sim.labels,
            rules: RulesView { suspend_at_month_mb: sim.rules.suspend_at_month_mb },
            actions: None,
            edition: sim.edition,
            suspendable,
        }
    }
}

impl CardView {
    /// The same without what installs the card.
    #[must_use]
    pub fn without_code(self) -> Self {
        Self { sm_dp_address: None, activation_code: None, code: None, install_urls: None, ..self }
    }

    /// Whether it shows a code, so that the card counts as disclosed.
    pub fn discloses(&self) -> bool {
        self.code.is_some()
    }
}

impl From<&Plan> for PlanView {
    fn from(plan: &Plan) -> Self {
        let mut imsi_profiles: Vec<String> = plan.profiles.iter().map(|profile| profile.imsi_profile.clone()).collect();
        imsi_profiles.sort();
        imsi_profiles.dedup();
        Self {
            plan_id: plan.plan_id.clone(),
            version: plan.version,
            display: plan.display.clone(),
            price: plan.price,
            data_mb: plan.data_mb,
            days: plan.days,
            flow_type: plan.flow_type.into(),
            sim_type: plan.sim_type.name(),
            refund_policy: plan.refund_policy,
            form_factors: plan.form_factors.clone(),
            imsi_profiles,
            apn: plan.apn.clone(),
            countries: plan.countries.clone(),
            add_ons: plan.add_ons.clone(),
            withdrawn: plan.withdrawn,
        }
    }
}

impl From<Level> for InventoryView {
    fn from(level: Level) -> Self {
        Self {
            low: level.is_low(),
            pool_id: level.pool.to_string(),
            operator: level.pool.operator,
            imsi_profile: level.pool.imsi_profile,
            form_factor: level.pool.form_factor,
            available: level.available,
            added: level.added,
            drawn: level.drawn,
            alarm_level: level.alarm_level,
        }
    }
}

impl From<Import> for ImportView {
    fn from(import: Import) -> Self {
        Self {
            import_id: Some(import.id),
            status: match import.status {
                ImportStatus::Running => "running",
                ImportStatus::Done => "done",
            },
            lines: import.lines,
            accepted: import.accepted,
            rejected: import.errors.len(),
            added: import.added,
            errors: import.errors.into_iter().take(MAX_ERRORS).map(ErrorView::from).collect(),
            created_at: Some(import.created_at.to_string()),
        }
    }
}

impl ImportView {
    /// A file that was judged only.
    pub fn checked(accepted: usize, errors: Vec<ImportError>) -> Self {
        Self {
            import_id: None,
            status: "checked",
            lines: accepted + errors.len(),
            accepted,
            rejected: errors.len(),
            added: 0,
            errors: errors.into_iter().take(MAX_ERRORS).map(ErrorView::from).collect(),
            created_at: None,
        }
    }
}

impl From<ImportError> for ErrorView {
    fn from(error: ImportError) -> Self {
        Self { line: error.line, iccid: error.iccid, code: error.code, reason: error.reason }
    }
}

impl ErrorView {
    /// The same, as a member of a problem.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}
