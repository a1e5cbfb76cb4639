//! Functions of extractors as written: mistakes in them that the source shows.

use quote::ToTokens;
use syn::visit::{self, Visit};
use syn::{Expr, ExprCall, ExprLit, Lit, LitStr, Pat, Path, UnOp};

use crate::check::handler_args::HandlerArgs;
use crate::check::over_args;
use crate::did_you_mean::closest;
use crate::errors::Errors;
use crate::exprs::{as_string, as_word, without_parens};
use crate::known_paths::{key_function, runtime_function};
use crate::known_types::body_extractor;
use crate::model::{Key, Purpose, Scope};
use crate::syntax::options::OptionName;
use crate::syntax::{option_values, strategy};
use crate::tokens::readable;

/// The most key functions in a tuple.
const MAX_KEYS: usize = 8;

impl Purpose {
    /// That the function is called, as the start of a sentence.
    fn is_called(self) -> &'static str {
        match self {
            Self::Key => "a key function is called",
            Self::Limits => "a limits function is called",
            Self::Scope => "a scope function is called",
            Self::Cost => "a cost function is called",
        }
    }

    /// What precedes the function in the attribute.
    fn option(self) -> &'static str {
        match self {
            Self::Key => "key = ",
            Self::Limits => "",
            Self::Scope => "scope = ",
            Self::Cost => "cost = ",
        }
    }
}

/// Checks `key = …`. The whole key cannot be a constant; a part of a tuple can.
pub(crate) fn key(expr: Expr, args: &HandlerArgs, errors: &mut Errors) -> Key {
    if let Some(message) = constant_key_error(&expr) {
        errors.at_tokens(&expr, message);
    }
    part_of_key(expr, args, errors)
}

fn part_of_key(expr: Expr, args: &HandlerArgs, errors: &mut Errors) -> Key {
    match expr {
        Expr::Tuple(tuple) if !tuple.elems.is_empty() => {
            let count = tuple.elems.len();
            if count > MAX_KEYS {
                errors.at_tokens(
                    &tuple,
                    format!(
                        "this key has {count} parts, and at most {MAX_KEYS} are allowed: \
                         combine some of them in one key function"
                    ),
                );
            }
            let parts = tuple.elems.into_iter();
            Key::Tuple(
                parts
                    .map(|part| part_of_key(without_parens(part), args, errors))
                    .collect(),
            )
        }
        expr => {
            check(Purpose::Key, &expr, errors);
            match over_args::of(Purpose::Key, &expr, args, errors) {
                Some(over) => Key::OverArgs(over),
                None => Key::Expr(expr),
            }
        }
    }
}

/// Checks `scope = …`: a string, a function of extractors, or an expression over the arguments.
pub(crate) fn scope(expr: Expr, args: &HandlerArgs, errors: &mut Errors) -> Scope {
    check(Purpose::Scope, &expr, errors);
    match &expr {
        Expr::Lit(_) => match option_values::non_empty_string(OptionName::Scope, &expr, errors) {
            Some(text) => Scope::Shared(text),
            None => Scope::Handler,
        },
        _ => match over_args::of(Purpose::Scope, &expr, args, errors) {
            Some(over) => Scope::OverArgs(over),
            None => Scope::Expr(expr),
        },
    }
}

/// Reports what a function of extractors cannot do.
pub(crate) fn check(purpose: Purpose, expr: &Expr, errors: &mut Errors) {
    check_reads_no_body(purpose, expr, errors);
    check_call(purpose, expr, errors);
    check_header_names(expr, errors);
}

/// Reports functions of the runtime that are called instead of named, or named instead of called.
fn check_call(purpose: Purpose, expr: &Expr, errors: &mut Errors) {
    let option = purpose.option();
    match expr {
        Expr::Call(call) if call.args.is_empty() => {
            if let Expr::Path(function) = &*call.func
                && let Some(name) =
                    runtime_function(&function.path, None, &["client_ip", "bearer", "route"])
            {
                errors.at_tokens(
                    expr,
                    format!("`{name}` is called here: write its name only, `{option}{name}`"),
                );
            }
        }
        // A single word `header` may be a function of the user.
        Expr::Path(path)
            if path.path.segments.len() > 1 && key_function(&path.path, None) == Some("header") =>
        {
            errors.at_tokens(
                expr,
                format!("`header` has no header name: write `{option}header(\"x-api-key\")`"),
            );
        }
        _ => {}
    }
}

/// Why an expression cannot be the whole key, if it is a constant.
fn constant_key_error(expr: &Expr) -> Option<String> {
    const FOUND: &str = "a constant key is one budget shared by all clients: write";
    let literal = match innermost(expr) {
        Expr::Lit(ExprLit { lit, .. }) => Some(lit),
        Expr::Macro(call) if is_text_macro(&call.mac.path) => None,
        _ => return None,
    };
    let alternatives = match literal {
        Some(Lit::Str(text)) => alternatives_to_text(text),
        Some(_) => "`key = everyone` if you mean that, \
             or a function of extractors, as in `key = client_ip`"
            .to_owned(),
        None => EVERYONE_OR_HEADER.to_owned(),
    };
    Some(format!("{FOUND} {alternatives}"))
}

const EVERYONE_OR_HEADER: &str =
    "`key = everyone` if you mean that, or `key = header(\"…\")` to count by a header";

/// What to write instead of a string as the key: the string may be the name of a header or of a
/// function.
fn alternatives_to_text(text: &LitStr) -> String {
    let value = text.value();
    let value = value.trim();
    let is_key_function = ["client_ip", "everyone", "bearer"].contains(&value);
    let header = (is_header_name(value) && !is_key_function)
        .then(|| format!("`key = header({value:?})` to count by that header"));
    let function = names_function(text).then(|| format!("`key = {value}` without quotes"));
    if value == "everyone" {
        return function.unwrap_or_default();
    }
    match (header, function) {
        (Some(header), Some(function)) => format!("{header}, {function}, or `key = everyone`"),
        (Some(only), None) | (None, Some(only)) => format!("{only}, or `key = everyone`"),
        (None, None) => EVERYONE_OR_HEADER.to_owned(),
    }
}

/// The expression from which the value comes: without parentheses, references, signs, blocks and
/// method calls, such as `"user".to_owned()`.
fn innermost(expr: &Expr) -> &Expr {
    match expr {
        Expr::Paren(outer) => innermost(&outer.expr),
        Expr::Group(outer) => innermost(&outer.expr),
        Expr::Reference(outer) => innermost(&outer.expr),
        Expr::Unary(outer) if matches!(outer.op, UnOp::Neg(_) | UnOp::Not(_)) => {
            innermost(&outer.expr)
        }
        Expr::Block(block) => match block.block.stmts.as_slice() {
            [syn::Stmt::Expr(expr, None)] => innermost(expr),
            _ => expr,
        },
        Expr::MethodCall(call) if call.args.is_empty() => innermost(&call.receiver),
        expr => expr,
    }
}

/// Whether a macro produces a constant text, such as `concat!`.
pub(crate) fn is_text_macro(path: &Path) -> bool {
    const TEXT_MACROS: [&str; 8] = [
        "concat",
        "env",
        "file",
        "include_bytes",
        "include_str",
        "module_path",
        "option_env",
        "stringify",
    ];
    let last = path.segments.last();
    last.is_some_and(|last| TEXT_MACROS.iter().any(|name| last.ident == name))
}

/// Whether a text is the name of a function, or a call.
fn names_function(text: &LitStr) -> bool {
    matches!(text.parse(), Ok(Expr::Path(_) | Expr::Call(_)))
}

/// Whether a text is a valid name of a header: characters of an HTTP token.
fn is_header_name(name: &str) -> bool {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    !name.is_empty() && name.chars().all(is_token)
}

/// Reports invalid names in `header("…")`.
fn check_header_names(expr: &Expr, errors: &mut Errors) {
    struct HeaderCalls<'e>(&'e mut Errors);
    impl<'ast> Visit<'ast> for HeaderCalls<'_> {
        fn visit_expr_call(&mut self, call: &'ast ExprCall) {
            if let Expr::Path(function) = &*call.func
                && key_function(&function.path, None) == Some("header")
                && let Some(name) = call.args.first().map(|name| without_parens(name.clone()))
                && let Some(name) = as_string(&name)
                && !is_header_name(&name.value())
            {
                self.0.at_tokens(name, invalid_header_name(&name.value()));
            }
            visit::visit_expr_call(self, call);
        }
    }
    HeaderCalls(errors).visit_expr(expr);
}

fn invalid_header_name(name: &str) -> String {
    let words: Vec<_> = name.split_whitespace().collect();
    let similar = words.join("-").to_ascii_lowercase();
    let similar = similar.trim_end_matches(':');
    let example = if is_header_name(similar) {
        similar
    } else {
        "x-api-key"
    };
    format!(
        "{name:?} is not a valid name of a header: \
         write letters, digits and `-` only, as in `header({example:?})`"
    )
}

/// Reports arguments of a closure that read the body.
fn check_reads_no_body(purpose: Purpose, expr: &Expr, errors: &mut Errors) {
    let Expr::Closure(closure) = expr else {
        return;
    };
    for input in &closure.inputs {
        let Pat::Type(input) = input else { continue };
        let Some(extractor) = body_extractor(&input.ty) else {
            continue;
        };
        let example = match purpose {
            Purpose::Key => "`key = login.email`",
            Purpose::Limits => "`#[rate_limit(plan.limits())]`",
            Purpose::Scope => "`scope = request.model`",
            Purpose::Cost => "`cost = inputs.len()`",
        };
        errors.at_tokens(
            &input.ty,
            format!(
                "{} before the body is read, and `{extractor}` reads the body: \
                 write an expression over the handler's arguments, as in {example}",
                purpose.is_called()
            ),
        );
    }
}

/// The option for which a second value without a name was probably meant, with that value.
pub(crate) fn meant_option(expr: &Expr) -> Option<String> {
    let is_strategy = |word: &String| strategy::STRATEGIES.contains(&word.as_str());
    let is_fallback = |word: &String| option_values::is_fallback(word);
    let is_dry_run =
        |word: &String| closest(word, std::iter::once(OptionName::DryRun.name())).is_some();
    let word = as_word(expr);
    Some(match expr {
        Expr::Path(_) if word.as_ref().is_some_and(is_strategy) => {
            format!("strategy = {}", readable(expr))
        }
        Expr::Path(_) if word.as_ref().is_some_and(is_fallback) => {
            format!("on_store_error = {}", readable(expr))
        }
        Expr::Path(_) if word.as_ref().is_some_and(is_dry_run) => "dry_run".to_owned(),
        Expr::Call(call) if as_word(&call.func).as_ref().is_some_and(is_strategy) => {
            format!("strategy = {}", readable(expr))
        }
        Expr::Path(_) | Expr::Call(_) | Expr::Tuple(_) => format!("key = {}", readable(expr)),
        Expr::Closure(_) => "key = |…| …".to_owned(),
        Expr::Array(_) => format!("methods = {}", readable(expr)),
        Expr::Lit(ExprLit {
            lit: Lit::Int(_), ..
        }) => format!("cost = {}", expr.to_token_stream()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_name_is_an_http_token() {
        assert!(is_header_name("x-api-key"));
        assert!(is_header_name("X_Api.Key~1"));
        for name in ["", "X Api Key", "x-api-key:", "größe", "a/b", "a\"b"] {
            assert!(!is_header_name(name), "{name}");
        }
        assert!(invalid_header_name("X Api Key").contains("`header(\"x-api-key\")`"));
        assert!(invalid_header_name("größe").contains("`header(\"x-api-key\")`"));
    }
}
