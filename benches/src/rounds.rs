//! Interleaved rounds: on a shared machine, only what ran at the same time can be compared.

use std::time::Instant;

/// One contender: a name, and what it does `times` times.
pub struct Contender<'a> {
    /// What the table calls it.
    pub name: &'static str,
    run: Box<dyn FnMut(u64) + 'a>,
}

impl<'a> Contender<'a> {
    /// A contender that does its work so many times.
    pub fn new(name: &'static str, run: impl FnMut(u64) + 'a) -> Self {
        Self {
            name,
            run: Box::new(run),
        }
    }
}

impl std::fmt::Debug for Contender<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contender")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Nanoseconds of each contender, one for each round.
#[derive(Debug)]
pub struct Rounds(Vec<Vec<f64>>);

impl Rounds {
    /// Lets all contenders run in turn, `rounds` times.
    pub fn of(rounds: usize, times: u64, contenders: &mut [Contender<'_>]) -> Self {
        for contender in &mut *contenders {
            (contender.run)(times / 4);
        }
        let mut all = vec![Vec::new(); contenders.len()];
        for _ in 0..rounds {
            for (contender, nanos) in contenders.iter_mut().zip(&mut all) {
                let start = Instant::now();
                (contender.run)(times);
                nanos.push(start.elapsed().as_nanos() as f64 / times as f64);
            }
        }
        Self(all)
    }

    /// The median of a contender.
    #[must_use]
    pub fn nanos(&self, contender: usize) -> f64 {
        median(self.0[contender].clone())
    }

    /// The median, over rounds, of what one contender takes as a part of what another takes.
    #[must_use]
    pub fn ratio(&self, contender: usize, to: usize) -> f64 {
        let pairs = self.0[contender].iter().zip(&self.0[to]);
        median(pairs.map(|(one, other)| one / other).collect())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
