use lambda_http::http::{StatusCode, header};
use lambda_http::{Body, Response};
use serde_json::{Map, Value, json};
use simdock_domain::{Closed, NotRefundable};
use simdock_store::{Principal, StoreError};

/// A refusal, as RFC 9457 wants it told. `code` is what programs go by and never changes; `detail` is for people.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    detail: String,
    field: Option<String>,
    more: Map<String, Value>,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, title, detail: detail.into(), field: None, more: Map::new() }
    }

    fn about(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Adds a member beyond those of the RFC.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.more.insert(name.to_owned(), value);
        self
    }

    /// What programs go by.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The member `reason`, or what programs go by where there is none.
    pub fn reason(&self) -> &str {
        self.more.get("reason").and_then(Value::as_str).unwrap_or(self.code)
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// For a person.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The body is not JSON.
    pub fn malformed_json(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed_json", "The body is not JSON", detail)
    }

    /// The body has a field, or the query a parameter, that this route does not know.
    pub fn unknown_field(field: impl Into<String>) -> Self {
        let field = field.into();
        let detail = format!("{field} is not a field of this request.");
        Self::new(StatusCode::BAD_REQUEST, "unknown_field", "Unknown field", detail).about(field)
    }

    /// A field is missing.
    pub fn missing_field(field: impl Into<String>) -> Self {
        let field = field.into();
        let detail = format!("{field} is required.");
        Self::new(StatusCode::BAD_REQUEST, "missing_field", "Missing field", detail).about(field)
    }

    /// A field's value cannot be.
    pub fn invalid_field(field: impl Into<String>, why: impl std::fmt::Display) -> Self {
        let field = field.into();
        let detail = format!("{field} {why}.");
        Self::new(StatusCode::BAD_REQUEST, "invalid_field", "Invalid field", detail).about(field)
    }

    /// A field's value, or a parameter's, is neither true nor false.
    pub(crate) fn not_a_flag(name: impl Into<String>) -> Self {
        Self::invalid_field(name, "must be true or false")
    }

    /// The body is larger than the route takes.
    pub fn body_too_large(most: usize) -> Self {
        let detail = format!("The body may be {} KB at most.", most / 1024);
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "Body too large", detail)
    }

    /// The body is of another type than the route takes.
    pub fn unsupported_media_type(wanted: &str) -> Self {
        let detail = format!("Send the body as {wanted} and say so in Content-Type.");
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "Unsupported media type", detail)
            .about("Content-Type")
    }

    /// Nobody known asks.
    pub fn unauthenticated() -> Self {
        let detail = "Send a valid API key as Authorization: Bearer <key>.";
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "Not authenticated", detail)
    }

    /// Whoever asks may not do this.
    pub fn forbidden(detail: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Forbidden", detail)
    }

    /// There is no such thing, or it belongs to somebody else.
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "Not found", format!("There is no such {what}."))
    }

    /// There is no such plan for this partner.
    pub fn plan_not_found(principal: &Principal, plan_id: &str) -> Self {
        // A manager sells none: the partner does.
        let who = if principal.is_manager() { "this partner" } else { "you" };
        let detail = format!("There is no plan “{plan_id}” that {who} can sell.");
        Self::new(StatusCode::NOT_FOUND, "plan_not_found", "Plan not found", detail).about("planId")
    }

    /// The plan has no such add-on.
    pub fn add_on_not_found(add_on_id: &str) -> Self {
        let detail = format!("The plan has no add-on “{add_on_id}”.");
        Self::new(StatusCode::NOT_FOUND, "add_on_not_found", "Add-on not found", detail).about("addOnIds")
    }

    /// A card's money cannot be given back. The member `reason` says why: the same stable words as a card's `refundable.code`.
    pub fn not_refundable(why: NotRefundable) -> Self {
        let (reason, detail) = why.explain();
        Self::new(StatusCode::CONFLICT, "not_refundable", "Not refundable", detail).with("reason", reason.into())
    }

    /// The subscription takes no change now.
    pub fn subscription_closed(closed: Closed) -> Self {
        let (reason, detail) = closed.explain();
        Self::new(StatusCode::CONFLICT, "subscription_closed", "Subscription takes no change", detail)
            .with("reason", reason.into())
    }

    /// The plan is not one that is renewed.
    pub fn not_renewable(plan_id: &str) -> Self {
        let detail = format!("“{plan_id}”, or the plan that it would follow, is sold once and not renewed. Top up instead.");
        Self::new(StatusCode::CONFLICT, "not_renewable", "Not renewable", detail).about("planId")
    }

    /// The card cannot carry the plan.
    pub fn profile_mismatch(plan_id: &str, card: &str) -> Self {
        let detail = format!(
            "Plan “{plan_id}” does not run on this card's IMSI profile ({card}). Order a new line with it, which comes on a card that fits."
        );
        Self::new(StatusCode::CONFLICT, "profile_mismatch", "IMSI profile does not match", detail).about("planId")
    }

    /// Nobody is entitled to this gift.
    pub fn not_eligible(reason: &str, detail: &str) -> Self {
        Self::new(StatusCode::CONFLICT, "not_eligible", "Not eligible", detail).with("reason", reason.into())
    }

    /// The order is not where this could be done.
    pub fn not_possible(reason: &str, detail: &str) -> Self {
        Self::new(StatusCode::CONFLICT, "not_possible", "Not possible now", detail).with("reason", reason.into())
    }

    /// The plan has another version by now than the one that was to be replaced.
    pub fn version_conflict(latest: u32) -> Self {
        let detail = format!("The plan's latest version is {latest}. Read it, and put your change on that.");
        Self::new(StatusCode::CONFLICT, "version_conflict", "Version conflict", detail).about("basedOn")
    }

    /// Somebody changed what is noted about the card since the edition that was to be changed.
    pub fn edition_conflict(edition: u32) -> Self {
        let detail = format!(
            "Somebody else changed what is noted about the card: its edition is {edition} by now. Read it, and put your change on that."
        );
        Self::new(StatusCode::CONFLICT, "version_conflict", "Version conflict", detail).about("basedOn")
    }

    /// The order goes to somebody else by now than whoever corrects that saw.
    pub fn recipient_conflict() -> Self {
        let detail = "Somebody else corrected the recipient. Read the order, and put your change on what it says now.";
        Self::new(StatusCode::CONFLICT, "version_conflict", "Version conflict", detail).about("corrects")
    }

    /// The parcel is another by now than whoever corrects what was said of it saw.
    pub fn shipment_conflict() -> Self {
        let detail = "Somebody else corrected the shipment. Read the order, and put your change on what it says now.";
        Self::new(StatusCode::CONFLICT, "version_conflict", "Version conflict", detail).about("corrects")
    }

    /// The partner is another by now than whoever changes it saw.
    pub fn partner_conflict() -> Self {
        let detail = "Somebody else changed the partner. Read it, and put your change on what it says now.";
        Self::new(StatusCode::CONFLICT, "version_conflict", "Version conflict", detail).about("corrects")
    }

    /// The pool is another by now than whoever changes it saw.
    pub fn pool_conflict() -> Self {
        let detail = "Somebody else changed the pool. Read it, and put your change on what it says now.";
        Self::new(StatusCode::CONFLICT, "version_conflict", "Version conflict", detail).about("corrects")
    }

    /// Nobody can keep the card out of the network.
    pub fn preloaded() -> Self {
        let detail = "The operator of this card takes no requests about it, so that nobody can suspend it.";
        Self::not_possible("preloaded", detail)
    }

    /// The card is bound to another phone.
    pub fn other_device(detail: &str) -> Self {
        Self::new(StatusCode::CONFLICT, "other_device", "Bound to another phone", detail)
    }

    /// A request that spends came without its key.
    pub fn idempotency_key_missing() -> Self {
        let detail = "Send an Idempotency-Key header, and the same one when you send the request again.";
        Self::new(StatusCode::BAD_REQUEST, "idempotency_key_missing", "Idempotency key missing", detail).about("Idempotency-Key")
    }

    /// The key came with another request before.
    pub fn idempotency_key_reused() -> Self {
        let detail = "This Idempotency-Key came with another request before. Take a new key for a new request.";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", "Idempotency key reused", detail)
            .about("Idempotency-Key")
    }

    /// The cursor is not one that this API gave.
    pub fn invalid_cursor() -> Self {
        let detail = "Take the cursor from nextCursor of the page before, as it is.";
        Self::new(StatusCode::BAD_REQUEST, "invalid_cursor", "Invalid cursor", detail).about("cursor")
    }

    /// A webhook that its provider did not sign, or not with a secret that is known here.
    pub fn bad_signature(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_signature", "Bad signature", detail)
    }

    /// A webhook that was signed too long ago, or ahead of time.
    pub fn signature_stale() -> Self {
        let detail = "The signature's time is more than 300 seconds away from now.";
        Self::new(StatusCode::BAD_REQUEST, "signature_stale", "Stale signature", detail)
    }

    /// A CSV file with lines that cannot go in; nothing was written.
    pub fn invalid_csv(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_csv", "Invalid CSV", detail)
    }

    /// Something is wrong on this side.
    pub fn internal(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error", detail)
    }

    /// Money came in that cannot be booked. The provider tries again until somebody has looked.
    pub fn unbookable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "unbookable", "Payment cannot be booked", detail)
    }

    /// This side is too busy.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Try again later", detail)
    }

    /// The answer. What went wrong on this side stays in the log; the client learns only that, and the id to ask about.
    pub fn into_response(self, request_id: &str) -> Response<Body> {
        let detail = match self.status {
            StatusCode::INTERNAL_SERVER_ERROR if self.code == "internal" => {
                "Something went wrong on our side. Send the same request again.".to_owned()
            }
            StatusCode::SERVICE_UNAVAILABLE => "We are too busy right now. Send the same request again in a moment.".to_owned(),
            _ => self.detail,
        };
        let mut body = json!({
            "type": format!("urn:simdock:problem:{}", self.code),
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": detail,
            "code": self.code,
            "instance": format!("urn:simdock:request:{request_id}"),
        });
        if let Some(field) = self.field {
            body["field"] = field.into();
        }
        for (name, value) in self.more {
            body[name] = value;
        }
        let mut response = Response::new(Body::Text(body.to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy(_) => Self::unavailable(error.to_string()),
            StoreError::Broken(_) => Self::internal(error.to_string()),
        }
    }
}
