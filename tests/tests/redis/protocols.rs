//! RESP2, for proxies and servers that do not know `HELLO`.

use crate::topologies::counts;
use std::{
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};
use test_support::servers::{Cluster, Server, patient};

#[tokio::test]
async fn a_server_without_hello_is_used_with_resp2() {
    let server = Server::redis_with(&["--rename-command", "HELLO", ""]);
    for parameter in ["", "?protocol=2", "?protocol=3"] {
        let limiter = patient(&format!("{}{parameter}", server.url())).await;
        counts(&limiter).await;
        limiter.reset_all().await.unwrap();
    }
}

#[tokio::test]
async fn a_cluster_without_hello_is_used_with_resp2() {
    let cluster = Cluster::start_with(&["--rename-command", "HELLO", ""]);
    let limiter = patient(&format!("{}?protocol=2", cluster.url())).await;
    counts(&limiter).await;
    limiter.reset_all().await.unwrap();
}

#[tokio::test]
async fn a_proxy_that_refuses_resp3_is_used_with_resp2() {
    let server = Server::redis();
    for answer in [
        "-NOPROTO unsupported protocol version\r\n",
        "-ERR unknown command 'HELLO'\r\n",
        "-ERR unsupported command `hello`\r\n",
    ] {
        let proxy = Proxy::start(server.port(), vec![("HELLO", Some(answer))]);
        let limiter = patient(&proxy.url("")).await;
        counts(&limiter).await;
        limiter.reset_all().await.unwrap();
    }
}

#[tokio::test]
async fn protocol_2_sends_no_hello_and_no_client_command() {
    let server = Server::redis();
    // It closes a connection with one of these.
    let proxy = Proxy::start(server.port(), vec![("HELLO", None), ("CLIENT", None)]);
    let limiter = patient(&proxy.url("?protocol=2")).await;
    counts(&limiter).await;
    let seen = proxy.seen.lock().unwrap().clone();
    assert!(seen.iter().any(|line| line == "EVALSHA"), "{seen:?}");
    assert!(!seen.iter().any(|line| line == "HELLO" || line == "CLIENT"));
}

/// Commands, and what the proxy answers to them. `None`: it closes the connection.
type Answers = Vec<(&'static str, Option<&'static str>)>;

/// A proxy that answers some commands itself.
pub(crate) struct Proxy {
    port: u16,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    pub(crate) fn start(server: u16, answers: Answers) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let lines = seen.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, lines) = (client.unwrap(), lines.clone());
                let answers = answers.clone();
                thread::spawn(move || serve(client, server, &answers, &lines));
            }
        });
        Self { port, seen }
    }

    pub(crate) fn url(&self, parameters: &str) -> String {
        format!("redis://127.0.0.1:{}{parameters}", self.port)
    }
}

/// Passes commands on one by one, until one side ends.
fn serve(
    client: TcpStream,
    server: u16,
    answers: &Answers,
    seen: &Mutex<Vec<String>>,
) -> Option<()> {
    let mut to_server = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).ok()?;
    let mut to_client = client.try_clone().ok()?;
    let mut from_server = to_server.try_clone().ok()?;
    let mut back = client.try_clone().ok()?;
    thread::spawn(move || {
        let _ = std::io::copy(&mut from_server, &mut back);
        let _ = back.shutdown(std::net::Shutdown::Both);
    });
    let mut commands = BufReader::new(client);
    loop {
        let (name, bytes) = read_command(&mut commands)?;
        let name = name.to_ascii_uppercase();
        seen.lock().ok()?.push(name.clone());
        match answers.iter().find(|(command, _)| *command == name) {
            Some((_, Some(answer))) => to_client.write_all(answer.as_bytes()).ok()?,
            Some((_, None)) => {
                to_client.shutdown(std::net::Shutdown::Both).ok()?;
                return None;
            }
            None => to_server.write_all(&bytes).ok()?,
        }
    }
}

/// Reads a command as an array of bulk strings: its name, and all its bytes.
fn read_command(from: &mut impl BufRead) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let number = |bytes: &mut Vec<u8>, from: &mut dyn BufRead| {
        let start = bytes.len();
        from.read_until(b'\n', bytes).ok()?;
        let line = std::str::from_utf8(bytes.get(start + 1..)?).ok()?;
        line.trim().parse::<usize>().ok()
    };
    let parts = number(&mut bytes, from)?;
    let mut name = String::new();
    for part in 0..parts {
        let length = number(&mut bytes, from)?;
        let start = bytes.len();
        bytes.resize(start + length + 2, 0);
        from.read_exact(bytes.get_mut(start..)?).ok()?;
        if part == 0 {
            name = String::from_utf8(bytes.get(start..start + length)?.to_vec()).ok()?;
        }
    }
    Some((name, bytes))
}
