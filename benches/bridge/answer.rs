//! The ceiling of lookups: a server that looks for nothing. To each request it gives the bytes that the program gave.
//!
//! A process of its own, like the program: the bench starts itself again with a hidden argument and a file of answers.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use tempfile::TempDir;

use super::client::Client;
use super::directory::folder;

/// Runs until it is dropped.
pub(crate) struct Ceiling {
    child: Child,
    pub(crate) address: SocketAddr,
    _folder: TempDir,
}

impl Ceiling {
    /// One that gives these answers.
    pub(crate) fn start(answers: &[(String, Vec<u8>)]) -> Result<Self> {
        let folder = folder("ceiling")?;
        let path = folder.path().join("answers");
        let mut file = BufWriter::new(File::create(&path)?);
        for (target, body) in answers {
            // JSON as the program writes it has no line breaks.
            writeln!(file, "{target}\t{}", std::str::from_utf8(body)?)?;
        }
        file.flush()?;
        let mut child = Command::new(std::env::current_exe()?)
            .arg("--answers")
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("the bench cannot run itself")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no pipe")?).read_line(&mut line)?;
        let Ok(address) = line.trim().parse() else {
            child.kill().ok();
            child.wait().ok();
            anyhow::bail!("the server that only answers does not start: {line:?}");
        };
        Ok(Self { child, address, _folder: folder })
    }

    pub(crate) async fn clients(&self, count: usize) -> Result<Vec<Client>> {
        // It asks for no token; the request is as long as with one.
        Client::several(count, self.address, "scimbridge-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa").await
    }
}

impl Drop for Ceiling {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// What the process started by [`Ceiling::start`] does.
pub(crate) fn serve(path: &Path) -> Result<()> {
    let mut answers = HashMap::new();
    for line in BufReader::new(File::open(path)?).lines() {
        let line = line?;
        let (target, body) = line.split_once('\t').context("an answer without a request")?;
        answers.insert(target.to_owned(), Bytes::copy_from_slice(body.as_bytes()));
    }
    let app = Router::new().fallback(answer).with_state(Arc::new(answers));
    tokio::runtime::Runtime::new()?.block_on(async {
        use axum::serve::ListenerExt as _;
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        println!("{}", listener.local_addr()?);
        let listener = listener.tap_io(|stream| _ = stream.set_nodelay(true));
        axum::serve(listener, app).await?;
        Ok(())
    })
}

async fn answer(State(answers): State<Arc<HashMap<String, Bytes>>>, request: Request) -> Response {
    let target = request.uri().path_and_query().map(|target| target.as_str());
    match target.and_then(|target| answers.get(target)) {
        Some(body) => ([(header::CONTENT_TYPE, "application/scim+json")], body.clone()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
