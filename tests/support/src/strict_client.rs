//! HTTP clients that give up when they cannot send their whole request, as many clients do.
//!
//! hyper and curl look for a response when sending fails. Node's `http` (HTTP/1.1) and Python's
//! httpx (HTTP/2) report a broken connection instead, and so do these clients.

use std::{io, net::SocketAddr};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::yield_now,
};

const CHUNK: &[u8] = &[b'x'; 10_000];

/// Sends a chunked body of `bytes` bytes over HTTP/1.1 and answers with the response's head and
/// body.
///
/// # Errors
/// If the whole request cannot be sent, or the connection ends without a response.
pub async fn http1_chunked(address: SocketAddr, path: &str, bytes: usize) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    for _ in 0..bytes / CHUNK.len() {
        stream.write_all(b"2710\r\n").await?;
        stream.write_all(CHUNK).await?;
        stream.write_all(b"\r\n").await?;
        yield_now().await;
    }
    stream.write_all(b"0\r\n\r\n").await?;
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await?;
    String::from_utf8(response).map_err(io::Error::other)
}

/// Sends a body of `bytes` bytes over HTTP/2 and answers with the body of the response.
///
/// # Errors
/// If the stream is reset before the whole request is sent, or the connection ends.
pub async fn http2(address: SocketAddr, path: &str, bytes: usize) -> io::Result<String> {
    let mut client = Http2::connect(address, path).await?;
    let mut left = bytes;
    while left > 0 {
        let room = client.connection_window.min(client.stream_window);
        let chunk = CHUNK.len().min(left);
        if room < i64::try_from(chunk).unwrap_or(i64::MAX) {
            client.read_frame().await?;
            continue;
        }
        left -= chunk;
        client.send_data(&CHUNK[..chunk], left == 0).await?;
        yield_now().await;
        client.read_what_has_come().await?;
    }
    while !client.is_answered {
        client.read_frame().await?;
    }
    String::from_utf8(client.body).map_err(io::Error::other)
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GO_AWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// One request on one HTTP/2 connection (RFC 9113).
struct Http2 {
    stream: TcpStream,
    /// Bytes that have come and are no whole frame yet.
    unread: Vec<u8>,
    connection_window: i64,
    stream_window: i64,
    initial_window: i64,
    body: Vec<u8>,
    is_sent: bool,
    is_answered: bool,
}

impl Http2 {
    async fn connect(address: SocketAddr, path: &str) -> io::Result<Self> {
        let mut client = Self {
            stream: TcpStream::connect(address).await?,
            unread: Vec::new(),
            connection_window: 65_535,
            stream_window: 65_535,
            initial_window: 65_535,
            body: Vec::new(),
            is_sent: false,
            is_answered: false,
        };
        client
            .stream
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            .await?;
        client.send(SETTINGS, 0, 0, &[]).await?;
        // HPACK: `:method: POST`, `:scheme: http`, then `:path` and `:authority` as literals.
        let mut headers = vec![0x83, 0x86, 0x04, u8::try_from(path.len()).unwrap_or(0)];
        headers.extend_from_slice(path.as_bytes());
        headers.extend_from_slice(&[0x01, 1, b'x']);
        client.send(HEADERS, END_HEADERS, 1, &headers).await?;
        Ok(client)
    }

    async fn send(&mut self, kind: u8, flags: u8, id: u32, payload: &[u8]) -> io::Result<()> {
        let length = u32::try_from(payload.len()).map_err(io::Error::other)?;
        let mut frame = length.to_be_bytes()[1..].to_vec();
        frame.extend_from_slice(&[kind, flags]);
        frame.extend_from_slice(&id.to_be_bytes());
        frame.extend_from_slice(payload);
        self.stream.write_all(&frame).await
    }

    async fn send_data(&mut self, data: &[u8], is_last: bool) -> io::Result<()> {
        let flags = if is_last { END_STREAM } else { 0 };
        let length = i64::try_from(data.len()).map_err(io::Error::other)?;
        self.connection_window -= length;
        self.stream_window -= length;
        self.is_sent = is_last;
        self.send(DATA, flags, 1, data).await
    }

    /// Handles the frames that are here already.
    async fn read_what_has_come(&mut self) -> io::Result<()> {
        let mut buffer = [0; 16_384];
        match self.stream.try_read(&mut buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => self.unread.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        while self.handle_frame().await? {}
        Ok(())
    }

    /// Waits for a frame and handles it.
    async fn read_frame(&mut self) -> io::Result<()> {
        while !self.handle_frame().await? {
            let mut buffer = [0; 16_384];
            match self.stream.read(&mut buffer).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => self.unread.extend_from_slice(&buffer[..read]),
            }
        }
        Ok(())
    }

    /// Handles the next frame if all of it has come.
    async fn handle_frame(&mut self) -> io::Result<bool> {
        let Some(&[a, b, c, kind, flags, ..]) = self.unread.get(..9) else {
            return Ok(false);
        };
        let end = 9 + usize::from(a) * 65_536 + usize::from(b) * 256 + usize::from(c);
        if self.unread.len() < end {
            return Ok(false);
        }
        let frame: Vec<u8> = self.unread.drain(..end).collect();
        let (id, payload) = (word(&frame[5..]), &frame[9..]);
        match kind {
            DATA => {
                self.body.extend_from_slice(payload);
                self.is_answered |= flags & END_STREAM != 0;
            }
            HEADERS => self.is_answered |= flags & END_STREAM != 0,
            RST_STREAM | GO_AWAY if !self.is_sent => {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            SETTINGS if flags & ACK == 0 => {
                for setting in payload.chunks_exact(6) {
                    // SETTINGS_INITIAL_WINDOW_SIZE
                    if setting[..2] == [0, 4] {
                        let window = word(&setting[2..]);
                        self.stream_window += window - self.initial_window;
                        self.initial_window = window;
                    }
                }
                self.send(SETTINGS, ACK, 0, &[]).await?;
            }
            PING if flags & ACK == 0 => self.send(PING, ACK, 0, payload).await?,
            WINDOW_UPDATE if id == 0 => self.connection_window += word(payload),
            WINDOW_UPDATE => self.stream_window += word(payload),
            _ => {}
        }
        Ok(true)
    }
}

/// The first four bytes as a number, without the reserved bit.
fn word(bytes: &[u8]) -> i64 {
    let bytes = bytes.iter().take(4);
    bytes.fold(0, |word, &byte| (word << 8) | i64::from(byte)) & 0x7FFF_FFFF
}
