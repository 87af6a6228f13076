//! A client of HTTP/1.1 that costs as little as it can: one kept connection, one request at a time.
//!
//! Not a general one: it knows answers with a `Content-Length` and those without a body, and takes any other for an
//! error. The driver runs on the cores that it measures, and what it uses is missing from the figures.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// One connection.
pub(crate) struct Client {
    stream: TcpStream,
    /// The lines that stand in every request.
    common: String,
    request: Vec<u8>,
    received: Vec<u8>,
}

/// What a request was answered with.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
}

/// What is looked at of a resource.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Shown {
    pub(crate) id: String,
    pub(crate) user_name: Option<String>,
    pub(crate) display_name: Option<String>,
    pub(crate) active: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct List {
    total_results: u64,
    #[serde(rename = "Resources", default)]
    resources: Vec<Shown>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr, token: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        let common = format!(
            " HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nADSCIMVersion: 5.0\r\n\
             Accept: application/scim+json\r\n"
        );
        Ok(Self { stream, common, request: Vec::new(), received: Vec::new() })
    }

    pub(crate) async fn several(count: usize, address: SocketAddr, token: &str) -> Result<Vec<Self>> {
        let mut clients = Vec::with_capacity(count);
        for _ in 0..count {
            clients.push(Self::connect(address, token).await?);
        }
        Ok(clients)
    }

    pub(crate) async fn ask(&mut self, method: &str, target: &str, body: &[u8]) -> Result<Answer<'_>> {
        self.request.clear();
        for part in [method, " ", target, &self.common] {
            self.request.extend_from_slice(part.as_bytes());
        }
        if !body.is_empty() {
            let length = format!("Content-Type: application/scim+json\r\nContent-Length: {}\r\n", body.len());
            self.request.extend_from_slice(length.as_bytes());
        }
        self.request.extend_from_slice(b"\r\n");
        self.request.extend_from_slice(body);
        self.stream.write_all(&self.request).await?;
        self.received.clear();
        let (status, range) = loop {
            if let Some(complete) = complete(&self.received)? {
                break complete;
            }
            ensure!(
                self.stream.read_buf(&mut self.received).await? > 0,
                "the connection was closed: {method} {target}"
            );
        };
        let body = self.received.get(range).unwrap_or_default();
        Ok(Answer { status, body })
    }
}

/// The status and where the body is, once all of the answer is there.
fn complete(received: &[u8]) -> Result<Option<(u16, std::ops::Range<usize>)>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(start) = response.parse(received).context("no HTTP answer")? else {
        return Ok(None);
    };
    let status = response.code.context("an answer without a status")?;
    let header = |name: &str| response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
    let length = match header("content-length") {
        Some(header) => std::str::from_utf8(header.value)?.parse()?,
        None if status == 204 => 0,
        None => bail!("an answer {status} without Content-Length"),
    };
    let end = start + length;
    Ok((received.len() >= end).then_some((status, start..end)))
}

impl Answer<'_> {
    pub(crate) fn expect(&self, status: u16) -> Result<&Self> {
        let Answer { status: heard, body } = self;
        ensure!(*heard == status, "{status} expected, {heard} heard: {}", String::from_utf8_lossy(body));
        Ok(self)
    }

    /// The one resource of the answer.
    pub(crate) fn shown(&self) -> Result<Shown> {
        serde_json::from_slice(self.body).with_context(|| String::from_utf8_lossy(self.body).into_owned())
    }

    /// That a lookup found this user and nobody else.
    pub(crate) fn finds(&self, user_name: &str) -> Result<Shown> {
        let mut list = self.expect(200)?.list()?;
        let (total, shown) = (list.total_results, list.resources.pop());
        ensure!(total == 1 && list.resources.is_empty(), "{total} found for {user_name}");
        let shown = shown.with_context(|| format!("nobody shown for {user_name}"))?;
        ensure!(shown.user_name.as_deref() == Some(user_name), "{user_name} was asked for, not {shown:?}");
        Ok(shown)
    }

    /// That a lookup found nothing.
    pub(crate) fn finds_nothing(&self) -> Result<()> {
        let total = self.expect(200)?.list()?.total_results;
        ensure!(total == 0, "nothing expected, {total} found");
        Ok(())
    }

    fn list(&self) -> Result<List> {
        serde_json::from_slice(self.body).with_context(|| String::from_utf8_lossy(self.body).into_owned())
    }
}
