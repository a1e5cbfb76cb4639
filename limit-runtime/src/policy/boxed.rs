//! Functions of extractors that a layer or a limiter keeps: boxed, so that their types do not name them.

use super::source::{self, KeySource, LimitsSource};
use crate::{
    extract::{
        function::ExtractFn,
        limits::LimitsRef,
        maybe_ready::ready_or_await,
        output::{CostAnswer, KeyAnswer, LimitsAnswer},
        rejection::Rejection,
    },
    key::Key,
};
use http::request::Parts;
use std::{future::Future, pin::Pin, sync::Arc};

/// A function of extractors with its types erased.
pub(crate) type BoxedFn<T> = Arc<dyn for<'a> Fn(&'a mut Parts) -> Called<'a, T> + Send + Sync>;

type Called<'a, T> = Pin<Box<dyn Future<Output = Result<T, Rejection>> + Send + 'a>>;

macro_rules! source {
    ($name:ident, $Source:ident, $Answer:ident => $Value:ty) => {
        pub(crate) fn $name<F, M, W>(function: F) -> BoxedFn<$Value>
        where
            F: ExtractFn<(), M> + Clone + Send + Sync + 'static,
            for<'a> F::Output<'a>: $Answer<W>,
            M: 'static,
            W: 'static,
        {
            Arc::new(move |parts| {
                let called = source::$name::<(), F, (M, W)>(function.clone());
                Box::pin(async move { ready_or_await!($Source::$name(called, parts, &())) })
            })
        }
    };
}

source!(key, KeySource, KeyAnswer => Key);
source!(limits, LimitsSource, LimitsAnswer => Option<LimitsRef>);

/// The cost of a layer. A constant 0 leaves the charge to the handlers; one that is computed is 1.
pub(crate) fn cost<F, M, W>(function: F) -> BoxedFn<u64>
where
    F: ExtractFn<(), M> + Clone + Send + Sync + 'static,
    for<'a> F::Output<'a>: CostAnswer<W>,
    M: 'static,
    W: 'static,
{
    Arc::new(move |parts| {
        let function = function.clone();
        Box::pin(async move {
            let arguments = ready_or_await!(F::extract(parts, &()))?;
            let cost = ready_or_await!(function.call(parts, arguments).answer())?;
            Ok(if F::IS_CONSTANT { cost } else { cost.max(1) })
        })
    })
}
