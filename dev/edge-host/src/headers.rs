//! The headers that tell a guest about its request, as Spin sends them. A client's own come first
//! and stay, so a guest trusts only the last value of each.

use std::net::SocketAddr;

use http::header::{CONNECTION, HOST};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use crate::outbound::chaining_target;
use crate::routes::Match;

/// Removes hop-by-hop headers (`Connection`), and a `Host` that names a component, which only a call from
/// another component may send.
pub(crate) fn remove_transport(headers: &mut HeaderMap) {
    headers.remove(CONNECTION);
    let chained =
        |host: &str| host.parse::<Authority>().is_ok_and(|host| chaining_target(host.host()).is_some());
    if headers.get(HOST).and_then(|host| host.to_str().ok()).is_some_and(chained) {
        headers.remove(HOST);
    }
}

/// Adds the headers; `None` if a value is not UTF-8, which no guest could read.
pub(crate) fn add(headers: &mut HeaderMap, uri: &Uri, found: &Match, client: SocketAddr) -> Option<()> {
    let readable = |value: &HeaderValue| std::str::from_utf8(value.as_bytes()).is_ok();
    if !headers.values().all(readable) {
        return None;
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = host.unwrap_or("localhost");
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let prefix = found.route.strip_suffix("/...").unwrap_or(&found.route);
    let mut ours = vec![
        ("spin-path-info".to_owned(), found.rest.clone()),
        ("spin-full-url".to_owned(), format!("http://{host}{path}")),
        ("spin-matched-route".to_owned(), trimmed(&found.route)),
        ("spin-base-path".to_owned(), "/".to_owned()),
        ("spin-raw-component-route".to_owned(), found.route.clone()),
        ("spin-component-route".to_owned(), prefix.to_owned()),
        ("spin-client-addr".to_owned(), client.to_string()),
    ];
    for (name, value) in &found.parameters {
        let name = name.to_ascii_lowercase().replace('_', "-");
        ours.push((format!("spin-path-match-{name}"), value.clone()));
    }
    for (name, value) in ours {
        let name = HeaderName::try_from(name).ok()?;
        headers.append(name, HeaderValue::try_from(value).ok()?);
    }
    Some(())
}

/// The matched route is the one that the router holds, which ends without a slash.
fn trimmed(route: &str) -> String {
    route.strip_suffix('/').unwrap_or(route).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(headers: &HeaderMap, name: &str) -> Vec<String> {
        let values = headers.get_all(name).iter();
        values.map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_guest_is_told_about_its_request() {
        let found = Match {
            component: "videos".to_owned(),
            route: "/v1/:video_id/...".to_owned(),
            rest: "/frames".to_owned(),
            parameters: vec![("video_id".to_owned(), "7".to_owned())],
        };
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("example.org:3000"));
        headers.insert("spin-client-addr", HeaderValue::from_static("6.6.6.6:6"));
        let uri: Uri = "/v1/7/frames?a=b".parse().unwrap();
        add(&mut headers, &uri, &found, "127.0.0.1:99".parse().unwrap()).unwrap();
        for (name, expected) in [
            ("spin-path-info", "/frames"),
            ("spin-full-url", "http://example.org:3000/v1/7/frames?a=b"),
            ("spin-matched-route", "/v1/:video_id/..."),
            ("spin-base-path", "/"),
            ("spin-raw-component-route", "/v1/:video_id/..."),
            ("spin-component-route", "/v1/:video_id"),
            ("spin-path-match-video-id", "7"),
        ] {
            assert_eq!(all(&headers, name), [expected], "{name}");
        }
        assert_eq!(all(&headers, "spin-client-addr"), ["6.6.6.6:6", "127.0.0.1:99"]);
    }

    #[test]
    fn what_is_between_client_and_host_goes_no_further() {
        for (host, kept) in
            [("example.org", true), ("auth.spin.internal", false), ("auth.spin.internal:80", false)]
        {
            let mut headers = HeaderMap::new();
            headers.insert("host", HeaderValue::from_static(host));
            headers.insert("connection", HeaderValue::from_static("keep-alive"));
            remove_transport(&mut headers);
            assert_eq!((headers.contains_key("host"), headers.len()), (kept, usize::from(kept)), "{host}");
        }
    }

    #[test]
    fn a_value_that_is_no_text_is_not_passed_on() {
        let mut headers = HeaderMap::new();
        headers.insert("x", HeaderValue::from_bytes(b"\xff").unwrap());
        let found = Match::chained("a", "/");
        let uri = Uri::from_static("/");
        assert_eq!(add(&mut headers, &uri, &found, "127.0.0.1:1".parse().unwrap()), None);
    }
}
