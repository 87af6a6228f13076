//! TLS ended here: the certificate, and how a new one takes the place of the old.
//!
//! Invariant: what is served is always a certificate that could be read, whose key fits and whose time has not been over
//! when it was read. A file that is changed to something else is complained about, and the old one stays in use; a
//! connection that is open never notices.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sha2::{Digest as _, Sha256};
use tokio::signal::unix::{SignalKind, signal};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// From when on it is said that the certificate ends.
pub const WARN_BEFORE: Duration = Duration::from_secs(30 * A_DAY);
const A_DAY: u64 = 24 * 60 * 60;

/// Why a certificate cannot be used. Names the setting.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{setting}: cannot read {}", file.display())]
    Unreadable {
        /// The setting that names it.
        setting: &'static str,
        /// The file.
        file: PathBuf,
        /// What went wrong.
        #[source]
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{setting}: {} {what}", file.display())]
    Unusable {
        /// The setting that names it.
        setting: &'static str,
        /// The file.
        file: PathBuf,
        /// What it holds, or does not.
        what: String,
    },
}

/// With what the service proves who it is.
#[derive(Debug)]
pub struct Certificate {
    cert_file: PathBuf,
    key_file: PathBuf,
    current: RwLock<Current>,
}

#[derive(Clone)]
struct Current {
    key: Arc<CertifiedKey>,
    ends: SystemTime,
    files: Fingerprint,
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Current").field("ends", &self.ends).finish_non_exhaustive()
    }
}

/// What the files held, or why that is not known.
type Fingerprint = Result<[u8; 32], String>;

const CERT: &str = "server.tls_cert_file";
const KEY: &str = "server.tls_key_file";

impl Certificate {
    /// Reads the certificate with its issuers, and its key.
    ///
    /// # Errors
    /// [`TlsError`]: also when its time is over or has not begun.
    pub fn load(cert_file: &Path, key_file: &Path) -> Result<Certificate, TlsError> {
        let current = read(cert_file, key_file)?;
        Ok(Certificate {
            cert_file: cert_file.to_owned(),
            key_file: key_file.to_owned(),
            current: RwLock::new(current),
        })
    }

    /// When the time of the certificate is over.
    pub fn ends(&self) -> SystemTime {
        self.current().ends
    }

    /// What ends TLS with it: 1.2 and 1.3, no certificates of clients.
    pub(super) fn acceptor(self: &Arc<Certificate>) -> Result<TlsAcceptor, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// Takes what the files hold whenever that changes, and at once on SIGHUP; says daily that the certificate ends soon.
    pub async fn keep_current(self: Arc<Certificate>, stopping: CancellationToken) {
        let mut hangup = match signal(SignalKind::hangup()) {
            Ok(hangup) => hangup,
            Err(error) => return tracing::error!(%error, "cannot listen for SIGHUP; certificates are not read again"),
        };
        let mut looks = tokio::time::interval(LOOK_EVERY);
        let mut days = tokio::time::interval(Duration::from_secs(A_DAY));
        let mut doubtful: Option<Fingerprint> = None;
        loop {
            let is_asked = tokio::select! {
                () = stopping.cancelled() => return,
                _ = days.tick() => {
                    self.warn_of_its_end();
                    continue;
                }
                _ = hangup.recv() => Asked::BySignal,
                _ = looks.tick() => Asked::ByTheClock,
            };
            let looking = self.clone();
            let last = doubtful.take();
            let looked = tokio::task::spawn_blocking(move || looking.look(is_asked, last)).await;
            doubtful = looked.unwrap_or_default();
        }
    }

    /// Looks at the files. Returns what they hold that cannot be used: a certificate and its key are two files, and one
    /// of them is written first, so that is complained about when it is seen twice.
    fn look(&self, asked: Asked, last: Option<Fingerprint>) -> Option<Fingerprint> {
        let held = fingerprint(&self.cert_file, &self.key_file);
        let is_known = self.current().files == held;
        if is_known {
            if asked == Asked::BySignal {
                tracing::info!("SIGHUP: the certificate is the one in use already");
            }
            return None;
        }
        let is_known_to_be_bad = last.as_ref() == Some(&held);
        match read(&self.cert_file, &self.key_file) {
            Ok(current) => {
                let ends = date(current.ends);
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = current;
                tracing::info!(ends, "the certificate has changed: new connections are given the new one");
                self.warn_of_its_end();
                None
            }
            Err(error) if asked == Asked::BySignal || is_known_to_be_bad => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "the certificate has changed and cannot be used: the old one stays in use");
                // Said once: the next change is another.
                self.current.write().unwrap_or_else(PoisonError::into_inner).files = held;
                None
            }
            Err(_) => Some(held),
        }
    }

    fn warn_of_its_end(&self) {
        let ends = self.ends();
        match ends.duration_since(clock()) {
            Err(_) => tracing::error!(ends = date(ends), "{CERT}: the certificate's time is over: renew it"),
            Ok(left) if left < WARN_BEFORE => {
                let days = left.as_secs() / A_DAY;
                tracing::warn!(ends = date(ends), days, "{CERT}: the certificate ends soon: renew it");
            }
            Ok(_) => {}
        }
    }

    fn current(&self) -> Current {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Why the files are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    BySignal,
    ByTheClock,
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current().key)
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn fingerprint(cert_file: &Path, key_file: &Path) -> Fingerprint {
    let held = [cert_file, key_file].map(|file| std::fs::read(file).map_err(|error| format!("{file:?}: {error}")));
    let [certificate, key] = held;
    Ok(hash(&certificate?, &key?))
}

fn hash(certificate: &[u8], key: &[u8]) -> [u8; 32] {
    Sha256::digest([&Sha256::digest(certificate)[..], &Sha256::digest(key)[..]].concat()).into()
}

fn read(cert_file: &Path, key_file: &Path) -> Result<Current, TlsError> {
    let content = |setting, file: &Path| {
        std::fs::read(file).map_err(|source| TlsError::Unreadable { setting, file: file.to_owned(), source })
    };
    let in_certificate = |what: String| TlsError::Unusable { setting: CERT, file: cert_file.to_owned(), what };
    let in_key = |what: String| TlsError::Unusable { setting: KEY, file: key_file.to_owned(), what };
    let (chain_pem, key_pem) = (content(CERT, cert_file)?, content(KEY, key_file)?);
    let chain = CertificateDer::pem_slice_iter(&chain_pem).collect::<Result<Vec<CertificateDer<'static>>, _>>();
    let chain = chain.map_err(|error| in_certificate(format!("is not PEM: {error}")))?;
    let Some(certificate) = chain.first() else {
        return Err(in_certificate("holds no certificate".to_owned()));
    };
    let ends = validity(certificate).map_err(in_certificate)?;
    let key = PrivateKeyDer::from_pem_slice(&key_pem)
        .map_err(|_| in_key("holds no private key in PEM, or one with a passphrase".to_owned()))?;
    let key = CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            in_key(format!("does not fit the certificate in {}", cert_file.display()))
        }
        error => in_key(format!("cannot be used: {error}")),
    })?;
    Ok(Current { key: Arc::new(key), ends, files: Ok(hash(&chain_pem, &key_pem)) })
}

/// When the time of a certificate ends that is good now.
fn validity(certificate: &CertificateDer<'_>) -> Result<SystemTime, String> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|error| format!("cannot be read: {error}"))?;
    let time = |seconds: i64| SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    let validity = parsed.validity();
    let (begins, ends) = (time(validity.not_before.timestamp()), time(validity.not_after.timestamp()));
    let now = clock();
    if ends <= now {
        return Err(format!("holds a certificate whose time was over on {}", date(ends)));
    }
    if begins > now {
        return Err(format!("holds a certificate whose time begins on {}", date(begins)));
    }
    Ok(ends)
}

/// The day, for people.
pub fn date(time: SystemTime) -> String {
    let text = humantime::format_rfc3339_seconds(time.min(SystemTime::UNIX_EPOCH + LAST_DAY)).to_string();
    text.split('T').next().unwrap_or_default().to_owned()
}

/// The end of the year 9999, beyond which nothing is written in four digits.
const LAST_DAY: Duration = Duration::from_secs(253_402_300_799);

#[expect(clippy::disallowed_methods, reason = "certificates have a time")]
fn clock() -> SystemTime {
    SystemTime::now()
}
