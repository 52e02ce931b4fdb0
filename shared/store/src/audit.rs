//! The audit log: each change of the shop's settings is written down in the transaction that makes it. The log of a month is one
//! partition, in which entries stand by time.

use crate::item::{Item, text, text_of};
use crate::stock::put_new;
use crate::write::{SendError, Twice, send};
use crate::{Page, PositionError, Store, StoreError, keys};
use aws_sdk_dynamodb::types::TransactWriteItem;
use futures_util::future::try_join_all;
use simdock_domain::{Action, Timestamp};
use std::fmt;
use std::str::FromStr;

/// Who changes what with rights of the account rather than with a manager's key.
pub const ADMINISTRATOR: &str = "administrator";
/// How far back the log is read if nothing else is asked for, in days.
const DAYS: i64 = 366;
/// How many months without entries one page passes at most.
const MOST_EMPTY: u32 = 40;
/// How many months are looked at at once behind one without entries.
const AHEAD: usize = 12;
const DAY: i64 = 86_400;

/// A change that is about to be made.
#[derive(Clone, Debug)]
pub struct Act<'a> {
    /// Who makes it: a manager's name, or [`ADMINISTRATOR`].
    pub by: &'a str,
    /// What is done.
    pub action: Action,
    /// To what: the id of a partner, plan, key, pool or import.
    pub target: &'a str,
    /// How exactly, for a person. Holds nothing secret.
    pub details: Option<String>,
}

/// A change that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// When, to the second.
    pub at: Timestamp,
    /// Who made it.
    pub by: String,
    /// What was done, by its name.
    pub action: String,
    /// To what.
    pub target: String,
    /// How exactly.
    pub details: Option<String>,
}

/// What of the log is asked for; the newest come first.
#[derive(Clone, Debug)]
pub struct AuditQuery {
    /// At this time or later. Without it, the log of a year.
    pub from: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
    /// At most this many, 1 to 100.
    pub limit: usize,
    /// Where the page before ended.
    pub after: Option<AuditPosition>,
}

/// A place in the log: behind an entry, or before a time. As text it is what a client hands back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditPosition {
    key: String,
    at: Timestamp,
}

impl FromStr for AuditPosition {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let time = text.split('#').next().unwrap_or_default();
        let at: Timestamp = time.parse().map_err(|_| PositionError)?;
        // Keys sort by time in this form only.
        if at.to_string() == time { Ok(Self { key: text.to_owned(), at }) } else { Err(PositionError) }
    }
}

impl fmt::Display for AuditPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)
    }
}

impl Store {
    /// The write of who makes a change, for the transaction that makes it.
    pub(crate) fn audit_put(&self, act: &Act<'_>) -> Result<TransactWriteItem, StoreError> {
        let (now, micros) = self.clock.now_exactly();
        let mut entry = keys::audit_entry(now, micros, fastrand::u32(..));
        entry.insert("by".to_owned(), text(act.by));
        entry.insert("action".to_owned(), text(act.action.name()));
        entry.insert("target".to_owned(), text(act.target));
        if let Some(details) = &act.details {
            entry.insert("details".to_owned(), text(details));
        }
        put_new(&self.tables.partners, entry)
    }

    /// A page of the audit log, newest first. A page that is short of what was asked for, or empty, may still have a next one.
    pub async fn audit_log(&self, query: &AuditQuery) -> Result<Page<AuditEntry, AuditPosition>, StoreError> {
        let now = self.clock.now();
        let end = query.until.unwrap_or(now.plus_seconds(DAY));
        let from = query.from.unwrap_or(end.min(now).plus_seconds(-DAYS * DAY)).max(Timestamp::from_unix(0));
        let end = match &query.after {
            Some(after) if after.at < end => after.clone(),
            Some(_) | None => AuditPosition { key: end.to_string(), at: end },
        };
        let (mut at, mut before) = (end.at, end.key);
        let mut items = Vec::with_capacity(query.limit);
        let mut empty = 0;
        loop {
            // A month without entries is seldom alone.
            let mut months = vec![(at, before.clone())];
            while empty > 0 && months.len() < AHEAD {
                let month = keys::month_begin(months[months.len() - 1].0);
                if month <= from {
                    break;
                }
                months.push(before_month(month));
            }
            let wanted = query.limit + 1 - items.len();
            let looked = months.iter().map(|(at, before)| self.audit_of_month(*at, from, before, wanted));
            for ((of, behind), more) in months.iter().zip(try_join_all(looked).await?) {
                (at, before) = (*of, behind.clone());
                empty = if more.is_empty() { empty + 1 } else { 0 };
                for (key, entry) in more {
                    if items.len() == query.limit {
                        let after = AuditPosition { key: before, at };
                        return Ok(Page { items, next: Some(after) });
                    }
                    at = entry.at;
                    before = key;
                    items.push(entry);
                }
                let month = keys::month_begin(at);
                if month <= from {
                    return Ok(Page { items, next: None });
                }
                (at, before) = before_month(month);
                if empty == MOST_EMPTY {
                    return Ok(Page { items, next: Some(AuditPosition { key: before, at: month }) });
                }
            }
        }
    }

    /// Entries of the month of `at`, from `from` on and before a sort key, at most `limit`.
    async fn audit_of_month(
        &self,
        at: Timestamp,
        from: Timestamp,
        before: &str,
        limit: usize,
    ) -> Result<Vec<(String, AuditEntry)>, StoreError> {
        let mut entries: Vec<(String, AuditEntry)> = Vec::new();
        let from = from.to_string();
        // DynamoDB refuses an empty window.
        if from.as_str() > before {
            return Ok(entries);
        }
        let mut start: Option<Item> = None;
        loop {
            let query = self
                .client
                .query()
                .table_name(&self.tables.partners)
                .consistent_read(true)
                .scan_index_forward(false)
                // One more, since the upper bound itself is not wanted.
                .limit(i32::try_from(limit - entries.len() + 1).unwrap_or(i32::MAX))
                .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :before")
                .expression_attribute_values(":pk", text(keys::audit(at)))
                .expression_attribute_values(":from", text(&from))
                .expression_attribute_values(":before", text(before))
                .set_exclusive_start_key(start.clone());
            let answer = send(Twice::Harmless, || query.clone().send()).await.map_err(SendError::unconditional)?;
            for item in answer.items.unwrap_or_default() {
                let key = text_of(&item, "sk")?;
                if key != before && entries.len() < limit {
                    entries.push((key.to_owned(), entry(&item)?));
                }
            }
            start = answer.last_evaluated_key;
            if start.is_none() || entries.len() == limit {
                return Ok(entries);
            }
        }
    }
}

/// The last second before a month begins, and a sort key behind every entry of the month before, and before all of this one.
fn before_month(month: Timestamp) -> (Timestamp, String) {
    (month.plus_seconds(-1), month.to_string())
}

fn entry(item: &Item) -> Result<AuditEntry, StoreError> {
    let time = text_of(item, "sk")?.split('#').next().unwrap_or_default();
    Ok(AuditEntry {
        at: time.parse().map_err(|_| StoreError::Broken("an audit entry without a time".to_owned()))?,
        by: text_of(item, "by")?.to_owned(),
        action: text_of(item, "action")?.to_owned(),
        target: text_of(item, "target")?.to_owned(),
        details: item.contains_key("details").then(|| text_of(item, "details").map(str::to_owned)).transpose()?,
    })
}
