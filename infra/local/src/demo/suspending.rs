//! Cards that are kept out of the network for a while.

use super::api::Ask;
use super::play::{Line, Outcome, Play, draft};
use super::{expect, same, text};
use crate::error::{Context, StackError};
use serde_json::{Value, json};
use simdock_domain::Timestamp;

/// Plays them all.
pub async fn play(play: &mut Play<'_>) -> Outcome {
    play.theme("Suspending");
    play.story(time_stands_still_or_not).await
}

/// When the first plan of a subscription ends.
fn end(subscription: &Value) -> Result<Timestamp, StackError> {
    text(&subscription["plans"][0], "endDate")?.parse().context("the end")
}

async fn ask(play: &mut Play<'_>, line: &Line, action: &str, what: &str) -> Outcome {
    play.ask(&line.order, action, Ask::post(line.path(what), &json!({}))).await.map(|_| ())
}

async fn is_suspended(play: &Play<'_>, line: &Line, suspended: bool) -> Outcome {
    let profile = play.at_operator("activated", &line.card).await?;
    same("whether the operator keeps it out", &profile[0]["suspended"], suspended)
}

async fn time_stands_still_or_not(play: &mut Play<'_>) -> Outcome {
    let still = play.sell("15 days that stand still", &draft("sandbox-3gb-15d", 1, "balance")).await?;
    let runs = play.sell("7 days that run on", &draft("sandbox-1gb-7d", 1, "balance")).await?;
    let mut ends = Vec::new();
    for line in [&still, &runs] {
        play.attach(line).await?;
        ends.push(end(&play.subscription(line).await?)?);
    }
    play.operator("refuse").await?;
    ask(play, &runs, "suspend", "suspension").await?;
    play.saw(&runs.order, "operator refuses");
    play.until_service(&runs, "active").await?;
    for line in [&still, &runs] {
        ask(play, line, "suspend", "suspension").await?;
        play.until_service(line, "suspended").await?;
        is_suspended(play, line, true).await?;
    }
    play.advance("P3D").await?;
    for (line, before, longer) in [(&still, ends[0], 3 * 86_400), (&runs, ends[1], 0)] {
        play.saw(&line.order, "3 days");
        ask(play, line, "resume", "resumption").await?;
        let moved = end(&play.until_service(line, "active").await?)?.seconds_since(before);
        expect((longer..=longer + 30).contains(&moved), format!("{} ends {moved} s later, not {longer}", line.order))?;
        is_suspended(play, line, false).await?;
    }
    play.advance("P4D").await?;
    play.then(&runs.order, "4 days", 5).await?;
    play.advance("P8DT12H").await?;
    play.then(&still.order, "12½ days", 0).await?;
    play.advance("P3D").await?;
    play.then(&still.order, "3 days", 5).await.map(|_| ())
}
