//! The functions that the template can name, each with its own handler.

use crate::error::{Context, StackError};
use crate::function::{Handler, event_handler, http_handler};
use simdock_runtime::Config;
use std::sync::Arc;

/// Builds a function from its configuration, as its own process would on AWS.
pub async fn load(package: &str, config: &Config) -> Result<Handler, StackError> {
    macro_rules! http {
        ($function:ident) => {{
            let app = Arc::new($function::App::new(config).await.context("configuration")?);
            http_handler(move |request| {
                let app = Arc::clone(&app);
                async move { app.handle(request).await }
            })
        }};
    }
    macro_rules! event {
        ($function:ident) => {{
            let app = Arc::new($function::App::new(config).await.context("configuration")?);
            event_handler(move |event| {
                let app = Arc::clone(&app);
                async move { app.handle(event).await }
            })
        }};
    }
    Ok(match package {
        "create-order" => http!(simdock_create_order),
        "payment-webhook" => http!(simdock_payment_webhook),
        "import-inventory" => http!(simdock_import_inventory),
        "read" => http!(simdock_read),
        "refund-order" => http!(simdock_refund_order),
        "renew-order" => http!(simdock_renew_order),
        "top-up-subscription" => http!(simdock_top_up_subscription),
        "cancel-subscription" => http!(simdock_cancel_subscription),
        "swap-sim" => http!(simdock_swap_sim),
        "suspend-subscription" => http!(simdock_suspend_subscription),
        "manage-order" => http!(simdock_manage_order),
        "manage-sim" => http!(simdock_manage_sim),
        "manage-inventory" => http!(simdock_manage_inventory),
        "manage-plans" => http!(simdock_manage_plans),
        "manage-partners" => http!(simdock_manage_partners),
        "sim-events" => http!(simdock_sim_events),
        "console" => http!(simdock_console),
        "settle-refund" => event!(simdock_settle_refund),
        "relay" => event!(simdock_relay),
        "provision" => event!(simdock_provision),
        "send-email" => event!(simdock_send_email),
        "mail-events" => event!(simdock_mail_events),
        "sweep" => event!(simdock_sweep),
        unknown => return Err(StackError::new(format!("the local stack does not know the function {unknown}"))),
    })
}
