use crate::{Fields, Problem};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lambda_http::http::{HeaderValue, header};
use lambda_http::{Body, Request, RequestExt, Response};
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use simdock_domain::OrderNum;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// The largest body in bytes, except for imports.
pub const MAX_BODY: usize = 256 * 1024;
/// The longest id that a path can name, and the longest cursor, in bytes: what is longer is none of ours, and might be no key that
/// `DynamoDB` takes.
const MAX_ID: usize = 64;
const MAX_CURSOR: usize = 1024;

/// The route that API Gateway matched, such as `GET /v1/orders/{orderNum}`.
pub fn route(request: &Request) -> String {
    use lambda_http::request::RequestContext;
    match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.route_key.clone().unwrap_or_default(),
        _ => String::new(),
    }
}

/// A header's value, if it is there, once, and readable.
pub fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok()
}

/// The body, if it is of the type and size that the route takes.
pub fn body_of<'a>(request: &'a Request, media_type: &str, most: usize) -> Result<&'a [u8], Problem> {
    if request.body().len() > most {
        return Err(Problem::body_too_large(most));
    }
    let content_type = header(request, header::CONTENT_TYPE.as_str()).unwrap_or_default();
    if !content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(media_type) {
        return Err(Problem::unsupported_media_type(media_type));
    }
    Ok(request.body())
}

/// The body as a JSON object, with a text that is the same for every way to write it.
pub fn json_object(request: &Request) -> Result<(Fields, String), Problem> {
    let body = body_of(request, "application/json", MAX_BODY)?;
    let OneOfEach(value) = serde_json::from_slice(body).map_err(|error| {
        let what = if error.is_data() { "names a field twice" } else { "is not JSON" };
        Problem::malformed_json(format!("The body {what}: line {}, column {}.", error.line(), error.column()))
    })?;
    let canonical = value.to_string();
    match value {
        Value::Object(object) => Ok((Fields::new(object), canonical)),
        _ => Err(Problem::malformed_json("The body must be a JSON object.")),
    }
}

/// JSON in which no object names a field twice: readers differ in which one they would take.
struct OneOfEach(Value);

impl<'de> Deserialize<'de> for OneOfEach {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOfEachVisitor).map(Self)
    }
}

struct OneOfEachVisitor;

impl<'de> Visitor<'de> for OneOfEachVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(OneOfEach(value)) = values.next_element()? {
            array.push(value);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((name, OneOfEach(value))) = fields.next_entry::<String, _>()? {
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a field is named twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

/// The `Idempotency-Key` header, quoted as the draft wants it or plain as most send it: 1 to 255 visible characters.
pub fn idempotency_key(request: &Request) -> Result<&str, Problem> {
    let name = "Idempotency-Key";
    let mut values = request.headers().get_all(name).iter();
    let value = values.next().ok_or_else(Problem::idempotency_key_missing)?;
    let invalid = || {
        Problem::invalid_field(name, "must be given once and have 1 to 255 visible characters, without commas and quotes in it")
    };
    let text = value.to_str().map_err(|_| invalid())?;
    let key = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    // The gateway joins what came in several headers with commas.
    let plain = |byte: u8| (byte.is_ascii_graphic() || byte == b' ') && !matches!(byte, b',' | b'"');
    if values.next().is_some() || key.len() > 255 || !key.bytes().all(plain) {
        return Err(invalid());
    }
    if key.trim().is_empty() { Err(Problem::idempotency_key_missing()) } else { Ok(key) }
}

/// The `Idempotency-Key` header where it may be left out.
pub fn optional_idempotency_key(request: &Request) -> Result<Option<&str>, Problem> {
    request.headers().contains_key("Idempotency-Key").then(|| idempotency_key(request)).transpose()
}

/// The answer to a request that came before, which says so.
pub fn replayed(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert("Idempotency-Replayed", HeaderValue::from_static("true"));
    response
}

/// A parameter of the path.
pub fn path_parameter(request: &Request, name: &str) -> String {
    request.path_parameters().first(name).unwrap_or_default().to_owned()
}

/// The order that the path names. What is no order number names no order.
pub fn order_num(request: &Request) -> Result<OrderNum, Problem> {
    path_parameter(request, "orderNum").parse().map_err(|_| Problem::not_found("order"))
}

/// Whether a text could be an id that was given here.
pub fn is_id(text: &str) -> bool {
    (1..=MAX_ID).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The query's parameters, each at most once, and none that is not known.
pub fn query_parameters(request: &Request, known: &[&str]) -> Result<BTreeMap<String, String>, Problem> {
    let query = request.query_string_parameters();
    let mut parameters = BTreeMap::new();
    for (name, value) in query.iter() {
        if !known.contains(&name) {
            return Err(Problem::unknown_field(name.chars().take(64).collect::<String>()));
        }
        if parameters.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(Problem::invalid_field(name, "may be given once"));
        }
    }
    Ok(parameters)
}

/// A parameter that is true or false, taken out of the query's; `None` if it is not given.
pub fn flag_parameter(parameters: &mut BTreeMap<String, String>, name: &str) -> Result<Option<bool>, Problem> {
    let flag = parameters.remove(name).map(|text| text.parse());
    flag.transpose().map_err(|_| Problem::not_a_flag(name))
}

/// Where a page ended, for the client to hand back.
pub fn write_cursor(position: &impl fmt::Display) -> String {
    URL_SAFE_NO_PAD.encode(position.to_string())
}

/// A cursor that a client handed back.
pub fn cursor<T: FromStr>(text: &str) -> Result<T, Problem> {
    if text.len() > MAX_CURSOR {
        return Err(Problem::invalid_cursor());
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Problem::invalid_cursor())?;
    let position = String::from_utf8(bytes).map_err(|_| Problem::invalid_cursor())?;
    position.parse().map_err(|_| Problem::invalid_cursor())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_named_once() {
        let read = |text: &str| serde_json::from_str::<OneOfEach>(text).map(|OneOfEach(value)| value);
        let good = r#"{"a": [1, -2, 0.5, null, true, {"a": "b"}], "b": {}}"#;
        assert_eq!(read(good).unwrap(), serde_json::from_str::<Value>(good).unwrap());
        for twice in [r#"{"a": 1, "a": 1}"#, r#"{"b": {"a": 1, "a": 2}}"#, r#"[{"a": 1, "\u0061": 2}]"#] {
            assert!(read(twice).unwrap_err().is_data(), "{twice}");
        }
        assert!(read("1e400").is_err());
    }
}
