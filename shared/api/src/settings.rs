//! What managers read of partners, keys, money and the log, and of plans and stock in full.

use crate::{InventoryView, PlanView};
use serde::Serialize;
use simdock_domain::{Currency, Money, Plan, ProfileCost, Timestamp};
use simdock_store::{
    Account, AuditEntry, Balance, ImportStatus, ImportSummary, LedgerEntry, Level, Partner, PoolDay, Principal, StoredKey,
};

/// A partner with its balances, as the API shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PartnerView {
    partner_id: String,
    display: String,
    gift_quota: u32,
    gifts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    balances: Option<Vec<BalanceView>>,
}

/// A balance; amounts are in minor units.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BalanceView {
    currency: Currency,
    amount: i64,
    alarm_level: i64,
    low: bool,
}

impl From<Account> for PartnerView {
    fn from(Account { partner, balances }: Account) -> Self {
        let balances = balances.into_iter().map(BalanceView::from).collect();
        Self { balances: Some(balances), ..Self::from(partner) }
    }
}

impl From<Partner> for PartnerView {
    fn from(Partner { partner_id, display, gift_quota, gifts }: Partner) -> Self {
        Self { partner_id, display, gift_quota, gifts, balances: None }
    }
}

impl From<Balance> for BalanceView {
    fn from(balance: Balance) -> Self {
        Self {
            currency: balance.amount.currency,
            amount: balance.amount.amount,
            alarm_level: balance.alarm_level,
            low: balance.is_low(),
        }
    }
}

/// An entry of a ledger, as the API shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerEntryView {
    reference: String,
    at: String,
    amount: Money,
    kind: &'static str,
    order_num: Option<String>,
    note: Option<String>,
    by: Option<String>,
}

impl LedgerEntryView {
    /// An entry. Managers' names are for managers.
    pub fn new(entry: LedgerEntry, reader: &Principal) -> Self {
        Self {
            at: entry.at.to_string(),
            amount: entry.amount,
            kind: entry.kind().name(),
            order_num: entry.order_num().map(|num| num.to_string()),
            reference: entry.reference,
            note: entry.note,
            by: entry.by.filter(|_| reader.is_manager()),
        }
    }
}

/// What a credit came to.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreditView {
    /// Names it in the ledger.
    pub reference: String,
    /// What the partner has then.
    pub balance: Money,
}

/// An API key, as the API shows it; the key itself only when it was just made.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyView {
    key_id: String,
    role: &'static str,
    partner_id: Option<String>,
    name: Option<String>,
    created_at: String,
    ends_at: Option<String>,
    status: &'static str,
    created_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

impl KeyView {
    /// A key as it stands now; `secret` is the key itself.
    pub fn new(StoredKey { id, key }: StoredKey, secret: Option<String>, now: Timestamp) -> Self {
        let status = match key.ends_at {
            None => "good",
            Some(_) if key.is_good(now) => "ending",
            Some(_) => "ended",
        };
        let (role, partner_id, name) = match key.principal {
            Principal::Partner { partner_id } => ("partner", Some(partner_id), key.label),
            Principal::Manager { name } => ("manager", None, Some(name)),
        };
        Self {
            key_id: id,
            role,
            partner_id,
            name,
            created_at: key.created_at.to_string(),
            ends_at: key.ends_at.map(|at| at.to_string()),
            status,
            created_by: key.created_by,
            key: secret,
        }
    }
}

/// An entry of the audit log, as the API shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEntryView {
    at: String,
    by: String,
    action: String,
    target: String,
    details: Option<String>,
}

impl From<AuditEntry> for AuditEntryView {
    fn from(entry: AuditEntry) -> Self {
        let AuditEntry { at, by, action, target, details } = entry;
        Self { at: at.to_string(), by, action, target, details }
    }
}

/// A version of a plan in full, with what it costs the seller.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanDetailsView {
    #[serde(flatten)]
    plan: PlanView,
    profiles: Vec<ProfileCost>,
    partners: Vec<String>,
    complimentary_with: Vec<String>,
    swap_price: Option<Money>,
    pauses_when_suspended: bool,
    versions: Vec<u32>,
}

impl PlanDetailsView {
    /// A version of a plan whose latest is `latest`.
    pub fn new(plan: &Plan, latest: u32) -> Self {
        Self {
            plan: plan.into(),
            profiles: plan.profiles.clone(),
            partners: plan.partners.clone(),
            complimentary_with: plan.complimentary_with.clone(),
            swap_price: plan.swap_price,
            pauses_when_suspended: plan.pauses_when_suspended,
            versions: (1..=latest).collect(),
        }
    }
}

/// A pool's level with its history.
#[derive(Debug, Serialize)]
pub struct PoolDetailsView {
    #[serde(flatten)]
    level: InventoryView,
    history: Vec<PoolDayView>,
}

/// A day of a pool's history.
#[derive(Debug, Serialize)]
pub struct PoolDayView {
    day: String,
    available: u64,
    added: u64,
    drawn: u64,
}

impl PoolDetailsView {
    /// A level, and the days on which it changed.
    pub fn new(level: Level, history: Vec<PoolDay>) -> Self {
        let day = |PoolDay { day, available, added, drawn }| PoolDayView { day, available, added, drawn };
        Self { level: level.into(), history: history.into_iter().map(day).collect() }
    }
}

/// An import in a list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportEntryView {
    import_id: String,
    status: &'static str,
    lines: usize,
    accepted: usize,
    rejected: usize,
    added: usize,
    by: Option<String>,
    created_at: String,
}

impl From<ImportSummary> for ImportEntryView {
    fn from(import: ImportSummary) -> Self {
        Self {
            import_id: import.id,
            status: match import.status {
                ImportStatus::Running => "running",
                ImportStatus::Done => "done",
            },
            lines: import.lines,
            accepted: import.accepted,
            rejected: import.rejected,
            added: import.added,
            by: import.by,
            created_at: import.created_at.to_string(),
        }
    }
}
