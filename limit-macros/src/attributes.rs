//! The other attributes on the handler: which come first, and where each belongs afterwards.

use syn::{Attribute, Path};

/// What an attribute is to the expansion. Those of ours have been taken out before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Says something about the item; it goes onto the limited handler, lints reach inside.
    Outer,
    /// Says something about the code; it goes onto the function as written.
    Inner,
    /// May rewrite the function or remove it, so it must see the handler as written, before us.
    First,
}

pub(crate) fn role(attr: &Attribute) -> Role {
    let path = attr.path();
    let last = path
        .segments
        .last()
        .map(|segment| segment.ident.to_string());
    match last.as_deref() {
        // It calls the function under its own name with the arguments as written.
        Some("debug_handler") => Role::Inner,
        Some(word) if path.get_ident().is_some() => builtin(word),
        Some(_) if is_tool(path) => Role::Inner,
        _ => Role::First,
    }
}

fn builtin(word: &str) -> Role {
    match word {
        "doc" | "deprecated" | "must_use" | "allow" | "warn" | "deny" | "forbid" | "expect"
        | "no_mangle" | "export_name" | "link_section" | "used" => Role::Outer,
        "inline" | "cold" | "track_caller" | "target_feature" | "optimize" | "coverage" => {
            Role::Inner
        }
        _ => Role::First,
    }
}

fn is_tool(path: &Path) -> bool {
    path.segments.first().is_some_and(|tool| {
        ["rustfmt", "clippy", "diagnostic", "miri", "rust_analyzer"]
            .iter()
            .any(|name| tool.ident == name)
    })
}

/// Whether an attribute sets the level of lints.
pub(crate) fn is_lint(attr: &Attribute) -> bool {
    ["allow", "warn", "deny", "forbid", "expect"]
        .iter()
        .any(|level| attr.path().is_ident(level))
}
