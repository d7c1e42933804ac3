//! The life of a video, with snapshots of all answers.

use framelift_domain::TraceParent;
use serde_json::json;

use crate::world::{MIB, World, completed, failed};

#[tokio::test]
async fn calls_at_the_same_time_send_one_message() {
    for faults in framelift_edge::store::memory::StoreFaults::MODES.map(|(_, faults)| faults) {
        let world = World::new();
        let created = world.create(1, MIB).await;
        world.put(&created, MIB);
        let complete = format!("/videos/{}/complete", created["id"].as_str().unwrap());
        world.kv.set_faults(framelift_edge::store::memory::StoreFaults {
            error_before: 0,
            error_after: 0,
            ..faults
        });
        let calls = (0..10).map(|_| world.post(&complete).user(1).send());
        for answer in futures::future::join_all(calls).await {
            assert!([202, 503].contains(&answer.status.as_u16()), "{}", answer.text());
        }
        assert_eq!(world.cloud.take_sent().len(), 1);
        assert_eq!(world.post(&complete).user(1).send().await.status, 202);
        assert!(world.cloud.take_sent().is_empty());
    }
}

#[tokio::test]
async fn a_video_belongs_to_the_trace_that_its_first_request_names() {
    let world = World::new();
    let named = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let made = TraceParent::of(&"c-1".parse().unwrap()).to_string();
    for (sent, kept) in [(named, named), ("", &made), ("00-nonsense", &made)] {
        let body = json!({ "file_name": "a.mp4", "size_bytes": MIB });
        let created =
            world.post("/videos").user(1).header("traceparent", sent).json(body).send().await.json();
        assert_eq!(world.put(&created, MIB), 200);
        let complete = format!("/videos/{}/complete", created["id"].as_str().unwrap());
        let other = "00-11111111111111111111111111111111-2222222222222222-01";
        assert_eq!(world.post(&complete).user(1).header("traceparent", other).send().await.status, 202);
        let message = &world.cloud.take_sent()[0].message;
        assert_eq!(message.traceparent.unwrap().to_string(), kept, "{sent}");
    }
}

#[tokio::test]
async fn one_put() {
    let world = World::new();
    let body = json!({
        "file_name": "Füße \"1\".mp4", "size_bytes": MIB, "content_type": "video/mp4",
        "options": { "select": { "count": 20 }, "format": "png", "resize": { "width": 320 } }
    });
    let created = world.post("/videos").user(1).json(body).send().await;
    insta::assert_snapshot!("create_put", created.shot());
    let created = created.json();
    let id = created["id"].as_str().unwrap();

    assert_eq!(world.put(&created, MIB + 1), 403, "the length is signed");
    assert_eq!(world.put(&created, MIB), 200);
    let complete = format!("/videos/{id}/complete");
    let answer = world.post(&complete).user(1).send().await;
    insta::assert_snapshot!("complete", answer.shot());
    let again = world.post(&complete).user(1).send().await;
    assert_eq!((again.status, again.json()), (answer.status, answer.json()));

    let sent = world.cloud.take_sent();
    assert_eq!(sent.len(), 1, "one message for two calls");
    assert_eq!(sent[0].message.video_id.to_string(), id);
    assert_eq!(sent[0].message.correlation_id.as_str(), "c-1");
    assert_eq!(sent[0].group, world.user(1).to_string());
    assert_eq!(sent[0].delay_s, 0);

    let video = format!("/videos/{id}");
    insta::assert_snapshot!("get_pending", world.get(&video).user(1).send().await.shot());
    let download = format!("/videos/{id}/download");
    insta::assert_snapshot!("download_too_early", world.get(&download).user(1).send().await.shot());
    insta::assert_snapshot!("claim", world.claim(id).await.shot());
    let progress = json!({
        "attempt": 1, "worker_id": "w-1",
        "progress": { "stage": "extracting", "percent": 40, "frames_done": 8, "frames_expected": 20, "bytes_read": 7 }
    });
    insta::assert_snapshot!("progress", world.report(id, "progress", progress).await.shot());
    insta::assert_snapshot!("get_processing", world.get(&video).user(1).send().await.shot());
    insta::assert_snapshot!("report_complete", world.report(id, "complete", completed(1)).await.shot());
    let notified = json!({ "attempt": 1, "worker_id": "w-1" });
    insta::assert_snapshot!("notified", world.report(id, "notified", notified).await.shot());
    insta::assert_snapshot!("get_completed", world.get(&video).user(1).send().await.shot());
    insta::assert_snapshot!("download_redirect", world.get(&download).user(1).send().await.shot());
    let json = world.get(&download).user(1).header("accept", "application/json").send().await;
    insta::assert_snapshot!("download_json", json.shot());
}

#[tokio::test]
async fn in_parts() {
    let world = World::new();
    let size = 200 * MIB + 1;
    let created = world.post("/videos").user(1).json(json!({"file_name":"a.mkv","size_bytes":size}));
    let created = created.send().await;
    let body = created.json();
    assert_eq!(body["upload"]["part_count"], 26);
    assert_eq!(body["upload"]["parts"].as_array().unwrap().len(), 26);
    assert_eq!(body["upload"]["parts"][25]["size"], 1);
    let id = body["id"].as_str().unwrap();

    let put = |part: &serde_json::Value| {
        let url = part["url"].as_str().unwrap();
        world.cloud.client_put(url, &Default::default(), part["size"].as_u64().unwrap())
    };
    let parts = body["upload"]["parts"].as_array().unwrap();
    for part in parts.iter().filter(|part| part["number"] != 3 && part["number"] != 26) {
        assert_eq!(put(part), 200);
    }
    let complete = format!("/videos/{id}/complete");
    insta::assert_snapshot!("complete_parts_missing", world.post(&complete).user(1).send().await.shot());
    let fresh = world.get(&format!("/videos/{id}/upload-parts?from=25&to=26")).user(1).send().await;
    let fresh_body = fresh.json();
    assert_eq!(fresh_body["uploaded"].as_array().unwrap().len(), 24);
    let mut short = fresh;
    let mut value = fresh_body.clone();
    value["uploaded"].as_array_mut().unwrap().truncate(1);
    short.body = value.to_string().into();
    insta::assert_snapshot!("upload_parts", short.shot());
    assert_eq!(put(&parts[2]), 200);
    assert_eq!(put(&fresh_body["parts"][1]), 200);
    let answer = world.post(&complete).user(1).send().await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    assert_eq!(world.post(&complete).user(1).send().await.status, 202);
    assert_eq!(world.cloud.take_sent().len(), 1);
    assert!(world.cloud.unfinished().is_empty());
    assert_eq!(world.cloud.only_object().bytes.len() as u64, size);
    let over = world.get(&format!("/videos/{id}/upload-parts")).user(1).send().await;
    assert_eq!(over.short(), "409 processing-already-finished");
}

#[tokio::test]
async fn a_large_upload_names_a_hundred_parts() {
    let world = World::new();
    let created = world.create(1, 50 << 30).await;
    assert_eq!(created["upload"]["parts"].as_array().unwrap().len(), 100);
    let id = created["id"].as_str().unwrap();
    let get =
        async |query: &str| world.get(&format!("/videos/{id}/upload-parts{query}")).user(1).send().await;
    assert_eq!(get("").await.json()["parts"].as_array().unwrap().len(), 100);
    for (query, parts) in
        [("?from=980", 6), ("?from=986", 0), ("?from=5&to=4", 0), ("?from=1&to=101", 100), ("?to=7", 7)]
    {
        assert_eq!(get(query).await.json()["parts"].as_array().unwrap().len(), parts, "{query}");
    }
    for (query, answer) in [
        ("?from=0", "422 validation-failed ?from"),
        ("?from=10001", "422 validation-failed ?from"),
        ("?to=-1", "422 validation-failed ?to"),
        ("?from=x", "422 validation-failed ?from"),
        ("?page=1", "422 validation-failed ?page"),
    ] {
        assert_eq!(get(query).await.short(), answer, "{query}");
    }
    let small = world.create(1, 5).await;
    let path = format!("/videos/{}/upload-parts", small["id"].as_str().unwrap());
    assert_eq!(world.get(&path).user(1).send().await.short(), "404 not-found");
}

#[tokio::test]
async fn five_in_flight_and_the_rest_in_line() {
    let world = World::new();
    let mut ids = Vec::new();
    for _ in 0..7 {
        ids.push(world.uploaded(1).await);
    }
    let other = world.uploaded(2).await;
    assert_eq!(world.cloud.take_sent().len(), 6);
    let get = async |id: &str| world.get(&format!("/videos/{id}")).user(1).send().await.json();
    assert_eq!(get(&ids[5]).await["queue_position"], 1);
    assert_eq!(get(&ids[6]).await["queue_position"], 2);
    assert_eq!(get(&ids[6]).await["status"], "queued");
    assert_eq!(world.claim(&ids[6]).await.short(), "409 job-not-ready");
    assert_eq!(world.claim(&other).await.status, 200);

    world.complete(&ids[0]).await;
    let sent = world.cloud.take_sent();
    assert_eq!(
        sent.iter().map(|sent| sent.message.video_id.to_string()).collect::<Vec<_>>(),
        [ids[5].clone()]
    );
    assert_eq!(get(&ids[5]).await["status"], "pending");
    assert_eq!(get(&ids[6]).await["queue_position"], 1);

    let cancel = world.post(&format!("/videos/{}/cancel", ids[1])).user(1).send().await;
    insta::assert_snapshot!("cancel", cancel.shot());
    assert_eq!(world.cloud.take_sent().len(), 1);
    let again = world.post(&format!("/videos/{}/cancel", ids[0])).user(1).send().await;
    assert_eq!(again.short(), "409 processing-already-finished");
    assert_eq!(world.post(&format!("/videos/{}/cancel", ids[1])).user(1).send().await.status, 202);
}

#[tokio::test]
async fn runs_share_the_upload() {
    let world = World::new();
    let first = world.uploaded(1).await;
    let runs = format!("/videos/{first}/runs");
    world.complete(&first).await;
    world.cloud.take_sent();
    let run = world.post(&runs).user(1).json(json!({"options":{"select":{"all":true}}})).send().await;
    insta::assert_snapshot!("run", run.shot());
    let run = run.json()["id"].as_str().unwrap().to_owned();
    assert_ne!(run, first);
    let job = world.claim(&run).await.json();
    assert_eq!(job["source_key"], format!("uploads/{}/{first}", world.user(1)));
    assert_eq!(job["options"]["select"]["all"], true);
    assert_eq!(world.post(&runs).user(1).send().await.status, 202, "no body means the defaults");

    // The first video is deleted, its runs keep the upload.
    assert_eq!(world.delete(&format!("/videos/{first}")).user(1).send().await.status, 204);
    assert_eq!(world.get(&format!("/videos/{first}")).user(1).send().await.short(), "404 video-not-found");
    assert_eq!(world.cloud.keys(), [format!("uploads/{}/{first}", world.user(1))]);
    let waiting = world.create(1, 5).await;
    let path = format!("/videos/{}/runs", waiting["id"].as_str().unwrap());
    assert_eq!(world.post(&path).user(1).send().await.short(), "409 upload-incomplete");
}

#[tokio::test]
async fn deletion_removes_all_objects() {
    let world = World::new();
    let id = world.uploaded(1).await;
    world.complete(&id).await;
    assert_eq!(world.cloud.keys().len(), 2);
    let video = format!("/videos/{id}");
    insta::assert_snapshot!("delete", world.delete(&video).user(1).send().await.shot());
    assert!(world.cloud.keys().is_empty());
    assert_eq!(world.get(&video).user(1).send().await.short(), "404 video-not-found");
    assert_eq!(world.delete(&video).user(1).send().await.short(), "404 video-not-found");
    let large = world.create(1, 100 * MIB).await;
    assert_eq!(world.cloud.unfinished().len(), 1);
    let video = format!("/videos/{}", large["id"].as_str().unwrap());
    assert_eq!(world.delete(&video).user(1).send().await.status, 204);
    assert!(world.cloud.unfinished().is_empty());
}

#[tokio::test]
async fn a_useless_upload_is_deleted_when_its_video_fails() {
    let world = World::new();
    let id = world.uploaded(1).await;
    world.claim(&id).await;
    let answer = world.report(&id, "fail", failed(1, "not-a-video", false)).await;
    insta::assert_snapshot!("report_fail", answer.shot());
    assert!(world.cloud.keys().is_empty());
    insta::assert_snapshot!("get_failed", world.get(&format!("/videos/{id}")).user(1).send().await.shot());
    let run = world.post(&format!("/videos/{id}/runs")).user(1).send().await;
    insta::assert_snapshot!("run_without_source", run.shot());
    let download = world.get(&format!("/videos/{id}/download")).user(1).send().await;
    assert_eq!(download.short(), "400 processing-not-finished");
}

#[tokio::test]
async fn lists_are_paged_and_filtered() {
    let world = World::new();
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(world.uploaded(1).await);
        world.advance_s(1);
    }
    world.uploaded(2).await;
    world.complete(&ids[1]).await;
    let list = async |query: &str| world.get(&format!("/videos{query}")).user(1).send().await;
    let ids_of = |page: &serde_json::Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap().iter();
        items.map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    };
    insta::assert_snapshot!("list", list("?limit=2&status=pending").await.shot());
    let first = list("?limit=2").await.json();
    assert_eq!(ids_of(&first), [ids[2].clone(), ids[1].clone()]);
    world.uploaded(1).await;
    let second = list(&format!("?limit=2&cursor={}", first["next_cursor"].as_str().unwrap())).await.json();
    assert_eq!(ids_of(&second), [ids[0].clone()], "stable while new ones arrive");
    assert_eq!(second["next_cursor"], json!(null));
    assert_eq!(ids_of(&list("?status=completed").await.json()), [ids[1].clone()]);
    assert_eq!(ids_of(&list("?status=failed").await.json()), Vec::<String>::new());
    for (query, answer) in [
        ("?limit=0", "422 validation-failed ?limit"),
        ("?limit=101", "422 validation-failed ?limit"),
        ("?cursor=x", "422 validation-failed ?cursor"),
        ("?status=done", "422 validation-failed ?status"),
        ("?status=", "422 validation-failed ?status"),
        ("?limit=1&limit=1", "422 validation-failed ?limit"),
        ("?offset=1", "422 validation-failed ?offset"),
    ] {
        assert_eq!(list(query).await.short(), answer, "{query}");
    }
}

#[tokio::test]
async fn unchanged_answers_are_not_sent_again() {
    let world = World::new();
    let id = world.uploaded(1).await;
    for path in [format!("/videos/{id}"), "/videos".to_owned()] {
        let first = world.get(&path).user(1).send().await;
        let tag = first.header("etag").to_owned();
        let second = world.get(&path).user(1).header("if-none-match", &tag).send().await;
        assert_eq!((second.status.as_u16(), second.body.len()), (304, 0));
        assert_eq!(second.header("etag"), tag);
        assert_eq!(second.header("x-correlation-id"), "c-1");
        world.claim(&id).await;
        let third = world.get(&path).user(1).header("if-none-match", &tag).send().await;
        assert_eq!(third.status, 200);
        world.report(&id, "fail", failed(1, "internal", true)).await;
    }
}

#[tokio::test]
async fn the_key_of_a_deleted_video_is_free() {
    let world = World::new();
    let body = json!({ "file_name": "a.mp4", "size_bytes": 100 * MIB });
    let create = async |body: &serde_json::Value| {
        world.post("/videos").user(1).header("idempotency-key", "k").json(body.clone()).send().await
    };
    let first = create(&body).await.json();
    let path = format!("/videos/{}", first["id"].as_str().unwrap());
    assert_eq!(world.delete(&path).user(1).send().await.status, 204);
    let answer = create(&body).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let second = answer.json();
    assert_ne!(second["id"], first["id"], "what was deleted stays deleted");
    assert_eq!(second["status"], "awaiting_upload");
    assert_eq!(create(&body).await.json()["id"], second["id"], "and the key does that once");
    let other = json!({ "file_name": "b.mp4", "size_bytes": 1 });
    assert_eq!(create(&other).await.short(), "422 idempotency-key-reused");
    let list = world.get("/videos").user(1).send().await.json();
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_same_key_does_it_once() {
    let world = World::new();
    let body = json!({ "file_name": "a.mp4", "size_bytes": 100 * MIB });
    let create = async |key: &str, body: &serde_json::Value| {
        world.post("/videos").user(1).header("idempotency-key", key).json(body.clone()).send().await
    };
    let first = create("k", &body).await.json();
    let second = create("k", &body).await.json();
    assert_eq!(first["id"], second["id"]);
    assert_eq!(first["upload"]["part_count"], second["upload"]["part_count"]);
    assert_eq!(world.cloud.unfinished().len(), 1);
    let other = json!({ "file_name": "b.mp4", "size_bytes": 1 });
    insta::assert_snapshot!("key_reused", create("k", &other).await.shot());
    assert_ne!(create("k2", &body).await.json()["id"], first["id"]);
    let stranger = world.post("/videos").user(2).header("idempotency-key", "k").json(other.clone());
    assert_eq!(stranger.send().await.status, 201, "keys are a user's own");
    world.advance_s(24 * 3600 + 1);
    assert_eq!(create("k", &other).await.status, 201, "after a day the key is free");
    assert_eq!(create("a b", &body).await.status, 201, "spaces inside are part of the key");
    for bad in ["", &"x".repeat(65), "a\tb"] {
        assert_eq!(create(bad, &body).await.short(), "400 bad-request", "{bad:?}");
    }

    let id = world.uploaded(1).await;
    let run = async |key: &str, body: serde_json::Value| {
        let call = world.post(&format!("/videos/{id}/runs")).user(1).header("idempotency-key", key);
        call.json(body).send().await
    };
    let first = run("r", json!({})).await;
    assert_eq!(first.status, 202);
    assert_eq!(run("r", json!({})).await.json(), first.json());
    assert_eq!(run("r", json!({"options":{"quality":5}})).await.short(), "422 idempotency-key-reused");
    let complete = async |id: &str| {
        let call = world.post(&format!("/videos/{id}/complete")).user(1);
        call.header("idempotency-key", "c").send().await
    };
    assert_eq!(complete(&id).await.status, 202);
    assert_eq!(complete(&id).await.status, 202);
    let other = world.uploaded(1).await;
    assert_eq!(complete(&other).await.short(), "422 idempotency-key-reused");
}
