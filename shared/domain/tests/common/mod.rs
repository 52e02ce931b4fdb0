//! A small world for the tests: plans, orders on their way, subscriptions.

#![allow(dead_code, reason = "each suite uses its part")]

use serde_json::{Value, json};
use simdock_domain::*;

pub const DAY: i64 = 86_400;
const START: i64 = 1_795_341_600; // 2026-11-22T10:00:00Z

pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(START + seconds)
}

pub fn eur(amount: i64) -> Money {
    Money { amount, currency: "EUR".parse().unwrap() }
}

pub fn iccid(number: u64) -> Iccid {
    Iccid::with_check_digit(&format!("890990{number:012}")).unwrap()
}

pub fn address(city: &str) -> PostalAddress {
    PostalAddress {
        lines: vec!["Rua 1".into()],
        city: city.into(),
        region: None,
        postal_code: Some("1100-001".into()),
        country: "PT".into(),
    }
}

fn plan_with(id: &str, changes: &Value) -> Plan {
    let mut plan = json!({
        "planId": id, "version": 1, "display": id, "price": {"amount": 1450, "currency": "EUR"},
        "dataMb": 5120, "days": 30, "flowType": 1, "refundPolicy": {"kind": "until_activation"},
        "formFactors": ["esim", "physical"], "profiles": [{"operator": "meridian", "imsiProfile": "7", "cost": 410}],
        "apn": "internet", "countries": ["ES"],
        "addOns": [
            {"addOnId": "data-1gb", "display": "1 GB", "kind": "data", "price": {"amount": 300, "currency": "EUR"}, "amount": 1024},
            {"addOnId": "voice-eu", "display": "EU", "kind": "voice_eu", "price": {"amount": 200, "currency": "EUR"}, "amount": 60},
            {"addOnId": "voice-far", "display": "Far", "kind": "voice_far", "price": {"amount": 250, "currency": "EUR"}, "amount": 60},
        ],
    });
    plan.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    serde_json::from_value(plan).unwrap()
}

/// Sold once; works in Spain; 30 days.
pub fn one_off() -> Plan {
    plan_with("once", &json!({}))
}

/// Sold once; works in Japan.
pub fn far_away() -> Plan {
    plan_with("far", &json!({"countries": ["JP"]}))
}

/// Can be renewed.
pub fn renewable() -> Plan {
    plan_with("monthly", &json!({"flowType": 0, "swapPrice": {"amount": 500, "currency": "EUR"}}))
}

/// Can be renewed; its time stands still while suspended.
pub fn pausing() -> Plan {
    plan_with("patient", &json!({"flowType": 0, "pausesWhenSuspended": true}))
}

/// On cards of another profile.
pub fn other_profile() -> Plan {
    plan_with("asia", &json!({"flowType": 0, "profiles": [{"operator": "meridian", "imsiProfile": "10", "cost": 410}]}))
}

pub fn pool(form_factor: FormFactor) -> PoolId {
    PoolId::new("meridian", "7", form_factor).unwrap()
}

pub fn num(name: &str) -> OrderNum {
    OrderNum::derive("demo", "POST /v1/orders", name)
}

pub fn draft(count: u32) -> Draft {
    Draft {
        count,
        form_factor: FormFactor::Esim,
        wanted: Vec::new(),
        address: None,
        gift: None,
        add_on_ids: Vec::new(),
        payment_method: PaymentMethod::Card,
        channel: Channel::Web,
        email: "ana@example.com".parse().unwrap(),
        name: "Ana".into(),
        language: "en".into(),
        line_name: None,
        send_email: true,
        other_order_id: None,
        other_item_id: None,
    }
}

pub fn physical(count: u32) -> Draft {
    Draft { form_factor: FormFactor::Physical, address: Some(address("Lisboa")), ..draft(count) }
}

pub fn place(name: &str, draft: Draft, plan: &Plan, now: Timestamp) -> Order {
    Order::place(num(name), "demo", draft, plan, "fingerprint".into(), now).unwrap()
}

pub fn change_draft(change: SubscriptionChange) -> ChangeDraft {
    ChangeDraft {
        change,
        payment_method: PaymentMethod::Card,
        channel: Channel::Partner,
        send_email: true,
        other_order_id: None,
        other_item_id: None,
    }
}

pub fn change(
    name: &str,
    change: SubscriptionChange,
    subscription: &Subscription,
    main: &Order,
    plan: &Plan,
    now: Timestamp,
) -> Result<Order, PlaceError> {
    Order::change(num(name), change_draft(change), subscription, main, plan, "fingerprint".into(), now)
}

pub fn receive(id: &str, received: Money, cards: Cards) -> Command {
    Command::Receive { provider: Provider::Stripe, payment_id: id.into(), received, cards }
}

/// Paid with what it costs, with cards from this number on where it takes some.
pub fn pay(order: &Order, first: u64, now: Timestamp) -> Order {
    let count = if order.kind.takes_cards() { order.lines.len() as u64 } else { 0 };
    let cards = Cards::Drawn((first..first + count).map(iccid).collect());
    decide(order, receive(&format!("pi_{}", order.num), order.price(), cards), now).unwrap()
}

pub fn provision(order: &Order, now: Timestamp) -> Order {
    decide(order, Command::Provisioned((0..order.lines.len()).collect()), now).unwrap()
}

pub fn failed(line: usize) -> Command {
    Command::ProvisioningFailed { line, reason: "unknown card".into() }
}

/// A paid and provisioned order of one card, and its subscription.
pub fn begun(plan: &Plan, now: Timestamp) -> (Order, Subscription) {
    begun_with(draft(1), plan, now)
}

pub fn begun_with(draft: Draft, plan: &Plan, now: Timestamp) -> (Order, Subscription) {
    let pool = pool(draft.form_factor);
    let order = provision(&pay(&place("main", draft, plan, now), 1, now), now);
    let subscription = Subscription::begin(&order, 0, iccid(1), pool, Some(now.plus_seconds(180 * DAY)), plan, now);
    (order, subscription)
}

pub fn renewal() -> SubscriptionChange {
    SubscriptionChange::Renewal { add_on_ids: Vec::new() }
}

pub fn more() -> SubscriptionChange {
    SubscriptionChange::Plan { add_on_ids: Vec::new() }
}

pub fn add_ons(ids: &[&str]) -> SubscriptionChange {
    SubscriptionChange::AddOns { add_on_ids: ids.iter().map(ToString::to_string).collect() }
}

pub fn esim_swap() -> SubscriptionChange {
    SubscriptionChange::Swap { form_factor: FormFactor::Esim, address: None }
}

/// The subscription with what a change brought, and its paid and provisioned order.
pub fn added(
    name: &str,
    what: SubscriptionChange,
    subscription: &Subscription,
    main: &Order,
    plan: &Plan,
    now: Timestamp,
) -> (Order, Subscription) {
    let order = provision(&pay(&change(name, what, subscription, main, plan, now).unwrap(), 0, now), now);
    let next = subscription.add(&order, plan, now).unwrap();
    (order, next)
}

pub fn everywhere(_: &PlanRun) -> bool {
    true
}

pub fn in_spain(run: &PlanRun) -> bool {
    run.plan_id != "far"
}

pub fn in_japan(run: &PlanRun) -> bool {
    run.plan_id == "far"
}

/// A report from everywhere, told at once.
pub fn told(subscription: &Subscription, report: Report, when: Timestamp) -> Subscription {
    subscription.report(report, when, everywhere, when).unwrap()
}

pub fn usage(used_mb: u32) -> Report {
    Report::Usage { plan: None, used_mb }
}

pub fn over(why: OverReason) -> Report {
    Report::Over { plan: None, why }
}

pub fn running(from: i64, until: i64) -> RunState {
    RunState::Running { from: at(from), until: at(until) }
}

pub fn ended(from: i64, end: i64, why: OverReason) -> RunState {
    RunState::Over { from: Some(at(from)), at: at(end), why }
}

pub fn states(subscription: &Subscription) -> Vec<RunState> {
    subscription.plans.iter().map(|run| run.state).collect()
}
