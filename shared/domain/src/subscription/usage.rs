//! What is left and what was used of a subscription's data.

use super::{PlanRun, RunState, ServiceAsker, Subscription};
use crate::Timestamp;
use serde::{Deserialize, Serialize};

const DAY: i64 = 86_400;

/// What was used in a calendar month, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MonthUse {
    /// The first second of the month.
    #[serde(rename = "t")]
    pub since: Timestamp,
    /// In MB.
    #[serde(rename = "m")]
    pub used_mb: u32,
}

impl Subscription {
    /// Counts what a report of usage brought to the month that it was made in. One from a month that is over counts no more.
    pub(super) fn add_month_use(&mut self, more: u32, at: Timestamp) {
        let since = at.month_start();
        self.month_use = match self.month_use {
            _ if more == 0 => return,
            Some(known) if since < known.since => return,
            Some(known) if since == known.since => Some(MonthUse { since, used_mb: known.used_mb.saturating_add(more) }),
            Some(_) | None => Some(MonthUse { since, used_mb: more }),
        };
    }

    /// What was used in this calendar month (UTC), in MB, as far as it was reported.
    pub fn month_mb(&self, now: Timestamp) -> u32 {
        self.month_use.filter(|known| known.since == now.month_start()).map_or(0, |known| known.used_mb)
    }

    /// The plan that people mean by "its plan": the one that runs, else the next that will, else the last that did.
    pub fn current_plan(&self) -> Option<&PlanRun> {
        let running = self.plans.iter().find(|run| matches!(run.state, RunState::Running { .. }));
        running.or_else(|| self.plans.iter().find(|run| run.is_open())).or(self.plans.last())
    }

    /// The data that can still be used on the plans that run or wait, in MB; `None` if one of them is unlimited, or there is none.
    pub fn data_left(&self) -> Option<u64> {
        let mut open = self.plans.iter().filter(|run| run.is_open()).peekable();
        open.peek()?;
        open.map(|run| Some(run.allowance()?.saturating_sub(run.used_mb.into()))).sum()
    }

    /// Whether the data of a plan that runs or waits is unlimited.
    pub fn has_unlimited_data(&self) -> bool {
        self.plans.iter().any(|run| run.is_open() && run.allowance().is_none())
    }

    /// The days until the plan that runs is over, or until the card can no longer be installed while none runs, begun days counted;
    /// `None` if neither is to come.
    pub fn days_left(&self, now: Timestamp) -> Option<i64> {
        let until = match self.current_plan()?.state {
            RunState::Running { until, .. } => until,
            RunState::Waiting => self.activate_before?,
            RunState::Over { .. } => return None,
        };
        Some((until.seconds_since(now).max(0) + DAY - 1) / DAY)
    }

    /// The same version of it, on its way out of the network if more than this many MB were used this month: the rule that a card can
    /// have. Where something keeps it from being suspended now, the next report of usage is the next occasion.
    #[must_use]
    pub fn held_to(self, most_mb: Option<u32>, now: Timestamp) -> Self {
        if most_mb.is_none_or(|most| self.month_mb(now) <= most) {
            return self;
        }
        match self.want_service(false, ServiceAsker::Rule, now) {
            Ok(wanted) => Self { version: self.version, ..wanted },
            Err(_) => self,
        }
    }
}
