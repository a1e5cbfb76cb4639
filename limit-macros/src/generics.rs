//! The handler's generics, on the policy and in the call; and the router's state among them.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::spanned::Spanned;
use syn::{
    Expr, GenericParam, Generics, Pat, PathArguments, Type, WherePredicate, parse_quote_spanned,
};

use crate::arguments::mentions;
use crate::emit::Context;
use crate::keys::body_extractor;
use crate::model::{Cost, Key, LimitsValue, Model, Scope};
use crate::paths::key_function;
use crate::spans;

/// The type of the router's state: what the attribute says, or a parameter.
pub(crate) fn state(context: &Context<'_>, place: Span) -> TokenStream {
    if let Some(state) = &context.model.state {
        return state.to_token_stream();
    }
    let mut name = "__S".to_owned();
    // It stands at a place of the user's, so it could be taken for a name of the user's.
    while mentions(&context.handler.sig, &name) {
        name.push('_');
    }
    Ident::new(&name, place).into_token_stream()
}

/// What a policy takes the handler's last argument for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Last {
    /// What it is makes no difference.
    Any,
    /// An extractor of the head, which functions may take too.
    InHead,
    /// An extractor of the body, which no function can take.
    InBody,
}

/// The policies to write: one, or two where a function may take the last argument, which may be an extractor of the
/// head or of the body.
pub(crate) fn policies(context: &Context<'_>) -> &'static [Last] {
    let arguments = context.argument_types();
    let is_open = context.model.state.is_none()
        && arguments.last().is_some_and(|last| {
            !is_state(last) && !is_known(last) && !is_generic(last, &context.handler.sig.generics)
        })
        && functions(context.model).iter().any(|function| {
            !matches!(function, Expr::Closure(_))
                && !is_ours(function, context.model.krate.as_ref())
        });
    if is_open {
        &[Last::InHead, Last::InBody]
    } else {
        &[Last::Any]
    }
}

/// Whether a type is, by its name, an extractor of the body, or one of the head that does not depend on state.
fn is_known(ty: &Type) -> bool {
    const HEAD: [&str; 14] = [
        "ClientIp",
        "ConnectInfo",
        "Extension",
        "Extensions",
        "HeaderMap",
        "Limiter",
        "MatchedPath",
        "Method",
        "OriginalUri",
        "Path",
        "Query",
        "RateLimit",
        "RawQuery",
        "Uri",
    ];
    if body_extractor(ty).is_some() {
        return true;
    }
    let Type::Path(path) = ty else {
        return false;
    };
    let last = path.path.segments.last();
    last.is_some_and(|last| HEAD.iter().any(|name| last.ident == name))
}

/// Whether a type depends on the parameters of the handler, or is not written out.
fn is_generic(ty: &Type, generics: &Generics) -> bool {
    let mut params = generics.params.iter();
    mentions(ty, "_")
        || params.any(|param| match param {
            GenericParam::Lifetime(lifetime) => mentions(ty, &lifetime.lifetime.ident.to_string()),
            GenericParam::Type(param) => mentions(ty, &param.ident.to_string()),
            GenericParam::Const(param) => mentions(ty, &param.ident.to_string()),
        })
}

/// The handler's generics, and the state with the extractors that functions may use under it.
pub(crate) fn under_state(context: &Context<'_>, state: &TokenStream, last: Last) -> Generics {
    let mut generics = context.handler.sig.generics.clone();
    if context.model.state.is_some() {
        return generics;
    }
    let site = context.site;
    generics.params.push(parse_quote_spanned!(site=> #state));
    let bounds = bounds(context, state, last);
    let clause = generics.make_where_clause();
    clause.predicates.push(parse_quote_spanned! {site=>
        #state: ::core::marker::Send + ::core::marker::Sync
    });
    clause.predicates.extend(bounds);
    generics
}

/// What the handler extracts from the head of a request, a key function may extract too; and a
/// closure says what it extracts.
fn bounds(context: &Context<'_>, state: &TokenStream, last: Last) -> Vec<WherePredicate> {
    let functions = functions(context.model);
    if functions.is_empty() {
        return Vec::new();
    }
    let arguments = context.argument_types();
    let (last_type, others) = match arguments.split_last() {
        Some((last, others)) => (Some(last), others),
        None => (None, [].as_slice()),
    };
    let closures = functions
        .iter()
        .flat_map(|function| closure_types(function));
    let is_in_head = |ty: &&Type| is_state(ty) || last == Last::InHead;
    let heads = others
        .iter()
        .chain(last_type.filter(is_in_head))
        .chain(closures);
    let private = &context.private;
    let bound = |ty: &Type, extractor: &str| -> WherePredicate {
        let span = spans::hygienic_at(ty.span());
        let extractor = Ident::new(extractor, span);
        parse_quote_spanned!(span=> #ty: #private::#extractor<#state>)
    };
    let mut bounds: Vec<_> = heads
        .filter(|ty| !mentions(ty, "_"))
        .map(|ty| bound(ty, "FromRequestParts"))
        .collect();
    if last == Last::InBody {
        bounds.extend(last_type.map(|ty| bound(ty, "FromRequest")));
    }
    bounds
}

/// All that may be functions of extractors.
fn functions(model: &Model) -> Vec<&Expr> {
    fn keys<'a>(key: &'a Key, found: &mut Vec<&'a Expr>) {
        match key {
            Key::Default => {}
            Key::Expr(expr) => found.push(expr),
            Key::All(all) => all.iter().for_each(|key| keys(key, found)),
        }
    }
    let mut found = Vec::new();
    for rule in &model.rules {
        if let Scope::Expr(expr) = &rule.scope {
            found.push(expr);
        }
        keys(&rule.key, &mut found);
        if let LimitsValue::Expr(expr) = &rule.limits {
            found.push(expr);
        }
        if let Cost::Expr(expr) = &rule.cost {
            found.push(expr);
        }
    }
    found
}

/// Where to report what is wrong with the policy: at a function of the user's, since those of the runtime are right.
pub(crate) fn place(model: &Model) -> Option<Span> {
    let functions = functions(model);
    let theirs = functions
        .iter()
        .find(|function| !is_ours(function, model.krate.as_ref()));
    theirs.or(functions.first()).map(|function| token(function))
}

/// Whether a function is, by its name, a key function of the runtime.
pub(crate) fn is_ours(function: &Expr, krate: Option<&syn::Path>) -> bool {
    match function {
        Expr::Path(path) => key_function(&path.path, krate).is_some(),
        Expr::Call(call) => is_ours(&call.func, krate),
        _ => false,
    }
}

/// The token of an expression that best stands for it: the last word of a path, else the first.
pub(crate) fn token(expr: &Expr) -> Span {
    match expr {
        Expr::Path(path) => match path.path.segments.last() {
            Some(segment) => segment.ident.span(),
            None => spans::own(expr),
        },
        Expr::Call(call) => token(&call.func),
        _ => spans::own(expr),
    }
}

/// The types that a closure says it takes by value.
fn closure_types(expr: &Expr) -> Vec<&Type> {
    let Expr::Closure(closure) = expr else {
        return Vec::new();
    };
    closure
        .inputs
        .iter()
        .filter_map(|input| match input {
            Pat::Type(input) if !matches!(*input.ty, Type::Reference(_)) => Some(&*input.ty),
            _ => None,
        })
        .collect()
}

/// Whether a type is, by its name, the extractor of state. The last argument may consume the body,
/// so only by its name can it be known not to.
fn is_state(ty: &Type) -> bool {
    let Type::Path(path) = ty else {
        return false;
    };
    path.path.segments.last().is_some_and(|segment| {
        segment.ident == "State" && matches!(segment.arguments, PathArguments::AngleBracketed(_))
    })
}

/// A field that uses every parameter; nothing when there is none.
pub(crate) fn phantom(generics: &Generics, site: Span) -> TokenStream {
    let uses: Vec<_> = generics
        .params
        .iter()
        .filter_map(|param| match param {
            GenericParam::Lifetime(lifetime) => {
                let lifetime = &lifetime.lifetime;
                Some(quote_spanned!(site=> & #lifetime ()))
            }
            GenericParam::Type(ty) => Some(ty.ident.to_token_stream()),
            GenericParam::Const(_) => None,
        })
        .collect();
    if uses.is_empty() {
        return TokenStream::new();
    }
    quote_spanned!(site=> (#(::core::marker::PhantomData<#uses>),*))
}

/// The parameters as arguments of a call; lifetimes are left to inference.
pub(crate) fn turbofish(generics: &Generics, site: Span) -> Option<TokenStream> {
    let arguments: Vec<_> = generics
        .params
        .iter()
        .filter_map(|param| match param {
            GenericParam::Lifetime(_) => None,
            GenericParam::Type(ty) => Some(ty.ident.to_token_stream()),
            GenericParam::Const(value) => Some(value.ident.to_token_stream()),
        })
        .collect();
    (!arguments.is_empty()).then(|| quote_spanned!(site=> ::<#(#arguments),*>))
}
