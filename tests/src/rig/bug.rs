//! Bugs to plant, each at the edge where it is the same as in the code: no product code knows of them.

use serde_json::{Value, json};
use std::fmt;

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A condition is dropped: an order is written in a transaction whatever version of it is there. The condition never reaches the
    /// engine, as if the code had not written it.
    Unconditional,
    /// The sweep does not put leaked tickets back: their write is taken off the engine's hands and acknowledged.
    TicketsLeak,
    /// Every refund is asked for under a new key, by somebody who does not look first: the key is replaced, and the list is empty.
    RandomRefundKey,
    /// A mail is marked as sent before it is: whoever sends it hears that it was taken, and then it is sent, with all that may go
    /// wrong with that.
    MarkedBeforeDone,
    /// A payment is known by the id of the event that tells of it: the one is written in place of the other before it is signed.
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
