//! Records of how a limiter is used, for warnings. Values only.

pub(crate) mod layer_registry;
