//! The functions whose handlers the console calls, upon one store that is opened when the first of them is needed: a cold start opens
//! none.

use lambda_http::{Body, Request, Response};
use simdock_api::Problem;
use simdock_runtime::{Config, ConfigError};
use simdock_store::Store;
use std::sync::Arc;
use tokio::sync::OnceCell;

/// What the functions are built from.
#[derive(Debug)]
pub struct Functions {
    config: Config,
    store: OnceCell<Arc<Store>>,
    /// The only one that holds more than the store: the way to the queues.
    suspend_subscription: OnceCell<simdock_suspend_subscription::App>,
}

impl Functions {
    /// Nothing of it is opened yet.
    pub fn new(config: Config) -> Self {
        Self { config, store: OnceCell::new(), suspend_subscription: OnceCell::new() }
    }

    /// Answers a request as the function does that the API has for this route.
    pub async fn answer(&self, route: &str, request: Request) -> Response<Body> {
        self.answered(route, request).await.unwrap_or_else(|error| {
            tracing::error!(%error, "a function cannot be built");
            Problem::internal(error.to_string()).into_response("")
        })
    }

    async fn answered(&self, route: &str, request: Request) -> Result<Response<Body>, ConfigError> {
        let store = self.store.get_or_try_init(async || Store::new(&self.config).await.map(Arc::new)).await?.clone();
        // On the heap: the pages wait for one of many, and each page's own state would be as large as the largest of them.
        macro_rules! answer {
            ($function:ident) => {
                Box::pin($function::App::with(store).handle(request)).await
            };
        }
        Ok(match route {
            "POST /v1/orders" => answer!(simdock_create_order),
            "POST /v1/orders/{orderNum}/refund" => answer!(simdock_refund_order),
            "POST /v1/orders/{orderNum}/renewal" => answer!(simdock_renew_order),
            "POST /v1/subscriptions/{subscriptionId}/top-ups" => answer!(simdock_top_up_subscription),
            "POST /v1/subscriptions/{subscriptionId}/cancellation" => answer!(simdock_cancel_subscription),
            "POST /v1/subscriptions/{subscriptionId}/suspension" | "POST /v1/subscriptions/{subscriptionId}/resumption" => {
                let build = async || simdock_suspend_subscription::App::with(store, &self.config);
                Box::pin(self.suspend_subscription.get_or_try_init(build).await?.handle(request)).await
            }
            "POST /v1/subscriptions/{subscriptionId}/sim-swap" => answer!(simdock_swap_sim),
            "POST /v1/orders/{orderNum}/shipment"
            | "PATCH /v1/orders/{orderNum}/recipient"
            | "POST /v1/orders/{orderNum}/emails"
            | "POST /v1/orders/{orderNum}/retry"
            | "POST /v1/orders/{orderNum}/refunds"
            | "POST /v1/orders/{orderNum}/notes" => answer!(simdock_manage_order),
            "PATCH /v1/sims/{iccid}" | "POST /v1/sims/{iccid}/archive" | "POST /v1/sims/{iccid}/restore" => {
                answer!(simdock_manage_sim)
            }
            "PATCH /v1/inventory/{poolId}" => answer!(simdock_manage_inventory),
            "POST /v1/partners"
            | "PATCH /v1/partners/{partnerId}"
            | "POST /v1/partners/{partnerId}/credits"
            | "POST /v1/keys"
            | "POST /v1/keys/{keyId}/revocation" => answer!(simdock_manage_partners),
            "PUT /v1/plans/{planId}" => answer!(simdock_manage_plans),
            "POST /v1/inventory/imports" => answer!(simdock_import_inventory),
            _ => answer!(simdock_read),
        })
    }
}
