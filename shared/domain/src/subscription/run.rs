//! A plan on a subscription, from the day it was bought.

use crate::{FlowType, Order, OrderNum, Plan, Timestamp, is_zero};
use serde::{Deserialize, Serialize};

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

wire_names!(OverReason {
    Expired => "expired",
    UsedUp => "used_up",
    NeverActivated => "never_activated",
    Cancelled => "cancelled",
});

impl PlanRun {
    pub(super) fn waiting(order: &Order, line: usize, plan: &Plan) -> Self {
        Self {
            order: order.num.clone(),
            line,
            plan_id: plan.plan_id.clone(),
            plan_version: plan.version,
            flow_type: plan.flow_type,
            days: plan.days,
            data_mb: plan.data_with(&order.add_on_ids),
            add_on_ids: order.add_on_ids.clone(),
            extras: Vec::new(),
            used_mb: 0,
            pauses: plan.pauses_when_suspended,
            bought_at: order.paid_at(),
            state: RunState::Waiting,
        }
    }

    /// What of it is other than what its line brought, by name; what follows from its use aside. `plan` is the order's in its version.
    pub fn astray(&self, order: &Order, plan: &Plan) -> Vec<&'static str> {
        let sold = Self::waiting(order, self.line, plan);
        let in_time = match self.state {
            // Suspensions give back as much time as they took.
            RunState::Running { from, until } => sold.pauses || until == sold.end_of(from),
            RunState::Waiting | RunState::Over { .. } => true,
        };
        let same = [
            ("plan", (&self.plan_id, self.plan_version) == (&sold.plan_id, sold.plan_version)),
            ("flow type", self.flow_type == sold.flow_type),
            ("days", self.days == sold.days),
            ("end", in_time),
            ("data", self.data_mb == sold.data_mb),
            ("add-ons", self.add_on_ids == sold.add_on_ids),
            ("whether it stands still while suspended", self.pauses == sold.pauses),
        ];
        same.into_iter().filter_map(|(name, same)| (!same).then_some(name)).collect()
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
    pub(super) fn began_and_ended(&self) -> Option<(Timestamp, Timestamp)> {
        match self.state {
            RunState::Over { from: Some(from), at, .. } => Some((from, at)),
            RunState::Over { from: None, .. } | RunState::Waiting | RunState::Running { .. } => None,
        }
    }

    /// When it began, if it did.
    pub(super) fn since(&self) -> Option<Timestamp> {
        match self.state {
            RunState::Running { from, .. } => Some(from),
            RunState::Over { from, .. } => from,
            RunState::Waiting => None,
        }
    }

    /// Takes in that it had begun by this time.
    pub(super) fn began_by(&mut self, at: Timestamp) {
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

    pub(super) fn begin(&mut self, at: Timestamp) {
        let from = at.max(self.bought_at);
        self.state = RunState::Running { from, until: self.end_of(from) };
    }

    /// When its time is over that began `from` then, as long as nothing stands still.
    fn end_of(&self, from: Timestamp) -> Timestamp {
        from.plus_seconds(i64::from(self.days) * 86_400)
    }

    pub(super) fn end(&mut self, at: Timestamp, why: OverReason) {
        self.state = RunState::Over { from: self.since().map(|from| from.min(at)), at, why };
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero_line(number: &usize) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero_mb(number: &u64) -> bool {
    *number == 0
}
