//! The policy type and its rules.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote_spanned};

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
    let policy_trait = runtime.policy_trait();
    let rules_trait = runtime.rules_trait();
    let charge = context
        .model
        .charges_after_extraction()
        .then(|| runtime.charge_after_extraction());
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
    let last = last.map(|last| quote_spanned!(span=> , #last));
    quote_spanned! {span=>
        #lints
        impl #impl_generics #policy_trait<#state #last> for #policy_type #type_generics
        #where_clause
        {
            #charge
            fn rules() -> impl #rules_trait<#state> {
                #rules
            }
        }
    }
}
