//! Everything ends right although the tables throttle, conflict, lose requests, and answer into connections that are gone.

use crate::within;
use futures_util::future::join_all;
use simdock_domain::{Command, MailKind, Order, OrderNum, PaymentMethod, Provider, decide};
use simdock_store::{
    ADMINISTRATOR, Change, Created, Credit, Credited, Facts, ImportLine, ImportStatus, Paid, Receipt, Store, StoreError,
};
use simdock_tests::{
    Fault, Faults, PARTNER, Proxy, World, activations, audit, card, cards, draft, eur, eventually, order, pool, receipt, sims_of,
    stock,
};
use std::time::{Duration, Instant};

pub fn bad_day(forget_tokens: bool) -> Faults {
    Faults {
        delay: Duration::from_millis(2),
        forget_tokens,
        throttle: 0.08,
        lose: 0.03,
        fail: 0.03,
        fail_after: 0.03,
        cut: 0.05,
        ..Faults::default()
    }
}

/// What the functions do for an order, from its creation to its last mail; each step is repeated as its queue or client would.
async fn live(store: &Store, order: &Order) -> Order {
    let created = eventually(async || store.create_order(order).await).await;
    assert!(matches!(created, Created::New | Created::Before(_)));
    let receipt = match order.payment_method {
        PaymentMethod::Card => receipt(order),
        PaymentMethod::Balance => {
            Receipt { provider: Provider::Balance, payment_id: order.num.to_string(), received: order.price() }
        }
        PaymentMethod::Complimentary => {
            Receipt { provider: Provider::Free, payment_id: order.num.to_string(), received: order.price() }
        }
    };
    let paid = eventually(async || store.receive_payment(&order.num, &receipt).await).await;
    assert!(matches!(paid, Paid::Recorded(_) | Paid::Known(_) | Paid::GivenUp(..)), "{paid:?}");
    let read = async || eventually(async || store.order(&order.num).await).await.expect("the order exists");
    if !read().await.is_paid() {
        return read().await;
    }
    loop {
        let now = store.clock().now();
        let current = read().await;
        let lines: Vec<usize> = current.pending().map(|(line, _)| line).collect();
        if lines.is_empty() {
            break;
        }
        let next = decide(&current, Command::Provisioned(lines.clone()), now).expect("a decision");
        let sims = eventually(async || sims_of(store, &current, &lines).await).await;
        let activations = activations(lines.into_iter());
        let facts = Facts { activations: &activations, sims: &sims };
        let _ = eventually(async || store.write_in_step(&current, &next, facts, now).await).await;
    }
    for kind in [MailKind::Confirmation, MailKind::Qr] {
        for command in [Command::ClaimMail(kind), Command::MailSent(kind)] {
            let now = store.clock().now();
            let change =
                eventually(async || store.change_order(&order.num, |order| decide(order, command.clone(), now)).await).await;
            assert!(matches!(change, Change::Made(_) | Change::Refused(..)));
        }
    }
    read().await
}

async fn a_bad_day(seed: u64, forget_tokens: bool) {
    let world = World::with_cards(20).await;
    let proxy = Proxy::start(&world.engine, seed, bad_day(forget_tokens)).await;
    let store = world.store_through(&proxy).await;
    let credited = eventually(async || store.credit(&Credit::new(PARTNER, eur(20_000), "credit")).await).await;
    let orders: Vec<Order> = (0..24)
        .map(|number| {
            let mut draft = draft(1 + number % 2);
            draft.payment_method = if number % 3 == 0 { PaymentMethod::Balance } else { PaymentMethod::Card };
            order(&format!("order {number}"), draft, world.now())
        })
        .collect();
    let lines: Vec<_> = (2..).zip(cards(&pool(), 100..260)).map(|(line, card)| ImportLine { line, card }).collect();
    let import = async {
        eventually(async || store.begin_import("IM1", 160, lines.clone(), &[], ADMINISTRATOR).await).await;
        eventually(async || store.run_import("IM1", Instant::now() + Duration::from_mins(1)).await).await
    };
    let sweeps = async {
        for _ in 0..3 {
            eventually(async || store.recover_stock(&pool(), world.now()).await).await;
        }
    };
    let all = futures_util::future::join3(join_all(orders.iter().map(|order| live(&store, order))), import, sweeps);
    let (lived, import, ()) = within(80, all).await;
    // An answer that was lost makes the second try the one that finds it done.
    assert!(credited == Credited::Now || forget_tokens);
    let import = import.expect("the import exists");
    assert_eq!((import.status, import.added, import.errors.len()), (ImportStatus::Done, 160, 0));
    for order in &lived {
        if order.is_paid() {
            assert!(order.pending().next().is_none());
            assert_eq!(order.mails.len(), 2, "{order:?}");
            assert_eq!(order.payments.len(), 1);
        }
    }
    world.sweep_twice().await;
    let counted = audit(&world.engine).await;
    let stocked = counted.nothing_missing().stocked[&pool().to_string()];
    assert_eq!(stocked + counted.allocated, 180);
    assert_eq!(crate::available(&world).await, stocked as u64);
    let faults = proxy.stats().faults;
    assert_eq!(faults.len(), 5, "{faults:?}");
}

#[tokio::test]
async fn a_bad_day_ends_right() {
    a_bad_day(1, false).await;
}

#[tokio::test]
async fn a_bad_day_ends_right_when_client_tokens_are_forgotten() {
    a_bad_day(2, true).await;
}

/// Each way in which a single write can go wrong, one after the other.
pub const WAYS: [Fault; 5] = [Fault::Throttle, Fault::Lose, Fault::Fail, Fault::FailAfter, Fault::Cut];

#[tokio::test]
async fn a_sale_is_made_once_whatever_becomes_of_its_answer() {
    for forget_tokens in [false, true] {
        let world = World::with_cards(10).await;
        let proxy = Proxy::start(&world.engine, 1, Faults { forget_tokens, ..Faults::default() }).await;
        let store = world.store_through(&proxy).await;
        for (place, way) in WAYS.into_iter().enumerate() {
            let order = world.order(&format!("{way:?}"), 2).await;
            proxy.next("TransactWriteItems", [way]);
            let paid = within(20, store.receive_payment(&order.num, &receipt(&order))).await.unwrap();
            assert!(matches!(paid, Paid::Recorded(order) | Paid::Known(order) if order.is_paid()), "{way:?}");
            let order = world.read(&order.num).await;
            assert_eq!((order.version, order.payments.len()), (2, 1), "{way:?}");
            assert_eq!(audit(&world.engine).await.allocated, 2 * (place + 1), "{way:?}");
        }
        assert_eq!(crate::available(&world).await, 0);
    }
}

#[tokio::test]
async fn what_is_never_answered_is_sent_again_and_done_once() {
    let world = World::with_cards(3).await;
    let orders = [world.order("sale", 1).await, world.order("sale, and tokens forgotten", 1).await];
    let sales = orders.iter().zip([false, true]).map(async |(order, forget_tokens)| {
        let proxy = Proxy::start(&world.engine, 1, Faults { forget_tokens, ..Faults::default() }).await;
        let store = world.store_through(&proxy).await;
        proxy.next("TransactWriteItems", [Fault::Stall]);
        proxy.next("GetItem", [Fault::Stall]);
        store.receive_payment(&order.num, &receipt(order)).await
    });
    let paid = within(60, join_all(sales)).await;
    for (order, paid) in orders.iter().zip(paid) {
        assert!(matches!(paid, Ok(Paid::Recorded(order) | Paid::Known(order)) if order.is_paid()));
        assert_eq!(world.read(&order.num).await.version, 2);
    }
    assert_eq!(audit(&world.engine).await.allocated, 2);
    assert_eq!(crate::available(&world).await, 1);
}

#[tokio::test]
async fn a_draw_is_not_repeated_when_it_may_have_happened() {
    let world = World::with_cards(10).await;
    let proxy = Proxy::start(&world.engine, 1, Faults::default()).await;
    let store = world.store_through(&proxy).await;
    for way in WAYS {
        let order = world.order(&format!("{way:?}"), 1).await;
        proxy.next("UpdateItem", [way]);
        let paid = store.receive_payment(&order.num, &receipt(&order)).await;
        if way == Fault::Throttle {
            assert!(matches!(paid, Ok(Paid::Recorded(_))));
            continue;
        }
        assert!(matches!(paid, Err(StoreError::Busy(_))), "{way:?}: {paid:?}");
        assert!(!world.read(&order.num).await.is_paid());
        assert!(matches!(store.receive_payment(&order.num, &receipt(&order)).await, Ok(Paid::Recorded(_))));
    }
    // Two draws happened without anybody knowing.
    assert_eq!(crate::available(&world).await, 3);
    world.sweep_twice().await;
    assert_eq!(audit(&world.engine).await.nothing_missing().allocated, 5);
    assert_eq!(crate::available(&world).await, 5);
}

#[tokio::test]
async fn an_order_is_created_once_whatever_becomes_of_the_answer() {
    let world = World::new().await;
    let proxy = Proxy::start(&world.engine, 1, Faults::default()).await;
    let store = world.store_through(&proxy).await;
    for way in WAYS {
        let order = order(&format!("{way:?}"), draft(1), world.now());
        proxy.next("PutItem", [way]);
        let created = store.create_order(&order).await.unwrap();
        match way {
            Fault::Throttle | Fault::Lose | Fault::Fail => assert!(matches!(created, Created::New), "{way:?}"),
            // It finds itself.
            Fault::FailAfter | Fault::Cut | Fault::Stall => {
                assert!(matches!(created, Created::Before(before) if *before == order));
            }
        }
        assert_eq!(world.read(&order.num).await, order);
    }
}

#[tokio::test]
async fn a_credit_is_given_once_whatever_becomes_of_the_answer() {
    for forget_tokens in [false, true] {
        let world = World::new().await;
        let proxy = Proxy::start(&world.engine, 1, Faults { forget_tokens, ..Faults::default() }).await;
        let store = world.store_through(&proxy).await;
        for way in WAYS {
            proxy.next("TransactWriteItems", [way]);
            let first = store.credit(&Credit::new(PARTNER, eur(100), &format!("{way:?}"))).await.unwrap();
            assert!(first == Credited::Now || forget_tokens, "{way:?}");
        }
        assert_eq!(store.balance(PARTNER, eur(0).currency).await.unwrap(), eur(500));
        audit(&world.engine).await;
    }
}

#[tokio::test]
async fn an_import_is_written_down_once_whatever_becomes_of_the_answer() {
    for forget_tokens in [false, true] {
        let world = World::new().await;
        let proxy = Proxy::start(&world.engine, 1, Faults { forget_tokens, ..Faults::default() }).await;
        let store = world.store_through(&proxy).await;
        for (serial, way) in (0..).zip(WAYS) {
            let id = format!("IM{serial}");
            let line = ImportLine { line: 2, card: card(&pool(), serial) };
            proxy.next("TransactWriteItems", [way]);
            store.begin_import(&id, 1, vec![line], &[], ADMINISTRATOR).await.unwrap();
            proxy.next("TransactWriteItems", [way]);
            let import = store.run_import(&id, Instant::now() + Duration::from_secs(20)).await.unwrap().unwrap();
            assert_eq!((import.status, import.added, import.errors.len()), (ImportStatus::Done, 1, 0), "{way:?}");
        }
        assert_eq!(audit(&world.engine).await.nothing_missing().stocked[&pool().to_string()], 5);
    }
}

#[tokio::test]
async fn throttling_without_end_is_an_error_that_can_be_tried_again() {
    let world = World::with_cards(1).await;
    let proxy = Proxy::start(&world.engine, 1, Faults::default()).await;
    let store = world.store_through(&proxy).await;
    let nobody = OrderNum::from_random([7; 10]);
    for (way, operation) in [(Fault::Throttle, "GetItem"), (Fault::Fail, "GetItem"), (Fault::Cut, "GetItem")] {
        proxy.next(operation, [way; 14]);
        let read = within(20, store.order(&nobody)).await;
        assert!(matches!(read, Err(StoreError::Busy(_))), "{way:?}: {read:?}");
        assert_eq!(store.order(&nobody).await.unwrap(), None);
    }
    stock(&world.store, vec![card(&pool(), 1)]).await;
    proxy.next("BatchGetItem", [Fault::Throttle; 10]);
    assert_eq!(store.sims(&[simdock_tests::iccid(1)]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn transactions_that_meet_wait_for_each_other() {
    let world = World::with_cards(40).await;
    let proxy = Proxy::start(&world.engine, 1, Faults::default()).await;
    let store = world.store_through(&proxy).await;
    // All debit one balance.
    eventually(async || store.credit(&Credit::new(PARTNER, eur(14_500), "credit")).await).await;
    let lived = join_all((0..10).map(async |number| {
        let mut draft = draft(1);
        draft.payment_method = PaymentMethod::Balance;
        live(&store, &order(&format!("order {number}"), draft, world.now())).await
    }));
    let lived = within(60, lived).await;
    assert!(lived.iter().all(Order::is_paid));
    assert!(proxy.stats().conflicts > 0);
    assert_eq!(store.balance(PARTNER, eur(0).currency).await.unwrap(), eur(0));
    audit(&world.engine).await;
}
