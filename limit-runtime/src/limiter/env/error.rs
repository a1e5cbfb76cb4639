//! Errors of settings in the environment.

use super::{ALL, PREFIX};
use crate::store::ConnectError;
use std::fmt;

/// Why [`Limiter::from_env`](crate::Limiter::from_env) has made no limiter.
#[non_exhaustive]
pub enum EnvError {
    /// An unknown variable with the prefix of ours: its setting would silently have no effect.
    Unknown {
        /// Its name.
        variable: String,
    },
    /// A value that is not allowed.
    Value {
        /// The variable.
        variable: &'static str,
        /// Its value.
        found: String,
        /// What is allowed.
        allowed: String,
    },
    /// The store could not be connected to.
    Store {
        /// The variable that names the store.
        variable: &'static str,
        /// Why.
        source: ConnectError,
    },
}

impl fmt::Display for EnvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { variable } => {
                write!(
                    f,
                    "the environment variable `{variable}` sets nothing: those that begin with `{PREFIX}` are {}",
                    ALL.join(", ")
                )
            }
            Self::Value {
                variable,
                found,
                allowed,
            } => write!(f, "`{variable}` is `{found}`: allowed is {allowed}"),
            Self::Store { variable, source } => write!(f, "`{variable}`: {source}"),
        }
    }
}

/// The text of [`Display`](fmt::Display): what `main` shows when it returns the error.
impl fmt::Debug for EnvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for EnvError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Store { source, .. } => Some(source),
            Self::Unknown { .. } | Self::Value { .. } => None,
        }
    }
}
