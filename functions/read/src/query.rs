//! What lists are asked for.

use lambda_http::Request;
use simdock_api::{Codes, PlanQuery, Problem, cursor, flag_parameter, query_parameters};
use simdock_domain::{CurrencyError, EmailAddress, EmailAddressError, Iccid, OrderType, PoolId, SimType, Status, Timestamp};
use simdock_store::{
    AuditQuery, Bounds, ImportPosition, InSession, KeyPosition, LedgerQuery, LineQuery, ListQuery, Principal, SimQuery, SimStatus,
};
use std::collections::BTreeMap;
use std::str::FromStr;

/// The parameters of a query that have not been read yet.
struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// A parameter as `read` understands it, or what it `must` be.
    fn take<T>(&mut self, name: &str, must: &str, read: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Problem> {
        let Some(text) = self.0.remove(name) else { return Ok(None) };
        read(&text).map(Some).ok_or_else(|| Problem::invalid_field(name, must))
    }

    fn limit(&mut self) -> Result<usize, Problem> {
        let read = |text: &str| text.parse().ok().filter(|limit| (1..=100).contains(limit));
        Ok(self.take("limit", "must be a whole number from 1 to 100", read)?.unwrap_or(20))
    }

    /// A number or name of 1 to 64 characters.
    fn short(&mut self, name: &str) -> Result<Option<String>, Problem> {
        let read = |text: &str| (1..=64).contains(&text.chars().count()).then(|| text.to_owned());
        self.take(name, "must have 1 to 64 characters", read)
    }

    /// The least and the most that a number may be.
    fn bounds(&mut self, least_name: &str, most_name: &str) -> Result<Bounds, Problem> {
        let mut number = |name: &str| self.take(name, "must be a whole number, 0 or more", |text| text.parse().ok());
        let (least, most) = (number(least_name)?, number(most_name)?);
        if most.is_some_and(|most| least > Some(most)) {
            return Err(Problem::invalid_field(most_name, "must not be below the least that is asked for"));
        }
        Ok(Bounds { least, most })
    }

    /// Whose: a partner's own, or for a manager those of the partner that it names, or all.
    fn partner(&mut self, principal: &Principal) -> Result<Option<String>, Problem> {
        match (principal, self.short("partnerId")?) {
            (Principal::Partner { partner_id }, None) => Ok(Some(partner_id.clone())),
            (Principal::Partner { .. }, Some(_)) => Err(Problem::forbidden("Only managers may name a partner.")),
            (Principal::Manager { .. }, named) => Ok(named),
        }
    }

    fn email(&mut self) -> Result<Option<EmailAddress>, Problem> {
        let not_one = |error: EmailAddressError| Problem::invalid_field("email", format!("is not a mail address: {error}"));
        self.0.remove("email").map(|text| text.parse()).transpose().map_err(not_one)
    }

    fn cursor<T: FromStr>(&mut self) -> Result<Option<T>, Problem> {
        self.0.remove("cursor").map(|text| cursor(&text)).transpose()
    }

    fn time(&mut self, name: &str) -> Result<Option<Timestamp>, Problem> {
        self.take(name, "must be an RFC 3339 time such as 2026-11-22T10:00:00Z", |text| text.parse().ok())
    }
}

/// Which orders are asked for. A partner sees its own; a manager those of the partner that it names, or all.
pub fn orders(principal: &Principal, request: &Request) -> Result<ListQuery, Problem> {
    let known = [
        "limit",
        "cursor",
        "sort",
        "from",
        "to",
        "otherOrderId",
        "otherItemId",
        "email",
        "iccid",
        "status",
        "type",
        "needsAttention",
        "partnerId",
    ];
    let mut parameters = Parameters(query_parameters(request, &known)?);
    let partner_id = parameters.partner(principal)?;
    let email = parameters.email()?;
    let types: Vec<&str> = OrderType::ALL.iter().map(|kind| kind.name()).collect();
    Ok(ListQuery {
        partner_id,
        limit: parameters.limit()?,
        after: parameters.cursor()?,
        oldest_first: parameters.take("sort", "must be newest or oldest", oldest)?.unwrap_or(false),
        from: parameters.time("from")?,
        until: parameters.time("to")?,
        email,
        iccid: parameters.take("iccid", "must be an ICCID", |text| text.parse::<Iccid>().ok())?,
        status: parameters.take("status", "must be a status code: -1, 0 or 2 to 7", status_of)?,
        kind: parameters.take("type", &format!("must be one of {}", types.join(", ")), OrderType::from_name)?,
        needs_attention: parameters.take("needsAttention", "can only be true", |text| (text == "true").then_some(()))?.is_some(),
        other_order_id: parameters.short("otherOrderId")?,
        other_item_id: parameters.short("otherItemId")?,
    })
}

/// Which codes of an order's cards are asked for.
pub fn codes(request: &Request) -> Result<Codes, Problem> {
    let mut parameters = Parameters(query_parameters(request, &["codes", "codeOf"])?);
    let codes = flag_parameter(&mut parameters.0, "codes")?.unwrap_or(true);
    match (codes, parameters.take("codeOf", "must be an ICCID", |text| text.parse().ok())?) {
        (true, Some(iccid)) => Ok(Codes::Of(iccid)),
        (true, None) => Ok(Codes::All),
        (false, None) => Ok(Codes::None),
        (false, Some(_)) => Err(Problem::invalid_field("codeOf", "cannot be asked for together with codes=false")),
    }
}

/// Whose lines are asked for. A partner sees its own; a manager those of the partner that it names, or all.
pub fn lines(principal: &Principal, request: &Request) -> Result<LineQuery, Problem> {
    let mut parameters = Parameters(query_parameters(request, &["limit", "cursor", "email", "partnerId"])?);
    Ok(LineQuery {
        partner_id: parameters.partner(principal)?,
        email: parameters.email()?.ok_or_else(|| Problem::missing_field("email"))?,
        limit: parameters.limit()?,
        after: parameters.cursor()?,
    })
}

/// Which cards are asked for.
pub fn sims(request: &Request) -> Result<SimQuery, Problem> {
    let known = [
        "limit",
        "cursor",
        "poolId",
        "status",
        "iccid",
        "operator",
        "imsiProfile",
        "formFactor",
        "simType",
        "inSession",
        "partnerId",
        "email",
        "planId",
        "label",
        "note",
        "hasRules",
        "minDataLeftMb",
        "maxDataLeftMb",
        "minDaysLeft",
        "maxDaysLeft",
        "minMonthMb",
        "maxMonthMb",
    ];
    let mut parameters = Parameters(query_parameters(request, &known)?);
    let statuses = SimStatus::ALL.map(SimStatus::name);
    let sim_types: Vec<&str> = SimType::ALL.iter().map(|sim_type| sim_type.name()).collect();
    let answers = InSession::ALL.map(InSession::name);
    let lower = |text: String| text.to_lowercase();
    let query = SimQuery {
        iccid: parameters.take("iccid", "must be an ICCID", |text| text.parse().ok())?,
        // They are in small letters everywhere.
        operator: parameters.short("operator")?.map(lower),
        imsi_profile: parameters.short("imsiProfile")?.map(lower),
        form_factor: parameters.take("formFactor", "must be esim or physical", |text| text.parse().ok())?,
        label: parameters.short("label")?,
        note: parameters.short("note")?,
        has_rules: flag_parameter(&mut parameters.0, "hasRules")?,
        data_left_mb: parameters.bounds("minDataLeftMb", "maxDataLeftMb")?,
        days_left: parameters.bounds("minDaysLeft", "maxDaysLeft")?,
        month_mb: parameters.bounds("minMonthMb", "maxMonthMb")?,
        sim_type: parameters.take("simType", &format!("must be one of {}", sim_types.join(", ")), SimType::from_name)?,
        plan_id: parameters.short("planId")?,
        in_session: parameters.take("inSession", &format!("must be one of {}", answers.join(", ")), InSession::from_name)?,
        partner_id: parameters.short("partnerId")?,
        email: parameters.email()?,
        limit: parameters.limit()?,
        after: parameters.cursor()?,
        pool: parameters
            .take("poolId", "must be a pool such as meridian.7.esim", |text| PoolId::try_from(text.to_owned()).ok())?,
        status: parameters.take("status", &format!("must be one of {}", statuses.join(", ")), SimStatus::from_name)?,
    };
    if query.goes_on() { Ok(query) } else { Err(Problem::invalid_cursor()) }
}

/// Which plans are asked for, apart from the subscription, whose id stands beside them. A partner sees those that it may sell; a
/// manager those of the partner that it names, or all.
pub fn plans(principal: &Principal, request: &Request) -> Result<(PlanQuery, Option<String>), Problem> {
    let mut parameters = Parameters(query_parameters(request, &["partnerId", "subscriptionId", "payment"])?);
    let (partner_id, subscription) = (parameters.partner(principal)?, parameters.short("subscriptionId")?);
    let by_balance = parameters.take("payment", "can only be balance", |text| (text == "balance").then_some(()))?.is_some();
    if by_balance && partner_id.is_none() && subscription.is_none() {
        return Err(Problem::invalid_field("payment", "can be asked for together with partnerId or subscriptionId only"));
    }
    Ok((PlanQuery { partner_id, subscription: None, by_balance }, subscription))
}

/// Which partners are asked for: so many, behind this one, and whether with their balances.
pub fn partners(request: &Request) -> Result<(usize, Option<String>, bool), Problem> {
    let mut parameters = Parameters(query_parameters(request, &["limit", "cursor", "balances"])?);
    let after: Option<String> = parameters.cursor()?;
    if after.as_ref().is_some_and(String::is_empty) {
        return Err(Problem::invalid_cursor());
    }
    let balances = parameters.take("balances", "must be true or false", |text| text.parse().ok())?;
    Ok((parameters.limit()?, after, balances.unwrap_or(true)))
}

/// Which entries of a partner's ledger are asked for.
pub fn ledger(request: &Request, partner_id: String) -> Result<LedgerQuery, Problem> {
    let mut parameters = Parameters(query_parameters(request, &["limit", "cursor", "currency"])?);
    Ok(LedgerQuery {
        partner_id,
        limit: parameters.limit()?,
        after: parameters.cursor()?,
        currency: parameters.take("currency", &CurrencyError.to_string(), |text| text.parse().ok())?,
    })
}

/// Which imports are asked for: so many, behind this one.
pub fn imports(request: &Request) -> Result<(usize, Option<ImportPosition>), Problem> {
    let mut parameters = Parameters(query_parameters(request, &["limit", "cursor"])?);
    Ok((parameters.limit()?, parameters.cursor()?))
}

/// Which version of a plan is asked for, if not the latest.
pub fn plan_version(request: &Request) -> Result<Option<u32>, Problem> {
    let mut parameters = Parameters(query_parameters(request, &["version"])?);
    parameters.take("version", "must be a whole number from 1", |text| text.parse().ok().filter(|version| *version > 0))
}

/// Whose keys are asked for, this partner's or else the managers': so many, behind this one.
pub fn keys(request: &Request) -> Result<(Option<String>, usize, Option<KeyPosition>), Problem> {
    let mut parameters = Parameters(query_parameters(request, &["limit", "cursor", "partnerId"])?);
    Ok((parameters.short("partnerId")?, parameters.limit()?, parameters.cursor()?))
}

/// What of the log is asked for.
pub fn audit(request: &Request) -> Result<AuditQuery, Problem> {
    let mut parameters = Parameters(query_parameters(request, &["limit", "cursor", "from", "to"])?);
    Ok(AuditQuery {
        from: parameters.time("from")?,
        until: parameters.time("to")?,
        limit: parameters.limit()?,
        after: parameters.cursor()?,
    })
}

fn status_of(text: &str) -> Option<Status> {
    Status::ALL.iter().copied().find(|status| status.code().to_string() == text)
}

fn oldest(text: &str) -> Option<bool> {
    match text {
        "newest" => Some(false),
        "oldest" => Some(true),
        _ => None,
    }
}
