//! Signed raw requests whose bodies are not what they announce.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use reqwest::Response;

use crate::harness::{ACCESS_KEY, BUCKET, Fixture, SECRET, tag};

/// Signs and sends a PUT of `body` as it is.
#[expect(clippy::disallowed_methods, reason = "the server compares a signature's time with its own clock")]
async fn put(s3: &Fixture, signed: SignableBody<'_>, headers: &[(&str, &str)], body: &str) -> Response {
    let uri = format!("{}/{BUCKET}/key", s3.endpoint());
    let mut settings = SigningSettings::default();
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    let identity = Credentials::new(ACCESS_KEY, SECRET, None, None, "test").into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("s3")
        .time(SystemTime::now())
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let request = SignableRequest::new("PUT", &uri, headers.iter().copied(), signed).unwrap();
    let (instructions, _) = sign(request, &params).unwrap().into_parts();
    let mut sending = s3.http.put(&uri).body(body.to_owned());
    for (name, value) in instructions.headers().chain(headers.iter().copied()) {
        sending = sending.header(name, value);
    }
    sending.send().await.unwrap()
}

/// An upload as the SDK does it: chunks, and a checksum behind them.
async fn chunked(s3: &Fixture, decoded: &str, body: &str) -> Response {
    let headers = [
        ("content-encoding", "aws-chunked"),
        ("x-amz-decoded-content-length", decoded),
        ("x-amz-trailer", "x-amz-checksum-crc32"),
    ];
    put(s3, SignableBody::StreamingUnsignedPayloadTrailer, &headers, body).await
}

async fn code(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, tag(&text, "Code").to_owned())
}

/// CRC-32 of "hello" is 0x3610a686.
const RIGHT: &str = "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";

#[tokio::test]
async fn the_trailing_checksum_decides() {
    let s3 = Fixture::start().await;
    assert_eq!(chunked(&s3, "5", RIGHT).await.status(), 200);
    assert_eq!(s3.get("key").await, b"hello");

    let wrong = "5\r\nHELLO\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";
    assert_eq!(code(chunked(&s3, "5", wrong).await).await, (400, "BadDigest".into()));
    let none = "5\r\nHELLO\r\n0\r\n\r\n";
    assert_eq!(code(chunked(&s3, "5", none).await).await, (400, "InvalidRequest".into()));
    assert_eq!(s3.get("key").await, b"hello");
    s3.finish(1).await;
}

#[tokio::test]
async fn a_body_shorter_or_longer_than_announced_leaves_nothing() {
    let s3 = Fixture::start().await;
    let incomplete = (400, "IncompleteBody".to_owned());
    assert_eq!(code(chunked(&s3, "6", RIGHT).await).await, incomplete);
    assert_eq!(code(chunked(&s3, "4", RIGHT).await).await, incomplete);
    assert_eq!(code(chunked(&s3, "0", RIGHT).await).await, incomplete);
    // The last chunk never comes.
    assert_eq!(code(chunked(&s3, "5", "5\r\nhel").await).await, incomplete);
    assert_eq!(code(chunked(&s3, "5", "nonsense").await).await, incomplete);
    assert_eq!(s3.blobs(), 0);
    s3.finish(0).await;
}

#[tokio::test]
async fn the_signed_hash_of_the_body_decides() {
    let s3 = Fixture::start().await;
    let done = put(&s3, SignableBody::Bytes(b"hello"), &[], "hello").await;
    assert_eq!(done.status(), 200);
    let refused = put(&s3, SignableBody::Bytes(b"hello"), &[], "HELLO").await;
    let expected = (400, "XAmzContentSHA256Mismatch".to_owned());
    assert_eq!(code(refused).await, expected);
    assert_eq!(s3.get("key").await, b"hello");
    s3.finish(1).await;
}

#[tokio::test]
async fn checksums_that_contradict_themselves_are_refused() {
    let s3 = Fixture::start().await;
    let refused = async |headers: &[(&str, &str)]| {
        code(put(&s3, SignableBody::Bytes(b"hello"), headers, "hello").await).await
    };
    let invalid = (400, "InvalidRequest".to_owned());
    let two = [("x-amz-checksum-crc32", "NhCmhg=="), ("x-amz-checksum-sha1", "qvTGHdzF6KLavt4PO0gs2a6pQ00=")];
    assert_eq!(refused(&two).await, invalid);
    assert_eq!(refused(&[("x-amz-sdk-checksum-algorithm", "SHA1")]).await, invalid);
    s3.finish(0).await;
}
