//! The error for a name that no policy has.

use std::{error::Error, fmt, sync::Arc};

/// There is no policy of this name; from
/// [`Limiter::set_dry_run`](crate::Limiter::set_dry_run).
#[derive(Clone, Debug)]
pub struct NoSuchPolicy {
    name: Box<str>,
    known: Vec<Arc<str>>,
}

impl NoSuchPolicy {
    pub(crate) fn new(name: &str, known: Vec<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            known,
        }
    }

    /// The names of all policies.
    pub fn known(&self) -> impl Iterator<Item = &str> {
        self.known.iter().map(|name| &**name)
    }
}

impl fmt::Display for NoSuchPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no policy is named `{}`", self.name)?;
        if self.known.is_empty() {
            return f.write_str(": this program has no rate limits");
        }
        for (index, name) in self.known().enumerate() {
            let separator = if index == 0 {
                ": the policies are "
            } else {
                ", "
            };
            write!(f, "{separator}`{name}`")?;
        }
        Ok(())
    }
}

impl Error for NoSuchPolicy {}
