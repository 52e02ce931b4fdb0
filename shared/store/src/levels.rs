//! How full the pools are, and were at the end of each day.

use crate::item::{Item, from_item, number, number_of, text, text_of};
use crate::stock::{built, pool_of};
use crate::together::at_most;
use crate::write::{SendError, Twice, send};
use crate::{Store, StoreError, keys};
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use futures_util::future::try_join;
use serde::{Deserialize, Serialize};
use simdock_domain::{PoolId, Timestamp};

/// The most days that a history has.
const MOST_DAYS: i32 = 90;
/// How many pools are read at once.
const AT_ONCE: usize = 8;

/// The level of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level {
    /// Which.
    pub pool: PoolId,
    /// Cards that can be bought now.
    pub available: u64,
    /// Cards ever added, those put back counted again.
    pub added: u64,
    /// Tickets ever drawn.
    pub drawn: u64,
    /// Somebody wants to know when fewer than this many can be bought.
    pub alarm_level: u64,
}

/// A day on which a pool's level changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolDay {
    /// The day in UTC, such as `2026-11-22`.
    pub day: String,
    /// Cards that could be bought when it ended; today, at the last change.
    pub available: u64,
    /// Cards added on that day.
    pub added: u64,
    /// Tickets drawn on that day.
    pub drawn: u64,
}

/// What of a level its history has already. It stands with the sweep's marks, which are read with each level: a pool where nothing
/// happens costs nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Noted {
    #[serde(rename = "a")]
    available: u64,
    #[serde(rename = "p")]
    added: u64,
    #[serde(rename = "d")]
    drawn: u64,
}

impl Noted {
    /// What a pool without cards has.
    pub const NOTHING: Self = Self { available: 0, added: 0, drawn: 0 };
}

impl Level {
    /// Whether the pool is below its alarm level.
    pub fn is_low(&self) -> bool {
        self.available < self.alarm_level
    }

    fn noted(&self) -> Noted {
        Noted { available: self.available, added: self.added, drawn: self.drawn }
    }
}

impl Store {
    /// The level of every pool.
    pub async fn levels(&self) -> Result<Vec<Level>, StoreError> {
        Ok(self.levels_and_noted().await?.into_iter().map(|(level, _)| level).collect())
    }

    /// The level of every pool; what changed since this was called last goes into the pool's history of the day.
    pub async fn note_levels(&self, now: Timestamp) -> Result<Vec<Level>, StoreError> {
        let mut levels = Vec::new();
        for (level, noted) in self.levels_and_noted().await? {
            if noted != Some(level.noted()) {
                self.note(&level, noted, now).await?;
            }
            levels.push(level);
        }
        Ok(levels)
    }

    /// The level of a pool.
    pub async fn level(&self, pool: &PoolId) -> Result<Option<Level>, StoreError> {
        let entry = self.pool_item(keys::pool(pool)).await?;
        if entry.is_empty() { Ok(None) } else { Ok(Some(self.level_of(&entry).await?.0)) }
    }

    /// The days on which a pool's level changed, newest first, at most 90.
    pub async fn level_history(&self, pool: &PoolId) -> Result<Vec<PoolDay>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.tables.pools)
            .consistent_read(true)
            .scan_index_forward(false)
            .limit(MOST_DAYS)
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", text(keys::pool_pk(pool)))
            .expression_attribute_values(":prefix", text(keys::POOL_DAYS));
        let answer = send(Twice::Harmless, || query.clone().send()).await.map_err(SendError::unconditional)?;
        let day = |item: &Item| {
            Ok(PoolDay {
                day: text_of(item, "sk")?.trim_start_matches(keys::POOL_DAYS).to_owned(),
                available: number_of(item, "available")?,
                added: number_of(item, "added")?,
                drawn: number_of(item, "drawn")?,
            })
        };
        answer.items.unwrap_or_default().iter().map(day).collect()
    }

    async fn levels_and_noted(&self) -> Result<Vec<(Level, Option<Noted>)>, StoreError> {
        let entries = self.partition(keys::POOLS).await?;
        at_most(AT_ONCE, entries.iter().map(|entry| self.level_of(entry)).collect()).await
    }

    /// The level of a pool in the registry.
    async fn level_of(&self, entry: &Item) -> Result<(Level, Option<Noted>), StoreError> {
        let pool = pool_of(entry)?;
        let (counter, marks) = try_join(self.pool_item(keys::counter(&pool)), self.pool_item(keys::marks(&pool))).await?;
        let noted = match marks.get("noted") {
            Some(AttributeValue::M(noted)) => Some(from_item(noted.clone())?),
            Some(_) | None => None,
        };
        let level = Level {
            available: number_of(&counter, "available")?.saturating_sub(number_of(&marks, "dead")?),
            added: number_of(&counter, "published")?,
            drawn: number_of(&counter, "head")?,
            alarm_level: number_of(entry, "alarmLevel")?,
            pool,
        };
        Ok((level, noted))
    }

    /// Writes a level into its history, unless another sweep does. A pool of an earlier version begins its history with what it has.
    async fn note(&self, level: &Level, noted: Option<Noted>, now: Timestamp) -> Result<(), StoreError> {
        let before = noted.unwrap_or(level.noted());
        let day = Update::builder()
            .table_name(&self.tables.pools)
            .set_key(Some(keys::pool_day(&level.pool, now)))
            .update_expression("SET available = :available ADD added :added, drawn :drawn")
            .expression_attribute_values(":available", number(level.available))
            .expression_attribute_values(":added", number(level.added.saturating_sub(before.added)))
            .expression_attribute_values(":drawn", number(level.drawn.saturating_sub(before.drawn)));
        let marks = Update::builder()
            .table_name(&self.tables.pools)
            .set_key(Some(keys::marks(&level.pool)))
            .update_expression("SET noted = :noted")
            .expression_attribute_values(":noted", serde_dynamo::to_attribute_value(level.noted())?);
        let marks = match noted {
            None => marks.condition_expression("attribute_exists(pk) AND attribute_not_exists(noted)"),
            Some(before) => marks
                .condition_expression("noted = :before")
                .expression_attribute_values(":before", serde_dynamo::to_attribute_value(before)?),
        };
        let mut write = self.transaction();
        write.push(TransactWriteItem::builder().update(built(day.build())?).build());
        write.push(TransactWriteItem::builder().update(built(marks.build())?).build());
        if write.commit().await?.is_err() {
            tracing::info!(pool = %level.pool, "another sweep wrote the history");
        }
        Ok(())
    }
}
