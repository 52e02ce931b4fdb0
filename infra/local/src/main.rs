//! `cargo run`: Simdock on this machine.

use simdock_local::{Command, parse, run};
use simdock_runtime::log_json_lines;
use std::process::ExitCode;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

fn main() -> ExitCode {
    let Ok(runtime) = tokio::runtime::Builder::new_multi_thread().enable_all().build() else {
        eprintln!("simdock: the asynchronous runtime does not start");
        return ExitCode::FAILURE;
    };
    let result = parse(std::env::args().skip(1)).and_then(|command| {
        let level = match command {
            Command::Help | Command::Serve(_) | Command::Administer(..) => LevelFilter::INFO,
            // The demo tells its story itself.
            Command::Demo(_) => LevelFilter::ERROR,
            // It goes through every error; RUST_LOG shows them.
            Command::DemoAll(_) => LevelFilter::OFF,
        };
        log_json_lines(BoxMakeWriter::new(std::io::stderr), level);
        runtime.block_on(run(command))
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("simdock: {error}");
            ExitCode::FAILURE
        }
    }
}
