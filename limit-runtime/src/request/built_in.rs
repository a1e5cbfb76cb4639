//! Recognises this crate's key and scope functions by type, so that imports may rename them.

use super::{
    client_ip::client_ip,
    keys::{bearer, everyone, header},
};
use crate::policy::route_scope::route;
use std::any::TypeId;

/// Whether a key or scope function belongs to this crate. Rules with such functions only are cheap:
/// they run no code of the application, and are checked first.
pub(crate) fn is_built_in(function: TypeId) -> bool {
    function == id_of(&client_ip)
        || function == id_of(&everyone)
        || function == id_of(&bearer)
        || function == id_of(&header(""))
        || function == id_of(&route)
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
}
