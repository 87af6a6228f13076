//! TLS ended by the program itself: what is spoken, with which certificate, and how that one is renewed.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};
use tempfile::TempDir;

use crate::support::app::TestApp;
use crate::support::certificates::Certificates;
use crate::support::entra::person;
use crate::support::http::{Answer, read_one};
use crate::support::metrics;
use crate::support::slapd::Flavor;
use crate::support::wait_for;
use crate::support::workplace::{Finished, Settings, Workplace};

/// The two files, as a renewal changes them.
struct Files(TempDir);

impl Files {
    fn of(certificates: &Certificates) -> Self {
        let files = Self(TempDir::with_prefix("scimbridge-cert-").unwrap());
        files.renew(certificates);
        files
    }

    /// First the one file, then the other, as programs that renew certificates do.
    fn renew(&self, certificates: &Certificates) {
        for name in ["server.pem", "key.pem"] {
            fs::copy(certificates.path(name), self.0.path().join(name)).unwrap();
        }
    }

    fn settings(&self) -> Settings {
        let path = |name: &str| self.0.path().join(name).display().to_string();
        Settings::default()
            .variable("SCIMBRIDGE__SERVER__TLS_CERT_FILE", &path("server.pem"))
            .variable("SCIMBRIDGE__SERVER__TLS_KEY_FILE", &path("key.pem"))
    }
}

fn start(files: &Files) -> TestApp {
    TestApp::start_with(Flavor::AsShipped, files.settings())
}

type Stream = StreamOwned<ClientConnection, TcpStream>;

/// A client that trusts these authorities and speaks these versions.
fn client(trusted: &[&Certificates], versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificates in trusted {
        roots.add(CertificateDer::from_pem_file(certificates.path("ca.pem")).unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // A resumed session would not look at the certificate.
    config.resumption = rustls::client::Resumption::disabled();
    Arc::new(config)
}

fn connect(address: SocketAddr, config: &Arc<ClientConfig>) -> io::Result<Stream> {
    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(Duration::from_secs(60)))?;
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut stream = StreamOwned::new(ClientConnection::new(config.clone(), name).map_err(io::Error::other)?, socket);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

fn get(stream: &mut Stream, token: &str, target: &str) -> io::Result<Answer> {
    write!(stream, "GET /scim/v2{target} HTTP/1.1\r\nHost: bridge.test\r\nAuthorization: Bearer {token}\r\n\r\n")?;
    stream.flush()?;
    read_one(stream)
}

/// What the server shows.
fn shown(stream: &Stream) -> Vec<u8> {
    stream.conn.peer_certificates().unwrap()[0].to_vec()
}

fn certificate(certificates: &Certificates) -> Vec<u8> {
    CertificateDer::from_pem_file(certificates.path("server.pem")).unwrap().to_vec()
}

#[test]
fn both_versions_are_spoken_and_nothing_in_clear() {
    let certificates = Certificates::new();
    let app = start(&Files::of(&certificates));
    for version in [&TLS12, &TLS13] {
        let mut stream = connect(app.address(), &client(&[&certificates], &[version])).unwrap();
        assert_eq!(stream.conn.protocol_version(), Some(version.version));
        assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
        let body = person(&format!("{:?}", version.version).to_lowercase()).to_string();
        write!(
            stream,
            "POST /scim/v2/Users HTTP/1.1\r\nHost: bridge.test\r\nAuthorization: Bearer {}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            app.token,
            body.len()
        )
        .unwrap();
        let created = read_one(&mut stream).unwrap().expect(201).json();
        // Another request on the connection, in the form that Microsoft's validator sends.
        let raw = format!("/Users?filter=userName eq \"{}\"", created["userName"].as_str().unwrap());
        let found = get(&mut stream, &app.token, &raw).unwrap().expect(200).json();
        assert_eq!(found["totalResults"], 1, "{found}");
    }

    let mut plain = TcpStream::connect(app.address()).unwrap();
    write!(plain, "GET /scim/v2/Users HTTP/1.1\r\nAuthorization: Bearer {}\r\n\r\n", app.token).unwrap();
    assert_alert(&mut plain, None);
    // A hello of TLS 1.1.
    let signature_algorithms = [0, 13, 0, 6, 0, 4, 8, 4, 4, 3];
    let suites = [0, 4, 0xc0, 0x14, 0x00, 0x2f];
    let hello = [&[0x03, 0x02][..], &[7; 32], &[0], &suites, &[1, 0], &[0, 10], &signature_algorithms].concat();
    let message = [&[1, 0, 0, hello.len() as u8][..], &hello].concat();
    let record = [&[0x16, 0x03, 0x01, 0, message.len() as u8][..], &message].concat();
    let mut old = TcpStream::connect(app.address()).unwrap();
    old.write_all(&record).unwrap();
    assert_alert(&mut old, Some(PROTOCOL_VERSION));

    let mut stream = connect(app.address(), &client(&[&certificates], &[&TLS13])).unwrap();
    get(&mut stream, &app.token, "/Users").unwrap().expect(200);
}

const PROTOCOL_VERSION: u8 = 70;

/// That an alert is all that is heard (RFC 8446 §6).
#[track_caller]
fn assert_alert(stream: &mut TcpStream, expected: Option<u8>) {
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut heard = Vec::new();
    // What was sent and not read makes an end by reset.
    _ = stream.read_to_end(&mut heard);
    assert!(matches!(heard[..], [0x15, 3, _, 0, 2, 2, _]), "an alert and nothing else: {heard:x?}");
    if let Some(expected) = expected {
        assert_eq!(heard[6], expected);
    }
}

#[test]
fn a_renewed_certificate_is_taken_without_a_request_lost() {
    let (old, new) = (Certificates::new(), Certificates::new());
    let files = Files::of(&old);
    let app = start(&files);
    let config = client(&[&old, &new], &[&TLS13]);
    let mut kept = connect(app.address(), &config).unwrap();
    get(&mut kept, &app.token, "/Users").unwrap().expect(200);
    let (is_over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let _over = OnDrop(&is_over);
                while !is_over.load(Ordering::Relaxed) {
                    let mut stream = connect(app.address(), &config).expect("a connection");
                    get(&mut stream, &app.token, "/Users").expect("an answer").expect(200);
                    get(&mut stream, &app.token, "/Users").expect("an answer").expect(200);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let _over = OnDrop(&is_over);
        wait_for("requests", || (answered.load(Ordering::Relaxed) > 5).then_some(()));
        files.renew(&new);
        let is_taken = |certificates: &Certificates| {
            let shown = shown(&connect(app.address(), &config).unwrap());
            (shown == certificate(certificates)).then_some(())
        };
        wait_for("the new certificate", || is_taken(&new));
        // By a signal it is taken at once.
        files.renew(&old);
        app.signal("-HUP");
        wait_for("the one before", || is_taken(&old));
        let before = answered.load(Ordering::Relaxed);
        wait_for("more requests", || (answered.load(Ordering::Relaxed) > before + 3).then_some(()));
    });
    get(&mut kept, &app.token, "/Users").unwrap().expect(200);
    assert_eq!(shown(&kept), certificate(&old));
    assert!(app.log().contains("the certificate has changed: new connections are given the new one"));
    assert!(!app.log().contains("cannot be used"), "that the two files are not written at once is no matter");
}

/// Ends the others when one of them fails, so that the failure is seen.
struct OnDrop<'a>(&'a AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_bad_new_certificate_leaves_the_old_one_in_use() {
    let (old, new) = (Certificates::new(), Certificates::new());
    let files = Files::of(&old);
    let app = start(&files);
    let config = client(&[&old, &new], &[&TLS13]);
    let complaints = || app.log().matches("the old one stays in use").count();
    let keeps_the_old = || {
        let mut stream = connect(app.address(), &config).unwrap();
        assert_eq!(shown(&stream), certificate(&old));
        get(&mut stream, &app.token, "/Users").unwrap().expect(200);
    };
    let write = |name: &str, from: &Path| fs::copy(from, files.0.path().join(name)).map(|_| ()).unwrap();

    write("server.pem", &new.path("server.pem"));
    wait_for("a complaint that the key does not fit", || (complaints() == 1).then_some(()));
    assert!(app.log().contains("server.tls_key_file"), "{}", app.log());
    keeps_the_old();
    write("server.pem", &Certificates::expired().path("server.pem"));
    app.signal("-HUP");
    wait_for("a complaint that its time is over", || app.log().contains("time was over").then_some(()));
    keeps_the_old();
    fs::remove_file(files.0.path().join("key.pem")).unwrap();
    app.signal("-HUP");
    wait_for("a complaint about the file", || app.log().contains("cannot read").then_some(()));
    keeps_the_old();
    files.renew(&new);
    wait_for("the new certificate", || {
        (shown(&connect(app.address(), &config).unwrap()) == certificate(&new)).then_some(())
    });
}

fn check(settings: Settings) -> Finished {
    Workplace::new(&settings, "ldap://127.0.0.1:1").run(&["check", "--config-only"])
}

fn serve(settings: Settings) -> Finished {
    Workplace::new(&settings, "ldap://127.0.0.1:1").run(&["serve"])
}

#[test]
fn what_cannot_be_used_is_refused_at_the_start_by_its_key() {
    let [one, other, expired] = [Certificates::new(), Certificates::new(), Certificates::expired()];
    let (cert, key) = ("SCIMBRIDGE__SERVER__TLS_CERT_FILE", "SCIMBRIDGE__SERVER__TLS_KEY_FILE");
    let path = |certificates: &Certificates, name: &str| certificates.path(name).display().to_string();
    let both =
        |certificate: &str, private: &str| Settings::default().variable(cert, certificate).variable(key, private);
    let (good, good_key) = (path(&one, "server.pem"), path(&one, "key.pem"));
    for (settings, words) in [
        (both(&good, &path(&other, "key.pem")), ["server.tls_key_file", "does not fit"]),
        (both(&path(&expired, "server.pem"), &path(&expired, "key.pem")), ["server.tls_cert_file", "2001-01-01"]),
        (both("/nowhere/server.pem", &good_key), ["server.tls_cert_file", "/nowhere/server.pem"]),
        (both(&good, "/nowhere/key.pem"), ["server.tls_key_file", "/nowhere/key.pem"]),
        (both(&good_key, &good_key), ["server.tls_cert_file", "no certificate"]),
        (both(&good, &good), ["server.tls_key_file", "no private key"]),
        (Settings::default().variable(cert, &good), ["server.tls_key_file", "required"]),
        (Settings::default().variable(key, &good_key), ["server.tls_cert_file", "required"]),
    ] {
        serve(settings.clone()).fails_naming(&words);
        let checked = check(settings);
        assert_eq!(checked.code, Some(1), "{checked:#?}");
        let said = checked.stdout.clone() + &checked.stderr;
        assert!(words.iter().all(|word| said.contains(word)), "{words:?}: {checked:#?}");
    }
}

#[test]
fn that_a_certificate_ends_soon_is_said() {
    let soon = SystemTime::now() + Duration::from_secs(10 * 86_400);
    let day = humantime::format_rfc3339_seconds(soon).to_string()[..10].to_owned();
    let date: Vec<i32> = day.split('-').map(|part| part.parse().unwrap()).collect();
    let ending = Files::of(&Certificates::until([date[0], date[1], date[2]]));
    let words = ["server.tls_cert_file", "ends on", &day];
    let checked = check(ending.settings()).succeeds();
    assert!(words.iter().all(|word| checked.stdout.contains(word)), "{checked:#?}");
    assert!(checked.stdout.contains("server.base_url"), "its links would be in clear: {checked:#?}");
    let app = start(&ending);
    wait_for("a warning in the log", || app.log().contains("the certificate ends soon").then_some(()));

    let long = Files::of(&Certificates::new());
    let checked =
        check(long.settings().variable("SCIMBRIDGE__SERVER__BASE_URL", "https://bridge.test/scim/v2")).succeeds();
    assert!(!checked.stdout.contains("server."), "{checked:#?}");
}

#[test]
fn monitoring_is_told_when_the_certificate_ends() {
    let files = Files::of(&Certificates::until([2100, 1, 1]));
    let app = TestApp::start_with(Flavor::AsShipped, metrics::shown(files.settings()));
    let seen = app.metrics();
    assert_eq!(seen.sum("scimbridge_tls_certificate_expiry_timestamp_seconds", &[]), 4_102_444_800.0);
    // The token that every story has is good for a year.
    let ends = seen.sum("scimbridge_token_expiry_timestamp_seconds", &[]);
    let in_days = |days: u64| SystemTime::now() + Duration::from_secs(days * 86_400);
    let ends = SystemTime::UNIX_EPOCH + Duration::from_secs_f64(ends);
    assert!(in_days(360) < ends && ends < in_days(370), "{ends:?}");
}
