//! From the entries of an attribute to a rule, or to the reasons why not.

use limit_core::Limits;
use proc_macro2::{Ident, Span};
use std::fmt::Display;
use syn::{Expr, ExprLit, ExprUnary, Lit, LitStr, Path, UnOp};

use crate::arguments::Bound;
use crate::errors::Errors;
use crate::model::{Cost, Key, LimitsValue, Model, Rule, Scope, Strategy};
use crate::options::{Opt, means_limits};
use crate::strategy;
use crate::syntax::{Arguments, Entry, Value, unwrapped};
use crate::values;

/// The most key functions in a tuple.
const MAX_KEYS: usize = 8;
/// The most attributes on a handler.
const MAX_RULES: usize = 8;

/// What all the attributes mean together; `None` when an error has been said.
pub(crate) fn check(
    attributes: Vec<(Span, Arguments)>,
    bound: &Bound,
    errors: &mut Errors,
) -> Option<Model> {
    let mut model = Model {
        rules: Vec::new(),
        krate: None,
        state: None,
        direct: None,
    };
    let mut given = Given::default();
    for (number, (span, arguments)) in attributes.into_iter().enumerate() {
        if number == MAX_RULES {
            errors.at(
                span,
                format!("a handler has at most {MAX_RULES} `#[rate_limit]`"),
            );
        }
        given.next_attribute();
        if let Some(rule) = rule(span, arguments, bound, &mut model, &mut given, errors) {
            if model.rules.iter().any(|other| other.is_same_budget(&rule)) {
                errors.at(span, SAME_BUDGET);
            }
            model.rules.push(rule);
        }
    }
    errors.is_empty().then_some(model)
}

/// Where each option was given.
#[derive(Default)]
struct Given(Vec<(Opt, Span)>);

impl Given {
    /// Of the options, these may stand on one of several attributes; the others on each.
    const ONCE: [Opt; 3] = [Opt::State, Opt::Direct, Opt::Crate];

    fn next_attribute(&mut self) {
        self.0.retain(|(option, _)| Self::ONCE.contains(option));
    }

    fn note(&mut self, option: Opt, span: Span, errors: &mut Errors) {
        match self.0.iter().find(|(other, _)| *other == option) {
            Some((_, first)) => {
                errors.at(
                    span,
                    format!("`{option}` is given twice: remove one of the two"),
                );
                errors.at(*first, format!("`{option}` is given here first"));
            }
            None => self.0.push((option, span)),
        }
    }
}

fn rule(
    span: Span,
    arguments: Arguments,
    bound: &Bound,
    model: &mut Model,
    given: &mut Given,
    errors: &mut Errors,
) -> Option<Rule> {
    let mut limits = None;
    let mut missing = !arguments.broken;
    let mut named = false;
    let mut rule = Rule {
        limits: LimitsValue::Parsed(Limits::parse("1/s").ok()?, span),
        key: Key::Default,
        cost: Cost::Fixed(1),
        scope: Scope::Handler,
        name: None,
        strategy: Strategy::MovingWindow,
        methods: Vec::new(),
        wait: None,
        count_when: None,
        on_limited: None,
        on_store_error: None,
    };
    let mut cost_span = span;
    for entry in arguments.entries {
        match entry {
            Entry::Positional(expr) => {
                missing = false;
                if limits.is_some() {
                    errors.over(&expr, SECOND_LIMITS);
                } else if named {
                    errors.over(&expr, "the limits come first, before the named arguments");
                    limits = Some(expr);
                } else {
                    limits = Some(expr);
                }
            }
            Entry::Unknown(name) => {
                named = true;
                missing &= !means_limits(&name);
            }
            Entry::Named(entry) => {
                named = true;
                given.note(entry.option, entry.name, errors);
                match (entry.option, entry.value) {
                    (Opt::Key, Value::Expr(expr)) => {
                        rule.key = one_key(*expr, bound, errors);
                    }
                    (Opt::Cost, Value::Expr(expr)) => {
                        cost_span = entry.name;
                        rule.cost = cost(*expr, bound, errors);
                    }
                    (Opt::Scope, Value::Expr(expr)) => {
                        rule.scope = scope(*expr, bound, errors);
                    }
                    (Opt::Name, Value::Expr(expr)) => rule.name = values::name(&expr, errors),
                    (Opt::Methods, Value::Expr(expr)) => {
                        rule.methods = values::methods(&expr, errors);
                    }
                    (Opt::Wait, Value::Expr(expr)) => rule.wait = values::wait(&expr, errors),
                    (Opt::CountWhen, Value::Expr(expr)) => rule.count_when = Some(*expr),
                    (Opt::OnLimited, Value::Expr(expr)) => rule.on_limited = Some(*expr),
                    (Opt::OnStoreError, Value::Expr(expr)) => {
                        rule.on_store_error = values::on_store_error(&expr, errors);
                    }
                    (Opt::Strategy, Value::Expr(expr)) => {
                        rule.strategy = strategy::check(&expr, errors);
                    }
                    (Opt::State, Value::Type(ty)) => model.state = Some(*ty),
                    (Opt::Direct, Value::Ident(ident)) => {
                        model.direct = direct(ident, bound, errors);
                    }
                    (Opt::Crate, Value::Path(path)) => model.krate = krate(path, errors),
                    _ => {}
                }
            }
        }
    }
    match limits {
        Some(expr) => rule.limits = limits_value(expr, bound, errors)?,
        None if missing => errors.at(span, MISSING_LIMITS),
        None => {}
    }
    fits(&rule, cost_span, errors);
    Some(rule)
}

const SAME_BUDGET: &str = "another attribute has the same scope and key, so that each request would be charged twice to one \
     budget: write its limits in one string, `\"10/second; 100/minute\"`, or give one of the two another scope";

const SECOND_LIMITS: &str = "only the limits have no name, and they are given already: several stand in one string, \
     `\"10/second; 100/minute\"`; anything else is `name = value`";

const MISSING_LIMITS: &str = "the limits are missing: they come first, as in `#[rate_limit(\"10/minute\", key = client_ip)]`";

fn limits_value(expr: Expr, bound: &Bound, errors: &mut Errors) -> Option<LimitsValue> {
    if let Expr::Lit(ExprLit { lit, .. }) = &expr {
        let Lit::Str(text) = lit else {
            errors.over(lit, "the limits are a string, as in `\"10/minute\"`");
            return None;
        };
        return match Limits::parse(&text.value()) {
            Ok(limits) => Some(LimitsValue::Parsed(limits, text.span())),
            Err(error) => {
                errors.at(text.span(), error);
                None
            }
        };
    }
    not_over_arguments("limits", "|…| …", &expr, bound, errors);
    Some(LimitsValue::Expr(expr))
}

/// The whole key; a part of one may be a constant.
fn one_key(expr: Expr, bound: &Bound, errors: &mut Errors) -> Key {
    match &expr {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) if text.value().contains('-') => errors.over(
            text,
            format!(
                "a text as the key is one budget for everybody: write `key = header({:?})` to count by that header, or \
                 `key = everyone`",
                text.value()
            ),
        ),
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) if means_function(text) => errors.over(
            text,
            format!(
                "a text as the key is one budget for everybody: write it without quotes, `key = {}`, or `key = everyone`",
                text.value()
            ),
        ),
        Expr::Call(call) if call.args.is_empty() && ends_with(&call.func, "client_ip") => {
            errors.over(
                &expr,
                "a key function is named, not called: write `key = client_ip`",
            );
        }
        _ => {}
    }
    key(expr, bound, errors)
}

/// Whether text is not a word but what names or calls a function.
fn means_function(text: &LitStr) -> bool {
    let is_word = text.value().chars().all(char::is_alphanumeric);
    !is_word && matches!(text.parse(), Ok(Expr::Path(_) | Expr::Call(_)))
}

fn ends_with(function: &Expr, word: &str) -> bool {
    match function {
        Expr::Path(path) => path
            .path
            .segments
            .last()
            .is_some_and(|last| last.ident == word),
        _ => false,
    }
}

fn key(expr: Expr, bound: &Bound, errors: &mut Errors) -> Key {
    match expr {
        Expr::Tuple(tuple) if !tuple.elems.is_empty() => {
            if tuple.elems.len() > MAX_KEYS {
                errors.over(&tuple, format!("a key has at most {MAX_KEYS} parts"));
            }
            let keys = tuple.elems.into_iter();
            Key::All(
                keys.map(|expr| key(unwrapped(expr), bound, errors))
                    .collect(),
            )
        }
        expr => {
            not_over_arguments("key", "key = |…| …", &expr, bound, errors);
            Key::Expr(expr)
        }
    }
}

fn scope(expr: Expr, bound: &Bound, errors: &mut Errors) -> Scope {
    not_over_arguments("scope", "scope = |…| …", &expr, bound, errors);
    values::scope(expr, errors)
}

fn cost(expr: Expr, bound: &Bound, errors: &mut Errors) -> Cost {
    match &expr {
        Expr::Lit(ExprLit { lit, .. }) => Cost::Fixed(fixed_cost(lit, errors)),
        Expr::Unary(ExprUnary {
            op: UnOp::Neg(_),
            expr: number,
            ..
        }) if matches!(**number, Expr::Lit(_)) => {
            errors.over(
                &expr,
                "a cost is at least 1: a request cannot give budget back",
            );
            Cost::Fixed(1)
        }
        _ if bound.is_used_in(&expr) => Cost::Arguments {
            patterns: bound.patterns(&expr),
            expr,
        },
        _ => Cost::Expr(expr),
    }
}

fn fixed_cost(lit: &Lit, errors: &mut Errors) -> u32 {
    let Lit::Int(number) = lit else {
        errors.over(
            lit,
            "a cost is a whole number, a function of extractors, or an expression over the handler's arguments",
        );
        return 1;
    };
    match number.base10_parse::<u32>() {
        Ok(0) => {
            errors.over(number, "a cost is at least 1: for requests that cost nothing, let the key function return `None`");
            1
        }
        Ok(cost) => cost,
        Err(_) => {
            errors.over(number, "a cost is at most 4294967295");
            1
        }
    }
}

/// A literal cost above a literal limit would never be let through.
fn fits(rule: &Rule, span: Span, errors: &mut Errors) {
    let Cost::Fixed(cost @ 2..) = rule.cost else {
        return;
    };
    let mut never = |what: &str, most: &dyn Display| {
        let message = format!(
            "a cost of {cost} never fits: the {what} is {most}, so every request would be refused"
        );
        errors.at(span, message);
    };
    // A bucket holds its burst, whatever the limit says.
    if let Strategy::Gcra { burst } = rule.strategy {
        if burst.get() < cost {
            never("burst", &burst);
        }
    } else if let LimitsValue::Parsed(limits, _) = &rule.limits
        && let Some(limit) = limits.iter().find(|limit| limit.count().get() < cost)
    {
        never("limit", limit);
    }
}

fn direct(ident: Ident, bound: &Bound, errors: &mut Errors) -> Option<Ident> {
    if ident == bound.handler {
        errors.at(
            ident.span(),
            format!("`{ident}` is the limited handler: the bare function needs another name, as in `direct = {ident}_now`"),
        );
        return None;
    }
    Some(ident)
}

fn krate(path: Path, errors: &mut Errors) -> Option<Path> {
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

/// Keys and limits are needed before the handler's arguments are extracted.
fn not_over_arguments(what: &str, instead: &str, expr: &Expr, bound: &Bound, errors: &mut Errors) {
    if matches!(expr, Expr::Path(_)) {
        return;
    }
    if let Some(name) = bound.first_used_in(expr) {
        errors.at(
            name.span(),
            format!("the {what} cannot use the argument `{name}`, which is extracted after the check: write a function of extractors, `{instead}`"),
        );
    }
}
