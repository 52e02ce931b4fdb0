//! The functions whose handlers the console calls, each built when it is first needed: a cold start builds none.

use lambda_http::{Body, Request, Response};
use simdock_api::Problem;
use simdock_runtime::{Config, ConfigError};
use tokio::sync::OnceCell;

macro_rules! functions {
    ($($name:ident: $package:ident),* $(,)?) => {
        /// The functions, and what they are built from.
        #[derive(Debug)]
        pub struct Functions {
            config: Config,
            $($name: OnceCell<$package::App>,)*
        }

        impl Functions {
            /// None of them is built yet.
            pub fn new(config: Config) -> Self {
                Self { config, $($name: OnceCell::new(),)* }
            }

            $(async fn $name(&self, request: Request) -> Response<Body> {
                match self.$name.get_or_try_init(|| $package::App::new(&self.config)).await {
                    // On the heap: the pages wait for one of ten, and each page's own state would be as large as the largest of them.
                    Ok(app) => Box::pin(app.handle(request)).await,
                    Err(error) => broken(&error),
                }
            })*
        }
    };
}

functions! {
    create_order: simdock_create_order,
    refund_order: simdock_refund_order,
    renew_order: simdock_renew_order,
    top_up_subscription: simdock_top_up_subscription,
    cancel_subscription: simdock_cancel_subscription,
    suspend_subscription: simdock_suspend_subscription,
    swap_sim: simdock_swap_sim,
    manage_order: simdock_manage_order,
    manage_sim: simdock_manage_sim,
    manage_inventory: simdock_manage_inventory,
    manage_partners: simdock_manage_partners,
    manage_plans: simdock_manage_plans,
    import_inventory: simdock_import_inventory,
    read: simdock_read,
}

impl Functions {
    /// Answers a request as the function does that the API has for this route.
    pub async fn answer(&self, route: &str, request: Request) -> Response<Body> {
        match route {
            "POST /v1/orders" => self.create_order(request).await,
            "POST /v1/orders/{orderNum}/refund" => self.refund_order(request).await,
            "POST /v1/orders/{orderNum}/renewal" => self.renew_order(request).await,
            "POST /v1/subscriptions/{subscriptionId}/top-ups" => self.top_up_subscription(request).await,
            "POST /v1/subscriptions/{subscriptionId}/cancellation" => self.cancel_subscription(request).await,
            "POST /v1/subscriptions/{subscriptionId}/suspension" | "POST /v1/subscriptions/{subscriptionId}/resumption" => {
                self.suspend_subscription(request).await
            }
            "POST /v1/subscriptions/{subscriptionId}/sim-swap" => self.swap_sim(request).await,
            "POST /v1/orders/{orderNum}/shipment"
            | "PATCH /v1/orders/{orderNum}/recipient"
            | "POST /v1/orders/{orderNum}/emails"
            | "POST /v1/orders/{orderNum}/retry"
            | "POST /v1/orders/{orderNum}/notes" => self.manage_order(request).await,
            "PATCH /v1/sims/{iccid}" | "POST /v1/sims/{iccid}/archive" | "POST /v1/sims/{iccid}/restore" => {
                self.manage_sim(request).await
            }
            "PATCH /v1/inventory/{poolId}" => self.manage_inventory(request).await,
            "POST /v1/partners"
            | "PATCH /v1/partners/{partnerId}"
            | "POST /v1/partners/{partnerId}/credits"
            | "POST /v1/keys"
            | "POST /v1/keys/{keyId}/revocation" => self.manage_partners(request).await,
            "PUT /v1/plans/{planId}" => self.manage_plans(request).await,
            "POST /v1/inventory/imports" => self.import_inventory(request).await,
            _ => self.read(request).await,
        }
    }
}

fn broken(error: &ConfigError) -> Response<Body> {
    tracing::error!(%error, "a function cannot be built");
    Problem::internal(error.to_string()).into_response("")
}
