//! Rate limits as values, and the one grammar that both the `#[rate_limit]` macro and the
//! runtime read them with.
//!
//! A [`Limit`] is a count per window; [`Limits`] are one to eight of them that must all allow.
//! Nothing here counts requests: these are small `Copy` values, parsed and checked once, at
//! compile time ([`limits!`]) or at start-up ([`Limits::parse`]), never on the way of a request.
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
//! // A mistake is told where it is, with what to write instead.
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
#![doc = include_str!("grammar.md")]
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod advice;
mod cursor;
mod error;
mod limit;
mod limits;
mod macros;
mod message;
mod number;
mod parse;
mod suggest;
mod text;
mod unit;

pub use error::{LimitError, LimitsError, ParseError, ParseErrorKind};
pub use limit::{Limit, MAX_WINDOW};
pub use limits::{Limits, MAX_LIMITS};

#[doc(hidden)]
pub use macros::__private;
