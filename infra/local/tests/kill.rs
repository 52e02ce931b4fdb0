//! What was acknowledged before a SIGKILL is there after it.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value;
use simdock_runtime::{Clock, Config, Service};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

struct Running {
    process: Child,
    ready: Value,
}

impl Running {
    async fn start(directory: &Path) -> Self {
        let ready_file = directory.join("ready.json");
        let _ = std::fs::remove_file(&ready_file);
        let mut process = Command::new(env!("CARGO_BIN_EXE_simdock"))
            .args(["--port", "0", "--pause", "relay", "--pause", "sweep", "--pause", "provision"])
            .args([Path::new("--data"), &directory.join("data"), Path::new("--ready-file"), &ready_file])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        for _ in 0..3_000 {
            if let Ok(ready) = std::fs::read(&ready_file) {
                return Self { process, ready: serde_json::from_slice(&ready).unwrap() };
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        process.kill().unwrap();
        panic!("the stack does not start: {}", process.wait().unwrap());
    }

    fn config(&self) -> Config {
        let variables = [
            ("AWS_REGION", "local"),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("AWS_ENDPOINT_URL_DYNAMODB", self.ready["dynamodbUrl"].as_str().unwrap()),
            ("AWS_ENDPOINT_URL_SQS", self.ready["servicesUrl"].as_str().unwrap()),
        ];
        let variables: BTreeMap<_, _> = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Config::new(variables, Clock::system())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_by_a_kill() {
    let directory = std::env::temp_dir().join(format!("simdock-kill-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let (mut messages, mut orders) = (0, 0);
    for round in 0..4_usize {
        let mut stack = Running::start(&directory).await;
        let queues = aws_sdk_sqs::Client::new(&stack.config().sdk(Service::Sqs).unwrap());
        let tables = aws_sdk_dynamodb::Client::new(&stack.config().sdk(Service::DynamoDb).unwrap());
        let stored = tables.scan().table_name("simdock-local-orders").select("COUNT".into()).send().await.unwrap();
        assert!(stored.count() >= orders, "round {round}: {} of {orders} orders", stored.count());
        let kept = kept_messages(&stack).await;
        assert!(kept >= messages, "round {round}: {kept} of {messages} messages");
        (messages, orders) = (kept, stored.count());

        // The kill comes while both writers are at work; what they had acknowledged by then is counted.
        let sending = tokio::spawn(async move {
            let mut sent = 0;
            let queue = "http://127.0.0.1/000000000000/simdock-local-provision";
            while queues.send_message().queue_url(queue).message_body("{}").send().await.is_ok() {
                sent += 1;
            }
            sent
        });
        let putting = tokio::spawn(async move {
            let mut put = 0;
            loop {
                let order = AttributeValue::S(format!("EP-{round}-{put}"));
                if tables.put_item().table_name("simdock-local-orders").item("orderNum", order).send().await.is_err() {
                    return put;
                }
                put += 1;
            }
        });
        tokio::time::sleep(Duration::from_millis(150 + 70 * u64::try_from(round).unwrap())).await;
        stack.process.kill().unwrap();
        stack.process.wait().unwrap();
        let (sent, put): (usize, i32) = (sending.await.unwrap(), putting.await.unwrap());
        assert!(sent > 0 && put > 0);
        messages += sent;
        orders += put;
    }
    std::fs::remove_dir_all(directory).unwrap();
}

async fn kept_messages(stack: &Running) -> usize {
    let url = format!("{}/_local/queues", stack.ready["baseUrl"].as_str().unwrap());
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
    let request = hyper::Request::get(url).body(http_body_util::Empty::<hyper::body::Bytes>::new()).unwrap();
    let body = http_body_util::BodyExt::collect(client.request(request).await.unwrap().into_body()).await.unwrap().to_bytes();
    let depths: Value = serde_json::from_slice(&body).unwrap();
    let depth = depths["queues"].as_array().unwrap().iter().find(|queue| queue["name"] == "simdock-local-provision").unwrap();
    usize::try_from(depth["visible"].as_u64().unwrap()).unwrap()
}
