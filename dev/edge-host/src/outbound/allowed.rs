//! Spin's `allowed_outbound_hosts`: `scheme://host[:port]`, with `*` for a scheme, a host, the first part of a
//! host, or a port.

use std::ops::Range;

use url::Host;

/// The domain of the application's own components.
const CHAINING_SUFFIX: &str = ".spin.internal";

/// The hosts that one component may call.
#[derive(Clone, Debug, Default)]
pub(crate) struct AllowedHosts(Vec<Entry>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    /// `None` allows every scheme.
    scheme: Option<String>,
    host: HostPattern,
    port: PortPattern,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum HostPattern {
    Any,
    /// Holds the domain with its leading dot.
    Below(String),
    One(Host),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum PortPattern {
    Any,
    Within(Range<u32>),
}

impl AllowedHosts {
    /// Takes in one entry of the manifest, its variables resolved. One that came out empty, as
    /// `http://{{ optional }}` does, allows nothing.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the entry.
    pub(crate) fn add(&mut self, entry: &str) -> Result<(), String> {
        if !matches!(entry, "" | "http://" | "https://") {
            let parsed = Entry::parse(entry).map_err(|reason| format!("`{entry}` {reason}"))?;
            self.0.push(parsed);
        }
        Ok(())
    }

    /// Whether a call may go out.
    pub(crate) fn allow(&self, uri: &http::Uri) -> bool {
        let Some((scheme, host)) = uri.scheme_str().zip(uri.host()) else {
            return false;
        };
        let Some(port) = uri.port_u16().or_else(|| default_port(scheme)) else {
            return false;
        };
        let Ok(host) = Host::parse(host) else {
            return false;
        };
        self.0.iter().any(|entry| entry.allow(scheme, &host, port))
    }
}

/// The component that the host names, if it names one.
pub(crate) fn chaining_target(host: &str) -> Option<&str> {
    host.strip_suffix(CHAINING_SUFFIX)
}

impl Entry {
    fn parse(entry: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = entry.trim().split_once("://") else {
            return Err("has no scheme, such as `http://` or `*://`".to_owned());
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains('/') {
            return Err("must not have a path".to_owned());
        }
        // A colon inside brackets belongs to an IPv6 address.
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port),
            _ => (rest, ""),
        };
        let scheme_name = match scheme {
            "*" => None,
            name if !name.is_empty() && name.chars().all(|c| c.is_ascii_alphabetic()) => {
                Some(name.to_owned())
            }
            name => return Err(format!("has `{name}`, which is no scheme")),
        };
        Ok(Self {
            host: HostPattern::parse(host)?,
            port: PortPattern::parse(port, scheme)?,
            scheme: scheme_name,
        })
    }

    fn allow(&self, scheme: &str, host: &Host, port: u16) -> bool {
        let scheme_allowed = self.scheme.as_deref().is_none_or(|allowed| allowed == scheme);
        let host_allowed = match &self.host {
            HostPattern::Any => true,
            HostPattern::Below(suffix) => {
                matches!(host, Host::Domain(domain) if domain.ends_with(suffix))
            }
            HostPattern::One(allowed) => allowed == host,
        };
        let port_allowed = match &self.port {
            PortPattern::Any => true,
            PortPattern::Within(range) => range.contains(&u32::from(port)),
        };
        scheme_allowed && host_allowed && port_allowed
    }
}

impl HostPattern {
    fn parse(host: &str) -> Result<Self, String> {
        if host == "*" {
            return Ok(Self::Any);
        }
        if host == "self" || host == "self.alt" {
            return Err("names the application itself, which this host does not serve".to_owned());
        }
        let (below, domain) = match host.strip_prefix("*.") {
            Some(domain) => (true, domain),
            None => (false, host),
        };
        if domain.contains('*') {
            return Err("may have `*` only for the host or its first part".to_owned());
        }
        match (below, Host::parse(domain)) {
            (_, Err(error)) => Err(format!("has `{domain}`, which is no host: {error}")),
            (true, Ok(Host::Domain(domain))) => Ok(Self::Below(format!(".{domain}"))),
            (true, Ok(_)) => Err("has `*.` before an address".to_owned()),
            (false, Ok(host)) => Ok(Self::One(host)),
        }
    }
}

impl PortPattern {
    fn parse(port: &str, scheme: &str) -> Result<Self, String> {
        let number = |text: &str| {
            text.parse::<u16>().map(u32::from).map_err(|_| format!("has `{text}`, which is no port"))
        };
        match port {
            "*" => Ok(Self::Any),
            "" => match default_port(scheme) {
                Some(port) => Ok(Self::Within(u32::from(port)..u32::from(port) + 1)),
                None => Err(format!("needs a port, because `{scheme}` has no default port")),
            },
            _ => match port.split_once("..") {
                Some((first, end)) => Ok(Self::Within(number(first)?..number(end)?)),
                None => number(port).map(|port| Self::Within(port..port + 1)),
            },
        }
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allow(entry: &str, uri: &str) -> bool {
        let mut hosts = AllowedHosts::default();
        hosts.add(entry).unwrap();
        hosts.allow(&uri.parse().unwrap())
    }

    #[test]
    fn entries_allow_what_they_name() {
        for (entry, uri, expected) in [
            ("http://example.org", "http://example.org/a?b", true),
            ("http://example.org", "http://EXAMPLE.org:80/", true),
            ("http://example.org", "https://example.org/", false),
            ("http://example.org", "http://example.org:8080/", false),
            ("http://example.org", "http://www.example.org/", false),
            ("https://example.org/", "https://example.org/", true),
            ("*://example.org:*", "https://example.org:9/", true),
            ("http://*:9000", "http://127.0.0.1:9000/", true),
            ("http://*:9000", "http://127.0.0.1:9001/", false),
            ("https://*.example.org", "https://a.b.example.org/", true),
            ("https://*.example.org", "https://example.org/", false),
            ("https://*.example.org", "https://badexample.org/", false),
            ("http://127.0.0.1:1024..2048", "http://127.0.0.1:2047/", true),
            ("http://127.0.0.1:1024..2048", "http://127.0.0.1:2048/", false),
            ("http://[::1]:80", "http://[::1]/", true),
            ("http://[::1]", "http://[::1]:81/", false),
            ("*://*:*", "http://anything.example/", true),
            ("http://*.spin.internal", "http://auth.spin.internal/x", true),
            ("http://auth.spin.internal", "http://videos.spin.internal/x", false),
            ("", "http://example.org/", false),
            ("http://", "http://example.org/", false),
        ] {
            assert_eq!(allow(entry, uri), expected, "{entry} for {uri}");
        }
        assert!(!allow("*://*:*", "/relative"));
    }

    #[test]
    fn bad_entries_are_refused() {
        for entry in [
            "example.org",
            "*",
            "*://*",
            "redis://example.org",
            "http://example.org/path",
            "http://exa*mple.org",
            "http://*.*.example.org",
            "http://*.127.0.0.1",
            "http://example.org:port",
            "http://example.org:99999",
            "h3tp://example.org",
            "http://self",
            "http://a b",
        ] {
            let refused = AllowedHosts::default().add(entry);
            assert!(refused.is_err_and(|problem| problem.contains(entry)), "{entry}");
        }
    }

    #[test]
    fn the_target_of_a_chained_call_is_its_host() {
        assert_eq!(chaining_target("auth.spin.internal"), Some("auth"));
        assert_eq!(chaining_target("spin.internal"), None);
        assert_eq!(chaining_target("example.org"), None);
    }
}
