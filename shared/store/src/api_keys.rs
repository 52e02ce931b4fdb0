//! API keys: whom each speaks for, and until when. A key is kept by its hash alone; a registry knows all of them by their ids.

use crate::audit::Act;
use crate::item::{Item, from_item, number, text, text_of, to_item};
use crate::stock::{built, put_new};
use crate::transaction::Transaction;
use crate::write::TransactError;
use crate::{Page, PositionError, Store, StoreError, keys};
use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use serde::{Deserialize, Serialize};
use simdock_domain::{Action, Timestamp};
use std::cmp::Reverse;
use std::fmt;
use std::str::FromStr;

/// How often it is decided anew because somebody else changed the key.
const DECISIONS: u32 = 5;

/// Whom an API key speaks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub enum Principal {
    /// A partner; it sees only what is its own.
    Partner {
        /// Which.
        #[serde(rename = "partnerId")]
        partner_id: String,
    },
    /// An order manager; sees everything.
    Manager {
        /// The name that stands in the history.
        name: String,
    },
}

impl Principal {
    /// Whether it is an order manager.
    pub fn is_manager(&self) -> bool {
        matches!(self, Self::Manager { .. })
    }
}

/// An API key as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// Whom it speaks for.
    #[serde(flatten)]
    pub principal: Principal,
    /// What a partner's key is called, to tell it from others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// By whom; keys of earlier versions do not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// From when on it is no longer good.
    #[serde(default, alias = "revokedAt", skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
}

/// An API key by its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKey {
    /// Tells it from others; nothing of the key itself follows from it.
    pub id: String,
    /// What is kept of it.
    pub key: Key,
}

/// A place behind a key in a list of keys. As text it is what a client hands back.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyPosition {
    ended: bool,
    created_at: Reverse<Timestamp>,
    id: String,
}

impl KeyPosition {
    fn of(StoredKey { id, key }: &StoredKey, now: Timestamp) -> Self {
        Self { ended: !key.is_good(now), created_at: Reverse(key.created_at), id: id.clone() }
    }
}

impl FromStr for KeyPosition {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let (state, rest) = text.split_once('#').ok_or(PositionError)?;
        let (at, id) = rest.split_once('#').filter(|(_, id)| !id.is_empty()).ok_or(PositionError)?;
        let ended = match state {
            "good" => false,
            "ended" => true,
            _ => return Err(PositionError),
        };
        Ok(Self { ended, created_at: Reverse(at.parse().map_err(|_| PositionError)?), id: id.to_owned() })
    }
}

impl fmt::Display for KeyPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}#{}", if self.ended { "ended" } else { "good" }, self.created_at.0, self.id)
    }
}

/// What became of the wish to make a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyMade {
    /// It is good.
    Now(StoredKey),
    /// The same request came before, and made this one; nothing was written.
    Before(StoredKey),
}

/// What became of the wish to end a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndKey {
    /// It ends as its record says: from the time asked for, or before if it had ended already.
    Ends(StoredKey),
    /// There is no such key.
    NoKey,
    /// Without it, no manager would have a key that lasts.
    LastManager,
}

impl Key {
    /// Whether it is good at a time.
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.ends_at.is_none_or(|end| now < end)
    }

    /// Whom it speaks for, in words.
    pub(crate) fn holder(&self) -> String {
        match &self.principal {
            Principal::Partner { partner_id } => format!("partner {partner_id}"),
            Principal::Manager { name } => format!("manager {name}"),
        }
    }
}

impl Store {
    /// Whom an API key speaks for, as it was at most a minute ago; `None` if it is unknown or has ended. What is remembered of a key
    /// does not outlive its end.
    pub async fn principal(&self, key: &str) -> Result<Option<Principal>, StoreError> {
        self.principal_of_hash(keys::hashed(key)).await
    }

    /// The same, of a key of which only the hash is known, as [`hashed_key`](crate::hashed_key) writes it.
    pub async fn principal_of_hash(&self, pk: String) -> Result<Option<Principal>, StoreError> {
        // The cache, too, holds the hash rather than the key.
        let now = self.clock.now();
        let found = if let Some(known) = self.principals.get(&pk, now) {
            known
        } else {
            let read = self.partner_item(keys::api_key(&pk)).await?.map(from_item::<Key>).transpose()?;
            self.principals.put(pk, read.clone(), now);
            read
        };
        Ok(found.filter(|key| key.is_good(now)).map(|key| key.principal))
    }

    /// Makes an API key good; answers what is stored of it. A key that is there already is left as it is, except that the registry
    /// learns of it. `label` tells a partner's keys apart.
    pub async fn put_key(
        &self,
        key: &str,
        principal: &Principal,
        label: Option<String>,
        by: &str,
    ) -> Result<StoredKey, StoreError> {
        let (stored, write) = self.key_put(key, principal, label, by)?;
        if write.commit().await?.is_ok() {
            return Ok(stored);
        }
        let pk = keys::hashed(key);
        self.adopt_key(&pk).await?;
        let there = self.partner_item(keys::api_key(&pk)).await?.map(from_item::<Key>).transpose()?;
        let key = there.ok_or_else(|| StoreError::Busy("a key that was there has gone".to_owned()))?;
        Ok(StoredKey { id: stored.id, key })
    }

    /// Makes an API key, once for a request that may come twice. `request` tells the request from others; `key` must be a new one.
    pub async fn put_key_once(
        &self,
        request: &str,
        key: &str,
        principal: &Principal,
        label: Option<String>,
        by: &str,
    ) -> Result<KeyMade, StoreError> {
        let (stored, mut write) = self.key_put(key, principal, label, by)?;
        let mut made = keys::key_request(request);
        made.insert("keyId".to_owned(), text(&stored.id));
        write.push(put_new(&self.tables.partners, made)?);
        if write.commit().await?.is_ok() {
            return Ok(KeyMade::Now(stored));
        }
        let gone = || StoreError::Busy("the key of a request is not there".to_owned());
        let made = self.partner_item(keys::key_request(request)).await?.ok_or_else(gone)?;
        let id = text_of(&made, "keyId")?.to_owned();
        let entry = self.partner_item(keys::key_entry(&id)).await?.ok_or_else(gone)?;
        let key = self.partner_item(keys::api_key(text_of(&entry, "key")?)).await?.ok_or_else(gone)?;
        Ok(KeyMade::Before(StoredKey { id, key: from_item(key)? }))
    }

    /// A new key, and the transaction that makes it good.
    fn key_put(
        &self,
        key: &str,
        principal: &Principal,
        label: Option<String>,
        by: &str,
    ) -> Result<(StoredKey, Transaction<'_>), StoreError> {
        let pk = keys::hashed(key);
        let key = Key {
            principal: principal.clone(),
            label,
            created_at: self.clock.now(),
            created_by: Some(by.to_owned()),
            ends_at: None,
        };
        let id = keys::key_id(&pk);
        let mut item = to_item(&key)?;
        item.extend(keys::api_key(&pk));
        let mut write = self.transaction();
        write.push(put_new(&self.tables.partners, item)?);
        self.register(&mut write, &pk, &key)?;
        write.push(self.audit_put(&Act { by, action: Action::KeyCreated, target: &id, details: Some(key.holder()) })?);
        Ok((StoredKey { id, key }, write))
    }

    /// Lets the registry know of a key that was made before there was one.
    pub(crate) async fn adopt_key(&self, pk: &str) -> Result<bool, StoreError> {
        if self.partner_item(keys::key_entry(&keys::key_id(pk))).await?.is_some() {
            return Ok(false);
        }
        let Some(key) = self.partner_item(keys::api_key(pk)).await?.map(from_item::<Key>).transpose()? else { return Ok(false) };
        let mut write = self.transaction();
        self.register(&mut write, pk, &key)?;
        Ok(write.commit().await?.is_ok())
    }

    /// A key's entry in the registry, once; a manager's without an end counts.
    fn register(&self, write: &mut Transaction<'_>, pk: &str, key: &Key) -> Result<(), StoreError> {
        let mut entry = keys::key_entry(&keys::key_id(pk));
        entry.insert("key".to_owned(), text(pk));
        write.push(put_new(&self.tables.partners, entry)?);
        if key.principal.is_manager() && key.ends_at.is_none() {
            let count = Update::builder().table_name(&self.tables.partners).set_key(Some(keys::managers()));
            let count = count.update_expression("ADD lasting :one").expression_attribute_values(":one", number(1));
            write.push(TransactWriteItem::builder().update(built(count.build())?).build());
        }
        Ok(())
    }

    /// A page of the keys of a partner, or else of the managers: those that are good, the newest first, and behind them those that ended.
    /// One that ends meanwhile may come twice.
    pub async fn keys_page(
        &self,
        partner: Option<&str>,
        limit: usize,
        after: Option<&KeyPosition>,
    ) -> Result<Page<StoredKey, KeyPosition>, StoreError> {
        let now = self.clock.now();
        let keys = self.keys_of(partner).await?.into_iter().map(|key| (KeyPosition::of(&key, now), key));
        let mut keys: Vec<_> = keys.filter(|(place, _)| after.is_none_or(|after| place > after)).collect();
        keys.sort_by(|(one, _), (other, _)| one.cmp(other));
        let more = keys.len() > limit;
        keys.truncate(limit);
        let next = keys.last().filter(|_| more).map(|(place, _)| place.clone());
        Ok(Page { items: keys.into_iter().map(|(_, key)| key).collect(), next })
    }

    /// The keys of a partner, or else of the managers, the newest first.
    pub async fn keys_of(&self, partner: Option<&str>) -> Result<Vec<StoredKey>, StoreError> {
        let entries = self.query_all(&self.tables.partners, keys::KEYS, None).await?;
        let wanted: Vec<Item> =
            entries.iter().map(|entry| Ok(keys::api_key(text_of(entry, "key")?))).collect::<Result<_, StoreError>>()?;
        let mut found = Vec::new();
        for item in self.batch_get_all(&self.tables.partners, &wanted).await? {
            let id = keys::key_id(text_of(&item, "pk")?);
            let key: Key = from_item(item)?;
            let theirs = match &key.principal {
                Principal::Partner { partner_id } => partner == Some(partner_id.as_str()),
                Principal::Manager { .. } => partner.is_none(),
            };
            if theirs {
                found.push(StoredKey { id, key });
            }
        }
        found.sort_by(|one, other| (other.key.created_at, &other.id).cmp(&(one.key.created_at, &one.id)));
        Ok(found)
    }

    /// Ends a key from a time on, unless it ends before; functions that checked it just now go by what they know for up to a minute
    /// more. That a manager's key without an end remains is held by a counter in the same transaction.
    pub async fn end_key(&self, id: &str, ends_at: Timestamp, by: &str) -> Result<EndKey, StoreError> {
        for _ in 0..DECISIONS {
            let Some(entry) = self.partner_item(keys::key_entry(id)).await? else { return Ok(EndKey::NoKey) };
            let pk = text_of(&entry, "key")?;
            let Some(key) = self.partner_item(keys::api_key(pk)).await?.map(from_item::<Key>).transpose()? else {
                return Ok(EndKey::NoKey);
            };
            if !key.is_good(self.clock.now()) || key.ends_at == Some(ends_at) {
                return Ok(EndKey::Ends(StoredKey { id: id.to_owned(), key }));
            }
            let last = key.principal.is_manager() && key.ends_at.is_none();
            let mut write = self.transaction();
            write.push(self.key_end(pk, &key, ends_at)?);
            if last {
                let count = Update::builder().table_name(&self.tables.partners).set_key(Some(keys::managers()));
                let count = count
                    .update_expression("SET lasting = lasting - :one")
                    .condition_expression("lasting > :one")
                    .expression_attribute_values(":one", number(1));
                write.push(TransactWriteItem::builder().update(built(count.build())?).build());
            }
            let details = Some(format!("{}, from {ends_at} on", key.holder()));
            write.push(self.audit_put(&Act { by, action: Action::KeyEnded, target: id, details })?);
            match write.send().await {
                Ok(()) => {
                    return Ok(EndKey::Ends(StoredKey { id: id.to_owned(), key: Key { ends_at: Some(ends_at), ..key } }));
                }
                Err(TransactError::Refused(places)) if last && places == [1] => return Ok(EndKey::LastManager),
                // Somebody else ended it.
                Err(TransactError::Refused(_)) => {}
                Err(TransactError::Failed(error)) => return Err(error),
            }
        }
        Err(StoreError::Busy(format!("others kept changing key {id}")))
    }

    fn key_end(&self, pk: &str, key: &Key, ends_at: Timestamp) -> Result<TransactWriteItem, StoreError> {
        let update = Update::builder()
            .table_name(&self.tables.partners)
            .set_key(Some(keys::api_key(pk)))
            .update_expression("SET endsAt = :end")
            .expression_attribute_values(":end", number(ends_at.unix()));
        let update = match key.ends_at {
            None => update.condition_expression("attribute_exists(pk) AND attribute_not_exists(endsAt)"),
            Some(before) => {
                update.condition_expression("endsAt = :before").expression_attribute_values(":before", number(before.unix()))
            }
        };
        Ok(TransactWriteItem::builder().update(built(update.build())?).build())
    }
}
