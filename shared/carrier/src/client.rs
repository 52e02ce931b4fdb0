//! The HTTP client and the one request that it makes.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, Method, Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use serde::Serialize;
use simdock_domain::Timestamp;
use simdock_payments::{Secret, sign_standard};

use crate::answer::{self, printable};
use crate::{CarrierError, ConfigError, ProvisionRequest, Provisioned};

/// Longest answer in bytes that is read.
const MAX_ANSWER_LENGTH: usize = 64 * 1024;

/// Shorter than the idle limits of common load balancers, so that a pooled connection is rarely found closed.
const IDLE_CONNECTION: Duration = Duration::from_secs(20);

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

pub type Client = legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// The client that all operators share. Reads the system's root certificates only if any operator needs them.
pub fn build(encrypted: bool) -> Result<Client, ConfigError> {
    let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| ConfigError::Tls(error.to_string()))?;
    let tls = if encrypted {
        tls.with_native_roots().map_err(|error| ConfigError::Tls(error.to_string()))?
    } else {
        tls.with_root_certificates(RootCertStore::empty())
    };
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(tls.with_no_client_auth()).https_or_http().enable_http1().build();
    Ok(legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_CONNECTION)
        .build(connector))
}

/// An operator that is reached over HTTP.
pub struct Operator {
    /// Without a slash at its end.
    pub base_url: String,
    pub secret: Secret,
    pub client: Client,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Activation<'a> {
    order_num: &'a str,
    subscription_id: &'a str,
    iccid: &'a str,
    plan_id: &'a str,
    imsi_profile: &'a str,
    requested_at: String,
}

impl Operator {
    pub async fn activate(&self, request: &ProvisionRequest, now: Timestamp) -> Result<Provisioned, CarrierError> {
        let response = self.client.request(self.signed(request, now)).await.map_err(|error| not_reached(&error))?;
        let (head, body) = response.into_parts();
        let retry_after = head.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = retry_after.and_then(|value| answer::retry_after(value, now));
        let body = match Limited::new(body, MAX_ANSWER_LENGTH).collect().await {
            Ok(body) => body.to_bytes(),
            // The status alone still tells a refusal from the rest, and an activation is not believed without its body.
            Err(_too_long_or_cut_off) => Bytes::new(),
        };
        answer::judge(head.status, retry_after, &body)
    }

    fn signed(&self, request: &ProvisionRequest, now: Timestamp) -> Request<Full<Bytes>> {
        let ProvisionRequest { order_num, subscription_id, iccid, plan_id, imsi_profile, requested_at } = request;
        let body = serde_json::to_vec(&Activation {
            order_num: order_num.as_str(),
            subscription_id,
            iccid: iccid.as_str(),
            plan_id,
            imsi_profile,
            requested_at: requested_at.to_string(),
        })
        .expect("strings are JSON");
        let id = format!("{order_num}-{iccid}");
        Request::builder()
            .method(Method::POST)
            .uri(format!("{}/v1/profiles/{iccid}/activation", self.base_url))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json, application/problem+json")
            .header(header::USER_AGENT, concat!("simdock/", env!("CARGO_PKG_VERSION")))
            .header(WEBHOOK_SIGNATURE, sign_standard(&id, now, &body, &self.secret))
            .header(WEBHOOK_TIMESTAMP, now.unix())
            .header(IDEMPOTENCY_KEY, format!("\"{id}\""))
            .header(WEBHOOK_ID, id)
            .body(Full::from(body))
            .expect("a checked URL with digits behind it, and headers of printable ASCII")
    }
}

impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operator").field("secret", &self.secret).finish_non_exhaustive()
    }
}

fn not_reached(error: &legacy::Error) -> CarrierError {
    let mut cause: &dyn Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let what = if error.is_connect() { "the operator cannot be connected to" } else { "the connection to the operator broke" };
    CarrierError::Retryable { reason: printable(&format!("{what}: {cause}")), retry_after: None }
}
