//! Partners, their money, and what they may do.

use crate::audit::Act;
use crate::item::{Item, from_item, number, number_of, text, text_of, to_item};
use crate::stock::{built, put_new};
use crate::together::at_most;
use crate::transaction::Transaction;
use crate::write::{SendError, Twice, send};
use crate::{Page, Store, StoreError, keys};
use aws_sdk_dynamodb::types::{Put, TransactWriteItem, Update};
use futures_util::future::try_join;
use serde::{Deserialize, Serialize};
use simdock_domain::{Action, Asked, Currency, Money, OrderNum};
use std::collections::BTreeMap;

/// How many partners are read at once.
const AT_ONCE: usize = 8;
/// How often a partner is read anew because somebody else changed it meanwhile.
const READS: usize = 5;

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

/// A partner and its money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The partner.
    pub partner: Partner,
    /// Its balances, and the currencies that somebody watches, by currency.
    pub balances: Vec<Balance>,
}

/// A partner's prepaid money in a currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    /// How much there is.
    pub amount: Money,
    /// Somebody wants to know when there is less than this, in minor units.
    pub alarm_level: i64,
}

/// What is to be different about a partner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartnerChange {
    /// What its name has to be until then, if whoever changes it goes by that.
    pub was_display: Option<String>,
    /// What its quota has to be until then, if whoever changes it goes by that.
    pub was_gift_quota: Option<u32>,
    /// Which levels have to stand until then, 0 for none, if whoever changes it goes by them.
    pub was_alarm_levels: Vec<Money>,
    /// Another name that people read.
    pub display: Option<String>,
    /// Another number of complimentary orders that it may make in all; those that it made before count.
    pub gift_quota: Option<u32>,
    /// Levels below which its balances are low, one for each currency; at 0 it never is.
    pub alarm_levels: Vec<Money>,
}

/// What became of the wish to change a partner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartnerChanged {
    /// It is as it was wished, now or before.
    Now,
    /// There is no such partner.
    NoPartner,
    /// It is another than the change goes by; nothing was written.
    Other,
}

/// What became of the wish to make a partner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartnerMade {
    /// It is there.
    Now,
    /// The same request came before, and made the partner of this id; nothing was written.
    Before(String),
    /// The request's key came with another one before; nothing was written.
    KeyReused,
    /// There was a partner of this id; it is left as it is.
    Taken,
}

impl Balance {
    /// Whether it is below its alarm level.
    pub fn is_low(&self) -> bool {
        self.amount.amount < self.alarm_level
    }
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
    /// Makes a partner exist; answers whether it is new. One that is there already is left as it is, except that the registry learns
    /// of it.
    pub async fn put_partner(&self, partner: &Partner, by: &str) -> Result<bool, StoreError> {
        let new = self.partner_put(partner, by)?.commit().await?.is_ok();
        if !new {
            self.adopt_partner(&partner.partner_id).await?;
        }
        Ok(new)
    }

    /// As [`Self::put_partner`], once for a request that may come twice.
    pub async fn put_partner_once(&self, asked: &Asked, partner: &Partner, by: &str) -> Result<PartnerMade, StoreError> {
        let mut write = self.partner_put(partner, by)?;
        let mut request = keys::partner_request(&asked.key);
        request.insert("fingerprint".to_owned(), text(&asked.fingerprint));
        request.insert("partnerId".to_owned(), text(&partner.partner_id));
        let request = Put::builder().table_name(&self.tables.partners).set_item(Some(request));
        let request = request.condition_expression("attribute_not_exists(pk)");
        write.push(TransactWriteItem::builder().put(built(request.build())?).build());
        if write.commit().await?.is_ok() {
            return Ok(PartnerMade::Now);
        }
        match self.partner_item(keys::partner_request(&asked.key)).await? {
            Some(before) if text_of(&before, "fingerprint")? == asked.fingerprint => {
                Ok(PartnerMade::Before(text_of(&before, "partnerId")?.to_owned()))
            }
            Some(_) => Ok(PartnerMade::KeyReused),
            None => {
                self.adopt_partner(&partner.partner_id).await?;
                Ok(PartnerMade::Taken)
            }
        }
    }

    /// The transaction that makes a partner.
    fn partner_put(&self, partner: &Partner, by: &str) -> Result<Transaction<'_>, StoreError> {
        let id = &partner.partner_id;
        let mut item = to_item(partner)?;
        item.extend(keys::partner(id));
        let entry = Put::builder().table_name(&self.tables.partners).set_item(Some(keys::partner_entry(id)));
        let details = Some(format!("{}, {} gifts", partner.display, partner.gift_quota));
        let mut write = self.transaction();
        write.push(put_new(&self.tables.partners, item)?);
        write.push(TransactWriteItem::builder().put(built(entry.build())?).build());
        write.push(self.audit_put(&Act { by, action: Action::PartnerCreated, target: id, details })?);
        Ok(write)
    }

    /// Lets the registry know of a partner that was made before there was one.
    pub(crate) async fn adopt_partner(&self, id: &str) -> Result<(), StoreError> {
        let put = self.client.put_item().table_name(&self.tables.partners).set_item(Some(keys::partner_entry(id)));
        send(Twice::Harmless, || put.clone().send()).await.map_err(SendError::unconditional)?;
        Ok(())
    }

    /// Changes what is different about a partner; answers whether there is such a partner. What is as it should be is not written.
    pub async fn change_partner(&self, id: &str, change: &PartnerChange, by: &str) -> Result<PartnerChanged, StoreError> {
        for _ in 0..READS {
            let Some(account) = self.account(id).await? else { return Ok(PartnerChanged::NoPartner) };
            if let Some(outcome) = self.change_account(account, change, by).await? {
                return Ok(outcome);
            }
        }
        Ok(PartnerChanged::Other)
    }

    /// The same for a partner as it was read; `None` if somebody else changed it meanwhile.
    async fn change_account(
        &self,
        Account { partner, balances }: Account,
        change: &PartnerChange,
        by: &str,
    ) -> Result<Option<PartnerChanged>, StoreError> {
        let id = &*partner.partner_id;
        let mut details = Vec::new();
        let mut write = self.transaction();
        let update = Update::builder().table_name(&self.tables.partners).set_key(Some(keys::partner(id)));
        let mut update = update
            .condition_expression("attribute_exists(pk) AND display = :before AND giftQuota = :quotaBefore")
            .expression_attribute_values(":before", text(&partner.display))
            .expression_attribute_values(":quotaBefore", number(partner.gift_quota));
        let mut set = Vec::new();
        if let Some(display) = change.display.as_ref().filter(|display| **display != partner.display) {
            details.push(format!("display {display}"));
            set.push("display = :display");
            update = update.expression_attribute_values(":display", text(display));
        }
        if let Some(quota) = change.gift_quota.filter(|quota| *quota != partner.gift_quota) {
            details.push(format!("giftQuota {} to {quota}", partner.gift_quota));
            set.push("giftQuota = :quota");
            update = update.expression_attribute_values(":quota", number(quota));
        }
        if !set.is_empty() {
            let update = update.update_expression(format!("SET {}", set.join(", ")));
            write.push(TransactWriteItem::builder().update(built(update.build())?).build());
        }
        let stands = |level: &Money| {
            let balance = balances.iter().find(|balance| balance.amount.currency == level.currency);
            balance.map_or(0, |balance| balance.alarm_level)
        };
        for level in &change.alarm_levels {
            let before = stands(level);
            if before != level.amount {
                details.push(format!("alarm level {level}"));
                let mut item = keys::watched(id, level.currency);
                item.insert("partnerId".to_owned(), text(id));
                item.insert("currency".to_owned(), text(level.currency.as_str()));
                item.insert("alarmLevel".to_owned(), number(level.amount));
                let put = Put::builder()
                    .table_name(&self.tables.partners)
                    .set_item(Some(item))
                    .condition_expression("attribute_not_exists(pk) OR alarmLevel = :before")
                    .expression_attribute_values(":before", number(before));
                write.push(TransactWriteItem::builder().put(built(put.build())?).build());
            }
        }
        if details.is_empty() {
            return Ok(Some(PartnerChanged::Now));
        }
        // Who asks twice for what is there by now was not overtaken.
        let other = change.was_display.as_ref().is_some_and(|was| *was != partner.display)
            || change.was_gift_quota.is_some_and(|was| was != partner.gift_quota)
            || change.was_alarm_levels.iter().any(|was| was.amount != stands(was));
        if other {
            return Ok(Some(PartnerChanged::Other));
        }
        let details = Some(details.join(", "));
        write.push(self.audit_put(&Act { by, action: Action::PartnerChanged, target: id, details })?);
        Ok(write.commit().await?.is_ok().then_some(PartnerChanged::Now))
    }

    /// A partner and its money.
    pub async fn account(&self, id: &str) -> Result<Option<Account>, StoreError> {
        let (items, watched) = try_join(
            self.query_all(&self.tables.partners, &keys::partner_pk(id), None),
            self.query_all(&self.tables.partners, keys::WATCHED, Some(&keys::watched_by(id))),
        )
        .await?;
        let mut partner = None;
        let mut balances: BTreeMap<Currency, Balance> = BTreeMap::new();
        let none = |currency| Balance { amount: Money { amount: 0, currency }, alarm_level: 0 };
        for item in items {
            match text_of(&item, "sk")?.strip_prefix("balance#") {
                None => partner = Some(from_item(item)?),
                Some(code) => {
                    let currency = code.parse().map_err(|_| StoreError::Broken("a balance in no currency".to_owned()))?;
                    balances.entry(currency).or_insert(none(currency)).amount.amount = signed(&item, "balance")?;
                }
            }
        }
        for item in watched {
            let currency = currency(&item)?;
            balances.entry(currency).or_insert(none(currency)).alarm_level = signed(&item, "alarmLevel")?;
        }
        Ok(partner.map(|partner| Account { partner, balances: balances.into_values().collect() }))
    }

    /// A page of the partners with their money, by id, behind `after`; and the id behind which the next page begins.
    pub async fn accounts(&self, limit: usize, after: Option<&str>) -> Result<Page<Account, String>, StoreError> {
        let Page { items: ids, next } = self.registered(limit, after).await?;
        let accounts = at_most(AT_ONCE, ids.iter().map(|id| self.account(id)).collect()).await?;
        Ok(Page { items: accounts.into_iter().flatten().collect(), next })
    }

    /// The same without their money, of up to 100: two requests, however many they are.
    pub async fn partners(&self, limit: usize, after: Option<&str>) -> Result<Page<Partner, String>, StoreError> {
        let Page { items: ids, next } = self.registered(limit, after).await?;
        let found = self.batch_get(&self.tables.partners, ids.iter().map(|id| keys::partner(id)).collect()).await?;
        let mut items: Vec<Partner> = found.into_iter().map(from_item).collect::<Result<_, _>>()?;
        items.sort_by(|one, other| one.partner_id.cmp(&other.partner_id));
        Ok(Page { items, next })
    }

    /// A page of the registry.
    async fn registered(&self, limit: usize, after: Option<&str>) -> Result<Page<String, String>, StoreError> {
        let call = self
            .client
            .query()
            .table_name(&self.tables.partners)
            .consistent_read(true)
            // One more, to know whether there is a next page.
            .limit(i32::try_from(limit + 1).unwrap_or(i32::MAX))
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(keys::PARTNERS))
            .set_exclusive_start_key(after.map(keys::partner_entry));
        let answer = send(Twice::Harmless, || call.clone().send()).await.map_err(SendError::unconditional)?;
        let id = |entry: &Item| text_of(entry, "sk").map(str::to_owned);
        let mut items: Vec<String> = answer.items.unwrap_or_default().iter().map(id).collect::<Result<_, _>>()?;
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).cloned();
        Ok(Page { items, next })
    }

    /// Lets the registries know of every partner and every API key that was made before there were registries; answers how many of each
    /// there are. Doing it again changes nothing.
    pub async fn register_all(&self) -> Result<(usize, usize), StoreError> {
        let (mut partners, mut api_keys) = (0, 0);
        let mut start: Option<Item> = None;
        loop {
            let scan = self.client.scan().table_name(&self.tables.partners).consistent_read(true);
            let scan = scan.set_exclusive_start_key(start.clone());
            let answer = send(Twice::Harmless, || scan.clone().send()).await.map_err(SendError::unconditional)?;
            for item in answer.items.unwrap_or_default() {
                match (text_of(&item, "pk")?.split_once('#'), text_of(&item, "sk")?) {
                    (Some(("partner", id)), "partner") => {
                        self.adopt_partner(id).await?;
                        partners += 1;
                    }
                    (Some(("key", _)), "key") => {
                        self.adopt_key(text_of(&item, "pk")?).await?;
                        api_keys += 1;
                    }
                    _ => {}
                }
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok((partners, api_keys));
            }
        }
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

    /// Reads an item of the table by its key.
    pub(crate) async fn partner_item(&self, key: Item) -> Result<Option<Item>, StoreError> {
        let get = self.client.get_item().table_name(&self.tables.partners).set_key(Some(key.clone())).consistent_read(true);
        Ok(send(Twice::Harmless, || get.clone().send()).await.map_err(SendError::unconditional)?.item)
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
