//! The code that builds a rule.

use limit_core::Limits;
use limit_core::header_text::{Label, WriteText, labels, write_policies};
use proc_macro2::{Literal, TokenStream};
use quote::{ToTokens, quote_spanned};
use std::fmt::{self, Write};
use syn::{Expr, LitStr};

use crate::emit::context::Context;
use crate::emit::generics::{LastArg, may_take_last_arg};
use crate::emit::over_args;
use crate::exprs::name_span;
use crate::model::{ArgsExpr, Cost, Key, OnUnknown, Purpose, Rule, RuleLimits, Scope, Strategy};
use crate::spans::{self, respan};
use crate::tokens::readable;

/// The rules of all attributes, nested as pairs.
pub(crate) fn rules(context: &Context<'_>, state: &TokenStream, last: LastArg) -> TokenStream {
    let emitter = RuleEmitter {
        context,
        state,
        last,
    };
    let span = context.error_span;
    let rules = context.model.rules.iter().enumerate();
    rules
        .map(|rule| emitter.rule(rule))
        .rev()
        .reduce(|others, first| quote_spanned!(span=> (#first, #others)))
        .unwrap_or_default()
}

/// Emits rules for one implementation of the policy.
struct RuleEmitter<'a> {
    context: &'a Context<'a>,
    state: &'a TokenStream,
    last: LastArg,
}

impl RuleEmitter<'_> {
    fn rule(&self, (index, rule): (usize, &Rule)) -> TokenStream {
        let span = self.context.error_span;
        let runtime = self.context.runtime.at(span);
        let settings = settings(self.context, rule, index);
        if rule.budget_over_args().next().is_some() {
            return self.argument_rule(rule, &settings);
        }
        let constructor = runtime.rule();
        let key = self.key_with_scope(rule);
        let limits = self.limits(rule);
        let cost = self.cost(&rule.cost);
        let rule_before = quote_spanned!(span=> #constructor(#settings, #key, #limits, #cost));
        match rule.cost_over_args() {
            None => rule_before,
            Some(cost) => {
                let with_cost = runtime.with_cost();
                let cost = over_args::source(self.context, Purpose::Cost, cost);
                quote_spanned!(span=> #with_cost(#rule_before, #cost))
            }
        }
    }

    /// A rule that uses the arguments for more than the cost.
    fn argument_rule(&self, rule: &Rule, settings: &TokenStream) -> TokenStream {
        let span = self.context.error_span;
        let runtime = self.context.runtime.at(span);
        let constructor = runtime.argument_rule();
        let known = |source: TokenStream| self.known(&source);
        let over = |purpose, over| over_args::source(self.context, purpose, over);
        let key = self.key_over_args(&rule.key);
        let scope = match &rule.scope {
            Scope::Handler | Scope::Shared(_) => None,
            Scope::Expr(scope) => Some(known(self.source(Purpose::Scope, scope))),
            Scope::OverArgs(scope) => Some(over(Purpose::Scope, scope)),
        };
        let key = match scope {
            None => key,
            Some(scope) => {
                let key_with_scope = runtime.key_with_scope();
                quote_spanned!(span=> #key_with_scope(#scope, #key))
            }
        };
        let limits = match &rule.limits {
            RuleLimits::OverArgs(_) => self.limits(rule),
            RuleLimits::Literal(..) | RuleLimits::Expr(_) | RuleLimits::None => {
                known(self.limits(rule))
            }
        };
        let cost = match &rule.cost {
            Cost::OverArgs(cost) => over(Purpose::Cost, cost),
            Cost::Fixed(_) | Cost::Expr(_) => known(self.cost(&rule.cost)),
        };
        let state = respan(self.state, span);
        let first = over_args::first_type(self.context);
        quote_spanned! {span=>
            #constructor::<#state, #first, _, _, _>(#settings, #key, #limits, #cost)
        }
    }

    /// A key of which parts may be over the arguments.
    fn key_over_args(&self, key: &Key) -> TokenStream {
        match key {
            Key::OverArgs(_) => self.key(key),
            Key::Tuple(parts) if key.over_args().next().is_some() => {
                let parts = parts.iter().map(|part| self.key_over_args(part));
                let span = self.context.error_span;
                let key_tuple = self.context.runtime.at(span).key_tuple();
                quote_spanned!(span=> #key_tuple((#(#parts,)*)))
            }
            Key::Default | Key::Expr(_) | Key::Tuple(_) => self.known(&self.key(key)),
        }
    }

    /// A source that needs no argument, in a rule that uses arguments.
    fn known(&self, source: &TokenStream) -> TokenStream {
        let span = self.context.error_span;
        let known = self.context.runtime.at(span).known();
        quote_spanned!(span=> #known(#source))
    }

    /// The key, with what a scope function returns as a part of it.
    fn key_with_scope(&self, rule: &Rule) -> TokenStream {
        let key = self.key(&rule.key);
        match &rule.scope {
            Scope::Handler | Scope::Shared(_) | Scope::OverArgs(_) => key,
            Scope::Expr(scope) => {
                let span = self.context.error_span;
                let key_with_scope = self.context.runtime.at(span).key_with_scope();
                let scope = self.source(Purpose::Scope, scope);
                quote_spanned!(span=> #key_with_scope(#scope, #key))
            }
        }
    }

    fn key(&self, key: &Key) -> TokenStream {
        match key {
            Key::Default => self.context.runtime.default_key(),
            Key::Expr(expr) => self.source(Purpose::Key, expr),
            Key::OverArgs(key) => over_args::source(self.context, Purpose::Key, key),
            Key::Tuple(parts) => {
                let parts = parts.iter().map(|part| self.key(part));
                let span = self.context.error_span;
                let key_tuple = self.context.runtime.at(span).key_tuple();
                quote_spanned!(span=> #key_tuple((#(#parts,)*)))
            }
        }
    }

    fn limits(&self, rule: &Rule) -> TokenStream {
        match &rule.limits {
            RuleLimits::Literal(limits, span) => {
                let span = spans::hygienic_span_at(*span);
                let literal_limits = self.context.runtime.at(span).literal_limits();
                let pairs = limits.iter().map(|limit| {
                    let count = limit.count().get();
                    let millis = limit.window_millis();
                    quote_spanned!(span=> (#count, #millis))
                });
                let HeaderTexts {
                    policy,
                    state_prefixes,
                } = HeaderTexts::new(rule, limits);
                let unit = (!limits.unit().is_requests()).then(|| {
                    let unit = limits.unit();
                    let unit = unit.as_str();
                    quote_spanned!(span=> .unit(#unit))
                });
                // A static, because a constant cannot be a reference to what is made later.
                quote_spanned! {span=> {
                    static __LIMITS: #literal_limits =
                        #literal_limits::new([#(#pairs),*], #policy, &[#(#state_prefixes),*]) #unit;
                    &__LIMITS
                }}
            }
            RuleLimits::None => {
                let no_limits = self.context.runtime.no_limits();
                quote_spanned!(self.context.hygienic_span=> &#no_limits)
            }
            RuleLimits::Expr(expr) => self.source(Purpose::Limits, expr),
            RuleLimits::OverArgs(limits) => {
                over_args::source(self.context, Purpose::Limits, limits)
            }
        }
    }

    fn cost(&self, cost: &Cost) -> TokenStream {
        match cost {
            Cost::Fixed(cost) => cost.to_token_stream(),
            Cost::Expr(expr) => self.source(Purpose::Cost, expr),
            // Not known before the arguments are extracted.
            Cost::OverArgs(_) => 1_u64.to_token_stream(),
        }
    }

    /// Passes an expression of the user to the runtime. All tokens have the span of one token of
    /// it, so that the compiler reports a mistake once, and there.
    fn source(&self, purpose: Purpose, expr: &Expr) -> TokenStream {
        let span = name_span(expr);
        let runtime = self.context.runtime.at(span);
        let state = respan(self.state, span);
        if self.last == LastArg::InBody && may_take_last_arg(self.context, expr) {
            runtime.source_if_callable(purpose, expr, &state)
        } else {
            runtime.source(purpose, expr, &state)
        }
    }
}

/// The texts of response headers that are constant for literal limits.
#[derive(Default)]
struct HeaderTexts {
    /// The value of `RateLimit-Policy`.
    policy: String,
    /// For each limit, the value of `RateLimit` up to the units that remain.
    state_prefixes: Vec<String>,
}

impl HeaderTexts {
    /// Empty if headers show a burst instead of the limits, which the runtime knows how to write.
    fn new(rule: &Rule, limits: &Limits) -> Self {
        if let Strategy::Gcra { burst } = rule.strategy
            && limits.iter().any(|limit| burst > limit.count())
        {
            return Self::default();
        }
        let labels = || labels(&rule.label, limits);
        let state_prefix = |label: Label<'_>| text(|text| label.write_state_prefix(text));
        Self {
            policy: text(|text| write_policies(labels().zip(limits.iter().copied()), text)),
            state_prefixes: labels().map(state_prefix).collect(),
        }
    }
}

/// A header text.
struct Text(String);

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write_str(text)
    }
}

impl WriteText for Text {}

fn text(write: impl FnOnce(&mut Text) -> fmt::Result) -> String {
    let mut text = Text(String::new());
    // Writing to a string cannot fail.
    let _ = write(&mut text);
    text.0
}

/// The constant settings of a rule.
fn settings(context: &Context<'_>, rule: &Rule, index: usize) -> TokenStream {
    let (runtime, span) = (&context.runtime, context.hygienic_span);
    let config = runtime.policy_config();
    let name = LitStr::new(&rule.label, span);
    let scope = scope_setting(context, rule);
    let strategy = (rule.strategy != Strategy::MovingWindow).then(|| {
        let strategy = runtime.strategy(rule.strategy);
        quote_spanned!(span=> .strategy(#strategy))
    });
    let key_label = key_label(&rule.key).map(|label| quote_spanned!(span=> .key_label(#label)));
    let others = other_settings(context, rule);
    let declarations = &context.declarations;
    let index = Literal::usize_unsuffixed(index);
    let declared = quote_spanned!(span=> .declared(&#declarations[#index]));
    quote_spanned! {span=>
        const { &#config::new(#name, #scope) #declared #strategy #key_label #others }
    }
}

fn scope_setting(context: &Context<'_>, rule: &Rule) -> TokenStream {
    let (runtime, span) = (&context.runtime, context.hygienic_span);
    if let Scope::Shared(scope) = &rule.scope {
        let shared = runtime.scope_shared();
        return quote_spanned!(span=> #shared(#scope));
    }
    let constructor = match &rule.scope {
        Scope::Expr(_) | Scope::OverArgs(_) => runtime.scope_computed(),
        Scope::Handler | Scope::Shared(_) => runtime.scope_of_handler(),
    };
    let handler = context.handler_path();
    let identity = LitStr::new(&rule.identity, span);
    quote_spanned!(span=> #constructor(#handler, #identity))
}

/// The settings that few rules have.
fn other_settings(context: &Context<'_>, rule: &Rule) -> TokenStream {
    let (runtime, span) = (&context.runtime, context.hygienic_span);
    let mut settings = TokenStream::new();
    if !rule.methods.is_empty() {
        let methods = &rule.methods;
        settings.extend(quote_spanned!(span=> .methods(&[#(#methods),*])));
    }
    if let Some(wait) = rule.wait {
        let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        settings.extend(quote_spanned! {span=>
            .wait(::core::time::Duration::from_millis(#millis))
        });
    }
    if let Some(fallback) = rule.on_store_error {
        let fallback = runtime.fallback(fallback);
        settings.extend(quote_spanned!(span=> .on_store_error(#fallback)));
    }
    if rule.on_unknown == OnUnknown::Release {
        let release = runtime.on_unknown_release();
        settings.extend(quote_spanned!(span=> .on_unknown(#release)));
    }
    if let Some(cap) = rule.cap_cost {
        let cap = runtime.cost_cap(cap);
        settings.extend(quote_spanned!(span=> .cap_cost(#cap)));
    }
    if let Some(count_when) = &rule.count_when {
        let span = name_span(count_when);
        settings.extend(quote_spanned!(span=> .count_when(#count_when)));
    }
    if let Some(on_limited) = &rule.on_limited {
        let span = name_span(on_limited);
        let rejection = runtime.at(span).call_on_limited();
        settings.extend(quote_spanned! {span=>
            .on_limited(|__it| #rejection(#on_limited, __it))
        });
    }
    settings
}

/// The key as written, for logs and rejections. `None` for the default key of the limiter.
pub(crate) fn key_label(key: &Key) -> Option<String> {
    match key {
        Key::Default => None,
        Key::Expr(Expr::Closure(_)) => Some("a closure".to_owned()),
        Key::Expr(expr) | Key::OverArgs(ArgsExpr { expr, .. }) => Some(readable(expr)),
        Key::Tuple(parts) => {
            let labels: Vec<_> = parts.iter().filter_map(key_label).collect();
            Some(format!("({})", labels.join(", ")))
        }
    }
}
