//! Which functions are this crate's own, by their types: whatever they are called where they are used,
//! and whatever functions of the user's are called.

use crate::http::{bearer, client_ip::client_ip, everyone, header, route};
use std::any::TypeId;

/// Whether a key or scope function needs no code of the user's, so that rules with it are cheap.
pub(crate) fn is_ours<F>() -> bool {
    let function = typeid::of::<F>();
    function == id_of(&client_ip)
        || function == id_of(&everyone)
        || function == id_of(&bearer)
        || function == id_of(&header(""))
        || function == id_of(&route)
}

/// Whether a function is the scope function `route`.
pub(in crate::http) fn is_route<F>() -> bool {
    typeid::of::<F>() == id_of(&route)
}

fn id_of<T>(_: &T) -> TypeId {
    typeid::of::<T>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn is_ours_by_value<F>(_: &F) -> bool {
        is_ours::<F>()
    }

    #[test]
    fn functions_are_known_by_their_types() {
        use crate::http::client_ip::client_ip as renamed;
        fn header(_: &http::HeaderMap) -> Result<u32, Infallible> {
            Ok(1)
        }
        assert!(is_ours_by_value(&renamed));
        assert!(is_ours_by_value(&everyone));
        assert!(is_ours_by_value(&bearer));
        assert!(is_ours_by_value(&route));
        assert!(is_ours_by_value(&super::header("x-api-key")));
        assert!(!is_ours_by_value(&header));
        assert!(!is_ours_by_value(
            &|parts: &http::request::Parts| client_ip(parts)
        ));
    }
}
