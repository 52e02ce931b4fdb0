use crate::request::{idempotency_key, is_id, replayed};
use crate::{Codes, Fields, Problem, authenticate, json, misfit, show, visible_to};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use simdock_domain::{
    ChangeDraft, Channel, Iccid, MAX_COUNT, Order, OrderNum, PaymentMethod, PlaceError, Plan, PostalAddress, Provider,
    Subscription, SubscriptionChange, Timestamp, short_hash,
};
use simdock_store::{Created, Paid, Principal, Receipt, Store};
use std::sync::Arc;

/// Who asks for an order, and under which key.
#[derive(Debug)]
pub struct Asked {
    /// Who asks.
    pub principal: Principal,
    /// The number of the order that the request makes: the same for the same key of the same asker on the same route.
    pub num: OrderNum,
    /// Tells requests with one key apart.
    pub fingerprint: String,
    codes: Codes,
}

impl Asked {
    /// Reads it. `route` names the operation, so that the same key may come with another one; `parts` are what the request says.
    pub fn new(request: &Request, route: &str, principal: Principal, parts: &[&str]) -> Result<Self, Problem> {
        let key = idempotency_key(request)?;
        // A manager's key and a partner's of the same name are two.
        let num = match &principal {
            Principal::Partner { partner_id } => OrderNum::derive(partner_id, route, key),
            Principal::Manager { name } => OrderNum::derive(&format!("manager#{name}"), route, key),
        };
        tracing::Span::current().record("orderNum", num.as_str());
        Ok(Self { principal, num, fingerprint: short_hash(parts), codes: Codes::of_answer(request) })
    }

    /// Stores a new order, or finds the one that the same request made before, and pays it at once where no payment provider is
    /// involved. One that was made stands, even where it would not be made now: `placed` is why not, then. A replay carries on where the
    /// request before it may have been cut off.
    pub async fn submit(self, store: &Store, placed: Result<Order, Problem>) -> Result<Response<Body>, Problem> {
        let order = match placed {
            Ok(order) => order,
            Err(problem) => {
                return match store.order(&self.num).await? {
                    Some(before) if before.fingerprint == self.fingerprint => self.answer(store, before, true).await,
                    Some(_) => Err(Problem::idempotency_key_reused()),
                    None => Err(problem),
                };
            }
        };
        let order = match &self.principal {
            Principal::Partner { .. } => order,
            Principal::Manager { name } => order.by_manager(name, 0),
        };
        match store.create_order(&order).await? {
            Created::New => self.answer(store, order, false).await,
            Created::Before(before) => self.answer(store, *before, true).await,
            Created::KeyReused => Err(Problem::idempotency_key_reused()),
        }
    }

    async fn answer(&self, store: &Store, order: Order, before: bool) -> Result<Response<Body>, Problem> {
        let order = pay_at_once(store, order).await?;
        let shown = show(store, &self.principal, &order, &self.codes).await?;
        Ok(if before { replayed(json(StatusCode::OK, &shown)) } else { json(StatusCode::CREATED, &shown) })
    }
}

/// Pays an order that costs nothing or is paid from the balance, as a webhook would.
async fn pay_at_once(store: &Store, order: Order) -> Result<Order, Problem> {
    let price = order.price();
    let provider = match order.payment_method {
        PaymentMethod::Complimentary => Provider::Free,
        PaymentMethod::Card | PaymentMethod::Balance if price.amount == 0 => Provider::Free,
        PaymentMethod::Balance => Provider::Balance,
        PaymentMethod::Card => return Ok(order),
    };
    if order.is_paid() || order.is_void(store.clock().now()) {
        return Ok(order);
    }
    let receipt = Receipt { provider, payment_id: format!("{}-{}", provider.name(), order.num), received: price };
    // On the heap: it is by far the largest part of whatever waits for it, and some wait behind many others.
    match Box::pin(store.receive_payment(&order.num, &receipt)).await? {
        Paid::Recorded(order) | Paid::Known(order) | Paid::GivenUp(order, _) => Ok(*order),
        Paid::NoOrder => Err(Problem::unavailable("the order is not there yet")),
        Paid::Elsewhere(other) => Err(Problem::internal(format!("an order's own payment belongs to {other}"))),
    }
}

/// A request to change a subscription.
#[derive(Debug)]
pub struct ChangeRequest {
    asked: Asked,
    /// What is to change; one that somebody else owns is as if it did not exist.
    pub subscription: Subscription,
    /// The order that began it.
    pub main: Order,
}

impl ChangeRequest {
    /// Reads who asks, under which key, and about which subscription. `route` names the operation, so that the same key may come
    /// with another one; `canonical` is the body.
    pub async fn new(
        store: &Store,
        request: &Request,
        route: &str,
        principal: Principal,
        subscription_id: &str,
        canonical: &str,
    ) -> Result<Self, Problem> {
        let asked = Asked::new(request, route, principal, &[canonical, subscription_id])?;
        let subscription = subscription_of(store, &asked.principal, subscription_id).await?;
        let main = visible_to(&asked.principal, store.order(&subscription.main_order).await?)?;
        Ok(Self { asked, subscription, main })
    }

    /// One that nobody has made, to find out what would become of it.
    pub(crate) fn supposed(principal: &Principal, subscription: &Subscription, main: Order) -> Self {
        let num = OrderNum::derive(&subscription.partner_id, "supposed", &subscription.id);
        let asked = Asked { principal: principal.clone(), num, fingerprint: String::new(), codes: Codes::None };
        Self { asked, subscription: subscription.clone(), main }
    }

    /// Whether it would become an order now. `plan` is as in [`Order::change`].
    pub(crate) fn check(&self, change: SubscriptionChange, plan: &Plan, now: Timestamp) -> Result<(), Problem> {
        let draft = ChangeDraft {
            change,
            payment_method: PaymentMethod::Balance,
            channel: Channel::Partner,
            send_email: false,
            other_order_id: None,
            other_item_id: None,
        };
        self.order(draft, plan, now).map(|_| ()).map_err(|error| misfit(error, &plan.plan_id))
    }

    fn order(&self, draft: ChangeDraft, plan: &Plan, now: Timestamp) -> Result<Order, PlaceError> {
        Order::change(self.asked.num.clone(), draft, &self.subscription, &self.main, plan, self.asked.fingerprint.clone(), now)
    }

    /// The latest version of a plan that the subscription's partner may sell.
    pub async fn plan(&self, store: &Store, plan_id: &str) -> Result<Arc<Plan>, Problem> {
        let plan = store.plan_for(&self.asked.principal, plan_id).await?;
        let plan = plan.filter(|plan| plan.sold_by(&self.subscription.partner_id));
        plan.ok_or_else(|| Problem::plan_not_found(&self.asked.principal, plan_id))
    }

    /// The version of the plan that runs, or else of the newest on the subscription.
    pub async fn current_plan(&self, store: &Store) -> Result<Arc<Plan>, Problem> {
        let at = self.subscription.plan_for_add_ons(store.clock().now());
        let index = at.unwrap_or(self.subscription.plans.len().saturating_sub(1));
        let run = self.subscription.plans.get(index).ok_or_else(|| Problem::internal("a subscription without a plan"))?;
        Ok(store.plan_version(&run.plan_id, run.plan_version).await?)
    }

    /// Makes the order that changes the subscription, or finds the one that the same request made before: that one stands even where
    /// the subscription would not take it now, or the plan is not sold any more.
    pub async fn submit(
        self,
        store: &Store,
        draft: ChangeDraft,
        plan: Result<Arc<Plan>, Problem>,
    ) -> Result<Response<Body>, Problem> {
        let placed =
            plan.and_then(|plan| self.order(draft, &plan, store.clock().now()).map_err(|error| misfit(error, &plan.plan_id)));
        self.asked.submit(store, placed).await
    }
}

/// A subscription, if whoever asks may see it.
pub async fn subscription_of(store: &Store, principal: &Principal, id: &str) -> Result<Subscription, Problem> {
    let sees = |subscription: &Subscription| match principal {
        Principal::Manager { .. } => true,
        Principal::Partner { partner_id } => *partner_id == subscription.partner_id,
    };
    let subscription = if is_id(id) { store.subscription(id).await? } else { None };
    subscription.filter(sees).ok_or_else(|| Problem::not_found("subscription"))
}

/// How an order is to be paid and where it came from: the fields that all orders which change a subscription share.
pub fn change_draft(
    fields: &mut Fields,
    change: SubscriptionChange,
    default: Option<PaymentMethod>,
) -> Result<ChangeDraft, Problem> {
    let methods = [PaymentMethod::Card.name(), PaymentMethod::Balance.name()];
    let payment_method = fields.choice("payment", &methods, PaymentMethod::from_name)?.or(default);
    Ok(ChangeDraft {
        change,
        payment_method: payment_method.ok_or_else(|| Problem::missing_field("payment"))?,
        channel: channel(fields)?,
        send_email: fields.flag("sendEmail", true)?,
        other_order_id: fields.optional_text("otherOrderId", 64)?,
        other_item_id: fields.optional_text("otherItemId", 64)?,
    })
}

/// Where an order came from.
pub fn channel(fields: &mut Fields) -> Result<Channel, Problem> {
    let channels: Vec<&str> = Channel::ALL.iter().map(|channel| channel.name()).collect();
    Ok(fields.choice("channel", &channels, Channel::from_name)?.unwrap_or(Channel::Partner))
}

/// A postal address, if there is one.
pub fn postal_address(fields: &mut Fields, name: &str) -> Result<Option<PostalAddress>, Problem> {
    let Some(mut address) = fields.optional_object(name)? else { return Ok(None) };
    let lines = address.texts("lines", 3, 70)?.filter(|lines| !lines.is_empty());
    let lines = lines.ok_or_else(|| Problem::missing_field(address.path("lines")))?;
    let country = address.country("country")?.ok_or_else(|| Problem::missing_field(address.path("country")))?;
    let read = PostalAddress {
        lines,
        city: address.text("city", 70)?,
        region: address.optional_text("region", 70)?,
        postal_code: address.optional_text("postalCode", 16)?,
        country,
    };
    address.finish()?;
    Ok(Some(read))
}

/// Card numbers.
pub fn iccids(fields: &mut Fields, name: &str) -> Result<Vec<Iccid>, Problem> {
    let texts = fields.texts(name, MAX_COUNT as usize, 20)?.unwrap_or_default();
    let iccid = |text: &String| {
        text.parse()
            .map_err(|error| Problem::invalid_field(fields.path(name), format!("names “{text}”, which is no ICCID: {error}")))
    };
    texts.iter().map(iccid).collect()
}

/// Who asks for a change of the subscription that the path names, and the body.
pub async fn change_of_subscription(store: &Store, request: &Request, route: &str) -> Result<(ChangeRequest, Fields), Problem> {
    let principal = authenticate(store, request).await?;
    let id = crate::path_parameter(request, "subscriptionId");
    let (fields, canonical) = crate::json_object(request)?;
    Ok((ChangeRequest::new(store, request, route, principal, &id, &canonical).await?, fields))
}
