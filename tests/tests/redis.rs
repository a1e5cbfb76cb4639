//! The Redis store against real servers.

mod redis {
    mod guard;
    mod oracle;
    mod scenarios;
    mod topologies;
}
