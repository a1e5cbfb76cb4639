//! Layers: one tells handlers below which limiter to use, the other limits everything below it.

mod limiter;
mod limits;

pub use self::{
    limiter::{LimiterLayer, LimiterService},
    limits::{LimitLayer, LimitService},
};
