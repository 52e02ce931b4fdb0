use crate::{Fields, Problem};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lambda_http::http::header;
use lambda_http::{Request, RequestExt};
use serde_json::Value;
use simdock_domain::OrderNum;
use std::collections::BTreeMap;

/// The largest body in bytes, except for imports.
pub const MAX_BODY: usize = 256 * 1024;

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
    let value: Value = serde_json::from_slice(body).map_err(|error| {
        Problem::malformed_json(format!("The body is not JSON: line {}, column {}.", error.line(), error.column()))
    })?;
    let canonical = value.to_string();
    match value {
        Value::Object(object) => Ok((Fields::new(object), canonical)),
        _ => Err(Problem::malformed_json("The body must be a JSON object.")),
    }
}

/// The `Idempotency-Key` header, quoted as the draft wants it or plain as most send it: 1 to 255 visible characters.
pub fn idempotency_key(request: &Request) -> Result<&str, Problem> {
    let name = "Idempotency-Key";
    let mut values = request.headers().get_all(name).iter();
    let value = values.next().ok_or_else(Problem::idempotency_key_missing)?;
    let invalid = || Problem::invalid_field(name, "must be given once and have 1 to 255 visible characters");
    let text = value.to_str().map_err(|_| invalid())?;
    let key = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    if values.next().is_some() || key.len() > 255 || !key.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        return Err(invalid());
    }
    if key.trim().is_empty() { Err(Problem::idempotency_key_missing()) } else { Ok(key) }
}

/// A parameter of the path.
pub fn path_parameter(request: &Request, name: &str) -> String {
    request.path_parameters().first(name).unwrap_or_default().to_owned()
}

/// The order that the path names. What is no order number names no order.
pub fn order_num(request: &Request) -> Result<OrderNum, Problem> {
    path_parameter(request, "orderNum").parse().map_err(|_| Problem::not_found("order"))
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

/// Where a page ended, for the client to hand back.
pub fn write_cursor(list_key: &str) -> String {
    URL_SAFE_NO_PAD.encode(list_key)
}

/// A cursor that a client handed back.
pub fn cursor(text: &str) -> Result<String, Problem> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Problem::invalid_cursor())?;
    let list_key = String::from_utf8(bytes).map_err(|_| Problem::invalid_cursor())?;
    match list_key.split_once('#') {
        Some((time, num)) if time.parse::<simdock_domain::Timestamp>().is_ok() && num.parse::<OrderNum>().is_ok() => Ok(list_key),
        _ => Err(Problem::invalid_cursor()),
    }
}
