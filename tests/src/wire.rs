//! `DynamoDB`'s JSON protocol, without an SDK between.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, StatusCode, header};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

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
    let body = Bytes::from(body.to_string());
    let (status, answer) = send(client, url, &format!("{TARGET_PREFIX}{operation}"), body).await;
    (status, serde_json::from_slice(&answer).unwrap_or(Value::Null))
}

/// Sends a request as it is; `target` is its header `x-amz-target`.
pub async fn send(client: &HttpClient, url: &str, target: &str, body: Bytes) -> (StatusCode, Bytes) {
    let request = Request::builder()
        .method(Method::POST)
        .uri(url)
        .header(header::CONTENT_TYPE, CONTENT_TYPE)
        .header("x-amz-target", target)
        .header("x-amz-date", "20261122T000000Z")
        // Engines look at the form of a signature, not at the signature.
        .header(
            header::AUTHORIZATION,
            "AWS4-HMAC-SHA256 Credential=test/20261122/us-east-1/dynamodb/aws4_request, SignedHeaders=host;x-amz-date, Signature=0",
        )
        .body(Full::new(body))
        .expect("a request");
    let response = client.request(request).await.expect("the engine answers");
    let status = response.status();
    (status, response.into_body().collect().await.expect("the engine's whole answer").to_bytes())
}

/// Every item of a table, as stored.
pub async fn scan(client: &HttpClient, url: &str, table: &str) -> Vec<Value> {
    let mut items = Vec::new();
    let mut scan = json!({ "TableName": table, "ConsistentRead": true });
    loop {
        let (status, mut answer) = call(client, url, "Scan", &scan).await;
        assert!(status.is_success(), "Scan of {table}: {status} {answer}");
        if let Value::Array(page) = answer["Items"].take() {
            items.extend(page);
        }
        match answer["LastEvaluatedKey"].take() {
            Value::Null => return items,
            key => scan["ExclusiveStartKey"] = key,
        }
    }
}
