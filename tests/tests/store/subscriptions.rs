//! Subscriptions that several orders change at once, on tables that do not behave: what was paid for is there once, or owed back.

use crate::faults::{WAYS, bad_day};
use crate::{available, within};
use futures_util::future::{join, join_all};
use serde_json::json;
use simdock_domain::{
    ChangeKind, Closed, Command, EndReason, FormFactor, LineState, MAX_DATA_ADD_ONS, MAX_OPEN_PLANS, OpenChange, Order, OrderNum,
    OrderType, Provider, RefundPolicy, Rejected, Report, ReturnReason, RunState, ServiceAsker, Status, Subscription,
    SubscriptionChange, Used, VoidReason, decide,
};
use simdock_store::{Activation, Facts, Paid, Receipt, SimRules, SimState, Store};
use simdock_tests::{
    Fault, Faults, Proxy, World, activations, audit, cards, change_order, eventually, iccid, item_size, pool, receipt, sims_of,
    stock,
};

/// What one write unit pays for.
const UNIT: usize = 1024;

fn renewal() -> SubscriptionChange {
    SubscriptionChange::Renewal { add_on_ids: Vec::new() }
}

fn plan_with_data() -> SubscriptionChange {
    SubscriptionChange::Plan { add_on_ids: vec!["data-1gb".to_owned()] }
}

fn data() -> SubscriptionChange {
    SubscriptionChange::AddOns { add_on_ids: vec!["data-1gb".to_owned()] }
}

fn swap() -> SubscriptionChange {
    SubscriptionChange::Swap { form_factor: FormFactor::Esim, address: None }
}

/// Pays an order of any kind, as its function or its provider's webhook does.
pub async fn pay(store: &Store, order: &Order) -> Paid {
    let mut receipt = receipt(order);
    if order.price().amount == 0 {
        receipt = Receipt { provider: Provider::Free, payment_id: format!("free-{}", order.num), ..receipt };
    }
    eventually(async || store.receive_payment(&order.num, &receipt).await).await
}

/// Carries out a command on an order and on what goes with it, as the function that works its job does; answers how the order stands
/// then.
async fn carry_out(store: &Store, num: &OrderNum, command: Command) -> Order {
    loop {
        let order = eventually(async || store.order(num).await).await.expect("the order exists");
        let now = store.clock().now();
        let Ok(next) = decide(&order, command.clone(), now) else { return order };
        let all: Vec<usize> = (0..order.lines.len()).collect();
        let sims = eventually(async || sims_of(store, &order, &all).await).await;
        let activations: Vec<Activation> = match &command {
            Command::Provisioned(lines) => activations(lines.iter().copied()),
            _ => Vec::new(),
        };
        let facts = Facts { activations: &activations, sims: &sims };
        let _ = eventually(async || store.write_in_step(&order, &next, facts, now).await).await;
    }
}

/// Asks for the money of an order's only line, and has the carrier revoke it, as the functions do; answers whether it came to that.
async fn refund(store: &Store, num: &OrderNum) -> bool {
    let read = async || eventually(async || store.order(num).await).await.expect("the order exists");
    let command = Command::Cancel {
        lines: vec![(0, Used::default())],
        policy: RefundPolicy::UntilActivation,
        note: "changed plans".to_owned(),
    };
    let order = carry_out(store, num, command).await;
    if order.lines[0].state != LineState::Cancelling {
        return false;
    }
    loop {
        let id = read().await.subscription_id(0);
        let subscription = eventually(async || store.subscription(&id).await).await.expect("the subscription exists");
        let until = store.clock().now().plus_seconds(600);
        let change = OpenChange { kind: ChangeKind::Refund, order: num.clone(), new_iccid: None, until };
        match subscription.claim(change) {
            Ok(next) => {
                let _ = eventually(async || store.replace_subscription(&next).await).await;
            }
            Err(Rejected::Done) => {
                carry_out(store, num, Command::Revoked { line: 0 }).await;
                return true;
            }
            // Somebody cancelled it meanwhile, and its plan had not begun.
            Err(Rejected::Closed(Closed::Ended)) => {
                carry_out(store, num, Command::Revoked { line: 0 }).await;
                return false;
            }
            // If that one comes to its end meanwhile, it is looked at again.
            Err(_) => {
                let command =
                    Command::RevocationRefused { line: 0, provisioned: true, overtaken: false, reason: "not now".to_owned() };
                let (order, now) = (read().await, store.clock().now());
                let next = decide(&order, command, now).expect("it is being cancelled");
                if eventually(async || store.write_in_step(&order, &next, Facts::default(), now).await).await.is_ok() {
                    return false;
                }
                // Or the answer was lost.
                if read().await.lines[0].state != LineState::Cancelling {
                    return false;
                }
            }
        }
    }
}

/// Takes a report about a subscription in, as its function does.
async fn report(store: &Store, id: &str, report: Report) {
    loop {
        let before = eventually(async || store.subscription(id).await).await.expect("the subscription exists");
        let now = store.clock().now();
        let Ok(next) = before.report(report, now, |_| true, now) else { return };
        let _ = eventually(async || store.write_subscription(&before, &next, now).await).await;
    }
}

/// How often a subscription has what an order brought.
fn times(subscription: &Subscription, num: &OrderNum) -> usize {
    let plans = subscription.plans.iter();
    plans.map(|run| usize::from(run.order == *num) + run.extras.iter().filter(|extra| extra.order == *num).count()).sum()
}

/// A subscription with as many plans and top-ups as it holds, and the orders that brought them.
async fn full(world: &World) -> (Subscription, Vec<Order>) {
    let (main, subscription) = world.subscription("main").await;
    fill(world, main, subscription).await
}

async fn fill(world: &World, main: Order, subscription: Subscription) -> (Subscription, Vec<Order>) {
    let mut orders = vec![main];
    for number in 1..MAX_OPEN_PLANS {
        orders.push(world.change(&format!("plan {number}"), &subscription, plan_with_data()).await);
    }
    for number in 0..MAX_DATA_ADD_ONS {
        orders.push(world.change(&format!("data {number}"), &subscription, data()).await);
    }
    for order in &mut orders[1..] {
        let Paid::Recorded(paid) = pay(&world.store, order).await else { panic!("not paid") };
        assert!(paid.is_paid(), "{:?}", paid.void);
        *order = carry_out(&world.store, &paid.num, Command::Provisioned(vec![0])).await;
    }
    (world.read_subscription(&subscription.id).await, orders)
}

#[tokio::test]
async fn a_renewal_is_paid_and_added_once_whatever_becomes_of_the_answer() {
    for forget_tokens in [false, true] {
        let world = World::with_cards(5).await;
        let proxy = Proxy::start(&world.engine, 1, Faults { forget_tokens, ..Faults::default() }).await;
        let store = world.store_through(&proxy).await;
        for way in WAYS {
            let (main, subscription) = world.subscription(&format!("{way:?}")).await;
            let order = world.change(&format!("{way:?}, renewed"), &subscription, renewal()).await;
            proxy.next("TransactWriteItems", [way]);
            let paid = within(20, pay(&store, &order)).await;
            assert!(matches!(paid, Paid::Recorded(order) | Paid::Known(order) if order.is_paid()), "{way:?}");
            let after = world.read_subscription(&subscription.id).await;
            assert_eq!((after.plans.len(), times(&after, &order.num)), (2, 1), "{way:?}");
            assert_eq!(world.read(&main.num).await.renewals, std::slice::from_ref(&order.num), "{way:?}");
            let paid = world.read(&order.num).await;
            assert_eq!((paid.version, paid.payments.len(), paid.lines[0].iccid.as_ref()), (2, 1, Some(&subscription.iccid)));

            // And so is what the carrier says about it.
            proxy.next("PutItem", [way]);
            let order = within(20, carry_out(&store, &order.num, Command::Provisioned(vec![0]))).await;
            assert_eq!((order.version, order.lines[0].state), (3, LineState::Live), "{way:?}");
            assert_eq!(world.read_subscription(&subscription.id).await, after, "{way:?}");
            audit(&world.engine).await;
        }
        assert_eq!(available(&world).await, 0, "nothing else took a card");
        let faults = proxy.stats().faults;
        assert_eq!(faults.values().sum::<u64>(), 10, "{faults:?}");
    }
}

#[tokio::test]
async fn what_nobody_has_to_be_asked_for_works_as_soon_as_it_is_paid() {
    let world = World::with_cards(1).await;
    world.preloaded().await;
    let main = world.paid_order("key", 1).await;
    let subscription = world.read_subscription(&main.subscription_id(0)).await;
    for (key, change) in [("renewal", renewal()), ("plan", plan_with_data()), ("data", data())] {
        let order = world.change(key, &subscription, change).await;
        pay(&world.store, &order).await;
        let order = world.read(&order.num).await;
        assert_eq!((order.version, order.lines[0].state), (2, LineState::Live), "{key}");
    }
    let subscription = world.read_subscription(&subscription.id).await;
    assert_eq!((subscription.plans.len(), subscription.plans[0].extras.len()), (3, 1));
    assert_eq!(world.read(&main.num).await.renewals.len(), 1);
    audit(&world.engine).await;
}

#[tokio::test]
async fn twenty_top_ups_at_once_are_all_on_the_subscription_or_owed_back() {
    let world = World::with_cards(1).await;
    let (_, subscription) = world.subscription("main").await;
    let proxy = Proxy::start(&world.engine, 1, Faults { throttle: 0.02, cut: 0.02, ..Faults::default() }).await;
    let orders =
        join_all((0..20).map(async |number| world.change(&format!("{number}"), &subscription, plan_with_data()).await)).await;
    let paid = orders.iter().map(async |order| pay(&world.store_through(&proxy).await, order).await);
    within(60, join_all(paid)).await;
    let after = world.read_subscription(&subscription.id).await;
    let (mut there, mut back) = (0, 0);
    for order in &orders {
        let order = world.read(&order.num).await;
        assert_eq!((order.payments.len(), times(&after, &order.num)), (1, usize::from(order.is_paid())));
        if order.is_paid() {
            there += 1;
        } else {
            assert_eq!((order.owed(), order.void), (vec![order.price()], Some(VoidReason::SubscriptionClosed)));
            assert_eq!(order.refunds[0].reason, ReturnReason::SubscriptionClosed);
            back += 1;
        }
    }
    assert_eq!((there, back), (MAX_OPEN_PLANS - 1, 20 - (MAX_OPEN_PLANS - 1)), "it is full with these");
    let stats = proxy.stats();
    assert!(stats.conflicts + stats.refused > 0, "{stats:?}");
    audit(&world.engine).await;

    // So with add-ons to the plan that is there.
    let orders = join_all((0..20).map(async |number| world.change(&format!("data {number}"), &after, data()).await)).await;
    let paid = orders.iter().map(async |order| pay(&world.store_through(&proxy).await, order).await);
    within(60, join_all(paid)).await;
    let after = world.read_subscription(&subscription.id).await;
    let mut there = 0;
    for order in &orders {
        let order = world.read(&order.num).await;
        assert_eq!((order.payments.len(), times(&after, &order.num)), (1, usize::from(order.is_paid())));
        assert_eq!(order.owed(), if order.is_paid() { vec![] } else { vec![order.price()] });
        there += usize::from(order.is_paid());
    }
    assert_eq!((there, after.plans[0].allowance()), (MAX_DATA_ADD_ONS, Some(5120 + 15 * 1024)));
    audit(&world.engine).await;
}

#[tokio::test]
async fn renewals_at_once_are_all_listed_on_the_main_order_which_changes_meanwhile() {
    let world = World::with_cards(1).await;
    let (main, subscription) = world.subscription("main").await;
    let proxy = Proxy::start(&world.engine, 2, Faults::default()).await;
    let stores = join_all((0..3).map(|_| world.store_through(&proxy))).await;
    let orders = join_all(["one", "two"].map(async |key| world.change(key, &subscription, renewal()).await)).await;
    let notes = async {
        for number in 0..5 {
            carry_out(&stores[2], &main.num, Command::Note(format!("note {number}"))).await;
        }
    };
    within(30, join(join(pay(&stores[0], &orders[0]), pay(&stores[1], &orders[1])), notes)).await;
    let main = world.read(&main.num).await;
    let mut listed = main.renewals.clone();
    listed.sort_by_key(|num| orders.iter().position(|order| order.num == *num));
    assert_eq!(listed, [orders[0].num.clone(), orders[1].num.clone()]);
    assert_eq!(main.note.as_deref(), Some("note 4"));
    assert_eq!(world.read_subscription(&subscription.id).await.plans.len(), 3);
    audit(&world.engine).await;

    // A renewal of a renewal hangs on the main order as well.
    let third = world.change("three", &world.read_subscription(&subscription.id).await, renewal()).await;
    pay(&world.store, &third).await;
    assert_eq!(world.read(&main.num).await.renewals.len(), 3);
    assert_eq!(world.read(&third.num).await.subject.map(|subject| subject.main_order), Some(main.num));
    audit(&world.engine).await;
}

#[tokio::test]
async fn of_many_swaps_one_takes_a_card_and_the_others_give_theirs_back() {
    let world = World::with_cards(6).await;
    let (_, subscription) = world.subscription("main").await;
    let proxy = Proxy::start(&world.engine, 1, Faults::default()).await;
    let orders = join_all((0..5).map(async |number| world.change(&format!("{number}"), &subscription, swap()).await)).await;
    let paid = orders.iter().map(async |order| pay(&world.store_through(&proxy).await, order).await);
    within(60, join_all(paid)).await;
    let mut won = None;
    for order in &orders {
        let order = world.read(&order.num).await;
        if order.is_paid() {
            assert!(won.replace(order).is_none(), "two swaps won");
        } else {
            assert_eq!((order.void, order.payments.len()), (Some(VoidReason::SubscriptionClosed), 0));
        }
    }
    let won = won.expect("one wins");
    let claimed = world.read_subscription(&subscription.id).await;
    let change = claimed.open_change.clone().expect("a change");
    assert_eq!((change.kind, &change.order, change.new_iccid), (ChangeKind::Swap, &won.num, won.lines[0].iccid.clone()));
    assert_eq!(available(&world).await, 4, "no ticket is left to a sweep");
    audit(&world.engine).await.nothing_missing();

    // While the new card is on its way, everything else but what a swap moves along is refused.
    assert_eq!(claimed.open(), Err(Closed::Changing(ChangeKind::Swap)));
    assert_eq!(
        claimed.takes(
            &change_order("late", renewal(), &subscription, &world.read(&subscription.main_order).await, world.now()),
            &simdock_tests::plan(),
            world.now()
        ),
        Ok(())
    );

    // The new card takes over, whatever becomes of the answer.
    let swapped = carry_out(&world.store, &won.num, Command::Provisioned(vec![0])).await;
    proxy.next("TransactWriteItems", [Fault::Cut]);
    let store = world.store_through(&proxy).await;
    let sim = sims_of(&store, &swapped, &[0]).await.unwrap().remove(0);
    let now = world.now();
    let profile = sim.profile.reported(simdock_domain::ProfileState::Installed, None, None, now).unwrap();
    let next = claimed.swapped(&sim.iccid, sim.pool.clone(), now).unwrap();
    let order = decide(&swapped, Command::Swapped, now).unwrap();
    within(20, store.swapped(&order, &claimed, &next, &sim, &profile, SimRules::default())).await.unwrap().unwrap();
    let after = world.read_subscription(&subscription.id).await;
    assert_eq!((after.iccid, after.plans, after.open_change), (sim.iccid.clone(), subscription.plans, None));
    let states = world.store.sims(&[subscription.iccid, sim.iccid]).await.unwrap();
    assert_eq!([states[0].state, states[1].state], [SimState::Retired, SimState::Active]);
    audit(&world.engine).await;
}

#[tokio::test]
async fn a_swap_that_is_abandoned_frees_the_subscription_and_its_card_is_not_lost() {
    for (key, shown, state) in [("seen", true, SimState::SetAside), ("unseen", false, SimState::Returning)] {
        let world = World::with_cards(2).await;
        let (_, subscription) = world.subscription("main").await;
        let mut order = change_order(key, swap(), &subscription, &world.read(&subscription.main_order).await, world.now());
        order.send_email = shown;
        world.store.create_order(&order).await.unwrap();
        pay(&world.store, &order).await;
        carry_out(&world.store, &order.num, Command::Provisioned(vec![0])).await;
        carry_out(&world.store, &order.num, Command::Abandon).await;
        audit(&world.engine).await;
        let proxy = Proxy::start(&world.engine, 1, Faults::default()).await;
        proxy.next("TransactWriteItems", [Fault::Throttle]);
        let order = within(20, carry_out(&world.store_through(&proxy).await, &order.num, Command::Revoked { line: 0 })).await;
        assert_eq!(order.lines[0].state, LineState::Cancelled);
        assert_eq!(world.store.sims(&[iccid(1)]).await.unwrap()[0].state, state, "{key}");
        let after = world.read_subscription(&subscription.id).await;
        assert_eq!((after.open(), &after.iccid, after.plans.len()), (Ok(()), &subscription.iccid, 1));
        world.sweep_twice().await;
        audit(&world.engine).await.nothing_missing();
        assert_eq!(available(&world).await, u64::from(!shown));
    }
}

#[tokio::test]
async fn a_subscription_is_ended_once_whatever_becomes_of_the_answers() {
    for forget_tokens in [false, true] {
        let world = World::with_cards(5).await;
        let proxy = Proxy::start(&world.engine, 1, Faults { forget_tokens, ..Faults::default() }).await;
        let store = world.store_through(&proxy).await;
        for way in WAYS {
            let (main, subscription) = world.subscription(&format!("{way:?}")).await;
            let top_up = world.change(&format!("{way:?}, topped up"), &subscription, plan_with_data()).await;
            pay(&world.store, &top_up).await;
            carry_out(&world.store, &top_up.num, Command::Provisioned(vec![0])).await;
            report(&world.store, &subscription.id, Report::Attached).await;
            let order = world.change(&format!("{way:?}, cancelled"), &subscription, SubscriptionChange::Cancellation).await;
            proxy.next("TransactWriteItems", [way]);
            let paid = within(20, pay(&store, &order)).await;
            assert!(matches!(paid, Paid::Recorded(order) | Paid::Known(order) if order.is_paid()), "{way:?}");
            assert_eq!(world.read(&order.num).await.version, 2, "{way:?}");
            assert_eq!(audit(&world.engine).await.changing, 1, "{way:?}");

            proxy.next("TransactWriteItems", [way]);
            let order = within(20, carry_out(&store, &order.num, Command::Provisioned(vec![0]))).await;
            assert_eq!((order.version, order.lines[0].state), (3, LineState::Live), "{way:?}");
            let after = world.read_subscription(&subscription.id).await;
            assert_eq!(after.ended.map(|(_, why)| why), Some(EndReason::Cancelled), "{way:?}");
            // The main plan has begun, what was bought beside it has not.
            let (main, top_up) = (world.read(&main.num).await, world.read(&top_up.num).await);
            assert_eq!((main.status(world.now()), main.owed()), (Status::Ended, vec![]), "{way:?}");
            assert_eq!((top_up.status(world.now()), top_up.owed()), (Status::Cancelled, vec![top_up.price()]), "{way:?}");
            assert_eq!(world.store.sims(&[subscription.iccid]).await.expect("the card")[0].state, SimState::Retired);
            assert_eq!(audit(&world.engine).await.changing, 0, "{way:?}");
        }
        let faults = proxy.stats().faults;
        assert_eq!(faults.values().sum::<u64>(), 10, "{faults:?}");
    }
}

#[tokio::test]
async fn a_full_subscription_ends_in_one_transaction_when_it_is_cancelled() {
    let world = World::with_cards(1).await;
    let (main, subscription) = world.subscription("main").await;
    let late = [
        world.change("a plan more", &subscription, plan_with_data()).await,
        world.change("an add-on more", &subscription, data()).await,
    ];
    let (subscription, orders) = fill(&world, main, subscription).await;
    for order in &late {
        assert!(matches!(pay(&world.store, order).await, Paid::Recorded(order) if order.owed() == [order.price()]));
    }
    let order = world.change("end", &subscription, SubscriptionChange::Cancellation).await;
    pay(&world.store, &order).await;
    carry_out(&world.store, &order.num, Command::Provisioned(vec![0])).await;
    all_over(&world, &subscription, &orders, EndReason::Cancelled).await;
}

#[tokio::test]
async fn a_full_subscription_ends_in_one_transaction_when_its_card_is_revoked() {
    let world = World::with_cards(1).await;
    let (subscription, orders) = full(&world).await;
    assert!(refund(&world.store, &orders[0].num).await);
    all_over(&world, &subscription, &orders, EndReason::Refunded).await;
}

/// Everything on a subscription is over and its money owed back, by one write to each order.
async fn all_over(world: &World, before: &Subscription, orders: &[Order], why: EndReason) {
    let after = world.read_subscription(&before.id).await;
    assert_eq!(after.ended.map(|(_, why)| why), Some(why));
    for order in &orders[1..] {
        let over = world.read(&order.num).await;
        assert_eq!((over.version, over.owed()), (order.version + 1, vec![order.price()]));
    }
    assert_eq!(world.read(&orders[0].num).await.owed(), [orders[0].price()]);
    let counted = audit(&world.engine).await;
    assert_eq!((counted.open, counted.changing), (0, 0));
}

#[tokio::test]
async fn all_plans_of_a_full_subscription_run_out_in_one_transaction() {
    let world = World::with_cards(1).await;
    let (subscription, orders) = full(&world).await;
    report(&world.store, &subscription.id, Report::Attached).await;
    // Renewable plans run one after the other.
    world.wait(i64::try_from(MAX_OPEN_PLANS).unwrap() * 30 * 86_400);
    let before = world.read_subscription(&subscription.id).await;
    let next = before.tick(true, world.now()).unwrap();
    assert_eq!(before.closed_by(&next).len(), MAX_OPEN_PLANS + MAX_DATA_ADD_ONS);
    world.store.write_subscription(&before, &next, world.now()).await.unwrap().unwrap();
    for order in &orders {
        assert_eq!(world.read(&order.num).await.status(world.now()), Status::Ended);
    }
    assert_eq!(audit(&world.engine).await.open, 1, "it can be topped up again");
}

/// Whatever one subscription is asked at once.
async fn everything_at_once(seed: u64, faults: Faults) {
    let world = World::with_cards(8).await;
    let (main, subscription) = world.subscription("main").await;
    let proxy = Proxy::start(&world.engine, seed, faults).await;
    let changes = [
        ("swap", swap()),
        ("another swap", swap()),
        ("cancellation", SubscriptionChange::Cancellation),
        ("renewal", renewal()),
        ("plan", plan_with_data()),
        ("data", data()),
    ];
    let orders = join_all(changes.map(async |(key, change)| world.change(key, &subscription, change).await)).await;
    let bought = orders.iter().map(async |order| {
        let store = world.store_through(&proxy).await;
        tokio::time::sleep(std::time::Duration::from_millis(fastrand::u64(0..20))).await;
        pay(&store, order).await;
        let order = eventually(async || store.order(&order.num).await).await.expect("the order");
        if order.is_paid() {
            carry_out(&store, &order.num, Command::Provisioned(vec![0])).await;
        }
    });
    let refunded = async { refund(&world.store_through(&proxy).await, &main.num).await };
    let (_, refunded) = within(60, join(join_all(bought), refunded)).await;
    let counted = audit(&world.engine).await;
    let after = world.read_subscription(&subscription.id).await;
    let paid = join_all(orders.iter().map(async |order| world.read(&order.num).await)).await;
    let won =
        paid.iter().filter(|order| order.is_paid() && matches!(order.kind, OrderType::SwapSim | OrderType::CancelSubscription));
    let won: Vec<OrderType> = won.map(|order| order.kind).collect();
    assert!(won.len() + usize::from(refunded) == 1, "{won:?}, refunded: {refunded}");
    assert_eq!(after.ended.is_some(), refunded || won == [OrderType::CancelSubscription]);
    assert_eq!(counted.changing, usize::from(won == [OrderType::SwapSim]), "a swap waits for its card");
    // Whoever ended it, nothing of it had begun.
    assert_eq!(world.read(&main.num).await.owed().is_empty(), after.ended.is_none());
    for order in &paid {
        match order.kind {
            // Paid for, and on the subscription, or over with it.
            OrderType::Renewal | OrderType::TopUpSubscription if order.is_paid() => {
                let state = if after.ended.is_some() { LineState::Cancelled } else { LineState::Live };
                assert_eq!((order.lines[0].state, order.owed().is_empty()), (state, after.ended.is_none()));
            }
            OrderType::Renewal | OrderType::TopUpSubscription => assert_eq!(order.owed(), [order.price()]),
            OrderType::SwapSim | OrderType::CancelSubscription if order.is_paid() => {}
            OrderType::SwapSim | OrderType::CancelSubscription => assert_eq!(order.void, Some(VoidReason::SubscriptionClosed)),
            OrderType::ActivateSubscription => panic!("none of these"),
        }
    }
    // A draw whose answer got lost is found by the sweep.
    world.sweep_twice().await;
    audit(&world.engine).await.nothing_missing();
    let card = world.store.sims(&[subscription.iccid]).await.expect("the card").remove(0);
    let returned = u64::from(card.state == SimState::Stocked);
    assert_eq!(available(&world).await, 7 - u64::from(won == [OrderType::SwapSim]) + returned);
}

#[tokio::test]
async fn of_changes_that_exclude_each_other_one_wins() {
    for seed in 1..7 {
        everything_at_once(seed, Faults::default()).await;
    }
}

#[tokio::test]
async fn of_changes_that_exclude_each_other_one_wins_on_a_bad_day() {
    for seed in 1..5 {
        everything_at_once(seed, bad_day(seed % 2 == 0)).await;
    }
}

#[tokio::test]
async fn subscriptions_turn_up_when_they_want_attention_and_not_before() {
    let world = World::with_cards(12).await;
    let mut ids = Vec::new();
    for number in 0..12 {
        let (_, subscription) = world.subscription(&format!("{number}")).await;
        report(&world.store, &subscription.id, Report::Attached).await;
        ids.push(subscription.id);
    }
    let overdue = async || {
        let mut found = Vec::new();
        for shard in 0..Store::DUE_SHARDS {
            let mut cursor = None;
            loop {
                let page = world.store.overdue_subscriptions(shard, world.now(), cursor).await.unwrap();
                found.extend(page.items);
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
        }
        found.sort();
        found
    };
    ids.sort();
    assert_eq!(overdue().await, [] as [String; 0]);
    world.wait(30 * 86_400);
    assert_eq!(overdue().await, ids);
    let looked = world.read_subscription(&ids[0]).await;
    world.store.subscription_looked_after(&looked, world.now()).await.unwrap();
    let before = world.read_subscription(&ids[1]).await;
    let next = before.tick(true, world.now()).unwrap();
    world.store.write_subscription(&before, &next, world.now()).await.unwrap().unwrap();
    assert_eq!(overdue().await, ids[2..]);
    // Whoever looked at what is old by now does no harm.
    world.store.subscription_looked_after(&before, world.now()).await.unwrap();
    world.wait(121);
    let mut left = ids.clone();
    left.remove(1);
    assert_eq!(overdue().await, left);
    audit(&world.engine).await;
}

#[tokio::test]
async fn a_subscription_with_one_plan_stays_within_a_write_unit() {
    let world = World::with_cards(2).await;
    let (_, subscription) = world.subscription("key").await;
    let stored =
        async || world.engine.item("SubscriptionsTable", json!({ "subscriptionId": { "S": subscription.id.as_str() } })).await;
    let mut sizes = vec![("begun", item_size(&stored().await))];
    for (step, what) in
        [("attached", Report::Attached), ("online", Report::Session(true)), ("used", Report::Usage { plan: None, used_mb: 4711 })]
    {
        world.wait(1);
        report(&world.store, &subscription.id, what).await;
        sizes.push((step, item_size(&stored().await)));
    }
    let suspending =
        world.read_subscription(&subscription.id).await.want_service(false, ServiceAsker::Partner, world.now()).unwrap();
    world.store.replace_subscription(&suspending).await.unwrap().unwrap();
    sizes.push(("suspending", item_size(&stored().await)));
    let suspended = suspending.service_changed(world.now()).unwrap();
    world.store.replace_subscription(&suspended).await.unwrap().unwrap();
    let order = world.change("swap", &suspended, swap()).await;
    pay(&world.store, &order).await;
    sizes.push(("swapping", item_size(&stored().await)));
    println!("subscription of one plan: {sizes:?}");
    assert!(sizes.iter().all(|(_, size)| *size <= UNIT), "{sizes:?}");
    assert!(matches!(world.read_subscription(&subscription.id).await.plans[0].state, RunState::Running { .. }));
}

#[tokio::test]
async fn the_orders_that_change_a_subscription_stay_within_a_write_unit() {
    let world = World::with_cards(2).await;
    let (_, subscription) = world.subscription("key").await;
    for (key, change) in [("renewal", renewal()), ("plan", plan_with_data()), ("data", data()), ("swap", swap())] {
        let order = world.change(key, &subscription, change).await;
        pay(&world.store, &order).await;
        let order = carry_out(&world.store, &order.num, Command::Provisioned(vec![0])).await;
        for kind in order.mails.iter().map(|mail| mail.kind).collect::<Vec<_>>() {
            carry_out(&world.store, &order.num, Command::ClaimMail(kind)).await;
            carry_out(&world.store, &order.num, Command::MailSent(kind)).await;
        }
        let item = world.engine.item("OrdersTable", json!({ "orderNum": { "S": order.num.as_str() } })).await;
        println!("{key}: {} bytes", item_size(&item));
        assert!(item_size(&item) <= UNIT, "{key}: {}", item_size(&item));
    }
}

#[tokio::test]
async fn a_full_subscription_stays_far_below_the_limit() {
    let world = World::with_cards(1).await;
    let (subscription, _) = full(&world).await;
    let key = json!({ "subscriptionId": { "S": subscription.id } });
    let size = item_size(&world.engine.item("SubscriptionsTable", key).await);
    println!("full subscription: {size} bytes");
    assert!(size < 8 * UNIT, "{size}");
}

#[tokio::test]
async fn a_lost_card_of_a_swap_is_drawn_again() {
    let world = World::with_cards(1).await;
    let (_, subscription) = world.subscription("main").await;
    let order = world.change("swap", &subscription, swap()).await;
    // Nothing is there to swap to: the order is given up, and what comes in later is for a new one.
    assert!(matches!(pay(&world.store, &order).await, Paid::GivenUp(_, VoidReason::SoldOut)));
    stock(&world.store, cards(&pool(), 10..12)).await;
    assert!(matches!(pay(&world.store, &order).await, Paid::Known(order) if order.void.is_some()));
    let order = world.change("another", &subscription, swap()).await;
    let proxy = Proxy::start(&world.engine, 1, Faults::default()).await;
    let store = world.store_through(&proxy).await;
    // The answer to the draw is lost: its ticket is found by the sweep, and another is drawn.
    proxy.next("UpdateItem", [Fault::Cut]);
    assert!(matches!(pay(&store, &order).await, Paid::Recorded(order) if order.is_paid()));
    assert_eq!(available(&world).await, 0);
    world.sweep_twice().await;
    assert_eq!(available(&world).await, 1);
    audit(&world.engine).await.nothing_missing();
}
