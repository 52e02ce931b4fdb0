//! Partners: their balances with the ledger, their keys, how many gifts they may make.

use super::{keys, tabs};
use crate::Desk;
use crate::api::Refusal;
use crate::forms::{Attempt, Fields, before};
use crate::frame::{Section, order_link, pager};
use crate::http::{Form, encoded, set};
use crate::model::{Balance, Booked, LedgerEntry, Page, Partner};
use crate::pages::order::fact;
use crate::pages::who;
use crate::words::{Time, none, state, text, words};
use futures_util::future::try_join3;
use lambda_http::{Body, Response};
use maud::{Markup, html};
use serde_json::{Map, json};
use simdock_domain::{Currency, MOST_MONEY, Money};

/// The fields of forms that hold an amount and its currency, by their paths in the body.
const CREDIT: (&str, &str) = ("amount.amount", "amount.currency");
const ALARM: (&str, &str) = ("alarmLevels[0].amount", "alarmLevels[0].currency");
/// The fields for the alarm levels that stood there when the page was made, in minor units, by currency.
const STOOD: &str = "stood";
/// Which way money goes.
const IN: &str = "credit";
const OUT: &str = "take_back";

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
    let said = "The partner was made. It needs a key to order by itself.";
    let namesakes = who::namesakes(desk, &partner.display).await.ok().flatten();
    Ok(desk.done(
        &home(&partner.partner_id),
        &[Some(said), namesakes.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" "),
    ))
}

fn home(id: &str) -> String {
    format!("/console/settings/partners/{}", encoded(id))
}

/// A partner.
pub async fn show(desk: &Desk<'_>, id: &str, attempt: Option<Attempt<'_>>) -> Result<Response<Body>, Refusal> {
    whole(desk, id, attempt, false).await
}

/// The page; if something is to be booked, with what would come of it.
async fn whole(desk: &Desk<'_>, id: &str, attempt: Option<Attempt<'_>>, books: bool) -> Result<Response<Body>, Refusal> {
    let partner = desk.api.call("GET /v1/partners/{partnerId}").path("partnerId", id).send::<Partner>();
    let ledger = desk.api.call("GET /v1/partners/{partnerId}/ledger").path("partnerId", id).query("limit", "20");
    let ledger = ledger.query("cursor", desk.visit.query.text("cursor")).send::<Page<LedgerEntry>>();
    let (partner, keys, ledger) = try_join3(partner, keys::read(desk, id), ledger).await?;
    let booking = books.then(|| Booking::of(desk.form(), &partner)).transpose()?;
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
                                span.sub {
                                    @if balance.alarm_level == 0 { "no alarm level set" }
                                    @else { "alarm below " (amount(balance.alarm_level, &balance.currency)) }
                                }
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
                (acts(desk, &partner, attempt, booking.as_ref()))
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
                                td { @if entry.kind == "credit" && entry.amount.amount < 0 { "Take-back" } @else { (words(&entry.kind)) } @if let Some(by) = &entry.by { span.sub { "by " (by) } } }
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

/// A booking on a balance that somebody is about to make.
struct Booking {
    /// Above zero if the partner gets it.
    moved: Money,
    /// What the balance is before it.
    before: Money,
}

impl Booking {
    /// What is to be moved, above zero if the partner gets it.
    fn moved(form: &Form) -> Result<Money, Refusal> {
        let above = |refusal: Refusal| Refusal { detail: refusal.detail.replace("from 0 to", "above 0, up to"), ..refusal };
        let mut moved = money(form, CREDIT).map_err(above)?;
        if moved.amount == 0 {
            return Err(Refusal::about(CREDIT.0, format!("{} must be above 0.", CREDIT.0)));
        }
        match form.text("way") {
            IN => {}
            OUT => moved.amount = -moved.amount,
            other => return Err(Refusal::about("way", format!("“{other}” is neither of the two."))),
        }
        Ok(moved)
    }

    /// Reads it from the form, for a partner as it is now.
    fn of(form: &Form, partner: &Partner) -> Result<Self, Refusal> {
        let moved = Self::moved(form)?;
        let balance = partner.balances.iter().find(|balance| balance.currency == moved.currency.as_str());
        let before = Money { amount: balance.map_or(0, |balance| balance.amount), currency: moved.currency };
        let booking = Self { moved, before };
        if moved.amount < 0 && booking.after().amount < 0 {
            let detail = format!("That is more than there is: the balance is {before}, and cannot be below zero.");
            return Err(Refusal::about(CREDIT.0, detail));
        }
        Ok(booking)
    }

    fn after(&self) -> Money {
        Money { amount: self.before.amount.saturating_add(self.moved.amount), ..self.before }
    }
}

/// What is done to whose balance: `is`, or `was`.
fn said(moved: Money, is: &str, partner: &str) -> String {
    let amount = Money { amount: moved.amount.abs(), ..moved };
    let way = if moved.amount > 0 { "put on" } else { "taken back from" };
    format!("{amount} {is} {way} the balance of {partner}")
}

/// The form that moves money on a balance; once it is filled in, what would come of it, to be confirmed.
fn crediting(desk: &Desk<'_>, partner: &Partner, attempt: Option<Attempt<'_>>, booking: Option<&Booking>) -> Markup {
    let credit = Fields::new("credit", attempt);
    let path = home(&partner.partner_id) + "/credit";
    let typed = |name: &str| desk.form().text(name);
    if let Some(booking) = booking {
        let button = if booking.moved.amount > 0 { "Credit" } else { "Take back" };
        return html! {
            details.act open {
                summary { "Credit the balance" }
                (credit.form_with(desk, &path, &html! {
                    @for name in [CREDIT.0, CREDIT.1, "way", "note"] { input type="hidden" name=(name) value=(typed(name)); }
                    div.beside role="note" tabindex="-1" {
                        p { (said(booking.moved, "is", &partner.display)) ", with the note “" (typed("note")) "”." }
                        p { "It is " (booking.before) " now, and " strong { (booking.after()) } " then." }
                    }
                }, &html! {
                    button type="submit" name="step" value="book" { (button) }
                    a.button.plain href=(home(&partner.partner_id)) { "Do nothing" }
                }))
            }
        };
    }
    let ways = [(IN, "Credit: put on the balance"), (OUT, "Take back what was credited by mistake")];
    html! {
        details.act open[credit.was_refused()] {
            summary { "Credit the balance" }
            (credit.form(desk, &path, &html! {
                (credit.choice("way", "What", ways.map(|(value, label)| (value.to_owned(), label.to_owned()))))
                (credit.text(CREDIT.0, "Amount").required().hint("such as 250.00"))
                (credit.text(CREDIT.1, "Currency").value(currency(partner)).required().width("short"))
                (credit.text("note", "Note").required().hint("the invoice, for the ledger; the partner reads it"))
            }, "Next: see what comes of it"))
        }
    }
}

fn currency(partner: &Partner) -> &str {
    partner.balances.first().map_or("EUR", |balance: &Balance| balance.currency.as_str())
}

fn acts(desk: &Desk<'_>, partner: &Partner, attempt: Option<Attempt<'_>>, booking: Option<&Booking>) -> Markup {
    let (edit, alarm) = (Fields::merging("edit", attempt), Fields::new("alarm", attempt));
    let path = home(&partner.partner_id);
    html! {
        div.acts {
            (crediting(desk, partner, attempt, booking))
            details.act open[alarm.was_refused()] {
                summary { "Alarm level" }
                (alarm.form(desk, &format!("{path}/alarm"), &html! {
                    @if alarm.was_refused_as("version_conflict") && let Some(typed) = alarm.typed(ALARM.1) {
                        @let currency = typed.trim().to_uppercase();
                        @let now = partner.balances.iter().find(|balance| balance.currency == currency).map_or(0, |balance| balance.alarm_level);
                        div.beside {
                            "There was " (level(stood(desk.form(), &currency), &currency)) " when you opened the page; now there is "
                            strong { (level(now, &currency)) } ". Saved again, what you typed goes over it."
                        }
                    }
                    @for balance in &partner.balances {
                        p.hint { "Now there is " (level(balance.alarm_level, &balance.currency)) "." }
                    }
                    // What the page shows of each currency; of one that it does not show, there is no level.
                    input type="hidden" name=(STOOD) value="0";
                    @for balance in &partner.balances { input type="hidden" name={ (STOOD) "." (balance.currency) } value=(balance.alarm_level); }
                    (alarm.text(ALARM.0, "Below").required().hint("such as 100.00; at 0 nobody is told"))
                    (alarm.text(ALARM.1, "Currency").value(currency(partner)).required().width("short"))
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
        "credit" => return credit(desk, id).await,
        "alarm" => {
            let level = money(form, ALARM)?;
            body.insert("alarmLevels".to_owned(), json!([level]));
            if form.has(STOOD) {
                let amount = stood(form, level.currency.as_str());
                set(&mut body, &before("alarmLevels"), json!([Money { amount, ..level }]));
            }
            "Saved."
        }
        "edit" => {
            if form.is_as_before() {
                return Ok(desk.unchanged(&home(id)));
            }
            for name in ["display", "giftQuota"] {
                form.filled(name)?;
            }
            form.put(&mut body, "display");
            form.put_raw(&mut body, "corrects.display");
            for name in ["giftQuota", "corrects.giftQuota"] {
                form.put_number(&mut body, name);
            }
            "Saved."
        }
        _ => return Err(Refusal::not_found()),
    };
    let named = body.contains_key("display");
    let partner: Partner = desk.api.call("PATCH /v1/partners/{partnerId}").path("partnerId", id).json(body).send().await?;
    let namesakes = if named { who::namesakes(desk, &partner.display).await.ok().flatten() } else { None };
    Ok(desk.done(&home(id), &[Some(said), namesakes.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" ")))
}

/// Shows what would come of a booking; once that was seen, makes it.
async fn credit(desk: &Desk<'_>, id: &str) -> Result<Response<Body>, Refusal> {
    let form = desk.form();
    if form.given("note").is_none() {
        return Err(Refusal::about("note", "note is required."));
    }
    form.short("note")?;
    if form.text("step") != "book" {
        return whole(desk, id, None, true).await;
    }
    let partner: Partner = desk.api.call("GET /v1/partners/{partnerId}").path("partnerId", id).send().await?;
    // Whether there is enough is said by the API, which knows as well whether this very form was booked before.
    let moved = Booking::moved(form)?;
    let mut body = Map::new();
    body.insert("amount".to_owned(), json!(moved));
    form.put(&mut body, "note");
    let call = desk.api.call("POST /v1/partners/{partnerId}/credits").path("partnerId", id);
    let booked: Booked = call.key(form).json(body).send().await?;
    Ok(desk.done(&home(id), &format!("{}. It is {} now.", said(moved, "was", &partner.display), booked.balance)))
}

/// The alarm level of a currency that stood on the page from which a form comes.
fn stood(form: &Form, currency: &str) -> i64 {
    form.text(&format!("{STOOD}.{currency}")).parse().unwrap_or_default()
}

/// An alarm level in words.
fn level(level: i64, currency: &str) -> String {
    let shown = amount(level, currency);
    if level == 0 { format!("no alarm ({shown})") } else { format!("an alarm below {shown}") }
}

fn amount(amount: i64, currency: &str) -> String {
    currency.parse().map_or_else(|_| format!("{amount} {currency}"), |currency| Money { amount, currency }.to_string())
}

/// An amount as people write it, `250.00`, with its currency, from the two fields.
fn money(form: &Form, (amount, currency): (&str, &str)) -> Result<Money, Refusal> {
    let unit = parse_currency(form, currency)?;
    form.filled(amount)?;
    parse_amount(form.text(amount), unit).ok_or_else(|| Refusal::about(amount, format!("{amount} {}.", no_amount(unit))))
}

/// Reads a currency from a field.
pub fn parse_currency(form: &Form, field: &str) -> Result<Currency, Refusal> {
    let wrong = |_| Refusal::about(field, format!("{field} must be a currency's three letters, such as EUR."));
    form.text(field).to_uppercase().parse().map_err(wrong)
}

/// What an amount of this currency has to be.
pub fn no_amount(currency: Currency) -> String {
    let most = Money { amount: MOST_MONEY, currency };
    format!("must be a number from 0 to {most}, with no more decimals than {currency} has")
}

/// Reads an amount with at most as many decimals as the currency has, up to the largest that is booked.
pub fn parse_amount(text: &str, currency: Currency) -> Option<Money> {
    // What one unit is written as tells how many decimals there are.
    let digits = Money { amount: 0, currency }.to_string().split(' ').next()?.split_once('.').map_or(0, |(_, rest)| rest.len());
    let (whole, part) = text.split_once(['.', ',']).unwrap_or((text, ""));
    if whole.is_empty() || part.len() > digits || ![whole, part].iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
    {
        return None;
    }
    let amount: i64 = format!("{whole}{part:0<digits$}").parse().ok()?;
    (amount <= MOST_MONEY).then_some(Money { amount, currency })
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
            ("10000000000.00", "EUR", Some(MOST_MONEY)),
            ("10000000000.01", "EUR", None),
            ("-1.00", "EUR", None),
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
