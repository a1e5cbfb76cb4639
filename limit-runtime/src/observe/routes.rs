//! Sets of counters, one for each route.

use super::shards::Counters;
use crate::instruments::RequestCounters;
use std::{
    fmt,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

/// The largest number of routes that have counters of their own. Routes are templates from the
/// source code; this is a bound for a program that makes routes while it runs.
const MAX_ROUTES: usize = 1_024;

/// The route that stands for all beyond [`MAX_ROUTES`].
pub(crate) const OTHER_ROUTES: &str = "(other routes)";

/// `N` counters for each route. To look a route up takes no lock.
pub(super) struct Routes<const N: usize> {
    /// Most policies have one.
    first: OnceLock<Box<RouteCell<N>>>,
    /// A hash table of chains.
    others: OnceLock<Box<[OnceLock<Box<RouteCell<N>>>; BUCKETS]>>,
    count: AtomicUsize,
    has_counters: bool,
}

const BUCKETS: usize = 64;

/// The counters of one route.
pub(super) struct RouteCell<const N: usize> {
    pub(super) route: Box<str>,
    pub(super) counters: Counters<N>,
    pub(super) requests: RequestCounters,
    next: OnceLock<Box<Self>>,
}

impl<const N: usize> Routes<N> {
    pub(super) fn new() -> Self {
        Self {
            first: OnceLock::new(),
            others: OnceLock::new(),
            count: AtomicUsize::new(0),
            has_counters: true,
        }
    }

    /// Routes for metrics alone: their counters stay at 0.
    pub(super) fn without_counters() -> Self {
        Self {
            has_counters: false,
            ..Self::new()
        }
    }

    /// The counters of a route, which is empty for a request to no route.
    #[inline]
    pub(super) fn cell(&self, route: &str) -> &RouteCell<N> {
        match self.first.get() {
            Some(first) if *first.route == *route => first,
            _ => self.find(route),
        }
    }

    #[inline(never)]
    fn find(&self, route: &str) -> &RouteCell<N> {
        let first = self.first.get_or_init(|| self.add(route));
        if *first.route == *route {
            return first;
        }
        let buckets = self
            .others
            .get_or_init(|| Box::new([const { OnceLock::new() }; BUCKETS]));
        let cell = |route: &str| -> Option<&RouteCell<N>> {
            let mut place = buckets.get(bucket(route))?;
            while self.count.load(Ordering::Relaxed) < MAX_ROUTES || place.get().is_some() {
                let cell = place.get_or_init(|| self.add(route));
                if *cell.route == *route {
                    return Some(cell);
                }
                place = &cell.next;
            }
            None
        };
        cell(route).unwrap_or_else(|| {
            let mut place = &buckets[bucket(OTHER_ROUTES)];
            loop {
                let cell = place.get_or_init(|| self.add(OTHER_ROUTES));
                if *cell.route == *OTHER_ROUTES {
                    return cell;
                }
                place = &cell.next;
            }
        })
    }

    fn add(&self, route: &str) -> Box<RouteCell<N>> {
        self.count.fetch_add(1, Ordering::Relaxed);
        Box::new(RouteCell {
            route: route.into(),
            counters: match self.has_counters {
                true => Counters::new(),
                false => Counters::off(),
            },
            requests: RequestCounters::default(),
            next: OnceLock::new(),
        })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &RouteCell<N>> {
        let buckets = self
            .others
            .get()
            .into_iter()
            .flat_map(|buckets| buckets.iter());
        let chains = self
            .first
            .get()
            .into_iter()
            .chain(buckets.filter_map(OnceLock::get));
        chains.flat_map(|first| {
            std::iter::successors(Some(&**first), |cell| cell.next.get().map(|next| &**next))
        })
    }
}

/// FNV-1a of a route, which is short.
fn bucket(route: &str) -> usize {
    let hash = route.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    usize::try_from(hash).unwrap_or(0) % BUCKETS
}

impl<const N: usize> fmt::Debug for Routes<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let routes = self.iter().map(|cell| &cell.route);
        f.debug_list().entries(routes).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::HashSet, thread};

    #[test]
    fn threads_that_meet_new_routes_at_once_count_each_of_them() {
        let routes = Routes::<2>::new();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for number in 0..300 {
                        routes.cell(&format!("/{}", number % 150)).counters.add(1);
                    }
                });
            }
        });
        let names: Vec<_> = routes.iter().map(|cell| &*cell.route).collect();
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
        assert_eq!(names.len(), 150);
        for cell in routes.iter() {
            assert_eq!(cell.counters.sums(), [0, 8], "{}", cell.route);
        }
    }

    #[test]
    fn routes_are_bounded_and_the_rest_is_counted_together() {
        let routes = Routes::<1>::new();
        for number in 0..2 * MAX_ROUTES {
            routes.cell(&format!("/{number}")).counters.add(0);
        }
        assert!(routes.iter().count() <= MAX_ROUTES + 1);
        let all: u64 = routes.iter().map(|cell| cell.counters.sums()[0]).sum();
        assert_eq!(all, 2 * MAX_ROUTES as u64);
        let [others] = routes.cell(OTHER_ROUTES).counters.sums();
        assert_eq!(others, MAX_ROUTES as u64);
    }
}
