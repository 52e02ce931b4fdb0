//! What carriers and apps report about cards, and what time does to plans.

use super::api::Ask;
use super::play::{Outcome, Play, draft, each, list};
use super::{expect, same};
use crate::error::Context;
use serde_json::{Value, json};
use simdock_domain::Iccid;

/// Renewable, and refundable until it is activated.
const WEEK: &str = "sandbox-1gb-7d";
const MONTH: &str = "sandbox-5gb-30d";
const PHONE: &str = "89049032007108882600137544319616";
const OTHER_PHONE: &str = "89001012012341234012345678901224";

/// Plays them all.
pub async fn play(play: &mut Play<'_>) -> Outcome {
    play.theme("Using");
    play.story(installed).await?;
    play.story(used_up).await?;
    play.story(expired).await?;
    play.story(a_week_passes).await?;
    play.story(never_installed).await
}

async fn installed(play: &mut Play<'_>) -> Outcome {
    let line = play.sell("on a phone, as its app says", &draft(MONTH, 1, "card")).await?;
    let on = |kind: &str, eid: &str| json!({"type": kind, "eid": eid});
    play.app(&line.order, "installed", &line.card, on("installed", PHONE), "recorded").await?;
    for (action, kind) in [("deleted", "deleted"), ("installed again", "installed")] {
        // The time at its source tells one report from another.
        play.advance("PT1S").await?;
        play.app(&line.order, action, &line.card, on(kind, PHONE), "recorded").await?;
    }
    let told = |mut event: Value| {
        event["at"] = play.now().to_string().into();
        Ask::post(format!("/v1/sims/{}/events", line.card), &event)
    };
    let (elsewhere, network) = (told(on("installed", OTHER_PHONE)), told(json!({"type": "used_up"})));
    play.refused(&line.order, "install on another phone", elsewhere, "other_device").await?;
    play.refused(&line.order, "an app's word on usage", network, "forbidden").await?;
    let read = play.until(&line.order, 0).await?;
    same("its card", &each(&read, "cards", "status"), ["installed"])?;
    same("its phone", &read["cards"][0]["eid"], PHONE)?;
    let ask = Ask::post(format!("/v1/orders/{}/refund", line.order), &json!({"reason": "Too slow"}));
    play.refused(&line.order, "refund", ask, "installed").await.map(|_| ())
}

async fn used_up(play: &mut Play<'_>) -> Outcome {
    let mut ordered = draft(MONTH, 1, "card");
    ordered["addOnIds"] = json!(["data-1gb"]);
    let line = play.sell("used, and used up", &ordered).await?;
    let (order, card) = (&line.order, &line.card);
    let attached = json!({"type": "first_attach", "country": "ES", "eventId": "attach-1", "at": play.now().to_string()});
    play.event(order, "first attach", card, attached.clone(), "recorded").await?;
    play.event(order, "the same report again", card, attached, "known").await?;
    play.event(order, "online", card, json!({"type": "session", "inSession": true, "country": "ES"}), "recorded").await?;
    same("in session", &play.subscription(&line).await?["inSession"], "yes")?;
    let usage = |used: u32| json!({"type": "usage", "usedMb": used});
    play.event(order, "usage", card, usage(2000), "recorded").await?;
    let read = play.until(order, 0).await?;
    same("its card", &each(&read, "cards", "status"), ["active"])?;
    same("what was used", &read["cards"][0]["usedMb"], 2000)?;
    let ask = Ask::post(format!("/v1/orders/{order}/refund"), &json!({"reason": "Too slow"}));
    play.refused(order, "refund", ask, "activated").await?;

    // The plan and its add-on: 6144 MB.
    play.event(order, "usage", card, usage(6143), "recorded").await?;
    play.until(order, 0).await?;
    play.event(order, "used up", card, usage(6144), "recorded").await?;
    play.until(order, 5).await?;
    same("its plan", &play.plans(&line, &["over"]).await?["plans"][0]["reason"], "used_up")?;
    play.mails(order, &["confirmation", "qr"]).await
}

async fn expired(play: &mut Play<'_>) -> Outcome {
    let line = play.sell("expired, as its carrier says", &draft(WEEK, 1, "balance")).await?;
    play.attach(&line).await?;
    play.advance("P2D").await?;
    play.event(&line.order, "expired", &line.card, json!({"type": "expired"}), "recorded").await?;
    let ended = play.until(&line.order, 5).await?;
    same("its card", &each(&ended, "cards", "status"), ["ended"])
}

async fn a_week_passes(play: &mut Play<'_>) -> Outcome {
    let line = play.sell("a week that passes", &draft(WEEK, 1, "balance")).await?;
    play.attach(&line).await?;
    play.advance("P6D").await?;
    play.then(&line.order, "6 days", 0).await?;
    play.advance("P1D").await?;
    play.then(&line.order, "1 day, the sweep", 5).await?;
    same("its plan", &play.plans(&line, &["over"]).await?["plans"][0]["reason"], "expired")
}

async fn never_installed(play: &mut Play<'_>) -> Outcome {
    let stock = play.stock("meridian.7.esim").await?;
    let number = Iccid::with_check_digit("894912000000000001").context("card")?;
    let until = play.now().plus_seconds(60 * 86_400);
    let file = format!("iccid,code,activateBefore\n{number},LPA:1$rsp.example.com$DEADLINE-1,{until}\n");
    play.import("operator=meridian&imsiProfile=7", file).await?;
    same("the stock", &play.stock("meridian.7.esim").await?, stock + 1)?;
    let mut ordered = draft("eu-5gb-30d", 1, "card");
    ordered["iccids"] = json!([number]);
    let line = play.sell("a card by number, never installed", &ordered).await?;
    play.chose("meridian.7.esim");
    same("its card", &line.card, number.as_str())?;
    play.advance("P60D").await?;
    let ended = play.then(&line.order, "60 days: too late to install it", 5).await?;
    expect(list(&ended, "refunds").is_empty(), "money went back for a card that nobody used")?;
    same("its plan", &play.plans(&line, &["over"]).await?["plans"][0]["reason"], "never_activated")
}
