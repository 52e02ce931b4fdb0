use crate::Clock;
use crate::http::http_client;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use aws_types::sdk_config::StalledStreamProtectionConfig;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Everything a function is built from: its environment variables and its clock.
#[derive(Clone, Debug)]
pub struct Config {
    vars: BTreeMap<String, String>,
    clock: Clock,
}

/// A variable that is missing or cannot be used. The function does not start.
pub struct ConfigError {
    name: String,
    problem: String,
}

/// An AWS service, by the name that its endpoint variable `AWS_ENDPOINT_URL_<name>` ends with.
#[derive(Clone, Copy, Debug)]
pub enum Service {
    /// DynamoDB.
    DynamoDb,
    /// Simple Queue Service.
    Sqs,
    /// Simple Email Service, version 2.
    SesV2,
}

impl Config {
    /// The configuration of a function on AWS: the process's environment and the machine's clock.
    pub fn from_env() -> Self {
        // Lossy, since a variable that is not UTF-8 and not ours must not keep a function from starting.
        let vars =
            std::env::vars_os().map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()));
        Self { vars: vars.collect(), clock: Clock::system() }
    }

    /// A configuration made by hand, for functions that share a process.
    pub fn new(vars: BTreeMap<String, String>, clock: Clock) -> Self {
        Self { vars, clock }
    }

    /// The same configuration with another value of a variable.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.vars.insert(name.to_owned(), value.into());
        self
    }

    /// The same configuration with another clock.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// The value of a variable that must be there and not empty.
    pub fn var(&self, name: &str) -> Result<&str, ConfigError> {
        self.optional(name).ok_or_else(|| ConfigError::new(name, "is not set"))
    }

    /// The value of a variable, if it is there and not empty.
    pub fn optional(&self, name: &str) -> Option<&str> {
        self.vars.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The clock that decisions are made by.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// What an SDK client of `service` is built from. Region and keys come from the variables that Lambda sets, which saves
    /// the credential chain and its start time; an endpoint variable points the client elsewhere.
    pub fn sdk(&self, service: Service) -> Result<SdkConfig, ConfigError> {
        let credentials = Credentials::new(
            self.var("AWS_ACCESS_KEY_ID")?,
            self.var("AWS_SECRET_ACCESS_KEY")?,
            self.optional("AWS_SESSION_TOKEN").map(str::to_owned),
            None,
            "environment",
        );
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(Duration::from_secs(4))
            .operation_timeout(Duration::from_secs(12))
            .build();
        let unreachable = |error| ConfigError::new(service.endpoint_variable(), format!("cannot be reached: {error}"));
        let mut builder = SdkConfig::builder()
            .http_client(http_client().map_err(unreachable)?)
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.var("AWS_REGION")?.to_owned()))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            // A request and its answer are small: what stalls runs out of the attempt's time.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .timeout_config(timeouts);
        if let Some(url) = self.optional(service.endpoint_variable()) {
            builder = builder.endpoint_url(url);
        }
        Ok(builder.build())
    }
}

impl Service {
    fn endpoint_variable(self) -> &'static str {
        match self {
            Self::DynamoDb => "AWS_ENDPOINT_URL_DYNAMODB",
            Self::Sqs => "AWS_ENDPOINT_URL_SQS",
            Self::SesV2 => "AWS_ENDPOINT_URL_SESV2",
        }
    }
}

impl ConfigError {
    /// `name` is the variable; `problem` says what is wrong with it, without its value.
    pub fn new(name: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { name: name.into(), problem: problem.into() }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "environment variable {} {}", self.name, self.problem)
    }
}

/// The same as a person reads, since this is what a `main` shows that ends with an error.
impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ConfigError {}
