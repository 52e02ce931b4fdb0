//! `POST /v1/orders`: takes an order, and pays it at once where no payment provider is involved.

use lambda_http::{Body, Request, Response};
use simdock_api::{Asked, Fields, Problem, authenticate, channel, eligible, handle, iccids, json_object, misfit, postal_address};
use simdock_domain::{Draft, EmailAddress, Gift, MAX_COUNT, Order, PaymentMethod, PlaceError};
use simdock_runtime::{Config, ConfigError};
use simdock_store::{Principal, Store};
use std::sync::Arc;

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
        handle("create-order", &request, self.create(&request)).await
    }

    async fn create(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let principal = authenticate(&self.store, request).await?;
        let (fields, canonical) = json_object(request)?;
        let asked = Asked::new(request, "POST /v1/orders", principal, &[&canonical])?;
        let (partner_id, plan_id, draft) = read_draft(fields, &asked.principal)?;
        let placed = self.place(&asked, &partner_id, &plan_id, draft).await;
        asked.submit(&self.store, placed).await
    }

    async fn place(&self, asked: &Asked, partner_id: &str, plan_id: &str, draft: Draft) -> Result<Order, Problem> {
        if asked.principal.is_manager() && self.store.partner(partner_id).await?.is_none() {
            return Err(Problem::invalid_field("partnerId", "names no partner"));
        }
        let plan = self.store.plan_for(&asked.principal, plan_id).await?.filter(|plan| plan.sold_by(partner_id));
        let plan = plan.ok_or_else(|| Problem::plan_not_found(&asked.principal, plan_id))?;
        if let Some(gift) = &draft.gift {
            eligible(&self.store, partner_id, &draft.email, gift, &plan).await?;
        }
        let now = self.store.clock().now();
        let placed = Order::place(asked.num.clone(), partner_id, draft, &plan, asked.fingerprint.clone(), now);
        placed.map_err(|error| match error {
            PlaceError::NoAddress => Problem::missing_field("subscriber.postalAddress"),
            error => misfit(error, plan_id),
        })
    }
}

fn read_draft(mut fields: Fields, principal: &Principal) -> Result<(String, String, Draft), Problem> {
    let plan_id = fields.text("planId", 64)?;
    let count = fields.whole("count", 1, MAX_COUNT)?;
    let form_factor = fields.choice("formFactor", &["esim", "physical"], |name| name.parse().ok())?.unwrap_or_default();
    let wanted = iccids(&mut fields, "iccids")?;
    let add_on_ids = fields.texts("addOnIds", 64, 64)?.unwrap_or_default();
    let methods: Vec<&str> = PaymentMethod::ALL.iter().map(|method| method.name()).collect();
    let payment_method = fields.choice("payment", &methods, PaymentMethod::from_name)?;
    let payment_method = payment_method.ok_or_else(|| Problem::missing_field("payment"))?;
    let by_manager = principal.is_manager();
    let gift = match fields.optional_text("eligibleSubscriptionId", 18)? {
        Some(subscription) if payment_method == PaymentMethod::Complimentary => Some(Gift { subscription, by_manager }),
        Some(_) => return Err(Problem::invalid_field("eligibleSubscriptionId", "goes with payment complimentary only")),
        None if payment_method == PaymentMethod::Complimentary => return Err(Problem::missing_field("eligibleSubscriptionId")),
        None => None,
    };
    if gift.is_some() && count != 1 {
        return Err(Problem::invalid_field("count", "must be 1: an eligible plan entitles to one"));
    }
    let partner_id = match (principal, fields.optional_text("partnerId", 64)?) {
        (Principal::Partner { partner_id }, None) => partner_id.clone(),
        (Principal::Partner { .. }, Some(_)) => return Err(Problem::forbidden("Only managers may name a partner.")),
        // An order belongs to a partner: it is the partner's balance, plans and gifts that it is made of.
        (Principal::Manager { .. }, Some(partner_id)) => partner_id,
        (Principal::Manager { .. }, None) => return Err(Problem::missing_field("partnerId")),
    };
    let channel = channel(&mut fields)?;
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
    let address = postal_address(&mut subscriber, "postalAddress")?;
    subscriber.finish()?;
    let draft = Draft {
        count,
        form_factor,
        wanted,
        add_on_ids,
        payment_method,
        channel,
        email,
        name,
        language,
        address,
        gift,
        line_name: fields.optional_text("lineName", 64)?,
        send_email: fields.flag("sendEmail", true)?,
        other_order_id: fields.optional_text("otherOrderId", 64)?,
        other_item_id: fields.optional_text("otherItemId", 64)?,
    };
    fields.finish()?;
    Ok((partner_id, plan_id, draft))
}

/// Whether a text has the form of a language tag: subtags of 1 to 8 letters and digits, the first 2 to 8 letters.
fn is_language_tag(text: &str) -> bool {
    let mut subtags = text.split('-');
    let first = subtags.next().unwrap_or_default();
    (2..=8).contains(&first.len())
        && first.bytes().all(|byte| byte.is_ascii_alphabetic())
        && subtags.all(|subtag| (1..=8).contains(&subtag.len()) && subtag.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}
