//! `POST /v1/subscriptions/{subscriptionId}/sim-swap`: another SIM for a subscription, whose plans, number and usage move along once it
//! is installed.

use lambda_http::{Body, Request, Response};
use simdock_api::{Problem, change_draft, change_of_subscription, handle, postal_address};
use simdock_domain::{FormFactor, PaymentMethod, SubscriptionChange};
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
        handle("swap-sim", &request, self.swap(&request)).await
    }

    async fn swap(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let route = "POST /v1/subscriptions/{subscriptionId}/sim-swap";
        let (change, mut fields) = change_of_subscription(&self.store, request, route).await?;
        let form_factor = fields.choice("formFactor", &["esim", "physical"], |name| name.parse().ok())?;
        let what = SubscriptionChange::Swap {
            form_factor: form_factor.unwrap_or(FormFactor::Esim),
            address: postal_address(&mut fields, "postalAddress")?,
        };
        let plan = change.current_plan(&self.store).await?;
        let free = plan.swap_price.is_none_or(|price| price.amount == 0).then_some(PaymentMethod::Balance);
        let draft = change_draft(&mut fields, what, free)?;
        fields.finish()?;
        change.submit(&self.store, draft, Ok(plan)).await
    }
}
