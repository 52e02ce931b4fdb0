use crate::item::{Item, from_item, number, text, text_of, to_item};
use crate::stock::built;
use crate::together::at_most;
use crate::write::{SENDS, SendError, Twice, over_version, pause, send};
use crate::{Conflict, Store, StoreError, keys};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{KeysAndAttributes, Put, ReturnValuesOnConditionCheckFailure};
use simdock_domain::{Attention, Order, OrderNum, Rejected, next_attention};

/// How many hundreds of items are read at once.
const BATCHES_AT_ONCE: usize = 8;

/// What became of a request to create an order.
#[derive(Debug)]
pub enum Created {
    /// It is new.
    New,
    /// The same request was made before; this is the order as it stands.
    Before(Box<Order>),
    /// Another request was made under the same key.
    KeyReused,
}

/// What became of a command.
#[derive(Debug)]
pub enum Change {
    /// It was carried out.
    Made(Box<Order>),
    /// It changed nothing; the order as it stands, and why.
    Refused(Box<Order>, Rejected),
    /// There is no such order.
    NoOrder,
}

/// How often a command is decided anew because others were faster; more than the writers one order ever has at once.
const DECISIONS: u32 = 40;

impl Store {
    /// Puts a new order where none is. The order's number is derived from the request's key, so this one write is the whole
    /// check for idempotency.
    pub async fn create_order(&self, order: &Order) -> Result<Created, StoreError> {
        let item = order_item(order)?;
        let put = self
            .client
            .put_item()
            .table_name(&self.tables.orders)
            .set_item(Some(item.clone()))
            .condition_expression("attribute_not_exists(orderNum)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match send(Twice::Harmless, || put.clone().send()).await {
            Ok(_) => Ok(Created::New),
            Err(SendError::Failed(error)) => Err(error),
            Err(SendError::Refused(PutItemError::ConditionalCheckFailedException(refused))) => {
                let before = match refused.item {
                    Some(item) => Some(from_item::<Order>(item)?),
                    None => self.order(&order.num).await?,
                };
                let before = before.ok_or_else(|| StoreError::Busy("an order was there and is gone".to_owned()))?;
                Ok(if before.fingerprint == order.fingerprint { Created::Before(Box::new(before)) } else { Created::KeyReused })
            }
            Err(SendError::Refused(other)) => Err(StoreError::Broken(other.to_string())),
        }
    }

    /// Reads an order, consistently.
    pub async fn order(&self, num: &OrderNum) -> Result<Option<Order>, StoreError> {
        let get = self.client.get_item().table_name(&self.tables.orders).set_key(Some(keys::order(num))).consistent_read(true);
        let answer = send(Twice::Harmless, || get.clone().send()).await.map_err(SendError::unconditional)?;
        answer.item.map(from_item).transpose()
    }

    /// Reads orders, consistently and in no particular order; ones that do not exist are left out.
    pub async fn orders(&self, nums: &[OrderNum]) -> Result<Vec<Order>, StoreError> {
        self.each_order(nums).await?.into_iter().map(|read| read.map_err(|(_, error)| error)).collect()
    }

    /// As [`Self::orders`], where an order that cannot be read keeps nobody from the others: its number, and why.
    pub async fn each_order(&self, nums: &[OrderNum]) -> Result<Vec<Result<Order, (String, StoreError)>>, StoreError> {
        let keys: Vec<Item> = nums.iter().map(keys::order).collect();
        let read = |item: Item| {
            let num = text_of(&item, "orderNum").unwrap_or_default().to_owned();
            from_item(item).map_err(|error| (num, error))
        };
        Ok(self.batch_get_all(&self.tables.orders, &keys).await?.into_iter().map(read).collect())
    }

    /// Decides on an order until the decision could be written: reads, decides, and writes under the condition that nobody
    /// else wrote in between.
    pub async fn change_order(
        &self,
        num: &OrderNum,
        decide: impl Fn(&Order) -> Result<Order, Rejected>,
    ) -> Result<Change, StoreError> {
        match self.order(num).await? {
            Some(order) => self.change_known_order(order, decide).await,
            None => Ok(Change::NoOrder),
        }
    }

    /// As [`Self::change_order`], beginning with an order as it was read or written a moment ago.
    pub async fn change_known_order(
        &self,
        mut order: Order,
        decide: impl Fn(&Order) -> Result<Order, Rejected>,
    ) -> Result<Change, StoreError> {
        for _ in 0..DECISIONS {
            let next = match decide(&order) {
                Ok(next) => next,
                Err(rejected) => return Ok(Change::Refused(Box::new(order), rejected)),
            };
            if self.replace_order(&next).await?.is_ok() {
                return Ok(Change::Made(Box::new(next)));
            }
            match self.order(&order.num).await? {
                Some(fresh) => order = fresh,
                None => return Ok(Change::NoOrder),
            }
        }
        Err(StoreError::Busy(format!("others kept changing order {}", order.num)))
    }

    /// Writes an order over the version before.
    pub async fn replace_order(&self, next: &Order) -> Result<Result<(), Conflict>, StoreError> {
        self.replace(self.order_put(next)?).await
    }

    /// The write of an order over the version before, for a transaction.
    pub(crate) fn order_put(&self, next: &Order) -> Result<Put, StoreError> {
        over_version(&self.tables.orders, order_item(next)?, next.version)
    }

    /// Reads up to 100 items of a table by key, consistently and in no particular order; absent ones are left out.
    pub(crate) async fn batch_get(&self, table: &str, keys: Vec<Item>) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::with_capacity(keys.len());
        let mut wanted = keys;
        let mut sends = 0;
        while !wanted.is_empty() {
            if sends == SENDS {
                return Err(StoreError::Busy("keys were left unprocessed".to_owned()));
            } else if sends > 0 {
                pause(sends).await;
            }
            sends += 1;
            let batch = built(KeysAndAttributes::builder().set_keys(Some(wanted)).consistent_read(true).build())?;
            let request = self.client.batch_get_item().request_items(table, batch.clone());
            let mut answer = send(Twice::Harmless, || request.clone().send()).await.map_err(SendError::unconditional)?;
            if let Some(found) = answer.responses.as_mut().and_then(|tables| tables.remove(table)) {
                items.extend(found);
            }
            wanted = answer.unprocessed_keys.and_then(|mut tables| tables.remove(table)).map_or_else(Vec::new, |left| left.keys);
        }
        Ok(items)
    }

    /// The same of any number of items, by hundreds, some of them at once.
    pub(crate) async fn batch_get_all(&self, table: &str, keys: &[Item]) -> Result<Vec<Item>, StoreError> {
        let hundreds = keys.chunks(100).map(|hundred| self.batch_get(table, hundred.to_vec()));
        Ok(at_most(BATCHES_AT_ONCE, hundreds.collect()).await?.into_iter().flatten().collect())
    }
}

/// An order as it is stored: the record, and the keys of the indexes.
pub fn order_item(order: &Order) -> Result<Item, StoreError> {
    let mut item = to_item(order)?;
    let list_key = keys::list_key(order.created_at, &order.num);
    item.insert("day".to_owned(), text(keys::day(order.created_at)));
    item.insert("mail".to_owned(), text(keys::mail(&order.subscriber.email)));
    item.insert("mailKey".to_owned(), text(keys::mail_key(&order.partner_id, &list_key)));
    item.insert("listKey".to_owned(), text(list_key));
    if let Some(own) = &order.other_order_id {
        item.insert("tag".to_owned(), text(keys::tag(&order.partner_id, own)));
    }
    if let Some(subject) = &order.subject {
        item.insert("subscription".to_owned(), text(&subject.subscription));
    }
    let needs: Vec<&str> = order.attention().into_iter().map(Attention::name).collect();
    if !needs.is_empty() {
        item.insert(keys::DESK.to_owned(), text(keys::DESK));
        item.insert("needs".to_owned(), text(needs.join(" ")));
    }
    if let Some(at) = next_attention(order) {
        item.insert("dueShard".to_owned(), number(keys::due_shard(&order.num)));
        item.insert("dueAt".to_owned(), number(at.unix()));
    }
    Ok(item)
}

/// The order in an image of a stream record, which is DynamoDB's own JSON.
pub fn order_in_image(image: serde_json::Value) -> Result<Order, StoreError> {
    let item: serde_dynamo::Item = serde_json::from_value(image)?;
    Ok(serde_dynamo::from_item(item)?)
}
