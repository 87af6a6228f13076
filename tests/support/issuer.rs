//! An OpenID issuer of the tests' own: it publishes keys over HTTPS, and signs whatever it is told to.
//!
//! Its RSA key is in `tests/fixtures/jwt`, for ring makes none; it is good for nothing else.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding,
    RsaKeyPair,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};
use serde_json::{Value, json};

use super::certificates::Certificates;
use super::slapd::project;

pub(crate) struct Issuer {
    pub(crate) certificates: Certificates,
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    keys: Mutex<Vec<Value>>,
    asked: AtomicUsize,
    is_away: AtomicBool,
    is_over: AtomicBool,
}

/// A key to sign with, under an id.
pub(crate) enum Key {
    Rsa(&'static str),
    Curve(&'static str, Box<EcdsaKeyPair>),
}

impl Issuer {
    pub(crate) fn start() -> Self {
        let certificates = Certificates::new();
        let chain = CertificateDer::pem_file_iter(certificates.path("server.pem")).unwrap();
        let chain: Vec<CertificateDer<'static>> = chain.collect::<Result<_, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_file(certificates.path("key.pem")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let serving = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if serving.is_over.load(Ordering::SeqCst) {
                    return;
                }
                if serving.is_away.load(Ordering::SeqCst) {
                    continue;
                }
                // Whoever hangs up in the middle has had enough.
                answer(stream, config.clone(), &serving, address).ok();
            }
        });
        Self { certificates, address, shared }
    }

    /// What it calls itself.
    pub(crate) fn name(&self) -> String {
        format!("https://{}", self.address)
    }

    pub(crate) fn publish(&self, keys: &[&Key]) {
        *self.shared.keys.lock().unwrap() = keys.iter().map(|key| key.public()).collect();
    }

    /// How often it was asked for its keys.
    pub(crate) fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::SeqCst)
    }

    /// From now on it hangs up on whoever calls.
    pub(crate) fn go_away(&self) {
        self.shared.is_away.store(true, Ordering::SeqCst);
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        // Wakes the listener.
        TcpStream::connect(self.address).ok();
    }
}

fn answer(
    mut stream: TcpStream,
    config: Arc<ServerConfig>,
    shared: &Shared,
    address: SocketAddr,
) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut connection = ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut stream = Stream::new(&mut connection, &mut stream);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend_from_slice(&byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let base = format!("https://{address}");
    let (status, body) = match head.split(' ').nth(1) {
        Some("/.well-known/openid-configuration") => {
            ("200 OK", json!({"issuer": base, "jwks_uri": format!("{base}/keys")}))
        }
        Some("/keys") => {
            shared.asked.fetch_add(1, Ordering::SeqCst);
            ("200 OK", json!({"keys": *shared.keys.lock().unwrap()}))
        }
        Some("/moved") => ("302 Found\r\nLocation: /keys", json!({})),
        _ => ("404 Not Found", json!({})),
    };
    let body = body.to_string();
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes())?;
    stream.flush()?;
    stream.conn.send_close_notify();
    stream.flush()
}

impl Key {
    pub(crate) fn rsa(id: &'static str) -> Self {
        Self::Rsa(id)
    }

    pub(crate) fn curve(id: &'static str) -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
        Self::Curve(id, Box::new(pair))
    }

    fn pair() -> RsaKeyPair {
        let pem = fs::read(project().join("tests/fixtures/jwt/rsa.pem")).unwrap();
        let der = PrivatePkcs8KeyDer::from_pem_slice(&pem).unwrap();
        RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).unwrap()
    }

    /// The public half of the RSA key, as bytes that everybody has.
    pub(crate) fn modulus() -> Vec<u8> {
        ring::rsa::PublicKeyComponents::<Vec<u8>>::from(Self::pair().public()).n
    }

    pub(crate) fn public(&self) -> Value {
        match self {
            Self::Rsa(id) => {
                let public = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(Self::pair().public());
                // As Entra publishes them: with a use, without an algorithm.
                json!({"kty": "RSA", "use": "sig", "kid": id, "n": encoded(&public.n), "e": encoded(&public.e)})
            }
            Self::Curve(id, pair) => {
                let point = pair.public_key().as_ref();
                let (x, y) = (encoded(&point[1..33]), encoded(&point[33..]));
                json!({"kty": "EC", "crv": "P-256", "kid": id, "x": x, "y": y, "alg": "ES256"})
            }
        }
    }

    /// A token with these claims, signed by this key as its type has it.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        match self {
            Self::Rsa(_) => self.sign_by("RS256", claims),
            Self::Curve(..) => self.sign_by("ES256", claims),
        }
    }

    /// The same with a header that names this algorithm. Of RSA, RS256 or PS256.
    pub(crate) fn sign_by(&self, algorithm: &str, claims: &Value) -> String {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(id) => assembled(&json!({"typ": "JWT", "alg": algorithm, "kid": id}), claims, |message| {
                let padding: &'static dyn RsaEncoding =
                    if algorithm == "PS256" { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
                let pair = Self::pair();
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(padding, &random, message, &mut signature).unwrap();
                signature
            }),
            Self::Curve(id, _) => self.sign_under(&json!({"alg": algorithm, "kid": id}), claims),
        }
    }

    /// The same with this header. Of a curve.
    pub(crate) fn sign_under(&self, header: &Value, claims: &Value) -> String {
        let Self::Curve(_, pair) = self else { panic!("only of a curve") };
        assembled(header, claims, |message| pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec())
    }
}

/// A token of any header and signature.
pub(crate) fn assembled(header: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", encoded(header.to_string().as_bytes()), encoded(claims.to_string().as_bytes()));
    let signature = sign(message.as_bytes());
    format!("{message}.{}", encoded(&signature))
}

pub(crate) fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Seconds since 1970, shifted by that many.
pub(crate) fn seconds(shift: i64) -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap() + shift
}
