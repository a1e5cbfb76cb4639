//! What a limiter knows of its use: values only.

pub(crate) mod layer_registry;
