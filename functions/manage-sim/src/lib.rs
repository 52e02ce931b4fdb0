//! What managers do to a card by hand: note something about it, archive it, bring it back.

use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use simdock_api::{Fields, Problem, authenticate, handle, json, json_object, kept, manager, path_parameter, route, show_sim};
use simdock_domain::Iccid;
use simdock_runtime::{Config, ConfigError};
use simdock_store::{Conflict, Sim, SimEdit, SimRules, Store};
use std::sync::Arc;

/// How often it is decided anew because the card changed meanwhile.
const DECISIONS: u32 = 20;
/// How many labels a card has at most, and how many characters each.
const MOST_LABELS: usize = 10;
const LONGEST_LABEL: usize = 32;
/// How many characters a note has at most.
const LONGEST_NOTE: usize = 500;

/// The function and what it holds on to between requests.
#[derive(Debug)]
pub struct App {
    store: Arc<Store>,
}

/// What a manager asks for.
enum Wish {
    /// Of this edition of what is noted, or of whichever there is.
    Edit(Vec<SimEdit>, Option<u32>),
    Archive,
    Restore,
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
        handle("manage-sim", &request, self.manage(&request)).await
    }

    async fn manage(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let principal = authenticate(&self.store, request).await?;
        let name = manager(&principal)?;
        let wish = match route(request).as_str() {
            "PATCH /v1/sims/{iccid}" => edits(request)?,
            "POST /v1/sims/{iccid}/archive" => Wish::Archive,
            "POST /v1/sims/{iccid}/restore" => Wish::Restore,
            _ => return Err(Problem::not_found("resource")),
        };
        let iccid: Iccid = path_parameter(request, "iccid").parse().map_err(|_| Problem::not_found("card"))?;
        for _ in 0..DECISIONS {
            let sim = self.store.sim(&iccid).await?.ok_or_else(|| Problem::not_found("card"))?;
            if self.carry_out(&wish, &sim, name).await?.is_ok() {
                let sim = self.store.sim(&iccid).await?.ok_or_else(|| Problem::not_found("card"))?;
                return Ok(json(StatusCode::OK, &show_sim(&self.store, sim).await?));
            }
        }
        Err(Problem::unavailable("the card kept changing"))
    }

    async fn carry_out(&self, wish: &Wish, sim: &Sim, by: &str) -> Result<Result<(), Conflict>, Problem> {
        Ok(match wish {
            Wish::Edit(edits, based_on) => {
                if based_on.is_some_and(|edition| edition != sim.edition) {
                    return Err(Problem::edition_conflict(sim.edition));
                }
                let suspends = |edit: &SimEdit| matches!(edit, SimEdit::Rules(rules) if rules.suspend_at_month_mb.is_some());
                if edits.iter().any(suspends) && !self.takes_requests(sim).await? {
                    return Err(Problem::preloaded());
                }
                self.store.edit_sim(sim, edits, by).await?
            }
            Wish::Archive => {
                let subscription = match &sim.subscription {
                    None => None,
                    Some(id) => self.store.subscription(id).await?,
                };
                self.store.archive_sim(sim, sim.archiving(subscription.as_ref()).map_err(kept)?, by).await?
            }
            Wish::Restore => self.store.restore_sim(sim, sim.restoring(self.store.clock().now()).map_err(kept)?, by).await?,
        })
    }

    async fn takes_requests(&self, sim: &Sim) -> Result<bool, Problem> {
        Ok(self.store.operator(&sim.pool.operator).await?.is_some_and(|operator| operator.takes_requests()))
    }
}

/// What is to be changed: the fields that are there, those that are null to nothing.
fn edits(request: &Request) -> Result<Wish, Problem> {
    let (mut fields, _) = json_object(request)?;
    let based_on = fields.optional_whole("basedOn", 0, u32::MAX)?;
    let mut edits = Vec::new();
    if fields.is_null("note") {
        edits.push(SimEdit::Note(None));
    }
    if let Some(note) = fields.optional_text("note", LONGEST_NOTE)? {
        edits.push(SimEdit::Note(Some(note)));
    }
    if fields.is_null("labels") {
        edits.push(SimEdit::Labels(Vec::new()));
    }
    if let Some(mut labels) = fields.texts("labels", MOST_LABELS, LONGEST_LABEL)? {
        // Lists of labels are written with commas between.
        if labels.iter().any(|label| label.contains(',')) {
            return Err(Problem::invalid_field("labels", "must hold labels without a comma"));
        }
        labels.sort();
        labels.dedup();
        edits.push(SimEdit::Labels(labels));
    }
    if fields.is_null("rules") {
        edits.push(SimEdit::Rules(SimRules::default()));
    }
    if let Some(rules) = fields.optional_object("rules")? {
        edits.push(SimEdit::Rules(read_rules(rules)?));
    }
    fields.finish()?;
    if edits.is_empty() { Err(Problem::missing_field("note, labels or rules")) } else { Ok(Wish::Edit(edits, based_on)) }
}

fn read_rules(mut rules: Fields) -> Result<SimRules, Problem> {
    let read = SimRules { suspend_at_month_mb: rules.optional_whole("suspendAtMonthMb", 1, u32::MAX)? };
    rules.finish()?;
    Ok(read)
}
