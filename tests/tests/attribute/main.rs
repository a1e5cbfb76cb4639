//! `#[rate_limit]` on handlers of every shape that Axum takes, in a `Router`.

#![allow(clippy::unwrap_used)]

mod arguments;
mod arity;
mod attributes;
mod common;
mod costs;
mod direct;
mod fragments;
mod generics;
mod identity;
mod keys;
mod limits;
mod places;
mod returns;
mod several;
mod state;
mod unit_tests;
