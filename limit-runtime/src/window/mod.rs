//! The algorithms, as pure functions over plain state: no clock, lock, store or HTTP.

pub(crate) mod moving;

/// How hits are counted against a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Strategy {
    /// Exact: no interval as long as the window, wherever it starts, admits more than the count.
    #[default]
    MovingWindow,
}
