use crate::item::{Item, number, text_of};
use crate::write::{SendError, Twice, send};
use crate::{Store, StoreError, keys};
use simdock_domain::{Order, OrderNum, QUIET, Subscription, Timestamp};

/// How many orders or subscriptions a page holds.
const PAGE: i32 = 50;

/// A page of orders, or of subscriptions, that want attention.
#[derive(Debug)]
pub struct Overdue<T> {
    /// Which.
    pub items: Vec<T>,
    /// Where to go on, if there were more than fitted.
    pub next: Option<OverdueCursor>,
}

/// Where a page of an index `due` ended.
#[derive(Clone, Debug)]
pub struct OverdueCursor(Item);

impl Store {
    /// The partitions that what wants attention spreads over, of orders as of subscriptions.
    pub const DUE_SHARDS: u8 = keys::DUE_SHARDS;

    /// Orders of a shard that wanted attention before now, the longest waiting first. An index may lag behind: read each order
    /// again before deciding on it.
    pub async fn overdue(
        &self,
        shard: u8,
        now: Timestamp,
        after: Option<OverdueCursor>,
    ) -> Result<Overdue<OrderNum>, StoreError> {
        let num = |item: &Item| {
            text_of(item, "orderNum")?.parse().map_err(|_| StoreError::Broken("an index without an order".to_owned()))
        };
        self.overdue_in(&self.tables.orders, shard, now, after, num).await
    }

    /// As [`Self::overdue`], of subscriptions.
    pub async fn overdue_subscriptions(
        &self,
        shard: u8,
        now: Timestamp,
        after: Option<OverdueCursor>,
    ) -> Result<Overdue<String>, StoreError> {
        let id = |item: &Item| text_of(item, "subscriptionId").map(str::to_owned);
        self.overdue_in(&self.tables.subscriptions, shard, now, after, id).await
    }

    async fn overdue_in<T>(
        &self,
        table: &str,
        shard: u8,
        now: Timestamp,
        after: Option<OverdueCursor>,
        read: impl Fn(&Item) -> Result<T, StoreError>,
    ) -> Result<Overdue<T>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(table)
            .index_name("due")
            .limit(PAGE)
            .set_exclusive_start_key(after.map(|cursor| cursor.0))
            .key_condition_expression("dueShard = :shard AND dueAt <= :now")
            .expression_attribute_values(":shard", number(shard))
            .expression_attribute_values(":now", number(now.unix()));
        let answer = send(Twice::Harmless, || query.clone().send()).await.map_err(SendError::unconditional)?;
        let items = answer.items().iter().map(read).collect::<Result<_, _>>()?;
        Ok(Overdue { items, next: answer.last_evaluated_key.map(OverdueCursor) })
    }

    /// Notes that an order's due jobs were queued again, so that the next sweep leaves it in peace for a while. Refused without
    /// harm if the order changed meanwhile, or is to be looked at later anyway: an index may still name what is done since.
    pub async fn looked_after(&self, order: &Order, now: Timestamp) -> Result<(), StoreError> {
        self.leave_in_peace(&self.tables.orders, keys::order(&order.num), order.version, now).await
    }

    /// As [`Self::looked_after`], of a subscription.
    pub async fn subscription_looked_after(&self, subscription: &Subscription, now: Timestamp) -> Result<(), StoreError> {
        let key = keys::subscription(&subscription.id);
        self.leave_in_peace(&self.tables.subscriptions, key, subscription.version, now).await
    }

    async fn leave_in_peace(&self, table: &str, key: Item, version: u64, now: Timestamp) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(table)
            .set_key(Some(key))
            .update_expression("SET dueAt = :next")
            .condition_expression("version = :version AND dueAt < :next")
            .expression_attribute_values(":next", number(now.plus_seconds(QUIET).unix()))
            .expression_attribute_values(":version", number(version));
        match send(Twice::Harmless, || update.clone().send()).await {
            Ok(_) | Err(SendError::Refused(_)) => Ok(()),
            Err(SendError::Failed(error)) => Err(error),
        }
    }
}
