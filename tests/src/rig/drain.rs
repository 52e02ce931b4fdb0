//! After the faults: the clock moves on until nothing is left to do, and then everything is looked at.

use super::shop::Told;
use super::site::{As, Site};
use super::warehouse::Brought;
use super::weather;
use crate::audit::{Audit, Books, Outside, Promise, Violation};
use hyper::Method;
use serde_json::json;
use simdock_domain::{Attention, MailState, Order, Provider, RefundState};
use simdock_store::order_in_image;
use std::collections::{BTreeMap, BTreeSet};

/// How often the clock is moved until what is not done by then counts as never done.
const ROUNDS: usize = 16;

/// Lets everything come to rest and looks at it; at the end of some runs, once more when all plans are over.
pub async fn drain(site: &Site, told: &Told, brought: &Brought) -> (Audit, Outside, Vec<Violation>) {
    site.local("stripe", &json!({"mode": "ok"})).await;
    // Stripe goes on telling until it is heard.
    for refund in &told.by_hand {
        site.local("stripe/events", &json!({"refund": refund, "status": "succeeded"})).await;
    }
    let (mut audit, mut outside, mut violations) = rest(site, told, brought).await;
    if violations.is_empty() && site.plan.dice("much later").bool() {
        site.advance("P40D").await;
        (audit, outside, violations) = rest(site, told, brought).await;
    }
    (audit, outside, violations)
}

async fn rest(site: &Site, told: &Told, brought: &Brought) -> (Audit, Outside, Vec<Violation>) {
    let mut last = None;
    for round in 0..ROUNDS {
        for refund in weather::pending(site).await {
            site.local("stripe/events", &json!({"refund": refund, "status": "succeeded", "lost": round % 2 == 0})).await;
        }
        // What was held back or is being worked on comes back, and what had to wait for its time has it.
        site.advance(if round < 4 { "PT15M" } else { "PT2H" }).await;
        let quiet = site.quiet().await;
        let (books, outside) = site.everything().await;
        let (audit, mut violations) = books.at_rest(&outside);
        let desk = look_at(site, &books).await;
        if !quiet {
            violations.push(Violation { promise: Promise::Rest, found: "the queues do not empty".to_owned() });
        }
        if violations.is_empty() && !desk && round > 3 {
            violations = acknowledged(site, told, &books).await;
            violations.extend(brought.check(site, &books).await);
            return (audit, outside, violations);
        }
        // No time mends these.
        let lasting = |violation: &Violation| match violation.promise {
            Promise::Money | Promise::Cards | Promise::Codes | Promise::Ledger | Promise::Gifts => true,
            Promise::Refunds
            | Promise::Stock
            | Promise::Subscriptions
            | Promise::Mails
            | Promise::Carrier
            | Promise::Rest
            | Promise::Answers => false,
        };
        let over = round >= if quiet { 1 } else { 3 } && violations.iter().any(lasting);
        last = Some((audit, outside, violations));
        if over {
            break;
        }
    }
    let (audit, outside, violations) = last.expect("a round");
    (audit, outside, violations)
}

/// A manager has tried again what was given up, since somebody had refused it, given back what the provider cannot, and seen to what is
/// disputed; answers whether there was anything.
async fn look_at(site: &Site, books: &Books) -> bool {
    let mut any = false;
    for item in &books.orders {
        let order = order_in_image(item.clone()).expect("an order");
        let transfer = json!({"refundId": refused(&order), "reference": "SEPA 1"});
        for (wanted, act, action, body) in [
            (refused(&order).is_some(), "given back by hand", "refunds", transfer),
            (is_given_up(&order), "tried again", "retry", json!({})),
            (order.attention().contains(&Attention::Disputed), "noted", "notes", json!({"note": "sent the papers"})),
        ] {
            if wanted {
                any = true;
                let path = format!("/v1/orders/{}/{action}", order.num);
                if site.send(Method::POST, &path, As::Manager, &body.to_string()).await.is_done() {
                    site.plan.act(act);
                }
            }
        }
    }
    any
}

fn is_given_up(order: &Order) -> bool {
    let failed = order.refunds.iter().filter(|refund| refund.state == RefundState::Failed && order.is_owed(refund));
    let mut at_stripe = failed.filter(|refund| order.payments[refund.payment].provider == Provider::Stripe);
    at_stripe.next().is_some() || order.mails.iter().any(|mail| matches!(mail.state, MailState::Failed(_)))
}

/// A refund that its provider cannot make.
fn refused(order: &Order) -> Option<String> {
    let owed = |index: &usize| {
        let refund = &order.refunds[*index];
        let by = order.payments[refund.payment].provider;
        refund.state == RefundState::Failed && order.is_owed(refund) && by == Provider::Standard
    };
    (0..order.refunds.len()).find(owed).map(|index| order.refund_id(index))
}

/// What partners were promised is there, and nothing that nobody asked for.
async fn acknowledged(site: &Site, told: &Told, books: &Books) -> Vec<Violation> {
    let mut found: Vec<(Promise, String)> = Vec::new();
    let orders: Vec<Order> = books.orders.iter().map(|item| order_in_image(item.clone()).expect("an order")).collect();
    let there: BTreeSet<&str> = orders.iter().map(|order| order.num.as_str()).collect();
    for num in told.orders.iter().filter(|num| !there.contains(num.as_str())) {
        found.push((Promise::Answers, format!("{num} was acknowledged and is gone")));
    }
    for num in there.iter().filter(|num| !told.orders.contains(**num)) {
        found.push((Promise::Answers, format!("nobody asked for {num}")));
    }
    let mut missing: BTreeSet<&str> = told.payments.keys().map(String::as_str).collect();
    for order in &orders {
        for payment in order.payments.iter().filter(|payment| matches!(payment.provider, Provider::Stripe | Provider::Standard)) {
            let known = told.payments.get(&payment.id);
            if known.is_none_or(|known| known.order != order.num.as_str() || known.amount != payment.received.amount) {
                found.push((Promise::Money, format!("{} has a payment that nobody made: {payment:?}", order.num)));
            } else if !missing.remove(payment.id.as_str()) {
                found.push((Promise::Money, format!("payment {} is on record twice", payment.id)));
            }
        }
    }
    found.extend(missing.into_iter().map(|id| (Promise::Money, format!("payment {id} is forgotten: {:?}", told.payments[id]))));
    // What a swap brought is on the main order's card from then on.
    let main = |order: &Order| order.subject.as_ref().map_or(&order.num, |subject| &subject.main_order).to_string();
    let mains: BTreeMap<&str, String> = orders.iter().map(|order| (order.num.as_str(), main(order))).collect();
    for seen in told.codes.values() {
        let sold: BTreeSet<&String> = seen.iter().filter_map(|num| mains.get(num.as_str())).collect();
        if sold.len() > 1 {
            found.push((Promise::Codes, format!("{sold:?} have shown the same code")));
        }
    }
    let good = site.good_after_their_end().await;
    found.extend(good.into_iter().map(|key| (Promise::Answers, format!("{key} was ended and is good"))));
    found.extend(site.surprises().into_iter().map(|surprise| (Promise::Answers, surprise)));
    found.extend(site.given_up().await.into_iter().map(|message| (Promise::Rest, format!("given up: {message}"))));
    found.into_iter().map(|(promise, found)| Violation { promise, found }).collect()
}
