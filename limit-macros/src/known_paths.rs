//! Functions and attributes of the runtime, recognised by their paths.
//!
//! A macro sees only source text. A path is taken for one of the runtime's if it is a single known
//! word, or a known word behind `limit_runtime` or behind the path that `crate = …` gives. Imports
//! under another name are not recognised.

use syn::{Expr, Path};

const KEY_FUNCTIONS: [&str; 4] = ["client_ip", "everyone", "header", "bearer"];

/// Which of the known functions of the runtime a path names.
pub(crate) fn runtime_function<'a>(
    path: &Path,
    crate_path: Option<&Path>,
    known: &[&'a str],
) -> Option<&'a str> {
    let last = path.segments.last()?;
    let name = known.iter().find(|name| last.ident == **name)?;
    let is_runtime =
        last.arguments.is_none() && (path.segments.len() == 1 || is_in_crate(path, crate_path));
    is_runtime.then_some(name)
}

/// Which key function of the runtime a path names.
pub(crate) fn key_function(path: &Path, crate_path: Option<&Path>) -> Option<&'static str> {
    runtime_function(path, crate_path, &KEY_FUNCTIONS)
}

/// Whether an expression is a key function of the runtime, such as `client_ip` or `header("x")`.
pub(crate) fn is_key_function(expr: &Expr, crate_path: Option<&Path>) -> bool {
    match expr {
        Expr::Path(path) => key_function(&path.path, crate_path).is_some(),
        Expr::Call(call) => is_key_function(&call.func, crate_path),
        _ => false,
    }
}

/// Whether a path is the scope function `route` of the runtime.
pub(crate) fn is_route(path: &Path, crate_path: Option<&Path>) -> bool {
    runtime_function(path, crate_path, &["route"]).is_some()
}

/// Whether the path of an attribute is this macro.
pub(crate) fn is_rate_limit(path: &Path, crate_path: Option<&Path>) -> bool {
    let names = || path.segments.iter().map(|segment| &segment.ident);
    let is_hidden = names()
        .rev()
        .nth(1)
        .is_some_and(|parent| parent == "__private");
    names().next_back().is_some_and(|last| last == "rate_limit")
        && (path.segments.len() == 1 || is_hidden || is_in_crate(path, crate_path))
}

/// Whether all segments but the last are `limit_runtime`, or the end of the path in `crate = …`.
fn is_in_crate(path: &Path, crate_path: Option<&Path>) -> bool {
    let names = |path: &Path| -> Vec<String> {
        let segments = path.segments.iter();
        segments.map(|segment| segment.ident.to_string()).collect()
    };
    let mut before = names(path);
    before.pop();
    if before == ["limit_runtime"] {
        return true;
    }
    !before.is_empty() && crate_path.is_some_and(|crate_path| names(crate_path).ends_with(&before))
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    #[test]
    fn the_attribute_is_recognised_by_its_path() {
        let crate_path: Path = parse_quote!(crate::server::limiting);
        let is = |path: Path| is_rate_limit(&path, Some(&crate_path));
        assert!(is(parse_quote!(rate_limit)));
        assert!(is(parse_quote!(limit_runtime::rate_limit)));
        assert!(is(parse_quote!(::limit_runtime::rate_limit)));
        assert!(is(parse_quote!(limiting::rate_limit)));
        assert!(is(parse_quote!(server::limiting::rate_limit)));
        assert!(is(parse_quote!(crate::server::limiting::rate_limit)));
        assert!(is(parse_quote!(::anything::__private::rate_limit)));
        assert!(!is(parse_quote!(other::rate_limit)));
        assert!(!is(parse_quote!(server::rate_limit)));
        assert!(!is(parse_quote!(limiting::rate_limited)));
        assert!(!is_rate_limit(&parse_quote!(limiting::rate_limit), None));
    }

    #[test]
    fn a_function_with_a_known_name_in_another_module_is_not_of_the_runtime() {
        let is = |path: Path| key_function(&path, None);
        assert_eq!(is(parse_quote!(client_ip)), Some("client_ip"));
        assert_eq!(
            is(parse_quote!(limit_runtime::client_ip)),
            Some("client_ip")
        );
        assert_eq!(is(parse_quote!(crate::keys::client_ip)), None);
        assert_eq!(is(parse_quote!(user)), None);
    }
}
