//! The commonest check, without detours: one limit under the moving window, for a log of which nothing has left yet.
//!
//! It answers and records exactly as the general way does (the tests compare both with one model), or
//! declines and leaves the check to that.

use super::{
    cell::{Cell, State},
    log,
    shard::Shard,
    slot::Slot,
};
use crate::{
    clock::Ticks,
    decision::{Outcome, Verdict},
    store::Action,
    window::moving::Hit,
};
use std::time::Duration;

/// What was answered, and whether it was recorded.
pub(super) struct Answer {
    pub(super) outcome: Outcome,
    pub(super) recorded: bool,
}

impl Shard {
    /// Checks one limit against a cell that does not equal a fresh one; `None` if this takes more than a quick look.
    #[inline]
    pub(super) fn check_quickly(
        &mut self,
        place: usize,
        cell: &Cell,
        slot: &Slot<'_>,
        now: Ticks,
        action: Action,
    ) -> Option<Answer> {
        let &[limit] = slot.limits else {
            return None;
        };
        let window = limit.window_millis();
        let (mut pair, ring) = match cell.state()? {
            State::Pair { hits, len } => ((hits, log::pair_shape(len)), None),
            State::Ring { slot, shape } => (([Hit::default(); 2], shape), Some(slot)),
            _ => return None,
        };
        let shape = &mut pair.1;
        let hits = match ring {
            Some(slot) => self.rings.get_mut(slot),
            None => &mut pair.0[..],
        };
        let last = shape.place(shape.len.checked_sub(1)?, hits.len());
        let (oldest, newest) = (*hits.get(shape.head as usize)?, *hits.get(last)?);
        // The log is of this window and no other, and all of it counts.
        let (newest_millis, horizon) = log::newest_and_horizon(cell, newest);
        let oldest_micros = (newest_millis - u64::from(newest.at.wrapping_sub(oldest.at))) * 1_000;
        let now = now.as_micros();
        let leaves = oldest_micros + window * 1_000;
        if horizon != window || slot.cost == 0 || leaves <= now || window < log::COARSE {
            return None;
        }
        let used = newest.total.wrapping_sub(shape.base);
        let left = limit.count().get().saturating_sub(used);
        let outcome = |remaining, newest_millis: u64, verdict| Outcome {
            limit,
            remaining,
            reset_after: Duration::from_micros((newest_millis + window) * 1_000 - now),
            verdict,
        };
        // Units that were given back leave a hit of nothing, which resets nothing.
        let before = match shape.len.checked_sub(2) {
            Some(before) => hits.get(shape.place(before, hits.len()))?.total,
            None => shape.base,
        };
        let is_void = before == newest.total;
        if slot.cost > left {
            if is_void {
                return None;
            }
            // One unit short, and the oldest hit brings it: so it is for whoever comes too often.
            let brings = oldest.total.wrapping_sub(shape.base);
            let denies = action != Action::Force
                && slot.cost - left <= brings
                && used + left == limit.count().get();
            return (denies && slot.cost <= limit.count().get()).then(|| Answer {
                outcome: outcome(
                    left,
                    newest_millis,
                    Verdict::RetryAfter(Duration::from_micros(leaves - now)),
                ),
                recorded: false,
            });
        }
        if action == Action::Peek {
            return (!is_void).then(|| Answer {
                outcome: outcome(left, newest_millis, Verdict::Allowed),
                recorded: false,
            });
        }
        let stamp_millis = now.div_ceil(1_000);
        if stamp_millis != newest_millis {
            if shape.len as usize == hits.len() {
                return None;
            }
            shape.len += 1;
        }
        let end = shape.place(shape.len - 1, hits.len());
        *hits.get_mut(end)? = Hit {
            at: low_half(stamp_millis),
            total: newest.total.wrapping_add(slot.cost),
        };
        let (hits, shape) = pair;
        let state = match ring {
            Some(slot) => State::Ring { slot, shape },
            None => State::Pair {
                hits,
                len: shape.len,
            },
        };
        let fresh_at = stamp_millis + window;
        self.table.set(
            place,
            Cell::new(cell.owner, cell.variant(), state, fresh_at),
        );
        Some(Answer {
            outcome: outcome(left - slot.cost, stamp_millis, Verdict::Allowed),
            recorded: true,
        })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "differences survive wrap-around"
)]
fn low_half(millis: u64) -> u32 {
    millis as u32
}
