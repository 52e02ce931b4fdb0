//! The end of a subscription, before its time.

use super::api::Ask;
use super::play::{Outcome, Play, draft, list};
use super::{expect, same};
use serde_json::json;

/// A month at 15 EUR.
const MONTH: &str = "sandbox-5gb-30d";
const PRICE: i64 = 1500;

/// Plays them all.
pub async fn play(play: &mut Play<'_>) -> Outcome {
    play.theme("Cancelling");
    play.story(before_use).await?;
    play.story(in_use).await
}

async fn before_use(play: &mut Play<'_>) -> Outcome {
    let main = play.sell("never used", &draft(MONTH, 1, "card")).await?;
    let body = json!({"addOnIds": ["data-1gb"], "payment": "card"});
    let late = play.place("add-ons, paid too late", Ask::post(main.path("top-ups"), &body), -1).await?;
    let end = play.buy("its cancellation", main.path("cancellation"), &json!({})).await?;
    play.then(&main.order, "cancelled, money back", 2).await?;
    let event = play.payment(&late, 200, "EUR");
    play.webhook(&late, "pay too late", &event, "owed_back").await?;
    let void = play.then(&late, "money back", 3).await?;
    same("why it is void", &void["voidReason"], "subscription_closed")?;
    play.given_back(&late, &[200]).await?;
    play.given_back(&main.order, &[PRICE]).await?;
    play.card_is(&main.card, "archived").await?;
    same("revocations", &play.at_operator("revoked", &main.card).await?.len(), 1)?;
    play.mails(&end, &[]).await?;
    same("why it ended", &play.subscription(&main).await?["endReason"], "cancelled")?;
    let ask = Ask::post(main.path("top-ups"), &json!({"planId": MONTH, "payment": "balance"}));
    play.refused(&main.order, "top-up", ask, "ended").await.map(|_| ())
}

async fn in_use(play: &mut Play<'_>) -> Outcome {
    let main = play.sell("in use", &draft(MONTH, 1, "card")).await?;
    play.install(&main).await?;
    play.attach(&main).await?;
    let body = json!({"planId": "sandbox-3gb-15d", "payment": "balance"});
    let top_up = play.buy("a plan that waits on it", main.path("top-ups"), &body).await?;

    play.pause("provision", true).await?;
    let end = play.place("its cancellation", Ask::post(main.path("cancellation"), &json!({})), 0).await?;
    let ask = Ask::post(format!("/v1/orders/{}/renewal", main.order), &json!({"payment": "balance"}));
    play.refused(&main.order, "renewal meanwhile", ask, "cancellation").await?;
    play.pause("provision", false).await?;
    play.until(&end, 0).await?;
    let ended = play.then(&main.order, "cancelled", 5).await?;
    expect(list(&ended, "refunds").is_empty(), "money went back for a plan that was in use")?;
    play.then(&top_up, "over with it, money back", 2).await?;
    play.moved(&top_up, &[-900, 900]).await?;
    play.card_is(&main.card, "archived").await
}
