//! Creating an order, in the name of a partner.

use super::offer::{self, Offer, whose};
use super::order_acts::made;
use super::who;
use crate::Desk;
use crate::api::Refusal;
use crate::forms::{Attempt, Fields};
use crate::frame::Section;
use crate::http::Form;
use crate::model::{Order, Sim};
use crate::words::words;
use lambda_http::http::StatusCode;
use lambda_http::{Body, Response};
use maud::html;
use serde_json::{Map, Value};
use simdock_domain::{Iccid, MAX_COUNT};

const CHANNELS: [&str; 5] = ["admin", "web", "mobile_app", "partner", "other"];

/// The most cards that an order may have.
const MOST_GIVEN: usize = MAX_COUNT as usize;

/// The form.
pub async fn show(desk: &Desk<'_>, attempt: Option<Attempt<'_>>) -> Result<Response<Body>, Refusal> {
    let fields = Fields::new("create", attempt);
    let query = &desk.visit.query;
    let partner = fields.typed("partnerId").unwrap_or(query.text("partnerId"));
    let payment = fields.typed("payment").unwrap_or(query.text("payment"));
    let offer = Offer::of(desk, attempt.map_or(query, |attempt| attempt.values), partner, payment).await?;
    let named = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), words(name))).collect::<Vec<_>>();
    let parts = Fields::address_names("subscriber.postalAddress");
    let content = html! {
        fieldset {
            legend { "Whose, and how it is paid" }
            (whose("/console/orders/new", "create", &html! {
                (who::field(&fields, "Partner", partner, true, offer.wrong.as_ref()))
                (fields.choice("payment", "Payment", named(&["balance", "card", "complimentary"])).value(payment))
            }))
            div.fields {
                (fields.text("eligibleSubscriptionId", "Entitled by line").value(query.text("eligibleSubscriptionId")).hint("complimentary orders only: the line whose plan entitles to it"))
                (fields.choice("channel", "Channel", named(&CHANNELS)))
                (fields.text("otherOrderId", "Own order id"))
                (fields.text("otherItemId", "Own item id"))
            }
        }
        fieldset {
            legend { "What" }
            (offer.choice(&fields, "Plan", fields.typed("planId").unwrap_or(query.text("planId")), "/console/orders/new?"))
            div.fields {
                (fields.input("number", "count", "Cards").value("1").required().hint("1 to 50").width("short"))
                (fields.choice("formFactor", "Form factor", named(&["esim", "physical"])))
                (fields.text("addOnIds", "Add-ons").hint("ids as the plan has them, with spaces between"))
                (fields.text("iccids", "Given cards").hint("ICCIDs, as many as cards; else the system picks"))
                (fields.text("lineName", "Line name").hint("the place it is for, such as Spain"))
            }
        }
        fieldset {
            legend { "For whom" }
            div.fields {
                (fields.input("email", "subscriber.email", "Mail").value(query.text("email")).required())
                (fields.text("subscriber.name", "Name").value(query.text("name")).required())
                (fields.text("subscriber.language", "Language").value("en").hint("en, es, de, ja, …").width("short"))
            }
            details open[fields.is_at("subscriber.postalAddress") || fields.typed("formFactor") == Some("physical")] {
                summary { "Postal address, for cards that are sent" }
                (fields.address("subscriber.postalAddress", &parts, None, "needed for SIM cards"))
            }
        }
        (fields.tick("sendEmail", "true", &html! { "Send the mails" }, true))
    };
    let content = html! {
        div.head { h1 { "Create order" } }
        (fields.form(desk, "/console/orders", &content, "Create order"))
    };
    Ok(desk.page_of(attempt, Section::Orders, "Create order", content).await)
}

/// Creates it.
pub async fn create(desk: &Desk<'_>) -> Result<Response<Body>, Refusal> {
    if offer::is_asked_for(desk.form()) {
        return show(desk, Some(Attempt { form: "create", values: desk.form(), refusal: None })).await;
    }
    desk.act("create", ask(desk), async |attempt| show(desk, Some(attempt)).await).await
}

async fn ask(desk: &Desk<'_>) -> Result<Response<Body>, Refusal> {
    let form = desk.form();
    let mut body = wanted(desk).await?;
    body.insert("sendEmail".to_owned(), form.ticked("sendEmail")?.into());
    on_sale(desk, &given(form)).await?;
    let order: Order = desk.api.call("POST /v1/orders").key(form).json(body).send().await?;
    Ok(made(desk, "order", &order, ""))
}

fn ids<'a>(form: &'a Form, name: &str) -> Vec<&'a str> {
    form.text(name).split([' ', ',', '\n']).filter(|id| !id.trim().is_empty()).map(str::trim).collect()
}

/// The cards that the order is to have.
fn given(form: &Form) -> Vec<&str> {
    ids(form, "iccids")
}

/// Refuses a given card that cannot be sold: the order would turn void, and say of none which it was.
async fn on_sale(desk: &Desk<'_>, given: &[&str]) -> Result<(), Refusal> {
    // What is no card's number at all is refused with the order.
    for iccid in given.iter().take(MOST_GIVEN).filter(|iccid| iccid.parse::<Iccid>().is_ok()) {
        let card = desk.api.call("GET /v1/sims/{iccid}").path("iccid", iccid).send::<Sim>().await;
        let why = match card {
            Ok(card) if matches!(&*card.status, "blank" | "pending") => continue,
            Ok(card) => format!("it is {}", words(&card.status).to_lowercase()),
            Err(refusal) if refusal.status == StatusCode::NOT_FOUND => "there is no such card".to_owned(),
            Err(refusal) => return Err(refusal),
        };
        return Err(Refusal::about("iccids", format!("Card {iccid} is not available: {why}.")));
    }
    Ok(())
}

/// The order that a form asks for; what the form does not have, or nobody filled in, is left out.
pub async fn wanted(desk: &Desk<'_>) -> Result<Map<String, Value>, Refusal> {
    let form = desk.form();
    let mut body = Map::new();
    for name in [
        "planId",
        "formFactor",
        "lineName",
        "subscriber.email",
        "subscriber.name",
        "subscriber.language",
        "payment",
        "eligibleSubscriptionId",
        "channel",
        "otherOrderId",
        "otherItemId",
    ] {
        form.put(&mut body, name);
    }
    if let Some(partner) = form.given(who::NAME) {
        body.insert(who::NAME.to_owned(), who::meant(desk, partner).await?.into());
    }
    form.put_number(&mut body, "count");
    form.put_address(&mut body, "subscriber.postalAddress");
    for (name, ids) in [("addOnIds", ids(form, "addOnIds")), ("iccids", given(form))] {
        if !ids.is_empty() {
            body.insert(name.to_owned(), ids.into());
        }
    }
    Ok(body)
}
