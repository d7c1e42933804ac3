//! Cross-origin requests (CORS): which origins may call, and the headers that tell browsers so.

use std::collections::BTreeMap;
use std::str::FromStr;

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ALLOW, ORIGIN,
    VARY,
};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use url::Url;

/// The headers that a page may send.
const SENT: &str = "Accept, Authorization, Content-Type, Idempotency-Key, If-None-Match, If-Range, Last-Event-ID, Range, \
     X-Correlation-Id";
/// The headers of answers that a page may read, besides those that every page may.
const READ: &str = "Accept-Ranges, Content-Disposition, Content-Location, Content-Range, ETag, Location, RateLimit, \
                    RateLimit-Policy, Retry-After, WWW-Authenticate, X-Correlation-Id";
/// Seconds for which a browser remembers that it may: the most that Chromium takes.
const REMEMBERED_S: u16 = 7200;

/// The origins whose pages may call: none by default. Pages send tokens, never cookies, so no answer
/// allows credentials, and `*` is not taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cors {
    origins: Vec<HeaderValue>,
}

/// A text that is not an origin.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an origin such as https://app.example.com")]
pub struct InvalidOrigin(String);

impl FromStr for Cors {
    type Err = InvalidOrigin;

    /// Origins as browsers send them, with spaces between: scheme, host in lower case, and the port unless
    /// it is the scheme's own.
    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        let origin = |text: &str| {
            let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
            // A host may have a `*` by the URL standard, and would be taken for a pattern.
            let url = url.filter(|_| !text.contains('*'));
            let spelled = url.map(|url| url.origin().ascii_serialization());
            let value =
                spelled.filter(|spelled| spelled == text).and_then(|it| HeaderValue::try_from(it).ok());
            value.ok_or_else(|| InvalidOrigin(text.to_owned()))
        };
        Ok(Self { origins: text.split_whitespace().map(origin).collect::<Result<_, _>>()? })
    }
}

impl Cors {
    /// The variable that lists the origins.
    pub const VARIABLE: &'static str = "cors_origins";

    /// Reads the variable. A missing one allows no origin.
    pub fn read(variables: &BTreeMap<&'static str, String>) -> Result<Self, String> {
        let text = variables.get(Self::VARIABLE).map(String::as_str).unwrap_or_default();
        text.parse().map_err(|error: InvalidOrigin| format!("{}: {error}", Self::VARIABLE))
    }
}

/// What a request means for CORS.
#[derive(Debug)]
pub(crate) enum Asked {
    /// No page of another origin may call.
    Closed,
    /// No origin, or one that may not call.
    Elsewhere,
    /// From a page of this origin.
    Page(HeaderValue),
    /// Its browser asks whether the page may.
    Preflight(HeaderValue),
}

impl Cors {
    /// Returns what a request means for CORS.
    pub(crate) fn asked(&self, request: &Parts) -> Asked {
        let mut sent = request.headers.get_all(ORIGIN).iter();
        let known = |sent: &&HeaderValue| self.origins.contains(sent);
        match (sent.next().filter(known), sent.next()) {
            _ if self.origins.is_empty() => Asked::Closed,
            (Some(origin), None) => {
                let asks = request.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
                let origin = origin.clone();
                if request.method == Method::OPTIONS && asks {
                    Asked::Preflight(origin)
                } else {
                    Asked::Page(origin)
                }
            }
            _ => Asked::Elsewhere,
        }
    }
}

impl Asked {
    /// Adds the CORS headers to a response, errors included, and `Vary` where it depends on the origin.
    pub(crate) fn tell<B>(self, response: &mut Response<B>) {
        let is_found = response.status() == StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        if !matches!(self, Self::Closed) {
            headers.append(VARY, HeaderValue::from_static("origin"));
        }
        match self {
            Self::Closed | Self::Elsewhere => {}
            Self::Page(origin) => {
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
                headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(READ));
            }
            Self::Preflight(origin) => {
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
                if let Some(methods) = headers.get(ALLOW).filter(|_| is_found).cloned() {
                    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
                    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(SENT));
                    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(REMEMBERED_S));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use bytes::Bytes;
    use http::Request;
    use serde_json::Value;

    use super::*;

    #[test]
    fn origins_are_spelled_as_browsers_spell_them() {
        let origins = |text: &str| text.parse::<Cors>().map(|cors| cors.origins.len());
        assert_eq!(origins(""), Ok(0));
        assert_eq!(origins(" https://app.example.com http://localhost:5173\n"), Ok(2));
        assert_eq!(origins("https://[::1]:8443 https://xn--bcher-kva.example"), Ok(2));
        for bad in [
            "*",
            "null",
            "app.example.com",
            "https://",
            "https://app.example.com/",
            "https://app.example.com/path",
            "https://App.example.com",
            "https://app.example.com:443",
            "https://*.example.com",
            "https://ada@app.example.com",
            "https://bücher.example",
            "ftp://app.example.com",
            "https://a.example,https://b.example",
        ] {
            assert_eq!(origins(bad), Err(InvalidOrigin(bad.into())), "{bad}");
            assert_eq!(origins(&format!("https://a.example {bad}")), Err(InvalidOrigin(bad.into())), "{bad}");
        }
    }

    /// What an answer with that status says to a request with these headers.
    fn told(origins: &str, method: Method, sent: &[(&str, &str)], status: u16) -> Vec<String> {
        let mut request = Request::builder().method(method);
        for (name, value) in sent {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let response =
            Response::builder().status(status).header(ALLOW, "GET, OPTIONS").header(VARY, "accept");
        let mut response = response.body(Bytes::new()).unwrap();
        origins.parse::<Cors>().unwrap().asked(&parts).tell(&mut response);
        let told = response.headers().iter().filter(|(name, _)| *name != ALLOW);
        told.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect()
    }

    #[test]
    fn who_may_is_told_what_and_nobody_else_anything() {
        let ours = "https://app.example.com http://localhost:5173";
        let page = ("origin", "http://localhost:5173");
        let asks = ("access-control-request-method", "POST");
        let closed = ["vary: accept"];
        assert_eq!(told("", Method::GET, &[page], 200), closed);
        assert_eq!(told("", Method::OPTIONS, &[page, asks], 204), closed);
        let elsewhere = ["vary: accept", "vary: origin"];
        let other = ("origin", "https://app.example.com.evil.example");
        for sent in [&[][..], &[other], &[("origin", "null")], &[other, asks], &[page, other]] {
            assert_eq!(told(ours, Method::OPTIONS, sent, 204), elsewhere, "{sent:?}");
        }
        for status in [200, 302, 401, 500] {
            assert_eq!(
                told(ours, Method::GET, &[page], status),
                [
                    "vary: accept",
                    "vary: origin",
                    "access-control-allow-origin: http://localhost:5173",
                    &format!("access-control-expose-headers: {READ}"),
                ]
            );
        }
        assert_eq!(
            told(ours, Method::OPTIONS, &[page, asks], 204),
            [
                "vary: accept",
                "vary: origin",
                "access-control-allow-origin: http://localhost:5173",
                "access-control-allow-methods: GET, OPTIONS",
                &format!("access-control-allow-headers: {SENT}"),
                "access-control-max-age: 7200",
            ]
        );
        let unknown = told(ours, Method::OPTIONS, &[page, asks], 404);
        assert_eq!(unknown.last().unwrap(), "access-control-allow-origin: http://localhost:5173");
    }

    #[test]
    fn pages_send_and_read_all_headers_that_are_documented() {
        fn names(list: &str) -> BTreeSet<&str> {
            list.split(", ").collect()
        }
        let document = crate::openapi::document();
        let answers = document["components"]["headers"].as_object().unwrap();
        for name in answers.keys() {
            assert!(names(READ).contains(name.as_str()), "{name}");
        }
        let operations = document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object());
        let shared = document["components"]["parameters"].as_object().unwrap();
        let parameters = operations
            .flat_map(|operations| operations.values())
            .flat_map(|operation| operation["parameters"].as_array().into_iter().flatten())
            .chain(shared.values());
        let headers: BTreeSet<&str> = parameters
            .filter(|parameter| parameter["in"] == "header")
            .filter_map(|parameter| parameter.get("name").and_then(Value::as_str))
            .collect();
        assert!(headers.len() > 3);
        for name in headers {
            assert!(names(SENT).contains(name), "{name}");
        }
    }
}
