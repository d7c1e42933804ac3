//! The network of a request's client, as reported by the host and our own proxies.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::HeaderMap;

/// The header in which the host reports the peer. Headers of that name that a client sends come before the host's.
const CLIENT_ADDR: &str = "spin-client-addr";
/// The header to which each proxy appends the address of its peer.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The network that a request comes from, as text, or `unknown`. `hops` is the number of our own proxies in front of
/// the host.
///
/// An IPv6 address counts as its /64, which is the least that one subscriber has.
pub(super) fn network(headers: &HeaderMap, hops: u8) -> String {
    match forwarded_for(headers, hops).or_else(|| peer(headers)) {
        None => "unknown".to_owned(),
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

/// The peer that connected to the host: the last value, which the host has added.
fn peer(headers: &HeaderMap) -> Option<IpAddr> {
    address(headers.get_all(CLIENT_ADDR).iter().next_back()?.to_str().ok()?)
}

/// The peer of the outermost of our proxies: the value that it appended. The values before it were sent by the
/// client.
fn forwarded_for(headers: &HeaderMap, hops: u8) -> Option<IpAddr> {
    let from_the_end = usize::from(hops).checked_sub(1)?;
    let values = headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
    let all: Vec<&str> = values.flat_map(|value| value.split(',')).collect();
    address(all.iter().rev().nth(from_the_end)?)
}

/// Parses an address with or without a port. IPv4-mapped IPv6 addresses become IPv4 addresses.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().or_else(|_| text.parse().map(|address: SocketAddr| address.ip())).ok()?;
    Some(match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    })
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(values: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in values {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn a_forged_peer_address_is_ignored() {
        let forged = headers(&[
            ("spin-client-addr", "6.6.6.6:6"),
            ("x-forwarded-for", "7.7.7.7"),
            ("spin-client-addr", "192.0.2.1:50000"),
        ]);
        assert_eq!(network(&forged, 0), "192.0.2.1");
        assert_eq!(network(&headers(&[]), 0), "unknown");
        assert_eq!(network(&headers(&[("spin-client-addr", "nonsense")]), 0), "unknown");
    }

    #[test]
    fn behind_proxies_the_address_appended_by_the_outermost_one_counts() {
        let chain = headers(&[
            ("x-forwarded-for", "1.1.1.1, 2.2.2.2"),
            ("x-forwarded-for", "3.3.3.3:80"),
            ("spin-client-addr", "10.0.0.1:50000"),
        ]);
        for (hops, expected) in [(0, "10.0.0.1"), (1, "3.3.3.3"), (2, "2.2.2.2"), (3, "1.1.1.1")] {
            assert_eq!(network(&chain, hops), expected, "{hops}");
        }
        // With fewer values than proxies, the peer of the host is used.
        assert_eq!(network(&chain, 4), "10.0.0.1");
        assert_eq!(
            network(&headers(&[("x-forwarded-for", "x"), ("spin-client-addr", "10.0.0.1:1")]), 1),
            "10.0.0.1"
        );
    }

    #[test]
    fn a_subscriber_has_one_network() {
        for (address, expected) in [
            ("[2001:db8:1:2:3:4:5:6]:443", "2001:db8:1:2::/64"),
            ("[::ffff:192.0.2.1]:443", "192.0.2.1"),
            ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
            ("[2001:db8:1:2::9]", "2001:db8:1:2::/64"),
        ] {
            assert_eq!(network(&headers(&[("spin-client-addr", address)]), 0), expected, "{address}");
        }
    }
}
