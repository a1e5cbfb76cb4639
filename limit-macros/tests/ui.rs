//! The macro's own compile errors. They do not depend on the version of rustc.

#[test]
fn compile_errors() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
