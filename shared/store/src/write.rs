//! Sending reads and writes, and sending them again only where that is safe.

use crate::error::{Outcome, outcome};
use crate::item::{Item, number};
use crate::stock::built;
use crate::{Conflict, Store, StoreError};
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem, Update};
use std::time::{Duration, Instant};

/// How often one request is sent at most; with [`pause`], over one to four seconds.
pub const SENDS: u32 = 14;
/// How long a request goes on being sent, so that its caller can still answer before its own time is over.
const BUDGET: Duration = Duration::from_secs(6);

/// Why a request was not carried out, as far as is known.
#[derive(Debug)]
pub enum SendError<E> {
    /// A condition did not hold; nothing changed.
    Refused(E),
    /// The tables could not be asked; a write may have happened.
    Failed(StoreError),
}

/// Whether a request may be carried out twice.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Twice {
    /// Its condition, or its being a read, makes the second time harmless.
    Harmless,
    /// The second time would take again.
    Harmful,
}

/// A transaction whose conditions did not hold.
#[derive(Debug)]
pub enum TransactError {
    /// The places of the items whose conditions did not hold; nothing changed.
    Refused(Vec<usize>),
    /// The tables could not be asked; the transaction may have happened.
    Failed(StoreError),
}

impl<E> From<StoreError> for SendError<E> {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl From<StoreError> for TransactError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl<E> SendError<E> {
    /// The error of a request that has no condition, or whose refusal is itself an error.
    pub fn unconditional(self) -> StoreError {
        match self {
            Self::Refused(_) => StoreError::Broken("a condition was refused where none should be".to_owned()),
            Self::Failed(error) => error,
        }
    }
}

/// Full jitter, so that writers in conflict do not meet again.
pub async fn pause(sends: u32) {
    let ceiling = (10_u64 << sends.min(6)).min(400);
    tokio::time::sleep(Duration::from_millis(fastrand::u64(1..=ceiling))).await;
}

/// Sends a request until it is answered or refused, or cannot be sent again.
pub async fn send<T, E, R, F>(twice: Twice, request: impl Fn() -> F) -> Result<T, SendError<E>>
where
    E: ProvideErrorMetadata,
    F: Future<Output = Result<T, SdkError<E, R>>>,
{
    send_judged(twice, request, outcome).await
}

async fn send_judged<T, E, R, F>(
    twice: Twice,
    request: impl Fn() -> F,
    judge: fn(&SdkError<E, R>) -> (Outcome, String),
) -> Result<T, SendError<E>>
where
    F: Future<Output = Result<T, SdkError<E, R>>>,
{
    let begun = Instant::now();
    let mut sends = 0;
    loop {
        let error = match request().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        sends += 1;
        match (judge(&error), error) {
            ((Outcome::Refused, _), SdkError::ServiceError(service)) => return Err(SendError::Refused(service.into_err())),
            ((Outcome::Refused | Outcome::Invalid, text), _) => return Err(StoreError::Broken(text).into()),
            ((Outcome::Unknown, text), _) if twice == Twice::Harmful => return Err(StoreError::Busy(text).into()),
            ((Outcome::Unknown | Outcome::NotApplied, text), _) if sends == SENDS || begun.elapsed() > BUDGET => {
                return Err(StoreError::Busy(text).into());
            }
            ((Outcome::Unknown | Outcome::NotApplied, _), _) => pause(sends).await,
        }
    }
}

/// A cancelled transaction is a refusal when a condition failed; when others were merely in the way it can be sent again.
fn transaction_outcome<R>(error: &SdkError<TransactWriteItemsError, R>) -> (Outcome, String) {
    let SdkError::ServiceError(service) = error else { return outcome(error) };
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = service.err() else { return outcome(error) };
    let codes: Vec<&str> = cancelled.cancellation_reasons().iter().filter_map(|reason| reason.code()).collect();
    let in_the_way = |code: &&str| {
        matches!(
            *code,
            "None" | "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded" | "RequestLimitExceeded"
        )
    };
    if codes.contains(&"ConditionalCheckFailed") {
        (Outcome::Refused, String::new())
    } else if let Some(other) = codes.iter().find(|code| !in_the_way(code)) {
        (Outcome::Invalid, format!("transaction cancelled: {other}"))
    } else {
        (Outcome::NotApplied, "transaction in conflict with others".to_owned())
    }
}

/// A write of a record over the version before.
pub fn over_version(table: &str, record: Item, version: u64) -> Result<Put, StoreError> {
    let put = Put::builder().table_name(table).set_item(Some(record));
    let put = put.condition_expression("version = :before").expression_attribute_values(":before", number(version - 1));
    built(put.build())
}

/// Whether a conditional write was carried out.
fn answered<T, E>(answer: Result<T, SendError<E>>) -> Result<Result<(), Conflict>, StoreError> {
    match answer {
        Ok(_) => Ok(Ok(())),
        Err(SendError::Refused(_)) => Ok(Err(Conflict)),
        Err(SendError::Failed(error)) => Err(error),
    }
}

impl Store {
    /// Sends a conditional put by itself.
    pub(crate) async fn replace(&self, put: Put) -> Result<Result<(), Conflict>, StoreError> {
        let request = self
            .client
            .put_item()
            .table_name(put.table_name)
            .set_item(Some(put.item))
            .set_condition_expression(put.condition_expression)
            .set_expression_attribute_names(put.expression_attribute_names)
            .set_expression_attribute_values(put.expression_attribute_values);
        answered(send(Twice::Harmless, || request.clone().send()).await)
    }

    /// Sends a conditional update by itself.
    async fn update(&self, update: Update) -> Result<Result<(), Conflict>, StoreError> {
        let request = self
            .client
            .update_item()
            .table_name(update.table_name)
            .set_key(Some(update.key))
            .update_expression(update.update_expression)
            .set_condition_expression(update.condition_expression)
            .set_expression_attribute_names(update.expression_attribute_names)
            .set_expression_attribute_values(update.expression_attribute_values);
        answered(send(Twice::Harmless, || request.clone().send()).await)
    }

    /// Writes all the items or none. The client token makes sending the same bytes again within minutes harmless; past that,
    /// and for engines that forget it, the items' own conditions do.
    ///
    /// A put or an update that is alone is sent as what it is, for half of what a transaction costs. There is no token then: where an
    /// answer got lost, the second time may be refused by what the first has written. Whoever is refused reads again in any case.
    pub(crate) async fn transact(&self, items: Vec<TransactWriteItem>) -> Result<(), TransactError> {
        let alone = match items.as_slice() {
            [TransactWriteItem { put: Some(put), .. }] => Some(self.replace(put.clone()).await?),
            [TransactWriteItem { update: Some(update), .. }] => Some(self.update(update.clone()).await?),
            _ => None,
        };
        if let Some(answer) = alone {
            return answer.map_err(|Conflict| TransactError::Refused(vec![0]));
        }
        let token = format!("{:032x}", fastrand::u128(..));
        let request = self.client.transact_write_items().set_transact_items(Some(items.clone())).client_request_token(&token);
        match send_judged(Twice::Harmless, || request.clone().send(), transaction_outcome).await {
            Ok(_) => Ok(()),
            Err(SendError::Failed(error)) => Err(error.into()),
            Err(SendError::Refused(TransactWriteItemsError::TransactionCanceledException(cancelled))) => {
                let reasons = cancelled.cancellation_reasons().iter().enumerate();
                let failed = reasons.filter(|(_, reason)| reason.code() == Some("ConditionalCheckFailed"));
                Err(TransactError::Refused(failed.map(|(position, _)| position).collect()))
            }
            Err(SendError::Refused(other)) => Err(StoreError::Broken(other.to_string()).into()),
        }
    }
}
