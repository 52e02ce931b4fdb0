//! The tables as they are stored, for whoever looks after them: item by item, with what the indexes know of each. No function has
//! this on its way.

mod place;
mod record;

pub use place::{Place, Table};
pub use record::{Inspected, Record, Stored};

use crate::item::Item;
use crate::write::{SendError, Twice, send};
use crate::{Store, StoreError};
use simdock_domain::PoolId;
use std::collections::{BTreeMap, BTreeSet};

/// How many items a page holds at most.
const PAGE: i32 = 250;

/// Where a page of a table ended.
#[derive(Clone, Debug)]
pub struct Bookmark(Item);

impl Store {
    /// A page of a table, in no particular order, and where the next one begins.
    pub async fn inspect(&self, table: Table, after: Option<Bookmark>) -> Result<(Vec<Inspected>, Option<Bookmark>), StoreError> {
        let scan = self.client.scan().table_name(self.table(table)).consistent_read(true).limit(PAGE);
        let scan = scan.set_exclusive_start_key(after.map(|bookmark| bookmark.0));
        let answer = send(Twice::Harmless, || scan.clone().send()).await.map_err(SendError::unconditional)?;
        let items = answer.items.unwrap_or_default().into_iter().map(|item| Inspected::from_item(table, item));
        Ok((items.collect(), answer.last_evaluated_key.map(Bookmark)))
    }

    /// The items at these places, those that exist.
    pub async fn look_up(&self, places: &BTreeSet<Place>) -> Result<Vec<Inspected>, StoreError> {
        let mut wanted: BTreeMap<Table, Vec<Item>> = BTreeMap::new();
        for place in places {
            wanted.entry(place.table).or_default().push(place.item());
        }
        let mut found = Vec::with_capacity(places.len());
        for (table, keys) in wanted {
            let items = self.batch_get_all(self.table(table), &keys).await?;
            found.extend(items.into_iter().map(|item| Inspected::from_item(table, item)));
        }
        Ok(found)
    }

    /// A pool's slots from `first` up to, not including, `end`, that exist.
    pub async fn inspect_slots(&self, pool: &PoolId, first: u64, end: u64) -> Result<Vec<Inspected>, StoreError> {
        let slots = self.slots(pool, first, end).await?;
        Ok(slots.into_iter().map(|(_, item)| Inspected::from_item(Table::Pools, item)).collect())
    }

    /// Writes an order or a subscription as it stands, in a version of its own, and with it the attributes that follow from it; false
    /// where there is none, and where somebody else changed it first.
    pub async fn write_anew(&self, place: &Place) -> Result<bool, StoreError> {
        let found = self.look_up(&BTreeSet::from([place.clone()])).await?.pop();
        Ok(match found.map(|found| found.record) {
            Some(Ok(Record::Order(order))) => self.replace_order(&order.record.touched()).await?.is_ok(),
            Some(Ok(Record::Subscription(known))) => self.replace_subscription(&known.record.touched()).await?.is_ok(),
            Some(Ok(_) | Err(_)) | None => false,
        })
    }

    fn table(&self, table: Table) -> &str {
        match table {
            Table::Orders => &self.tables.orders,
            Table::Sims => &self.tables.sims,
            Table::Pools => &self.tables.pools,
            Table::Subscriptions => &self.tables.subscriptions,
            Table::Partners => &self.tables.partners,
            Table::Plans => &self.tables.plans,
        }
    }
}
