//! Runs the fault rig with fresh seeds until its time is over, a line per run. It ends at the first promise that is broken, and says
//! how to see that again.

use simdock_tests::rig::{Bug, Report, Size, run};
use std::process::ExitCode;
use std::time::{Duration, Instant};

const USAGE: &str = "soak [--minutes N] [--seed SEED] [--shops N] [--customers N] [--bug NAME]

  --minutes N    goes on with fresh seeds for so long (default 1)
  --seed SEED    one run with this seed instead
  --shops N      partners in a run (default 200)
  --customers N  customers of each partner (default 2)
  --bug NAME     plants a bug: unconditional, tickets-leak, random-refund-key, marked-before-done, payment-by-event";

struct Asked {
    minutes: u64,
    seed: Option<u64>,
    size: Size,
    bug: Option<Bug>,
}

fn asked(arguments: impl Iterator<Item = String>) -> Result<Asked, String> {
    let mut asked = Asked { minutes: 1, seed: None, size: Size::default(), bug: None };
    let mut arguments = arguments;
    while let Some(flag) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{flag} takes a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{flag} takes a whole number"));
        match flag.as_str() {
            "--minutes" => asked.minutes = number()?,
            "--seed" => asked.seed = Some(number()?),
            "--shops" => asked.size.shops = number()?,
            "--customers" => asked.size.customers = number()?.try_into().map_err(|_| "too many customers".to_owned())?,
            "--bug" => {
                let known = Bug::ALL.into_iter().find(|bug| bug.to_string() == value);
                asked.bug = Some(known.ok_or_else(|| format!("there is no bug {value}"))?);
            }
            other => return Err(format!("there is no {other}")),
        }
    }
    Ok(asked)
}

/// Tells of a run; answers whether all promises were kept.
fn tell(report: &Report, bug: Option<Bug>) -> bool {
    println!("{report}");
    for violation in &report.violations {
        println!("  {violation}");
    }
    if report.violations.is_empty() {
        return true;
    }
    println!("repeat it by: {}", report.again(bug));
    false
}

#[tokio::main]
async fn main() -> ExitCode {
    let asked = match asked(std::env::args().skip(1)) {
        Ok(asked) => asked,
        Err(problem) => {
            eprintln!("{problem}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let begun = Instant::now();
    loop {
        let seed = asked.seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
        if !tell(&run(seed, asked.size, asked.bug).await, asked.bug) {
            return ExitCode::FAILURE;
        }
        if asked.seed.is_some() || begun.elapsed() >= Duration::from_secs(60 * asked.minutes) {
            return ExitCode::SUCCESS;
        }
    }
}
