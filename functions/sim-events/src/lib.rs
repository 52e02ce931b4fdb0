//! `POST /v1/sims/{iccid}/events`: what a carrier, or an app through its partner, reports about a card. Reports may come late, twice
//! and in any order; what counts is the time at their source.

use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use serde_json::json;
use simdock_api::{Fields, Problem, authenticate, card_visible_to, handle, header, json as answer, json_object, path_parameter};
use simdock_carrier::{Carriers, VerifyError};
use simdock_domain::{
    Command, Eid, Iccid, OrderNum, OverReason, PlanRun, ProfileState, Rejected, Report, Subscription, Timestamp, Via, decide,
};
use simdock_jobs::Queues;
use simdock_payments::SignatureError;
use simdock_runtime::{Config, ConfigError};
use simdock_store::{Conflict, Sim, Store, StoreError};

/// How often a report is taken in anew because something changed meanwhile.
const DECISIONS: u32 = 20;
/// How far a source's clock may be ahead, in seconds.
const SKEW: i64 = 300;

/// The function and what it holds on to between requests.
#[derive(Debug)]
pub struct App {
    store: Store,
    carriers: Carriers,
    queues: Queues,
}

/// What was reported.
struct Event {
    at: Timestamp,
    what: What,
}

enum What {
    Profile { state: ProfileState, eid: Option<Eid>, via: Option<Via> },
    Network { kind: Network, country: Option<String>, order: Option<OrderNum> },
}

#[derive(Clone, Copy)]
enum Network {
    Attached,
    Usage(u32),
    Session(bool),
    Over(OverReason),
}

impl Network {
    /// Whether the card is in a network.
    fn is_in_network(self) -> bool {
        match self {
            Self::Attached | Self::Session(true) => true,
            Self::Usage(_) | Self::Session(false) | Self::Over(_) => false,
        }
    }
}

impl App {
    /// Builds the function.
    pub async fn new(config: &Config) -> Result<Self, ConfigError> {
        let carriers = Carriers::from_json(config.optional("CARRIERS").unwrap_or_default())
            .map_err(|error| ConfigError::new("CARRIERS", error.to_string()))?;
        Ok(Self { carriers, queues: Queues::new(config)?, store: Store::new(config).await? })
    }

    /// Answers a request.
    pub async fn handle(&self, request: Request) -> Response<Body> {
        handle("sim-events", &request, self.take(&request)).await
    }

    async fn take(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let text = path_parameter(request, "iccid");
        let iccid: Iccid = text.parse().map_err(|_| Problem::not_found("card"))?;
        let signed = header(request, "webhook-signature").is_some();
        let sim = self.store.sim(&iccid).await?;
        let sim = if signed {
            self.verify(request, sim)?
        } else {
            card_visible_to(&self.store, &authenticate(&self.store, request).await?, sim).await?
        };
        let (mut fields, _) = json_object(request)?;
        let event = read(&mut fields, self.store.clock().now())?;
        fields.finish()?;
        if !signed && !matches!(event.what, What::Profile { .. }) {
            return Err(Problem::forbidden("What happens in the network is reported by the carrier."));
        }
        let result = self.record(sim, &event).await?;
        Ok(answer(StatusCode::OK, &json!({"received": true, "result": result})))
    }

    /// A carrier reports on its own cards only, with its own secret; a partner on those that it sold. Who cannot sign does not
    /// learn which cards there are.
    fn verify(&self, request: &Request, sim: Option<Sim>) -> Result<Sim, Problem> {
        let unsigned = |error: String| Problem::bad_signature(format!("The request is not signed as it should be: {error}."));
        let sim = sim.ok_or_else(|| unsigned("no carrier has this card".to_owned()))?;
        let headers = [header(request, "webhook-id"), header(request, "webhook-timestamp"), header(request, "webhook-signature")];
        let [id, time, signatures] = headers;
        let body: &[u8] = request.body();
        let now = self.store.clock().now();
        self.carriers.verify(&sim.pool.operator, id, time, signatures, body, now).map_err(|error| match error {
            VerifyError::Signature(SignatureError::Stale) => Problem::signature_stale(),
            VerifyError::NoSecret => unsigned("no carrier has this card".to_owned()),
            VerifyError::Signature(error) => unsigned(error.to_string()),
        })?;
        Ok(sim)
    }

    /// Takes a report in; where something changed meanwhile, again.
    async fn record(&self, mut sim: Sim, event: &Event) -> Result<&'static str, Problem> {
        for _ in 0..DECISIONS {
            let written = match &event.what {
                What::Profile { state, eid, via } => {
                    let profile = match sim.profile.reported(*state, eid.as_ref(), *via, event.at) {
                        Ok(profile) => profile,
                        Err(Rejected::OtherDevice) => {
                            tracing::error!(iccid = sim.iccid.as_str(), "installed on another device than before");
                            return Err(Problem::other_device("The card is bound to the eUICC that it was first installed on."));
                        }
                        Err(_) => return Ok("known"),
                    };
                    match self.swap_of(&sim, *state).await? {
                        None => self.store.write_profile(&sim, &profile).await?,
                        Some(before) => self.take_over(&sim, &profile, &before).await?,
                    }
                }
                What::Network { kind, country, order } => {
                    let Some(before) = self.subscription(&sim).await? else { return Ok("no_subscription") };
                    if before.iccid != sim.iccid {
                        // Nobody installs a card that came by post: it is in a phone once the network sees it.
                        if !kind.is_in_network() || !self.seen_first(&sim, event.at).await? {
                            return Ok("replaced");
                        }
                        sim = self.store.sim(&sim.iccid).await?.ok_or_else(|| Problem::not_found("card"))?;
                        continue;
                    }
                    match self.reported(&before, event.at, *kind, country.as_deref(), order.as_ref()).await? {
                        None => return Ok("known"),
                        Some(next) => {
                            let now = self.store.clock().now();
                            let next = match kind {
                                Network::Usage(_) => next.held_to(sim.rules.suspend_at_month_mb, now),
                                Network::Attached | Network::Session(_) | Network::Over(_) => next,
                            };
                            let written = self.store.write_subscription(&before, &next, now).await?;
                            if written.is_ok() && next.service != before.service {
                                self.suspend(&next).await;
                            }
                            written
                        }
                    }
                }
            };
            if written.is_ok() {
                return Ok("recorded");
            }
            sim = self.store.sim(&sim.iccid).await?.ok_or_else(|| Problem::not_found("card"))?;
        }
        Err(Problem::unavailable("the card kept changing"))
    }

    /// Has the carrier keep a card out of its network whose rule wants that, as if somebody had asked for it.
    async fn suspend(&self, subscription: &Subscription) {
        tracing::info!(subscriptionId = subscription.id, "more was used this month than the card's rule allows: suspending");
        if let Err(error) = self.queues.send_service(&subscription.id).await {
            tracing::warn!(%error, "left to the sweep");
        }
    }

    async fn subscription(&self, sim: &Sim) -> Result<Option<Subscription>, StoreError> {
        match &sim.subscription {
            None => Ok(None),
            Some(id) => self.store.subscription(id).await,
        }
    }

    /// The subscription that a swap's order is for, also before its card was provisioned.
    async fn swapped_subscription(&self, sim: &Sim) -> Result<Option<Subscription>, StoreError> {
        let Some(num) = &sim.order_num else { return Ok(None) };
        match self.store.order(num).await?.and_then(|order| order.subject) {
            None => Ok(None),
            Some(subject) => self.store.subscription(&subject.subscription).await,
        }
    }

    /// The subscription that waits for this card to be installed.
    async fn swap_of(&self, sim: &Sim, state: ProfileState) -> Result<Option<Subscription>, StoreError> {
        if state != ProfileState::Installed {
            return Ok(None);
        }
        let waits = |subscription: &Subscription| {
            subscription.open_change.as_ref().is_some_and(|change| change.new_iccid.as_ref() == Some(&sim.iccid))
        };
        let subscription = match self.subscription(sim).await? {
            Some(subscription) => Some(subscription),
            None => self.swapped_subscription(sim).await?,
        };
        Ok(subscription.filter(waits))
    }

    /// A card is in a network before anybody reported that it was installed. If it is the new card of a swap it takes over; answers
    /// whether it was.
    async fn seen_first(&self, sim: &Sim, at: Timestamp) -> Result<bool, Problem> {
        let Some(before) = self.swap_of(sim, ProfileState::Installed).await? else { return Ok(false) };
        let profile = sim.profile.reported(ProfileState::Installed, None, None, at);
        let _ = self.take_over(sim, &profile.unwrap_or_else(|_| sim.profile.clone()), &before).await?;
        Ok(true)
    }

    /// The new card of a swap was installed: it takes over.
    async fn take_over(
        &self,
        sim: &Sim,
        profile: &simdock_domain::Profile,
        before: &Subscription,
    ) -> Result<Result<(), Conflict>, Problem> {
        let now = self.store.clock().now();
        let change = before.open_change.as_ref().ok_or_else(|| Problem::internal("a swap without a change"))?;
        let order = self.store.order(&change.order).await?.ok_or_else(|| Problem::internal("a swap without an order"))?;
        let next = before.swapped(&sim.iccid, sim.pool.clone(), now);
        match (decide(&order, Command::Swapped, now), next) {
            (Ok(swap), Ok(next)) => {
                let rules = self.store.sim(&before.iccid).await?.map(|old| old.rules).unwrap_or_default();
                Ok(self.store.swapped(&swap, before, &next, sim, profile, rules).await?)
            }
            // It was given up meanwhile; the card's install is on record all the same.
            _ => Ok(self.store.write_profile(sim, profile).await?),
        }
    }

    /// What a report about the network makes of a subscription; nothing if it says nothing new.
    async fn reported(
        &self,
        before: &Subscription,
        at: Timestamp,
        kind: Network,
        country: Option<&str>,
        order: Option<&OrderNum>,
    ) -> Result<Option<Subscription>, Problem> {
        let plan = match order {
            None => None,
            Some(num) => {
                let plan = before.brought_by(num);
                Some(plan.ok_or_else(|| Problem::invalid_field("orderNum", "is not an order of this subscription"))?)
            }
        };
        let mut elsewhere: Vec<(&OrderNum, usize)> = Vec::new();
        if let Some(country) = country {
            for run in &before.plans {
                let plan = self.store.plan_version(&run.plan_id, run.plan_version).await?;
                if !plan.countries.iter().any(|covered| covered == country) {
                    elsewhere.push((&run.order, run.line));
                }
            }
        }
        let covers = |run: &PlanRun| !elsewhere.contains(&(&run.order, run.line));
        let report = match kind {
            Network::Attached => Report::Attached,
            Network::Usage(used_mb) => Report::Usage { plan, used_mb },
            Network::Session(online) => Report::Session(online),
            Network::Over(why) => Report::Over { plan, why },
        };
        Ok(before.report(report, at, covers, self.store.clock().now()).ok())
    }
}

fn read(fields: &mut Fields, now: Timestamp) -> Result<Event, Problem> {
    // Carriers number their events; what tells two of them apart here is what they say.
    fields.optional_text("eventId", 128)?;
    let kinds = ["installed", "enabled", "disabled", "deleted", "first_attach", "usage", "session", "used_up", "expired"];
    let kind = fields.choice("type", &kinds, |name| Some(name.to_owned()))?.ok_or_else(|| Problem::missing_field("type"))?;
    let at = fields.text("at", 32)?.parse::<Timestamp>().ok().filter(|at| *at <= now.plus_seconds(SKEW));
    let at = at.ok_or_else(|| Problem::invalid_field("at", "must be an RFC 3339 time that is not ahead"))?;
    let what = match kind.as_str() {
        "installed" | "enabled" | "disabled" | "deleted" => {
            let eid = fields.optional_text("eid", 32)?;
            let eid =
                eid.map(|text| text.parse().map_err(|error| Problem::invalid_field("eid", format!("is not an EID: {error}"))));
            let vias: Vec<&str> = Via::ALL.iter().map(|via| via.name()).collect();
            let state = match kind.as_str() {
                "disabled" => ProfileState::Disabled,
                "deleted" => ProfileState::Deleted,
                _ => ProfileState::Installed,
            };
            What::Profile { state, eid: eid.transpose()?, via: fields.choice("via", &vias, Via::from_name)? }
        }
        _ => {
            let country = fields.country("country")?;
            let order = fields.optional_text("orderNum", 18)?;
            let order = order.map(|text| text.parse().map_err(|_| Problem::invalid_field("orderNum", "is not an order number")));
            let kind = match kind.as_str() {
                "first_attach" => Network::Attached,
                "usage" => Network::Usage(fields.whole("usedMb", 0, u32::MAX)?),
                "session" => Network::Session(fields.required_flag("inSession")?),
                "used_up" => Network::Over(OverReason::UsedUp),
                _ => Network::Over(OverReason::Expired),
            };
            What::Network { kind, country, order: order.transpose()? }
        }
    };
    Ok(Event { at, what })
}
