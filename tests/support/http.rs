//! The smallest HTTP client that can say exactly what Entra says.
//!
//! URL libraries normalise what they send (quotes, brackets, `//`), add a User-Agent, and hide that a connection was
//! dropped. The stories are about those very things, so the request goes out byte for byte as it is written here.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

const ERROR_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// What came back for one request.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// Sends the bytes of one request over a connection of its own and reads the answer to its end.
///
/// # Errors
/// When nobody listens, or the connection ends before a whole answer was read.
pub(crate) fn exchange(address: SocketAddr, request: &[u8]) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    stream.set_write_timeout(Some(Duration::from_secs(60)))?;
    let mut writer = stream.try_clone()?;
    let mut bytes = Vec::new();
    std::thread::scope(|scope| {
        // A server may answer before it has read a body that is too large: so writing must not hold up reading, and
        // that the rest cannot be written any more is no failure.
        scope.spawn(move || writer.write_all(request).is_ok());
        let end = stream.read_to_end(&mut bytes);
        // The writer may still wait for a server that no longer reads.
        stream.shutdown(Shutdown::Both).ok();
        match end {
            Err(error) if bytes.is_empty() => Err(error),
            _ => Answer::parse(&bytes),
        }
    })
}

/// A connection that comes from an address of this machine: all of 127.0.0.0/8 are.
pub(crate) fn connect_from(source: &str, address: SocketAddr) -> TcpStream {
    let connecting = async {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(source.parse().expect("an address"), 0))?;
        socket.connect(address).await?.into_std()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
    let stream = runtime.block_on(connecting).unwrap_or_else(|error| panic!("from {source} to {address}: {error}"));
    stream.set_nonblocking(false).expect("a blocking connection");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    stream
}

/// Reads one answer of a connection that stays open.
///
/// # Errors
/// The connection ends before a whole answer was read.
pub(crate) fn read_one(stream: &mut impl Read) -> io::Result<Answer> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let length = stream.read(&mut chunk)?;
        bytes.extend_from_slice(&chunk[..length]);
        match Answer::parse(&bytes) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && length > 0 => {}
            parsed => return parsed,
        }
    }
}

impl Answer {
    fn parse(bytes: &[u8]) -> io::Result<Self> {
        let cut = |what: &str| io::Error::new(io::ErrorKind::UnexpectedEof, what.to_owned());
        let head_end = bytes
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .ok_or_else(|| cut("the connection ended before the answer's head did"))?;
        let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.split(' ').nth(1))
            .and_then(|code| code.parse().ok())
            .ok_or_else(|| cut("the answer has no status line"))?;
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut answer = Self { status, headers, body: bytes[head_end + 4..].to_vec() };
        if answer.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            answer.body = unchunk(&answer.body).ok_or_else(|| cut("the answer ended inside a chunk"))?;
        } else if let Some(length) = answer.header("content-length").and_then(|length| length.parse::<usize>().ok())
            && answer.body.len() < length
        {
            return Err(cut("the answer's body is shorter than it says"));
        }
        Ok(answer)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{} with a body that is no JSON ({error}): {}", self.status, self.text()))
    }

    /// What is true of every answer, then that this one has the status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        self.check_protocol();
        assert_eq!(self.status, status, "the answer was {}: {}", self.status, self.text());
        if status == 204 {
            assert!(self.body.is_empty(), "204 has no body, this one: {}", self.text());
        }
        self
    }

    /// That this is a refusal of the given kind, whose words hold all of `naming`.
    #[track_caller]
    pub(crate) fn refuses(self, status: u16, scim_type: &str, naming: &[&str]) -> Self {
        let answer = self.expect(status);
        let body = answer.json();
        assert_eq!(body["scimType"], scim_type, "the answer was {}", answer.text());
        let detail = body["detail"].as_str().unwrap_or_default();
        for word in naming {
            assert!(detail.contains(word), "the refusal names {word:?}: {detail:?}");
        }
        answer
    }

    /// That this failed with the status, in words that hold all of `naming`.
    #[track_caller]
    pub(crate) fn fails_naming(self, status: u16, naming: &[&str]) -> Self {
        let answer = self.expect(status);
        let body = answer.json();
        let detail = body["detail"].as_str().unwrap_or_default();
        for word in naming {
            assert!(detail.contains(word), "the failure names {word:?}: {detail:?}");
        }
        answer
    }

    /// A body is SCIM's media type, has no nulls, shows `active` as a boolean, and an error is a SCIM Error whose
    /// `status` is a string.
    #[track_caller]
    pub(crate) fn check_protocol(&self) {
        // 500 is for what the operator must put right, and says what; never for a failure of our own.
        assert!(!self.text().contains("the service failed"), "an internal error: {}", self.text());
        if self.body.is_empty() {
            assert!(self.status < 400, "an error without a body: {}", self.status);
            return;
        }
        let media_type = self.header("content-type").unwrap_or_default();
        assert!(media_type.starts_with("application/scim+json"), "{} as {media_type:?}: {}", self.status, self.text());
        let body = self.json();
        check_values(&body, "");
        if self.status >= 400 {
            assert_eq!(body["schemas"], serde_json::json!([ERROR_SCHEMA]), "{body}");
            assert_eq!(body["status"], self.status.to_string(), "{body}");
            assert!(body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "an error says why: {body}");
        }
    }
}

#[track_caller]
fn check_values(value: &Value, path: &str) {
    match value {
        Value::Null => panic!("a null in an answer, at {path}"),
        Value::Array(items) => items.iter().for_each(|item| check_values(item, path)),
        Value::Object(fields) => {
            for (name, field) in fields {
                assert!(name != "active" || field.is_boolean(), "`active` is a JSON boolean, not {field}");
                check_values(field, &format!("{path}/{name}"));
            }
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line_end = rest.windows(2).position(|two| two == b"\r\n")?;
        let size = std::str::from_utf8(&rest[..line_end]).ok()?.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(line_end + 2..line_end + 2 + size)?);
        rest = rest.get(line_end + 4 + size..)?;
    }
}
