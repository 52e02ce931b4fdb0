//! Which plans can be asked for.

use crate::submit::ChangeRequest;
use crate::{Problem, visible_to};
use simdock_domain::{Plan, Subscription, SubscriptionChange};
use simdock_store::{Principal, Store};
use std::sync::Arc;

/// Which plans are asked for; what is absent does not matter.
#[derive(Clone, Debug, Default)]
pub struct PlanQuery {
    /// Only those that this partner may sell.
    pub partner_id: Option<String>,
    /// Only those that can be added to this subscription now.
    pub subscription: Option<Subscription>,
    /// Only those that the partner can pay for from a balance: it has one in their currency, or they cost nothing.
    pub by_balance: bool,
}

/// The plans as asked for, decided as an order of each would be. Without a partner all, withdrawn ones too.
pub async fn plans_for(store: &Store, principal: &Principal, query: &PlanQuery) -> Result<Vec<Arc<Plan>>, Problem> {
    let mut plans = store.plans().await?;
    let partner = query.subscription.as_ref().map(|subscription| &subscription.partner_id).or(query.partner_id.as_ref());
    let Some(partner) = partner else { return Ok(plans) };
    plans.retain(|plan| plan.sold_by(partner) && query.partner_id.as_ref().is_none_or(|named| plan.sold_by(named)));
    if query.by_balance {
        let account = store.account(partner).await?;
        let balances = account.map(|account| account.balances).unwrap_or_default();
        plans.retain(|plan| {
            plan.price.amount == 0 || balances.iter().any(|balance| balance.amount.currency == plan.price.currency)
        });
    }
    if let Some(subscription) = &query.subscription {
        let main = visible_to(principal, store.order(&subscription.main_order).await?)?;
        let change = ChangeRequest::supposed(principal, subscription, main);
        let (added, now) = (SubscriptionChange::Plan { add_on_ids: Vec::new() }, store.clock().now());
        plans.retain(|plan| change.check(added.clone(), plan, now).is_ok());
    }
    Ok(plans)
}
