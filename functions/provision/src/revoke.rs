//! Has the carrier revoke the cards of cancelling lines, and records what it said.

use crate::{App, DECISIONS};
use futures_util::future::join_all;
use simdock_carrier::{CarrierError, Changed, RevokeRequest};
use simdock_domain::{Command, Iccid, LineState, Order, decide_all};
use simdock_runtime::JobFailed;
use simdock_store::{Sim, Store};

/// What the carrier said about a card.
struct Answer {
    line: usize,
    sim: Sim,
    outcome: Result<Changed, CarrierError>,
}

impl App {
    /// Works the cancelling lines of an order, as many as one transaction can record.
    pub(crate) async fn revoke(&self, order: Order) -> Result<(), JobFailed> {
        let cancelling = order.lines.iter().enumerate().filter(|(_, line)| line.state == LineState::Cancelling);
        let cards: Vec<(usize, Iccid)> =
            cancelling.filter_map(|(index, line)| Some((index, line.iccid.clone()?))).take(Store::REVOKED_AT_ONCE).collect();
        let iccids: Vec<Iccid> = cards.iter().map(|(_, iccid)| iccid.clone()).collect();
        let sims = self.store.sims(&iccids).await?;
        let now = self.store.clock().now();
        let asked = sims.into_iter().filter_map(|sim| {
            let line = cards.iter().find(|(_, iccid)| *iccid == sim.iccid)?.0;
            Some((line, sim))
        });
        let order_num = &order.num;
        let requested_at = order.paid_by().map_or(order.created_at, |payment| order.payments[payment].at);
        let asked = asked.map(async |(line, sim)| {
            let request = RevokeRequest { order_num: order_num.clone(), iccid: sim.iccid.clone(), force: false, requested_at };
            let outcome = match self.unreachable(&sim.pool.operator).await? {
                Some(reason) => Err(CarrierError::Retryable { reason, retry_after: None }),
                None => self.carriers.revoke(&sim.pool.operator, &request, now).await,
            };
            Ok::<_, JobFailed>(Answer { line, sim, outcome })
        });
        let answers = join_all(asked).await.into_iter().collect::<Result<Vec<_>, _>>()?;
        self.record_revoked(order, answers).await
    }

    async fn record_revoked(&self, mut order: Order, mut answers: Vec<Answer>) -> Result<(), JobFailed> {
        for _ in 0..DECISIONS {
            let now = self.store.clock().now();
            let Ok(next) = decide_all(&order, commands(&answers), now) else { return Ok(()) };
            let became = |answer: &&Answer| {
                let state = |order: &Order| order.lines.get(answer.line).map(|line| line.state);
                state(&order) == Some(LineState::Cancelling) && state(&next) == Some(LineState::Cancelled)
            };
            let revoked: Vec<&Sim> = answers.iter().filter(became).map(|answer| &answer.sim).collect();
            if self.store.cancelled(&next, &revoked, now).await?.is_ok() {
                tracing::info!(revoked = revoked.len(), of = answers.len(), "revoked");
                return Ok(());
            }
            let Some(fresh) = self.store.order(&order.num).await? else { return Ok(()) };
            order = fresh;
            // A code may have left meanwhile, which decides whether its card can be sold again.
            let iccids: Vec<Iccid> = answers.iter().map(|answer| answer.sim.iccid.clone()).collect();
            for sim in self.store.sims(&iccids).await? {
                if let Some(answer) = answers.iter_mut().find(|answer| answer.sim.iccid == sim.iccid) {
                    answer.sim = sim;
                }
            }
        }
        Err(JobFailed("the order kept changing".to_owned()))
    }
}

fn commands(answers: &[Answer]) -> Vec<Command> {
    let mut delayed: Option<Option<u32>> = None;
    let mut commands: Vec<Command> = Vec::new();
    for answer in answers {
        match &answer.outcome {
            Ok(Changed::Done | Changed::NotAsked) => commands.push(Command::Revoked { line: answer.line }),
            Err(CarrierError::Final { reason }) => {
                let provisioned = answer.sim.subscription.is_some();
                commands.push(Command::RevocationRefused { line: answer.line, provisioned, reason: reason.clone() });
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
