//! Partners with their money and keys, and the log of who changed what.

use crate::{App, query};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use simdock_api::{
    AuditEntryView, KeyView, LedgerEntryView, ListView, PartnerView, Problem, json, manager, partner_id, query_parameters,
    write_cursor,
};
use simdock_store::Principal;

impl App {
    pub(crate) async fn partners(&self, principal: &Principal, request: &Request) -> Result<Response<Body>, Problem> {
        manager(principal)?;
        let (limit, after, balances) = query::partners(request)?;
        let (items, next): (Vec<PartnerView>, _) = if balances {
            let page = self.store.accounts(limit, after.as_deref()).await?;
            (page.items.into_iter().map(PartnerView::from).collect(), page.next)
        } else {
            let page = self.store.partners(limit, after.as_deref()).await?;
            (page.items.into_iter().map(PartnerView::from).collect(), page.next)
        };
        Ok(json(StatusCode::OK, &ListView { items, next_cursor: Some(next.as_ref().map(write_cursor)) }))
    }

    pub(crate) async fn partner(&self, principal: &Principal, request: &Request) -> Result<Response<Body>, Problem> {
        query_parameters(request, &[])?;
        let account = self.store.account(&partner_id(principal, request)?).await?;
        let account = account.ok_or_else(|| Problem::not_found("partner"))?;
        Ok(json(StatusCode::OK, &PartnerView::from(account)))
    }

    pub(crate) async fn ledger(&self, principal: &Principal, request: &Request) -> Result<Response<Body>, Problem> {
        let partner_id = partner_id(principal, request)?;
        let query = query::ledger(request, partner_id)?;
        if self.store.partner(&query.partner_id).await?.is_none() {
            return Err(Problem::not_found("partner"));
        }
        let page = self.store.ledger_page(&query).await?;
        let items = page.items.into_iter().map(|entry| LedgerEntryView::new(entry, principal)).collect();
        Ok(json(StatusCode::OK, &ListView { items, next_cursor: Some(page.next.as_ref().map(write_cursor)) }))
    }

    pub(crate) async fn keys(&self, principal: &Principal, request: &Request) -> Result<Response<Body>, Problem> {
        manager(principal)?;
        let (partner, limit, after) = query::keys(request)?;
        let now = self.store.clock().now();
        let page = self.store.keys_page(partner.as_deref(), limit, after.as_ref()).await?;
        let items = page.items.into_iter().map(|key| KeyView::new(key, None, now)).collect();
        Ok(json(StatusCode::OK, &ListView { items, next_cursor: Some(page.next.as_ref().map(write_cursor)) }))
    }

    pub(crate) async fn audit(&self, principal: &Principal, request: &Request) -> Result<Response<Body>, Problem> {
        manager(principal)?;
        let page = self.store.audit_log(&query::audit(request)?).await?;
        let items = page.items.into_iter().map(AuditEntryView::from).collect();
        Ok(json(StatusCode::OK, &ListView { items, next_cursor: Some(page.next.as_ref().map(write_cursor)) }))
    }
}
