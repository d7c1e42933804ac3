//! Reports of workers in any order, and recovery by the sweep.

use bytes::Bytes;
use framelift_contract::message::Message;
use framelift_edge::http::Failure;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::world::{Answer, Component, MIB, World, completed, failed};

fn progress(attempt: u32, worker: &str) -> Value {
    json!({
        "attempt": attempt, "worker_id": worker,
        "progress": { "stage": "reading", "percent": 1, "frames_done": 0, "frames_expected": null, "bytes_read": 0 }
    })
}

async fn claim(world: &World, id: &str, worker: &str, claim_id: &str) -> Answer {
    let body = json!({ "worker_id": worker, "claim_id": claim_id });
    world.post(&format!("/internal/jobs/{id}/claim")).worker().json(body).send().await
}

async fn sweep(world: &World) -> Value {
    let answer = world.post("/internal/sweep").worker().send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[tokio::test]
async fn one_worker_at_a_time() {
    let world = World::new();
    let id = world.uploaded(1).await;
    let first = claim(&world, &id, "w-1", "a").await.json();
    assert_eq!(first["attempt"], 1);
    assert_eq!(claim(&world, &id, "w-1", "a").await.json()["attempt"], 1, "a lost answer");
    let held = claim(&world, &id, "w-2", "b").await;
    insta::assert_snapshot!("lease_held", held.shot());
    assert_eq!(claim(&world, &id, "w-1", "b").await.short(), "409 lease-held");

    world.advance_s(61);
    assert_eq!(claim(&world, &id, "w-2", "b").await.json()["attempt"], 2);
    let stale = world.report(&id, "progress", progress(1, "w-1")).await;
    insta::assert_snapshot!("stale_attempt", stale.shot());
    assert_eq!(world.report(&id, "complete", completed(1)).await.short(), "409 stale-attempt");
    assert_eq!(world.report(&id, "fail", failed(1, "internal", false)).await.short(), "409 stale-attempt");
    assert_eq!(world.report(&id, "fail", failed(1, "internal", true)).await.short(), "409 stale-attempt");
    assert_eq!(world.report(&id, "progress", progress(2, "w-1")).await.short(), "409 stale-attempt");
    assert_eq!(world.report(&id, "progress", progress(2, "w-2")).await.status, 200);

    let mut done = completed(2);
    done["worker_id"] = "w-2".into();
    assert_eq!(world.report(&id, "complete", done.clone()).await.status, 200);
    assert_eq!(world.report(&id, "complete", done).await.status, 200, "a lost answer");
    insta::assert_snapshot!("job_finished", claim(&world, &id, "w-3", "c").await.shot());
    assert_eq!(world.report(&id, "progress", progress(2, "w-2")).await.short(), "410 job-finished");
}

#[tokio::test]
async fn a_canceled_job_stops_its_worker() {
    let world = World::new();
    let id = world.uploaded(1).await;
    world.claim(&id).await;
    assert_eq!(world.post(&format!("/videos/{id}/cancel")).user(1).send().await.status, 202);
    assert_eq!(world.report(&id, "progress", progress(1, "w-1")).await.short(), "410 job-finished");
    assert_eq!(world.report(&id, "complete", completed(1)).await.short(), "410 job-finished");
    let deleted = world.uploaded(1).await;
    world.claim(&deleted).await;
    assert_eq!(world.delete(&format!("/videos/{deleted}")).user(1).send().await.status, 204);
    assert_eq!(world.report(&deleted, "progress", progress(1, "w-1")).await.short(), "410 job-finished");
}

#[tokio::test]
async fn a_released_job_is_sent_again_later() {
    let world = World::new();
    let id = world.uploaded(1).await;
    world.cloud.take_sent();
    world.claim(&id).await;
    let answer = world.report(&id, "fail", failed(1, "internal", true)).await;
    insta::assert_snapshot!("report_release", answer.shot());
    let sent = world.cloud.take_sent();
    assert_eq!(sent.len(), 1);
    assert!((1..=2).contains(&sent[0].delay_s), "{sent:?}");
    assert_eq!(world.claim(&id).await.json()["attempt"], 2);
}

#[tokio::test]
async fn notices() {
    let world = World::new();
    let id = world.uploaded(1).await;
    let notice = format!("/internal/jobs/{id}/notice");
    assert_eq!(world.get(&notice).worker().send().await.short(), "410 job-finished");
    world.claim(&id).await;
    world.report(&id, "fail", failed(1, "internal", false)).await;
    insta::assert_snapshot!("notice", world.get(&notice).worker().send().await.shot());
    world.cloud.take_sent();
    let ask = async |user, kind: &str| {
        let body = json!({ "user_id": world.user(user), "kind": kind, "video_id": id });
        world.post("/notification").worker().json(body).send().await
    };
    insta::assert_snapshot!("notification", ask(1, "failed").await.shot());
    let sent = world.cloud.take_sent();
    assert_eq!(serde_json::to_value(sent[0].message.notice).unwrap(), "failed");
    assert_eq!(ask(1, "completed").await.short(), "409 job-not-ready");
    assert_eq!(ask(2, "failed").await.short(), "403 video-not-owned");
    assert_eq!(ask(1, "birthday").await.short(), "422 validation-failed /kind");
    let body = json!({ "attempt": 1, "worker_id": "w-1" });
    assert_eq!(world.report(&id, "notified", body.clone()).await.status, 200);
    assert_eq!(world.report(&id, "notified", body).await.status, 200);
    assert_eq!(world.get(&notice).worker().send().await.short(), "410 job-finished");
}

#[tokio::test]
async fn uploads_that_never_come_expire() {
    let world = World::new();
    let large = world.create(1, 100 * MIB).await;
    let small = world.create(1, MIB).await;
    assert_eq!(world.put(&small, MIB), 200);
    world.advance_s(24 * 3600 + 1);
    let answer = sweep(&world).await;
    assert_eq!(answer["expired_uploads"], 2);
    assert!(world.cloud.unfinished().is_empty() && world.cloud.keys().is_empty());
    for created in [large, small] {
        let path = format!("/videos/{}", created["id"].as_str().unwrap());
        let video = world.get(&path).user(1).send().await.json();
        assert_eq!(video["status"], "expired");
        assert_ne!(video["completed_at"], json!(null));
        let complete = world.post(&format!("{path}/complete")).user(1).send().await;
        assert_eq!(complete.short(), "409 processing-already-finished");
        assert_eq!(world.post(&format!("{path}/runs")).user(1).send().await.short(), "410 source-expired");
    }
    insta::assert_snapshot!("sweep", world.post("/internal/sweep").worker().send().await.shot());
}

#[tokio::test]
async fn lost_messages_and_lost_workers_are_recovered() {
    let world = World::new();
    let id = world.uploaded(1).await;
    assert_eq!(world.cloud.take_sent().len(), 1);
    world.advance_s(601);
    assert_eq!(sweep(&world).await["resent"], 1);
    assert_eq!(world.cloud.take_sent().len(), 1);
    assert_eq!(sweep(&world).await["resent"], 0);
    world.claim(&id).await;
    world.advance_s(361);
    assert_eq!(sweep(&world).await["lapsed_leases"], 1);
    assert_eq!(world.cloud.take_sent().len(), 1);
    assert_eq!(world.report(&id, "progress", progress(1, "w-1")).await.short(), "409 stale-attempt");
    assert_eq!(world.claim(&id).await.json()["attempt"], 2);
}

#[tokio::test]
async fn results_go_after_their_retention() {
    let world = World::new();
    let id = world.uploaded(1).await;
    world.complete(&id).await;
    assert_eq!(world.cloud.keys().len(), 2);
    world.advance_s(7 * 24 * 3600 + 1);
    let download = world.get(&format!("/videos/{id}/download")).user(1).send().await;
    insta::assert_snapshot!("result_expired", download.shot());
    assert_eq!(sweep(&world).await["expired_results"], 1);
    assert!(world.cloud.keys().is_empty(), "{:?}", world.cloud.keys());
    assert_eq!(world.get(&format!("/videos/{id}")).user(1).send().await.json()["status"], "completed");
    assert_eq!(world.post(&format!("/videos/{id}/runs")).user(1).send().await.short(), "410 source-expired");
    assert_eq!(sweep(&world).await["expired_results"], 0);
}

#[tokio::test]
async fn health() {
    let world = World::new();
    insta::assert_snapshot!("health", world.get("/health").send().await.shot());
    insta::assert_snapshot!("ready", world.get("/health/ready").send().await.shot());
    world.cloud.break_s3(3);
    insta::assert_snapshot!("not_ready", world.get("/health/ready").send().await.shot());
    world.cloud.break_sqs(3);
    assert_eq!(world.get("/health/ready").send().await.short(), "503 unavailable");
    assert_eq!(world.get("/health").send().await.status, 200);
}

#[tokio::test]
async fn an_app_with_an_unconfigured_component_is_not_ready() {
    let world = World::new();
    for component in ["auth", "events", "frames", "web"] {
        world.cloud.unconfigured.set(component);
        assert_eq!(world.get("/health/ready").send().await.short(), "503 unavailable", "{component}");
    }
    world.cloud.unconfigured.set("");
    assert_eq!(world.get("/health/ready").send().await.status, 200);
}

#[tokio::test]
async fn components_check_whether_others_are_configured() {
    let world = World::new();
    for component in [
        Component::Videos,
        Component::Uploads,
        Component::Downloads,
        Component::Events,
        Component::Frames,
        Component::Plugins,
    ] {
        let ask = async |uri: &str| {
            let request = Request::get(uri).body(Full::new(Bytes::new())).unwrap();
            world.send(component, request).await.status.as_u16()
        };
        assert_eq!(ask("http://it.spin.internal/configured").await, 204, "{component:?}");
        world.fault.set(Some(Failure::unconfigured("s3_bucket: is missing")));
        assert_eq!(ask("http://it.spin.internal/configured").await, 503, "{component:?}");
        // For other hosts the path is not found.
        assert_eq!(ask("http://example.com/configured").await, 404, "{component:?}");
        assert_eq!(ask("/configured").await, 404, "{component:?}");
    }
}

#[tokio::test]
async fn short_jobs_have_a_queue_of_their_own() {
    let world = World::with_lanes();
    let hand_over = async |options: Value| {
        let body = json!({ "file_name": "a.mp4", "size_bytes": 20 * MIB, "options": options });
        let created = world.post("/videos").user(1).json(body).send().await.json();
        assert_eq!(world.put(&created, 20 * MIB), 200);
        let id = created["id"].as_str().unwrap().to_owned();
        assert_eq!(world.post(&format!("/videos/{id}/complete")).user(1).send().await.status, 202);
        id
    };
    let ids = |messages: Vec<Message>| -> Vec<String> {
        let id = |message| match message {
            Message::Job(job) => job.video_id.to_string(),
            Message::Plugin(check) => check.plugin_id.to_string(),
        };
        messages.into_iter().map(id).collect()
    };
    let other_ids = || -> Vec<String> {
        world.cloud.take_sent().into_iter().map(|sent| sent.message.video_id.to_string()).collect()
    };
    let small = world.uploaded(1).await;
    let few = hand_over(json!({ "select": { "count": 10 } })).await;
    let long = hand_over(json!({ "select": { "count": 11 } })).await;
    assert_eq!(ids(world.cloud.short_messages()), [small.clone(), few.clone()]);
    assert_eq!(other_ids(), [&*long]);

    // The same for retries, checks of plugins and notices.
    for id in [&small, &long] {
        world.claim(id).await;
        world.report(id, "fail", failed(1, "internal", true)).await;
    }
    assert_eq!(world.put_plugin(1, "mine", b"\0asm\x0d\0\x01\0").send().await.status, 202);
    world.claim(&long).await;
    world.report(&long, "fail", failed(2, "corrupt-input", false)).await;
    let body = json!({ "user_id": world.user(1), "kind": "failed", "video_id": long });
    assert_eq!(world.post("/notification").worker().json(body).send().await.status, 202);
    let short = ids(world.cloud.short_messages());
    assert_eq!((short.len(), &short[2], &short[4]), (5, &small, &long), "a check lies between them");
    assert_eq!(other_ids(), [&*long]);
}
