//! Subscriptions, and what is open on them.

use crate::{Books, Check, Rule};
use simdock_domain::{ChangeKind, LineState, OpenChange, OrderNum, OrderType, PlanRun, RunState, ServiceEvent, Subscription};
use simdock_store::{Place, SimState, Stored};
use std::collections::BTreeSet;

/// By how much an operator's clock may differ from ours, in seconds.
const CLOCKS: i64 = 86_400;

pub fn neighbours(subscription: &Subscription, books: &Books) -> BTreeSet<Place> {
    let mut places = BTreeSet::from([Place::order(&subscription.main_order), Place::sim(&subscription.iccid)]);
    places.extend(subscription.past_cards.iter().map(|past| Place::sim(&past.iccid)));
    let open = subscription.plans.iter().filter(|plan| plan.is_open());
    for (num, _) in open.flat_map(brought_by) {
        places.insert(Place::order(num));
        places.extend(books.order(num).map(|order| Place::plan_version(&order.plan_id, order.plan_version)));
    }
    places.extend(subscription.open_change.iter().map(|change| Place::order(&change.order)));
    places
}

/// The orders that brought a plan and its add-ons, and their lines.
fn brought_by(plan: &PlanRun) -> impl Iterator<Item = (&OrderNum, usize)> {
    std::iter::once((&plan.order, plan.line)).chain(plan.extras.iter().map(|extra| (&extra.order, 0)))
}

impl Check<'_> {
    pub(crate) fn subscription(&mut self, stored: &Stored<Subscription>) {
        let subscription = &stored.record;
        let ended = subscription.ended.is_some();
        self.indexed(stored, subscription.next_attention());
        self.hold(Rule::Plans, self.books.is_there(&Place::order(&subscription.main_order)), || {
            format!("its main order {} does not exist", subscription.main_order)
        });
        self.can_tell(Rule::Owner, &Place::order(&subscription.main_order));
        if let Some(main) = self.books.order(&subscription.main_order) {
            self.hold(Rule::Owner, main.partner_id == subscription.partner_id, || {
                format!("it is {}'s, and its main order {} is {}'s", subscription.partner_id, main.num, main.partner_id)
            });
            let began = main.kind == OrderType::ActivateSubscription
                && (0..main.lines.len()).any(|line| main.subscription_of(line) == subscription.id);
            self.hold(Rule::Plans, began, || format!("it did not begin with its main order {}", main.num));
        }
        for plan in subscription.plans.iter().filter(|plan| plan.is_open()) {
            let early =
                matches!(plan.state, RunState::Running { from, .. } if from.plus_seconds(CLOCKS) < subscription.created_at);
            self.hold(Rule::Plans, !early, || format!("plan {} began to run before it did", plan.plan_id));
            self.hold(Rule::Plans, !ended, || format!("it has ended, and plan {} is open", plan.plan_id));
            for (num, line) in brought_by(plan) {
                self.open_plan(subscription, num, line);
            }
            self.entitled(plan);
        }
        let running = subscription.plans.iter().filter(|plan| matches!(plan.state, RunState::Running { .. })).count();
        self.hold(Rule::Plans, running <= 1, || format!("{running} of its plans run at once"));
        if ended {
            let there = self.books.is_there(&Place::sim(&subscription.iccid));
            self.hold(Rule::Carrier, there, || format!("its card {} does not exist", subscription.iccid));
            self.hold(Rule::Carrier, subscription.service.is_on(), || "it has ended, and is suspended".to_owned());
        } else if self.can_tell(Rule::Carrier, &Place::sim(&subscription.iccid)) {
            let carried = self.books.sim(&subscription.iccid).is_some_and(|sim| {
                let ours = sim.subscription.as_ref() == Some(&subscription.id);
                ours && sim.state == SimState::Active && sim.pool == subscription.pool
            });
            self.hold(Rule::Carrier, carried, || format!("its card {} does not carry it", subscription.iccid));
            // Until the first phone attaches, and while its card is the first that it had.
            let card = self.books.sim(&subscription.iccid).and_then(|sim| sim.activate_before);
            self.hold(Rule::Carrier, subscription.activate_before.is_none_or(|day| card == Some(day)), || {
                "it and its card tell of different last days to install".to_owned()
            });
        }
        let told = subscription.service_history.last().filter(|_| !ended).map(|entry| entry.event);
        let fits = match told {
            Some(ServiceEvent::Suspended) => !subscription.service.is_on(),
            Some(ServiceEvent::Resumed) => subscription.service.is_on(),
            Some(ServiceEvent::SuspensionRequested | ServiceEvent::ResumptionRequested | ServiceEvent::Refused) | None => true,
        };
        self.hold(Rule::Carrier, fits, || {
            format!("its service is {}, and what came of it last is another", subscription.service.name())
        });
        for past in &subscription.past_cards {
            if !self.can_tell(Rule::Carrier, &Place::sim(&past.iccid)) {
                continue;
            }
            let retired = self.books.sim(&past.iccid).is_some_and(|sim| sim.state == SimState::Retired);
            self.hold(Rule::Carrier, retired, || format!("a card that it had, {}, is not retired", past.iccid));
        }
        if let Some(change) = &subscription.open_change {
            self.hold(Rule::Change, !ended, || "it has ended, and is kept for a change".to_owned());
            self.change(subscription, change);
        }
    }

    fn open_plan(&mut self, subscription: &Subscription, num: &OrderNum, line: usize) {
        if !self.can_tell(Rule::Plans, &Place::order(num)) {
            return;
        }
        let Some(order) = self.books.order(num) else {
            return self.say(Rule::Plans, format!("it has what {num} brought, which does not exist"));
        };
        let state = order.lines.get(line).map(|line| line.state);
        let open = match state {
            Some(LineState::Pending | LineState::Live | LineState::Cancelling) => order.is_paid(),
            Some(LineState::Cancelled | LineState::Ended | LineState::Failed) | None => false,
        };
        self.hold(Rule::Plans, open && order.subscription_of(line) == subscription.id, || {
            format!("it has what line {line} of {num} brought, which is {state:?}")
        });
    }

    /// An open plan and its add-ons are those that were sold.
    fn entitled(&mut self, run: &PlanRun) {
        let books = self.books;
        let mut sold = |num: &OrderNum| {
            let order = books.order(num)?;
            self.can_tell(Rule::Plans, &Place::plan_version(&order.plan_id, order.plan_version));
            Some((order, books.plan(order)?))
        };
        let (of_plan, of_extras): (_, Vec<_>) = (sold(&run.order), run.extras.iter().map(|extra| sold(&extra.order)).collect());
        if let Some((order, plan)) = of_plan {
            let astray = run.astray(order, plan);
            self.hold(Rule::Plans, astray.is_empty(), || {
                format!("plan {} is not as {} brought it: {}", run.plan_id, run.order, astray.join(", "))
            });
        }
        for (extra, sold) in run.extras.iter().zip(of_extras) {
            let Some((order, plan)) = sold else { continue };
            let same = extra.add_on_ids == order.add_on_ids && extra.data_mb == plan.data_of(&order.add_on_ids);
            self.hold(Rule::Plans, same, || {
                format!("the add-ons of plan {} are not as {} brought them", run.plan_id, extra.order)
            });
        }
    }

    fn change(&mut self, subscription: &Subscription, change: &OpenChange) {
        if !self.can_tell(Rule::Change, &Place::order(&change.order)) {
            return;
        }
        let order = self.books.order(&change.order);
        let under_way = order.is_some_and(|order| {
            let line = (0..order.lines.len()).find(|line| order.subscription_of(*line) == subscription.id);
            let Some(line) = line.map(|line| &order.lines[line]) else { return false };
            match change.kind {
                ChangeKind::Swap => {
                    let open = matches!(line.state, LineState::Pending | LineState::Live | LineState::Cancelling);
                    order.kind == OrderType::SwapSim && line.iccid == change.new_iccid && open && !order.has_swapped()
                }
                ChangeKind::Cancellation => order.kind == OrderType::CancelSubscription && line.state == LineState::Pending,
                // A job that is delivered twice may keep it for a moment longer; what nobody frees, the sweep does at its time.
                ChangeKind::Refund => {
                    order.num == subscription.main_order
                        && (line.state == LineState::Cancelling || self.now < change.until.plus_seconds(crate::PATIENCE))
                }
            }
        });
        self.hold(Rule::Change, under_way, || {
            format!("it is kept for a {} by {}, which is not under way", change.kind.name(), change.order)
        });
    }
}
