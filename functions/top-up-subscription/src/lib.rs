//! `POST /v1/subscriptions/{subscriptionId}/top-ups`: a plan, add-ons or both for a subscription.

use lambda_http::{Body, Request, Response};
use simdock_api::{Problem, change_draft, change_of_subscription, handle};
use simdock_domain::SubscriptionChange;
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
        handle("top-up-subscription", &request, self.top_up(&request)).await
    }

    async fn top_up(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let route = "POST /v1/subscriptions/{subscriptionId}/top-ups";
        let (change, mut fields) = change_of_subscription(&self.store, request, route).await?;
        let plan_id = fields.optional_text("planId", 64)?;
        let add_on_ids = fields.texts("addOnIds", 64, 64)?.unwrap_or_default();
        let (what, plan) = match plan_id {
            Some(plan_id) => (SubscriptionChange::Plan { add_on_ids }, change.plan(&self.store, &plan_id).await),
            None => (SubscriptionChange::AddOns { add_on_ids }, change.current_plan(&self.store).await),
        };
        let draft = change_draft(&mut fields, what, None)?;
        fields.finish()?;
        change.submit(&self.store, draft, plan).await
    }
}
