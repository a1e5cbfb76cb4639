//! A charge that outlives the request it was made for.

use crate::{
    key::Key,
    store::{
        charge::{Charge, ChargeId},
        fallback::Fallback,
        scope::Scope,
    },
    window::Strategy,
};
use limit_core::Limits;

/// A charge that owns its scope, key and limits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct OwnedCharge {
    /// The three texts of the scope, one after the other.
    scope: Box<str>,
    name_len: usize,
    rule_len: usize,
    key: Key,
    limits: Limits,
    strategy: Strategy,
    on_store_error: Option<Fallback>,
    pub(super) cost: u64,
    pub(super) id: Option<ChargeId>,
}

impl OwnedCharge {
    pub(super) fn new(charge: &Charge<'_>) -> Self {
        let texts @ [name, rule, _] = charge.scope.texts();
        Self {
            scope: texts.concat().into(),
            name_len: name.len(),
            rule_len: rule.len(),
            key: charge.key.clone(),
            limits: *charge.limits,
            strategy: charge.strategy,
            on_store_error: charge.on_store_error,
            cost: charge.cost,
            id: charge.id,
        }
    }

    /// The charge, borrowed.
    pub(super) fn as_charge(&self) -> Charge<'_> {
        let (name, rest) = self.scope.split_at(self.name_len);
        let (rule, route) = rest.split_at(self.rule_len);
        Charge {
            scope: Scope::of_texts(name, rule, route),
            key: &self.key,
            limits: &self.limits,
            cost: self.cost,
            strategy: self.strategy,
            on_store_error: self.on_store_error,
            id: self.id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::IntoKey;

    #[test]
    fn it_is_the_charge_it_was_made_of() {
        let (key, limits) = ("alice".into_key(), limit_core::limits!("5/minute"));
        let scope = Scope::handler("app::predict", "client_ip").on_route("/é/{id}");
        let charge = Charge::new(scope, &key, &limits).cost(3);
        let owned = OwnedCharge::new(&charge);
        let again = owned.as_charge();
        assert_eq!(again.scope, charge.scope);
        assert_eq!((again.key, again.cost), (charge.key, 3));
    }
}
