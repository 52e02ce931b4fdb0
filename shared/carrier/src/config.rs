//! Which operators are reached over HTTP, from the environment.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;

use http::Uri;
use http::uri::Scheme;
use serde::Deserialize;
use simdock_payments::{Secret, SecretError};

use crate::client::{self, Operator};

/// Longest base URL in bytes.
const MAX_URL_LENGTH: usize = 2048;

/// Why the configured operators cannot be used. Names the operator and repeats no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigError {
    /// Not JSON of the documented shape.
    Json {
        /// Line, from 1.
        line: usize,
        /// Column in that line, from 1.
        column: usize,
    },
    /// The operator's URL is not an `https` one, or `http` on the loopback interface, without user, query and fragment.
    Url {
        /// The operator's identifier.
        operator: String,
    },
    /// The operator's secret is not a Standard Webhooks one.
    Secret {
        /// The operator's identifier.
        operator: String,
        /// What is wrong with it.
        error: SecretError,
    },
    /// TLS cannot be set up, for example since the system has no root certificates.
    Tls(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    url: String,
    secret: String,
}

pub fn operators(json: &str) -> Result<HashMap<String, Operator>, ConfigError> {
    if json.trim().is_empty() {
        return Ok(HashMap::new());
    }
    let entries: HashMap<String, Entry> =
        serde_json::from_str(json).map_err(|error| ConfigError::Json { line: error.line(), column: error.column() })?;
    if entries.is_empty() {
        return Ok(HashMap::new());
    }

    let plain = entries.values().all(|entry| entry.url.starts_with("http:"));
    let client = client::build(!plain)?;
    entries
        .into_iter()
        .map(|(operator, Entry { url, secret })| {
            let Some(base_url) = base_url(&url) else { return Err(ConfigError::Url { operator }) };
            match Secret::standard(&secret) {
                Ok(secret) => Ok((operator, Operator { base_url, secret, client: client.clone() })),
                Err(error) => Err(ConfigError::Secret { operator, error }),
            }
        })
        .collect()
}

/// The URL without a slash at its end, if it may be called.
fn base_url(url: &str) -> Option<String> {
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

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json { line, column } => {
                write!(f, "the carriers are not JSON of the documented shape at line {line} column {column}")
            }
            Self::Url { operator } => write!(
                f,
                "the URL of carrier {operator} must be https (http only on the loopback interface) without user, query or fragment"
            ),
            Self::Secret { operator, error } => write!(f, "the secret of carrier {operator}: {error}"),
            Self::Tls(reason) => write!(f, "TLS cannot be set up: {reason}"),
        }
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

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
