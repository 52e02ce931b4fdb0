//! Asks operators to activate the cards that were sold.
//!
//! An operator is either *preloaded*, when its activation codes came with the inventory and nobody is asked, or reached over
//! HTTP: a signed `POST {url}/v1/profiles/{iccid}/activation` that may be repeated, because it carries the same
//! `Idempotency-Key` for the same card of the same order.

mod answer;
mod client;
mod config;

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use simdock_domain::{ActivationCode, Iccid, Msisdn, OrderNum, Timestamp};

pub use config::ConfigError;

use crate::client::Operator;

/// How long one request may take in total, from connecting to the last byte of the answer.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// The operators' endpoints, behind one HTTP client. Built once; used for many requests at a time.
#[derive(Debug)]
pub struct Carriers {
    operators: HashMap<String, Operator>,
    timeout: Duration,
}

/// One card to activate. Equal requests for the same order and card are the same request to the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvisionRequest {
    /// The order that the card was sold by.
    pub order_num: OrderNum,
    /// The subscription that the card carries.
    pub subscription_id: String,
    /// The card.
    pub iccid: Iccid,
    /// The plan to put on it.
    pub plan_id: String,
    /// The IMSI profile that the card was made with.
    pub imsi_profile: String,
    /// Since when the activation is wanted. The same on every repetition, so that the body stays the same too.
    pub requested_at: Timestamp,
}

/// An active card, with what the operator says beyond the inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provisioned {
    /// The activation code, where the operator made one; otherwise the inventory's holds.
    pub activation_code: Option<ActivationCode>,
    /// The telephone number, where the operator assigned one.
    pub msisdn: Option<Msisdn>,
}

/// Why a card is not active. A reason is one line of at most 200 characters without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CarrierError {
    /// It may work later, or may even have worked: ask again.
    Retryable {
        /// What happened, for operators of the system.
        reason: String,
        /// After how many seconds the operator wants to be asked again, at most an hour; `None` if it did not say.
        retry_after: Option<u32>,
    },
    /// The operator will not activate this card.
    Final {
        /// What the operator said.
        reason: String,
    },
}

impl Carriers {
    /// The operators of `{"<operator id>": {"url": "https://…", "secret": "whsec_…"}}`; blank text is none.
    ///
    /// The URL has no user, query or fragment, and is `https` except on the loopback interface. The secret is a Standard
    /// Webhooks one. An operator that is not named is preloaded.
    pub fn from_json(json: &str) -> Result<Self, ConfigError> {
        Ok(Self { operators: config::operators(json)?, timeout: DEFAULT_TIMEOUT })
    }

    /// The same with another time limit for a whole request.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Whether an operator is asked over HTTP; others are preloaded.
    pub fn speaks_to(&self, operator: &str) -> bool {
        self.operators.contains_key(operator)
    }

    /// Has the operator activate a card. Repeating it is safe: the operator knows the request by its order and card.
    ///
    /// The request is `POST {url}/v1/profiles/{iccid}/activation` with the JSON `{orderNum, subscriptionId, iccid, planId,
    /// imsiProfile, requestedAt}`, `Idempotency-Key: "{orderNum}-{iccid}"` and the Standard Webhooks headers, whose
    /// `webhook-id` is the same key and whose time is `now`. The answer:
    ///
    /// - 200, 201, 202 or 409 with `{"status": "active", "activationCode"?, "msisdn"?}`: the card is active.
    /// - The same with `{"status": "pending"}`: retryable, the operator is still working.
    /// - Otherwise 401 (our signature, not the card, is refused), 408, 425, 429, 3xx (never followed) and 5xx are retryable, and
    ///   so is any 4xx with `Retry-After`, a 2xx that is not understood, a time-out or a failed connection: whether the card
    ///   is active is not known then, and giving up would pay back a card that works.
    /// - Every other 4xx is final; its problem details (RFC 9457) become the reason.
    pub async fn provision(
        &self,
        operator: &str,
        request: &ProvisionRequest,
        now: Timestamp,
    ) -> Result<Provisioned, CarrierError> {
        let Some(operator) = self.operators.get(operator) else {
            return Ok(Provisioned { activation_code: None, msisdn: None });
        };
        tokio::time::timeout(self.timeout, operator.activate(request, now)).await.unwrap_or_else(|_| {
            let reason = format!("the operator did not answer within {} ms", self.timeout.as_millis());
            Err(CarrierError::Retryable { reason, retry_after: None })
        })
    }
}

impl fmt::Display for CarrierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Retryable { reason, .. } | Self::Final { reason } => f.write_str(reason),
        }
    }
}

impl std::error::Error for CarrierError {}
