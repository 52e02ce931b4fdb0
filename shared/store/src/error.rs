use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use std::fmt;

/// The tables could not be asked. A write may or may not have happened: read, then decide again.
#[derive(Debug)]
pub enum StoreError {
    /// Throttled, in conflict with other writers for too long, or unreachable: try again later.
    Busy(String),
    /// The request or the record is wrong; trying again changes nothing.
    Broken(String),
}

/// A condition did not hold: somebody else changed the record first. Read it again, then decide again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conflict;

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy(why) => write!(f, "the tables are busy: {why}"),
            Self::Broken(why) => write!(f, "the tables refused: {why}"),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<serde_dynamo::Error> for StoreError {
    fn from(error: serde_dynamo::Error) -> Self {
        Self::Broken(format!("a record cannot be read: {error}"))
    }
}

impl From<serde_json::Error> for StoreError {
    fn from(error: serde_json::Error) -> Self {
        Self::Broken(format!("a record cannot be read: {error}"))
    }
}

/// What an SDK error says about the request that met it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Its condition did not hold; nothing changed.
    Refused,
    /// It was turned away before it did anything.
    NotApplied,
    /// It may have been carried out.
    Unknown,
    /// It can never be carried out.
    Invalid,
}

/// Reads the outcome off an SDK error, and a text about it that holds no values.
pub fn outcome<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> (Outcome, String) {
    match error {
        SdkError::ServiceError(service) => {
            let code = service.err().code().unwrap_or("unnamed error");
            let outcome = match code {
                "ConditionalCheckFailedException" => Outcome::Refused,
                "TransactionConflictException"
                | "TransactionInProgressException"
                | "ThrottlingException"
                | "ProvisionedThroughputExceededException"
                | "RequestLimitExceeded"
                | "LimitExceededException" => Outcome::NotApplied,
                "InternalServerError" | "InternalFailure" | "ServiceUnavailable" => Outcome::Unknown,
                _ => Outcome::Invalid,
            };
            let text = match (outcome, service.err().message()) {
                (Outcome::Invalid, Some(message)) => format!("{code}: {message}"),
                _ => code.to_owned(),
            };
            (outcome, text)
        }
        SdkError::TimeoutError(_) => (Outcome::Unknown, "no answer in time".to_owned()),
        SdkError::DispatchFailure(_) => (Outcome::Unknown, "no connection".to_owned()),
        SdkError::ResponseError(_) => (Outcome::Unknown, "the answer was cut off".to_owned()),
        SdkError::ConstructionFailure(_) => (Outcome::Invalid, "the request could not be built".to_owned()),
        _ => (Outcome::Unknown, "unforeseen error".to_owned()),
    }
}
