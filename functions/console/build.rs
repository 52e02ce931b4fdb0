//! Leaves out of the binary that is deployed what only unwinding needs: it ends at a panic, and Lambda loads every byte of it.

use std::env;

const SCRIPT: &str = "no-unwinding.ld";

fn main() {
    println!("cargo::rerun-if-changed={SCRIPT}");
    let is = |variable, value| env::var(variable).is_ok_and(|found| found == value);
    // Tests and the local stack go on after a panic, and linkers elsewhere have no scripts.
    if is("PROFILE", "release") && is("CARGO_CFG_TARGET_OS", "linux") {
        for argument in ["-T", &format!("{}/{SCRIPT}", env!("CARGO_MANIFEST_DIR"))] {
            println!("cargo::rustc-link-arg-bins={argument}");
        }
    }
}
