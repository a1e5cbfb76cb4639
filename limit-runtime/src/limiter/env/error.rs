//! Errors of settings in environment variables.

use super::variables::{ALL, PREFIX};
use crate::{client_ip::TrustedProxiesError, store::ConnectError};
use std::{error::Error, fmt};

/// Why [`Limiter::from_env`](crate::Limiter::from_env) has failed.
///
/// ```
/// use limit_runtime::Limiter;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let error = Limiter::from_variables([("RATE_LIMIT_RETRY_AFTER", "date")]).await.unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "environment variable `RATE_LIMIT_RETRY_AFTER` is `date`; allowed: `seconds`, `http-date`"
/// );
/// # }
/// ```
#[non_exhaustive]
pub enum EnvError {
    /// The name of a variable begins with `RATE_LIMIT_` or `RATELIMIT_`, but there is no such
    /// setting.
    Unknown {
        /// The name of the variable.
        variable: String,
    },
    /// The value of a variable is not allowed.
    Value {
        /// The name of the variable.
        variable: &'static str,
        /// Its value.
        found: String,
        /// The allowed values.
        allowed: String,
    },
    /// The trusted proxies, or the header that they send, are invalid.
    Proxies {
        /// The name of the variable.
        variable: &'static str,
        /// What is wrong with its value.
        source: TrustedProxiesError,
    },
    /// The limiter cannot connect to the store.
    Store {
        /// The name of the variable that contains the URL of the store.
        variable: &'static str,
        /// Why the connection failed.
        source: ConnectError,
    },
}

impl fmt::Display for EnvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { variable } => write!(
                f,
                "unknown environment variable `{variable}`; correct or remove it; names that \
                 begin with `{PREFIX}` are settings of the rate limiter; allowed: `{}`",
                ALL.join("`, `")
            ),
            Self::Value {
                variable,
                found,
                allowed,
            } => write!(
                f,
                "environment variable `{variable}` is `{found}`; allowed: {allowed}"
            ),
            Self::Proxies { variable, source } => {
                write!(f, "environment variable `{variable}`: {source}")
            }
            Self::Store { variable, source } => {
                write!(f, "environment variable `{variable}`: {source}")
            }
        }
    }
}

/// Writes the text of [`Display`](fmt::Display): `main` prints it when it returns the error.
impl fmt::Debug for EnvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for EnvError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Proxies { source, .. } => Some(source),
            Self::Store { source, .. } => Some(source),
            Self::Unknown { .. } | Self::Value { .. } => None,
        }
    }
}
