//! What a manager can do with an order.

use super::days::{day_of, is_day};
use super::order;
use super::order_refund::{self, Outcome};
use crate::Desk;
use crate::api::Refusal;
use crate::forms::{Attempt, Fields, before};
use crate::frame::{order_path, sim_link};
use crate::http::{encoded, set};
use crate::model::{Action, Card, Order, Plan};
use crate::words::{void, words};
use lambda_http::{Body, Response};
use maud::{Markup, html};
use serde_json::{Map, Value};

/// The actions that the page offers, by the API's names, in the order in which they stand there.
const ACTIONS: [(&str, &str); 13] = [
    ("ship", "Ship"),
    ("correct_shipment", "Correct the shipment"),
    ("retry", "Try again"),
    ("settle_refund", "Money was given back by hand"),
    ("refund", "Refund cards"),
    ("resend_qr", "Send the QR code again"),
    ("resend_confirmation", "Send the confirmation again"),
    ("resend_shipment", "Send the shipment mail again"),
    ("edit_recipient", "Edit the recipient"),
    ("renew", "Renew"),
    ("top_up", "Top up"),
    ("swap_sim", "Swap the SIM"),
    ("note", "Write a note"),
];

/// What a note ends, by the API's words.
const ENDED_BY_NOTES: [&str; 5] =
    ["provisioning_failed", "paid_back_twice", "cancellation_refused", "disputed", "mail_complaint"];

/// The actions: a form for each that is allowed now, the reason for each that is not.
pub fn show(
    desk: &Desk<'_>,
    order: &Order,
    actions: &[Action],
    attempt: Option<Attempt<'_>>,
    refund: Option<&Outcome>,
    plan: &Plan,
) -> Markup {
    let known = |name: &str| actions.iter().find(|action| action.action == name);
    // What can be done stands first.
    let mut sorted = ACTIONS;
    sorted.sort_by_key(|(name, _)| known(name).is_none_or(|action| !action.allowed));
    html! {
        div.acts {
            @for (name, title) in sorted {
                @if let Some(action) = known(name) {
                    @let changes = matches!(name, "correct_shipment" | "edit_recipient");
                    @let fields = if changes { Fields::merging(name, attempt) } else { Fields::new(name, attempt) };
                    @if let Some(outcome) = refund.filter(|_| name == "refund") {
                        details.act open { summary { (title) } (order_refund::confirm(desk, order, outcome)) }
                    } @else if let Some(form) = form_of_line(name).filter(|_| action.allowed) {
                        (on_lines(title, form, &order.cards, &action.subscription_ids))
                    } @else if action.allowed || fields.was_refused() {
                        details.act open[fields.was_refused()] {
                            summary { (title) }
                            (fields.form(desk, &format!("{}/{name}", order_path(&order.order_num)), &inputs(name, &fields, order, action, plan), title))
                        }
                    } @else {
                        div.act.off {
                            span aria-disabled="true" { (title) }
                            p.hint { (action.reason.as_deref().unwrap_or("Not possible now.")) }
                        }
                    }
                }
            }
        }
    }
}

/// Where an action is to be found on the page of a line, if that is its place.
fn form_of_line(action: &str) -> Option<&'static str> {
    match action {
        "top_up" => Some("add-plan"),
        "swap_sim" => Some("swap"),
        _ => None,
    }
}

/// An action on the lines with which it can be done: the form stands on each line's own page.
fn on_lines(title: &str, form: &str, cards: &[Card], lines: &[String]) -> Markup {
    let href = |line: &str| format!("/console/lines/{}#{form}", encoded(line));
    let card = |line: &String| cards.iter().find(|card| card.subscription_id.as_ref() == Some(line));
    let of_card = |card: &Card| html! { "the line of card " span.num { (card.iccid) } };
    html! {
        @match lines {
            [line] => {
                div.act {
                    a.leads href=(href(line)) { (title) }
                    p.hint { "On the page of " @match card(line) { Some(card) => (of_card(card)), None => "its line" } "." }
                }
            }
            lines => {
                details.act {
                    summary { (title) }
                    ul {
                        @for line in lines {
                            li { a href=(href(line)) { @match card(line) { Some(card) => (of_card(card)), None => { "line " span.num { (line) } } } } }
                        }
                    }
                }
            }
        }
    }
}

fn inputs(name: &str, fields: &Fields<'_>, order: &Order, action: &Action, plan: &Plan) -> Markup {
    let is_open = |card: &&Card| card.subscription_id.as_ref().is_some_and(|id| action.subscription_ids.contains(id));
    let renewable = order.cards.iter().filter(is_open);
    let names = Fields::address_names("postalAddress");
    html! {
        @match name {
            "ship" => {
                (fields.text("carrier", "Carrier").required())
                (fields.text("number", "Tracking number").required())
                (fields.input("date", "shippedAt", "Shipped on").hint("today, if left empty"))
            }
            "correct_shipment" => {
                @if let Some(shipment) = &order.shipment {
                    (fields.text("carrier", "Carrier").value(&shipment.carrier).required())
                    (fields.text("number", "Tracking number").value(&shipment.number).required())
                    (fields.input("date", "shippedAt", "Shipped on").value(day_of(&shipment.shipped_at)).hint("the day in UTC").required())
                    input type="hidden" name="basedOn" value=(shipment.shipped_at);
                }
                p.hint { "The subscriber is mailed another carrier or number." }
            }
            "refund" => {
                (fields.boxes("iccids", "Cards", &html! {
                    @for card in &order.cards {
                        @match &card.refundable.amount {
                            Some(amount) => (fields.tick("iccids", &card.iccid, &html! { span.num { (card.iccid) } " " (amount) }, order.cards.len() == 1)),
                            None => {
                                p.hint { (sim_link(&card.iccid)) " " (card.refundable.reason.as_deref().unwrap_or_default()) }
                            }
                        }
                    }
                }))
                (fields.text("reason", "Reason").required().hint("the partner reads it"))
                @if order.needs_attention.iter().any(|it| it.code == "disputed") {
                    p.hint { strong { "The payer disputes a payment: " } "their bank may take the money back as well." }
                }
                p.hint { "If orders that were made for the same line end with it, they are shown before anything is done." }
            }
            "resend_qr" => {
                @if let Some(condition) = &action.reason { p.hint { (condition) } }
                (fields.input("email", "to", "To another address").hint(&order.subscriber.email))
                (fields.tick("samePhone", "true", &html! { "It is for the phone that the eSIM was installed on" }, false))
            }
            "resend_confirmation" | "resend_shipment" => {
                (fields.input("email", "to", "To another address").hint(&order.subscriber.email))
            }
            "edit_recipient" => {
                @let now = &order.subscriber;
                (fields.text("name", "Name").value(&now.name).required())
                (fields.input("email", "email", "Mail").value(&now.email).required())
                @match &now.postal_address {
                    Some(address) if order.shipment.is_some() => {
                        p { "Postal address" br; (order::address(address)) }
                        p.hint { "The cards were sent there, so that it stays as it is." }
                    }
                    Some(address) => (fields.address("postalAddress", &names, Some(address), "needed")),
                    None => {}
                }
            }
            "renew" => {
                @if order.cards.len() > 1 {
                    (fields.choice("iccid", "Card", renewable.map(|card| (card.iccid.clone(), card.iccid.clone()))))
                }
                (fields.choice("payment", "Payment", payments()))
                p.hint { (plan.display) ", version " (plan.version) ", costs " strong { (plan.price) } "." }
            }
            "settle_refund" => {
                @let refused = order.refunds.iter().filter(|refund| refund.status == "failed" && refund.reason != "elsewhere");
                (fields.choice("refundId", "Refund", refused.map(|refund| {
                    let of = refund.iccid.as_ref().map_or_else(String::new, |iccid| format!(" for card {iccid}"));
                    (refund.refund_id.clone(), format!("{}{of}", refund.amount))
                })))
                (fields.text("reference", "Reference").required().hint("such as the bank transfer’s; the partner reads it"))
                p.hint { "For what the payment provider refused and somebody gave back by other means: it is not asked for again." }
            }
            "note" => {
                (fields.text("note", "Note").required().width("long"))
                @let ended: Vec<String> = order.needs_attention.iter().filter(|it| ENDED_BY_NOTES.contains(&&*it.code)).map(|it| words(&it.code)).collect();
                @if !ended.is_empty() {
                    p.hint { "With a note the order counts as looked after, and waits for nobody any more because of: " strong { (ended.join(", ")) } "." }
                }
            }
            _ => p.hint { "What was given up or put off is tried again now." },
        }
    }
}

/// How a change is paid for.
pub fn payments() -> [(String, String); 2] {
    [("balance", "From the partner’s balance"), ("card", "By card, at the payment provider")]
        .map(|(value, label)| (value.to_owned(), label.to_owned()))
}

/// Does it.
pub async fn act(desk: &Desk<'_>, num: &str, action: &str) -> Result<Response<Body>, Refusal> {
    desk.act(action, ask(desk, num, action), async |attempt| order::show(desk, num, Some(attempt)).await).await
}

async fn ask(desk: &Desk<'_>, num: &str, action: &str) -> Result<Response<Body>, Refusal> {
    let form = desk.form();
    let mut body = Map::new();
    let (route, said) = match action {
        "ship" | "correct_shipment" => {
            if form.is_as_before() {
                return Ok(desk.unchanged(&order_path(num)));
            }
            for name in ["carrier", "number"] {
                form.put(&mut body, name);
                form.put(&mut body, &before(name));
            }
            if let Some(seen) = form.given("basedOn") {
                set(&mut body, &before("shippedAt"), seen.into());
            }
            if form.is_changed("shippedAt")
                && let Some(at) = shipped_at(desk, num, form.text("shippedAt")).await?
            {
                body.insert("shippedAt".to_owned(), at.into());
            }
            let said = if action == "ship" { "Noted. The subscriber is told by mail." } else { "The shipment was corrected." };
            ("POST /v1/orders/{orderNum}/shipment", said)
        }
        "refund" => {
            return order_refund::ask(desk, num).await;
        }
        "resend_qr" | "resend_confirmation" | "resend_shipment" => {
            body.insert("kind".to_owned(), action.trim_start_matches("resend_").into());
            form.put(&mut body, "to");
            if action == "resend_qr" {
                body.insert("samePhone".to_owned(), form.ticked("samePhone")?.into());
            }
            ("POST /v1/orders/{orderNum}/emails", "The mail is on its way.")
        }
        "edit_recipient" => {
            if form.is_as_before() {
                return Ok(desk.unchanged(&order_path(num)));
            }
            for name in ["name", "email"] {
                form.filled(name)?;
                if form.is_changed(name) {
                    form.put(&mut body, name);
                }
                form.put(&mut body, &before(name));
            }
            // What stays is not asked for: an address to which the cards were sent takes no change, and no word of one.
            if Fields::address_names("postalAddress").iter().any(|part| form.is_changed(part)) {
                form.put_address(&mut body, "postalAddress");
                if !body.contains_key("postalAddress") {
                    return Err(Refusal::about("postalAddress", "postalAddress is required."));
                }
            }
            form.put_address(&mut body, "corrects.postalAddress");
            ("PATCH /v1/orders/{orderNum}/recipient", "The recipient was changed.")
        }
        "retry" => ("POST /v1/orders/{orderNum}/retry", "It is tried again."),
        "settle_refund" => {
            form.put(&mut body, "refundId");
            form.put(&mut body, "reference");
            ("POST /v1/orders/{orderNum}/refunds", "The refund counts as given back.")
        }
        "note" => {
            form.put(&mut body, "note");
            ("POST /v1/orders/{orderNum}/notes", "The note was kept.")
        }
        "renew" => {
            for name in ["iccid", "payment"] {
                form.put(&mut body, name);
            }
            body.insert("channel".to_owned(), Value::from("admin"));
            let call = desk.api.call("POST /v1/orders/{orderNum}/renewal").path("orderNum", num);
            let renewal: Order = call.key(form).json(body).send().await?;
            return Ok(made(desk, "renewal", &renewal, ""));
        }
        _ => return Err(Refusal::not_found()),
    };
    let _: Value = desk.api.call(route).path("orderNum", num).key(form).json(body).send().await?;
    Ok(desk.done(&order_path(num), said))
}

/// When a parcel left, of which the desk knows the day: when that began, or when the order was made, whatever is later; and for
/// today, here or where it is tomorrow already, now.
async fn shipped_at(desk: &Desk<'_>, num: &str, day: &str) -> Result<Option<String>, Refusal> {
    if day.is_empty() {
        return Ok(None);
    }
    if !is_day(day) {
        return Err(Refusal::no_day("shippedAt", day));
    }
    if [0, 14].iter().any(|hours| desk.now.plus_seconds(hours * 3600).to_string().starts_with(day)) {
        return Ok(Some(desk.now.to_string()));
    }
    let order = order::read(desk, num).await?;
    Ok(Some(if order.created_at.starts_with(day) { order.created_at } else { format!("{day}T00:00:00Z") }))
}

/// Goes on to an order that was made, and says what came of it, with a word more where it is not void.
pub fn made(desk: &Desk<'_>, what: &str, order: &Order, more: &str) -> Response<Body> {
    let path = order_path(&order.order_num);
    let said = match (&order.void_reason, order.status) {
        (Some(reason), _) => {
            let said = format!("The {what} was not made: {}. The order stays in the list as void.", void(reason));
            return desk.not_done(&path, &said);
        }
        (None, -1) => format!("The {what} waits for its payment. {more}"),
        (None, _) => format!("The {what} was made and paid. {more}"),
    };
    desk.done(&path, said.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_called_by_its_card_where_the_order_has_it() {
        let card = serde_json::json!({
            "iccid": "8934071000000000013", "subscriptionId": "SU1", "operator": "sandbox", "imsiProfile": "1", "usedMb": 0,
            "apn": "internet", "status": "active", "refundable": {"eligible": "no"},
        });
        let cards: Vec<Card> = vec![serde_json::from_value(card).unwrap()];
        for (line, hint) in [
            ("SU1", "On the page of the line of card <span class=\"num\">8934071000000000013</span>."),
            ("SU2", "On the page of its line."),
        ] {
            let shown = on_lines("Top up", "add-plan", &cards, &[line.to_owned()]).0;
            assert!(shown.contains(hint), "{shown}");
        }
    }
}
