//! Who asks when a proxy stands between: what `X-Forwarded-For` and `Forwarded` (RFC 7239) say, as far as it can be
//! believed.
//!
//! Each proxy adds at the right end from whom it had the request, and anybody may have written what stands left of that.
//! Invariant: what nobody trusted has written never decides.

use std::net::{IpAddr, SocketAddr};

use axum::http::header::FORWARDED;
use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Whether one of the networks has the address.
pub(super) fn any_contains(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address))
}

/// From where a request comes that `peer` has sent: the right-most address that is not a trusted proxy's.
///
/// A proxy writes one of the two headers and hands the other one on as it came, whoever wrote it. When both are there
/// and do not tell the same, neither is believed, and it is the proxy's own request.
pub(super) fn origin(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    if !any_contains(trusted, peer) {
        return peer;
    }
    let told = |name: HeaderName, read: fn(&str) -> Option<IpAddr>| {
        let lines: Vec<&str> = headers.get_all(&name).iter().map(|line| line.to_str().unwrap_or_default()).collect();
        (!lines.is_empty()).then(|| right_most(peer, &lines.join(","), trusted, read))
    };
    match (told(X_FORWARDED_FOR, address), told(FORWARDED, forwarded_for)) {
        (Some(one), Some(other)) if one != other => peer,
        (one, other) => one.or(other).unwrap_or(peer),
    }
}

fn right_most(peer: IpAddr, list: &str, trusted: &[IpNet], read: fn(&str) -> Option<IpAddr>) -> IpAddr {
    let mut nearest = peer;
    for hop in list.rsplit(',').map(str::trim).filter(|hop| !hop.is_empty()) {
        // Whoever wrote what cannot be read is as far as is known.
        let Some(address) = read(hop) else { return nearest };
        nearest = address;
        if !any_contains(trusted, address) {
            break;
        }
    }
    nearest
}

/// `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:4711`.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

/// The `for` of an element such as `for="[2001:db8::1]:4711";proto=https`.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let mut named = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
    let (_, node) = named.next()?;
    address(node.trim().trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(headers: &[(&'static str, &str)], expected: &str) {
        let trusted = ["10.0.0.0/8", "127.0.0.1/32", "2001:db8:ffff::/48"].map(|network| network.parse().unwrap());
        let headers = headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        let headers: HeaderMap =
            headers.collect::<Vec<_>>().into_iter().fold(HeaderMap::new(), |mut map, (name, value)| {
                map.append(name, value);
                map
            });
        assert_eq!(origin("127.0.0.1".parse().unwrap(), &headers, &trusted).to_string(), expected, "{headers:?}");
        let stranger = "192.0.2.99";
        assert_eq!(origin(stranger.parse().unwrap(), &headers, &trusted).to_string(), stranger, "{headers:?}");
    }

    #[test]
    fn only_what_trusted_proxies_have_written_is_believed() {
        let x = "x-forwarded-for";
        check(&[], "127.0.0.1");
        check(&[(x, "203.0.113.7")], "203.0.113.7");
        check(&[(x, "1.1.1.1, 203.0.113.7")], "203.0.113.7");
        check(&[(x, "1.1.1.1"), (x, "203.0.113.7")], "203.0.113.7");
        check(&[(x, "1.1.1.1, 203.0.113.7, 10.1.2.3,10.9.9.9")], "203.0.113.7");
        check(&[(x, "10.1.2.3, 10.9.9.9")], "10.1.2.3");
        check(&[(x, "1.1.1.1, nonsense, 10.9.9.9")], "10.9.9.9");
        check(&[(x, "nonsense")], "127.0.0.1");
        check(&[(x, "203.0.113.7:4711")], "203.0.113.7");
        check(&[(x, "[2001:db8::1]:4711")], "2001:db8::1");
        check(&[(x, "2001:db8::1, 2001:db8:ffff::5")], "2001:db8::1");
        check(&[(x, "::ffff:203.0.113.7")], "203.0.113.7");
        check(&[(x, ", ,203.0.113.7, ")], "203.0.113.7");
    }

    #[test]
    fn the_standards_header_is_read_too_and_a_contradiction_is_believed_by_nobody() {
        check(&[("forwarded", "for=1.1.1.1, For=\"[2001:db8::1]:4711\";proto=https;by=10.0.0.1")], "2001:db8::1");
        check(&[("forwarded", "for=unknown")], "127.0.0.1");
        check(&[("forwarded", "proto=https")], "127.0.0.1");
        check(&[("forwarded", "for=203.0.113.7"), ("x-forwarded-for", "203.0.113.7")], "203.0.113.7");
        check(&[("forwarded", "for=1.1.1.1"), ("x-forwarded-for", "203.0.113.7")], "127.0.0.1");
    }
}
