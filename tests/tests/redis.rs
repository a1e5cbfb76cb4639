//! The Redis store against real servers.

mod redis {
    mod oracle;
    mod scenarios;
}
