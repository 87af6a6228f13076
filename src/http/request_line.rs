//! Connections that accept request lines as clients really write them.
//!
//! Microsoft's validator sends quotes in a query as they are, `?filter=userName+eq+"ada"`, which RFC 3986
//! does not allow and the HTTP library refuses before any handler sees it. Here the target of a GET is
//! percent-encoded where it must be, and nothing else is touched: the line is looked at only where
//! a request can begin, at the start of a connection and after an answer.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A request line longer than this goes on as it is, for the HTTP library to refuse.
const LONGEST_LINE: usize = 64 * 1024;

/// A connection whose request lines are made readable.
pub(super) struct Readable<S> {
    stream: S,
    /// Whether the next byte may be the first of a request.
    at_start: bool,
    /// Bytes read and not handed on yet.
    held: Vec<u8>,
}

impl<S> Readable<S> {
    pub(super) fn new(stream: S) -> Readable<S> {
        Readable { stream, at_start: true, held: Vec::new() }
    }

    /// Hands on what is held, as much as fits.
    fn hand_on(&mut self, buffer: &mut ReadBuf<'_>) {
        let length = self.held.len().min(buffer.remaining());
        let rest = self.held.split_off(length);
        buffer.put_slice(&self.held);
        self.held = rest;
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Readable<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.at_start {
            let mut chunk = [0; 4096];
            let mut chunk = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut chunk))?;
            let ended = chunk.filled().is_empty();
            self.held.extend_from_slice(chunk.filled());
            match beginning(&self.held) {
                Beginning::Open if !ended && self.held.len() < LONGEST_LINE => continue,
                Beginning::Line(length) => {
                    let rest = self.held.split_off(length);
                    self.held = encode_target(&self.held);
                    self.held.extend(rest);
                }
                Beginning::Open | Beginning::Other => {}
            }
            self.at_start = false;
            if ended && self.held.is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
        if self.held.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        self.hand_on(buffer);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Readable<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        // After an answer comes a request. What is held already belongs to the one being answered.
        self.at_start = self.held.is_empty();
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// What the first bytes after an answer are.
#[derive(Debug, PartialEq)]
enum Beginning {
    /// The request line of a GET, so many bytes long.
    Line(usize),
    /// That could still become one.
    Open,
    /// Something else: another method, or the body of a request that was answered early.
    Other,
}

fn beginning(bytes: &[u8]) -> Beginning {
    let method = b"GET ";
    let compared = bytes.len().min(method.len());
    if bytes.get(..compared) != method.get(..compared) {
        return Beginning::Other;
    }
    match bytes.windows(2).position(|pair| pair == b"\r\n") {
        Some(end) => Beginning::Line(end),
        None => Beginning::Open,
    }
}

/// The line with every byte of its target percent-encoded that RFC 3986 does not allow there.
fn encode_target(line: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(line);
    let Some((start, target, version)) = split_line(&text) else {
        return line.to_vec();
    };
    let mut encoded = start.as_bytes().to_vec();
    for byte in target.bytes() {
        match byte {
            b'"' | b' ' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | 0..0x20 | 0x7f.. => {
                encoded.extend(format!("%{byte:02X}").bytes());
            }
            plain => encoded.push(plain),
        }
    }
    encoded.extend(version.bytes());
    encoded
}

/// `GET `, the target, ` HTTP/1.1`.
fn split_line(line: &str) -> Option<(&str, &str, &str)> {
    let (_, after) = line.split_once(' ')?;
    let version = after.rfind(" HTTP/")?;
    let start = line.len() - after.len();
    Some((line.get(..start)?, after.get(..version)?, after.get(version..)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[track_caller]
    fn check(line: &str, expected: &str) {
        assert_eq!(String::from_utf8(encode_target(line.as_bytes())).unwrap(), expected);
    }

    #[test]
    fn only_what_is_not_allowed_is_encoded() {
        check("GET /Users?filter=userName+eq+\"a%40b\" HTTP/1.1", "GET /Users?filter=userName+eq+%22a%40b%22 HTTP/1.1");
        check("GET /Users?filter=a eq b HTTP/1.1", "GET /Users?filter=a%20eq%20b HTTP/1.1");
        check(
            "GET /Users?filter=emails[type+eq+%22work%22] HTTP/1.1",
            "GET /Users?filter=emails[type+eq+%22work%22] HTTP/1.1",
        );
        check("nonsense", "nonsense");
    }

    #[tokio::test]
    async fn requests_are_made_readable_and_bodies_are_not_touched() {
        let (mut client, server) = tokio::io::duplex(64);
        let mut server = Readable::new(server);
        let mut read = async |sent: &str| {
            client.write_all(sent.as_bytes()).await.unwrap();
            let mut seen = Vec::new();
            while !String::from_utf8_lossy(&seen).ends_with("END") {
                let mut byte = [0; 7];
                let length = server.read(&mut byte).await.unwrap();
                seen.extend_from_slice(&byte[..length]);
            }
            server.write_all(b"answer").await.unwrap();
            String::from_utf8(seen).unwrap()
        };
        assert_eq!(read("GET /a?\"b\" HTTP/1.1\r\nX: \"y\" END").await, "GET /a?%22b%22 HTTP/1.1\r\nX: \"y\" END");
        assert_eq!(read("POST / HTTP/1.1\r\n\r\n{\"a\": 1} END").await, "POST / HTTP/1.1\r\n\r\n{\"a\": 1} END");
        assert_eq!(read("{\"GET \": \"body\"} END").await, "{\"GET \": \"body\"} END");
    }
}
