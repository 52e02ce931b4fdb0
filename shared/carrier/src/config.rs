//! Which operators are reached over HTTP, from the environment.

use std::collections::HashMap;
use std::fmt;

use serde::Deserialize;
use simdock_payments::http::{base_url, client};
use simdock_payments::{Secret, SecretError};

use crate::client::Operator;

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
    /// One of the operator's secrets is not a Standard Webhooks one.
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
    let client = client(!plain).map_err(|error| ConfigError::Tls(error.to_string()))?;
    entries
        .into_iter()
        .map(|(operator, Entry { url, secret })| {
            let Some(base_url) = base_url(&url) else { return Err(ConfigError::Url { operator }) };
            // Without any, requests would go out unsigned.
            let secrets = if secret.trim().is_empty() { Err(SecretError::Form) } else { Secret::standard_list(&secret) };
            match secrets {
                Ok(secrets) => Ok((operator, Operator { base_url, secrets, client: client.clone() })),
                Err(error) => Err(ConfigError::Secret { operator, error }),
            }
        })
        .collect()
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
