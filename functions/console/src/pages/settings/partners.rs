//! Partners: their balances with the ledger, their keys, how many gifts they may make.

use super::{keys, tabs};
use crate::Desk;
use crate::api::Refusal;
use crate::forms::{Attempt, Fields};
use crate::frame::{Section, order_link, pager};
use crate::http::{Form, encoded};
use crate::model::{Balance, LedgerEntry, Page, Partner};
use crate::pages::order::fact;
use crate::words::{Time, none, state, text, words};
use futures_util::future::try_join3;
use lambda_http::{Body, Response};
use maud::{Markup, html};
use serde_json::{Map, Value, json};
use simdock_domain::{Currency, Money};

/// All partners.
pub async fn list(desk: &Desk<'_>, attempt: Option<Attempt<'_>>) -> Result<Response<Body>, Refusal> {
    let partners: Page<Partner> =
        desk.api.call("GET /v1/partners").query("cursor", desk.visit.query.text("cursor")).send().await?;
    let fields = Fields::new("new-partner", attempt);
    let content = html! {
        div.head { h1 { "Settings" } }
        (tabs("partners"))
        div.scroll role="region" aria-label="Partners" tabindex="0" {
            table {
                thead { tr { th scope="col" { "Partner" } th scope="col" { "Name" } th scope="col" { "Balances" } th.n scope="col" { "Complimentary" } } }
                tbody {
                    @for partner in &partners.items {
                        tr {
                            th scope="row" { a href={ "/console/settings/partners/" (encoded(&partner.partner_id)) } { (partner.partner_id) } }
                            td { (partner.display) }
                            td { @for balance in &partner.balances { (amount(balance.amount, &balance.currency)) @if balance.low { " " (state("low")) } " " } }
                            td.n { (partner.gifts) " of " (partner.gift_quota) }
                        }
                    }
                }
            }
        }
        (pager(desk.visit, "/console/settings/partners", partners.next_cursor.as_ref()))
        details.panel open[fields.was_refused()] {
            summary { "New partner" }
            (fields.form(desk, "/console/settings/partners", &html! {
                div.fields {
                    (fields.text("partnerId", "Id").required().hint("small letters, digits and dashes"))
                    (fields.text("display", "Name").required())
                    (fields.input("number", "giftQuota", "Complimentary orders").value("0"))
                }
            }, "Make partner"))
        }
    };
    Ok(desk.page_of(attempt, Section::Settings, "Partners", content).await)
}

/// Makes one.
pub async fn create(desk: &Desk<'_>) -> Result<Response<Body>, Refusal> {
    desk.act("new-partner", ask_new(desk), async |attempt| list(desk, Some(attempt)).await).await
}

async fn ask_new(desk: &Desk<'_>) -> Result<Response<Body>, Refusal> {
    let form = desk.form();
    let mut body = Map::new();
    for name in ["partnerId", "display"] {
        form.put(&mut body, name);
    }
    form.put_number(&mut body, "giftQuota");
    let partner: Partner = desk.api.call("POST /v1/partners").key(form).json(body).send().await?;
    Ok(desk.done(&home(&partner.partner_id), "The partner was made. It needs a key to order by itself."))
}

fn home(id: &str) -> String {
    format!("/console/settings/partners/{}", encoded(id))
}

/// A partner.
pub async fn show(desk: &Desk<'_>, id: &str, attempt: Option<Attempt<'_>>) -> Result<Response<Body>, Refusal> {
    let partner = desk.api.call("GET /v1/partners/{partnerId}").path("partnerId", id).send::<Partner>();
    let ledger = desk.api.call("GET /v1/partners/{partnerId}/ledger").path("partnerId", id).query("limit", "20");
    let ledger = ledger.query("cursor", desk.visit.query.text("cursor")).send::<Page<LedgerEntry>>();
    let (partner, keys, ledger) = try_join3(partner, keys::read(desk, id), ledger).await?;
    let content = html! {
        div.head { p.crumb { a href="/console/settings/partners" { "Partners" } } h1 { (partner.display) } }
        div.columns {
            div {
                section aria-labelledby="balances" {
                    h2 #balances { "Balances" }
                    @if partner.balances.is_empty() { p.hint { "No money came in yet." } }
                    dl.facts {
                        @for balance in &partner.balances {
                            (fact(&balance.currency, html! {
                                (amount(balance.amount, &balance.currency)) " " @if balance.low { (state("low")) }
                                span.sub { "alarm below " (amount(balance.alarm_level, &balance.currency)) }
                            }))
                        }
                        (fact("Complimentary", html! { (partner.gifts) " of " (partner.gift_quota) }))
                        (fact("Orders", html! { a href={ "/console/orders?partnerId=" (encoded(id)) } { "all of the partner’s" } }))
                    }
                }
                section aria-labelledby="ledger" {
                    h2 #ledger { "Ledger" }
                    (entries(&ledger.items))
                    (pager(desk.visit, &home(id), ledger.next_cursor.as_ref()))
                }
                (keys::section(desk, &keys, id, attempt))
            }
            section aria-labelledby="acts" {
                h2 #acts { "Actions" }
                (acts(desk, &partner, attempt))
            }
        }
    };
    Ok(desk.page_of(attempt, Section::Settings, &partner.display, content).await)
}

fn entries(ledger: &[LedgerEntry]) -> Markup {
    html! {
        @if ledger.is_empty() { p.hint { "Nothing moved." } } @else {
            div.scroll role="group" aria-labelledby="ledger" tabindex="0" {
                table {
                    thead { tr { th scope="col" { "When" } th scope="col" { "What" } th.n scope="col" { "Amount" } th scope="col" { "Order" } th scope="col" { "Note" } } }
                    tbody {
                        @for entry in ledger {
                            tr {
                                td { (Time(&entry.at)) }
                                td { (words(&entry.kind)) @if let Some(by) = &entry.by { span.sub { "by " (by) } } }
                                td.n { (entry.amount) }
                                td { @match &entry.order_num { Some(num) => (order_link(num)), None => (none()) } }
                                td { (text(entry.note.as_deref())) @if entry.order_num.is_none() { span.sub { (entry.reference) } } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn acts(desk: &Desk<'_>, partner: &Partner, attempt: Option<Attempt<'_>>) -> Markup {
    let (credit, edit, alarm) = (Fields::new("credit", attempt), Fields::new("edit", attempt), Fields::new("alarm", attempt));
    let currency = partner.balances.first().map_or("EUR", |balance: &Balance| balance.currency.as_str());
    let path = home(&partner.partner_id);
    html! {
        div.acts {
            details.act open[credit.was_refused()] {
                summary { "Credit the balance" }
                (credit.form(desk, &format!("{path}/credit"), &html! {
                    (credit.text("amount", "Amount").required().hint("such as 250.00; below zero takes back what was credited by mistake"))
                    (credit.text("currency", "Currency").value(currency).required().width("short"))
                    (credit.text("note", "Note").required().hint("the invoice, for the ledger; the partner reads it"))
                }, "Credit"))
            }
            details.act open[alarm.was_refused()] {
                summary { "Alarm level" }
                (alarm.form(desk, &format!("{path}/alarm"), &html! {
                    (alarm.text("amount", "Below").required().hint("such as 100.00; at 0 nobody is told"))
                    (alarm.text("currency", "Currency").value(currency).required().width("short"))
                }, "Save"))
            }
            details.act open[edit.was_refused()] {
                summary { "Name and complimentary orders" }
                (edit.form(desk, &format!("{path}/edit"), &html! {
                    (edit.text("display", "Name").value(&partner.display).required())
                    (edit.input("number", "giftQuota", "Complimentary orders").value(&partner.gift_quota.to_string()).required())
                }, "Save"))
            }
        }
    }
}

/// Changes a partner.
pub async fn act(desk: &Desk<'_>, id: &str, action: &str) -> Result<Response<Body>, Refusal> {
    desk.act(action, ask(desk, id, action), async |attempt| show(desk, id, Some(attempt)).await).await
}

async fn ask(desk: &Desk<'_>, id: &str, action: &str) -> Result<Response<Body>, Refusal> {
    let form = desk.form();
    let mut body = Map::new();
    let said = match action {
        "credit" => {
            body.insert("amount".to_owned(), json!(money(form)?));
            form.put(&mut body, "note");
            let call = desk.api.call("POST /v1/partners/{partnerId}/credits").path("partnerId", id);
            let _: Value = call.key(form).json(body).send().await?;
            return Ok(desk.done(&home(id), "It is on the balance and in the ledger."));
        }
        "alarm" => {
            body.insert("alarmLevels".to_owned(), json!([money(form)?]));
            "Saved."
        }
        "edit" => {
            form.put(&mut body, "display");
            form.put_number(&mut body, "giftQuota");
            "Saved."
        }
        _ => return Err(Refusal::not_found()),
    };
    let _: Value = desk.api.call("PATCH /v1/partners/{partnerId}").path("partnerId", id).json(body).send().await?;
    Ok(desk.done(&home(id), said))
}

fn amount(amount: i64, currency: &str) -> String {
    currency.parse().map_or_else(|_| format!("{amount} {currency}"), |currency| Money { amount, currency }.to_string())
}

/// An amount as people write it, `250.00`, with its currency.
fn money(form: &Form) -> Result<Money, Refusal> {
    let currency: Currency = form
        .text("currency")
        .to_uppercase()
        .parse()
        .map_err(|error| Refusal::about("currency", format!("The currency {error}.")))?;
    parse_amount(form.text("amount"), currency)
        .ok_or_else(|| Refusal::about("amount", format!("The amount must be a number with as many decimals as {currency} has.")))
}

/// Reads an amount with at most as many decimals as the currency has.
pub fn parse_amount(text: &str, currency: Currency) -> Option<Money> {
    // What one unit is written as tells how many decimals there are.
    let digits = Money { amount: 0, currency }.to_string().split(' ').next()?.split_once('.').map_or(0, |(_, rest)| rest.len());
    let (negative, text) = text.strip_prefix(['-', '−']).map_or((false, text), |rest| (true, rest));
    let (whole, part) = text.split_once(['.', ',']).unwrap_or((text, ""));
    if whole.is_empty() || part.len() > digits || ![whole, part].iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
    {
        return None;
    }
    let amount: i64 = format!("{whole}{part:0<digits$}").parse().ok()?;
    Some(Money { amount: if negative { -amount } else { amount }, currency })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_people_write_them() {
        let read = |text, currency: &str| parse_amount(text, currency.parse().unwrap()).map(|money| money.amount);
        for (text, currency, amount) in [
            ("250", "EUR", Some(25_000)),
            ("250.5", "EUR", Some(25_050)),
            ("0,05", "EUR", Some(5)),
            ("-1.00", "EUR", Some(-100)),
            ("1200", "JPY", Some(1200)),
            ("1.234", "KWD", Some(1234)),
            ("1.5", "JPY", None),
            ("1.234", "EUR", None),
            ("", "EUR", None),
            (".5", "EUR", None),
            ("1e3", "EUR", None),
            ("--1", "EUR", None),
        ] {
            assert_eq!(read(text, currency), amount, "{text} {currency}");
        }
    }
}
