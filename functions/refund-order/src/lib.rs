//! `POST /v1/orders/{orderNum}/refund`: cancels cards whose money can be given back. The carrier is asked first; the money follows
//! once it has revoked them.

use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use simdock_api::{Cancellation, Codes, Problem, authenticate, handle, json, json_object, line_of, order_num, show, visible_to};
use simdock_domain::{MAX_COUNT, Order, Rejected};
use simdock_runtime::{Config, ConfigError};
use simdock_store::{Change, Principal, Store};
use std::sync::Arc;

/// The function and what it holds on to between requests.
#[derive(Debug)]
pub struct App {
    store: Arc<Store>,
}

impl App {
    /// Builds the function.
    pub async fn new(config: &Config) -> Result<Self, ConfigError> {
        Ok(Self::with(Arc::new(Store::new(config).await?)))
    }

    /// Builds it upon a store that others use as well.
    pub fn with(store: Arc<Store>) -> Self {
        Self { store }
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
        if fields.is_null("iccids") {
            return Err(Problem::invalid_field("iccids", "must be a list; leave it out to cancel the whole order"));
        }
        let iccids = fields.texts("iccids", MAX_COUNT as usize, 20)?;
        let reason = fields.text("reason", 200)?;
        fields.finish()?;

        let order = visible_to(&principal, self.store.order(&num).await?)?;
        let named = match iccids {
            None => None,
            Some(iccids) => Some(self.lines(&order, &iccids).await?),
        };
        let codes = Codes::of_answer(request);
        let cancellation = Cancellation::of(&self.store, &order).await?;
        let manager = match &principal {
            Principal::Partner { .. } => None,
            Principal::Manager { name } => Some(name.as_str()),
        };
        cancellation.open(named.as_deref())?;
        let now = self.store.clock().now();
        let cancelled = |order: &Order| cancellation.decide(order, named.as_deref(), manager, &reason, now);
        match self.store.change_order(&num, cancelled).await? {
            Change::Made(order) => Ok(json(StatusCode::ACCEPTED, &show(&self.store, &principal, &order, &codes).await?)),
            // The same cards were cancelled before: asking twice is asking once.
            Change::Refused(order, Rejected::Done) => {
                Ok(json(StatusCode::OK, &show(&self.store, &principal, &order, &codes).await?))
            }
            Change::Refused(_, Rejected::NotRefundable(why)) => Err(Problem::not_refundable(why)),
            Change::Refused(..) => Err(Problem::internal("a cancellation is always allowed or refused with its reason")),
            Change::NoOrder => Err(Problem::not_found("order")),
        }
    }

    /// The lines of these cards. An empty list is refused: whoever sends one hardly means the whole order.
    async fn lines(&self, order: &Order, iccids: &[String]) -> Result<Vec<usize>, Problem> {
        if iccids.is_empty() {
            return Err(Problem::invalid_field("iccids", "must name a card, or be left out for the whole order"));
        }
        let mut lines = Vec::with_capacity(iccids.len());
        for iccid in iccids {
            let line = line_of(&self.store, order, iccid).await?;
            let unknown = || Problem::invalid_field("iccids", format!("names “{iccid}”, which is not a card of this order"));
            lines.push(line.ok_or_else(unknown)?);
        }
        lines.sort_unstable();
        lines.dedup();
        Ok(lines)
    }
}
