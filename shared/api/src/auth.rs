use crate::{Problem, header};
use lambda_http::Request;
use lambda_http::http::header::AUTHORIZATION;
use simdock_domain::Order;
use simdock_store::{Principal, Store};

/// Who asks, by the API key in `Authorization: Bearer`.
pub async fn authenticate(store: &Store, request: &Request) -> Result<Principal, Problem> {
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
