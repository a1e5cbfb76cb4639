//! The body of a policy: one rule for each attribute.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::ext::IdentExt;
use syn::{Expr, LitStr};

use crate::emit::Context;
use crate::generics::{self, Last};
use crate::model::{Cost, Fallback, Key, LimitsValue, Millis, Rule, Scope, Strategy};
use crate::render::readable;
use crate::spans::{self, respanned};

/// The rules of all attributes, nested as pairs.
pub(crate) fn rules(
    context: &Context<'_>,
    state: &TokenStream,
    place: Span,
    last: Last,
) -> TokenStream {
    let functions = Functions {
        context,
        state,
        last,
    };
    let rules = context.model.rules.iter();
    rules
        .map(|each| functions.rule(each, place))
        .rev()
        .reduce(|others, first| quote_spanned!(place=> (#first, #others)))
        .unwrap_or_default()
}

fn spec(context: &Context<'_>, rule: &Rule) -> TokenStream {
    let (private, site) = (&context.private, context.site);
    let name = LitStr::new(&rule.label, site);
    let place = {
        let handler = context.handler.sig.ident.unraw();
        let place = LitStr::new(&format!("::{handler}"), site);
        quote_spanned!(site=> ::core::concat!(::core::module_path!(), #place))
    };
    let identity = LitStr::new(&rule.identity, site);
    let scope = match &rule.scope {
        Scope::Shared(scope) => quote_spanned!(site=> #private::ScopeSpec::Shared(#scope)),
        Scope::Handler => quote_spanned! {site=>
            #private::ScopeSpec::Handler { path: #place, rule: #identity }
        },
        // What the function returns is a part of the key.
        Scope::Expr(_) => quote_spanned! {site=>
            #private::ScopeSpec::Computed { path: #place, rule: #identity }
        },
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
    if let Some(Millis(millis)) = rule.wait {
        settings.extend(quote_spanned! {site=>
            .wait(::core::time::Duration::from_millis(#millis))
        });
    }
    if let Some(fallback) = &rule.on_store_error {
        let fallback = match fallback {
            Fallback::Local => "Local",
            Fallback::Allow => "Allow",
            Fallback::Deny => "Deny",
        };
        let fallback = Ident::new(fallback, site);
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
        Key::Expr(expr) => Some(readable(expr)),
        Key::All(keys) => {
            let labels: Vec<_> = keys.iter().filter_map(label).collect();
            Some(format!("({})", labels.join(", ")))
        }
    }
}

/// Writes the sources of a policy's rules.
struct Functions<'a> {
    context: &'a Context<'a>,
    state: &'a TokenStream,
    last: Last,
}

impl Functions<'_> {
    fn rule(&self, rule: &Rule, place: Span) -> TokenStream {
        let private = respanned(&self.context.private, place);
        let spec = spec(self.context, rule);
        let key = self.scoped_key(rule);
        let limits = self.limits(&rule.limits);
        let cost = self.cost(&rule.cost);
        quote_spanned!(place=> #private::rule(#spec, #key, #limits, #cost))
    }

    /// The key, together with what a scope function returns.
    fn scoped_key(&self, rule: &Rule) -> TokenStream {
        let key = self.key(&rule.key);
        match &rule.scope {
            Scope::Handler | Scope::Shared(_) => key,
            Scope::Expr(scope) => {
                let context = self.context;
                let place = generics::place(context.model).unwrap_or(context.site);
                let private = respanned(&context.private, place);
                let scope = self.called("scope", "try_key", scope);
                quote_spanned!(place=> #private::scoped(#scope, #key))
            }
        }
    }

    fn key(&self, key: &Key) -> TokenStream {
        let (private, site) = (&self.context.private, self.context.site);
        match key {
            Key::Default => quote_spanned!(site=> #private::DefaultKey),
            Key::Expr(expr) => self.called("key", "try_key", expr),
            Key::All(keys) => {
                let keys = keys.iter().map(|each| self.key(each));
                let place = generics::place(self.context.model).unwrap_or(site);
                let private = respanned(private, place);
                quote_spanned!(place=> #private::All((#(#keys,)*)))
            }
        }
    }

    fn limits(&self, limits: &LimitsValue) -> TokenStream {
        let private = &self.context.private;
        match limits {
            LimitsValue::Parsed(limits, span) => {
                let site = spans::hygienic_at(*span);
                let pairs = limits.iter().map(|limit| {
                    let count = limit.count().get();
                    let millis = limit.window_millis();
                    quote_spanned!(site=> (#count, #millis))
                });
                quote_spanned!(site=> const { &#private::parsed([#(#pairs),*]) })
            }
            LimitsValue::Expr(expr) => self.called("limits", "try_limits", expr),
        }
    }

    fn cost(&self, cost: &Cost) -> TokenStream {
        match cost {
            Cost::Fixed(cost) => cost.to_token_stream(),
            Cost::Expr(expr) => self.called("cost", "try_cost", expr),
            // Not known yet: the check is a peek.
            Cost::Arguments(_) => 1_u32.to_token_stream(),
        }
    }

    /// Hands a function to the runtime. All of it stands at one token of the function, so that whatever is
    /// wrong with it is said once, and there. Where the body is read last, a function may turn out not to be callable.
    fn called(&self, role: &str, try_role: &str, function: &Expr) -> TokenStream {
        let span = generics::token(function);
        let private = respanned(&self.context.private, span);
        let state = respanned(self.state, span);
        let is_open = !matches!(function, Expr::Closure(_))
            && !generics::is_ours(function, self.context.model.krate.as_ref());
        if self.last == Last::InBody && is_open {
            let role = Ident::new(try_role, span);
            return quote_spanned! {span=> {
                let __it = #function;
                {
                    #[allow(unused_imports)]
                    use #private::{Callable as _, NotCallable as _};
                    #private::#role::<#state, _>(__it).source()
                }
            }};
        }
        let role = Ident::new(role, span);
        quote_spanned!(span=> { let __it = #function; #private::#role::<#state, _, _>(__it) })
    }
}
