//! One step of a reset: a page of names, and the deletion of the own budgets among them.

use super::key_names::KeyNames;
use redis::{Cmd, ErrorKind, FromRedisValue, RedisError, Value};

/// How many keys one `SCAN` looks at. The server needs well under a millisecond for that.
const KEYS_PER_SCAN: u64 = 500;

/// The command that returns the next page of names, and a cursor for the page after it.
pub(super) fn scan(key_names: &KeyNames, cursor: u64) -> Cmd {
    let mut scan = Cmd::new();
    scan.arg("SCAN").arg(cursor);
    scan.arg("MATCH").arg(key_names.scan_pattern());
    scan.arg("COUNT").arg(KEYS_PER_SCAN);
    scan
}

/// The cursor of a page of names, and the command that deletes the own budgets among them. `None`:
/// there are none.
pub(super) fn unlink_own(
    key_names: &KeyNames,
    page: Value,
) -> Result<(u64, Option<Cmd>), RedisError> {
    let (cursor, names) = <(u64, Vec<Vec<u8>>)>::from_redis_value(page).map_err(|_| {
        RedisError::from((
            ErrorKind::UnexpectedReturnType,
            "unexpected reply to SCAN: expected a cursor and names",
        ))
    })?;
    let mut unlink = Cmd::new();
    unlink.arg("UNLINK");
    let mut has_own = false;
    for name in names.iter().filter(|name| key_names.is_own_budget(name)) {
        unlink.arg(name);
        has_own = true;
    }
    Ok((cursor, has_own.then_some(unlink)))
}
