use crate::{Problem, header, path_parameter};
use lambda_http::Request;
use lambda_http::http::header::AUTHORIZATION;
use simdock_domain::Order;
use simdock_store::{Principal, Sim, Store, hashed_key, key_id};

/// The longest id of a partner in bytes; a longer one might be no key that the tables take.
const MAX_PARTNER_ID: usize = 64;

/// Whose session a request belongs to: the hash of the API key that was shown at its beginning. It travels as an extension of the
/// request, which nothing that comes over the network can set: only a function that calls another one's handler in its own process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    key_hash: String,
}

impl Session {
    /// The session of whoever shows this key.
    pub fn of_key(key: &str) -> Self {
        Self { key_hash: hashed_key(key) }
    }

    /// The session of the key with this hash, as [`Session::key_hash`] gave it.
    pub fn of_hash(key_hash: impl Into<String>) -> Self {
        Self { key_hash: key_hash.into() }
    }

    /// The hash.
    pub fn key_hash(&self) -> &str {
        &self.key_hash
    }

    /// The id by which lists name the key.
    pub fn key_id(&self) -> String {
        key_id(&self.key_hash)
    }
}

/// Who asks, by the API key in `Authorization: Bearer`, or by the session that this process vouches for. Either way the key is looked
/// up, so that a session ends with its key.
pub async fn authenticate(store: &Store, request: &Request) -> Result<Principal, Problem> {
    if let Some(session) = request.extensions().get::<Session>() {
        return store.principal_of_hash(session.key_hash().to_owned()).await?.ok_or_else(Problem::unauthenticated);
    }
    let value = header(request, AUTHORIZATION.as_str()).unwrap_or_default();
    let (scheme, key) = value.split_once(' ').unwrap_or_default();
    let key = key.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || key.is_empty() || key.len() > 256 {
        return Err(Problem::unauthenticated());
    }
    store.principal(key).await?.ok_or_else(Problem::unauthenticated)
}

/// The name of the manager who asks; nobody else may.
pub fn manager(principal: &Principal) -> Result<&str, Problem> {
    match principal {
        Principal::Manager { name } => Ok(name),
        Principal::Partner { .. } => Err(Problem::forbidden("This needs a manager's key.")),
    }
}

/// An order, if whoever asks may see it. Another partner's is as if it did not exist.
pub fn visible_to(principal: &Principal, order: Option<Order>) -> Result<Order, Problem> {
    let sees = |order: &Order| match principal {
        Principal::Manager { .. } => true,
        Principal::Partner { partner_id } => *partner_id == order.partner_id,
    };
    order.filter(sees).ok_or_else(|| Problem::not_found("order"))
}

/// The partner that the path names, if whoever asks may see it. Another one is as if it did not exist.
pub fn partner_id(principal: &Principal, request: &Request) -> Result<String, Problem> {
    let id = path_parameter(request, "partnerId");
    let sees = match principal {
        Principal::Manager { .. } => !id.is_empty() && id.len() <= MAX_PARTNER_ID,
        Principal::Partner { partner_id } => *partner_id == id,
    };
    if sees { Ok(id) } else { Err(Problem::not_found("partner")) }
}

/// A card, if whoever asks may see it: a partner those that it sold.
pub async fn card_visible_to(store: &Store, principal: &Principal, sim: Option<Sim>) -> Result<Sim, Problem> {
    let sim = sim.ok_or_else(|| Problem::not_found("card"))?;
    let Principal::Partner { partner_id } = principal else { return Ok(sim) };
    let order = match &sim.order_num {
        None => None,
        Some(num) => store.order(num).await?,
    };
    if order.is_some_and(|order| order.partner_id == *partner_id) { Ok(sim) } else { Err(Problem::not_found("card")) }
}
