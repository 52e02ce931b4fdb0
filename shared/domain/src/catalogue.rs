//! What can be sold: plans, their immutable versions, the IMSI profiles that carry them, and add-ons.

use crate::Money;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A version of a plan. Once written it never changes, so an order needs to keep no more than its id and version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Names the plan over all its versions.
    pub plan_id: String,
    /// Counts from 1.
    pub version: u32,
    /// The name that subscribers read.
    pub display: String,
    /// What one card with this plan costs, in minor units.
    pub price: Money,
    /// The data allowance in MB; `None` is unlimited.
    pub data_mb: Option<u64>,
    /// How long the plan runs from its start, in days of 24 hours.
    pub days: u32,
    /// Whether the plan can be renewed.
    pub flow_type: FlowType,
    /// How its use is paid for.
    #[serde(default)]
    pub sim_type: SimType,
    /// When money is given back.
    pub refund_policy: RefundPolicy,
    /// The cards that the plan can be sold on.
    pub form_factors: Vec<FormFactor>,
    /// The IMSI profiles that carry the plan, and what each costs the seller.
    pub profiles: Vec<ProfileCost>,
    /// The access point name that the phone may have to be told.
    pub apn: String,
    /// Where the plan works: ISO 3166-1 alpha-2 codes.
    pub countries: Vec<String>,
    /// What can be added to the plan.
    #[serde(default)]
    pub add_ons: Vec<AddOn>,
    /// Whether the plan's time stands still while its subscription is suspended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pauses_when_suspended: bool,
    /// What another SIM costs while this plan is the newest on the subscription, in minor units; absent is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swap_price: Option<Money>,
    /// The plans that entitle their subscriber to one of these as a gift; empty means that it is never given away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub complimentary_with: Vec<String>,
    /// The partners that may sell it; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partners: Vec<String>,
    /// Whether it is sold no more, by anybody: neither ordered nor added nor renewed. What was sold of it goes on, with its add-ons and
    /// SIM swaps.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub withdrawn: bool,
}

/// Whether a plan can be renewed; the numbers are the wire's (`flowType` of the order seed).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
pub enum FlowType {
    /// 0: a renewal order can follow.
    Renewable,
    /// 1: sold once.
    OneOff,
}

/// How the use of a plan is paid for (SIM seed, "SIM type"). It is what people are told; what is charged is the plan's price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SimType {
    /// Beforehand.
    #[default]
    Prepaid,
    /// By a bill at the end of each month.
    Subscription,
    /// By the megabyte, as it is used.
    Paygo,
}

/// When money is given back for a card that works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RefundPolicy {
    /// Until the plan is activated on a device.
    UntilActivation,
    /// Within this many days of 24 hours after the purchase, and not activated.
    WithinDays {
        /// The days.
        days: u32,
    },
    /// Never.
    None,
}

/// What a subscriber holds in hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FormFactor {
    /// A profile that is downloaded into an eUICC (SGP.22).
    #[default]
    Esim,
    /// A card that is shipped.
    Physical,
}

/// An IMSI profile that carries a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProfileCost {
    /// The operator that issues the cards.
    pub operator: String,
    /// The operator's name for the set of networks that the card can use.
    pub imsi_profile: String,
    /// What the plan costs the seller on this profile, in minor units of the plan's currency.
    pub cost: i64,
}

/// Something bought together with a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AddOn {
    /// Names it within the plan's version.
    pub add_on_id: String,
    /// The name that subscribers read.
    pub display: String,
    /// Data or a type of voice.
    pub kind: AddOnKind,
    /// What it costs per card, in minor units.
    pub price: Money,
    /// How much of it: MB of data, minutes of voice.
    pub amount: u32,
}

/// The kinds of add-on that the limits are counted by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum AddOnKind {
    /// More data.
    Data,
    /// Voice of a type such as `local` or `international`.
    Voice(String),
}

/// The most data add-ons that one order takes (order seed, "Types of Orders").
pub const MAX_DATA_ADD_ONS: usize = 15;

/// Where cards that can replace each other wait to be sold: one operator, IMSI profile and form factor.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct PoolId {
    /// The operator that issued the cards.
    pub operator: String,
    /// Their IMSI profile.
    pub imsi_profile: String,
    /// What they are.
    pub form_factor: FormFactor,
}

/// Why add-ons cannot go with a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddOnError {
    /// The plan's version has no such add-on.
    Unknown(String),
    /// More than [`MAX_DATA_ADD_ONS`].
    TooMuchData,
    /// A second voice add-on of this type.
    VoiceTwice(String),
}

wire_names!(SimType { Prepaid => "prepaid", Subscription => "subscription", Paygo => "paygo", });

impl Plan {
    /// Whether this partner may sell the plan.
    pub fn sold_by(&self, partner_id: &str) -> bool {
        !self.withdrawn && (self.partners.is_empty() || self.partners.iter().any(|partner| partner == partner_id))
    }

    /// The add-ons by id, once per time that it is named, within the limits of the order seed: at most 15 data add-ons and
    /// one voice add-on of each type.
    pub fn pick_add_ons(&self, ids: &[String]) -> Result<Vec<&AddOn>, AddOnError> {
        let mut picked: Vec<&AddOn> = Vec::with_capacity(ids.len());
        for id in ids {
            let add_on =
                self.add_ons.iter().find(|add_on| add_on.add_on_id == *id).ok_or_else(|| AddOnError::Unknown(id.clone()))?;
            match &add_on.kind {
                AddOnKind::Data => {
                    if picked.iter().filter(|other| other.kind == AddOnKind::Data).count() == MAX_DATA_ADD_ONS {
                        return Err(AddOnError::TooMuchData);
                    }
                }
                AddOnKind::Voice(voice) => {
                    if picked.iter().any(|other| other.kind == add_on.kind) {
                        return Err(AddOnError::VoiceTwice(voice.clone()));
                    }
                }
            }
            picked.push(add_on);
        }
        Ok(picked)
    }

    /// What one card costs with these add-ons, in minor units; `None` if they do not share a currency or the sum overflows.
    pub fn unit_price(&self, add_ons: &[&AddOn]) -> Option<Money> {
        add_ons.iter().try_fold(self.price, |sum, add_on| sum.checked_add(add_on.price))
    }

    /// The data of the data add-ons among these, in MB.
    pub fn data_of(&self, add_on_ids: &[String]) -> u64 {
        let add_on = |id: &String| self.add_ons.iter().find(|add_on| add_on.add_on_id == *id);
        let data = add_on_ids.iter().filter_map(add_on).filter(|add_on| add_on.kind == AddOnKind::Data);
        data.map(|add_on| u64::from(add_on.amount)).sum()
    }

    /// The plan's own data and that of its data add-ons, in MB; `None` is unlimited.
    pub fn data_with(&self, add_on_ids: &[String]) -> Option<u64> {
        self.data_mb.map(|own| own.saturating_add(self.data_of(add_on_ids)))
    }

    /// Whether cards of a pool's profile carry the plan.
    pub fn carried_by(&self, pool: &PoolId) -> bool {
        let carries = |profile: &ProfileCost| profile.operator == pool.operator && profile.imsi_profile == pool.imsi_profile;
        self.profiles.iter().any(carries)
    }

    /// The pools that can serve the plan on this form factor, the cheapest first ("cost-optimal IMSI profile").
    pub fn pools(&self, form_factor: FormFactor) -> Vec<PoolId> {
        if !self.form_factors.contains(&form_factor) {
            return Vec::new();
        }
        let mut profiles: Vec<&ProfileCost> = self.profiles.iter().collect();
        profiles.sort_by_key(|profile| profile.cost);
        let pool = |profile: &ProfileCost| PoolId {
            operator: profile.operator.clone(),
            imsi_profile: profile.imsi_profile.clone(),
            form_factor,
        };
        profiles.into_iter().map(pool).collect()
    }
}

impl PoolId {
    /// A pool; names are 1 to 32 of lower-case letters, digits, `-` and `_`, since they become parts of keys.
    pub fn new(operator: &str, imsi_profile: &str, form_factor: FormFactor) -> Result<Self, String> {
        for name in [operator, imsi_profile] {
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
            if name.is_empty() || name.len() > 32 || !name.bytes().all(plain) {
                return Err(format!("{name:?} is not 1 to 32 of a-z, 0-9, - and _"));
            }
        }
        Ok(Self { operator: operator.to_owned(), imsi_profile: imsi_profile.to_owned(), form_factor })
    }
}

impl fmt::Display for PoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.operator, self.imsi_profile, self.form_factor)
    }
}

impl From<PoolId> for String {
    fn from(pool: PoolId) -> Self {
        pool.to_string()
    }
}

impl TryFrom<String> for PoolId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut parts = text.split('.');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(operator), Some(profile), Some(form), None) => Self::new(operator, profile, form.parse()?),
            _ => Err(format!("{text:?} is not operator.profile.form")),
        }
    }
}

impl fmt::Display for FormFactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Esim => "esim",
            Self::Physical => "physical",
        })
    }
}

impl std::str::FromStr for FormFactor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "esim" => Ok(Self::Esim),
            "physical" => Ok(Self::Physical),
            other => Err(format!("{other:?} is neither esim nor physical")),
        }
    }
}

impl From<FlowType> for u8 {
    fn from(flow: FlowType) -> Self {
        match flow {
            FlowType::Renewable => 0,
            FlowType::OneOff => 1,
        }
    }
}

impl TryFrom<u8> for FlowType {
    type Error = String;

    fn try_from(number: u8) -> Result<Self, String> {
        match number {
            0 => Ok(Self::Renewable),
            1 => Ok(Self::OneOff),
            other => Err(format!("flowType {other} is neither 0 nor 1")),
        }
    }
}

impl From<AddOnKind> for String {
    fn from(kind: AddOnKind) -> Self {
        match kind {
            AddOnKind::Data => "data".to_owned(),
            AddOnKind::Voice(voice) => format!("voice_{voice}"),
        }
    }
}

impl TryFrom<String> for AddOnKind {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.strip_prefix("voice_") {
            Some(voice) if !voice.is_empty() => Ok(Self::Voice(voice.to_owned())),
            _ if text == "data" => Ok(Self::Data),
            _ => Err(format!("{text:?} is neither data nor voice_<type>")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eur(amount: i64) -> Money {
        Money { amount, currency: "EUR".parse().unwrap() }
    }

    fn add_on(id: &str, kind: AddOnKind) -> AddOn {
        AddOn { add_on_id: id.into(), display: id.into(), kind, price: eur(300), amount: 1024 }
    }

    fn plan() -> Plan {
        let profile = |name: &str, cost| ProfileCost { operator: "op".into(), imsi_profile: name.into(), cost };
        Plan {
            plan_id: "eu".into(),
            version: 1,
            display: "Europe".into(),
            price: eur(1000),
            data_mb: Some(5120),
            days: 30,
            flow_type: FlowType::Renewable,
            sim_type: SimType::Prepaid,
            refund_policy: RefundPolicy::UntilActivation,
            form_factors: vec![FormFactor::Esim],
            profiles: vec![profile("10", 300), profile("7", 120), profile("2", 250)],
            apn: "internet".into(),
            countries: vec!["ES".into()],
            pauses_when_suspended: false,
            withdrawn: false,
            swap_price: None,
            complimentary_with: Vec::new(),
            add_ons: vec![
                add_on("data-1gb", AddOnKind::Data),
                add_on("voice-eu", AddOnKind::Voice("eu".into())),
                add_on("voice-eu-long", AddOnKind::Voice("eu".into())),
                add_on("voice-world", AddOnKind::Voice("world".into())),
            ],
            partners: Vec::new(),
        }
    }

    #[test]
    fn the_cheapest_profile_comes_first() {
        let names: Vec<String> = plan().pools(FormFactor::Esim).iter().map(PoolId::to_string).collect();
        assert_eq!(names, ["op.7.esim", "op.2.esim", "op.10.esim"]);
        assert!(plan().pools(FormFactor::Physical).is_empty());
    }

    #[test]
    fn add_ons_keep_to_the_limits_of_the_seed() {
        let plan = plan();
        let ids = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let fifteen = ids(&["data-1gb"; 15]);
        assert_eq!(plan.pick_add_ons(&fifteen).unwrap().len(), 15);
        assert_eq!(plan.pick_add_ons(&ids(&["data-1gb"; 16])), Err(AddOnError::TooMuchData));
        assert_eq!(plan.pick_add_ons(&ids(&["voice-eu", "voice-world"])).unwrap().len(), 2);
        assert_eq!(plan.pick_add_ons(&ids(&["voice-eu", "voice-eu-long"])), Err(AddOnError::VoiceTwice("eu".into())));
        assert_eq!(plan.pick_add_ons(&ids(&["nothing"])), Err(AddOnError::Unknown("nothing".into())));
        let two = plan.pick_add_ons(&ids(&["data-1gb", "voice-eu"])).unwrap();
        assert_eq!(plan.unit_price(&two), Some(eur(1600)));
    }

    #[test]
    fn who_may_sell_a_plan_is_all_some_or_nobody() {
        let sold_by = |partners: &[&str], withdrawn| {
            let partners = partners.iter().map(ToString::to_string).collect();
            let plan = Plan { partners, withdrawn, ..plan() };
            ["acme", "other"].map(|partner| plan.sold_by(partner))
        };
        assert_eq!(sold_by(&[], false), [true, true]);
        assert_eq!(sold_by(&["acme"], false), [true, false]);
        assert_eq!((sold_by(&[], true), sold_by(&["acme"], true)), ([false, false], [false, false]));
    }

    #[test]
    fn pool_names_survive_the_way_through_a_key() {
        let pool = PoolId::new("meridian", "7", FormFactor::Esim).unwrap();
        assert_eq!(PoolId::try_from(pool.to_string()), Ok(pool));
        assert!(PoolId::new("a.b", "7", FormFactor::Esim).is_err());
        assert!(PoolId::new("a#b", "7", FormFactor::Esim).is_err());
        assert!(PoolId::try_from("a.b".to_owned()).is_err());
    }
}
