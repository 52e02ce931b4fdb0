//! Cargo itself, for the tests that need binaries or the tree of crates.

use std::process::Command;

/// Runs cargo in the workspace and gives what it printed; panics if it fails.
pub fn cargo(arguments: &[&str]) -> String {
    let ran = Command::new(env!("CARGO")).current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).args(arguments).output();
    let ran = ran.expect("cargo runs");
    assert!(ran.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).expect("UTF-8")
}
