use simdock_domain::{ActivationCode, Command, LineState, Order, RunState, decide};
use simdock_store::{Activation, Conflict, Facts, SimState};
use simdock_tests::{World, activations, audit, draft, eur, iccid, order, receipt, sims_of};

fn activated(order: &Order, lines: &[Activation], world: &World) -> Order {
    let lines = lines.iter().map(|activation| activation.line).collect();
    decide(order, Command::Provisioned(lines), world.now()).expect("a decision")
}

/// Writes what the carrier said about an order's cards.
async fn record(world: &World, before: &Order, next: &Order, activations: &[Activation]) -> Result<(), Conflict> {
    let all: Vec<usize> = (0..before.lines.len()).collect();
    let sims = sims_of(&world.store, before, &all).await.expect("the cards");
    world.store.write_in_step(before, next, Facts { activations, sims: &sims }, world.now()).await.expect("an answer")
}

#[tokio::test]
async fn fifty_cards_are_provisioned_in_two_batches() {
    let world = World::with_cards(50).await;
    let mut order = world.paid_order("fifty", 50).await;
    for lines in [0..Activation::MOST, Activation::MOST..50] {
        let lines = activations(lines);
        let next = activated(&order, &lines, &world);
        record(&world, &order, &next, &lines).await.unwrap();
        order = next;
    }
    assert_eq!(world.read(&order.num).await, order);
    let iccids: Vec<_> = order.lines.iter().filter_map(|line| line.iccid.clone()).collect();
    for sim in world.store.sims(&iccids).await.unwrap() {
        assert_eq!(sim.state, SimState::Active);
        assert!(sim.disclosed_at.is_some());
    }
    for line in [0, 49] {
        let subscription = world.read_subscription(&order.subscription_id(line)).await;
        assert_eq!((&subscription.iccid, &subscription.main_order), (&iccids[line], &order.num));
        let plan = &subscription.plans[0];
        assert_eq!((subscription.plans.len(), &plan.order, plan.line), (1, &order.num, line));
        assert_eq!((plan.state, subscription.open()), (RunState::Waiting, Ok(())));
    }
    assert_eq!(world.engine.scan("SubscriptionsTable").await.len(), 50);
    audit(&world.engine).await;
}

#[tokio::test]
async fn an_activation_on_an_old_version_changes_nothing() {
    let world = World::with_cards(2).await;
    let order = world.paid_order("key", 2).await;
    let one = activations(0..1);
    let next = activated(&order, &one, &world);
    record(&world, &order, &next, &one).await.unwrap();
    // The same again, as after an answer that was lost; and one that knows nothing of the first.
    assert_eq!(record(&world, &order, &next, &one).await, Err(Conflict));
    let other = activations(1..2);
    let stale = activated(&order, &other, &world);
    assert_eq!(record(&world, &order, &stale, &other).await, Err(Conflict));
    assert_eq!(world.read(&order.num).await, next);
    assert_eq!(world.store.sims(&[iccid(1)]).await.unwrap()[0].state, SimState::Sold);
}

#[tokio::test]
async fn what_the_carrier_gave_replaces_what_the_inventory_had() {
    let world = World::with_cards(1).await;
    let order = world.paid_order("key", 1).await;
    let code = ActivationCode::new("rsp.example.net", "FRESH-1", None, true).unwrap();
    let given = Activation { line: 0, activation_code: Some(code.clone()), msisdn: Some("+34600000001".parse().unwrap()) };
    let next = activated(&order, std::slice::from_ref(&given), &world);
    record(&world, &order, &next, std::slice::from_ref(&given)).await.unwrap();
    let sim = world.store.sims(&[iccid(0)]).await.unwrap().remove(0);
    assert_eq!((sim.activation_code, sim.msisdn), (Some(code), given.msisdn));
}

#[tokio::test]
async fn a_card_whose_code_goes_out_later_is_marked_then() {
    let world = World::with_cards(1).await;
    let mut quiet = draft(1);
    quiet.send_email = false;
    let order = order("quiet", quiet, world.now());
    world.store.create_order(&order).await.unwrap();
    world.store.receive_payment(&order.num, &receipt(&order)).await.unwrap();
    let order = world.read(&order.num).await;
    world.activate(&order, &[0]).await;
    let disclosed = async || world.store.sims(&[iccid(0)]).await.unwrap()[0].disclosed_at;
    assert_eq!(disclosed().await, None);

    let stranger = simdock_tests::order("stranger", draft(1), world.now());
    assert_eq!(world.store.disclose(&iccid(0), &stranger.num).await.unwrap(), Err(Conflict));
    assert_eq!(disclosed().await, None);
    world.store.disclose(&iccid(0), &order.num).await.unwrap().unwrap();
    let first = disclosed().await;
    assert!(first.is_some());
    world.wait(100);
    world.store.disclose(&iccid(0), &order.num).await.unwrap().unwrap();
    assert_eq!(disclosed().await, first);
}

#[tokio::test]
async fn a_card_that_cannot_be_provisioned_is_set_aside_and_its_price_owed() {
    let world = World::with_cards(3).await;
    let order = world.paid_order("key", 2).await;
    let command = Command::ProvisioningFailed { line: 1, reason: "unknown card".to_owned() };
    let next = decide(&order, command, world.now()).unwrap();
    record(&world, &order, &next, &[]).await.unwrap();
    assert_eq!(record(&world, &order, &next, &[]).await, Err(Conflict));
    let stored = world.read(&order.num).await;
    assert_eq!((stored.lines[1].state, stored.owed()), (LineState::Failed, vec![eur(1450)]));
    let sims = world.store.sims(&[iccid(0), iccid(1)]).await.unwrap();
    assert_eq!([sims[0].state, sims[1].state], [SimState::Sold, SimState::SetAside]);
    world.sweep_twice().await;
    audit(&world.engine).await.nothing_missing();
}
