//! Nothing but what this package's targets need in common.

pub mod servers;
