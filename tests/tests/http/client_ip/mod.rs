//! The address that `client_ip` finds behind proxies, whatever attackers send.

mod chain;
mod common;
mod proof;
mod router;
mod rules;
