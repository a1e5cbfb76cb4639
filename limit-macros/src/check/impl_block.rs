//! Whether the handler is in an `impl` or `trait` block.
//!
//! A macro does not see what is around its item, and rustc's own errors about an expansion in an
//! `impl` block do not help. So the source file is read.

use proc_macro2::TokenStream;
use quote::ToTokens;
use std::cell::RefCell;
use syn::visit::{self, Visit};
use syn::{Attribute, Block, ImplItemFn, Signature, TraitItemFn};

use crate::syntax::handler::Handler;
use crate::tokens::canonical;

/// The text of the file that contains the attribute, if the attribute is indented: otherwise it
/// cannot be in a block.
pub(crate) fn source_file() -> Option<String> {
    let attribute = proc_macro::Span::call_site();
    if attribute.column() <= 1 {
        return None;
    }
    std::fs::read_to_string(attribute.local_file()?).ok()
}

/// Whether an `impl` or `trait` block in the source contains the handler: a function with equal
/// tokens and a `#[rate_limit]`.
pub(crate) fn contains(source: &str, handler: &Handler) -> bool {
    let name = handler.sig.ident.to_string();
    let is_likely = (source.contains("impl") || source.contains("trait")) && source.contains(&name);
    if !is_likely {
        return false;
    }
    let function = Function {
        sig: canonical(&handler.sig),
        body: canonical(&handler.body.stream()),
    };
    CACHE.with(|cache| {
        let mut cache = cache.borrow_mut();
        if cache.source != source {
            *cache = LimitedMethods::find(source);
        }
        cache.functions.contains(&function)
    })
}

thread_local! {
    /// The last file, whose handlers are expanded one after the other.
    static CACHE: RefCell<LimitedMethods> = RefCell::default();
}

/// The functions with a `#[rate_limit]` in the `impl` and `trait` blocks of a file.
#[derive(Default)]
struct LimitedMethods {
    source: String,
    functions: Vec<Function>,
}

/// A function as canonical text.
#[derive(PartialEq)]
struct Function {
    sig: String,
    body: String,
}

impl LimitedMethods {
    fn find(source: &str) -> Self {
        let mut methods = Self {
            source: source.to_owned(),
            functions: Vec::new(),
        };
        if let Ok(file) = syn::parse_file(source) {
            methods.visit_file(&file);
        }
        methods
    }

    fn add_if_limited(&mut self, attrs: &[Attribute], sig: &Signature, body: Option<&Block>) {
        let is_limited = attrs.iter().any(|attr| {
            let last = attr.path().segments.last();
            last.is_some_and(|last| last.ident == "rate_limit")
        });
        if let Some(body) = body.filter(|_| is_limited) {
            let stmts = body.stmts.iter().map(ToTokens::to_token_stream);
            self.functions.push(Function {
                sig: canonical(sig),
                body: canonical(&stmts.collect::<TokenStream>()),
            });
        }
    }
}

impl<'ast> Visit<'ast> for LimitedMethods {
    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.add_if_limited(&function.attrs, &function.sig, Some(&function.block));
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        self.add_if_limited(&function.attrs, &function.sig, function.default.as_ref());
        visit::visit_trait_item_fn(self, function);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    const SOURCE: &str = r#"
        struct Api;
        impl Api {
            /// Documented.
            #[limit_runtime::rate_limit("10/minute")]
            async fn member(id: Path<u64>) -> String { format!("{id}") }
            fn other() {
                #[rate_limit("10/minute")]
                async fn nested() {}
            }
        }
        mod api {
            pub trait Handlers {
                #[rate_limit("10/minute")]
                async fn provided() { 1; }
            }
            #[rate_limit("10/minute")]
            async fn free() {}
        }
    "#;

    fn is_in_impl(function: proc_macro2::TokenStream) -> bool {
        contains(SOURCE, &Handler::parse(function).unwrap())
    }

    #[test]
    fn only_functions_of_an_impl_or_a_trait_are_in_one() {
        assert!(is_in_impl(quote!(
            async fn member(id: Path<u64>) -> String {
                format!("{id}")
            }
        )));
        assert!(is_in_impl(quote!(
            async fn provided() {
                1;
            }
        )));
        assert!(!is_in_impl(quote!(
            async fn free() {}
        )));
        assert!(!is_in_impl(quote!(
            async fn nested() {}
        )));
        assert!(!is_in_impl(quote!(
            async fn member() {}
        )));
        assert!(!is_in_impl(quote!(
            async fn elsewhere() {}
        )));
    }
}
