//! What the attribute expands to, and that nothing makes it panic.

mod half_typed;
mod mutated;
mod snapshots;
