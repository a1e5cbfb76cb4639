//! Options whose values are text, words or lists.

use limit_core::Limits;
use proc_macro2::Ident;
use syn::{Expr, ExprLit, Lit, LitStr};

use crate::errors::Errors;
use crate::model::Scope;
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

/// `wait = "2s"`, in milliseconds. The text is what may stand behind the `/` of a limit.
pub(crate) fn wait(expr: &Expr, errors: &mut Errors) -> Option<u64> {
    let text = text(Opt::Wait, expr, errors)?;
    if text.value().contains([';', ',', '|', '/']) {
        errors.over(&text, "`wait` is one length of time, as in `wait = \"2s\"`");
        return None;
    }
    match Limits::parse(&format!("1/{}", text.value())) {
        Ok(limits) => Some(limits.first().window_millis()),
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
pub(crate) fn methods(expr: &Expr, errors: &mut Errors) -> Vec<String> {
    let Expr::Array(array) = expr else {
        errors.over(expr, format!("`methods` is {}", Opt::Methods.example()));
        return Vec::new();
    };
    if array.elems.is_empty() {
        errors.over(
            expr,
            "`methods` is empty, so that nothing would be limited: name a method, or leave `methods` out",
        );
    }
    let words = array.elems.iter();
    words
        .filter_map(|method| one_of(&unwrapped(method.clone()), "method", &METHODS, errors))
        .collect()
}

/// `on_store_error = deny`.
pub(crate) fn on_store_error(expr: &Expr, errors: &mut Errors) -> Option<String> {
    one_of(
        expr,
        "answer to a store's error",
        &["local", "allow", "deny"],
        errors,
    )
}

/// A word without quotes, one of those that are allowed.
fn one_of(expr: &Expr, what: &str, allowed: &[&str], errors: &mut Errors) -> Option<String> {
    if let Some(text) = literal(expr)
        && allowed.contains(&text.value().as_str())
    {
        errors.over(expr, format!("write it without quotes: `{}`", text.value()));
        return None;
    }
    let word = match expr {
        Expr::Path(path) => path.path.get_ident().map(Ident::to_string),
        _ => None,
    };
    if let Some(word) = &word
        && allowed.contains(&word.as_str())
    {
        return Some(word.clone());
    }
    let near = word.and_then(|word| {
        let by_case = allowed
            .iter()
            .find(|other| other.eq_ignore_ascii_case(&word));
        by_case
            .copied()
            .or_else(|| nearest(&word, allowed.iter().copied()))
    });
    let hint = hinted(did_you_mean(near));
    let all: Vec<_> = allowed.iter().map(|word| format!("`{word}`")).collect();
    errors.over(
        expr,
        format!("unknown {what}{hint} There are {}", all.join(", ")),
    );
    None
}

fn literal(expr: &Expr) -> Option<&LitStr> {
    match expr {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Some(text),
        _ => None,
    }
}
