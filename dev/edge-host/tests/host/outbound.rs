//! Calls that a guest makes: to others and to components beside it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures::StreamExt as _;
use futures::channel::mpsc;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use crate::support::{empty, is};

/// A server that sends each body back, and its number of connections.
async fn echo_server() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&connections);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            counter.fetch_add(1, Ordering::Relaxed);
            let service = service_fn(|request: http::Request<hyper::body::Incoming>| async move {
                let host = request.headers()["host"].clone();
                let response = http::Response::builder().status(201).header("x-host", host);
                Ok::<_, Infallible>(response.body(request.into_body()).unwrap())
            });
            let server = hyper::server::conn::http1::Builder::new();
            tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
        }
    });
    (address, connections)
}

#[tokio::test(flavor = "multi_thread")]
async fn allowed_hosts_are_called_over_kept_connections() {
    let (address, connections) = echo_server().await;
    let port = address.port();
    let fixture = empty()
        .add("[variables]\nhost = { default = \"127.0.0.1\" }\nport = { required = true }\nnone = { default = \"\" }")
        .route("/...", "main")
        .component(
            "main",
            "allowed_outbound_hosts = [\"http://{{ host }}:{{ port }}\", \"http://{{ none }}\"]",
        );
    let mut config = fixture.config();
    config.variables.set("port", port.to_string());
    let host = fixture.serve_with(config).await;
    let url = format!("http://127.0.0.1:{port}/path?query");
    for n in 0..20 {
        let body = format!("body {n}");
        let request = host.post("/fetch").header("x-url", &url).body(body.clone());
        assert_eq!(host.answer(request).await, is(201, &body));
    }
    // A connection that is not back yet when the next call begins makes room for a second.
    let connections = connections.load(Ordering::Relaxed);
    assert!((1..10).contains(&connections), "{connections} for 20 calls");
    for url in [
        format!("https://127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://127.0.0.1:{}/", port ^ 1),
        "http://main.spin.internal/hello".to_owned(),
    ] {
        let request = host.get("/fetch").header("x-url", &url);
        let (status, text) = host.answer(request).await;
        assert_eq!(status, 502, "{url}: {text}");
        assert!(text.contains("HttpRequestDenied"), "{url}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_stream_through_a_guest() {
    let (address, _) = echo_server().await;
    let host = empty()
        .route("/...", "main")
        .component("main", "allowed_outbound_hosts = [\"http://127.0.0.1:*\"]")
        .serve()
        .await;
    let (pieces, body) = mpsc::unbounded::<Result<Bytes, std::io::Error>>();
    let request = host.post("/fetch").header("x-url", format!("http://{address}/"));
    let request = request.body(reqwest::Body::wrap_stream(body));
    let mut answer = request.send().await.unwrap().bytes_stream();
    for piece in ["one", "two", "three"] {
        pieces.unbounded_send(Ok(Bytes::from(piece))).unwrap();
        assert_eq!(answer.next().await.unwrap().unwrap(), piece);
    }
    drop(pieces);
    assert!(answer.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_fails_is_told_in_wasis_words() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    let host = empty()
        .route("/...", "main")
        .component("main", "allowed_outbound_hosts = [\"*://*:*\"]")
        .serve()
        .await;
    for (url, expected) in [
        (format!("http://{closed}/"), "ConnectionRefused"),
        ("http://no-such-host.invalid/".to_owned(), "DnsError"),
        ("http://nobody.spin.internal/".to_owned(), "DestinationNotFound"),
    ] {
        let (status, text) = host.answer(host.get("/fetch").header("x-url", &url)).await;
        assert_eq!(status, 502);
        assert!(text.contains(expected), "{url}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn components_call_each_other_in_the_process() {
    let host = empty()
        .route("/a/...", "front")
        .add("[[trigger.http]]\nroute = { private = true }\ncomponent = \"back-side\"")
        .component("front", "allowed_outbound_hosts = [\"http://back-side.spin.internal\"]")
        .component("back-side", "key_value_stores = [\"default\"]")
        .serve()
        .await;
    let call = |path: &str| {
        let url = format!("http://back-side.spin.internal{path}");
        host.get("/a/fetch").header("x-url", url).header("x-pass", "along")
    };
    assert_eq!(host.answer(call("/hello")).await, is(200, "hello"));
    let (_, headers) = host.answer(call("/headers")).await;
    for expected in [
        "spin-path-info: /headers\n",
        "spin-matched-route: /...\n",
        "spin-client-addr: 0.0.0.0:0\n",
        "x-pass: along\n",
    ] {
        assert!(headers.contains(expected), "{expected} is not in {headers}");
    }
    let url = "http://back-side.spin.internal/echo";
    let request = host.post("/a/fetch").header("x-url", url).body("there and back");
    assert_eq!(host.answer(request).await, is(200, "there and back"));
    // A trap in the one is an answer to the other.
    assert_eq!(host.answer(call("/panic")).await, is(500, ""));
    // Nothing leads to it from outside.
    assert_eq!(host.get_text("/hello").await, is(404, ""));
}
