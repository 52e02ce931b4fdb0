//! Who is entitled to a complimentary order.

use crate::{Problem, subscription_of};
use futures_util::future::try_join3;
use simdock_domain::{EmailAddress, Gift, Order, OrderNum, Plan, PlanRun, Subscription};
use simdock_store::{Partner, Principal, Store};
use std::sync::Arc;

/// Refuses a gift that the subscriber with this address is not entitled to. Whether it was given before, and whether the partner has
/// one left to give, is decided when it is given.
pub async fn eligible(store: &Store, partner_id: &str, email: &EmailAddress, gift: &Gift, plan: &Plan) -> Result<(), Problem> {
    if plan.complimentary_with.is_empty() {
        return Err(Problem::not_eligible("plan", "This plan is never complimentary."));
    }
    let partner = store.partner(partner_id).await?;
    grants(partner.as_ref(), gift.by_manager)?;
    let owner = Principal::Partner { partner_id: partner_id.to_owned() };
    let subscription = subscription_of(store, &owner, &gift.subscription).await;
    let subscription = subscription.map_err(|_| Problem::not_eligible("no_subscription", "There is no such subscription."))?;
    let main = store.order(&subscription.main_order).await?;
    let Some(main) = main.filter(|main| main.subscriber.email == *email) else {
        return Err(Problem::not_eligible("other_subscriber", "The subscription is somebody else's."));
    };
    if !entitles(&subscription, &main, plan) {
        return Err(Problem::not_eligible("no_eligible_plan", "The subscription has no plan that entitles to this one."));
    }
    has_left(partner.as_ref(), gift.by_manager)
}

/// Whether whoever asks may give anything in a partner's name.
fn grants(partner: Option<&Partner>, by_manager: bool) -> Result<(), Problem> {
    if by_manager || partner.is_some_and(|partner| partner.gift_quota > 0) {
        return Ok(());
    }
    Err(Problem::not_eligible("no_grant", "You may not make complimentary orders."))
}

/// Whether the partner has anything left to give.
fn has_left(partner: Option<&Partner>, by_manager: bool) -> Result<(), Problem> {
    if by_manager || partner.is_some_and(|partner| partner.gifts < partner.gift_quota) {
        return Ok(());
    }
    Err(Problem::not_eligible("quota_used_up", "You have made all the complimentary orders that you may."))
}

/// `main` is the order that began the subscription: whoever gives that back keeps no gift for it.
fn entitles(subscription: &Subscription, main: &Order, plan: &Plan) -> bool {
    let run = |run: &PlanRun| run.is_open() && plan.complimentary_with.contains(&run.plan_id);
    subscription.ended.is_none() && !main.takes_back(&subscription.id) && subscription.plans.iter().any(run)
}

/// What is on record of gifts for a subscription.
pub(crate) struct Gifts {
    plans: Vec<Arc<Plan>>,
    partner: Option<Partner>,
    given: Option<OrderNum>,
}

impl Gifts {
    /// Reads it.
    pub(crate) async fn of(store: &Store, subscription: &Subscription) -> Result<Self, Problem> {
        let partner_id = &subscription.partner_id;
        let (partner, given) = (store.partner(partner_id), store.gift(partner_id, &subscription.id));
        let (plans, partner, given) = try_join3(Box::pin(store.plans()), partner, given).await?;
        Ok(Self { plans, partner, given })
    }

    /// The plans that a subscription entitles its subscriber to now, for whoever asks; or why there is none. `main` is the order that
    /// began the subscription.
    pub(crate) fn left(&self, principal: &Principal, subscription: &Subscription, main: &Order) -> Result<Vec<String>, Problem> {
        let fits = |plan: &&Arc<Plan>| plan.sold_by(&subscription.partner_id) && entitles(subscription, main, plan);
        let plan_ids: Vec<String> = self.plans.iter().filter(fits).map(|plan| plan.plan_id.clone()).collect();
        if plan_ids.is_empty() {
            return Err(Problem::not_eligible("no_eligible_plan", "The subscription has no plan that entitles to another one."));
        }
        let by_manager = principal.is_manager();
        grants(self.partner.as_ref(), by_manager)?;
        has_left(self.partner.as_ref(), by_manager)?;
        match &self.given {
            None => Ok(plan_ids),
            Some(order) => Err(Problem::not_eligible("nothing_to_give", &format!("Its gift was given with order {order}."))),
        }
    }
}
