//! `PATCH /v1/inventory/{poolId}`: below how many cards a pool is low.

use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use simdock_api::{InventoryView, Problem, authenticate, handle, json, json_object, manager, path_parameter, query_parameters};
use simdock_domain::PoolId;
use simdock_runtime::{Config, ConfigError};
use simdock_store::{PoolChanged, Store};
use std::sync::Arc;

/// The highest alarm level.
const MOST: u32 = 1_000_000_000;

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
        handle("manage-inventory", &request, self.change(&request)).await
    }

    async fn change(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let principal = authenticate(&self.store, request).await?;
        let by = manager(&principal)?;
        query_parameters(request, &[])?;
        let (mut fields, _) = json_object(request)?;
        let level = fields.whole("alarmLevel", 0, MOST)?;
        let was = match fields.optional_object("corrects")? {
            None => None,
            Some(mut before) => {
                let was = before.optional_whole("alarmLevel", 0, MOST)?;
                before.finish()?;
                was.map(u64::from)
            }
        };
        fields.finish()?;
        let none = || Problem::not_found("pool");
        let pool = PoolId::try_from(path_parameter(request, "poolId")).map_err(|_| none())?;
        match self.store.set_pool_alarm(&pool, was, level.into(), by).await? {
            PoolChanged::Now => {}
            PoolChanged::NoPool => return Err(none()),
            PoolChanged::Other => return Err(Problem::pool_conflict()),
        }
        let level = self.store.level(&pool).await?.ok_or_else(none)?;
        Ok(json(StatusCode::OK, &InventoryView::from(level)))
    }
}
