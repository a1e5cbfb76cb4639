//! The routes that a layer does not limit, and warnings about those that exempt nothing.

use crate::{
    clock::{Clock, Ticks},
    diagnostics::{self, Misconfiguration},
    observe::layer_registry::LayerIdentity,
};
use axum::extract::{MatchedPath, NestedPath};
use http::request::Parts;
use std::{
    fmt,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    time::Duration,
};

/// After so many requests and so long an exception that has matched none is reported.
const REQUESTS: u32 = 1_000;
const TIME: Duration = Duration::from_secs(60 * 60);

/// The exceptions of one layer.
#[derive(Debug)]
pub(super) struct Exceptions {
    list: Box<[Exception]>,
    /// How many requests the layer has seen, up to [`REQUESTS`].
    requests: AtomicU32,
    since: Ticks,
}

#[derive(Debug)]
struct Exception {
    route: Box<str>,
    /// Whether it has matched a request, or has been reported.
    is_settled: AtomicBool,
}

impl Exception {
    fn is_open(&self) -> bool {
        !self.is_settled.load(Ordering::Relaxed)
    }

    fn settle(&self) {
        if self.is_open() {
            self.is_settled.store(true, Ordering::Relaxed);
        }
    }
}

impl Exceptions {
    pub(super) fn new(routes: &[Box<str>], now: Ticks) -> Self {
        let list = routes.iter().map(|route| Exception {
            route: route.clone(),
            is_settled: AtomicBool::new(false),
        });
        Self {
            list: list.collect(),
            requests: AtomicU32::new(0),
            since: now,
        }
    }

    /// Whether an exception matches the route of this request.
    pub(super) fn exempt(&self, parts: &Parts, clock: &Clock, layer: &LayerIdentity) -> bool {
        if self.list.is_empty() {
            return false;
        }
        let route = Route::of(parts);
        let mut is_exempt = false;
        for exception in &self.list {
            if route.is(&exception.route) {
                exception.settle();
                is_exempt = true;
            }
        }
        if self.open().next().is_some() {
            self.count(clock, layer);
        }
        is_exempt
    }

    /// Exceptions that have not matched yet.
    fn open(&self) -> impl Iterator<Item = &Exception> {
        self.list.iter().filter(|exception| exception.is_open())
    }

    /// Counts a request, and reports exceptions that have not matched for a long time.
    fn count(&self, clock: &Clock, layer: &LayerIdentity) {
        let counted = self.requests.load(Ordering::Relaxed);
        if counted < REQUESTS {
            let before = self.requests.fetch_add(1, Ordering::Relaxed);
            if before.saturating_add(1) < REQUESTS {
                return;
            }
        }
        if clock.now().since(self.since) >= TIME {
            self.report_unused(layer);
        }
    }

    #[cold]
    fn report_unused(&self, layer: &LayerIdentity) {
        let found = format_args!("{} of the layer {layer}", Routes(self));
        diagnostics::warn_once_with(Misconfiguration::UnusedException, found);
        self.open().for_each(Exception::settle);
    }

    /// Warns if the route of a limited request ends with an exception that has not matched yet.
    pub(super) fn warn_of_incomplete(&self, parts: &Parts, layer: &LayerIdentity) {
        let Some(matched) = parts.extensions.get::<MatchedPath>() else {
            return;
        };
        let template = matched.as_str();
        let is_end = |exception: &&Exception| is_end_of(&exception.route, template);
        if let Some(exception) = self.open().find(is_end) {
            let route = &exception.route;
            let found = format_args!("`{route}` of the layer {layer}, at the route `{template}`");
            diagnostics::warn_once_with(Misconfiguration::IncompleteException, found);
            exception.settle();
        }
    }
}

/// The routes of exceptions that have not matched yet.
struct Routes<'a>(&'a Exceptions);

impl fmt::Display for Routes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, exception) in self.0.open().enumerate() {
            let separator = if index > 0 { ", " } else { "" };
            write!(f, "{separator}`{}`", exception.route)?;
        }
        Ok(())
    }
}

/// The route of a request: its template, or its path where no route has matched.
#[derive(Clone, Copy, Debug)]
struct Route<'a> {
    /// The template of the router that the router around the layer is nested at, if it is nested.
    prefix: &'a str,
    /// The route in the router around the layer.
    here: &'a str,
    /// The template as axum has it.
    template: Option<&'a str>,
}

impl<'a> Route<'a> {
    fn of(parts: &'a Parts) -> Self {
        let nested = parts.extensions.get::<NestedPath>();
        // A router that is nested at `/api/` has the same routes as one at `/api`.
        let prefix = nested.map_or("", |nested| nested.as_str().trim_end_matches('/'));
        let Some(matched) = parts.extensions.get::<MatchedPath>() else {
            return Self {
                prefix,
                here: parts.uri.path(),
                template: None,
            };
        };
        let template = matched.as_str();
        let (prefix, here) = match below(prefix, template) {
            Some(here) => (prefix, here),
            None => ("", template),
        };
        Self {
            prefix,
            here,
            template: Some(template),
        }
    }

    /// Whether `exception` names this route, as seen at the layer or in full.
    fn is(self, exception: &str) -> bool {
        exception == self.here || Some(exception) == self.template || self.is_in_full(exception)
    }

    fn is_in_full(self, exception: &str) -> bool {
        let rest = exception.strip_prefix(self.prefix);
        // The root of a nested router is both `/api` and `/api/`.
        rest.is_some_and(|rest| rest == self.here || (rest.is_empty() && self.here == "/"))
    }
}

/// What is left of a template below a prefix: a route that begins with one slash.
fn below<'a>(prefix: &str, template: &'a str) -> Option<&'a str> {
    let rest = template.strip_prefix(prefix)?;
    // A service that is nested at `/api` has the template `/api//` for `/api/`.
    let name = rest.trim_start_matches('/');
    match rest.len() - name.len() {
        0 if rest.is_empty() => Some("/"),
        0 => None,
        slashes => rest.get(slashes - 1..),
    }
}

/// Whether a template ends with an exception, whole segments only. Outer slashes and the names of
/// parameters make no difference: they are what is easily mistaken.
fn is_end_of(exception: &str, template: &str) -> bool {
    let (exception, template) = (exception.trim_matches('/'), template.trim_matches('/'));
    let mut of_template = template.rsplit('/');
    !exception.is_empty()
        && exception.rsplit('/').all(|segment| {
            of_template
                .next()
                .is_some_and(|other| is_same_segment(segment, other))
        })
}

fn is_same_segment(one: &str, other: &str) -> bool {
    let is_parameter = |segment: &str| segment.starts_with(['{', ':', '*']);
    one == other || (is_parameter(one) && is_parameter(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_below_a_prefix_begins_with_one_slash() {
        for (prefix, template, here) in [
            ("", "/health", Some("/health")),
            ("", "//health", Some("/health")),
            ("/api", "/api", Some("/")),
            ("/api", "/api/", Some("/")),
            ("/api", "/api//", Some("/")),
            ("/api", "/api/health", Some("/health")),
            ("/api", "/api/health/", Some("/health/")),
            ("/api", "/apis/health", None),
            ("/api", "/other", None),
            ("/{tenant}", "/{tenant}/items/{id}", Some("/items/{id}")),
        ] {
            assert_eq!(below(prefix, template), here, "{prefix} {template}");
        }
    }

    #[test]
    fn an_end_is_whole_segments() {
        for (exception, template, is_end) in [
            ("/health", "/api/health", true),
            ("health", "/health", true),
            ("/health/", "/health", true),
            ("/health", "/api/health/", true),
            ("/items/:id", "/items/{id}", true),
            ("/items/{item}", "/api/items/{id}", true),
            ("/files/*path", "/files/{*path}", true),
            ("/health", "/unhealth", false),
            ("/health", "/api/xhealth", false),
            ("/health", "/health/live", false),
            ("/api/health", "/health", false),
            ("/items/7", "/items/{id}", false),
            ("/", "/", false),
            ("", "/api", false),
        ] {
            assert_eq!(
                is_end_of(exception, template),
                is_end,
                "{exception} {template}"
            );
        }
    }
}
