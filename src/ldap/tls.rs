//! TLS towards the directory: which certificates are trusted, and why a connection could not be made.

use std::io;
use std::sync::Arc;

use ldap3::LdapError;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CertificateError, ClientConfig, RootCertStore};

use super::Error;

/// A configuration that trusts the system's certificates and those in the PEM text.
pub(super) fn verifying(extra_pem: Option<&[u8]>) -> Result<Arc<ClientConfig>, Error> {
    let failed = |reason: String| Error::Tls { reason };
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    // System stores hold certificates that rustls does not take; the others do.
    let (trusted, unusable) = roots.add_parsable_certificates(system.certs);
    tracing::debug!(trusted, unusable, "read the system's certificates");
    for error in &system.errors {
        tracing::warn!(%error, "cannot read some of the system's certificates");
    }
    if let Some(pem) = extra_pem {
        let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .map_err(|error| failed(format!("ldap.ca_file is not PEM: {error}")))?;
        if certificates.is_empty() {
            return Err(failed("ldap.ca_file holds no certificate".to_owned()));
        }
        for certificate in certificates {
            roots.add(certificate).map_err(|error| failed(format!("ldap.ca_file: {error}")))?;
        }
    }
    if roots.is_empty() {
        tracing::warn!("no certificate authority is trusted: TLS to the directory needs ldap.ca_file");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Why TLS with a server could not be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsFault {
    /// Nobody who is trusted stands behind the certificate.
    Untrusted,
    /// The certificate's time is over.
    Expired,
    /// The certificate's time has not begun.
    NotYetValid,
    /// The certificate is for other names, which are these where they are known.
    OtherName(Vec<String>),
    /// The certificate cannot be used; why.
    Unusable(String),
    /// The server ends the connection when it is spoken to in TLS.
    NotSpoken,
    /// The server refuses StartTLS; its words.
    NotOffered(String),
    /// Something else; what.
    Other(String),
}

/// What of a failure to connect is about TLS.
pub(super) fn fault(url: &str, error: &LdapError) -> Option<TlsFault> {
    match error {
        LdapError::Rustls { source } => Some(fault_of_handshake(source)),
        LdapError::Io { source } => match source.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(error) => Some(fault_of_handshake(error)),
            None => (url.starts_with("ldaps:") && is_hanging_up(source.kind())).then_some(TlsFault::NotSpoken),
        },
        LdapError::DNSName { source } => Some(TlsFault::Other(source.to_string())),
        // While connecting, the only operation that has a result is StartTLS.
        LdapError::LdapResult { result } => Some(TlsFault::NotOffered(result.text.clone())),
        _ => None,
    }
}

fn is_hanging_up(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

fn fault_of_handshake(error: &rustls::Error) -> TlsFault {
    let certificate = match error {
        rustls::Error::InvalidCertificate(certificate) => certificate,
        rustls::Error::InvalidMessage(_) => return TlsFault::NotSpoken,
        other => return TlsFault::Other(other.to_string()),
    };
    match certificate {
        CertificateError::UnknownIssuer => TlsFault::Untrusted,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsFault::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => TlsFault::NotYetValid,
        CertificateError::NotValidForName => TlsFault::OtherName(Vec::new()),
        CertificateError::NotValidForNameContext { presented, .. } => {
            TlsFault::OtherName(presented.iter().map(|name| plain(name)).collect())
        }
        other => TlsFault::Unusable(other.to_string()),
    }
}

/// rustls tells names as `DnsName("ldap.example.org")`.
fn plain(name: &str) -> String {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.map_or(name, |inner| inner.trim_matches('"')).to_owned()
}
