//! A ring of hits, oldest first.

use super::{
    hit::{Hit, SmallHit},
    ticks::Now,
    usage::{Hits, LimitUse},
};
use std::mem;

/// Where a ring has its hits.
pub(crate) trait Storage<H>: AsRef<[H]> + AsMut<[H]> {
    /// Room for this number of hits, or for more.
    fn with_length(length: usize) -> Self;

    /// The bytes beside the ring.
    fn heap_bytes(&self) -> usize;
}

impl<H: Hit> Storage<H> for Box<[H]> {
    fn with_length(length: usize) -> Self {
        vec![H::default(); length].into_boxed_slice()
    }

    fn heap_bytes(&self) -> usize {
        size_of_val(&**self)
    }
}

/// As many hits as fit in the place of the pointer to more.
pub(super) type FewHits = [SmallHit; 2];

/// The capacity of a ring of [`FewHits`].
pub(super) const FEW: usize = size_of::<FewHits>() / size_of::<SmallHit>() + 1;

impl Storage<SmallHit> for FewHits {
    fn with_length(_: usize) -> Self {
        Self::default()
    }

    fn heap_bytes(&self) -> usize {
        0
    }
}

/// A ring buffer of hits. The values that nearly every check reads are stored beside the pointer,
/// so that it does not wait for the memory of the ring.
///
/// The slots of the ring are in blocks, of which the last may be shorter. The newest hits are
/// beside the pointer, too, and are written to their slots together, once their block is complete
/// and another hit follows. So to record a hit in a log that is in no cache waits for the ring once
/// in a block, and to merge it into the newest one does not touch the ring. (To forget a hit reads
/// the slot of the next one.)
#[derive(Debug)]
pub(crate) struct Ring<H: Hit, S = Box<[H]>> {
    /// The slots. Those in the block of the newest hit are not written yet.
    hits: S,
    /// The slot of the oldest hit.
    head: u32,
    /// The number of hits, those in `block` included.
    len: u32,
    /// The total before the oldest hit.
    base: H::Total,
    /// The time of the oldest hit.
    oldest: u32,
    /// The newest hits, the newest first. Those in the block of the newest are only here.
    block: H::Block,
}

impl<H: Hit, S: Storage<H>> Ring<H, S> {
    /// An empty ring with this capacity, or more.
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self {
            hits: S::with_length(capacity.saturating_sub(1)),
            head: 0,
            len: 0,
            base: H::Total::default(),
            oldest: 0,
            block: H::Block::default(),
        }
    }

    #[inline]
    pub(super) fn capacity(&self) -> usize {
        self.hits.as_ref().len() + 1
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.hits.heap_bytes()
    }

    pub(super) fn len(&self) -> u32 {
        self.len
    }

    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.len as usize > self.hits.as_ref().len()
    }

    /// Makes a full ring larger.
    pub(super) fn grow(&mut self, capacity: usize) {
        let larger = Self::with_capacity(capacity);
        let before = mem::replace(&mut self.hits, larger.hits);
        let (wrapped, oldest) = before.as_ref().split_at(self.head as usize);
        let slots = self.hits.as_mut().iter_mut();
        for (slot, hit) in slots.zip(oldest.iter().chain(wrapped)) {
            *slot = *hit;
        }
        self.head = 0;
        self.write_newest(H::BLOCK);
    }

    /// The units of all hits.
    #[inline(always)]
    pub(super) fn units(&self) -> u64 {
        match self.len.checked_sub(1) {
            Some(last) => self.newest().units_since(self.base, last),
            None => 0,
        }
    }

    /// Removes hits that are older than the longest window, except the newest one: a log without a
    /// hit in this window has expired.
    #[inline(always)]
    pub(super) fn forget(&mut self, now: Now, horizon: u32) {
        while self.len > 1 && now.has_left(self.oldest, horizon) {
            self.forget_oldest();
        }
    }

    #[inline(always)]
    fn forget_oldest(&mut self) {
        self.base = self.hit(0).total();
        self.head = self.place(1);
        self.len -= 1;
        self.oldest = self.hit(0).at();
    }

    /// Appends a hit. The ring must not be full.
    #[inline(always)]
    pub(super) fn push(&mut self, at: u32, cost: u64) {
        if let Some(last) = self.len.checked_sub(1) {
            let place = self.place(last);
            let is_last = place as usize + 1 == self.hits.as_ref().len();
            if place % H::BLOCK == H::BLOCK - 1 || is_last {
                self.write_newest(place % H::BLOCK + 1);
            }
        } else {
            self.oldest = at;
        }
        let hit = H::new(self.newest().total(), at, cost);
        push_first(&mut self.block, hit);
        self.len += 1;
    }

    /// Writes the newest `count` hits, which are at most a block, to their slots.
    #[inline(always)]
    fn write_newest(&mut self, count: u32) {
        for index in self.len.saturating_sub(count)..self.len {
            self.put(index, self.hit(index));
        }
    }

    /// Adds units to the newest hit, and moves it to the time `at`.
    #[inline(always)]
    pub(super) fn merge_into_newest(&mut self, at: u32, cost: u64) {
        let merged = H::new(self.newest().total(), at, cost);
        if let Some(newest) = self.block.as_mut().first_mut() {
            *newest = merged;
        }
        if self.len == 1 {
            self.oldest = at;
        }
    }

    /// The first hit of this time or later: its index and its time. `None` if there is none.
    pub(super) fn first_at_or_after(&self, now: Now, stamp: u32) -> Option<(u32, u32)> {
        let last = self.len.checked_sub(1)?;
        let is_meant = |index| now.age(self.hit(index).at()) <= now.age(stamp);
        let first = match (is_meant(0), is_meant(last)) {
            (_, false) => return None,
            (true, true) => 0,
            (false, true) => first_between(0, last, is_meant),
        };
        Some((first, self.hit(first).at()))
    }

    /// Takes out of each hit from `first` on the units that `take` returns for its time and its
    /// units. Hits of which nothing is left are removed.
    pub(super) fn take(&mut self, first: u32, mut take: impl FnMut(u32, u64) -> u64) {
        let mut before = match first.checked_sub(1) {
            Some(index) => self.hit(index).total(),
            None => self.base,
        };
        let (mut total, mut kept) = (before, first);
        let mut block = H::Block::default();
        push_first(&mut block, H::new(total, 0, 0));
        for index in first.saturating_sub(H::BLOCK)..first {
            push_first(&mut block, self.hit(index));
        }
        for index in first..self.len {
            let hit = self.hit(index);
            let units = hit.units_since(before, 0);
            before = hit.total();
            let left = units - take(hit.at(), units);
            if left > 0 {
                let hit = H::new(total, hit.at(), left);
                total = hit.total();
                push_first(&mut block, hit);
                // The slot of the last one may be that of the first.
                if index > kept || index + 1 < self.len {
                    self.put(kept, hit);
                }
                kept += 1;
            }
        }
        self.block = block;
        self.len = kept;
        if kept > 0 {
            self.oldest = self.hit(0).at();
        }
    }

    fn put(&mut self, index: u32, hit: H) {
        let place = self.place(index) as usize;
        if let Some(slot) = self.hits.as_mut().get_mut(place) {
            *slot = hit;
        }
    }

    /// The time and the units of each hit, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, u64)> {
        let mut base = self.base;
        (0..self.len).map(move |index| {
            let hit = self.hit(index);
            // Of the index 0, because the base is that of this hit.
            let units = hit.units_since(base, 0);
            base = hit.total();
            (hit.at(), units)
        })
    }

    /// The hits in a window that the oldest has left.
    #[inline]
    fn within_shorter(&self, now: Now, window: u32) -> LimitUse {
        if self.len == 0 || now.has_left(self.newest_at(), window) {
            return LimitUse {
                used: 0,
                first: self.len,
            };
        }
        let first = self.first_within(now, window);
        let left = first - 1;
        LimitUse {
            used: self.units() - self.hit(left).units_since(self.base, left),
            first,
        }
    }

    /// The index of the first hit in a window, which the oldest has left and the newest has not.
    /// The search begins at the newest hits: a shorter window has few of all.
    #[inline]
    fn first_within(&self, now: Now, window: u32) -> u32 {
        let is_within = |index| !now.has_left(self.hit(index).at(), window);
        let (mut within, mut step) = (self.len - 1, 1);
        let left = loop {
            match within.checked_sub(step) {
                Some(index) if is_within(index) => within = index,
                before => break before.unwrap_or(0),
            }
            step *= 2;
        };
        first_between(left, within, is_within)
    }

    /// The newest hit. If there is none, one with the total before the first.
    #[inline(always)]
    fn newest(&self) -> H {
        self.block.as_ref().first().copied().unwrap_or_default()
    }

    #[inline]
    fn hit(&self, index: u32) -> H {
        let newer = self.len.saturating_sub(index + 1);
        let hit = if newer < H::BLOCK {
            self.block.as_ref().get(newer as usize)
        } else {
            self.hits.as_ref().get(self.place(index) as usize)
        };
        hit.copied().unwrap_or_default()
    }

    #[inline]
    fn place(&self, index: u32) -> u32 {
        let place = self.head + index;
        let capacity = super::ticks::low(self.hits.as_ref().len() as u64);
        if place < capacity {
            place
        } else {
            place - capacity
        }
    }
}

/// Adds a hit before all others, of which the last is dropped.
#[inline(always)]
fn push_first<H: Hit>(block: &mut H::Block, hit: H) {
    let block = block.as_mut();
    block.copy_within(..block.len() - 1, 1);
    if let Some(first) = block.first_mut() {
        *first = hit;
    }
}

/// The first index for which a condition holds, by a binary search: it does not hold for `before`,
/// and holds for `after` and between the result and `after`.
#[inline]
fn first_between(mut before: u32, mut after: u32, holds: impl Fn(u32) -> bool) -> u32 {
    while after - before > 1 {
        let middle = before.midpoint(after);
        if holds(middle) {
            after = middle;
        } else {
            before = middle;
        }
    }
    after
}

impl<H: Hit, S: Storage<H>> Hits for Ring<H, S> {
    #[inline(always)]
    fn within(&self, now: Now, window: u32, is_longest: bool) -> LimitUse {
        if is_longest || !now.has_left(self.oldest, window) {
            return LimitUse {
                used: self.units(),
                first: 0,
            };
        }
        self.within_shorter(now, window)
    }

    #[inline]
    fn frees(&self, of: LimitUse, units: u64) -> u32 {
        // Nearly always the first hit is enough.
        let gone = self.units() - of.used;
        let is_enough = |index: u32| self.hit(index).units_since(self.base, index) - gone >= units;
        let last = self.len.saturating_sub(1);
        if of.first >= last || is_enough(of.first) {
            return self.hit(of.first.min(last)).at();
        }
        self.hit(first_between(of.first, last, is_enough)).at()
    }

    #[inline]
    fn first_at(&self, of: LimitUse) -> u32 {
        if of.first == 0 {
            self.oldest
        } else {
            self.hit(of.first).at()
        }
    }

    #[inline]
    fn newest_at(&self) -> u32 {
        self.newest().at()
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::hit::{LargeHit, UnitHit},
        *,
    };
    use test_support::random::Random;

    /// A ring beside a list of its hits, under random changes.
    #[expect(clippy::cast_possible_truncation, reason = "the numbers are small")]
    fn agrees_with_a_list<H: Hit>(seed: u64) {
        let mut random = Random::new(seed);
        let capacity = 1 + random.below(30) as usize;
        let mut ring = Ring::<H>::with_capacity(capacity);
        let mut list: Vec<(u32, u64)> = Vec::new();
        let mut at = 0;
        for _ in 0..500 {
            at += random.below(4) as u32;
            let now = Now::new(at.into(), 0);
            let cost = if H::HAS_TOTALS {
                1 + random.below(5)
            } else {
                1
            };
            match random.below(12) {
                0..7 => {
                    if ring.is_full() && random.below(3) == 0 {
                        let larger = ring.capacity() + 1 + random.below(9) as usize;
                        ring.grow(larger);
                        assert!(ring.capacity() >= larger);
                    }
                    if !ring.is_full() {
                        ring.push(at, cost);
                        list.push((at, cost));
                    }
                }
                7..9 => {
                    let horizon = 1 + random.below(40) as u32;
                    ring.forget(now, horizon);
                    let keeps = list.len().saturating_sub(1);
                    let left = |&&(at, _): &&(u32, u64)| now.has_left(at, horizon);
                    let left = list.iter().take_while(left).count();
                    list.drain(..left.min(keeps));
                }
                9 if H::HAS_TOTALS => {
                    if let Some(newest) = list.last_mut() {
                        ring.merge_into_newest(at, cost);
                        *newest = (at, newest.1 + cost);
                    }
                }
                _ => {
                    let first = random.below(list.len() as u64 + 1) as usize;
                    let most = random.below(3);
                    ring.take(first as u32, |_, units| units.min(most));
                    for hit in &mut list[first..] {
                        hit.1 -= hit.1.min(most);
                    }
                    list.retain(|hit| hit.1 > 0);
                }
            }
            assert_eq!(ring.iter().collect::<Vec<_>>(), list);
            assert_eq!(ring.len() as usize, list.len());
            assert_eq!(ring.units(), list.iter().map(|hit| hit.1).sum::<u64>());
            if let [(oldest, _), .., (newest, _)] | [(oldest @ newest, _)] = list[..] {
                assert_eq!((ring.oldest, ring.newest_at()), (oldest, newest));
                questions_agree(&ring, &list, now, random.below(u64::from(at) + 1) as u32);
            }
        }
    }

    /// What a ring is asked, beside the same of a list that is not empty.
    #[expect(clippy::cast_possible_truncation, reason = "the numbers are small")]
    fn questions_agree<H: Hit>(ring: &Ring<H>, list: &[(u32, u64)], now: Now, stamp: u32) {
        let index_of = |is_meant: &dyn Fn(u32) -> bool| {
            let mut hits = list.iter();
            hits.position(|&(at, _)| is_meant(at)).map(|it| it as u32)
        };
        let found = index_of(&|at| at >= stamp);
        let expected = found.map(|index| (index, list[index as usize].0));
        assert_eq!(ring.first_at_or_after(now, stamp), expected);

        let window = now.stamp - stamp.min(now.stamp);
        let first = index_of(&|at| !now.has_left(at, window)).unwrap_or(list.len() as u32);
        let within = &list[first as usize..];
        let of = ring.within(now, window, false);
        let used = within.iter().map(|hit| hit.1).sum::<u64>();
        assert_eq!((of.first, of.used), (first, used));
        for units in 1..=used {
            let mut left = 0;
            let mut hits = within.iter();
            let frees = hits.find(|&&(_, more)| {
                left += more;
                left >= units
            });
            assert_eq!(Some(ring.frees(of, units)), frees.map(|hit| hit.0));
        }
    }

    #[test]
    fn a_ring_agrees_with_a_list_of_its_hits() {
        for seed in 0..300 {
            agrees_with_a_list::<UnitHit>(seed);
            agrees_with_a_list::<SmallHit>(seed);
            agrees_with_a_list::<LargeHit>(seed);
        }
    }
}
