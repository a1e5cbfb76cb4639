//! The parts of a concurrency limit that responses describe.

use super::buffer::Text;
use limit_core::{
    Unit,
    header_text::{Label, WriteText},
};
use std::{fmt, num::NonZeroU64};

/// A concurrency limit on a request. It holds no key, so all of it may be in a response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PermitView {
    /// The name of the policy.
    pub(crate) name: &'static str,
    /// The key expression in the source code. It never contains the key itself.
    pub(crate) key_label: &'static str,
    /// How many requests may be in flight.
    pub(crate) max: NonZeroU64,
    /// Whether the policy has limits as well, which have its name in headers.
    pub(crate) has_limits: bool,
}

impl PermitView {
    /// Writes the name in headers as the content of a structured field string.
    fn write_label(self, to: &mut impl WriteText) -> fmt::Result {
        Label {
            name: self.name,
            window: None,
            // The unit is no part of the name.
            unit: Unit::REQUESTS,
        }
        .write_to(to)?;
        to.write_str(if self.has_limits { "-concurrent" } else { "" })
    }

    /// The name in headers: that of the policy, which ends with `-concurrent` if the policy has
    /// limits as well.
    pub(crate) fn label(self) -> String {
        let mut label = Text::<128>::new();
        // Writing to a `Text` cannot fail.
        let _ = self.write_label(&mut label);
        String::from_utf8_lossy(label.as_bytes()).into_owned()
    }

    /// Writes the element of `RateLimit-Policy`.
    pub(super) fn write_policy(self, to: &mut impl WriteText) -> fmt::Result {
        to.write_str("\"")?;
        self.write_label(to)?;
        to.write_str("\";q=")?;
        to.write_number(self.max.get())?;
        to.write_str(";qu=\"concurrent-requests\"")
    }

    /// Writes the element of `RateLimit` for a request that has got no permit.
    pub(super) fn write_exhausted(self, to: &mut impl WriteText) -> fmt::Result {
        to.write_str("\"")?;
        self.write_label(to)?;
        to.write_str("\";r=0")
    }
}

/// The limit as text: `4 concurrent requests`.
impl fmt::Display for PermitView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.max.get() {
            1 => f.write_str("1 concurrent request"),
            max => write!(f, "{max} concurrent requests"),
        }
    }
}
