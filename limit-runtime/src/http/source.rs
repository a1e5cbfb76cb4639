//! Functions of extractors that a layer or a limiter keeps: boxed, so that their types do not name them.

use crate::{
    http::{
        answer::{CostAnswer, KeyAnswer, LimitsAnswer},
        extract_fn::ExtractFn,
        instead::Instead,
        policy::{self, KeySource, LimitsSource},
        soon::answer_of,
        spec::GivenLimits,
    },
    key::Key,
};
use http::request::Parts;
use std::{future::Future, pin::Pin, sync::Arc};

/// Asks a request for something.
pub(crate) type Source<T> = Arc<dyn for<'a> Fn(&'a mut Parts) -> Asked<'a, T> + Send + Sync>;

type Asked<'a, T> = Pin<Box<dyn Future<Output = Result<T, Instead>> + Send + 'a>>;

macro_rules! source {
    ($name:ident, $Source:ident, $Answer:ident => $Value:ty) => {
        pub(crate) fn $name<F, M, W>(function: F) -> Source<$Value>
        where
            F: ExtractFn<(), M> + Clone + Send + Sync + 'static,
            for<'a> F::Output<'a>: $Answer<W>,
            M: 'static,
            W: 'static,
        {
            Arc::new(move |parts| {
                let called = policy::$name::<(), F, (M, W)>(function.clone());
                Box::pin(async move { answer_of!($Source::$name(called, parts, &())) })
            })
        }
    };
}

source!(key, KeySource, KeyAnswer => Key);
source!(limits, LimitsSource, LimitsAnswer => Option<GivenLimits>);

/// The cost of a layer. A constant 0 leaves the charge to the handlers; one that is computed is 1.
pub(crate) fn cost<F, M, W>(function: F) -> Source<u64>
where
    F: ExtractFn<(), M> + Clone + Send + Sync + 'static,
    for<'a> F::Output<'a>: CostAnswer<W>,
    M: 'static,
    W: 'static,
{
    Arc::new(move |parts| {
        let function = function.clone();
        Box::pin(async move {
            let arguments = answer_of!(F::extract(parts, &()))?;
            let cost = answer_of!(function.call(parts, arguments).answer())?;
            Ok(if F::IS_CONSTANT { cost } else { cost.max(1) })
        })
    })
}
