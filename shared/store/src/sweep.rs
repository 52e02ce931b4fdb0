use crate::item::{Item, number, text_of};
use crate::write::{SendError, Twice, send};
use crate::{Store, StoreError, keys};
use simdock_domain::{Order, OrderNum, QUIET, Timestamp};

/// How many orders a page holds.
const PAGE: i32 = 50;

/// A page of orders that want attention.
#[derive(Debug)]
pub struct Overdue {
    /// Which orders.
    pub orders: Vec<OrderNum>,
    /// Where to go on, if there were more than fitted.
    pub next: Option<OverdueCursor>,
}

/// Where a page of overdue orders ended.
#[derive(Clone, Debug)]
pub struct OverdueCursor(Item);

impl Store {
    /// The partitions that the orders wanting attention spread over.
    pub const DUE_SHARDS: u8 = keys::DUE_SHARDS;

    /// Orders of a shard that wanted attention before now, the longest waiting first. An index may lag behind: read each order
    /// again before deciding on it.
    pub async fn overdue(&self, shard: u8, now: Timestamp, after: Option<OverdueCursor>) -> Result<Overdue, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.tables.orders)
            .index_name("due")
            .limit(PAGE)
            .set_exclusive_start_key(after.map(|cursor| cursor.0))
            .key_condition_expression("dueShard = :shard AND dueAt <= :now")
            .expression_attribute_values(":shard", number(shard))
            .expression_attribute_values(":now", number(now.unix()));
        let answer = send(Twice::Harmless, || query.clone().send()).await.map_err(SendError::unconditional)?;
        let num =
            |item| text_of(item, "orderNum")?.parse().map_err(|_| StoreError::Broken("an index without an order".to_owned()));
        Ok(Overdue {
            orders: answer.items().iter().map(num).collect::<Result<_, _>>()?,
            next: answer.last_evaluated_key.map(OverdueCursor),
        })
    }

    /// Notes that an order's due jobs were queued again, so that the next sweep leaves it in peace for a while. Refused without
    /// harm if the order changed meanwhile.
    pub async fn looked_after(&self, order: &Order, now: Timestamp) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.tables.orders)
            .set_key(Some(keys::order(&order.num)))
            .update_expression("SET dueAt = :next")
            .condition_expression("version = :version AND attribute_exists(dueAt)")
            .expression_attribute_values(":next", number(now.plus_seconds(QUIET).unix()))
            .expression_attribute_values(":version", number(order.version));
        match send(Twice::Harmless, || update.clone().send()).await {
            Ok(_) | Err(SendError::Refused(_)) => Ok(()),
            Err(SendError::Failed(error)) => Err(error),
        }
    }
}
