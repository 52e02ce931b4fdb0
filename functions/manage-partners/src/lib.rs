//! What managers do about partners: make and change them, credit their balances, and give and end API keys.

mod keys;
mod partners;

use lambda_http::{Body, Request, Response};
use simdock_api::{Problem, authenticate, handle, manager, query_parameters, route};
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
        handle("manage-partners", &request, self.manage(&request)).await
    }

    async fn manage(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let principal = authenticate(&self.store, request).await?;
        let by = manager(&principal)?;
        query_parameters(request, &[])?;
        match route(request).as_str() {
            "POST /v1/partners" => self.create_partner(by, request).await,
            "PATCH /v1/partners/{partnerId}" => self.change_partner(&principal, by, request).await,
            "POST /v1/partners/{partnerId}/credits" => self.credit(&principal, by, request).await,
            "POST /v1/keys" => self.create_key(by, request).await,
            "POST /v1/keys/{keyId}/revocation" => self.end_key(by, request).await,
            _ => Err(Problem::not_found("resource")),
        }
    }
}
