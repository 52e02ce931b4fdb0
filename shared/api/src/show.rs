use crate::actions::sim_actions;
use crate::view::{OrderView, SimView, SubscriptionView, card_view};
use crate::{Problem, Session};
use futures_util::future::{join_all, try_join};
use lambda_http::Request;
use simdock_domain::{Iccid, Line, Order, Subscription};
use simdock_store::{Conflict, Principal, Sim, Store, StoreError};

/// Whose codes an answer holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Codes {
    /// Those of all cards.
    All,
    /// That of one card.
    Of(Iccid),
    /// None.
    None,
}

impl Codes {
    /// Those in the answer to a request that does something. The order desk shows codes where somebody asks to see them, so that what
    /// is done there discloses none.
    pub fn of_answer(request: &Request) -> Self {
        if request.extensions().get::<Session>().is_some() { Self::None } else { Self::All }
    }

    fn include(&self, iccid: &Iccid) -> bool {
        match self {
            Self::All => true,
            Self::Of(one) => one == iccid,
            Self::None => false,
        }
    }
}

/// An order with its cards, as it stands now and as whoever reads it may see it, with the codes of some cards. The first time that a
/// card's code is among them, the card is marked as disclosed before the answer leaves.
pub async fn show(store: &Store, reader: &Principal, order: &Order, codes: &Codes) -> Result<OrderView, Problem> {
    let now = store.clock().now();
    let plan = store.plan_version(&order.plan_id, order.plan_version).await?;
    let mut cards = Vec::new();
    if order.is_paid() {
        let (sims, subscriptions) = cards_of(store, order).await?;
        let mut first_shown = Vec::new();
        for (index, line) in order.lines.iter().enumerate() {
            let Some(bought) = &line.iccid else { continue };
            let id = order.subscription_of(index);
            let subscription = subscriptions.iter().find(|subscription| subscription.id == id);
            // After a swap, what the line brought is on another card.
            let iccid = if order.kind.takes_cards() { current(order, subscription, bought) } else { bought };
            let sim = sims.iter().find(|sim| sim.iccid == *iccid);
            let sim = sim.ok_or_else(|| StoreError::Broken(format!("order {} has a card that is in no table", order.num)))?;
            let preloaded = store.is_preloaded(&sim.pool.operator).await?;
            let card = card_view(order, index, sim, subscription, &plan, preloaded, now);
            let card = if codes.include(iccid) { card } else { card.without_code() };
            if let Some(sold_by) = sim.order_num.clone().filter(|_| card.discloses() && sim.disclosed_at.is_none()) {
                first_shown.push((sim.iccid.clone(), sold_by));
            }
            cards.push(card);
        }
        for marked in join_all(first_shown.iter().map(|(iccid, sold_by)| store.disclose(iccid, sold_by))).await {
            // One that went back into stock while the order was read is the next buyer's.
            marked?.map_err(|Conflict| Problem::unavailable("A card of this order is changing hands."))?;
        }
    }
    Ok(OrderView::new(order, &plan, Some(cards), reader, now))
}

fn current<'a>(order: &Order, subscription: Option<&'a Subscription>, bought: &'a Iccid) -> &'a Iccid {
    match subscription {
        Some(subscription) if order.subject.is_none() => &subscription.iccid,
        Some(_) | None => bought,
    }
}

/// The line of an order that a card goes with: the card that was sold with it, or the one that carries its subscription since a
/// swap.
pub async fn line_of(store: &Store, order: &Order, iccid: &str) -> Result<Option<usize>, StoreError> {
    let sold = |line: &Line| line.iccid.as_ref().is_some_and(|card| card.as_str() == iccid);
    if let Some(line) = order.lines.iter().position(sold) {
        return Ok(Some(line));
    }
    let Ok(iccid) = iccid.parse::<Iccid>() else { return Ok(None) };
    let carried = store.sim(&iccid).await?.and_then(|sim| sim.subscription);
    Ok((0..order.lines.len()).find(|line| carried.as_ref() == Some(&order.subscription_of(*line))))
}

/// The cards of an order's lines, those that replaced them, and their subscriptions.
async fn cards_of(store: &Store, order: &Order) -> Result<(Vec<Sim>, Vec<Subscription>), StoreError> {
    let (mut sims, subscriptions) = store.sims_and_subscriptions(order).await?;
    let sold = |iccid: &&Iccid| order.lines.iter().any(|line| line.iccid.as_ref() == Some(*iccid));
    let replaced: Vec<Iccid> =
        subscriptions.iter().map(|subscription| &subscription.iccid).filter(|iccid| !sold(iccid)).cloned().collect();
    sims.extend(store.sims(&replaced).await?);
    Ok((sims, subscriptions))
}

/// An order in a list, without its cards.
pub async fn list_entry(store: &Store, reader: &Principal, order: &Order) -> Result<OrderView, Problem> {
    let plan = store.plan_version(&order.plan_id, order.plan_version).await?;
    Ok(OrderView::new(order, &plan, None, reader, store.clock().now()))
}

/// A subscription with its plans, its cards and the orders that made it what it is.
pub async fn show_subscription(
    store: &Store,
    reader: &Principal,
    subscription: &Subscription,
) -> Result<SubscriptionView, Problem> {
    let (sim, orders) = try_join(store.sim(&subscription.iccid), store.orders_of_subscription(subscription)).await?;
    let (main, orders) = orders;
    Ok(SubscriptionView::new(subscription, sim.as_ref(), main.as_ref(), &orders, reader))
}

/// A card as it stands now.
pub async fn show_sim(store: &Store, sim: Sim) -> Result<SimView, Problem> {
    let report = store.sim_reports(vec![sim]).await?.pop().ok_or_else(|| Problem::internal("a card without a report"))?;
    let now = store.clock().now();
    let actions = sim_actions(&report, now)?;
    Ok(SimView::new(report, now).with_actions(actions))
}
