//! Leaves out of the binary that is deployed what only unwinding needs: it ends at a panic, and Lambda loads every byte of it.

use std::env;

const SCRIPT: &str = "no-unwinding.ld";

fn main() {
    println!("cargo::rerun-if-changed={SCRIPT}");
    // Tests and the local stack go on after a panic.
    if env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        for argument in ["-T", &format!("{}/{SCRIPT}", env!("CARGO_MANIFEST_DIR"))] {
            println!("cargo::rustc-link-arg-bins={argument}");
        }
    }
}
