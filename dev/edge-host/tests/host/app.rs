//! Routes, headers, streams, instances and failures.

use std::collections::HashSet;

use bytes::Bytes;
use framelift_edge_host::HostConfig;
use futures::StreamExt as _;
use futures::channel::mpsc;

use crate::support::{Host, client, empty, fixture, is, read};

#[tokio::test(flavor = "multi_thread")]
async fn a_component_answers() {
    let host = fixture().serve().await;
    assert_eq!(host.get_text("/hello").await, is(200, "hello"));
    assert_eq!(host.get_text("/.well-known/spin/health").await, is(200, "OK"));
    let info = "{\n  \"name\": \"test\",\n  \"version\": \"1\"\n}";
    assert_eq!(host.get_text("/.well-known/spin/info").await, is(200, info));
    assert_eq!(host.get_text("/.well-known/spin/other").await, is(404, ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_have_spins_precedence() {
    let routes = ["/all/...", "/all/exact/x", "/all/:name/x", "/all/exact/...", "/only"];
    let fixture = empty().component("main", "");
    let fixture = routes.iter().fold(fixture, |fixture, route| fixture.route(route, "main"));
    let host = fixture.serve().await;
    for (path, route) in [
        ("/all", "/all/..."),
        ("/all/some/y", "/all/..."),
        ("/all/some/x", "/all/:name/x"),
        ("/all/exact/x", "/all/exact/x"),
        ("/all/exact/x/", "/all/exact/x"),
        ("/all/exact/y", "/all/exact/..."),
        ("/only", "/only"),
    ] {
        let (_, headers) = host.answer(host.get(path).header("x-do", "/headers")).await;
        assert_eq!(values(&headers, "spin-matched-route"), [route], "{path}");
    }
    for path in ["/", "/nowhere", "/only/more", "/al"] {
        assert_eq!(host.get_text(path).await, is(404, ""), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_does_not_say_its_host_is_not_answered() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let host = fixture().serve().await;
    for (head, first_line) in [
        ("GET /hello HTTP/1.1\r\nConnection: close\r\n\r\n", None),
        ("GET /hello HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n", None),
        ("GET http://b/hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", None),
        // Calls between components stay inside the process.
        ("GET /hello HTTP/1.1\r\nHost: main.spin.internal\r\nConnection: close\r\n\r\n", None),
        ("GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", Some("HTTP/1.1 200 OK")),
        ("GET /.well-known/spin/health HTTP/1.1\r\nConnection: close\r\n\r\n", Some("HTTP/1.1 200 OK")),
    ] {
        let mut stream = tokio::net::TcpStream::connect(host.server.addr).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer.lines().next(), first_line, "{head}{answer}");
    }
}

fn values<'a>(headers: &'a str, name: &str) -> Vec<&'a str> {
    let lines = headers.lines().filter_map(|line| line.split_once(": "));
    lines.filter(|(found, _)| *found == name).map(|(_, value)| value).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_is_told_about_its_request() {
    let host = empty().component("main", "").route("/v1/:video/x/:user_id/...", "main").serve().await;
    let request =
        host.get("/v1/a%20b/x/7/headers?q=1").header("spin-client-addr", "6.6.6.6:1").header("x-other", "ä");
    let (status, text) = host.answer(request).await;
    assert_eq!(status, 200);
    for (name, expected) in [
        ("spin-path-info", "/headers"),
        ("spin-matched-route", "/v1/:video/x/:user_id/..."),
        ("spin-raw-component-route", "/v1/:video/x/:user_id/..."),
        ("spin-component-route", "/v1/:video/x/:user_id"),
        ("spin-base-path", "/"),
        ("spin-path-match-video", "a%20b"),
        ("spin-path-match-user-id", "7"),
        ("x-other", "ä"),
    ] {
        assert_eq!(values(&text, name), [expected], "{name}");
    }
    let url = format!("{}/v1/a%20b/x/7/headers?q=1", host.base);
    assert_eq!(values(&text, "spin-full-url"), [url]);
    let addresses = values(&text, "spin-client-addr");
    assert_eq!(addresses[0], "6.6.6.6:1");
    assert!(addresses[1].starts_with("127.0.0.1:"), "{addresses:?}");

    let request = host.get("/v1/a/x/7/headers").header("x-other", &b"\xff"[..]);
    assert_eq!(host.answer(request).await, is(500, ""));
}

/// An upload of which the pieces are given one by one.
fn upload() -> (mpsc::UnboundedSender<Result<Bytes, std::io::Error>>, reqwest::Body) {
    let (pieces, body) = mpsc::unbounded();
    (pieces, reqwest::Body::wrap_stream(body))
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_stream_both_ways_at_once() {
    let host = fixture().serve().await;
    let (pieces, body) = upload();
    let mut answer = host.post("/echo").body(body).send().await.unwrap().bytes_stream();
    for piece in ["one", "two", "three"] {
        pieces.unbounded_send(Ok(Bytes::from(piece))).unwrap();
        // It comes back before the next one is sent.
        assert_eq!(answer.next().await.unwrap().unwrap(), piece);
    }
    drop(pieces);
    assert!(answer.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_pass_whole() {
    let host = fixture().serve().await;
    let large: Vec<u8> = (0..20_000_000_u32).map(|n| (n % 251) as u8).collect();
    let answer = host.post("/echo").body(large.clone()).send().await.unwrap();
    assert!(answer.bytes().await.unwrap() == large);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_does_no_harm() {
    let host = fixture().serve().await;
    for _ in 0..20 {
        let (pieces, body) = upload();
        let answer = host.post("/echo").body(body).send().await.unwrap();
        pieces.unbounded_send(Ok(Bytes::from_static(b"some"))).unwrap();
        drop(answer);
        drop(pieces);
    }
    assert_eq!(host.get_text("/hello").await, is(200, "hello"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_takes_128_requests_or_as_many_as_it_is_told() {
    for (told, most) in [(None, 128), (Some(16), 16)] {
        let fixture = fixture();
        let mut config = fixture.config();
        config.max_instance_reuse_count = told.unwrap_or(config.max_instance_reuse_count);
        let host = fixture.serve_with(config).await;
        let mut counts = Vec::new();
        for _ in 0..2 * most + 1 {
            counts.push(host.get_text("/count").await.1.parse::<usize>().unwrap());
        }
        // Idle instances end after a second, which a slow machine may see earlier than the last request.
        assert!(counts.iter().all(|count| *count <= most), "{counts:?}");
        assert!(counts.iter().any(|count| *count > 10), "{counts:?}");
        assert!(counts.iter().filter(|count| **count == 1).count() >= 3, "{counts:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_takes_several_requests_at_once() {
    let host = fixture().serve().await;
    let mut open = Vec::new();
    for _ in 0..40 {
        let (pieces, body) = upload();
        let answer = host.post("/echo").body(body).send().await.unwrap();
        open.push((pieces, answer));
    }
    assert_eq!(host.get_text("/hello").await, is(200, "hello"));
    for (number, (pieces, answer)) in open.into_iter().enumerate() {
        pieces.unbounded_send(Ok(Bytes::from(number.to_string()))).unwrap();
        drop(pieces);
        assert_eq!(read(answer).await, is(200, &number.to_string()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_and_an_error_are_a_bare_500_and_the_next_request_is_fine() {
    let host = fixture().serve().await;
    for path in ["/panic", "/fail", "/panic"] {
        assert_eq!(host.get_text(path).await, is(500, ""), "{path}");
        assert_eq!(host.get_text("/hello").await, is(200, "hello"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_fails_the_requests_in_its_instance_and_no_others() {
    let host = fixture().serve().await;
    let mut failed = 0;
    let answers: Vec<_> =
        (0..60).map(|n| host.get_text(if n % 20 == 7 { "/panic" } else { "/hello" })).collect();
    for (status, text) in futures::future::join_all(answers).await {
        match status {
            500 => failed += 1,
            _ => assert_eq!((status, text), is(200, "hello")),
        }
    }
    assert!(failed >= 3, "{failed}");
    assert_eq!(host.get_text("/hello").await, is(200, "hello"));
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_are_the_components_own() {
    let fixture = empty()
        .add("[variables]\nhost = { default = \"nowhere\" }\nkey = { required = true, secret = true }")
        .route("/a/...", "main")
        .route("/b/...", "other")
        .component("main", "variables = { url = \"http://{{ host }}/{{key}}\", plain = \"text\" }\nenvironment = { PLACE = \"here\" }")
        .component("other", "");
    let mut config = fixture.config();
    config.variables.set("key", "secret");
    let host = fixture.serve_with(config).await;
    assert_eq!(host.get_text("/a/var/url").await, is(200, "http://nowhere/secret"));
    assert_eq!(host.get_text("/a/var/plain").await, is(200, "text"));
    assert_eq!(host.get_text("/a/env/PLACE").await, is(200, "here"));
    assert_eq!(host.get_text("/b/env/PLACE").await, is(200, ""));
    for (path, expected) in
        [("/a/var/host", "Undefined"), ("/b/var/url", "Undefined"), ("/a/var/Bad-name", "InvalidName")]
    {
        let (status, text) = host.get_text(path).await;
        assert_eq!(status, 500);
        assert!(text.contains(expected), "{path}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_lets_requests_end() {
    let host = fixture().serve().await;
    let (pieces, body) = upload();
    let answer = host.post("/echo").body(body).send().await.unwrap();
    let Host { server, client, base, .. } = host;
    let address = server.addr;
    let stopping = tokio::spawn(server.shutdown());
    // The listener closes before the connections do.
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    pieces.unbounded_send(Ok(Bytes::from_static(b"late"))).unwrap();
    drop(pieces);
    assert_eq!(read(answer).await, is(200, "late"));
    stopping.await.unwrap();
    assert!(client.get(format!("{base}/hello")).send().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_ends_requests_that_do_not() {
    let fixture = fixture();
    let config = HostConfig { drain: std::time::Duration::ZERO, ..fixture.config() };
    let host = fixture.serve_with(config).await;
    let (_pieces, body) = upload();
    let answer = host.post("/echo").body(body).send().await.unwrap();
    host.server.shutdown().await;
    assert!(answer.bytes().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn client_addresses_are_those_of_the_connections() {
    let host = fixture().serve().await;
    let mut seen = HashSet::new();
    for _ in 0..2 {
        let headers = client().get(format!("{}/headers", host.base)).send().await.unwrap();
        let headers = headers.text().await.unwrap();
        seen.insert(values(&headers, "spin-client-addr").join(" "));
    }
    assert_eq!(seen.len(), 2, "{seen:?}");
}
