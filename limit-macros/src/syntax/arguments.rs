//! The arguments of `#[rate_limit(…)]`: limits and options.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Expr, LitStr, Path, Token, Type};

use crate::errors::Errors;
use crate::exprs::without_parens;
use crate::model::{CostCap, Fallback, OnUnknown, Strategy};
use crate::syntax::options::{self, OptionName};
use crate::syntax::unit::NamedUnit;
use crate::syntax::{option_values, strategy, unit};

/// The arguments of one attribute.
pub(crate) struct Arguments {
    pub(crate) entries: Vec<Entry>,
    /// The expansion has moved this attribute below those of other macros.
    pub(crate) is_moved: bool,
    /// An entry could not be parsed, which has been reported. It may have been the limits.
    pub(crate) has_invalid_entry: bool,
}

/// One of the comma-separated arguments.
pub(crate) enum Entry {
    /// A value without a name: the limits.
    Positional(Expr),
    /// `name = value`.
    Named {
        option: OptionName,
        name_span: Span,
        /// `None` if it is invalid, which has been reported.
        value: Option<OptionValue>,
    },
    /// A name that is not an option, which has been reported.
    Unknown(Ident),
}

/// The value of an option, parsed as far as its syntax goes.
pub(crate) enum OptionValue {
    Key(Expr),
    Cost(Expr),
    CapCost(CostCap),
    OnUnknown(OnUnknown),
    Scope(Expr),
    Strategy(Strategy),
    Methods(Vec<String>),
    Wait(std::time::Duration),
    Concurrency(Expr),
    HoldAtMost(std::time::Duration),
    CountWhen(Expr),
    OnLimited(Expr),
    OnStoreError(Fallback),
    DryRun,
    Unit(NamedUnit),
    Name(LitStr),
    State(Type),
    Direct(Ident),
    Crate(Path),
}

impl Arguments {
    /// The path in `crate = …`.
    pub(crate) fn crate_path(&self) -> Option<&Path> {
        self.entries.iter().find_map(|entry| match entry {
            Entry::Named {
                value: Some(OptionValue::Crate(path)),
                ..
            } => Some(path),
            _ => None,
        })
    }
}

/// The hidden first argument of an attribute that the expansion has moved.
pub(crate) const MOVED_MARKER: &str = "__last";

/// Parses the arguments. After an argument that cannot be parsed, it reports the error and goes on
/// with the next one.
pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Arguments {
    let mut arguments = Arguments {
        entries: Vec::new(),
        is_moved: is_moved(&tokens),
        has_invalid_entry: false,
    };
    let parser = |input: ParseStream<'_>| {
        if arguments.is_moved {
            input.parse::<Ident>()?;
            input.parse::<Option<Token![,]>>()?;
        }
        while !input.is_empty() {
            match parse_entry(input, errors) {
                Ok(entry) => {
                    arguments.entries.push(entry);
                    if !input.is_empty() && !input.peek(Token![,]) {
                        errors.at_span(
                            input.span(),
                            "missing comma: write `,` between two arguments",
                        );
                        skip_value(input);
                    }
                }
                Err(error) => {
                    errors.push(error);
                    arguments.has_invalid_entry = true;
                    skip_value(input);
                }
            }
            input.parse::<Option<Token![,]>>()?;
        }
        Ok(())
    };
    if let Err(error) = parser.parse2(tokens) {
        arguments.has_invalid_entry = true;
        errors.push(error);
    }
    arguments
}

/// Whether the arguments start with the [`MOVED_MARKER`].
pub(crate) fn is_moved(tokens: &TokenStream) -> bool {
    let first = tokens.clone().into_iter().next();
    matches!(first, Some(TokenTree::Ident(word)) if word == MOVED_MARKER)
}

fn parse_entry(input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Entry> {
    if input.peek(Token![,]) {
        return Err(input.error("missing argument before this comma: remove the comma"));
    }
    let is_named =
        input.peek(Ident::peek_any) && input.peek2(Token![=]) && !input.peek2(Token![==]);
    if !is_named {
        if let Some(name_span) = dry_run(input) {
            return Ok(Entry::Named {
                option: OptionName::DryRun,
                name_span,
                value: Some(OptionValue::DryRun),
            });
        }
        if let Some(name) = option_without_equals(input) {
            if name == OptionName::DryRun.name() {
                return Err(syn::Error::new(name.span(), DRY_RUN_WITH_VALUE));
            }
            let message = format!("`{name}` has no value: write `{name} = …`");
            return Err(syn::Error::new(name.span(), message));
        }
        return input.parse().map(without_parens).map(Entry::Positional);
    }
    let name = input.call(Ident::parse_any)?;
    let equals: Token![=] = input.parse()?;
    let Some(option) = options::find(&name) else {
        errors.push(options::unknown_option(&name));
        skip_value(input);
        return Ok(Entry::Unknown(name));
    };
    if option == OptionName::DryRun {
        errors.at_span(name.span(), DRY_RUN_WITH_VALUE);
        skip_value(input);
        return Ok(Entry::Named {
            option,
            name_span: name.span(),
            value: None,
        });
    }
    let value = if input.is_empty() || input.peek(Token![,]) {
        let message = format!("`{option}` has no value: write {}", option.example());
        errors.at_span(equals.span, message);
        None
    } else {
        parse_value(option, input, errors).unwrap_or_else(|error| {
            errors.push(error);
            skip_value(input);
            None
        })
    };
    Ok(Entry::Named {
        option,
        name_span: name.span(),
        value,
    })
}

const DRY_RUN_WITH_VALUE: &str = "`dry_run` has a value, and is a word alone: \
     write `dry_run`, or remove it for a limit that refuses requests";

/// Reads `dry_run`, the only option without a value.
fn dry_run(input: ParseStream<'_>) -> Option<Span> {
    let ahead = input.fork();
    let name = ahead.call(Ident::parse_any).ok()?;
    let is_alone = ahead.is_empty() || ahead.peek(Token![,]);
    if name != OptionName::DryRun.name() || !is_alone {
        return None;
    }
    input.call(Ident::parse_any).ok().map(|name| name.span())
}

/// Looks for `key` or `key: value`, where `key = value` is meant.
fn option_without_equals(input: ParseStream<'_>) -> Option<Ident> {
    let ahead = input.fork();
    let name = ahead.call(Ident::parse_any).ok()?;
    let is_alone = ahead.is_empty() || ahead.peek(Token![,]);
    let has_colon = ahead.peek(Token![:]) && !ahead.peek(Token![::]);
    let has_call = name == OptionName::DryRun.name() && ahead.peek(syn::token::Paren);
    let is_option = options::find(&name).is_some();
    (is_option && (is_alone || has_colon || has_call)).then_some(name)
}

/// Parses the value of an option. Returns `Ok(None)` if it is invalid, which has been reported.
fn parse_value(
    option: OptionName,
    input: ParseStream<'_>,
    errors: &mut Errors,
) -> syn::Result<Option<OptionValue>> {
    let start = input.span();
    let invalid = |_| {
        let example = option.example();
        syn::Error::new(
            start,
            format!("this is not a value for `{option}`: write {example}"),
        )
    };
    let expr = || input.parse().map(without_parens);
    Ok(match option {
        OptionName::Key => Some(OptionValue::Key(expr()?)),
        OptionName::Cost => Some(OptionValue::Cost(expr()?)),
        OptionName::CapCost => option_values::cap_cost(&expr()?, errors).map(OptionValue::CapCost),
        OptionName::OnUnknown => {
            option_values::on_unknown(&expr()?, errors).map(OptionValue::OnUnknown)
        }
        OptionName::Scope => Some(OptionValue::Scope(expr()?)),
        OptionName::CountWhen => Some(OptionValue::CountWhen(expr()?)),
        OptionName::OnLimited => Some(OptionValue::OnLimited(expr()?)),
        OptionName::Strategy => strategy::parse(&expr()?, errors).map(OptionValue::Strategy),
        OptionName::Methods => option_values::methods(&expr()?, errors).map(OptionValue::Methods),
        OptionName::Wait => {
            option_values::duration(option, &expr()?, errors).map(OptionValue::Wait)
        }
        OptionName::Concurrency => {
            option_values::concurrency(expr()?, errors).map(OptionValue::Concurrency)
        }
        OptionName::HoldAtMost => {
            option_values::duration(option, &expr()?, errors).map(OptionValue::HoldAtMost)
        }
        OptionName::OnStoreError => {
            option_values::on_store_error(&expr()?, errors).map(OptionValue::OnStoreError)
        }
        // A word alone, which has been read.
        OptionName::DryRun => None,
        OptionName::Unit => unit::parse(&expr()?, errors).map(OptionValue::Unit),
        OptionName::Name => option_values::name(&expr()?, errors).map(OptionValue::Name),
        OptionName::State => Some(OptionValue::State(input.parse().map_err(invalid)?)),
        OptionName::Direct => Some(OptionValue::Direct(input.parse().map_err(invalid)?)),
        OptionName::Crate => {
            let path = input.call(Path::parse_mod_style).map_err(invalid)?;
            option_values::crate_path(path, errors).map(OptionValue::Crate)
        }
    })
}

/// Skips to the next comma that `name =` follows, or to the end.
fn skip_value(input: ParseStream<'_>) {
    while !input.is_empty() {
        if input.peek(Token![,]) {
            let ahead = input.fork();
            let starts_entry = ahead.parse::<Token![,]>().is_ok()
                && (ahead.is_empty() || (ahead.peek(Ident::peek_any) && ahead.peek2(Token![=])));
            if starts_entry {
                return;
            }
        }
        if input.parse::<TokenTree>().is_err() {
            return;
        }
    }
}
