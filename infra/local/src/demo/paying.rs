//! How orders are paid, and what becomes of money that cannot pay for one.

use super::play::{Outcome, Play, draft, each, iccid};
use super::same;
use crate::error::Context;
use simdock_payments::Secret;

const EUROPE: &str = "eu-5gb-30d";
const PRICE: i64 = 1450;
const POOL: &str = "meridian.7.esim";

/// Plays them all.
pub async fn play(play: &mut Play<'_>) -> Outcome {
    play.theme("Paying");
    play.story(by_card).await?;
    play.story(by_another_provider).await?;
    play.story(from_the_balance).await?;
    play.story(for_nothing).await?;
    play.story(nobody_pays).await?;
    play.story(wrong_money).await?;
    play.story(sold_out).await?;
    play.story(operator_refuses).await
}

async fn by_card(play: &mut Play<'_>) -> Outcome {
    let stock = play.stock(POOL).await?;
    let order = play.order("by card", &draft(EUROPE, 1, "card"), -1).await?;
    let event = play.payment(&order, PRICE, "EUR");
    let forger = Secret::stripe("whsec_forged").context("secret")?;
    play.refused(&order, "forged payment", play.stripe_webhook(&event, &forger), "bad_signature").await?;
    play.webhook(&order, "pay", &event, "paid").await?;
    let paid = play.until(&order, 0).await?;
    play.webhook(&order, "the same payment again", &event, "known").await?;
    play.until(&order, 0).await?;
    same("the payments", &each(&paid, "payments", "outcome"), ["applied"])?;
    same("its card", &each(&paid, "cards", "status"), ["ready"])?;
    play.card_is(&iccid(&paid, 0)?, "activation_ready").await?;
    play.mails(&order, &["confirmation", "qr"]).await?;
    same("the stock", &play.stock(POOL).await?, stock - 1)?;
    play.moved(&order, &[]).await
}

async fn by_another_provider(play: &mut Play<'_>) -> Outcome {
    let order = play.order("by another provider", &draft(EUROPE, 1, "card"), -1).await?;
    play.pay_by_standard(&order).await?;
    let paid = play.until(&order, 0).await?;
    same("the provider", &each(&paid, "payments", "provider"), ["standard"])
}

async fn from_the_balance(play: &mut Play<'_>) -> Outcome {
    let (balance, stock) = (play.balance().await?, play.stock(POOL).await?);
    let order = play.sell("from the balance", &draft(EUROPE, 2, "balance")).await?.order;
    same("the balance", &play.balance().await?, balance - 2 * PRICE)?;
    play.moved(&order, &[-2 * PRICE]).await?;
    same("the stock", &play.stock(POOL).await?, stock - 2)?;

    // The partner has euros only.
    let order = play.order("from a balance that is too low", &draft("japan-1gb-8d", 1, "balance"), 3).await?;
    let void = play.until(&order, 3).await?;
    same("why it is void", &void["voidReason"], "insufficient_balance")?;
    play.moved(&order, &[]).await?;
    play.mails(&order, &[]).await
}

async fn for_nothing(play: &mut Play<'_>) -> Outcome {
    let order = play.order("at no price", &draft("eu-trial-100mb-1d", 1, "card"), 0).await?;
    let paid = play.until(&order, 0).await?;
    same("the provider", &each(&paid, "payments", "provider"), ["free"])?;
    play.mails(&order, &["confirmation", "qr"]).await
}

async fn nobody_pays(play: &mut Play<'_>) -> Outcome {
    let stock = play.stock(POOL).await?;
    let order = play.order("nobody pays, and then too late", &draft(EUROPE, 1, "card"), -1).await?;
    play.advance("PT31M").await?;
    let void = play.then(&order, "31 minutes, the sweep", 3).await?;
    same("why it is void", &void["voidReason"], "not_paid_in_time")?;
    same("who noticed", &each(&void, "history", "event"), ["created", "voided"])?;
    let event = play.payment(&order, PRICE, "EUR");
    play.webhook(&order, "pay too late", &event, "owed_back").await?;
    let void = play.then(&order, "money back", 3).await?;
    same("the refunds", &each(&void, "refunds", "reason"), ["after_void"])?;
    play.given_back(&order, &[PRICE]).await?;
    same("the stock", &play.stock(POOL).await?, stock)
}

async fn wrong_money(play: &mut Play<'_>) -> Outcome {
    let order = play.order("wrong money, and twice", &draft(EUROPE, 1, "card"), -1).await?;
    for (action, amount, currency) in [("pay too little", PRICE - 1, "EUR"), ("pay in dollars", PRICE, "USD")] {
        let event = play.payment(&order, amount, currency);
        play.webhook(&order, action, &event, "owed_back").await?;
        play.then(&order, "money back", -1).await?;
    }
    play.pay(&order).await?;
    play.until(&order, 0).await?;
    let event = play.payment(&order, PRICE, "EUR");
    play.webhook(&order, "pay twice", &event, "owed_back").await?;
    let paid = play.then(&order, "money back", 0).await?;
    same("the refunds", &each(&paid, "refunds", "reason"), ["wrong_amount", "wrong_currency", "paid_twice"])?;
    play.given_back(&order, &[PRICE - 1, PRICE, PRICE]).await
}

async fn sold_out(play: &mut Play<'_>) -> Outcome {
    let stock = (play.stock("meridian.10.esim").await?, play.stock("meridian.2.esim").await?);
    let order = play.order("more cards than there are", &draft("asia-3gb-30d", 50, "card"), -1).await?;
    let event = play.payment(&order, 50 * 1690, "EUR");
    play.webhook(&order, "pay, but sold out", &event, "owed_back").await?;
    let void = play.then(&order, "money back", 3).await?;
    same("why it is void", &void["voidReason"], "sold_out")?;
    play.given_back(&order, &[50 * 1690]).await?;

    let balance = play.balance().await?;
    let order = play.order("the same from the balance", &draft("asia-3gb-30d", 50, "balance"), 3).await?;
    same("why it is void", &play.until(&order, 3).await?["voidReason"], "sold_out")?;
    same("the balance", &play.balance().await?, balance)?;
    same("the stock", &(play.stock("meridian.10.esim").await?, play.stock("meridian.2.esim").await?), stock)
}

async fn operator_refuses(play: &mut Play<'_>) -> Outcome {
    let order = play.order("the operator does not activate it", &draft("sandbox-1gb-7d", 1, "card"), -1).await?;
    play.operator("refuse").await?;
    play.pay(&order).await?;
    let failed = play.then(&order, "operator refuses, money back", 2).await?;
    same("its card", &each(&failed, "cards", "status"), ["failed"])?;
    same("the refunds", &each(&failed, "refunds", "reason"), ["provisioning_failed"])?;
    play.card_is(&iccid(&failed, 0)?, "invalid").await?;
    play.given_back(&order, &[500]).await?;
    same("what managers see", &each(&failed, "needsAttention", "code"), ["provisioning_failed"])?;
    play.mails(&order, &["confirmation", "manager"]).await
}
