//! A line: what of its plans runs on which card, and what can be changed.

use super::offer::{options, without};
use super::order::{fact, history};
use super::order_acts::{made, payments};
use super::order_refund::Outcome;
use super::settings::plans;
use crate::Desk;
use crate::api::Refusal;
use crate::forms::{Attempt, Fields};
use crate::frame::{Section, order_link, order_path, sim_link, subscriber_link};
use crate::http::encoded;
use crate::model::{Action, Line, Order, Page, Plan, PlanRun};
use crate::words::{Time, data, none, state, text, time, words};
use futures_util::future::{try_join, try_join4};
use lambda_http::{Body, Response};
use maud::{Markup, html};
use serde_json::{Map, Value};

/// The most orders of a card that are listed.
const ORDERS: &str = "100";

/// The page.
pub async fn show(desk: &Desk<'_>, id: &str, attempt: Option<Attempt<'_>>) -> Result<Response<Body>, Refusal> {
    let line = desk.api.call("GET /v1/subscriptions/{subscriptionId}").path("subscriptionId", id).send::<Line>();
    let (line, actions) = try_join(line, actions(desk, id)).await?;
    let main = super::order::read(desk, &line.order_num);
    let offer = Offered::to(desk, &line, attempt);
    let (main, offer, sold, orders) = try_join4(main, offer, sold(desk, &line), orders(desk, &line)).await?;
    let title = main.line_name.clone().unwrap_or_else(|| main.display.clone());
    let content = html! {
        div.head {
            p.crumb { a href="/console/subscribers" { "Subscribers" } " › " (subscriber_link(&main.subscriber.email)) }
            h1 { (title) }
            p.hint.num { (line.subscription_id) }
        }
        div.columns {
            div {
                (facts(&line, &main))
                (runs(&line, &offer.all))
                (chain(&line, &orders))
                (past(&line))
            }
            div {
                section aria-labelledby="acts" {
                    h2 #acts { "Actions" }
                    (acts(desk, &line, &main, &actions, &offer, sold.as_ref(), attempt))
                }
                @if !line.service_history.is_empty() { (history("Suspensions", &line.service_history)) }
            }
        }
    };
    Ok(desk.page_of(attempt, Section::Subscribers, &title, content).await)
}

/// What can be done with a line now.
pub async fn actions(desk: &Desk<'_>, id: &str) -> Result<Vec<Action>, Refusal> {
    let call = desk.api.call("GET /v1/subscriptions/{subscriptionId}/actions").path("subscriptionId", id);
    Ok(call.send::<Page<Action>>().await?.items)
}

fn facts(line: &Line, main: &Order) -> Markup {
    html! {
        section aria-labelledby="facts" {
            h2 #facts { "The line" }
            dl.facts {
                (fact("Status", state(&line.status)))
                (fact("In session", state(&line.in_session)))
                (fact("Card", html! { (sim_link(&line.iccid)) span.sub { (words(&line.form_factor)) } }))
                (fact("Number", text(line.mobile_number.as_deref())))
                (fact("Operator", html! { (line.operator) span.sub { "IMSI profile " (line.imsi_profile) } }))
                @if line.eid.is_some() { (fact("Phone (EID)", text(line.eid.as_deref()))) }
                (fact("Subscriber", html! { (main.subscriber.name) span.sub { (subscriber_link(&main.subscriber.email)) } }))
                (fact("Partner", html! { (line.partner_id) }))
                (fact("Began with", order_link(&line.order_num)))
                (fact("Since", html! { (Time(&line.created_at)) }))
                @if let Some(at) = &line.ended_at {
                    (fact("Ended", html! { (Time(at)) @if let Some(why) = &line.end_reason { span.sub { (words(why)) } } }))
                }
                @if let Some(change) = &line.open_change {
                    (fact("Under way", html! {
                        (words(&change.kind)) " " (order_link(&change.order_num))
                        @if let Some(iccid) = &change.new_iccid { span.sub { "to " (sim_link(iccid)) } }
                    }))
                }
            }
        }
    }
}

fn runs(line: &Line, plans: &[Plan]) -> Markup {
    let display =
        |id: &str| plans.iter().find(|plan| plan.plan_id == id).map_or_else(|| id.to_owned(), |plan| plan.display.clone());
    html! {
        section aria-labelledby="plans" {
            h2 #plans { "Plans" }
            div.scroll role="group" aria-labelledby="plans" tabindex="0" {
                table {
                    thead { tr { th scope="col" { "Plan" } th scope="col" { "State" } th.n scope="col" { "Used" } th scope="col" { "From" } th scope="col" { "Until" } th scope="col" { "Order" } } }
                    tbody {
                        @for run in &line.plans {
                            tr {
                                th scope="row" {
                                    (display(&run.plan_id))
                                    @for id in &run.add_on_ids { span.sub { "+ " (id) } }
                                    @if run.flow_type == 1 { span.sub { "sold once" } }
                                }
                                td { (state(&run.status)) @if let Some(reason) = &run.reason { span.sub { (words(reason)) } } }
                                td.n { (data(run.used_mb)) @if let Some(mb) = run.data_mb { span.sub { "of " (data(mb)) } } }
                                td { (time(run.start_date.as_ref())) }
                                td { (time(run.end_date.as_ref())) }
                                td { (order_link(&run.order_num)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The orders of a line, where there are more than the one that began it: those of its card, which are few.
async fn orders(desk: &Desk<'_>, line: &Line) -> Result<Vec<Order>, Refusal> {
    if line.order_nums.len() < 2 {
        return Ok(Vec::new());
    }
    let call = desk.api.call("GET /v1/orders").query("iccid", &line.iccid).query("limit", ORDERS);
    Ok(call.send::<Page<Order>>().await?.items)
}

fn chain(line: &Line, orders: &[Order]) -> Markup {
    let known = |num: &String| orders.iter().find(|order| order.order_num == *num);
    html! {
        @if line.order_nums.len() > 1 {
            section aria-labelledby="chain" {
                h2 #chain { "Orders" }
                div.scroll role="group" aria-labelledby="chain" tabindex="0" {
                    table {
                        thead { tr { th scope="col" { "Order" } th scope="col" { "Type" } th scope="col" { "Status" } th scope="col" { "Ordered" } } }
                        tbody {
                            @for num in &line.order_nums {
                                tr {
                                    th scope="row" { (order_link(num)) }
                                    @match known(num) {
                                        Some(order) => {
                                            td { (words(&order.kind)) }
                                            td { (state(&order.status_name)) }
                                            td { (Time(&order.created_at)) }
                                        }
                                        None => @for _ in 0..3 { td { (none()) } },
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn past(line: &Line) -> Markup {
    html! {
        @if !line.past_cards.is_empty() {
            section aria-labelledby="past" {
                h2 #past { "Cards before" }
                ul { @for card in &line.past_cards { li { (sim_link(&card.iccid)) " until " (Time(&card.until)) ", " (order_link(&card.order_num)) } } }
            }
        }
    }
}

/// The plans that can be added to a line, as the API decides it, and why the others of its partner cannot.
struct Offered {
    all: Vec<Plan>,
    /// What can be added and paid for: from the balance, or if it is to be by card, whatever the currency.
    fitting: Vec<Plan>,
    /// What fits, in a currency that the partner has no balance in.
    unpaid: Vec<Plan>,
    /// What the partner sells and this card does not carry.
    misfits: Vec<Plan>,
    by_card: bool,
}

impl Offered {
    async fn to(desk: &Desk<'_>, line: &Line, attempt: Option<Attempt<'_>>) -> Result<Self, Refusal> {
        let chosen = Fields::new("add-plan", attempt).typed("payment").unwrap_or(desk.visit.query.text("payment"));
        let by_card = chosen == "card";
        let plans = || desk.api.call("GET /v1/plans");
        let fitting = || plans().query("subscriptionId", &line.subscription_id);
        let (all, sold, fits, paid) = try_join4(
            plans().send::<Page<Plan>>(),
            plans().query("partnerId", &line.partner_id).send::<Page<Plan>>(),
            fitting().send::<Page<Plan>>(),
            fitting().query("payment", "balance").send::<Page<Plan>>(),
        )
        .await?;
        let misfits = without(sold.items, &fits.items);
        let (fitting, unpaid) = if by_card {
            (fits.items, Vec::new())
        } else {
            let unpaid = without(fits.items, &paid.items);
            (paid.items, unpaid)
        };
        Ok(Self { all: all.items, fitting, unpaid, misfits, by_card })
    }
}

/// The plan that add-ons alone go with, as the API has it: the one that runs, else the next that will.
fn takes_add_ons(runs: &[PlanRun]) -> Option<&PlanRun> {
    let first = |status: &str| runs.iter().find(|run| run.status == status);
    first("running").or_else(|| first("waiting"))
}

/// The plan that says what can be added to a line without another one, and what a swap costs: in the version that was sold.
async fn sold(desk: &Desk<'_>, line: &Line) -> Result<Option<Plan>, Refusal> {
    let Some(run) = takes_add_ons(&line.plans).or(line.plans.last()) else { return Ok(None) };
    plans::read(desk, &run.plan_id, &run.plan_version.to_string()).await.map(Some)
}

/// Where a new line with a plan is ordered for the same subscriber.
fn add_line(main: &Order, plan: &str) -> String {
    let (email, name, partner) = (&main.subscriber.email, &main.subscriber.name, &main.partner_id);
    format!(
        "/console/subscribers/line?email={}&name={}&partnerId={}&planId={}",
        encoded(email),
        encoded(name),
        encoded(partner),
        encoded(plan)
    )
}

fn acts(
    desk: &Desk<'_>,
    line: &Line,
    main: &Order,
    actions: &[Action],
    offer: &Offered,
    sold: Option<&Plan>,
    attempt: Option<Attempt<'_>>,
) -> Markup {
    let allowed = |name: &str| actions.iter().find(|action| action.action == name);
    let path = format!("/console/lines/{}", encoded(&line.subscription_id));
    let act = |form: &'static str, action: &str, title: &str, button: &str, inputs: &dyn Fn(&Fields<'_>) -> Markup| {
        let fields = Fields::new(form, attempt);
        let Some(action) = allowed(action) else { return html! {} };
        html! {
            @if action.allowed || fields.was_refused() {
                details.act open[fields.was_refused() || (form == "add-plan" && offer.by_card)] {
                    summary { (title) }
                    (fields.form(desk, &format!("{path}/{form}"), &inputs(&fields), button))
                }
            } @else {
                div.act.off { span aria-disabled="true" { (title) } p.hint { (action.reason.as_deref().unwrap_or("Not possible now.")) } }
            }
        }
    };
    let names = Fields::address_names("postalAddress");
    let add_ons = sold.filter(|_| takes_add_ons(&line.plans).is_some()).map_or(&[][..], |plan| &plan.add_ons);
    html! {
        div.acts {
            (act("add-plan", "top_up", "Add plan", "Add plan", &|fields| html! {
                @if fields.was_refused_as("profile_mismatch") {
                    p { a.button href=(add_line(main, fields.typed("planId").unwrap_or_default())) { "Add line with this plan" } }
                }
                @if offer.fitting.is_empty() { p.hint { "No plan that the partner sells runs on this card and can be paid for in this way." } }
                (fields.choice("planId", "Plan", options(&offer.fitting)).value(desk.visit.query.text("planId")))
                @if offer.by_card {
                    input type="hidden" name="payment" value="card";
                    p.hint { "By card, at the payment provider. " a href=(path) { "From the balance" } }
                } @else {
                    (fields.choice("payment", "Payment", payments()))
                }
                @if !offer.unpaid.is_empty() {
                    details {
                        summary { "Plans in a currency without a balance" }
                        ul { @for plan in &offer.unpaid {
                            li { (plan.display) " costs " (plan.price) ", and the partner has no balance in " (plan.price.currency.as_str()) ". "
                                a href={ (path) "?payment=card&planId=" (encoded(&plan.plan_id)) } { "By card" } }
                        } }
                    }
                }
                @if !offer.misfits.is_empty() {
                    details {
                        summary { "Plans that need another card" }
                        p.hint { "They do not run on " (line.operator) " " (line.imsi_profile) ", which this card has." }
                        ul { @for plan in &offer.misfits {
                            li { (plan.display) " " a href=(add_line(main, &plan.plan_id)) { "Add line" } }
                        } }
                    }
                }
            }))
            @if !add_ons.is_empty() {
                (act("add-ons", "top_up", "Add data or voice", "Add", &|fields| html! {
                    (fields.boxes("addOnIds", "Add-ons", &html! {
                        @for add_on in add_ons {
                            (fields.tick("addOnIds", &add_on.add_on_id, &html! { (add_on.display) " · " (add_on.price) }, false))
                        }
                    }))
                    (fields.choice("payment", "Payment", payments()))
                }))
            }
            (act("swap", "swap_sim", "Swap the SIM", "Swap", &|fields| html! {
                (fields.choice("formFactor", "New card", [("esim".to_owned(), words("esim")), ("physical".to_owned(), words("physical"))]))
                (fields.choice("payment", "Payment", payments()))
                details open[fields.is_at("postalAddress") || fields.typed("formFactor") == Some("physical")] { summary { "Postal address, for a card that is sent" } (fields.address("postalAddress", &names, main.subscriber.postal_address.as_ref(), "needed for a SIM card")) }
                p.hint {
                    @match sold.and_then(|plan| plan.swap_price).filter(|price| price.amount > 0) {
                        Some(price) => { "It costs " strong { (price) } ". " }
                        None => { "It costs nothing. " }
                    }
                    "The card works until the new one is installed."
                }
            }))
            (act("suspend", "suspend", "Suspend", "Suspend", &|_| html! { p.hint { "The card is kept out of the network until it is resumed." } }))
            (act("resume", "resume", "Resume", "Resume", &|_| html! {}))
            (act("cancel", "cancel", "Cancel the line", "Cancel the line", &|_| html! {
                p.hint { "What ends with it, and what goes back, is shown before anything is done." }
            }))
            (gift(allowed("complimentary"), main, line, &offer.all))
        }
    }
}

fn gift(action: Option<&Action>, main: &Order, line: &Line, plans: &[Plan]) -> Markup {
    let Some(action) = action else { return html! {} };
    html! {
        @if action.allowed {
            div.act {
                "Complimentary: "
                @for id in &action.plan_ids {
                    @let display = plans.iter().find(|plan| plan.plan_id == *id).map_or(id, |plan| &plan.display);
                    a href={ (add_line(main, id)) "&payment=complimentary&eligibleSubscriptionId=" (encoded(&line.subscription_id)) } { "give " (display) } " "
                }
            }
        } @else {
            div.act.off { span aria-disabled="true" { "Complimentary order" } p.hint { (action.reason.as_deref().unwrap_or("Not now.")) } }
        }
    }
}

/// Whether a line entitles to a gift, in a table.
pub fn eligible(actions: &[Action]) -> Markup {
    html! {
        @match actions.iter().find(|action| action.action == "complimentary") {
            Some(action) if action.allowed => { (state("yes")) span.sub { (action.plan_ids.join(", ")) } }
            Some(action) => span.sub { (action.reason.as_deref().unwrap_or("No")) },
            None => (none()),
        }
    }
}

/// Changes it.
pub async fn act(desk: &Desk<'_>, id: &str, action: &str) -> Result<Response<Body>, Refusal> {
    desk.act(action, ask(desk, id, action), async |attempt| show(desk, id, Some(attempt)).await).await
}

async fn ask(desk: &Desk<'_>, id: &str, action: &str) -> Result<Response<Body>, Refusal> {
    let form = desk.form();
    let mut body = Map::new();
    let (route, what) = match action {
        "add-plan" | "add-ons" => {
            form.put(&mut body, "planId");
            form.put_all(&mut body, "addOnIds");
            if action == "add-ons" && !body.contains_key("addOnIds") {
                return Err(Refusal::about("addOnIds", "Tick what is to be added."));
            }
            form.put(&mut body, "payment");
            ("POST /v1/subscriptions/{subscriptionId}/top-ups", "top-up")
        }
        "swap" => {
            form.put(&mut body, "formFactor");
            form.put(&mut body, "payment");
            if form.text("formFactor") == "physical" {
                form.put_address(&mut body, "postalAddress");
            }
            ("POST /v1/subscriptions/{subscriptionId}/sim-swap", "swap")
        }
        "cancel" => return cancel(desk, id).await,
        "suspend" | "resume" => {
            let (route, said) = match action {
                "suspend" => ("POST /v1/subscriptions/{subscriptionId}/suspension", "The card is being suspended."),
                _ => ("POST /v1/subscriptions/{subscriptionId}/resumption", "The card is being resumed."),
            };
            let _: Value = desk.api.call(route).path("subscriptionId", id).json(body).send().await?;
            let back = form.text("sim");
            let back = if back.is_empty() {
                format!("/console/lines/{}", encoded(id))
            } else {
                format!("/console/sims/{}", encoded(back))
            };
            return Ok(desk.done(&back, said));
        }
        _ => return Err(Refusal::not_found()),
    };
    body.insert("channel".to_owned(), "admin".into());
    let order: Order = desk.api.call(route).path("subscriptionId", id).key(form).json(body).send().await?;
    Ok(made(desk, what, &order, ""))
}

/// Cancels a line once what comes of it was seen. Of one that has ended, or that a change keeps closed, the API says what there is to say.
async fn cancel(desk: &Desk<'_>, id: &str) -> Result<Response<Body>, Refusal> {
    let form = desk.form();
    let line: Line = desk.api.call("GET /v1/subscriptions/{subscriptionId}").path("subscriptionId", id).send().await?;
    if line.ended_at.is_none() && line.open_change.is_none() {
        let outcome = Outcome::of_line(desk, &line).await?;
        if form.given("seen") != Some(&seen(&line, &outcome)) {
            return Ok(confirm_cancelling(desk, &line, &outcome).await);
        }
    }
    let mut body = Map::new();
    body.insert("channel".to_owned(), "admin".into());
    let call = desk.api.call("POST /v1/subscriptions/{subscriptionId}/cancellation").path("subscriptionId", id);
    let order: Order = call.key(form).json(body).send().await?;
    if order.void_reason.is_some() {
        return Ok(made(desk, "cancellation", &order, ""));
    }
    Ok(desk.done(&order_path(&order.order_num), "The line is being cancelled; what can be refunded is."))
}

/// What was shown of a line that is to be cancelled.
fn seen(line: &Line, outcome: &Outcome) -> String {
    format!("{} {}", line.iccid, outcome.told()).trim_end().to_owned()
}

async fn confirm_cancelling(desk: &Desk<'_>, line: &Line, outcome: &Outcome) -> Response<Body> {
    let path = format!("/console/lines/{}", encoded(&line.subscription_id));
    let content = html! {
        div.head { h1 { "Cancel the line" } p.hint.num { (line.subscription_id) } }
        (Fields::new("cancel", None).form_with(desk, &format!("{path}/cancel"), &html! {
            input type="hidden" name="seen" value=(seen(line, outcome));
            div.beside role="note" tabindex="-1" {
                p {
                    strong { "Nothing was done yet. " }
                    "The line ends, and its card " (sim_link(&line.iccid)) " is stopped for good."
                }
                (outcome)
            }
        }, &html! {
            button type="submit" { "Cancel the line" }
            a.button.plain href=(path) { "Do nothing" }
        }))
    };
    desk.page(Section::Subscribers, "Cancel the line", content).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn add_ons_go_with_the_plan_that_runs() {
        for (statuses, taken) in [
            (vec!["waiting", "running"], Some(1)),
            (vec!["over", "waiting", "waiting"], Some(1)),
            (vec!["over", "running", "waiting"], Some(1)),
            (vec!["over"], None),
        ] {
            let run = |(at, status): (usize, &&str)| {
                let run = json!({"orderNum": "", "planId": "", "planVersion": at, "flowType": 0, "status": status, "usedMb": 0});
                serde_json::from_value(run)
            };
            let runs: Vec<PlanRun> = statuses.iter().enumerate().map(run).collect::<Result<_, _>>().unwrap();
            assert_eq!(takes_add_ons(&runs).map(|run| run.plan_version), taken, "{statuses:?}");
        }
    }
}
