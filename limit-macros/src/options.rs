//! The options of the attribute: their names, and what to write for them.

use proc_macro2::Ident;
use std::fmt;
use syn::ext::IdentExt;

use crate::nearest::{did_you_mean, hinted, nearest};

/// Declares the options once: the variant, the name, and what to write (in backticks).
macro_rules! options {
    ($($variant:ident $name:literal $example:literal)*) => {
        /// An option, `name = value`.
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Opt {
            $($variant,)*
        }

        impl Opt {
            /// In the order in which the documentation has them.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant,)*];

            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// What to write, in backticks.
            pub(crate) const fn example(self) -> &'static str {
                match self {
                    $(Self::$variant => $example,)*
                }
            }
        }
    };
}

options! {
    Key "key" "a function of extractors, as in `key = client_ip`"
    Cost "cost" "a number or a function of extractors, as in `cost = 5`"
    Scope "scope" "a string or a function of extractors, as in `scope = \"models\"`"
    Strategy "strategy" "a word, as in `strategy = sliding_window`"
    Methods "methods" "a list of methods, as in `methods = [POST, PUT]`"
    Wait "wait" "a length of time, as in `wait = \"2s\"`"
    CountWhen "count_when" "a function of the response, as in `count_when = |response: &Response| response.status().is_client_error()`"
    OnLimited "on_limited" "a function of `&Exceeded`, as in `on_limited = too_many`"
    OnStoreError "on_store_error" "`local`, `allow` or `deny`, as in `on_store_error = deny`"
    Name "name" "a string, as in `name = \"predict\"`"
    State "state" "the type of the router's state, as in `state = AppState`"
    Direct "direct" "the name for the bare function, as in `direct = predict_now`"
    Crate "crate" "an absolute path, as in `crate = ::limit_runtime`"
}

impl fmt::Display for Opt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The option of that name.
pub(crate) fn find(name: &Ident) -> Option<Opt> {
    let name = name.unraw().to_string();
    let mut all = Opt::ALL.iter().copied();
    all.find(|option| option.name() == name)
}

/// There is no option of that name: what is near, and what there is.
pub(crate) fn unknown(name: &Ident) -> syn::Error {
    let word = name.unraw().to_string();
    let near = || did_you_mean(nearest(&word, Opt::ALL.iter().copied().map(Opt::name)));
    let hint = hinted(elsewhere(&word).map(str::to_owned).or_else(near));
    let all: Vec<_> = Opt::ALL
        .iter()
        .map(|option| format!("`{option}`"))
        .collect();
    syn::Error::new(
        name.span(),
        format!("unknown option `{word}`{hint} There are {}", all.join(", ")),
    )
}

/// Whether a word that is no option stands for the limits.
pub(crate) fn means_limits(word: &Ident) -> bool {
    LIMITS.iter().any(|name| word == name)
}

const LIMITS: [&str; 5] = ["limit", "limits", "limit_value", "quota", "rate"];

/// Names that other limiters use, and ours for the same thing.
fn elsewhere(word: &str) -> Option<&'static str> {
    Some(match word {
        _ if LIMITS.contains(&word) => {
            "the limits come first and have no name: `#[rate_limit(\"10/minute\", …)]`."
        }
        "header" => "write `key = header(\"…\")`.",
        "key_func" | "key_fn" | "key_function" | "by" | "extractor" => "write `key = …`.",
        "weight" | "tokens" | "hits" | "units" => "write `cost = …`.",
        "burst" | "algorithm" => "write `strategy = …`.",
        "method" | "per_method" => {
            "write `methods = [POST]`, or make the method a part of the key."
        }
        "blocking" | "timeout" | "max_wait" => "write `wait = \"2s\"`.",
        "deduct_when" | "count_if" | "only_failures" => "write `count_when = …`.",
        "error_message" | "on_breach" | "handler" | "callback" => "write `on_limited = …`.",
        "fallback" | "swallow_errors" | "in_memory_fallback" => "write `on_store_error = …`.",
        "group" | "shared" | "namespace" => "write `scope = \"…\"`.",
        "override_defaults" | "exempt_when" => {
            "a limits function that returns `None` exempts the request."
        }
        _ => return None,
    })
}
