use simdock_store::{ADMINISTRATOR, EndKey, Partner, Principal};
use simdock_tests::{PARTNER, World};

fn partner() -> Principal {
    Principal::Partner { partner_id: PARTNER.to_owned() }
}

#[tokio::test]
async fn a_key_speaks_for_whom_it_was_made() {
    let world = World::new().await;
    let manager = Principal::Manager { name: "Mia".to_owned() };
    world.store.put_key("sk_partner", &partner(), None, ADMINISTRATOR).await.unwrap();
    world.store.put_key("sk_manager", &manager, None, ADMINISTRATOR).await.unwrap();
    assert_eq!(world.store.principal("sk_partner").await.unwrap(), Some(partner()));
    assert_eq!(world.store.principal("sk_manager").await.unwrap(), Some(manager.clone()));
    for unknown in ["", "sk_partnes", "sk_partner ", "SK_PARTNER"] {
        assert_eq!(world.store.principal(unknown).await.unwrap(), None, "{unknown:?}");
    }
    // A key cannot be given to somebody else.
    world.store.put_key("sk_partner", &manager, None, ADMINISTRATOR).await.unwrap();
    assert_eq!(world.another_store().await.principal("sk_partner").await.unwrap(), Some(partner()));
}

#[tokio::test]
async fn a_revoked_key_is_nobodys_except_where_it_was_just_checked() {
    let world = World::new().await;
    let key = world.store.put_key("sk_partner", &partner(), None, ADMINISTRATOR).await.unwrap();
    let elsewhere = world.another_store().await;
    assert_eq!(elsewhere.principal("sk_partner").await.unwrap(), Some(partner()));
    for _ in 0..2 {
        let ended = world.store.end_key(&key.id, world.now(), ADMINISTRATOR).await.unwrap();
        assert!(matches!(ended, EndKey::Ends(ended) if !ended.key.is_good(world.now())));
    }
    assert_eq!(world.store.end_key("KY0123456789ABCDEF", world.now(), ADMINISTRATOR).await.unwrap(), EndKey::NoKey);
    assert_eq!(world.another_store().await.principal("sk_partner").await.unwrap(), None);
    // Within the minute that a check counts for.
    assert_eq!(elsewhere.principal("sk_partner").await.unwrap(), Some(partner()));
    // Making it again does not bring it back.
    world.store.put_key("sk_partner", &partner(), None, ADMINISTRATOR).await.unwrap();
    assert_eq!(world.another_store().await.principal("sk_partner").await.unwrap(), None);
    assert_eq!(world.another_store().await.principal("sk_unknown").await.unwrap(), None);
}

#[tokio::test]
async fn keys_are_kept_by_their_hash_alone() {
    let world = World::new().await;
    world.store.put_key("sk_very_secret", &partner(), None, ADMINISTRATOR).await.unwrap();
    let acme = Partner { partner_id: PARTNER.to_owned(), display: "Acme".to_owned(), gift_quota: 2, gifts: 0 };
    world.store.put_partner(&acme, ADMINISTRATOR).await.unwrap();
    world.store.put_partner(&Partner { display: "Another".to_owned(), ..acme }, ADMINISTRATOR).await.unwrap();
    let stored = format!("{:?}", world.engine.scan("PartnersTable").await);
    assert!(!stored.contains("sk_very_secret") && stored.contains("Acme") && !stored.contains("Another"), "{stored}");
}
