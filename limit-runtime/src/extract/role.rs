//! The three roles of a function of extractors: key (also of a scope), limits and cost.

use std::fmt::Debug;
use std::num::NonZero;

use super::limits::LimitsRef;
use super::rejection::Rejection;
use crate::key::{IntoKey, Key};
use limit_core::Limits;

/// What a function of extractors is for.
pub trait Role: Debug + Send + Sync + 'static {
    /// What a rule needs from the function.
    type Value: Send;

    /// Corrects a value that is computed for a request.
    #[inline]
    fn computed(value: Self::Value) -> Self::Value {
        value
    }

    /// Whether a value exempts the request.
    fn exempts(_: &Self::Value) -> bool {
        false
    }
}

/// The value of a role, or the response that takes the place of the handler's.
pub(crate) type Resolved<R> = Result<<R as Role>::Value, Rejection>;

/// Role: the key, or the scope, which is a part of the key.
#[derive(Debug)]
pub struct KeyRole;

impl Role for KeyRole {
    type Value = Key;
}

/// Role: the limits. `None` exempts the request.
#[derive(Debug)]
pub struct LimitsRole;

impl Role for LimitsRole {
    type Value = Option<LimitsRef>;

    fn exempts(value: &Self::Value) -> bool {
        value.is_none()
    }
}

/// Role: the cost.
#[derive(Debug)]
pub struct CostRole;

impl Role for CostRole {
    type Value = u64;

    /// A computed cost of 0, such as that of an empty batch, counts as 1.
    #[inline]
    fn computed(cost: u64) -> u64 {
        cost.max(1)
    }
}

/// A value that fits a role.
pub trait IntoValue<R: Role> {
    /// The value as a rule needs it.
    fn into_value(self) -> R::Value;
}

impl<K: IntoKey> IntoValue<KeyRole> for K {
    #[inline]
    fn into_value(self) -> Key {
        self.into_key()
    }
}

impl IntoValue<LimitsRole> for Limits {
    #[inline]
    fn into_value(self) -> Option<LimitsRef> {
        Some(self.into())
    }
}

impl IntoValue<LimitsRole> for &Limits {
    #[inline]
    fn into_value(self) -> Option<LimitsRef> {
        Some((*self).into())
    }
}

impl<L: IntoValue<LimitsRole>> IntoValue<LimitsRole> for Option<L> {
    #[inline]
    fn into_value(self) -> Option<LimitsRef> {
        self.and_then(L::into_value)
    }
}

impl<C: IntoCost> IntoValue<CostRole> for C {
    #[inline]
    fn into_value(self) -> u64 {
        self.into_cost()
    }
}

/// Integers, and references to them. What is negative is 0, which counts as 1 where the cost is
/// computed. What does not fit a `u64` is more than any limit.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the cost of a request",
    label = "is `{Self}`, which is not a cost",
    note = "a cost is an integer (`u32`, `usize`, `i64`, …), computed from the handler's arguments, which are borrowed here",
    note = "an `Option` is not a cost: write what a request without one costs, as in `.unwrap_or(1)`"
)]
pub trait IntoCost {
    /// The cost in units of the limit.
    fn into_cost(self) -> u64;
}

macro_rules! into_cost {
    ($($T:ty)*) => {$(
        impl IntoCost for $T {
            #[inline]
            fn into_cost(self) -> u64 {
                u64::try_from(self.max(0)).unwrap_or(u64::MAX)
            }
        }
    )*};
}

into_cost!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize);

macro_rules! nonzero_into_cost {
    ($($T:ty)*) => {$(
        impl IntoCost for NonZero<$T> {
            #[inline]
            fn into_cost(self) -> u64 {
                self.get().into_cost()
            }
        }
    )*};
}

nonzero_into_cost!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize);

impl<C: IntoCost + Copy> IntoCost for &C {
    #[inline]
    fn into_cost(self) -> u64 {
        (*self).into_cost()
    }
}
