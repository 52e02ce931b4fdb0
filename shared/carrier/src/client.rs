//! The requests that operators get.

use std::fmt;

use bytes::Bytes;
use http::{HeaderName, Method, Request, header};
use serde::Serialize;
use simdock_domain::{Iccid, Timestamp};
use simdock_payments::http::{Client, send};
use simdock_payments::{Secret, sign_standard};

use crate::CarrierError;
use crate::answer::{self, Answer};

/// Longest answer in bytes that is read.
const MAX_ANSWER_LENGTH: usize = 64 * 1024;

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// An operator that is reached over HTTP.
pub struct Operator {
    /// Without a slash at its end.
    pub base_url: String,
    /// At least one, the newest first.
    pub secrets: Vec<Secret>,
    pub client: Client,
}

/// What is asked of an operator about a card.
pub struct Action {
    /// The last part of the path.
    pub name: &'static str,
    /// The status in the answer once it is so.
    pub done: &'static str,
    /// Whether it is so as well where the operator knows nothing that it could end.
    pub done_where_unknown: bool,
}

pub const ACTIVATION: Action = Action { name: "activation", done: "active", done_where_unknown: false };
pub const REVOCATION: Action = Action { name: "revocation", done: "revoked", done_where_unknown: true };
pub const PLANS: Action = Action { name: "plans", done: "added", done_where_unknown: false };
pub const PLAN_REMOVAL: Action = Action { name: "plan-removal", done: "removed", done_where_unknown: true };
pub const SUSPENSION: Action = Action { name: "suspension", done: "suspended", done_where_unknown: false };
pub const RESUMPTION: Action = Action { name: "resumption", done: "resumed", done_where_unknown: false };

impl Operator {
    /// Sends a signed request about a card, and gives the answer if it says that what was asked for is so. Requests with the same
    /// `id` are the same request to the operator.
    pub async fn ask(
        &self,
        action: &Action,
        iccid: &Iccid,
        id: String,
        body: &impl Serialize,
        now: Timestamp,
    ) -> Result<Answer, CarrierError> {
        let request = self.signed(action, iccid, id, body, now);
        let response = send(&self.client, "the operator", request, MAX_ANSWER_LENGTH)
            .await
            .map_err(|reason| CarrierError::Retryable { reason, retry_after: None })?;
        let (head, body) = response.into_parts();
        let retry_after = head.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = retry_after.and_then(|value| answer::retry_after(value, now));
        let answer = Answer { status: head.status, retry_after, body };
        answer.expect(action)?;
        Ok(answer)
    }

    fn signed(&self, action: &Action, iccid: &Iccid, id: String, body: &impl Serialize, now: Timestamp) -> Request<Bytes> {
        let body = serde_json::to_vec(body).expect("texts, lists and flags are JSON");
        let signatures: Vec<String> = self.secrets.iter().map(|secret| sign_standard(&id, now, &body, secret)).collect();
        Request::builder()
            .method(Method::POST)
            .uri(format!("{}/v1/profiles/{iccid}/{}", self.base_url, action.name))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json, application/problem+json")
            .header(header::USER_AGENT, concat!("simdock/", env!("CARGO_PKG_VERSION")))
            .header(WEBHOOK_SIGNATURE, signatures.join(" "))
            .header(WEBHOOK_TIMESTAMP, now.unix())
            .header(IDEMPOTENCY_KEY, format!("\"{id}\""))
            .header(WEBHOOK_ID, id)
            .body(body.into())
            .expect("a checked URL with digits behind it, and headers of printable ASCII")
    }
}

impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operator").field("secrets", &self.secrets).finish_non_exhaustive()
    }
}
