use crate::item::{Item, from_item, number, to_item};
use crate::write::{SendError, Twice, over_version, send};
use crate::{Conflict, Store, StoreError, keys};
use aws_sdk_dynamodb::types::Put;
use simdock_domain::{LineState, Order, OrderType, Subscription};

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
        let keys: Vec<Item> = ids.iter().map(|id| keys::subscription(id)).collect();
        self.batch_get_all(&self.tables.subscriptions, &keys).await?.into_iter().map(from_item).collect()
    }

    /// Writes a subscription over the version before.
    pub async fn replace_subscription(&self, next: &Subscription) -> Result<Result<(), Conflict>, StoreError> {
        self.replace(self.subscription_put(next)?).await
    }

    /// Frees a subscription that is kept for a change by an order which is not at it any more; answers whether it was. The order has
    /// to be read after the subscription: what it begins later makes another version of that.
    pub async fn let_go(&self, subscription: &Subscription, order: &Order) -> Result<bool, StoreError> {
        let mut lines = order.lines.iter().enumerate().filter(|(line, _)| order.subscription_of(*line) == subscription.id);
        let at_it = lines.any(|(_, line)| match line.state {
            LineState::Pending | LineState::Cancelling => true,
            // A new card works, and nobody has installed it yet.
            LineState::Live => order.kind == OrderType::SwapSim && !order.has_swapped(),
            LineState::Cancelled | LineState::Ended | LineState::Failed => false,
        });
        match subscription.release(&order.num) {
            Ok(free) if !at_it => Ok(self.replace_subscription(&free).await?.is_ok()),
            Ok(_) | Err(_) => Ok(false),
        }
    }

    /// The write of a subscription over the version before, for a transaction.
    pub(crate) fn subscription_put(&self, next: &Subscription) -> Result<Put, StoreError> {
        over_version(&self.tables.subscriptions, subscription_item(next)?, next.version)
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
