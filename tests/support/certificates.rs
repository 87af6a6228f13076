//! A certificate authority of the tests' own, and certificates for 127.0.0.1 from it.

use std::fs;
use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use tempfile::TempDir;

pub(crate) struct Certificates {
    folder: TempDir,
}

impl Certificates {
    pub(crate) fn new() -> Self {
        Self::until([4096, 1, 1])
    }

    /// Whose time is over.
    pub(crate) fn expired() -> Self {
        Self::until([2001, 1, 1])
    }

    /// Whose time ends on a day: year, month, day.
    pub(crate) fn until([year, month, day]: [i32; 3]) -> Self {
        let folder = TempDir::with_prefix("scimbridge-tls-").unwrap();
        let mut authority = CertificateParams::new(Vec::<String>::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_key = KeyPair::generate().unwrap();
        let root = authority.self_signed(&authority_key).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut server = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        server.not_before = date_time_ymd(2000, 1, 1);
        server.not_after = date_time_ymd(year, month as u8, day as u8);
        let certificate = server.signed_by(&key, &Issuer::new(authority, authority_key)).unwrap();
        for (name, pem) in [("ca.pem", root.pem()), ("server.pem", certificate.pem()), ("key.pem", key.serialize_pem())]
        {
            fs::write(folder.path().join(name), pem).unwrap();
        }
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What slapd needs to offer TLS.
    pub(crate) fn lines(&self) -> String {
        let line = |keyword: &str, name: &str| format!("{keyword} {}\n", self.path(name).display());
        line("TLSCACertificateFile", "ca.pem")
            + &line("TLSCertificateFile", "server.pem")
            + &line("TLSCertificateKeyFile", "key.pem")
    }
}
