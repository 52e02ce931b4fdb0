//! What every function needs before it can do anything: its configuration, a clock, JSON-line logs and metrics, and the shapes of the
//! queue and stream events that start it.

mod batch;
mod clock;
mod config;
mod http;
mod log;
mod metrics;

pub use batch::{BatchResponse, JobFailed, SqsEvent, SqsMessage, StreamChange, StreamEvent, StreamRecord, each_message};
pub use clock::Clock;
pub use config::{Config, ConfigError, Service};
pub use lambda_runtime::{Context, Error, LambdaEvent, service_fn};
pub use log::{log_json_lines, log_to_stdout};
pub use metrics::{Measured, Metric, Metrics};
