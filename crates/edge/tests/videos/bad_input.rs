//! Invalid requests, quotas and rate limits.

use http::Method;
use serde_json::json;

use crate::world::{MIB, World, completed, failed};

#[tokio::test]
async fn new_videos() {
    let world = World::with(&[("max_upload_bytes", "1000000")]);
    let create = async |body: &str| world.post("/videos").user(1).body(body.to_owned()).send().await;
    let mut lines = String::new();
    for body in [
        "",
        " ",
        "{",
        "nonsense",
        "[]",
        "null",
        "{}",
        r#"{"file_name":"a.mp4"}"#,
        r#"{"file_name":"a.mp4","size_bytes":"1"}"#,
        r#"{"file_name":"a.mp4","size_bytes":1.5}"#,
        r#"{"file_name":"a.mp4","size_bytes":1e30}"#,
        r#"{"file_name":"a.mp4","size_bytes":0}"#,
        r#"{"file_name":"a.mp4","size_bytes":-1}"#,
        r#"{"file_name":"a.mp4","size_bytes":1000001}"#,
        r#"{"file_name":"a.mp4","size_bytes":9223372036854775807}"#,
        r#"{"file_name":"a.mp4","size_bytes":9223372036854775808}"#,
        r#"{"file_name":"","size_bytes":1}"#,
        r#"{"file_name":"a\u0000.mp4","size_bytes":1}"#,
        r#"{"file_name":"a.exe","size_bytes":1}"#,
        r#"{"file_name":"mp4","size_bytes":1}"#,
        r#"{"file_name":7,"size_bytes":1}"#,
        r#"{"file_name":"a.mp4","size_bytes":1,"colour":"red"}"#,
        r#"{"file_name":"a.mp4","file_name":"b.mp4","size_bytes":1}"#,
        r#"{"file_name":"a.mp4","size_bytes":1,"content_type":"video"}"#,
        r#"{"file_name":"a.mp4","size_bytes":1,"content_type":"video/mp4\r\nx: y"}"#,
        r#"{"file_name":"a.mp4","size_bytes":1,"options":{"colour":1}}"#,
        r#"{"file_name":"a.mp4","size_bytes":1,"options":{"select":{"every":"0s"},"quality":101}}"#,
        r#"{"file_name":"a.mp4","size_bytes":1,"options":{"select":{"at":["1s","x"]}}}"#,
        r#"{"file_name":"a.mp4","size_bytes":1,"options":{"range":{"end":"0%"}}}"#,
        r#"{"file_name":"a.mp4","size_bytes":1,"options":{"range":{"start":"100%","end":"5s"}}}"#,
        r#"{"file_name":"a.mp4","size_bytes":1,"options":{"plugins":[{"name":"watermark"}]}}"#,
        r#"{"file_name":"","size_bytes":0,"options":{"quality":0}}"#,
    ] {
        let answer = create(body).await;
        lines.push_str(&format!("{} <- {body}\n", answer.short()));
    }
    insta::assert_snapshot!("bad_new_videos", lines);
    assert_eq!(
        create(&format!(r#"{{"file_name":"{}.mp4","size_bytes":1}}"#, "x".repeat(252))).await.short(),
        "422 validation-failed /file_name"
    );
    assert_eq!(
        create(&format!(r#"{{"file_name":"{}.mp4","size_bytes":1}}"#, "é".repeat(251))).await.status,
        201
    );
    let answer =
        world.post("/videos").user(1).json(json!({"file_name": "a.txt", "size_bytes": 1})).send().await;
    insta::assert_snapshot!("unsupported_format", answer.shot());
    let answer =
        world.post("/videos").user(1).json(json!({"file_name": "a.mp4", "size_bytes": 0})).send().await;
    insta::assert_snapshot!("size_zero", answer.shot());
}

#[tokio::test]
async fn bodies_of_the_wrong_kind() {
    let world = World::new();
    let oversized = format!(r#"{{"file_name":"{}"}}"#, "x".repeat(64 * 1024));
    for path in ["/videos", "/videos/018bcfe5-6800-7707-8707-070707070707/runs"] {
        let answer = world.post(path).user(1).body(oversized.clone()).send().await;
        assert_eq!(answer.short(), "413 payload-too-large", "{path}");
    }
    let good = r#"{"file_name":"a.mp4","size_bytes":1}"#;
    let answer = world.post("/videos").user(1).header("content-type", "text/plain").body(good).send().await;
    assert_eq!(answer.short(), "415 unsupported-media-type");
    let answer = world.post("/videos").user(1).body(good.as_bytes()).send().await;
    assert_eq!(answer.status, 201, "no type is taken for JSON");
    let answer = world.post("/videos").user(1).body(vec![0xff, 0xfe, b'{']).send().await;
    assert_eq!(answer.short(), "400 malformed-json");
    let deep = "[".repeat(60_000);
    assert_eq!(world.post("/videos").user(1).body(deep).send().await.short(), "400 malformed-json");
}

#[tokio::test]
async fn runs() {
    let world = World::new();
    let id = world.uploaded(1).await;
    let run = async |body: &str| {
        let call = world.post(&format!("/videos/{id}/runs")).user(1);
        call.body(body.to_owned()).send().await.short()
    };
    assert_eq!(run("{").await, "400 malformed-json");
    assert_eq!(run(r#"{"option":{}}"#).await, "422 validation-failed /option");
    assert_eq!(run(r#"{"options":{"format":"gif"}}"#).await, "422 validation-failed /options/format");
    assert_eq!(
        run(r#"{"options":{"plugins":[{"name":"p"}]}}"#).await,
        "422 validation-failed /options/plugins/0/name"
    );
}

#[tokio::test]
async fn worker_reports() {
    let world = World::new();
    let id = world.uploaded(1).await;
    let report = async |what: &str, body: &str| {
        let call = world.post(&format!("/internal/jobs/{id}/{what}")).worker();
        call.body(body.to_owned()).send().await.short()
    };
    let mut lines = String::new();
    for (what, body) in [
        ("claim", "{}"),
        ("claim", r#"{"worker_id":"a b"}"#),
        ("claim", r#"{"worker_id":"w","claim_id":""}"#),
        ("claim", r#"{"worker_id":"w","extra":1}"#),
        (
            "progress",
            r#"{"attempt":1,"worker_id":"w","progress":{"stage":"sleeping","percent":1,"frames_done":0,"frames_expected":null,"bytes_read":0}}"#,
        ),
        (
            "progress",
            r#"{"attempt":1,"worker_id":"w","progress":{"stage":"reading","percent":101,"frames_done":0,"frames_expected":null,"bytes_read":0}}"#,
        ),
        ("progress", r#"{"attempt":-1,"worker_id":"w"}"#),
        (
            "complete",
            r#"{"attempt":1,"worker_id":"w","size_bytes":1,"frames":1,"sha256":"x","bytes_read":1}"#,
        ),
        ("fail", r#"{"attempt":1,"worker_id":"w","code":"tired","message":"m"}"#),
        ("notified", "[]"),
    ] {
        lines.push_str(&format!("{} <- {what} {body}\n", report(what, body).await));
    }
    insta::assert_snapshot!("bad_reports", lines);
    for what in ["claim", "progress", "complete", "fail", "notified"] {
        let body = match what {
            "claim" => json!({"worker_id": "w"}),
            "progress" => {
                json!({"attempt":1,"worker_id":"w","progress":{"stage":"reading","percent":1,"frames_done":0,"frames_expected":null,"bytes_read":0}})
            }
            "complete" => crate::world::completed(1),
            "fail" => crate::world::failed(1, "internal", false),
            _ => json!({"attempt": 1, "worker_id": "w"}),
        };
        for id in ["x", "018bcfe5-6800-7707-8707-070707070707"] {
            let answer = world.report(id, what, body.clone()).await;
            assert_eq!(answer.short(), "404 video-not-found", "{what} {id}");
        }
    }
    let answer = world.get("/internal/jobs/x/notice").worker().send().await;
    assert_eq!(answer.short(), "404 video-not-found");
}

#[tokio::test]
async fn the_storage_quota_is_enforced() {
    let limit = (3 * MIB).to_string();
    let world = World::with(&[("max_stored_bytes_per_user", &limit)]);
    let used = async || world.get("/storage").user(1).send().await.json()["used_bytes"].as_u64().unwrap();
    let create = |size| world.post("/videos").user(1).json(json!({"file_name": "a.mp4", "size_bytes": size}));
    let done = world.uploaded(1).await;
    let announced = world.create(1, MIB).await["id"].as_str().unwrap().to_owned();
    assert_eq!(used().await, 2 * MIB);
    let refused = create(MIB + 1).send().await;
    insta::assert_snapshot!("storage_quota_exceeded", refused.shot());
    // A streamed upload counts once its length is known.
    let stream = world.post("/videos/upload?file_name=a.mp4").user(1).body(vec![0; MIB as usize + 1]);
    assert_eq!(stream.send().await.short(), "409 storage-quota-exceeded");
    assert_eq!(create(MIB).send().await.status, 201);

    world.complete(&done).await;
    insta::assert_snapshot!("storage", world.get("/storage").user(1).send().await.shot());
    let run = world.post(&format!("/videos/{done}/runs")).user(1).send().await;
    assert_eq!(run.short(), "409 storage-quota-exceeded");
    world.post(&format!("/videos/{announced}/cancel")).user(1).send().await;
    assert_eq!(used().await, 2 * MIB + 9);
    let run = world.post(&format!("/videos/{done}/runs")).user(1).send().await.json();
    world.complete(run["id"].as_str().unwrap()).await;
    assert_eq!(used().await, 2 * MIB + 18, "a run adds its result alone");
    world.delete(&format!("/videos/{done}")).user(1).send().await;
    assert_eq!(used().await, 2 * MIB + 9, "the upload is the run's now");
    // The last video expires, and an hour later everything is deleted.
    for _ in 0..4 {
        world.advance_s(8 * 24 * 3600);
        world.post("/internal/sweep").worker().send().await;
    }
    assert_eq!(used().await, 0);
    assert_eq!(create(3 * MIB).send().await.status, 201);
}

#[tokio::test]
async fn too_many_unfinished_videos() {
    let world = World::with(&[("max_open_per_user", "2")]);
    world.create(1, MIB).await;
    world.create(1, MIB).await;
    let third = world.post("/videos").user(1).json(json!({"file_name": "a.mp4", "size_bytes": 1}));
    insta::assert_snapshot!("quota_exceeded", third.send().await.shot());
    assert_eq!(
        world.request(Method::GET, "/videos").user(1).send().await.json()["items"].as_array().unwrap().len(),
        2
    );
}

#[tokio::test]
async fn the_daily_upload_quota_is_enforced() {
    let world = World::with(&[("max_uploads_per_day", "2")]);
    let id = world.uploaded(1).await;
    world.create(1, MIB).await;
    let new = || world.post("/videos").user(1).json(json!({ "file_name": "a.mp4", "size_bytes": 1 }));
    let refused = new().send().await;
    assert_eq!(refused.short(), "429 quota-exceeded");
    let wait: i64 = refused.header("retry-after").parse().unwrap();
    let usage = world.get(&format!("/internal/users/{}/usage", world.user(1))).worker().send().await.json();
    assert_eq!(usage["uploads_today"], json!({ "used": 2, "limit": 2 }));
    assert_eq!(usage["stored_bytes"]["used"], 2 * MIB);
    assert_eq!((&usage["videos_in_flight"]["used"], &usage["open_videos"]["used"]), (&json!(1), &json!(2)));
    // A run is no upload, another user has a separate quota, and the next day the quota is reset.
    assert_eq!(world.post(&format!("/videos/{id}/runs")).user(1).send().await.status, 202);
    world.create(2, MIB).await;
    world.advance_s(wait - 1);
    assert_eq!(new().send().await.short(), "429 quota-exceeded");
    world.advance_s(1);
    assert_eq!(new().send().await.status, 201);
}

#[tokio::test]
async fn the_daily_decoding_quota_is_enforced() {
    let world = World::with(&[("max_decoded_minutes_per_day", "2")]);
    let usage = async || {
        let usage =
            world.get(&format!("/internal/users/{}/usage", world.user(1))).worker().send().await.json();
        usage["decoded_seconds_today"].clone()
    };
    let new = || world.post("/videos").user(1).json(json!({ "file_name": "a.mp4", "size_bytes": 1 }));
    let (done, waits) = (world.uploaded(1).await, world.uploaded(1).await);
    world.claim(&done).await;
    let mut report = completed(1);
    report["decoded_ms"] = json!(90_000);
    for _ in 0..2 {
        assert_eq!(world.report(&done, "complete", report.clone()).await.status, 200);
    }
    assert_eq!(usage().await, json!({ "used": 90, "limit": 120 }), "a repeated report counts once");
    world.create(1, MIB).await;

    let broken = world.uploaded(1).await;
    world.claim(&broken).await;
    let mut report = failed(1, "internal", true);
    report["decoded_ms"] = json!(60_000);
    assert_eq!(world.report(&broken, "fail", report).await.status, 200);
    assert_eq!(usage().await["used"], 90, "what is given back is not counted");
    world.claim(&broken).await;
    let mut report = failed(2, "corrupt-input", false);
    report["decoded_ms"] = json!(30_000);
    assert_eq!(world.report(&broken, "fail", report).await.status, 200);
    assert_eq!(usage().await, json!({ "used": 120, "limit": 120 }));
    let refused = new().send().await;
    assert_eq!(refused.short(), "429 quota-exceeded");
    let detail = "at most 2 minutes of video may be decoded in a day (UTC), and they are used up";
    assert_eq!(refused.json()["detail"], detail);
    let run = || world.post(&format!("/videos/{done}/runs")).user(1);
    assert_eq!(run().send().await.short(), "429 quota-exceeded");
    // Accepted videos continue, another user has a separate quota, and the next day the quota is reset.
    assert_eq!(world.claim(&waits).await.status, 200);
    world.create(2, MIB).await;
    world.advance_s(refused.header("retry-after").parse().unwrap());
    assert_eq!(new().send().await.status, 201);
    assert_eq!(run().send().await.status, 202);
    assert_eq!(usage().await["used"], 0);
}

#[tokio::test]
async fn the_requests_of_a_user_are_rate_limited() {
    let world = World::with(&[("max_requests_per_minute", "5")]);
    for n in 0..5 {
        let answer = world.get("/videos").user(1).send().await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("ratelimit-policy"), "\"user\";q=5;w=60");
        let left = format!("\"user\";r={};t=", 5 - n);
        assert!(answer.header("ratelimit").starts_with(&left), "{}", answer.header("ratelimit"));
    }
    let refused = world.get("/videos").user(1).send().await;
    assert_eq!(refused.short(), "429 rate-limited");
    let wait: i64 = refused.header("retry-after").parse().unwrap();
    assert_eq!(refused.header("ratelimit"), format!("\"user\";r=0;t={wait}"));
    // The limit counts calls of all components, by user. Workers have none.
    assert_eq!(world.get("/plugins").user(1).send().await.short(), "429 rate-limited");
    assert_eq!(world.get("/videos").user(2).send().await.status, 200);
    for _ in 0..20 {
        assert_eq!(world.post("/internal/sweep").worker().send().await.status, 200);
    }
    world.advance_s(wait + 1);
    assert_eq!(world.get("/videos").user(1).send().await.status, 200);
}
