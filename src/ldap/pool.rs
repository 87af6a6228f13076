//! A few connections, shared: each carries many operations at once and is made again when it breaks.
//!
//! Not a queue of operations: only the making of a connection is waited for. After a failed attempt no other is
//! made for a moment, so that a directory that is away is not hammered and requests hear so without delay.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapError, StdStream};
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::{Error, measured, tls};
use crate::directory::Transactions;
use crate::telemetry::{OpenConnection, Stopwatch};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
const INVALID_CREDENTIALS: u32 = 49;
/// Wrong credentials stay wrong until an operator acts, and a policy may lock an account that keeps trying.
const PAUSE_AFTER_REFUSAL: Duration = Duration::from_secs(30);

/// How the directory is reached.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `ldap://`, `ldaps://` and `ldapi://` URLs, tried in order.
    pub urls: Vec<String>,
    /// Whether an `ldap://` connection turns to TLS before the bind.
    pub start_tls: bool,
    /// Certificates to trust beside the system's, PEM.
    pub ca_pem: Option<Vec<u8>>,
    /// Whether the server's certificate is not verified.
    pub insecure_skip_tls_verify: bool,
    /// As whom to bind.
    pub bind_dn: String,
    /// The password.
    pub bind_password: SecretString,
    /// How many connections at most.
    pub connections: usize,
    /// How long an operation may take.
    pub timeout: Duration,
    /// Whether changes may be sent in groups.
    pub transactions: Transactions,
}

#[derive(Debug)]
pub(super) struct Pool {
    settings: Settings,
    verification: Verification,
    slots: Vec<Mutex<Option<Connection>>>,
    next: AtomicUsize,
    pause: Mutex<Pause>,
}

/// The TLS part of a connection's settings.
#[derive(Clone, Debug)]
enum Verification {
    Verified(Arc<rustls::ClientConfig>),
    Unverified,
}

#[derive(Debug)]
struct Connection {
    ldap: Ldap,
    broken: Arc<AtomicBool>,
}

impl Connection {
    fn is_broken(&mut self) -> bool {
        self.broken.load(Ordering::Relaxed) || self.ldap.is_closed()
    }
}

/// When the next attempt to connect may be made, and how long the pause after it is.
#[derive(Debug)]
struct Pause {
    until: Option<Instant>,
    length: Duration,
}

/// One operation's use of a connection.
pub(super) struct Handle {
    ldap: Ldap,
    broken: Arc<AtomicBool>,
    timeout: Duration,
    started: Stopwatch,
}

impl Handle {
    /// The connection, with the timeout set for the next operation.
    pub(super) fn ldap(&mut self) -> &mut Ldap {
        self.started = Stopwatch::start();
        self.ldap.with_timeout(self.timeout)
    }

    /// How long ago the last operation began.
    pub(super) fn took(&self) -> Duration {
        self.started.elapsed()
    }

    /// Nobody shall use this connection again: it is closed, or its server does not answer.
    pub(super) fn give_up(&self) {
        self.broken.store(true, Ordering::Relaxed);
    }
}

impl Pool {
    pub(super) fn new(settings: Settings) -> Result<Pool, Error> {
        let verification = if settings.insecure_skip_tls_verify {
            Verification::Unverified
        } else {
            Verification::Verified(tls::verifying(settings.ca_pem.as_deref())?)
        };
        let slots = (0..settings.connections.max(1)).map(|_| Mutex::new(None)).collect();
        let pause = Mutex::new(Pause { until: None, length: FIRST_PAUSE });
        Ok(Pool { settings, verification, slots, next: AtomicUsize::new(0), pause })
    }

    /// A connection in turn, made now if there is none or it broke.
    pub(super) async fn handle(&self) -> Result<Handle, Error> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.slots.len();
        let Some(slot) = self.slots.get(turn) else {
            return Err(Error::Away { retry_in: Duration::ZERO });
        };
        let mut slot = slot.lock().await;
        if slot.as_mut().is_none_or(Connection::is_broken) {
            *slot = None;
            *slot = Some(self.connect().await?);
        }
        let Some(connection) = slot.as_ref() else {
            return Err(Error::Away { retry_in: Duration::ZERO });
        };
        Ok(Handle {
            ldap: connection.ldap.clone(),
            broken: connection.broken.clone(),
            timeout: self.settings.timeout,
            started: Stopwatch::start(),
        })
    }

    pub(super) fn transactions(&self) -> Transactions {
        self.settings.transactions
    }

    pub(super) fn timeout(&self) -> Duration {
        self.settings.timeout
    }

    pub(super) fn bind_dn(&self) -> &str {
        &self.settings.bind_dn
    }

    /// A connection for who needs one of its own.
    pub(super) async fn dedicated(&self) -> Result<Ldap, Error> {
        Ok(self.connect().await?.ldap)
    }

    async fn connect(&self) -> Result<Connection, Error> {
        {
            let pause = self.pause.lock().await;
            let left = pause.until.map(|until| until.saturating_duration_since(Instant::now())).unwrap_or_default();
            if !left.is_zero() {
                return Err(Error::Away { retry_in: left });
            }
        }
        let mut outcome = Err(Error::Away { retry_in: Duration::ZERO });
        for url in &self.settings.urls {
            outcome = self.connect_to(url).await;
            measured::count_connection(&outcome);
            match &outcome {
                Ok(_) => break,
                Err(error) => tracing::warn!(url, error = %Causes(error), "cannot use directory server"),
            }
        }
        let mut pause = self.pause.lock().await;
        match &outcome {
            Ok(_) => *pause = Pause { until: None, length: FIRST_PAUSE },
            Err(Error::Bind { code: INVALID_CREDENTIALS, .. }) => {
                pause.until = Some(Instant::now() + PAUSE_AFTER_REFUSAL)
            }
            Err(_) => {
                pause.until = Some(Instant::now() + pause.length);
                pause.length = (pause.length * 2).min(LONGEST_PAUSE);
            }
        }
        outcome
    }

    async fn connect_to(&self, url: &str) -> Result<Connection, Error> {
        let failed = |source: LdapError| Error::Connect { url: url.to_owned(), source: Box::new(source) };
        let mut settings =
            LdapConnSettings::new().set_conn_timeout(self.settings.timeout).set_starttls(self.settings.start_tls);
        settings = match &self.verification {
            Verification::Verified(config) => settings.set_config(config.clone()),
            Verification::Unverified => settings.set_no_tls_verify(true),
        };
        // A server that hangs during the TLS handshake would hold the attempt for ever otherwise.
        let opened = timeout(self.settings.timeout, open(settings, url)).await;
        let (driver, mut ldap) = opened.map_err(|elapsed| failed(elapsed.into()))?.map_err(failed)?;
        // Ends when the last handle is dropped or the connection breaks; the operations hear of it.
        let open = OpenConnection::made();
        tokio::spawn(async move {
            _ = driver.drive().await;
            drop(open);
        });
        ldap.with_timeout(self.settings.timeout);
        let password = self.settings.bind_password.expose_secret();
        let asked = Stopwatch::start();
        let bound = ldap.simple_bind(&self.settings.bind_dn, password).await;
        measured::count("bind", &bound, asked.elapsed());
        let bound = bound.map_err(failed)?;
        if bound.rc != 0 {
            return Err(Error::Bind {
                url: url.to_owned(),
                bind_dn: self.settings.bind_dn.clone(),
                code: bound.rc,
                text: bound.text,
            });
        }
        Ok(Connection { ldap, broken: Arc::new(AtomicBool::new(false)) })
    }

    pub(super) async fn close(&self) {
        for slot in &self.slots {
            if let Some(mut connection) = slot.lock().await.take() {
                // The server notices the closed connection if this does not reach it.
                _ = connection.ldap.unbind().await;
            }
        }
    }
}

/// Opens a connection that sends each request at once: the library's own would keep a small one back until the server has
/// acknowledged the last.
async fn open(mut settings: LdapConnSettings, url: &str) -> ldap3::result::Result<(LdapConnAsync, Ldap)> {
    let parsed = url::Url::parse(url)?;
    let port = if parsed.scheme() == "ldaps" { 636 } else { 389 };
    if let (Some(host), true) = (parsed.host_str(), parsed.scheme() != "ldapi") {
        let host = if host.is_empty() { "localhost" } else { host };
        let stream = TcpStream::connect(format!("{host}:{}", parsed.port().unwrap_or(port))).await?;
        stream.set_nodelay(true)?;
        settings = settings.set_std_stream(StdStream::Tcp(stream.into_std()?));
    }
    LdapConnAsync::from_url_with_settings(settings, &parsed).await
}

/// An error with all its causes, for a log line.
struct Causes<'a>(&'a Error);

impl std::fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = std::error::Error::source(self.0);
        let mut said = String::new();
        while let Some(cause) = source {
            // The LDAP library's errors repeat their sources.
            let text = cause.to_string();
            if !said.contains(&text) {
                write!(f, ": {text}")?;
            }
            said = text;
            source = cause.source();
        }
        Ok(())
    }
}
