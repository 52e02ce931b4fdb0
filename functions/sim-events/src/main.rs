//! The binary that AWS Lambda starts.

use lambda_http::{Error, service_fn};
use simdock_sim_events::App;
use std::convert::Infallible;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    simdock_runtime::log_to_stdout();
    let app = App::new(&simdock_runtime::Config::from_env()).await?;
    lambda_http::run(service_fn(|request| async { Ok::<_, Infallible>(app.handle(request).await) })).await
}
