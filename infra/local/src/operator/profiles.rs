//! The profiles that the sandbox operator activated, and what became of them.

use super::Problem;
use crate::clock::StackClock;
use crate::error::StackError;
use crate::http::{Response, json};
use crate::ids::random;
use crate::state::{Change, State};
use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

/// Profiles in the stack's state, by card.
const PROFILES: &str = "operator";
/// The card that each subscription has, or had last.
const SUBSCRIPTIONS: &str = "operator-subscription";
/// What was revoked, by order and card.
const REVOCATIONS: &str = "operator-revoked";
/// What was changed, by reference, card and action.
const ALTERATIONS: &str = "operator-changed";

/// What the operator knows.
#[derive(Clone)]
pub struct Profiles {
    state: State,
    clock: StackClock,
    /// Held while a profile changes, so that two requests at once change it once.
    changing: Arc<tokio::sync::Mutex<()>>,
}

/// What an activation asks for.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActivationRequest {
    order_num: String,
    subscription_id: String,
    plan_id: String,
    #[serde(default)]
    add_on_ids: Vec<String>,
    imsi_profile: String,
}

/// What a revocation asks for.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RevocationRequest {
    order_num: String,
    #[serde(default)]
    pub force: bool,
}

/// What another change asks for.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlterationRequest {
    subscription_id: String,
    #[serde(flatten)]
    plan: Addition,
}

/// A plan on a profile, with its add-ons; or add-ons alone.
#[derive(Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Addition {
    /// What it was added for.
    reference: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan_id: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    add_on_ids: Vec<String>,
}

/// How an active profile changes.
#[derive(Clone, Copy)]
pub enum Action {
    AddPlan,
    RemovePlan,
    Suspend,
    Resume,
}

/// A card whose profile was activated.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Card {
    iccid: String,
    order_num: String,
    subscription_id: String,
    imsi_profile: String,
    idempotency_key: String,
    #[serde(rename = "activationCode")]
    code: String,
    msisdn: String,
    activated_at: String,
    requests: u32,
    #[serde(default)]
    plans: Vec<Addition>,
    #[serde(default)]
    suspended: bool,
    /// When it was first on a device; deleting it there changes nothing.
    installed_at: Option<String>,
}

/// A profile that was revoked for an order, before or after it was activated for it.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Revocation {
    iccid: String,
    order_num: String,
    idempotency_key: String,
    revoked_at: String,
    requests: u32,
}

/// A change that was made.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Alteration {
    iccid: String,
    action: String,
    #[serde(flatten)]
    plan: Addition,
    idempotency_key: String,
    changed_at: String,
    requests: u32,
}

impl Card {
    fn alter(&mut self, action: Action, plan: &Addition) {
        match action {
            Action::AddPlan if self.plans.iter().any(|other| other.reference == plan.reference) => {}
            Action::AddPlan => self.plans.push(plan.clone()),
            Action::RemovePlan => self.plans.retain(|other| other.reference != plan.reference),
            Action::Suspend => self.suspended = true,
            Action::Resume => self.suspended = false,
        }
    }
}

impl Action {
    const ALL: [Self; 4] = [Self::AddPlan, Self::RemovePlan, Self::Suspend, Self::Resume];

    /// The action that a path ends with.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.names().0 == name)
    }

    /// Its name in the path, and the status in the answer once it is done.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::AddPlan => ("plans", "added"),
            Self::RemovePlan => ("plan-removal", "removed"),
            Self::Suspend => ("suspension", "suspended"),
            Self::Resume => ("resumption", "resumed"),
        }
    }
}

impl Profiles {
    /// Those that the state knows.
    pub fn new(state: State, clock: StackClock) -> Self {
        Self { state, clock, changing: Arc::default() }
    }

    /// Every profile that was activated, revoked or changed.
    pub async fn report(&self) -> Result<Value, StackError> {
        let values = async |kind| {
            let values = self.state.all::<Value>(kind).await?;
            Ok::<_, StackError>(values.into_iter().map(|(_, value)| value).collect::<Value>())
        };
        let (activated, revoked) = (values(PROFILES).await?, values(REVOCATIONS).await?);
        Ok(json!({ "activated": activated, "revoked": revoked, "changed": values(ALTERATIONS).await? }))
    }

    /// Activates a card for an order, now or before. A second card of a subscription takes over what the first one has.
    pub async fn activate(&self, iccid: &str, asked: ActivationRequest, key: &str) -> Result<Response, Problem> {
        let _changing = self.changing.lock().await;
        if self.is_revoked(&asked.order_num, iccid).await? {
            return Err(Problem::refused("the card was revoked for this order"));
        }
        let profile = match self.profile(iccid).await? {
            Some(profile) if profile.idempotency_key == key => Card { requests: profile.requests + 1, ..profile },
            Some(profile) if profile.installed_at.is_some() || !self.is_revoked(&profile.order_num, iccid).await? => {
                return Err(Problem::refused("the card is active for another order"));
            }
            // A card that was revoked before anybody installed it may be sold again.
            Some(_) | None => self.new_profile(iccid, asked, key).await?,
        };
        self.state
            .write(vec![
                Change::put(PROFILES, iccid, &profile)?,
                Change::put(SUBSCRIPTIONS, &profile.subscription_id, &profile.iccid)?,
            ])
            .await?;
        Ok(done(&json!({"status": "active", "activationCode": profile.code, "msisdn": profile.msisdn})))
    }

    async fn new_profile(&self, iccid: &str, asked: ActivationRequest, key: &str) -> Result<Card, StackError> {
        let swapped = match self.state.get::<String>(SUBSCRIPTIONS, &asked.subscription_id).await? {
            Some(swapped) => self.profile(&swapped).await?,
            None => None,
        };
        let (msisdn, plans, suspended) = swapped.map_or_else(
            || {
                let plan =
                    Addition { reference: asked.order_num.clone(), plan_id: Some(asked.plan_id), add_on_ids: asked.add_on_ids };
                // No country has the code 999.
                (format!("+9990{:08}", u32::from_le_bytes(random()) % 100_000_000), vec![plan], false)
            },
            |swapped| (swapped.msisdn, swapped.plans, swapped.suspended),
        );
        Ok(Card {
            iccid: iccid.to_owned(),
            order_num: asked.order_num,
            subscription_id: asked.subscription_id,
            imsi_profile: asked.imsi_profile,
            idempotency_key: key.to_owned(),
            code: format!("LPA:1$rsp.sandbox.simdock.test${}", matching_id()),
            msisdn,
            activated_at: self.clock.now().to_string(),
            requests: 1,
            plans,
            suspended,
            installed_at: None,
        })
    }

    /// Revokes a card for an order, now or before. One that was never activated is remembered too: its activation may be under way.
    pub async fn revoke(&self, iccid: &str, asked: RevocationRequest, key: &str) -> Result<Response, Problem> {
        let _changing = self.changing.lock().await;
        let id = sale(&asked.order_num, iccid);
        let revoked = if let Some(revoked) = self.state.get::<Revocation>(REVOCATIONS, &id).await? {
            Revocation { requests: revoked.requests + 1, ..revoked }
        } else {
            match self.profile(iccid).await? {
                Some(profile) if profile.order_num == asked.order_num => {
                    if profile.installed_at.is_some() && !asked.force {
                        return Err(Problem::installed());
                    }
                }
                Some(profile) if !self.is_revoked(&profile.order_num, iccid).await? => {
                    return Err(Problem::refused("the card is active for another order"));
                }
                Some(_) | None => {}
            }
            Revocation {
                iccid: iccid.to_owned(),
                order_num: asked.order_num,
                idempotency_key: key.to_owned(),
                revoked_at: self.clock.now().to_string(),
                requests: 1,
            }
        };
        self.state.write(vec![Change::put(REVOCATIONS, id, &revoked)?]).await?;
        Ok(done(&json!({"status": "revoked"})))
    }

    /// Changes an active profile, now or before: a repetition undoes nothing that came in between.
    pub async fn alter(&self, iccid: &str, action: Action, asked: AlterationRequest, key: &str) -> Result<Response, Problem> {
        let _changing = self.changing.lock().await;
        let AlterationRequest { subscription_id, plan } = asked;
        let (name, status) = action.names();
        let id = |name: &str| format!("{}-{iccid}-{name}", plan.reference);
        let known = self.state.get::<Alteration>(ALTERATIONS, &id(name)).await?;
        let mut changes = Vec::new();
        let altered = if let Some(altered) = known {
            Alteration { requests: altered.requests + 1, ..altered }
        } else {
            let mut profile = match (self.profile(iccid).await?, action) {
                (Some(profile), _) if !self.is_revoked(&profile.order_num, iccid).await? => profile,
                (_, Action::RemovePlan) => return Ok(json(StatusCode::NOT_FOUND, &json!({"status": "unknown"}))),
                (_, Action::AddPlan | Action::Suspend | Action::Resume) => {
                    return Err(Problem::refused("the card is not active"));
                }
            };
            if profile.subscription_id != subscription_id {
                return Err(Problem::refused("the card carries another subscription"));
            }
            if let Action::AddPlan = action
                && self.state.get::<Alteration>(ALTERATIONS, &id(Action::RemovePlan.names().0)).await?.is_some()
            {
                return Err(Problem::refused("what this reference adds was removed"));
            }
            profile.alter(action, &plan);
            changes.push(Change::put(PROFILES, iccid, &profile)?);
            // While a card is being swapped, the one that comes next has what this one has.
            if let Some(next) = self.state.get::<String>(SUBSCRIPTIONS, &subscription_id).await?.filter(|next| next != iccid)
                && let Some(mut next) = self.profile(&next).await?
            {
                next.alter(action, &plan);
                changes.push(Change::put(PROFILES, next.iccid.clone(), &next)?);
            }
            Alteration {
                iccid: iccid.to_owned(),
                action: name.to_owned(),
                plan: plan.clone(),
                idempotency_key: key.to_owned(),
                changed_at: self.clock.now().to_string(),
                requests: 1,
            }
        };
        changes.push(Change::put(ALTERATIONS, id(name), &altered)?);
        self.state.write(changes).await?;
        Ok(done(&json!({ "status": status })))
    }

    /// Remembers that a card's profile is on a device, if it was activated.
    pub async fn install(&self, iccid: &str) -> Result<(), StackError> {
        let _changing = self.changing.lock().await;
        let Some(mut profile) = self.profile(iccid).await? else { return Ok(()) };
        profile.installed_at.get_or_insert_with(|| self.clock.now().to_string());
        self.state.write(vec![Change::put(PROFILES, iccid, &profile)?]).await
    }

    async fn profile(&self, iccid: &str) -> Result<Option<Card>, StackError> {
        self.state.get(PROFILES, iccid).await
    }

    async fn is_revoked(&self, order_num: &str, iccid: &str) -> Result<bool, StackError> {
        Ok(self.state.get::<Revocation>(REVOCATIONS, &sale(order_num, iccid)).await?.is_some())
    }
}

fn done(body: &Value) -> Response {
    json(StatusCode::OK, body)
}

/// A card of an order: a card that was revoked for one order may be sold with another.
fn sale(order_num: &str, iccid: &str) -> String {
    format!("{order_num}-{iccid}")
}

/// Four groups of five, as in the examples of GSMA SGP.22.
fn matching_id() -> String {
    const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKLMNPQRSTUVWX";
    let letters: Vec<_> = random::<20>().iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect();
    letters.chunks(5).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-")
}
