//! The only crate that names DynamoDB: keys, items, and one function per decision's transaction.
//!
//! Every write carries its condition. What a condition refused is an answer ([`Conflict`] and its kin); what could not be
//! found out is a [`StoreError`], and asking again is always safe. `infra/TABLES.md` lists the keys, the access patterns and
//! the conditions that hold each invariant.

mod api_keys;
mod attention;
mod audit;
mod cache;
mod codes;
mod error;
mod imports;
mod in_step;
mod inspect;
mod item;
mod keys;
mod ledger;
mod levels;
mod lines;
mod list;
mod orders;
mod partners;
mod pay;
mod plans;
mod recover;
mod shelf;
mod sim_list;
mod sim_status;
mod sims;
mod stock;
mod subscriptions;
mod sweep;
mod together;
mod transaction;
mod write;

pub use api_keys::{EndKey, Key, KeyMade, KeyPosition, Principal, StoredKey};
pub use attention::Waiting;
pub use audit::{ADMINISTRATOR, Act, AuditEntry, AuditPosition, AuditQuery};
pub use codes::{Codes, Taken};
pub use error::{Conflict, StoreError};
pub use imports::{Import, ImportError, ImportLine, ImportPosition, ImportStatus, ImportSummary};
pub use in_step::{Activation, Facts, used};
pub use inspect::{Bookmark, Inspected, Place, Record, Stored, Table};
pub use keys::{hashed as hashed_key, key_id};
pub use ledger::{Credit, Credited, LedgerEntry, LedgerKind, LedgerPosition, LedgerQuery};
pub use levels::{Level, PoolDay};
pub use lines::{LinePosition, LineQuery};
pub use list::{ListQuery, Page, Position, PositionError};
pub use orders::{Change, Created, order_in_image};
pub use partners::{Account, Balance, LowBalance, Partner, PartnerChange, PartnerChanged, PartnerMade};
pub use pay::{Paid, Receipt};
pub use plans::{Operator, Provisioning};
pub use recover::Recovered;
pub use shelf::{Archiving, Kept, Restoring, SimEdit};
pub use sim_list::{Bounds, SimPosition, SimQuery};
pub use sim_status::{InSession, SimStatus};
pub use sims::{Sim, SimReport, SimRules, SimState};
pub use stock::{NewCard, PoolChanged};
pub use sweep::{Overdue, OverdueCursor};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use cache::Cache;
use simdock_domain::Plan;
use simdock_runtime::{Clock, Config, ConfigError, Service};
use std::sync::Arc;

/// A connection to the tables. Built once, when a function starts; cheap to share by reference.
#[derive(Debug)]
pub struct Store {
    client: Client,
    tables: Tables,
    clock: Clock,
    principals: Cache<String, Option<Key>>,
    plan_versions: Cache<(String, u32), Option<Arc<Plan>>>,
    latest_plans: Cache<String, Option<Arc<Plan>>>,
    operators: Cache<String, Option<Operator>>,
}

#[derive(Debug)]
struct Tables {
    orders: String,
    sims: String,
    pools: String,
    subscriptions: String,
    partners: String,
    plans: String,
}

impl Store {
    /// A store on the tables that the configuration names, with its connection already open: what a cold start costs then
    /// falls into the time that is not billed to a request.
    pub async fn new(config: &Config) -> Result<Self, ConfigError> {
        let sdk = config.sdk(Service::DynamoDb)?;
        // Retrying is this crate's own business: it knows which writes may be sent twice.
        let client =
            Client::from_conf(aws_sdk_dynamodb::config::Builder::from(&sdk).retry_config(RetryConfig::disabled()).build());
        let table = |name: &str| config.var(name).map(str::to_owned);
        let tables = Tables {
            orders: table("ORDERS_TABLE")?,
            sims: table("SIMS_TABLE")?,
            pools: table("POOLS_TABLE")?,
            subscriptions: table("SUBSCRIPTIONS_TABLE")?,
            partners: table("PARTNERS_TABLE")?,
            plans: table("PLANS_TABLE")?,
        };
        // Only the connection matters; a refusal opens it as well as an answer does.
        let _ = client.get_item().table_name(&tables.orders).key("orderNum", item::text("warm")).send().await;
        Ok(Self {
            client,
            tables,
            clock: config.clock().clone(),
            principals: Cache::default(),
            plan_versions: Cache::default(),
            latest_plans: Cache::default(),
            operators: Cache::default(),
        })
    }

    /// The clock that the store and its callers go by.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }
}
