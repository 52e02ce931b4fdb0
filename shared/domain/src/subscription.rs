//! A subscription as a value: the card that carries it, the plans on it, and what is about to change on it.
//!
//! Orders say what was bought and paid; the subscription says what of it runs. Like an order it is decided on without a clock
//! or a database, and every write is conditioned on the version before.

mod reports;
mod run;
mod service;
mod usage;

pub use reports::Report;
pub use run::{Extra, OverReason, PlanRun, RunState};
pub use service::{Service, ServiceAsker, ServiceEntry, ServiceEvent};
pub use usage::MonthUse;

use crate::{AddOn, AddOnError, AddOnKind, Iccid, MAX_DATA_ADD_ONS, Order, OrderNum, Plan, PoolId, Rejected, Timestamp};
use serde::{Deserialize, Serialize};

/// How long a swapped SIM may wait to be installed before the swap is abandoned, in seconds: 30 days.
pub const SWAP_WINDOW: i64 = 30 * 86_400;

/// How long a cancellation or a refund may keep other changes away before the sweep looks what became of it, in seconds.
const CANCELLATION_WINDOW: i64 = 600;

/// The most plans that wait or run on a subscription at once; beyond that, operators refuse (1GLOBAL: 15 per ICCID).
pub const MAX_OPEN_PLANS: usize = 15;

/// The most orders whose plans and add-ons wait or run on a subscription at once: all that ends with it has to fit into the 100 items
/// of a transaction, with the subscription, its card and the order that ends it.
pub const MAX_OPEN_ORDERS: usize = 90;

/// What a subscriber has: a line with a number, a card and plans.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subscription {
    /// Names it: `SU` and 16 characters.
    #[serde(rename = "subscriptionId")]
    pub id: String,
    /// Whose customer the subscriber is.
    #[serde(rename = "partnerId")]
    pub partner_id: String,
    /// The order that began it; renewals hang on it.
    #[serde(rename = "mo")]
    pub main_order: OrderNum,
    /// Which operator, IMSI profile and form factor the card is of.
    #[serde(rename = "po")]
    pub pool: PoolId,
    /// The card that carries it now.
    #[serde(rename = "ic")]
    pub iccid: Iccid,
    /// The cards that carried it before, the oldest first.
    #[serde(rename = "pc", default, skip_serializing_if = "Vec::is_empty")]
    pub past_cards: Vec<PastCard>,
    /// The plans, in the order in which they run.
    #[serde(rename = "pl")]
    pub plans: Vec<PlanRun>,
    /// A change of the whole that keeps others away.
    #[serde(rename = "oc", default, skip_serializing_if = "Option::is_none")]
    pub open_change: Option<OpenChange>,
    /// Whether the operator lets the card into its network.
    #[serde(rename = "sv", default, skip_serializing_if = "Service::is_on")]
    pub service: Service,
    /// What was last wanted of that, by whom, and what the operator said to it; the oldest first.
    #[serde(rename = "sh", default, skip_serializing_if = "Vec::is_empty")]
    pub service_history: Vec<ServiceEntry>,
    /// Whether the card is online, and since when that is known.
    #[serde(rename = "se", default, skip_serializing_if = "Option::is_none")]
    pub session: Option<(bool, Timestamp)>,
    /// What was used in the month of the latest report of usage.
    #[serde(rename = "mu", default, skip_serializing_if = "Option::is_none")]
    pub month_use: Option<MonthUse>,
    /// Until when the card can be installed; gone once it was, or once nobody did.
    #[serde(rename = "ab", default, skip_serializing_if = "Option::is_none")]
    pub activate_before: Option<Timestamp>,
    /// When and why it ended.
    #[serde(rename = "en", default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<(Timestamp, EndReason)>,
    /// When it began.
    #[serde(rename = "cr")]
    pub created_at: Timestamp,
    /// Counts the writes.
    #[serde(rename = "version")]
    pub version: u64,
}

/// A card that carried a subscription before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PastCard {
    /// The card.
    #[serde(rename = "i")]
    pub iccid: Iccid,
    /// When the next one took over.
    #[serde(rename = "u")]
    pub until: Timestamp,
    /// The order of the swap.
    #[serde(rename = "o")]
    pub order: OrderNum,
}

/// A change of the whole subscription.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenChange {
    /// What is changing.
    #[serde(rename = "k")]
    pub kind: ChangeKind,
    /// The order that changes it.
    #[serde(rename = "o")]
    pub order: OrderNum,
    /// The card that will carry it, in a swap.
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    pub new_iccid: Option<Iccid>,
    /// When somebody should look whether it came to an end.
    #[serde(rename = "u")]
    pub until: Timestamp,
}

/// The kinds of change that keep each other away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChangeKind {
    /// Another SIM takes over.
    #[serde(rename = "s")]
    Swap,
    /// It is being cancelled.
    #[serde(rename = "c")]
    Cancellation,
    /// Its main order's line is being cancelled and paid back.
    #[serde(rename = "r")]
    Refund,
}

/// Why a subscription ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndReason {
    /// It was cancelled.
    #[serde(rename = "c")]
    Cancelled,
    /// Its main order's line was paid back.
    #[serde(rename = "r")]
    Refunded,
}

/// Why nothing can be bought for, or changed on, a subscription now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// It ended.
    Ended,
    /// A change is under way.
    Changing(ChangeKind),
    /// As many plans as can be wait or run already.
    Full,
    /// No plan waits or runs that add-ons could go with.
    NoPlan,
}

wire_names!(ChangeKind { Swap => "swap", Cancellation => "cancellation", Refund => "refund", });

wire_names!(EndReason { Cancelled => "cancelled", Refunded => "refunded", });

impl Subscription {
    /// The subscription that a line of a paid order begins, with its first plan waiting.
    pub fn begin(
        order: &Order,
        line: usize,
        iccid: Iccid,
        pool: PoolId,
        activate_before: Option<Timestamp>,
        plan: &Plan,
        now: Timestamp,
    ) -> Self {
        Self {
            id: order.subscription_id(line),
            partner_id: order.partner_id.clone(),
            main_order: order.num.clone(),
            pool,
            iccid,
            past_cards: Vec::new(),
            plans: vec![PlanRun::waiting(order, line, plan)],
            open_change: None,
            service: Service::On,
            service_history: Vec::new(),
            session: None,
            month_use: None,
            activate_before,
            ended: None,
            created_at: now,
            version: 1,
        }
    }

    /// What keeps it from being cancelled by an order: a change that another one makes.
    pub fn closed_by_others(&self, order: &OrderNum) -> Option<Closed> {
        self.open_change.as_ref().filter(|change| change.order != *order).map(|change| Closed::Changing(change.kind))
    }

    /// Whether something can be bought for it or changed on it now.
    pub fn open(&self) -> Result<(), Closed> {
        match (&self.ended, &self.open_change) {
            (Some(_), _) => Err(Closed::Ended),
            (None, Some(change)) => Err(Closed::Changing(change.kind)),
            (None, None) => Ok(()),
        }
    }

    /// Whether what was paid for can still be added: a swap moves plans along, whatever else is under way ends them.
    ///
    /// `plan` is the order's plan in its version.
    pub fn takes(&self, order: &Order, plan: &Plan, now: Timestamp) -> Result<(), Closed> {
        match self.open() {
            Ok(()) | Err(Closed::Changing(ChangeKind::Swap)) => {}
            Err(closed) => return Err(closed),
        }
        let orders: usize = self.plans.iter().filter(|run| run.is_open()).map(|run| 1 + run.extras.len()).sum();
        if orders >= MAX_OPEN_ORDERS {
            return Err(Closed::Full);
        }
        if order.brings_plan() {
            if self.plans.iter().filter(|run| run.is_open()).count() >= MAX_OPEN_PLANS { Err(Closed::Full) } else { Ok(()) }
        } else {
            self.plan_for_add_ons(now).ok_or(Closed::NoPlan)?;
            // Others may have been paid since the order was placed.
            self.pick_add_ons(&order.add_on_ids, plan, now).map(|_| ()).map_err(|_| Closed::Full)
        }
    }

    /// The plan that add-ons without one of their own go with: the one that runs, else the next that will. One whose time is over
    /// takes none, although nobody has ended it yet.
    pub fn plan_for_add_ons(&self, now: Timestamp) -> Option<usize> {
        let open = |run: &PlanRun| run.is_open() && self.time_is_over(run, now).is_none();
        let running = self.plans.iter().position(|run| matches!(run.state, RunState::Running { .. }) && open(run));
        running.or_else(|| self.plans.iter().position(open))
    }

    /// Adds what a paid renewal or top-up brings. `plan` is the order's plan in its version. Adding twice is adding once.
    pub fn add(&self, order: &Order, plan: &Plan, now: Timestamp) -> Result<Self, Rejected> {
        if self.brought_by(&order.num).is_some() {
            return Err(Rejected::Done);
        }
        self.takes(order, plan, now).map_err(Rejected::Closed)?;
        let mut next = self.clone();
        if order.brings_plan() {
            next.plans.push(PlanRun::waiting(order, 0, plan));
            next.follow_on(now);
        } else {
            let index = self.plan_for_add_ons(now).ok_or(Rejected::Closed(Closed::NoPlan))?;
            let data_mb = plan.data_of(&order.add_on_ids);
            let extra = Extra { order: order.num.clone(), add_on_ids: order.add_on_ids.clone(), data_mb };
            next.plans[index].extras.push(extra);
        }
        Ok(next.changed())
    }

    /// Takes away what an order brought, since it was cancelled.
    pub fn remove(&self, order: &OrderNum, now: Timestamp) -> Result<Self, Rejected> {
        let index = self.brought_by(order).ok_or(Rejected::NotAllowed)?;
        let mut next = self.clone();
        let run = &mut next.plans[index];
        if run.order == *order {
            if !run.is_open() {
                return Err(Rejected::Done);
            }
            run.end(now, OverReason::Cancelled);
            next.follow_on(now);
        } else {
            run.extras.retain(|extra| extra.order != *order);
        }
        Ok(next.changed())
    }

    /// Whether what an order brought has begun to run, so that its money is not given back on request any more.
    pub fn has_begun(&self, order: &OrderNum) -> bool {
        self.brought_by(order).is_some_and(|index| self.plans[index].since().is_some())
    }

    /// Whether what a line of an order brought waits or runs.
    pub fn has_open(&self, order: &OrderNum, line: usize) -> bool {
        self.plans.iter().any(|run| {
            let own = run.order == *order && run.line == line;
            run.is_open() && (own || run.extras.iter().any(|extra| extra.order == *order))
        })
    }

    /// The same again, in a version of its own: whoever has read the one before reads it again.
    #[must_use]
    pub fn touched(&self) -> Self {
        self.clone().changed()
    }

    /// Begins a change of the whole. The same order may say so twice.
    pub fn claim(&self, change: OpenChange) -> Result<Self, Rejected> {
        if self.open_change.as_ref().is_some_and(|open| open.order == change.order) {
            return Err(Rejected::Done);
        }
        self.open().map_err(Rejected::Closed)?;
        Ok(Self { open_change: Some(change), ..self.clone() }.changed())
    }

    /// Ends an order's change of the whole without a trace.
    pub fn release(&self, order: &OrderNum) -> Result<Self, Rejected> {
        self.expect_change(order)?;
        Ok(Self { open_change: None, ..self.clone() }.changed())
    }

    /// Hands everything over to the new card of a swap, once that reported to be installed.
    pub fn swapped(&self, new: &Iccid, pool: PoolId, now: Timestamp) -> Result<Self, Rejected> {
        if self.iccid == *new {
            return Err(Rejected::Done);
        }
        let change = self.open_change.as_ref().filter(|change| change.new_iccid.as_ref() == Some(new));
        let change = change.ok_or(Rejected::NotAllowed)?;
        let order = change.order.clone();
        let mut next = self.clone();
        let old = std::mem::replace(&mut next.iccid, new.clone());
        next.past_cards.push(PastCard { iccid: old, until: now, order });
        next.pool = pool;
        next.open_change = None;
        next.activate_before = None;
        next.session = None;
        Ok(next.changed())
    }

    /// Ends the whole subscription. What still waited or ran is over; [`Self::closed_by`] tells whose that was.
    pub fn end(&self, why: EndReason, now: Timestamp) -> Result<Self, Rejected> {
        if self.ended.is_some() {
            return Err(Rejected::Done);
        }
        let mut next = self.clone();
        next.ended = Some((now, why));
        next.open_change = None;
        next.activate_before = None;
        next.service = Service::On;
        for run in next.plans.iter_mut().filter(|run| run.is_open()) {
            run.end(now, OverReason::Cancelled);
        }
        Ok(next.changed())
    }

    /// When somebody should look at it although nobody was told to.
    pub fn next_attention(&self) -> Option<Timestamp> {
        if self.ended.is_some() {
            return None;
        }
        let still = self.service.off_since();
        let ends = self.plans.iter().filter_map(|run| match run.state {
            RunState::Running { until, .. } if !run.pauses || still.is_none_or(|still| until <= still) => Some(until),
            RunState::Running { .. } | RunState::Waiting | RunState::Over { .. } => None,
        });
        let wish = match self.service {
            Service::On | Service::Suspended { .. } => None,
            Service::Suspending { next_at, .. } | Service::Resuming { next_at, .. } => Some(next_at.plus_seconds(crate::QUIET)),
        };
        let change = self.open_change.as_ref().map(|change| change.until);
        ends.chain(self.activate_before).chain(wish).chain(change).min()
    }

    /// The lines of orders whose plans or add-ons were open before and are over now: the order, its line, and why.
    pub fn closed_by(&self, next: &Self) -> Vec<(OrderNum, usize, OverReason)> {
        let mut closed = Vec::new();
        for run in self.plans.iter().filter(|run| run.is_open()) {
            let after = next.plans.iter().find(|after| after.order == run.order && after.line == run.line);
            let why = match after.map(|after| after.state) {
                Some(RunState::Waiting | RunState::Running { .. }) => continue,
                Some(RunState::Over { why, .. }) => why,
                None => OverReason::Expired,
            };
            closed.push((run.order.clone(), run.line, why));
            closed.extend(run.extras.iter().map(|extra| (extra.order.clone(), 0, why)));
        }
        closed
    }

    /// Whether add-ons can go with the plan that they would go with; the limits of the order seed hold for each plan.
    pub fn pick_add_ons<'a>(&self, ids: &[String], plan: &'a Plan, now: Timestamp) -> Result<Vec<&'a AddOn>, AddOnError> {
        let picked = plan.pick_add_ons(ids)?;
        let Some(run) = self.plan_for_add_ons(now).map(|index| &self.plans[index]) else { return Ok(picked) };
        let there: Vec<String> =
            run.add_on_ids.iter().chain(run.extras.iter().flat_map(|extra| &extra.add_on_ids)).cloned().collect();
        let there: Vec<&AddOn> = plan
            .add_ons
            .iter()
            .flat_map(|add_on| there.iter().filter(|id| **id == add_on.add_on_id).map(move |_| add_on))
            .collect();
        let data = |list: &[&AddOn]| list.iter().filter(|add_on| add_on.kind == AddOnKind::Data).count();
        if data(&there) + data(&picked) > MAX_DATA_ADD_ONS {
            return Err(AddOnError::TooMuchData);
        }
        for add_on in &picked {
            if let AddOnKind::Voice(voice) = &add_on.kind
                && there.iter().any(|other| other.kind == add_on.kind)
            {
                return Err(AddOnError::VoiceTwice(voice.clone()));
            }
        }
        Ok(picked)
    }

    /// The plan that an order brought, or brought add-ons to.
    pub fn brought_by(&self, order: &OrderNum) -> Option<usize> {
        self.plans.iter().position(|run| run.order == *order || run.extras.iter().any(|extra| extra.order == *order))
    }

    /// The orders that made it what it is, as far as it and its main order know of them: that one and its renewals, and those that
    /// brought plans, add-ons or cards or are changing it.
    pub fn orders(&self, main: Option<&Order>) -> Vec<OrderNum> {
        let renewals = main.iter().flat_map(|main| &main.renewals);
        let brought =
            self.plans.iter().flat_map(|run| std::iter::once(&run.order).chain(run.extras.iter().map(|extra| &extra.order)));
        let swaps = self.past_cards.iter().map(|past| &past.order);
        let open = self.open_change.iter().map(|change| &change.order);
        let mut orders = vec![self.main_order.clone()];
        for num in renewals.chain(brought).chain(swaps).chain(open) {
            if !orders.contains(num) {
                orders.push(num.clone());
            }
        }
        orders
    }

    fn expect_change(&self, order: &OrderNum) -> Result<(), Rejected> {
        match &self.open_change {
            Some(change) if change.order == *order => Ok(()),
            Some(_) => Err(Rejected::NotAllowed),
            None => Err(Rejected::Done),
        }
    }

    fn changed(mut self) -> Self {
        self.version += 1;
        self
    }
}

impl OpenChange {
    /// A change that an order begins now.
    pub fn begin(kind: ChangeKind, order: &OrderNum, new_iccid: Option<Iccid>, now: Timestamp) -> Self {
        let window = match kind {
            ChangeKind::Swap => SWAP_WINDOW,
            ChangeKind::Cancellation | ChangeKind::Refund => CANCELLATION_WINDOW,
        };
        Self { kind, order: order.clone(), new_iccid, until: now.plus_seconds(window) }
    }
}

impl Closed {
    /// A stable word, and a sentence for a person.
    pub fn explain(self) -> (&'static str, &'static str) {
        match self {
            Self::Ended => ("ended", "The subscription has ended. Order a new one."),
            Self::Changing(ChangeKind::Swap) => {
                ("swap", "Its SIM is being swapped. Wait until the new one is installed, or give the swap's order back.")
            }
            Self::Changing(ChangeKind::Cancellation) => ("cancellation", "The subscription is being cancelled."),
            Self::Changing(ChangeKind::Refund) => ("refund", "The subscription is being cancelled and paid back."),
            Self::Full => ("full", "As many plans or add-ons as it can hold are on the subscription. Wait until a plan is over."),
            Self::NoPlan => ("no_plan", "No plan waits or runs that add-ons could go with. Add a plan with them."),
        }
    }
}
