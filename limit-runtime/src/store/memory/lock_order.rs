//! The order in which several locks are taken.

use smallvec::SmallVec;

/// Takes the lock of each index once, in ascending order, whatever the order of the indices is. Two
/// callers then never wait for each other, so there is no deadlock.
#[inline]
pub(super) fn lock_in_order<G>(
    indices: impl Iterator<Item = usize>,
    mut lock: impl FnMut(usize) -> G,
) -> SmallVec<[(usize, G); 2]> {
    let mut indices: SmallVec<[usize; 2]> = indices.collect();
    indices.sort_unstable();
    indices.dedup();
    indices
        .into_iter()
        .map(|index| (index, lock(index)))
        .collect()
}
