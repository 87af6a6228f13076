//! `scimbridge health`: asks the service that runs on this machine whether it is well, for container engines and
//! supervisors that know nothing of HTTP.
//!
//! It speaks to the address that the service listens on, never to the one that the world knows: what stands between
//! them is not asked about. No token is sent.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use clap::Args;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};

use super::print;
use crate::config::Settings;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Ask whether it can do its work now, the directory included, and not only whether it runs
    #[arg(long)]
    ready: bool,
}

/// How long connecting, and each read of the answer, may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// More than any answer has.
const LONGEST_ANSWER: u64 = 64 * 1024;

/// How the service is spoken to.
enum Wire {
    Plain,
    /// With the certificates of this PEM text, of which it must show one.
    Tls(Vec<u8>),
}

/// Prints what the service says of itself. The exit code is 0 when that is that it is well.
pub(super) fn run(arguments: Arguments, settings: &Settings) -> anyhow::Result<ExitCode> {
    let path = if arguments.ready { "/readyz" } else { "/healthz" };
    let address = reachable(settings.server.listen);
    let wire = match &settings.server.tls {
        Some(files) => Wire::Tls(
            std::fs::read(&files.cert_file)
                .with_context(|| format!("cannot read server.tls_cert_file, {}", files.cert_file.display()))?,
        ),
        None => Wire::Plain,
    };
    let (status, said) = ask(address, path, &wire).with_context(|| format!("no answer from {address}"))?;
    print(if said.is_empty() { "the service said nothing" } else { &said })?;
    if status == 200 {
        return Ok(ExitCode::SUCCESS);
    }
    super::talk(&format!("error: {path} at {address} is answered with {status}\n"));
    Ok(ExitCode::FAILURE)
}

/// Where a service that listens on every address is found from here.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let host = match listen.ip() {
        IpAddr::V4(host) if host.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(host) if host.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        host => host,
    };
    SocketAddr::new(host, listen.port())
}

fn ask(address: SocketAddr, path: &str, wire: &Wire) -> anyhow::Result<(u16, String)> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let answer = match wire {
        Wire::Plain => exchange(stream, &request)?,
        Wire::Tls(pem) => {
            let name = ServerName::IpAddress(address.ip().into());
            exchange(StreamOwned::new(ClientConnection::new(trusting(pem)?, name)?, stream), &request)?
        }
    };
    read(&answer).ok_or_else(|| anyhow!("what answers is no HTTP service"))
}

fn exchange(mut stream: impl Read + Write, request: &str) -> io::Result<Vec<u8>> {
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    let mut answer = Vec::new();
    match stream.take(LONGEST_ANSWER).read_to_end(&mut answer) {
        // Of TLS too: that the other end hangs up without a farewell takes nothing from what it has said.
        Err(error) if answer.is_empty() => Err(error),
        _ => Ok(answer),
    }
}

/// The status and the body of an answer. Bodies are short: none comes in chunks.
fn read(answer: &[u8]) -> Option<(u16, String)> {
    let answer = String::from_utf8_lossy(answer);
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.trim_end().to_owned()))
}

/// What trusts the service's own certificates and nobody's word for others: under which name they are, who has issued
/// them and until when does not matter to somebody who reads the same file.
fn trusting(pem: &[u8]) -> anyhow::Result<Arc<ClientConfig>> {
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| anyhow!("the service's certificate is not PEM: {error}"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = OurOwn { certificates, provider: provider.clone() };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[derive(Debug)]
struct OurOwn {
    certificates: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for OurOwn {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.certificates.contains(shown) {
            return Ok(ServerCertVerified::assertion());
        }
        Err(rustls::Error::InvalidCertificate(rustls::CertificateError::ApplicationVerificationFailure))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use rcgen::{CertificateParams, KeyPair};
    use rustls::pki_types::PrivateKeyDer;
    use rustls::{ServerConfig, ServerConnection};

    use super::*;

    #[test]
    fn a_service_that_listens_everywhere_is_found_on_the_loopback() {
        for (listen, expected) in [
            ("0.0.0.0:8080", "127.0.0.1:8080"),
            ("[::]:8080", "[::1]:8080"),
            ("192.0.2.1:80", "192.0.2.1:80"),
            ("127.0.0.1:1", "127.0.0.1:1"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()), expected.parse().unwrap(), "{listen}");
        }
    }

    #[test]
    fn only_http_is_understood() {
        let well = |body: &str| Some((200, body.to_owned()));
        for (answer, expected) in [
            ("HTTP/1.1 200 OK\r\nA: b\r\n\r\n{}\n", well("{}")),
            ("HTTP/1.0 200\r\n\r\n", well("")),
            ("HTTP/1.1 503 Service Unavailable\r\n\r\nno", Some((503, "no".to_owned()))),
            ("HTTP/1.1 OK\r\n\r\n", None),
            ("HTTP/1.1 200 OK\r\n", None),
            ("SSH-2.0-OpenSSH\r\n\r\n", None),
            ("", None),
        ] {
            assert_eq!(read(answer.as_bytes()), expected, "{answer:?}");
        }
    }

    /// Answers one request over TLS with this certificate.
    fn serve_once(certificate: &rcgen::Certificate, key: &KeyPair) -> SocketAddr {
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut stream = StreamOwned::new(ServerConnection::new(Arc::new(config)).unwrap(), stream);
            let mut head = [0; 1024];
            // Whoever does not trust the certificate sends nothing.
            if stream.read(&mut head).is_ok_and(|length| length > 0) {
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"status\":\"ok\"}").unwrap();
            }
        });
        address
    }

    #[test]
    fn the_service_is_trusted_by_its_own_certificate_whatever_its_name() {
        let make = || {
            let key = KeyPair::generate().unwrap();
            let named = CertificateParams::new(vec!["scim.example.org".to_owned()]).unwrap();
            (named.self_signed(&key).unwrap(), key)
        };
        let ((ours, our_key), (other, other_key)) = (make(), make());
        let wire = Wire::Tls(ours.pem().into_bytes());
        let well = ask(serve_once(&ours, &our_key), "/healthz", &wire).unwrap();
        assert_eq!(well, (200, "{\"status\":\"ok\"}".to_owned()));
        assert!(ask(serve_once(&other, &other_key), "/healthz", &wire).is_err(), "somebody else's");
    }
}
