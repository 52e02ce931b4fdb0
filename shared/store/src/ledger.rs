//! What moved on partners' balances. An entry is keyed by what moved the money, so that it moves once; the index `byTime` has the
//! entries of a partner in the sequence of time.

use crate::audit::Act;
use crate::item::{Item, number, text, text_of};
use crate::partners::{currency, signed};
use crate::stock::{built, put_new};
use crate::write::{SendError, TransactError, Twice, send};
use crate::{ADMINISTRATOR, Conflict, Page, PositionError, Store, StoreError, keys};
use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use simdock_domain::{Action, Currency, Money, Order, OrderNum, Timestamp};
use std::fmt;
use std::str::FromStr;

/// How many entries one request reads at most.
const READ: i32 = 100;
/// How many times one page reads at most, so that a currency that is rare does not read all there are.
const MOST_READS: u32 = 10;

/// Money that moved on a partner's balance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerEntry {
    /// What moved it, once: an order's payment or refund, or a credit.
    pub reference: String,
    /// When.
    pub at: Timestamp,
    /// How much; below zero is a debit.
    pub amount: Money,
    /// What a manager wrote about it.
    pub note: Option<String>,
    /// Who credited it; orders move money by themselves.
    pub by: Option<String>,
}

/// Why money moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LedgerKind {
    /// An order was paid.
    Payment,
    /// An order's money came back.
    Refund,
    /// Somebody credited the balance, or corrected it.
    Credit,
}

/// Money that somebody puts on a partner's balance, or takes off it.
#[derive(Clone, Debug)]
pub struct Credit<'a> {
    partner_id: &'a str,
    amount: Money,
    reference: &'a str,
    note: Option<&'a str>,
    by: &'a str,
}

/// What became of a credit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credited {
    /// The balance has it.
    Now,
    /// The reference moved money before: this.
    Before(LedgerEntry),
    /// The balance would be below zero.
    TooLow,
}

/// Which entries are asked for; the newest come first.
#[derive(Clone, Debug)]
pub struct LedgerQuery {
    /// Whose.
    pub partner_id: String,
    /// Only in this currency.
    pub currency: Option<Currency>,
    /// At most this many, 1 to 100.
    pub limit: usize,
    /// Where the page before ended.
    pub after: Option<LedgerPosition>,
}

/// A place behind an entry. As text it is what a client hands back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerPosition {
    /// The time as the table has it.
    at: String,
    reference: String,
}

impl LedgerEntry {
    /// An entry that nobody wrote anything about.
    pub fn new(reference: impl Into<String>, at: Timestamp, amount: Money) -> Self {
        Self { reference: reference.into(), at, amount, note: None, by: None }
    }

    /// The order that moved the money.
    pub fn order_num(&self) -> Option<OrderNum> {
        self.reference.split('#').next()?.parse().ok()
    }

    /// Why the money moved.
    pub fn kind(&self) -> LedgerKind {
        match self.order_num() {
            None => LedgerKind::Credit,
            Some(_) if self.reference.ends_with("#payment") => LedgerKind::Payment,
            Some(_) => LedgerKind::Refund,
        }
    }
}

impl LedgerKind {
    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Payment => "payment",
            Self::Refund => "refund",
            Self::Credit => "credit",
        }
    }
}

impl<'a> Credit<'a> {
    /// A credit by whoever has rights of the account; below zero it takes. It counts once for its reference.
    pub fn new(partner_id: &'a str, amount: Money, reference: &'a str) -> Self {
        Self { partner_id, amount, reference, note: None, by: ADMINISTRATOR }
    }

    /// The same by a manager, who says what for.
    #[must_use]
    pub fn by(self, manager: &'a str, note: &'a str) -> Self {
        Self { note: Some(note), by: manager, ..self }
    }
}

impl FromStr for LedgerPosition {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let (at, reference) = text.split_once('#').filter(|(_, reference)| !reference.is_empty()).ok_or(PositionError)?;
        whole_second(at).ok_or(PositionError)?;
        Ok(Self { at: at.to_owned(), reference: reference.to_owned() })
    }
}

impl fmt::Display for LedgerPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.at, self.reference)
    }
}

impl Store {
    /// Adds to a partner's balance, once per reference, and writes down who did.
    pub async fn credit(&self, credit: &Credit<'_>) -> Result<Credited, StoreError> {
        let Credit { partner_id, amount, reference, note, by } = *credit;
        let balance = Update::builder()
            .table_name(&self.tables.partners)
            .set_key(Some(keys::balance(partner_id, amount.currency)))
            .update_expression("ADD balance :amount")
            .expression_attribute_values(":amount", number(amount.amount));
        let balance = if amount.amount < 0 {
            let debit = number(amount.amount.unsigned_abs());
            balance.condition_expression("balance >= :debit").expression_attribute_values(":debit", debit)
        } else {
            balance
        };
        let mut entry = self.ledger_item(partner_id, reference, amount);
        entry.insert("by".to_owned(), text(by));
        entry.extend(note.map(|note| ("note".to_owned(), text(note))));
        let details = Some(note.map_or_else(|| amount.to_string(), |note| format!("{amount}: {note}")));
        let act = Act { by, action: Action::BalanceCredited, target: partner_id, details };
        let items = vec![
            TransactWriteItem::builder().update(built(balance.build())?).build(),
            put_new(&self.tables.partners, entry)?,
            self.audit_put(&act)?,
        ];
        match self.transact(items).await {
            Ok(()) => Ok(Credited::Now),
            Err(TransactError::Refused(places)) if !places.contains(&1) => Ok(Credited::TooLow),
            Err(TransactError::Refused(_)) => {
                let there = self.partner_item(keys::ledger_entry(partner_id, reference)).await?;
                let there = there.ok_or_else(|| StoreError::Busy("a ledger entry that was there has gone".to_owned()))?;
                entry_of(&there).map(Credited::Before)
            }
            Err(TransactError::Failed(error)) => Err(error),
        }
    }

    /// Gives money back to the balance that it came from, together with the order that says so, once per refund.
    pub async fn refund_to_balance(
        &self,
        next: &Order,
        refund_id: &str,
        amount: Money,
    ) -> Result<Result<(), Conflict>, StoreError> {
        let balance = Update::builder()
            .table_name(&self.tables.partners)
            .set_key(Some(keys::balance(&next.partner_id, amount.currency)))
            .update_expression("ADD balance :amount")
            .expression_attribute_values(":amount", number(amount.amount));
        let mut write = self.transaction();
        write.order(next)?;
        write.push(TransactWriteItem::builder().update(built(balance.build())?).build());
        write.push(self.ledger_put(&next.partner_id, &format!("{}#{refund_id}", next.num), amount)?);
        write.commit().await
    }

    /// The write of what an order moves, for the transaction that moves it: once per reference.
    pub(crate) fn ledger_put(&self, partner_id: &str, reference: &str, amount: Money) -> Result<TransactWriteItem, StoreError> {
        put_new(&self.tables.partners, self.ledger_item(partner_id, reference, amount))
    }

    /// What moves now. Its time is exact, so that what moves within one second stays in sequence.
    fn ledger_item(&self, partner_id: &str, reference: &str, amount: Money) -> Item {
        let (now, micros) = self.clock.now_exactly();
        // As engines write it back: one takes the same request for another by a zero at a number's end.
        let at = format!("{}.{micros:06}", now.unix());
        let mut item = keys::ledger_entry(partner_id, reference);
        item.insert("at".to_owned(), number(at.trim_end_matches('0').trim_end_matches('.')));
        item.insert("amount".to_owned(), number(amount.amount));
        item.insert("currency".to_owned(), text(amount.currency.as_str()));
        item
    }

    /// Everything that moved on a partner's balances, by reference.
    pub async fn ledger(&self, partner_id: &str) -> Result<Vec<LedgerEntry>, StoreError> {
        let items = self.query_all(&self.tables.partners, &keys::ledger(partner_id), None).await?;
        items.iter().map(entry_of).collect()
    }

    /// A page of what moved on a partner's balances, newest first. A page that is short of what was asked for, or empty, may still
    /// have a next one.
    pub async fn ledger_page(&self, query: &LedgerQuery) -> Result<Page<LedgerEntry, LedgerPosition>, StoreError> {
        let mut items: Vec<LedgerEntry> = Vec::with_capacity(query.limit);
        let mut after = query.after.clone();
        let mut start = after.as_ref().map(|after| {
            let mut key = keys::ledger_entry(&query.partner_id, &after.reference);
            key.insert("at".to_owned(), number(&after.at));
            key
        });
        let read = if query.currency.is_none() { i32::try_from(query.limit + 1).unwrap_or(READ) } else { READ };
        for _ in 0..MOST_READS {
            let call = self
                .client
                .query()
                .table_name(&self.tables.partners)
                .index_name("byTime")
                .scan_index_forward(false)
                .limit(read)
                .key_condition_expression("pk = :pk")
                .expression_attribute_values(":pk", text(keys::ledger(&query.partner_id)))
                .set_exclusive_start_key(start.clone());
            let answer = send(Twice::Harmless, || call.clone().send()).await.map_err(SendError::unconditional)?;
            for item in answer.items.unwrap_or_default() {
                let entry = entry_of(&item)?;
                if query.currency.is_none_or(|currency| currency == entry.amount.currency) {
                    if items.len() == query.limit {
                        return Ok(Page { items, next: after });
                    }
                    after = Some(behind(&item)?);
                    items.push(entry);
                } else if items.len() < query.limit {
                    after = Some(behind(&item)?);
                }
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(Page { items, next: None });
            }
        }
        Ok(Page { items, next: after })
    }
}

/// The whole second of an entry's time. Earlier versions wrote no more than that.
fn whole_second(at: &str) -> Option<Timestamp> {
    let (seconds, fraction) = at.split_once('.').unwrap_or((at, "0"));
    let digits = |text: &str, most| (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(seconds, 12) && digits(fraction, 6)).then(|| seconds.parse().ok().map(Timestamp::from_unix))?
}

fn time_of(item: &Item) -> Result<&str, StoreError> {
    let at = item.get("at").and_then(|at| at.as_n().ok());
    at.map(String::as_str).ok_or_else(|| StoreError::Broken("attribute at is not a number".to_owned()))
}

fn behind(item: &Item) -> Result<LedgerPosition, StoreError> {
    Ok(LedgerPosition { at: time_of(item)?.to_owned(), reference: text_of(item, "sk")?.to_owned() })
}

fn entry_of(item: &Item) -> Result<LedgerEntry, StoreError> {
    let optional = |name: &str| item.contains_key(name).then(|| text_of(item, name).map(str::to_owned)).transpose();
    Ok(LedgerEntry {
        reference: text_of(item, "sk")?.to_owned(),
        at: whole_second(time_of(item)?).ok_or_else(|| StoreError::Broken("attribute at is no time".to_owned()))?,
        amount: Money { amount: signed(item, "amount")?, currency: currency(item)? },
        note: optional("note")?,
        by: optional("by")?,
    })
}
