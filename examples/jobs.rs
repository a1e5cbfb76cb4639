//! Background jobs are limited for each tenant with `limiter.check(…).cost(…)`. A job over the
//! limit waits.
//!
//! The jobs of a tenant run in order, at most 10 texts in 2 seconds. A tenant that waits does not
//! delay other tenants. A job that can never fit is not waited for.
//!
//! `cargo run --example jobs` runs all of them and ends.

use examples::language::Model;
use limit_runtime::{Limiter, Limits, limits, store::StoreError};
use std::{error::Error, sync::LazyLock};
use tokio::{task::JoinSet, time::sleep};

static MODEL: LazyLock<Model> = LazyLock::new(|| Model::train(3));

const TEXTS: Limits = limits!("10 per 2 seconds");

struct Job {
    name: &'static str,
    texts: Vec<&'static str>,
}

/// Waits until a job of this cost fits the limit of the tenant; `false` if it never fits.
async fn admit(limiter: &Limiter, tenant: &str, job: &Job) -> Result<bool, StoreError> {
    let cost = u64::try_from(job.texts.len()).unwrap_or(u64::MAX);
    loop {
        let decision = limiter
            .check(&TEXTS, tenant)
            .scope("jobs")
            .cost(cost)
            .await?;
        if decision.is_allowed() {
            return Ok(true);
        }
        let Some(wait) = decision.retry_after() else {
            return Ok(false);
        };
        println!("{tenant}: {} waits {} ms", job.name, wait.as_millis());
        sleep(wait).await;
    }
}

async fn work(limiter: Limiter, tenant: &str, jobs: Vec<Job>) -> Result<(), StoreError> {
    for job in jobs {
        if admit(&limiter, tenant, &job).await? {
            let languages = job.texts.iter().map(|text| MODEL.predict(text).language);
            let languages: Vec<_> = languages.collect();
            println!("{tenant}: {} is done: {}", job.name, languages.join(", "));
        } else {
            println!(
                "{tenant}: {} holds {} texts, which is more than {TEXTS}: split it",
                job.name,
                job.texts.len()
            );
        }
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let job = |name, text, count| Job {
        name,
        texts: vec![text; count],
    };
    let acme = vec![
        job("news", "free and equal", 6),
        job("mail", "frei und gleich", 4),
        job("chat", "libres et égaux", 6),
        job("archive", "libres e iguales", 11),
    ];
    let zeta = vec![job("reviews", "libres e iguales", 3)];
    let limiter = Limiter::new();
    let mut workers = JoinSet::new();
    for (tenant, jobs) in [("acme", acme), ("zeta", zeta)] {
        workers.spawn(work(limiter.clone(), tenant, jobs));
    }
    for result in workers.join_all().await {
        result?;
    }
    Ok(())
}
