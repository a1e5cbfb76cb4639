//! The time that a limit is for.

use core::time::Duration;

/// The time that a limit is for.
///
/// A duration for now; other windows, such as calendar months, may follow. Match with a wildcard
/// arm, or ask for the [duration](Self::as_duration).
///
/// ```
/// use core::time::Duration;
/// use limit_core::{Window, limits};
///
/// let window = limits!("10/minute").first().window();
/// assert_eq!(window, Window::Duration(Duration::from_secs(60)));
/// assert_eq!(window.as_duration(), Some(Duration::from_secs(60)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Window {
    /// Any interval of this length.
    Duration(Duration),
}

impl Window {
    /// The length of the window, if it has a fixed one.
    #[must_use]
    pub const fn as_duration(self) -> Option<Duration> {
        match self {
            Self::Duration(length) => Some(length),
        }
    }
}
