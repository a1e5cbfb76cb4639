//! The limits that a rule applies to a request.

use bytes::Bytes;
use http::HeaderValue;
use limit_core::{Limit, Limits, MAX_LIMITS, Unit};
use std::{fmt, num::NonZeroU64, ops::Deref, sync::OnceLock, time::Duration};

/// The limits of a rule. A pointer, because limits are large to move.
#[derive(Clone, Debug)]
pub enum LimitsRef {
    /// Limits that an attribute has as a literal.
    Literal(&'static LiteralLimits),
    /// Limits that a function has returned for this request.
    Own(Box<Limits>),
}

impl From<Limits> for LimitsRef {
    fn from(limits: Limits) -> Self {
        Self::Own(Box::new(limits))
    }
}

impl Deref for LimitsRef {
    type Target = Limits;

    #[inline]
    fn deref(&self) -> &Limits {
        match self {
            Self::Literal(literal) => &literal.limits,
            Self::Own(limits) => limits,
        }
    }
}

/// Limits that an attribute has as a literal, with the parts of responses that depend on nothing
/// else.
pub struct LiteralLimits {
    limits: Limits,
    /// The value of `RateLimit-Policy`.
    policy: HeaderValue,
    /// For each limit, the value of `RateLimit` up to the units that remain. Empty if headers show
    /// other limits, as for a burst above the count.
    state_prefixes: &'static [&'static str],
    /// The body of a 429 for each limit, once it has been made.
    refusal_bodies: [OnceLock<&'static [u8]>; MAX_LIMITS],
}

impl LiteralLimits {
    /// Limits as pairs of a count and a window in milliseconds, and their texts in headers.
    #[must_use]
    #[expect(clippy::panic, reason = "a panic in a constant is a compile error")]
    pub const fn new<const N: usize>(
        limits: [(u64, u64); N],
        policy: &'static str,
        state_prefixes: &'static [&'static str],
    ) -> Self {
        let mut parsed = [Limit::per_second(NonZeroU64::MIN); N];
        let mut i = 0;
        while i < N {
            let (count, millis) = limits[i];
            match NonZeroU64::new(count) {
                Some(count) => match Limit::new(count, Duration::from_millis(millis)) {
                    Ok(limit) => parsed[i] = limit,
                    Err(_) => panic!("the attribute parsed a window that the runtime refuses"),
                },
                None => panic!("the attribute parsed a count of zero"),
            }
            i += 1;
        }
        Self {
            limits: match Limits::new(&parsed) {
                Ok(limits) => limits,
                Err(_) => panic!("the attribute parsed limits that the runtime refuses"),
            },
            policy: HeaderValue::from_static(policy),
            state_prefixes,
            refusal_bodies: [const { OnceLock::new() }; MAX_LIMITS],
        }
    }

    /// The same limits of this unit, with the texts that it has been given.
    #[must_use]
    #[expect(clippy::panic, reason = "a panic in a constant is a compile error")]
    pub const fn unit(mut self, name: &str) -> Self {
        match Unit::new(name) {
            Ok(unit) => self.limits = self.limits.with_unit(unit),
            Err(_) => panic!("the attribute has a unit that the runtime refuses"),
        }
        self
    }

    /// The value of `RateLimit-Policy`, and that of `RateLimit` for the limit at `index` up to the
    /// units that remain. `None` if they have to be made for each response.
    #[inline]
    pub(crate) fn headers(&self, index: u8) -> Option<(&HeaderValue, &'static str)> {
        let prefix = self.state_prefixes.get(usize::from(index))?;
        Some((&self.policy, prefix))
    }

    /// The body of a 429 that the limit at `index` is the only reason for. It is made once, and
    /// kept as long as the program runs.
    pub(crate) fn refusal_body(&self, index: usize, make: impl FnOnce() -> Bytes) -> Bytes {
        match self.refusal_bodies.get(index) {
            Some(body) => Bytes::from_static(body.get_or_init(|| Vec::from(make()).leak())),
            None => make(),
        }
    }
}

/// The placeholder for the limits of a rule that has none but `concurrency`.
pub static NO_LIMITS: LiteralLimits = LiteralLimits::new([(1, 1_000)], "", &[]);

impl fmt::Debug for LiteralLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LiteralLimits").field(&self.limits).finish()
    }
}
