//! The options of the attribute: their names, and what to write for them.

use proc_macro2::Ident;
use std::fmt;
use syn::ext::IdentExt;

use crate::did_you_mean::{closest, did_you_mean, with_hint};

/// Declares each option once: its variant, its name, and what to write for it.
macro_rules! options {
    ($($variant:ident $name:literal $example:literal)*) => {
        /// The `name` in `name = value`.
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub(crate) enum OptionName {
            $($variant,)*
        }

        impl OptionName {
            /// In the order of the documentation.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant,)*];

            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// What the value is, with an example in backticks.
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
    CapCost "cap_cost" "a number, or a share of the smallest limit in quotes, as in `cap_cost = 5_000` or `cap_cost = \"50%\"`"
    OnUnknown "on_unknown" "`keep` or `release`, as in `on_unknown = release`"
    Scope "scope" "a string or a function of extractors, as in `scope = \"models\"`"
    Strategy "strategy" "the name of a strategy, as in `strategy = sliding_window`"
    Methods "methods" "a list of methods, as in `methods = [POST, PUT]`"
    Wait "wait" "a duration in quotes, as in `wait = \"2s\"`"
    Concurrency "concurrency" "a number or a constant, as in `concurrency = 4`"
    HoldAtMost "hold_at_most" "a duration in quotes, as in `hold_at_most = \"10m\"`"
    CountWhen "count_when" "a function of the response, as in `count_when = |response: &Response| response.status().is_client_error()`"
    OnLimited "on_limited" "a function of `&Exceeded`, as in `on_limited = too_many_requests`"
    OnStoreError "on_store_error" "`local`, `allow` or `deny`, as in `on_store_error = deny`"
    DryRun "dry_run" "the word alone, `dry_run`"
    Unit "unit" "the name of what the limits count, as in `unit = \"frames\"`"
    Name "name" "a string, as in `name = \"predict\"`"
    State "state" "the type of the router's state, as in `state = AppState`"
    Direct "direct" "the name for the function without a limit, as in `direct = predict_now`"
    Crate "crate" "an absolute path, as in `crate = ::limit_runtime`"
}

impl fmt::Display for OptionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The option of that name.
pub(crate) fn find(name: &Ident) -> Option<OptionName> {
    let name = name.unraw().to_string();
    let mut all = OptionName::ALL.iter().copied();
    all.find(|option| option.name() == name)
}

/// The error for a name that is not an option: what to write instead, and all options.
pub(crate) fn unknown_option(name: &Ident) -> syn::Error {
    let word = name.unraw().to_string();
    let misspelled = || {
        let names = OptionName::ALL.iter().copied().map(OptionName::name);
        did_you_mean(closest(&word, names))
    };
    let hint = with_hint(foreign_name(&word).map(str::to_owned).or_else(misspelled));
    let all: Vec<_> = OptionName::ALL
        .iter()
        .map(|option| format!("`{option}`"))
        .collect();
    syn::Error::new(
        name.span(),
        format!(
            "unknown option `{word}`{hint} The options are {}",
            all.join(", ")
        ),
    )
}

/// Whether a word that is not an option is meant as a name for the limits.
pub(crate) fn means_limits(word: &Ident) -> bool {
    NAMES_FOR_LIMITS.iter().any(|name| word == name)
}

const NAMES_FOR_LIMITS: [&str; 5] = ["limit", "limits", "limit_value", "quota", "rate"];

/// What to write instead of an option of another rate limiter.
fn foreign_name(word: &str) -> Option<&'static str> {
    Some(match word {
        _ if NAMES_FOR_LIMITS.contains(&word) => {
            "the limits come first and have no name: `#[rate_limit(\"10/minute\", …)]`."
        }
        "header" => "write `key = header(\"…\")`.",
        "key_func" | "key_fn" | "key_function" | "by" | "extractor" => "write `key = …`.",
        "weight" | "tokens" | "hits" => "write `cost = …`.",
        "units" => "write `unit = \"…\"` for what is counted, and `cost = …` for how much.",
        "burst" | "algorithm" => "write `strategy = …`.",
        "method" | "per_method" => {
            "write `methods = [POST]`, or make the method a part of the key."
        }
        "blocking" | "timeout" | "max_wait" => "write `wait = \"2s\"`.",
        "deduct_when" | "count_if" | "only_failures" => "write `count_when = …`.",
        "error_message" | "on_breach" | "handler" | "callback" => "write `on_limited = …`.",
        "fallback" | "swallow_errors" | "in_memory_fallback" => "write `on_store_error = …`.",
        "shadow" | "shadow_mode" | "report_only" | "log_only" => "write `dry_run`.",
        "concurrent" | "max_concurrent" | "max_concurrency" | "in_flight" | "max_in_flight"
        | "parallel" | "permits" => "write `concurrency = 4`.",
        "group" | "shared" | "namespace" => "write `scope = \"…\"`.",
        "override_defaults" | "exempt_when" => {
            "write a limits function that returns `None` to exempt a request."
        }
        _ => return None,
    })
}
