//! Registry of the layers of a limiter, to detect two that share a budget by mistake.

use crate::diagnostics::{self, Misconfiguration};
use limit_core::Limits;
use parking_lot::Mutex;
use std::{
    any::{Any, TypeId},
    fmt,
    panic::Location,
    sync::{Arc, Weak},
};

/// The largest number of layers that are compared. A program with more makes layers per request.
const CAPACITY: usize = 1_024;

/// The layers of one limiter that are in use and have their own budgets.
#[derive(Debug, Default)]
pub(crate) struct LayerRegistry(Mutex<Vec<Weak<LayerIdentity>>>);

/// What distinguishes a layer from the other layers of its limiter.
#[derive(Debug)]
pub(crate) struct LayerIdentity {
    pub(crate) name: &'static str,
    pub(crate) limits: LimitsIdentity,
    /// Where the source code makes the layer.
    pub(crate) location: &'static Location<'static>,
}

/// A layer's limits, as far as they are known without a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LimitsIdentity {
    Constant(Limits),
    Function {
        type_id: TypeId,
        /// Whether the function captures no values. Functions of one type are then identical.
        is_stateless: bool,
    },
}

impl LimitsIdentity {
    /// The identity of `Limits`, or of a function that returns them.
    pub(crate) fn of<F: 'static>(limits: &F) -> Self {
        let any: &dyn Any = limits;
        let constant = any
            .downcast_ref::<Limits>()
            .or_else(|| any.downcast_ref::<&'static Limits>().copied());
        match constant {
            Some(limits) => Self::Constant(*limits),
            None => Self::Function {
                type_id: TypeId::of::<F>(),
                is_stateless: size_of::<F>() == 0,
            },
        }
    }
}

impl fmt::Display for LimitsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(limits) => limits.fmt(f),
            Self::Function { .. } => f.write_str("limits from a function"),
        }
    }
}

impl fmt::Display for LayerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` at {}", self.name, self.location)
    }
}

impl LayerIdentity {
    /// Whether both layers certainly have the same limits.
    fn has_limits_of(&self, other: &Self) -> bool {
        match (self.limits, other.limits) {
            (LimitsIdentity::Constant(limits), LimitsIdentity::Constant(others)) => {
                limits == others
            }
            (
                LimitsIdentity::Function {
                    type_id,
                    is_stateless,
                },
                LimitsIdentity::Function {
                    type_id: other_type,
                    ..
                },
            ) => type_id == other_type && (is_stateless || self.location == other.location),
            _ => false,
        }
    }
}

impl LayerRegistry {
    /// Adds a layer for as long as it is in use. Warns if another layer in use has its name and
    /// different limits.
    pub(crate) fn add(&self, layer: &Arc<LayerIdentity>) {
        if let Some(other) = self.add_and_find_conflict(layer) {
            diagnostics::warn_once_with(
                Misconfiguration::ConflictingLayers,
                format_args!(
                    "{other} with {}, and {layer} with {}",
                    other.limits, layer.limits
                ),
            );
        }
    }

    /// Returns the first layer in use that has the name of `layer` and different limits.
    fn add_and_find_conflict(&self, layer: &Arc<LayerIdentity>) -> Option<Arc<LayerIdentity>> {
        let mut layers = self.0.lock();
        let mut conflict = None;
        layers.retain(|other| {
            let Some(other) = other.upgrade() else {
                return false;
            };
            if conflict.is_none() && other.name == layer.name && !other.has_limits_of(layer) {
                conflict = Some(other);
            }
            true
        });
        if layers.len() < CAPACITY {
            layers.push(Arc::downgrade(layer));
        }
        conflict
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use limit_core::limits;

    #[track_caller]
    fn layer<F: 'static>(name: &'static str, limits: &F) -> Arc<LayerIdentity> {
        Arc::new(LayerIdentity {
            name,
            limits: LimitsIdentity::of(limits),
            location: Location::caller(),
        })
    }

    fn tier() -> Limits {
        limits!("1/minute")
    }

    fn other_tier() -> Limits {
        limits!("1/minute")
    }

    static FIVE: Limits = limits!("5/minute");

    #[test]
    fn only_different_limits_under_one_name_conflict() {
        let closure = |limits: Limits| move || limits;
        let captured = || layer("app", &closure(FIVE));
        for (first, second, is_conflict) in [
            (layer("app", &FIVE), layer("app", &FIVE), false),
            (layer("app", &FIVE), layer("app", &&FIVE), false),
            (
                layer("app", &FIVE),
                layer("app", &limits!("6/minute")),
                true,
            ),
            (
                layer("app", &FIVE),
                layer("api", &limits!("6/minute")),
                false,
            ),
            (layer("app", &FIVE), layer("app", &tier), true),
            (layer("app", &tier), layer("app", &tier), false),
            (layer("app", &tier), layer("app", &other_tier), true),
            (captured(), captured(), false),
            (captured(), layer("app", &closure(FIVE)), true),
        ] {
            let registry = LayerRegistry::default();
            assert!(registry.add_and_find_conflict(&first).is_none());
            let conflict = registry.add_and_find_conflict(&second);
            assert_eq!(conflict.is_some(), is_conflict, "{first:?} {second:?}");
            if let Some(conflict) = conflict {
                assert_eq!(conflict.location, first.location);
            }
        }
    }

    #[test]
    fn a_dropped_layer_conflicts_with_none_and_takes_no_memory() {
        let registry = LayerRegistry::default();
        for count in 1..5_000 {
            let limits = Limits::from(limit_core::Limit::per_minute(
                std::num::NonZeroU64::new(count).unwrap(),
            ));
            let layer = layer("app", &limits);
            assert!(registry.add_and_find_conflict(&layer).is_none());
            assert_eq!(registry.0.lock().len(), 1);
        }
    }

    #[test]
    fn the_registry_is_bounded() {
        let registry = LayerRegistry::default();
        let layers: Vec<_> = (0..2 * CAPACITY).map(|_| layer("app", &FIVE)).collect();
        for layer in &layers {
            registry.add(layer);
        }
        assert_eq!(registry.0.lock().len(), CAPACITY);
    }
}
