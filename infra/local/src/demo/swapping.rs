//! Another SIM for a subscription: to its end, by post, and never installed.

use super::api::Ask;
use super::play::{Outcome, Play, draft, each, happened, iccid, list};
use super::{expect, same};
use serde_json::{Value, json};

/// With a SIM swap at 2.50 EUR.
const MONTH: &str = "sandbox-5gb-30d";
/// With a SIM swap at 4 EUR, on cards that nobody has to be asked about.
const WORLD: &str = "world-2gb-30d";

/// Plays them all.
pub async fn play(play: &mut Play<'_>) -> Outcome {
    play.theme("Swapping the SIM");
    play.story(to_its_end).await?;
    play.story(by_post).await?;
    play.story(abandoned).await
}

/// Has the new card of a swap installed, and waits until the old one is stopped.
async fn take_over(play: &mut Play<'_>, swap: &str, new: &str) -> Outcome {
    play.event(swap, "new card installed", new, json!({"type": "installed"}), "recorded").await?;
    play.wait(swap, "done with the old card", |order| happened(order, "retired")).await?;
    play.then(swap, "old card stopped", 0).await.map(|_| ())
}

async fn to_its_end(play: &mut Play<'_>) -> Outcome {
    let main = play.sell("a month, on a new phone soon", &draft(MONTH, 1, "balance")).await?;
    let number = play.read(&main.order).await?["cards"][0]["mobileNumber"].take();
    play.install(&main).await?;
    play.attach(&main).await?;
    play.event(&main.order, "usage", &main.card, json!({"type": "usage", "usedMb": 100}), "recorded").await?;

    let swap = play.buy("its swap", main.path("sim-swap"), &json!({"payment": "card"})).await?;
    let new = iccid(&play.read(&swap).await?, 0)?;
    expect(new != main.card, "the swap brought the same card")?;
    play.mails(&swap, &["qr"]).await?;
    let ask = Ask::post(main.path("sim-swap"), &json!({"payment": "balance"}));
    play.refused(&main.order, "a second swap", ask, "swap").await?;
    let waiting = play.subscription(&main).await?;
    same("the card that carries it", &waiting["iccid"], main.card.as_str())?;
    same("the open change", &waiting["openChange"], json!({"kind": "swap", "orderNum": swap, "newIccid": new}))?;

    take_over(play, &swap, &new).await?;
    let over = play.subscription(&main).await?;
    same("the card that carries it", &over["iccid"], new.as_str())?;
    same("the cards before", &each(&over, "pastCards", "iccid"), [main.card.as_str()])?;
    same("the open change", &over["openChange"], Value::Null)?;
    same("its number", &over["mobileNumber"], number)?;
    play.card_is(&main.card, "archived").await?;
    play.card_is(&new, "active").await?;
    same("revocations", &play.at_operator("revoked", &main.card).await?.len(), 1)?;

    let usage = |used: u32| json!({"type": "usage", "usedMb": used});
    play.event(&main.order, "usage of the old card", &main.card, usage(900), "replaced").await?;
    play.event(&main.order, "usage", &new, usage(200), "recorded").await?;
    let read = play.until(&main.order, 0).await?;
    same("its card", &each(&read, "cards", "iccid"), [new.as_str()])?;
    same("what was used", &read["cards"][0]["usedMb"], 200)?;
    let again = json!({"kind": "qr", "samePhone": true});
    play.manage(&main.order, "send the code again", "emails", &again).await?;
    play.until(&main.order, 0).await?;
    let (_, sent) = play.latest_mail(&main.order).await?;
    expect(sent.contains(&new) && !sent.contains(&main.card), format!("it is not the new card's: {sent}"))
}

async fn by_post(play: &mut Play<'_>) -> Outcome {
    let stock = play.stock("sandbox.1.physical").await?;
    let main = play.sell("a month, on an old phone soon", &draft(MONTH, 1, "balance")).await?;
    play.install(&main).await?;
    let mut body = json!({"formFactor": "physical", "payment": "balance"});
    let ask = Ask::post(main.path("sim-swap"), &body);
    play.refused(&main.order, "swap without an address", ask, "missing_field").await?;
    body["postalAddress"] = json!({"lines": ["Calle Mayor 1"], "city": "Madrid", "postalCode": "28013", "country": "ES"});
    let swap = play.buy("its swap to a card by post", main.path("sim-swap"), &body).await?;
    let sent = play.read(&swap).await?;
    let new = iccid(&sent, 0)?;
    same("what managers see", &each(&sent, "needsAttention", "code"), ["to_ship"])?;
    play.mails(&swap, &["confirmation", "manager"]).await?;
    play.manage(&swap, "ship", "shipment", &json!({"carrier": "Correos", "number": "PQ1"})).await?;
    play.until(&swap, 0).await?;
    take_over(play, &swap, &new).await?;
    let over = play.subscription(&main).await?;
    same("what carries it", &(&over["iccid"], &over["formFactor"]), (&json!(new), &json!("physical")))?;
    same("the stock", &play.stock("sandbox.1.physical").await?, stock - 1)?;
    play.card_is(&main.card, "archived").await?;
    play.moved(&swap, &[-250]).await
}

async fn abandoned(play: &mut Play<'_>) -> Outcome {
    let main = play.sell("a plan whose phone stays", &draft(WORLD, 1, "card")).await?;
    play.app(&main.order, "installed", &main.card, json!({"type": "installed", "via": "qr"}), "recorded").await?;
    let swap = play.buy("its swap, abandoned", main.path("sim-swap"), &json!({"payment": "balance"})).await?;
    let new = iccid(&play.read(&swap).await?, 0)?;
    play.advance("P29D").await?;
    play.then(&swap, "29 days", 0).await?;
    play.advance("P1DT1M").await?;
    play.then(&swap, "1 day, the sweep: money back", 2).await?;
    play.moved(&swap, &[-400, 400]).await?;
    // Its code went out by mail.
    play.card_is(&new, "archived").await?;
    play.card_is(&main.card, "active").await?;
    let kept = play.subscription(&main).await?;
    same("the card that carries it", &kept["iccid"], main.card.as_str())?;
    same("the open change", &kept["openChange"], Value::Null)?;
    expect(list(&kept, "pastCards").is_empty(), "a card is past that still carries it")?;

    let swap = play.buy("its next swap, given back", main.path("sim-swap"), &json!({"payment": "card"})).await?;
    play.refund(&swap, None, 6).await?;
    play.then(&swap, "revoked, money back", 2).await?;
    play.given_back(&swap, &[400]).await?;
    same("the open change", &play.subscription(&main).await?["openChange"], Value::Null)?;
    play.until(&main.order, 0).await.map(|_| ())
}
