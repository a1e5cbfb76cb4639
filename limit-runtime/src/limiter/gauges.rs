//! The gauges of the feature `metrics`.

use super::limiter::{Backend, Limiter};
use crate::{
    instruments::{metric, set_gauge},
    observe::policy_record::PolicyRecord,
    store::StoreHealth,
};

impl Limiter {
    /// Sets the gauges `rate_limit_limit`, `rate_limit_waiting`, `rate_limit_in_flight`,
    /// `rate_limit_keys` and `rate_limit_store_up` in the recorder of the crate
    /// [`metrics`](https://docs.rs/metrics).
    ///
    /// Call it before each scrape: gauges do not change between calls. If a program has several
    /// limiters, gauges of equal labels have the values of the last one.
    ///
    /// ```
    /// use limit_runtime::Limiter;
    ///
    /// // What the exporter returns is left out here.
    /// fn prometheus(limiter: &Limiter, render: impl Fn() -> String) -> String {
    ///     limiter.record_gauges();
    ///     render()
    /// }
    /// # prometheus(&Limiter::new(), String::new);
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
    pub fn record_gauges(&self) {
        self.observer().records().for_each(record_policy);
        let is_up = match self.health().store {
            StoreHealth::Memory | StoreHealth::Up => 1,
            StoreHealth::Down => 0,
        };
        set_gauge(&metric::STORE_UP, &[], is_up);
        if let Backend::Memory(store) = &self.0.store {
            store.instruments().register();
            let keys = u64::try_from(store.usage().keys).unwrap_or(u64::MAX);
            set_gauge(&metric::KEYS, &[], keys);
        }
    }
}

fn record_policy(policy: &PolicyRecord) {
    let label = ("policy", &*policy.label);
    set_gauge(&metric::WAITING, &[label], policy.waiting());
    if policy.source.concurrency().is_some() {
        set_gauge(&metric::IN_FLIGHT, &[label], policy.in_flight());
    }
    // Limits that a function returns are not in the source code.
    for limit in policy
        .constant_limits()
        .iter()
        .flat_map(|limits| limits.iter())
    {
        let text = limit.to_string();
        let window = text.split_once(" per ").map_or("", |(_, window)| window);
        let labels = [label, ("window", window)];
        set_gauge(&metric::LIMIT, &labels, limit.count().get());
    }
}
