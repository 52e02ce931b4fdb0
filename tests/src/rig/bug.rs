//! Bugs to plant, each at the edge where it is the same as in the code: no product code knows of them.

use bytes::Bytes;
use serde_json::{Value, json};
use simdock_payments::{Notice, PaidNotice, parse_standard, parse_stripe};
use std::collections::BTreeSet;
use std::fmt;
use tokio::sync::{Mutex, MutexGuard};

/// What stands between a function's name and what else is known of one of its calls.
const SEPARATOR: char = '~';

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A condition is dropped: an order is written in a transaction whatever version of it is there. The condition never reaches the
    /// engine, as if the code had not written it.
    Unconditional,
    /// The sweep does not put leaked tickets back: their write is taken off the engine's hands and acknowledged.
    TicketsLeak,
    /// Every refund is asked for under a new key, by somebody who does not look first: the key is replaced, and the list is empty. The
    /// new key alone breaks no promise, since whoever asks again looks for the refund among those of the payment before.
    RandomRefundKey,
    /// A mail is marked as sent before it is: whoever sends it hears that it was taken, and then it is sent, with all that may go
    /// wrong with that.
    MarkedBeforeDone,
    /// A payment is known by the event that told of it: an event that was booked before is recognised, and every other counts as
    /// another payment, see [`ByEvent`].
    PaymentByEvent,
}

/// What becomes of a request to the tables that a bug meddles with.
pub enum Meddled {
    /// It is as it was.
    Not,
    /// It was changed.
    Changed,
    /// It is answered with this, and the engine never sees it.
    Answered(Value),
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Unconditional, Self::TicketsLeak, Self::RandomRefundKey, Self::MarkedBeforeDone, Self::PaymentByEvent];

    /// What it does to a function's request to the tables.
    pub fn meddle(self, function: &str, operation: &str, request: &mut Value) -> Meddled {
        if operation != "TransactWriteItems" {
            return Meddled::Not;
        }
        let writes = request["TransactItems"].as_array_mut().into_iter().flatten();
        match self {
            Self::Unconditional => {
                let mut meddled = Meddled::Not;
                for write in writes {
                    let put = &mut write["Put"];
                    let of_order = put["TableName"].as_str().is_some_and(|table| table.ends_with("orders"));
                    if of_order && let Some(put) = put.as_object_mut() {
                        // A value that no expression uses is refused.
                        for part in ["ConditionExpression", "ExpressionAttributeValues"] {
                            put.remove(part);
                        }
                        meddled = Meddled::Changed;
                    }
                }
                meddled
            }
            Self::TicketsLeak => {
                let mut writes = writes;
                let puts_back = writes.any(|write| write["Update"]["UpdateExpression"] == "SET slot = :slot");
                if function == "sweep" && puts_back { Meddled::Answered(json!({})) } else { Meddled::Not }
            }
            Self::RandomRefundKey | Self::MarkedBeforeDone | Self::PaymentByEvent => Meddled::Not,
        }
    }
}

/// Events whose payment was booked: all that [`Bug::PaymentByEvent`] goes by.
#[derive(Debug, Default)]
pub struct Events(Mutex<BTreeSet<String>>);

/// A call of payment-webhook with the bug that a payment is known by its event. Where the code should look for the payment among those
/// of the order, it looks for the event in a list of its own, which is written together with the order. So to a call whose event is not
/// in the list, the same payment looks like another one, until what the call writes is put right.
pub struct ByEvent {
    event: String,
    payment: String,
}

impl ByEvent {
    /// The name by which a function's call asks the tables, if it is about a payment.
    pub fn name(function: &str, call: &Value) -> Option<String> {
        let body = call["body"].as_str().unwrap_or_default().as_bytes();
        let notice = if call["rawPath"].as_str().unwrap_or_default().ends_with("/stripe") {
            parse_stripe(body)
        } else {
            parse_standard(call["headers"]["webhook-id"].as_str().unwrap_or_default(), body)
        };
        match notice {
            Ok(Notice::Paid(PaidNotice { event_id, payment_id, .. })) => {
                Some(format!("{function}{SEPARATOR}{event_id}{SEPARATOR}{payment_id}"))
            }
            Ok(Notice::Refund(_) | Notice::Dispute(_) | Notice::Other { .. }) | Err(_) => None,
        }
    }

    /// What a name tells of the call.
    pub fn of(name: &str) -> Option<Self> {
        let mut parts = name.split(SEPARATOR).skip(1).map(str::to_owned);
        Some(Self { event: parts.next()?, payment: parts.next()? })
    }

    /// What the payment is called that another event told of.
    fn other(&self) -> String {
        format!("{} of another event", self.payment)
    }

    /// Puts right what is written; answers whether that books the event.
    pub fn write(&self, request: &mut Value) -> bool {
        let put = |write: &mut Value| {
            let books = payments(&mut write["Item"]).any(|id| *id == *self.payment);
            rename(&mut write["Item"], &self.other(), &self.payment);
            books
        };
        let alone = !request["Item"].is_null() && put(request);
        let writes = request["TransactItems"].as_array_mut().into_iter().flatten().filter_map(|write| write.get_mut("Put"));
        writes.map(put).fold(alone, |any, books| any || books)
    }

    /// What is read of an order, as long as the event is not booked.
    pub fn read(&self, answer: &Bytes) -> Bytes {
        let Ok(mut read) = serde_json::from_slice::<Value>(answer) else { return answer.clone() };
        if read["Item"].is_null() {
            return answer.clone();
        }
        rename(&mut read["Item"], &self.payment, &self.other());
        Bytes::from(read.to_string())
    }

    /// Whether the event was booked, and how to note it; nobody else reads or writes meanwhile.
    pub async fn booked<'a>(&self, events: &'a Events) -> (bool, MutexGuard<'a, BTreeSet<String>>) {
        let events = events.0.lock().await;
        (events.contains(&self.event), events)
    }

    /// Notes that the event was booked.
    pub fn book(&self, events: &mut BTreeSet<String>) {
        events.insert(self.event.clone());
    }
}

/// The ids of an order's payments, if the item is an order.
fn payments(order: &mut Value) -> impl Iterator<Item = &mut Value> {
    let payments = order.get_mut("pa").and_then(|payments| payments["L"].as_array_mut());
    payments.into_iter().flatten().map(|payment| &mut payment["M"]["i"]["S"])
}

fn rename(order: &mut Value, from: &str, to: &str) {
    for id in payments(order).filter(|id| **id == *from) {
        *id = to.into();
    }
}

/// The function of a call that was named by [`ByEvent::name`], or otherwise.
pub fn function(name: &str) -> &str {
    name.split(SEPARATOR).next().unwrap_or_default()
}

impl fmt::Display for Bug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unconditional => "unconditional",
            Self::TicketsLeak => "tickets-leak",
            Self::RandomRefundKey => "random-refund-key",
            Self::MarkedBeforeDone => "marked-before-done",
            Self::PaymentByEvent => "payment-by-event",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Promise;
    use crate::rig::Plan;
    use crate::rig::site::{As, Site};
    use futures_util::future::join;
    use hyper::Method;
    use std::sync::Arc;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_payment_known_by_its_event_is_wrong_under_another_event_only() {
        let plan = Arc::new(Plan::new(1, Some(Bug::PaymentByEvent)));
        plan.heal();
        let (site, keys) = Site::start(&plan, 1).await;
        let draft = json!({
            "planId": "eu-5gb-30d", "count": 1, "payment": "card", "subscriber": {"email": "ana@example.com", "name": "Ana"},
        });
        let who = As::Key(&keys[0]);
        let order = site.send_once_only(Method::POST, "/v1/orders", who, &draft.to_string(), Some("key-1")).await.body;
        let tell = async |event: &str, payment: &str| {
            let (num, amount) = (&order["orderNum"], &order["price"]["amount"]);
            let intent = json!({"id": payment, "amount_received": amount, "currency": "eur", "metadata": {"orderNum": num}});
            let event = json!({"id": event, "type": "payment_intent.succeeded", "data": {"object": intent}});
            site.send(Method::POST, "/v1/webhooks/payments/stripe", As::Stripe, &event.to_string()).await.body["result"].take()
        };
        let (one, other) = join(tell("evt_1", "pi_1"), tell("evt_1", "pi_1")).await;
        assert!((one == "paid" && other == "known") || (one == "known" && other == "paid"), "{one} {other}");
        assert_eq!(tell("evt_1", "pi_1").await, "known");
        assert_eq!(tell("evt_2", "pi_2").await, "owed_back");
        assert_eq!(site.everything().await.0.inspect().1, []);
        assert_eq!(tell("evt_3", "pi_1").await, "owed_back");
        assert_eq!(tell("evt_3", "pi_1").await, "known");
        let (_, found) = site.everything().await.0.inspect();
        assert!(found.iter().any(|violation| violation.promise == Promise::Money), "{found:?}");
    }
}
