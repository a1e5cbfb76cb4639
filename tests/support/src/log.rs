//! The log of a process or of a thread, as a test reads it.

use std::{
    io::{self, Write},
    mem,
    sync::{Arc, Mutex},
};
use tracing_subscriber::{
    Registry, filter::LevelFilter, fmt::MakeWriter, util::SubscriberInitExt as _,
};

/// What has been logged since it was last read.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Captures all that this process logs from now on, up to `INFO`. Once in a process.
    #[must_use]
    pub fn capture() -> Self {
        let log = Self::default();
        log.subscriber(LevelFilter::INFO).init();
        log
    }

    /// Captures all that this thread logs, at every level, until the guard is dropped.
    #[must_use]
    pub fn capture_thread() -> (Self, impl Drop) {
        // While there is one subscriber, `tracing` asks that of the thread which is the first to
        // log an event whether it is wanted. With none there, it would not be logged anywhere.
        let _ = Registry::default().try_init();
        let log = Self::default();
        let guard = log.subscriber(LevelFilter::TRACE).set_default();
        (log, guard)
    }

    fn subscriber(
        &self,
        level: LevelFilter,
    ) -> impl tracing_subscriber::util::SubscriberInitExt + use<> {
        tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(level)
            .with_writer(self.clone())
            .finish()
    }

    /// All that was logged since the last call.
    #[must_use]
    pub fn text(&self) -> String {
        let bytes = mem::take(&mut *self.0.lock().unwrap());
        String::from_utf8(bytes).unwrap()
    }

    /// The lines that were logged since the last call.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.text().lines().map(str::to_owned).collect()
    }
}

impl Log {
    /// The lines that were logged since the last call, without those of refused requests.
    #[must_use]
    pub fn lines_about_set_up(&self) -> Vec<String> {
        let mut lines = self.lines();
        lines.retain(|line| !line.contains("a request is refused by a rate limit"));
        lines
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
