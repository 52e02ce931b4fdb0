//! Keeps orders, subscriptions and cards in step: what a decision about one means for the others is written with it.

use crate::sims::{Sim, SimRules, SimState};
use crate::stock::{Aside, Ticket};
use crate::transaction::Transaction;
use crate::{Conflict, Store, StoreError};
use futures_util::future::join;
use simdock_domain::{
    ActivationCode, Closed, Command, EndReason, LineState, Msisdn, Order, OrderType, PlanRun, Profile, Rejected, RunState,
    Subscription, Timestamp, Used, decide,
};

/// A card that the carrier activated.
#[derive(Clone, Debug, PartialEq)]
pub struct Activation {
    /// The line's place in the order.
    pub line: usize,
    /// The code that replaces the one from the inventory, if the carrier gave one.
    pub activation_code: Option<ActivationCode>,
    /// The number that replaces the one from the inventory, if the carrier gave one.
    pub msisdn: Option<Msisdn>,
}

impl Activation {
    /// How many activations one transaction records: the order, and a card and a subscription each.
    pub const MOST: usize = 49;
}

/// What an order's next version is written with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    /// What carriers said about cards that they activated.
    pub activations: &'a [Activation],
    /// The cards of the lines that change, as they are.
    pub sims: &'a [Sim],
}

impl Store {
    /// Writes an order's next version and, in the same transaction, what it means for its cards and subscriptions:
    ///
    /// | order | line | card | subscription |
    /// |---|---|---|---|
    /// | activation | pending to live | active | begins |
    /// | | pending to failed | set aside | |
    /// | | failed to pending | sold | |
    /// | | cancelling to cancelled | back to stock or set aside | ends, and what others brought to it |
    /// | | cancelling to live or ended | | is free for other changes; live only if what it brought is open |
    /// | swap | pending to live | active | |
    /// | | pending to failed, cancelling to cancelled | set aside or back to stock | is free for other changes |
    /// | top-up, renewal | to failed or cancelled | | loses what the order brought |
    /// | | cancelling to live or ended | | live only if what it brought is open |
    /// | cancellation | pending to live | retired | ends, and what others brought to it |
    /// | | pending to failed | | is free for other changes |
    pub async fn write_in_step(
        &self,
        before: &Order,
        next: &Order,
        facts: Facts<'_>,
        now: Timestamp,
    ) -> Result<Result<(), Conflict>, StoreError> {
        let mut write = self.transaction();
        write.order(next)?;
        for (line, (was, is)) in before.lines.iter().zip(&next.lines).enumerate().filter(|(_, (was, is))| was.state != is.state) {
            let sim = || {
                let sim = facts.sims.iter().find(|sim| Some(&sim.iccid) == is.iccid.as_ref());
                sim.ok_or_else(|| StoreError::Broken(format!("line {line} of {} has no card", next.num)))
            };
            match (next.kind, was.state, is.state) {
                (OrderType::ActivateSubscription | OrderType::SwapSim, LineState::Pending, LineState::Live) => {
                    let activation = facts.activations.iter().find(|activation| activation.line == line);
                    let missing = || StoreError::Broken(format!("line {line} of {} was activated by nobody", next.num));
                    write.activated(next, activation.ok_or_else(missing)?, now)?;
                    if next.kind == OrderType::ActivateSubscription {
                        let plan = self.plan_version(&next.plan_id, next.plan_version).await?;
                        let (iccid, pool, until) = (sim()?.iccid.clone(), sim()?.pool.clone(), sim()?.activate_before);
                        write.begin(&Subscription::begin(next, line, iccid, pool, until, &plan, now))?;
                    }
                }
                (OrderType::ActivateSubscription, LineState::Pending, LineState::Failed) => {
                    // A card that is in no table cannot be set aside.
                    if let Ok(sim) = sim() {
                        write.set_aside(&sim.iccid, &next.num)?;
                    }
                }
                (OrderType::ActivateSubscription, LineState::Failed, LineState::Pending) => {
                    write.try_again(&sim()?.iccid, &next.num)?;
                }
                (OrderType::ActivateSubscription, LineState::Cancelling, LineState::Cancelled) => {
                    let subscription = self.subscription(&next.subscription_of(line)).await?;
                    // Where a cancellation came first, the card was stopped with the subscription.
                    if subscription.as_ref().is_none_or(|subscription| subscription.ended.is_none()) {
                        write.revoked(sim()?, &next.num)?;
                    }
                    if let Some(subscription) = subscription {
                        self.end(&mut write, next, &subscription, EndReason::Refunded, sim()?, now).await?;
                    }
                }
                (
                    OrderType::ActivateSubscription | OrderType::TopUpSubscription | OrderType::Renewal,
                    LineState::Cancelling,
                    LineState::Live | LineState::Ended,
                ) => {
                    if !self.stays(&mut write, next, line).await? {
                        return Ok(Err(Conflict));
                    }
                }
                (OrderType::CancelSubscription, LineState::Pending, LineState::Failed) => {
                    self.release(&mut write, next, line).await?;
                }
                (OrderType::SwapSim, LineState::Pending, LineState::Failed) => {
                    if let Ok(sim) = sim() {
                        write.set_aside(&sim.iccid, &next.num)?;
                    }
                    self.release(&mut write, next, line).await?;
                }
                (OrderType::SwapSim, LineState::Cancelling, LineState::Cancelled) => {
                    write.revoked(sim()?, &next.num)?;
                    self.release(&mut write, next, line).await?;
                }
                (
                    OrderType::TopUpSubscription | OrderType::Renewal,
                    LineState::Pending | LineState::Live | LineState::Cancelling,
                    LineState::Failed | LineState::Cancelled,
                ) => {
                    if let Some(subscription) = self.subscription(&next.subscription_of(line)).await?
                        && let Ok(without) = subscription.remove(&next.num, now)
                    {
                        write.subscription(&without)?;
                    }
                }
                (OrderType::CancelSubscription, LineState::Pending, LineState::Live) => {
                    let subscription = self.subscription(&next.subscription_of(line)).await?;
                    let subscription = subscription.ok_or_else(|| StoreError::Broken("a cancellation of nothing".to_owned()))?;
                    let sim = self.sim(&subscription.iccid).await?;
                    let sim = sim.ok_or_else(|| StoreError::Broken("a subscription without a card".to_owned()))?;
                    write.retired(&sim.iccid, &subscription.id)?;
                    self.end(&mut write, next, &subscription, EndReason::Cancelled, &sim, now).await?;
                }
                // What else happens to a line follows from its subscription, or means nothing to others.
                (
                    OrderType::ActivateSubscription
                    | OrderType::SwapSim
                    | OrderType::TopUpSubscription
                    | OrderType::Renewal
                    | OrderType::CancelSubscription,
                    LineState::Pending
                    | LineState::Live
                    | LineState::Cancelling
                    | LineState::Cancelled
                    | LineState::Ended
                    | LineState::Failed,
                    _,
                ) => {}
            }
        }
        write.commit().await
    }

    /// Writes a subscription's next version together with the orders whose plans or add-ons are over by it.
    pub async fn write_subscription(
        &self,
        before: &Subscription,
        next: &Subscription,
        now: Timestamp,
    ) -> Result<Result<(), Conflict>, StoreError> {
        let mut write = self.transaction();
        write.subscription(next)?;
        self.plans_over(&mut write, before, next, now).await?;
        write.commit().await
    }

    /// The new card of a swap was installed: it carries the subscription from here on, and the old one is retired. `swap` is the
    /// swap's order after that, `sim` the new card and `profile` what is known of it now; `rules` are those of the old card.
    pub async fn swapped(
        &self,
        swap: &Order,
        before: &Subscription,
        next: &Subscription,
        sim: &Sim,
        profile: &Profile,
        rules: SimRules,
    ) -> Result<Result<(), Conflict>, StoreError> {
        let mut write = self.transaction();
        write.order(swap)?.subscription(next)?.took_over(sim, profile, &next.id, rules)?.retired(&before.iccid, &before.id)?;
        write.commit().await
    }

    /// What became of a card on a phone; refused if the card stands elsewhere meanwhile, or somebody else reported. Its code has left
    /// then, whoever showed it. A card that is for sale goes off sale with that: its next buyer would get a profile that somebody has.
    pub async fn write_profile(&self, sim: &Sim, profile: &Profile) -> Result<Result<(), Conflict>, StoreError> {
        let mut write = self.transaction();
        match sim.slot.filter(|_| sim.state == SimState::Stocked) {
            None => {
                write.profile(sim, profile)?;
            }
            Some(slot) => {
                tracing::warn!(iccid = sim.iccid.as_str(), "a card that is for sale is on a phone: taking it off sale");
                let on_phone = Aside::OnPhone(profile, self.clock.now());
                for item in self.aside(&sim.pool, &[Ticket::of_card(sim, slot)], on_phone)? {
                    write.push(item);
                }
            }
        }
        write.commit().await
    }

    /// The cards that were sold with an order's lines, and the subscriptions that the lines began or change.
    pub async fn sims_and_subscriptions(&self, order: &Order) -> Result<(Vec<Sim>, Vec<Subscription>), StoreError> {
        let iccids: Vec<_> = order.lines.iter().filter_map(|line| line.iccid.clone()).collect();
        let mut ids: Vec<String> = (0..order.lines.len()).map(|line| order.subscription_of(line)).collect();
        ids.dedup();
        let (sims, subscriptions) = join(self.sims(&iccids), self.subscriptions(&ids)).await;
        Ok((sims?, subscriptions?))
    }

    /// What became of what each line of an order brought, and what keeps its subscription from being changed by the order.
    pub async fn used_lines(&self, order: &Order) -> Result<Vec<(Used, Option<Closed>)>, StoreError> {
        let (sims, subscriptions) = self.sims_and_subscriptions(order).await?;
        let line = |(index, line): (usize, &simdock_domain::Line)| {
            let sim = sims.iter().find(|sim| Some(&sim.iccid) == line.iccid.as_ref());
            let id = order.subscription_of(index);
            let subscription = subscriptions.iter().find(|subscription| subscription.id == id);
            let used = sim.zip(subscription).map_or_else(Used::default, |(sim, subscription)| used(order, subscription, sim));
            (used, subscription.and_then(|subscription| subscription.closed_by_others(&order.num)))
        };
        Ok(order.lines.iter().enumerate().map(line).collect())
    }

    /// The card that each line of an order goes with now, by the line's place: the one that was sold with it, or the one that took
    /// over its subscription in a swap. Lines without a card are left out.
    pub async fn current_sims(&self, order: &Order) -> Result<Vec<(usize, Sim)>, StoreError> {
        let lines = 0..order.lines.len();
        let begun = match &order.subject {
            // What it changed is carried by whichever card; its own is the one that it brought, until a later swap replaces that.
            Some(_) if !order.has_swapped() => Vec::new(),
            Some(_) | None => {
                self.subscriptions(&lines.clone().map(|line| order.subscription_of(line)).collect::<Vec<_>>()).await?
            }
        };
        let current = |line: usize| {
            let sold = order.lines[line].iccid.as_ref()?;
            let carried = begun.iter().find(|subscription| subscription.id == order.subscription_of(line));
            Some((line, carried.map_or(sold, |subscription| &subscription.iccid).clone()))
        };
        let cards: Vec<_> = lines.filter_map(current).collect();
        let sims = self.sims(&cards.iter().map(|(_, iccid)| iccid.clone()).collect::<Vec<_>>()).await?;
        let sim = |(line, iccid)| Some((line, sims.iter().find(|sim| sim.iccid == iccid)?.clone()));
        Ok(cards.into_iter().filter_map(sim).collect())
    }

    async fn plans_over(
        &self,
        write: &mut Transaction<'_>,
        before: &Subscription,
        next: &Subscription,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for (num, line, why) in before.closed_by(next) {
            let Some(order) = self.order(&num).await? else { continue };
            match decide(&order, Command::PlanOver { line, why }, now) {
                Ok(over) => {
                    write.order(&over)?;
                }
                // Its line is being cancelled, or is over already.
                Err(rejected) => tracing::info!(orderNum = %num, ?rejected, "a plan is over that its order does not have"),
            }
        }
        Ok(())
    }

    /// Ends a subscription together with what orders other than `by` brought to it.
    async fn end(
        &self,
        write: &mut Transaction<'_>,
        by: &Order,
        subscription: &Subscription,
        why: EndReason,
        sim: &Sim,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Ok(ended) = subscription.end(why, now) else { return Ok(()) };
        write.subscription(&ended)?;
        for (num, line, _) in subscription.closed_by(&ended) {
            if num == by.num {
                continue;
            }
            let Some(order) = self.order(&num).await? else { continue };
            let policy = self.plan_version(&order.plan_id, order.plan_version).await?.refund_policy;
            let used = used(&order, subscription, sim);
            match decide(&order, Command::SubscriptionOver { line, policy, used }, now) {
                Ok(over) => {
                    write.order(&over)?;
                }
                Err(Rejected::Done | Rejected::NotAllowed) => {}
                Err(rejected) => tracing::warn!(orderNum = %num, ?rejected, "a line did not end with its subscription"),
            }
        }
        Ok(())
    }

    /// A line is not cancelled after all. Whoever ends its subscription, or a plan on it, leaves a line alone that is being cancelled:
    /// the subscription is written, so that they read the line again; or if they were first, the answer is no, and the line is to be
    /// told that it is over.
    async fn stays(&self, write: &mut Transaction<'_>, order: &Order, line: usize) -> Result<bool, StoreError> {
        let Some(subscription) = self.subscription(&order.subscription_of(line)).await? else { return Ok(true) };
        if order.lines[line].state == LineState::Live && !subscription.has_open(&order.num, line) {
            return Ok(false);
        }
        if subscription.ended.is_none() {
            write.subscription(&subscription.release(&order.num).unwrap_or_else(|_| subscription.touched()))?;
        }
        Ok(true)
    }

    /// Ends the change that an order's line made of its subscription, if it did.
    async fn release(&self, write: &mut Transaction<'_>, order: &Order, line: usize) -> Result<(), StoreError> {
        if let Some(subscription) = self.subscription(&order.subscription_of(line)).await?
            && let Ok(free) = subscription.release(&order.num)
        {
            write.subscription(&free)?;
        }
        Ok(())
    }
}

/// What became of what an order brought to a subscription, whose card is `sim`.
pub fn used(order: &Order, subscription: &Subscription, sim: &Sim) -> Used {
    let has_run = |run: &PlanRun| match run.state {
        RunState::Running { .. } | RunState::Over { from: Some(_), .. } => true,
        RunState::Waiting | RunState::Over { from: None, .. } => false,
    };
    let installed = match order.kind {
        // A swap is over when its card was installed, and whatever plan has run did so on a phone.
        OrderType::ActivateSubscription => {
            sim.profile.installed_at.is_some() || !subscription.past_cards.is_empty() || subscription.plans.iter().any(has_run)
        }
        OrderType::SwapSim => sim.profile.installed_at.is_some(),
        OrderType::TopUpSubscription | OrderType::Renewal | OrderType::CancelSubscription => false,
    };
    Used { installed, activated: subscription.has_begun(&order.num) }
}
