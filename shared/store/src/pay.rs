//! Paying: a payment meets an order, tickets are drawn, and one transaction makes the order paid and each card sold.

use crate::item::{number, number_of, text, text_of};
use crate::stock::{Draw, Ticket, built, put_new};
use crate::write::{SendError, TransactError, Twice, send};
use crate::{Sim, SimState, Store, StoreError, keys};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update};
use futures_util::future::join;
use simdock_domain::{
    Cards, ChangeKind, Command, Gift, Iccid, Intake, Money, OpenChange, Order, OrderNum, OrderType, Plan, PoolId, Provider,
    Rejected, Subscription, Timestamp, VoidReason, decide, decide_all,
};
use std::collections::BTreeSet;
use std::time::Duration;

/// How often a payment is decided anew: each time a card turned out to be dead or the order changed meanwhile.
const ROUNDS: u32 = 40;

/// The most that a sale writes beside its order, its cards and their subscriptions: a gift's record and quota, or a balance and its
/// ledger; with a subscription that changes.
const BESIDES: usize = 3;

/// How long a buyer waits, in milliseconds, before "sold out" counts: the last tickets may be with another delivery of its own
/// webhook, or with somebody about to give them back.
const SECOND_LOOK: std::ops::Range<u64> = 200..400;

/// A card that an order gets.
pub struct Bought {
    /// Its number.
    pub iccid: Iccid,
    /// Where it belongs.
    pub pool: PoolId,
    /// Until when its profile can be installed.
    pub activate_before: Option<Timestamp>,
    /// The slot where it was drawn; none if it was asked for by its number.
    pub slot: Option<u64>,
}

/// What an order gets for its money.
struct Delivery {
    /// Its cards, one for each line.
    cards: Vec<Bought>,
    /// What its subscription becomes.
    subscription: Option<Subscription>,
    /// Whether nobody has to be asked to make it work.
    works_at_once: bool,
}

/// Whether an order can get what it is paid for.
enum Supply {
    /// It can.
    Ready(Box<Delivery>),
    /// None of these pools has enough, or a card that was asked for by number is gone.
    SoldOut(Vec<PoolId>),
    /// The subscription takes nothing any more.
    Closed,
}

/// What became of a sale.
enum Sold {
    /// It happened.
    Yes(Box<Order>),
    /// It had happened before.
    Known,
    /// It cannot, for this reason.
    No(VoidReason),
    /// Somebody else changed something first: try again, without the cards at these places.
    Again(Vec<usize>),
}

/// What a payment provider told.
#[derive(Clone, Debug, PartialEq)]
pub struct Receipt {
    /// Who took the money.
    pub provider: Provider,
    /// The provider's id of the payment.
    pub payment_id: String,
    /// What was really received.
    pub received: Money,
}

/// What became of a payment.
#[derive(Debug)]
pub enum Paid {
    /// It is on record now; the order says whether it paid for the order or is owed back.
    Recorded(Box<Order>),
    /// It was on record before.
    Known(Box<Order>),
    /// There is no such order.
    NoOrder,
    /// It is on record with another order; one payment pays once.
    Elsewhere(String),
    /// The order was given up for this reason, without any money having moved.
    GivenUp(Box<Order>, VoidReason),
}

impl Bought {
    fn drawn(ticket: &Ticket) -> Self {
        let Ticket { pool, slot, iccid, activate_before } = ticket.clone();
        Self { iccid, pool, activate_before, slot: Some(slot) }
    }

    fn by_number(sim: Sim) -> Self {
        Self { iccid: sim.iccid, pool: sim.pool, activate_before: sim.activate_before, slot: None }
    }
}

fn received(receipt: &Receipt, cards: Cards) -> Command {
    Command::Receive { provider: receipt.provider, payment_id: receipt.payment_id.clone(), received: receipt.received, cards }
}

impl Store {
    /// Records a payment. If it pays for the order, cards are drawn and sold to it in the same transaction; else it is owed
    /// back. A payment from the partner's balance is debited in that transaction.
    pub async fn receive_payment(&self, num: &OrderNum, receipt: &Receipt) -> Result<Paid, StoreError> {
        let mut held: Vec<Ticket> = Vec::new();
        let outcome = self.settle(num, receipt, &mut held).await;
        let sold: &[_] = match &outcome {
            Ok(Paid::Recorded(order) | Paid::Known(order) | Paid::GivenUp(order, _)) => &order.lines,
            Ok(Paid::NoOrder | Paid::Elsewhere(_)) => &[],
            // Whether the sale happened is not known; the sweep finds out.
            Err(_) => return outcome,
        };
        held.retain(|ticket| !sold.iter().any(|line| line.iccid.as_ref() == Some(&ticket.iccid)));
        if !held.is_empty() {
            // What cannot be given back now is found by the sweep as a leaked ticket.
            match self.give_back(&held, self.clock.now()).await {
                Ok(given) => tracing::info!(orderNum = %num, given, "tickets given back"),
                Err(error) => tracing::warn!(orderNum = %num, %error, "tickets left to the sweep"),
            }
        }
        outcome
    }

    /// The order that a provider's payment belongs to, if it is on record or about to be.
    pub async fn order_of_payment(&self, provider: Provider, payment_id: &str) -> Result<Option<OrderNum>, StoreError> {
        let Some(claim) = self.partner_item(keys::payment(provider.name(), payment_id)).await? else { return Ok(None) };
        let num = text_of(&claim, "orderNum")?.parse();
        num.map(Some).map_err(|_| StoreError::Broken("a payment without an order".to_owned()))
    }

    async fn settle(&self, num: &OrderNum, receipt: &Receipt, held: &mut Vec<Ticket>) -> Result<Paid, StoreError> {
        let mut looked_twice = false;
        // A balance or a price of nothing is bound to its order by its id already.
        let mut claimed = matches!(receipt.provider, Provider::Balance | Provider::Free);
        for _ in 0..ROUNDS {
            let now = self.clock.now();
            let Some(order) = self.order(num).await? else { return Ok(Paid::NoOrder) };
            let from_balance = receipt.provider == Provider::Balance;
            let cards = match order.intake(&receipt.payment_id, receipt.received, now) {
                Intake::Known => return Ok(Paid::Known(Box::new(order))),
                // Money that never left the balance is not owed back.
                Intake::Returns(_) if from_balance || receipt.provider == Provider::Free => {
                    return Ok(Paid::Known(Box::new(order)));
                }
                Intake::Returns(_) => {
                    if let Some(other) = self.claim(receipt, num, &mut claimed).await? {
                        return Ok(Paid::Elsewhere(other));
                    }
                    Cards::NotDrawn
                }
                Intake::Pays(count) => {
                    let plan = self.plan_version(&order.plan_id, order.plan_version).await?;
                    let (other, supply) =
                        join(self.claim(receipt, num, &mut claimed), self.supply(&order, &plan, count, held, now)).await;
                    if let Some(other) = other? {
                        return Ok(Paid::Elsewhere(other));
                    }
                    let (cards, void) = match supply? {
                        Supply::Ready(delivery) => match self.sell_to(&order, &plan, &delivery, receipt, now).await? {
                            Sold::Yes(next) => return Ok(Paid::Recorded(next)),
                            Sold::Known => return Ok(Paid::Known(Box::new(order))),
                            Sold::No(void) => match self.give_up(&order, void, now).await? {
                                Some(paid) => return Ok(paid),
                                None => continue,
                            },
                            Sold::Again(dead) => {
                                for card in dead.into_iter().rev().filter(|_| order.wanted.is_empty()) {
                                    let ticket = held.remove(card);
                                    tracing::warn!(pool = %ticket.pool, slot = ticket.slot, "dead slot: the card is no longer for sale");
                                }
                                continue;
                            }
                        },
                        Supply::SoldOut(pools) => {
                            if !looked_twice && self.back_on_sale(&order, &pools, count - held.len()).await? {
                                looked_twice = true;
                                continue;
                            }
                            (Cards::SoldOut, VoidReason::SoldOut)
                        }
                        Supply::Closed => (Cards::Closed, VoidReason::SubscriptionClosed),
                    };
                    if from_balance || receipt.provider == Provider::Free {
                        match self.give_up(&order, void, now).await? {
                            Some(paid) => return Ok(paid),
                            None => continue,
                        }
                    }
                    cards
                }
            };
            match decide(&order, received(receipt, cards), now) {
                Ok(next) => {
                    if self.replace_order(&next).await?.is_ok() {
                        return Ok(Paid::Recorded(Box::new(next)));
                    }
                }
                Err(Rejected::Done) => return Ok(Paid::Known(Box::new(order))),
                Err(_) => {}
            }
        }
        Err(StoreError::Busy(format!("order {num} and its cards kept changing")))
    }

    /// What the order is to get for its money: cards from stock, and what its subscription becomes.
    async fn supply(
        &self,
        order: &Order,
        plan: &Plan,
        count: usize,
        held: &mut Vec<Ticket>,
        now: Timestamp,
    ) -> Result<Supply, StoreError> {
        let subscription = match &order.subject {
            None => None,
            Some(subject) => match self.subscription(&subject.subscription).await? {
                None => return Ok(Supply::Closed),
                Some(subscription) => Some(subscription),
            },
        };
        let open = |subscription: &Subscription| match order.kind {
            OrderType::ActivateSubscription => Ok(()),
            OrderType::TopUpSubscription | OrderType::Renewal => subscription.takes(order, plan, now),
            OrderType::CancelSubscription | OrderType::SwapSim => subscription.open(),
        };
        if subscription.as_ref().is_some_and(|subscription| open(subscription).is_err()) {
            return Ok(Supply::Closed);
        }
        let pools = match &subscription {
            Some(subscription) => vec![PoolId { form_factor: order.form_factor, ..subscription.pool.clone() }],
            None => plan.pools(order.form_factor),
        };
        let cards = if order.wanted.is_empty() {
            if !self.draw_all(&pools, count, held, now).await? {
                return Ok(Supply::SoldOut(pools));
            }
            held[..count].iter().map(Bought::drawn).collect()
        } else {
            let mut sims = self.sims(&order.wanted).await?;
            let for_sale = |sim: &Sim| {
                let there = sim.state == SimState::Stocked && pools.contains(&sim.pool);
                there && sim.disclosed_at.is_none() && !Self::too_near(sim.activate_before, now)
            };
            if sims.len() < count || !sims.iter().all(for_sale) {
                return Ok(Supply::SoldOut(Vec::new()));
            }
            let place = |sim: &Sim| order.wanted.iter().position(|iccid| *iccid == sim.iccid);
            sims.sort_by_key(place);
            sims.into_iter().map(Bought::by_number).collect::<Vec<_>>()
        };
        let works_at_once = self.works_at_once(order, &cards, subscription.as_ref()).await?;
        let Some(before) = subscription else {
            return Ok(Supply::Ready(Box::new(Delivery { cards, subscription: None, works_at_once })));
        };
        let new_card = cards.first().map(|card| card.iccid.clone());
        let change = |kind| before.claim(OpenChange::begin(kind, &order.num, new_card, now));
        let after = match order.kind {
            OrderType::ActivateSubscription => {
                return Err(StoreError::Broken("an activation of a subscription that is there".into()));
            }
            OrderType::TopUpSubscription | OrderType::Renewal => before.add(order, plan, now),
            OrderType::SwapSim => change(ChangeKind::Swap),
            OrderType::CancelSubscription => change(ChangeKind::Cancellation),
        };
        let delivery = |after| Delivery { cards, subscription: Some(after), works_at_once };
        Ok(after.map_or(Supply::Closed, |after| Supply::Ready(Box::new(delivery(after)))))
    }

    /// Whether what an order gets works as soon as it is paid: its operators only deliver cards that work already, and one transaction
    /// holds all that comes of it.
    async fn works_at_once(
        &self,
        order: &Order,
        cards: &[Bought],
        subscription: Option<&Subscription>,
    ) -> Result<bool, StoreError> {
        if order.kind == OrderType::CancelSubscription || 1 + 2 * cards.len() + BESIDES > Self::MOST_AT_ONCE {
            return Ok(false);
        }
        let pools = cards.iter().map(|card| &card.pool).chain(subscription.map(|subscription| &subscription.pool));
        for operator in pools.map(|pool| &pool.operator).collect::<BTreeSet<_>>() {
            if !self.is_preloaded(operator).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Tries to sell a delivery to its order, in one transaction: position 0 is the order, 1 to n its cards, then the subscriptions
    /// that begin or the one that changes, the main order of a renewal, what a gift uses up, and the balance with its ledger.
    async fn sell_to(
        &self,
        order: &Order,
        plan: &Plan,
        delivery: &Delivery,
        receipt: &Receipt,
        now: Timestamp,
    ) -> Result<Sold, StoreError> {
        let mut order = order.clone();
        if let (Some(subject), Some(subscription)) = (&mut order.subject, &delivery.subscription) {
            // The line may have swapped its card since the order was made.
            subject.iccid = subscription.iccid.clone();
        }
        let iccids = delivery.cards.iter().map(|card| card.iccid.clone()).collect();
        let mut commands = vec![received(receipt, Cards::Drawn(iccids))];
        if delivery.works_at_once {
            commands.push(Command::Provisioned((0..order.lines.len()).collect()));
        }
        let next = match decide_all(&order, commands, now) {
            Ok(next) => next,
            Err(Rejected::Done) => return Ok(Sold::Known),
            Err(_) => return Ok(Sold::Again(Vec::new())),
        };
        let mut sale = self.transaction();
        sale.order(&next)?;
        for (line, card) in delivery.cards.iter().enumerate() {
            sale.sold(card, &next, line, delivery.works_at_once, now)?;
        }
        if delivery.works_at_once && next.kind == OrderType::ActivateSubscription {
            for (line, Bought { iccid, pool, activate_before, .. }) in delivery.cards.iter().enumerate() {
                sale.begin(&Subscription::begin(&next, line, iccid.clone(), pool.clone(), *activate_before, plan, now))?;
            }
        }
        if let Some(subscription) = &delivery.subscription {
            sale.subscription(subscription)?;
        }
        if let Some(subject) = next.subject.as_ref().filter(|_| next.kind == OrderType::Renewal) {
            sale.renewal(&subject.main_order, &next, now)?;
        }
        let gift_at = sale.len();
        if let Some(gift) = &next.gift {
            for item in self.give(&next, gift)? {
                sale.push(item);
            }
        }
        let balance_at = sale.len();
        if receipt.provider == Provider::Balance {
            for item in self.debit(&next, receipt.received)? {
                sale.push(item);
            }
        }
        match sale.send().await {
            Ok(()) => Ok(Sold::Yes(Box::new(next))),
            Err(TransactError::Failed(error)) => Err(error),
            Err(TransactError::Refused(places)) => {
                let lost = |void| Ok(Sold::No(void));
                if places.contains(&balance_at) {
                    return lost(VoidReason::InsufficientBalance);
                }
                if places.iter().any(|place| (gift_at..balance_at).contains(place)) {
                    return lost(VoidReason::NothingToGive);
                }
                let cards = 1..=delivery.cards.len();
                Ok(Sold::Again(places.into_iter().filter(|place| cards.contains(place)).map(|place| place - 1).collect()))
            }
        }
    }

    /// What giving something away uses up: the subscriber's entitlement, and unless a manager gives it, the partner's quota.
    fn give(&self, order: &Order, gift: &Gift) -> Result<Vec<TransactWriteItem>, StoreError> {
        let mut record = keys::gift(&order.partner_id, &gift.subscription);
        record.insert("orderNum".to_owned(), text(order.num.as_str()));
        let mut items = vec![put_new(&self.tables.partners, record)?];
        if !gift.by_manager {
            let quota = Update::builder()
                .table_name(&self.tables.partners)
                .set_key(Some(keys::partner(&order.partner_id)))
                .update_expression("SET gifts = if_not_exists(gifts, :none) + :one")
                .condition_expression("giftQuota > :none AND (attribute_not_exists(gifts) OR gifts < giftQuota)")
                .expression_attribute_values(":none", number(0))
                .expression_attribute_values(":one", number(1));
            items.push(TransactWriteItem::builder().update(built(quota.build())?).build());
        }
        Ok(items)
    }

    /// Claims a payment for an order, once; answers the order that has it, if that is another one. The order itself remembers its
    /// payments, but not those of others: without this, two events that name different orders could spend one payment twice.
    async fn claim(&self, receipt: &Receipt, num: &OrderNum, claimed: &mut bool) -> Result<Option<String>, StoreError> {
        if *claimed {
            return Ok(None);
        }
        let mut item = keys::payment(receipt.provider.name(), &receipt.payment_id);
        item.insert("orderNum".to_owned(), text(num.as_str()));
        let put = self
            .client
            .put_item()
            .table_name(&self.tables.partners)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk) OR orderNum = :order")
            .expression_attribute_values(":order", text(num.as_str()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match send(Twice::Harmless, || put.clone().send()).await {
            Ok(_) => {
                *claimed = true;
                Ok(None)
            }
            Err(SendError::Refused(PutItemError::ConditionalCheckFailedException(refused))) => {
                let item = refused.item.unwrap_or_default();
                Ok(Some(text_of(&item, "orderNum").unwrap_or("another order").to_owned()))
            }
            Err(SendError::Refused(other)) => Err(StoreError::Broken(other.to_string())),
            Err(SendError::Failed(error)) => Err(error),
        }
    }

    /// Waits a moment after a pool was found empty; answers whether trying again makes sense, since the order changed or a pool
    /// has cards again. Only reads, so that a crowd of losers does not write.
    async fn back_on_sale(&self, order: &Order, pools: &[PoolId], count: usize) -> Result<bool, StoreError> {
        tokio::time::sleep(Duration::from_millis(fastrand::u64(SECOND_LOOK))).await;
        if self.order(&order.num).await?.is_none_or(|fresh| fresh.version != order.version) {
            return Ok(true);
        }
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        for pool in pools {
            if number_of(&self.pool_item(keys::counter(pool)).await?, "available")? >= count {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Holds at least `count` tickets, all from one pool, the cheapest that has them; answers whether it could.
    async fn draw_all(&self, pools: &[PoolId], count: usize, held: &mut Vec<Ticket>, now: Timestamp) -> Result<bool, StoreError> {
        if held.len() >= count {
            return Ok(true);
        }
        let mut pools = pools.to_vec();
        // What is held already came from somewhere; the rest of the order is to come from there too, if it can.
        if let Some(first) = held.first() {
            pools.sort_by_key(|pool| *pool != first.pool);
        }
        for pool in &pools {
            while held.len() < count {
                match self.draw(pool, count - held.len(), now).await {
                    Ok(Draw::Tickets(tickets)) => held.extend(tickets),
                    Ok(Draw::SoldOut) => break,
                    Err(error) => return Err(error),
                }
            }
            if held.len() >= count {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn debit(&self, order: &Order, price: Money) -> Result<[TransactWriteItem; 2], StoreError> {
        let balance = Update::builder()
            .table_name(&self.tables.partners)
            .set_key(Some(keys::balance(&order.partner_id, price.currency)))
            .update_expression("SET balance = balance - :price")
            .condition_expression("balance >= :price")
            .expression_attribute_values(":price", number(price.amount));
        let taken = Money { amount: -price.amount, ..price };
        Ok([
            TransactWriteItem::builder().update(built(balance.build())?).build(),
            self.ledger_put(&order.partner_id, &format!("{}#payment", order.num), taken)?,
        ])
    }

    /// Turns an order void; `None` if somebody else changed it first.
    async fn give_up(&self, order: &Order, reason: VoidReason, now: Timestamp) -> Result<Option<Paid>, StoreError> {
        let Ok(next) = decide(order, Command::GiveUp(reason), now) else { return Ok(None) };
        Ok(self.replace_order(&next).await?.is_ok().then(|| Paid::GivenUp(Box::new(next), reason)))
    }
}
