//! Paths of the runtime's items: the only place that names items of `limit_runtime::__private`.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};

use crate::model::{CostCap, Fallback, Model, Purpose, Strategy};
use crate::spans::{hygienic_span, respan};

/// The path of `__private`. All tokens have one span, except for a path that `crate = …` gives.
pub(crate) struct Runtime {
    private: TokenStream,
    span: Span,
}

/// Declares a method that returns the path of an item.
macro_rules! items {
    ($($method:ident: $($path:ident)::+;)*) => {
        $(
            pub(crate) fn $method(&self) -> TokenStream {
                self.path(&quote!($($path)::+))
            }
        )*
    };
}

impl Runtime {
    pub(crate) fn new(model: &Model) -> Self {
        let span = hygienic_span();
        let crate_path = match &model.crate_path {
            Some(path) => path.to_token_stream(),
            None => quote_spanned!(span=> ::limit_runtime),
        };
        Self {
            private: quote_spanned!(span=> #crate_path::__private),
            span,
        }
    }

    /// The paths with another span.
    pub(crate) fn at(&self, span: Span) -> Self {
        Self {
            private: respan(&self.private, span),
            span,
        }
    }

    items! {
        // The attribute itself.
        rate_limit: rate_limit;

        // The policy and its rules.
        policy_trait: Policy;
        rules_trait: Rules;
        last_in_head: LastInHead;
        last_in_body: LastInBody;
        rule: rule;
        policy_config: PolicyConfig;
        scope_shared: ScopeConfig::shared;
        scope_of_handler: ScopeConfig::handler;
        scope_computed: ScopeConfig::computed;
        literal_limits: LiteralLimits;
        no_limits: NO_LIMITS;
        default_key: DefaultKey;
        key_tuple: KeyTuple;
        key_with_scope: scoped;
        call_on_limited: call_on_limited;
        on_unknown_release: OnUnknown::Release;

        // Rules over the arguments.
        policy_over_all_arguments_trait: PolicyOverAllArguments;
        policy_over_first_arguments_trait: PolicyOverFirstArguments;
        argument_rules_trait: ArgumentRules;
        argument_rule: argument_rule;
        with_cost: with_cost;
        known: known;
        key_place: KeyPlace;

        // The list of all limits.
        rule_declaration: RuleDeclaration;
        handler_declaration: HandlerDeclaration;
        submit: submit;
        known_budget: KnownBudget;
        known_scope_fixed: KnownScope::Fixed;
        known_scope_function: KnownScope::Function;
        known_limits_expr: KnownLimits::Expr;
        known_limits_unknown: KnownLimits::Unknown;
        known_key_attribute: KnownKey::Attribute;
        known_key_default: KnownKey::Default;
        scope: Scope;
        is_route_function: is_route_function;
        constant_limits: constant_limits;
        built_in_key: built_in_key;
        convert_key: IntoKey::into_key;
        limits_macro: limits;

        // Extractors.
        request_extractor_trait: FromRequest;
        parts_extractor_trait: FromRequestParts;

        // The limited handler.
        limited_type: Limited;
        response_type: Response;
        respond: respond;
    }

    /// The function that makes a source of an expression over the arguments.
    pub(crate) fn source_over_args(&self, purpose: Purpose) -> TokenStream {
        self.path(&match purpose {
            Purpose::Key | Purpose::Scope => quote!(key_over),
            Purpose::Limits => quote!(limits_over),
            Purpose::Cost => quote!(cost_over),
        })
    }

    /// The function that converts what an expression over the arguments is.
    pub(crate) fn value_over_args(&self, purpose: Purpose) -> TokenStream {
        self.path(&match purpose {
            Purpose::Key | Purpose::Scope => quote!(key_value),
            Purpose::Limits => quote!(limits_value),
            Purpose::Cost => quote!(cost_value),
        })
    }

    /// An import of the traits that convert a key that is a place in the arguments.
    pub(crate) fn use_key_place_traits(&self) -> TokenStream {
        let private = &self.private;
        quote_spanned! {self.span=>
            #[allow(unused_imports)]
            use #private::{KeyByClone as _, KeyByReference as _, NotAKey as _};
        }
    }

    pub(crate) fn strategy(&self, strategy: Strategy) -> TokenStream {
        match strategy {
            Strategy::MovingWindow => self.path(&quote!(Strategy::MovingWindow)),
            Strategy::FixedWindow => self.path(&quote!(Strategy::FixedWindow)),
            Strategy::SlidingWindow => self.path(&quote!(Strategy::SlidingWindow)),
            Strategy::Gcra { burst } => {
                let gcra = self.path(&quote!(gcra));
                let burst = burst.get();
                quote_spanned!(self.span=> #gcra(#burst))
            }
        }
    }

    pub(crate) fn cost_cap(&self, cap: CostCap) -> TokenStream {
        match cap {
            CostCap::Units(units) => {
                let constructor = self.path(&quote!(CostCap::Units));
                quote_spanned!(self.span=> #constructor(#units))
            }
            CostCap::Percent(percent) => {
                let constructor = self.path(&quote!(CostCap::Percent));
                quote_spanned!(self.span=> #constructor(#percent))
            }
        }
    }

    pub(crate) fn fallback(&self, fallback: Fallback) -> TokenStream {
        self.path(&match fallback {
            Fallback::Local => quote!(Fallback::Local),
            Fallback::Allow => quote!(Fallback::Allow),
            Fallback::Deny => quote!(Fallback::Deny),
        })
    }

    /// The source of a value: `function` is an expression that is a constant or a function of
    /// extractors, and `state` is the type of the router's state.
    pub(crate) fn source(
        &self,
        purpose: Purpose,
        function: &impl ToTokens,
        state: &TokenStream,
    ) -> TokenStream {
        let constructor = self.path(&match purpose {
            Purpose::Key => quote!(key),
            Purpose::Limits => quote!(limits),
            Purpose::Scope => quote!(scope),
            Purpose::Cost => quote!(cost),
        });
        quote_spanned!(self.span=> { let __it = #function; #constructor::<#state, _, _>(__it) })
    }

    /// The source of a value, if the function may take the handler's last argument, which reads the
    /// body. Such a function cannot be called, which only its type shows.
    pub(crate) fn source_if_callable(
        &self,
        purpose: Purpose,
        function: &impl ToTokens,
        state: &TokenStream,
    ) -> TokenStream {
        let constructor = self.path(&match purpose {
            Purpose::Key | Purpose::Scope => quote!(try_key),
            Purpose::Limits => quote!(try_limits),
            Purpose::Cost => quote!(try_cost),
        });
        let private = &self.private;
        quote_spanned! {self.span=> {
            let __it = #function;
            {
                #[allow(unused_imports)]
                use #private::{Callable as _, NotCallable as _};
                #constructor::<#state, _>(__it).source()
            }
        }}
    }

    fn path(&self, item: &TokenStream) -> TokenStream {
        let private = &self.private;
        let item = respan(item, self.span);
        quote_spanned!(self.span=> #private::#item)
    }
}
