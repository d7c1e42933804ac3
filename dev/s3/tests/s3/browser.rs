//! What a page on another origin may do.

use std::time::Duration;

use aws_sdk_s3::presigning::PresigningConfig;
use reqwest::Method;

use crate::harness::{BUCKET, Fixture, tag};

#[tokio::test]
async fn preflights_allow_any_origin() {
    let s3 = Fixture::start().await;
    let url = format!("{}/{BUCKET}/key", s3.endpoint());
    let ask = |method: &str| {
        let ask = s3.http.request(Method::OPTIONS, &url).header("origin", "http://page.example");
        ask.header("access-control-request-method", method)
    };
    for method in ["GET", "PUT", "HEAD", "POST", "DELETE"] {
        let ask = ask(method).header("access-control-request-headers", "content-type,x-amz-meta-a");
        let answer = ask.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let headers = answer.headers();
        assert_eq!(headers["access-control-allow-origin"], "*");
        assert!(headers["access-control-allow-methods"].to_str().unwrap().contains(method));
        assert_eq!(headers["access-control-allow-headers"], "content-type,x-amz-meta-a");
    }
    let answer = ask("PATCH").send().await.unwrap();
    assert_eq!(answer.status(), 403);
    assert_eq!(tag(&answer.text().await.unwrap(), "Code"), "AccessForbidden");
    let answer = s3.http.request(Method::OPTIONS, &url).send().await.unwrap();
    assert_eq!(answer.status(), 400);
    s3.finish(0).await;
}

#[tokio::test]
async fn a_page_reads_the_etag_of_what_it_uploaded_and_the_errors() {
    let s3 = Fixture::start().await;
    let config = PresigningConfig::expires_in(Duration::from_secs(60)).unwrap();
    let put = s3.client.put_object().bucket(BUCKET).key("key").presigned(config).await.unwrap();
    let sent = s3.http.put(put.uri()).header("origin", "null").body("bytes").send().await.unwrap();
    assert_eq!(sent.status(), 200);
    assert_eq!(sent.headers()["access-control-allow-origin"], "*");
    let exposed = sent.headers()["access-control-expose-headers"].to_str().unwrap();
    assert!(exposed.contains("ETag"), "{exposed}");
    assert!(sent.headers().contains_key("etag"));
    assert!(sent.headers().contains_key("x-amz-request-id"));

    let wrong = put.uri().replace("/key?", "/other?");
    let refused = s3.http.put(wrong).header("origin", "null").body("bytes").send().await.unwrap();
    assert_eq!(refused.status(), 403);
    assert_eq!(refused.headers()["access-control-allow-origin"], "*");
    s3.finish(1).await;
}
