//! The records of all policies of a limiter.

use super::{
    declaration::{Catalog, RuleDeclaration},
    policy_record::{LayerDeclaration, PolicyRecord, PolicySource},
    stats::StatsLevel,
};
use parking_lot::Mutex;
use std::sync::{Arc, OnceLock};

/// Layers that a limiter keeps counters of their own for. Their names are from the source code;
/// this is a bound for a program that makes names while it runs.
const MAX_LAYERS: usize = 1_024;

/// A record for each attribute of the program, and for each layer of the limiter.
pub(crate) struct PolicyRecords {
    level: StatsLevel,
    catalog: &'static Catalog,
    /// One place for each rule of the catalog.
    attributes: Box<[OnceLock<Box<PolicyRecord>>]>,
    /// The rules that the catalog does not have, because they were loaded later.
    late: LateRecords,
    layers: Mutex<Vec<Arc<PolicyRecord>>>,
}

/// A list that only grows. To read it takes no lock.
#[derive(Default)]
struct LateRecords(OnceLock<Box<LateRecord>>);

struct LateRecord {
    rule: &'static RuleDeclaration,
    record: PolicyRecord,
    next: LateRecords,
}

/// The policy that a check belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PolicyId<'a> {
    /// A policy that nothing is counted for.
    Unknown,
    Attribute(&'static RuleDeclaration),
    Layer(&'a PolicyRecord),
}

impl PolicyRecords {
    pub(super) fn new(level: StatsLevel) -> Self {
        let catalog = Catalog::of_program();
        Self {
            level,
            catalog,
            attributes: catalog.rules().iter().map(|_| OnceLock::new()).collect(),
            late: LateRecords::default(),
            layers: Mutex::default(),
        }
    }

    /// The record of a policy.
    #[inline]
    pub(super) fn get<'a>(&'a self, policy: PolicyId<'a>) -> Option<&'a PolicyRecord> {
        match policy {
            PolicyId::Attribute(rule) => Some(self.record_of_rule(rule)),
            PolicyId::Layer(record) => Some(record),
            PolicyId::Unknown => None,
        }
    }

    #[inline]
    fn record_of_rule(&self, rule: &'static RuleDeclaration) -> &PolicyRecord {
        let place = self.catalog.index_of(rule);
        match place.and_then(|index| self.attributes.get(index)?.get()) {
            Some(record) => record,
            None => self.add_record(rule),
        }
    }

    #[cold]
    #[inline(never)]
    fn add_record(&self, rule: &'static RuleDeclaration) -> &PolicyRecord {
        let new =
            |label: Arc<str>| PolicyRecord::new(label, PolicySource::Attribute(rule), self.level);
        let index = self.catalog.index_of(rule);
        let known = index.and_then(|index| {
            let (_, label) = self.catalog.rules().get(index)?;
            let place = self.attributes.get(index)?;
            Some(place.get_or_init(|| Box::new(new(label.clone()))))
        });
        if let Some(record) = known {
            return record;
        }
        let mut place = &self.late;
        loop {
            let late = place.0.get_or_init(|| {
                Box::new(LateRecord {
                    rule,
                    record: new(format!("{}::{}", rule.handler, rule.rule).into()),
                    next: LateRecords::default(),
                })
            });
            if std::ptr::eq(late.rule, rule) {
                return &late.record;
            }
            place = &late.next;
        }
    }

    /// The record of a layer. Layers that count alike in one budget have one record; another layer
    /// of that name has a number behind its name.
    pub(crate) fn add_layer(&self, layer: LayerDeclaration) -> Arc<PolicyRecord> {
        let mut layers = self.layers.lock();
        let is_same = |record: &&Arc<PolicyRecord>| match &record.source {
            PolicySource::Layer(other) => layer.shares_record_with(other),
            PolicySource::Attribute(_) => false,
        };
        if let Some(record) = layers.iter().find(is_same) {
            return record.clone();
        }
        let is_of_attribute = |label: &str| {
            let mut rules = self.catalog.rules().iter();
            rules.any(|(_, taken)| **taken == *label)
        };
        let is_taken = |label: &str| {
            is_of_attribute(label) || layers.iter().any(|other| *other.label == *label)
        };
        let name = match is_of_attribute(layer.name) {
            true => format!("layer::{}", layer.name),
            false => layer.name.to_owned(),
        };
        let numbered = (2..).map(|number| format!("{name}#{number}"));
        let mut labels = std::iter::once(name.clone()).chain(numbered);
        let label = labels.find(|label| !is_taken(label)).unwrap_or(name).into();
        let source = PolicySource::Layer(layer);
        let record = Arc::new(PolicyRecord::new(label, source, self.level));
        if layers.len() < MAX_LAYERS {
            layers.push(record.clone());
        }
        record
    }

    /// All policies: the attributes of the program and the layers of this limiter.
    pub(crate) fn for_each(&self, mut f: impl FnMut(&PolicyRecord)) {
        for (rule, _) in self.catalog.rules() {
            f(self.record_of_rule(rule));
        }
        let mut place = &self.late;
        while let Some(late) = place.0.get() {
            f(&late.record);
            place = &late.next;
        }
        for layer in self.layers.lock().iter() {
            f(layer);
        }
    }
}
