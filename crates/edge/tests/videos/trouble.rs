//! Unavailable stores and queues: 503, and the same request succeeds afterwards.

use std::pin::pin;

use framelift_edge::http::take_lines;
use framelift_edge::store::memory::StoreFaults;
use serde_json::json;

use crate::world::{Answer, MIB, World};

fn assert_unavailable(answer: &Answer) {
    assert_eq!(answer.short(), "503 unavailable");
    assert_eq!(answer.header("retry-after"), "2");
}

#[tokio::test]
async fn the_object_store() {
    let world = World::new();
    let create = || {
        let body = json!({ "file_name": "a.mp4", "size_bytes": 100 * MIB });
        world.post("/videos").user(1).header("idempotency-key", "k").json(body)
    };
    world.cloud.break_s3(3);
    let answer = create().send().await;
    insta::assert_snapshot!("unavailable", answer.shot());
    let created = create().send().await;
    assert_eq!(created.status, 201, "{}", created.text());
    let list = world.get("/videos").user(1).send().await.json();
    assert_eq!(list["items"].as_array().unwrap().len(), 1, "the key made one of both");

    let small = world.create(1, MIB).await;
    world.put(&small, MIB);
    let complete = format!("/videos/{}/complete", small["id"].as_str().unwrap());
    world.cloud.break_s3(3);
    assert_unavailable(&world.post(&complete).user(1).send().await);
    assert_eq!(world.post(&complete).user(1).send().await.status, 202);
    let other = world.create(1, MIB).await;
    world.put(&other, MIB);
    let video = format!("/videos/{}", other["id"].as_str().unwrap());
    world.cloud.break_s3(2);
    let answer = world.post(&format!("{video}/complete")).user(1).send().await;
    assert_eq!((answer.status.as_u16(), world.cloud.s3_failures()), (202, 8), "two failures are hidden");
    world.cloud.break_s3(3);
    assert_unavailable(&world.delete(&video).user(1).send().await);
    assert_eq!(world.delete(&video).user(1).send().await.status, 204);
}

#[tokio::test]
async fn the_queue() {
    let world = World::new();
    let created = world.create(1, MIB).await;
    world.put(&created, MIB);
    let complete = format!("/videos/{}/complete", created["id"].as_str().unwrap());
    world.cloud.break_sqs(3);
    assert_unavailable(&world.post(&complete).user(1).send().await);
    assert!(world.cloud.take_sent().is_empty());
    assert_eq!(world.post(&complete).user(1).send().await.status, 202);
    assert_eq!(world.cloud.take_sent().len(), 1);

    // Only the sweep continues this one.
    let created = world.create(1, MIB).await;
    world.put(&created, MIB);
    world.cloud.break_sqs(3);
    let complete = format!("/videos/{}/complete", created["id"].as_str().unwrap());
    assert_unavailable(&world.post(&complete).user(1).send().await);
    assert_eq!(world.post("/internal/sweep").worker().send().await.status, 200);
    assert_eq!(world.cloud.take_sent().len(), 1);
}

#[tokio::test]
async fn the_key_value_store() {
    let world = World::new();
    let id = world.uploaded(1).await;
    world.kv.set_faults(StoreFaults { error_before: 100, ..StoreFaults::default() });
    for path in ["/videos".to_owned(), format!("/videos/{id}"), format!("/videos/{id}/download")] {
        assert_unavailable(&world.get(&path).user(1).send().await);
    }
    assert_unavailable(&world.claim(&id).await);
    assert_unavailable(&world.get("/health/ready").send().await);
    let body = json!({ "file_name": "a.mp4", "size_bytes": 1 });
    assert_unavailable(&world.post("/videos").user(1).json(body).send().await);
    let answer = world.get("/videos").user(1).send().await;
    assert!(!answer.text().contains("slots/"), "no key of the store is told: {}", answer.text());
    world.kv.set_faults(StoreFaults::default());
    assert_eq!(world.get("/videos").user(1).send().await.json()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_damaged_record() {
    let world = World::new();
    let (damaged, good) = (world.uploaded(1).await, world.uploaded(1).await);
    world.kv.load(&format!("video/{damaged}"), b"{\"v\":1,\"value\":{}}".to_vec());
    let answer = world.get(&format!("/videos/{damaged}")).user(1).send().await;
    assert_eq!(answer.short(), "500 record-damaged");
    assert!(!answer.headers.contains_key("retry-after"), "it does not help to ask again");
    let list = world.get("/videos").user(1).send().await.json();
    assert_eq!(list["items"].as_array().unwrap().len(), 1, "the others are listed");
    assert_eq!(world.post("/internal/sweep").worker().send().await.status, 200);
    assert_eq!(world.claim(&good).await.status, 200);
}

#[tokio::test]
async fn damaged_records_are_logged_once_where_others_go_on() {
    let world = World::new();
    let lines = |message: &str| {
        let lines = take_lines().into_iter().filter(|line| line["message"] == message);
        lines.collect::<Vec<_>>()
    };
    let sweep = async || assert_eq!(world.post("/internal/sweep").worker().send().await.status, 200);
    let damage = |key: &str| world.kv.load(key, br#"{"v":1,"value":"damaged"}"#.to_vec());
    let (first, second) = (world.uploaded(1).await, world.uploaded(1).await);
    take_lines();

    damage(&format!("video/{first}"));
    for _ in 0..2 {
        world.get(&format!("/videos/{first}")).user(1).send().await;
    }
    let failed = lines("A stored record cannot be used");
    assert_eq!(failed.len(), 2, "each request that fails: {failed:?}");
    for _ in 0..3 {
        world.get("/videos").user(1).send().await;
        sweep().await;
    }
    let left_out = lines("a damaged record is left out");
    let [line] = &left_out[..] else { panic!("{left_out:?}") };
    assert_eq!((&line["level"], &line["user.id"]), (&json!("error"), &json!(world.user(1))));
    let cause = line["cause"].as_str().unwrap();
    assert!(cause.starts_with("the record ") && cause.contains("docs/operations.md"), "{cause}");

    damage(&format!("video/{second}"));
    for _ in 0..3 {
        sweep().await;
        world.get("/videos").user(1).send().await;
    }
    let of_user = lines("the sweep failed for a user");
    let [line] = &of_user[..] else { panic!("{of_user:?}") };
    assert_eq!((&line["level"], &line["user.id"]), (&json!("error"), &json!(world.user(1))));
    assert_eq!(line["correlation_id"], "c-1");

    damage(&world.kv.dump("work/")[0].0);
    for _ in 0..3 {
        sweep().await;
    }
    let of_page = lines("a part of the sweep failed");
    let [line] = &of_page[..] else { panic!("{of_page:?}") };
    assert_eq!((&line["level"], &line["correlation_id"]), (&json!("error"), &json!("c-1")));
    // What may pass is a warning of each sweep.
    world.kv.set_faults(StoreFaults { error_before: 2, ..StoreFaults::default() });
    for _ in 0..2 {
        sweep().await;
        let of_pages = lines("a part of the sweep failed");
        assert!(!of_pages.is_empty() && of_pages.iter().all(|line| line["level"] == "warn"), "{of_pages:?}");
    }
}

#[tokio::test]
async fn a_missing_or_wrong_object_is_not_accepted() {
    let world = World::new();
    let created = world.create(1, MIB).await;
    let id = created["id"].as_str().unwrap();
    let complete = format!("/videos/{id}/complete");
    let answer = world.post(&complete).user(1).send().await;
    insta::assert_snapshot!("nothing_uploaded", answer.shot());
    // A store that does not enforce the signed length.
    let key = format!("uploads/{}/{id}", world.user(1));
    world.cloud.put(&key, vec![0; MIB as usize - 1]);
    let answer = world.post(&complete).user(1).send().await;
    insta::assert_snapshot!("size_mismatch", answer.shot());
    assert!(world.cloud.keys().is_empty(), "it is deleted");
    assert_eq!(world.put(&created, MIB), 200);
    assert_eq!(world.post(&complete).user(1).send().await.status, 202, "and may come again");
}

#[tokio::test]
async fn a_video_canceled_during_its_creation_has_nothing_to_upload() {
    for call in ["cancel", "delete"] {
        let world = World::new();
        world.kv.set_faults(StoreFaults { interleave: true, ..StoreFaults::default() });
        let body = json!({ "file_name": "a.mp4", "size_bytes": 100 * MIB });
        let mut create = pin!(world.post("/videos").user(1).json(body).send());
        while world.cloud.unfinished().is_empty() {
            assert!(futures::poll!(&mut create).is_pending());
        }
        let list = world.get("/videos").user(1).send().await.json();
        let id = list["items"][0]["id"].as_str().unwrap();
        let answer = match call {
            "cancel" => world.post(&format!("/videos/{id}/cancel")).user(1).send().await,
            _ => world.delete(&format!("/videos/{id}")).user(1).send().await,
        };
        assert!(answer.status.is_success(), "{}", answer.text());
        let created = create.await;
        assert_eq!(created.status, 201, "{}", created.text());
        let created = created.json();
        assert_eq!((&created["status"], &created["upload"]["parts"]), (&json!("canceled"), &json!([])));
        assert!(world.cloud.unfinished().is_empty(), "{call}");
    }
}
