//! Plans, cards, orders and payments to try things with.

use crate::engine::Engine;
use crate::proxy::Proxy;
use simdock_domain::{
    ActivationCode, AddOn, AddOnKind, ChangeDraft, Channel, Command, Draft, FlowType, FormFactor, Iccid, Money, Order, OrderNum,
    PaymentMethod, Plan, PoolId, ProfileCost, Provider, RefundPolicy, SimType, Subscription, SubscriptionChange, Timestamp,
    decide, short_hash,
};
use simdock_runtime::{Clock, Config};
use simdock_store::{
    ADMINISTRATOR, Activation, Facts, ImportLine, NewCard, Operator, Paid, Provisioning, Receipt, Sim, Store, StoreError,
};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

/// The partner that orders.
pub const PARTNER: &str = "acme";

/// An engine with a plan on sale, and a store on it.
#[derive(Debug)]
pub struct World {
    /// The engine.
    pub engine: Engine,
    /// A store that talks to the engine directly.
    pub store: Store,
    offset: Arc<AtomicI64>,
}

impl World {
    /// A world without any card.
    pub async fn new() -> Self {
        let engine = Engine::start().await;
        let offset = Arc::<AtomicI64>::default();
        let store = store(engine.url(), &engine, Clock::shifted(Arc::clone(&offset))).await;
        store.put_plan(&plan(), ADMINISTRATOR).await.expect("the plan is written").expect("the plan is new");
        let operator_id = pool().operator;
        let operator = Operator { display: operator_id.clone(), operator_id, provisioning: Provisioning::Http };
        store.put_operator(&operator).await.expect("the operator is written");
        Self { engine, store, offset }
    }

    /// A world with this many cards in [`pool`].
    pub async fn with_cards(count: u32) -> Self {
        let world = Self::new().await;
        stock(&world.store, cards(&pool(), 0..count)).await;
        world
    }

    /// Another store, which shares nothing with the first but the tables and the clock.
    pub async fn another_store(&self) -> Store {
        store(self.engine.url(), &self.engine, Clock::shifted(Arc::clone(&self.offset))).await
    }

    /// A store that talks to the engine through a proxy.
    pub async fn store_through(&self, proxy: &Proxy) -> Store {
        store(proxy.url(), &self.engine, Clock::shifted(Arc::clone(&self.offset))).await
    }

    /// The clock of the stores.
    pub fn clock(&self) -> Clock {
        Clock::shifted(Arc::clone(&self.offset))
    }

    /// The time of the stores.
    pub fn now(&self) -> Timestamp {
        self.store.clock().now()
    }

    /// Moves the time of the stores, seconds ahead.
    pub fn wait(&self, seconds: i64) {
        self.offset.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Creates an order of so many cards, named after `key`.
    pub async fn order(&self, key: &str, count: u32) -> Order {
        let order = order(key, draft(count), self.now());
        self.store.create_order(&order).await.expect("the order is written");
        order
    }

    /// Creates an order and pays exactly its price for it.
    pub async fn paid_order(&self, key: &str, count: u32) -> Order {
        let order = self.order(key, count).await;
        match self.store.receive_payment(&order.num, &receipt(&order)).await.expect("the payment is recorded") {
            Paid::Recorded(order) => *order,
            other => panic!("{key} is not paid: {other:?}"),
        }
    }

    /// Has the cards' operator be one that has not to be asked: what is sold works at once. Stores remember for a minute what it was.
    pub async fn preloaded(&self) {
        let display = "Meridian".to_owned();
        let operator = Operator { operator_id: pool().operator, display, provisioning: Provisioning::Preloaded };
        self.store.put_operator(&operator).await.expect("the operator is written");
    }

    /// The order as it is stored.
    pub async fn read(&self, num: &OrderNum) -> Order {
        self.store.order(num).await.expect("the order is read").expect("the order exists")
    }

    /// Records that the carrier activated cards of an order, those of the lines given; the order as it is then.
    pub async fn activate(&self, order: &Order, lines: &[usize]) -> Order {
        let next = decide(order, Command::Provisioned(lines.to_vec()), self.now()).expect("a decision");
        let sims = sims_of(&self.store, order, lines).await.expect("the cards");
        let activations = activations(lines.iter().copied());
        let facts = Facts { activations: &activations, sims: &sims };
        let written = self.store.write_in_step(order, &next, facts, self.now()).await.expect("the activation is recorded");
        written.expect("nobody else changes the order");
        next
    }

    /// An order of one card that is paid and whose card works, and the subscription that it began.
    pub async fn subscription(&self, key: &str) -> (Order, Subscription) {
        let order = self.activate(&self.paid_order(key, 1).await, &[0]).await;
        let subscription = self.read_subscription(&order.subscription_id(0)).await;
        (order, subscription)
    }

    /// The subscription as it is stored.
    pub async fn read_subscription(&self, id: &str) -> Subscription {
        self.store.subscription(id).await.expect("the subscription is read").expect("the subscription exists")
    }

    /// Creates an order that changes a subscription, named after `key` and paid by card, with whatever plan goes with it.
    pub async fn change(&self, key: &str, subscription: &Subscription, change: SubscriptionChange) -> Order {
        let main = self.read(&subscription.main_order).await;
        let order = change_order(key, change, subscription, &main, self.now());
        self.store.create_order(&order).await.expect("the order is written");
        order
    }

    /// Sweeps every pool twice, after which no ticket can still be missing.
    pub async fn sweep_twice(&self) {
        for _ in 0..2 {
            for pool in self.store.pools().await.expect("the pools") {
                self.store.recover_stock(&pool, self.now()).await.expect("a sweep");
            }
        }
    }
}

/// A store on an engine's tables, which it reaches at `url`.
pub async fn store(url: &str, engine: &Engine, clock: Clock) -> Store {
    Store::new(&config(url, engine, clock)).await.expect("a store")
}

/// The configuration of a function on an engine's tables, which it reaches at `url`. Nobody listens where its queues are.
pub fn config(url: &str, engine: &Engine, clock: Clock) -> Config {
    let table = |variable: &str, id: &str| (variable.to_owned(), engine.table(id).to_owned());
    let mut variables = BTreeMap::from([
        table("ORDERS_TABLE", "OrdersTable"),
        table("SIMS_TABLE", "SimsTable"),
        table("POOLS_TABLE", "PoolsTable"),
        table("SUBSCRIPTIONS_TABLE", "SubscriptionsTable"),
        table("PARTNERS_TABLE", "PartnersTable"),
        table("PLANS_TABLE", "PlansTable"),
    ]);
    for (name, value) in [
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_ENDPOINT_URL_DYNAMODB", url),
        ("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:9"),
        ("PROVISION_QUEUE_URL", "http://127.0.0.1:9/provision"),
        ("MAIL_QUEUE_URL", "http://127.0.0.1:9/mail"),
        ("REFUND_QUEUE_URL", "http://127.0.0.1:9/refund"),
    ] {
        variables.insert(name.to_owned(), value.to_owned());
    }
    Config::new(variables, clock)
}

/// Does something again for as long as the tables are busy, as whoever sent a webhook does.
pub async fn eventually<T>(action: impl AsyncFn() -> Result<T, StoreError>) -> T {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        match action().await {
            Ok(done) => return done,
            Err(StoreError::Busy(why)) if Instant::now() > until => panic!("the tables stay busy: {why}"),
            Err(StoreError::Busy(_)) => {}
            Err(broken @ StoreError::Broken(_)) => panic!("{broken}"),
        }
    }
}

/// So many euro cents.
pub fn eur(amount: i64) -> Money {
    Money { amount, currency: "EUR".parse().expect("a currency") }
}

/// The pool of the plan's cheaper profile.
pub fn pool() -> PoolId {
    PoolId::new("meridian", "7", FormFactor::Esim).expect("a pool")
}

/// The pool of the plan's dearer profile.
pub fn second_pool() -> PoolId {
    PoolId::new("meridian", "2", FormFactor::Esim).expect("a pool")
}

/// A plan that both pools carry.
pub fn plan() -> Plan {
    let profile = |pool: PoolId, cost| ProfileCost { operator: pool.operator, imsi_profile: pool.imsi_profile, cost };
    Plan {
        plan_id: "eu-5gb-30d".to_owned(),
        version: 1,
        display: "Europe 5 GB, 30 days".to_owned(),
        price: eur(1450),
        data_mb: Some(5120),
        days: 30,
        flow_type: FlowType::Renewable,
        sim_type: SimType::Prepaid,
        refund_policy: RefundPolicy::UntilActivation,
        form_factors: vec![FormFactor::Esim],
        profiles: vec![profile(second_pool(), 250), profile(pool(), 120)],
        apn: "internet".to_owned(),
        countries: ["AT", "DE", "ES", "FR", "IT"].map(str::to_owned).to_vec(),
        add_ons: vec![AddOn {
            add_on_id: "data-1gb".to_owned(),
            display: "1 GB more".to_owned(),
            kind: AddOnKind::Data,
            price: eur(300),
            amount: 1024,
        }],
        pauses_when_suspended: false,
        swap_price: None,
        complimentary_with: Vec::new(),
        partners: Vec::new(),
        withdrawn: false,
    }
}

/// The number of the n-th card.
pub fn iccid(serial: u32) -> Iccid {
    Iccid::with_check_digit(&format!("8934501{serial:011}")).expect("a card number")
}

/// The n-th card, with everything that a card may come with.
pub fn card(pool: &PoolId, serial: u32) -> NewCard {
    let matching_id = short_hash(&["matching id", &serial.to_string()]);
    NewCard {
        iccid: iccid(serial),
        pool: pool.clone(),
        activation_code: Some(ActivationCode::new("smdp.example.com", &matching_id, None, false).expect("a code")),
        msisdn: Some(format!("+346{serial:08}").parse().expect("a number")),
        activate_before: Some(Clock::system().now().plus_seconds(365 * 86_400)),
    }
}

/// The cards with these serial numbers.
pub fn cards(pool: &PoolId, serials: Range<u32>) -> Vec<NewCard> {
    serials.map(|serial| card(pool, serial)).collect()
}

/// Puts cards into stock by an import of their own.
pub async fn stock(store: &Store, cards: Vec<NewCard>) {
    let lines: Vec<ImportLine> = (2..).zip(cards).map(|(line, card)| ImportLine { line, card }).collect();
    let count = lines.len();
    let id = Store::import_id("admin", "", &format!("{:?}", lines.iter().map(|line| &line.card.iccid).collect::<Vec<_>>()));
    store.begin_import(&id, count, lines, &[], ADMINISTRATOR).await.expect("the import is written down");
    let until = Instant::now() + Duration::from_mins(1);
    let import = store.run_import(&id, until).await.expect("the import runs").expect("the import exists");
    assert_eq!(import.added, count, "cards in stock");
}

/// What a shop asks for when a customer of its bought so many cards.
pub fn draft(count: u32) -> Draft {
    Draft {
        count,
        form_factor: FormFactor::Esim,
        wanted: Vec::new(),
        add_on_ids: Vec::new(),
        payment_method: PaymentMethod::Card,
        channel: Channel::Web,
        email: "ana.garcia@example.com".parse().expect("an address"),
        name: "Ana García".to_owned(),
        language: "es".to_owned(),
        address: None,
        gift: None,
        line_name: Some("Spain".to_owned()),
        send_email: true,
        other_order_id: Some("shop-1007".to_owned()),
        other_item_id: Some("1".to_owned()),
    }
}

/// An order of [`plan`] that is not stored yet, named after `key`.
pub fn order(key: &str, draft: Draft, now: Timestamp) -> Order {
    let num = OrderNum::derive(PARTNER, "POST /v1/orders", key);
    Order::place(num, PARTNER, draft, &plan(), short_hash(&["fingerprint", key]), now).expect("an order")
}

/// An order that changes a subscription, that is not stored yet, named after `key`.
pub fn change_order(key: &str, change: SubscriptionChange, subscription: &Subscription, main: &Order, now: Timestamp) -> Order {
    let num = OrderNum::derive(PARTNER, "POST /v1/changes", key);
    let draft = ChangeDraft {
        change,
        payment_method: PaymentMethod::Card,
        channel: Channel::Web,
        send_email: true,
        other_order_id: Some("shop-1008".to_owned()),
        other_item_id: Some("1".to_owned()),
    };
    let fingerprint = short_hash(&["fingerprint", key]);
    Order::change(num, draft, subscription, main, &plan(), fingerprint, now).expect("an order")
}

/// What carriers answer that have nothing to add to what the inventory says.
pub fn activations(lines: impl Iterator<Item = usize>) -> Vec<Activation> {
    lines.map(|line| Activation { line, activation_code: None, msisdn: None }).collect()
}

/// The cards of an order's lines as they are.
pub async fn sims_of(store: &Store, order: &Order, lines: &[usize]) -> Result<Vec<Sim>, StoreError> {
    let iccids: Vec<Iccid> = lines.iter().filter_map(|line| order.lines.get(*line)?.iccid.clone()).collect();
    store.sims(&iccids).await
}

/// The one payment that pays for an order, from its provider.
pub fn receipt(order: &Order) -> Receipt {
    Receipt { provider: Provider::Stripe, payment_id: format!("pi_3{}", &order.num.as_str()[2..]), received: order.price() }
}
