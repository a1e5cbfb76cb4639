//! Options whose values are text, words or lists.

use limit_core::Limits;
use proc_macro2::Ident;
use syn::{Expr, ExprLit, Lit, LitStr, Path};

use crate::errors::Errors;
use crate::model::{Fallback, Millis, Scope};
use crate::nearest::{did_you_mean, hinted, nearest};
use crate::options::Opt;
use crate::syntax::unwrapped;

/// Text that is not empty.
pub(crate) fn text(option: Opt, expr: &Expr, errors: &mut Errors) -> Option<LitStr> {
    let Some(text) = literal(expr) else {
        errors.over(expr, format!("`{option}` is {}", option.example()));
        return None;
    };
    if text.value().trim().is_empty() {
        errors.over(
            text,
            format!("`{option}` is empty: write {}", option.example()),
        );
        return None;
    }
    Some(text.clone())
}

/// `name = "…"`: names stand in response headers.
pub(crate) fn name(expr: &Expr, errors: &mut Errors) -> Option<LitStr> {
    let name = text(Opt::Name, expr, errors)?;
    let odd = name.value().chars().find(|c| !matches!(c, ' '..='~'));
    if let Some(odd) = odd {
        errors.over(
            &name,
            format!("`name` stands in response headers, so it is printable ASCII: {odd:?} is not"),
        );
        return None;
    }
    Some(name)
}

/// `scope = "…"`, or a function of extractors.
pub(crate) fn scope(expr: Expr, errors: &mut Errors) -> Scope {
    match &expr {
        Expr::Lit(_) => match text(Opt::Scope, &expr, errors) {
            Some(text) => Scope::Shared(text),
            None => Scope::Handler,
        },
        _ => Scope::Expr(expr),
    }
}

/// `wait = "2s"`. The text is what may stand behind the `/` of a limit.
pub(crate) fn wait(expr: &Expr, errors: &mut Errors) -> Option<Millis> {
    let text = text(Opt::Wait, expr, errors)?;
    if text.value().contains([';', ',', '|', '/']) {
        errors.over(&text, "`wait` is one length of time, as in `wait = \"2s\"`");
        return None;
    }
    match Limits::parse(&format!("1/{}", text.value())) {
        Ok(limits) => Some(Millis(limits.first().window_millis())),
        Err(error) => {
            errors.over(
                &text,
                format!("`wait` is not a length of time: {error}; write `wait = \"2s\"`"),
            );
            None
        }
    }
}

const METHODS: [&str; 9] = [
    "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT",
];

/// `methods = [GET, POST]`.
pub(crate) fn methods(expr: &Expr, errors: &mut Errors) -> Option<Vec<String>> {
    let Expr::Array(array) = expr else {
        errors.over(expr, format!("`methods` is {}", Opt::Methods.example()));
        return None;
    };
    if array.elems.is_empty() {
        errors.over(
            expr,
            "`methods` is empty, so that nothing would be limited: name a method, or leave `methods` out",
        );
    }
    let words = array.elems.iter();
    let words = words.filter_map(|method| {
        let allowed = METHODS.map(|name| (name, name));
        one_of(&unwrapped(method.clone()), "method", &allowed, errors)
    });
    Some(words.map(str::to_owned).collect())
}

const FALLBACKS: [(&str, Fallback); 3] = [
    ("local", Fallback::Local),
    ("allow", Fallback::Allow),
    ("deny", Fallback::Deny),
];

/// `on_store_error = deny`.
pub(crate) fn on_store_error(expr: &Expr, errors: &mut Errors) -> Option<Fallback> {
    one_of(expr, "answer to a store's error", &FALLBACKS, errors)
}

/// Whether a word is a value of `on_store_error`.
pub(crate) fn is_fallback(word: &str) -> bool {
    FALLBACKS.iter().any(|(name, _)| *name == word)
}

/// `crate = ::path`: an absolute path.
pub(crate) fn krate(path: Path, errors: &mut Errors) -> Option<Path> {
    let root = path
        .segments
        .first()
        .map(|segment| segment.ident.to_string());
    let absolute = path.leading_colon.is_some()
        || root.is_some_and(|root| root == "crate" || root == "$crate");
    if !absolute {
        let segments = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string());
        let relative = |segment: &String| segment == "self" || segment == "super";
        let root = if segments.clone().any(|segment| relative(&segment)) {
            "crate"
        } else {
            ""
        };
        let path_from_root: Vec<_> = segments.filter(|segment| !relative(segment)).collect();
        let fixed = format!("{root}::{}", path_from_root.join("::"));
        errors.over(
            &path,
            format!("`crate` takes an absolute path: write `crate = {fixed}`"),
        );
        return None;
    }
    Some(path)
}

/// A word without quotes, one of those that are allowed: what it stands for.
fn one_of<T: Copy>(
    expr: &Expr,
    what: &str,
    allowed: &[(&str, T)],
    errors: &mut Errors,
) -> Option<T> {
    let names = || allowed.iter().map(|(name, _)| *name);
    if let Some(text) = literal(expr)
        && names().any(|name| name == text.value())
    {
        errors.over(expr, format!("write it without quotes: `{}`", text.value()));
        return None;
    }
    let word = match expr {
        Expr::Path(path) => path.path.get_ident().map(Ident::to_string),
        _ => None,
    };
    if let Some((_, value)) = allowed
        .iter()
        .find(|(name, _)| word.as_deref() == Some(name))
    {
        return Some(*value);
    }
    let near = word.and_then(|word| {
        let by_case = names().find(|other| other.eq_ignore_ascii_case(&word));
        by_case.or_else(|| nearest(&word, names()))
    });
    let hint = hinted(did_you_mean(near));
    let all: Vec<_> = names().map(|word| format!("`{word}`")).collect();
    errors.over(
        expr,
        format!("unknown {what}{hint} There are {}", all.join(", ")),
    );
    None
}

/// The string that an expression is.
pub(crate) fn literal(expr: &Expr) -> Option<&LitStr> {
    match expr {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Some(text),
        _ => None,
    }
}
