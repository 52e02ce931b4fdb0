//! What waits for a manager.

use crate::item::{text, text_of};
use crate::write::{SendError, Twice, send};
use crate::{Position, Store, StoreError, keys};
use simdock_domain::{Attention, Timestamp};

/// What waits for a manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// How many orders were counted.
    pub total: usize,
    /// Whether there are more than were counted.
    pub more: bool,
    /// When the oldest of them was created.
    pub oldest_at: Option<Timestamp>,
    /// How many of them want it for what; those that none does are left out.
    pub reasons: Vec<(Attention, usize)>,
}

/// How many orders are counted at most that wait for a manager.
const MOST_WAITING: i32 = 1000;

impl Store {
    /// What waits for a manager, as the index knows it: one request, which counts the thousand oldest.
    pub async fn waiting(&self) -> Result<Waiting, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.tables.orders)
            .index_name(keys::ATTENTION)
            .key_condition_expression("desk = :desk")
            .expression_attribute_values(":desk", text(keys::DESK))
            .limit(MOST_WAITING);
        let answer = send(Twice::Harmless, || query.clone().send()).await.map_err(SendError::unconditional)?;
        let needs = answer.items().iter().map(|item| text_of(item, "needs")).collect::<Result<Vec<_>, _>>()?;
        let wanted = |attention: &Attention| {
            let count = needs.iter().filter(|needs| needs.split(' ').any(|name| name == attention.name())).count();
            (count > 0).then_some((*attention, count))
        };
        let oldest: Option<Position> = match answer.items().first() {
            None => None,
            Some(item) => {
                let key = text_of(item, "listKey")?.parse();
                Some(key.map_err(|_| StoreError::Broken("an index without an order".to_owned()))?)
            }
        };
        Ok(Waiting {
            total: needs.len(),
            more: answer.last_evaluated_key.is_some(),
            oldest_at: oldest.map(|place| place.at),
            reasons: Attention::ALL.iter().filter_map(wanted).collect(),
        })
    }
}
