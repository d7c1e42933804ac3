//! Signatures, listings and endings, against scripted answers.

use std::cell::RefCell;
use std::collections::VecDeque;

use bytes::Bytes;
use rusty_s3::Credentials;

use super::*;
use crate::ports::Unavailable;

/// A clock that stands still at the moment of AWS's own examples.
struct Still;

impl Ambient for Still {
    fn now(&self) -> Time {
        Time::from_unix_ms(1_369_353_600_123)
    }

    fn fill_random(&self, buffer: &mut [u8]) {
        buffer.fill(7);
    }

    async fn pause(&self, _: u32) {}
}

/// Answers what it was told to, and remembers what it was asked.
#[derive(Default)]
struct Script {
    answers: RefCell<VecDeque<Result<http::Response<Bytes>, Unavailable>>>,
    asked: RefCell<Vec<String>>,
}

impl Script {
    fn answering<const N: usize>(answers: [(u16, &'static str); N]) -> Self {
        let answers = answers.map(|(status, body)| {
            Ok(http::Response::builder().status(status).body(Bytes::from_static(body.as_bytes())).unwrap())
        });
        Self { answers: RefCell::new(answers.into()), asked: RefCell::default() }
    }
}

impl Http for Script {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, Unavailable> {
        let query = request.uri().query().unwrap_or_default();
        let own: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with("X-Amz")).collect();
        let line = format!("{} {}?{}", request.method(), request.uri().path(), own.join("&"));
        self.asked.borrow_mut().push(line);
        self.answers.borrow_mut().pop_front().expect("an answer for every call")
    }
}

fn config(path_style: bool) -> ObjectStoreConfig {
    let credentials = Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    let (endpoint, public) = ("http://s3.internal:9000", "https://s3.amazonaws.com");
    ObjectStoreConfig::new(endpoint, public, path_style, "examplebucket", "us-east-1", credentials).unwrap()
}

#[test]
fn a_get_is_signed_as_in_awss_example() {
    let (config, http) = (config(false), Script::default());
    let store = ObjectStore::new(&config, &http, &Still);
    let signed = Signed { method: Method::Get, key: Some("test.txt"), query: &[], headers: &[] };
    let url = store.sign(Endpoint::Public, signed, 86400);
    assert!(url.as_str().starts_with("https://examplebucket.s3.amazonaws.com/test.txt?"));
    // https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
    assert!(url.as_str().ends_with("aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"));
}

#[test]
fn length_and_type_of_a_put_are_signed() {
    let (config, http) = (config(true), Script::default());
    let store = ObjectStore::new(&config, &http, &Still);
    let put = store.presign_put("uploads/a/b", "video/mp4", 12345, 3600);
    assert!(put.url.starts_with("https://s3.amazonaws.com/examplebucket/uploads/a/b?"), "{}", put.url);
    assert!(put.url.contains("X-Amz-SignedHeaders=content-length%3Bcontent-type%3Bhost"), "{}", put.url);
    assert_eq!(put.headers["content-length"], "12345");
    assert_eq!(put.headers["content-type"], "video/mp4");
    assert_eq!(put.expires_at.to_string(), "2013-05-24T01:00:00.000Z");
    let other = store.presign_put("uploads/a/b", "video/mp4", 12346, 3600);
    assert_ne!(put.url, other.url);

    let part = store.presign_part("uploads/a/b", "id/1+", 2, 8, 60);
    assert!(part.url.contains("X-Amz-SignedHeaders=content-length%3Bhost"), "{}", part.url);
    assert!(part.url.contains("&partNumber=2&uploadId=id%2F1%2B&"), "{}", part.url);
}

#[test]
fn a_download_is_named() {
    let (config, http) = (config(true), Script::default());
    let url = ObjectStore::new(&config, &http, &Still).presign_get("results/a", "ü-frames.zip", 60).url;
    let query: std::collections::HashMap<_, _> =
        Url::parse(&url).unwrap().query_pairs().into_owned().collect();
    assert_eq!(
        query["response-content-disposition"],
        "attachment; filename=\"_-frames.zip\"; filename*=UTF-8''%C3%BC-frames.zip"
    );
}

#[test]
fn endpoints_that_cannot_be_used_are_named() {
    let error = ObjectStoreConfig::new("http://s3", "ftp://s3", true, "b", "r", Credentials::new("a", "b"));
    assert!(error.unwrap_err().to_string().starts_with("s3_public_endpoint: "));
    let error =
        ObjectStoreConfig::new("http://127.0.0.1", "http://s3", false, "b", "r", Credentials::new("a", "b"));
    assert!(error.unwrap_err().to_string().starts_with("s3_endpoint: "));
    assert!(!format!("{:?}", config(true)).contains("EXAMPLEKEY"));
}

#[tokio::test]
async fn calls_have_three_attempts() {
    let config = config(true);
    let http = Script::answering([(500, ""), (503, "<Error><Code>SlowDown</Code></Error>"), (204, "")]);
    http.answers.borrow_mut()[0] = Err(Unavailable { what: "network", detail: "reset".into() });
    ObjectStore::new(&config, &http, &Still).delete("k").await.unwrap();
    assert_eq!(*http.asked.borrow(), ["DELETE /examplebucket/k?"; 3]);

    let http = Script::answering([(500, ""), (500, ""), (503, "<Error><Code>SlowDown</Code></Error>")]);
    let error = ObjectStore::new(&config, &http, &Still).delete("k").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "object store is unavailable: DeleteObject: 503 Service Unavailable SlowDown"
    );

    let http = Script::answering([(403, "<Error><Code>AccessDenied</Code></Error>")]);
    let error = ObjectStore::new(&config, &http, &Still).delete("k").await.unwrap_err();
    assert!(error.detail.ends_with("AccessDenied"), "{error}");
}

#[tokio::test]
async fn the_outcomes_of_completing_an_upload_are_distinguished() {
    let config = config(true);
    let done = r#"<CompleteMultipartUploadResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><ETag>"e"</ETag></CompleteMultipartUploadResult>"#;
    let parts = [StoredPart { number: 1, size: 1, etag: "\"a\"".into() }];
    for (status, body, expected) in [
        (200, done, Ok(Completion::Done)),
        (404, "<Error><Code>NoSuchUpload</Code></Error>", Ok(Completion::NoSuchUpload)),
        (400, "<Error><Code>InvalidPart</Code></Error>", Ok(Completion::Refused("InvalidPart".into()))),
        // S3 may say so after it has sent the status.
        (200, "<Error><Code>InternalError</Code></Error>", Err(())),
        (403, "<Error><Code>AccessDenied</Code></Error>", Err(())),
    ] {
        let http = Script::answering([(status, body)]);
        let store = ObjectStore::new(&config, &http, &Still);
        let outcome = store.complete_multipart("k", "u", &parts).await;
        assert_eq!(outcome.map_err(|_| ()), expected, "{body}");
    }
}

#[tokio::test]
async fn listings_are_read_to_their_end() {
    let config = config(true);
    let parts = |number: u32, more: &str| {
        format!(
            "<ListPartsResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Bucket>b</Bucket>\
             <MaxParts>1</MaxParts>{more}<Part><PartNumber>{number}</PartNumber>\
             <LastModified>2010-11-10T20:48:34.000Z</LastModified><ETag>\"e\"</ETag><Size>5</Size></Part>\
             </ListPartsResult>"
        )
    };
    let first = parts(1, "<NextPartNumberMarker>1</NextPartNumberMarker><IsTruncated>true</IsTruncated>");
    let second = parts(2, "<IsTruncated>false</IsTruncated>");
    let http = Script::answering([(200, first.leak()), (200, second.leak()), (404, "")]);
    let store = ObjectStore::new(&config, &http, &Still);
    let found = store.list_parts("k", "u").await.unwrap().unwrap();
    assert_eq!(found.iter().map(|part| part.number).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(store.list_parts("k", "u").await.unwrap(), None);
    assert_eq!(
        *http.asked.borrow(),
        [
            "GET /examplebucket/k?uploadId=u",
            "GET /examplebucket/k?part-number-marker=1&uploadId=u",
            "GET /examplebucket/k?uploadId=u"
        ]
    );
}

#[tokio::test]
async fn multipart_uploads_of_a_prefix_are_listed() {
    let config = config(true);
    let http = Script::answering([(
        200,
        "<ListMultipartUploadsResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Bucket>b</Bucket>\
         <IsTruncated>false</IsTruncated><Upload><Key>uploads/a</Key><UploadId>1</UploadId></Upload>\
         <Upload><Key>other</Key><UploadId>2</UploadId></Upload></ListMultipartUploadsResult>",
    )]);
    let found = ObjectStore::new(&config, &http, &Still).list_multipart_uploads("uploads/").await.unwrap();
    assert_eq!(found, [UnfinishedUpload { key: "uploads/a".into(), upload_id: "1".into() }]);
}
