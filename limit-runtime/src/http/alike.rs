//! What all responses of a policy say alike. Each thread makes it once, so that most requests only copy pointers.

use super::{headers::Label, text::Text};
use axum::body::Bytes;
use http::HeaderValue;
use limit_core::Limit;
use std::cell::RefCell;

/// `RateLimit-Policy` for these policies.
pub(super) fn policy_header(policies: impl Iterator<Item = (Label, Limit)>) -> Text {
    let mut text: Text = Text::new();
    for (index, (label, limit)) in policies.enumerate() {
        text.str(if index > 0 { ", " } else { "" }).label(&label);
        text.str(";q=").number(limit.count().get());
        text.str(";w=")
            .number(limit.window_millis().div_ceil(1_000));
    }
    text
}

/// What is alike for one limit of a policy.
pub(super) struct Alike {
    /// `RateLimit-Policy`, where it is the only one.
    pub(super) header: HeaderValue,
    /// What `RateLimit` begins with: all but the numbers.
    pub(super) state: Box<[u8]>,
    /// The body of a refusal, once there was one.
    pub(super) refusal: Option<Bytes>,
}

impl Alike {
    fn new(label: Label, limit: Limit) -> Option<Self> {
        let mut state: Text = Text::new();
        state.label(&label).str(";r=");
        let header = policy_header([(label, limit)].into_iter());
        Some(Self {
            // In an allocation of its own: in a chunk it would hold all of that for as long as the thread lives.
            header: HeaderValue::from_bytes(header.as_bytes()).ok()?,
            state: state.as_bytes().into(),
            refusal: None,
        })
    }
}

/// Looks at what is alike for this limit. `None` if its policy cannot be told, which every policy can.
#[inline]
pub(super) fn look<T>(label: Label, limit: Limit, at: impl FnOnce(&mut Alike) -> T) -> Option<T> {
    let mut at = Some(at);
    let mut look = |alike: &mut Alike| at.take().map(|at| at(alike));
    let look_there = |remembered: &RefCell<[Remembered; PLACES]>| {
        let mut remembered = remembered.try_borrow_mut().ok()?;
        let place = remembered.get_mut(place_of(label, limit))?;
        match place {
            Some((known, at, alike)) if known.is(label) && *at == limit => look(alike),
            _ => {
                let (_, _, alike) = place.insert((label, limit, Alike::new(label, limit)?));
                look(alike)
            }
        }
    };
    match REMEMBERED.try_with(look_there) {
        Ok(seen @ Some(_)) => seen,
        // A thread that is about to end may have no memory left of its own.
        _ => look(&mut Alike::new(label, limit)?),
    }
}

/// Policies that lie near each other, and tiers of one policy, have places of their own.
fn place_of(label: Label, limit: Limit) -> usize {
    let word =
        label.name.as_ptr().addr() as u64 ^ limit.window_millis() << 20 ^ limit.count().get() << 32;
    (word.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize % PLACES
}

const PLACES: usize = 64;

type Remembered = Option<(Label, Limit, Alike)>;

thread_local! {
    static REMEMBERED: RefCell<[Remembered; PLACES]> = const { RefCell::new([const { None }; PLACES]) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use limit_core::limits;

    #[test]
    fn policies_that_share_a_place_are_never_mixed_up() {
        let name = "predict-and-much-more-of-a-long-name-to-cut-others-from";
        let limits = [limits!("10/minute"), limits!("3/second")].map(|limits| limits.first());
        for round in 0..3 {
            for len in 1..name.len() {
                for (limit, window) in [
                    (limits[0], None),
                    (limits[1], None),
                    (limits[1], Some(limits[1])),
                ] {
                    let label = Label {
                        name: &name[..len],
                        window,
                    };
                    let seen = look(label, limit, |alike| {
                        let refusal = alike
                            .refusal
                            .get_or_insert_with(|| label.to_string().into());
                        (alike.header.clone(), refusal.clone())
                    });
                    let expected = policy_header([(label, limit)].into_iter()).value().unwrap();
                    let of_refusal = Bytes::from(label.to_string());
                    assert_eq!(seen, Some((expected, of_refusal)), "{round} {label}");
                }
            }
        }
    }
}
