//! A server that a test starts on a port of 127.0.0.1.

use crate::process::Program;
use std::{
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

/// The process of a server, which is gone when the test is.
#[derive(Debug)]
pub struct ServerProcess {
    /// Behind a lock so that tests of many tasks can share it.
    program: Mutex<Option<Program>>,
    binary: String,
    args: Vec<String>,
    port: u16,
    answers: fn(u16) -> bool,
}

impl ServerProcess {
    /// Starts `binary`, and waits until `answers` is true for its port.
    pub(crate) fn start(
        binary: String,
        args: Vec<String>,
        port: u16,
        answers: fn(u16) -> bool,
    ) -> Self {
        let process = Self {
            program: Mutex::default(),
            binary,
            args,
            port,
            answers,
        };
        process.restart();
        process
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
    pub fn restart(&self) {
        *self.program() = None;
        *self.program() = Some(Program::start(&self.binary, &self.args, &[]));
        let start = Instant::now();
        while !(self.answers)(self.port) {
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "no answer from {} {:?}",
                self.binary,
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

    fn program(&self) -> MutexGuard<'_, Option<Program>> {
        self.program.lock().unwrap()
    }

    fn signal(&self, name: &str) {
        if let Some(program) = self.program().as_ref() {
            program.signal(name);
        }
    }
}
