use futures_util::future::join_all;
use lambda_runtime::LambdaEvent;
use serde::{Deserialize, Serialize};
use std::fmt;
use tracing::Instrument;

/// What SQS hands to a function: up to ten messages, or more with a batching window.
#[derive(Debug, Deserialize)]
pub struct SqsEvent {
    /// The messages.
    #[serde(rename = "Records")]
    pub records: Vec<SqsMessage>,
}

/// One message of an [`SqsEvent`]; what this product does not read is left out.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SqsMessage {
    /// Named again in the answer when the message has to come back.
    pub message_id: String,
    /// What was sent.
    pub body: String,
}

/// What a DynamoDB stream hands to a function.
#[derive(Debug, Deserialize)]
pub struct StreamEvent<Image> {
    /// The changes, in their order within a shard.
    #[serde(rename = "Records")]
    pub records: Vec<StreamRecord<Image>>,
}

/// One change of one item.
#[derive(Debug, Deserialize)]
pub struct StreamRecord<Image> {
    /// The item before and after.
    #[serde(rename = "dynamodb")]
    pub change: StreamChange<Image>,
}

/// The item before and after a change; `Image` is DynamoDB's own JSON, still to be read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct StreamChange<Image> {
    /// Named again in the answer when the change has to come back.
    pub sequence_number: String,
    /// Absent when the item was deleted.
    #[serde(default = "Option::default")]
    pub new_image: Option<Image>,
    /// Absent when the item was created.
    #[serde(default = "Option::default")]
    pub old_image: Option<Image>,
}

/// The answer to a batch: what was not named is done.
#[derive(Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchResponse {
    batch_item_failures: Vec<BatchItemFailure>,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct BatchItemFailure {
    item_identifier: String,
}

impl BatchResponse {
    /// Asks for the item (a message id or a sequence number) to be delivered again.
    pub fn deliver_again(&mut self, item_identifier: String) {
        self.batch_item_failures.push(BatchItemFailure { item_identifier });
    }

    /// How many items have to come back.
    pub fn failures(&self) -> usize {
        self.batch_item_failures.len()
    }
}

/// Why a message was not done and has to come back; at the queue's last receive it goes to the dead letters.
#[derive(Debug)]
pub struct JobFailed(pub String);

impl<E: std::error::Error> From<E> for JobFailed {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

impl fmt::Display for JobFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Works the messages of a batch concurrently, each for itself and under a log span of its own, on which `work` records the order:
/// one that fails, or that nobody can read, comes back alone.
pub async fn each_message<'a, F>(
    function: &'static str,
    event: &'a LambdaEvent<SqsEvent>,
    work: impl Fn(&'a str) -> F,
) -> BatchResponse
where
    F: Future<Output = Result<(), JobFailed>>,
{
    let outcomes = event.payload.records.iter().map(|message| {
        let (request, sent) = (&event.context.request_id, &message.message_id);
        let span = tracing::info_span!("job", function, requestId = request, messageId = sent, orderNum = tracing::field::Empty);
        let work = work(&message.body);
        let worked = async {
            let failed = work.await.err();
            if let Some(error) = &failed {
                tracing::warn!(%error, "message comes back");
            }
            failed.is_some()
        };
        worked.instrument(span)
    });
    let mut response = BatchResponse::default();
    for (message, failed) in event.payload.records.iter().zip(join_all(outcomes).await) {
        if failed {
            response.deliver_again(message.message_id.clone());
        }
    }
    response
}
