//! What the attribute expands to, and that no input makes it panic.

mod incomplete_input;
mod mutated_input;
mod snapshots;
