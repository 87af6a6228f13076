//! Whether the certificate that the service shows can be used, and for how long.

use std::time::SystemTime;

use crate::config::Settings;
use crate::http::tls::{Certificate, WARN_BEFORE, date};
use crate::mapping::Finding;

pub(super) fn finding(settings: &Settings) -> Option<Finding> {
    let files = settings.server.tls.as_ref()?;
    let certificate = match Certificate::load(&files.cert_file, &files.key_file) {
        Ok(certificate) => certificate,
        Err(error) => {
            return Some(Finding::error(
                super::with_causes(&error),
                "name a certificate in PEM, its issuers after it, and its private key without a passphrase",
            ));
        }
    };
    #[expect(clippy::disallowed_methods, reason = "a command is run at a time")]
    let left = certificate.ends().duration_since(SystemTime::now()).unwrap_or_default();
    (left < WARN_BEFORE).then(|| {
        let detail = format!("server.tls_cert_file: the certificate ends on {}", date(certificate.ends()));
        Finding::warning(detail, "renew it; a running `scimbridge serve` takes the new file by itself")
    })
}
