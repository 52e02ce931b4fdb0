//! Works mail jobs: claims the mail on its order, writes and sends it, and marks it as sent.

use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_sesv2::operation::send_email::SendEmailError;
use aws_sdk_sesv2::primitives::Blob;
use aws_sdk_sesv2::types::{EmailContent, MessageTag, RawMessage};
use lambda_runtime::{Error, LambdaEvent};
use simdock_domain::{Command, EmailAddress, Iccid, Job, LineState, MailKind, MailState, Order, Plan, ReturnReason, decide};
use simdock_jobs::JobMessage;
use simdock_mail::{
    ConfirmationMail, Envelope, Language, MailError, ManagerMail, QrCard, QrMail, Sender, confirmation_mail, manager_mail,
    qr_mail,
};
use simdock_runtime::{BatchResponse, Config, ConfigError, JobFailed, Service, SqsEvent, each_message};
use simdock_store::{Change, Sim, Store, StoreError};
use tracing::Instrument;

/// The function and what it holds on to between batches.
#[derive(Debug)]
pub struct App {
    store: Store,
    ses: Client,
    sender: Sender,
    sender_address: String,
    manager: EmailAddress,
    configuration_set: String,
}

/// What keeps a mail from going out.
enum Trouble {
    /// Try again later.
    Passing(String),
    /// It will never go out.
    Lasting(String),
}

impl App {
    /// Builds the function.
    pub async fn new(config: &Config) -> Result<Self, ConfigError> {
        let sender_address = config.var("SENDER_ADDRESS")?.to_owned();
        let manager = config.var("MANAGER_ADDRESS")?;
        Ok(Self {
            ses: Client::new(&config.sdk(Service::SesV2)?),
            sender: sender_address.parse().map_err(|_| ConfigError::new("SENDER_ADDRESS", "is not a mail address"))?,
            sender_address,
            manager: manager.parse().map_err(|_| ConfigError::new("MANAGER_ADDRESS", "is not a mail address"))?,
            configuration_set: config.var("SES_CONFIGURATION_SET")?.to_owned(),
            store: Store::new(config).await?,
        })
    }

    /// Works a batch of jobs.
    pub async fn handle(&self, event: LambdaEvent<SqsEvent>) -> Result<BatchResponse, Error> {
        let id = event.context.request_id.clone();
        Ok(each_message(&event.payload, |body| {
            let span = tracing::info_span!("job", function = "send-email", requestId = id, orderNum = tracing::field::Empty);
            self.work(body).instrument(span)
        })
        .await)
    }

    async fn work(&self, body: &str) -> Result<(), JobFailed> {
        let message: JobMessage = serde_json::from_str(body)?;
        tracing::Span::current().record("orderNum", message.order_num.as_str());
        let Job::Mail { mail: kind } = message.job else {
            return Err(JobFailed("not a mail job".to_owned()));
        };
        let now = self.store.clock().now();
        let order =
            match self.store.change_order(&message.order_num, |order| decide(order, Command::ClaimMail(kind), now)).await? {
                Change::Made(order) => order,
                // Sent, being sent, or not to be sent yet: whoever has it finishes it.
                Change::Refused(..) => return Ok(()),
                Change::NoOrder => return Err(JobFailed("there is no such order".to_owned())),
            };
        if !order.mail(kind).is_some_and(|mail| matches!(mail.state, MailState::Sending(_))) {
            tracing::error!(mail = kind.name(), "mail is given up");
            return Ok(());
        }
        let done = match self.send(&order, kind).await {
            Ok(()) => Command::MailSent(kind),
            Err(Trouble::Passing(reason)) => {
                tracing::warn!(mail = kind.name(), reason, "mail is put off");
                Command::MailDelayed(kind)
            }
            Err(Trouble::Lasting(reason)) => {
                tracing::error!(mail = kind.name(), reason, "mail is given up");
                Command::MailRefused { kind, reason }
            }
        };
        let now = self.store.clock().now();
        self.store.change_order(&order.num, |order| decide(order, done.clone(), now)).await?;
        tracing::info!(mail = kind.name(), "done");
        Ok(())
    }

    async fn send(&self, order: &Order, kind: MailKind) -> Result<(), Trouble> {
        let (to, raw) = self.write(order, kind).await?;
        let raw = RawMessage::builder().data(Blob::new(raw)).build().map_err(|error| Trouble::Lasting(error.to_string()))?;
        let tag = |name: &str, value: &str| {
            MessageTag::builder().name(name).value(value).build().map_err(|error| Trouble::Lasting(error.to_string()))
        };
        let sent = self
            .ses
            .send_email()
            .from_email_address(&self.sender_address)
            .destination(aws_sdk_sesv2::types::Destination::builder().to_addresses(to.as_str()).build())
            .content(EmailContent::builder().raw(raw).build())
            .configuration_set_name(&self.configuration_set)
            .email_tags(tag("orderNum", order.num.as_str())?)
            .email_tags(tag("mail", kind.name())?)
            .send()
            .await;
        sent.map(|_| ()).map_err(|error| trouble(&error))
    }

    async fn write<'a>(&'a self, order: &'a Order, kind: MailKind) -> Result<(&'a EmailAddress, Vec<u8>), Trouble> {
        let to = match kind {
            MailKind::Confirmation | MailKind::Qr => &order.subscriber.email,
            MailKind::Manager => &self.manager,
        };
        let envelope = Envelope { from: &self.sender, to, order_num: &order.num, date: self.store.clock().now() };
        let language = Language::from_tag(&order.subscriber.language);
        let plan = self.store.plan_version(&order.plan_id, order.plan_version).await?;
        let raw = match kind {
            MailKind::Confirmation => confirmation_mail(&ConfirmationMail {
                envelope,
                language,
                subscriber_name: Some(&order.subscriber.name),
                plan: &order.display,
                count: u32::try_from(order.lines.len()).unwrap_or(u32::MAX),
                add_ons: &add_ons(order, &plan),
                price: &order.price().to_string(),
                ordered_at: order.created_at,
            })?,
            MailKind::Qr => {
                let sims = self.disclosed_sims(order).await?;
                qr_mail(&QrMail {
                    envelope,
                    language,
                    subscriber_name: Some(&order.subscriber.name),
                    plan: &order.display,
                    apn: &plan.apn,
                    cards: &cards(order, &sims)?,
                })?
            }
            MailKind::Manager => manager_mail(&ManagerMail { envelope, reasons: &reasons(order) })?,
        };
        Ok((to, raw))
    }

    /// The cards of the live lines, each marked as disclosed, since its code is about to leave.
    async fn disclosed_sims(&self, order: &Order) -> Result<Vec<Sim>, Trouble> {
        let live = order.lines.iter().filter(|line| line.state == LineState::Live);
        let iccids: Vec<Iccid> = live.filter_map(|line| line.iccid.clone()).collect();
        let sims = self.store.sims(&iccids).await?;
        for sim in sims.iter().filter(|sim| sim.disclosed_at.is_none()) {
            self.store.disclose(&sim.iccid, &order.num).await?;
        }
        Ok(sims)
    }
}

fn cards<'a>(order: &'a Order, sims: &'a [Sim]) -> Result<Vec<QrCard<'a>>, Trouble> {
    let card = |sim: &'a Sim| {
        let code = sim.activation_code.as_ref();
        let code = code.ok_or_else(|| Trouble::Lasting(format!("card {} has no activation code", sim.iccid)))?;
        Ok(QrCard {
            iccid: &sim.iccid,
            code,
            activate_before: sim.activate_before,
            mobile_number: sim.msisdn.as_ref(),
            line_name: order.line_name.as_deref(),
        })
    };
    sims.iter().map(card).collect()
}

fn add_ons(order: &Order, plan: &Plan) -> Vec<String> {
    let display = |id: &String| plan.add_ons.iter().find(|add_on| add_on.add_on_id == *id).map(|add_on| add_on.display.clone());
    order.add_on_ids.iter().filter_map(display).collect()
}

/// What a manager has to know: the trouble on record, the latest last, and how things stand.
fn reasons(order: &Order) -> Vec<String> {
    use simdock_domain::Event;
    let trouble = order.history.iter().filter(|entry| match entry.event {
        Event::ProvisioningFailed
        | Event::CancellationRefused
        | Event::RefundFailed
        | Event::Disputed
        | Event::MailFailed
        | Event::MailReported => true,
        Event::Created
        | Event::Paid
        | Event::PaymentReturned
        | Event::Voided
        | Event::Provisioned
        | Event::ProvisioningDelayed
        | Event::CancellationRequested
        | Event::Cancelled
        | Event::Refunded
        | Event::MailSent => false,
    });
    let mut reasons: Vec<String> = trouble
        .map(|entry| {
            let what = entry.event.name().replace('_', " ");
            entry.note.as_ref().map_or_else(|| format!("{}: {what}", entry.at), |note| format!("{}: {what}: {note}", entry.at))
        })
        .collect();
    let waiting = order.lines.iter().filter(|line| line.state == LineState::Cancelling);
    reasons.extend(waiting.filter_map(|line| line.iccid.as_ref()).map(|iccid| format!("not revoked yet: {iccid}")));
    let by_hand = order.refunds.iter().filter(|refund| refund.reason == ReturnReason::Elsewhere);
    reasons.extend(by_hand.map(|refund| format!("given back at the provider: {} ({})", refund.amount, refund.state.name())));
    reasons.extend(order.owed().iter().map(|owed| format!("owed back: {owed}")));
    reasons
}

fn trouble<R: std::fmt::Debug + Send + Sync + 'static>(error: &SdkError<SendEmailError, R>) -> Trouble {
    let SdkError::ServiceError(service) = error else {
        return Trouble::Passing(DisplayErrorContext(error).to_string());
    };
    let code = service.err().code().unwrap_or("unnamed error").to_owned();
    match service.err() {
        // The message itself; an account that may not send for now, or a domain being verified, passes.
        SendEmailError::MessageRejected(_) | SendEmailError::BadRequestException(_) => Trouble::Lasting(code),
        _ => Trouble::Passing(code),
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Passing(error.to_string())
    }
}

impl From<MailError> for Trouble {
    fn from(error: MailError) -> Self {
        Self::Lasting(error.to_string())
    }
}
