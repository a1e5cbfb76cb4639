//! What every store must give: rows of requests with their answers, and the harness that runs them
//! on any store.

mod row;
mod rows;

pub use self::{
    row::{Ask, Row, Step},
    rows::rows,
};

use limit_runtime::{
    Decision, Limiter, Strategy, Verdict,
    clock::TestClock,
    store::{Action, Charge, Scope},
};
use std::time::Duration;

/// Runs all rows but those whose names are in `skipped`, each on an empty store.
///
/// # Panics
/// When an answer is not what its row says. The message lists all of them.
pub async fn run(limiter: &Limiter, clock: &TestClock, skipped: &[&str]) {
    let mut wrong = Vec::new();
    for row in rows().iter().filter(|row| !skipped.contains(&row.name)) {
        if let Err(message) = run_row(limiter, clock, row).await {
            wrong.push(format!("row {} ({:?}): {message}", row.name, row.strategy));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Fails with the first answer that is not what the row says.
async fn run_row(limiter: &Limiter, clock: &TestClock, row: &Row) -> Result<(), String> {
    limiter
        .reset_all()
        .await
        .map_err(|error| error.to_string())?;
    let mut now = 0;
    for (index, step) in row.steps.iter().enumerate() {
        let failed = |what: String| format!("step {}, @{} ms: {what}", index + 1, step.at);
        clock.advance(Duration::from_millis(step.at - now));
        now = step.at;
        if let Some(by) = step.step_back {
            clock.step_back(by);
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
            compare(step, &decision).map_err(failed)?;
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

/// Row 12: of 256 tasks that check one key at once, exactly five are admitted.
///
/// # Panics
/// If it is any other number.
pub async fn many_tasks_at_once(limiter: &Limiter) {
    let limits = limit_runtime::limits!("5/minute");
    let tasks: Vec<_> = (0..256)
        .map(|_| {
            let limiter = limiter.clone();
            tokio::spawn(async move {
                let check = limiter.check(&limits, "everyone at once");
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

fn compare(step: &Step, decision: &Decision) -> Result<(), String> {
    let Some(strictest) = decision.strictest() else {
        return Err("no outcome".to_owned());
    };
    let count = decision.outcomes().len();
    let limits: usize = step.asks.iter().map(|ask| ask.limits.len()).sum();
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
        Some(expected) if strictest.reset_after() != expected => {
            return Err(format!("reset_after must be {expected:?}: {strictest:?}"));
        }
        _ => {}
    }
    match (step.retry_after, decision.retry_after()) {
        (Some(expected), Some(found)) if found == expected => {}
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
