//! Imports of cards. What was judged good is written down in chunks before the first card goes into stock; each chunk then
//! leaves in the same transaction that puts its cards into slots. Whoever finds a chunk can carry on: the request that brought
//! the file, or any sweep after it.

use crate::audit::Act;
use crate::codes::Taken;
use crate::item::{Item, from_item, number, text, text_of, to_item};
use crate::sims::Sim;
use crate::stock::{NEW_CARDS_PER_TRANSACTION, NewCard, Slotted, built, put_new};
use crate::together::at_most;
use crate::write::{SendError, TransactError, Twice, send};
use crate::{Page, PositionError, Store, StoreError, keys};
use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem, Update};
use serde::{Deserialize, Serialize};
use simdock_domain::{Action, Iccid, PoolId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::time::Instant;

/// How many bad lines one item holds; far below the 400 KB that it may.
const ERRORS_PER_ITEM: usize = 1000;
/// How many requests of an import are under way at once.
const AT_ONCE: usize = 8;

/// An import and how far it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Import {
    /// Its id.
    pub id: String,
    /// How far it is.
    pub status: ImportStatus,
    /// How many lines the file had.
    pub lines: usize,
    /// How many of them were good.
    pub accepted: usize,
    /// How many cards are in stock by now.
    pub added: usize,
    /// The bad lines.
    pub errors: Vec<ImportError>,
    /// When it came in.
    pub created_at: Timestamp,
    /// Who brought it; imports of earlier versions do not tell.
    pub by: Option<String>,
}

/// An import in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportSummary {
    /// Its id.
    pub id: String,
    /// How far it is.
    pub status: ImportStatus,
    /// How many lines the file had.
    pub lines: usize,
    /// How many of them were good.
    pub accepted: usize,
    /// How many were bad.
    pub rejected: usize,
    /// How many cards are in stock by now.
    pub added: usize,
    /// Who brought it; imports of earlier versions do not tell.
    pub by: Option<String>,
    /// When it came in.
    pub created_at: Timestamp,
}

/// A place behind an import in the list. As text it is what a client hands back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportPosition {
    at: Timestamp,
    id: String,
}

impl FromStr for ImportPosition {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let (at, id) = text.split_once('#').ok_or(PositionError)?;
        Ok(Self { at: at.parse().map_err(|_| PositionError)?, id: id.to_owned() })
    }
}

impl fmt::Display for ImportPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.at, self.id)
    }
}

/// How far an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportStatus {
    /// Cards are still going into stock.
    Running,
    /// All of them are in stock.
    Done,
}

/// A line that did not go in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportError {
    /// Its number in the file; the header is line 1.
    pub line: usize,
    /// The card's number as it stood there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iccid: Option<String>,
    /// A stable word for the reason.
    pub code: String,
    /// The reason, for a person.
    pub reason: String,
}

/// A good line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImportLine {
    /// Its number in the file.
    #[serde(rename = "n")]
    pub line: usize,
    /// The card.
    #[serde(rename = "c")]
    pub card: NewCard,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Verdict {
    pub status: ImportStatus,
    /// Where the chunks and errors are. Two requests that bring the same file at once write different parts, and only those
    /// of the one whose verdict stands are ever looked at.
    pub parts: String,
    lines: usize,
    accepted: usize,
    created: Timestamp,
    /// Who brought the file; imports of earlier versions do not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    /// How many cards are in stock by it, once it is finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    added: Option<usize>,
}

#[derive(Serialize, Deserialize)]
struct ErrorPart {
    errors: Vec<ImportError>,
}

#[derive(Serialize, Deserialize)]
struct Chunk {
    pk: String,
    sk: String,
    cards: Vec<ImportLine>,
}

impl Store {
    /// The id of an import: the same file with the same options from the same manager is the same import.
    pub fn import_id(manager: &str, options: &str, content: &str) -> String {
        keys::import_id(manager, options, content)
    }

    /// Which of these cards are known already, in stock or out of it.
    pub async fn known_cards(&self, iccids: &[Iccid]) -> Result<BTreeSet<Iccid>, StoreError> {
        let keys: Vec<Item> = iccids.iter().map(keys::sim).collect();
        let found = self.batch_get_all(&self.tables.sims, &keys).await?;
        found.into_iter().map(|item| Ok(from_item::<Sim>(item)?.iccid)).collect()
    }

    /// An import by its id.
    pub async fn import(&self, id: &str) -> Result<Option<Import>, StoreError> {
        let Some(verdict) = self.verdict(id).await? else { return Ok(None) };
        let mut errors = Vec::new();
        let mut waiting = 0;
        for item in self.partition(&verdict.parts).await? {
            match text_of(&item, "sk")?.split('#').next() {
                Some("errors") => errors.extend(from_item::<ErrorPart>(item)?.errors),
                Some("chunk") => waiting += from_item::<Chunk>(item)?.cards.len(),
                _ => return Err(StoreError::Broken("an unknown part of an import".to_owned())),
            }
        }
        errors.sort_by_key(|error| error.line);
        let late = errors.iter().filter(|error| LATE.contains(&error.code.as_str())).count();
        Ok(Some(Import {
            id: id.to_owned(),
            status: verdict.status,
            lines: verdict.lines,
            accepted: verdict.accepted.saturating_sub(late),
            // Lines that move while their parts are being read may be seen in two places.
            added: verdict.accepted.saturating_sub(late + waiting),
            errors,
            created_at: verdict.created,
            by: verdict.by,
        }))
    }

    /// A page of the imports, newest first.
    pub async fn imports(
        &self,
        limit: usize,
        after: Option<&ImportPosition>,
    ) -> Result<Page<ImportSummary, ImportPosition>, StoreError> {
        let start = after.map(|after| {
            let mut key = keys::import(&after.id);
            key.insert("created".to_owned(), number(after.at.unix()));
            key
        });
        let query = self
            .client
            .query()
            .table_name(&self.tables.pools)
            .index_name("byCreated")
            .scan_index_forward(false)
            // One more, to know whether there is a next page.
            .limit(i32::try_from(limit + 1).unwrap_or(i32::MAX))
            .key_condition_expression("sk = :verdict")
            .expression_attribute_values(":verdict", text(keys::VERDICT))
            .set_exclusive_start_key(start);
        let answer = send(Twice::Harmless, || query.clone().send()).await.map_err(SendError::unconditional)?;
        let mut found = answer.items.unwrap_or_default();
        let more = found.len() > limit;
        found.truncate(limit);
        let mut verdicts = BTreeMap::new();
        if !found.is_empty() {
            let wanted = found.iter().map(|item| Ok(keys::part(text_of(item, "pk")?, keys::VERDICT)));
            for item in self.batch_get(&self.tables.pools, wanted.collect::<Result<_, StoreError>>()?).await? {
                verdicts.insert(text_of(&item, "pk")?.to_owned(), from_item::<Verdict>(item)?);
            }
        }
        let mut items = Vec::with_capacity(found.len());
        let mut last = None;
        for item in &found {
            let pk = text_of(item, "pk")?;
            let Some(verdict) = verdicts.remove(pk) else { continue };
            let id = pk.trim_start_matches("import#").to_owned();
            last = Some(ImportPosition { at: verdict.created, id: id.clone() });
            items.extend(self.summary(id, verdict).await?);
        }
        Ok(Page { items, next: last.filter(|_| more) })
    }

    /// An import without its lines, which are read only where the verdict alone does not tell how many came to what.
    async fn summary(&self, id: String, verdict: Verdict) -> Result<Option<ImportSummary>, StoreError> {
        let Verdict { status, lines, created: created_at, by, added, .. } = verdict;
        if let Some(added) = added {
            let (accepted, rejected) = (added, lines.saturating_sub(added));
            return Ok(Some(ImportSummary { id, status, lines, accepted, rejected, added, by, created_at }));
        }
        let Some(import) = self.import(&id).await? else { return Ok(None) };
        let Import { status, accepted, added, .. } = import;
        Ok(Some(ImportSummary { id, status, lines, accepted, rejected: import.errors.len(), added, by, created_at }))
    }

    async fn verdict(&self, id: &str) -> Result<Option<Verdict>, StoreError> {
        let item = self.pool_item(keys::import(id)).await?;
        if item.is_empty() { Ok(None) } else { from_item(item).map(Some) }
    }

    /// Writes an import down, so that it will be finished whatever happens. Writing the same one again changes nothing.
    pub async fn begin_import(
        &self,
        id: &str,
        lines: usize,
        good: Vec<ImportLine>,
        errors: &[ImportError],
        by: &str,
    ) -> Result<(), StoreError> {
        if self.verdict(id).await?.is_some() {
            return Ok(());
        }
        let accepted = good.len();
        let attempt = format!("{:016x}", fastrand::u64(..));
        let mut parts: Vec<Item> = Vec::new();
        for (part, errors) in errors.chunks(ERRORS_PER_ITEM).enumerate() {
            let mut item = to_item(&ErrorPart { errors: errors.to_vec() })?;
            item.extend(keys::import_errors(id, &attempt, part));
            parts.push(item);
        }
        let mut pools: BTreeMap<PoolId, Vec<ImportLine>> = BTreeMap::new();
        for line in good {
            pools.entry(line.card.pool.clone()).or_default().push(line);
        }
        let mut part = 0;
        for (pool, cards) in pools {
            self.create_pool(&pool).await?;
            for cards in cards.chunks(NEW_CARDS_PER_TRANSACTION) {
                let key = keys::import_chunk(id, &attempt, part);
                let chunk =
                    Chunk { pk: text_of(&key, "pk")?.to_owned(), sk: text_of(&key, "sk")?.to_owned(), cards: cards.to_vec() };
                parts.push(to_item(&chunk)?);
                part += 1;
            }
        }
        at_most(AT_ONCE, parts.iter().map(|item| self.put_part(item)).collect()).await?;
        let own = keys::import_parts(id, &attempt);
        let verdict = Verdict {
            status: ImportStatus::Running,
            parts: own.clone(),
            lines,
            accepted,
            created: self.clock.now(),
            by: Some(by.to_owned()),
            added: None,
        };
        let mut verdict = to_item(&verdict)?;
        verdict.extend(keys::import(id));
        let items = vec![
            put_new(&self.tables.pools, verdict)?,
            self.put_pool_item(keys::running_import(id))?,
            self.audit_put(&Act {
                by,
                action: Action::ImportBegun,
                target: id,
                details: Some(format!("{accepted} of {lines} lines")),
            })?,
        ];
        match self.transact(items).await {
            Ok(()) => Ok(()),
            Err(TransactError::Refused(_)) => {
                // Another request's verdict stands, unless it is this one's, whose answer was lost.
                if self.verdict(id).await?.is_some_and(|verdict| verdict.parts != own) {
                    self.delete_all(&own).await?;
                }
                Ok(())
            }
            Err(TransactError::Failed(error)) => Err(error),
        }
    }

    /// Deletes a partition of `pools`; parts of an import hold activation codes, so none may be left behind.
    async fn delete_all(&self, pk: &str) -> Result<(), StoreError> {
        let items = self.partition(pk).await?;
        let keys = items.iter().map(|item| Ok(keys::part(pk, text_of(item, "sk")?))).collect::<Result<Vec<_>, StoreError>>()?;
        at_most(AT_ONCE, keys.into_iter().map(|key| self.drop_pool_item(key)).collect()).await?;
        Ok(())
    }

    async fn put_part(&self, item: &Item) -> Result<(), StoreError> {
        let put = self.client.put_item().table_name(&self.tables.pools).set_item(Some(item.clone()));
        send(Twice::Harmless, || put.clone().send()).await.map_err(SendError::unconditional)?;
        Ok(())
    }

    /// The imports that are not finished.
    pub async fn running_imports(&self) -> Result<Vec<String>, StoreError> {
        let items = self.partition(keys::RUNNING_IMPORTS).await?;
        items.iter().map(|item| Ok(text_of(item, "sk")?.to_owned())).collect()
    }

    /// Puts the cards of an import into stock, chunk by chunk, until all are in or the time is over; answers how far it is.
    pub async fn run_import(&self, id: &str, until: Instant) -> Result<Option<Import>, StoreError> {
        let Some(verdict) = self.verdict(id).await? else { return Ok(None) };
        let chunks = self.query_all(&self.tables.pools, &verdict.parts, Some("chunk#")).await?;
        let mut pools = BTreeSet::new();
        let mut finished = true;
        for item in chunks {
            if Instant::now() >= until {
                finished = false;
                break;
            }
            let chunk = from_item::<Chunk>(item)?;
            pools.extend(chunk.cards.first().map(|line| line.card.pool.clone()));
            self.stock_chunk(chunk).await?;
        }
        for pool in &pools {
            self.publish(pool).await?;
        }
        let Some(import) = self.import(id).await? else { return Ok(None) };
        if !finished || import.status == ImportStatus::Done {
            return Ok(Some(import));
        }
        self.finish_import(id, import.added).await?;
        Ok(Some(Import { status: ImportStatus::Done, ..import }))
    }

    /// Puts a chunk's cards into stock, with their codes, and the chunk away; what one transaction does not take stays in the chunk
    /// for the next, as of chunks that an earlier version wrote.
    async fn stock_chunk(&self, mut chunk: Chunk) -> Result<(), StoreError> {
        loop {
            let key = keys::part(&chunk.pk, &chunk.sk);
            let Some(pool) = chunk.cards.first().map(|line| line.card.pool.clone()) else {
                return self.drop_pool_item(key).await;
            };
            let before = chunk.cards.len();
            let rest = chunk.cards.split_off(at_once(&chunk.cards));
            let left = Chunk { pk: chunk.pk.clone(), sk: chunk.sk.clone(), cards: rest };
            let mut also = vec![if left.cards.is_empty() { self.delete_pool_item(key)? } else { self.rewrite(&left, before)? }];
            for card in chunk.cards.iter().map(|line| &line.card) {
                also.extend(card.profile_id().map(|profile| self.code_claim(&profile, &card.iccid)).transpose()?);
            }
            let new = |index: usize, slot: u64| {
                let card = &chunk.cards[index].card;
                let write = self.stock_new(card, slot)?;
                Ok(Slotted { iccid: &card.iccid, activate_before: card.activate_before, write })
            };
            let next = match self.append(&pool, chunk.cards.len(), &also, new).await {
                Ok(()) => Some(left).filter(|left| !left.cards.is_empty()),
                Err(TransactError::Failed(error)) => return Err(error),
                // Somebody else put these cards into stock.
                Err(TransactError::Refused(places)) if places.contains(&0) => self.chunk(&chunk).await?,
                Err(TransactError::Refused(_)) => {
                    chunk.cards.extend(left.cards);
                    self.without_taken(chunk).await?
                }
            };
            let Some(next) = next else { return Ok(()) };
            chunk = next;
        }
    }

    /// A chunk as it stands now, if it still does.
    async fn chunk(&self, chunk: &Chunk) -> Result<Option<Chunk>, StoreError> {
        let item = self.pool_item(keys::part(&chunk.pk, &chunk.sk)).await?;
        if item.is_empty() { Ok(None) } else { from_item(item).map(Some) }
    }

    /// The write of a chunk with fewer cards than `before`. A chunk only ever shrinks, so its size tells whether somebody else was here.
    fn rewrite(&self, chunk: &Chunk, before: usize) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder().table_name(&self.tables.pools).set_item(Some(to_item(chunk)?));
        let put = put.condition_expression("size(cards) = :before").expression_attribute_values(":before", number(before));
        Ok(TransactWriteItem::builder().put(built(put.build())?).build())
    }

    /// Takes out of a chunk what another import brought in since this one was judged, and says so in its verdict. Answers the
    /// chunk as it stands then, if it still does.
    async fn without_taken(&self, mut chunk: Chunk) -> Result<Option<Chunk>, StoreError> {
        let before = chunk.cards.len();
        let cards: Vec<&NewCard> = chunk.cards.iter().map(|line| &line.card).collect();
        let taken = self.taken(&cards).await?;
        let errors: Vec<ImportError> =
            chunk.cards.iter().filter_map(|line| Some(late(line, taken.get(&line.card.iccid)?))).collect();
        chunk.cards.retain(|line| !taken.contains_key(&line.card.iccid));
        let mut late_errors = keys::late_errors(&chunk.pk, &chunk.sk, errors.first().map_or(0, |error| error.line));
        late_errors.extend(to_item(&ErrorPart { errors })?);
        let items = vec![self.rewrite(&chunk, before)?, self.put_pool_item(late_errors)?];
        match self.transact(items).await {
            Ok(()) => Ok(Some(chunk)),
            Err(TransactError::Refused(_)) => self.chunk(&chunk).await,
            Err(TransactError::Failed(error)) => Err(error),
        }
    }

    async fn finish_import(&self, id: &str, added: usize) -> Result<(), StoreError> {
        let verdict = Update::builder()
            .table_name(&self.tables.pools)
            .set_key(Some(keys::import(id)))
            .update_expression("SET #status = :done, added = :added")
            .condition_expression("#status = :running")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":done", text("done"))
            .expression_attribute_values(":added", number(added))
            .expression_attribute_values(":running", text("running"));
        let registry = Delete::builder().table_name(&self.tables.pools).set_key(Some(keys::running_import(id)));
        let items = vec![
            TransactWriteItem::builder().update(built(verdict.build())?).build(),
            TransactWriteItem::builder().delete(built(registry.build())?).build(),
        ];
        match self.transact(items).await {
            Ok(()) | Err(TransactError::Refused(_)) => Ok(()),
            Err(TransactError::Failed(error)) => Err(error),
        }
    }
}

/// What can only turn out after an import was judged: another one brought in the card, or its code with another card.
const LATE: [&str; 2] = [CARD_SINCE, CODE_SINCE];
const CARD_SINCE: &str = "already_in_stock_since";
const CODE_SINCE: &str = "duplicate_code_since";

/// How many lines, from the first, one transaction can put into stock. It takes no code twice; nor does a file that is judged.
fn at_once(lines: &[ImportLine]) -> usize {
    let mut profiles = BTreeSet::new();
    let new = |line: &&ImportLine| line.card.profile_id().is_none_or(|profile| profiles.insert(profile));
    lines.iter().take(NEW_CARDS_PER_TRANSACTION).take_while(new).count()
}

/// What is said of a line that cannot go in any more.
fn late(line: &ImportLine, taken: &Taken) -> ImportError {
    let (code, reason) = match taken {
        Taken::Card => (CARD_SINCE, "another import brought this card in first".to_owned()),
        Taken::Code(holder) => (CODE_SINCE, format!("another import brought this code in first, with card {holder}")),
    };
    ImportError { line: line.line, iccid: Some(line.card.iccid.to_string()), code: code.to_owned(), reason }
}
