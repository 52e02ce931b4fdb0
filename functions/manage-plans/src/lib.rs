//! `PUT /v1/plans/{planId}`: puts a plan's next version on sale, or withdraws the plan, once all of it was looked at.

use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use simdock_api::{
    Fields, PlanDetailsView, Problem, authenticate, handle, json, json_object, manager, path_parameter, query_parameters,
};
use simdock_domain::{
    AddOn, AddOnKind, FlowType, FormFactor, Known, MOST_DATA, MOST_DAYS, MOST_MONEY, MOST_NAMED, MOST_REFUND_DAYS, Plan,
    ProfileCost, RefundPolicy, SimType,
};
use simdock_runtime::{Config, ConfigError};
use simdock_store::Store;
use std::sync::Arc;

/// The longest id of a plan in characters.
const LONGEST_ID: usize = 64;
/// As many versions as their numbers leave place for.
const MOST_VERSIONS: u32 = 999_998;

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
        handle("manage-plans", &request, self.put(&request)).await
    }

    async fn put(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let principal = authenticate(&self.store, request).await?;
        let by = manager(&principal)?;
        query_parameters(request, &[])?;
        let plan = plan(path_parameter(request, "planId"), json_object(request)?.0)?;
        let known = self.known(&plan).await?;
        plan.check(&known).map_err(|fault| Problem::invalid_field(fault.field, fault.why))?;
        if self.store.put_plan(&plan, by).await?.is_err() {
            if plan.version == 1 {
                return Err(Problem::not_possible("plan_exists", "There is a plan with this id already."));
            }
            let latest = self.store.latest_version(&plan.plan_id).await?.unwrap_or(0);
            return Err(Problem::version_conflict(latest));
        }
        Ok(json(StatusCode::CREATED, &PlanDetailsView::new(&plan, plan.version)))
    }

    /// What there is of all that a plan names.
    async fn known(&self, plan: &Plan) -> Result<Known, Problem> {
        let mut known = Known::default();
        for name in plan.profiles.iter().map(|profile| &profile.operator) {
            if !known.operators.contains(name) && self.store.operator(name).await?.is_some() {
                known.operators.insert(name.clone());
            }
        }
        for id in &plan.partners {
            if self.store.partner(id).await?.is_some() {
                known.partners.insert(id.clone());
            }
        }
        for id in &plan.complimentary_with {
            if self.store.latest_version(id).await?.is_some() {
                known.plans.insert(id.clone());
            }
        }
        Ok(known)
    }
}

/// The plan that a body describes.
fn plan(plan_id: String, mut fields: Fields) -> Result<Plan, Problem> {
    if plan_id.is_empty() || plan_id.chars().count() > LONGEST_ID {
        return Err(Problem::invalid_field("planId", format!("must have 1 to {LONGEST_ID} characters")));
    }
    let based_on = fields.whole("basedOn", 0, MOST_VERSIONS)?;
    let plan = Plan {
        plan_id,
        version: based_on + 1,
        display: fields.text("display", 100)?,
        price: fields.object("price")?.money(0, MOST_MONEY)?,
        data_mb: fields.optional_whole("dataMb", 1, MOST_DATA)?.map(u64::from),
        days: fields.whole("days", 1, MOST_DAYS)?,
        flow_type: flow_type(&mut fields)?,
        sim_type: sim_type(&mut fields)?,
        refund_policy: refund_policy(fields.object("refundPolicy")?)?,
        form_factors: form_factors(&mut fields)?,
        profiles: list(&mut fields, "profiles", profile)?,
        apn: fields.text("apn", 100)?,
        countries: texts(&mut fields, "countries", 249, 2)?,
        add_ons: list(&mut fields, "addOns", add_on)?,
        pauses_when_suspended: fields.flag("pausesWhenSuspended", false)?,
        swap_price: fields.optional_object("swapPrice")?.map(|price| price.money(0, MOST_MONEY)).transpose()?,
        complimentary_with: texts(&mut fields, "complimentaryWith", MOST_NAMED, LONGEST_ID)?,
        partners: texts(&mut fields, "partners", MOST_NAMED, 64)?,
        withdrawn: fields.flag("withdrawn", false)?,
    };
    fields.finish()?;
    Ok(plan)
}

fn flow_type(fields: &mut Fields) -> Result<FlowType, Problem> {
    let number = fields.whole("flowType", 0, 1)?;
    Ok(if number == 0 { FlowType::Renewable } else { FlowType::OneOff })
}

fn sim_type(fields: &mut Fields) -> Result<SimType, Problem> {
    let names: Vec<&str> = SimType::ALL.iter().map(|sim_type| sim_type.name()).collect();
    Ok(fields.choice("simType", &names, SimType::from_name)?.unwrap_or_default())
}

fn refund_policy(mut fields: Fields) -> Result<RefundPolicy, Problem> {
    let kinds = ["until_activation", "within_days", "none"];
    let kind = fields.choice("kind", &kinds, |name| Some(name.to_owned()))?;
    let policy = match kind.ok_or_else(|| Problem::missing_field(fields.path("kind")))?.as_str() {
        "until_activation" => RefundPolicy::UntilActivation,
        "within_days" => RefundPolicy::WithinDays { days: fields.whole("days", 1, MOST_REFUND_DAYS)? },
        _ => RefundPolicy::None,
    };
    fields.finish()?;
    Ok(policy)
}

fn form_factors(fields: &mut Fields) -> Result<Vec<FormFactor>, Problem> {
    let names = texts(fields, "formFactors", 2, 16)?;
    let form = |name: &String| name.parse().map_err(|_| Problem::invalid_field("formFactors", "must be esim or physical"));
    names.iter().map(form).collect()
}

fn profile(mut fields: Fields) -> Result<ProfileCost, Problem> {
    let profile = ProfileCost {
        operator: fields.text("operator", 32)?,
        imsi_profile: fields.text("imsiProfile", 32)?,
        cost: fields.amount("cost", 0, MOST_MONEY)?,
    };
    fields.finish()?;
    Ok(profile)
}

fn add_on(mut fields: Fields) -> Result<AddOn, Problem> {
    let kind = fields.path("kind");
    let add_on = AddOn {
        add_on_id: fields.text("addOnId", 64)?,
        display: fields.text("display", 100)?,
        kind: AddOnKind::try_from(fields.text("kind", 64)?)
            .map_err(|_| Problem::invalid_field(kind, "must be data or voice_ and a type, such as voice_local"))?,
        price: fields.object("price")?.money(0, MOST_MONEY)?,
        amount: fields.whole("amount", 0, u32::MAX)?,
    };
    fields.finish()?;
    Ok(add_on)
}

fn list<T>(fields: &mut Fields, name: &str, read: fn(Fields) -> Result<T, Problem>) -> Result<Vec<T>, Problem> {
    fields.objects(name, MOST_NAMED)?.unwrap_or_default().into_iter().map(read).collect()
}

fn texts(fields: &mut Fields, name: &str, most: usize, longest: usize) -> Result<Vec<String>, Problem> {
    Ok(fields.texts(name, most, longest)?.unwrap_or_default())
}
