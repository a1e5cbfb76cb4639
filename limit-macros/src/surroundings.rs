//! Whether the handler is in an `impl` or a `trait`. The compiler does not tell an attribute where it stands, and its
//! own errors on what the attribute expands to there say nothing useful, so the source is looked at.

use proc_macro2::TokenStream;
use quote::ToTokens;
use std::cell::RefCell;
use syn::visit::{self, Visit};
use syn::{Attribute, Block, ImplItemFn, Signature, TraitItemFn};

use crate::handler::Handler;
use crate::render::canonical;

/// The text of the file with the attribute, if the attribute is indented there: only then can it be in an `impl`.
pub(crate) fn source() -> Option<String> {
    let site = proc_macro::Span::call_site();
    if site.column() <= 1 {
        return None;
    }
    std::fs::read_to_string(site.local_file()?).ok()
}

/// Whether a source has the handler as a function of an `impl` or a `trait`: the same function under an attribute of
/// this name.
pub(crate) fn is_in_impl(source: &str, handler: &Handler) -> bool {
    let name = handler.sig.ident.to_string();
    let is_likely = (source.contains("impl") || source.contains("trait")) && source.contains(&name);
    if !is_likely {
        return false;
    }
    let wanted = Member {
        sig: canonical(&handler.sig),
        body: canonical(&handler.body.stream()),
    };
    PARSED.with(|parsed| {
        let mut parsed = parsed.borrow_mut();
        if parsed.source != source {
            *parsed = Parsed::of(source);
        }
        parsed.members.contains(&wanted)
    })
}

thread_local! {
    /// The last file: its handlers are expanded one after the other.
    static PARSED: RefCell<Parsed> = RefCell::default();
}

/// The limited functions in the `impl`s and `trait`s of a file.
#[derive(Default)]
struct Parsed {
    source: String,
    members: Vec<Member>,
}

/// A function of an `impl` or a `trait`, as canonical text.
#[derive(PartialEq)]
struct Member {
    sig: String,
    body: String,
}

impl Parsed {
    fn of(source: &str) -> Self {
        let mut parsed = Self {
            source: source.to_owned(),
            members: Vec::new(),
        };
        if let Ok(file) = syn::parse_file(source) {
            parsed.visit_file(&file);
        }
        parsed
    }

    fn look(&mut self, attrs: &[Attribute], sig: &Signature, body: Option<&Block>) {
        let is_limited = attrs.iter().any(|attr| {
            let last = attr.path().segments.last();
            last.is_some_and(|last| last.ident == "rate_limit")
        });
        if let Some(body) = body.filter(|_| is_limited) {
            let stmts = body.stmts.iter().map(ToTokens::to_token_stream);
            self.members.push(Member {
                sig: canonical(sig),
                body: canonical(&stmts.collect::<TokenStream>()),
            });
        }
    }
}

impl<'ast> Visit<'ast> for Parsed {
    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.look(&function.attrs, &function.sig, Some(&function.block));
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        self.look(&function.attrs, &function.sig, function.default.as_ref());
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
        super::is_in_impl(SOURCE, &Handler::parse(function).unwrap())
    }

    #[test]
    fn only_functions_of_an_impl_or_a_trait_are() {
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
