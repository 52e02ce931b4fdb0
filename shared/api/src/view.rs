//! What partners and managers read.

use lambda_http::http::{StatusCode, header};
use lambda_http::{Body, Response};
use serde::Serialize;
use simdock_domain::{
    Attention, LineState, MailState, Money, NotRefundable, Order, Plan, Refundable, ReturnReason, Timestamp, VoidReason,
};
use simdock_store::{Import, ImportError, ImportStatus, Level, Sim};

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
    renewal: bool,
    renew: u8,
    renew_order_num: Vec<String>,
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

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AddOnView {
    add_on_id: String,
    display: String,
    kind: String,
    amount: u32,
}

#[derive(Debug, Serialize)]
struct SubscriberView {
    email: String,
    name: String,
    language: String,
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
    note: Option<String>,
}

/// A card of an order.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CardView {
    iccid: String,
    mobile_number: Option<String>,
    sm_dp_address: Option<String>,
    activation_code: Option<String>,
    code: Option<String>,
    install_urls: Option<InstallUrls>,
    activate_before: Option<String>,
    used_mb: u64,
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
    refund_policy: simdock_domain::RefundPolicy,
    form_factors: Vec<simdock_domain::FormFactor>,
    imsi_profiles: Vec<String>,
    apn: String,
    countries: Vec<String>,
    add_ons: Vec<simdock_domain::AddOn>,
}

/// The level of a pool as the API shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InventoryView {
    pool_id: String,
    operator: String,
    imsi_profile: String,
    form_factor: simdock_domain::FormFactor,
    available: u64,
    added: u64,
    drawn: u64,
}

/// An import's verdict as the API shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportView {
    import_id: String,
    status: &'static str,
    lines: usize,
    accepted: usize,
    rejected: usize,
    added: usize,
    errors: Vec<ErrorView>,
    created_at: String,
}

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
    /// An order as it stands now; `plan` is the version that it was sold with. Lists leave the cards out.
    pub fn new(order: &Order, plan: &Plan, cards: Option<Vec<CardView>>, now: Timestamp) -> Self {
        let status = order.status(now);
        let void_reason = order.void.or_else(|| order.is_void(now).then_some(VoidReason::NotPaidInTime));
        let add_on = |id: &String| {
            let add_on = plan.add_ons.iter().find(|add_on| add_on.add_on_id == *id)?;
            Some(AddOnView {
                add_on_id: id.clone(),
                display: add_on.display.clone(),
                kind: add_on.kind.clone().into(),
                amount: add_on.amount,
            })
        };
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
            add_ons: order.add_on_ids.iter().filter_map(add_on).collect(),
            count: order.lines.len(),
            price: order.price(),
            payment: order.payment_method.name(),
            channel: order.channel.name(),
            subscriber: SubscriberView {
                email: order.subscriber.email.as_str().to_owned(),
                name: order.subscriber.name.clone(),
                language: order.subscriber.language.clone(),
            },
            line_name: order.line_name.clone(),
            send_email: order.send_email,
            other_order_id: order.other_order_id.clone(),
            other_item_id: order.other_item_id.clone(),
            renewal: false,
            renew: 0,
            renew_order_num: Vec::new(),
            created_at: order.created_at.to_string(),
            pay_until: order.pay_until.to_string(),
            void_reason: void_reason.map(VoidReason::name),
            payments: payments(order),
            refunds: refunds(order),
            owed: order.owed(),
            cards,
            emails: emails(order),
            needs_attention: order.attention().into_iter().map(attention).collect(),
            history: history(order),
            version: order.version,
        }
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

fn history(order: &Order) -> Vec<EntryView> {
    use simdock_domain::Event;
    let view = |entry: &simdock_domain::Entry| EntryView {
        at: entry.at.to_string(),
        event: entry.event.name(),
        by: match entry.event {
            Event::Created | Event::CancellationRequested if entry.by_manager => "manager",
            Event::Created | Event::CancellationRequested => "partner",
            Event::Paid | Event::PaymentReturned | Event::Refunded | Event::RefundFailed | Event::Disputed => "payment_provider",
            Event::Voided => "system",
            Event::Provisioned
            | Event::ProvisioningDelayed
            | Event::ProvisioningFailed
            | Event::Cancelled
            | Event::CancellationRefused => "carrier",
            Event::MailSent | Event::MailFailed | Event::MailReported => "mail_system",
        },
        note: entry.note.clone(),
    };
    order.history.iter().map(view).collect()
}

fn attention(attention: Attention) -> AttentionView {
    let detail = match attention {
        Attention::ProvisioningFailed => "A card could not be provisioned and was set aside.",
        Attention::MoneyOwed => "Money is owed back.",
        Attention::RefundFailed => "The payment provider will not give money back: somebody has to.",
        Attention::MailFailed => "A mail could not be sent.",
        Attention::MailUndelivered => "A mail did not reach its recipient.",
        Attention::MailComplaint => "The recipient complained about a mail.",
    };
    AttentionView { code: attention.name(), detail }
}

/// A line's card. Its code is shown once it can be used: when the line is live, or at once if `preloaded`. Of a cancelled card
/// that is back on sale, or somebody else's, nothing is shown but its ICCID.
pub fn card_view(order: &Order, line: usize, sim: &Sim, plan: &Plan, preloaded: bool, now: Timestamp) -> CardView {
    let state = order.lines[line].state;
    let (status, usable) = match state {
        LineState::Pending => ("provisioning", preloaded),
        LineState::Live => ("ready", true),
        LineState::Cancelling => ("cancelling", false),
        LineState::Cancelled => ("cancelled", false),
        LineState::Ended => ("ended", true),
        LineState::Failed => ("failed", false),
    };
    let ours = Some(sim).filter(|sim| sim.order_num.as_ref() == Some(&order.num));
    let code = ours.and_then(|sim| sim.activation_code.as_ref()).filter(|_| usable);
    let refundable = match order.refundable(line, plan.refund_policy, now) {
        Refundable::Yes(amount) => RefundableView { eligible: "yes", code: None, reason: None, amount: Some(amount) },
        Refundable::No(why) => {
            let (code, reason) = NotRefundable::explain(why);
            RefundableView { eligible: "no", code: Some(code), reason: Some(reason), amount: None }
        }
    };
    CardView {
        iccid: sim.iccid.to_string(),
        mobile_number: ours.and_then(|sim| sim.msisdn.as_ref()).map(ToString::to_string),
        sm_dp_address: code.map(|code| code.sm_dp_address().to_owned()),
        activation_code: code.map(|code| code.matching_id().to_owned()),
        code: code.map(ToString::to_string),
        install_urls: code.map(|code| InstallUrls { ios: code.ios_install_url(), android: code.android_install_url() }),
        activate_before: ours.and_then(|sim| sim.activate_before).map(|until| until.to_string()),
        used_mb: 0,
        start_date: None,
        end_date: None,
        apn: plan.apn.clone(),
        eid: None,
        status,
        refundable,
    }
}

impl CardView {
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
            refund_policy: plan.refund_policy,
            form_factors: plan.form_factors.clone(),
            imsi_profiles,
            apn: plan.apn.clone(),
            countries: plan.countries.clone(),
            add_ons: plan.add_ons.clone(),
        }
    }
}

impl From<Level> for InventoryView {
    fn from(level: Level) -> Self {
        Self {
            pool_id: level.pool.to_string(),
            operator: level.pool.operator,
            imsi_profile: level.pool.imsi_profile,
            form_factor: level.pool.form_factor,
            available: level.available,
            added: level.added,
            drawn: level.drawn,
        }
    }
}

impl From<Import> for ImportView {
    fn from(import: Import) -> Self {
        Self {
            import_id: import.id,
            status: match import.status {
                ImportStatus::Running => "running",
                ImportStatus::Done => "done",
            },
            lines: import.lines,
            accepted: import.accepted,
            rejected: import.errors.len(),
            added: import.added,
            errors: import.errors.into_iter().map(ErrorView::from).collect(),
            created_at: import.created_at.to_string(),
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
