//! `[server]`, from what was written to what is meant: where the service is reached, and how much of it at once.
//!
//! Certificates are not read here: who serves with them does, and `check`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::raw;
use super::settings::Checker;

/// Where Entra reaches the bridge.
#[derive(Clone, Debug)]
pub struct Server {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// What Entra is given as Tenant URL, without a slash at the end.
    pub base_url: String,
    /// The path of the base URL, without a slash at the end.
    pub base_path: String,
    /// With what TLS is ended here; `None` where another does it.
    pub tls: Option<TlsFiles>,
    /// Who is believed when it says for whom it asks.
    pub trusted_proxies: Vec<IpNet>,
    /// How many connections are open at most.
    pub max_connections: usize,
    /// How many requests with a good token are answered at a time.
    pub max_requests_in_flight: usize,
    /// How many requests a second one token may send; `None`: any number.
    pub rate_limit: Option<u32>,
    /// How many requests it may send in one go before that.
    pub rate_burst: u32,
    /// How long the head of a request may take.
    pub header_timeout: Duration,
    /// How long its body may take.
    pub body_timeout: Duration,
    /// How long a connection stays open without a request.
    pub idle_timeout: Duration,
}

/// The files with what the service proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, its issuers after it, PEM.
    pub cert_file: PathBuf,
    /// Its private key, PEM.
    pub key_file: PathBuf,
}

impl Server {
    /// What an operator should know of these settings.
    pub(super) fn warnings(&self) -> Option<String> {
        let in_clear = self.tls.is_some() && self.base_url.starts_with("http://");
        in_clear.then(|| {
            format!(
                "server.base_url is {}, though TLS is spoken: its links would not work; write https://",
                self.base_url
            )
        })
    }
}

/// Checks `[server]`.
pub(super) fn check(checker: &mut Checker, written: raw::Server) -> Server {
    let listen = written.listen.parse().unwrap_or_else(|_| {
        let detail = format!("{:?} is not an address and port such as 127.0.0.1:8080", written.listen);
        checker.problem("server.listen", detail);
        SocketAddr::from(([127, 0, 0, 1], 0))
    });
    let (base_url, base_path) = base(checker, &written.base_url);
    for (key, most) in [
        ("server.max_connections", written.max_connections),
        ("server.max_requests_in_flight", written.max_requests_in_flight),
        ("server.rate_burst", written.rate_burst as usize),
    ] {
        if most == 0 {
            checker.problem(key, "must be at least 1");
        }
    }
    Server {
        listen,
        base_url,
        base_path,
        tls: tls(checker, written.tls_cert_file, written.tls_key_file),
        trusted_proxies: networks(checker, "server.trusted_proxies", &written.trusted_proxies),
        max_connections: written.max_connections,
        max_requests_in_flight: written.max_requests_in_flight,
        rate_limit: (written.rate_limit > 0).then_some(written.rate_limit),
        rate_burst: written.rate_burst,
        header_timeout: time(checker, "server.header_timeout", &written.header_timeout),
        body_timeout: time(checker, "server.body_timeout", &written.body_timeout),
        idle_timeout: time(checker, "server.idle_timeout", &written.idle_timeout),
    }
}

fn base(checker: &mut Checker, written: &str) -> (String, String) {
    const KEY: &str = "server.base_url";
    let base_url = written.trim_end_matches('/').to_owned();
    let base_path = match url::Url::parse(&base_url) {
        Ok(url) if ["http", "https"].contains(&url.scheme()) && url.query().is_none() && url.fragment().is_none() => {
            url.path().trim_end_matches('/').to_owned()
        }
        _ => {
            checker.problem(KEY, format!("{base_url:?} is not an http or https URL without a query"));
            String::new()
        }
    };
    if ["/healthz", "/readyz"].contains(&base_path.as_str()) {
        checker.problem(KEY, format!("{base_path} tells whether the service is well; take another path"));
    }
    (base_url, base_path)
}

fn tls(checker: &mut Checker, cert_file: Option<String>, key_file: Option<String>) -> Option<TlsFiles> {
    match (cert_file, key_file) {
        (Some(cert_file), Some(key_file)) => Some(TlsFiles { cert_file: cert_file.into(), key_file: key_file.into() }),
        (None, None) => None,
        (Some(_), None) => {
            checker.problem("server.tls_key_file", "is required with server.tls_cert_file");
            None
        }
        (None, Some(_)) => {
            checker.problem("server.tls_cert_file", "is required with server.tls_key_file");
            None
        }
    }
}

/// Networks such as `10.0.0.0/8`, and single addresses.
pub(super) fn networks(checker: &mut Checker, key: &str, written: &[String]) -> Vec<IpNet> {
    let mut networks = Vec::new();
    for text in written.iter().map(|text| text.trim()).filter(|text| !text.is_empty()) {
        let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        match network {
            // Addresses are compared as the IPv4 that they are, where they are.
            Some(IpNet::V6(network)) if network.addr().to_ipv4_mapped().is_some() => {
                checker.problem(key, format!("{text:?} is an IPv4 network written as IPv6: write it as IPv4"));
            }
            Some(network) => networks.push(network.trunc()),
            None => checker.problem(key, format!("{text:?} is not an address or network such as 10.0.0.0/8")),
        }
    }
    networks
}

fn time(checker: &mut Checker, key: &str, text: &str) -> Duration {
    let time = humantime::parse_duration(text).map_err(|error| format!("{text:?}: {error}; write 10s"));
    match time {
        Ok(time) if time.is_zero() => {
            checker.problem(key, "must be longer than nothing");
            time
        }
        time => checker.or_problem(key, time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(written: raw::Server) -> (Server, Vec<String>) {
        let mut checker = Checker { problems: Vec::new() };
        let settings = check(&mut checker, written);
        (settings, checker.problems.into_iter().map(|problem| problem.key).collect())
    }

    #[test]
    fn what_is_not_written_is_as_the_example_says() {
        let (settings, problems) = checked(raw::Server::default());
        assert_eq!(problems, [""; 0]);
        assert_eq!((settings.tls, settings.rate_limit, settings.base_path.as_str()), (None, None, "/scim/v2"));
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let written = raw::Server {
            base_url: "https://contoso.com/readyz/".to_owned(),
            tls_key_file: Some("/etc/key.pem".to_owned()),
            trusted_proxies: ["10.0.0.0/33", "proxy", "::ffff:10.0.0.0/104", " 10.0.0.1 ", ""]
                .map(str::to_owned)
                .to_vec(),
            max_connections: 0,
            header_timeout: "0s".to_owned(),
            body_timeout: "long".to_owned(),
            ..raw::Server::default()
        };
        let (settings, problems) = checked(written);
        let [proxies, base, connections] = ["trusted_proxies", "base_url", "max_connections"];
        let expected =
            [base, connections, "tls_cert_file", proxies, proxies, proxies, "header_timeout", "body_timeout"];
        assert_eq!(problems, expected.map(|key| format!("server.{key}")));
        assert_eq!(settings.trusted_proxies, ["10.0.0.1/32".parse::<IpNet>().unwrap()]);
    }
}
