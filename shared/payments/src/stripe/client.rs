//! Asks Stripe for refunds, and looks for those it has.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::request::Builder;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use simdock_domain::{Money, OrderNum};

use super::refund::Refund;
use super::{AmountError, to_stripe_amount};
use crate::http::{Client, base_url, client, printable, send};
use crate::notice::{RefundProgress, identifier};

/// The version of Stripe's API that this client is written for.
const VERSION: &str = "2026-10-28.endive";

/// How long a call may take in total, all pages of a list together.
const TIMEOUT: Duration = Duration::from_secs(8);

/// Longest answer in bytes that is read.
const MAX_ANSWER_LENGTH: usize = 256 * 1024;

/// Refunds on a page of a list: the most that Stripe gives.
const PAGE: &str = "100";

/// Pages of one payment's refunds that are looked through.
const MAX_PAGES: usize = 10;

/// What is encoded in forms and queries: all but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

const STRIPE_VERSION: HeaderName = HeaderName::from_static("stripe-version");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Stripe's API, as far as it gives money back. Built once; used for many requests at a time. Its `Debug` form hides the key.
#[derive(Clone)]
pub struct StripeClient {
    base_url: String,
    authorization: HeaderValue,
    client: Client,
    timeout: Duration,
}

/// Why a client for Stripe cannot be built. Repeats no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StripeClientError {
    /// The URL is not an `https` one, or `http` on the loopback interface, without user, query and fragment.
    Url,
    /// The key is not `sk_…` or `rk_…`, printable ASCII without spaces.
    Key,
    /// TLS cannot be set up, for example since the system has no root certificates.
    Tls(String),
}

/// A refund to make. Equal requests with the same `refund_id` are the same refund to Stripe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundRequest {
    /// The refund's own id: Stripe's idempotency key, and `metadata.refundId` of the refund.
    pub refund_id: String,
    /// The order that the money was paid for: `metadata.orderNum` of the refund.
    pub order_num: OrderNum,
    /// The `PaymentIntent` that the money comes out of.
    pub payment_id: String,
    /// How much, in minor units of ISO 4217 and in the currency that was received.
    pub amount: Money,
}

/// What Stripe says about a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundAnswer {
    /// Stripe's own id of it, `re_…`.
    pub provider_id: String,
    /// How far it is.
    pub state: RefundProgress,
}

/// Why Stripe did not say how far a refund is. A reason is one line of at most 200 characters without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundError {
    /// It may work later, or may even have worked: ask again.
    Retryable {
        /// What happened, for operators of the system.
        reason: String,
        /// Whether Stripe repeated what it had answered to this idempotency key before (`Idempotent-Replayed`). The first
        /// attempt may have acted and the key will not make another: look with [`StripeClient::find_refund`] before anything else.
        replayed: bool,
    },
    /// Stripe does not accept the key for this (401, 403). It may work once somebody has mended the key.
    Unauthorized {
        /// What Stripe said.
        reason: String,
    },
    /// Stripe will not do it. The reason starts with Stripe's own code of the error, such as `charge_already_refunded`.
    Final {
        /// What Stripe said.
        reason: String,
    },
}

#[derive(Deserialize)]
struct List {
    data: Vec<Refund>,
    has_more: bool,
}

#[derive(Deserialize)]
struct Failure {
    error: Explanation,
}

#[derive(Deserialize)]
struct Explanation {
    code: Option<String>,
    r#type: Option<String>,
    message: Option<String>,
}

impl StripeClient {
    /// A client for Stripe at `base_url` (its own is `https://api.stripe.com`) with a secret or restricted API key. The URL has
    /// no user, query or fragment, and is `https` except on the loopback interface.
    pub fn new(base_url: &str, secret_key: &str) -> Result<Self, StripeClientError> {
        let base_url = self::base_url(base_url).ok_or(StripeClientError::Url)?;
        let form = secret_key.bytes().all(|byte| byte.is_ascii_graphic()) && secret_key.len() <= 255;
        let secret = ["sk_", "rk_"].iter().any(|prefix| secret_key.len() > prefix.len() && secret_key.starts_with(prefix));
        if !form || !secret {
            return Err(StripeClientError::Key);
        }
        let mut authorization = HeaderValue::try_from(format!("Bearer {secret_key}")).map_err(|_| StripeClientError::Key)?;
        authorization.set_sensitive(true);
        let client = client(!base_url.starts_with("http:")).map_err(|error| StripeClientError::Tls(error.to_string()))?;
        Ok(Self { base_url, authorization, client, timeout: TIMEOUT })
    }

    /// The same with another time limit for a whole call; otherwise it is 8 s.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Asks Stripe for a refund. Repeating it within 24 h is safe: Stripe knows the request by its `Idempotency-Key`, which is the
    /// refund's own id. Later, [`Self::find_refund`] has to come first.
    ///
    /// The request is `POST {base}/v1/refunds` with the form `payment_intent, amount, metadata[refundId], metadata[orderNum]`, the
    /// amount in Stripe's units. The answer:
    ///
    /// - 2xx with a refund: how far it is. That Stripe took it on does not mean that the money went back.
    /// - 408, 409, 429, 3xx (never followed), 5xx, a 2xx that is not understood, a time-out or a failed connection: retryable.
    /// - 401 and 403: unauthorized.
    /// - Every other 4xx is final, and so is an amount that Stripe's units cannot say.
    pub async fn refund(&self, request: &RefundRequest) -> Result<RefundAnswer, RefundError> {
        let RefundRequest { refund_id, order_num, payment_id, amount } = request;
        let amount = to_stripe_amount(*amount)
            .map_err(|AmountError| RefundError::Final { reason: format!("{amount} cannot be told in Stripe's units") })?;
        let form = form(&[
            ("payment_intent", payment_id),
            ("amount", &amount.to_string()),
            ("metadata[refundId]", refund_id),
            ("metadata[orderNum]", order_num.as_str()),
        ]);
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}/v1/refunds", self.base_url))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(IDEMPOTENCY_KEY, refund_id);
        answer(&self.in_time(self.ask(request, form.into())).await?)
    }

    /// Looks among a payment's refunds for the one with this `metadata.refundId`: `GET {base}/v1/refunds`, page by page. `None`
    /// when all refunds were looked at and it is not among them. Errors are those of [`Self::refund`]; a payment with more than
    /// 1000 refunds is retryable, as whether the refund is among them is not known.
    pub async fn find_refund(&self, payment_id: &str, refund_id: &str) -> Result<Option<RefundAnswer>, RefundError> {
        self.in_time(async {
            let mut after: Option<String> = None;
            for _ in 0..MAX_PAGES {
                let mut query = vec![("payment_intent", payment_id), ("limit", PAGE)];
                query.extend(after.as_deref().map(|id| ("starting_after", id)));
                let uri = format!("{}/v1/refunds?{}", self.base_url, form(&query));
                let List { data, has_more } = self.ask(Request::builder().uri(uri), Bytes::new()).await?;
                if let Some(found) = data.iter().find(|refund| refund.refund_id() == Some(refund_id)) {
                    return answer(found).map(Some);
                }
                match data.last() {
                    Some(last) if has_more => after = Some(last.id.clone()),
                    Some(_) | None => return Ok(None),
                }
            }
            Err(RefundError::retryable("the payment has more refunds than are looked through"))
        })
        .await
    }

    async fn in_time<T>(&self, call: impl Future<Output = Result<T, RefundError>>) -> Result<T, RefundError> {
        tokio::time::timeout(self.timeout, call).await.unwrap_or_else(|_| {
            Err(RefundError::retryable(format!("Stripe did not answer within {} ms", self.timeout.as_millis())))
        })
    }

    async fn ask<T: DeserializeOwned>(&self, request: Builder, body: Bytes) -> Result<T, RefundError> {
        let request = request
            .header(header::AUTHORIZATION, &self.authorization)
            .header(header::USER_AGENT, concat!("simdock/", env!("CARGO_PKG_VERSION")))
            .header(STRIPE_VERSION, VERSION)
            .body(body)
            .map_err(|_| RefundError::Final { reason: "the refund's id cannot be sent in a header".to_owned() })?;
        let answer = send(&self.client, "Stripe", request, MAX_ANSWER_LENGTH).await.map_err(RefundError::retryable)?;
        let replayed = answer.headers().get(IDEMPOTENT_REPLAYED).is_some_and(|value| value.as_bytes() == b"true");
        judge(answer.status(), replayed, answer.body())
    }
}

/// What the answer means; the rules stand at [`StripeClient::refund`].
fn judge<T: DeserializeOwned>(status: StatusCode, replayed: bool, body: &[u8]) -> Result<T, RefundError> {
    let code = status.as_u16();
    match code {
        200..=299 => serde_json::from_slice(body).map_err(|_| {
            let reason = format!("Stripe answered {code} with a body that is too long, cut off or not understood");
            RefundError::Retryable { reason, replayed }
        }),
        401 | 403 => Err(RefundError::Unauthorized { reason: explained(code, body) }),
        400..=499 if !matches!(code, 408 | 409 | 429) => Err(RefundError::Final { reason: explained(code, body) }),
        _ => Err(RefundError::Retryable { reason: explained(code, body), replayed }),
    }
}

/// Stripe's code of the error, or else its type, and its message; without them the status.
fn explained(status: u16, body: &[u8]) -> String {
    let answered = || format!("Stripe answered {status}");
    let Ok(Failure { error: Explanation { code, r#type, message } }) = serde_json::from_slice(body) else { return answered() };
    let code = code.or(r#type).unwrap_or_else(answered);
    printable(&message.map_or_else(|| code.clone(), |message| format!("{code}: {message}")))
}

fn answer(refund: &Refund) -> Result<RefundAnswer, RefundError> {
    let provider_id =
        identifier("id", refund.id.clone()).map_err(|_| RefundError::retryable("Stripe answered without the refund's id"))?;
    Ok(RefundAnswer { provider_id, state: refund.progress() })
}

/// `application/x-www-form-urlencoded`, with a space as `%20`: it goes into queries as well.
fn form(fields: &[(&str, &str)]) -> String {
    let encoded = |text| utf8_percent_encode(text, RESERVED);
    fields.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect::<Vec<_>>().join("&")
}

impl RefundError {
    fn retryable(reason: impl Into<String>) -> Self {
        Self::Retryable { reason: reason.into(), replayed: false }
    }
}

impl fmt::Debug for StripeClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StripeClient").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

impl fmt::Display for StripeClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url => {
                f.write_str("Stripe's URL must be https (http only on the loopback interface) without user, query or fragment")
            }
            Self::Key => f.write_str("Stripe's key is `sk_` or `rk_` followed by printable characters"),
            Self::Tls(reason) => write!(f, "TLS cannot be set up: {reason}"),
        }
    }
}

impl std::error::Error for StripeClientError {}

impl fmt::Display for RefundError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Retryable { reason, .. } | Self::Unauthorized { reason } | Self::Final { reason } => f.write_str(reason),
        }
    }
}

impl std::error::Error for RefundError {}
