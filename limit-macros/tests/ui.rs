//! What the attribute says when it refuses: our own words only, so any toolchain will do.

#[test]
fn refusals() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
