//! Authorization, correlation ids, cross-origin requests, and unknown paths.

use framelift_contract::problem::ProblemCode;
use framelift_edge::control;
use framelift_edge::http::Failure;
use framelift_edge::openapi::COMPONENTS;
use framelift_edge::ports::Unavailable;
use framelift_edge::token::Signer;
use http::Method;

use crate::world::{Answer, Component, MIB, WORKER_TOKEN, World};

/// Every call of users below that path, with the id of a video if it has one in its path. What a call says that it may
/// answer does not count: one that says nothing is called, too.
fn of_users(below: &str, id: &str) -> Vec<(Method, String)> {
    let components = COMPONENTS.iter().filter(|component| component.name != "auth");
    let operations = components.flat_map(|component| (component.operations)());
    operations
        .filter(|operation| operation.is_for_users() && operation.route().path.starts_with(below))
        .map(|operation| (operation.route().method.clone(), operation.route().path.replace("{id}", id)))
        .collect()
}

/// Every call of users over one video.
fn of_one_video(id: &str) -> Vec<(Method, String)> {
    let calls = of_users("/videos/{id}", id);
    assert!(calls.len() >= 12, "{calls:?}");
    calls
}

#[test]
fn a_call_over_one_video_says_that_it_is_refused_to_others() {
    let operations = COMPONENTS.iter().flat_map(|component| (component.operations)());
    for operation in operations.filter(|operation| operation.route().path.starts_with("/videos/{id}")) {
        assert!(operation.is_for_users(), "{}", operation.id());
        for problem in [ProblemCode::VideoNotFound, ProblemCode::VideoNotOwned] {
            assert!(operation.problems().contains(&problem), "{}", operation.id());
        }
    }
}

/// A call that needs no credential is written down here, or it needs one.
#[test]
fn only_these_calls_need_no_credential() {
    let operations = COMPONENTS.iter().flat_map(|component| (component.operations)());
    let open = operations.filter(|operation| !operation.is_for_users() && !operation.is_for_workers());
    let open: Vec<String> =
        open.map(|operation| format!("{} {}", operation.route().method, operation.route().path)).collect();
    insta::assert_snapshot!("calls_without_a_credential", open.join("\n"));
}

#[tokio::test]
async fn other_users_videos_are_forbidden_and_unknown_ones_not_found() {
    let world = World::new();
    let theirs = world.uploaded(2).await;
    for (method, path) in of_one_video(&theirs) {
        let answer = world.request(method.clone(), &path).user(1).send().await;
        assert_eq!(answer.short(), "403 video-not-owned", "{method} {path}");
    }
    for id in ["018bcfe5-6800-7707-8707-070707070707", "x", "..", "018BCFE5-6800-7707-8707-070707070707"] {
        for (method, path) in of_one_video(id) {
            let answer = world.request(method.clone(), &path).user(1).send().await;
            assert_eq!(answer.short(), "404 video-not-found", "{method} {path}");
        }
    }
    assert_eq!(world.get(&format!("/videos/{theirs}")).user(2).send().await.status, 200);
}

#[tokio::test]
async fn other_users_plugins_are_not_there() {
    let world = World::new();
    world.ready_plugin(2, "theirs", b"\0asm\x0d\0\x01\0").await;
    let of_one = of_users("/plugins/{name}", "");
    // Putting one makes one of the caller's own.
    let of_one = of_one.iter().filter(|(method, _)| *method != Method::PUT);
    let mut calls = 0;
    for (method, path) in of_one {
        let path = path.replace("{name}", "theirs");
        let answer = world.request(method.clone(), &path).user(1).send().await;
        assert_eq!(answer.short(), "404 plugin-not-found", "{method} {path}");
        calls += 1;
    }
    assert_eq!(calls, 2);
    let listed = world.get("/plugins").user(1).send().await.text();
    assert!(!listed.contains("theirs") && listed.contains("grayscale"), "{listed}");
    let new = serde_json::json!({
        "file_name": "a.mp4", "size_bytes": 1, "options": { "plugins": [{ "name": "theirs" }] }
    });
    let answer = world.post("/videos").user(1).json(new.clone()).send().await;
    assert_eq!(answer.short(), "422 validation-failed /options/plugins/0/name");
    assert_eq!(world.post("/videos").user(2).json(new).send().await.status, 201);
    // A plugin of the same name of another user is a different one.
    world.ready_plugin(1, "theirs", b"\0asm\x0d\0\x01\0other").await;
    assert_eq!(world.delete("/plugins/theirs").user(1).send().await.status, 200);
    assert_eq!(world.get("/plugins/theirs").user(2).send().await.status, 200);
}

#[tokio::test]
async fn only_valid_tokens_are_accepted() {
    let world = World::new();
    let id = world.uploaded(1).await;
    let stranger = Signer::from_seed(&[8; 32]).unwrap();
    let forged = stranger.issue(world.user(1), "u@example.com", "t", None, world.now()).unwrap();
    let good = world.token(1);
    let (_, rest) = good.split_once('.').unwrap();
    let none = format!("eyJhbGciOiJub25lIn0.{rest}");
    let calls = of_users("/", &id);
    assert!(calls.len() >= 20, "{calls:?}");
    for (method, path) in calls {
        let call = || world.request(method.clone(), &path);
        for authorization in [
            None,
            Some(String::new()),
            Some(good.clone()),
            Some("Bearer".into()),
            Some("Bearer x".into()),
            Some(format!("Basic {good}")),
            Some(format!("Bearer {forged}")),
            Some(format!("Bearer {none}")),
            Some(format!("Bearer {good}x")),
            Some(format!("Bearer {WORKER_TOKEN}")),
        ] {
            let call = match &authorization {
                None => call(),
                Some(value) => call().header("authorization", value),
            };
            let answer = call.send().await;
            assert_eq!(answer.short(), "401 unauthenticated", "{method} {path} {authorization:?}");
            assert!(answer.header("www-authenticate").starts_with("Bearer"));
        }
    }
    let old = world.token(1);
    world.advance_s(3601);
    let answer = world.get("/videos").header("authorization", &format!("Bearer {old}")).send().await;
    insta::assert_snapshot!("expired_token", answer.shot());
}

#[tokio::test]
async fn a_user_without_a_confirmed_address_cannot_upload() {
    let world = World::new();
    let bearer = format!("Bearer {}", world.unverified(1));
    let body = serde_json::json!({ "file_name": "a.mp4", "size_bytes": 1 });
    let create = world.post("/videos").header("authorization", &bearer).json(body.clone()).send().await;
    assert_eq!(create.short(), "403 email-not-verified");
    let upload = world.post("/videos/upload?file_name=a.mp4").header("authorization", &bearer).body("x");
    assert_eq!(upload.send().await.short(), "403 email-not-verified");
    assert_eq!(world.get("/videos").header("authorization", &bearer).send().await.status, 200);
    assert_eq!(world.post("/videos").user(1).json(body).send().await.status, 201, "a fresh token may");
}

#[tokio::test]
async fn workers_have_their_own_credential() {
    let world = World::new();
    let id = world.uploaded(1).await;
    let calls = control::operations();
    for route in calls.iter().filter(|call| call.is_for_workers()).map(|call| call.route()) {
        let path = route.path.replace("{id}", &id);
        for token in [world.token(1), "the-workers-own-secreT".into(), String::new()] {
            let call = world.request(route.method.clone(), &path);
            let answer = call.header("authorization", &format!("Bearer {token}")).send().await;
            assert_eq!(answer.short(), "401 unauthenticated", "{path}");
        }
    }
}

#[tokio::test]
async fn unknown_paths_are_not_found() {
    let world = World::new();
    for path in
        ["/videos/", "/videos/x/y", "/videos/x/download/z", "/health/", "/internal", "/internal/jobs/x"]
    {
        let answer = world.get(path).user(1).send().await;
        assert_eq!(answer.short(), "404 not-found", "{path}");
    }
    for component in COMPONENTS.iter().filter(|component| !["auth", "web"].contains(&component.name)) {
        for route in component.routes {
            let answer = world.request(Method::PATCH, route.path).user(1).send().await;
            assert_eq!(answer.short(), "405 method-not-allowed", "{}", route.path);
            assert!(!answer.header("allow").is_empty(), "{}", route.path);
        }
    }
    let answer = world.request(Method::PUT, "/videos").send().await;
    insta::assert_snapshot!("method_not_allowed", answer.shot());
}

#[tokio::test]
async fn the_objects_of_a_closed_account_go_in_the_same_call() {
    let world = World::with(&[("max_open_per_user", "200"), ("max_in_flight_per_user", "100")]);
    // More than there are in a page of the list, and than one pass deletes.
    for n in 0..260 {
        let id = world.uploaded(1).await;
        if n % 10 != 0 {
            world.complete(&id).await;
        }
    }
    let other = world.uploaded(2).await;
    world.complete(&other).await;
    assert_eq!(world.cloud.keys().len(), 260 + 234 + 2);
    let close = format!("/internal/users/{}/close", world.user(1));
    assert_eq!(world.post(&close).worker().send().await.status, 204);
    // Without any sweep: presigned URLs stop working.
    assert_eq!(world.cloud.keys().len(), 2, "{:?}", world.cloud.keys());

    // The account is closed although the object store is down. The sweep deletes the rest.
    let close = format!("/internal/users/{}/close", world.user(2));
    world.cloud.break_s3(1000);
    assert_eq!(world.post(&close).worker().send().await.status, 204);
    world.cloud.mend_s3();
    assert_eq!(world.post("/internal/sweep").worker().send().await.status, 200);
    assert!(world.cloud.keys().is_empty(), "{:?}", world.cloud.keys());
}

#[tokio::test]
async fn tokens_of_a_closed_account_are_refused() {
    let world = World::new();
    let waiting = world.create(1, 100 << 20).await;
    let id = world.uploaded(1).await;
    let close = format!("/internal/users/{}/close", world.user(1));
    let answer = world.post(&close).worker().send().await;
    insta::assert_snapshot!("close", answer.shot());
    for (method, path) in of_one_video(&id) {
        let answer = world.request(method.clone(), &path).user(1).send().await;
        assert_eq!(answer.short(), "401 unauthenticated", "{method} {path}");
    }
    assert_eq!(world.get("/videos").user(1).send().await.short(), "401 unauthenticated");
    assert!(world.cloud.unfinished().is_empty(), "{waiting}");
    assert_eq!(world.claim(&id).await.short(), "410 job-finished");
    assert_eq!(world.post(&close).worker().send().await.status, 204, "once more is fine");
    for _ in 0..3 {
        assert_eq!(world.post("/internal/sweep").worker().send().await.status, 200);
    }
    assert!(world.cloud.keys().is_empty(), "the sweep takes the objects");
    assert_eq!(world.post("/internal/users/x/close").worker().send().await.short(), "404 not-found");
}

#[tokio::test]
async fn correlation_ids_come_back() {
    let world = World::new();
    assert_eq!(world.get("/health").send().await.header("x-correlation-id"), "c-1");
    for bad in ["", "a b", &"x".repeat(65)] {
        let request = http::Request::get("/health").header("x-correlation-id", bad);
        let request = request.body(http_body_util::Empty::new()).unwrap();
        let answer = world.send(Component::Control, request).await;
        let id = answer.header("x-correlation-id");
        assert!(!id.is_empty() && id != bad, "{bad:?} {id}");
    }
}

#[tokio::test]
async fn pages_of_configured_origins_may_call() {
    let origin = "https://app.example.com";
    let world = World::with(&[("cors_origins", "http://localhost:5173 https://app.example.com")]);
    let allowed = |answer: &Answer| {
        assert!(answer.headers.get_all("vary").iter().any(|value| value == "origin"), "{}", answer.text());
        answer.headers.get("access-control-allow-origin").map(|value| value.to_str().unwrap().to_owned())
    };
    let asked = world.request(Method::OPTIONS, "/videos").header("origin", origin);
    let asked = asked.header("access-control-request-method", "POST").send().await;
    assert_eq!((asked.status.as_u16(), allowed(&asked)), (204, Some(origin.into())));
    assert_eq!(asked.headers["access-control-allow-methods"], "GET, HEAD, OPTIONS, POST");
    let sent = asked.headers["access-control-allow-headers"].to_str().unwrap();
    assert!(sent.contains("Authorization") && sent.contains("Idempotency-Key"), "{sent}");
    // An answer, an error, and an error of the service itself.
    let video = world.create(1, MIB).await;
    let path = format!("/videos/{}", video["id"].as_str().unwrap());
    let found = world.get(&path).user(1).header("origin", origin).send().await;
    assert_eq!((found.status.as_u16(), allowed(&found)), (200, Some(origin.into())));
    let exposed = found.headers["access-control-expose-headers"].to_str().unwrap();
    assert!(exposed.contains("ETag") && exposed.contains("X-Correlation-Id"), "{exposed}");
    assert!(!found.headers.contains_key("access-control-allow-credentials"));
    let unknown = world.get(&path).header("origin", origin).send().await;
    assert_eq!((unknown.status.as_u16(), allowed(&unknown)), (401, Some(origin.into())));
    world.fault.set(Some(Failure::from(Unavailable { what: "store", detail: "down".into() })));
    let down = world.get(&path).user(1).header("origin", origin).send().await;
    assert_eq!((down.status.as_u16(), allowed(&down)), (503, Some(origin.into())));
    // Other origins get no CORS headers, and no origin gets them if none is configured.
    let other = world.get(&path).user(1).header("origin", "https://evil.example").send().await;
    assert_eq!((other.status.as_u16(), allowed(&other)), (200, None));
    let closed = World::new().get("/videos").user(1).header("origin", origin).send().await;
    assert!(
        !closed.headers.contains_key("vary") && !closed.headers.contains_key("access-control-allow-origin")
    );
}
