//! `concurrency = …` beside limits or alone, and the options that need one of the two.

use proc_macro2::Span;

use crate::errors::Errors;
use crate::model::{Rule, RuleLimits};
use crate::syntax::options::OptionName;

/// The options of an attribute that have an effect only together with another one.
#[derive(Default)]
pub(crate) struct OptionSpans {
    concurrency: Option<Span>,
    hold_at_most: Option<Span>,
    of_limits: Vec<(OptionName, Span)>,
}

impl OptionSpans {
    pub(crate) fn add(&mut self, option: OptionName, name: Span) {
        match option {
            OptionName::Concurrency => self.concurrency = Some(name),
            OptionName::HoldAtMost => self.hold_at_most = Some(name),
            OptionName::Cost | OptionName::Strategy | OptionName::CountWhen => {
                self.of_limits.push((option, name));
            }
            _ => {}
        }
    }

    /// Whether the attribute has `concurrency`, valid or not.
    pub(crate) fn has_concurrency(&self) -> bool {
        self.concurrency.is_some()
    }

    /// Reports options without effect.
    pub(crate) fn check(&self, rule: &Rule, errors: &mut Errors) {
        if let (Some(span), None) = (self.hold_at_most, self.concurrency) {
            errors.at_span(
                span,
                "`hold_at_most` has no effect without `concurrency`: \
                 write `concurrency = 4` beside it, or remove it",
            );
        }
        if !matches!(rule.limits, RuleLimits::None) {
            return;
        }
        for (option, span) in &self.of_limits {
            errors.at_span(
                *span,
                format!(
                    "`{option}` has no effect on `concurrency`: \
                     write limits as the first argument, as in `\"10/minute\"`, or remove it"
                ),
            );
        }
    }
}
