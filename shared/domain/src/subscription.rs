//! A subscription as a value: the card that carries it, the plans on it, and what is about to change on it.
//!
//! Orders say what was bought and paid; the subscription says what of it runs. Like an order it is decided on without a clock
//! or a database, and every write is conditioned on the version before.

use crate::{AddOn, AddOnError, AddOnKind, FlowType, MAX_DATA_ADD_ONS};
use crate::{Iccid, Order, OrderNum, Plan, PoolId, Rejected, Timestamp, backoff, is_zero};
use serde::{Deserialize, Serialize};

/// How long a swapped SIM may wait to be installed before the swap is abandoned, in seconds: 30 days.
pub const SWAP_WINDOW: i64 = 30 * 86_400;
/// How long a cancellation or a refund may keep other changes away before the sweep looks what became of it, in seconds.
const CANCELLATION_WINDOW: i64 = 600;
/// The most plans that wait or run on a subscription at once; beyond that, operators refuse (1GLOBAL: 15 per ICCID).
pub const MAX_OPEN_PLANS: usize = 15;
/// The most top-ups of add-ons alone on a subscription at once: with the plans, all that ends with it fits into one transaction.
const MAX_EXTRAS: usize = 60;
/// How many plans that are over a subscription remembers; the orders remember all.
const PLANS_REMEMBERED: usize = 12;
/// How long after the end of a plan operators may go on to report on it, where they do not say which plan they mean, in seconds.
const ECHO: i64 = 3600;

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
    /// Whether the card is online, and since when that is known.
    #[serde(rename = "se", default, skip_serializing_if = "Option::is_none")]
    pub session: Option<(bool, Timestamp)>,
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

/// A plan on a subscription.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanRun {
    /// The order that brought it.
    #[serde(rename = "o")]
    pub order: OrderNum,
    /// The line of that order.
    #[serde(rename = "l", default, skip_serializing_if = "is_zero_line")]
    pub line: usize,
    /// The plan.
    #[serde(rename = "p")]
    pub plan_id: String,
    /// Its version.
    #[serde(rename = "v")]
    pub plan_version: u32,
    /// Whether it can be renewed; one that can follows the plan before it without a gap.
    #[serde(rename = "f")]
    pub flow_type: FlowType,
    /// How long it runs, in days of 24 hours.
    #[serde(rename = "d")]
    pub days: u32,
    /// The data of the plan and its own data add-ons, in MB; absent is unlimited.
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    pub data_mb: Option<u64>,
    /// The add-ons that were bought with it.
    #[serde(rename = "a", default, skip_serializing_if = "Vec::is_empty")]
    pub add_on_ids: Vec<String>,
    /// Add-ons that were bought later.
    #[serde(rename = "x", default, skip_serializing_if = "Vec::is_empty")]
    pub extras: Vec<Extra>,
    /// The data used so far, in MB.
    #[serde(rename = "u", default, skip_serializing_if = "is_zero")]
    pub used_mb: u32,
    /// Whether its time stands still while the subscription is suspended.
    #[serde(rename = "w", default, skip_serializing_if = "std::ops::Not::not")]
    pub pauses: bool,
    /// When it was paid; it cannot have begun before.
    #[serde(rename = "b")]
    pub bought_at: Timestamp,
    /// Where it stands.
    #[serde(rename = "s")]
    pub state: RunState,
}

/// Add-ons that a top-up brought to a plan that was there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Extra {
    /// The order that brought them.
    #[serde(rename = "o")]
    pub order: OrderNum,
    /// Which.
    #[serde(rename = "a")]
    pub add_on_ids: Vec<String>,
    /// Their data, in MB.
    #[serde(rename = "m", default, skip_serializing_if = "is_zero_mb")]
    pub data_mb: u64,
}

/// Where a plan stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunState {
    /// Not begun.
    #[serde(rename = "w")]
    Waiting,
    /// Runs.
    #[serde(rename = "r")]
    Running {
        /// Since when.
        #[serde(rename = "f")]
        from: Timestamp,
        /// Until when.
        #[serde(rename = "u")]
        until: Timestamp,
    },
    /// Over.
    #[serde(rename = "e")]
    Over {
        /// When it began, if it did.
        #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
        from: Option<Timestamp>,
        /// Since when.
        #[serde(rename = "t")]
        at: Timestamp,
        /// Why.
        #[serde(rename = "y")]
        why: OverReason,
    },
}

/// Why a plan is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OverReason {
    /// Its time is over.
    #[serde(rename = "x")]
    Expired,
    /// Its data is used up.
    #[serde(rename = "u")]
    UsedUp,
    /// Nobody installed the card in time.
    #[serde(rename = "n")]
    NeverActivated,
    /// Its order was cancelled, or the whole subscription.
    #[serde(rename = "c")]
    Cancelled,
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

/// Whether the operator lets a card into its network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Service {
    /// It does.
    #[default]
    #[serde(rename = "n")]
    On,
    /// It is to be suspended; the operator has not confirmed.
    #[serde(rename = "s")]
    Suspending {
        /// Since when that is wanted.
        #[serde(rename = "s")]
        since: Timestamp,
        /// Attempts that did not succeed.
        #[serde(rename = "n")]
        failed: u32,
        /// When to try again.
        #[serde(rename = "t")]
        next_at: Timestamp,
    },
    /// It does not.
    #[serde(rename = "x")]
    Suspended {
        /// Since when.
        #[serde(rename = "s")]
        since: Timestamp,
    },
    /// It is to be let in again; the operator has not confirmed.
    #[serde(rename = "r")]
    Resuming {
        /// Since when it was suspended.
        #[serde(rename = "x")]
        suspended: Timestamp,
        /// Since when that is wanted.
        #[serde(rename = "s")]
        since: Timestamp,
        /// Attempts that did not succeed.
        #[serde(rename = "n")]
        failed: u32,
        /// When to try again.
        #[serde(rename = "t")]
        next_at: Timestamp,
    },
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

/// What a network or a phone reports about the card of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// The card attached to a network for the first time, at least as far as the reporter knows.
    Attached,
    /// This much data was used of a plan so far, in MB; the plan by its place.
    Usage {
        /// Which; the running one where the report does not say.
        plan: Option<usize>,
        /// In MB, since the plan began.
        used_mb: u32,
    },
    /// The card went online or offline.
    Session(bool),
    /// The operator says that a plan is over.
    Over {
        /// Which; the running one where the report does not say.
        plan: Option<usize>,
        /// Why.
        why: OverReason,
    },
}

wire_names!(ChangeKind { Swap => "swap", Cancellation => "cancellation", Refund => "refund", });
wire_names!(EndReason { Cancelled => "cancelled", Refunded => "refunded", });
wire_names!(OverReason {
    Expired => "expired",
    UsedUp => "used_up",
    NeverActivated => "never_activated",
    Cancelled => "cancelled",
});

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
            session: None,
            activate_before,
            ended: None,
            created_at: now,
            version: 1,
        }
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
    pub fn takes(&self, order: &Order, now: Timestamp) -> Result<(), Closed> {
        match self.open() {
            Ok(()) | Err(Closed::Changing(ChangeKind::Swap)) => {}
            Err(closed) => return Err(closed),
        }
        if order.brings_plan() {
            if self.plans.iter().filter(|run| run.is_open()).count() >= MAX_OPEN_PLANS { Err(Closed::Full) } else { Ok(()) }
        } else if self.plans.iter().map(|run| run.extras.len()).sum::<usize>() >= MAX_EXTRAS {
            Err(Closed::Full)
        } else {
            self.plan_for_add_ons(now).map(|_| ()).ok_or(Closed::NoPlan)
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
        self.takes(order, now).map_err(Rejected::Closed)?;
        let mut next = self.clone();
        if order.brings_plan() {
            next.plans.push(PlanRun::waiting(order, 0, plan));
            next.follow_on(now);
        } else {
            let index = self.plan_for_add_ons(now).ok_or(Rejected::Closed(Closed::NoPlan))?;
            let data_mb = data_of(&order.add_on_ids, plan);
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

    /// Takes in a report from `at`, its source's time. `covers` tells of each plan whether it works where the report is from.
    /// Reports may come late, twice and in any order.
    pub fn report(
        &self,
        report: Report,
        at: Timestamp,
        covers: impl Fn(&PlanRun) -> bool,
        now: Timestamp,
    ) -> Result<Self, Rejected> {
        if self.ended.is_some() {
            return Err(Rejected::NotAllowed);
        }
        let mut next = self.clone();
        // What was over by then does not keep the next from beginning.
        next.pass_time(at.min(now));
        match report {
            Report::Attached => next.begin_plan(at, covers),
            Report::Session(online) => {
                if next.session.is_none_or(|(_, known)| known < at) {
                    next.session = Some((online, at));
                }
                if online {
                    next.begin_plan(at, covers);
                }
            }
            Report::Usage { plan, used_mb } => {
                match plan.and_then(|index| self.plans.get(index)) {
                    Some(named) => next.begin_plan(at, |run| run.order == named.order && run.line == named.line),
                    None => next.begin_plan(at, &covers),
                }
                // A plan's counter begins anew: one that stands as high is still that of the plan before.
                let before =
                    next.ended_just_before(at).filter(|(end, index)| *end == at || used_mb >= next.plans[*index].used_mb);
                if let Some(index) = plan.or(before.map(|(_, index)| index)).or_else(|| next.ran_at(at, covers))
                    && let Some(run) = next.plans.get_mut(index)
                {
                    // What was used only grows: an older report says less.
                    run.used_mb = run.used_mb.max(used_mb);
                    if run.allowance().is_some_and(|most| u64::from(used_mb) >= most) {
                        next.end_run(index, at, OverReason::UsedUp);
                    }
                }
            }
            Report::Over { plan, why } => {
                let before = next.ended_just_before(at).map(|(_, index)| index);
                let meant = plan.or(before).or_else(|| next.ran_at(at, covers));
                if let Some(index) = meant.filter(|index| *index < next.plans.len()) {
                    next.end_run(index, at, why);
                }
            }
        }
        next.follow_on(at);
        next.pass_time(now);
        next.forget();
        if next == *self { Err(Rejected::Done) } else { Ok(next.changed()) }
    }

    /// Ends the plans whose time is over, and those that nobody will begin any more since the card was not `installed` by its
    /// deadline.
    pub fn tick(&self, installed: bool, now: Timestamp) -> Result<Self, Rejected> {
        if self.ended.is_some() {
            return Err(Rejected::NotAllowed);
        }
        let mut next = self.clone();
        if let Some(deadline) = next.activate_before.filter(|deadline| *deadline <= now) {
            next.activate_before = None;
            if !installed {
                for run in next.plans.iter_mut().filter(|run| run.state == RunState::Waiting) {
                    run.end(deadline, OverReason::NeverActivated);
                }
            }
        }
        next.pass_time(now);
        next.forget();
        if next == *self { Err(Rejected::NotDue) } else { Ok(next.changed()) }
    }

    /// Wants the card out of the network, or in again.
    pub fn want_service(&self, on: bool, now: Timestamp) -> Result<Self, Rejected> {
        self.open().map_err(Rejected::Closed)?;
        let (failed, next_at) = (0, now);
        let service = match (self.service, on) {
            (Service::On | Service::Resuming { .. }, true) | (Service::Suspended { .. } | Service::Suspending { .. }, false) => {
                return Err(Rejected::Done);
            }
            (Service::On, false) => Service::Suspending { since: now, failed, next_at },
            (Service::Resuming { .. }, false) | (Service::Suspending { .. }, true) => return Err(Rejected::NotDue),
            (Service::Suspended { since }, true) => Service::Resuming { suspended: since, since: now, failed, next_at },
        };
        Ok(Self { service, ..self.clone() }.changed())
    }

    /// The operator did what was wanted. Plans whose time stands still while suspended get that time back.
    pub fn service_changed(&self, now: Timestamp) -> Result<Self, Rejected> {
        let mut next = self.clone();
        match self.service {
            Service::On | Service::Suspended { .. } => return Err(Rejected::Done),
            Service::Suspending { .. } => next.service = Service::Suspended { since: now },
            Service::Resuming { suspended, .. } => {
                next.service = Service::On;
                for run in next.plans.iter_mut().filter(|run| run.pauses) {
                    if let RunState::Running { from, until } = &mut run.state
                        && *until > suspended
                    {
                        *until = until.plus_seconds(now.seconds_since(suspended.max(*from)));
                    }
                }
            }
        }
        Ok(next.changed())
    }

    /// The operator could not be asked.
    pub fn service_delayed(&self, retry_after: Option<u32>, now: Timestamp) -> Result<Self, Rejected> {
        let mut next = self.clone();
        match &mut next.service {
            Service::On | Service::Suspended { .. } => return Err(Rejected::Done),
            Service::Suspending { failed, next_at, .. } | Service::Resuming { failed, next_at, .. } => {
                *failed += 1;
                *next_at = now.plus_seconds(backoff(*failed).max(retry_after.map_or(0, i64::from)));
            }
        }
        Ok(next.changed())
    }

    /// The operator will not do what was wanted: things stay as they were.
    pub fn service_refused(&self) -> Result<Self, Rejected> {
        let service = match self.service {
            Service::On | Service::Suspended { .. } => return Err(Rejected::Done),
            Service::Suspending { .. } => Service::On,
            Service::Resuming { suspended, .. } => Service::Suspended { since: suspended },
        };
        Ok(Self { service, ..self.clone() }.changed())
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

    /// The plan that ran at a time, if several did, one that works where the report is from.
    fn ran_at(&self, at: Timestamp, covers: impl Fn(&PlanRun) -> bool) -> Option<usize> {
        let ran = |run: &PlanRun| match run.state {
            RunState::Waiting => false,
            RunState::Running { from, .. } => from <= at,
            RunState::Over { from, at: end, .. } => from.is_some_and(|from| from <= at) && at < end,
        };
        let both = self.plans.iter().position(|run| ran(run) && covers(run));
        both.or_else(|| self.plans.iter().position(ran))
    }

    /// The plan that was over at a time, but so recently that the operator may still be reporting on it.
    fn ended_just_before(&self, at: Timestamp) -> Option<(Timestamp, usize)> {
        let ends = self.plans.iter().enumerate().filter_map(|(index, run)| Some((run.began_and_ended()?.1, index)));
        ends.filter(|(end, _)| *end <= at && at.seconds_since(*end) < ECHO).max()
    }

    /// The card is in a network: if no plan runs that works there, the next that does begins. A late report moves the beginning of
    /// the plan that it would have begun.
    fn begin_plan(&mut self, at: Timestamp, covers: impl Fn(&PlanRun) -> bool) {
        self.activate_before = None;
        // A plan that was over only later had begun by then.
        let over_later = |run: &PlanRun| Some(run.began_and_ended().filter(|(_, end)| at <= *end && covers(run))?.1);
        let ends = self.plans.iter().enumerate().filter_map(|(index, run)| Some((over_later(run)?, index)));
        let running = |run: &PlanRun| matches!(run.state, RunState::Running { .. });
        let begun = ends.min().map(|(_, index)| index);
        if let Some(index) = begun.or_else(|| self.plans.iter().position(|run| running(run) && covers(run))) {
            let at = self.no_overlap(index, at);
            self.plans[index].began_by(at);
            return;
        }
        let renewable_runs = self.plans.iter().any(|run| running(run) && run.flow_type == FlowType::Renewable);
        let can_begin = |run: &PlanRun| {
            run.state == RunState::Waiting
                // The first plan came with the card, which nobody had before, whatever its source's clock says.
                && (run.bought_at <= at || run.order == self.main_order)
                && covers(run)
                && !(renewable_runs && run.flow_type == FlowType::Renewable)
        };
        if let Some(index) = self.plans.iter().position(can_begin) {
            let at = self.no_overlap(index, at);
            self.plans[index].begin(at);
        }
    }

    /// When a plan that a report is about can have run, by then or later: renewable plans run one after the other.
    fn no_overlap(&self, index: usize, at: Timestamp) -> Timestamp {
        let run = &self.plans[index];
        if run.flow_type == FlowType::OneOff {
            return at;
        }
        let since = run.since().unwrap_or(at);
        let others = self.plans.iter().enumerate().filter(|(other, run)| *other != index && run.flow_type == FlowType::Renewable);
        let ends = others.filter_map(|(_, other)| other.began_and_ended()).map(|(_, end)| end).filter(|end| *end <= since);
        ends.max().map_or(at, |end| end.max(at))
    }

    /// Ends a plan by a report. Of several reports the earliest counts, and the plan that followed on moves along.
    fn end_run(&mut self, index: usize, at: Timestamp, why: OverReason) {
        let at = self.no_overlap(index, at).max(self.plans[index].bought_at);
        let run = &mut self.plans[index];
        let known = match run.state {
            RunState::Waiting | RunState::Running { .. } => None,
            RunState::Over { at: known, why: OverReason::Expired | OverReason::UsedUp, from: Some(_) } if at < known => {
                Some(known)
            }
            RunState::Over { .. } => return,
        };
        run.end(at, why);
        if let Some(known) = known {
            let followed = |run: &&mut PlanRun| run.flow_type == FlowType::Renewable && run.since() == Some(known);
            let mut others = self.plans.iter_mut().enumerate().filter(|(other, _)| *other != index).map(|(_, run)| run);
            if let Some(run) = others.find(followed) {
                run.began_by(at);
            }
        }
    }

    /// The time of a renewable plan is appended to that of the one before it: it begins when that is over, or at `at` where that
    /// is over already.
    fn follow_on(&mut self, at: Timestamp) {
        let renewable = |run: &&PlanRun| run.flow_type == FlowType::Renewable;
        if self.plans.iter().filter(renewable).any(|run| matches!(run.state, RunState::Running { .. })) {
            return;
        }
        let last_end = self.plans.iter().filter(renewable).filter_map(PlanRun::began_and_ended).map(|(_, end)| end).max();
        let Some(last_end) = last_end else { return };
        let waits = |run: &&mut PlanRun| run.flow_type == FlowType::Renewable && run.state == RunState::Waiting;
        if let Some(run) = self.plans.iter_mut().find(waits) {
            run.begin(last_end.max(at));
        }
    }

    /// Ends the plans whose time is over; what follows on one begins there, and may be over as well.
    fn pass_time(&mut self, now: Timestamp) {
        let over = |of: &Self| of.plans.iter().enumerate().find_map(|(index, run)| Some((index, of.time_is_over(run, now)?)));
        while let Some((index, until)) = over(self) {
            self.plans[index].end(until, OverReason::Expired);
            self.follow_on(until);
        }
    }

    /// When the time of a running plan was over, if it is.
    fn time_is_over(&self, run: &PlanRun, now: Timestamp) -> Option<Timestamp> {
        let still = self.service.off_since().unwrap_or(now).min(now);
        match run.state {
            RunState::Running { until, .. } if until <= if run.pauses { still } else { now } => Some(until),
            RunState::Running { .. } | RunState::Waiting | RunState::Over { .. } => None,
        }
    }

    /// Keeps the plans that were over last.
    fn forget(&mut self) {
        let ended = |run: &PlanRun| match run.state {
            RunState::Over { at, .. } => Some(at),
            RunState::Waiting | RunState::Running { .. } => None,
        };
        while self.plans.iter().filter(|run| !run.is_open()).count() > PLANS_REMEMBERED {
            let ends = self.plans.iter().enumerate().filter_map(|(index, run)| Some((ended(run)?, index)));
            let Some((_, first)) = ends.min() else { return };
            self.plans.remove(first);
        }
    }

    fn changed(mut self) -> Self {
        self.version += 1;
        self
    }
}

impl PlanRun {
    fn waiting(order: &Order, line: usize, plan: &Plan) -> Self {
        Self {
            order: order.num.clone(),
            line,
            plan_id: plan.plan_id.clone(),
            plan_version: plan.version,
            flow_type: plan.flow_type,
            days: plan.days,
            data_mb: plan.data_mb.map(|own| own.saturating_add(data_of(&order.add_on_ids, plan))),
            add_on_ids: order.add_on_ids.clone(),
            extras: Vec::new(),
            used_mb: 0,
            pauses: plan.pauses_when_suspended,
            bought_at: order.paid_at(),
            state: RunState::Waiting,
        }
    }

    /// Whether it waits or runs.
    pub fn is_open(&self) -> bool {
        match self.state {
            RunState::Waiting | RunState::Running { .. } => true,
            RunState::Over { .. } => false,
        }
    }

    /// The data that can be used in all, in MB; `None` is unlimited.
    pub fn allowance(&self) -> Option<u64> {
        let extras = self.extras.iter().map(|extra| extra.data_mb).sum::<u64>();
        self.data_mb.map(|own| own.saturating_add(extras))
    }

    /// When it began and ended, if it did both.
    fn began_and_ended(&self) -> Option<(Timestamp, Timestamp)> {
        match self.state {
            RunState::Over { from: Some(from), at, .. } => Some((from, at)),
            RunState::Over { from: None, .. } | RunState::Waiting | RunState::Running { .. } => None,
        }
    }

    /// When it began, if it did.
    fn since(&self) -> Option<Timestamp> {
        match self.state {
            RunState::Running { from, .. } => Some(from),
            RunState::Over { from, .. } => from,
            RunState::Waiting => None,
        }
    }

    /// Takes in that it had begun by this time.
    fn began_by(&mut self, at: Timestamp) {
        let at = at.max(self.bought_at);
        match &mut self.state {
            RunState::Running { from, until } if at < *from => {
                *until = until.plus_seconds(at.seconds_since(*from));
                *from = at;
            }
            RunState::Over { from: Some(from), .. } if at < *from => *from = at,
            RunState::Waiting | RunState::Running { .. } | RunState::Over { .. } => {}
        }
    }

    fn begin(&mut self, at: Timestamp) {
        let from = at.max(self.bought_at);
        self.state = RunState::Running { from, until: from.plus_seconds(i64::from(self.days) * 86_400) };
    }

    fn end(&mut self, at: Timestamp, why: OverReason) {
        self.state = RunState::Over { from: self.since().map(|from| from.min(at)), at, why };
    }
}

impl Service {
    /// Whether nothing was ever wanted but that the card works.
    pub fn is_on(&self) -> bool {
        *self == Self::On
    }

    /// Since when the operator keeps the card out, if it does.
    fn off_since(self) -> Option<Timestamp> {
        match self {
            Self::On | Self::Suspending { .. } => None,
            Self::Suspended { since } => Some(since),
            Self::Resuming { suspended, .. } => Some(suspended),
        }
    }

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::On => "active",
            Self::Suspending { .. } => "suspending",
            Self::Suspended { .. } => "suspended",
            Self::Resuming { .. } => "resuming",
        }
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
            Self::Full => ("full", "As many plans as a subscription can hold wait or run on it. Wait until one is over."),
            Self::NoPlan => ("no_plan", "No plan waits or runs that add-ons could go with. Add a plan with them."),
        }
    }
}

/// The data of the data add-ons among these, in MB.
fn data_of(ids: &[String], plan: &Plan) -> u64 {
    let add_on = |id: &String| plan.add_ons.iter().find(|add_on| add_on.add_on_id == *id);
    ids.iter().filter_map(add_on).filter(|add_on| add_on.kind == AddOnKind::Data).map(|add_on| u64::from(add_on.amount)).sum()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero_line(number: &usize) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero_mb(number: &u64) -> bool {
    *number == 0
}
