use crate::item::{Item, from_item, number, number_of, text, text_of, to_item};
use crate::stock::built;
use crate::write::{SendError, TransactError, Twice, send};
use crate::{Conflict, Store, StoreError, keys};
use aws_sdk_dynamodb::types::{Put, TransactWriteItem, Update};
use serde::{Deserialize, Serialize};
use simdock_domain::{Currency, Money, Order, OrderNum, Timestamp};

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

/// An API key as it is kept: by its hash.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// Whom it speaks for.
    #[serde(flatten)]
    pub principal: Principal,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stopped being good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

/// A partner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Partner {
    /// Names it everywhere.
    pub partner_id: String,
    /// The name that people read.
    pub display: String,
    /// How many complimentary orders it may make in all.
    #[serde(default)]
    pub gift_quota: u32,
    /// How many it made.
    #[serde(default)]
    pub gifts: u32,
}

/// Money that moved on a partner's balance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerEntry {
    /// What moved it, once: an order's payment, a credit.
    pub reference: String,
    /// When.
    pub at: Timestamp,
    /// How much; below zero is a debit.
    pub amount: Money,
}

/// A balance that is below the level at which somebody wants to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LowBalance {
    /// Whose.
    pub partner_id: String,
    /// How much there is.
    pub balance: Money,
    /// The level.
    pub alarm_level: Money,
}

impl Store {
    /// Whom an API key speaks for, as it was at most a minute ago; `None` if it is unknown or revoked.
    pub async fn principal(&self, key: &str) -> Result<Option<Principal>, StoreError> {
        self.principal_by_hash(&keys::key_hash(key)).await
    }

    /// The same, of a key of which only the hash is known, as [`keys::key_hash`] writes it.
    pub async fn principal_by_hash(&self, hash: &str) -> Result<Option<Principal>, StoreError> {
        // The cache, too, holds the hash rather than the key.
        let hash = hash.to_owned();
        if let Some(known) = self.principals.get(&hash) {
            return Ok(known);
        }
        let found = self.partner_item(keys::hashed_key(&hash)).await?.map(from_item::<Key>).transpose()?;
        let principal = found.filter(|key| key.revoked_at.is_none()).map(|key| key.principal);
        self.principals.put(hash, principal.clone());
        Ok(principal)
    }

    /// Makes an API key good. A key that is there already is left as it is.
    pub async fn put_key(&self, key: &str, principal: &Principal, now: Timestamp) -> Result<(), StoreError> {
        let mut item = to_item(&Key { principal: principal.clone(), created_at: now, revoked_at: None })?;
        item.extend(keys::api_key(key));
        self.put_once(item).await
    }

    /// Ends an API key. Functions that checked it just now go by it for up to a minute more.
    pub async fn revoke_key(&self, key: &str, now: Timestamp) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.tables.partners)
            .set_key(Some(keys::api_key(key)))
            .update_expression("SET revokedAt = if_not_exists(revokedAt, :now)")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":now", number(now.unix()));
        match send(Twice::Harmless, || update.clone().send()).await {
            Ok(_) | Err(SendError::Refused(_)) => Ok(()),
            Err(SendError::Failed(error)) => Err(error),
        }
    }

    /// Makes a partner exist. One that is there already is left as it is.
    pub async fn put_partner(&self, partner: &Partner) -> Result<(), StoreError> {
        let mut item = to_item(partner)?;
        item.extend(keys::partner(&partner.partner_id));
        self.put_once(item).await
    }

    /// Sets how many complimentary orders a partner may make in all. Those that it made before count.
    pub async fn set_gift_quota(&self, partner_id: &str, quota: u32) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.tables.partners)
            .set_key(Some(keys::partner(partner_id)))
            .update_expression("SET giftQuota = :quota")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":quota", number(quota));
        send(Twice::Harmless, || update.clone().send()).await.map_err(SendError::unconditional)?;
        Ok(())
    }

    /// Reads a partner.
    pub async fn partner(&self, id: &str) -> Result<Option<Partner>, StoreError> {
        self.partner_item(keys::partner(id)).await?.map(from_item).transpose()
    }

    /// The order that was given because of a subscription.
    pub async fn gift(&self, partner_id: &str, subscription: &str) -> Result<Option<OrderNum>, StoreError> {
        let Some(item) = self.partner_item(keys::gift(partner_id, subscription)).await? else { return Ok(None) };
        let num = text_of(&item, "orderNum")?.parse();
        num.map(Some).map_err(|_| StoreError::Broken("a gift without its order".to_owned()))
    }

    /// A partner's balance in a currency, in minor units.
    pub async fn balance(&self, partner_id: &str, currency: Currency) -> Result<Money, StoreError> {
        let item = self.partner_item(keys::balance(partner_id, currency)).await?.unwrap_or_default();
        Ok(Money { amount: signed(&item, "balance")?, currency })
    }

    /// Sets the level below which a partner's balance in the level's currency is low; at 0 it never is.
    pub async fn set_balance_alarm(&self, partner_id: &str, level: Money) -> Result<(), StoreError> {
        let mut item = keys::watched(partner_id, level.currency);
        item.insert("partnerId".to_owned(), text(partner_id));
        item.insert("currency".to_owned(), text(level.currency.as_str()));
        item.insert("alarmLevel".to_owned(), number(level.amount));
        let put = self.client.put_item().table_name(&self.tables.partners).set_item(Some(item));
        send(Twice::Harmless, || put.clone().send()).await.map_err(SendError::unconditional)?;
        Ok(())
    }

    /// The balances that are below their alarm level.
    pub async fn low_balances(&self) -> Result<Vec<LowBalance>, StoreError> {
        let mut low = Vec::new();
        for item in self.query_all(&self.tables.partners, keys::WATCHED, None).await? {
            let alarm_level = Money { amount: signed(&item, "alarmLevel")?, currency: currency(&item)? };
            let partner_id = text_of(&item, "partnerId")?.to_owned();
            let balance = self.balance(&partner_id, alarm_level.currency).await?;
            if balance.amount < alarm_level.amount {
                low.push(LowBalance { partner_id, balance, alarm_level });
            }
        }
        Ok(low)
    }

    /// Adds to a partner's balance, once per reference; answers whether this was the time.
    pub async fn credit(&self, partner_id: &str, amount: Money, reference: &str, now: Timestamp) -> Result<bool, StoreError> {
        let balance = Update::builder()
            .table_name(&self.tables.partners)
            .set_key(Some(keys::balance(partner_id, amount.currency)))
            .update_expression("ADD balance :amount")
            .expression_attribute_values(":amount", number(amount.amount));
        let items = vec![
            TransactWriteItem::builder().update(built(balance.build())?).build(),
            self.ledger_put(partner_id, amount, reference, now)?,
        ];
        match self.transact(items).await {
            Ok(()) => Ok(true),
            Err(TransactError::Refused(_)) => Ok(false),
            Err(TransactError::Failed(error)) => Err(error),
        }
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
        let mut write = self.transaction();
        write.order(next)?;
        write.push(TransactWriteItem::builder().update(built(balance.build())?).build());
        write.push(self.ledger_put(&next.partner_id, amount, &format!("{}#{refund_id}", next.num), now)?);
        write.commit().await
    }

    /// The ledger's entry of money that moves, for a transaction: once per reference.
    pub(crate) fn ledger_put(
        &self,
        partner_id: &str,
        amount: Money,
        reference: &str,
        now: Timestamp,
    ) -> Result<TransactWriteItem, StoreError> {
        let mut entry = keys::ledger_entry(partner_id, reference);
        entry.insert("at".to_owned(), number(now.unix()));
        entry.insert("amount".to_owned(), number(amount.amount));
        entry.insert("currency".to_owned(), text(amount.currency.as_str()));
        let put = Put::builder().table_name(&self.tables.partners).set_item(Some(entry));
        Ok(TransactWriteItem::builder().put(built(put.condition_expression("attribute_not_exists(pk)").build())?).build())
    }

    /// Everything that moved on a partner's balances, by reference.
    pub async fn ledger(&self, partner_id: &str) -> Result<Vec<LedgerEntry>, StoreError> {
        let items = self.query_all(&self.tables.partners, &keys::ledger(partner_id), None).await?;
        let entry = |item: &Item| {
            Ok(LedgerEntry {
                reference: text_of(item, "sk")?.to_owned(),
                at: Timestamp::from_unix(signed(item, "at")?),
                amount: Money { amount: signed(item, "amount")?, currency: currency(item)? },
            })
        };
        items.iter().map(entry).collect()
    }

    /// Reads an item of the table by its key.
    pub(crate) async fn partner_item(&self, key: Item) -> Result<Option<Item>, StoreError> {
        let get = self.client.get_item().table_name(&self.tables.partners).set_key(Some(key.clone())).consistent_read(true);
        Ok(send(Twice::Harmless, || get.clone().send()).await.map_err(SendError::unconditional)?.item)
    }

    async fn put_once(&self, item: Item) -> Result<(), StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.tables.partners)
            .set_item(Some(item.clone()))
            .condition_expression("attribute_not_exists(pk)");
        match send(Twice::Harmless, || put.clone().send()).await {
            Ok(_) | Err(SendError::Refused(_)) => Ok(()),
            Err(SendError::Failed(error)) => Err(error),
        }
    }
}

pub fn currency(item: &Item) -> Result<Currency, StoreError> {
    text_of(item, "currency")?.parse().map_err(|_| StoreError::Broken("attribute currency is no currency".to_owned()))
}

pub fn signed(item: &Item, name: &str) -> Result<i64, StoreError> {
    if item.get(name).and_then(|value| value.as_n().ok()).is_some_and(|digits| digits.starts_with('-')) {
        let digits = item[name].as_n().map_err(|_| StoreError::Broken(format!("attribute {name}")))?;
        return digits.parse().map_err(|_| StoreError::Broken(format!("attribute {name} is not a whole number")));
    }
    i64::try_from(number_of(item, name)?).map_err(|_| StoreError::Broken(format!("attribute {name} is too large")))
}
