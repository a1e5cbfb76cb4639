//! The process-wide limiter: checks requests that no layer of a limiter covers.

use super::limiter::Limiter;
use crate::diagnostics::{self, Misconfiguration};
use http::request::Parts;
use std::{
    error::Error,
    fmt,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

static PROCESS_WIDE: ProcessWide = ProcessWide::new();

impl Limiter {
    /// The process-wide limiter, which checks requests that no [`layer`](Self::layer) covers.
    ///
    /// If no limiter was [installed](Self::install), it counts in memory with the default settings.
    /// A call fixes that: [`install`](Self::install) returns an error afterwards.
    #[must_use]
    pub fn global() -> &'static Self {
        PROCESS_WIDE.limiter()
    }

    /// Makes this limiter the process-wide one. Call it once, at the start of the program.
    ///
    /// Limited handlers use the process-wide limiter unless a [`layer`](Self::layer) around them
    /// provides another one.
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use limit_runtime::{Limiter, rate_limit};
    ///
    /// #[rate_limit("10/minute")]
    /// async fn predict() {}
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let url = "memory://";
    /// Limiter::connect(url).await?.install()?;
    /// let app: Router = Router::new().route("/predict", get(predict));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If a limiter is already installed, or if the process-wide limiter has already been used, by
    /// a request or [`global`](Self::global): what it has counted would be lost.
    pub fn install(&self) -> Result<(), InstallError> {
        PROCESS_WIDE.install(self)
    }

    /// The limiter that checks a request: of the nearest layer around the handler, or else the
    /// process-wide one.
    ///
    /// ```
    /// use axum::http::Request;
    /// use limit_runtime::Limiter;
    ///
    /// # fn main() -> Result<(), axum::http::Error> {
    /// let (parts, ()) = Request::builder().body(())?.into_parts();
    /// println!("{:?}", Limiter::of(&parts).usage());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    #[inline]
    pub fn of(parts: &Parts) -> &Self {
        match parts.extensions.get::<Self>() {
            Some(limiter) => limiter,
            None => Self::without_layer(),
        }
    }

    /// [`of`](Self::of) without the warning of a missing layer, which the check of the request
    /// gives.
    pub(crate) fn find(parts: &Parts) -> &Self {
        let limiter = parts.extensions.get::<Self>();
        limiter.unwrap_or_else(|| Self::global())
    }

    /// The process-wide limiter, for a request without a limiter in its extensions.
    #[inline]
    pub(crate) fn without_layer() -> &'static Self {
        PROCESS_WIDE.limiter_without_layer()
    }

    /// Records that the program has a layer of this limiter, for the warning about requests that
    /// the layer does not cover.
    pub(crate) fn note_layer(&self) {
        PROCESS_WIDE.note_layer(self);
    }
}

struct ProcessWide {
    entry: OnceLock<Entry>,
    /// Whether there is a layer of another limiter, and no request outside of it was seen yet. Such
    /// a request may be a mistake, so the first one is checked for a warning.
    has_other_layers: AtomicBool,
}

struct Entry {
    limiter: Limiter,
    is_installed: bool,
}

impl ProcessWide {
    const fn new() -> Self {
        Self {
            entry: OnceLock::new(),
            has_other_layers: AtomicBool::new(false),
        }
    }

    #[inline]
    fn entry(&self) -> &Entry {
        self.entry.get_or_init(|| Entry {
            limiter: Limiter::new(),
            is_installed: false,
        })
    }

    #[inline]
    fn limiter(&self) -> &Limiter {
        &self.entry().limiter
    }

    fn install(&self, limiter: &Limiter) -> Result<(), InstallError> {
        let entry = Entry {
            limiter: limiter.clone(),
            is_installed: true,
        };
        self.entry.set(entry).map_err(|_| {
            if self.entry().is_installed {
                InstallError::AlreadyInstalled
            } else {
                InstallError::AlreadyUsed
            }
        })
    }

    #[inline]
    fn limiter_without_layer(&self) -> &Limiter {
        let entry = self.entry();
        if self.has_other_layers.load(Ordering::Relaxed) {
            self.warn_of_uncovered_request(entry);
        }
        &entry.limiter
    }

    #[cold]
    fn warn_of_uncovered_request(&self, entry: &Entry) {
        // Later requests skip this function, with or without a warning.
        self.has_other_layers.store(false, Ordering::Relaxed);
        if !entry.is_installed {
            diagnostics::warn_once(Misconfiguration::OutsideLayer);
        }
    }

    fn note_layer(&self, limiter: &Limiter) {
        let is_other = |entry: &Entry| !entry.limiter.is(limiter);
        if self.entry.get().is_none_or(is_other) {
            self.has_other_layers.store(true, Ordering::Relaxed);
        }
    }
}

/// Why [`Limiter::install`] has failed.
///
/// ```
/// use limit_runtime::{InstallError, Limiter};
///
/// # fn main() -> Result<(), InstallError> {
/// Limiter::new().install()?;
/// assert_eq!(Limiter::new().install(), Err(InstallError::AlreadyInstalled));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InstallError {
    /// A limiter is already installed.
    AlreadyInstalled,
    /// The process-wide limiter has already been used with the default settings: it has checked a
    /// request, or the program has called [`Limiter::global`].
    AlreadyUsed,
}

impl fmt::Display for InstallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadyInstalled => {
                "a process-wide rate limiter is already installed; allowed: one call of \
                 `Limiter::install`, at the start of the program; for a router with another \
                 limiter, write `.layer(limiter.layer())`"
            }
            Self::AlreadyUsed => {
                "the process-wide rate limiter is already in use, with the default settings; call \
                 `Limiter::install` at the start of the program, before the first request and \
                 before `Limiter::global`"
            }
        })
    }
}

/// Writes the text of [`Display`](fmt::Display): `main` prints it when it returns the error.
impl fmt::Debug for InstallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for InstallError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_installed_limiter_is_the_process_wide_one() {
        let (process, limiter) = (ProcessWide::new(), Limiter::new());
        assert_eq!(process.install(&limiter), Ok(()));
        assert!(process.limiter().is(&limiter));
        assert!(process.limiter_without_layer().is(&limiter));
    }

    #[test]
    fn a_second_install_is_an_error_even_of_the_same_limiter() {
        let (process, limiter) = (ProcessWide::new(), Limiter::new());
        assert_eq!(process.install(&limiter), Ok(()));
        for again in [&limiter, &Limiter::new()] {
            assert_eq!(process.install(again), Err(InstallError::AlreadyInstalled));
        }
        assert!(process.limiter().is(&limiter));
    }

    #[test]
    fn a_limiter_that_has_been_used_is_not_replaced() {
        let process = ProcessWide::new();
        let used = process.limiter_without_layer().clone();
        let refused = process.install(&Limiter::new());
        assert_eq!(refused, Err(InstallError::AlreadyUsed));
        assert!(process.limiter().is(&used));
    }

    #[test]
    fn only_layers_of_other_limiters_enable_the_warning() {
        let process = ProcessWide::new();
        let own = process.limiter().clone();
        process.note_layer(&own);
        assert!(!process.has_other_layers.load(Ordering::Relaxed));
        process.note_layer(&Limiter::new());
        assert!(process.has_other_layers.load(Ordering::Relaxed));
        process.limiter_without_layer();
        assert!(!process.has_other_layers.load(Ordering::Relaxed));
    }
}
