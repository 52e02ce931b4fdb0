use crate::item::{from_item, text, text_of};
use crate::write::{SendError, Twice, send};
use crate::{InSession, Page, SimStatus, Store, StoreError, keys};
use serde::{Deserialize, Serialize};
use simdock_domain::{
    ActivationCode, EmailAddress, FormFactor, Iccid, Msisdn, Order, OrderNum, Plan, PoolId, Profile, SimType, Subscription,
    Timestamp,
};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A card, from the day it came into stock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sim {
    /// Its number.
    pub iccid: Iccid,
    /// Where it belongs.
    pub pool: PoolId,
    /// Where it stands.
    pub state: SimState,
    /// Its place in the pool's queue, while it is for sale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<u64>,
    /// What the phone downloads the profile by.
    #[serde(rename = "code", default, skip_serializing_if = "Option::is_none")]
    pub activation_code: Option<ActivationCode>,
    /// Its phone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub msisdn: Option<Msisdn>,
    /// Until when the profile can be installed.
    #[serde(rename = "until", default, skip_serializing_if = "Option::is_none")]
    pub activate_before: Option<Timestamp>,
    /// The order that it was sold with.
    #[serde(rename = "order", default, skip_serializing_if = "Option::is_none")]
    pub order_num: Option<OrderNum>,
    /// The orders that it was sold with before and came back from unused.
    #[serde(rename = "past", default, skip_serializing_if = "Vec::is_empty")]
    pub past_orders: Vec<OrderNum>,
    /// The subscription that it carries, once it is provisioned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription: Option<String>,
    /// What became of it on a phone.
    #[serde(default, skip_serializing_if = "is_unknown")]
    pub profile: Profile,
    /// What a manager noted about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What managers sort it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// What is to be done with it by itself.
    #[serde(default, skip_serializing_if = "SimRules::is_none")]
    pub rules: SimRules,
    /// When a manager archived it.
    #[serde(rename = "archived", default, skip_serializing_if = "Option::is_none")]
    pub archived_at: Option<Timestamp>,
    /// When its code first left the system; from then on it can never be sold again.
    #[serde(rename = "disclosed", default, skip_serializing_if = "Option::is_none")]
    pub disclosed_at: Option<Timestamp>,
}

/// What is to be done with a card by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SimRules {
    /// Its line is suspended when more than this was used in a calendar month (UTC), in MB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend_at_month_mb: Option<u32>,
}

impl SimRules {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// Where a card stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SimState {
    /// For sale.
    Stocked,
    /// Sold; the carrier has not activated it yet.
    Sold,
    /// Activated by the carrier.
    Active,
    /// Waits for the sweep to put it back on sale.
    Returning,
    /// Carried a subscription and will not again.
    Retired,
    /// Never to be sold, until somebody decides otherwise.
    SetAside,
}

/// A card with what is known about it elsewhere.
#[derive(Clone, Debug)]
pub struct SimReport {
    /// The card.
    pub sim: Sim,
    /// The subscription that it carries or carried.
    pub subscription: Option<Subscription>,
    /// The order that began that subscription, or else sold the card.
    pub order: Option<Order>,
    /// The plan that the card is for: its subscription's, if it carries one, or the order's while it is being provisioned.
    pub plan: Option<Arc<Plan>>,
    /// Where it stands.
    pub status: SimStatus,
}

/// Which cards to list, in no particular sequence; what is absent does not matter.
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
    /// Only those with this label.
    pub label: Option<String>,
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
    /// Only those that stand there.
    pub status: Option<SimStatus>,
    /// At most this many, 1 to 100.
    pub limit: usize,
    /// The card that the page before ended with.
    pub after: Option<Iccid>,
}

/// How many cards one request reads at most.
const PAGE: usize = 100;
/// How many requests one page of a list takes at most, so that a filter that few pass does not read the whole table.
const MOST_READS: u32 = 10;

impl SimReport {
    /// The subscription, if this is the card that carries it now.
    pub fn carried(&self) -> Option<&Subscription> {
        self.subscription.as_ref().filter(|subscription| subscription.iccid == self.sim.iccid)
    }

    /// Whether the card is online, as far as its operator tells.
    pub fn in_session(&self) -> InSession {
        InSession::of(self.carried().and_then(|subscription| subscription.session))
    }

    fn order_num(&self) -> Option<&OrderNum> {
        self.subscription.as_ref().map(|subscription| &subscription.main_order).or(self.sim.order_num.as_ref())
    }
}

impl SimQuery {
    /// Whether something is asked for that not every card is.
    fn is_filtered(&self) -> bool {
        *self != Self { limit: self.limit, after: self.after.clone(), ..Self::default() }
    }

    /// Whether a card is one that is asked for, as far as it tells by itself.
    fn admits(&self, sim: &Sim) -> bool {
        self.pool.as_ref().is_none_or(|pool| *pool == sim.pool)
            && self.operator.as_ref().is_none_or(|operator| *operator == sim.pool.operator)
            && self.imsi_profile.as_ref().is_none_or(|profile| *profile == sim.pool.imsi_profile)
            && self.form_factor.is_none_or(|form_factor| form_factor == sim.pool.form_factor)
            && self.label.as_ref().is_none_or(|label| sim.labels.contains(label))
    }

    /// Whether it is one by what is known elsewhere.
    fn fits(&self, report: &SimReport) -> bool {
        let plan = report.plan.as_deref();
        let ordered = |wanted: &dyn Fn(&Order) -> bool| report.order.as_ref().is_some_and(wanted);
        self.status.is_none_or(|status| status == report.status)
            && self.sim_type.is_none_or(|sim_type| plan.is_some_and(|plan| plan.sim_type == sim_type))
            && self.plan_id.as_ref().is_none_or(|id| plan.is_some_and(|plan| plan.plan_id == *id))
            && self.in_session.is_none_or(|in_session| in_session == report.in_session())
            && self.partner_id.as_ref().is_none_or(|partner| ordered(&|order| order.partner_id == *partner))
            && self
                .email
                .as_ref()
                .is_none_or(|email| ordered(&|order| order.subscriber.email.as_str().eq_ignore_ascii_case(email.as_str())))
    }
}

fn is_unknown(profile: &Profile) -> bool {
    *profile == Profile::default()
}

impl Store {
    /// Reads a card, consistently.
    pub async fn sim(&self, iccid: &Iccid) -> Result<Option<Sim>, StoreError> {
        Ok(self.sims(std::slice::from_ref(iccid)).await?.pop())
    }

    /// Reads cards, consistently, in the order asked for; ones that do not exist are left out.
    pub async fn sims(&self, iccids: &[Iccid]) -> Result<Vec<Sim>, StoreError> {
        let mut sims: Vec<Sim> = Vec::with_capacity(iccids.len());
        for hundred in iccids.chunks(100) {
            let items = self.batch_get(&self.tables.sims, hundred.iter().map(keys::sim).collect()).await?;
            let mut found = items.into_iter().map(from_item::<Sim>).collect::<Result<Vec<_>, _>>()?;
            found.sort_by_key(|sim| hundred.iter().position(|iccid| *iccid == sim.iccid));
            sims.append(&mut found);
        }
        Ok(sims)
    }

    /// Lists cards by reading through the table: for people who look after the stock, not for whoever is in a hurry.
    pub async fn list_sims(&self, query: &SimQuery) -> Result<Page<SimReport, Iccid>, StoreError> {
        if let Some(iccid) = &query.iccid {
            let mut reports = self.sim_reports(self.sim(iccid).await?.into_iter().collect()).await?;
            reports.retain(|report| query.admits(&report.sim) && query.fits(report));
            return Ok(Page { items: reports, next: None });
        }
        let mut reports: Vec<SimReport> = Vec::new();
        let mut after = query.after.clone();
        for _ in 0..MOST_READS {
            let wanted = if query.is_filtered() { PAGE } else { query.limit - reports.len() };
            let scan = self
                .client
                .scan()
                .table_name(&self.tables.sims)
                .limit(i32::try_from(wanted.min(PAGE)).unwrap_or(i32::MAX))
                .set_exclusive_start_key(after.as_ref().map(keys::sim));
            let scan = match &query.pool {
                None => scan,
                // `pool` is a reserved word in expressions.
                Some(pool) => scan
                    .filter_expression("#pool = :pool")
                    .expression_attribute_names("#pool", "pool")
                    .expression_attribute_values(":pool", text(pool.to_string())),
            };
            let answer = send(Twice::Harmless, || scan.clone().send()).await.map_err(SendError::unconditional)?;
            after = match answer.last_evaluated_key.as_ref().map(|key| text_of(key, "iccid")) {
                None => None,
                Some(iccid) => Some(iccid?.parse().map_err(|_| StoreError::Broken("a card without a number".to_owned()))?),
            };
            let mut sims = answer.items.unwrap_or_default().into_iter().map(from_item).collect::<Result<Vec<Sim>, _>>()?;
            sims.retain(|sim| query.admits(sim));
            for report in self.sim_reports(sims).await?.into_iter().filter(|report| query.fits(report)) {
                if reports.len() == query.limit {
                    let next = reports.last().map(|last| last.sim.iccid.clone());
                    return Ok(Page { items: reports, next });
                }
                reports.push(report);
            }
            if after.is_none() || reports.len() == query.limit {
                break;
            }
        }
        Ok(Page { items: reports, next: after })
    }

    /// What is known about cards elsewhere, in the same sequence.
    pub async fn sim_reports(&self, sims: Vec<Sim>) -> Result<Vec<SimReport>, StoreError> {
        let ids: BTreeSet<String> = sims.iter().filter_map(|sim| sim.subscription.clone()).collect();
        let subscriptions = self.subscriptions(&Vec::from_iter(ids)).await?;
        let mut reports: Vec<SimReport> = Vec::with_capacity(sims.len());
        for sim in sims {
            let carried = |subscription: &&Subscription| sim.subscription.as_ref() == Some(&subscription.id);
            let subscription = subscriptions.iter().find(carried).cloned();
            let integrated = self.operator(&sim.pool.operator).await?.is_some();
            let status = sim.status(subscription.as_ref(), integrated);
            reports.push(SimReport { sim, subscription, order: None, plan: None, status });
        }
        let nums: BTreeSet<OrderNum> = reports.iter().filter_map(SimReport::order_num).cloned().collect();
        let mut orders = Vec::with_capacity(nums.len());
        for hundred in Vec::from_iter(nums).chunks(100) {
            orders.extend(self.orders(hundred).await?);
        }
        for report in &mut reports {
            report.order = orders.iter().find(|order| Some(&order.num) == report.order_num()).cloned();
            let plan = match (&report.subscription, &report.order, report.sim.state) {
                (Some(_), _, _) => {
                    report.carried().and_then(Subscription::current_plan).map(|run| (&run.plan_id, run.plan_version))
                }
                (None, Some(order), SimState::Sold) => Some((&order.plan_id, order.plan_version)),
                (None, ..) => None,
            };
            report.plan = match plan {
                None => None,
                Some((id, version)) => Some(self.plan_version(id, version).await?),
            };
        }
        Ok(reports)
    }

    /// Notes that a card's code is about to leave the system, before it does. Once is enough.
    pub async fn disclose(&self, iccid: &Iccid, order: &OrderNum) -> Result<(), StoreError> {
        let update = {
            let call = self.client.update_item().table_name(&self.tables.sims).set_key(Some(keys::sim(iccid)));
            // `order` is a reserved word in expressions.
            call.update_expression("SET disclosed = :now")
                .condition_expression("#order = :order AND attribute_not_exists(disclosed)")
                .expression_attribute_names("#order", "order")
                .expression_attribute_values(":order", text(order.as_str()))
                .expression_attribute_values(":now", crate::item::number(self.clock.now().unix()))
        };
        match send(Twice::Harmless, || update.clone().send()).await {
            Ok(_) | Err(SendError::Refused(_)) => Ok(()),
            Err(SendError::Failed(error)) => Err(error),
        }
    }
}
