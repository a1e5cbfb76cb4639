//! The examples, run as programs and called over real sockets.

mod inference_api;
