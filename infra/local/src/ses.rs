//! Stands in for SES version 2: takes raw messages, keeps them, and pretends that some could not be delivered.

use crate::clock::StackClock;
use crate::error::{Context, StackError};
use crate::event_bus::EventBus;
use crate::http::{Response, json};
use crate::ids::uuid;
use crate::mime::Part;
use crate::state::{Change, State};
use crate::template::{ACCOUNT, REGION};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Mail to this domain meets the fate that its local part names.
const SIMULATOR_DOMAIN: &str = "simulator.test";
/// Largest message, in bytes; SES's own limit.
const LARGEST_MESSAGE: usize = 40 * 1024 * 1024;
/// Seconds until an event follows the mail it is about.
const EVENT_DELAY_SECONDS: u32 = 1;

/// A mail that was sent, without its content.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Mail {
    /// The message id that the sender was given. Later mails have greater ones.
    pub id: String,
    /// The sender.
    pub from: String,
    /// The recipients.
    pub to: Vec<String>,
    /// The subject line.
    pub subject: String,
    /// The tags it was sent with.
    pub tags: BTreeMap<String, String>,
    /// When it was sent, in milliseconds since the Unix epoch.
    pub at_ms: i64,
}

/// Every mail that was sent.
#[derive(Clone)]
pub struct Mailbox {
    mails: Arc<Mutex<Vec<Mail>>>,
    state: State,
    clock: StackClock,
    events: EventBus,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SendEmail {
    from_email_address: Option<String>,
    destination: Option<Destination>,
    content: Content,
    configuration_set_name: Option<String>,
    #[serde(default)]
    email_tags: Vec<Tag>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Destination {
    #[serde(rename = "ToAddresses")]
    to: Vec<String>,
    #[serde(rename = "CcAddresses")]
    cc: Vec<String>,
    #[serde(rename = "BccAddresses")]
    bcc: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Content {
    raw: Option<Raw>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Raw {
    data: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tag {
    name: String,
    value: String,
}

/// What becomes of mail to the simulator's addresses.
enum Fate {
    Bounced,
    Suppressed,
    Complained,
    Delayed,
    Rejected,
}

fn fate(address: &str) -> Option<Fate> {
    let (local, domain) = address.rsplit_once('@')?;
    if domain != SIMULATOR_DOMAIN {
        return None;
    }
    match local.split('+').next()? {
        "bounce" => Some(Fate::Bounced),
        "suppressed" => Some(Fate::Suppressed),
        "complaint" => Some(Fate::Complained),
        "delay" => Some(Fate::Delayed),
        "reject" => Some(Fate::Rejected),
        _ => None,
    }
}

/// The address inside `Name <address>`.
fn address(mailbox: &str) -> String {
    let inner = mailbox.rsplit_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or(mailbox, |(inner, _)| inner);
    inner.trim().to_owned()
}

fn error(status: StatusCode, kind: &'static str, message: &str) -> Response {
    let mut response = json(status, &json!({ "message": message }));
    response.headers_mut().insert("x-amzn-errortype", hyper::header::HeaderValue::from_static(kind));
    response
}

impl Mailbox {
    /// The mailbox as the file has it.
    pub async fn open(state: State, clock: StackClock, events: EventBus) -> Result<Self, StackError> {
        let mails = state.all::<Mail>("mail").await?.into_iter().map(|(_, mail)| mail).collect();
        Ok(Self { mails: Arc::new(Mutex::new(mails)), state, clock, events })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Mail>> {
        self.mails.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every mail, the latest first.
    pub fn mails(&self) -> Vec<Mail> {
        self.lock().iter().rev().cloned().collect()
    }

    /// One mail and its raw message.
    pub async fn mail(&self, id: &str) -> Result<Option<(Mail, Vec<u8>)>, StackError> {
        let Some(mail) = self.lock().iter().find(|mail| mail.id == id).cloned() else { return Ok(None) };
        let content = self.state.get::<String>("mail-content", id).await?;
        let content = content.ok_or_else(|| StackError::new("the mail's content is missing"))?;
        Ok(Some((mail, STANDARD.decode(content).context("mail")?)))
    }

    /// Answers a `SendEmail` request.
    pub async fn send_email(&self, body: &[u8]) -> Response {
        let request: SendEmail = match serde_json::from_slice(body) {
            Ok(request) => request,
            Err(problem) => return error(StatusCode::BAD_REQUEST, "BadRequestException", &problem.to_string()),
        };
        let Some(raw) = &request.content.raw else {
            return error(StatusCode::BAD_REQUEST, "BadRequestException", "the local stack takes raw messages only");
        };
        let content = match STANDARD.decode(&raw.data) {
            Ok(content) if content.len() <= LARGEST_MESSAGE => content,
            Ok(_) => {
                return error(StatusCode::BAD_REQUEST, "BadRequestException", "Message length is more than 41943040 bytes long");
            }
            Err(_) => return error(StatusCode::BAD_REQUEST, "BadRequestException", "Content.Raw.Data is not base64"),
        };
        let message = Part::head(&content);
        let to = match &request.destination {
            Some(to) => [&to.to, &to.cc, &to.bcc].into_iter().flatten().map(|to| address(to)).collect(),
            None => message.header("to").iter().flat_map(|to| to.split(',')).map(address).collect::<Vec<_>>(),
        };
        if to.is_empty() {
            return error(StatusCode::BAD_REQUEST, "BadRequestException", "the message has no recipient");
        }
        if to.iter().any(|to| to == &format!("throttle@{SIMULATOR_DOMAIN}")) {
            return error(StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException", "Maximum sending rate exceeded.");
        }
        if to.iter().any(|to| to == &format!("refused@{SIMULATOR_DOMAIN}")) {
            return error(StatusCode::BAD_REQUEST, "MessageRejected", "the sandbox does not take mail to this address");
        }
        match self.keep(&request, &raw.data, &message, to).await {
            Ok(id) => json(StatusCode::OK, &json!({ "MessageId": id })),
            Err(problem) => {
                tracing::error!(error = %problem, "a mail could not be kept");
                error(StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure", "the mail could not be kept")
            }
        }
    }

    async fn keep(&self, request: &SendEmail, data: &str, message: &Part, to: Vec<String>) -> Result<String, StackError> {
        let at_ms = self.clock.now_ms();
        // Begins with the time, as real ones do, so that sorting by it sorts by time.
        let id = format!("{at_ms:016x}-{}-000000", uuid());
        let mail = Mail {
            id: id.clone(),
            from: address(&request.from_email_address.clone().or_else(|| message.header("from")).unwrap_or_default()),
            to,
            subject: message.header("subject").unwrap_or_default(),
            tags: request.email_tags.iter().map(|tag| (tag.name.clone(), tag.value.clone())).collect(),
            at_ms,
        };
        // What base64 is made of means nothing in JSON.
        let content = Change::Put("mail-content".to_owned(), id.clone(), format!("\"{data}\""));
        self.state.write(vec![content, Change::put("mail", &id, &mail)?]).await?;
        for recipient in &mail.to {
            if let Some(fate) = fate(recipient) {
                let event = self.event(&mail, recipient, &fate, request.configuration_set_name.as_deref());
                self.events.put(&event, EVENT_DELAY_SECONDS).await?;
            }
        }
        self.lock().push(mail);
        Ok(id)
    }

    /// An event as SES publishes it to `EventBridge`.
    fn event(&self, mail: &Mail, recipient: &str, fate: &Fate, configuration_set: Option<&str>) -> Value {
        let now = self.clock.now().to_string();
        let mut tags: BTreeMap<&str, Vec<&str>> =
            mail.tags.iter().map(|(name, value)| (name.as_str(), vec![value.as_str()])).collect();
        if let Some(configuration_set) = configuration_set {
            tags.insert("ses:configuration-set", vec![configuration_set]);
        }
        let bounce = |sub_type: &str, diagnostic: &str| {
            json!({
                "bounceType": "Permanent",
                "bounceSubType": sub_type,
                "bouncedRecipients": [{"emailAddress": recipient, "action": "failed", "status": "5.1.1", "diagnosticCode": diagnostic}],
                "timestamp": now,
                "feedbackId": uuid(),
                "reportingMTA": "dsn; local",
            })
        };
        let (detail_type, event_type, name, outcome) = match fate {
            Fate::Bounced => ("Email Bounced", "Bounce", "bounce", bounce("General", "smtp; 550 5.1.1 user unknown")),
            Fate::Suppressed => {
                let diagnostic =
                    "Amazon SES did not send the message to this address because it is on the suppression list for your account.";
                ("Email Bounced", "Bounce", "bounce", bounce("OnAccountSuppressionList", diagnostic))
            }
            Fate::Complained => {
                let complaint = json!({
                    "complainedRecipients": [{"emailAddress": recipient}],
                    "timestamp": now,
                    "feedbackId": uuid(),
                    "complaintSubType": null,
                    "complaintFeedbackType": "abuse",
                });
                ("Email Complaint Received", "Complaint", "complaint", complaint)
            }
            Fate::Delayed => {
                let delay = json!({
                    "timestamp": now,
                    "delayType": "TransientCommunicationFailure",
                    "delayedRecipients": [{"emailAddress": recipient, "status": "4.4.1", "diagnosticCode": "smtp; 421 4.4.1 try later"}],
                });
                ("Email Delivery Delayed", "DeliveryDelay", "deliveryDelay", delay)
            }
            Fate::Rejected => ("Email Rejected", "Reject", "reject", json!({"reason": "Bad content"})),
        };
        json!({
            "version": "0",
            "id": uuid(),
            "detail-type": detail_type,
            "source": "aws.ses",
            "account": ACCOUNT,
            "time": now,
            "region": REGION,
            "resources": [],
            "detail": {
                "eventType": event_type,
                "mail": {
                    "timestamp": now,
                    "source": mail.from,
                    "sendingAccountId": ACCOUNT,
                    "messageId": mail.id,
                    "destination": mail.to,
                    "headersTruncated": false,
                    "commonHeaders": {"from": [mail.from], "to": mail.to, "messageId": mail.id, "subject": mail.subject},
                    "tags": tags,
                },
                name: outcome,
            },
        })
    }
}
