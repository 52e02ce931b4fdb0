use crate::item::{Item, from_item, text};
use crate::write::{SendError, Twice, send};
use crate::{Conflict, InSession, SimStatus, Store, StoreError, keys};
use serde::{Deserialize, Serialize};
use simdock_domain::{ActivationCode, Iccid, Msisdn, Order, OrderNum, Plan, PoolId, Profile, Subscription, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
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
    /// How often its note, labels and rules were changed.
    #[serde(default, skip_serializing_if = "is_first")]
    pub edition: u32,
    /// When a manager archived it.
    #[serde(rename = "archived", default, skip_serializing_if = "Option::is_none")]
    pub archived_at: Option<Timestamp>,
    /// When its code first left, by us or as its being on a phone proves; from then on it can never be sold again.
    #[serde(rename = "disclosed", default, skip_serializing_if = "Option::is_none")]
    pub disclosed_at: Option<Timestamp>,
}

impl Sim {
    /// The profile that its code downloads, see [`ActivationCode::profile_id`].
    pub fn profile_id(&self) -> Option<String> {
        self.activation_code.as_ref()?.profile_id()
    }
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
    pub(crate) fn is_none(&self) -> bool {
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
    /// Whether its operator takes requests about it, so that somebody can suspend it.
    pub suspendable: bool,
}

impl SimReport {
    /// The subscription, if this is the card that carries it now.
    pub fn carried(&self) -> Option<&Subscription> {
        self.subscription.as_ref().filter(|subscription| subscription.iccid == self.sim.iccid)
    }

    /// Whether the card is online, as far as its operator tells.
    pub fn in_session(&self) -> InSession {
        InSession::of(self.carried().and_then(|subscription| subscription.session))
    }

    /// The order that [`Self::order`] is.
    pub(crate) fn order_num(&self) -> Option<&OrderNum> {
        self.subscription.as_ref().map(|subscription| &subscription.main_order).or(self.sim.order_num.as_ref())
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_first(edition: &u32) -> bool {
    *edition == 0
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
        let places: BTreeMap<&str, usize> = iccids.iter().enumerate().map(|(place, iccid)| (iccid.as_str(), place)).collect();
        let keys: Vec<Item> = iccids.iter().map(keys::sim).collect();
        let items = self.batch_get_all(&self.tables.sims, &keys).await?;
        let mut sims = items.into_iter().map(from_item::<Sim>).collect::<Result<Vec<_>, _>>()?;
        sims.sort_by_key(|sim| places.get(sim.iccid.as_str()));
        Ok(sims)
    }

    /// What is known about cards elsewhere, in the same sequence.
    pub async fn sim_reports(&self, sims: Vec<Sim>) -> Result<Vec<SimReport>, StoreError> {
        let ids: BTreeSet<String> = sims.iter().filter_map(|sim| sim.subscription.clone()).collect();
        let subscriptions = self.subscriptions(&Vec::from_iter(ids)).await?;
        let mut reports: Vec<SimReport> = Vec::with_capacity(sims.len());
        for sim in sims {
            let carried = |subscription: &&Subscription| sim.subscription.as_ref() == Some(&subscription.id);
            let subscription = subscriptions.iter().find(carried).cloned();
            let operator = self.operator(&sim.pool.operator).await?;
            let status = sim.status(subscription.as_ref(), operator.is_some());
            let suspendable = operator.is_some_and(|operator| operator.takes_requests());
            reports.push(SimReport { sim, subscription, order: None, plan: None, status, suspendable });
        }
        let nums: BTreeSet<OrderNum> = reports.iter().filter_map(SimReport::order_num).cloned().collect();
        let orders = self.orders(&Vec::from_iter(nums)).await?;
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

    /// Notes that a card's code is about to leave the system, before it does. Once is enough; refused if the card is not this order's
    /// any more, so that its code must not be shown.
    pub async fn disclose(&self, iccid: &Iccid, order: &OrderNum) -> Result<Result<(), Conflict>, StoreError> {
        let update = {
            let call = self.client.update_item().table_name(&self.tables.sims).set_key(Some(keys::sim(iccid)));
            // `order` is a reserved word in expressions.
            call.update_expression("SET disclosed = if_not_exists(disclosed, :now)")
                .condition_expression("#order = :order")
                .expression_attribute_names("#order", "order")
                .expression_attribute_values(":order", text(order.as_str()))
                .expression_attribute_values(":now", crate::item::number(self.clock.now().unix()))
        };
        match send(Twice::Harmless, || update.clone().send()).await {
            Ok(_) => Ok(Ok(())),
            Err(SendError::Refused(_)) => Ok(Err(Conflict)),
            Err(SendError::Failed(error)) => Err(error),
        }
    }
}
