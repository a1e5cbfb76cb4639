//! Options with texts, words or lists as values. Each function returns `None` after an error.

use limit_core::{Limits, MAX_COUNT};
use std::time::Duration;
use syn::{Expr, ExprLit, Lit, LitStr, Path};

use crate::did_you_mean::{closest, did_you_mean, with_hint};
use crate::errors::Errors;
use crate::exprs::{as_string, as_word, without_parens};
use crate::model::{CostCap, Fallback, OnUnknown};
use crate::syntax::options::OptionName;

/// A string that is not empty.
pub(crate) fn non_empty_string(
    option: OptionName,
    expr: &Expr,
    errors: &mut Errors,
) -> Option<LitStr> {
    let Some(text) = as_string(expr) else {
        errors.at_tokens(
            expr,
            format!("`{option}` is not a string: write {}", option.example()),
        );
        return None;
    };
    if text.value().trim().is_empty() {
        errors.at_tokens(
            text,
            format!("`{option}` is empty: write {}", option.example()),
        );
        return None;
    }
    Some(text.clone())
}

/// `name = "…"`, which is sent in response headers.
pub(crate) fn name(expr: &Expr, errors: &mut Errors) -> Option<LitStr> {
    let name = non_empty_string(OptionName::Name, expr, errors)?;
    let not_ascii = name.value().chars().find(|c| !matches!(c, ' '..='~'));
    if let Some(found) = not_ascii {
        errors.at_tokens(
            &name,
            format!(
                "`name` contains {found:?}, and is sent in response headers: \
                 write printable ASCII characters only"
            ),
        );
        return None;
    }
    Some(name)
}

/// `wait = "2s"` and `hold_at_most = "10m"`, written as the window of a limit.
pub(crate) fn duration(option: OptionName, expr: &Expr, errors: &mut Errors) -> Option<Duration> {
    let example = match option {
        OptionName::HoldAtMost => "`hold_at_most = \"10m\"`",
        _ => "`wait = \"2s\"`",
    };
    let text = non_empty_string(option, expr, errors)?;
    if text.value().contains([';', ',', '|', '/']) {
        errors.at_tokens(
            &text,
            format!("`{option}` is a single duration: write it as in {example}"),
        );
        return None;
    }
    match Limits::parse(&format!("1/{}", text.value())) {
        Ok(limits) => Some(Duration::from_millis(limits.first().window_millis())),
        Err(error) => {
            errors.at_tokens(
                &text,
                format!("`{option}` is not a duration: {error}; write it as in {example}"),
            );
            None
        }
    }
}

/// `concurrency = 4`: a number, or an expression of a constant, which the compiler evaluates.
pub(crate) fn concurrency(expr: Expr, errors: &mut Errors) -> Option<Expr> {
    let message = match &expr {
        Expr::Lit(ExprLit {
            lit: Lit::Int(number),
            ..
        }) => match number.base10_parse::<u64>() {
            Ok(1..=MAX_COUNT) => return Some(expr),
            Ok(0) => {
                "no request would be admitted with `concurrency = 0`: \
                 write a number of at least 1, or remove `concurrency`"
            }
            _ => "this is too many requests at once: write at most 999_999_999_999_999",
        },
        Expr::Lit(_) | Expr::Unary(_) | Expr::Closure(_) => {
            "`concurrency` is not a number of requests: \
             write a whole number or a constant of type `u64`, as in `concurrency = 4`"
        }
        _ => return Some(expr),
    };
    errors.at_tokens(expr, message);
    None
}

const METHODS: [&str; 9] = [
    "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT",
];

/// `methods = [GET, POST]`.
pub(crate) fn methods(expr: &Expr, errors: &mut Errors) -> Option<Vec<String>> {
    let Expr::Array(array) = expr else {
        errors.at_tokens(
            expr,
            format!(
                "`methods` is not a list: write {}",
                OptionName::Methods.example()
            ),
        );
        return None;
    };
    if array.elems.is_empty() {
        errors.at_tokens(
            expr,
            "`methods` is empty, so no request would be limited: \
             write a method, or remove `methods`",
        );
    }
    let allowed = METHODS.map(|name| (name, name));
    let methods = array.elems.iter().filter_map(|method| {
        let method = without_parens(method.clone());
        one_of(&method, ["method", "methods"], &allowed, errors)
    });
    Some(methods.map(str::to_owned).collect())
}

const FALLBACKS: [(&str, Fallback); 3] = [
    ("local", Fallback::Local),
    ("allow", Fallback::Allow),
    ("deny", Fallback::Deny),
];

/// `on_store_error = deny`.
pub(crate) fn on_store_error(expr: &Expr, errors: &mut Errors) -> Option<Fallback> {
    one_of(expr, ["fallback", "fallbacks"], &FALLBACKS, errors)
}

/// `on_unknown = release`.
pub(crate) fn on_unknown(expr: &Expr, errors: &mut Errors) -> Option<OnUnknown> {
    let allowed = [("keep", OnUnknown::Keep), ("release", OnUnknown::Release)];
    one_of(
        expr,
        ["value of `on_unknown`", "values of `on_unknown`"],
        &allowed,
        errors,
    )
}

/// `cap_cost = 5_000` or `cap_cost = "50%"`.
pub(crate) fn cap_cost(expr: &Expr, errors: &mut Errors) -> Option<CostCap> {
    let cap = match expr {
        Expr::Lit(ExprLit {
            lit: Lit::Int(number),
            ..
        }) => number
            .base10_parse()
            .ok()
            .filter(|units| (1..=MAX_COUNT).contains(units))
            .map(CostCap::Units),
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => {
            let text = text.value();
            let percent = text.trim().strip_suffix('%').map(str::trim_end);
            let percent = percent.and_then(|percent| percent.parse().ok());
            percent
                .filter(|percent| (1..=100).contains(percent))
                .map(CostCap::Percent)
        }
        _ => None,
    };
    if cap.is_none() {
        errors.at_tokens(
            expr,
            format!(
                "this is not a value for `cap_cost`: write {}",
                OptionName::CapCost.example()
            ),
        );
    }
    cap
}

/// Whether a word is a value of `on_store_error`.
pub(crate) fn is_fallback(word: &str) -> bool {
    FALLBACKS.iter().any(|(name, _)| *name == word)
}

/// `crate = ::path`: an absolute path.
pub(crate) fn crate_path(path: Path, errors: &mut Errors) -> Option<Path> {
    let root = path
        .segments
        .first()
        .map(|segment| segment.ident.to_string());
    let is_absolute = path.leading_colon.is_some()
        || root.is_some_and(|root| root == "crate" || root == "$crate");
    if !is_absolute {
        let segments = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string());
        let is_relative = |segment: &String| segment == "self" || segment == "super";
        let root = if segments.clone().any(|segment| is_relative(&segment)) {
            "crate"
        } else {
            ""
        };
        let path_from_root: Vec<_> = segments.filter(|segment| !is_relative(segment)).collect();
        let fixed = format!("{root}::{}", path_from_root.join("::"));
        errors.at_tokens(
            &path,
            format!("`crate` is a relative path: write an absolute one, `crate = {fixed}`"),
        );
        return None;
    }
    Some(path)
}

/// The value of one of the allowed words. The nouns say what they are, in singular and plural.
fn one_of<T: Copy>(
    expr: &Expr,
    [noun, nouns]: [&str; 2],
    allowed: &[(&str, T)],
    errors: &mut Errors,
) -> Option<T> {
    let names = || allowed.iter().map(|(name, _)| *name);
    if let Some(text) = as_string(expr)
        && names().any(|name| name == text.value())
    {
        let message = format!("this {noun} is in quotes: write `{}`", text.value());
        errors.at_tokens(expr, message);
        return None;
    }
    let word = as_word(expr);
    if let Some((_, value)) = allowed
        .iter()
        .find(|(name, _)| word.as_deref() == Some(name))
    {
        return Some(*value);
    }
    let misspelled = word.and_then(|word| {
        let in_other_case = names().find(|name| name.eq_ignore_ascii_case(&word));
        in_other_case.or_else(|| closest(&word, names()))
    });
    let hint = with_hint(did_you_mean(misspelled));
    let all: Vec<_> = names().map(|word| format!("`{word}`")).collect();
    errors.at_tokens(
        expr,
        format!("unknown {noun}{hint} The {nouns} are {}", all.join(", ")),
    );
    None
}
