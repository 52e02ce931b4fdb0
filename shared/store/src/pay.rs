//! Paying: a payment meets an order, tickets are drawn, and one transaction makes the order paid and each card sold.

use crate::item::{number, number_of, text, text_of};
use crate::stock::{Draw, Ticket, built};
use crate::write::{SendError, TransactError, Twice, send};
use crate::{Store, StoreError, keys};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update};
use futures_util::future::join;
use simdock_domain::{
    Cards, Command, FormFactor, Intake, Money, Order, OrderNum, Plan, Provider, Rejected, Timestamp, VoidReason, decide,
};
use std::time::Duration;

/// How often a payment is decided anew: each time a card turned out to be dead or the order changed meanwhile.
const ROUNDS: u32 = 40;

/// How long a buyer waits, in milliseconds, before "sold out" counts: the last tickets may be with another delivery of its own
/// webhook, or with somebody about to give them back.
const SECOND_LOOK: std::ops::Range<u64> = 200..400;

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
                    let (other, drawn) =
                        join(self.claim(receipt, num, &mut claimed), self.draw_all(&plan, count, held, now)).await;
                    if let Some(other) = other? {
                        return Ok(Paid::Elsewhere(other));
                    }
                    if drawn? {
                        Cards::Drawn(held[..count].iter().map(|ticket| ticket.iccid.clone()).collect())
                    } else if !looked_twice && self.back_on_sale(&order, &plan, count - held.len()).await? {
                        looked_twice = true;
                        continue;
                    } else if from_balance || receipt.provider == Provider::Free {
                        match self.give_up(&order, VoidReason::SoldOut, now).await? {
                            Some(paid) => return Ok(paid),
                            None => continue,
                        }
                    } else {
                        Cards::SoldOut
                    }
                }
            };
            let drawn = matches!(cards, Cards::Drawn(_));
            let command = Command::Receive {
                provider: receipt.provider,
                payment_id: receipt.payment_id.clone(),
                received: receipt.received,
                cards,
            };
            let next = match decide(&order, command, now) {
                Ok(next) => next,
                Err(Rejected::Done) => return Ok(Paid::Known(Box::new(order))),
                Err(Rejected::NotDue | Rejected::NotAllowed | Rejected::NotRefundable(_)) => continue,
            };
            if !drawn {
                if self.replace_order(&next).await?.is_ok() {
                    return Ok(Paid::Recorded(Box::new(next)));
                }
                continue;
            }
            match self.sale(&next, &held[..next.lines.len()], receipt, now).await {
                Ok(()) => return Ok(Paid::Recorded(Box::new(next))),
                Err(TransactError::Refused(places)) => {
                    let lines = next.lines.len();
                    if places.contains(&(lines + 1)) {
                        match self.give_up(&order, VoidReason::InsufficientBalance, now).await? {
                            Some(paid) => return Ok(paid),
                            None => continue,
                        }
                    }
                    for dead in places.iter().rev().filter(|place| (1..=lines).contains(*place)) {
                        let ticket = held.remove(dead - 1);
                        tracing::warn!(pool = %ticket.pool, slot = ticket.slot, "dead slot: the card is no longer for sale");
                    }
                }
                Err(TransactError::Failed(error)) => return Err(error),
            }
        }
        Err(StoreError::Busy(format!("order {num} and its cards kept changing")))
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
    async fn back_on_sale(&self, order: &Order, plan: &Plan, count: usize) -> Result<bool, StoreError> {
        tokio::time::sleep(Duration::from_millis(fastrand::u64(SECOND_LOOK))).await;
        if self.order(&order.num).await?.is_none_or(|fresh| fresh.version != order.version) {
            return Ok(true);
        }
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        for pool in plan.pools(FormFactor::Esim) {
            if number_of(&self.pool_item(keys::counter(&pool)).await?, "available")? >= count {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Holds at least `count` tickets, all from one pool, the cheapest that has them; answers whether it could.
    async fn draw_all(&self, plan: &Plan, count: usize, held: &mut Vec<Ticket>, now: Timestamp) -> Result<bool, StoreError> {
        if held.len() >= count {
            return Ok(true);
        }
        let mut pools = plan.pools(FormFactor::Esim);
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

    /// The sale: position 0 is the order, 1 to n its cards, then the balance and its ledger.
    async fn sale(&self, next: &Order, tickets: &[Ticket], receipt: &Receipt, now: Timestamp) -> Result<(), TransactError> {
        let mut items = vec![TransactWriteItem::builder().put(self.order_put(next)?).build()];
        for ticket in tickets {
            items.push(self.sell(ticket, next.num.as_str())?);
        }
        if receipt.provider == Provider::Balance {
            items.extend(self.debit(next, receipt.received, now)?);
        }
        self.transact(items).await
    }

    fn debit(&self, order: &Order, price: Money, now: Timestamp) -> Result<[TransactWriteItem; 2], StoreError> {
        let balance = Update::builder()
            .table_name(&self.tables.partners)
            .set_key(Some(keys::balance(&order.partner_id, price.currency)))
            .update_expression("SET balance = balance - :price")
            .condition_expression("balance >= :price")
            .expression_attribute_values(":price", number(price.amount));
        let taken = Money { amount: -price.amount, ..price };
        Ok([
            TransactWriteItem::builder().update(built(balance.build())?).build(),
            self.ledger_put(&order.partner_id, taken, &format!("{}#payment", order.num), now)?,
        ])
    }

    /// Turns an order void; `None` if somebody else changed it first.
    async fn give_up(&self, order: &Order, reason: VoidReason, now: Timestamp) -> Result<Option<Paid>, StoreError> {
        let Ok(next) = decide(order, Command::GiveUp(reason), now) else { return Ok(None) };
        Ok(self.replace_order(&next).await?.is_ok().then(|| Paid::GivenUp(Box::new(next), reason)))
    }
}
