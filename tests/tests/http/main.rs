//! Handlers through a real `Router`, on a test clock.

mod answers;
mod app;
mod handles;
mod layers;
mod peer;
mod scenarios;
mod waiting;
