//! What a browser sends, and what it gets.

use crate::api::Refusal;
use crate::forms::before;
use futures_util::future::ready;
use futures_util::stream::once;
use lambda_http::http::header::{self, HeaderName, HeaderValue};
use lambda_http::http::{Method, StatusCode};
use lambda_http::request::RequestContext;
use lambda_http::{Body, Request, RequestExt, Response};
use maud::Markup;
use multer::{Multipart, parse_boundary};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Map, Value};
use std::convert::Infallible;

/// What a page may load and do: nothing from elsewhere, no script in the page itself, no frame around it.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
/// What stands for itself in a path and in a query (RFC 3986, "unreserved") is all that is not encoded.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The most characters of a reason for a refund, and of a note on a credit.
const MOST_SAID: usize = 200;
/// The parts of pages that keep themselves fresh, by their ids.
const POLLING: [&str; 2] = ["badge", "now"];
/// The largest form that is read, in bytes: an import's file is one.
pub const MAX_FORM: usize = 4 * 1024 * 1024;

/// What a form or a query holds, in its order.
#[derive(Clone, Debug, Default)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads `application/x-www-form-urlencoded`.
    pub fn urlencoded(text: impl AsRef<[u8]>) -> Self {
        Self(form_urlencoded::parse(text.as_ref()).into_owned().collect())
    }

    /// Reads `multipart/form-data` (RFC 7578), the form of those that hold a file. None if it is not in that form.
    async fn multipart(body: &[u8], boundary: String) -> Option<Self> {
        let whole = ready(Ok::<_, Infallible>(body.to_vec()));
        let mut parts = Multipart::new(once(whole), boundary);
        let mut fields = Vec::new();
        while let Some(field) = parts.next_field().await.ok()? {
            // A page of ours is in UTF-8, and so is what it sends.
            let name = field.name()?.to_owned();
            fields.push((name, String::from_utf8_lossy(&field.bytes().await.ok()?).into_owned()));
        }
        Some(Self(fields))
    }

    /// A field's first value without space around it; empty if it is not there.
    pub fn text(&self, name: &str) -> &str {
        self.raw(name).trim()
    }

    /// The same, if there is anything in it.
    pub fn given(&self, name: &str) -> Option<&str> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    /// A field's first value as it came.
    pub fn raw(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// All values of a field that are not empty.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let name = name.to_owned();
        self.0.iter().filter(move |(known, value)| *known == name && !value.trim().is_empty()).map(|(_, value)| value.trim())
    }

    /// Whether a field is there, as a ticked box is.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// Whether it carries what stood in its fields before.
    pub fn merges(&self) -> bool {
        self.0.iter().any(|(name, _)| name.starts_with("corrects."))
    }

    /// Whether a field holds something else than what stood there before.
    pub fn is_changed(&self, name: &str) -> bool {
        !self.all(name).eq(self.all(&before(name)))
    }

    /// Whether it holds nothing but what stood there before.
    pub fn is_as_before(&self) -> bool {
        let names = self.0.iter().map(|(name, _)| name.strip_prefix("corrects.").unwrap_or(name));
        let mut names = names.filter(|name| !["token", "key", "basedOn"].contains(name));
        self.merges() && !names.any(|name| self.is_changed(name))
    }

    /// Refuses a field that was emptied, where nothing would mean that it stays.
    pub fn filled(&self, name: &str) -> Result<(), Refusal> {
        if self.has(name) && self.given(name).is_none() {
            Err(Refusal::about(name, format!("{name} is required.")))
        } else {
            Ok(())
        }
    }

    /// Refuses a reason or a note that is longer than the API takes, before what comes of it is shown.
    pub fn short(&self, name: &str) -> Result<(), Refusal> {
        if self.text(name).chars().count() > MOST_SAID {
            Err(Refusal::about(name, format!("{name} must have 1 to {MOST_SAID} characters.")))
        } else {
            Ok(())
        }
    }

    /// Whether a box was ticked; what no box of ours sends is refused.
    pub fn ticked(&self, name: &str) -> Result<bool, Refusal> {
        match (self.has(name), self.text(name)) {
            (false, _) => Ok(false),
            (true, "true") => Ok(true),
            (true, other) => Err(Refusal::about(name, format!("{name} is a box to be ticked, and cannot be “{other}”."))),
        }
    }

    /// The fields.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Takes a field over into a JSON body, if it was filled in.
    pub fn put(&self, body: &mut Map<String, Value>, name: &str) {
        let text = self.text(name);
        if !text.is_empty() {
            set(body, name, text.into());
        }
    }

    /// The same for a text as the page had it, with the space around it.
    pub fn put_raw(&self, body: &mut Map<String, Value>, name: &str) {
        if self.given(name).is_some() {
            set(body, name, self.raw(name).into());
        }
    }

    /// The same for a whole number; what is none goes as it is, for the API to refuse by the field's name.
    pub fn put_number(&self, body: &mut Map<String, Value>, name: &str) {
        let text = self.text(name);
        if !text.is_empty() {
            set(body, name, text.parse::<i64>().map_or_else(|_| text.into(), Value::from));
        }
    }

    /// The same for all values of a field.
    pub fn put_all(&self, body: &mut Map<String, Value>, name: &str) {
        let values: Vec<Value> = self.all(name).map(Value::from).collect();
        if !values.is_empty() {
            set(body, name, values.into());
        }
    }

    /// The same for a postal address, whose lines are one box of text.
    pub fn put_address(&self, body: &mut Map<String, Value>, name: &str) {
        let part = |part: &str| self.text(&format!("{name}.{part}")).to_owned();
        let lines: Vec<Value> = part("lines").lines().map(str::trim).filter(|line| !line.is_empty()).map(Value::from).collect();
        if lines.is_empty() && ["city", "region", "postalCode", "country"].iter().all(|field| part(field).is_empty()) {
            return;
        }
        if !lines.is_empty() {
            set(body, &format!("{name}.lines"), lines.into());
        }
        for field in ["city", "region", "postalCode"] {
            self.put(body, &format!("{name}.{field}"));
        }
        if !part("country").is_empty() {
            set(body, &format!("{name}.country"), part("country").to_uppercase().into());
        }
    }

    /// The query with some of its fields changed, to be put behind a `?`.
    pub fn with(&self, changes: &[(&str, &str)]) -> String {
        let kept = self.iter().filter(|(name, value)| !value.is_empty() && changes.iter().all(|(changed, _)| changed != name));
        let new = changes.iter().copied().filter(|(_, value)| !value.is_empty());
        form_urlencoded::Serializer::new(String::new()).extend_pairs(kept.chain(new)).finish()
    }
}

/// Sets a field by its path, such as `subscriber.email`.
pub fn set(body: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            body.insert(path.to_owned(), value);
        }
        Some((first, rest)) => {
            let inner = body.entry(first).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                set(inner, rest, value);
            }
        }
    }
}

fn decoded(part: &str) -> String {
    percent_decode_str(part).decode_utf8_lossy().into_owned()
}

/// What of an address stands behind its host.
fn path_of(url: &str) -> Option<&str> {
    let below = url.split_once("://")?.1;
    below.get(below.find('/')?..)?.split('#').next()
}

/// Percent-encodes what is put into a path or a query.
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// The parts of one of the console's paths, below `/console`; none of any other, nor of one that goes up, or would in somebody's eyes.
pub fn parts(path: &str) -> Option<Vec<String>> {
    let below = path.strip_prefix("/console").filter(|below| below.is_empty() || below.starts_with('/'))?;
    let parts: Vec<String> = below.split('/').filter(|part| !part.is_empty()).map(decoded).collect();
    let plain =
        |part: &String| part != "." && part != ".." && !part.contains(|c: char| matches!(c, '/' | '\\') || c.is_control());
    parts.iter().all(plain).then_some(parts)
}

/// The path that has these parts below `/console`, with its query.
pub fn path(parts: &[String], query: &Form) -> String {
    let path = parts.iter().fold("/console".to_owned(), |path, part| path + "/" + &encoded(part));
    let query = query.with(&[]);
    if query.is_empty() { path } else { format!("{path}?{query}") }
}

/// A request to the console.
#[derive(Debug)]
pub struct Visit {
    /// GET, or POST for all that changes something.
    pub method: Method,
    /// The path below `/console`, cut at its slashes.
    pub path: Vec<String>,
    /// What stands behind the `?`.
    pub query: Form,
    /// What a form sent.
    pub form: Form,
    /// The gateway's own words on the request.
    pub context: RequestContext,
    /// Whether the browser speaks with this machine itself, without TLS.
    pub loopback: bool,
    /// Whether htmx asks for a part of a page.
    pub partial: bool,
    /// The page on which somebody asks for it, by its path and query; none where a page only keeps itself fresh.
    pub asked_on: Option<String>,
    from_here: bool,
    cookies: Vec<(String, String)>,
}

impl Visit {
    /// Reads a request; none if its path is not one of the console's. What is too large or no form at all has an empty form, and so no
    /// token either.
    pub async fn new(request: &Request) -> Option<Self> {
        let context = request.request_context_ref()?.clone();
        let host = match &context {
            RequestContext::ApiGatewayV2(context) => context.domain_name.clone().unwrap_or_default(),
            _ => String::new(),
        };
        let name = host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name);
        let loopback = matches!(name, "127.0.0.1" | "localhost" | "[::1]");
        let origin = format!("{}://{host}", if loopback { "http" } else { "https" });
        let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        // A form that is posted under `no-referrer` says `Origin: null`; the browser's own word on where it comes from stands beside it.
        let from_here = match (header("sec-fetch-site"), header("origin")) {
            (Some(site), Some(from)) => site == "same-origin" && (from == "null" || from == origin),
            (Some(site), None) => site == "same-origin",
            (None, Some(from)) => from == origin,
            (None, None) => false,
        };
        let cookies = request.headers().get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let cookies = cookies.flat_map(|value| value.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
        Some(Self {
            // The answer to HEAD is the one to GET; whoever speaks HTTP to the browser leaves out its body.
            method: if request.method() == Method::HEAD { Method::GET } else { request.method().clone() },
            path: parts(request.uri().path())?,
            query: Form::urlencoded(request.uri().query().unwrap_or_default()),
            form: form(request).await,
            loopback,
            partial: header("hx-request") == Some("true"),
            asked_on: header("hx-current-url")
                .filter(|_| header("hx-trigger").is_none_or(|id| !POLLING.contains(&id)))
                .map(|url| path_of(url).unwrap_or_default().to_owned()),
            from_here,
            cookies: cookies.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            context,
        })
    }

    /// Whether a page of this very console sent it.
    pub fn is_from_here(&self) -> bool {
        self.from_here
    }

    /// A cookie, by the name that it has here.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let name = self.cookie_name(name);
        self.cookies.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// The name of a cookie: bound to this host and to TLS by its prefix (RFC 6265bis), except on this machine, which has none.
    fn cookie_name(&self, name: &str) -> String {
        if self.loopback { format!("simdock-{name}") } else { format!("__Host-simdock-{name}") }
    }

    /// A cookie to be set; without a value it is taken away. It goes along when somebody follows a link from a mail to a page (`Lax`):
    /// no GET changes anything, every POST needs the session's token and an origin, and who had to show the key again for each link
    /// would keep it where it can be copied from.
    pub fn set_cookie(&self, name: &str, value: &str, seconds: i64) -> HeaderValue {
        let secure = if self.loopback { "" } else { "; Secure" };
        let cookie = format!("{}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}", self.cookie_name(name));
        HeaderValue::from_str(&cookie).unwrap_or(HeaderValue::from_static(""))
    }
}

async fn form(request: &Request) -> Form {
    let body: &[u8] = request.body();
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if body.len() > MAX_FORM {
        return Form::default();
    }
    if let Ok(boundary) = parse_boundary(content_type) {
        return Form::multipart(body, boundary).await.unwrap_or_default();
    }
    if content_type.starts_with("application/x-www-form-urlencoded") {
        return Form::urlencoded(body);
    }
    Form::default()
}

/// An answer with the headers that all have.
pub fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A page, or a part of one.
pub fn page(status: StatusCode, markup: Markup) -> Response<Body> {
    answer(status, "text/html; charset=utf-8", markup.into_string())
}

/// Sends the browser on, by GET.
pub fn redirect(to: &str) -> Response<Body> {
    let mut response = answer(StatusCode::SEE_OTHER, "text/plain; charset=utf-8", "");
    if let Ok(to) = HeaderValue::from_str(to) {
        response.headers_mut().insert(header::LOCATION, to);
    }
    response
}

/// A file to be kept.
pub fn download(name: &str, content_type: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut response = answer(StatusCode::OK, content_type, body);
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[tokio::test]
    async fn forms_are_read_in_both_ways() {
        let form = Form::urlencoded("a=1&b=x+y%21&a=%2&c=&d");
        assert_eq!((form.text("a"), form.text("b"), form.all("a").count()), ("1", "x y!", 2));
        assert!(form.has("c") && form.has("d") && !form.has("e"));
        let body = b"--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--X\r\n\
            Content-Disposition: form-data; name=\"file\"; filename=\"c.csv\"\r\nContent-Type: text/csv\r\n\r\niccid\n1\n\r\n--X--\r\n";
        let read = async |body: &'static [u8]| Form::multipart(body, "X".to_owned()).await;
        let form = read(body).await.unwrap();
        assert_eq!((form.text("a"), form.raw("file")), ("1", "iccid\n1\n"));
        for broken in [&b""[..], b"--X", b"--X\r\n\r\n1\r\n--X--", b"--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1"]
        {
            assert!(read(broken).await.is_none());
        }
    }

    #[test]
    fn paths_are_the_consoles_own() {
        for (given, ours) in [
            ("/console", Some("/console")),
            ("/console/", Some("/console")),
            ("/console//orders/", Some("/console/orders")),
            ("/console//evil.example/", Some("/console/evil.example")),
            ("/console/orders/EP%201", Some("/console/orders/EP%201")),
            ("/console/%252e%252e/x", Some("/console/%252e%252e/x")),
            ("/console/...", Some("/console/...")),
            ("/consoles", None),
            ("//evil.example/console", None),
            ("https://evil.example/console", None),
            ("/console/../x", None),
            ("/console/orders/./x", None),
            ("/console/%2e%2E/x", None),
            ("/console/.%2e/%2E", None),
            ("/console/%2f..%2fx", None),
            ("/console/\\evil.example", None),
            ("/console/%5cevil.example", None),
            ("/console/a%0d%0aSet-Cookie:x", None),
            ("", None),
        ] {
            let read = parts(given).map(|parts| path(&parts, &Form::default()));
            assert_eq!(read.as_deref(), ours, "{given}");
        }
    }

    #[test]
    fn fields_make_a_body() {
        let form =
            Form::urlencoded("a=&count=2&subscriber.email=a%40b&subscriber.name=A&to.lines=Calle+1%0D%0A%0D%0A2&to.country=es");
        let mut body = Map::new();
        for name in ["a", "subscriber.email", "subscriber.name"] {
            form.put(&mut body, name);
        }
        form.put_number(&mut body, "count");
        form.put_address(&mut body, "to");
        form.put_address(&mut body, "from");
        let expected = json!({
            "count": 2, "subscriber": {"email": "a@b", "name": "A"}, "to": {"lines": ["Calle 1", "2"], "country": "ES"},
        });
        assert_eq!(Value::Object(body), expected);
    }

    #[test]
    fn a_form_knows_whether_something_was_changed() {
        for (form, same) in [
            ("token=x&key=y&basedOn=1&corrects.a=1&a=1&corrects.b=&b=&corrects.c=x&c=x&corrects.c=y&c=y", true),
            ("corrects.a=1&a=2", false),
            ("corrects.a=1", false),
            ("corrects.a=1&a=1&ticked=true", false),
            ("a=1", false),
        ] {
            assert_eq!(Form::urlencoded(form).is_as_before(), same, "{form}");
        }
    }

    #[test]
    fn a_query_keeps_what_is_not_changed() {
        let query = Form::urlencoded("status=4&cursor=x&email=a%2Bb%40c&type=");
        assert_eq!(query.with(&[("cursor", "n=1")]), "status=4&email=a%2Bb%40c&cursor=n%3D1");
        assert_eq!(query.with(&[("cursor", ""), ("status", "")]), "email=a%2Bb%40c");
    }
}
