//! Converts charges to arguments of a script, and the reply of a script to a decision.

use super::key_names::{self, KeyNames};
use crate::{
    decision::{Decision, Outcome, Receipt, Verdict, recorded_cost},
    store::{Action, Charge, StoreError},
    window::Strategy,
};
use smallvec::SmallVec;
use std::time::Duration;

/// The keys and arguments of one check. `lua/check.lua` documents the arguments.
#[derive(Debug)]
pub(super) struct CheckRequest {
    /// One key for each limit of each charge.
    pub(super) keys: SmallVec<[String; 2]>,
    /// Action, number of limits, and five numbers for each limit.
    pub(super) args: SmallVec<[u64; 12]>,
}

impl CheckRequest {
    pub(super) fn new(key_names: &KeyNames, charges: &[Charge<'_>], action: Action) -> Self {
        let mut request = Self {
            keys: SmallVec::new(),
            args: SmallVec::new(),
        };
        let limits = charges
            .iter()
            .map(|charge| charge.limits.len())
            .sum::<usize>();
        request.args.push(match action {
            Action::Consume => 0,
            Action::Peek => 1,
            Action::Force => 2,
        });
        request.args.push(limits as u64);
        for charge in charges {
            let prefix = key_names.budget_prefix(charge.scope, charge.key);
            for limit in charge.limits {
                let window_millis = limit.window_millis();
                let key = key_names::redis_key(&prefix, charge.strategy, window_millis);
                request.keys.push(key);
                request.args.extend([
                    strategy_index(charge.strategy),
                    limit.count().get(),
                    window_millis.saturating_mul(1_000),
                    recorded_cost(charge.cost),
                    charge.strategy.burst(),
                ]);
            }
        }
        request
    }

    /// How many numbers the reply to this request has.
    pub(super) fn reply_len(&self) -> usize {
        1 + 4 * self.keys.len()
    }
}

/// The keys of a refund, and the arguments: six numbers for each key, see `lua/refund.lua`.
pub(super) fn refund_arguments(
    key_names: &KeyNames,
    charge: &Charge<'_>,
    receipt: &Receipt,
) -> (Vec<String>, Vec<u64>) {
    let prefix = key_names.budget_prefix(charge.scope, charge.key);
    let (mut keys, mut args) = (Vec::new(), Vec::new());
    for limit in charge.limits {
        let window_millis = limit.window_millis();
        keys.push(key_names::redis_key(
            &prefix,
            charge.strategy,
            window_millis,
        ));
        args.extend([
            strategy_index(charge.strategy),
            limit.count().get(),
            window_millis.saturating_mul(1_000),
            recorded_cost(charge.cost),
            charge.strategy.burst(),
            receipt.at(),
        ]);
    }
    (keys, args)
}

/// Converts the reply of the script to a decision. `now` is the server's time in microseconds.
///
/// # Errors
/// If the reply is too short, or a number is out of range.
pub(super) fn parse_decision(
    charges: &[Charge<'_>],
    now: i64,
    reply: &[i64],
) -> Result<Decision, StoreError> {
    let invalid = || StoreError::new("unexpected reply of the rate limiting script in Redis");
    let (&consumed, numbers) = reply.split_first().ok_or_else(invalid)?;
    let limits = charges.iter().flat_map(|charge| {
        let limits = charge.limits.iter();
        limits.map(|&limit| (limit, charge.strategy.capacity(limit)))
    });
    let mut outcomes: SmallVec<[Outcome; 4]> = SmallVec::new();
    let mut numbers = numbers.chunks_exact(4);
    for (limit, capacity) in limits {
        let &[remaining, reset_after, wait, next_after] = numbers.next().ok_or_else(invalid)?
        else {
            return Err(invalid());
        };
        let remaining = u64::try_from(remaining).map_err(|_| invalid())?;
        let reset_after = micros(reset_after).ok_or_else(invalid)?;
        let verdict = match wait {
            0 => Verdict::Allowed,
            -1 => Verdict::ExceedsCapacity,
            wait => Verdict::RetryAfter(micros(wait).ok_or_else(invalid)?),
        };
        let next_after = micros(next_after).ok_or_else(invalid)?;
        outcomes.push(
            Outcome::new(limit, remaining, reset_after, verdict)
                .with_capacity(capacity)
                .with_next_after(next_after),
        );
    }
    let decision = Decision::new(outcomes);
    if consumed == 0 {
        return Ok(decision);
    }
    let now = u64::try_from(now).map_err(|_| invalid())?;
    Ok(decision.with_receipts(charges.iter().map(|_| Receipt::new(now))))
}

fn micros(number: i64) -> Option<Duration> {
    u64::try_from(number).ok().map(Duration::from_micros)
}

/// The index in the table `strategies` of the scripts. Lua counts from 1.
fn strategy_index(strategy: Strategy) -> u64 {
    1 + u64::from(strategy.number())
}
