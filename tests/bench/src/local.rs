//! How fast the local stack is: orders from their creation to both of their mails, beside what its engine does with the same requests
//! when nothing else has to be done. Both are built with the profile `local`, for speed, and this program as well while it measures them.

use crate::binaries::{memory_mb, quick};
use crate::shop::Shop;
use crate::site::SOURCES;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use simdock_domain::Iccid;
use simdock_local::{Options, Stack};
use simdock_runtime::Clock;
use simdock_tests::{Call, wire};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The argument that has this program measure the stack only, and print that.
pub const ALONE: &str = "local";
/// How many orders are taken in each run.
const ORDERS: usize = 400;
/// How many before, so that caches are warm.
const BEFORE: usize = 8;
/// How many clients order at once, and how many send the engine the same requests.
const CLIENTS: usize = 8;
/// How often the stack is started; the middle time counts.
const STARTS: usize = 5;
/// How many runs there are of each; the middle one counts.
const ROUNDS: usize = 5;
/// How long anything may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// Rates.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Rates {
    /// Orders per second through the whole stack.
    #[serde(rename = "ordersPerS")]
    pub orders: f64,
    /// Orders per second if the engine had only to answer what the functions ask of it.
    #[serde(rename = "bareOrdersPerS")]
    pub bare: f64,
}

/// The stack.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Local {
    /// With its data in a file.
    pub file: Rates,
    /// With its data in memory.
    pub memory: Rates,
    /// From the start of the process until it serves, with new data in a file, in milliseconds.
    pub ready_ms: f64,
    /// Its memory then, in megabytes.
    #[serde(rename = "idleRssMb")]
    pub idle_mb: f64,
    /// The most that it used while it took the orders, in megabytes.
    #[serde(rename = "peakRssMb")]
    pub peak_mb: f64,
}

/// A folder of its own, removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("simdock-bench-{}-{}", std::process::id(), crate::shop::unique()));
        fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The stack in a process of its own, which ends with this value.
struct Running {
    process: Child,
    ready: Value,
    ready_ms: f64,
}

impl Running {
    async fn start(folder: &Path, arguments: &[&str]) -> Self {
        let ready_file = folder.join("ready.json");
        let begun = Instant::now();
        let mut process = Command::new(quick("simdock"))
            .args(["--port", "0", "--pause", "sweep", "--ready-file"])
            .arg(&ready_file)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("simdock starts");
        loop {
            // It is there a moment before it is whole.
            if let Some(ready) = fs::read(&ready_file).ok().and_then(|ready| serde_json::from_slice(&ready).ok()) {
                return Self { process, ready, ready_ms: begun.elapsed().as_secs_f64() * 1e3 };
            }
            assert!(process.try_wait().expect("the process").is_none() && begun.elapsed() < PATIENCE, "simdock is not ready");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Has it measured by this program as the profile `local` builds it, see [`measure`].
pub fn measured() -> Local {
    let output = Command::new(quick("simdock-bench")).arg(ALONE).stderr(Stdio::inherit()).output().expect("this program starts");
    serde_json::from_slice(&output.stdout).expect("the rates")
}

/// Measures it.
pub async fn measure() -> Local {
    let folder = Folder::new();
    let stock = folder.0.join("stock.csv");
    fs::write(&stock, csv(ORDERS + BEFORE)).expect("the stock");
    let recorded = record().await;

    let mut ready = Vec::new();
    let mut idle_mb = 0.0;
    for _ in 0..STARTS {
        let data = Folder::new();
        let running = Running::start(&data.0, &["--data", text(&data.0.join("data"))]).await;
        ready.push(running.ready_ms);
        tokio::time::sleep(Duration::from_millis(500)).await;
        idle_mb = memory_mb(running.process.id(), "VmRSS");
    }
    // In turns, so that whatever else the machine does falls on all of them.
    let (mut on_file, mut bare_on_file, mut in_memory, mut bare_in_memory) = (vec![], vec![], vec![], vec![]);
    let mut peak_mb = 0.0;
    for _ in 0..ROUNDS {
        let data = Folder::new();
        let (rate, peak) = take_orders(&["--data", text(&data.0.join("data")), "--inventory", text(&stock)]).await;
        on_file.push(rate);
        bare_on_file.push(bare(Some(data.0.join("bare")), &stock, &recorded).await);
        peak_mb = f64::max(peak_mb, peak);
        let (rate, peak) = take_orders(&["--memory", "--inventory", text(&stock)]).await;
        in_memory.push(rate);
        bare_in_memory.push(bare(None, &stock, &recorded).await);
        peak_mb = f64::max(peak_mb, peak);
    }
    let rates = |orders: &mut [f64], bare: &mut [f64]| Rates { orders: crate::median(orders), bare: crate::median(bare) };
    let file = rates(&mut on_file, &mut bare_on_file);
    let memory = rates(&mut in_memory, &mut bare_in_memory);
    Local { file, memory, ready_ms: crate::median(&mut ready), idle_mb, peak_mb }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn csv(cards: usize) -> String {
    let mut file = "iccid,code\n".to_owned();
    for number in 0..cards {
        let iccid = Iccid::with_check_digit(&format!("894911{number:012}")).expect("a card's number");
        let _ = writeln!(file, "{iccid},LPA:1$rsp.example.com$MATCH-{number:06}");
    }
    file
}

/// Orders per second, from the first order until the last mail, and the most memory used.
async fn take_orders(arguments: &[&str]) -> (f64, f64) {
    let folder = Folder::new();
    let running = Running::start(&folder.0, arguments).await;
    let base_url = running.ready["baseUrl"].as_str().expect("an address").to_owned();
    let shop = Shop::new(&base_url, running.ready.clone(), Clock::system());
    take(&shop, BEFORE, 2 * BEFORE).await;
    let begun = Instant::now();
    take(&shop, ORDERS, 2 * (BEFORE + ORDERS)).await;
    let rate = rate(ORDERS, begun);
    (rate, memory_mb(running.process.id(), "VmHWM"))
}

/// Has so many orders taken, until there are so many mails.
async fn take(shop: &Shop, orders: usize, mails: usize) {
    at_once(orders, |_| async {
        let order = shop.order(1).await;
        shop.pay(&order).await;
    })
    .await;
    let begun = Instant::now();
    loop {
        let sent = shop.get("/mailbox.json").await.as_array().map_or(0, Vec::len);
        if sent >= mails {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{sent} of {mails} mails");
        // A run takes little more than a second: a longer pause would be in the rate.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Does something so many times, some at once.
async fn at_once<F: Future<Output = ()>>(times: usize, work: impl Fn(usize) -> F) {
    let next = AtomicUsize::new(0);
    let clients = (0..CLIENTS).map(async |_| {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= times {
                return;
            }
            work(number).await;
        }
    });
    futures_util::future::join_all(clients).await;
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn rate(orders: usize, begun: Instant) -> f64 {
    orders as f64 / begun.elapsed().as_secs_f64()
}

/// Orders per second where nothing happens but that an engine like the stack's, with the same tables, streams and stock, answers
/// exactly what the functions asked for those orders, each order's requests one after the other.
async fn bare(data: Option<PathBuf>, stock: &Path, recorded: &[Vec<Call>]) -> f64 {
    let paused = SOURCES.map(str::to_owned).to_vec();
    let options = Options { data, inventory: Some(stock.to_owned()), paused, ..Options::default() };
    let alone = Stack::start(options).await.expect("a stack");
    let client = wire::client();
    let begun = Instant::now();
    at_once(recorded.len(), |number| {
        let (client, url) = (&client, alone.engine_url());
        async move {
            for call in &recorded[number] {
                let answered = wire::send(client, url, &call.target, call.request.clone()).await.0;
                assert!(answered.is_success() != call.refused, "{} {:?}", call.target, call.request);
            }
        }
    })
    .await;
    let rate = rate(recorded.len(), begun);
    alone.stop().await;
    rate
}

/// What the functions ask of the engine for as many orders as a run takes: each order's requests, without those that only look.
async fn record() -> Vec<Vec<Call>> {
    let folder = Folder::new();
    let stock = folder.0.join("stock.csv");
    fs::write(&stock, csv(ORDERS + BEFORE)).expect("the stock");
    crate::cost::record(&stock, ORDERS).await
}
