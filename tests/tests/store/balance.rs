use crate::{available, within};
use futures_util::future::join_all;
use simdock_domain::{Money, Order, PaymentMethod, Provider, Status, VoidReason};
use simdock_store::{
    ADMINISTRATOR, Credit, Credited, LedgerEntry, LowBalance, Paid, Partner, PartnerChange, PartnerChanged, Receipt,
};
use simdock_tests::{Faults, PARTNER, Proxy, World, audit, draft, eur, order};

/// An order that is to be paid from the balance.
async fn balance_order(world: &World, key: &str, count: u32) -> Order {
    let mut draft = draft(count);
    draft.payment_method = PaymentMethod::Balance;
    let order = order(key, draft, world.now());
    world.store.create_order(&order).await.expect("the order is written");
    order
}

fn from_balance(order: &Order) -> Receipt {
    Receipt { provider: Provider::Balance, payment_id: order.num.to_string(), received: order.price() }
}

async fn credit(world: &World, amount: i64) {
    assert_eq!(world.store.credit(&Credit::new(PARTNER, eur(amount), "credit-1")).await.expect("the credit"), Credited::Now);
}

async fn balance(world: &World) -> i64 {
    world.store.balance(PARTNER, eur(0).currency).await.expect("the balance").amount
}

#[tokio::test]
async fn a_credit_counts_once() {
    let world = World::new().await;
    assert_eq!(balance(&world).await, 0);
    credit(&world, 5000).await;
    let again = world.store.credit(&Credit::new(PARTNER, eur(5000), "credit-1")).await.unwrap();
    assert!(matches!(again, Credited::Before(entry) if entry.amount == eur(5000)));
    assert_eq!(world.store.credit(&Credit::new(PARTNER, eur(1), "credit-2")).await.unwrap(), Credited::Now);
    assert_eq!(balance(&world).await, 5001);
    audit(&world.engine).await;
}

#[tokio::test]
async fn a_balance_is_low_below_the_level_that_somebody_set() {
    let world = World::new().await;
    let low = async || world.store.low_balances().await.unwrap();
    let acme = Partner { partner_id: PARTNER.to_owned(), display: "Acme".to_owned(), gift_quota: 0, gifts: 0 };
    assert!(world.store.put_partner(&acme, ADMINISTRATOR).await.unwrap());
    let watch = async |level: Money| {
        let change = PartnerChange { alarm_levels: vec![level], ..PartnerChange::default() };
        assert_eq!(world.store.change_partner(PARTNER, &change, ADMINISTRATOR).await.unwrap(), PartnerChanged::Now);
    };
    credit(&world, 5000).await;
    assert_eq!(low().await, []);
    watch(eur(5000)).await;
    assert_eq!(low().await, []);
    // A currency that the partner has nothing of, and a level that is raised.
    let yen = Money { amount: 1, currency: "JPY".parse().unwrap() };
    watch(yen).await;
    watch(eur(5001)).await;
    let below = |balance, alarm_level| LowBalance { partner_id: PARTNER.to_owned(), balance, alarm_level };
    assert_eq!(low().await, [below(eur(5000), eur(5001)), below(Money { amount: 0, ..yen }, yen)]);
    watch(Money { amount: 0, ..yen }).await;
    assert_eq!(world.store.credit(&Credit::new(PARTNER, eur(1), "credit-2")).await.unwrap(), Credited::Now);
    assert_eq!(low().await, []);
}

#[tokio::test]
async fn an_order_is_debited_and_the_ledger_says_so() {
    let world = World::with_cards(2).await;
    credit(&world, 5000).await;
    let order = balance_order(&world, "key", 2).await;
    let paid = world.store.receive_payment(&order.num, &from_balance(&order)).await.unwrap();
    assert!(matches!(paid, Paid::Recorded(order) if order.is_paid()));
    assert_eq!(balance(&world).await, 2100);
    let again = world.store.receive_payment(&order.num, &from_balance(&order)).await.unwrap();
    assert!(matches!(again, Paid::Known(_)));
    assert_eq!(balance(&world).await, 2100);
    let now = world.now();
    let mut ledger = world.store.ledger(PARTNER).await.unwrap();
    for entry in &mut ledger {
        assert!(now.seconds_since(entry.at) < 60);
        entry.at = now;
    }
    let debit = LedgerEntry::new(format!("{}#payment", order.num), now, eur(-2900));
    let credit = LedgerEntry { by: Some(ADMINISTRATOR.to_owned()), ..LedgerEntry::new("credit-1", now, eur(5000)) };
    assert_eq!(ledger, [debit, credit]);
    audit(&world.engine).await;
}

#[tokio::test]
async fn an_order_without_funds_turns_void_and_takes_nothing() {
    let world = World::with_cards(5).await;
    let poor = balance_order(&world, "nothing at all", 1).await;
    let paid = world.store.receive_payment(&poor.num, &from_balance(&poor)).await.unwrap();
    assert!(matches!(paid, Paid::GivenUp(_, VoidReason::InsufficientBalance)));
    credit(&world, 2899).await;
    let order = balance_order(&world, "a cent short", 2).await;
    let paid = world.store.receive_payment(&order.num, &from_balance(&order)).await.unwrap();
    assert!(matches!(paid, Paid::GivenUp(_, VoidReason::InsufficientBalance)));
    let order = world.read(&order.num).await;
    assert_eq!((order.status(world.now()), order.payments.len(), order.refunds.len()), (Status::Void, 0, 0));
    let again = world.store.receive_payment(&order.num, &from_balance(&order)).await.unwrap();
    assert!(matches!(again, Paid::Known(order) if !order.is_paid()));
    assert_eq!((balance(&world).await, available(&world).await), (2899, 5));
    audit(&world.engine).await;
}

#[tokio::test]
async fn an_order_without_stock_turns_void_and_is_not_debited() {
    let world = World::with_cards(1).await;
    credit(&world, 5000).await;
    let order = balance_order(&world, "key", 2).await;
    let paid = world.store.receive_payment(&order.num, &from_balance(&order)).await.unwrap();
    assert!(matches!(paid, Paid::GivenUp(order, VoidReason::SoldOut) if order.payments.is_empty()));
    assert_eq!((balance(&world).await, available(&world).await), (5000, 1));
    audit(&world.engine).await;
}

#[tokio::test]
async fn fifty_cards_in_one_order_are_paid_by_balance() {
    let world = World::with_cards(60).await;
    let proxy = Proxy::start(&world.engine, 3, Faults::default()).await;
    let store = world.store_through(&proxy).await;
    credit(&world, 100_000).await;
    let order = balance_order(&world, "fifty", 50).await;
    let paid = within(30, store.receive_payment(&order.num, &from_balance(&order))).await.unwrap();
    assert!(matches!(paid, Paid::Recorded(order) if order.is_paid()));
    assert_eq!((balance(&world).await, available(&world).await), (100_000 - 50 * 1450, 10));
    assert_eq!(audit(&world.engine).await.allocated, 50);
}

#[tokio::test]
async fn ten_orders_at_once_spend_no_more_than_there_is() {
    let world = World::with_cards(20).await;
    let proxy = Proxy::start(&world.engine, 3, Faults::default()).await;
    let store = world.store_through(&proxy).await;
    credit(&world, 4 * 1450 + 1000).await;
    let orders = join_all((0..10).map(async |number| balance_order(&world, &format!("key {number}"), 1).await)).await;
    let paid = within(
        60,
        join_all(orders.iter().map(async |order| {
            simdock_tests::eventually(async || store.receive_payment(&order.num, &from_balance(order)).await).await
        })),
    )
    .await;
    let bought = paid.iter().filter(|paid| matches!(paid, Paid::Recorded(_))).count();
    let void = paid.iter().filter(|paid| matches!(paid, Paid::GivenUp(_, VoidReason::InsufficientBalance))).count();
    assert_eq!((bought, void, balance(&world).await), (4, 6, 1000));
    world.sweep_twice().await;
    assert_eq!(audit(&world.engine).await.nothing_missing().allocated, 4);
    assert_eq!(available(&world).await, 16);
}
