//! `cargo run --release -p simdock-bench`: measures, prints a table, and writes `target/bench.json`. With `--check` it fails if a
//! figure is not what it is held to.

use mimalloc::MiMalloc;
use serde_json::json;
use simdock_bench::shop::{ASKED, PLAN};
use simdock_bench::{actions, binaries, claims, cost, growth, local, pure, report};
use std::fs;
use std::process::ExitCode;
use std::time::Instant;

/// How many buy cards of one pool at once.
const BUYERS: u32 = 1_000;
/// How many cards there are where there are too few.
const SCARCE: u32 = 500;

/// That of the local stack, so that its engine by itself has it too.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let check = match std::env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => false,
        [flag] if flag == "--check" => true,
        [only] if only == local::ALONE => {
            println!("{}", json!(runtime.block_on(local::measure())));
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("simdock-bench [--check]");
            return ExitCode::FAILURE;
        }
    };
    let begun = Instant::now();
    let progress = |what: &str| eprintln!("[{:>5.1} s] {what}", begun.elapsed().as_secs_f64());
    progress("building the release binaries");
    binaries::build();
    let parts = runtime.block_on(async {
        let mut parts = Vec::new();
        progress("what actions cost");
        parts.push(report::actions(&actions::measure().await));
        progress("a thousand buyers");
        parts.push(report::claims(&claims::crowd(BUYERS, 2 * BUYERS).await, &claims::crowd(BUYERS, SCARCE).await));
        progress("starts");
        parts.push(report::start(&binaries::measure().await));
        progress("the local stack");
        parts.push(report::local(&local::measured()));
        progress("the pure parts");
        parts.push(report::pure(&pure::measure()));
        parts.push(report::growth(&growth::measure(progress).await));
        progress("what orders cost");
        parts.push(report::cost(&cost::measure(ASKED).await, &cost::measure(PLAN).await));
        progress("done");
        parts
    });

    print!("{}", report::table(&parts));
    let missed = report::missed(&parts).len();
    println!("\n{missed} missed");
    let file = binaries::root().join("target/bench.json");
    fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
    let json = serde_json::to_string_pretty(&report::json(parts)).expect("JSON");
    fs::write(&file, json + "\n").expect("the figures are written");
    if check && missed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
