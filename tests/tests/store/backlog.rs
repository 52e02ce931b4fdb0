//! A backlog of orders that nobody paid, and sweeps that are cut short. `SIMDOCK_BACKLOG=100000` makes it a long one.

use crate::within;
use lambda_runtime::{Context, LambdaEvent};
use serde_json::{Value, json};
use simdock_domain::{Order, OrderNum};
use simdock_sweep::{App, Swept};
use simdock_tests::{World, config};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How many orders there are where nobody says so.
const ORDERS: usize = 5_000;
/// How many one request writes.
const BATCH: usize = 25;
/// What a sweep leaves of its function's time.
const MARGIN: Duration = Duration::from_secs(5);
/// How long the schedule leaves a sweep before the next one.
const SCHEDULE: Duration = Duration::from_mins(1);

/// A sweep that has this long to work.
fn event(time: Duration) -> LambdaEvent<Value> {
    let mut context = Context::default();
    let deadline = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock") + MARGIN + time;
    context.deadline = u64::try_from(deadline.as_millis()).expect("a time");
    LambdaEvent::new(json!({}), context)
}

/// Writes so many copies of an order as it is stored, each with its own number, through the engine itself.
async fn copies(world: &World, order: &Order, count: usize) {
    let item = world.engine.item("OrdersTable", json!({"orderNum": {"S": order.num.as_str()}})).await;
    let table = world.engine.table("OrdersTable");
    for first in (0..count).step_by(BATCH) {
        let puts = (first..first + BATCH).map(|index| {
            let num = OrderNum::derive("backlog", "copy", &index.to_string());
            let mut item = item.clone();
            let created = item["cr"].clone();
            item["orderNum"] = json!({"S": num.as_str()});
            item["listKey"] = json!({"S": format!("{created}#{num}")});
            item["dueShard"] = json!({"N": (index % 8).to_string()});
            json!({"PutRequest": {"Item": item}})
        });
        let puts: Vec<Value> = puts.collect();
        world.engine.call("BatchWriteItem", &json!({"RequestItems": {table: puts}})).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_is_worked_off_in_bounded_sweeps_that_carry_on_where_the_last_one_stopped() {
    let orders = std::env::var("SIMDOCK_BACKLOG").map_or(ORDERS, |text| text.parse().expect("a number"));
    let limit = 600 + u64::try_from(orders).expect("a count") / 50;
    within(limit, async {
        let world = World::new().await;
        let order = world.order("one", 1).await;
        let begun = Instant::now();
        copies(&world, &order, orders).await;
        println!("{orders} orders written in {:.1?}", begun.elapsed());
        world.wait(3600);
        let sweeper = async || App::new(&config(world.engine.url(), &world.engine, world.clock())).await.unwrap();
        let one = sweeper().await;

        // Cut short, it says so, and has voided what it got to.
        let first = one.handle(event(Duration::from_secs(1))).await.unwrap();
        assert!(first.unfinished(), "{first:?}");
        assert!(first.voided() > 0, "{first:?}");

        // The next carries on where it stopped; two at once void nothing twice, and both get somewhere.
        let two = sweeper().await;
        let (left, right) = tokio::join!(one.handle(event(Duration::from_secs(1))), two.handle(event(Duration::from_secs(1))));
        let (left, right): (Swept, Swept) = (left.unwrap(), right.unwrap());
        let voided = first.voided() + left.voided() + right.voided();
        assert!(left.voided() + right.voided() > 0, "{left:?} {right:?}");
        let void = world.engine.scan("OrdersTable").await.iter().filter(|item| item.get("vo").is_some()).count();
        assert_eq!(void, voided, "each order is voided once, by one sweep");

        println!("voided {first:?}, then {left:?} and {right:?}");

        // Whole sweeps, one after the other, come to the end of it.
        let begun = Instant::now();
        let (mut sweeps, mut rest) = (0, 0);
        loop {
            let swept = one.handle(event(SCHEDULE)).await.unwrap();
            sweeps += 1;
            rest += swept.voided();
            if !swept.unfinished() {
                break;
            }
            assert!(swept.voided() > 0, "a sweep that found no end got nowhere: {swept:?}");
        }
        println!("then {rest} in {sweeps} sweeps and {:.1?}", begun.elapsed());
        assert_eq!(voided + rest, orders + 1, "each order is voided once");
        let items = world.engine.scan("OrdersTable").await;
        assert_eq!(items.iter().filter(|item| item.get("vo").is_some()).count(), orders + 1);
        // A void order wants no attention any more.
        assert_eq!(items.iter().filter(|item| item.get("dueAt").is_some()).count(), 0);
    })
    .await;
}

#[tokio::test]
async fn an_order_that_cannot_be_read_keeps_no_other_from_being_swept() {
    let world = World::new().await;
    let order = world.order("one", 1).await;
    copies(&world, &order, BATCH).await;
    let mut broken = world.engine.item("OrdersTable", json!({"orderNum": {"S": order.num.as_str()}})).await;
    broken["hi"] = json!({"S": "of a later version"});
    for (name, shard) in [("due first", 0), ("due too", 1)] {
        let num = OrderNum::derive("backlog", "broken", name);
        (broken["orderNum"], broken["dueShard"]) = (json!({"S": num.as_str()}), json!({"N": shard.to_string()}));
        broken["dueAt"] = json!({"N": "1"});
        world.engine.put("OrdersTable", broken.clone()).await;
    }
    world.wait(3600);
    let sweep = App::new(&config(world.engine.url(), &world.engine, world.clock())).await.unwrap();
    let said = sweep.handle(event(SCHEDULE)).await.unwrap_err().to_string();
    assert_eq!(said, "2 things are left to the next sweep");
    let items = world.engine.scan("OrdersTable").await;
    assert_eq!(items.iter().filter(|item| item.get("vo").is_some()).count(), BATCH + 1, "all that can be read");
}
