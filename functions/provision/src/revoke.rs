//! Has the carrier revoke the cards of cancelling lines, and records what it said.

use crate::{App, DECISIONS};
use futures_util::future::join_all;
use simdock_carrier::{CarrierError, RevokeRequest};
use simdock_domain::{
    ChangeKind, Closed, Command, Iccid, LineState, NotRefundable, OpenChange, Order, OrderType, OverReason, Rejected, RunState,
    Timestamp, decide_all,
};
use simdock_runtime::JobFailed;
use simdock_store::{Facts, Sim, Store, StoreError};

/// How many cards the carrier is asked about at once.
const LINES_AT_ONCE: usize = 16;

/// What the carrier said about a card.
struct Answer {
    line: usize,
    sim: Sim,
    outcome: Result<(), CarrierError>,
    /// Whether another change of the subscription was first, and may come to its end.
    refused: bool,
    /// Whether it was not asked, since something else was first.
    overtaken: bool,
}

/// A swap came to its end first.
const SWAPPED: &str = "The SIM was swapped first: another card carries the line, and it is installed on a phone.";

/// Whether a line's subscription waits for it.
enum Claim {
    /// It does: other changes keep away. So many orders have something on it that ends with it.
    Ours(usize),
    /// It has ended, and its card was stopped with it; whether the line's plan had begun by then.
    Ended { begun: bool },
    /// Another change is under way, for a person.
    Refused(String),
}

impl App {
    /// Works the cancelling lines of an order, as many as one transaction can record.
    pub(crate) async fn revoke(&self, order: Order) -> Result<(), JobFailed> {
        let cancelling = order.lines.iter().enumerate().filter(|(_, line)| line.state == LineState::Cancelling);
        let cards: Vec<(usize, Iccid)> =
            cancelling.filter_map(|(index, line)| Some((index, line.iccid.clone()?))).take(LINES_AT_ONCE).collect();
        let iccids: Vec<Iccid> = cards.iter().map(|(_, iccid)| iccid.clone()).collect();
        let sims = self.store.sims(&iccids).await?;
        let now = self.store.clock().now();
        let lines: Vec<(usize, Sim)> =
            sims.into_iter().filter_map(|sim| Some((cards.iter().find(|(_, iccid)| *iccid == sim.iccid)?.0, sim))).collect();
        let claims = join_all(lines.iter().map(async |(line, _)| self.claim(&order, *line, now).await)).await;
        // The same job may have been delivered twice, and the other come to an end before this one kept the lines.
        let Some(order) = self.store.order(&order.num).await? else { return Ok(()) };
        // The order, and for each line its card, its subscription, a mark of the way back to stock, and who else has to know.
        let mut items = 1;
        let mut asked = Vec::new();
        for ((line, sim), claim) in lines.into_iter().zip(claims) {
            let claim = claim?;
            if order.lines[line].state != LineState::Cancelling {
                self.let_go(&order, line).await?;
                continue;
            }
            items += 3 + if let Claim::Ours(others) = &claim { *others } else { 0 };
            // Those that do not fit come with the order's next reading.
            if items > Store::MOST_AT_ONCE {
                break;
            }
            asked.push((line, sim, claim));
        }
        let asked = asked.into_iter().map(async |(line, sim, claim)| {
            let refused = matches!(claim, Claim::Refused(_));
            if let Some(reason) = overtaken(&order, &sim, &claim) {
                return Ok(Answer { line, sim, outcome: Err(CarrierError::Final { reason }), refused, overtaken: true });
            }
            let outcome = self.revoke_card(&order, &sim, &claim, now).await?;
            Ok::<_, JobFailed>(Answer { line, sim, outcome, refused, overtaken: false })
        });
        let answers = join_all(asked).await.into_iter().collect::<Result<Vec<_>, _>>()?;
        if answers.is_empty() {
            return Ok(());
        }
        self.record_revoked(order, answers).await
    }

    async fn revoke_card(
        &self,
        order: &Order,
        sim: &Sim,
        claim: &Claim,
        now: Timestamp,
    ) -> Result<Result<(), CarrierError>, JobFailed> {
        // Its card was stopped with the subscription.
        if matches!(claim, Claim::Ended { .. }) {
            return Ok(Ok(()));
        }
        if let Err(error) = self.reach(&sim.pool.operator).await? {
            return Ok(Err(error));
        }
        let request =
            RevokeRequest { order_num: order.num.clone(), iccid: sim.iccid.clone(), force: false, requested_at: order.paid_at() };
        Ok(self.carriers.revoke(&sim.pool.operator, &request, now).await.map(|_| ()))
    }

    /// Keeps other changes away from the subscription that goes with a line, unless another one was first.
    async fn claim(&self, order: &Order, line: usize, now: Timestamp) -> Result<Claim, StoreError> {
        if order.kind != OrderType::ActivateSubscription {
            return Ok(Claim::Ours(0));
        }
        for _ in 0..DECISIONS {
            // A line that was never provisioned has none yet.
            let Some(subscription) = self.store.subscription(&order.subscription_of(line)).await? else {
                return Ok(Claim::Ours(0));
            };
            // The cancellation was asked for, and a swap came to its end first: another card carries it, and somebody has installed that.
            if subscription.ended.is_none() && order.lines[line].iccid.as_ref() != Some(&subscription.iccid) {
                return Ok(Claim::Refused(SWAPPED.to_owned()));
            }
            let open = subscription.plans.iter().filter(|run| run.is_open());
            let others = open.map(|run| usize::from(run.order != order.num) + run.extras.len()).sum();
            let next = match subscription.claim(OpenChange::begin(ChangeKind::Refund, &order.num, None, now)) {
                Err(Rejected::Closed(Closed::Ended)) => {
                    return Ok(Claim::Ended { begun: subscription.has_begun(&order.num) });
                }
                Err(Rejected::Closed(closed)) => return Ok(Claim::Refused(closed.explain().1.to_owned())),
                // Kept before. A version of its own shows whoever is about to free it that somebody is at it again.
                Err(_) => subscription.touched(),
                Ok(next) => next,
            };
            if self.store.replace_subscription(&next).await?.is_ok() {
                return Ok(Claim::Ours(others));
            }
        }
        Err(StoreError::Busy("a subscription kept changing".to_owned()))
    }

    async fn record_revoked(&self, mut order: Order, mut answers: Vec<Answer>) -> Result<(), JobFailed> {
        for _ in 0..DECISIONS {
            let now = self.store.clock().now();
            let mut commands = commands(&answers);
            for answer in answers.iter().filter(|answer| matches!(answer.outcome, Err(CarrierError::Final { .. }))) {
                commands.extend(self.over_meanwhile(&order, answer.line).await?);
            }
            let Ok(next) = decide_all(&order, commands, now) else { return Ok(()) };
            let sims: Vec<Sim> = answers.iter().map(|answer| answer.sim.clone()).collect();
            let facts = Facts { activations: &[], sims: &sims };
            if self.store.write_in_step(&order, &next, facts, now).await?.is_ok() {
                let revoked = answers.iter().filter(|answer| answer.outcome.is_ok()).count();
                tracing::info!(revoked, of = answers.len(), "revoked");
                return Ok(());
            }
            // What kept a line from being cancelled may have come to its end: it is looked at again.
            if answers.iter().any(|answer| answer.refused) {
                return Ok(());
            }
            let Some(fresh) = self.store.order(&order.num).await? else { return Ok(()) };
            order = fresh;
            // A code may have left meanwhile, which decides whether its card can be sold again.
            let iccids: Vec<Iccid> = sims.into_iter().map(|sim| sim.iccid).collect();
            for sim in self.store.sims(&iccids).await? {
                if let Some(answer) = answers.iter_mut().find(|answer| answer.sim.iccid == sim.iccid) {
                    answer.sim = sim;
                }
            }
        }
        Err(JobFailed("the order kept changing".to_owned()))
    }

    /// Frees what it keeps for a line that somebody else came to an end with.
    async fn let_go(&self, order: &Order, line: usize) -> Result<(), StoreError> {
        let subscription = self.store.subscription(&order.subscription_of(line)).await?;
        if let (Some(subscription), Some(order)) = (subscription, self.store.order(&order.num).await?) {
            self.store.let_go(&subscription, &order).await?;
        }
        Ok(())
    }

    /// What a line brought may be over by the time that it turns out not to be cancelled; the line is told then.
    pub(crate) async fn over_meanwhile(&self, order: &Order, line: usize) -> Result<Option<Command>, StoreError> {
        let Some(subscription) = self.store.subscription(&order.subscription_of(line)).await? else { return Ok(None) };
        let why = match subscription.brought_by(&order.num).map(|index| subscription.plans[index].state) {
            Some(RunState::Over { why, .. }) => why,
            // It was over so long ago that the subscription has forgotten it.
            None if order.brings_plan() || order.only_add_ons => OverReason::Expired,
            Some(RunState::Waiting | RunState::Running { .. }) | None => return Ok(None),
        };
        Ok(Some(Command::PlanOver { line, why }))
    }
}

/// What came before a line's card could be revoked, so that its carrier is not asked.
fn overtaken(order: &Order, sim: &Sim, claim: &Claim) -> Option<String> {
    let installed = sim.profile.installed_at.is_some();
    match claim {
        // An app may have told of an install that the operator will not hear of. Once it was asked, it is the operator that knows.
        Claim::Ours(_) => {
            let not_asked = order.revoking.is_some_and(|attempts| attempts.failed == 0);
            let stays = order.kind == OrderType::ActivateSubscription && installed && not_asked;
            stays.then(|| NotRefundable::Installed.explain().1.to_owned())
        }
        Claim::Ended { begun } => (*begun || installed).then(|| Closed::Ended.explain().1.to_owned()),
        Claim::Refused(reason) => Some(reason.clone()),
    }
}

fn commands(answers: &[Answer]) -> Vec<Command> {
    let mut delayed: Option<Option<u32>> = None;
    let mut commands: Vec<Command> = Vec::new();
    for answer in answers {
        match &answer.outcome {
            Ok(()) => commands.push(Command::Revoked { line: answer.line }),
            Err(CarrierError::Final { reason }) => {
                let provisioned = answer.sim.subscription.is_some();
                commands.push(Command::RevocationRefused {
                    line: answer.line,
                    provisioned,
                    overtaken: answer.overtaken,
                    reason: reason.clone(),
                });
            }
            Err(CarrierError::Retryable { reason, retry_after }) => {
                tracing::warn!(reason, "revocation is put off");
                delayed = Some(delayed.flatten().max(*retry_after));
            }
        }
    }
    if let Some(retry_after) = delayed {
        commands.push(Command::RevocationDelayed { retry_after });
    }
    commands
}
