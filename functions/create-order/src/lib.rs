//! `POST /v1/orders`: takes an order, and pays it at once where no payment provider is involved.

use lambda_http::http::{HeaderValue, StatusCode};
use lambda_http::{Body, Request, Response};
use simdock_api::{Fields, Problem, authenticate, handle, idempotency_key, json, json_object, show};
use simdock_domain::{AddOnError, Channel, Draft, EmailAddress, MAX_COUNT, Order, OrderNum, PaymentMethod, PlaceError, Provider};
use simdock_runtime::{Config, ConfigError};
use simdock_store::{Created, Paid, Principal, Receipt, Store};

/// The function and what it holds on to between requests.
#[derive(Debug)]
pub struct App {
    store: Store,
}

impl App {
    /// Builds the function.
    pub async fn new(config: &Config) -> Result<Self, ConfigError> {
        Ok(Self { store: Store::new(config).await? })
    }

    /// Answers a request.
    pub async fn handle(&self, request: Request) -> Response<Body> {
        handle("create-order", &request, self.create(&request)).await
    }

    async fn create(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let Principal::Partner { partner_id } = authenticate(&self.store, request).await? else {
            return Err(Problem::forbidden("An order belongs to a partner: send a partner's key."));
        };
        let num = OrderNum::derive(&partner_id, "POST /v1/orders", idempotency_key(request)?);
        tracing::Span::current().record("orderNum", num.as_str());
        let (fields, canonical) = json_object(request)?;
        let (plan_id, draft) = read_draft(fields)?;
        let plan = self.store.latest_plan(&plan_id).await?.filter(|plan| plan.sold_by(&partner_id));
        let plan = plan.ok_or_else(|| Problem::plan_not_found(&plan_id))?;
        let fingerprint = simdock_domain::short_hash(&[&canonical]);
        let now = self.store.clock().now();
        let order = Order::place(num, &partner_id, draft, &plan, fingerprint, now).map_err(|error| misfit(error, &plan_id))?;
        let (order, replayed) = match self.store.create_order(&order).await? {
            Created::New => (order, false),
            Created::Before(before) => (*before, true),
            Created::KeyReused => return Err(Problem::idempotency_key_reused()),
        };
        // A replay carries on where the request before it may have been cut off.
        let order = self.pay_at_once(order).await?;
        let mut response = json(if replayed { StatusCode::OK } else { StatusCode::CREATED }, &show(&self.store, &order).await?);
        if replayed {
            response.headers_mut().insert("Idempotency-Replayed", HeaderValue::from_static("true"));
        }
        Ok(response)
    }

    /// Pays an order that costs nothing or is paid from the balance, as a webhook would.
    async fn pay_at_once(&self, order: Order) -> Result<Order, Problem> {
        let price = order.price();
        let provider = match order.payment_method {
            PaymentMethod::Card | PaymentMethod::Balance if price.amount == 0 => Provider::Free,
            PaymentMethod::Balance => Provider::Balance,
            PaymentMethod::Card => return Ok(order),
        };
        if order.is_paid() || order.is_void(self.store.clock().now()) {
            return Ok(order);
        }
        let receipt = Receipt { provider, payment_id: format!("{}-{}", provider.name(), order.num), received: price };
        match self.store.receive_payment(&order.num, &receipt).await? {
            Paid::Recorded(order) | Paid::Known(order) | Paid::GivenUp(order, _) => Ok(*order),
            Paid::NoOrder => Err(Problem::unavailable("the order is not there yet")),
            Paid::Elsewhere(other) => Err(Problem::internal(format!("an order's own payment belongs to {other}"))),
        }
    }
}

fn read_draft(mut fields: Fields) -> Result<(String, Draft), Problem> {
    let plan_id = fields.text("planId", 64)?;
    let count = fields.whole("count", 1, MAX_COUNT)?;
    let add_on_ids = fields.texts("addOnIds", 64, 64)?.unwrap_or_default();
    let methods: Vec<&str> = PaymentMethod::ALL.iter().map(|method| method.name()).collect();
    let payment_method = fields.choice("payment", &methods, PaymentMethod::from_name)?;
    let payment_method = payment_method.ok_or_else(|| Problem::missing_field("payment"))?;
    let channels: Vec<&str> = Channel::ALL.iter().map(|channel| channel.name()).collect();
    let channel = fields.choice("channel", &channels, Channel::from_name)?.unwrap_or(Channel::Partner);
    let mut subscriber = fields.object("subscriber")?;
    let email: EmailAddress = subscriber
        .text("email", 254)?
        .parse()
        .map_err(|error| Problem::invalid_field("subscriber.email", format!("is not a mail address: {error}")))?;
    let name = subscriber.text("name", 100)?;
    let language = subscriber.optional_text("language", 35)?.unwrap_or_else(|| "en".to_owned());
    if !is_language_tag(&language) {
        return Err(Problem::invalid_field("subscriber.language", "must be a BCP 47 language tag such as en or pt-BR"));
    }
    subscriber.finish()?;
    let draft = Draft {
        count,
        add_on_ids,
        payment_method,
        channel,
        email,
        name,
        language,
        line_name: fields.optional_text("lineName", 64)?,
        send_email: fields.flag("sendEmail", true)?,
        other_order_id: fields.optional_text("otherOrderId", 64)?,
        other_item_id: fields.optional_text("otherItemId", 64)?,
    };
    fields.finish()?;
    Ok((plan_id, draft))
}

/// Whether a text has the form of a language tag: subtags of 1 to 8 letters and digits, the first 2 to 8 letters.
fn is_language_tag(text: &str) -> bool {
    let mut subtags = text.split('-');
    let first = subtags.next().unwrap_or_default();
    (2..=8).contains(&first.len())
        && first.bytes().all(|byte| byte.is_ascii_alphabetic())
        && subtags.all(|subtag| (1..=8).contains(&subtag.len()) && subtag.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

fn misfit(error: PlaceError, plan_id: &str) -> Problem {
    match error {
        PlaceError::Count => Problem::invalid_field("count", format!("must be a whole number from 1 to {MAX_COUNT}")),
        PlaceError::FormFactor => Problem::plan_not_found(plan_id),
        PlaceError::AddOns(AddOnError::Unknown(id)) => Problem::add_on_not_found(&id),
        PlaceError::AddOns(AddOnError::TooMuchData) => {
            Problem::invalid_field("addOnIds", format!("may name {} data add-ons at most", simdock_domain::MAX_DATA_ADD_ONS))
        }
        PlaceError::AddOns(AddOnError::VoiceTwice(voice)) => {
            Problem::invalid_field("addOnIds", format!("may name one voice add-on of type {voice}"))
        }
        PlaceError::Price => Problem::invalid_field("count", "makes a price that is too large"),
    }
}
