//! A sandbox operator: activates profiles over the contract of `simdock-carrier`, and misbehaves when it is told to.

use crate::clock::StackClock;
use crate::error::{Context, StackError};
use crate::http::{Response, answer, json};
use crate::ids::random;
use crate::state::{Change, State};
use hyper::http::request::Parts;
use hyper::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use simdock_payments::{Secret, verify_standard};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The operator's name in the inventory.
pub const OPERATOR: &str = "sandbox";

/// Longer than the functions wait for an operator.
const LATE: Duration = Duration::from_secs(7);

/// How the operator answers.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Activates and says so.
    #[default]
    Ok,
    /// 503, which may be tried again.
    Fail,
    /// 422, which is final.
    Refuse,
    /// Does nothing and does not answer in time.
    Stall,
    /// Activates, but does not answer in time.
    Late,
}

/// How the operator is to answer next.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct Behaviour {
    /// The mode.
    pub mode: Mode,
    /// For how many requests; for all that follow when not given. Afterwards it is `ok` again.
    pub times: Option<u32>,
}

/// The operator.
#[derive(Clone)]
pub struct Operator {
    state: State,
    clock: StackClock,
    secret: Secret,
    behaviour: Arc<Mutex<Behaviour>>,
    /// Held while a profile is activated, so that two requests at once activate it once.
    activating: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    order_num: String,
    subscription_id: String,
    iccid: String,
    plan_id: String,
    imsi_profile: String,
}

/// A profile that was activated.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Activation {
    iccid: String,
    order_num: String,
    subscription_id: String,
    plan_id: String,
    imsi_profile: String,
    idempotency_key: String,
    #[serde(rename = "activationCode")]
    code: String,
    msisdn: String,
    activated_at: String,
    requests: u32,
}

fn problem(status: StatusCode, title: &str, detail: &str) -> Response {
    let body = json!({"type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail});
    answer(status, "application/problem+json", body.to_string())
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

impl Operator {
    /// An operator that shares a secret with its customer, and remembers what it activated.
    pub fn new(state: State, clock: StackClock, secret: &str) -> Result<Self, StackError> {
        let secret = Secret::standard(secret).context("the sandbox operator")?;
        Ok(Self { state, clock, secret, behaviour: Arc::default(), activating: Arc::default() })
    }

    /// Tells it how to answer from now on.
    pub fn behave(&self, behaviour: Behaviour) {
        *self.behaviour.lock().unwrap_or_else(PoisonError::into_inner) = behaviour;
    }

    /// The mode for one request.
    fn mode(&self) -> Mode {
        let mut behaviour = self.behaviour.lock().unwrap_or_else(PoisonError::into_inner);
        let current = *behaviour;
        match current.times {
            None => {}
            Some(0 | 1) => *behaviour = Behaviour::default(),
            Some(times) => behaviour.times = Some(times - 1),
        }
        if current.times == Some(0) { Mode::Ok } else { current.mode }
    }

    /// How it behaves, and every profile that it activated.
    pub async fn report(&self) -> Result<Value, StackError> {
        let activated: Vec<_> =
            self.state.all::<Activation>("operator").await?.into_iter().map(|(_, activation)| activation).collect();
        let behaviour = *self.behaviour.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(json!({ "mode": behaviour.mode, "times": behaviour.times, "activated": activated }))
    }

    /// Answers `POST /v1/profiles/{iccid}/activation`.
    pub async fn activate(&self, parts: &Parts, iccid: &str, body: &[u8]) -> Response {
        let headers = &parts.headers;
        let verified = verify_standard(
            header(headers, "webhook-id"),
            header(headers, "webhook-timestamp"),
            header(headers, "webhook-signature"),
            body,
            std::slice::from_ref(&self.secret),
            self.clock.now(),
        );
        if let Err(error) = verified {
            return problem(StatusCode::UNAUTHORIZED, "Signature refused", &error.to_string());
        }
        let request: Request = match serde_json::from_slice(body) {
            Ok(request) => request,
            Err(error) => return problem(StatusCode::BAD_REQUEST, "Not understood", &error.to_string()),
        };
        let Some(key) = header(headers, "idempotency-key") else {
            return problem(StatusCode::BAD_REQUEST, "Not understood", "an Idempotency-Key is required");
        };
        if request.iccid != iccid {
            return problem(StatusCode::BAD_REQUEST, "Not understood", "path and body name different cards");
        }
        match self.mode() {
            Mode::Ok => self.activated(request, key).await,
            Mode::Fail => problem(StatusCode::SERVICE_UNAVAILABLE, "Out of order", "the sandbox operator was told to fail"),
            Mode::Refuse => problem(StatusCode::UNPROCESSABLE_ENTITY, "Refused", "the sandbox operator was told to refuse"),
            Mode::Stall => {
                tokio::time::sleep(LATE).await;
                problem(StatusCode::GATEWAY_TIMEOUT, "Too late", "the sandbox operator was told to stall")
            }
            Mode::Late => {
                let answer = self.activated(request, key).await;
                tokio::time::sleep(LATE).await;
                answer
            }
        }
    }

    async fn activated(&self, request: Request, key: &str) -> Response {
        let _activating = self.activating.lock().await;
        match self.activate_once(request, key).await {
            Ok(Some(activation)) => {
                let body = json!({"status": "active", "activationCode": activation.code, "msisdn": activation.msisdn});
                json(StatusCode::OK, &body)
            }
            Ok(None) => problem(StatusCode::UNPROCESSABLE_ENTITY, "Refused", "the card is active for another order"),
            Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, "Out of order", &error.to_string()),
        }
    }

    /// What this key activated, now or before; none if another one did.
    async fn activate_once(&self, request: Request, key: &str) -> Result<Option<Activation>, StackError> {
        let activation = match self.state.get::<Activation>("operator", &request.iccid).await? {
            Some(activation) if activation.idempotency_key == key => {
                Activation { requests: activation.requests + 1, ..activation }
            }
            Some(_) => return Ok(None),
            None => Activation {
                idempotency_key: key.to_owned(),
                code: format!("LPA:1$rsp.sandbox.simdock.test${}", matching_id()),
                // No country has the code 999.
                msisdn: format!("+9990{:08}", u32::from_le_bytes(random()) % 100_000_000),
                activated_at: self.clock.now().to_string(),
                requests: 1,
                iccid: request.iccid,
                order_num: request.order_num,
                subscription_id: request.subscription_id,
                plan_id: request.plan_id,
                imsi_profile: request.imsi_profile,
            },
        };
        self.state.write(vec![Change::put("operator", &activation.iccid, &activation)?]).await?;
        Ok(Some(activation))
    }
}

/// Four groups of five, as in the examples of GSMA SGP.22.
fn matching_id() -> String {
    const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKLMNPQRSTUVWX";
    let letters: Vec<_> = random::<20>().iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect();
    letters.chunks(5).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine;
    use crate::ids::webhook_secret;
    use http_body_util::BodyExt;
    use simdock_payments::sign_standard;

    async fn post(operator: &Operator, secret: &Secret, order: &str, iccid: &str) -> (StatusCode, Value) {
        let key = format!("{order}-{iccid}");
        let body = json!({"orderNum": order, "subscriptionId": "sub", "iccid": iccid, "planId": "p", "imsiProfile": "m", "requestedAt": "x"});
        let body = body.to_string();
        let now = operator.clock.now();
        let request = hyper::Request::post("/")
            .header("webhook-id", &key)
            .header("webhook-timestamp", now.unix())
            .header("webhook-signature", sign_standard(&key, now, body.as_bytes(), secret))
            .header("idempotency-key", format!("\"{key}\""))
            .body(())
            .unwrap();
        let response = operator.activate(&request.into_parts().0, iccid, body.as_bytes()).await;
        let status = response.status();
        (status, serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap())
    }

    #[tokio::test]
    async fn one_key_is_one_activation() {
        let engine = Engine::start(None, &[State::table()]).unwrap();
        let secret = webhook_secret();
        let operator = Operator::new(State::new(engine.database()), StackClock::new(0), &secret).unwrap();
        let secret = Secret::standard(&secret).unwrap();

        let first = post(&operator, &secret, "EP1", "8949").await;
        assert_eq!((first.0, &first.1["status"]), (StatusCode::OK, &json!("active")));
        assert_eq!(post(&operator, &secret, "EP1", "8949").await, first);
        assert_eq!(post(&operator, &secret, "EP2", "8949").await.0, StatusCode::UNPROCESSABLE_ENTITY);
        let other = Secret::standard(&webhook_secret()).unwrap();
        assert_eq!(post(&operator, &other, "EP1", "8949").await.0, StatusCode::UNAUTHORIZED);

        operator.behave(Behaviour { mode: Mode::Fail, times: Some(1) });
        assert_eq!(post(&operator, &secret, "EP3", "8950").await.0, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(post(&operator, &secret, "EP3", "8950").await.0, StatusCode::OK);
        let report = operator.report().await.unwrap();
        assert_eq!(report["activated"].as_array().unwrap().len(), 2);
        assert_eq!(report["activated"][0]["requests"], 2);
    }
}
