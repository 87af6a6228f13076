//! Connections: accepted, a few at a time, each with its TLS and its patience, until the service is to end.
//!
//! Not the requests: those are the router's. Invariant: no connection, whatever its client does, keeps others out for
//! ever or the service from ending: each has its slot, and each its [`Pace`].

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;
use tower::util::MapRequest;

use super::caller::Peer;
use super::edge::Edge;
use super::pace::{Pace, Paced};
use super::request_line::Readable;

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How large the head of a request may be. A token that is a JWT may have some thousand characters, and a filter too.
const LARGEST_HEAD: usize = 128 * 1024;
/// How many header fields it may have.
const MOST_HEADERS: usize = 100;

/// What answers requests.
pub(super) type App = MapRequest<Router, fn(Request) -> Request>;

/// Accepts connections until `stopping`, and returns when the last of them has ended.
///
/// # Errors
/// TLS cannot be had.
pub(super) async fn accept(
    listener: TcpListener,
    app: App,
    edge: &Edge,
    stopping: &CancellationToken,
) -> io::Result<()> {
    let tls = edge.certificate().map(|certificate| certificate.acceptor()).transpose().map_err(io::Error::other)?;
    let slots = Arc::new(Semaphore::new(edge.max_connections()));
    let under_way = TaskTracker::new();
    loop {
        // Who finds no slot free waits where the system lets connections wait.
        let slot = tokio::select! {
            () = stopping.cancelled() => break,
            slot = slots.clone().acquire_owned() => slot.map_err(io::Error::other)?,
        };
        let accepted = tokio::select! {
            () = stopping.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_the_clients(&error) => continue,
            Err(error) => {
                // Such as no more files: it passes when connections end.
                tracing::error!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        if slots.available_permits() == 0 {
            edge.note_full();
        }
        let connection =
            Connection { peer: peer(address), pace: Pace::new(edge.patience()), stopping: stopping.clone() };
        let (app, tls) = (app.clone(), tls.clone());
        under_way.spawn(async move {
            connection.open(stream, tls, app).await;
            drop(slot);
        });
    }
    // Nobody shall wait for a service that is about to end.
    drop(listener);
    under_way.close();
    under_way.wait().await;
    Ok(())
}

fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

fn peer(address: SocketAddr) -> IpAddr {
    address.ip().to_canonical()
}

struct Connection {
    peer: IpAddr,
    pace: Pace,
    stopping: CancellationToken,
}

impl Connection {
    async fn open(self, stream: TcpStream, tls: Option<TlsAcceptor>, app: App) {
        // An answer is one small write: waiting for more to send only delays it.
        _ = stream.set_nodelay(true);
        let Some(tls) = tls else {
            return self.serve(stream, app).await;
        };
        let handshake = tokio::select! {
            () = self.stopping.cancelled() => return,
            handshake = tokio::time::timeout(HANDSHAKE, tls.accept(stream)) => handshake,
        };
        match handshake {
            Ok(Ok(stream)) => {
                // The handshake's time was its own.
                let pace = Pace::new(self.pace.patience());
                Connection { pace, ..self }.serve(stream, app).await;
            }
            // Anybody may knock, and what does not speak TLS is no matter for who reads the log.
            Ok(Err(error)) => tracing::debug!(peer = %self.peer, %error, "a TLS handshake failed"),
            Err(_) => tracing::debug!(peer = %self.peer, "a TLS handshake took too long"),
        }
    }

    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, app: App) {
        let Connection { peer, pace, stopping } = self;
        let requests = service_fn(|request: Request<Incoming>| {
            pace.answering();
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(Peer(peer));
            let (answer, pace) = (app.clone().oneshot(request), pace.clone());
            async move {
                let answer = answer.await;
                pace.answered();
                answer
            }
        });
        let stream = TokioIo::new(Readable::new(Paced::new(stream, pace.clone())));
        let connection = http1::Builder::new()
            .max_buf_size(LARGEST_HEAD)
            .max_headers(MOST_HEADERS)
            .serve_connection(stream, requests);
        let mut connection = pin!(connection);
        let mut time = pin!(pace.clone().run_out());
        let ended = tokio::select! {
            biased;
            ended = &mut connection => ended,
            () = &mut time => return tracing::debug!(%peer, "a connection was closed: its client took too long"),
            () = stopping.cancelled() => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = connection => ended,
                    () = time => return,
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%peer, error = &error as &dyn std::error::Error, "a connection broke off");
        }
    }
}
