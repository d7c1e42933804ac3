//! Restricts webhooks to addresses of the public internet: a name is resolved once, its addresses are
//! checked, and the connection goes to exactly these.

use std::error::Error;
use std::net::SocketAddr;

use framelift_contract::address::is_public;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// An address that is not of the public internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the webhook leads to a private or reserved address")]
pub(super) struct Forbidden;

/// Whether a URL names an address itself, and a forbidden one. The client asks no resolver about those.
pub(super) fn is_forbidden(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => !is_public(address.into()),
        Some(Host::Ipv6(address)) => !is_public(address.into()),
        Some(Host::Domain(_)) => false,
        None => true,
    }
}

/// Whether an error was caused by a forbidden address.
pub(super) fn refused(error: &reqwest::Error) -> bool {
    let mut source: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = source {
        if error.is::<Forbidden>() {
            return true;
        }
        source = error.source();
    }
    false
}

/// A resolver that gives the client checked addresses and no others.
#[derive(Debug)]
pub(super) struct CheckedResolver {
    allow_private: bool,
}

impl CheckedResolver {
    pub(super) fn new(allow_private: bool) -> Self {
        Self { allow_private }
    }
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let checked = if allow_private { found } else { check(found)? };
            Ok(Box::new(checked.into_iter()) as Addrs)
        })
    }
}

/// Returns the addresses of a name, if all of them are public; a name with any other address is not trusted.
fn check(found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Forbidden> {
    if found.iter().all(|address| is_public(address.ip())) { Ok(found) } else { Err(Forbidden) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_private_address_among_others_spoils_a_name() {
        let parse =
            |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>();
        let public = parse(&["8.8.8.8:0", "[2606:4700::1]:0"]);
        assert_eq!(check(public.clone()), Ok(public));
        for private in ["10.0.0.1:0", "169.254.169.254:0", "[::ffff:10.0.0.1]:0", "[64:ff9b::a00:1]:0"] {
            assert_eq!(check(parse(&["8.8.8.8:0", private])), Err(Forbidden), "{private}");
        }
    }

    #[test]
    fn addresses_in_urls_are_checked_however_they_are_spelled() {
        for url in [
            "https://127.1/",
            "https://0x7f000001/",
            "https://017700000001/",
            "https://2130706433/",
            "https://[::1]/",
            "https://[::ffff:a9fe:a9fe]/",
            "https://169.254.169.254/latest/meta-data/",
        ] {
            assert!(is_forbidden(&url.parse().unwrap()), "{url}");
        }
        assert!(!is_forbidden(&"https://8.8.8.8/".parse().unwrap()));
    }
}
