//! Takes what the mail system reports about mails that it had accepted, and notes it on their orders.

use lambda_runtime::{Error, LambdaEvent};
use serde::Deserialize;
use serde_json::Value;
use simdock_domain::{Command, MailKind, MailReport, OrderNum, decide};
use simdock_runtime::{Config, ConfigError};
use simdock_store::{Change, Store};
use std::collections::BTreeMap;
use tracing::Instrument;

/// The function and what it holds on to between events.
#[derive(Debug)]
pub struct App {
    store: Store,
}

/// What is read of an SES event; the rest is left out.
#[derive(Deserialize)]
struct SesEvent {
    detail: Detail,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    event_type: String,
    mail: MailDetail,
    bounce: Option<Bounce>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MailDetail {
    #[serde(default)]
    message_id: String,
    #[serde(default)]
    tags: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bounce {
    #[serde(default)]
    bounce_sub_type: String,
}

impl App {
    /// Builds the function.
    pub async fn new(config: &Config) -> Result<Self, ConfigError> {
        Ok(Self { store: Store::new(config).await? })
    }

    /// Works one event. An event that cannot be read or is about no order of ours is logged and done with; trouble with the
    /// tables is an error, so that the event comes again.
    pub async fn handle(&self, event: LambdaEvent<Value>) -> Result<(), Error> {
        let id = event.context.request_id.clone();
        let span = tracing::info_span!("event", function = "mail-events", requestId = id, orderNum = tracing::field::Empty);
        self.note(event.payload).instrument(span).await
    }

    async fn note(&self, payload: Value) -> Result<(), Error> {
        let detail = match serde_json::from_value::<SesEvent>(payload) {
            Ok(event) => event.detail,
            Err(error) => {
                tracing::error!(%error, "event cannot be read");
                return Ok(());
            }
        };
        let Some(report) = report(&detail) else {
            tracing::info!(eventType = detail.event_type, "event of no concern");
            return Ok(());
        };
        let tag = |name: &str| detail.mail.tags.get(name).and_then(|values| values.first());
        let num = tag("orderNum").and_then(|num| num.parse::<OrderNum>().ok());
        let (Some(num), Some(kind)) = (num, tag("mail").and_then(|name| MailKind::from_name(name))) else {
            tracing::warn!(eventType = detail.event_type, "mail of no order");
            return Ok(());
        };
        tracing::Span::current().record("orderNum", num.as_str());
        let now = self.store.clock().now();
        match self.store.change_order(&num, |order| decide(order, Command::MailReported { kind, report }, now)).await? {
            Change::Made(_) => {
                tracing::warn!(
                    mail = kind.name(),
                    sesMessageId = detail.mail.message_id,
                    report = report.name(),
                    "mail in trouble"
                );
            }
            Change::Refused(..) => tracing::info!(mail = kind.name(), report = report.name(), "known already"),
            Change::NoOrder => tracing::warn!("no such order"),
        }
        Ok(())
    }
}

fn report(detail: &Detail) -> Option<MailReport> {
    match detail.event_type.as_str() {
        "Bounce" => {
            let sub_type = detail.bounce.as_ref().map(|bounce| bounce.bounce_sub_type.as_str());
            let suppressed = matches!(sub_type, Some("Suppressed" | "OnAccountSuppressionList"));
            Some(if suppressed { MailReport::Suppressed } else { MailReport::Bounced })
        }
        "Complaint" => Some(MailReport::Complained),
        "DeliveryDelay" => Some(MailReport::Delayed),
        "Reject" | "Rendering Failure" => Some(MailReport::Rejected),
        _ => None,
    }
}
