//! Stands in for SQS, as far as the functions use it: the JSON protocol's `SendMessage`,
//! `SendMessageBatch` and `GetQueueUrl`.

use crate::http::{Response, answer};
use crate::queues::{NewMessage, Queues};
use hyper::StatusCode;
use hyper::header::HeaderValue;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const CONTENT_TYPE: &str = "application/x-amz-json-1.0";

/// Largest message, and largest sum of a batch's messages, in bytes.
const LARGEST_MESSAGE: usize = 1024 * 1024;
/// Longest delay of one message, in seconds.
const LONGEST_DELAY: u32 = 900;
/// Messages in one batch, at most.
const LARGEST_BATCH: usize = 10;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct SendMessage {
    queue_url: String,
    message_body: String,
    delay_seconds: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct SendMessageBatch {
    queue_url: String,
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Entry {
    id: String,
    message_body: String,
    delay_seconds: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct GetQueueUrl {
    queue_name: String,
}

struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Refusal {
    fn of_sender(code: &'static str, message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code, message: message.into() }
    }
}

/// Answers a request whose `X-Amz-Target` header is given.
pub async fn handle(queues: &Queues, target: &str, body: &[u8]) -> Response {
    let result = match target {
        "AmazonSQS.GetQueueUrl" => get_queue_url(queues, body),
        "AmazonSQS.SendMessage" => send_message(queues, body).await,
        "AmazonSQS.SendMessageBatch" => send_message_batch(queues, body).await,
        other => Err(Refusal::of_sender("InvalidAction", format!("the local stack does not understand {other}"))),
    };
    match result {
        Ok(body) => answer(StatusCode::OK, CONTENT_TYPE, body.to_string()),
        Err(refusal) => {
            let body = json!({ "__type": format!("com.amazonaws.sqs#{}", refusal.code), "message": refusal.message });
            let mut response = answer(refusal.status, CONTENT_TYPE, body.to_string());
            // SDKs still know the errors by the names that they had in SQS's older protocol.
            let name = match refusal.code {
                "QueueDoesNotExist" => "AWS.SimpleQueueService.NonExistentQueue;Sender",
                "EmptyBatchRequest" => "AWS.SimpleQueueService.EmptyBatchRequest;Sender",
                "TooManyEntriesInBatchRequest" => "AWS.SimpleQueueService.TooManyEntriesInBatchRequest;Sender",
                "BatchEntryIdsNotDistinct" => "AWS.SimpleQueueService.BatchEntryIdsNotDistinct;Sender",
                "BatchRequestTooLong" => "AWS.SimpleQueueService.BatchRequestTooLong;Sender",
                _ => return response,
            };
            response.headers_mut().insert("x-amzn-query-error", HeaderValue::from_static(name));
            response
        }
    }
}

/// Reads a request. A field that is not known, such as an attribute or a group, would get lost, so it is refused.
fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::of_sender("InvalidParameterValue", error.to_string()))
}

/// The last part of an address names its queue, whatever comes before.
fn get_queue_url(queues: &Queues, body: &[u8]) -> Result<Value, Refusal> {
    let request: GetQueueUrl = read(body)?;
    let name = queue_name(queues, &request.queue_name)?;
    Ok(json!({ "QueueUrl": format!("/{name}") }))
}

fn queue_name<'a>(queues: &Queues, url: &'a str) -> Result<&'a str, Refusal> {
    let name = url.rsplit('/').next().unwrap_or_default();
    if queues.has(name) {
        Ok(name)
    } else {
        Err(Refusal::of_sender("QueueDoesNotExist", format!("The specified queue does not exist: {name}")))
    }
}

fn message(body: String, delay_seconds: Option<u32>) -> Result<NewMessage, Refusal> {
    if body.is_empty() || body.len() > LARGEST_MESSAGE {
        return Err(Refusal::of_sender("InvalidParameterValue", "MessageBody must have 1 to 1048576 bytes"));
    }
    if delay_seconds.is_some_and(|delay| delay > LONGEST_DELAY) {
        return Err(Refusal::of_sender("InvalidParameterValue", "DelaySeconds must be 0 to 900"));
    }
    Ok(NewMessage { body, delay_seconds })
}

async fn send(queues: &Queues, queue: &str, messages: Vec<NewMessage>) -> Result<Vec<String>, Refusal> {
    queues.send(queue, messages).await.map_err(|error| {
        tracing::error!(%error, queue, "messages could not be taken");
        Refusal { status: StatusCode::INTERNAL_SERVER_ERROR, code: "InternalError", message: "try again".to_owned() }
    })
}

// The answers leave out `MD5OfMessageBody`: the SDK reads it and compares it with nothing.

async fn send_message(queues: &Queues, body: &[u8]) -> Result<Value, Refusal> {
    let request: SendMessage = read(body)?;
    let queue = queue_name(queues, &request.queue_url)?;
    let ids = send(queues, queue, vec![message(request.message_body, request.delay_seconds)?]).await?;
    Ok(json!({ "MessageId": ids.first() }))
}

async fn send_message_batch(queues: &Queues, body: &[u8]) -> Result<Value, Refusal> {
    let request: SendMessageBatch = read(body)?;
    let queue = queue_name(queues, &request.queue_url)?;
    if request.entries.is_empty() {
        return Err(Refusal::of_sender("EmptyBatchRequest", "There should be at least one entry in the request."));
    }
    if request.entries.len() > LARGEST_BATCH {
        return Err(Refusal::of_sender("TooManyEntriesInBatchRequest", "Maximum number of entries per request are 10."));
    }
    if request.entries.iter().map(|entry| entry.id.as_str()).collect::<BTreeSet<_>>().len() < request.entries.len() {
        return Err(Refusal::of_sender("BatchEntryIdsNotDistinct", "Two entries have the same Id."));
    }
    if request.entries.iter().map(|entry| entry.message_body.len()).sum::<usize>() > LARGEST_MESSAGE {
        return Err(Refusal::of_sender("BatchRequestTooLong", "The entries have more than 1048576 bytes together."));
    }
    let (mut names, mut messages, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for entry in request.entries {
        match message(entry.message_body, entry.delay_seconds) {
            Ok(message) => {
                names.push(entry.id);
                messages.push(message);
            }
            Err(refusal) => {
                failed.push(json!({"Id": entry.id, "Code": refusal.code, "Message": refusal.message, "SenderFault": true}));
            }
        }
    }
    let ids = send(queues, queue, messages).await?;
    let successful: Vec<_> = names.iter().zip(&ids).map(|(name, id)| json!({ "Id": name, "MessageId": id })).collect();
    Ok(json!({ "Successful": successful, "Failed": failed }))
}
