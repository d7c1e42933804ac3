//! `POST /videos/upload`: the file in one request.

use std::pin::pin;

use bytes::Bytes;
use futures::channel::mpsc;
use futures::stream::{self, Stream};
use http::Request;
use http_body::Frame;
use http_body_util::StreamBody;
use serde_json::json;

use crate::world::{Answer, Component, MIB, World};

/// A body in pieces, optionally interrupted after them.
pub(crate) async fn post(
    world: &World,
    query: &str,
    content_type: Option<&str>,
    pieces: Vec<Bytes>,
    breaks: bool,
) -> Answer {
    let pieces = pieces.into_iter().map(|piece| Ok(Frame::data(piece)));
    let end = breaks.then(|| Err(std::io::Error::other("reset")));
    let body = StreamBody::new(stream::iter(pieces.chain(end)));
    let mut request = Request::post(format!("/videos/upload{query}"))
        .header("x-correlation-id", "c-1")
        .header("authorization", format!("Bearer {}", world.token(1)));
    if let Some(content_type) = content_type {
        request = request.header("content-type", content_type);
    }
    world.send(Component::Uploads, request.body(body).unwrap()).await
}

/// Bytes without repeated parts, in pieces of 60,000.
fn file(size: usize) -> (Vec<u8>, Vec<Bytes>) {
    let whole: Vec<u8> = (0..size).map(|n| (n / 7 + n / 60_013) as u8).collect();
    let pieces = whole.chunks(60_000).map(Bytes::copy_from_slice).collect();
    (whole, pieces)
}

fn stored(world: &World) -> Vec<u8> {
    world.cloud.only_object().bytes.to_vec()
}

fn assert_nothing_left(world: &World) {
    assert!(world.cloud.keys().is_empty(), "{:?}", world.cloud.keys());
    assert!(world.cloud.unfinished().is_empty(), "{:?}", world.cloud.unfinished());
}

async fn list(world: &World) -> serde_json::Value {
    world.get("/videos").user(1).send().await.json()["items"].clone()
}

#[tokio::test]
async fn small_files_are_one_put() {
    let world = World::new();
    let (whole, pieces) = file(100_000);
    let query = "?file_name=a%20b.mp4&options=%7B%22quality%22%3A50%7D";
    let answer = post(&world, query, Some("video/mp4"), pieces, false).await;
    insta::assert_snapshot!("upload", answer.shot());
    assert_eq!(stored(&world), whole);
    assert_eq!(world.cloud.only_object().content_type.as_deref(), Some("video/mp4"));
    let video = &list(&world).await[0];
    assert_eq!((&video["file_name"], &video["size_bytes"]), (&json!("a b.mp4"), &json!(100_000)));
    assert_eq!(video["options"]["quality"], 50);
    assert_eq!(world.cloud.take_sent().len(), 1);
}

#[tokio::test]
async fn large_files_go_through_in_parts() {
    for size in [8 * MIB as usize, 8 * MIB as usize + 1, 20 * MIB as usize] {
        let world = World::new();
        let (whole, pieces) = file(size);
        let answer = post(&world, "?file_name=a.mp4", None, pieces, false).await;
        assert_eq!(answer.status, 202, "{}", answer.text());
        assert!(stored(&world) == whole, "{size}");
        assert_eq!(world.cloud.largest_body.get(), 8 * MIB as usize);
        assert!(world.cloud.unfinished().is_empty());
        let video = &list(&world).await[0];
        assert_eq!((&video["size_bytes"], &video["status"]), (&json!(size), &json!("pending")));
    }
}

/// A form of the given fields: name, file name, content.
pub(crate) fn form(fields: &[(&str, Option<&str>, &[u8])]) -> Vec<Bytes> {
    let mut pieces = Vec::new();
    for (name, file_name, content) in fields {
        let file_name = file_name.map(|name| format!("; filename=\"{name}\"")).unwrap_or_default();
        let head = format!("--B\r\ncontent-disposition: form-data; name=\"{name}\"{file_name}\r\n\r\n");
        pieces.push(head.into());
        pieces.extend(content.chunks(50_000).map(Bytes::copy_from_slice));
        pieces.push("\r\n".into());
    }
    pieces.push("--B--\r\n".into());
    pieces
}

pub(crate) const FORM: Option<&str> = Some("multipart/form-data; boundary=B");

#[tokio::test]
async fn forms_may_have_their_options_first_or_last() {
    let (whole, _) = file(9 * MIB as usize);
    let file = ("file", Some("a.mp4"), whole.as_slice());
    let options = ("options", None, br#"{"quality":50}"#.as_slice());
    for (fields, quality) in [(vec![file, options], 50), (vec![options, file], 50), (vec![file], 90)] {
        let world = World::new();
        let answer = post(&world, "", FORM, form(&fields), false).await;
        assert_eq!(answer.status, 202, "{}", answer.text());
        assert!(stored(&world) == whole);
        let video = &list(&world).await[0];
        assert_eq!(
            (&video["options"]["quality"], &video["size_bytes"]),
            (&json!(quality), &json!(whole.len()))
        );
    }
}

#[tokio::test]
async fn a_failed_upload_leaves_nothing() {
    let world = World::new();
    for size in [100_000, 9 * MIB as usize, 20 * MIB as usize] {
        let (_, pieces) = file(size);
        let answer = post(&world, "?file_name=a.mp4", None, pieces, true).await;
        assert_eq!(answer.short(), "400 bad-request", "{size}");
        assert_nothing_left(&world);
    }
    let (whole, _) = file(9 * MIB as usize);
    let mut cut = form(&[("file", Some("a.mp4"), &whole)]);
    cut.truncate(cut.len() - 1);
    assert_eq!(post(&world, "", FORM, cut, false).await.short(), "400 bad-request");
    let options = ("options", None, br#"{"quality":0}"#.as_slice());
    let bad = form(&[("file", Some("a.mp4"), &whole), options]);
    assert_eq!(post(&world, "", FORM, bad, false).await.short(), "422 validation-failed /options/quality");
    let twice = form(&[("file", Some("a.mp4"), &whole), ("file", Some("b.mp4"), b"x")]);
    assert_eq!(post(&world, "", FORM, twice, false).await.short(), "422 validation-failed /file");
    assert_nothing_left(&world);
    assert_eq!(list(&world).await, json!([]));
    assert!(world.cloud.take_sent().is_empty());
}

#[tokio::test]
async fn limits_are_checked_before_the_first_byte() {
    let world = World::with(&[("max_upload_bytes", "1000000")]);
    let announced = |length: &str| {
        let call = world.post("/videos/upload").user(1).header("content-length", length);
        call.header("content-type", "multipart/form-data; boundary=b")
    };
    assert_eq!(announced("10000000").send().await.short(), "413 file-too-large");
    // A file of a million bytes and the rest of the form.
    assert_ne!(announced("1000400").send().await.status, 413);
    let json = world.post("/videos").user(1).header("content-length", "10000000").body("{");
    assert_eq!(json.send().await.short(), "413 payload-too-large");
    let gzip = world.post("/videos/upload?file_name=a.mp4").user(1).header("content-encoding", "gzip");
    assert_eq!(gzip.body("x").send().await.short(), "415 unsupported-media-type");
    assert!(world.cloud.keys().is_empty());
}

#[tokio::test]
async fn limits() {
    let world = World::with(&[("max_upload_bytes", "10000000")]);
    let (whole, pieces) = file(10_000_000);
    let mut more = pieces.clone();
    more.push("x".into());
    assert_eq!(post(&world, "?file_name=a.mp4", None, more, false).await.short(), "413 file-too-large");
    let mut long = whole.clone();
    long.push(1);
    let long = form(&[("file", Some("a.mp4"), &long)]);
    assert_eq!(post(&world, "", FORM, long, false).await.short(), "413 file-too-large");
    assert_nothing_left(&world);
    let announced = world.post("/videos/upload?file_name=a.mp4").user(1).header("content-length", "10000001");
    assert_eq!(announced.send().await.short(), "413 file-too-large");
    let options = vec![b' '; 70_000];
    let answer = post(&world, "", FORM, form(&[("options", None, &options)]), false).await;
    assert_eq!(answer.short(), "413 payload-too-large");
    assert_eq!(post(&world, "?file_name=a.mp4", None, pieces, false).await.status, 202);
    assert!(stored(&world) == whole);
}

#[tokio::test]
async fn requests_that_cannot_be_meant() {
    let world = World::new();
    let file = |name| form(&[("file", Some(name), b"x")]);
    let x = || vec![Bytes::from_static(b"x")];
    for (query, content_type, body, answer) in [
        ("", None, x(), "422 validation-failed ?file_name"),
        ("?file_name=", None, x(), "422 validation-failed ?file_name"),
        ("?file_name=a.exe", None, x(), "415 unsupported-file-format"),
        ("?file_name=a.mp4", None, vec![], "422 validation-failed /file"),
        ("?file_name=a.mp4&options=%7B", None, x(), "400 malformed-json"),
        ("?file_name=a.mp4&options=%7B%22x%22%3A1%7D", None, x(), "422 validation-failed ?options/x"),
        (
            "?file_name=a.mp4&options=%7B%22quality%22%3A0%7D",
            None,
            x(),
            "422 validation-failed ?options/quality",
        ),
        ("?name=a.mp4", None, x(), "422 validation-failed ?name"),
        ("?file_name=a.mp4", Some("nonsense"), x(), "422 validation-failed content-type"),
        ("", Some("multipart/form-data"), file("a.mp4"), "400 bad-request"),
        ("", Some("multipart/form-data; boundary=C"), file("a.mp4"), "400 bad-request"),
        ("", FORM, x(), "400 bad-request"),
        ("", FORM, form(&[]), "422 validation-failed /file"),
        ("", FORM, file("a.exe"), "415 unsupported-file-format"),
        ("", FORM, form(&[("file", None, b"x")]), "422 validation-failed /file"),
        ("?file_name=%E2%80%AE.mp4", None, x(), "422 validation-failed ?file_name"),
        ("", FORM, form(&[("file", Some("a.mp4"), b"")]), "422 validation-failed /file"),
        ("", FORM, form(&[("other", None, b"x")]), "422 validation-failed /other"),
        ("", FORM, form(&[("options", None, b"{"), ("file", Some("a.mp4"), b"x")]), "400 malformed-json"),
    ] {
        let found = post(&world, query, content_type, body, false).await.short();
        assert_eq!(found, answer, "{query} {content_type:?}");
    }
    assert_nothing_left(&world);
    assert_eq!(list(&world).await, json!([]));
}

#[tokio::test]
async fn the_same_key_uploads_once() {
    let world = World::new();
    let upload = async |query: &str, body: &'static str| {
        let call = world.post(&format!("/videos/upload{query}")).user(1);
        call.header("idempotency-key", "k").body(body).send().await
    };
    let first = upload("?file_name=a.mp4", "abc").await;
    assert_eq!(first.status, 202, "{}", first.text());
    assert_eq!(upload("?file_name=a.mp4", "abc").await.json(), first.json());
    assert_eq!(upload("?file_name=b.mp4", "abc").await.short(), "422 idempotency-key-reused");
    assert_eq!(world.cloud.take_sent().len(), 1);

    // After a broken connection, the repeated request succeeds.
    let world = World::new();
    let (whole, pieces) = file(20 * MIB as usize);
    let send = async |pieces: Vec<Bytes>, breaks: bool| {
        let pieces = pieces.into_iter().map(|piece| Ok(Frame::data(piece)));
        let end = breaks.then(|| Err(std::io::Error::other("reset")));
        let request = Request::post("/videos/upload?file_name=a.mp4")
            .header("authorization", format!("Bearer {}", world.token(1)))
            .header("idempotency-key", "k");
        let body = StreamBody::new(stream::iter(pieces.chain(end)));
        world.send(Component::Uploads, request.body(body).unwrap()).await
    };
    assert_eq!(send(pieces[..300].to_vec(), true).await.short(), "400 bad-request");
    assert_eq!(world.cloud.unfinished().len(), 1);
    assert_eq!(send(pieces, false).await.status, 202);
    assert!(stored(&world) == whole);
    assert!(world.cloud.unfinished().is_empty());
}

/// Sends a body under the key `k`.
async fn keyed<S>(world: &World, query: &str, content_type: Option<&str>, pieces: S) -> Answer
where
    S: Stream<Item = Result<Frame<Bytes>, std::io::Error>> + Send + Unpin + 'static,
{
    let mut request = Request::post(format!("/videos/upload{query}"))
        .header("authorization", format!("Bearer {}", world.token(1)))
        .header("idempotency-key", "k");
    if let Some(content_type) = content_type {
        request = request.header("content-type", content_type);
    }
    world.send(Component::Uploads, request.body(StreamBody::new(pieces)).unwrap()).await
}

fn frames(
    pieces: Vec<Bytes>,
) -> impl Stream<Item = Result<Frame<Bytes>, std::io::Error>> + Send + Unpin + 'static {
    stream::iter(pieces.into_iter().map(|piece| Ok(Frame::data(piece))))
}

const REUSED: &str = "422 idempotency-key-reused";

#[tokio::test]
async fn the_same_key_with_another_body_is_refused() {
    for size in [3, 9 * MIB as usize] {
        let world = World::new();
        let (whole, _) = file(size);
        let mut other = whole.clone();
        other[size - 1] ^= 1;
        let send = async |body: &[u8]| {
            let pieces = body.chunks(60_000).map(Bytes::copy_from_slice).collect();
            keyed(&world, "?file_name=a.mp4", None, frames(pieces)).await
        };
        let first = send(&whole).await;
        assert_eq!(first.status, 202, "{}", first.text());
        assert_eq!(send(&other).await.short(), REUSED, "{size}");
        assert_eq!(send(&whole[..size - 1]).await.short(), REUSED, "{size}");
        assert_eq!(send(&whole).await.json(), first.json());
        assert!(stored(&world) == whole);
        assert_eq!(world.cloud.take_sent().len(), 1);
    }
}

#[tokio::test]
async fn the_same_key_with_another_form_is_refused() {
    let world = World::new();
    let send =
        async |fields: &[(&str, Option<&str>, &[u8])]| keyed(&world, "", FORM, frames(form(fields))).await;
    let file = ("file", Some("a.mp4"), b"abc".as_slice());
    let options = ("options", None, br#"{"quality":50}"#.as_slice());
    let first = send(&[file, options]).await;
    assert_eq!(first.status, 202, "{}", first.text());
    assert_eq!(send(&[file]).await.short(), REUSED);
    assert_eq!(send(&[file, ("options", None, br#"{"quality":51}"#)]).await.short(), REUSED);
    assert_eq!(send(&[("file", Some("a.mp4"), b"abcd"), options]).await.short(), REUSED);
    assert_eq!(send(&[file, options]).await.json(), first.json());
    assert_eq!(stored(&world), b"abc");
    assert_eq!(list(&world).await[0]["options"]["quality"], 50);
    assert_eq!(world.cloud.take_sent().len(), 1);
}

#[tokio::test]
async fn two_at_once_do_not_write_the_same_object() {
    const QUERY: &str = "?file_name=a.mp4";
    for (silent_s, taken_over) in [(59, false), (61, true)] {
        let world = World::new();
        let (whole, pieces) = file(20 * MIB as usize);
        let (sender, receiver) = mpsc::unbounded();
        let feed = |pieces: &[Bytes]| {
            for piece in pieces {
                sender.unbounded_send(Ok(Frame::data(piece.clone()))).unwrap();
            }
        };
        let mut slow = pin!(keyed(&world, QUERY, None, receiver));
        feed(&pieces[..300]);
        while world.cloud.unfinished().is_empty() {
            assert!(futures::poll!(&mut slow).is_pending());
        }
        let second = keyed(&world, QUERY, None, frames(pieces.clone())).await;
        assert_eq!(second.short(), "409 idempotency-in-progress");
        let seconds: u32 = second.header("retry-after").parse().unwrap();
        assert!((1..=60).contains(&seconds), "{seconds}");

        // Only pauses of the store advance the clock.
        world.advance_s(silent_s - 1);
        let third = keyed(&world, QUERY, None, frames(pieces.clone())).await;
        feed(&pieces[300..]);
        sender.close_channel();
        let slow = slow.await;
        if taken_over {
            assert_eq!(third.status, 202, "{}", third.text());
            // When it continues, the other request is in progress or complete.
            let late = ["409 idempotency-in-progress", "409 processing-already-finished"];
            assert!(late.contains(&slow.short().as_str()), "{}", slow.text());
        } else {
            assert_eq!(third.short(), "409 idempotency-in-progress");
            assert_eq!(slow.status, 202, "{}", slow.text());
        }
        let done = if taken_over { &third } else { &slow };
        let again = keyed(&world, QUERY, None, frames(pieces)).await;
        assert_eq!(again.json(), done.json());
        assert!(stored(&world) == whole);
        assert!(world.cloud.unfinished().is_empty());
        assert_eq!(world.cloud.take_sent().len(), 1);
    }
}

#[tokio::test]
async fn a_stored_upload_that_was_not_queued_is_queued_by_a_repeated_request() {
    let world = World::new();
    let send = async |body: &'static str| {
        keyed(&world, "?file_name=a.mp4", None, frames(vec![Bytes::from_static(body.as_bytes())])).await
    };
    world.cloud.break_sqs(3);
    assert_eq!(send("abc").await.short(), "503 unavailable");
    assert_eq!(send("abd").await.short(), REUSED);
    assert_eq!(send("abc").await.status, 202);
    assert_eq!(stored(&world), b"abc");
    assert_eq!(world.cloud.take_sent().len(), 1);
}

#[tokio::test]
async fn a_form_that_failed_behind_its_file_can_be_sent_again() {
    let world = World::new();
    let (whole, _) = file(9 * MIB as usize);
    let send = async |options: &[u8]| {
        let fields = [("file", Some("a.mp4"), whole.as_slice()), ("options", None, options)];
        keyed(&world, "", FORM, frames(form(&fields))).await
    };
    assert_eq!(send(br#"{"quality":0}"#).await.short(), "422 validation-failed /options/quality");
    let answer = send(br#"{"quality":50}"#).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    assert!(stored(&world) == whole);
    assert!(world.cloud.unfinished().is_empty());
}

#[tokio::test]
async fn forms_say_what_is_wrong_with_a_file_name() {
    let world = World::new();
    let detail = async |head: &[u8]| {
        let start = b"--B\r\ncontent-disposition: form-data; name=\"file\"".as_slice();
        let body = [start, head, b"\r\n\r\nx\r\n--B--\r\n"].concat();
        let answer = post(&world, "", FORM, vec![body.into()], false).await;
        assert_eq!(answer.short(), "422 validation-failed /file");
        answer.json()["errors"][0]["detail"].as_str().unwrap().to_owned()
    };
    assert_eq!(detail(b"").await, "needs a file name");
    assert_eq!(detail(b"; filename=\"\"").await, framelift_contract::rules::FILE_NAME.must());
    assert_eq!(detail(b"; filename=\"\xff.mp4\"").await, "has a file name that is not UTF-8");
}

#[tokio::test]
async fn a_store_that_fails_half_way() {
    let world = World::new();
    let (whole, pieces) = file(20 * MIB as usize);
    world.cloud.break_s3(3);
    let answer = post(&world, "?file_name=a.mp4", None, pieces.clone(), false).await;
    assert_eq!(answer.short(), "503 unavailable");
    assert_nothing_left(&world);
    assert_eq!(post(&world, "?file_name=a.mp4", None, pieces, false).await.status, 202);
    assert!(stored(&world) == whole);
}
