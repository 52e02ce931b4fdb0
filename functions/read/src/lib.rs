//! Everything that is read: orders, subscriptions, cards, plans, inventory levels and imports.

mod query;
mod settings;
mod stock;

use futures_util::future::try_join_all;
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use simdock_api::{
    ImportView, InventoryView, ListView, PlanView, Problem, SimView, WaitingView, authenticate, card_visible_to, handle, is_id,
    json, list_entry, manager, order_actions, order_num, path_parameter, plans_for, query_parameters, route, show, show_sim,
    show_subscription, subscription_actions, subscription_of, visible_to, write_cursor,
};
use simdock_domain::Iccid;
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
        handle("read", &request, self.read(&request)).await
    }

    async fn read(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let principal = authenticate(&self.store, request).await?;
        match route(request).as_str() {
            "GET /v1/orders" => self.orders(&principal, request).await,
            "GET /v1/orders/{orderNum}" => self.order(&principal, request).await,
            "GET /v1/orders/{orderNum}/actions" => self.order_actions(&principal, request).await,
            "GET /v1/attention" => self.attention(&principal, request).await,
            "GET /v1/subscriptions" => self.lines(&principal, request).await,
            "GET /v1/subscriptions/{subscriptionId}" => self.subscription(&principal, request).await,
            "GET /v1/subscriptions/{subscriptionId}/actions" => self.subscription_actions(&principal, request).await,
            "GET /v1/sims" => self.sims(&principal, request).await,
            "GET /v1/sims/{iccid}" => self.sim(&principal, request).await,
            "GET /v1/plans" => self.plans(&principal, request).await,
            "GET /v1/inventory" => self.inventory(&principal, request).await,
            "GET /v1/inventory/imports/{importId}" => self.import(&principal, request).await,
            "GET /v1/plans/{planId}" => self.plan(&principal, request).await,
            "GET /v1/inventory/{poolId}" => self.pool(&principal, request).await,
            "GET /v1/inventory/imports" => self.imports(&principal, request).await,
            "GET /v1/partners" => self.partners(&principal, request).await,
            "GET /v1/partners/{partnerId}" => self.partner(&principal, request).await,
            "GET /v1/partners/{partnerId}/ledger" => self.ledger(&principal, request).await,
            "GET /v1/keys" => self.keys(&principal, request).await,
            "GET /v1/audit" => self.audit(&principal, request).await,
            _ => Err(Problem::not_found("resource")),
        }
    }

    async fn order(&self, principal: &Principal, request: &Request) -> Result<Response<Body>, Problem> {
        let codes = query::codes(request)?;
        let num = order_num(request)?;
        tracing::Span::current().record("orderNum", num.as_str());
        let order = visible_to(principal, self.store.order(&num).await?)?;
        Ok(json(StatusCode::OK, &show(&self.store, principal, &order, &codes).await?))
    }

    async fn order_actions(&self, principal: &Principal, request: &Request) -> Result<Response<Body>, Problem> {
        query_parameters(request, &[])?;
        let num = order_num(request)?;
        tracing::Span::current().record("orderNum", num.as_str());
        let order = visible_to(principal, self.store.order(&num).await?)?;
        let items = order_actions(&self.store, principal, &order).await?;
        Ok(json(StatusCode::OK, &ListView { items, next_cursor: None }))
    }

    async fn orders(&self, principal: &Principal, request: &Request) -> Result<Response<Body>, Problem> {
        let page = self.store.list_orders(&query::orders(principal, request)?).await?;
        let mut items = Vec::with_capacity(page.items.len());
        for order in &page.items {
            items.push(list_entry(&self.store, principal, order).await?);
        }
        Ok(json(StatusCode::OK, &ListView { items, next_cursor: Some(page.next.as_ref().map(write_cursor)) }))
    }

    async fn attention(&self, principal: &Principal, request: &Request) -> Result<Response<Body>, Problem> {
        manager(principal)?;
        query_parameters(request, &[])?;
        Ok(json(StatusCode::OK, &WaitingView::from(self.store.waiting().await?)))
    }

    async fn lines(&self, principal: &Principal, request: &Request) -> Result<Response<Body>, Problem> {
        let page = self.store.list_lines(&query::lines(principal, request)?).await?;
        let shown = page.items.iter().map(|subscription| show_subscription(&self.store, principal, subscription));
        let items = try_join_all(shown).await?;
        Ok(json(StatusCode::OK, &ListView { items, next_cursor: Some(page.next.as_ref().map(write_cursor)) }))
    }

    async fn subscription(&self, principal: &Principal, request: &Request) -> Result<Response<Body>, Problem> {
        query_parameters(request, &[])?;
        let id = path_parameter(request, "subscriptionId");
        let subscription = subscription_of(&self.store, principal, &id).await?;
        Ok(json(StatusCode::OK, &show_subscription(&self.store, principal, &subscription).await?))
    }

    async fn subscription_actions(&self, principal: &Principal, request: &Request) -> Result<Response<Body>, Problem> {
        query_parameters(request, &[])?;
        let id = path_parameter(request, "subscriptionId");
        let subscription = subscription_of(&self.store, principal, &id).await?;
        let items = subscription_actions(&self.store, principal, &subscription).await?;
        Ok(json(StatusCode::OK, &ListView { items, next_cursor: None }))
    }

    async fn sim(&self, principal: &Principal, request: &Request) -> Result<Response<Body>, Problem> {
        query_parameters(request, &[])?;
        let sim = match path_parameter(request, "iccid").parse::<Iccid>() {
            Ok(iccid) => self.store.sim(&iccid).await?,
            Err(_) => None,
        };
        let sim = show_sim(&self.store, card_visible_to(&self.store, principal, sim).await?).await?;
        let sim = match principal {
            Principal::Manager { .. } => sim,
            Principal::Partner { .. } => sim.for_partner(),
        };
        Ok(json(StatusCode::OK, &sim))
    }

    async fn sims(&self, principal: &Principal, request: &Request) -> Result<Response<Body>, Problem> {
        manager(principal)?;
        let page = self.store.list_sims(&query::sims(request)?).await?;
        let now = self.store.clock().now();
        let items = page.items.into_iter().map(|report| SimView::new(report, now)).collect();
        Ok(json(StatusCode::OK, &ListView { items, next_cursor: Some(page.next.as_ref().map(write_cursor)) }))
    }

    async fn plans(&self, principal: &Principal, request: &Request) -> Result<Response<Body>, Problem> {
        let (mut query, subscription) = query::plans(principal, request)?;
        if let Some(id) = subscription {
            query.subscription = Some(subscription_of(&self.store, principal, &id).await?);
        }
        let named = principal.is_manager().then_some(query.partner_id.as_ref()).flatten();
        if let Some(partner) = named
            && self.store.partner(partner).await?.is_none()
        {
            return Err(Problem::invalid_field("partnerId", "is no partner"));
        }
        let plans = plans_for(&self.store, principal, &query).await?;
        let items = plans.iter().map(|plan| PlanView::from(plan.as_ref())).collect();
        Ok(json(StatusCode::OK, &ListView { items, next_cursor: None }))
    }

    async fn inventory(&self, principal: &Principal, request: &Request) -> Result<Response<Body>, Problem> {
        manager(principal)?;
        query_parameters(request, &[])?;
        let items = self.store.levels().await?.into_iter().map(InventoryView::from).collect();
        Ok(json(StatusCode::OK, &ListView { items, next_cursor: None }))
    }

    async fn import(&self, principal: &Principal, request: &Request) -> Result<Response<Body>, Problem> {
        manager(principal)?;
        query_parameters(request, &[])?;
        let id = path_parameter(request, "importId");
        let import = if is_id(&id) { self.store.import(&id).await? } else { None };
        let import = import.ok_or_else(|| Problem::not_found("import"))?;
        Ok(json(StatusCode::OK, &ImportView::from(import)))
    }
}
