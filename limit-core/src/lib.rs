//! Rate limits as values, and the grammar of limit strings that both the `#[rate_limit]` macro and
//! the runtime use.
//!
//! A [`Limit`] is a count per window; [`Limits`] are one to eight of them, all of which must allow
//! a request. These are small `Copy` values. They are parsed and checked once, at compile time
//! ([`limits!`]) or at start-up ([`Limits::parse`]). Counting requests is the task of
//! `limit-runtime`.
//!
//! ```
//! use limit_core::{Limits, limits};
//!
//! // Checked by the compiler.
//! const CHAT: Limits = limits!("10/second; 100/minute");
//!
//! // The same grammar for a string from configuration.
//! let from_config: Limits = "10 per second, 100 per 60s".parse()?;
//! assert_eq!(from_config, CHAT);
//! assert_eq!(CHAT.to_string(), "10 per second; 100 per minute");
//!
//! // Limits count requests, or another unit.
//! let tokens = Limits::parse("100_000 tokens/minute; 2_000_000 tokens/day")?;
//! assert_eq!(tokens.unit().as_str(), "tokens");
//!
//! // An error has the position of the mistake, and what to write instead.
//! let error = Limits::parse("10/minuet").unwrap_err();
//! assert_eq!(error.span(), 3..9);
//! assert_eq!(error.suggestion(), Some("minute"));
//! assert_eq!(
//!     error.to_string(),
//!     "unknown unit `minuet`: did you mean `minute`? \
//!      allowed: ms, second, minute, hour, day, week, month, year",
//! );
//! # Ok::<(), limit_core::ParseError>(())
//! ```
//!
//! # Features
//!
//! `serde`: [`Limit`] and [`Limits`] are serialized and deserialized as their strings.
#![doc = include_str!("grammar.md")]
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]

// Each module imports only from those above it.
mod const_str;

mod time_unit;

mod unit;

mod suggest;

mod window;

mod limit;

mod limits;

// Not a public API: for the runtime.
#[doc(hidden)]
pub mod ticks;

// Not a public API: for the macro and the runtime.
#[doc(hidden)]
pub mod header_text;

// Not a public API: for the runtime.
#[doc(hidden)]
pub mod in_words;

mod parse_error;

mod message;

mod parser;

mod number;

mod counted;

mod diagnose;

mod grammar;

mod macros;

#[cfg(feature = "serde")]
mod serde_impls;

pub use limit::{Limit, LimitError, MAX_COUNT, MAX_WINDOW};
pub use limits::{Limits, LimitsError, MAX_LIMITS};
pub use parse_error::{ParseError, ParseErrorKind};
pub use unit::{Unit, UnitError};
pub use window::Window;

#[doc(hidden)]
pub use macros::__private;
