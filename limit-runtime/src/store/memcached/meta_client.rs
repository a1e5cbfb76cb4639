//! The three calls over the crate `memcache` and its meta protocol.

use super::{
    batch::Batcher,
    client::Client,
    transport::{Call, CallError, Condition, Stored, Transport, Write, Written},
};
use memcache::exp::{Arithmetic, Get, Meta, MutationStatus, Op, OpResult, Set, Ttl};
use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// The last date of the server, a minute early.
const MAX_DATE: u64 = (1 << 31) - 60;
/// Thirty days: longer times are dates.
const MAX_RELATIVE: u32 = 30 * 86_400;

/// Calls of one server.
#[derive(Debug)]
pub(super) struct MetaClient(Arc<Batcher>);

impl MetaClient {
    pub(super) fn new(address: &str, deadline: Duration) -> Self {
        Self(Batcher::new(Client::new(address, deadline)))
    }
}

impl Transport for MetaClient {
    fn get<'a>(&'a self, name: &'a str) -> Call<'a, Option<Stored>> {
        Box::pin(async move {
            let get = Get::new(name).meta(Meta::NONE.cas());
            let OpResult::Get(result) = self.0.run(Op::Get(get)).await? else {
                return Err(unexpected());
            };
            let stored = result.value.zip(result.item.cas);
            Ok(stored.map(|(value, cas)| Stored { value, cas }))
        })
    }

    fn set<'a>(&'a self, name: &'a str, value: Vec<u8>, write: Write) -> Call<'a, Written> {
        Box::pin(async move {
            let set = Set::new(name, value).ttl(ttl(write.lifetime)).return_cas();
            let set = match write.condition {
                Condition::Absent => set.add(),
                Condition::Unchanged(cas) => set.compare_cas(cas),
            };
            let OpResult::Mutation(result) = self.0.run(Op::Set(set)).await? else {
                return Err(unexpected());
            };
            match (result.status, result.cas) {
                (MutationStatus::Applied, Some(cas)) => Ok(Written::Yes(cas)),
                (MutationStatus::Applied, None) => Err(unexpected()),
                _ => Ok(Written::No),
            }
        })
    }

    fn add<'a>(&'a self, name: &'a str, number: u64) -> Call<'a, Option<u64>> {
        Box::pin(async move {
            let add = Arithmetic::new(name).delta(number);
            match self.0.run(Op::Arithmetic(add)).await? {
                OpResult::Arithmetic(result) => Ok(result.value),
                _ => Err(unexpected()),
            }
        })
    }
}

/// A time to live. More than 30 days are an absolute time on the server, which the crate makes.
fn ttl(lifetime: u32) -> Ttl {
    match lifetime {
        0 => Ttl::NEVER,
        seconds => {
            let date = SystemTime::now().duration_since(UNIX_EPOCH);
            let date = date.map_or(0, |date| date.as_secs());
            Ttl::secs(seconds.min(longest_lifetime(date)))
        }
    }
}

/// The longest time to live at a date, in seconds. The server keeps dates in 31 bits, up to the
/// year 2038, and forgets an item with a later one at once.
fn longest_lifetime(date: u64) -> u32 {
    let left = MAX_DATE.saturating_sub(date);
    u32::try_from(left).map_or(MAX_RELATIVE, |left| left.max(MAX_RELATIVE))
}

fn unexpected() -> CallError {
    CallError::new("unexpected answer of memcached")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_date_is_after_the_last_one_of_the_server() {
        for date in [1_800_000_000, MAX_DATE - 1 - u64::from(MAX_RELATIVE)] {
            assert_eq!(date + u64::from(longest_lifetime(date)), MAX_DATE);
        }
        for date in [MAX_DATE - 5, MAX_DATE + 5, u64::MAX] {
            assert_eq!(longest_lifetime(date), MAX_RELATIVE);
        }
    }
}
