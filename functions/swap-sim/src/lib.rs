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
        let says_how = fields.says("payment");
        let draft = change_draft(&mut fields, what, Some(PaymentMethod::Balance))?;
        fields.finish()?;
        let plan = change.current_plan(&self.store).await?;
        // One that was free when the same request was made before stands, though the plan that runs by now has a price.
        let owing = plan.swap_price.is_some_and(|price| price.amount > 0);
        let plan = if owing && !says_how { Err(Problem::missing_field("payment")) } else { Ok(plan) };
        change.submit(&self.store, draft, plan).await
    }
}
