//! Plans in full, pools with their history, and imports.

use crate::{App, query};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use simdock_api::{
    ImportEntryView, ListView, PlanDetailsView, PoolDetailsView, Problem, json, manager, path_parameter, query_parameters,
    write_cursor,
};
use simdock_domain::PoolId;
use simdock_store::Principal;

/// The longest id of a plan in bytes; a longer one might be no key that the tables take.
const LONGEST_ID: usize = 256;

impl App {
    pub(crate) async fn plan(&self, principal: &Principal, request: &Request) -> Result<Response<Body>, Problem> {
        manager(principal)?;
        let wanted = query::plan_version(request)?;
        let id = path_parameter(request, "planId");
        let latest = if (1..=LONGEST_ID).contains(&id.len()) { self.store.latest_version(&id).await? } else { None };
        let latest = latest.ok_or_else(|| Problem::not_found("plan"))?;
        let version = wanted.unwrap_or(latest);
        if version > latest {
            return Err(Problem::not_found("version of the plan"));
        }
        let plan = self.store.plan_version(&id, version).await?;
        Ok(json(StatusCode::OK, &PlanDetailsView::new(&plan, latest)))
    }

    pub(crate) async fn pool(&self, principal: &Principal, request: &Request) -> Result<Response<Body>, Problem> {
        manager(principal)?;
        query_parameters(request, &[])?;
        let none = || Problem::not_found("pool");
        let pool = PoolId::try_from(path_parameter(request, "poolId")).map_err(|_| none())?;
        let level = self.store.level(&pool).await?.ok_or_else(none)?;
        Ok(json(StatusCode::OK, &PoolDetailsView::new(level, self.store.level_history(&pool).await?)))
    }

    pub(crate) async fn imports(&self, principal: &Principal, request: &Request) -> Result<Response<Body>, Problem> {
        manager(principal)?;
        let (limit, after) = query::imports(request)?;
        let page = self.store.imports(limit, after.as_ref()).await?;
        let items = page.items.into_iter().map(ImportEntryView::from).collect();
        Ok(json(StatusCode::OK, &ListView { items, next_cursor: Some(page.next.as_ref().map(write_cursor)) }))
    }
}
