//! One of the servers, and which of them holds an item.

use super::{
    eviction_watch::EvictionWatch,
    generation::{Epoch, Generation},
    transport::Transport,
};
use crate::store::key_digest::Digest;
use siphasher::sip::SipHasher13;
use std::hash::Hasher;

/// A server, with what this process knows of it.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) address: Box<str>,
    pub(super) transport: Box<dyn Transport>,
    pub(super) generation: Generation,
    pub(super) evictions: EvictionWatch,
}

impl Server {
    pub(super) fn new(address: &str, transport: Box<dyn Transport>, epoch: Epoch) -> Self {
        Self {
            address: address.into(),
            transport,
            generation: Generation::new(epoch),
            evictions: EvictionWatch::new(address),
        }
    }

    /// Its weight for an item. The hash must not change: all machines have to agree.
    fn weight(&self, digest: &Digest) -> u64 {
        let mut hasher = SipHasher13::new();
        hasher.write(self.address.as_bytes());
        hasher.write(digest);
        hasher.finish()
    }
}

/// The server of an item by rendezvous hashing: the one with the largest weight. Another server
/// takes over only the items of one that is removed from the list, whatever the order of the list.
pub(super) fn server_of<'a>(servers: &'a [Server], digest: &Digest) -> Option<&'a Server> {
    match servers {
        [server] => Some(server),
        servers => servers.iter().max_by_key(|server| server.weight(digest)),
    }
}
