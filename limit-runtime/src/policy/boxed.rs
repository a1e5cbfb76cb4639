//! Functions of extractors that a layer or a limiter keeps. They are boxed, so that the types of
//! layers and limiters do not name them.

use crate::extract::{
    role::{Resolved, Role},
    role_fn::RoleFn,
};
use http::request::Parts;
use std::{future::Future, pin::Pin, sync::Arc};

/// A function of the role `R` with its types erased.
pub(crate) type BoxedFn<R> =
    Arc<dyn for<'a> Fn(&'a mut Parts) -> BoxedResolve<'a, R> + Send + Sync>;

type BoxedResolve<'a, R> = Pin<Box<dyn Future<Output = Resolved<R>> + Send + 'a>>;

/// Boxes a function. A constant keeps its value: a cost of 0 leaves the charge to the handlers.
pub(crate) fn boxed<R, F, M>(function: F) -> BoxedFn<R>
where
    R: Role,
    F: RoleFn<R, (), M> + Clone + Send + Sync + 'static,
    M: 'static,
{
    Arc::new(move |parts| {
        let function = function.clone();
        Box::pin(async move {
            let value = function.resolve(parts, &()).await?;
            Ok(if F::IS_CONSTANT {
                value
            } else {
                R::computed(value)
            })
        })
    })
}
