//! Whether Entra can come to the address that it is given as Tenant URL, as far as the address itself tells.
//!
//! Nothing is asked of a name server or of the network.

use std::net::{Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use super::Server;

/// Endings of names that the public name servers do not know (RFC 2606, RFC 6762, RFC 8375, and what ICANN has set aside).
const PRIVATE_NAMES: [&str; 8] = ["local", "localhost", "internal", "lan", "home.arpa", "test", "invalid", "corp"];

impl Server {
    /// What keeps Entra from coming to `base_url`, or makes it unwise.
    pub fn obstacles(&self) -> Vec<String> {
        let Ok(url) = Url::parse(&self.base_url) else {
            return Vec::new();
        };
        let mut obstacles = Vec::new();
        if url.scheme() == "http" {
            let detail = format!(
                "server.base_url is {}: Entra comes over https:// alone, and a token that crosses the internet in clear \
                 is everybody's; set it to the public https:// address",
                self.base_url
            );
            obstacles.push(detail);
        }
        let reason = match url.host() {
            Some(Host::Ipv4(address)) => private_ipv4(address),
            Some(Host::Ipv6(address)) => private_ipv6(address),
            Some(Host::Domain(name)) => private_name(name),
            None => None,
        };
        if let (Some(reason), Some(host)) = (reason, url.host_str()) {
            let detail = format!(
                "server.base_url names {host}, {reason}: Entra comes from the internet and does not find it; set it to \
                 the public name"
            );
            obstacles.push(detail);
        }
        obstacles
    }

    /// Where OAuth2 clients get their tokens: below the origin of `base_url`, whatever its path.
    pub fn token_endpoint(&self) -> String {
        let origin = Url::parse(&self.base_url).map(|url| url.origin().ascii_serialization());
        format!("{}/oauth2/token", origin.unwrap_or_default())
    }
}

fn private_ipv4(address: Ipv4Addr) -> Option<&'static str> {
    match address {
        _ if address.is_loopback() => Some("a loopback address"),
        _ if address.is_private() || address.is_link_local() => Some("a private address"),
        _ if address.is_unspecified() || address.is_documentation() => Some("an address of nobody"),
        // Shared behind the address translation of a provider (RFC 6598).
        _ if address.octets().starts_with(&[100]) && (64..128).contains(&address.octets()[1]) => {
            Some("a private address")
        }
        _ => None,
    }
}

fn private_ipv6(address: Ipv6Addr) -> Option<&'static str> {
    match address {
        _ if address.is_loopback() => Some("a loopback address"),
        _ if address.is_unique_local() || address.is_unicast_link_local() => Some("a private address"),
        _ if address.is_unspecified() => Some("an address of nobody"),
        _ => address.to_ipv4_mapped().and_then(private_ipv4),
    }
}

fn private_name(name: &str) -> Option<&'static str> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    if name == "localhost" || name.ends_with(".localhost") {
        return Some("this machine itself");
    }
    let is_below = |ending: &&str| name.strip_suffix(*ending).is_some_and(|rest| rest.ends_with('.'));
    let is_private = !name.contains('.') || PRIVATE_NAMES.iter().any(is_below);
    is_private.then_some("a name that is known inside a network alone")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::Checker;
    use crate::config::{raw, server};

    fn server(base_url: &str) -> Server {
        let written = raw::Server { base_url: base_url.to_owned(), ..raw::Server::default() };
        server::check(&mut Checker { problems: Vec::new() }, written)
    }

    #[track_caller]
    fn check(base_url: &str, expected: &[&str]) {
        let obstacles = server(base_url).obstacles();
        assert_eq!(obstacles.len(), expected.len(), "{base_url}: {obstacles:?}");
        for (obstacle, word) in obstacles.iter().zip(expected) {
            assert!(obstacle.contains(word), "{obstacle}");
        }
    }

    #[test]
    fn an_address_that_entra_cannot_come_to_is_told() {
        check("https://scim.contoso.com/scim/v2", &[]);
        check("https://20.190.129.80/scim", &[]);
        check("http://scim.contoso.com/scim/v2", &["https://"]);
        check("http://127.0.0.1:8080/scim/v2", &["https://", "loopback"]);
        check("https://localhost/scim", &["this machine"]);
        check("https://[::1]/scim", &["loopback"]);
        check("https://[::ffff:10.0.0.1]/scim", &["private address"]);
        check("https://[fd00::1]/scim", &["private address"]);
        for private in ["10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.1.1", "100.64.0.1"] {
            check(&format!("https://{private}/scim"), &["private address"]);
        }
        for name in ["scim", "scim.corp.internal", "scim.contoso.local", "bridge.test"] {
            check(&format!("https://{name}/scim"), &["inside a network"]);
        }
    }

    #[test]
    fn tokens_are_got_below_the_origin() {
        assert_eq!(server("https://x.org/a/scim/v2").token_endpoint(), "https://x.org/oauth2/token");
        assert_eq!(server("https://x.org:8443/scim").token_endpoint(), "https://x.org:8443/oauth2/token");
    }
}
