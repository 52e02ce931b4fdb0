//! Stripe's refund object, which its answers and its events share.

use serde::Deserialize;

use super::{Expandable, Metadata};
use crate::http::printable;
use crate::notice::RefundProgress;

#[derive(Deserialize)]
pub struct Refund {
    pub id: String,
    pub payment_intent: Option<Expandable>,
    pub amount: i64,
    pub currency: String,
    pub metadata: Option<Metadata>,
    status: Status,
    failure_reason: Option<String>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum Status {
    Pending,
    RequiresAction,
    Succeeded,
    Failed,
    Canceled,
}

impl Refund {
    pub fn progress(&self) -> RefundProgress {
        let failed = |otherwise: &str| RefundProgress::Failed(printable(self.failure_reason.as_deref().unwrap_or(otherwise)));
        match self.status {
            Status::Pending | Status::RequiresAction => RefundProgress::Pending,
            Status::Succeeded => RefundProgress::Succeeded,
            Status::Failed => failed("failed"),
            Status::Canceled => failed("canceled"),
        }
    }

    /// The refund's own id that Simdock gave it.
    pub fn refund_id(&self) -> Option<&str> {
        self.metadata.as_ref()?.refund_id.as_deref()
    }
}
