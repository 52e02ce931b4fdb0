//! What goes on beside the shops: the clock jumps, sweeps overlap, stock comes in, and Stripe has its moods.

use super::site::{As, Site};
use fastrand::Rng;
use futures_util::future::join;
use hyper::Method;
use serde_json::{Value, json};
use simdock_domain::Iccid;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Waits, unless it is over; answers whether to go on.
async fn pause(open: &mut watch::Receiver<bool>, milliseconds: u64) -> bool {
    let over = open.wait_for(|open| !*open);
    tokio::time::timeout(Duration::from_millis(milliseconds), over).await.is_err()
}

/// Jumps of the clock, from half a minute to a day.
pub async fn clock(site: Arc<Site>, mut open: watch::Receiver<bool>) {
    let mut rng = site.plan.dice("clock");
    while pause(&mut open, rng.u64(900..2500)).await {
        let by = ["PT30S", "PT3M", "PT3M", "PT20M", "PT40M", "PT2H", "P1D"][rng.usize(..7)];
        site.plan.count("clock jumps");
        site.advance(by).await;
    }
}

/// Sweeps far more often than the schedule does, now and then two at once, so that sweeps and slow buyers meet.
pub async fn sweeps(site: Arc<Site>, mut open: watch::Receiver<bool>) {
    let mut rng = site.plan.dice("sweeps");
    while pause(&mut open, rng.u64(200..1200)).await {
        let sweep = || site.stack.invoke("sweep", json!({}));
        // What one leaves is for the next.
        if rng.u8(..4) == 0 { drop(join(sweep(), sweep()).await) } else { drop(sweep().await) }
    }
}

/// Stock comes in, now and then the same file twice at once.
pub async fn warehouse(site: Arc<Site>, mut open: watch::Receiver<bool>) {
    let mut rng = site.plan.dice("warehouse");
    let mut last = 0_u64;
    while pause(&mut open, rng.u64(300..1500)).await {
        let (operator, profile) = [("meridian", "7"), ("meridian", "10"), ("sandbox", "1"), ("sandbox", "1")][rng.usize(..4)];
        let mut file = "iccid,code\n".to_owned();
        for _ in 0..rng.u32(1..30) {
            last += 1;
            let iccid = Iccid::with_check_digit(&format!("898821{last:012}")).expect("a card's number");
            writeln!(file, "{iccid},LPA:1$rsp.example.com$RIG-{last}").expect("a string takes all");
        }
        let path = format!("/v1/inventory/imports?operator={operator}&imsiProfile={profile}");
        let bring = || site.send(Method::POST, &path, As::Manager, &file);
        if rng.u8(..4) == 0 { drop(join(bring(), bring()).await) } else { drop(bring().await) }
    }
}

/// Stripe refuses, or takes its time and tells later how it went, if at all.
pub async fn moods(site: Arc<Site>, mut open: watch::Receiver<bool>) {
    let mut rng = site.plan.dice("moods");
    while pause(&mut open, rng.u64(200..1200)).await {
        match rng.u8(..7) {
            1 => drop(site.local("stripe", &json!({"mode": "refuse", "times": 1})).await),
            2 => drop(site.local("stripe", &json!({"mode": "pending", "times": 2})).await),
            3 => drop(site.local("stripe", &json!({"mode": "cut", "times": 1})).await),
            _ => end_pending(&site, &mut rng).await,
        }
    }
}

/// Refunds that Stripe took on end well, or not, or nobody is told.
async fn end_pending(site: &Site, rng: &mut Rng) {
    for refund in pending(site).await {
        let status = if rng.u8(..5) == 0 { "failed" } else { "succeeded" };
        site.local("stripe/events", &json!({"refund": refund, "status": status, "lost": rng.u8(..3) == 0})).await;
    }
}

/// Refunds that Stripe took on.
pub async fn pending(site: &Site) -> Vec<String> {
    let report = site.look("/_local/stripe").await;
    let refunds = report["refunds"].as_array().cloned().unwrap_or_default();
    let open = refunds.iter().filter(|refund| refund["status"] == "pending");
    open.filter_map(|refund: &Value| refund["id"].as_str().map(str::to_owned)).collect()
}
