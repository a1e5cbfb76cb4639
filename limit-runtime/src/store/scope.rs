//! The scope of a budget.

use super::scope_hash::ScopeHash;

/// The scope of a budget: a rule of a handler, a layer, or a name that handlers share.
///
/// Two [charges](super::Charge) consume from one budget if their scopes, keys and strategies are
/// equal.
///
/// Scopes are chosen by the program. What clients choose belongs into the key, which is hashed with
/// a secret seed. A scope that is a constant costs nothing to make.
///
/// ```
/// use limit_runtime::store::Scope;
///
/// // `#[rate_limit("10/minute", key = client_ip)] async fn predict() {}` in `my_app::api`
/// let of_handler = Scope::handler("my_app::api::predict", "client_ip");
/// // `scope = "models"`
/// let shared = Scope::shared("models");
/// // `limiter.limit_layer("app", limits)`
/// let of_layer = Scope::layer("app");
/// // `scope = route`, on the handler and on the layer
/// let on_routes = [of_handler, of_layer].map(|scope| scope.on_route("/predict/{model}"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scope<'a> {
    name: &'a str,
    rule: &'a str,
    route: &'a str,
    hash: ScopeHash,
}

impl<'a> Scope<'a> {
    const fn new(name: &'a str, rule: &'a str) -> Self {
        Self {
            name,
            rule,
            route: "",
            hash: ScopeHash::of(name, rule),
        }
    }

    /// The scope of one rule of a handler: the handler's module path and function name, and the
    /// rule's `name` or, without one, its key as written.
    #[must_use]
    pub const fn handler(path: &'a str, rule: &'a str) -> Self {
        Self::new(path, rule)
    }

    /// The scope of handlers whose `scope` option is a function. The function's result is the first
    /// part of the key: `limiter.reset_key(Scope::computed(), ("tenant-7", "alice"))`.
    #[must_use]
    pub const fn computed() -> Self {
        Self::shared(Self::COMPUTED)
    }

    /// A scope that handlers share by its name, as with `scope = "models"`.
    #[must_use]
    pub const fn shared(name: &'a str) -> Self {
        Self::new(name, "")
    }

    /// The scope of the layer with this name.
    #[must_use]
    pub const fn layer(name: &'a str) -> Self {
        Self::new(name, Self::LAYER)
    }

    /// This scope on one route, as with `scope = route`. `template` is the complete path template
    /// of the route. An empty one is that of requests without a route.
    #[must_use]
    pub const fn on_route(self, template: &'a str) -> Self {
        let hash = ScopeHash::of(self.name, self.rule);
        Self {
            route: template,
            hash: if template.is_empty() {
                hash
            } else {
                hash.on_route(template)
            },
            ..self
        }
    }

    /// The handler (module path and function name), or the name of a shared scope or of a layer.
    #[must_use]
    pub const fn name(&self) -> &'a str {
        self.name
    }

    /// The rule of a handler: its `name`, or its key as written. Empty for a shared scope.
    #[must_use]
    pub const fn rule(&self) -> &'a str {
        self.rule
    }

    /// The route's template, such as `/item/{id}`. Empty if one budget covers all routes.
    #[must_use]
    pub const fn route(&self) -> &'a str {
        self.route
    }

    /// Its name, its rule and its route.
    pub(crate) const fn texts(&self) -> [&'a str; 3] {
        [self.name, self.rule, self.route]
    }

    /// The scope of these [texts](Self::texts).
    pub(crate) const fn of_texts(name: &'a str, rule: &'a str, route: &'a str) -> Self {
        Self::new(name, rule).on_route(route)
    }

    /// A hash of its texts.
    #[inline]
    pub(crate) const fn hash(&self) -> ScopeHash {
        self.hash
    }

    // The control character keeps these names apart from those of users' scopes and rules.
    const COMPUTED: &'static str = "\u{1}computed";
    const LAYER: &'static str = "\u{1}layer";
}

impl<'a> From<&'a str> for Scope<'a> {
    fn from(name: &'a str) -> Self {
        Self::shared(name)
    }
}
