//! What an operator's endpoint may answer, down to the bytes on the wire: a corpus of whole HTTP answers.

use crate::corpus::hunt;
use simdock_carrier::{CarrierError, Carriers, Changed, ProvisionRequest, RevokeRequest};
use simdock_domain::Timestamp;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

const NOW: Timestamp = Timestamp::from_unix(1_795_343_400);

/// Reads a request to its end and gives the answer that is due.
fn answer(stream: &TcpStream, with: &[u8]) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        if line.trim().is_empty() {
            break;
        }
    }
    reader.take(length).read_to_end(&mut Vec::new())?;
    let mut stream = stream;
    stream.write_all(with)
}

/// An operator's server, which hangs up after each answer, and where it is.
fn operator() -> (String, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let due: Arc<Mutex<Vec<u8>>> = Arc::default();
    let answers = Arc::clone(&due);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let with = answers.lock().unwrap().clone();
            // Whoever asked may have hung up.
            let _ = answer(&stream, &with);
        }
    });
    (url, due)
}

/// What holds of a failure, whatever was answered.
fn holds(error: &CarrierError, answer: &str) {
    let reason = match error {
        CarrierError::Final { reason } => {
            let refused = answer
                .lines()
                .any(|line| line.starts_with("HTTP/1") && line.split(' ').nth(1).is_some_and(|code| code.starts_with('4')));
            assert!(refused, "given up without a refusal: {answer:?}");
            reason
        }
        CarrierError::Retryable { reason, retry_after } => {
            assert!(retry_after.is_none_or(|seconds| seconds <= 3600));
            reason
        }
    };
    assert!(reason.chars().count() <= 200 && !reason.chars().any(char::is_control), "{reason:?}");
    assert!(!["LPA:1$", "@example", "whsec_"].iter().any(|secret| reason.contains(secret)), "{reason:?}");
}

#[test]
fn answers_of_carriers() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (url, due) = operator();
    let configured = format!(r#"{{"sandbox": {{"url": "{url}", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}}}}"#);
    let carriers = Carriers::from_json(&configured).unwrap();
    let (order_num, iccid) = ("EP5R8K2M9QW3TX7YB1".parse().unwrap(), "8934501234567890125".parse().unwrap());
    let activation = ProvisionRequest {
        order_num,
        subscription_id: "SU5R8K2M9QW3TX7YB1".to_owned(),
        iccid,
        plan_id: "sandbox-1gb-7d".to_owned(),
        add_on_ids: Vec::new(),
        imsi_profile: "1".to_owned(),
        requested_at: NOW,
    };
    let revocation = RevokeRequest {
        order_num: activation.order_num.clone(),
        iccid: activation.iccid.clone(),
        force: false,
        requested_at: NOW,
    };
    hunt(file!(), "carrier-answer", 2, |bytes| {
        *due.lock().unwrap() = bytes.to_vec();
        let told = String::from_utf8_lossy(bytes);
        let activated = runtime.block_on(carriers.provision("sandbox", &activation, NOW));
        match &activated {
            Ok(_) => assert!(told.contains("active"), "active without a word of it: {told:?}"),
            Err(error) => holds(error, &told),
        }
        match runtime.block_on(carriers.revoke("sandbox", &revocation, NOW)) {
            Ok(done) => {
                assert_eq!(done, Changed::Done);
                assert!(told.contains("revoked") || told.contains("unknown"), "revoked without a word of it: {told:?}");
            }
            Err(error) => holds(&error, &told),
        }
        activated.is_ok()
    });
}
