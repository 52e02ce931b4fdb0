//! HTTP to others: the one client that every adapter is built on, and what may be said about their answers.

use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::Scheme;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Collected, Full, Limited};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

/// Longest base URL in bytes.
const MAX_URL_LENGTH: usize = 2048;

/// Longest reason in characters.
const MAX_REASON_LENGTH: usize = 200;

/// Shorter than the idle limits of common load balancers, so that a pooled connection is rarely found closed.
const IDLE_CONNECTION: Duration = Duration::from_secs(20);

/// What marks a word as an activation code, a mail address or a key of Stripe's or Standard Webhooks'.
const SECRET_MARKS: [&str; 7] = ["$", "@", "sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_"];

/// A pooled HTTP/1.1 client. Follows no redirect.
pub type Client = legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Builds a client. Reads the system's root certificates only for an `encrypted` one, and fails where there are none.
pub fn client(encrypted: bool) -> io::Result<Client> {
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let tls = if encrypted { tls.with_native_roots()? } else { tls.with_root_certificates(RootCertStore::empty()) };
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(tls.with_no_client_auth()).https_or_http().enable_http1().build();
    Ok(legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_CONNECTION)
        .build(connector))
}

/// Sends a request to `whom` and reads the whole answer. A body of more than `limit` bytes, or one that is cut off, comes
/// back empty: the status alone still tells a refusal from the rest. Without a status, the error is a printable reason.
pub async fn send(client: &Client, whom: &str, request: Request<Bytes>, limit: usize) -> Result<Response<Bytes>, String> {
    let answer = client.request(request.map(Full::new)).await.map_err(|error| not_reached(whom, &error))?;
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, limit).collect().await.map_or_else(|_too_long_or_cut_off| Bytes::new(), Collected::to_bytes);
    Ok(Response::from_parts(head, body))
}

fn not_reached(whom: &str, error: &legacy::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let what =
        if error.is_connect() { format!("{whom} cannot be connected to") } else { format!("the connection to {whom} broke") };
    printable(&format!("{what}: {cause}"))
}

/// The URL without a slash at its end, if requests may be sent below it: `https`, or `http` on the loopback interface, without
/// user, query and fragment, of at most 2048 bytes.
pub fn base_url(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok().filter(|_| url.len() <= MAX_URL_LENGTH && !url.contains('#'))?;
    let host = uri.host()?;
    let plain = uri.scheme() == Some(&Scheme::HTTP) && is_loopback(host);
    let encrypted = uri.scheme() == Some(&Scheme::HTTPS);
    let bare = uri.query().is_none() && !uri.authority()?.as_str().contains('@');
    ((plain || encrypted) && bare && !host.is_empty()).then(|| url.trim_end_matches('/').to_owned())
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// What others wrote as one line for logs and the order's history: at most 200 characters, none of them a control or format
/// character, and no word that could be part of an activation code, a mail address or a key.
pub fn printable(text: &str) -> String {
    let secret = |word: &str| SECRET_MARKS.iter().any(|mark| word.contains(mark));
    let words: Vec<_> = text.split_whitespace().map(|word| if secret(word) { "***" } else { word }).collect();
    let shown = |character: char| character == ' ' || character.is_ascii_graphic() || character.is_alphanumeric();
    words.join(" ").chars().map(|character| if shown(character) { character } else { '?' }).take(MAX_REASON_LENGTH).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_one_short_line_without_secrets() {
        assert_eq!(printable("no\r\nsuch\tprofile \u{1b}[31m\u{202e}"), "no such profile ?[31m?");
        assert_eq!(printable("bad code LPA:1$smdp.example.com$A-B for ana@example.com"), "bad code *** for ***");
        assert_eq!(printable("key: sk_live_51Hx, (rk_test_a) whsec_b task_id"), "key: *** *** *** task_id");
        assert_eq!(printable("プロファイルがありません"), "プロファイルがありません");
        assert_eq!(printable(&"é".repeat(500)).chars().count(), 200);
    }

    #[test]
    fn plain_http_is_for_loopback_only() {
        for (url, base) in [
            ("https://sim.example.com", Some("https://sim.example.com")),
            ("https://sim.example.com/", Some("https://sim.example.com")),
            ("HTTPS://sim.example.com:8443/tenant/7/", Some("HTTPS://sim.example.com:8443/tenant/7")),
            ("http://127.0.0.1:8080", Some("http://127.0.0.1:8080")),
            ("http://127.9.9.9", Some("http://127.9.9.9")),
            ("http://[::1]:8080", Some("http://[::1]:8080")),
            ("http://localhost:8080/", Some("http://localhost:8080")),
            ("http://sim.example.com", None),
            ("http://10.0.0.1", None),
            ("http://169.254.169.254", None),
            ("http://localhost.example.com", None),
            ("http://127.0.0.1.example.com", None),
            ("http://127.0.0.1@sim.example.com", None),
            ("https://user:password@sim.example.com", None),
            ("https://sim.example.com?key=1", None),
            ("https://sim.example.com#top", None),
            ("ftp://127.0.0.1", None),
            ("sim.example.com", None),
            ("/v1", None),
            ("https://", None),
            ("", None),
        ] {
            assert_eq!(base_url(url).as_deref(), base, "{url}");
        }
        assert_eq!(base_url(&format!("https://sim.example.com/{}", "a".repeat(MAX_URL_LENGTH))), None);
    }
}
