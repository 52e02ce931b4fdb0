use crate::audit::Act;
use crate::item::{Item, from_item, number, number_of, text_of, to_item};
use crate::stock::{built, put_new};
use crate::together::at_most;
use crate::write::{SendError, TransactError, Twice, send};
use crate::{Conflict, Principal, Store, StoreError, keys};
use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use serde::{Deserialize, Serialize};
use simdock_domain::{Action, Plan};
use std::sync::Arc;

/// How many plans are read at once.
const AT_ONCE: usize = 16;

/// An operator that issues cards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Operator {
    /// Names it in pools and plans.
    pub operator_id: String,
    /// The name that people read.
    pub display: String,
    /// What makes its cards work.
    pub provisioning: Provisioning,
}

/// What makes an operator's cards work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provisioning {
    /// Nothing more: they work as they come, and the operator takes no requests about them.
    Preloaded,
    /// A request to the operator.
    Http,
}

impl Operator {
    /// Whether it can be asked anything about its cards, such as to keep one out of its network.
    pub fn takes_requests(&self) -> bool {
        match self.provisioning {
            Provisioning::Preloaded => false,
            Provisioning::Http => true,
        }
    }
}

impl Store {
    /// A version of a plan that an order holds. Versions never change, so one read is enough for a function's life.
    pub async fn plan_version(&self, id: &str, version: u32) -> Result<Arc<Plan>, StoreError> {
        let (key, now) = ((id.to_owned(), version), self.clock.now());
        let known = if let Some(known) = self.plan_versions.get(&key, now) {
            known
        } else {
            let read = self.plan_item(keys::plan_version(id, version)).await?.map(from_item).transpose()?.map(Arc::new);
            self.plan_versions.put(key, read.clone(), now);
            read
        };
        known.ok_or_else(|| StoreError::Broken(format!("plan {id} has no version {version}")))
    }

    /// The latest version of a plan, as it was at most a minute ago.
    pub async fn latest_plan(&self, id: &str) -> Result<Option<Arc<Plan>>, StoreError> {
        let (key, now) = (id.to_owned(), self.clock.now());
        if let Some(known) = self.latest_plans.get(&key, now) {
            return Ok(known);
        }
        let plan = match self.plan_item(keys::plan_entry(id)).await? {
            None => None,
            Some(entry) => Some(self.plan_version(id, version(&entry)?).await?),
        };
        self.latest_plans.put(key, plan.clone(), now);
        Ok(plan)
    }

    /// The version of a plan that an order for whoever asks is made of. A manager has just seen what it costs, and changes it as well: for
    /// managers it is the latest now, and not a minute ago.
    pub async fn plan_for(&self, principal: &Principal, id: &str) -> Result<Option<Arc<Plan>>, StoreError> {
        if let Principal::Partner { .. } = principal {
            return self.latest_plan(id).await;
        }
        match self.latest_version(id).await? {
            Some(version) => Ok(Some(self.plan_version(id, version).await?)),
            None => Ok(None),
        }
    }

    /// The number of the latest version of a plan.
    pub async fn latest_version(&self, id: &str) -> Result<Option<u32>, StoreError> {
        self.plan_item(keys::plan_entry(id)).await?.as_ref().map(version).transpose()
    }

    /// Every plan in its latest version.
    pub async fn plans(&self) -> Result<Vec<Arc<Plan>>, StoreError> {
        let entries = self.query_all(&self.tables.plans, keys::PLANS, None).await?;
        let plan = async |entry: &Item| self.plan_version(text_of(entry, "sk")?, version(entry)?).await;
        at_most(AT_ONCE, entries.iter().map(plan).collect()).await
    }

    /// Puts the next version of a plan on sale, or withdraws the plan with it. The version must follow the last one by one; writing the
    /// same version with the same content again changes nothing.
    pub async fn put_plan(&self, plan: &Plan, by: &str) -> Result<Result<(), Conflict>, StoreError> {
        let mut item = to_item(plan)?;
        item.extend(keys::plan_version(&plan.plan_id, plan.version));
        let mut entry = keys::plan_entry(&plan.plan_id);
        entry.insert("version".to_owned(), number(plan.version));
        let table = &self.tables.plans;
        let latest = match plan.version {
            0 => return Ok(Err(Conflict)),
            1 => put_new(table, entry)?,
            next => {
                let put = Put::builder().table_name(table).set_item(Some(entry)).condition_expression("version = :before");
                let put = put.expression_attribute_values(":before", number(next - 1));
                TransactWriteItem::builder().put(built(put.build())?).build()
            }
        };
        let withdrawn = if plan.withdrawn { ", withdrawn" } else { "" };
        let details = Some(format!("version {}, {}{withdrawn}", plan.version, plan.price));
        let act = Act { by, action: Action::PlanPut, target: &plan.plan_id, details };
        let items = vec![put_new(table, item)?, latest, self.audit_put(&act)?];
        match self.transact(items).await {
            Ok(()) => Ok(Ok(())),
            Err(TransactError::Failed(error)) => Err(error),
            Err(TransactError::Refused(_)) => {
                let there = self.plan_item(keys::plan_version(&plan.plan_id, plan.version)).await?;
                let same = there.map(from_item::<Plan>).transpose()?.is_some_and(|there| there == *plan);
                Ok(if same { Ok(()) } else { Err(Conflict) })
            }
        }
    }

    /// An operator, as it was at most a minute ago.
    pub async fn operator(&self, id: &str) -> Result<Option<Operator>, StoreError> {
        let (key, now) = (id.to_owned(), self.clock.now());
        if let Some(known) = self.operators.get(&key, now) {
            return Ok(known);
        }
        let operator = self.plan_item(keys::operator(id)).await?.map(from_item).transpose()?;
        self.operators.put(key, operator.clone(), now);
        Ok(operator)
    }

    /// Whether an operator's cards work as they come, so that nobody can ask it anything about them. As it was at most a minute ago.
    pub async fn is_preloaded(&self, operator: &str) -> Result<bool, StoreError> {
        Ok(self.operator(operator).await?.is_some_and(|operator| !operator.takes_requests()))
    }

    /// Writes an operator, whether it was there or not.
    pub async fn put_operator(&self, operator: &Operator) -> Result<(), StoreError> {
        let mut item = to_item(operator)?;
        item.extend(keys::operator(&operator.operator_id));
        let put = self.client.put_item().table_name(&self.tables.plans).set_item(Some(item.clone()));
        send(Twice::Harmless, || put.clone().send()).await.map_err(SendError::unconditional)?;
        Ok(())
    }

    /// Read consistently: a plan's entry may be a moment old, and the version that it names has to be there.
    async fn plan_item(&self, key: Item) -> Result<Option<Item>, StoreError> {
        let get = self.client.get_item().table_name(&self.tables.plans).set_key(Some(key)).consistent_read(true);
        Ok(send(Twice::Harmless, || get.clone().send()).await.map_err(SendError::unconditional)?.item)
    }
}

fn version(entry: &Item) -> Result<u32, StoreError> {
    u32::try_from(number_of(entry, "version")?).map_err(|_| StoreError::Broken("a plan version that is too large".to_owned()))
}
