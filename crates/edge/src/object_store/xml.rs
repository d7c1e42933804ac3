//! The XML bodies of S3 that `rusty-s3` has no type for.

use instant_xml::{FromXml, ToXml};

const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// The answer to `ListMultipartUploads`.
#[derive(Debug, FromXml)]
#[xml(rename = "ListMultipartUploadsResult", ns(NAMESPACE))]
pub(super) struct ListUploads {
    pub(super) uploads: Vec<Upload>,
    #[xml(rename = "IsTruncated")]
    pub(super) is_truncated: Option<bool>,
    #[xml(rename = "NextKeyMarker")]
    pub(super) next_key_marker: Option<String>,
    #[xml(rename = "NextUploadIdMarker")]
    pub(super) next_upload_id_marker: Option<String>,
}

/// One multipart upload under way.
#[derive(Debug, FromXml)]
#[xml(rename = "Upload", ns(NAMESPACE))]
pub(super) struct Upload {
    #[xml(rename = "Key")]
    pub(super) key: String,
    #[xml(rename = "UploadId")]
    pub(super) upload_id: String,
}

/// The body of `CompleteMultipartUpload`.
#[derive(ToXml)]
#[xml(rename = "CompleteMultipartUpload", ns(NAMESPACE))]
pub(super) struct Complete {
    pub(super) parts: Vec<Part>,
}

/// One part in it.
#[derive(ToXml)]
#[xml(rename = "Part", ns(NAMESPACE))]
pub(super) struct Part {
    #[xml(rename = "PartNumber")]
    pub(super) number: u32,
    #[xml(rename = "ETag")]
    pub(super) etag: String,
}

/// The error that an answer names. Read as text, not as a tree: stores differ in whether it has a
/// namespace.
pub(super) fn error_code(body: &str) -> Option<&str> {
    let (_, rest) = body.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    code.bytes().all(|byte| byte.is_ascii_alphanumeric()).then_some(code)
}
