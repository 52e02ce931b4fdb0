//! What the console reads of the API's answers, under the API's names.

#![allow(clippy::struct_field_names, reason = "the API's")]

use crate::words::of_lines;
use serde::{Deserialize, Deserializer};
use simdock_domain::Money;

/// Why something is not possible, in the words of the desk.
fn said<'a, D: Deserializer<'a>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.map(|said| of_lines(&said)))
}

/// A page of a list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where the next one begins.
    #[serde(default)]
    pub next_cursor: Option<String>,
}

/// What waits for a manager.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    /// Orders.
    pub total: u64,
    /// Whether there are more than were counted.
    #[serde(default)]
    pub more: bool,
}

/// An order, in a list or whole.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    pub order_num: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub status: i8,
    pub status_name: String,
    pub fulfilment: String,
    pub partner_id: String,
    pub plan_id: String,
    pub plan_version: u32,
    pub display: String,
    #[serde(default)]
    pub add_ons: Vec<OrderedAddOn>,
    pub count: usize,
    pub price: Money,
    pub payment: String,
    pub channel: String,
    pub subscriber: Subscriber,
    pub line_name: Option<String>,
    pub other_order_id: Option<String>,
    pub other_item_id: Option<String>,
    pub form_factor: String,
    /// Where the cards of new lines come from, the cheapest first.
    #[serde(default)]
    pub profiles: Vec<ProfileName>,
    pub subscription_id: Option<String>,
    pub main_order_num: Option<String>,
    #[serde(default)]
    pub renew_order_num: Vec<String>,
    pub shipment: Option<Shipment>,
    pub note: Option<String>,
    pub created_at: String,
    pub pay_until: String,
    pub void_reason: Option<String>,
    #[serde(default)]
    pub payments: Vec<Payment>,
    #[serde(default)]
    pub refunds: Vec<Refund>,
    #[serde(default)]
    pub owed: Vec<Money>,
    #[serde(default)]
    pub cards: Vec<Card>,
    #[serde(default)]
    pub iccids: Vec<String>,
    #[serde(default)]
    pub emails: Vec<Email>,
    #[serde(default)]
    pub needs_attention: Vec<Attention>,
    #[serde(default)]
    pub history: Vec<Entry>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProfileName {
    pub operator: String,
    pub imsi_profile: String,
}

/// The data package of a card.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Package {
    pub data_mb: Option<u64>,
    pub days: u32,
    pub add_ons: Vec<OrderedAddOn>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderedAddOn {
    pub display: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscriber {
    pub email: String,
    pub name: String,
    pub language: String,
    pub postal_address: Option<Address>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Address {
    pub lines: Vec<String>,
    pub city: String,
    pub region: Option<String>,
    pub postal_code: Option<String>,
    pub country: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shipment {
    pub shipped_at: String,
    pub carrier: String,
    pub number: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    pub payment_id: String,
    pub provider: String,
    pub received: Money,
    pub received_at: String,
    pub outcome: String,
    pub reason: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refund {
    pub refund_id: String,
    pub amount: Money,
    pub reason: String,
    pub status: String,
    pub iccid: Option<String>,
    pub provider_refund_id: Option<String>,
    pub created_at: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Email {
    pub kind: String,
    pub status: String,
    pub attempts: u32,
    pub sent_at: Option<String>,
    pub event: Option<String>,
    pub event_at: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Attention {
    pub code: String,
    pub detail: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Entry {
    pub at: String,
    pub event: String,
    pub by: String,
    /// Who of the managers, where it was one.
    pub manager: Option<String>,
    pub note: Option<String>,
}

/// A card of an order.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Card {
    pub iccid: String,
    pub subscription_id: Option<String>,
    pub mobile_number: Option<String>,
    pub sm_dp_address: Option<String>,
    pub activation_code: Option<String>,
    pub code: Option<String>,
    pub install_urls: Option<InstallUrls>,
    pub activate_before: Option<String>,
    pub operator: String,
    pub imsi_profile: String,
    pub package: Option<Package>,
    pub used_mb: u64,
    pub start_date: Option<String>,
    pub end_date: Option<String>,
    pub apn: String,
    pub eid: Option<String>,
    pub status: String,
    pub refundable: Refundable,
}

#[derive(Clone, Debug, Deserialize)]
pub struct InstallUrls {
    pub ios: String,
    pub android: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Refundable {
    pub eligible: String,
    #[serde(default, deserialize_with = "said")]
    pub reason: Option<String>,
    pub amount: Option<Money>,
}

/// Whether something can be done now, and why not.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Action {
    pub action: String,
    pub allowed: bool,
    #[serde(default, deserialize_with = "said")]
    pub reason: Option<String>,
    #[serde(default)]
    pub plan_ids: Vec<String>,
    /// Of an order's action that is about any of its lines: the lines with which it can be done.
    #[serde(default)]
    pub subscription_ids: Vec<String>,
}

/// A plan as it is sold.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    pub plan_id: String,
    pub version: u32,
    pub display: String,
    pub price: Money,
    pub data_mb: Option<u64>,
    pub days: u32,
    pub flow_type: u8,
    pub refund_policy: serde_json::Value,
    pub form_factors: Vec<String>,
    pub imsi_profiles: Vec<String>,
    pub apn: String,
    pub countries: Vec<String>,
    #[serde(default)]
    pub add_ons: Vec<AddOn>,
    #[serde(default)]
    pub sim_type: Option<String>,
    pub withdrawn: bool,
    /// Of a plan in full only, like all that follows.
    #[serde(default)]
    pub profiles: Vec<Profile>,
    #[serde(default)]
    pub partners: Vec<String>,
    #[serde(default)]
    pub complimentary_with: Vec<String>,
    #[serde(default)]
    pub swap_price: Option<Money>,
    #[serde(default)]
    pub pauses_when_suspended: bool,
    #[serde(default)]
    pub versions: Vec<u32>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AddOn {
    pub add_on_id: String,
    pub display: String,
    pub kind: String,
    pub price: Money,
    pub amount: u32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    pub operator: String,
    pub imsi_profile: String,
    pub cost: i64,
}

/// A subscription: what the desk calls a line.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    pub subscription_id: String,
    pub partner_id: String,
    pub order_num: String,
    pub iccid: String,
    pub mobile_number: Option<String>,
    pub eid: Option<String>,
    pub operator: String,
    pub imsi_profile: String,
    pub form_factor: String,
    pub status: String,
    pub in_session: String,
    #[serde(default)]
    pub plans: Vec<PlanRun>,
    #[serde(default)]
    pub past_cards: Vec<PastCard>,
    pub open_change: Option<OpenChange>,
    #[serde(default)]
    pub order_nums: Vec<String>,
    pub created_at: String,
    pub ended_at: Option<String>,
    pub end_reason: Option<String>,
    /// In a subscriber's list only.
    #[serde(default)]
    pub line_name: Option<String>,
    #[serde(default)]
    pub display: Option<String>,
    /// Who had its card suspended and resumed, and what the carrier said.
    #[serde(default)]
    pub service_history: Vec<Entry>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanRun {
    pub order_num: String,
    pub plan_id: String,
    pub plan_version: u32,
    pub flow_type: u8,
    pub status: String,
    pub reason: Option<String>,
    pub start_date: Option<String>,
    pub end_date: Option<String>,
    pub data_mb: Option<u64>,
    pub used_mb: u64,
    #[serde(default)]
    pub add_on_ids: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PastCard {
    pub iccid: String,
    pub until: String,
    pub order_num: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenChange {
    pub kind: String,
    pub order_num: String,
    pub new_iccid: Option<String>,
}

/// A card in its own right.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sim {
    pub iccid: String,
    pub status: String,
    pub pool_id: String,
    pub operator: String,
    pub imsi_profile: String,
    pub form_factor: String,
    pub mobile_number: Option<String>,
    pub eid: Option<String>,
    pub profile: ProfileState,
    pub in_session: String,
    pub order_num: Option<String>,
    pub subscription_id: Option<String>,
    pub activate_before: Option<String>,
    #[serde(default)]
    pub sim_type: Option<String>,
    #[serde(default)]
    pub plan: Option<String>,
    #[serde(default)]
    pub partner_id: Option<String>,
    #[serde(default)]
    pub end_user: Option<String>,
    #[serde(default)]
    pub data_left_mb: Option<i64>,
    pub unlimited_data: bool,
    #[serde(default)]
    pub days_left: Option<i64>,
    #[serde(default)]
    pub month_mb: u64,
    #[serde(default)]
    pub note: Option<String>,
    #[serde(default)]
    pub labels: Vec<String>,
    #[serde(default)]
    pub rules: Rules,
    /// Of a card by its number only: whether it can be archived and restored.
    #[serde(default)]
    pub actions: Vec<Action>,
    pub edition: u64,
    pub suspendable: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rules {
    #[serde(default)]
    pub suspend_at_month_mb: Option<u64>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProfileState {
    pub state: Option<String>,
    pub since: Option<String>,
    pub installed_at: Option<String>,
    pub via: Option<String>,
}

/// How much a pool holds.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Level {
    pub pool_id: String,
    pub operator: String,
    pub imsi_profile: String,
    pub form_factor: String,
    pub available: u64,
    pub added: u64,
    pub drawn: u64,
    pub alarm_level: u64,
    pub low: bool,
    /// Of a pool in full only.
    #[serde(default)]
    pub history: Vec<DayLevel>,
}

impl Level {
    /// Cards that came in and are neither for sale nor drawn: set aside, with their place in the queue still to come.
    pub fn set_aside(&self) -> u64 {
        self.added.saturating_sub(self.drawn).saturating_sub(self.available)
    }
}

#[derive(Clone, Debug, Deserialize)]
pub struct DayLevel {
    pub day: String,
    pub available: u64,
    pub added: u64,
    pub drawn: u64,
}

impl DayLevel {
    /// How many more cards were set aside when this day ended than when the one before it did; unknown for the first of a pool
    /// that had cards before its days were noted.
    pub fn set_aside(&self, before: Option<&Self>) -> Option<i64> {
        let begun = before.map_or(0, |before| before.available);
        let more = (begun + self.added).cast_signed() - (self.drawn + self.available).cast_signed();
        (before.is_some() || more >= 0).then_some(more)
    }
}

/// An import, or what one would be.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Import {
    #[serde(default)]
    pub import_id: Option<String>,
    pub status: String,
    pub lines: usize,
    pub accepted: usize,
    pub rejected: usize,
    #[serde(default)]
    pub added: usize,
    #[serde(default)]
    pub errors: Vec<LineError>,
    #[serde(default)]
    pub by: Option<String>,
    #[serde(default)]
    pub created_at: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct LineError {
    pub line: usize,
    pub iccid: Option<String>,
    pub reason: String,
}

/// A partner.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Partner {
    pub partner_id: String,
    pub display: String,
    #[serde(default)]
    pub gift_quota: u32,
    #[serde(default)]
    pub gifts: u32,
    #[serde(default)]
    pub balances: Vec<Balance>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Balance {
    pub currency: String,
    pub amount: i64,
    pub alarm_level: i64,
    pub low: bool,
}

/// What came of a booking on a balance.
#[derive(Clone, Debug, Deserialize)]
pub struct Booked {
    pub balance: Money,
}

/// What moved on a balance.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerEntry {
    pub reference: String,
    pub at: String,
    pub amount: Money,
    pub kind: String,
    #[serde(default)]
    pub order_num: Option<String>,
    #[serde(default)]
    pub note: Option<String>,
    #[serde(default)]
    pub by: Option<String>,
}

/// A key of the API.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    pub key_id: String,
    #[serde(default)]
    pub name: Option<String>,
    pub created_at: String,
    #[serde(default)]
    pub ends_at: Option<String>,
    pub status: String,
    #[serde(default)]
    pub created_by: Option<String>,
    /// The key itself, in the answer that made it and never again.
    #[serde(default)]
    pub key: Option<String>,
}

/// Who changed what.
#[derive(Clone, Debug, Deserialize)]
pub struct Audit {
    pub at: String,
    pub by: String,
    pub action: String,
    pub target: String,
    #[serde(default)]
    pub details: Option<String>,
}
