//! What items are, read from what is stored.

use super::{Place, Table};
use crate::codes::holder;
use crate::imports::Verdict;
use crate::item::{Item, from_item, number_of, text_of};
use crate::orders::order_item;
use crate::partners::{currency, signed};
use crate::stock::until;
use crate::subscriptions::subscription_item;
use crate::{ImportStatus, Key, Operator, Principal, Sim, StoreError, keys};
use simdock_domain::{Action, Iccid, Money, Order, OrderNum, Plan, PoolId, Subscription, Timestamp};
use std::collections::BTreeSet;

/// What an item is, as far as other items have to agree with it.
#[derive(Clone, Debug)]
pub enum Record {
    /// An order.
    Order(Box<Stored<Order>>),
    /// A card.
    Sim(Box<Sim>),
    /// A subscription.
    Subscription(Box<Stored<Subscription>>),
    /// A pool in the registry.
    Pool {
        /// Which.
        pool: PoolId,
    },
    /// The counter of a pool.
    Counter {
        /// Whose.
        pool: PoolId,
        /// Tickets left.
        available: u64,
        /// Tickets ever drawn.
        head: u64,
        /// Slots ever put on sale.
        published: u64,
    },
    /// The tail of a pool.
    Tail {
        /// Whose.
        pool: PoolId,
        /// Slots ever filled.
        tail: u64,
    },
    /// How far the sweep has looked for leaked tickets.
    Marks {
        /// Whose.
        pool: PoolId,
        /// Slots below are swept.
        low: u64,
        /// The head at the last sweep.
        seen: u64,
        /// Slots from `low` on that were taken away.
        dead: u64,
    },
    /// A slot of a pool.
    Slot {
        /// Whose.
        pool: PoolId,
        /// Its number.
        slot: u64,
        /// The card that was put there.
        iccid: Iccid,
        /// Its last day to install, by which a draw goes.
        until: Option<Timestamp>,
    },
    /// A card that waits to go back on sale.
    Returned {
        /// Which.
        iccid: Iccid,
    },
    /// Which card claimed a code.
    Code {
        /// The profile that the code downloads.
        profile: String,
        /// The card.
        iccid: Iccid,
    },
    /// An import in the registry of those that are not finished.
    RunningImport {
        /// Which.
        import: String,
    },
    /// An import.
    Import {
        /// Which.
        import: String,
        /// The partition of its parts.
        parts: String,
        /// Whether cards are still going into stock.
        is_running: bool,
    },
    /// Cards of an import that are not in stock yet.
    Chunk {
        /// Which import's.
        import: String,
        /// The partition that it is in.
        parts: String,
    },
    /// A partner in the registry.
    RegisteredPartner {
        /// Which.
        partner_id: String,
    },
    /// A partner.
    Partner {
        /// Which.
        partner_id: String,
        /// How many complimentary orders it made.
        gifts: u64,
    },
    /// An API key in the registry.
    RegisteredKey {
        /// The id that follows from the partition.
        id: String,
        /// The partition of the key.
        key: String,
    },
    /// An API key.
    Key {
        /// Its id in the registry.
        id: String,
        /// Whether it is a manager's and has no end.
        is_lasting: bool,
        /// Whom it speaks for, as the audit log names them.
        holder: String,
        /// The partner, if it speaks for one.
        partner_id: Option<String>,
    },
    /// That a key was made, in the audit log.
    KeyMade {
        /// The key's id.
        id: String,
        /// Whom it spoke for then.
        holder: String,
    },
    /// The counter of managers' keys.
    Managers {
        /// Keys in the registry that are a manager's and have no end.
        lasting: u64,
    },
    /// A partner's balance.
    Balance {
        /// Whose.
        partner_id: String,
        /// How much there is.
        balance: Money,
    },
    /// An entry of a ledger.
    Entry {
        /// Whose.
        partner_id: String,
        /// What moved the money.
        reference: String,
        /// How much; below zero is a debit.
        amount: Money,
    },
    /// That a subscription's gift was given.
    Gift {
        /// By whom.
        partner_id: String,
        /// What entitled to it.
        subscription: String,
        /// The complimentary order.
        order_num: OrderNum,
    },
    /// An operator.
    Operator {
        /// Whether it is asked to activate its cards, and may give them their codes.
        takes_requests: bool,
    },
    /// The order that a provider's payment belongs to.
    Payment {
        /// The provider's name.
        provider: String,
        /// The provider's id of the payment.
        payment_id: String,
        /// The order.
        order_num: OrderNum,
    },
    /// A plan in the registry.
    Plan {
        /// Which.
        plan_id: String,
        /// The version that is on sale.
        version: u32,
    },
    /// A version of a plan.
    PlanVersion(Box<Plan>),
    /// An item that nothing has to agree with.
    Other,
}

/// A record, and how its item differs from what the store would write.
#[derive(Clone, Debug)]
pub struct Stored<T> {
    /// The record.
    pub record: T,
    /// When the sweep looks at it, as its index says.
    pub due_at: Option<Timestamp>,
    /// Attributes that are missing, too many or other than follows from the record; `dueAt` aside, which may be put off.
    pub astray: Vec<String>,
    /// Those among them that say for good whose the record is and of when, and say it otherwise.
    pub otherwise: Vec<String>,
}

/// An item, read; or why it cannot be.
#[derive(Clone, Debug)]
pub struct Inspected {
    /// Where it is.
    pub place: Place,
    /// What it is.
    pub record: Result<Record, String>,
}

impl Inspected {
    /// An item of a table in DynamoDB's own JSON, as in an export of the table.
    pub fn from_json(table: Table, item: serde_json::Value) -> Result<Self, StoreError> {
        let item: serde_dynamo::Item = serde_json::from_value(item)?;
        Ok(Self::from_item(table, item.into()))
    }

    pub(super) fn from_item(table: Table, item: Item) -> Self {
        let place = Place::of(table, &item);
        let record = record(&place, item).map_err(|error| error.to_string());
        Self { place, record }
    }
}

fn record(place: &Place, item: Item) -> Result<Record, StoreError> {
    let broken = |what: &str| StoreError::Broken(format!("a record cannot be read: {what}"));
    let pool = |name: &str| PoolId::try_from(name.to_owned()).map_err(|why| broken(&why));
    let order_num = |item: &Item| text_of(item, "orderNum")?.parse::<OrderNum>().map_err(|_| broken("orderNum"));
    // What goes by the item would go by another.
    let own = |named: Place| if named == *place { Ok(()) } else { Err(broken(&format!("it says that it is {named}"))) };
    let (kind, name) = place.key.split_once('#').unwrap_or((&place.key, ""));
    Ok(match (place.table, kind, place.sort.as_str()) {
        (Table::Orders, ..) => {
            let record: Order = from_item(item.clone())?;
            let expected = order_item(&record)?;
            Record::Order(Box::new(stored(record, &item, &expected)?))
        }
        (Table::Sims, ..) => Record::Sim(Box::new(from_item(item)?)),
        (Table::Subscriptions, ..) => {
            let record: Subscription = from_item(item.clone())?;
            let expected = subscription_item(&record)?;
            Record::Subscription(Box::new(stored(record, &item, &expected)?))
        }
        (Table::Pools, keys::POOLS, id) => Record::Pool { pool: PoolId::try_from(id.to_owned()).map_err(|why| broken(&why))? },
        (Table::Pools, "pool", "counter") => Record::Counter {
            pool: pool(name)?,
            available: number_of(&item, "available")?,
            head: number_of(&item, "head")?,
            published: number_of(&item, "published")?,
        },
        (Table::Pools, "pool", "tail") => Record::Tail { pool: pool(name)?, tail: number_of(&item, "tail")? },
        (Table::Pools, "pool", "marks") => Record::Marks {
            pool: pool(name)?,
            low: number_of(&item, "low")?,
            seen: number_of(&item, "seen")?,
            dead: number_of(&item, "dead")?,
        },
        (Table::Pools, "slot", slot) => Record::Slot {
            pool: pool(name.split_once('#').unwrap_or_default().0)?,
            slot: slot.parse().map_err(|_| broken("the slot's number"))?,
            iccid: text_of(&item, "iccid")?.parse().map_err(|_| broken("iccid"))?,
            until: until(&item)?,
        },
        (Table::Pools, "return", iccid) => Record::Returned { iccid: iccid.parse().map_err(|_| broken("iccid"))? },
        (Table::Pools, "code", _) => Record::Code { profile: name.to_owned(), iccid: holder(&item)? },
        (Table::Pools, keys::RUNNING_IMPORTS, id) => Record::RunningImport { import: id.to_owned() },
        (Table::Pools, "import", keys::VERDICT) => {
            let Verdict { status, parts, .. } = from_item(item)?;
            Record::Import { import: name.to_owned(), parts, is_running: status == ImportStatus::Running }
        }
        (Table::Pools, "import", sort) if sort.starts_with("chunk#") => {
            let import = name.split_once('#').unwrap_or_default().0.to_owned();
            Record::Chunk { import, parts: place.key.clone() }
        }
        (Table::Partners, keys::PARTNERS, id) => Record::RegisteredPartner { partner_id: id.to_owned() },
        (Table::Partners, keys::KEYS, _) => {
            let key = text_of(&item, "key")?.to_owned();
            Record::RegisteredKey { id: keys::key_id(&key), key }
        }
        (Table::Partners, "key", "key") => {
            let key: Key = from_item(item)?;
            let is_lasting = key.principal.is_manager() && key.ends_at.is_none();
            let partner_id = match &key.principal {
                Principal::Partner { partner_id } => Some(partner_id.clone()),
                Principal::Manager { .. } => None,
            };
            Record::Key { id: keys::key_id(&place.key), is_lasting, holder: key.holder(), partner_id }
        }
        (Table::Partners, "audit", _) if text_of(&item, "action")? == Action::KeyCreated.name() => {
            Record::KeyMade { id: text_of(&item, "target")?.to_owned(), holder: text_of(&item, "details")?.to_owned() }
        }
        (Table::Partners, "managers", _) => Record::Managers { lasting: number_of(&item, "lasting")? },
        (Table::Plans, keys::PLANS, id) => {
            let version = u32::try_from(number_of(&item, "version")?).map_err(|_| broken("version"))?;
            Record::Plan { plan_id: id.to_owned(), version }
        }
        (Table::Plans, "plan", _) => {
            let plan: Box<Plan> = from_item(item)?;
            own(Place::plan_version(&plan.plan_id, plan.version))?;
            Record::PlanVersion(plan)
        }
        (Table::Plans, "operator", _) => {
            let operator: Operator = from_item(item)?;
            own(Place::operator(&operator.operator_id))?;
            Record::Operator { takes_requests: operator.takes_requests() }
        }
        (Table::Partners, "partner", "partner") => {
            own(Place::partner(text_of(&item, "partnerId")?))?;
            Record::Partner { partner_id: name.to_owned(), gifts: number_of(&item, "gifts")? }
        }
        (Table::Partners, "partner", sort) if sort.starts_with("balance#") => {
            let currency = sort.trim_start_matches("balance#").parse().map_err(|_| broken("the balance's currency"))?;
            let balance = Money { amount: signed(&item, "balance")?, currency };
            Record::Balance { partner_id: name.to_owned(), balance }
        }
        (Table::Partners, keys::WATCHED, _) => {
            currency(&item)?;
            signed(&item, "alarmLevel")?;
            Record::Other
        }
        (Table::Partners, "ledger", reference) => {
            let amount = Money { amount: signed(&item, "amount")?, currency: currency(&item)? };
            Record::Entry { partner_id: name.to_owned(), reference: reference.to_owned(), amount }
        }
        (Table::Partners, "gift", subscription) => {
            Record::Gift { partner_id: name.to_owned(), subscription: subscription.to_owned(), order_num: order_num(&item)? }
        }
        (Table::Partners, "payment", "payment") => {
            let (provider, payment_id) = name.split_once('#').unwrap_or_default();
            let (provider, payment_id) = (provider.to_owned(), payment_id.to_owned());
            Record::Payment { provider, payment_id, order_num: order_num(&item)? }
        }
        (Table::Pools | Table::Partners | Table::Plans, ..) => Record::Other,
    })
}

/// What an order repeats of itself for its indexes, and writes together with what it repeats.
const LASTING: [&str; 6] = ["day", "listKey", "mail", "mailKey", "tag", "subscription"];

fn stored<T>(record: T, item: &Item, expected: &Item) -> Result<Stored<T>, StoreError> {
    let names: BTreeSet<&String> = item.keys().chain(expected.keys()).filter(|name| *name != "dueAt").collect();
    // Whether it is in the index at all is seen from `dueAt`.
    let in_index = |item: &Item| item.contains_key("dueAt");
    let other = |name: &&String| *name != "dueShard" || (in_index(item) && in_index(expected));
    let astray: Vec<String> =
        names.into_iter().filter(|name| item.get(*name) != expected.get(*name)).filter(other).cloned().collect();
    let both = |name: &&String| LASTING.contains(&name.as_str()) && item.contains_key(*name) && expected.contains_key(*name);
    let otherwise = astray.iter().filter(both).cloned().collect();
    let due_at = item.contains_key("dueAt").then(|| signed(item, "dueAt")).transpose()?.map(Timestamp::from_unix);
    Ok(Stored { record, due_at, astray, otherwise })
}
