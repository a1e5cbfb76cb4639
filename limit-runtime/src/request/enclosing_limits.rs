//! The limits that enclose a handler or layer: a request extension that it finds and replaces.

use super::request_limits::{PolicyNames, RequestLimits};
use std::sync::Arc;

/// Request extension: the limits of the nearest layer or handler outside the current one.
///
/// Always inserted together with a `Limiter`.
#[derive(Clone, Debug)]
pub(crate) struct EnclosingLimits {
    limits: Arc<RequestLimits>,
    /// Names of layers inside `limits` that do not limit the request.
    exempt: PolicyNames,
}

impl EnclosingLimits {
    pub(crate) fn new(limits: Arc<RequestLimits>) -> Self {
        Self {
            limits,
            exempt: PolicyNames::new(),
        }
    }

    pub(crate) fn limits(&self) -> &Arc<RequestLimits> {
        &self.limits
    }

    /// Adds the name of a layer that does not limit the request.
    pub(crate) fn add_exempt(&mut self, layer: &'static str) {
        self.exempt.push(layer);
    }

    /// Names of the handler's rules that do not limit the request, or not yet, and of the layers
    /// that are known to exempt it.
    pub(crate) fn exempt_names(&self) -> impl Iterator<Item = &'static str> {
        let limits = self.limits.current();
        let unresolved = limits.unresolved.iter().map(|config| config.name);
        let exempt = limits.exempt.iter().chain(&self.exempt).copied();
        exempt.chain(unresolved)
    }
}
