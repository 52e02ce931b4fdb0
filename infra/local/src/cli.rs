//! The command line.

use crate::admin::{Task, administer};
use crate::data::write_private;
use crate::demo::{demo, demo_all, samples_once};
use crate::doctor::{Patient, doctor};
use crate::error::{Context, StackError};
use crate::stack::{DEFAULT_PORT, Options, Stack};
use simdock_domain::{MOST_MONEY, Money, PoolId};
use simdock_store::Principal;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What the command line understands.
pub const USAGE: &str = "\
Simdock on this machine, without an AWS account.

  simdock [options]        serves until Ctrl-C
  simdock demo [options]   takes one order through a throw-away stack
  simdock demo --all       plays every action on one, and fails at the first surprise
  simdock doctor [--repair] [--data DIR | --ready-file FILE | --stage S]
                           checks all tables of a data directory, a running stack or a deployed stage, and says what is wrong;
                           with --repair it calls for what is needed and called for by nobody, queues what is due, writes the
                           indexes' attributes anew, puts leaked tickets back on sale, and lists what its registry forgot.
                           Ends with 0 if nothing is wrong, 1 if something is, 2 if it could not look
  simdock load --stage S FILE                          puts a catalogue into a deployed stage
  simdock key --stage S --partner ID | --manager NAME  makes an API key for it
  simdock register --stage S                           lists partners and keys, and puts codes on record, of an earlier version
  simdock credit --stage S --partner ID --amount N --currency C --reference R
                                                       adds N minor units to a partner's balance
  simdock alarm --stage S --pool P --level N           raises an alarm while a pool has fewer than N cards
  simdock alarm --stage S --partner ID --level N --currency C
                                                       raises one while a balance is below N minor units

  --port N          port of the API (default 8080, 0 for a free one)
  --data DIR        where data is kept (default .simdock)
  --memory          keeps data in memory only
  --clock TIME      begins at this time, such as 2026-11-22T10:30:00Z
  --inventory FILE  stock from this CSV instead of the demo's
  --pause SOURCE    begins with relay, provision, settle-refund, send-email, mail-events or sweep paused; may be repeated
  --ready-file FILE writes addresses and keys as JSON once it serves
  --out DIR         where the demo writes its mail (default .)
  --help            shows this; after a command, what is about that command

A new stack begins with sample orders for the console, unless --inventory, --pause or --ready-file is given: these are for stacks whose
content somebody else decides on. So are stacks with another Stripe.

The variables STRIPE_URL and STRIPE_SECRET_KEY, set together, name another Stripe than the sandbox for refunds.
";

/// Where data is kept unless another place is named.
const DATA: &str = ".simdock";

/// What to do.
#[derive(Debug, PartialEq)]
pub enum Command {
    /// Show how to use it, or a command of it.
    Help(String),
    /// Serve.
    Serve(Settings),
    /// Run the demo.
    Demo(Settings),
    /// Play every action.
    DemoAll(Settings),
    /// Look after a deployed stage.
    Administer(String, Task),
    /// Check tables, and mend what can be mended by itself if that is wanted.
    Doctor(Patient, bool),
}

/// What the flags say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    port: Option<u16>,
    data: Option<PathBuf>,
    memory: bool,
    clock: Option<simdock_domain::Timestamp>,
    inventory: Option<PathBuf>,
    paused: Vec<String>,
    ready_file: Option<PathBuf>,
    out: Option<PathBuf>,
}

/// Reads the command line, without the program's own name.
pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Command, StackError> {
    let arguments: Vec<String> = arguments.into_iter().collect();
    let name = arguments.first().map_or("", String::as_str);
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        return Ok(Command::Help(usage_of(name)));
    }
    match name {
        "load" | "key" | "register" | "credit" | "alarm" => parse_task(arguments.into_iter()),
        "doctor" => parse_doctor(arguments.into_iter().skip(1)),
        _ => parse_run(arguments.into_iter()),
    }
}

/// The lines of the usage that are about a command, with the options where it runs a stack; all of it where there is no such command.
fn usage_of(name: &str) -> String {
    let paragraphs: Vec<&str> = USAGE.split("\n\n").collect();
    let mut of_it = false;
    let about = paragraphs[1].lines().filter(|line| {
        if let Some(command) = line.strip_prefix("  simdock ") {
            of_it = command.split(' ').next() == Some(name);
        }
        of_it
    });
    let about = about.collect::<Vec<_>>().join("\n");
    match name {
        _ if about.is_empty() => USAGE.to_owned(),
        "demo" => format!("{about}\n\n{}\n", paragraphs[2]),
        _ => format!("{about}\n"),
    }
}

fn parse_task(mut arguments: impl Iterator<Item = String>) -> Result<Command, StackError> {
    let name = arguments.next().unwrap_or_default();
    let mut flags: BTreeMap<String, String> = BTreeMap::new();
    while let Some(argument) = arguments.next() {
        let (flag, value) = if argument.starts_with("--") {
            let value = arguments.next().ok_or_else(|| StackError::new(format!("{argument} needs a value")))?;
            (argument, value)
        } else {
            ("FILE".to_owned(), argument)
        };
        if flags.insert(flag.clone(), value).is_some() {
            return Err(StackError::new(format!("{flag} is given twice")));
        }
    }
    let mut take = |flag: &str| flags.remove(flag).ok_or_else(|| StackError::new(format!("simdock {name} needs {flag}")));
    let stage = take("--stage")?;
    let money = |flag: &str, least: i64, amount: &str, currency: String| {
        let amount: i64 = amount.parse().context(flag)?;
        if !(least..=MOST_MONEY).contains(&amount) {
            return Err(StackError::new(format!("{flag} must be {least} to {MOST_MONEY} minor units")));
        }
        Ok(Money { amount, currency: currency.parse().context("--currency")? })
    };
    let task = match name.as_str() {
        "load" => Task::Load(take("FILE")?.into()),
        "key" => match take("--manager") {
            Ok(name) => Task::Key(Principal::Manager { name }),
            Err(_) => Task::Key(Principal::Partner { partner_id: take("--partner")? }),
        },
        "register" => Task::Register,
        "alarm" => {
            let level = take("--level")?;
            match take("--pool") {
                Ok(pool) => Task::PoolAlarm {
                    pool: PoolId::try_from(pool).map_err(|reason| StackError::new(format!("--pool: {reason}")))?,
                    level: level.parse().context("--level")?,
                },
                Err(_) => Task::BalanceAlarm {
                    partner_id: take("--partner")?,
                    level: money("--level", 0, &level, take("--currency")?)?,
                },
            }
        }
        _ => Task::Credit {
            partner_id: take("--partner")?,
            amount: money("--amount", -MOST_MONEY, &take("--amount")?, take("--currency")?)?,
            reference: take("--reference")?,
        },
    };
    match flags.keys().next() {
        None => Ok(Command::Administer(stage, task)),
        Some(unknown) => Err(StackError::new(format!("simdock {name} does not know {unknown}"))),
    }
}

fn parse_doctor(mut arguments: impl Iterator<Item = String>) -> Result<Command, StackError> {
    let (mut patient, mut repair) = (None, false);
    while let Some(flag) = arguments.next() {
        let of: fn(String) -> Patient = match flag.as_str() {
            "--repair" => {
                repair = true;
                continue;
            }
            "--stage" => Patient::Stage,
            "--data" => |folder| Patient::Folder(folder.into()),
            "--ready-file" => |file| Patient::Running(file.into()),
            _ => return Err(StackError::new(format!("simdock doctor does not know {flag}"))),
        };
        let value = arguments.next().ok_or_else(|| StackError::new(format!("{flag} needs a value")))?;
        if patient.replace(of(value)).is_some() {
            return Err(StackError::new("--stage, --data and --ready-file exclude each other"));
        }
    }
    Ok(Command::Doctor(patient.unwrap_or_else(|| Patient::Folder(DATA.into())), repair))
}

fn parse_run(arguments: impl Iterator<Item = String>) -> Result<Command, StackError> {
    let mut settings = Settings::default();
    let (mut is_demo, mut all) = (false, false);
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        let (flag, inline) = match argument.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => (flag.to_owned(), Some(value.to_owned())),
            _ => (argument, None),
        };
        let mut value = || {
            let value = inline.clone().or_else(|| arguments.next()).filter(|value| !value.is_empty());
            value.ok_or_else(|| StackError::new(format!("{flag} needs a value")))
        };
        match flag.as_str() {
            "--port" => {
                let port = value()?.parse().map_err(|_| StackError::new("--port must be a whole number from 0 to 65535"))?;
                settings.port = Some(port);
            }
            "--data" => settings.data = Some(value()?.into()),
            "--clock" => settings.clock = Some(value()?.parse().context("--clock")?),
            "--inventory" => settings.inventory = Some(value()?.into()),
            "--pause" => settings.paused.push(value()?),
            "--ready-file" => settings.ready_file = Some(value()?.into()),
            "--out" => settings.out = Some(value()?.into()),
            "--memory" if inline.is_none() => settings.memory = true,
            "--all" if inline.is_none() => all = true,
            "demo" if !is_demo => is_demo = true,
            _ => return Err(StackError::new(format!("{flag} is not understood; --help shows what is"))),
        }
    }
    if settings.memory && settings.data.is_some() {
        return Err(StackError::new("--memory and --data exclude each other"));
    }
    match (is_demo, all) {
        (true, true) if settings.inventory.is_some() => {
            Err(StackError::new("--all plays on the demo's own stock, without --inventory"))
        }
        (true, true) => Ok(Command::DemoAll(settings)),
        (true, false) => Ok(Command::Demo(settings)),
        (false, true) => Err(StackError::new("--all goes with demo")),
        (false, false) => Ok(Command::Serve(settings)),
    }
}

/// Carries a command out; answers whether all is well.
pub async fn run(command: Command) -> Result<bool, StackError> {
    match command {
        Command::Doctor(patient, repair) => return doctor(patient, repair).await,
        Command::Help(usage) => {
            print!("{usage}");
            Ok(())
        }
        Command::Serve(settings) => serve(settings).await,
        Command::Administer(stage, task) => administer(&stage, task).await,
        Command::Demo(settings) => {
            let out = settings.out.clone().unwrap_or_else(|| ".".into());
            let stack = Stack::start(options(settings, true)?).await?;
            let result = demo(&stack, &out).await;
            stack.stop().await;
            result
        }
        Command::DemoAll(settings) => {
            // Its refunds go to the sandbox, whatever Stripe the environment names.
            let stack = Stack::start(Options { stripe: None, ..options(settings, true)? }).await?;
            let result = demo_all(&stack).await;
            stack.stop().await;
            result
        }
    }
    .map(|()| true)
}

fn options(settings: Settings, throw_away: bool) -> Result<Options, StackError> {
    let data = settings.data.unwrap_or_else(|| DATA.into());
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let stripe = match (variable("STRIPE_URL"), variable("STRIPE_SECRET_KEY")) {
        (Some(url), Some(key)) => Some((url, key)),
        (Some(_), None) => return Err(StackError::new("STRIPE_URL needs STRIPE_SECRET_KEY")),
        // A key alone may have been meant for something else.
        (None, _) => None,
    };
    Ok(Options {
        stripe,
        port: settings.port.unwrap_or(if throw_away { 0 } else { DEFAULT_PORT }),
        data: (!settings.memory && !throw_away).then_some(data),
        clock: settings.clock,
        inventory: settings.inventory,
        paused: settings.paused,
        ..Options::default()
    })
}

async fn serve(settings: Settings) -> Result<(), StackError> {
    let mut signals = Signals::new()?;
    let ready_file = settings.ready_file.clone();
    let options = options(settings, false)?;
    // Whoever brings stock of their own, has a program read where the stack is, or makes it stand still knows what is to be in it; and
    // the samples' refunds are for the sandbox.
    let bare = options.inventory.is_none() && options.paused.is_empty() && options.stripe.is_none();
    let wants_samples = bare && ready_file.is_none();
    let stack = tokio::select! {
        stack = Stack::start(options) => stack?,
        () = signals.any() => return Ok(()),
    };
    if let Some(ready_file) = ready_file {
        let ready = serde_json::to_vec_pretty(&stack.ready()).context("ready file")?;
        write_private(&ready_file, &ready).context(format!("the ready file {}", ready_file.display()))?;
    }
    announce(&stack);
    let furnish = async {
        if wants_samples && let Err(error) = samples_once(&stack).await {
            eprintln!("simdock: not all sample orders are in: {error}");
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = signals.any() => {}
        () = furnish => {}
    }
    eprintln!("\nStopping.");
    stack.stop().await;
    Ok(())
}

fn announce(stack: &Stack) {
    let (base, keys) = (stack.base_url(), stack.keys());
    println!(
        "Simdock is at {base}

  Console          {base}/console (sign in with the manager key)
  Overview         {base}/
  Mailbox          {base}/mailbox
  Partner key      {}
  Manager key      {}
  Stripe secret    {}
  Standard secret  {}
  Clock            {}

  curl {base}/v1/plans -H 'Authorization: Bearer {}'

Ctrl-C stops it.",
        keys.partner_key,
        keys.manager_key,
        keys.stripe_secret,
        keys.standard_secret,
        stack.clock().now(),
        keys.partner_key,
    );
}

/// Ctrl-C, and what service managers send instead.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> Result<Self, StackError> {
        Ok(Self {
            #[cfg(unix)]
            terminate: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).context("signals")?,
        })
    }

    async fn any(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = self.terminate.recv() => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Result<Command, StackError> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn flags_are_read() {
        let Ok(Command::Serve(settings)) =
            of("--port 0 --memory --clock=2026-11-22T10:30:00Z --ready-file f --pause relay --pause sweep")
        else {
            panic!("not understood")
        };
        assert_eq!((settings.port, settings.memory), (Some(0), true));
        assert_eq!(settings.clock, Some(simdock_domain::Timestamp::from_unix(1_795_343_400)));
        assert_eq!(settings.paused, ["relay", "sweep"]);
        assert!(matches!(of("demo --inventory my.csv --out d"), Ok(Command::Demo(_))));
        assert!(matches!(of("demo --all --port 0"), Ok(Command::DemoAll(_))));
    }

    #[test]
    fn every_command_says_how_it_is_used() {
        let help = |line: &str| match of(line).unwrap() {
            Command::Help(usage) => usage,
            other => panic!("{line}: {other:?}"),
        };
        assert_eq!((help("--help"), help("--port 1 -h")), (USAGE.to_owned(), USAGE.to_owned()));
        let commands = ["demo", "doctor", "load", "key", "register", "credit", "alarm"];
        for name in commands {
            for line in [format!("{name} --help"), format!("{name} --stage dev -h")] {
                let usage = help(&line);
                assert!(usage.starts_with(&format!("  simdock {name} ")), "{usage}");
                let others = commands.iter().filter(|other| **other != name);
                assert!(others.into_iter().all(|other| !usage.contains(&format!("simdock {other}"))), "{usage}");
            }
        }
        assert!(help("demo --help").contains("--out DIR") && help("alarm --help").contains("--currency C"));
        let mut of_one = USAGE.lines().filter_map(|line| line.strip_prefix("  simdock ")?.split(' ').next());
        assert!(of_one.all(|name| name == "[options]" || commands.contains(&name)));
    }

    #[test]
    fn tasks_on_a_stage_are_read() {
        let manager = Principal::Manager { name: "kim".to_owned() };
        assert_eq!(of("key --stage dev --manager kim").unwrap(), Command::Administer("dev".to_owned(), Task::Key(manager)));
        assert_eq!(of("register --stage dev").unwrap(), Command::Administer("dev".to_owned(), Task::Register));
        assert_eq!(of("load --stage dev c.json").unwrap(), Command::Administer("dev".to_owned(), Task::Load("c.json".into())));
        let pool = PoolId::try_from("meridian.7.esim".to_owned()).unwrap();
        let alarm = of("alarm --stage dev --pool meridian.7.esim --level 50").unwrap();
        assert_eq!(alarm, Command::Administer("dev".to_owned(), Task::PoolAlarm { pool, level: 50 }));
        let level = Money { amount: 50_000, currency: "EUR".parse().unwrap() };
        let alarm = of("alarm --stage dev --partner p --level 50000 --currency EUR").unwrap();
        assert_eq!(alarm, Command::Administer("dev".to_owned(), Task::BalanceAlarm { partner_id: "p".to_owned(), level }));
        for (line, named) in [
            ("alarm --stage dev --pool meridian.7.esim --level 50 --partner p", "--partner"),
            ("alarm --stage dev --pool meridian.7 --level 50", "--pool"),
            ("alarm --stage dev --pool meridian.7.esim --level -1", "--level"),
            ("alarm --stage dev --level 50 --currency EUR", "--partner"),
            ("load c.json", "--stage"),
            ("key --stage dev", "--partner"),
            ("key --stage dev --manager kim --partner p", "--partner"),
            ("credit --stage dev --partner p --amount ten --currency EUR --reference r", "--amount"),
            ("credit --stage dev --partner p --amount 10 --currency EURO --reference r", "--currency"),
            ("credit --stage dev --partner p --amount 1000000000001 --currency EUR --reference r", "1000000000000"),
            ("credit --stage dev --partner p --amount -9223372036854775808 --currency EUR --reference r", "--amount"),
            ("alarm --stage dev --partner p --level -5 --currency EUR", "--level"),
        ] {
            let problem = of(line).unwrap_err().to_string();
            assert!(problem.contains(named), "{problem}");
        }
    }

    #[test]
    fn patients_are_read() {
        let stage = Patient::Stage("dev".to_owned());
        assert_eq!(of("doctor").unwrap(), Command::Doctor(Patient::Folder(DATA.into()), false));
        assert_eq!(of("doctor --stage dev --repair").unwrap(), Command::Doctor(stage, true));
        assert_eq!(of("doctor --repair --ready-file f").unwrap(), Command::Doctor(Patient::Running("f".into()), true));
        for (line, named) in [("--data d --stage dev", "exclude"), ("--data", "--data"), ("--mend", "--mend"), ("d", "d")] {
            let problem = of(&format!("doctor {line}")).unwrap_err().to_string();
            assert!(problem.contains(named), "{problem}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, named) in [
            ("--prot 1", "--prot"),
            ("--port", "--port"),
            ("--port 70000", "--port"),
            ("--clock tomorrow", "--clock"),
            ("--memory --data d", "--data"),
            ("demo demo", "demo"),
            ("--all", "--all"),
            ("demo --all --inventory my.csv", "--inventory"),
            ("--memory=yes", "--memory"),
        ] {
            let problem = of(line).unwrap_err().to_string();
            assert!(problem.contains(named), "{problem}");
        }
    }
}
