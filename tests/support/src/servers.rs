//! Redis servers that tests start for themselves, on free ports of 127.0.0.1.

use crate::server_process::ServerProcess;
use limit_runtime::{
    Limiter,
    clock::TestClock,
    store::{
        Fallback,
        redis::{RedisStore, redis},
    },
};
use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    ops::Deref,
    path::{Path, PathBuf},
    sync::Mutex,
    time::{Duration, Instant},
};

/// A server, which is gone when the test is.
#[derive(Debug)]
pub struct Server {
    process: ServerProcess,
    dir: PathBuf,
}

impl Deref for Server {
    type Target = ServerProcess;

    fn deref(&self) -> &ServerProcess {
        &self.process
    }
}

/// A limiter that waits for a busy machine: where answers matter, and not how long they take.
///
/// All answers are the server's. Where it gives none the check fails, since the local counts would
/// often give the same answer.
///
/// # Panics
/// When there is no such store.
pub async fn patient(url: &str) -> Limiter {
    let builder = Limiter::builder().remote(url);
    let builder = builder.store_deadline(Duration::from_secs(10));
    let builder = builder.fallback(Fallback::Deny);
    builder.connect().await.unwrap()
}

/// A store that waits for a busy machine, on a connection of its own.
///
/// # Panics
/// When the server does not answer.
pub async fn patient_store(server: &Server, clock: &TestClock, prefix: &str) -> RedisStore {
    let client = redis::Client::open(server.url()).unwrap();
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
    let connection = client.get_multiplexed_async_connection_with_config(&config);
    RedisStore::from_redis_connection(connection.await.unwrap())
        .key_prefix(prefix)
        .clock(clock.clone())
}

/// Ports that tests of this process have been given. A server takes a while to listen on its own.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A port that no program listens on at the moment, and that no other test of this process gets.
#[must_use]
pub fn free_port() -> u16 {
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        if GIVEN.lock().unwrap().insert(port) {
            return port;
        }
    }
}

impl Server {
    /// A Redis, or what `REDIS_SERVER` names in its place, without persistence.
    #[must_use]
    pub fn redis() -> Self {
        Self::redis_with(&[])
    }

    /// The same, with more arguments on its command line.
    #[must_use]
    pub fn redis_with(extra: &[&str]) -> Self {
        Self::redis_on(free_port(), extra)
    }

    /// The same, on a port of your choice.
    #[must_use]
    pub fn redis_on(port: u16, extra: &[&str]) -> Self {
        let dir = dir_of(port);
        let mut args: Vec<String> = ["--port".into(), port.to_string()].into();
        args.extend(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"].map(String::from));
        args.extend(["--dir".into(), dir.display().to_string()]);
        args.extend(["--loglevel", "warning"].map(String::from));
        args.extend(extra.iter().map(|&arg| arg.to_owned()));
        let process = ServerProcess::start(binary(), args, port, answers);
        Self { process, dir }
    }

    /// A Sentinel that watches the master on this port under the name `main`.
    #[must_use]
    pub fn sentinel(master: u16) -> Self {
        Self::sentinel_with(master, "")
    }

    /// The same, with more lines in its configuration.
    #[must_use]
    pub fn sentinel_with(master: u16, extra: &str) -> Self {
        let port = free_port();
        let dir = dir_of(port);
        let config = dir.join("sentinel.conf");
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\n\
             sentinel monitor main 127.0.0.1 {master} 1\n\
             sentinel down-after-milliseconds main 300\n\
             sentinel failover-timeout main 2000\n{extra}\n",
            dir.display()
        );
        std::fs::write(&config, text).unwrap();
        let args = vec![config.display().to_string(), "--sentinel".to_owned()];
        let process = ServerProcess::start(binary(), args, port, answers);
        Self { process, dir }
    }

    /// `redis://127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port())
    }

    /// Its own directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

/// A cluster: masters, which share the slots, then a replica for each if wanted.
#[derive(Debug)]
pub struct Cluster {
    /// The masters first.
    pub nodes: Vec<Server>,
}

impl Cluster {
    /// Three masters, and as many replicas or none.
    #[must_use]
    pub fn start(with_replicas: bool) -> Self {
        Self::start_nodes(if with_replicas { 6 } else { 3 }, &[])
    }

    /// Three masters, with more arguments on their command lines.
    #[must_use]
    pub fn start_with(extra: &[&str]) -> Self {
        Self::start_nodes(3, extra)
    }

    fn start_nodes(count: usize, more: &[&str]) -> Self {
        let mut extra = vec!["--cluster-enabled", "yes", "--cluster-node-timeout", "500"];
        extra.extend(more);
        let nodes: Vec<Server> = (0..count)
            .map(|_| Server::redis_on(cluster_port(), &extra))
            .collect();
        let masters = &nodes[..3];
        for (index, master) in masters.iter().enumerate() {
            // Ranges, as clusters have them: the answer to `CLUSTER SLOTS` lists each one.
            let slots = |index: usize| (16_384 * index).div_ceil(3);
            let slots: Vec<_> = (slots(index)..slots(index + 1))
                .map(|slot| slot.to_string())
                .collect();
            tell(
                master.port(),
                &format!("CLUSTER ADDSLOTS {}", slots.join(" ")),
            );
            tell(
                master.port(),
                &format!("CLUSTER SET-CONFIG-EPOCH {}", index + 1),
            );
        }
        for node in &nodes[1..] {
            tell(
                node.port(),
                &format!("CLUSTER MEET 127.0.0.1 {}", nodes[0].port()),
            );
        }
        let cluster = Self { nodes };
        cluster.wait("cluster_state:ok");
        cluster.wait(&format!("cluster_known_nodes:{count}"));
        for (master, replica) in cluster.nodes.iter().zip(&cluster.nodes[3..]) {
            let id = ask(master.port(), "CLUSTER MYID").unwrap();
            let id = id.lines().nth(1).unwrap().to_owned();
            let replicate = format!("CLUSTER REPLICATE {id}");
            wait_for(|| {
                ask(replica.port(), &replicate).is_some_and(|said| said.starts_with("+OK"))
            });
            wait_for(|| {
                ask(replica.port(), "INFO replication")
                    .is_some_and(|said| said.contains("master_link_status:up"))
            });
        }
        cluster
    }

    /// `redis+cluster://` and the masters.
    #[must_use]
    pub fn url(&self) -> String {
        let hosts = self.nodes[..3]
            .iter()
            .map(|node| format!("127.0.0.1:{}", node.port()));
        format!("redis+cluster://{}", hosts.collect::<Vec<_>>().join(","))
    }

    fn wait(&self, state: &str) {
        for node in &self.nodes {
            wait_for(|| ask(node.port(), "CLUSTER INFO").is_some_and(|info| info.contains(state)));
        }
    }
}

/// A port whose bus port, 10000 above, is free as well.
fn cluster_port() -> u16 {
    loop {
        let port = free_port();
        let Some(bus) = port.checked_add(10_000) else {
            continue;
        };
        let is_free = TcpListener::bind((Ipv4Addr::LOCALHOST, bus)).is_ok();
        if is_free && GIVEN.lock().unwrap().insert(bus) {
            return port;
        }
    }
}

fn tell(port: u16, command: &str) {
    let said = ask(port, command).unwrap();
    assert!(said.starts_with("+OK"), "{command:.40}: {said}");
}

fn wait_for(mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "it did not come to pass"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn dir_of(port: u16) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("limit-redis-{port}"));
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Sends one command as text and answers with the first line, whatever it is.
#[must_use]
pub fn ask(port: u16, command: &str) -> Option<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    stream.write_all(format!("{command}\r\n").as_bytes()).ok()?;
    let mut answer = [0; 4096];
    let length = stream.read(&mut answer).ok()?;
    Some(String::from_utf8_lossy(answer.get(..length)?).into_owned())
}

fn answers(port: u16) -> bool {
    ask(port, "PING").is_some_and(|answer| answer.starts_with("+PONG") || answer.starts_with("-NO"))
}

fn binary() -> String {
    std::env::var("REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned())
}
