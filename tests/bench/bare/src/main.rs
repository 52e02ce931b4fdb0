//! The least that a function can be: what the functions' start and size are measured against.

use lambda_http::{Body, Error, Request, Response, service_fn};
use std::convert::Infallible;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_http::run(service_fn(async |_: Request| Ok::<_, Infallible>(Response::new(Body::Text("hello".to_owned()))))).await
}
