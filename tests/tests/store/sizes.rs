use serde_json::{Value, json};
use simdock_domain::{Command, MailKind, MailReport, Order, decide};
use simdock_store::Change;
use simdock_tests::{World, iccid, item_size, value_size};

/// The page that explains what is stored.
const TABLES: &str = include_str!("../../../infra/TABLES.md");
/// What one write unit pays for.
const UNIT: usize = 1024;

async fn stored_order(world: &World, order: &Order) -> Value {
    world.engine.item("OrdersTable", json!({ "orderNum": { "S": order.num.as_str() } })).await
}

/// The attributes by what they cost.
fn costs(item: &Value) -> Vec<(usize, String)> {
    let attributes = item.as_object().into_iter().flatten();
    let mut costs: Vec<_> = attributes.map(|(name, value)| (name.len() + value_size(value), name.clone())).collect();
    costs.sort_unstable_by(|a, b| b.cmp(a));
    costs
}

#[tokio::test]
async fn an_order_of_one_card_stays_within_a_write_unit() {
    let world = World::with_cards(1).await;
    let mut sizes = Vec::new();
    let key = "5f1a2c9e-8f0b-4a57-9b1e-1b2f3c4d5e6f";
    let mut order = world.order(key, 1).await;
    let mut note = |step: &str, item: Value| {
        println!("order {step}: {} bytes {:?}", item_size(&item), costs(&item));
        sizes.push((step.to_owned(), item_size(&item)));
    };
    note("created", stored_order(&world, &order).await);
    order = world.paid_order(key, 1).await;
    note("paid", stored_order(&world, &order).await);
    order = world.activate(&order, &[0]).await;
    note("provisioned", stored_order(&world, &order).await);
    for (step, command) in [
        ("confirmation claimed", Command::ClaimMail(MailKind::Confirmation)),
        ("confirmation sent", Command::MailSent(MailKind::Confirmation)),
        ("QR claimed", Command::ClaimMail(MailKind::Qr)),
        ("QR sent", Command::MailSent(MailKind::Qr)),
    ] {
        let now = world.now();
        let change = world.store.change_order(&order.num, |order| decide(order, command.clone(), now)).await.unwrap();
        assert!(matches!(change, Change::Made(_)), "{step}");
        note(step, stored_order(&world, &order).await);
    }
    assert!(sizes.iter().all(|(_, size)| *size <= UNIT), "{sizes:?}");

    for name in stored_order(&world, &order).await.as_object().into_iter().flatten().map(|(name, _)| name) {
        assert!(TABLES.contains(&format!("`{name}`")), "TABLES.md does not explain {name}");
    }

    // Trouble may cost a second unit.
    let reported = Command::MailReported { kind: MailKind::Qr, report: MailReport::Bounced };
    world.store.change_order(&order.num, |order| decide(order, reported.clone(), world.now())).await.unwrap();
    assert!(item_size(&stored_order(&world, &order).await) <= 2 * UNIT);
}

#[tokio::test]
async fn a_card_and_a_subscription_stay_within_a_write_unit() {
    let world = World::with_cards(1).await;
    let order = world.paid_order("key", 1).await;
    let next = world.activate(&order, &[0]).await;
    let sim = world.engine.item("SimsTable", json!({ "iccid": { "S": iccid(0).as_str() } })).await;
    let subscription = json!({ "subscriptionId": { "S": next.subscription_id(0) } });
    let subscription = world.engine.item("SubscriptionsTable", subscription).await;
    println!("card: {} bytes, subscription: {} bytes", item_size(&sim), item_size(&subscription));
    assert!(item_size(&sim) <= UNIT && item_size(&subscription) <= UNIT);
}

#[tokio::test]
async fn an_order_of_fifty_cards_stays_far_below_the_limit() {
    let world = World::with_cards(50).await;
    let order = world.paid_order("fifty", 50).await;
    let size = item_size(&stored_order(&world, &order).await);
    println!("order of fifty cards, paid: {size} bytes");
    assert!(size < 8 * UNIT);
}
