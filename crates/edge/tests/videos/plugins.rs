//! Tenants' plugins: upload, check, use in jobs, and deletion.

use bytes::Bytes;
use framelift_contract::plugin::builtin;
use framelift_domain::Checksum;
use http::Request;
use http_body::Frame;
use http_body_util::StreamBody;
use serde_json::{Value, json};

use crate::world::{Answer, Component, MIB, World};

/// The header of a component.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

fn component(n: u8) -> Vec<u8> {
    [COMPONENT, &[n]].concat()
}

async fn create(world: &World, plugins: Value) -> Answer {
    let body = json!({ "file_name": "a.mp4", "size_bytes": MIB, "options": { "plugins": plugins } });
    world.post("/videos").user(1).json(body).send().await
}

/// Uploads and queues a video with those plugins. Returns its id.
async fn handed_over(world: &World, plugins: Value) -> String {
    let created = create(world, plugins).await.json();
    assert_eq!(world.put(&created, MIB), 200);
    let id = created["id"].as_str().unwrap().to_owned();
    assert_eq!(world.post(&format!("/videos/{id}/complete")).user(1).send().await.status, 202);
    id
}

async fn get(world: &World, name: &str) -> Value {
    world.get(&format!("/plugins/{name}")).user(1).send().await.json()
}

fn last_check(world: &World) -> String {
    world.cloud.plugin_checks().last().unwrap().plugin_id.to_string()
}

async fn sweep(world: &World, times: u32) {
    for _ in 0..times {
        assert_eq!(world.post("/internal/sweep").worker().send().await.status, 200);
    }
}

#[tokio::test]
async fn a_plugin_is_checked_and_pinned_to_the_jobs_that_name_it() {
    let world = World::new();
    let answer = world.put_plugin(1, "mine", &component(1)).send().await;
    insta::assert_snapshot!("put", answer.shot());
    let refused = create(&world, json!([{ "name": "grayscale" }, { "name": "mine" }])).await;
    assert_eq!(refused.short(), "422 validation-failed /options/plugins/1/name");
    assert!(refused.text().contains("is being checked"), "{}", refused.text());

    let id = last_check(&world);
    insta::assert_snapshot!("claim", world.claim_plugin(1, &id).await.shot());
    let schema = json!({ "type": "object", "properties": { "level": { "type": "integer" } } });
    let ready = json!({ "attempt": 1, "outcome": "ready", "config_schema": schema });
    let first = world.report_plugin(1, &id, ready.clone()).await;
    assert_eq!(first.json(), json!({ "state": "ready" }));
    assert_eq!(world.report_plugin(1, &id, ready).await.json(), json!({ "state": "ready" }), "once more");
    insta::assert_snapshot!("get_ready", world.get("/plugins/mine").user(1).send().await.shot());

    let plugins = json!([{ "name": "mine", "config": { "level": 3 } }, { "name": "grayscale" }]);
    let old = handed_over(&world, plugins.clone()).await;
    // A new version serves new videos once it is ready, and none of those before.
    assert_eq!(world.put_plugin(1, "mine", &component(2)).send().await.status, 202);
    let shown = get(&world, "mine").await;
    assert_eq!((&shown["version"], &shown["ready_version"]), (&json!(2), &json!(1)));
    assert_eq!(shown["state"], "checking");
    let between = handed_over(&world, plugins.clone()).await;
    let id = last_check(&world);
    world.claim_plugin(1, &id).await;
    world.report_plugin(1, &id, json!({ "attempt": 1, "outcome": "ready" })).await;
    let new = handed_over(&world, plugins).await;
    for (video, version) in [(&old, 1), (&between, 1), (&new, 2)] {
        let job = world.claim(video).await.json();
        let [own, built_in] = job["plugins"].as_array().unwrap().as_slice() else { panic!("{job}") };
        assert_eq!((&own["version"], &own["config"]), (&json!(version), &json!({ "level": 3 })));
        let stored = world.cloud.object(own["code"]["object_key"].as_str().unwrap());
        assert_eq!(stored, component(version));
        assert_eq!(own["code"]["sha256"], Checksum::of(&stored).to_string());
        let grayscale = builtin::find("grayscale").unwrap();
        assert_eq!(built_in["version"], grayscale.version);
        assert_eq!(built_in["code"], json!({ "kind": "built_in", "sha256": grayscale.sha256 }));
    }
    // The same bytes again make no new version.
    let again = world.put_plugin(1, "mine", &component(2)).send().await;
    assert_eq!((again.status.as_u16(), &again.json()["version"]), (200, &json!(2)));

    // A deleted plugin is kept for the videos that use it, and removed after the last of them.
    insta::assert_snapshot!("delete", world.delete("/plugins/mine").user(1).send().await.shot());
    assert_eq!(world.get("/plugins/mine").user(1).send().await.short(), "404 plugin-not-found");
    assert_eq!(world.delete("/plugins/mine").user(1).send().await.short(), "404 plugin-not-found");
    let kept = || world.cloud.keys().iter().filter(|key| key.starts_with("plugins/")).count();
    world.advance_s(3700);
    sweep(&world, 3).await;
    assert_eq!(kept(), 2);
    for video in [&old, &between, &new] {
        let attempt = world.claim(video).await.json()["attempt"].as_u64().unwrap();
        world.report(video, "complete", crate::world::completed(u32::try_from(attempt).unwrap())).await;
    }
    sweep(&world, 3).await;
    assert_eq!(kept(), 0, "{:?}", world.cloud.keys());
}

#[tokio::test]
async fn a_built_in_plugins_configuration_is_checked_and_stored_as_its_component_reads_it() {
    let world = World::new();
    let area = json!({ "x": 0.0, "y": 1e0, "width": 8, "height": 8, "from": 1.5 });
    let plugins = json!([
        { "name": "sharpest", "config": { "window": 5.0 } },
        { "name": "redact", "config": { "areas": [area] } },
    ]);
    let video = handed_over(&world, plugins).await;
    let job = world.claim(&video).await.json();
    assert_eq!(job["plugins"][0]["config"], json!({ "window": 5 }));
    let area = json!({ "x": 0, "y": 1, "width": 8, "height": 8, "from": 1.5 });
    assert_eq!(job["plugins"][1]["config"], json!({ "areas": [area] }));
    for (config, pointer) in [
        (json!({ "name": "watermark", "config": { "png": "aaaa" } }), "/options/plugins/0/config/png"),
        (
            json!({ "name": "redact", "config": { "areas": [
                { "x": 0, "y": 0, "width": 1, "height": 1, "from": 2, "until": 2 }
            ] } }),
            "/options/plugins/0/config/areas/0/until",
        ),
    ] {
        let refused = create(&world, json!([config])).await;
        assert_eq!(refused.short(), format!("422 validation-failed {pointer}"));
    }
}

/// Checks that one message for the notice of the rejection was sent.
async fn assert_told(world: &World, id: &str, reason: &str) {
    let sent = world.cloud.take_sent();
    assert_eq!(sent.len(), 1);
    let message = serde_json::to_value(&sent[0].message).unwrap();
    assert_eq!((&message["notice"], &message["video_id"]), (&json!("webhook"), &json!(id)));
    // There is no notice of a video of that id.
    assert_eq!(world.get(&format!("/internal/jobs/{id}/notice")).worker().send().await.status, 404);
    let claimed = world.post(&format!("/internal/deliveries/{id}/claim")).worker().send().await.json();
    let event: Value = serde_json::from_str(claimed["payload"].as_str().unwrap()).unwrap();
    assert_eq!(event["type"], "plugin.rejected");
    assert_eq!(event["data"], json!({ "plugin": "mine", "reason": reason }));
    let delivered = json!({ "attempt": 1, "worker_id": "w-1", "outcome": "delivered" });
    world.post(&format!("/internal/deliveries/{id}/report")).worker().json(delivered).send().await;
}

#[tokio::test]
async fn a_rejected_plugin_says_why_and_leaves_the_one_before() {
    let world = World::new();
    let reject = async || {
        let id = last_check(&world);
        world.claim_plugin(1, &id).await;
        let rejected =
            json!({ "attempt": 1, "outcome": "rejected", "reason": "it imports wasi:sockets/tcp" });
        for _ in 0..2 {
            let answer = world.report_plugin(1, &id, rejected.clone()).await;
            assert_eq!(answer.json(), json!({ "state": "rejected" }));
        }
        id
    };
    world.put_plugin(1, "mine", &component(1)).send().await;
    assert_told(&world, &reject().await, "it imports wasi:sockets/tcp").await;
    let shown = get(&world, "mine").await;
    assert_eq!((&shown["state"], &shown["ready_version"]), (&json!("rejected"), &Value::Null));
    assert_eq!(shown["reason"], "it imports wasi:sockets/tcp");
    let refused = create(&world, json!([{ "name": "mine" }])).await;
    assert_eq!(refused.short(), "422 validation-failed /options/plugins/0/name");
    assert!(refused.text().contains("wasi:sockets/tcp"), "{}", refused.text());
    // The next version runs; one after it that is rejected does not take its place.
    world.ready_plugin(1, "mine", &component(2)).await;
    world.put_plugin(1, "mine", &component(3)).send().await;
    let _ = reject().await;
    let shown = get(&world, "mine").await;
    assert_eq!((&shown["version"], &shown["ready_version"]), (&json!(3), &json!(2)));
    assert_eq!(create(&world, json!([{ "name": "mine" }])).await.status, 201);
    // A user's plugin replaces a built-in one of the same name, and accepts any configuration.
    world.ready_plugin(1, "watermark", &component(4)).await;
    assert_eq!(create(&world, json!([{ "name": "watermark", "config": { "x": 1 } }])).await.status, 201);
    world.delete("/plugins/watermark").user(1).send().await;
    let refused = create(&world, json!([{ "name": "watermark", "config": { "x": 1 } }])).await;
    assert_eq!(
        refused.short(),
        "422 validation-failed /options/plugins/0/config/x /options/plugins/0/config"
    );
}

#[tokio::test]
async fn an_invalid_component_leaves_nothing() {
    let world = World::new();
    for (body, said) in [
        (Vec::new(), "must not be empty"),
        (b"\0asm\x01\0\0\0\x01\x04".to_vec(), "core WebAssembly module"),
        (b"\x7fELF\x02\x01\x01\0".to_vec(), "machine code"),
        (vec![7; 16 << 20], "no WebAssembly component"),
    ] {
        let answer = world.put_plugin(1, "mine", &body).send().await;
        assert_eq!(answer.short(), "422 validation-failed ");
        assert!(answer.text().contains(said), "{}", answer.text());
    }
    // Too large, by its declared or its actual size; and an interrupted one.
    let stream = async |pieces: usize, end: Option<std::io::Error>| {
        let first = Ok(Frame::data(Bytes::from_static(COMPONENT)));
        let rest = (0..pieces).map(|_| Ok(Frame::data(Bytes::from(vec![7; MIB as usize]))));
        let all = std::iter::once(first).chain(rest).chain(end.map(Err));
        let request = Request::put("/plugins/mine")
            .header("authorization", format!("Bearer {}", world.token(1)))
            .body(StreamBody::new(futures::stream::iter(all.collect::<Vec<_>>())));
        world.send(Component::Plugins, request.unwrap()).await
    };
    assert_eq!(stream(33, None).await.short(), "413 file-too-large");
    assert_eq!(stream(20, Some(std::io::Error::other("reset"))).await.short(), "400 bad-request");
    assert!(world.cloud.keys().is_empty() && world.cloud.unfinished().is_empty());
    assert_eq!(world.get("/plugins").user(1).send().await.json()["items"].as_array().unwrap().len(), 5);
    assert!(world.cloud.plugin_checks().is_empty());
    // One of several parts.
    assert_eq!(stream(20, None).await.status, 202);
    assert_eq!(world.cloud.only_object().bytes.len() as u64, 20 * MIB + 8);
    assert!(world.cloud.largest_body.get() as u64 <= 8 * MIB);
    // An object store that is down.
    world.cloud.break_s3(100);
    assert_eq!(world.put_plugin(1, "other", &component(1)).send().await.short(), "503 unavailable");
    world.cloud.mend_s3();
    world.advance_s(901);
    sweep(&world, 2).await;
    assert_eq!(world.cloud.keys().len(), 1);
}

#[tokio::test]
async fn no_plugin_is_checked_for_ever() {
    let world = World::new();
    // A message that is lost is sent again.
    world.put_plugin(1, "mine", &component(1)).send().await;
    let id = last_check(&world);
    world.advance_s(601);
    sweep(&world, 2).await;
    assert_eq!(world.cloud.plugin_checks().len(), 2);
    // A released check is sent again with a delay, at most five times.
    for attempt in 1..=5 {
        let claimed = world.claim_plugin(1, &id).await.json();
        assert_eq!(claimed["attempt"], attempt);
        assert_eq!(world.claim_plugin(1, &id).await.json(), claimed, "the same claim, the same lease");
        let released = json!({ "attempt": attempt, "outcome": "released", "reason": "no room" });
        let answer = world.report_plugin(1, &id, released).await.json();
        let state = if attempt == 5 { "rejected" } else { "checking" };
        assert_eq!(answer, json!({ "state": state }));
        world.advance_s(60);
    }
    assert_eq!(world.cloud.plugin_checks().len(), 2 + 4);
    let reason = "no check came to an end in 5 attempts: no room";
    assert_eq!(get(&world, "mine").await["reason"], reason);
    assert_told(&world, &id, reason).await;
    // Workers that crash during the check.
    world.put_plugin(1, "mine", &component(2)).send().await;
    let id = last_check(&world);
    for _ in 0..5 {
        assert_eq!(world.claim_plugin(1, &id).await.status, 200);
        world.advance_s(1201);
    }
    assert_eq!(world.claim_plugin(1, &id).await.short(), "410 job-finished");
    assert_eq!(get(&world, "mine").await["state"], "rejected");
    assert_told(&world, &id, "no check came to an end in 5 attempts").await;
    // No worker claims the check.
    world.put_plugin(1, "mine", &component(3)).send().await;
    for _ in 0..30 {
        world.advance_s(3600);
        sweep(&world, 1).await;
    }
    let shown = get(&world, "mine").await;
    assert_eq!((&shown["version"], &shown["state"]), (&json!(3), &json!("rejected")));
    let told = world.cloud.take_sent();
    assert_eq!(told.last().unwrap().message.video_id.to_string(), last_check(&world));
    assert_eq!(world.cloud.keys().len(), 1, "older ones are gone: {:?}", world.cloud.keys());
}

#[tokio::test]
async fn the_number_and_the_bytes_of_a_users_plugins_are_limited() {
    let world = World::with(&[("max_plugins_per_user", "2"), ("max_plugin_bytes_per_user", "30")]);
    let put = async |name: &str, bytes: usize| {
        let component = [COMPONENT, &vec![bytes as u8; bytes - COMPONENT.len()]].concat();
        let call = world.put_plugin(1, name, &component);
        call.header("content-length", &bytes.to_string()).send().await
    };
    assert_eq!(put("a", 10).await.status, 202);
    assert_eq!(put("b", 10).await.status, 202);
    insta::assert_snapshot!("quota", put("c", 9).await.shot());
    assert_eq!(put("a", 11).await.short(), "409 plugin-quota-exceeded");
    assert_eq!(put("a", 9).await.status, 202);
    assert_eq!(world.delete("/plugins/b").user(1).send().await.json(), json!({ "name": "b", "in_use": [] }));
    assert_eq!(put("c", 12).await.status, 202);
}

#[tokio::test]
async fn a_closed_account_has_no_plugins() {
    let world = World::new();
    world.ready_plugin(1, "mine", &component(1)).await;
    world.put_plugin(1, "other", &component(2)).send().await;
    let video = handed_over(&world, json!([{ "name": "mine" }])).await;
    let theirs = world.ready_plugin(2, "mine", &component(3)).await;
    let close = format!("/internal/users/{}/close", world.user(1));
    assert_eq!(world.post(&close).worker().send().await.status, 204);
    assert_eq!(world.cloud.keys().len(), 1, "{:?} of {video}", world.cloud.keys());
    for call in [
        world.get("/plugins").user(1),
        world.get("/plugins/mine").user(1),
        world.delete("/plugins/mine").user(1),
        world.put_plugin(1, "mine", COMPONENT),
    ] {
        assert_eq!(call.send().await.short(), "401 unauthenticated");
    }
    assert_eq!(world.get("/plugins/mine").user(2).send().await.json(), theirs);
    // Finally nothing of it is left in the store.
    for _ in 0..40 {
        world.advance_s(3 * 3600);
        sweep(&world, 2).await;
    }
    let left = world.kv.keys();
    let of_user = left.iter().filter(|key| key.contains(&world.user(1).to_string()));
    assert_eq!(of_user.collect::<Vec<_>>(), Vec::<&String>::new());
    assert!(!left.iter().any(|key| key.starts_with("schema/")), "{left:?}");
}
