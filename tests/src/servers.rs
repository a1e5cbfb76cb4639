//! Redis servers that tests start for themselves, on free ports of 127.0.0.1.

use crate::process::Program;
use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

/// A server, which is gone when the test is.
#[derive(Debug)]
pub struct Server {
    /// Behind a lock so that tests of many tasks can share it.
    program: Mutex<Option<Program>>,
    port: u16,
    args: Vec<String>,
    dir: PathBuf,
}

/// A port that nobody listens on at the moment.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
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
        let dir = std::env::temp_dir().join(format!("limit-redis-{port}"));
        std::fs::create_dir_all(&dir).unwrap();
        let mut args: Vec<String> = ["--port".into(), port.to_string()].into();
        args.extend(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"].map(String::from));
        args.extend(["--dir".into(), dir.display().to_string()]);
        args.extend(["--loglevel", "warning"].map(String::from));
        args.extend(extra.iter().map(|&arg| arg.to_owned()));
        let server = Self {
            program: Mutex::default(),
            port,
            args,
            dir,
        };
        server.restart();
        server
    }

    /// `redis://127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its own directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// As a power cut would.
    pub fn kill(&self) {
        self.signal("KILL");
        // Its keeper waits for its end.
        *self.program() = None;
    }

    /// On the same port as before, with nothing in memory.
    pub fn restart(&self) {
        *self.program() = None;
        *self.program() = Some(Program::start(binary(), &self.args, &[]));
        let start = Instant::now();
        while !answers(self.port) {
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "no answer from {:?}",
                self.args
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// It stands still: connections stay open, nothing is answered.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// It goes on.
    pub fn thaw(&self) {
        self.signal("CONT");
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

impl Drop for Server {
    fn drop(&mut self) {
        *self.program() = None;
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
