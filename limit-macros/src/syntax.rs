//! What stands between the parentheses of `#[rate_limit(…)]`, before anyone asks what it means.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Expr, LitStr, Path, Token, Type};

use crate::errors::Errors;
use crate::model::{Fallback, Millis, Strategy};
use crate::options::{self, Opt};
use crate::{strategy, values};

/// One entry between commas.
pub(crate) enum Entry {
    /// A value without a name: the limits.
    Positional(Expr),
    /// `name = value`.
    Named(Named),
    /// A name that is no option, which has been said.
    Unknown(Ident),
}

/// `name = value`, where the name is known.
pub(crate) struct Named {
    pub(crate) option: Opt,
    pub(crate) name: Span,
    /// `None` if it is none; the error has been said.
    pub(crate) value: Option<OptionValue>,
}

/// The value of an option, as the option takes it.
pub(crate) enum OptionValue {
    Key(Expr),
    Cost(Expr),
    Scope(Expr),
    Strategy(Strategy),
    Methods(Vec<String>),
    Wait(Millis),
    CountWhen(Expr),
    OnLimited(Expr),
    OnStoreError(Fallback),
    Name(LitStr),
    State(Type),
    Direct(Ident),
    Crate(Path),
}

/// The entries of one attribute.
pub(crate) struct Arguments {
    pub(crate) entries: Vec<Entry>,
    /// Set on the attribute that the expansion has moved behind the others.
    pub(crate) last: bool,
    /// An entry did not parse, which has been said; it may have been the limits.
    pub(crate) broken: bool,
}

impl Arguments {
    /// What `crate = …` says.
    pub(crate) fn krate(&self) -> Option<&Path> {
        self.entries.iter().find_map(|entry| match entry {
            Entry::Named(Named {
                value: Some(OptionValue::Crate(path)),
                ..
            }) => Some(path),
            _ => None,
        })
    }
}

/// The hidden first word of an attribute that has been moved behind the others.
pub(crate) const LAST: &str = "__last";

/// Reads the arguments; whatever does not parse is an error, and reading goes on behind it.
pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Arguments {
    let mut arguments = Arguments {
        entries: Vec::new(),
        last: false,
        broken: false,
    };
    let parser = |input: ParseStream<'_>| {
        if input.fork().parse::<Ident>().is_ok_and(|word| word == LAST) {
            input.parse::<Ident>()?;
            input.parse::<Option<Token![,]>>()?;
            arguments.last = true;
        }
        while !input.is_empty() {
            match entry(input, errors) {
                Ok(entry) => {
                    arguments.entries.push(entry);
                    if !input.is_empty() && !input.peek(Token![,]) {
                        errors.at(input.span(), "expected `,` between the arguments");
                        skip_value(input);
                    }
                }
                Err(error) => {
                    errors.push(error);
                    arguments.broken = true;
                    skip_value(input);
                }
            }
            input.parse::<Option<Token![,]>>()?;
        }
        Ok(())
    };
    if let Err(error) = parser.parse2(tokens) {
        arguments.broken = true;
        errors.push(error);
    }
    arguments
}

fn entry(input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Entry> {
    if input.peek(Token![,]) {
        return Err(input.error("nothing stands before this comma: remove it"));
    }
    let named = input.peek(Ident::peek_any) && input.peek2(Token![=]) && !input.peek2(Token![==]);
    if !named {
        if let Some(word) = forgotten_equals(input) {
            let message = format!("`{word}` needs a value: write `{word} = …`");
            return Err(syn::Error::new(word.span(), message));
        }
        return input.parse().map(unwrapped).map(Entry::Positional);
    }
    let name = input.call(Ident::parse_any)?;
    let equals: Token![=] = input.parse()?;
    let Some(option) = options::find(&name) else {
        errors.push(options::unknown(&name));
        skip_value(input);
        return Ok(Entry::Unknown(name));
    };
    let value = if input.is_empty() || input.peek(Token![,]) {
        let message = format!("`{option}` has no value: write {}", option.example());
        errors.at(equals.span, message);
        None
    } else {
        value(option, input, errors).unwrap_or_else(|error| {
            errors.push(error);
            skip_value(input);
            None
        })
    };
    Ok(Entry::Named(Named {
        option,
        name: name.span(),
        value,
    }))
}

/// `key` or `key: value` where `key = value` is meant.
fn forgotten_equals(input: ParseStream<'_>) -> Option<Ident> {
    let ahead = input.fork();
    let word = ahead.call(Ident::parse_any).ok()?;
    let alone = ahead.is_empty() || ahead.peek(Token![,]);
    let colon = ahead.peek(Token![:]) && !ahead.peek(Token![::]);
    (options::find(&word).is_some() && (alone || colon)).then_some(word)
}

/// Reads the value of an option; `Ok(None)` when it is none and that has been said.
fn value(
    option: Opt,
    input: ParseStream<'_>,
    errors: &mut Errors,
) -> syn::Result<Option<OptionValue>> {
    let start = input.span();
    let wrong = |_| {
        let example = option.example();
        syn::Error::new(
            start,
            format!("this is not a value for `{option}`: write {example}"),
        )
    };
    let expr = || input.parse().map(unwrapped);
    Ok(match option {
        Opt::Key => Some(OptionValue::Key(expr()?)),
        Opt::Cost => Some(OptionValue::Cost(expr()?)),
        Opt::Scope => Some(OptionValue::Scope(expr()?)),
        Opt::CountWhen => Some(OptionValue::CountWhen(expr()?)),
        Opt::OnLimited => Some(OptionValue::OnLimited(expr()?)),
        Opt::Strategy => strategy::check(&expr()?, errors).map(OptionValue::Strategy),
        Opt::Methods => values::methods(&expr()?, errors).map(OptionValue::Methods),
        Opt::Wait => values::wait(&expr()?, errors).map(OptionValue::Wait),
        Opt::OnStoreError => {
            values::on_store_error(&expr()?, errors).map(OptionValue::OnStoreError)
        }
        Opt::Name => values::name(&expr()?, errors).map(OptionValue::Name),
        Opt::State => Some(OptionValue::State(input.parse().map_err(wrong)?)),
        Opt::Direct => Some(OptionValue::Direct(input.parse().map_err(wrong)?)),
        Opt::Crate => {
            let path = input.call(Path::parse_mod_style).map_err(wrong)?;
            values::krate(path, errors).map(OptionValue::Crate)
        }
    })
}

/// Skips to the next comma that is followed by `name =`, or to the end.
fn skip_value(input: ParseStream<'_>) {
    while !input.is_empty() {
        if input.peek(Token![,]) {
            let ahead = input.fork();
            let entry = ahead.parse::<Token![,]>().is_ok()
                && (ahead.is_empty() || (ahead.peek(Ident::peek_any) && ahead.peek2(Token![=])));
            if entry {
                return;
            }
        }
        if input.parse::<TokenTree>().is_err() {
            return;
        }
    }
}

/// The expression without parentheses and invisible groups around it, which are what a `macro_rules!` was given.
pub(crate) fn unwrapped(expr: Expr) -> Expr {
    match expr {
        Expr::Paren(inner) if inner.attrs.is_empty() => unwrapped(*inner.expr),
        Expr::Group(inner) if inner.attrs.is_empty() => unwrapped(*inner.expr),
        expr => expr,
    }
}
