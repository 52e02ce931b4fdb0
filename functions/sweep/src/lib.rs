//! Runs every minute and finds what nobody else does: orders nobody paid, jobs that got lost, plans whose time is over, swaps that
//! nobody finished, tickets whose buyer vanished, imports that were cut short. Two sweeps at once do no harm, and one that is cut short is carried on by the next.

use futures_util::future::join_all;
use lambda_runtime::{Error, LambdaEvent};
use serde::Serialize;
use serde_json::Value;
use simdock_domain::{
    Attention, ChangeKind, Command, OpenChange, Order, OrderNum, Refund, RefundState, Rejected, Service, Subscription, Timestamp,
    decide, due,
};
use simdock_jobs::{JobMessage, Queued, Queues};
use simdock_runtime::{Config, ConfigError, Measured, Metric, Metrics};
use simdock_store::{Change, Level, LowBalance, OverdueCursor, Store, StoreError};
use std::time::{Duration, Instant, SystemTime};
use tracing::Instrument;

/// How long one sweep works at most, so that the next has the schedule's minute to itself.
const BUDGET: Duration = Duration::from_secs(45);
/// How long money may be owed before somebody is told, in seconds.
const STALLED: i64 = 86_400;
/// What a sweep leaves of its function's time, so that it can still finish what it is at.
const MARGIN: Duration = Duration::from_secs(5);

/// The function and what it holds on to between sweeps.
#[derive(Debug)]
pub struct App {
    store: Store,
    queues: Queues,
    metrics: Metrics,
}

/// What a sweep found.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Swept {
    /// Orders that nobody paid in time.
    voided: usize,
    /// Jobs that had got lost, queued again.
    requeued: usize,
    /// Plans whose time was over, or that nobody activated in time.
    plans_over: usize,
    /// Cards put back on sale after their ticket leaked.
    leaked: usize,
    /// Returned cards put back on sale.
    returned: usize,
    /// Cards set aside: too near their deadline, or their code has left.
    stale: usize,
    /// Imports carried on.
    imports: usize,
    /// Things that failed and are left to the next sweep.
    failed: usize,
    /// Whether the time was over before the work was.
    unfinished: bool,
}

/// What was done about an order.
enum Looked {
    /// It turned void.
    Voided,
    /// So many of its jobs were queued again.
    Queued(usize),
    /// Somebody else changed it first; if it still wants attention, the next sweep finds it.
    Changed,
}

/// What has an index of what is due.
#[derive(Clone, Copy)]
enum Backlog {
    Orders,
    Subscriptions,
}

impl Backlog {
    fn name(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Subscriptions => "subscriptions",
        }
    }
}

impl App {
    /// Builds the function.
    pub async fn new(config: &Config) -> Result<Self, ConfigError> {
        Ok(Self { queues: Queues::new(config)?, metrics: Metrics::new(config), store: Store::new(config).await? })
    }

    /// Sweeps once. What fails is logged and does not keep the rest from being swept; the sweep then counts as failed, which
    /// raises its alarm.
    pub async fn handle(&self, event: LambdaEvent<Value>) -> Result<Swept, Error> {
        let span = tracing::info_span!("sweep", function = "sweep", requestId = event.context.request_id);
        async {
            let until = Instant::now() + budget(event.context.deadline());
            let mut swept = Swept::default();
            self.stock(&mut swept).await;
            self.backlog(Backlog::Orders, until, &mut swept).await;
            self.backlog(Backlog::Subscriptions, until, &mut swept).await;
            self.imports(until, &mut swept).await;
            self.levels(&mut swept).await;
            self.waiting(&mut swept).await;
            self.measure(&swept);
            let Swept { voided, requeued, plans_over, leaked, returned, stale, imports, failed, unfinished } = swept;
            tracing::info!(voided, requeued, plans_over, leaked, returned, stale, imports, failed, unfinished, "swept");
            if failed > 0 { Err(format!("{failed} things are left to the next sweep").into()) } else { Ok(swept) }
        }
        .instrument(span)
        .await
    }

    /// What went wrong without anybody's failing, where something did.
    fn measure(&self, swept: &Swept) {
        for (metric, count) in [(Metric::TicketsReturned, swept.leaked), (Metric::JobsRequeued, swept.requeued)] {
            if count > 0 {
                self.metrics.put(None, &[Measured::new(metric, i64::try_from(count).unwrap_or(i64::MAX))]);
            }
        }
    }

    /// Works off what is due: all shards at once, so that a backlog in one does not keep the others waiting. What was done leaves the
    /// index, or falls due later: a sweep that is cut short is carried on by the next where it stopped.
    async fn backlog(&self, of: Backlog, until: Instant, swept: &mut Swept) {
        let shards = (0..Store::DUE_SHARDS).map(async |shard| {
            let mut swept = Swept::default();
            let mut cursor = None;
            loop {
                if Instant::now() >= until {
                    swept.unfinished = true;
                    return swept;
                }
                let next = match of {
                    Backlog::Orders => self.orders(shard, cursor, &mut swept).await,
                    Backlog::Subscriptions => self.subscriptions(shard, cursor, &mut swept).await,
                };
                cursor = match next {
                    Ok(Some(next)) => Some(next),
                    Ok(None) => return swept,
                    Err(error) => {
                        swept.fail(of.name(), &error);
                        return swept;
                    }
                };
            }
        });
        for shard in join_all(shards).await {
            swept.add(&shard);
        }
    }

    /// A page of a shard's orders; answers where the next begins.
    async fn orders(
        &self,
        shard: u8,
        after: Option<OverdueCursor>,
        swept: &mut Swept,
    ) -> Result<Option<OverdueCursor>, StoreError> {
        let page = self.store.overdue(shard, self.store.clock().now(), after).await?;
        let mut orders = Vec::with_capacity(page.items.len());
        for read in self.store.each_order(&page.items).await? {
            match read {
                Ok(order) => orders.push(order),
                Err((num, error)) => swept.fail(&num, &error),
            }
        }
        for (order, looked) in orders.iter().zip(join_all(orders.iter().map(|order| self.order(order))).await) {
            match looked {
                Ok(Looked::Voided) => swept.voided += 1,
                Ok(Looked::Queued(jobs)) => swept.requeued += jobs,
                Ok(Looked::Changed) => {}
                Err(error) => swept.fail(order.num.as_str(), error.as_ref()),
            }
        }
        Ok(page.next)
    }

    /// A page of a shard's subscriptions; answers where the next begins.
    async fn subscriptions(
        &self,
        shard: u8,
        after: Option<OverdueCursor>,
        swept: &mut Swept,
    ) -> Result<Option<OverdueCursor>, StoreError> {
        let page = self.store.overdue_subscriptions(shard, self.store.clock().now(), after).await?;
        for (id, looked) in page.items.iter().zip(join_all(page.items.iter().map(|id| self.subscription(id))).await) {
            match looked {
                Ok(ended) => swept.plans_over += ended,
                Err(error) => swept.fail(id, error.as_ref()),
            }
        }
        Ok(page.next)
    }

    /// Looks after one order now, whatever its index says; answers how many of its jobs were queued.
    pub async fn look_after(&self, num: &OrderNum) -> Result<usize, Error> {
        let Some(order) = self.store.order(num).await? else { return Ok(0) };
        Ok(match self.order(&order).await? {
            Looked::Queued(jobs) => jobs,
            Looked::Voided | Looked::Changed => 0,
        })
    }

    /// As [`Self::look_after`], of a subscription; answers how many plans are over by it.
    pub async fn look_after_subscription(&self, id: &str) -> Result<usize, Error> {
        self.subscription(id).await
    }

    async fn order(&self, order: &Order) -> Result<Looked, Error> {
        let now = self.store.clock().now();
        match decide(order, Command::Expire, now) {
            Ok(void) => {
                let written = self.store.replace_order(&void).await?.is_ok();
                return Ok(if written { Looked::Voided } else { Looked::Changed });
            }
            // An order that waits for its payment may owe another one back.
            Err(Rejected::Done | Rejected::NotDue) => {}
            Err(_) => return Ok(Looked::Changed),
        }
        let message = |job| Queued { message: JobMessage { order_num: order.num.clone(), job }, delay: 0 };
        let jobs: Vec<Queued> = due(order, now).into_iter().map(message).collect();
        if order.refunds.iter().any(|refund| stalled(refund, now)) {
            tracing::error!(alarm = "refund_stalled", orderNum = order.num.as_str(), "money has been owed for more than a day");
        }
        let ids = self.queues.send(&jobs).await?;
        for (Queued { message, .. }, message_id) in jobs.iter().zip(ids) {
            tracing::info!(orderNum = order.num.as_str(), job = message.job.name(), messageId = message_id, "queued again");
        }
        self.store.looked_after(order, now).await?;
        Ok(Looked::Queued(jobs.len()))
    }

    /// Looks after a subscription; answers how many plans are over by it.
    async fn subscription(&self, id: &str) -> Result<usize, Error> {
        let now = self.store.clock().now();
        let Some(subscription) = self.store.subscription(id).await? else { return Ok(0) };
        if let Some(change) = subscription.open_change.as_ref().filter(|change| change.until <= now) {
            self.open_change(&subscription, change).await?;
        }
        match subscription.service {
            Service::Suspending { next_at, .. } | Service::Resuming { next_at, .. } if next_at <= now => {
                self.queues.send_service(id).await?;
            }
            Service::On | Service::Suspended { .. } | Service::Suspending { .. } | Service::Resuming { .. } => {}
        }
        let sim = self.store.sim(&subscription.iccid).await?;
        let installed = sim.is_some_and(|sim| sim.profile.installed_at.is_some());
        let Ok(next) = subscription.tick(installed, now) else {
            self.store.subscription_looked_after(&subscription, now).await?;
            return Ok(0);
        };
        // Refused if somebody else changed something first; the next sweep looks again.
        let written = self.store.write_subscription(&subscription, &next, now).await?.is_ok();
        Ok(if written { subscription.closed_by(&next).len() } else { 0 })
    }

    /// Looks what became of a change that takes longer than it should: a swap whose new SIM nobody installed is abandoned, and one
    /// whose order has come to an end without it keeps others away no longer.
    async fn open_change(&self, subscription: &Subscription, change: &OpenChange) -> Result<(), Error> {
        let now = self.store.clock().now();
        let order = match change.kind {
            ChangeKind::Swap => {
                match self.store.change_order(&change.order, |order| decide(order, Command::Abandon, now)).await? {
                    Change::Made(order) | Change::Refused(order, _) => order,
                    Change::NoOrder => return Ok(()),
                }
            }
            ChangeKind::Cancellation | ChangeKind::Refund => match self.store.order(&change.order).await? {
                Some(order) => Box::new(order),
                None => return Ok(()),
            },
        };
        if self.store.let_go(subscription, &order).await? {
            tracing::warn!(subscription = subscription.id, orderNum = order.num.as_str(), "a change that came to nothing");
        }
        Ok(())
    }

    async fn stock(&self, swept: &mut Swept) {
        let pools = match self.store.pools().await {
            Ok(pools) => pools,
            Err(error) => return swept.fail("pools", &error),
        };
        for pool in pools {
            match self.store.recover_stock(&pool, self.store.clock().now()).await {
                Ok(recovered) => {
                    swept.leaked += recovered.leaked;
                    swept.returned += recovered.returned;
                    swept.stale += recovered.stale;
                }
                Err(error) => swept.fail(&pool.to_string(), &error),
            }
        }
    }

    /// Tells of pools and balances that are low, for as long as they are. Alarms go by the field `alarm`.
    async fn levels(&self, swept: &mut Swept) {
        match self.store.note_levels(self.store.clock().now()).await {
            Ok(levels) => {
                let level = |Level { pool, available, .. }: &Level| {
                    Measured::of(Metric::PoolAvailable, i64::try_from(*available).unwrap_or(i64::MAX), pool.to_string())
                };
                self.metrics.put(None, &levels.iter().map(level).collect::<Vec<_>>());
                for Level { pool, available, alarm_level, .. } in levels.iter().filter(|level| level.is_low()) {
                    tracing::warn!(alarm = "pool_low", %pool, available, alarmLevel = alarm_level, "few cards are left");
                }
            }
            Err(error) => swept.fail("levels of pools", &error),
        }
        match self.store.low_balances().await {
            Ok(low) => {
                for LowBalance { partner_id, balance, alarm_level } in &low {
                    tracing::warn!(alarm = "balance_low", partnerId = partner_id, %balance, alarmLevel = %alarm_level, "little money is left");
                }
            }
            Err(error) => swept.fail("balances", &error),
        }
    }

    /// How much waits for people, and how many orders owe money back.
    async fn waiting(&self, swept: &mut Swept) {
        match self.store.waiting().await {
            Ok(waiting) => {
                let owed = waiting.reasons.iter().find(|(reason, _)| *reason == Attention::MoneyOwed);
                let counts =
                    [(Metric::OrdersWaiting, waiting.total), (Metric::RefundsOpen, owed.map_or(0, |(_, orders)| *orders))];
                let count = |(metric, count)| Measured::new(metric, i64::try_from(count).unwrap_or(i64::MAX));
                self.metrics.put(None, &counts.map(count));
            }
            Err(error) => swept.fail("what waits for managers", &error),
        }
    }

    async fn imports(&self, until: Instant, swept: &mut Swept) {
        let imports = match self.store.running_imports().await {
            Ok(imports) => imports,
            Err(error) => return swept.fail("imports", &error),
        };
        for id in imports {
            match self.store.run_import(&id, until).await {
                Ok(_) => swept.imports += 1,
                Err(error) => swept.fail(&id, &error),
            }
        }
    }
}

/// Whether money has been owed for so long that somebody should look.
fn stalled(refund: &Refund, now: Timestamp) -> bool {
    match refund.state {
        RefundState::Due(_) | RefundState::Requested(_) => refund.at.plus_seconds(STALLED) <= now,
        RefundState::Succeeded | RefundState::Failed | RefundState::Withdrawn => false,
    }
}

/// How long a sweep may work that has to be over by `deadline`.
fn budget(deadline: SystemTime) -> Duration {
    let left = deadline.duration_since(SystemTime::now()).unwrap_or_default();
    left.saturating_sub(MARGIN).min(BUDGET)
}

impl Swept {
    /// How many orders it voided.
    pub fn voided(&self) -> usize {
        self.voided
    }

    /// Whether its time was over before its work was.
    pub fn unfinished(&self) -> bool {
        self.unfinished
    }

    fn add(&mut self, other: &Self) {
        self.voided += other.voided;
        self.requeued += other.requeued;
        self.plans_over += other.plans_over;
        self.failed += other.failed;
        self.unfinished |= other.unfinished;
    }

    fn fail(&mut self, what: &str, error: &(dyn std::error::Error + '_)) {
        self.failed += 1;
        tracing::error!(what, error = %error, "left to the next sweep");
    }
}
