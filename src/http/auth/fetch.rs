//! Fetching what an issuer publishes: over HTTPS, soon or not at all, and not too much of it.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::Value;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// How long one answer may take, from the name's resolution to the last byte.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How large a document may be. That of Entra's keys has some ten thousand bytes.
const LARGEST: u64 = 1024 * 1024;

/// Why the keys of an issuer cannot be had.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FetchError {
    /// `auth.ca_file` cannot be used.
    #[error("auth.ca_file holds no certificate that can be read")]
    Certificates,
    /// Nobody answered in time, or nobody who is trusted.
    #[error("cannot fetch {url}: {reason}")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// The answer is not what it should be.
    #[error("what {url} answers cannot be used: {reason}")]
    Unusable {
        /// What was asked for.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// The way to the issuers.
#[derive(Clone, Debug)]
pub(super) struct Client(ureq::Agent);

impl Client {
    /// One that trusts the system's certificates, and those of the PEM text.
    pub(super) fn new(ca_pem: Option<&[u8]>) -> Result<Client, FetchError> {
        let mut roots: Vec<CertificateDer<'static>> = rustls_native_certs::load_native_certs().certs;
        if let Some(pem) = ca_pem {
            let own: Vec<CertificateDer<'static>> =
                CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|_| FetchError::Certificates)?;
            if own.is_empty() {
                return Err(FetchError::Certificates);
            }
            roots.extend(own);
        }
        let roots: Vec<Certificate<'static>> =
            roots.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect();
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&roots))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let config = ureq::Agent::config_builder()
            .tls_config(tls)
            .timeout_global(Some(TIMEOUT))
            // A redirection could lead away from HTTPS.
            .max_redirects(0)
            .user_agent(concat!("scimbridge/", env!("CARGO_PKG_VERSION")))
            .http_status_as_error(false);
        Ok(Client(config.build().into()))
    }

    /// The JSON document at that address. Blocks.
    pub(super) fn json(&self, url: &str) -> Result<Value, FetchError> {
        let unreachable = |error: ureq::Error| FetchError::Unreachable { url: url.to_owned(), reason: plain(&error) };
        let unusable = |reason: String| FetchError::Unusable { url: url.to_owned(), reason };
        if !is_safe(url) {
            return Err(unusable("it is neither https:// nor on this machine".to_owned()));
        }
        let mut request = self.0.get(url).config();
        if url.starts_with("http:") {
            // On this machine, where no proxy leads.
            request = request.proxy(None);
        }
        let mut answer = request.build().call().map_err(unreachable)?;
        if answer.status() != 200 {
            return Err(unusable(format!("the status is {}", answer.status().as_u16())));
        }
        let body = answer.body_mut().with_config().limit(LARGEST).read_to_vec().map_err(unreachable)?;
        serde_json::from_slice(&body).map_err(|error| unusable(format!("it is not JSON: {error}")))
    }
}

/// Whether nobody on the way can change what comes back: over TLS, or without leaving the machine.
fn is_safe(url: &str) -> bool {
    let Ok(url) = url::Url::parse(url) else { return false };
    let is_here = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    url.scheme() == "https" || url.scheme() == "http" && is_here
}

fn plain(error: &ureq::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        text.push_str(&format!(": {source}"));
        cause = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_can_change_is_safe() {
        for (url, expected) in [
            ("https://login.example.org/keys", true),
            ("http://127.0.0.1:8080/keys", true),
            ("http://[::1]/keys", true),
            ("http://localhost/keys", true),
            ("http://login.example.org/keys", false),
            ("http://127.0.0.1.example.org/keys", false),
            ("http://localhost.example.org/keys", false),
            ("http://127.0.0.1@example.org/keys", false),
            ("file:///etc/passwd", false),
            ("keys", false),
        ] {
            assert_eq!(is_safe(url), expected, "{url}");
        }
    }
}
