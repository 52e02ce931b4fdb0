use simdock_store::{ADMINISTRATOR, Conflict, Operator, Provisioning};
use simdock_tests::{World, eur, plan};

#[tokio::test]
async fn a_version_of_a_plan_never_changes() {
    let world = World::new().await;
    let first = plan();
    assert_eq!(world.store.put_plan(&first, ADMINISTRATOR).await.unwrap(), Ok(()));
    let mut changed = first.clone();
    changed.price = eur(1);
    assert_eq!(world.store.put_plan(&changed, ADMINISTRATOR).await.unwrap(), Err(Conflict));
    changed.version = 3;
    assert_eq!(world.store.put_plan(&changed, ADMINISTRATOR).await.unwrap(), Err(Conflict));
    assert_eq!(world.store.latest_plan(&first.plan_id).await.unwrap().as_deref(), Some(&first));

    changed.version = 2;
    assert_eq!(world.store.put_plan(&changed, ADMINISTRATOR).await.unwrap(), Ok(()));
    assert_eq!(world.store.put_plan(&first, ADMINISTRATOR).await.unwrap(), Ok(()));
    assert_eq!(*world.store.plan_version(&first.plan_id, 1).await.unwrap(), first);
    assert_eq!(*world.store.plan_version(&first.plan_id, 2).await.unwrap(), changed);
    // What was read goes on being sold for a minute; who reads it anew sees the new one.
    assert_eq!(world.store.latest_plan(&first.plan_id).await.unwrap().as_deref(), Some(&first));
    let another = world.another_store().await;
    assert_eq!(another.latest_plan(&first.plan_id).await.unwrap().as_deref(), Some(&changed));
}

#[tokio::test]
async fn every_plan_is_listed_in_its_latest_version() {
    let world = World::new().await;
    let mut second = plan();
    second.version = 2;
    world.store.put_plan(&second, ADMINISTRATOR).await.unwrap().unwrap();
    let mut other = plan();
    other.plan_id = "world-1gb".to_owned();
    world.store.put_plan(&other, ADMINISTRATOR).await.unwrap().unwrap();
    let plans: Vec<_> = world.store.plans().await.unwrap().iter().map(|plan| (**plan).clone()).collect();
    assert_eq!(plans, [second, other]);
    assert_eq!(world.store.latest_plan("nothing").await.unwrap(), None);
    assert!(world.store.plan_version("nothing", 1).await.is_err());
}

#[tokio::test]
async fn an_operator_is_written_and_read() {
    let world = World::new().await;
    assert_eq!(world.store.operator("orion").await.unwrap(), None);
    let operator =
        Operator { operator_id: "orion".to_owned(), display: "Meridian".to_owned(), provisioning: Provisioning::Preloaded };
    world.store.put_operator(&operator).await.unwrap();
    assert_eq!(world.another_store().await.operator("orion").await.unwrap(), Some(operator));
}
