//! What the log says of wrong set-ups. One test in a process of its own: each thing is said once.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use axum::{
    extract::connect_info::ConnectInfo,
    http::{Request, request::Parts},
};
use limit_runtime::{Limiter, TrustedProxies, client_ip};
use std::{
    io::{self, Write},
    net::SocketAddr,
    sync::{Arc, Mutex},
};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// The lines since the last call.
    fn lines(&self) -> Vec<String> {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap());
        let text = String::from_utf8(bytes).unwrap();
        text.lines().map(str::to_owned).collect()
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

fn request(peer: Option<[u8; 4]>, header: Option<&str>, limiter: &Limiter) -> Parts {
    let mut request = Request::builder().extension(limiter.clone());
    if let Some(peer) = peer {
        request = request.extension(ConnectInfo(SocketAddr::from((peer, 4711))));
    }
    if let Some(header) = header {
        request = request.header(header, "192.0.2.1");
    }
    request.body(()).unwrap().into_parts().0
}

#[test]
fn each_wrong_set_up_is_said_once_with_its_code_and_the_fix() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .init();

    let plain = Limiter::new();
    let behind_proxies = Limiter::builder()
        .trusted_proxies(TrustedProxies::new(["10.0.0.0/8"]).unwrap())
        .build();
    let proxy = Some([10, 0, 0, 1]);

    for _ in 0..3 {
        client_ip(&request(proxy, None, &plain)).unwrap();
        client_ip(&request(proxy, Some("x-forwarded-for"), &behind_proxies)).unwrap();
    }
    assert_eq!(log.lines(), [""; 0], "nothing is wrong");

    for (code, level, found, fix, parts) in [
        (
            "LIMIT001",
            "WARN",
            "header x-forwarded-for from 10.0.0.1",
            "trusted_proxies(",
            request(proxy, Some("x-forwarded-for"), &plain),
        ),
        (
            "LIMIT005",
            "WARN",
            "header forwarded from 10.0.0.1",
            ".header(ForwardedHeader::",
            request(proxy, Some("forwarded"), &behind_proxies),
        ),
        (
            "LIMIT003",
            "ERROR",
            "",
            "into_make_service_with_connect_info::<SocketAddr>()",
            request(None, None, &plain),
        ),
    ] {
        for _ in 0..3 {
            let _ = client_ip(&parts);
        }
        let lines = log.lines();
        let [line] = lines.as_slice() else {
            panic!("{code} is not said once: {lines:#?}");
        };
        for part in [code, level, found, fix] {
            assert!(line.contains(part), "no {part:?} in {line}");
        }
    }
}
