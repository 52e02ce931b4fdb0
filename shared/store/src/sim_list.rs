//! Lists of cards: which of them are asked for, and how they are looked for.

use crate::item::{from_item, text, text_of};
use crate::write::{SendError, Twice, send};
use crate::{
    InSession, LinePosition, ListQuery, Page, PositionError, Sim, SimReport, SimState, SimStatus, Store, StoreError, keys,
};
use aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder;
use simdock_domain::{EmailAddress, FormFactor, Iccid, Order, PlanRun, PoolId, SimType, Subscription, Timestamp};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// Which cards to list; what is absent does not matter. By partner or address they come as the orders do that they belong to, the
/// newest first; otherwise in no particular sequence.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SimQuery {
    /// Only this one.
    pub iccid: Option<Iccid>,
    /// Only those of this pool.
    pub pool: Option<PoolId>,
    /// Only those of this operator.
    pub operator: Option<String>,
    /// Only those with this IMSI profile.
    pub imsi_profile: Option<String>,
    /// Only those that are this.
    pub form_factor: Option<FormFactor>,
    /// Only those with this label, in capitals or not.
    pub label: Option<String>,
    /// Only those whose note contains this, in capitals or not.
    pub note: Option<String>,
    /// Only those that have rules, or that have none.
    pub has_rules: Option<bool>,
    /// Only those whose plan is paid for like this.
    pub sim_type: Option<SimType>,
    /// Only those whose plan is this, in whichever version.
    pub plan_id: Option<String>,
    /// Only those that are online, or are not, or of which it is not known.
    pub in_session: Option<InSession>,
    /// Only those that this partner sold.
    pub partner_id: Option<String>,
    /// Only those of the subscriber with this address, in capitals or not.
    pub email: Option<EmailAddress>,
    /// Only those with so much data left, in MB. Without a limit there is more than any number; without a plan there is none to tell.
    pub data_left_mb: Bounds,
    /// Only those with so many days left, where there is an end to come.
    pub days_left: Bounds,
    /// Only those with so much used in this calendar month (UTC), in MB.
    pub month_mb: Bounds,
    /// Only those that stand there.
    pub status: Option<SimStatus>,
    /// At most this many, 1 to 100.
    pub limit: usize,
    /// Where the page before ended.
    pub after: Option<SimPosition>,
}

/// The least and the most that a number may be; what is absent does not matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// The number or more.
    pub least: Option<u64>,
    /// The number or less.
    pub most: Option<u64>,
}

/// A place in a list of cards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SimPosition {
    /// Behind this card of the table.
    Card(Iccid),
    /// So many cards into the order that comes behind a place among the orders.
    Order(LinePosition),
}

/// How many cards are looked up elsewhere at once, and how many times one page of a list does so at most: that is what takes long.
const PAGE: usize = 100;
const MOST_LOOKUPS: u32 = 20;
/// How many cards one request reads at most where a filter passes few of them: well below the 1 MB of a scan.
const SCANNED: usize = 1000;
/// How many orders are read at once: each may have 50 cards.
const ORDERS: usize = 20;
/// How many requests one page of a list takes at most, so that a filter that few pass does not read the whole table.
const MOST_READS: u32 = 10;

impl Bounds {
    /// Whether any number will do, or none.
    fn are_open(self) -> bool {
        self == Self::default()
    }

    fn admit(self, number: Option<u64>) -> bool {
        let within = |number| self.least.is_none_or(|least| least <= number) && self.most.is_none_or(|most| number <= most);
        self.are_open() || number.is_some_and(within)
    }
}

impl FromStr for SimPosition {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        match text.parse() {
            Ok(iccid) => Ok(Self::Card(iccid)),
            Err(_) => text.parse().map(Self::Order),
        }
    }
}

impl fmt::Display for SimPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Card(iccid) => iccid.fmt(f),
            Self::Order(place) => place.fmt(f),
        }
    }
}

impl SimQuery {
    /// Whether the place where the page before ended is one of this list.
    pub fn goes_on(&self) -> bool {
        match &self.after {
            None => true,
            Some(SimPosition::Card(_)) => !self.is_by_order(),
            Some(SimPosition::Order(_)) => self.is_by_order(),
        }
    }

    /// Whether an index of the orders leads to the cards.
    fn is_by_order(&self) -> bool {
        self.partner_id.is_some() || self.email.is_some()
    }

    /// Whether something is asked for that not every card is.
    fn is_filtered(&self) -> bool {
        *self != Self { limit: self.limit, after: self.after.clone(), ..Self::default() }
    }

    /// Whether only cards that were sold can be meant.
    fn is_of_sold(&self) -> bool {
        self.is_by_order()
            || self.sim_type.is_some()
            || self.plan_id.is_some()
            || self.in_session.is_some_and(|in_session| in_session != InSession::Unknown)
            || !self.data_left_mb.are_open()
            || !self.days_left.are_open()
            || self.month_mb.least.is_some_and(|least| least > 0)
    }

    /// Has the table itself leave out what its items tell to be none that is asked for, so that most of the stock is neither sent nor
    /// read where few cards are meant. What is left is looked at again.
    fn screened(&self, scan: ScanFluentBuilder) -> ScanFluentBuilder {
        let (mut scan, mut rules) = (scan, Vec::new());
        if let Some(pool) = &self.pool {
            rules.push("#pool = :pool");
            scan = scan.expression_attribute_values(":pool", text(pool.to_string()));
        }
        // What is for sale is blank, if anybody can use it at all.
        if self.status.is_some_and(|status| !matches!(status, SimStatus::Blank | SimStatus::NotAvailable)) {
            rules.push("#state <> :stocked");
            scan = scan.expression_attribute_values(":stocked", text("stocked"));
        }
        for (rule, asked) in [
            ("(attribute_exists(#order) OR attribute_exists(#subscription))", self.is_of_sold()),
            ("attribute_exists(#labels)", self.label.is_some()),
            ("attribute_exists(#note)", self.note.is_some()),
            ("attribute_exists(#rules)", self.has_rules == Some(true)),
        ] {
            if asked {
                rules.push(rule);
            }
        }
        if rules.is_empty() {
            return scan;
        }
        let rules = rules.join(" AND ");
        // Some of these are reserved words in expressions.
        let names = ["pool", "state", "order", "subscription", "labels", "note", "rules"].map(|name| (format!("#{name}"), name));
        let used = names.into_iter().filter(|(name, _)| rules.contains(name));
        let scan = used.fold(scan, |scan, (name, attribute)| scan.expression_attribute_names(name, attribute));
        scan.filter_expression(rules)
    }

    /// Whether a card can be one that is asked for, as far as it tells by itself: nothing more is read about one that cannot.
    fn admits(&self, sim: &Sim) -> bool {
        let lower = |text: &str| text.to_lowercase();
        let stands = |status| {
            sim.state == SimState::Active || [true, false].iter().any(|integrated| sim.status(None, *integrated) == status)
        };
        self.pool.as_ref().is_none_or(|pool| *pool == sim.pool)
            && self.operator.as_ref().is_none_or(|operator| *operator == sim.pool.operator)
            && self.imsi_profile.as_ref().is_none_or(|profile| *profile == sim.pool.imsi_profile)
            && self.form_factor.is_none_or(|form_factor| form_factor == sim.pool.form_factor)
            && self.label.as_deref().map(lower).is_none_or(|wanted| sim.labels.iter().any(|label| lower(label) == wanted))
            && self.note.as_deref().is_none_or(|part| sim.note.as_deref().is_some_and(|note| lower(note).contains(&lower(part))))
            && self.has_rules.is_none_or(|wanted| wanted != sim.rules.is_none())
            && self.status.is_none_or(stands)
            && (!self.is_of_sold() || sim.order_num.is_some() || sim.subscription.is_some())
    }

    /// Whether it is one by what is known elsewhere.
    fn fits(&self, report: &SimReport, now: Timestamp) -> bool {
        let (plan, carried) = (report.plan.as_deref(), report.carried());
        let ordered = |wanted: &dyn Fn(&Order) -> bool| report.order.as_ref().is_some_and(wanted);
        let runs = carried.filter(|line| line.plans.iter().any(PlanRun::is_open));
        let days = carried.and_then(|line| line.days_left(now)).and_then(|days| u64::try_from(days).ok());
        self.status.is_none_or(|status| status == report.status)
            && self.sim_type.is_none_or(|sim_type| plan.is_some_and(|plan| plan.sim_type == sim_type))
            && self.plan_id.as_ref().is_none_or(|id| plan.is_some_and(|plan| plan.plan_id == *id))
            && self.in_session.is_none_or(|in_session| in_session == report.in_session())
            && self.data_left_mb.admit(runs.map(|line| line.data_left().unwrap_or(u64::MAX)))
            && self.days_left.admit(days)
            && self.month_mb.admit(Some(carried.map_or(0, |line| line.month_mb(now)).into()))
            && self.partner_id.as_ref().is_none_or(|partner| ordered(&|order| order.partner_id == *partner))
            && self
                .email
                .as_ref()
                .is_none_or(|email| ordered(&|order| order.subscriber.email.as_str().eq_ignore_ascii_case(email.as_str())))
    }
}

impl Store {
    /// Lists cards: by the orders of a partner or a subscriber, or else by reading through the table, for people who look after the
    /// stock and not for whoever is in a hurry.
    pub async fn list_sims(&self, query: &SimQuery) -> Result<Page<SimReport, SimPosition>, StoreError> {
        if let Some(iccid) = &query.iccid {
            let sims = self.sim(iccid).await?.into_iter().filter(|sim| query.admits(sim)).collect();
            let (mut found, now) = (self.sim_reports(sims).await?, self.clock.now());
            found.retain(|report| query.fits(report, now));
            return Ok(Page { items: found, next: None });
        }
        match &query.after {
            None if query.is_by_order() => self.sims_of_orders(query, LinePosition::default()).await,
            Some(SimPosition::Order(place)) => self.sims_of_orders(query, place.clone()).await,
            None => self.sims_of_table(query, None).await,
            Some(SimPosition::Card(iccid)) => self.sims_of_table(query, Some(iccid.clone())).await,
        }
    }

    async fn sims_of_table(
        &self,
        query: &SimQuery,
        mut after: Option<Iccid>,
    ) -> Result<Page<SimReport, SimPosition>, StoreError> {
        let (mut reports, now): (Vec<SimReport>, _) = (Vec::new(), self.clock.now());
        let mut lookups = 0;
        for _ in 0..MOST_READS {
            let wanted = if query.is_filtered() { SCANNED } else { query.limit - reports.len() };
            let scan = self
                .client
                .scan()
                .table_name(&self.tables.sims)
                .limit(i32::try_from(wanted).unwrap_or(i32::MAX))
                .set_exclusive_start_key(after.as_ref().map(keys::sim));
            let scan = query.screened(scan);
            let answer = send(Twice::Harmless, || scan.clone().send()).await.map_err(SendError::unconditional)?;
            after = match answer.last_evaluated_key.as_ref().map(|key| text_of(key, "iccid")) {
                None => None,
                Some(iccid) => Some(iccid?.parse().map_err(|_| StoreError::Broken("a card without a number".to_owned()))?),
            };
            let mut sims = answer.items.unwrap_or_default().into_iter().map(from_item).collect::<Result<Vec<Sim>, _>>()?;
            sims.retain(|sim| query.admits(sim));
            for hundred in sims.chunks(PAGE) {
                for report in self.sim_reports(hundred.to_vec()).await?.into_iter().filter(|report| query.fits(report, now)) {
                    if reports.len() == query.limit {
                        let next = reports.last().map(|last| SimPosition::Card(last.sim.iccid.clone()));
                        return Ok(Page { items: reports, next });
                    }
                    reports.push(report);
                }
                lookups += 1;
                if lookups == MOST_LOOKUPS {
                    let next = hundred.last().map(|last| SimPosition::Card(last.iccid.clone()));
                    return Ok(Page { items: reports, next });
                }
            }
            if after.is_none() || reports.len() == query.limit {
                break;
            }
        }
        Ok(Page { items: reports, next: after.map(SimPosition::Card) })
    }

    /// The cards of a partner's or a subscriber's orders. Each stands with the order that its report names, and so once.
    async fn sims_of_orders(&self, query: &SimQuery, place: LinePosition) -> Result<Page<SimReport, SimPosition>, StoreError> {
        let LinePosition { mut behind, lines: mut skip } = place;
        let (mut found, now): (Vec<SimReport>, _) = (Vec::new(), self.clock.now());
        for _ in 0..MOST_READS {
            let list = ListQuery {
                partner_id: query.partner_id.clone(),
                email: query.email.clone(),
                limit: ORDERS,
                after: behind.clone(),
                ..ListQuery::default()
            };
            let orders = self.list_orders(&list).await?;
            let reports = self.reports_of_orders(&orders.items).await?;
            for order in &orders.items {
                let of_order = reports.iter().filter(|report| report.order_num() == Some(&order.num));
                for (index, report) in of_order.enumerate().skip(skip) {
                    if !query.admits(&report.sim) || !query.fits(report, now) {
                        continue;
                    }
                    if found.len() == query.limit {
                        let next = Some(SimPosition::Order(LinePosition { behind, lines: index }));
                        return Ok(Page { items: found, next });
                    }
                    found.push(report.clone());
                }
                (behind, skip) = (Some(list.behind(order)), 0);
            }
            behind.clone_from(&orders.next);
            if behind.is_none() || found.len() == query.limit {
                break;
            }
        }
        let next = behind.map(|place| SimPosition::Order(LinePosition { behind: Some(place), lines: 0 }));
        Ok(Page { items: found, next })
    }

    /// The cards that belong or belonged to orders, in one sequence whenever they are read.
    async fn reports_of_orders(&self, orders: &[Order]) -> Result<Vec<SimReport>, StoreError> {
        let begun = |order: &Order| {
            let lines = if order.subject.is_none() { order.lines.len() } else { 0 };
            (0..lines).map(|line| order.subscription_id(line)).collect::<Vec<_>>()
        };
        let ids: Vec<String> = orders.iter().flat_map(begun).collect();
        let mut iccids: BTreeSet<Iccid> =
            orders.iter().flat_map(|order| &order.lines).filter_map(|line| line.iccid.clone()).collect();
        for Subscription { iccid, past_cards, open_change, .. } in self.subscriptions(&ids).await? {
            let next = open_change.and_then(|change| change.new_iccid);
            iccids.extend(past_cards.into_iter().map(|past| past.iccid).chain([iccid]).chain(next));
        }
        self.sim_reports(self.sims(&Vec::from_iter(iccids)).await?).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_dynamodb::config::{BehaviorVersion, Config};

    #[test]
    fn the_table_leaves_out_what_its_items_tell() {
        let client = aws_sdk_dynamodb::Client::from_conf(Config::builder().behavior_version(BehaviorVersion::latest()).build());
        let sold = "(attribute_exists(#order) OR attribute_exists(#subscription))";
        let of = |status| SimQuery { status: Some(status), ..SimQuery::default() };
        for (query, rules) in [
            (SimQuery::default(), None),
            (of(SimStatus::Blank), None),
            (of(SimStatus::NotAvailable), None),
            (of(SimStatus::Suspended), Some("#state <> :stocked".to_owned())),
            (SimQuery { label: Some("vip".to_owned()), ..SimQuery::default() }, Some("attribute_exists(#labels)".to_owned())),
            (SimQuery { has_rules: Some(false), ..SimQuery::default() }, None),
            (
                SimQuery { month_mb: Bounds { least: Some(1), most: None }, ..of(SimStatus::Active) },
                Some(format!("#state <> :stocked AND {sold}")),
            ),
        ] {
            let scan = query.screened(client.scan());
            assert_eq!(scan.get_filter_expression(), &rules, "{query:?}");
            // Names and values that no rule uses are refused.
            let names = scan.get_expression_attribute_names().clone().unwrap_or_default();
            let expression = rules.unwrap_or_default();
            assert!(names.keys().all(|name| expression.contains(name)), "{names:?}");
            assert_eq!(names.len(), expression.matches('#').count());
        }
    }

    #[test]
    fn bounds_hold_both_ends_and_nothing_unknown() {
        let bounds = |least, most| Bounds { least, most };
        for (bounds, number, expected) in [
            (bounds(None, None), None, true),
            (bounds(None, None), Some(0), true),
            (bounds(Some(5), None), Some(5), true),
            (bounds(Some(5), None), Some(4), false),
            (bounds(None, Some(5)), Some(5), true),
            (bounds(None, Some(5)), Some(6), false),
            (bounds(Some(5), None), Some(u64::MAX), true),
            (bounds(None, Some(5)), None, false),
            (bounds(Some(0), None), None, false),
        ] {
            assert_eq!(bounds.admit(number), expected, "{bounds:?} {number:?}");
        }
    }

    #[test]
    fn places_survive_the_way_through_a_cursor() {
        for text in ["8934501234567890125", "0/", "3/acme#2026-11-22T10:30:00Z#EP0123456789ABCDEF"] {
            assert_eq!(text.parse::<SimPosition>().unwrap().to_string(), text);
        }
        for text in ["", "x", "8934501234567890124", "2026-11-22T10:00:00Z"] {
            assert!(text.parse::<SimPosition>().is_err(), "{text}");
        }
    }
}
