//! The release binaries: built as they are deployed, and started as Lambda starts them.

use flate2::Compression;
use flate2::write::DeflateEncoder;
use simdock_local::{Options, Stack};
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How often each is started; the middle time counts.
const STARTS: usize = 15;
/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// What a zip file adds to one compressed file: its header, its entry in the directory and the end, with the name `bootstrap`.
const ZIP_FRAME: usize = 30 + 46 + 22 + 2 * "bootstrap".len();
/// The least that a function can be.
const BARE: &str = "bare";

/// A binary.
#[derive(Clone, Copy, Debug)]
pub struct Binary {
    /// From the start of its process until it asks for its first event, in milliseconds.
    pub ms: f64,
    /// Its size.
    pub binary_bytes: usize,
    /// The size of the zip file that Lambda gets.
    pub zip_bytes: usize,
    /// The most memory that it had used by then, in megabytes.
    pub rss_mb: f64,
}

/// All binaries.
#[derive(Clone, Debug)]
pub struct Binaries {
    /// One that does nothing, built in the same run.
    pub bare: Binary,
    /// The functions', by package.
    pub functions: BTreeMap<String, Binary>,
}

/// The root of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Where cargo puts what it builds in this run.
fn target() -> PathBuf {
    let program = std::env::current_exe().expect("this program's path");
    program.ancestors().nth(2).expect("the target folder").to_owned()
}

/// What the profile `local` made.
pub fn quick(name: &str) -> PathBuf {
    target().join("local").join(name)
}

/// A release binary.
fn release(name: &str) -> PathBuf {
    target().join("release").join(name)
}

/// The functions' packages, without their prefix.
fn functions() -> Vec<String> {
    let folders = fs::read_dir(root().join("functions")).expect("the functions");
    let mut names: Vec<String> =
        folders.map(|folder| folder.expect("a folder").file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

/// Builds the release binaries, the functions and the bare one, by themselves, so that the local stack's features are not in them;
/// and what measures the stack, and the stack, as one runs them.
pub fn build() {
    let mut packages = functions();
    packages.push(BARE.to_owned());
    for (profile, packages) in [("release", &packages[..]), ("local", &["bench", "local"].map(str::to_owned))] {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--locked", "--profile", profile, "--target-dir"]).arg(target()).current_dir(root());
        for package in packages {
            cargo.args(["-p", &format!("simdock-{package}")]);
        }
        // What cargo tells this program about itself is nothing to the build scripts of others, which would run again for it.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CARGO_PKG_")) {
            cargo.env_remove(name);
        }
        cargo.env_remove("CARGO_MANIFEST_DIR").env_remove("CARGO_MANIFEST_PATH");
        assert!(cargo.status().expect("cargo runs").success(), "the {profile} binaries are not built");
    }
}

/// Starts every binary some times, in turns, so that whatever else the machine does falls on all of them.
pub async fn measure() -> Binaries {
    let stack = Stack::start(Options::default()).await.expect("a stack");
    let variables = |name: &str| stack.environment(name).cloned().unwrap_or_default();
    let mut names = functions();
    names.push(BARE.to_owned());
    let environments: Vec<(String, BTreeMap<String, String>)> =
        names.into_iter().map(|name| (name.clone(), variables(&name))).collect();
    let measured = tokio::task::spawn_blocking(move || {
        let mut times: BTreeMap<String, (Vec<f64>, f64)> = BTreeMap::new();
        for _ in 0..STARTS {
            for (name, variables) in &environments {
                let (ms, rss_mb) = start(&release(&format!("simdock-{name}")), variables);
                let (all, most) = times.entry(name.clone()).or_default();
                all.push(ms);
                *most = most.max(rss_mb);
            }
        }
        times
            .into_iter()
            .map(|(name, (mut times, rss_mb))| {
                let binary = fs::read(release(&format!("simdock-{name}"))).expect("the binary");
                let sizes =
                    Binary { ms: crate::median(&mut times), binary_bytes: binary.len(), zip_bytes: zipped(&binary), rss_mb };
                (name, sizes)
            })
            .collect::<BTreeMap<String, Binary>>()
    });
    let mut functions = measured.await.expect("the starts");
    stack.stop().await;
    let bare = functions.remove(BARE).expect("the bare one");
    Binaries { bare, functions }
}

/// Starts a binary and waits until it asks the Runtime API for an event: how long that took in milliseconds, and how much memory it
/// had used at most, in megabytes.
fn start(program: &Path, variables: &BTreeMap<String, String>) -> (f64, f64) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let begun = Instant::now();
    let mut process = Command::new(program)
        .env_clear()
        .envs(variables)
        .env("AWS_LAMBDA_RUNTIME_API", address)
        .env("AWS_LAMBDA_FUNCTION_NAME", "bench")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("the binary starts");
    let connection = first_request(&listener, &mut process);
    let ms = begun.elapsed().as_secs_f64() * 1e3;
    let rss_mb = memory_mb(process.id(), "VmHWM");
    // SIGKILL: it waits for an event that will not come.
    process.kill().expect("it ends");
    process.wait().expect("it ends");
    drop(connection);
    (ms, rss_mb)
}

fn first_request(listener: &TcpListener, process: &mut Child) -> TcpStream {
    listener.set_nonblocking(true).expect("a listener");
    let begun = Instant::now();
    let mut connection = loop {
        if let Ok((connection, _)) = listener.accept() {
            break connection;
        }
        assert!(begun.elapsed() < PATIENCE, "it does not ask for an event");
        assert!(process.try_wait().expect("the process").is_none(), "it ended");
        std::thread::sleep(Duration::from_micros(50));
    };
    connection.set_nonblocking(false).expect("a connection");
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0; 512];
        let count = connection.read(&mut byte).expect("a request");
        assert!(count > 0, "it hangs up");
        request.extend_from_slice(&byte[..count]);
    }
    assert!(request.starts_with(b"GET /2018-06-01/runtime/invocation/next "), "{}", String::from_utf8_lossy(&request));
    connection
}

/// A figure of a process's memory as Linux tells it, in megabytes.
pub fn memory_mb(process: u32, figure: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("a process of Linux");
    let line = status.lines().find(|line| line.starts_with(figure)).expect("the figure");
    line.split_whitespace().nth(1).and_then(|kilobytes| kilobytes.parse::<f64>().ok()).expect("a number") / 1024.0
}

fn zipped(binary: &[u8]) -> usize {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(binary).expect("memory");
    encoder.finish().expect("memory").len() + ZIP_FRAME
}
