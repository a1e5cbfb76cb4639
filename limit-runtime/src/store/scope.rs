//! The scope of a budget.

/// The scope of a budget: a rule of a handler, a layer, or a name that handlers share.
///
/// Two [charges](super::Charge) consume from one budget if their scopes, keys and strategies are
/// equal.
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
#[non_exhaustive]
pub struct Scope<'a> {
    /// The handler (module path and function name), or the name of a shared scope or of a layer.
    pub name: &'a str,
    /// The rule of a handler: its `name`, or its key as written. Empty for a shared scope.
    pub rule: &'a str,
    /// The route's template, such as `/item/{id}`. Empty if one budget covers all routes.
    pub route: &'a str,
}

impl<'a> Scope<'a> {
    /// The scope of one rule of a handler: the handler's module path and function name, and the
    /// rule's `name` or, without one, its key as written.
    #[must_use]
    pub const fn handler(path: &'a str, rule: &'a str) -> Self {
        Self {
            name: path,
            rule,
            route: "",
        }
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
        Self {
            name,
            rule: "",
            route: "",
        }
    }

    /// The scope of the layer with this name.
    #[must_use]
    pub const fn layer(name: &'a str) -> Self {
        Self {
            name,
            rule: Self::LAYER,
            route: "",
        }
    }

    /// This scope on one route, as with `scope = route`. `template` is the complete path template
    /// of the route.
    #[must_use]
    pub const fn on_route(self, template: &'a str) -> Self {
        Self {
            route: template,
            ..self
        }
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
