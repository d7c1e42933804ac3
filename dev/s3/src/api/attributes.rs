//! What a request says about an object besides its bytes, and checksums on their way out.

use s3s::dto::{CopyObjectInput, CreateMultipartUploadInput, Metadata, PutObjectInput};
use s3s::{S3Result, s3_error};

use crate::checksum::{Algorithm, ObjectChecksum};
use crate::store::objects::Attributes;

/// S3's limit of user metadata, names and values together.
const MAX_METADATA: usize = 2 * 1024;

/// The same fields of three requests.
macro_rules! attributes {
    ($input:expr) => {{
        let input = $input;
        Attributes {
            content_type: input.content_type.take(),
            content_disposition: input.content_disposition.take(),
            content_encoding: input.content_encoding.take().and_then(without_framing),
            content_language: input.content_language.take(),
            cache_control: input.cache_control.take(),
            expires: input.expires.take(),
            metadata: metadata(input.metadata.take())?,
        }
    }};
}

pub(super) fn from_put(input: &mut PutObjectInput) -> S3Result<Attributes> {
    Ok(attributes!(input))
}

pub(super) fn from_create(input: &mut CreateMultipartUploadInput) -> S3Result<Attributes> {
    Ok(attributes!(input))
}

pub(super) fn from_copy(input: &mut CopyObjectInput) -> S3Result<Attributes> {
    Ok(attributes!(input))
}

fn metadata(given: Option<Metadata>) -> S3Result<std::collections::BTreeMap<String, String>> {
    let metadata = given.unwrap_or_default();
    let size: usize = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size > MAX_METADATA {
        return Err(s3_error!(
            MetadataTooLarge,
            "Your metadata headers exceed the maximum allowed metadata size"
        ));
    }
    Ok(metadata.into_iter().collect())
}

/// `aws-chunked` describes the transfer, so that it is not kept with the object.
fn without_framing(encoding: String) -> Option<String> {
    let kept: Vec<&str> = encoding
        .split(',')
        .map(str::trim)
        .filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("aws-chunked"))
        .collect();
    (!kept.is_empty()).then(|| kept.join(","))
}

/// Sets the one field of an answer that names the checksum's algorithm.
macro_rules! set_sum {
    ($output:expr, $sum:expr) => {
        if let Some(sum) = $sum {
            let value = Some(sum.value.clone());
            match sum.algorithm {
                $crate::checksum::Algorithm::Crc32 => $output.checksum_crc32 = value,
                $crate::checksum::Algorithm::Crc32c => $output.checksum_crc32c = value,
                $crate::checksum::Algorithm::Crc64Nvme => $output.checksum_crc64nvme = value,
                $crate::checksum::Algorithm::Sha1 => $output.checksum_sha1 = value,
                $crate::checksum::Algorithm::Sha256 => $output.checksum_sha256 = value,
            }
        }
    };
}
pub(super) use set_sum;

/// The protocol's word for what a checksum covers.
pub(super) fn sum_type(sum: &ObjectChecksum) -> s3s::dto::ChecksumType {
    let name = if sum.is_composite() {
        s3s::dto::ChecksumType::COMPOSITE
    } else {
        s3s::dto::ChecksumType::FULL_OBJECT
    };
    s3s::dto::ChecksumType::from_static(name)
}

/// Reads `x-amz-checksum-algorithm`.
pub(super) fn algorithm(name: &str) -> S3Result<Algorithm> {
    Algorithm::from_name(name).ok_or_else(|| {
        s3_error!(
            InvalidRequest,
            "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]"
        )
    })
}
