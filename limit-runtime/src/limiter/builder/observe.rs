//! Settings of what a limiter counts and reports.

use super::LimiterBuilder;
use crate::observe::{DecisionEvent, StatsLevel};

impl LimiterBuilder {
    /// How much the limiter counts, for [`Limiter::stats`](crate::Limiter::stats). Default:
    /// [`StatsLevel::Totals`].
    ///
    /// `true` is [`StatsLevel::Detailed`]: how much of the limits was used at each check, how long
    /// checks take (one of 64), and the digests of the keys that are refused most often. `false` is
    /// the default. [`StatsLevel::Off`] counts nothing, and keeps no routes for
    /// [`policies`](crate::Limiter::policies) (unless the feature `metrics` does). No level takes a
    /// lock or an allocation on a request.
    ///
    /// ```
    /// use limit_runtime::Limiter;
    ///
    /// let limiter = Limiter::builder().stats(true).build();
    /// ```
    pub fn stats(mut self, level: impl Into<StatsLevel>) -> Self {
        self.observer.level = level.into();
        self
    }

    /// Calls a function for each decision that refuses a request, or would in dry run. Default:
    /// none.
    ///
    /// With several policies on a request, the function is called for each one that refuses it.
    /// [`all_decisions`](Self::all_decisions) adds the decisions that admit requests. The function
    /// runs on the request's task before the response is sent, so it should be quick: count, or
    /// send to a channel. If it panics, the request is answered as without it, and the first panic
    /// is logged.
    ///
    /// ```
    /// use limit_runtime::Limiter;
    ///
    /// let limiter = Limiter::builder()
    ///     .on_decision(|event| {
    ///         eprintln!("{} on {:?}: {}", event.policy, event.route, event.reason);
    ///     })
    ///     .build();
    /// ```
    pub fn on_decision(
        mut self,
        hook: impl Fn(&DecisionEvent<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.observer.hook = Some(Box::new(hook));
        self
    }

    /// Whether all policies are in dry run: they count, and refuse no request. Default: `false`.
    ///
    /// Each counts in a budget of its own, and responses have no rate-limit headers.
    /// [`Stats`](crate::Stats), the log and [`on_decision`](Self::on_decision) tell how many
    /// requests would be refused. [`Limiter::set_dry_run`](crate::Limiter::set_dry_run) does the
    /// same for one policy, and makes one live while the others stay in dry run.
    ///
    /// A policy in dry run also ignores a function that fails. If a key or limits function of yours
    /// is what refuses requests without a valid API key (401, 403), a dry run lets them pass.
    ///
    /// ```
    /// use limit_runtime::Limiter;
    ///
    /// let limiter = Limiter::builder().dry_run(true).build();
    /// ```
    pub fn dry_run(mut self, dry_run: bool) -> Self {
        self.observer.dry_run = dry_run;
        self
    }

    /// Whether [`on_decision`](Self::on_decision) gets all decisions, not only refusals. Default:
    /// `false`.
    ///
    /// ```
    /// use limit_runtime::Limiter;
    ///
    /// let limiter = Limiter::builder()
    ///     .on_decision(|event| println!("{}: {}", event.policy, event.reason))
    ///     .all_decisions(true)
    ///     .build();
    /// ```
    pub fn all_decisions(mut self, all: bool) -> Self {
        self.observer.hook_gets_all = all;
        self
    }
}
