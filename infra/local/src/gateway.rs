//! The HTTP API: routes, the event that API Gateway makes of a request (payload format 2.0), and the answer it makes of a result.

use crate::clock::StackClock;
use crate::function::{Failure, Function};
use crate::http::{BodyError, Request, Response, json, read_body};
use crate::ids::{random, uuid};
use crate::template::{ACCOUNT, Route, Segment};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, COOKIE, HeaderName, HeaderValue, SET_COOKIE};
use hyper::http::request::Parts;
use hyper::{StatusCode, header};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;

/// Largest body that API Gateway accepts, in bytes.
const LARGEST_BODY: usize = 10 * 1024 * 1024;
/// Largest event or result of a Lambda function, in bytes.
const LARGEST_PAYLOAD: usize = 6 * 1024 * 1024;

/// All routes, the most specific first.
#[derive(Clone, Debug)]
pub struct Gateway {
    routes: Vec<(Route, Function)>,
    clock: StackClock,
}

impl Gateway {
    /// The routes of these functions.
    pub fn new(functions: &[Function], clock: StackClock) -> Self {
        let mut routes: Vec<_> = functions
            .iter()
            .flat_map(|function| function.spec.routes.iter().map(|route| (route.clone(), function.clone())))
            .collect();
        routes.sort_by(|(a, _), (b, _)| (&a.segments, a.method == "ANY").cmp(&(&b.segments, b.method == "ANY")));
        Self { routes, clock }
    }

    /// Method, path and function of every route.
    pub fn routes(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.routes.iter().map(|(route, function)| (route.method.as_str(), route.path.as_str(), function.spec.package.as_str()))
    }

    fn find(&self, method: &str, path: &str) -> Option<(&Route, &Function, Map<String, Value>)> {
        self.routes.iter().find_map(|(route, function)| {
            let parameters = matches(&route.segments, path)?;
            (route.method == "ANY" || route.method == method).then_some((route, function, parameters))
        })
    }

    /// Answers a request as the deployed API would.
    pub async fn handle(&self, request: Request, peer: SocketAddr) -> Response {
        let (parts, body) = request.into_parts();
        let Some((route, function, path_parameters)) = self.find(parts.method.as_str(), parts.uri.path()) else {
            return own_answer(StatusCode::NOT_FOUND, "Not Found");
        };
        let body = match read_body(body, LARGEST_BODY).await {
            Ok(body) => body,
            Err(BodyError::TooLarge) => return own_answer(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large"),
            Err(BodyError::Broken) => return own_answer(StatusCode::BAD_REQUEST, "Bad Request"),
        };
        let event = event(&parts, &body, route, path_parameters, peer, &self.clock);
        if is_too_large(&event) {
            return own_answer(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
        }
        match function.call_within(event, route.timeout).await {
            Ok(result) => {
                answer(&result).unwrap_or_else(|| own_answer(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"))
            }
            // The gateway gave up before the function's own time was over.
            Err(Failure::TimedOut) if route.timeout < function.spec.timeout => {
                own_answer(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
            }
            Err(Failure::Error(_) | Failure::Crashed | Failure::TimedOut) => {
                own_answer(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
            }
        }
    }
}

/// Whether Lambda would not take or give it.
fn is_too_large(payload: &Value) -> bool {
    let body = payload.get("body").and_then(Value::as_str).map_or(0, str::len);
    // All else of an event is bounded by the largest head of a request, and a character of the body takes six at most.
    6 * body > LARGEST_PAYLOAD / 2 && payload.to_string().len() > LARGEST_PAYLOAD
}

/// What the gateway says by itself has a `message` and is no problem+json.
fn own_answer(status: StatusCode, message: &str) -> Response {
    json(status, &json!({ "message": message }))
}

fn decoded(part: &str) -> String {
    percent_decode_str(part).decode_utf8_lossy().into_owned()
}

/// The values of a route's parameters, if the path is one of the route's.
fn matches(segments: &[Segment], path: &str) -> Option<Map<String, Value>> {
    let mut parameters = Map::new();
    let mut parts = path.strip_prefix('/')?.split('/');
    for segment in segments {
        if let Segment::Rest(name) = segment {
            // After a slash there is a rest, if an empty one: a route of its own could not end with a slash.
            let rest = parts.collect::<Vec<_>>();
            return (!rest.is_empty()).then(|| {
                parameters.insert(name.clone(), decoded(&rest.join("/")).into());
                parameters
            });
        }
        match (segment, parts.next()?) {
            (Segment::Fixed(fixed), part) if fixed == part => {}
            (Segment::Parameter(name), part) if !part.is_empty() => {
                parameters.insert(name.clone(), decoded(part).into());
            }
            (Segment::Fixed(_) | Segment::Parameter(_) | Segment::Rest(_), _) => return None,
        }
    }
    parts.next().is_none().then_some(parameters)
}

/// The event for a request, with the fields and the spelling of payload format 2.0.
fn event(
    parts: &Parts,
    body: &Bytes,
    route: &Route,
    path_parameters: Map<String, Value>,
    peer: SocketAddr,
    clock: &StackClock,
) -> Value {
    let route_key = format!("{} {}", route.method, route.path);
    let path = parts.uri.path();
    let query = parts.uri.query().unwrap_or_default();
    let header = |name: HeaderName| parts.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let host = header(header::HOST).unwrap_or_else(|| "127.0.0.1".to_owned());

    let mut headers: BTreeMap<&str, String> = BTreeMap::new();
    for (name, value) in &parts.headers {
        if name == COOKIE {
            continue;
        }
        let value = String::from_utf8_lossy(value.as_bytes());
        headers
            .entry(name.as_str())
            .and_modify(|joined| {
                let _ = write!(joined, ",{value}");
            })
            .or_insert_with(|| value.into_owned());
    }
    let now_ms = clock.now_ms();
    headers.insert("x-amzn-trace-id", format!("Root=1-{:08x}-{}", now_ms / 1_000, hex::encode(random::<12>())));
    headers.insert("x-forwarded-for", peer.ip().to_string());
    headers.insert("x-forwarded-port", host.rsplit_once(':').map_or("80", |(_, port)| port).to_owned());
    headers.insert("x-forwarded-proto", "http".to_owned());

    let mut event = json!({
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": "local",
            "domainName": host,
            "domainPrefix": "local",
            "http": {
                "method": parts.method.as_str(),
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": peer.ip().to_string(),
                "userAgent": header(header::USER_AGENT).unwrap_or_default(),
            },
            "requestId": uuid(),
            "routeKey": route_key,
            "stage": "$default",
            "time": clf_time(clock),
            "timeEpoch": now_ms,
        },
        "isBase64Encoded": false,
    });
    let cookies: Vec<_> = parts
        .headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';').map(|cookie| cookie.trim().to_owned()))
        .collect();
    if !cookies.is_empty() {
        event["cookies"] = json!(cookies);
    }
    if !query.is_empty() {
        event["queryStringParameters"] = query_parameters(query);
    }
    if !path_parameters.is_empty() {
        event["pathParameters"] = Value::Object(path_parameters);
    }
    if !body.is_empty() {
        let content_type = header(CONTENT_TYPE).unwrap_or_default();
        match std::str::from_utf8(body) {
            Ok(text) if is_text(&content_type) => event["body"] = text.into(),
            _ => {
                event["body"] = STANDARD.encode(body).into();
                event["isBase64Encoded"] = true.into();
            }
        }
    }
    event
}

/// Content types whose bodies the gateway hands on as they are; it encodes every other.
fn is_text(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.starts_with("text/") || ["application/json", "application/javascript", "application/xml"].contains(&essence.as_str())
}

/// A parameter that is there several times has its values joined by commas.
fn query_parameters(query: &str) -> Value {
    let mut parameters: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()).into_owned() {
        parameters
            .entry(name)
            .and_modify(|joined| {
                let _ = write!(joined, ",{value}");
            })
            .or_insert(value);
    }
    json!(parameters)
}

/// The time as API Gateway writes it, `22/Nov/2026:10:30:00 +0000`.
fn clf_time(clock: &StackClock) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let rfc3339 = clock.now().to_string();
    let month =
        rfc3339.get(5..7).and_then(|month| month.parse::<usize>().ok()).and_then(|month| MONTHS.get(month.checked_sub(1)?));
    match (rfc3339.get(..4), month, rfc3339.get(8..10), rfc3339.get(11..19)) {
        (Some(year), Some(month), Some(day), Some(time)) => format!("{day}/{month}/{year}:{time} +0000"),
        _ => rfc3339,
    }
}

/// The answer that a result asks for; none if the gateway cannot make sense of it.
fn answer(result: &Value) -> Option<Response> {
    if is_too_large(result) {
        return None;
    }
    let Some(status) = result.get("statusCode").and_then(Value::as_u64) else {
        // A result that is no response becomes the body of one.
        return Some(json(StatusCode::OK, result));
    };
    let body = match result.get("body").and_then(Value::as_str) {
        Some(text) if result.get("isBase64Encoded") == Some(&Value::Bool(true)) => Bytes::from(STANDARD.decode(text).ok()?),
        Some(text) => Bytes::from(text.to_owned()),
        None => Bytes::new(),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = StatusCode::from_u16(u16::try_from(status).ok()?).ok()?;
    let headers = response.headers_mut();
    for (name, value) in result.get("headers").and_then(Value::as_object).into_iter().flatten() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        headers.insert(HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(&text).ok()?);
    }
    for cookie in result.get("cookies").and_then(Value::as_array).into_iter().flatten() {
        headers.append(SET_COOKIE, HeaderValue::from_str(cookie.as_str()?).ok()?);
    }
    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("text/plain;charset=UTF-8"));
    // hyper writes its own.
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::TRANSFER_ENCODING);
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::function::{event_handler, http_handler};
    use crate::template::{TEMPLATE, Template};
    use lambda_http::RequestExt;
    use std::time::Duration;

    fn route(method: &str, path: &str) -> Route {
        let segments = path.trim_start_matches('/').split('/').map(|segment| match segment.strip_prefix('{') {
            Some(name) => Segment::Parameter(name.trim_end_matches('}').to_owned()),
            None => Segment::Fixed(segment.to_owned()),
        });
        Route { method: method.to_owned(), path: path.to_owned(), segments: segments.collect(), timeout: Duration::from_secs(30) }
    }

    fn event_of(request: hyper::http::request::Builder, body: &'static [u8], route: &Route) -> Value {
        let parts = request.body(()).unwrap().into_parts().0;
        let parameters = matches(&route.segments, parts.uri.path()).unwrap();
        event(&parts, &Bytes::from_static(body), route, parameters, "127.0.0.1:50000".parse().unwrap(), &StackClock::new(0))
    }

    fn request(method: &str, uri: &str) -> hyper::http::request::Builder {
        hyper::Request::builder().method(method).uri(uri).header("Host", "127.0.0.1:8080")
    }

    #[test]
    fn an_event_has_the_shape_of_payload_format_2() {
        let request = request("POST", "/v1/orders/EP%201/refund?x=1&x=2&name=a%20b+c")
            .header("X-Twice", "one")
            .header("X-Twice", "two")
            .header("Cookie", "a=1; b=2")
            .header("User-Agent", "test")
            .header("Content-Type", "application/json; charset=utf-8");
        let event = event_of(request, b"{\"a\": 1}", &route("POST", "/v1/orders/{orderNum}/refund"));
        assert_eq!(event["version"], "2.0");
        assert_eq!(event["routeKey"], "POST /v1/orders/{orderNum}/refund");
        assert_eq!(event["rawPath"], "/v1/orders/EP%201/refund");
        assert_eq!(event["rawQueryString"], "x=1&x=2&name=a%20b+c");
        assert_eq!(event["queryStringParameters"], json!({"x": "1,2", "name": "a b c"}));
        assert_eq!(event["pathParameters"], json!({"orderNum": "EP 1"}));
        assert_eq!(event["headers"]["x-twice"], "one,two");
        assert_eq!(event["headers"].get("cookie"), None);
        assert_eq!(event["cookies"], json!(["a=1", "b=2"]));
        assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("{\"a\": 1}"), &json!(false)));
        let context = &event["requestContext"];
        assert_eq!(context["http"]["method"], "POST");
        assert_eq!(context["http"]["sourceIp"], "127.0.0.1");
        assert_eq!(context["http"]["userAgent"], "test");
        assert_eq!((&context["stage"], &context["routeKey"]), (&json!("$default"), &event["routeKey"]));
        assert!(!context["requestId"].as_str().unwrap().is_empty());
        assert_eq!(context["time"].as_str().unwrap().len(), "22/Nov/2026:10:30:00 +0000".len());
    }

    #[test]
    fn what_is_not_text_is_base64() {
        let route = route("POST", "/b");
        for (content_type, body, encoded) in [
            ("application/octet-stream", b"abc".as_slice(), true),
            ("application/x-www-form-urlencoded", b"a=1", true),
            ("text/csv", b"a,b", false),
            ("text/csv", b"\xff", true),
        ] {
            let event = event_of(request("POST", "/b").header("Content-Type", content_type), body, &route);
            assert_eq!(event["isBase64Encoded"], encoded, "{content_type}");
        }
        let empty = event_of(request("POST", "/b"), b"", &route);
        assert_eq!(empty.get("body"), None);
    }

    #[test]
    fn the_most_specific_route_is_taken() {
        let template = "
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: f
      Events:
        A: {Type: HttpApi, Properties: {Method: GET, Path: '/v1/orders/{orderNum}'}}
        B: {Type: HttpApi, Properties: {Method: GET, Path: /v1/orders/export}}
        C: {Type: HttpApi, Properties: {Method: ANY, Path: /v1/orders/export}}
        D: {Type: HttpApi, Properties: {Method: ANY, Path: '/v1/{rest+}'}}
";
        let spec = Template::parse(template, &BTreeMap::new(), "").unwrap().functions.remove(0);
        let function = Function::new(
            spec,
            event_handler(|event: lambda_http::LambdaEvent<Value>| async move { Ok::<_, String>(event.payload) }),
        );
        let gateway = Gateway::new(&[function], StackClock::new(0));
        let found = |method, path| gateway.find(method, path).map(|(route, _, _)| format!("{} {}", route.method, route.path));
        assert_eq!(found("GET", "/v1/orders/export").unwrap(), "GET /v1/orders/export");
        assert_eq!(found("DELETE", "/v1/orders/export").unwrap(), "ANY /v1/orders/export");
        assert_eq!(found("GET", "/v1/orders/EP1").unwrap(), "GET /v1/orders/{orderNum}");
        for (method, path) in [("GET", "/v1/orders"), ("POST", "/v1/orders/EP1"), ("GET", "/v1/orders/EP1/x")] {
            assert_eq!(found(method, path).unwrap(), "ANY /v1/{rest+}", "{method} {path}");
        }
        let rest = gateway.find("GET", "/v1/orders/EP1/a%20b").unwrap().2;
        assert_eq!(rest["rest"], "orders/EP1/a b");
        assert_eq!(gateway.find("HEAD", "/v1/").unwrap().2["rest"], "");
        for (method, path) in [("GET", "/v1"), ("GET", "/v2/orders"), ("GET", "/v2/")] {
            assert_eq!(found(method, path), None, "{method} {path}");
        }
    }

    #[tokio::test]
    async fn a_function_reads_the_event_through_lambda_http() {
        let handler = http_handler(|request: lambda_http::Request| async move {
            let order = request.path_parameters().first("orderNum").unwrap_or_default().to_owned();
            let twice = request.query_string_parameters().all("x").map(|all| all.len());
            assert_eq!(twice, Some(2));
            let body = match request.body() {
                lambda_http::Body::Binary(bytes) => bytes.clone(),
                other => panic!("{other:?}"),
            };
            lambda_http::Response::builder()
                .status(201)
                .header("X-Order", order)
                .header("Set-Cookie", "a=1")
                .header("Set-Cookie", "b=2")
                .header("Content-Type", "application/octet-stream")
                .body(lambda_http::Body::from(body))
                .unwrap()
        });
        let mut spec = Template::parse(TEMPLATE, &crate::template::tests::parameters(), "").unwrap().functions.remove(0);
        spec.timeout = Duration::from_secs(5);
        let request = request("POST", "/v1/orders/EP1?x=1&x=2").header("Content-Type", "application/octet-stream");
        let event = event_of(request, b"\x00\xff", &route("POST", "/v1/orders/{orderNum}"));
        let result = Function::new(spec, handler).call(event).await.unwrap();
        let response = answer(&result).unwrap();
        assert_eq!(response.status(), 201);
        assert_eq!(response.headers()["x-order"], "EP1");
        assert_eq!(response.headers().get_all("set-cookie").iter().count(), 2);
        let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
        assert_eq!(body.as_ref(), b"\x00\xff");
    }

    #[test]
    fn results_become_answers_as_the_gateway_makes_them() {
        let plain = answer(&json!({"hello": 1})).unwrap();
        assert_eq!((plain.status(), plain.headers()[CONTENT_TYPE].to_str().unwrap()), (StatusCode::OK, "application/json"));
        assert!(answer(&json!({"statusCode": 99})).is_none());
        assert!(answer(&json!({"statusCode": 200, "headers": {"bad name": "x"}})).is_none());
        assert!(answer(&json!({"statusCode": 200, "isBase64Encoded": true, "body": "%"})).is_none());
        assert!(answer(&json!({"statusCode": 200, "body": "x".repeat(LARGEST_PAYLOAD)})).is_none());
    }
}
