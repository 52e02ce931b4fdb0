//! Whose tables `simdock doctor` looks at, and how it gets to them.

use super::{examine, repair};
use crate::admin::stage_config;
use crate::clock::StackClock;
use crate::error::{Context, StackError};
use crate::stack::{Options, Stack};
use crate::template::REGION;
use bytes::Bytes;
use serde::Deserialize;
use simdock_jobs::Queues;
use simdock_payments::http::{client, send};
use simdock_runtime::{Clock, Config};
use simdock_store::Store;
use std::path::{Path, PathBuf};

/// The stage that a local stack is.
const LOCAL: &str = "local";
/// Largest answer about a running stack's clock, in bytes.
const LARGEST_ANSWER: usize = 64 * 1024;

/// Whose tables.
#[derive(Clone, Debug, PartialEq)]
pub enum Patient {
    /// A deployed stage's, in the account and region of the environment.
    Stage(String),
    /// Those in a data directory that no stack uses now.
    Folder(PathBuf),
    /// A running local stack's, by the file that it wrote when it was ready.
    Running(PathBuf),
}

/// What is read of a ready file.
#[derive(Deserialize)]
struct Ready {
    #[serde(rename = "baseUrl")]
    base: String,
    #[serde(rename = "dynamodbUrl")]
    dynamodb: String,
    #[serde(rename = "servicesUrl")]
    services: String,
}

/// What a running stack says about its clock.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    offset_seconds: i64,
}

/// Examines the tables, prints what is wrong, and mends what can be mended without a person if that is wanted. Answers whether
/// nothing was wrong.
pub async fn doctor(patient: Patient, mend: bool) -> Result<bool, StackError> {
    match patient {
        Patient::Stage(stage) => of_stage(stage_config(&stage, Clock::system()), &stage, mend).await,
        Patient::Running(file) => of_stage(running(&file).await?, LOCAL, mend).await,
        Patient::Folder(folder) => {
            if !folder.join("data.db").is_file() {
                return Err(StackError::new(format!("there is no data in {}; name another with --data", folder.display())));
            }
            // Everything that would change something by itself stands still.
            let options = Options { data: Some(folder), empty: true, still: true, ..Options::default() };
            let stack = Stack::start(options).await?;
            let result = treat(&stack.config(), mend).await;
            stack.stop().await;
            result
        }
    }
}

async fn of_stage(mut config: Config, stage: &str, mend: bool) -> Result<bool, StackError> {
    if mend {
        for (variable, url) in Queues::of_stage(&config, stage).await.context(format!("the queues of stage {stage}"))? {
            config = config.with(variable, url);
        }
    }
    treat(&config, mend).await
}

async fn treat(config: &Config, mend: bool) -> Result<bool, StackError> {
    let store = Store::new(config).await.context("the environment")?;
    let report = examine(&store).await?;
    println!("{report}");
    if mend {
        print!("{}", repair(config, &report).await?);
    }
    Ok(report.found().is_empty())
}

async fn running(file: &Path) -> Result<Config, StackError> {
    let shown = file.display();
    let ready = std::fs::read(file).context(format!("the ready file {shown}"))?;
    let ready: Ready = serde_json::from_slice(&ready).context(format!("the ready file {shown}"))?;
    let request = hyper::Request::get(format!("{}/_local/clock", ready.base)).body(Bytes::new()).context("the stack")?;
    let answer = send(&client(false).context("the stack")?, "the stack", request, LARGEST_ANSWER).await;
    let answer = answer.map_err(StackError::new)?;
    let clock: Shown = serde_json::from_slice(answer.body()).context("the stack's clock")?;
    let config = stage_config(LOCAL, StackClock::new(clock.offset_seconds).for_functions());
    let variables = [
        ("AWS_REGION", REGION),
        ("AWS_ACCESS_KEY_ID", "doctor"),
        ("AWS_SECRET_ACCESS_KEY", LOCAL),
        ("AWS_ENDPOINT_URL_DYNAMODB", &ready.dynamodb),
        ("AWS_ENDPOINT_URL_SQS", &ready.services),
    ];
    Ok(variables.into_iter().fold(config, |config, (name, value)| config.with(name, value)))
}
