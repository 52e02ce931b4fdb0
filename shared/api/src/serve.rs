//! From an event of API Gateway to a request.

use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use lambda_http::http::header::{HOST, HeaderName};
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Body, Error, IntoResponse, LambdaEvent, Request, Response, Service, lambda_runtime, service_fn};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Serialize;
use serde_json::value::RawValue;
use std::convert::Infallible;
use std::future::ready;
use std::pin::Pin;

/// What RFC 3986 has no place for in a query.
const NO_URI: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Answers the requests that API Gateway hands over, until the process ends.
pub async fn serve<F>(handle: impl Fn(Request) -> F + Sync) -> Result<(), Error>
where
    F: Future<Output = Response<Body>> + Send,
{
    let handle = &handle;
    let answered = async |event: LambdaEvent<Box<RawValue>>| {
        // The runtime's own reading keeps track of where in the event it is, which takes twice the code.
        let payload = serde_json::from_str(event.payload.get())?;
        match answer(handle, LambdaEvent::new(payload, event.context)).await {
            Ok(answer) => Ok::<_, Error>(answer),
            Err(never) => match never {},
        }
    };
    lambda_runtime::run(service_fn(answered)).await
}

/// The answer to one event, as JSON that API Gateway understands.
pub async fn answer<F>(
    handle: impl Fn(Request) -> F + Sync,
    event: LambdaEvent<ApiGatewayV2httpRequest>,
) -> Result<impl Serialize, Infallible>
where
    F: Future<Output = Response<Body>> + Send,
{
    let handle = &handle;
    let mut adapter = Adapter::from(service_fn(|request| {
        let answer = handle(request);
        async { Ok(Answer(answer.await)) }
    }));
    adapter.call(LambdaEvent::new(sound(event.payload), event.context)).await
}

/// An answer whose text is UTF-8. Of any other response the adapter would find out by its `charset`, and for that it puts the tables
/// of all encodings that the web ever had into the binary.
struct Answer(Response<Body>);

impl IntoResponse for Answer {
    fn into_response(self) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>> {
        Box::pin(ready(self.0))
    }
}

/// The event in a form that always makes a request. The adapter makes a URI of the query as it came and of headers that the client
/// wrote, and panics where they make none: a lone `"` in a query would end the process. No function looks at these headers.
fn sound(mut event: ApiGatewayV2httpRequest) -> LambdaRequest {
    event.headers.remove(HOST);
    event.headers.remove(HeaderName::from_static("x-forwarded-proto"));
    // What the query says stays the same.
    event.raw_query_string = event.raw_query_string.map(|query| utf8_percent_encode(&query, NO_URI).to_string());
    LambdaRequest::ApiGatewayV2(event)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lambda_http::RequestExt;
    use serde_json::json;

    #[test]
    fn every_event_makes_a_request() {
        for (host, query, value) in [
            ("a.example.com", "a=1", "1"),
            ("a.example.com:99999", "a=%22", "\""),
            ("[", "a=\"", "\""),
            ("ü b", "a=<é >#%", "<é >#%"),
            ("", "a=x|y^z`{}\\", "x|y^z`{}\\"),
        ] {
            let event = serde_json::from_value(json!({
                "version": "2.0", "routeKey": "GET /v1/orders", "rawPath": "/v1/orders", "rawQueryString": query,
                "headers": {"x-forwarded-proto": "ht tp"}, "isBase64Encoded": false,
                "requestContext": {
                    "domainName": "a.example.com", "routeKey": "GET /v1/orders", "stage": "$default", "timeEpoch": 0,
                    "http": {"method": "GET", "path": "/v1/orders", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1"},
                },
            }));
            let mut event: ApiGatewayV2httpRequest = event.unwrap();
            event.headers.insert(HOST, lambda_http::http::HeaderValue::from_bytes(host.as_bytes()).unwrap());
            let request = Request::from(sound(event));
            assert_eq!(request.query_string_parameters().first("a"), Some(value), "{query}");
        }
    }
}
