//! Items that cannot be read: nothing else looks wrong for their sake, what is wrong next to them is found, and what goes by them is said
//! not to be known.

use super::{Found, Patient};
use futures_util::future::join_all;
use serde_json::{Value, json};
use simdock_audit::Rule;
use simdock_domain::Order;
use simdock_local::examine;
use simdock_store::{ADMINISTRATOR, PartnerChange};
use simdock_tests::{PARTNER, eur, iccid, pool, receipt};
use std::collections::BTreeSet;

/// An item that somebody made unreadable: its table, its key, an attribute, and how findings name it.
struct Unread {
    table: &'static str,
    key: Value,
    attribute: &'static str,
    place: String,
}

impl Patient {
    /// One of every kind of item that others go by.
    async fn kinds(&self) -> Vec<Unread> {
        let (_, manager) = self.put_key().await;
        self.put_import("running").await;
        let running = json!({ "pk": { "S": "imports" }, "sk": { "S": "IMLOST" } });
        let chunk = json!({ "pk": { "S": "import#IMLOST#1" }, "sk": { "S": "chunk#000000" } });
        for item in [running, chunk] {
            self.world.engine.put("PoolsTable", item).await;
        }
        let watch = PartnerChange { alarm_levels: vec![eur(5_000)], ..PartnerChange::default() };
        self.world.store.change_partner(PARTNER, &watch, ADMINISTRATOR).await.expect("an alarm level");
        let single = |table: &'static str, name: &'static str, of: &str, key: &str, attribute| Unread {
            table,
            key: json!({ name: { "S": key } }),
            attribute,
            place: format!("{of} {key}"),
        };
        let pair = |table: &'static str, of: &str, pk: &str, sk: &str, attribute| Unread {
            table,
            key: json!({ "pk": { "S": pk }, "sk": { "S": sk } }),
            attribute,
            place: format!("{of} {pk} / {sk}"),
        };
        let order = |order: &Order| single("OrdersTable", "orderNum", "orders", order.num.as_str(), "cr");
        let card = |iccid: &str| single("SimsTable", "iccid", "sims", iccid, "state");
        let pools = |pk: &str, sk: &str, attribute| pair("PoolsTable", "pools", pk, sk, attribute);
        let partners = |pk: &str, sk: &str, attribute| pair("PartnersTable", "partners", pk, sk, attribute);
        let plans = |pk: &str, sk: &str, attribute| pair("PlansTable", "plans", pk, sk, attribute);
        let (of_pool, partner, ledger) = (format!("pool#{}", pool()), format!("partner#{PARTNER}"), format!("ledger#{PARTNER}"));
        let profile = simdock_tests::card(&pool(), 7).profile_id().expect("a code");
        vec![
            order(&self.main),
            order(&self.renewal),
            order(&self.sold),
            order(&self.debited),
            card(&Self::card(&self.main)),
            card(&Self::card(&self.sold)),
            card(&Self::stocked()),
            single("SubscriptionsTable", "subscriptionId", "subscriptions", &self.subscription.id, "cr"),
            pools(&of_pool, "counter", "head"),
            pools(&of_pool, "tail", "tail"),
            pools(&of_pool, "marks", "low"),
            pools(&format!("slot#{}#0", pool()), "000000000007", "iccid"),
            pools(&format!("code#{profile}"), "code", "iccid"),
            pools("import#IMLOST", "verdict", "status"),
            partners(&partner, "partner", "gifts"),
            partners(&partner, "balance#EUR", "balance"),
            partners(&ledger, "credit#1", "amount"),
            partners(&ledger, &format!("{}#payment", self.debited.num), "amount"),
            partners(&format!("payment#stripe#{}", receipt(&self.sold).payment_id), "payment", "orderNum"),
            partners(&manager, "key", "role"),
            partners("managers", "counter", "lasting"),
            partners("watched", &format!("{PARTNER}#EUR"), "alarmLevel"),
            plans("plans", &self.sold.plan_id, "version"),
            plans(&format!("plan#{}", self.sold.plan_id), "v000001", "profiles"),
            plans(&format!("operator#{}", pool().operator), "operator", "provisioning"),
        ]
    }

    async fn make_unreadable(&self, item: &Unread) {
        let values = json!({ ":v": { "BOOL": true } });
        let names = json!({ "#a": item.attribute });
        self.world.engine.update(item.table, item.key.clone(), "SET #a = :v", names, values).await;
    }

    /// What is found, and the rules that are not known for the sake of which items.
    async fn told(&self) -> (Found, BTreeSet<(Rule, String)>, String) {
        let report = examine(&self.world.store).await.expect("the tables can be read");
        let found = report.found().iter().map(|finding| (finding.rule, finding.place.to_string())).collect();
        (found, report.unjudged().map(|(rule, unread)| (rule, unread.to_string())).collect(), report.to_string())
    }
}

#[tokio::test]
async fn nothing_else_looks_wrong_for_an_item_that_cannot_be_read() {
    let case = async |kind: usize| {
        let patient = Patient::new().await;
        let item = patient.kinds().await.swap_remove(kind);
        assert_eq!(patient.told().await.0, Found::new());
        patient.make_unreadable(&item).await;
        let (found, unjudged, _) = patient.told().await;
        let expected = Found::from([(Rule::Readable, item.place.clone())]);
        assert!(unjudged.iter().all(|(_, unread)| *unread == item.place), "{unjudged:?}");
        (found != expected).then(|| format!("{}: {found:?}", item.place))
    };
    let kinds: Vec<usize> = (0..Patient::new().await.kinds().await.len()).collect();
    let mut wrong = Vec::new();
    for some in kinds.chunks(8) {
        wrong.extend(join_all(some.iter().copied().map(case)).await.into_iter().flatten());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Makes the item at a place unreadable, where `MAIN` is the main order, does something else, and says what is not known then.
async fn next_to(place: String, harm: impl AsyncFn(&Patient) -> Vec<(Rule, String)>) -> (BTreeSet<Rule>, String) {
    // On the heap, as several of these wait for each other.
    let patient = Box::pin(Patient::new()).await;
    let place = place.replace("MAIN", patient.main.num.as_str());
    let kinds = Box::pin(patient.kinds()).await;
    let item = kinds.iter().find(|item| item.place == place).expect("an item");
    patient.make_unreadable(item).await;
    let mut expected = Found::from_iter(Box::pin(harm(&patient)).await);
    expected.insert((Rule::Readable, place.clone()));
    let (found, unjudged, text) = Box::pin(patient.told()).await;
    assert_eq!(found, expected, "{text}");
    assert!(unjudged.iter().all(|(_, unread)| *unread == place), "{text}");
    (unjudged.into_iter().map(|(rule, _)| rule).collect(), text)
}

#[tokio::test]
async fn what_is_wrong_next_to_what_cannot_be_read_is_found() {
    let text = |value: &str| json!({ ":v": { "S": value } });
    let of_pool = |part: &str| format!("pools pool#{} / {part}", pool());
    // Its order cannot be read, and the card left the subscription that it carries.
    let retired = next_to("orders MAIN".to_owned(), async |patient| {
        let card = Patient::card(&patient.main);
        patient.set_card(&card, "SET #state = :v", text("retired")).await;
        vec![(Rule::Carrier, format!("sims {card}")), (Rule::Carrier, format!("subscriptions {}", patient.subscription.id))]
    });
    // A card names another order than the one that has it, and their plan cannot be read.
    let stolen = next_to("plans plan#eu-5gb-30d / v000001".to_owned(), async |patient| {
        let card = Patient::card(&patient.sold);
        patient.set_card(&card, "SET #order = :v", text(patient.main.num.as_str())).await;
        vec![(Rule::Owner, format!("orders {}", patient.sold.num)), (Rule::Owner, format!("sims {card}"))]
    });
    // Neither the counter nor the registry knows the pool, and a card is not where it says.
    let lost = next_to(of_pool("counter"), async |patient| {
        patient.delete("PoolsTable", "pools", &pool().to_string()).await;
        patient.set_card(&Patient::stocked(), "SET archived = :v", json!({ ":v": { "N": "1" } })).await;
        patient.set_card(iccid(6).as_str(), "SET slot = :v", json!({ ":v": { "N": "3" } })).await;
        let card = |card: &str| (Rule::Slot, format!("sims {card}"));
        let entry = (Rule::Registered, format!("pools pools / {}", pool()));
        vec![entry, card(&Patient::stocked()), card(iccid(6).as_str())]
    });
    // Of a plan's entry nothing is known, and the operator is gone.
    let gone = next_to("plans plans / eu-5gb-30d".to_owned(), async |patient| {
        patient.delete("PlansTable", &format!("operator#{}", pool().operator), "operator").await;
        vec![(Rule::Catalogue, format!("pools pools / {}", pool()))]
    });
    // A sum is not known, and another does not fit.
    let short = next_to(format!("partners ledger#{PARTNER} / credit#1"), async |patient| {
        patient
            .set_pair("PartnersTable", &format!("partner#{PARTNER}"), "partner", "SET gifts = :v", json!({ ":v": { "N": "1" } }))
            .await;
        vec![(Rule::Gift, format!("partners partner#{PARTNER} / partner"))]
    });
    let (retired, stolen, lost, gone, short) =
        tokio::join!(Box::pin(retired), Box::pin(stolen), Box::pin(lost), Box::pin(gone), Box::pin(short));
    assert_eq!(retired.0, BTreeSet::from([Rule::Booked, Rule::Claimed, Rule::Owner, Rule::Plans, Rule::Renewal]));
    assert_eq!(stolen.0, BTreeSet::from([Rule::Catalogue, Rule::Owner, Rule::Plans]));
    assert_eq!(lost.0, BTreeSet::from([Rule::Stock, Rule::Dead, Rule::Leaked, Rule::Slot]));
    assert_eq!(gone.0, BTreeSet::from([Rule::Catalogue]));
    assert_eq!(short.0, BTreeSet::from([Rule::Balance]));
    for (text, line) in [
        (lost.1, format!("Not known while {} cannot be read: leaked of sims ", of_pool("counter"))),
        (
            short.1,
            format!(
                "Not known while partners ledger#{PARTNER} / credit#1 cannot be read: balance of partners partner#{PARTNER} / balance#EUR.\n"
            ),
        ),
    ] {
        assert!(text.contains(&line), "{text}");
    }
}
