//! Recognises this crate's key and scope functions by type, so that imports may rename them.

use super::{
    client_ip::client_ip,
    keys::{bearer, everyone, header},
};
use crate::{
    key::{IntoKey, Key},
    observe::known_budget::NoKey,
    policy::route_scope::{is_route, route},
};
use http::request::Parts;
use std::any::TypeId;

/// A key or scope function of this crate.
enum BuiltIn {
    ClientIp,
    Everyone,
    Bearer,
    Header,
    Route,
}

impl BuiltIn {
    /// The function of this type; `None` for one of the application.
    fn of(function: TypeId) -> Option<Self> {
        Some(if function == id_of(&client_ip) {
            Self::ClientIp
        } else if function == id_of(&everyone) {
            Self::Everyone
        } else if function == id_of(&bearer) {
            Self::Bearer
        } else if function == id_of(&header("")) {
            Self::Header
        } else if function == id_of(&route) {
            Self::Route
        } else {
            return None;
        })
    }
}

/// Whether a key or scope function belongs to this crate. Rules with such functions only are cheap:
/// they run no code of the application, and are checked first.
pub(crate) fn is_built_in(function: TypeId) -> bool {
    BuiltIn::of(function).is_some()
}

/// The key of a request by a key function of this crate. `header_name` is the argument of
/// [`header`], which its type does not show.
///
/// # Errors
/// If the function is no key function of this crate, or rejects the request.
pub fn built_in_key<F>(
    parts: &Parts,
    function: &F,
    header_name: &'static str,
) -> Result<Key, NoKey> {
    let key = match BuiltIn::of(id_of(function)) {
        Some(BuiltIn::ClientIp) => client_ip(parts).map(IntoKey::into_key).ok(),
        Some(BuiltIn::Everyone) => Some(everyone()),
        Some(BuiltIn::Bearer) => bearer(parts).ok(),
        Some(BuiltIn::Header) => header(header_name)(parts).ok(),
        Some(BuiltIn::Route) | None => return Err(NoKey::NotBuiltIn),
    };
    key.ok_or(NoKey::Rejected)
}

/// Whether a scope function is [`route`].
#[must_use]
pub fn is_route_function<F>(_: &F) -> bool {
    is_route::<F>()
}

fn id_of<T>(_: &T) -> TypeId {
    typeid::of::<T>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn is_built_in_by_value<F>(function: &F) -> bool {
        is_built_in(id_of(function))
    }

    #[test]
    fn functions_are_recognised_by_type() {
        use super::client_ip as renamed;
        fn header(_: &http::HeaderMap) -> Result<u64, Infallible> {
            Ok(1)
        }
        assert!(is_built_in_by_value(&renamed));
        assert!(is_built_in_by_value(&everyone));
        assert!(is_built_in_by_value(&bearer));
        assert!(is_built_in_by_value(&route));
        assert!(is_built_in_by_value(&super::header("x-api-key")));
        assert!(!is_built_in_by_value(&header));
        assert!(!is_built_in_by_value(&|parts: &http::request::Parts| {
            client_ip(parts)
        }));
    }

    #[test]
    fn the_key_of_a_built_in_function_is_the_one_that_the_function_returns() {
        fn other() -> Key {
            "other".into_key()
        }
        let request = http::Request::builder()
            .header("x-api-key", "k-1")
            .header("authorization", "Bearer t-1");
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let api_key = super::header("x-api-key");
        assert_eq!(
            built_in_key(&parts, &api_key, "x-api-key"),
            Ok("k-1".into_key())
        );
        assert_eq!(built_in_key(&parts, &bearer, ""), Ok("t-1".into_key()));
        assert_eq!(built_in_key(&parts, &everyone, ""), Ok(().into_key()));
        assert_eq!(built_in_key(&parts, &client_ip, ""), Err(NoKey::Rejected));
        assert_eq!(
            built_in_key(&parts, &api_key, "x-user"),
            Err(NoKey::Rejected)
        );
        assert_eq!(built_in_key(&parts, &other, ""), Err(NoKey::NotBuiltIn));
        assert!(is_route_function(&route) && !is_route_function(&other));
    }
}
