//! How orders are given back, and who can refuse that.

use super::api::Ask;
use super::play::{Outcome, Play, draft, each, happened, iccid};
use super::{expect, same};
use serde_json::{Value, json};

const EUROPE: &str = "eu-5gb-30d";
const PRICE: i64 = 1450;

/// Plays them all.
pub async fn play(play: &mut Play<'_>) -> Outcome {
    play.theme("Giving back");
    play.story(some_then_all).await?;
    play.story(to_the_balance).await?;
    play.story(undisclosed).await?;
    play.story(carrier_refuses).await?;
    play.story(stripe_takes_its_time).await?;
    play.story(stripe_refuses).await?;
    play.story(by_other_means).await?;
    play.story(by_hand).await?;
    play.story(plan_refuses).await
}

async fn some_then_all(play: &mut Play<'_>) -> Outcome {
    let order = play.sell("some cards, then the rest", &draft(EUROPE, 3, "card")).await?.order;
    play.refund(&order, Some(1), 7).await?;
    play.then(&order, "revoked, money back", 4).await?;
    play.refund(&order, None, 6).await?;
    let back = play.then(&order, "revoked, money back", 2).await?;
    same("its cards", &each(&back, "cards", "status"), ["cancelled"; 3])?;
    // Their codes went out by mail: nobody else may get them.
    play.card_is(&iccid(&back, 0)?, "archived").await?;
    play.given_back(&order, &[PRICE; 3]).await?;
    play.mails(&order, &["confirmation", "qr"]).await
}

async fn to_the_balance(play: &mut Play<'_>) -> Outcome {
    let balance = play.balance().await?;
    let order = play.sell("to the balance", &draft(EUROPE, 2, "balance")).await?.order;
    play.refund(&order, None, 6).await?;
    play.then(&order, "revoked, money back", 2).await?;
    play.moved(&order, &[-2 * PRICE, PRICE, PRICE]).await?;
    same("the balance", &play.balance().await?, balance)
}

async fn undisclosed(play: &mut Play<'_>) -> Outcome {
    let stock = play.stock("sandbox.1.esim").await?;
    let mut ordered = draft("sandbox-1gb-7d", 1, "balance");
    ordered["sendEmail"] = false.into();
    // Until the operator has activated it, nobody can see a code.
    play.pause("provision", true).await?;
    let order = play.order("before anybody saw the code", &ordered, 0).await?;
    play.refund(&order, None, 6).await?;
    play.pause("provision", false).await?;
    let back = play.then(&order, "revoked, money back", 2).await?;
    play.sweep().await?;
    play.saw(&order, "the sweep: back on sale");
    play.card_is(&iccid(&back, 0)?, "blank").await?;
    same("the stock", &play.stock("sandbox.1.esim").await?, stock)?;
    play.mails(&order, &[]).await
}

async fn carrier_refuses(play: &mut Play<'_>) -> Outcome {
    let order = play.sell("the carrier refuses at first", &draft("sandbox-1gb-7d", 1, "card")).await?.order;
    play.operator("refuse").await?;
    play.refund(&order, None, 6).await?;
    let kept = play.then(&order, "carrier refuses", 0).await?;
    expect(happened(&kept, "cancellation_refused"), "the history does not say that the carrier refused")?;
    same("its card", &each(&kept, "cards", "status"), ["ready"])?;
    play.given_back(&order, &[]).await?;
    play.refund(&order, None, 6).await?;
    play.then(&order, "revoked, money back", 2).await?;
    play.given_back(&order, &[500]).await
}

async fn stripe_takes_its_time(play: &mut Play<'_>) -> Outcome {
    let order = play.sell("Stripe takes its time", &draft(EUROPE, 1, "card")).await?.order;
    play.stripe("pending").await?;
    play.refund(&order, None, 6).await?;
    let requested = |order: &Value| order["refunds"][0]["status"] == "requested";
    let asked = play.wait(&order, "requested from Stripe", requested).await?;
    play.saw(&order, "revoked, money asked for");
    same("its status", &asked["status"], 2)?;
    same("what is owed", &asked["owed"], json!([{"amount": PRICE, "currency": "EUR"}]))?;
    play.stands(&order, 2);
    play.stripe_tells(&order, "succeeded").await?;
    play.until(&order, 2).await?;
    play.given_back(&order, &[PRICE]).await
}

async fn stripe_refuses(play: &mut Play<'_>) -> Outcome {
    let order = play.sell("Stripe refuses at first", &draft(EUROPE, 1, "card")).await?.order;
    play.stripe("refuse").await?;
    play.refund(&order, None, 6).await?;
    let failed = play.then(&order, "revoked, Stripe refuses", 2).await?;
    same("what managers see", &each(&failed, "needsAttention", "code"), ["money_owed", "refund_failed"])?;
    play.mails(&order, &["confirmation", "manager", "qr"]).await?;
    play.manage(&order, "retry", "retry", &json!({})).await?;
    let back = play.then(&order, "money back", 2).await?;
    same("what managers see", &each(&back, "needsAttention", "code"), [""; 0])?;
    play.given_back(&order, &[PRICE]).await
}

async fn by_other_means(play: &mut Play<'_>) -> Outcome {
    let order = play.sell("Stripe refuses for good", &draft(EUROPE, 1, "card")).await?.order;
    play.stripe("refuse").await?;
    play.refund(&order, None, 6).await?;
    let failed = play.then(&order, "revoked, Stripe refuses", 2).await?;
    play.mails(&order, &["confirmation", "manager", "qr"]).await?;
    let transfer = json!({"refundId": failed["refunds"][0]["refundId"], "reference": "SEPA 4711"});
    let back = play.manage(&order, "given back by transfer", "refunds", &transfer).await?;
    same("the refund", &back["refunds"][0]["providerRefundId"], "SEPA 4711")?;
    same("what is owed", &back["owed"], json!([]))?;
    same("what managers see", &each(&back, "needsAttention", "code"), [""; 0])?;
    play.stands(&order, 2);
    Ok(())
}

async fn by_hand(play: &mut Play<'_>) -> Outcome {
    let order = play.sell("given back in Stripe's dashboard", &draft(EUROPE, 1, "card")).await?.order;
    let paid = play.read(&order).await?;
    let event = json!({
        "id": "evt_dashboard", "object": "event", "type": "refund.created", "data": {"object": {
            "id": "re_dashboard", "object": "refund", "amount": PRICE, "currency": "eur", "metadata": {},
            "payment_intent": paid["payments"][0]["paymentId"], "status": "succeeded",
        }},
    });
    play.webhook(&order, "refund in the dashboard", &event, "recorded").await?;
    let back = play.until(&order, 0).await?;
    same("the refunds", &each(&back, "refunds", "reason"), ["elsewhere"])?;
    // There is nothing left to give back with its card.
    play.refund(&order, None, 6).await?;
    let cancelled = play.then(&order, "revoked", 2).await?;
    same("the refunds", &each(&cancelled, "refunds", "reason"), ["elsewhere"])?;
    play.mails(&order, &["confirmation", "manager", "qr"]).await
}

async fn plan_refuses(play: &mut Play<'_>) -> Outcome {
    let order = play.sell("a plan that is never refunded", &draft("japan-1gb-8d", 1, "card")).await?.order;
    let paid = play.read(&order).await?;
    same("refundable", &paid["cards"][0]["refundable"]["code"], "plan_policy")?;
    let ask = Ask::post(format!("/v1/orders/{order}/refund"), &json!({"reason": "The journey was called off"}));
    play.refused(&order, "refund", ask, "plan_policy").await?;
    play.until(&order, 0).await.map(|_| ())
}
