//! What a plan has to be like before it is sold. A version never changes, so that all of it is looked at before it is written.

use crate::{AddOn, AddOnKind, Currency, FormFactor, MOST_MONEY, Money, Plan, PoolId, ProfileCost, RefundPolicy, is_country};
use std::collections::BTreeSet;

/// The most profiles, add-ons, partners or plans that a plan names of each.
pub const MOST_NAMED: usize = 50;
/// The longest that a plan runs, in days.
pub const MOST_DAYS: u32 = 3650;
/// The most data in MB: a petabyte.
pub const MOST_DATA: u32 = 1_000_000_000;
/// The longest that a plan is refunded after it was ordered, in days.
pub const MOST_REFUND_DAYS: u32 = 365;

/// What a plan may name.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The operators of the catalogue.
    pub operators: BTreeSet<String>,
    /// The partners that there are.
    pub partners: BTreeSet<String>,
    /// The plans that are sold.
    pub plans: BTreeSet<String>,
}

/// What is wrong with a plan: a field, by its path in JSON, and what it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanFault {
    /// Such as `addOns[1].price.currency`.
    pub field: String,
    /// Goes behind the field's name: `must …`.
    pub why: String,
}

type Checked = Result<(), PlanFault>;

fn hold(holds: bool, field: impl Into<String>, why: impl Into<String>) -> Checked {
    if holds { Ok(()) } else { Err(PlanFault { field: field.into(), why: why.into() }) }
}

impl Plan {
    /// Whether the plan can be sold: nothing in it contradicts itself, and all that it names is known. The first fault is told.
    pub fn check(&self, known: &Known) -> Checked {
        // A plan that is sold already keeps the name that it has.
        hold(self.version > 1 || is_name(&self.plan_id, 64), "planId", "must have 1 to 64 characters of a-z, 0-9, - and _")?;
        text(&self.display, "display")?;
        amount(self.price.amount, "price.amount")?;
        let data = self.data_mb.is_none_or(|mb| (1..=u64::from(MOST_DATA)).contains(&mb));
        hold(data, "dataMb", format!("must be a whole number from 1 to {MOST_DATA}, or null for unlimited"))?;
        days(self.days, MOST_DAYS, "days")?;
        match self.refund_policy {
            RefundPolicy::WithinDays { days: within } => days(within, MOST_REFUND_DAYS, "refundPolicy.days")?,
            RefundPolicy::UntilActivation | RefundPolicy::None => {}
        }
        let forms: BTreeSet<&FormFactor> = self.form_factors.iter().collect();
        hold(
            !forms.is_empty() && forms.len() == self.form_factors.len(),
            "formFactors",
            "must name each form factor once, and one at least",
        )?;
        self.check_profiles(known)?;
        let label = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
        let apn = (1..=100).contains(&self.apn.len()) && self.apn.bytes().all(label);
        hold(apn, "apn", "must have 1 to 100 letters, digits, - and . (3GPP TS 23.003)")?;
        once(&self.countries, "countries", 249, |code| {
            if is_country(code) { None } else { Some("must be an ISO 3166-1 alpha-2 code that is assigned, such as ES") }
        })?;
        hold(!self.countries.is_empty(), "countries", "must name a country at least")?;
        few(self.add_ons.len(), "addOns")?;
        for (place, add_on) in self.add_ons.iter().enumerate() {
            let field = format!("addOns[{place}]");
            let twice = self.add_ons[..place].iter().any(|other| other.add_on_id == add_on.add_on_id);
            hold(!twice, format!("{field}.addOnId"), "stands in this list already")?;
            check_add_on(add_on, self.price.currency, &field)?;
        }
        if let Some(price) = self.swap_price {
            in_currency(price, self.price.currency, "swapPrice")?;
        }
        once(&self.complimentary_with, "complimentaryWith", MOST_NAMED, |plan| {
            if known.plans.contains(plan) { None } else { Some("is no plan") }
        })?;
        once(
            &self.partners,
            "partners",
            MOST_NAMED,
            |partner| {
                if known.partners.contains(partner) { None } else { Some("is no partner") }
            },
        )
    }

    fn check_profiles(&self, known: &Known) -> Checked {
        hold(!self.profiles.is_empty(), "profiles", "must name a profile at least")?;
        few(self.profiles.len(), "profiles")?;
        for (place, ProfileCost { operator, imsi_profile, cost }) in self.profiles.iter().enumerate() {
            let field = |name: &str| format!("profiles[{place}].{name}");
            hold(
                known.operators.contains(operator),
                field("operator"),
                format!("names “{operator}”, which is not in the catalogue"),
            )?;
            let pool = PoolId::new(operator, imsi_profile, FormFactor::Esim);
            hold(pool.is_ok(), field("imsiProfile"), "must have 1 to 32 characters of a-z, 0-9, - and _")?;
            let same = |other: &ProfileCost| other.operator == *operator && other.imsi_profile == *imsi_profile;
            hold(!self.profiles[..place].iter().any(same), field("imsiProfile"), "stands in this list already")?;
            amount(*cost, field("cost"))?;
        }
        Ok(())
    }
}

fn check_add_on(add_on: &AddOn, currency: Currency, field: &str) -> Checked {
    hold(is_name(&add_on.add_on_id, 64), format!("{field}.addOnId"), "must have 1 to 64 characters of a-z, 0-9, - and _")?;
    text(&add_on.display, format!("{field}.display"))?;
    if let AddOnKind::Voice(voice) = &add_on.kind {
        hold(is_name(voice, 32), format!("{field}.kind"), "must be data or voice_ and 1 to 32 characters of a-z, 0-9, - and _")?;
    }
    in_currency(add_on.price, currency, &format!("{field}.price"))?;
    hold(add_on.amount > 0, format!("{field}.amount"), "must be above 0")
}

fn in_currency(price: Money, currency: Currency, field: &str) -> Checked {
    amount(price.amount, format!("{field}.amount"))?;
    hold(price.currency == currency, format!("{field}.currency"), format!("must be the plan's, {currency}"))
}

fn amount(amount: i64, field: impl Into<String>) -> Checked {
    hold((0..=MOST_MONEY).contains(&amount), field, format!("must be a whole number of minor units from 0 to {MOST_MONEY}"))
}

fn days(days: u32, most: u32, field: &str) -> Checked {
    hold((1..=most).contains(&days), field, format!("must be a whole number from 1 to {most}"))
}

fn text(text: &str, field: impl Into<String>) -> Checked {
    let fits = !text.trim().is_empty() && text.chars().count() <= 100 && !text.chars().any(char::is_control);
    hold(fits, field, "must have 1 to 100 characters without control characters")
}

fn few(count: usize, field: &str) -> Checked {
    hold(count <= MOST_NAMED, field, format!("may have {MOST_NAMED} entries at most"))
}

/// That each entry of a list stands there once, and nothing is wrong with it.
fn once(list: &[String], field: &str, most: usize, wrong: impl Fn(&str) -> Option<&'static str>) -> Checked {
    hold(list.len() <= most, field, format!("may have {most} entries at most"))?;
    for (place, entry) in list.iter().enumerate() {
        let field = format!("{field}[{place}]");
        hold(!list[..place].contains(entry), field.as_str(), "stands in this list already")?;
        if let Some(why) = wrong(entry) {
            return Err(PlanFault { field, why: format!("{why}: “{entry}”") });
        }
    }
    Ok(())
}

/// Whether a text can be a part of keys and paths.
fn is_name(name: &str, longest: usize) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    (1..=longest).contains(&name.len()) && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FlowType, SimType};

    fn eur(amount: i64) -> Money {
        Money { amount, currency: "EUR".parse().unwrap() }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn known() -> Known {
        let set = |list: &[&str]| names(list).into_iter().collect();
        Known { operators: set(&["meridian"]), partners: set(&["acme"]), plans: set(&["eu-1gb"]) }
    }

    fn plan() -> Plan {
        let profile = |name: &str| ProfileCost { operator: "meridian".into(), imsi_profile: name.into(), cost: 100 };
        let add_on = |id: &str, kind| AddOn { add_on_id: id.into(), display: id.into(), kind, price: eur(300), amount: 60 };
        Plan {
            plan_id: "eu-5gb-30d".into(),
            version: 1,
            display: "Europe".into(),
            price: eur(1450),
            data_mb: None,
            days: 30,
            flow_type: FlowType::Renewable,
            sim_type: SimType::Prepaid,
            refund_policy: RefundPolicy::WithinDays { days: 14 },
            form_factors: vec![FormFactor::Esim, FormFactor::Physical],
            profiles: vec![profile("7"), profile("2")],
            apn: "internet.meridian".into(),
            countries: names(&["ES", "PT"]),
            add_ons: vec![add_on("data-1gb", AddOnKind::Data), add_on("voice-60", AddOnKind::Voice("eu".into()))],
            pauses_when_suspended: true,
            swap_price: Some(eur(0)),
            complimentary_with: names(&["eu-1gb"]),
            partners: names(&["acme"]),
            withdrawn: false,
        }
    }

    #[test]
    fn a_plan_without_fault_is_sold() {
        assert_eq!(plan().check(&known()), Ok(()));
    }

    /// The field that is told, and what is wrong.
    type Fault<'a> = (&'a str, &'a dyn Fn(&mut Plan));

    #[test]
    fn every_fault_is_told_by_its_field() {
        let usd = Money { amount: 1, currency: "USD".parse().unwrap() };
        let faults: &[Fault<'_>] = &[
            ("planId", &|plan| plan.plan_id = "EU".into()),
            ("planId", &|plan| plan.plan_id = "a".repeat(65)),
            ("display", &|plan| plan.display = " ".into()),
            ("display", &|plan| plan.display = "a\nb".into()),
            ("price.amount", &|plan| plan.price.amount = -1),
            ("price.amount", &|plan| plan.price.amount = MOST_MONEY + 1),
            ("dataMb", &|plan| plan.data_mb = Some(0)),
            ("days", &|plan| plan.days = 0),
            ("days", &|plan| plan.days = 3651),
            ("refundPolicy.days", &|plan| plan.refund_policy = RefundPolicy::WithinDays { days: 0 }),
            ("formFactors", &|plan| plan.form_factors.clear()),
            ("formFactors", &|plan| plan.form_factors.push(FormFactor::Esim)),
            ("profiles", &|plan| plan.profiles.clear()),
            ("profiles", &|plan| plan.profiles = vec![plan.profiles[0].clone(); 51]),
            ("profiles[1].operator", &|plan| plan.profiles[1].operator = "nobody".into()),
            ("profiles[0].imsiProfile", &|plan| plan.profiles[0].imsi_profile = "a.b".into()),
            ("profiles[1].imsiProfile", &|plan| plan.profiles[1].imsi_profile = "7".into()),
            ("profiles[0].cost", &|plan| plan.profiles[0].cost = -1),
            ("apn", &|plan| plan.apn = "a b".into()),
            ("countries", &|plan| plan.countries.clear()),
            ("countries[1]", &|plan| plan.countries[1] = "XK".into()),
            ("countries[1]", &|plan| plan.countries[1] = "ES".into()),
            ("addOns[1].addOnId", &|plan| plan.add_ons[1].add_on_id = "data-1gb".into()),
            ("addOns[0].addOnId", &|plan| plan.add_ons[0].add_on_id = String::new()),
            ("addOns[0].display", &|plan| plan.add_ons[0].display = String::new()),
            ("addOns[1].kind", &|plan| plan.add_ons[1].kind = AddOnKind::Voice("E U".into())),
            ("addOns[0].price.amount", &|plan| plan.add_ons[0].price.amount = -1),
            ("addOns[0].price.currency", &|plan| plan.add_ons[0].price = usd),
            ("addOns[1].amount", &|plan| plan.add_ons[1].amount = 0),
            ("swapPrice.currency", &|plan| plan.swap_price = Some(usd)),
            ("complimentaryWith[0]", &|plan| plan.complimentary_with[0] = "none".into()),
            ("partners[0]", &|plan| plan.partners[0] = "nobody".into()),
            ("partners[1]", &|plan| plan.partners.push("acme".into())),
        ];
        for (field, change) in faults {
            let mut plan = plan();
            change(&mut plan);
            assert_eq!(plan.check(&known()).map_err(|fault| fault.field), Err((*field).to_owned()));
        }
    }
}
