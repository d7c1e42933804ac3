//! The edge host's handling of requests and answers is that of the real Spin.

use framelift_e2e::{Setup, Stack};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Connects to the API, sends these bytes, and reads until the host closes or `enough` says so.
async fn raw(api: &str, bytes: &[u8], enough: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut stream = TcpStream::connect(api.strip_prefix("http://").unwrap()).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    while !enough(&answer) {
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => break,
            Ok(n) => answer.extend_from_slice(&piece[..n]),
        }
    }
    answer
}

/// Under the quirks: without `TCP_NODELAY`, an answer without its length takes 40 ms.
#[tokio::test]
async fn every_whole_answer_of_every_component_says_its_length() {
    let stack = Stack::start(Setup { quirks: Some("all"), ..Setup::default() }).await;
    let ada = stack.user("ada").await;
    let api = stack.info().api;
    let created = ada.create("a.mp4", 1000, json!({})).await;
    let video = format!("/videos/{}", created["id"].as_str().unwrap());
    let calls = [
        (Method::GET, "/health".to_owned(), 200),
        (Method::GET, "/health/ready".to_owned(), 200),
        (Method::POST, "/internal/sweep".to_owned(), 401),
        (Method::GET, "/".to_owned(), 200),
        (Method::GET, "/docs".to_owned(), 200),
        (Method::GET, "/openapi.json".to_owned(), 200),
        (Method::GET, "/nothing/here".to_owned(), 404),
        (Method::GET, "/.well-known/jwks.json".to_owned(), 200),
        (Method::GET, "/auth/me".to_owned(), 200),
        (Method::POST, "/auth/refresh".to_owned(), 400),
        (Method::GET, "/auth/login".to_owned(), 405),
        (Method::GET, "/videos".to_owned(), 200),
        (Method::GET, video.clone(), 200),
        (Method::POST, format!("{video}/complete"), 409),
        (Method::GET, format!("{video}/upload-parts"), 404),
        (Method::POST, "/videos/upload".to_owned(), 422),
        (Method::GET, format!("{video}/download"), 400),
        (Method::POST, format!("{video}/cancel"), 202),
    ];
    for (method, path, status) in calls {
        let request = stack.client().request(method.clone(), format!("{api}{path}")).bearer_auth(&ada.token);
        let answer = request.send().await.unwrap();
        let headers = answer.headers().clone();
        assert_eq!(answer.status().as_u16(), status, "{method} {path}");
        let body = answer.bytes().await.unwrap();
        let length = headers.get("content-length").map(|length| length.to_str().unwrap().to_owned());
        assert_eq!(length, Some(body.len().to_string()), "{method} {path}");
        assert!(!headers.contains_key("transfer-encoding"), "{method} {path}");
        // HEAD has the same head and no body, and the connection is still good.
        if method == Method::GET {
            let head = stack.client().head(format!("{api}{path}")).bearer_auth(&ada.token);
            let head = head.send().await.unwrap();
            assert_eq!((head.status().as_u16(), head.bytes().await.unwrap().len()), (status, 0), "{path}");
        }
    }
    stack.finish().await;
}

#[tokio::test]
async fn a_length_that_is_too_large_is_answered_at_once() {
    let stack = Stack::start(Setup::default()).await;
    let ada = stack.user("ada").await;
    let api = stack.info().api;
    for path in ["/videos", "/auth/login", "/internal/sweep", "/", "/videos/x/download", "/videos/upload"] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: {}\r\n\
             Content-Length: 100000000000\r\n\r\n{{",
            ada.token,
            if path == "/videos/upload" { "multipart/form-data; boundary=b" } else { "application/json" },
        );
        // The rest never comes.
        let answer =
            raw(&api, head.as_bytes(), |answer| answer.windows(4).any(|end| end == b"\r\n\r\n")).await;
        let status = String::from_utf8_lossy(&answer[..answer.len().min(13)]).into_owned();
        let expected = match path {
            "/" | "/videos/x/download" => "HTTP/1.1 405 ",
            // It takes no body, so that only its caller is looked at.
            "/internal/sweep" => "HTTP/1.1 401 ",
            _ => "HTTP/1.1 413 ",
        };
        assert_eq!(status, expected, "{path}");
    }
    stack.finish().await;
}

#[tokio::test]
async fn every_host_makes_the_same_of_a_request() {
    let stack = Stack::start(Setup::default()).await;
    let api = stack.info().api;
    let whole = |_: &[u8]| false;
    let first_line = |answer: &[u8]| String::from_utf8_lossy(answer).lines().next().unwrap_or("").to_owned();

    // A request that does not say its host, says two, or names a component: the connection is closed without
    // a word. The host's own paths do not ask.
    for (request, expected) in [
        ("GET /health HTTP/1.1\r\n", ""),
        ("GET http://y/health HTTP/1.1\r\nHost: x\r\n", ""),
        ("GET /health HTTP/1.1\r\nHost: auth.spin.internal\r\n", ""),
        ("GET /.well-known/spin/health HTTP/1.1\r\n", "HTTP/1.1 200 OK"),
        ("GET /health HTTP/1.1\r\nHost: x\r\n", "HTTP/1.1 200 OK"),
    ] {
        let request = format!("{request}Connection: close\r\n\r\n");
        assert_eq!(first_line(&raw(&api, request.as_bytes(), whole).await), expected, "{request}");
    }

    // A header that is not UTF-8 is a bare 500 of the host; one that is passes.
    let request = |value: &[u8]| {
        [b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Any: ", value, b"\r\n\r\n"].concat()
    };
    let answer = raw(&api, &request(b"\xff\xfe"), whole).await;
    assert_eq!(first_line(&answer), "HTTP/1.1 500 Internal Server Error");
    assert!(answer.ends_with(b"\r\n\r\n"), "{answer:?}");
    let answer = raw(&api, &request("ä".as_bytes()), whole).await;
    assert_eq!(first_line(&answer), "HTTP/1.1 200 OK");

    // The host's own paths.
    let info = stack.client().get(format!("{api}/.well-known/spin/info")).send().await.unwrap();
    assert_eq!(info.status().as_u16(), 200);
    let info: Value = info.json().await.unwrap();
    assert_eq!((&info["name"], &info["version"]), (&json!("framelift"), &json!("0.1.0")));
    let health = stack.client().get(format!("{api}/.well-known/spin/health")).send().await.unwrap();
    assert_eq!(health.text().await.unwrap(), "OK");
    let other = stack.client().get(format!("{api}/.well-known/spin/other")).send().await.unwrap();
    assert_eq!((other.status().as_u16(), other.bytes().await.unwrap().len()), (404, 0));

    // HTTP/2 without TLS, to clients that begin with it: the answer begins with a SETTINGS frame (type 4).
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
    let answer = raw(&api, preface, |answer| answer.len() >= 9).await;
    assert_eq!(answer.get(3), Some(&4), "{answer:?}");
    stack.finish().await;
}

/// Each call swaps several times, and a host that takes Spin's word has 256 swaps for an instance.
#[tokio::test]
async fn instances_do_not_run_out_of_swaps() {
    let stack = Stack::start(Setup::default()).await;
    let ada = stack.user("ada").await;
    let api = stack.info().api;
    for _ in 0..120 {
        let created = ada.create("a.mp4", 1000, json!({})).await;
        let cancel = format!("{api}/videos/{}/cancel", created["id"].as_str().unwrap());
        let answer = stack.client().post(cancel).bearer_auth(&ada.token).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 202);
    }
    stack.finish().await;
}
