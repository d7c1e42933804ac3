//! Checksums that a request declares, computed while its body is written.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::HeaderMap;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};
use s3s::{S3Result, s3_error};

/// An additional checksum's algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

impl Algorithm {
    const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    /// The protocol's name, as in `x-amz-checksum-algorithm`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    fn length(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    fn decode(self, value: &str) -> S3Result<Vec<u8>> {
        match BASE64.decode(value.trim()) {
            Ok(bytes) if bytes.len() == self.length() => Ok(bytes),
            _ => Err(s3_error!(InvalidRequest, "Value for {} header is invalid.", self.header())),
        }
    }
}

/// A checksum as the index keeps it: base64, with `-N` behind for one made of N parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ObjectChecksum {
    pub(crate) algorithm: Algorithm,
    pub(crate) value: String,
}

impl ObjectChecksum {
    /// Whether it covers the checksums of parts and not the bytes.
    pub(crate) fn is_composite(&self) -> bool {
        self.value.contains('-')
    }

    /// The checksum of a multipart object: the algorithm over its parts' digests.
    pub(crate) fn composite(algorithm: Algorithm, parts: &[ObjectChecksum]) -> Option<Self> {
        let mut hasher = Hasher::new(algorithm);
        for part in parts {
            hasher.update(&algorithm.decode(&part.value).ok()?);
        }
        Some(Self { algorithm, value: format!("{}-{}", BASE64.encode(hasher.finish()), parts.len()) })
    }
}

/// The checksums that a request declares for its body.
#[derive(Debug, Default)]
pub(crate) struct DeclaredChecksums {
    md5: Option<Vec<u8>>,
    sum: Option<(Algorithm, Expected)>,
}

#[derive(Debug)]
enum Expected {
    Value(Vec<u8>),
    /// Follows the body, as `aws-chunked` uploads do it.
    Trailer,
}

impl DeclaredChecksums {
    /// Reads `Content-MD5`, `x-amz-checksum-*` and `x-amz-trailer`.
    pub(crate) fn from_headers(headers: &HeaderMap) -> S3Result<Self> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());

        let md5 = match text("content-md5") {
            None => None,
            Some(value) => match BASE64.decode(value.trim()) {
                Ok(bytes) if bytes.len() == 16 => Some(bytes),
                _ => {
                    return Err(s3_error!(InvalidDigest, "The Content-MD5 you specified was invalid."));
                }
            },
        };

        let mut sums = Vec::new();
        for algorithm in Algorithm::ALL {
            if let Some(value) = text(algorithm.header()) {
                sums.push((algorithm, Expected::Value(algorithm.decode(value)?)));
            }
        }
        for name in text("x-amz-trailer").unwrap_or_default().split(',') {
            let name = name.trim();
            let found =
                Algorithm::ALL.into_iter().find(|algorithm| algorithm.header().eq_ignore_ascii_case(name));
            sums.extend(found.map(|algorithm| (algorithm, Expected::Trailer)));
        }
        if sums.len() > 1 {
            return Err(s3_error!(
                InvalidRequest,
                "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
            ));
        }
        if sums.is_empty() && text("x-amz-sdk-checksum-algorithm").is_some() {
            return Err(s3_error!(
                InvalidRequest,
                "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found."
            ));
        }
        Ok(Self { md5, sum: sums.pop() })
    }

    /// The algorithm to compute besides MD5.
    pub(crate) fn algorithm(&self) -> Option<Algorithm> {
        self.sum.as_ref().map(|(algorithm, _)| *algorithm)
    }

    /// The digests of a body that has been read.
    pub(crate) fn digests(&self) -> Digests {
        Digests { md5: Md5::new(), sum: self.algorithm().map(Hasher::new) }
    }

    /// Compares what was declared with what came. `trailers` are the headers behind the body.
    pub(crate) fn verify(
        &self,
        md5: &[u8],
        sum: Option<&[u8]>,
        trailers: Option<&HeaderMap>,
    ) -> S3Result<Option<ObjectChecksum>> {
        if self.md5.as_ref().is_some_and(|declared| declared != md5) {
            return Err(s3_error!(
                BadDigest,
                "The Content-MD5 you specified did not match what we received."
            ));
        }
        let (Some((algorithm, expected)), Some(computed)) = (&self.sum, sum) else {
            return Ok(None);
        };
        let matches = match expected {
            Expected::Value(value) => value == computed,
            Expected::Trailer => {
                let value = trailers
                    .and_then(|headers| headers.get(algorithm.header()))
                    .and_then(|value| value.to_str().ok())
                    .ok_or_else(|| {
                        s3_error!(
                            InvalidRequest,
                            "The trailer {} was announced and did not come.",
                            algorithm.header()
                        )
                    })?;
                algorithm.decode(value)? == computed
            }
        };
        if !matches {
            return Err(s3_error!(
                BadDigest,
                "The {} you specified did not match the calculated checksum.",
                algorithm.name()
            ));
        }
        Ok(Some(ObjectChecksum { algorithm: *algorithm, value: BASE64.encode(computed) }))
    }
}

/// The running digests of one body.
pub(crate) struct Digests {
    md5: Md5,
    sum: Option<Hasher>,
}

impl Digests {
    pub(crate) fn update(&mut self, data: &[u8]) {
        self.md5.update(data);
        if let Some(sum) = &mut self.sum {
            sum.update(data);
        }
    }

    /// MD5 and the additional checksum.
    pub(crate) fn finish(self) -> ([u8; 16], Option<Vec<u8>>) {
        (self.md5.finalize(), self.sum.map(Hasher::finish))
    }
}

enum Hasher {
    Crc32(Crc32),
    Crc32c(Crc32c),
    Crc64Nvme(Crc64Nvme),
    Sha1(Box<Sha1>),
    Sha256(Box<Sha256>),
}

impl Hasher {
    fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Crc32 => Self::Crc32(Crc32::new()),
            Algorithm::Crc32c => Self::Crc32c(Crc32c::new()),
            Algorithm::Crc64Nvme => Self::Crc64Nvme(Crc64Nvme::new()),
            Algorithm::Sha1 => Self::Sha1(Box::new(Sha1::new())),
            Algorithm::Sha256 => Self::Sha256(Box::new(Sha256::new())),
        }
    }

    fn update(&mut self, data: &[u8]) {
        match self {
            Self::Crc32(hasher) => hasher.update(data),
            Self::Crc32c(hasher) => hasher.update(data),
            Self::Crc64Nvme(hasher) => hasher.update(data),
            Self::Sha1(hasher) => hasher.update(data),
            Self::Sha256(hasher) => hasher.update(data),
        }
    }

    fn finish(self) -> Vec<u8> {
        match self {
            Self::Crc32(hasher) => hasher.finalize().to_vec(),
            Self::Crc32c(hasher) => hasher.finalize().to_vec(),
            Self::Crc64Nvme(hasher) => hasher.finalize().to_vec(),
            Self::Sha1(hasher) => hasher.finalize().to_vec(),
            Self::Sha256(hasher) => hasher.finalize().to_vec(),
        }
    }
}

/// The ETag of a multipart object: MD5 over its parts' MD5s, and how many they are.
pub(crate) fn composite_etag<'a>(parts: impl ExactSizeIterator<Item = &'a str>) -> Option<String> {
    let count = parts.len();
    let mut md5 = Md5::new();
    for etag in parts {
        md5.update(&hex::decode(etag).ok()?);
    }
    Some(format!("{}-{count}", hex::encode(md5.finalize())))
}
