//! Complimentary orders: who may give one, to whom, and how often.

use super::api::{Ask, By};
use super::play::{Line, Outcome, Play, draft, each};
use super::same;
use crate::error::{Context, StackError};
use crate::seed::PARTNER;
use serde_json::Value;
use simdock_domain::Iccid;
use std::fmt::Write;

/// Entitles to the gift.
const WEEK: &str = "sandbox-1gb-7d";
const GIFT: &str = "sandbox-gift-1gb-7d";

/// Plays them all.
pub async fn play(play: &mut Play<'_>) -> Outcome {
    play.theme("Giving away");
    more_cards(play).await?;
    play.story(once).await?;
    play.story(no_more_than_granted).await?;
    play.story(by_a_manager).await?;
    play.story(not_entitled).await
}

/// Puts more cards of the sandbox operator into stock.
async fn more_cards(play: &Play<'_>) -> Outcome {
    let mut file = "iccid\n".to_owned();
    for card in 0..20 {
        let iccid = Iccid::with_check_digit(&format!("894913{card:012}")).context("card")?;
        let _ = writeln!(file, "{iccid}");
    }
    play.import("operator=sandbox&imsiProfile=1", file).await
}

/// A gift for the subscriber of a line.
fn gift(line: &Line) -> Value {
    let mut gift = draft(GIFT, 1, "complimentary");
    gift["eligibleSubscriptionId"] = line.id.as_str().into();
    gift
}

async fn eligible(play: &mut Play<'_>) -> Result<Line, StackError> {
    play.sell("a plan that entitles to a gift", &draft(WEEK, 1, "balance")).await
}

async fn once(play: &mut Play<'_>) -> Outcome {
    let line = eligible(play).await?;
    let (balance, stock, gifts) = (play.balance().await?, play.stock("sandbox.1.esim").await?, play.gifts().await?);
    let order = play.buy("the gift", "/v1/orders", &gift(&line)).await?;
    let given = play.read(&order).await?;
    same("its price", &given["price"]["amount"], 0)?;
    same("who paid", &each(&given, "payments", "provider"), ["free"])?;
    play.mails(&order, &["confirmation", "qr"]).await?;
    let again = play.order("the gift again", &gift(&line), 3).await?;
    same("why it is void", &play.until(&again, 3).await?["voidReason"], "nothing_to_give")?;
    same("the balance", &play.balance().await?, balance)?;
    same("the stock", &play.stock("sandbox.1.esim").await?, stock - 1)?;
    same("what the partner gave", &play.gifts().await?, gifts + 1)
}

async fn no_more_than_granted(play: &mut Play<'_>) -> Outcome {
    for about in ["the second gift", "the third gift"] {
        let line = eligible(play).await?;
        let order = play.order(about, &gift(&line), 0).await?;
        play.until(&order, 0).await?;
    }
    let line = eligible(play).await?;
    let more = Ask::post("/v1/orders", &gift(&line));
    play.refused(&line.order, "gift beyond the quota", more, "quota_used_up").await?;
    same("what the partner gave", &play.gifts().await?, 3)
}

async fn by_a_manager(play: &mut Play<'_>) -> Outcome {
    let mut gift = gift(&eligible(play).await?);
    gift["partnerId"] = PARTNER.into();
    let order = play.place("a manager's gift", Ask::post("/v1/orders", &gift).by(By::Manager), 0).await?;
    play.until(&order, 0).await?;
    same("what the partner gave", &play.gifts().await?, 3)
}

async fn not_entitled(play: &mut Play<'_>) -> Outcome {
    let line = eligible(play).await?;
    let ordering = |draft: &Value| Ask::post("/v1/orders", draft);
    let (mut stranger, mut sold) = (gift(&line), gift(&line));
    stranger["subscriber"]["email"] = "bob@example.com".into();
    sold["planId"] = WEEK.into();
    play.refused(&line.order, "gift to somebody else", ordering(&stranger), "other_subscriber").await?;
    play.refused(&line.order, "gift of a plan that is sold", ordering(&sold), "plan").await?;
    let ungranted = ordering(&gift(&line)).by(By::OtherPartner);
    play.refused(&line.order, "gift without a grant", ungranted, "no_grant").await?;
    let other = play.sell("a plan that entitles to nothing", &draft("eu-5gb-30d", 1, "balance")).await?;
    play.refused(&other.order, "gift", ordering(&gift(&other)), "no_eligible_plan").await.map(|_| ())
}
