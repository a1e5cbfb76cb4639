//! memcached servers that tests start for themselves, on free ports of 127.0.0.1.

use crate::{
    process::Program,
    servers::{ask, free_port},
};
use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

/// A server, which is gone when the test is.
#[derive(Debug)]
pub struct Memcached {
    /// Behind a lock so that tests of many tasks can share it.
    program: Mutex<Option<Program>>,
    port: u16,
    args: Vec<String>,
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
        let server = Self {
            program: Mutex::default(),
            port,
            args: args.collect(),
        };
        server.restart();
        server
    }

    /// `memcached://127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("memcached://127.0.0.1:{}", self.port)
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends it at once, as a power cut would.
    pub fn kill(&self) {
        self.signal("KILL");
        // Dropping the program waits until it has ended.
        *self.program() = None;
    }

    /// Starts it again on the same port, with nothing in memory.
    ///
    /// # Panics
    /// If it does not answer.
    pub fn restart(&self) {
        *self.program() = None;
        *self.program() = Some(Program::start("memcached", &self.args, &[]));
        let start = Instant::now();
        // A server that requires authentication answers with an error.
        while ask(self.port, "version").is_none_or(|answer| answer.is_empty()) {
            let waited = start.elapsed();
            assert!(
                waited < Duration::from_secs(20),
                "no answer from memcached {:?}",
                self.args
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Stops the process: connections stay open, nothing is answered.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// Continues the process.
    pub fn thaw(&self) {
        self.signal("CONT");
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

    /// All items, one a line, as `lru_crawler metadump` shows them.
    ///
    /// # Panics
    /// If there are none.
    #[must_use]
    pub fn items(&self) -> String {
        let start = Instant::now();
        loop {
            // A crawler of the server that is under way may hide some of them.
            let items = self.list("lru_crawler metadump all");
            let found = items.lines().filter(|line| line.starts_with("key="));
            if found.count() as u64 >= self.counter("curr_items").min(1_000) {
                return items;
            }
            assert!(start.elapsed() < Duration::from_secs(10), "{items}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The answer to a command, up to `END`.
    fn list(&self, command: &str) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
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

    fn program(&self) -> MutexGuard<'_, Option<Program>> {
        self.program.lock().unwrap()
    }

    fn signal(&self, name: &str) {
        if let Some(program) = self.program().as_ref() {
            program.signal(name);
        }
    }
}
