//! API keys.

use crate::App;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use simdock_api::{KeyView, Problem, is_id, json, json_object, optional_idempotency_key, path_parameter, replayed};
use simdock_domain::{Timestamp, short_hash};
use simdock_store::{ADMINISTRATOR, EndKey, KeyMade, Principal};

/// How long an old key may go on beside the one that replaces it, in seconds: 30 days.
const LONGEST_OVERLAP: i64 = 30 * 86_400;

impl App {
    pub(crate) async fn create_key(&self, by: &str, request: &Request) -> Result<Response<Body>, Problem> {
        let once = optional_idempotency_key(request)?;
        let (mut fields, _) = json_object(request)?;
        let role = fields.choice("role", &["partner", "manager"], |name| Some(name == "manager"))?;
        let for_manager = role.ok_or_else(|| Problem::missing_field("role"))?;
        let partner_id = fields.optional_text("partnerId", 64)?;
        let name = fields.optional_text("name", 64)?;
        fields.finish()?;
        // In the log that is somebody else.
        if name.as_ref().is_some_and(|name| name.eq_ignore_ascii_case(ADMINISTRATOR)) {
            return Err(Problem::invalid_field("name", "is taken"));
        }
        let (role, principal, label) = match (for_manager, partner_id) {
            (true, None) => ("manager", Principal::Manager { name: name.ok_or_else(|| Problem::missing_field("name"))? }, None),
            (true, Some(_)) => return Err(Problem::invalid_field("partnerId", "goes with the role partner only")),
            (false, None) => return Err(Problem::missing_field("partnerId")),
            (false, Some(partner_id)) => {
                if self.store.partner(&partner_id).await?.is_none() {
                    return Err(Problem::invalid_field("partnerId", "is no partner"));
                }
                ("partner", Principal::Partner { partner_id }, name)
            }
        };
        let mut random = [0; 24];
        getrandom::fill(&mut random).map_err(|error| Problem::internal(format!("no random bytes: {error}")))?;
        let key = format!("sdk_{role}_{}", URL_SAFE_NO_PAD.encode(random));
        let made = match once {
            None => KeyMade::Now(self.store.put_key(&key, &principal, label.clone(), by).await?),
            Some(once) => {
                let request = short_hash(&["key", by, once]);
                self.store.put_key_once(&request, &key, &principal, label.clone(), by).await?
            }
        };
        let now = self.store.clock().now();
        match made {
            KeyMade::Now(stored) => Ok(json(StatusCode::CREATED, &KeyView::new(stored, Some(key), now))),
            // Nobody has that key any more but who got the answer to the first request.
            KeyMade::Before(stored) if (&stored.key.principal, &stored.key.label) == (&principal, &label) => {
                Ok(replayed(json(StatusCode::OK, &KeyView::new(stored, None, now))))
            }
            KeyMade::Before(_) => Err(Problem::idempotency_key_reused()),
        }
    }

    pub(crate) async fn end_key(&self, by: &str, request: &Request) -> Result<Response<Body>, Problem> {
        let id = path_parameter(request, "keyId");
        let now = self.store.clock().now();
        let (mut fields, _) = json_object(request)?;
        let ends_at = match fields.optional_text("endsAt", 40)? {
            None => now,
            Some(text) => {
                let within = |at: &Timestamp| (now..=now.plus_seconds(LONGEST_OVERLAP)).contains(at);
                let at = text.parse().ok().filter(within);
                at.ok_or_else(|| Problem::invalid_field("endsAt", "must be an RFC 3339 time within the next 30 days"))?
            }
        };
        fields.finish()?;
        if !is_id(&id) {
            return Err(Problem::not_found("key"));
        }
        match self.store.end_key(&id, ends_at, by).await? {
            EndKey::Ends(key) => Ok(json(StatusCode::OK, &KeyView::new(key, None, now))),
            EndKey::NoKey => Err(Problem::not_found("key")),
            EndKey::LastManager => {
                Err(Problem::not_possible("last_manager_key", "No other manager's key lasts. Make another one first."))
            }
        }
    }
}
