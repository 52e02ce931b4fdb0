//! The binary that AWS Lambda starts.

use lambda_http::Error;
use simdock_manage_inventory::App;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    simdock_runtime::log_to_stdout();
    let app = App::new(&simdock_runtime::Config::from_env()).await?;
    simdock_api::serve(|request| app.handle(request)).await
}
