//! Log lines about the store: one pair of lines for each outage, and at most one pair a minute.

use super::health::Health;
use crate::{
    clock::Ticks,
    store::{
        error::{StoreError, StoreErrorKind},
        fallback::Fallback,
    },
};
use parking_lot::Mutex;
use std::time::Duration;

/// The least time between two pairs of lines, and between two lines about one kind of fault.
const INTERVAL: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(super) struct OutageLog(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// When the begin of an outage was last logged.
    opened_at: Option<Ticks>,
    /// Whether the begin of the present outage was logged, so that its end has to be.
    is_logged: bool,
    /// Whether a wrong set-up was logged in the present outage.
    is_misconfiguration_logged: bool,
    /// Outages that were not logged since the last one that was.
    unlogged: u64,
    /// When each kind of other line was last logged.
    logged: Vec<(&'static str, Ticks)>,
}

impl OutageLog {
    /// Logs the begin of an outage, unless one has been logged within the last minute.
    pub(super) fn opened(&self, now: Ticks, error: &StoreError, fallback: Fallback) {
        let mut state = self.0.lock();
        state.is_logged = state.is_due(now);
        if !state.is_logged {
            state.unlogged += 1;
            return;
        }
        state.opened_at = Some(now);
        state.is_misconfiguration_logged = is_misconfiguration(error);
        drop(state);
        log_opened(error, fallback);
    }

    /// Logs an outage that still lasts, if its begin was not logged and it is due, or if its cause
    /// turns out to be a wrong set-up.
    pub(super) fn still_open(&self, now: Ticks, error: &StoreError, fallback: Fallback) {
        let mut state = self.0.lock();
        let turns_out = is_misconfiguration(error) && !state.is_misconfiguration_logged;
        if !turns_out && (state.is_logged || !state.is_due(now)) {
            return;
        }
        state.is_misconfiguration_logged = is_misconfiguration(error);
        state.is_logged = true;
        state.opened_at = Some(now);
        state.unlogged = state.unlogged.saturating_sub(1);
        drop(state);
        log_opened(error, fallback);
    }

    /// Logs the end of an outage, if its begin was logged.
    pub(super) fn closed(&self, unavailable_for: Duration, health: &Health) {
        let mut state = self.0.lock();
        if !state.is_logged {
            return;
        }
        state.is_logged = false;
        let unlogged = std::mem::take(&mut state.unlogged);
        drop(state);
        tracing::info!(
            ?unavailable_for,
            failed = health.failed,
            fallbacks = health.fallbacks,
            unlogged_outages = unlogged,
            "rate-limit store available again: checks use the store",
        );
    }

    /// Logs a fault that concerns single requests, at most once a minute for each kind.
    pub(super) fn fault(&self, now: Ticks, kind: &'static str, error: &StoreError) {
        if self.is_kind_due(now, kind) {
            tracing::error!(%error, "rate limiting failed for a request: {kind}");
        }
    }

    /// Logs that late charges were dropped, at most once a minute.
    pub(super) fn dropped(&self, now: Ticks, kept: u64, dropped: u64) {
        if self.is_kind_due(now, "late charges were dropped") {
            tracing::warn!(
                kept,
                dropped,
                "too many charges wait for the rate-limit store: refunds are dropped first",
            );
        }
    }

    fn is_kind_due(&self, now: Ticks, kind: &'static str) -> bool {
        let mut state = self.0.lock();
        match state.logged.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, at)) if now.since(*at) < INTERVAL => return false,
            Some((_, at)) => *at = now,
            None => state.logged.push((kind, now)),
        }
        true
    }
}

impl State {
    fn is_due(&self, now: Ticks) -> bool {
        self.opened_at.is_none_or(|at| now.since(at) >= INTERVAL)
    }
}

fn is_misconfiguration(error: &StoreError) -> bool {
    error.kind() == StoreErrorKind::Misconfiguration
}

fn log_opened(error: &StoreError, fallback: Fallback) {
    let consequence = fallback.consequence();
    if is_misconfiguration(error) {
        tracing::error!(
            %error,
            "rate-limit store unusable: {consequence} until its set-up is changed",
        );
    } else {
        tracing::warn!(
            %error,
            "rate-limit store unavailable: {consequence} until it answers again",
        );
    }
}
