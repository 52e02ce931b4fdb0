//! Plans, with their versions and what they cost.

use super::partners::{no_amount, parse_amount, parse_currency};
use super::tabs;
use crate::Desk;
use crate::api::Refusal;
use crate::forms::{Attempt, Fields};
use crate::frame::Section;
use crate::http::{Form, encoded};
use crate::model::{Level, Page, Plan, Profile};
use crate::pages::order::fact;
use crate::pages::who;
use crate::words::{data, none, state, words};
use futures_util::future::join;
use lambda_http::{Body, Response};
use maud::{Markup, html};
use serde_json::{Map, Value, json};
use simdock_domain::Money;

/// The field for the partners that sell a plan.
const SELLERS: &str = "partners";

/// All plans, each in its latest version.
pub async fn list(desk: &Desk<'_>) -> Result<Response<Body>, Refusal> {
    let plans: Page<Plan> = desk.api.call("GET /v1/plans").send().await?;
    let content = html! {
        div.head { h1 { "Settings" } a.button href="/console/settings/plans/new" { "New plan" } }
        (tabs("plans"))
        div.scroll role="region" aria-label="Plans" tabindex="0" {
            table {
                thead { tr { th scope="col" { "Plan" } th scope="col" { "Name" } th.n scope="col" { "Version" } th.n scope="col" { "Price" } th.n scope="col" { "Data" }
                    th.n scope="col" { "Days" } th scope="col" { "SIM type" } th scope="col" { "Form factors" } th scope="col" { "Profiles" } th.n scope="col" { "Countries" } } }
                tbody {
                    @for plan in &plans.items {
                        tr {
                            th scope="row" { a href={ "/console/settings/plans/" (encoded(&plan.plan_id)) } { (plan.plan_id) } @if plan.withdrawn { " " (state("withdrawn")) } }
                            td { (plan.display) }
                            td.n { (plan.version) }
                            td.n { (plan.price) }
                            td.n { (volume(plan)) }
                            td.n { (plan.days) }
                            td { @match &plan.sim_type { Some(kind) => (words(kind)), None => (none()) } }
                            td { (plan.form_factors.iter().map(|name| words(name)).collect::<Vec<_>>().join(", ")) }
                            td { (plan.imsi_profiles.join(", ")) }
                            td.n { (plan.countries.len()) }
                        }
                    }
                }
            }
        }
    };
    Ok(desk.page(Section::Settings, "Plans", content).await)
}

fn volume(plan: &Plan) -> String {
    plan.data_mb.map_or_else(|| "unlimited".to_owned(), data)
}

/// A plan in a version; in the latest, if none is named.
pub async fn read(desk: &Desk<'_>, id: &str, version: &str) -> Result<Plan, Refusal> {
    desk.api.call("GET /v1/plans/{planId}").path("planId", id).query("version", version).send().await
}

/// A plan.
pub async fn show(desk: &Desk<'_>, id: &str, attempt: Option<Attempt<'_>>) -> Result<Response<Body>, Refusal> {
    let plan = read(desk, id, desk.visit.query.text("version"));
    let levels = desk.api.call("GET /v1/inventory").send::<Page<Level>>();
    let (plan, levels) = join(plan, levels).await;
    // Without them the plan can still be read, changed and withdrawn.
    let (plan, levels) = (plan?, levels.map(|page| page.items).ok());
    let newest = plan.versions.iter().max().is_none_or(|newest| *newest == plan.version);
    let content = html! {
        div.head { p.crumb { a href="/console/settings/plans" { "Plans" } } h1 { (plan.display) } }
        @if let Some(levels) = levels.as_ref().filter(|_| newest && !plan.withdrawn) { (sold_out(&plan, levels)) }
        (facts(&plan))
        (costs(&plan, levels.as_deref()))
        @if newest {
            details.panel open[attempt.is_some()] {
                summary { "Change or withdraw it: a new version" }
                p.hint { "What was sold stays as it was. New orders are made of the new version." }
                (form(desk, Some(&plan), attempt))
            }
        } @else {
            p { a.button href={ "/console/settings/plans/" (encoded(id)) } { "To the newest version" } }
        }
    };
    Ok(desk.page_of(attempt, Section::Settings, &plan.display, content).await)
}

/// The form for a plan that is not there yet.
pub async fn show_new(desk: &Desk<'_>, attempt: Option<Attempt<'_>>) -> Result<Response<Body>, Refusal> {
    let content = html! {
        div.head { p.crumb { a href="/console/settings/plans" { "Plans" } } h1 { "New plan" } }
        (form(desk, None, attempt))
    };
    Ok(desk.page_of(attempt, Section::Settings, "New plan", content).await)
}

fn facts(plan: &Plan) -> Markup {
    let kind = plan.refund_policy["kind"].as_str().unwrap_or_default();
    html! {
        section aria-labelledby="facts" {
            h2.hidden #facts { "The plan" }
            dl.facts {
                (fact("Id", html! { (plan.plan_id) }))
                (fact("Version", html! {
                    (plan.version)
                    span.sub {
                        @for version in plan.versions.iter().filter(|version| **version != plan.version) {
                            a href={ "/console/settings/plans/" (encoded(&plan.plan_id)) "?version=" (version) } { "version " (version) } " "
                        }
                    }
                }))
                (fact("Price", html! { (plan.price) }))
                (fact("Data", html! { (volume(plan)) }))
                (fact("Days", html! { (plan.days) }))
                (fact("Renewals", html! { @if plan.flow_type == 0 { "can be renewed" } @else { "sold once" } }))
                (fact("SIM type", html! { @match &plan.sim_type { Some(kind) => (words(kind)), None => (none()) } }))
                (fact("Refunds", html! { (words(kind)) @if let Some(days) = plan.refund_policy["days"].as_u64() { ", " (days) " days" } }))
                (fact("Form factors", html! { (plan.form_factors.iter().map(|name| words(name)).collect::<Vec<_>>().join(", ")) }))
                (fact("APN", html! { (plan.apn) }))
                (fact("SIM swap", html! { @match plan.swap_price { Some(price) => (price), None => "free" } }))
                (fact("While suspended", html! { @if plan.pauses_when_suspended { "time stands still" } @else { "time goes on" } }))
                (fact("Sold by", html! { @if plan.withdrawn { (state("withdrawn")) " " } @if plan.partners.is_empty() { "all partners" } @else { (plan.partners.join(", ")) } }))
                @if !plan.complimentary_with.is_empty() { (fact("Complimentary with", html! { (plan.complimentary_with.join(", ")) })) }
                (fact("Countries", html! { (plan.countries.join(" ")) }))
            }
        }
    }
}

/// The pool that a plan is sold from; none if no card came in for it.
fn pool<'a>(levels: &'a [Level], profile: &Profile, form_factor: &str) -> Option<&'a Level> {
    let of_profile = |level: &&Level| (&level.operator, &level.imsi_profile) == (&profile.operator, &profile.imsi_profile);
    levels.iter().filter(of_profile).find(|level| level.form_factor == form_factor)
}

/// The form factors in which a plan is on sale and none is in stock.
fn sold_out(plan: &Plan, levels: &[Level]) -> Markup {
    let in_stock =
        |form: &str| plan.profiles.iter().filter_map(|profile| pool(levels, profile, form)).any(|level| level.available > 0);
    let mut without = plan.form_factors.iter().filter(|form| !in_stock(form)).peekable();
    html! {
        @if without.peek().is_some() {
            ul.alerts aria-label="To do" {
                @for form in without {
                    li { (words(form)) ": none in stock on any of its profiles. " a href="/console/inventory/import" { "Import cards" } }
                }
            }
        }
    }
}

fn costs(plan: &Plan, levels: Option<&[Level]>) -> Markup {
    let money = |amount| Money { amount, currency: plan.price.currency };
    html! {
        section aria-labelledby="costs" {
            h2 #costs { "Profiles, costs and stock" }
            div.scroll role="group" aria-labelledby="costs" tabindex="0" {
                table {
                    thead { tr { th scope="col" { "Operator" } th scope="col" { "IMSI profile" } th.n scope="col" { "Cost" } th.n scope="col" { "Margin" }
                        @for form in &plan.form_factors { th.n scope="col" { (words(form)) " in stock" } } } }
                    tbody {
                        @for profile in &plan.profiles {
                            tr {
                                th scope="row" { (profile.operator) } td { (profile.imsi_profile) } td.n { (money(profile.cost)) } td.n { (money(plan.price.amount - profile.cost)) }
                                @for form in &plan.form_factors {
                                    td.n { @match levels.map(|levels| pool(levels, profile, form)) {
                                        Some(Some(level)) => { a href={ "/console/inventory/" (encoded(&level.pool_id)) } { (level.available) } }
                                        Some(None) => { "0" span.sub { "none came in yet" } }
                                        None => { "not known now" }
                                    } }
                                }
                            }
                        }
                    }
                }
            }
        }
        @if !plan.add_ons.is_empty() {
            section aria-labelledby="addons" {
                h2 #addons { "Add-ons" }
                div.scroll role="group" aria-labelledby="addons" tabindex="0" {
                    table {
                        thead { tr { th scope="col" { "Add-on" } th scope="col" { "Name" } th scope="col" { "Kind" } th.n scope="col" { "Amount" } th.n scope="col" { "Price" } } }
                        tbody {
                            @for add_on in &plan.add_ons {
                                tr { th scope="row" { (add_on.add_on_id) } td { (add_on.display) } td { (words(&add_on.kind)) }
                                    td.n { (add_on.amount) @if add_on.kind == "data" { " MB" } @else { " min" } } td.n { (add_on.price) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// An amount in its currency's major units, without the code.
fn decimal(money: Money) -> String {
    money.to_string().split(' ').next().unwrap_or_default().to_owned()
}

fn form(desk: &Desk<'_>, plan: Option<&Plan>, attempt: Option<Attempt<'_>>) -> Markup {
    let fields = if plan.is_some() { Fields::merging("plan", attempt) } else { Fields::new("plan", attempt) };
    let text = |read: fn(&Plan) -> String| plan.map(read).unwrap_or_default();
    let tick = |name: &str, value: &str, label: &str, at_first: bool| fields.tick(name, value, &html! { (label) }, at_first);
    let sells = |form: &str| plan.is_none_or(|plan| plan.form_factors.iter().any(|name| name == form));
    let named = |names: &[(&str, &str)]| {
        names.iter().map(|(value, label)| ((*value).to_owned(), (*label).to_owned())).collect::<Vec<_>>()
    };
    let profiles = text(|plan| {
        let line = |profile: &Profile| {
            format!(
                "{} {} {}",
                profile.operator,
                profile.imsi_profile,
                decimal(Money { amount: profile.cost, currency: plan.price.currency })
            )
        };
        plan.profiles.iter().map(line).collect::<Vec<_>>().join("\n")
    });
    let add_ons = text(|plan| {
        let line = |add_on: &crate::model::AddOn| {
            format!("{} | {} | {} | {} | {}", add_on.add_on_id, add_on.display, add_on.kind, decimal(add_on.price), add_on.amount)
        };
        plan.add_ons.iter().map(line).collect::<Vec<_>>().join("\n")
    });
    let action = plan.map_or_else(
        || "/console/settings/plans".to_owned(),
        |plan| format!("/console/settings/plans/{}", encoded(&plan.plan_id)),
    );
    let content = html! {
        input type="hidden" name="basedOn" value=(plan.map_or(0, |plan| plan.version));
        div.fields {
            @if plan.is_none() { (fields.text("planId", "Id").required().hint("small letters, digits and dashes")) }
            (fields.text("display", "Name").value(&text(|plan| plan.display.clone())).required().width("long"))
            (fields.text("price", "Price").value(&text(|plan| decimal(plan.price))).required().width("short"))
            (fields.text("currency", "Currency").value(&plan.map_or_else(|| "EUR".to_owned(), |plan| plan.price.currency.to_string())).required().width("short"))
            (fields.input("number", "dataMb", "Data in MB").value(&text(|plan| plan.data_mb.map(|mb| mb.to_string()).unwrap_or_default())).hint("empty if unlimited"))
            (fields.input("number", "days", "Days").value(&text(|plan| plan.days.to_string())).required().width("short"))
            (fields.choice("flowType", "Renewals", named(&[("0", "can be renewed"), ("1", "sold once")])).value(&text(|plan| plan.flow_type.to_string())))
            (fields.choice("simType", "SIM type", named(&[("prepaid", "Prepaid"), ("subscription", "Subscription"), ("paygo", "PAYGO")])).value(&text(|plan| plan.sim_type.clone().unwrap_or_default())))
            (fields.choice("refundPolicy.kind", "Refunds", named(&[("until_activation", "until activation"), ("within_days", "within days"), ("none", "none")])).value(&text(|plan| plan.refund_policy["kind"].as_str().unwrap_or_default().to_owned())))
            (fields.input("number", "refundPolicy.days", "Days for refunds").value(&text(|plan| plan.refund_policy["days"].as_u64().map(|days| days.to_string()).unwrap_or_default())).width("short"))
            (fields.text("apn", "APN").value(&text(|plan| plan.apn.clone())).required())
            (fields.text("swapPrice", "Price of a SIM swap").value(&text(|plan| plan.swap_price.map(decimal).unwrap_or_default())).hint("empty if free").width("short"))
            (fields.text(SELLERS, "Sold by").value(&text(|plan| plan.partners.join(", "))).hint("partners’ ids or names, with commas; empty for all"))
            (fields.text("complimentaryWith", "Complimentary with").value(&text(|plan| plan.complimentary_with.join(" "))).hint("plans that entitle to it"))
        }
        (fields.boxes("formFactors", "Form factors", &html! {
            (tick("formFactors", "esim", "eSIM", sells("esim")))
            (tick("formFactors", "physical", "SIM card", plan.is_some() && sells("physical")))
        }))
        (fields.boxes("pausesWhenSuspended", "While a card is suspended", &html! {
            (tick("pausesWhenSuspended", "true", "The plan’s time stands still", plan.is_some_and(|plan| plan.pauses_when_suspended)))
        }))
        @if plan.is_some() {
            (fields.boxes("withdrawn", "Withdraw", &html! {
                (tick("withdrawn", "true", "It is withdrawn", plan.is_some_and(|plan| plan.withdrawn)))
            }))
            p.hint { "Nobody orders, adds or renews a plan that is withdrawn. What was sold of it goes on." }
        }
        div.fields {
            (fields.area("countries", "Countries").value(&text(|plan| plan.countries.join(" "))).required().hint("two letters each, with spaces"))
            (fields.area("profiles", "Profiles").value(&profiles).required().hint("a line each: operator, IMSI profile, cost"))
            (fields.area("addOns", "Add-ons").value(&add_ons).hint("a line each: id | name | data, voice_eu or voice_world | price | MB or minutes"))
        }
    };
    fields.form(desk, &action, &content, if plan.is_some() { "Make the new version" } else { "Make the plan" })
}

/// Makes a plan, or a version of one.
pub async fn put(desk: &Desk<'_>, id: Option<&str>) -> Result<Response<Body>, Refusal> {
    let again = async |attempt: Attempt<'_>| match id {
        Some(id) => show(desk, id, Some(attempt)).await,
        None => show_new(desk, Some(attempt)).await,
    };
    desk.act("plan", ask(desk, id), again).await
}

async fn ask(desk: &Desk<'_>, id: Option<&str>) -> Result<Response<Body>, Refusal> {
    let form = desk.form();
    let plan_id = id.unwrap_or_else(|| form.text("planId"));
    let home = format!("/console/settings/plans/{}", encoded(plan_id));
    if form.is_as_before() {
        return Ok(desk.unchanged(&home));
    }
    let mut body = body(form)?;
    let sellers = sellers(desk, form.text(SELLERS)).await?;
    if !sellers.is_empty() {
        body.insert(SELLERS.to_owned(), sellers.into());
    }
    if plan_id.is_empty() {
        return Err(Refusal::about("planId", "The plan needs an id."));
    }
    let plan: Plan = desk.api.call("PUT /v1/plans/{planId}").path("planId", plan_id).json(body).send().await?;
    let mut said = if plan.withdrawn {
        format!("Version {} withdraws it: it is not sold any more.", plan.version)
    } else {
        format!("Version {} is sold from now on.", plan.version)
    };
    if plan.version > 1 {
        said.push_str(" What partners order themselves may be of the version before for up to a minute.");
    }
    Ok(desk.done(&home, &said))
}

/// The ids of the partners that are meant, between commas: by their names, or by their ids, which spaces may part as well.
async fn sellers(desk: &Desk<'_>, typed: &str) -> Result<Vec<String>, Refusal> {
    let mut ids = Vec::new();
    for part in typed.split([',', '\n']).map(str::trim) {
        if part.split_whitespace().all(who::is_id) {
            ids.extend(part.split_whitespace().map(str::to_owned));
        } else {
            let meant = who::meant(desk, part).await;
            ids.push(meant.map_err(|refusal| Refusal { field: Some(SELLERS.to_owned()), ..refusal })?);
        }
    }
    Ok(ids)
}

fn words_of(text: &str) -> Vec<&str> {
    text.split([' ', ',', '\n', '\r']).filter(|word| !word.is_empty()).collect()
}

/// The parts of an add-on's line. Its name, the second of them, is the only one that may have a | in it.
fn add_on(line: &str) -> Option<[&str; 5]> {
    let (id, rest) = line.split_once('|')?;
    let (rest, amount) = rest.rsplit_once('|')?;
    let (rest, price) = rest.rsplit_once('|')?;
    let (display, kind) = rest.rsplit_once('|')?;
    Some([id, display, kind, price, amount].map(str::trim))
}

/// The whole plan as the API takes it.
fn body(form: &Form) -> Result<Map<String, Value>, Refusal> {
    let currency = parse_currency(form, "currency")?;
    let money = |field: &str, text: &str| {
        form.filled(field)?;
        let wrong = || Refusal::about(field, format!("{field}: “{text}” {}.", no_amount(currency)));
        parse_amount(text, currency).ok_or_else(wrong)
    };
    let mut body = Map::new();
    for name in ["display", "simType", "apn"] {
        form.put(&mut body, name);
    }
    for name in ["basedOn", "dataMb", "days", "flowType"] {
        form.put_number(&mut body, name);
    }
    body.insert("price".to_owned(), json!(money("price", form.text("price"))?));
    form.put(&mut body, "refundPolicy.kind");
    // Days that are left from before are not in the way of another policy.
    if form.text("refundPolicy.kind") == "within_days" {
        form.put_number(&mut body, "refundPolicy.days");
    }
    if !form.text("swapPrice").is_empty() {
        body.insert("swapPrice".to_owned(), json!(money("swapPrice", form.text("swapPrice"))?));
    }
    body.insert("formFactors".to_owned(), form.all("formFactors").collect::<Vec<_>>().into());
    body.insert("pausesWhenSuspended".to_owned(), form.ticked("pausesWhenSuspended")?.into());
    body.insert("withdrawn".to_owned(), form.ticked("withdrawn")?.into());
    let countries = form.text("countries").to_uppercase();
    let countries = words_of(&countries);
    let is_code = |code: &&&str| code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_alphabetic());
    if let Some(other) = countries.iter().find(|code| !is_code(code)) {
        return Err(Refusal::about("countries", format!("“{other}” is no country. Write two letters for each, such as ES.")));
    }
    body.insert("countries".to_owned(), countries.into());
    let entitling = words_of(form.text("complimentaryWith"));
    if !entitling.is_empty() {
        body.insert("complimentaryWith".to_owned(), entitling.into());
    }
    let mut profiles = Vec::new();
    for line in form.text("profiles").lines().filter(|line| !line.trim().is_empty()) {
        let [operator, profile, cost] = words_of(line)[..] else {
            return Err(Refusal::about("profiles", format!("“{line}” is not an operator, a profile and a cost.")));
        };
        profiles.push(json!({"operator": operator, "imsiProfile": profile, "cost": money("profiles", cost)?.amount}));
    }
    body.insert("profiles".to_owned(), profiles.into());
    let mut add_ons = Vec::new();
    for line in form.text("addOns").lines().filter(|line| !line.trim().is_empty()) {
        let Some([id, display, kind, price, amount]) = add_on(line) else {
            return Err(Refusal::about("addOns", format!("“{line}” has not five parts with | between.")));
        };
        let amount: u32 = amount.parse().map_err(|_| Refusal::about("addOns", format!("“{amount}” is no whole number.")))?;
        let price = money("addOns", price)?;
        add_ons.push(json!({"addOnId": id, "display": display, "kind": kind, "price": price, "amount": amount}));
    }
    body.insert("addOns".to_owned(), add_ons.into());
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_add_on_is_read_as_it_is_written() {
        for (line, parts) in [
            ("more | 1 GB more | data | 3.00 | 1024", Some(["more", "1 GB more", "data", "3.00", "1024"])),
            ("more|Data | 1 GB|| more |data|3.00|1024", Some(["more", "Data | 1 GB|| more", "data", "3.00", "1024"])),
            ("more | 1 GB more | data | 3.00", None),
            ("more", None),
        ] {
            assert_eq!(add_on(line), parts, "{line}");
        }
    }
}
