//! Everything that is read: orders, plans, inventory levels and imports.

use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, RequestExt, Response};
use simdock_api::{
    ImportView, InventoryView, ListView, PlanView, Problem, authenticate, cursor, handle, json, list_entry, manager, order_num,
    path_parameter, query_parameters, show, visible_to, write_cursor,
};
use simdock_domain::Timestamp;
use simdock_runtime::{Config, ConfigError};
use simdock_store::{ListQuery, Principal, Store};

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
        handle("read", &request, self.read(&request)).await
    }

    async fn read(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let principal = authenticate(&self.store, request).await?;
        match route(request).as_str() {
            "GET /v1/orders" => self.orders(&principal, request).await,
            "GET /v1/orders/{orderNum}" => self.order(&principal, request).await,
            "GET /v1/plans" => self.plans(&principal, request).await,
            "GET /v1/inventory" => self.inventory(&principal, request).await,
            "GET /v1/inventory/imports/{importId}" => self.import(&principal, request).await,
            _ => Err(Problem::not_found("resource")),
        }
    }

    async fn order(&self, principal: &Principal, request: &Request) -> Result<Response<Body>, Problem> {
        query_parameters(request, &[])?;
        let num = order_num(request)?;
        tracing::Span::current().record("orderNum", num.as_str());
        let order = visible_to(principal, self.store.order(&num).await?)?;
        Ok(json(StatusCode::OK, &show(&self.store, &order).await?))
    }

    async fn orders(&self, principal: &Principal, request: &Request) -> Result<Response<Body>, Problem> {
        let known = ["limit", "cursor", "from", "to", "otherOrderId", "otherItemId", "partnerId"];
        let mut parameters = query_parameters(request, &known)?;
        let partner_id = match (principal, parameters.remove("partnerId")) {
            (Principal::Partner { partner_id }, None) => partner_id.clone(),
            (Principal::Partner { .. }, Some(_)) => return Err(Problem::forbidden("Only managers may name a partner.")),
            (Principal::Manager { .. }, Some(partner_id)) => partner_id,
            (Principal::Manager { .. }, None) => return Err(Problem::missing_field("partnerId")),
        };
        let limit = match parameters.remove("limit") {
            None => 20,
            Some(text) => {
                let number = text.parse().ok().filter(|limit| (1..=100).contains(limit));
                number.ok_or_else(|| Problem::invalid_field("limit", "must be a whole number from 1 to 100"))?
            }
        };
        let mut time = |name: &str| match parameters.remove(name) {
            None => Ok(None),
            Some(text) => {
                let time = text.parse::<Timestamp>();
                time.map(Some).map_err(|_| Problem::invalid_field(name, "must be an RFC 3339 time such as 2026-11-22T10:00:00Z"))
            }
        };
        let (from, until) = (time("from")?, time("to")?);
        let query = ListQuery {
            partner_id,
            from,
            until,
            limit,
            after: parameters.remove("cursor").map(|text| cursor(&text)).transpose()?,
            other_order_id: parameters.remove("otherOrderId"),
            other_item_id: parameters.remove("otherItemId"),
        };
        if query.other_item_id.is_some() && query.other_order_id.is_none() {
            return Err(Problem::invalid_field("otherItemId", "can be asked for together with otherOrderId only"));
        }
        let page = self.store.list_orders(&query).await?;
        let mut items = Vec::with_capacity(page.items.len());
        for order in &page.items {
            items.push(list_entry(&self.store, order).await?);
        }
        Ok(json(StatusCode::OK, &ListView { items, next_cursor: Some(page.next.as_deref().map(write_cursor)) }))
    }

    async fn plans(&self, principal: &Principal, request: &Request) -> Result<Response<Body>, Problem> {
        query_parameters(request, &[])?;
        let plans = self.store.plans().await?;
        let sold = plans.iter().filter(|plan| match principal {
            Principal::Manager { .. } => true,
            Principal::Partner { partner_id } => plan.sold_by(partner_id),
        });
        let items = sold.map(|plan| PlanView::from(plan.as_ref())).collect();
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
        let import = self.store.import(&path_parameter(request, "importId")).await?;
        let import = import.ok_or_else(|| Problem::not_found("import"))?;
        Ok(json(StatusCode::OK, &ImportView::from(import)))
    }
}

/// The route that API Gateway matched.
fn route(request: &Request) -> String {
    use lambda_http::request::RequestContext;
    match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.route_key.clone().unwrap_or_default(),
        _ => String::new(),
    }
}
