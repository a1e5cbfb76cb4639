//! memcached servers that tests start for themselves, on free ports of 127.0.0.1.

use crate::{
    server_process::ServerProcess,
    servers::{ask, free_port},
};
use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    ops::Deref,
    time::{Duration, Instant},
};

/// A server, which is gone when the test is.
#[derive(Debug)]
pub struct Memcached(ServerProcess);

impl Deref for Memcached {
    type Target = ServerProcess;

    fn deref(&self) -> &ServerProcess {
        &self.0
    }
}

impl Memcached {
    /// A memcached with the default settings.
    #[must_use]
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// The same, with more arguments on its command line.
    #[must_use]
    pub fn with(extra: &[&str]) -> Self {
        Self::on(free_port(), extra)
    }

    /// The same, on a port of your choice.
    ///
    /// # Panics
    /// If it does not answer.
    #[must_use]
    pub fn on(port: u16, extra: &[&str]) -> Self {
        let port_arg = port.to_string();
        // As root, it wants to know another user.
        let args = [
            "-l",
            "127.0.0.1",
            "-U",
            "0",
            "-u",
            "nobody",
            "-p",
            &port_arg,
        ];
        let args = args.iter().chain(extra).map(|&arg| arg.to_owned());
        // A server that requires authentication answers with an error.
        let answers = |port| ask(port, "version").is_some_and(|answer| !answer.is_empty());
        let binary = "memcached".to_owned();
        Self(ServerProcess::start(binary, args.collect(), port, answers))
    }

    /// `memcached://127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("memcached://127.0.0.1:{}", self.port())
    }

    /// The answer to `stats` and these arguments, up to `END`.
    ///
    /// # Panics
    /// If it does not answer.
    #[must_use]
    pub fn stats(&self, arguments: &str) -> String {
        self.list(&format!("stats {arguments}"))
    }

    /// A number in the answer to `stats`.
    ///
    /// # Panics
    /// If there is no such number.
    #[must_use]
    pub fn counter(&self, name: &str) -> u64 {
        let stats = self.stats("");
        let name = format!("STAT {name} ");
        let value = stats.lines().find_map(|line| line.strip_prefix(&name));
        value.unwrap().trim().parse().unwrap()
    }

    /// An item, as `get` answers, up to `END`.
    ///
    /// # Panics
    /// If the server does not answer.
    #[must_use]
    pub fn get(&self, name: &str) -> String {
        self.list(&format!("get {name}"))
    }

    /// All items, one a line, as `lru_crawler metadump` shows them. For servers that are at rest.
    ///
    /// # Panics
    /// If not all of them are shown within ten seconds.
    #[must_use]
    pub fn items(&self) -> String {
        let start = Instant::now();
        loop {
            // A crawler of the server that is under way may hide some of them.
            let items = self.list("lru_crawler metadump all");
            let found = items.lines().filter(|line| line.starts_with("key="));
            if found.count() as u64 >= self.counter("curr_items") {
                return items;
            }
            assert!(start.elapsed() < Duration::from_secs(10), "{items}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The answer to a command, up to `END`.
    fn list(&self, command: &str) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port())).unwrap();
        let timeout = Some(Duration::from_secs(5));
        stream.set_read_timeout(timeout).unwrap();
        stream
            .write_all(format!("{}\r\n", command.trim_end()).as_bytes())
            .unwrap();
        let mut answer = Vec::new();
        let mut part = [0; 4096];
        while !answer.ends_with(b"END\r\n") {
            let length = stream.read(&mut part).unwrap();
            assert!(length > 0, "{}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&part[..length]);
        }
        String::from_utf8(answer).unwrap()
    }
}
