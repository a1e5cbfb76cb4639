//! The policy type and its rules.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote_spanned};
use std::ops::Range;
use syn::Type;

use crate::emit::context::Context;
use crate::emit::generics::{self, LastArg};
use crate::emit::rule;
use crate::syntax::other_attributes::{is_lint, with_allow_for_expect};

pub(crate) fn emit(context: &Context<'_>) -> TokenStream {
    let (policy_type, span) = (&context.policy_type, context.hygienic_span);
    let vis = &context.handler.vis;
    let generics = &context.handler.sig.generics;
    let (_, _, where_clause) = generics.split_for_impl();
    let fields = generics::phantom_fields(generics, span);
    let lints = lint_attributes(context);
    let impls = generics::last_arg_cases(context)
        .iter()
        .map(|last| policy_impl(context, *last));
    quote_spanned! {span=>
        #[doc(hidden)]
        #lints
        #vis struct #policy_type #generics #fields #where_clause;
        #(#impls)*
    }
}

/// The lint levels of the handler, which apply to code in its attributes as well.
fn lint_attributes(context: &Context<'_>) -> TokenStream {
    let lints = context.handler.attrs.iter().filter(|attr| is_lint(attr));
    lints
        .map(|attr| with_allow_for_expect(attr).to_token_stream())
        .collect()
}

fn policy_impl(context: &Context<'_>, last: LastArg) -> TokenStream {
    let policy_type = &context.policy_type;
    let (_, type_generics, _) = context.handler.sig.generics.split_for_impl();
    // If a function is wrong, rustc reports it for the call, for the body and for the return type,
    // but only once for one span. The span has the user's hygiene, so that the message does not
    // mention a macro.
    let span = context.error_span;
    let runtime = context.runtime.at(span);
    let state = generics::state(context);
    let with_state = generics::with_state(context, &state, last);
    let (impl_generics, _, where_clause) = with_state.split_for_impl();
    let rules = rule::rules(context, &state, last);
    let lints = lint_attributes(context);
    let last = match last {
        LastArg::Any => None,
        LastArg::InHead => Some(runtime.last_in_head()),
        LastArg::InBody => Some(runtime.last_in_body()),
    };
    let PolicyTrait {
        policy_trait,
        rules_trait,
        join,
    } = PolicyTrait::new(context, &state, last.as_ref());
    quote_spanned! {span=>
        #lints
        impl #impl_generics #policy_trait for #policy_type #type_generics
        #where_clause
        {
            fn rules() -> impl #rules_trait {
                #rules
            }
            #join
        }
    }
}

/// What the policy type implements: one of three traits, by the arguments that rules use.
struct PolicyTrait {
    policy_trait: TokenStream,
    /// Of its rules.
    rules_trait: TokenStream,
    /// The function that puts the arguments together, if it has one.
    join: Option<TokenStream>,
}

impl PolicyTrait {
    fn new(context: &Context<'_>, state: &TokenStream, last: Option<&TokenStream>) -> Self {
        let span = context.error_span;
        let runtime = context.runtime.at(span);
        let last = last.map(|last| quote_spanned!(span=> , #last));
        let types = &context.arg_types;
        let used = context.model.arg_count();
        if used == 0 {
            let (policy_trait, rules_trait) = (runtime.policy_trait(), runtime.rules_trait());
            return Self {
                policy_trait: quote_spanned!(span=> #policy_trait<#state #last>),
                rules_trait: quote_spanned!(span=> #rules_trait<#state>),
                join: None,
            };
        }
        let rules_trait = runtime.argument_rules_trait();
        let tuple = |types: &[Type]| quote_spanned!(context.hygienic_span=> (#(#types,)*));
        let all = tuple(types);
        let Some((first, rest @ [_, ..])) = types.split_at_checked(used) else {
            let policy_trait = runtime.policy_over_all_arguments_trait();
            return Self {
                policy_trait: quote_spanned!(span=> #policy_trait<#state, #all #last>),
                rules_trait: quote_spanned!(span=> #rules_trait<#state, #all>),
                join: None,
            };
        };
        let (first, rest) = (tuple(first), tuple(rest));
        let policy_trait = runtime.policy_over_first_arguments_trait();
        Self {
            policy_trait: quote_spanned! {span=>
                #policy_trait<#state, #first, #rest, #all #last>
            },
            rules_trait: quote_spanned!(span=> #rules_trait<#state, #first>),
            join: Some(join(context, &[&first, &rest, &all])),
        }
    }
}

/// The function of a policy that puts the arguments together.
fn join(context: &Context<'_>, [first, rest, all]: &[&TokenStream; 3]) -> TokenStream {
    let span = context.hygienic_span;
    let names = |indices: Range<usize>| -> Vec<Ident> {
        let names = indices.map(|index| format_ident!("__a{index}", span = span));
        names.collect()
    };
    let (used, count) = (context.model.arg_count(), context.arg_types.len());
    let (of_first, of_rest, of_all) = (names(0..used), names(used..count), names(0..count));
    quote_spanned! {span=>
        fn join((#(#of_first,)*): #first, (#(#of_rest,)*): #rest) -> #all {
            (#(#of_all,)*)
        }
    }
}
