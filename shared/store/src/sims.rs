use crate::item::{from_item, text};
use crate::write::{SendError, Twice, send};
use crate::{Store, StoreError, keys};
use serde::{Deserialize, Serialize};
use simdock_domain::{ActivationCode, Iccid, Msisdn, OrderNum, PoolId, Timestamp};

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
    /// The subscription that it carries, once it is provisioned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription: Option<String>,
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
    /// Never to be sold, until somebody decides otherwise.
    SetAside,
}

impl Store {
    /// Reads cards, consistently, in the order asked for; ones that do not exist are left out.
    pub async fn sims(&self, iccids: &[Iccid]) -> Result<Vec<Sim>, StoreError> {
        let mut sims: Vec<Sim> = Vec::with_capacity(iccids.len());
        for hundred in iccids.chunks(100) {
            let items = self.batch_get(&self.tables.sims, hundred.iter().map(keys::sim).collect(), true).await?;
            let mut found = items.into_iter().map(from_item::<Sim>).collect::<Result<Vec<_>, _>>()?;
            found.sort_by_key(|sim| hundred.iter().position(|iccid| *iccid == sim.iccid));
            sims.append(&mut found);
        }
        Ok(sims)
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
