use crate::Problem;
use crate::view::{OrderView, card_view};
use futures_util::future::join_all;
use simdock_domain::Order;
use simdock_store::{Provisioning, Store, StoreError};

/// An order with its cards, as it stands now. The first time that a card's code is among them, the card is marked as disclosed
/// before the answer leaves.
pub async fn show(store: &Store, order: &Order) -> Result<OrderView, Problem> {
    let now = store.clock().now();
    let plan = store.plan_version(&order.plan_id, order.plan_version).await?;
    let mut cards = Vec::new();
    if order.is_paid() {
        let iccids: Vec<_> = order.lines.iter().filter_map(|line| line.iccid.clone()).collect();
        let mut first_shown = Vec::new();
        let sims = store.sims(&iccids).await?;
        for (index, line) in order.lines.iter().enumerate() {
            let Some(iccid) = &line.iccid else { continue };
            let sim = sims.iter().find(|sim| sim.iccid == *iccid);
            let sim = sim.ok_or_else(|| StoreError::Broken(format!("order {} has a card that is in no table", order.num)))?;
            let operator = store.operator(&sim.pool.operator).await?;
            let preloaded = operator.is_some_and(|operator| operator.provisioning == Provisioning::Preloaded);
            let card = card_view(order, index, sim, &plan, preloaded, now);
            if card.discloses() && sim.disclosed_at.is_none() {
                first_shown.push(iccid);
            }
            cards.push(card);
        }
        for marked in join_all(first_shown.into_iter().map(|iccid| store.disclose(iccid, &order.num))).await {
            marked?;
        }
    }
    Ok(OrderView::new(order, &plan, Some(cards), now))
}

/// An order in a list, without its cards.
pub async fn list_entry(store: &Store, order: &Order) -> Result<OrderView, Problem> {
    let plan = store.plan_version(&order.plan_id, order.plan_version).await?;
    Ok(OrderView::new(order, &plan, None, store.clock().now()))
}
