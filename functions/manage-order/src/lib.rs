//! What managers do to an order: send its cards, correct its recipient, send a mail again, try again what was given up, note that money
//! was given back by hand, write a note.

use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use simdock_api::{
    Codes, Fields, Problem, authenticate, handle, json, json_object, manager, not_installed, optional_idempotency_key, order_num,
    postal_address, refused, replayed, route, show,
};
use simdock_domain::{
    Asked, Command, EmailAddress, Iccid, LineState, MailKind, Recipient, Rejected, SeenShipment, Timestamp, decide_by, short_hash,
};
use simdock_runtime::{Config, ConfigError};
use simdock_store::{Facts, Store};
use std::sync::Arc;

/// How often it is decided anew because the order changed meanwhile.
const DECISIONS: u32 = 20;
/// How far ahead another clock may be, in seconds.
const SKEW: i64 = 60;

/// The function and what it holds on to between requests.
#[derive(Debug)]
pub struct App {
    store: Arc<Store>,
}

impl App {
    /// Builds the function.
    pub async fn new(config: &Config) -> Result<Self, ConfigError> {
        Ok(Self::with(Arc::new(Store::new(config).await?)))
    }

    /// Builds it upon a store that others use as well.
    pub fn with(store: Arc<Store>) -> Self {
        Self { store }
    }

    /// Answers a request.
    pub async fn handle(&self, request: Request) -> Response<Body> {
        handle("manage-order", &request, self.manage(&request)).await
    }

    async fn manage(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let principal = authenticate(&self.store, request).await?;
        let name = manager(&principal)?;
        let num = order_num(request)?;
        tracing::Span::current().record("orderNum", num.as_str());
        let (mut fields, canonical) = json_object(request)?;
        let now = self.store.clock().now();
        let mut corrects = None;
        let (command, phone) = match route(request).as_str() {
            "POST /v1/orders/{orderNum}/shipment" => (shipment(&mut fields, now)?, Phone::Any),
            "PATCH /v1/orders/{orderNum}/recipient" => {
                corrects = fields.optional_object("corrects")?.map(corrected).transpose()?;
                (recipient(&mut fields)?, Phone::Any)
            }
            "POST /v1/orders/{orderNum}/emails" => email(&mut fields, asked(request, name, &canonical)?)?,
            "POST /v1/orders/{orderNum}/retry" => (Command::Retry, Phone::Any),
            "POST /v1/orders/{orderNum}/refunds" => (given_back(&mut fields)?, Phone::Any),
            "POST /v1/orders/{orderNum}/notes" => (Command::Note(fields.text("note", 150)?), Phone::Any),
            _ => return Err(Problem::not_found("resource")),
        };
        fields.finish()?;
        let codes = Codes::of_answer(request);
        for _ in 0..DECISIONS {
            let order = self.store.order(&num).await?.ok_or_else(|| Problem::not_found("order"))?;
            if let Command::SendAgain { asked: Some(asked), .. } = &command
                && let Some(before) = order.asked(&asked.key)
            {
                if before != asked {
                    return Err(Problem::idempotency_key_reused());
                }
                return Ok(replayed(json(StatusCode::OK, &show(&self.store, &principal, &order, &codes).await?)));
            }
            if phone == Phone::Unknown {
                not_installed(&self.store, &order).await?;
            }
            let next = match decide_by(name, &order, command.clone(), self.store.clock().now()) {
                Ok(next) => next,
                Err(Rejected::Done) => return Ok(json(StatusCode::OK, &show(&self.store, &principal, &order, &codes).await?)),
                Err(rejected) => return Err(refused(rejected, &command, &order)),
            };
            if corrects.as_ref().is_some_and(|before: &Recipient| !before.is_of(&order.subscriber)) {
                return Err(Problem::recipient_conflict());
            }
            let revived =
                order.lines.iter().zip(&next.lines).filter(|(was, is)| was.state == LineState::Failed && was.state != is.state);
            let iccids: Vec<Iccid> = revived.filter_map(|(_, line)| line.iccid.clone()).collect();
            let sims = self.store.sims(&iccids).await?;
            let facts = Facts { activations: &[], sims: &sims };
            if self.store.write_in_step(&order, &next, facts, self.store.clock().now()).await?.is_ok() {
                return Ok(json(StatusCode::OK, &show(&self.store, &principal, &next, &codes).await?));
            }
        }
        Err(Problem::unavailable("the order kept changing"))
    }
}

/// Which phone a code is mailed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phone {
    /// No code is mailed, or it is for the phone that has the card.
    Any,
    /// Nobody said that it is the phone that has the card.
    Unknown,
}

fn shipment(fields: &mut Fields, now: Timestamp) -> Result<Command, Problem> {
    let at = shipped_at(fields)?;
    if at.is_some_and(|at| at > now.plus_seconds(SKEW)) {
        return Err(Problem::invalid_field("shippedAt", "must not be in the future"));
    }
    // Copied from somewhere, they come with space around them.
    let (carrier, number) = (fields.text("carrier", 64)?.trim().to_owned(), fields.text("number", 64)?.trim().to_owned());
    Ok(match fields.optional_object("corrects")? {
        None => Command::Ship { carrier, number, at: at.filter(|at| *at < now) },
        Some(mut before) => {
            let seen = SeenShipment {
                number: before.text("number", 64)?,
                carrier: before.optional_text("carrier", 64)?,
                at: shipped_at(&mut before)?,
            };
            before.finish()?;
            Command::CorrectShipment { seen, carrier, number, at: at.map(|at| at.min(now)) }
        }
    })
}

fn shipped_at(fields: &mut Fields) -> Result<Option<Timestamp>, Problem> {
    let text = fields.optional_text("shippedAt", 32)?;
    text.map(|text| text.parse().map_err(|error| Problem::invalid_field(fields.path("shippedAt"), error))).transpose()
}

fn given_back(fields: &mut Fields) -> Result<Command, Problem> {
    // Copied from somewhere, they come with space around them.
    let mut trimmed = |name, longest| fields.text(name, longest).map(|text| text.trim().to_owned());
    Ok(Command::RefundedByHand { refund_id: trimmed("refundId", 32)?, reference: trimmed("reference", 64)? })
}

fn recipient(fields: &mut Fields) -> Result<Command, Problem> {
    let recipient = named(fields)?;
    if recipient == Recipient::default() {
        return Err(Problem::missing_field("name, email or postalAddress"));
    }
    Ok(Command::EditRecipient(recipient))
}

fn named(fields: &mut Fields) -> Result<Recipient, Problem> {
    Ok(Recipient {
        name: fields.optional_text("name", 100)?,
        email: address(fields, "email")?,
        address: postal_address(fields, "postalAddress")?,
    })
}

/// The recipient that whoever corrects it goes by.
fn corrected(mut before: Fields) -> Result<Recipient, Problem> {
    let recipient = named(&mut before)?;
    before.finish()?;
    Ok(recipient)
}

/// The request, if it came with a key by which it can be told from others.
fn asked(request: &Request, by: &str, canonical: &str) -> Result<Option<Asked>, Problem> {
    let key = optional_idempotency_key(request)?;
    Ok(key.map(|key| Asked { key: short_hash(&["email", by, key]), fingerprint: short_hash(&[canonical]) }))
}

fn email(fields: &mut Fields, asked: Option<Asked>) -> Result<(Command, Phone), Problem> {
    let kind = fields.choice("kind", &["qr", "confirmation", "shipment"], MailKind::from_name)?;
    let kind = kind.ok_or_else(|| Problem::missing_field("kind"))?;
    let same_phone = fields.flag("samePhone", false)?;
    let phone = if kind == MailKind::Qr && !same_phone { Phone::Unknown } else { Phone::Any };
    Ok((Command::SendAgain { kind, to: address(fields, "to")?, asked }, phone))
}

fn address(fields: &mut Fields, name: &str) -> Result<Option<EmailAddress>, Problem> {
    let text = fields.optional_text(name, 254)?;
    let address = text.map(|text| {
        text.parse().map_err(|error| Problem::invalid_field(fields.path(name), format!("is not a mail address: {error}")))
    });
    address.transpose()
}
