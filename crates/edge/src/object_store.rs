//! The object store: presigned URLs for clients, and the few calls that the edge makes itself.
//!
//! Every request is presigned, the edge's own too: presigned requests do not sign the body, so it need not be
//! hashed. URLs for clients name the public endpoint, the edge's own calls the internal one.

mod calls;
mod disposition;
mod xml;

use std::collections::BTreeMap;
use std::fmt;

use framelift_domain::Time;
use rusty_s3::{Bucket, Credentials, Method, UrlStyle};
use url::Url;

pub use calls::{Completion, ObjectHead, StoredPart, UnfinishedUpload};
pub use disposition::{attachment, inline};

use crate::ports::{Ambient, Http, Objects, Unavailable};

/// The media type of an upload whose client named none.
pub const DEFAULT_CONTENT_TYPE: &str = "application/octet-stream";

/// The object store's endpoints, bucket and credentials.
pub struct ObjectStoreConfig {
    internal: Bucket,
    public: Bucket,
    credentials: Credentials,
}

/// An invalid setting of the object store.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {reason}")]
pub struct InvalidEndpoint {
    /// The setting's name.
    pub name: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

impl ObjectStoreConfig {
    /// A placeholder for components that never call the object store.
    pub fn none() -> Result<Self, InvalidEndpoint> {
        let nowhere = "http://object-store.invalid";
        Self::new(nowhere, nowhere, true, "none", "none", Credentials::new("none", "none"))
    }

    /// A bucket with two endpoints, one for the edge and one for clients. `path_style` puts the bucket's name into the
    /// path instead of the host.
    pub fn new(
        endpoint: &str,
        public_endpoint: &str,
        path_style: bool,
        bucket: &str,
        region: &str,
        credentials: Credentials,
    ) -> Result<Self, InvalidEndpoint> {
        let bucket = |name: &'static str, endpoint: &str| {
            locate(endpoint, path_style, bucket, region).map_err(|reason| InvalidEndpoint { name, reason })
        };
        Ok(Self {
            internal: bucket("s3_endpoint", endpoint)?,
            public: bucket("s3_public_endpoint", public_endpoint)?,
            credentials,
        })
    }
}

/// The bucket at an endpoint, or what is wrong with the endpoint.
fn locate(endpoint: &str, path_style: bool, bucket: &str, region: &str) -> Result<Bucket, String> {
    let style = if path_style { UrlStyle::Path } else { UrlStyle::VirtualHost };
    let url = Url::parse(endpoint).map_err(|error| error.to_string())?;
    Bucket::new(url, style, bucket.to_owned(), region.to_owned()).map_err(|error| error.to_string())
}

/// The origin of a bucket's presigned URLs: `https://s3.example.com`, or with the bucket's name in front.
pub fn origin(endpoint: &str, path_style: bool, bucket: &str) -> Result<String, String> {
    // The region is signed, but not part of the URL.
    Ok(locate(endpoint, path_style, bucket, "")?.base_url().origin().ascii_serialization())
}

impl fmt::Debug for ObjectStoreConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectStoreConfig")
            .field("internal", &self.internal.base_url().as_str())
            .field("public", &self.public.base_url().as_str())
            .field("credentials", &"redacted")
            .finish()
    }
}

/// The object store, for the length of one request.
pub struct ObjectStore<'a, H, A> {
    config: &'a ObjectStoreConfig,
    http: &'a H,
    ambient: &'a A,
}

/// A presigned request for a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presigned {
    /// The URL.
    pub url: String,
    /// Signed headers, which must be sent unchanged.
    pub headers: BTreeMap<String, String>,
    /// When the URL expires.
    pub expires_at: Time,
}

/// The endpoint that a URL is signed for.
#[derive(Clone, Copy)]
enum Endpoint {
    Internal,
    Public,
}

/// The parts of a request that are signed; both lists are sorted by name.
#[derive(Clone, Copy)]
struct Signed<'a> {
    method: Method,
    /// The object's key; none for the bucket itself.
    key: Option<&'a str>,
    query: &'a [(&'a str, &'a str)],
    headers: &'a [(&'a str, &'a str)],
}

impl<'a, H: Http, A: Ambient> ObjectStore<'a, H, A> {
    /// The object store, reached through `http`.
    pub fn new(config: &'a ObjectStoreConfig, http: &'a H, ambient: &'a A) -> Self {
        Self { config, http, ambient }
    }

    /// A PUT of exactly `length` bytes of that media type: both are signed, so that the store
    /// refuses anything else.
    pub fn presign_put(&self, key: &str, content_type: &str, length: u64, ttl_s: u32) -> Presigned {
        let length = length.to_string();
        let headers = [("content-length", length.as_str()), ("content-type", content_type)];
        self.presign(Signed { method: Method::Put, key: Some(key), query: &[], headers: &headers }, ttl_s)
    }

    /// A PUT of one part of exactly `length` bytes.
    pub fn presign_part(
        &self,
        key: &str,
        upload_id: &str,
        number: u32,
        length: u64,
        ttl_s: u32,
    ) -> Presigned {
        let (length, number) = (length.to_string(), number.to_string());
        let headers = [("content-length", length.as_str())];
        let query = [("partNumber", number.as_str()), ("uploadId", upload_id)];
        self.presign(Signed { method: Method::Put, key: Some(key), query: &query, headers: &headers }, ttl_s)
    }

    /// A GET whose answer is saved as `file_name`.
    pub fn presign_get(&self, key: &str, file_name: &str, ttl_s: u32) -> Presigned {
        let disposition = attachment(file_name);
        let query = [("response-content-disposition", disposition.as_str())];
        self.presign(Signed { method: Method::Get, key: Some(key), query: &query, headers: &[] }, ttl_s)
    }

    fn presign(&self, signed: Signed<'_>, ttl_s: u32) -> Presigned {
        let headers = signed.headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Presigned {
            url: self.sign(Endpoint::Public, signed, ttl_s).into(),
            headers: headers.collect(),
            // S3 counts from the time in the URL, which is in whole seconds.
            expires_at: Time::from_unix_ms(self.ambient.now().unix_s() * 1000).plus_s(ttl_s),
        }
    }

    fn sign(&self, endpoint: Endpoint, signed: Signed<'_>, ttl_s: u32) -> Url {
        let bucket = match endpoint {
            Endpoint::Internal => &self.config.internal,
            Endpoint::Public => &self.config.public,
        };
        let url = match signed.key {
            Some(key) => bucket.object_url(key),
            None => bucket.base_url().clone(),
        };
        let credentials = &self.config.credentials;
        let now = jiff::Timestamp::from_millisecond(self.ambient.now().unix_ms());
        rusty_s3::signing::sign(
            // A timestamp can hold every `Time`.
            &now.unwrap_or_default(),
            signed.method,
            url,
            credentials.key(),
            credentials.secret(),
            credentials.token(),
            bucket.region(),
            u64::from(ttl_s),
            signed.query.iter().copied(),
            signed.headers.iter().copied(),
        )
    }
}

impl<H: Http, A: Ambient> Objects for ObjectStore<'_, H, A> {
    async fn abort_multipart(&self, key: &str, upload_id: &str) -> Result<(), Unavailable> {
        Self::abort_multipart(self, key, upload_id).await
    }

    async fn remove(&self, key: &str) -> Result<(), Unavailable> {
        self.abort_all(key).await?;
        self.delete(key).await
    }

    async fn remove_all(&self, prefix: &str) -> Result<(), Unavailable> {
        self.abort_all(prefix).await?;
        for key in self.list_objects(prefix).await? {
            self.delete(&key).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
