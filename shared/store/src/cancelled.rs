use crate::item::{number, text};
use crate::sims::Sim;
use crate::stock::built;
use crate::write::TransactError;
use crate::{Conflict, Store, StoreError, keys};
use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use simdock_domain::{Money, Order, Timestamp};

impl Store {
    /// How many revoked cards [`Store::cancelled`] takes at once: a card, its subscription and its mark each.
    pub const REVOKED_AT_ONCE: usize = 33;

    /// Records cards that the carrier revoked together with the order that says so. A card whose code never left goes back on
    /// sale with the next sweep; any other is set aside, since whoever has its code could install what the next buyer bought.
    pub async fn cancelled(&self, next: &Order, revoked: &[&Sim], now: Timestamp) -> Result<Result<(), Conflict>, StoreError> {
        let mut items = vec![TransactWriteItem::builder().put(self.order_put(next)?).build()];
        for sim in revoked {
            let update = Update::builder()
                .table_name(&self.tables.sims)
                .set_key(Some(keys::sim(&sim.iccid)))
                .update_expression("SET #state = :state")
                .expression_attribute_names("#state", "state")
                .expression_attribute_names("#order", "order")
                .expression_attribute_values(":sold", text("sold"))
                .expression_attribute_values(":active", text("active"))
                .expression_attribute_values(":order", text(next.num.as_str()));
            let update = match sim.disclosed_at {
                None => update
                    .condition_expression("#state IN (:sold, :active) AND #order = :order AND attribute_not_exists(disclosed)")
                    .expression_attribute_values(":state", text("returning")),
                Some(_) => update
                    .condition_expression("#state IN (:sold, :active) AND #order = :order AND attribute_exists(disclosed)")
                    .expression_attribute_values(":state", text("set_aside")),
            };
            items.push(TransactWriteItem::builder().update(built(update.build())?).build());
            if sim.disclosed_at.is_none() {
                items.push(self.put_pool_item(keys::returned(&sim.pool, &sim.iccid))?);
            }
            if let Some(subscription) = &sim.subscription {
                let update = Update::builder()
                    .table_name(&self.tables.subscriptions)
                    .set_key(Some(keys::subscription(subscription)))
                    .update_expression("SET endedAt = if_not_exists(endedAt, :now)")
                    .condition_expression("attribute_exists(subscriptionId)")
                    .expression_attribute_values(":now", number(now.unix()));
                items.push(TransactWriteItem::builder().update(built(update.build())?).build());
            }
        }
        settled(self.transact(items).await)
    }

    /// Gives money back to the balance that it came from, together with the order that says so, once per refund.
    pub async fn refund_to_balance(
        &self,
        next: &Order,
        refund_id: &str,
        amount: Money,
        now: Timestamp,
    ) -> Result<Result<(), Conflict>, StoreError> {
        let balance = Update::builder()
            .table_name(&self.tables.partners)
            .set_key(Some(keys::balance(&next.partner_id, amount.currency)))
            .update_expression("ADD balance :amount")
            .expression_attribute_values(":amount", number(amount.amount));
        let items = vec![
            TransactWriteItem::builder().put(self.order_put(next)?).build(),
            TransactWriteItem::builder().update(built(balance.build())?).build(),
            self.ledger_put(&next.partner_id, amount, &format!("{}#{refund_id}", next.num), now)?,
        ];
        settled(self.transact(items).await)
    }
}

fn settled(outcome: Result<(), TransactError>) -> Result<Result<(), Conflict>, StoreError> {
    match outcome {
        Ok(()) => Ok(Ok(())),
        Err(TransactError::Refused(_)) => Ok(Err(Conflict)),
        Err(TransactError::Failed(error)) => Err(error),
    }
}
