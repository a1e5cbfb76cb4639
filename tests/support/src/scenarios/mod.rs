//! What every store must give: rows of requests and answers, and the harness that runs them on any store.
//!
//! A store's test implements [`LimiterUnderTest`] (a limiter and a clock that it can move) and calls [`run`]:
//! each row of [`rows`] begins on an empty store and moves the clock by itself. Rows of a strategy that the
//! subject does not offer are left out, and so are those that step a clock back that cannot.

mod row;
mod rows;

pub use self::{
    row::{Ask, Row, Step},
    rows::rows,
};

use limit_runtime::{
    Decision, Limiter, Strategy, Verdict,
    store::{Action, Charge, Scope},
};
use std::{future::Future, sync::Arc, time::Duration};

/// A store under test, behind a limiter, with a clock that the harness moves.
pub trait LimiterUnderTest: Send + Sync {
    /// What is tested. It must be empty of everything that matters to anybody else: rows reset it.
    fn limiter(&self) -> &Limiter;

    /// Lets this much time pass for the store.
    fn advance(&self, by: Duration) -> impl Future<Output = ()> + Send;

    /// Steps the store's clock back; `false` if that cannot be done.
    fn step_back(&self, by: Duration) -> impl Future<Output = bool> + Send {
        let _ = by;
        async { false }
    }

    /// Whether the store offers this strategy.
    fn offers(&self, strategy: Strategy) -> bool {
        let _ = strategy;
        true
    }

    /// Whether this row says what the store does not promise.
    fn skips(&self, row: &Row) -> bool {
        let _ = row;
        false
    }

    /// How far times may be from what a row says, for clocks that cannot be stopped.
    fn tolerance(&self) -> Duration {
        Duration::ZERO
    }
}

/// Runs all rows.
///
/// # Panics
/// When an answer is not what its row says; the message lists all of them.
pub async fn run(subject: &impl LimiterUnderTest) {
    let mut wrong = Vec::new();
    for row in rows() {
        if let Err(message) = run_row(subject, &row).await {
            wrong.push(message);
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Runs one row on an emptied store.
///
/// # Errors
/// The first answer that is not what the row says.
pub async fn run_row(subject: &impl LimiterUnderTest, row: &Row) -> Result<(), String> {
    if !subject.offers(row.strategy) || subject.skips(row) {
        return Ok(());
    }
    let limiter = subject.limiter();
    let failed = |what: String| format!("row {} ({:?}): {what}", row.name, row.strategy);
    limiter
        .reset_all()
        .await
        .map_err(|error| failed(error.to_string()))?;
    let mut now = 0;
    for (index, step) in row.steps.iter().enumerate() {
        let failed = |what: String| failed(format!("step {}, @{} ms: {what}", index + 1, step.at));
        subject.advance(Duration::from_millis(step.at - now)).await;
        now = step.at;
        if let Some(by) = step.step_back
            && !subject.step_back(by).await
        {
            return Ok(());
        }
        let mut last = None;
        for (hit, expected) in step.verdicts.iter().enumerate() {
            let decision = check(limiter, step, row.strategy).await.map_err(failed)?;
            if decision.is_allowed() != *expected {
                return Err(failed(format!(
                    "hit {} of {} must be {}, and got {decision:?}",
                    hit + 1,
                    step.verdicts.len(),
                    if *expected { "allowed" } else { "denied" },
                )));
            }
            last = Some(decision);
        }
        if let Some(decision) = last {
            compare(step, &decision, subject.tolerance()).map_err(failed)?;
            if step.refund {
                let charges = step.charges(row.strategy);
                limiter
                    .refund(&borrowed(&charges), decision.receipts())
                    .await
                    .map_err(|error| failed(error.to_string()))?;
            }
        }
    }
    Ok(())
}

/// Row 12: of 256 tasks that ask for one key at once, exactly five are let through.
///
/// # Panics
/// If it is any other number.
pub async fn many_tasks_at_once(subject: &Arc<impl LimiterUnderTest + 'static>) {
    let limits = limit_runtime::limits!("5/minute");
    let tasks: Vec<_> = (0..256)
        .map(|_| {
            let subject = Arc::clone(subject);
            tokio::spawn(async move {
                let check = subject.limiter().check(&limits, "everyone at once");
                check.scope("row 12").await.unwrap().is_allowed()
            })
        })
        .collect();
    let mut allowed = 0;
    for task in tasks {
        allowed += u32::from(task.await.unwrap());
    }
    assert_eq!(allowed, 5);
}

async fn check(limiter: &Limiter, step: &Step, strategy: Strategy) -> Result<Decision, String> {
    let charges = step.charges(strategy);
    limiter
        .check_all(&borrowed(&charges), step.action)
        .await
        .map_err(|error| error.to_string())
}

/// One charge, owned; a [`Charge`] borrows its key and limits.
struct Owned {
    ask: Ask,
    strategy: Strategy,
}

fn borrowed(charges: &[Owned]) -> Vec<Charge<'_>> {
    charges
        .iter()
        .map(|Owned { ask, strategy }| {
            Charge::new(Scope::shared(ask.scope), &ask.key, &ask.limits)
                .cost(ask.cost)
                .strategy(*strategy)
        })
        .collect()
}

impl Step {
    fn charges(&self, strategy: Strategy) -> Vec<Owned> {
        let asks = self.asks.iter().cloned();
        asks.map(|ask| Owned { ask, strategy }).collect()
    }
}

fn compare(step: &Step, decision: &Decision, tolerance: Duration) -> Result<(), String> {
    let Some(strictest) = decision.strictest() else {
        return Err("no outcome".to_owned());
    };
    let count = decision.outcomes().len();
    let limits: usize = step.asks.iter().map(|ask| ask.limits.len()).sum();
    let close = |found: Duration, expected: Duration| found.abs_diff(expected) <= tolerance;
    if count != limits {
        return Err(format!("{limits} limits, and {count} outcomes"));
    }
    if decision.is_allowed() && step.action == Action::Consume {
        let receipts = decision.receipts().len();
        if receipts != step.asks.len() {
            return Err(format!(
                "{} charges, and {receipts} receipts",
                step.asks.len()
            ));
        }
    }
    match step.remaining {
        Some(expected) if strictest.remaining() != expected => {
            return Err(format!("remaining must be {expected}: {strictest:?}"));
        }
        _ => {}
    }
    match step.reset_after {
        Some(expected) if !close(strictest.reset_after(), expected) => {
            return Err(format!("reset_after must be {expected:?}: {strictest:?}"));
        }
        _ => {}
    }
    match (step.retry_after, decision.retry_after()) {
        (Some(expected), Some(found)) if close(found, expected) => {}
        (Some(expected), found) => {
            return Err(format!(
                "retry_after must be {expected:?}, and is {found:?}"
            ));
        }
        (None, _) => {}
    }
    if step.never_fits != (strictest.verdict() == Verdict::ExceedsCapacity) {
        return Err(format!("can it ever fit? {strictest:?}"));
    }
    match step.strictest {
        Some(expected) if strictest.limit().to_string() != expected => {
            Err(format!("the strictest must be {expected}: {strictest:?}"))
        }
        _ => Ok(()),
    }
}
