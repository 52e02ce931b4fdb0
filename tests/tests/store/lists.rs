//! Lists of orders and cards: by which keys they are found, and how far one request goes.

use crate::subscriptions::pay;
use simdock_domain::{
    Command, EmailAddress, FormFactor, Iccid, Order, OrderType, PoolId, ProfileState, Recipient, Status, SubscriptionChange,
    Timestamp, decide,
};
use simdock_store::{Change, Created, LineQuery, ListQuery, Position, SimQuery, SimStatus, Store};
use simdock_tests::{PARTNER, World, card, draft, iccid, order, pool, stock};

const DAY: i64 = 86_400;

/// A partner's orders.
fn query(limit: usize) -> ListQuery {
    ListQuery { partner_id: Some(PARTNER.to_owned()), limit, ..ListQuery::default() }
}

/// All partners' orders.
fn everybodys(limit: usize) -> ListQuery {
    ListQuery { limit, ..ListQuery::default() }
}

/// The keys of all pages of a list, page by page.
async fn pages(store: &Store, mut query: ListQuery) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    loop {
        let page = store.list_orders(&query).await.expect("a page");
        pages.push(page.items.iter().map(|order| order.line_name.clone().expect("a name")).collect());
        query.after = page.next;
        if query.after.is_none() {
            return pages;
        }
    }
}

fn names(numbers: impl Iterator<Item = i64>) -> Vec<String> {
    numbers.map(|number| format!("line {number}")).collect()
}

/// Orders `line 0` to `line 24`, ten seconds apart, every fifth of the shop's order 7, their items numbered in turn.
async fn twenty_five_orders(world: &World) -> Timestamp {
    let start = world.now();
    for number in 0..25 {
        let mut draft = draft(1);
        draft.line_name = Some(format!("line {number}"));
        draft.other_order_id = (number % 5 == 0).then(|| "shop-7".to_owned());
        draft.other_item_id = Some((number % 10).to_string());
        let order = order(&format!("key {number}"), draft, start.plus_seconds(10 * number));
        assert!(matches!(world.store.create_order(&order).await.expect("the order is written"), Created::New));
    }
    let mut stranger = order("stranger", draft(1), start);
    "other".clone_into(&mut stranger.partner_id);
    world.store.create_order(&stranger).await.expect("the order is written");
    start
}

#[tokio::test]
async fn orders_are_listed_newest_first_page_by_page() {
    let world = World::new().await;
    let start = twenty_five_orders(&world).await;
    let all = pages(&world.store, query(10)).await;
    assert_eq!(all.concat(), names((0..25).rev()));
    assert_eq!(all.iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 5]);

    // From this second on, and before that one.
    let window = ListQuery { from: Some(start.plus_seconds(50)), until: Some(start.plus_seconds(120)), ..query(3) };
    assert_eq!(pages(&world.store, window.clone()).await.concat(), names((5..12).rev()));
    assert_eq!(pages(&world.store, ListQuery { oldest_first: true, ..window }).await.concat(), names(5..12));
    let nothing = ListQuery { from: Some(start.plus_seconds(120)), until: Some(start.plus_seconds(50)), ..query(3) };
    assert_eq!(pages(&world.store, nothing).await, [names(0..0)]);
    let nobody = ListQuery { partner_id: Some("nobody".to_owned()), ..query(3) };
    assert_eq!(pages(&world.store, nobody).await, [names(0..0)]);
}

#[tokio::test]
async fn a_cursor_outlives_a_change_of_the_window() {
    let world = World::new().await;
    let start = twenty_five_orders(&world).await;
    let cursor = page_end(&world, 10).await;
    // The cursor stands at `line 15`, behind the end of the one window and before the start of the other.
    let older = ListQuery { until: Some(start.plus_seconds(100)), after: cursor.clone(), ..query(100) };
    assert_eq!(pages(&world.store, older).await.concat(), names((0..10).rev()));
    let newer = ListQuery { from: Some(start.plus_seconds(200)), after: cursor, ..query(100) };
    assert_eq!(pages(&world.store, newer.clone()).await.concat(), names(0..0));
    // The other way round it stands before all of the one, and behind all of the other.
    assert_eq!(pages(&world.store, ListQuery { oldest_first: true, ..newer }).await.concat(), names(20..25));
    let older = ListQuery { until: Some(start.plus_seconds(100)), after: page_end(&world, 10).await, ..query(100) };
    assert_eq!(pages(&world.store, ListQuery { oldest_first: true, ..older }).await.concat(), names(0..0));
}

/// Where the first page of so many ends.
async fn page_end(world: &World, limit: usize) -> Option<Position> {
    world.store.list_orders(&query(limit)).await.expect("a page").next
}

#[tokio::test]
async fn orders_are_found_by_the_partners_own_numbers() {
    let world = World::new().await;
    twenty_five_orders(&world).await;
    let by_order = ListQuery { other_order_id: Some("shop-7".to_owned()), ..query(2) };
    assert_eq!(pages(&world.store, by_order.clone()).await.concat(), names([20, 15, 10, 5, 0].into_iter()));
    let by_item = ListQuery { other_item_id: Some("5".to_owned()), ..query(1) };
    assert_eq!(pages(&world.store, by_item.clone()).await.concat(), names([15, 5].into_iter()));
    let oldest_first = ListQuery { oldest_first: true, ..by_item };
    assert_eq!(pages(&world.store, oldest_first).await.concat(), names([5, 15].into_iter()));
    let by_both = ListQuery { other_item_id: Some("0".to_owned()), ..by_order.clone() };
    assert_eq!(pages(&world.store, by_both).await.concat(), names([20, 10, 0].into_iter()));
    let of_another = ListQuery { partner_id: Some("other".to_owned()), ..by_order };
    assert!(pages(&world.store, of_another).await.concat().is_empty());
}

/// An order of a partner's, which is called what it is called.
async fn placed(world: &World, name: &str, partner: &str, email: &str, at: Timestamp) -> Order {
    let mut draft = draft(1);
    draft.line_name = Some(name.to_owned());
    draft.email = email.parse().expect("an address");
    let mut order = order(&format!("{partner} {name}"), draft, at);
    partner.clone_into(&mut order.partner_id);
    assert!(matches!(world.store.create_order(&order).await.expect("the order is written"), Created::New));
    order
}

#[tokio::test]
async fn all_partners_orders_are_listed_day_by_day() {
    let world = World::new().await;
    let midnight = world.now().plus_seconds(-world.now().unix().rem_euclid(DAY));
    // Two in the last second of a day, one in the first of the next, and some with days without any between.
    let ages = [1, 1, 0, -3 * DAY, -3 * DAY - 60, -30 * DAY, -50 * DAY];
    for (number, age) in ages.iter().enumerate() {
        let at = midnight.plus_seconds(if *age == 1 { -1 } else { *age });
        placed(&world, &format!("line {number}"), ["acme", "other"][number % 2], "ana@example.com", at).await;
    }
    // Within a second, the sequence is any, but fixed.
    let mut sequence = pages(&world.store, everybodys(100)).await.concat();
    assert_eq!(sequence.len(), 6, "31 days, if nothing else is asked for");
    assert_eq!(sequence[0], "line 2");
    let reversed: Vec<String> = sequence.iter().rev().cloned().collect();
    for (limit, oldest_first) in [1, 2, 3, 5, 6].into_iter().flat_map(|limit| [(limit, false), (limit, true)]) {
        let pages = pages(&world.store, ListQuery { oldest_first, ..everybodys(limit) }).await;
        assert_eq!(pages.concat(), *if oldest_first { &reversed } else { &sequence }, "{limit}");
        assert!(pages.iter().all(|page| page.len() <= limit));
    }
    sequence[1..3].sort();
    assert_eq!(sequence, names([2, 0, 1, 3, 4, 5].into_iter()));

    let window =
        ListQuery { from: Some(midnight.plus_seconds(-30 * DAY)), until: Some(midnight.plus_seconds(-3 * DAY)), ..everybodys(1) };
    assert_eq!(pages(&world.store, window.clone()).await.concat(), names([4, 5].into_iter()));
    assert_eq!(pages(&world.store, ListQuery { oldest_first: true, ..window }).await.concat(), names([5, 4].into_iter()));
    let long_ago = ListQuery { from: Some(midnight.plus_seconds(-400 * DAY)), ..everybodys(100) };
    let long_ago = pages(&world.store, long_ago).await;
    assert_eq!(long_ago.concat().len(), 7);
    assert!(long_ago.len() > 5 && long_ago.len() < 20, "a page passes so many days only: {}", long_ago.len());
    let nothing = ListQuery { from: Some(midnight), until: Some(midnight), ..everybodys(1) };
    assert_eq!(pages(&world.store, nothing).await, [names(0..0)]);
    let of_both = ListQuery { other_order_id: Some("shop-1007".to_owned()), ..everybodys(2) };
    assert_eq!(pages(&world.store, of_both).await.concat().len(), 6);
}

#[tokio::test]
async fn a_subscribers_orders_are_found_by_the_address_that_they_have_now() {
    let world = World::new().await;
    let start = world.now();
    let mut orders = Vec::new();
    for number in 0..6 {
        let partner = ["acme", "other"][number % 2];
        let email = ["ana@example.com", "Ana@Example.COM", "ben@example.com"][number / 2];
        let at = start.plus_seconds(i64::try_from(number).unwrap());
        orders.push(placed(&world, &format!("line {number}"), partner, email, at).await);
    }
    let of = |email: &str| Some(email.parse::<EmailAddress>().unwrap());
    for limit in [1, 2, 100] {
        let own = ListQuery { email: of("ana@example.com"), ..query(limit) };
        assert_eq!(pages(&world.store, own).await.concat(), names([2, 0].into_iter()));
        let all = ListQuery { email: of("ANA@example.com"), ..everybodys(limit) };
        assert_eq!(pages(&world.store, all).await.concat(), names([3, 1, 2, 0].into_iter()), "partner by partner");
    }
    let since = ListQuery { email: of("ana@example.com"), from: Some(start.plus_seconds(1)), ..everybodys(1) };
    assert_eq!(pages(&world.store, since.clone()).await.concat(), names([3, 1, 2].into_iter()));
    let since = ListQuery { partner_id: Some("acme".to_owned()), ..since };
    assert_eq!(pages(&world.store, since).await.concat(), names(2..3));
    let tagged = ListQuery { email: of("ana@example.com"), other_order_id: Some("shop-1007".to_owned()), ..query(1) };
    assert_eq!(pages(&world.store, tagged).await.concat(), names([2, 0].into_iter()));

    // No index holds the address.
    let stored = world.engine.scan("OrdersTable").await;
    for name in ["mail", "mailKey", "listKey", "tag"] {
        assert!(stored.iter().all(|item| !item[name].to_string().to_lowercase().contains("example")), "{name}");
    }

    let correct = Command::EditRecipient(Recipient { email: of("ben@example.com"), ..Recipient::default() });
    let change = world.store.change_order(&orders[0].num, |order| decide(order, correct.clone(), start)).await.unwrap();
    assert!(matches!(change, Change::Made(_)));
    let own = |email| ListQuery { email: of(email), ..query(10) };
    assert_eq!(pages(&world.store, own("ana@example.com")).await.concat(), names(2..3));
    assert_eq!(pages(&world.store, own("ben@example.com")).await.concat(), names([4, 0].into_iter()));
}

#[tokio::test]
async fn what_no_index_knows_is_looked_for_page_by_page() {
    let world = World::with_cards(3).await;
    for number in 0..3 {
        world.paid_order(&format!("paid {number}"), 1).await;
    }
    let start = world.now();
    for number in 0..120 {
        placed(&world, &format!("line {number}"), PARTNER, "ana@example.com", start.plus_seconds(1 + number)).await;
    }
    let found = async |query: ListQuery| {
        let mut query = query;
        let (mut found, mut pages) = (0, 0);
        loop {
            let page = world.store.list_orders(&query).await.unwrap();
            assert!(page.items.len() <= query.limit);
            (found, pages, query.after) = (found + page.items.len(), pages + 1, page.next);
            if query.after.is_none() {
                return (found, pages);
            }
        }
    };
    assert_eq!(found(ListQuery { status: Some(Status::Normal), ..query(10) }).await, (3, 1));
    assert_eq!(found(ListQuery { status: Some(Status::Normal), ..everybodys(2) }).await, (3, 2));
    assert_eq!(found(ListQuery { status: Some(Status::Unpaid), ..query(100) }).await, (120, 2));
    assert_eq!(found(ListQuery { kind: Some(OrderType::Renewal), ..query(10) }).await, (0, 1));
    assert_eq!(found(ListQuery { kind: Some(OrderType::ActivateSubscription), ..query(100) }).await, (123, 2));
    assert_eq!(found(ListQuery { needs_attention: true, ..query(10) }).await, (0, 1));
    world.wait(3600);
    assert_eq!(found(ListQuery { status: Some(Status::Unpaid), ..query(10) }).await, (0, 1), "their time is over");
    assert_eq!(found(ListQuery { status: Some(Status::Void), ..query(50) }).await, (120, 3));
}

#[tokio::test]
async fn a_card_leads_to_all_orders_of_its_subscription() {
    let world = World::with_cards(3).await;
    let (main, subscription) = world.subscription("main").await;
    world.order("another", 1).await;
    let mut expected = vec![main.num.clone()];
    let swap = SubscriptionChange::Swap { form_factor: FormFactor::Esim, address: None };
    let changes = [
        SubscriptionChange::Renewal { add_on_ids: Vec::new() },
        SubscriptionChange::AddOns { add_on_ids: vec!["data-1gb".to_owned()] },
        swap,
    ];
    let mut new_card = None;
    for (number, change) in changes.into_iter().enumerate() {
        let order = world.change(&format!("change {number}"), &subscription, change).await;
        pay(&world.store, &order).await;
        expected.push(order.num.clone());
        new_card = world.read(&order.num).await.lines[0].iccid.clone();
    }
    expected.sort();
    let listed = async |iccid: &Iccid, query: ListQuery| {
        let query = ListQuery { iccid: Some(iccid.clone()), ..query };
        let page = world.store.list_orders(&query).await.unwrap();
        (page.items.into_iter().map(|order| order.num).collect::<Vec<_>>(), page.next)
    };
    let sorted = |(mut nums, next): (Vec<_>, Option<Position>)| {
        nums.sort();
        (nums, next)
    };
    // The card of a swap belongs to the subscription from the time that it is sold.
    for iccid in [&subscription.iccid, &new_card.expect("a card")] {
        assert_eq!(sorted(listed(iccid, everybodys(10)).await), (expected.clone(), None));
        assert_eq!(sorted(listed(iccid, query(10)).await), (expected.clone(), None));
    }
    let (first, after) = listed(&subscription.iccid, query(3)).await;
    let (rest, end) = listed(&subscription.iccid, ListQuery { after, ..query(3) }).await;
    assert_eq!((first.len(), rest.len(), end), (3, 1, None));
    assert_eq!(sorted(([first, rest].concat(), None)).0, expected);
    let renewals = ListQuery { kind: Some(OrderType::Renewal), ..query(10) };
    assert_eq!(listed(&subscription.iccid, renewals).await.0.len(), 1);
    let somebody_else = ListQuery { partner_id: Some("other".to_owned()), ..everybodys(10) };
    assert_eq!(listed(&subscription.iccid, somebody_else).await, (vec![], None));
    // One that nobody bought, and one that does not exist.
    for serial in [2, 99] {
        assert_eq!(listed(&iccid(serial), everybodys(10)).await, (vec![], None));
    }
}

#[tokio::test]
async fn a_position_of_another_list_does_no_harm() {
    let world = World::new().await;
    let start = twenty_five_orders(&world).await;
    let email = Some("ana.garcia@example.com".parse::<EmailAddress>().unwrap());
    let lists = [
        query(5),
        ListQuery { other_order_id: Some("shop-7".to_owned()), ..query(2) },
        ListQuery { email: email.clone(), ..query(5) },
        ListQuery { email, ..everybodys(5) },
        everybodys(5),
        ListQuery { until: Some(start.plus_seconds(100)), ..everybodys(5) },
        ListQuery { from: Some(start.plus_seconds(-90 * DAY)), until: Some(start), ..everybodys(5) },
    ];
    let mut positions = vec!["9999-12-31T23:59:59Z".parse::<Position>().unwrap(), "0000-01-01T00:00:00Z".parse().unwrap()];
    for list in &lists {
        positions.extend(world.store.list_orders(list).await.unwrap().next);
    }
    assert!(positions.len() > lists.len());
    for list in &lists {
        for position in &positions {
            let list = ListQuery { after: Some(position.clone()), ..list.clone() };
            world.store.list_orders(&list).await.unwrap_or_else(|error| panic!("{list:?}: {error}"));
        }
    }
    for text in ["", "EP0123456789ABCDEF", "2026-11-22T10:30:00Z#EP1", "2026-11-22T10:30:00+00:00#EP0123456789ABCDEF", "a#b"] {
        assert!(text.parse::<Position>().is_err(), "{text}");
    }
}

#[tokio::test]
async fn cards_are_listed_with_where_they_stand() {
    let world = World::with_cards(4).await;
    let (order, subscription) = world.subscription("main").await;
    world.paid_order("sold", 1).await;
    let others = PoolId::new("elsewhere", "1", FormFactor::Esim).unwrap();
    stock(&world.store, (10..130).map(|serial| card(&others, serial)).collect()).await;
    let listed = async |query: SimQuery| {
        let (mut query, mut statuses, mut pages) = (query, Vec::new(), 0);
        loop {
            let page = world.store.list_sims(&query).await.unwrap();
            assert!(page.items.len() <= query.limit);
            statuses.extend(page.items.iter().map(|report| report.status));
            (pages, query.after) = (pages + 1, page.next);
            if query.after.is_none() {
                return (statuses, pages);
            }
        }
    };
    let all = SimQuery { limit: 100, ..SimQuery::default() };
    let count = |statuses: &[SimStatus], wanted| statuses.iter().filter(|status| **status == wanted).count();
    let page = world.store.list_sims(&SimQuery { pool: Some(pool()), ..all.clone() }).await.unwrap();
    let statuses: Vec<SimStatus> = page.items.iter().map(|report| report.status).collect();
    for (status, cards) in [(SimStatus::Blank, 2), (SimStatus::Pending, 1), (SimStatus::ActivationReady, 1)] {
        assert_eq!(count(&statuses, status), cards, "{statuses:?}");
    }
    assert!(page.next.is_none());
    let ready = SimQuery { status: Some(SimStatus::ActivationReady), ..all.clone() };
    let report = world.store.list_sims(&ready).await.unwrap().items.pop().unwrap();
    assert_eq!((&report.sim.iccid, &report.sim.order_num), (&subscription.iccid, &Some(order.num)));
    assert_eq!(report.subscription.unwrap().id, subscription.id);

    let installed = report.sim.profile.reported(ProfileState::Installed, None, None, world.now()).unwrap();
    world.store.write_profile(&report.sim, &installed).await.unwrap().unwrap();
    assert_eq!(world.store.list_sims(&ready).await.unwrap().items.len(), 0);
    let active = SimQuery { status: Some(SimStatus::Active), limit: 1, ..all };
    assert_eq!(world.store.list_sims(&active).await.unwrap().items.len(), 1);
    let (statuses, pages) = listed(SimQuery { limit: 7, ..SimQuery::default() }).await;
    assert_eq!((statuses.len(), pages), (124, 18));
    // Nobody has entered their operator.
    assert_eq!(count(&statuses, SimStatus::NotAvailable), 120);
    let of = |operator: &str| SimQuery { operator: Some(operator.to_owned()), limit: 7, ..SimQuery::default() };
    // Whatever the table leaves out by itself is none that is asked for.
    for status in SimStatus::ALL {
        let found = listed(SimQuery { status: Some(status), limit: 50, ..SimQuery::default() }).await.0;
        assert_eq!((found.len(), count(&found, status)), (count(&statuses, status), found.len()), "{status:?}");
    }
    assert_eq!(listed(of("elsewhere")).await.0.len(), 120);
    assert_eq!(listed(of("meridian")).await.0.len(), 4);

    // One page looks through no more than a bearable number of cards, and the next goes on from there.
    stock(&world.store, (200..2300).map(|serial| card(&pool(), serial)).collect()).await;
    let none = SimQuery {
        status: Some(SimStatus::NotAvailable),
        operator: Some("meridian".to_owned()),
        limit: 7,
        ..SimQuery::default()
    };
    assert_eq!(listed(none).await, (vec![], 2));
    let last = SimQuery { label: Some("no such label".to_owned()), limit: 7, ..SimQuery::default() };
    assert_eq!(listed(last).await, (vec![], 1));
}

#[tokio::test]
async fn a_subscribers_lines_are_listed_line_by_line() {
    let world = World::with_cards(8).await;
    let mut ids = Vec::new();
    // Two orders of three cards, one card of which is not provisioned.
    for (key, lines) in [("first", vec![0, 1, 2]), ("second", vec![0, 2])] {
        let order = world.activate(&world.paid_order(key, 3).await, &lines).await;
        ids.extend(lines.into_iter().map(|line| (order.clone(), order.subscription_id(line))));
        world.wait(1);
    }
    // The newest order first, the lines of an order in their sequence.
    let place = |order: &Order| std::cmp::Reverse((order.created_at, order.num.clone()));
    ids.sort_by_key(|(order, _)| place(order));
    let expected: Vec<String> = ids.into_iter().map(|(_, id)| id).collect();
    let email: EmailAddress = "ANA.garcia@example.com".parse().unwrap();
    for partner_id in [None, Some(PARTNER.to_owned())] {
        for limit in [1, 2, 3, 5, 100] {
            let mut query = LineQuery { email: email.clone(), partner_id: partner_id.clone(), limit, after: None };
            let mut found = Vec::new();
            loop {
                let page = world.store.list_lines(&query).await.unwrap();
                assert!(page.items.len() <= limit);
                found.extend(page.items.into_iter().map(|line| line.id));
                // As a client hands it back.
                query.after = page.next.map(|place| place.to_string().parse().unwrap());
                if query.after.is_none() {
                    break;
                }
            }
            assert_eq!(found, expected, "{limit} of {partner_id:?}");
        }
    }
    let strangers = LineQuery { email, partner_id: Some("other".to_owned()), limit: 5, after: None };
    assert!(world.store.list_lines(&strangers).await.unwrap().items.is_empty());
}
