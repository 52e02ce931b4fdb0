use crate::item::{from_item, text, text_of};
use crate::write::{SendError, Twice, send};
use crate::{Page, SimStatus, Store, StoreError, keys};
use serde::{Deserialize, Serialize};
use simdock_domain::{ActivationCode, Iccid, Msisdn, OrderNum, PoolId, Profile, Subscription, Timestamp};
use std::collections::BTreeSet;

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
    /// When its code first left the system; from then on it can never be sold again.
    #[serde(rename = "disclosed", default, skip_serializing_if = "Option::is_none")]
    pub disclosed_at: Option<Timestamp>,
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
    /// Where it stands.
    pub status: SimStatus,
}

/// Which cards to list, in no particular sequence; what is absent does not matter.
#[derive(Clone, Debug, Default)]
pub struct SimQuery {
    /// Only those of this pool.
    pub pool: Option<PoolId>,
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
        let mut reports: Vec<SimReport> = Vec::new();
        let mut after = query.after.clone();
        for _ in 0..MOST_READS {
            let filtered = query.pool.is_some() || query.status.is_some();
            let wanted = if filtered { PAGE } else { query.limit - reports.len() };
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
            let sims = answer.items.unwrap_or_default().into_iter().map(from_item).collect::<Result<Vec<Sim>, _>>()?;
            let fits = |report: &SimReport| query.status.is_none_or(|status| status == report.status);
            for report in self.sim_reports(sims).await?.into_iter().filter(fits) {
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
        let report = |sim: Sim| {
            let carried = |subscription: &&Subscription| sim.subscription.as_ref() == Some(&subscription.id);
            let subscription = subscriptions.iter().find(carried).cloned();
            let status = sim.status(subscription.as_ref());
            SimReport { sim, subscription, status }
        };
        Ok(sims.into_iter().map(report).collect())
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
