//! Asks operators to activate the cards that were sold, to change what their profiles may do, and to revoke those that are given
//! back; and tells whether an event about a card is from its operator.
//!
//! An operator is either *preloaded*, when its activation codes came with the inventory and nobody is asked, or reached over
//! HTTP: a signed `POST {url}/v1/profiles/{iccid}/{action}` that may be repeated, because it carries the same `Idempotency-Key`
//! for the same wish about the same card.

mod answer;
mod client;
mod config;

use std::collections::HashMap;
use std::fmt;
use std::ops::Not;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};
use simdock_domain::{ActivationCode, Iccid, Msisdn, OrderNum, Timestamp};
use simdock_payments::{SignatureError, verify_standard};

pub use config::ConfigError;

use crate::answer::Answer;
use crate::client::{ACTIVATION, Action, Operator, PLAN_REMOVAL, PLANS, RESUMPTION, REVOCATION, SUSPENSION};

/// How long one request may take in total, from connecting to the last byte of the answer.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// The operators' endpoints, behind one HTTP client. Built once; used for many requests at a time.
#[derive(Debug)]
pub struct Carriers {
    operators: HashMap<String, Operator>,
    timeout: Duration,
}

/// One card to activate. Equal requests for the same order and card are the same request to the operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProvisionRequest {
    /// The order that the card was sold by.
    pub order_num: OrderNum,
    /// The subscription that the card carries. A second card for the same one is a SIM swap: the operator takes number and plans
    /// along, and the first card stays active until it is revoked. A plan that is added to or taken off either of the two until then
    /// is so for both.
    pub subscription_id: String,
    /// The card.
    pub iccid: Iccid,
    /// The plan to put on it.
    pub plan_id: String,
    /// What was bought with the plan.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub add_on_ids: Vec<String>,
    /// The IMSI profile that the card was made with.
    pub imsi_profile: String,
    /// Since when the activation is wanted. The same on every repetition, so that the body stays the same too.
    #[serde(serialize_with = "as_shown")]
    pub requested_at: Timestamp,
}

/// What the operator of an active card says beyond the inventory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Provisioned {
    /// The activation code, where the operator made one; otherwise the inventory's holds.
    pub activation_code: Option<ActivationCode>,
    /// The telephone number, where the operator assigned one.
    pub msisdn: Option<Msisdn>,
}

/// One card to revoke. Equal requests for the same order and card are the same request to the operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RevokeRequest {
    /// The order that the card was sold by.
    pub order_num: OrderNum,
    /// The card.
    pub iccid: Iccid,
    /// Stop the profile even if it is installed, since its subscription ends or another card replaces it.
    #[serde(skip_serializing_if = "Not::not")]
    pub force: bool,
    /// Since when the revocation is wanted. The same on every repetition, so that the body stays the same too.
    #[serde(serialize_with = "as_shown")]
    pub requested_at: Timestamp,
}

/// A change of an active card's profile. Equal requests with the same reference and card are the same request to the operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeRequest {
    /// What it is for, in printable ASCII without a full stop: the order that adds the plan, also when it is removed again, or the
    /// own id of a suspension or resumption.
    pub reference: String,
    /// The subscription that the card carries.
    pub subscription_id: String,
    /// The card.
    pub iccid: Iccid,
    /// What to change.
    #[serde(flatten)]
    pub change: Change,
    /// Since when the change is wanted. The same on every repetition, so that the body stays the same too.
    #[serde(serialize_with = "as_shown")]
    pub requested_at: Timestamp,
}

/// What can be changed of an active card's profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum Change {
    /// Put a plan, add-ons, or both on it, beside what it has.
    AddPlan {
        /// The plan; `None` where only add-ons come.
        #[serde(skip_serializing_if = "Option::is_none")]
        plan_id: Option<String>,
        /// The add-ons.
        add_on_ids: Vec<String>,
    },
    /// Take off what was added with the same reference.
    RemovePlan {
        /// The plan; `None` where only add-ons came.
        #[serde(skip_serializing_if = "Option::is_none")]
        plan_id: Option<String>,
        /// The add-ons.
        add_on_ids: Vec<String>,
    },
    /// Let it use nothing until it is resumed.
    Suspend,
    /// Let it use its plans again.
    Resume,
}

/// How a revocation or another change ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// The operator says that it is so.
    Done,
    /// The operator is preloaded: nobody can be asked, and whoever holds the activation code can still use the profile.
    NotAsked,
}

/// Why a card is not active, not revoked or not changed. A reason is one line of at most 200 characters without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CarrierError {
    /// It may work later, or may even have worked: ask again.
    Retryable {
        /// What happened, for operators of the system.
        reason: String,
        /// After how many seconds the operator wants to be asked again, at most an hour; `None` if it did not say.
        retry_after: Option<u32>,
    },
    /// The operator refuses to do it with this card.
    Final {
        /// What the operator said.
        reason: String,
    },
}

/// Why an event about a card is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerifyError {
    /// The operator has no secret here, so nobody can sign for it.
    NoSecret,
    /// The signature is not one of the operator's.
    Signature(SignatureError),
}

impl Carriers {
    /// The operators of `{"<operator id>": {"url": "https://…", "secret": "whsec_…"}}`; blank text is none.
    ///
    /// The URL has no user, query or fragment, and is `https` except on the loopback interface. The secret is a Standard
    /// Webhooks one, or several with commas between them, newest first, while one follows another: requests are signed with all, and
    /// events with any. An operator that is not named is preloaded.
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
    /// The request is `POST {url}/v1/profiles/{iccid}/activation` with the JSON `{orderNum, subscriptionId, iccid, planId, addOnIds?,
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
        let key = format!("{}-{}", request.order_num, request.iccid);
        match self.ask(operator, &ACTIVATION, &request.iccid, key, request, now).await? {
            Some(answer) => answer.provisioned(),
            None => Ok(Provisioned::default()),
        }
    }

    /// Has the operator revoke a card, which also stops an activation under way. Repeating it is safe, as with
    /// [`Self::provision`].
    ///
    /// The request is `POST {url}/v1/profiles/{iccid}/revocation` with the JSON `{orderNum, iccid, force?, requestedAt}`, and
    /// otherwise like the one for an activation, with the key `{orderNum}-{iccid}-revocation`, or `…-forced-revocation` with
    /// `force`, so that an earlier refusal is not repeated. The answer:
    ///
    /// - 200, 201, 202 or 409 with `{"status": "revoked"}`, or 404 with `{"status": "unknown"}` where the card was never
    ///   activated: the card is revoked. From then on the operator refuses to activate it for this order.
    /// - The first four with `{"status": "pending"}`: retryable, the operator is still working.
    /// - Everything else is retryable or final as for an activation. A final answer is the operator's refusal, for example since
    ///   the profile was installed meanwhile and the revocation is not forced: the card keeps working.
    pub async fn revoke(&self, operator: &str, request: &RevokeRequest, now: Timestamp) -> Result<Changed, CarrierError> {
        let forced = if request.force { "forced-" } else { "" };
        let key = format!("{}-{}-{forced}{}", request.order_num, request.iccid, REVOCATION.name);
        let answer = self.ask(operator, &REVOCATION, &request.iccid, key, request, now).await?;
        Ok(answer.map_or(Changed::NotAsked, |_| Changed::Done))
    }

    /// Has the operator change an active card's profile. Repeating it is safe, as with [`Self::provision`].
    ///
    /// The request is `POST {url}/v1/profiles/{iccid}/{action}` with the JSON `{reference, subscriptionId, iccid, planId?,
    /// addOnIds?, requestedAt}`, and otherwise like the one for an activation, with the key `{reference}-{iccid}-{action}`. The
    /// action is one of `plans`, `plan-removal`, `suspension` and `resumption`. The answer:
    ///
    /// - 200, 201, 202 or 409 with `{"status": "added"}`, `removed`, `suspended` or `resumed`, as was asked for, or for a removal
    ///   404 with `{"status": "unknown"}`: it is so. After a removal the operator refuses to add anything with that reference.
    /// - The first four with `{"status": "pending"}`: retryable, the operator is still working.
    /// - Everything else is retryable or final as for an activation. A final answer leaves the profile as it was.
    pub async fn change(&self, operator: &str, request: &ChangeRequest, now: Timestamp) -> Result<Changed, CarrierError> {
        let action = match request.change {
            Change::AddPlan { .. } => PLANS,
            Change::RemovePlan { .. } => PLAN_REMOVAL,
            Change::Suspend => SUSPENSION,
            Change::Resume => RESUMPTION,
        };
        let key = format!("{}-{}-{}", request.reference, request.iccid, action.name);
        let answer = self.ask(operator, &action, &request.iccid, key, request, now).await?;
        Ok(answer.map_or(Changed::NotAsked, |_| Changed::Done))
    }

    /// Whether an event about a card was signed by its operator: by Standard Webhooks, with a secret that our requests to it are
    /// signed with, at most 300 s ago. `id`, `timestamp` and `signatures` are the headers `webhook-id`, `webhook-timestamp` and
    /// `webhook-signature`.
    pub fn verify(
        &self,
        operator: &str,
        id: Option<&str>,
        timestamp: Option<&str>,
        signatures: Option<&str>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(), VerifyError> {
        let operator = self.operators.get(operator).ok_or(VerifyError::NoSecret)?;
        verify_standard(id, timestamp, signatures, body, &operator.secrets, now).map_err(VerifyError::Signature)
    }

    /// Asks the operator, unless it is preloaded.
    async fn ask(
        &self,
        operator: &str,
        action: &Action,
        iccid: &Iccid,
        key: String,
        body: &impl Serialize,
        now: Timestamp,
    ) -> Result<Option<Answer>, CarrierError> {
        let Some(operator) = self.operators.get(operator) else { return Ok(None) };
        let asking = operator.ask(action, iccid, key, body, now);
        let answer = tokio::time::timeout(self.timeout, asking).await.unwrap_or_else(|_| {
            let reason = format!("the operator did not answer within {} ms", self.timeout.as_millis());
            Err(CarrierError::Retryable { reason, retry_after: None })
        })?;
        Ok(Some(answer))
    }
}

fn as_shown<S: Serializer>(value: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

impl fmt::Display for CarrierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Retryable { reason, .. } | Self::Final { reason } => f.write_str(reason),
        }
    }
}

impl std::error::Error for CarrierError {}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSecret => f.write_str("the card's operator has no secret here, so nobody can sign for it"),
            Self::Signature(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for VerifyError {}
