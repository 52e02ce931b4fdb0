//! Simdock on one machine, without an AWS account: what `infra/template.yaml` declares, in one process, on the loopback interface.
//!
//! The functions are the product's own. They are started by the same events as on AWS, and talk to `DynamoDB`, SQS and SES through
//! the same SDK clients over HTTP. What stands in for AWS is small: an embedded `DynamoDB` engine, two calls of SQS, one of SES,
//! the HTTP API, event source mappings and `EventBridge` as far as the template uses them. Not simulated are IAM, throttling,
//! several instances of a function, cold starts, and transaction conflicts.

mod admin;
mod behaviour;
mod cli;
mod clock;
mod control;
mod data;
pub mod demo;
mod doctor;
mod engine;
mod error;
mod event_bus;
mod function;
mod functions;
mod gateway;
mod home;
mod http;
mod ids;
mod mailbox;
mod mime;
mod operator;
mod queues;
mod seed;
mod ses;
mod sources;
mod sqs;
mod stack;
mod state;
mod stripe;
mod template;

pub use cli::{Command, USAGE, parse, run};
pub use clock::StackClock;
pub use data::Keys;
pub use doctor::{Patient, Repaired, Report, examine, repair};
pub use error::StackError;
pub use function::{Handler, event_handler, http_handler};
pub use functions::load;
pub use queues::{Depth, NewMessage, Queues, Received};
pub use ses::{Mail, Mailbox};
pub use stack::{DEFAULT_PORT, Loader, Options, Proxy, Stack};
