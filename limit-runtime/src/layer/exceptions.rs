//! The routes that a layer does not limit, and warnings about exceptions that exempt nothing.

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

/// An exception that has matched no request is reported after this many requests to the layer, and
/// not before [`MIN_AGE`].
const MIN_REQUESTS: u32 = 1_000;
const MIN_AGE: Duration = Duration::from_secs(60 * 60);

/// The exceptions of one layer.
#[derive(Debug)]
pub(super) struct Exceptions {
    list: Box<[Exception]>,
    /// Number of requests to the layer, up to [`MIN_REQUESTS`].
    requests: AtomicU32,
    created_at: Ticks,
}

#[derive(Debug)]
struct Exception {
    route: Box<str>,
    /// Whether it has matched a request or has been reported. No warning is needed then.
    is_done: AtomicBool,
}

impl Exception {
    fn is_unmatched(&self) -> bool {
        !self.is_done.load(Ordering::Relaxed)
    }

    fn mark_done(&self) {
        // Reading first keeps the cache line shared between threads.
        if self.is_unmatched() {
            self.is_done.store(true, Ordering::Relaxed);
        }
    }
}

impl Exceptions {
    pub(super) fn new(routes: &[Box<str>], now: Ticks) -> Self {
        let list = routes.iter().map(|route| Exception {
            route: route.clone(),
            is_done: AtomicBool::new(false),
        });
        Self {
            list: list.collect(),
            requests: AtomicU32::new(0),
            created_at: now,
        }
    }

    /// Whether an exception matches the route of this request.
    pub(super) fn exempts(&self, parts: &Parts, clock: &Clock, layer: &LayerIdentity) -> bool {
        if self.list.is_empty() {
            return false;
        }
        let route = Route::of(parts);
        let mut is_exempt = false;
        for exception in &self.list {
            if route.matches(&exception.route) {
                exception.mark_done();
                is_exempt = true;
            }
        }
        if self.unmatched().next().is_some() {
            self.count_request(clock, layer);
        }
        is_exempt
    }

    /// Exceptions that have matched no request and have not been reported.
    fn unmatched(&self) -> impl Iterator<Item = &Exception> {
        self.list
            .iter()
            .filter(|exception| exception.is_unmatched())
    }

    /// Counts a request, and reports unmatched exceptions when there have been enough.
    fn count_request(&self, clock: &Clock, layer: &LayerIdentity) {
        let counted = self.requests.load(Ordering::Relaxed);
        if counted < MIN_REQUESTS {
            let before = self.requests.fetch_add(1, Ordering::Relaxed);
            if before.saturating_add(1) < MIN_REQUESTS {
                return;
            }
        }
        if clock.now().since(self.created_at) >= MIN_AGE {
            self.report_unused(layer);
        }
    }

    #[cold]
    fn report_unused(&self, layer: &LayerIdentity) {
        let found = format_args!("{} of the layer {layer}", UnmatchedRoutes(self));
        diagnostics::warn_once_with(Misconfiguration::UnusedException, found);
        self.unmatched().for_each(Exception::mark_done);
    }

    /// Warns if the route of a limited request ends with an unmatched exception: it probably lacks
    /// the prefix of a nested router.
    pub(super) fn warn_of_incomplete(&self, parts: &Parts, layer: &LayerIdentity) {
        let Some(matched) = parts.extensions.get::<MatchedPath>() else {
            return;
        };
        let template = matched.as_str();
        let is_end = |exception: &&Exception| is_end_of(&exception.route, template);
        if let Some(exception) = self.unmatched().find(is_end) {
            let route = &exception.route;
            let found = format_args!("`{route}` of the layer {layer}, at the route `{template}`");
            diagnostics::warn_once_with(Misconfiguration::IncompleteException, found);
            exception.mark_done();
        }
    }
}

/// Shows the routes of unmatched exceptions.
struct UnmatchedRoutes<'a>(&'a Exceptions);

impl fmt::Display for UnmatchedRoutes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, exception) in self.0.unmatched().enumerate() {
            let separator = if index > 0 { ", " } else { "" };
            write!(f, "{separator}`{}`", exception.route)?;
        }
        Ok(())
    }
}

/// The route of a request: its template, or its path if no route has matched.
#[derive(Clone, Copy, Debug)]
struct Route<'a> {
    /// The path at which the layer's router is nested; empty if it is not.
    prefix: &'a str,
    /// The route relative to the layer's router.
    relative: &'a str,
    /// The full template, from axum's `MatchedPath`.
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
                relative: parts.uri.path(),
                template: None,
            };
        };
        let template = matched.as_str();
        let (prefix, relative) = match relative_route(prefix, template) {
            Some(relative) => (prefix, relative),
            None => ("", template),
        };
        Self {
            prefix,
            relative,
            template: Some(template),
        }
    }

    /// Whether `exception` is this route, relative to the layer's router or in full.
    fn matches(self, exception: &str) -> bool {
        exception == self.relative
            || Some(exception) == self.template
            || self.matches_in_full(exception)
    }

    fn matches_in_full(self, exception: &str) -> bool {
        let rest = exception.strip_prefix(self.prefix);
        // The root of a nested router is both `/api` and `/api/`.
        rest.is_some_and(|rest| rest == self.relative || (rest.is_empty() && self.relative == "/"))
    }
}

/// The rest of a template after a prefix of whole segments, with one slash at its start.
fn relative_route<'a>(prefix: &str, template: &'a str) -> Option<&'a str> {
    let rest = template.strip_prefix(prefix)?;
    // A service that is nested at `/api` has the template `/api//` for `/api/`.
    let name = rest.trim_start_matches('/');
    match rest.len() - name.len() {
        0 if rest.is_empty() => Some("/"),
        0 => None,
        slashes => rest.get(slashes - 1..),
    }
}

/// Whether a template ends with the segments of an exception. Outer slashes and the names of
/// parameters are ignored: they are easily written wrong.
fn is_end_of(exception: &str, template: &str) -> bool {
    let (exception, template) = (exception.trim_matches('/'), template.trim_matches('/'));
    let mut template_segments = template.rsplit('/');
    !exception.is_empty()
        && exception.rsplit('/').all(|segment| {
            template_segments
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
    fn a_relative_route_begins_with_one_slash() {
        for (prefix, template, relative) in [
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
            assert_eq!(
                relative_route(prefix, template),
                relative,
                "{prefix} {template}"
            );
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
