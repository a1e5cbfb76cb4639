//! A limiter with settings from environment variables. All values are checked at start-up.

mod error;
mod from_env;
#[cfg(test)]
mod tests;
mod values;
mod variables;

pub use self::error::EnvError;
