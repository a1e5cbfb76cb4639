//! Converts charges to arguments of a script, and the reply of a script to a decision.

use super::{
    key_names::{self, KeyNames},
    script::{CheckKind, MAX_LEAN_LIMITS},
};
use crate::{
    decision::{Decision, Outcome, Receipt, Verdict, recorded_cost},
    store::{Action, Charge, StoreError},
    window::Strategy,
};
use limit_core::Limit;
use smallvec::SmallVec;
use std::time::Duration;

/// The shortest time for which the server remembers the id of a charge.
const MIN_ID_MILLIS: u64 = 60_000;
/// The longest one, ten years, so that the time of the end is a number that the server knows.
const MAX_ID_MILLIS: u64 = 10 * 366 * 86_400_000;

/// The keys and the argument of one check.
#[derive(Debug)]
pub(super) struct CheckRequest {
    pub(super) kind: CheckKind,
    /// One key for each limit of each charge, then one for each id.
    pub(super) keys: SmallVec<[String; 2]>,
    /// Packed as `lua/check.lua` states.
    pub(super) packed: Vec<u8>,
}

impl CheckRequest {
    pub(super) fn new(key_names: &KeyNames, charges: &[Charge<'_>], action: Action) -> Self {
        let limits = charges.iter().map(|charge| charge.limits.len());
        let limits = limits.sum::<usize>();
        let mut keys: SmallVec<[String; 2]> = SmallVec::with_capacity(limits);
        let mut packed = Vec::with_capacity(9 + 33 * limits);
        let (mut id_keys, mut ids) = (Vec::new(), Vec::new());
        packed.push(match action {
            Action::Consume => 0,
            Action::Peek => 1,
            Action::Force => 2,
        });
        put_u32(&mut packed, limits);
        // The number of ids, which is set below.
        put_u32(&mut packed, 0);
        for charge in charges {
            let prefix = key_names.budget_prefix(charge.scope, charge.key);
            if let Some(id) = charge.id.filter(|_| action == Action::Force) {
                id_keys.push(id_key(&prefix, 'i', id.get()));
                put_u32(&mut ids, keys.len() + 1);
                put_u32(&mut ids, keys.len() + charge.limits.len());
                put_u64(&mut ids, id_millis(charge));
            }
            for &limit in charge.limits {
                keys.push(key_of(&prefix, charge, limit));
                put_limit(&mut packed, charge, limit);
                put_u64(&mut packed, charge.strategy.capacity(limit).get());
            }
        }
        let kind = if id_keys.is_empty() {
            check_kind(charges, &keys)
        } else {
            for (place, byte) in packed.iter_mut().skip(5).zip(u32_bytes(id_keys.len())) {
                *place = byte;
            }
            packed.append(&mut ids);
            CheckKind::General
        };
        keys.extend(id_keys);
        Self { kind, keys, packed }
    }
}

/// Which script answers a check of `charges` without ids. `keys` has one key for each limit.
fn check_kind(charges: &[Charge<'_>], keys: &[String]) -> CheckKind {
    let strategy = charges.first().map(|charge| charge.strategy.number());
    let is_one_strategy = || {
        let mut strategies = charges.iter().map(|charge| charge.strategy.number());
        strategies.all(|number| Some(number) == strategy)
    };
    let has_duplicate = || {
        let mut earlier = keys.iter().enumerate();
        earlier.any(|(index, key)| keys.iter().take(index).any(|other| other == key))
    };
    match strategy {
        Some(strategy)
            if keys.len() <= MAX_LEAN_LIMITS && is_one_strategy() && !has_duplicate() =>
        {
            CheckKind::Lean {
                strategy: usize::from(strategy),
                limits: keys.len(),
            }
        }
        _ => CheckKind::General,
    }
}

/// The keys of a refund, and its argument, see `lua/refund.lua`.
pub(super) fn refund_arguments(
    key_names: &KeyNames,
    charge: &Charge<'_>,
    receipt: &Receipt,
) -> (Vec<String>, Vec<u8>) {
    let prefix = key_names.budget_prefix(charge.scope, charge.key);
    let (mut keys, mut packed) = (Vec::new(), Vec::new());
    put_u32(&mut packed, charge.limits.len());
    put_u64(&mut packed, charge.id.map_or(0, |_| id_millis(charge)));
    for &limit in charge.limits {
        keys.push(key_of(&prefix, charge, limit));
        put_limit(&mut packed, charge, limit);
        put_u64(&mut packed, receipt.at());
    }
    keys.extend(charge.id.map(|id| id_key(&prefix, 'r', id.get())));
    (keys, packed)
}

/// The key of a limit of a charge.
fn key_of(budget_prefix: &str, charge: &Charge<'_>, limit: Limit) -> String {
    key_names::redis_key(budget_prefix, charge.strategy, limit.window_millis())
}

/// What each script gets of a limit of a charge.
fn put_limit(packed: &mut Vec<u8>, charge: &Charge<'_>, limit: Limit) {
    packed.push(strategy_index(charge.strategy));
    put_u64(packed, limit.count().get());
    put_u64(packed, limit.window_millis().saturating_mul(1_000));
    put_u64(packed, recorded_cost(charge.cost));
}

/// The name of the key that exists once the charge with this id was counted. It has the hash tag
/// of the budget. The letter is `i` for a forced charge and `r` for a refund of it.
fn id_key(budget_prefix: &str, letter: char, id: u64) -> String {
    format!("{budget_prefix}:{letter}{id}")
}

/// For how long the server remembers the id of a charge: for as long as the charge counts, and for
/// a minute at least.
fn id_millis(charge: &Charge<'_>) -> u64 {
    charge.lifetime_millis().clamp(MIN_ID_MILLIS, MAX_ID_MILLIS)
}

/// Converts the answer of the script to a decision.
///
/// # Errors
/// If the answer is too short, or a number is out of range.
pub(super) fn parse_decision(
    charges: &[Charge<'_>],
    answer: &[u8],
) -> Result<Decision, StoreError> {
    let invalid = || StoreError::new("unexpected reply of the rate limiting script in Redis");
    let (now, rest) = answer.split_first_chunk::<8>().ok_or_else(invalid)?;
    let (&consumed, mut rest) = rest.split_first().ok_or_else(invalid)?;
    let mut number = || {
        let (bytes, more) = rest.split_first_chunk::<8>()?;
        rest = more;
        Some(i64::from_be_bytes(*bytes))
    };
    let limits = charges.iter().flat_map(|charge| {
        let limits = charge.limits.iter();
        limits.map(|&limit| (limit, charge.strategy.capacity(limit)))
    });
    let mut outcomes: SmallVec<[Outcome; 4]> = SmallVec::new();
    for (limit, capacity) in limits {
        let mut next = || number().ok_or_else(invalid);
        let (remaining, reset_after, wait, next_after) = (next()?, next()?, next()?, next()?);
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
    let now = u64::from_be_bytes(*now);
    Ok(decision.with_receipts(charges.iter().map(|_| Receipt::new(now))))
}

fn micros(number: i64) -> Option<Duration> {
    u64::try_from(number).ok().map(Duration::from_micros)
}

/// The index in the table `strategies` of the scripts. Lua counts from 1.
fn strategy_index(strategy: Strategy) -> u8 {
    1 + strategy.number()
}

fn put_u64(packed: &mut Vec<u8>, number: u64) {
    packed.extend(number.to_be_bytes());
}

fn put_u32(packed: &mut Vec<u8>, number: usize) {
    packed.extend(u32_bytes(number));
}

/// More than 2³² limits do not fit into a command.
fn u32_bytes(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes()
}
