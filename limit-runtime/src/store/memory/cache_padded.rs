//! Padding against false sharing.

/// Aligned to two cache lines, which avoids false sharing (CPUs prefetch lines in pairs).
#[derive(Default)]
#[repr(align(128))]
pub(super) struct CachePadded<T>(pub(super) T);
