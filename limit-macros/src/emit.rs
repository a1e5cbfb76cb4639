//! From the model to tokens. Nothing here can fail.
//!
//! Where each token stands is said with [`spans`].

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, FnArg, Meta, ReturnType, Type};

use crate::arguments::mentions;
use crate::attributes::{Role, is_lint, role};
use crate::free::bound_names;
use crate::generics::{self, Last};
use crate::handler::Handler;
use crate::lasting::lasting;
use crate::model::{Cost, Model, OverArguments};
use crate::rules;
use crate::spans::{self, respanned};

/// The path of the runtime crate.
pub(crate) fn crate_path(model: &Model) -> TokenStream {
    match &model.krate {
        Some(path) => path.to_token_stream(),
        None => quote_spanned!(spans::hygienic()=> ::limit_runtime),
    }
}

/// The policy, and the handler under it.
pub(crate) fn emit(handler: &Handler, model: &Model) -> TokenStream {
    let private = {
        let krate = crate_path(model);
        quote_spanned!(spans::hygienic()=> #krate::__private)
    };
    let policy = Ident::new(
        &format!("__rate_limit_{}", handler.sig.ident.unraw()),
        spans::hygienic(),
    );
    let context = Context {
        handler,
        model,
        private,
        policy,
        site: spans::hygienic(),
    };
    let policy = context.policy();
    let (direct, inner) = context.inner();
    let outer = context.outer(&inner);
    quote!(#policy #direct #outer)
}

pub(crate) struct Context<'a> {
    pub(crate) handler: &'a Handler,
    pub(crate) model: &'a Model,
    pub(crate) private: TokenStream,
    policy: Ident,
    pub(crate) site: Span,
}

impl Context<'_> {
    /// The policy type, and what it knows.
    fn policy(&self) -> TokenStream {
        let Self { policy, site, .. } = self;
        let vis = &self.handler.vis;
        let generics = &self.handler.sig.generics;
        let (_, _, where_clause) = generics.split_for_impl();
        let fields = generics::phantom(generics, *site);
        let lints = self.lints();
        let impls = generics::policies(self)
            .iter()
            .map(|last| self.policy_impl(*last));
        quote_spanned! {*site=>
            #[doc(hidden)]
            #lints
            #vis struct #policy #generics #fields #where_clause;
            #(#impls)*
        }
    }

    /// What is allowed in the handler is in its attribute.
    fn lints(&self) -> TokenStream {
        let lints = self.handler.attrs.iter().filter(|attr| is_lint(attr));
        lints.map(|attr| allowed(attr).to_token_stream()).collect()
    }

    /// The rules, for a handler whose last argument is of this kind.
    fn policy_impl(&self, last: Last) -> TokenStream {
        let Self { policy, site, .. } = self;
        let (_, type_generics, _) = self.handler.sig.generics.split_for_impl();
        // All of it at one place, the function that may be wrong: rustc repeats a mistake for the call,
        // for the whole body and for its type, and leaves out what repeats at the same place. It is the
        // user's own place, so that the message does not speak of macros.
        let place = generics::place(self.model).unwrap_or(*site);
        let private = respanned(&self.private, place);
        let how = self
            .model
            .charges_later()
            .then(|| quote_spanned!(place=> const HOW: #private::Admit = #private::Admit::AfterExtraction;));
        let state = generics::state(self, place);
        let under_state = generics::under_state(self, &state, last);
        let (impl_generics, _, bounds) = under_state.split_for_impl();
        let rules = rules::rules(self, &state, place, last);
        let lints = self.lints();
        let last = match last {
            Last::Any => TokenStream::new(),
            Last::InHead => quote_spanned!(place=> , #private::LastInHead),
            Last::InBody => quote_spanned!(place=> , #private::LastInBody),
        };
        quote_spanned! {place=>
            #lints
            impl #impl_generics #private::Policy<#state #last> for #policy #type_generics #bounds {
                #how
                fn rules() -> impl #private::Rules<#state> {
                    #rules
                }
            }
        }
    }

    /// The function as written: next to the handler under its direct name, or inside it.
    fn inner(&self) -> (TokenStream, TokenStream) {
        let Handler {
            vis, sig, attrs, ..
        } = self.handler;
        let body = self.body();
        let attrs = attrs.iter().filter(|attr| role(attr) == Role::Inner);
        let Some(direct) = &self.model.direct else {
            return (TokenStream::new(), quote!(#(#attrs)* #sig #body));
        };
        let mut sig = sig.clone();
        sig.ident = direct.clone();
        let beside = |attr: &&Attribute| is_lint(attr) || attr.path().is_ident("doc");
        let others = self.handler.attrs.iter().filter(beside).map(allowed);
        (
            quote!(#(#others)* #(#attrs)* #vis #sig #body),
            TokenStream::new(),
        )
    }

    /// The body of the function as written. What only a cost uses is used here too, lest it be called unused; and a
    /// direct function may call itself by the handler's name.
    fn body(&self) -> Group {
        let Handler { sig, body, .. } = self.handler;
        let site = self.site;
        let uses = self.model.over_arguments().flat_map(|over| &over.uses);
        let uses = quote_spanned!(site=> #(let _ = &#uses;)*);
        let is_argument = sig.inputs.iter().any(|argument| match argument {
            FnArg::Typed(argument) => bound_names(&argument.pat).contains(&sig.ident),
            FnArg::Receiver(_) => false,
        });
        let by_name = match &self.model.direct {
            Some(direct) if !is_argument && mentions(body.stream(), &sig.ident.to_string()) => {
                let name = &sig.ident;
                quote_spanned! {site=>
                    #[allow(unused_imports)]
                    use #direct as #name;
                }
            }
            _ => TokenStream::new(),
        };
        if uses.is_empty() && by_name.is_empty() {
            return body.clone();
        }
        let (inner_attributes, rest) = split_inner_attributes(body);
        let content = if by_name.is_empty() {
            quote_spanned!(site=> #inner_attributes #uses #rest)
        } else {
            // In a block of its own, where the user's items may have the handler's name.
            let mut block = Group::new(Delimiter::Brace, rest);
            block.set_span(body.span());
            quote_spanned!(site=> #inner_attributes #by_name #uses #block)
        };
        let mut block = Group::new(Delimiter::Brace, content);
        block.set_span(body.span());
        block
    }

    /// What routers call: the check has run when its body does.
    fn outer(&self, inner: &TokenStream) -> TokenStream {
        let Self {
            private,
            policy,
            site,
            ..
        } = self;
        let Handler {
            vis,
            sig,
            body,
            attrs,
        } = self.handler;
        let attrs = attrs
            .iter()
            .filter(|attr| matches!(role(attr), Role::Outer | Role::First))
            .filter(|attr| !says_what_a_future_says(attr))
            .map(|attr| match self.model.direct {
                Some(_) => allowed(attr),
                None => attr.clone(),
            });
        let fn_token = &sig.fn_token;
        let ident = &sig.ident;
        let (impl_generics, type_generics, where_clause) = sig.generics.split_for_impl();
        let types = self.argument_types();
        let output = {
            // Where the answer is, so that rustc does not repeat what is wrong with it. With lifetimes it has to be of
            // the edition of this crate, in which `impl` captures them.
            let span = match sig.generics.lifetimes().next() {
                Some(_) => spans::hygienic_at(self.return_span()),
                None => self.return_span(),
            };
            let private = respanned(private, span);
            quote_spanned!(span=> impl ::core::future::Future<Output = #private::Response>)
        };
        let answer = self.answer();
        let content = quote_spanned!(*site=> #inner #answer);
        let mut block = Group::new(Delimiter::Brace, content);
        block.set_span(body.span());
        quote_spanned! {*site=>
            #(#attrs)*
            #vis #fn_token #ident #impl_generics (
                __limited: #private::Limited<#policy #type_generics, (#(#types,)*)>
            ) -> #output #where_clause #block
        }
    }

    /// The handler's answer, after the charge where a cost is over its arguments.
    fn answer(&self) -> TokenStream {
        let Self { private, site, .. } = self;
        let names = self.argument_names();
        let call = self.call(&names);
        // At the return type, where a wrong one is to be mended; at the name when there is none.
        let span = self.return_span();
        let at_return = respanned(private, span);
        let admission = Ident::new("__admission", *site);
        if !self.model.charges_later() {
            let answer = quote_spanned!(span=> #at_return::respond(#admission, #call));
            return quote_spanned! {*site=>
                let (#admission, (#(#names,)*)) = __limited.split();
                #answer
            };
        }
        let costs = self.model.rules.iter().map(|rule| match &rule.cost {
            Cost::Arguments(over) => self.cost_over_arguments(over),
            Cost::Fixed(_) | Cost::Expr(_) => {
                quote_spanned!(*site=> ::core::option::Option::None)
            }
        });
        let known = Ident::new("__costs", *site);
        let answer = quote_spanned! {span=>
            #at_return::charge_and_respond(#admission, #known, move || #call)
        };
        quote_spanned! {*site=>
            let (#admission, __arguments) = __limited.split();
            let #known = [#(#costs),*];
            let (#(#names,)*) = __arguments;
            #answer
        }
    }

    /// The cost that an expression over the arguments comes to.
    fn cost_over_arguments(&self, over: &OverArguments) -> TokenStream {
        let OverArguments {
            expr,
            by_reference,
            in_place,
            ..
        } = over;
        let private = &self.private;
        let span = spans::hygienic_at(expr.span());
        // With `ref`, nothing is moved out of the arguments.
        let in_place = (!in_place.is_empty()).then(|| {
            quote_spanned! {span=>
                #[allow(unused_variables, clippy::needless_borrowed_reference)]
                let (#(#in_place,)*) = __arguments;
            }
        });
        quote_spanned! {span=> {
            #[allow(unused_variables)]
            let (#(#by_reference,)*) = &__arguments;
            #in_place
            ::core::option::Option::Some(#private::IntoCost::into_cost(#expr))
        }}
    }

    /// The call of the function as written.
    fn call(&self, arguments: &[Ident]) -> TokenStream {
        let sig = &self.handler.sig;
        let mut name = self.model.direct.as_ref().unwrap_or(&sig.ident).clone();
        let turbofish = generics::turbofish(&sig.generics, self.site);
        let span = self.return_span();
        name.set_span(span);
        quote_spanned!(span=> #name #turbofish (#(#arguments),*))
    }

    fn return_span(&self) -> Span {
        let sig = &self.handler.sig;
        match &sig.output {
            ReturnType::Type(_, ty) => ty.span(),
            ReturnType::Default => sig.ident.span(),
        }
    }

    /// Names for the arguments on their way through.
    fn argument_names(&self) -> Vec<Ident> {
        (0..self.handler.sig.inputs.len())
            .map(|number| format_ident!("__a{number}", span = self.site))
            .collect()
    }

    /// The types of the handler's arguments.
    pub(crate) fn argument_types(&self) -> Vec<Type> {
        let inputs = self.handler.sig.inputs.iter();
        inputs
            .filter_map(|argument| match argument {
                FnArg::Typed(argument) => Some(lasting(&argument.ty)),
                FnArg::Receiver(_) => None,
            })
            .collect()
    }
}

/// The inner attributes of a block, which come first, and the rest of it.
fn split_inner_attributes(body: &Group) -> (TokenStream, TokenStream) {
    let mut attributes = TokenStream::new();
    let mut rest = body.stream();
    // The block that a `macro_rules!` was given.
    if body.delimiter() == Delimiter::None
        && let Some(TokenTree::Group(block)) = rest.clone().into_iter().next()
    {
        rest = block.stream();
    }
    loop {
        let mut tokens = rest.clone().into_iter();
        match (tokens.next(), tokens.next(), tokens.next()) {
            (
                Some(TokenTree::Punct(hash)),
                Some(TokenTree::Punct(bang)),
                Some(TokenTree::Group(group)),
            ) if hash.as_char() == '#'
                && bang.as_char() == '!'
                && group.delimiter() == Delimiter::Bracket =>
            {
                attributes.extend([
                    TokenTree::Punct(hash),
                    TokenTree::Punct(bang),
                    TokenTree::Group(group),
                ]);
                rest = tokens.collect();
            }
            _ => return (attributes, rest),
        }
    }
}

/// The attribute, where an expected lint is an allowed one: with a direct function beside the handler, it
/// is met on only one of the two.
fn allowed(attr: &Attribute) -> Attribute {
    let mut attr = attr.clone();
    if attr.path().is_ident("expect")
        && let Meta::List(list) = &mut attr.meta
    {
        list.path = Ident::new("allow", list.path.span()).into();
    }
    attr
}

/// Whether it is `#[must_use]` without a reason, which is said of every future, and Clippy dislikes to hear twice.
fn says_what_a_future_says(attr: &Attribute) -> bool {
    attr.path().is_ident("must_use") && matches!(attr.meta, Meta::Path(_))
}
