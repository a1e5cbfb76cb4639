//! A TCP proxy that delays each direction, and can withhold replies.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

/// A proxy to a server on this machine. It stops accepting connections when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// The delay of each direction, in microseconds.
    delay: AtomicU64,
    /// The delay varies by up to this, in microseconds.
    jitter: AtomicU64,
    is_closed: AtomicBool,
    withholds_replies: Mutex<bool>,
    changed: Condvar,
}

impl Proxy {
    /// A proxy without delay to this port of 127.0.0.1.
    #[must_use]
    pub fn to(server: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let of_thread = shared.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if of_thread.is_closed.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)) else {
                    continue;
                };
                of_thread.forward(&client, &server, false);
                of_thread.forward(&server, &client, true);
            }
        });
        Self { port, shared }
    }

    /// The port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `redis://127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Delays each direction by half of `round_trip`, which varies by up to `jitter` more or less.
    pub fn set_round_trip(&self, round_trip: Duration, jitter: Duration) {
        let micros = |time: Duration| u64::try_from(time.as_micros() / 2).unwrap();
        self.shared
            .delay
            .store(micros(round_trip), Ordering::Relaxed);
        self.shared.jitter.store(micros(jitter), Ordering::Relaxed);
    }

    /// Withholds all replies from now on, or passes them on.
    pub fn withhold_replies(&self, withholds: bool) {
        *self.shared.withholds_replies.lock().unwrap() = withholds;
        self.shared.changed.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.is_closed.store(true, Ordering::Relaxed);
        self.withhold_replies(false);
        // Wakes the thread that accepts connections.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl Shared {
    /// Two threads for one direction: one notes when data arrived, one writes it when it is due.
    fn forward(self: &Arc<Self>, from: &TcpStream, to: &TcpStream, are_replies: bool) {
        let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        to.set_nodelay(true).unwrap();
        let (sender, receiver) = mpsc::channel::<(Instant, Vec<u8>)>();
        let shared = self.clone();
        thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            let mut reads = 0_u64;
            while let Ok(length @ 1..) = from.read(&mut buffer) {
                reads += 1;
                let due = Instant::now() + shared.next_delay(reads);
                if sender.send((due, buffer[..length].to_vec())).is_err() {
                    return;
                }
            }
        });
        let shared = self.clone();
        thread::spawn(move || {
            for (due, data) in receiver {
                thread::sleep(due.saturating_duration_since(Instant::now()));
                if are_replies {
                    let withholds = shared.withholds_replies.lock().unwrap();
                    drop(shared.changed.wait_while(withholds, |withholds| *withholds));
                }
                if to.write_all(&data).is_err() {
                    break;
                }
            }
            let _ = to.shutdown(Shutdown::Both);
        });
    }

    fn next_delay(&self, reads: u64) -> Duration {
        let delay = self.delay.load(Ordering::Relaxed);
        let jitter = self.jitter.load(Ordering::Relaxed);
        // Later, on time and earlier by turns.
        let micros = match reads % 3 {
            0 => delay + jitter,
            1 => delay,
            _ => delay.saturating_sub(jitter),
        };
        Duration::from_micros(micros)
    }
}
