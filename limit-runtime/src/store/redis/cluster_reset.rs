//! Deletes all budgets on each master of a cluster.
//!
//! `SCAN` sees only the keys of one node. So each master is scanned in turn, over a connection of
//! its own, which knows the masters of this moment.

use super::{
    key_names::KeyNames,
    scan::{scan, unlink_own},
};
use redis::{
    Cmd, ErrorKind, FromRedisValue, RedisError, Value,
    aio::ConnectionLike,
    cluster::ClusterClient,
    cluster_async::ClusterConnection,
    cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr},
};
use std::collections::BTreeMap;

/// How often the masters are scanned anew because slots have moved meanwhile.
const MAX_ROUNDS: usize = 5;

/// The first slot of each range, with the id of its master.
type Slots = BTreeMap<u16, Vec<u8>>;

pub(super) async fn delete_all_budgets(
    client: &ClusterClient,
    key_names: &KeyNames,
) -> Result<(), RedisError> {
    for _ in 0..MAX_ROUNDS {
        let mut cluster = client.get_async_connection().await?;
        let slots = slots(&mut cluster).await?;
        let masters: BTreeMap<_, _> = slots.iter().map(|(slot, master)| (master, slot)).collect();
        for &slot in masters.into_values() {
            delete_on_master(&mut cluster, slot, key_names).await?;
        }
        // A key may have moved to a master that was scanned before.
        if self::slots(&mut cluster).await? == slots {
            return Ok(());
        }
    }
    Err(RedisError::from((
        ErrorKind::Client,
        "the slots of the cluster keep moving between its masters; reset again when that has ended",
    )))
}

/// Deletes the budgets on the master of this slot.
async fn delete_on_master(
    cluster: &mut ClusterConnection,
    slot: u16,
    key_names: &KeyNames,
) -> Result<(), RedisError> {
    let master = Route::new(slot, SlotAddr::Master);
    let master = SingleNodeRoutingInfo::SpecificNode(master);
    let mut cursor = 0;
    loop {
        let page = cluster
            .route_command(
                scan(key_names, cursor),
                RoutingInfo::SingleNode(master.clone()),
            )
            .await?;
        let (next_cursor, unlink) = unlink_own(key_names, page)?;
        if let Some(unlink) = unlink {
            // The client splits the command by slots, and follows slots that have moved.
            cluster.req_packed_command(&unlink).await?.extract_error()?;
        }
        if next_cursor == 0 {
            return Ok(());
        }
        cursor = next_cursor;
    }
}

async fn slots(cluster: &mut ClusterConnection) -> Result<Slots, RedisError> {
    let mut command = Cmd::new();
    command.arg("CLUSTER").arg("SLOTS");
    let any_master = RoutingInfo::SingleNode(SingleNodeRoutingInfo::RandomPrimary);
    let reply = cluster.route_command(command, any_master).await?;
    parse_slots(reply).ok_or_else(|| {
        RedisError::from((
            ErrorKind::UnexpectedReturnType,
            "unexpected reply to CLUSTER SLOTS: expected ranges of slots and their nodes",
        ))
    })
}

/// Parses a list of ranges: first slot, last slot, master, replicas. A node is a list: host, port,
/// id, and more.
fn parse_slots(reply: Value) -> Option<Slots> {
    let Value::Array(ranges) = reply else {
        return None;
    };
    let mut slots = Slots::new();
    for range in ranges {
        let Value::Array(range) = range else {
            return None;
        };
        let mut range = range.into_iter();
        let first = u16::from_redis_value(range.next()?).ok()?;
        let Value::Array(mut master) = range.nth(1)? else {
            return None;
        };
        let id = master.drain(..).nth(2)?;
        slots.insert(first, Vec::from_redis_value(id).ok()?);
    }
    Some(slots)
}
