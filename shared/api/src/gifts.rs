//! Who is entitled to a complimentary order.

use crate::{Problem, subscription_of};
use simdock_domain::{EmailAddress, Gift, Plan, PlanRun, Subscription};
use simdock_store::{Principal, Store};

/// Refuses a gift that the subscriber with this address is not entitled to. Whether it was given before, and whether the partner has
/// one left to give, is decided when it is given.
pub async fn eligible(store: &Store, partner_id: &str, email: &EmailAddress, gift: &Gift, plan: &Plan) -> Result<(), Problem> {
    if plan.complimentary_with.is_empty() {
        return Err(Problem::not_eligible("plan", "This plan is never complimentary."));
    }
    let partner = store.partner(partner_id).await?.filter(|partner| partner.gift_quota > 0);
    if partner.is_none() && !gift.by_manager {
        return Err(Problem::not_eligible("no_grant", "You may not make complimentary orders."));
    }
    let owner = Principal::Partner { partner_id: partner_id.to_owned() };
    let subscription = subscription_of(store, &owner, &gift.subscription).await;
    let subscription = subscription.map_err(|_| Problem::not_eligible("no_subscription", "There is no such subscription."))?;
    let main = store.order(&subscription.main_order).await?;
    if main.is_none_or(|main| main.subscriber.email != *email) {
        return Err(Problem::not_eligible("other_subscriber", "The subscription is somebody else's."));
    }
    if !entitles(&subscription, plan) {
        return Err(Problem::not_eligible("no_eligible_plan", "The subscription has no plan that entitles to this one."));
    }
    if partner.is_some_and(|partner| partner.gifts >= partner.gift_quota) && !gift.by_manager {
        return Err(Problem::not_eligible("quota_used_up", "You have made all the complimentary orders that you may."));
    }
    Ok(())
}

fn entitles(subscription: &Subscription, plan: &Plan) -> bool {
    let run = |run: &PlanRun| run.is_open() && plan.complimentary_with.contains(&run.plan_id);
    subscription.ended.is_none() && subscription.plans.iter().any(run)
}

/// The plans that a subscription entitles its subscriber to now, for whoever asks; or why there is none.
pub(crate) async fn gifts_of(
    store: &Store,
    principal: &Principal,
    subscription: &Subscription,
    email: &EmailAddress,
) -> Result<Vec<String>, Problem> {
    let partner_id = &subscription.partner_id;
    let plans = store.plans().await?;
    let fits = plans.iter().filter(|plan| plan.sold_by(partner_id) && entitles(subscription, plan));
    let plan_ids: Vec<String> = fits.clone().map(|plan| plan.plan_id.clone()).collect();
    let Some(any) = fits.into_iter().next() else {
        return Err(Problem::not_eligible("no_eligible_plan", "The subscription has no plan that entitles to another one."));
    };
    // What is left to refuse is the same for all of them.
    let by_manager = principal.is_manager();
    let gift = Gift { subscription: subscription.id.clone(), by_manager };
    eligible(store, partner_id, email, &gift, any).await?;
    match store.gift(partner_id, &subscription.id).await? {
        None => Ok(plan_ids),
        Some(order) => Err(Problem::not_eligible("nothing_to_give", &format!("Its gift was given with order {order}."))),
    }
}
