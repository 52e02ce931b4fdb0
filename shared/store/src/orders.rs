use crate::item::{Item, from_item, number, text, to_item};
use crate::stock::built;
use crate::write::{SENDS, SendError, Twice, pause, send};
use crate::{Conflict, Store, StoreError, keys};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, Put, ReturnValuesOnConditionCheckFailure};
use simdock_domain::{Order, OrderNum, Rejected, Timestamp, next_attention};

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

/// Which orders to list, the newest first.
#[derive(Clone, Debug)]
pub struct ListQuery {
    /// Whose.
    pub partner_id: String,
    /// Only with this order number of the partner's own.
    pub other_order_id: Option<String>,
    /// Only with this item number of the partner's own.
    pub other_item_id: Option<String>,
    /// Created at this time or later.
    pub from: Option<Timestamp>,
    /// Created before this time.
    pub until: Option<Timestamp>,
    /// At most this many, 1 to 100.
    pub limit: usize,
    /// Where the page before ended.
    pub after: Option<String>,
}

/// A page of a list. A page that is short of what was asked for may still have a next one.
#[derive(Debug)]
pub struct Page<T> {
    /// Its entries.
    pub items: Vec<T>,
    /// Where it ended, if more may follow.
    pub next: Option<String>,
}

/// How many items one request reads at most, which is what `BatchGetItem` allows.
const PAGE: usize = 100;
/// How many requests one page of a list takes at most, so that a filter that nothing passes does not read all of a partner's orders.
const MOST_QUERIES: u32 = 10;
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

    /// Decides on an order until the decision could be written: reads, decides, and writes under the condition that nobody
    /// else wrote in between.
    pub async fn change_order(
        &self,
        num: &OrderNum,
        decide: impl Fn(&Order) -> Result<Order, Rejected>,
    ) -> Result<Change, StoreError> {
        for _ in 0..DECISIONS {
            let Some(order) = self.order(num).await? else { return Ok(Change::NoOrder) };
            let next = match decide(&order) {
                Ok(next) => next,
                Err(rejected) => return Ok(Change::Refused(Box::new(order), rejected)),
            };
            if self.replace_order(&next).await?.is_ok() {
                return Ok(Change::Made(Box::new(next)));
            }
        }
        Err(StoreError::Busy(format!("others kept changing order {num}")))
    }

    /// Writes an order over the version before.
    pub async fn replace_order(&self, next: &Order) -> Result<Result<(), Conflict>, StoreError> {
        let put = self.order_put(next)?;
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

    /// The write of an order over the version before, for a transaction.
    pub(crate) fn order_put(&self, next: &Order) -> Result<Put, StoreError> {
        let put = Put::builder().table_name(&self.tables.orders).set_item(Some(order_item(next)?));
        let put = put.condition_expression("version = :before").expression_attribute_values(":before", number(next.version - 1));
        built(put.build())
    }

    /// Lists a partner's orders, the newest first.
    pub async fn list_orders(&self, query: &ListQuery) -> Result<Page<Order>, StoreError> {
        let (index, partition, value) = match &query.other_order_id {
            Some(own) => ("byTag", "tag", keys::tag(&query.partner_id, own)),
            None => ("byPartner", "partnerId", query.partner_id.clone()),
        };
        // Sort keys are `<time>#<order>`, so a bare time sorts before every key of that second. The bounds are inclusive and
        // no key equals a bare time, which makes `until` exclusive.
        let from = query.from.map_or_else(|| "0".to_owned(), |time| time.to_string());
        let until = query.until.map_or_else(|| "9999".to_owned(), |time| time.to_string());
        // DynamoDB refuses an empty window, and a start outside of it, which a cursor from another window may be.
        let mut after = query.after.clone().filter(|key| *key < until);
        if from > until || after.as_ref().is_some_and(|key| *key < from) {
            return Ok(Page { items: Vec::new(), next: None });
        }
        let mut orders: Vec<Order> = Vec::new();
        for _ in 0..MOST_QUERIES {
            let missing = if query.other_item_id.is_some() { PAGE } else { query.limit - orders.len() };
            let start = match &after {
                None => None,
                Some(key) => Some(start_key(partition, &value, key)?),
            };
            let request = self
                .client
                .query()
                .table_name(&self.tables.orders)
                .index_name(index)
                .key_condition_expression("#p = :p AND listKey BETWEEN :from AND :until")
                .expression_attribute_names("#p", partition)
                .expression_attribute_values(":p", text(&value))
                .expression_attribute_values(":from", text(&from))
                .expression_attribute_values(":until", text(&until))
                .scan_index_forward(false)
                .limit(i32::try_from(missing.min(PAGE)).unwrap_or(i32::MAX))
                .set_exclusive_start_key(start.clone());
            let answer = send(Twice::Harmless, || request.clone().send()).await.map_err(SendError::unconditional)?;
            let list_keys: Vec<String> = answer
                .items()
                .iter()
                .map(|item| crate::item::text_of(item, "listKey").map(str::to_owned))
                .collect::<Result<_, _>>()?;
            for order in self.orders_by_list_key(&list_keys).await? {
                if query.other_item_id.is_some() && query.other_item_id != order.other_item_id {
                    continue;
                }
                if orders.len() == query.limit {
                    let next = orders.last().map(|last| keys::list_key(last.created_at, &last.num));
                    return Ok(Page { items: orders, next });
                }
                orders.push(order);
            }
            if answer.last_evaluated_key.is_none() {
                return Ok(Page { items: orders, next: None });
            }
            after = list_keys.last().cloned().or(after);
            if orders.len() == query.limit {
                break;
            }
        }
        Ok(Page { items: orders, next: after })
    }

    /// Orders by the keys that an index gave, in the same order.
    async fn orders_by_list_key(&self, list_keys: &[String]) -> Result<Vec<Order>, StoreError> {
        let nums = list_keys.iter().map(|key| order_num(key)).collect::<Result<Vec<_>, _>>()?;
        let wanted = nums.iter().map(keys::order).collect();
        let items = self.batch_get(&self.tables.orders, wanted, false).await?;
        let mut orders = items.into_iter().map(from_item::<Order>).collect::<Result<Vec<_>, _>>()?;
        orders.sort_by_key(|order| nums.iter().position(|num| *num == order.num));
        Ok(orders)
    }

    /// Reads up to 100 items of a table by key, in no particular order; absent ones are left out.
    pub(crate) async fn batch_get(&self, table: &str, keys: Vec<Item>, consistent: bool) -> Result<Vec<Item>, StoreError> {
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
            let batch = built(KeysAndAttributes::builder().set_keys(Some(wanted)).consistent_read(consistent).build())?;
            let request = self.client.batch_get_item().request_items(table, batch.clone());
            let mut answer = send(Twice::Harmless, || request.clone().send()).await.map_err(SendError::unconditional)?;
            if let Some(found) = answer.responses.as_mut().and_then(|tables| tables.remove(table)) {
                items.extend(found);
            }
            wanted = answer.unprocessed_keys.and_then(|mut tables| tables.remove(table)).map_or_else(Vec::new, |left| left.keys);
        }
        Ok(items)
    }
}

/// An order as it is stored: the record, and the keys of the indexes.
fn order_item(order: &Order) -> Result<Item, StoreError> {
    let mut item = to_item(order)?;
    item.insert("listKey".to_owned(), text(keys::list_key(order.created_at, &order.num)));
    if let Some(own) = &order.other_order_id {
        item.insert("tag".to_owned(), text(keys::tag(&order.partner_id, own)));
    }
    if let Some(at) = next_attention(order) {
        item.insert("dueShard".to_owned(), number(keys::due_shard(&order.num)));
        item.insert("dueAt".to_owned(), number(at.unix()));
    }
    Ok(item)
}

fn start_key(partition: &str, value: &str, list_key: &str) -> Result<Item, StoreError> {
    let num = order_num(list_key)?;
    let mut key = keys::order(&num);
    key.insert(partition.to_owned(), text(value));
    key.insert("listKey".to_owned(), AttributeValue::S(list_key.to_owned()));
    Ok(key)
}

fn order_num(list_key: &str) -> Result<OrderNum, StoreError> {
    list_key
        .split_once('#')
        .and_then(|(_, num)| num.parse().ok())
        .ok_or_else(|| StoreError::Broken("a list key without an order number".to_owned()))
}

/// The order in an image of a stream record, which is DynamoDB's own JSON.
pub fn order_in_image(image: serde_json::Value) -> Result<Order, StoreError> {
    let item: serde_dynamo::Item = serde_json::from_value(image)?;
    Ok(serde_dynamo::from_item(item)?)
}
