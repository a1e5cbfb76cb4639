//! `RateLimit-Policy`: what holds for a handler, whoever asks.

use super::{headers::Label, text::Text};
use crate::decision::whole_seconds;
use http::HeaderValue;
use limit_core::Limit;
use std::cell::RefCell;

/// The header for these policies.
pub(super) fn of<'a>(
    policies: impl Iterator<Item = (&'a Label<'a>, Limit)>,
) -> Option<HeaderValue> {
    let mut text: Text = Text::new();
    for (index, (label, limit)) in policies.enumerate() {
        text.str(if index > 0 { ", " } else { "" }).label(label);
        text.str(";q=").number(limit.count().get().into());
        text.str(";w=").number(whole_seconds(limit.window()));
    }
    text.value()
}

/// The same for one policy. Each thread remembers some, so that most requests only copy a pointer.
pub(super) fn remembered(label: &Label<'_>, limit: Limit) -> Option<HeaderValue> {
    let new = || of([(label, limit)].into_iter());
    if label.window.is_some() {
        return new();
    }
    let look = |remembered: &RefCell<[Remembered; PLACES]>| {
        let mut remembered = remembered.try_borrow_mut().ok()?;
        let place = &mut remembered[place_of(label.name)];
        match place {
            Some((name, at, value)) if &**name == label.name && *at == limit => Some(value.clone()),
            _ => {
                let value = new()?;
                *place = Some((label.name.into(), limit, value.clone()));
                Some(value)
            }
        }
    };
    // A thread that is about to end may have no memory left of its own.
    REMEMBERED.try_with(look).ok().flatten().or_else(new)
}

fn place_of(name: &str) -> usize {
    let first = name.bytes().next().unwrap_or_default();
    (name.len() + usize::from(first)) % PLACES
}

const PLACES: usize = 32;

type Remembered = Option<(Box<str>, Limit, HeaderValue)>;

thread_local! {
    static REMEMBERED: RefCell<[Remembered; PLACES]> = const { RefCell::new([const { None }; PLACES]) };
}
