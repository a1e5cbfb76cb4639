//! What the compiler says about handlers that cannot be limited.
//!
//! Much of the wording is rustc's, and changes with it: these run on the toolchain they were written
//! with, and elsewhere are skipped. What the attribute itself says is tested in `limit-macros`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests"
)]

const TOOLCHAIN: &str = "rustc 1.95.";

#[test]
fn compile_errors_point_at_the_mistake() {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = std::process::Command::new(rustc).arg("--version").output();
    let version = String::from_utf8(version.unwrap().stdout).unwrap();
    if version.starts_with(TOOLCHAIN) {
        trybuild::TestCases::new().compile_fail("tests/ui/cases/*.rs");
    } else {
        eprintln!("skipped: the messages are those of {TOOLCHAIN}x, and this is {version}");
    }
}
