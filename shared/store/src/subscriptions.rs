use crate::item::{Item, from_item, number, text_of, to_item};
use crate::stock::built;
use crate::write::{SendError, Twice, send};
use crate::{Conflict, Store, StoreError, keys};
use aws_sdk_dynamodb::types::Put;
use simdock_domain::{QUIET, Subscription, Timestamp};

/// How many subscriptions a page holds.
const PAGE: i32 = 50;

/// A page of subscriptions that want attention.
#[derive(Debug)]
pub struct OverdueSubscriptions {
    /// Which.
    pub ids: Vec<String>,
    /// Where to go on, if there were more than fitted.
    pub next: Option<SubscriptionCursor>,
}

/// Where a page of overdue subscriptions ended.
#[derive(Clone, Debug)]
pub struct SubscriptionCursor(Item);

impl Store {
    /// Reads a subscription, consistently.
    pub async fn subscription(&self, id: &str) -> Result<Option<Subscription>, StoreError> {
        let table = &self.tables.subscriptions;
        let get = self.client.get_item().table_name(table).set_key(Some(keys::subscription(id))).consistent_read(true);
        let answer = send(Twice::Harmless, || get.clone().send()).await.map_err(SendError::unconditional)?;
        answer.item.map(from_item).transpose()
    }

    /// Reads subscriptions, consistently, in no particular order; ones that do not exist are left out.
    pub async fn subscriptions(&self, ids: &[String]) -> Result<Vec<Subscription>, StoreError> {
        let mut all = Vec::with_capacity(ids.len());
        for hundred in ids.chunks(100) {
            let keys = hundred.iter().map(|id| keys::subscription(id)).collect();
            let items = self.batch_get(&self.tables.subscriptions, keys).await?;
            all.extend(items.into_iter().map(from_item).collect::<Result<Vec<Subscription>, _>>()?);
        }
        Ok(all)
    }

    /// Writes a subscription over the version before.
    pub async fn replace_subscription(&self, next: &Subscription) -> Result<Result<(), Conflict>, StoreError> {
        let put = self.subscription_put(next)?;
        let request = self
            .client
            .put_item()
            .table_name(&put.table_name)
            .set_item(Some(put.item.clone()))
            .set_condition_expression(put.condition_expression.clone())
            .set_expression_attribute_values(put.expression_attribute_values.clone());
        match send(Twice::Harmless, || request.clone().send()).await {
            Ok(_) => Ok(Ok(())),
            Err(SendError::Refused(_)) => Ok(Err(Conflict)),
            Err(SendError::Failed(error)) => Err(error),
        }
    }

    /// The write of a subscription over the version before, for a transaction.
    pub(crate) fn subscription_put(&self, next: &Subscription) -> Result<Put, StoreError> {
        let put = Put::builder().table_name(&self.tables.subscriptions).set_item(Some(subscription_item(next)?));
        let put = put.condition_expression("version = :before").expression_attribute_values(":before", number(next.version - 1));
        built(put.build())
    }

    /// Subscriptions of a shard that wanted attention before now, the longest waiting first. An index may lag behind: read each
    /// again before deciding on it.
    pub async fn overdue_subscriptions(
        &self,
        shard: u8,
        now: Timestamp,
        after: Option<SubscriptionCursor>,
    ) -> Result<OverdueSubscriptions, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.tables.subscriptions)
            .index_name("due")
            .limit(PAGE)
            .set_exclusive_start_key(after.map(|cursor| cursor.0))
            .key_condition_expression("dueShard = :shard AND dueAt <= :now")
            .expression_attribute_values(":shard", number(shard))
            .expression_attribute_values(":now", number(now.unix()));
        let answer = send(Twice::Harmless, || query.clone().send()).await.map_err(SendError::unconditional)?;
        Ok(OverdueSubscriptions {
            ids: answer
                .items()
                .iter()
                .map(|item| text_of(item, "subscriptionId").map(str::to_owned))
                .collect::<Result<_, _>>()?,
            next: answer.last_evaluated_key.map(SubscriptionCursor),
        })
    }

    /// Notes that a subscription was looked at and what it needs was queued, so that the next sweep leaves it in peace for a while.
    pub async fn subscription_looked_after(&self, subscription: &Subscription, now: Timestamp) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.tables.subscriptions)
            .set_key(Some(keys::subscription(&subscription.id)))
            .update_expression("SET dueAt = :next")
            .condition_expression("version = :version AND attribute_exists(dueAt)")
            .expression_attribute_values(":next", number(now.plus_seconds(QUIET).unix()))
            .expression_attribute_values(":version", number(subscription.version));
        match send(Twice::Harmless, || update.clone().send()).await {
            Ok(_) | Err(SendError::Refused(_)) => Ok(()),
            Err(SendError::Failed(error)) => Err(error),
        }
    }
}

/// A subscription as it is stored: the record, and the keys of the index.
pub fn subscription_item(subscription: &Subscription) -> Result<Item, StoreError> {
    let mut item = to_item(subscription)?;
    if let Some(at) = subscription.next_attention() {
        item.insert("dueShard".to_owned(), number(keys::subscription_shard(&subscription.id)));
        item.insert("dueAt".to_owned(), number(at.unix()));
    }
    Ok(item)
}
