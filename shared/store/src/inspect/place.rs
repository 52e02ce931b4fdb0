//! Where items are: tables, and keys as people write them.

use crate::item::{Item, text, text_of};
use crate::keys;
use simdock_domain::{Currency, Iccid, OrderNum, PoolId};
use std::fmt;

/// A table whose items have to agree with those of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// Orders.
    Orders,
    /// Cards.
    Sims,
    /// Pools, their slots, and what waits to go back on sale.
    Pools,
    /// Subscriptions.
    Subscriptions,
    /// Partners, balances, ledgers, gifts, payments and API keys.
    Partners,
    /// Plans, and operators.
    Plans,
}

/// Where an item is: its table and its key, as people write them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub(super) table: Table,
    pub(super) key: String,
    /// Empty in tables without a sort key.
    pub(super) sort: String,
}

impl Table {
    /// Every one.
    pub const ALL: [Self; 6] = [Self::Orders, Self::Sims, Self::Pools, Self::Subscriptions, Self::Partners, Self::Plans];

    /// Its name within a stage.
    pub fn name(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Sims => "sims",
            Self::Pools => "pools",
            Self::Subscriptions => "subscriptions",
            Self::Partners => "partners",
            Self::Plans => "plans",
        }
    }

    fn key(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Orders => ("orderNum", None),
            Self::Sims => ("iccid", None),
            Self::Subscriptions => ("subscriptionId", None),
            Self::Pools | Self::Partners | Self::Plans => ("pk", Some("sk")),
        }
    }
}

impl Place {
    /// An order.
    pub fn order(num: &OrderNum) -> Self {
        Self::of(Table::Orders, &keys::order(num))
    }

    /// A card.
    pub fn sim(iccid: &Iccid) -> Self {
        Self::of(Table::Sims, &keys::sim(iccid))
    }

    /// A subscription.
    pub fn subscription(id: &str) -> Self {
        Self::of(Table::Subscriptions, &keys::subscription(id))
    }

    /// A pool in the registry.
    pub fn pool(pool: &PoolId) -> Self {
        Self::of(Table::Pools, &keys::pool(pool))
    }

    /// A pool's counter.
    pub fn counter(pool: &PoolId) -> Self {
        Self::of(Table::Pools, &keys::counter(pool))
    }

    /// A pool's tail.
    pub fn tail(pool: &PoolId) -> Self {
        Self::of(Table::Pools, &keys::tail(pool))
    }

    /// A pool's marks.
    pub fn marks(pool: &PoolId) -> Self {
        Self::of(Table::Pools, &keys::marks(pool))
    }

    /// A slot.
    pub fn slot(pool: &PoolId, slot: u64) -> Self {
        Self::of(Table::Pools, &keys::slot(pool, slot))
    }

    /// The mark of a card that waits to go back on sale.
    pub fn returned(pool: &PoolId, iccid: &Iccid) -> Self {
        Self::of(Table::Pools, &keys::returned(pool, iccid))
    }

    /// The claim of a code, by the profile that it downloads.
    pub fn code(profile_id: &str) -> Self {
        Self::of(Table::Pools, &keys::code(profile_id))
    }

    /// An import in the registry of those that are not finished.
    pub fn running_import(id: &str) -> Self {
        Self::of(Table::Pools, &keys::running_import(id))
    }

    /// An import.
    pub fn import(id: &str) -> Self {
        Self::of(Table::Pools, &keys::import(id))
    }

    /// A partner in the registry.
    pub fn registered_partner(id: &str) -> Self {
        Self::of(Table::Partners, &keys::partner_entry(id))
    }

    /// An API key in the registry, by its id.
    pub fn registered_key(id: &str) -> Self {
        Self::of(Table::Partners, &keys::key_entry(id))
    }

    /// An API key, by its partition.
    pub fn key_in(partition: &str) -> Self {
        Self::of(Table::Partners, &keys::api_key(partition))
    }

    /// The counter of managers' keys.
    pub fn managers() -> Self {
        Self::of(Table::Partners, &keys::managers())
    }

    /// A plan in the registry.
    pub fn plan(id: &str) -> Self {
        Self::of(Table::Plans, &keys::plan_entry(id))
    }

    /// An operator.
    pub fn operator(id: &str) -> Self {
        Self::of(Table::Plans, &keys::operator(id))
    }

    /// A version of a plan.
    pub fn plan_version(id: &str, version: u32) -> Self {
        Self::of(Table::Plans, &keys::plan_version(id, version))
    }

    /// A partner.
    pub fn partner(id: &str) -> Self {
        Self::of(Table::Partners, &keys::partner(id))
    }

    /// A balance.
    pub fn balance(partner_id: &str, currency: Currency) -> Self {
        Self::of(Table::Partners, &keys::balance(partner_id, currency))
    }

    /// An entry of a ledger.
    pub fn entry(partner_id: &str, reference: &str) -> Self {
        Self::of(Table::Partners, &keys::ledger_entry(partner_id, reference))
    }

    /// The record of a gift.
    pub fn gift(partner_id: &str, subscription: &str) -> Self {
        Self::of(Table::Partners, &keys::gift(partner_id, subscription))
    }

    /// The claim of a payment; `provider` is the provider's name.
    pub fn payment(provider: &str, payment_id: &str) -> Self {
        Self::of(Table::Partners, &keys::payment(provider, payment_id))
    }

    /// The pool, if this is its entry in the registry.
    pub fn registered_pool(&self) -> Option<PoolId> {
        let is_entry = self.table == Table::Pools && self.key == keys::POOLS;
        is_entry.then(|| PoolId::try_from(self.sort.clone()).ok()).flatten()
    }

    /// The pool, if this is of one: its entry in the registry, its counter, tail or marks, a slot, or the mark of a returned card.
    pub fn of_pool(&self) -> Option<PoolId> {
        let name = match self.key.split_once('#') {
            Some(("pool" | "return", name)) => name,
            Some(("slot", name)) => name.split_once('#')?.0,
            Some(_) | None => return self.registered_pool(),
        };
        PoolId::try_from(name.to_owned()).ok().filter(|_| self.table == Table::Pools)
    }

    /// The partner, if this is one of its balances or an entry of its ledger.
    pub fn of_ledger(&self) -> Option<&str> {
        let (kind, partner) = self.key.split_once('#').filter(|_| self.table == Table::Partners)?;
        let counts = kind == "ledger" || (kind == "partner" && self.sort.starts_with("balance#"));
        counts.then_some(partner)
    }

    /// The partner, if this is the record of a gift that it gave.
    pub fn of_gifts(&self) -> Option<&str> {
        self.key.strip_prefix("gift#").filter(|_| self.table == Table::Partners)
    }

    /// The table.
    pub fn table(&self) -> Table {
        self.table
    }

    /// The partition key.
    pub fn key(&self) -> &str {
        &self.key
    }

    pub(super) fn of(table: Table, item: &Item) -> Self {
        let part = |name: &str| text_of(item, name).unwrap_or_default().to_owned();
        let (key, sort) = table.key();
        Self { table, key: part(key), sort: sort.map(part).unwrap_or_default() }
    }

    pub(super) fn item(&self) -> Item {
        let (key, sort) = self.table.key();
        let key = std::iter::once((key, &self.key)).chain(sort.map(|sort| (sort, &self.sort)));
        key.map(|(name, value)| (name.to_owned(), text(value))).collect()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.table.name(), self.key)?;
        if self.sort.is_empty() { Ok(()) } else { write!(f, " / {}", self.sort) }
    }
}
