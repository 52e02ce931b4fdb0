//! The doctor: on tables that are well it finds nothing, and whatever is damaged in them it finds, and only that.

mod harm;
mod unread;

use crate::{available, within};
use futures_util::future::join_all;
use serde_json::{Value, json};
use simdock_audit::Rule;
use simdock_domain::{
    Command, Money, Order, PaymentMethod, Provider, RefundPolicy, Subscription, SubscriptionChange, Used, decide,
};
use simdock_local::examine;
use simdock_store::{ADMINISTRATOR, Credit, Credited, Facts, Paid, Partner, Receipt};
use simdock_tests::{PARTNER, World, draft, eur, iccid, order, pool, receipt};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// A world with a bit of everything.
struct Patient {
    world: World,
    /// Its card works; it was renewed.
    main: Order,
    subscription: Subscription,
    renewal: Order,
    /// Paid, and nobody has provisioned it.
    sold: Order,
    /// Nobody paid for it what it costs, and that is owed back.
    wrong: Order,
    /// Paid from the balance.
    debited: Order,
}

/// Between what those do who are at work while the doctor looks: without it they would bring more than it can examine.
const BREATH: Duration = Duration::from_millis(50);

/// What is found: the rule and the place.
type Found = BTreeSet<(Rule, String)>;

impl Patient {
    async fn new() -> Self {
        let world = World::with_cards(8).await;
        let partner = Partner { partner_id: PARTNER.to_owned(), display: "Acme".to_owned(), gift_quota: 0, gifts: 0 };
        world.store.put_partner(&partner, ADMINISTRATOR).await.expect("the partner is written");
        assert_eq!(world.store.credit(&Credit::new(PARTNER, eur(10_000), "credit#1")).await.expect("the credit"), Credited::Now);
        let (main, subscription) = world.subscription("main").await;
        let renewal = world.change("renewal", &subscription, SubscriptionChange::Renewal { add_on_ids: Vec::new() }).await;
        let renewal = pay(&world, &renewal, receipt(&renewal)).await;
        let sold = world.paid_order("sold", 1).await;
        let wrong = world.order("wrong", 1).await;
        let wrong = pay(&world, &wrong, Receipt { received: eur(1), ..receipt(&wrong) }).await;
        let mut from_balance = draft(1);
        from_balance.payment_method = PaymentMethod::Balance;
        let debited = order("debited", from_balance, world.now());
        world.store.create_order(&debited).await.expect("the order is written");
        let payment_id = debited.num.to_string();
        let debited = pay(&world, &debited, Receipt { provider: Provider::Balance, payment_id, received: debited.price() }).await;
        let main = world.read(&main.num).await;
        let subscription = world.read_subscription(&subscription.id).await;
        Self { world, main, subscription, renewal, sold, wrong, debited }
    }

    async fn found(&self) -> Found {
        let report = within(60, examine(&self.world.store)).await.expect("the tables can be read");
        report.found().iter().map(|finding| (finding.rule, finding.place.to_string())).collect()
    }

    async fn update(&self, table: &str, key: Value, expression: &str, values: Value) {
        self.world.engine.update(table, key, expression, json!({}), values).await;
    }

    async fn set_order(&self, order: &Order, expression: &str, values: Value) {
        self.update("OrdersTable", json!({ "orderNum": { "S": order.num.as_str() } }), expression, values).await;
    }

    async fn set_subscription(&self, expression: &str, values: Value) {
        let key = json!({ "subscriptionId": { "S": self.subscription.id } });
        self.update("SubscriptionsTable", key, expression, values).await;
    }

    /// Changes a card; `#state`, `#order`, `#until` and `#pool` are reserved words.
    async fn set_card(&self, iccid: &str, expression: &str, values: Value) {
        let mut names = json!({});
        for name in ["state", "order", "until", "pool"].into_iter().filter(|name| expression.contains(&format!("#{name}"))) {
            names[format!("#{name}")] = name.into();
        }
        let key = json!({ "iccid": { "S": iccid } });
        self.world.engine.update("SimsTable", key, expression, names, values).await;
    }

    async fn set_pair(&self, table: &str, pk: &str, sk: &str, expression: &str, values: Value) {
        self.update(table, json!({ "pk": { "S": pk }, "sk": { "S": sk } }), expression, values).await;
    }

    async fn delete(&self, table: &str, pk: &str, sk: &str) {
        let key = json!({ "pk": { "S": pk }, "sk": { "S": sk } });
        self.world.engine.call("DeleteItem", &json!({ "TableName": self.world.engine.table(table), "Key": key })).await;
    }

    /// The card of an order's only line.
    fn card(order: &Order) -> String {
        order.lines[0].iccid.as_ref().expect("a card").to_string()
    }

    /// A card that is for sale.
    fn stocked() -> String {
        iccid(7).to_string()
    }

    /// Damages the tables so that a rule does not hold, and says what else is to be found.
    async fn damage(&self, rule: Rule) -> Vec<(Rule, String)> {
        let text = |value: &str| json!({ ":v": { "S": value } });
        let number = |value: i64| json!({ ":v": { "N": value.to_string() } });
        let at_order = |order: &Order| (rule, format!("orders {}", order.num));
        let at_card = |card: &str| (rule, format!("sims {card}"));
        let at_subscription = (rule, format!("subscriptions {}", self.subscription.id));
        let (counter, key) = (format!("pool#{}", pool()), format!("pools pool#{} / counter", pool()));
        let at_slot = |slot| (rule, place_of_slot(slot));
        let payment = |order: &Order| format!("payment#stripe#{}", receipt(order).payment_id);
        match rule {
            Rule::Readable => {
                self.set_order(&self.wrong, "SET ty = :v", text("zz")).await;
                vec![at_order(&self.wrong)]
            }
            Rule::Attributes => {
                self.set_order(&self.sold, "REMOVE listKey", json!({})).await;
                vec![at_order(&self.sold)]
            }
            Rule::Altered => {
                self.set_order(&self.sold, "SET su.e = :v", text("eve@evil.test")).await;
                vec![at_order(&self.sold), (Rule::Attributes, at_order(&self.sold).1)]
            }
            Rule::Registered => {
                self.delete("PoolsTable", "pools", &pool().to_string()).await;
                vec![(rule, format!("pools pools / {}", pool()))]
            }
            Rule::Catalogue => {
                self.delete("PlansTable", "plans", &self.sold.plan_id).await;
                vec![(rule, format!("plans plan#{} / v000001", self.sold.plan_id))]
            }
            Rule::DueAt => {
                self.set_order(&self.sold, "REMOVE dueAt", json!({})).await;
                vec![at_order(&self.sold)]
            }
            Rule::Overdue => {
                let later = self.world.now().plus_seconds(3600).unix();
                self.set_order(&self.sold, "SET dueAt = :v", number(later)).await;
                vec![at_order(&self.sold)]
            }
            Rule::Work => {
                self.set_order(&self.sold, "REMOVE pr", json!({})).await;
                vec![at_order(&self.sold)]
            }
            Rule::PaidOnce => {
                let free = json!({ "M": { "i": { "S": "x" }, "p": { "S": "f" }, "t": { "N": "1" },
                    "r": { "M": { "amount": { "N": "0" }, "currency": { "S": "EUR" } } } } });
                self.set_order(&self.sold, "SET pa = list_append(pa, :v)", json!({ ":v": { "L": [free] } })).await;
                vec![at_order(&self.sold)]
            }
            Rule::OwedBack => {
                self.set_order(&self.wrong, "SET rf[0].m.amount = :v", number(0)).await;
                vec![at_order(&self.wrong)]
            }
            Rule::RefundStalled => {
                let long_ago = self.world.now().plus_seconds(-100_000).unix();
                self.set_order(&self.wrong, "SET rf[0].t = :v", number(long_ago)).await;
                vec![at_order(&self.wrong)]
            }
            Rule::Claimed => {
                self.delete("PartnersTable", &payment(&self.sold), "payment").await;
                vec![at_order(&self.sold)]
            }
            Rule::Booked => {
                let num = text(self.sold.num.as_str());
                self.set_pair("PartnersTable", "payment#stripe#pi_lost", "payment", "SET orderNum = :v", num).await;
                vec![(rule, "partners payment#stripe#pi_lost / payment".to_owned())]
            }
            Rule::Ledger => {
                let (pk, sk) = (format!("ledger#{PARTNER}"), format!("{}#payment", self.debited.num));
                self.delete("PartnersTable", &pk, &sk).await;
                vec![at_order(&self.debited), (Rule::Balance, format!("partners partner#{PARTNER} / balance#EUR"))]
            }
            Rule::Balance => {
                self.set_pair("PartnersTable", &format!("partner#{PARTNER}"), "balance#EUR", "ADD balance :v", number(1)).await;
                vec![(rule, format!("partners partner#{PARTNER} / balance#EUR"))]
            }
            Rule::Gift => {
                self.set_pair("PartnersTable", &format!("partner#{PARTNER}"), "partner", "SET gifts = :v", number(1)).await;
                vec![(rule, format!("partners partner#{PARTNER} / partner"))]
            }
            Rule::Renewal => {
                self.set_order(&self.main, "REMOVE rn", json!({})).await;
                vec![at_order(&self.renewal)]
            }
            Rule::Owner => {
                let card = Self::card(&self.sold);
                self.set_card(&card, "SET #order = :v", text(self.main.num.as_str())).await;
                vec![at_order(&self.sold), at_card(&card)]
            }
            Rule::Slot => {
                self.set_card(&Self::stocked(), "SET slot = :v", number(99)).await;
                vec![at_card(&Self::stocked()), at_slot(7)]
            }
            Rule::Leaked => {
                let step = "SET available = available - :v, head = head + :v";
                self.set_pair("PoolsTable", &counter, "counter", step, number(5)).await;
                (3..8).map(|serial| at_card(iccid(serial).as_str())).collect()
            }
            Rule::Disclosed => {
                self.set_card(&Self::stocked(), "SET disclosed = :v", number(1)).await;
                vec![at_card(&Self::stocked())]
            }
            Rule::Code => {
                // As if its operator had given a card that works the code of one that is for sale.
                let card = Self::card(&self.main);
                let code = self.world.store.sim(&iccid(7)).await.expect("the card").expect("it is there").activation_code;
                self.set_card(&card, "SET code = :v", text(&code.expect("a code").to_string())).await;
                vec![at_card(&card)]
            }
            Rule::CodeHolder => {
                let code = json!({ "pk": { "S": "code#NOBODY" }, "sk": { "S": "code" }, "iccid": { "S": iccid(99).as_str() } });
                self.world.engine.put("PoolsTable", code).await;
                vec![(rule, "pools code#NOBODY / code".to_owned())]
            }
            Rule::Mailed => {
                let sent = json!({ "M": { "t": { "N": "1" }, "e": { "S": "ms" }, "n": { "S": "qr" } } });
                self.set_order(&self.main, "SET hi = list_append(hi, :v)", json!({ ":v": { "L": [sent, sent] } })).await;
                vec![at_order(&self.main)]
            }
            Rule::Returning => {
                let pk = format!("return#{}", pool());
                self.world.engine.put("PoolsTable", json!({ "pk": { "S": pk }, "sk": { "S": Self::stocked() } })).await;
                vec![(rule, format!("pools {pk} / {}", Self::stocked()))]
            }
            Rule::Carrier => {
                let card = Self::card(&self.main);
                self.set_card(&card, "SET #state = :v", text("retired")).await;
                vec![at_card(&card), at_subscription]
            }
            Rule::Plans => {
                self.set_subscription(
                    "SET pl[0].s = :v",
                    json!({ ":v": { "M": { "e": { "M": { "t": { "N": "1" }, "y": { "S": "x" } } } } } }),
                )
                .await;
                vec![at_order(&self.main)]
            }
            Rule::Change => {
                let until = self.world.now().plus_seconds(900 * 86_400).unix();
                let change = json!({ "k": { "S": "c" }, "o": { "S": self.sold.num.as_str() }, "u": { "N": until.to_string() } });
                self.set_subscription("SET oc = :v", json!({ ":v": { "M": change } })).await;
                vec![at_subscription]
            }
            Rule::Dead => {
                self.set_pair("PoolsTable", &counter, "marks", "ADD dead :v", number(1)).await;
                vec![(rule, format!("pools pool#{} / marks", pool()))]
            }
            Rule::Stock => {
                self.set_pair("PoolsTable", &counter, "counter", "ADD available :v", number(1)).await;
                vec![(rule, key)]
            }
        }
    }
}

/// A slot of the only pool, as findings name it.
fn place_of_slot(slot: u64) -> String {
    format!("pools slot#{}#0 / {slot:012}", pool())
}

/// The claim of the code that a card came in with, as findings name it.
fn place_of_code(serial: u32) -> String {
    format!("pools code#{} / code", simdock_tests::card(&pool(), serial).profile_id().expect("a code"))
}

async fn pay(world: &World, order: &Order, receipt: Receipt) -> Order {
    match world.store.receive_payment(&order.num, &receipt).await.expect("the payment is recorded") {
        Paid::Recorded(order) => *order,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_damage_is_found_and_nothing_else() {
    let cases = Rule::ALL.into_iter().map(async |rule| {
        let patient = Patient::new().await;
        let damage = Found::from_iter(patient.damage(rule).await);
        assert!(damage.iter().any(|(found, _)| *found == rule));
        assert_eq!(patient.found().await, damage, "{rule:?}");
    });
    join_all(cases).await;
}

#[tokio::test]
async fn the_healthy_are_let_go() {
    let patient = Patient::new().await;
    assert_eq!(patient.found().await, Found::new());
    let report = examine(&patient.world.store).await.unwrap().to_string();
    assert!(
        report.contains("5 of orders") && report.contains("1 refunds are owed") && report.contains("Nothing is wrong"),
        "{report}"
    );
    // What is due and what is owed may wait for a while, and not for long.
    patient.world.wait(300);
    assert_eq!(patient.found().await, Found::new());
    patient.world.wait(2 * 86_400);
    let of = |rule: Rule, order: &Order| (rule, format!("orders {}", order.num));
    let late =
        [&patient.main, &patient.renewal, &patient.sold, &patient.wrong, &patient.debited].map(|order| of(Rule::Overdue, order));
    assert_eq!(patient.found().await, late.into_iter().chain([of(Rule::RefundStalled, &patient.wrong)]).collect());
}

#[tokio::test]
async fn what_was_given_back_in_another_currency_is_let_go_and_settles_nothing() {
    let patient = Patient::new().await;
    let (world, wrong) = (&patient.world, &patient.wrong);
    let amount = Money { amount: 1, currency: "USD".parse().expect("a currency") };
    let payment_id = receipt(wrong).payment_id;
    let elsewhere = Command::RefundedElsewhere { payment_id, provider_id: "re_hand".to_owned(), amount };
    let given = decide(wrong, elsewhere, world.now()).expect("a decision");
    assert!(world.store.replace_order(&given).await.expect("a write").is_ok());
    assert_eq!(patient.found().await, Found::new());
    assert_eq!(given.owed(), [eur(1)]);
}

#[tokio::test]
async fn two_cards_with_one_code_are_found_whether_it_is_on_record_or_not() {
    let patient = Patient::new().await;
    let card = |serial: u32| (Rule::Code, format!("sims {}", iccid(serial)));
    let forget = async |serial: u32| {
        let profile = simdock_tests::card(&pool(), serial).profile_id().expect("a code");
        patient.delete("PoolsTable", &format!("code#{profile}"), "code").await;
    };
    // Two cards that their operator gave one code, which no file ever had.
    patient.world.activate(&patient.sold, &[0]).await;
    let (main, sold) = (Patient::card(&patient.main), Patient::card(&patient.sold));
    for card in [&main, &sold] {
        patient.set_card(card, "SET code = :v", json!({ ":v": { "S": "LPA:1$rsp.example.com$BOTH" } })).await;
    }
    let second = (Rule::Code, format!("sims {}", (&main).max(&sold)));
    // A card for sale that came in before codes were put on record.
    forget(7).await;
    assert_eq!(patient.found().await, Found::from([second.clone(), card(7)]));
    // Of the two, the first that is asked has it from then on.
    let codes = patient.world.store.claim_all_codes().await.unwrap();
    let iccids: BTreeSet<String> = codes.twice.iter().flat_map(|(one, other)| [one.to_string(), other.to_string()]).collect();
    assert_eq!((codes.claimed, codes.twice.len(), iccids), (7, 1, BTreeSet::from([main.clone(), sold.clone()])));
    let other = (Rule::Code, format!("sims {}", codes.twice[0].0));
    assert_eq!(patient.found().await, Found::from([other]));
    let report = examine(&patient.world.store).await.unwrap().to_string();
    assert!(report.contains(&format!("its code is that of card {}: one profile stands twice", codes.twice[0].1)), "{report}");
    assert!(!report.contains("BOTH"), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_are_at_work_are_let_go() {
    let patient = Patient::new().await;
    let world = &patient.world;
    let (over, bought) = (AtomicBool::new(false), AtomicUsize::new(0));
    let go_on = || !over.load(Ordering::Relaxed);
    // What there is to examine grows by what is bought, and not by how long the doctor takes.
    let stock = async {
        for batch in 1_u32.. {
            simdock_tests::stock(&world.store, simdock_tests::cards(&pool(), batch * 100..batch * 100 + 60)).await;
            while available(world).await >= 30 {
                if !go_on() {
                    return;
                }
                tokio::time::sleep(BREATH).await;
            }
        }
    };
    let buy = async |buyer: u32| {
        for serial in 0.. {
            if !go_on() {
                return;
            }
            let order = world.order(&format!("buyer {buyer} {serial}"), 2).await;
            // Those who find nothing left are owed their money.
            let paid = world.store.receive_payment(&order.num, &receipt(&order)).await.expect("the payment is recorded");
            if let Paid::Recorded(paid) = paid
                && paid.is_paid()
            {
                world.activate(&paid, &[0]).await;
                bought.fetch_add(1, Ordering::Relaxed);
            }
            tokio::time::sleep(BREATH).await;
        }
    };
    let sweep = async {
        while go_on() {
            world.sweep_twice().await;
            tokio::time::sleep(BREATH).await;
        }
    };
    let look = async {
        while bought.load(Ordering::Relaxed) < 20 {
            assert_eq!(patient.found().await, Found::new());
        }
        assert_eq!(patient.found().await, Found::new());
        over.store(true, Ordering::Relaxed);
    };
    tokio::join!(buy(0), buy(1), stock, sweep, look);
    assert_eq!(patient.found().await, Found::new());
}

#[tokio::test]
async fn a_slot_that_its_card_left_by_number_is_let_go() {
    let patient = Patient::new().await;
    let world = &patient.world;
    let mut by_number = draft(1);
    by_number.wanted = vec![iccid(5)];
    let order = order("by number", by_number, world.now());
    world.store.create_order(&order).await.expect("the order is written");
    let sold = pay(world, &order, receipt(&order)).await;
    assert_eq!(patient.found().await, Found::new());
    // Nobody has seen its code: it goes back on sale, into another slot.
    let cancel =
        Command::Cancel { lines: vec![(0, Used::default())], policy: RefundPolicy::UntilActivation, note: "no".to_owned() };
    let leaving = decide(&sold, cancel, world.now()).expect("a decision");
    assert!(world.store.replace_order(&leaving).await.expect("a write").is_ok());
    let gone = decide(&leaving, Command::Revoked { line: 0 }, world.now()).expect("a decision");
    let sims = world.store.sims(&[iccid(5)]).await.expect("the card");
    let facts = Facts { activations: &[], sims: &sims };
    assert!(world.store.write_in_step(&leaving, &gone, facts, world.now()).await.expect("a write").is_ok());
    assert_eq!(patient.found().await, Found::new());
    world.sweep_twice().await;
    let back = world.store.sim(&iccid(5)).await.expect("the card").expect("it exists");
    assert_eq!((back.slot, back.past_orders), (Some(8), vec![order.num]));
    assert_eq!(patient.found().await, Found::new());
}
