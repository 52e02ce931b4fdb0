//! A function in this process: JSON in, JSON out, as on Lambda, within its time and without taking the stack along when it fails.

use crate::ids::uuid;
use crate::template::{ACCOUNT, FunctionSpec, REGION};
use futures_util::future::BoxFuture;
use lambda_http::{Body, LambdaEvent};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use simdock_api::answer;
use simdock_runtime::Context;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What a function does with an event.
pub type Handler = Arc<dyn Fn(Value, Context) -> BoxFuture<'static, Result<Value, String>> + Send + Sync>;

/// A handler for events that API Gateway makes, through the conversions that are done on AWS.
pub fn http_handler<H, F>(handle: H) -> Handler
where
    H: Fn(lambda_http::Request) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = lambda_http::Response<Body>> + Send + 'static,
{
    Arc::new(move |event, context| {
        let handle = handle.clone();
        Box::pin(async move {
            let event = serde_json::from_value(event).map_err(|error| error.to_string())?;
            match answer(handle, LambdaEvent::new(event, context)).await {
                Ok(response) => serde_json::to_value(response).map_err(|error| error.to_string()),
                Err(never) => match never {},
            }
        })
    })
}

/// A handler for any other event: what it takes is read from JSON, what it gives becomes JSON.
pub fn event_handler<E, R, X, H, F>(handle: H) -> Handler
where
    E: DeserializeOwned,
    R: Serialize,
    X: fmt::Display,
    H: Fn(LambdaEvent<E>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<R, X>> + Send + 'static,
{
    Arc::new(move |event, context| {
        let handle = handle.clone();
        Box::pin(async move {
            let event = serde_json::from_value(event).map_err(|error| error.to_string())?;
            let result = handle(LambdaEvent::new(event, context)).await.map_err(|error| error.to_string())?;
            serde_json::to_value(result).map_err(|error| error.to_string())
        })
    })
}

/// A function that can be called.
#[derive(Clone)]
pub struct Function {
    /// What the template says of it.
    pub spec: Arc<FunctionSpec>,
    handler: Handler,
}

/// Why a call gave nothing.
#[derive(Debug)]
pub enum Failure {
    /// The function answered with an error.
    Error(String),
    /// It panicked.
    Crashed,
    /// It ran out of time.
    TimedOut,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => f.write_str(error),
            Self::Crashed => f.write_str("the function crashed"),
            Self::TimedOut => f.write_str("the function ran out of time"),
        }
    }
}

impl Function {
    /// A function with what it does.
    pub fn new(spec: FunctionSpec, handler: Handler) -> Self {
        Self { spec: Arc::new(spec), handler }
    }

    /// Calls it.
    pub async fn call(&self, event: Value) -> Result<Value, Failure> {
        self.call_within(event, self.spec.timeout).await
    }

    /// Calls it with less time than it would have.
    pub async fn call_within(&self, event: Value, limit: Duration) -> Result<Value, Failure> {
        let limit = limit.min(self.spec.timeout);
        let mut context = Context::default();
        context.request_id = uuid();
        context.invoked_function_arn = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{}", self.spec.name);
        let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + limit;
        context.deadline = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);

        // A task of its own, so that a panic ends the call and nothing else.
        let mut task = tokio::spawn((self.handler)(event, context));
        let outcome = match tokio::time::timeout(limit, &mut task).await {
            Ok(Ok(result)) => result.map_err(Failure::Error),
            Ok(Err(_)) => Err(Failure::Crashed),
            Err(_) => {
                task.abort();
                Err(Failure::TimedOut)
            }
        };
        if let Err(failure) = &outcome {
            tracing::error!(function = self.spec.package, error = %failure, "invocation failed");
        }
        outcome
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function").field("spec", &self.spec).finish_non_exhaustive()
    }
}
