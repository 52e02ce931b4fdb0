//! `POST /v1/subscriptions/{subscriptionId}/suspension` and `…/resumption`: keeps a subscription's card out of the network, or lets it
//! in again. What is wanted is written down and queued; the carrier is asked by whoever works the queue, and the sweep queues again
//! what got lost.

use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use simdock_api::{Problem, authenticate, handle, json, path_parameter, route, show_subscription, subscription_of, want_service};
use simdock_domain::ServiceAsker;
use simdock_jobs::Queues;
use simdock_runtime::{Config, ConfigError};
use simdock_store::{Principal, Store};
use std::sync::Arc;

/// How often it is decided anew because the subscription changed meanwhile.
const DECISIONS: u32 = 20;

/// The function and what it holds on to between requests.
#[derive(Debug)]
pub struct App {
    store: Arc<Store>,
    queues: Queues,
}

impl App {
    /// Builds the function.
    pub async fn new(config: &Config) -> Result<Self, ConfigError> {
        Self::with(Arc::new(Store::new(config).await?), config)
    }

    /// Builds it upon a store that others use as well.
    pub fn with(store: Arc<Store>, config: &Config) -> Result<Self, ConfigError> {
        Ok(Self { queues: Queues::new(config)?, store })
    }

    /// Answers a request.
    pub async fn handle(&self, request: Request) -> Response<Body> {
        handle("suspend-subscription", &request, self.want(&request)).await
    }

    async fn want(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let principal = authenticate(&self.store, request).await?;
        let on = match route(request).as_str() {
            "POST /v1/subscriptions/{subscriptionId}/suspension" => false,
            "POST /v1/subscriptions/{subscriptionId}/resumption" => true,
            _ => return Err(Problem::not_found("resource")),
        };
        let id = path_parameter(request, "subscriptionId");
        let asker = match &principal {
            Principal::Partner { .. } => ServiceAsker::Partner,
            Principal::Manager { name } => ServiceAsker::Manager(name.clone()),
        };
        for _ in 0..DECISIONS {
            let subscription = subscription_of(&self.store, &principal, &id).await?;
            let Some(next) = want_service(&self.store, &subscription, on, asker.clone()).await? else {
                // It is so, or will be.
                return Ok(json(StatusCode::OK, &show_subscription(&self.store, &principal, &subscription).await?));
            };
            if self.store.replace_subscription(&next).await?.is_err() {
                continue;
            }
            if let Err(error) = self.queues.send_service(&id).await {
                tracing::warn!(%error, "left to the sweep");
            }
            return Ok(json(StatusCode::ACCEPTED, &show_subscription(&self.store, &principal, &next).await?));
        }
        Err(Problem::unavailable("the subscription kept changing"))
    }
}
