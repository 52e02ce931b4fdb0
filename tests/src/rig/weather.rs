//! What goes on beside the shops: the clock jumps, sweeps overlap, Stripe has its moods, and an auditor comes in unannounced.

use super::site::Site;
use crate::audit::Violation;
use futures_util::future::join;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// What goes on beside the shops, but for what goes wrong.
pub const ACTS: [&str; 3] = ["swept", "swept twice at once", "audited"];

/// Waits, unless it is over; answers whether to go on.
pub async fn pause(open: &mut watch::Receiver<bool>, milliseconds: u64) -> bool {
    let over = open.wait_for(|open| !*open);
    tokio::time::timeout(Duration::from_millis(milliseconds), over).await.is_err()
}

/// Jumps of the clock, from half a minute to a day.
pub async fn clock(site: Arc<Site>, mut open: watch::Receiver<bool>) {
    let mut rng = site.plan.dice("clock");
    while pause(&mut open, rng.u64(600..2000)).await {
        let by = ["PT30S", "PT3M", "PT3M", "PT20M", "PT40M", "PT2H", "P1D"][rng.usize(..7)];
        site.plan.count("clock jumps");
        site.advance(by).await;
    }
}

/// Sweeps far more often than the schedule does, now and then two at once, so that sweeps and slow buyers meet.
pub async fn sweeps(site: Arc<Site>, mut open: watch::Receiver<bool>) {
    let mut rng = site.plan.dice("sweeps");
    while pause(&mut open, rng.u64(100..800)).await {
        let sweep = || site.stack.invoke("sweep", json!({}));
        // What one leaves is for the next.
        if rng.u8(..3) == 0 {
            drop(join(sweep(), sweep()).await);
            site.plan.act("swept twice at once");
        } else {
            drop(sweep().await);
            site.plan.act("swept");
        }
    }
}

/// Looks at the tables in the middle of everything: what must be true of them is true between any two requests. The first look that
/// finds something is the last; what it found is answered.
pub async fn audits(site: Arc<Site>, mut open: watch::Receiver<bool>) -> Vec<Violation> {
    let mut rng = site.plan.dice("audits");
    while pause(&mut open, rng.u64(100..400)).await {
        let (_, found) = site.books().await.inspect();
        site.plan.act("audited");
        if !found.is_empty() {
            return found;
        }
    }
    Vec::new()
}

/// Stripe refuses, or takes its time and tells later how it went, if at all.
pub async fn moods(site: Arc<Site>, mut open: watch::Receiver<bool>) {
    let mut rng = site.plan.dice("moods");
    while pause(&mut open, rng.u64(100..800)).await {
        let (mode, times, what) = match rng.u8(..8) {
            1 => ("refuse", 1, "stripe refuses"),
            2 | 4 => ("pending", 2, "stripe takes its time"),
            3 => ("cut", 1, "stripe breaks off"),
            _ => {
                end_pending(&site).await;
                continue;
            }
        };
        site.local("stripe", &json!({"mode": mode, "times": times})).await;
        site.plan.count(what);
    }
}

/// Refunds that Stripe took on end well, or not, or nobody is told.
async fn end_pending(site: &Site) {
    for refund in pending(site).await {
        let mut rng = site.plan.chances("ends of refunds");
        let (fails, lost) = (rng.u8(..5) == 0, rng.u8(..3) == 0);
        let status = if fails { "failed" } else { "succeeded" };
        site.local("stripe/events", &json!({"refund": refund, "status": status, "lost": lost})).await;
        for (_, what) in [(fails, "stripe fails later"), (lost, "stripe's event is lost")].iter().filter(|(so, _)| *so) {
            site.plan.count(*what);
        }
    }
}

/// Refunds that Stripe took on.
pub async fn pending(site: &Site) -> Vec<String> {
    let report = site.look("/_local/stripe").await;
    let refunds = report["refunds"].as_array().cloned().unwrap_or_default();
    let open = refunds.iter().filter(|refund| refund["status"] == "pending");
    open.filter_map(|refund: &Value| refund["id"].as_str().map(str::to_owned)).collect()
}
