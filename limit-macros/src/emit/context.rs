//! What all parts of the expansion need to know.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{FnArg, LitStr, ReturnType, Type};

use crate::emit::runtime::Runtime;
use crate::emit::static_lifetimes::with_static_lifetimes;
use crate::exprs::name_span;
use crate::known_paths::is_key_function;
use crate::model::Model;
use crate::spans;
use crate::syntax::handler::Handler;

pub(crate) struct Context<'a> {
    pub(crate) handler: &'a Handler,
    pub(crate) model: &'a Model,
    /// The name of the policy type.
    pub(crate) policy_type: Ident,
    /// The name of the static with the declarations of the rules.
    pub(crate) declarations: Ident,
    /// The types of the handler's arguments.
    pub(crate) arg_types: Vec<Type>,
    /// The paths of the runtime, with the hygienic span.
    pub(crate) runtime: Runtime,
    pub(crate) hygienic_span: Span,
    /// Where errors about the policy are shown.
    pub(crate) error_span: Span,
    /// Where errors about the response are shown.
    pub(crate) return_span: Span,
}

impl<'a> Context<'a> {
    pub(crate) fn new(handler: &'a Handler, model: &'a Model) -> Self {
        let hygienic_span = spans::hygienic_span();
        let sig = &handler.sig;
        let arg_types = sig.inputs.iter().filter_map(|arg| match arg {
            FnArg::Typed(arg) => Some(with_static_lifetimes(&arg.ty)),
            FnArg::Receiver(_) => None,
        });
        Self {
            handler,
            model,
            policy_type: format_ident!("__rate_limit_{}", sig.ident.unraw(), span = hygienic_span),
            declarations: format_ident!("__RATE_LIMIT_{}", sig.ident.unraw(), span = hygienic_span),
            arg_types: arg_types.collect(),
            runtime: Runtime::new(model),
            hygienic_span,
            error_span: policy_error_span(model).unwrap_or(hygienic_span),
            return_span: match &sig.output {
                ReturnType::Type(_, ty) => ty.span(),
                ReturnType::Default => sig.ident.span(),
            },
        }
    }

    /// The text of the handler's module path and name, as an expression.
    pub(crate) fn handler_path(&self) -> TokenStream {
        let span = self.hygienic_span;
        let name = LitStr::new(&format!("::{}", self.handler.sig.ident.unraw()), span);
        quote_spanned!(span=> ::core::concat!(::core::module_path!(), #name))
    }
}

/// The span of the first function of the user, or else of the first function of the runtime, which
/// is unlikely to be wrong.
fn policy_error_span(model: &Model) -> Option<Span> {
    let functions = model.extractor_fns();
    let by_user = functions
        .iter()
        .find(|function| !is_key_function(function, model.crate_path.as_ref()));
    by_user
        .or(functions.first())
        .map(|function| name_span(function))
}
