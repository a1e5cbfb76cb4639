//! The strategies and windows in use, to name all keys of a budget.
//!
//! A reset names the keys to delete, because a search would read the whole database. It needs the
//! windows of all processes, so each process announces its own in a sorted set in the server: with
//! the first check of a window, with the first one on a new connection, and every ten minutes. The
//! announcement is on its way at the same time as the check, so it costs no round trip.

use super::{
    connection::Connection,
    key_names::{self, KeyNames},
    server_error::text,
};
use crate::{
    clock::millis,
    store::{Action, Charge},
};
use parking_lot::RwLock;
use redis::{Cmd, FromRedisValue, RedisError, Value};
use smallvec::SmallVec;
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{runtime::Handle, sync::oneshot};

const SCRIPT: &str = include_str!("lua/known_windows.lua");

/// The maximum number of windows, here and in the server. A program has few of them, but limits can
/// also come from untrusted input.
const MAX_KNOWN: usize = 1024;
/// After this time, a window that is still in use is announced again.
const REFRESH: Duration = Duration::from_secs(600);
/// An announcement that was not confirmed is repeated after this time.
const RETRY: Duration = Duration::from_secs(1);
/// The announcement lasts this long after the last budget of its window has expired.
const EXTRA_MILLIS: u64 = 86_400_000;
/// How long a check waits, after its own reply, for the reply to its announcement. Both were sent
/// at the same time.
const MAX_WAIT: Duration = Duration::from_millis(5);
/// No connection has this number: the announcement is on its way.
const UNCONFIRMED: u64 = u64::MAX;

/// The letter of a strategy, and a window in milliseconds.
type Window = (char, u64);

/// The windows that this process has checked.
#[derive(Clone, Debug, Default)]
pub(super) struct KnownWindows(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    known: RwLock<Vec<Known>>,
    start: Instant,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            known: RwLock::default(),
            start: Instant::now(),
        }
    }
}

#[derive(Debug)]
struct Known {
    window: Window,
    /// The number of the connection on which it was announced, or [`UNCONFIRMED`].
    connection: AtomicU64,
    /// When to announce it again, in milliseconds since `start`.
    next: AtomicU64,
}

/// A reply that a check waits for.
pub(super) struct Announcement(oneshot::Receiver<()>);

impl Announcement {
    /// Waits for the reply, but not for long: the check has been counted.
    pub(super) async fn wait(self) {
        // A failed announcement is repeated by a later check.
        let _ = tokio::time::timeout(MAX_WAIT, self.0).await;
    }
}

impl KnownWindows {
    /// Announces those windows of `charges` that the server does not know yet.
    ///
    /// Returns `None` if it knows all of them, which is the common case.
    pub(super) fn announce(
        &self,
        charges: &[Charge<'_>],
        action: Action,
        connection: &Connection,
        key_names: &KeyNames,
    ) -> Option<Announcement> {
        // A peek counts nothing, so there is nothing to reset.
        if action == Action::Peek {
            return None;
        }
        let due = self.due(charges, connection.times_opened(), self.now());
        if due.is_empty() {
            return None;
        }
        let runtime = Handle::try_current().ok()?;
        let (sender, receiver) = oneshot::channel();
        let (this, connection) = (self.clone(), connection.clone());
        let command = announcement(key_names, &due);
        runtime.spawn(async move {
            match send(&connection, &command).await {
                Ok(number) => this.confirm(&due, number),
                // The checks report what is wrong with the server.
                Err(error) => tracing::debug!(
                    error = %text(&error),
                    "the windows in use were not recorded in Redis",
                ),
            }
            // The check may be gone.
            let _ = sender.send(());
        });
        Some(Announcement(receiver))
    }

    /// The windows of `charges` to announce now. They count as announced until [`RETRY`] passes.
    fn due(&self, charges: &[Charge<'_>], connection: u64, now: Duration) -> SmallVec<[Window; 2]> {
        let mut due = SmallVec::new();
        for charge in charges {
            let letter = key_names::strategy_letter(charge.strategy);
            for limit in charge.limits {
                let window = (letter, limit.window_millis());
                // The common case takes only the shared lock.
                let known = self.0.known.read();
                if let Some(known) = known.iter().find(|known| known.window == window) {
                    if known.start_if_due(connection, now) {
                        due.push(window);
                    }
                    continue;
                }
                drop(known);
                let mut known = self.0.known.write();
                let is_new = !known.iter().any(|known| known.window == window);
                if is_new && known.len() < MAX_KNOWN {
                    known.push(Known {
                        window,
                        connection: AtomicU64::new(UNCONFIRMED),
                        next: AtomicU64::new(millis(now + RETRY)),
                    });
                    due.push(window);
                }
            }
        }
        due
    }

    fn confirm(&self, windows: &[Window], connection: u64) {
        let next = millis(self.now() + REFRESH);
        for known in self.0.known.read().iter() {
            if windows.contains(&known.window) {
                known.next.store(next, Ordering::Relaxed);
                known.connection.store(connection, Ordering::Relaxed);
            }
        }
    }

    fn now(&self) -> Duration {
        self.0.start.elapsed()
    }

    /// The keys that can exist under `budget_prefix`, grouped by strategy. `announced` is what the
    /// server knows.
    pub(super) fn keys_by_strategy(
        &self,
        announced: &[Vec<u8>],
        budget_prefix: &str,
    ) -> Vec<Vec<String>> {
        let mut windows: BTreeSet<Window> = self
            .0
            .known
            .read()
            .iter()
            .map(|known| known.window)
            .collect();
        windows.extend(announced.iter().filter_map(|member| parse_member(member)));
        let windows: Vec<_> = windows.into_iter().collect();
        let key = |(letter, window): &Window| format!("{budget_prefix}:{letter}{window}");
        windows
            .chunk_by(|one, next| one.0 == next.0)
            .map(|windows| windows.iter().map(key).collect())
            .collect()
    }
}

impl Known {
    /// Whether the window has to be announced now. Of several concurrent checks, one does it.
    fn start_if_due(&self, connection: u64, now: Duration) -> bool {
        let announced_on = self.connection.load(Ordering::Relaxed);
        let next = self.next.load(Ordering::Relaxed);
        let is_lost = announced_on != connection && announced_on != UNCONFIRMED;
        if !is_lost && millis(now) < next {
            return false;
        }
        let retry = millis(now + RETRY);
        let is_first = self
            .next
            .compare_exchange(next, retry, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok();
        if is_first {
            self.connection.store(UNCONFIRMED, Ordering::Relaxed);
        }
        is_first
    }
}

/// The command that returns the windows that were announced.
pub(super) fn list(key_names: &KeyNames) -> Cmd {
    let mut command = Cmd::new();
    command
        .arg("ZRANGE")
        .arg(key_names.windows_key())
        .arg(0)
        .arg(-1);
    command
}

fn announcement(key_names: &KeyNames, windows: &[Window]) -> Cmd {
    let mut command = Cmd::new();
    command.arg("EVAL").arg(SCRIPT);
    command.arg(1).arg(key_names.windows_key());
    command.arg(MAX_KNOWN);
    for (letter, window) in windows {
        // A key expires after at most two windows.
        let lasts = window.saturating_mul(2).saturating_add(EXTRA_MILLIS);
        command.arg(format!("{letter}{window}")).arg(lasts);
    }
    command
}

/// Sends the announcement, and returns the number of the connection.
async fn send(connection: &Connection, command: &Cmd) -> Result<u64, RedisError> {
    let open = connection.get().await?;
    let number = connection.times_opened();
    let result: Result<Value, _> = open.transport.send(command).await;
    connection.report(&open, result).await.map(|_| number)
}

fn parse_member(member: &[u8]) -> Option<Window> {
    let member = std::str::from_utf8(member).ok()?;
    let letter = member.chars().next()?;
    let window = member.strip_prefix(letter)?.parse().ok()?;
    letter.is_ascii_lowercase().then_some((letter, window))
}

pub(super) fn parse_list(reply: Value) -> Option<Vec<Vec<u8>>> {
    FromRedisValue::from_redis_value(reply).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{key::IntoKey, store::Scope};
    use limit_core::limits;

    const SECOND: Duration = Duration::from_secs(1);

    fn due(known: &KnownWindows, connection: u64, now: Duration) -> usize {
        let (limits, key) = (limits!("1/second; 9/minute"), "alice".into_key());
        let charge = Charge::new(Scope::shared(""), &key, &limits);
        known.due(&[charge], connection, now).len()
    }

    #[test]
    fn a_window_is_announced_once_on_each_connection_and_every_ten_minutes() {
        let known = KnownWindows::default();
        assert_eq!(due(&known, 1, SECOND), 2);
        known.confirm(&[('m', 1_000), ('m', 60_000)], 1);
        assert_eq!(due(&known, 1, SECOND * 2), 0);
        assert_eq!(due(&known, 2, SECOND * 3), 2);
        known.confirm(&[('m', 1_000), ('m', 60_000)], 2);
        assert_eq!(due(&known, 2, REFRESH - SECOND), 0);
        assert_eq!(due(&known, 2, REFRESH + SECOND * 2), 2);
    }

    #[test]
    fn an_unconfirmed_announcement_is_repeated() {
        let known = KnownWindows::default();
        assert_eq!(due(&known, 0, SECOND), 2);
        // The connection was opened meanwhile, but the reply may still come.
        assert_eq!(due(&known, 1, SECOND * 3 / 2), 0);
        known.confirm(&[('m', 1_000)], 1);
        assert_eq!(due(&known, 1, SECOND * 2), 1);
        assert_eq!(due(&known, 1, SECOND * 2), 0);
    }

    #[test]
    fn windows_of_other_processes_are_named_too() {
        let known = KnownWindows::default();
        due(&known, 1, SECOND);
        let announced = ["m60000", "m5", "g7", "", "m", "mm", "M5", "\u{e9}5"];
        let announced = announced.map(|member| member.as_bytes().to_vec()).to_vec();
        let keys = known.keys_by_strategy(&announced, "limit:{5e0f}");
        let expected = [
            vec!["limit:{5e0f}:g7"],
            vec![
                "limit:{5e0f}:m5",
                "limit:{5e0f}:m1000",
                "limit:{5e0f}:m60000",
            ],
        ];
        assert_eq!(keys, expected);
    }

    #[test]
    fn the_number_of_windows_is_bounded() {
        let known = KnownWindows::default();
        let key = "alice".into_key();
        for millis in 1..=MAX_KNOWN as u64 + 5 {
            let limits = limit_core::Limits::parse(&format!("1/{millis}ms")).unwrap();
            let charge = Charge::new(Scope::shared(""), &key, &limits);
            let is_kept = known.due(&[charge], 1, SECOND).len() == 1;
            assert_eq!(is_kept, millis <= MAX_KNOWN as u64);
        }
    }
}
