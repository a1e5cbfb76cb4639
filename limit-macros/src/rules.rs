//! The body of a policy: one rule for each attribute.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::ext::IdentExt;
use syn::{Expr, LitStr};

use crate::emit::{Context, respanned};
use crate::generics;
use crate::model::{Cost, Key, LimitsValue, Rule, Scope, Strategy};

/// The rules of all attributes, nested as pairs.
pub(crate) fn rules(context: &Context<'_>, state: &TokenStream, place: Span) -> TokenStream {
    let rules = context.model.rules.iter().enumerate();
    rules
        .map(|(number, each)| rule(context, number, each, state, place))
        .rev()
        .reduce(|others, first| quote_spanned!(place=> (#first, #others)))
        .unwrap_or_default()
}

fn rule(
    context: &Context<'_>,
    number: usize,
    rule: &Rule,
    state: &TokenStream,
    place: Span,
) -> TokenStream {
    let private = respanned(&context.private, place);
    let spec = spec(context, number, rule);
    let key = scoped_key(context, rule, state);
    let limits = limits(context, &rule.limits, state);
    let cost = cost(context, &rule.cost, state);
    quote_spanned!(place=> #private::rule(#spec, #key, #limits, #cost))
}

fn spec(context: &Context<'_>, number: usize, rule: &Rule) -> TokenStream {
    let (private, site) = (&context.private, context.site);
    let handler = context.handler.sig.ident.unraw().to_string();
    // Handlers that share a budget show one name, too.
    let name = match (&rule.name, &rule.scope) {
        (Some(name), _) | (None, Scope::Shared(name)) => name.clone(),
        // Several policies show names that clients can tell apart.
        (None, Scope::Handler | Scope::Expr(_)) if number > 0 => {
            LitStr::new(&format!("{handler}-{}", number + 1), site)
        }
        (None, Scope::Handler | Scope::Expr(_)) => LitStr::new(&handler, site),
    };
    let scope = match &rule.scope {
        Scope::Shared(scope) => quote_spanned!(site=> #private::ScopeSpec::Shared(#scope)),
        // What the function returns is a part of the key.
        Scope::Expr(_) | Scope::Handler => {
            let place = LitStr::new(&format!("::{handler}"), site);
            let identity = match &rule.name {
                Some(name) => name.value(),
                None => label(&rule.key).unwrap_or_else(|| "client_ip".to_owned()),
            };
            let kind = Ident::new(
                if matches!(rule.scope, Scope::Expr(_)) {
                    "Computed"
                } else {
                    "Handler"
                },
                site,
            );
            quote_spanned! {site=>
                #private::ScopeSpec::#kind {
                    path: ::core::concat!(::core::module_path!(), #place),
                    rule: #identity,
                }
            }
        }
    };
    let strategy = match rule.strategy {
        Strategy::MovingWindow => None,
        Strategy::FixedWindow => Some(quote_spanned!(site=> Strategy::FixedWindow)),
        Strategy::SlidingWindow => Some(quote_spanned!(site=> Strategy::SlidingWindow)),
        Strategy::Gcra { burst } => {
            let burst = burst.get();
            Some(quote_spanned!(site=> gcra(#burst)))
        }
    };
    let strategy = strategy.map(|it| quote_spanned!(site=> .strategy(#private::#it)));
    let label = label(&rule.key).map(|it| quote_spanned!(site=> .key_label(#it)));
    let more = more(context, rule);
    quote_spanned!(site=> const { &#private::Spec::new(#name, #scope) #strategy #label #more })
}

/// The settings that few attributes have.
fn more(context: &Context<'_>, rule: &Rule) -> TokenStream {
    let (private, site) = (&context.private, context.site);
    let mut settings = TokenStream::new();
    if !rule.methods.is_empty() {
        let methods = &rule.methods;
        settings.extend(quote_spanned!(site=> .methods(&[#(#methods),*])));
    }
    if let Some(millis) = rule.wait {
        settings.extend(quote_spanned! {site=>
            .wait(::core::time::Duration::from_millis(#millis))
        });
    }
    if let Some(fallback) = &rule.on_store_error {
        let mut letters = fallback.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        let fallback: String = first.into_iter().chain(letters).collect();
        let fallback = Ident::new(&fallback, site);
        settings.extend(quote_spanned!(site=> .on_store_error(#private::Fallback::#fallback)));
    }
    if let Some(counts) = &rule.count_when {
        let span = generics::token(counts);
        settings.extend(quote_spanned!(span=> .count_when(#counts)));
    }
    if let Some(answer) = &rule.on_limited {
        let span = generics::token(answer);
        let private = respanned(private, span);
        settings.extend(quote_spanned! {span=>
            .on_limited(|__it| #private::answer(#answer, __it))
        });
    }
    settings
}

/// What is counted by, in the words of the source; nothing for the limiter's own key.
fn label(key: &Key) -> Option<String> {
    match key {
        Key::Default => None,
        Key::Expr(Expr::Closure(_)) => Some("a closure".to_owned()),
        Key::Expr(expr) => {
            let words = expr.to_token_stream().to_string();
            let spaced = [
                (" :: ", "::"),
                (" (", "("),
                (" < ", "<"),
                ("< ", "<"),
                (" >", ">"),
                (" !", "!"),
            ];
            let tidy = |words: String, (from, to)| words.replace(from, to);
            Some(spaced.into_iter().fold(words, tidy))
        }
        Key::All(keys) => {
            let labels: Vec<_> = keys.iter().filter_map(label).collect();
            Some(format!("({})", labels.join(", ")))
        }
    }
}

/// The key, together with what a scope function returns.
fn scoped_key(context: &Context<'_>, rule: &Rule, state: &TokenStream) -> TokenStream {
    let key = key(context, &rule.key, state);
    match &rule.scope {
        Scope::Handler | Scope::Shared(_) => key,
        Scope::Expr(scope) => {
            let place = generics::place(context.model).unwrap_or(context.site);
            let private = respanned(&context.private, place);
            let scope = called(context, "scope", scope, state);
            quote_spanned!(place=> #private::scoped(#scope, #key))
        }
    }
}

fn key(context: &Context<'_>, key: &Key, state: &TokenStream) -> TokenStream {
    let (private, site) = (&context.private, context.site);
    match key {
        Key::Default => quote_spanned!(site=> #private::DefaultKey),
        Key::Expr(expr) => called(context, "key", expr, state),
        Key::All(keys) => {
            let keys = keys.iter().map(|each| self::key(context, each, state));
            let place = generics::place(context.model).unwrap_or(site);
            let private = respanned(private, place);
            quote_spanned!(place=> #private::All((#(#keys,)*)))
        }
    }
}

fn limits(context: &Context<'_>, limits: &LimitsValue, state: &TokenStream) -> TokenStream {
    let private = &context.private;
    match limits {
        LimitsValue::Parsed(limits, span) => {
            let site = context.site.located_at(*span);
            let pairs = limits.iter().map(|limit| {
                let count = limit.count().get();
                let millis = limit.window_millis();
                quote_spanned!(site=> (#count, #millis))
            });
            quote_spanned!(site=> const { &#private::parsed([#(#pairs),*]) })
        }
        LimitsValue::Expr(expr) => called(context, "limits", expr, state),
    }
}

fn cost(context: &Context<'_>, cost: &Cost, state: &TokenStream) -> TokenStream {
    match cost {
        Cost::Fixed(cost) => cost.to_token_stream(),
        Cost::Expr(expr) => called(context, "cost", expr, state),
        // Not known yet: the check is a peek.
        Cost::Arguments { .. } => 1_u32.to_token_stream(),
    }
}

/// Hands a function to the runtime. All of it stands at one token of the function, so that whatever is
/// wrong with it is said once, and there.
fn called(context: &Context<'_>, role: &str, function: &Expr, state: &TokenStream) -> TokenStream {
    let span = generics::token(function);
    let private = respanned(&context.private, span);
    let state = respanned(state, span);
    let role = Ident::new(role, span);
    quote_spanned!(span=> { let __it = #function; #private::#role::<#state, _, _>(__it) })
}
