//! TLS towards the directory: which certificates are trusted.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

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
