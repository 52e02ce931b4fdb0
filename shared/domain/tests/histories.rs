//! Random histories of a small world: orders of every type on a few subscriptions, workers that crash, messages that come late or
//! twice, time that jumps. After every step what the design promises holds, restated here in other words than the code's.
//!
//! `PROPTEST_CASES=20000 cargo test -p simdock-domain --test histories` looks longer.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::*;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use simdock_domain::*;
use std::collections::{BTreeMap, BTreeSet};

/// How many histories a run tells, unless `PROPTEST_CASES` says otherwise.
const HISTORIES: u32 = 2500;
/// How many orders a history has at most; with few, more happens to each.
const ORDERS: usize = 7;

/// One step: what happens, and three numbers that say to whom and how.
type Step = (u8, u16, u16, u16);

/// What becomes of what somebody has done, when they want to record it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Recorded,
    /// They vanish before they record it.
    Lost,
    Twice,
    /// Their word comes later.
    Late,
}

/// How willing the others are.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Luck {
    Good,
    Delay,
    Refuse,
}

/// A refund as the provider has it.
#[derive(Clone, Debug)]
struct Given {
    order: usize,
    payment: usize,
    amount: i64,
    provider_id: String,
    state: GivenState,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum GivenState {
    Pending,
    Given,
    Returned,
}

#[derive(Default)]
struct World {
    now: i64,
    orders: Vec<Order>,
    subscriptions: BTreeMap<String, Subscription>,
    stock: Vec<Iccid>,
    /// Cards that are on a phone, and those that their carrier has stopped.
    installed: BTreeSet<Iccid>,
    stopped: BTreeSet<Iccid>,
    /// By the order's own id of the refund, or the provider's where the order has none.
    provider: BTreeMap<String, Given>,
    /// Orders of which money went back at the provider without this system.
    meddled: BTreeSet<usize>,
    /// Lines that were live, by order and place.
    were_live: BTreeSet<(usize, usize)>,
    late: Vec<(usize, Command)>,
    /// Counts what gets an id.
    named: u32,
    /// What happened, where somebody wants to read it.
    log: Option<Vec<String>>,
}

macro_rules! note {
    ($world:ident, $($words:tt)+) => {
        if let Some(log) = &mut $world.log {
            log.push(format!($($words)+));
        }
    };
}

type Outcome = Result<(), TestCaseError>;

fn plans() -> [Plan; 3] {
    [renewable(), one_off(), pausing()]
}

fn plan_of(order: &Order) -> Plan {
    plans().into_iter().find(|plan| plan.plan_id == order.plan_id).unwrap()
}

fn pick<T>(all: &[T], number: u16) -> Option<&T> {
    all.get(usize::from(number).checked_rem(all.len())?)
}

fn fate(number: u16) -> Fate {
    [Fate::Recorded, Fate::Recorded, Fate::Recorded, Fate::Lost, Fate::Twice, Fate::Late][usize::from(number % 6)]
}

fn luck(number: u16) -> Luck {
    [Luck::Good, Luck::Good, Luck::Good, Luck::Delay, Luck::Refuse][usize::from(number % 5)]
}

// What the design promises, in other words.

/// The design's table of statuses.
fn status_by_the_design(order: &Order, now: Timestamp) -> i8 {
    if !order.payments.iter().any(|payment| payment.returned.is_none()) {
        return if order.void.is_some() || order.pay_until <= now { 3 } else { -1 };
    }
    let unsettled = |line: usize| {
        order.refunds.iter().any(|refund| {
            let (received, given, _) = sums(order, refund.payment);
            let open = matches!(refund.state, RefundState::Due(_) | RefundState::Requested(_) | RefundState::Failed);
            refund.line == Some(line) && open && given < received
        })
    };
    let (mut c, mut x, mut e, mut going) = (0, 0, 0, 0);
    for (index, line) in order.lines.iter().enumerate() {
        match line.state {
            LineState::Pending | LineState::Live => going += 1,
            LineState::Cancelling => c += 1,
            LineState::Cancelled => x += 1,
            LineState::Ended => e += 1,
            LineState::Failed => *(if unsettled(index) { &mut c } else { &mut x }) += 1,
        }
    }
    match (c, x, e, going) {
        (0, 0, _, 1..) | (0, 0, 0, 0) => 0,
        (1.., _, 0, 0) => 6,
        (1.., ..) => 7,
        (0, 1.., 0, 0) => 2,
        (0, 1.., _, 1..) => 4,
        (0, _, 1.., 0) => 5,
        other => unreachable!("{other:?}"),
    }
}

/// Received, given back and still owed of a payment.
fn sums(order: &Order, payment: usize) -> (i64, i64, i64) {
    let (mut given, mut owed) = (0, 0);
    for refund in order.refunds.iter().filter(|refund| refund.payment == payment) {
        match refund.state {
            RefundState::Succeeded => given += refund.amount.amount,
            RefundState::Due(_) | RefundState::Requested(_) => owed += refund.amount.amount,
            RefundState::Failed if refund.reason != ReturnReason::Elsewhere => owed += refund.amount.amount,
            RefundState::Failed | RefundState::Withdrawn => {}
        }
    }
    (order.payments[payment].received.amount, given, owed)
}

/// What is owed by what `owed()` says; the tests know one currency that prices are in and another that is always wrong.
fn owed_in(order: &Order, currency: &str) -> i64 {
    order.owed().iter().filter(|owed| owed.currency.as_str() == currency).map(|owed| owed.amount).sum()
}

/// `meddled` tells that money of the order went back at the provider without this system.
fn hold(order: &Order, meddled: bool, now: Timestamp) -> Outcome {
    prop_assert_eq!(order.status(now).code(), status_by_the_design(order, now));
    for payment in 0..order.payments.len() {
        let (received, given, owed) = sums(order, payment);
        prop_assert!(given <= received, "more went back than came in: {:?}", order.refunds);
        // Somebody who gives money back by hand does not ask what is owed; then what is left is owed at most.
        prop_assert!(meddled || given + owed <= received, "more is owed than is there: {:?}", order.refunds);
    }
    for currency in ["EUR", "USD"] {
        let payments = (0..order.payments.len()).filter(|place| order.payments[*place].received.currency.as_str() == currency);
        let owed: i64 =
            payments.map(|payment| sums(order, payment)).map(|(received, given, owed)| owed.min(received - given)).sum();
        prop_assert_eq!(owed_in(order, currency), owed, "received is kept, given back and owed: {:?}", order.refunds);
    }
    let accepted = order.payments.iter().filter(|payment| payment.returned.is_none()).count();
    prop_assert!(accepted <= 1);
    prop_assert_eq!(uncalled(order), [], "what it needs is called for by nobody");
    let attention = next_attention(order);
    if due(order, now).is_empty() {
        prop_assert!(attention.is_some() || outstanding(order).is_empty());
    } else {
        prop_assert!(attention.is_some_and(|when| when <= now.plus_seconds(QUIET)), "work is due and nobody will look");
    }
    Ok(())
}

fn follows(before: &Order, after: &Order) -> Outcome {
    prop_assert_eq!(after.version, before.version + 1);
    prop_assert_eq!(&after.num, &before.num);
    for (was, is) in before.lines.iter().zip(&after.lines) {
        if matches!(was.state, LineState::Cancelled | LineState::Ended) {
            prop_assert_eq!(was.state, is.state, "a line came back");
        }
        prop_assert_eq!(was.amount, is.amount);
        prop_assert!(was.iccid.is_none() || was.iccid == is.iccid, "a line changed its card");
    }
    prop_assert!(after.payments.starts_with(&before.payments), "a payment was forgotten");
    prop_assert!(after.history.starts_with(&before.history));
    prop_assert!(after.refunds.len() >= before.refunds.len());
    Ok(())
}

fn subscription_holds(before: &Subscription, after: &Subscription) -> Outcome {
    prop_assert_eq!(after.version, before.version + 1);
    let open = after.plans.iter().filter(|run| run.is_open()).count();
    prop_assert!(open <= MAX_OPEN_PLANS);
    prop_assert!(after.ended.is_none() || open == 0, "it ended and something runs on");
    let mut spans: Vec<(Timestamp, Timestamp)> = Vec::new();
    for run in after.plans.iter().filter(|run| run.flow_type == FlowType::Renewable) {
        match run.state {
            RunState::Running { from, until } => spans.push((from, until)),
            RunState::Over { from: Some(from), at, .. } => spans.push((from, at)),
            RunState::Over { from: None, .. } | RunState::Waiting => {}
        }
    }
    spans.sort_unstable();
    prop_assert!(spans.iter().all(|(from, until)| from <= until), "{:?}", spans);
    prop_assert!(spans.windows(2).all(|two| two[0].1 <= two[1].0), "renewables overlap: {:?}", spans);
    for run in &after.plans {
        if let RunState::Running { from, .. } = run.state {
            prop_assert!(run.bought_at <= from, "a plan ran before it was bought");
        }
    }
    let mut closed: Vec<(OrderNum, usize)> = Vec::new();
    for run in before.plans.iter().filter(|run| run.is_open()) {
        if !after.plans.iter().any(|other| other.order == run.order && other.line == run.line && other.is_open()) {
            closed.push((run.order.clone(), run.line));
            closed.extend(run.extras.iter().map(|extra| (extra.order.clone(), 0)));
        }
    }
    let told: Vec<(OrderNum, usize)> = before.closed_by(after).into_iter().map(|(order, line, _)| (order, line)).collect();
    prop_assert_eq!(told, closed);
    Ok(())
}

// The world.

impl World {
    fn at(&self) -> Timestamp {
        at(self.now)
    }

    fn find(&self, num: &OrderNum) -> Option<usize> {
        self.orders.iter().position(|order| order.num == *num)
    }

    /// Gives commands to an order, as one change; whether it changed.
    fn give(&mut self, index: usize, commands: Vec<Command>) -> Result<bool, TestCaseError> {
        let before = self.orders[index].clone();
        let now = self.at();
        let Ok(after) = decide_all(&before, commands.clone(), now) else {
            note!(self, "{} order {index} refuses {commands:?}", self.now);
            return Ok(false);
        };
        note!(self, "{} order {index} takes {commands:?}: {:?}", self.now, after.status(now));
        follows(&before, &after)?;
        hold(&after, self.meddled.contains(&index), now)?;
        for command in commands {
            let again = decide(&after, command.clone(), now);
            prop_assert!(again.is_err(), "{:?} changes something when it comes again", command);
        }
        self.orders[index] = after;
        self.keep_in_step(index, &before)?;
        Ok(true)
    }

    fn record(&mut self, index: usize, commands: Vec<Command>, fate: Fate) -> Outcome {
        match fate {
            Fate::Recorded => drop(self.give(index, commands)?),
            Fate::Lost => {}
            Fate::Twice => {
                self.give(index, commands.clone())?;
                self.give(index, commands)?;
            }
            Fate::Late => self.late.extend(commands.into_iter().map(|command| (index, command))),
        }
        Ok(())
    }

    /// Writes a subscription, and has the orders follow whose plans are over by that.
    fn put(&mut self, next: &Subscription, plans_over: bool) -> Outcome {
        let before = std::mem::replace(self.subscriptions.get_mut(&next.id).unwrap(), next.clone());
        note!(self, "{} {} is now {:?} {:?} {:?}", self.now, next.id, states(next), next.open_change, next.ended);
        subscription_holds(&before, next)?;
        for run in next.plans.iter().filter(|run| run.is_open()) {
            let order = self.find(&run.order).map(|index| &self.orders[index]);
            let astray = order.map(|order| run.astray(order, &plan_of(order)));
            prop_assert!(astray.as_ref().is_none_or(Vec::is_empty), "a plan is not as it was sold: {:?}", astray);
        }
        for (num, line, why) in before.closed_by(next) {
            if plans_over && let Some(index) = self.find(&num) {
                self.give(index, vec![Command::PlanOver { line, why }])?;
            }
        }
        Ok(())
    }

    fn end(&mut self, id: &str, by: usize, why: EndReason) -> Outcome {
        let Some(before) = self.subscriptions.get(id).cloned() else { return Ok(()) };
        let Ok(ended) = before.end(why, self.at()) else { return Ok(()) };
        let closed = before.closed_by(&ended);
        self.put(&ended, false)?;
        for (num, line, _) in closed {
            if let Some(index) = self.find(&num)
                && index != by
            {
                let used = self.used(index, line, &before);
                let policy = plan_of(&self.orders[index]).refund_policy;
                self.give(index, vec![Command::SubscriptionOver { line, policy, used }])?;
            }
        }
        Ok(())
    }

    fn used(&self, index: usize, line: usize, subscription: &Subscription) -> Used {
        let order = &self.orders[index];
        let on_phone = order.lines[line].iccid.as_ref().is_some_and(|iccid| self.installed.contains(iccid));
        Used { installed: order.kind.takes_cards() && on_phone, activated: subscription.has_begun(&order.num) }
    }

    /// What an order's change means for its subscriptions and cards.
    fn keep_in_step(&mut self, index: usize, before: &Order) -> Outcome {
        let order = self.orders[index].clone();
        let now = self.at();
        for (line, (was, is)) in before.lines.iter().zip(&order.lines).enumerate().filter(|(_, (was, is))| was.state != is.state)
        {
            let id = order.subscription_of(line);
            let subscription = self.subscriptions.get(&id).cloned();
            if is.state == LineState::Live {
                self.were_live.insert((index, line));
            }
            match (order.kind, was.state, is.state) {
                (OrderType::ActivateSubscription, LineState::Pending, LineState::Live) => {
                    let (iccid, deadline) = (is.iccid.clone().unwrap(), Some(now.plus_seconds(90 * DAY)));
                    let pool = pool(order.form_factor);
                    let new = Subscription::begin(&order, line, iccid, pool, deadline, &plan_of(&order), now);
                    self.subscriptions.entry(id).or_insert(new);
                }
                (OrderType::ActivateSubscription, LineState::Cancelling, LineState::Cancelled) => {
                    self.end(&id, index, EndReason::Refunded)?;
                    self.put_away(is.iccid.clone(), order.form_factor);
                }
                (OrderType::SwapSim, LineState::Cancelling, LineState::Cancelled) => {
                    self.release(&id, &order.num)?;
                    self.put_away(is.iccid.clone(), order.form_factor);
                }
                (OrderType::SwapSim | OrderType::CancelSubscription, LineState::Pending, LineState::Failed) => {
                    self.release(&id, &order.num)?;
                }
                (
                    OrderType::ActivateSubscription | OrderType::TopUpSubscription | OrderType::Renewal,
                    LineState::Cancelling,
                    LineState::Live | LineState::Pending,
                ) => {
                    self.release(&id, &order.num)?;
                    // What was over meanwhile could not be told to a line that was being cancelled.
                    let over = subscription.and_then(|subscription| {
                        let run = subscription.brought_by(&order.num).map(|place| subscription.plans[place].state);
                        matches!(run, Some(RunState::Over { .. })).then_some(OverReason::Expired)
                    });
                    if let Some(why) = over {
                        self.give(index, vec![Command::PlanOver { line, why }])?;
                    }
                }
                (OrderType::TopUpSubscription | OrderType::Renewal, _, LineState::Failed | LineState::Cancelled) => {
                    if let Some(Ok(without)) = subscription.map(|subscription| subscription.remove(&order.num, now)) {
                        self.put(&without, false)?;
                    }
                }
                (OrderType::CancelSubscription, LineState::Pending, LineState::Live) => {
                    self.end(&id, index, EndReason::Cancelled)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A card that nobody can use any more: back on sale if its code never left.
    fn put_away(&mut self, iccid: Option<Iccid>, form_factor: FormFactor) {
        if form_factor == FormFactor::Physical {
            self.stock.extend(iccid);
        }
    }

    fn release(&mut self, id: &str, order: &OrderNum) -> Outcome {
        match self.subscriptions.get(id).map(|subscription| subscription.release(order)) {
            Some(Ok(free)) => self.put(&free, false),
            Some(Err(_)) | None => Ok(()),
        }
    }

    // Customers.

    fn place(&mut self, (_, a, b, c): Step) -> Outcome {
        if self.orders.len() == ORDERS {
            return Ok(());
        }
        let count = u32::from(a % 3) + 1;
        let mut draft = if b % 3 == 0 { physical(count) } else { draft(count) };
        draft.send_email = c % 4 != 0;
        if c % 5 == 0 && self.stock.len() >= count as usize {
            draft.wanted = self.stock.iter().rev().take(count as usize).cloned().collect();
        }
        let name = format!("order {}", self.orders.len());
        let order = place(&name, draft, pick(&plans(), c).unwrap(), self.at());
        hold(&order, false, self.at())?;
        self.orders.push(order);
        Ok(())
    }

    fn change(&mut self, (_, a, b, c): Step) -> Outcome {
        let ids: Vec<String> = self.subscriptions.keys().cloned().collect();
        let Some(subscription) = pick(&ids, a).map(|id| self.subscriptions[id].clone()) else { return Ok(()) };
        if self.orders.len() == ORDERS {
            return Ok(());
        }
        let what = match b % 6 {
            0 | 1 => renewal(),
            2 => more(),
            3 => add_ons(&["data-1gb"]),
            4 => esim_swap(),
            _ => SubscriptionChange::Cancellation,
        };
        let main = &self.orders[self.find(&subscription.main_order).unwrap()];
        let name = format!("order {}", self.orders.len());
        if let Ok(order) = change(&name, what, &subscription, main, pick(&plans(), c).unwrap(), self.at()) {
            hold(&order, false, self.at())?;
            self.orders.push(order);
        }
        Ok(())
    }

    fn pay(&mut self, (_, a, b, c): Step) -> Outcome {
        let Some(order) = pick(&self.orders, a).cloned() else { return Ok(()) };
        let index = usize::from(a) % self.orders.len();
        let received = match b % 8 {
            0 => eur(order.price().amount + 1),
            1 => Money { amount: order.price().amount, currency: "USD".parse().unwrap() },
            _ => order.price(),
        };
        let known = order.payments.last().filter(|_| c % 4 == 0).map(|payment| payment.id.clone());
        let payment_id = known.unwrap_or_else(|| {
            self.named += 1;
            format!("pi_{}", self.named)
        });
        let provider = if c % 3 == 0 { Provider::Balance } else { Provider::Stripe };
        let cards = match order.intake(&payment_id, received, self.at()) {
            Intake::Known | Intake::Returns(_) => Cards::NotDrawn,
            Intake::Pays(count) => self.draw(&order, count)?,
        };
        let drawn = if let Cards::Drawn(cards) = &cards { cards.clone() } else { Vec::new() };
        let took = self.give(index, vec![Command::Receive { provider, payment_id, received, cards }])?;
        prop_assert!(took || drawn.is_empty(), "cards were drawn for nothing");
        Ok(())
    }

    /// What a payment takes along: cards out of stock, and the subscription's consent.
    fn draw(&mut self, order: &Order, count: usize) -> Result<Cards, TestCaseError> {
        let mut cards: Vec<Iccid> = Vec::new();
        if count > 0 {
            cards = if order.wanted.is_empty() {
                self.stock.iter().rev().take(count).cloned().collect()
            } else {
                order.wanted.iter().filter(|wanted| self.stock.contains(wanted)).cloned().collect()
            };
            if cards.len() < count {
                return Ok(Cards::SoldOut);
            }
        }
        if let Some(subject) = &order.subject {
            let subscription = self.subscriptions[&subject.subscription].clone();
            let open = |kind, new_iccid| OpenChange {
                kind,
                order: order.num.clone(),
                new_iccid,
                until: self.at().plus_seconds(SWAP_WINDOW),
            };
            let mut paid = order.clone();
            paid.payments.push(Payment {
                id: "to come".into(),
                provider: Provider::Stripe,
                received: order.price(),
                at: self.at(),
                returned: None,
            });
            let next = match order.kind {
                OrderType::TopUpSubscription | OrderType::Renewal => subscription.add(&paid, &plan_of(order), self.at()),
                OrderType::SwapSim => subscription.claim(open(ChangeKind::Swap, cards.first().cloned())),
                OrderType::CancelSubscription => subscription.claim(open(ChangeKind::Cancellation, None)),
                OrderType::ActivateSubscription => unreachable!("it changes nothing"),
            };
            match next {
                Ok(next) => self.put(&next, false)?,
                Err(_) => return Ok(Cards::Closed),
            }
        }
        self.stock.retain(|card| !cards.contains(card));
        Ok(Cards::Drawn(cards))
    }

    fn cancel(&mut self, (_, a, b, _): Step) -> Outcome {
        let Some(order) = pick(&self.orders, a) else { return Ok(()) };
        let index = usize::from(a) % self.orders.len();
        let chosen = (0..order.lines.len()).filter(|line| b >> line & 1 == 0);
        let used = |line| self.subscriptions.get(&order.subscription_of(line)).map(|found| self.used(index, line, found));
        let lines = chosen.map(|line| (line, used(line).unwrap_or_default())).collect();
        let policy = plan_of(order).refund_policy;
        self.give(index, vec![Command::Cancel { lines, policy, note: "no".into() }])?;
        Ok(())
    }

    fn install(&mut self, (_, a, ..): Step) -> Outcome {
        let of_order = |order: &Order| order.kind.takes_cards() && order.is_paid();
        let lines = self.orders.iter().enumerate().filter(|(_, order)| of_order(order));
        let cards: Vec<(usize, Iccid)> = lines
            .flat_map(|(index, order)| order.lines.iter().filter_map(move |line| Some((index, line.iccid.clone()?))))
            .collect();
        let Some((index, card)) = pick(&cards, a).cloned() else { return Ok(()) };
        if self.stopped.contains(&card) || self.stock.contains(&card) {
            return Ok(());
        }
        note!(self, "{} {card} is installed", self.now);
        self.installed.insert(card.clone());
        if self.orders[index].kind == OrderType::SwapSim {
            let id = self.orders[index].subscription_of(0);
            let subscription = &self.subscriptions[&id];
            if let Ok(next) = subscription.swapped(&card, subscription.pool.clone(), self.at()) {
                let swapped = self.give(index, vec![Command::Swapped])?;
                prop_assert!(swapped, "the subscription goes with the card and its order does not");
                self.put(&next, false)?;
            }
        }
        Ok(())
    }

    fn report(&mut self, (_, a, b, c): Step) -> Outcome {
        let ids: Vec<String> = self.subscriptions.keys().cloned().collect();
        let Some(subscription) = pick(&ids, a).map(|id| self.subscriptions[id].clone()) else { return Ok(()) };
        let when = at(self.now - i64::from(c % 5) * 40_000);
        let plan = Some(usize::from(c / 5 % 3)).filter(|_| c % 2 == 0);
        let report = match b % 7 {
            0 => Report::Attached,
            1 => Report::Session(c % 3 > 0),
            2 => Report::Usage { plan, used_mb: u32::from(c) },
            3 | 4 => Report::Usage { plan, used_mb: 9000 },
            5 => Report::Over { plan, why: OverReason::UsedUp },
            _ => Report::Over { plan, why: OverReason::Expired },
        };
        match subscription.report(report, when, everywhere, self.at()) {
            Ok(next) => {
                note!(self, "{} {} hears {report:?} of {when}", self.now, next.id);
                let again = next.report(report, when, everywhere, self.at());
                prop_assert!(
                    again.is_err(),
                    "{:?} of {} changes something when it comes again: {:?}",
                    report,
                    when,
                    again.map(|s| states(&s))
                );
                self.put(&next, true)
            }
            Err(_) => Ok(()),
        }
    }

    fn serve(&mut self, (_, a, b, _): Step) -> Outcome {
        let ids: Vec<String> = self.subscriptions.keys().cloned().collect();
        let Some(subscription) = pick(&ids, a).map(|id| self.subscriptions[id].clone()) else { return Ok(()) };
        let next = match (subscription.service, b % 4) {
            (Service::On, _) => subscription.want_service(false, ServiceAsker::Partner, self.at()),
            (Service::Suspended { .. }, _) => subscription.want_service(true, ServiceAsker::Partner, self.at()),
            (Service::Suspending { .. } | Service::Resuming { .. }, 0) => subscription.service_delayed(None, self.at()),
            (Service::Suspending { .. } | Service::Resuming { .. }, 1) => subscription.service_refused(self.at()),
            (Service::Suspending { .. } | Service::Resuming { .. }, _) => subscription.service_changed(self.at()),
        };
        next.map_or(Ok(()), |next| self.put(&next, true))
    }

    // Workers.

    fn work(&mut self, index: usize, job: Job, lucks: [Luck; 2], fate: Fate) -> Outcome {
        let order = self.orders[index].clone();
        let lines = |state| (0..order.lines.len()).filter(move |line| order.lines[*line].state == state).collect::<Vec<_>>();
        match job {
            Job::Provision => {
                let mut done = Vec::new();
                let mut commands = Vec::new();
                for (place, line) in lines(LineState::Pending).into_iter().enumerate() {
                    match lucks[place % 2] {
                        Luck::Good => done.push(line),
                        Luck::Refuse => commands.push(failed(line)),
                        Luck::Delay => {
                            commands.push(Command::ProvisioningDelayed { reason: "busy".into(), retry_after: None });
                        }
                    }
                }
                commands.dedup();
                if !done.is_empty() {
                    commands.insert(0, Command::Provisioned(done));
                }
                self.record(index, commands, fate)
            }
            Job::Revoke => {
                let mut commands = Vec::new();
                for line in lines(LineState::Cancelling) {
                    if let Some(command) = self.revoke(index, line, lucks[line % 2])? {
                        commands.push(command);
                    }
                }
                commands.dedup();
                self.record(index, commands, fate)
            }
            Job::Retire => {
                let command = match lucks[0] {
                    Luck::Good => {
                        self.stopped.extend(self.orders[index].subject.clone().map(|subject| subject.iccid));
                        Command::Retired
                    }
                    Luck::Delay | Luck::Refuse => Command::RetirementDelayed { retry_after: None },
                };
                self.record(index, vec![command], fate)
            }
            Job::Refund => {
                for refund in 0..self.orders[index].refunds.len() {
                    self.refund(index, refund, lucks, fate)?;
                }
                Ok(())
            }
            Job::Mail => {
                let mails = mails_due(&self.orders[index], self.at());
                if !self.give(index, mails.iter().copied().map(Command::ClaimMail).collect())? {
                    return Ok(());
                }
                let told = |(place, kind): (usize, &MailKind)| match lucks[place % 2] {
                    Luck::Good => Command::MailSent(*kind),
                    Luck::Delay => Command::MailDelayed(*kind),
                    Luck::Refuse => Command::MailRefused { kind: *kind, reason: "MessageRejected".into() },
                };
                self.record(index, mails.iter().enumerate().map(told).collect(), fate)
            }
        }
    }

    /// Has the carrier take a line back. What it did once it did, and what is on a phone it leaves there.
    fn revoke(&mut self, index: usize, line: usize, luck: Luck) -> Result<Option<Command>, TestCaseError> {
        let order = self.orders[index].clone();
        let provisioned = self.were_live.contains(&(index, line));
        let refused = Command::RevocationRefused { line, provisioned, overtaken: false, reason: "installed meanwhile".into() };
        if luck == Luck::Delay {
            return Ok(Some(Command::RevocationDelayed { retry_after: None }));
        }
        if order.kind == OrderType::ActivateSubscription
            && let Some(subscription) = self.subscriptions.get(&order.subscription_of(line))
        {
            let until = self.at().plus_seconds(600);
            let change = OpenChange { kind: ChangeKind::Refund, order: order.num.clone(), new_iccid: None, until };
            match subscription.claim(change) {
                Ok(next) => self.put(&next, false)?,
                Err(Rejected::Closed(closed)) => {
                    return Ok(Some(Command::RevocationRefused {
                        line,
                        provisioned: true,
                        overtaken: true,
                        reason: closed.explain().0.into(),
                    }));
                }
                Err(_) => {}
            }
        }
        let Some(card) = order.lines[line].iccid.clone().filter(|_| order.kind.takes_cards()) else {
            return Ok(Some(if luck == Luck::Good { Command::Revoked { line } } else { refused }));
        };
        if self.stopped.contains(&card) {
            return Ok(Some(Command::Revoked { line }));
        }
        if self.installed.contains(&card) || luck == Luck::Refuse {
            return Ok(Some(refused));
        }
        self.stopped.insert(card);
        Ok(Some(Command::Revoked { line }))
    }

    /// What a provider has left of a payment.
    fn left(&self, index: usize, payment: usize) -> i64 {
        let of_payment = |given: &&Given| given.order == index && given.payment == payment && given.state != GivenState::Returned;
        let gone: i64 = self.provider.values().filter(of_payment).map(|given| given.amount).sum();
        self.orders[index].payments[payment].received.amount - gone
    }

    fn hand_out(&mut self, name: String, index: usize, refund: &Refund, state: GivenState) -> String {
        self.named += 1;
        let provider_id = format!("re_{}", self.named);
        note!(self, "{} the provider gives {} as {provider_id}: {state:?}", self.now, refund.amount);
        let given = Given {
            order: index,
            payment: refund.payment,
            amount: refund.amount.amount,
            provider_id: provider_id.clone(),
            state,
        };
        self.provider.insert(name, given);
        provider_id
    }

    fn refund(&mut self, index: usize, place: usize, [luck, how]: [Luck; 2], fate: Fate) -> Outcome {
        let now = self.at();
        let refund = self.orders[index].refunds[place].clone();
        let name = self.orders[index].refund_id(place);
        if self.orders[index].payments[refund.payment].provider == Provider::Balance {
            // The balance changes in the same transaction.
            if matches!(refund.state, RefundState::Due(when) if when <= now)
                && self.give(index, vec![Command::RefundSucceeded { refund: place, provider_id: None }])?
            {
                self.hand_out(name, index, &refund, GivenState::Given);
            }
            return Ok(());
        }
        match refund.state {
            RefundState::Due(when) if when <= now => {
                if !self.give(index, vec![Command::AskRefund { refund: place }])? {
                    return Ok(());
                }
            }
            RefundState::Requested(since) if since.plus_seconds(REFUND_PATIENCE) <= now => {}
            _ => return Ok(()),
        }
        let there = self.provider.get(&name).map(|given| (given.state, given.provider_id.clone()));
        let delayed = Command::RefundDelayed { refund: place };
        let command = match (there, luck) {
            (Some((GivenState::Given, id)), Luck::Good | Luck::Refuse) => {
                Command::RefundSucceeded { refund: place, provider_id: Some(id) }
            }
            (Some((GivenState::Pending, id)), Luck::Good | Luck::Refuse) => {
                Command::RefundTaken { refund: place, provider_id: id }
            }
            (Some(_), Luck::Delay) => delayed,
            // What failed there stays failed under its name.
            (Some((GivenState::Returned, id)), Luck::Good | Luck::Refuse) => {
                Command::RefundRefused { refund: place, provider_id: Some(id), reason: "account closed".into() }
            }
            (None, luck) => {
                let enough = self.left(index, refund.payment) >= refund.amount.amount;
                match (luck, how) {
                    (Luck::Refuse, _) => Command::RefundRefused { refund: place, provider_id: None, reason: "no".into() },
                    (Luck::Good, _) if !enough => {
                        Command::RefundRefused { refund: place, provider_id: None, reason: "not enough left".into() }
                    }
                    (Luck::Good, Luck::Delay) => {
                        let id = self.hand_out(name, index, &refund, GivenState::Pending);
                        Command::RefundTaken { refund: place, provider_id: id }
                    }
                    (Luck::Good, Luck::Good | Luck::Refuse) => {
                        let id = self.hand_out(name, index, &refund, GivenState::Given);
                        Command::RefundSucceeded { refund: place, provider_id: Some(id) }
                    }
                    // The answer is cut off after it acted.
                    (Luck::Delay, Luck::Good) if enough => {
                        self.hand_out(name, index, &refund, GivenState::Given);
                        delayed
                    }
                    (Luck::Delay, _) => delayed,
                }
            }
        };
        // A refusal that is recorded when somebody else was luckier meanwhile is put right by the provider's own word, which this
        // world does not have.
        let stale = matches!(command, Command::RefundRefused { .. }) && fate == Fate::Late;
        self.record(index, vec![command], if stale { Fate::Lost } else { fate })
    }

    /// The provider tells of a refund that was pending, or that came back from the bank; or somebody gives money back by hand.
    fn at_the_provider(&mut self, (_, a, b, c): Step) -> Outcome {
        let fate = if c % 3 == 0 { Fate::Late } else { Fate::Recorded };
        let names: Vec<String> = self.provider.keys().cloned().collect();
        if b % 2 == 0
            && let Some(name) = pick(&names, a)
        {
            let given = self.provider.get_mut(name).unwrap();
            let (index, id) = (given.order, given.provider_id.clone());
            let order = &self.orders[index];
            let Some(refund) = (0..order.refunds.len())
                .find(|place| order.refund_id(*place) == *name || order.refunds[*place].provider_id.as_ref() == Some(&id))
            else {
                return Ok(());
            };
            let known =
                order.refunds[refund].state == RefundState::Succeeded && order.refunds[refund].provider_id.as_ref() == Some(&id);
            let returned = Command::RefundRefused { refund, provider_id: Some(id.clone()), reason: "account closed".into() };
            return match given.state {
                GivenState::Pending if b % 3 == 0 => {
                    given.state = GivenState::Returned;
                    self.record(index, vec![returned], fate)
                }
                GivenState::Pending => {
                    given.state = GivenState::Given;
                    self.record(index, vec![Command::RefundSucceeded { refund, provider_id: Some(id) }], fate)
                }
                GivenState::Given if known && b % 5 == 0 && order.payments[given.payment].provider != Provider::Balance => {
                    given.state = GivenState::Returned;
                    self.meddled.insert(index);
                    // Else what is on record is behind what the provider has, and nothing can be said about it.
                    self.record(index, vec![returned], Fate::Recorded)
                }
                GivenState::Given => Ok(()),
                // An older word of it comes late, or once more; whatever settled it since, it stays failed.
                GivenState::Returned => {
                    self.record(index, vec![Command::RefundSucceeded { refund, provider_id: Some(id) }], fate)
                }
            };
        }
        let Some(order) = pick(&self.orders, a) else { return Ok(()) };
        let index = usize::from(a) % self.orders.len();
        let Some(payment) = order.payments.iter().position(|payment| payment.provider == Provider::Stripe) else { return Ok(()) };
        let (payment_id, received) = (order.payments[payment].id.clone(), order.payments[payment].received);
        if b % 5 == 1 {
            let dispute = Command::Disputed { payment_id, reason: format!("reason {}", c % 2) };
            return self.record(index, vec![dispute], fate);
        }
        let left = self.left(index, payment);
        let amount = if c % 2 == 0 { left } else { left / 2 };
        if amount == 0 {
            return Ok(());
        }
        self.named += 1;
        let id = format!("by hand {}", self.named);
        let amount = Money { amount, ..received };
        self.meddled.insert(index);
        note!(self, "{} somebody gives back {amount} of order {index} as {id}", self.now);
        let given = Given { order: index, payment, amount: amount.amount, provider_id: id.clone(), state: GivenState::Given };
        self.provider.insert(id.clone(), given);
        self.record(index, vec![Command::RefundedElsewhere { payment_id, provider_id: id, amount }], fate)
    }

    fn manage(&mut self, (_, a, b, c): Step) -> Outcome {
        let ships = |order: &Order| b % 10 == 0 && order.is_to_ship();
        let index = self.orders.iter().position(ships).unwrap_or(usize::from(a) % self.orders.len().max(1));
        let Some(order) = self.orders.get(index) else { return Ok(()) };
        let kind = *pick(MailKind::ALL, c).unwrap();
        let to = (c % 3 == 0).then(|| "bea@example.com".parse().unwrap());
        let line = usize::from(c) % order.lines.len();
        let command = match b % 10 {
            9 => return self.give_back_by_hand(index),
            0 => Command::Ship { carrier: "Correios".into(), number: "1".into(), at: None },
            1 => Command::EditRecipient(Recipient { name: Some(format!("Ana {}", c % 2)), ..Recipient::default() }),
            2 => Command::SendAgain { kind, to, asked: None },
            3 | 4 => Command::Retry,
            5 => Command::Note(format!("note {}", c % 3)),
            6 => Command::MailReported { kind, report: *pick(MailReport::ALL, c).unwrap() },
            7 => Command::Provisioned(vec![line]),
            _ => Command::GiveUp(VoidReason::InsufficientBalance),
        };
        self.give(index, vec![command])?;
        Ok(())
    }

    /// A refund of an order that failed, and is owed.
    fn failed_refund(&self, index: usize) -> Option<usize> {
        let order = &self.orders[index];
        (0..order.refunds.len())
            .find(|place| order.refunds[*place].state == RefundState::Failed && order.is_owed(&order.refunds[*place]))
    }

    /// Somebody transfers what the provider refused, and notes that. They have looked it up there: it has not given it after all.
    fn give_back_by_hand(&mut self, index: usize) -> Outcome {
        let Some(place) = self.failed_refund(index) else { return Ok(()) };
        let refund_id = self.orders[index].refund_id(place);
        let payment = self.orders[index].refunds[place].payment;
        let there = self.provider.get(&refund_id).is_some_and(|given| given.state != GivenState::Returned);
        if there || self.left(index, payment) < self.orders[index].refunds[place].amount.amount {
            return Ok(());
        }
        self.named += 1;
        let reference = format!("SEPA {}", self.named);
        if self.give(index, vec![Command::RefundedByHand { refund_id, reference: reference.clone() }])? {
            let (amount, state) = (self.orders[index].refunds[place].amount.amount, GivenState::Given);
            let given = Given { order: index, payment, amount, provider_id: reference.clone(), state };
            self.provider.insert(reference, given);
            self.meddled.insert(index);
        }
        Ok(())
    }

    fn sweep(&mut self) -> Outcome {
        for index in 0..self.orders.len() {
            if self.orders[index].is_void(self.at()) {
                self.give(index, vec![Command::Expire])?;
            }
        }
        for id in self.subscriptions.keys().cloned().collect::<Vec<_>>() {
            let installed = self.installed.contains(&self.subscriptions[&id].iccid);
            if let Ok(next) = self.subscriptions[&id].tick(installed, self.at()) {
                self.put(&next, true)?;
            }
            let change = self.subscriptions[&id].open_change.clone().filter(|change| change.until <= self.at());
            if let Some(index) =
                change.filter(|change| change.kind == ChangeKind::Swap).and_then(|change| self.find(&change.order))
            {
                self.give(index, vec![Command::Abandon])?;
            }
        }
        Ok(())
    }

    fn step(&mut self, step: Step) -> Outcome {
        let (what, a, b, c) = step;
        match what {
            0..=9 => self.place(step),
            10..=27 => self.change(step),
            28..=52 => self.pay(step),
            53..=110 => {
                let now = self.at();
                let jobs: Vec<(usize, Job)> = self
                    .orders
                    .iter()
                    .enumerate()
                    .flat_map(|(index, order)| due(order, now).into_iter().map(move |job| (index, job)))
                    .collect();
                match pick(&jobs, a).copied() {
                    Some((index, job)) => self.work(index, job, [luck(b), luck(b / 5)], fate(c)),
                    None => Ok(()),
                }
            }
            111..=125 if !self.late.is_empty() => {
                let (index, command) = self.late.remove(usize::from(a) % self.late.len());
                self.give(index, vec![command]).map(drop)
            }
            126..=145 => self.cancel(step),
            146..=165 => self.install(step),
            166..=195 => self.report(step),
            196..=210 => self.serve(step),
            211..=218 => self.at_the_provider(step),
            219..=235 => self.manage(step),
            236..=240 => self.sweep(),
            _ => {
                self.now += [1, 60, 600, 3600, 6 * 3600, DAY, 9 * DAY, 31 * DAY][usize::from(a % 8)];
                Ok(())
            }
        }
    }

    /// No card is with two orders at once, or on sale while it is with one.
    fn cards_hold(&self) -> Outcome {
        let mut seen = BTreeSet::new();
        for order in self.orders.iter().filter(|order| order.kind.takes_cards() && order.is_paid()) {
            for line in &order.lines {
                if matches!(line.state, LineState::Pending | LineState::Live | LineState::Cancelling) {
                    let iccid = line.iccid.clone().unwrap();
                    prop_assert!(!self.stock.contains(&iccid), "{} is on sale", iccid);
                    prop_assert!(seen.insert(iccid.clone()), "{} was sold twice", iccid);
                }
            }
        }
        let mut once = self.stock.clone();
        once.sort();
        once.dedup();
        prop_assert_eq!(once.len(), self.stock.len());
        Ok(())
    }

    /// Everybody does what is due, as often as it takes, and then nothing is left to be done.
    fn come_to_rest(&mut self) -> Outcome {
        for (index, command) in std::mem::take(&mut self.late) {
            self.give(index, vec![command])?;
        }
        for _ in 0..200 {
            // The provider settles what it took on, and its events tell of all that it gave, also where its answer was lost.
            let news = |given: &Given| match given.state {
                GivenState::Pending => true,
                GivenState::Given => {
                    let order = &self.orders[given.order];
                    order.payments[given.payment].provider != Provider::Balance
                        && !order.refunds.iter().any(|refund| refund.provider_id.as_ref() == Some(&given.provider_id))
                }
                GivenState::Returned => false,
            };
            let news: Vec<String> = self.provider.iter().filter(|(_, given)| news(given)).map(|(name, _)| name.clone()).collect();
            for name in news {
                let given = self.provider.get_mut(&name).unwrap();
                given.state = GivenState::Given;
                let (index, id) = (given.order, given.provider_id.clone());
                let order = &self.orders[index];
                let refund = (0..order.refunds.len()).find(|place| order.refund_id(*place) == name).unwrap();
                self.give(index, vec![Command::RefundSucceeded { refund, provider_id: Some(id) }])?;
            }
            self.sweep()?;
            for index in 0..self.orders.len() {
                // What is done may call for more, but not for ever.
                for _ in 0..8 {
                    for job in due(&self.orders[index], self.at()) {
                        self.work(index, job, [Luck::Good, Luck::Good], Fate::Recorded)?;
                    }
                }
                let jobs = due(&self.orders[index], self.at());
                prop_assert!(jobs.is_empty(), "{:?} of order {} stays undone", jobs, index);
                self.settle_by_hand(index)?;
            }
            match self.orders.iter().filter_map(next_attention).min() {
                Some(next) => self.now = self.now.max(next.seconds_since(at(0))),
                None => return Ok(()),
            }
        }
        prop_assert!(false, "it does not come to rest");
        Ok(())
    }

    /// A manager looks after refunds that failed: has them tried again, or gives back by hand what is left.
    fn settle_by_hand(&mut self, index: usize) -> Outcome {
        let Some(place) = self.failed_refund(index) else { return Ok(()) };
        let order = &self.orders[index];
        let refund = &order.refunds[place];
        let (payment, left) = (refund.payment, self.left(index, refund.payment));
        // It may have been given after all, by somebody whose word was overtaken.
        let given = self.provider.get(&order.refund_id(place)).is_some_and(|given| given.state == GivenState::Given);
        if given || left >= refund.amount.amount {
            return self.give(index, vec![Command::Retry]).map(drop);
        }
        let (payment_id, amount) = (order.payments[payment].id.clone(), Money { amount: left, ..refund.amount });
        self.named += 1;
        let provider_id = format!("the rest {}", self.named);
        let state = GivenState::Given;
        let given = Given { order: index, payment, amount: left, provider_id: provider_id.clone(), state };
        self.provider.insert(provider_id.clone(), given);
        self.give(index, vec![Command::RefundedElsewhere { payment_id, provider_id, amount }]).map(drop)
    }

    /// When all is done nobody waits, and the money is where it belongs.
    fn is_at_rest(&self) -> Outcome {
        for (index, order) in self.orders.iter().enumerate() {
            prop_assert_eq!(outstanding(order), []);
            prop_assert_eq!(order.owed(), []);
            let waits = |line: &Line| matches!(line.state, LineState::Pending | LineState::Cancelling);
            prop_assert!(!order.is_paid() || !order.lines.iter().any(waits));
            for payment in 0..order.payments.len() {
                let (received, given, _) = sums(order, payment);
                let really: i64 = self
                    .provider
                    .values()
                    .filter(|given| given.order == index && given.payment == payment && given.state == GivenState::Given)
                    .map(|given| given.amount)
                    .sum();
                prop_assert_eq!(given, really, "the order and the provider agree");
                let kept: i64 = if order.payments[payment].returned.is_some() {
                    0
                } else {
                    let stays = |line: &&Line| matches!(line.state, LineState::Live | LineState::Ended);
                    order.lines.iter().filter(stays).map(|line| line.amount).sum()
                };
                if !self.meddled.contains(&index) {
                    prop_assert_eq!(received - given, kept, "what was delivered is kept, no more and no less");
                }
            }
        }
        for subscription in self.subscriptions.values() {
            for run in subscription.plans.iter().filter(|run| run.is_open()) {
                let order = &self.orders[self.find(&run.order).unwrap()];
                prop_assert!(order.lines[run.line].state == LineState::Live, "a plan runs for nothing: {:?}", order.lines);
            }
        }
        Ok(())
    }
}

fn tell(steps: Vec<Step>, log: Option<Vec<String>>) -> Outcome {
    let mut world = World { log, stock: (1..=8).map(iccid).collect(), ..World::default() };
    // Something to begin with: a card that works, and an order of two.
    let setting = [(0, 0, 1, 6), (0, 1, 1, 1), (30, 0, 2, 1), (30, 1, 2, 1)];
    let told = (|| {
        for step in setting {
            world.step(step)?;
        }
        world.work(0, Job::Provision, [Luck::Good, Luck::Good], Fate::Recorded)?;
        for step in steps {
            world.step(step)?;
            let now = world.at();
            for (index, order) in world.orders.iter().enumerate() {
                hold(order, world.meddled.contains(&index), now)?;
            }
            world.cards_hold()?;
        }
        world.come_to_rest()?;
        world.is_at_rest()
    })();
    told.map_err(|error| TestCaseError::fail(format!("{error}\n{}", world.log.unwrap_or_default().join("\n"))))
}

#[test]
fn whatever_happens_the_promises_hold() {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(HISTORIES);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let steps = proptest::collection::vec(any::<Step>(), 10..90);
    match TestRunner::new(config).run(&steps, |steps| tell(steps, None)) {
        Ok(()) => {}
        Err(TestError::Fail(reason, steps)) => {
            let told = tell(steps.clone(), Some(Vec::new())).map_or_else(|error| error.to_string(), |()| reason.to_string());
            panic!("{told}\n{steps:?}");
        }
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}
