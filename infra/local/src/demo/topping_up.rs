//! Plans and add-ons for subscriptions that are there.

use super::api::Ask;
use super::play::{Outcome, Play, draft, each};
use super::{expect, same, text};
use serde_json::json;

/// On a card that nobody has to be asked about.
const EUROPE: &str = "eu-5gb-30d";
/// A plan of the sandbox operator's that works in Spain and Portugal.
const MONTH: &str = "sandbox-5gb-30d";
/// One that works in Spain.
const SPAIN: &str = "sandbox-3gb-15d";

/// Plays them all.
pub async fn play(play: &mut Play<'_>) -> Outcome {
    play.theme("Topping up");
    play.story(plan_and_add_ons).await?;
    play.story(at_the_operator).await?;
    play.story(begins_where_it_works).await?;
    play.story(profile_does_not_fit).await
}

async fn plan_and_add_ons(play: &mut Play<'_>) -> Outcome {
    let stock = play.stock("meridian.7.esim").await?;
    let main = play.sell("Europe", &draft(EUROPE, 1, "balance")).await?;
    let with_add_ons = json!({"planId": EUROPE, "addOnIds": ["data-1gb"], "payment": "balance"});
    let extra = play.buy("a plan with add-ons", main.path("top-ups"), &with_add_ons).await?;
    let alone = json!({"addOnIds": ["data-3gb", "voice-eu-60"], "payment": "card"});
    let add_ons = play.buy("add-ons alone", main.path("top-ups"), &alone).await?;
    let twice = Ask::post(main.path("top-ups"), &json!({"addOnIds": ["voice-eu-60"], "payment": "balance"}));
    play.refused(&main.order, "a second voice add-on of its kind", twice, "invalid_field").await?;

    let found = play.plans(&main, &["waiting", "waiting"]).await?;
    same("the first plan's data", &found["plans"][0]["dataMb"], 5120 + 3072)?;
    same("the second plan's data", &found["plans"][1]["dataMb"], 5120 + 1024)?;
    same("the plans' orders", &each(&found, "plans", "orderNum"), [main.order.as_str(), extra.as_str()])?;
    play.moved(&extra, &[-1750]).await?;
    play.mails(&extra, &["confirmation"]).await?;
    play.mails(&add_ons, &["confirmation"]).await?;
    same("the stock", &play.stock("meridian.7.esim").await?, stock - 1)?;

    for order in [&extra, &add_ons] {
        play.refund(order, None, 6).await?;
        play.then(order, "taken off, money back", 2).await?;
    }
    play.moved(&extra, &[-1750, 1750]).await?;
    play.given_back(&add_ons, &[1300]).await?;
    let found = play.plans(&main, &["waiting", "over"]).await?;
    same("the first plan's data", &found["plans"][0]["dataMb"], 5120)
}

async fn at_the_operator(play: &mut Play<'_>) -> Outcome {
    let main = play.sell("a month", &draft(MONTH, 1, "balance")).await?;
    let body = json!({"addOnIds": ["data-1gb", "voice-eu-60"], "payment": "card"});
    let refused = play.place("add-ons that the operator refuses", Ask::post(main.path("top-ups"), &body), -1).await?;
    play.operator("refuse").await?;
    play.pay(&refused).await?;
    play.then(&refused, "operator refuses, money back", 2).await?;
    play.given_back(&refused, &[550]).await?;
    same("the plan's data", &play.subscription(&main).await?["plans"][0]["dataMb"], 5120)?;

    let added = play.buy("add-ons that it adds", main.path("top-ups"), &body).await?;
    same("the plan's data", &play.subscription(&main).await?["plans"][0]["dataMb"], 5120 + 1024)?;
    let profile = play.at_operator("activated", &main.card).await?;
    same("the operator's plans", &each(&profile[0], "plans", "reference"), [main.order.as_str(), added.as_str()])
}

async fn begins_where_it_works(play: &mut Play<'_>) -> Outcome {
    let main = play.sell("a plan for Spain", &draft(SPAIN, 1, "card")).await?;
    let body = json!({"planId": MONTH, "payment": "card"});
    let top_up = play.buy("one for Portugal, too", main.path("top-ups"), &body).await?;
    let attached = json!({"type": "first_attach", "country": "PT"});
    play.event(&top_up, "first attach in Portugal", &main.card, attached, "recorded").await?;
    play.plans(&main, &["waiting", "running"]).await?;
    same("its card", &each(&play.read(&top_up).await?, "cards", "status"), ["active"])?;
    // With it would go the plan that runs.
    let ask = Ask::post(format!("/v1/orders/{}/refund", main.order), &json!({"reason": "Not to Spain"}));
    play.refused(&main.order, "refund", ask, "installed").await?;
    play.advance("P30DT1M").await?;
    play.then(&top_up, "30 days", 5).await?;
    let online = json!({"type": "session", "inSession": true, "country": "ES"});
    play.event(&main.order, "online in Spain", &main.card, online, "recorded").await?;
    play.plans(&main, &["running", "over"]).await?;
    play.advance("P15D").await?;
    play.then(&main.order, "15 days", 5).await.map(|_| ())
}

async fn profile_does_not_fit(play: &mut Play<'_>) -> Outcome {
    let main = play.sell("Europe", &draft(EUROPE, 1, "balance")).await?;
    let ask = Ask::post(main.path("top-ups"), &json!({"planId": "asia-3gb-30d", "payment": "balance"}));
    let problem = play.refused(&main.order, "top-up", ask, "profile_mismatch").await?;
    expect(text(&problem, "detail")?.contains("Order a new line"), format!("the way out is not named: {problem}"))?;
    let out = play.sell("the way out: a new line", &draft("asia-3gb-30d", 1, "balance")).await?;
    expect(out.id != main.id, "the new line is the old one")?;
    play.mails(&out.order, &["confirmation", "qr"]).await
}
