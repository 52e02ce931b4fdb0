//! Another period of a renewable plan, appended to those that are there.

use super::api::Ask;
use super::play::{Outcome, Play, draft, each, iccid, list};
use super::{expect, same};
use serde_json::{Value, json};

/// A renewable week at 5 EUR.
const WEEK: &str = "sandbox-1gb-7d";

/// Plays them all.
pub async fn play(play: &mut Play<'_>) -> Outcome {
    play.theme("Renewing");
    play.story(one_after_the_other).await?;
    play.story(given_back).await?;
    play.story(one_of_two_cards).await?;
    play.story(sold_once).await
}

async fn one_after_the_other(play: &mut Play<'_>) -> Outcome {
    let stock = play.stock("sandbox.1.esim").await?;
    let main = play.sell("a week", &draft(WEEK, 1, "balance")).await?;
    play.attach(&main).await?;
    let (by_balance, by_card) = (json!({"payment": "balance"}), json!({"payment": "card"}));
    let path = |order: &str| format!("/v1/orders/{order}/renewal");
    let first = play.buy("its renewal while it runs", path(&main.order), &by_balance).await?;
    let second = play.buy("a renewal of the renewal", path(&first), &by_card).await?;
    play.plans(&main, &["running", "waiting", "waiting"]).await?;

    play.advance("P7D").await?;
    play.then(&main.order, "7 days", 5).await?;
    play.then(&first, "begins", 0).await?;
    let runs = play.plans(&main, &["over", "running", "waiting"]).await?["plans"].take();
    same("where the renewal begins", &runs[1]["startDate"], runs[0]["endDate"].clone())?;
    play.advance("P14D").await?;
    play.then(&first, "7 days", 5).await?;
    play.then(&second, "7 days more", 5).await?;

    let third = play.buy("a renewal after the end", path(&main.order), &by_balance).await?;
    let runs = play.plans(&main, &["over", "over", "over", "running"]).await?["plans"].take();
    expect(runs[3]["startDate"].as_str() >= runs[2]["endDate"].as_str(), "it began before the one before was over")?;
    play.advance("P7D").await?;
    play.then(&third, "7 days", 5).await?;

    let chain = json!([first, second, third]);
    same("the main order's renewals", &play.read(&main.order).await?["renewOrderNum"], chain)?;
    for renewal in [&first, &second, &third] {
        let read = play.read(renewal).await?;
        same("a renewal's main order", &read["mainOrderNum"], main.order.as_str())?;
        same("a renewal", &(&read["renewal"], &read["renew"]), (&json!(true), &json!(1)))?;
        play.mails(renewal, &["confirmation"]).await?;
    }
    // Those of one second come in no particular sequence.
    let mut orders = [main.order.as_str(), &first, &second, &third];
    let listed = play.subscription(&main).await?;
    let mut listed: Vec<&str> = list(&listed, "orderNums").iter().filter_map(Value::as_str).collect();
    same("the subscription's first order", &json!(listed.first()), main.order.as_str())?;
    orders.sort_unstable();
    listed.sort_unstable();
    same("the subscription's orders", &json!(listed), json!(orders))?;
    same("the stock", &play.stock("sandbox.1.esim").await?, stock - 1)?;
    play.moved(&third, &[-500]).await
}

async fn given_back(play: &mut Play<'_>) -> Outcome {
    let main = play.sell("a week", &draft(WEEK, 1, "card")).await?;
    let path = format!("/v1/orders/{}/renewal", main.order);
    let renewal = play.buy("its renewal, given back", path, &json!({"payment": "balance"})).await?;
    play.refund(&renewal, None, 6).await?;
    play.then(&renewal, "taken off, money back", 2).await?;
    play.moved(&renewal, &[-500, 500]).await?;
    play.plans(&main, &["waiting", "over"]).await?;
    let profile = play.at_operator("activated", &main.card).await?;
    same("the operator's plans", &each(&profile[0], "plans", "reference"), [main.order.as_str()])?;
    play.until(&main.order, 0).await.map(|_| ())
}

async fn one_of_two_cards(play: &mut Play<'_>) -> Outcome {
    let main = play.sell("two cards", &draft(WEEK, 2, "card")).await?;
    let second = iccid(&play.read(&main.order).await?, 1)?;
    let path = format!("/v1/orders/{}/renewal", main.order);
    let either = Ask::post(&path, &json!({"payment": "balance"}));
    play.refused(&main.order, "renewal of either card", either, "missing_field").await?;
    let renewal = play.buy("a renewal of the second", path, &json!({"iccid": second, "payment": "balance"})).await?;
    same("the renewed card", &each(&play.read(&renewal).await?, "cards", "iccid"), [second.as_str()])?;
    play.refund(&main.order, Some(1), 7).await?;
    play.then(&main.order, "revoked, money back", 4).await?;
    same("why it ended", &play.subscription(&main).await?["endReason"], "refunded")?;
    play.until(&renewal, 0).await?;
    play.refund(&main.order, None, 6).await?;
    play.then(&main.order, "revoked, money back", 2).await?;
    play.then(&renewal, "over with its card, money back", 2).await?;
    play.given_back(&main.order, &[500, 500]).await?;
    play.moved(&renewal, &[-500, 500]).await
}

async fn sold_once(play: &mut Play<'_>) -> Outcome {
    let main = play.sell("a plan that is sold once", &draft("sandbox-3gb-15d", 1, "balance")).await?;
    let ask = Ask::post(format!("/v1/orders/{}/renewal", main.order), &json!({"payment": "balance"}));
    play.refused(&main.order, "renewal", ask, "not_renewable").await.map(|_| ())
}
