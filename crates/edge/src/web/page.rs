//! The files of the pages, and their headers: compression, caching, content security policy.

use std::io::Read as _;

use bytes::Bytes;
use flate2::read::GzDecoder;
use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, ETAG, VARY};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use super::Web;
use crate::http::{Failure, Incoming, bytes, empty, entity_tag, if_none_match};

/// One file of the pages. It is stored only compressed, so that the component contains each file once.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// Its name, without a folder.
    pub name: &'static str,
    /// Its `Content-Type`.
    pub media_type: &'static str,
    /// Its bytes, compressed.
    pub gzip: &'static [u8],
}

/// The file that `GET /` answers.
pub(super) const INDEX: &str = "index.html";
/// The file that `GET /docs` answers.
pub(super) const DOCS: &str = "docs.html";

/// The content security policy of the API's documentation: its own files, the images in its style sheet, and this
/// service. It makes markup of the document's text, which its library sanitizes.
pub(super) const DOCS_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The content security policy of the page: its own files, this service, and the object store for uploads. It forbids
/// inline scripts and styles, markup made of text, and framing.
pub(super) fn policy(object_store: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
         connect-src 'self' {object_store}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'"
    )
}

impl Web {
    pub(super) fn find(&self, name: &str) -> Option<&'static Asset> {
        self.assets.iter().find(|asset| asset.name == name)
    }

    /// The page itself.
    pub(super) fn index(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let policy = HeaderValue::try_from(&self.policy).map_err(Failure::internal)?;
        self.html(INDEX, policy, incoming)
    }

    /// An HTML page, which browsers revalidate each time.
    pub(super) fn html(
        &self,
        name: &str,
        policy: HeaderValue,
        incoming: &Incoming,
    ) -> Result<Response<Bytes>, Failure> {
        let asset = self.find(name).ok_or_else(|| Failure::internal("the page was not built in"))?;
        let tag = entity_tag(asset.gzip);
        let mut response = if if_none_match(incoming.headers(), &tag) {
            empty(StatusCode::NOT_MODIFIED)
        } else {
            asset.send(incoming.headers())?
        };
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(ETAG, HeaderValue::try_from(tag).map_err(Failure::internal)?);
        headers.insert(CONTENT_SECURITY_POLICY, policy);
        Ok(response)
    }
}

impl Asset {
    /// An answer with the file, compressed if the client accepts that.
    pub(super) fn send(&self, asked: &HeaderMap) -> Result<Response<Bytes>, Failure> {
        let compressed = takes_gzip(asked);
        let body = if compressed { Bytes::from_static(self.gzip) } else { self.plain()? };
        let media_type = HeaderValue::from_static(self.media_type);
        let mut response = bytes(StatusCode::OK, media_type, body);
        let headers = response.headers_mut();
        headers.append(VARY, HeaderValue::from_static("accept-encoding"));
        if compressed {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        Ok(response)
    }

    /// The uncompressed file.
    fn plain(&self) -> Result<Bytes, Failure> {
        let mut plain = Vec::new();
        GzDecoder::new(self.gzip).read_to_end(&mut plain).map_err(Failure::internal)?;
        Ok(plain.into())
    }
}

/// Whether `Accept-Encoding` names gzip with a weight above zero (RFC 9110, section 12.5.3).
fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let named = parts.next().is_some_and(|coding| coding.eq_ignore_ascii_case("gzip"));
        let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok());
        named && weight.is_none_or(|weight| weight > 0.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_sent_to_those_who_name_it() {
        let takes = |value| takes_gzip(&HeaderMap::from_iter([(ACCEPT_ENCODING, value)]));
        for yes in ["gzip", "br, gzip;q=0.5", "GZIP ; q=1", "gzip, deflate, br, zstd"] {
            assert!(takes(HeaderValue::from_static(yes)), "{yes}");
        }
        for no in ["", "br", "gzip;q=0", "identity, gzip; q=0.0", "gzipped"] {
            assert!(!takes(HeaderValue::from_static(no)), "{no}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
