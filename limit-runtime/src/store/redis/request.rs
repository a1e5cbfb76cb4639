//! Charges as script arguments, and the script's numbers as a decision.

use super::digest::{self, Namer};
use crate::{
    decision::{Decision, Outcome, Receipt, Verdict, recorded_cost},
    store::{Action, Charge, StoreError},
    window::Strategy,
};
use parking_lot::RwLock;
use smallvec::SmallVec;
use std::time::Duration;

/// One check, as the script takes it.
#[derive(Debug)]
pub(super) struct Request {
    /// One for each limit of each charge.
    pub(super) keys: SmallVec<[String; 2]>,
    /// Action, number of limits, and five numbers for each limit.
    pub(super) args: SmallVec<[u64; 12]>,
}

impl Request {
    pub(super) fn new(namer: &Namer, charges: &[Charge<'_>], action: Action) -> Self {
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
            let owner = namer.owner(charge.scope, charge.key);
            for limit in charge.limits {
                let window_millis = limit.window_millis();
                let key = digest::budget(&owner, charge.strategy, window_millis);
                request.keys.push(key);
                request.args.extend([
                    number(charge.strategy),
                    limit.count().get(),
                    window_millis.saturating_mul(1_000),
                    recorded_cost(charge.cost),
                    charge.strategy.burst(),
                ]);
            }
        }
        request
    }

    /// How many numbers the script answers this request with.
    pub(super) fn reply_len(&self) -> usize {
        1 + 4 * self.keys.len()
    }
}

/// The arguments of a refund: keys, and six numbers for each.
pub(super) fn refund(
    namer: &Namer,
    charge: &Charge<'_>,
    receipt: &Receipt,
) -> (Vec<String>, Vec<u64>) {
    let owner = namer.owner(charge.scope, charge.key);
    let (mut keys, mut args) = (Vec::new(), Vec::new());
    for limit in charge.limits {
        let window_millis = limit.window_millis();
        keys.push(digest::budget(&owner, charge.strategy, window_millis));
        args.extend([
            number(charge.strategy),
            limit.count().get(),
            window_millis.saturating_mul(1_000),
            recorded_cost(charge.cost),
            charge.strategy.burst(),
            receipt.at(),
        ]);
    }
    (keys, args)
}

/// The strategies and windows that this process has checked: with them the keys of an owner can
/// be named without a search. There are as many as the program's limits have; the bound is for those who make limits up.
#[derive(Debug, Default)]
pub(super) struct Rules(RwLock<Vec<(char, u64)>>);

const MAX_RULES: usize = 1024;

impl Rules {
    pub(super) fn note(&self, charges: &[Charge<'_>]) {
        for charge in charges {
            for limit in charge.limits {
                let rule = (digest::letter(charge.strategy), limit.window_millis());
                if self.0.read().contains(&rule) {
                    continue;
                }
                let mut rules = self.0.write();
                if rules.len() < MAX_RULES && !rules.contains(&rule) {
                    rules.push(rule);
                }
            }
        }
    }

    /// The keys that `owner` can have, those of each strategy together.
    pub(super) fn keys_by_strategy(&self, owner: &str) -> Vec<Vec<String>> {
        let mut rules = self.0.read().clone();
        rules.sort_unstable();
        let name = |(letter, window): &(char, u64)| format!("{owner}:{letter}{window}");
        rules
            .chunk_by(|one, next| one.0 == next.0)
            .map(|windows| windows.iter().map(name).collect())
            .collect()
    }
}

/// Makes the decision out of what the script said at `now` on the server's clock.
///
/// # Errors
/// When the numbers are too few or make no sense.
pub(super) fn decision(
    charges: &[Charge<'_>],
    now: i64,
    reply: &[i64],
) -> Result<Decision, StoreError> {
    let garbled = || StoreError::bug("the script's answer makes no sense");
    let (&consumed, numbers) = reply.split_first().ok_or_else(garbled)?;
    let limits = charges.iter().flat_map(|charge| {
        let limits = charge.limits.iter();
        limits.map(|&limit| (limit, charge.strategy.capacity(limit)))
    });
    let mut outcomes: SmallVec<[Outcome; 4]> = SmallVec::new();
    let mut numbers = numbers.chunks_exact(4);
    for (limit, capacity) in limits {
        let &[remaining, reset, wait, next] = numbers.next().ok_or_else(garbled)? else {
            return Err(garbled());
        };
        let remaining = u64::try_from(remaining).map_err(|_| garbled())?;
        let reset_after = micros(reset).ok_or_else(garbled)?;
        let verdict = match wait {
            0 => Verdict::Allowed,
            -1 => Verdict::ExceedsCapacity,
            wait => Verdict::RetryAfter(micros(wait).ok_or_else(garbled)?),
        };
        let next_after = micros(next).ok_or_else(garbled)?;
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
    let now = u64::try_from(now).map_err(|_| garbled())?;
    Ok(decision.with_receipts(charges.iter().map(|_| Receipt::new(now))))
}

fn micros(number: i64) -> Option<Duration> {
    u64::try_from(number).ok().map(Duration::from_micros)
}

/// Its place in the scripts' table, which Lua counts from 1.
fn number(strategy: Strategy) -> u64 {
    1 + u64::from(strategy.number())
}
