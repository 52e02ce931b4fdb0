//! `POST /v1/subscriptions/{subscriptionId}/cancellation`: ends a whole subscription. The carrier is asked first; then everything on
//! it is over, and what the plans' rules give back is owed.

use lambda_http::{Body, Request, Response};
use simdock_api::{Problem, change_draft, change_of_subscription, handle};
use simdock_domain::{PaymentMethod, SubscriptionChange};
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
        handle("cancel-subscription", &request, self.cancel(&request)).await
    }

    async fn cancel(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let route = "POST /v1/subscriptions/{subscriptionId}/cancellation";
        let (change, mut fields) = change_of_subscription(&self.store, request, route).await?;
        let plan = change.current_plan(&self.store).await?;
        // It costs nothing, so it does not matter how it is paid.
        let draft = change_draft(&mut fields, SubscriptionChange::Cancellation, Some(PaymentMethod::Balance))?;
        fields.finish()?;
        change.submit(&self.store, draft, Ok(plan)).await
    }
}
