//! What an item holds: all that is counted for one scope and key.
//!
//! An item is a version byte, the time of its last change, the ids of charges that may be sent
//! again, counters, and the log of the moving window. Numbers are [varints](varint).

use super::{
    log_state::{END_OF_TIME, LogState},
    transport::CallError,
    varint,
};
use crate::{
    clock::Ticks,
    store::error::StoreErrorKind,
    window::{Strategy, after, counter::Counter, fixed::Fixed, gcra::Gcra, sliding::Sliding},
};
use smallvec::SmallVec;

/// The first byte of an item.
const VERSION: u8 = 1;

/// How many ids an item keeps: the newest ones. An id is needed until its charge is confirmed.
pub(super) const MAX_IDS: usize = 64;

/// All that is counted for one scope and key.
#[derive(Debug, Default)]
pub(super) struct Item {
    /// The time of the last change, by the clock of the machine that made it.
    pub(super) latest: Ticks,
    /// Ids of charges and refunds that were counted, oldest first.
    ids: SmallVec<[u64; 4]>,
    /// Until when the ids are kept.
    ids_until: Ticks,
    pub(super) counters: SmallVec<[CounterState; 1]>,
    pub(super) log: Option<LogState>,
}

/// The counter of a strategy and a window length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CounterState {
    /// See [`Strategy::number`].
    pub(super) strategy: u8,
    pub(super) window_millis: u64,
    pub(super) counter: Counter,
    /// The time from which nothing counts any more.
    pub(super) expires_at: Ticks,
}

impl Item {
    /// Whether a charge or a refund with this id was counted.
    pub(super) fn knows(&self, id: u64) -> bool {
        self.ids.contains(&id)
    }

    /// Remembers the id of a charge or a refund until `until`.
    pub(super) fn remember(&mut self, id: u64, until: Ticks) {
        if self.ids.len() >= MAX_IDS {
            self.ids.remove(0);
        }
        self.ids.push(id);
        self.ids_until = self.ids_until.max(until);
    }

    /// Forgets what does not count any more.
    fn forget_expired(&mut self, now: Ticks) {
        self.counters.retain(|counter| counter.expires_at > now);
        if self.log.as_ref().is_some_and(|log| !log.counts_at(now)) {
            self.log = None;
        }
        if self.ids_until <= now {
            self.ids.clear();
        }
    }

    /// The time from which the server may forget the item.
    pub(super) fn expires_at(&self) -> Ticks {
        let counters = self.counters.iter().map(|counter| counter.expires_at);
        let log = self.log.as_ref().map(LogState::expires_at);
        let ids = (!self.ids.is_empty()).then_some(self.ids_until);
        let last = counters.chain(log).chain(ids).max();
        last.unwrap_or_default()
    }

    /// Removes all counts. Returns the number of strategies that counted something at `now`.
    pub(super) fn clear(&mut self, now: Ticks) -> u64 {
        self.forget_expired(now);
        let mut strategies: SmallVec<[u8; 4]> = SmallVec::new();
        strategies.extend(self.counters.drain(..).map(|counter| counter.strategy));
        if self.log.take().is_some() {
            strategies.push(Strategy::MovingWindow.number());
        }
        strategies.sort_unstable();
        strategies.dedup();
        strategies.len() as u64
    }

    /// The bytes of the item, after a change at `now`.
    pub(super) fn encode(&mut self, now: Ticks) -> Vec<u8> {
        self.forget_expired(now);
        self.latest = now;
        let latest = now.as_micros();
        let mut out = Vec::with_capacity(64);
        out.push(VERSION);
        varint::write(&mut out, latest);
        varint::write(&mut out, self.ids.len() as u64);
        if !self.ids.is_empty() {
            varint::write(&mut out, self.ids_until.as_micros() - latest);
        }
        for id in &self.ids {
            out.extend_from_slice(&id.to_le_bytes());
        }
        varint::write(&mut out, self.counters.len() as u64);
        for counter in &self.counters {
            counter.write(latest, &mut out);
        }
        if let Some(log) = &self.log {
            log.write(now, &mut out);
        }
        out
    }

    /// Reads an item at the time `now`.
    ///
    /// # Errors
    /// If this version of the limiter did not write the bytes.
    pub(super) fn decode(bytes: &[u8], now: Ticks) -> Result<Self, CallError> {
        Self::read(bytes, now).ok_or_else(|| {
            let problem = "an item of the limiter holds a value that the limiter did not write";
            CallError::new(problem).with_kind(StoreErrorKind::Request(problem))
        })
    }

    fn read(bytes: &[u8], now: Ticks) -> Option<Self> {
        let (&VERSION, mut bytes) = bytes.split_first()? else {
            return None;
        };
        let bytes = &mut bytes;
        let latest = varint::read(bytes).filter(|latest| *latest <= END_OF_TIME)?;
        let mut item = Self {
            latest: Ticks::from_micros(latest),
            ..Self::default()
        };
        let ids = varint::read(bytes)?;
        if ids > 0 {
            item.ids_until = time(latest.checked_add(varint::read(bytes)?)?);
        }
        for _ in 0..ids {
            let (id, rest) = bytes.split_first_chunk()?;
            item.ids.push(u64::from_le_bytes(*id));
            *bytes = rest;
        }
        for _ in 0..varint::read(bytes)? {
            item.counters.push(CounterState::read(latest, bytes)?);
        }
        if !bytes.is_empty() {
            // A log is read at a time at which none of its hits is in the future.
            item.log = Some(LogState::read(bytes, now.max(item.latest))?);
        }
        bytes.is_empty().then_some(item)
    }
}

impl CounterState {
    /// Turns what is after `now` into now. `latest` is the time of the last change.
    pub(super) fn end_future(&mut self, latest: Ticks, now: Ticks) {
        let end_of = |at: Ticks, windows: u64| {
            let micros = self.window_millis.saturating_mul(1_000 * windows);
            after(at, micros)
        };
        self.expires_at = match &mut self.counter {
            Counter::Fixed(fixed) => {
                fixed.start = fixed.start.min(now);
                end_of(fixed.start, 1)
            }
            Counter::Sliding(sliding) => {
                sliding.start = sliding.start.min(now);
                end_of(sliding.start, 2)
            }
            // A bucket has no start: what it holds drains from now on as it did from then on.
            Counter::Gcra(gcra) => {
                let step = latest.as_micros().saturating_sub(now.as_micros());
                gcra.empty_at = time(gcra.empty_at.as_micros().saturating_sub(step));
                gcra.fresh_at()
            }
        };
    }

    /// Times are written as differences to `latest`. Only those that count are written, which end
    /// later and began earlier.
    fn write(&self, latest: u64, out: &mut Vec<u8>) {
        let since = |at: Ticks| latest.saturating_sub(at.as_micros());
        let until = |at: Ticks| at.as_micros().saturating_sub(latest);
        out.push(self.strategy);
        varint::write(out, self.window_millis);
        varint::write(out, until(self.expires_at));
        let numbers = match self.counter {
            Counter::Fixed(Fixed { start, used }) => [since(start), used, 0],
            Counter::Sliding(Sliding {
                start,
                previous,
                current,
            }) => [since(start), previous, current],
            Counter::Gcra(Gcra {
                empty_at,
                fraction,
                count,
            }) => [until(empty_at), fraction, count],
        };
        for number in numbers {
            varint::write(out, number);
        }
    }

    fn read(latest: u64, bytes: &mut &[u8]) -> Option<Self> {
        let (&strategy, rest) = bytes.split_first()?;
        *bytes = rest;
        let window_millis = varint::read(bytes)?;
        let expires_at = time(latest.checked_add(varint::read(bytes)?)?);
        let first = varint::read(bytes)?;
        // The sum of two of them fits into 64 bits.
        let mut number = || varint::read(bytes).filter(|number| *number <= u64::MAX >> 2);
        let [second, third] = [number()?, number()?];
        let counter = match strategy {
            1 => Counter::Fixed(Fixed {
                start: time(latest.checked_sub(first)?),
                used: second,
            }),
            2 => Counter::Sliding(Sliding {
                start: time(latest.checked_sub(first)?),
                previous: second,
                current: third,
            }),
            3 => Counter::Gcra(Gcra {
                empty_at: time(latest.checked_add(first)?),
                fraction: second,
                count: third,
            }),
            _ => return None,
        };
        Some(Self {
            strategy,
            window_millis,
            counter,
            expires_at,
        })
    }
}

fn time(micros: u64) -> Ticks {
    Ticks::from_micros(micros)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memcached::log_state::Record;
    use limit_core::limits;

    const NOW: Ticks = Ticks::from_micros(1_700_000_000_000_000);

    fn later(micros: u64) -> Ticks {
        time(NOW.as_micros() + micros)
    }

    fn counters() -> [CounterState; 3] {
        let start = time(NOW.as_micros() - 5_000_000);
        let fixed = Fixed { start, used: 7 };
        let sliding = Sliding {
            start,
            previous: 3,
            current: 1 << 50,
        };
        let gcra = Gcra {
            empty_at: later(77),
            fraction: 5,
            count: 9,
        };
        let counters = [
            Counter::Fixed(fixed),
            Counter::Sliding(sliding),
            Counter::Gcra(gcra),
        ];
        let mut strategy = 0;
        counters.map(|counter| {
            strategy += 1;
            CounterState {
                strategy,
                window_millis: 60_000,
                counter,
                expires_at: later(1_000),
            }
        })
    }

    #[test]
    fn an_item_is_read_as_it_was_written() {
        let limits = limits!("10/minute");
        let mut log = LogState::empty(limits.as_slice());
        log.check(NOW, limits.as_slice(), 3, Record::Always, |_, _| ());
        let mut item = Item {
            counters: counters().into_iter().collect(),
            log: Some(log),
            ..Item::default()
        };
        item.remember(u64::MAX, later(9));
        let bytes = item.encode(NOW);
        let again = Item::decode(&bytes, NOW).expect("an item");
        assert_eq!(again.latest, NOW);
        assert!(again.knows(u64::MAX) && !again.knows(1));
        assert_eq!(again.counters[..], counters());
        assert!(
            again
                .log
                .is_some_and(|log| log.counts_at(later(59_000_000)))
        );
        assert_eq!(item.expires_at(), later(60_000_000));
        for end in 0..bytes.len() {
            let part = Item::decode(&bytes[..end], NOW);
            // Without its log, an item is one without a log.
            let is_whole = part.is_ok_and(|part| part.log.is_none());
            assert!(
                !is_whole || end > bytes.len() / 2,
                "{end} of {}",
                bytes.len()
            );
        }
    }

    #[test]
    fn what_does_not_count_any_more_is_not_written() {
        let mut item = Item {
            counters: counters().into_iter().collect(),
            ..Item::default()
        };
        item.remember(1, later(1));
        let bytes = item.encode(later(1_000));
        assert_eq!(bytes.len(), 11, "version, time, and two zeros");
        assert_eq!(item.expires_at(), Ticks::default());
    }

    #[test]
    fn the_newest_ids_are_remembered() {
        let mut item = Item::default();
        for id in 0..1_000 {
            item.remember(id, later(60_000_000));
        }
        let bytes = item.encode(NOW);
        let item = Item::decode(&bytes, NOW).expect("an item");
        assert!(item.knows(999) && item.knows(999 - 63) && !item.knows(999 - 64));
    }

    #[test]
    fn values_of_others_are_errors_of_one_request() {
        for bytes in [
            &b""[..],
            b"x",
            b"123",
            &[VERSION],
            &[VERSION, 1, 1],
            &[2; 40],
        ] {
            let error = Item::decode(bytes, NOW).map(drop);
            let kind = error.map_err(|error| error.kind);
            assert!(matches!(kind, Err(StoreErrorKind::Request(_))), "{bytes:?}");
        }
    }
}
