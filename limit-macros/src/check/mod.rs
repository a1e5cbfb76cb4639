//! From options and functions to the model, or to errors.

// Whether the handler is in an `impl` or `trait` block.
pub(crate) mod impl_block;
// Which functions can be limited handlers.
pub(crate) mod signature;
// The names that an expression uses but does not bind.
pub(crate) mod free_names;
// The arguments of the handler, and expressions over them.
pub(crate) mod handler_args;
// Expressions over the arguments, and mistakes in them.
mod over_args;
// Mistakes in functions of extractors.
mod extractor_fn;
// The limits, and `unit = …`.
mod limits;
// `cost = …`.
mod cost;
// `concurrency = …`, with or without limits.
mod concurrency;
// Estimates, and what settles them.
mod reservation;
// The identity and the label of each rule.
mod budget;

use limit_core::Limits;
use proc_macro2::{Ident, Span};
use syn::Expr;
use syn::ext::IdentExt;

use crate::check::concurrency::OptionSpans;
use crate::check::handler_args::HandlerArgs;
use crate::errors::Errors;
use crate::model::{Cost, Key, Model, OnUnknown, Purpose, Rule, RuleLimits, Scope, Strategy};
use crate::syntax::arguments::{Arguments, Entry, OptionValue};
use crate::syntax::options::{OptionName, means_limits};

/// The most `#[rate_limit]` attributes on a handler.
const MAX_RULES: usize = 8;

/// Checks all attributes on a handler. `None` after an error.
pub(crate) fn check(
    attributes: Vec<(Span, Arguments)>,
    args: &HandlerArgs,
    errors: &mut Errors,
) -> Option<Model> {
    let mut model = Model {
        rules: Vec::new(),
        crate_path: None,
        state: None,
        direct: None,
    };
    let count = attributes.len();
    let mut seen = SeenOptions::default();
    for (index, (span, arguments)) in attributes.into_iter().enumerate() {
        if index == MAX_RULES {
            errors.at_span(
                span,
                format!(
                    "this handler has {count} `#[rate_limit]` attributes, and at most {MAX_RULES} \
                     are allowed: write several limits in one string, `\"10/second; 100/minute\"`"
                ),
            );
        }
        seen.next_attribute();
        if let Some(rule) = check_rule(span, arguments, args, &mut model, &mut seen, errors) {
            model.rules.push(rule);
        }
    }
    reservation::check_argument(&model.rules, args, errors);
    budget::assign(&mut model, &args.handler.unraw().to_string(), errors);
    errors.is_empty().then_some(model)
}

/// The options seen so far, with the spans of their names.
#[derive(Default)]
struct SeenOptions(Vec<(OptionName, Span)>);

impl SeenOptions {
    /// Options that only one attribute of a handler can have.
    const ONCE_PER_HANDLER: [OptionName; 3] =
        [OptionName::State, OptionName::Direct, OptionName::Crate];

    /// Forgets the options that each attribute can have.
    fn next_attribute(&mut self) {
        self.0
            .retain(|(option, _)| Self::ONCE_PER_HANDLER.contains(option));
    }

    /// Reports an option that has been seen before.
    fn add(&mut self, option: OptionName, span: Span, errors: &mut Errors) {
        match self.0.iter().find(|(other, _)| *other == option) {
            Some((_, first)) => {
                errors.at_span(
                    span,
                    format!("`{option}` is written twice: remove one of the two"),
                );
                errors.at_span(*first, format!("`{option}` is first written here"));
            }
            None => self.0.push((option, span)),
        }
    }
}

/// Checks one attribute. `None` if its limits are invalid, which has been reported.
fn check_rule(
    attribute_span: Span,
    arguments: Arguments,
    args: &HandlerArgs,
    model: &mut Model,
    seen: &mut SeenOptions,
    errors: &mut Errors,
) -> Option<Rule> {
    let mut limits = None;
    let mut are_limits_missing = !arguments.has_invalid_entry;
    let mut has_named = false;
    let mut rule = Rule {
        attribute_span,
        // Placeholder: reading goes on without limits, so that all errors are reported at once.
        limits: RuleLimits::Literal(Limits::parse("1/s").ok()?, attribute_span),
        key: Key::Default,
        cost: Cost::Fixed(1),
        scope: Scope::Handler,
        name: None,
        strategy: Strategy::MovingWindow,
        methods: Vec::new(),
        wait: None,
        concurrency: None,
        hold_at_most: None,
        count_when: None,
        on_limited: None,
        on_store_error: None,
        dry_run: false,
        cap_cost: None,
        on_unknown: OnUnknown::Keep,
        identity: String::new(),
        label: String::new(),
    };
    let mut cost_span = attribute_span;
    let mut unit = None;
    let mut spans = OptionSpans::default();
    let mut of_estimates = Vec::new();
    for entry in arguments.entries {
        match entry {
            Entry::Positional(expr) => {
                are_limits_missing = false;
                if limits.is_some() {
                    report_second_value(&expr, errors);
                } else {
                    if has_named {
                        errors.at_tokens(&expr, LIMITS_NOT_FIRST);
                    }
                    limits = Some(expr);
                }
            }
            Entry::Unknown(name) => {
                has_named = true;
                are_limits_missing &= !means_limits(&name);
            }
            Entry::Named {
                option,
                name_span,
                value,
            } => {
                has_named = true;
                seen.add(option, name_span, errors);
                spans.add(option, name_span);
                let Some(value) = value else { continue };
                match value {
                    OptionValue::Key(expr) => rule.key = extractor_fn::key(expr, args, errors),
                    OptionValue::Cost(expr) => {
                        cost_span = name_span;
                        extractor_fn::check(Purpose::Cost, &expr, errors);
                        rule.cost = cost::cost(expr, args, errors);
                    }
                    OptionValue::CapCost(cap) => {
                        of_estimates.push((option, name_span));
                        rule.cap_cost = Some(cap);
                    }
                    OptionValue::OnUnknown(on_unknown) => {
                        of_estimates.push((option, name_span));
                        rule.on_unknown = on_unknown;
                    }
                    OptionValue::Scope(expr) => {
                        rule.scope = extractor_fn::scope(expr, args, errors);
                    }
                    OptionValue::Strategy(strategy) => rule.strategy = strategy,
                    OptionValue::Methods(methods) => rule.methods = methods,
                    OptionValue::Wait(wait) => rule.wait = Some(wait),
                    OptionValue::Concurrency(expr) => rule.concurrency = Some(expr),
                    OptionValue::HoldAtMost(time) => rule.hold_at_most = Some(time),
                    OptionValue::CountWhen(expr) => rule.count_when = Some(expr),
                    OptionValue::OnLimited(expr) => rule.on_limited = Some(expr),
                    OptionValue::OnStoreError(fallback) => rule.on_store_error = Some(fallback),
                    OptionValue::DryRun => rule.dry_run = true,
                    OptionValue::Unit(named) => unit = Some(named),
                    OptionValue::Name(name) => rule.name = Some(name),
                    OptionValue::State(ty) => model.state = Some(ty),
                    OptionValue::Direct(ident) => model.direct = check_direct(ident, args, errors),
                    OptionValue::Crate(path) => model.crate_path = Some(path),
                }
            }
        }
    }
    match limits {
        Some(expr) => rule.limits = limits::check(expr, unit, args, errors)?,
        // An invalid value of `concurrency` has been reported.
        None if spans.has_concurrency() && are_limits_missing => rule.limits = RuleLimits::None,
        None if are_limits_missing => errors.at_span(attribute_span, MISSING_LIMITS),
        None => {}
    }
    if rule.cap_cost.is_none() {
        cost::check_fits(&rule, cost_span, errors);
    }
    spans.check(&rule, errors);
    for (option, span) in of_estimates {
        reservation::check_option(option, span, &rule, errors);
    }
    Some(rule)
}

/// Reports a second value without a name.
fn report_second_value(expr: &Expr, errors: &mut Errors) {
    match extractor_fn::meant_option(expr) {
        Some(meant) => errors.at_tokens(
            expr,
            format!("this value has no name, and only the limits have none: write `{meant}`"),
        ),
        None => errors.at_tokens(expr, SECOND_LIMITS),
    }
}

const LIMITS_NOT_FIRST: &str =
    "the limits are behind an option: write them as the first argument, before all options";

const SECOND_LIMITS: &str = "this is a second value without a name, and only the limits have none: \
     write several limits in one string, `\"10/second; 100/minute\"`, \
     and everything else as `name = value`";

const MISSING_LIMITS: &str = "the limits are missing: \
     write them as the first argument, as in `#[rate_limit(\"10/minute\", key = client_ip)]`";

fn check_direct(ident: Ident, args: &HandlerArgs, errors: &mut Errors) -> Option<Ident> {
    if ident == args.handler {
        errors.at_span(
            ident.span(),
            format!(
                "`{ident}` is the name of the limited handler: \
                 write another name, as in `direct = {ident}_now`"
            ),
        );
        return None;
    }
    Some(ident)
}
