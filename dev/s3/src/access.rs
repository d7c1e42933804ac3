//! Authentication: the one access key, and the checks of a signature's scope that `s3s` leaves out.

use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::{S3ErrorCode, S3Result, s3_error};

/// The one key pair that the server knows.
pub(crate) struct Keys {
    pub(crate) id: String,
    pub(crate) secret: SecretKey,
}

#[async_trait::async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if access_key == self.id {
            return Ok(self.secret.clone());
        }
        Err(s3_error!(
            InvalidAccessKeyId,
            "The AWS Access Key Id you provided does not exist in our records."
        ))
    }
}

/// Checks the scope of a valid signature: its region, its signed headers and its age.
pub(crate) struct ScopeCheck {
    pub(crate) region: String,
}

/// Seven days, S3's longest life of a presigned URL.
const MAX_EXPIRES_SECONDS: u32 = 604_800;

#[async_trait::async_trait]
impl S3Access for ScopeCheck {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        if cx.credentials().is_none() {
            return Err(s3_error!(AccessDenied, "Access Denied"));
        }
        let header = cx.headers().get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let query = cx.uri().query().unwrap_or_default();
        let signed = match Signed::from_query(query).or_else(|| header.and_then(Signed::from_header)) {
            Some(signed) => signed,
            // Only signature version 4 has a scope; S3 takes no older one in new regions.
            None => {
                return Err(s3_error!(
                    InvalidRequest,
                    "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
                ));
            }
        };
        signed.check_region(&self.region)?;
        if signed.expires.is_some_and(|seconds| seconds > MAX_EXPIRES_SECONDS) {
            return Err(s3_error!(
                AuthorizationQueryParametersError,
                "X-Amz-Expires must be less than a week (in seconds) that is 604800"
            ));
        }
        signed.check_headers(cx.headers())
    }
}

/// The parts of a version 4 signature that name its scope.
struct Signed {
    presigned: bool,
    region: String,
    headers: Vec<String>,
    expires: Option<u32>,
}

impl Signed {
    fn from_query(query: &str) -> Option<Self> {
        let (mut credential, mut headers, mut expires) = (None, None, None);
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "X-Amz-Credential" => credential = Some(value.into_owned()),
                "X-Amz-SignedHeaders" => headers = Some(value.into_owned()),
                "X-Amz-Expires" => expires = value.parse().ok(),
                _ => {}
            }
        }
        Some(Self { presigned: true, region: region_of(&credential?)?, headers: list(&headers?), expires })
    }

    fn from_header(value: &str) -> Option<Self> {
        let fields = value.strip_prefix("AWS4-HMAC-SHA256")?;
        let field =
            |name: &str| fields.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
        Some(Self {
            presigned: false,
            region: region_of(field("Credential")?)?,
            headers: list(field("SignedHeaders")?),
            expires: None,
        })
    }

    fn check_region(&self, expected: &str) -> S3Result<()> {
        if self.region == expected {
            return Ok(());
        }
        let code = if self.presigned {
            S3ErrorCode::AuthorizationQueryParametersError
        } else {
            S3ErrorCode::AuthorizationHeaderMalformed
        };
        Err(s3s::S3Error::with_message(
            code,
            format!("the region '{}' is wrong; expecting '{expected}'", self.region),
        ))
    }

    /// An `x-amz-` header changes what a request does, so S3 demands that it is signed.
    /// The payload hash is the exception: it is checked against the body instead.
    fn check_headers(&self, headers: &http::HeaderMap) -> S3Result<()> {
        for name in headers.keys().map(http::HeaderName::as_str) {
            let matters = name.starts_with("x-amz-") && name != "x-amz-content-sha256";
            if matters && !self.headers.iter().any(|signed| signed == name) {
                return Err(s3_error!(
                    AccessDenied,
                    "There were headers present in the request which were not signed: {name}"
                ));
            }
        }
        Ok(())
    }
}

fn region_of(credential: &str) -> Option<String> {
    // access key / date / region / service / aws4_request; the key itself may hold slashes.
    credential.rsplit('/').nth(2).map(str::to_owned)
}

fn list(headers: &str) -> Vec<String> {
    headers.split(';').map(str::to_ascii_lowercase).collect()
}
