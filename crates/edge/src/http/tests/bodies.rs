//! Lengths and codings of bodies, both ways.

use super::*;

#[test]
fn every_whole_answer_has_a_content_length() {
    let length = |method: &str, path: &str| {
        let response = call(method, path, &[("authorization", format!("Bearer {SECRET}").as_bytes())], "");
        let length =
            response.headers().get("content-length").map(|length| length.to_str().unwrap().to_owned());
        (response.status().as_u16(), length, response.body().len().to_string())
    };
    for (method, path) in
        [("GET", "/things/7"), ("POST", "/boom"), ("GET", "/down"), ("GET", "/nowhere"), ("PUT", "/boom")]
    {
        let (status, length, bytes) = length(method, path);
        assert_eq!(length, Some(bytes), "{method} {path}: {status}");
    }
    // These have neither a length nor a body (RFC 9110, section 8.6).
    assert_eq!(length("GET", "/worker"), (204, None, "0".into()));
    assert_eq!(length("HEAD", "/things/7"), (200, None, "0".into()));
}

#[test]
fn a_content_length_above_the_limit_is_refused_before_the_body() {
    let headers = |length: &'static str| {
        HeaderMap::from_iter([(http::header::CONTENT_LENGTH, HeaderValue::from_static(length))])
    };
    // The body never comes: only the header can tell.
    let silent =
        || StreamBody::new(futures::stream::pending::<Result<http_body::Frame<Bytes>, std::io::Error>>());
    let read = |length| futures::FutureExt::now_or_never(collect(&headers(length), silent(), 10));
    assert_eq!(read("10000000"), Some(Err(BodyError::TooLarge(10))));
    assert_eq!(read("11"), Some(Err(BodyError::TooLarge(10))));
    assert_eq!(read("10"), None);
}

#[test]
fn a_compressed_body_is_refused() {
    let coded = |coding: &[u8]| {
        call("PATCH", "/things/7", &[("content-encoding", coding)], b"\x1f\x8b\x08\x00\xff".to_vec())
    };
    for coding in [b"gzip".as_slice(), b"br", b"deflate, gzip", b"GZIP", b"\xff"] {
        let answer = coded(coding);
        assert_eq!((answer.status().as_u16(), code(&answer).as_str()), (415, "unsupported-media-type"));
        assert!(String::from_utf8_lossy(answer.body()).contains("Content-Encoding"));
    }
    let identity = [("content-encoding", b"identity".as_slice())];
    assert_eq!(call("PATCH", "/things/7", &identity, r#"{"name":"x"}"#).status(), StatusCode::OK);
}

#[test]
fn a_body_is_counted_while_it_arrives() {
    use http_body::Frame;
    let chunks = |n: usize| {
        futures::stream::iter(
            (0..n).map(|_| Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(b"12345")))),
        )
    };
    assert_eq!(block_on(collect(&HeaderMap::new(), StreamBody::new(chunks(2)), 10)).unwrap(), "1234512345");
    assert_eq!(
        block_on(collect(&HeaderMap::new(), StreamBody::new(chunks(3)), 10)),
        Err(BodyError::TooLarge(10))
    );
    // An endless body is given up at the limit.
    let endless =
        futures::stream::repeat_with(|| Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(b"12345"))));
    assert_eq!(
        block_on(collect(&HeaderMap::new(), StreamBody::new(endless), 10)),
        Err(BodyError::TooLarge(10))
    );
    let broken = futures::stream::iter([Err::<Frame<Bytes>, _>(std::io::Error::other("reset"))]);
    assert_eq!(block_on(collect(&HeaderMap::new(), StreamBody::new(broken), 10)), Err(BodyError::Broken));
    assert_eq!(
        block_on(collect(&HeaderMap::new(), Full::new(Bytes::from_static(b"x")).boxed(), 0)),
        Err(BodyError::TooLarge(0))
    );
}

#[test]
fn only_json_is_taken() {
    let typed =
        |media_type: &[u8]| call("PATCH", "/things/7", &[("content-type", media_type)], r#"{"name":"x"}"#);
    for good in
        [b"application/json".as_slice(), b"Application/JSON; charset=utf-8", b"application/merge-patch+json"]
    {
        assert_eq!(typed(good).status(), StatusCode::OK);
    }
    for bad in [
        b"text/plain".as_slice(),
        b"application/x-www-form-urlencoded",
        b"",
        b"\xff",
        b"json",
        b"text/x+json",
    ] {
        assert_eq!(code(&typed(bad)), "unsupported-media-type");
    }
}

#[test]
fn bodies_have_a_limit() {
    let fits = format!("{{\"name\":\"{}\"}}", "x".repeat(MAX_JSON_BYTES - 11));
    assert_eq!(fits.len(), MAX_JSON_BYTES);
    assert_eq!(call("PATCH", "/things/7", &[], fits.clone()).status(), StatusCode::OK);
    let response = call("PATCH", "/things/7", &[], format!("{fits} "));
    assert_eq!((response.status().as_u16(), code(&response).as_str()), (413, "payload-too-large"));
}
