//! The strategies and windows that this process has checked, to name all keys of a budget.

use super::key_names;
use crate::store::Charge;
use parking_lot::RwLock;

/// The pairs of strategy letter and window in milliseconds that this process has checked.
///
/// With them, a reset names the keys to delete without a scan of the server. A program has few of
/// them. The number is bounded because limits can also come from untrusted input.
#[derive(Debug, Default)]
pub(super) struct KnownWindows(RwLock<Vec<(char, u64)>>);

const MAX_KNOWN: usize = 1024;

impl KnownWindows {
    pub(super) fn record(&self, charges: &[Charge<'_>]) {
        for charge in charges {
            let letter = key_names::strategy_letter(charge.strategy);
            for limit in charge.limits {
                let window = (letter, limit.window_millis());
                // The common case takes only the shared lock.
                if self.0.read().contains(&window) {
                    continue;
                }
                let mut known = self.0.write();
                if known.len() < MAX_KNOWN && !known.contains(&window) {
                    known.push(window);
                }
            }
        }
    }

    /// The keys that can exist under `budget_prefix`, grouped by strategy.
    pub(super) fn keys_by_strategy(&self, budget_prefix: &str) -> Vec<Vec<String>> {
        let mut known = self.0.read().clone();
        known.sort_unstable();
        let key = |(letter, window): &(char, u64)| format!("{budget_prefix}:{letter}{window}");
        known
            .chunk_by(|one, next| one.0 == next.0)
            .map(|windows| windows.iter().map(key).collect())
            .collect()
    }
}
