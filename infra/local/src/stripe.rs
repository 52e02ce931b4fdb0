//! A sandbox Stripe: takes refunds over Stripe's own API, and misbehaves when it is told to. It gives back any amount of any payment
//! unless it was told what the payment brought, and calls every currency euro.

use crate::behaviour::{Behaviour, Told};
use crate::clock::StackClock;
use crate::error::{Context, StackError};
use crate::http::{Response, hang_up, json};
use crate::ids::uuid;
use crate::state::{Change, State};
use bytes::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Method, Request, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use simdock_payments::{Secret, sign_stripe};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The key that it accepts. It is no secret: it opens nothing but this sandbox.
pub const KEY: &str = "sk_test_sandbox";
/// Where refunds are made and listed.
pub const REFUNDS: &str = "/v1/refunds";

/// What it made, in the stack's state, by idempotency key.
const MADE: &str = "stripe-refund";
/// Keys under which it refused, in the stack's state: what it answered one once, it answers again, as Stripe does.
const REFUSED: &str = "stripe-refusal";
/// What it knows of payments, in the stack's state: how much each brought, by its id.
const BROUGHT: &str = "stripe-payment";

/// How a refund that is asked for is answered; lists are always given.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Gives the money back and says so.
    #[default]
    Ok,
    /// Takes it on. How it ends is told by [`Stripe::event`].
    Pending,
    /// 400, which is final.
    Refuse,
    /// 401, as to a key that is no good.
    Deny,
    /// 429.
    Busy,
    /// 500.
    Fail,
    /// Gives the money back, and hangs up instead of saying so.
    Cut,
}

/// How a refund ended, or became of one that had ended well.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ending {
    refund: String,
    status: Status,
    /// Whether nobody is told.
    #[serde(default)]
    pub lost: bool,
}

/// An amount of a payment: what it brought, or what somebody gives back of it by hand.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OfPayment {
    payment_intent: String,
    /// In minor units.
    amount: i64,
}

/// The sandbox.
#[derive(Clone)]
pub struct Stripe {
    state: State,
    clock: StackClock,
    secret: Secret,
    told: Told<Mode>,
    /// Held while refunds change, so that two requests at once make one.
    changing: Arc<tokio::sync::Mutex<()>>,
}

/// A refund.
#[derive(Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Refund {
    id: String,
    payment_intent: String,
    amount: i64,
    status: Status,
    metadata: BTreeMap<String, String>,
    created: i64,
    idempotency_key: String,
    /// How often it was asked for.
    requests: u32,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Pending,
    Succeeded,
    Failed,
}

/// An error as Stripe tells of it.
struct Problem(StatusCode, Value);

impl Problem {
    fn new(status: StatusCode, kind: &str, code: &str, message: impl Into<String>) -> Self {
        Self(status, json!({ "error": { "type": kind, "code": code, "message": message.into() } }))
    }

    fn invalid(code: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", code, message)
    }

    fn denied() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_request_error", "api_key_invalid", "Invalid API Key provided.")
    }

    fn told(status: StatusCode) -> Self {
        Self::new(status, "api_error", "told_to", "the sandbox Stripe was told to answer this")
    }
}

impl From<StackError> for Problem {
    fn from(error: StackError) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "api_error", "out_of_order", error.to_string())
    }
}

impl Refund {
    /// As Stripe shows it.
    fn object(&self) -> Value {
        let failure = (self.status == Status::Failed).then_some("expired_or_canceled_card");
        json!({
            "id": self.id, "object": "refund", "amount": self.amount, "created": self.created, "currency": "eur",
            "failure_reason": failure, "metadata": self.metadata, "payment_intent": self.payment_intent, "status": self.status,
        })
    }

    /// The refund that a form asks for.
    fn asked(form: &str, key: &str, status: Status, now: i64) -> Result<Self, Problem> {
        let mut fields = fields(form);
        let mut field = |name: &str| fields.remove(name).ok_or_else(|| Problem::invalid("parameter_missing", name));
        let payment_intent = field("payment_intent")?;
        let amount = field("amount")?.parse().ok().filter(|amount| *amount > 0);
        let amount = amount.ok_or_else(|| Problem::invalid("parameter_invalid_integer", "amount"))?;
        let metadata = fields.into_iter().map(|(name, value)| match name.strip_prefix("metadata[") {
            Some(name) => Ok((name.trim_end_matches(']').to_owned(), value)),
            None => Err(Problem::invalid("parameter_unknown", name)),
        });
        let metadata = metadata.collect::<Result<_, _>>()?;
        let id = format!("re_{}", uuid());
        Ok(Self { id, payment_intent, amount, status, metadata, created: now, idempotency_key: key.to_owned(), requests: 0 })
    }
}

impl Stripe {
    /// A sandbox that signs its events with a secret, and remembers what it did.
    pub fn new(state: State, clock: StackClock, secret: &str) -> Result<Self, StackError> {
        let secret = Secret::stripe(secret).context("the sandbox Stripe")?;
        Ok(Self { state, clock, secret, told: Told::default(), changing: Arc::default() })
    }

    /// Tells it how to answer from now on.
    pub fn behave(&self, behaviour: Behaviour<Mode>) {
        self.told.tell(behaviour);
    }

    /// How it behaves, and every refund that it made.
    pub async fn report(&self) -> Result<Value, StackError> {
        let Behaviour { mode, times } = self.told.behaviour();
        Ok(json!({ "mode": mode, "times": times, "refunds": self.made().await? }))
    }

    /// Lets it know what a payment brought: it gives back no more of it than that.
    pub async fn received(&self, OfPayment { payment_intent, amount }: OfPayment) -> Result<(), StackError> {
        self.state.write(vec![Change::put(BROUGHT, &payment_intent, &amount)?]).await
    }

    /// A refund that somebody makes in the dashboard, so that nothing in it leads to an order; none where less is left. Nobody is told of
    /// it yet, see [`Self::event`].
    pub async fn refund_by_hand(&self, OfPayment { payment_intent, amount }: OfPayment) -> Result<Option<Value>, StackError> {
        let _changing = self.changing.lock().await;
        if self.left(&payment_intent).await?.is_some_and(|left| left < amount) {
            return Ok(None);
        }
        let refund = Refund {
            id: format!("re_{}", uuid()),
            payment_intent,
            amount,
            status: Status::Succeeded,
            metadata: BTreeMap::new(),
            created: self.clock.now().unix(),
            idempotency_key: uuid(),
            requests: 1,
        };
        self.state.write(vec![Change::put(MADE, &refund.idempotency_key, &refund)?]).await?;
        Ok(Some(refund.object()))
    }

    /// How much of a payment was not given back, if it is known what it brought.
    async fn left(&self, payment: &str) -> Result<Option<i64>, StackError> {
        let Some(brought) = self.state.get::<i64>(BROUGHT, payment).await? else { return Ok(None) };
        let of_payment = |refund: &&Refund| refund.payment_intent == payment && refund.status != Status::Failed;
        Ok(Some(brought - self.made().await?.iter().filter(of_payment).map(|refund| refund.amount).sum::<i64>()))
    }

    /// The signed request by which it tells the API of `base_url` how a refund ended, which it remembers.
    pub async fn event(&self, base_url: &str, ending: Ending) -> Result<Request<Bytes>, StackError> {
        let _changing = self.changing.lock().await;
        let found = self.made().await?.into_iter().find(|refund| refund.id == ending.refund);
        let refund = found.ok_or_else(|| StackError::new(format!("there is no refund {}", ending.refund)))?;
        let refund = Refund { status: ending.status, ..refund };
        self.state.write(vec![Change::put(MADE, &refund.idempotency_key, &refund)?]).await?;
        let kind = if refund.status == Status::Failed { "refund.failed" } else { "refund.updated" };
        let event =
            json!({ "id": format!("evt_{}", uuid()), "object": "event", "type": kind, "data": { "object": refund.object() } });
        let body = event.to_string();
        Request::post(format!("{base_url}/v1/webhooks/payments/stripe"))
            .header(CONTENT_TYPE, "application/json; charset=utf-8")
            .header("Stripe-Signature", sign_stripe(self.clock.now(), body.as_bytes(), &self.secret))
            .body(body.into())
            .context("the event")
    }

    /// Answers a request to [`REFUNDS`].
    pub async fn handle(&self, method: &Method, headers: &HeaderMap, query: Option<&str>, body: &[u8]) -> Response {
        let header = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let outcome = if header(AUTHORIZATION.as_str()) != Some(&format!("Bearer {KEY}")) {
            Err(Problem::denied())
        } else if method == Method::POST {
            let form = String::from_utf8_lossy(body);
            self.refund(&form, header("idempotency-key")).await
        } else {
            self.list(query.unwrap_or_default()).await
        };
        outcome.unwrap_or_else(|Problem(status, body)| json(status, &body))
    }

    /// Makes a refund in the way that it was told to.
    async fn refund(&self, form: &str, key: Option<&str>) -> Result<Response, Problem> {
        // Without a key, whoever asks could not ask again.
        let key = key.ok_or_else(|| Problem::invalid("parameter_missing", "Idempotency-Key"))?;
        let asked = |status| Refund::asked(form, key, status, self.clock.now().unix());
        match self.told.take() {
            Mode::Ok => self.refund_once(asked(Status::Succeeded)?, false).await,
            Mode::Pending => self.refund_once(asked(Status::Pending)?, false).await,
            Mode::Refuse => self.refund_once(asked(Status::Succeeded)?, true).await,
            Mode::Deny => Err(Problem::denied()),
            Mode::Busy => Err(Problem::told(StatusCode::TOO_MANY_REQUESTS)),
            Mode::Fail => Err(Problem::told(StatusCode::INTERNAL_SERVER_ERROR)),
            Mode::Cut => self.refund_once(asked(Status::Succeeded)?, false).await.map(|_| hang_up()),
        }
    }

    /// What this key refunded, now or before; or its refusal.
    async fn refund_once(&self, asked: Refund, refuse: bool) -> Result<Response, Problem> {
        let _changing = self.changing.lock().await;
        let before = self.state.get::<Refund>(MADE, &asked.idempotency_key).await?;
        let refused = self.state.get::<bool>(REFUSED, &asked.idempotency_key).await?.is_some();
        if refused || (refuse && before.is_none()) {
            self.state.write(vec![Change::put(REFUSED, &asked.idempotency_key, &true)?]).await?;
            return Err(Problem::invalid("charge_disputed", "The charge has been charged back."));
        }
        let same = |before: &Refund| {
            (&before.payment_intent, before.amount, &before.metadata) == (&asked.payment_intent, asked.amount, &asked.metadata)
        };
        let (refund, replayed) = match before {
            Some(before) if same(&before) => (before, true),
            Some(_) => {
                return Err(Problem::new(
                    StatusCode::BAD_REQUEST,
                    "idempotency_error",
                    "",
                    "The key came with other parameters.",
                ));
            }
            None if self.left(&asked.payment_intent).await?.is_some_and(|left| left < asked.amount) => {
                return Err(Problem::invalid("charge_already_refunded", "There is less left of the charge than that."));
            }
            None => (asked, false),
        };
        let refund = Refund { requests: refund.requests + 1, ..refund };
        self.state.write(vec![Change::put(MADE, &refund.idempotency_key, &refund)?]).await?;
        let mut answer = json(StatusCode::OK, &refund.object());
        if replayed {
            answer.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
        }
        Ok(answer)
    }

    /// The refunds of a payment, all on one page.
    async fn list(&self, query: &str) -> Result<Response, Problem> {
        let fields = fields(query);
        let payment = fields.get("payment_intent").ok_or_else(|| Problem::invalid("parameter_missing", "payment_intent"))?;
        let of_payment = self.made().await?.into_iter().filter(|refund| refund.payment_intent == *payment);
        let refunds: Vec<Value> = of_payment.map(|refund| refund.object()).collect();
        Ok(json(StatusCode::OK, &json!({ "object": "list", "url": REFUNDS, "has_more": false, "data": refunds })))
    }

    async fn made(&self) -> Result<Vec<Refund>, StackError> {
        Ok(self.state.all(MADE).await?.into_iter().map(|(_, refund)| refund).collect())
    }
}

/// The fields of a query or a form.
fn fields(text: &str) -> BTreeMap<String, String> {
    form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    struct Customer {
        stripe: Stripe,
    }

    fn customer() -> Customer {
        let stripe = Stripe::new(State::open(None).unwrap(), StackClock::new(0), "whsec_sandbox").unwrap();
        Customer { stripe }
    }

    impl Customer {
        async fn send(&self, method: Method, key: &str, query: Option<&str>, form: &str) -> (StatusCode, HeaderMap, Value) {
            let request = Request::builder().header("authorization", format!("Bearer {key}")).header("idempotency-key", "RF1");
            let request = request.body(()).unwrap();
            let response = self.stripe.handle(&method, request.headers(), query, form.as_bytes()).await;
            let (head, body) = response.into_parts();
            (head.status, head.headers, serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap_or_default())
        }

        async fn refund(&self, form: &str) -> (StatusCode, HeaderMap, Value) {
            self.send(Method::POST, KEY, None, form).await
        }
    }

    const FORM: &str = "payment_intent=pi_1&amount=1450&metadata%5BrefundId%5D=RF1&metadata%5BorderNum%5D=EP1";

    #[tokio::test]
    async fn one_key_is_one_refund() {
        let customer = customer();
        let (status, headers, refund) = customer.refund(FORM).await;
        assert_eq!((status, headers.get("idempotent-replayed")), (StatusCode::OK, None));
        assert_eq!((&refund["status"], &refund["amount"]), (&json!("succeeded"), &json!(1450)));
        assert_eq!(refund["metadata"], json!({"refundId": "RF1", "orderNum": "EP1"}));
        let (_, headers, again) = customer.refund(FORM).await;
        assert_eq!((headers["idempotent-replayed"].to_str().unwrap(), &again), ("true", &refund));
        assert_eq!(customer.refund(&FORM.replace("1450", "1451")).await.0, StatusCode::BAD_REQUEST);
        for wrong in
            ["amount=1", "payment_intent=pi_1", "payment_intent=pi_1&amount=0", "payment_intent=pi_1&amount=1&colour=red"]
        {
            assert_eq!(customer.refund(wrong).await.0, StatusCode::BAD_REQUEST, "{wrong}");
        }
        assert_eq!(customer.send(Method::POST, "sk_test_other", None, FORM).await.0, StatusCode::UNAUTHORIZED);

        for (payment, refunds) in [("pi_1", json!([refund])), ("pi_2", json!([]))] {
            let query = format!("payment_intent={payment}&limit=100");
            assert_eq!(customer.send(Method::GET, KEY, Some(&query), "").await.2["data"], refunds);
        }
        let report = customer.stripe.report().await.unwrap();
        assert_eq!((&report["refunds"][0]["requests"], &report["refunds"][1]), (&json!(2), &Value::Null));
    }

    #[tokio::test]
    async fn no_more_is_given_back_than_it_knows_to_have_come() {
        let customer = customer();
        let of_payment = |amount| OfPayment { payment_intent: "pi_1".to_owned(), amount };
        customer.stripe.received(of_payment(2000)).await.unwrap();
        let by_hand = customer.stripe.refund_by_hand(of_payment(600)).await.unwrap().unwrap();
        assert_eq!((&by_hand["amount"], &by_hand["metadata"]), (&json!(600), &json!({})));
        let (status, _, refusal) = customer.refund(FORM).await;
        assert_eq!((status, &refusal["error"]["code"]), (StatusCode::BAD_REQUEST, &json!("charge_already_refunded")));
        assert_eq!(customer.refund(&FORM.replace("1450", "1400")).await.0, StatusCode::OK);
        assert!(customer.stripe.refund_by_hand(of_payment(1)).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn it_answers_as_told() {
        let customer = customer();
        for (mode, status) in [(Mode::Deny, 401), (Mode::Busy, 429), (Mode::Fail, 500)] {
            customer.stripe.behave(Behaviour { mode, times: Some(1) });
            assert_eq!(customer.refund(FORM).await.0.as_u16(), status);
            assert_eq!(customer.stripe.report().await.unwrap()["refunds"], json!([]), "{mode:?}");
        }
        customer.stripe.behave(Behaviour { mode: Mode::Cut, times: Some(1) });
        customer.refund(FORM).await;
        assert_eq!(customer.stripe.report().await.unwrap()["refunds"][0]["status"], "succeeded");
        assert_eq!(customer.refund(FORM).await.1["idempotent-replayed"].to_str().unwrap(), "true");
    }

    #[tokio::test]
    async fn one_key_is_answered_alike() {
        let refuse = || Behaviour { mode: Mode::Refuse, times: Some(1) };
        let refused = customer();
        refused.stripe.behave(refuse());
        for _ in 0..2 {
            assert_eq!(refused.refund(FORM).await.0, StatusCode::BAD_REQUEST);
        }
        let made = customer();
        assert_eq!(made.refund(FORM).await.0, StatusCode::OK);
        made.stripe.behave(refuse());
        assert_eq!(made.refund(FORM).await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn how_a_refund_ends_is_told_and_remembered() {
        let customer = customer();
        customer.stripe.behave(Behaviour { mode: Mode::Pending, times: None });
        let refund = customer.refund(FORM).await.2;
        assert_eq!(refund["status"], "pending");
        let ending = |status| Ending { refund: refund["id"].as_str().unwrap().to_owned(), status, lost: false };
        for (status, kind) in [(Status::Succeeded, "refund.updated"), (Status::Failed, "refund.failed")] {
            let event = customer.stripe.event("http://127.0.0.1:1", ending(status)).await.unwrap();
            let event: Value = serde_json::from_slice(event.body()).unwrap();
            assert_eq!((&event["type"], &event["data"]["object"]["status"]), (&json!(kind), &json!(status)));
            assert_eq!(customer.stripe.report().await.unwrap()["refunds"][0]["status"], json!(status));
        }
        let unknown = Ending { refund: "re_0".to_owned(), status: Status::Failed, lost: false };
        assert!(customer.stripe.event("http://127.0.0.1:1", unknown).await.is_err());
    }
}
