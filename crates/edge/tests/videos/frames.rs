//! Single frames of finished videos: by number, by time and by link, whole and in parts.

use framelift_contract::frame_index::{Extent, IndexBuilder, Row};
use framelift_domain::Format;
use http::Method;
use serde_json::{Value, json};

use crate::world::{Answer, World};

impl World {
    /// A finished video of that user with these images, one a second; its id.
    pub(crate) async fn indexed(&self, user: u8, images: &[&[u8]]) -> String {
        let id = self.uploaded(user).await;
        let job = self.claim(&id).await.json();
        let (mut archive, mut index) = (b"local header".to_vec(), IndexBuilder::default());
        let mut add = |bytes: &[u8]| {
            let extent = Extent {
                offset: archive.len() as u64,
                length: bytes.len() as u32,
                crc: crc32fast::hash(bytes),
            };
            archive.extend_from_slice(bytes);
            archive.extend_from_slice(b"another header");
            extent
        };
        for (n, image) in images.iter().enumerate() {
            let time_ns = n as i64 * 1_000_000_000 + 33_366_667;
            index.push(Row { image: add(image), width: 640, height: 360, time_ns, keyframe: n == 0 });
        }
        let manifest = add(br#"{"version":1}"#);
        let size_bytes = archive.len() as u64;
        let index = index.finish(Format::Jpeg, (size_bytes, [0xab; 32].into()), manifest);
        self.cloud.put(job["result_key"].as_str().unwrap(), archive);
        self.cloud.put(job["index_key"].as_str().unwrap(), index);
        let report = json!({
            "attempt": 1, "worker_id": "w-1", "size_bytes": size_bytes, "frames": images.len(),
            "sha256": "ab".repeat(32), "bytes_read": 1000, "warnings": [], "indexed": true
        });
        let answer = self.report(&id, "complete", report).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        id
    }

    fn key_of(&self, id: &str, suffix: &str) -> String {
        let keys = self.cloud.keys();
        keys.into_iter().find(|key| key.contains(&format!("/{id}/")) && key.ends_with(suffix)).unwrap()
    }

    /// Replaces the archive of a video.
    pub(crate) fn forget_result(&self, id: &str) {
        for suffix in [".zip", ".index.bin"] {
            self.cloud.put(&self.key_of(id, suffix), vec![0]);
        }
    }

    /// Changes one byte of a video's archive.
    fn damage(&self, id: &str, at: usize) {
        let key = self.key_of(id, ".zip");
        let mut archive = self.cloud.object(&key);
        archive[at] ^= 1;
        self.cloud.put(&key, archive);
    }

    async fn frames(&self, id: &str, query: &str) -> Value {
        let answer = self.get(&format!("/videos/{id}/frames{query}")).user(1).send().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    async fn of_video(&self, id: &str, call: &str) -> Answer {
        self.get(&format!("/videos/{id}/{call}")).user(1).send().await
    }
}

fn links(page: &Value) -> Vec<String> {
    page["items"].as_array().unwrap().iter().map(|item| item["url"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn every_frame_is_found_by_its_number_and_its_link() {
    let world = World::new();
    let images: Vec<Vec<u8>> = (0..5_u8).map(|n| vec![n; 10 + usize::from(n)]).collect();
    let borrowed: Vec<&[u8]> = images.iter().map(Vec::as_slice).collect();
    let id = world.indexed(1, &borrowed).await;
    let (mut query, mut seen) = ("?limit=2".to_owned(), Vec::new());
    loop {
        let page = world.frames(&id, &query).await;
        seen.extend(page["items"].as_array().unwrap().clone());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        query = format!("?limit=2&cursor={cursor}");
    }
    assert_eq!(seen.len(), 5);
    for (n, (item, image)) in seen.iter().zip(&images).enumerate() {
        assert_eq!((&item["n"], &item["bytes"]), (&json!(n + 1), &json!(image.len())));
        assert_eq!((&item["width"], &item["height"]), (&json!(640), &json!(360)));
        assert_eq!(item["keyframe"], n == 0);
        let by_number = world.of_video(&id, &format!("frames/{}", n + 1)).await;
        let by_link = world.get(item["url"].as_str().unwrap()).send().await;
        for answer in [&by_number, &by_link] {
            assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &image[..]));
            assert_eq!(answer.header("content-type"), "image/jpeg");
            assert_eq!(
                answer.header("content-disposition"),
                format!("inline; filename=\"holiday-00000{}.jpg\"", n + 1)
            );
            assert_eq!(answer.header("accept-ranges"), "bytes");
        }
        assert_eq!(by_number.header("etag"), by_link.header("etag"));
        assert_eq!(by_number.header("cache-control"), "private, max-age=31536000, immutable");
        let age = by_link.header("cache-control").strip_prefix("public, max-age=").unwrap();
        let age: i64 = age.strip_suffix(", immutable").unwrap().parse().unwrap();
        assert!((3600..=7200).contains(&age), "{age}");
    }
    assert_eq!(seen[1]["time"], "1.033366667");
    assert_eq!(seen[1]["time_seconds"], 1.033_366_667);
    let manifest = world.of_video(&id, "manifest").await;
    assert_eq!(
        (&manifest.body[..], manifest.header("content-type")),
        (&br#"{"version":1}"#[..], "application/json")
    );
    let page = world.frames(&id, "?limit=2&from=3").await;
    assert_eq!((&page["items"][0], &page["items"][1]), (&seen[2], &seen[3]));
    assert_eq!(world.frames(&id, "?from=6").await["items"], json!([]));
    let page = world.frames(&id, "?limit=1&from=1&cursor=0000000000000002").await;
    assert_eq!(page["items"], json!([seen[1]]), "a cursor goes before a number");
    for from in ["0", "x"] {
        let answer = world.of_video(&id, &format!("frames?from={from}")).await;
        assert_eq!(answer.short(), "422 validation-failed ?from", "{from}");
    }
    assert_eq!(world.of_video(&id, "frames?cursor=0000000000000063").await.json()["items"], json!([]));
    let all = world.of_video(&id, "frames?cursor=0000000000000000").await.json();
    assert_eq!(all["items"].as_array().map(Vec::len), Some(images.len()), "no frame has a number before 1");
    for cursor in ["x", "0"] {
        let answer = world.of_video(&id, &format!("frames?cursor={cursor}")).await;
        assert_eq!(answer.short(), "422 validation-failed ?cursor", "{cursor}");
    }
}

#[tokio::test]
async fn a_time_leads_to_the_frame_that_is_on_screen() {
    let world = World::new();
    let images: Vec<Vec<u8>> = (0..300_u16).map(|n| n.to_le_bytes().to_vec()).collect();
    let borrowed: Vec<&[u8]> = images.iter().map(Vec::as_slice).collect();
    let id = world.indexed(1, &borrowed).await;
    for (time, n) in [
        ("0.033366667", 1),
        ("1s", 1),
        ("1.033366666", 1),
        ("1.033366667s", 2),
        ("127.9", 128),
        ("128.9", 129),
        ("200500ms", 201),
        ("4m", 240),
        ("1h", 300),
    ] {
        let answer = world.of_video(&id, &format!("frames/at/{time}")).await;
        assert_eq!(answer.header("content-location"), format!("/videos/{id}/frames/{n}"), "{time}");
        assert_eq!(answer.body[..], images[n - 1], "{time}");
    }
    for call in ["frames/at/0.03", "frames/at/x", "frames/at/-1", "frames/0", "frames/301", "frames/x"] {
        assert_eq!(world.of_video(&id, call).await.short(), "404 frame-not-found", "{call}");
    }
}

#[tokio::test]
async fn frames_are_answered_by_ranges_and_not_twice() {
    let world = World::new();
    let id = world.indexed(1, &[b"0123456789"]).await;
    let path = format!("/videos/{id}/frames/1");
    let get = || world.get(&path).user(1);
    let whole = get().send().await;
    let tag = whole.header("etag");
    assert!(tag.starts_with('"') && tag.ends_with("-a\""), "{tag}");
    let same = get().header("if-none-match", tag).send().await;
    assert_eq!((same.status.as_u16(), same.body.len(), same.header("etag")), (304, 0, tag));
    for (range, part) in [("bytes=2-4", "234"), ("bytes=7-", "789"), ("bytes=-1", "9")] {
        let answer = get().header("range", range).header("if-range", tag).send().await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (206, part));
        let begin = part.as_bytes()[0] - b'0';
        let end = usize::from(begin) + part.len() - 1;
        assert_eq!(answer.header("content-range"), format!("bytes {begin}-{end}/10"));
    }
    let behind = get().header("range", "bytes=10-").send().await;
    assert_eq!(behind.short(), "416 range-not-satisfiable");
    assert_eq!(behind.header("content-range"), "bytes */10");
    let other = get().header("range", "bytes=2-4").header("if-range", "\"x\"").send().await;
    assert_eq!((other.status.as_u16(), other.text().as_str()), (200, "0123456789"));
    let head = world.request(Method::HEAD, &path).user(1).send().await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    for name in
        ["etag", "content-length", "content-type", "content-disposition", "cache-control", "accept-ranges"]
    {
        assert_eq!(head.header(name), whole.header(name), "{name}");
    }
}

#[tokio::test]
async fn large_frames_go_through_in_pieces() {
    let world = World::new();
    let large: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let id = world.indexed(1, &[&large, b"small"]).await;
    let answer = world.of_video(&id, "frames/1").await;
    assert!(answer.body == large && !answer.broken_off);
    assert_eq!(world.largest_piece.get(), 512 << 10);
    let answer = world.get(&format!("/videos/{id}/frames/1")).user(1).header("range", "bytes=5-1500000");
    assert!(answer.send().await.body == large[5..=1_500_000]);
    // The last byte of the first frame is wrong, when the status has already been sent.
    world.damage(&id, b"local header".len() + large.len() - 1);
    let answer = world.of_video(&id, "frames/1").await;
    assert!(answer.broken_off && answer.body.len() < large.len());
    assert_eq!(world.of_video(&id, "frames/2").await.text(), "small");
}

#[tokio::test]
async fn a_damaged_result_is_not_answered_as_good() {
    let world = World::new();
    let id = world.indexed(1, &[b"first", b"second"]).await;
    let link = links(&world.frames(&id, "").await)[0].clone();
    world.damage(&id, b"local header".len() + 2);
    assert_eq!(world.of_video(&id, "frames/1").await.short(), "502 result-damaged");
    assert_eq!(world.get(&link).send().await.short(), "502 result-damaged");
    assert_eq!(world.of_video(&id, "frames/2").await.text(), "second");
    world.forget_result(&id);
    for call in ["frames/2", "manifest"] {
        assert_eq!(world.of_video(&id, call).await.short(), "502 result-damaged", "{call}");
    }
    let other = world.indexed(1, &[b"first"]).await;
    world.cloud.put(&world.key_of(&other, ".index.bin"), vec![0xff; 96]);
    for call in ["frames", "frames/1", "frames/at/1s", "manifest"] {
        assert_eq!(world.of_video(&other, call).await.short(), "502 result-damaged", "{call}");
    }
    // An unavailable store is not reported as damage.
    let id = world.indexed(1, &[b"first"]).await;
    world.cloud.break_s3(1000);
    assert_eq!(world.of_video(&id, "frames/1").await.short(), "503 unavailable");
    world.cloud.mend_s3();
    assert_eq!(world.of_video(&id, "frames/1").await.text(), "first");
}

#[tokio::test]
async fn a_link_opens_what_it_names_until_it_expires() {
    let world = World::new();
    let id = world.indexed(1, &[b"first", b"second"]).await;
    let page = world.frames(&id, "").await;
    let link = links(&page)[0].clone();
    assert_eq!(links(&world.frames(&id, "").await)[0], link, "a frame keeps its link for a while");
    let of_another = link.replace(&format!("{id}.1."), &format!("{id}.2."));
    assert_eq!(world.get(&of_another).send().await.short(), "403 invalid-link");
    let template = page["url_template"].as_str().unwrap();
    assert_eq!(world.get(&template.replace("{n}", "2")).send().await.text(), "second");
    assert_eq!(world.get(&template.replace("{n}", "3")).send().await.short(), "404 frame-not-found");
    let expires_at: framelift_domain::Time = page["expires_at"].as_str().unwrap().parse().unwrap();
    let left = expires_at.unix_s() - world.now().unix_s();
    world.advance_s(left - 1);
    assert_eq!(world.get(&link).send().await.text(), "first");
    world.advance_s(1);
    assert_eq!(world.get(&link).send().await.short(), "403 invalid-link");
    let link = links(&world.frames(&id, "").await)[0].clone();
    assert_eq!(world.get(&link).send().await.text(), "first");
    assert_eq!(world.delete(&format!("/videos/{id}")).user(1).send().await.status, 204);
    assert_eq!(world.get(&link).send().await.short(), "410 result-expired");

    let of_closed = world.indexed(1, &[b"first"]).await;
    let link = links(&world.frames(&of_closed, "").await)[0].clone();
    let close = format!("/internal/users/{}/close", world.user(1));
    assert_eq!(world.post(&close).worker().send().await.status, 204);
    assert_eq!(world.get(&link).send().await.short(), "410 result-expired");
}

#[tokio::test]
async fn results_without_frames_to_fetch_say_why() {
    let world = World::new();
    let waiting = world.uploaded(1).await;
    let old = world.uploaded(1).await;
    world.complete(&old).await;
    let expired = world.indexed(1, &[b"first"]).await;
    for call in ["frames", "frames/1", "frames/at/1s", "manifest"] {
        assert_eq!(world.of_video(&waiting, call).await.short(), "400 processing-not-finished", "{call}");
        assert_eq!(world.of_video(&old, call).await.short(), "404 frames-not-indexed", "{call}");
    }
    let result =
        async |id: &str| world.get(&format!("/videos/{id}")).user(1).send().await.json()["result"].clone();
    assert_eq!(result(&expired).await["indexed"], true);
    assert_eq!(result(&old).await.get("indexed"), None);
    world.advance_s(7 * 24 * 3600 + 1);
    for call in ["frames", "frames/1", "frames/at/1s", "manifest"] {
        assert_eq!(world.of_video(&expired, call).await.short(), "410 result-expired", "{call}");
    }
}
