//! Refunding cards of an order, and cancelling a line. With a line ends what other orders brought to it: which these are, and what of
//! their money goes back, is shown before anything is done.

use super::order;
use crate::Desk;
use crate::api::Refusal;
use crate::forms::Fields;
use crate::frame::{order_link, order_path};
use crate::model::{Card, Line, Order};
use crate::words::count;
use futures_util::future::try_join_all;
use lambda_http::{Body, Response};
use maud::{Markup, Render, html};
use serde_json::{Map, Value};
use simdock_domain::Money;

/// What comes of refunding some cards of an order, or of cancelling a line.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The cards themselves, each with its money; those are not among them that are being revoked already.
    cards: Vec<(String, Option<Money>)>,
    /// The orders that end with them, each with what goes back of it.
    others: Vec<(String, Option<Money>)>,
}

impl Outcome {
    /// Looks it up, for the cards named.
    async fn of(desk: &Desk<'_>, order: &Order, iccids: &[&str]) -> Result<Self, Refusal> {
        let named = order.cards.iter().filter(|card| iccids.contains(&&*card.iccid));
        let named: Vec<&Card> = named.filter(|card| !matches!(&*card.status, "cancelling" | "cancelled")).collect();
        let cards = named.iter().map(|card| (card.iccid.clone(), card.refundable.amount)).collect();
        // What was bought for a line, or changed on it, ends alone.
        let begun = named.iter().filter_map(|card| card.subscription_id.as_ref()).filter(|_| order.subscription_id.is_none());
        let line = async |id: &String| ending_with(desk, order, id).await;
        let others = try_join_all(begun.map(line)).await?.concat();
        Ok(Self { cards, others })
    }

    /// Looks it up, for a line.
    pub async fn of_line(desk: &Desk<'_>, line: &Line) -> Result<Self, Refusal> {
        Ok(Self { cards: Vec::new(), others: ending(desk, line, line.order_nums.iter()).await? })
    }

    /// All that goes back, a sum for each currency.
    fn sum(&self) -> String {
        let back = self.cards.iter().chain(&self.others).filter_map(|(_, amount)| *amount);
        Money::sums(back).iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
    }

    /// All of it in a line, by which what was shown is told from what has come to be since.
    pub fn told(&self) -> String {
        let part =
            |(name, amount): &(String, Option<Money>)| format!("{name} {}", amount.map_or_else(String::new, |it| it.to_string()));
        self.cards.iter().chain(&self.others).map(part).collect::<Vec<_>>().join(", ")
    }
}

impl Render for Outcome {
    fn render(&self) -> Markup {
        let amount = |amount: &Option<Money>| amount.map_or_else(|| "nothing".to_owned(), |amount| amount.to_string());
        let sum = self.sum();
        html! {
            ul {
                @for (iccid, back) in &self.cards { li { "Card " span.num { (iccid) } ": " (amount(back)) " goes back." } }
                @for (num, back) in &self.others { li { "Order " (order_link(num)) " ends: " (amount(back)) " goes back." } }
            }
            p { "In all " strong { @if sum.is_empty() { "nothing" } @else { (sum) } } " goes back." }
        }
    }
}

/// What ends with a line beside what the order that began it brought.
async fn ending_with(desk: &Desk<'_>, order: &Order, id: &str) -> Result<Vec<(String, Option<Money>)>, Refusal> {
    let call = desk.api.call("GET /v1/subscriptions/{subscriptionId}").path("subscriptionId", id);
    let line: Line = match call.send().await {
        Err(refusal) if refusal.status == 404 => return Ok(Vec::new()),
        line => line?,
    };
    ending(desk, &line, line.order_nums.iter().filter(|num| **num != order.order_num)).await
}

/// Those of a line's orders that end with it.
async fn ending(
    desk: &Desk<'_>,
    line: &Line,
    nums: impl Iterator<Item = &String>,
) -> Result<Vec<(String, Option<Money>)>, Refusal> {
    let read = try_join_all(nums.map(|num| order::read(desk, num))).await?;
    // A swap and a cancellation bring nothing that could end.
    let brought = read.into_iter().filter(|order| !matches!(&*order.kind, "swap_sim" | "cancel_subscription"));
    let open = brought.filter_map(|order| {
        let card = order.cards.iter().find(|card| card.subscription_id.as_deref() == Some(&*line.subscription_id))?;
        let over = matches!(&*card.status, "cancelled" | "cancelling" | "ended" | "failed");
        (order.status != -1 && !over).then(|| (order.order_num.clone(), card.refundable.amount))
    });
    Ok(open.collect())
}

/// The form by which what was asked for is done, once what comes of it was seen.
pub fn confirm(desk: &Desk<'_>, order: &Order, outcome: &Outcome) -> Markup {
    let path = order_path(&order.order_num);
    Fields::new("refund", None).form_with(
        desk,
        &format!("{path}/refund"),
        &html! {
            @for (iccid, _) in &outcome.cards { input type="hidden" name="iccids" value=(iccid); }
            input type="hidden" name="reason" value=(desk.form().text("reason"));
            input type="hidden" name="seen" value=(outcome.told());
            div.beside role="note" tabindex="-1" {
                p { strong { "Nothing was done yet. " } "The line ends with its first order, and so does what other orders brought to it." }
                (outcome)
            }
        },
        &html! {
            button type="submit" { "Refund all of it" }
            a.button.plain href=(path) { "Do nothing" }
        },
    )
}

/// Refunds the cards that were ticked; if orders end with them that were not shown yet, shows these.
pub async fn ask(desk: &Desk<'_>, num: &str) -> Result<Response<Body>, Refusal> {
    let form = desk.form();
    let mut body = Map::new();
    form.put_all(&mut body, "iccids");
    form.put(&mut body, "reason");
    if !body.contains_key("iccids") {
        return Err(Refusal::about("iccids", "Tick the cards that are to be refunded."));
    }
    let ticked: Vec<&str> = form.all("iccids").collect();
    let outcome = Outcome::of(desk, &order::read(desk, num).await?, &ticked).await?;
    form.short("reason")?;
    if !outcome.others.is_empty() && body.contains_key("reason") && form.text("seen") != outcome.told() {
        return order::show_refund(desk, num, &outcome).await;
    }
    let call = desk.api.call("POST /v1/orders/{orderNum}/refund").path("orderNum", num);
    let _: Value = call.key(form).json(body).send().await?;
    let said = match outcome.others.len() {
        _ if outcome.cards.is_empty() => {
            "That was asked for before: the cards are being revoked, or are, and their money follows.".to_owned()
        }
        0 => "The cards are being revoked; their money follows.".to_owned(),
        others => format!(
            "The cards are being revoked; their money follows. With the line {} too: {}. In all {} goes back.",
            count(others, "order ends,", "orders end,"),
            outcome.others.iter().map(|(num, _)| num.as_str()).collect::<Vec<_>>().join(", "),
            outcome.sum(),
        ),
    };
    Ok(desk.done(&order_path(num), &said))
}
