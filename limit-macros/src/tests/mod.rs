//! What the attribute expands to, that no input makes it panic, and the order of modules.

mod import_order;
mod incomplete_input;
mod mutated_input;
mod snapshots;
