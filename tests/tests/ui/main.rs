//! Compile errors of handlers that cannot be limited.
//!
//! Much of the wording is that of rustc and changes with it, so these tests run only on the
//! toolchain for which they were written. `limit-macros` tests the errors of the macro itself.
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
