use crate::{available, within};
use futures_util::future::join_all;
use serde_json::json;
use simdock_domain::{
    Draft, FormFactor, Fulfilment, Iccid, Job, MailKind, Money, Order, Provider, ReturnReason, Status, SubscriptionChange,
    VoidReason, due, mails_due, outstanding,
};
use simdock_store::{ADMINISTRATOR, Paid, Receipt, SimState};
use simdock_tests::{
    Faults, Proxy, World, audit, card, cards, eur, eventually, iccid, order, plan, pool, receipt, second_pool, stock,
};
use std::collections::BTreeSet;
use std::time::Duration;

fn recorded(paid: Paid) -> Order {
    match paid {
        Paid::Recorded(order) => *order,
        other => panic!("not recorded: {other:?}"),
    }
}

fn iccids(order: &Order) -> Vec<Iccid> {
    order.lines.iter().filter_map(|line| line.iccid.clone()).collect()
}

#[tokio::test]
async fn a_payment_allocates_a_card_per_line() {
    let world = World::with_cards(5).await;
    let created = world.order("key", 3).await;
    let paid = recorded(world.store.receive_payment(&created.num, &receipt(&created)).await.unwrap());
    assert_eq!(paid, world.read(&created.num).await);
    assert_eq!(paid.status(world.now()), Status::Normal);
    assert!(due(&paid, world.now()).contains(&Job::Provision));
    assert_eq!(iccids(&paid), [iccid(0), iccid(1), iccid(2)]);
    for sim in world.store.sims(&iccids(&paid)).await.unwrap() {
        assert_eq!((sim.state, sim.slot, sim.order_num), (SimState::Sold, None, Some(paid.num.clone())));
        assert!(sim.activation_code.is_some() && sim.msisdn.is_some());
    }
    assert_eq!(available(&world).await, 2);
    assert_eq!(audit(&world.engine).await.allocated, 3);
}

#[tokio::test]
async fn cards_that_nobody_has_to_be_asked_for_work_as_soon_as_they_are_paid() {
    let world = World::with_cards(60).await;
    world.preloaded().await;
    let before = world.now();
    let paid = world.paid_order("key", 2).await;
    assert_eq!((paid.version, paid.fulfilment(world.now())), (2, Fulfilment::Completed));
    assert_eq!(mails_due(&paid, world.now()), [MailKind::Confirmation, MailKind::Qr]);
    for (line, iccid) in iccids(&paid).iter().enumerate() {
        let sim = world.store.sim(iccid).await.unwrap().unwrap();
        let subscription = world.read_subscription(&paid.subscription_id(line)).await;
        assert_eq!((sim.state, sim.slot), (SimState::Active, None));
        assert!(sim.disclosed_at.is_some_and(|at| (before..=world.now()).contains(&at)), "{:?}", sim.disclosed_at);
        assert_eq!((sim.order_num, sim.subscription), (Some(paid.num.clone()), Some(subscription.id)));
        assert_eq!((&subscription.iccid, subscription.activate_before), (iccid, sim.activate_before));
        assert_eq!((subscription.pool, subscription.plans.len()), (pool(), 1));
    }

    // Nobody is mailed a code: it has not left yet.
    let quiet = order("quiet", Draft { send_email: false, ..simdock_tests::draft(1) }, world.now());
    world.store.create_order(&quiet).await.unwrap();
    let quiet = recorded(world.store.receive_payment(&quiet.num, &receipt(&quiet)).await.unwrap());
    assert_eq!(outstanding(&quiet), []);
    assert_eq!(world.store.sim(&iccids(&quiet)[0]).await.unwrap().unwrap().disclosed_at, None);

    // What does not fit into one transaction is set up by and by.
    let many = world.paid_order("many", 49).await;
    assert_eq!((many.version, due(&many, world.now())), (2, vec![Job::Provision]));
    assert_eq!(audit(&world.engine).await.allocated, 52);
}

#[tokio::test]
async fn cards_chosen_by_number_work_at_once_each_on_its_line() {
    let world = World::with_cards(5).await;
    world.preloaded().await;
    let wanted = vec![iccid(4), iccid(1), iccid(3)];
    let chosen = order("chosen", Draft { wanted: wanted.clone(), ..simdock_tests::draft(3) }, world.now());
    world.store.create_order(&chosen).await.unwrap();
    let chosen = recorded(world.store.receive_payment(&chosen.num, &receipt(&chosen)).await.unwrap());
    assert_eq!(iccids(&chosen), wanted);
    for (line, iccid) in wanted.iter().enumerate() {
        assert_eq!(&world.read_subscription(&chosen.subscription_id(line)).await.iccid, iccid);
    }
    audit(&world.engine).await;
}

#[tokio::test]
async fn a_swap_to_a_card_that_nobody_has_to_be_asked_for_is_ready_when_it_is_sold() {
    let world = World::with_cards(2).await;
    world.preloaded().await;
    let main = world.paid_order("key", 1).await;
    let subscription = world.read_subscription(&main.subscription_id(0)).await;
    let swap = SubscriptionChange::Swap { form_factor: FormFactor::Esim, address: None };
    let swap = world.change("swap", &subscription, swap).await;
    let swap = recorded(world.store.receive_payment(&swap.num, &receipt(&swap)).await.unwrap());
    assert_eq!((swap.version, mails_due(&swap, world.now())), (2, vec![MailKind::Qr]));
    let sim = world.store.sim(&iccids(&swap)[0]).await.unwrap().unwrap();
    assert_eq!((sim.state, sim.subscription.as_ref()), (SimState::Active, Some(&subscription.id)));
    let waits = world.read_subscription(&subscription.id).await;
    assert_eq!((waits.iccid, waits.open_change.unwrap().new_iccid), (subscription.iccid, Some(sim.iccid)));
    audit(&world.engine).await;
}

#[tokio::test]
async fn a_payment_for_no_order_is_told_apart() {
    let world = World::new().await;
    let nobody = order("nobody", simdock_tests::draft(1), world.now());
    assert!(matches!(world.store.receive_payment(&nobody.num, &receipt(&nobody)).await.unwrap(), Paid::NoOrder));
}

#[tokio::test]
async fn the_same_webhook_twenty_times_at_once_changes_the_order_once() {
    let world = World::with_cards(30).await;
    let proxy = Proxy::start(&world.engine, 1, Faults::default()).await;
    let store = world.store_through(&proxy).await;
    let created = world.order("key", 1).await;
    let receipt = receipt(&created);
    // Twenty at once keep a slow engine busy for longer than one delivery waits; the provider then delivers again.
    let deliver = async || eventually(async || store.receive_payment(&created.num, &receipt).await).await;
    let paid = within(60, join_all((0..20).map(|_| deliver()))).await;
    let recorded = paid.iter().filter(|paid| matches!(paid, Paid::Recorded(_))).count();
    let known = paid.iter().filter(|paid| matches!(paid, Paid::Known(_))).count();
    assert_eq!((recorded, known), (1, 19), "{paid:?}");
    let order = world.read(&created.num).await;
    assert_eq!((order.version, order.payments.len(), order.refunds.len()), (created.version + 1, 1, 0));
    world.sweep_twice().await;
    assert_eq!(audit(&world.engine).await.nothing_missing().allocated, 1);
    assert_eq!(available(&world).await, 29);
}

#[tokio::test]
async fn the_last_card_is_not_lost_to_a_second_delivery_of_its_own_webhook() {
    let world = World::with_cards(1).await;
    let proxy = Proxy::start(&world.engine, 1, Faults::default()).await;
    let store = world.store_through(&proxy).await;
    let created = world.order("key", 1).await;
    let receipt = receipt(&created);
    // The first delivery holds the only ticket and is slow to buy; the others find the pool empty meanwhile.
    let mut sale = proxy.hold("TransactWriteItems");
    let others = async {
        sale.arrived().await;
        let others = join_all((0..5).map(|_| store.receive_payment(&created.num, &receipt)));
        let release = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            sale.release();
        };
        futures_util::future::join(others, release).await.0
    };
    let first = store.receive_payment(&created.num, &receipt);
    let (first, others) = within(30, futures_util::future::join(first, others)).await;
    recorded(first.unwrap());
    assert!(others.iter().all(|other| matches!(other, Ok(Paid::Known(_)))), "{others:?}");
    assert!(world.read(&created.num).await.is_paid());
}

#[tokio::test]
async fn money_that_cannot_pay_is_owed_back_as_it_came() {
    let world = World::with_cards(5).await;
    let usd = |amount| Money { amount, currency: "USD".parse().unwrap() };
    for (case, received, reason) in [
        ("too little", eur(1449), ReturnReason::WrongAmount),
        ("too much", eur(2900), ReturnReason::WrongAmount),
        ("dollars", usd(1450), ReturnReason::WrongCurrency),
        ("dollars and cents", usd(1), ReturnReason::WrongCurrency),
    ] {
        let created = world.order(case, 1).await;
        let wrong = Receipt { received, payment_id: format!("pi_wrong_{}", created.num), ..receipt(&created) };
        let order = recorded(world.store.receive_payment(&created.num, &wrong).await.unwrap());
        assert_eq!(order.status(world.now()), Status::Unpaid, "{case}");
        assert_eq!((order.refunds[0].reason, order.owed()), (reason, vec![received]), "{case}");
        assert!(matches!(world.store.receive_payment(&created.num, &wrong).await.unwrap(), Paid::Known(_)), "{case}");
        assert_eq!(world.read(&created.num).await, order, "{case}");
    }
    // The right payment still pays, and takes nothing from what is owed.
    let order = world.order("too little", 1).await;
    let order = recorded(world.store.receive_payment(&order.num, &receipt(&order)).await.unwrap());
    assert_eq!((order.status(world.now()), order.owed()), (Status::Normal, vec![eur(1449)]));
    assert_eq!(available(&world).await, 4);
    audit(&world.engine).await;
}

/// Two events of one payment may name different orders; only one of them was paid for.
#[tokio::test]
async fn one_payment_pays_one_order() {
    let world = World::with_cards(5).await;
    let paid = world.paid_order("first", 1).await;
    let other = world.order("other", 1).await;
    let same = Receipt { payment_id: receipt(&paid).payment_id, ..receipt(&other) };
    let outcome = world.store.receive_payment(&other.num, &same).await.unwrap();
    assert!(matches!(outcome, Paid::Elsewhere(num) if num == paid.num.as_str()));
    assert_eq!(world.read(&other.num).await, other);
    assert_eq!(available(&world).await, 4, "the ticket drawn meanwhile is back on sale");

    let orders = [world.order("left", 1).await, world.order("right", 1).await];
    let both = orders.iter().map(async |order| {
        let shared = Receipt { payment_id: "pi_shared".to_owned(), ..receipt(order) };
        world.store.receive_payment(&order.num, &shared).await.unwrap()
    });
    let paid = join_all(both).await.iter().filter(|outcome| matches!(outcome, Paid::Recorded(_))).count();
    assert_eq!((paid, available(&world).await), (1, 3));
    audit(&world.engine).await;
}

#[tokio::test]
async fn a_second_payment_and_a_late_one_are_owed_back() {
    let world = World::with_cards(5).await;
    let paid = world.paid_order("twice", 1).await;
    let second = Receipt { payment_id: "pi_second".to_owned(), provider: Provider::Standard, ..receipt(&paid) };
    let order = recorded(world.store.receive_payment(&paid.num, &second).await.unwrap());
    assert_eq!((order.refunds[0].reason, order.owed()), (ReturnReason::PaidTwice, vec![eur(1450)]));
    assert_eq!(order.status(world.now()), Status::Normal);

    let late = world.order("late", 2).await;
    world.wait(late.pay_until.seconds_since(world.now()));
    let order = recorded(world.store.receive_payment(&late.num, &receipt(&late)).await.unwrap());
    assert_eq!((order.refunds[0].reason, order.owed()), (ReturnReason::AfterVoid, vec![eur(2900)]));
    assert_eq!(order.status(world.now()), Status::Void);
    assert_eq!(available(&world).await, 4);
    audit(&world.engine).await;
}

#[tokio::test]
async fn money_for_what_is_sold_out_is_owed_back() {
    let world = World::with_cards(2).await;
    let created = world.order("three", 3).await;
    let order = recorded(world.store.receive_payment(&created.num, &receipt(&created)).await.unwrap());
    assert_eq!((order.refunds[0].reason, order.owed()), (ReturnReason::SoldOut, vec![eur(4350)]));
    assert_eq!((order.status(world.now()), order.void), (Status::Void, Some(VoidReason::SoldOut)));
    // Nobody draws for it again, and what there is stays for those whom it is enough for.
    let again = Receipt { payment_id: "pi_again".to_owned(), ..receipt(&created) };
    let order = recorded(world.store.receive_payment(&created.num, &again).await.unwrap());
    assert_eq!(order.refunds[1].reason, ReturnReason::AfterVoid);
    assert_eq!(iccids(&world.paid_order("two", 2).await).len(), 2);
    audit(&world.engine).await;
}

#[tokio::test]
async fn an_order_that_costs_nothing_is_paid_at_once() {
    let world = World::with_cards(1).await;
    let mut gift = plan();
    (gift.plan_id, gift.price) = ("gift".to_owned(), eur(0));
    world.store.put_plan(&gift, ADMINISTRATOR).await.unwrap().unwrap();
    let mut created = order("gift", simdock_tests::draft(1), world.now());
    created.plan_id = "gift".to_owned();
    created.lines[0].amount = 0;
    world.store.create_order(&created).await.unwrap();
    let free = Receipt { provider: Provider::Free, payment_id: "free".to_owned(), received: eur(0) };
    assert!(recorded(world.store.receive_payment(&created.num, &free).await.unwrap()).is_paid());

    let mut second = order("second gift", simdock_tests::draft(1), world.now());
    (second.plan_id, second.lines) = ("gift".to_owned(), created.lines);
    world.store.create_order(&second).await.unwrap();
    let paid = world.store.receive_payment(&second.num, &free).await.unwrap();
    assert!(matches!(paid, Paid::GivenUp(order, VoidReason::SoldOut) if order.payments.is_empty()));
}

#[tokio::test]
async fn the_cheapest_profile_is_sold_first_and_then_the_next() {
    let world = World::with_cards(3).await;
    stock(&world.store, cards(&second_pool(), 100..104)).await;
    assert_eq!(iccids(&world.paid_order("cheap", 2).await), [iccid(0), iccid(1)]);
    // One cheap card is left, which is not enough for two.
    assert_eq!(iccids(&world.paid_order("dear", 2).await), [iccid(100), iccid(101)]);
    assert_eq!(iccids(&world.paid_order("cheap again", 1).await), [iccid(2)]);
    assert_eq!(iccids(&world.paid_order("dear again", 2).await), [iccid(102), iccid(103)]);
    let created = world.order("none", 1).await;
    let order = recorded(world.store.receive_payment(&created.num, &receipt(&created)).await.unwrap());
    assert_eq!(order.void, Some(VoidReason::SoldOut));
    audit(&world.engine).await;
}

#[tokio::test]
async fn a_dead_slot_is_drawn_again() {
    let world = World::new().await;
    let mut stocked = cards(&pool(), 0..8);
    stocked[1].activate_before = Some(world.now().plus_seconds(3 * 86_400));
    stocked[2].activate_before = None;
    stock(&world.store, stocked).await;
    // Set aside by somebody while it stood in its slot.
    let key = json!({ "iccid": { "S": iccid(3).as_str() } });
    let values = json!({ ":aside": { "S": "set_aside" } });
    world.engine.update("SimsTable", key, "SET #s = :aside REMOVE slot", json!({ "#s": "state" }), values).await;

    let order = world.paid_order("key", 3).await;
    assert_eq!(iccids(&order), [iccid(0), iccid(2), iccid(4)]);
    world.sweep_twice().await;
    let counted = audit(&world.engine).await;
    assert_eq!(counted.nothing_missing().stocked[&pool().to_string()], 3);
    assert_eq!(available(&world).await, 3);
    let sims = world.store.sims(&[iccid(1), iccid(3)]).await.unwrap();
    assert!(sims.iter().all(|sim| sim.state == SimState::SetAside && sim.slot.is_none()), "{sims:?}");
}

#[tokio::test]
async fn what_dead_slots_leave_missing_comes_from_the_next_profile() {
    let world = World::new().await;
    let mut stocked = cards(&pool(), 0..3);
    stocked[0].activate_before = Some(world.now().plus_seconds(86_400));
    stock(&world.store, stocked).await;
    stock(&world.store, vec![card(&second_pool(), 100)]).await;
    assert_eq!(iccids(&world.paid_order("key", 3).await), [iccid(1), iccid(2), iccid(100)]);
    world.sweep_twice().await;
    assert!(audit(&world.engine).await.nothing_missing().stocked.is_empty());
}

#[tokio::test]
async fn two_hundred_buyers_of_fifty_cards_get_a_card_or_their_money() {
    let world = World::with_cards(50).await;
    let proxy = Proxy::start(&world.engine, 7, Faults::default()).await;
    let store = world.store_through(&proxy).await;
    let orders = join_all((0..200).map(async |number| world.order(&format!("buyer {number}"), 1).await)).await;
    let paid = within(
        80,
        join_all(
            orders.iter().map(async |order| eventually(async || store.receive_payment(&order.num, &receipt(order)).await).await),
        ),
    )
    .await;
    let orders: Vec<Order> = paid.into_iter().map(recorded).collect();
    let sold: BTreeSet<Iccid> = orders.iter().flat_map(iccids).collect();
    assert_eq!(sold.len(), 50);
    assert_eq!(orders.iter().filter(|order| order.is_paid()).count(), 50);
    let owed = orders.iter().filter(|order| order.void == Some(VoidReason::SoldOut) && order.owed() == [eur(1450)]).count();
    assert_eq!(owed, 150);
    world.sweep_twice().await;
    let counted = audit(&world.engine).await;
    assert_eq!((counted.nothing_missing().paid, counted.allocated, available(&world).await), (50, 50, 0));
}

#[tokio::test]
async fn buyers_of_several_cards_share_what_there_is() {
    let world = World::with_cards(50).await;
    let proxy = Proxy::start(&world.engine, 7, Faults::default()).await;
    let store = world.store_through(&proxy).await;
    let orders = join_all((0..30).map(async |number| world.order(&format!("buyer {number}"), 1 + number % 5).await)).await;
    let paid = within(
        60,
        join_all(
            orders.iter().map(async |order| eventually(async || store.receive_payment(&order.num, &receipt(order)).await).await),
        ),
    )
    .await;
    let sold: Vec<Iccid> = paid.into_iter().map(recorded).flat_map(|order| iccids(&order)).collect();
    assert_eq!(sold.len(), sold.iter().collect::<BTreeSet<_>>().len());
    // Some want one card, so nothing can be left over.
    assert!(sold.len() >= 46, "{}", sold.len());
    world.sweep_twice().await;
    audit(&world.engine).await.nothing_missing();
    assert_eq!(available(&world).await, 50 - sold.len() as u64);
}
