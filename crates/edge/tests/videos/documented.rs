//! Provokes every problem that the API document lists. Every test of this suite checks that no other one is answered.

use std::collections::BTreeSet;
use std::pin::pin;

use bytes::Bytes;
use framelift_contract::problem::ProblemCode;
use framelift_edge::http::{Failure, MAX_JSON_BYTES};
use framelift_edge::openapi::{COMPONENTS, Operation, RequestPart, conformance};
use framelift_edge::store::memory::StoreFaults;
use futures::channel::mpsc;
use http::{Method, Request};
use http_body::Frame;
use http_body_util::{Empty, StreamBody};
use serde_json::{Value, json};

use crate::world::{Call, Component, MIB, World, completed, component_of, failed};

const UNKNOWN: &str = "018bcfe5-6800-7707-8707-070707070707";
/// The smallest component.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// The components that this suite calls. `auth` and `web` have their own tests of this.
fn components() -> impl Iterator<Item = &'static framelift_edge::openapi::Component> {
    COMPONENTS.iter().filter(|component| !["auth", "web"].contains(&component.name))
}

/// The operations of the components that this suite calls.
fn operations() -> Vec<Operation> {
    components().flat_map(|component| (component.operations)()).collect()
}

/// A request to an operation with the credential that it asks for.
fn call<'w>(world: &'w World, operation: &Operation, id: &str) -> Call<'w> {
    let route = operation.route();
    let path = route.path.replace("{id}", id).replace("{name}", id);
    with_credential(operation, world.request(route.method.clone(), &path))
}

fn with_credential<'w>(operation: &Operation, call: Call<'w>) -> Call<'w> {
    if operation.is_for_users() { call.user(1) } else { call.worker() }
}

/// A call with the body that the operation needs.
fn with_body<'w>(world: &World, operation: &Operation, id: &str, call: Call<'w>) -> Call<'w> {
    match operation.id() {
        "claimJob" => call.json(json!({ "worker_id": "w-1" })),
        "reportProgress" => call.json(progress(1)),
        "completeJob" => call.json(completed(1)),
        "failJob" => call.json(failed(1, "internal", false)),
        "claimPlugin" => {
            call.json(json!({ "user_id": world.user(1), "worker_id": "w-1", "claim_id": "m-1" }))
        }
        "reportPlugin" => call.json(json!({
            "user_id": world.user(1), "worker_id": "w-1", "attempt": 1, "outcome": "ready"
        })),
        "reportNotified" => call.json(json!({ "attempt": 1, "worker_id": "w-1" })),
        "reportDelivery" => call.json(json!({ "attempt": 1, "worker_id": "w-1", "outcome": "delivered" })),
        "sendNotification" => {
            call.json(json!({ "user_id": world.user(1).to_string(), "kind": "failed", "video_id": id }))
        }
        "createVideo" => call.json(json!({ "file_name": "a.mp4", "size_bytes": 1 })),
        "uploadVideo" => call.body("x"),
        "putPlugin" => call.body(COMPONENT),
        _ => call,
    }
}

/// Sends a valid and permitted request to each operation while the store does not answer, and when all of its values are
/// damaged.
async fn with_a_bad_store(world: &World) {
    let done = world.indexed(1, &[b"first"]).await;
    world.report(&done, "notified", json!({ "attempt": 1, "worker_id": "w-1", "webhook": true })).await;
    world.ready_plugin(1, "mine", COMPONENT).await;
    let frames = world.get(&format!("/videos/{done}/frames")).user(1).send().await.json();
    let link = frames["items"][0]["url"].as_str().unwrap();
    let user = world.user(1).to_string();
    let send = async |operation: &Operation| {
        let route = operation.route();
        let id = if route.path.starts_with("/internal/users") { &user } else { &done };
        let path = match operation.id() {
            "getLinkedFrame" => link.to_owned(),
            "uploadVideo" => format!("{}?file_name=a.mp4", route.path),
            _ => {
                let places = [("{id}", id.as_str()), ("{name}", "mine"), ("{n}", "1"), ("{time}", "1s")];
                places.iter().fold(route.path.to_owned(), |path, (place, text)| path.replace(place, text))
            }
        };
        let call = with_credential(operation, world.request(route.method.clone(), &path));
        with_body(world, operation, id, call).send().await.short()
    };
    let answering = |code| {
        let mut found = operations();
        found.retain(|operation| operation.problems().contains(&code));
        found
    };
    world.kv.set_faults(StoreFaults { error_before: 100, ..StoreFaults::default() });
    for operation in answering(ProblemCode::Unavailable) {
        assert_eq!(send(&operation).await, "503 unavailable", "{}", operation.id());
    }
    world.kv.set_faults(StoreFaults::default());
    for (key, _) in world.kv.dump("") {
        world.kv.load(&key, br#"{"v":1,"rev":1,"value":"damaged"}"#.to_vec());
    }
    for operation in answering(ProblemCode::RecordDamaged) {
        assert_eq!(send(&operation).await, "500 record-damaged", "{}", operation.id());
    }
}

/// Problems that any operation may answer.
async fn whatever_the_operation(world: &World, operation: &Operation, theirs: &str) {
    // No request can provoke a bug.
    world.fault.set(Some(Failure::internal("a bug")));
    call(world, operation, UNKNOWN).send().await;
    world.fault.set(None);
    let route = operation.route();
    world.request(route.method.clone(), &route.path.replace("{id}", UNKNOWN)).send().await;
    let good = |id: &str| with_body(world, operation, id, call(world, operation, id));
    if !["createVideo", "uploadVideo", "sweep"].contains(&operation.id()) {
        good("x").send().await;
        good(UNKNOWN).send().await;
        good(theirs).send().await;
    }
    if operation.takes(RequestPart::Json) {
        let send = |body: &str| call(world, operation, UNKNOWN).body(body.to_owned());
        send("{").send().await;
        send(r#"{"no_such_field":1}"#).send().await;
        send(&" ".repeat(MAX_JSON_BYTES + 1)).send().await;
        send("{}").header("content-type", "text/plain").send().await;
        let broken = futures::stream::iter([Err::<Frame<Bytes>, _>(std::io::Error::other("reset"))]);
        let request = call(world, operation, UNKNOWN).head().body(StreamBody::new(broken)).unwrap();
        world.send(component_of(request.uri().path()), request).await;
    }
    if operation.takes(RequestPart::Query) {
        let path = route.path.replace("{id}", theirs);
        world.request(route.method.clone(), &format!("{path}?no_such=1")).user(2).send().await;
    }
    call(world, operation, UNKNOWN).header("idempotency-key", &"k".repeat(65)).send().await;
}

fn progress(attempt: u32) -> Value {
    let progress = json!({
        "stage": "reading", "percent": 1, "frames_done": 0, "frames_expected": null, "bytes_read": 0
    });
    json!({ "attempt": attempt, "worker_id": "w-1", "progress": progress })
}

/// Calls on videos in states that do not allow them.
async fn in_the_wrong_state(world: &World) {
    let user = |method: Method, path: String| world.request(method, &path).user(1);
    let (get, post) = (Method::GET, Method::POST);
    let small = world.create(1, MIB).await;
    let waiting = small["id"].as_str().unwrap();
    user(get.clone(), format!("/videos/{waiting}/upload-parts")).send().await;
    user(post.clone(), format!("/videos/{waiting}/complete")).send().await;
    user(post.clone(), format!("/videos/{waiting}/runs")).send().await;
    user(get.clone(), format!("/videos/{waiting}/download")).send().await;
    world.claim(waiting).await;
    let canceled = world.create(1, 100 * MIB).await["id"].as_str().unwrap().to_owned();
    world.cloud.forget_uploads();
    user(get.clone(), format!("/videos/{canceled}/upload-parts")).send().await;
    user(post.clone(), format!("/videos/{canceled}/cancel")).send().await;
    user(get.clone(), format!("/videos/{canceled}/upload-parts")).send().await;
    user(post.clone(), format!("/videos/{canceled}/complete")).send().await;

    let id = world.uploaded(1).await;
    for (what, body) in [
        ("progress", progress(1)),
        ("complete", completed(1)),
        ("fail", failed(1, "internal", false)),
        ("notified", json!({ "attempt": 0, "worker_id": "w-1" })),
    ] {
        world.report(&id, what, body).await;
    }
    let of_user = json!({ "user_id": world.user(1).to_string(), "kind": "failed", "video_id": id.as_str() });
    world.post("/notification").worker().json(of_user).send().await;
    world.claim(&id).await;
    let other = json!({ "worker_id": "w-2" });
    world.post(&format!("/internal/jobs/{id}/claim")).worker().json(other).send().await;
    for (what, body) in [
        ("progress", progress(7)),
        ("complete", completed(7)),
        ("fail", failed(7, "internal", false)),
        ("notified", json!({ "attempt": 7, "worker_id": "w-1" })),
    ] {
        world.report(&id, what, body).await;
    }
    user(post.clone(), format!("/videos/{id}/cancel")).send().await;
    world.claim(&id).await;
    for (what, body) in [
        ("progress", progress(1)),
        ("complete", completed(1)),
        ("fail", failed(1, "internal", false)),
        ("notified", json!({ "attempt": 1, "worker_id": "w-1" })),
    ] {
        world.report(&id, what, body).await;
    }
    let useless = world.uploaded(1).await;
    world.claim(&useless).await;
    world.report(&useless, "fail", failed(1, "not-a-video", false)).await;
    user(post.clone(), format!("/videos/{useless}/runs")).send().await;
    let done = world.uploaded(1).await;
    world.complete(&done).await;
    user(post.clone(), format!("/videos/{done}/cancel")).send().await;
    world.report(&done, "notified", json!({ "attempt": 1, "worker_id": "w-1", "webhook": true })).await;
    for _ in 0..2 {
        world.post(&format!("/internal/deliveries/{done}/claim")).worker().send().await;
    }
    world.get(&format!("/internal/jobs/{done}/notice")).worker().send().await;
    world.advance_s(7 * 24 * 3600 + 1);
    user(get, format!("/videos/{done}/download")).send().await;
}

async fn what_cannot_be_uploaded(world: &World) {
    let create = |body: Value| world.post("/videos").user(1).json(body);
    create(json!({ "file_name": "a.exe", "size_bytes": 1 })).send().await;
    create(json!({ "file_name": "a.mp4", "size_bytes": u32::MAX })).send().await;
    let upload = |query: &str| world.post(&format!("/videos/upload?{query}")).user(1);
    upload("file_name=a.exe").body("x").send().await;
    upload("file_name=a.mp4").header("content-length", "1000000000").body("x").send().await;
    upload("file_name=a.mp4").header("content-encoding", "gzip").body("x").send().await;
    upload("file_name=a.mp4&options=%7B").body("x").send().await;
    let field = "--b\r\ncontent-disposition: form-data; name=\"options\"\r\n\r\n";
    let form = format!("{field}{}\r\n--b--\r\n", " ".repeat(MAX_JSON_BYTES + 1));
    upload("").header("content-type", "multipart/form-data; boundary=b").body(form).send().await;
}

/// The same key with another body, while the first is under way, and when its video was canceled.
async fn keys_that_are_used(world: &World) {
    let id = world.uploaded(1).await;
    let other = world.uploaded(1).await;
    let keyed = |path: &str, body: &str| {
        world.post(path).user(1).header("idempotency-key", "k").body(body.to_owned())
    };
    let large = " ".repeat(MAX_JSON_BYTES + 1);
    keyed(&format!("/videos/{id}/complete"), &large).send().await;
    keyed(&format!("/videos/{id}/complete"), "").send().await;
    for path in ["/videos".to_owned(), format!("/videos/{other}/runs"), format!("/videos/{other}/complete")] {
        let body = if path == "/videos" { r#"{"file_name":"a.mp4","size_bytes":1}"# } else { "" };
        keyed(&path, body).send().await;
    }
    keyed("/videos/upload?file_name=a.mp4", "x").send().await;

    keyed(&format!("/videos/{id}/complete"), "").header("idempotency-key", "k2").send().await;

    let upload = |key: &str, body| {
        let request = Request::post("/videos/upload?file_name=a.mp4")
            .header("authorization", format!("Bearer {}", world.token(1)))
            .header("idempotency-key", key);
        world.send(Component::Uploads, request.body(StreamBody::new(body)).unwrap())
    };
    // 20 MiB, that end as told; none: not yet.
    let arriving = |end: Option<Result<(), std::io::Error>>| {
        let (sender, receiver) = mpsc::unbounded::<Result<Frame<Bytes>, std::io::Error>>();
        for _ in 0..20 {
            let piece = Bytes::from(vec![7; MIB as usize]);
            sender.unbounded_send(Ok(Frame::data(piece))).unwrap();
        }
        match end {
            Some(Err(error)) => sender.unbounded_send(Err(error)).unwrap(),
            Some(Ok(())) => sender.close_channel(),
            None => {}
        }
        (sender, receiver)
    };
    let (sender, receiver) = arriving(None);
    let mut slow = pin!(upload("slow", receiver));
    while world.cloud.unfinished().is_empty() {
        assert!(futures::poll!(&mut slow).is_pending());
    }
    upload("slow", arriving(Some(Ok(()))).1).await;
    world.cloud.refuse_parts();
    sender.close_channel();
    slow.await;
    upload("broken", arriving(Some(Err(std::io::Error::other("reset")))).1).await;
    let videos = world.get("/videos").user(1).send().await.json();
    for video in videos["items"].as_array().unwrap() {
        let id = video["id"].as_str().unwrap();
        world.post(&format!("/videos/{id}/cancel")).user(1).send().await;
    }
    upload("broken", arriving(Some(Ok(()))).1).await;
}

/// Uploads of plugins that fail, and checks that another worker holds.
async fn plugins_and_their_checks(world: &World) {
    let request = || {
        let authorization = format!("Bearer {}", world.token(1));
        Request::put("/plugins/slow").header("authorization", authorization)
    };
    world.put_plugin(1, "a", b"text").header("content-encoding", "gzip").send().await;
    world.put_plugin(1, "No", COMPONENT).send().await;
    world.get("/plugins/unknown").user(1).send().await;
    world
        .send(Component::Plugins, request().header("content-length", "99999999").body(Empty::new()).unwrap())
        .await;
    let broken = futures::stream::iter([Err::<Frame<Bytes>, _>(std::io::Error::other("reset"))]);
    world.send(Component::Plugins, request().body(StreamBody::new(broken)).unwrap()).await;

    // A worker claims before the upload has arrived, and then the upload expires.
    let (sender, receiver) = mpsc::unbounded::<Result<Frame<Bytes>, std::io::Error>>();
    sender.unbounded_send(Ok(Frame::data(Bytes::from_static(COMPONENT)))).unwrap();
    sender.unbounded_send(Ok(Frame::data(Bytes::from(vec![7; 9 * MIB as usize])))).unwrap();
    let mut slow = pin!(world.send(Component::Plugins, request().body(StreamBody::new(receiver)).unwrap()));
    let begun = async || {
        let store = framelift_edge::store::Store::new(&world.kv, &world.ambient);
        store.plugins(world.user(1)).await.unwrap().versions.pop()
    };
    let version = loop {
        assert!(futures::poll!(&mut slow).is_pending());
        if let Some(version) = begun().await {
            break version;
        }
    };
    let id = version.id.to_string();
    assert_eq!(world.claim_plugin(1, &id).await.short(), "409 job-not-ready");
    world.advance_s(901);
    world.post("/internal/sweep").worker().send().await;
    sender.close_channel();
    assert_eq!(slow.await.short(), "409 upload-incomplete");
    assert!(world.cloud.keys().is_empty() && world.cloud.unfinished().is_empty());

    world.put_plugin(1, "a", COMPONENT).send().await;
    let id = world.cloud.plugin_checks().last().unwrap().plugin_id.to_string();
    world.claim_plugin(1, &id).await;
    let other = json!({ "user_id": world.user(1), "worker_id": "w-2", "claim_id": "m-2" });
    world.post(&format!("/internal/plugins/{id}/claim")).worker().json(other).send().await;
    world.report_plugin(1, &id, json!({ "attempt": 2, "outcome": "ready" })).await;
    world.report_plugin(1, &id, json!({ "attempt": 1, "outcome": "ready" })).await;
    world.claim_plugin(1, &id).await;
    world.report_plugin(1, &id, json!({ "attempt": 1, "outcome": "rejected", "reason": "late" })).await;
    for name in ["b", "c", "d"] {
        world.put_plugin(1, name, COMPONENT).send().await;
    }
}

/// Frames of missing, old, deleted, damaged and shorter results, and wrong ranges.
async fn frames_that_cannot_be_had(world: &World) {
    let calls = ["frames", "frames/1", "frames/at/1s", "manifest"];
    let get = |id: &str, call: &str| world.get(&format!("/videos/{id}/{call}")).user(1);
    let (unfinished, old) = (world.uploaded(1).await, world.uploaded(1).await);
    world.complete(&old).await;
    let (good, damaged) = (world.indexed(1, &[b"first"]).await, world.indexed(1, &[b"first"]).await);
    let never_read = world.indexed(1, &[b"first"]).await;
    world.forget_result(&never_read);
    get(&never_read, "frames").send().await;
    let link = |page: Value| page["items"][0]["url"].as_str().unwrap().to_owned();
    let to_damaged = link(get(&damaged, "frames").send().await.json());
    let to_good = link(get(&good, "frames").send().await.json());
    world.forget_result(&damaged);
    world.get(&to_damaged).send().await;
    world.get(&to_good).header("range", "bytes=9-").send().await;
    let all = get(&good, "frames").send().await.json()["url_template"].as_str().unwrap().to_owned();
    world.get(&all.replace("{n}", "2")).send().await;
    for call in calls {
        get(&unfinished, call).send().await;
        get(&old, call).send().await;
        get(&damaged, call).send().await;
        get(&good, call).header("range", "bytes=9999-").send().await;
    }
    get(&good, "frames/2").send().await;
    get(&good, "frames/at/x").send().await;
    world.advance_s(3000);
    world.request(Method::DELETE, &format!("/videos/{good}")).user(1).send().await;
    world.get(&to_good).send().await;
    world.advance_s(7 * 24 * 3600);
    for call in calls {
        get(&damaged, call).send().await;
    }
}

/// Uploads of a user with an unconfirmed address.
async fn unverified(world: &World) {
    let bearer = format!("Bearer {}", world.unverified(1));
    let create = world.post("/videos").header("authorization", &bearer);
    create.json(json!({ "file_name": "a.mp4", "size_bytes": 1 })).send().await;
    world.post("/videos/upload?file_name=a.mp4").header("authorization", &bearer).body("x").send().await;
}

async fn too_many(world: &World) {
    let id = world.uploaded(1).await;
    world.complete(&id).await;
    let create = || world.post("/videos").user(1).json(json!({ "file_name": "a.mp4", "size_bytes": 1 }));
    while create().send().await.status == 201 {}
    world.post(&format!("/videos/{id}/runs")).user(1).send().await;
    world.post("/videos/upload?file_name=a.mp4").user(1).body("x").send().await;
}

#[tokio::test]
async fn every_documented_problem_is_answered() {
    let world = World::with(&[("max_upload_bytes", "536870912")]);
    let theirs = world.create(2, 100 * MIB).await["id"].as_str().unwrap().to_owned();
    for operation in operations() {
        whatever_the_operation(&world, &operation, &theirs).await;
    }
    what_cannot_be_uploaded(&world).await;
    let limited = World::with(&[("max_requests_per_minute", "1")]);
    assert_eq!(limited.get("/storage").user(1).send().await.status, 200);
    for operation in operations() {
        if operation.problems().contains(&ProblemCode::RateLimited) {
            assert_eq!(call(&limited, &operation, UNKNOWN).send().await.short(), "429 rate-limited");
        }
    }
    let (states, keys, many) = (World::new(), World::new(), World::with(&[("max_open_per_user", "3")]));
    let full = World::with(&[("max_stored_bytes_per_user", "1048580")]);
    let plugins = World::with(&[("max_plugins_per_user", "3")]);
    let (frames, bad) = (World::new(), World::new());
    Box::pin(with_a_bad_store(&bad)).await;
    Box::pin(frames_that_cannot_be_had(&frames)).await;
    plugins_and_their_checks(&plugins).await;
    in_the_wrong_state(&states).await;
    keys_that_are_used(&keys).await;
    unverified(&keys).await;
    too_many(&many).await;
    too_many(&full).await;
    let answered: BTreeSet<conformance::Pair> =
        [world, limited, plugins, frames, bad, states, keys, many, full]
            .into_iter()
            .flat_map(|world| world.problems.into_inner())
            .collect();
    let names: Vec<&str> = components().map(|component| component.name).collect();
    let documented = conformance::documented(&names);
    let missing: Vec<_> = documented.difference(&answered).collect();
    assert!(missing.is_empty(), "documented, but not answered: {missing:?}");
}
