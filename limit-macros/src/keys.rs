//! Functions of extractors as written, and the mistakes in them that the source shows.

use quote::ToTokens;
use syn::visit::{self, Visit};
use syn::{
    Expr, ExprCall, ExprLit, GenericArgument, Lit, LitStr, Pat, Path, PathArguments, Type, UnOp,
};

use crate::arguments::{Argument, Bound};
use crate::errors::Errors;
use crate::model::{Key, Scope};
use crate::paths::{key_function, own_function};
use crate::render::readable;
use crate::syntax::unwrapped;
use crate::values;

/// The most key functions in a tuple.
const MAX_KEYS: usize = 8;

/// What is asked of a function of extractors.
#[derive(Clone, Copy)]
pub(crate) enum Role {
    Key,
    Limits,
    Scope,
    Cost,
}

impl Role {
    /// As the subject of a sentence.
    fn subject(self) -> &'static str {
        match self {
            Self::Key => "the key",
            Self::Limits => "the limits",
            Self::Scope => "the scope",
            Self::Cost => "a cost function",
        }
    }

    /// The subject with the verb for what is computed.
    fn is_computed(self) -> &'static str {
        match self {
            Self::Key => "the key is computed",
            Self::Limits => "the limits are computed",
            Self::Scope => "the scope is computed",
            Self::Cost => "a cost function is called",
        }
    }

    /// What stands before the function in the attribute.
    fn option(self) -> &'static str {
        match self {
            Self::Key => "key = ",
            Self::Limits => "",
            Self::Scope => "scope = ",
            Self::Cost => "cost = ",
        }
    }
}

/// The whole key; a part of one may be a constant.
pub(crate) fn key(expr: Expr, bound: &Bound, errors: &mut Errors) -> Key {
    if let Some(message) = constant_key(&expr) {
        errors.over(&expr, message);
    }
    part_of_key(expr, bound, errors)
}

fn part_of_key(expr: Expr, bound: &Bound, errors: &mut Errors) -> Key {
    match expr {
        Expr::Tuple(tuple) if !tuple.elems.is_empty() => {
            if tuple.elems.len() > MAX_KEYS {
                errors.over(&tuple, format!("a key has at most {MAX_KEYS} parts"));
            }
            let keys = tuple.elems.into_iter();
            Key::All(
                keys.map(|expr| part_of_key(unwrapped(expr), bound, errors))
                    .collect(),
            )
        }
        expr => {
            function(Role::Key, &expr, bound, errors);
            Key::Expr(expr)
        }
    }
}

/// `scope = "…"`, or a function of extractors.
pub(crate) fn scope(expr: Expr, bound: &Bound, errors: &mut Errors) -> Scope {
    function(Role::Scope, &expr, bound, errors);
    values::scope(expr, errors)
}

/// Reports what no function of extractors may do.
pub(crate) fn function(role: Role, expr: &Expr, bound: &Bound, errors: &mut Errors) {
    if !matches!(role, Role::Cost) {
        over_arguments(role, expr, bound, errors);
    }
    closure_of_the_body(role, expr, errors);
    called_or_not(role, expr, errors);
    header_names(expr, errors);
}

/// Reports our own functions that are called where they are named, and the other way round.
fn called_or_not(role: Role, expr: &Expr, errors: &mut Errors) {
    let option = role.option();
    match expr {
        Expr::Call(call) if call.args.is_empty() => {
            if let Expr::Path(function) = &*call.func
                && let Some(name) =
                    own_function(&function.path, None, &["client_ip", "bearer", "route"])
            {
                errors.over(
                    expr,
                    format!("a key function is named, not called: write `{option}{name}`"),
                );
            }
        }
        // A bare `header` may be a function of the user's.
        Expr::Path(path)
            if path.path.segments.len() > 1 && key_function(&path.path, None) == Some("header") =>
        {
            errors.over(
                expr,
                format!(
                    "`header` needs the name of the header: write `{option}header(\"x-api-key\")`"
                ),
            );
        }
        _ => {}
    }
}

/// Why a constant cannot be the whole key.
fn constant_key(expr: &Expr) -> Option<String> {
    const EVERYBODY: &str = "a constant as the key is one budget for everybody: write";
    let lit = match constant(expr)? {
        Constant::Literal(lit) => lit,
        Constant::MacroCall => {
            return Some(format!(
                "{EVERYBODY} `key = everyone` if that is meant, or `key = header(\"…\")` to count by a header"
            ));
        }
    };
    let Lit::Str(text) = lit else {
        return Some(format!(
            "{EVERYBODY} `key = everyone` if that is meant, or a function of extractors, as in `key = client_ip`"
        ));
    };
    let value = text.value();
    let value = value.trim();
    let function = names_function(text).then(|| format!("`key = {value}`, without quotes"));
    let is_own = ["client_ip", "everyone", "bearer"].contains(&value);
    let header = (is_header_name(value) && !is_own)
        .then(|| format!("`key = header({value:?})` to count by that header"));
    let everyone = if value == "everyone" {
        None
    } else {
        Some("`key = everyone`".to_owned())
    };
    let forms: Vec<_> = [header, function, everyone].into_iter().flatten().collect();
    let all = match forms.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{}, or {last}", others.join(", ")),
        None => String::new(),
    };
    let or_header = if forms.len() == 1 && value != "everyone" {
        " if that is meant, or `key = header(\"…\")` to count by a header"
    } else {
        ""
    };
    Some(format!("{EVERYBODY} {all}{or_header}"))
}

/// A key that is alike for all requests.
enum Constant<'a> {
    Literal(&'a Lit),
    /// `concat!(…)` and the like.
    MacroCall,
}

fn constant(expr: &Expr) -> Option<Constant<'_>> {
    match expr {
        Expr::Lit(ExprLit { lit, .. }) => Some(Constant::Literal(lit)),
        Expr::Paren(inner) => constant(&inner.expr),
        Expr::Group(inner) => constant(&inner.expr),
        Expr::Reference(inner) => constant(&inner.expr),
        Expr::Unary(inner) if matches!(inner.op, UnOp::Neg(_) | UnOp::Not(_)) => {
            constant(&inner.expr)
        }
        Expr::Block(block) => match block.block.stmts.as_slice() {
            [syn::Stmt::Expr(expr, None)] => constant(expr),
            _ => None,
        },
        // `"user".to_owned()` and the like.
        Expr::MethodCall(call) if call.args.is_empty() => constant(&call.receiver),
        Expr::Macro(call) => text_macro(&call.mac.path).then_some(Constant::MacroCall),
        _ => None,
    }
}

/// Whether a macro makes a constant text.
pub(crate) fn text_macro(path: &Path) -> bool {
    const TEXTS: [&str; 8] = [
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
    last.is_some_and(|last| TEXTS.iter().any(|text| last.ident == text))
}

/// Whether a text is the name of a function or a call of one.
fn names_function(text: &LitStr) -> bool {
    matches!(text.parse(), Ok(Expr::Path(_) | Expr::Call(_)))
}

/// Whether a header can have this name: the characters of a token in HTTP.
fn is_header_name(name: &str) -> bool {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    !name.is_empty() && name.chars().all(is_token)
}

/// Reports names that no header can have.
fn header_names(expr: &Expr, errors: &mut Errors) {
    struct Headers<'e>(&'e mut Errors);
    impl<'ast> Visit<'ast> for Headers<'_> {
        fn visit_expr_call(&mut self, call: &'ast ExprCall) {
            if let Expr::Path(function) = &*call.func
                && key_function(&function.path, None) == Some("header")
                && let Some(name) = call.args.first().map(|name| unwrapped(name.clone()))
                && let Some(name) = values::literal(&name)
                && !is_header_name(&name.value())
            {
                self.0.over(name, not_a_header(&name.value()));
            }
            visit::visit_expr_call(self, call);
        }
    }
    Headers(errors).visit_expr(expr);
}

fn not_a_header(name: &str) -> String {
    let words: Vec<_> = name.split_whitespace().collect();
    let likely = words.join("-").to_ascii_lowercase();
    let likely = likely.trim_end_matches(':');
    let example = if is_header_name(likely) {
        likely
    } else {
        "x-api-key"
    };
    format!(
        "{name:?} is not the name of a header: a name has letters, digits and `-`, as in `header({example:?})`"
    )
}

/// Reports arguments of a closure that read the body.
fn closure_of_the_body(role: Role, expr: &Expr, errors: &mut Errors) {
    let Expr::Closure(closure) = expr else {
        return;
    };
    for input in &closure.inputs {
        let Pat::Type(input) = input else { continue };
        let Some(name) = body_extractor(&input.ty) else {
            continue;
        };
        let instead = match role {
            Role::Cost => {
                "write an expression over the handler's arguments, as in `cost = inputs.len()`"
            }
            Role::Key | Role::Limits | Role::Scope => {
                "take it from the head of the request, such as a header, the path or the query"
            }
        };
        errors.over(
            &input.ty,
            format!(
                "{} before the body is read, and `{name}` reads the body: {instead}",
                role.is_computed()
            ),
        );
    }
}

/// The extractor in a type that reads the body, by its name.
pub(crate) fn body_extractor(ty: &Type) -> Option<String> {
    const BODY: [&str; 16] = [
        "Body",
        "Bytes",
        "BytesMut",
        "Cbor",
        "Form",
        "Json",
        "JsonDeserializer",
        "JsonLines",
        "MsgPack",
        "Multipart",
        "Protobuf",
        "RawForm",
        "Request",
        "String",
        "TypedMultipart",
        "Xml",
    ];
    match ty {
        Type::Path(path) => {
            let last = path.path.segments.last()?;
            if BODY.iter().any(|name| last.ident == name) {
                return Some(last.ident.to_string());
            }
            if !["Option", "Result", "Box", "Cached", "WithRejection"]
                .iter()
                .any(|name| last.ident == name)
            {
                return None;
            }
            let PathArguments::AngleBracketed(arguments) = &last.arguments else {
                return None;
            };
            match arguments.args.first()? {
                GenericArgument::Type(inner) => body_extractor(inner),
                _ => None,
            }
        }
        Type::Tuple(tuple) => tuple.elems.iter().find_map(body_extractor),
        Type::Paren(inner) => body_extractor(&inner.elem),
        Type::Group(inner) => body_extractor(&inner.elem),
        _ => None,
    }
}

/// Keys, limits and scopes are needed before the handler's arguments are extracted.
fn over_arguments(role: Role, expr: &Expr, bound: &Bound, errors: &mut Errors) {
    let Some(name) = bound.first_used_in(expr) else {
        return;
    };
    let used = bound.used_in(expr);
    let subject = role.subject();
    let in_the_body = used
        .iter()
        .find_map(|argument| body_extractor(&argument.ty));
    let message = if let Some(body) = in_the_body {
        format!(
            "{subject} cannot use the argument `{name}`: {} before the body is read, and `{body}` reads the body. Take it from the \
             head of the request, such as a header, the path or the query, in a function of extractors",
            role.is_computed()
        )
    } else {
        let arguments: Vec<_> = used.iter().copied().map(Argument::written).collect();
        let or_path = if matches!(expr, Expr::Path(_)) {
            format!("; for a function of that name write its path, `self::{name}`")
        } else {
            String::new()
        };
        format!(
            "{subject} cannot use the argument `{name}`, which is extracted after the check: write a function that extracts it, \
             `{}|{}| {}`{or_path}",
            role.option(),
            arguments.join(", "),
            readable(expr)
        )
    };
    errors.at(name.span(), message);
}

/// What a second value without a name was probably meant for: the whole entry as it should be.
pub(crate) fn meant_option(expr: &Expr) -> Option<String> {
    use crate::strategy;
    let word = strategy::word(expr);
    let is_strategy = |word: &String| strategy::ALL.contains(&word.as_str());
    Some(match expr {
        Expr::Path(_) if word.as_ref().is_some_and(is_strategy) => {
            format!("strategy = {}", readable(expr))
        }
        Expr::Path(_) if word.as_ref().is_some_and(|word| values::is_fallback(word)) => {
            format!("on_store_error = {}", readable(expr))
        }
        Expr::Call(call) if strategy::word(&call.func).as_ref().is_some_and(is_strategy) => {
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
    use syn::parse_quote;

    #[test]
    fn extractors_of_the_body_are_known_by_name() {
        let reads = |ty: Type| body_extractor(&ty);
        assert_eq!(reads(parse_quote!(Json<In>)).as_deref(), Some("Json"));
        assert_eq!(
            reads(parse_quote!(axum::extract::Request)).as_deref(),
            Some("Request")
        );
        assert_eq!(
            reads(parse_quote!(Option<Form<In>>)).as_deref(),
            Some("Form")
        );
        assert_eq!(
            reads(parse_quote!(Result<Json<In>, JsonRejection>)).as_deref(),
            Some("Json")
        );
        assert_eq!(
            reads(parse_quote!((Method, Bytes))).as_deref(),
            Some("Bytes")
        );
        assert_eq!(reads(parse_quote!(Path<String>)), None);
        assert_eq!(reads(parse_quote!(State<Arc<Json<In>>>)), None);
        assert_eq!(reads(parse_quote!(HeaderMap)), None);
    }

    #[test]
    fn header_names_are_tokens() {
        assert!(is_header_name("x-api-key"));
        assert!(is_header_name("X_Api.Key~1"));
        for name in ["", "X Api Key", "x-api-key:", "größe", "a/b", "a\"b"] {
            assert!(!is_header_name(name), "{name}");
        }
        assert!(not_a_header("X Api Key").contains("`header(\"x-api-key\")`"));
        assert!(not_a_header("größe").contains("`header(\"x-api-key\")`"));
    }
}
