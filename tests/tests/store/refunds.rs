//! Cards that are cancelled and money that goes back to a balance: once, whatever the tables do meanwhile.

use crate::faults::WAYS;
use crate::{available, within};
use futures_util::future::join_all;
use simdock_domain::{
    Command, EndReason, Iccid, LineState, Order, OrderNum, PaymentMethod, Provider, RefundPolicy, Used, decide, decide_all,
};
use simdock_store::{Activation, Conflict, Credit, Facts, Receipt, Sim, SimState, Store, StoreError};
use simdock_tests::{Fault, Faults, PARTNER, Proxy, World, audit, draft, eur, eventually, iccid, order, sims_of};

/// How many lines are revoked at once: each takes up to three items of a transaction, and the order one.
const AT_ONCE: usize = 33;

/// An order of so many cards that is paid from the balance, without mails, whose cards all work and of which these are to be cancelled.
async fn cancelling(world: &World, key: &str, count: u32, lines: Vec<usize>) -> Order {
    let mut draft = draft(count);
    (draft.payment_method, draft.send_email) = (PaymentMethod::Balance, false);
    let order = order(key, draft, world.now());
    world.store.create_order(&order).await.expect("the order is written");
    world.store.credit(&Credit::new(PARTNER, order.price(), &format!("credit#{key}"))).await.expect("the credit");
    let receipt = Receipt { provider: Provider::Balance, payment_id: order.num.to_string(), received: order.price() };
    world.store.receive_payment(&order.num, &receipt).await.expect("the payment");
    let all: Vec<usize> = (0..count as usize).collect();
    for batch in all.chunks(Activation::MOST) {
        world.activate(&world.read(&order.num).await, batch).await;
    }
    let unused = lines.into_iter().map(|line| (line, Used::default())).collect();
    let command = Command::Cancel { lines: unused, policy: RefundPolicy::UntilActivation, note: "changed plans".to_owned() };
    let order = decide(&world.read(&order.num).await, command, world.now()).expect("a decision");
    world.store.replace_order(&order).await.expect("an answer").expect("nobody else writes");
    order
}

/// The cards of the lines that are being cancelled, as many as are taken at once, and the order without them.
async fn revoked(store: &Store, order: &Order) -> Option<(Order, Vec<Sim>)> {
    let lines = (0..order.lines.len()).filter(|line| order.lines[*line].state == LineState::Cancelling);
    let lines: Vec<usize> = lines.take(AT_ONCE).collect();
    let sims = eventually(async || sims_of(store, order, &lines).await).await;
    let commands = lines.into_iter().map(|line| Command::Revoked { line }).collect();
    Some((decide_all(order, commands, store.clock().now()).ok()?, sims))
}

/// Records that the carrier revoked all cards that are being cancelled, as its function does.
async fn revoke(store: &Store, num: &OrderNum) {
    loop {
        let order = eventually(async || store.order(num).await).await.expect("the order");
        let Some((next, sims)) = revoked(store, &order).await else { return };
        let _ = eventually(async || record(store, &order, &next, &sims).await).await;
    }
}

async fn record(store: &Store, before: &Order, next: &Order, sims: &[Sim]) -> Result<Result<(), Conflict>, StoreError> {
    store.write_in_step(before, next, Facts { activations: &[], sims }, store.clock().now()).await
}

/// Gives all that an order owes back to the balance, as its function does.
async fn settle(store: &Store, num: &OrderNum) {
    let refunds = eventually(async || store.order(num).await).await.expect("the order").refunds.len();
    for refund in 0..refunds {
        loop {
            let order = eventually(async || store.order(num).await).await.expect("the order");
            let command = Command::RefundSucceeded { refund, provider_id: None };
            let Ok(next) = decide(&order, command, store.clock().now()) else { break };
            let (id, amount) = (next.refund_id(refund), next.refunds[refund].amount);
            let _ = eventually(async || store.refund_to_balance(&next, &id, amount).await).await;
        }
    }
}

async fn balance(world: &World) -> i64 {
    world.store.balance(PARTNER, eur(0).currency).await.expect("an answer").amount
}

async fn states(world: &World, serials: impl Iterator<Item = u32>) -> Vec<SimState> {
    let iccids: Vec<Iccid> = serials.map(iccid).collect();
    world.store.sims(&iccids).await.expect("an answer").into_iter().map(|sim| sim.state).collect()
}

#[tokio::test]
async fn cards_are_cancelled_and_paid_back_once_whatever_becomes_of_the_answers() {
    for forget_tokens in [false, true] {
        let world = World::with_cards(10).await;
        let proxy = Proxy::start(&world.engine, 1, Faults { forget_tokens, ..Faults::default() }).await;
        let store = world.store_through(&proxy).await;
        for (place, way) in WAYS.into_iter().enumerate() {
            let order = cancelling(&world, &format!("{way:?}"), 2, vec![0]).await;
            proxy.next("TransactWriteItems", [way]);
            within(20, revoke(&store, &order.num)).await;
            let owing = world.read(&order.num).await;
            assert_eq!((owing.version, owing.owed()), (order.version + 1, vec![eur(1450)]), "{way:?}");
            proxy.next("TransactWriteItems", [way]);
            within(20, settle(&store, &order.num)).await;
            let settled = world.read(&order.num).await;
            assert_eq!((settled.version, settled.owed()), (owing.version + 1, vec![]), "{way:?}");
            assert_eq!(balance(&world).await, 1450 * i64::try_from(place + 1).unwrap(), "{way:?}");
        }
        let faults = proxy.stats().faults;
        assert_eq!(faults.values().sum::<u64>(), 10, "{faults:?}");
        audit(&world.engine).await;
        world.sweep_twice().await;
        assert_eq!(audit(&world.engine).await.nothing_missing().allocated, 5);
        assert_eq!(available(&world).await, 5, "no code of theirs was ever shown");
    }
}

#[tokio::test]
async fn many_workers_at_once_cancel_and_pay_back_once() {
    let world = World::with_cards(50).await;
    let proxy = Proxy::start(&world.engine, 3, Faults::default()).await;
    let stores = join_all((0..5).map(|_| world.store_through(&proxy))).await;
    let order = cancelling(&world, "fifty", 50, (0..50).collect()).await;
    // The code of every other card has left.
    let cards: Vec<Iccid> = order.lines.iter().filter_map(|line| line.iccid.clone()).collect();
    for shown in cards.iter().step_by(2) {
        world.store.disclose(shown, &order.num).await.unwrap().unwrap();
    }
    within(60, join_all(stores.iter().map(|store| revoke(store, &order.num)))).await;
    let owing = world.read(&order.num).await;
    assert_eq!((owing.refunds.len(), owing.owed()), (50, vec![eur(50 * 1450)]));
    assert_eq!(owing.version, order.version + 2, "two transactions");
    audit(&world.engine).await;
    within(60, join_all(stores.iter().map(|store| settle(store, &order.num)))).await;
    assert_eq!((world.read(&order.num).await.owed(), balance(&world).await), (vec![], 50 * 1450));
    let stats = proxy.stats();
    assert!(stats.conflicts + stats.refused > 0, "{stats:?}");
    let ids: Vec<String> = (0..50).map(|line| order.subscription_id(line)).collect();
    let ended = world.store.subscriptions(&ids).await.unwrap();
    assert_eq!(ended.len(), 50);
    for subscription in ended {
        assert_eq!(subscription.ended.map(|(_, why)| why), Some(EndReason::Refunded), "{}", subscription.id);
        assert!(subscription.plans.iter().all(|plan| !plan.is_open()));
    }
    world.sweep_twice().await;
    assert_eq!(audit(&world.engine).await.nothing_missing().allocated, 0);
    assert_eq!(available(&world).await, 25);
    for sim in world.store.sims(&cards).await.unwrap() {
        let expected = if sim.disclosed_at.is_some() { SimState::SetAside } else { SimState::Stocked };
        assert_eq!(sim.state, expected, "{}", sim.iccid);
    }
}

#[tokio::test]
async fn a_code_that_leaves_while_its_card_is_cancelled_keeps_it_from_being_sold_again() {
    let world = World::with_cards(1).await;
    let order = cancelling(&world, "key", 1, vec![0]).await;
    let (next, sims) = revoked(&world.store, &order).await.unwrap();
    world.store.disclose(&iccid(0), &order.num).await.unwrap().unwrap();
    assert_eq!(record(&world.store, &order, &next, &sims).await.unwrap(), Err(Conflict));
    assert_eq!((world.read(&order.num).await, states(&world, 0..1).await), (order.clone(), vec![SimState::Active]));
    revoke(&world.store, &order.num).await;
    assert_eq!(states(&world, 0..1).await, [SimState::SetAside]);
    // Nor does it matter any more who reads it afterwards.
    world.sweep_twice().await;
    assert_eq!((available(&world).await, states(&world, 0..1).await), (0, vec![SimState::SetAside]));
    audit(&world.engine).await;
}

#[tokio::test]
async fn a_card_that_is_back_on_sale_is_not_cancelled_again_by_whoever_comes_late() {
    let world = World::with_cards(1).await;
    let order = cancelling(&world, "key", 1, vec![0]).await;
    let (late, sims) = revoked(&world.store, &order).await.unwrap();
    revoke(&world.store, &order.num).await;
    world.sweep_twice().await;
    let next_buyer = world.paid_order("next", 1).await;
    assert_eq!(next_buyer.lines[0].iccid, Some(iccid(0)));
    assert_eq!(record(&world.store, &order, &late, &sims).await.unwrap(), Err(Conflict));
    assert_eq!(states(&world, 0..1).await, [SimState::Sold]);
    assert_eq!(audit(&world.engine).await.allocated, 1);
}

#[tokio::test]
async fn a_payment_is_found_by_its_id() {
    let world = World::with_cards(1).await;
    let order = world.paid_order("key", 1).await;
    let find = async |provider, id: &str| world.store.order_of_payment(provider, id).await.unwrap();
    let id = &order.payments[0].id;
    assert_eq!(find(Provider::Stripe, id).await, Some(order.num));
    assert_eq!((find(Provider::Standard, id).await, find(Provider::Stripe, "pi_another").await), (None, None));
    let proxy = Proxy::start(&world.engine, 1, Faults::default()).await;
    proxy.next("GetItem", [Fault::Throttle, Fault::Cut]);
    assert!(world.store_through(&proxy).await.order_of_payment(Provider::Stripe, id).await.unwrap().is_some());
}
