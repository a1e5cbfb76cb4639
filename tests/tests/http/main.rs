//! Handlers through a real `Router`, on a test clock.

mod app;
mod peer;
mod scenarios;
