//! `cargo run`: Simdock on this machine.

use mimalloc::MiMalloc;
use simdock_local::{Command, parse, run};
use simdock_runtime::log_json_lines;
use std::process::ExitCode;
use tracing_subscriber::filter::LevelFilter;

/// A quarter of an order's time here went to the system's own: JSON is taken apart and put together at every step.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let doctor = std::env::args().nth(1).is_some_and(|command| command == "doctor");
    // The DynamoDB engine has a thread of its own. More threads than processors would take turns, and wake each other for it.
    let others = std::thread::available_parallelism().map_or(1, |processors| processors.get().saturating_sub(1).max(1));
    // The console's pages wait for a function's handler in the same process, and code that is not optimised takes a lot of stack.
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let Ok(runtime) = builder.worker_threads(others).thread_stack_size(8 * 1024 * 1024).enable_all().build() else {
        eprintln!("simdock: the asynchronous runtime does not start");
        return ExitCode::FAILURE;
    };
    let result = parse(std::env::args().skip(1)).and_then(|command| {
        let level = match command {
            Command::Help(_) | Command::Serve(_) | Command::Administer(..) => LevelFilter::INFO,
            // The demo tells its story itself.
            Command::Demo(_) => LevelFilter::ERROR,
            // The one goes through every error, the other says itself what it finds; RUST_LOG shows the rest.
            Command::DemoAll(_) | Command::Doctor(..) => LevelFilter::OFF,
        };
        log_json_lines(std::io::stderr, level);
        runtime.block_on(run(command))
    });
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("simdock: {error}");
            // To have found something and not to have looked are not the same.
            if doctor { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}
