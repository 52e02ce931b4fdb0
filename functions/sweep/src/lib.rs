//! Runs every minute and finds what nobody else does: orders nobody paid, jobs that got lost, tickets whose buyer vanished,
//! imports that were cut short. Two sweeps at once do no harm, and one that is cut short is carried on by the next.

use futures_util::future::join_all;
use lambda_runtime::{Error, LambdaEvent};
use serde::Serialize;
use serde_json::Value;
use simdock_domain::{Command, OrderNum, Rejected, decide, due};
use simdock_jobs::{JobMessage, Queued, Queues};
use simdock_runtime::{Config, ConfigError};
use simdock_store::{Change, Store};
use std::time::{Duration, Instant};
use tracing::Instrument;

/// How long one sweep works; below the function's timeout and the schedule's minute.
const BUDGET: Duration = Duration::from_secs(45);

/// The function and what it holds on to between sweeps.
#[derive(Debug)]
pub struct App {
    store: Store,
    queues: Queues,
}

/// What a sweep found.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Swept {
    /// Orders that nobody paid in time.
    voided: usize,
    /// Jobs that had got lost, queued again.
    requeued: usize,
    /// Cards put back on sale after their ticket leaked.
    leaked: usize,
    /// Returned cards put back on sale.
    returned: usize,
    /// Cards set aside, being too near their deadline.
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
}

impl App {
    /// Builds the function.
    pub async fn new(config: &Config) -> Result<Self, ConfigError> {
        Ok(Self { queues: Queues::new(config)?, store: Store::new(config).await? })
    }

    /// Sweeps once. What fails is logged and does not keep the rest from being swept; the sweep then counts as failed, which
    /// raises its alarm.
    pub async fn handle(&self, event: LambdaEvent<Value>) -> Result<Swept, Error> {
        let span = tracing::info_span!("sweep", function = "sweep", requestId = event.context.request_id);
        async {
            let until = Instant::now() + BUDGET;
            let mut swept = Swept::default();
            self.stock(&mut swept).await;
            self.orders(until, &mut swept).await;
            self.imports(until, &mut swept).await;
            let Swept { voided, requeued, leaked, returned, stale, imports, failed, unfinished } = swept;
            tracing::info!(voided, requeued, leaked, returned, stale, imports, failed, unfinished, "swept");
            if failed > 0 { Err(format!("{failed} things are left to the next sweep").into()) } else { Ok(swept) }
        }
        .instrument(span)
        .await
    }

    async fn orders(&self, until: Instant, swept: &mut Swept) {
        for shard in 0..Store::DUE_SHARDS {
            let mut cursor = None;
            loop {
                if Instant::now() >= until {
                    swept.unfinished = true;
                    return;
                }
                let page = match self.store.overdue(shard, self.store.clock().now(), cursor).await {
                    Ok(page) => page,
                    Err(error) => {
                        swept.fail("orders", &error);
                        break;
                    }
                };
                let looked = join_all(page.orders.iter().map(|num| self.order(num))).await;
                for (num, looked) in page.orders.iter().zip(looked) {
                    match looked {
                        Ok(Looked::Voided) => swept.voided += 1,
                        Ok(Looked::Queued(jobs)) => swept.requeued += jobs,
                        Err(error) => swept.fail(num.as_str(), error.as_ref()),
                    }
                }
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
        }
    }

    async fn order(&self, num: &OrderNum) -> Result<Looked, Error> {
        let now = self.store.clock().now();
        let order = match self.store.change_order(num, |order| decide(order, Command::Expire, now)).await? {
            Change::Made(_) => return Ok(Looked::Voided),
            Change::Refused(order, Rejected::Done) => order,
            Change::Refused(_, Rejected::NotDue | Rejected::NotAllowed | Rejected::NotRefundable(_)) | Change::NoOrder => {
                return Ok(Looked::Queued(0));
            }
        };
        let message = |job| Queued { message: JobMessage { order_num: num.clone(), job }, delay: 0 };
        let jobs: Vec<Queued> = due(&order, now).into_iter().map(message).collect();
        self.queues.send(&jobs).await?;
        self.store.looked_after(&order, now).await?;
        Ok(Looked::Queued(jobs.len()))
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

impl Swept {
    fn fail(&mut self, what: &str, error: &(dyn std::error::Error + '_)) {
        self.failed += 1;
        tracing::error!(what, error = %error, "left to the next sweep");
    }
}
