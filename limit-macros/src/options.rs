//! The options of the attribute: their names, and what to write for them.

use proc_macro2::Ident;
use std::fmt;
use syn::ext::IdentExt;

use crate::nearest::{did_you_mean, hinted, nearest};

/// An option, `name = value`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opt {
    Key,
    Cost,
    Scope,
    Strategy,
    Methods,
    Wait,
    CountWhen,
    OnLimited,
    OnStoreError,
    Name,
    State,
    Direct,
    Crate,
}

impl Opt {
    /// In the order in which the documentation has them.
    pub(crate) const ALL: [Self; 13] = [
        Self::Key,
        Self::Cost,
        Self::Scope,
        Self::Strategy,
        Self::Methods,
        Self::Wait,
        Self::CountWhen,
        Self::OnLimited,
        Self::OnStoreError,
        Self::Name,
        Self::State,
        Self::Direct,
        Self::Crate,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Cost => "cost",
            Self::Scope => "scope",
            Self::Strategy => "strategy",
            Self::Methods => "methods",
            Self::Wait => "wait",
            Self::CountWhen => "count_when",
            Self::OnLimited => "on_limited",
            Self::OnStoreError => "on_store_error",
            Self::Name => "name",
            Self::State => "state",
            Self::Direct => "direct",
            Self::Crate => "crate",
        }
    }

    /// What to write, in backticks.
    pub(crate) const fn example(self) -> &'static str {
        match self {
            Self::Key => "a function of extractors, as in `key = client_ip`",
            Self::Cost => "a number or a function of extractors, as in `cost = 5`",
            Self::Scope => "a string or a function of extractors, as in `scope = \"models\"`",
            Self::Strategy => "a word, as in `strategy = sliding_window`",
            Self::Methods => "a list of methods, as in `methods = [POST, PUT]`",
            Self::Wait => "a length of time, as in `wait = \"2s\"`",
            Self::CountWhen => {
                "a function of the response, as in `count_when = |response: &Response| response.status().is_client_error()`"
            }
            Self::OnLimited => "a function of `&Exceeded`, as in `on_limited = too_many`",
            Self::OnStoreError => "`local`, `allow` or `deny`, as in `on_store_error = deny`",
            Self::Name => "a string, as in `name = \"predict\"`",
            Self::State => "the type of the router's state, as in `state = AppState`",
            Self::Direct => "the name for the bare function, as in `direct = predict_now`",
            Self::Crate => "an absolute path, as in `crate = ::limit_runtime`",
        }
    }
}

impl fmt::Display for Opt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The option of that name.
pub(crate) fn find(name: &Ident) -> Option<Opt> {
    let name = name.unraw().to_string();
    Opt::ALL.into_iter().find(|option| option.name() == name)
}

/// There is no option of that name: what is near, and what there is.
pub(crate) fn unknown(name: &Ident) -> syn::Error {
    let word = name.unraw().to_string();
    let near = || did_you_mean(nearest(&word, Opt::ALL.into_iter().map(Opt::name)));
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
            "a key or limits function that returns `None` exempts the request."
        }
        _ => return None,
    })
}
