use crate::within;
use futures_util::future::join_all;
use simdock_domain::{Command, MailKind, MailState, Rejected, Status, Timestamp, decide, next_attention};
use simdock_store::{Change, Created, Store};
use simdock_tests::{World, draft, order, receipt};

#[tokio::test]
async fn a_request_makes_one_order_however_often_it_comes() {
    let world = World::with_cards(1).await;
    let first = order("key", draft(1), world.now());
    assert!(matches!(world.store.create_order(&first).await.unwrap(), Created::New));
    assert_eq!(world.read(&first.num).await, first);

    let again = order("key", draft(1), world.now().plus_seconds(5));
    assert!(matches!(world.store.create_order(&again).await.unwrap(), Created::Before(before) if *before == first));
    world.store.receive_payment(&first.num, &receipt(&first)).await.unwrap();
    assert!(matches!(world.store.create_order(&again).await.unwrap(), Created::Before(before) if before.is_paid()));

    let mut other = again;
    other.fingerprint = "another request".to_owned();
    assert!(matches!(world.store.create_order(&other).await.unwrap(), Created::KeyReused));
    assert!(world.read(&first.num).await.is_paid());
}

#[tokio::test]
async fn twenty_equal_requests_at_once_make_one_order() {
    let world = World::new().await;
    let order = order("key", draft(1), world.now());
    let created = within(20, join_all((0..20).map(|_| world.store.create_order(&order)))).await;
    let new = created.iter().filter(|created| matches!(created, Ok(Created::New))).count();
    let before = created.iter().filter(|created| matches!(created, Ok(Created::Before(_)))).count();
    assert_eq!((new, before), (1, 19));
}

#[tokio::test]
async fn an_order_that_is_not_there_is_not_found() {
    let world = World::new().await;
    let num = order("nobody", draft(1), world.now()).num;
    assert_eq!(world.store.order(&num).await.unwrap(), None);
    let change = world.store.change_order(&num, |order| decide(order, Command::Expire, world.now())).await;
    assert!(matches!(change.unwrap(), Change::NoOrder));
}

#[tokio::test]
async fn a_mail_is_claimed_by_one_of_many() {
    let world = World::with_cards(1).await;
    let order = world.paid_order("key", 1).await;
    let order = world.activate(&order, &[0]).await;
    let now = world.now();
    let claim = || world.store.change_order(&order.num, |order| decide(order, Command::ClaimMail(MailKind::Confirmation), now));
    let claims = within(30, join_all((0..20).map(|_| claim()))).await;
    let made = claims.iter().filter(|claim| matches!(claim, Ok(Change::Made(_)))).count();
    let not_due = claims.iter().filter(|claim| matches!(claim, Ok(Change::Refused(_, Rejected::NotDue)))).count();
    assert_eq!((made, not_due), (1, 19));

    let sent = || world.store.change_order(&order.num, |order| decide(order, Command::MailSent(MailKind::Confirmation), now));
    assert!(matches!(sent().await.unwrap(), Change::Made(_)));
    assert!(matches!(sent().await.unwrap(), Change::Refused(_, Rejected::Done)));
    let order = world.read(&order.num).await;
    assert_eq!(order.mail(MailKind::Confirmation).unwrap().state, MailState::Sent(now));
    assert_eq!(order.mail(MailKind::Confirmation).unwrap().attempts, 1);
}

#[tokio::test]
async fn orders_turn_up_when_they_want_attention_and_not_before() {
    let world = World::with_cards(2).await;
    let unpaid = world.order("unpaid", 1).await;
    let paid = world.paid_order("paid", 1).await;
    let overdue = async |now: Timestamp| {
        let mut found = Vec::new();
        for shard in 0..Store::DUE_SHARDS {
            let page = world.store.overdue(shard, now, None).await.unwrap();
            assert!(page.next.is_none());
            found.extend(page.items);
        }
        found.sort();
        found
    };
    assert_eq!(overdue(world.now()).await, []);
    assert_eq!(overdue(next_attention(&paid).unwrap()).await, std::slice::from_ref(&paid.num));
    let mut both = [unpaid.num.clone(), paid.num.clone()];
    both.sort();
    let late = unpaid.pay_until;
    assert_eq!(overdue(late).await, both);

    // Its jobs were queued again, so it is left in peace for a while; the other one expires.
    world.store.looked_after(&paid, late).await.unwrap();
    let change = world.store.change_order(&unpaid.num, |order| decide(order, Command::Expire, late)).await.unwrap();
    assert!(matches!(change, Change::Made(order) if order.status(late) == Status::Void));
    assert_eq!(overdue(late).await, []);
    assert_eq!(overdue(late.plus_seconds(3600)).await, std::slice::from_ref(&paid.num));
    assert_eq!(world.read(&paid.num).await, paid);
}

#[tokio::test]
async fn overdue_orders_come_page_by_page() {
    let world = World::new().await;
    // All of one shard, which is what their last character says, so that it takes more than a page.
    let shard = b'A' % Store::DUE_SHARDS;
    let orders = (0..).map(|number| order(&format!("key {number}"), draft(1), world.now()));
    let orders: Vec<_> = orders.filter(|order| order.num.as_str().ends_with('A')).take(120).collect();
    for order in &orders {
        world.store.create_order(order).await.unwrap();
    }
    let mut orders: Vec<_> = orders.into_iter().map(|order| order.num).collect();
    let late = world.now().plus_seconds(3600);
    let (mut found, mut pages, mut cursor) = (Vec::new(), 0, None);
    loop {
        let page = world.store.overdue(shard, late, cursor).await.unwrap();
        found.extend(page.items);
        pages += 1;
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    found.sort();
    orders.sort();
    assert_eq!((found, pages), (orders, 3));
}
