//! `POST /v1/inventory/imports`: judges a CSV file of cards whole, then puts the good ones into stock.

mod judge;

use judge::{Defaults, judge};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use simdock_api::{
    ErrorView, ImportView, MAX_ERRORS, Problem, authenticate, body_of, flag_parameter, handle, json, manager, query_parameters,
};
use simdock_domain::FormFactor;
use simdock_runtime::{Config, ConfigError};
use simdock_store::{Import, ImportStatus, Store};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The largest file in bytes.
const MAX_FILE: usize = 5 * 1024 * 1024;
/// What is wrong with a file that has a header only.
const NO_LINES: &str = "The file has no lines below its header.";
/// How long one request puts cards into stock; the sweep does the rest. What comes behind the last of them, its answer, takes a moment
/// more where tables are busy.
const BUDGET: Duration = Duration::from_secs(16);

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
        handle("import-inventory", &request, self.import(&request)).await
    }

    async fn import(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let until = Instant::now() + BUDGET;
        let principal = authenticate(&self.store, request).await?;
        let manager = manager(&principal)?;
        let mut parameters = query_parameters(request, &["dryRun", "skipInvalid", "operator", "imsiProfile", "formFactor"])?;
        let dry_run = flag_parameter(&mut parameters, "dryRun")?.unwrap_or(false);
        let options = format!("{parameters:?}");
        let skip_invalid = flag_parameter(&mut parameters, "skipInvalid")?.unwrap_or(false);
        let form_factor = match parameters.remove("formFactor") {
            None => FormFactor::Esim,
            Some(text) => text.parse().map_err(|_| Problem::invalid_field("formFactor", "must be esim or physical"))?,
        };
        let defaults =
            Defaults { operator: parameters.remove("operator"), imsi_profile: parameters.remove("imsiProfile"), form_factor };
        let file = body_of(request, "text/csv", MAX_FILE)?;
        let file = std::str::from_utf8(file).map_err(|_| Problem::invalid_csv("The file is not UTF-8."))?;

        if dry_run {
            let verdict = judge(&self.store, file, &defaults, self.store.clock().now()).await?;
            if verdict.good.is_empty() && verdict.errors.is_empty() {
                return Err(Problem::invalid_csv(NO_LINES));
            }
            return Ok(json(StatusCode::OK, &ImportView::checked(verdict.good.len(), verdict.errors)));
        }
        let id = Store::import_id(manager, &options, file);
        // The same file again is the same import, as far as it got.
        if self.store.import(&id).await?.is_none() {
            let now = self.store.clock().now();
            let verdict = judge(&self.store, file, &defaults, now).await?;
            let lines = verdict.good.len() + verdict.errors.len();
            if lines == 0 {
                return Err(Problem::invalid_csv(NO_LINES));
            }
            let refused = verdict.good.is_empty() || (!skip_invalid && !verdict.errors.is_empty());
            // The same file may have come in between: its cards are in stock by it then, and the answer is its own.
            if refused && self.store.import(&id).await?.is_none() {
                let detail = format!("{} of {lines} lines cannot go in; nothing was written.", verdict.errors.len());
                let rejected = verdict.errors.len();
                let errors = verdict.errors.into_iter().take(MAX_ERRORS).map(ErrorView::from);
                return Err(Problem::invalid_csv(detail)
                    .with("lines", lines.into())
                    .with("rejected", rejected.into())
                    .with("errors", errors.map(|error| error.to_json()).collect()));
            }
            if !refused {
                self.store.begin_import(&id, lines, verdict.good, &verdict.errors, manager).await?;
            }
        }
        let import = self.store.run_import(&id, until).await?;
        let import: Import = import.ok_or_else(|| Problem::unavailable("the import is not there yet"))?;
        let status = match import.status {
            ImportStatus::Running => StatusCode::ACCEPTED,
            ImportStatus::Done => StatusCode::CREATED,
        };
        Ok(json(status, &ImportView::from(import)))
    }
}
