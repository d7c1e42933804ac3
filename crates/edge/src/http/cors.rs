//! Cross-origin requests (CORS): which origins are allowed, and the headers of answers.

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

/// The request headers that pages may send.
const ALLOWED_HEADERS: &str = "Accept, Authorization, Content-Type, Idempotency-Key, If-None-Match, If-Range, Last-Event-ID, Range, \
     X-Correlation-Id";
/// The response headers that pages may read besides the CORS-safelisted ones.
const EXPOSED_HEADERS: &str = "Accept-Ranges, Content-Disposition, Content-Location, Content-Range, ETag, Location, RateLimit, \
                    RateLimit-Policy, Retry-After, WWW-Authenticate, X-Correlation-Id";
/// How long a browser may cache a preflight, in seconds: the maximum of Chromium.
const MAX_AGE_S: u16 = 7200;

/// The allowed origins, none by default. Pages send tokens, never cookies, so no answer allows credentials. `*` is not
/// accepted.
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

    /// Parses origins as browsers send them, separated by spaces: scheme, host in lower case, and the port unless
    /// it is the scheme's own.
    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        let origin = |text: &str| {
            let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
            // By the URL standard a host may contain `*`, which would look like a pattern.
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

/// The kind of a request with respect to CORS.
#[derive(Debug)]
pub(crate) enum CorsRequest {
    /// No origins are configured.
    Disabled,
    /// The request has no origin, or one that is not allowed.
    NotAllowed,
    /// The request comes from this allowed origin.
    Allowed(HeaderValue),
    /// A preflight request from this allowed origin.
    Preflight(HeaderValue),
}

impl Cors {
    /// Classifies a request by its origin and method.
    pub(crate) fn classify(&self, request: &Parts) -> CorsRequest {
        let mut sent = request.headers.get_all(ORIGIN).iter();
        let is_allowed = |sent: &&HeaderValue| self.origins.contains(sent);
        match (sent.next().filter(is_allowed), sent.next()) {
            _ if self.origins.is_empty() => CorsRequest::Disabled,
            (Some(origin), None) => {
                let names_method = request.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
                let origin = origin.clone();
                if request.method == Method::OPTIONS && names_method {
                    CorsRequest::Preflight(origin)
                } else {
                    CorsRequest::Allowed(origin)
                }
            }
            _ => CorsRequest::NotAllowed,
        }
    }
}

impl CorsRequest {
    /// Adds the CORS headers to a response, errors included, and `Vary` where it depends on the origin.
    pub(crate) fn add_headers<B>(self, response: &mut Response<B>) {
        let path_exists = response.status() == StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        if !matches!(self, Self::Disabled) {
            headers.append(VARY, HeaderValue::from_static("origin"));
        }
        match self {
            Self::Disabled | Self::NotAllowed => {}
            Self::Allowed(origin) => {
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
                headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED_HEADERS));
            }
            Self::Preflight(origin) => {
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
                if let Some(methods) = headers.get(ALLOW).filter(|_| path_exists).cloned() {
                    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
                    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(ALLOWED_HEADERS));
                    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(MAX_AGE_S));
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
    fn only_origins_in_the_form_of_browsers_are_accepted() {
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

    /// The headers of an answer with that status to a request with these headers.
    fn response_headers(origins: &str, method: Method, sent: &[(&str, &str)], status: u16) -> Vec<String> {
        let mut request = Request::builder().method(method);
        for (name, value) in sent {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let response =
            Response::builder().status(status).header(ALLOW, "GET, OPTIONS").header(VARY, "accept");
        let mut response = response.body(Bytes::new()).unwrap();
        origins.parse::<Cors>().unwrap().classify(&parts).add_headers(&mut response);
        let response_headers = response.headers().iter().filter(|(name, _)| *name != ALLOW);
        response_headers.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect()
    }

    #[test]
    fn only_configured_origins_get_cors_headers() {
        let ours = "https://app.example.com http://localhost:5173";
        let page = ("origin", "http://localhost:5173");
        let method = ("access-control-request-method", "POST");
        let disabled = ["vary: accept"];
        assert_eq!(response_headers("", Method::GET, &[page], 200), disabled);
        assert_eq!(response_headers("", Method::OPTIONS, &[page, method], 204), disabled);
        let not_allowed = ["vary: accept", "vary: origin"];
        let other = ("origin", "https://app.example.com.evil.example");
        for sent in [&[][..], &[other], &[("origin", "null")], &[other, method], &[page, other]] {
            assert_eq!(response_headers(ours, Method::OPTIONS, sent, 204), not_allowed, "{sent:?}");
        }
        for status in [200, 302, 401, 500] {
            assert_eq!(
                response_headers(ours, Method::GET, &[page], status),
                [
                    "vary: accept",
                    "vary: origin",
                    "access-control-allow-origin: http://localhost:5173",
                    &format!("access-control-expose-headers: {EXPOSED_HEADERS}"),
                ]
            );
        }
        assert_eq!(
            response_headers(ours, Method::OPTIONS, &[page, method], 204),
            [
                "vary: accept",
                "vary: origin",
                "access-control-allow-origin: http://localhost:5173",
                "access-control-allow-methods: GET, OPTIONS",
                &format!("access-control-allow-headers: {ALLOWED_HEADERS}"),
                "access-control-max-age: 7200",
            ]
        );
        let unknown = response_headers(ours, Method::OPTIONS, &[page, method], 404);
        assert_eq!(unknown.last().unwrap(), "access-control-allow-origin: http://localhost:5173");
    }

    #[test]
    fn all_documented_headers_are_allowed_and_exposed() {
        fn names(list: &str) -> BTreeSet<&str> {
            list.split(", ").collect()
        }
        let document = crate::openapi::document();
        let answers = document["components"]["headers"].as_object().unwrap();
        for name in answers.keys() {
            assert!(names(EXPOSED_HEADERS).contains(name.as_str()), "{name}");
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
            assert!(names(ALLOWED_HEADERS).contains(name), "{name}");
        }
    }
}
