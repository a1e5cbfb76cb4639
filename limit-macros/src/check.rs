//! From the entries of an attribute to a rule, or to the reasons why not.

use limit_core::Limits;
use proc_macro2::{Ident, Span};
use syn::ext::IdentExt;
use syn::{Expr, ExprLit, Lit};

use crate::arguments::Bound;
use crate::errors::Errors;
use crate::keys::{self, Role};
use crate::model::{Cost, Key, LimitsValue, Model, Rule, Scope, Strategy};
use crate::options::{Opt, means_limits};
use crate::render::readable;
use crate::syntax::{Arguments, Entry, OptionValue};
use crate::{cost, identity};

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
            model.rules.push(rule);
        }
    }
    identity::assign(&mut model, &bound.handler.unraw().to_string(), errors);
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
        span,
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
        identity: String::new(),
        label: String::new(),
    };
    let mut cost_span = span;
    for entry in arguments.entries {
        match entry {
            Entry::Positional(expr) => {
                missing = false;
                if limits.is_some() {
                    second_limits(&expr, errors);
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
                let Some(value) = entry.value else { continue };
                match value {
                    OptionValue::Key(expr) => rule.key = keys::key(expr, bound, errors),
                    OptionValue::Cost(expr) => {
                        cost_span = entry.name;
                        keys::function(Role::Cost, &expr, bound, errors);
                        rule.cost = cost::cost(expr, bound, errors);
                    }
                    OptionValue::Scope(expr) => rule.scope = keys::scope(expr, bound, errors),
                    OptionValue::Strategy(strategy) => rule.strategy = strategy,
                    OptionValue::Methods(methods) => rule.methods = methods,
                    OptionValue::Wait(wait) => rule.wait = Some(wait),
                    OptionValue::CountWhen(expr) => rule.count_when = Some(expr),
                    OptionValue::OnLimited(expr) => rule.on_limited = Some(expr),
                    OptionValue::OnStoreError(fallback) => rule.on_store_error = Some(fallback),
                    OptionValue::Name(name) => rule.name = Some(name),
                    OptionValue::State(ty) => model.state = Some(ty),
                    OptionValue::Direct(ident) => model.direct = direct(ident, bound, errors),
                    OptionValue::Crate(path) => model.krate = Some(path),
                }
            }
        }
    }
    match limits {
        Some(expr) => rule.limits = limits_value(expr, bound, errors)?,
        None if missing => errors.at(span, MISSING_LIMITS),
        None => {}
    }
    cost::fits(&rule, cost_span, errors);
    Some(rule)
}

/// A second value without a name.
fn second_limits(expr: &Expr, errors: &mut Errors) {
    match keys::meant_option(expr) {
        Some(meant) => errors.over(
            expr,
            format!("only the limits stand without a name: write `{meant}`"),
        ),
        None => errors.over(expr, SECOND_LIMITS),
    }
}

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
    if let Expr::Macro(call) = &expr
        && keys::text_macro(&call.mac.path)
    {
        let text = readable(&expr);
        errors.over(
            &expr,
            format!("a text is not limits until it is parsed: write `limits!({text})`"),
        );
        return None;
    }
    keys::function(Role::Limits, &expr, bound, errors);
    Some(LimitsValue::Expr(expr))
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
