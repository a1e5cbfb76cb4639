//! Asks a server for its version, settings and counters, over a connection of its own: the meta
//! protocol has no commands for them.

use crate::store::ConnectError;
use std::{io, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// The answers are `VERSION …`, `MN`, and two lists that end with `END`.
const QUESTIONS: &[u8] = b"version\r\nmn\r\nstats settings\r\nstats\r\n";
/// An answer that is longer is not one of memcached.
const MAX_ANSWER: usize = 256 * 1024;
const PROTECT: &str = "the limiter cannot authenticate: start memcached without `-S` and `-Y`, and protect it by \
     your network";
const NOT_MEMCACHED: &str = "write the address of a memcached server in the URL";

/// What a server says of itself.
#[derive(Clone, Debug)]
pub(super) struct ServerInfo {
    pub(super) version: Box<str>,
    pub(super) has_meta_protocol: bool,
    pub(super) max_item_size: Option<u64>,
    pub(super) max_bytes: u64,
    /// How many items it has evicted since it was started.
    pub(super) evictions: u64,
}

/// Why there is no [`ServerInfo`].
#[derive(Debug)]
pub(super) enum Problem {
    /// The server cannot be used.
    Unsuitable(ConnectError),
    /// It may be used later.
    Outage(io::Error),
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::Outage(error)
    }
}

/// Asks the server at `address`.
///
/// # Errors
/// If it does not answer like memcached.
pub(super) async fn ask(address: &str) -> Result<ServerInfo, Problem> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(QUESTIONS).await?;
    let mut answer = Vec::new();
    loop {
        let read = stream.read_buf(&mut answer).await;
        let text = String::from_utf8_lossy(&answer);
        if let Some(problem) = problem(&text) {
            return Err(problem);
        }
        if is_complete(&text) {
            return Ok(parse(&text));
        }
        match read {
            Ok(0) => return Err(Problem::Outage(io::ErrorKind::UnexpectedEof.into())),
            Ok(_) if answer.len() < MAX_ANSWER => {}
            Ok(_) => return Err(not_memcached(&text)),
            Err(error) => return Err(Problem::Outage(error)),
        }
    }
}

/// The number of items that the server at `address` has evicted, if it answers within `timeout`.
pub(super) async fn evictions(address: &str, timeout: Duration) -> Option<u64> {
    let answer = tokio::time::timeout(timeout, ask(address)).await;
    Some(answer.ok()?.ok()?.evictions)
}

/// The problem that the first line of the answer shows.
fn problem(answer: &str) -> Option<Problem> {
    let (line, _) = answer.split_once('\n')?;
    let line = line.trim_end();
    let lower = line.to_ascii_lowercase();
    if lower.contains("unauthenticated") || lower.contains("authentication") {
        return Some(Problem::Unsuitable(ConnectError::Misconfigured {
            found: format!("memcached requires authentication (SASL): `{line}`").into(),
            fix: PROTECT,
        }));
    }
    if lower.contains("too many open connections") {
        return Some(Problem::Outage(io::Error::new(
            io::ErrorKind::ConnectionRefused,
            format!("`{line}`: raise the limit with `-c`"),
        )));
    }
    (!line.starts_with("VERSION ")).then(|| not_memcached(answer))
}

fn not_memcached(answer: &str) -> Problem {
    let shown: String = answer.trim().chars().take(60).collect();
    let shown = shown.escape_debug();
    Problem::Unsuitable(ConnectError::Misconfigured {
        found: format!("the server is not a memcached: it answered `{shown}`").into(),
        fix: NOT_MEMCACHED,
    })
}

fn is_complete(answer: &str) -> bool {
    let ends = answer.lines().filter(|line| {
        // An error ends an answer, too.
        *line == "END" || *line == "ERROR" || line.starts_with("CLIENT_ERROR")
    });
    let lists = ends.count();
    answer.ends_with('\n') && lists >= 2
}

fn parse(answer: &str) -> ServerInfo {
    let line = |start: &str| {
        let mut lines = answer.lines();
        lines.find_map(|line| line.strip_prefix(start))
    };
    let number = |name: &str| line(&format!("STAT {name} "))?.trim().parse().ok();
    ServerInfo {
        version: line("VERSION ").unwrap_or_default().trim().into(),
        has_meta_protocol: answer.lines().any(|line| line == "MN"),
        max_item_size: number("item_size_max"),
        max_bytes: number("maxbytes").unwrap_or_default(),
        evictions: number("evictions").unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_when_it_is_complete() {
        let answer = "VERSION 1.6.18\r\nMN\r\nSTAT maxbytes 1024\r\nSTAT evictions on\r\n\
                      STAT item_size_max 2048\r\nEND\r\nSTAT evictions_x 3\r\nSTAT evictions 4\r\n\
                      END\r\n";
        for end in 0..answer.len() {
            assert!(!is_complete(&answer[..end]), "{}", &answer[..end]);
            assert!(problem(&answer[..end]).is_none());
        }
        assert!(is_complete(answer));
        let info = parse(answer);
        assert_eq!((&*info.version, info.has_meta_protocol), ("1.6.18", true));
        assert_eq!((info.max_bytes, info.max_item_size), (1024, Some(2048)));
    }

    #[test]
    fn the_first_line_shows_what_is_wrong() {
        let shown = |answer: &str| match problem(answer) {
            None => String::new(),
            Some(Problem::Unsuitable(problem)) => problem.to_string(),
            Some(Problem::Outage(error)) => format!("outage: {error}"),
        };
        for (answer, part) in [
            ("VERSION 1.6.18\r\n", ""),
            (
                "CLIENT_ERROR unauthenticated\r\n",
                "requires authentication (SASL)",
            ),
            (
                "ERROR Too many open connections\r\n",
                "outage: `ERROR Too many",
            ),
            (
                "-ERR unknown command\r\n",
                "is not a memcached: it answered `-ERR",
            ),
            ("HTTP/1.1 400 Bad Request\r\n", "is not a memcached"),
            ("no line", ""),
        ] {
            assert!(shown(answer).contains(part), "{answer}: {}", shown(answer));
            assert_eq!(shown(answer).is_empty(), part.is_empty(), "{answer}");
        }
    }
}
