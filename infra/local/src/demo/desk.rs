//! What managers do: send cards by post, correct recipients, send mails again, try again, write notes.

use super::api::{Ask, By};
use super::play::{Line, Outcome, Play, draft, each, happened, iccid};
use super::{expect, same};
use serde_json::{Value, json};

/// Its cards come by post, too.
const WORLD: &str = "world-2gb-30d";
const PRICE: i64 = 2490;
const PHYSICAL: &str = "meridian.20.physical";

/// Plays them all.
pub async fn play(play: &mut Play<'_>) -> Outcome {
    play.theme("At the desk");
    play.story(shipped).await?;
    play.story(returned_before_shipment).await?;
    play.story(mailed_again).await?;
    play.story(bounced).await?;
    play.story(tried_again).await?;
    play.story(tried_again_later).await
}

/// An order of cards that come by post.
fn by_post(count: u32, payment: &str) -> Value {
    let mut ordered = draft(WORLD, count, payment);
    ordered["formFactor"] = "physical".into();
    ordered["subscriber"]["postalAddress"] =
        json!({"lines": ["Calle Mayor 1"], "city": "Madrid", "postalCode": "28013", "country": "ES"});
    ordered
}

async fn shipped(play: &mut Play<'_>) -> Outcome {
    let stock = play.stock(PHYSICAL).await?;
    let order = play.sell("two cards by post", &by_post(2, "card")).await?.order;
    let paid = play.read(&order).await?;
    same("its fulfilment", &paid["fulfilment"], "fulfilling")?;
    same("what managers see", &each(&paid, "needsAttention", "code"), ["to_ship"])?;
    play.mails(&order, &["confirmation", "manager"]).await?;
    same("the stock", &play.stock(PHYSICAL).await?, stock - 2)?;

    let recipient = format!("/v1/orders/{order}/recipient");
    let address =
        json!({"postalAddress": {"lines": ["Calle Menor 2", "3º B"], "city": "Toledo", "postalCode": "45001", "country": "ES"}});
    let edit = || Ask::patch(&recipient, &address);
    play.refused(&order, "edit by the partner", edit(), "forbidden").await?;
    play.ask(&order, "edit recipient", edit().by(By::Manager)).await?;
    let noted = play.manage(&order, "note", "notes", &json!({"note": "Ring twice"})).await?;
    same("the note", &noted["note"], "Ring twice")?;
    let edited = play.until(&order, 0).await?;
    same("the address", &edited["subscriber"]["postalAddress"], address["postalAddress"].clone())?;
    expect(edited["note"].is_null() && !happened(&edited, "noted"), "a partner sees a manager's note")?;

    play.manage(&order, "ship", "shipment", &json!({"carrier": "Correos", "number": "PQ4R5S"})).await?;
    let sent = play.until(&order, 0).await?;
    same("its fulfilment", &sent["fulfilment"], "completed")?;
    same("what managers see", &each(&sent, "needsAttention", "code"), [""; 0])?;
    same("its shipment", &sent["shipment"]["number"], "PQ4R5S")?;
    same("refundable", &sent["cards"][0]["refundable"]["code"], "shipped")?;
    let back = json!({"postalAddress": {"lines": ["Calle Mayor 1"], "city": "Madrid", "country": "ES"}});
    play.refused(&order, "edit recipient", Ask::patch(&recipient, &back).by(By::Manager), "shipped").await?;
    let ask = Ask::post(format!("/v1/orders/{order}/refund"), &json!({"reason": "Too late"}));
    play.refused(&order, "refund", ask, "shipped").await?;
    for event in ["recipient_changed", "shipped"] {
        expect(happened(&sent, event), format!("the history of {order} has no {event}"))?;
    }
    play.mails(&order, &["confirmation", "manager", "shipment"]).await
}

async fn returned_before_shipment(play: &mut Play<'_>) -> Outcome {
    let stock = play.stock(PHYSICAL).await?;
    let order = play.sell("one of two goes back, unsent", &by_post(2, "balance")).await?.order;
    play.refund(&order, Some(1), 7).await?;
    let back = play.then(&order, "back to stock, money back", 4).await?;
    same("its cards", &each(&back, "cards", "status"), ["cancelled", "ready"])?;
    play.card_is(&iccid(&back, 0)?, "pending").await?;
    play.sweep().await?;
    play.card_is(&iccid(&back, 0)?, "blank").await?;
    same("the stock", &play.stock(PHYSICAL).await?, stock - 1)?;
    play.manage(&order, "ship", "shipment", &json!({"carrier": "Correos", "number": "PQ9"})).await?;
    let sent = play.until(&order, 4).await?;
    same("its fulfilment", &sent["fulfilment"], "completed")?;
    play.moved(&order, &[-2 * PRICE, PRICE]).await
}

async fn mailed_again(play: &mut Play<'_>) -> Outcome {
    let Line { order, card, .. } = play.sell("the mail got lost", &draft("eu-5gb-30d", 1, "balance")).await?;
    play.manage(&order, "send the code again", "emails", &json!({"kind": "qr"})).await?;
    play.until(&order, 0).await?;
    play.mails(&order, &["confirmation", "qr", "qr"]).await?;
    let elsewhere = json!({"kind": "qr", "to": "ana@office.example"});
    play.manage(&order, "send it elsewhere", "emails", &elsewhere).await?;
    play.until(&order, 0).await?;
    same("where it went", &play.latest_mail(&order).await?.0, "ana@office.example")?;
    let recipient = Ask::patch(format!("/v1/orders/{order}/recipient"), &json!({"email": "ana@new.example"}));
    play.ask(&order, "edit recipient", recipient.by(By::Manager)).await?;
    play.manage(&order, "send confirmation again", "emails", &json!({"kind": "confirmation"})).await?;
    play.until(&order, 0).await?;
    same("where it went", &play.latest_mail(&order).await?.0, "ana@new.example")?;

    play.app(&order, "installed", &card, json!({"type": "installed"}), "recorded").await?;
    let again = Ask::post(format!("/v1/orders/{order}/emails"), &json!({"kind": "qr"})).by(By::Manager);
    play.refused(&order, "send the code again", again, "other_device").await?;
    let same_phone = json!({"kind": "qr", "samePhone": true});
    play.manage(&order, "send it to the same phone", "emails", &same_phone).await?;
    play.until(&order, 0).await?;
    play.mails(&order, &["confirmation", "confirmation", "qr", "qr", "qr", "qr"]).await
}

async fn bounced(play: &mut Play<'_>) -> Outcome {
    let mut ordered = draft("eu-5gb-30d", 1, "balance");
    ordered["subscriber"]["email"] = "bounce@simulator.test".into();
    let order = play.order("the mails bounce", &ordered, 0).await?;
    let both = |order: &Value| each(order, "emails", "event").iter().filter(|event| **event == "bounced").count() == 2;
    play.wait(&order, "told of two bounces", both).await?;
    play.saw(&order, "mails bounce");
    let told = play.until(&order, 0).await?;
    same("what managers see", &each(&told, "needsAttention", "code"), ["mail_undelivered"])?;
    let recipient = Ask::patch(format!("/v1/orders/{order}/recipient"), &json!({"email": "ana@example.com"}));
    play.ask(&order, "edit recipient", recipient.by(By::Manager)).await?;
    for (action, kind) in [("send the code again", "qr"), ("send confirmation again", "confirmation")] {
        play.manage(&order, action, "emails", &json!({ "kind": kind })).await?;
    }
    let sent = play.until(&order, 0).await?;
    same("what managers see", &each(&sent, "needsAttention", "code"), [""; 0])
}

async fn tried_again(play: &mut Play<'_>) -> Outcome {
    let order = play.order("the operator changes its mind", &draft("sandbox-1gb-7d", 1, "card"), -1).await?;
    play.pause("settle-refund", true).await?;
    play.operator("refuse").await?;
    play.pay(&order).await?;
    let failed = play.wait(&order, "given up", |order| order["cards"][0]["status"] == "failed").await?;
    play.saw(&order, "operator refuses");
    same("its status", &failed["status"], 6)?;
    play.stands(&order, 6);
    play.card_is(&iccid(&failed, 0)?, "invalid").await?;
    play.manage(&order, "retry", "retry", &json!({})).await?;
    play.pause("settle-refund", false).await?;
    let ready = play.then(&order, "activated", 0).await?;
    same("the refunds", &each(&ready, "refunds", "status"), ["withdrawn"])?;
    play.card_is(&iccid(&ready, 0)?, "activation_ready").await?;
    play.given_back(&order, &[]).await?;
    let ask = Ask::post(format!("/v1/orders/{order}/retry"), &json!({})).by(By::Manager);
    play.refused(&order, "retry", ask, "nothing_to_retry").await?;
    play.mails(&order, &["confirmation", "manager", "qr"]).await
}

async fn tried_again_later(play: &mut Play<'_>) -> Outcome {
    play.operator("fail").await?;
    let order = play.order("the operator is out of order", &draft("sandbox-1gb-7d", 1, "balance"), 0).await?;
    play.wait(&order, "put off", |order| happened(order, "provisioning_delayed")).await?;
    play.saw(&order, "put off");
    play.manage(&order, "retry", "retry", &json!({})).await?;
    play.then(&order, "activated", 0).await?;
    play.mails(&order, &["confirmation", "qr"]).await
}
