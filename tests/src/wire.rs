//! `DynamoDB`'s JSON protocol, without an SDK between.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, StatusCode, header};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// An HTTP client of an engine.
pub type HttpClient = Client<HttpConnector, Full<Bytes>>;

/// The media type of requests and answers.
pub const CONTENT_TYPE: &str = "application/x-amz-json-1.0";
/// What stands before the operation in the header `x-amz-target`.
pub const TARGET_PREFIX: &str = "DynamoDB_20120810.";

/// A client with connections of its own.
pub fn client() -> HttpClient {
    Client::builder(TokioExecutor::new()).build_http()
}

/// Sends one operation.
pub async fn call(client: &HttpClient, url: &str, operation: &str, body: &Value) -> (StatusCode, Value) {
    let request = Request::builder()
        .method(Method::POST)
        .uri(url)
        .header(header::CONTENT_TYPE, CONTENT_TYPE)
        .header("x-amz-target", format!("{TARGET_PREFIX}{operation}"))
        .header("x-amz-date", "20261122T000000Z")
        // Engines look at the form of a signature, not at the signature.
        .header(
            header::AUTHORIZATION,
            "AWS4-HMAC-SHA256 Credential=test/20261122/us-east-1/dynamodb/aws4_request, SignedHeaders=host;x-amz-date, Signature=0",
        )
        .body(Full::new(Bytes::from(body.to_string())))
        .expect("a request");
    let response = client.request(request).await.expect("the engine answers");
    let status = response.status();
    let body = response.into_body().collect().await.expect("the engine's whole answer").to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}
