//! From the model to code. Nothing here can fail.
//!
//! The expansion is a hidden policy type, which knows the rules, and a function that routers call.
//! It takes the arguments of the handler as `Limited<Policy, (Arguments…)>`, an extractor that runs
//! the check, and calls the function as written.

// Paths of the runtime's items.
pub(crate) mod runtime;
// The types of the arguments, with elided lifetimes written as `'static`.
mod static_lifetimes;
// What all parts of the expansion need to know.
mod context;
// The generics of the policy, with the state of the router.
mod generics;
// The sources that are expressions over the arguments.
mod over_args;
// The code that builds a rule.
mod rule;
// What is known of a rule's budgets without a request.
mod known_budget;
// What the attributes say as text.
mod declaration;
// The policy type and its rules.
mod policy;
// The function as written.
mod inner_fn;
// The function that routers call.
mod outer_fn;
// The handler with the attribute moved below those of other macros.
pub(crate) mod moved;

use proc_macro2::TokenStream;
use quote::quote;

use crate::emit::context::Context;
use crate::model::Model;
use crate::syntax::handler::Handler;

/// The policy, and the handler with its limits.
pub(crate) fn emit(handler: &Handler, model: &Model) -> TokenStream {
    let context = Context::new(handler, model);
    let declaration = declaration::emit(&context);
    let policy = policy::emit(&context);
    let inner = inner_fn::emit(&context);
    if model.direct.is_some() {
        let outer = outer_fn::emit(&context, &TokenStream::new());
        quote!(#declaration #policy #inner #outer)
    } else {
        let outer = outer_fn::emit(&context, &inner);
        quote!(#declaration #policy #outer)
    }
}
