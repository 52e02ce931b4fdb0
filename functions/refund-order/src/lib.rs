//! `POST /v1/orders/{orderNum}/refund`: cancels cards whose money can be given back. The carrier is asked first; the money follows
//! once it has revoked them.

use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use simdock_api::{Problem, authenticate, handle, json, json_object, order_num, show, visible_to};
use simdock_domain::{Command, Iccid, MAX_COUNT, Order, Rejected, decide};
use simdock_runtime::{Config, ConfigError};
use simdock_store::{Change, Principal, Store};

/// The function and what it holds on to between requests.
#[derive(Debug)]
pub struct App {
    store: Store,
}

impl App {
    /// Builds the function.
    pub async fn new(config: &Config) -> Result<Self, ConfigError> {
        Ok(Self { store: Store::new(config).await? })
    }

    /// Answers a request.
    pub async fn handle(&self, request: Request) -> Response<Body> {
        handle("refund-order", &request, self.refund(&request)).await
    }

    async fn refund(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let principal = authenticate(&self.store, request).await?;
        let num = order_num(request)?;
        tracing::Span::current().record("orderNum", num.as_str());
        let (mut fields, _) = json_object(request)?;
        let iccids = fields.texts("iccids", MAX_COUNT as usize, 20)?;
        let reason = fields.text("reason", 200)?;
        fields.finish()?;

        let order = visible_to(&principal, self.store.order(&num).await?)?;
        let named = iccids.map(|iccids| lines(&order, &iccids)).transpose()?;
        let policy = self.store.plan_version(&order.plan_id, order.plan_version).await?.refund_policy;
        let (by_manager, by) = match &principal {
            Principal::Partner { partner_id } => (false, partner_id),
            Principal::Manager { name } => (true, name),
        };
        let now = self.store.clock().now();
        let cancelled = |order: &Order| {
            let lines = named.clone().unwrap_or_else(|| order.cancellable(policy, now));
            decide(order, Command::Cancel { lines, policy, by_manager, note: format!("{by}: {reason}") }, now)
        };
        match self.store.change_order(&num, cancelled).await? {
            Change::Made(order) => Ok(json(StatusCode::ACCEPTED, &show(&self.store, &order).await?)),
            // The same cards were cancelled before: asking twice is asking once.
            Change::Refused(order, Rejected::Done) => Ok(json(StatusCode::OK, &show(&self.store, &order).await?)),
            Change::Refused(_, Rejected::NotRefundable(why)) => Err(Problem::not_refundable(why)),
            Change::Refused(_, Rejected::NotDue | Rejected::NotAllowed) => {
                Err(Problem::internal("a cancellation is always allowed or refused with its reason"))
            }
            Change::NoOrder => Err(Problem::not_found("order")),
        }
    }
}

/// The lines of these cards. An empty list is refused: whoever sends one hardly means the whole order.
fn lines(order: &Order, iccids: &[String]) -> Result<Vec<usize>, Problem> {
    if iccids.is_empty() {
        return Err(Problem::invalid_field("iccids", "must name a card, or be left out for the whole order"));
    }
    let line = |text: &String| {
        let place = order.lines.iter().position(|line| line.iccid.as_ref().map(Iccid::as_str) == Some(text));
        place.ok_or_else(|| Problem::invalid_field("iccids", format!("names {text:?}, which is not a card of this order")))
    };
    let mut lines = iccids.iter().map(line).collect::<Result<Vec<_>, _>>()?;
    lines.sort_unstable();
    lines.dedup();
    Ok(lines)
}
