//! Servers that tests start for themselves: on a free port of 127.0.0.1, and gone with the test's process.
//!
//! A shell between us and the server waits for the end of a pipe: however this process ends, the
//! pipe does, and the shell kills the server.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A server under a shell.
#[derive(Debug)]
pub struct Server {
    shell: Child,
    pid: String,
    port: u16,
    args: Vec<String>,
    dir: PathBuf,
}

/// A port that nobody listens on at the moment.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
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
        std::fs::create_dir_all(&dir).expect("a directory for the server");
        let mut args: Vec<String> = [binary(), "--port".into(), port.to_string()].into();
        args.extend(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"].map(String::from));
        args.extend(["--dir".into(), dir.display().to_string()]);
        args.extend(extra.iter().map(|&arg| arg.to_owned()));
        let (shell, pid) = start(&args);
        let server = Self {
            shell,
            pid,
            port,
            args,
            dir,
        };
        server.wait();
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
    pub fn dir(&self) -> &std::path::Path {
        &self.dir
    }

    /// As a power cut would.
    pub fn kill(&mut self) {
        self.signal("KILL");
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// On the same port as before, with nothing in memory.
    pub fn restart(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
        (self.shell, self.pid) = start(&self.args);
        self.wait();
    }

    /// It stands still: connections stay open, nothing is answered.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// It goes on.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([format!("-{name}"), self.pid.clone()])
            .stderr(Stdio::null())
            .status();
        assert!(status.is_ok(), "cannot send signals");
    }

    fn wait(&self) {
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
}

impl Drop for Server {
    fn drop(&mut self) {
        self.signal("CONT");
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
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

fn start(args: &[String]) -> (Child, String) {
    let mut shell = Command::new("sh")
        .args([
            "-c",
            r#""$@" >/dev/null 2>&1 & p=$!; echo $p; cat >/dev/null; kill -9 $p; wait $p"#,
            "sh",
        ])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell");
    let mut pid = String::new();
    let stdout = shell.stdout.take().expect("its output");
    BufReader::new(stdout).read_line(&mut pid).expect("a pid");
    (shell, pid.trim().to_owned())
}
