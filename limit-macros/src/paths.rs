//! Paths of this crate's items, as users write them.

use syn::Path;

/// The key functions of the runtime.
const KEY_FUNCTIONS: [&str; 4] = ["client_ip", "everyone", "header", "bearer"];

/// The name of a key or scope function of the runtime, if a path is one, as far as the source tells: `client_ip`,
/// `limit_runtime::client_ip`, or the path that `crate = …` gives.
pub(crate) fn own_function<'a>(
    path: &Path,
    krate: Option<&Path>,
    known: &[&'a str],
) -> Option<&'a str> {
    let last = path.segments.last()?;
    let name = known.iter().find(|name| last.ident == **name)?;
    let is_ours =
        last.arguments.is_none() && (path.segments.len() == 1 || is_in_crate(path, krate));
    is_ours.then_some(name)
}

/// The name of a key function of the runtime.
pub(crate) fn key_function(path: &Path, krate: Option<&Path>) -> Option<&'static str> {
    own_function(path, krate, &KEY_FUNCTIONS)
}

/// Whether a path is the runtime's scope function `route`.
pub(crate) fn is_route(path: &Path, krate: Option<&Path>) -> bool {
    own_function(path, krate, &["route"]).is_some()
}

/// Whether a path is this attribute: `rate_limit`, or one in the runtime crate. A renamed import cannot be seen.
pub(crate) fn is_rate_limit(path: &Path, krate: Option<&Path>) -> bool {
    let names = || path.segments.iter().map(|segment| &segment.ident);
    let is_hidden = names().rev().nth(1).is_some_and(|it| it == "__private");
    names().next_back().is_some_and(|last| last == "rate_limit")
        && (path.segments.len() == 1 || is_hidden || is_in_crate(path, krate))
}

/// Whether the path before the last segment is the runtime crate: `limit_runtime`, or the end of what `crate = …` says.
fn is_in_crate(path: &Path, krate: Option<&Path>) -> bool {
    let names = |path: &Path| -> Vec<String> {
        let segments = path.segments.iter();
        segments.map(|segment| segment.ident.to_string()).collect()
    };
    let mut before = names(path);
    before.pop();
    if before == ["limit_runtime"] {
        return true;
    }
    !before.is_empty() && krate.is_some_and(|krate| names(krate).ends_with(&before))
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    #[test]
    fn the_attribute_is_known_by_its_path() {
        let krate: Path = parse_quote!(crate::server::limiting);
        let is = |path: Path| is_rate_limit(&path, Some(&krate));
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
    fn a_function_of_that_name_in_another_module_is_not_the_runtimes() {
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
