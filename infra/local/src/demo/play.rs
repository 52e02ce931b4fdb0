//! What the stories are told with: verbs that do something to the stack and write it down, and looks at what came of it.

mod look;
mod means;
mod money;

use super::api::{Api, Ask, By};
use super::{PATIENCE, expect, same, text};
use crate::error::{Context, StackError};
use crate::seed::PARTNER;
use crate::stack::Stack;
use serde_json::{Value, json};
use simdock_domain::Timestamp;
use simdock_store::Store;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How a step, or a story, ends.
pub type Outcome = Result<(), StackError>;

/// A stack on which stories are played.
pub struct Play<'s> {
    stack: &'s Stack,
    api: Api<'s>,
    store: Store,
    /// The orders of the story that is being played.
    told: Vec<Told>,
    orders: usize,
    /// What was done to orders, each once.
    actions: BTreeSet<String>,
    /// The pools of cards that were bought by number: each leaves a place in its pool's queue that counts until it is drawn.
    chosen: Vec<&'static str>,
    /// Counts what needs a name of its own.
    unique: u32,
    begun: Instant,
}

/// What happened to an order so far.
struct Told {
    num: String,
    about: &'static str,
    path: Vec<String>,
    /// The status, while nothing was written down since.
    stands: Option<i64>,
}

/// What an order of cards brought.
pub struct Line {
    /// The order.
    pub order: String,
    /// Its first card.
    pub card: String,
    /// That card's subscription.
    pub id: String,
}

impl Line {
    /// The path to something that the subscription takes.
    pub fn path(&self, what: &str) -> String {
        format!("/v1/subscriptions/{}/{what}", self.id)
    }
}

/// An order of some cards for Ana.
pub fn draft(plan_id: &str, count: u32, payment: &str) -> Value {
    json!({
        "planId": plan_id, "count": count, "payment": payment,
        "subscriber": {"email": "ana@example.com", "name": "Ana", "language": "en"},
    })
}

/// A list in an answer.
pub fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A field of every entry of a list in an answer.
pub fn each<'v>(value: &'v Value, name: &str, field: &str) -> Vec<&'v str> {
    list(value, name).iter().map(|entry| entry[field].as_str().unwrap_or("none")).collect()
}

/// The number of an order's card.
pub fn iccid(order: &Value, card: usize) -> Result<String, StackError> {
    text(&order["cards"][card], "iccid").map(str::to_owned)
}

/// Whether something happened to an order.
pub fn happened(order: &Value, event: &str) -> bool {
    each(order, "history", "event").contains(&event)
}

/// Whether nothing of an order is under way.
fn settled(order: &Value) -> bool {
    let all = |list, settled: &[&str]| each(order, list, "status").iter().all(|status| settled.contains(status));
    all("emails", &["sent", "failed"])
        && all("refunds", &["succeeded", "failed", "withdrawn"])
        && !each(order, "cards", "status").iter().any(|status| matches!(*status, "provisioning" | "cancelling"))
}

impl<'s> Play<'s> {
    /// Begins to play.
    pub async fn begin(stack: &'s Stack) -> Result<Self, StackError> {
        Ok(Self {
            stack,
            api: Api::new(stack),
            store: Store::new(&stack.config()).await.context("the tables")?,
            told: Vec::new(),
            orders: 0,
            actions: BTreeSet::new(),
            chosen: Vec::new(),
            unique: 0,
            begun: Instant::now(),
        })
    }

    /// Begins stories about something.
    pub fn theme(&self, name: &str) {
        println!("{}{name}", if self.orders == 0 { "" } else { "\n" });
    }

    /// Plays a story and prints the paths of its orders, as far as they came.
    pub async fn story(&mut self, story: impl AsyncFnOnce(&mut Self) -> Outcome) -> Outcome {
        let outcome = story(self).await;
        for Told { num, about, path, .. } in self.told.drain(..) {
            println!("  {num}  {about:<36}  {}", path.join(" → "));
        }
        outcome
    }

    /// Looks whether anything was given up or got lost, and sums up.
    pub async fn end(self) -> Outcome {
        self.sweep().await?;
        for depth in self.stack.queues().depths() {
            let given_up = depth.name.contains("dead") || depth.name.contains("failures");
            expect(!given_up || depth.visible == 0, format!("{} messages are in {}", depth.visible, depth.name))?;
        }
        let ledger = self.store.ledger(PARTNER).await.context("the ledger")?;
        let euros = ledger.iter().filter(|entry| entry.amount.currency.as_str() == "EUR");
        same("the balance, by the ledger", &self.balance().await?, euros.map(|entry| entry.amount.amount).sum::<i64>())?;
        for level in list(&self.levels().await?, "items") {
            let pool = text(level, "poolId")?;
            let chosen = self.chosen.iter().filter(|chosen| **chosen == pool).count();
            same(&format!("the cards of {pool} that can be sold"), &level["available"], self.blank(pool).await? + chosen)?;
        }
        let seconds = self.begun.elapsed().as_secs_f32();
        println!("\n{} orders, {} actions, nothing unexpected ({seconds:.1} s)", self.orders, self.actions.len());
        Ok(())
    }

    /// Writes down what somebody did to an order.
    pub fn did(&mut self, order: &str, action: &str) {
        self.actions.insert(action.to_owned());
        self.saw(order, action);
    }

    /// Writes down what happened to an order.
    pub fn saw(&mut self, order: &str, what: &str) {
        if let Some(told) = self.told.iter_mut().find(|told| told.num == order) {
            told.path.push(what.to_owned());
            told.stands = None;
        }
    }

    /// Writes down an order's status, unless that was written down last.
    pub fn stands(&mut self, order: &str, status: i64) {
        if let Some(told) = self.told.iter_mut().find(|told| told.num == order && told.stands != Some(status)) {
            told.path.push(status.to_string());
            told.stands = Some(status);
        }
    }

    /// Orders cards as the partner; the order has to begin with this status.
    pub async fn order(&mut self, about: &'static str, draft: &Value, status: i64) -> Result<String, StackError> {
        self.place(about, Ask::post("/v1/orders", draft), status).await
    }

    /// Makes an order as the partner, and sees it paid and delivered.
    pub async fn buy(&mut self, about: &'static str, path: impl Into<String>, body: &Value) -> Result<String, StackError> {
        let by_card = body["payment"] == "card";
        let order = self.place(about, Ask::post(path, body), if by_card { -1 } else { 0 }).await?;
        if by_card {
            self.pay(&order).await?;
        }
        self.until(&order, 0).await?;
        Ok(order)
    }

    /// Orders cards as the partner, and sees them paid and delivered.
    pub async fn sell(&mut self, about: &'static str, draft: &Value) -> Result<Line, StackError> {
        let order = self.buy(about, "/v1/orders", draft).await?;
        let sold = self.read(&order).await?;
        let id = text(&sold["cards"][0], "subscriptionId")?.to_owned();
        Ok(Line { card: iccid(&sold, 0)?, id, order })
    }

    /// Makes an order by a request, under a key of its own; asking twice is asking once.
    pub async fn place(&mut self, about: &'static str, ask: Ask, status: i64) -> Result<String, StackError> {
        let ask = ask.header("Idempotency-Key", self.name("play"));
        let made = self.api.send(ask.clone(), &[201]).await?;
        let num = text(&made, "orderNum")?.to_owned();
        self.orders += 1;
        self.actions.insert(text(&made, "type")?.to_owned());
        let first = format!("{} {}", text(&made, "statusName")?, made["status"]);
        self.told.push(Told { num: num.clone(), about, path: vec![first], stands: made["status"].as_i64() });
        same(&format!("the first status of {num} ({about})"), &made["status"], status)?;
        let again = self.api.send(ask, &[200]).await?;
        same("the order of the same request again", &again["orderNum"], num.as_str())?;
        Ok(num)
    }

    /// Reads an order, as its partner.
    pub async fn read(&self, order: &str) -> Result<Value, StackError> {
        self.api.send(Ask::get(format!("/v1/orders/{order}")), &[200]).await
    }

    /// Waits until something holds of an order.
    pub async fn wait(&self, order: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Result<Value, StackError> {
        let begun = Instant::now();
        loop {
            let found = self.read(order).await?;
            if holds(&found) {
                return Ok(found);
            }
            expect(begun.elapsed() < PATIENCE, format!("{order} is not {what}: {found}"))?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until an order has a status and nothing of it is under way.
    pub async fn until(&mut self, order: &str, status: i64) -> Result<Value, StackError> {
        let there = |order: &Value| order["status"] == status && settled(order);
        let found = self.wait(order, &format!("settled at status {status}"), there).await?;
        self.stands(order, status);
        Ok(found)
    }

    /// Waits for what is to happen to an order without anybody doing anything more.
    pub async fn then(&mut self, order: &str, what: &str, status: i64) -> Result<Value, StackError> {
        self.saw(order, what);
        self.until(order, status).await
    }

    /// Asks for something that is no order; the answer.
    pub async fn ask(&mut self, order: &str, action: &str, ask: Ask) -> Result<Value, StackError> {
        let answer = self.api.send(ask, &[200, 202]).await?;
        self.did(order, action);
        Ok(answer)
    }

    /// Asks as a manager for something about an order.
    pub async fn manage(&mut self, order: &str, action: &str, what: &str, body: &Value) -> Result<Value, StackError> {
        self.ask(order, action, Ask::post(format!("/v1/orders/{order}/{what}"), body).by(By::Manager)).await
    }

    /// Asks for what has to be refused, for this reason, or with this code where there is none; the problem.
    pub async fn refused(&mut self, order: &str, action: &str, ask: Ask, why: &str) -> Result<Value, StackError> {
        let key = self.name("play");
        let problem = self.api.send(ask.header("Idempotency-Key", key), &[400, 403, 404, 409, 422]).await?;
        let given = if problem["reason"].is_null() { &problem["code"] } else { &problem["reason"] };
        same(&format!("why {action} is refused"), given, why)?;
        self.did(order, &format!("{action} refused ({why})"));
        Ok(problem)
    }

    /// Puts cards into stock from a CSV file.
    pub async fn import(&self, options: &str, file: String) -> Outcome {
        let ask = Ask::post(format!("/v1/inventory/imports?{options}"), &Value::Null).by(By::Manager);
        self.api.send(ask.body("text/csv", file), &[201]).await.map(|_| ())
    }

    /// Notes that a card of a pool was bought by number.
    pub fn chose(&mut self, pool: &'static str) {
        self.chosen.push(pool);
    }

    /// The stack's time.
    pub fn now(&self) -> Timestamp {
        self.stack.clock().now()
    }

    fn name(&mut self, what: &str) -> String {
        self.unique += 1;
        format!("{what}-{}", self.unique)
    }
}
