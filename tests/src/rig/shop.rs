//! A partner's shop: it orders, pays in all the ways that payments come in, and does everything that can be done to what it bought.

use super::Size;
use super::site::{Answer, As, Site};
use fastrand::Rng;
use futures_util::future::join_all;
use hyper::Method;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

const PLANS: [&str; 10] = [
    "eu-5gb-30d",
    "eu-5gb-30d",
    "asia-3gb-30d",
    "eu-trial-100mb-1d",
    "sandbox-1gb-7d",
    "sandbox-1gb-7d",
    "sandbox-5gb-30d",
    "sandbox-5gb-30d",
    "sandbox-3gb-15d",
    "world-2gb-30d",
];
/// How often a shop looks whether an order was delivered before it goes on all the same, and the pause between.
const LOOKS: u32 = 12;
const PAUSE: Duration = Duration::from_millis(120);

/// What shops and managers do.
pub const ACTS: [&str; 40] = [
    "ordered by card",
    "ordered by balance",
    "ordered for nothing",
    "ordered several cards",
    "ordered a physical card",
    "ordered twice at once",
    "given away",
    "not paid",
    "paid at Stripe",
    "paid elsewhere",
    "paid too little",
    "paid too much",
    "paid twice",
    "told of by one event",
    "told of by the same event again",
    "told of by several events",
    "gave an order back",
    "gave a card back",
    "gave back twice at once",
    "renewed",
    "topped up",
    "swapped",
    "installed after a swap",
    "cancelled",
    "suspended",
    "resumed",
    "installed",
    "attached",
    "used up",
    "expired",
    "deleted",
    "disputed",
    "given back by hand",
    "changed the key",
    "changed the recipient",
    "shipped",
    "sent a mail again",
    "tried again",
    "noted",
    "given back by hand",
];

/// A payment that a provider made and told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// The order that it names.
    pub order: String,
    /// What was received, in minor units.
    pub amount: i64,
}

/// What was acknowledged to a shop, and what it saw.
#[derive(Debug, Default)]
pub struct Told {
    /// Orders of all kinds.
    pub orders: BTreeSet<String>,
    /// Payments, by the provider's id.
    pub payments: BTreeMap<String, Payment>,
    /// Codes, and the orders that showed them.
    pub codes: BTreeMap<String, BTreeSet<String>>,
    /// Refunds that people made at the provider without asking the API.
    pub by_hand: BTreeSet<String>,
}

impl Told {
    /// Takes what another shop was told.
    pub fn add(&mut self, other: Self) {
        self.orders.extend(other.orders);
        self.payments.extend(other.payments);
        self.by_hand.extend(other.by_hand);
        for (code, orders) in other.codes {
            self.codes.entry(code).or_default().extend(orders);
        }
    }
}

/// A shop with its own API key.
pub struct Shop {
    site: Arc<Site>,
    key: String,
    number: u64,
    /// Chances for what it does next.
    rng: Rng,
    told: Told,
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// A payment of an order that Stripe received.
fn at_stripe(order: &Value) -> Option<&str> {
    let mut payments = order["payments"].as_array()?.iter();
    payments.find(|payment| payment["provider"] == "stripe")?["paymentId"].as_str()
}

impl Shop {
    /// The shop of this number, which does the same in every run of a seed, as far as it is answered the same.
    pub fn new(site: Arc<Site>, key: String, number: u64) -> Self {
        let rng = site.plan.dice(&format!("shop {number}"));
        Self { site, key, number, rng, told: Told::default() }
    }

    /// Begins something whose chances hang on nothing that was answered before.
    fn begin(&mut self, what: &str) {
        self.rng = self.site.plan.dice(&format!("shop {}, {what}", self.number));
    }

    fn did(&self, act: &'static str) {
        self.site.plan.act(act);
    }

    /// So many customers, one after the other; what it was told by the end. The more shops there are, the longer it takes until all
    /// of them are open.
    pub async fn open(mut self, size: Size) -> Told {
        tokio::time::sleep(Duration::from_millis(self.rng.u64(..=50 * size.shops))).await;
        for customer in 0..size.customers {
            self.serve(customer).await;
        }
        self.told
    }

    async fn serve(&mut self, customer: u32) {
        self.begin(&format!("customer {customer}"));
        let plan = PLANS[self.rng.usize(..PLANS.len())];
        let payment = if self.rng.u8(..5) < 2 { "balance" } else { "card" };
        let tag = format!("shop-{}-{customer}", self.number);
        let email = match self.rng.u8(..12) {
            0 => "bounce@simulator.test",
            1 => "complaint@simulator.test",
            _ => "ana@example.com",
        };
        let mut draft = json!({
            "planId": plan, "count": self.rng.u8(1..=3), "payment": payment, "otherOrderId": tag, "sendEmail": self.rng.u8(..5) > 0,
            "subscriber": {"email": email, "name": "Ana", "language": "es"},
        });
        if plan == "world-2gb-30d" && self.rng.bool() {
            draft["formFactor"] = "physical".into();
            draft["subscriber"]["postalAddress"] =
                json!({"lines": ["Calle Mayor 1"], "city": "Madrid", "postalCode": "28013", "country": "ES"});
        }
        let Some(order) = self.ask("/v1/orders", &draft).await else { return };
        self.did(match payment {
            _ if order["price"]["amount"] == 0 => "ordered for nothing",
            "balance" => "ordered by balance",
            _ => "ordered by card",
        });
        if draft["count"] != 1 {
            self.did("ordered several cards");
        }
        if draft["formFactor"] == "physical" {
            self.did("ordered a physical card");
        }
        self.begin(&format!("customer {customer} afterwards"));
        if self.rng.u8(..12) == 0 {
            return;
        }
        let mut order = self.delivered(&order).await;
        if order["formFactor"] == "physical"
            && order["cards"].as_array().is_some_and(|cards| !cards.is_empty())
            && self.rng.bool()
        {
            self.manage(text(&order, "orderNum"), "shipped").await;
        }
        for act in 0..self.rng.u8(..5) {
            self.begin(&format!("customer {customer} act {act}"));
            order = self.act(&order).await;
        }
    }

    /// Asks for something that makes an order, now and then twice at once, and pays it; the order, if one was made.
    async fn ask(&mut self, path: &str, body: &Value) -> Option<Value> {
        let (key, body) = (format!("key-{}-{}", self.number, self.rng.u64(..)), body.to_string());
        let times = if self.rng.u8(..6) == 0 { 2 } else { 1 };
        let ask = || self.site.send_once_only(Method::POST, path, As::Key(&self.key), &body, Some(&key));
        let answers = join_all((0..times).map(|_| ask())).await;
        let mut made: Vec<Value> = answers.into_iter().filter(Answer::is_done).map(|answer| answer.body).collect();
        let order = made.pop()?;
        if made.iter().any(|other| other["orderNum"] != order["orderNum"]) {
            self.site.surprise(format!("one request made several orders: {order} and {made:?}"));
        }
        self.told.orders.insert(text(&order, "orderNum").to_owned());
        if times == 2 {
            self.did("ordered twice at once");
        }
        if order["status"] == -1 && order["payment"] == "card" {
            self.pay(&order).await;
        }
        Some(order)
    }

    /// Whatever tells of a payment comes once, again, or twice at the same time, and so do payments; or none comes.
    async fn pay(&mut self, order: &Value) {
        let num = text(order, "orderNum").to_owned();
        let price = order["price"]["amount"].as_i64().unwrap_or_default();
        let (amounts, act) = match self.rng.u8(..12) {
            0 => (vec![], Some("not paid")),
            1 => (vec![price - 1, price], Some("paid too little")),
            2 => (vec![price, price], Some("paid twice")),
            3 => (vec![price + 100], Some("paid too much")),
            _ => (vec![price], None),
        };
        let standard = self.rng.u8(..10) == 0;
        if let Some(act) = act {
            self.did(act);
        }
        let mut told = Vec::new();
        for amount in amounts {
            let id = format!("pi_{}_{}", self.number, self.site.unique());
            if !standard {
                self.site.local("stripe/payments", &json!({"paymentIntent": id, "amount": amount})).await;
            }
            let told_of = told.len();
            for _ in 0..self.rng.u8(1..=2) {
                let event = if standard { self.standard_event(&num, &id, amount) } else { self.stripe_event(&num, &id, amount) };
                // A provider that was not heard sends the event again.
                for _ in 0..self.rng.u8(1..=2) {
                    told.push(event.clone());
                }
            }
            let events: BTreeSet<&String> = told[told_of..].iter().map(|(event, _)| event).collect();
            self.did(if events.len() > 1 { "told of by several events" } else { "told of by one event" });
            if told.len() - told_of > events.len() {
                self.did("told of by the same event again");
            }
            self.did(if standard { "paid elsewhere" } else { "paid at Stripe" });
            self.told.payments.insert(id, Payment { order: num.clone(), amount });
        }
        let tell = async |(id, event): &(String, Value)| {
            let event = event.to_string();
            if standard {
                self.site.send(Method::POST, "/v1/webhooks/payments/standard", As::Standard(id), &event).await
            } else {
                self.site.send(Method::POST, "/v1/webhooks/payments/stripe", As::Stripe, &event).await
            }
        };
        for answer in join_all(told.iter().map(tell)).await {
            let result = text(&answer.body, "result");
            if !["paid", "owed_back", "known"].contains(&result) {
                self.site.surprise(format!("a payment of {num} came to {}", answer.body));
            }
        }
    }

    /// One of the events by which Stripe tells of a payment, with its id.
    fn stripe_event(&mut self, num: &str, payment: &str, amount: i64) -> (String, Value) {
        let event = format!("evt_{}", self.site.unique());
        let (kind, object) = if self.rng.bool() {
            let intent = json!({"id": payment, "amount_received": amount, "currency": "eur", "metadata": {"orderNum": num}});
            ("payment_intent.succeeded", intent)
        } else {
            let session = json!({
                "id": format!("cs_{payment}"), "mode": "payment", "payment_status": "paid", "payment_intent": payment,
                "amount_total": amount, "currency": "eur", "client_reference_id": num,
            });
            ("checkout.session.completed", session)
        };
        (event.clone(), json!({"id": event, "type": kind, "data": {"object": object}}))
    }

    fn standard_event(&mut self, num: &str, payment: &str, amount: i64) -> (String, Value) {
        let event = format!("evt_{}", self.site.unique());
        let data = json!({"paymentId": payment, "orderNum": num, "amount": amount, "currency": "EUR"});
        (
            event.clone(),
            json!({"type": "payment.succeeded", "timestamp": self.site.stack.clock().now().to_string(), "data": data}),
        )
    }

    /// Reads an order, and keeps the codes that it shows.
    async fn read(&mut self, order: &Value) -> Value {
        let num = text(order, "orderNum");
        let read = self.site.send(Method::GET, &format!("/v1/orders/{num}"), As::Key(&self.key), "").await.body;
        for card in read["cards"].as_array().into_iter().flatten() {
            if let Some(code) = card["code"].as_str() {
                self.told.codes.entry(code.to_owned()).or_default().insert(num.to_owned());
            }
        }
        read
    }

    /// Reads an order until it was delivered or given up, but not for long.
    async fn delivered(&mut self, order: &Value) -> Value {
        let mut read = order.clone();
        for _ in 0..LOOKS {
            read = self.read(order).await;
            if read["fulfilment"] == "completed" || read["fulfilment"] == "failed" || read["status"] == 3 || read["status"] == -1
            {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        read
    }

    /// Does something to an order or to what it brought; what the order is then.
    async fn act(&mut self, order: &Value) -> Value {
        let num = text(order, "orderNum").to_owned();
        let Some(cards) = order["cards"].as_array().filter(|cards| !cards.is_empty()) else { return order.clone() };
        let card = cards[self.rng.usize(..cards.len())].clone();
        let (iccid, subscription) = (text(&card, "iccid").to_owned(), text(&card, "subscriptionId").to_owned());
        let payment = if self.rng.bool() { "balance" } else { "card" };
        let of_line = |action: &str| format!("/v1/subscriptions/{subscription}/{action}");
        match self.rng.u8(..32) {
            0..4 => {
                let one = self.rng.bool();
                let body = if one { json!({"reason": "changed plans", "iccids": [iccid]}) } else { json!({"reason": "ill"}) };
                let (path, body) = (format!("/v1/orders/{num}/refund"), body.to_string());
                let times = self.rng.u8(1..=2);
                let ask = || self.site.send(Method::POST, &path, As::Key(&self.key), &body);
                if join_all((0..times).map(|_| ask())).await.iter().any(Answer::is_done) {
                    self.did(if one { "gave a card back" } else { "gave an order back" });
                    if times == 2 {
                        self.did("gave back twice at once");
                    }
                }
            }
            _ if subscription.is_empty() => {}
            4..7 => {
                let body = json!({"payment": payment, "iccid": iccid});
                self.ask_for("renewed", &format!("/v1/orders/{num}/renewal"), &body).await;
            }
            7..9 => {
                let body = json!({"planId": order["planId"], "payment": payment});
                self.ask_for("topped up", &of_line("top-ups"), &body).await;
            }
            9..11 => {
                let body = if order["planId"] == "world-2gb-30d" || order["planId"] == "sandbox-5gb-30d" {
                    json!({"payment": payment})
                } else {
                    json!({})
                };
                if let Some(swap) = self.ask_for("swapped", &of_line("sim-swap"), &body).await {
                    let swap = self.delivered(&swap).await;
                    // Nobody can install a profile that its operator has not activated.
                    if self.rng.u8(..3) > 0
                        && swap["fulfilment"] == "completed"
                        && let Some(new) = swap["cards"][0]["iccid"].as_str()
                    {
                        self.report(new, &swap, "installed").await;
                        self.did("installed after a swap");
                    }
                }
            }
            11..13 => drop(self.ask_for("cancelled", &of_line("cancellation"), &json!({})).await),
            13..15 => self.ask_plainly("suspended", &of_line("suspension")).await,
            15 => self.ask_plainly("resumed", &of_line("resumption")).await,
            16 => self.report(&iccid, order, "installed").await,
            17..20 => {
                self.report(&iccid, order, "installed").await;
                self.report(&iccid, order, "first_attach").await;
            }
            20..23 => {
                let kind = ["used_up", "expired", "deleted"][self.rng.usize(..3)];
                self.report(&iccid, order, kind).await;
            }
            23..25 => self.give(order, &subscription).await,
            25 => self.dispute(order).await,
            26 => self.give_back_by_hand(order).await,
            27 => {
                let key = self.site.rotate(self.number, &self.key).await;
                if self.key != key {
                    self.did("changed the key");
                }
                self.key = key;
            }
            _ => {
                let act = ["changed the recipient", "sent a mail again", "noted", "tried again"][self.rng.usize(..4)];
                self.manage(&num, act).await;
            }
        }
        self.read(order).await
    }

    /// Gives a subscriber what its subscription entitles to, once, and as often as the partner may.
    async fn give(&mut self, order: &Value, subscription: &str) {
        if !["sandbox-1gb-7d", "sandbox-5gb-30d"].contains(&text(order, "planId")) {
            return;
        }
        let body = json!({
            "planId": "sandbox-gift-1gb-7d", "count": 1, "payment": "complimentary", "eligibleSubscriptionId": subscription,
            "subscriber": {"email": "ana@example.com", "name": "Ana"},
        });
        if let Some(gift) = self.ask_for("given away", "/v1/orders", &body).await {
            self.delivered(&gift).await;
        }
    }

    /// The payer disputes a payment, and Stripe says so once or several times.
    async fn dispute(&mut self, order: &Value) {
        let Some(payment) = at_stripe(order) else { return };
        let dispute = json!({
            "id": format!("dp_{payment}"), "object": "dispute", "amount": order["price"]["amount"], "currency": "eur",
            "payment_intent": payment, "reason": "fraudulent", "metadata": {},
        });
        for _ in 0..self.rng.u8(1..=2) {
            let id = format!("evt_{}", self.site.unique());
            let event = json!({"id": id, "object": "event", "type": "charge.dispute.created", "data": {"object": dispute}});
            self.site.send(Method::POST, "/v1/webhooks/payments/stripe", As::Stripe, &event.to_string()).await;
        }
        self.did("disputed");
    }

    /// Somebody gives a little back in Stripe's dashboard; the event may be lost at first.
    async fn give_back_by_hand(&mut self, order: &Value) {
        let Some(payment) = at_stripe(order) else { return };
        let refund = self.site.local("stripe/refunds", &json!({"paymentIntent": payment, "amount": 100})).await;
        if let Some(refund) = refund["id"].as_str() {
            let event = json!({"refund": refund, "status": "succeeded", "lost": self.rng.bool()});
            self.site.local("stripe/events", &event).await;
            self.told.by_hand.insert(refund.to_owned());
            self.did("given back by hand");
        }
    }

    /// As [`Self::ask`], for something that has a name.
    async fn ask_for(&mut self, act: &'static str, path: &str, body: &Value) -> Option<Value> {
        let order = self.ask(path, body).await;
        if order.is_some() {
            self.did(act);
        }
        order
    }

    async fn ask_plainly(&self, act: &'static str, path: &str) {
        let key = format!("key-{}-{}", self.number, self.site.unique());
        if self.site.send_once_only(Method::POST, path, As::Key(&self.key), "{}", Some(&key)).await.is_done() {
            self.did(act);
        }
    }

    /// What happens to a card is told by its operator, or by the shop's own app where the operator tells nothing.
    async fn report(&mut self, iccid: &str, order: &Value, kind: &str) {
        let times = self.rng.u8(1..=2);
        let act = match kind {
            "installed" => "installed",
            "first_attach" => "attached",
            "used_up" => "used up",
            "expired" => "expired",
            _ => "deleted",
        };
        if text(order, "planId").starts_with("sandbox-") {
            let mut event = json!({"iccid": iccid, "type": kind, "repeat": times});
            if kind == "installed" {
                event["via"] = ["qr", "ios_api"][self.rng.usize(..2)].into();
            } else if kind == "first_attach" {
                event["country"] = "ES".into();
            }
            // The operator tells once; whether that came through is for its next event.
            let answer = self.site.local("operator/events", &event).await;
            if answer["status"].as_u64().is_some_and(|status| (200..300).contains(&status)) {
                self.did(act);
            }
        } else if matches!(kind, "installed" | "deleted") {
            let at = self.site.stack.clock().now().to_string();
            let event = json!({"type": kind, "at": at}).to_string();
            for _ in 0..times {
                let path = format!("/v1/sims/{iccid}/events");
                if self.site.send(Method::POST, &path, As::Key(&self.key), &event).await.is_done() {
                    self.did(act);
                }
            }
        }
    }

    /// What a manager does to an order.
    async fn manage(&mut self, num: &str, act: &'static str) {
        let (action, body) = match act {
            "changed the recipient" => ("recipient", json!({"email": format!("{}@example.com", self.number)})),
            "shipped" => ("shipment", json!({"carrier": "Correos", "number": "PX1"})),
            "sent a mail again" => ("emails", json!({"kind": "confirmation"})),
            "noted" => ("notes", json!({"note": "called back"})),
            _ => ("retry", json!({})),
        };
        let method = if action == "recipient" { Method::PATCH } else { Method::POST };
        let path = format!("/v1/orders/{num}/{action}");
        if self.site.send(method, &path, As::Manager, &body.to_string()).await.is_done() {
            self.did(act);
        }
    }
}
