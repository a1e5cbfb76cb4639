//! Attributes on the handler that are not `#[rate_limit]`: where each goes in the expansion.

use proc_macro2::Ident;
use syn::spanned::Spanned;
use syn::{Attribute, Meta, Path};

/// Where an attribute goes in the expansion.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placement {
    /// On the limited handler: it is about the item. Lint levels apply to the code inside as well.
    OuterFunction,
    /// On the function as written: it is about the code.
    InnerFunction,
    /// It may rewrite or remove the function, so it must see the handler as written, and expand
    /// before this macro.
    ExpandsFirst,
}

pub(crate) fn placement(attr: &Attribute) -> Placement {
    let path = attr.path();
    let last = path
        .segments
        .last()
        .map(|segment| segment.ident.to_string());
    match last.as_deref() {
        // It generates a call of the function by its name, with the arguments as written.
        Some("debug_handler") => Placement::InnerFunction,
        Some(word) if path.get_ident().is_some() => builtin_placement(word),
        Some(_) if is_tool_attribute(path) => Placement::InnerFunction,
        _ => Placement::ExpandsFirst,
    }
}

fn builtin_placement(word: &str) -> Placement {
    match word {
        "doc" | "deprecated" | "must_use" | "allow" | "warn" | "deny" | "forbid" | "expect"
        | "no_mangle" | "export_name" | "link_section" | "used" => Placement::OuterFunction,
        "inline" | "cold" | "track_caller" | "target_feature" | "optimize" | "coverage" => {
            Placement::InnerFunction
        }
        _ => Placement::ExpandsFirst,
    }
}

fn is_tool_attribute(path: &Path) -> bool {
    path.segments.first().is_some_and(|tool| {
        ["rustfmt", "clippy", "diagnostic", "miri", "rust_analyzer"]
            .iter()
            .any(|name| tool.ident == name)
    })
}

/// Whether an attribute sets the level of a lint.
pub(crate) fn is_lint(attr: &Attribute) -> bool {
    ["allow", "warn", "deny", "forbid", "expect"]
        .iter()
        .any(|level| attr.path().is_ident(level))
}

/// The attribute, with `allow` instead of `expect`: in an expansion with several items, an expected
/// lint occurs in only one of them.
pub(crate) fn with_allow_for_expect(attr: &Attribute) -> Attribute {
    let mut attr = attr.clone();
    if attr.path().is_ident("expect")
        && let Meta::List(list) = &mut attr.meta
    {
        list.path = Ident::new("allow", list.path.span()).into();
    }
    attr
}
