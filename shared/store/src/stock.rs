//! Stock as a queue of slots. Buyers draw tickets from the pool's counter, which is one plain update without retries however
//! many they are; the sale itself is conditioned on the card still standing in the slot that the ticket names.
//!
//! ```text
//!        deleted      | drawn, sold or leaked |      for sale         | added, not published |
//!  0 ................ low ................... head ................. published ............. tail
//! ```

use crate::audit::Act;
use crate::item::{Item, number, number_of, text, text_of, to_item};
use crate::levels::Noted;
use crate::sims::{Sim, SimRules, SimState};
use crate::write::{SendError, TransactError, Twice, send};
use crate::{Store, StoreError, keys};
use aws_sdk_dynamodb::types::{Delete, Put, ReturnValue, TransactWriteItem, Update};
use serde::{Deserialize, Serialize};
use simdock_domain::{Action, ActivationCode, Iccid, Msisdn, PoolId, Profile, Timestamp};
use std::collections::BTreeSet;

/// A card within this many days of its deadline is not sold any more: its buyer could not use it in peace.
const SHELF_DAYS: i64 = 7;
/// How many cards one transaction puts back into slots: the tail, and two items per card.
pub const CARDS_PER_TRANSACTION: usize = 49;
/// How many new cards one transaction puts into slots: the tail, a chunk of an import, and three items per card.
pub const NEW_CARDS_PER_TRANSACTION: usize = 32;

/// A card that is new to the stock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewCard {
    /// Its number.
    pub iccid: Iccid,
    /// Where it belongs.
    pub pool: PoolId,
    /// What the phone downloads the profile by; without it the carrier has to provide one.
    pub activation_code: Option<ActivationCode>,
    /// Its phone number.
    pub msisdn: Option<Msisdn>,
    /// Until when the profile can be installed.
    pub activate_before: Option<Timestamp>,
}

impl NewCard {
    /// The profile that its code downloads, see [`ActivationCode::profile_id`].
    pub fn profile_id(&self) -> Option<String> {
        self.activation_code.as_ref()?.profile_id()
    }
}

/// Why a card that is for sale is set aside.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Aside<'a> {
    /// It cannot be sold: its deadline is too near, or its code has left.
    Unfit,
    /// A manager archives it.
    Archived(Timestamp),
    /// It is on a phone, as this says: its code has left, at the latest now.
    OnPhone(&'a Profile, Timestamp),
}

/// A card that was drawn, and the slot it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Where it was drawn.
    pub pool: PoolId,
    /// Its slot.
    pub slot: u64,
    /// The card.
    pub iccid: Iccid,
    /// Its deadline.
    pub activate_before: Option<Timestamp>,
}

/// What a draw gave.
#[derive(Debug)]
pub enum Draw {
    /// These; fewer than asked for where slots were dead, so draw again for the rest.
    Tickets(Vec<Ticket>),
    /// The pool has not that many.
    SoldOut,
}

/// Where a card goes that is put into a slot.
pub struct Slotted<'a> {
    /// The card.
    pub iccid: &'a Iccid,
    /// Its deadline, kept in the slot so that a draw sees it.
    pub activate_before: Option<Timestamp>,
    /// The write of the card itself, given its slot.
    pub write: TransactWriteItem,
}

impl Ticket {
    /// Of a card that stands in this slot.
    pub(crate) fn of_card(sim: &Sim, slot: u64) -> Self {
        Self { pool: sim.pool.clone(), slot, iccid: sim.iccid.clone(), activate_before: sim.activate_before }
    }

    /// What stands in a slot.
    pub(crate) fn of_slot(pool: &PoolId, slot: u64, item: &Item) -> Result<Self, StoreError> {
        let iccid = text_of(item, "iccid")?.parse().map_err(|_| StoreError::Broken("a slot without a card".to_owned()))?;
        Ok(Self { pool: pool.clone(), slot, iccid, activate_before: until(item)? })
    }
}

/// The last day to install the card in a slot, if it has one.
pub(crate) fn until(item: &Item) -> Result<Option<Timestamp>, StoreError> {
    let until = number_of(item, "until")?;
    Ok((until != 0).then(|| Timestamp::from_unix(until.cast_signed())))
}

/// How often a pool is read anew because somebody else changed it meanwhile.
const READS: u32 = 5;

/// What became of the wish to change a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolChanged {
    /// It is as it was wished, now or before.
    Now,
    /// There is no such pool.
    NoPool,
    /// It is another than the change goes by; nothing was written.
    Other,
}

impl Store {
    /// Draws `count` tickets. Whoever cannot use one gives it back, or the sweep does.
    pub(crate) async fn draw(&self, pool: &PoolId, count: usize, now: Timestamp) -> Result<Draw, StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.tables.pools)
            .set_key(Some(keys::counter(pool)))
            .update_expression("SET available = available - :n, head = head + :n")
            .condition_expression("available >= :n")
            .expression_attribute_values(":n", number(count))
            .return_values(ReturnValue::UpdatedNew);
        let answer = match send(Twice::Harmful, || update.clone().send()).await {
            Ok(answer) => answer,
            Err(SendError::Refused(_)) => return Ok(Draw::SoldOut),
            Err(SendError::Failed(error)) => return Err(error),
        };
        let head = number_of(&answer.attributes.unwrap_or_default(), "head")?;
        let first = head - u64::try_from(count).unwrap_or(u64::MAX).min(head);
        let mut tickets = Vec::with_capacity(count);
        for (slot, item) in self.slots(pool, first, head).await? {
            let ticket = Ticket::of_slot(pool, slot, &item)?;
            if Self::too_near(ticket.activate_before, now) {
                tracing::warn!(pool = %pool, slot, "dead slot: the card is too near its deadline");
            } else {
                tickets.push(ticket);
            }
        }
        Ok(Draw::Tickets(tickets))
    }

    /// The slots from `first` up to, not including, `end`, that exist.
    pub(crate) async fn slots(&self, pool: &PoolId, first: u64, end: u64) -> Result<Vec<(u64, Item)>, StoreError> {
        let mut found = Vec::new();
        let mut from = first;
        while from < end {
            let block_end = (from / keys::SLOTS_PER_BLOCK + 1) * keys::SLOTS_PER_BLOCK;
            let last = end.min(block_end) - 1;
            let mut start: Option<Item> = None;
            loop {
                let query = self
                    .client
                    .query()
                    .table_name(&self.tables.pools)
                    .consistent_read(true)
                    .key_condition_expression("pk = :block AND sk BETWEEN :first AND :last")
                    .expression_attribute_values(":block", text(keys::slot_block(pool, from)))
                    .expression_attribute_values(":first", text(keys::slot_number(from)))
                    .expression_attribute_values(":last", text(keys::slot_number(last)))
                    .set_exclusive_start_key(start.clone());
                let answer = send(Twice::Harmless, || query.clone().send()).await.map_err(SendError::unconditional)?;
                for item in answer.items.unwrap_or_default() {
                    let slot = text_of(&item, "sk")?.parse().map_err(|_| StoreError::Broken("a slot without a number".into()))?;
                    found.push((slot, item));
                }
                start = answer.last_evaluated_key;
                if start.is_none() {
                    break;
                }
            }
            from = last + 1;
        }
        Ok(found)
    }

    /// Makes a pool exist. Doing it again changes nothing.
    pub async fn create_pool(&self, pool: &PoolId) -> Result<(), StoreError> {
        let mut registry = keys::pool(pool);
        registry.insert("pool".to_owned(), text(pool.to_string()));
        let zero = |mut key: Item, names: &[&str]| {
            key.extend(names.iter().map(|name| ((*name).to_owned(), number(0))));
            key
        };
        let mut marks = zero(keys::marks(pool), &["low", "seen"]);
        marks.insert("noted".to_owned(), serde_dynamo::to_attribute_value(Noted::NOTHING)?);
        let items = [
            zero(keys::counter(pool), &["available", "head", "published"]),
            zero(keys::tail(pool), &["tail"]),
            marks,
            // Last, so that a pool in the registry is whole.
            registry,
        ];
        for item in items {
            let put = self
                .client
                .put_item()
                .table_name(&self.tables.pools)
                .set_item(Some(item.clone()))
                .condition_expression("attribute_not_exists(pk)");
            match send(Twice::Harmless, || put.clone().send()).await {
                Ok(_) | Err(SendError::Refused(_)) => {}
                Err(SendError::Failed(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// The pools that exist.
    pub async fn pools(&self) -> Result<Vec<PoolId>, StoreError> {
        self.partition(keys::POOLS).await?.iter().map(pool_of).collect()
    }

    /// Sets the level below which a pool is low; at 0 it never is. With `was`, only if that is the level until then. A level that is
    /// set already is not written.
    pub async fn set_pool_alarm(&self, pool: &PoolId, was: Option<u64>, level: u64, by: &str) -> Result<PoolChanged, StoreError> {
        for _ in 0..READS {
            let entry = self.pool_item(keys::pool(pool)).await?;
            let before = number_of(&entry, "alarmLevel")?;
            if entry.is_empty() {
                return Ok(PoolChanged::NoPool);
            }
            if before == level {
                return Ok(PoolChanged::Now);
            }
            if was.is_some_and(|was| was != before) {
                return Ok(PoolChanged::Other);
            }
            let update = Update::builder()
                .table_name(&self.tables.pools)
                .set_key(Some(keys::pool(pool)))
                .update_expression("SET alarmLevel = :level")
                .expression_attribute_values(":level", number(level));
            let update = if entry.contains_key("alarmLevel") {
                update.condition_expression("alarmLevel = :before").expression_attribute_values(":before", number(before))
            } else {
                update.condition_expression("attribute_exists(pk) AND attribute_not_exists(alarmLevel)")
            };
            let mut write = self.transaction();
            write.push(TransactWriteItem::builder().update(built(update.build())?).build());
            let details = Some(format!("{before} to {level}"));
            write.push(self.audit_put(&Act { by, action: Action::AlarmLevelSet, target: &pool.to_string(), details })?);
            if write.commit().await?.is_ok() {
                return Ok(PoolChanged::Now);
            }
        }
        Ok(PoolChanged::Other)
    }

    /// All items of a partition of `pools`.
    pub(crate) async fn partition(&self, pk: &str) -> Result<Vec<Item>, StoreError> {
        self.query_all(&self.tables.pools, pk, None).await
    }

    pub(crate) async fn query_all(&self, table: &str, pk: &str, prefix: Option<&str>) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::new();
        let mut start: Option<Item> = None;
        loop {
            let query = {
                let condition = if prefix.is_some() { "pk = :pk AND begins_with(sk, :prefix)" } else { "pk = :pk" };
                let call = self.client.query().table_name(table).consistent_read(true).key_condition_expression(condition);
                let call = call.expression_attribute_values(":pk", text(pk)).set_exclusive_start_key(start.clone());
                match prefix {
                    Some(prefix) => call.expression_attribute_values(":prefix", text(prefix)),
                    None => call,
                }
            };
            let answer = send(Twice::Harmless, || query.clone().send()).await.map_err(SendError::unconditional)?;
            items.extend(answer.items.unwrap_or_default());
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(items);
            }
        }
    }

    /// An item of `pools`, read consistently; empty where there is none.
    pub(crate) async fn pool_item(&self, key: Item) -> Result<Item, StoreError> {
        let get = self.client.get_item().table_name(&self.tables.pools).set_key(Some(key.clone())).consistent_read(true);
        let answer = send(Twice::Harmless, || get.clone().send()).await.map_err(SendError::unconditional)?;
        Ok(answer.item.unwrap_or_default())
    }

    /// Puts cards into the slots at the tail, in one transaction together with `also`. The cards' own writes are made by
    /// `slotted` once the slots are known. The positions refused are those of `also` first, then of the cards.
    pub(crate) async fn append<'a>(
        &self,
        pool: &PoolId,
        count: usize,
        also: &[TransactWriteItem],
        slotted: impl Fn(usize, u64) -> Result<Slotted<'a>, StoreError>,
    ) -> Result<(), TransactError> {
        loop {
            let tail = number_of(&self.pool_item(keys::tail(pool)).await?, "tail")?;
            let end = tail + u64::try_from(count).unwrap_or(u64::MAX);
            let mut items = vec![self.move_tail(pool, tail, end)?];
            items.extend_from_slice(also);
            let mut slots = Vec::with_capacity(count);
            for (index, slot) in (0..count).zip(tail..) {
                let card = slotted(index, slot)?;
                items.push(card.write);
                let mut item = keys::slot(pool, slot);
                item.insert("iccid".to_owned(), text(card.iccid.as_str()));
                if let Some(until) = card.activate_before {
                    item.insert("until".to_owned(), number(until.unix()));
                }
                slots.push(self.put_pool_item(item)?);
            }
            items.extend(slots);
            match self.transact(items).await {
                Err(TransactError::Refused(positions)) if positions == [0] => {}
                Err(TransactError::Refused(positions)) => {
                    return Err(TransactError::Refused(
                        positions.into_iter().filter(|place| *place > 0).map(|place| place - 1).collect(),
                    ));
                }
                other => return other,
            }
        }
    }

    fn move_tail(&self, pool: &PoolId, from: u64, to: u64) -> Result<TransactWriteItem, StoreError> {
        let update = Update::builder().table_name(&self.tables.pools).set_key(Some(keys::tail(pool)));
        let update = update
            .update_expression("SET tail = :to")
            .condition_expression("tail = :from")
            .expression_attribute_values(":from", number(from))
            .expression_attribute_values(":to", number(to));
        Ok(TransactWriteItem::builder().update(built(update.build())?).build())
    }

    pub(crate) fn put_pool_item(&self, item: Item) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder().table_name(&self.tables.pools).set_item(Some(item));
        Ok(TransactWriteItem::builder().put(built(put.build())?).build())
    }

    /// Puts what was added on sale. Idempotent: it moves the counter to the tail, from wherever it was.
    pub async fn publish(&self, pool: &PoolId) -> Result<(), StoreError> {
        loop {
            let tail = number_of(&self.pool_item(keys::tail(pool)).await?, "tail")?;
            let published = number_of(&self.pool_item(keys::counter(pool)).await?, "published")?;
            if tail <= published {
                return Ok(());
            }
            let update = self
                .client
                .update_item()
                .table_name(&self.tables.pools)
                .set_key(Some(keys::counter(pool)))
                .update_expression("SET available = available + :more, published = :tail")
                .condition_expression("published = :published")
                .expression_attribute_values(":more", number(tail - published))
                .expression_attribute_values(":tail", number(tail))
                .expression_attribute_values(":published", number(published));
            match send(Twice::Harmless, || update.clone().send()).await {
                Ok(_) => return Ok(()),
                // Somebody else published; perhaps not all of it.
                Err(SendError::Refused(_)) => {}
                Err(SendError::Failed(error)) => return Err(error),
            }
        }
    }

    /// The write of a card that is new to the stock.
    pub(crate) fn stock_new(&self, card: &NewCard, slot: u64) -> Result<TransactWriteItem, StoreError> {
        let sim = Sim {
            iccid: card.iccid.clone(),
            pool: card.pool.clone(),
            state: SimState::Stocked,
            slot: Some(slot),
            activation_code: card.activation_code.clone(),
            msisdn: card.msisdn.clone(),
            activate_before: card.activate_before,
            order_num: None,
            past_orders: Vec::new(),
            subscription: None,
            profile: Profile::default(),
            note: None,
            labels: Vec::new(),
            rules: SimRules::default(),
            edition: 0,
            archived_at: None,
            disclosed_at: None,
        };
        let put = Put::builder().table_name(&self.tables.sims).set_item(Some(to_item(&sim)?));
        let put = put.condition_expression("attribute_not_exists(iccid)");
        Ok(TransactWriteItem::builder().put(built(put.build())?).build())
    }

    /// Puts drawn cards that nobody bought back on sale, at the tail. A card that meanwhile was sold after all, or put back by
    /// somebody else, is left alone.
    pub(crate) async fn give_back(&self, tickets: &[Ticket], now: Timestamp) -> Result<usize, StoreError> {
        let mut given = 0;
        let Some(pool) = tickets.first().map(|ticket| &ticket.pool) else { return Ok(0) };
        let (same, other): (Vec<Ticket>, Vec<Ticket>) = tickets.iter().cloned().partition(|ticket| ticket.pool == *pool);
        for batch in same.chunks(CARDS_PER_TRANSACTION) {
            given += self.give_back_batch(pool, batch.to_vec(), now).await?.0;
        }
        self.publish(pool).await?;
        if !other.is_empty() {
            given += Box::pin(self.give_back(&other, now)).await?;
        }
        Ok(given)
    }

    /// Puts back what of `tickets` still stands in its slot; answers how many were put back and how many were set aside.
    pub(crate) async fn give_back_batch(
        &self,
        pool: &PoolId,
        tickets: Vec<Ticket>,
        now: Timestamp,
    ) -> Result<(usize, usize), StoreError> {
        let mut aside = 0;
        loop {
            // A card that was put back and drawn again stands in several slots.
            let iccids: BTreeSet<Iccid> = tickets.iter().map(|ticket| ticket.iccid.clone()).collect();
            let mut leaked = Vec::new();
            for sim in self.sims(&Vec::from_iter(iccids)).await? {
                let ticket = tickets.iter().find(|ticket| ticket.iccid == sim.iccid && sim.slot == Some(ticket.slot));
                let Some(ticket) = ticket.filter(|_| sim.state == SimState::Stocked) else { continue };
                if Self::too_near(sim.activate_before, now) || sim.disclosed_at.is_some() {
                    match self.transact(vec![self.set_aside_stock(&sim.iccid, ticket.slot, Aside::Unfit)?]).await {
                        Ok(()) => aside += 1,
                        Err(TransactError::Refused(_)) => {}
                        Err(TransactError::Failed(error)) => return Err(error),
                    }
                } else {
                    leaked.push((sim, ticket.slot));
                }
            }
            if leaked.is_empty() {
                return Ok((0, aside));
            }
            let put_back = |index: usize, slot: u64| {
                let (sim, was): &(Sim, u64) = &leaked[index];
                let update = Update::builder().table_name(&self.tables.sims).set_key(Some(keys::sim(&sim.iccid)));
                let update = update
                    .update_expression("SET slot = :slot")
                    .condition_expression("#state = :stocked AND slot = :was")
                    .expression_attribute_names("#state", "state")
                    .expression_attribute_values(":stocked", text("stocked"))
                    .expression_attribute_values(":was", number(was))
                    .expression_attribute_values(":slot", number(slot));
                let write = TransactWriteItem::builder().update(built(update.build())?).build();
                Ok(Slotted { iccid: &sim.iccid, activate_before: sim.activate_before, write })
            };
            match self.append(pool, leaked.len(), &[], put_back).await {
                Ok(()) => return Ok((leaked.len(), aside)),
                // A slow buyer got one of them; look again.
                Err(TransactError::Refused(_)) => {}
                Err(TransactError::Failed(error)) => return Err(error),
            }
        }
    }

    /// The write that takes a card off sale that stands in this slot.
    pub(crate) fn set_aside_stock(&self, iccid: &Iccid, slot: u64, why: Aside<'_>) -> Result<TransactWriteItem, StoreError> {
        let update = Update::builder().table_name(&self.tables.sims).set_key(Some(keys::sim(iccid)));
        let update = match why {
            Aside::Unfit => update.update_expression("SET #state = :aside REMOVE slot"),
            Aside::Archived(at) => update
                .update_expression("SET #state = :aside, archived = :archived REMOVE slot")
                .expression_attribute_values(":archived", number(at.unix())),
            Aside::OnPhone(profile, now) => update
                .update_expression(
                    "SET #state = :aside, profile = :profile, disclosed = if_not_exists(disclosed, :now) REMOVE slot",
                )
                .expression_attribute_values(":profile", serde_dynamo::to_attribute_value(profile)?)
                .expression_attribute_values(":now", number(now.unix())),
        };
        let update = update
            .condition_expression("#state = :stocked AND slot = :slot")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":aside", text("set_aside"))
            .expression_attribute_values(":stocked", text("stocked"))
            .expression_attribute_values(":slot", number(slot));
        Ok(TransactWriteItem::builder().update(built(update.build())?).build())
    }

    pub(crate) fn delete_pool_item(&self, key: Item) -> Result<TransactWriteItem, StoreError> {
        let delete =
            Delete::builder().table_name(&self.tables.pools).set_key(Some(key)).condition_expression("attribute_exists(pk)");
        Ok(TransactWriteItem::builder().delete(built(delete.build())?).build())
    }

    /// Deletes an item of `pools`, if it is there.
    pub(crate) async fn drop_pool_item(&self, key: Item) -> Result<(), StoreError> {
        let delete = self.client.delete_item().table_name(&self.tables.pools).set_key(Some(key));
        send(Twice::Harmless, || delete.clone().send()).await.map_err(SendError::unconditional)?;
        Ok(())
    }

    /// Whether a card is so near its deadline that it is not sold any more.
    pub(crate) fn too_near(activate_before: Option<Timestamp>, now: Timestamp) -> bool {
        activate_before.is_some_and(|until| until < now.plus_seconds(SHELF_DAYS * 86_400))
    }
}

pub(crate) fn pool_of(entry: &Item) -> Result<PoolId, StoreError> {
    text_of(entry, "pool")?.to_owned().try_into().map_err(StoreError::Broken)
}

/// What an SDK builder gives when all that must be set is set.
pub fn built<T>(result: Result<T, aws_sdk_dynamodb::error::BuildError>) -> Result<T, StoreError> {
    result.map_err(|error| StoreError::Broken(error.to_string()))
}

/// Writes an item where none is.
pub(crate) fn put_new(table: &str, item: Item) -> Result<TransactWriteItem, StoreError> {
    let put = Put::builder().table_name(table).set_item(Some(item)).condition_expression("attribute_not_exists(pk)");
    Ok(TransactWriteItem::builder().put(built(put.build())?).build())
}
