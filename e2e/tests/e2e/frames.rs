//! Single frames of a real video, over HTTP: against the archive, by time, by link, and with bounded memory.

use std::io::{Cursor, Read as _};

use aws_sdk_s3::primitives::ByteStream;
use framelift_e2e::process::peak_memory;
use framelift_e2e::{Setup, Stack, clip, cloud};
use futures::stream::{self, StreamExt as _};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

/// A frame by its link, with nothing but the link.
async fn by_link(stack: &Stack, path: &str) -> Response {
    stack.client().get(format!("{}{path}", stack.info().api)).send().await.unwrap()
}

#[tokio::test]
async fn every_frame_by_its_link_is_the_archives_member() {
    let stack = Stack::start(Setup::default()).await;
    let ada = stack.user("ada").await;
    // Large enough that some go out in pieces.
    let options = json!({"select": {"every": "1s"}, "format": "png", "resize": {"width": 1280}});
    let id = ada.upload("cars.mp4", &clip::sample("cars-30s.mp4"), options).await;
    let record = ada.finished(&id).await;
    assert_eq!((&record["status"], &record["result"]["indexed"]), (&json!("completed"), &json!(true)));

    let archive = ada.download(&id).await;
    let mut archive = zip::ZipArchive::new(Cursor::new(archive)).unwrap();
    let mut member = |name: &str| {
        let mut bytes = Vec::new();
        archive.by_name(name).unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    };
    let manifest = ada.send(Method::GET, &format!("/videos/{id}/manifest"), None).await;
    let manifest = manifest.bytes().await.unwrap();
    assert!(manifest == member("manifest.json"));
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let mut items = Vec::new();
    let mut path = format!("/videos/{id}/frames?limit=10");
    loop {
        let page = ada.expect(Method::GET, &path, None, 200).await;
        items.extend(page["items"].as_array().unwrap().clone());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/videos/{id}/frames?limit=10&cursor={cursor}");
    }
    let one = ada.expect(Method::GET, &format!("/videos/{id}/frames?from=23&limit=1"), None, 200).await;
    assert_eq!(one["items"], json!([items[22]]));
    let frames = manifest["frames"].as_array().unwrap();
    assert_eq!((items.len(), frames.len()), (31, 31));
    let mut largest = 0;
    for (item, frame) in items.iter().zip(frames) {
        for name in ["bytes", "width", "height", "keyframe"] {
            assert_eq!(item[name], frame[name], "{name}");
        }
        let answer = by_link(&stack, item["url"].as_str().unwrap()).await;
        assert_eq!(answer.headers()["content-type"], "image/png");
        let image = answer.bytes().await.unwrap();
        assert!(image == member(frame["file"].as_str().unwrap()), "{item}");
        largest = largest.max(image.len());
        let at = format!("/videos/{id}/frames/at/{}", item["time"].as_str().unwrap());
        let answer = ada.send(Method::GET, &at, None).await;
        assert_eq!(answer.headers()["content-location"], format!("/videos/{id}/frames/{}", item["n"]));
        assert!(answer.bytes().await.unwrap() == image);
    }
    assert!(largest > 512 << 10, "no frame goes out in pieces: {largest}");

    let url = format!("{}/videos/{id}/frames/1", stack.info().api);
    let get =
        |name: &str, value: &str| stack.client().get(&url).bearer_auth(&ada.token).header(name, value).send();
    let head = stack.client().head(&url).bearer_auth(&ada.token).send().await.unwrap();
    let tag = head.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(head.status(), StatusCode::OK);
    assert_eq!(head.headers()["content-length"], items[0]["bytes"].to_string().as_str());
    let same = get("if-none-match", &tag).await.unwrap();
    assert_eq!(same.status(), StatusCode::NOT_MODIFIED);
    let part = get("range", "bytes=1-3").await.unwrap();
    assert_eq!((part.status().as_u16(), part.text().await.unwrap().as_str()), (206, "PNG"));
    assert_eq!(get("range", "bytes=99999999-").await.unwrap().status(), StatusCode::RANGE_NOT_SATISFIABLE);

    let link = items[0]["url"].as_str().unwrap();
    let forged = by_link(&stack, &link.replacen(".1.", ".2.", 1)).await;
    assert_eq!(forged.status(), StatusCode::FORBIDDEN);

    // A damaged archive: the first image begins behind its local header.
    let key = cloud::keys(&stack.info()).await.into_iter().find(|key| key.ends_with(".zip")).unwrap();
    let info = stack.info();
    let s3 = cloud::s3(&info);
    let put = s3.put_object().bucket(&info.bucket).key(key).body(ByteStream::from(vec![7; 4_000_000]));
    put.send().await.unwrap();
    let small = items.iter().min_by_key(|item| item["bytes"].as_u64()).unwrap();
    let damaged = by_link(&stack, small["url"].as_str().unwrap()).await;
    assert!(
        damaged.status() == StatusCode::BAD_GATEWAY || damaged.bytes().await.is_err(),
        "a damaged frame was answered"
    );

    ada.expect(Method::DELETE, &format!("/videos/{id}"), None, 204).await;
    assert_eq!(by_link(&stack, link).await.status(), StatusCode::GONE);
    ada.expect(Method::GET, &format!("/videos/{id}/frames"), None, 404).await;
    stack.finish().await;
}

#[tokio::test]
async fn memory_stays_flat_while_many_frames_are_fetched() {
    let stack = Stack::start(Setup::default()).await;
    let ada = stack.user("ada").await;
    let options = json!({"select": {"every": "1s"}, "format": "png", "resize": {"width": 1280}});
    let id = ada.upload("cars.mp4", &clip::sample("cars-30s.mp4"), options).await;
    assert_eq!(ada.finished(&id).await["status"], "completed");
    let page = ada.expect(Method::GET, &format!("/videos/{id}/frames"), None, 200).await;
    let template = page["url_template"].as_str().unwrap().to_owned();
    let edge = stack.pids()().unwrap().edge.unwrap();
    let round = async || {
        let fetched = stream::iter(0..128).map(|n| {
            let link = template.replace("{n}", &(n % 31 + 1).to_string());
            let stack = &stack;
            async move { by_link(stack, &link).await.bytes().await.unwrap().len() }
        });
        fetched.buffer_unordered(64).fold(0, async |sum, bytes| sum + bytes).await
    };
    // As many instances as will ever work at once.
    let bytes = round().await;
    for _ in 0..3 {
        round().await;
    }
    let warm = peak_memory(edge).unwrap();
    for _ in 0..8 {
        assert_eq!(round().await, bytes);
    }
    let grown = peak_memory(edge).unwrap() - warm;
    assert!(grown < 2 * bytes as u64, "{grown} bytes more after {} bytes of frames", 8 * bytes);
    stack.finish().await;
}
