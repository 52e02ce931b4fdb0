//! `POST /v1/orders/{orderNum}/renewal`: another period of a renewable plan for a subscription, appended after those that are there.

use lambda_http::{Body, Request, Response};
use simdock_api::{
    ChangeRequest, Fields, Problem, authenticate, change_draft, handle, json_object, line_of, not_delivered, order_num,
    subscription_of_line, visible_to,
};
use simdock_domain::{Order, SubscriptionChange};
use simdock_runtime::{Config, ConfigError};
use simdock_store::Store;
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
        handle("renew-order", &request, self.renew(&request)).await
    }

    async fn renew(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let principal = authenticate(&self.store, request).await?;
        let num = order_num(request)?;
        let (mut fields, canonical) = json_object(request)?;
        let order = visible_to(&principal, self.store.order(&num).await?)?;
        let subscription = self.subscription(&order, &mut fields).await?;
        let plan_id = fields.optional_text("planId", 64)?;
        let add_on_ids = fields.texts("addOnIds", 64, 64)?.unwrap_or_default();
        let draft = change_draft(&mut fields, SubscriptionChange::Renewal { add_on_ids }, None)?;
        fields.finish()?;
        let route = "POST /v1/orders/{orderNum}/renewal";
        let change = ChangeRequest::new(&self.store, request, route, principal, &subscription, &canonical).await;
        // Whoever sees the order sees its subscription, if there is one.
        let change = change.map_err(|problem| if problem.code() == "not_found" { not_delivered() } else { problem })?;
        // The main order's plan, whichever order of the chain was named.
        let plan = change.plan(&self.store, plan_id.as_deref().unwrap_or(&change.main.plan_id)).await;
        change.submit(&self.store, draft, plan).await
    }

    /// The subscription of an order: a renewal's own, or that of the only card or of the one that the request names.
    async fn subscription(&self, order: &Order, fields: &mut Fields) -> Result<String, Problem> {
        let line = match fields.optional_text("iccid", 20)? {
            None if order.lines.len() == 1 => 0,
            None => return Err(Problem::missing_field("iccid")),
            Some(iccid) => {
                let line = line_of(&self.store, order, &iccid).await?;
                line.ok_or_else(|| Problem::invalid_field("iccid", "is not a card of this order"))?
            }
        };
        subscription_of_line(order, line, self.store.clock().now())
    }
}
