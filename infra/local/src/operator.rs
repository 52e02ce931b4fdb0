//! A sandbox operator: activates, changes and revokes profiles over the contract of `simdock-carrier`, tells what happens to their
//! cards, and misbehaves when it is told to.

mod profiles;

use crate::behaviour::{Behaviour, Told};
use crate::clock::StackClock;
use crate::error::{Context, StackError};
use crate::http::{Response, answer};
use crate::ids::uuid;
use crate::state::{Change, State};
use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{HeaderMap, StatusCode};
use profiles::{Action, Profiles, RevocationRequest};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use simdock_payments::{Secret, sign_standard, verify_standard};
use std::time::Duration;

/// The operator's name in the inventory.
pub const OPERATOR: &str = "sandbox";

/// Longer than the functions wait for an operator.
const LATE: Duration = Duration::from_secs(7);
/// What it was told of single cards, in the stack's state.
const OF_CARDS: &str = "operator-told";

/// How the operator answers.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Does what it is asked and says so.
    #[default]
    Ok,
    /// 503, which may be tried again.
    Fail,
    /// 409 to a revocation that is not forced, since the profile is installed, and otherwise 422; both are final.
    Refuse,
    /// Does nothing and does not answer in time.
    Stall,
    /// Does what it is asked, but does not answer in time.
    Late,
    /// 202: it is still working on it, and wants to be asked again in an hour.
    Pending,
}

/// The operator.
#[derive(Clone)]
pub struct Operator {
    profiles: Profiles,
    state: State,
    clock: StackClock,
    secret: Secret,
    told: Told<Mode>,
}

#[derive(Deserialize)]
struct Asked<T> {
    iccid: String,
    #[serde(flatten)]
    what: T,
}

/// Why a request is not carried out.
struct Problem {
    status: StatusCode,
    title: &'static str,
    detail: String,
}

impl Problem {
    fn new(status: StatusCode, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, title, detail: detail.into() }
    }

    fn not_understood(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Not understood", detail)
    }

    fn refused(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Refused", detail)
    }

    fn installed() -> Self {
        Self::new(StatusCode::CONFLICT, "Installed", "the profile is installed on a device")
    }
}

impl From<StackError> for Problem {
    fn from(error: StackError) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Out of order", error.to_string())
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

impl Operator {
    /// An operator that shares a secret with its customer, and remembers what it did.
    pub fn new(state: State, clock: StackClock, secret: &str) -> Result<Self, StackError> {
        let secret = Secret::standard(secret).context("the sandbox operator")?;
        let profiles = Profiles::new(state.clone(), clock.clone());
        Ok(Self { profiles, state, clock, secret, told: Told::default() })
    }

    /// Tells it how to answer from now on.
    pub fn behave(&self, behaviour: Behaviour<Mode>) {
        self.told.tell(behaviour);
    }

    /// Tells it how to answer about one card, whatever it is told of all: until it is told otherwise, over restarts as well. The
    /// default mode ends it.
    pub async fn behave_about(&self, iccid: &str, mode: Mode) -> Result<(), StackError> {
        let change = if mode == Mode::default() { Change::delete(OF_CARDS, iccid) } else { Change::put(OF_CARDS, iccid, &mode)? };
        self.state.write(vec![change]).await
    }

    /// How it behaves, in general and about single cards, and every profile that it activated, revoked or changed.
    pub async fn report(&self) -> Result<Value, StackError> {
        let mut report = self.profiles.report().await?;
        let of_cards = self.state.all::<Mode>(OF_CARDS).await?;
        report["cards"] = of_cards.into_iter().map(|(iccid, mode)| (iccid, json!(mode))).collect::<Map<_, _>>().into();
        let Behaviour { mode, times } = self.told.behaviour();
        report["mode"] = json!(mode);
        report["times"] = json!(times);
        Ok(report)
    }

    /// Answers `POST /v1/profiles/{iccid}/{action}`.
    pub async fn handle(&self, headers: &HeaderMap, iccid: &str, action: &str, body: &[u8]) -> Response {
        self.carry_out(headers, iccid, action, body).await.unwrap_or_else(|Problem { status, title, detail }| {
            let body = json!({"type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail});
            answer(status, "application/problem+json", body.to_string())
        })
    }

    async fn carry_out(&self, headers: &HeaderMap, iccid: &str, action: &str, body: &[u8]) -> Result<Response, Problem> {
        let profiles = &self.profiles;
        let refusal = Problem::refused("the sandbox operator was told to refuse");
        match (action, Action::from_name(action)) {
            ("activation", _) => {
                let (asked, key) = self.read(headers, iccid, body)?;
                self.as_told(iccid, profiles.activate(iccid, asked, key), refusal).await
            }
            ("revocation", _) => {
                let (asked, key) = self.read::<RevocationRequest>(headers, iccid, body)?;
                let refusal = if asked.force { refusal } else { Problem::installed() };
                self.as_told(iccid, profiles.revoke(iccid, asked, key), refusal).await
            }
            (_, Some(action)) => {
                let (asked, key) = self.read(headers, iccid, body)?;
                self.as_told(iccid, profiles.alter(iccid, action, asked, key), refusal).await
            }
            (_, None) => Err(Problem::new(StatusCode::NOT_FOUND, "Not found", "a profile has no such action")),
        }
    }

    /// What is asked about this card, and the request's key, if our customer signed it.
    fn read<'a, T: DeserializeOwned>(&self, headers: &'a HeaderMap, iccid: &str, body: &[u8]) -> Result<(T, &'a str), Problem> {
        verify_standard(
            header(headers, "webhook-id"),
            header(headers, "webhook-timestamp"),
            header(headers, "webhook-signature"),
            body,
            std::slice::from_ref(&self.secret),
            self.clock.now(),
        )
        .map_err(|error| Problem::new(StatusCode::UNAUTHORIZED, "Signature refused", error.to_string()))?;
        let asked: Asked<T> = serde_json::from_slice(body).map_err(|error| Problem::not_understood(error.to_string()))?;
        if asked.iccid != iccid {
            return Err(Problem::not_understood("path and body name different cards"));
        }
        let key = header(headers, "idempotency-key").ok_or_else(|| Problem::not_understood("an Idempotency-Key is required"))?;
        Ok((asked.what, key))
    }

    /// Does the work in the way that it was told to.
    async fn as_told(
        &self,
        iccid: &str,
        work: impl Future<Output = Result<Response, Problem>>,
        refusal: Problem,
    ) -> Result<Response, Problem> {
        let mode = match self.state.get::<Mode>(OF_CARDS, iccid).await? {
            Some(mode) => mode,
            None => self.told.take(),
        };
        match mode {
            Mode::Ok => work.await,
            Mode::Fail => {
                Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "Out of order", "the sandbox operator was told to fail"))
            }
            Mode::Refuse => Err(refusal),
            Mode::Stall => {
                tokio::time::sleep(LATE).await;
                Err(Problem::new(StatusCode::GATEWAY_TIMEOUT, "Too late", "the sandbox operator was told to stall"))
            }
            Mode::Late => {
                let outcome = work.await;
                tokio::time::sleep(LATE).await;
                outcome
            }
            Mode::Pending => {
                let mut answer = crate::http::json(StatusCode::ACCEPTED, &json!({"status": "pending"}));
                answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("3600"));
                Ok(answer)
            }
        }
    }

    /// The signed request by which this operator tells of a card at the API of `base_url`: `POST /v1/sims/{iccid}/events`. The
    /// event gets an `eventId` and the time `at` unless it has them, and names the card. One of an install is remembered: from then on the profile is
    /// only revoked by force.
    pub async fn event(
        &self,
        base_url: &str,
        iccid: &str,
        mut event: Map<String, Value>,
    ) -> Result<hyper::Request<Bytes>, StackError> {
        let now = self.clock.now();
        let id = event.entry("eventId").or_insert_with(|| uuid().into());
        let id = id.as_str().ok_or_else(|| StackError::new("eventId must be a text"))?.to_owned();
        event.entry("at").or_insert_with(|| now.to_string().into());
        event.insert("iccid".to_owned(), iccid.into());
        let installed = event.get("type").is_some_and(|kind| kind == "installed");
        let body = Value::Object(event).to_string();
        let request = hyper::Request::post(format!("{base_url}/v1/sims/{iccid}/events"))
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-timestamp", now.unix())
            .header("webhook-signature", sign_standard(&id, now, body.as_bytes(), &self.secret))
            .header("webhook-id", id)
            .body(body.into())
            .context("iccid or eventId")?;
        if installed {
            self.profiles.install(iccid).await?;
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::webhook_secret;
    use http_body_util::BodyExt;
    use std::sync::Arc;

    struct Customer {
        operator: Operator,
        secret: Secret,
    }

    fn customer() -> Customer {
        let secret = webhook_secret();
        let operator = Operator::new(State::open(None).unwrap(), StackClock::new(0), &secret).unwrap();
        Customer { operator, secret: Secret::standard(&secret).unwrap() }
    }

    impl Customer {
        async fn activate(&self, order: &str, iccid: &str) -> (StatusCode, Value) {
            self.activate_for(&format!("SU-{order}"), order, iccid).await
        }

        async fn activate_for(&self, subscription: &str, order: &str, iccid: &str) -> (StatusCode, Value) {
            let body = json!({"orderNum": order, "subscriptionId": subscription, "iccid": iccid, "planId": "p", "imsiProfile": "m", "requestedAt": "x"});
            self.post(iccid, "activation", &format!("{order}-{iccid}"), &body).await
        }

        async fn revoke(&self, order: &str, iccid: &str) -> (StatusCode, Value) {
            let body = json!({"orderNum": order, "iccid": iccid, "requestedAt": "x"});
            self.post(iccid, "revocation", &format!("{order}-{iccid}-revocation"), &body).await
        }

        async fn force(&self, order: &str, iccid: &str) -> (StatusCode, Value) {
            let body = json!({"orderNum": order, "iccid": iccid, "force": true, "requestedAt": "x"});
            self.post(iccid, "revocation", &format!("{order}-{iccid}-forced-revocation"), &body).await
        }

        /// Asks for a change of a card of the subscription `SU-EP1`.
        async fn alter(&self, action: &str, reference: &str, iccid: &str) -> (StatusCode, Value) {
            let mut body = json!({"reference": reference, "subscriptionId": "SU-EP1", "iccid": iccid, "requestedAt": "x"});
            if action.starts_with("plan") {
                body["planId"] = "q".into();
                body["addOnIds"] = json!(["a"]);
            }
            self.post(iccid, action, &format!("{reference}-{iccid}-{action}"), &body).await
        }

        /// What is reported of a profile: what its plans were added for, and whether it is suspended.
        async fn profile(&self, iccid: &str) -> (Vec<String>, bool) {
            let report = self.operator.report().await.unwrap();
            let profile = report["activated"].as_array().unwrap().iter().find(|profile| profile["iccid"] == iccid).unwrap();
            let plans = profile["plans"].as_array().unwrap().iter();
            let references = plans.map(|plan| plan["reference"].as_str().unwrap().to_owned()).collect();
            (references, profile["suspended"].as_bool().unwrap())
        }

        /// Has the operator tell of a card, and checks that it signed what it tells.
        async fn event(&self, iccid: &str, event: Value) -> Value {
            let Value::Object(event) = event else { panic!("{event}") };
            let request = self.operator.event("http://127.0.0.1:1", iccid, event).await.unwrap();
            assert_eq!((request.method().as_str(), request.uri().path()), ("POST", &*format!("/v1/sims/{iccid}/events")));
            let header = |name| header(request.headers(), name);
            let signed = [header("webhook-id"), header("webhook-timestamp"), header("webhook-signature")];
            let secrets = std::slice::from_ref(&self.secret);
            let now = self.operator.clock.now();
            assert_eq!(verify_standard(signed[0], signed[1], signed[2], request.body(), secrets, now), Ok(()));
            let body: Value = serde_json::from_slice(request.body()).unwrap();
            assert_eq!(body["eventId"].as_str(), signed[0]);
            body
        }

        async fn post(&self, iccid: &str, action: &str, key: &str, body: &Value) -> (StatusCode, Value) {
            let body = body.to_string();
            let now = self.operator.clock.now();
            let request = hyper::Request::post("/")
                .header("webhook-id", key)
                .header("webhook-timestamp", now.unix())
                .header("webhook-signature", sign_standard(key, now, body.as_bytes(), &self.secret))
                .header("idempotency-key", format!("\"{key}\""))
                .body(())
                .unwrap();
            let response = self.operator.handle(request.headers(), iccid, action, body.as_bytes()).await;
            let status = response.status();
            (status, serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap())
        }
    }

    #[tokio::test]
    async fn one_key_is_one_activation() {
        let mut customer = customer();
        let first = customer.activate("EP1", "8949").await;
        assert_eq!((first.0, &first.1["status"]), (StatusCode::OK, &json!("active")));
        assert_eq!(customer.activate("EP1", "8949").await, first);
        assert_eq!(customer.activate("EP2", "8949").await.0, StatusCode::UNPROCESSABLE_ENTITY);

        customer.operator.behave(Behaviour { mode: Mode::Fail, times: Some(1) });
        assert_eq!(customer.activate("EP3", "8950").await.0, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(customer.activate("EP3", "8950").await.0, StatusCode::OK);
        let report = customer.operator.report().await.unwrap();
        assert_eq!(report["activated"].as_array().unwrap().len(), 2);
        assert_eq!(report["activated"][0]["requests"], 2);
        assert_eq!(report["revoked"], json!([]));

        customer.secret = Secret::standard(&webhook_secret()).unwrap();
        assert_eq!(customer.activate("EP1", "8949").await.0, StatusCode::UNAUTHORIZED);
        assert_eq!(customer.revoke("EP1", "8949").await.0, StatusCode::UNAUTHORIZED);
    }

    #[tokio::test]
    async fn a_card_of_its_own_kind_is_answered_in_its_own_way() {
        let customer = customer();
        customer.operator.behave_about("8949", Mode::Pending).await.unwrap();
        customer.operator.behave(Behaviour { mode: Mode::Fail, times: Some(1) });
        for _ in 0..2 {
            assert_eq!(customer.activate("EP1", "8949").await, (StatusCode::ACCEPTED, json!({"status": "pending"})));
        }
        assert_eq!(customer.operator.report().await.unwrap()["cards"], json!({"8949": "pending"}));
        assert_eq!(customer.activate("EP2", "8950").await.0, StatusCode::SERVICE_UNAVAILABLE);
        customer.operator.behave_about("8949", Mode::Ok).await.unwrap();
        assert_eq!(customer.operator.report().await.unwrap()["cards"], json!({}));
        assert_eq!(customer.activate("EP1", "8949").await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn a_revoked_card_is_not_activated_again_for_its_order() {
        let customer = customer();
        let revoked = (StatusCode::OK, json!({"status": "revoked"}));
        customer.activate("EP1", "8949").await;
        assert_eq!(customer.revoke("EP2", "8949").await.0, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(customer.revoke("EP1", "8949").await, revoked);
        assert_eq!(customer.revoke("EP1", "8949").await, revoked);
        assert_eq!(customer.activate("EP1", "8949").await.0, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(customer.activate("EP2", "8949").await.0, StatusCode::OK, "it was sold again");
        assert_eq!(customer.activate("EP5", "8949").await.0, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(customer.revoke("EP5", "8949").await.0, StatusCode::UNPROCESSABLE_ENTITY);

        assert_eq!(customer.revoke("EP3", "8950").await, revoked);
        assert_eq!(customer.activate("EP3", "8950").await.0, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(customer.activate("EP4", "8950").await.0, StatusCode::OK);
        assert_eq!(customer.revoke("EP3", "8950").await, revoked);

        let report = customer.operator.report().await.unwrap();
        let revoked: Vec<_> =
            report["revoked"].as_array().unwrap().iter().map(|card| (&card["iccid"], &card["requests"])).collect();
        assert_eq!(revoked, [(&json!("8949"), &json!(2)), (&json!("8950"), &json!(2))]);
        assert_eq!(report["revoked"][0]["idempotencyKey"], "\"EP1-8949-revocation\"");
    }

    #[tokio::test]
    async fn a_revocation_is_answered_as_told() {
        let customer = Arc::new(customer());
        customer.activate("EP1", "8949").await;
        customer.operator.behave(Behaviour { mode: Mode::Fail, times: Some(1) });
        assert_eq!(customer.revoke("EP1", "8949").await.0, StatusCode::SERVICE_UNAVAILABLE);
        customer.operator.behave(Behaviour { mode: Mode::Refuse, times: Some(1) });
        let (status, problem) = customer.revoke("EP1", "8949").await;
        assert_eq!((status, &problem["title"]), (StatusCode::CONFLICT, &json!("Installed")));
        assert_eq!(problem["detail"], "the profile is installed on a device");
        assert_eq!(customer.activate("EP1", "8949").await.0, StatusCode::OK);

        customer.operator.behave(Behaviour { mode: Mode::Late, times: Some(1) });
        let late = Arc::clone(&customer);
        let late = tokio::spawn(async move { late.revoke("EP1", "8949").await });
        while customer.operator.report().await.unwrap()["revoked"] == json!([]) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(!late.is_finished());
        late.abort();
        assert_eq!(customer.revoke("EP1", "8949").await.0, StatusCode::OK);
        assert_eq!(customer.operator.report().await.unwrap()["revoked"][0]["requests"], 2);
    }
    #[tokio::test]
    async fn plans_come_and_go_by_what_they_were_added_for() {
        let customer = customer();
        customer.activate("EP1", "8949").await;
        let suspended = (StatusCode::OK, json!({"status": "suspended"}));
        assert_eq!(customer.alter("suspension", "W1", "8949").await, suspended);
        for _ in 0..2 {
            assert_eq!(customer.alter("plans", "EP2", "8949").await, (StatusCode::OK, json!({"status": "added"})));
        }
        assert_eq!(customer.profile("8949").await, (vec!["EP1".to_owned(), "EP2".to_owned()], true));
        assert_eq!(customer.alter("resumption", "W2", "8949").await, (StatusCode::OK, json!({"status": "resumed"})));
        assert_eq!(customer.alter("suspension", "W1", "8949").await, suspended, "said again, not done again");
        assert!(!customer.profile("8949").await.1);

        for reference in ["EP2", "EP2", "EP3"] {
            let removed = (StatusCode::OK, json!({"status": "removed"}));
            assert_eq!(customer.alter("plan-removal", reference, "8949").await, removed);
        }
        assert_eq!(customer.alter("plans", "EP3", "8949").await.0, StatusCode::UNPROCESSABLE_ENTITY, "its removal came first");
        assert_eq!(customer.profile("8949").await, (vec!["EP1".to_owned()], false));

        let report = customer.operator.report().await.unwrap();
        let changed: Vec<_> = report["changed"].as_array().unwrap().iter().collect();
        let of = |reference, action| {
            changed.iter().find(|change| change["reference"] == reference && change["action"] == action).unwrap()
        };
        assert_eq!(changed.len(), 5);
        assert_eq!((&of("EP2", "plans")["requests"], &of("W1", "suspension")["requests"]), (&json!(2), &json!(2)));
        assert_eq!((&of("EP2", "plans")["planId"], &of("EP2", "plans")["addOnIds"]), (&json!("q"), &json!(["a"])));
        assert_eq!(of("EP2", "plan-removal")["idempotencyKey"], "\"EP2-8949-plan-removal\"");
    }

    #[tokio::test]
    async fn only_an_active_profile_changes() {
        let mut customer = customer();
        customer.activate("EP1", "8949").await;
        customer.revoke("EP1", "8949").await;
        customer.activate("EP9", "8951").await;
        for (iccid, removal) in [("8949", 404), ("8950", 404), ("8951", 422)] {
            for action in ["plans", "suspension", "resumption"] {
                assert_eq!(customer.alter(action, "EP2", iccid).await.0, 422, "{action} {iccid}");
            }
            assert_eq!(customer.alter("plan-removal", "EP2", iccid).await.0, removal, "{iccid}");
        }
        assert_eq!(customer.alter("plan-removal", "EP2", "8950").await.1, json!({"status": "unknown"}));
        assert_eq!(customer.alter("explosion", "EP2", "8949").await.0, StatusCode::NOT_FOUND);
        assert_eq!(customer.operator.report().await.unwrap()["changed"], json!([]));
        customer.secret = Secret::standard(&webhook_secret()).unwrap();
        assert_eq!(customer.alter("plans", "EP2", "8951").await.0, StatusCode::UNAUTHORIZED);
    }

    #[tokio::test]
    async fn a_change_is_answered_as_told() {
        let customer = customer();
        customer.activate("EP1", "8949").await;
        for (mode, status) in [(Mode::Fail, 503), (Mode::Refuse, 422)] {
            customer.operator.behave(Behaviour { mode, times: Some(4) });
            for action in ["plans", "plan-removal", "suspension", "resumption"] {
                assert_eq!(customer.alter(action, "EP2", "8949").await.0, status, "{action}");
            }
            assert_eq!(customer.operator.report().await.unwrap()["changed"], json!([]));
        }
    }

    #[tokio::test]
    async fn a_swapped_card_takes_number_and_plans_along() {
        let customer = customer();
        let first = customer.activate("EP1", "8949").await.1;
        customer.alter("plans", "EP2", "8949").await;
        customer.alter("suspension", "W1", "8949").await;
        let (status, second) = customer.activate_for("SU-EP1", "EP3", "8950").await;
        assert_eq!((status, &second["msisdn"]), (StatusCode::OK, &first["msisdn"]));
        assert_ne!(second["activationCode"], first["activationCode"]);
        assert_eq!(customer.activate_for("SU-EP1", "EP3", "8950").await.1, second);
        for iccid in ["8949", "8950"] {
            assert_eq!(customer.profile(iccid).await, (vec!["EP1".to_owned(), "EP2".to_owned()], true), "{iccid}");
        }
        assert_eq!(customer.force("EP1", "8949").await.0, StatusCode::OK);
        assert_eq!(customer.alter("plan-removal", "EP2", "8950").await.0, StatusCode::OK);
        assert_eq!(customer.profile("8950").await, (vec!["EP1".to_owned()], true));
        assert_ne!(customer.activate("EP4", "8951").await.1["msisdn"], first["msisdn"]);
    }

    #[tokio::test]
    async fn an_installed_profile_is_only_revoked_by_force() {
        let customer = customer();
        customer.activate("EP1", "8949").await;
        let event = customer.event("8949", json!({"type": "usage", "at": "2026-11-22T10:30:00Z", "usedMb": 12})).await;
        assert_eq!((&event["at"], &event["usedMb"]), (&json!("2026-11-22T10:30:00Z"), &json!(12)));
        assert_eq!((&event["iccid"], event.as_object().unwrap().len()), (&json!("8949"), 5));
        customer.event("8950", json!({"type": "installed", "eventId": "evt-1"})).await;
        let event = customer.event("8949", json!({"type": "installed", "eid": "8904"})).await;
        assert!(event["at"].as_str().unwrap().parse::<simdock_domain::Timestamp>().is_ok());
        customer.event("8949", json!({"type": "deleted"})).await;

        let (status, problem) = customer.revoke("EP1", "8949").await;
        assert_eq!((status, &problem["title"]), (StatusCode::CONFLICT, &json!("Installed")));
        assert_eq!(customer.alter("plans", "EP2", "8949").await.0, StatusCode::OK);
        let revoked = (StatusCode::OK, json!({"status": "revoked"}));
        assert_eq!(customer.force("EP1", "8949").await, revoked);
        assert_eq!(customer.revoke("EP1", "8949").await, revoked, "it is revoked already");
    }
}
