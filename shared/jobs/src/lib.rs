//! Jobs on their way: what the queues carry, and how it gets there.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::DisplayErrorContext;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use serde::{Deserialize, Serialize};
use simdock_domain::{Job, OrderNum};
use simdock_runtime::{Config, ConfigError, Service};
use std::fmt;

/// The longest that a queue can hold a message back, in seconds.
pub const LONGEST_DELAY: i64 = 900;
/// How many messages one request carries.
const BATCH: usize = 10;

/// A message: a job of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobMessage {
    /// Whose.
    pub order_num: OrderNum,
    /// What is to be done.
    #[serde(flatten)]
    pub job: Job,
}

/// A message on the carrier's queue.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum CarrierMessage {
    /// A job of an order.
    Order(JobMessage),
    /// What is wanted of a subscription's service.
    Service(ServiceMessage),
}

/// A message: a subscription whose card is to be let into the network or kept out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceMessage {
    /// Which.
    pub subscription_id: String,
}

/// A job to be queued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// The message.
    pub message: JobMessage,
    /// Seconds that the queue holds it back, 0 to [`LONGEST_DELAY`].
    pub delay: i64,
}

/// The queues, one for each kind of job.
#[derive(Debug)]
pub struct Queues {
    client: Client,
    carrier: String,
    mail: String,
    refund: String,
}

/// The queues could not be asked. Messages before may have been taken; sending all of them again does no harm.
#[derive(Debug)]
pub struct QueueError(String);

impl Queues {
    /// The queues that the configuration names.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        Ok(Self {
            client: Client::new(&config.sdk(Service::Sqs)?),
            carrier: config.var("PROVISION_QUEUE_URL")?.to_owned(),
            mail: config.var("MAIL_QUEUE_URL")?.to_owned(),
            refund: config.var("REFUND_QUEUE_URL")?.to_owned(),
        })
    }

    /// The variables that name a stage's queues, with their addresses, for whoever is no function of that stage.
    pub async fn of_stage(config: &Config, stage: &str) -> Result<Vec<(&'static str, String)>, QueueError> {
        let failed = |error: &dyn fmt::Display| QueueError(error.to_string());
        let client = Client::new(&config.sdk(Service::Sqs).map_err(|error| failed(&error))?);
        let mut urls = Vec::new();
        for (variable, name) in [("PROVISION_QUEUE_URL", "provision"), ("MAIL_QUEUE_URL", "mail"), ("REFUND_QUEUE_URL", "refund")]
        {
            let answer = client.get_queue_url().queue_name(format!("simdock-{stage}-{name}")).send().await;
            let answer = answer.map_err(|error| failed(&DisplayErrorContext(error)))?;
            urls.push((variable, answer.queue_url.unwrap_or_default()));
        }
        Ok(urls)
    }

    /// Queues jobs, up to ten to a request; answers their messages' ids, in the same sequence.
    pub async fn send(&self, jobs: &[Queued]) -> Result<Vec<String>, QueueError> {
        let url = |place: &usize| match jobs[*place].message.job {
            Job::Provision | Job::Revoke | Job::Retire => &self.carrier,
            Job::Mail => &self.mail,
            Job::Refund => &self.refund,
        };
        let mut ids = vec![String::new(); jobs.len()];
        for queue in [&self.carrier, &self.mail, &self.refund] {
            let places: Vec<usize> = (0..jobs.len()).filter(|place| url(place) == queue).collect();
            for batch in places.chunks(BATCH) {
                let bodies = batch.iter().map(|place| Ok((body(&jobs[*place].message)?, jobs[*place].delay)));
                let taken = self.send_bodies(queue, &bodies.collect::<Result<Vec<_>, QueueError>>()?).await?;
                for (place, id) in batch.iter().zip(taken) {
                    ids[*place] = id;
                }
            }
        }
        Ok(ids)
    }

    /// Queues what is wanted of a subscription's service.
    pub async fn send_service(&self, subscription_id: &str) -> Result<(), QueueError> {
        let message = ServiceMessage { subscription_id: subscription_id.to_owned() };
        let request = self.client.send_message().queue_url(&self.carrier).message_body(body(&message)?);
        request.send().await.map(drop).map_err(|error| QueueError(DisplayErrorContext(error).to_string()))
    }

    /// Sends up to ten messages, each with the seconds that it is held back; answers their ids.
    async fn send_bodies(&self, url: &str, bodies: &[(String, i64)]) -> Result<Vec<String>, QueueError> {
        let mut request = self.client.send_message_batch().queue_url(url);
        for (index, (body, delay)) in bodies.iter().enumerate() {
            let entry = SendMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .message_body(body)
                .delay_seconds(i32::try_from((*delay).clamp(0, LONGEST_DELAY)).unwrap_or_default())
                .build()
                .map_err(|error| QueueError(error.to_string()))?;
            request = request.entries(entry);
        }
        let answer = request.send().await.map_err(|error| QueueError(DisplayErrorContext(error).to_string()))?;
        if let Some(failed) = answer.failed().first() {
            return Err(QueueError(format!("{} of {} messages: {}", answer.failed().len(), bodies.len(), failed.code())));
        }
        // They are told in whatever sequence.
        let id = |index: usize| answer.successful().iter().find(|taken| taken.id() == index.to_string());
        Ok((0..bodies.len()).map(|index| id(index).map(|taken| taken.message_id().to_owned()).unwrap_or_default()).collect())
    }
}

fn body(message: &impl Serialize) -> Result<String, QueueError> {
    serde_json::to_string(message).map_err(|error| QueueError(error.to_string()))
}

impl fmt::Display for QueueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the queues: {}", self.0)
    }
}

impl std::error::Error for QueueError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_what_the_contract_says() {
        let order_num: OrderNum = "EP0123456789ABCDEF".parse().unwrap();
        let provision = JobMessage { order_num: order_num.clone(), job: Job::Provision };
        let text = r#"{"orderNum":"EP0123456789ABCDEF","job":"provision"}"#;
        assert_eq!(serde_json::to_string(&provision).unwrap(), text);
        assert_eq!(serde_json::from_str::<JobMessage>(text).unwrap(), provision);

        let mail = JobMessage { order_num, job: Job::Mail };
        let text = r#"{"orderNum":"EP0123456789ABCDEF","job":"mail"}"#;
        assert_eq!(serde_json::to_string(&mail).unwrap(), text);
        assert_eq!(serde_json::from_str::<JobMessage>(text).unwrap(), mail);
    }
}
