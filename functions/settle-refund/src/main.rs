//! The binary that AWS Lambda starts.

use lambda_runtime::{Error, service_fn};
use simdock_settle_refund::App;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    simdock_runtime::log_to_stdout();
    let app = App::new(&simdock_runtime::Config::from_env()).await?;
    lambda_runtime::run(service_fn(|event| app.handle(event))).await
}
