//! What time and the network make of the plans of a subscription.

use super::{OverReason, PlanRun, RunState, Subscription};
use crate::{FlowType, Rejected, Timestamp};

/// How long after the end of a plan operators may go on to report on it, where they do not say which plan they mean, in seconds.
const ECHO: i64 = 3600;

/// How many plans that are over a subscription remembers; the orders remember all.
const PLANS_REMEMBERED: usize = 12;

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

impl Subscription {
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
                    let more = used_mb.saturating_sub(run.used_mb);
                    run.used_mb += more;
                    if run.allowance().is_some_and(|most| u64::from(used_mb) >= most) {
                        next.end_run(index, at, OverReason::UsedUp);
                    }
                    next.add_month_use(more, at);
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
    pub(super) fn follow_on(&mut self, at: Timestamp) {
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
    pub(super) fn time_is_over(&self, run: &PlanRun, now: Timestamp) -> Option<Timestamp> {
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
}
