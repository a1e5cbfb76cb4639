//! The limits that attributes declare, all known before `main` begins.
//!
//! Each `#[rate_limit]` submits what it says to a list of the program (`inventory`). A program does
//! not contain handlers of crates that it does not link, and a generic handler is in the list once.

use super::{concurrency::Concurrency, known_budget::KnownBudget};
use crate::diagnostics::{self, Misconfiguration};
use std::{
    collections::HashSet,
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

/// What one attribute says, as text.
#[derive(Debug)]
pub struct RuleDeclaration {
    pub(crate) name: &'static str,
    /// Identifies the rule within its handler: its name, or its key as written.
    pub(crate) rule: &'static str,
    /// Module path and function name.
    pub(crate) handler: &'static str,
    pub(crate) file: &'static str,
    pub(crate) line: u32,
    pub(crate) column: u32,
    /// As written.
    pub(crate) limits: &'static str,
    /// The concurrency limit as written. Empty without one.
    pub(crate) concurrency: &'static str,
    /// The concurrency limit.
    pub(crate) max_in_flight: Option<Concurrency>,
    pub(crate) key: &'static str,
    pub(crate) cost: &'static str,
    pub(crate) scope: &'static str,
    /// Separated by commas. Empty for all.
    pub(crate) methods: &'static str,
    pub(crate) is_dry_run: bool,
    pub(crate) budget: KnownBudget,
}

impl RuleDeclaration {
    /// A rule of the handler at `place`, with default settings.
    #[must_use]
    pub const fn new(
        name: &'static str,
        rule: &'static str,
        handler: &'static str,
        (file, line, column): (&'static str, u32, u32),
        limits: &'static str,
        budget: KnownBudget,
    ) -> Self {
        Self {
            name,
            rule,
            handler,
            file,
            line,
            column,
            limits,
            concurrency: "",
            max_in_flight: None,
            key: "client_ip",
            cost: "1",
            scope: "",
            methods: "",
            is_dry_run: false,
            budget,
        }
    }

    /// The concurrency limit, as written and as a number. Default: none.
    ///
    /// # Panics
    /// If the number is 0, or larger than that of any limit. In a constant that is an error of the
    /// compiler.
    #[must_use]
    #[track_caller]
    pub const fn concurrency(mut self, written: &'static str, max: u64) -> Self {
        self.concurrency = written;
        self.max_in_flight = Some(Concurrency::new(max));
        self
    }

    /// The rule has no limits but the concurrency limit.
    #[must_use]
    pub const fn without_limits(mut self) -> Self {
        if let Some(concurrency) = &mut self.max_in_flight {
            concurrency.is_only_limit = true;
        }
        self
    }

    /// After which time the body of a response is ended, and its permit released. Default: never.
    #[must_use]
    pub const fn hold_at_most(mut self, time: Duration) -> Self {
        if let Some(concurrency) = &mut self.max_in_flight {
            concurrency.hold_at_most = Some(time);
        }
        self
    }

    /// The key as written. Default: `client_ip`.
    #[must_use]
    pub const fn key(mut self, key: &'static str) -> Self {
        self.key = key;
        self
    }

    /// The cost as written. Default: `1`.
    #[must_use]
    pub const fn cost(mut self, cost: &'static str) -> Self {
        self.cost = cost;
        self
    }

    /// The scope as written. Default: empty, for the handler.
    #[must_use]
    pub const fn scope(mut self, scope: &'static str) -> Self {
        self.scope = scope;
        self
    }

    /// The methods as written, separated by commas. Default: empty, for all.
    #[must_use]
    pub const fn methods(mut self, methods: &'static str) -> Self {
        self.methods = methods;
        self
    }

    /// The rule is in dry run.
    #[must_use]
    pub const fn dry_run(mut self) -> Self {
        self.is_dry_run = true;
        self
    }

    fn place(&self) -> (&'static str, u32, u32) {
        (self.file, self.line, self.column)
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

/// The rules of one handler, in the order of its attributes.
#[derive(Debug)]
pub struct HandlerDeclaration(pub &'static [RuleDeclaration]);

inventory::collect!(HandlerDeclaration);

/// All declared rules of the program, with a name for each that no other one has.
pub(crate) struct Catalog {
    rules: Vec<(&'static RuleDeclaration, Arc<str>)>,
    /// A hash table with linear probing, at most half full: the address of a rule, and its index.
    slots: Box<[Option<(usize, usize)>]>,
}

impl Catalog {
    /// The catalog of the program.
    pub(crate) fn of_program() -> &'static Self {
        static CATALOG: OnceLock<Catalog> = OnceLock::new();
        CATALOG.get_or_init(|| {
            let handlers = inventory::iter::<HandlerDeclaration>.into_iter();
            let catalog = Self::new(handlers.flat_map(|handler| handler.0));
            catalog.warn_of_duplicates();
            catalog
        })
    }

    fn new(rules: impl Iterator<Item = &'static RuleDeclaration>) -> Self {
        let mut rules: Vec<_> = rules.collect();
        // Linkers give no order.
        rules.sort_by_key(|rule| (rule.place(), rule.handler, rule.address()));
        let mut labels = HashSet::new();
        let rules: Vec<_> = rules
            .into_iter()
            .map(|rule| (rule, unique_label(rule, &mut labels)))
            .collect();
        let mut slots = vec![None; (2 * rules.len()).next_power_of_two()].into_boxed_slice();
        for (index, (rule, _)) in rules.iter().enumerate() {
            let free = probe(rule, slots.len()).find(|&slot| slots[slot].is_none());
            if let Some(slot) = free {
                slots[slot] = Some((rule.address(), index));
            }
        }
        Self { rules, slots }
    }

    pub(crate) fn rules(&self) -> &[(&'static RuleDeclaration, Arc<str>)] {
        &self.rules
    }

    /// The index of a rule. `None` for one that was loaded after the program had started.
    #[inline]
    pub(crate) fn index_of(&self, rule: &'static RuleDeclaration) -> Option<usize> {
        for slot in probe(rule, self.slots.len()) {
            let (address, index) = self.slots.get(slot).copied()??;
            if address == rule.address() {
                return Some(index);
            }
        }
        None
    }

    fn warn_of_duplicates(&self) {
        let duplicates = self.duplicates();
        if !duplicates.is_empty() {
            let mut found = String::new();
            for [rule, other] in duplicates {
                let separator = if found.is_empty() { "" } else { "; " };
                let (handler, name) = (rule.handler, rule.rule);
                found.push_str(&format!(
                    "{separator}`{handler}` with `{name}` at {}:{} and at {}:{}",
                    rule.file, rule.line, other.file, other.line
                ));
            }
            let found = format_args!("{found}");
            diagnostics::warn_once_with(Misconfiguration::DuplicateHandlers, found);
        }
    }

    /// Pairs of rules that share a budget by mistake: their handlers are two, at two places, with
    /// one path, and the rules have one name or key.
    pub(crate) fn duplicates(&self) -> Vec<[&'static RuleDeclaration; 2]> {
        let mut duplicates = Vec::new();
        for (index, (rule, _)) in self.rules.iter().enumerate() {
            let is_same = |(other, _): &&(&'static RuleDeclaration, Arc<str>)| {
                (other.handler, other.rule) == (rule.handler, rule.rule)
                    && other.place() != rule.place()
                    && [rule, other].iter().all(|rule| !rule.is_shared())
            };
            if let Some((other, _)) = self.rules.iter().skip(index + 1).find(is_same) {
                duplicates.push([*rule, *other]);
            }
        }
        duplicates
    }
}

impl RuleDeclaration {
    /// Whether the rule's budget is shared by a name, so that the handler does not matter.
    fn is_shared(&self) -> bool {
        self.scope.starts_with('"')
    }
}

/// The slots in which a rule may be, the likeliest first.
#[inline]
fn probe(rule: &RuleDeclaration, slots: usize) -> impl Iterator<Item = usize> + use<> {
    let mask = slots.wrapping_sub(1);
    // Rules are larger than 64 bytes, and those of one crate are often beside each other.
    let first = rule.address() / 64;
    (0..slots).map(move |step| first.wrapping_add(step) & mask)
}

/// The rule's name, or with more of its place in front if another rule has it.
fn unique_label(rule: &RuleDeclaration, taken: &mut HashSet<Arc<str>>) -> Arc<str> {
    let module = rule
        .handler
        .rsplit_once("::")
        .map_or("", |(module, _)| module);
    let (handler, name) = (rule.handler, rule.name);
    let candidates = [
        name.to_owned(),
        format!("{module}::{name}"),
        format!("{handler}::{name}"),
        format!("{handler}::{}", rule.rule),
    ];
    let numbered = (2..).map(|number: u64| format!("{handler}::{name} ({number})"));
    let mut candidates = candidates.into_iter().chain(numbered);
    let label = candidates.find_map(|label| {
        let label: Arc<str> = label.into();
        taken.insert(label.clone()).then_some(label)
    });
    label.unwrap_or_else(|| name.into())
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalog").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        observe::known_budget::{KnownKey, KnownLimits, KnownScope},
        store::Scope,
        window::Strategy,
    };

    fn declare(name: &'static str, handler: &'static str, line: u32) -> &'static RuleDeclaration {
        Box::leak(Box::new(rule(name, handler, line)))
    }

    fn rule(name: &'static str, handler: &'static str, line: u32) -> RuleDeclaration {
        let place = ("src/main.rs", line, 1);
        let budget = KnownBudget::new(
            KnownScope::Fixed(Scope::handler(handler, "client_ip")),
            Strategy::MovingWindow,
            KnownLimits::Unknown,
            KnownKey::Default,
        );
        RuleDeclaration::new(name, "client_ip", handler, place, "1/minute", budget)
    }

    #[test]
    fn each_rule_has_a_name_of_its_own_and_is_found() {
        let rules = [
            declare("predict", "app::v1::predict", 1),
            declare("predict", "app::v2::predict", 2),
            declare("predict", "app::v2::predict", 3),
            declare("predict", "app::v2::predict", 4),
            declare("predict", "app::v2::predict", 5),
            declare("predict", "app::v2::predict", 6),
        ];
        let catalog = Catalog::new(rules.into_iter().rev());
        let labels: Vec<_> = catalog.rules().iter().map(|(_, label)| &**label).collect();
        assert_eq!(
            labels,
            [
                "predict",
                "app::v2::predict",
                "app::v2::predict::predict",
                "app::v2::predict::client_ip",
                "app::v2::predict::predict (2)",
                "app::v2::predict::predict (3)",
            ]
        );
        for (index, rule) in rules.into_iter().enumerate() {
            assert_eq!(catalog.index_of(rule), Some(index));
        }
        assert_eq!(catalog.index_of(declare("other", "app::other", 1)), None);
        let empty = Catalog::new(std::iter::empty());
        assert_eq!(empty.index_of(rules[0]), None);
    }

    #[test]
    fn two_handlers_of_one_path_are_duplicates_and_one_at_one_place_is_not() {
        let rules = [
            declare("predict", "app::predict", 1),
            declare("predict", "app::predict", 2),
            declare("other", "app::other", 3),
            declare("other", "app::other", 3),
        ];
        let duplicates = Catalog::new(rules.into_iter()).duplicates();
        assert_eq!(duplicates.len(), 1);
        let lines = duplicates[0].map(|rule| rule.line);
        assert_eq!(lines, [1, 2]);
    }

    #[test]
    fn rules_of_one_shared_scope_are_no_duplicates() {
        let shared = |line| {
            let rule = rule("a", "app::a", line);
            &*Box::leak(Box::new(rule.scope("\"models\"")))
        };
        let catalog = Catalog::new([shared(1), shared(2)].into_iter());
        assert!(catalog.duplicates().is_empty());
    }
}
