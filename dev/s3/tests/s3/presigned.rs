//! Presigned URLs, used by a plain HTTP client.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sdk_s3::presigning::{PresignedRequest, PresigningConfig};
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4;
use reqwest::{Method, Response};

use crate::harness::{ACCESS_KEY, BUCKET, Fixture, SECRET, bytes, client, tag};

fn an_hour() -> PresigningConfig {
    PresigningConfig::expires_in(Duration::from_secs(3600)).unwrap()
}

/// Sends what was presigned, with the headers that were signed.
async fn send(s3: &Fixture, request: &PresignedRequest, body: &[u8]) -> Response {
    let method = Method::from_bytes(request.method().as_bytes()).unwrap();
    let mut sending = s3.http.request(method, request.uri()).body(body.to_vec());
    for (name, value) in request.headers() {
        // The HTTP client says the length itself, from the body that there is.
        if !name.eq_ignore_ascii_case("content-length") {
            sending = sending.header(name, value);
        }
    }
    sending.send().await.unwrap()
}

async fn refused(response: Response, status: u16, code: &str) {
    let found = response.status().as_u16();
    let text = response.text().await.unwrap();
    assert_eq!((found, tag(&text, "Code")), (status, code), "{text}");
}

#[tokio::test]
async fn put_takes_exactly_the_signed_length_and_type() {
    let s3 = Fixture::start().await;
    let put = s3.client.put_object().bucket(BUCKET).key("users/1/ü b.mp4");
    let put = put.content_length(5).content_type("video/mp4").presigned(an_hour()).await.unwrap();
    assert!(put.headers().any(|(name, _)| name == "content-length"));

    refused(send(&s3, &put, b"hell").await, 403, "SignatureDoesNotMatch").await;
    refused(send(&s3, &put, b"hello!").await, 403, "SignatureDoesNotMatch").await;
    refused(send(&s3, &put, b"").await, 403, "SignatureDoesNotMatch").await;
    let other_type = s3.http.put(put.uri()).header("content-type", "text/html").body("hello");
    refused(other_type.send().await.unwrap(), 403, "SignatureDoesNotMatch").await;
    assert_eq!(s3.blobs(), 0);

    let done = send(&s3, &put, b"hello").await;
    assert_eq!(done.status(), 200);
    assert_eq!(done.headers()["etag"], "\"5d41402abc4b2a76b9719d911017c592\"");
    assert_eq!(s3.get("users/1/ü b.mp4").await, b"hello");
    s3.finish(1).await;
}

#[tokio::test]
async fn a_refused_large_body_still_gets_its_answer() {
    let s3 = Fixture::start().await;
    let put = s3.client.put_object().bucket(BUCKET).key("key").content_length(5);
    let put = put.presigned(an_hour()).await.unwrap();
    let body = bytes(20 * 1024 * 1024, 0);
    refused(send(&s3, &put, &body).await, 403, "SignatureDoesNotMatch").await;
    s3.finish(0).await;
}

#[tokio::test]
async fn a_url_is_for_one_method_key_and_signer() {
    let s3 = Fixture::start().await;
    s3.put("key", "bytes").await;
    let get = s3.client.get_object().bucket(BUCKET).key("key").presigned(an_hour()).await.unwrap();
    assert_eq!(send(&s3, &get, b"").await.bytes().await.unwrap(), "bytes");

    for method in [Method::PUT, Method::DELETE] {
        let wrong = s3.http.request(method, get.uri()).body("x").send().await.unwrap();
        refused(wrong, 403, "SignatureDoesNotMatch").await;
    }
    let other_key = get.uri().replace("/key?", "/other?");
    refused(s3.http.get(other_key).send().await.unwrap(), 403, "SignatureDoesNotMatch").await;
    let longer = get.uri().replace("X-Amz-Expires=3600", "X-Amz-Expires=7200");
    refused(s3.http.get(longer).send().await.unwrap(), 403, "SignatureDoesNotMatch").await;
    let more = format!("{}&response-content-type=text%2Fhtml", get.uri());
    refused(s3.http.get(more).send().await.unwrap(), 403, "SignatureDoesNotMatch").await;
    let added = s3.http.get(get.uri()).header("x-amz-meta-a", "b").send().await.unwrap();
    refused(added, 403, "AccessDenied").await;

    let forger = client(&s3.endpoint(), "another-secret");
    let forged = forger.get_object().bucket(BUCKET).key("key").presigned(an_hour()).await.unwrap();
    refused(send(&s3, &forged, b"").await, 403, "SignatureDoesNotMatch").await;
    let unknown = get.uri().replace("X-Amz-Credential=local", "X-Amz-Credential=nobody");
    refused(s3.http.get(unknown).send().await.unwrap(), 403, "InvalidAccessKeyId").await;
    s3.finish(1).await;
}

#[tokio::test]
async fn an_expired_url_is_refused() {
    let s3 = Fixture::start().await;
    s3.put("key", "bytes").await;
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let config = PresigningConfig::builder().start_time(long_ago).expires_in(Duration::from_secs(60));
    let config = config.build().unwrap();
    let get = s3.client.get_object().bucket(BUCKET).key("key").presigned(config.clone()).await.unwrap();
    let response = send(&s3, &get, b"").await;
    assert_eq!(response.status(), 403);
    let text = response.text().await.unwrap();
    assert_eq!((tag(&text, "Code"), tag(&text, "Message")), ("AccessDenied", "Request has expired"));
    let put = s3.client.put_object().bucket(BUCKET).key("key").presigned(config).await.unwrap();
    refused(send(&s3, &put, b"new").await, 403, "AccessDenied").await;
    assert_eq!(s3.get("key").await, b"bytes");
    s3.finish(1).await;
}

#[tokio::test]
async fn a_url_for_more_than_a_week_is_refused() {
    let s3 = Fixture::start().await;
    s3.put("key", "bytes").await;
    let url = format!("{}/{BUCKET}/key", s3.endpoint());
    let week = Duration::from_secs(7 * 24 * 3600);
    let get = s3.http.get(presign_raw(&url, week)).send().await.unwrap();
    assert_eq!(get.bytes().await.unwrap(), "bytes");
    let longer = presign_raw(&url, week + Duration::from_secs(1));
    let get = s3.http.get(longer).send().await.unwrap();
    refused(get, 400, "AuthorizationQueryParametersError").await;
    s3.finish(1).await;
}

/// What the SDK would not presign.
#[expect(clippy::disallowed_methods, reason = "the server compares a signature's time with its own clock")]
fn presign_raw(url: &str, expires_in: Duration) -> String {
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(expires_in);
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
    let unsigned = SignableBody::UnsignedPayload;
    let request = SignableRequest::new("GET", url, std::iter::empty(), unsigned).unwrap();
    let (instructions, _) = sign(request, &params).unwrap().into_parts();
    let mut url = url::Url::parse(url).unwrap();
    for (name, value) in instructions.params() {
        url.query_pairs_mut().append_pair(name, value);
    }
    url.into()
}

#[tokio::test]
async fn a_download_gets_the_name_and_type_that_were_signed() {
    let s3 = Fixture::start().await;
    s3.put("key", "bytes").await;
    let get = s3.client.get_object().bucket(BUCKET).key("key");
    let get = get
        .response_content_disposition("attachment; filename=\"frames.zip\"")
        .response_content_type("application/zip")
        .presigned(an_hour())
        .await
        .unwrap();
    let response = send(&s3, &get, b"").await;
    assert_eq!(response.status(), 200);
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-disposition"), "attachment; filename=\"frames.zip\"");
    assert_eq!(header("content-type"), "application/zip");
    assert_eq!(header("content-length"), "5");
    assert_eq!(header("accept-ranges"), "bytes");

    let part = s3.http.get(get.uri()).header("range", "bytes=1-2").send().await.unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(part.headers()["content-range"], "bytes 1-2/5");
    assert_eq!(part.bytes().await.unwrap(), "yt");
    let beyond = s3.http.get(get.uri()).header("range", "bytes=9-").send().await.unwrap();
    assert_eq!(beyond.headers()["content-range"], "bytes */5");
    refused(beyond, 416, "InvalidRange").await;
    s3.finish(1).await;
}

#[tokio::test]
async fn parts_are_uploaded_through_presigned_urls() {
    let s3 = Fixture::start().await;
    let create = s3.client.create_multipart_upload().bucket(BUCKET).key("key");
    let id = create.send().await.unwrap().upload_id.unwrap();
    let bodies = [bytes(5 * 1024 * 1024, 1), bytes(10, 2)];
    let mut parts = Vec::new();
    for (number, body) in (1..).zip(&bodies) {
        let part = s3.client.upload_part().bucket(BUCKET).key("key");
        let part = part.upload_id(&id).part_number(number);
        let part = part.content_length(i64::try_from(body.len()).unwrap());
        let part = part.presigned(an_hour()).await.unwrap();
        let wrong = send(&s3, &part, b"another length").await;
        refused(wrong, 403, "SignatureDoesNotMatch").await;
        let done = send(&s3, &part, body).await;
        assert_eq!(done.status(), 200);
        let etag = done.headers()["etag"].to_str().unwrap();
        parts.push(CompletedPart::builder().part_number(number).e_tag(etag).build());
    }
    let upload = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    let complete = s3.client.complete_multipart_upload().bucket(BUCKET).key("key");
    let complete = complete.upload_id(&id).multipart_upload(upload);
    complete.send().await.unwrap();
    assert!(s3.get("key").await == bodies.concat());
    s3.finish(2).await;
}

#[tokio::test]
async fn a_body_of_unknown_length_is_refused() {
    let s3 = Fixture::start().await;
    let put = s3.client.put_object().bucket(BUCKET).key("key").presigned(an_hour()).await.unwrap();
    let chunks = futures::stream::iter([Ok::<_, std::io::Error>("a"), Ok("b")]);
    let sending = s3.http.put(put.uri()).body(reqwest::Body::wrap_stream(chunks));
    refused(sending.send().await.unwrap(), 411, "MissingContentLength").await;
    s3.finish(0).await;
}
