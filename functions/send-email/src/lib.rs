//! Works mail jobs: claims what is due of an order's mails, writes and sends them, and marks each by what became of it.

use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::config::Builder;
use aws_sdk_sesv2::config::retry::RetryConfig;
use aws_sdk_sesv2::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_sesv2::operation::send_email::SendEmailError;
use aws_sdk_sesv2::primitives::Blob;
use aws_sdk_sesv2::types::{EmailContent, MessageTag, RawMessage};
use futures_util::future::join_all;
use lambda_runtime::{Error, LambdaEvent};
use simdock_domain::{
    Command, EmailAddress, FormFactor, Job, LineState, Mail, MailKind, MailState, Order, OrderNum, OrderType, Plan, Subject, Via,
    decide_all, mails_due,
};
use simdock_jobs::JobMessage;
use simdock_mail::{
    Addressee, ConfirmationMail, Confirmed, Envelope, KnownLine, Language, MailError, ManagerMail, QrCard, QrMail, Sender,
    ShipmentMail, confirmation_mail, manager_mail, qr_mail, shipment_mail,
};
use simdock_runtime::{BatchResponse, Config, ConfigError, JobFailed, Service, SqsEvent, each_message};
use simdock_store::{Conflict, Sim, Store, StoreError};

/// How often is claimed anew because the order changed meanwhile.
const DECISIONS: u32 = 20;

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
    /// It has nothing to tell any more: it counts as sent, and the history says why it was not.
    NotNeeded(&'static str),
}

impl App {
    /// Builds the function.
    pub async fn new(config: &Config) -> Result<Self, ConfigError> {
        let sender_address = config.var("SENDER_ADDRESS")?.to_owned();
        let manager = config.var("MANAGER_ADDRESS")?;
        let ses = Builder::from(&config.sdk(Service::SesV2)?);
        Ok(Self {
            // A mail whose answer got lost would go out again at once; what did not work is begun again through the order.
            ses: Client::from_conf(ses.retry_config(RetryConfig::disabled()).build()),
            sender: sender_address.parse().map_err(|_| ConfigError::new("SENDER_ADDRESS", "is not a mail address"))?,
            sender_address,
            manager: manager.parse().map_err(|_| ConfigError::new("MANAGER_ADDRESS", "is not a mail address"))?,
            configuration_set: config.var("SES_CONFIGURATION_SET")?.to_owned(),
            store: Store::new(config).await?,
        })
    }

    /// Works a batch of jobs.
    pub async fn handle(&self, event: LambdaEvent<SqsEvent>) -> Result<BatchResponse, Error> {
        Ok(each_message("send-email", &event, |body| self.work(body)).await)
    }

    async fn work(&self, body: &str) -> Result<(), JobFailed> {
        let message: JobMessage = serde_json::from_str(body)?;
        tracing::Span::current().record("orderNum", message.order_num.as_str());
        if message.job != Job::Mail {
            return Err(JobFailed("not a mail job".to_owned()));
        }
        let Some((order, mails)) = self.claim(&message.order_num).await? else { return Ok(()) };
        let done = join_all(mails.iter().map(|kind| self.deliver(&order, *kind))).await;
        if done.is_empty() {
            return Ok(());
        }
        let now = self.store.clock().now();
        self.store.change_known_order(order, |order| decide_all(order, done.clone(), now)).await?;
        Ok(())
    }

    /// Claims all mails of an order that are due, in one write; `None` where none is: they are sent, being sent, or not to be sent
    /// yet, and whoever has them finishes them.
    async fn claim(&self, num: &OrderNum) -> Result<Option<(Order, Vec<MailKind>)>, JobFailed> {
        for _ in 0..DECISIONS {
            let now = self.store.clock().now();
            let Some(order) = self.store.order(num).await? else {
                return Err(JobFailed("there is no such order".to_owned()));
            };
            let mut mails = mails_due(&order, now);
            let Ok(next) = decide_all(&order, mails.iter().copied().map(Command::ClaimMail).collect(), now) else {
                return Ok(None);
            };
            if self.store.replace_order(&next).await?.is_ok() {
                let is_claimed = |kind: &MailKind| matches!(next.mail(*kind), Some(Mail { state: MailState::Sending(_), .. }));
                for kind in mails.iter().filter(|kind| !is_claimed(kind)) {
                    tracing::error!(mail = kind.name(), "mail is given up");
                }
                mails.retain(is_claimed);
                return Ok(Some((next, mails)));
            }
        }
        Err(JobFailed("the order kept changing".to_owned()))
    }

    /// Sends a mail that was claimed; answers what is to be noted of it.
    async fn deliver(&self, order: &Order, kind: MailKind) -> Command {
        match self.send(order, kind).await {
            Ok(()) => Command::MailSent(kind),
            Err(Trouble::Passing(reason)) => {
                tracing::warn!(mail = kind.name(), reason, "mail is put off");
                Command::MailDelayed(kind)
            }
            Err(Trouble::Lasting(reason)) => {
                tracing::error!(mail = kind.name(), reason, "mail is given up");
                Command::MailRefused { kind, reason }
            }
            Err(Trouble::NotNeeded(reason)) => {
                tracing::info!(mail = kind.name(), reason, "mail is not needed");
                Command::MailNotNeeded { kind, reason: reason.to_owned() }
            }
        }
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
        let sent = sent.map_err(|error| trouble(&error))?;
        // By this SES and the mail's reader know it.
        tracing::info!(mail = kind.name(), sesMessageId = sent.message_id(), "sent");
        Ok(())
    }

    async fn write<'a>(&'a self, order: &'a Order, kind: MailKind) -> Result<(&'a EmailAddress, Vec<u8>), Trouble> {
        let to = match kind {
            MailKind::Confirmation | MailKind::Qr | MailKind::Shipment => {
                let elsewhere = order.mail(kind).and_then(|mail| mail.to.as_ref());
                elsewhere.unwrap_or(&order.subscriber.email)
            }
            MailKind::Manager => &self.manager,
        };
        let envelope = Envelope { from: &self.sender, to, order_num: &order.num, date: self.store.clock().now() };
        let raw = match kind {
            MailKind::Confirmation => self.confirmation(order, envelope).await?,
            MailKind::Qr => self.qr(order, envelope).await?,
            MailKind::Shipment => shipment(order, envelope)?,
            MailKind::Manager => match manager_mail(&ManagerMail { envelope, order }) {
                // Somebody has done it before they could be told.
                Err(MailError::Empty) => return Err(Trouble::NotNeeded("nothing is left to be done")),
                mail => mail?,
            },
        };
        Ok((to, raw))
    }

    async fn confirmation(&self, order: &Order, envelope: Envelope<'_>) -> Result<Vec<u8>, Trouble> {
        let plan = self.store.plan_version(&order.plan_id, order.plan_version).await?;
        let carried = match &order.subject {
            Some(subject) => Some(self.card_of(order, subject).await?),
            None => None,
        };
        Ok(confirmation_mail(&ConfirmationMail {
            envelope,
            language: Language::from_tag(&order.subscriber.language),
            subscriber_name: Some(&order.subscriber.name),
            plan: &order.display,
            add_ons: &add_ons(order, &plan),
            price: &order.price().to_string(),
            ordered_at: order.created_at,
            confirmed: confirmed(order, carried.as_ref())?,
        })?)
    }

    /// The card that carries the subscription that an order changes; to a swap, the one that it replaces.
    async fn card_of(&self, order: &Order, subject: &Subject) -> Result<Sim, Trouble> {
        let now = match order.kind {
            OrderType::SwapSim => None,
            OrderType::ActivateSubscription
            | OrderType::TopUpSubscription
            | OrderType::Renewal
            | OrderType::CancelSubscription => {
                self.store.subscriptions(std::slice::from_ref(&subject.subscription)).await?.pop().map(|known| known.iccid)
            }
        };
        let iccid = now.as_ref().unwrap_or(&subject.iccid);
        let sim = self.store.sim(iccid).await?;
        sim.ok_or_else(|| Trouble::Lasting(format!("card {iccid} is in no table")))
    }

    /// The QR mail. A card that an app installed through the eSIM API of iOS or Android counts as delivered: its code is left
    /// out, and when no card remains the mail is not needed. A manager who has it sent again gets every card all the same.
    async fn qr(&self, order: &Order, envelope: Envelope<'_>) -> Result<Vec<u8>, Trouble> {
        let plan = self.store.plan_version(&order.plan_id, order.plan_version).await?;
        let sims = self.current_sims(order).await?;
        self.disclose(order, &sims).await?;
        Ok(qr_mail(&QrMail {
            envelope,
            language: Language::from_tag(&order.subscriber.language),
            subscriber_name: Some(&order.subscriber.name),
            plan: &order.display,
            apn: &plan.apn,
            cards: &cards(order, &sims)?,
            replaces: order.subject.as_ref().map(|subject| &subject.iccid),
        })?)
    }

    /// The cards that the live lines go with and whose codes somebody needs.
    async fn current_sims(&self, order: &Order) -> Result<Vec<Sim>, Trouble> {
        let current = self.store.current_sims(order).await?;
        let live = current.into_iter().filter(|(line, _)| order.lines[*line].state == LineState::Live);
        let mut sims: Vec<Sim> = live.map(|(_, sim)| sim).collect();
        if !order.was_requested(MailKind::Qr) && sims.iter().any(is_delivered) {
            sims.retain(|sim| !is_delivered(sim));
            if sims.is_empty() {
                return Err(Trouble::NotNeeded("an app has installed the eSIM"));
            }
        }
        Ok(sims)
    }

    /// Marks the cards as disclosed, since their codes are about to leave.
    async fn disclose(&self, order: &Order, sims: &[Sim]) -> Result<(), Trouble> {
        for sim in sims.iter().filter(|sim| sim.disclosed_at.is_none()) {
            // After a swap, another order sold it.
            let marked = self.store.disclose(&sim.iccid, sim.order_num.as_ref().unwrap_or(&order.num)).await?;
            marked.map_err(|Conflict| Trouble::Passing(format!("card {} is changing hands", sim.iccid)))?;
        }
        Ok(())
    }
}

/// Whether an app has brought the card onto a phone without its QR code.
fn is_delivered(sim: &Sim) -> bool {
    match sim.profile.via {
        Some(Via::IosApi | Via::AndroidApi) => true,
        Some(Via::Qr) | None => false,
    }
}

/// What an order's confirmation confirms; `carried` is the card that it is about where it changes a subscription.
fn confirmed<'a>(order: &'a Order, carried: Option<&'a Sim>) -> Result<Confirmed<'a>, Trouble> {
    let line = || {
        let sim = carried.ok_or_else(|| Trouble::Lasting("the order is for no subscription".to_owned()))?;
        Ok::<_, Trouble>(KnownLine { name: order.line_name.as_deref(), mobile_number: sim.msisdn.as_ref(), iccid: &sim.iccid })
    };
    let (count, mailed) = (order.lines.len(), order.send_email);
    let announced = order.send_email && order.shipment.is_none();
    Ok(match (order.kind, order.form_factor) {
        (OrderType::ActivateSubscription, FormFactor::Esim) => Confirmed::Esims { count, mailed },
        (OrderType::ActivateSubscription, FormFactor::Physical) => Confirmed::Cards { count, to: addressee(order)?, announced },
        (OrderType::SwapSim, FormFactor::Esim) => Confirmed::EsimSwap { old: line()?, mailed },
        (OrderType::SwapSim, FormFactor::Physical) => Confirmed::CardSwap { old: line()?, to: addressee(order)?, announced },
        (OrderType::TopUpSubscription, FormFactor::Esim | FormFactor::Physical) => {
            if order.only_add_ons {
                Confirmed::AddOns(line()?)
            } else {
                Confirmed::Plan(line()?)
            }
        }
        (OrderType::Renewal, FormFactor::Esim | FormFactor::Physical) => Confirmed::Renewal(line()?),
        (OrderType::CancelSubscription, FormFactor::Esim | FormFactor::Physical) => Confirmed::Cancellation(line()?),
    })
}

fn shipment(order: &Order, envelope: Envelope) -> Result<Vec<u8>, Trouble> {
    let shipment = order.shipment.as_ref().ok_or_else(|| Trouble::Lasting("nothing was sent by post".to_owned()))?;
    let sent = |state| match state {
        LineState::Live | LineState::Ended => true,
        LineState::Pending | LineState::Cancelling | LineState::Cancelled | LineState::Failed => false,
    };
    Ok(shipment_mail(&ShipmentMail {
        envelope,
        language: Language::from_tag(&order.subscriber.language),
        subscriber_name: Some(&order.subscriber.name),
        plan: &order.display,
        count: order.lines.iter().filter(|line| sent(line.state)).count(),
        to: addressee(order)?,
        carrier: &shipment.carrier,
        number: &shipment.number,
        shipped_at: shipment.at,
        is_swap: order.kind == OrderType::SwapSim,
    })?)
}

fn addressee(order: &Order) -> Result<Addressee<'_>, Trouble> {
    let address = order.subscriber.address.as_ref().ok_or_else(|| Trouble::Lasting("there is no postal address".to_owned()))?;
    Ok(Addressee { name: &order.subscriber.name, address })
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
